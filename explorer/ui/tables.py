"""Small accessible HTML tables in the page's own colours."""

from __future__ import annotations

import html
from collections.abc import Sequence

import streamlit as st

from explorer.compute.engine import VariantResult
from wzroi.config import CLASSES

STYLE = """<style>
.wz-table { overflow-x: auto; }
.wz-table table { border-collapse: collapse; width: 100%; font-size: .9rem; font-variant-numeric: tabular-nums; }
.wz-table caption { text-align: left; padding-bottom: .4rem; caption-side: top; }
.wz-table :is(th, td) {
  text-align: right; padding: .3rem .6rem; white-space: nowrap; border-bottom: 1px solid rgba(128, 128, 128, .3);
}
.wz-table tr > :first-child, .wz-table .word { text-align: left; }
.wz-table tbody th { font-weight: 500; }
</style>"""


def table(caption: str, headings: Sequence[str], rows: Sequence[Sequence[str]], words: Sequence[int] = ()) -> str:
    """HTML of a table whose first column names the rows; ``words``: columns of text, left-aligned."""

    def cell(tag: str, place: int, text: str) -> str:
        scope = ' scope="col"' if tag == "th" else ""
        kind = ' class="word"' if place in words else ""
        return f"<{tag}{scope}{kind}>{html.escape(text)}</{tag}>"

    head = "".join(cell("th", place, text) for place, text in enumerate(headings))
    body = "".join(
        f'<tr><th scope="row">{html.escape(row[0])}</th>'
        + "".join(cell("td", place, text) for place, text in enumerate(row[1:], 1)) + "</tr>"
        for row in rows
    )
    name = html.escape(caption, quote=True)
    return (f'{STYLE}<div class="wz-table" tabindex="0" role="region" aria-label="{name}"><table>'
            f"<caption>{name}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>")


def verdict(result: VariantResult) -> str:
    """The judge's top class of a picture and its probability."""
    if not result.probabilities:
        return "not classified"
    place = max(range(len(CLASSES)), key=result.probabilities.__getitem__)
    return f"{CLASSES[place]} {100 * result.probabilities[place]:.0f} %"


def draw(caption: str, headings: Sequence[str], rows: Sequence[Sequence[str]], words: Sequence[int] = ()) -> None:
    """Draw a table on the page."""
    st.html(table(caption, headings, rows, words))
