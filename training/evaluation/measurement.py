"""A network's evaluation on the way into its results file."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from training.evaluation.networks import Network
from training.evaluation.plan import Plan
from training.evaluation.results_file import write_json, write_tensors
from training.evaluation.test_set import TestSet
from zoo.results.files import PER_IMAGE


def up_to_date(path: Path, network: Network, plan: Plan, rates: Sequence[int]) -> bool:
    """Whether a results file is of these weights and was made by this plan, at these rates if flexible."""
    if not path.is_file():
        return False
    kept = json.loads(path.read_text())
    wanted = {"weights_sha256": network.sha256, "plan": json.loads(json.dumps(dataclasses.asdict(plan)))}
    wanted |= {"rates": list(rates)} if network.name.flexible else {}
    return all(kept.get(key) == value for key, value in wanted.items())


class Measurement(NamedTuple):
    """A network's evaluation on the way into its results file; the fields are ``evaluate``'s arguments."""

    network: Network
    test: TestSet
    judge: str
    plan: Plan
    channel: str
    controls: bool

    def done(self, path: Path, rates: Sequence[int]) -> bool:
        """Whether the file is there and up to date."""
        return up_to_date(path, self.network, self.plan, rates)

    def write(self, path: Path, found: dict[str, Any], images: dict[str, Tensor]) -> None:
        """Write the results file after the values per image that belong to it."""
        write_tensors(path.parent / PER_IMAGE / f"{self.network.name}.safetensors", images)
        write_json(path, found | {"plan": dataclasses.asdict(self.plan)})
