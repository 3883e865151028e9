"""Pictures uploaded to the hosted demo, as a pair.

Nothing is kept between visitors except a small cache of decoded pictures, keyed by the hash of their bytes.
"""

from __future__ import annotations

import hashlib

from zoo.image_io import load_pictures, notes_of
from zoo.serving.cache import Recent
from zoo.serving.gallery import PairEntry, entry_of
from zoo.serving.request import RequestError

SIZES = (32, 64, 96, 128)
"""Working sizes of an upload, longer side in pixels: small enough for a shared CPU to send at every movement."""

MAX_BYTES = 16 * 2**20
"""Largest accepted file; the server rejects larger ones before reading them."""


_UPLOADS = Recent(32)


def upload_entry(left: bytes, right: bytes | None, longer: int) -> PairEntry:
    """A pair from one or two files; the longer side is reduced to ``longer`` pixels, one of ``SIZES``.

    Raises:
        PictureError: a file that is no usable picture, or a left and a right one of different sizes.
        RequestError: another working size.
    """
    if longer not in SIZES:
        raise RequestError(
            f"the working size must be one of {', '.join(map(str, SIZES))} pixels, not {str(longer)[:20]}"
        )
    blobs = [left] if right is None else [left, right]
    names = ["the picture"] if right is None else ["the left picture", "the right picture"]
    digest = "-".join(hashlib.sha256(blob).hexdigest()[:32] for blob in blobs)

    def decode() -> PairEntry:
        pictures = load_pictures(blobs, names, longer)
        title, pixels = "Your picture" + "s" * (len(blobs) - 1), [picture.pixels for picture in pictures]
        return entry_of(f"upload:{longer}-{digest}", title, pixels, notes=notes_of(pictures))

    return _UPLOADS.get((longer, digest), decode)
