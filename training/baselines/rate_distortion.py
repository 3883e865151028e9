"""A codec's rate-distortion curve on a mosaic, and the quality for a budget of bits per image."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import torch
from rich.progress import track
from torch import Tensor

from training.baselines.analog import JudgeRef
from training.baselines.codecs import LEVELS, coded, decoded, inside_out, outside, to_mosaic
from wzroi.data import Images, as_float
from wzroi.metrics import decibels, estimate, squared_error, ssim
from wzroi.pairs import CropPair
from zoo.results.tables import PAPER_RATES, TABLE_SNRS

CHUNK = 1000
VALUES = 3 * 32 * 32

Row = dict[str, Any]


class Level(NamedTuple):
    """One level of a codec on a mosaic: ``bits`` per image, and the reconstruction, uint8 ``[n, 3, H, W]``."""

    bits: float
    rebuilt: Tensor


class Quality(NamedTuple):
    """Per image, ``[n]``: squared error, PSNR in dB; SSIM and whether the judge is correct, NaN if not evaluated."""

    error: Tensor
    psnr: Tensor
    ssim: Tensor
    correct: Tensor

    def mixed(self, other: Quality, share: float) -> Quality:
        """The expectation if a ``share`` of the pictures has the other quality."""
        return Quality(*((1 - share) * mine + share * its for mine, its in zip(self, other, strict=True)))

    def row(self) -> dict[str, Any]:
        """The columns of a results row: means with 95 % half widths over images, ``None`` if not evaluated."""
        columns: dict[str, Any] = {}
        for name, values in (("psnr", self.psnr), ("ssim", self.ssim), ("accuracy", self.correct)):
            found = estimate(values)
            columns |= {name if name == "accuracy" else f"{name}_mean": found.mean, f"{name}_ci95": found.ci95}
        columns["psnr_of_mean_mse"] = decibels(self.error.double().mean()).item()
        return {key: round(value, 6) if value == value else None for key, value in columns.items()}


def quality_of(
    rebuilt: Tensor, images: Images, *, pasted: bool = False, evaluated: bool = False, judge_ref: JudgeRef | None = None
) -> Quality:
    """Measure pictures, uint8 ``[n, 3, H, W]``, against the originals.

    Args:
        pasted: first copy the receiver's crop over them. looked: measure SSIM, and ask the judge if any.
    """
    parts = [
        _quality(rebuilt[chosen], Images(*(column[chosen] for column in images)), pasted, evaluated, judge_ref)
        for chosen in torch.arange(len(rebuilt)).split(CHUNK)
    ]
    return Quality(*(torch.cat(column) for column in zip(*parts, strict=True)))


def _quality(rebuilt: Tensor, images: Images, pasted: bool, evaluated: bool, judge_ref: JudgeRef | None) -> Quality:
    source, found = as_float(images.pixels), as_float(rebuilt)
    if pasted:
        found = CropPair().paste(found, CropPair().side_of(source))
    error = squared_error(found, source)
    unknown = torch.full_like(error, torch.nan)
    correct = judge_ref.correct(found, images.labels).float() if evaluated and judge_ref else unknown
    return Quality(error, decibels(error), ssim(found, source) if evaluated else unknown, correct)


def pareto_front(levels: list[tuple[Level, float]]) -> list[Level]:
    """The Pareto front: levels by ascending bits, each with less error (the second value) than all before it."""
    kept: list[tuple[Level, float]] = []
    for level, error in sorted(levels, key=lambda found: (found[0].bits, found[1])):
        if not kept or (level.bits > kept[-1][0].bits and error < kept[-1][1]):
            kept.append((level, error))
    return [level for level, _ in kept]


WHOLE = {"": False, "_paste": True}
"""Ending of a scheme's name -> whether the crop is copied over the result: for pictures sent as a whole."""

UNSENT = {"_unsent": True}
"""The same for pictures whose crop is never sent."""


class RateDistortionCurve:
    """A codec on one mosaic of ``images`` (a square number), coded once per level; qualities are measured on demand.

    Args:
        unsent: code only what is outside the receiver's crop, as a mosaic of strips.
        store: as for ``coded``.
    """

    def __init__(
        self, codec: str, images: Images, judge_ref: JudgeRef | None = None, levels: tuple[int, ...] = LEVELS,
        unsent: bool = False, store: Path | None = None,
    ) -> None:
        self.codec, self.images, self.judge_ref, self.ways = codec, images, judge_ref, UNSENT if unsent else WHOLE
        self._known: dict[tuple[int, bool, bool], Quality] = {}
        source, crop, found = images.pixels, CropPair(), []
        picture = to_mosaic(outside(source, crop) if unsent else source)
        for level in track(levels, description=f"{codec} mosaic", transient=True):
            for blob in coded(codec, picture, level, store):
                rebuilt = decoded(blob, len(source))
                if unsent:
                    rebuilt = inside_out(rebuilt, source, crop)
                error = torch.cat([squared_error(as_float(a), as_float(b)) for a, b in _chunks(rebuilt, source)]).mean()
                found.append((Level(8 * len(blob) / len(source), rebuilt), error.item()))
        self.levels = pareto_front(found)

    def quality(self, index: int, pasted: bool, evaluated: bool) -> Quality:
        """Quality of the level ``index``, measured once."""
        key = (index, pasted, evaluated)
        if key not in self._known:
            rebuilt = self.levels[index].rebuilt
            self._known[key] = quality_of(
                rebuilt, self.images, pasted=pasted, evaluated=evaluated, judge_ref=self.judge_ref
            )
        return self._known[key]

    def at(self, bits: float, pasted: bool = False, evaluated: bool = False) -> Quality | None:
        """The quality for ``bits`` per image; ``None`` below the smallest level.

        Between two levels the codec uses time sharing: some pictures at one level, the rest at the next.
        """
        if bits < self.levels[0].bits:
            return None
        for index, (low, high) in enumerate(pairwise(self.levels)):
            if bits <= high.bits:
                share = (bits - low.bits) / (high.bits - low.bits)
                one = self.quality(index, pasted, evaluated)
                return one.mixed(self.quality(index + 1, pasted, evaluated), share)
        return self.quality(len(self.levels) - 1, pasted, evaluated)


def _chunks(rebuilt: Tensor, source: Tensor) -> list[tuple[Tensor, Tensor]]:
    return list(zip(rebuilt.split(CHUNK), source.split(CHUNK), strict=True))


def is_evaluated(rate: int, snr_db: float) -> bool:
    """Whether SSIM and accuracy are measured as well."""
    return rate in PAPER_RATES and snr_db in TABLE_SNRS


def row_of(scheme: str, rate: int, snr_db: float, bits: float, found: Quality, **more: Any) -> Row:
    """A row of ``digital.json``; ``bits`` per image."""
    about = {"scheme": scheme, "rate": rate, "snr_db": snr_db, "bits": round(bits, 3)}
    return about | {"images": len(found.psnr), "draws": 0} | found.row() | more
