"""The explorer as a running server for browser tests, measurements and screenshots; and a zoo to run it on."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tests.support.shared import ROOT
from tests.support.zoo_runs import write_judge_run, write_link_run
from training.fit.publish import publish
from wzroi.config import PAPER_ARCHITECTURES
from zoo.store.registry import BUNDLED

CHROMIUM = "/usr/bin/chromium"
BROWSER_ARGUMENTS = ["--no-sandbox"]

NAMES = [f"{architecture}.{tag}_lite" for architecture in PAPER_ARCHITECTURES for tag in ("rec_r16", "rec_r32")]
NAMES += ["deepjscc.task_r16_lite", "deepjscc_wz_roi.task_r16_lite"]


def fixture_zoo(folder: Path) -> Path:
    """A zoo of small untrained networks: the four architectures at two rates, two ``task`` networks and a judge."""
    runs, store = folder / "runs", folder / "zoo"
    for run in [write_judge_run(runs), *(write_link_run(runs, name) for name in NAMES)]:
        publish(run, store)
    return store


def zoo_for(folder: Path) -> Path | None:
    """``None`` where ``$WZROI_ZOO`` or the bundled zoo has the lite networks, else a fixture zoo below ``folder``."""
    return None if os.environ.get("WZROI_ZOO") or set(NAMES) <= set(BUNDLED.entries()) else fixture_zoo(folder)


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running_app(zoo: Path | None, log: Path, script: Path = ROOT / "app.py", **environment: str) -> Iterator[str]:
    """Start ``streamlit run app.py`` and give its address; stopped afterwards."""
    with running_server(zoo, log, script, environment=environment) as (address, _):
        yield address


@contextlib.contextmanager
def running_server(
    zoo: Path | None, log: Path, script: Path = ROOT / "app.py", folder: Path = ROOT, options: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> Iterator[tuple[str, int]]:
    """``streamlit run`` in a folder (whose ``.streamlit`` it reads); gives its address and process id."""
    port = free_port()
    env = os.environ | (environment or {}) | ({"WZROI_ZOO": str(zoo)} if zoo else {})
    command = [sys.executable, "-m", "streamlit", "run", str(script), "--server.port", str(port)]
    command += ["--server.headless", "true", "--server.address", "127.0.0.1", *options]
    with log.open("w") as output:
        process = subprocess.Popen(command, cwd=folder, env=env, stdout=output, stderr=subprocess.STDOUT)
        try:
            _wait(f"http://127.0.0.1:{port}/_stcore/health", process, log)
            yield f"http://127.0.0.1:{port}", process.pid
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait(address: str, process: subprocess.Popen[bytes], log: Path, seconds: float = 300) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if process.poll() is not None:
            raise RuntimeError(f"the explorer stopped at once: {log.read_text()[-2000:]}")
        with contextlib.suppress(OSError):
            urllib.request.urlopen(address, timeout=1).read()
            return
        time.sleep(0.1)
    raise RuntimeError(f"no explorer after {seconds:g} s: {log.read_text()[-2000:]}")
