"""The WZ-ROI explorer: ``streamlit run app.py``.

Served as one ASGI application: Streamlit's pages (``explorer/server/main.py``), and beside them a stateless route that
answers a moved slider in milliseconds (``explorer/server/routes.py``). Pages are rows of ``explorer/navigation.py``.
Nothing here imports torch: that takes two seconds, in which a page already loads
(``explorer/server/background_tasks.py``).
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import AsyncIterator

import streamlit as st

from explorer.lazy_import import share_processors
from explorer.navigation import PAGES
from explorer.server.background_tasks import run_background_tasks
from explorer.server.routes import routes
from explorer.server.tcp_nodelay import send_at_once

__all__ = ["PAGES", "app"]


@contextlib.asynccontextmanager
async def lifespan(_: st.App) -> AsyncIterator[None]:
    send_at_once()
    threading.Thread(target=run_background_tasks, name="attend", daemon=True).start()
    yield


def sentence(_: Exception) -> bool:
    """Show a sentence in place of a traceback; Streamlit logs the traceback."""
    st.error("Something went wrong on this page. Reload it; if it stays, the explorer's terminal says more.")
    return True


share_processors()
app = st.App(
    "explorer/server/main.py",
    routes=routes(st.config.get_option("server.baseUrlPath")),
    lifespan=lifespan,
    on_script_error=sentence,
)
