"""Metrics of each variant and of the paste control as one parameter of the perturbation varies."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from explorer.compute.engine import ENGINE, Request
from explorer.compute.perturbation import PARAMETERS, Perturbation
from wzroi.metrics import METRICS, per_image
from zoo.results.figures import VARIANT_COLOURS

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

POINTS = 9


def curve_metrics() -> dict[str, str]:
    """Metric -> heading of what is drawn: the metrics that need no ROI map of x."""
    return {key: METRICS[key].heading for key in per_image() if not METRICS[key].weighted}


class Line(NamedTuple):
    """Metrics of one variant along a parameter: ``values`` holds a list for each of ``curve_metrics``."""

    title: str
    control: bool
    values: dict[str, list[float | None]]


def stops(parameter: str, present: float) -> list[float]:
    """Values of a parameter over its range, denser around the default, and the current one."""
    row = PARAMETERS[parameter]
    even = [row.low + (row.high - row.low) * place / (POINTS - 1) for place in range(POINTS)]
    near = [row.rest + row.step * place for place in (-2, -1, 0, 1, 2)]
    values = {round(value, 2) + 0.0 for value in even + near if row.low <= value <= row.high}
    return sorted(values | {present})


def along(request: Request, what: Perturbation, parameter: str) -> tuple[list[float], list[Line]]:
    """The parameter's values, and one line per variant and for paste. Raises what ``Engine.frame`` raises."""
    xs = stops(parameter, getattr(what, parameter))
    lines: dict[str, Line] = {}
    for x in xs:
        moved = Perturbation(**what._asdict() | {parameter: float(x)})
        frame = ENGINE.frame(request._replace(pair=moved.on(request.pair)))
        for result in [*frame.results, *([frame.paste] if frame.paste else [])]:
            control = result is frame.paste
            line = lines.setdefault(result.title, Line(result.title, control, {key: [] for key in curve_metrics()}))
            for metric in curve_metrics():
                line.values[metric].append(result.metric(metric))
    return xs, list(lines.values())


def draw(xs: list[float], lines: list[Line], parameter: str, present: float, metric: str) -> Figure:
    """The lines of one metric; dotted: the default and the current value of the parameter."""
    import plotly.graph_objects as go

    figure = go.Figure()
    for place, line in enumerate(lines):
        style = {"color": VARIANT_COLOURS[place % len(VARIANT_COLOURS)], "dash": "dash" if line.control else "solid"}
        figure.add_scatter(x=xs, y=line.values[metric], name=line.title, mode="lines+markers", line=style,
                           hovertemplate="%{y:.3f}")
    row = PARAMETERS[parameter]
    figure.add_vline(x=row.rest, line={"dash": "dot", "width": 1, "color": "#888888"}, annotation_text="as trained")
    if present != row.rest:
        figure.add_vline(x=present, line={"dash": "dot", "width": 1, "color": "#d55e00"}, annotation_text="now",
                         annotation_position="bottom right")
    figure.update_layout(xaxis_title=f"{row.label}{', ' + row.unit.strip() if row.unit.strip() else ''}",
                         yaxis_title=METRICS[metric].heading, margin={"l": 10, "r": 10, "t": 30, "b": 10}, height=380,
                         hovermode="x unified", legend={"orientation": "h", "y": -0.2})
    return figure
