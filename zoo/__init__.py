"""The zoo: trained networks by name, with their metrics, hashes, and tensors that verify their output."""

from collections.abc import Callable, Sequence

from zoo.errors import ZooError
from zoo.loading import describe, list_judges, list_models, load, load_judge, verify
from zoo.pretrained import from_pretrained, push_to_hub, save_pretrained
from zoo.store.registry import Entry


def pull(
    patterns: str | Sequence[str] = "*",
    repo: str | None = None,
    revision: str | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> list[str]:
    """Download checkpoints from a Hub repository (see ``zoo.hub.pull``); the Hub client is imported only here."""
    from zoo import hub

    return hub.pull(patterns, repo, revision, progress)


__all__ = [
    "Entry",
    "ZooError",
    "describe",
    "from_pretrained",
    "list_judges",
    "list_models",
    "load",
    "load_judge",
    "pull",
    "push_to_hub",
    "save_pretrained",
    "verify",
]
