"""Building blocks of the networks: GDN, condition networks and Spatial Feature Transform layers."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

GDN_FLOOR = 1e-6


class GDN(nn.Module):
    r"""Generalised divisive normalisation (Balle et al., 2016) or its inverse.

    ``y_i = x_i / sqrt(beta_i + sum_j gamma_ij x_j^2)``, multiplied by instead of divided by the root if ``inverse``.
    ``beta`` and ``gamma`` are squares of the stored parameters, so they stay non-negative under any optimiser step;
    the stored roots start away from zero, where a square would have no gradient.

    Shape: ``[B, channels, H, W]`` to the same.
    """

    def __init__(self, channels: int, *, inverse: bool = False) -> None:
        super().__init__()
        self.inverse = inverse
        self.beta_root = nn.Parameter(torch.ones(channels))
        self.gamma_root = nn.Parameter(torch.full((channels, channels), 0.01) + 0.306 * torch.eye(channels))

    def forward(self, x: Tensor) -> Tensor:
        gamma = self.gamma_root.square()[:, :, None, None]
        energy = F.conv2d(x.square(), gamma.to(x.dtype), (self.beta_root.square() + GDN_FLOOR).to(x.dtype))
        return x * (energy.sqrt() if self.inverse else energy.rsqrt())


def keep_variance(conv: nn.Conv2d | nn.ConvTranspose2d) -> None:
    """Initialise a convolution so that it keeps the variance of white input, with zero bias.

    PyTorch's default initialisation shrinks a signal by the root of three per layer, which hurts a short training.
    """
    taps = conv.kernel_size[0] * conv.kernel_size[1]
    fan = conv.in_channels * taps / (conv.stride[0] * conv.stride[1] if conv.transposed else 1)
    nn.init.normal_(conv.weight, std=fan**-0.5)
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)


def start_as_zero(layer: nn.Module) -> None:
    """Initialise a layer's weights and bias to zero, so that it adds nothing at first."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)


class Modulation(NamedTuple):
    """What an SFT layer does to features: ``gamma * f + beta``, both ``[B, channels, h, w]`` (eq. 8)."""

    gamma: Tensor
    beta: Tensor


class ConditionNetwork(nn.Module):
    """Condition network of fig. 3(a): ``[B, inputs, H, W]`` to ``[B, width, H/scale, W/scale]``, scale 2 or 4."""

    def __init__(self, inputs: int, width: int, *, scale: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(inputs, width, 3, stride=2, padding=1),
            nn.LeakyReLU(0.1),
            nn.Conv2d(width, width, 3, stride=scale // 2, padding=1),
        )

    def forward(self, condition: Tensor) -> Tensor:
        return self.layers(condition)


class SpatialFeatureTransform(nn.Module):
    """SFT layer of fig. 3(b), with its condition network: ``gamma * f + beta`` (eq. 8).

    ``gamma`` is parametrised around one, so that an untrained layer is close to the identity. The modulation depends
    on the condition alone, so a receiver computes it once and applies it to every received signal.
    """

    def __init__(self, inputs: int, condition_width: int, sft_width: int, channels: int, *, scale: int) -> None:
        super().__init__()
        self.condition = ConditionNetwork(inputs, condition_width, scale=scale)
        self.shared = nn.Sequential(nn.Conv2d(condition_width, sft_width, 3, padding=1), nn.ReLU())
        self.to_gamma = nn.Conv2d(sft_width, channels, 3, padding=1)
        self.to_beta = nn.Conv2d(sft_width, channels, 3, padding=1)

    def modulation(self, condition: Tensor) -> Modulation:
        """The affine map for a condition ``[B, inputs, H, W]``: gamma and beta ``[B, channels, H/scale, W/scale]``."""
        shared = self.shared(self.condition(condition))
        return Modulation(1 + self.to_gamma(shared), self.to_beta(shared))

    def forward(self, features: Tensor, modulation: Modulation) -> Tensor:
        return modulation.gamma * features + modulation.beta
