"""The names of networks: ``architecture.tag``, parsed and checked."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal

from wzroi.architectures import ARCHITECTURES
from wzroi.config import ConfigError, maps_at

_TAG = re.compile(
    r"(?P<stage>rec|task)(?:_r(?P<rate>[1-9][0-9]?))?(?P<oracle>_oracle)?(?P<placed>_placed)?"
    r"(?P<lite>_lite)?(?:_s(?P<seed>[1-9][0-9]{0,5}))?"
)


@dataclass(frozen=True)
class ModelName:
    """A parsed model name, ``architecture.{rec|task}_r{1/rho}[_oracle][_placed][_lite]``.

    For example ``deepjscc_wz_roi.task_r32``. ``rate`` is 1/rho, ``None`` for a flexible network, which supports every
    rate: ``wz_roi_flex.rec``, ``wz_roi_flex.task_lite``. ``seed`` is zero for the zoo's own networks; a repetition
    with another seed has the suffix ``_s{seed}`` and exists as results only. So does a ``placed`` network: a control
    that is given the side image where it belongs in the picture (pair source ``crop_placed``), not in the corner.

    Raises:
        ConfigError: for a flexible network with a rate, an oracle or a placement, any other network without a rate, or
            a placed network of an architecture that does not use the side image.
    """

    architecture: str
    stage: Literal["rec", "task"]
    rate: int | None
    oracle: bool = False
    lite: bool = False
    seed: int = 0
    placed: bool = False

    def __post_init__(self) -> None:
        if self.flexible and (self.rate is not None or self.oracle or self.placed):
            raise ConfigError(
                f"{self.architecture} supports every rate and has no oracle or placed network: drop _r{{1/rho}}, "
                "_oracle and _placed"
            )
        if self.placed and self.architecture in ARCHITECTURES and not ARCHITECTURES[self.architecture].side:
            raise ConfigError(f"{self.architecture} does not use the side image, so it cannot be placed: drop _placed")
        if not self.flexible and self.rate is None:
            raise ConfigError(f"{self.architecture} has one network per rate: add the rate, {self.stage}_r{{1/rho}}")

    @property
    def flexible(self) -> bool:
        """Whether one network supports every rate."""
        return self.architecture in ARCHITECTURES and not ARCHITECTURES[self.architecture].rated

    @property
    def control(self) -> bool:
        """Whether the network exists as results only: a repetition with another seed, or a ``placed`` one."""
        return self.seed != 0 or self.placed

    @property
    def pair_source(self) -> str:
        """The pair source that it is trained and evaluated on, a key of ``wzroi.pairs.PAIR_SOURCES``."""
        return "crop_placed" if self.placed else "crop"

    def at_stage(self, stage: Literal["rec", "task"]) -> ModelName:
        """The same network, trained by Algorithm 1 (``rec``) or Algorithm 2 (``task``)."""
        return replace(self, stage=stage)

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
        row = ARCHITECTURES.get(architecture)
        if row is None or match is None:
            rated = ", ".join(key for key, one in ARCHITECTURES.items() if one.rated)
            flexible = " or ".join(f"{key}.{{rec|task}}[_lite]" for key, one in ARCHITECTURES.items() if not one.rated)
            raise ConfigError(
                f"{name!r} is not a model name; it must read "
                "architecture.{rec|task}_r{1/rho}[_oracle][_placed][_lite], "
                f"with architecture one of {rated}, or {flexible}"
            )
        rate = None if match["rate"] is None else int(match["rate"])
        if rate is not None:
            maps_at(rate)
        if match["oracle"] and row.rated and row.guidance != "roi":
            raise ConfigError(f"{name!r}: only an architecture guided by an ROI map has an oracle; drop _oracle")
        stage: Literal["rec", "task"] = "rec" if match["stage"] == "rec" else "task"
        flags = {flag: bool(match[flag]) for flag in ("oracle", "placed", "lite")}
        return cls(architecture, stage, rate, seed=int(match["seed"] or 0), **flags)

    def __str__(self) -> str:
        rate = "" if self.rate is None else f"_r{self.rate}"
        flags = "_oracle" * self.oracle + "_placed" * self.placed + "_lite" * self.lite
        seed = f"_s{self.seed}" if self.seed else ""
        return f"{self.architecture}.{self.stage}{rate}{flags}{seed}"

    @property
    def title(self) -> str:
        """The title in figures: ``DeepJSCC-WZ-ROI (task, 1/16)``, ``WZ-ROI-Flex (task)``."""
        rate = "" if self.rate is None else f", 1/{self.rate}"
        extra = ", oracle ROI" * self.oracle + ", side image placed" * self.placed
        return f"{ARCHITECTURES[self.architecture].title} ({self.stage}{rate}{extra})"
