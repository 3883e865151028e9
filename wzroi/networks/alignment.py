"""Finding where the side image belongs: correlation of a draft of the source with the side image.

For every 4x4 token of the draft and every displacement, it computes the log-likelihood ratio of the side image against
an outlier of known variance. These are summed over the token's neighbours and over its whole window (a crop or a camera
shift moves everything alike), and the best displacements are averaged by their posterior.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wzroi.networks.block_transform import WINDOW

TOKEN = 4
TOKENS = WINDOW // TOKEN
BEST = 4
"""Number of displacements that are averaged."""

NEAR, FAR = 16, 96
"""Largest displacement in pixels that is searched in a small picture, and in a large one."""

OUTLIER = 0.015
"""Squared difference between unrelated values."""

EXCESS = 0.6
"""The same, in units of the draft's squared error: below that much a displacement counts as a match.

Both were chosen on validation pictures, after training with 0.02 and 2, so that another picture's crop costs less than
0.2 dB at every rate; the price is part of the gain from a crop at an unknown place at the lowest rates.
"""

TYPICAL = 0.01
"""Squared error of a draft at which the prior for "nowhere" is its first parameter: 20 dB."""

MATCHED = 80_000
"""Displacements, over all windows, that are matched at once in a large picture: about 20 MB per token row."""


def valid_pixels(side: Tensor) -> Tensor:
    """1 where the side image has content, ``[B, 1, H, W]``; black pixels count if content surrounds them."""
    lit = (side.amax(1, keepdim=True) > 0).to(side.dtype)
    grown = F.max_pool2d(lit, 3, stride=1, padding=1)
    return -F.max_pool2d(-grown, 3, stride=1, padding=1)


class Reach(NamedTuple):
    """Largest displacement in pixels that is searched, vertically and horizontally."""

    rows: int
    columns: int

    @classmethod
    def of(cls, height: int, width: int) -> Reach:
        """16 pixels; in a large picture, an eighth of its width but only 8 rows, as its cameras are side by side."""
        return cls(NEAR, NEAR) if width <= 4 * WINDOW else cls(NEAR // 2, min(max(NEAR, width // 8), FAR))

    @property
    def grid(self) -> tuple[int, int]:
        """Displacements along each axis."""
        return 2 * self.rows + 1, 2 * self.columns + 1


def regions(image: Tensor, reach: Reach) -> Tensor:
    """Each window with a margin of ``reach``, zero beyond the picture, ``[B * windows, C, rows, columns]``."""
    size = (WINDOW + 2 * reach.rows, WINDOW + 2 * reach.columns)
    padded = F.pad(image, (reach.columns, reach.columns, reach.rows, reach.rows))
    patches = F.unfold(padded, size, stride=WINDOW)
    return patches.transpose(1, 2).reshape(-1, image.shape[1], *size)


def split(image: Tensor) -> Tensor:
    """Windows of a picture: ``[B * windows, C, 32, 32]``."""
    return regions(image, Reach(0, 0))


class Alignment(nn.Module):
    """Draft and side image to the registered side image and its confidence.

    Only three things are learned: the scales of the evidence from a token's neighbourhood and from its window, and the
    prior for "not in the side image", which depends on the draft's error.
    """

    def __init__(self) -> None:
        super().__init__()
        self.near = nn.Parameter(torch.tensor(0.5))
        self.wide = nn.Parameter(torch.tensor(0.5))
        self.nowhere = nn.Parameter(torch.tensor([4.0, 0.0]))

    def forward(self, draft: Tensor, side: Tensor, variance: Tensor) -> tuple[Tensor, Tensor]:
        """Registered side image ``[B, 3, H, W]`` and confidence ``[B, 1, H, W]`` in [0, 1].

        Args:
            draft, side: ``[B, 3, H, W]``, H and W multiples of 32. variance: of the draft's error per value, ``[B]``.
        """
        batch, _, height, width = draft.shape
        reach = Reach.of(height, width)
        tokens, around, held = split(draft), regions(side, reach), regions(valid_pixels(side), reach)
        windows = len(tokens) // batch
        spread = variance.repeat_interleave(windows)
        chunks = torch.arange(len(tokens), device=tokens.device).split(self._chunk(batch, reach))
        blended = torch.cat([self._found(tokens[c], around[c], held[c], spread[c], reach) for c in chunks])
        image = self._joined(blended, windows, batch, height, width)
        registered, confidence = image[:, :3], image[:, 3:].clamp(0, 1)
        return registered / confidence.clamp_min(0.02), confidence

    @staticmethod
    def _chunk(batch: int, reach: Reach) -> int:
        """Windows per chunk: a batch of single windows at once, a large picture in chunks that bound the memory."""
        return max(batch, MATCHED // math.prod(reach.grid))

    def _found(self, tokens: Tensor, around: Tensor, held: Tensor, spread: Tensor, reach: Reach) -> Tensor:
        """Each token's best matches, averaged by their posterior, and their probability: ``[n, 64, 4 * 16]``."""
        with torch.no_grad():
            near, wide = self._pooled(self._evidence(tokens, around, held, spread, reach))
            chosen = (self.near * near + self.wide * wide).flatten(2).topk(BEST, dim=2).indices
        near_best, wide_best = near.flatten(2).gather(2, chosen), wide.flatten(2).expand(-1, 64, -1).gather(2, chosen)
        nowhere = self.nowhere[0] + self.nowhere[1] * (spread.clamp_min(1e-4) / TYPICAL).log()[:, None, None]
        logits = self.near * near_best + self.wide * wide_best - nowhere
        trust = torch.cat([logits, torch.zeros_like(logits[..., :1])], dim=2).float().softmax(2)[..., :BEST]
        patches = self._patches(torch.cat([around * held, held], 1), chosen, reach)
        return (trust[..., None].to(patches.dtype) * patches).sum(2)

    @staticmethod
    def _evidence(tokens: Tensor, around: Tensor, held: Tensor, spread: Tensor, reach: Reach) -> Tensor:
        """``[n, 64, rows, columns]``: the squared error saved by each displacement, over the draft's variance."""
        n, (down, across) = len(tokens), reach.grid
        patch = F.unfold(tokens, TOKEN, stride=TOKEN)  # [n, 48, 64]
        energy = patch.unflatten(1, (3, -1)).square().sum(1)  # [n, 16, 64]
        kernels = torch.cat([patch * 2, -energy], dim=1)  # 2 x s - x^2
        places = F.unfold(torch.cat([around * held, held], dim=1), TOKEN)  # [n, 64, P]
        match = kernels.transpose(1, 2) @ places  # [n, 64, P]
        outlier = OUTLIER + EXCESS * spread[:, None, None, None]
        fixed = 3 * outlier * held - (around * held).square().sum(1, keepdim=True)
        fixed = F.avg_pool2d(fixed, TOKEN, stride=1) * TOKEN**2
        match = match.reshape(n, 64, *fixed.shape[2:]) + fixed
        grid = match.unflatten(1, (TOKENS, TOKENS))
        rows = [[grid[:, i, j, TOKEN * i : TOKEN * i + down, TOKEN * j : TOKEN * j + across]
                 for j in range(TOKENS)] for i in range(TOKENS)]  # fmt: skip
        moved = torch.stack([torch.stack(row, 1) for row in rows], 1).flatten(1, 2)
        return moved / (2 * (spread[:, None, None, None] + 1e-4))

    @staticmethod
    def _pooled(evidence: Tensor) -> tuple[Tensor, Tensor]:
        """Evidence of each token's 3x3 neighbourhood ``[n, 64, ...]`` and of its window ``[n, 1, ...]``."""
        n, _, *grid = evidence.shape
        flat = evidence.reshape(n, TOKENS, TOKENS, -1).permute(0, 3, 1, 2)
        near = F.avg_pool2d(flat, 3, stride=1, padding=1) * 9
        return near.permute(0, 2, 3, 1).reshape(n, TOKENS * TOKENS, *grid), evidence.sum(1, keepdim=True)

    @staticmethod
    def _patches(around: Tensor, chosen: Tensor, reach: Reach) -> Tensor:
        """The side image's tokens at the chosen displacements, ``[n, 64, BEST, C * 16]``."""
        channels, line, width = around.shape[1], around.shape[3] - TOKEN + 1, reach.grid[1]
        places = F.unfold(around, TOKEN)
        index = torch.arange(TOKENS * TOKENS, device=around.device)
        base = (index // TOKENS * TOKEN * line + index % TOKENS * TOKEN)[None, :, None]
        place = base + chosen // width * line + chosen % width
        flat = places.gather(2, place.flatten(1)[:, None].expand(-1, channels * TOKEN**2, -1))
        return flat.unflatten(2, (TOKENS * TOKENS, -1)).permute(0, 2, 3, 1)

    @staticmethod
    def _joined(tokens: Tensor, windows: int, batch: int, height: int, width: int) -> Tensor:
        """Tokens ``[n, 64, C * 16]`` to pictures ``[B, C, H, W]``."""
        tiles = F.fold(tokens.transpose(1, 2), WINDOW, TOKEN, stride=TOKEN)  # [n, C, 32, 32]
        channels = tiles.shape[1]
        stacked = tiles.reshape(batch, windows, -1).transpose(1, 2)
        return F.fold(stacked, (height, width), WINDOW, stride=WINDOW).reshape(batch, channels, height, width)
