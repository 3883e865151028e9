"""The server's connections send at once: an answer's body does not wait for its head to be acknowledged."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path

import pytest

from explorer.server.tcp_nodelay import DESCRIPTORS, listening, send_at_once

pytestmark = pytest.mark.skipif(
    not any(path.is_dir() for path in DESCRIPTORS), reason="this system does not list a process's descriptors"
)


def no_delay(one: socket.socket) -> bool:
    return bool(one.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))


def test_connections_accepted_later_do_not_wait() -> None:
    with socket.socket() as server, socket.socket() as before, socket.socket() as after:
        server.bind(("127.0.0.1", 0))
        server.listen(2)
        before.connect(server.getsockname())
        accepted, _ = server.accept()
        with accepted:
            assert not no_delay(accepted), "the system's own default made this test blind"
        assert send_at_once() >= 1
        after.connect(server.getsockname())
        accepted, _ = server.accept()
        with accepted:
            assert no_delay(accepted)


def test_only_listening_tcp_sockets_are_found_and_no_descriptor_stays_open(tmp_path: Path) -> None:
    held = tmp_path / "held"
    with held.open("w"), socket.socket() as server, socket.socket() as idle, socket.socket(type=socket.SOCK_DGRAM):
        server.bind(("127.0.0.1", 0))
        server.listen(1)
        folder = next(path for path in DESCRIPTORS if path.is_dir())
        before = len(os.listdir(folder))
        found = listening()
        names = [one.getsockname() for one in found]
        assert server.getsockname() in names
        assert idle.getsockname() not in names
        for one in found:
            one.close()
        assert len(os.listdir(folder)) == before


def test_the_applications_start_sets_it(monkeypatch: pytest.MonkeyPatch) -> None:
    import app
    from explorer.server import application

    called: list[int] = []
    monkeypatch.setattr(application, "send_at_once", lambda: called.append(1))
    monkeypatch.setattr(application, "run_background_tasks", lambda: None)

    async def start() -> None:
        async with application.lifespan(app.app):
            assert called == [1]

    asyncio.run(start())
