"""Runs on disk: where a network's training is stored, and how it is started, resumed and finished."""

from __future__ import annotations

import contextlib
import hashlib
import json
import platform
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from filelock import FileLock, Timeout
from safetensors.torch import load_file, save_file
from torch import nn

from training.fit.flex_task import SNRS, FlexTask
from training.fit.judge_task import JudgeTask, judge_accuracy
from training.fit.link_task import LinkTask, start_from
from training.fit.loop import ResumeError, fit, time_spent, write_atomically
from training.fit.reconstructions import Reconstructions, sender_names
from training.fit.roi_cache import RoiCache
from training.fit.synthetic_data import rehearsal_schedule, rehearsal_split
from training.recipes import FLEX_TIERS, JUDGES, LITE_JUDGE, STANDARD, model_config, tier_of
from wzroi.config import ConfigError
from wzroi.data import Images, Split, load_split
from wzroi.judge import Judge
from wzroi.names import ModelName
from wzroi.networks.deepjscc import WynerZivJSCC
from zoo.paths import checkout

WEIGHTS = "final.safetensors"
RECORD = "run.json"
LOCK = "lock"


class MissingRun(FileNotFoundError):
    """A run that another one starts from is missing; the message says how to create it."""


class BusyRun(RuntimeError):
    """Another process is training this run now."""


def code_commit() -> str:
    """The commit of the code that runs, with ``+`` for uncommitted changes to it; ``unknown`` outside git."""
    root = checkout()
    if root is None:  # a repository around an installed package is another project's
        return "unknown"
    git = ["git", "-C", str(root)]
    try:
        commit = subprocess.run([*git, "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, check=True)
        code = [*git, "status", "--porcelain", "--", "wzroi", "training"]
        changed = subprocess.run(code, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return commit.stdout.strip() + ("+" if changed else "")


def finished(folder: Path) -> bool:
    """Whether a run has published its weights and its record."""
    return (folder / RECORD).is_file() and (folder / WEIGHTS).is_file()


def check_recipe(folder: Path, recipe: str) -> None:
    """Networks of two recipes do not mix in one folder of runs: a finished one must be of this recipe.

    A run that does not say (a judge, one adopted from the zoo) is of any.

    Raises:
        ResumeError: when it is of another.
    """
    if finished(folder):
        other = json.loads((folder / RECORD).read_text()).get("recipe_name", recipe)
        if other != recipe:
            raise ResumeError(f"{folder} was trained by the recipe {other!r}, not {recipe!r}: name other --runs")


def run_lock(folder: Path) -> FileLock:
    """The lock that a run's process holds while it trains; the system frees it when that process ends."""
    folder.mkdir(parents=True, exist_ok=True)
    return FileLock(folder / LOCK, timeout=0)


@contextlib.contextmanager
def _alone(folder: Path, accelerator: Accelerator) -> Iterator[None]:
    """One process (group) a run: two would overwrite each other's states."""
    if not accelerator.is_main_process:
        yield
        return
    try:
        with run_lock(folder):
            yield
    except Timeout:
        raise BusyRun(
            f"another process is training {folder.name} in {folder.parent}: wait for it, or stop it"
        ) from None


def _data(root: Path | None, rehearse: int, accelerator: Accelerator) -> dict[Split, Images]:
    """Train and validation images on the device; the test set is not touched."""
    splits: tuple[Split, Split] = ("train", "validation")
    images = {split: rehearsal_split(split, rehearse) if rehearse else load_split(split, root) for split in splits}
    return {split: found.to(accelerator.device) for split, found in images.items()}


def _finish(folder: Path, model: nn.Module, record: dict[str, Any], accelerator: Accelerator) -> None:
    if accelerator.is_main_process:
        weights = {key: value.detach().cpu().contiguous() for key, value in model.state_dict().items()}
        write_atomically(folder / WEIGHTS, lambda path: save_file(weights, path))
        versions = {"commit": code_commit(), "torch": torch.__version__, "python": platform.python_version()}
        device = {"device": accelerator.device.type, "threads": torch.get_num_threads()}
        text = json.dumps(record | time_spent(folder) | device | versions, indent=1) + "\n"
        write_atomically(folder / RECORD, lambda path: path.write_text(text))
    accelerator.wait_for_everyone()  # the next run of this command may start from this one


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


def train_judge(
    name: str, runs: Path, root: Path | None, *, seed: int, cpu: bool = False, rehearse: int = 0,
    rehearse_epochs: float = 0.0, **options: Any,
) -> bool:
    """Train the judge ``name`` (a key of ``JUDGES``) into ``runs/name``; returns whether it is finished.

    Args:
        root: folder of CIFAR-10. rehearse: if not zero, so many generated pictures in its place.
        rehearse_epochs: of a rehearsal, in place of the recipe's. options: of ``training.fit.loop.fit``.

    Raises:
        DataError: when CIFAR-10 is not there. ResumeError: when the folder holds another run.
        BusyRun: when another process is training it. MissingRun: when a network whose reconstructions the judge sees
            has not been trained.
    """
    folder, recipe = runs / name, JUDGES[name]
    accelerator = Accelerator(cpu=cpu)
    if finished(folder):
        return True
    with _alone(folder, accelerator):
        torch.manual_seed(seed)
        data = _data(root, rehearse, accelerator)
        recipe = replace(recipe, schedule=rehearsal_schedule(recipe.schedule, rehearse, rehearse_epochs))
        received: Reconstructions | None = None
        shown: dict[str, Any] = {}
        if recipe.received_share:
            received, shown = _reconstructions(runs, data["train"], accelerator.device)
        task = JudgeTask(recipe, data["train"], data["validation"], received)
        identity = {"name": name, "seed": seed, "recipe": asdict(recipe)} | shown | _rehearsal_mark(rehearse)
        if not fit(task, recipe.schedule, folder, seed=seed, identity=identity, accelerator=accelerator, **options):
            return False
        measured = judge_accuracy(task.model, data["validation"], task.pair_source)
        _finish(folder, task.model, identity | {"validation": measured}, accelerator)
    return True


def _reconstructions(runs: Path, train: Images, device: torch.device) -> tuple[Reconstructions, dict[str, Any]]:
    """What rebuilds training pictures for a judge, from the lite tier's finished runs, and which weights those are.

    Raises:
        MissingRun: when a network, or the judge of its ROI maps, has not been trained.
    """
    names = sender_names(lite=True)
    if missing := [str(name) for name in names if not finished(runs / str(name))]:
        raise MissingRun(
            f"no finished run of {', '.join(missing)} in {runs}: "
            f"`python -m training campaign --tier lite --runs {runs}` trains them"
        )
    networks, weights = [], {}
    for name in names:
        network = WynerZivJSCC(model_config(name))
        path = runs / str(name) / WEIGHTS
        network.load_state_dict(load_file(path), strict=True)
        networks.append(network.to(device).eval().requires_grad_(False).to(memory_format=torch.channels_last))
        weights[str(name)] = hashlib.sha256(path.read_bytes()).hexdigest()
    judge = load_judge_run(runs, LITE_JUDGE).to(device)
    roi = RoiCache.kept(judge, train, oracle=False, store=runs / LITE_JUDGE / "roi")
    return Reconstructions(networks, roi), {"received": weights}


def train_link(
    name: ModelName,
    runs: Path,
    root: Path | None,
    *,
    seed: int | None = None,
    cpu: bool = False,
    rehearse: int = 0,
    rehearse_epochs: float = 0.0,
    recipe: str = STANDARD,
    judge: Callable[[Path, str], Judge] = load_judge_run,
    **options: Any,
) -> bool:
    """Train the link network ``name`` into ``runs/<name>``; returns whether it is finished.

    A ``task`` network starts from its ``rec`` twin's finished run in the same folder (Algorithm 2, step 3).

    Args:
        root: folder of CIFAR-10. rehearse: if not zero, so many generated pictures in its place.
        rehearse_epochs: of a rehearsal, in place of the recipe's. recipe: of ``training.recipes.RECIPES``.
        judge: reads the tier's judge from ``runs``. options: of ``training.fit.loop.fit``.

    Raises:
        ConfigError: when the tier has no such recipe.
        MissingRun: when the judge or the ``rec`` twin has not been trained.
        DataError, ResumeError, BusyRun: as for ``train_judge``; ResumeError too when the run, or the ``rec`` twin, is
            finished by another recipe.
    """
    folder, tier = runs / str(name), tier_of(name, recipe)
    schedule = rehearsal_schedule(tier.rec if name.stage == "rec" else tier.task, rehearse, rehearse_epochs)
    accelerator = Accelerator(cpu=cpu)
    for one in (name, rec_twin(name)):
        check_recipe(runs / str(one), recipe)
    if finished(folder):
        return True
    twin = _twin_weights(name, runs)
    with _alone(folder, accelerator):
        seed = name.seed if seed is None else seed
        torch.manual_seed(seed)
        data = _data(root, rehearse, accelerator)
        network = judge(runs, tier.judge).to(accelerator.device) if needs_judge(name) else None
        task = LinkTask(name, tier, data["train"], data["validation"], network, runs / tier.judge / "roi")
        if twin is not None:
            start_from(task.network, load_file(twin))
        identity = {
            "name": str(name),
            "seed": seed,
            "schedule": asdict(schedule),
            "config": task.network.config.to_dict(),
        }
        trade_off = tier.trade_off if name.stage == "task" else 0.0
        identity |= {"snr_db": tier.snr_db, "trade_off": trade_off, "judge": tier.judge} | _rehearsal_mark(rehearse)
        if not fit(task, schedule, folder, seed=seed, identity=identity, accelerator=accelerator, **options):
            return False
        measured = task.validate(task.model)
        _finish(folder, task.model, identity | {"recipe_name": recipe, "validation": measured}, accelerator)
    return True


def train_flex(
    name: ModelName,
    runs: Path,
    root: Path | None,
    *,
    seed: int | None = None,
    cpu: bool = False,
    rehearse: int = 0,
    rehearse_epochs: float = 0.0,
    recipe: str = STANDARD,
    judge: Callable[[Path, str], Judge] = load_judge_run,
    **options: Any,
) -> bool:
    """Train the flexible network ``name`` (``wz_roi_flex.{rec|task}[_lite]``); arguments and errors as ``train_link``.

    A ``task`` network starts from its ``rec`` twin's finished run. There is one recipe a tier.
    """
    if recipe != STANDARD:
        raise ConfigError(f"{name} has no recipe {recipe!r}: a flexible network is trained by its tier's own")
    folder, tier, is_task = runs / str(name), FLEX_TIERS["lite" if name.lite else "paper"], name.stage == "task"
    schedule = rehearsal_schedule(tier.task if is_task else tier.rec, rehearse, rehearse_epochs)
    accelerator = Accelerator(cpu=cpu)
    if finished(folder):
        return True
    twin = _twin_weights(name, runs)
    with _alone(folder, accelerator):
        seed = name.seed if seed is None else seed
        torch.manual_seed(seed)
        data = _data(root, rehearse, accelerator)
        network = judge(runs, tier.judge).to(accelerator.device) if is_task else None
        start = load_file(twin) if twin is not None else None
        store = runs / tier.judge / "roi"
        task = FlexTask(tier, data["train"], data["validation"], network, task=is_task, store=store, start=start)
        identity = {"name": str(name), "seed": seed, "schedule": asdict(schedule), "config": tier.config.to_dict()}
        trade_off = tier.trade_off if is_task else 0.0
        identity |= {"snr_db": list(SNRS), "trade_off": trade_off, "judge": tier.judge} | _rehearsal_mark(rehearse)
        if not fit(task, schedule, folder, seed=seed, identity=identity, accelerator=accelerator, **options):
            return False
        measured = task.validate(task.model)
        _finish(folder, task.model, identity | {"validation": measured}, accelerator)
    return True


def _rehearsal_mark(rehearse: int) -> dict[str, int]:
    return {"rehearsal": rehearse} if rehearse else {}


def needs_judge(name: ModelName) -> bool:
    """Whether a network's training needs the tier's judge: for its loss or its ROI maps."""
    return name.stage == "task" or name.architecture == "deepjscc_wz_roi"


def rec_twin(name: ModelName) -> ModelName:
    """The ``rec`` network that a ``task`` network starts from."""
    return name.at_stage("rec")


def _twin_weights(name: ModelName, runs: Path) -> Path | None:
    if name.stage == "rec":
        return None
    twin = runs / str(rec_twin(name))
    if not finished(twin):
        raise MissingRun(f"{name} starts from {twin.name}: run `python -m training train {twin.name}` first")
    return twin / WEIGHTS
