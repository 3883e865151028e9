"""What the server sets before it computes, and the memory that it gives back."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

from tests.support.shared import ROOT

FREED = """
import ctypes, threading
from explorer.server.background_tasks import give_back
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
def held():
    return int(open("/proc/self/statm").read().split()[1]) * 4096
def work():
    blocks = [libc.malloc(20_000) for _ in range(2000)]
    [ctypes.memset(block, 1, 20_000) for block in blocks]
    [libc.free(block) for block in blocks[:-1]]  # the last one keeps the pool from shrinking by itself
threads = [threading.Thread(target=work) for _ in range(4)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
before = held()
assert give_back()
print(before - held())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="memory pools of glibc")
def test_freed_memory_is_given_back() -> None:
    """Four threads freed 40 MB each, all but the last block: what a pool keeps until it is told."""
    ran = subprocess.run([sys.executable, "-c", FREED], cwd=ROOT, capture_output=True, text=True, check=True)
    assert int(ran.stdout) > 20e6


@pytest.mark.parametrize(("told", "expected"), [("3", "3"), ("", str(max(1, (os.cpu_count() or 2) // 2)))])
def test_half_of_the_processors_compute_unless_told(told: str, expected: str) -> None:
    lines = "import os; from explorer.lazy_import import share_processors as share; share()"
    lines += "; print(os.environ['OMP_NUM_THREADS'])"
    ran = subprocess.run([sys.executable, "-c", lines], cwd=ROOT, capture_output=True, text=True, check=True,
                         env=os.environ | {"OMP_NUM_THREADS": told})
    assert ran.stdout.strip() == expected
