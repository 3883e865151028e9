"""Stop requests: signals, or the end of the parent process."""

from __future__ import annotations

import os
import signal
from types import FrameType, TracebackType
from typing import Any

STOPPED = 75
"""Exit status of a command that was asked to stop and saved its state (EX_TEMPFAIL: try again later)."""

BUSY = 76
"""Exit status of a command whose run another process is training."""

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopSignal:
    """``with StopSignal() as stop:`` — ``stop()`` turns true on SIGTERM or SIGINT; a second signal ends at once.

    Args:
        parent: process id to follow: ``stop()`` is true once this process has another parent.
    """

    def __init__(self, parent: int | None = None) -> None:
        self.parent, self.asked = parent, False
        self._before: dict[signal.Signals, Any] = {}

    def __call__(self) -> bool:
        return self.asked or (self.parent is not None and os.getppid() != self.parent)

    def __enter__(self) -> StopSignal:
        self._before = {number: signal.signal(number, self._ask) for number in SIGNALS}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
