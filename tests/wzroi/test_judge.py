"""The judge: its two kinds, the ending that makes Grad-CAM closed-form, and that it is left alone."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tests.support.shared import pictures, random_judge
from training.recipes import JUDGES
from wzroi import Judge, JudgeConfig
from wzroi.judge import MEAN, STD


@pytest.mark.parametrize(("kind", "channels", "size"), [("resnet50", 2048, 4), ("resnet_lite", 16, 8)])
def test_last_feature_map(kind: str, channels: int, size: int) -> None:
    features = random_judge(kind).features(pictures(1))
    assert features.shape == (1, channels, size, size)
    assert features.min() >= 0


@pytest.mark.parametrize("kind", ["resnet50", "resnet_lite"])
def test_ends_in_average_pooling_and_one_linear_layer(kind: str) -> None:
    judge, images = random_judge(kind), pictures(2)
    pooled = judge.features(images).flatten(2).mean(2)
    expected = pooled @ judge.head.weight.T + judge.head.bias
    torch.testing.assert_close(judge(images), expected)


def test_resnet50_has_the_cifar_stem() -> None:
    with torch.device("meta"):
        judge = Judge(JudgeConfig("resnet50", 64))
    assert sum(p.numel() for p in judge.parameters()) / 1e6 == pytest.approx(23.52, abs=0.01)
    stem = judge.trunk[0]
    assert isinstance(stem, nn.Conv2d)
    assert (stem.kernel_size, stem.stride) == ((3, 3), (1, 1))
    assert not [module for module in judge.modules() if isinstance(module, nn.MaxPool2d)]


def test_the_lite_judge_is_small() -> None:
    with torch.device("meta"):
        judge = Judge(JUDGES["resnet_lite.cifar10"].config)
    assert sum(p.numel() for p in judge.parameters()) < 1e6


def test_normalisation_is_inside() -> None:
    judge = random_judge()
    mean, std = torch.tensor(MEAN)[:, None, None], torch.tensor(STD)[:, None, None]
    images = pictures(2)
    torch.testing.assert_close(judge.features(images), judge.trunk((images - mean) / std))
    assert not [name for name in judge.state_dict() if name in ("mean", "std")]


@pytest.mark.parametrize("size", [(8, 8), (31, 45), (64, 40)])
def test_other_picture_sizes(size: tuple[int, int]) -> None:
    logits = random_judge()(pictures(2, *size))
    assert logits.shape == (2, 10)
    assert logits.isfinite().all()


def test_every_parameter_has_a_gradient() -> None:
    judge = random_judge().train().requires_grad_(True)
    nn.functional.cross_entropy(judge(pictures(8)), torch.arange(8)).backward()
    for name, parameter in judge.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name
