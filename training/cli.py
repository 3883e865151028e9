"""The commands of ``python -m training``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import torch
import typer

from training.baselines.analog import baselines_command
from training.baselines.digital import digital_command
from training.baselines.ldpc import link_command
from training.evaluation.ablation import ablation_command
from training.evaluation.benchmark import benchmark_command
from training.evaluation.evaluate import evaluate_command
from training.evaluation.learning_curve import curve_command
from training.fit.campaign import campaign_command
from training.fit.import_checkpoint import import_command
from training.fit.loop import LOG_EVERY, BatchError, ResumeError
from training.fit.publish import publish_command
from training.fit.runs import BusyRun, MissingRun, train_flex, train_judge, train_link
from training.fit.stop_signal import BUSY, STOPPED, StopSignal
from training.recipes import JUDGES, RECIPES, SAVE_EVERY_S, STANDARD
from training.reports.tables import tables_command
from wzroi.config import ConfigError
from wzroi.data import DataError, default_root, download
from wzroi.names import ModelName

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Train, evaluate and publish the zoo's networks.")

Runs = Annotated[Path, typer.Option(help="Folder of the runs; existing runs are resumed.")]
Root = Annotated[Path | None, typer.Option(help="Folder that holds cifar-10-batches-py (default: $WZROI_DATA).")]
Cpu = Annotated[bool, typer.Option("--cpu", help="Train on the CPU even where there is a GPU.")]
Threads = Annotated[int, typer.Option(help="CPU threads; 0 leaves torch's default.")]
Compile = Annotated[bool | None, typer.Option(help="Compile the step (default: on CUDA only).")]
Steps = Annotated[int | None, typer.Option(help="Stop after this step of the schedule.")]
Rehearse = Annotated[int, typer.Option(help="Rehearse without data: train on this many generated pictures.")]
RehearseEpochs = Annotated[float, typer.Option(help="Passes of a rehearsal (default: the recipe's).", min=0)]
Recipe = Annotated[str, typer.Option(help=f"{', '.join(RECIPES)}: rows of training/recipes.py.")]
SaveEvery = Annotated[float, typer.Option(help="Seconds between saved states: the most that an interruption can lose.")]
LogEvery = Annotated[int, typer.Option(help="Steps between log lines, at most an epoch.", min=1)]
Parent = Annotated[
    int | None, typer.Option(help="Save and stop once the process with this id is no longer the parent.")
]

TRAINING_ERRORS = (BatchError, BusyRun, ConfigError, DataError, MissingRun, ResumeError)


def _options(threads: int, compiled: bool | None, **others: Any) -> dict[str, Any]:
    if threads:
        torch.set_num_threads(threads)
    return {"compiled": torch.cuda.is_available() if compiled is None else compiled, **others}


def _fail(error: Exception) -> typer.Exit:
    typer.secho(f"error: {error}", err=True, fg="red")
    return typer.Exit(BUSY if isinstance(error, BusyRun) else 2)


def _end(stop: StopSignal) -> None:
    if stop():
        typer.secho("stopped, state saved: run the same command to continue", err=True)
        raise typer.Exit(STOPPED)


@app.command()
def judge(
    name: Annotated[str, typer.Argument(help="resnet50.cifar10 or resnet_lite.cifar10")],
    runs: Runs = Path("runs"), root: Root = None, seed: int = 0, cpu: Cpu = False, threads: Threads = 0,
    compiled: Compile = None, max_steps: Steps = None, save_every: SaveEvery = SAVE_EVERY_S, rehearse: Rehearse = 0,
    rehearse_epochs: RehearseEpochs = 0.0, log_every: LogEvery = LOG_EVERY, parent: Parent = None,
) -> None:
    """Train a judge on clean images and side views."""
    if name not in JUDGES:
        raise _fail(ConfigError(f"unknown judge {name!r}; choose one of {', '.join(JUDGES)}"))
    options = _options(threads, compiled, max_steps=max_steps, save_every_s=save_every, log_every=log_every)
    with StopSignal(parent) as stop:
        try:
            options |= {"rehearse": rehearse, "rehearse_epochs": rehearse_epochs}
            train_judge(name, runs, root, seed=seed, cpu=cpu, stop=stop, **options)
        except TRAINING_ERRORS as error:
            raise _fail(error) from error
        _end(stop)


@app.command()
def train(
    names: Annotated[list[str], typer.Argument(help="e.g. deepjscc_wz_roi.rec_r16_lite; several are trained in turn")],
    runs: Runs = Path("runs"), root: Root = None, cpu: Cpu = False, threads: Threads = 0,
    compiled: Compile = None, max_steps: Steps = None, save_every: SaveEvery = SAVE_EVERY_S, rehearse: Rehearse = 0,
    rehearse_epochs: RehearseEpochs = 0.0, log_every: LogEvery = LOG_EVERY, parent: Parent = None,
    recipe: Recipe = STANDARD,
) -> None:
    """Train link networks: Algorithm 1 for rec names, Algorithm 2 for task names."""
    options = _options(threads, compiled, max_steps=max_steps, save_every_s=save_every, log_every=log_every)
    options |= {"rehearse": rehearse, "rehearse_epochs": rehearse_epochs, "recipe": recipe}
    with StopSignal(parent) as stop:
        try:
            for name in [ModelName.parse(text) for text in names]:
                start = train_flex if name.flexible else train_link
                start(name, runs, root, cpu=cpu, stop=stop, **options)
                torch.compiler.reset()
                _end(stop)
        except TRAINING_ERRORS as error:
            raise _fail(error) from error


app.command("campaign")(campaign_command)


@app.command()
def data(root: Root = None) -> None:
    """Download CIFAR-10 with torchvision (170 MB), unless it is already there."""
    try:
        folder = root or default_root()
    except DataError as error:
        raise _fail(error) from error
    try:
        download(folder)
    except (OSError, RuntimeError) as error:
        message = f"CIFAR-10 could not be downloaded into {folder} ({error}): check the network"
        raise _fail(RuntimeError(message)) from error
    typer.echo(f"CIFAR-10 is in {folder}")


app.command("publish")(publish_command)
app.command("adopt")(import_command)
app.command("evaluate")(evaluate_command)
app.command("baselines")(baselines_command)
app.command("digital")(digital_command)
app.command("link")(link_command)
app.command("study")(ablation_command)
app.command("curve")(curve_command)
app.command("bench")(benchmark_command)
app.command("tables")(tables_command)
