"""Muon on convolutions: which parameters it trains, that it trains the weights themselves, and that runs resume."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator
from torch import nn

from training.fit.link_task import LinkTask
from training.fit.loop import STATE, Run, fit, time_spent
from training.fit.optimisers import ConvolutionMuon, as_matrix, optimisers_of
from training.fit.runs import RECORD, WEIGHTS, train_link
from training.fit.synthetic_data import rehearsal_split
from training.recipes import RECIPES, SHORT, TIERS, Schedule, lengthened, tier_of
from wzroi import ModelName
from wzroi.config import ConfigError

MUON = Schedule("muon", batch=8, epochs=1.5, lr=0.03, final_lr=0.0, warmup=2, ema=0.9, adam_lr=2e-3)
NAME = ModelName.parse("deepjscc_wz_sft.rec_r16_lite")


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """The short recipe's lite tier with networks of a few filters and schedules of a few steps."""
    small = dataclasses.replace(RECIPES[SHORT]["lite"], width=8, rec=MUON, task=MUON)
    monkeypatch.setitem(RECIPES[SHORT], "lite", small)
    monkeypatch.setitem(TIERS, "lite", dataclasses.replace(TIERS["lite"], width=8))


def layer(transposed: bool) -> nn.Conv2d | nn.ConvTranspose2d:
    torch.manual_seed(1)
    made = nn.ConvTranspose2d(6, 4, 5, stride=2) if transposed else nn.Conv2d(6, 4, 5)
    return made.to(memory_format=torch.channels_last)


@pytest.mark.parametrize("transposed", [False, True])
def test_a_weight_as_a_matrix_is_the_same_memory_with_a_row_per_output(transposed: bool) -> None:
    weight = layer(transposed).weight.detach()
    matrix = as_matrix(weight, transposed)
    assert matrix.shape == (4, 6 * 25) and matrix.data_ptr() == weight.data_ptr()
    for output in range(4):
        own = weight[:, output] if transposed else weight[output]
        assert torch.equal(matrix[output].sort().values, own.flatten().sort().values)
    matrix.zero_()
    assert not weight.any()


@pytest.mark.parametrize("transposed", [False, True])
def test_a_step_is_that_of_torchs_muon_on_the_matrix(transposed: bool) -> None:
    convolution = layer(transposed)
    matrix = nn.Parameter(as_matrix(convolution.weight.detach(), transposed).clone())
    ours = ConvolutionMuon([convolution], lr=0.05)
    theirs = torch.optim.Muon([matrix], lr=0.05, weight_decay=0.0, momentum=0.95)
    for step in range(3):
        gradient = torch.randn(convolution.weight.shape, generator=torch.Generator().manual_seed(step))
        convolution.weight.grad = gradient.to(memory_format=torch.channels_last)
        matrix.grad = as_matrix(convolution.weight.grad, transposed).clone()
        ours.step()
        theirs.step()
    torch.testing.assert_close(as_matrix(convolution.weight.detach(), transposed), matrix.detach(), atol=2e-3, rtol=0)
    ours.zero_grad()
    assert convolution.weight.grad is None


def test_a_weight_in_another_order_is_refused() -> None:
    with pytest.raises(ValueError, match="channels-last order"):
        ConvolutionMuon([nn.Conv2d(6, 4, 5)], lr=0.05)


def test_every_parameter_is_trained_once_convolutions_by_muon(tmp_path: Path) -> None:
    run = Run(link_task(), MUON, tmp_path, 0, "{}", Accelerator(cpu=True))
    before = {key: value.clone() for key, value in run.model.state_dict().items()}
    run.prepare(compiled=False)
    muon, adam = run.optimisers
    convolutions = [m for m in run.model.modules() if isinstance(m, (nn.Conv2d, nn.ConvTranspose2d))]
    pointers = {p.data_ptr() for group in muon.param_groups for p in group["params"]}
    assert pointers == {m.weight.data_ptr() for m in convolutions}
    rest = {id(p) for group in adam.param_groups for p in group["params"]}
    assert rest == {id(p) for p in run.model.parameters()} - {id(m.weight) for m in convolutions}
    run.advance()
    assert muon.param_groups[0]["lr"] == pytest.approx(run.rate / 2, rel=0.05)  # the first of two warm-up steps
    assert adam.param_groups[0]["lr"] / muon.param_groups[0]["lr"] == pytest.approx(2e-3 / 0.03)
    run.advance()
    still = [key for key, value in run.model.state_dict().items() if torch.equal(value, before[key])]
    assert still == []


def link_task() -> LinkTask:
    torch.manual_seed(0)
    pictures = rehearsal_split("train", 64), rehearsal_split("validation", 64)
    return LinkTask(NAME, tier_of(NAME, SHORT), *pictures, None, Path("unused"))


@pytest.mark.parametrize("cut", [1, 4])
def test_a_run_with_muon_cut_anywhere_ends_with_the_same_bits(cut: int, tmp_path: Path) -> None:
    def carry_out(folder: Path, **options: object) -> bool:
        return train_link(NAME, folder, None, cpu=True, rehearse=64, recipe=SHORT, **options)  # type: ignore[arg-type]

    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert carry_out(whole) and not carry_out(parts, max_steps=cut)
    counts = iter(range(100))
    torch.manual_seed(99)
    while not carry_out(parts, stop=lambda: next(counts) % cut == cut - 1):
        pass
    assert (whole / str(NAME) / WEIGHTS).read_bytes() == (parts / str(NAME) / WEIGHTS).read_bytes()
    record = json.loads((parts / str(NAME) / RECORD).read_text())
    assert record["recipe_name"] == SHORT and record["schedule"]["optimiser"] == "muon"
    assert record["wall_s"] > 0 and record["core_s"] > 0 and record["device"] == "cpu" and record["threads"] >= 1


def test_time_is_added_up_over_all_starts(tmp_path: Path) -> None:
    options = {"seed": 0, "identity": {}, "accelerator": Accelerator(cpu=True)}
    spent = []
    for last in (2, 5):
        fit(link_task(), MUON, tmp_path, max_steps=last, **options)  # type: ignore[arg-type]
        spent.append(time_spent(tmp_path))
    assert (tmp_path / STATE).exists()
    assert spent[1]["wall_s"] > spent[0]["wall_s"] > 0 and spent[1]["core_s"] > spent[0]["core_s"] > 0


def test_muon_lowers_the_loss(tmp_path: Path) -> None:
    schedule = dataclasses.replace(MUON, epochs=12)
    assert fit(link_task(), schedule, tmp_path, seed=0, identity={}, accelerator=Accelerator(cpu=True), log_every=8)
    losses = [json.loads(line)["loss"] for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert losses[-1] < 0.7 * losses[0]


def test_the_short_recipe_trains_all_architectures_of_a_tier_alike() -> None:
    for name in ("deepjscc", "deepjscc_wz", "deepjscc_wz_sft", "deepjscc_wz_roi"):
        for tag in ("rec_r16", "rec_r32_lite"):
            parsed = ModelName.parse(f"{name}.{tag}")
            assert tier_of(parsed, SHORT) is RECIPES[SHORT]["lite" if parsed.lite else "paper"]


def test_the_points_of_the_learning_curve_differ_in_their_epochs_alone() -> None:
    tiers = {"lite": dataclasses.replace(RECIPES[SHORT]["paper"], rec=MUON)}
    twice = lengthened(tiers, 2.0)["lite"]
    assert (twice.rec.epochs, twice.task.epochs) == (2 * MUON.epochs, 2 * tiers["lite"].task.epochs)
    assert dataclasses.replace(twice, rec=MUON, task=tiers["lite"].task) == tiers["lite"]
    for point in ("half", "twice"):
        paper = RECIPES[f"{SHORT}_{point}"]["paper"]
        factor = {"half": 0.5, "twice": 2.0}[point]
        assert paper == lengthened({"paper": RECIPES[SHORT]["paper"]}, factor)["paper"]


def test_plain_optimisers_are_as_before() -> None:
    for kind, expected in (("adam", torch.optim.Adam), ("sgd", torch.optim.SGD)):
        schedule = dataclasses.replace(MUON, optimiser=kind, weight_decay=0.1)
        (optimiser,) = optimisers_of(link_task().model, schedule)
        decays = [group["weight_decay"] for group in optimiser.param_groups]
        assert isinstance(optimiser, expected) and decays == [0.1, 0.0]
        assert {group["scale"] for group in optimiser.param_groups} == {1.0}


def test_a_tier_without_the_recipe_is_told() -> None:
    with pytest.raises(ConfigError, match="has no recipe 'fast'"):
        tier_of(NAME, "fast")
