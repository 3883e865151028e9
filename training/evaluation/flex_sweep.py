"""Evaluation of flexible networks: over SNR and rate, in parts that are kept as they are measured.

A part is one rate and one of the plan's draws' share of the test set. Its values per image are stored, and rows are
made of all of them together: what is written does not depend on how often a command stopped or how many took part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from rich.progress import Progress
from torch import Tensor

from training.evaluation.measurement import Measurement
from training.evaluation.plan import Plan
from training.evaluation.results_file import header
from training.evaluation.shard_cache import ShardCache
from training.evaluation.sweep import Sweep
from training.evaluation.tally import Tally
from wzroi.link import Transmission
from wzroi.pairs import Pair
from zoo.results.tables import PAPER_RATES

FEW_SNRS = (-5.0, 0.0, 5.0, 9.0, 15.0, 20.0)
"""The sweep in dB at other rates than the paper's."""


def plan_at(plan: Plan, rate: int) -> Plan:
    """The plan itself at the paper's rates; elsewhere every image once, at ``FEW_SNRS``."""
    if rate in PAPER_RATES:
        return plan
    few = tuple(snr_db for snr_db in plan.snrs if snr_db in FEW_SNRS)
    return replace(plan, snrs=few or plan.snrs, once=True, full=False)


class FlexSweep(Sweep):
    """A flexible network at one rate. Its controls, beside other ROI maps at the paper's rates:

    ``blind``: neither end knows where the side image belongs. ``no_side``: a zero side image, of which nothing is
    known. ``random_side``: another picture's crop and its map; nothing is known of it.
    """

    def __init__(self, one: Measurement, rate: int) -> None:
        super().__init__(one.network, one.test, plan_at(one.plan, rate), one.channel, one.controls, rate)
        self.rate = rate

    def _misled(self, transmission: Transmission, indices: Tensor) -> Iterator[tuple[str, Transmission]]:
        if self.rate in PAPER_RATES:
            yield from super()._misled(transmission, indices)
        pair = transmission.pair._replace(placement=None)
        yield "blind", self._ready(pair, "side", indices)
        yield "no_side", self._ready(pair._replace(side=torch.zeros_like(pair.side)), "zeros", indices)
        yield "random_side", self._ready(pair._replace(side=self._others(indices)), "shuffled", indices)

    def _pastes(self, snr_db: float) -> bool:
        return False  # it holds the known pixels already

    def _others(self, indices: Tensor) -> Tensor:
        """The side images of the pictures before, as the ``shuffled`` map is of the picture before."""
        other: Pair = self.test.pair((indices - 1) % len(self.test))
        return other.side

    def part(self, part: int) -> dict[str, Tensor]:
        """Send one part of the test set; every value by ``control/SNR/column``."""
        self.tallies.clear()
        for own, indices in self.batches():
            if own == part:
                self.measure_batch(part, indices)
        return {
            f"{control}|{snr_db!r}|{column}": values
            for (control, snr_db), tally in self.tallies.items() for column, values in tally.tensors().items()
        }

    def take(self, values: dict[str, Tensor]) -> None:
        """Add a part that was sent, by this command or another."""
        tables: dict[tuple[str, float], dict[str, Tensor]] = {}
        for key, column in values.items():
            control, snr_db, name = key.split("|")
            tables.setdefault((control, float(snr_db)), {})[name] = column
        for at, table in tables.items():
            self.tallies.setdefault(at, Tally()).take(table)

    def rows(self, control: str = "") -> list[dict[str, Any]]:
        return [{"rate": self.rate, **row} for row in super().rows(control)]


def shards_of(path: Path, one: Measurement) -> ShardCache:
    """Where the parts of a results file lie until all are there."""
    depends = {
        "weights_sha256": one.network.sha256, "plan": asdict(one.plan), "channel": one.channel, "judge": one.judge,
        "controls": one.controls, "images": len(one.test),
    }
    return ShardCache(path.parent / ".parts" / path.stem, depends)


def _keys(rate: int, plan: Plan) -> dict[str, int]:
    return {f"r{rate}_{part}": part for part in range(plan.draws)}


def take_shards(
    one: Measurement,
    rates: Sequence[int],
    shards: ShardCache,
    stop: Callable[[], bool],
    progress: Progress | None = None,
) -> bool:
    """Measure what no other command has or is measuring; returns whether all is there. ``stop``: it was merged."""
    bar = progress.add_task(str(one.network.name), total=len(rates) * one.plan.draws) if progress else None
    for rate in rates:
        sweep: FlexSweep | None = None
        for key, part in _keys(rate, one.plan).items():
            if stop():
                return False
            if not shards.there(key):
                sweep = sweep or FlexSweep(one, rate)
                shards.take(key, lambda sweep=sweep, part=part: sweep.part(part))  # type: ignore[misc]
            if progress and bar is not None:
                progress.advance(bar)
    # what another command was measuring when this one came by may be there by now: the last one merges
    return all(shards.there(key) for rate in rates for key in _keys(rate, one.plan))


def merged(one: Measurement, rates: Sequence[int], shards: ShardCache) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The results file and the values per image at 5 dB of all rates."""
    rows: list[dict[str, Any]] = []
    controls: dict[str, list[dict[str, Any]]] = {}
    images: dict[str, Tensor] = {}
    for rate in rates:
        sweep = FlexSweep(one, rate)
        for key in _keys(rate, one.plan):
            sweep.take(shards.read(key))
        rows += sweep.rows()
        for name, found in sweep.control_rows().items():
            controls.setdefault(name, []).extend(found)
        images |= {f"r{rate}/{key}": values for key, values in sweep.per_image().items()}
    about = header(one.network, one.test, one.judge, one.plan, one.channel)
    return about | {"rates": list(rates), "rows": rows, "controls": controls}, images
