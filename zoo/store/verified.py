"""A store's files, each verified against its sha256 in the registry, and the networks they contain."""

from __future__ import annotations

from pathlib import Path

import torch

from zoo.errors import ZooError
from zoo.store.checkpoint import (
    CONFIG,
    FILES,
    GOLDEN,
    WEIGHTS,
    Description,
    Network,
    digest,
    network_from,
    read_file,
)
from zoo.store.golden import GoldenReport, check_golden
from zoo.store.registry import CheckpointStore, Entry


def pick_device(device: torch.device | str = "auto") -> torch.device:
    """``auto`` is CUDA, else MPS, else the CPU; raises ZooError for a device that is not available."""
    if str(device) == "auto":
        has_mps = torch.backends.mps.is_available()
        return torch.device("cuda" if torch.cuda.is_available() else "mps" if has_mps else "cpu")
    try:
        chosen = torch.device(device)
        torch.empty(1, device=chosen)
    except (RuntimeError, AssertionError, ImportError) as error:
        raise ZooError(f"the device {str(device)!r} is not available: use auto or cpu") from error
    return chosen


_DIGESTS: dict[tuple[str, int, int, int], str] = {}
"""sha256 by path, modification time, size and inode: a file is hashed once per process unless it changes."""


def _digest_of(path: Path, blob: bytes) -> str:
    status = path.stat()
    key = (str(path), status.st_mtime_ns, status.st_size, status.st_ino)
    if key not in _DIGESTS or status.st_size != len(blob):
        _DIGESTS[key] = digest(blob)
    return _DIGESTS[key]


def absent(name: str) -> str:
    """The error message for a checkpoint that is in a registry but whose files are not here."""
    return (
        f"{name} is in the registry, but its files are not here (large networks are not part of the package): fetch "
        f"them with `python -m zoo pull {name} --repo USER/NAME` and set WZROI_REPO=USER/NAME, or use a checkout"
    )


def checked_file(store: CheckpointStore, entry: Entry, name: str) -> bytes:
    """Bytes of one of a checkpoint's files, verified against the registry's sha256 (hashed once per process).

    Raises:
        ZooError: if the file is missing or is not the published one.
    """
    folder = store.path(entry.name)
    if not folder.is_dir():
        raise ZooError(absent(entry.name))
    blob = read_file(folder, name, boundary=store.boundary)
    found = _digest_of(folder / name, blob)
    if found != entry.files[name].sha256:
        raise ZooError(
            f"{folder / name} is not the published file (its sha256 is {found[:12]}, the registry's "
            f"{entry.files[name].sha256[:12]}): restore it (git checkout, or pull the checkpoint again)"
        )
    return blob


def load_from(store: CheckpointStore, name: str, device: torch.device | str = "auto") -> Network:
    """A network of a store: files checked against the registry, config against its entry, tensors against config."""
    entry = store.entry(name)
    folder = store.path(name)
    description = Description.from_json(checked_file(store, entry, CONFIG), str(folder / CONFIG))
    if (description.name, description.config) != (name, entry.config):
        raise ZooError(f"{folder / CONFIG} describes {description.name}, not the registry's {name}: publish it again")
    blob = checked_file(store, entry, WEIGHTS)
    return network_from(entry.config, blob, str(folder / WEIGHTS), pick_device(device))


def verify_in(store: CheckpointStore, name: str, device: torch.device | str = "cpu") -> GoldenReport:
    """Check every file of a store's checkpoint against the registry, then its golden tensors on ``device``.

    Raises:
        ZooError: for a file that is missing or altered. A golden failure is reported, not raised.
    """
    entry = store.entry(name)
    blobs = {file: checked_file(store, entry, file) for file in FILES}
    network = load_from(store, name, device)
    return check_golden(network, blobs[GOLDEN], str(store.path(name) / GOLDEN))
