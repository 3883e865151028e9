"""The digital baseline: real codecs (AVIF, WebP, JPEG 2000) with as many bits as the channel can carry.

*At capacity*, in two ways. *Whole files*: each picture as its own file, whose header alone exceeds what 96 channel uses
can carry. *Mosaics*: many pictures in one large picture, so that the header costs nothing. That is generous: the codec
predicts across the seams, and no finite code reaches capacity at these lengths. ``_paste`` copies the receiver's crop
over the result, as the networks' control does; ``_unsent`` never sends that crop, so that the best codec spends all its
bits outside.

*Over a real link*: the payload of a 5G code block (``ldpc``) carries the best codec's picture; if a block is lost, the
receiver shows the training set's mean picture, with its crop if the scheme uses it.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from PIL import Image
from rich.progress import track
from torch import Tensor

from training.baselines.analog import JudgeName, JudgeRef, judged_by
from training.baselines.codecs import CODECS, LEVELS, coded
from training.baselines.digital_link import DigitalLink, mean_picture, sent_rows
from training.baselines.rate_distortion import VALUES, Quality, RateDistortionCurve, Row, is_evaluated, row_of
from training.evaluation.plan import SNRS
from training.evaluation.results_file import provenance, write_json
from training.gaussian import capacity_bits
from wzroi.config import RATES
from wzroi.data import DataError, Images, as_float, load_split
from wzroi.metrics import decibels, estimate
from zoo.errors import ZooError
from zoo.paths import OWN_RESULTS as RESULTS
from zoo.results.files import read
from zoo.results.tables import HEADLINE_DB, PAPER_RATES

TILES = 100
"""Pictures along a mosaic's side: the whole test set, 10 megapixels."""

JUDGED_CODEC = "avif"
"""The codec that is judged, and also used outside the crop: the best of the three."""


def mosaic_rows(curve: RateDistortionCurve) -> Iterator[Row]:
    """A codec's mosaic at channel capacity, over all rates and SNRs; points below the smallest level are omitted."""
    for ending, pasted in curve.ways.items():
        name = f"{curve.codec}_mosaic{ending}"
        for rate in RATES:
            for snr_db in sorted(SNRS):
                bits = capacity_bits(VALUES // rate, snr_db)
                if (found := curve.at(bits, pasted, is_evaluated(rate, snr_db))) is not None:
                    yield row_of(name, rate, snr_db, bits, found)


def _files(picture: Image.Image, codec: str, level: int, source: Tensor) -> Iterator[tuple[float, float]]:
    """Bits and squared error of one picture as a file, for each way to code it."""
    for blob in coded(codec, picture, level):
        rebuilt = torch.from_numpy(np.array(Image.open(io.BytesIO(blob)).convert("RGB"))).permute(2, 0, 1)
        yield 8 * len(blob), (as_float(rebuilt) - source).square().mean().item()


def whole_files(codec: str, pixels: Tensor, levels: tuple[int, ...]) -> Row:
    """Each picture as a file: the smallest file's bytes, and where the channel capacity would carry it.

    Rows give the best fitting level per picture at each rate and SNR at which every picture fits.
    """
    measured = [
        [
            found for level in levels
            for found in _files(Image.fromarray(image.permute(1, 2, 0).numpy()), codec, level, as_float(image))
        ]
        for image in track(pixels, description=f"{codec} files", transient=True)
    ]
    bits, errors = torch.tensor(measured).unbind(-1)
    smallest, rows = bits.amin(1), []
    for rate, snr_db in ((rate, snr_db) for rate in RATES for snr_db in sorted(SNRS)):
        budget = capacity_bits(VALUES // rate, snr_db)
        if bool((smallest <= budget).all()):
            error = errors.masked_fill(bits > budget, torch.inf).amin(1)
            unknown = torch.full_like(error, torch.nan)
            found = Quality(error, decibels(error), unknown, unknown)
            rows.append(row_of(f"{codec}_file", rate, snr_db, budget, found))
    mean = estimate(smallest / 8)
    return {
        "images": len(pixels), "smallest_bytes_mean": round(mean.mean, 3), "smallest_bytes_ci95": round(mean.ci95, 3),
        "smallest_bytes_max": int(smallest.max() / 8), "rows": rows,
    }


def digital(
    images: Images, fallback: Tensor, *, tiles: int = TILES, files: int = 100, judge_ref: JudgeRef | None = None,
    link: list[Row] | None = None, levels: tuple[int, ...] = LEVELS, store: Path | None = None,
) -> Row:
    """All results, in the format of ``digital.json``: mosaics of the first ``tiles ** 2`` pictures, files of a few.

    Args:
        fallback: as ``mean_picture``. judge_ref: judges AVIF's pictures. link: rows of ``link.json``, ``None`` without.
        store: caches the coded mosaics.
    """
    chosen = Images(*(column[: tiles * tiles] for column in images))
    judge_refs = {JUDGED_CODEC: judge_ref}
    curves = [RateDistortionCurve(codec, chosen, judge_refs.get(codec), levels, store=store) for codec in CODECS]
    unsent = RateDistortionCurve(JUDGED_CODEC, chosen, judge_ref, levels, unsent=True, store=store)
    rows = [row for curve in (*curves, unsent) for row in mosaic_rows(curve)]
    whole = {codec: whole_files(codec, images.pixels[:files], levels[::4]) for codec in CODECS}
    rows += [row for found in whole.values() for row in found.pop("rows")]
    if link:
        digital_links = (DigitalLink(curves, fallback), DigitalLink([unsent], fallback))
        rows += [
            row for rate in PAPER_RATES for digital_link in digital_links for row in sent_rows(digital_link, link, rate)
        ]
    return {
        "model": "digital", **provenance(torch.device("cpu")), "images": len(chosen.pixels), "seeds": [], "draws": 0,
        "channel": "awgn", "pair_source": None, **judged_by(judge_ref), "rows": rows, "files": whole,
        "levels": {curve.codec: [round(level.bits / 8, 3) for level in curve.levels] for curve in curves},
    }


def digital_command(
    root: Annotated[Path | None, typer.Option(help="Folder of CIFAR-10 (default: $WZROI_DATA).")] = None,
    out: Annotated[Path, typer.Option(help="Folder of the results files, and of link.json.")] = RESULTS,
    judge: JudgeName = "resnet_lite.cifar10",
    tiles: Annotated[int, typer.Option(min=2, max=100, help="Pictures along a mosaic's side.")] = TILES,
    files: Annotated[int, typer.Option(min=2, help="Pictures coded as whole files.")] = 100,
    threads: Annotated[int, typer.Option(help="CPU threads; 0 leaves torch's default.")] = 0,
) -> None:
    """Code test pictures with AVIF, WebP and JPEG 2000, at capacity and over link.json's link, into digital.json."""
    if threads:
        torch.set_num_threads(threads)
    try:
        judge_ref, link = JudgeRef.named(judge), read("link", out)
        test, fallback = load_split("test", root), mean_picture(load_split("train", root).pixels)
    except (DataError, ZooError) as error:
        typer.secho(f"error: {error}", err=True, fg="red")
        raise typer.Exit(2) from error
    if link is None:
        typer.secho(f"no link.json in {out}, so at capacity only: `python -m training link` measures it", err=True)
    rows, store = link["rows"] if link else None, out / ".parts" / "mosaics"
    found = digital(test, fallback, tiles=tiles, files=files, judge_ref=judge_ref, link=rows, store=store)
    write_json(out / "digital.json", found)
    for row in found["rows"]:
        if row["snr_db"] == HEADLINE_DB and row["rate"] in PAPER_RATES:
            typer.echo(f"{row['scheme']} 1/{row['rate']}: {row['psnr_mean']:.2f} ± {row['psnr_ci95']:.2f} dB at 5 dB")
