"""Tensors to pictures and Plotly figures; knows no user interface.

Pictures are uint8 arrays ``[H, W, 3]`` (RGB) or ``[H, W, 4]`` (RGBA). Colour maps are perceptually uniform and safe for
colour-blind readers: cividis for the ROI map, inferno for errors.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from wzroi.config import CLASSES

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

Pixels = NDArray[np.uint8]

ERROR_SCALE = 0.25
"""Absolute error (mean over RGB, on [0, 1]) that the error map's brightest colour stands for: one scale for all."""

CIVIDIS = ("#00224e", "#123570", "#3b496c", "#575d6d", "#707173", "#8a8678", "#a59c74", "#c3b369", "#e1cc55", "#fee838")
INFERNO = ("#000004", "#1b0c41", "#4a0c6b", "#781c6d", "#a52c60", "#cf4446", "#ed6925", "#fb9b06", "#f7d13d", "#fcffa4")
"""Anchors of the two colour maps (matplotlib's, public domain), evenly spaced."""

CHANGE_SCALE = 0.06
"""Change of the absolute error that the signed map's strongest colours stand for: one scale for all."""

BLUE_ORANGE = ("#08306b", "#2171b5", "#6baed6", "#c6dbef", "#f7f7f7", "#fdd0a2", "#fd8d3c", "#d94801", "#7f2704")
"""Anchors of the signed map (ColorBrewer's blues and oranges): blue is less, orange is more, with any colour vision."""

VARIANT_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6d31", "#7f7f7f")
"""Okabe and Ito's palette: told apart with any colour vision."""


def colour_table(anchors: Sequence[str]) -> Pixels:
    """A 256-entry RGB table, linear between evenly spaced anchors ``#rrggbb``."""
    points = np.array([[int(text[i : i + 2], 16) for i in (1, 3, 5)] for text in anchors], dtype=np.float64)
    where, stops = np.linspace(0, 1, 256), np.linspace(0, 1, len(points))
    return np.stack([np.interp(where, stops, points[:, c]) for c in range(3)], axis=1).round().astype(np.uint8)


_CIVIDIS, _INFERNO, _BLUE_ORANGE = colour_table(CIVIDIS), colour_table(INFERNO), colour_table(BLUE_ORANGE)


def to_pixels(image: Tensor) -> Pixels:
    """An image ``[3, H, W]`` in [0, 1] (values outside are clipped) to uint8 ``[H, W, 3]``, rounded."""
    if image.ndim != 3 or image.shape[0] != 3:
        raise ValueError(f"a picture is [3, H, W], not {tuple(image.shape)}: take one image of the batch")
    scaled = (image.detach().float().clamp(0, 1) * 255).round()
    return scaled.permute(1, 2, 0).to(torch.uint8).cpu().numpy()


def _levels(values: Tensor) -> NDArray[np.intp]:
    """Values ``[H, W]``, clipped to [0, 1], as indices 0..255; NaN is 0."""
    return (values.detach().float().nan_to_num(0).clamp(0, 1) * 255).round().long().cpu().numpy()


def error_map(reconstruction: Tensor, source: Tensor, scale: float = ERROR_SCALE) -> Pixels:
    """Absolute error of ``[3, H, W]``, mean over RGB, coloured by inferno from 0 to ``scale``: uint8 ``[H, W, 3]``."""
    if reconstruction.shape != source.shape:
        raise ValueError(f"shapes differ: {tuple(reconstruction.shape)} and {tuple(source.shape)}")
    if not scale > 0:
        raise ValueError(f"scale must be positive, not {scale}")
    return _INFERNO[_levels((reconstruction - source).abs().mean(dim=0) / scale)]


def signed_map(change: Tensor, scale: float = CHANGE_SCALE) -> Pixels:
    """A change ``[H, W]`` from -scale (blue: less) over 0 (near white) to scale (orange: more): uint8 ``[H, W, 3]``."""
    if change.ndim != 2:
        raise ValueError(f"a change is [H, W], not {tuple(change.shape)}: take the mean over colours of one image")
    if not scale > 0:
        raise ValueError(f"scale must be positive, not {scale}")
    return _BLUE_ORANGE[_levels((change.nan_to_num(0) / scale + 1) / 2)]


def roi_layer(roi: Tensor) -> Pixels:
    """An ROI map M ``[1, H, W]`` as a layer to lay over a picture: cividis, as opaque as M is high; RGBA."""
    if roi.ndim != 3 or roi.shape[0] != 1:
        raise ValueError(f"an ROI map is [1, H, W], not {tuple(roi.shape)}: take one map of the batch")
    levels = _levels(roi[0])
    return np.concatenate([_CIVIDIS[levels], levels[..., None].astype(np.uint8)], axis=2)


def roi_overlay(image: Tensor, roi: Tensor, opacity: float = 0.6) -> Pixels:
    """A picture ``[3, H, W]`` with its ROI map ``[1, H, W]`` over it at ``opacity`` in [0, 1]: uint8 ``[H, W, 3]``."""
    if not 0 <= opacity <= 1:
        raise ValueError(f"opacity must lie in [0, 1], not {opacity}")
    layer = roi_layer(roi).astype(np.float64)
    alpha = layer[..., 3:] / 255 * opacity
    return (to_pixels(image) * (1 - alpha) + layer[..., :3] * alpha).round().astype(np.uint8)


def enlarge(pixels: Pixels, factor: int) -> Pixels:
    """Every pixel repeated ``factor`` times each way: enlargement without smoothing."""
    if factor < 1:
        raise ValueError(f"factor must be at least 1, not {factor}")
    return pixels.repeat(factor, axis=0).repeat(factor, axis=1)


def stack_tiles(tiles: Sequence[Pixels]) -> Pixels:
    """Tiles of one size, RGB or RGBA, one below the other: RGBA ``[n * H, W, 4]``."""
    if not tiles or len({tile.shape[:2] for tile in tiles}) != 1:
        raise ValueError("tiles must be at least one and of one size")
    height, width = tiles[0].shape[:2]
    sheet = np.full((len(tiles) * height, width, 4), 255, dtype=np.uint8)
    for index, tile in enumerate(tiles):
        sheet[index * height : (index + 1) * height, :, : tile.shape[2]] = tile
    return sheet


def png_bytes(pixels: Pixels, compress_level: int = 1) -> bytes:
    """Pixels as a PNG file."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG", compress_level=compress_level)
    return stream.getvalue()


class Curve(NamedTuple):
    """One line of a sweep: a title, and rows of measured values with ``snr_db`` and the keys of ``METRICS``."""

    title: str
    rows: Sequence[Mapping[str, Any]]


METRICS = {
    "psnr": ("psnr_mean", "psnr_ci95", "PSNR, dB"),
    "ssim": ("ssim_mean", "ssim_ci95", "SSIM"),
    "roi_psnr": ("roi_psnr_mean", "roi_psnr_ci95", "ROI-PSNR, dB"),
    "accuracy": ("accuracy", "accuracy_ci95", "Accuracy"),
}
"""Metric -> (key of the value, key of its 95 % half width, axis title)."""


def sweep_figure(
    curves: Sequence[Curve],
    metric: str = "psnr",
    present: Mapping[str, float] | None = None,
    snr_db: float | None = None,
) -> Figure:
    """Metric over SNR with 95 % bands, one line a curve, and the present point of the picture on show.

    Args:
        curves: rows need not be sorted; rows without the metric are left out.
        metric: a key of ``METRICS``.
        present: title of a curve -> its value for the present picture, drawn as a ring at ``snr_db``.
        snr_db: the present SNR, drawn as a vertical line.
    """
    import plotly.graph_objects as go

    if metric not in METRICS:
        raise ValueError(f"unknown metric {metric!r}; there are {', '.join(METRICS)}")
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
    axis = {"title": METRICS[metric][2], "tickformat": ".0%"} if metric == "accuracy" else {"title": METRICS[metric][2]}
    figure.update_layout(
        xaxis_title="SNR, dB", yaxis=axis, margin={"l": 10, "r": 10, "t": 10, "b": 10}, hovermode="x unified",
        legend={"orientation": "h", "y": -0.2},
    )
    return figure


def _add_curve(figure: Figure, curve: Curve, metric: str, colour: str) -> None:
    value, half, _ = METRICS[metric]
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
    """Class probabilities as grouped bars, one group a class, one colour a picture; the true class named in bold."""
    import plotly.graph_objects as go

    names = [f"<b>{name}</b>" if index == truth else name for index, name in enumerate(CLASSES)]
    figure = go.Figure()
    for index, (title, values) in enumerate(probabilities.items()):
        figure.add_bar(x=names, y=list(values), name=title, marker_color=VARIANT_COLOURS[index % len(VARIANT_COLOURS)])
    figure.update_layout(
        barmode="group", yaxis={"title": "Probability", "range": [0, 1]}, margin={"l": 10, "r": 10, "t": 10, "b": 10},
        legend={"orientation": "h", "y": -0.2},
    )
    return figure


MAX_POINTS = 4096
"""Symbols drawn in a constellation; of more, an even selection is drawn."""


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
    """How values (one a channel draw) are spread, with their mean."""
    import plotly.graph_objects as go

    figure = go.Figure(go.Histogram(x=list(values), marker_color=VARIANT_COLOURS[0], nbinsx=30))
    mean = sum(values) / max(len(values), 1)
    figure.add_vline(x=mean, line={"dash": "dot"}, annotation_text=f"mean {mean:.2f}")
    margin = {"l": 10, "r": 10, "t": 30, "b": 10}
    figure.update_layout(xaxis_title=title, yaxis_title="Draws", margin=margin, height=260)
    return figure
