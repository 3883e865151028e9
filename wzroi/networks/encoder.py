"""The encoder ``E_phi`` (eq. 1): an image to real latent maps at quarter resolution."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

from wzroi.config import ModelConfig
from wzroi.networks.layers import GDN, keep_variance


class Features(NamedTuple):
    """What the encoder computes: ``first`` ``[B, N, H/2, W/2]`` and ``latent`` ``[B, c, H/4, W/4]``."""

    first: Tensor
    latent: Tensor


def encoder_block(inputs: int, outputs: int, stride: int, slope: float = 0.25) -> nn.Sequential:
    """conv5x5 without bias -> GDN -> PReLU; ``slope`` is the PReLU's initial slope for negative input."""
    conv = nn.Conv2d(inputs, outputs, 5, stride=stride, padding=2, bias=False)
    keep_variance(conv)
    return nn.Sequential(conv, GDN(outputs), nn.PReLU(outputs, init=slope))


class Encoder(nn.Module):
    """Three convolutional blocks, strides 2, 2, 1, channels 3 -> N -> N -> c (paper, section III-A).

    The receiver runs the same encoder on ``x_side`` (section III-A: "shares parameters with the encoder").
    Input ``[B, 3, H, W]`` in [0, 1] with H and W multiples of 4. The convolutions have no bias, so the image is
    centred first (2x - 1); otherwise a picture's mean grey would use part of every symbol's power.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.block1 = encoder_block(3, config.width, 2)
        self.block2 = encoder_block(config.width, config.width, 2)
        # The symbols start symmetric around zero: a slope below one would spend power on their mean.
        self.block3 = encoder_block(config.width, config.maps, 1, slope=1.0)

    def forward(self, image: Tensor) -> Features:
        first = self.block1(2 * image - 1)
        latent = self.block3(self.block2(first))
        return Features(first, latent)
