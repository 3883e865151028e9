"""The digital baseline: real codecs (AVIF, WebP, JPEG 2000) with as many bits as the channel carries at capacity.

Two ways. *Whole files*: each picture as a file of its own, whose header alone is larger than what a channel of 96 uses
carries. *Mosaics*: pictures side by side in one large picture, whose header then costs nothing. That is generous: a
mosaic's codec predicts across the seams, and no finite code reaches capacity at these lengths.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import torch
import typer
from PIL import Image
from rich.progress import track
from torch import Tensor

from training.evaluate import SNRS, stamp, write_json
from training.gaussian import capacity_bits
from wzroi.config import RATES
from wzroi.data import as_float, load_split
from wzroi.metrics import decibels, estimate
from zoo.results import RESULTS

TILES = 32
"""Pictures along a mosaic's side: 1024 pictures, a megapixel."""

VALUES = 3 * 32 * 32


def _avif(picture: Image.Image, level: int) -> bytes:
    return _saved(picture, "AVIF", quality=level, speed=6, subsampling="4:2:0")


def _webp(picture: Image.Image, level: int) -> bytes:
    return _saved(picture, "WEBP", quality=level, method=4)


def _jpeg2000(picture: Image.Image, level: int) -> bytes:
    """``level`` 0 to 100 is a compression ratio from 1200:1 to 6:1 on a logarithmic scale; a raw codestream."""
    ratio = 1200 * (6 / 1200) ** (level / 100)
    return _saved(picture, "JPEG2000", quality_mode="rates", quality_layers=[ratio], irreversible=True, no_jp2=True)


def _saved(picture: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


CODECS: dict[str, Callable[[Image.Image, int], bytes]] = {"avif": _avif, "webp": _webp, "jpeg2000": _jpeg2000}
"""Codec -> encoder of a picture at a level from 0 (small) to 100 (good)."""

LEVELS = (*range(0, 20, 2), *range(20, 60, 4), *range(60, 100, 8))


class Operating(NamedTuple):
    """One level of a codec on a mosaic: ``bits`` an image, ``error`` mean squared error per image ``[n]``."""

    bits: float
    error: Tensor


def to_mosaic(pixels: Tensor) -> Image.Image:
    """uint8 ``[tiles * tiles, 3, H, W]`` side by side."""
    tiles = math.isqrt(len(pixels))
    if tiles * tiles != len(pixels):
        raise ValueError(f"a mosaic takes a square number of pictures, not {len(pixels)}")
    _, channels, height, width = pixels.shape
    grid = pixels.reshape(tiles, tiles, channels, height, width).permute(0, 3, 1, 4, 2)
    return Image.fromarray(grid.reshape(tiles * height, tiles * width, channels).numpy())


def from_mosaic(picture: Image.Image, count: int) -> Tensor:
    """The inverse of ``to_mosaic``: uint8 ``[count, 3, H, W]``."""
    tiles = math.isqrt(count)
    values = torch.from_numpy(np.array(picture.convert("RGB")))
    height, width = values.shape[0] // tiles, values.shape[1] // tiles
    return values.reshape(tiles, height, tiles, width, 3).permute(0, 2, 4, 1, 3).reshape(count, 3, height, width)


def operating_points(codec: str, pixels: Tensor, levels: tuple[int, ...] = LEVELS) -> list[Operating]:
    """What a codec makes of a mosaic of all ``pixels`` at each level, in the order of bits; no level is dominated."""
    picture, source = to_mosaic(pixels), as_float(pixels)
    found = []
    for level in track(levels, description=f"{codec} mosaic", transient=True):
        blob = CODECS[codec](picture, level)
        rebuilt = as_float(from_mosaic(Image.open(io.BytesIO(blob)), len(pixels)))
        found.append(Operating(8 * len(blob) / len(pixels), (rebuilt - source).square().mean(dim=(1, 2, 3))))
    kept: list[Operating] = []
    for point in sorted(found, key=lambda point: (point.bits, point.error.mean().item())):
        if not kept or (point.bits > kept[-1].bits and point.error.mean() < kept[-1].error.mean()):
            kept.append(point)
    return kept


def at_budget(points: list[Operating], bits: float) -> tuple[Tensor, Tensor] | None:
    """(PSNR, squared error) per image, ``[n]``, with a budget of bits an image; ``None`` below the smallest level.

    Between two levels the codec shares its time: a part of the pictures at one level, the rest at the next.
    """
    if bits < points[0].bits:
        return None
    above = next((index for index, point in enumerate(points) if point.bits > bits), None)
    if above is None:
        return decibels(points[-1].error), points[-1].error
    low, high = points[above - 1], points[above]
    share = (bits - low.bits) / (high.bits - low.bits)
    mixed = (1 - share) * decibels(low.error) + share * decibels(high.error)
    return mixed, (1 - share) * low.error + share * high.error


def _row(scheme: str, rate: int, snr_db: float, bits: float, values: Tensor, error: Tensor) -> dict[str, Any]:
    found = estimate(values)
    return {
        "scheme": scheme, "rate": rate, "snr_db": snr_db, "bits": round(bits, 3), "images": len(values), "draws": 0,
        "psnr_mean": round(found.mean, 6), "psnr_ci95": round(found.ci95, 6),
        "psnr_of_mean_mse": round(decibels(error.double().mean()).item(), 6),
    }


def mosaic_rows(codec: str, pixels: Tensor, levels: tuple[int, ...] = LEVELS) -> list[dict[str, Any]]:
    """A codec's mosaic at channel capacity, over all rates and SNRs; points that no level reaches are left out."""
    points = operating_points(codec, pixels, levels)
    rows = []
    for rate in RATES:
        for snr_db in sorted(SNRS):
            bits = capacity_bits(VALUES // rate, snr_db)
            if (found := at_budget(points, bits)) is not None:
                rows.append(_row(f"{codec}_mosaic", rate, snr_db, bits, *found))
    return rows


def whole_files(codec: str, pixels: Tensor, levels: tuple[int, ...]) -> dict[str, Any]:
    """Each picture as a file: the smallest file's bytes, and where a channel's capacity would carry it.

    Rows give, at each rate and SNR at which every picture fits, the best level that fits picture by picture.
    """
    source = as_float(pixels)
    sizes, errors = torch.zeros(len(levels), len(pixels)), torch.zeros(len(levels), len(pixels))
    for index, image in enumerate(track(pixels, description=f"{codec} files", transient=True)):
        picture = Image.fromarray(image.permute(1, 2, 0).numpy())
        for level, quality in enumerate(levels):
            blob = CODECS[codec](picture, quality)
            rebuilt = torch.from_numpy(np.array(Image.open(io.BytesIO(blob)).convert("RGB"))).permute(2, 0, 1)
            sizes[level, index] = 8 * len(blob)
            errors[level, index] = (as_float(rebuilt) - source[index]).square().mean()
    smallest = sizes.amin(0)
    rows = []
    for rate, snr_db in ((rate, snr_db) for rate in RATES for snr_db in sorted(SNRS)):
        bits = capacity_bits(VALUES // rate, snr_db)
        if bool((smallest <= bits).all()):
            error = errors.masked_fill(sizes > bits, torch.inf).amin(0)
            rows.append(_row(f"{codec}_file", rate, snr_db, bits, decibels(error), error))
    mean = estimate(smallest / 8)
    return {
        "images": len(pixels), "smallest_bytes_mean": round(mean.mean, 3), "smallest_bytes_ci95": round(mean.ci95, 3),
        "smallest_bytes_max": int(smallest.max() / 8), "rows": rows,
    }


def digital(pixels: Tensor, *, tiles: int = TILES, files: int = 100) -> dict[str, Any]:
    """Everything, as ``digital.json`` holds it: mosaics of the first ``tiles ** 2`` pictures, files of a few."""
    mosaics = [row for codec in CODECS for row in mosaic_rows(codec, pixels[: tiles * tiles])]
    whole = {codec: whole_files(codec, pixels[:files], LEVELS[::4]) for codec in CODECS}
    rows = mosaics + [row for found in whole.values() for row in found.pop("rows")]
    capacity = [
        {"rate": rate, "snr_db": snr_db, "bytes": round(capacity_bits(VALUES // rate, snr_db) / 8, 3)}
        for rate in RATES for snr_db in sorted(SNRS)
    ]
    return {
        "model": "digital", **stamp(torch.device("cpu")), "images": tiles * tiles, "seeds": [], "draws": 0,
        "channel": "awgn, ideal code at capacity", "pair_source": None, "rows": rows, "files": whole,
        "capacity": capacity,
    }


def digital_command(
    root: Annotated[Path | None, typer.Option(help="Folder of CIFAR-10 (default: $WZROI_DATA).")] = None,
    out: Annotated[Path, typer.Option(help="Folder of the results files.")] = RESULTS,
    tiles: Annotated[int, typer.Option(min=2, max=100, help="Pictures along a mosaic's side.")] = TILES,
    files: Annotated[int, typer.Option(min=2, help="Pictures coded as whole files.")] = 100,
) -> None:
    """Code test pictures with AVIF, WebP and JPEG 2000 at channel capacity, into digital.json."""
    found = digital(load_split("test", root).pixels, tiles=tiles, files=files)
    write_json(out / "digital.json", found)
    for row in found["rows"]:
        if row["snr_db"] == 5.0 and row["rate"] in (32, 16):
            typer.echo(f"{row['scheme']} 1/{row['rate']}: {row['psnr_mean']:.2f} ± {row['psnr_ci95']:.2f} dB at 5 dB")
