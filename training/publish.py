"""Publish finished runs into the zoo: a checkpoint folder each, and its entry in the registry, atomically."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from filelock import FileLock
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from training.loop import write_atomically
from training.runs import RECORD, WEIGHTS, MissingRun, finished
from wzroi.config import ModelName
from zoo import card
from zoo.checkpoint import (
    CARD,
    CONFIG,
    FILES,
    GOLDEN,
    Description,
    Network,
    NetworkKind,
    build,
    check_tensors,
    digest,
    half_weights,
    network_from,
    read_config,
)
from zoo.checkpoint import WEIGHTS as PUBLISHED
from zoo.errors import ZooError
from zoo.golden import check_golden, make_golden
from zoo.registry import BUNDLED, Entry, FileRecord, Shelf, check_name, registry_text

RECORDED = ("seed", "commit", "torch", "python", "snr_db", "trade_off", "schedule", "recipe", "validation")
"""What of a run's record goes into the registry."""

MAX_FILE = 50 * 2**20
"""No file of a checkpoint may be larger: git has to carry it."""


def publish(run_folder: Path, checkpoints: Path = BUNDLED.folder, results: Path | None = None) -> Entry:
    """Make (or renew) the checkpoint of a finished run.

    The same weights give the same files: golden tensors are kept while the weights stay, so that publishing again only
    brings the card and the registry up to date with the results.

    Args:
        run_folder: ``runs/<name>`` with ``final.safetensors`` and ``run.json``.
        checkpoints: the shelf's folder. results: folder of ``<name>.json`` files from ``evaluate``; results of other
            weights than these are left out.

    Raises:
        MissingRun: when the run is not finished. ZooError: when its files are not what they should be.
    """
    record, weights = _read_run(run_folder)
    shelf = Shelf.at(checkpoints)
    shelf.folder.mkdir(parents=True, exist_ok=True)
    network, config_network = _network_of(record, weights, run_folder)
    run_sha256 = digest((run_folder / WEIGHTS).read_bytes())
    with FileLock(_lock_path(shelf)):
        entry, files = _assemble(record, network, config_network, shelf, results, run_sha256)
        _replace_folder(shelf.path(entry.name), files)
        entries = shelf.entries() | {entry.name: entry}
        _write_text(shelf.registry, registry_text(entries))
    return entry


def _write_text(path: Path, text: str) -> None:
    def write(partial: Path) -> None:
        partial.write_text(text)

    write_atomically(path, write)


def _lock_path(shelf: Shelf) -> Path:
    """One lock a shelf, outside of it: a shelf holds nothing but checkpoints and their registry."""
    return Path(tempfile.gettempdir()) / f"wzroi-publish-{digest(str(shelf.folder.resolve()).encode())[:16]}.lock"


def _read_run(folder: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    if not finished(folder):
        raise MissingRun(f"no finished run in {folder}: it needs {WEIGHTS} and {RECORD}; let the training end first")
    try:
        record = json.loads((folder / RECORD).read_text())
        weights = load_file(folder / WEIGHTS)
    except (ValueError, SafetensorError) as error:
        raise ZooError(f"{folder} is damaged ({error}): train it again") from error
    if record.get("name") != folder.name:
        raise ZooError(f"{folder / RECORD} belongs to {record.get('name')!r}: a run's folder bears its name")
    check_name(record["name"])
    return record, weights


def _network_of(record: dict[str, Any], weights: dict[str, Tensor], folder: Path) -> tuple[Network, NetworkKind]:
    kind: NetworkKind = "judge" if "recipe" in record else "link"
    values = record["recipe"]["config"] if kind == "judge" else record["config"]
    config = read_config(kind, values, str(folder / RECORD))
    check_tensors(config, weights, str(folder / WEIGHTS))
    network = build(config)
    network.load_state_dict(weights, strict=True)
    return network.eval(), kind


def _assemble(
    record: dict[str, Any], network: Network, kind: NetworkKind, shelf: Shelf, results: Path | None, run_sha256: str
) -> tuple[Entry, dict[str, bytes]]:
    name, blob = record["name"], half_weights(network)
    judge = record.get("judge") if kind == "link" else None
    described = Description(name, kind, network.config, judge, digest(blob))
    published = network_from(network.config, blob, name)
    files = {CONFIG: described.to_json().encode(), PUBLISHED: blob, GOLDEN: _golden(shelf, described, published)}
    measured = _own_results(card.read_results(results, name), {digest(blob), run_sha256})
    entry = Entry(
        name, kind, network.config, judge, _records(files), sum(p.numel() for p in network.parameters()),
        card.summary(measured), card.LICENCE, _origin(record, kind), _recorded(record) | {"run_sha256": run_sha256},
    )
    files[CARD] = card.card(entry, measured).encode()
    return replace(entry, files=_records(files)), files


def _golden(shelf: Shelf, described: Description, network: Network) -> bytes:
    """The golden file at hand when the weights are still the same and still give it, else a new one."""
    folder = shelf.path(described.name)
    try:
        old = Description.from_json((folder / CONFIG).read_bytes(), str(folder / CONFIG))
        kept = (folder / GOLDEN).read_bytes()
        if old == described and check_golden(network, kept, str(folder / GOLDEN)).passed:
            return kept
    except (OSError, ZooError):
        pass
    return make_golden(network)


def _own_results(results: dict[str, Any] | None, digests: set[str]) -> dict[str, Any] | None:
    """Results only when they were measured with these very weights: a retrained network has none yet."""
    return results if results is not None and results.get("weights_sha256") in digests else None


def _records(files: dict[str, bytes]) -> dict[str, FileRecord]:
    too_large = [name for name, blob in files.items() if len(blob) > MAX_FILE]
    if too_large:
        raise ZooError(f"{too_large[0]} would be larger than {MAX_FILE >> 20} MiB, too large for the repository")
    return {name: FileRecord(digest(files[name]), len(files[name])) for name in FILES if name in files}


def _origin(record: dict[str, Any], kind: NetworkKind) -> str:
    command = f"python -m training {'judge' if kind == 'judge' else 'train'} {record['name']}"
    seed, commit = record.get("seed", 0), record.get("commit", "unknown")
    return f"Trained by this project with `{command}`, seed {seed}, code {commit}."


def _recorded(record: dict[str, Any]) -> dict[str, Any]:
    return {key: record[key] for key in RECORDED if key in record}


def _replace_folder(folder: Path, files: dict[str, bytes]) -> None:
    """Write all files beside ``folder``, then swap: a kill leaves the old folder, the new one or none, no mixture."""
    if folder.is_dir() and all((folder / n).is_file() and (folder / n).read_bytes() == b for n, b in files.items()):
        return
    fresh, old = folder.with_name(f".{folder.name}.part"), folder.with_name(f".{folder.name}.old")
    for leftover in (fresh, old):
        shutil.rmtree(leftover, ignore_errors=True)
    fresh.mkdir(parents=True)
    for name, blob in files.items():
        with (fresh / name).open("wb") as handle:
            handle.write(blob)
            handle.flush()
            os.fsync(handle.fileno())
    if folder.exists():
        folder.rename(old)
    fresh.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def publishable(runs: Path) -> list[str]:
    """Names of the finished runs of a folder that belong into the zoo: repetitions with other seeds do not."""
    names = sorted(path.name for path in runs.iterdir() if finished(path)) if runs.is_dir() else []
    return [name for name in names if not _is_repetition(name)]


def _is_repetition(name: str) -> bool:
    try:
        return ModelName.parse(name).seed != 0
    except ValueError:
        return False


def publish_command(
    names: Annotated[list[str] | None, typer.Argument(help="Runs to publish (default: all finished ones).")] = None,
    runs: Annotated[Path, typer.Option(help="Folder of the runs.")] = Path("runs"),
    checkpoints: Annotated[Path, typer.Option(help="Folder of the checkpoints.")] = BUNDLED.folder,
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
