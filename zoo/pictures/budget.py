"""What a picture may cost, and the error of one that costs more; light to import, for the decoder's process."""

from __future__ import annotations

from dataclasses import dataclass


class PictureError(ValueError):
    """A file that is no picture this project can use; the message is a sentence that names the fix."""


class PictureBusyError(PictureError):
    """Too many pictures are being decoded: the same file may be taken a few seconds later."""


@dataclass(frozen=True)
class Budget:
    """Most that decoding one picture may cost.

    However many pages or frames a file has, only the first is looked at (and the second view of a stereo picture).

    Attributes:
        bytes: of the file.
        pixels: announced by its header, all views together.
        scans: of a JPEG; each is a pass over the whole picture.
        seconds: of processor time.
        memory: bytes, beyond what the decoder's process holds before it reads a picture.
        waiting: bytes of all files that wait for the decoder or are being decoded; further ones are refused.
        patience: seconds that a file waits for its turn.
    """

    bytes: int = 64 * 2**20
    pixels: int = 32_000_000
    scans: int = 64
    seconds: float = 1.8
    memory: int = 256 * 2**20
    waiting: int = 128 * 2**20
    patience: float = 20.0


VISITOR = Budget()
"""For files that somebody sends to a server."""

OWN = Budget(seconds=30.0, memory=2**30, patience=120.0)
"""For files that a user reads on their own machine."""

MIN_SIDE = 8
"""Pixels: the judge needs 8x8."""

MAX_ASPECT = 64
"""Longest strip, longer over shorter side."""
