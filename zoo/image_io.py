"""Reading untrusted pictures: one function for the command line and the explorer.

Everything in the header is checked before any pixel is decoded. A picture is only changed as follows: EXIF orientation
is applied; transparency is placed over white; CMYK, grey and palette become RGB; 16-bit values keep their precision;
the first picture of a phone's multi-picture JPEG is used. Animations and multi-page files are rejected.
"""

from __future__ import annotations

import io
import struct
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

FORMATS = ("PNG", "JPEG", "WEBP", "AVIF", "BMP", "GIF", "TIFF", "PPM", "JPEG2000")
"""What is decoded (MPO comes with JPEG); formats that start other programs or fetch files (EPS, PDF, WMF) are not."""

MIN_SIDE = 8
"""Pixels: the judge needs 8x8."""

MAX_PIXELS = 32_000_000
MAX_BYTES = 64 * 2**20
MAX_ASPECT = 64

_BAD = (OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, AttributeError, EOFError, OverflowError,
        ZeroDivisionError, MemoryError, RuntimeError, struct.error, Image.DecompressionBombError)  # fmt: skip


class PictureError(ValueError):
    """A file that is not a usable picture; the message is a sentence that names the fix."""


def read_pictures(blobs: Sequence[bytes], names: Sequence[str], max_side: int | None) -> list[Tensor]:
    """One picture, or a left and a right one of the same size, each ``[1, 3, H, W]``; raises PictureError."""
    pictures = [read_picture(blob, max_side=max_side, name=name) for blob, name in zip(blobs, names, strict=True)]
    sizes = [Image.open(io.BytesIO(blob)).size for blob in blobs]
    if len(set(sizes)) > 1 or len({picture.shape for picture in pictures}) > 1:
        (a, b), (c, d) = sizes
        raise PictureError(f"{names[0]} has {a} x {b} pixels, {names[1]} {c} x {d}: use two pictures of the same size")
    return pictures


def read_picture(
    source: bytes | str | Path, *, max_side: int | None = None, max_pixels: int = MAX_PIXELS, name: str | None = None
) -> Tensor:
    """A picture as a float tensor ``[1, 3, H, W]`` in [0, 1], RGB.

    Args:
        source: the file's bytes, or its path.
        max_side: shrink (Lanczos) until the longer side is at most this; ``None`` keeps the size.
        max_pixels: reject pictures with more pixels according to their header.
        name: the picture's name in messages; default: its file name, or ``the picture``.

    Raises:
        PictureError: not a picture, truncated, empty, animated, too small (below 8x8) or too large.
    """
    label = name or (Path(source).name if isinstance(source, str | Path) else "the picture")
    blob = source if isinstance(source, bytes) else _read_bytes(Path(source), label)
    if not blob:
        raise PictureError(f"{label} is empty (0 bytes): choose a PNG, JPEG or WebP picture")
    if len(blob) > MAX_BYTES:
        raise PictureError(f"{label} has {len(blob) >> 20} MiB: save it below {MAX_BYTES >> 20} MiB")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns about large pictures and odd metadata; both are checked here
        return _decode(_open(blob, label, max_pixels), label, max_side)


def _read_bytes(path: Path, label: str) -> bytes:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise PictureError(f"{label} has {path.stat().st_size >> 20} MiB: save it below {MAX_BYTES >> 20} MiB")
        return path.read_bytes()
    except FileNotFoundError as error:
        raise PictureError(f"{path} does not exist: check the path") from error
    except OSError as error:
        raise PictureError(f"{path} cannot be read ({error.strerror}): choose a picture file") from error


def _open(blob: bytes, label: str, max_pixels: int) -> Image.Image:
    Image.init()  # all plugins: a list of formats keeps Pillow from loading them itself
    try:
        image = Image.open(io.BytesIO(blob), formats=FORMATS)
        frames = getattr(image, "n_frames", 1)
    except Image.DecompressionBombError as error:
        raise PictureError(
            f"{label} has far more than {max_pixels / 1e6:g} megapixels: save a smaller version"
        ) from error
    except _BAD as error:
        raise PictureError(f"{label} is not a picture that can be read: choose a PNG, JPEG or WebP file") from error
    _check_size(image.size, label, max_pixels)
    if frames > 1 and image.format != "MPO":
        raise PictureError(f"{label} has {frames} frames or pages: save one of them as PNG or JPEG")
    return image


def _check_size(size: tuple[int, int], label: str, max_pixels: int) -> None:
    width, height = size
    if width * height > max_pixels:
        raise PictureError(
            f"{label} has {width} x {height} pixels, more than {max_pixels / 1e6:g} megapixels: save a smaller version"
        )
    if min(size) < MIN_SIDE:
        raise PictureError(f"{label} has {width} x {height} pixels: choose one of at least {MIN_SIDE} x {MIN_SIDE}")
    if max(size) > MAX_ASPECT * min(size):
        raise PictureError(f"{label} has {width} x {height} pixels and is too elongated: crop it")


def _decode(image: Image.Image, label: str, max_side: int | None) -> Tensor:
    try:
        if max_side is not None:
            image.draft("RGB", (max_side, max_side))  # a JPEG decodes at 1/2, 1/4 or 1/8 size, never below the target
        image.load()
        image = _upright(image)
        pixels = _deep(image) if image.mode.startswith(("I", "F")) else _eight_bit(image)
    except PictureError:
        raise
    except _BAD as error:
        raise PictureError(f"{label} is damaged or incomplete: save or download it again") from error
    return _shrink(torch.from_numpy(pixels), max_side)


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except _BAD:
        return image  # broken metadata is no reason to reject good pixels


def _eight_bit(image: Image.Image) -> np.ndarray:
    """Any 8-bit mode to float32 ``[H, W, 3]``; transparency over white."""
    if image.has_transparency_data:
        over = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", over.size, "white"), over)
    return np.asarray(image.convert("RGB"), dtype=np.float32) / 255


def _deep(image: Image.Image) -> np.ndarray:
    """A 16-bit, 32-bit or float grey picture to float32 ``[H, W, 3]``."""
    grey = np.asarray(image).astype(np.float32)
    top = 1.0 if image.mode.startswith("F") else 65535.0
    if not np.isfinite(grey).all() or grey.min() < 0 or grey.max() > top:
        raise PictureError(f"the picture's values lie outside 0 to {top:g}: save it as an 8- or 16-bit PNG")
    return np.repeat(grey[..., None] / np.float32(top), 3, axis=2)


def _shrink(pixels: Tensor, max_side: int | None) -> Tensor:
    """``[H, W, 3]`` to ``[1, 3, H, W]``, the longer side at most ``max_side``."""
    height, width = pixels.shape[:2]
    if max_side is None or max(height, width) <= max_side:
        return pixels.permute(2, 0, 1)[None].contiguous()
    scale = max_side / max(height, width)
    size = (max(MIN_SIDE, round(width * scale)), max(MIN_SIDE, round(height * scale)))
    planes = [Image.fromarray(plane.contiguous().numpy()) for plane in pixels.unbind(2)]
    shrunk = [np.array(plane.resize(size, Image.Resampling.LANCZOS)) for plane in planes]
    return torch.from_numpy(np.stack(shrunk))[None].clamp(0, 1)
