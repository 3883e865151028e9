"""The import direction: app, explorer -> zoo -> wzroi, training -> zoo, wzroi; inside wzroi as the data travels."""

from __future__ import annotations

import ast
import functools
import os
import subprocess
import sys
from collections.abc import Iterable
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import grimp
import pytest

from tests.support.shared import ROOT

ORDER = [
    "config", "parameters", "data", "pairs", "networks.layers", "networks.stored_names", "networks.encoder",
    "channel", "judge", "roi", "networks.base", "networks.decoder", "networks.deepjscc", "networks.block_transform",
    "networks.alignment", "networks.refiner", "networks.flex", "architectures", "names", "metrics", "link", "images",
    "plugins",
]
PACKAGES = ("wzroi", "zoo", "training", "explorer")
LAYERS = (grimp.Layer("explorer", "training"), "zoo", "wzroi")
"""Each imports only what stands after it; those of one layer do not know of each other."""

MAX_MODULES = 14
"""Most modules in a folder, so that its list is read at a glance."""

FRONT_ENDS = ("streamlit", "gradio", "plotly", "starlette", "fastapi")

ONLY = {
    "huggingface_hub": ("zoo.hub",), "gradio": ("zoo.space",), "streamlit": ("explorer",), "starlette": ("explorer",),
    "sionna": ("training.baselines.ldpc",), "accelerate": ("training.fit",),
}
"""What comes from outside -> whose modules may import it, even inside a function."""


@functools.cache
def graph() -> grimp.ImportGraph:
    """Every import of the packages, inside functions and for type checking too."""
    return grimp.build_graph(*PACKAGES, include_external_packages=True, cache_dir=None)


def modules(package: str) -> set[str]:
    """A package with all that it holds."""
    return {package, *graph().find_descendants(package)}


def below(name: str, tops: Iterable[str]) -> bool:
    """Whether a module is one of ``tops`` or lies in one."""
    return any(name == top or name.startswith(f"{top}.") for top in tops)


def source(name: str) -> Path:
    """The file of a module."""
    path = ROOT.joinpath(*name.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def circle(arrows: dict[str, set[str]]) -> list[str]:
    """A circle of imports, the first module once more at its end; empty where there is none."""
    try:
        TopologicalSorter(arrows).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_imports_inside_functions_are_seen() -> None:
    assert "zoo.hub" in graph().find_modules_directly_imported_by("zoo.loading")
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"a"}}) and not circle({"a": {"b", "c"}, "b": {"c"}})


def test_packages_import_only_what_lies_below() -> None:
    assert not graph().find_illegal_dependencies_for_layers(LAYERS)


def test_the_app_trains_nothing() -> None:
    nodes = [node for node in ast.walk(ast.parse((ROOT / "app.py").read_text())) if isinstance(node, ast.ImportFrom)]
    assert "explorer" in {(node.module or "").split(".")[0] for node in nodes}
    assert "training" not in {(node.module or "").split(".")[0] for node in nodes}


def test_no_module_is_imported_by_what_it_imports() -> None:
    names = set().union(*map(modules, PACKAGES))
    assert circle({name: graph().find_modules_directly_imported_by(name) & names for name in names}) == []


@pytest.mark.parametrize(
    "package", sorted(name for top in PACKAGES for name in modules(top) if graph().find_children(name))
)
def test_the_parts_of_a_package_import_one_way(package: str) -> None:
    """Of two folders side by side, only one imports from the other."""
    parts = graph().find_children(package)
    owner = {name: part for part in parts for name in modules(part)}
    arrows: dict[str, set[str]] = {}
    for name, part in owner.items():
        seen = {owner[other] for other in graph().find_modules_directly_imported_by(name) if other in owner}
        arrows.setdefault(part, set()).update(seen - {part})
    assert circle(arrows) == []


def test_no_folder_holds_more_than_is_read_at_a_glance() -> None:
    tops = [ROOT / name for name in (*PACKAGES, "tests", "benchmarks")]
    folders = {path.parent for top in tops for path in top.rglob("*.py")}
    sizes = {
        str(folder.relative_to(ROOT)): sum(not path.stem.startswith("__") for path in folder.glob("*.py"))
        for folder in folders
    }
    assert sizes["zoo/store"] > 3
    assert {folder: size for folder, size in sizes.items() if size > MAX_MODULES} == {}


def test_the_order_lists_every_file_of_the_link() -> None:
    assert {f"wzroi.{name}" for name in ORDER} | {"wzroi", "wzroi.networks"} == modules("wzroi")


@pytest.mark.parametrize("name", ORDER)
def test_the_link_imports_in_the_order_of_the_data(name: str) -> None:
    used = graph().find_modules_directly_imported_by(f"wzroi.{name}") & modules("wzroi")
    earlier = {f"wzroi.{other}" for other in ORDER[: ORDER.index(name)]}
    assert used <= earlier, f"wzroi.{name} imports {sorted(used - earlier)}, which come after it"


@pytest.mark.parametrize("package", list(ONLY))
def test_each_client_and_front_end_has_its_place(package: str) -> None:
    users = graph().find_modules_that_directly_import(package)
    assert users, f"nothing imports {package}"
    assert {name for name in users if not below(name, ONLY[package])} == set()


def test_library_and_training_start_without_a_front_end() -> None:
    """In a fresh process, every module of wzroi, zoo and training: no page framework, no plotting library."""
    names = sorted(
        name for package in ("wzroi", "zoo", "training") for name in modules(package)
        if not name.endswith(".__main__") and not below(name, ["zoo.space"])
    )
    assert {"wzroi.link", "training.cli", "zoo.results.plots"} <= set(names)
    script = (
        f"import importlib, sys\nfor name in {names!r}: importlib.import_module(name)\n"
        f"print(*sorted({{m.split('.')[0] for m in sys.modules}} & set({FRONT_ENDS!r})))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []


@pytest.mark.parametrize("name", sorted(modules("wzroi")))
def test_no_device_names_in_the_library(name: str) -> None:
    """wzroi runs where its tensors are: no file but the command's own chooses a device."""
    nodes = list(ast.walk(ast.parse(source(name).read_text())))
    assert not {node.value for node in nodes if isinstance(node, ast.Constant)} & {"cuda", "mps", "cuda:0"}
    assert not [node for node in nodes if isinstance(node, ast.Attribute) and node.attr == "cuda"]


@pytest.mark.parametrize("name", ["training.recipes", *sorted(modules("training.fit"))])
def test_training_never_asks_for_the_test_split(name: str) -> None:
    """Only evaluation reads test: no file that training and model choice pass through holds the word as data."""
    nodes = ast.walk(ast.parse(source(name).read_text()))
    assert "test" not in {node.value for node in nodes if isinstance(node, ast.Constant)}
