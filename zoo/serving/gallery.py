"""Pairs to send, by key: the bundled gallery, and what the explorer and the hosted demo do with any pair."""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional as F

from wzroi.pairs import Pair, make_pair, pair_source
from wzroi.roi import origin_of
from zoo.image_io import bundled_picture
from zoo.paths import GALLERY, need
from zoo.serving.request import RequestError


class SourceError(RequestError):
    """No such pair; the message lists the available ones."""


@dataclass(frozen=True)
class PairEntry:
    """A pair to send, as a batch of one; two entries are equal if their keys are.

    Attributes:
        key: ``gallery:<id>``, or a key of another source; what follows a ``#`` is done to the side image.
        title: shown to users. pair: float ``[1, 3, H, W]`` in [0, 1].
        source: name of the pair source, ``crop`` or ``stereo``.
        notes: sentences on what was assumed when the pictures were read.
    """

    key: str
    title: str = field(compare=False)
    pair: Pair = field(compare=False)
    source: str = field(compare=False)
    notes: tuple[str, ...] = field(default=(), compare=False)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.pair.source.shape[-2], self.pair.source.shape[-1]

    @property
    def label(self) -> int | None:
        """The true class, if it is known."""
        return None if self.pair.label is None else int(self.pair.label[0])


def entry_of(
    key: str, title: str, pictures: Sequence[Tensor], label: Tensor | None = None, notes: tuple[str, ...] = ()
) -> PairEntry:
    """A crop pair from one picture ``[1, 3, H, W]``, or a stereo pair from two of the same size."""
    if len(pictures) == 1:
        return PairEntry(key, title, make_pair(pictures[0], label), "crop", notes)
    return PairEntry(key, title, make_pair(pictures[0], label, "stereo", pictures[1]), "stereo", notes)


def shrink(image: Tensor, height: int, width: int) -> Tensor:
    """Resize an image ``[B, 3, H, W]`` with antialiasing; an image of that size is returned unchanged."""
    if image.shape[-2:] == (height, width):
        return image
    return F.interpolate(image, size=(height, width), mode="bilinear", antialias=True, align_corners=False).clamp(0, 1)


@dataclass(frozen=True)
class GalleryItem:
    """A row of ``gallery.json``; ``other`` is the right picture of a stereo pair, with its live size in pixels."""

    id: str
    title: str
    picture: str
    label: int | None = None
    other: str | None = None
    height: int | None = None
    width: int | None = None


@functools.cache
def gallery() -> dict[str, GalleryItem]:
    """The bundled gallery by identifier, in its order; raises ZooError where it is missing."""
    rows = json.loads(need(GALLERY / "gallery.json").read_text(encoding="utf-8"))
    return {row["id"]: GalleryItem(**row) for row in rows}


@functools.lru_cache(maxsize=64)
def gallery_entry(identifier: str, full_size: bool = False) -> PairEntry:
    """A gallery pair; a stereo pair at its live size unless ``full_size``. Raises SourceError."""
    if identifier not in gallery():
        raise SourceError(f"there is no gallery pair {identifier[:40]!r}; choose one of {', '.join(gallery())}")
    item = gallery()[identifier]
    pictures = [bundled_picture(GALLERY / name) for name in (item.picture, item.other) if name]
    if item.height and item.width and not full_size:
        pictures = [shrink(picture, item.height, item.width) for picture in pictures]
    label = None if item.label is None else torch.tensor([item.label])
    return entry_of(f"gallery:{identifier}", item.title, pictures, label)


def with_neighbour(entry: PairEntry) -> Pair:
    """The pair and, as the second image of the batch, a gallery picture whose map ``shuffled`` gives to the first."""
    names, (kind, _, name) = list(gallery()), entry.key.partition("#")[0].partition(":")
    place = names.index(name) if kind == "gallery" else -1
    other = shrink(gallery_entry(names[(place + 1) % len(names)]).pair.source, *entry.size)
    neighbour = make_pair(other, None, entry.source, None if entry.source == "crop" else other)
    return Pair(torch.cat([entry.pair.source, other]), torch.cat([entry.pair.side, neighbour.side]))


def on_source(entry: PairEntry, roi: Tensor, origin: str) -> Tensor:
    """The map M moved into the frame of x.

    A map of x_side is in the frame of x_side: for a crop pair it is moved back by the crop's offset, as paste does with
    pixels. A map of x is already in place, zeros and noise have no place, and a stereo pair's disparity is unknown.
    """
    if origin_of(origin)[0].frame != "side" or entry.source != "crop":
        return roi
    return pair_source("crop").paste(torch.zeros_like(roi), roi)
