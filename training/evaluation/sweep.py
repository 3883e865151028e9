"""One network over the test set: every SNR, draw and control."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator
from typing import Any

import torch
from rich.progress import Progress
from torch import Tensor

from training.evaluation.networks import Network
from training.evaluation.plan import Plan
from training.evaluation.tally import Tally, measured
from training.evaluation.test_set import TestSet, channel_draw
from wzroi.architectures import ARCHITECTURES
from wzroi.channel import ChannelState
from wzroi.link import LinkReport, Transmission, finish, measure, prepare
from wzroi.metrics import BUILT_IN, more_metrics
from wzroi.pairs import Pair
from wzroi.roi import ROI_ORIGINS
from zoo.rates import DEFAULT, Rate, symbols_at
from zoo.results.tables import TABLE_SNRS


def _select(channel: ChannelState, indices: Tensor, snr_db: float) -> ChannelState:
    index = indices.to(channel.noise.device)
    gain = None if channel.gain is None else channel.gain[index]
    chosen = dataclasses.replace(channel, snr_db=channel.snr_db[index], noise=channel.noise[index], gain=gain)
    return chosen.at_snr(snr_db)


class Sweep:
    """One network over the test set: fills a tally for each (control, SNR).

    ``rate`` is 1/rho for a flexible network; any other has its own.
    """

    def __init__(
        self, network: Network, test: TestSet, plan: Plan, channel: str = "awgn", controls: bool = True,
        rate: Rate = DEFAULT,
    ) -> None:  # fmt: skip
        self.network, self.test, self.plan, self.controls = network, test, plan, controls
        self.model, self.task = network.model, network.name.stage == "task"
        self.plain = not ARCHITECTURES[self.model.config.architecture].side
        height, width = test.images.pixels.shape[-2:]
        self.kind, self.symbols = channel, symbols_at(self.model, height, width, rate)
        self.tallies: dict[tuple[str, float], Tally] = {}

    @functools.cached_property
    def channels(self) -> list[ChannelState]:
        """Every draw of the channel, for the whole test set."""
        test, plan = self.test, self.plan
        return [
            channel_draw(self.kind, plan.seed, draw, len(test), self.symbols, test.device) for draw in range(plan.draws)
        ]

    def batches(self) -> Iterator[tuple[int, Tensor]]:
        """(part, images): the part says in which draw these images are sent away from the headline."""
        for part in range(self.plan.draws):
            indices = torch.arange(part, len(self.test), self.plan.draws)
            yield from ((part, chunk) for chunk in indices.split(self.plan.batch) if len(chunk))

    def run(self, progress: Progress | None = None) -> None:
        """Send everything the plan asks for."""
        batches = list(self.batches())
        bar = progress.add_task(str(self.network.name), total=len(self.test)) if progress else None
        for part, indices in batches:
            self.measure_batch(part, indices)
            if progress and bar is not None:
                progress.advance(bar, len(indices))

    def measure_batch(self, part: int, indices: Tensor) -> None:
        """Send the images ``indices``, and what misleads the network, at every SNR."""
        transmission = self._ready(self.test.pair(indices), self.network.roi_origin, indices)
        self._sweep(transmission, part, indices)
        if self.controls:
            for name, misled in self._misled(transmission, indices):
                self._control(name, misled, part, indices)

    def _ready(self, pair: Pair, origin: str | None, indices: Tensor) -> Transmission:
        """What does not depend on the channel, with the ROI map of ``origin`` and the weights of ROI-PSNR."""
        roi = self.test.roi(origin, indices, self.plan.seed) if origin else None
        weight = self.test.roi("source", indices, self.plan.seed)
        return prepare(self.model, pair, roi)._replace(weight=weight)

    def _tally(self, control: str, snr_db: float) -> Tally:
        return self.tallies.setdefault((control, snr_db), Tally())

    def _transmit(
        self, transmission: Transmission, indices: Tensor, draw: int, snr_db: float, judged: bool
    ) -> LinkReport:
        channel = _select(self.channels[draw], indices, snr_db)
        return finish(self.model, transmission, channel, self.test.judge if judged else None)

    def _correct(self, logits: Tensor | None, pair: Pair) -> Tensor | None:
        return None if logits is None or pair.label is None else logits.argmax(1) == pair.label

    def _sweep(self, transmission: Transmission, part: int, indices: Tensor) -> None:
        plan, pair = self.plan, transmission.pair
        for snr_db in plan.snrs:
            for draw in plan.sent(snr_db, part):
                judged = plan.judged(snr_db, draw, part, self.task)
                report = self._transmit(transmission, indices, draw, snr_db, judged)
                correct = self._correct(report.logits, pair)
                self._tally("", snr_db).add(indices, measured(report), correct)
                if self.controls and draw == part and self._pastes(snr_db):
                    self._paste(report, transmission, indices, snr_db)

    def _pastes(self, snr_db: float) -> bool:
        """The trivial use of side information: for the network without any at every SNR, else at the table's."""
        return self.plain or snr_db in TABLE_SNRS or self.plan.full

    def _paste(self, report: LinkReport, transmission: Transmission, indices: Tensor, snr_db: float) -> None:
        pair = transmission.pair
        pasted = self.test.pairs.paste(report.reconstruction, pair.side)
        judged = self.plan.full or snr_db == self.plan.headline or (self.plain and snr_db in TABLE_SNRS)
        with torch.no_grad():
            logits = self.test.judge(pasted) if judged else None
        values = dict(zip(BUILT_IN, measure(pasted, pair, transmission.weight), strict=True))
        values |= more_metrics(pasted, pair.source, transmission.weight)
        self._tally("paste", snr_db).add(indices, values, self._correct(logits, pair))

    def _misled(self, transmission: Transmission, indices: Tensor) -> Iterator[tuple[str, Transmission]]:
        """Controls of a network with an ROI: the other origins of its map."""
        if self.model.config.uses_roi:
            for origin in ROI_ORIGINS:
                if origin != self.network.roi_origin:
                    yield f"roi:{origin}", self._ready(transmission.pair, origin, indices)

    def _control(self, name: str, misled: Transmission, part: int, indices: Tensor) -> None:
        for snr_db in self.plan.control_snrs:
            judged = self.task or snr_db == self.plan.headline
            report = self._transmit(misled, indices, part, snr_db, judged)
            correct = self._correct(report.logits, misled.pair)
            self._tally(name, snr_db).add(indices, measured(report), correct)

    def rows(self, control: str = "") -> list[dict[str, Any]]:
        """The rows of one control, or of the network itself, in the order of SNR."""
        found = sorted(snr_db for name, snr_db in self.tallies if name == control)
        return [self.tallies[control, snr_db].row(snr_db, self.plan.draws) for snr_db in found]

    def per_image(self) -> dict[str, Tensor]:
        """``main/psnr``, ``paste/accuracy``, ... at the headline SNR: for paired comparisons of networks."""
        found: dict[str, Tensor] = {}
        for (control, snr_db), tally in self.tallies.items():
            if snr_db == self.plan.headline:
                values = tally.per_image(len(self.test))
                found |= {f"{control or 'main'}/{metric}": value for metric, value in values.items()}
        return found

    def control_rows(self) -> dict[str, list[dict[str, Any]]]:
        """Control -> its rows."""
        names = sorted({name for name, _ in self.tallies if name})
        return {name: self.rows(name) for name in names}
