"""Per-image values of transmissions, and the rows of results files that they make."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from wzroi.metrics import estimate

COLUMNS = ("images", "psnr", "ssim", "roi_psnr", "accuracy")


class Tally:
    """Per-image values of the transmissions behind one row."""

    def __init__(self) -> None:
        self.values: list[tuple[Tensor, Tensor, Tensor, Tensor, Tensor]] = []

    def tensors(self) -> dict[str, Tensor]:
        """All values so far by column, on the CPU."""
        columns = [torch.cat(column).cpu().contiguous() for column in zip(*self.values, strict=True)]
        return dict(zip(COLUMNS, columns, strict=True))

    def take(self, values: Mapping[str, Tensor]) -> None:
        """Add what ``tensors`` gave."""
        indices, psnr, ssim, regional, correct = (values[column] for column in COLUMNS)
        self.values.append((indices, psnr, ssim, regional, correct))

    def add(self, indices: Tensor, psnr: Tensor, ssim: Tensor, roi_psnr: Tensor | None, correct: Tensor | None) -> None:
        """Values ``[B]`` of the images ``indices``; ``correct`` is 0 or 1, ``None`` where the judge was not asked."""
        unknown = torch.full_like(psnr, torch.nan)
        regional = unknown if roi_psnr is None else roi_psnr
        self.values.append((indices, psnr, ssim, regional, unknown if correct is None else correct.to(psnr.dtype)))

    def row(self, snr_db: float, draws: int) -> dict[str, Any]:
        """The row of the results file; means over images, 95 % half widths, ``None`` where nothing was measured."""
        indices, psnr, ssim, regional, correct = self.tensors().values()
        row: dict[str, Any] = {
            "snr_db": snr_db, "images": len(indices.unique()), "draws": draws, "transmissions": len(indices),
            "accuracy_transmissions": int((~correct.isnan()).sum()),
        }
        columns = {"psnr": psnr, "ssim": ssim, "roi_psnr": regional, "accuracy": correct}
        for name, values in columns.items():
            found = estimate(values, indices)
            row |= {name if name == "accuracy" else f"{name}_mean": found.mean, f"{name}_ci95": found.ci95}
        row["psnr_of_mean_mse"] = -10 * torch.pow(10, -psnr.double() / 10).mean().log10().item()
        return {key: rounded(value) for key, value in row.items()}

    def per_image(self, images: int) -> dict[str, Tensor]:
        """Each image's mean over its draws, half precision ``[images]`` with NaN where nothing was measured."""
        indices, *columns = self.tensors().values()
        found = {}
        for name, values in zip(COLUMNS[1:], columns, strict=True):
            known = ~values.isnan()
            totals = torch.zeros(images, dtype=torch.double).index_add(0, indices[known], values[known].double())
            found[name] = (totals / torch.bincount(indices[known], minlength=images)).half()
        return found


def rounded(value: float | int) -> float | int | None:
    """As results files hold it: six digits, ``None`` for NaN."""
    if isinstance(value, int):
        return value
    return round(value, 6) if value == value else None
