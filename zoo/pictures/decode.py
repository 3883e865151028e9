"""A file's bytes to pixels: everything the header tells is checked first, and what is large is made small in 8 bits.

Runs in the decoder's process (``worker.py``), and in this one where no other can be started.
"""

from __future__ import annotations

import io
import struct
import warnings
from collections.abc import Callable
from typing import Literal, NamedTuple

from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    Jpeg2KImagePlugin,
    JpegImagePlugin,
    MpoImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from zoo.pictures import colour
from zoo.pictures.budget import MAX_ASPECT, MIN_SIDE, Budget, PictureError
from zoo.pictures.headers import foreign_kind, is_heif, jpeg2000_levels, jpeg_scans

PLUGINS = (AvifImagePlugin, BmpImagePlugin, GifImagePlugin, Jpeg2KImagePlugin, JpegImagePlugin, MpoImagePlugin,
           PngImagePlugin, PpmImagePlugin, TiffImagePlugin, WebPImagePlugin)  # fmt: skip
"""Imported, they register themselves; a list of formats keeps Pillow from loading them."""

FORMATS = ("PNG", "JPEG", "WEBP", "AVIF", "BMP", "GIF", "TIFF", "PPM", "JPEG2000")
"""What is decoded (MPO comes with JPEG); formats that start other programs or fetch files (EPS, PDF, WMF) are not."""

Layout = Literal["single", "views", "side-by-side", "top-bottom"]
"""What a file holds: one picture; both views where it has two (MPO), else one; or two halves, the left eye's first."""

GAP, LARGE_GAP, LARGE = 4, 2, 512
"""A picture is averaged in 8 bits down to ``GAP`` times the target (from ``LARGE`` pixels on, ``LARGE_GAP`` times);
only that is resized in floats."""

BAND = 2**20
"""Pixels that are converted at a time."""

PIXEL = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2}
"""Bytes of a pixel that Pillow holds, by mode; 4 for any other."""

OVERHEAD = {"WEBP": 12, "AVIF": 6, "HEIF": 10, "TIFF": 4, "JPEG2000": 24}
"""Bytes a pixel, beside those, that a format's decoder holds at its peak (measured)."""

_BAD = (OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, AttributeError, EOFError, OverflowError,
        ZeroDivisionError, RuntimeError, struct.error, Image.DecompressionBombError)  # fmt: skip

TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # fmt: skip
"""EXIF orientation -> what makes the picture upright."""

Box = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels."""


class Job(NamedTuple):
    """What is asked of the decoder.

    ``label``: how messages call the file. ``max_side``: most pixels of a view's longer side; ``None`` keeps the size.
    """

    label: str
    max_side: int | None = None
    layout: Layout = "single"


class View(NamedTuple):
    """One view, its values 0 to ``white``: bytes (``u1``) ``[H, W, 3]``, or floats (``f4``) ``[channels, H, W]``, one
    channel (grey) or three."""

    width: int
    height: int
    channels: int
    kind: Literal["u1", "f4"]
    white: float
    data: bytes


class Decoded(NamedTuple):
    """One view or two, the file's own width and height as a person sees it, and sentences on what was assumed."""

    views: list[View]
    size: tuple[int, int]
    notes: list[str]


def decode(blob: bytes, job: Job, budget: Budget) -> Decoded:
    """The picture, or the two views, in a file; raises PictureError, and MemoryError where memory is limited."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of large pictures and odd metadata; both are checked here
        image = _open(blob, job.label, budget)
        _check_size(_seen_size(image), job, budget)
        try:
            return _decoded(image, blob, job, budget)
        except PictureError as error:
            raise error if str(error).startswith(job.label) else PictureError(f"{job.label} {error}") from error
        except _BAD as error:
            raise PictureError(f"{job.label} is damaged or incomplete: save or download it again") from error


def _open(blob: bytes, label: str, budget: Budget) -> Image.Image:
    formats: tuple[str, ...] = FORMATS
    if is_heif(blob):
        formats = (*FORMATS, _heif(label))
    elif blob[:2] == b"\xff\xd8" and jpeg_scans(blob, budget.scans) > budget.scans:
        raise PictureError(f"{label} is stored in more than {budget.scans} scans: save it again as a plain JPEG")
    try:
        return Image.open(io.BytesIO(blob), formats=formats)
    except Image.DecompressionBombError as error:
        most = f"{budget.pixels / 1e6:g} megapixels"
        raise PictureError(f"{label} has far more than {most}: save a smaller version") from error
    except _BAD as error:
        if kind := foreign_kind(blob):
            raise PictureError(f"{label} is {kind[0]}, not a picture that can be read: {kind[1]}") from error
        raise PictureError(f"{label} is not a picture that can be read: choose a PNG, JPEG or WebP file") from error


def _heif(label: str) -> str:
    """Teach Pillow to read HEIC; returns the format's name. Raises PictureError where its package is missing."""
    try:
        import pillow_heif
    except ImportError as error:
        raise PictureError(
            f"{label} is a HEIC picture, which needs the package pillow-heif: install it (pip install pillow-heif), or "
            "save the picture as JPEG"
        ) from error
    pillow_heif.register_heif_opener(thumbnails=False)
    return "HEIF"


def _orientation(image: Image.Image) -> int:
    """EXIF orientation, 1 to 8, of what Pillow gives: it turns TIFF itself, and a PNG may tell it behind its pixels."""
    if image.format == "TIFF" or (image.format == "PNG" and image.tile):  # type: ignore[attr-defined]
        return 1
    try:
        found = image.getexif().get(0x0112, 1)
    except _BAD:
        return 1  # broken metadata is no reason to refuse good pixels
    return found if found in TRANSPOSE else 1


def _seen_size(image: Image.Image) -> tuple[int, int]:
    """Width and height as a person sees them; of a PNG only once it is loaded."""
    width, height = image.size
    return (height, width) if _orientation(image) > 4 else (width, height)


def _check_size(size: tuple[int, int], job: Job, budget: Budget) -> None:
    width, height = size
    said = f"{job.label} has {width} x {height} pixels"
    if width * height > budget.pixels:
        raise PictureError(f"{said}, more than {budget.pixels / 1e6:g} megapixels: save a smaller version")
    if min(size) < MIN_SIDE:
        raise PictureError(f"{said}: choose one of at least {MIN_SIDE} x {MIN_SIDE}")
    if max(size) > MAX_ASPECT * min(size):
        raise PictureError(f"{said}, too long a strip: crop it")
    left, top, right, bottom = _halves(size, job.layout)[0]
    if min(right - left, bottom - top) < MIN_SIDE:
        raise PictureError(f"{said}, too few for two views {job.layout}: choose a larger one")


def _decoded(image: Image.Image, blob: bytes, job: Job, budget: Budget) -> Decoded:
    notes: list[str] = []
    if getattr(image, "is_animated", False) and job.layout != "views":
        held = "pictures" if image.format == "MPO" else "frames or pages"
        notes.append(f"the file holds several {held}: only the first was taken")
    views, size = _views(image, blob, job, budget, notes)
    if job.layout == "views" and (second := _second_view(_open(blob, job.label, budget), blob)):
        other = _open(second, job.label, budget)
        if _seen_size(other) == size:  # else a preview, or the map of a photograph's brightness
            views += _views(other, second, job, budget, notes)[0]
    return Decoded(views, size, list(dict.fromkeys(notes)))


def _second_view(image: Image.Image, blob: bytes) -> bytes:
    """The second JPEG of a multi-picture file, where it may be the other view by what the file says of it."""
    pictures = image.mpinfo.get(0xB002, []) if image.format == "MPO" else []  # type: ignore[attr-defined]
    if len(pictures) < 2:
        return b""
    kind = str(pictures[1]["Attribute"]["MPType"])
    if "Disparity" not in kind and "Multi-Angle" not in kind and kind != "Undefined":
        return b""
    image.seek(1)
    return blob[image.offset :]  # type: ignore[attr-defined]


def _views(
    image: Image.Image, blob: bytes, job: Job, budget: Budget, notes: list[str]
) -> tuple[list[View], tuple[int, int]]:
    """The view that an open image holds, or its two halves; and its size as it is seen. The image is used up."""
    full = image.size
    halved = _draft(image, blob, job)
    _check_memory(image, full, halved, blob, job, budget)
    image.load()
    orientation = _orientation(image)  # a PNG may tell it behind its pixels
    seen, profile = _swapped(full, orientation), image.info.get("icc_profile")
    pixels = _readable(image, blob, job, budget, notes)
    smalls = [_reduced(pixels, box, job.max_side) for box in _stored_halves(image.size, job.layout, orientation)]
    if all(small is not image for small, _ in smalls):
        image.close()  # the memory is needed for what follows
    views = []
    for small, extent in smalls:
        plain = small if small.mode in ("I", "F") else colour.to_srgb(small, profile, notes)
        views.append(_view(plain, extent, _target(seen, job), orientation, pixels.white))
    return views, seen


def _swapped(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    """A stored size as it is seen, or the other way round."""
    return (size[1], size[0]) if orientation > 4 else size


def _target(seen: tuple[int, int], job: Job) -> tuple[int, int]:
    """Width and height of a view of a picture of this size."""
    left, top, right, bottom = _halves(seen, job.layout)[0]
    width, height = right - left, bottom - top
    if job.max_side is None or max(width, height) <= job.max_side:
        return width, height
    scale = job.max_side / max(width, height)
    return max(MIN_SIDE, round(width * scale)), max(MIN_SIDE, round(height * scale))


def _halves(size: tuple[int, int], layout: Layout) -> list[Box]:
    """Boxes of the views in a picture as it is seen; of an odd number of columns or rows the middle one is left out."""
    width, height = size
    if layout == "side-by-side":
        half = width // 2
        return [(0, 0, half, height), (width - half, 0, width, height)]
    if layout == "top-bottom":
        half = height // 2
        return [(0, 0, width, half), (0, height - half, width, height)]
    return [(0, 0, width, height)]


def _stored_halves(size: tuple[int, int], layout: Layout, orientation: int) -> list[Box]:
    """The same boxes in a picture as it is stored: its axes may be exchanged, and each may run backwards."""
    other: dict[Layout, Layout] = {"side-by-side": "top-bottom", "top-bottom": "side-by-side"}
    backwards = (2, 3, 6, 7) if layout == "side-by-side" else (3, 4, 7, 8)
    boxes = _halves(size, other.get(layout, layout) if orientation > 4 else layout)
    return boxes[::-1] if orientation in backwards else boxes


def _factor(size: tuple[int, int], max_side: int | None) -> int:
    """How many times a picture may be made smaller before it is resized to its target."""
    if max_side is None:
        return 1
    return max(1, max(size) // (max_side * (GAP if max_side < LARGE else LARGE_GAP)))


def _draft(image: Image.Image, blob: bytes, job: Job) -> int:
    """Have a JPEG or JPEG 2000 decoded at a fraction of its size; returns how often the latter is halved."""
    width, height = image.size
    left, top, right, bottom = _halves(_seen_size(image), job.layout)[0]
    factor = _factor((right - left, bottom - top), job.max_side)
    if factor > 1 and image.format in ("JPEG", "MPO"):
        image.draft(None, (max(1, width // factor), max(1, height // factor)))
    if factor > 1 and isinstance(image, Jpeg2KImagePlugin.Jpeg2KImageFile):
        halved = min(factor.bit_length() - 1, jpeg2000_levels(blob))
        image.reduce = halved
        return halved
    return 0


def _check_memory(
    image: Image.Image, full: tuple[int, int], halved: int, blob: bytes, job: Job, budget: Budget
) -> None:
    """Raise PictureError where decoding would take more memory than granted, by what formats are known to take."""
    each = PIXEL.get(image.mode, 4) + OVERHEAD.get(str(image.format), 0)
    needed = len(blob) + each * image.width * image.height // 4**halved
    needed += _coefficients(image, blob) * full[0] * full[1]
    if needed > budget.memory:
        raise PictureError(
            f"{job.label} ({full[0]} x {full[1]} pixels, {image.format}) would take {needed >> 20} MiB to decode, more "
            f"than {budget.memory >> 20}: save a smaller version or a plain JPEG"
        )


def _coefficients(image: Image.Image, blob: bytes) -> int:
    """Bytes a pixel, rounded up, that a JPEG of several scans is held in before it becomes a picture."""
    if image.format not in ("JPEG", "MPO") or jpeg_scans(blob, 1) < 2:
        return 0
    sampling = [across * down for _, across, down, _ in image.layer]  # type: ignore[attr-defined]
    return -(-2 * sum(sampling) // max(sampling))


class _Readable(NamedTuple):
    """A loaded picture: ``band`` gives a box of it in a mode that can be averaged, and ``white`` is white there.

    ``whole``: all of it may be asked for at once, because nothing is converted.
    """

    band: Callable[[Box], Image.Image]
    white: float = 255.0
    whole: bool = False


def _readable(image: Image.Image, blob: bytes, job: Job, budget: Budget, notes: list[str]) -> _Readable:
    """The picture as it can be averaged; adds what was assumed to ``notes``."""
    if image.mode.startswith("I") or image.mode == "F":
        white = colour.top_value(image, blob, notes)
        if not image.info.get("icc_profile"):
            return _Readable(lambda box: colour.flat(_crop(image, box)), white)
        notes.append("its values were brought to 8 bits for its colour profile")
        return _Readable(lambda box: colour.eight_bit(colour.flat(_crop(image, box)), white))
    if colour.is_wide(image, blob) and (low := _low_bytes(image, blob, job, budget, notes)):
        white = colour.wide_white(image, low, blob, notes)
        return _Readable(lambda box: colour.joined(_crop(image, box), _crop(low, box), white))
    return _Readable(lambda box: colour.flat(_crop(image, box)), whole=not colour.needs_flattening(image))


def _crop(image: Image.Image, box: Box) -> Image.Image:
    """A box of a picture; the picture itself, uncopied, where that is all of it."""
    return image if box == (0, 0, *image.size) else image.crop(box)


def _low_bytes(
    image: Image.Image, blob: bytes, job: Job, budget: Budget, notes: list[str]
) -> Image.Image | None:
    """The lower halves of 16-bit colours, where the upper ones alone would leave a picture of fewer bits dark."""
    if not colour.is_dim(image, blob):
        return None
    low = _open(blob, job.label, budget)
    if 2 * PIXEL.get(image.mode, 4) * image.width * image.height > budget.memory or not colour.read_low_bytes(low):
        notes.append("its 16-bit colours use only a part of their range: they were taken as they are")
        return None
    low.load()
    return low


def _reduced(pixels: _Readable, box: Box, max_side: int | None) -> tuple[Image.Image, tuple[float, float]]:
    """A box made smaller by averaging, in bands so that no second picture of full size is held; and its true extent."""
    left, top, right, bottom = box
    width, height = right - left, bottom - top
    factor = _factor((width, height), max_side)
    if factor == 1 and pixels.whole:
        return pixels.band(box), (width, height)
    rows = max(1, BAND // (width * factor)) * factor
    found: Image.Image | None = None
    for row in range(top, bottom, rows):
        piece = Image.Image.reduce(pixels.band((left, row, right, min(row + rows, bottom))), factor)
        found = found or Image.new(piece.mode, (piece.width, -(-height // factor)))
        found.paste(piece, (0, (row - top) // factor))
    assert found is not None  # a box is never empty
    return found, (width / factor, height / factor)


def _view(
    small: Image.Image, extent: tuple[float, float], target: tuple[int, int], orientation: int, white: float
) -> View:
    """A view at its target size, upright; in bytes where nothing had to be resized, else in floats."""
    stored = _swapped(target, orientation)
    if extent == stored and small.mode == "RGB":
        return View(*target, 3, "u1", white, _upright(small, orientation).tobytes())
    planes = []
    for band in small.split():  # one at a time: floats take four times the memory
        plane = band.convert("F")
        if extent != stored:
            plane = plane.resize(stored, Image.Resampling.LANCZOS, (0, 0, *extent))
        planes.append(_upright(plane, orientation).tobytes())
    return View(*target, len(planes), "f4", white, b"".join(planes))


def _upright(image: Image.Image, orientation: int) -> Image.Image:
    return image.transpose(TRANSPOSE[orientation]) if orientation > 1 else image
