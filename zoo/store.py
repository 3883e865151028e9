"""Loading and saving networks: strict, safetensors only, every file checked against its sha256."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from wzroi.judge import Judge
from zoo.checkpoint import (
    CONFIG,
    FILES,
    GOLDEN,
    WEIGHTS,
    Description,
    Network,
    NetworkKind,
    digest,
    network_from,
    read_file,
)
from zoo.errors import ZooError
from zoo.golden import GoldenReport, check_golden
from zoo.rates import LinkNetwork
from zoo.registry import Entry, Shelf, default_shelf, select


def pick_device(device: torch.device | str = "auto") -> torch.device:
    """``auto`` is CUDA, else MPS, else the CPU; raises ZooError for a device that is not there."""
    if str(device) == "auto":
        has_mps = torch.backends.mps.is_available()
        return torch.device("cuda" if torch.cuda.is_available() else "mps" if has_mps else "cpu")
    try:
        chosen = torch.device(device)
        torch.empty(1, device=chosen)
    except (RuntimeError, AssertionError, ImportError) as error:
        raise ZooError(f"there is no device {str(device)!r} here: use auto or cpu") from error
    return chosen


def list_models(pattern: str = "*") -> list[str]:
    """Names of the link networks at hand that match a shell pattern, e.g. ``deepjscc_wz*``: of the shelf in use, then
    those that were pulled from ``$WZROI_REPO``."""
    return _at_hand(pattern, "link")


def list_judges(pattern: str = "*") -> list[str]:
    """Names of the judges at hand that match a shell pattern."""
    return _at_hand(pattern, "judge")


def _at_hand(pattern: str, network: NetworkKind) -> list[str]:
    names = select(pattern, network)
    for shelf in _pulled():
        names += [name for name in select(pattern, network, shelf) if name not in names and shelf.whole(name)]
    return names


def _pulled() -> list[Shelf]:
    """What was pulled from ``$WZROI_REPO``, the newest commit first; the Hub's client is imported only then."""
    if not os.environ.get("WZROI_REPO"):
        return []
    from zoo.hub import cached_shelves

    return cached_shelves()


def find(name: str) -> tuple[Shelf, Entry]:
    """Where a checkpoint lies: the shelf in use, else what was pulled from ``$WZROI_REPO``; nothing is downloaded.

    Raises:
        ZooError: when it is in neither; the message names the nearest and the command that pulls it.
    """
    shelf = default_shelf()
    if name in shelf.entries() or not os.environ.get("WZROI_REPO"):
        return shelf, shelf.entry(name)
    for pulled in _pulled():
        if name in pulled.entries() and pulled.whole(name):
            return pulled, pulled.entry(name)
    raise ZooError(f"no checkpoint {name!r} at hand: `python -m zoo pull {name}` fetches it, if $WZROI_REPO has it")


def describe(name: str) -> Entry:
    """The registry's entry of a checkpoint; raises ZooError for an unknown name."""
    return find(name)[1]


_DIGESTS: dict[tuple[str, int, int, int], str] = {}
"""sha256 by path, modification time, size and inode: a file is hashed once a process while it stays as it is."""


def _digest_of(path: Path, blob: bytes) -> str:
    status = path.stat()
    key = (str(path), status.st_mtime_ns, status.st_size, status.st_ino)
    if key not in _DIGESTS or status.st_size != len(blob):
        _DIGESTS[key] = digest(blob)
    return _DIGESTS[key]


def checked_file(shelf: Shelf, entry: Entry, name: str) -> bytes:
    """Bytes of one of a checkpoint's files, equal to the registry's sha256 (hashed once a process, while unchanged).

    Raises:
        ZooError: when the file is missing or is not the published one.
    """
    folder = shelf.path(entry.name)
    blob = read_file(folder, name, boundary=shelf.boundary)
    found = _digest_of(folder / name, blob)
    if found != entry.files[name].sha256:
        raise ZooError(
            f"{folder / name} is not the published file (its sha256 is {found[:12]}, the registry's "
            f"{entry.files[name].sha256[:12]}): restore it (git checkout, or pull the checkpoint again)"
        )
    return blob


def load_from(shelf: Shelf, name: str, device: torch.device | str = "auto") -> Network:
    """A network of a shelf: files checked against the registry, config against its entry, tensors against config."""
    entry = shelf.entry(name)
    folder = shelf.path(name)
    description = Description.from_json(checked_file(shelf, entry, CONFIG), str(folder / CONFIG))
    if (description.name, description.config) != (name, entry.config):
        raise ZooError(f"{folder / CONFIG} describes {description.name}, not the registry's {name}: publish it again")
    blob = checked_file(shelf, entry, WEIGHTS)
    return network_from(entry.config, blob, str(folder / WEIGHTS), pick_device(device))


def load(name: str, device: torch.device | str = "auto") -> LinkNetwork:
    """A link network by name: fp32, frozen, in eval mode, on ``device`` (``auto``: CUDA, MPS or CPU).

    Raises:
        ZooError: for an unknown name, a judge's name, or a missing or altered file.
    """
    network = load_from(find(name)[0], name, device)
    if isinstance(network, Judge):
        raise ZooError(f"{name} is a judge: use zoo.load_judge({name!r})")
    return network


def load_judge(name: str, device: torch.device | str = "auto") -> Judge:
    """A judge by name: fp32, frozen, in eval mode; raises ZooError as ``load`` does."""
    network = load_from(find(name)[0], name, device)
    if not isinstance(network, Judge):
        raise ZooError(f"{name} is a link network: use zoo.load({name!r})")
    return network


def verify(name: str, device: torch.device | str = "cpu", shelf: Shelf | None = None) -> GoldenReport:
    """Check every file of a checkpoint against the registry, then its golden tensors on ``device``.

    Raises:
        ZooError: for a file that is missing or altered. A golden failure is in the report, not raised.
    """
    shelf = shelf or find(name)[0]
    entry = shelf.entry(name)
    blobs = {file: checked_file(shelf, entry, file) for file in FILES}
    network = load_from(shelf, name, device)
    return check_golden(network, blobs[GOLDEN], str(shelf.path(name) / GOLDEN))
