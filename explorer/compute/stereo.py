"""Sending a stereo pair of any size, whole or as tiles, its expected cost, and the disparity between its pictures."""

from __future__ import annotations

import math
import time
from fractions import Fraction
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from explorer.compute.engine import ENGINE
from wzroi import images
from wzroi.architectures import ARCHITECTURES
from wzroi.channel import sample_channel
from wzroi.config import LinkConfig
from wzroi.link import LinkReport, finish, measure, prepare
from wzroi.pairs import Pair
from wzroi.roi import roi_map
from zoo.rates import DEFAULT, symbols_at
from zoo.serving.gallery import shrink

TILE = 32
"""Side of a tile in pixels: what the networks were trained on."""

TILE_BATCH = 64

PROBE = 96
"""Side in pixels of the corner that is sent first to estimate the total time (for a flexible network, which searches
further in a wider picture, a strip)."""

MOST_DISPARITY = 8
"""A point may move by this fraction (one over it) of the width between the cameras."""

WINDOW = 9
"""Side in pixels of the window whose colours are matched."""

MATCHED = 384
"""Wider pairs are reduced to this width in pixels for matching: the search's cost grows with its third power."""


class Cost(NamedTuple):
    """Expected cost of a transmission: seconds (measured on a corner, scaled by area) and bytes (of feature maps)."""

    seconds: float
    size: int


def needed_bytes(config: LinkConfig, height: int, width: int, tiled: bool) -> int:
    """Bytes of sending a picture whole, or in batches of tiles."""
    if not tiled:
        return config.feature_bytes(height, width)
    tiles = math.ceil(height / TILE) * math.ceil(width / TILE)
    return config.feature_bytes(TILE, TILE * min(tiles, TILE_BATCH))


def cost(pair: Pair, model: str, tiled: bool, rate: Fraction = DEFAULT) -> Cost:
    """Time and memory of sending a pair, before it is sent. The caller must hold one of the engine's slots."""
    height, width = pair.source.shape[-2:]
    config = ENGINE.model(model).config
    wide = ARCHITECTURES[config.architecture].searches  # and the search is as wide as the picture
    rows, columns = (TILE, width) if wide else (PROBE, PROBE)
    corner = Pair(pair.source[..., :rows, :columns], pair.side[..., :rows, :columns])
    first = Pair(corner.source[..., :PROBE], corner.side[..., :PROBE])
    transmit_pair(first, model, "awgn", 5.0, 0, tiled, rate)
    start = time.perf_counter()
    transmit_pair(corner, model, "awgn", 5.0, 0, tiled, rate)
    spent = time.perf_counter() - start
    area = height * width / (corner.source.shape[-1] * corner.source.shape[-2])
    return Cost(spent * area, needed_bytes(config, height, width, tiled))


def to_tiles(images: Tensor, side: int = TILE) -> Tensor:
    """A picture ``[1, C, H, W]``, its edges repeated to whole tiles, as ``[n, C, side, side]``, row by row."""
    height, width = images.shape[-2:]
    padded = F.pad(images, (0, -width % side, 0, -height % side), mode="replicate")
    blocks = padded[0].unfold(1, side, side).unfold(2, side, side)
    return blocks.permute(1, 2, 0, 3, 4).reshape(-1, images.shape[1], side, side)


def from_tiles(tiles: Tensor, height: int, width: int) -> Tensor:
    """The inverse of ``to_tiles``: ``[1, C, H, W]``."""
    side = tiles.shape[-1]
    rows, columns = math.ceil(height / side), math.ceil(width / side)
    grid = tiles.reshape(rows, columns, -1, side, side).permute(2, 0, 3, 1, 4)
    return grid.reshape(1, -1, rows * side, columns * side)[..., :height, :width]


def transmit_pair(
    pair: Pair, model: str, channel: str, snr_db: float, seed: int, tiled: bool = False, rate: Fraction = DEFAULT
) -> LinkReport:
    """Send a pair of any size; the ROI map is the side image's. Each tile is sent as an image of mean power one.

    ``rate`` is 1/rho for a flexible network.
    """
    pair = Pair(pair.source, pair.side).to(ENGINE.device)
    generator = torch.Generator().manual_seed(seed)
    if not tiled:
        return _transmit(pair, model, channel, snr_db, generator, rate)
    tiles = Pair(to_tiles(pair.source), to_tiles(pair.side))
    parts = [
        _transmit(Pair(source, side), model, channel, snr_db, generator, rate)
        for source, side in zip(tiles.source.split(TILE_BATCH), tiles.side.split(TILE_BATCH), strict=True)
    ]
    picture = from_tiles(torch.cat([part.reconstruction for part in parts]), *pair.source.shape[-2:])
    sent, received = (torch.cat([getattr(p, name) for p in parts]).reshape(1, -1) for name in ("symbols", "received"))
    return LinkReport(picture, sent, received, *measure(picture, pair, None), None)


def _transmit(
    pair: Pair, model: str, channel: str, snr_db: float, generator: torch.Generator, rate: Fraction
) -> LinkReport:
    network, judge = ENGINE.model(model), ENGINE.judge_of(model)
    roi = roi_map(ENGINE.judge(judge), pair) if judge and network.config.uses_roi else None
    height, width = pair.source.shape[-2:]
    count, symbols = len(pair.source), symbols_at(network, height, width, rate)
    state = sample_channel(channel, snr_db, count, symbols, generator=generator, device=ENGINE.device)
    return finish(network, prepare(network, pair, roi), state)


def disparity(pair: Pair) -> Tensor:
    """Pixels by which the right camera sees each point of the left picture further left, float ``[H, W]``.

    NaN where matching from the right picture disagrees: hidden from one camera, or without texture.
    """
    height, width = pair.source.shape[-2:]
    if width <= MATCHED:
        return matched(pair.source, pair.side)
    size = (max(1, round(height * MATCHED / width)), MATCHED)
    found = matched(shrink(pair.source, *size), shrink(pair.side, *size))
    return F.interpolate(found[None, None], size=(height, width))[0, 0] * (width / MATCHED)


def matched(left: Tensor, right: Tensor) -> Tensor:
    """Block matching of pictures ``[1, 3, H, W]``: the shift with the least absolute difference in a window.

    Shifts from 0 to an eighth of the width are tried; matches must agree within a pixel from both sides.
    """
    height, width = left.shape[-2:]
    costs = torch.full((width // MOST_DISPARITY + 1, height, width), torch.inf)
    for shift in range(len(costs)):
        apart = (left[..., shift:] - right[..., : width - shift]).abs().mean(dim=1, keepdim=True)
        costs[shift, :, shift:] = F.avg_pool2d(apart, WINDOW, 1, WINDOW // 2, count_include_pad=False)[0, 0]
    found = costs.argmin(dim=0)
    of_right = torch.stack([_moved(cost, shift) for shift, cost in enumerate(costs)]).argmin(dim=0)
    back = (torch.arange(width) - found).clamp_min(0)
    agrees = (of_right.gather(1, back) - found).abs() <= 1
    return torch.where(agrees, found.float(), torch.nan)


def _moved(cost: Tensor, shift: int) -> Tensor:
    """The cost of a shift as the right picture's pixels see it."""
    return F.pad(cost[:, shift:], (0, shift), value=torch.inf)


def disparity_map(found: Tensor) -> tuple[images.Pixels, float]:
    """A disparity map coloured by cividis up to its 99th percentile, black where unknown, and that percentile."""
    known = found[~found.isnan()]
    top = max(1.0, float(known.quantile(0.99))) if len(known) else 1.0
    levels = (found.nan_to_num(0) / top).clamp(0, 1).mul(255).round().long().numpy()
    pixels = images.colour_table(images.CIVIDIS)[levels]
    pixels[found.isnan().numpy()] = 0
    return pixels, top
