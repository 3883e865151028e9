"""Wheels built and installed for tests: a fresh environment that sees the packages of some extras and nothing else."""

from __future__ import annotations

import base64
import hashlib
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterable, Mapping
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.shared import ROOT
from tests.support.space_server import clean_environment

DIST = "wzroi"


def missing_tools() -> list[str]:
    """What building and installing needs and is not here."""
    return [name for name, there in {"hatchling": find_spec("hatchling"), "uv": uv()}.items() if not there]


def uv() -> str | None:
    """The installer: beside this Python, or on the path."""
    beside = Path(sys.executable).with_name("uv")
    return str(beside) if beside.is_file() else shutil.which("uv")


def build(target: str, out: Path, source: Path = ROOT) -> Path:
    """Build ``wheel`` or ``sdist`` of a source tree into a folder, without a network."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(out)]
    run(command, cwd=source)
    return next(out.glob("*.whl" if target == "wheel" else "*.tar.gz"))


def run(
    command: list[str], cwd: Path = Path("/"), code: int = 0, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a command that must end with ``code``."""
    env = clean_environment(**{"COLUMNS": "200"} | environment)
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == code, f"{command} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done


def names(wheel: Path) -> set[str]:
    """The files of a wheel, but for its own metadata."""
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


def closure(requirements: Iterable[str]) -> set[str]:
    """Names of the installed distributions that these requirements come down to."""
    found: set[str] = set()
    todo = [(Requirement(text), "") for text in requirements]
    while todo:
        need, extra = todo.pop()
        name = canonicalize_name(need.name)
        if name == DIST or (need.marker and not need.marker.evaluate({"extra": extra})):
            continue
        try:
            listed = metadata.distribution(name).requires or []
        except metadata.PackageNotFoundError:
            continue  # optional on this platform
        if name not in found:
            found.add(name)
            todo += [(Requirement(text), other) for text in listed for other in ("", *need.extras)]
    return found


def environment(folder: Path, requirements: Iterable[str]) -> Path:
    """A new virtual environment that sees what ``requirements`` come down to; returns its folder of programs."""
    run([sys.executable, "-m", "venv", "--without-pip", str(folder / "venv")])
    seen = folder / "seen" / "site-packages"  # by this name Streamlit knows that it is installed
    seen.mkdir(parents=True)
    for name in closure(requirements):
        distribution = metadata.distribution(name)
        for top in {file.parts[0] for file in distribution.files or () if file.parts[0] not in ("..", "__pycache__")}:
            source = Path(str(distribution.locate_file(top)))
            if source.exists() and not (seen / top).exists() and not top.endswith(".pth"):
                (seen / top).symlink_to(source)
    site = next((folder / "venv" / "lib").glob("python*")) / "site-packages"
    (site / "seen.pth").write_text(f"{seen}\n")
    return folder / "venv" / "bin"


def install(programs: Path, wheel: Path) -> None:
    """Install a wheel without its dependencies, in place of what was installed before."""
    run([str(uv()), "pip", "install", "-q", "--no-deps", "--offline", "--python", str(programs / "python"), str(wheel)])


def write_wheel(out: Path, version: str, files: Mapping[str, str]) -> Path:
    """A wheel of this project's name with these files."""
    info = f"{DIST}-{version}.dist-info"
    whole = dict(files) | {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {DIST}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    digests = {name: hashlib.sha256(text.encode()).digest() for name, text in whole.items()}
    rows = [f"{name},sha256={base64.urlsafe_b64encode(d).rstrip(b'=').decode()}," for name, d in digests.items()]
    whole[f"{info}/RECORD"] = "\n".join([*rows, f"{info}/RECORD,,"]) + "\n"
    path = out / f"{DIST}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in whole.items():
            archive.writestr(name, text)
    return path
