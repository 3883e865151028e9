"""What a user adds, each through a row of a table: loaded by ``WZROI_PLUGINS=tests.extension.plugin`` or by a test."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import torch
from torch import Tensor, nn

from explorer.navigation import PAGES, Page
from wzroi.architectures import ARCHITECTURES, Architecture
from wzroi.channel import CHANNELS, Channel, ChannelState, circular, normalise_power
from wzroi.config import LinkConfig
from wzroi.data import DATASETS, Dataset, Images, Split
from wzroi.metrics import METRICS, Metric
from wzroi.networks.base import LinkNetwork
from wzroi.networks.deepjscc import maps_to_symbols, symbols_to_maps
from wzroi.pairs import PAIR_SOURCES, Placement
from wzroi.parameters import Parameter

# ---- a channel


def rician_gain(batch: int, symbols: int, generator: torch.Generator, k_factor: float) -> Tensor:
    """One gain per image, ``[B, 1]``, of mean power one: a line of sight and CN(0, 1) scattering."""
    scatter = circular((batch, 1), generator)
    return math.sqrt(k_factor / (k_factor + 1)) + scatter * math.sqrt(1 / (k_factor + 1))


RICIAN = Channel("Rician, one gain per image", "Rician", rician_gain, {"k_factor": Parameter(4.0, 0.0, 1000.0)})

# ---- a metric


def perceptual_distance(reconstruction: Tensor, source: Tensor) -> Tensor:
    """A toy of LPIPS: mean squared distance of normalised edge responses, ``[B]``; lower is better."""

    def edges(image: Tensor) -> Tensor:
        grey = image.mean(dim=1, keepdim=True)
        kernel = torch.tensor([[[[0.0, 1, 0], [1, -4, 1], [0, 1, 0]]]], dtype=image.dtype, device=image.device)
        found = nn.functional.conv2d(grey, kernel, padding=1).flatten(1)
        return found / found.norm(dim=1, keepdim=True).clamp_min(1e-6)

    return (edges(reconstruction) - edges(source)).square().sum(dim=1)


EDGES = Metric("Edge distance", "", 3, perceptual_distance, higher_is_better=False)

# ---- a data set with its pair source


@dataclass(frozen=True)
class ShiftPair:
    """The side image is the source moved 4 pixels to the left, as a second camera's would be."""

    @property
    def name(self) -> str:
        return "shift(columns=4)"

    def placement(self, height: int, width: int) -> Placement | None:
        return None

    def side_of(self, source: Tensor) -> Tensor:
        return source.roll(-4, dims=3)

    def paste(self, reconstruction: Tensor, side: Tensor) -> Tensor:
        return side.roll(4, dims=3)


def load_stripes(split: Split, root: object = None) -> Images:
    """Twelve 32x32 pictures of stripes per split."""
    first = {"train": 0, "validation": 100, "test": 200}[split]
    phase = torch.arange(first, first + 12)[:, None, None, None] + torch.arange(32)
    pixels = (phase * 8 % 256).to(torch.uint8).expand(12, 3, 32, 32).contiguous()
    return Images(pixels, torch.arange(12) % 10, torch.arange(12))


STRIPES = Dataset("Stripes", (32, 32), load_stripes, "shift")

# ---- an architecture


@dataclass(frozen=True)
class PoolConfig(LinkConfig):
    """``channels``: how many colours are sent, 1 to 3."""

    channels: int

    @property
    def architecture(self) -> str:
        return "pooling"

    @property
    def rhos(self) -> tuple[Fraction, ...]:
        return (Fraction(self.channels, 96),)


class PoolNetwork(LinkNetwork):
    """Sends a picture at 1/4 resolution as it is; the receiver enlarges it."""

    config: PoolConfig

    def __init__(self, config: PoolConfig) -> None:
        super().__init__()
        self.config = config
        self.level = nn.Parameter(torch.full((3,), 0.3))

    def num_symbols(self, height: int, width: int, rho: float | None = None) -> int:
        return math.ceil(self.config.channels * (height // 4) * (width // 4) / 2)

    def encode(self, source: Tensor, placement: Placement | None = None, importance: Tensor | None = None) -> Tensor:
        small = nn.functional.avg_pool2d(source[:, : self.config.channels], 4)
        return normalise_power(maps_to_symbols(small - 0.5))

    def modulate(self, latent: Tensor, channel: ChannelState, placement: Placement | None = None) -> Tensor:
        return latent

    def encode_side(
        self, side: Tensor, roi: Tensor | None = None, placement: Placement | None = None, strength: float = 1.0,
        importance: Tensor | None = None,
    ) -> tuple[int, int]:  # fmt: skip
        return (side.shape[-2], side.shape[-1])

    def decode(self, received: Tensor, context: tuple[int, int], channel: ChannelState) -> Tensor:
        height, width = context
        small = symbols_to_maps(received, (self.config.channels, height // 4, width // 4))
        grey = 0.5 + self.level[:, None, None] * small.mean(dim=1, keepdim=True)
        return nn.functional.interpolate(grey, size=context, mode="bilinear", align_corners=False).clamp(0, 1)


def pooling_card(config: PoolConfig) -> str:
    """The model card's sentence."""
    return f"a network that sends {config.channels} colours at 1/4 resolution."


POOLING = Architecture("Pooling", PoolConfig, PoolNetwork, pooling_card, "- Blurs everything.", side=False)

# ---- a page


def render() -> None:
    """Draw the page."""
    import streamlit as st

    st.title("Hello from a plug-in")


HELLO = Page("Hello", "hello", __name__)


def add_rows() -> None:
    """All of it; a test's own ``monkeypatch`` adds one row alone."""
    CHANNELS["rician"] = RICIAN
    METRICS["edges"] = EDGES
    PAIR_SOURCES["shift"] = ShiftPair()
    DATASETS["stripes"] = STRIPES
    ARCHITECTURES["pooling"] = POOLING
    PAGES.append(HELLO)
