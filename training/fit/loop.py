"""The resumable training loop: every step's randomness follows from (seed, step), so an interrupted run ends the same.

A run's folder holds ``state.safetensors`` (weights, optimiser, averaged weights, step; replaced atomically) and
``log.jsonl``. The same command resumes a run from the last state; a finished run returns at once.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import torch
from accelerate import Accelerator
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from training.fit.optimisers import optimisers_of
from training.recipes import SAVE_EVERY_S, Schedule

STATE = "state.safetensors"
LOG = "log.jsonl"

LOG_EVERY = 500
"""Steps between lines of the log (an epoch where that is shorter)."""

VALIDATION_GLANCE = 1000
"""Validation images per log line; a finished run is measured on all of them."""

STOP_CHECK = 16
"""With several processes, steps between their agreements on whether to stop."""


class Position(NamedTuple):
    """How far a run is when a step begins: its epoch from 0, and the share of its steps that are done, in [0, 1)."""

    epoch: int
    share: float


BEGUN = Position(0, 0.0)
"""Before the first step."""


class Task(Protocol):
    """What a run trains: ``loss`` sees the global batch's indices and a generator, and takes its process's share.

    ``progress`` is set before each step.
    """

    model: nn.Module
    examples: int
    progress: Position

    def loss(self, forward: nn.Module, indices: Tensor, generator: torch.Generator, share: slice) -> Tensor: ...

    def validate(self, model: nn.Module, images: int | None) -> dict[str, float]: ...


class ResumeError(RuntimeError):
    """A saved state that belongs to another recipe."""


class BatchError(ValueError):
    """A batch that cannot be drawn from the training set, or not be divided among the processes."""


def learning_rate(schedule: Schedule, step: int, steps: int) -> float:
    """Linear warm-up, then a cosine from ``lr`` to ``final_lr``."""
    warm = min(1.0, (step + 1) / max(schedule.warmup, 1))
    cosine = 0.5 * (1 + math.cos(math.pi * step / max(steps, 1)))
    return warm * (schedule.final_lr + (schedule.lr - schedule.final_lr) * cosine)


def total_steps(schedule: Schedule, examples: int) -> int:
    """Steps of a whole run; an epoch drops its last, incomplete batch."""
    return max(1, round(schedule.epochs * (examples // schedule.batch)))


@lru_cache(maxsize=2)
def _epoch_order(epoch: int, examples: int, seed: int) -> Tensor:
    return torch.randperm(examples, generator=step_generator(seed, 2**40 + epoch))


def batch_indices(step: int, batch: int, examples: int, seed: int) -> Tensor:
    """The global batch of a step: a fresh permutation each epoch, int64 ``[batch]``."""
    epoch, position = divmod(step, examples // batch)
    return _epoch_order(epoch, examples, seed)[position * batch : (position + 1) * batch]


def step_generator(seed: int, step: int, device: torch.device | str = "cpu") -> torch.Generator:
    """The generator of one step: a function of seed and step alone."""
    return torch.Generator(device).manual_seed((seed * 1_000_003 + step * 7_919 + 12_345) % 2**63)


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Write beside ``path``, sync, then replace it: an interruption leaves the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.part")
    write(partial)
    with partial.open("rb") as handle:
        os.fsync(handle.fileno())
    partial.replace(path)


def _laid_out(value: Tensor, parameter: Tensor) -> Tensor:
    """``value`` in the memory order of ``parameter``: a fused optimiser reads both as raw memory, whatever the strides.

    The file holds plain contiguous tensors, the parameters are channels-last.
    """
    return torch.empty_like(parameter, device="cpu").copy_(value) if value.shape == parameter.shape else value


class Run:
    """A training run and its progress: model, optimisers, averaged weights, step, time spent.

    Args:
        identity: what must be equal for a saved state to be resumed (recipe, seed, name), as text.

    Attributes:
        wall_s, core_s: seconds, and seconds of processor cores, that led to the saved state, over all starts.
    """

    def __init__(
        self, task: Task, schedule: Schedule, folder: Path, seed: int, identity: str, accelerator: Accelerator
    ) -> None:
        self.task, self.schedule, self.folder, self.seed, self.identity = task, schedule, folder, seed, identity
        self.accelerator, self.device = accelerator, accelerator.device
        self.steps = total_steps(schedule, task.examples)
        self.share = _share(schedule.batch, task.examples, accelerator)
        self.model = task.model.to(self.device).to(memory_format=torch.channels_last)
        self.optimisers = optimisers_of(self.model, schedule)
        kept = self.model.state_dict() if schedule.ema else {}
        self.average = {key: value.detach().clone() for key, value in kept.items()}
        self.step, self.wall_s, self.core_s = 0, 0.0, 0.0
        self._clock = time.monotonic(), time.process_time()
        if (folder / STATE).exists():
            self._resume()
        self.forward: nn.Module = self.model

    def prepare(self, compiled: bool) -> None:
        """Hand model and optimisers to Accelerate: devices, gradients shared among processes."""
        model = torch.compile(self.model) if compiled else self.model
        self.forward, *self.optimisers = self.accelerator.prepare(model, *self.optimisers)

    def advance(self) -> Tensor:
        """Take one step; returns this process's loss, detached."""
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                group["lr"] = self.rate * group["scale"]
        indices = batch_indices(self.step, self.schedule.batch, self.task.examples, self.seed).to(self.device)
        generator = step_generator(self.seed, self.step, self.device)
        per_epoch = max(self.task.examples // self.schedule.batch, 1)
        self.task.progress = Position(self.step // per_epoch, self.step / self.steps)
        self.model.train()
        with self._mixed_precision():
            loss = self.task.loss(self.forward, indices, generator, self.share)
        for optimiser in self.optimisers:
            optimiser.zero_grad()
        self.accelerator.backward(loss)
        for optimiser in self.optimisers:
            optimiser.step()
        _update_average(self.average, self.model, self.schedule.ema, self.step)
        self.step += 1
        return loss.detach()

    def _mixed_precision(self) -> torch.autocast:
        """bfloat16 where the schedule and the device are for it; not Accelerate's, which is one for a process."""
        on_cuda = self.device.type == "cuda"
        enabled = torch.cuda.is_bf16_supported() if on_cuda else self.schedule.cpu_bf16 and self.device.type == "cpu"
        return torch.autocast(self.device.type, torch.bfloat16, enabled=enabled)

    @property
    def rate(self) -> float:
        """The learning rate of the next step."""
        return learning_rate(self.schedule, self.step, self.steps)

    def save(self) -> None:
        """Replace the state on disk; the main process's work."""
        if not self.accelerator.is_main_process:
            return
        self._take_time()
        meta = {"step": str(self.step), "stamp": self.identity, "wall_s": f"{self.wall_s}", "core_s": f"{self.core_s}"}
        tensors = self._pack()
        write_atomically(self.folder / STATE, lambda path: save_file(tensors, path, metadata=meta))

    def _take_time(self) -> None:
        """Add the time since it was last taken."""
        (wall, core), self._clock = self._clock, (time.monotonic(), time.process_time())
        self.wall_s += self._clock[0] - wall
        self.core_s += self._clock[1] - core

    def log(self, **values: Any) -> None:
        """Append a line to the log; the main process's work."""
        if not self.accelerator.is_main_process:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / LOG).open("a") as handle:
            handle.write(json.dumps({"step": self.step, **values}) + "\n")

    def _pack(self) -> dict[str, Tensor]:
        tensors = {f"model.{k}": v for k, v in self.model.state_dict().items()}
        tensors |= {f"average.{k}": v for k, v in self.average.items()}
        for number, wrapped in enumerate(self.optimisers):
            raw = getattr(wrapped, "optimizer", wrapped)  # Accelerate wraps it
            for index, state in raw.state_dict()["state"].items():
                place = f"optimiser.{number}.{index}"
                tensors |= {f"{place}.{k}": torch.as_tensor(v) for k, v in state.items() if v is not None}
        return {k: v.detach().cpu().contiguous() for k, v in tensors.items()}

    def _resume(self) -> None:
        path = self.folder / STATE
        with safe_open(path, "pt") as state:
            meta = state.metadata()
            if meta["stamp"] != self.identity:
                raise ResumeError(
                    f"{path} belongs to another recipe or seed: remove it, or choose another folder with --runs"
                )
            tensors = {key: state.get_tensor(key) for key in state.keys()}  # noqa: SIM118 (safe_open is no mapping)
        self.model.load_state_dict({k[6:]: v for k, v in tensors.items() if k.startswith("model.")})
        for key in self.average:
            self.average[key].copy_(tensors[f"average.{key}"])
        for number, optimiser in enumerate(self.optimisers):
            place = f"optimiser.{number}."
            _resume_optimiser(optimiser, {k.removeprefix(place): v for k, v in tensors.items() if k.startswith(place)})
        self.step = int(meta["step"])
        self.wall_s, self.core_s = float(meta["wall_s"]), float(meta["core_s"])


def _resume_optimiser(optimiser: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    states: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        index, name = key.split(".")
        states.setdefault(int(index), {})[name] = _laid_out(value, parameters[int(index)])
    optimiser.load_state_dict({"state": states, "param_groups": optimiser.state_dict()["param_groups"]})


def time_spent(folder: Path) -> dict[str, float]:
    """Seconds, and core seconds, that a run's saved state took over all its starts, as its record tells them."""
    with safe_open(folder / STATE, "pt") as state:
        meta = state.metadata()
    return {key: round(float(meta[key]), 3) for key in ("wall_s", "core_s")}


def _share(batch: int, examples: int, accelerator: Accelerator) -> slice:
    """This process's part of each global batch."""
    rank, world = accelerator.process_index, accelerator.num_processes
    if batch % world:
        raise BatchError(
            f"a batch of {batch} cannot be divided among {world} processes: use a number of processes that divides it"
        )
    if batch > examples:
        raise BatchError(f"a batch of {batch} needs at least as many training images, not {examples}")
    return slice(rank * batch // world, (rank + 1) * batch // world)


class Meter:
    """Mean loss since the last line of the log, and images per second since the start."""

    def __init__(self, run: Run) -> None:
        self.run, self.began, self.begun_at = run, time.monotonic(), run.step
        self.total, self.count = torch.zeros((), device=run.device), 0

    def add(self, loss: Tensor) -> None:
        """One step's loss, left on its device."""
        self.total += loss
        self.count += 1

    def read(self) -> dict[str, float]:
        """Loss over all processes, learning rate of the last step, speed; starts a new mean."""
        mean = self.run.accelerator.reduce(self.total, "mean").item() / self.count
        self.total.zero_()
        self.count = 0
        rate = learning_rate(self.run.schedule, self.run.step - 1, self.run.steps)
        images = (self.run.step - self.begun_at) * self.run.schedule.batch
        return {"loss": mean, "lr": rate, "images_per_s": round(images / (time.monotonic() - self.began), 1)}


def _console_progress(enabled: bool) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, TextColumn("{task.fields[note]}"), disable=not enabled, console=Console(stderr=True))


def _agreed(stop: Callable[[], bool], run: Run) -> bool:
    """Whether to stop now. Several processes must leave the loop at the same step: they ask one another."""
    if run.accelerator.num_processes == 1:
        return stop()
    if run.step % STOP_CHECK:
        return False
    asked = torch.tensor(float(stop()), device=run.device)
    return bool(run.accelerator.reduce(asked, "sum") > 0)


def fit(
    task: Task,
    schedule: Schedule,
    folder: Path,
    *,
    seed: int,
    identity: dict[str, Any],
    accelerator: Accelerator,
    compiled: bool = False,
    max_steps: int | None = None,
    save_every_s: float = SAVE_EVERY_S,
    log_every: int = LOG_EVERY,
    stop: Callable[[], bool] = lambda: False,
) -> bool:
    """Train ``task.model`` in place until the schedule ends; resume from ``folder``.

    Args:
        identity: what must be equal for a saved state to be resumed (recipe, seed, name).
        max_steps: stop after so many steps of the whole schedule (for tests); the schedule itself is unchanged.
        save_every_s: seconds between saved states, the most that an interruption can lose.
        log_every: steps between lines of the log; an epoch ends with one in any case.
        stop: asked after each step; true saves and returns early.

    Returns:
        Whether the schedule was finished; the model then carries the weights to publish (averaged where asked).

    Raises:
        ResumeError: when the folder holds the state of another recipe or seed.
        BatchError: when the batch does not divide among the processes, or is larger than the training set.
    """
    run = Run(task, schedule, folder, seed, json.dumps(identity, sort_keys=True), accelerator)
    run.prepare(compiled)
    last = run.steps if max_steps is None else min(run.steps, max_steps)
    every = max(1, min(task.examples // schedule.batch, log_every))
    meter, saved, halted = Meter(run), time.monotonic(), False
    with _console_progress(accelerator.is_main_process) as progress:
        bar = progress.add_task(folder.name, total=last, completed=run.step, note="")
        while run.step < last and not halted:
            meter.add(run.advance())
            if run.step % every == 0 or run.step == last:
                checked = task.validate(run.model, VALIDATION_GLANCE) if run.step < run.steps else {}
                line = meter.read() | checked
                run.log(**line)
                progress.update(bar, note=" ".join(f"{key} {value:.4g}" for key, value in line.items()))
            progress.update(bar, completed=run.step)
            halted = _agreed(stop, run)
            if time.monotonic() - saved > save_every_s or run.step == last or halted:
                run.save()
                saved = time.monotonic()
    if run.average:
        run.model.load_state_dict(run.average)
    return run.step == run.steps


def _update_average(average: dict[str, Tensor], model: nn.Module, decay: float, step: int) -> None:
    """Exponential average with the usual warm-up of its decay; integer buffers are copied."""
    if not average:
        return
    now = min(decay, (1 + step) / (10 + step))
    for key, value in model.state_dict().items():
        if value.is_floating_point():
            average[key].lerp_(value.detach(), 1 - now)
        else:
            average[key].copy_(value)
