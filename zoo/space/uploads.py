"""Pictures that a visitor of the hosted demo sends along, as a pair.

Nothing is kept between visitors but a small cache of decoded pictures under the hash of their bytes.
"""

from __future__ import annotations

import hashlib

from zoo.image_io import load_pictures, notes_of
from zoo.serving.cache import Recent
from zoo.serving.gallery import Scene, scene_of
from zoo.serving.request import AskError

SIZES = (32, 64, 96, 128)
"""Working sizes of an upload, its longer side in pixels: what a shared CPU sends again at every movement."""

MAX_BYTES = 16 * 2**20
"""Largest file taken; the server refuses more before it is read."""


_UPLOADS = Recent(32)


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
        pictures = load_pictures(blobs, names, longer)
        title, pixels = "Your picture" + "s" * (len(blobs) - 1), [picture.pixels for picture in pictures]
        return scene_of(f"upload:{longer}-{digest}", title, pixels, notes=notes_of(pictures))

    return _UPLOADS.get((longer, digest), decode)
