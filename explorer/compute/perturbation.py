"""Perturbations of the side image, which the networks were not trained with: move, resize, blur, noise, swap, remove.

A pair's key states the perturbation after a ``#``: ``gallery:cifar-0#dx=3,blur=1.5``. So the frame route, every page
and the exported Python lines treat a perturbed pair like any other.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from wzroi.pairs import CropPair, Pair, pair_source
from zoo.serving.gallery import PairEntry, SourceError, gallery, gallery_entry, shrink

NOISE_SEED = 0
"""The noise added to the side image is always the same; the channel noise has its own seed."""


class Parameter(NamedTuple):
    """A parameter of the perturbation: range, step, default, digits shown, unit, and a tip."""

    label: str
    low: float
    high: float
    step: float
    rest: float
    digits: int
    unit: str
    tip: str


PARAMETERS = {
    "dx": Parameter(
        "Move right",
        -20,
        20,
        1,
        0,
        0,
        " px",
        "The crop's column in x_side (eq. 4) in 32nds of the width, "
        "pixels at 32x32: at rest 0; the crop comes from column 12.",
    ),
    "dy": Parameter(
        "Move down",
        -20,
        20,
        1,
        0,
        0,
        " px",
        "The crop's row in x_side (eq. 4) in 32nds of the height, pixels "
        "at 32x32: at rest 0; the crop comes from row 12.",
    ),
    "scale": Parameter(
        "Resize", 0.25, 2, 0.05, 1, 2, "x", "The crop's size in x_side (eq. 4), its top-left corner kept."
    ),
    "blur": Parameter(
        "Blur", 0, 4, 0.1, 0, 1, " px", "Standard deviation of a Gaussian blur of x_side (eq. 4), pixels at 32x32."
    ),
    "noise": Parameter(
        "Noise",
        0,
        0.5,
        0.01,
        0,
        2,
        "",
        "Standard deviation of normal noise added to x_side (eq. 4), of the range from 0 to 1; the result is clipped.",
    ),
}
"""Name -> parameter, in the order of the page."""

OTHER_TIP = "Another picture's crop instead of x's own: x_side (eq. 4) then says nothing about x."
REMOVED_TIP = "x_side (eq. 4) is all zeros: the receiver has nothing."


class Perturbation(NamedTuple):
    """What is done to the side image, in this order: swap, resize, blur, noise, move; or removal of all of it.

    Attributes:
        dx, dy: 32nds of width and height, right and down. scale: of both sides. blur: standard deviation in 32nds of
            the width. noise: standard deviation on [0, 1]. other: id of a gallery picture. removed: 0 or 1.
    """

    dx: float = 0.0
    dy: float = 0.0
    scale: float = 1.0
    blur: float = 0.0
    noise: float = 0.0
    other: str = ""
    removed: int = 0

    @property
    def text(self) -> str:
        """The values that differ from the default, as written in a key; empty if there are none."""
        changed = {key: value for key, value in self._asdict().items() if value != REST._asdict()[key]}
        return ",".join(f"{key}={value:g}" if isinstance(value, float) else f"{key}={value}"
                        for key, value in changed.items())

    def words(self) -> str:
        """A description for users."""
        if self.removed:
            return "removed"
        parts = [
            f"{PARAMETERS[key].label.lower()} {getattr(self, key):.{PARAMETERS[key].digits}f}{PARAMETERS[key].unit}"
            for key in PARAMETERS
            if getattr(self, key) != PARAMETERS[key].rest
        ]
        swapped = [f"swapped with {gallery()[self.other].title}"] if self.other else []
        return ", ".join(swapped + parts) or "unchanged"

    def on(self, key: str) -> str:
        """The key of a pair with this perturbation, which replaces one already in ``key``."""
        return plain(key) + (f"#{self.text}" if self.text else "")


REST = Perturbation()


def plain(key: str) -> str:
    """A pair's key without the perturbation."""
    return key.partition("#")[0]


def read(name: str, text: str) -> Any:
    """One value of a perturbation; raises ValueError with the expected range."""
    if name == "other":
        if text and text not in gallery():
            raise ValueError(f"one of {', '.join(gallery())}")
        return text
    if name == "removed":
        if text not in ("0", "1"):
            raise ValueError("0 or 1")
        return int(text)
    parameter = PARAMETERS[name]
    message = f"a number from {parameter.low:g} to {parameter.high:g}"
    try:
        value = float(text)
    except ValueError:
        raise ValueError(message) from None
    if not (math.isfinite(value) and parameter.low <= value <= parameter.high):
        raise ValueError(message)
    return round(value, 2) + 0.0


def read_text(text: str) -> Perturbation:
    """The perturbation in a key; raises SourceError naming the first invalid value."""
    found: dict[str, Any] = {}
    for part in text.split(",") if text else []:
        name, _, value = part.partition("=")
        if name not in Perturbation._fields:
            raise SourceError(f"{name[:20]!r} is not a perturbation of the side image: choose one of "
                              f"{', '.join(Perturbation._fields)}")
        try:
            found[name] = read(name, value)
        except ValueError as error:
            raise SourceError(f"{name}={value[:20]} must be {error}") from error
    return Perturbation(**found)


def read_query(query: Mapping[str, str]) -> tuple[Perturbation, list[str]]:
    """The perturbation in URL parameters, and a message for each value that is replaced by its default."""
    found, notices = REST, []
    for name in Perturbation._fields:
        if name not in query:
            continue
        try:
            found = found._replace(**{name: read(name, query[name])})
        except ValueError as error:
            notices.append(f"The link has {name}={query[name][:40]}, which must be {error}; using "
                           f"{getattr(REST, name) or 'none'}.")
    return found, notices


def read_report(report: Mapping[str, Any], present: Perturbation) -> Perturbation:
    """The perturbation reported by the page's component; invalid values keep their current value."""
    texts = {name: str(report[name]) for name in Perturbation._fields if name in report}
    for name, text in texts.items():
        try:
            present = present._replace(**{name: read(name, text)})
        except ValueError:
            continue
    return present


def to_query(what: Perturbation) -> dict[str, str]:
    """The values that differ from the default, as URL parameters."""
    return dict(part.split("=") for part in what.text.split(",")) if what.text else {}


def perturbed(entry: PairEntry, what: Perturbation) -> PairEntry:
    """The entry with a perturbed side image; the source and its label are unchanged."""
    if what == REST:
        return entry
    pair = entry.pair
    return replace(entry, key=what.on(entry.key), pair=Pair(pair.source, side_of(entry, what), pair.label))


def side_of(entry: PairEntry, what: Perturbation) -> Tensor:
    """The perturbed side image ``[1, 3, H, W]`` in [0, 1]."""
    side = torch.zeros_like(entry.pair.side)
    if what.removed:
        return side
    height, width = entry.size
    patch = degrade(patch_of(entry, what.other), what, width)
    place(side, patch, round(what.dy * height / 32), round(what.dx * width / 32))
    return side


def patch_of(entry: PairEntry, other: str) -> Tensor:
    """The part of the side image with content, ``[1, 3, h, w]``: the crop, or a stereo pair's whole other view."""
    side, maker = entry.pair.side, pair_source(entry.source)
    if other:
        donor = shrink(gallery_entry(other).pair.source, *entry.size)
        side = maker.side_of(donor) if isinstance(maker, CropPair) else donor
    if not isinstance(maker, CropPair):
        return side
    _, _, rows, columns = maker.box(*entry.size)
    return side[..., :rows, :columns]


def degrade(patch: Tensor, what: Perturbation, width: int) -> Tensor:
    """Resize a patch, blur it and add noise; ``width`` is the width of the image in pixels."""
    if what.scale != 1:
        size = [max(1, round(length * what.scale)) for length in patch.shape[-2:]]
        patch = F.interpolate(patch, size=size, mode="bilinear", antialias=True, align_corners=False)
    if what.blur:
        patch = blurred(patch, what.blur * width / 32)
    if what.noise:
        generator = torch.Generator().manual_seed(NOISE_SEED)
        patch = patch + what.noise * torch.randn(patch.shape, generator=generator)
    return patch.clamp(0, 1)


def blurred(patch: Tensor, sigma: float) -> Tensor:
    """Gaussian blur of ``[1, 3, h, w]`` with a standard deviation in pixels; edge pixels are repeated."""
    reach = math.ceil(3 * sigma)
    kernel = torch.exp(-torch.arange(-reach, reach + 1).square() / (2 * sigma**2))
    kernel = (kernel / kernel.sum()).expand(3, 1, -1)
    padded = F.pad(patch, (reach, reach, reach, reach), mode="replicate")
    rows = F.conv2d(padded, kernel[..., None, :], groups=3)
    return F.conv2d(rows, kernel[..., None], groups=3)


def place(canvas: Tensor, patch: Tensor, top: int, left: int) -> None:
    """Copy a patch into ``canvas`` ``[1, 3, H, W]`` at a corner that may lie outside; what does not fit is cropped."""
    height, width = canvas.shape[-2:]
    rows, columns = patch.shape[-2:]
    first_row, first_column = max(0, -top), max(0, -left)
    last_row, last_column = min(rows, height - top), min(columns, width - left)
    if first_row < last_row and first_column < last_column:
        canvas[..., top + first_row : top + last_row, left + first_column : left + last_column] = patch[
            ..., first_row:last_row, first_column:last_column
        ]
