"""What the documentation takes from the repository when it is built: pictures, generated tables, equations, addresses.

Nothing is fetched and no package of the project is imported, so a build needs the ``docs`` extra alone.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from latex2mathml.converter import convert
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "docs"))  # MkDocs runs this file alone

import import_graph  # noqa: E402

PICTURES = (
    "assets/icon.png",
    "assets/screenshot.png",
    "assets/space_1280.png",
    "assets/gallery/cifar10_test_0012_dog.png",
)
"""Files of the repository that pages show, under the same path in the site."""

PAGES = {
    "assets/results/README.md": "results/tables.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
}
"""Pages that lie outside of ``docs``: path in the repository -> page."""

LINKS = {
    "../../README.md#results": "index.md",
    "../../README.md#definitions": "../concepts.md#definitions",
    "../../README.md#limits": "../limits.md",
    "../../docs/concepts.md#definitions": "../concepts.md#definitions",
    "../../docs/limits.md": "../limits.md",
    "../../docs/results/index.md": "index.md",
    "docs/training.md": "training.md",
    "docs/extending.md": "extending.md",
    "LICENSE": "index.md",
}
"""Links of such pages: target in the repository -> target in the site."""

_FENCE = re.compile(r"^(```|~~~).*?^\1[ \t]*$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`[^`\n]+`")
_MATH = re.compile(r"\$\$(?P<block>.+?)\$\$|(?<![\w$])\$(?P<inline>[^$\n]+?)\$(?![\w$])", re.DOTALL)
_PLACE = re.compile(r"^::: (\w+):(\w+)$", re.MULTILINE)
_KEPT = "mathplaceholder{}x"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pictures and pages that lie outside of ``docs``."""
    for path in PICTURES:
        files.append(File.generated(config, path, abs_src_path=str(ROOT / path)))
    for path, page in PAGES.items():
        files.append(File.generated(config, page, content=_relinked((ROOT / path).read_text(encoding="utf-8"))))
    return files


def _relinked(text: str) -> str:
    """The text with links that lead to the same place in the site."""
    return re.sub(r"\]\(([^)\s]+)\)", lambda found: f"]({LINKS.get(found[1], found[1])})", text)


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Fill in configured values, find the modules of ``::: package:name``, and set equations aside as MathML."""
    extra: dict[str, Any] = config.extra
    markdown = markdown.replace("{{ benchmarks }}", extra["benchmarks"])
    if "{{ import_graph }}" in markdown:
        markdown = markdown.replace("{{ import_graph }}", import_graph.page())
    if extra.get("hub"):
        markdown = markdown.replace("USER/ZOO", extra["hub"])
    markdown = _PLACE.sub(lambda found: f"::: {located(found[1], found[2])}", markdown)
    kept: list[str] = []
    page.meta["kept_math"] = kept
    return _without_math(markdown, kept)


def located(package: str, name: str) -> str:
    """The dotted path of a public function, class or table of a package, wherever its module lies.

    Raises:
        PluginError: when there is none, or more than one.
    """
    pattern = re.compile(rf"^(?:(?:async )?def|class) {name}\b|^{name}\b.*? = ", re.MULTILINE)
    modules = sorted((ROOT / package).rglob("*.py"))
    found = [path for path in modules if pattern.search(path.read_text(encoding="utf-8"))]
    if len(found) != 1:
        where = ", ".join(str(path.relative_to(ROOT)) for path in found) or "no module"
        raise PluginError(f"{name} must be defined once in {package}, and is in {where}")
    return ".".join((*found[0].relative_to(ROOT).with_suffix("").parts, name))


def _without_math(markdown: str, kept: list[str]) -> str:
    """The text with each equation outside of code replaced by a word, which Markdown leaves as it is."""

    def keep(found: re.Match[str]) -> str:
        block = found["block"]
        kept.append(mathml((block or found["inline"]).strip(), block=block is not None))
        return _KEPT.format(len(kept) - 1)

    parts, end = [], 0
    for code in sorted([*_FENCE.finditer(markdown), *_CODE.finditer(markdown)], key=lambda found: found.start()):
        if code.start() >= end:
            parts += [_MATH.sub(keep, markdown[end : code.start()]), code[0]]
            end = code.end()
    return "".join([*parts, _MATH.sub(keep, markdown[end:])])


_TAG = re.compile(r"\\tag\{(\w+)\}")


def mathml(latex: str, *, block: bool) -> str:
    """An equation as MathML, with its number beside it."""
    number = _TAG.search(latex)
    text = convert(_TAG.sub("", latex), display="block" if block else "inline")
    text = text.replace("<mi>&#x0007E;</mi>", "<mo>&#x0223C;</mo>")  # "is distributed as" is an operator
    if not block:
        return text
    beside = f'<span class="number">({number[1]})</span>' if number else ""
    return f'<div class="equation" tabindex="0">{text}{beside}</div>'


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Put the equations where ``on_page_markdown`` took them from."""
    for number, text in enumerate(page.meta.pop("kept_math", [])):
        html = html.replace(_KEPT.format(number), text)
    return html
