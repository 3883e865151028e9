"""Folders as shelves: which one is in use, and what a user's folder may be.

Taken are a folder with ``registry.json`` (made by publish or pull); a checkout, its ``zoo`` or its ``zoo/checkpoints``;
a checkpoint's own folder, as ``save_pretrained`` writes it; and a folder of such folders.
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
from zoo.store.registry import BUNDLED, REGISTRY, Entry, FileRecord, Shelf, check_name

VARIABLE = "WZROI_ZOO"
CHECKPOINTS = "checkpoints"


def default_shelf() -> Shelf:
    """The shelf in use: ``$WZROI_ZOO`` when set, else the bundled one.

    Raises:
        ZooError: when ``$WZROI_ZOO`` names no folder of checkpoints, or the installed package lacks its own.
    """
    named = os.environ.get(VARIABLE)
    if not named:
        need(BUNDLED.registry)
        return BUNDLED
    shelf = with_judges(find_shelf(expanded(named)))
    if shelf is None:
        raise ZooError(
            f"{VARIABLE}={named} has no {REGISTRY} and no checkpoints: name a folder made by publish or pull, a "
            "checkout, or one that save_pretrained wrote; or unset it"
        )
    return shelf


def with_judges(shelf: Shelf | None) -> Shelf | None:
    """A shelf without a registry, and the bundled judges beside what it holds: a user's own networks need one."""
    if shelf is None or shelf.loose is None:
        return shelf
    judges = {name: (BUNDLED.path(name), entry) for name, entry in BUNDLED.entries().items()
              if entry.network == "judge" and BUNDLED.holds(name)}  # fmt: skip
    return replace(shelf, loose={**judges, **shelf.loose})


def find_shelf(folder: Path) -> Shelf | None:
    """The shelf that a folder is, by the kinds above; ``None`` where it is none."""
    candidates = [(folder / CHECKPOINTS, folder), (folder / "zoo" / CHECKPOINTS, folder / "zoo")]
    if folder.name == CHECKPOINTS:
        candidates.append((folder, folder.parent))
    if (folder / REGISTRY).is_file() and not (folder / CHECKPOINTS).is_dir():
        return Shelf.at(folder)
    for checkpoints, home in candidates:
        if checkpoints.is_dir() and (home / REGISTRY).is_file():
            same = checkpoints.resolve() == BUNDLED.folder
            return BUNDLED if same else Shelf(checkpoints, home / REGISTRY, origin=str(folder))
    return _loose(folder)


def _loose(folder: Path) -> Shelf | None:
    """A shelf without a registry: a checkpoint's own folder, or a folder that holds some."""
    if not folder.is_dir():
        return None
    places = [folder] if (folder / CONFIG).is_file() else sorted(p.parent for p in folder.glob(f"*/{CONFIG}"))
    found = {entry.name: (place, entry) for place in places for entry in [_entry(place, _stamp(place))]}
    return Shelf(folder, folder / REGISTRY, origin=str(folder), loose=found) if found else None


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
