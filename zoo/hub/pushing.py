"""Pushing checkpoints: a single commit with what changed, only for complete, measured and verified networks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from zoo.errors import ZooError
from zoo.hub.client import api
from zoo.hub.errors import HubError, explained
from zoo.hub.remote import Remote, inspect, read_registry
from zoo.hub.repositories import Repository, repository
from zoo.paths import RESULTS
from zoo.store.card import read_results, repository_card, repository_config
from zoo.store.checkpoint import CARD, CONFIG, FILES
from zoo.store.folders import default_store
from zoo.store.registry import REGISTRY, CheckpointStore, Entry, check_name, registry_text
from zoo.store.verified import checked_file, verify_in
from zoo.store.writing import measures


@dataclass(frozen=True)
class PushReport:
    """What a push did, or would do with ``dry_run``: paths in the repository, and the commit (``None`` without one)."""

    repo: str
    uploaded: list[str]
    unchanged: list[str]
    commit: str | None


def push(
    repo: str,
    names: Sequence[str] | None = None,
    *,
    store: CheckpointStore | None = None,
    results: Path | None = RESULTS,
    token: str | None = None,
    private: bool = False,
    dry_run: bool = False,
    unevaluated: bool = False,
) -> PushReport:
    """Publish checkpoints to one repository: a single commit with what changed, or none if nothing did.

    Args:
        repo: ``USER/NAME``; created if it does not exist. names: checkpoints (default: all in the store).
        results: folder of ``<name>.json`` files. private: for a newly created repository.
        dry_run: report what would be sent, but send nothing.
        unevaluated: allow checkpoints without results (a user's own network; the zoo itself does not).

    Raises:
        ZooError: for a checkpoint without results, card or passing golden tensors. HubError: no token, no
            permission, no network, or a concurrent push.
    """
    where = repository(repo)
    store = store or default_store()
    entries = {name: store.entry(check_name(name)) for name in names or list(store.entries())}
    if not entries:
        raise ZooError(f"{store.folder} has no checkpoint: publish one first")
    files: dict[str, bytes] = {}
    for entry in entries.values():
        files |= _publishable(store, entry, results, unevaluated=unevaluated)
    remote = _inspect_or_none(where, token, dry_run=dry_run)
    known = read_registry(where, remote, remote.commit)[0] if remote is not None and REGISTRY in remote.files else {}
    merged = known | entries
    files[REGISTRY] = registry_text(merged).encode()
    files[CARD] = repository_card(where.id, merged).encode()
    files[CONFIG] = repository_config(merged).encode()
    changed, unchanged = _changes(files, remote)
    commit = None if dry_run or not changed else _commit(where, remote, files, changed, token, private=private)
    return PushReport(where.id, changed, unchanged, commit)


def _publishable(store: CheckpointStore, entry: Entry, results: Path | None, *, unevaluated: bool) -> dict[str, bytes]:
    """A checkpoint's files by path in the repository; raises ZooError if it does not meet the zoo's conditions."""
    report = verify_in(store, entry.name)
    if not report.passed:
        raise ZooError(
            f"{entry.name} does not reproduce its golden tensors (error {report.error:.1e}): publish it again"
        )
    files = {f"{entry.name}/{file}": checked_file(store, entry, file) for file in FILES}
    if not files[f"{entry.name}/{CARD}"].startswith(b"---\n"):
        raise ZooError(f"{store.path(entry.name) / CARD} has no Hub metadata: publish it again")
    measured = read_results(results, entry.name)
    if measures(measured, entry) and entry.metrics:
        files[f"results/{entry.name}.json"] = (json.dumps(measured, indent=1) + "\n").encode()
    elif not unevaluated:
        raise ZooError(
            f"{entry.name} has no results for its own weights in {results}: run `python -m training evaluate "
            f"{entry.name}`, then `python -m training publish {entry.name}`"
        )
    return files


def _inspect_or_none(where: Repository, token: str | None, *, dry_run: bool) -> Remote | None:
    """The repository's state, ``None`` if it does not exist; a dry run also works without the network."""
    from huggingface_hub import errors, get_token

    if not dry_run and token is None and get_token() is None:
        raise HubError("no token found: run `hf auth login`, or set HF_TOKEN to one with write access")
    try:
        return inspect(where, token)
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

    client = api(token)
    names = sorted({path.split("/")[0] for path in changed if path.endswith(FILES) and "/" in path})
    message = f"Publish {', '.join(names[:3])}{' and more' if len(names) > 3 else ''}" if names else "Update the card"
    with explained(where.id):
        if remote is None:
            client.create_repo(where.id, private=private, exist_ok=True)
        operations = [CommitOperationAdd(path, files[path]) for path in changed]
        parent = remote.commit if remote is not None else None
        return str(client.create_commit(where.id, operations, commit_message=message, parent_commit=parent).oid)
