"""Rows kept as they are measured, so that a measurement that was interrupted goes on where it stopped."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

Row = dict[str, Any]


class RowCache:
    """A file of JSON lines beside a results file: first what the rows depend on, then a row a line.

    Args:
        path: of the ledger. depends: what must be equal for its rows to be taken over; else it starts anew.
    """

    def __init__(self, path: Path, depends: dict[str, Any]) -> None:
        self.path, self.rows = path, {}
        lines = _lines(path)
        if lines[:1] == [json.loads(json.dumps(depends))]:
            self.rows = {line["key"]: line["row"] for line in lines[1:] if "key" in line and "row" in line}
        path.parent.mkdir(parents=True, exist_ok=True)
        kept = [{"key": key, "row": row} for key, row in self.rows.items()]
        path.write_text("".join(json.dumps(line) + "\n" for line in [depends, *kept]))

    def row(self, key: str, make: Callable[[], Row]) -> Row:
        """The row of ``key``: the one kept, or made and kept now."""
        if key not in self.rows:
            self.rows[key] = make()
            with self.path.open("a") as file:
                file.write(json.dumps({"key": key, "row": self.rows[key]}) + "\n")
        return self.rows[key]

    def close(self) -> None:
        """Forget the rows: the results file holds them now."""
        self.path.unlink(missing_ok=True)


def _lines(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a ledger; a kill may have left a part of the last."""
    found = []
    for line in path.read_text().splitlines() if path.is_file() else []:
        try:
            found.append(json.loads(line))
        except ValueError:
            break
    return found
