"""Damaged, hostile and odd uploads through the explorer's own loader.

    python -m benchmarks.fuzz_uploads --cases 10000 --json results

Each case is made from its number alone: a picture of one of many formats, then bits flipped, cut, repeated, spliced
with another file, or with a header that announces a picture of gigapixels. The loader must answer each with a pair that
the page can show or with a sentence, in less than a second, and memory must not grow. ``--first N`` begins elsewhere.
``--json results`` writes ``assets/results/fuzz_uploads.json``.
"""

from __future__ import annotations

import io
import os
import random
import resource
import struct
import time
import zlib
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from benchmarks.measuring import options, report, resident, spread
from explorer.compute.pair_sources import MAX_LIVE_PIXELS, SIZES, UPLOADS
from explorer.ui import upload_picker

KINDS = {
    "PNG": ["L", "LA", "P", "RGB", "RGBA", "1", "I;16"], "JPEG": ["L", "RGB", "CMYK"], "WEBP": ["RGB", "RGBA"],
    "GIF": ["P", "L"], "BMP": ["RGB", "L", "P"], "TIFF": ["RGB", "L", "CMYK", "I;16", "F"], "PPM": ["RGB", "L"],
    "AVIF": ["RGB"], "JPEG2000": ["RGB", "L"],
}  # fmt: skip
NAMES = ["photo.png", "../../etc/passwd", "C:\\x.png", "x" * 500, "\u202egnp.exe", "", "a\x00b.png", "<img src=x>.png",
         "é 猫.jpg"]


class File(NamedTuple):
    """A file from Streamlit's uploader."""

    name: str
    blob: bytes

    def getvalue(self) -> bytes:
        return self.blob


def whole(chance: random.Random) -> bytes:
    """A good picture of random size, format and mode."""
    kind = chance.choice(list(KINDS))
    mode = chance.choice(KINDS[kind])
    width, height = (chance.choice([1, 7]) if chance.random() < 0.03 else chance.choice([8, 31, 32, 64, 100, 257])
                     for _ in range(2))
    pixels = np.random.default_rng(chance.randrange(2**32)).integers(0, 256, (height, width, 3), dtype=np.uint8)
    image = Image.fromarray(pixels)
    if mode == "I;16":
        image = Image.fromarray(pixels[..., 0].astype(np.uint16) * 257)
    elif mode != "RGB":
        image = image.convert(mode)
    stream = io.BytesIO()
    image.save(stream, kind)
    return stream.getvalue()


def flip(blob: bytes, chance: random.Random) -> bytes:
    """Some bytes replaced, most of them near the beginning."""
    found = bytearray(blob)
    for _ in range(chance.randint(1, 12)):
        place = chance.randrange(min(len(found), chance.choice([32, 128, len(found)])))
        found[place] = chance.choice([0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)])
    return bytes(found)


def cut(blob: bytes, chance: random.Random) -> bytes:
    """The beginning, or the end, or a piece left out."""
    a, b = sorted(chance.randrange(len(blob) + 1) for _ in range(2))
    return chance.choice([blob[:a], blob[b:], blob[:a] + blob[b:]])


def repeat(blob: bytes, chance: random.Random) -> bytes:
    """A piece many times."""
    a, b = sorted(chance.randrange(len(blob) + 1) for _ in range(2))
    return blob[:a] + blob[a : a + min(b - a, 2000)] * chance.randint(2, 200) + blob[b:]


def splice(blob: bytes, chance: random.Random) -> bytes:
    """The beginning of one file and the end of another."""
    other = whole(chance)
    return blob[: chance.randrange(len(blob) + 1)] + other[chance.randrange(len(other) + 1) :]


def noise(blob: bytes, chance: random.Random) -> bytes:
    """Random bytes after the first few of a real file."""
    return blob[: chance.choice([0, 2, 4, 8, 12, 32])] + chance.randbytes(chance.choice([0, 1, 50, 5000]))


def png_bomb(width: int, height: int) -> bytes:
    """A PNG of a few kilobytes whose header announces ``width`` x ``height`` pixels, and whose data begin so."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(bytes(min(3 * width + 1, 4_000_000)), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def bomb(_: bytes, chance: random.Random) -> bytes:
    """Few bytes, many pixels: PNG, GIF, BMP or PPM."""
    width, height = (chance.choice([20_000, 50_000, 65_535]) for _ in range(2))
    kind = chance.choice(["PNG", "GIF", "BMP", "PPM"])
    if kind == "PNG":
        return png_bomb(width, height)
    if kind == "GIF":
        frame = b"," + struct.pack("<HHHH", 0, 0, width, height) + b"\x00\x02\x02\x4c\x01\x00"
        return b"GIF89a" + struct.pack("<HH", width, height) + b"\x80\x00\x00" + bytes(6) + frame + b";"
    if kind == "BMP":
        size = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)
        return b"BM" + struct.pack("<IHHI", 54, 0, 0, 54) + size
    return f"P6 {width} {height} 255\n".encode() + bytes(100)


DEEDS: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "none": lambda blob, _: blob, "flip": flip, "cut": cut, "repeat": repeat, "splice": splice, "noise": noise,
    "bomb": bomb,
}  # fmt: skip


def case(number: int) -> tuple[str, list[File], int]:
    """What was done, one or two files, and the working size."""
    chance = random.Random(number)
    deed = chance.choice(list(DEEDS))
    count = 2 if chance.random() < 0.15 else 1
    files = [File(chance.choice(NAMES), DEEDS[deed](whole(chance), chance)) for _ in range(count)]
    return deed, files, chance.choice(SIZES)


class Outcome(NamedTuple):
    """``taken``: a pair was kept; seconds of wall and of this process's time."""

    deed: str
    taken: bool
    seconds: float
    busy: float


def run(number: int) -> Outcome:
    """One case; raises AssertionError when the answer is neither a fit pair nor a sentence."""
    deed, files, size = case(number)
    start, busy = time.perf_counter(), time.process_time()
    try:
        key = upload_picker.keep(files, size)
        taken = True
    except ValueError as error:
        assert 10 < len(str(error)) < 400, f"case {number}: no sentence: {error}"
        key, taken = "", False
    spent, worked = time.perf_counter() - start, time.process_time() - busy
    if taken:
        check(number, key)
    assert not (deed == "bomb" and taken), f"case {number}: a bomb was taken"
    return Outcome(deed, taken, spent, worked)


def check(number: int, key: str) -> None:
    """What is kept must be what the page can show; then forget it."""
    entry = UPLOADS.get(key)
    for image in (entry.pair.source, entry.pair.side):
        height, width = image.shape[-2:]
        assert height * width <= MAX_LIVE_PIXELS and min(height, width) >= 8, f"case {number}: {width}x{height}"
        assert bool(((image >= 0) & (image <= 1)).all()), f"case {number}: values outside [0, 1]"
    UPLOADS.drop(key)


def measure(first: int, cases: int) -> dict[str, Any]:
    """Run many cases; memory is read after a first tenth and at the end."""
    outcomes, warm = [], max(1, cases // 10)
    pid = os.getpid()
    for number in range(first, first + cases):
        outcomes.append(run(number))
        if len(outcomes) == warm:
            before = resident(pid)
    bombs = [one for one in outcomes if one.deed == "bomb"]
    return {
        "first": first, "cases": cases, "taken": sum(one.taken for one in outcomes),
        "refused": sum(not one.taken for one in outcomes), "by_deed": dict(Counter(one.deed for one in outcomes)),
        "milliseconds": spread([1000 * one.seconds for one in outcomes]),
        "over_a_second": sum(one.seconds > 1 for one in outcomes),
        "bombs": len(bombs), "slowest_bomb_ms": round(1000 * max((one.seconds for one in bombs), default=0.0), 1),
        "mib_after_a_tenth": round(before), "mib_at_the_end": round(resident(pid)),
        "mib_at_most": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, "kept_at_the_end": len(UPLOADS),
    }


def main() -> None:
    """Command line; fails when a case took over a second or an upload was left behind."""
    asked = options(__doc__, first=0, cases=10_000)
    found = measure(asked.first, asked.cases)
    report("fuzz_uploads", found, asked)
    raise SystemExit(bool(found["over_a_second"] or found["kept_at_the_end"]))


if __name__ == "__main__":
    main()
