"""The learning curve's results file: points from finished runs, the rule of convergence, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from training.cli import app
from training.evaluation.learning_curve import change, collect, curved, recipe_of
from training.fit.loop import LOG
from training.fit.runs import RECORD, WEIGHTS
from training.recipes import SHORT

REC, TASK = "deepjscc.rec_r16_lite", "deepjscc.task_r16_lite"


def finish_run(folder: Path, name: str, recipe: str, epochs: float, **validation: float) -> None:
    run = folder / name
    run.mkdir(parents=True)
    (run / WEIGHTS).touch()
    lines = [{"step": 100, "loss": 0.01, "psnr": 20.0}, {"step": 200, "loss": 0.005}]
    (run / LOG).write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"step": 3')
    record = {"name": name, "recipe_name": recipe, "seed": 0, "commit": "abc", "wall_s": 60.0, "core_s": 110.0,
              "schedule": {"epochs": epochs, "batch": 64}, "validation": validation}  # fmt: skip
    (run / RECORD).write_text(json.dumps(record))


def test_points_are_read_from_their_own_runs_and_the_rule_is_applied(tmp_path: Path) -> None:
    folders = {point: tmp_path / point for point in ("half", "once", "twice")}
    for (point, folder), psnr, accuracy in zip(folders.items(), (23.0, 23.30, 23.39), (0.6, 0.65, 0.656), strict=True):
        finish_run(folder, REC, recipe_of(point), 10, psnr=psnr)
        finish_run(folder, TASK, recipe_of(point), 5, psnr=psnr, accuracy=accuracy)
    found = collect("lite", folders)
    rec, task = found["rows"]
    assert [row["name"] for row in found["rows"]] == [REC, TASK]
    assert rec["points"]["half"]["log"] == [{"images": 6400, "psnr": 20.0, "loss": 0.01}]
    assert rec["points"]["twice"]["core_s"] == 110.0 and rec["points"]["once"]["commit"] == "abc"
    assert rec["change"] == {"psnr_db": 0.09, "accuracy_points": None, "converged": True}
    assert task["change"] == {"psnr_db": 0.09, "accuracy_points": 0.6, "converged": False}


@pytest.mark.parametrize(
    ("psnr", "accuracy", "converged"),
    [(23.099, 0.604, True), (23.11, 0.6, False), (22.8, 0.6, False), (23.0, 0.59, False)],
)
def test_converged_means_under_a_tenth_of_a_decibel_and_half_a_point(
    psnr: float, accuracy: float, converged: bool
) -> None:
    once = {"name": TASK, "validation": {"psnr": 23.0, "accuracy": 0.6}}
    twice = {"name": TASK, "validation": {"psnr": psnr, "accuracy": accuracy}}
    assert change({"once": once, "twice": twice})["converged"] is converged
    assert change({"once": once, "twice": None})["converged"] is None


def test_runs_of_another_recipe_are_refused(tmp_path: Path) -> None:
    finish_run(tmp_path, REC, "standard", 3, psnr=22.0)
    with pytest.raises(ValueError, match="was trained by the recipe 'standard', not 'short'"):
        collect("lite", {"once": tmp_path})


def test_the_command_writes_the_file_and_says_what_is_known(tmp_path: Path) -> None:
    finish_run(tmp_path / "runs", REC, SHORT, 30, psnr=23.5)
    line = ["curve", "--once", str(tmp_path / "runs"), "--half", str(tmp_path / "no"), "--twice", str(tmp_path / "no")]
    done = CliRunner().invoke(app, [*line, "--results", str(tmp_path)])
    assert done.exit_code == 0 and "not known yet" in done.output
    assert json.loads((tmp_path / "curve_lite.json").read_text())["rows"][0]["points"]["half"] is None
    for wrong, message in ((["--tier", "huge"], "unknown tier 'huge'"), (["--tier", "paper"], "no finished runs")):
        refused = CliRunner().invoke(app, [*line, *wrong, "--results", str(tmp_path)])
        assert refused.exit_code == 2 and message in " ".join(refused.output.split())


def test_both_architectures_are_curved_at_both_rates_and_for_both_algorithms() -> None:
    assert len(curved("paper")) == len(curved("lite")) == 8
    assert {name.lite for name in curved("paper")} == {False}
