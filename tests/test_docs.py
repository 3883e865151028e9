"""The documentation keeps up with the code: environment variables, the explorer's pages, commands, the first lines."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from explorer.navigation import PAGES
from training.cli import app as training_app
from zoo.cli import app as zoo_app

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
CODE = ("explorer", "tests", "benchmarks", "training", "wzroi", "zoo")

READ = re.compile(r"""(?:environ(?:\.get|\.setdefault)?|getenv)[(\[]\s*["'](\w+)["']""")
OWN = re.compile(r"""["'](WZROI_[A-Z]+)["']""")


def text_of(page: str) -> str:
    return (DOCS / page).read_text(encoding="utf-8")


def variables() -> set[str]:
    """Every environment variable that the code reads or sets."""
    files = [ROOT / "app.py", *(path for place in CODE for path in (ROOT / place).rglob("*.py"))]
    texts = [path.read_text(encoding="utf-8") for path in files if path != Path(__file__).resolve()]
    return {name for text in texts for pattern in (READ, OWN) for name in pattern.findall(text)} - {"PATH"}


def test_every_environment_variable_is_described() -> None:
    found = variables()
    assert {"WZROI_DATA", "WZROI_REPO", "WZROI_HOSTED", "OMP_NUM_THREADS"} <= found
    described = set(re.findall(r"`([A-Z][A-Z0-9_]+|[a-z]+_proxy)`", text_of("hosting.md")))
    assert found - described == set()


def test_every_page_of_the_explorer_is_described_in_order() -> None:
    listed = re.findall(r"^- \*\*(.+)\*\*: \w", text_of("explorer.md"), re.MULTILINE)
    assert listed == [page.title for page in PAGES]


@pytest.mark.parametrize(("heading", "app"), [("python -m zoo", zoo_app), ("python -m training", training_app)])
def test_every_command_is_described(heading: str, app: object) -> None:
    section = text_of("api/cli.md").split(f"## {heading}\n")[1].split("\n## ")[0]
    described = re.findall(r"^\| `(\w+)", section, re.MULTILINE)
    commands = [one.name or one.callback.__name__ for one in app.registered_commands]  # type: ignore[attr-defined]
    assert sorted(described) == sorted(commands)


def test_the_equations_are_those_of_the_paper() -> None:
    assert re.findall(r"\\tag\{(\d+)\}", text_of("networks.md")) == [str(number) for number in range(1, 11)]


def test_the_quickstart_has_the_readmes_two_lines() -> None:
    lines = [re.findall(r"^\$ (python3 -m venv .+)$", text, re.MULTILINE)
             for text in ((ROOT / "README.md").read_text(encoding="utf-8"), text_of("quickstart.md"))]
    assert lines[0] == lines[1] and len(lines[0]) == 2
