"""What computes is imported beside the server's start: a page's frame is there while torch still loads.

One importer at a time: a visitor who comes early waits here, and no thread meets half a module of another's.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import threading
from importlib import import_module
from types import ModuleType

ARENAS, M_ARENA_MAX = 2, -8
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


def few_arenas() -> bool:
    """Let all threads share two of glibc's memory pools; whether that was done (elsewhere there is nothing to do).

    A server computes for its visitors in forty threads, each with a pool of its own that keeps what it once held.
    """
    with contextlib.suppress(AttributeError, OSError, TypeError):
        return ctypes.CDLL(None).mallopt(M_ARENA_MAX, ARENAS) == 1
    return False


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
