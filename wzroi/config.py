"""Configurations of the networks: architectures, rates and names, as plain, validated data.

Sources: Tian, Dong, Cao, "Joint ROI Guidance and Spatial Analysis for Task-Aware Distributed Deep Joint
Source-Channel Coding"; the symbol ``rho`` and the bandwidth ratios are its eq. 3 and section IV.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar, Literal, Self

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
"""The ten CIFAR-10 classes, in label order."""

STRIDE = 4
"""Image size over latent size: two stride-2 stages in the encoder."""

MAX_WIDTH = 1024
MAX_MAPS = 96

Guidance = Literal["none", "side", "roi"]

PAPER_ARCHITECTURES: dict[str, tuple[bool, Guidance]] = {
    "deepjscc": (False, "none"),
    "deepjscc_wz": (True, "none"),
    "deepjscc_wz_sft": (True, "side"),
    "deepjscc_wz_roi": (True, "roi"),
}
"""The paper's four: name -> (side features at the decoder, what conditions the SFT layers).

Every architecture, these and others, has a row in ``wzroi.architectures.ARCHITECTURES``.
"""

RATES = (48, 32, 24, 16, 12, 8)
"""The values of 1/rho that the zoo uses; the paper's points are 32 and 16."""


class ConfigError(ValueError):
    """An invalid configuration; the message names the field and the fix."""


def _check_fields(cls: type, values: dict[str, Any]) -> None:
    known = {field.name for field in dataclasses.fields(cls)}
    if unknown := sorted(set(values) - known):
        raise ConfigError(f"unknown field {', '.join(unknown)}; {cls.__name__} has {', '.join(sorted(known))}")
    if missing := sorted(known - set(values)):
        raise ConfigError(f"missing field {', '.join(missing)}; {cls.__name__} requires all of its fields")


def _check_int(name: str, value: object, low: int, high: int) -> None:
    if type(value) is not int or not low <= value <= high:
        raise ConfigError(f"{name} must be a whole number from {low} to {high}, not {value!r}")


@dataclass(frozen=True)
class LinkConfig:
    """What the configuration of every link network provides: a frozen dataclass whose fields are plain data."""

    @property
    def architecture(self) -> str:
        """The architecture's name, a key of ``wzroi.architectures.ARCHITECTURES``."""
        raise NotImplementedError(f"{type(self).__name__} must name its architecture")

    @property
    def uses_roi(self) -> bool:
        """Whether the decoder takes an ROI map."""
        return False

    @property
    def rhos(self) -> tuple[Fraction, ...]:
        """The bandwidth ratios (eq. 3) that the network supports, ascending."""
        raise NotImplementedError(f"{type(self).__name__} must state its bandwidth ratios")

    @property
    def sizes(self) -> dict[str, int]:
        """Sizes that a drawing of the network is labelled with."""
        return {}

    def feature_bytes(self, height: int, width: int) -> int:
        """Bytes of the feature maps that live at once for a picture of this size: an estimate, 1 KiB per pixel."""
        return 1024 * height * width

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Read a configuration strictly: every field present, none unknown."""
        _check_fields(cls, values)
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """The fields as plain data, in the order of the class."""
        return dataclasses.asdict(self)


@dataclass(frozen=True)
class ModelConfig(LinkConfig):
    """One network of the paper (section III, fig. 2).

    Args:
        side: whether the decoder joins features of ``x_side`` (DeepJSCC-WZ) or sees the received symbols alone.
        guidance: what conditions the two SFT layers: ``none`` (no such layers), ``side`` (``x_side``) or ``roi``
            (``x_side`` and the ROI map ``M``).
        maps: ``c``, real latent maps at 1/4 resolution; the bandwidth ratio is ``c / 96``.
        width: ``N``, filters of the convolutions: 256 in the paper. Condition and SFT widths are N/4 and N/2.

    Raises:
        ConfigError: for a field out of its range, or guidance without side information.
    """

    side: bool
    guidance: Guidance
    maps: int
    width: int = 256

    def __post_init__(self) -> None:
        if type(self.side) is not bool:
            raise ConfigError(f"side must be true or false, not {self.side!r}")
        if self.guidance not in ("none", "side", "roi"):
            raise ConfigError(f"guidance must be none, side or roi, not {self.guidance!r}")
        if self.guidance != "none" and not self.side:
            raise ConfigError("guidance needs side information: set side to true, or guidance to none")
        _check_int("maps", self.maps, 1, MAX_MAPS)
        _check_int("width", self.width, 4, MAX_WIDTH)
        if self.width % 4:
            raise ConfigError(f"width must be a multiple of 4, not {self.width}")

    @property
    def condition_width(self) -> int:
        """Filters of a condition network: 64 at N = 256."""
        return self.width // 4

    @property
    def sft_width(self) -> int:
        """Filters of an SFT layer's shared convolution: 128 at N = 256."""
        return self.width // 2

    @property
    def rho(self) -> Fraction:
        """Bandwidth ratio, complex channel symbols per source value (eq. 3)."""
        return Fraction(self.maps, 2 * STRIDE * STRIDE * 3)

    @property
    def rhos(self) -> tuple[Fraction, ...]:
        """The one bandwidth ratio."""
        return (self.rho,)

    @property
    def architecture(self) -> str:
        """The architecture's name, a key of ``PAPER_ARCHITECTURES``."""
        return next(name for name, kind in PAPER_ARCHITECTURES.items() if kind == (self.side, self.guidance))

    @property
    def sizes(self) -> dict[str, int]:
        """``c`` maps and ``N`` filters."""
        return {"maps": self.maps, "width": self.width}

    def feature_bytes(self, height: int, width: int) -> int:
        """Bytes of the feature maps of encoder and decoder at half resolution, and of the SFT modulations."""
        copies = 2 if self.side else 1
        halves = 3 * self.width + copies * self.width * (4 if self.guidance != "none" else 2)
        return 4 * halves * (height // 2) * (width // 2)

    @property
    def uses_roi(self) -> bool:
        """Whether the decoder needs an ROI map."""
        return self.guidance == "roi"

    @classmethod
    def named(cls, architecture: str, rate: int, width: int = 256) -> ModelConfig:
        """The configuration of ``architecture`` at ``rho = 1/rate``; raises ConfigError for none of the paper's."""
        if architecture not in PAPER_ARCHITECTURES:
            known = ", ".join(PAPER_ARCHITECTURES)
            raise ConfigError(f"unknown architecture {architecture!r}; choose one of {known}")
        side, guidance = PAPER_ARCHITECTURES[architecture]
        return cls(side=side, guidance=guidance, maps=maps_at(rate), width=width)


@dataclass(frozen=True)
class FlexConfig(LinkConfig):
    """The flexible network: one set of weights for every SNR and rate (``wzroi.networks.flex``).

    Args:
        width: token width of the refiners, a multiple of 32. depth: attention blocks in each of the two refiners.

    Raises:
        ConfigError: for a field out of its range.
    """

    width: int
    depth: int

    WINDOW: ClassVar[int] = 32
    """Side of a transform window, pixels."""
    MAX_MAPS: ClassVar[int] = 12
    """Largest ``c``: 32 complex symbols per window correspond to one real map of the paper's networks."""
    SEARCH_BYTES: ClassVar[int] = 2**28
    """Memory of the search for the side image: the displacements of the windows that it tries at once."""
    WINDOW_BYTES: ClassVar[int] = 2**18
    """The same per window, for its surroundings."""
    CROP: ClassVar[tuple[int, int, int]] = (12, 12, 20)
    """Row, column and size of the crop that both ends may know."""

    def __post_init__(self) -> None:
        _check_int("width", self.width, 32, MAX_WIDTH)
        _check_int("depth", self.depth, 1, 16)
        if self.width % 32:
            raise ConfigError(f"width must be a multiple of 32, not {self.width}")

    @property
    def architecture(self) -> str:
        """The architecture's name in model names."""
        return "wz_roi_flex"

    @property
    def uses_roi(self) -> bool:
        """Whether the decoder takes an ROI map (it works without one)."""
        return True

    @property
    def rhos(self) -> tuple[Fraction, ...]:
        """Every whole number of real maps, 1/96 to 1/8."""
        return tuple(Fraction(maps, 96) for maps in range(1, self.MAX_MAPS + 1))

    @property
    def sizes(self) -> dict[str, int]:
        """Side of a window in pixels, and its coefficients."""
        return {"window": self.WINDOW, "values": 64 * self.MAX_MAPS}

    def feature_bytes(self, height: int, width: int) -> int:
        """Bytes of the search for the side image, and of the tokens at 1/4 resolution."""
        windows = math.ceil(height / self.WINDOW) * math.ceil(width / self.WINDOW)
        return self.SEARCH_BYTES + windows * (self.WINDOW_BYTES + 4 * 12 * self.width * (self.WINDOW // 4) ** 2)


@dataclass(frozen=True)
class JudgeConfig:
    """The task network that classifies pictures and whose Grad-CAM is the ROI map.

    Args:
        kind: ``resnet50`` (torchvision's, with the CIFAR stem) or ``resnet_lite`` (a small residual network).
        width: first-stage filters of ``resnet_lite``; 64 for ``resnet50``.
        classes: number of classes.
    """

    kind: Literal["resnet50", "resnet_lite"]
    width: int
    classes: int = 10

    def __post_init__(self) -> None:
        if self.kind not in ("resnet50", "resnet_lite"):
            raise ConfigError(f"kind must be resnet50 or resnet_lite, not {self.kind!r}")
        _check_int("width", self.width, 4, 256)
        _check_int("classes", self.classes, 2, 1000)
        if self.kind == "resnet50" and self.width != 64:
            raise ConfigError("width of resnet50 is 64")

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> JudgeConfig:
        """Read a configuration strictly: every field present, none unknown."""
        _check_fields(cls, values)
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """The fields as plain data, in the order of the class."""
        return dataclasses.asdict(self)


def maps_at(rate: int) -> int:
    """``c``, the latent maps at ``rho = 1/rate``; raises ConfigError if ``96 / rate`` is not a whole number."""
    if type(rate) is not int or rate < 1 or 96 % rate:
        raise ConfigError(f"a bandwidth ratio must be 1/rate with rate a divisor of 96, not {rate!r}")
    return 96 // rate
