"""Metrics, baselines and controls: where tables read them, and their titles."""

from __future__ import annotations

from typing import Literal, NamedTuple

HEADLINE_DB = 5.0
"""The SNR used for training, tables and verdicts."""

TABLE_SNRS = (0.0, 5.0, 9.0)
"""SNRs of the tables and of the controls."""

PAPER_RATES = (32, 16)
Tier = Literal["lite", "paper"]


class Metric(NamedTuple):
    """``column`` and ``interval`` are a row's fields; ``text`` is the axis title, ``digits`` those of tables."""

    column: str
    interval: str
    text: str
    digits: int
    scale: float = 1.0


METRICS = {
    "psnr": Metric("psnr_mean", "psnr_ci95", "PSNR, dB (mean over images)", 2),
    "psnr_of_mean_mse": Metric("psnr_of_mean_mse", "", "PSNR of the mean squared error, dB", 2),
    "ssim": Metric("ssim_mean", "ssim_ci95", "SSIM", 3),
    "roi_psnr": Metric("roi_psnr_mean", "roi_psnr_ci95", "ROI-PSNR, dB", 2),
    "accuracy": Metric("accuracy", "accuracy_ci95", "Accuracy, %", 1, 100.0),
}
"""Metric -> its columns and title."""

BASELINES = {
    "linear": "baseline: linear analog, no side information", "linear_wz": "baseline: linear analog, Wyner-Ziv",
    "linear_wz_average_power": "baseline: linear analog, Wyner-Ziv, power one on average only",
    "link": "baseline: best codec over 5G LDPC", "link_paste": "baseline: best codec over 5G LDPC + paste",
    "link_unsent": "baseline: AVIF over 5G LDPC, crop never sent",
    "avif_mosaic": "ideal: AVIF at capacity, header-free", "avif_mosaic_paste": "ideal: AVIF at capacity + paste",
    "avif_mosaic_unsent": "ideal: AVIF at capacity, crop never sent",
    "webp_mosaic": "ideal: WebP at capacity, header-free", "webp_mosaic_paste": "ideal: WebP at capacity + paste",
    "jpeg2000_mosaic": "ideal: JPEG 2000 at capacity, header-free",
    "jpeg2000_mosaic_paste": "ideal: JPEG 2000 at capacity + paste",
}
"""Scheme of ``zoo.results.files.scheme`` -> title in tables."""

BOUNDS = {
    "none": "no side information", "paste": "no side information, + paste", "unsent": "crop never sent",
    "conditional": "Wyner-Ziv",
}
"""Kind of ``zoo.results.files.bounds`` -> title in tables."""

ROI_MAPS = {
    "side": "the receiver's own map", "shuffled": "another picture's map", "zeros": "all zeros",
    "normal": "normal numbers",
    "source": "oracle: map of x", "source+label": "oracle: map of x, true class",
}
"""ROI origin of a control -> title in tables."""

FLEX_CONTROLS = {
    "blind": "crop placement unknown", "no_side": "no side image", "random_side": "another picture's side image",
}
"""Control of a flexible network -> title in tables."""
