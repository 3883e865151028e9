"""The decoder's process: jobs come in at its standard input, pixels go out at its standard output, one at a time.

What is sent either way is a line of JSON, with the number of bytes that follow it; nothing is unpickled, so that a
file that takes over a decoder gains no more than this process. The kernel ends the process when a picture takes longer
than granted, and refuses memory beyond what is granted; where it cannot (no POSIX), ``process.py`` still ends it.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

from zoo.pictures.budget import Budget, PictureError
from zoo.pictures.decode import Decoded, Job, decode


def serve() -> None:
    """Answer jobs until the standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's Ctrl-C is for the server
    jobs, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not end up among the answers
    gc.freeze()
    held = _address_space()
    _send(answers, {"ready": os.getpid()})
    while line := jobs.readline():
        asked = json.loads(line)
        blob = jobs.read(asked["bytes"])
        _answer(answers, blob, Job(**asked["job"]), Budget(**asked["budget"]), held)
        del blob
        gc.collect()  # Pillow's pictures hold themselves in circles; what was loaded at the start is not visited


def _answer(answers: BinaryIO, blob: bytes, job: Job, budget: Budget, held: int) -> None:
    try:
        with _limits(budget, held):
            found = decode(blob, job, budget)
    except MemoryError:
        spent = f"{job.label} takes more than {budget.memory >> 20} MiB to decode"
        _send(answers, {"error": f"{spent}: save a smaller version or a plain JPEG", "spent": True})
    except PictureError as error:
        _send(answers, {"error": str(error)})
    else:
        _send_found(answers, found)


def _send_found(answers: BinaryIO, found: Decoded) -> None:
    views = [{**view._asdict(), "data": len(view.data)} for view in found.views]
    _send(answers, {"views": views, "size": found.size, "notes": found.notes}, *(view.data for view in found.views))


def _send(answers: BinaryIO, said: dict[str, object], *blobs: bytes) -> None:
    answers.write(json.dumps(said).encode() + b"\n")
    for blob in blobs:
        answers.write(blob)
    answers.flush()


@contextlib.contextmanager
def _limits(budget: Budget, held: int) -> Iterator[None]:
    """Limits on processor time and memory while one picture is decoded."""
    if resource is None:
        yield
        return
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (held + budget.memory if held else most, most))
    signal.setitimer(signal.ITIMER_PROF, budget.seconds)  # SIGPROF ends a process that does not expect it
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _address_space() -> int:
    """Bytes of address space in use; 0 where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        return pages * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, AttributeError):
        return 0
