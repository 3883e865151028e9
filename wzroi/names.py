"""The names of networks: ``architecture.tag``, parsed and checked."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from wzroi.config import ARCHITECTURES, FLEXIBLE, TITLES, ConfigError, maps_at

_TAG = re.compile(
    r"(?P<stage>rec|task)(?:_r(?P<rate>[1-9][0-9]?))?(?P<oracle>_oracle)?(?P<lite>_lite)?"
    r"(?:_s(?P<seed>[1-9][0-9]{0,5}))?"
)


@dataclass(frozen=True)
class ModelName:
    """A parsed model name, ``architecture.{rec|task}_r{1/rho}[_oracle][_lite]``, e.g. ``deepjscc_wz_roi.task_r32``.

    ``rate`` is 1/rho, ``None`` for a flexible network, which supports every rate: ``wz_roi_flex.rec``,
    ``wz_roi_flex.task_lite``. ``seed`` is zero for the zoo's own networks; a repetition with another seed carries the
    suffix ``_s{seed}`` and exists as results only.

    Raises:
        ConfigError: for a flexible network with a rate or an oracle, or any other network without a rate.
    """

    architecture: str
    stage: Literal["rec", "task"]
    rate: int | None
    oracle: bool = False
    lite: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if self.flexible and (self.rate is not None or self.oracle):
            raise ConfigError(
                f"{self.architecture} supports every rate and has no oracle: drop _r{{1/rho}} and _oracle"
            )
        if not self.flexible and self.rate is None:
            raise ConfigError(f"{self.architecture} has one network per rate: add the rate, {self.stage}_r{{1/rho}}")

    @property
    def flexible(self) -> bool:
        """Whether one network supports every rate."""
        return self.architecture in FLEXIBLE

    @property
    def own_rate(self) -> int:
        """1/rho of a network that has a rate of its own; raises ConfigError for a flexible one."""
        if self.rate is None:
            raise ConfigError(f"{self} supports every rate and has none of its own: specify the rate")
        return self.rate

    @classmethod
    def parse(cls, name: str) -> ModelName:
        """Split a name; raises ConfigError with the expected pattern if it does not match."""
        architecture, _, tag = name.partition(".")
        match = _TAG.fullmatch(tag)
        if architecture not in (*ARCHITECTURES, *FLEXIBLE) or match is None:
            raise ConfigError(
                f"{name!r} is not a model name; it must read architecture.{{rec|task}}_r{{1/rho}}[_oracle][_lite], "
                f"with architecture one of {', '.join(ARCHITECTURES)}, or {FLEXIBLE[0]}.{{rec|task}}[_lite]"
            )
        rate = None if match["rate"] is None else int(match["rate"])
        if rate is not None:
            maps_at(rate)
        if match["oracle"] and architecture in ARCHITECTURES and ARCHITECTURES[architecture][1] != "roi":
            raise ConfigError(f"{name!r}: only an architecture guided by an ROI map has an oracle; drop _oracle")
        stage: Literal["rec", "task"] = "rec" if match["stage"] == "rec" else "task"
        return cls(architecture, stage, rate, bool(match["oracle"]), bool(match["lite"]), int(match["seed"] or 0))

    def __str__(self) -> str:
        rate = "" if self.rate is None else f"_r{self.rate}"
        oracle, lite = "_oracle" * self.oracle, "_lite" * self.lite
        seed = f"_s{self.seed}" if self.seed else ""
        return f"{self.architecture}.{self.stage}{rate}{oracle}{lite}{seed}"

    @property
    def title(self) -> str:
        """The title in figures: ``DeepJSCC-WZ-ROI (task, 1/16)``, ``WZ-ROI-Flex (task)``."""
        rate = "" if self.rate is None else f", 1/{self.rate}"
        oracle = ", oracle ROI" * self.oracle
        return f"{TITLES[self.architecture]} ({self.stage}{rate}{oracle})"
