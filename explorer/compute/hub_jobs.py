"""A Hub repository's networks, looked up and pulled beside the pages: one job at a time for the whole process.

Nothing here waits for the network: a job runs in a thread of its own, and pages ask how far it is.
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
"""Set where strangers use one explorer: its repository is then the host's choice, ``$WZROI_REPO``."""


class Progress(NamedTuple):
    """How far a pull is: bytes so far and in all."""

    done: int
    total: int

    @property
    def share(self) -> float:
        """From 0 to 1."""
        return min(1.0, self.done / self.total) if self.total else 0.0


class Cancelled(Exception):
    """Nobody wants the rest."""


class Job:
    """Work in a thread of its own: looking (``name`` is empty), or pulling ``name``, which has ``total`` bytes."""

    def __init__(self, work: Callable[[Job], None], name: str = "", total: int = 0) -> None:
        self.name, self.message = name, ""
        self._work, self._total = work, total
        self._seen: dict[str, int] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="hub", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    @property
    def running(self) -> bool:
        """Whether it is still wanted and at work."""
        return self._thread.is_alive() and not self._stop.is_set()

    @property
    def progress(self) -> Progress:
        """How far it is."""
        return Progress(sum(self._seen.values()), self._total)

    def note(self, path: str, done: int, total: int) -> None:
        """Called as bytes of a file arrive."""
        if self._stop.is_set():
            raise Cancelled
        self._seen = self._seen | {path: done}

    def stop(self) -> None:
        """Its next step is its last; nobody waits for that."""
        self._stop.set()

    def _run(self) -> None:
        try:
            self._work(self)
        except Cancelled:
            self.message = "The pull was cancelled; files that had arrived whole are kept."
        except ZooError as error:
            self.message = f"{str(error)[:1].upper()}{str(error)[1:]}."
        except Exception as error:  # a thread's exception would vanish unseen
            self.message = f"The Hub could not be used ({type(error).__name__}: {str(error)[:160]}): try again."


class HubCatalogue:
    """What the repository in use offers: its networks by name, ``None`` before it answered."""

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
        """The job that is at work."""
        return self._job if self._job is not None and self._job.running else None

    @property
    def message(self) -> str:
        """A sentence on what went wrong last, or an empty text."""
        return self._message or (self._job.message if self._job is not None else "")

    def use(self, repo: str) -> None:
        """Take another repository for every page, or none for an empty text, and look what it offers."""
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
        """Link networks that the repository has and this machine has not."""
        present = zoo_index().models
        return [
            entry for name, entry in (self.entries or {}).items() if entry.network == "link" and name not in present
        ]

    def pull(self, name: str) -> None:
        """Fetch a network and the judge that it belongs with."""
        offered = self.entries or {}
        judge = offered[name].judge if name in offered else None
        wanted = [offered[key] for key in (name, judge) if key in offered]

        def work(job: Job) -> None:
            hub.pull(name, progress=job.note)
            forget_zoo_index()

        self._begin(lambda: Job(work, name, sum(entry.size for entry in wanted)))

    def cancel(self) -> None:
        """Stop a pull; files that arrived whole stay cached."""
        if self._job is not None and self.job is not None:
            self._job.stop()
            self._message = "The pull was cancelled; files that had arrived whole are kept." * bool(self._job.name)

    def _begin(self, make: Callable[[], Job]) -> None:
        with self._lock:
            if self.job is None:
                self._message = ""
                self._job = make()
                self._job.start()


HUB_CATALOGUE = HubCatalogue()
"""The one catalogue of the process."""
