"""Training in miniature: what a step optimises, what a run leaves behind, and that the test set stays closed."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import pickle
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from safetensors.torch import load_file
from torch import nn
from typer.testing import CliRunner

from tests.support.shared import ROOT
from training.cli import app
from training.fit import loop, roi_cache
from training.fit.judge_task import JudgeTask, augment, whiten
from training.fit.link_task import LinkTask
from training.fit.loop import BatchError, ResumeError, batch_indices, fit, learning_rate, total_steps, write_atomically
from training.fit.roi_cache import RoiCache
from training.fit.runs import (
    RECORD,
    WEIGHTS,
    BusyRun,
    MissingRun,
    finished,
    load_judge_run,
    rec_twin,
    run_lock,
    train_judge,
    train_link,
)
from training.fit.stop_signal import StopSignal
from training.fit.synthetic_data import rehearsal_schedule, rehearsal_split
from training.recipes import JUDGES, RECIPES, STANDARD, TIERS, Schedule, Tier, model_config, tier_of
from wzroi import ModelName, WynerZivJSCC, roi_map, sample_channel
from wzroi.config import ConfigError
from wzroi.data import FOLDER, MD5, DataError, as_float
from wzroi.pairs import CropPair, make_pair

JUDGE = "resnet_lite.cifar10"
REC, TASK = ModelName.parse("deepjscc_wz_roi.rec_r16_lite"), ModelName.parse("deepjscc_wz_roi.task_r16_lite")
PICTURES = 64


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lite tier with networks of a few filters and schedules of a few steps."""
    rec = Schedule("adam", batch=8, epochs=1.5, lr=2e-3, final_lr=2e-5, warmup=3)
    task = dataclasses.replace(rec, epochs=0.5, cpu_bf16=True)
    lite = dataclasses.replace(TIERS["lite"], width=8, rec=rec, task=task)
    recipe = JUDGES[JUDGE]
    schedule = dataclasses.replace(recipe.schedule, batch=16, epochs=2, warmup=2)
    small = dataclasses.replace(recipe, config=dataclasses.replace(recipe.config, width=8), schedule=schedule)
    monkeypatch.setitem(TIERS, "lite", lite)
    monkeypatch.setitem(JUDGES, JUDGE, small)


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """A folder of runs with a finished judge."""
    assert train_judge(JUDGE, tmp_path, None, seed=0, cpu=True, rehearse=PICTURES)
    return tmp_path


def link(name: ModelName, runs: Path, **options: object) -> bool:
    return train_link(name, runs, None, cpu=True, rehearse=PICTURES, **options)  # type: ignore[arg-type]


def link_task(name: ModelName, runs: Path) -> LinkTask:
    torch.manual_seed(0)
    train_set, validation = rehearsal_split("train", PICTURES), rehearsal_split("validation", PICTURES)
    return LinkTask(name, TIERS["lite"], train_set, validation, load_judge_run(runs, JUDGE), runs / "roi")


def step_loss(task: LinkTask, share: slice = slice(0, 8)) -> torch.Tensor:
    return task.loss(task.model, torch.arange(8), torch.Generator().manual_seed(3), share)


def test_schedules_as_written() -> None:
    schedule = Schedule("adam", batch=10, epochs=2.5, lr=1.0, final_lr=0.1, warmup=4)
    assert total_steps(schedule, 105) == 25
    assert [learning_rate(schedule, step, 25) for step in range(3)] == pytest.approx([0.25, 0.5, 0.75], rel=0.02)
    assert learning_rate(schedule, 25, 25) == pytest.approx(0.1)
    falling = [learning_rate(schedule, step, 25) for step in range(4, 26)]
    assert falling == sorted(falling, reverse=True)
    constant = dataclasses.replace(schedule, final_lr=1.0, warmup=0)
    assert {learning_rate(constant, step, 25) for step in range(26)} == {1.0}


def test_the_papers_recipe_is_the_papers() -> None:
    tier = TIERS["paper"]
    assert (tier.width, tier.snr_db, tier.trade_off) == (256, 5.0, 1e-3)
    assert tier.rec == tier.task == Schedule("adam", batch=64, epochs=100, lr=1e-4, final_lr=1e-4)


def test_the_fast_recipe_differs_from_the_papers_in_its_schedules_alone() -> None:
    paper, fast = (tier_of(ModelName.parse("deepjscc.rec_r16"), recipe) for recipe in (STANDARD, "fast"))
    assert (fast.rec.epochs, fast.task.epochs) == (40, 12)
    assert dataclasses.replace(fast, rec=paper.rec, task=paper.task) == paper
    for schedule in (fast.rec, fast.task):
        assert schedule.batch > paper.rec.batch and schedule.final_lr < schedule.lr / 100
        assert 0 < schedule.warmup < total_steps(schedule, 45_000) // 10
    with pytest.raises(ConfigError, match="the lite tier has no recipe 'fast'; choose one of: standard, short"):
        tier_of(REC, "fast")
    with pytest.raises(ConfigError, match="the paper tier has no recipe 'quick'; choose one of: standard, fast, short"):
        tier_of(ModelName.parse("deepjscc.rec_r16"), "quick")


def test_a_run_says_its_recipe_and_recipes_do_not_mix(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = dataclasses.replace(TIERS["lite"], rec=dataclasses.replace(TIERS["lite"].rec, lr=1e-3))
    monkeypatch.setitem(RECIPES["fast"], "lite", other)
    assert link(REC, runs, recipe="fast")
    record = json.loads((runs / str(REC) / RECORD).read_text())
    assert record["recipe_name"] == "fast" and record["schedule"] == dataclasses.asdict(other.rec)
    for name in (REC, TASK):
        with pytest.raises(ResumeError, match="trained by the recipe 'fast', not 'standard': name other --runs"):
            link(name, runs)
    assert link(TASK, runs, recipe="fast") and link(REC, runs, recipe="fast")
    (runs / str(REC) / RECORD).write_text(json.dumps({key: record[key] for key in record if key != "recipe_name"}))
    assert link(REC, runs)  # adopted from the zoo: of any recipe


def test_a_rehearsal_cuts_a_schedule_to_what_is_there() -> None:
    schedule = Schedule("sgd", batch=512, epochs=60, lr=0.4, final_lr=1e-4, warmup=400)
    cut = rehearsal_schedule(schedule, 32, 2)
    assert cut == dataclasses.replace(schedule, batch=32, epochs=2, warmup=0) and total_steps(cut, 32) == 2
    assert rehearsal_schedule(schedule, 32, 0) is schedule
    with pytest.raises(ConfigError, match="name its pictures with --rehearse"):
        rehearsal_schedule(schedule, 0, 2)


def test_an_epoch_sees_each_picture_once_in_a_new_order() -> None:
    epochs = [torch.cat([batch_indices(step, 8, 64, 0) for step in range(8 * e, 8 * e + 8)]) for e in range(2)]
    for order in epochs:
        assert torch.equal(order.sort().values, torch.arange(64))
    assert not torch.equal(*epochs)
    assert not torch.equal(batch_indices(0, 8, 64, 0), batch_indices(0, 8, 64, 1))
    assert torch.equal(batch_indices(5, 8, 64, 0), batch_indices(5, 8, 64, 0))


def test_rec_is_mse_and_task_adds_lambda_times_cross_entropy(runs: Path) -> None:
    rec, task = link_task(REC, runs), link_task(TASK, runs)
    task.network.load_state_dict(rec.network.state_dict())
    source = as_float(rec.train.pixels[:8])
    channel = sample_channel("awgn", 5.0, 8, 192, generator=torch.Generator().manual_seed(3))
    pair = make_pair(source)
    roi = roi_map(load_judge_run(runs, JUDGE), pair).half().float()
    output = rec.network(source, pair.side, channel, roi)
    mse = (output - source).square().mean()
    entropy = nn.functional.cross_entropy(load_judge_run(runs, JUDGE)(output), rec.train.labels[:8])
    torch.testing.assert_close(step_loss(rec), mse, rtol=1e-3, atol=0)
    torch.testing.assert_close(step_loss(task), mse + 1e-3 * entropy, rtol=1e-3, atol=0)


def test_only_the_oracle_trains_with_labels_in_its_map(runs: Path) -> None:
    """Another labelling moves nothing that a ``rec`` network is trained on, unless its map is the oracle's."""
    moved = {}
    for name in (REC, dataclasses.replace(REC, oracle=True)):
        task = link_task(name, runs)
        labels = (task.train.labels + 1) % 10
        relabelled = task.train._replace(labels=labels)
        other = LinkTask(name, TIERS["lite"], relabelled, task.validation, task.judge, runs / "roi")
        other.network.load_state_dict(task.network.state_dict())
        moved[name.oracle] = not torch.equal(step_loss(task), step_loss(other))
    assert moved == {False: False, True: True}


def test_maps_are_computed_once_and_kept(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    judge, images = load_judge_run(runs, JUDGE), rehearsal_split("train", 20)
    fresh = RoiCache.of(judge, images, oracle=False, batch=7)
    first = RoiCache.kept(judge, images, oracle=False, store=runs / "roi")
    expected = roi_map(judge, make_pair(as_float(images.pixels)))
    assert torch.equal(first.maps, fresh.maps)
    torch.testing.assert_close(first[torch.arange(20)], expected, atol=1e-3, rtol=0)
    assert not torch.equal(RoiCache.kept(judge, images, oracle=True, store=runs / "roi").maps, first.maps)
    monkeypatch.setattr(roi_cache, "gradcam", lambda *_: pytest.fail("computed again"))
    assert torch.equal(RoiCache.kept(judge, images, oracle=False, store=runs / "roi").maps, first.maps)
    with torch.no_grad():
        judge.head.weight.neg_()
    with pytest.raises(pytest.fail.Exception, match="computed again"):
        RoiCache.kept(judge, images, oracle=False, store=runs / "roi")


def test_shares_of_a_batch_average_to_the_whole(runs: Path) -> None:
    """What several processes compute together is what one computes alone: same noise, same pictures, mean of means."""
    task = link_task(TASK, runs)
    halves = [step_loss(task, slice(0, 4)), step_loss(task, slice(4, 8))]
    torch.testing.assert_close(sum(halves) / 2, step_loss(task))


def test_a_finished_run_leaves_weights_and_record(runs: Path) -> None:
    assert link(REC, runs)
    assert link(TASK, runs)
    for name in (REC, TASK):
        folder = runs / str(name)
        record = json.loads((folder / RECORD).read_text())
        assert record["name"] == str(name)
        assert record["rehearsal"] == PICTURES
        assert record["trade_off"] == (1e-3 if name.stage == "task" else 0.0)
        assert set(record["validation"]) == {"psnr", "mse", "accuracy"}
        WynerZivJSCC(model_config(name)).load_state_dict(load_file(folder / WEIGHTS), strict=True)
    before = (runs / str(TASK) / WEIGHTS).stat().st_mtime_ns
    assert link(TASK, runs)  # a finished run returns at once
    assert (runs / str(TASK) / WEIGHTS).stat().st_mtime_ns == before


def test_task_starts_from_its_rec_twin_and_leaves_the_judge_alone(runs: Path) -> None:
    kept = (runs / JUDGE / WEIGHTS).read_bytes()
    assert link(REC, runs)
    starts = []
    original = LinkTask.loss
    try:
        LinkTask.loss = lambda self, *a: starts.append(  # type: ignore[method-assign]
            {k: v.clone() for k, v in self.network.state_dict().items()}
        ) or original(self, *a)
        assert link(TASK, runs)
    finally:
        LinkTask.loss = original  # type: ignore[method-assign]
    twin = load_file(runs / str(rec_twin(TASK)) / WEIGHTS)
    assert all(torch.equal(starts[0][key], twin[key]) for key in twin)
    assert (runs / JUDGE / WEIGHTS).read_bytes() == kept


def test_what_is_missing_is_told_with_its_command(tmp_path: Path) -> None:
    with pytest.raises(MissingRun, match=r"python -m training judge resnet_lite.cifar10 --runs"):
        link(REC, tmp_path)
    with pytest.raises(MissingRun, match=r"python -m training train deepjscc_wz_roi.rec_r16_lite"):
        link(TASK, tmp_path)
    with pytest.raises(DataError, match="WZROI_DATA"):
        train_link(ModelName.parse("deepjscc.rec_r16_lite"), tmp_path, tmp_path, cpu=True)


@pytest.mark.parametrize("cut", [1, 2, 5])
@pytest.mark.parametrize("name", [JUDGE, str(REC), str(TASK)])
def test_a_run_cut_anywhere_ends_with_the_same_bits(name: str, cut: int, runs: Path, tmp_path_factory) -> None:
    """Weights, averages, moments and batch-norm statistics all survive: cut after ``cut`` steps, then each step."""

    def carry_out(folder: Path, **options: object) -> bool:
        if name == JUDGE:
            return train_judge(JUDGE, folder, None, seed=1, cpu=True, rehearse=PICTURES, **options)
        return link(ModelName.parse(name), folder, **options)

    whole, parts = (tmp_path_factory.mktemp(kind) for kind in ("whole", "parts"))
    for folder in (whole, parts):
        if name != JUDGE:
            (folder / JUDGE).symlink_to(runs / JUDGE)
        if name == str(TASK):
            assert link(REC, runs)
            (folder / str(REC)).symlink_to(runs / str(REC))
    assert carry_out(whole)
    assert not carry_out(parts, max_steps=min(cut, 3))
    assert not (parts / name / WEIGHTS).exists()
    counts = iter(range(100))
    torch.manual_seed(99)  # what a fresh process would have drawn differently
    while not carry_out(parts, stop=lambda: next(counts) % cut == cut - 1):
        pass
    assert (whole / name / WEIGHTS).read_bytes() == (parts / name / WEIGHTS).read_bytes()


def test_a_state_of_another_recipe_is_not_resumed(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not link(REC, runs, max_steps=2)
    other = dataclasses.replace(TIERS["lite"], rec=dataclasses.replace(TIERS["lite"].rec, lr=1e-3))
    monkeypatch.setitem(TIERS, "lite", other)
    with pytest.raises(ResumeError, match="another recipe or seed"):
        link(REC, runs)
    with pytest.raises(ResumeError):
        train_link(REC, runs, None, cpu=True, rehearse=PICTURES + 8)


def test_two_processes_cannot_train_the_same_run(runs: Path) -> None:
    with run_lock(runs / str(REC)), pytest.raises(BusyRun, match="another process is training"):
        link(REC, runs)
    assert link(REC, runs)


def test_impossible_batches_are_refused(runs: Path) -> None:
    with pytest.raises(BatchError, match="at least as many training images, not 4"):
        train_link(REC, runs, None, cpu=True, rehearse=4)


def test_twenty_steps_lower_the_loss_of_the_judge_and_of_a_link(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole way through ``fit`` with its optimisers: the log's loss falls by a factor."""
    longer = dataclasses.replace(TIERS["lite"].rec, epochs=20, batch=64, lr=1e-2)
    monkeypatch.setitem(TIERS, "lite", dataclasses.replace(TIERS["lite"], rec=longer))
    name = ModelName.parse("deepjscc_wz_sft.rec_r8_lite")
    assert link(name, runs, log_every=1)
    losses = [json.loads(line)["loss"] for line in (runs / str(name) / loop.LOG).read_text().splitlines()]
    assert len(losses) == 20
    assert losses[-1] < 0.8 * losses[0]

    images = rehearsal_split("train", 256)
    task = JudgeTask(JUDGES[JUDGE], images, rehearsal_split("validation", 256))
    schedule = dataclasses.replace(JUDGES[JUDGE].schedule, batch=64, epochs=8, lr=0.05)
    accelerator = Accelerator(cpu=True)
    assert fit(task, schedule, runs / "j", seed=0, identity={}, accelerator=accelerator)
    losses = [json.loads(line)["loss"] for line in (runs / "j" / loop.LOG).read_text().splitlines()]
    assert losses[-1] < 0.9 * losses[0]


def test_log_means_are_right_after_a_resume(runs: Path) -> None:
    """An epoch's line after a cut mid-epoch is the mean of the steps since, not their sum over the epoch's length."""
    name = ModelName.parse("deepjscc.rec_r16_lite")
    assert not link(name, runs, max_steps=5)
    assert not link(name, runs, max_steps=8)
    lines = [json.loads(line) for line in (runs / str(name) / loop.LOG).read_text().splitlines()]
    assert [line["step"] for line in lines] == [5, 8]
    assert 0.5 < lines[1]["loss"] / lines[0]["loss"] < 1.5


@pytest.fixture(scope="module")
def official(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A root with training files of the official form and no test file."""
    folder = tmp_path_factory.mktemp("official") / FOLDER
    folder.mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (10_000, 3072), dtype=np.uint8)
    blob = pickle.dumps({"data": pixels, "labels": [i % 10 for i in range(10_000)]}, protocol=2)
    (folder / "data_batch_1").write_bytes(blob)
    for i in range(2, 6):
        os.link(folder / "data_batch_1", folder / f"data_batch_{i}")
    kept = dict(MD5)
    MD5.update(dict.fromkeys(MD5, hashlib.md5(blob).hexdigest()))
    yield folder.parent
    MD5.update(kept)


def test_training_needs_no_test_file_and_opens_none(
    official: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, opened_files: list[str]
) -> None:
    """Judge, rec and task to their ends from a folder without test_batch; every opened path is recorded."""
    short = dataclasses.replace(TIERS["lite"].rec, epochs=1 / 5625)
    monkeypatch.setitem(TIERS, "lite", dataclasses.replace(TIERS["lite"], rec=short, task=short))
    once = dataclasses.replace(JUDGES[JUDGE].schedule, epochs=0)
    monkeypatch.setitem(JUDGES, JUDGE, dataclasses.replace(JUDGES[JUDGE], schedule=once))
    assert train_judge(JUDGE, tmp_path, official, seed=0, cpu=True)
    for name in ("deepjscc_wz.rec_r16_lite", "deepjscc_wz.task_r16_lite"):
        assert train_link(ModelName.parse(name), tmp_path, official, cpu=True)
    read = {Path(path).name for path in opened_files if FOLDER in path}
    assert read == {f"data_batch_{i}" for i in range(1, 6)}
    assert not any("test_batch" in path for path in opened_files)


def test_judge_sees_side_views_in_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    images = rehearsal_split("train", 400)
    task = JudgeTask(JUDGES[JUDGE], images, rehearsal_split("validation", 20))
    seen: list[torch.Tensor] = []

    def forward(pictures: torch.Tensor) -> torch.Tensor:
        seen.append(pictures)
        return task.model(pictures)

    task.loss(forward, torch.arange(400), torch.Generator().manual_seed(0), slice(0, 400))  # type: ignore[arg-type]
    blank = (seen[0][:, :, 20:].abs().amax(dim=(1, 2, 3)) == 0).float().mean().item()
    assert blank == pytest.approx(JUDGES[JUDGE].side_share, abs=0.06)


def test_augmentation_flips_and_shifts_whole_pictures() -> None:
    source = as_float(rehearsal_split("train", 50).pixels)
    first, again, other = (augment(source, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert first.shape == (50, 3, 32, 32)
    assert 0 <= first.min() <= first.max() <= 1
    inner = slice(8, 24)
    for picture, original in zip(first, source, strict=True):
        candidates = [
            turned[:, 8 + dy : 24 + dy, 8 + dx : 24 + dx]
            for turned in (original, original.flip(2)) for dy in range(-4, 5) for dx in range(-4, 5)
        ]
        assert any(torch.equal(picture[:, inner, inner], candidate) for candidate in candidates)


def test_whitening_makes_the_stems_outputs_uncorrelated() -> None:
    torch.manual_seed(0)
    judge = JudgeTask(JUDGES[JUDGE], rehearsal_split("train", 200), rehearsal_split("validation", 20)).model
    whiten(judge, rehearsal_split("train", 200).pixels)  # type: ignore[arg-type]
    images = (as_float(rehearsal_split("train", 200).pixels) - judge.mean) / judge.std  # type: ignore[operator]
    outputs = judge.trunk[0](images).transpose(0, 1).flatten(1).detach()  # type: ignore[index, operator]
    correlation = torch.corrcoef(outputs)
    assert (correlation - torch.eye(len(correlation))).abs().max() < 0.1


def test_rehearsal_pictures_are_a_data_set() -> None:
    images, validation = rehearsal_split("train", 200), rehearsal_split("validation", 200)
    assert images.pixels.dtype == torch.uint8
    assert torch.bincount(images.labels).tolist() == [20] * 10
    assert torch.equal(images.pixels, rehearsal_split("train", 200).pixels)
    assert len(validation.pixels) == 22
    assert not (images.pixels[:22] == validation.pixels).flatten(1).all(dim=1).any()
    assert CropPair().side_of(as_float(images.pixels)).shape == (200, 3, 32, 32)
    with pytest.raises(ValueError, match="not 'test'"):
        rehearsal_split("test", 10)


def test_a_failing_writer_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "state"
    write_atomically(path, lambda part: part.write_text("old"))

    def fail(part: Path) -> None:
        part.write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_atomically(path, fail)
    assert path.read_text() == "old"


@pytest.mark.skipif(sys.platform == "win32", reason="needs fork")
@pytest.mark.parametrize("written", [0, 1, 500_000, 999_999, 1_000_000])
def test_a_kill_during_a_save_leaves_a_whole_file(written: int, tmp_path: Path) -> None:
    path = tmp_path / "state"
    write_atomically(path, lambda part: part.write_bytes(b"o" * 1_000_000))

    def die(part: Path) -> None:
        part.write_bytes(b"n" * written)
        os.kill(os.getpid(), signal.SIGKILL)

    child = os.fork()
    if child == 0:
        write_atomically(path, die)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert path.read_bytes() == b"o" * 1_000_000
    write_atomically(path, lambda part: part.write_bytes(b"n" * 10))
    assert path.read_bytes() == b"n" * 10
    assert os.listdir(tmp_path) == ["state"]


def test_signals_ask_once_and_insist_the_second_time() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with StopSignal() as stop:
        assert not stop()
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before
    assert StopSignal(parent=os.getppid())() is False
    assert StopSignal(parent=os.getpid())() is True  # nobody is its own parent


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (["judge", "vgg"], "unknown judge 'vgg'; choose one of resnet50.cifar10"),
        (["train", "deepjscc.rec_r7_lite"], "divisor of 96"),
        (["train", "nonsense"], "is not a model name"),
        (["train", "deepjscc_wz_roi.rec_r16_lite", "--rehearse", "64"], "python -m training judge"),
        (["train", "deepjscc.task_r16_lite", "--rehearse", "64"], "python -m training train deepjscc.rec_r16_lite"),
        (["train", "deepjscc.rec_r16_lite", "--rehearse", "4"], "at least as many training images"),
        (["train", "deepjscc.rec_r16_lite", "--root", "/nowhere"], "WZROI_DATA"),
        (["train", "deepjscc.rec_r16_lite", "--recipe", "fast"], "the lite tier has no recipe 'fast'"),
        (["train", "deepjscc.rec_r16_lite", "--rehearse-epochs", "1"], "name its pictures with --rehearse"),
    ],
)
def test_mistakes_on_the_command_line_are_sentences(line: list[str], message: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, [*line, "--runs", str(tmp_path), "--cpu"])
    assert done.exit_code == 2
    assert message in " ".join(done.output.split())
    assert "Traceback" not in done.output


def test_recipes_name_their_tiers() -> None:
    for tier in TIERS.values():
        assert isinstance(tier, Tier)
        assert tier.judge in JUDGES
        assert finished(ROOT / "nowhere") is False
