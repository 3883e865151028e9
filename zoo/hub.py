"""A Hugging Face Hub repository as a shelf: pull by name, push in one commit. The only file that imports the client.

The repository holds the same folders as ``zoo/checkpoints`` under the same names, ``registry.json``, a card, and the
results files under ``results/``. It is named by an argument or by ``$WZROI_REPO``, as ``USER/NAME`` or
``USER/NAME@revision``. What is pulled lies in the Hub's own cache; every file is checked against the registry of the
revision that it came from, and one that differs is removed again.
"""

from __future__ import annotations

import errno
import fnmatch
import hashlib
import json
import os
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.assemble import measures
from zoo.card import read_results, repository_card
from zoo.checkpoint import CARD, FILES, LIMITS, digest
from zoo.errors import ZooError
from zoo.registry import (
    REGISTRY,
    Entry,
    Shelf,
    check_name,
    default_shelf,
    parse_registry,
    registry_text,
    unknown_name,
)

VARIABLE = "WZROI_REPO"
TIMEOUT_S = 5.0
"""Seconds to wait for the Hub's first answer: a machine without network must not hang."""

WORKERS = 4
RESULTS = Path(__file__).resolve().parent.parent / "assets" / "results"
"""Where ``evaluate`` writes, in a checkout of the project."""

Progress = Callable[[str, int, int], None]
"""Called with a file's path in the repository, bytes so far and bytes in all; an exception from it cancels the pull."""

_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.\-]{0,95}/[A-Za-z0-9][\w.\-]{0,95}")
_REVISION = re.compile(r"[\w][\w.\-/]{0,99}")
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NO_WRITE = {errno.EACCES, errno.EPERM, errno.EROFS}


class HubError(ZooError):
    """The Hub, or the way to it, did not give what was asked; the message says what to do."""


@dataclass(frozen=True)
class Repository:
    """``id`` is USER/NAME, ``revision`` a branch, tag or commit."""

    id: str
    revision: str = "main"

    def __str__(self) -> str:
        return self.id if self.revision == "main" else f"{self.id}@{self.revision}"


@dataclass(frozen=True)
class RemoteFile:
    """A file of a commit: its size, and its sha256 (large files) or git blob id (small ones), where the Hub tells."""

    size: int | None
    sha256: str | None
    blob_id: str | None

    def holds(self, blob: bytes) -> bool:
        """Whether this is the same content, by the strongest digest that the Hub gave."""
        if self.sha256 is not None:
            return self.sha256 == digest(blob)
        return self.blob_id == hashlib.sha1(b"blob %d\0" % len(blob) + blob).hexdigest()


@dataclass(frozen=True)
class Remote:
    """One commit of a repository."""

    commit: str
    files: dict[str, RemoteFile]


@dataclass(frozen=True)
class PushReport:
    """What a push did, or with ``dry_run`` would do: paths in the repository, and the commit (``None`` without one)."""

    repo: str
    uploaded: list[str]
    unchanged: list[str]
    commit: str | None


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


def _api(token: str | None = None) -> Any:
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


@contextmanager
def explained(repo: str) -> Iterator[None]:
    """Turn the client's many errors into one HubError that says what to do."""
    try:
        yield
    except ZooError:
        raise
    except Exception as error:
        sentence = _explain(error, repo)
        if sentence is None:
            raise
        raise HubError(sentence) from error


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _explain(error: Exception, repo: str) -> str | None:
    """The sentence for an error of the client, or ``None`` for one that is not the Hub's."""
    from huggingface_hub import errors

    for cause in _chain(error):
        if isinstance(cause, errors.OfflineModeIsEnabled):
            return f"HF_HUB_OFFLINE is set and {repo} is not in the cache: unset it, or pull before going offline"
        if isinstance(cause, errors.LocalTokenNotFoundError):
            return "there is no token: run `hf auth login`, or set HF_TOKEN to one with write access"
        if isinstance(cause, errors.HfHubHTTPError):
            return _explain_status(cause, repo)
        if isinstance(cause, OSError) and cause.errno in _NO_ROOM:
            return f"no room left in {cache_folder()}: free some, or set HF_HUB_CACHE to another disk"
        if isinstance(cause, OSError) and cause.errno in _NO_WRITE:
            return f"{cache_folder()} cannot be written: mend its permissions, or set HF_HUB_CACHE to another folder"
    return _explain_connection(error, repo)


def _explain_status(error: Any, repo: str) -> str:
    from huggingface_hub import errors

    status = error.response.status_code
    if isinstance(error, errors.GatedRepoError):
        return f"{repo} is gated: ask for access on its page, then log in with `hf auth login`"
    if isinstance(error, errors.RevisionNotFoundError):
        return f"{repo} has no such revision: name a branch, tag or commit that it has"
    if isinstance(error, errors.RemoteEntryNotFoundError):
        return f"{repo} lacks a file that a zoo has ({REGISTRY} or a checkpoint's): it is not a whole WZ-ROI zoo"
    wait = error.response.headers.get("Retry-After", "")
    sentences = {
        401: f"the Hub does not take this token for {repo}: run `hf auth login` with a valid one",
        403: f"this token has no right to do that with {repo}: use one with write access to it",
        404: f"there is no repository {repo}, or it is private: check the name, or run `hf auth login`",
        409: f"{repo} changed meanwhile: run the command again",
        412: f"{repo} changed meanwhile: run the command again",
        413: "the Hub refuses a file as too large",
        429: f"the Hub asks to slow down: try again in {wait + ' s' if wait.isdigit() else 'a few minutes'}",
    }
    if isinstance(error, errors.RepositoryNotFoundError):
        return sentences[404]
    trouble = "has trouble" if status >= 500 else "refused"
    return sentences.get(status, f"the Hub {trouble} (HTTP {status}) with {repo}: try again later")


def _explain_connection(error: Exception, repo: str) -> str | None:
    import httpx2
    from huggingface_hub import errors

    if any(isinstance(cause, httpx2.HTTPError | ConnectionError | TimeoutError) for cause in _chain(error)):
        return f"no connection to the Hub for {repo}: check the network; what is bundled or pulled still works"
    if isinstance(error, errors.LocalEntryNotFoundError):
        return f"{repo} cannot be reached and is not in the cache: check the network"
    if isinstance(error, OSError):
        return f"a transfer with {repo} broke off ({str(error).splitlines()[0][:100]}): run the command again"
    if isinstance(error, errors.HFValidationError):
        return f"{repo} is not a name that the Hub takes ({error})"
    return None


def look(repo: Repository, token: str | None = None) -> Remote:
    """The commit of a revision and its files: one request, no retries, at most ``TIMEOUT_S`` for each step."""
    if offline():
        raise HubError(f"HF_HUB_OFFLINE is set: {repo.id} is not asked; unset it to pull")
    with explained(repo.id):
        info = _api(token).model_info(repo.id, revision=repo.revision, timeout=TIMEOUT_S, files_metadata=True)
    files = {}
    for sibling in info.siblings or []:
        lfs = sibling.lfs.sha256 if sibling.lfs is not None else None
        files[sibling.rfilename] = RemoteFile(sibling.size, lfs, sibling.blob_id)
    return Remote(info.sha, files)


def _fetch(repo: Repository, path: str, revision: str, progress: Progress | None = None) -> Path:
    """One file of the repository into the Hub's cache; whole files that are there already are not fetched."""
    with explained(repo.id):
        return Path(
            _api().hf_hub_download(
                repo.id, path, revision=revision, cache_dir=cache_folder(), etag_timeout=TIMEOUT_S,
                tqdm_class=_bar(path, progress) if progress is not None else None,
            )
        )


def _bar(path: str, progress: Progress) -> type:
    """A progress bar of the client's own kind that draws nothing and calls ``progress``."""
    from huggingface_hub.utils import tqdm

    class Bar(tqdm):  # type: ignore[misc]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            self._seen, self._whole = int(kwargs.get("initial") or 0), int(kwargs.get("total") or 0)
            super().__init__(*args, **(kwargs | {"disable": True}))

        def update(self, n: float | None = 1) -> None:
            self._seen += int(n or 0)
            progress(path, self._seen, max(self._whole, self._seen))

    return Bar


def _registry(repo: Repository, remote: Remote, revision: str) -> tuple[dict[str, Entry], Path]:
    record = remote.files.get(REGISTRY)
    if record is None:
        raise HubError(f"{repo.id} has no {REGISTRY}: it is not a WZ-ROI zoo")
    if (record.size or 0) > 2**24:
        raise HubError(f"{REGISTRY} of {repo.id} is larger than any registry: it is not a WZ-ROI zoo")
    path = _fetch(repo, REGISTRY, revision)
    return parse_registry(path.read_bytes(), f"{REGISTRY} of {repo.id}"), path


def hub_entries(repo: str | None = None, revision: str | None = None) -> dict[str, Entry]:
    """What a repository offers, by name; only its registry is fetched.

    Raises:
        HubError: without network, repository or rights. ZooError: for a registry that is none.
    """
    where = repository(repo, revision)
    return _registry(where, look(where), where.revision)[0]


def cached_shelves(repo: str | None = None, revision: str | None = None) -> list[Shelf]:
    """Shelves of a repository's pulled commits, the named revision's first; the network is not touched.

    A pinned revision gives that one alone; ``main`` is followed by the commits pulled before.
    """
    where = repository(repo, revision)
    storage = cache_folder() / f"models--{where.id.replace('/', '--')}"
    reference = storage / "refs" / where.revision
    commit = reference.read_text().strip() if reference.is_file() else where.revision
    snapshots = storage / "snapshots"
    others = snapshots.iterdir() if where.revision == "main" and snapshots.is_dir() else []
    older = sorted((p for p in others if p.name != commit), key=lambda p: p.stat().st_mtime, reverse=True)
    return [_shelf(folder, where) for folder in [snapshots / commit, *older] if (folder / REGISTRY).is_file()]


def _shelf(folder: Path, where: Repository) -> Shelf:
    return Shelf(folder, folder / REGISTRY, boundary=cache_folder(), origin=where.id)


def pull(
    patterns: str | Sequence[str] = "*",
    repo: str | None = None,
    revision: str | None = None,
    progress: Progress | None = None,
) -> list[str]:
    """Fetch checkpoints, and the judges that they belong with, into the Hub's cache; ``zoo.load`` then finds them.

    Sizes and digests that the Hub announces are held against the registry before a byte is fetched, and every file's
    sha256 afterwards. Whole files stay cached, so a pull that broke off goes on where it stopped.

    Args:
        patterns: names or shell patterns. repo: ``USER/NAME`` (default ``$WZROI_REPO``). revision: branch, tag, commit.
        progress: called as bytes arrive; by default the client draws its own bars.

    Returns:
        The names that are now at hand.

    Raises:
        HubError: no network (and not all of it cached), no repository, no rights, no room. ZooError: an unknown name,
            or files that are not what the registry says.
    """
    where = repository(repo, revision)
    wanted = [patterns] if isinstance(patterns, str) else list(patterns)
    try:
        remote = look(where)
    except HubError:
        if names := _all_cached(wanted, where):
            return names
        raise
    entries, _ = _registry(where, remote, where.revision)
    # The commit is pinned from here on: a push in between cannot mix two states.
    snapshot = _fetch(where, REGISTRY, remote.commit).parent
    names = _with_judges(_matching(wanted, entries, where.id), entries)
    for name in names:
        _check_announced(entries[name], remote, where.id)
    shelf = _shelf(snapshot, where)
    jobs = [(entries[name], file) for name in names for file in FILES]
    with ThreadPoolExecutor(WORKERS) as pool:
        futures = [pool.submit(_pull_file, where, shelf, entry, file, remote.commit, _locked(progress))
                   for entry, file in jobs]  # fmt: skip
        try:
            for future in futures:
                future.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return names


def _locked(progress: Progress | None, lock: threading.Lock = threading.Lock()) -> Progress | None:  # noqa: B008
    """Several files arrive at once; the callback sees one call at a time."""
    if progress is None:
        return None

    def call(path: str, done: int, total: int) -> None:
        with lock:
            progress(path, done, total)

    return call


def _matching(patterns: Sequence[str], entries: dict[str, Entry], where: str) -> list[str]:
    chosen: list[str] = []
    for pattern in patterns:
        found = fnmatch.filter(entries, pattern)
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
            raise ZooError(f"{where} lacks {entry.name}/{file}, which its registry lists: its owner must push it again")
        wrong_size = found.size is not None and found.size != record.size
        if wrong_size or (found.sha256 is not None and found.sha256 != record.sha256):
            raise ZooError(f"{entry.name}/{file} of {where} is not what its registry says: its owner must push again")


def _pull_file(
    where: Repository, shelf: Shelf, entry: Entry, file: str, commit: str, progress: Progress | None
) -> None:
    path = _fetch(where, f"{entry.name}/{file}", commit, progress)
    if path.stat().st_size <= LIMITS[file] and digest(path.read_bytes()) == entry.files[file].sha256:
        return
    _forget(path)
    raise ZooError(
        f"{entry.name}/{file} arrived from {where.id} altered (its sha256 is not the registry's) and was removed: "
        "pull it again; if it stays so, the repository is damaged"
    )


def _forget(pointer: Path) -> None:
    """Remove a file from the cache, and the blob that it points to."""
    blob = pointer.resolve()
    for path in {pointer, blob}:
        path.unlink(missing_ok=True)


def _all_cached(patterns: Sequence[str], where: Repository) -> list[str]:
    """The names of ``patterns`` when every one of them is wholly in the cache, else an empty list."""
    for shelf in cached_shelves(where.id, where.revision):
        entries = shelf.entries()
        try:
            names = _with_judges(_matching(patterns, entries, where.id), entries)
        except ZooError:
            continue
        if all(shelf.whole(name) for name in names):
            return names
    return []


def push(
    repo: str,
    names: Sequence[str] | None = None,
    *,
    shelf: Shelf | None = None,
    results: Path | None = RESULTS,
    token: str | None = None,
    private: bool = False,
    dry_run: bool = False,
    unevaluated: bool = False,
) -> PushReport:
    """Publish checkpoints into one repository: a single commit with what changed, and none when nothing did.

    Args:
        repo: ``USER/NAME``; created when it does not exist. names: checkpoints (default: all of the shelf).
        results: folder of ``<name>.json`` files. private: for a repository that is created.
        dry_run: say what would be sent, send nothing.
        unevaluated: allow checkpoints without results (a user's own network; the zoo itself does not).

    Raises:
        ZooError: for a checkpoint without results, card or passing golden tensors. HubError: no token, no rights, no
            network, or somebody else pushed meanwhile.
    """
    where = repository(repo)
    shelf = shelf or default_shelf()
    entries = {name: shelf.entry(check_name(name)) for name in names or list(shelf.entries())}
    if not entries:
        raise ZooError(f"{shelf.folder} holds no checkpoint: publish one first")
    files: dict[str, bytes] = {}
    for entry in entries.values():
        files |= _publishable(shelf, entry, results, unevaluated=unevaluated)
    remote = _look_or_none(where, token, dry_run=dry_run)
    known = _registry(where, remote, remote.commit)[0] if remote is not None and REGISTRY in remote.files else {}
    merged = known | entries
    files[REGISTRY] = registry_text(merged).encode()
    files[CARD] = repository_card(where.id, merged).encode()
    changed, unchanged = _changes(files, remote)
    commit = None if dry_run or not changed else _commit(where, remote, files, changed, token, private=private)
    return PushReport(where.id, changed, unchanged, commit)


def _publishable(shelf: Shelf, entry: Entry, results: Path | None, *, unevaluated: bool) -> dict[str, bytes]:
    """A checkpoint's files by path in the repository; raises ZooError for what the zoo does not publish."""
    from zoo.store import checked_file, verify

    report = verify(entry.name, shelf=shelf)
    if not report.passed:
        raise ZooError(f"{entry.name} misses its golden tensors (by {report.error:.1e}): publish it again")
    files = {f"{entry.name}/{file}": checked_file(shelf, entry, file) for file in FILES}
    if not files[f"{entry.name}/{CARD}"].startswith(b"---\n"):
        raise ZooError(f"{shelf.path(entry.name) / CARD} has no Hub metadata: publish it again")
    measured = read_results(results, entry.name)
    if measures(measured, entry) and entry.metrics:
        files[f"results/{entry.name}.json"] = (json.dumps(measured, indent=1) + "\n").encode()
    elif not unevaluated:
        raise ZooError(
            f"{entry.name} has no results of its own weights in {results}: run `python -m training evaluate "
            f"{entry.name}`, then `python -m training publish {entry.name}`"
        )
    return files


def _look_or_none(where: Repository, token: str | None, *, dry_run: bool) -> Remote | None:
    """The repository as it is, ``None`` when it does not exist; a dry run does without the network too."""
    from huggingface_hub import errors, get_token

    if not dry_run and token is None and get_token() is None:
        raise HubError("there is no token: run `hf auth login`, or set HF_TOKEN to one with write access")
    try:
        return look(where, token)
    except HubError as error:
        absent = isinstance(error.__cause__, errors.RepositoryNotFoundError)
        if dry_run or (absent and error.__cause__.response.status_code == 404):  # type: ignore[union-attr]
            return None
        raise


def _changes(files: dict[str, bytes], remote: Remote | None) -> tuple[list[str], list[str]]:
    there = remote.files if remote is not None else {}
    same = {path for path, blob in files.items() if path in there and there[path].holds(blob)}
    return sorted(set(files) - same), sorted(same)


def _commit(
    where: Repository, remote: Remote | None, files: dict[str, bytes], changed: list[str], token: str | None, *,
    private: bool,
) -> str:  # fmt: skip
    from huggingface_hub import CommitOperationAdd

    api = _api(token)
    names = sorted({path.split("/")[0] for path in changed if path.endswith(FILES) and "/" in path})
    message = f"Publish {', '.join(names[:3])}{' and more' if len(names) > 3 else ''}" if names else "Update the card"
    with explained(where.id):
        if remote is None:
            api.create_repo(where.id, private=private, exist_ok=True)
        operations = [CommitOperationAdd(path, files[path]) for path in changed]
        parent = remote.commit if remote is not None else None
        return str(api.create_commit(where.id, operations, commit_message=message, parent_commit=parent).oid)
