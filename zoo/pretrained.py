"""The ecosystem's usual methods: ``save_pretrained``, ``from_pretrained``, ``push_to_hub``; strict, safetensors only.

They are functions here. ``wzroi`` does not depend on the zoo, so importing ``zoo`` also attaches them to the network
classes: ``model.save_pretrained(folder)``, ``WynerZivJSCC.from_pretrained(folder_or_repository, name)``,
``model.push_to_hub(repository)``.
"""

from __future__ import annotations

import copy
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from wzroi.judge import Judge
from wzroi.networks.base import LinkNetwork
from zoo.environment import expanded
from zoo.errors import ZooError
from zoo.store.card import SAVED
from zoo.store.checkpoint import CONFIG, WEIGHTS, Description, Network, digest, is_link_config, network_from, read_file
from zoo.store.folders import find_store
from zoo.store.registry import CheckpointStore, Entry, canonical, check_name, registry_text
from zoo.store.verified import load_from, pick_device
from zoo.store.writing import assemble, write_folder

if TYPE_CHECKING:
    from zoo.hub import PushReport


def save_pretrained(
    model: Network, folder: Path | str, name: str | None = None, *, judge: str | None = None
) -> Path:
    """Write a network as a checkpoint folder: config, half-precision weights, golden tensors, card; atomic.

    Args:
        name: ``architecture.tag``; by default the folder's name if it is valid, else ``architecture.custom``.
        judge: name of a link network's judge.
    """
    target = Path(folder)
    _, files = _pack(model, name or _default_name(model, target), judge)
    try:
        write_folder(target, files)
    except OSError as error:
        raise ZooError(f"{target} cannot be written ({error.strerror}): name another folder") from error
    return target


def _pack(model: Network, name: str, judge: str | None) -> tuple[Entry, dict[str, bytes]]:
    plain = getattr(model, "_orig_mod", model)  # what torch.compile wraps
    frozen = copy.deepcopy(plain).cpu().float().eval()
    return assemble(frozen, name, judge=judge, origin=SAVED)


def _default_name(model: Network, folder: Path) -> str:
    try:
        return check_name(folder.name)
    except ZooError:
        config = model.config
        return f"{config.architecture if is_link_config(config) else config.kind}.custom"


def from_pretrained(
    repo_or_dir: Path | str, name: str | None = None, *, revision: str | None = None,
    device: torch.device | str = "auto",
) -> Network:
    """A network from a local folder or from a Hub repository: fp32, frozen, in eval mode.

    Args:
        repo_or_dir: a folder written by ``save_pretrained``, a folder of checkpoints with or without ``registry.json``,
            a checkout of the project, or ``USER/NAME`` of a Hub repository.
        name: which checkpoint, in any case; not needed for a folder that holds only one.

    Raises:
        ZooError: for anything but a complete, unaltered checkpoint; the message names the file and the fix.
    """
    folder = expanded(repo_or_dir)
    wanted = None if name is None else check_name(canonical(name))
    if (folder / CONFIG).is_file():
        return _load_folder(folder, wanted, device)
    if folder.is_dir():
        return _load_from_folder(folder, wanted, device)
    if wanted is None:
        raise ZooError(_unnamed(str(repo_or_dir)))
    return _load_repository(str(repo_or_dir), wanted, revision, device)


def _unnamed(where: str) -> str:
    if Path(where).is_absolute() or where.startswith((".", "~")) or where.count("/") != 1:
        return f"there is no folder {where}: name a folder that save_pretrained wrote, or USER/NAME of a Hub repository"
    return (
        f"{where} is no folder here, and of a Hub repository one network must be named: "
        f"from_pretrained({where!r}, 'deepjscc_wz_roi.task_r16_lite')"
    )


def _load_from_folder(folder: Path, name: str | None, device: torch.device | str) -> Network:
    """One network of a folder with several, which need not be named where there is only one."""
    store = find_store(folder)
    if store is None:
        raise ZooError(f"{folder} holds no checkpoint: name one that save_pretrained wrote, or a folder of those")
    held = [other for other in store.entries() if store.holds(other)]
    if name is None and len(held) != 1:
        raise ZooError(f"{folder} holds {len(held)} networks, so one must be named: {', '.join(held[:30])}")
    return load_from(store, held[0] if name is None else name, device)


def _load_folder(folder: Path, name: str | None, device: torch.device | str) -> Network:
    described = Description.from_json(read_file(folder, CONFIG), str(folder / CONFIG))
    if name is not None and described.name != name:
        raise ZooError(f"{folder / CONFIG} describes {described.name}, not {name}: use that name, or another folder")
    blob = read_file(folder, WEIGHTS)
    if digest(blob) != described.sha256:
        raise ZooError(f"{folder / WEIGHTS} does not belong to its config.json: save or download both again")
    return network_from(described.config, blob, str(folder / WEIGHTS), pick_device(device))


def _load_repository(repo: str, name: str, revision: str | None, device: torch.device | str) -> Network:
    from zoo import hub

    hub.pull(name, repo, revision)
    for store in hub.cached_stores(repo, revision):
        if name in store.entries() and store.whole(name):
            return load_from(store, name, device)
    raise ZooError(f"{name} of {repo} was removed from the cache while it was read: pull it again")


def push_to_hub(
    model: Network, repo: str, name: str | None = None, *, judge: str | None = None, token: str | None = None,
    private: bool = False,
) -> PushReport:  # fmt: skip
    """Publish a network of your own to a repository, next to what it contains; its card says that it has no results."""
    from zoo.hub import push

    chosen = check_name(name or _default_name(model, Path()))
    entry, files = _pack(model, chosen, judge)
    with tempfile.TemporaryDirectory() as scratch:
        store = CheckpointStore.at(scratch)
        write_folder(store.path(chosen), files)
        store.registry.write_text(registry_text({chosen: entry}))
        return push(repo, [chosen], store=store, results=None, token=token, private=private, unevaluated=True)


for _class in (LinkNetwork, Judge):
    setattr(_class, "save_pretrained", save_pretrained)  # noqa: B010 (the classes do not declare them)
    setattr(_class, "push_to_hub", push_to_hub)  # noqa: B010
    setattr(_class, "from_pretrained", staticmethod(from_pretrained))  # noqa: B010
