"""Runs on disk: where a network's training lives, how it is started, resumed and finished."""

from __future__ import annotations

import json
import platform
import subprocess
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from safetensors.torch import load_file, save_file
from torch import nn

from training.judge import JudgeTask, judge_accuracy
from training.loop import fit, write_atomically
from training.recipes import JUDGES, tier_of
from training.train import LinkTask, start_from
from wzroi.config import ModelName
from wzroi.data import Images, load_split
from wzroi.judge import Judge

WEIGHTS = "final.safetensors"
RECORD = "run.json"


class MissingRun(FileNotFoundError):
    """A run that another one starts from is not there; the message says how to make it."""


def code_commit() -> str:
    """The commit of the code that runs, with ``+`` for uncommitted changes to it; ``unknown`` outside git."""
    root = Path(__file__).resolve().parent.parent
    git = ["git", "-C", str(root)]
    try:
        commit = subprocess.run([*git, "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, check=True)
        code = [*git, "status", "--porcelain", "--", "wzroi", "training"]
        changed = subprocess.run(code, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return commit.stdout.strip() + ("+" if changed else "")


def _accelerator(cpu: bool) -> Accelerator:
    bf16 = not cpu and torch.cuda.is_available() and torch.cuda.is_bf16_supported()
    return Accelerator(cpu=cpu, mixed_precision="bf16" if bf16 else "no")


def _place(images: Images, accelerator: Accelerator) -> Images:
    return images.to(accelerator.device)


def _finish(folder: Path, model: nn.Module, record: dict[str, Any], accelerator: Accelerator) -> None:
    if not accelerator.is_main_process:
        return
    weights = {key: value.detach().cpu().contiguous() for key, value in model.state_dict().items()}
    write_atomically(folder / WEIGHTS, lambda path: save_file(weights, path))
    record |= {"commit": code_commit(), "torch": torch.__version__, "python": platform.python_version()}
    text = json.dumps(record, indent=1) + "\n"
    write_atomically(folder / RECORD, lambda path: path.write_text(text) and None)


def finished(folder: Path) -> bool:
    """Whether a run has published its weights and its record."""
    return (folder / RECORD).is_file() and (folder / WEIGHTS).is_file()


def load_judge_run(runs: Path, name: str) -> Judge:
    """The judge that a finished run holds.

    Raises:
        MissingRun: when there is none; the message gives the command.
    """
    folder = runs / name
    if not finished(folder):
        raise MissingRun(f"no finished judge in {folder}: run `python -m training judge {name} --runs {runs}`")
    judge = Judge(JUDGES[name].config)
    judge.load_state_dict(load_file(folder / WEIGHTS), strict=True)
    return judge.eval().requires_grad_(False)


def train_judge(name: str, runs: Path, root: Path | None, *, seed: int, cpu: bool = False, **options: Any) -> bool:
    """Train the judge ``name`` (a key of ``JUDGES``) into ``runs/name``; returns whether it is finished."""
    folder, recipe, accelerator = runs / name, JUDGES[name], _accelerator(cpu)
    if finished(folder):
        return True
    torch.manual_seed(seed)
    data = {split: _place(load_split(split, root), accelerator) for split in ("train", "validation")}
    task = JudgeTask(recipe, data["train"], data["validation"])
    began = time.monotonic()
    stamp = {"name": name, "seed": seed, "recipe": asdict(recipe)}
    if not fit(task, recipe.schedule, folder, seed=seed, stamp=stamp, accelerator=accelerator, **options):
        return False
    measured = judge_accuracy(task.model, data["validation"], task.pair_source)
    record = stamp | {"validation": measured, "seconds_last_start": round(time.monotonic() - began)}
    _finish(folder, task.model, record, accelerator)
    return True


def train_link(
    name: ModelName,
    runs: Path,
    root: Path | None,
    *,
    seed: int | None = None,
    cpu: bool = False,
    judge: Callable[[Path, str], Judge] = load_judge_run,
    **options: Any,
) -> bool:
    """Train the link network ``name`` into ``runs/<name>``; returns whether it is finished.

    A ``task`` network starts from its ``rec`` twin's finished run in the same folder (Algorithm 2, step 3).

    Raises:
        MissingRun: when the judge or the ``rec`` twin has not been trained.
    """
    folder, tier, accelerator = runs / str(name), tier_of(name), _accelerator(cpu)
    if finished(folder):
        return True
    seed = name.seed if seed is None else seed
    torch.manual_seed(seed)
    data = {split: _place(load_split(split, root), accelerator) for split in ("train", "validation")}
    needs_judge = name.stage == "task" or name.architecture == "deepjscc_wz_roi"
    network = judge(runs, tier.judge).to(accelerator.device) if needs_judge else None
    task = LinkTask(name, tier, data["train"], data["validation"], network)
    if name.stage == "task":
        twin = runs / str(rec_twin(name))
        if not finished(twin):
            raise MissingRun(f"{name} starts from {twin.name}: run `python -m training train {twin.name}` first")
        start_from(task.network, load_file(twin / WEIGHTS))
    schedule = tier.rec if name.stage == "rec" else tier.task
    stamp = {"name": str(name), "seed": seed, "schedule": asdict(schedule), "config": task.network.config.to_dict()}
    stamp |= {"snr_db": tier.snr_db, "trade_off": tier.trade_off if name.stage == "task" else 0.0, "judge": tier.judge}
    began = time.monotonic()
    if not fit(task, schedule, folder, seed=seed, stamp=stamp, accelerator=accelerator, **options):
        return False
    record = stamp | {"validation": task.validate(task.model), "seconds_last_start": round(time.monotonic() - began)}
    _finish(folder, task.model, record, accelerator)
    return True


def rec_twin(name: ModelName) -> ModelName:
    """The ``rec`` network that a ``task`` network starts from."""
    return ModelName(name.architecture, "rec", name.rate, name.oracle, name.lite, name.seed)
