"""What a judge is shown: smaller pictures first, flips in every second epoch, pictures as a receiver rebuilds them."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from training.fit import reconstructions, runs
from training.fit.judge_task import JudgeTask, whiten
from training.fit.loop import Position
from training.fit.reconstructions import Reconstructions, sender_names
from training.fit.roi_cache import RoiCache
from training.fit.runs import RECORD, MissingRun, train_judge, train_link
from training.fit.synthetic_data import rehearsal_split
from training.recipes import JUDGES, LITE_JUDGE, RECEIVED_JUDGE, TIERS, JudgeRecipe, Schedule
from wzroi import Judge, JudgeConfig
from wzroi.config import PAPER_ARCHITECTURES
from wzroi.data import as_float

PICTURES = 64
SMALL = JudgeRecipe(
    JudgeConfig("resnet_lite", 8), Schedule("sgd", batch=16, epochs=2, lr=0.1, final_lr=1e-4, warmup=2),
    side_share=0.0, label_smoothing=0.0,
)  # fmt: skip


class Watcher(nn.Module):
    """Stands for the judge in a step, and keeps what it is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Tensor] = []

    def forward(self, images: Tensor) -> Tensor:
        self.seen.append(images)
        return images.mean(dim=(1, 2, 3))[:, None].expand(-1, 10)


def task(recipe: JudgeRecipe, rebuild: Reconstructions | None = None) -> JudgeTask:
    return JudgeTask(recipe, rehearsal_split("train", PICTURES), rehearsal_split("validation", PICTURES), rebuild)


def shown(judge: JudgeTask, at: Position, seed: int = 0) -> Tensor:
    judge.progress, watcher = at, Watcher()
    judge.loss(watcher, torch.arange(32), torch.Generator().manual_seed(seed), slice(0, 32))
    return watcher.seen[0]


def test_pictures_grow_over_the_run() -> None:
    growing = task(dataclasses.replace(SMALL, sizes=((0.25, 16), (0.5, 24))))
    sides = [shown(growing, Position(0, share)).shape[-1] for share in (0.0, 0.24, 0.25, 0.49, 0.5, 0.99)]
    assert sides == [16, 16, 24, 24, 32, 32]
    assert shown(task(SMALL), Position(0, 0.0)).shape[-1] == 32
    small, whole = shown(growing, Position(0, 0.0)), shown(growing, Position(0, 0.9))
    torch.testing.assert_close(small.mean(dim=(2, 3)), whole.mean(dim=(2, 3)), atol=0.02, rtol=0)


def test_each_picture_is_mirrored_in_every_second_epoch() -> None:
    flips = [task(dataclasses.replace(SMALL, alternate_flips=True)) for _ in range(2)]
    first = [flips[0]._flip(torch.arange(PICTURES)), flips[1]._flip(torch.arange(PICTURES))]
    assert first[0] is not None and torch.equal(first[0], first[1])  # the same in every process and run
    assert 16 < int(first[0].sum()) < 48
    for epoch in range(1, 4):
        flips[0].progress = Position(epoch, 0.1)
        now = flips[0]._flip(torch.arange(PICTURES))
        assert now is not None and torch.equal(now, first[0] ^ (epoch % 2 == 1))
    assert task(SMALL)._flip(torch.arange(4)) is None


def test_before_a_rectifier_whitened_directions_stand_with_both_signs() -> None:
    judge = Judge(JudgeConfig("resnet50", 64))
    whiten(judge, rehearsal_split("train", PICTURES).pixels)
    weight = judge.trunk[0].weight.detach().flatten(1)
    torch.testing.assert_close(weight[:27], -weight[27:54])
    directions = weight[:27] @ weight[:27].T
    assert (directions - directions.diag().diag()).abs().max() < 1e-2 * directions.diag().max()


class Grey:
    """Stands for reconstructions: everything comes back grey."""

    def __call__(self, source: Tensor, indices: Tensor, generator: torch.Generator) -> Tensor:
        return torch.full_like(source, 0.5)


def test_a_share_of_each_batch_is_shown_as_it_was_rebuilt() -> None:
    mixed = task(dataclasses.replace(SMALL, received_share=0.5), Grey())  # type: ignore[arg-type]
    pictures = torch.cat([shown(mixed, Position(0, 0.0), seed) for seed in range(8)])
    grey = (pictures - 0.5).abs().amax(dim=(1, 2, 3)) < 1e-6
    assert 0.4 < grey.float().mean() < 0.6
    with pytest.raises(ValueError, match="pass received="):
        task(dataclasses.replace(SMALL, received_share=0.5))


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two architectures at one rate, a few filters and steps."""
    schedule = Schedule("adam", batch=16, epochs=0.5, lr=2e-3, final_lr=2e-5, warmup=1)
    monkeypatch.setitem(TIERS, "lite", dataclasses.replace(TIERS["lite"], width=8, rec=schedule, task=schedule))
    monkeypatch.setitem(JUDGES, LITE_JUDGE, SMALL)
    monkeypatch.setitem(JUDGES, RECEIVED_JUDGE, dataclasses.replace(SMALL, received_share=0.5))
    kept = {name: PAPER_ARCHITECTURES[name] for name in ("deepjscc", "deepjscc_wz_roi")}
    monkeypatch.setattr(reconstructions, "PAPER_ARCHITECTURES", kept)
    monkeypatch.setattr(reconstructions, "RECEIVED_RATES", (16,))


def test_the_second_judge_is_trained_on_what_finished_networks_rebuild(tiny: None, tmp_path: Path) -> None:
    assert train_judge(LITE_JUDGE, tmp_path, None, seed=0, cpu=True, rehearse=PICTURES)
    with pytest.raises(MissingRun, match=r"deepjscc.rec_r16_lite, .*wz_roi.task_r16_lite.*campaign --tier lite"):
        train_judge(RECEIVED_JUDGE, tmp_path, None, seed=0, cpu=True, rehearse=PICTURES)
    names = sender_names(lite=True)
    assert len(names) == 4
    for name in names:
        assert train_link(name, tmp_path, None, cpu=True, rehearse=PICTURES)
    assert train_judge(RECEIVED_JUDGE, tmp_path, None, seed=0, cpu=True, rehearse=PICTURES)
    record = json.loads((tmp_path / RECEIVED_JUDGE / RECORD).read_text())
    assert set(record["received"]) == {str(name) for name in names}
    assert record["recipe"]["received_share"] == 0.5


def test_reconstructions_are_a_networks_at_an_snr_per_picture(tiny: None, tmp_path: Path) -> None:
    assert train_judge(LITE_JUDGE, tmp_path, None, seed=0, cpu=True, rehearse=PICTURES)
    for name in sender_names(lite=True):
        assert train_link(name, tmp_path, None, cpu=True, rehearse=PICTURES)
    train = rehearsal_split("train", PICTURES)
    rebuild, _ = runs._reconstructions(tmp_path, train, torch.device("cpu"))
    source, indices = as_float(train.pixels[:8]), torch.arange(8)
    one, again, other = (rebuild(source, indices, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.equal(one, again) and not torch.equal(one, other)
    assert one.shape == source.shape and one.min() >= 0 and one.max() <= 1
    assert not any(parameter.requires_grad for network in rebuild.networks for parameter in network.parameters())
    assert isinstance(rebuild.roi, RoiCache)


def test_the_recipes_of_the_three_judges() -> None:
    resnet, lite, second = (JUDGES[name] for name in ("resnet50.cifar10", LITE_JUDGE, RECEIVED_JUDGE))
    assert dataclasses.replace(second, received_share=0.0) == lite
    assert [resnet.size_at(share) for share in (0.0, 0.5, 0.9)] == [16, 24, 32]
    assert resnet.schedule.optimiser == "muon"
