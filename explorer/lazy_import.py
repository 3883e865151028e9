"""What computes is imported beside the server's start: a page's frame is there while torch still loads.

One importer at a time: a visitor who comes early waits here, and no thread meets half a module of another's.
"""

from __future__ import annotations

import os
import threading
from importlib import import_module
from types import ModuleType

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
