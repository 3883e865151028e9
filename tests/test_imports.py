"""The import direction: app -> zoo -> wzroi, training -> zoo, wzroi; inside wzroi in the order the data travels."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT

ORDER = [
    "config", "data", "pairs", "layers", "encoder", "channel", "judge", "roi", "decoder", "model", "windows", "align",
    "refine", "flex", "metrics", "link", "views",
]
OURS = ("wzroi", "zoo", "training", "explorer", "app")
ALLOWED = {"wzroi": {"wzroi"}, "zoo": {"zoo", "wzroi"}, "training": {"training", "zoo", "wzroi"}}
"""Package -> ours that it may import; the app may import zoo and wzroi."""

FRONT_ENDS = ("streamlit", "gradio", "plotly", "starlette", "fastapi")


def sources(package: str) -> list[Path]:
    folder = ROOT / package
    return sorted(folder.rglob("*.py")) if folder.is_dir() else [ROOT / f"{package}.py"]


def imported(path: Path) -> Iterator[str]:
    """Dotted names of every import in a file, inside functions too; relative ones resolved."""
    package = path.relative_to(ROOT).parent.parts
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            module = ".".join(part for part in (base, node.module) if part)
            yield from (f"{module}.{alias.name}" for alias in node.names)


def top_level(name: str) -> str:
    return name.split(".")[0]


@pytest.mark.parametrize("package", ["wzroi", "zoo", "training"])
def test_packages_import_only_what_lies_below(package: str) -> None:
    files = [path for path in sources(package) if "space" not in path.relative_to(ROOT).parts]
    assert files
    wrong = {
        (str(path.relative_to(ROOT)), name)
        for path in files for name in imported(path)
        if top_level(name) in OURS and top_level(name) not in ALLOWED[package]
    }
    assert not wrong


def test_the_app_trains_nothing() -> None:
    pages = [ROOT / "app.py", *sources("explorer")]
    assert not {(str(page), name) for page in pages for name in imported(page) if top_level(name) == "training"}


def test_the_order_lists_every_file_of_the_link() -> None:
    assert {path.stem for path in sources("wzroi")} - {"__init__"} <= set(ORDER)


@pytest.mark.parametrize("name", ORDER)
def test_the_link_imports_in_the_order_of_the_data(name: str) -> None:
    path = ROOT / "wzroi" / f"{name}.py"
    if not path.is_file():
        pytest.skip(f"no wzroi/{name}.py here")
    used = {found.split(".")[1] for found in imported(path) if found.startswith("wzroi.")}
    below = set(ORDER[: ORDER.index(name)])
    assert used <= below, f"wzroi/{name}.py imports {sorted(used - below)}, which come after it"


def test_relative_imports_are_seen() -> None:
    """The reader of this file resolves what it must find: a test of the test."""
    path = ROOT / "wzroi" / "_probe.py"
    tree = "from . import views\nfrom .link import run_link\nimport zoo.hub\n"
    original = Path.read_text
    try:
        Path.read_text = lambda self, *a, **k: tree if self == path else original(self, *a, **k)  # type: ignore
        assert list(imported(path)) == ["wzroi.views", "wzroi.link.run_link", "zoo.hub"]
    finally:
        Path.read_text = original  # type: ignore[method-assign]


def test_library_and_training_start_without_a_front_end() -> None:
    """In a fresh process, every module of wzroi, zoo and training: no page framework, no plotting library."""
    modules = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for package in ("wzroi", "zoo", "training") for path in sources(package)
        if path.stem != "__main__" and "space" not in path.relative_to(ROOT).parts
    ]
    assert "wzroi.link" in modules
    assert "training.cli" in modules
    script = (
        f"import importlib, sys\nfor name in {modules!r}: importlib.import_module(name)\n"
        f"print(*sorted({{m.split('.')[0] for m in sys.modules}} & set({FRONT_ENDS!r})))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []


def test_no_device_names_in_the_library() -> None:
    """wzroi runs where its tensors are: no file but the command's own chooses a device."""
    for path in sources("wzroi"):
        strings = {node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant)}
        assert not strings & {"cuda", "mps", "cuda:0"}, path
        calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)]
        assert not [node for node in calls if node.attr == "cuda"], path


@pytest.mark.parametrize("name", ["campaign", "judge", "loop", "recipes", "rehearsal", "runs", "train"])
def test_training_never_asks_for_the_test_split(name: str) -> None:
    """Only evaluation reads test: no file that training and model choice pass through holds the word as data."""
    nodes = ast.walk(ast.parse((ROOT / "training" / f"{name}.py").read_text()))
    assert "test" not in {node.value for node in nodes if isinstance(node, ast.Constant)}
