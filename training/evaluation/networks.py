"""Networks to evaluate: of finished runs, or of the zoo."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import torch
from safetensors.torch import load_file

import zoo
from training.fit.runs import RECORD, WEIGHTS, MissingRun, finished
from training.recipes import JUDGES
from wzroi.judge import Judge
from wzroi.names import ModelName
from wzroi.networks.base import LinkNetwork
from zoo.store.checkpoint import Network as StoredNetwork
from zoo.store.checkpoint import build, digest, half_weights, is_judge, network_from, read_config

TRAINING = ("recipe_name", "schedule", "seed", "commit", "wall_s", "core_s", "device", "threads")
"""What a results file repeats of how its network was trained."""


class Network(NamedTuple):
    """A network to evaluate: its name, its weights as stored, their sha256, and how it was trained."""

    name: ModelName
    model: LinkNetwork
    sha256: str
    training: Mapping[str, Any] = MappingProxyType({})

    @property
    def roi_origin(self) -> str | None:
        """The origin of the ROI map it is evaluated with; ``None`` for an architecture without one."""
        if not self.model.config.uses_roi:
            return None
        return "source+label" if self.name.oracle else "side"


class Stored(NamedTuple):
    """A network as the zoo stores it, the sha256 of its weights, and the record of its training."""

    network: StoredNetwork
    sha256: str
    training: Mapping[str, Any]


def network_of_run(runs: Path, name: str, device: torch.device | str = "cpu") -> Stored:
    """A finished run's network as the zoo stores it: in half precision.

    Raises:
        MissingRun: when the run is not finished. ZooError: when its files do not fit together.
    """
    folder = runs / name
    if not finished(folder):
        command = "judge" if name in JUDGES else "train"
        raise MissingRun(
            f"no finished run in {folder}: run `python -m training {command} {name} --runs {runs}` first, or take the "
            f"zoo's with `python -m training adopt {name} --runs {runs}`"
        )
    record = json.loads((folder / RECORD).read_text())
    is_judge = "recipe" in record
    config = read_config("judge" if is_judge else "link", (record["recipe"] if is_judge else record)["config"], name)
    trained = build(config)
    trained.load_state_dict(load_file(folder / WEIGHTS), strict=True)
    blob = half_weights(trained)
    return Stored(network_from(config, blob, str(folder), device), digest(blob), record)


class Origin:
    """Where networks come from: finished runs in a folder, or (``runs`` is ``None``) the zoo's checkpoints."""

    def __init__(self, runs: Path | None, device: torch.device | str, compiled: bool = False) -> None:
        self.runs, self.device, self.compiled = runs, device, compiled

    def network(self, name: ModelName) -> Network:
        """The link network ``name``."""
        model, sha256, training = self._stored(str(name), zoo.load)
        if is_judge(model):
            raise MissingRun(f"{name} is not a link network: train it with `python -m training train {name}`")
        if self.compiled:
            model.compile_for_batches()
        kept = {key: training[key] for key in TRAINING if key in training}
        return Network(name, model.to(memory_format=torch.channels_last), sha256, kept)

    def judge(self, name: str) -> tuple[Judge, str]:
        """The judge ``name`` and the sha256 of its weights."""
        judge, sha256, _ = self._stored(name, zoo.load_judge)
        if not is_judge(judge):
            raise MissingRun(f"{name} is not a judge: train it with `python -m training judge {name}`")
        if self.compiled:
            judge.compile()
        return judge.to(memory_format=torch.channels_last), sha256

    def _stored(self, name: str, load: Callable[[str, str], StoredNetwork]) -> Stored:
        if self.runs is not None:
            return network_of_run(self.runs, name, self.device)
        entry = zoo.describe(name)
        return Stored(load(name, str(self.device)), entry.sha256, entry.training)
