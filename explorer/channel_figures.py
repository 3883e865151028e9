"""Figures of the Channel page: power of each symbol, and PSNR when the channel's SNR is not the expected one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from torch import Tensor

from wzroi.views import MAX_POINTS, VARIANT_COLOURS

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

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
    """|z|^2 of each sent symbol, complex ``[K]``, in the order of the encoder's maps, with the mean that eq. 2 sets."""
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
    """PSNR over the channel's SNR by what the receiver knows; the SNR of training and the present one as lines."""
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
