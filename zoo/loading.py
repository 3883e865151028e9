"""Networks by name, from the active store or pulled from the Hub; loading is strict and checks every file's sha256."""

from __future__ import annotations

import os

import torch

from wzroi.judge import Judge
from wzroi.networks.base import LinkNetwork
from zoo.errors import ZooError
from zoo.store.checkpoint import NetworkKind, is_judge
from zoo.store.folders import default_store
from zoo.store.golden import GoldenReport
from zoo.store.registry import CheckpointStore, Entry, canonical, select
from zoo.store.verified import load_from, verify_in


def list_models(pattern: str = "*") -> list[str]:
    """Names of the available link networks that match a shell pattern, e.g. ``deepjscc_wz*``.

    Those of the active store come first, then those pulled from ``$WZROI_REPO``."""
    return _available(pattern, "link")


def list_judges(pattern: str = "*") -> list[str]:
    """Names of the available judges that match a shell pattern."""
    return _available(pattern, "judge")


def _available(pattern: str, network: NetworkKind) -> list[str]:
    store = default_store()
    names = [name for name in select(pattern, network, store) if store.holds(name)]
    for pulled in _pulled():
        names += [name for name in select(pattern, network, pulled) if name not in names and pulled.whole(name)]
    return names


def list_absent(pattern: str = "*") -> list[str]:
    """Names in the active registry whose files are not here: they are too large for a wheel and were not pulled."""
    store = default_store()
    names = select(pattern, "link", store) + select(pattern, "judge", store)
    here = {*list_models(pattern), *list_judges(pattern)}
    return [name for name in names if name not in here]


def _pulled() -> list[CheckpointStore]:
    """What was pulled from ``$WZROI_REPO``, the newest commit first; only this imports the Hub client."""
    if not os.environ.get("WZROI_REPO"):
        return []
    from zoo.hub import cached_stores

    return cached_stores()


def find(name: str) -> tuple[CheckpointStore, Entry]:
    """Find a checkpoint in the active store, else in what was pulled from ``$WZROI_REPO``; nothing is downloaded.

    The case of the name is ignored. An entry whose files are not here is found in the active store.

    Raises:
        ZooError: if it is in neither; the message suggests similar names or the command that pulls it.
    """
    store, plain = default_store(), canonical(name)
    known = plain in store.entries()
    if known and store.holds(plain):
        return store, store.entry(plain)
    for pulled in _pulled():
        if plain in pulled.entries() and pulled.whole(plain):
            return pulled, pulled.entry(plain)
    if known or not os.environ.get("WZROI_REPO"):
        return store, store.entry(plain if known else name)
    raise ZooError(f"{name!r} is not available: `python -m zoo pull {name}` downloads it if $WZROI_REPO has it")


def describe(name: str) -> Entry:
    """The registry's entry of a checkpoint; raises ZooError for an unknown name."""
    return find(name)[1]


def load(name: str, device: torch.device | str = "auto") -> LinkNetwork:
    """A link network by name: fp32, frozen, in eval mode, on ``device`` (``auto``: CUDA, MPS or CPU).

    Raises:
        ZooError: for an unknown name, a judge's name, or a missing or altered file.
    """
    store, entry = find(name)
    network = load_from(store, entry.name, device)
    if is_judge(network):
        raise ZooError(f"{name} is a judge: use zoo.load_judge({name!r})")
    return network


def load_judge(name: str, device: torch.device | str = "auto") -> Judge:
    """A judge by name: fp32, frozen, in eval mode; raises ZooError as ``load`` does."""
    store, entry = find(name)
    network = load_from(store, entry.name, device)
    if not is_judge(network):
        raise ZooError(f"{name} is a link network: use zoo.load({name!r})")
    return network


def verify(name: str, device: torch.device | str = "cpu", store: CheckpointStore | None = None) -> GoldenReport:
    """Check every file of a checkpoint against the registry, then its golden tensors on ``device``.

    Raises:
        ZooError: for a file that is missing or altered. A golden failure is reported, not raised.
    """
    found, entry = (store, store.entry(name)) if store else find(name)
    return verify_in(found, entry.name, device)
