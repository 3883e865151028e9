"""Pulling by name into the Hub's cache, with every file checked; and pulled repositories as checkpoint stores."""

from __future__ import annotations

import fnmatch
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from zoo.errors import ZooError
from zoo.hub.client import cache_folder
from zoo.hub.errors import HubError
from zoo.hub.remote import Progress, Remote, fetch, inspect, read_registry
from zoo.hub.repositories import Repository, repository
from zoo.store.checkpoint import FILES, LIMITS, digest
from zoo.store.registry import REGISTRY, CheckpointStore, Entry, canonical, unknown_name

WORKERS = 4


def cached_stores(repo: str | None = None, revision: str | None = None) -> list[CheckpointStore]:
    """Shelves of a repository's pulled commits, the named revision first; the network is not used.

    A pinned revision gives only that one; ``main`` is followed by the commits pulled earlier.
    """
    where = repository(repo, revision)
    storage = cache_folder() / f"models--{where.id.replace('/', '--')}"
    reference = storage / "refs" / where.revision
    commit = reference.read_text().strip() if reference.is_file() else where.revision
    snapshots = storage / "snapshots"
    others = snapshots.iterdir() if where.revision == "main" and snapshots.is_dir() else []
    older = sorted((p for p in others if p.name != commit), key=lambda p: p.stat().st_mtime, reverse=True)
    return [_store(folder, where) for folder in [snapshots / commit, *older] if (folder / REGISTRY).is_file()]


def _store(folder: Path, where: Repository) -> CheckpointStore:
    return CheckpointStore(folder, folder / REGISTRY, boundary=cache_folder(), origin=where.id)


def pull(
    patterns: str | Sequence[str] = "*",
    repo: str | None = None,
    revision: str | None = None,
    progress: Progress | None = None,
) -> list[str]:
    """Download checkpoints and their judges into the Hub's cache, where ``zoo.load`` finds them.

    Sizes and digests announced by the Hub are compared with the registry before the download, and every file's sha256
    afterwards. Complete files stay cached, so that an interrupted pull resumes.

    Args:
        patterns: names or shell patterns. repo: ``USER/NAME`` (default ``$WZROI_REPO``). revision: branch, tag, commit.
        progress: called as bytes arrive; by default the client draws its own bars.

    Returns:
        The names that are now available.

    Raises:
        HubError: no network (and not everything cached), no repository, no permission, no space. ZooError: an unknown
            name, or files that are not what the registry says.
    """
    where = repository(repo, revision)
    wanted = [patterns] if isinstance(patterns, str) else list(patterns)
    try:
        remote = inspect(where)
    except HubError:
        if names := _all_cached(wanted, where):
            return names
        raise
    entries, _ = read_registry(where, remote, where.revision)
    # The commit is pinned from here on, so that a concurrent push cannot mix two states.
    snapshot = fetch(where, REGISTRY, remote.commit).parent
    names = _with_judges(_matching(wanted, entries, where.id), entries)
    for name in names:
        _check_announced(entries[name], remote, where.id)
    store = _store(snapshot, where)
    jobs = [(entries[name], file) for name in names for file in FILES]
    with ThreadPoolExecutor(WORKERS) as pool:
        futures = [pool.submit(_pull_file, where, store, entry, file, remote.commit, _locked(progress))
                   for entry, file in jobs]  # fmt: skip
        try:
            for future in futures:
                future.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return names


def _locked(progress: Progress | None, lock: threading.Lock = threading.Lock()) -> Progress | None:  # noqa: B008
    """Serialise the callback, because several files arrive at once."""
    if progress is None:
        return None

    def call(path: str, done: int, total: int) -> None:
        with lock:
            progress(path, done, total)

    return call


def _matching(patterns: Sequence[str], entries: dict[str, Entry], where: str) -> list[str]:
    chosen: list[str] = []
    for pattern in patterns:
        found = fnmatch.filter(entries, canonical(pattern))
        if not found:
            raise ZooError(unknown_name(pattern, list(entries), where))
        chosen += [name for name in found if name not in chosen]
    return chosen


def _with_judges(names: list[str], entries: dict[str, Entry]) -> list[str]:
    judges = [entries[name].judge for name in names]
    return names + sorted({judge for judge in judges if judge is not None and judge in entries and judge not in names})


def _check_announced(entry: Entry, remote: Remote, where: str) -> None:
    for file, record in entry.files.items():
        found = remote.files.get(f"{entry.name}/{file}")
        if found is None:
            raise ZooError(
                f"{where} lacks {entry.name}/{file}, which its registry lists: its owner has to push it again"
            )
        wrong_size = found.size is not None and found.size != record.size
        if wrong_size or (found.sha256 is not None and found.sha256 != record.sha256):
            raise ZooError(
                f"{entry.name}/{file} of {where} does not match its registry: its owner has to push it again"
            )


def _pull_file(
    where: Repository, store: CheckpointStore, entry: Entry, file: str, commit: str, progress: Progress | None
) -> None:
    path = fetch(where, f"{entry.name}/{file}", commit, progress)
    if path.stat().st_size <= LIMITS[file] and digest(path.read_bytes()) == entry.files[file].sha256:
        return
    _forget(path)
    raise ZooError(
        f"{entry.name}/{file} from {where.id} was altered (its sha256 differs from the registry) and has been removed: "
        "pull it again; if this happens again, the repository is damaged"
    )


def _forget(pointer: Path) -> None:
    """Remove a file from the cache, and the blob that it points to."""
    blob = pointer.resolve()
    for path in {pointer, blob}:
        path.unlink(missing_ok=True)


def _all_cached(patterns: Sequence[str], where: Repository) -> list[str]:
    """The names matching ``patterns`` if all of them are completely cached, else an empty list."""
    for store in cached_stores(where.id, where.revision):
        entries = store.entries()
        try:
            names = _with_judges(_matching(patterns, entries, where.id), entries)
        except ZooError:
            continue
        if all(store.whole(name) for name in names):
            return names
    return []
