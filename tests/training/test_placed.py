"""The control that is given the side image where it belongs: its name, its pairs, its training, its results."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import torch

from tests.support.shared import pictures
from training.evaluation.networks import Network
from training.evaluation.plan import Plan
from training.evaluation.results_file import header
from training.evaluation.test_set import TestSet
from training.fit.campaign import matrix
from training.fit.publish import publishable
from training.fit.runs import RECORD, WEIGHTS, rec_twin, train_judge, train_link
from training.recipes import JUDGES, LITE_JUDGE, TIERS, Schedule, model_config
from wzroi import Judge, WynerZivJSCC, make_pair
from wzroi.config import ConfigError
from wzroi.data import Images
from wzroi.names import ModelName
from wzroi.pairs import PAIR_SOURCES

REC, TASK = "deepjscc_wz_roi.rec_r16_placed_lite", "deepjscc_wz_roi.task_r16_placed_lite"


def test_names_say_what_is_placed() -> None:
    name = ModelName.parse(TASK)
    assert (name.placed, name.lite, name.control, name.pair_source) == (True, True, True, "crop_placed")
    assert str(name) == TASK and str(rec_twin(name)) == REC and "side image placed" in name.title
    plain = ModelName.parse("deepjscc_wz.rec_r16")
    assert (plain.placed, plain.control, plain.pair_source) == (False, False, "crop")
    assert ModelName.parse("deepjscc_wz.rec_r16_lite_s2").control


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("deepjscc.rec_r16_placed", "does not use the side image"),
        ("wz_roi_flex.rec_placed", "no oracle or placed network"),
    ],
)
def test_networks_that_cannot_be_placed_are_refused(name: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ModelName.parse(name)


@pytest.mark.parametrize("size", [(32, 32), (64, 48)])
def test_the_crop_stays_where_it_is_and_the_rest_is_zero(size: tuple[int, int]) -> None:
    source, moved = pictures(2, *size), make_pair(pictures(2, *size))
    pair = make_pair(source, source="crop_placed")
    row, column, rows, columns = PAIR_SOURCES["crop"].box(*size)  # type: ignore[attr-defined]
    inside = pair.side[..., row : row + rows, column : column + columns]
    assert torch.equal(inside, moved.side[..., :rows, :columns])
    assert torch.count_nonzero(pair.side) == torch.count_nonzero(inside) and pair.placement is None
    pasted = PAIR_SOURCES["crop_placed"].paste(torch.zeros_like(source), pair.side)
    assert torch.equal(pasted, pair.side)


def test_the_part_of_the_matrix() -> None:
    names = [str(name) for name in matrix("lite", ["placed"])]
    assert len(names) == 8 and TASK in names and "deepjscc_wz.rec_r32_placed_lite" in names


def test_trained_on_its_own_pairs_and_not_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    schedule = Schedule("adam", batch=16, epochs=0.5, lr=2e-3, final_lr=2e-5, warmup=1)
    monkeypatch.setitem(TIERS, "lite", dataclasses.replace(TIERS["lite"], width=8, rec=schedule, task=schedule))
    small = dataclasses.replace(JUDGES[LITE_JUDGE].config, width=8)
    monkeypatch.setitem(JUDGES, LITE_JUDGE, dataclasses.replace(JUDGES[LITE_JUDGE], config=small, schedule=schedule))
    assert train_judge(LITE_JUDGE, tmp_path, None, seed=0, cpu=True, rehearse=64)
    for name in (REC, TASK, REC.replace("_placed", "")):
        assert train_link(ModelName.parse(name), tmp_path, None, cpu=True, rehearse=64)
    assert json.loads((tmp_path / TASK / RECORD).read_text())["name"] == TASK
    placed, corner = ((tmp_path / name / WEIGHTS).read_bytes() for name in (REC, REC.replace("_placed", "")))
    assert placed != corner
    maps = [path.name for path in (tmp_path / LITE_JUDGE / "roi").glob("*.safetensors")]
    assert len(maps) == 4 and sum(name.startswith("side_crop_placed(") for name in maps) == 2
    assert publishable(tmp_path) == [REC.replace("_placed", ""), LITE_JUDGE]


def test_results_say_the_pair_source_and_how_the_network_was_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TIERS, "lite", dataclasses.replace(TIERS["lite"], width=8))
    pixels = (pictures(4) * 255).to(torch.uint8)
    images = Images(pixels, torch.arange(4), torch.arange(4))
    judge = Judge(dataclasses.replace(JUDGES[LITE_JUDGE].config, width=8)).eval()
    test = TestSet(images, judge, pairs=PAIR_SOURCES["crop_placed"])
    training = {"recipe_name": "short", "schedule": {"epochs": 32}}
    network = Network(ModelName.parse(REC), WynerZivJSCC(model_config(ModelName.parse(REC))).eval(), "0" * 64, training)
    about = header(network, test, LITE_JUDGE, Plan(), "awgn")
    assert about["pair_source"] == "crop_placed(row=12, column=12, size=20)" and about["training"] == training
    assert torch.equal(test.pair(torch.arange(2)).side[..., 12:, 12:], test.pair(torch.arange(2)).source[..., 12:, 12:])
