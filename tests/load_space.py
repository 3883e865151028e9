"""Many gradio_client users of the hosted demo at once: errors, waiting times, and the server's memory.

    python tests/load_space.py --users 20 --seconds 60

Every user sends gallery pictures through random variants, with a sweep now and then, one request after the other. The
server runs from a folder assembled for the purpose, with the zoo in use where it has lite networks.
"""

from __future__ import annotations

import argparse
import os
import random
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

from gradio_client import Client
from space_server import running_space, small_zoo

from zoo.hosting import assemble
from zoo.registry import default_shelf

SWEEPS = 0.03
"""Share of requests that ask for a sweep."""


class Tally:
    """Waiting times by endpoint, and errors; filled by all users."""

    def __init__(self) -> None:
        self.times: dict[str, list[float]] = {"transmit": [], "sweep": []}
        self.errors: Counter[str] = Counter()
        self._lock = threading.Lock()

    def add(self, kind: str, seconds: float) -> None:
        with self._lock:
            self.times[kind].append(seconds)

    def fail(self, error: Exception) -> None:
        with self._lock:
            self.errors[f"{type(error).__name__}: {str(error)[:100]}"] += 1


def request(client: Client, draw: random.Random, models: list[str]) -> str:
    """One request of a user; returns its endpoint."""
    asked: dict[str, Any] = {
        "pair": f"cifar-{draw.randrange(20)}", "picture": None, "right": None, "size": 64, "channel": "awgn",
        "roi": "side", "seed": draw.randrange(1000),
    }  # fmt: skip
    if draw.random() < SWEEPS:
        client.predict(**asked, models=draw.sample(models, 2), snrs=[0, 5, 10], draws=4, api_name="/sweep")
        return "sweep"
    client.predict(**asked, model=draw.choice(models), snr_db=draw.uniform(-5, 20), api_name="/transmit")
    return "transmit"


def user(address: str, seed: int, start: threading.Barrier, seconds: float, models: list[str], tally: Tally) -> None:
    """One user: connect, wait for the others, then ask again and again."""
    draw = random.Random(seed)
    with tempfile.TemporaryDirectory() as answers:
        client = Client(address, verbose=False, download_files=answers)
        start.wait()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            began = time.monotonic()
            try:
                tally.add(request(client, draw, models), time.monotonic() - began)
            except Exception as error:  # whatever goes wrong is what is counted
                tally.fail(error)


def resident(pid: int) -> float:
    """MiB of memory that a process holds."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


def quantile(times: list[float], share: float) -> float:
    """Seconds below which a share of the times lies."""
    return sorted(times)[min(len(times) - 1, int(share * len(times)))]


def report(tally: Tally, seconds: float, memory: list[float]) -> None:
    """Print errors, the table of waiting times and the memory."""
    print(f"{'endpoint':10} {'answers':>8} {'per s':>7} {'median s':>9} {'p90 s':>7} {'p99 s':>7} {'most s':>7}")
    for kind, times in tally.times.items():
        if times:
            row = [quantile(times, share) for share in (0.5, 0.9, 0.99, 1.0)]
            figures = " ".join(f"{value:7.2f}" for value in row[1:])
            print(f"{kind:10} {len(times):8} {len(times) / seconds:7.1f} {row[0]:9.2f} {figures}")
    print(f"errors: {sum(tally.errors.values())}")
    for text, count in tally.errors.most_common(5):
        print(f"  {count} x {text}")
    print("memory, MiB: " + " ".join(f"{value:.0f}" for value in memory))


def run(address: str, pid: int, users: int, seconds: float) -> Tally:
    """Let users loose on a server and print what came of it."""
    models = [row["model"] for row in Client(address, verbose=False).predict(api_name="/variants") if row["lite"]]
    tally, start = Tally(), threading.Barrier(users + 1)
    crowd = [
        threading.Thread(target=user, args=(address, seed, start, seconds, models, tally), daemon=True)
        for seed in range(users)
    ]
    for one in crowd:
        one.start()
    start.wait()
    began, memory = time.monotonic(), [resident(pid)]
    while time.monotonic() - began < seconds:
        time.sleep(min(10.0, seconds))
        memory.append(resident(pid))
    for one in crowd:
        one.join(120)
    report(tally, time.monotonic() - began, [*memory, resident(pid)])
    return tally


def main() -> None:
    """Read the command line, start a server (or take a running one), run the crowd."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--address", help="a demo that runs on this machine already")
    parser.add_argument("--pid", type=int, help="its process")
    asked = parser.parse_args()
    if asked.address:
        tally = run(asked.address, asked.pid or os.getpid(), asked.users, asked.seconds)
    else:
        with tempfile.TemporaryDirectory() as scratch:
            root = Path(scratch)
            if not [name for name in default_shelf().entries() if name.endswith("_lite")]:
                os.environ["WZROI_ZOO"] = str(small_zoo(root))
            folder = assemble(root / "demo", "gradio", "me/demo").folder
            with running_space(folder, root / "log") as (address, process):
                tally = run(address, process.pid, asked.users, asked.seconds)
    raise SystemExit(bool(tally.errors))


if __name__ == "__main__":
    main()
