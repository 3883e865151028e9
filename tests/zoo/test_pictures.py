"""The picture loader: what a person sees, true colours, the file's real range, both views, and a budget that holds.

Each docstring says what happened before the loader had it.
"""

from __future__ import annotations

import io
import itertools
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from tests.support import picture_files
from tests.support.picture_files import bomb, png16, saved, tiff16
from wzroi.metrics import figure_text, ssim
from zoo.image_io import VISITOR, PictureBusyError, PictureError, load_picture, load_pictures, load_views
from zoo.pictures import decode, headers, process
from zoo.pictures.decode import Job
from zoo.pictures.process import DECODER, Decoder

NOISE = np.random.default_rng(1).integers(0, 256, (24, 40, 3), dtype=np.uint8)
MIB = 2**20
linux = pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="reads a process's peak from /proc")


@pytest.fixture
def decoder() -> Iterator[Decoder]:
    """A decoder of this test's own."""
    own = Decoder()
    yield own
    own.close()


def turned(image: Image.Image, orientation: int, kind: str = "PNG") -> bytes:
    """A file whose metadata say how to hold it."""
    exif = image.getexif()
    exif[0x0112] = orientation
    return saved(image, kind, exif=exif)


def pixels_of(image: Image.Image) -> torch.Tensor:
    return torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1)[None] / 255


# --- sizes as a person sees them ---


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP", "JPEG"])
def test_pictures_seen_in_one_size_make_a_pair(kind: str) -> None:
    """An upright picture and one turned by EXIF were refused: their stored sizes were compared."""
    lying, upright = Image.fromarray(NOISE), Image.fromarray(np.ascontiguousarray(np.rot90(NOISE)))
    left, right = load_pictures([turned(lying, 6, kind), saved(upright, kind)], ["l", "r"], None)
    assert left.size == right.size == (24, 40) and left.pixels.shape == right.pixels.shape == (1, 3, 40, 24)


def test_a_refused_pair_is_told_the_sizes_that_a_person_sees() -> None:
    """The message said "512 x 384 and 512 x 384": one was turned by EXIF; and sizes after shrinking were named."""
    big = Image.fromarray(NOISE).resize((800, 480))
    with pytest.raises(PictureError, match=r"left\.png has 480 x 800 pixels and right\.png has 800 x 480 pixels"):
        load_pictures([turned(big, 6), saved(big)], ["left.png", "right.png"], 64)


@pytest.mark.parametrize(("orientation", "kind"), [*itertools.product(range(1, 9), ["PNG", "TIFF"])])
def test_halves_are_those_that_a_person_sees(orientation: int, kind: str) -> None:
    """Side-by-side and top-bottom pictures could not be read; each orientation, to the pixel."""
    blob = turned(Image.fromarray(NOISE), orientation, kind)
    whole = pixels_of(ImageOps.exif_transpose(Image.open(io.BytesIO(blob))))
    height, width = whole.shape[-2:]
    left, right = load_views(blob, "side-by-side")
    assert torch.equal(torch.cat([left.pixels, right.pixels], dim=3), whole) and left.size == (width, height)
    top, bottom = load_views(blob, "top-bottom")
    assert torch.equal(torch.cat([top.pixels, bottom.pixels], dim=2), whole)


def test_halves_of_an_odd_width_leave_the_middle_out_and_shrink_alike() -> None:
    """A seam that is not between two pixels must not mix the views."""
    both = np.zeros((400, 1201, 3), np.uint8)
    both[:, :600], both[:, 601:] = (200, 10, 10), (10, 10, 200)
    left, right = load_views(saved(Image.fromarray(both)), "side-by-side", max_side=60)
    assert left.pixels.shape == right.pixels.shape == (1, 3, 40, 60) and left.size == (1201, 400)
    assert (left.pixels - torch.tensor([200, 10, 10]).view(1, 3, 1, 1) / 255).abs().max() < 0.01
    assert (right.pixels - torch.tensor([10, 10, 200]).view(1, 3, 1, 1) / 255).abs().max() < 0.01


def test_a_stereo_cameras_file_holds_two_views() -> None:
    """MPO files, which hold both views, were taken for one picture, and refused as a pair."""
    views = [Image.fromarray(NOISE).resize((640, 384)), Image.fromarray(NOISE[:, ::-1].copy()).resize((640, 384))]
    blob = saved(views[0], "MPO", save_all=True, append_images=views[1:], quality=95)
    for longer in (None, 64):
        left, right = load_views(blob, max_side=longer)
        for view, picture in zip(views, (left, right), strict=True):
            wanted = load_picture(saved(view, "JPEG", quality=95), max_side=longer)
            assert torch.equal(picture.pixels, wanted.pixels) and picture.size == (640, 384)
    first = load_picture(blob)
    assert torch.equal(first.pixels, load_views(blob)[0].pixels) and "several pictures" in first.notes[0]


def test_a_preview_is_no_second_view() -> None:
    """A phone's file with a smaller second picture is one view."""
    main, preview = Image.fromarray(NOISE).resize((640, 384)), Image.fromarray(NOISE)
    with pytest.raises(PictureError, match="holds one view: choose two pictures"):
        load_views(saved(main, "MPO", save_all=True, append_images=[preview]), name="p.jpg")
    with pytest.raises(PictureError, match=r"x\.png holds one view"):
        load_views(saved(main), name="x.png")


# --- colours ---


def test_colours_follow_the_embedded_profile() -> None:
    """Profiles were ignored: 13 to 15 grey levels off for a camera's, anything for a wider one."""
    image = Image.fromarray(NOISE)
    for kind in ("PNG", "TIFF"):
        found = load_picture(saved(image, kind, icc_profile=picture_files.red_is_blue()))
        assert (found.pixels - pixels_of(image).flip(1)).abs().max() <= 2.5 / 255
        assert found.notes == ("the colours were converted to sRGB by the embedded profile",)


def test_a_profile_that_is_srgb_leaves_pixels_exact() -> None:
    from PIL import ImageCms

    plain = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    found = load_picture(saved(Image.fromarray(NOISE), icc_profile=plain))
    assert torch.equal(found.pixels, pixels_of(Image.fromarray(NOISE))) and found.notes == ()


def test_grey_and_ink_follow_their_profiles() -> None:
    """CMYK with a profile was 18 to 32 grey levels off."""
    grey = load_picture(saved(Image.new("L", (16, 16), 55), icc_profile=picture_files.linear_grey()))
    wanted = 1.055 * (55 / 255) ** (1 / 2.4) - 0.055  # sRGB's curve
    assert grey.pixels.mean() == pytest.approx(wanted, abs=1.5 / 255) and wanted > 2 * 55 / 255
    for kind in ("JPEG", "TIFF"):
        inks = saved(Image.new("CMYK", (16, 16), (255, 0, 0, 0)), kind, icc_profile=picture_files.cyan_is_black())
        assert load_picture(inks).pixels.max() < 0.02
        bare = load_picture(saved(Image.new("CMYK", (16, 16), (255, 0, 0, 0)), kind))
        assert bare.pixels[0, 1].mean() > 0.6 and "CMYK without" in bare.notes[0]


@pytest.mark.parametrize("bad", [b"\0" * 200, b"x", picture_files.linear_grey(), picture_files.red_is_blue()[:300]])
def test_a_profile_that_cannot_be_used_is_told(bad: bytes) -> None:
    found = load_picture(saved(Image.fromarray(NOISE), icc_profile=bad))
    assert torch.equal(found.pixels, pixels_of(Image.fromarray(NOISE))) and "cannot be used" in found.notes[0]


def test_transparency_is_told() -> None:
    see_through = load_picture(saved(Image.new("RGBA", (16, 16), (0, 0, 0, 0))))
    assert see_through.pixels.min() == 1 and see_through.notes == ("transparent parts are laid over white",)
    assert load_picture(saved(Image.new("RGBA", (16, 16), (9, 9, 9, 255)))).notes == ()


# --- the file's real range ---


@pytest.mark.parametrize("bits", [10, 12, 14])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("write", [png16, tiff16])
def test_fewer_bits_in_sixteen_are_scaled_by_those(bits: int, channels: int, write) -> None:  # type: ignore[no-untyped-def]
    """A 12-bit picture in 16 came out black (mean 0.004)."""
    values = np.random.default_rng(0).integers(0, 2**bits, (20, 30, channels)).astype(np.uint16)
    values[0, 0] = 2**bits - 1
    found = load_picture(write(values))
    wanted = torch.from_numpy(values.astype(np.float32) / (2**bits - 1)).permute(2, 0, 1).expand(3, -1, -1)
    assert (found.pixels[0] - wanted).abs().max() <= (1e-6 if channels == 1 else 0.51 / 255)
    assert found.notes == (f"its 16-bit values were taken as {bits} bits (0 to {2**bits - 1}), since none is larger",)


def test_a_declared_range_is_believed() -> None:
    """A dark picture of 16 significant bits stays dark; 12 declared bits are 12 although no value is large."""
    dark = np.full((20, 30, 1), 900, np.uint16)
    assert load_picture(png16(dark, (b"sBIT", b"\x10"))).pixels.max() == pytest.approx(900 / 65535)
    assert load_picture(png16(np.repeat(dark, 3, 2), (b"sBIT", b"\x10" * 3))).pixels.max() == pytest.approx(3 / 255)
    for blob in (png16(dark, (b"sBIT", b"\x0c")), tiff16(dark, t281=4095)):
        found = load_picture(blob)
        assert found.pixels.max() == pytest.approx(900 / 4095) and "as the file says" in found.notes[0]
    assert load_picture(png16(np.zeros((20, 30, 1), np.uint16))).notes == ()


def test_alpha_of_sixteen_bits_keeps_its_own_range() -> None:
    values = np.full((20, 30, 4), 4095, np.uint16)
    values[..., 3] = 65535
    values[:, :15, 3] = 0
    values[..., 0] = 0
    found = load_picture(png16(values)).pixels[0]
    assert found[:, :, 20:].mean(dim=(1, 2)).tolist() == [0, 1, 1] and found[:, :, :15].min() == 1


# --- what is no picture, and is called by its name ---


def boxed(brand: bytes, *more: bytes) -> bytes:
    return (16 + 4 * len(more)).to_bytes(4, "big") + b"ftyp" + brand + bytes(4) + b"".join(more) + bytes(200)


def test_heic_is_named_where_its_package_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """HEIC was "not a picture that can be read"."""
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    for blob in (boxed(b"heic"), boxed(b"mif1", b"heic", b"miaf")):
        with pytest.raises(PictureError, match=r"IMG_1 is a HEIC picture.*pip install pillow-heif"):
            decode.decode(blob, Job("IMG_1"), VISITOR)
    assert not headers.is_heif(boxed(b"avif", b"mif1")) and not headers.is_heif(saved(Image.fromarray(NOISE), "AVIF"))


def test_heic_is_read_where_its_package_is_there() -> None:
    heif = pytest.importorskip("pillow_heif")
    stream = io.BytesIO()
    smooth = Image.fromarray(NOISE).resize((4, 3)).resize((160, 96))
    heif.from_pillow(smooth).save(stream, quality=95)
    found = load_picture(stream.getvalue())
    assert found.size == (160, 96) and (found.pixels - pixels_of(smooth)).abs().mean() < 0.03


@pytest.mark.parametrize(("blob", "kind"), [
    (b"%PDF-1.7\n", "a PDF document"), (b"<svg xmlns='x'/>", "an SVG drawing"), (boxed(b"isom"), "a video"),
    (b"\xff\x0a" + bytes(99), "a JPEG XL picture"), (boxed(b"crx "), "a camera's raw file"),
    (b"PK\x03\x04abc", "an archive"),
])  # fmt: skip
def test_other_kinds_are_named(blob: bytes, kind: str) -> None:
    with pytest.raises(PictureError, match=f"is {kind}, not a picture that can be read: .*save|unpack"):
        load_picture(blob)


# --- the budget ---


def peak(pid: int) -> float:
    """Most MiB that a process has held since ``forget_peak``."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def busy_seconds(pid: int) -> float:
    """Processor time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def tried(decoder: Decoder, blob: bytes, max_side: int = 160) -> str:
    """What is said of a file; empty where it is taken."""
    try:
        decoder.decode(blob, Job("x", max_side), VISITOR)
    except PictureError as error:
        return str(error)
    return ""


REFUSED = {"webp 32 MP", "avif 32 MP", "jpeg 20,000 scans", "jpeg 2000 without levels"}


@linux
@pytest.mark.parametrize("name", picture_files.BOMBS)
@pytest.mark.parametrize("max_side", [64, 1024])
def test_a_bomb_costs_little(decoder: Decoder, name: str, max_side: int) -> None:
    """46 bytes of WebP took 1.2 GiB, a palette PNG 0.9, AVIF 1.0; 20,000 empty scans 43 s of a processor."""
    tried(decoder, saved(Image.fromarray(NOISE)))
    pid = decoder.pid
    assert pid is not None
    before = busy_seconds(pid)
    said = tried(decoder, bomb(name), max_side)
    assert decoder.pid == pid, "the process goes on"
    assert peak(pid) < 300 and busy_seconds(pid) - before < 2
    assert bool(said) == (name in REFUSED or (name == "jpeg cmyk" and max_side == 1024)), said
    assert not said or "save " in said


@linux
def test_four_at_once_take_the_memory_of_one(decoder: Decoder) -> None:
    """Four visitors with one file each took four times the memory, and ended a server of 3 GB."""
    tried(decoder, saved(Image.fromarray(NOISE)))
    pid = decoder.pid
    assert pid is not None
    said: list[str] = []
    threads = [threading.Thread(target=lambda: said.append(tried(decoder, bomb("webp 15 MP")))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert said == [""] * 4 and decoder.pid == pid and peak(pid) < 300
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    assert next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) < 80 * 1024, "given back"


def test_pages_are_not_counted() -> None:
    """Counting the pages of a TIFF was quadratic in them: 10 MB cost 47 s."""
    blob = picture_files.pages(80_000)
    assert len(blob) > 8 * MIB and Image.open(io.BytesIO(picture_files.pages(7))).n_frames == 7
    began = time.process_time()
    found = decode.decode(blob, Job("x"), VISITOR)
    assert time.process_time() - began < 0.5 and "only the first" in found.notes[0]


def test_scans_are_counted_where_the_decoder_sees_them() -> None:
    """Thumbnails, profiles and what stands behind a picture (a phone's video) are no scans of it."""
    image = Image.fromarray(NOISE).resize((200, 120))
    assert headers.jpeg_scans(saved(image, "JPEG"), 64) == 1
    own = headers.jpeg_scans(saved(image, "JPEG", progressive=True), 64)
    assert 5 < own < 15
    assert headers.jpeg_scans(picture_files.scans((200, 120), 30), 64) == own + 30
    assert headers.jpeg_scans(picture_files.scans((200, 120), 500), 64) == 65, "no further than it matters"
    noisy = saved(image, "JPEG", comment=b"\xff\xda" * 500) + b"\xff\xda" * 500
    assert headers.jpeg_scans(noisy, 64) == 1 and tried(DECODER, noisy) == ""


def test_a_picture_that_takes_too_long_costs_itself_alone(decoder: Decoder) -> None:
    """A decoder at work could not be stopped: it went on after the visitor had left."""
    slow = replace(VISITOR, seconds=0.02)
    tried(decoder, saved(Image.fromarray(NOISE)))
    first = decoder.pid
    with pytest.raises(PictureError, match=r"x takes longer than 0\.02 s to decode: save a smaller version"):
        decoder.decode(bomb("png rgba"), Job("x", 64), slow)
    assert tried(decoder, saved(Image.fromarray(NOISE))) == "" and decoder.pid != first


@linux
def test_a_decoder_that_grows_is_stopped(decoder: Decoder) -> None:
    """The estimate left aside, the kernel's limit holds."""
    small = replace(VISITOR, memory=20 * MIB)
    with pytest.raises(PictureError, match=r"would take .* MiB to decode, more than 20: save a smaller version"):
        decoder.decode(bomb("png rgba"), Job("x", 64), small)
    blob = png16(np.full((1200, 1200, 3), 900, np.uint16))  # 5.5 MiB by the estimate, and as much again for its depth
    with pytest.raises(PictureError, match="x takes more than 7 MiB to decode: save a smaller version"):
        decoder.decode(blob, Job("x"), replace(VISITOR, memory=7 * MIB))
    assert tried(decoder, saved(Image.fromarray(NOISE))) == ""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="POSIX")
def test_a_decoder_that_crashes_costs_one_request(decoder: Decoder) -> None:
    good = saved(Image.fromarray(NOISE))
    tried(decoder, good)
    first = decoder.pid
    assert first is not None
    os.kill(first, signal.SIGSTOP)
    said: list[str] = []
    thread = threading.Thread(target=lambda: said.append(tried(decoder, good)))
    thread.start()
    time.sleep(0.3)
    os.kill(first, signal.SIGKILL)
    thread.join(20)
    assert said == ["x made the decoder fail: save it again as a plain JPEG or PNG"]
    assert tried(decoder, good) == "" and decoder.pid not in (None, first)
    os.kill(int(decoder.pid or 0), signal.SIGKILL)  # between two requests: nobody notices
    time.sleep(0.2)
    assert tried(decoder, good) == ""


def test_too_many_bytes_under_way_are_refused_at_once(decoder: Decoder) -> None:
    """Decodes were unlimited in number."""
    tight = replace(VISITOR, waiting=1000, patience=30.0)
    good = saved(Image.fromarray(NOISE))
    assert len(good) > 1000
    inside, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with decoder._admitted(10, "held", tight):
            inside.set()
            leave.wait(20)

    thread = threading.Thread(target=hold)
    thread.start()
    assert inside.wait(20)
    began = time.monotonic()
    with pytest.raises(PictureBusyError, match="try again in 10 seconds"):
        decoder.decode(good, Job("x"), tight)
    assert time.monotonic() - began < 5
    with pytest.raises(PictureBusyError):
        decoder.decode(good, Job("x"), replace(VISITOR, patience=0.1))
    leave.set()
    thread.join()
    decoder.decode(good, Job("x"), tight)  # alone, a file may be larger than what may wait


@linux
def test_the_decoder_is_light_and_knows_no_secret(decoder: Decoder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    tried(decoder, saved(Image.fromarray(NOISE)))
    folder = Path(f"/proc/{decoder.pid}")
    maps = (folder / "maps").read_text()
    assert "PIL" in maps and "torch" not in maps and "numpy" not in maps
    assert b"hf_secret" not in (folder / "environ").read_bytes()
    assert peak(int(decoder.pid or 0)) < 60


def test_where_no_process_starts_pictures_are_read_all_the_same(
    decoder: Decoder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A host without processes: the same limits of size, and one line in the log."""
    monkeypatch.setattr(process.sys, "executable", "/nowhere/python")
    with caplog.at_level(logging.WARNING):
        assert tried(decoder, saved(Image.fromarray(NOISE))) == "" == tried(decoder, saved(Image.fromarray(NOISE)))
        assert "megapixels" in tried(decoder, saved(Image.new("1", (8000, 4001))))
        assert "save a smaller version" in tried(decoder, bomb("webp 32 MP"))
    assert decoder.pid is None and [len(caplog.records), "no process" in caplog.text] == [1, True]


def test_the_decoder_ends_with_its_server() -> None:
    script = ("from zoo.image_io import load_picture\nfrom zoo.pictures.process import DECODER\nimport sys\n"
              "load_picture(sys.argv[1])\nprint(DECODER.pid)")
    picture = str(Path(__file__).parents[2] / "assets" / "gallery" / "cifar10_test_0000_cat.png")
    asked = [sys.executable, "-c", script, picture]
    done = subprocess.run(asked, capture_output=True, text=True, check=True, timeout=60)
    with pytest.raises(ProcessLookupError):
        os.kill(int(done.stdout), 0)


# --- SSIM of tiny pictures ---


def test_ssim_that_does_not_exist_is_told() -> None:
    """Below 11 pixels SSIM was NaN without a word."""
    tiny = load_picture(saved(Image.fromarray(NOISE[:10])))
    assert "SSIM does not exist" in tiny.notes[0]
    assert figure_text(ssim(tiny.pixels, tiny.pixels), 3) == "–" == figure_text(None, 2, " dB")
    assert load_picture(saved(Image.fromarray(NOISE[:11]))).notes == ()
    assert figure_text(torch.tensor([1.23456]), 2, " dB") == "1.23 dB"


def test_no_page_or_file_shows_nan() -> None:
    from explorer.compute import engine, pair_sources
    from explorer.export import frame as export
    from explorer.ui import upload_picker
    from zoo.space import api, cards
    from zoo.space.engine import Request, transmit_pair

    class File:
        name = "tiny.png"

        def getvalue(self) -> bytes:
            return saved(Image.fromarray(NOISE[:10]))

    key = upload_picker.keep([File()], 64)
    assert "SSIM does not exist" in pair_sources.UPLOADS.get(key).notes[0]
    variants = engine.catalogue()
    model = "deepjscc.rec_r16_lite"
    frame = engine.Engine().frame(engine.Request(key, (model,), 5.0, "awgn", "side", 0))
    assert variants and frame.results[0].ssim is None
    json.loads(export.as_json(frame), parse_constant=lambda name: pytest.fail(f"{name} in JSON"))
    json.loads(json.dumps(engine.frame_json(frame)), parse_constant=lambda name: pytest.fail(f"{name} in JSON"))
    entry = api.entry_from(None, File().getvalue(), None, 64)
    _, told = api.transmit("", File().getvalue(), None, 64, model, 5.0, "awgn", "side", 0)
    assert told["ssim"] is None and "SSIM does not exist" in told["notes"][0]
    shown = cards.strip(entry, [transmit_pair(entry, model, Request())], None, "side")
    assert "SSIM –" in shown and "nan" not in shown and "SSIM does not exist" in shown
    pair_sources.UPLOADS.drop(key)
