"""Names of repositories, checked before any request."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from zoo.hub.errors import HubError

VARIABLE = "WZROI_REPO"

_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.\-]{0,95}/[A-Za-z0-9][\w.\-]{0,95}")
_REVISION = re.compile(r"[\w][\w.\-/]{0,99}")


@dataclass(frozen=True)
class Repository:
    """``id`` is USER/NAME, ``revision`` a branch, tag or commit."""

    id: str
    revision: str = "main"

    def __str__(self) -> str:
        return self.id if self.revision == "main" else f"{self.id}@{self.revision}"


def repository(repo: str | None = None, revision: str | None = None) -> Repository:
    """The repository of an argument or of ``$WZROI_REPO``; raises HubError if there is none or its name is invalid."""
    given = repo or os.environ.get(VARIABLE)
    if not given:
        raise HubError(f"no repository given: pass --repo USER/NAME, or set {VARIABLE}=USER/NAME")
    name, _, pinned = given.partition("@")
    chosen = revision or pinned or "main"
    if not _REPOSITORY.fullmatch(name) or ".." in name:
        raise HubError(f"{given[:80]!r} is not a repository: it must read USER/NAME or USER/NAME@revision")
    if not _REVISION.fullmatch(chosen) or ".." in chosen:
        raise HubError(f"{chosen[:80]!r} is not a revision: name a branch, a tag or a commit")
    return Repository(name, chosen)
