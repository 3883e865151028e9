"""The paper's Figures 4, 5 and 6 from the committed measurements: series as data, and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from wzroi.architectures import ARCHITECTURES
from wzroi.config import PAPER_ARCHITECTURES
from wzroi.roi import ROI_ORIGINS
from zoo.rates import MEASURED
from zoo.results import files as data
from zoo.results.files import RESULTS, Value
from zoo.results.tables import Tier

VARIANT_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6d31", "#7f7f7f")
"""Okabe and Ito's palette: distinguishable with any colour vision."""

GREY = "#6b7280"


def colour_of(architecture: str) -> str:
    """An architecture's colour: the palette in the order of ``ARCHITECTURES``, from its start again when it ends."""
    return VARIANT_COLOURS[list(ARCHITECTURES).index(architecture) % len(VARIANT_COLOURS)]


class OperatingPoint(NamedTuple):
    """Where the explorer opens a point: bandwidth ratio ``1/rate``, SNR, a network (or none in particular), its ROI."""

    rate: int
    snr_db: float
    model: str = ""
    roi: str = "side"


class Point(NamedTuple):
    """``x`` is dB or a bandwidth ratio; the points of a horizontal line have no operating point."""

    x: float
    value: Value
    operating_point: OperatingPoint | None = None


class Series(NamedTuple):
    """One line of a figure. ``kind``: ``network``, ``control``, ``baseline`` or ``bound``."""

    title: str
    kind: str
    points: list[Point]
    colour: str = GREY
    dash: str = "solid"


ORACLE = "#9333ea"

ABLATIONS = {
    "roi:side": ("the receiver's own ROI", "#cc79a7", "dash"),
    "roi:zeros": ("all-zero ROI", "#d55e00", "dash"),
    "roi:normal": ("random ROI", "#e69f00", "dash"),
    "roi:shuffled": ("another picture's ROI", "#56b4e9", "dash"),
    "roi:source": ("oracle: ROI of x", "#8c6d31", "dot"),
    "roi:source+label": ("oracle: ROI of x, true class", ORACLE, "dot"),
}
"""Control -> title, colour and dash in Figure 6, in its order; other origins follow by the titles of their rows."""


def ablations() -> dict[str, tuple[str, str, str]]:
    """Control -> title, colour and dash of every ROI origin."""
    others = {
        f"roi:{origin}": (row.title, GREY, "dot" if row.oracle else "dash") for origin, row in ROI_ORIGINS.items()
    }
    return ABLATIONS | {key: style for key, style in others.items() if key not in ABLATIONS}


class Reference(NamedTuple):
    """A baseline or bound of the results files, and how it is drawn."""

    key: str
    title: str
    colour: str
    dash: str


REFERENCES = {
    "linear": (
        Reference("linear", "linear analog", "#a16207", "dot"),
        Reference("linear_wz", "linear analog, Wyner-Ziv", "#a16207", "solid"),
        Reference("linear_wz_average_power", "linear analog, Wyner-Ziv, power one on average", "#ca8a04", "dash"),
    ),
    "capacity": (
        Reference("avif_mosaic", "AVIF at capacity, header-free", "#7c3aed", "dash"),
        Reference("avif_mosaic_paste", "AVIF at capacity + paste", "#7c3aed", "solid"),
        Reference("avif_mosaic_unsent", "AVIF at capacity, crop never sent", "#7c3aed", "dashdot"),
        Reference("webp_mosaic", "WebP at capacity, header-free", "#be185d", "dash"),
        Reference("jpeg2000_mosaic", "JPEG 2000 at capacity, header-free", "#0e7490", "dash"),
    ),
    "link": (
        Reference("link", "best codec over 5G LDPC, scheme chosen at each SNR", "#dc2626", "dash"),
        Reference("link_paste", "the same + paste", "#dc2626", "solid"),
        Reference("link_unsent", "AVIF over 5G LDPC, crop never sent", "#dc2626", "dashdot"),
        Reference("link_fixed", "best codec over 5G LDPC, scheme kept from 5 dB", "#991b1b", "dot"),
    ),
}
"""Group of baselines -> its curves; ``key`` is a scheme of ``zoo.results.files.scheme``."""

BOUNDS = (
    Reference("none", "Gaussian bound, no side information", "#9ca3af", "dot"),
    Reference("paste", "Gaussian bound + paste", "#9ca3af", "dashdot"),
    Reference("conditional", "Gaussian bound, Wyner-Ziv", "#9ca3af", "dash"),
)
"""Bounds of the mean squared error; ``key`` is a kind of ``zoo.results.files.bounds``."""


Curve = list[tuple[float, Value]]
Found = Callable[[int], Curve]
"""1/rho -> (SNR, value): one network, control, baseline or bound."""


def _drawn(series: Iterable[Series]) -> list[Series]:
    return [one for one in series if one.points]


def _along_snr(curve: Curve, rate: int, model: str = "", roi: str = "side") -> list[Point]:
    return [Point(snr_db, value, OperatingPoint(rate, snr_db, model, roi)) for snr_db, value in curve]


def _along_rate(curve_of: Found, snr_db: float, model_of: Callable[[int], str] = lambda rate: "") -> list[Point]:
    """The rates at which there is a value at this SNR."""
    found = [(rate, dict(curve_of(rate)).get(snr_db)) for rate in MEASURED]
    return [
        Point(1 / rate, value, OperatingPoint(rate, snr_db, model_of(rate)))
        for rate, value in found
        if value is not None
    ]


def _curve(name: str, metric: str, folder: Path, rate: int, control: str = "") -> Curve:
    found = data.results(name, folder, rate)
    return found.curve(metric, control) if found else []


def _network(
    arch: str, stage: str, metric: str, rate: int, tier: Tier, folder: Path, *, oracle: bool = False
) -> Series:
    name = data.name_of(arch, stage, rate, tier, oracle=oracle)
    points = _along_snr(_curve(name, metric, folder, rate), rate, name, "source+label" if oracle else "side")
    if oracle:
        return Series(f"{ARCHITECTURES[arch].title} (oracle ROI)", "network", points, ORACLE, "dot")
    return Series(ARCHITECTURES[arch].title, "network", points, colour_of(arch))


def over_snr(metric: str, rate: int, stage: str, tier: Tier, folder: Path = RESULTS) -> list[Series]:
    """Figures 4 (``rec``) and 5a, 5b (``task``): the architectures over SNR at one bandwidth ratio.

    The paper's four, the oracle's, and every other architecture's at that rate.
    """
    networks = [_network(arch, stage, metric, rate, tier, folder) for arch in PAPER_ARCHITECTURES]
    networks.append(_network("deepjscc_wz_roi", stage, metric, rate, tier, folder, oracle=True))
    others = [arch for arch in ARCHITECTURES if arch not in PAPER_ARCHITECTURES]
    return _drawn([*networks, *(_network(arch, stage, metric, rate, tier, folder) for arch in others)])


def over_rate(metric: str, snr_db: float, stage: str, tier: Tier, folder: Path = RESULTS) -> list[Series]:
    """Figures 5c and 5d: over the bandwidth ratio at one SNR; the rates that were measured, one network or many."""

    def points(arch: str) -> list[Point]:
        def name(rate: int) -> str:
            return data.name_of(arch, stage, rate, tier)

        return _along_rate(lambda rate: _curve(name(rate), metric, folder, rate), snr_db, name)

    return _drawn(
        Series(row.title, "network", points(arch), colour_of(arch)) for arch, row in ARCHITECTURES.items()
    )


PASTE = ("DeepJSCC + paste", "control")
"""The trivial use of side information: DeepJSCC's output with the known crop copied back."""


def paste_over_snr(metric: str, rate: int, stage: str, tier: Tier, folder: Path = RESULTS) -> list[Series]:
    """DeepJSCC + paste over SNR."""
    name = data.name_of("deepjscc", stage, rate, tier)
    points = _along_snr(_curve(name, metric, folder, rate, "paste"), rate, name)
    return _drawn([Series(*PASTE, points, colour_of("deepjscc"), "dash")])


def paste_over_rate(metric: str, snr_db: float, stage: str, tier: Tier, folder: Path = RESULTS) -> list[Series]:
    """DeepJSCC + paste over the bandwidth ratio."""

    def name(rate: int) -> str:
        return data.name_of("deepjscc", stage, rate, tier)

    points = _along_rate(lambda rate: _curve(name(rate), metric, folder, rate, "paste"), snr_db, name)
    return _drawn([Series(*PASTE, points, colour_of("deepjscc"), "dash")])


def judge_levels(xs: Sequence[float], tier: Tier, folder: Path = RESULTS) -> list[Series]:
    """The judge on clean images and on the side image alone (nothing sent), as level lines."""
    titles = {"clean": "clean images", "side": "side image only, nothing sent"}
    found = {view: data.judged(view, tier, folder) for view in titles}
    ends = (min(xs), max(xs)) if xs else ()
    return _drawn(
        Series(titles[view], "control", [Point(x, value) for x in ends], GREY, "dash" if view == "side" else "dot")
        for view, value in found.items() if value is not None
    )


def baselines_over_snr(group: str, metric: str, rate: int, tier: Tier, folder: Path = RESULTS) -> list[Series]:
    """Baselines of a group that were actually sent or coded, over SNR at one bandwidth ratio."""
    curves = [(one, data.scheme(rate, one.key, metric, tier, folder)) for one in REFERENCES[group]]
    return _drawn(Series(o.title, "baseline", _along_snr(curve, rate), o.colour, o.dash) for o, curve in curves)


def baselines_over_rate(group: str, metric: str, snr_db: float, tier: Tier, folder: Path = RESULTS) -> list[Series]:
    """The same over the bandwidth ratio at one SNR."""

    def points(key: str) -> list[Point]:
        return _along_rate(lambda rate: data.scheme(rate, key, metric, tier, folder), snr_db)

    return _drawn(Series(o.title, "baseline", points(o.key), o.colour, o.dash) for o in REFERENCES[group])


def _bound(rate: int, key: str, folder: Path) -> Curve:
    return [(snr_db, Value(value, None)) for snr_db, value in data.bounds(rate, key, folder)]


def bounds_over_snr(rate: int, folder: Path = RESULTS) -> list[Series]:
    """Gaussian bounds over SNR; they bound ``psnr_of_mean_mse``."""
    curves = [(one, _bound(rate, one.key, folder)) for one in BOUNDS]
    return _drawn(Series(o.title, "bound", _along_snr(curve, rate), o.colour, o.dash) for o, curve in curves)


def bounds_over_rate(snr_db: float, folder: Path = RESULTS) -> list[Series]:
    """Gaussian bounds over the bandwidth ratio at one SNR."""

    def points(key: str) -> list[Point]:
        return _along_rate(lambda rate: _bound(rate, key, folder), snr_db)

    return _drawn(Series(o.title, "bound", points(o.key), o.colour, o.dash) for o in BOUNDS)


def ablation(metric: str, rate: int, tier: Tier, folder: Path = RESULTS, *, oracle: bool = False) -> list[Series]:
    """Figure 6: WZ-ROI with maps it was not trained on, compared with WZ-SFT and WZ (all ``task``).

    Args:
        oracle: the network that was trained on the true class's map, as in the published code.
    """
    first = _network("deepjscc_wz_roi", "task", metric, rate, tier, folder, oracle=oracle)
    beside = ("deepjscc_wz_sft", "deepjscc_wz")
    shown = [first, *(_network(arch, "task", metric, rate, tier, folder) for arch in beside)]
    name = data.name_of("deepjscc_wz_roi", "task", rate, tier, oracle=oracle)
    for control, (title, colour, dash) in ablations().items():
        points = _along_snr(_curve(name, metric, folder, rate, control), rate, name, control.removeprefix("roi:"))
        shown.append(Series(f"WZ-ROI{' (oracle ROI)' * oracle}, {title}", "control", points, colour, dash))
    return _drawn(shown)


def to_csv(series: Sequence[Series], metric: str, x_name: str) -> str:
    """One line per point: series, kind, model, x, mean, 95 % half width (empty if there is none)."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["series", "kind", "model", x_name, metric, "ci95"])
    for one in series:
        for point in one.points:
            half = "" if point.value.ci95 is None else point.value.ci95
            model = point.operating_point.model if point.operating_point else ""
            writer.writerow([one.title, one.kind, model, f"{point.x:.6g}", point.value.mean, half])
    return text.getvalue()
