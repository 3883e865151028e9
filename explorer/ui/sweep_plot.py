"""The Sweep page's figure: the current picture's live curves over the stored test-set curves and bounds."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from explorer.compute.sweep import PASTE, Plan, Point, Sweep, titles
from wzroi.metrics import METRICS
from zoo.errors import ZooError
from zoo.rates import rho_text
from zoo.results import figures, files
from zoo.results.figures import GREY, VARIANT_COLOURS, Series
from zoo.results.files import RESULTS, Value
from zoo.results.plots import plot

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

FAINT = 0.55
"""Opacity of the stored curves, so that the live ones stand out."""

CONTROL_COLOUR = "#8c6d31"


def colours(models: Sequence[str]) -> dict[str, str]:
    """A colour for each curve's title, by its place among the chosen networks."""
    return {title: VARIANT_COLOURS[place % len(VARIANT_COLOURS)] for place, title in enumerate(dict.fromkeys(models))}


def _rows(model: str, rate: Fraction, metric: str, folder: Path) -> list[tuple[float, Value]]:
    """A network's stored curve at 1/rho; empty if it was not measured or its file is damaged."""
    try:
        found = files.results(model, folder, rate)
    except ZooError:
        return []
    return found.curve(metric) if found else []


def committed(plan: Plan, metric: str, folder: Path = RESULTS) -> list[Series]:
    """Test-set curves of the plan's networks on the plan's axis; over rate, only values measured at its SNR."""
    palette = colours([step.title for step in plan.steps])
    found: dict[str, list[figures.Point]] = {}
    for model, rate in dict.fromkeys((step.model, step.rate) for step in plan.steps):
        step = next(step for step in plan.steps if (step.model, step.rate) == (model, rate))
        points = [figures.Point(snr if plan.axis == "snr" else step.x, value)
                  for snr, value in _rows(model, rate, metric, folder) if plan.axis == "snr" or snr == step.snr_db]
        found.setdefault(step.title, []).extend(points)
    return [
        Series(f"{title}, test set", "network", sorted(points, key=lambda point: point.x), palette[title], "dot")
        for title, points in found.items() if points
    ]  # fmt: skip


def bounds(plan: Plan, metric: str, folder: Path = RESULTS) -> list[Series]:
    """Bounds and baselines at the plan's rate over SNR, or at its SNR over rate; empty if none are stored."""
    if metric != "psnr_of_mean_mse" or not plan.steps:
        return []
    if plan.axis == "rate":
        return figures.bounds_over_rate(plan.steps[0].snr_db, folder)
    rate = plan.steps[0].rate
    return figures.bounds_over_snr(int(rate), folder) if rate.denominator == 1 else []


def value_of(point: Point, metric: str) -> float | None:
    """A live point's value of a metric, named as in the stored results."""
    return getattr(point, metric)


def draw(sweep: Sweep, metric: str, background: Sequence[Series]) -> Figure:
    """Live curves (with a band of one standard deviation over the draws, for PSNR) over the stored ones."""
    plan = sweep.plan
    figure = plot(background, metric, rates=plan.axis == "rate")
    figure.update_traces(opacity=FAINT)
    palette = colours([step.title for step in plan.steps])
    for title, points in titles(sweep.points):
        colour = CONTROL_COLOUR if title.endswith(PASTE) else palette.get(title, GREY)
        _add_live(figure, title, [point for point in points if value_of(point, metric) is not None], metric, colour)
    if plan.axis == "rate":
        known = sorted({step.x for step in plan.steps} | {point.x for one in background for point in one.points})
        figure.update_xaxes(tickvals=known, ticktext=[rho_text(1 / x) for x in known], title="Bandwidth ratio ρ")
    return figure


def _add_live(figure: Figure, title: str, points: Sequence[Point], metric: str, colour: str) -> None:
    if not points:
        return
    scale = METRICS[metric].scale
    halves = [point.psnr_std for point in points] if metric == "psnr" else []
    figure.add_scatter(
        x=[point.x for point in points], y=[(value_of(point, metric) or 0.0) * scale for point in points],
        name=f"{title}, this picture", mode="lines+markers", line={"color": colour, "width": 3},
        marker={"size": 8, "symbol": "diamond" if title.endswith(PASTE) else "circle"},
        error_y={"type": "data", "array": halves, "thickness": 1.5, "width": 4} if any(halves) else None,
        hovertemplate="%{y:.4g}" + (" ± %{error_y.array:.2g}" if any(halves) else ""),
    )
