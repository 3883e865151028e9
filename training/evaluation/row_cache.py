"""Caching rows as they are measured, so that an interrupted measurement resumes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

Row = dict[str, Any]


class RowCache:
    """A file of JSON lines beside a results file: first what the rows depend on, then one row per line.

    Args:
        path: of the ledger. depends: what must be equal for its rows to be reused; otherwise it starts empty.
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
        """The row of ``key``: from the cache, or computed and cached now."""
        if key not in self.rows:
            self.rows[key] = make()
            with self.path.open("a") as file:
                file.write(json.dumps({"key": key, "row": self.rows[key]}) + "\n")
        return self.rows[key]

    def close(self) -> None:
        """Delete the cache, once the results file contains the rows."""
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
