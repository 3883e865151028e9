"""An ROI map painted by hand: a coarse grid of four strengths, encoded as an origin ``painted:<digits>``."""

from __future__ import annotations

import torch
from torch import Tensor

from wzroi.roi import upscale
from zoo.serving.request import RequestError

SIDE = 8
"""Cells per side: as coarse as the lite judge's Grad-CAM at 32x32."""

LEVELS = 3
"""The strongest digit; it stands for 1."""

PREFIX = "painted:"
NOTHING = "0" * SIDE * SIDE


def is_painted(origin: str) -> bool:
    """Whether an ROI origin is a painted map."""
    return origin.startswith(PREFIX)


def check(digits: str) -> str:
    """The digits of a grid, row by row; raises RequestError with the expected format."""
    if len(digits) != SIDE * SIDE or not set(digits) <= set("0123"):
        raise RequestError(
            f"a painted map is {SIDE * SIDE} digits from 0 to {LEVELS}, row by row of a {SIDE}x{SIDE} grid, "
            f"not {digits[:20]!r}"
        )
    return digits


def painted_map(origin: str, size: tuple[int, int]) -> Tensor:
    """The map M ``[1, 1, H, W]`` in [0, 1] of ``painted:<digits>``, bilinear as a Grad-CAM is (eqs. 6 and 7)."""
    digits = check(origin.removeprefix(PREFIX))
    grid = torch.tensor([int(digit) for digit in digits], dtype=torch.float32) / LEVELS
    return upscale(grid.reshape(1, 1, SIDE, SIDE), size).clamp(0, 1)


def as_painted(roi: Tensor) -> str:
    """The digits closest to a map M ``[1, H, W]``, as a starting point for painting."""
    coarse = torch.nn.functional.adaptive_avg_pool2d(roi[None].float().clamp(0, 1), SIDE)
    return "".join(str(int(level)) for level in (coarse.flatten() * LEVELS).round())
