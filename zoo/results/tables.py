"""Metrics, baselines and controls: where tables read them, and their titles."""

from __future__ import annotations

from typing import Literal

from wzroi.metrics import BUILT_IN, METRICS
from wzroi.roi import ROI_ORIGINS

HEADLINE_DB = 5.0
"""The SNR used for training, tables and verdicts."""

TABLE_SNRS = (0.0, 5.0, 9.0)
"""SNRs of the tables and of the controls."""

PAPER_RATES = (32, 16)
Tier = Literal["lite", "paper"]



def column_of(metric: str) -> str:
    """The field of a results file's row that holds a metric's mean."""
    return metric if metric in ("accuracy", "psnr_of_mean_mse") else f"{metric}_mean"


def interval_of(metric: str) -> str:
    """The field that holds the half width of its 95 % interval; some rows lack it."""
    return f"{metric}_ci95"


def axis_title(metric: str) -> str:
    """A metric's title on an axis."""
    return METRICS[metric].axis or METRICS[metric].heading


def added_metrics() -> list[str]:
    """The metrics beyond those that every results file has."""
    return [key for key in METRICS if key not in (*BUILT_IN, "psnr_of_mean_mse", "accuracy")]

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


def roi_titles() -> dict[str, str]:
    """ROI origin of a control -> title in tables: a judge's maps, drawn ones, then oracles."""
    rows = sorted(ROI_ORIGINS.items(), key=lambda item: (item[1].oracle, item[1].cam is None))
    return {origin: row.title for origin, row in rows}


FLEX_CONTROLS = {
    "blind": "crop placement unknown", "no_side": "no side image", "random_side": "another picture's side image",
}
"""Control of a flexible network -> title in tables."""
