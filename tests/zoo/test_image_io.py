"""Reading pictures that strangers send: what is accepted is right to the pixel, what is refused says why, at once."""

from __future__ import annotations

import io
import struct
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from wzroi.images import png_bytes, to_pixels
from zoo.image_io import MAX_BYTES, PictureError, load_picture, read_picture

RAMP = np.random.default_rng(0).integers(0, 256, (24, 40, 3), dtype=np.uint8)


def _save(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _png_header(width: int, height: int) -> bytes:
    """A PNG that announces a size and carries next to nothing."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    start = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return start + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")


def test_rgb_is_exact_and_comes_back_as_png() -> None:
    picture = read_picture(_save(Image.fromarray(RAMP)))
    assert picture.shape == (1, 3, 24, 40) and picture.dtype == torch.float32
    assert torch.equal((picture[0] * 255).round().byte(), torch.from_numpy(RAMP).permute(2, 0, 1))
    assert torch.equal(read_picture(png_bytes(to_pixels(picture[0]))), picture)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "AVIF", "BMP", "TIFF", "PPM", "JPEG2000", "GIF"])
def test_formats(kind: str) -> None:
    smooth = Image.fromarray(RAMP).resize((4, 3)).resize((40, 24))
    picture = read_picture(_save(smooth, kind))
    assert picture.shape == (1, 3, 24, 40)
    assert (picture - read_picture(_save(smooth))).abs().mean() < 0.05


def test_modes() -> None:
    grey = Image.fromarray(RAMP[..., 0])
    wanted = torch.from_numpy(RAMP[..., 0]).float() / 255
    for image in (grey, grey.convert("LA"), grey.convert("P")):
        assert torch.allclose(read_picture(_save(image))[0], wanted.expand(3, -1, -1), atol=1e-6)
    smooth = Image.fromarray(RAMP).resize((4, 3)).resize((40, 24))
    cmyk, plain = read_picture(_save(smooth.convert("CMYK"), "JPEG", quality=95)), read_picture(_save(smooth))
    assert (cmyk - plain).abs().mean() < 0.03
    assert set(read_picture(_save(grey.convert("1"))).unique().tolist()) <= {0.0, 1.0}


def test_sixteen_bits_keep_their_precision() -> None:
    deep = np.arange(24 * 40, dtype=np.uint16).reshape(24, 40) * 60 + 7
    for kind in ("PNG", "TIFF"):
        picture = read_picture(_save(Image.fromarray(deep), kind))
        assert torch.allclose(picture[0, 0], torch.from_numpy(deep.astype(np.float32)) / 65535, atol=1e-7)
    with pytest.raises(PictureError, match="outside 0 to 1"):
        read_picture(_save(Image.fromarray(deep.astype(np.float32)), "TIFF"))


def test_transparency_lies_over_white() -> None:
    image = Image.new("RGBA", (16, 16), (0, 0, 0, 0))
    image.putpixel((3, 2), (255, 0, 0, 255))
    picture = read_picture(_save(image))
    assert picture[0, :, 2, 3].tolist() == [1, 0, 0] and picture[0, :, 0, 0].tolist() == [1, 1, 1]
    palette = Image.new("P", (16, 16), 0)
    palette.putpalette([9, 9, 9] * 256)
    assert read_picture(_save(palette, transparency=0)).min() == 1


def test_orientation_is_applied() -> None:
    image = Image.fromarray(RAMP)
    exif = image.getexif()
    exif[0x0112] = 6
    picture = read_picture(_save(image, exif=exif))
    assert torch.equal(picture, read_picture(_save(Image.fromarray(np.rot90(RAMP, -1).copy()))))


def test_large_pictures_are_shrunk_on_request_only() -> None:
    blob = _save(Image.fromarray(RAMP).resize((1200, 600)), "JPEG")
    assert read_picture(blob).shape == (1, 3, 600, 1200)
    small = read_picture(blob, max_side=100)
    assert small.shape == (1, 3, 50, 100) and small.min() >= 0 and small.max() <= 1
    assert read_picture(blob, max_side=2000).shape == (1, 3, 600, 1200)


def test_a_phone_s_two_picture_file_gives_the_first() -> None:
    first, second = Image.fromarray(RAMP), Image.new("RGB", (40, 24))
    blob = _save(first, "MPO", save_all=True, append_images=[second], quality=95)
    assert (read_picture(blob) - read_picture(_save(first))).abs().mean() < 0.2 < read_picture(blob).mean()


FRAMES = [Image.new("L", (16, 16), value) for value in (0, 255)]
GOOD = _save(Image.fromarray(RAMP))
REFUSED = {
    "empty": (b"", "0 bytes"),
    "text": (b"hello, I am no picture", "not a picture"),
    "html": (b"<html><img src=x></html>", "not a picture"),
    "svg": (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "not a picture"),
    "postscript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not a picture"),
    "cut png": (GOOD[: len(GOOD) // 2], "damaged or incomplete"),
    "cut jpeg": (_save(Image.fromarray(RAMP), "JPEG")[:-200], "damaged or incomplete"),
    "damaged png": (GOOD[:60] + bytes(64) + GOOD[124:], "damaged or incomplete|not a picture"),
    "one pixel": (_save(Image.new("RGB", (1, 1))), "at least 8 x 8"),
    "strip": (_save(Image.new("RGB", (4000, 8))), "crop it"),
    "bomb": (_png_header(20_000, 20_000), "megapixels: save a smaller version"),
    "greater bomb": (_png_header(2**30, 2**30), "megapixels|not a picture"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_refused_at_once_with_a_sentence(kind: str) -> None:
    blob, sentence = REFUSED[kind]
    began = time.process_time()
    with pytest.raises(PictureError, match=sentence) as caught:
        read_picture(blob, name="left picture")
    assert time.process_time() - began < 1
    assert str(caught.value).startswith("left picture") and "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_of_several_frames_or_pages_the_first_is_taken(kind: str) -> None:
    several = load_picture(_save(FRAMES[0], kind, save_all=True, append_images=FRAMES[1:]))
    assert several.notes == ("the file holds several frames or pages: only the first was taken",)
    assert torch.equal(several.pixels, read_picture(_save(FRAMES[0], kind)))


def test_paths(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(GOOD)
    assert torch.equal(read_picture(path), read_picture(GOOD))
    for bad, sentence in ((tmp_path / "none.png", "does not exist"), (tmp_path, "cannot be read")):
        with pytest.raises(PictureError, match=sentence):
            read_picture(bad)
    with path.open("wb") as handle:
        handle.truncate(MAX_BYTES + 1)
    with pytest.raises(PictureError, match="save it below 64 MiB"):
        read_picture(path)


WHOLE = [GOOD, _save(Image.fromarray(RAMP), "JPEG"), _save(FRAMES[0], "GIF"), _save(FRAMES[0], "WEBP")]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(WHOLE), st.data())
def test_damaged_bytes_never_raise_anything_else(blob: bytes, data: st.DataObject) -> None:
    """300 damaged pictures: each is read, or refused with the one error class."""
    damaged = bytearray(blob)
    for _ in range(data.draw(st.integers(1, 6))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        picture = read_picture(bytes(damaged))
    except PictureError:
        return
    assert picture.shape[:2] == (1, 3) and bool(torch.isfinite(picture).all())
