"""The client's errors, each translated into one sentence that says what to do."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from zoo.environment import missing_certificates
from zoo.errors import ZooError
from zoo.hub.client import cache_folder
from zoo.store.registry import REGISTRY

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NO_WRITE = {errno.EACCES, errno.EPERM, errno.EROFS}


class HubError(ZooError):
    """A request to the Hub failed; the message says what to do."""


@contextmanager
def explained(repo: str) -> Iterator[None]:
    """Turn the client's errors into a HubError that says what to do."""
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
    """The sentence for an error of the client, or ``None`` for an unrelated error."""
    from huggingface_hub import errors

    if wrong := missing_certificates():
        return wrong
    for cause in _chain(error):
        if isinstance(cause, errors.OfflineModeIsEnabled):
            return f"HF_HUB_OFFLINE is set and {repo} is not in the cache: unset it, or pull before going offline"
        if isinstance(cause, errors.LocalTokenNotFoundError):
            return "no token found: run `hf auth login`, or set HF_TOKEN to one with write access"
        if isinstance(cause, errors.HfHubHTTPError):
            return _explain_status(cause, repo)
        if isinstance(cause, OSError) and cause.errno in _NO_ROOM:
            return f"no space left in {cache_folder()}: free some, or set HF_HUB_CACHE to another disk"
        if isinstance(cause, OSError) and cause.errno in _NO_WRITE:
            return f"{cache_folder()} cannot be written: fix its permissions, or set HF_HUB_CACHE to another folder"
    return _explain_connection(error, repo)


def _explain_status(error: Any, repo: str) -> str:
    from huggingface_hub import errors

    status = error.response.status_code
    if isinstance(error, errors.GatedRepoError):
        return f"{repo} is gated: ask for access on its page, then log in with `hf auth login`"
    if isinstance(error, errors.RevisionNotFoundError):
        return f"{repo} has no such revision: name a branch, tag or commit that it has"
    if isinstance(error, errors.RemoteEntryNotFoundError):
        return f"{repo} lacks a file that a zoo has ({REGISTRY} or a checkpoint's): it is not a complete WZ-ROI zoo"
    wait = error.response.headers.get("Retry-After", "")
    sentences = {
        401: f"the Hub rejects this token for {repo}: run `hf auth login` with a valid one",
        403: f"this token does not permit that on {repo}: use one with write access to it",
        404: f"the repository {repo} does not exist or is private: check the name, or run `hf auth login`",
        409: f"{repo} has changed in the meantime: run the command again",
        412: f"{repo} has changed in the meantime: run the command again",
        413: "the Hub rejected a file because it is too large",
        429: f"too many requests to the Hub: try again in {wait + ' s' if wait.isdigit() else 'a few minutes'}",
    }
    if isinstance(error, errors.RepositoryNotFoundError):
        return sentences[404]
    trouble = "failed" if status >= 500 else "refused the request"
    return sentences.get(status, f"the Hub {trouble} for {repo} (HTTP {status}): try again later")


def _explain_connection(error: Exception, repo: str) -> str | None:
    import httpx2
    from huggingface_hub import errors

    if any(isinstance(cause, httpx2.HTTPError | ConnectionError | TimeoutError) for cause in _chain(error)):
        return f"no connection to the Hub for {repo}: check the network; bundled and pulled networks still work"
    if isinstance(error, errors.LocalEntryNotFoundError):
        return f"{repo} cannot be reached and is not in the cache: check the network"
    if isinstance(error, OSError):
        return f"a transfer with {repo} was interrupted ({str(error).splitlines()[0][:100]}): run the command again"
    if isinstance(error, errors.HFValidationError):
        return f"{repo} is not a name that the Hub accepts ({error})"
    return None
