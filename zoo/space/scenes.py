"""Where a pair comes from in the hosted demo: the bundled gallery, or pictures that a visitor sends along.

Nothing is kept between visitors but a small cache of decoded pictures under the hash of their bytes.
"""

from __future__ import annotations

import functools
import hashlib
import io
import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from wzroi.pairs import Pair, make_pair
from zoo.pictures import PictureError, read_picture

GALLERY = Path(__file__).resolve().parents[2] / "assets" / "gallery"

SIZES = (32, 64, 96, 128)
"""Working sizes of an upload, its longer side in pixels: what a shared CPU sends again at every movement."""

MAX_BYTES = 16 * 2**20
"""Largest file taken; the server refuses more before it is read."""


Value = TypeVar("Value")


class Recent:
    """The values of the last ``limit`` keys; safe for threads. What two threads make at once is made twice."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._values: OrderedDict[Hashable, Any] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """The value of a key, made when it is not held."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key]
        value = make()
        with self._lock:
            self._values[key] = value
            while len(self._values) > self._limit:
                self._values.popitem(last=False)
        return value


_UPLOADS = Recent(32)


class AskError(ValueError):
    """A request that cannot be answered; the message says what would be right."""


@dataclass(frozen=True)
class Scene:
    """A pair to send, a batch of one; two scenes are equal when their keys are.

    Attributes:
        key: ``gallery:<id>`` or ``upload:<hash>``. title: for people. pair: float ``[1, 3, H, W]`` in [0, 1].
        source: name of the pair source, ``crop`` or ``stereo``.
    """

    key: str
    title: str = field(compare=False)
    pair: Pair = field(compare=False)
    source: str = field(compare=False)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.pair.source.shape[-2], self.pair.source.shape[-1]

    @property
    def label(self) -> int | None:
        """The true class, where it is known."""
        return None if self.pair.label is None else int(self.pair.label[0])


@functools.cache
def gallery() -> dict[str, dict[str, Any]]:
    """Rows of the bundled ``gallery.json`` by identifier."""
    rows = json.loads((GALLERY / "gallery.json").read_text(encoding="utf-8"))
    return {row["id"]: row for row in rows}


def shrink(image: Tensor, height: int, width: int) -> Tensor:
    """Average an image ``[1, 3, H, W]`` to another size; an image of that size is returned as it is."""
    if image.shape[-2:] == (height, width):
        return image
    return F.interpolate(image, size=(height, width), mode="bilinear", antialias=True, align_corners=False).clamp(0, 1)


@functools.lru_cache(maxsize=64)
def gallery_scene(identifier: str) -> Scene:
    """A pair of the gallery, a stereo pair at its live size; raises AskError for an unknown identifier."""
    if identifier not in gallery():
        raise AskError(f"there is no gallery pair {identifier[:40]!r}; there are {', '.join(gallery())}")
    row = gallery()[identifier]
    pictures = [read_picture(GALLERY / row[key]) for key in ("picture", "other") if key in row]
    if "height" in row:
        pictures = [shrink(picture, row["height"], row["width"]) for picture in pictures]
    label = torch.tensor([row["label"]]) if "label" in row else None
    return _scene(f"gallery:{identifier}", row["title"], pictures, label)


def _scene(key: str, title: str, pictures: list[Tensor], label: Tensor | None = None) -> Scene:
    if len(pictures) == 1:
        return Scene(key, title, make_pair(pictures[0], label), "crop")
    return Scene(key, title, make_pair(pictures[0], label, "stereo", pictures[1]), "stereo")


def upload_scene(left: bytes, right: bytes | None, longer: int) -> Scene:
    """A pair from one or two files; the longer side is brought down to ``longer`` pixels, one of ``SIZES``.

    Raises:
        PictureError: a file that is no usable picture, or a left and a right one of different sizes.
        AskError: another working size.
    """
    if longer not in SIZES:
        raise AskError(f"the working size must be one of {', '.join(map(str, SIZES))} pixels, not {str(longer)[:20]}")
    blobs = [left] if right is None else [left, right]
    names = ["the picture"] if right is None else ["the left picture", "the right picture"]
    digest = "-".join(hashlib.sha256(blob).hexdigest()[:32] for blob in blobs)

    def decode() -> Scene:
        pictures = [read_picture(blob, name=name, max_side=longer) for blob, name in zip(blobs, names, strict=True)]
        _check_sizes(blobs, pictures)
        return _scene(f"upload:{longer}-{digest}", "Your picture" + "s" * (len(blobs) - 1), pictures)

    return _UPLOADS.get((longer, digest), decode)


def _check_sizes(blobs: list[bytes], pictures: list[Tensor]) -> None:
    sizes = [Image.open(io.BytesIO(blob)).size for blob in blobs]
    if len(set(sizes)) > 1 or len({picture.shape for picture in pictures}) > 1:
        (a, b), (c, d) = sizes
        raise PictureError(f"the left picture has {a} x {b} pixels, the right one {c} x {d}: give two of one size")
