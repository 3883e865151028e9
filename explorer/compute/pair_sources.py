"""Where a pair comes from: the bundled gallery, the CIFAR-10 test set, or a visitor's upload.

Every pair has a key, ``gallery:<id>``, ``cifar:<index>`` or ``upload:<token>``, by which pages and routes name it;
what is done to its side image stands behind a ``#`` (``explorer/compute/perturbation.py``).
"""

from __future__ import annotations

import functools
import secrets
import threading
import time
from collections import OrderedDict
from pathlib import Path

from torch import Tensor

from explorer.compute.perturbation import disturbed, read_text
from wzroi.config import CLASSES
from wzroi.data import FOLDER, DataError, Images, as_float, default_root, find_root, load_split
from wzroi.pairs import Pair, make_pair
from zoo.serving.gallery import GALLERY, Scene, SourceError, gallery, gallery_scene, shrink

__all__ = [
    "GALLERY", "MAX_LIVE_PIXELS", "SIZES", "UPLOADS", "Scene", "SourceError", "UploadShelf", "cifar_root",
    "cifar_scene", "cifar_test", "find_scene", "gallery", "gallery_scene", "shrink", "upload_pair", "working_size",
]  # fmt: skip

ROOT = Path(__file__).resolve().parents[2]

MAX_LIVE_PIXELS = 160 * 160
"""Most pixels of a pair that is sent anew at every movement of a control."""

SIZES = (32, 64, 96, 128, 160)
"""Working sizes of an upload: its longer side in pixels."""


def cifar_root() -> Path | None:
    """The folder that holds the CIFAR-10 test set, or ``None``."""
    return find_root([default_root(), ROOT / "data", Path("data")])


@functools.lru_cache(maxsize=1)
def _cifar(root: Path) -> Images:
    return load_split("test", root)


def cifar_test() -> Images:
    """The CIFAR-10 test set; raises DataError, whose message says how to get it."""
    root = cifar_root()
    if root is None:
        raise DataError(
            f"the CIFAR-10 test set is not here: put {FOLDER}/ into {default_root()}, name its folder with WZROI_DATA, "
            "or press Download"
        )
    return _cifar(root)


def cifar_scene(index: int) -> Scene:
    """One image of the CIFAR-10 test set, 0 to 9999."""
    if not 0 <= index < 10_000:
        raise SourceError(f"the CIFAR-10 test set has the images 0 to 9999, not {index}")
    images = cifar_test()
    label = images.labels[index : index + 1]
    title = f"{CLASSES[int(label)].capitalize()}, CIFAR-10 test image {index}"
    return Scene(f"cifar:{index}", title, make_pair(as_float(images.pixels[index : index + 1]), label), "crop")


def working_size(height: int, width: int, longer: int) -> tuple[int, int]:
    """Height and width of a picture whose longer side is brought down to ``longer`` pixels, none below 8."""
    scale = min(1.0, longer / max(height, width))
    return max(8, round(height * scale)), max(8, round(width * scale))


def upload_pair(left: Tensor, right: Tensor | None, longer: int | None) -> tuple[Pair, str]:
    """A pair and the name of its pair source from one or two pictures ``[1, 3, H, W]``.

    Args:
        longer: working size of the longer side in pixels; ``None`` keeps the pictures as they are.

    Raises:
        ValueError: when left and right differ in size.
    """
    source = "crop" if right is None else "stereo"
    pair = make_pair(left, None, source, right)
    if longer is None:
        return pair, source
    size = working_size(left.shape[-2], left.shape[-1], longer)
    small = shrink(left, *size)
    return make_pair(small, None, source, None if right is None else shrink(right, *size)), source


class UploadShelf:
    """Uploads of all visitors by unguessable token: bounded in number and age, dropped when a visit ends.

    Args:
        limit: most uploads kept; the least recently used goes first.
        seconds: an upload that nobody looked at for so long is dropped.
    """

    def __init__(self, limit: int = 64, seconds: float = 1800.0) -> None:
        self._limit, self._seconds = limit, seconds
        self._scenes: OrderedDict[str, tuple[float, Scene]] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._scenes)

    def put(self, pair: Pair, title: str, source: str, notes: tuple[str, ...] = ()) -> str:
        """Keep a pair and what was assumed about it; returns its key. The pair must be small enough for live use."""
        height, width = pair.source.shape[-2:]
        if height * width > MAX_LIVE_PIXELS:
            raise SourceError(f"{width}x{height} is too large for live use: choose a working size up to {SIZES[-1]}")
        key = f"upload:{secrets.token_urlsafe(18)}"
        with self._lock:
            self._scenes[key] = (time.monotonic(), Scene(key, title, pair, source, notes))
            while len(self._scenes) > self._limit:
                self._scenes.popitem(last=False)
        return key

    def get(self, key: str) -> Scene:
        """The pair of a key; raises SourceError when it is gone."""
        now = time.monotonic()
        with self._lock:
            for old in [k for k, (seen, _) in self._scenes.items() if now - seen > self._seconds]:
                del self._scenes[old]
            if key not in self._scenes:
                raise SourceError("this upload is gone (uploads end with the visit): upload the picture again")
            scene = self._scenes[key][1]
            self._scenes[key] = (now, scene)
            self._scenes.move_to_end(key)
            return scene

    def drop(self, key: str) -> None:
        """Forget an upload."""
        with self._lock:
            self._scenes.pop(key, None)


UPLOADS = UploadShelf()


def find_scene(key: str) -> Scene:
    """The pair of a key, its side image disturbed where the key says so behind a ``#``.

    Raises:
        SourceError: unknown key, or an upload that is gone. DataError: CIFAR-10 is not here.
    """
    key, _, disturbance = key.partition("#")
    scene = _undisturbed(key)
    return disturbed(scene, read_text(disturbance)) if disturbance else scene


def _undisturbed(key: str) -> Scene:
    kind, _, name = key.partition(":")
    if kind == "gallery":
        return gallery_scene(name)
    if kind == "cifar" and name.isdecimal() and len(name) < 6:
        return cifar_scene(int(name))
    if kind == "upload":
        return UPLOADS.get(key)
    raise SourceError(f"{key[:40]!r} names no pair: it must read gallery:<id> or cifar:<0..9999>")
