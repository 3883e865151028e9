"""Training the whole matrix of networks with one resumable command under a time budget.

Every network trains in its own process (``python -m training judge | train``), several in parallel on one device. The
order is fixed: the judge, then the parts of the matrix in turn, in each first every ``rec`` network, then every
``task`` network. A network starts as soon as what it needs is finished: its judge (which the first network to want ROI
maps turns into maps, kept beside it), its ``rec`` twin. A finished network is on disk at once. When asked to stop, or
at the end of the budget, all processes save their states and end; if the campaign is killed, they notice that their
parent is gone and do the same. The same command then continues.
"""

from __future__ import annotations

import fnmatch
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, Annotated, Any

import typer
from filelock import Timeout
from rich.console import Console
from rich.live import Live
from rich.table import Table

from training.fit.loop import LOG, ResumeError, total_steps
from training.fit.runs import check_recipe, finished, needs_judge, rec_twin, run_lock
from training.fit.stop_signal import BUSY, STOPPED, StopSignal
from training.fit.synthetic_data import rehearsal_schedule
from training.recipes import JUDGES, RECIPES, SAVE_EVERY_S, STANDARD, TIERS, Schedule, tier_of
from wzroi.config import PAPER_ARCHITECTURES, ConfigError
from wzroi.data import VALIDATION
from wzroi.names import ModelName

TRAINING_IMAGES = 50_000 - VALIDATION
OUTPUT = "output.txt"
TICK_S = 0.5

STOP_S = 30.0
"""Seconds that running processes get to save their states before they are killed (and lose at most SAVE_EVERY_S)."""

RATES_OF_FIGURE_5 = (48, 24, 12, 8)
EXTRA_SEEDS = (1, 2)


PARTS = {
    "core": "four architectures at 1/16 and 1/32",
    "oracle": "DeepJSCC-WZ-ROI trained with the true label's map of x",
    "rates": "figure 5's other bandwidth ratios",
    "placed": "a control: the side image where it belongs, for WZ and WZ-ROI",
    "seeds": "two repetitions of the core, for results only",
}
"""The parts of the matrix, in the order of their worth."""


def _core(lite: bool, seed: int = 0) -> list[ModelName]:
    return [ModelName(name, "rec", rate, False, lite, seed) for name in PAPER_ARCHITECTURES for rate in (16, 32)]


def _recs(part: str, lite: bool) -> list[ModelName]:
    """The ``rec`` networks of a part."""
    if part == "core":
        return _core(lite)
    if part == "oracle":
        return [ModelName("deepjscc_wz_roi", "rec", rate, True, lite) for rate in (16, 32)]
    if part == "rates":
        shown = [name for name in PAPER_ARCHITECTURES if name != "deepjscc_wz_sft"]
        return [ModelName(name, "rec", rate, False, lite) for rate in RATES_OF_FIGURE_5 for name in shown]
    if part == "placed":
        placed = ("deepjscc_wz", "deepjscc_wz_roi")
        return [ModelName(name, "rec", rate, lite=lite, placed=True) for name in placed for rate in (16, 32)]
    if part == "seeds":
        return [name for seed in EXTRA_SEEDS for name in _core(lite, seed)]
    raise ConfigError(f"unknown part {part!r} of the matrix; choose one of {', '.join(PARTS)}")


def matrix(tier: str, parts: Sequence[str] = ("core",)) -> list[ModelName]:
    """The networks of the parts in training order; ``rec`` before ``task`` within each part.

    Raises:
        ConfigError: for an unknown tier or part.
    """
    if tier not in TIERS:
        raise ConfigError(f"unknown tier {tier!r}; choose one of {', '.join(TIERS)}")
    names: list[ModelName] = []
    for part in parts:
        recs = _recs(part, tier == "lite")
        names += [*recs, *(name.at_stage("task") for name in recs)]
    return list(dict.fromkeys(names))


def shard_of(names: Sequence[ModelName], index: int, count: int) -> list[ModelName]:
    """The share ``index`` (from 1) of ``count``: whole chains, so that a ``task`` network is where its twin is.

    Raises:
        ConfigError: when there is no such share.
    """
    if not 1 <= index <= count:
        raise ConfigError(f"a shard reads i/n with i from 1 to n, e.g. 2/4, not {index}/{count}")
    chains = list(dict.fromkeys(rec_twin(name) for name in names))
    mine = set(chains[index - 1 :: count])
    return [name for name in names if rec_twin(name) in mine]


@dataclass
class Job:
    """One network of the campaign.

    Attributes:
        needs: names of the runs that must be finished first. steps, batch, per_epoch: of its schedule.
        state: waiting, training, elsewhere (another process trains it), finished, stopped or failed.
    """

    name: str
    needs: tuple[str, ...]
    steps: int
    batch: int
    per_epoch: int
    state: str = "waiting"
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def is_judge(self) -> bool:
        """Whether it trains a judge."""
        return self.name in JUDGES


def _job(name: str, needs: tuple[str, ...], schedule: Schedule, examples: int) -> Job:
    return Job(name, needs, total_steps(schedule, examples), schedule.batch, max(examples // schedule.batch, 1))


def plan(
    names: Iterable[ModelName], rehearse: int = 0, recipe: str = STANDARD, epochs: float = 0.0
) -> list[Job]:
    """The jobs for these networks, their judges first; a ``task`` network brings its twin along.

    Args:
        rehearse: generated pictures in place of CIFAR-10's. recipe: of ``RECIPES``. epochs: as ``rehearse_epochs``.

    Raises:
        ConfigError: when a tier has no such recipe.
    """
    examples, cut = rehearse or TRAINING_IMAGES, partial(rehearsal_schedule, examples=rehearse, epochs=epochs)
    jobs: dict[str, Job] = {}
    ordered = list(names)
    for name in ordered:
        judge = tier_of(name).judge
        if any(needs_judge(other) and tier_of(other).judge == judge for other in ordered):
            jobs.setdefault(judge, _job(judge, (), cut(JUDGES[judge].schedule), examples))
    for name in ordered:
        for one in dict.fromkeys((rec_twin(name), name)):
            needs = (tier_of(one).judge,) * needs_judge(one) + (str(rec_twin(one)),) * (one.stage == "task")
            tier = tier_of(one, recipe)
            schedule = cut(tier.rec if one.stage == "rec" else tier.task)
            jobs.setdefault(str(one), _job(str(one), needs, schedule, examples))
    return list(jobs.values())


Launch = Callable[[Job, IO[bytes]], "subprocess.Popen[bytes]"]


@dataclass(frozen=True)
class Trainer:
    """How a job's process is started.

    Attributes:
        root: folder of CIFAR-10. threads: CPU threads of each process, 0 for torch's default. compiled: whether the
            step is compiled (``None``: on CUDA). rehearse, rehearse_epochs, save_every_s, recipe: as for ``train``.
    """

    runs: Path
    root: Path | None = None
    cpu: bool = False
    threads: int = 0
    compiled: bool | None = None
    rehearse: int = 0
    save_every_s: float = SAVE_EVERY_S
    rehearse_epochs: float = 0.0
    recipe: str = STANDARD

    def command(self, job: Job) -> list[str]:
        """The command line that trains a job."""
        verb = "judge" if job.is_judge else "train"
        line = [sys.executable, "-m", "training", verb, job.name, "--runs", str(self.runs)]
        line += ["--parent", str(os.getpid()), "--save-every", str(self.save_every_s)]
        line += ["--root", str(self.root)] if self.root else []
        line += ["--cpu"] if self.cpu else []
        line += ["--compiled" if self.compiled else "--no-compiled"] if self.compiled is not None else []
        line += ["--threads", str(self.threads)] if self.threads else []
        line += ["--rehearse", str(self.rehearse)] if self.rehearse else []
        line += ["--rehearse-epochs", str(self.rehearse_epochs)] if self.rehearse_epochs else []
        line += ["--recipe", self.recipe] if not job.is_judge and self.recipe != STANDARD else []
        return line

    def __call__(self, job: Job, output: IO[bytes]) -> subprocess.Popen[bytes]:
        # a session of its own: a Ctrl-C in the terminal reaches this process alone, which passes it on once
        return subprocess.Popen(self.command(job), stdout=output, stderr=output, start_new_session=True)


class Campaign:
    """Runs jobs side by side in their order; owns their processes.

    Args:
        slots: processes at a time. launch: starts a job's process, which writes into the given file.
    """

    def __init__(self, jobs: list[Job], runs: Path, slots: int, launch: Launch) -> None:
        if slots < 1:
            raise ConfigError(f"at least one job at a time, not {slots}")
        self.jobs, self.runs, self.slots, self.launch = jobs, runs, slots, launch

    def tick(self) -> bool:
        """Register ended jobs and start what can start; returns whether anything is left to wait for."""
        for job in self.jobs:
            self._look(job)
        for job in self.jobs:
            if len(self.training) < self.slots and job.state == "waiting" and self._ready(job):
                self._start(job)
        open_jobs = [job for job in self.jobs if job.state in ("waiting", "elsewhere")]
        return bool(self.training) or not all(self._lost(job) for job in open_jobs)

    def stop(self, patience_s: float = STOP_S) -> None:
        """Ask every process to save and end; those that do not in time are killed."""
        for job in self.training:
            self._process(job).send_signal(signal.SIGTERM)
        deadline = time.monotonic() + patience_s
        for job in self.training:
            process = self._process(job)
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            job.state = "finished" if finished(self.runs / job.name) else "stopped"

    @property
    def training(self) -> list[Job]:
        """Jobs with a process."""
        return [job for job in self.jobs if job.state == "training"]

    def _process(self, job: Job) -> subprocess.Popen[bytes]:
        assert job.process is not None  # state "training" says so
        return job.process

    def _look(self, job: Job) -> None:
        if job.state == "training":
            status = self._process(job).poll()
            if status is None:
                return
            ended = {STOPPED: "stopped", BUSY: "elsewhere"}.get(status, "failed")
            job.state = "finished" if finished(self.runs / job.name) else ended
        elif job.state in ("waiting", "elsewhere"):
            job.state = "finished" if finished(self.runs / job.name) else self._held(job)

    def _held(self, job: Job) -> str:
        if not (self.runs / job.name).is_dir():
            return "waiting"
        try:
            with run_lock(self.runs / job.name):
                return "waiting"
        except Timeout:
            return "elsewhere"

    def _ready(self, job: Job) -> bool:
        return all(finished(self.runs / name) for name in job.needs)

    def _lost(self, job: Job) -> bool:
        """Whether something that it needs has failed, or was stopped, in this campaign."""
        failed = {other.name for other in self.jobs if other.state in ("failed", "stopped")}
        needs = [other for other in self.jobs if other.name in job.needs]
        return bool(failed & set(job.needs)) or any(self._lost(other) for other in needs if other.state == "waiting")

    def _start(self, job: Job) -> None:
        folder = self.runs / job.name
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / OUTPUT).open("ab") as output:
            job.process = self.launch(job, output)
        job.state = "training"


def last_line(folder: Path) -> dict[str, Any]:
    """The last whole line of a run's log, empty where there is none: an interruption may leave a partial line."""
    path = folder / LOG
    if not path.is_file():
        return {}
    with path.open("rb") as handle:
        handle.seek(max(0, path.stat().st_size - 4096))
        lines = handle.read().splitlines()
    for line in reversed(lines):
        try:
            values = json.loads(line)
        except ValueError:
            continue
        if isinstance(values, dict) and "step" in values:
            return values
    return {}


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def describe(job: Job, runs: Path) -> tuple[str, str, str, str, str, str]:
    """A job's line of the table: name, state, epoch, validation, images/s, time left."""
    line = last_line(runs / job.name)
    if job.state == "finished":
        return job.name, job.state, "", _final(runs / job.name), "", ""
    if not line:
        return job.name, job.state, "", "", "", ""
    epoch = f"{line['step'] / job.per_epoch:.1f} of {job.steps / job.per_epoch:.1f}"
    speed = line.get("images_per_s", 0.0)
    if job.state != "training" or not speed:
        return job.name, job.state, epoch, _quality(line), "", ""
    left = (job.steps - line["step"]) * job.batch / speed
    return job.name, job.state, epoch, _quality(line), f"{speed:,.0f}", _duration(left)


def _quality(values: dict[str, Any]) -> str:
    if "psnr" in values:
        judged = f", {values['accuracy']:.1%}" if "accuracy" in values else ""
        return f"{values['psnr']:.2f} dB{judged}"
    clean = values.get("accuracy_clean", values.get("clean"))
    side = values.get("accuracy_side", values.get("side"))
    return f"{clean:.1%}, side {side:.1%}" if clean is not None and side is not None else ""


def _final(folder: Path) -> str:
    return _quality(json.loads((folder / "run.json").read_text()).get("validation", {}))


STYLES = {"finished": "green", "training": "bold", "failed": "red", "stopped": "yellow", "elsewhere": "cyan"}


def table(campaign: Campaign, note: str) -> Table:
    """The campaign as it stands."""
    done = sum(job.state == "finished" for job in campaign.jobs)
    shown = Table(title=f"{done} of {len(campaign.jobs)} networks finished · {note}", title_justify="left")
    for heading in ("network", "state", "epoch", "validation"):
        shown.add_column(heading, no_wrap=heading == "network")
    for heading in ("images/s", "time left"):
        shown.add_column(heading, justify="right")
    for job in campaign.jobs:
        shown.add_row(*describe(job, campaign.runs), style=STYLES.get(job.state, "dim"))
    return shown


def run_campaign(
    campaign: Campaign,
    *,
    minutes: float | None = None,
    stop: Callable[[], bool] = lambda: False,
    console: Console | None = None,
    tick_s: float = TICK_S,
) -> bool:
    """Run until every job is finished, the budget is spent or ``stop()`` turns true.

    Args:
        minutes: the budget; processes are asked to stop early enough for the call to return within it.
        console: for the live table; ``None`` for none.

    Returns:
        Whether every job is finished.
    """
    began = time.monotonic()
    budget = None if minutes is None else 60 * minutes - min(STOP_S, 6 * minutes)

    def note() -> str:
        spent = _duration(time.monotonic() - began)
        return spent if minutes is None else f"{spent} of {_duration(60 * minutes)}"

    screen = console or Console(quiet=True)
    with Live(table(campaign, note()), console=screen, refresh_per_second=2, transient=False) as live:
        try:
            while campaign.tick() and not stop() and (budget is None or time.monotonic() - began < budget):
                live.update(table(campaign, note()))
                time.sleep(tick_s)
        finally:
            campaign.stop()
            live.update(table(campaign, note()))
    return all(job.state == "finished" for job in campaign.jobs)


def parse_shard(text: str) -> tuple[int, int]:
    """``i/n`` as two numbers; raises ConfigError with the pattern."""
    match = re.fullmatch(r"([0-9]{1,4})/([0-9]{1,4})", text)
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise ConfigError(f"a shard reads i/n with i from 1 to n, e.g. 2/4, not {text!r}")
    return int(match[1]), int(match[2])


def chosen(tier: str, parts: Sequence[str], only: Sequence[str], shard: str) -> list[ModelName]:
    """The networks that a command line asks for; raises ConfigError where there are none."""
    names = matrix(tier, parts)
    names = [name for name in names if not only or any(fnmatch.fnmatchcase(str(name), pattern) for pattern in only)]
    names = shard_of(names, *parse_shard(shard))
    if not names:
        raise ConfigError(
            f"no network matches: {', '.join(parts)} of the {tier} tier, shard {shard}, only {list(only)}"
        )
    return names


def campaign_command(
    tier: Annotated[str, typer.Option(help="paper or lite")] = "paper",
    part: Annotated[list[str] | None, typer.Option(help=f"Parts of the matrix, in order: {', '.join(PARTS)}.")] = None,
    only: Annotated[list[str] | None, typer.Option(help="Only names that match, e.g. '*_r16*'; repeatable.")] = None,
    runs: Annotated[Path, typer.Option(help="Folder of the runs; existing runs are resumed.")] = Path("runs"),
    root: Annotated[Path | None, typer.Option(help="Folder that holds cifar-10-batches-py.")] = None,
    minutes: Annotated[float | None, typer.Option(help="Save everything and stop within this many minutes.")] = None,
    jobs: Annotated[int, typer.Option(help="Networks in parallel on this device.")] = 1,
    shard: Annotated[str, typer.Option(help="Share i/n of the matrix, for one of several machines.")] = "1/1",
    cpu: Annotated[bool, typer.Option("--cpu", help="Train on the CPU even where there is a GPU.")] = False,
    threads: Annotated[int, typer.Option(help="CPU threads per network; 0 distributes the cores.")] = 0,
    compiled: Annotated[bool | None, typer.Option(help="Compile the step (default: on CUDA only).")] = None,
    rehearse: Annotated[int, typer.Option(help="Rehearse without data on this many generated pictures.")] = 0,
    rehearse_epochs: Annotated[float, typer.Option(min=0, help="Passes of a rehearsal (default: the recipe's).")] = 0.0,
    recipe: Annotated[str, typer.Option(help=f"{', '.join(RECIPES)}: rows of training/recipes.py.")] = STANDARD,
    save_every: Annotated[float, typer.Option(help="Seconds between saved states.")] = SAVE_EVERY_S,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List what would be trained, in order.")] = False,
) -> None:
    """Train the whole matrix: judge, rec, task; resumable, within a time budget."""
    try:
        names = chosen(tier, part or ["core"], only or [], shard)
        threads = threads or max((os.cpu_count() or 1) // max(jobs, 1), 1)
        trainer = Trainer(runs, root, cpu, threads, compiled, rehearse, save_every, rehearse_epochs, recipe)
        planned = plan(names, rehearse, recipe, rehearse_epochs)
        for job in planned:
            check_recipe(runs / job.name, recipe)
        campaign = Campaign(planned, runs, jobs, trainer)
    except (ConfigError, ResumeError) as error:
        typer.secho(f"error: {error}", err=True, fg="red")
        raise typer.Exit(2) from error
    if dry_run:
        Console().print(table(campaign, "nothing started"))
        return
    with StopSignal() as stop:
        complete = run_campaign(campaign, minutes=minutes, stop=stop, console=Console(stderr=True))
    _report(campaign)
    raise typer.Exit(0 if complete else 1 if any(job.state == "failed" for job in campaign.jobs) else STOPPED)


def _report(campaign: Campaign) -> None:
    """Say what failed and why, and how to go on."""
    for job in campaign.jobs:
        if job.state == "failed":
            path = campaign.runs / job.name / OUTPUT
            tail = path.read_text(errors="replace").strip().splitlines()[-3:]
            typer.secho(f"{job.name} failed; the end of {path}:\n  " + "\n  ".join(tail), err=True, fg="red")
    left = [job.name for job in campaign.jobs if job.state != "finished"]
    if left:
        typer.secho(f"{len(left)} networks left: run the same command to continue", err=True)
