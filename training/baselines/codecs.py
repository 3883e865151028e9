"""Real codecs through Pillow, and mosaics: many pictures in one, so that no picture needs its own header."""

from __future__ import annotations

import hashlib
import io
import math
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from PIL import __version__ as PILLOW
from torch import Tensor

from training.fit.loop import write_atomically
from wzroi.pairs import CropPair

Options = dict[str, Any]


def _avif(level: int) -> list[Options]:
    """Full chroma and a slow search: halved chroma and faster searches lose PSNR, a slower search gains none.

    At the coarsest quantiser they still make smaller files, so they are also tried at the lowest levels.
    """
    ways = [("4:4:4", 3), ("4:2:0", 3), ("4:2:0", 6)] if level < 10 else [("4:4:4", 3)]
    return [{"format": "AVIF", "quality": level, "speed": speed, "subsampling": chroma} for chroma, speed in ways]


def _webp(level: int) -> list[Options]:
    return [{"format": "WEBP", "quality": level, "method": 6}]


def _jpeg2000(level: int) -> list[Options]:
    """``level`` 0 to 100 is a compression ratio from 1200:1 to 6:1 on a logarithmic scale; a raw codestream."""
    layers = {"quality_mode": "rates", "quality_layers": [1200 * (6 / 1200) ** (level / 100)]}
    return [{"format": "JPEG2000", "irreversible": True, "no_jp2": True} | layers]


CODECS: dict[str, Callable[[int], list[Options]]] = {"avif": _avif, "webp": _webp, "jpeg2000": _jpeg2000}
"""Codec -> the ways in which Pillow saves a picture at a level from 0 (small) to 100 (good)."""

LEVELS = (*range(0, 20, 2), *range(20, 60, 4), *range(60, 100, 8))


def coded(codec: str, picture: Image.Image, level: int, store: Path | None = None) -> Iterator[bytes]:
    """A picture's files at a level.

    Args:
        store: folder that caches coded files by picture, options and Pillow's version, so that an interrupted run does
            not code them again.
    """
    for options in CODECS[codec](level):
        if store is None:
            yield _saved(picture, options)
            continue
        digest = hashlib.sha256(repr((options, picture.size, PILLOW)).encode() + picture.tobytes()).hexdigest()
        path = store / f"{codec}_{level}_{digest[:16]}"
        if not path.exists():
            write_atomically(path, partial(_save, picture, options))
        yield path.read_bytes()


def _save(picture: Image.Image, options: Options, path: Path) -> None:
    path.write_bytes(_saved(picture, options))


def _saved(picture: Image.Image, options: Options) -> bytes:
    file = io.BytesIO()
    picture.save(file, **options)
    return file.getvalue()


def to_mosaic(pixels: Tensor) -> Image.Image:
    """A square mosaic of uint8 ``[tiles * tiles, 3, H, W]``."""
    tiles = math.isqrt(len(pixels))
    if tiles * tiles != len(pixels):
        raise ValueError(f"a mosaic needs a square number of pictures, not {len(pixels)}")
    _, channels, height, width = pixels.shape
    grid = pixels.reshape(tiles, tiles, channels, height, width).permute(0, 3, 1, 4, 2)
    return Image.fromarray(grid.reshape(tiles * height, tiles * width, channels).numpy())


def from_mosaic(picture: Image.Image, count: int) -> Tensor:
    """The inverse of ``to_mosaic``: uint8 ``[count, 3, H, W]``."""
    tiles = math.isqrt(count)
    values = torch.from_numpy(np.array(picture.convert("RGB")))
    height, width = values.shape[0] // tiles, values.shape[1] // tiles
    return values.reshape(tiles, height, tiles, width, 3).permute(0, 2, 4, 1, 3).reshape(count, 3, height, width)


def decoded(blob: bytes, count: int) -> Tensor:
    """A coded mosaic's pictures: uint8 ``[count, 3, H, W]``."""
    return from_mosaic(Image.open(io.BytesIO(blob)), count)


def outside(pixels: Tensor, crop: CropPair) -> Tensor:
    """What lies outside a crop that ends at the lower right corner, as one strip.

    uint8 ``[n, 3, H, W]`` to ``[n, 3, row, W + H - row]``: the rows above the crop, then the columns left of
    it, transposed.

    Raises:
        ValueError: for any crop but the lower right corner of a square picture.
    """
    height, width = pixels.shape[-2:]
    if (crop.row, crop.row + crop.size, crop.column + crop.size) != (crop.column, height, width):
        raise ValueError(f"a strip requires a crop in the lower right corner, not {crop.name} of {pixels.shape}")
    left = pixels[:, :, crop.row :, : crop.column]
    return torch.cat([pixels[:, :, : crop.row], left.transpose(2, 3)], dim=3)


def inside_out(strips: Tensor, held: Tensor, crop: CropPair) -> Tensor:
    """The inverse of ``outside``: pictures ``[n, 3, H, W]`` from strips and pictures with the known crop."""
    whole, width = held.clone(), held.shape[-1]
    whole[:, :, : crop.row] = strips[..., :width]
    whole[:, :, crop.row :, : crop.column] = strips[..., width:].transpose(2, 3)
    return whole
