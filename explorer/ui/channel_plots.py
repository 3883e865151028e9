"""Figures of the Channel page: symbols and their power, the distribution of PSNR, and PSNR under an SNR mismatch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from torch import Tensor

from zoo.results.figures import VARIANT_COLOURS

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

MAX_POINTS = 4096
"""Most symbols drawn in a constellation; of more, an even selection is drawn."""

MARGIN = {"l": 10, "r": 10, "t": 30, "b": 10}
LEGEND = {"orientation": "h", "y": -0.25}


class Level(NamedTuple):
    """PSNR at one channel SNR: mean and standard deviation over the draws, dB."""

    snr_db: float
    mean: float
    std: float


def peak_to_average_db(symbols: Tensor) -> float:
    """Peak-to-average power ratio of symbols, complex ``[K]``, in dB."""
    power = symbols.abs().square()
    return 10 * math.log10(float(power.max() / power.mean()))


def power_figure(sent: Tensor) -> Figure:
    """|z|^2 of each sent symbol, complex ``[K]``, in the order of the encoder's maps, and the mean of eq. 2."""
    import plotly.graph_objects as go

    step = max(1, math.ceil(len(sent) / MAX_POINTS))
    power = sent[::step].abs().square().tolist()
    figure = go.Figure(go.Bar(x=list(range(0, len(sent), step)), y=power, marker_color=VARIANT_COLOURS[0],
                              marker_line_width=0, hovertemplate="symbol %{x}: |z|² = %{y:.3f}<extra></extra>"))
    figure.add_hline(y=1, line={"dash": "dot"})
    figure.update_layout(xaxis_title="Symbol (dotted: the mean of eq. 2)", yaxis_title="Power |z|²", margin=MARGIN,
                         height=260, bargap=0)
    return figure


def mismatch_figure(curves: Mapping[str, Sequence[Level]], trained_db: float | None, snr_db: float) -> Figure:
    """PSNR over the channel's SNR by what the receiver knows; lines mark the training SNR and the current SNR."""
    import plotly.graph_objects as go

    figure = go.Figure()
    for (title, levels), colour in zip(curves.items(), VARIANT_COLOURS, strict=False):
        figure.add_scatter(
            x=[level.snr_db for level in levels], y=[level.mean for level in levels], name=title, mode="lines+markers",
            line={"color": colour}, hovertemplate="%{y:.2f} dB",
            error_y={"type": "data", "array": [level.std for level in levels], "thickness": 1, "width": 3},
        )
    if trained_db is not None:
        figure.add_vline(x=trained_db, line={"dash": "dash", "color": "#009e73"}, annotation_text="trained here",
                         annotation_position="bottom right")
    figure.add_vline(x=snr_db, line={"dash": "dot", "width": 1, "color": "#888888"})
    figure.update_layout(xaxis_title="SNR of the channel, dB", yaxis_title="PSNR, dB", margin=MARGIN, height=320,
                         hovermode="x unified", legend=LEGEND)
    return figure


def constellation_figure(sent: Tensor, received: Tensor) -> Figure:
    """Sent and received symbols, complex ``[K]``, in the complex plane with the unit circle of mean power."""
    import plotly.graph_objects as go

    figure = go.Figure()
    for symbols, name, colour, size in ((received, "received", "#d55e00", 5), (sent, "sent", "#0072b2", 6)):
        step = max(1, math.ceil(len(symbols) / MAX_POINTS))
        values = symbols[::step].detach().cpu()
        figure.add_scatter(x=values.real.tolist(), y=values.imag.tolist(), mode="markers", name=name,
                           marker={"size": size, "color": colour, "opacity": 0.55})
    circle = {"type": "circle", "x0": -1, "y0": -1, "x1": 1, "y1": 1, "line": {"dash": "dot", "width": 1}}
    figure.update_layout(
        shapes=[circle], xaxis_title="Real part", margin={"l": 10, "r": 10, "t": 10, "b": 10},
        yaxis={"title": "Imaginary part", "scaleanchor": "x"}, legend={"orientation": "h", "y": -0.2},
    )
    return figure


def histogram_figure(values: Sequence[float], title: str) -> Figure:
    """Histogram of values (one per channel draw), with their mean."""
    import plotly.graph_objects as go

    figure = go.Figure(go.Histogram(x=list(values), marker_color=VARIANT_COLOURS[0], nbinsx=30))
    mean = sum(values) / max(len(values), 1)
    figure.add_vline(x=mean, line={"dash": "dot"}, annotation_text=f"mean {mean:.2f}")
    margin = {"l": 10, "r": 10, "t": 30, "b": 10}
    figure.update_layout(xaxis_title=title, yaxis_title="Draws", margin=margin, height=260)
    return figure
