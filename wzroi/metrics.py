"""What is measured, per image: PSNR, SSIM, ROI-PSNR; and means with 95 % intervals."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from pytorch_msssim import ssim as gaussian_ssim
from torch import Tensor

PSNR_CAP_DB = 100.0
"""PSNR of an exact copy, in dB: an upper limit on every PSNR."""

SSIM_WINDOW = 11
"""Pixels: SSIM exists from this size on."""

NO_FIGURE = "–"
"""What is shown in place of a figure that does not exist."""


def figure_text(value: float | Tensor | None, digits: int, unit: str = "") -> str:
    """A figure for people, ``–`` where there is none: ``None``, or NaN as ``ssim`` of a tiny image."""
    number = math.nan if value is None else float(value)
    return f"{number:.{digits}f}{unit}" if math.isfinite(number) else NO_FIGURE


def squared_error(reconstruction: Tensor, source: Tensor) -> Tensor:
    """Mean squared error per image, ``[B]``, over RGB values on [0, 1]."""
    if reconstruction.shape != source.shape:
        raise ValueError(f"shapes differ: {tuple(reconstruction.shape)} and {tuple(source.shape)}")
    return (reconstruction.float() - source.float()).square().mean(dim=(1, 2, 3))


def decibels(error: Tensor) -> Tensor:
    """PSNR in dB of a mean squared error on [0, 1], at most ``PSNR_CAP_DB``."""
    return -10 * error.clamp_min(10 ** (-PSNR_CAP_DB / 10)).log10()


def psnr(reconstruction: Tensor, source: Tensor) -> Tensor:
    """PSNR per image in dB, ``[B]``; images ``[B, 3, H, W]`` on [0, 1]."""
    return decibels(squared_error(reconstruction, source))


def ssim(reconstruction: Tensor, source: Tensor) -> Tensor:
    """SSIM per image, ``[B]``: Gaussian 11x11 window, sigma 1.5, data range 1, mean over RGB.

    NaN for images with a side below 11 pixels, which such a window does not fit.
    """
    if min(source.shape[-2:]) < SSIM_WINDOW:
        return torch.full((len(source),), math.nan, dtype=source.dtype, device=source.device)
    return gaussian_ssim(reconstruction.float(), source.float(), data_range=1.0, size_average=False)


def roi_psnr(reconstruction: Tensor, source: Tensor, weight: Tensor) -> Tensor:
    """PSNR per image in dB with the squared error weighted by the ROI map of x, ``[B, 1, H, W]`` >= 0.

    NaN where a map is all zeros, so that there is no region.
    """
    error = (reconstruction.float() - source.float()).square().mean(dim=1, keepdim=True)
    total = weight.sum(dim=(1, 2, 3))
    weighted = (error * weight).sum(dim=(1, 2, 3)) / total.clamp_min(1e-12)
    return torch.where(total > 0, decibels(weighted), torch.full_like(total, math.nan))


class Estimate(NamedTuple):
    """A mean and the half width of its 95 % interval."""

    mean: float
    ci95: float


def estimate(values: Tensor, groups: Tensor | None = None) -> Estimate:
    """Mean of ``values`` ``[n]`` with a 95 % normal interval, ignoring NaNs.

    Args:
        groups: int64 ``[n]``; values of one group (several channel draws of one image) are averaged first, because
            they are not independent.
    """
    values = values.detach().cpu().double().flatten()  # on the CPU: MPS has no double precision
    kept = ~values.isnan()
    values = values[kept]
    if groups is not None:
        _, index = groups.cpu().flatten()[kept].unique(return_inverse=True)
        sums = torch.zeros(int(index.max()) + 1 if len(index) else 0, dtype=torch.double).index_add(0, index, values)
        values = sums / torch.bincount(index)
    count = len(values)
    if count == 0:
        return Estimate(math.nan, math.nan)
    spread = values.std(unbiased=True).item() if count > 1 else math.nan
    return Estimate(values.mean().item(), 1.96 * spread / math.sqrt(count))
