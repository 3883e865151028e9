"""Which repository, which cache, which network: what is named before anything is asked."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.errors import ZooError

VARIABLE = "WZROI_REPO"

_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.\-]{0,95}/[A-Za-z0-9][\w.\-]{0,95}")
_REVISION = re.compile(r"[\w][\w.\-/]{0,99}")


class HubError(ZooError):
    """The Hub, or the way to it, did not give what was asked; the message says what to do."""


@dataclass(frozen=True)
class Repository:
    """``id`` is USER/NAME, ``revision`` a branch, tag or commit."""

    id: str
    revision: str = "main"

    def __str__(self) -> str:
        return self.id if self.revision == "main" else f"{self.id}@{self.revision}"


def repository(repo: str | None = None, revision: str | None = None) -> Repository:
    """The repository of an argument or of ``$WZROI_REPO``; raises HubError when there is none or it is no name."""
    given = repo or os.environ.get(VARIABLE)
    if not given:
        raise HubError(f"no repository is named: pass --repo USER/NAME, or set {VARIABLE}=USER/NAME")
    name, _, pinned = given.partition("@")
    chosen = revision or pinned or "main"
    if not _REPOSITORY.fullmatch(name) or ".." in name:
        raise HubError(f"{given[:80]!r} is not a repository: it must read USER/NAME or USER/NAME@revision")
    if not _REVISION.fullmatch(chosen) or ".." in chosen:
        raise HubError(f"{chosen[:80]!r} is not a revision: name a branch, a tag or a commit")
    return Repository(name, chosen)


def api(token: str | None = None) -> Any:
    """The Hub's client, at ``$HF_ENDPOINT`` where it is set."""
    from huggingface_hub import HfApi

    return HfApi(endpoint=os.environ.get("HF_ENDPOINT") or None, token=token, library_name="wzroi")


def cache_folder() -> Path:
    """The Hub's cache: ``$HF_HUB_CACHE``, or wherever the client keeps it."""
    from huggingface_hub import constants

    return Path(os.environ.get("HF_HUB_CACHE") or constants.HF_HUB_CACHE)


def offline() -> bool:
    """Whether ``HF_HUB_OFFLINE`` asks for no network."""
    from huggingface_hub import constants

    return bool(constants.HF_HUB_OFFLINE)
