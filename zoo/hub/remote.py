"""The state of a repository on the Hub: its commit, files and registry; and downloading one file."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.hub.client import api, cache_folder, offline
from zoo.hub.errors import HubError, explained
from zoo.hub.repositories import Repository, repository
from zoo.store.checkpoint import digest
from zoo.store.registry import REGISTRY, Entry, parse_registry

TIMEOUT_S = 5.0
"""Seconds to wait for the Hub's first response, so that a machine without network does not hang."""

MAX_REGISTRY = 2**24
"""Largest registry, bytes."""

Progress = Callable[[str, int, int], None]
"""Called with a file's path in the repository, bytes so far and total bytes; an exception from it cancels the pull."""


@dataclass(frozen=True)
class RemoteFile:
    """A file of a commit: its size, and its sha256 (large files) or git blob id (small ones), if the Hub reports it."""

    size: int | None
    sha256: str | None
    blob_id: str | None

    def holds(self, blob: bytes) -> bool:
        """Whether the content is the same, by the strongest digest that the Hub reported."""
        if self.sha256 is not None:
            return self.sha256 == digest(blob)
        return self.blob_id == hashlib.sha1(b"blob %d\0" % len(blob) + blob).hexdigest()


@dataclass(frozen=True)
class Remote:
    """One commit of a repository."""

    commit: str
    files: dict[str, RemoteFile]


def inspect(repo: Repository, token: str | None = None) -> Remote:
    """The commit of a revision and its files: one request, no retries, at most ``TIMEOUT_S`` for each step."""
    if offline():
        raise HubError(f"HF_HUB_OFFLINE is set, so {repo.id} is not contacted: unset it to pull")
    with explained(repo.id):
        info = api(token).model_info(repo.id, revision=repo.revision, timeout=TIMEOUT_S, files_metadata=True)
    files = {}
    for sibling in info.siblings or []:
        lfs = sibling.lfs.sha256 if sibling.lfs is not None else None
        files[sibling.rfilename] = RemoteFile(sibling.size, lfs, sibling.blob_id)
    return Remote(info.sha, files)


def fetch(repo: Repository, path: str, revision: str, progress: Progress | None = None) -> Path:
    """Download one file of the repository into the Hub's cache, unless it is already there."""
    with explained(repo.id):
        return Path(
            api().hf_hub_download(
                repo.id, path, revision=revision, cache_dir=cache_folder(), etag_timeout=TIMEOUT_S,
                tqdm_class=_bar(path, progress) if progress is not None else None,
            )
        )


def _bar(path: str, progress: Progress) -> type:
    """A progress bar for the client that draws nothing and calls ``progress``."""
    from huggingface_hub.utils import tqdm

    class Bar(tqdm):  # type: ignore[misc]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            self._seen, self._whole = int(kwargs.get("initial") or 0), int(kwargs.get("total") or 0)
            super().__init__(*args, **(kwargs | {"disable": True}))

        def update(self, n: float | None = 1) -> None:
            self._seen += int(n or 0)
            progress(path, self._seen, max(self._whole, self._seen))

    return Bar


def read_registry(repo: Repository, remote: Remote, revision: str) -> tuple[dict[str, Entry], Path]:
    record = remote.files.get(REGISTRY)
    if record is None:
        raise HubError(f"{repo.id} has no {REGISTRY}: it is not a WZ-ROI zoo")
    if (record.size or 0) > MAX_REGISTRY:
        raise HubError(f"{REGISTRY} of {repo.id} is larger than any registry: it is not a WZ-ROI zoo")
    path = fetch(repo, REGISTRY, revision)
    return parse_registry(path.read_bytes(), f"{REGISTRY} of {repo.id}"), path


def hub_entries(repo: str | None = None, revision: str | None = None) -> dict[str, Entry]:
    """The entries of a repository by name; only its registry is downloaded.

    Raises:
        HubError: without network, repository or permission. ZooError: for an invalid registry.
    """
    where = repository(repo, revision)
    return read_registry(where, inspect(where), where.revision)[0]
