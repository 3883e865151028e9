"""Finished runs with initial weights, as ``training.fit.runs`` writes them: something to publish before training."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors.torch import save_file

from training.fit.runs import RECORD, WEIGHTS
from training.recipes import JUDGES, Schedule
from wzroi.config import PAPER_ARCHITECTURES, FlexConfig, JudgeConfig, ModelConfig
from wzroi.judge import Judge
from wzroi.names import ModelName
from wzroi.networks.deepjscc import WynerZivJSCC
from wzroi.networks.flex import FlexJSCC

LITE_NAMES = [
    f"{a}.{stage}_r{rate}_lite" for a in PAPER_ARCHITECTURES for rate in (16, 32) for stage in ("rec", "task")
]
JUDGE = "resnet_lite.cifar10"
SCHEDULE = Schedule("adam", batch=32, epochs=0, lr=2e-3, final_lr=2e-5)


def _write(folder: Path, network: torch.nn.Module, record: dict[str, object]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    save_file({k: v.contiguous() for k, v in network.state_dict().items()}, folder / WEIGHTS)
    provenance = {
        "name": folder.name,
        "seed": 0,
        **record,
        "commit": "untrained",
        "torch": torch.__version__,
        "python": "3",
    }
    (folder / RECORD).write_text(json.dumps(provenance, indent=1))
    return folder


def write_link_run(runs: Path, name: str, width: int = 8, seed: int = 0) -> Path:
    """An untrained link network as the finished run ``runs/name``."""
    parsed = ModelName.parse(name)
    config = ModelConfig.named(parsed.architecture, parsed.rate, width)
    torch.manual_seed(seed)
    record = {"schedule": asdict(SCHEDULE), "config": config.to_dict(), "judge": JUDGE, "snr_db": 5.0, "trade_off": 0.0}
    return _write(runs / name, WynerZivJSCC(config), record | {"validation": {"psnr": 0.0, "mse": 1.0}})


SMALL_FLEX = FlexConfig(width=32, depth=1)


def small_flex(seed: int = 0) -> FlexJSCC:
    """An untrained flexible network, in eval mode, whose last layers are pushed away from the zeros they start as."""
    torch.manual_seed(seed)
    network = FlexJSCC(SMALL_FLEX)
    for parameter in network.parameters():
        if not bool(parameter.any()):
            torch.nn.init.normal_(parameter, std=0.05)
    return network.eval().requires_grad_(False)


def write_flex_run(runs: Path, name: str = "wz_roi_flex.rec_lite", seed: int = 0) -> Path:
    """An untrained flexible network as the finished run ``runs/name``."""
    record = {"schedule": asdict(SCHEDULE), "config": SMALL_FLEX.to_dict(), "judge": JUDGE, "snr_db": [-5.0, 20.0]}
    return _write(runs / name, small_flex(seed), record | {"trade_off": 0.0, "validation": {"psnr": 0.0}})


def write_judge_run(runs: Path, name: str = JUDGE, width: int = 8, seed: int = 0) -> Path:
    """An untrained judge as the finished run ``runs/name``."""
    config = JudgeConfig("resnet_lite", width)
    recipe = asdict(JUDGES[JUDGE]) | {"config": config.to_dict()}
    torch.manual_seed(seed)
    return _write(runs / name, Judge(config), {"recipe": recipe, "validation": {"clean": 0.1, "side": 0.1}})
