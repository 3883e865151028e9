"""The wheel: what it holds, and that it works outside a checkout, with the core alone and with extras, from ``/``."""

from __future__ import annotations

import contextlib
import io
import json
import re
import shutil
import tarfile
import urllib.request
import zipfile
from collections.abc import Callable
from email.parser import Parser
from pathlib import Path

import pytest
from PIL import Image

import wzroi
from tests.support.app_server import free_port
from tests.support.packaging import build, environment, install, missing_tools, names, run, write_wheel
from tests.support.shared import ROOT
from tests.support.space_server import clean_environment, serving
from zoo import paths
from zoo.store.registry import BUNDLED

MAX_BYTES = 100 * 2**20
LITE = {name for name in BUNDLED.entries() if re.search(r"(_lite(_s\d+)?|^resnet_lite\..*)$", name)}
MODEL = "deepjscc_wz_roi.task_r16_lite"
PAPER = "deepjscc_wz_roi.task_r16"


def needs(*extras: str) -> list[str]:
    """The requirements of the core and of some extras."""
    known = paths.requirements()
    return [line for extra in ("", *extras) for line in known[extra]]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory, require: Callable[[str, bool, str], None]) -> Path:
    """The project as unpacked from its sdist: no git, no environment, nothing that is not committed."""
    missing = missing_tools()
    require("package", not missing, f"building a wheel needs {' and '.join(missing)}")
    out = tmp_path_factory.mktemp("sdist")
    with tarfile.open(build("sdist", out)) as archive:
        archive.extractall(out, filter="data")
    return next(path for path in out.iterdir() if path.is_dir())


@pytest.fixture(scope="module")
def wheel(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the unpacked sdist; also there: a network of the paper's size, and leftovers."""
    large = tree / "zoo" / "checkpoints" / PAPER
    shutil.copytree(BUNDLED.path(MODEL), large)
    listed = json.loads((tree / "zoo" / "registry.json").read_text())
    listed["checkpoints"].setdefault(PAPER, listed["checkpoints"][MODEL])
    (tree / "zoo" / "registry.json").write_text(json.dumps(listed))
    (tree / "assets" / "results" / ".left.rows").write_text("{}")
    return build("wheel", tmp_path_factory.mktemp("wheel"), tree)


@pytest.fixture(scope="module")
def core(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Programs of an environment with the wheel and the core's dependencies alone."""
    programs = environment(tmp_path_factory.mktemp("core"), needs())
    install(programs, wheel)
    return programs


@pytest.fixture(scope="module")
def app(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Programs of an environment with the extras ``app`` and ``hub``."""
    programs = environment(tmp_path_factory.mktemp("app"), needs("app", "hub"))
    install(programs, wheel)
    return programs


@pytest.fixture(scope="module")
def broken(core: Path, wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Programs of an environment whose wheel lost its registry, its gallery and its settings."""
    folder = tmp_path_factory.mktemp("broken")
    lost = ("zoo/registry.json", "zoo/assets/gallery/gallery.json", "explorer/script/.streamlit/config.toml")
    with zipfile.ZipFile(wheel) as whole, zipfile.ZipFile(folder / wheel.name, "w") as part:
        for item in whole.infolist():
            if item.filename.endswith("RECORD"):
                lines = whole.read(item).decode().splitlines()
                part.writestr(item, "\n".join(line for line in lines if line.split(",")[0] not in lost) + "\n")
            elif item.filename not in lost:
                part.writestr(item, whole.read(item))
    programs = environment(folder, needs("app"))
    install(programs, folder / wheel.name)
    return programs


def test_what_the_wheel_holds(wheel: Path) -> None:
    held = names(wheel)
    assert wheel.stat().st_size < MAX_BYTES
    checkpoints = {name.split("/")[2] for name in held if name.startswith("zoo/checkpoints/")}
    assert checkpoints == LITE and PAPER not in checkpoints and len(LITE) > 20
    wanted = {
        "zoo/registry.json", "zoo/py.typed", "wzroi/py.typed", "zoo/assets/icon.png", "zoo/assets/gallery/gallery.json",
        "zoo/assets/results/README.md", "zoo/space/docker/Dockerfile", "zoo/space/docker/dockerignore",
        "explorer/script/app.py", "explorer/script/.streamlit/config.toml",
    }  # fmt: skip
    assert wanted <= held
    for package in ("wzroi", "zoo", "training", "explorer"):
        sources = [path for path in (ROOT / package).rglob("*") if path.suffix in (".py", ".js", ".css", ".html")]
        assert {str(path.relative_to(ROOT)) for path in sources} <= held
    assert not [name for name in held if name.endswith((".rows", ".ipynb", ".pyc")) or "screenshot" in name]
    assert {name.split("/")[0] for name in held} == {"wzroi", "zoo", "training", "explorer"}


def test_a_wheel_of_the_checkout_is_that_of_the_sdist(wheel: Path, tmp_path: Path) -> None:
    assert names(build("wheel", tmp_path)) == names(wheel)


def test_metadata(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        info = next(name for name in archive.namelist() if name.endswith("METADATA"))
        said = Parser().parsestr(archive.read(info).decode())
    assert said["Version"] == wzroi.__version__ and said["License-Expression"] == "MIT"
    assert "WZ-ROI authors" in said["Author"] and "Typing :: Typed" in said.get_all("Classifier", [])
    extras = {"app", "train", "hub", "space", "link", "test", "docs", "heif"}
    assert extras <= set(said.get_all("Provides-Extra", []))
    core = {re.split(r"[^\w-]", line)[0] for line in said.get_all("Requires-Dist", []) if "extra ==" not in line}
    assert sorted(core) == ["numpy", "pillow", "pytorch-msssim", "pyyaml", "rich", "safetensors", "torch",
                            "torchvision", "typer"]  # fmt: skip


def test_the_version_stands_in_one_place() -> None:
    pattern = re.compile(r"^(?:__version__ = |version[:=] ?)\"?(\d+\.\d+\.\d+)\"?$", re.MULTILINE)
    assert pattern.findall((ROOT / "wzroi" / "__init__.py").read_text()) == [wzroi.__version__]
    assert pattern.findall((ROOT / "pyproject.toml").read_text()) == []
    assert pattern.findall((ROOT / "CITATION.cff").read_text()) in ([], [wzroi.__version__])
    assert f"## {wzroi.__version__}" in (ROOT / "CHANGELOG.md").read_text()


def test_the_core_alone_lists_verifies_and_transmits(core: Path, tmp_path: Path) -> None:
    shown = run([str(core / "wzroi"), "list"]).stdout
    assert all(name in shown for name in LITE)
    assert re.search(rf"{re.escape(PAPER)} .*not here", shown) and "python -m zoo pull NAME" in shown
    assert f"{MODEL}: ok" in run([str(core / "wzroi"), "verify", MODEL, "resnet_lite.*"]).stdout
    picture = paths.GALLERY / "cifar10_test_0012_dog.png"
    command = [str(core / "wzroi"), "transmit", str(picture), "--model", MODEL, "--out", str(tmp_path / "out.jpg")]
    assert "PSNR" in run(command).stdout and Image.open(tmp_path / "out.jpg").format == "JPEG"


SCRIPT = """
import sys, torch, wzroi, zoo
from zoo.serving.gallery import gallery_entry
from zoo.results.files import measured, results
network, judge = zoo.load("deepjscc_wz_roi.task_r16_lite", "cpu"), zoo.load_judge("resnet_lite.cifar10", "cpu")
pair = gallery_entry("cifar-0").pair
noise = torch.Generator().manual_seed(0)
channel = wzroi.sample_channel("awgn", 5.0, 1, network.num_symbols(32, 32), generator=noise)
report = wzroi.run_link(network, pair, channel, wzroi.roi_map(judge, pair), judge)
print(f"{report.psnr.item():.2f}", len(measured()) > 10, results("wz_roi_flex.rec_lite").model)
print(sorted({"streamlit", "gradio", "plotly", "huggingface_hub", "accelerate"} & set(sys.modules)))
"""


def test_the_core_alone_runs_the_link_and_reads_results(core: Path) -> None:
    first, second = run([str(core / "python"), "-c", SCRIPT]).stdout.splitlines()
    psnr, measured, model = first.split()
    assert float(psnr) > 20 and (measured, model) == ("True", "wz_roi_flex.rec_lite") and second == "[]"


@pytest.mark.parametrize(("command", "extra"), [
    (["wzroi-explorer"], "app"), (["wzroi-train", "train", "deepjscc.rec_r16_lite"], "train"),
    (["wzroi", "pull", "*", "--repo", "me/zoo"], "hub"), (["python", "-m", "zoo.space.app"], "space"),
    (["python", "-c", "from zoo.results.plots import sweep_figure; sweep_figure([])"], "app"),
])  # fmt: skip
def test_without_an_extra_a_sentence_names_it(core: Path, command: list[str], extra: str) -> None:
    code = 1 if command[0] == "wzroi-explorer" or command[1] in ("-m", "-c") else 2
    done = run([str(core / command[0]), *command[1:]], code=code)
    last = done.stderr.strip().splitlines()[-1]
    assert f"pip install 'wzroi[{extra}]'" in last
    assert command[1:2] == ["-c"] or ("Traceback" not in done.stderr and len(done.stderr.strip().splitlines()) == 1)


ABSENT = f"""
import zoo
from typer.testing import CliRunner
from zoo.cli import app
said = CliRunner().invoke(app, ["transmit", {str(paths.GALLERY / "cifar10_test_0012_dog.png")!r}, "--model", {PAPER!r}])
print(said.exit_code, "zoo pull {PAPER} --repo USER/NAME" in said.stderr, said.stderr.count(chr(10)))
print({PAPER!r} in zoo.list_models(), len(zoo.list_models()), zoo.describe({PAPER!r}).parameters > 0)
"""


def test_a_network_that_is_not_here_says_how_to_get_it(core: Path) -> None:
    said = run([str(core / "wzroi"), "verify", PAPER], code=2).stderr
    assert f"python -m zoo pull {PAPER} --repo USER/NAME" in said and said.count("\n") == 1
    sent, known = run([str(core / "python"), "-c", ABSENT]).stdout.splitlines()
    assert sent == "2 True 1" and known == f"False {len(LITE) - 1} True"


@pytest.mark.parametrize("command", ["list", "verify"])
def test_an_installation_without_its_data_says_so(broken: Path, command: str) -> None:
    done = run([str(broken / "wzroi"), command], code=2)
    assert "registry.json is missing" in done.stderr and "install it again" in done.stderr and not done.stdout


def test_an_explorer_without_its_settings_says_so(broken: Path) -> None:
    assert "installation is not whole" in run([str(broken / "wzroi-explorer")], code=1).stderr
    said = run([str(broken / "python"), "-c", "from zoo.serving.gallery import gallery; gallery()"], code=1).stderr
    assert "gallery.json is missing" in said


def test_the_explorer_answers(app: Path, tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "log"
    address = f"http://127.0.0.1:{port}"
    command = [str(app / "wzroi-explorer"), "--server.port", str(port), "--server.headless", "true"]
    command += ["--server.address", "127.0.0.1"]
    with serving(command, Path("/"), f"{address}/_stcore/health", clean_environment(), log):
        with urllib.request.urlopen(f"{address}/wzroi/frame?models={MODEL}&snr=5", timeout=200) as answer:
            frame = json.load(answer)
        with contextlib.closing(urllib.request.urlopen(address, timeout=60)) as page:
            assert b"<!doctype html>" in page.read().lower()
    assert "error" not in frame and any(isinstance(value, str) and len(value) > 1000 for value in frame.values())
    said = log.read_text()
    assert "Traceback" not in said
    assert "usage statistics" not in said, "the settings beside the packaged application were not read"


def test_the_container_can_be_assembled_from_the_wheel(app: Path, tmp_path: Path) -> None:
    made = tmp_path / "demo"
    run([str(app / "wzroi"), "space", "--repo", "me/demo", "--kind", "docker", "--dry-run", str(made)])
    for name in ("app.py", "Dockerfile", "LICENSE", ".streamlit/config.toml", "assets/icon.png", "zoo/registry.json",
                 "explorer/ui/web/bench.js", f"zoo/checkpoints/{MODEL}/model.safetensors"):  # fmt: skip
        assert (made / name).is_file(), name
    assert not (made / "zoo" / "assets").exists()
    wanted = (made / "requirements.txt").read_text()
    assert all(name in wanted for name in ("streamlit", "plotly", "torch", "huggingface-hub"))
    assert "gradio" not in wanted and "wzroi" not in wanted


def test_an_upgrade_leaves_no_old_module(wheel: Path, tmp_path: Path) -> None:
    programs = environment(tmp_path, needs())
    gone = ["wzroi/views.py", "zoo/store.py", "zoo/hosting.py"]  # modules of 0.1.0
    old = dict.fromkeys(["wzroi/__init__.py", "zoo/__init__.py", *gone], "")
    install(programs, write_wheel(tmp_path, "0.1.0", old))
    site = next((programs.parent / "lib").glob("python*")) / "site-packages"
    assert (site / "zoo" / "hosting.py").is_file()
    install(programs, wheel)
    assert not [name for name in gone if (site / name).exists()]
    assert [path.name for path in site.glob("wzroi-*.dist-info")] == [f"wzroi-{wzroi.__version__}.dist-info"]
    assert MODEL in run([str(programs / "wzroi"), "list"]).stdout


def test_pictures_of_the_wheel_are_those_of_the_checkout(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        for path in sorted(paths.GALLERY.glob("*.png")):
            packed = archive.read(f"zoo/assets/gallery/{path.name}")
            assert packed == path.read_bytes() and Image.open(io.BytesIO(packed)).size[0] > 0
