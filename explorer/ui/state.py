"""The state of a view: what a link to the explorer contains, parsed with a message for every invalid value."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from typing import Any

from explorer.compute.engine import MAX_SEED, MAX_VARIANTS, SNR_RANGE, Request, Variant
from explorer.compute.pair_sources import gallery
from wzroi.channel import CHANNELS, channel_of
from wzroi.data import DATASETS
from wzroi.roi import ROI_ORIGINS, origin_of
from zoo.rates import DEFAULT, parse_rate, rho_text

DEFAULT_PAIR = "gallery:cifar-0"


@dataclass(frozen=True)
class View:
    """Everything that a link reproduces.

    Attributes:
        pair: an entry's key. variants: ids of the catalogue. rate: 1/rho, 16 or 96/5. snr: dB. channel, roi: names.
        seed: of the noise. opacity: of the ROI overlay, per cent. overlay, errors: what is shown.
    """

    pair: str = DEFAULT_PAIR
    variants: tuple[str, ...] = ()
    rate: Fraction = DEFAULT
    snr: float = 5.0
    channel: str = "awgn"
    roi: str = "side"
    seed: int = 0
    opacity: int = 60
    overlay: bool = False
    errors: bool = True

    def to_query(self) -> dict[str, str]:
        """As URL parameters; without an upload, which a link cannot contain."""
        query = {key: str(value) for key, value in asdict(self).items() if key not in ("variants", "overlay", "errors")}
        query |= {"snr": f"{self.snr:g}", "variants": ",".join(self.variants)}
        query |= {"overlay": str(int(self.overlay)), "errors": str(int(self.errors))}
        if self.pair.startswith("upload:"):
            del query["pair"]
        return query

    def to_data(self) -> dict[str, Any]:
        """As data for the page's component."""
        return asdict(self) | {"variants": list(self.variants), "rate": str(self.rate)}

    def request(self, variants: Sequence[Variant]) -> Request:
        """The frame that this view shows."""
        names = tuple(v.names[self.rate] for v in variants if v.id in self.variants and self.rate in v.names)
        return Request(self.pair, tuple(dict.fromkeys(names)), self.snr, self.channel, self.roi, self.seed, self.rate)


def default_view(variants: Sequence[Variant]) -> View:
    """The architectures trained for reconstruction, lite tier where there is one, at 1/16."""
    tiers = [v.tier for v in variants]
    chosen = [v for v in variants if v.stage == "rec" and not v.oracle and v.tier == (tiers[0] if tiers else "")]
    chosen = chosen[:5] or list(variants[:5])
    rates = sorted({rate for v in chosen for rate in v.names})
    rate = DEFAULT if DEFAULT in rates or not rates else rates[0]
    return View(variants=tuple(v.id for v in chosen), rate=rate)


def _number(low: float, high: float, unit: str = "") -> Callable[[str], float]:
    def read(text: str) -> float:
        value = float(text)
        if not (math.isfinite(value) and low <= value <= high):
            raise ValueError
        return round(value, 2)

    read.__doc__ = f"a number from {low:g} to {high:g}{unit}"
    return read


def _whole(low: int, high: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not text.isdecimal() or len(text) > 10 or not low <= int(text) <= high:
            raise ValueError
        return int(text)

    read.__doc__ = f"a whole number from {low} to {high}"
    return read


def _rate(text: str) -> Fraction:
    """1/rho, such as 16, or 96/5 for 5/96: a whole number of 96ths"""
    return parse_rate(text)


def _row_of(find: Callable[[str], object], table: Mapping[str, object]) -> Callable[[str], str]:
    """A text that names a row of a table, found by ``find``; with the table's names, whenever rows were added."""

    def read(text: str) -> str:
        read.__doc__ = f"one of {', '.join(table)}"
        find(text)
        return text

    return read


def _switch(text: str) -> bool:
    """0 or 1"""
    return {"0": False, "1": True}[text]


def _pair(text: str) -> str:
    """gallery:<id> or cifar:<0..9999>"""
    kind, _, name = text.partition(":")
    known = (kind == "gallery" and name in gallery()) or (
        kind == "cifar" and name.isdecimal() and len(name) < 6 and int(name) < 10_000
    ) or (kind in DATASETS and name.isdecimal() and len(name) < 8)
    if not known:
        raise ValueError
    return text


READERS: dict[str, Callable[[str], Any]] = {
    "pair": _pair,
    "rate": _rate,
    "snr": _number(*SNR_RANGE, unit=" dB"),
    "channel": _row_of(channel_of, CHANNELS),
    "roi": _row_of(origin_of, ROI_ORIGINS),
    "seed": _whole(0, MAX_SEED),
    "opacity": _whole(0, 100),
    "overlay": _switch,
    "errors": _switch,
}


def read_query(query: Mapping[str, str], variants: Sequence[Variant]) -> tuple[View, list[str]]:
    """The view in URL parameters, and a message for each value that is replaced by its default."""
    view, notices = default_view(variants), []
    for key, reader in READERS.items():
        if key not in query:
            continue
        try:
            view = replace(view, **{key: reader(query[key])})
        except (ValueError, KeyError):
            shown = query[key][:40]
            notices.append(f"The link has {key}={shown}, which must be {reader.__doc__}; using {getattr(view, key)}.")
    if "variants" in query:
        view, more = _read_variants(view, query["variants"], variants)
        notices += more
    return view, notices


def _read_variants(view: View, text: str, variants: Sequence[Variant]) -> tuple[View, list[str]]:
    wanted, known = [name for name in text.split(",") if name], [v.id for v in variants]
    unknown = [name[:60] for name in wanted if name not in known]
    kept = tuple(v for v in known if v in wanted)[:MAX_VARIANTS]
    notices = []
    if unknown:
        there = ", ".join(known) or "none: the zoo is empty"
        notices.append(f"The zoo does not have {', '.join(unknown[:3])}, named in the link; choose one of {there}.")
    if kept:
        view = replace(view, variants=kept)
    rates = sorted({rate for v in variants if v.id in view.variants for rate in v.names})
    if rates and view.rate not in rates:
        nearest = min(rates, key=lambda rate: abs(1 / rate - 1 / view.rate))
        shown, asked = rho_text(nearest), rho_text(view.rate)
        notices.append(f"No chosen variant has the bandwidth ratio {asked}; using {shown}.")
        view = replace(view, rate=nearest)
    return view, notices


def read_component(values: Mapping[str, Any], view: View, variants: Sequence[Variant]) -> View:
    """The view reported by the page's component; invalid values are ignored."""
    texts = {key: str(int(v)) if isinstance(v, bool) else f"{v:g}" if isinstance(v, float) else str(v)
             for key, v in values.items() if key in READERS}
    for key, text in texts.items():
        try:
            view = replace(view, **{key: READERS[key](text)})
        except (ValueError, KeyError):
            continue
    names = values.get("variants")
    if isinstance(names, list):
        view = replace(view, variants=tuple(v.id for v in variants if v.id in names)[:MAX_VARIANTS])
    return view
