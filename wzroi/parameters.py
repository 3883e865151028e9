"""Rows of a table with parameters, named in one text: ``rician`` (the defaults), ``rician(k_factor=8)``."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar

_TEXT = re.compile(r"([a-z0-9_+]+)(?:\(([^()]*)\))?")


@dataclass(frozen=True)
class Parameter:
    """A number that a row of a table takes: its default and the range that it must lie in."""

    default: float
    low: float
    high: float


class HasParameters(Protocol):
    """A row whose functions take these parameters by name."""

    @property
    def parameters(self) -> Mapping[str, Parameter]: ...


Row = TypeVar("Row", bound=HasParameters)


def find_row(table: Mapping[str, Row], text: object, what: str) -> tuple[Row, dict[str, float]]:
    """The row that a text names, and the values of its parameters.

    Raises:
        ValueError: for a row that does not exist, or a value that it does not take; ``what`` names the table.
    """
    if isinstance(text, str) and text in table:
        row = table[text]
        return row, {name: parameter.default for name, parameter in row.parameters.items()}
    match = _TEXT.fullmatch(text) if isinstance(text, str) and len(text) <= 100 else None
    if match is None or match[1] not in table:
        raise ValueError(f"unknown {what} {str(text)[:40]!r}; choose one of {', '.join(table)}")
    row = table[match[1]]
    values = {name: parameter.default for name, parameter in row.parameters.items()}
    for part in filter(None, (match[2] or "").replace(" ", "").split(",")):
        name, _, number = part.partition("=")
        values[name] = _value(row.parameters, match[1], name, number)
    return row, values


def _value(parameters: Mapping[str, Parameter], row: str, name: str, text: str) -> float:
    if name not in parameters:
        raise ValueError(f"{row} has no parameter {name[:20]!r}; it takes {', '.join(parameters) or 'none'}")
    parameter = parameters[name]
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not parameter.low <= value <= parameter.high:
        limits = f"from {parameter.low:g} to {parameter.high:g}"
        raise ValueError(f"{name} of {row} must be a number {limits}, not {text[:20]!r}")
    return value
