"""The server's background tasks: loading the engine, and returning freed memory."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import time

from explorer.lazy_import import load

TRIM_SECONDS = 10.0


def give_back() -> bool:
    """Return freed memory to the system; returns whether the C library supports that (glibc does).

    A server computes in up to forty threads, each with a memory pool that keeps what it once used. This takes a few
    milliseconds.
    """
    with contextlib.suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)
        return True
    return False


def keep_giving_back() -> None:
    """``give_back`` every ``TRIM_SECONDS`` while the process lives; returns at once if it is not supported."""
    while give_back():
        time.sleep(TRIM_SECONDS)


def warm_up() -> None:
    """Load the first page's networks, then exclude everything loaded from garbage collection.

    Streamlit collects garbage after each rerun, which with torch loaded takes 0.2 s; frozen objects are not visited.
    """
    load("torch")
    engine, state = load("explorer.compute.engine"), load("explorer.ui.state")
    with contextlib.suppress(engine.ZooError, OSError):  # the page itself reports what is wrong with the zoo
        variants = engine.catalogue()
        engine.ENGINE.warm_up(state.default_view(variants).request(variants))
    gc.collect()
    gc.freeze()


def run_background_tasks() -> None:
    """The background thread: ``warm_up``, then ``keep_giving_back``."""
    warm_up()
    keep_giving_back()
