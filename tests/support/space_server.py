"""The hosted demo as a running server for tests and measurements, from a folder assembled for it."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.support.app_server import free_port
from tests.support.zoo_runs import write_judge_run, write_link_run
from training.fit.publish import publish
from wzroi.config import PAPER_ARCHITECTURES

LITE = [f"{architecture}.rec_r16_lite" for architecture in PAPER_ARCHITECTURES]
LITE += ["deepjscc.rec_r32_lite", "deepjscc_wz_roi.rec_r32_lite", "deepjscc_wz_roi.task_r16_lite"]
PAPER = "deepjscc_wz_roi.task_r16"


def small_zoo(folder: Path) -> Path:
    """A zoo of tiny untrained networks: lite ones at two rates, one of the paper tier's name, a judge."""
    runs, store = folder / "runs", folder / "zoo"
    made = [write_judge_run(runs), *(write_link_run(runs, name, seed=7) for name in [*LITE, PAPER])]
    for run in made:
        publish(run, store)
    return store


def clean_environment(**more: str) -> dict[str, str]:
    """The environment without anything that points at this checkout or another zoo."""
    dropped = ("PYTHONPATH", "WZROI_ZOO", "WZROI_REPO", "WZROI_DATA")
    kept = {key: value for key, value in os.environ.items() if key not in dropped}
    scripts = str(Path(sys.executable).parent)
    return kept | {"PATH": f"{scripts}{os.pathsep}{kept.get('PATH', '')}", "OMP_NUM_THREADS": "1", **more}


@contextlib.contextmanager
def serving(
    command: list[str], folder: Path, address: str, environment: Mapping[str, str], log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server in ``folder`` until its address answers; stopped afterwards."""
    with log.open("w") as output:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT)
        try:
            _wait(address, process, log)
            yield process
        finally:
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait(address: str, process: subprocess.Popen[bytes], log: Path, seconds: float = 400) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if process.poll() is not None:
            raise RuntimeError(f"the server stopped at once: {log.read_text()[-2000:]}")
        with contextlib.suppress(OSError):
            urllib.request.urlopen(address, timeout=30).read()
            return
        time.sleep(0.2)
    raise RuntimeError(f"no answer from {address} after {seconds:g} s: {log.read_text()[-2000:]}")


@contextlib.contextmanager
def running_space(folder: Path, log: Path, **environment: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """``python app.py`` in an assembled folder, as a Space runs it: its address and its process."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    cache = folder.parent / "gradio-cache"
    more = {"GRADIO_SERVER_PORT": str(port), "GRADIO_TEMP_DIR": str(cache), **environment}
    with serving([sys.executable, "app.py"], folder, address, clean_environment(**more), log) as process:
        yield address, process
