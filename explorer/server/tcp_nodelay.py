"""Responses are sent at once: the server's listening sockets get TCP_NODELAY, which their connections inherit.

Streamlit binds its socket without naming the protocol, and asyncio sets the option only for named TCP sockets. Without
it, a response's body waits for the browser to acknowledge its headers (Nagle's algorithm, delayed acknowledgements):
40 ms for every frame and every message of a page.
"""

from __future__ import annotations

import contextlib
import os
import socket
import stat
from pathlib import Path

DESCRIPTORS = (Path("/proc/self/fd"), Path("/dev/fd"))


def listening() -> list[socket.socket]:
    """A second handle of every TCP socket on which this process listens; empty if the system does not list them."""
    folder = next((path for path in DESCRIPTORS if path.is_dir()), None)
    found = []
    for name in os.listdir(folder) if folder else ():
        with contextlib.suppress(OSError):  # closed meanwhile
            if stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                handle = socket.socket(fileno=os.dup(int(name)))
                if _listens(handle):
                    found.append(handle)
                else:
                    handle.close()
    return found


def _listens(handle: socket.socket) -> bool:
    internet = handle.family in (socket.AF_INET, socket.AF_INET6) and handle.type == socket.SOCK_STREAM
    return internet and handle.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1


def send_at_once() -> int:
    """Set TCP_NODELAY on the listening sockets; returns their number."""
    handles = listening()
    for handle in handles:
        with handle:
            handle.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return len(handles)
