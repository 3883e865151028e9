"""The digital link with block errors: which scheme is chosen, and what the receiver then shows."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from training.baselines.rate_distortion import Ladder, Quality, Row, looked_at, quality_of, row_of
from zoo.results.tables import HEADLINE_DB


class Sender:
    """The digital link with block errors: the best ladder's picture, or the mean picture where a block is lost.

    Args:
        ladders: of the same images, sent in the same ``ways``.
        fallback: the picture shown without a block, uint8 ``[3, H, W]``.
    """

    def __init__(self, ladders: list[Ladder], fallback: Tensor) -> None:
        self.ladders, self.fallback, self.ways = ladders, fallback, ladders[0].ways
        self._lost: dict[bool, Quality] = {}

    def lost(self, pasted: bool) -> Quality:
        """What is shown where every block is lost."""
        if pasted not in self._lost:
            first = self.ladders[0]
            shown = self.fallback.expand_as(first.images.pixels)
            self._lost[pasted] = quality_of(shown, first.images, pasted=pasted, looked=True, looker=first.looker)
        return self._lost[pasted]

    def best(self, bits: float, pasted: bool = False) -> Ladder | None:
        """The codec with the highest mean PSNR for a payload; ``None`` when none is that small."""
        known = [(one.at(bits, pasted), one) for one in self.ladders]
        reached = [(found.psnr.mean().item(), one) for found, one in known if found is not None]
        return max(reached, key=lambda found: found[0])[1] if reached else None

    def send(self, errors: Row, pasted: bool, looked: bool = False) -> Quality | None:
        """What a row of ``link.json`` gives the receiver, in expectation over block errors."""
        ladder = self.best(errors["payload_bits"], pasted)
        if ladder is None:
            return None
        whole = ladder.at(errors["payload_bits"], pasted, looked)
        assert whole is not None  # best() reached it
        lost = errors["errors"] / errors["blocks"] if errors["blocks"] else 1.0
        return whole.mixed(self.lost(pasted), lost)

    def row(self, name: str, errors: Row, pasted: bool) -> Row | None:
        """A row of ``digital.json``."""
        looked = looked_at(errors["rate"], errors["snr_db"])
        found, ladder = self.send(errors, pasted, looked), self.best(errors["payload_bits"], pasted)
        if found is None or ladder is None:
            return None
        about = {key: errors[key] for key in ("code_rate", "order", "blocks", "errors")}
        lost = round(errors["errors"] / errors["blocks"], 6) if errors["blocks"] else 1.0
        text = {"link": errors["scheme"], "codec": ladder.codec, "block_error_rate": lost}
        return row_of(name, errors["rate"], errors["snr_db"], errors["payload_bits"], found, **about, **text)


def sent_rows(sender: Sender, table: list[Row], rate: int) -> Iterator[Row]:
    """Two ways to run the link at a rate: scheme chosen at each SNR, and the one chosen at 5 dB kept at every SNR.

    Codec and scheme are chosen by the PSNR that is shown: with the crop copied over it where the row's name says so.
    """
    mine = [row for row in table if row["rate"] == rate]
    for ending, pasted in sender.ways.items():
        fixed = _chosen(sender, [row for row in mine if row["snr_db"] == HEADLINE_DB], pasted)
        for snr_db in sorted({row["snr_db"] for row in mine}):
            here = [row for row in mine if row["snr_db"] == snr_db]
            kept = next(row for row in here if row["scheme"] == fixed["scheme"])
            for name, errors in (("link", _chosen(sender, here, pasted)), ("link_fixed", kept)):
                if (found := sender.row(f"{name}{ending}", errors, pasted)) is not None:
                    yield found


def _chosen(sender: Sender, rows: list[Row], pasted: bool) -> Row:
    """The row with the highest mean PSNR at the receiver."""

    def worth(errors: Row) -> float:
        found = sender.send(errors, pasted)
        return -math.inf if found is None else found.psnr.mean().item()

    return max(rows, key=worth)


def mean_picture(pixels: Tensor) -> Tensor:
    """The training set's mean picture, uint8 ``[3, H, W]``: what a receiver shows that got nothing."""
    return pixels.float().mean(0).round().to(torch.uint8)
