"""The import graph of the code as a page of the documentation, computed by grimp when the site is built.

The code is read, not run.
"""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import cache
from html import escape
from pathlib import Path

import grimp

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("explorer", "training", "zoo", "wzroi")
"""From top to bottom: a package may import those below it, but ``explorer`` and ``training`` not one another."""

HEIGHT = 110
PLACES = {"explorer": (5, 5), "training": (445, 5), "zoo": (125, 195), "wzroi": (5, 385)}
WIDTHS = {"explorer": 420, "training": 420, "zoo": 620, "wzroi": 860}
ARROWS = {
    ("explorer", "zoo"): (250, 115, 250, 195), ("training", "zoo"): (600, 115, 600, 195),
    ("zoo", "wzroi"): (435, 305, 435, 385), ("training", "wzroi"): (845, 115, 845, 385),
    ("explorer", "wzroi"): (25, 115, 25, 385),
}  # fmt: skip
"""Arrow between two packages -> its ends in the picture."""


@cache
def import_graph() -> grimp.ImportGraph:
    """Every import among the project's packages."""
    sys.path.insert(0, str(ROOT))
    try:
        return grimp.build_graph(*PACKAGES, cache_dir=None)
    finally:
        sys.path.remove(str(ROOT))


def folder_of(module: str) -> str:
    """The folder that a module lies in: ``zoo.store`` for ``zoo.store.card``, ``zoo`` for ``zoo.loading``."""
    path = ROOT / module.replace(".", "/")
    return module if path.is_dir() else module.rpartition(".")[0]


def edges() -> Iterator[tuple[str, str]]:
    """(importer, imported), modules of the project."""
    graph = import_graph()
    for importer in sorted(graph.modules):
        yield from ((importer, other) for other in sorted(graph.find_modules_directly_imported_by(importer)))


def circles() -> list[list[str]]:
    """Modules that import one another by some way, as groups: there should be none (Tarjan, 1972)."""
    graph = import_graph()
    after = {name: graph.find_modules_directly_imported_by(name) for name in graph.modules}
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(name: str) -> None:
        index[name] = low[name] = len(index)
        stack.append(name)
        for other in after[name]:
            if other not in index:
                visit(other)
                low[name] = min(low[name], low[other])
            elif other in stack:
                low[name] = min(low[name], index[other])
        if low[name] == index[name]:
            place = stack.index(name)
            found.append(sorted(stack[place:]))
            del stack[place:]

    for name in sorted(after):
        if name not in index:
            visit(name)
    return [group for group in found if len(group) > 1]


def modules_in() -> dict[str, list[str]]:
    """Folder -> its modules, packages' own files left out."""
    found: dict[str, list[str]] = defaultdict(list)
    for module in sorted(import_graph().modules):
        if not (ROOT / module.replace(".", "/")).is_dir() and not module.endswith("__main__"):
            found[folder_of(module)].append(module.rpartition(".")[2])
    return dict(found)


def between_packages() -> Counter[tuple[str, str]]:
    """(package, other package) -> how many imports lead from one to the other."""
    pairs = ((one.split(".")[0], other.split(".")[0]) for one, other in edges())
    return Counter(pair for pair in pairs if pair[0] != pair[1])


def picture() -> str:
    """The packages with their folders, and the imports between them, as an inline SVG."""
    parts = [
        '<svg viewBox="0 0 870 500" role="img" aria-label="Packages, their folders, and the imports between them" '
        'style="max-width:870px;width:100%;font-family:inherit" xmlns="http://www.w3.org/2000/svg">',
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
        '<path d="M0 0 8 4 0 8z" fill="currentColor"/></marker></defs>',
    ]
    folders = modules_in()
    for package in PACKAGES:
        inside = [name for name in folders if name == package or name.startswith(f"{package}.")]
        parts += _box(package, [(name, len(folders[name])) for name in inside])
    for (one, other), count in sorted(between_packages().items()):
        left, top, right, bottom = ARROWS[one, other]
        parts.append(
            f'<line x1="{left}" y1="{top}" x2="{right}" y2="{bottom - 4}" stroke="currentColor" stroke-width="1.5" '
            f'marker-end="url(#tip)"/>'
        )
        anchor, shift = ("end", -8) if left > 800 else ("start", 8)
        place = f'x="{left + shift}" y="{(top + bottom) // 2 + 5}" text-anchor="{anchor}"'
        parts.append(f'<text {place} font-size="14" fill="currentColor">{count} imports</text>')
    return "".join([*parts, "</svg>"])


def _box(package: str, folders: list[tuple[str, int]]) -> list[str]:
    left, top = PLACES[package]
    width = WIDTHS[package]
    parts = [
        f'<rect x="{left}" y="{top}" width="{width}" height="{HEIGHT}" rx="8" fill="none" stroke="currentColor"/>',
        f'<text x="{left + 14}" y="{top + 24}" font-size="16" font-weight="bold" fill="currentColor">{package}/</text>',
    ]
    each = 3 if width < 500 else 4
    for number, (name, count) in enumerate(folders):
        x, y = left + 14 + 128 * (number % each), top + 54 + 30 * (number // each)
        label = escape(name.partition(".")[2] or "top level")
        parts.append(f'<text x="{x}" y="{y}" font-size="13" fill="currentColor">{label}: {count}</text>')
    return parts


def table() -> str:
    """A Markdown table: folder, its modules, and the folders that it imports from."""
    sources: dict[str, set[str]] = defaultdict(set)
    for importer, other in edges():
        one, two = folder_of(importer), folder_of(other)
        if one != two:
            sources[one].add(two)
    lines = ["| Folder | Modules | Imports from |", "|---|---|---|"]
    for folder, names in sorted(modules_in().items()):
        others = ", ".join(f"`{name}`" for name in sorted(sources[folder])) or "–"
        lines.append(f"| `{folder}/` | {len(names)}: {', '.join(names)} | {others} |")
    return "\n".join(lines)


def page() -> str:
    """What replaces ``{{ import_graph }}`` on a page."""
    folders = modules_in()
    largest = max(folders, key=lambda name: len(folders[name]))
    count = sum(map(len, folders.values()))
    told = (
        f"{count} modules in {len(folders)} folders; circles of imports: {len(circles())}; the largest folder, "
        f"`{largest}/`, has {len(folders[largest])} modules."
    )
    return f"{picture()}\n\n{told}\n\n{table()}\n"
