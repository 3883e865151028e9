"""Live sweeps: one picture through chosen networks over SNR or rate, in a thread that can be monitored and stopped.

A sweep takes one of the engine's slots for each point, so that other visitors' frames are served between points;
at most ``MAX_RUNNING`` sweeps run at once, and a sweep that nobody watches ends by itself.
"""

from __future__ import annotations

import csv
import io
import math
import threading
import time
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import NamedTuple

import torch
from torch import Tensor

from explorer.compute.draws import reports
from explorer.compute.engine import ENGINE, BusyError
from explorer.compute.pair_sources import find_entry
from wzroi.link import measure
from wzroi.pairs import pair_source
from zoo.errors import ZooError
from zoo.rates import DEFAULT
from zoo.serving.gallery import PairEntry
from zoo.serving.request import RequestError
from zoo.serving.variants import title_of

MAX_RUNNING = 2
UNWATCHED_SECONDS = 20.0
"""A sweep that no page has queried for this long ends, because its visitor has left."""

PASTE = " + paste"
"""Suffix of the titles of the control: the known pixels copied over a reconstruction."""

_TURNS = threading.BoundedSemaphore(MAX_RUNNING)


class Step(NamedTuple):
    """One point to compute: ``x`` is dB (over SNR) or rho (over rate); ``rate`` is 1/rho."""

    title: str
    model: str
    x: float
    snr_db: float
    rate: Fraction = DEFAULT


class Plan(NamedTuple):
    """What determines a sweep's numbers. ``axis``: ``snr`` or ``rate``; ``draws``: channel draws per point."""

    pair: str
    axis: str
    steps: tuple[Step, ...]
    channel: str
    roi: str
    seed: int
    draws: int


class Point(NamedTuple):
    """Results of one step's draws: means, the standard deviation of the PSNR, and the share classified correctly.

    ``psnr_of_mean_mse`` is 10 log10(1 / mean squared error over the draws); ``None`` if there is no such number.
    """

    title: str
    model: str
    x: float
    snr_db: float
    psnr: float
    psnr_std: float
    psnr_of_mean_mse: float
    ssim: float | None
    roi_psnr: float | None
    accuracy: float | None


class Measured(NamedTuple):
    """Per draw ``[n]``: PSNR in dB, SSIM, ROI-PSNR in dB, and whether the judge names the true class."""

    psnr: Tensor
    ssim: Tensor
    roi_psnr: Tensor | None
    correct: Tensor | None


def _mean(values: Tensor | None) -> float | None:
    """The mean of finite values; ``None`` where there are none."""
    if values is None or not bool(values.isfinite().all()):
        return None
    return float(values.double().mean())


def _joined(values: Sequence[Tensor | None]) -> Tensor | None:
    """All parts' values, double; ``None`` where a part has none."""
    known = [value for value in values if value is not None]
    return torch.cat(known).double() if len(known) == len(values) else None


def _point(title: str, step: Step, parts: Sequence[Measured]) -> Point:
    psnr, ssim = (torch.cat([getattr(part, name) for part in parts]).double() for name in ("psnr", "ssim"))
    roi_psnr, correct = (_joined([getattr(part, name) for part in parts]) for name in ("roi_psnr", "correct"))
    error = float((10 ** (-psnr / 10)).mean())
    return Point(
        title, step.model, step.x, step.snr_db, float(psnr.mean()), float(psnr.std(unbiased=False)),
        10 * math.log10(1 / error) if error else math.inf, _mean(ssim), _mean(roi_psnr), _mean(correct),
    )


@torch.no_grad()
def _correct(entry: PairEntry, model: str, pictures: Tensor) -> Tensor | None:
    judge = ENGINE.judge_of(model)
    if judge is None or entry.label is None:
        return None
    return ENGINE.judge(judge)(pictures).argmax(dim=1) == entry.label


def points_of(plan: Plan, entry: PairEntry, step: Step) -> list[Point]:
    """The network's point and, for DeepJSCC on a crop pair, that of the paste control. The caller must hold a slot."""
    weight = ENGINE.transmission(entry, step.model, plan.roi, plan.seed).weight
    pair = entry.pair.to(ENGINE.device)
    own, pasted = [], []
    sent = (entry, step.model, plan.channel, step.snr_db, plan.seed, plan.draws, plan.roi)
    for report, _ in reports(*sent, rate=step.rate):
        picture = report.reconstruction
        own.append(Measured(report.psnr, report.ssim, report.roi_psnr, _correct(entry, step.model, picture)))
        if step.model.startswith("deepjscc.") and entry.source == "crop":
            copied = pair_source("crop").paste(picture, pair.side)
            source = pair._replace(source=pair.source.expand_as(copied))
            values = measure(copied, source, None if weight is None else weight.expand(len(copied), -1, -1, -1))
            pasted.append(Measured(*values, _correct(entry, step.model, copied)))
    found = [_point(step.title, step, own)]
    return found + ([_point(step.title + PASTE, step, pasted)] if pasted else [])


class Sweep:
    """A plan being computed in its own thread. ``points`` grows; ``message`` says what failed, if anything."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.points: list[Point] = []
        self.done = 0
        self.message = ""
        self.seconds = 0.0
        self._stopped = threading.Event()
        self._watched = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="sweep", daemon=True)

    def start(self) -> Sweep:
        """Load the networks, then start. Raises ZooError or RequestError if the plan is not possible."""
        for name in {step.model for step in self.plan.steps}:
            ENGINE.model(name)
        self._thread.start()
        return self

    @property
    def running(self) -> bool:
        """Whether points are still being computed."""
        return self._thread.is_alive()

    @property
    def cancelled(self) -> bool:
        """Whether it was stopped before its end."""
        return self._stopped.is_set()

    def watch(self) -> float:
        """Record that a page is watching; returns the share done, 0 to 1."""
        self._watched = time.monotonic()
        return self.done / max(1, len(self.plan.steps))

    def cancel(self) -> None:
        """Stop before the next point; points computed so far are kept."""
        if self.running:
            self._stopped.set()

    def join(self, seconds: float) -> None:
        """Wait for the end."""
        self._thread.join(seconds)

    def _run(self) -> None:
        try:
            entry = find_entry(self.plan.pair)
            if self._turn():
                try:
                    self._steps(entry)
                finally:
                    _TURNS.release()
        except (RequestError, ZooError, OSError, ValueError) as error:
            self.message = str(error)
        except Exception:  # the visitor sees a message; the traceback goes to the terminal
            self.message = "this sweep could not be computed: change a control, or reload the page"
            raise

    def _turn(self) -> bool:
        """Wait for one of the ``MAX_RUNNING`` turns; ``False`` if given up before that."""
        while not self._given_up():
            if _TURNS.acquire(timeout=0.2):
                return True
        return False

    def _steps(self, entry: PairEntry) -> None:
        start = time.monotonic()
        for step in self.plan.steps:
            while not self._given_up():
                try:
                    with ENGINE.slot():
                        self.points += points_of(self.plan, entry, step)
                    break
                except BusyError:
                    continue
            if self._stopped.is_set():
                return
            self.done += 1
            self.seconds = time.monotonic() - start

    def _given_up(self) -> bool:
        if time.monotonic() - self._watched > UNWATCHED_SECONDS:
            self._stopped.set()
        return self._stopped.is_set()


def to_csv(sweep: Sweep) -> str:
    """The points as CSV, each row preceded by what determines it."""
    plan = sweep.plan
    fixed = {"pair": plan.pair, "channel": plan.channel, "roi": plan.roi, "seed": plan.seed, "draws": plan.draws}
    stream = io.StringIO()
    writer = csv.DictWriter(stream, [*fixed, *Point._fields], lineterminator="\n")
    writer.writeheader()
    writer.writerows(fixed | point._asdict() for point in sweep.points)
    return stream.getvalue()


def titles(points: Sequence[Point]) -> Iterator[tuple[str, list[Point]]]:
    """Points by curve, each in the order of x."""
    for title in dict.fromkeys(point.title for point in points):
        yield title, sorted((point for point in points if point.title == title), key=lambda point: point.x)


def snr_steps(models: Sequence[str], snrs: Sequence[float], rate: Fraction = DEFAULT) -> tuple[Step, ...]:
    """Every network at every SNR, coarse first: the middle of the largest gap comes next. ``rate``: theirs."""
    return tuple(Step(title_of(model), model, snr, snr, rate) for snr in _coarse_first(snrs) for model in models)


def rate_steps(names: Sequence[dict[Fraction, str]], snr_db: float) -> tuple[Step, ...]:
    """Every network at every rate that the zoo has; ``names`` maps 1/rho to a name, one dictionary per variant."""
    steps = [
        Step(title_of(model), model, float(1 / rate), snr_db, Fraction(rate))
        for rates in names for rate, model in rates.items()
    ]
    return tuple(sorted(steps, key=lambda step: step.x))


def _coarse_first(values: Sequence[float]) -> list[float]:
    """Ends first, then middles of the largest gaps."""
    left, found = list(values), []
    step = 1
    while step < max(1, len(left) - 1):
        step *= 2
    while step >= 1:
        found += [value for value in left[::step] if value not in found]
        step //= 2
    return found + [value for value in left if value not in found]


