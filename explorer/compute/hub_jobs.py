"""Listing and pulling a Hub repository's networks in the background: one job at a time per process.

Nothing here waits for the network: a job runs in its own thread, and pages query its progress.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import NamedTuple

from explorer.compute.engine import ENGINE, forget_zoo_index, zoo_index
from zoo import Entry, hub
from zoo.errors import ZooError

HOSTED = "WZROI_HOSTED"
"""Set on a public explorer, where only the host chooses the repository, with ``$WZROI_REPO``."""


class Progress(NamedTuple):
    """Progress of a pull: bytes so far and in total."""

    done: int
    total: int

    @property
    def share(self) -> float:
        """From 0 to 1."""
        return min(1.0, self.done / self.total) if self.total else 0.0


class Cancelled(Exception):
    """The job was cancelled."""


class Job:
    """Work in its own thread: listing (``name`` is empty), or pulling ``name``, which has ``total`` bytes."""

    def __init__(self, work: Callable[[Job], None], name: str = "", total: int = 0) -> None:
        self.name, self.message = name, ""
        self._work, self._total = work, total
        self._seen: dict[str, int] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="hub", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    @property
    def running(self) -> bool:
        """Whether it is running and not cancelled."""
        return self._thread.is_alive() and not self._stop.is_set()

    @property
    def progress(self) -> Progress:
        """The progress so far."""
        return Progress(sum(self._seen.values()), self._total)

    def note(self, path: str, done: int, total: int) -> None:
        """Called as bytes of a file arrive."""
        if self._stop.is_set():
            raise Cancelled
        self._seen = self._seen | {path: done}

    def stop(self) -> None:
        """Stop at the next step, without waiting for it."""
        self._stop.set()

    def _run(self) -> None:
        try:
            self._work(self)
        except Cancelled:
            self.message = "The pull was cancelled; files that were complete are kept."
        except ZooError as error:
            self.message = f"{str(error)[:1].upper()}{str(error)[1:]}."
        except Exception as error:  # a thread's exception would vanish unseen
            self.message = f"The Hub could not be used ({type(error).__name__}: {str(error)[:160]}): try again."


class HubCatalogue:
    """The networks of the chosen repository by name, ``None`` until it has responded."""

    def __init__(self) -> None:
        self.entries: dict[str, Entry] | None = None
        self._job: Job | None = None
        self._message = ""
        self._lock = threading.Lock()

    @property
    def repo(self) -> str:
        """``USER/NAME[@revision]``, or an empty text."""
        return os.environ.get(hub.VARIABLE, "")

    @property
    def job(self) -> Job | None:
        """The running job."""
        return self._job if self._job is not None and self._job.running else None

    @property
    def message(self) -> str:
        """A message about the last failure, or an empty text."""
        return self._message or (self._job.message if self._job is not None else "")

    def use(self, repo: str) -> None:
        """Switch all pages to another repository (none for an empty text) and list its networks."""
        try:
            named = str(hub.repository(repo)) if repo else ""
        except ZooError as error:
            self._message = f"{str(error)[:1].upper()}{str(error)[1:]}."
            return
        self.cancel()
        self.entries, self._job, self._message = None, None, ""
        os.environ[hub.VARIABLE] = named
        ENGINE.forget()
        forget_zoo_index()
        if named:
            self.refresh()

    def refresh(self) -> None:
        """Ask the repository which networks it holds."""

        def work(job: Job) -> None:
            found = hub.hub_entries()
            if self._job is job:
                self.entries = found

        self._begin(lambda: Job(work))

    def missing(self) -> list[Entry]:
        """Link networks in the repository that are not on this machine."""
        present = zoo_index().models
        return [
            entry for name, entry in (self.entries or {}).items() if entry.network == "link" and name not in present
        ]

    def pull(self, name: str) -> None:
        """Download a network and its judge."""
        offered = self.entries or {}
        judge = offered[name].judge if name in offered else None
        wanted = [offered[key] for key in (name, judge) if key in offered]

        def work(job: Job) -> None:
            hub.pull(name, progress=job.note)
            forget_zoo_index()

        self._begin(lambda: Job(work, name, sum(entry.size for entry in wanted)))

    def cancel(self) -> None:
        """Stop a pull; complete files stay cached."""
        if self._job is not None and self.job is not None:
            self._job.stop()
            self._message = "The pull was cancelled; files that were complete are kept." * bool(self._job.name)

    def _begin(self, make: Callable[[], Job]) -> None:
        with self._lock:
            if self.job is None:
                self._message = ""
                self._job = make()
                self._job.start()


HUB_CATALOGUE = HubCatalogue()
"""The process-wide catalogue."""
