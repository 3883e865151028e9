"""Correlated pairs: what the camera sends and what the receiver already holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor


class Placement(NamedTuple):
    """A pair source's geometry in pixels: ``side[..., :rows, :columns]`` is the source's box at ``row``, ``column``.

    It is a property of the pair source, not of a picture, so both ends may know it; the ``paste`` control and the
    linear Wyner-Ziv scheme rely on that.
    """

    row: int
    column: int
    rows: int
    columns: int


class Pair(NamedTuple):
    """``source`` x and ``side`` x_side, float ``[B, 3, H, W]`` in [0, 1]; ``label`` int64 ``[B]`` or ``None``.

    ``placement`` is where both ends know that the side image belongs; ``None``: they do not know.
    """

    source: Tensor
    side: Tensor
    label: Tensor | None = None
    placement: Placement | None = None

    def to(self, device: torch.device | str) -> Pair:
        """The same pair on another device."""
        label = None if self.label is None else self.label.to(device)
        return Pair(self.source.to(device), self.side.to(device), label, self.placement)


class PairSource(Protocol):
    """Makes the side image from the source image, and can paste it back."""

    @property
    def name(self) -> str: ...

    def placement(self, height: int, width: int) -> Placement | None: ...

    def side_of(self, source: Tensor) -> Tensor: ...

    def paste(self, reconstruction: Tensor, side: Tensor) -> Tensor: ...


@dataclass(frozen=True)
class CropPair:
    """The paper's correlated source (after Li et al., 2024): a crop of x, moved to the top-left corner, the rest zero.

    At 32x32 this is the 20x20 crop at row 12, column 12: 39 % of x, in a shifted frame. At other sizes the crop keeps
    its proportions.

    Args:
        row, column, size: in 32nds of the image's height and width.
    """

    row: int = 12
    column: int = 12
    size: int = 20

    def __post_init__(self) -> None:
        if self.size < 1 or min(self.row, self.column) < 0 or max(self.row, self.column) + self.size > 32:
            raise ValueError(f"the crop must lie inside a 32x32 frame: {self}")

    @property
    def name(self) -> str:
        """How results record it."""
        return f"crop(row={self.row}, column={self.column}, size={self.size})"

    def box(self, height: int, width: int) -> tuple[int, int, int, int]:
        """Row, column, height and width of the crop in pixels."""
        rows, columns = self.size * height // 32, self.size * width // 32
        return self.row * height // 32, self.column * width // 32, max(rows, 1), max(columns, 1)

    def placement(self, height: int, width: int) -> Placement:
        """Where the side image belongs in a source of this size."""
        return Placement(*self.box(height, width))

    def side_of(self, source: Tensor) -> Tensor:
        """x_side for a batch of x, ``[B, 3, H, W]``."""
        row, column, rows, columns = self.box(*source.shape[-2:])
        side = torch.zeros_like(source)
        side[..., :rows, :columns] = source[..., row : row + rows, column : column + columns]
        return side

    def paste(self, reconstruction: Tensor, side: Tensor) -> Tensor:
        """The paste control: the known pixels copied back to where they came from."""
        row, column, rows, columns = self.box(*reconstruction.shape[-2:])
        pasted = reconstruction.clone()
        pasted[..., row : row + rows, column : column + columns] = side[..., :rows, :columns]
        return pasted


@dataclass(frozen=True)
class PlacedCropPair:
    """A control that the paper lacks: the same crop where it belongs in the picture, the rest zero.

    What a network gains by it over ``CropPair`` is what the misalignment of the paper's source costs it.
    """

    crop: CropPair = CropPair()

    @property
    def name(self) -> str:
        """How results record it."""
        return f"crop_placed(row={self.crop.row}, column={self.crop.column}, size={self.crop.size})"

    def placement(self, height: int, width: int) -> None:
        """Nothing is shifted, so there is no place to tell."""

    def side_of(self, source: Tensor) -> Tensor:
        """x_side for a batch of x, ``[B, 3, H, W]``."""
        return self.paste(torch.zeros_like(source), source)

    def paste(self, reconstruction: Tensor, side: Tensor) -> Tensor:
        """The known pixels of ``side`` copied over the reconstruction."""
        row, column, rows, columns = self.crop.box(*reconstruction.shape[-2:])
        kept = (..., slice(row, row + rows), slice(column, column + columns))
        pasted = reconstruction.clone()
        pasted[kept] = side[kept]
        return pasted


@dataclass(frozen=True)
class StereoPair:
    """Two given photographs: the side image is the other camera's; nothing is known about where its pixels belong."""

    @property
    def name(self) -> str:
        """How results record it."""
        return "stereo"

    def placement(self, height: int, width: int) -> None:
        """``None``: the placement is not known."""

    def side_of(self, source: Tensor) -> Tensor:
        raise ValueError("a stereo pair has its own side image: call make_pair(images, side=other, source='stereo')")

    def paste(self, reconstruction: Tensor, side: Tensor) -> Tensor:
        """The paste control without knowledge of the disparity: the side image itself."""
        return side.clone()


PAIR_SOURCES: dict[str, PairSource] = {
    "crop": CropPair(), "crop_placed": PlacedCropPair(), "stereo": StereoPair()
}  # fmt: skip


def pair_source(source: str | PairSource) -> PairSource:
    """A pair source by name, or itself."""
    if not isinstance(source, str):
        return source
    if source not in PAIR_SOURCES:
        raise ValueError(f"unknown pair source {source!r}; choose one of {', '.join(PAIR_SOURCES)}")
    return PAIR_SOURCES[source]


def check_images(images: Tensor, what: str = "images") -> None:
    """Raise ValueError unless ``images`` is float ``[B, 3, H, W]`` with values in [0, 1]."""
    if images.ndim != 4 or images.shape[1] != 3 or not images.is_floating_point() or 0 in images.shape:
        raise ValueError(f"{what} must be float [B, 3, H, W], not {images.dtype} {tuple(images.shape)}")
    if not bool(((images >= 0) & (images <= 1)).all()):
        raise ValueError(f"{what} must lie in [0, 1]: divide 8-bit pixels by 255")


def as_images(images: Tensor | np.ndarray, what: str = "images") -> Tensor:
    """Images as the networks take them: float32 ``[B, 3, H, W]`` in [0, 1], from a tensor or array of any float type.

    Raises:
        ValueError: for another type, shape or range; nothing is rescaled or transposed silently.
    """
    if not isinstance(images, Tensor | np.ndarray):
        raise ValueError(f"{what} must be a tensor or a NumPy array, not {type(images).__name__}")
    tensor = torch.from_numpy(np.array(images)) if isinstance(images, np.ndarray) else images
    if tensor.ndim in (3, 4) and tensor.shape[-1] == 3 and (tensor.ndim == 3 or tensor.shape[1] != 3):
        batch = "[None]" * (tensor.ndim == 3)
        axes = "2, 0, 1" if tensor.ndim == 3 else "0, 3, 1, 2"
        raise ValueError(f"{what} must be [B, 3, H, W], not {tuple(tensor.shape)}: use .permute({axes}){batch}")
    check_images(tensor, what)
    return tensor.float()


def make_pair(
    images: Tensor | np.ndarray, labels: Tensor | None = None, source: str | PairSource = "crop",
    side: Tensor | np.ndarray | None = None,
) -> Pair:  # fmt: skip
    """Build a pair from images ``[B, 3, H, W]`` in [0, 1], tensors or NumPy arrays; the pair's are float32.

    Args:
        labels: true classes ``[B]``, used only for accuracy and by the oracle ROI.
        source: ``crop`` makes the side image from the source; ``stereo`` takes ``side``, of the same size.

    Raises:
        ValueError: for images out of range, or a side image of another size.
    """
    images = as_images(images)
    if labels is not None and labels.shape != (len(images),):
        raise ValueError(f"labels must have shape [{len(images)}], not {tuple(labels.shape)}")
    maker = pair_source(source)
    if side is None:
        return Pair(images, maker.side_of(images), labels, maker.placement(images.shape[-2], images.shape[-1]))
    side = as_images(side, "side images")
    if side.shape != images.shape:
        raise ValueError(
            f"left and right picture must have the same size: {tuple(images.shape[2:])} and {tuple(side.shape[2:])} "
            "(height, width); crop or resize one of them"
        )
    return Pair(images, side, labels)
