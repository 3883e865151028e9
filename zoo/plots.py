"""Series of ``zoo.figures`` drawn by Plotly."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from zoo.figures import Point, Series
from zoo.rates import rho_text
from zoo.results import METRICS

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

PLOT_PX = 330
ENTRY_PX = 21
"""Heights of the plot, and of a line of the legend below it."""


def _place(x: float, rates: bool) -> str:
    return f"ρ = {rho_text(1 / x)}" if rates else f"{x:g} dB"


def _told(series: Series, point: Point, metric: str, rates: bool) -> str:
    """What hovering shows: whose point, where, and the value with its interval."""
    return f"<b>{series.title}</b><br>{_place(point.x, rates)}: {point.value.show(metric)}"


def _style(series: Series) -> dict[str, Any]:
    main = series.kind == "network"
    line = {"color": series.colour, "dash": series.dash, "width": 2.5 if main else 1.5}
    return {"line": line, "marker": {"size": 8 if main else 5}, "mode": "lines+markers"}


def add_series(figure: Figure, series: Series, metric: str, rates: bool) -> None:
    """One line with its 95 % error bars; each point carries its setting as custom data, for clicks."""
    scale = METRICS[metric].scale
    halves = [(point.value.ci95 or 0) * scale for point in series.points]
    figure.add_scatter(
        x=[point.x for point in series.points], y=[point.value.mean * scale for point in series.points],
        name=series.title, **_style(series),
        error_y={"type": "data", "array": halves, "thickness": 1, "width": 3} if any(halves) else None,
        customdata=[list(point.setting) if point.setting else [] for point in series.points],
        text=[_told(series, point, metric, rates) for point in series.points], hovertemplate="%{text}<extra></extra>",
    )


def plot(series: Sequence[Series], metric: str, *, rates: bool = False) -> Figure:
    """Draw series as lines, the legend below them; ``rates``: x is a bandwidth ratio rather than SNR in dB."""
    import plotly.graph_objects as go

    figure = go.Figure()
    for one in series:
        add_series(figure, one, metric, rates)
    figure.update_layout(
        xaxis_title="Bandwidth ratio ρ" if rates else "SNR, dB", yaxis_title=METRICS[metric].text,
        margin={"l": 10, "r": 10, "t": 10, "b": 10}, hovermode="closest", clickmode="event+select",
        height=PLOT_PX + ENTRY_PX * (len(series) + 1) + 60, showlegend=True,
        legend={"orientation": "v", "x": 0, "y": -62 / PLOT_PX, "xanchor": "left", "yanchor": "top"},
    )
    if rates:
        known = sorted({point.x for one in series for point in one.points})
        figure.update_xaxes(tickvals=known, ticktext=[rho_text(1 / x) for x in known])
    return figure
