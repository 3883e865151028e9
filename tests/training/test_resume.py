"""Killed at any moment and started again with the same command, training ends with the same bits."""

from __future__ import annotations

import random
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors import safe_open

from tests.support.shared import JUDGE_NAME, REC_NAME, REHEARSED, ROOT, TASK_NAME, training_command
from training.fit.loop import STATE
from training.fit.runs import WEIGHTS, finished

pytestmark = pytest.mark.slow


def progress(runs: Path) -> list[tuple[str, int]]:
    """Which states were saved last, by name and time."""
    return [(str(path), path.stat().st_mtime_ns) for path in sorted(runs.glob(f"*/{STATE}"))]


def wait(condition: Callable[[], bool], process: subprocess.Popen[bytes], limit_s: float = 900) -> None:
    deadline = time.monotonic() + limit_s
    while not condition() and process.poll() is None:
        assert time.monotonic() < deadline, "the training made no progress"
        time.sleep(0.01)


def kill_once(command: list[str], runs: Path, moment: random.Random) -> bool:
    """Start, let it save at least once, kill it a random moment later; whether the kill came before its end."""
    before = progress(runs)
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
    wait(lambda: progress(runs) != before, process)
    time.sleep(moment.uniform(0, 0.6))
    process.kill()
    assert process.wait() in (-9, 0)
    return process.returncode == -9


def steps_saved(folder: Path) -> int:
    """The step of a saved state, which must be whole."""
    with safe_open(folder / STATE, "pt") as state:
        for key in state.keys():  # noqa: SIM118 (safe_open is no mapping)
            state.get_tensor(key)
        return int(state.metadata()["step"])


@pytest.mark.parametrize(("names", "kills"), [([JUDGE_NAME], 2), ([REC_NAME, TASK_NAME], 3)])
def test_killed_runs_end_with_the_same_bits(
    names: list[str], kills: int, rehearsed: Path, tmp_path: Path
) -> None:
    """SIGKILL at random moments, saving after every step so that many kills fall into a save."""
    if JUDGE_NAME not in names:
        (tmp_path / JUDGE_NAME).symlink_to(rehearsed / JUDGE_NAME)
    verb = "judge" if names == [JUDGE_NAME] else "train"
    command = training_command(verb, *names, "--runs", str(tmp_path), "--rehearse", str(REHEARSED), "--save-every", "0")
    moment = random.Random(len(names))
    killed = [kill_once(command, tmp_path, moment) for _ in range(kills)]
    assert any(killed)
    for state in tmp_path.glob(f"*/{STATE}"):
        assert steps_saved(state.parent) >= 1
    subprocess.run(command, cwd=ROOT, check=True, stderr=subprocess.DEVNULL)
    for name in names:
        assert finished(tmp_path / name)
        assert (tmp_path / name / WEIGHTS).read_bytes() == (rehearsed / name / WEIGHTS).read_bytes()
