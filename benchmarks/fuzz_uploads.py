"""Damaged, hostile and odd uploads through the explorer's own loader.

    python -m benchmarks.fuzz_uploads --cases 10000 --json results

Each case is made from its number alone: a picture of one of many formats, then bits flipped, cut, repeated, spliced
with another file, or with a header that announces a picture of gigapixels; small files of up to 32 megapixels, JPEGs of
many scans, TIFFs of many pages. The loader must answer each with a pair that the page can show or with a sentence,
within 2 s of processor time and 300 MiB of the process that decodes; at the end the same from several threads at once.
``--first N`` begins elsewhere, ``--crowd N`` is the number of files at once.
``--json results`` writes ``assets/results/fuzz_uploads.json``.
"""

from __future__ import annotations

import contextlib
import io
import os
import random
import struct
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from benchmarks.measuring import options, report, resident, spread
from explorer.compute.pair_sources import MAX_LIVE_PIXELS, SIZES, UPLOADS
from explorer.server.background_tasks import give_back
from explorer.ui import upload_picker
from tests.support import picture_files
from zoo.pictures.process import DECODER

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


def small_bomb(_: bytes, chance: random.Random) -> bytes:
    """Few bytes, and no more pixels than are allowed."""
    return picture_files.bomb(chance.choice(list(picture_files.BOMBS)))


def scans(_: bytes, chance: random.Random) -> bytes:
    """A JPEG of many scans, some of them few enough to be read."""
    size = chance.choice([(64, 64), (1000, 700), (4000, 3000)])
    return picture_files.scans(size, chance.choice([1, 40, 53, 55, 200, 20_000]))


def pages(_: bytes, chance: random.Random) -> bytes:
    """A TIFF of many pages."""
    return picture_files.pages(chance.choice([2, 100, 5000, 100_000]))


DEEDS: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "none": lambda blob, _: blob, "flip": flip, "cut": cut, "repeat": repeat, "splice": splice, "noise": noise,
    "bomb": bomb, "small bomb": small_bomb, "scans": scans, "pages": pages,
}  # fmt: skip


def case(number: int) -> tuple[str, list[File], int]:
    """What was done, one or two files, and the working size."""
    chance = random.Random(number)
    deed = chance.choice(list(DEEDS))
    count = 2 if chance.random() < 0.15 else 1
    files = [File(chance.choice(NAMES), DEEDS[deed](whole(chance), chance)) for _ in range(count)]
    return deed, files, chance.choice(SIZES)


MAX_BUSY, MAX_MIB = 2.0, 300.0
"""What a case may cost: seconds of processor time, MiB of the decoder's process at its peak."""


class Outcome(NamedTuple):
    """``taken``: a pair was kept; seconds of wall; processor time of this process and the decoder, a file; its peak."""

    deed: str
    taken: bool
    seconds: float
    busy: float
    mib: float


class Decoding:
    """What the decoder's process costs from now on; it may end meanwhile (Linux)."""

    def __init__(self) -> None:
        self.pid = DECODER.pid
        self.start = self._busy()
        if self.pid:
            Path(f"/proc/{self.pid}/clear_refs").write_text("5")  # forget the peak so far

    def _busy(self) -> float:
        fields = self._read("stat").rsplit(")", 1)[-1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") if fields else 0.0

    def _read(self, name: str) -> str:
        try:
            return Path(f"/proc/{self.pid}/{name}").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return ""

    def spent(self) -> tuple[float, float]:
        """Seconds of processor time, and MiB at the peak; 0 of a process that has ended, whose limits ended it."""
        self.pid = self.pid or DECODER.pid  # this case's own
        peak = [int(line.split()[1]) / 1024 for line in self._read("status").splitlines() if line.startswith("VmHWM")]
        return max(0.0, self._busy() - self.start), max(peak, default=0.0)


def run(number: int) -> Outcome:
    """One case; raises AssertionError when the answer is neither a fit pair nor a sentence."""
    deed, files, size = case(number)
    decoding, start, busy = Decoding(), time.perf_counter(), time.process_time()
    try:
        key = upload_picker.keep(files, size)
        taken = True
    except ValueError as error:
        assert 10 < len(str(error)) < 400, f"case {number}: no sentence: {error}"
        key, taken = "", False
    spent, worked = time.perf_counter() - start, time.process_time() - busy
    elsewhere, mib = decoding.spent()
    if taken:
        check(number, key)
    assert not (deed == "bomb" and taken), f"case {number}: a bomb was taken"
    return Outcome(deed, taken, spent, (worked + elsewhere) / len(files), mib)


def check(number: int, key: str) -> None:
    """What is kept must be what the page can show; then forget it."""
    entry = UPLOADS.get(key)
    for image in (entry.pair.source, entry.pair.side):
        height, width = image.shape[-2:]
        assert height * width <= MAX_LIVE_PIXELS and min(height, width) >= 8, f"case {number}: {width}x{height}"
        assert bool(((image >= 0) & (image <= 1)).all()), f"case {number}: values outside [0, 1]"
    UPLOADS.drop(key)


def crowd(number: int) -> dict[str, Any]:
    """Small bombs from ``number`` threads at once: what the decoder's process and the slowest of them take."""
    names = [name for name, _ in zip(picture_files.BOMBS, range(number), strict=False)]
    files = [File(name, picture_files.bomb(name)) for name in names]
    before, decoding, seconds, start = resident(os.getpid()), Decoding(), [], time.perf_counter()

    def send(file: File) -> None:
        with contextlib.suppress(ValueError):
            UPLOADS.drop(upload_picker.keep([file], SIZES[-1]))
        seconds.append(time.perf_counter() - start)

    threads = [threading.Thread(target=send, args=(file,)) for file in files]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {"at_once": len(files), "seconds": round(max(seconds), 2),
            "mib_of_decoder_at_most": round(decoding.spent()[1]),
            "mib_of_this_process_more": round(resident(os.getpid()) - before)}


def measure(first: int, cases: int, together: int) -> dict[str, Any]:
    """Run many cases; memory is read after a first tenth and at the end."""
    outcomes, warm = [], max(1, cases // 10)
    for name in picture_files.BOMBS:
        picture_files.bomb(name)  # made once, so that making them is not taken for growth
    plain = File("first.png", picture_files.saved(Image.new("RGB", (16, 16))))
    UPLOADS.drop(upload_picker.keep([plain], SIZES[0]))  # starts the decoder's process
    pid = os.getpid()
    for number in range(first, first + cases):
        outcomes.append(run(number))
        if len(outcomes) == warm:
            give_back()
            before = resident(pid)
    give_back()
    after = round(resident(pid))
    bombs = [one for one in outcomes if one.deed == "bomb"]
    return {
        "first": first, "cases": cases, "taken": sum(one.taken for one in outcomes),
        "refused": sum(not one.taken for one in outcomes), "by_deed": dict(Counter(one.deed for one in outcomes)),
        "milliseconds": spread([1000 * one.seconds for one in outcomes]),
        "busy_milliseconds": spread([1000 * one.busy for one in outcomes]),
        "over_two_seconds_busy": sum(one.busy > MAX_BUSY for one in outcomes),
        "mib_of_decoder": spread([one.mib for one in outcomes]),
        "over_300_mib": sum(one.mib > MAX_MIB for one in outcomes),
        "mib_by_deed": {deed: round(max(o.mib for o in outcomes if o.deed == deed), 1)
                        for deed in sorted({one.deed for one in outcomes})},
        "bombs": len(bombs), "slowest_bomb_ms": round(1000 * max((one.seconds for one in bombs), default=0.0), 1),
        "mib_after_a_tenth": round(before), "mib_at_the_end": after, "kept_at_the_end": len(UPLOADS),
        "crowd": crowd(together),
    }


def main() -> None:
    """Command line; fails when a case cost more than it may or an upload was left behind."""
    asked = options(__doc__, first=0, cases=10_000, crowd=8)
    found = measure(asked.first, asked.cases, asked.crowd)
    report("fuzz_uploads", found, asked)
    raise SystemExit(bool(found["over_two_seconds_busy"] or found["over_300_mib"] or found["kept_at_the_end"]))


if __name__ == "__main__":
    main()
