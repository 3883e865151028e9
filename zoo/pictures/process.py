"""One decoder process, shared by all threads: started when the first picture comes, ended with this process.

A picture whose decoder hangs, grows or crashes costs its own sender a sentence, and the next picture a new process
(a tenth of a second). Not ``multiprocessing``, nor a library on top of it: those import the main module again in the
child, which here is a whole server with torch.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from zoo.pictures.budget import Budget, PictureBusyError, PictureError
from zoo.pictures.decode import Decoded, Job, View, decode

LOG = logging.getLogger(__name__)

PACKAGE = str(Path(__file__).resolve().parents[1])

START = """
import sys, types
package = types.ModuleType("zoo")  # its own __init__ imports torch, which a decoder does not need
package.__path__ = [sys.argv[1]]
sys.modules["zoo"] = package
from zoo.pictures.worker import serve
serve()
"""

KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT", "VIRTUAL_ENV")
"""Environment variables that the decoder sees: no token is among them."""

LEAN = {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": str(2**20), "OMP_NUM_THREADS": "1"}
"""What makes the C library give memory back after each picture."""

START_SECONDS = 30.0
RETRY_SECONDS = 60.0
"""After a failed start, pictures are decoded in this process for so long before another is tried."""


ALONE = ("no process for decoding pictures can be started (%s): they are decoded in this one, under the same limits of "
         "size, but without those of time and memory")  # fmt: skip


class _EndedError(Exception):
    """The decoder's process ended before it answered."""


class Decoder:
    """Decodes one picture at a time in a process of its own; safe for threads."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Begin anew, without ending a process that another one owns."""
        self._turn = threading.Lock()
        self._count = threading.Lock()
        self._waiting = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._retry_at = 0.0

    @property
    def pid(self) -> int | None:
        """The process that decodes, where there is one."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def decode(self, blob: bytes, job: Job, budget: Budget) -> Decoded:
        """The picture in a file.

        Raises:
            PictureError: no picture, or one that costs more than the budget.
            PictureBusyError: too many others wait.
        """
        with self._admitted(len(blob), job.label, budget):
            if not self._ready():
                return _here(blob, job, budget)
            return self._ask(blob, job, budget)

    @contextlib.contextmanager
    def _admitted(self, size: int, label: str, budget: Budget) -> Iterator[None]:
        """Wait for this file's turn, unless the files that wait already hold too many bytes."""
        busy = PictureBusyError(f"{label} was not read, because many pictures are being read: try again in 10 seconds")
        with self._count:
            if self._waiting and self._waiting + size > budget.waiting:
                raise busy
            self._waiting += size
        try:
            if not self._turn.acquire(timeout=budget.patience):
                raise busy
            try:
                yield
            finally:
                self._turn.release()
        finally:
            with self._count:
                self._waiting -= size

    def _ready(self) -> bool:
        """Start the process where none runs; whether there is one."""
        if self.pid is not None:
            return True
        self.close()
        if time.monotonic() < self._retry_at:
            return False
        try:
            self._start()
        except (OSError, ValueError, _EndedError) as error:
            self.close()
            self._retry_at = time.monotonic() + RETRY_SECONDS
            LOG.warning(ALONE, error or "it ended at once")
            return False
        return True

    def _start(self) -> None:
        if not sys.executable:
            raise ValueError("the Python interpreter has no path")
        paths = os.pathsep.join(path for path in sys.path if path)
        kept = {name: os.environ[name] for name in KEPT if name in os.environ}
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", START, PACKAGE], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, env={**kept, **LEAN, "PYTHONPATH": paths},
        )  # fmt: skip
        with self._ended_after(START_SECONDS):
            self._read()

    def _ask(self, blob: bytes, job: Job, budget: Budget) -> Decoded:
        began = time.monotonic()
        seconds = 5 * budget.seconds + 5  # of the clock: other processes may hold the processors
        try:
            with self._ended_after(seconds):
                self._write({"bytes": len(blob), "job": job._asdict(), "budget": asdict(budget)}, blob)
                answer = self._read()
                data = [self._read_bytes(view["data"]) for view in answer.get("views", [])]
        except (_EndedError, OSError, ValueError) as error:
            raise self._failure(job.label, budget, time.monotonic() - began >= seconds) from error
        if answer.get("spent"):
            self.close()
        if "error" in answer:
            raise PictureError(answer["error"])
        views = [View(**{**view, "data": each}) for view, each in zip(answer["views"], data, strict=True)]
        return Decoded(views, (answer["size"][0], answer["size"][1]), answer["notes"])

    def _failure(self, label: str, budget: Budget, late: bool) -> PictureError:
        """What to say of a picture that ended the process."""
        code = self.close()
        if late or code == -getattr(signal, "SIGPROF", 0):
            return PictureError(
                f"{label} takes longer than {budget.seconds:g} s to decode: save a smaller version or a plain JPEG"
            )
        return PictureError(f"{label} made the decoder fail: save it again as a plain JPEG or PNG")

    @contextlib.contextmanager
    def _ended_after(self, seconds: float) -> Iterator[None]:
        """Kill the process after so long, which ends a read from it."""
        assert self._process is not None
        timer = threading.Timer(seconds, self._process.kill)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _write(self, said: dict[str, Any], blob: bytes) -> None:
        assert self._process is not None and self._process.stdin is not None
        self._process.stdin.write(json.dumps(said).encode() + b"\n")
        self._process.stdin.write(blob)
        self._process.stdin.flush()

    def _read(self) -> dict[str, Any]:
        assert self._process is not None and self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line.endswith(b"\n"):
            raise _EndedError
        return json.loads(line)

    def _read_bytes(self, count: int) -> bytes:
        assert self._process is not None and self._process.stdout is not None
        data = self._process.stdout.read(count)
        if len(data) != count:
            raise _EndedError
        return data

    def close(self) -> int | None:
        """End the process, where there is one; returns its exit code. The next picture starts another."""
        process, self._process = self._process, None
        if process is None:
            return None
        with contextlib.suppress(OSError):
            process.stdout.close() if process.stdout else None
        with contextlib.suppress(OSError):
            process.stdin.close() if process.stdin else None
        try:
            return process.wait(0.2)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()


def _here(blob: bytes, job: Job, budget: Budget) -> Decoded:
    """Decode in this process, one picture at a time."""
    try:
        return decode(blob, job, budget)
    except MemoryError as error:
        raise PictureError(f"{job.label} takes more memory than there is: save a smaller version") from error


DECODER = Decoder()
"""The one decoder of the process."""

atexit.register(DECODER.close)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=DECODER.forget)  # a fork starts its own
