"""The paper's Figures 4, 5 and 6 from the committed measurements: series as data, drawn by Plotly, saved as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from wzroi.config import ARCHITECTURES, RATES, TITLES
from wzroi.views import VARIANT_COLOURS
from zoo import results as data
from zoo.results import HEADLINE_DB, METRICS, RESULTS, Tier, Value

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

COLOURS = dict(zip(ARCHITECTURES, VARIANT_COLOURS, strict=False))
GREY = "#6b7280"


class Point(NamedTuple):
    """``x`` is dB or a bandwidth ratio; ``model`` and ``snr_db`` say where the explorer shows this setting."""

    x: float
    value: Value
    model: str = ""
    snr_db: float = HEADLINE_DB


class Series(NamedTuple):
    """One line of a figure. ``kind``: ``network``, ``control``, ``baseline`` or ``bound``."""

    title: str
    kind: str
    points: list[Point]
    colour: str = GREY
    dash: str = "solid"


ABLATIONS = {
    "roi:zeros": ("all-zero ROI", "#d55e00", "dash"),
    "roi:normal": ("random ROI", "#e69f00", "dash"),
    "roi:shuffled": ("another picture's ROI", "#56b4e9", "dash"),
    "roi:source": ("oracle: ROI of x", "#8c6d31", "dot"),
    "roi:source+label": ("oracle: ROI of x, true class", "#000000", "dot"),
}
"""Control -> title, colour and dash in Figure 6."""

BOUNDS = {
    "none": ("Gaussian bound, no side information", "dot"),
    "paste": ("Gaussian bound + paste", "dashdot"),
    "conditional": ("Gaussian bound, Wyner-Ziv", "dash"),
}
BASELINES = {
    "linear": ("linear analog", "dot"),
    "linear_wz": ("linear analog, Wyner-Ziv", "dash"),
    "avif_mosaic": ("AVIF at capacity, header-free", "longdash"),
}


def _drawn(series: Iterable[Series]) -> list[Series]:
    return [one for one in series if one.points]


def _network(
    name: str, title: str, metric: str, colour: str, folder: Path, control: str = "", dash: str = ""
) -> Series:
    found = data.results(name, folder)
    points = found.curve(metric, control) if found else []
    kind = "control" if control else "network"
    shown = [Point(snr_db, value, name, snr_db) for snr_db, value in points]
    return Series(title, kind, shown, colour, dash or ("dash" if control else "solid"))


def over_snr(metric: str, rate: int, stage: str, tier: Tier, folder: Path = RESULTS) -> list[Series]:
    """Figures 4 (``rec``) and 5a, 5b (``task``): the four architectures over SNR at one bandwidth ratio."""
    networks = [
        _network(data.name_of(arch, stage, rate, tier), TITLES[arch], metric, COLOURS[arch], folder)
        for arch in ARCHITECTURES
    ]
    oracle = data.name_of("deepjscc_wz_roi", stage, rate, tier, oracle=True)
    title = TITLES["deepjscc_wz_roi"] + " (oracle ROI)"
    return _drawn([*networks, _network(oracle, title, metric, "#000000", folder, dash="dot")])


def paste_over_snr(metric: str, rate: int, stage: str, tier: Tier, folder: Path = RESULTS) -> list[Series]:
    """The trivial use of side information: DeepJSCC's output with the known crop copied back."""
    name = data.name_of("deepjscc", stage, rate, tier)
    return _drawn([_network(name, "DeepJSCC + paste", metric, COLOURS["deepjscc"], folder, "paste")])


def judge_levels(xs: Sequence[float], tier: Tier, folder: Path = RESULTS) -> list[Series]:
    """The judge on clean images and on the side image alone (nothing sent), as level lines."""
    found = data.read("resnet_lite.cifar10" if tier == "lite" else "resnet50.cifar10", folder)
    if not found or not xs:
        return []
    titles = {"clean": "clean images", "side": "side image only, nothing sent"}
    ends = (min(xs), max(xs))
    return [
        Series(title, "control", [Point(x, Value(found[view]["accuracy"], found[view]["accuracy_ci95"])) for x in ends],
               GREY, "dash" if view == "side" else "dot")
        for view, title in titles.items()
    ]


def bounds_over_snr(metric: str, rate: int, folder: Path = RESULTS) -> list[Series]:
    """Gaussian bounds (for the PSNR of the mean squared error alone) and baselines that were really sent or coded."""
    found = []
    if metric == "psnr_of_mean_mse":
        for kind, (title, dash) in BOUNDS.items():
            curve = data.bounds(rate, kind, folder)
            points = [Point(snr_db, Value(value, None), "", snr_db) for snr_db, value in curve]
            found.append(Series(title, "bound", points, "#9ca3af", dash))
    for name, (title, dash) in BASELINES.items():
        rows = data.scheme(rate, name, metric, folder)
        found.append(Series(title, "baseline", [Point(x, value, "", x) for x, value in rows], "#4b5563", dash))
    return _drawn(found)


def over_rate(metric: str, snr_db: float, stage: str, tier: Tier, folder: Path = RESULTS) -> list[Series]:
    """Figures 5c and 5d: over the bandwidth ratio at one SNR."""
    series = []
    for arch in ARCHITECTURES:
        points = []
        for rate in RATES:
            name = data.name_of(arch, stage, rate, tier)
            found = data.results(name, folder)
            if found and (value := found.at(metric, snr_db)):
                points.append(Point(1 / rate, value, name, snr_db))
        series.append(Series(TITLES[arch], "network", points, COLOURS[arch]))
    return _drawn(series)


def ablation(metric: str, rate: int, tier: Tier, folder: Path = RESULTS) -> list[Series]:
    """Figure 6: WZ-ROI with the maps it was not trained on, beside WZ-SFT and WZ (all ``task``)."""
    shown = [
        _network(data.name_of(arch, "task", rate, tier), TITLES[arch], metric, COLOURS[arch], folder)
        for arch in ("deepjscc_wz_roi", "deepjscc_wz_sft", "deepjscc_wz")
    ]
    name = data.name_of("deepjscc_wz_roi", "task", rate, tier)
    shown += [
        _network(name, f"WZ-ROI, {title}", metric, colour, folder, control, dash)
        for control, (title, colour, dash) in ABLATIONS.items()
    ]
    return _drawn(shown)


def to_csv(series: Sequence[Series], metric: str, x_name: str) -> str:
    """Every point as a line: series, kind, model, x, mean, 95 % half width (empty where there is none)."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["series", "kind", "model", x_name, metric, "ci95"])
    for one in series:
        for point in one.points:
            half = "" if point.value.ci95 is None else point.value.ci95
            writer.writerow([one.title, one.kind, point.model, f"{point.x:.6g}", point.value.mean, half])
    return text.getvalue()


def plot(series: Sequence[Series], metric: str, *, rates: bool = False) -> Figure:
    """Draw series as lines with 95 % error bars; ``rates``: x is a bandwidth ratio rather than SNR in dB.

    Each point carries (model, SNR) as custom data, for clicks.
    """
    import plotly.graph_objects as go

    figure = go.Figure()
    scale = METRICS[metric].scale
    for one in series:
        halves = [(point.value.ci95 or 0) * scale for point in one.points]
        figure.add_scatter(
            x=[point.x for point in one.points], y=[point.value.mean * scale for point in one.points], name=one.title,
            mode="lines+markers" if one.kind in ("network", "control") else "lines",
            line={"color": one.colour, "dash": one.dash, "width": 2 if one.kind == "network" else 1.5},
            marker={"size": 7 if one.kind == "network" else 5},
            error_y={"type": "data", "array": halves, "thickness": 1, "width": 3} if any(halves) else None,
            customdata=[[point.model, point.snr_db] for point in one.points],
            hovertemplate="%{y:.4g}" + (" ± %{error_y.array:.2g}" if any(halves) else ""),
        )
    figure.update_layout(
        xaxis_title="Bandwidth ratio ρ" if rates else "SNR, dB", yaxis_title=METRICS[metric].text,
        margin={"l": 10, "r": 10, "t": 10, "b": 10}, hovermode="x unified", height=480,
        legend={"orientation": "h", "y": -0.18}, clickmode="event+select",
    )
    if rates:
        known = sorted({point.x for one in series for point in one.points})
        figure.update_xaxes(tickvals=known, ticktext=[f"1/{round(1 / x)}" for x in known])
    return figure
