"""The digital link with block errors: the choice of scheme, and the resulting picture."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from training.baselines.rate_distortion import Quality, RateDistortionCurve, Row, is_evaluated, quality_of, row_of
from zoo.results.tables import HEADLINE_DB


class DigitalLink:
    """The digital link with block errors: the best codec's picture, or the mean picture if a block is lost.

    Args:
        ladders: of the same images, sent in the same ``ways``.
        fallback: the picture shown if a block is lost, uint8 ``[3, H, W]``.
    """

    def __init__(self, curves: list[RateDistortionCurve], fallback: Tensor) -> None:
        self.curves, self.fallback, self.ways = curves, fallback, curves[0].ways
        self._lost: dict[bool, Quality] = {}

    def lost(self, pasted: bool) -> Quality:
        """The quality if every block is lost."""
        if pasted not in self._lost:
            first = self.curves[0]
            shown = self.fallback.expand_as(first.images.pixels)
            self._lost[pasted] = quality_of(
                shown, first.images, pasted=pasted, evaluated=True, judge_ref=first.judge_ref
            )
        return self._lost[pasted]

    def best(self, bits: float, pasted: bool = False) -> RateDistortionCurve | None:
        """The codec with the highest mean PSNR for a payload; ``None`` if no codec is small enough."""
        known = [(one.at(bits, pasted), one) for one in self.curves]
        reached = [(found.psnr.mean().item(), one) for found, one in known if found is not None]
        return max(reached, key=lambda found: found[0])[1] if reached else None

    def expected_quality(self, errors: Row, pasted: bool, evaluated: bool = False) -> Quality | None:
        """The receiver's quality for a row of ``link.json``, in expectation over block errors."""
        curve = self.best(errors["payload_bits"], pasted)
        if curve is None:
            return None
        whole = curve.at(errors["payload_bits"], pasted, evaluated)
        assert whole is not None  # best() reached it
        lost = errors["errors"] / errors["blocks"] if errors["blocks"] else 1.0
        return whole.mixed(self.lost(pasted), lost)

    def row(self, name: str, errors: Row, pasted: bool) -> Row | None:
        """A row of ``digital.json``."""
        evaluated = is_evaluated(errors["rate"], errors["snr_db"])
        found, curve = self.expected_quality(errors, pasted, evaluated), self.best(errors["payload_bits"], pasted)
        if found is None or curve is None:
            return None
        about = {key: errors[key] for key in ("code_rate", "order", "blocks", "errors")}
        lost = round(errors["errors"] / errors["blocks"], 6) if errors["blocks"] else 1.0
        text = {"link": errors["scheme"], "codec": curve.codec, "block_error_rate": lost}
        return row_of(name, errors["rate"], errors["snr_db"], errors["payload_bits"], found, **about, **text)


def sent_rows(digital_link: DigitalLink, table: list[Row], rate: int) -> Iterator[Row]:
    """Two ways to run the link at a rate: scheme chosen at each SNR, and the one chosen at 5 dB kept at every SNR.

    Codec and scheme are chosen by the resulting PSNR, with the crop copied over the picture if the row's name says so.
    """
    mine = [row for row in table if row["rate"] == rate]
    for ending, pasted in digital_link.ways.items():
        fixed = _chosen(digital_link, [row for row in mine if row["snr_db"] == HEADLINE_DB], pasted)
        for snr_db in sorted({row["snr_db"] for row in mine}):
            here = [row for row in mine if row["snr_db"] == snr_db]
            kept = next(row for row in here if row["scheme"] == fixed["scheme"])
            for name, errors in (("link", _chosen(digital_link, here, pasted)), ("link_fixed", kept)):
                if (found := digital_link.row(f"{name}{ending}", errors, pasted)) is not None:
                    yield found


def _chosen(digital_link: DigitalLink, rows: list[Row], pasted: bool) -> Row:
    """The row with the highest mean PSNR at the receiver."""

    def worth(errors: Row) -> float:
        found = digital_link.expected_quality(errors, pasted)
        return -math.inf if found is None else found.psnr.mean().item()

    return max(rows, key=worth)


def mean_picture(pixels: Tensor) -> Tensor:
    """The training set's mean picture, uint8 ``[3, H, W]``: what a receiver shows if it got nothing."""
    return pixels.float().mean(0).round().to(torch.uint8)
