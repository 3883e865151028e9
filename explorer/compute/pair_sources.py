"""Where a pair comes from: the bundled gallery, the CIFAR-10 test set, or a visitor's upload.

Every pair has a key, ``gallery:<id>``, ``cifar:<index>`` or ``upload:<token>``, used by pages and routes;
the perturbation of its side image follows a ``#`` (``explorer/compute/perturbation.py``).
"""

from __future__ import annotations

import functools
import secrets
import threading
import time
from collections import OrderedDict
from pathlib import Path

from torch import Tensor

from explorer.compute.perturbation import perturbed, read_text
from wzroi.config import CLASSES
from wzroi.data import DATASETS, FOLDER, DataError, Images, as_float, default_root, find_root, load_split
from wzroi.pairs import Pair, make_pair
from zoo.paths import own_folder
from zoo.serving.gallery import GALLERY, PairEntry, SourceError, gallery, gallery_entry, shrink

__all__ = [
    "GALLERY",
    "MAX_LIVE_PIXELS",
    "SIZES",
    "UPLOADS",
    "PairEntry",
    "SourceError",
    "UploadStore",
    "cifar_entry",
    "cifar_root",
    "cifar_test",
    "find_entry",
    "gallery",
    "gallery_entry",
    "shrink",
    "upload_pair",
    "working_size",
]  # fmt: skip

MAX_LIVE_PIXELS = 160 * 160
"""Largest pair, in pixels, that is sent again at every movement of a control."""

SIZES = (32, 64, 96, 128, 160)
"""Working sizes of an upload: its longer side in pixels."""


def cifar_root() -> Path | None:
    """The folder that holds the CIFAR-10 test set, or ``None``."""
    return find_root([default_root(), own_folder("data"), Path("data")])


@functools.lru_cache(maxsize=1)
def _cifar(root: Path) -> Images:
    return load_split("test", root)


def cifar_test() -> Images:
    """The CIFAR-10 test set; raises DataError, whose message says how to get it."""
    root = cifar_root()
    if root is None:
        raise DataError(
            f"the CIFAR-10 test set is not available: put {FOLDER}/ into {default_root()}, set WZROI_DATA to its "
            "folder, or press Download"
        )
    return _cifar(root)


def cifar_entry(index: int) -> PairEntry:
    """One image of the CIFAR-10 test set, 0 to 9999."""
    if not 0 <= index < 10_000:
        raise SourceError(f"the CIFAR-10 test set has the images 0 to 9999, not {index}")
    images = cifar_test()
    label = images.labels[index : index + 1]
    title = f"{CLASSES[int(label)].capitalize()}, CIFAR-10 test image {index}"
    return PairEntry(f"cifar:{index}", title, make_pair(as_float(images.pixels[index : index + 1]), label), "crop")


@functools.lru_cache(maxsize=4)
def _test_images(dataset: str) -> Images:
    return DATASETS[dataset].load("test", None)


def dataset_entry(dataset: str, index: int) -> PairEntry:
    """An image of a data set's test split, with the side image that its pair source makes."""
    row, images = DATASETS[dataset], _test_images(dataset)
    if not 0 <= index < len(images.pixels):
        raise SourceError(f"the test set of {row.title} has the images 0 to {len(images.pixels) - 1}, not {index}")
    one = slice(index, index + 1)
    pair = make_pair(as_float(images.pixels[one]), images.labels[one], row.pairs)
    return PairEntry(f"{dataset}:{index}", f"{row.title} test image {index}", pair, row.pairs)


def working_size(height: int, width: int, longer: int) -> tuple[int, int]:
    """Height and width of a picture whose longer side is reduced to ``longer`` pixels, at least 8 each."""
    scale = min(1.0, longer / max(height, width))
    return max(8, round(height * scale)), max(8, round(width * scale))


def upload_pair(left: Tensor, right: Tensor | None, longer: int | None) -> tuple[Pair, str]:
    """A pair, and the name of its pair source, from one or two pictures ``[1, 3, H, W]``.

    Args:
        longer: working size of the longer side in pixels; ``None`` keeps the original size.

    Raises:
        ValueError: if left and right differ in size.
    """
    source = "crop" if right is None else "stereo"
    pair = make_pair(left, None, source, right)
    if longer is None:
        return pair, source
    size = working_size(left.shape[-2], left.shape[-1], longer)
    small = shrink(left, *size)
    return make_pair(small, None, source, None if right is None else shrink(right, *size)), source


class UploadStore:
    """Uploads of all visitors by unguessable token: limited in number and age, dropped when a visit ends.

    Args:
        limit: number of uploads kept; the least recently used is dropped first.
        seconds: an upload not used for this long is dropped.
    """

    def __init__(self, limit: int = 64, seconds: float = 1800.0) -> None:
        self._limit, self._seconds = limit, seconds
        self._entries: OrderedDict[str, tuple[float, PairEntry]] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, pair: Pair, title: str, source: str, notes: tuple[str, ...] = ()) -> str:
        """Store a pair that is small enough for live use, with what was assumed about it; returns its key."""
        height, width = pair.source.shape[-2:]
        if height * width > MAX_LIVE_PIXELS:
            raise SourceError(f"{width}x{height} is too large for live use: choose a working size up to {SIZES[-1]}")
        key = f"upload:{secrets.token_urlsafe(18)}"
        with self._lock:
            self._entries[key] = (time.monotonic(), PairEntry(key, title, pair, source, notes))
            while len(self._entries) > self._limit:
                self._entries.popitem(last=False)
        return key

    def get(self, key: str) -> PairEntry:
        """The pair of a key; raises SourceError if it no longer exists."""
        now = time.monotonic()
        with self._lock:
            for old in [k for k, (seen, _) in self._entries.items() if now - seen > self._seconds]:
                del self._entries[old]
            if key not in self._entries:
                raise SourceError("this upload no longer exists (uploads end with the visit): upload the picture again")
            entry = self._entries[key][1]
            self._entries[key] = (now, entry)
            self._entries.move_to_end(key)
            return entry

    def drop(self, key: str) -> None:
        """Delete an upload."""
        with self._lock:
            self._entries.pop(key, None)


UPLOADS = UploadStore()


def find_entry(key: str) -> PairEntry:
    """The pair of a key, with its side image perturbed as stated after a ``#`` in the key.

    Raises:
        SourceError: unknown key, or an upload that no longer exists. DataError: CIFAR-10 is not available.
    """
    key, _, perturbation = key.partition("#")
    entry = _unperturbed(key)
    return perturbed(entry, read_text(perturbation)) if perturbation else entry


def _unperturbed(key: str) -> PairEntry:
    kind, _, name = key.partition(":")
    if kind == "gallery":
        return gallery_entry(name)
    if kind == "cifar" and name.isdecimal() and len(name) < 6:
        return cifar_entry(int(name))
    if kind == "upload":
        return UPLOADS.get(key)
    if kind in DATASETS and name.isdecimal() and len(name) < 8:
        return dataset_entry(kind, int(name))
    others = "".join(f" or {dataset}:<index>" for dataset in DATASETS if dataset != "cifar10")
    raise SourceError(f"{key[:40]!r} is not the key of a pair: it must be gallery:<id> or cifar:<0..9999>{others}")
