"""Where the project's own files lie; no other module looks for them.

In a checkout, and in a folder that ``python -m zoo space`` assembled, ``assets`` stands beside the packages. A wheel
carries the gallery, the results and the icon inside this package, as ``zoo/assets``.
"""

from __future__ import annotations

import tomllib
from importlib import metadata
from pathlib import Path

from zoo.errors import ZooError

PACKAGE = Path(__file__).resolve().parent
"""The folder of ``zoo``, with ``registry.json`` and ``checkpoints``."""

ROOT = PACKAGE.parent
"""What holds the packages: the checkout, an assembled folder, or ``site-packages``."""

BESIDE = ROOT / "assets"
ASSETS = BESIDE if (BESIDE / "gallery" / "gallery.json").is_file() else PACKAGE / "assets"
GALLERY = ASSETS / "gallery"
RESULTS = ASSETS / "results"

AGAIN = "install it again (`pip install --force-reinstall --no-deps wzroi`), or run in a checkout of the project"


def checkout() -> Path | None:
    """The root of the checkout that this package is imported from; ``None`` for an installed package."""
    return ROOT if (ROOT / "pyproject.toml").is_file() and ASSETS == BESIDE else None


def own_folder(*parts: str) -> Path:
    """A folder of the project to write to: of the checkout, or below the working folder for an installed package."""
    return (checkout() or Path()).joinpath(*parts)


OWN_RESULTS = own_folder("assets", "results")
"""Where measurements are written."""


def need(path: Path) -> Path:
    """A file or folder that every copy of the project holds; raises ZooError where it is missing."""
    if not path.exists():
        raise ZooError(f"{path} is missing, so this installation is not whole: {AGAIN}")
    return path


def streamlit_files() -> dict[str, Path]:
    """``app.py`` and ``.streamlit``: what ``streamlit run`` starts, and its settings."""
    script = ROOT / "explorer" / "script"
    home = checkout() or (ROOT if (ROOT / "app.py").is_file() and ASSETS == BESIDE else script)
    return {"app.py": need(home / "app.py"), ".streamlit": need(home / ".streamlit")}


def licence() -> str:
    """The text of the project's licence."""
    if (ROOT / "LICENSE").is_file() and ASSETS == BESIDE:
        return (ROOT / "LICENSE").read_text(encoding="utf-8")
    text = _installed().read_text("licenses/LICENSE")
    if text is None:
        raise ZooError(f"the licence is missing from this installation: {AGAIN}")
    return text


def requirements() -> dict[str, list[str]]:
    """The project's dependencies by extra, those of the core under ``""``, without their markers."""
    if folder := checkout():
        project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        return {"": project["dependencies"], **project["optional-dependencies"]}
    found: dict[str, list[str]] = {}
    for line in _installed().requires or ():
        requirement, _, marker = line.partition(";")
        extra = marker.partition("extra ==")[2].strip(" '\"")
        found.setdefault(extra, []).append(requirement.strip())
    return found


def _installed() -> metadata.Distribution:
    try:
        return metadata.distribution("wzroi")
    except metadata.PackageNotFoundError as error:
        raise ZooError("wzroi is not installed: run `pip install .` (or `pip install -e .`) in a checkout") from error
