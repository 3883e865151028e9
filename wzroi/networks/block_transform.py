"""Pictures as 32x32 windows, and the linear code of a window: transform, power allocation, linear estimate.

The transform starts as the Karhunen-Loeve transform of the training pictures, the gains as the power allocation that
minimises a linear code's squared error (Lee and Petersen, 1976); both are then trained. With ``no_crop`` a window is
coded as it is; with ``known_crop``, the rest of the window minus its linear estimate from the paper's crop (the linear
Wyner-Ziv code).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wzroi.config import FlexConfig
from wzroi.networks.stored_names import keep_stored_names

WINDOW = FlexConfig.WINDOW
VALUES = 3 * WINDOW * WINDOW
COEFFICIENTS = 2 * 32 * FlexConfig.MAX_MAPS
"""Real coefficients of a window at the highest rate (the pilot takes the first)."""

RANK = 192
"""Rank of the linear estimate of a window from its crop."""

STEP = 0.03
"""Transform weights are stored divided by this, so that an optimiser step moves them thirty times less than others."""


def pad_to_windows(image: Tensor) -> Tensor:
    """Repeat the last row and column until height and width are multiples of 32; ``[B, C, H, W]``."""
    height, width = image.shape[-2:]
    return F.pad(image, (0, -width % WINDOW, 0, -height % WINDOW), mode="replicate")


def to_windows(image: Tensor) -> Tensor:
    """``[B, C, H, W]`` to ``[B, windows, C * 32 * 32]``, row by row."""
    batch, channels, height, width = image.shape
    tiles = image.reshape(batch, channels, height // WINDOW, WINDOW, width // WINDOW, WINDOW)
    return tiles.permute(0, 2, 4, 1, 3, 5).reshape(batch, -1, channels * WINDOW * WINDOW)


def from_windows(windows: Tensor, height: int, width: int) -> Tensor:
    """The inverse of ``to_windows`` for pictures of this (padded) size."""
    batch, rows, columns = len(windows), height // WINDOW, width // WINDOW
    tiles = windows.reshape(batch, rows, columns, -1, WINDOW, WINDOW)
    return tiles.permute(0, 3, 1, 4, 2, 5).reshape(batch, -1, height, width)


def box_mask(device: torch.device | str = "cpu") -> Tensor:
    """1 where the receiver already has the source's pixel, ``[1, 1, 32, 32]``."""
    row, column, size = FlexConfig.CROP
    mask = torch.zeros(1, 1, WINDOW, WINDOW, device=device)
    mask[..., row : row + size, column : column + size] = 1
    return mask


def allocate(roots: Tensor, uses: int, power: Tensor, noise: Tensor) -> Tensor:
    """Gains ``[B, n]`` of the first ``uses`` coefficients that minimise the squared error; the rest are zero.

    Args:
        roots: standard deviations ``[n]``, descending. power: available, ``[B]``. noise: variance per real channel use,
            ``[B]``.
    """
    counts = torch.arange(1, uses + 1, device=roots.device)
    kept = roots[:uses]
    levels = (power[:, None] + counts * noise[:, None]) / kept.cumsum(0)
    active = (levels * kept > noise[:, None]).sum(1, keepdim=True).clamp_min(1)
    level = levels.gather(1, active - 1)
    powers = (level * kept - noise[:, None]).clamp_min(0) * (counts <= active)
    return F.pad((powers + 1e-12).sqrt() / kept * (powers > 0), (0, len(roots) - uses))


class WindowTransform(nn.Module):
    """The linear transform of a window, without or with a known crop; 3072 values to 768 - 1 coefficients and back."""

    no_crop_roots: Tensor
    known_crop_roots: Tensor
    crop_mask: Tensor

    def __init__(self) -> None:
        super().__init__()
        count = COEFFICIENTS - 1
        self.mean = nn.Parameter(torch.full((VALUES,), 0.5))
        self.no_crop_basis = nn.Parameter(torch.randn(VALUES, count))
        self.known_crop_basis = nn.Parameter(torch.randn(VALUES, count))
        self.estimate_in = nn.Parameter(torch.randn(VALUES, RANK))
        self.estimate_out = nn.Parameter(torch.zeros(RANK, VALUES))
        self.register_buffer("no_crop_roots", torch.linspace(2, 0.1, count))
        self.register_buffer("known_crop_roots", torch.linspace(2, 0.1, count))
        self.register_buffer("crop_mask", box_mask().expand(1, 3, -1, -1).reshape(VALUES).clone(), persistent=False)
        keep_stored_names(self, {
            "no_crop_basis": "open_basis", "no_crop_roots": "open_roots",
            "known_crop_basis": "held_basis", "known_crop_roots": "held_roots",
        })  # fmt: skip

    def roots(self, known_crop: bool) -> Tensor:
        """Standard deviation of each coefficient over the training pictures, descending, ``[767]``."""
        return self.known_crop_roots if known_crop else self.no_crop_roots

    def analyse(self, windows: Tensor, known_crop: bool) -> Tensor:
        """Windows ``[..., 3072]`` to coefficients of unit variance ``[..., 767]``."""
        basis = self.known_crop_basis if known_crop else self.no_crop_basis
        return (windows - self.mean) @ basis * (STEP / self.roots(known_crop))

    def synthesise(self, coefficients: Tensor, known_crop: bool) -> Tensor:
        """The window minus its mean from coefficients of unit variance: ``[..., 3072]``; zero inside a known crop."""
        basis = self.known_crop_basis if known_crop else self.no_crop_basis
        values = (coefficients * (self.roots(known_crop) * STEP)) @ basis.T
        return values * (1 - self.crop_mask) if known_crop else values

    def complete(self, known: Tensor) -> Tensor:
        """The linear estimate of the rest from the crop's values minus their mean, zero elsewhere; ``[..., 3072]``."""
        estimate = (known * self.crop_mask) @ self.estimate_in * STEP**2 @ self.estimate_out
        return estimate * (1 - self.crop_mask)
