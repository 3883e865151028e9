"""Per-image values of transmissions, and the rows of results files that they make."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from wzroi.link import LinkReport
from wzroi.metrics import estimate, per_image
from zoo.results.tables import column_of, interval_of


def columns() -> list[str]:
    """What is kept of each transmission: the image's index, every metric per image, whether the class was right."""
    return ["images", *per_image(), "accuracy"]


class Tally:
    """Per-image values of the transmissions behind one row."""

    def __init__(self) -> None:
        self.values: list[Mapping[str, Tensor]] = []

    def tensors(self) -> dict[str, Tensor]:
        """All values so far by column, on the CPU."""
        unknown = [torch.full(part["images"].shape, torch.nan) for part in self.values]
        return {
            key: torch.cat([part.get(key, none).cpu() for part, none in zip(self.values, unknown, strict=True)])
            for key in columns()
        }

    def take(self, values: Mapping[str, Tensor]) -> None:
        """Add what ``tensors`` gave."""
        self.values.append(dict(values))

    def add(self, indices: Tensor, measured: Mapping[str, Tensor | None], correct: Tensor | None) -> None:
        """Add values ``[B]`` of the images ``indices``.

        Args:
            measured: metric -> values; ``None`` or absent where there are none.
            correct: whether the judge was right; ``None`` where it was not asked.
        """
        known = {key: values for key, values in measured.items() if values is not None}
        if correct is not None:
            known["accuracy"] = correct.float()
        self.values.append({"images": indices, **known})

    def row(self, snr_db: float, draws: int) -> dict[str, Any]:
        """The row of the results file; means over images, 95 % half widths, ``None`` where nothing was measured."""
        found = self.tensors()
        indices = found.pop("images")
        row: dict[str, Any] = {
            "snr_db": snr_db, "images": len(indices.unique()), "draws": draws, "transmissions": len(indices),
            "accuracy_transmissions": int((~found["accuracy"].isnan()).sum()),
        }
        for name, values in found.items():
            mean = estimate(values, indices)
            row |= {column_of(name): mean.mean, interval_of(name): mean.ci95}
        row["psnr_of_mean_mse"] = -10 * torch.pow(10, -found["psnr"].double() / 10).mean().log10().item()
        return {key: rounded(value) for key, value in row.items()}

    def per_image(self, images: int) -> dict[str, Tensor]:
        """Each image's mean over its draws, half precision ``[images]`` with NaN where nothing was measured."""
        values = self.tensors()
        indices, found = values.pop("images"), {}
        for name, column in values.items():
            known = ~column.isnan()
            totals = torch.zeros(images, dtype=torch.double).index_add(0, indices[known], column[known].double())
            found[name] = (totals / torch.bincount(indices[known], minlength=images)).half()
        return found


def measured(report: LinkReport) -> dict[str, Tensor | None]:
    """A report's values by metric."""
    return {key: report.metric(key) for key in per_image()}


def rounded(value: float | int) -> float | int | None:
    """As results files hold it: six digits, ``None`` for NaN."""
    if isinstance(value, int):
        return value
    return round(value, 6) if value == value else None
