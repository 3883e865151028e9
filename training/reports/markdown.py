"""Markdown of tables: one with its title, and a page of them with its contents."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple


class Table(NamedTuple):
    """The first column is text, the others numbers; ``note`` stands between the title and the table."""

    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""

    def grid(self) -> str:
        """Headings and rows."""
        rule = ["---", *["---:"] * (len(self.headings) - 1)]
        return "\n".join("| " + " | ".join(cells) + " |" for cells in [self.headings, rule, *self.rows])

    def _below(self, title: str) -> str:
        return "\n\n".join(part for part in (title, self.note, self.grid()) if part)

    def paragraph(self) -> str:
        """Below a bold title: for a place inside a page."""
        return self._below(f"**{self.title}**")

    def section(self) -> str:
        """Below a heading: for a page's contents to lead to."""
        return self._below(f"## {self.title}")


def anchor(heading: str) -> str:
    """GitHub's anchor for a heading: lower case, no punctuation, a hyphen for each space."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def contents(tables: Sequence[Table]) -> str:
    """One line per table, linking to its section."""
    return "\n".join(f"- [{table.title}](#{anchor(table.title)})" for table in tables)
