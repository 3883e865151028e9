"""Reading pictures that strangers send: one loader for the command line, the explorer and the hosted demo.

Everything that a file's header tells is checked before a pixel is decoded, and decoding happens in a process of its
own with a limit on time and memory (``zoo/pictures``). What is done to a picture, and no more: EXIF orientation is
applied; colours are converted to sRGB by the embedded profile; transparency is laid over white; CMYK, grey and palette
become RGB; grey values of 16 bits keep their precision, and values that use fewer bits are scaled by those; of several
frames or pages the first is taken. What had to be assumed is told in ``Picture.notes``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from wzroi.metrics import SSIM_WINDOW
from zoo.pictures.budget import MIN_SIDE, OWN, VISITOR, Budget, PictureBusyError, PictureError
from zoo.pictures.decode import FORMATS, Decoded, Job, Layout, View, decode
from zoo.pictures.process import DECODER

__all__ = [
    "FORMATS", "MAX_BYTES", "MAX_PIXELS", "MIN_SIDE", "OWN", "VISITOR", "Budget", "Layout", "Picture",
    "PictureBusyError", "PictureError", "bundled_picture", "check_same_size", "load_picture", "load_pictures",
    "load_views", "notes_of", "read_picture", "read_pictures",
]  # fmt: skip

MAX_PIXELS = VISITOR.pixels
MAX_BYTES = VISITOR.bytes

TINY = (f"below {SSIM_WINDOW} pixels a side SSIM does not exist (its window is {SSIM_WINDOW} x {SSIM_WINDOW}): it is "
        "shown as –")  # fmt: skip


class Picture(NamedTuple):
    """A picture that was read.

    Attributes:
        pixels: float32 ``[1, 3, H, W]`` in [0, 1], RGB (sRGB), upright.
        size: the file's own width and height in pixels, as a person sees them, before anything was shrunk.
        notes: sentences on what was assumed or left out; they hold no text from the file.
    """

    pixels: Tensor
    size: tuple[int, int]
    notes: tuple[str, ...] = ()


def load_picture(
    source: bytes | str | Path, *, max_side: int | None = None, name: str | None = None, budget: Budget = VISITOR
) -> Picture:
    """A picture from a file's bytes or its path.

    Args:
        max_side: shrink until the longer side is at most this; ``None`` keeps the size.
        name: how messages call the picture; the path's last part, or ``the picture``.
        budget: what it may cost.

    Raises:
        PictureError: no picture, damaged, too small (below 8x8), too large, or more work than the budget allows.
    """
    return _load(source, max_side, name, budget, "single")[0]


def load_views(
    source: bytes | str | Path, layout: Layout = "views", *, max_side: int | None = None, name: str | None = None,
    budget: Budget = VISITOR,
) -> tuple[Picture, Picture]:  # fmt: skip
    """Both views in one file, the left eye's first.

    Args:
        layout: ``views`` of a stereo camera's multi-picture file (MPO), or the halves of one picture, ``side-by-side``
            (left and right) or ``top-bottom``. ``max_side`` is that of a view; ``size`` is that of the file.

    Raises:
        PictureError: as for ``load_picture``, or a file that holds one view.
    """
    pictures = _load(source, max_side, name, budget, layout)
    if len(pictures) != 2:
        raise PictureError(f"{_label(source, name)} holds one view: choose two pictures, or a stereo camera's MPO file")
    return pictures[0], pictures[1]


def load_pictures(
    blobs: Sequence[bytes], names: Sequence[str], max_side: int | None, budget: Budget = VISITOR
) -> list[Picture]:
    """One picture, or a left and a right one that are seen in one size; raises PictureError."""
    pairs = zip(blobs, names, strict=True)
    pictures = [load_picture(blob, max_side=max_side, name=name, budget=budget) for blob, name in pairs]
    check_same_size(pictures, names)
    return pictures


def check_same_size(pictures: Sequence[Picture], names: Sequence[str]) -> None:
    """Raise PictureError unless all pictures are seen in one size; the message names each file's own."""
    if len({picture.size for picture in pictures}) > 1:
        seen = zip(names, (picture.size for picture in pictures), strict=True)
        sizes = " and ".join(f"{name} has {width} x {height} pixels" for name, (width, height) in seen)
        raise PictureError(f"{sizes}: use two pictures of the same size, or crop or rotate one")


def read_picture(
    source: bytes | str | Path, *, max_side: int | None = None, max_pixels: int = MAX_PIXELS, name: str | None = None
) -> Tensor:
    """The pixels of ``load_picture``, ``[1, 3, H, W]``; refuses pictures whose header announces over ``max_pixels``."""
    return load_picture(source, max_side=max_side, name=name, budget=replace(VISITOR, pixels=max_pixels)).pixels


def read_pictures(blobs: Sequence[bytes], names: Sequence[str], max_side: int | None) -> list[Tensor]:
    """The pixels of ``load_pictures``, each ``[1, 3, H, W]``."""
    return [picture.pixels for picture in load_pictures(blobs, names, max_side)]


def bundled_picture(path: Path) -> Tensor:
    """A picture that comes with the project, ``[1, 3, H, W]``: decoded in this process, which needs no protection."""
    blob = _bytes(path, path.name, OWN)
    return _pictures(decode(blob, Job(path.name), OWN), path.name)[0].pixels


def notes_of(pictures: Sequence[Picture]) -> tuple[str, ...]:
    """What was assumed about any of these pictures, each sentence once."""
    return tuple(dict.fromkeys(note for picture in pictures for note in picture.notes))


def _load(
    source: bytes | str | Path, max_side: int | None, name: str | None, budget: Budget, layout: Layout
) -> list[Picture]:
    label = _label(source, name)
    blob = _bytes(source, label, budget)
    return _pictures(DECODER.decode(blob, Job(label, max_side, layout), budget), label)


def _label(source: bytes | str | Path, name: str | None) -> str:
    return name or (Path(source).name if isinstance(source, str | Path) else "") or "the picture"


def _bytes(source: bytes | str | Path, label: str, budget: Budget) -> bytes:
    """A file's bytes; raises PictureError where there are none, or too many to be read."""
    blob = source if isinstance(source, bytes) else _read_file(Path(source), label, budget)
    if not blob:
        raise PictureError(f"{label} is empty (0 bytes): choose a PNG, JPEG or WebP picture")
    _check_bytes(len(blob), label, budget)
    return blob


def _read_file(path: Path, label: str, budget: Budget) -> bytes:
    try:
        _check_bytes(path.stat().st_size, label, budget)
        return path.read_bytes()
    except FileNotFoundError as error:
        raise PictureError(f"{path} does not exist: check the path") from error
    except OSError as error:
        raise PictureError(f"{path} cannot be read ({error.strerror}): choose a picture file") from error


def _check_bytes(count: int, label: str, budget: Budget) -> None:
    if count > budget.bytes:
        raise PictureError(f"{label} has {count >> 20} MiB: save it below {budget.bytes >> 20} MiB")


def _pictures(decoded: Decoded, label: str) -> list[Picture]:
    pixels = [_tensor(view) for view in decoded.views]
    if not all(bool(each.isfinite().all()) for each in pixels):
        raise PictureError(f"{label} holds values that are not numbers: save it as an 8- or 16-bit PNG")
    tiny = [TINY] if min(min(each.shape[-2:]) for each in pixels) < SSIM_WINDOW else []
    return [Picture(each, decoded.size, (*decoded.notes, *tiny)) for each in pixels]


def _tensor(view: View) -> Tensor:
    """A view as float32 ``[1, 3, H, W]`` in [0, 1]."""
    if view.kind == "u1":
        values = torch.frombuffer(bytearray(view.data), dtype=torch.uint8).view(view.height, view.width, 3)
        return values.permute(2, 0, 1)[None].float().div_(view.white).contiguous()
    planes = torch.frombuffer(bytearray(view.data), dtype=torch.float32).view(1, view.channels, view.height, view.width)
    return (planes / view.white).clamp_(0, 1).expand(-1, 3, -1, -1).contiguous()
