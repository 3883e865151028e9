"""The README and the page of every table: their links lead to what exists, and every page of the explorer is named."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from explorer.navigation import PAGES
from training.reports.markdown import anchor
from training.reports.tables import PAGE, README
from zoo.results.files import RESULTS


def links(text: str) -> list[str]:
    return [target for target in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in target]


@pytest.mark.parametrize("path", [README, RESULTS / PAGE], ids=["front", "every"])
def test_links_lead_to_what_exists(path: Path) -> None:
    """Files of the repository, and headings of the pages that are written here."""
    found = links(path.read_text(encoding="utf-8"))
    assert len(found) > 5
    for target in found:
        place, _, name = target.partition("#")
        file = (path.parent / place).resolve() if place else path
        assert file.exists(), target
        if name:
            headings = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
            assert name in map(anchor, headings), target


def test_the_readme_tells_what_each_page_is_for() -> None:
    text = README.read_text(encoding="utf-8")
    assert re.findall(r"^- \*\*(.+)\*\*: \w", text.split("## Use it\n")[1].split("\n## ")[0], re.MULTILINE) == [
        page.title for page in PAGES
    ]
