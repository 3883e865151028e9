"""The resumable training loop: every step's randomness follows from (seed, step), so a killed run ends the same.

A run's folder holds ``state.safetensors`` (weights, optimiser, averaged weights, step; replaced atomically) and
``log.jsonl``. Started again with the same command, a run goes on from the last state; a finished run returns at once.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import torch
from accelerate import Accelerator
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from training.recipes import SAVE_EVERY_S, Schedule

STATE = "state.safetensors"


class Task(Protocol):
    """What a run trains: ``loss`` sees the global batch's indices and a generator, and takes its process's share."""

    model: nn.Module
    examples: int

    def loss(self, forward: nn.Module, indices: Tensor, generator: torch.Generator, share: slice) -> Tensor: ...

    def validate(self, model: nn.Module, images: int | None) -> dict[str, float]: ...


class ResumeError(RuntimeError):
    """A saved state that belongs to another recipe."""


def learning_rate(schedule: Schedule, step: int, steps: int) -> float:
    """Linear warm-up, then a cosine from ``lr`` to ``final_lr``."""
    warm = min(1.0, (step + 1) / max(schedule.warmup, 1))
    cosine = 0.5 * (1 + math.cos(math.pi * step / max(steps, 1)))
    return warm * (schedule.final_lr + (schedule.lr - schedule.final_lr) * cosine)


def total_steps(schedule: Schedule, examples: int) -> int:
    """Steps of a whole run; an epoch drops its last, incomplete batch."""
    return max(1, round(schedule.epochs * (examples // schedule.batch)))


def batch_indices(step: int, batch: int, examples: int, seed: int) -> Tensor:
    """The global batch of a step: a fresh permutation each epoch, int64 ``[batch]``."""
    per_epoch = examples // batch
    epoch, position = divmod(step, per_epoch)
    order = torch.randperm(examples, generator=step_generator(seed, 2**40 + epoch))
    return order[position * batch : (position + 1) * batch]


def step_generator(seed: int, step: int, device: torch.device | str = "cpu") -> torch.Generator:
    """The generator of one step: a function of seed and step alone."""
    return torch.Generator(device).manual_seed((seed * 1_000_003 + step * 7_919 + 12_345) % 2**63)


def write_atomically(path: Path, write: Callable[[Path], None]) -> None:
    """Write beside ``path``, sync, then replace it: a kill leaves the old file or the new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.part")
    write(partial)
    with partial.open("rb") as handle:
        os.fsync(handle.fileno())
    partial.replace(path)


def _optimiser(model: nn.Module, schedule: Schedule) -> torch.optim.Optimizer:
    matrices = [p for p in model.parameters() if p.ndim > 1]
    vectors = [p for p in model.parameters() if p.ndim <= 1]
    groups = [{"params": matrices, "weight_decay": schedule.weight_decay}, {"params": vectors, "weight_decay": 0.0}]
    if schedule.optimiser == "adam":
        return torch.optim.Adam(groups, lr=schedule.lr, fused=True)
    return torch.optim.SGD(groups, lr=schedule.lr, momentum=0.9, nesterov=True)


def _pack(model: nn.Module, average: dict[str, Tensor], optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    tensors = {f"model.{k}": v for k, v in model.state_dict().items()}
    tensors |= {f"average.{k}": v for k, v in average.items()}
    for index, state in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{index}.{k}": torch.as_tensor(v) for k, v in state.items() if v is not None}
    return {k: v.detach().cpu().contiguous() for k, v in tensors.items()}


def _laid_out(value: Tensor, parameter: Tensor) -> Tensor:
    """``value`` in the memory order of ``parameter``: a fused optimiser reads both as raw memory, whatever the strides.

    The file holds plain contiguous tensors, the parameters are channels-last.
    """
    return torch.empty_like(parameter, device="cpu").copy_(value) if value.shape == parameter.shape else value


def _unpack(
    path: Path, model: nn.Module, average: dict[str, Tensor], optimiser: torch.optim.Optimizer, stamp: str
) -> int:
    with safe_open(path, "pt") as state:
        meta = state.metadata()
        if meta["stamp"] != stamp:
            raise ResumeError(f"{path} was written by another recipe or seed: remove the folder, or name another one")
        tensors = {key: state.get_tensor(key) for key in state.keys()}  # noqa: SIM118 (safe_open is no mapping)
    model.load_state_dict({k[6:]: v for k, v in tensors.items() if k.startswith("model.")})
    for key in average:
        average[key].copy_(tensors[f"average.{key}"])
    parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    states: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith("optimiser."):
            _, index, name = key.split(".")
            states.setdefault(int(index), {})[name] = _laid_out(value, parameters[int(index)])
    optimiser.load_state_dict({"state": states, "param_groups": optimiser.state_dict()["param_groups"]})
    return int(meta["step"])


def _console_progress(enabled: bool) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, TextColumn("{task.fields[note]}"), disable=not enabled, console=Console(stderr=True))


def fit(
    task: Task,
    schedule: Schedule,
    folder: Path,
    *,
    seed: int,
    stamp: dict[str, Any],
    accelerator: Accelerator,
    compiled: bool = False,
    max_steps: int | None = None,
    save_every_s: float = SAVE_EVERY_S,
    stop: Callable[[], bool] = lambda: False,
) -> bool:
    """Train ``task.model`` in place until the schedule ends; resume from ``folder``.

    Args:
        stamp: what must be equal for a saved state to be resumed (recipe, seed, name).
        max_steps: stop after so many steps of the whole schedule (for tests); the schedule itself is unchanged.
        stop: asked after each step; true saves and returns early.

    Returns:
        Whether the schedule was finished; the model then carries the weights to publish (averaged where asked).
    """
    device, rank, world = accelerator.device, accelerator.process_index, accelerator.num_processes
    if schedule.batch % world:
        raise ValueError(f"a batch of {schedule.batch} does not divide among {world} processes")
    steps = total_steps(schedule, task.examples)
    last = steps if max_steps is None else min(steps, max_steps)
    share = slice(rank * schedule.batch // world, (rank + 1) * schedule.batch // world)
    model = task.model.to(device, memory_format=torch.channels_last)
    optimiser = _optimiser(model, schedule)
    average = {k: v.detach().clone() for k, v in model.state_dict().items()} if schedule.ema else {}
    mark = json.dumps(stamp, sort_keys=True)
    step = 0
    if (folder / STATE).exists():
        step = _unpack(folder / STATE, model, average, optimiser, mark)
    forward, optimiser = accelerator.prepare(torch.compile(model) if compiled else model, optimiser)

    def save() -> None:
        if accelerator.is_main_process:
            raw = getattr(optimiser, "optimizer", optimiser)
            tensors = _pack(model, average, raw)
            meta = {"step": str(step), "stamp": mark}
            write_atomically(folder / STATE, lambda path: save_file(tensors, path, metadata=meta))

    def log(**values: Any) -> None:
        if accelerator.is_main_process:
            folder.mkdir(parents=True, exist_ok=True)
            with (folder / "log.jsonl").open("a") as handle:
                handle.write(json.dumps({"step": step, **values}) + "\n")

    saved = began = time.monotonic()
    begun_at, total = step, torch.zeros((), device=device)
    every = max(1, min(task.examples // schedule.batch, 500))
    with _console_progress(accelerator.is_main_process) as progress:
        bar = progress.add_task(folder.name, total=last, completed=step, note="")
        while step < last:
            rate = learning_rate(schedule, step, steps)
            for group in optimiser.param_groups:
                group["lr"] = rate
            indices = batch_indices(step, schedule.batch, task.examples, seed).to(device)
            generator = step_generator(seed, step, device)
            model.train()
            with accelerator.autocast():
                loss = task.loss(forward, indices, generator, share)
            optimiser.zero_grad()
            accelerator.backward(loss)
            optimiser.step()
            _update_average(average, model, schedule.ema, step)
            total += loss.detach()
            step += 1
            if step % every == 0 or step == last:
                mean = accelerator.reduce(total, "mean").item() / (every if step % every == 0 else step % every)
                total.zero_()
                speed = (step - begun_at) * schedule.batch / (time.monotonic() - began)
                checked = task.validate(model, 1000) if step < steps else {}
                log(loss=mean, lr=rate, images_per_s=round(speed, 1), **checked)
                shown = " ".join(f"{k} {v:.3f}" for k, v in checked.items())
                progress.update(bar, note=f"loss {mean:.5f} {shown} {speed:.0f} images/s")
            progress.update(bar, completed=step)
            halted = stop()
            if time.monotonic() - saved > save_every_s or step == last or halted:
                save()
                saved = time.monotonic()
            if halted:
                break
    if average:
        model.load_state_dict(average)
    return step == steps


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
