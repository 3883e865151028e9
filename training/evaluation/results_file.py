"""Provenance of a results file, and writing it."""

from __future__ import annotations

import json
import platform
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from training.evaluation.networks import Network
from training.evaluation.plan import Plan
from training.evaluation.test_set import TestSet
from training.fit.loop import write_atomically
from training.fit.runs import code_commit


def provenance(device: torch.device) -> dict[str, Any]:
    """The provenance recorded in every results file."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
    versions = {"python": platform.python_version(), "torch": torch.__version__}
    return {"commit": code_commit(), "split": "test", "device": f"{device.type} ({name})", "versions": versions}


def header(network: Network, test: TestSet, judge_name: str, plan: Plan, channel: str) -> dict[str, Any]:
    """What a network's results file says beside its rows."""
    return {
        "model": str(network.name), "config": network.model.config.to_dict(), **provenance(test.device),
        "weights_sha256": network.sha256, "training": dict(network.training),
        "images": len(test), "seeds": [plan.seed], "draws": plan.draws,
        "roi_origin": network.roi_origin, "pair_source": test.pairs.name, "channel": channel, "judge": judge_name,
    }


def write_json(path: Path, values: dict[str, Any]) -> None:
    """Write a results file atomically."""
    text = json.dumps(values, indent=1, allow_nan=False) + "\n"

    def write(part: Path) -> None:
        part.write_text(text)

    write_atomically(path, write)


def write_tensors(path: Path, tensors: dict[str, Tensor]) -> None:
    """Write a safetensors file atomically."""
    write_atomically(path, lambda part: save_file(tensors, part))
