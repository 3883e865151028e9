"""Plotly figures: series of ``zoo.results.figures``, curves over SNR, and class probabilities."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from wzroi.config import CLASSES
from wzroi.metrics import METRICS
from zoo.extras import need_extra
from zoo.rates import rho_text
from zoo.results.figures import VARIANT_COLOURS, Point, Series
from zoo.results.tables import axis_title, column_of, interval_of

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

PLOT_PX = 330
ENTRY_PX = 21
"""Heights of the plot, and of a legend entry below it."""


def _place(x: float, rates: bool) -> str:
    return f"ρ = {rho_text(1 / x)}" if rates else f"{x:g} dB"


def _tooltip(series: Series, point: Point, metric: str, rates: bool) -> str:
    """The tooltip of a point: its series, position, and value with interval."""
    return f"<b>{series.title}</b><br>{_place(point.x, rates)}: {point.value.to_text(metric)}"


def _style(series: Series) -> dict[str, Any]:
    main = series.kind == "network"
    line = {"color": series.colour, "dash": series.dash, "width": 2.5 if main else 1.5}
    return {"line": line, "marker": {"size": 8 if main else 5}, "mode": "lines+markers"}


def add_series(figure: Figure, series: Series, metric: str, rates: bool) -> None:
    """One line with its 95 % error bars; each point has its operating point as custom data, for clicks."""
    scale = METRICS[metric].scale
    halves = [(point.value.ci95 or 0) * scale for point in series.points]
    figure.add_scatter(
        x=[point.x for point in series.points],
        y=[point.value.mean * scale for point in series.points],
        name=series.title,
        **_style(series),
        error_y={"type": "data", "array": halves, "thickness": 1, "width": 3} if any(halves) else None,
        customdata=[list(point.operating_point) if point.operating_point else [] for point in series.points],
        text=[_tooltip(series, point, metric, rates) for point in series.points],
        hovertemplate="%{text}<extra></extra>",
    )


def graph_objects() -> Any:
    """Plotly, where it is installed; raises MissingExtra with the command that installs it."""
    need_extra("app", "a figure", ("plotly",))
    import plotly.graph_objects

    return plotly.graph_objects


def plot(series: Sequence[Series], metric: str, *, rates: bool = False) -> Figure:
    """Draw series as lines, the legend below them; ``rates``: x is a bandwidth ratio rather than SNR in dB."""
    go = graph_objects()

    figure = go.Figure()
    for one in series:
        add_series(figure, one, metric, rates)
    figure.update_layout(
        xaxis_title="Bandwidth ratio ρ" if rates else "SNR, dB", yaxis_title=axis_title(metric),
        margin={"l": 10, "r": 10, "t": 10, "b": 10}, hovermode="closest", clickmode="event+select",
        height=PLOT_PX + ENTRY_PX * (len(series) + 1) + 60, showlegend=True,
        legend={"orientation": "v", "x": 0, "y": -62 / PLOT_PX, "xanchor": "left", "yanchor": "top"},
    )
    if rates:
        known = sorted({point.x for one in series for point in one.points})
        figure.update_xaxes(tickvals=known, ticktext=[rho_text(1 / x) for x in known])
    return figure


class Curve(NamedTuple):
    """One line of a sweep: a title, and rows of measured values with ``snr_db`` and the columns of ``METRICS``."""

    title: str
    rows: Sequence[Mapping[str, Any]]


def sweep_figure(
    curves: Sequence[Curve],
    metric: str = "psnr",
    present: Mapping[str, float] | None = None,
    snr_db: float | None = None,
) -> Figure:
    """Metric over SNR with 95 % bands, one line per curve, and the current picture's point.

    Args:
        curves: rows need not be sorted; rows without the metric are ignored.
        metric: a key of ``METRICS``.
        present: title of a curve -> its value for the current picture, drawn as a ring at ``snr_db``.
        snr_db: the current SNR, drawn as a vertical line.
    """
    go = graph_objects()

    if metric not in METRICS:
        raise ValueError(f"unknown metric {metric!r}; choose one of {', '.join(METRICS)}")
    figure = go.Figure()
    for index, curve in enumerate(curves):
        colour = VARIANT_COLOURS[index % len(VARIANT_COLOURS)]
        _add_curve(figure, curve, metric, colour)
        value = (present or {}).get(curve.title)
        if value is not None and snr_db is not None and math.isfinite(value):
            ring = {"color": colour, "size": 11, "symbol": "circle-open", "line": {"width": 3}}
            figure.add_scatter(
                x=[snr_db], y=[value], mode="markers", marker=ring, showlegend=False,
                name=f"{curve.title}, this picture", hovertemplate="%{y:.4g} at %{x} dB (this picture)",
            )
    if snr_db is not None:
        figure.add_vline(x=snr_db, line={"dash": "dot", "width": 1, "color": "#888888"})
    row = METRICS[metric]
    axis = {"title": row.title, "tickformat": ".0%"} if row.unit == "%" else {"title": row.heading}
    figure.update_layout(
        xaxis_title="SNR, dB", yaxis=axis, margin={"l": 10, "r": 10, "t": 10, "b": 10}, hovermode="x unified",
        legend={"orientation": "h", "y": -0.2},
    )
    return figure


def _add_curve(figure: Figure, curve: Curve, metric: str, colour: str) -> None:
    value, half = column_of(metric), interval_of(metric)
    rows = sorted((row for row in curve.rows if _finite(row.get(value))), key=lambda row: row["snr_db"])
    if not rows:
        return
    snr, mean = [row["snr_db"] for row in rows], [row[value] for row in rows]
    width = [row[half] if _finite(row.get(half)) else 0.0 for row in rows]
    upper = [m + w for m, w in zip(mean, width, strict=True)]
    lower = [m - w for m, w in zip(mean, width, strict=True)]
    figure.add_scatter(
        x=snr + snr[::-1], y=upper + lower[::-1], fill="toself", fillcolor=_faint(colour), line={"width": 0},
        hoverinfo="skip", showlegend=False, name=f"{curve.title}, 95 % interval",
    )
    figure.add_scatter(x=snr, y=mean, mode="lines+markers", name=curve.title, line={"color": colour},
                       marker={"size": 5}, hovertemplate="%{y:.4g}")


def _finite(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _faint(colour: str) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.18)"


def class_figure(probabilities: Mapping[str, Sequence[float]], truth: int | None = None) -> Figure:
    """Class probabilities as grouped bars, one group per class, one colour per picture; the true class in bold."""
    go = graph_objects()

    names = [f"<b>{name}</b>" if index == truth else name for index, name in enumerate(CLASSES)]
    figure = go.Figure()
    for index, (title, values) in enumerate(probabilities.items()):
        figure.add_bar(x=names, y=list(values), name=title, marker_color=VARIANT_COLOURS[index % len(VARIANT_COLOURS)])
    figure.update_layout(
        barmode="group", yaxis={"title": "Probability", "range": [0, 1]}, margin={"l": 10, "r": 10, "t": 10, "b": 10},
        legend={"orientation": "h", "y": -0.2},
    )
    return figure
