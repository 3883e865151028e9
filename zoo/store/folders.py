"""The active store, and the kinds of folders that can be one.

These are: a folder with ``registry.json`` (made by publish or pull); a checkout, its ``zoo`` or its
``zoo/checkpoints``; a checkpoint's own folder, as ``save_pretrained`` writes it; and a folder of such folders.
"""

from __future__ import annotations

import functools
import os
from dataclasses import replace
from pathlib import Path

from zoo.environment import expanded
from zoo.errors import ZooError
from zoo.paths import need
from zoo.store.checkpoint import CONFIG, FILES, WEIGHTS, Description, build, digest, read_file
from zoo.store.registry import BUNDLED, REGISTRY, CheckpointStore, Entry, FileRecord, check_name

VARIABLE = "WZROI_ZOO"
CHECKPOINTS = "checkpoints"


def default_store() -> CheckpointStore:
    """The active store: ``$WZROI_ZOO`` if set, else the bundled one.

    Raises:
        ZooError: if ``$WZROI_ZOO`` does not name a folder of checkpoints, or the installed package lacks its own.
    """
    named = os.environ.get(VARIABLE)
    if not named:
        need(BUNDLED.registry)
        return BUNDLED
    store = with_judges(find_store(expanded(named)))
    if store is None:
        raise ZooError(
            f"{VARIABLE}={named} has no {REGISTRY} and no checkpoints: name a folder made by publish or pull, a "
            "checkout, or one that save_pretrained wrote; or unset it"
        )
    return store


def with_judges(store: CheckpointStore | None) -> CheckpointStore | None:
    """Add the bundled judges to a store without a registry: a user's own networks need one."""
    if store is None or store.loose is None:
        return store
    judges = {name: (BUNDLED.path(name), entry) for name, entry in BUNDLED.entries().items()
              if entry.network == "judge" and BUNDLED.holds(name)}  # fmt: skip
    return replace(store, loose={**judges, **store.loose})


def find_store(folder: Path) -> CheckpointStore | None:
    """The store in a folder of one of the kinds above; ``None`` if there is none."""
    candidates = [(folder / CHECKPOINTS, folder), (folder / "zoo" / CHECKPOINTS, folder / "zoo")]
    if folder.name == CHECKPOINTS:
        candidates.append((folder, folder.parent))
    if (folder / REGISTRY).is_file() and not (folder / CHECKPOINTS).is_dir():
        return CheckpointStore.at(folder)
    for checkpoints, home in candidates:
        if checkpoints.is_dir() and (home / REGISTRY).is_file():
            same = checkpoints.resolve() == BUNDLED.folder
            return BUNDLED if same else CheckpointStore(checkpoints, home / REGISTRY, origin=str(folder))
    return _loose(folder)


def _loose(folder: Path) -> CheckpointStore | None:
    """A store without a registry: a checkpoint's own folder, or a folder of such folders."""
    if not folder.is_dir():
        return None
    places = [folder] if (folder / CONFIG).is_file() else sorted(p.parent for p in folder.glob(f"*/{CONFIG}"))
    found = {entry.name: (place, entry) for place in places for entry in [_entry(place, _stamp(place))]}
    return CheckpointStore(folder, folder / REGISTRY, origin=str(folder), loose=found) if found else None


def _stamp(folder: Path) -> tuple[tuple[int, int], ...]:
    states = [path.stat() for path in (folder / file for file in FILES) if path.is_file()]
    return tuple((state.st_mtime_ns, state.st_size) for state in states)


@functools.lru_cache(maxsize=256)
def _entry(folder: Path, stamp: tuple[tuple[int, int], ...]) -> Entry:
    """What a checkpoint's own files say of it; its weights are held against ``config.json`` when they are loaded."""
    blobs = {file: read_file(folder, file) for file in FILES}
    where = str(folder / CONFIG)
    described = Description.from_json(blobs[CONFIG], where)
    if digest(blobs[WEIGHTS]) != described.sha256:
        raise ZooError(f"{folder}: the weights are not those that {where} was written for: save or fetch both again")
    records = {file: FileRecord(digest(blob), len(blob)) for file, blob in blobs.items()}
    parameters = sum(p.numel() for p in build(described.config).parameters())
    return Entry(
        check_name(described.name), described.network, described.config, described.judge, records, parameters, {},
        "mit", f"Read from {folder.name}, which no registry lists.",
    )  # fmt: skip
