"""The decoder ``D_theta`` (eq. 4): received maps, side features and SFT modulations to an image."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from wzroi.config import ModelConfig
from wzroi.networks.encoder import Features
from wzroi.networks.layers import GDN, Modulation, SpatialFeatureTransform, keep_variance


class SideContext(NamedTuple):
    """Everything the receiver can compute before any symbol arrives.

    ``features`` are the shared encoder's on ``x_side`` (with zero channels if the architecture uses none),
    ``quarter`` and ``half`` the SFT modulations at 1/4 and 1/2 resolution (``None`` without SFT layers), ``size`` the
    image's height and width before padding.
    """

    features: Features
    quarter: Modulation | None
    half: Modulation | None
    size: tuple[int, int]


class Unguided(nn.Module):
    """Takes the place of an SFT layer in an architecture without one: passes the features through."""

    def modulation(self, condition: Tensor) -> None:
        return None

    def forward(self, features: Tensor, modulation: None) -> Tensor:
        return features


def decoder_block(inputs: int, outputs: int, stride: int, last: nn.Module | None = None) -> nn.Sequential:
    """Transposed conv5x5 -> inverse GDN -> PReLU, or ``last`` in place of the PReLU."""
    conv = nn.ConvTranspose2d(inputs, outputs, 5, stride=stride, padding=2, output_padding=stride - 1)
    keep_variance(conv)
    return nn.Sequential(conv, GDN(outputs, inverse=True), last or nn.PReLU(outputs))


class Decoder(nn.Module):
    """Three transposed blocks, strides 1, 2, 2, with side features and SFT layers between (paper, fig. 2).

    Every architecture ends in the same sigmoid, so that the head puts none at a disadvantage.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        copies = 2 if config.side else 1
        width, half_width = config.width, copies * config.width
        self.block1 = decoder_block(copies * config.maps, width, 1)
        self.block2 = decoder_block(width, width, 2)
        self.block3 = decoder_block(half_width, 3, 2, last=nn.Sigmoid())
        self.sft_quarter: Unguided | SpatialFeatureTransform = self._guide(config, width, scale=4)
        self.sft_half: Unguided | SpatialFeatureTransform = self._guide(config, half_width, scale=2)

    @staticmethod
    def _guide(config: ModelConfig, channels: int, *, scale: int) -> Unguided | SpatialFeatureTransform:
        if config.guidance == "none":
            return Unguided()
        inputs = 4 if config.guidance == "roi" else 3
        return SpatialFeatureTransform(inputs, config.condition_width, config.sft_width, channels, scale=scale)

    def forward(self, maps: Tensor, context: SideContext) -> Tensor:
        """Received maps ``[B, c, H/4, W/4]`` and the side context to an image ``[B, 3, H, W]`` in [0, 1]."""
        quarter = self.block1(torch.cat([maps, context.features.latent], dim=1))
        guided = self.sft_quarter(quarter, context.quarter)
        half = torch.cat([self.block2(guided), context.features.first], dim=1)
        return self.block3(self.sft_half(half, context.half))
