"""``ARCHITECTURES``: every link network in one table, which zoo, evaluation, result tables, cards and pages read.

To add an architecture, assign a row: ``ARCHITECTURES["mine"] = Architecture(...)``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from wzroi.config import PAPER_ARCHITECTURES, ConfigError, FlexConfig, Guidance, LinkConfig, ModelConfig
from wzroi.networks.base import LinkNetwork
from wzroi.networks.deepjscc import WynerZivJSCC
from wzroi.networks.flex import FlexJSCC

ARTICLE = "Wyner-Ziv deep joint source-channel coding"

PAPER_LIMITS = """\
- Trained on 32x32 pictures of ten classes. Networks with side information learned to find it 12 pixels
  away: send larger pictures as a batch of 32x32 blocks. DeepJSCC, which has none, takes any size as it is.
- Trained at one SNR on AWGN; the curves show how it performs at other SNRs. It was not trained for fading.
- The published side information is a crop of the source in a shifted frame; a real stereo pair is different.
- The judge's classes and its Grad-CAM map are meaningless on pictures of anything else."""

FLEX_LIMITS = """\
- Trained on 32x32 pictures of ten classes, with side images made from them: the crop, other shifts,
  noise, other colours, synthetic disparity. Larger pictures are coded in windows of 32x32.
- Trained on AWGN from -5 to 20 dB and from 1/96 to 1/8; outside these ranges it extrapolates.
- Both ends know the published crop's place; in a real stereo pair it must be found,
  which requires a moderate disparity.
- The judge's classes and its Grad-CAM map are meaningless on pictures of anything else."""


@dataclass(frozen=True)
class Architecture:
    """A row of ``ARCHITECTURES``.

    Attributes:
        title: in figures, tables and lists.
        config: its configuration class, whose ``architecture`` is the row's key.
        network: makes the network of a configuration.
        card: a configuration to a sentence or more for the model card, after "`name` is".
        limits: the model card's list of limits, Markdown.
        side: whether the decoder uses the side image.
        guidance: what conditions SFT layers, if it has any: ``none``, ``side`` or ``roi``.
        rated: whether each network has one bandwidth ratio, with 1/rho in its name; ``False``: one supports them all.
        searches: whether it looks for the side image's place, unless ``placement`` states it.
    """

    title: str
    config: type[LinkConfig]
    network: Callable[[Any], LinkNetwork]
    card: Callable[[Any], str]
    limits: str = PAPER_LIMITS
    side: bool = True
    guidance: Guidance = "none"
    rated: bool = True
    searches: bool = False


def _paper_card(config: ModelConfig) -> str:
    joined = "the received symbols and features of the side image" if config.side else "the received symbols alone"
    guides = {"none": "", "side": ", SFT layers guided by it", "roi": ", SFT layers guided by it and the ROI map"}
    return (
        f"({ARTICLE}) at bandwidth ratio {config.rho.numerator}/"
        f"{config.rho.denominator} complex channel symbols per source value. Its decoder sees "
        f"{joined}{guides[config.guidance]}. N = {config.width}, c = {config.maps}."
    )


def _flex_card(config: FlexConfig) -> str:
    return (
        f"({ARTICLE}): one network for every SNR from -5 to 20 dB and "
        f"every bandwidth ratio from {config.rhos[0]} to {config.rhos[-1]}: the number of channel symbols "
        "decides. Its decoder finds where the side image belongs, copies from it at full resolution, and takes the "
        f"ROI map. Token width {config.width}, {config.depth} blocks per refiner."
    )


def _of_paper(name: str, title: str) -> Architecture:
    side, guidance = PAPER_ARCHITECTURES[name]
    return Architecture(title, ModelConfig, WynerZivJSCC, _paper_card, side=side, guidance=guidance)


ARCHITECTURES: dict[str, Architecture] = {
    "deepjscc": _of_paper("deepjscc", "DeepJSCC"),
    "deepjscc_wz": _of_paper("deepjscc_wz", "DeepJSCC-WZ"),
    "deepjscc_wz_sft": _of_paper("deepjscc_wz_sft", "DeepJSCC-WZ-SFT"),
    "deepjscc_wz_roi": _of_paper("deepjscc_wz_roi", "DeepJSCC-WZ-ROI"),
    "wz_roi_flex": Architecture(
        "WZ-ROI-Flex", FlexConfig, FlexJSCC, _flex_card, FLEX_LIMITS, rated=False, searches=True
    ),
}
"""Name -> row, in the order of lists and figures: by complexity, the paper's four first."""


def architecture_of(name: object) -> Architecture:
    """The row of an architecture; raises ConfigError with the names that there are."""
    if not isinstance(name, str) or name not in ARCHITECTURES:
        raise ConfigError(f"unknown architecture {str(name)[:40]!r}; choose one of {', '.join(ARCHITECTURES)}")
    return ARCHITECTURES[name]


def build(config: LinkConfig) -> LinkNetwork:
    """A network of this configuration, with random weights."""
    return architecture_of(config.architecture).network(config)


def config_values(config: LinkConfig) -> dict[str, Any]:
    """A configuration as plain data that names its architecture; ``read_config`` is the inverse."""
    return {"architecture": config.architecture, **config.to_dict()}


def read_config(values: Mapping[str, Any]) -> LinkConfig:
    """A configuration from plain data, read strictly.

    ``architecture`` says whose it is. Data from before version 0.2 lacks it and has the fields of the paper's networks,
    or a depth and none of those, as the flexible one.

    Raises:
        ConfigError: for an unknown architecture, or fields that are not its own.
    """
    fields = {key: value for key, value in values.items() if key != "architecture"}
    if "architecture" not in values:
        flexible = {"depth", "hidden"} & set(fields) and not {"side", "guidance", "maps"} & set(fields)
        return FlexConfig.from_dict(fields) if flexible else ModelConfig.from_dict(fields)
    config = architecture_of(values["architecture"]).config.from_dict(fields)
    if config.architecture != values["architecture"]:
        raise ConfigError(f"architecture is {values['architecture']}, but the other fields are {config.architecture}'s")
    return config
