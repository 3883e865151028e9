"""The arguments of ``st.App``: Streamlit finds an application only if a script calls ``st.App`` itself (``app.py``).

One ASGI application serves Streamlit's pages (``explorer/server/main.py``), and a stateless route that answers a moved
slider in milliseconds (``explorer/server/routes.py``). Pages are rows of ``explorer/navigation.py``. Nothing here
imports torch, which takes two seconds, during which a page can already load
(``explorer/server/background_tasks.py``).
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import streamlit as st

from explorer.lazy_import import share_processors
from explorer.server.background_tasks import run_background_tasks
from explorer.server.routes import routes
from explorer.server.tcp_nodelay import send_at_once

SCRIPT = Path(__file__).resolve().with_name("main.py")
"""The script of each visit."""


@contextlib.asynccontextmanager
async def lifespan(_: st.App) -> AsyncIterator[None]:
    send_at_once()
    threading.Thread(target=run_background_tasks, name="attend", daemon=True).start()
    yield


def sentence(_: Exception) -> bool:
    """Show a message instead of a traceback, which Streamlit logs."""
    st.error(
        "Something went wrong on this page. Reload it; if it happens again, see the explorer's terminal for details."
    )
    return True


def options() -> dict[str, Any]:
    """The arguments of ``st.App`` after the script; bounds the threads that compute."""
    share_processors()
    base = st.config.get_option("server.baseUrlPath")
    return {"routes": routes(base), "lifespan": lifespan, "on_script_error": sentence}
