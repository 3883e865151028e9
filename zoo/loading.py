"""Networks by name: of the shelf in use, or pulled from the Hub; strict, every file checked against its sha256."""

from __future__ import annotations

import os

import torch

from wzroi.judge import Judge
from zoo.errors import ZooError
from zoo.rates import LinkNetwork
from zoo.store.checkpoint import NetworkKind
from zoo.store.folders import default_shelf
from zoo.store.golden import GoldenReport
from zoo.store.registry import Entry, Shelf, canonical, select
from zoo.store.verified import load_from, verify_in


def list_models(pattern: str = "*") -> list[str]:
    """Names of the link networks at hand that match a shell pattern, e.g. ``deepjscc_wz*``: of the shelf in use, then
    those that were pulled from ``$WZROI_REPO``."""
    return _at_hand(pattern, "link")


def list_judges(pattern: str = "*") -> list[str]:
    """Names of the judges at hand that match a shell pattern."""
    return _at_hand(pattern, "judge")


def _at_hand(pattern: str, network: NetworkKind) -> list[str]:
    shelf = default_shelf()
    names = [name for name in select(pattern, network, shelf) if shelf.holds(name)]
    for pulled in _pulled():
        names += [name for name in select(pattern, network, pulled) if name not in names and pulled.whole(name)]
    return names


def list_absent(pattern: str = "*") -> list[str]:
    """Names that the registry in use lists and whose files are not here: too large for a wheel, and not pulled."""
    shelf = default_shelf()
    names = select(pattern, "link", shelf) + select(pattern, "judge", shelf)
    here = {*list_models(pattern), *list_judges(pattern)}
    return [name for name in names if name not in here]


def _pulled() -> list[Shelf]:
    """What was pulled from ``$WZROI_REPO``, the newest commit first; the Hub's client is imported only then."""
    if not os.environ.get("WZROI_REPO"):
        return []
    from zoo.hub import cached_shelves

    return cached_shelves()


def find(name: str) -> tuple[Shelf, Entry]:
    """Where a checkpoint lies: the shelf in use, else what was pulled from ``$WZROI_REPO``; nothing is downloaded.

    Case does not count. An entry whose files are nowhere is found in the shelf in use.

    Raises:
        ZooError: when it is in neither; the message names the nearest and the command that pulls it.
    """
    shelf, plain = default_shelf(), canonical(name)
    known = plain in shelf.entries()
    if known and shelf.holds(plain):
        return shelf, shelf.entry(plain)
    for pulled in _pulled():
        if plain in pulled.entries() and pulled.whole(plain):
            return pulled, pulled.entry(plain)
    if known or not os.environ.get("WZROI_REPO"):
        return shelf, shelf.entry(plain if known else name)
    raise ZooError(f"no checkpoint {name!r} at hand: `python -m zoo pull {name}` fetches it, if $WZROI_REPO has it")


def describe(name: str) -> Entry:
    """The registry's entry of a checkpoint; raises ZooError for an unknown name."""
    return find(name)[1]


def load(name: str, device: torch.device | str = "auto") -> LinkNetwork:
    """A link network by name: fp32, frozen, in eval mode, on ``device`` (``auto``: CUDA, MPS or CPU).

    Raises:
        ZooError: for an unknown name, a judge's name, or a missing or altered file.
    """
    shelf, entry = find(name)
    network = load_from(shelf, entry.name, device)
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
    found, entry = (shelf, shelf.entry(name)) if shelf else find(name)
    return verify_in(found, entry.name, device)
