"""Small picture files that Pillow does not write: colour profiles, 16-bit colour, bombs, JPEGs of many scans."""

from __future__ import annotations

import functools
import io
import struct
import zlib
from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image, ImageCms


def saved(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    """A picture's file."""
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png16(values: np.ndarray, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG of 16 bits a channel: uint16 ``[H, W, C]``, C = 1 (grey), 3 (RGB) or 4 (with alpha); further chunks."""
    height, width, channels = values.shape
    header = struct.pack(">IIBBBBB", width, height, 16, {1: 0, 3: 2, 4: 6}[channels], 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    extra = b"".join(_chunk(*chunk) for chunk in chunks)
    data = _chunk(b"IDAT", zlib.compress(rows)) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + extra + data


def tiff16(values: np.ndarray, **tags: int) -> bytes:
    """An uncompressed little-endian TIFF of 16 bits a channel: uint16 ``[H, W, 1 or 3]``; ``t281=4095`` adds a tag."""
    height, width, channels = values.shape
    data = values.astype("<u2").tobytes()
    entries = {256: width, 257: height, 258: 16, 259: 1, 262: 1 if channels == 1 else 2, 277: channels, 278: height,
               279: len(data)} | {int(name[1:]): value for name, value in tags.items()}  # fmt: skip
    count = len(entries) + 1
    behind = 8 + 2 + 12 * count + 4  # where the directory ends
    rows = {tag: struct.pack("<HHIHH", tag, 3, 1, value, 0) if value < 65536 else struct.pack("<HHII", tag, 4, 1, value)
            for tag, value in entries.items()}  # fmt: skip
    if channels == 3:
        rows[258] = struct.pack("<HHII", 258, 3, 3, behind)
    rows[273] = struct.pack("<HHII", 273, 4, 1, behind + 6)
    directory = struct.pack("<H", count) + b"".join(rows[tag] for tag in sorted(rows)) + bytes(4)
    return b"II*\0" + struct.pack("<I", 8) + directory + struct.pack("<HHH", 16, 16, 16) + data


def pages(count: int) -> bytes:
    """A TIFF of so many grey pages, 16 x 16 pixels each, which share their pixels."""
    entries = {256: 16, 257: 16, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: 16, 279: 256}
    rows = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries.items())
    body = struct.pack("<H", len(entries)) + rows
    first, each = 8 + 256, len(body) + 4
    nexts = [first + each * (place + 1) for place in range(count - 1)] + [0]
    return b"II*\0" + struct.pack("<I", first) + bytes(256) + b"".join(body + struct.pack("<I", at) for at in nexts)


def profile(space: bytes, connection: bytes, kind: bytes, tags: Sequence[tuple[bytes, bytes]]) -> bytes:
    """An ICC profile, version 2, of these tags."""
    head = bytearray(128)
    head[8:12], head[12:16], head[16:20], head[20:24] = b"\x02\x40\0\0", kind, space, connection
    head[36:40], head[68:80] = b"acsp", struct.pack(">iii", 63190, 65536, 54061)
    table, body, at = struct.pack(">I", len(tags)), b"", 132 + 12 * len(tags)
    for name, data in tags:
        padded = data + bytes(-len(data) % 4)
        table += name + struct.pack(">II", at + len(body), len(data))
        body += padded
    head[0:4] = struct.pack(">I", at + len(body))
    return bytes(head) + table + body


WHITE = (b"wtpt", b"XYZ \0\0\0\0" + struct.pack(">iii", 63190, 65536, 54061))


def linear_grey() -> bytes:
    """A profile of grey values that are proportional to light."""
    return profile(b"GRAY", b"XYZ ", b"mntr", [WHITE, (b"kTRC", b"curv" + bytes(8))])


def cyan_is_black() -> bytes:
    """A profile of inks: cyan alone decides the lightness, from white (none) to black."""
    corners = b"".join(bytes([255 * (1 - cyan), 128, 128]) for cyan in (0, 1) for _ in range(8))
    ramp = bytes(range(256))
    matrix = struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 65536)
    table = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + matrix + 4 * ramp + corners + 3 * ramp
    return profile(b"CMYK", b"Lab ", b"prtr", [WHITE, (b"A2B0", table)])


def red_is_blue() -> bytes:
    """sRGB with its red and blue primaries exchanged."""
    plain = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return plain.replace(b"rXYZ", b"????").replace(b"bXYZ", b"rXYZ").replace(b"????", b"bXYZ")


def scans(size: tuple[int, int], count: int) -> bytes:
    """A progressive JPEG with ``count`` empty scans behind its own."""
    whole = saved(Image.new("RGB", size, "teal"), "JPEG", progressive=True)
    return whole[:-2] + b"\xff\xda\x00\x08\x01\x01\x00\x01\x3f\x00" * count + whole[-2:]


WIDE = (8000, 4000)


def _palette(**options: object) -> bytes:
    image = Image.new("P", WIDE)
    image.putpalette([9, 99, 200] * 256)
    return saved(image, **options)


BOMBS: dict[str, Callable[[], bytes]] = {
    "webp 32 MP": lambda: saved(Image.new("RGB", WIDE), "WEBP", lossless=True, method=0),
    "webp 15 MP": lambda: saved(Image.new("RGBA", (5000, 3000), (9, 9, 9, 9)), "WEBP", lossless=True, method=0),
    "png palette": lambda: _palette(),
    "png transparent palette": lambda: _palette(transparency=0),
    "png rgba": lambda: saved(Image.new("RGBA", WIDE)),
    "png 16 bits": lambda: saved(Image.new("I;16", WIDE)),
    "png dark 16-bit colour": lambda: png16(np.full((2500, 4000, 3), 900, np.uint16)),
    "png bilevel": lambda: saved(Image.new("1", WIDE)),
    "gif": lambda: saved(Image.new("P", WIDE), "GIF"),
    "tiff cmyk": lambda: saved(Image.new("CMYK", WIDE), "TIFF", compression="tiff_adobe_deflate"),
    "jpeg": lambda: saved(Image.new("RGB", WIDE), "JPEG"),
    "jpeg progressive": lambda: saved(Image.new("RGB", WIDE), "JPEG", progressive=True, subsampling=0),
    "jpeg cmyk": lambda: saved(Image.new("CMYK", WIDE), "JPEG", progressive=True),
    "jpeg 60 scans": lambda: scans(WIDE, 50),
    "jpeg 20,000 scans": lambda: scans((2000, 2000), 20_000),
    "avif": lambda: saved(Image.new("RGB", (5000, 4000)), "AVIF", speed=10),
    "avif 32 MP": lambda: saved(Image.new("RGB", WIDE), "AVIF", speed=10),
    "jpeg 2000": lambda: saved(Image.new("RGB", WIDE), "JPEG2000"),
    "jpeg 2000 without levels": lambda: saved(Image.new("RGB", (4000, 4000)), "JPEG2000", num_resolutions=1),
}
"""Small files of up to 32 megapixels, which a decoder makes 100 to 1,000 MiB of."""


@functools.cache
def bomb(name: str) -> bytes:
    """One of ``BOMBS``."""
    return BOMBS[name]()
