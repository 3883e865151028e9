"""The pair sources that the flexible network is trained on: what a side image may be when nothing is known of it."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from wzroi.pairs import CropPair

SHARES = {"crop": 0.28, "none": 0.1, "useless": 0.12, "other": 0.08, "moved": 0.17, "disparity": 0.25}
"""Kind -> share of the pictures of a blind batch."""


def blind_sides(source: Tensor, generator: torch.Generator) -> Tensor:
    """A side image for each source ``[B, 3, H, W]``, of a kind drawn from ``SHARES``.

    ``crop`` is the paper's, without telling where it belongs; ``none`` is all zeros; ``useless`` another picture's
    crop, ``other`` another picture's whole; ``moved`` a crop of random size from a random place put elsewhere, noisy
    and recoloured half of the time; ``disparity`` the picture seen by another camera: displaced along rows by a smooth
    field, recoloured, noisy.
    """
    draws = torch.rand(len(source), generator=generator, device=generator.device)
    edges = torch.tensor(list(SHARES.values()), device=draws.device).cumsum(0)[:-1]
    kinds = torch.bucketize(draws, edges).to(source.device)
    crops = CropPair().side_of(source)
    moved, seen = moved_crops(source, generator), disparity(source, generator)
    made = [crops, torch.zeros_like(source), crops.roll(1, 0), seen.roll(1, 0), moved, seen]
    return torch.stack(made)[kinds, torch.arange(len(source), device=source.device)]


def moved_crops(source: Tensor, generator: torch.Generator) -> Tensor:
    """A box of each source, 12 to 32 pixels along each side, moved by up to 14 pixels, zero around it."""
    batch, _, height, width = source.shape
    rows = _moves(height, batch, generator)
    columns = _moves(width, batch, generator)
    moved = torch.zeros_like(source)
    for index in range(batch):
        (start, size, to), (left, across, at) = rows[index], columns[index]
        box = source[index, :, start : start + size, left : left + across]
        moved[index, :, to : to + size, at : at + across] = box
    changed = recoloured(moved, generator) * (moved.amax(1, keepdim=True) > 0)
    clean = torch.rand(batch, 1, 1, 1, generator=generator, device=generator.device).to(source.device) < 0.5
    return torch.where(clean, moved, changed)


def _moves(extent: int, batch: int, generator: torch.Generator) -> list[tuple[int, int, int]]:
    """Start, size and new start of a box along one side, for each picture."""
    draws = torch.rand(batch, 3, generator=generator, device=generator.device).tolist()
    found = []
    for size_draw, start_draw, move_draw in draws:
        size = int(extent * (0.375 + 0.63 * size_draw))
        size = min(size, extent)
        start = int((extent - size + 1) * start_draw)
        low, high = max(0, start - 14), min(extent - size, start + 14)
        found.append((start, size, low + int((high - low + 1) * move_draw)))
    return found


def disparity(source: Tensor, generator: torch.Generator) -> Tensor:
    """Each source seen by another camera: rows displaced by up to about 9 pixels by a smooth field, recoloured."""
    batch, _, height, width = source.shape
    device = source.device

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator, device=generator.device).to(device) * 2 - 1

    base, smooth, lift = 6 * uniform(batch, 1, 1, 1), 3 * uniform(batch, 1, 3, 3), 0.7 * uniform(batch, 1, 1)
    field = (base + F.interpolate(smooth, size=(height, width), mode="bicubic", align_corners=True))[:, 0]
    rows = (torch.arange(height, device=device) + 0.5)[None, :, None] + lift
    columns = (torch.arange(width, device=device) + 0.5)[None, None] + field
    grid = torch.stack([columns / width * 2 - 1, rows.expand_as(columns) / height * 2 - 1], dim=3)
    seen = F.grid_sample(source.contiguous(), grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    inside = (grid.abs() <= 1).all(3)[:, None]
    return recoloured(seen, generator) * inside


def recoloured(image: Tensor, generator: torch.Generator) -> Tensor:
    """Gain 0.85 to 1.15 a channel, offset up to 0.05, noise up to 0.03; clipped to [0, 1]."""
    batch = len(image)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator, device=generator.device).to(image.device)

    gain, offset = 0.85 + 0.3 * uniform(batch, 3, 1, 1), 0.1 * uniform(batch, 1, 1, 1) - 0.05
    noise = torch.randn(image.shape, generator=generator, device=generator.device).to(image.device)
    return (image * gain + offset + 0.03 * uniform(batch, 1, 1, 1) * noise).clamp(0, 1)


def importance_maps(batch: int, size: int, generator: torch.Generator, device: torch.device) -> Tensor:
    """Smooth random maps in [0, 1], ``[B, 1, size, size]``: what a receiver might feed back."""
    coarse = torch.rand(batch, 1, 4, 4, generator=generator, device=generator.device).to(device)
    fine = F.interpolate(coarse, size=(size, size), mode="bicubic", align_corners=True)
    low, high = fine.amin((2, 3), keepdim=True), fine.amax((2, 3), keepdim=True)
    return ((fine - low) / (high - low)).clamp(0, 1)
