"""Two processes under ``accelerate launch`` take the steps that one process takes."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file

from tests.support.shared import JUDGE_NAME, REC_NAME, REHEARSED, ROOT, TASK_NAME
from training.fit.loop import LOG
from training.fit.runs import WEIGHTS, finished

pytestmark = pytest.mark.slow


def losses(folder: Path) -> dict[int, float]:
    lines = [json.loads(line) for line in (folder / LOG).read_text().splitlines()]
    return {line["step"]: line["loss"] for line in lines}


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def test_two_processes_match_one(rehearsed: Path, tmp_path: Path) -> None:
    """rec and task of a guided network: every step's loss, and the weights at the end."""
    (tmp_path / JUDGE_NAME).symlink_to(rehearsed / JUDGE_NAME)
    launcher = [sys.executable, "-m", "accelerate.commands.accelerate_cli", "launch", "--cpu", "--num_processes", "2"]
    launcher += ["--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no"]
    launcher += ["--main_process_port", str(free_port()), "-m", "training", "train", REC_NAME, TASK_NAME]
    options = ["--runs", str(tmp_path), "--rehearse", str(REHEARSED), "--cpu", "--threads", "1", "--log-every", "1"]
    done = subprocess.run(
        [*launcher, *options], cwd=ROOT, capture_output=True, text=True, check=False, timeout=1800,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    for name in (REC_NAME, TASK_NAME):
        assert finished(tmp_path / name)
        one, two = losses(rehearsed / name), losses(tmp_path / name)
        assert list(one) == list(two) == list(range(1, len(one) + 1))
        assert list(two.values()) == pytest.approx(list(one.values()), rel=1e-4, abs=1e-6)
        alone, together = load_file(rehearsed / name / WEIGHTS), load_file(tmp_path / name / WEIGHTS)
        for key in alone:
            assert (together[key] - alone[key]).abs().max() < 2e-4, key
