"""The documentation's import graph: computed from the code, and without circles."""

from __future__ import annotations

import sys

import pytest

from tests.support.shared import ROOT

sys.path.insert(0, str(ROOT / "docs"))

import import_graph


def test_the_code_has_no_circle_and_no_large_folder() -> None:
    assert import_graph.circles() == []
    assert max(map(len, import_graph.modules_in().values())) <= 14


def test_a_circle_would_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = import_graph.grimp.ImportGraph()
    for importer, imported in (("a", "b"), ("b", "c"), ("c", "a"), ("c", "d")):
        for name in (importer, imported):
            graph.add_module(name)
        graph.add_import(importer=importer, imported=imported)
    monkeypatch.setattr(import_graph, "import_graph", lambda: graph)
    assert import_graph.circles() == [["a", "b", "c"]]


def test_the_page_tells_every_folder_and_the_arrows_point_one_way() -> None:
    page = import_graph.page()
    assert "circles of imports: 0" in page and all(f"| `{name}/` |" in page for name in import_graph.modules_in())
    assert set(import_graph.between_packages()) <= set(import_graph.ARROWS)
    assert page.count("marker-end") == len(import_graph.between_packages())
