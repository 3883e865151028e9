"""Networks by name, from the active store or pulled from the Hub; loading is strict and checks every file's sha256."""

from __future__ import annotations

import os

import torch

from wzroi.judge import Judge
from wzroi.networks.base import LinkNetwork
from zoo.errors import ZooError
from zoo.store.checkpoint import NetworkKind, is_judge
from zoo.store.golden import GoldenReport
from zoo.store.registry import CheckpointStore, Entry, default_store, select
from zoo.store.verified import load_from, verify_in


def list_models(pattern: str = "*") -> list[str]:
    """Names of the available link networks that match a shell pattern, e.g. ``deepjscc_wz*``.

    Those of the active store come first, then those pulled from ``$WZROI_REPO``."""
    return _available(pattern, "link")


def list_judges(pattern: str = "*") -> list[str]:
    """Names of the available judges that match a shell pattern."""
    return _available(pattern, "judge")


def _available(pattern: str, network: NetworkKind) -> list[str]:
    names = select(pattern, network)
    for store in _pulled():
        names += [name for name in select(pattern, network, store) if name not in names and store.whole(name)]
    return names


def _pulled() -> list[CheckpointStore]:
    """What was pulled from ``$WZROI_REPO``, the newest commit first; only this imports the Hub client."""
    if not os.environ.get("WZROI_REPO"):
        return []
    from zoo.hub import cached_stores

    return cached_stores()


def find(name: str) -> tuple[CheckpointStore, Entry]:
    """Find a checkpoint in the active store, else in what was pulled from ``$WZROI_REPO``; nothing is downloaded.

    Raises:
        ZooError: if it is in neither; the message suggests similar names or the command that pulls it.
    """
    store = default_store()
    if name in store.entries() or not os.environ.get("WZROI_REPO"):
        return store, store.entry(name)
    for pulled in _pulled():
        if name in pulled.entries() and pulled.whole(name):
            return pulled, pulled.entry(name)
    raise ZooError(f"{name!r} is not available: `python -m zoo pull {name}` downloads it if $WZROI_REPO has it")


def describe(name: str) -> Entry:
    """The registry's entry of a checkpoint; raises ZooError for an unknown name."""
    return find(name)[1]


def load(name: str, device: torch.device | str = "auto") -> LinkNetwork:
    """A link network by name: fp32, frozen, in eval mode, on ``device`` (``auto``: CUDA, MPS or CPU).

    Raises:
        ZooError: for an unknown name, a judge's name, or a missing or altered file.
    """
    network = load_from(find(name)[0], name, device)
    if is_judge(network):
        raise ZooError(f"{name} is a judge: use zoo.load_judge({name!r})")
    return network


def load_judge(name: str, device: torch.device | str = "auto") -> Judge:
    """A judge by name: fp32, frozen, in eval mode; raises ZooError as ``load`` does."""
    network = load_from(find(name)[0], name, device)
    if not is_judge(network):
        raise ZooError(f"{name} is a link network: use zoo.load({name!r})")
    return network


def verify(name: str, device: torch.device | str = "cpu", store: CheckpointStore | None = None) -> GoldenReport:
    """Check every file of a checkpoint against the registry, then its golden tensors on ``device``.

    Raises:
        ZooError: for a file that is missing or altered. A golden failure is reported, not raised.
    """
    return verify_in(store or find(name)[0], name, device)
