"""What a file's first bytes tell before a pixel is decoded: its kind, a JPEG's scans, the bits of a PNG, a JPEG 2000's
resolution levels."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}

KINDS = (
    (rb"\s*%PDF", "a PDF document", "save the page as PNG or JPEG"),
    (rb"%!PS|\xc5\xd0\xd3\xc6", "a PostScript file", "save it as PNG or JPEG"),
    (rb"\xff\x0a|\0\0\0\x0cJXL ", "a JPEG XL picture", "save it as JPEG, PNG or WebP"),
    (rb"\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)?(<!DOCTYPE svg[^>]*>\s*)?<svg", "an SVG drawing", "save it as PNG"),
    (rb"....ftypcrx |....ftypcrw |FUJIFILMCCD-RAW|II\x1a\0\0\0HEAPCCDR|IIRO|IIU\0", "a camera's raw file",
     "save it as JPEG or PNG"),
    (rb"....ftyp(isom|iso\d|mp4|avc1|qt  |M4V |3gp|mmp4)|\x1aE\xdf\xa3|RIFF....AVI ", "a video",
     "save one of its frames as PNG or JPEG"),
    (rb"PK\x03\x04|\x1f\x8b|Rar!|7z\xbc\xaf", "an archive", "unpack it and choose the picture inside"),
)  # fmt: skip
"""Files that people take for pictures: how they begin, what they are, and what to do."""

_MARKER = re.compile(rb"\xff+([^\x00\xff])", re.DOTALL)


def is_heif(blob: bytes) -> bool:
    """Whether a file is HEIF (a phone's HEIC); AVIF, which is built alike, is not."""
    if blob[4:8] != b"ftyp":
        return False
    size = min(int.from_bytes(blob[:4], "big"), 256)
    brands = {blob[8:12], *(blob[at : at + 4] for at in range(16, size - 3, 4))}
    return bool(brands & HEIF_BRANDS) and not brands & {b"avif", b"avis"}


def foreign_kind(blob: bytes) -> tuple[str, str] | None:
    """What a file is that is no picture to be read, and what to do about it; ``None`` where it is not known."""
    return next((row[1:] for row in KINDS if re.match(row[0], blob[:512], re.DOTALL)), None)


def jpeg_scans(blob: bytes, most: int) -> int:
    """Scans of the first picture of a JPEG file; counting ends above ``most``.

    Follows the markers as libjpeg does: segments are skipped by their length, so that a thumbnail, a colour profile or
    a video behind the picture is not counted.
    """
    scans, at = 0, 2
    while scans <= most and (found := _MARKER.search(blob, at)):
        code, at = found[1][0], found.end()
        if code == 0xD9:  # end of image
            break
        if code == 0x01 or 0xD0 <= code <= 0xD8:  # markers without a length
            continue
        scans += code == 0xDA
        at += max(2, int.from_bytes(blob[at : at + 2], "big"))
    return scans


def _png_chunks(blob: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Name and data of each chunk before the pixels."""
    at = 8
    while at + 8 <= len(blob):
        size, name = struct.unpack_from(">I4s", blob, at)
        if name == b"IDAT":
            return
        yield name, blob[at + 8 : at + 8 + min(size, 256)]
        at += 12 + size


def png_is_16_bit(blob: bytes) -> bool:
    """Whether a PNG stores 16 bits a channel."""
    return blob[:8] == b"\x89PNG\r\n\x1a\n" and blob[24:25] == b"\x10"


def png_significant_bits(blob: bytes) -> int | None:
    """The ``sBIT`` chunk of a PNG: how many bits of a channel are significant; ``None`` where it says nothing."""
    bits = next((data for name, data in _png_chunks(blob) if name == b"sBIT"), b"")
    return max(bits[:3]) if bits and 0 < max(bits[:3]) <= 16 else None


def jpeg2000_levels(blob: bytes) -> int:
    """How many times a JPEG 2000 picture can be halved while it is decoded; 0 where the header does not tell."""
    start = blob.find(b"\xff\x4f\xff\x51")  # start of codestream, image and tile size
    at, fewest = start + 2, 32
    while 0 <= start < at <= len(blob) - 12:
        code, size = struct.unpack_from(">HH", blob, at)
        if code == 0xFF90 or code < 0xFF00:  # start of tile
            break
        if code == 0xFF52:  # coding style: order, layers, transform, then the levels
            fewest = min(fewest, blob[at + 9])
        elif code == 0xFF53:  # a component's own
            fewest = min(fewest, blob[at + 6])
        at += 2 + max(2, size)
    return fewest if fewest < 32 else 0
