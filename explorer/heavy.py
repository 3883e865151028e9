"""What computes is imported beside the server's start: a page's frame is there while torch still loads.

One importer at a time: a visitor who comes early waits here, and no thread meets half a module of another's.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import threading
import time
from importlib import import_module
from types import ModuleType

TRIM_SECONDS = 10.0
_LOCK = threading.Lock()


def load(module: str) -> ModuleType:
    """A module that imports torch."""
    with _LOCK:
        return import_module(module)


def share_processors() -> None:
    """Half of the processors compute, unless ``$OMP_NUM_THREADS`` says how many: a browser on this machine draws too.

    Small networks gain nothing from more threads, and two visitors are computed for at a time. Called before torch is
    imported, which reads the variable then.
    """
    if not os.environ.get("OMP_NUM_THREADS"):
        os.environ["OMP_NUM_THREADS"] = str(max(1, (os.cpu_count() or 2) // 2))


def give_back() -> bool:
    """Return freed memory to the system; whether the C library can (glibc's).

    A server computes for its visitors in forty threads, each with a pool of memory that keeps what it once held. Takes
    some milliseconds.
    """
    with contextlib.suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)
        return True
    return False


def keep_giving_back() -> None:
    """``give_back`` every ``TRIM_SECONDS`` while the process lives; returns at once where it cannot."""
    while give_back():
        time.sleep(TRIM_SECONDS)


def warm_up() -> None:
    """Load the first page's networks; then set what is loaded apart from garbage collection.

    Streamlit collects garbage after each rerun, which with torch loaded takes 0.2 s; frozen objects are not visited.
    """
    load("torch")
    engine, state = load("explorer.engine"), load("explorer.state")
    with contextlib.suppress(engine.ZooError, OSError):  # the page itself says what is wrong with the zoo
        variants = engine.catalogue()
        engine.ENGINE.warm_up(state.default_view(variants).ask(variants))
    gc.collect()
    gc.freeze()


def attend() -> None:
    """What goes on beside the server, for a thread of its own: ``warm_up``, then ``keep_giving_back``."""
    warm_up()
    keep_giving_back()
