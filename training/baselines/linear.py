"""The linear analog scheme: KLT, power allocation, one coefficient per real channel use, linear estimate.

With side information it sends the residual of a linear estimate from the crop: the linear Wyner-Ziv scheme. Under the
networks' power constraint (each image has power one) the receiver must learn how an image was scaled, so the first real
use carries a pilot. Without that constraint only the average over images is one, which is the easier constraint of the
textbook scheme.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from training.gaussian import Conditional, Gaussian, Statistics, allocate, crop_values
from wzroi.channel import ChannelState, apply_channel, normalise_power
from wzroi.data import as_float
from wzroi.pairs import CropPair

PILOT_SHARES = (0.02, 0.04, 0.08, 0.12)
"""Shares of an image's power that a pilot may take; the best one on training images is used."""

BINS = 48
"""Quantisation levels of the received pilot."""

PASSES = 3
"""Rounds of fitting the pilot's levels and the coefficients' weights to each other."""


class Residual:
    """The part of an image that a linear scheme sends, and its completion at the receiver.

    Without side information that is ``x - mean``; with it ``u - E[u|v]``, and the receiver adds what it knows.
    """

    def __init__(self, statistics: Statistics, source: CropPair | None, given: Conditional | None = None) -> None:
        self.shape, self.mean = statistics.shape, statistics.mean.float()
        self.source, self.held, self.regression = source, None, None
        if source is not None and given is not None:
            self.held, self.regression = crop_values(statistics.shape, source), given.regression.float()

    def of(self, images: Tensor) -> Tensor:
        """``[B, n_u]``."""
        centred = images.flatten(1) - self.mean
        if self.held is None or self.regression is None:
            return centred
        return centred[:, ~self.held] - centred[:, self.held] @ self.regression.T

    def complete(self, residual: Tensor, side: Tensor) -> Tensor:
        """Images ``[B, 3, H, W]``, not clipped."""
        if self.held is None or self.regression is None or self.source is None:
            return (residual + self.mean).reshape(-1, *self.shape)
        values = self.source.paste(torch.zeros_like(side), side).flatten(1) - self.mean
        values[:, ~self.held] = residual + values[:, self.held] @ self.regression.T
        return (values + self.mean).reshape(-1, *self.shape)


@dataclass(frozen=True)
class Pilot:
    """The first real channel use, which conveys the scale of an image's symbols.

    Attributes:
        amplitude: before scaling. edges: ``[BINS - 1]``, of the received pilot. levels: ``[BINS]``, the receiver's
            estimate of one over the scale in each bin.
    """

    amplitude: float
    edges: Tensor
    levels: Tensor

    def undo(self, arrived: Tensor) -> Tensor:
        """One over the scale, ``[B, 1]``, from the pilots that arrived, ``[B]``."""
        return self.levels[torch.bucketize(arrived.contiguous(), self.edges)][:, None]


@dataclass(frozen=True)
class LinearScheme:
    """A linear analog code and its receiver.

    Attributes:
        basis: ``[n_u, m]``, the directions sent; m is twice the number of symbols, minus one for a pilot.
        gains: ``[m]``, amplitude of each. weights: ``[m]``, the receiver's linear estimate of each.
        residual: the part of the image that is sent: all of it, or (with side information) ``u - E[u|v]``.
        pilot: if each image has power one; ``None`` if only the average has.
        remaining: mean squared error per source value by the closed form (average power, nothing clipped).
    """

    basis: Tensor
    gains: Tensor
    weights: Tensor
    residual: Residual
    pilot: Pilot | None
    remaining: float

    @property
    def symbols(self) -> int:
        """Complex channel uses per image."""
        return math.ceil(len(self.gains) / 2)

    def encode(self, images: Tensor) -> Tensor:
        """Symbols, complex ``[B, K]``, of images ``[B, 3, H, W]``."""
        return self.modulate(self.residual.of(images) @ self.basis)

    def modulate(self, coefficients: Tensor) -> Tensor:
        """Symbols, complex ``[B, K]``, of coefficients ``[B, m]``."""
        values = coefficients * self.gains
        if self.pilot is None:
            return _paired(values)
        first = torch.full_like(values[:, :1], self.pilot.amplitude)
        return normalise_power(_paired(torch.cat([first, values], dim=1)))

    def estimate(self, received: Tensor) -> Tensor:
        """Coefficients, ``[B, m]``, from received symbols ``[B, K]``."""
        values = torch.view_as_real(received).flatten(1)
        if self.pilot is None:
            return values * self.weights
        return values[:, 1:] * self.weights * self.pilot.undo(values[:, 0])

    def decode(self, received: Tensor, side: Tensor) -> Tensor:
        """Received symbols and ``x_side`` ``[B, 3, H, W]`` to images in [0, 1]."""
        return self.residual.complete(self.estimate(received) @ self.basis.T, side).clamp(0, 1)

    def transmit(self, images: Tensor, side: Tensor, channel: ChannelState) -> Tensor:
        """Encode, send and decode."""
        return self.decode(apply_channel(self.encode(images), channel), side)


def _paired(values: Tensor) -> Tensor:
    """Real values ``[B, 2 K]`` as complex symbols ``[B, K]``."""
    return torch.view_as_complex(values.unflatten(1, (-1, 2)).contiguous())


def linear_scheme(gaussian: Gaussian, rate: int, snr_db: float, *, side: bool, per_image: bool) -> LinearScheme:
    """The linear analog scheme for a rate and an SNR, which both ends know."""
    if not per_image:
        return _allotted(gaussian, rate, snr_db, side, 0.0)
    candidates = [_allotted(gaussian, rate, snr_db, side, share) for share in PILOT_SHARES]
    fitted = [_fit(scheme, gaussian.training, snr_db) for scheme in candidates]
    return min(fitted, key=lambda found: found[1])[0]


def _allotted(gaussian: Gaussian, rate: int, snr_db: float, side: bool, share: float) -> LinearScheme:
    """The textbook scheme, with ``share`` of the power kept for a pilot in the first real use."""
    spectrum = gaussian.unknown if side else gaussian.whole
    residual = Residual(gaussian.statistics, gaussian.source if side else None, gaussian.given)
    symbols, noise = gaussian.symbols(rate), 10 ** (-snr_db / 10) / 2
    uses = 2 * symbols - (share > 0)
    values = spectrum.values[:uses]
    powers = allocate(values, symbols * (1 - share), noise)
    gains = (powers / values.clamp_min(1e-300)).sqrt()
    unsent = spectrum.values[uses:].sum()
    remaining = (unsent + (values * noise / (noise + powers)).sum()).item() / gaussian.size
    weights = gains * values / (noise + powers)
    pilot = Pilot(math.sqrt(share * symbols), torch.empty(0), torch.ones(1)) if share else None
    basis = spectrum.vectors[:, :uses].float()
    return LinearScheme(basis, gains.float(), weights.float(), residual, pilot, remaining)


def _fit(scheme: LinearScheme, pixels: Tensor, snr_db: float) -> tuple[LinearScheme, float]:
    """The receiver of a scheme with a pilot, fitted to transmitted training images, and its remaining error.

    Levels and weights are least-squares fits, each with the other fixed.
    """
    known = scheme.residual.of(as_float(pixels)) @ scheme.basis
    sent = torch.view_as_real(scheme.modulate(known)).flatten(1)
    noise = torch.randn(sent.shape, generator=torch.Generator().manual_seed(0)) * math.sqrt(10 ** (-snr_db / 10) / 2)
    arrived = sent + noise
    assert scheme.pilot is not None  # the callers' schemes have one
    edges = arrived[:, 0].quantile(torch.linspace(0, 1, BINS + 1)[1:-1])
    weights, values = scheme.weights, arrived[:, 1:]
    for _ in range(PASSES):
        levels = _levels(known, values * weights, torch.bucketize(arrived[:, 0].contiguous(), edges))
        scaled = values * levels[torch.bucketize(arrived[:, 0].contiguous(), edges)][:, None]
        weights = (known * scaled).mean(0) / scaled.square().mean(0).clamp_min(1e-12) * (scheme.gains > 0)
    pilot = replace(scheme.pilot, edges=edges, levels=levels)
    return replace(scheme, weights=weights, pilot=pilot), (known - scaled * weights).square().sum(1).mean().item()


def _levels(known: Tensor, guess: Tensor, bins: Tensor) -> Tensor:
    """The factor of each bin, ``[BINS]``, that brings ``guess`` ``[B, m]`` closest to ``known``."""
    products, squares = (known * guess).sum(1), guess.square().sum(1)
    empty = torch.zeros(BINS)
    return empty.index_add(0, bins, products) / empty.index_add(0, bins, squares).clamp_min(1e-12)
