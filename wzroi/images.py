"""Tensors to pictures: pixels, colour maps, PNG files; independent of any user interface.

Pictures are uint8 arrays ``[H, W, 3]`` (RGB) or ``[H, W, 4]`` (RGBA). Colour maps are perceptually uniform and safe for
colour-blind readers: cividis for the ROI map, inferno for errors.
"""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

Pixels = NDArray[np.uint8]

ERROR_SCALE = 0.25
"""Absolute error (mean over RGB, on [0, 1]) shown in the error map's brightest colour: one scale for all pictures."""

CIVIDIS = ("#00224e", "#123570", "#3b496c", "#575d6d", "#707173", "#8a8678", "#a59c74", "#c3b369", "#e1cc55", "#fee838")
INFERNO = ("#000004", "#1b0c41", "#4a0c6b", "#781c6d", "#a52c60", "#cf4446", "#ed6925", "#fb9b06", "#f7d13d", "#fcffa4")
"""Anchors of the two colour maps (matplotlib's, public domain), evenly spaced."""

CHANGE_SCALE = 0.06
"""Change of the absolute error shown in the signed map's strongest colours: one scale for all pictures."""

BLUE_ORANGE = ("#08306b", "#2171b5", "#6baed6", "#c6dbef", "#f7f7f7", "#fdd0a2", "#fd8d3c", "#d94801", "#7f2704")
"""Anchors of the signed map (ColorBrewer's blues and oranges): blue is less, orange is more, with any colour vision."""


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
    """An ROI map M ``[1, H, W]`` as an overlay: cividis, with M as its opacity; RGBA."""
    if roi.ndim != 3 or roi.shape[0] != 1:
        raise ValueError(f"an ROI map is [1, H, W], not {tuple(roi.shape)}: take one map of the batch")
    levels = _levels(roi[0])
    return np.concatenate([_CIVIDIS[levels], levels[..., None].astype(np.uint8)], axis=2)


def roi_overlay(image: Tensor, roi: Tensor, opacity: float = 0.6) -> Pixels:
    """A picture ``[3, H, W]`` overlaid with its ROI map ``[1, H, W]`` at ``opacity`` in [0, 1]: uint8 ``[H, W, 3]``."""
    if not 0 <= opacity <= 1:
        raise ValueError(f"opacity must lie in [0, 1], not {opacity}")
    layer = roi_layer(roi).astype(np.float64)
    alpha = layer[..., 3:] / 255 * opacity
    return (to_pixels(image) * (1 - alpha) + layer[..., :3] * alpha).round().astype(np.uint8)


def enlarge(pixels: Pixels, factor: int) -> Pixels:
    """Repeat every pixel ``factor`` times in each direction: enlargement without smoothing."""
    if factor < 1:
        raise ValueError(f"factor must be at least 1, not {factor}")
    return pixels.repeat(factor, axis=0).repeat(factor, axis=1)


def stack_tiles(tiles: Sequence[Pixels]) -> Pixels:
    """Stack tiles of one size, RGB or RGBA, vertically: RGBA ``[n * H, W, 4]``."""
    if not tiles or len({tile.shape[:2] for tile in tiles}) != 1:
        raise ValueError("there must be at least one tile, and all of the same size")
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
