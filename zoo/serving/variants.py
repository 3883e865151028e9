"""The variants that front ends offer, each with its rates."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import NamedTuple

from wzroi.architectures import ARCHITECTURES
from wzroi.config import ConfigError
from wzroi.names import ModelName
from zoo.rates import SERVED


class Variant(NamedTuple):
    """A row of the catalogue: a variant at all its rates. ``names`` maps 1/rho to the name of the network there.

    A flexible variant is one network, listed at every rate that it supports.
    """

    id: str
    title: str
    architecture: str
    stage: str
    tier: str
    oracle: bool
    names: dict[Fraction, str]

    @property
    def flexible(self) -> bool:
        """Whether one network supports every rate."""
        return not ARCHITECTURES[self.architecture].rated

    def served(self) -> list[tuple[str, list[Fraction]]]:
        """Each network with the rates at which it is listed, fewest symbols first."""
        found: dict[str, list[Fraction]] = {}
        for rate in sorted(self.names, reverse=True):
            found.setdefault(self.names[rate], []).append(rate)
        return list(found.items())

    @property
    def lite(self) -> bool:
        """Whether it is small enough for live use on a CPU."""
        return self.tier == "lite"


def variants_of(models: Iterable[str]) -> list[Variant]:
    """Link networks by variant: lite before paper size, ``rec`` before ``task``, architectures by complexity.

    Names other than ``architecture.tag`` with a known architecture are ignored.
    """
    found: dict[str, Variant] = {}
    for text in models:
        try:
            name = ModelName.parse(text)
        except ConfigError:
            continue
        tier = "lite" if name.lite else "paper"
        blank = Variant(variant_id(name), variant_title(name), name.architecture, name.stage, tier, name.oracle, {})
        rates = SERVED if name.rate is None else (Fraction(name.rate),)
        found.setdefault(blank.id, blank).names.update(dict.fromkeys(rates, text))
    order = list(ARCHITECTURES)
    return sorted(found.values(), key=lambda v: (not v.lite, v.oracle, v.stage, order.index(v.architecture)))


def variant_id(name: ModelName) -> str:
    """A model's name without its rate, e.g. ``deepjscc_wz_roi.task_lite``."""
    return f"{name.architecture}.{name.stage}" + "_oracle" * name.oracle + "_lite" * name.lite


def variant_title(name: ModelName) -> str:
    """A variant's title, e.g. ``DeepJSCC-WZ (rec)``."""
    notes = [name.stage] + ["oracle ROI"] * name.oracle + ([] if name.lite else ["paper size"])
    return f"{ARCHITECTURES[name.architecture].title} ({', '.join(notes)})"


def is_flexible(model: str) -> bool:
    """Whether a model name is that of a flexible network."""
    row = ARCHITECTURES.get(model.partition(".")[0])
    return row is not None and not row.rated


def title_of(model: str) -> str:
    """A model's title without its rate; a name of another pattern is returned unchanged."""
    try:
        return variant_title(ModelName.parse(model))
    except ConfigError:
        return model
