"""The WZ-ROI explorer: ``streamlit run app.py``.

Served as one ASGI application: Streamlit's pages (``explorer/main.py``), and beside them a stateless route that answers
a moved slider in milliseconds (``explorer/routes.py``). Pages are rows of ``PAGES`` in ``explorer/pages.py``.
"""

from __future__ import annotations

import contextlib
import gc
import os
import threading
from collections.abc import AsyncIterator

import streamlit as st
import torch

from explorer.engine import ENGINE, catalogue
from explorer.pages import PAGES
from explorer.routes import routes
from explorer.sockets import send_at_once
from explorer.state import default_view
from zoo.errors import ZooError

__all__ = ["PAGES", "app"]


def share_processors() -> None:
    """Half of the processors compute, unless ``$OMP_NUM_THREADS`` says how many: a browser on this machine draws too.

    Small networks gain nothing from more threads, and two visitors are computed for at a time.
    """
    if not os.environ.get("OMP_NUM_THREADS"):
        torch.set_num_threads(max(1, (os.cpu_count() or 2) // 2))


def warm_up() -> None:
    """Load the first page's networks beside the server's start; then set what is loaded apart from garbage collection.

    Streamlit collects garbage after each rerun, which with torch loaded takes 0.2 s; frozen objects are not visited.
    """
    with contextlib.suppress(ZooError, OSError):  # the page itself says what is wrong with the zoo
        variants = catalogue()
        ENGINE.warm_up(default_view(variants).ask(variants))
    gc.collect()
    gc.freeze()


@contextlib.asynccontextmanager
async def lifespan(_: st.App) -> AsyncIterator[None]:
    send_at_once()
    threading.Thread(target=warm_up, name="warm-up", daemon=True).start()
    yield


def sentence(_: Exception) -> bool:
    """Show a sentence in place of a traceback; Streamlit logs the traceback."""
    st.error("Something went wrong on this page. Reload it; if it stays, the explorer's terminal says more.")
    return True


share_processors()
app = st.App(
    "explorer/main.py",
    routes=routes(st.config.get_option("server.baseUrlPath")),
    lifespan=lifespan,
    on_script_error=sentence,
)
