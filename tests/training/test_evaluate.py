"""Evaluation: what is sent is what the plan says, the numbers are the link's own, and the file carries its making."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch

import zoo
from tests.support.shared import pictures, random_judge, small_model
from tests.support.zoo_runs import JUDGE, write_judge_run, write_link_run
from training.evaluation.evaluate import evaluate, evaluate_all
from training.evaluation.networks import Network, network_of_run
from training.evaluation.plan import Plan
from training.evaluation.tally import Tally
from training.evaluation.test_set import TestSet, channel_draw
from training.fit.runs import MissingRun
from wzroi import ModelName, make_pair, roi_map, run_link
from wzroi.config import ConfigError
from wzroi.data import Images
from wzroi.metrics import psnr
from zoo.store.checkpoint import digest, half_weights

COUNT = 24
PLAN = Plan(snrs=(0.0, 5.0, 10.0), draws=4, judged_draws=3, batch=5)


def few_images(count: int = COUNT) -> Images:
    pixels = (pictures(count) * 255).round().to(torch.uint8)
    return Images(pixels, torch.arange(count) % 10, torch.arange(count))


@pytest.fixture(scope="module")
def test_set() -> TestSet:
    return TestSet(few_images(), random_judge(), batch=7)


def network(name: str) -> Network:
    parsed = ModelName.parse(name)
    return Network(parsed, small_model(parsed.architecture, parsed.rate), "0" * 64)


def at(rows: list[dict], snr_db: float) -> dict:
    return next(row for row in rows if row["snr_db"] == snr_db)


def test_rows_count_what_was_sent(test_set: TestSet) -> None:
    found = evaluate(network("deepjscc.rec_r16_lite"), test_set, JUDGE, PLAN)[0]
    columns = ("images", "draws", "transmissions", "accuracy_transmissions")
    counts = {row["snr_db"]: tuple(row[column] for column in columns) for row in found["rows"]}
    assert counts == {0.0: (24, 4, 24, 24), 5.0: (24, 4, 96, 72), 10.0: (24, 4, 24, 0)}
    assert found["roi_origin"] is None and set(found["controls"]) == {"paste"}


def test_task_networks_are_judged_where_the_plan_says() -> None:
    plan = Plan(judged_snrs=(2.0,))
    assert plan.judged(2.0, 3, 3, task=True) and not plan.judged(2.0, 3, 3, task=False)
    assert plan.judged(0.0, 3, 3, task=False) and not plan.judged(1.0, 3, 3, task=True)


def test_full_plan_sends_and_judges_everything_everywhere(test_set: TestSet) -> None:
    plan = Plan(snrs=(0.0, 10.0), draws=3, full=True)
    found = evaluate(network("deepjscc_wz.task_r32_lite"), test_set, JUDGE, plan)[0]
    assert [(r["transmissions"], r["accuracy_transmissions"]) for r in found["rows"]] == [(72, 72), (72, 72)]


@pytest.mark.parametrize("name", ["deepjscc_wz_roi.task_r16_lite", "deepjscc_wz.rec_r32_lite"])
def test_headline_row_is_the_mean_of_run_link(test_set: TestSet, name: str) -> None:
    """The same transmissions through the public path, one draw after the other, all images at once."""
    given = network(name)
    pair = make_pair(few_images().pixels.float() / 255, few_images().labels)
    roi = roi_map(test_set.judge, pair)
    symbols = given.model.num_symbols(32, 32)
    reports = [
        run_link(given.model, pair, channel_draw("awgn", 0, d, COUNT, symbols, "cpu").at_snr(5.0), roi, test_set.judge)
        for d in range(PLAN.draws)
    ]
    row = at(evaluate(given, test_set, JUDGE, PLAN)[0]["rows"], 5.0)
    per_image = torch.stack([r.psnr for r in reports]).double().mean(0)
    assert row["psnr_mean"] == pytest.approx(per_image.mean().item(), abs=1e-4)
    assert row["psnr_ci95"] == pytest.approx(1.96 * per_image.std().item() / COUNT**0.5, abs=1e-4)
    mse = torch.stack([(r.reconstruction - pair.source).square().mean() for r in reports]).mean()
    assert row["psnr_of_mean_mse"] == pytest.approx(-10 * mse.log10().item(), abs=1e-4)
    assert row["ssim_mean"] == pytest.approx(torch.stack([r.ssim for r in reports]).mean().item(), abs=1e-4)
    regional = torch.stack([r.roi_psnr for r in reports]).double().mean(0)
    assert row["roi_psnr_mean"] == pytest.approx(regional.nanmean().item(), abs=1e-3)


def test_accuracy_is_the_share_of_right_classes(test_set: TestSet) -> None:
    given = network("deepjscc_wz.task_r16_lite")
    pair = make_pair(few_images().pixels.float() / 255, few_images().labels)
    channel = channel_draw("awgn", 0, 0, COUNT, given.model.num_symbols(32, 32), "cpu").at_snr(10.0)
    right = run_link(given.model, pair, channel, judge=test_set.judge).logits.argmax(1) == pair.label
    plan = Plan(snrs=(10.0,), draws=1, judged_snrs=(10.0,))
    row = evaluate(given, test_set, JUDGE, plan)[0]["rows"][0]
    assert row["accuracy"] == pytest.approx(right.double().mean().item(), abs=1e-6)


@pytest.mark.parametrize("origin", ["zeros", "shuffled", "source", "source+label"])
def test_roi_controls_use_the_map_they_name(test_set: TestSet, origin: str) -> None:
    given = network("deepjscc_wz_roi.task_r16_lite")
    pair = make_pair(few_images().pixels.float() / 255, few_images().labels)
    channel = channel_draw("awgn", 0, 0, COUNT, given.model.num_symbols(32, 32), "cpu").at_snr(5.0)
    report = run_link(given.model, pair, channel, roi_map(test_set.judge, pair, origin))
    plan = Plan(snrs=(5.0,), draws=1)
    found = evaluate(given, test_set, JUDGE, plan)[0]
    assert found["roi_origin"] == "side"
    row = found["controls"][f"roi:{origin}"][0]
    assert row["psnr_mean"] == pytest.approx(report.psnr.mean().item(), abs=1e-4)
    assert row["psnr_mean"] != pytest.approx(found["rows"][0]["psnr_mean"], abs=1e-7)


def test_paste_control_copies_the_crop(test_set: TestSet) -> None:
    given = network("deepjscc.rec_r16_lite")
    pair = make_pair(few_images().pixels.float() / 255)
    channel = channel_draw("awgn", 0, 0, COUNT, given.model.num_symbols(32, 32), "cpu").at_snr(5.0)
    pasted = run_link(given.model, pair, channel).reconstruction
    pasted[..., 12:, 12:] = pair.source[..., 12:, 12:]
    row = evaluate(given, test_set, JUDGE, Plan(snrs=(5.0,), draws=1))[0]["controls"]["paste"][0]
    assert row["psnr_mean"] == pytest.approx(psnr(pasted, pair.source).mean().item(), abs=1e-4)


def test_oracle_network_is_evaluated_with_the_oracle_map_and_with_what_a_receiver_has(test_set: TestSet) -> None:
    given = network("deepjscc_wz_roi.task_r16_oracle_lite")
    found = evaluate(given, test_set, JUDGE, Plan(snrs=(5.0,), draws=1))[0]
    assert found["roi_origin"] == "source+label"
    assert "roi:source+label" not in found["controls"] and "roi:zeros" in found["controls"]
    pair = make_pair(few_images().pixels.float() / 255, few_images().labels)
    channel = channel_draw("awgn", 0, 0, COUNT, given.model.num_symbols(32, 32), "cpu").at_snr(5.0)
    report = run_link(given.model, pair, channel, roi_map(test_set.judge, pair, "side"))
    assert found["controls"]["roi:side"][0]["psnr_mean"] == pytest.approx(report.psnr.mean().item(), abs=1e-4)


def test_values_per_image_average_to_the_row(test_set: TestSet) -> None:
    found, images = evaluate(network("deepjscc.task_r16_lite"), test_set, JUDGE, PLAN)
    row = at(found["rows"], 5.0)
    for metric, column in (("psnr", "psnr_mean"), ("ssim", "ssim_mean"), ("accuracy", "accuracy")):
        assert images[f"main/{metric}"].double().mean().item() == pytest.approx(row[column], abs=0.01)
    pasted = at(found["controls"]["paste"], 5.0)
    assert images["paste/psnr"].double().mean().item() == pytest.approx(pasted["psnr_mean"], abs=0.01)
    assert images["main/psnr"].shape == (COUNT,)


def test_draws_differ_and_repeat() -> None:
    first, again, other = (channel_draw("awgn", 0, d, 3, 8, "cpu").noise for d in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert not torch.equal(first, channel_draw("awgn", 1, 0, 3, 8, "cpu").noise)


def test_tally_without_judge_gives_none_not_nan() -> None:
    tally = Tally()
    values = {"psnr": torch.tensor([20.0, 22.0, 24.0]), "ssim": torch.rand(3), "roi_psnr": None}
    tally.add(torch.arange(3), values, None)
    row = tally.row(5.0, 1)
    assert row["accuracy"] is None and row["roi_psnr_mean"] is None and row["psnr_mean"] == 22.0
    json.dumps(row, allow_nan=False)


def test_run_is_evaluated_as_the_zoo_stores_it(tmp_path: Path) -> None:
    write_link_run(tmp_path, "deepjscc.rec_r16_lite")
    network_, sha256, training = network_of_run(tmp_path, "deepjscc.rec_r16_lite")
    weights = [p for p in network_.parameters()]
    assert all(torch.equal(p, p.half().float()) for p in weights)
    assert sha256 == digest(half_weights(network_)) and training["name"] == "deepjscc.rec_r16_lite"


def test_missing_run_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(MissingRun, match=r"training train deepjscc\.rec_r16_lite"):
        network_of_run(tmp_path, "deepjscc.rec_r16_lite")


def test_wrong_name_says_what_names_are(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"architecture one of .*resnet_lite\.cifar10"):
        evaluate_all(["resnet9.cifar10"], tmp_path, tmp_path)


def test_a_missing_judge_names_the_judges_command(tmp_path: Path) -> None:
    with pytest.raises(MissingRun, match=r"training judge resnet50\.cifar10 .*training adopt resnet50\.cifar10"):
        network_of_run(tmp_path, "resnet50.cifar10")


def test_the_way_for_a_network_of_ones_own_works_as_it_is_told(
    tmp_path: Path, cifar10: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigError, match="A network of your own") as told:
        evaluate_all(["deepjscc_wz_roi.mine"], None, cifar10)
    folder, name = re.findall(r"save_pretrained\('(mine)/(.+?)'\)", str(told.value))[0]
    assert f"WZROI_ZOO={folder} python -m training evaluate {name}" in str(told.value)
    zoo.save_pretrained(small_model("deepjscc_wz_roi"), tmp_path / folder / name)
    monkeypatch.setenv("WZROI_ZOO", str(tmp_path / folder))
    plan = Plan(snrs=(5.0,), draws=1, limit=10)
    written = evaluate_all([name], None, cifar10, out=tmp_path / "out", plan=plan, controls=False)
    found = json.loads(written[1].read_text())
    assert found["model"] == name and found["judge"] == JUDGE and found["weights_sha256"] == zoo.describe(name).sha256


def test_command_writes_files_once(tmp_path: Path, cifar10: Path, opened_files: list[str]) -> None:
    """The judge's file and the network's; nothing but the test set is opened; a second call has nothing to do."""
    write_judge_run(tmp_path)
    write_link_run(tmp_path, "deepjscc_wz_roi.task_r32_lite")
    plan = Plan(snrs=(5.0,), draws=2, limit=20)
    out = tmp_path / "out"
    written = evaluate_all(["deepjscc_wz_roi.task_r32_lite"], tmp_path, cifar10, out=out, plan=plan)
    assert [p.name for p in written] == [f"{JUDGE}.json", "deepjscc_wz_roi.task_r32_lite.json"]
    opened = [name for name in opened_files if "cifar-10-batches-py" in name]
    assert opened and all(name.endswith("test_batch") for name in opened)
    found = json.loads(written[1].read_text())
    assert found["split"] == "test" and found["images"] == 20 and found["seeds"] == [0]
    assert found["judge"] == JUDGE and found["roi_origin"] == "side" and found["pair_source"].startswith("crop")
    judged = json.loads(written[0].read_text())
    assert 0 <= judged["clean"]["accuracy"] <= 1 and judged["side"]["accuracy_ci95"] >= 0
    assert evaluate_all(["deepjscc_wz_roi.task_r32_lite"], tmp_path, cifar10, out=out, plan=plan) == []
    assert not list(out.glob(".*"))
