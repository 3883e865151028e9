"""Where the demo computes: on the CPU for live controls, on a GPU lent per call for sweeps and paper-size networks.

On ZeroGPU the package ``spaces`` lends a GPU to functions that it decorates; it must be imported before CUDA is used.
Elsewhere the package is missing or has no effect, and the same functions run on the host's own hardware.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

try:
    spaces: Any = importlib.import_module("spaces")
except ImportError:
    spaces = None

import torch

Function = TypeVar("Function", bound=Callable[..., Any])

MAX_THREADS = 4
"""Threads per computation: a hosted machine reports many more cores than it grants."""


def on_gpu(seconds: int | Callable[..., int]) -> Callable[[Function], Function]:
    """Decorate a function that needs a GPU for at most ``seconds`` (a number, or a function of its arguments)."""

    def decorate(function: Function) -> Function:
        return function if spaces is None else spaces.GPU(function, duration=seconds)

    return decorate


def lent_device() -> str:
    """The device inside a function decorated by ``on_gpu``; elsewhere ZeroGPU only emulates one."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def bound_threads() -> int:
    """Limit torch's CPU threads: ``$OMP_NUM_THREADS`` if set, else at most ``MAX_THREADS``."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    count = int(asked) if asked.isdecimal() and int(asked) else min(MAX_THREADS, os.cpu_count() or 1)
    torch.set_num_threads(count)
    return count


def more_checkpoints() -> None:
    """Set ``$WZROI_REPO`` to the repository of further networks that this demo was assembled with, unless it is set."""
    named = Path(__file__).with_name("repository.txt")
    if named.is_file():
        os.environ.setdefault("WZROI_REPO", named.read_text(encoding="utf-8").strip())


def hardware() -> str:
    """A sentence about the hardware in use."""
    threads = torch.get_num_threads()
    live = f"Live controls run on this host's CPU ({threads} thread{'s' * (threads > 1)})"
    zero = bool(os.environ.get("SPACES_ZERO_GPU")) and spaces is not None
    if zero:
        return f"{live}; sweeps and paper-size networks on a shared GPU (ZeroGPU)."
    if torch.cuda.is_available():
        return f"{live}; sweeps and paper-size networks on its GPU."
    return f"{live}, and so does everything else."
