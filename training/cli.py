"""The commands of ``python -m training``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import torch
import typer

from training.publish import publish_command
from training.recipes import JUDGES
from training.runs import MissingRun, train_judge, train_link
from wzroi.config import ConfigError, ModelName
from wzroi.data import DataError, default_root, download

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Train, evaluate and publish the zoo's networks.")

Runs = Annotated[Path, typer.Option(help="Folder of the runs; resumed when it holds one.")]
Root = Annotated[Path | None, typer.Option(help="Folder that holds cifar-10-batches-py (default: $WZROI_DATA).")]
Cpu = Annotated[bool, typer.Option("--cpu", help="Train on the CPU even where there is a GPU.")]
Threads = Annotated[int, typer.Option(help="CPU threads; 0 leaves torch's default.")]
Compile = Annotated[bool | None, typer.Option(help="Compile the step (default: on CUDA only).")]
Steps = Annotated[int | None, typer.Option(help="Stop after this step of the schedule.")]


def _options(threads: int, compiled: bool | None, steps: int | None) -> dict[str, object]:
    if threads:
        torch.set_num_threads(threads)
    return {"compiled": torch.cuda.is_available() if compiled is None else compiled, "max_steps": steps}


def _fail(error: Exception) -> typer.Exit:
    typer.secho(f"error: {error}", err=True, fg="red")
    return typer.Exit(2)


@app.command()
def judge(
    name: Annotated[str, typer.Argument(help="resnet50.cifar10 or resnet_lite.cifar10")],
    runs: Runs = Path("runs"), root: Root = None, seed: int = 0, cpu: Cpu = False, threads: Threads = 0,
    compiled: Compile = None, max_steps: Steps = None,
) -> None:
    """Train a judge on clean images and side views."""
    if name not in JUDGES:
        raise _fail(ConfigError(f"unknown judge {name!r}; there are {', '.join(JUDGES)}"))
    try:
        train_judge(name, runs, root, seed=seed, cpu=cpu, **_options(threads, compiled, max_steps))
    except (DataError, MissingRun, RuntimeError) as error:
        raise _fail(error) from error


@app.command()
def train(
    names: Annotated[list[str], typer.Argument(help="e.g. deepjscc_wz_roi.rec_r16_lite; several train in turn")],
    runs: Runs = Path("runs"), root: Root = None, cpu: Cpu = False, threads: Threads = 0,
    compiled: Compile = None, max_steps: Steps = None,
) -> None:
    """Train link networks: Algorithm 1 for rec names, Algorithm 2 for task names."""
    try:
        for name in [ModelName.parse(text) for text in names]:
            train_link(name, runs, root, cpu=cpu, **_options(threads, compiled, max_steps))
            torch.compiler.reset()
    except (ConfigError, DataError, MissingRun) as error:
        raise _fail(error) from error


@app.command()
def data(root: Root = None) -> None:
    """Fetch CIFAR-10 through torchvision (170 MB), unless it is there."""
    folder = root or default_root()
    try:
        download(folder)
    except (OSError, RuntimeError) as error:
        raise _fail(RuntimeError(f"CIFAR-10 could not be fetched into {folder} ({error}): check the network")) from error
    typer.echo(f"CIFAR-10 is in {folder}")


app.command("publish")(publish_command)
