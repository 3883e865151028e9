"""Creating a checkpoint folder from a network: the four files, the registry entry, and atomic writing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from zoo.errors import ZooError
from zoo.store import card
from zoo.store.checkpoint import (
    CARD,
    CONFIG,
    FILES,
    GOLDEN,
    WEIGHTS,
    Description,
    Network,
    digest,
    half_weights,
    is_judge,
    network_from,
)
from zoo.store.golden import check_golden, make_golden
from zoo.store.registry import Entry, FileRecord, check_name

MAX_FILE = 50 * 2**20
"""Size limit of a checkpoint's files, because they are kept in git."""


def assemble(
    network: Network,
    name: str,
    *,
    judge: str | None = None,
    origin: str,
    training: Mapping[str, Any] | None = None,
    results: Mapping[str, Any] | None = None,
    folder: Path | None = None,
    old: Path | None = None,
) -> tuple[Entry, dict[str, bytes]]:
    """The files of a checkpoint, and its registry entry.

    Args:
        judge: name of a link network's judge. origin, training: as in ``Entry``.
        results: the network's results on the test set; those of other weights are ignored.
        folder: of all results files; the card compares the network with others.
        old: folder of the existing checkpoint; its config and golden tensors are kept if the weights are the same.

    Raises:
        ZooError: for an invalid name, weights beyond half precision, or a file too large for git.
    """
    blob = half_weights(network)
    link = not is_judge(network)
    described = Description(check_name(name), "link" if link else "judge", network.config, judge, digest(blob))
    golden = _golden(described, network_from(network.config, blob, name), old)
    files = {CONFIG: _config(described, old), WEIGHTS: blob, GOLDEN: golden}
    entry = Entry(
        name, described.network, network.config, judge, {}, sum(p.numel() for p in network.parameters()),
        {}, card.LICENCE, origin, dict(training or {}),
    )
    entry = replace(entry, files=_records(files))
    measured = results if measures(results, entry) else None
    entry = replace(entry, metrics=card.summary(measured))
    files[CARD] = card.card(entry, measured, folder).encode()
    return replace(entry, files=_records(files)), files


def measures(results: Mapping[str, Any] | None, entry: Entry) -> bool:
    """Whether results were measured with exactly an entry's weights, as published or as trained."""
    known = {entry.sha256, entry.training.get("run_sha256")}
    return results is not None and results.get("weights_sha256") in known - {None}


def _config(described: Description, old: Path | None) -> bytes:
    """The old ``config.json`` if it says the same, so that its sha256 stays whatever its format left out."""
    try:
        kept = (old / CONFIG).read_bytes() if old is not None else b""
        if kept and Description.from_json(kept, CONFIG) == described:
            return kept
    except (OSError, ZooError):
        pass  # a damaged folder is fixed by publishing again
    return described.to_json().encode()


def _golden(described: Description, network: Network, old: Path | None) -> bytes:
    """The old golden file if the weights are the same and still reproduce it, else a new one."""
    if old is not None and (old / CONFIG).is_file():
        try:
            before = Description.from_json((old / CONFIG).read_bytes(), str(old / CONFIG))
            kept = (old / GOLDEN).read_bytes()
            if before == described and check_golden(network, kept, str(old / GOLDEN)).passed:
                return kept
        except (OSError, ZooError):
            pass  # a damaged folder is fixed by publishing again
    return make_golden(network)


def _records(files: Mapping[str, bytes]) -> dict[str, FileRecord]:
    if too_large := [name for name, blob in files.items() if len(blob) > MAX_FILE]:
        raise ZooError(f"{too_large[0]} would be larger than {MAX_FILE >> 20} MiB, too large for the repository")
    return {name: FileRecord(digest(files[name]), len(files[name])) for name in FILES if name in files}


def write_file(path: Path, blob: bytes) -> None:
    """Write beside ``path``, sync, then replace it: an interruption leaves the old file or the new one."""
    partial = path.with_name(f".{path.name}.part")
    try:
        with partial.open("wb") as handle:
            handle.write(blob)
            handle.flush()
            os.fsync(handle.fileno())
        partial.replace(path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise


def write_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write all files beside ``folder``, then swap: an interruption leaves the old folder, the new one or none.

    Raises:
        ZooError: if the folder contains anything else than a checkpoint, which the swap would delete.
    """
    foreign = sorted(path.name for path in folder.iterdir() if path.name not in FILES) if folder.is_dir() else []
    if foreign or (folder.exists() and not folder.is_dir()):
        what = foreign[0] if foreign else "a file"
        raise ZooError(f"{folder} contains {what}, which is not part of a checkpoint: name a new folder")
    if folder.is_dir() and all((folder / n).is_file() and (folder / n).read_bytes() == b for n, b in files.items()):
        return
    fresh, old = folder.with_name(f".{folder.name}.part"), folder.with_name(f".{folder.name}.old")
    for leftover in (fresh, old):
        shutil.rmtree(leftover, ignore_errors=True)
    fresh.mkdir(parents=True)
    for name, blob in files.items():
        write_file(fresh / name, blob)
    if folder.exists():
        folder.rename(old)
    fresh.rename(folder)
    shutil.rmtree(old, ignore_errors=True)
