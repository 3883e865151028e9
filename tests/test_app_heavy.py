"""What the server sets before it computes: processors and memory pools."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest
from conftest import ROOT

POOLS = """
import ctypes, threading
from explorer.heavy import few_arenas
{call}
libc, meet = ctypes.CDLL(None), threading.Barrier(9)
libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
def work():
    held = [libc.malloc(20_000) for _ in range(50)]
    meet.wait()
    [libc.free(one) for one in held]
threads = [threading.Thread(target=work) for _ in range(8)]
[thread.start() for thread in threads]
meet.wait()
[thread.join() for thread in threads]
libc.malloc_stats()
"""


def pools(call: str) -> int:
    """glibc's memory pools after eight threads held memory at once."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("MALLOC", "GLIBC"))}
    ran = subprocess.run([sys.executable, "-c", POOLS.format(call=call)], cwd=ROOT, capture_output=True, text=True,
                         check=True, env=environment)
    return ran.stderr.count("Arena ")


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="memory pools of glibc")
def test_threads_share_two_memory_pools() -> None:
    assert pools("assert few_arenas()") <= 2 < pools("")


@pytest.mark.parametrize(("told", "expected"), [("3", "3"), ("", str(max(1, (os.cpu_count() or 2) // 2)))])
def test_half_of_the_processors_compute_unless_told(told: str, expected: str) -> None:
    lines = "import os; from explorer import heavy; heavy.share_processors(); print(os.environ['OMP_NUM_THREADS'])"
    ran = subprocess.run([sys.executable, "-c", lines], cwd=ROOT, capture_output=True, text=True, check=True,
                         env=os.environ | {"OMP_NUM_THREADS": told})
    assert ran.stdout.strip() == expected
