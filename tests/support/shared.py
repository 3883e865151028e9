"""What tests share: small networks and pictures, the names of the rehearsed runs, and where the project lies."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from wzroi import Judge, JudgeConfig, ModelConfig, WynerZivJSCC

ROOT = Path(__file__).resolve().parents[2]


def require(name: str, present: bool, reason: str) -> None:
    """Skip where something is absent; fail instead where ``$WZROI_REQUIRE`` (a comma list) names it."""
    if present:
        return
    if name in os.environ.get("WZROI_REQUIRE", "").split(","):
        pytest.fail(f"WZROI_REQUIRE asks for {name}: {reason}")
    pytest.skip(reason)


def pictures(batch: int, height: int = 32, width: int = 32, seed: int = 0) -> Tensor:
    """Smooth random pictures with some grain, float ``[B, 3, H, W]`` in [0, 1]."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(batch, 3, 5, 5, generator=generator)
    smooth = nn.functional.interpolate(coarse, size=(height, width), mode="bilinear", align_corners=False)
    return (0.9 * smooth + 0.1 * torch.rand(batch, 3, height, width, generator=generator)).clamp(0, 1)


def small_model(architecture: str, rate: int = 16, width: int = 8, seed: int = 0) -> WynerZivJSCC:
    """An untrained network of few filters, in eval mode, its SFT layers pushed away from the identity."""
    torch.manual_seed(seed)
    return WynerZivJSCC(ModelConfig.named(architecture, rate, width)).eval().requires_grad_(False)


def random_judge(kind: str = "resnet_lite", seed: int = 0) -> Judge:
    """An untrained judge whose batch norms hold random statistics, so that no layer is the identity by chance."""
    torch.manual_seed(seed)
    judge = Judge(JudgeConfig("resnet50", 64) if kind == "resnet50" else JudgeConfig("resnet_lite", 8))
    for module in judge.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, std=0.2)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.2)
    return judge.eval().requires_grad_(False)


JUDGE_NAME = "resnet_lite.cifar10"

REC_NAME, TASK_NAME = "deepjscc_wz_roi.rec_r16_lite", "deepjscc_wz_roi.task_r16_lite"

REHEARSED = 128
"""Generated pictures behind the runs of ``rehearsed``."""


def training_command(*arguments: str) -> list[str]:
    """``python -m training ...`` on one CPU thread; run it in the repository's root."""
    return [sys.executable, "-m", "training", *arguments, "--cpu", "--threads", "1"]
