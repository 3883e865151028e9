"""Gaussian statistics of the training images, and rate-distortion bounds at channel capacity.

An image ``x`` is split into ``v``, the crop that the receiver has, and ``u``, the rest (``CropPair``). The bounds are
those of a Gaussian source with the training covariance: real pictures are not Gaussian, so a good code may pass them.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from wzroi.data import as_float
from wzroi.pairs import CropPair


class Statistics(NamedTuple):
    """``mean`` ``[n]`` and ``covariance`` ``[n, n]`` of flattened images, double; ``shape`` is (3, H, W)."""

    mean: Tensor
    covariance: Tensor
    shape: tuple[int, int, int]


def statistics_of(pixels: Tensor, chunk: int = 5000) -> Statistics:
    """Mean and covariance of uint8 images ``[m, 3, H, W]`` on [0, 1]."""
    size = pixels[0].numel()
    total, products = torch.zeros(size, dtype=torch.double), torch.zeros(size, size, dtype=torch.double)
    for part in pixels.split(chunk):
        values = as_float(part).flatten(1) - 0.5  # centred roughly, so that single precision is enough
        total += values.sum(0, dtype=torch.double)
        products += (values.T @ values).double()
    mean = total / len(pixels)
    covariance = products / len(pixels) - mean[:, None] * mean
    channels, height, width = pixels.shape[1:]
    return Statistics(mean + 0.5, covariance, (channels, height, width))


def crop_values(shape: tuple[int, int, int], source: CropPair) -> Tensor:
    """Which of the flattened values the receiver has, bool ``[n]``."""
    row, column, rows, columns = source.box(shape[1], shape[2])
    held = torch.zeros(shape, dtype=torch.bool)
    held[:, row : row + rows, column : column + columns] = True
    return held.flatten()


class Conditional(NamedTuple):
    """``u`` given ``v``, Gaussian: ``E[u|v] = mean_u + regression (v - mean_v)``, and the covariance of the rest."""

    regression: Tensor
    covariance: Tensor


def conditional(statistics: Statistics, held: Tensor, ridge: float = 1e-6) -> Conditional:
    """Linear regression of the values not held on those held; ``ridge`` is a share of the mean variance."""
    covariance = statistics.covariance
    known = covariance[held][:, held]
    known = known + ridge * known.diagonal().mean() * torch.eye(len(known), dtype=torch.double)
    cross = covariance[~held][:, held]
    regression = torch.linalg.solve(known, cross.T).T
    return Conditional(regression, covariance[~held][:, ~held] - regression @ cross.T)


def reverse_water_filling(eigenvalues: Tensor, bits: float) -> Tensor:
    """Distortion of each component of a Gaussian source coded with ``bits`` in all (Cover and Thomas, theorem 10.3.3).

    Args:
        eigenvalues: variances ``[n]``, not negative. Returns ``min(eigenvalue, level)``, ``[n]``.
    """
    low, high = 0.0, eigenvalues.max().item()
    for _ in range(200):
        level = (low + high) / 2
        needed = 0.5 * (eigenvalues / max(level, 1e-300)).log2().clamp_min(0).sum().item()
        low, high = (level, high) if needed > bits else (low, level)
    return eigenvalues.clamp_max(high)


def capacity_bits(symbols: int, snr_db: float) -> float:
    """Bits that ``symbols`` complex uses of an AWGN channel carry at capacity."""
    return symbols * math.log2(1 + 10 ** (snr_db / 10))


def allocate(eigenvalues: Tensor, power: float, noise: float) -> Tensor:
    """Power of each coefficient, ``[n]``, that minimises the linear scheme's squared error (Lee and Petersen, 1976).

    Each coefficient is sent alone over a real use with noise variance ``noise``; what remains is
    ``eigenvalue * noise / (noise + power_i)``. The powers sum to ``power``; weak coefficients get none.
    """
    roots = eigenvalues.clamp_min(0).sqrt()
    order = roots.argsort(descending=True)
    sorted_roots = roots[order]
    counts = torch.arange(1, len(roots) + 1, dtype=torch.double)
    levels = (power + counts * noise) / sorted_roots.cumsum(0).clamp_min(1e-300)
    active = int((levels * sorted_roots > noise).sum())
    powers = torch.zeros_like(roots)
    powers[order[:active]] = levels[active - 1] * sorted_roots[:active] - noise
    return powers


class Spectrum(NamedTuple):
    """Eigenvalues, descending, ``[n]`` and eigenvectors in columns ``[n, n]`` of a covariance."""

    values: Tensor
    vectors: Tensor

    @classmethod
    def of(cls, covariance: Tensor) -> Spectrum:
        """Decompose a symmetric matrix; negative rounding errors are clipped."""
        values, vectors = torch.linalg.eigh(covariance)
        return cls(values.flip(0).clamp_min(0), vectors.flip(1))


class Gaussian:
    """Statistics of a training split with their eigenvectors: source of bounds and schemes for any rate and SNR."""

    def __init__(self, pixels: Tensor, source: CropPair | None = None) -> None:
        self.source = source or CropPair()
        self.statistics = statistics_of(pixels)
        self.held = crop_values(self.statistics.shape, self.source)
        self.given = conditional(self.statistics, self.held)
        covariance = self.statistics.covariance
        self.whole = Spectrum.of(covariance)
        self.unheld = torch.linalg.eigvalsh(covariance[~self.held][:, ~self.held]).clamp_min(0)
        self.unknown = Spectrum.of(self.given.covariance)
        self.training = pixels[:5000]

    @property
    def size(self) -> int:
        """Source values per image."""
        return len(self.held)

    def symbols(self, rate: int) -> int:
        """Complex channel uses per image at ``rho = 1/rate``."""
        return self.size // rate

    def bounds(self, rate: int, snr_db: float) -> dict[str, float]:
        """PSNR of the mean squared error, dB, of an ideal code for a Gaussian source at channel capacity.

        ``none`` knows no side information; ``paste`` is that with the crop copied back; ``unsent`` codes the rest
        without using the crop; ``conditional`` codes the rest given the crop, which Wyner and Ziv (1976) showed
        costs nothing more if only the receiver has it.
        """
        bits = capacity_bits(self.symbols(rate), snr_db)
        whole = reverse_water_filling(self.whole.values, bits)
        outside = (self.whole.vectors[~self.held].square() @ whole).sum()
        errors = {
            "none": whole.sum(), "paste": outside, "unsent": reverse_water_filling(self.unheld, bits).sum(),
            "conditional": reverse_water_filling(self.unknown.values, bits).sum(),
        }
        return {name: -10 * math.log10(error.item() / self.size) for name, error in errors.items()}
