"""The campaign: its matrix and order, its budget, and what survives being stopped; once for real, in miniature."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

import pytest
from rich.console import Console
from typer.testing import CliRunner

from tests.support.shared import JUDGE_NAME, REC_NAME, REHEARSED, ROOT, TASK_NAME, training_command
from training.cli import app
from training.fit.campaign import (
    OUTPUT,
    PARTS,
    Campaign,
    Job,
    Trainer,
    chosen,
    describe,
    last_line,
    matrix,
    parse_shard,
    plan,
    run_campaign,
    shard_of,
    table,
)
from training.fit.loop import LOG
from training.fit.publish import publish
from training.fit.runs import RECORD, WEIGHTS, finished, rec_twin, run_lock
from training.fit.stop_signal import STOPPED
from wzroi.config import ConfigError
from wzroi.names import ModelName
from zoo.store.registry import CheckpointStore
from zoo.store.verified import load_from

PRETENDER = """
import pathlib, signal, sys, time
folder, seconds, way = pathlib.Path(sys.argv[1]), float(sys.argv[2]), sys.argv[3]
def saved(*_):
    (folder / "saved").touch()
    sys.exit(75)
signal.signal(signal.SIGTERM, signal.SIG_IGN if way == "deaf" else saved)
(folder / "began").touch()
time.sleep(0.05 if (folder / "saved").exists() else seconds)
if way == "fail":
    print("CUDA error: out of memory"); sys.exit(1)
(folder / "final.safetensors").touch()
(folder / "run.json").write_text('{"validation": {"psnr": 22.5, "mse": 0.006, "accuracy": 0.5}}')
"""
"""Stands for a training process: takes its time, saves on SIGTERM, goes on quickly from what it saved."""


class Pretend:
    """A launcher of pretenders that keeps the order of starts, and what was finished at each."""

    def __init__(self, runs: Path, seconds: float = 0.05, ways: dict[str, str] | None = None) -> None:
        self.runs, self.seconds, self.ways = runs, seconds, ways or {}
        self.started: list[str] = []
        self.most, self.processes = 0, []

    def __call__(self, job: Job, output: IO[bytes]) -> subprocess.Popen[bytes]:
        assert all(finished(self.runs / name) for name in job.needs), f"{job.name} was started before {job.needs}"
        self.started.append(job.name)
        way = self.ways.get(job.name, "well")
        command = [sys.executable, "-S", "-c", PRETENDER, str(self.runs / job.name), str(self.seconds), way]
        process = subprocess.Popen(command, stdout=output, stderr=output)
        self.processes.append(process)
        self.most = max(self.most, sum(one.poll() is None for one in self.processes))
        return process


def lite(*patterns: str) -> list[Job]:
    return plan(chosen("lite", ["core"], patterns, "1/1"), 128)


def carry_out(campaign: Campaign, **options: object) -> bool:
    return run_campaign(campaign, tick_s=0.02, **options)  # type: ignore[arg-type]


def test_the_matrix_of_the_paper() -> None:
    names = [str(name) for name in matrix("paper")]
    assert len(names) == 16
    assert names[0] == "deepjscc.rec_r16"
    assert names[-1] == "deepjscc_wz_roi.task_r32"
    assert [".rec_" in name for name in names] == [True] * 8 + [False] * 8
    everything = [str(name) for name in matrix("paper", list(PARTS))]
    assert everything[:16] == names
    assert len(set(everything)) == len(everything) == 16 + 4 + 24 + 8 + 32
    assert {"deepjscc_wz_roi.task_r16_oracle", "deepjscc_wz.task_r48", "deepjscc.rec_r32_s2"} <= set(everything)
    assert all(str(ModelName.parse(name)) == name for name in everything)
    assert all(name.endswith("_lite") for name in map(str, matrix("lite")))


@pytest.mark.parametrize("count", [1, 2, 3, 8, 20])
def test_shards_share_the_matrix_out_in_whole_chains(count: int) -> None:
    names = matrix("paper", ["core", "oracle"])
    shards = [shard_of(names, i + 1, count) for i in range(count)]
    assert sorted(str(name) for shard in shards for name in shard) == sorted(map(str, names))
    for shard in shards:
        assert {rec_twin(name) for name in shard} <= set(shard)
    assert max(map(len, shards)) - min(map(len, shards)) <= 2


def test_a_plan_has_what_each_network_needs_before_it() -> None:
    jobs = plan(matrix("paper", list(PARTS)))
    place = {job.name: i for i, job in enumerate(jobs)}
    assert jobs[0].name == "resnet50.cifar10"
    assert all(place[need] < place[job.name] for job in jobs for need in job.needs)
    by_name = {job.name: job for job in jobs}
    assert by_name["deepjscc.rec_r16"].needs == ()
    assert by_name["deepjscc_wz_roi.rec_r16"].needs == ("resnet50.cifar10",)
    assert by_name["deepjscc_wz.task_r32"].needs == ("resnet50.cifar10", "deepjscc_wz.rec_r32")
    assert by_name["deepjscc_wz_roi.task_r16_oracle"].needs[1] == "deepjscc_wz_roi.rec_r16_oracle"
    assert (by_name["deepjscc.rec_r16"].steps, by_name["deepjscc.rec_r16"].per_epoch) == (70_300, 703)
    alone = [job.name for job in plan([ModelName.parse("deepjscc_wz.task_r16_lite")])]
    assert alone == [JUDGE_NAME, "deepjscc_wz.rec_r16_lite", "deepjscc_wz.task_r16_lite"]
    assert [job.name for job in plan([ModelName.parse("deepjscc_wz.rec_r16_lite")])] == ["deepjscc_wz.rec_r16_lite"]


@pytest.mark.parametrize("slots", [1, 3])
def test_jobs_run_in_order_and_side_by_side(slots: int, tmp_path: Path) -> None:
    jobs, launch = lite("*_r16_lite"), Pretend(tmp_path)
    assert carry_out(Campaign(jobs, tmp_path, slots, launch))
    assert sorted(launch.started) == sorted(job.name for job in jobs)
    assert launch.most <= slots
    if slots == 1:
        assert launch.started == [job.name for job in jobs]
    again = Pretend(tmp_path)
    assert carry_out(Campaign(lite("*_r16_lite"), tmp_path, slots, again))
    assert again.started == []


def test_a_failure_stops_only_what_depends_on_it(tmp_path: Path) -> None:
    launch = Pretend(tmp_path, ways={REC_NAME: "fail"})
    campaign = Campaign(lite("deepjscc_wz*_r16_lite"), tmp_path, 2, launch)
    assert not carry_out(campaign)
    states = {job.name: job.state for job in campaign.jobs}
    assert states.pop(REC_NAME) == "failed"
    assert states.pop(TASK_NAME) == "waiting"
    assert set(states.values()) == {"finished"}
    assert "out of memory" in (tmp_path / REC_NAME / OUTPUT).read_text()


def test_the_budget_stops_everything_saved_and_the_same_command_goes_on(tmp_path: Path) -> None:
    began = time.monotonic()
    campaign = Campaign(lite("deepjscc.*_r16_lite"), tmp_path, 2, Pretend(tmp_path, seconds=600))
    assert not carry_out(campaign, minutes=0.1)
    assert time.monotonic() - began < 60
    assert {job.state for job in campaign.jobs} == {"stopped", "waiting"}
    for job in campaign.jobs:
        assert (tmp_path / job.name / "saved").exists() is (job.state == "stopped")
    second = Campaign(lite("deepjscc.*_r16_lite"), tmp_path, 2, Pretend(tmp_path, seconds=0.05))
    assert carry_out(second)


def test_told_to_stop_it_stops_all_and_kills_the_deaf(tmp_path: Path) -> None:
    launch = Pretend(tmp_path, seconds=600, ways={"deepjscc.rec_r16_lite": "deaf"})
    campaign = Campaign(lite("deepjscc.*_r16_lite"), tmp_path, 2, launch)

    def both_began() -> bool:
        return len(list(tmp_path.glob("*/began"))) == 2

    while not both_began():
        campaign.tick()
        time.sleep(0.02)
    campaign.stop(patience_s=1.0)
    assert all(process.poll() is not None for process in launch.processes)
    assert {job.state for job in campaign.jobs} == {"stopped", "waiting"}
    assert [path.parent.name for path in tmp_path.glob("*/saved")] == [JUDGE_NAME]


def test_an_interrupt_inside_the_loop_leaves_no_process_behind(tmp_path: Path) -> None:
    launch = Pretend(tmp_path, seconds=600)

    def interrupt() -> bool:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        carry_out(Campaign(lite("deepjscc.*_r16_lite"), tmp_path, 2, launch), stop=interrupt)
    assert launch.processes
    assert all(process.poll() is not None for process in launch.processes)


def test_a_run_that_another_process_trains_is_waited_for(tmp_path: Path) -> None:
    """Two machines on one folder: the judge is trained once, by whoever came first."""
    launch = Pretend(tmp_path)
    campaign = Campaign(lite("deepjscc.*_r16_lite"), tmp_path, 1, launch)
    with run_lock(tmp_path / JUDGE_NAME):
        campaign.tick()
        assert campaign.jobs[0].state == "elsewhere"
        assert launch.started == ["deepjscc.rec_r16_lite"]
    assert carry_out(campaign)
    assert launch.started[1:] == [JUDGE_NAME, "deepjscc.task_r16_lite"]


def test_the_last_whole_line_is_read(tmp_path: Path) -> None:
    assert last_line(tmp_path) == {}
    (tmp_path / LOG).write_text('{"step": 1}\n{"step": 2, "psnr": 20.5}\n{"step": 3, "ps')
    assert last_line(tmp_path) == {"step": 2, "psnr": 20.5}
    (tmp_path / LOG).write_text("x" * 10_000 + '\n{"step": 7}\n[]\n')
    assert last_line(tmp_path) == {"step": 7}


def test_the_table_shows_epoch_validation_speed_and_time_left(tmp_path: Path) -> None:
    job = Job("deepjscc.rec_r16", (), steps=70_300, batch=64, per_epoch=703, state="training")
    folder = tmp_path / job.name
    folder.mkdir()
    line = {"step": 35_150, "loss": 0.005, "images_per_s": 6400.0, "psnr": 23.456, "accuracy": 0.71}
    (folder / LOG).write_text(json.dumps(line) + "\n")
    assert describe(job, tmp_path) == (job.name, "training", "50.0 of 100.0", "23.46 dB, 71.0%", "6,400", "5:52")
    job.state = "stopped"
    assert describe(job, tmp_path)[4:] == ("", "")
    (folder / RECORD).write_text(json.dumps({"validation": {"clean": 0.945, "side": 0.6}}))
    job.state = "finished"
    assert describe(job, tmp_path)[3] == "94.5%, side 60.0%"
    console = Console(width=120, record=True, quiet=False, file=open(os.devnull, "w"))  # noqa: SIM115
    console.print(table(Campaign([job], tmp_path, 1, Pretend(tmp_path)), "0:10"))
    shown = console.export_text()
    assert "1 of 1 networks finished · 0:10" in shown
    assert "deepjscc.rec_r16" in shown


def test_a_jobs_command_is_what_one_would_type() -> None:
    judge, rec = lite("deepjscc_wz_roi.rec_r16_lite")
    trainer = Trainer(Path("runs"), Path("/data"), cpu=True, threads=2, compiled=False)
    line = " ".join(trainer.command(rec)[1:])
    assert line.startswith(f"-m training train {REC_NAME} --runs runs --parent {os.getpid()}")
    assert all(part in line for part in ("--root /data", "--cpu", "--threads 2", "--no-compiled"))
    assert "training judge resnet_lite.cifar10" in " ".join(trainer.command(judge))


@pytest.mark.parametrize(
    ("attempt", "message"),
    [
        (lambda: matrix("huge"), "unknown tier 'huge'; choose one of paper, lite"),
        (lambda: matrix("lite", ["rest"]), "unknown part 'rest' of the matrix; choose one of core"),
        (lambda: parse_shard("0/4"), "e.g. 2/4, not '0/4'"),
        (lambda: parse_shard("5/4"), "i from 1 to n"),
        (lambda: parse_shard("half"), "shard reads i/n"),
        (lambda: chosen("lite", ["core"], ["nothing*"], "1/1"), "no network matches"),
        (lambda: Campaign([], Path("runs"), 0, lambda *_: None), "at least one job at a time"),  # type: ignore
    ],
)
def test_mistakes_are_named(attempt: Callable[[], object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        attempt()


def test_a_recipe_is_planned_passed_on_and_kept_apart(tmp_path: Path) -> None:
    names = chosen("paper", ["core"], ["deepjscc_wz.*_r16"], "1/1")
    by_name = {job.name: job for job in plan(names, recipe="fast")}
    assert (by_name["deepjscc_wz.rec_r16"].steps, by_name["deepjscc_wz.rec_r16"].batch) == (175 * 40, 256)
    assert by_name["resnet50.cifar10"].steps == plan(names)[0].steps
    trainer = Trainer(tmp_path, recipe="fast", rehearse=32, rehearse_epochs=1.0)
    assert trainer.command(by_name["deepjscc_wz.task_r16"])[-2:] == ["--recipe", "fast"]
    assert "--recipe" not in trainer.command(by_name["resnet50.cifar10"])
    cut = plan(names, 32, "fast", 2.0)
    assert {(job.steps, job.batch) for job in cut} == {(2, 32)}
    line = ["campaign", "--dry-run", "--runs", str(tmp_path), "--recipe"]
    assert CliRunner().invoke(app, [*line, "fast"]).exit_code == 0
    (tmp_path / "deepjscc.rec_r16").mkdir()
    (tmp_path / "deepjscc.rec_r16" / WEIGHTS).touch()
    (tmp_path / "deepjscc.rec_r16" / RECORD).write_text('{"recipe_name": "standard", "validation": {}}')
    mixed = CliRunner().invoke(app, [*line, "fast"])
    assert mixed.exit_code == 2 and "was trained by the recipe 'standard', not 'fast'" in " ".join(mixed.output.split())
    unknown = CliRunner().invoke(app, [*line, "fast", "--tier", "lite"])
    assert unknown.exit_code == 2 and "the lite tier has no recipe 'fast'" in unknown.output


def test_a_dry_run_lists_and_starts_nothing(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["campaign", "--tier", "lite", "--dry-run", "--runs", str(tmp_path)])
    assert done.exit_code == 0
    assert "0 of 17 networks finished" in done.output
    assert list(tmp_path.iterdir()) == []
    wrong = CliRunner().invoke(app, ["campaign", "--tier", "lite", "--shard", "3/2", "--runs", str(tmp_path)])
    assert wrong.exit_code == 2
    assert "shard reads i/n" in wrong.output


def test_orphans_notice_and_stop(tmp_path: Path) -> None:
    """The campaign's own process killed outright: its children see that their parent is another."""
    child = (
        "import pathlib, time; from training.fit.stop_signal import StopSignal\n"
        "import os, sys\nstop = StopSignal(int(sys.argv[2])); pathlib.Path(sys.argv[1], 'began').touch()\n"
        "while not stop(): time.sleep(0.02)\npathlib.Path(sys.argv[1], 'saved').touch()"
    )
    parent = (
        "import os, subprocess, sys, time\n"
        f"subprocess.Popen([sys.executable, '-c', {child!r}, sys.argv[1], str(os.getpid())]); time.sleep(600)"
    )
    process = subprocess.Popen([sys.executable, "-c", parent, str(tmp_path)], cwd=ROOT)
    for name, action in (("began", process.kill), ("saved", process.wait)):
        deadline = time.monotonic() + 120
        while not (tmp_path / name).exists():
            assert time.monotonic() < deadline, name
            time.sleep(0.02)
        action()


@pytest.mark.slow
def test_the_whole_campaign_in_miniature(rehearsed: Path, tmp_path: Path) -> None:
    """Judge, rec and task for real, two at a time: stopped by SIGTERM, the same command ends with the same bits."""
    runs = tmp_path / "runs"
    command = training_command(
        "campaign", "--tier", "lite", "--only", "deepjscc_wz_roi.*_r16_lite", "--jobs", "2",
        "--rehearse", str(REHEARSED), "--runs", str(runs), "--save-every", "1",
    )
    first = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 900
    while not (runs / JUDGE_NAME / LOG).exists():
        assert time.monotonic() < deadline
        assert first.poll() is None
        time.sleep(0.05)
    first.send_signal(signal.SIGTERM)
    _, said = first.communicate(timeout=300)
    assert first.returncode == STOPPED, said.decode()
    assert "run the same command to continue" in said.decode()
    assert not finished(runs / TASK_NAME)
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=1800)
    assert done.returncode == 0, done.stderr
    assert "3 of 3 networks finished" in done.stderr
    for name in (JUDGE_NAME, REC_NAME, TASK_NAME):
        assert (runs / name / WEIGHTS).read_bytes() == (rehearsed / name / WEIGHTS).read_bytes()


@pytest.mark.slow
@pytest.mark.skipif(not os.environ.get("WZROI_SLOW"), reason="takes more than a minute: set WZROI_SLOW=1")
def test_the_papers_campaign_in_miniature(tmp_path: Path) -> None:
    """The paper's networks and judge at their full size, one step each; and from there into a zoo that loads them."""
    names = ("resnet50.cifar10", "deepjscc_wz_roi.rec_r32", "deepjscc_wz_roi.task_r32")
    runs = tmp_path / "runs"
    command = training_command(
        "campaign", "--tier", "paper", "--recipe", "fast", "--only", "deepjscc_wz_roi.*_r32",
        "--rehearse", "16", "--rehearse-epochs", "1", "--runs", str(runs),
    )
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=1800)
    assert done.returncode == 0 and "3 of 3 networks finished" in done.stderr, done.stderr
    record = json.loads((runs / names[2] / RECORD).read_text())
    assert (record["recipe_name"], record["rehearsal"], record["config"]["width"]) == ("fast", 16, 256)
    for name in names:
        entry = publish(runs / name, tmp_path / "zoo")
        assert entry.parameters > 5_000_000 and not entry.metrics
        assert load_from(CheckpointStore.at(tmp_path / "zoo"), name, "cpu") is not None
