"""Publish finished runs into the zoo: a checkpoint folder each, and its entry in the registry, atomically."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer
from filelock import FileLock
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from training.fit.runs import RECORD, WEIGHTS, MissingRun, finished
from wzroi.names import ModelName
from zoo.errors import ZooError
from zoo.paths import checkout
from zoo.store.card import read_results
from zoo.store.checkpoint import Network, NetworkKind, build, digest, fill, read_config
from zoo.store.registry import BUNDLED, CheckpointStore, Entry, check_name, registry_text
from zoo.store.writing import assemble, write_file, write_folder

RECORDED = ("seed", "commit", "torch", "python", "snr_db", "trade_off", "schedule", "recipe",
            "recipe_name", "rehearsal", "validation", "received", "wall_s", "core_s",
            "device", "threads")
"""Fields of a run's record that go into the registry."""

OWN_STORE = BUNDLED.folder if checkout() else Path("checkpoints")
"""Where networks are published: the checkout's zoo; for an installed package, a folder for ``$WZROI_ZOO``."""


def publish(run_folder: Path, checkpoints: Path = OWN_STORE, results: Path | None = None) -> Entry:
    """Create (or renew) the checkpoint of a finished run.

    The same weights give the same files: golden tensors are kept while the weights stay, so that publishing again only
    brings the card and the registry up to date with the results.

    Args:
        run_folder: ``runs/<name>`` with ``final.safetensors`` and ``run.json``.
        checkpoints: the store's folder. results: folder of ``<name>.json`` files from ``evaluate``; results of other
            weights than these are left out.

    Raises:
        MissingRun: when the run is not finished. ZooError: when its files are not what they should be.
    """
    record, weights = _read_run(run_folder)
    network, kind = _network_of(record, weights, run_folder)
    name, store = record["name"], CheckpointStore.at(checkpoints)
    store.folder.mkdir(parents=True, exist_ok=True)
    training = {key: record[key] for key in RECORDED if key in record}
    training["run_sha256"] = record.get("run_sha256") or digest((run_folder / WEIGHTS).read_bytes())  # or adopted
    with FileLock(_lock_path(store)):
        entry, files = assemble(
            network, name, judge=record.get("judge") if kind == "link" else None, origin=_origin(record, kind),
            training=training, results=read_results(results, name), folder=results, old=store.path(name),
        )
        write_folder(store.path(name), files)
        write_file(store.registry, registry_text(store.entries() | {name: entry}).encode())
    return entry


def _lock_path(store: CheckpointStore) -> Path:
    """One lock per store, outside of it, because a store contains only checkpoints and their registry."""
    return Path(tempfile.gettempdir()) / f"wzroi-publish-{digest(str(store.folder.resolve()).encode())[:16]}.lock"


def _read_run(folder: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    if not finished(folder):
        raise MissingRun(f"no finished run in {folder}: it needs {WEIGHTS} and {RECORD}; finish the training first")
    try:
        record = json.loads((folder / RECORD).read_text())
        weights = load_file(folder / WEIGHTS)
    except (ValueError, SafetensorError) as error:
        raise ZooError(f"{folder} is damaged ({error}): train it again") from error
    if record.get("name") != folder.name:
        raise ZooError(f"{folder / RECORD} belongs to {record.get('name')!r}: a run's folder must have its name")
    check_name(record["name"])
    return record, weights


def _network_of(record: dict[str, Any], weights: dict[str, Tensor], folder: Path) -> tuple[Network, NetworkKind]:
    kind: NetworkKind = "judge" if "recipe" in record else "link"
    values = record["recipe"]["config"] if kind == "judge" else record["config"]
    config = read_config(kind, values, str(folder / RECORD))
    return fill(build(config), weights, str(folder / WEIGHTS)), kind


def _origin(record: dict[str, Any], kind: NetworkKind) -> str:
    command = f"python -m training {'judge' if kind == 'judge' else 'train'} {record['name']}"
    seed, commit = record.get("seed", 0), record.get("commit", "unknown")
    return f"Trained by this project with `{command}`, seed {seed}, code {commit}."


def publishable(runs: Path) -> list[str]:
    """Names of the finished runs of a folder that belong into the zoo: those that exist as results only do not."""
    names = sorted(path.name for path in runs.iterdir() if finished(path)) if runs.is_dir() else []
    return [name for name in names if not _is_control(name)]


def _is_control(name: str) -> bool:
    try:
        return ModelName.parse(name).control
    except ValueError:
        return False


def publish_command(
    names: Annotated[list[str] | None, typer.Argument(help="Runs to publish (default: all finished ones).")] = None,
    runs: Annotated[Path, typer.Option(help="Folder of the runs.")] = Path("runs"),
    checkpoints: Annotated[Path, typer.Option(help="Folder of the checkpoints.")] = OWN_STORE,
    results: Annotated[Path, typer.Option(help="Folder of the results files.")] = Path("assets/results"),
) -> None:
    """Publish finished runs into the zoo: weights in half precision, golden tensors, model card, registry entry."""
    chosen = names or publishable(runs)
    if not chosen:
        typer.secho(f"error: no finished run in {runs}: train one first, or name another folder", err=True, fg="red")
        raise typer.Exit(2)
    for name in chosen:
        try:
            entry = publish(runs / check_name(name), checkpoints, results)
        except (MissingRun, ZooError) as error:
            typer.secho(f"error: {error}", err=True, fg="red")
            raise typer.Exit(2) from error
        figures = ", ".join(f"{key} {value:.4g}" for key, value in entry.metrics.items() if not key.endswith("_ci95"))
        typer.echo(f"{entry.name}: {entry.size / 1024:.0f} KiB, {figures or 'no test results yet'}")
