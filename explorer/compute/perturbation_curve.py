"""How each variant and the paste control fare along one control of the side image, all others as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from explorer.compute.engine import ENGINE, Ask
from explorer.compute.perturbation import KNOBS, Disturbance
from zoo.results.figures import VARIANT_COLOURS

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

POINTS = 9
METRICS = {"psnr": "PSNR, dB", "ssim": "SSIM"}


class Line(NamedTuple):
    """Metrics of one variant along a control: ``values`` holds a list for each of ``METRICS``."""

    title: str
    control: bool
    values: dict[str, list[float | None]]


def stops(knob: str, present: float) -> list[float]:
    """Values of a control from one end to the other, more of them about its rest, and the present one."""
    row = KNOBS[knob]
    even = [row.low + (row.high - row.low) * place / (POINTS - 1) for place in range(POINTS)]
    near = [row.rest + row.step * place for place in (-2, -1, 0, 1, 2)]
    values = {round(value, 2) + 0.0 for value in even + near if row.low <= value <= row.high}
    return sorted(values | {present})


def along(ask: Ask, what: Disturbance, knob: str) -> tuple[list[float], list[Line]]:
    """The control's values, and a line a variant and for paste. Raises what ``Engine.frame`` raises."""
    xs = stops(knob, getattr(what, knob))
    lines: dict[str, Line] = {}
    for x in xs:
        frame = ENGINE.frame(ask._replace(pair=what._replace(**{knob: float(x)}).on(ask.pair)))
        for card in [*frame.cards, *([frame.paste] if frame.paste else [])]:
            control = card is frame.paste
            line = lines.setdefault(card.title, Line(card.title, control, {metric: [] for metric in METRICS}))
            for metric in METRICS:
                line.values[metric].append(getattr(card, metric))
    return xs, list(lines.values())


def draw(xs: list[float], lines: list[Line], knob: str, present: float, metric: str) -> Figure:
    """The lines of one metric; dotted: the control at rest, and where it stands now."""
    import plotly.graph_objects as go

    figure = go.Figure()
    for place, line in enumerate(lines):
        style = {"color": VARIANT_COLOURS[place % len(VARIANT_COLOURS)], "dash": "dash" if line.control else "solid"}
        figure.add_scatter(x=xs, y=line.values[metric], name=line.title, mode="lines+markers", line=style,
                           hovertemplate="%{y:.3f}")
    row = KNOBS[knob]
    figure.add_vline(x=row.rest, line={"dash": "dot", "width": 1, "color": "#888888"}, annotation_text="as trained")
    if present != row.rest:
        figure.add_vline(x=present, line={"dash": "dot", "width": 1, "color": "#d55e00"}, annotation_text="now",
                         annotation_position="bottom right")
    figure.update_layout(xaxis_title=f"{row.label}{', ' + row.unit.strip() if row.unit.strip() else ''}",
                         yaxis_title=METRICS[metric], margin={"l": 10, "r": 10, "t": 30, "b": 10}, height=380,
                         hovermode="x unified", legend={"orientation": "h", "y": -0.2})
    return figure
