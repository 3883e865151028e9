"""Many users at once: errors, waiting times, and the servers' memory.

    python -m benchmarks.load_space --write

Twenty ``gradio_client`` users ask the hosted demo for gallery pictures through random variants, with a sweep now and
then, one request after the other; at the same time twenty browser sessions move the SNR slider once a second or so,
half of them on the demo's page, half on the explorer's, each waiting for its picture. Demo and explorer run beside them
on this machine, from the zoo in use where it has lite networks. ``--write`` keeps what came of it in
``assets/results/load_space.json`` and puts its table into the documentation.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import datetime
import json
import os
import platform
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import psutil
from gradio_client import Client

from benchmarks.load_users import Tally, api_user, sessions
from tests.support.app_server import running_app
from tests.support.shared import ROOT
from tests.support.space_server import running_space, small_zoo
from zoo.space.deploy import assemble
from zoo.store.folders import default_store

RESULTS = ROOT / "assets" / "results" / "load_space.json"
PAGE = ROOT / "docs" / "results" / "index.md"
BEGIN, END = "<!-- load:begin -->", "<!-- load:end -->"
EVERY = 5.0
"""Seconds between two looks at the servers' memory."""


class Servers(NamedTuple):
    """Addresses of demo and explorer (``None`` without one), and the processes to watch by name."""

    demo: str
    explorer: str | None
    processes: dict[str, psutil.Process]


def resident(process: psutil.Process) -> float:
    """MiB of memory that a process and its children hold."""
    return sum(one.memory_info().rss for one in [process, *process.children(recursive=True)]) / 2**20


def quantile(times: list[float], share: float) -> float:
    """Seconds below which a share of the times lies."""
    return sorted(times)[min(len(times) - 1, int(share * len(times)))]


def row(times: list[float], seconds: float) -> dict[str, float]:
    """What a kind of waiting comes to."""
    shares = {"median_s": 0.5, "p90_s": 0.9, "p99_s": 0.99, "most_s": 1.0}
    found = {key: round(quantile(times, share), 3) for key, share in shares.items()}
    return {"answers": len(times), "answers_per_s": round(len(times) / seconds, 2), **found}


def run(servers: Servers, users: int, browsers: int, seconds: float) -> dict[str, Any]:
    """Let everybody loose on the servers; returns what came of it."""
    listed = Client(servers.demo, verbose=False).predict(api_name="/variants")
    models = [item["model"] for item in listed if item["lite"]]
    tally, start = Tally(), threading.Barrier(users + bool(browsers) + 1)
    crowd = [
        threading.Thread(target=api_user, args=(servers.demo, seed, start, seconds, models, tally), daemon=True)
        for seed in range(users)
    ]
    if browsers:
        kinds = [("demo page", servers.demo), ("explorer page", servers.explorer or servers.demo)]
        places = [kinds[n % 2 if servers.explorer else 0] for n in range(browsers)]
        crowd.append(threading.Thread(target=lambda: asyncio.run(sessions(places, start, seconds, tally)), daemon=True))
    for one in crowd:
        one.start()
    start.wait()
    began, memory = time.monotonic(), {name: [resident(process)] for name, process in servers.processes.items()}
    while time.monotonic() - began < seconds:
        time.sleep(min(EVERY, seconds))
        for name, process in servers.processes.items():
            memory[name].append(resident(process))
    for one in crowd:
        one.join(180)
    return _told(tally, memory, users, browsers, seconds)


def _told(tally: Tally, memory: dict[str, list[float]], users: int, browsers: int, seconds: float) -> dict[str, Any]:
    return {
        "users": users, "browsers": browsers, "seconds": seconds, "errors": sum(tally.errors.values()),
        "error_texts": dict(tally.errors.most_common(10)),
        "waiting": {kind: row(times, seconds) for kind, times in sorted(tally.times.items())},
        "memory_mib": {name: [round(value) for value in values] for name, values in memory.items()},
        "machine": {"processors": os.cpu_count(), "machine": platform.machine(), "system": platform.system()},
        "date": datetime.date.today().isoformat(), "command": "python -m benchmarks.load_space --write",
    }  # fmt: skip


def table(found: dict[str, Any]) -> str:
    """The result in words and as a Markdown table."""
    lines = ["| | answers | median, s | 90 %, s | 99 %, s | most, s |", "|---|---:|---:|---:|---:|---:|"]
    for kind, told in found["waiting"].items():
        figures = " | ".join(f"{told[key]:.2f}" for key in ("median_s", "p90_s", "p99_s", "most_s"))
        lines.append(f"| {kind} | {told['answers']} | {figures} |")
    memory = ", ".join(
        f"{name} {values[0]} MiB at the start, {values[len(values) // 3]} after a third of it, {values[-1]} at the end"
        for name, values in found["memory_mib"].items()
    )
    head = (
        f"{found['users']} `gradio_client` users and {found['browsers']} browser sessions at once for "
        f"{found['seconds']:g} s, servers and users together on {found['machine']['processors']} processors: "
        f"{found['errors']} errors. Memory: {memory}."
    )
    return "\n".join([head, "", *lines])


def with_table(text: str, found: dict[str, Any]) -> str:
    """The results page with the table between its marks."""
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}\n\n{table(found)}\n\n{END}{rest.split(END)[1]}"


@contextlib.contextmanager
def servers() -> Iterator[Servers]:
    """Demo and explorer, started for the purpose."""
    with tempfile.TemporaryDirectory() as scratch, contextlib.ExitStack() as stack:
        root = Path(scratch)
        if not [name for name in default_store().entries() if name.endswith("_lite")]:
            os.environ["WZROI_ZOO"] = str(small_zoo(root))
        folder = assemble(root / "demo", "gradio", "me/demo").folder
        demo, process = stack.enter_context(running_space(folder, root / "log"))
        before = {child.pid for child in psutil.Process().children()}
        explorer = stack.enter_context(running_app(None, root / "explorer.log", OMP_NUM_THREADS="1"))
        (page,) = (child for child in psutil.Process().children() if child.pid not in before)
        yield Servers(demo, explorer, {"demo": psutil.Process(process.pid), "explorer": page})


def main() -> None:
    """Read the command line, start the servers, run the crowd."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=20)
    parser.add_argument("--browsers", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--write", action="store_true", help="keep the result, put its table into the docs")
    asked = parser.parse_args()
    with servers() as running:
        found = run(running, asked.users, asked.browsers, asked.seconds)
    print(table(found))
    for text, count in found["error_texts"].items():
        print(f"  {count} x {text}")
    if asked.write:
        RESULTS.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8"), found), encoding="utf-8")
    raise SystemExit(bool(found["errors"]))


if __name__ == "__main__":
    main()
