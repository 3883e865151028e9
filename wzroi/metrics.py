"""What is measured, per image: PSNR, SSIM, ROI-PSNR; and means with 95 % intervals."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Metric:
    """A row of ``METRICS``.

    Attributes:
        title: in headings. unit: of what is shown, the value times ``scale``. digits: of what is shown.
        function: ``(reconstruction, source)``, ``[B, 3, H, W]`` on [0, 1], to one value per image, ``[B]``; with
            ``weighted`` also the ROI map of x as a weight. ``None``: it is computed from other values.
        higher_is_better: which way is better.
        axis: an axis title other than title and unit.
    """

    title: str
    unit: str
    digits: int
    function: Callable[..., Tensor] | None = None
    higher_is_better: bool = True
    weighted: bool = False
    scale: float = 1.0
    axis: str = ""

    @property
    def heading(self) -> str:
        """Title and unit: ``PSNR, dB``."""
        return f"{self.title}, {self.unit}" if self.unit else self.title

    def to_text(self, value: float | None) -> str:
        """A value with its unit: ``23.41 dB``; a dash where there is none."""
        scaled = None if value is None else value * self.scale
        return figure_text(scaled, self.digits, f" {self.unit}" * bool(self.unit))


METRICS: dict[str, Metric] = {
    "psnr": Metric("PSNR", "dB", 2, psnr, axis="PSNR, dB (mean over images)"),
    "psnr_of_mean_mse": Metric("PSNR of mean MSE", "dB", 2, axis="PSNR of the mean squared error, dB"),
    "ssim": Metric("SSIM", "", 3, ssim),
    "roi_psnr": Metric("ROI-PSNR", "dB", 2, roi_psnr, weighted=True),
    "accuracy": Metric("Accuracy", "%", 1, scale=100.0),
}
"""Metric -> row, which evaluation, result tables, cards and pages read. To add a metric, assign a row."""

BUILT_IN = ("psnr", "ssim", "roi_psnr")
"""The metrics that a ``LinkReport`` has as fields; those of other rows are in its ``more``."""


def per_image() -> list[str]:
    """The metrics that have a function: one value per image."""
    return [key for key, metric in METRICS.items() if metric.function is not None]


def more_metrics(reconstruction: Tensor, source: Tensor, weight: Tensor | None) -> dict[str, Tensor]:
    """The values ``[B]`` of every row beyond ``BUILT_IN``; a weighted one only with a weight ``[B, 1, H, W]``."""
    found = {}
    for key in per_image():
        metric = METRICS[key]
        if key in BUILT_IN or metric.function is None or (metric.weighted and weight is None):
            continue
        found[key] = metric.function(reconstruction, source, *([weight] if metric.weighted else []))
        if found[key].shape != (len(source),):
            shape = list(found[key].shape)
            raise ValueError(f"metric {key} must give one value per image, [{len(source)}], not {shape}")
    return found


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
