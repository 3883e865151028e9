"""The refiner of the flexible network: window attention on 4x4 tokens of draft, registered side image and ROI map."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wzroi.networks.layers import start_as_zero
from wzroi.networks.stored_names import keep_stored_names

HEAD = 32
"""Channels of an attention head."""

SPAN = 8
"""Tokens per side of an attention window: 32 pixels, the size of the training pictures."""

PLANES = 8
"""Draft 3, registered side 3, confidence, ROI map."""


class Block(nn.Module):
    """Attention within 8x8 tokens, a gated perceptron, and a 3x3 depthwise convolution across the windows' borders.

    Every part is modulated by the condition and initialised to zero (adaptive layer normalisation, Peebles and Xie,
    2023).
    Shape: tokens ``[B, H/4, W/4, D]`` to the same.
    """

    def __init__(self, width: int, condition: int) -> None:
        super().__init__()
        self.local = nn.Conv2d(width, width, 3, padding=1, groups=width)
        start_as_zero(self.local)
        self.norm1, self.norm2 = nn.RMSNorm(width), nn.RMSNorm(width)
        self.queries = nn.Linear(width, 3 * width)
        self.join = nn.Linear(width, width)
        self.rise = nn.Linear(width, 4 * width)
        self.fall = nn.Linear(2 * width, width)
        self.modulate = nn.Linear(condition, 6 * width)
        start_as_zero(self.modulate)
        with torch.no_grad():
            self.modulate.bias.view(6, width)[2].fill_(0.1)
            self.modulate.bias.view(6, width)[5].fill_(0.1)

    def forward(self, tokens: Tensor, condition: Tensor) -> Tensor:
        tokens = tokens + self.local(tokens.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        scale1, shift1, gate1, scale2, shift2, gate2 = self.modulate(condition)[:, None, None].chunk(6, dim=3)
        tokens = tokens + gate1 * self._attend(self.norm1(tokens) * (1 + scale1) + shift1)
        value, gate = self.rise(self.norm2(tokens) * (1 + scale2) + shift2).chunk(2, dim=3)
        return tokens + gate2 * self.fall(value * F.silu(gate))

    def _attend(self, tokens: Tensor) -> Tensor:
        batch, rows, columns, width = tokens.shape
        tiles = tokens.reshape(batch, rows // SPAN, SPAN, columns // SPAN, SPAN, width)
        tiles = tiles.transpose(2, 3).reshape(-1, SPAN * SPAN, width)
        heads = self.queries(tiles).unflatten(2, (3, width // HEAD, HEAD)).permute(2, 0, 3, 1, 4)
        queries, keys, values = heads.unbind(0)
        # Written out because the fused operator's backward pass is several times slower for 64 tokens on a CPU.
        weights = (queries @ keys.transpose(2, 3) * HEAD**-0.5).softmax(3)
        mixed = (weights.to(values.dtype) @ values).transpose(1, 2).flatten(2)
        mixed = self.join(mixed).reshape(batch, rows // SPAN, columns // SPAN, SPAN, SPAN, width)
        return mixed.transpose(2, 3).reshape(batch, rows, columns, width)


class Refiner(nn.Module):
    """Refines a draft: copies the registered side image where it is confident, adds a correction elsewhere.

    Args:
        width: of the tokens. depth: number of blocks. condition: width of the condition.
        with_residual: whether it also takes the residual between the received symbols and those of the draft.
    """

    def __init__(self, width: int, depth: int, condition: int, *, with_residual: bool) -> None:
        super().__init__()
        planes = PLANES + 3 * with_residual
        self.enter = nn.Conv2d(planes, width, 8, stride=4, padding=2)
        self.place = nn.Parameter(torch.zeros(1, SPAN, SPAN, width))
        self.blocks = nn.ModuleList(Block(width, condition) for _ in range(depth))
        self.norm = nn.RMSNorm(width)
        self.leave = nn.ConvTranspose2d(width, 4, 8, stride=4, padding=2)
        self.fine = nn.Sequential(
            nn.Conv2d(planes + 4, 24, 3, padding=1), nn.GELU(), nn.Conv2d(24, 3, 3, padding=1)
        )
        self.residual_gain = nn.Linear(condition, 1) if with_residual else None
        for last in (self.leave, self.fine[2], self.residual_gain):
            if last is not None:
                start_as_zero(last)
        keep_stored_names(self, {"residual_gain": "pull"})

    def forward(
        self, draft: Tensor, registered: Tensor, confidence: Tensor, roi: Tensor, condition: Tensor,
        residual: Tensor | None = None,
    ) -> Tensor:  # fmt: skip
        """The refined pictures ``[B, 3, H, W]``, roughly in [0, 1] but not clipped; H and W multiples of 32.

        Args:
            residual: ``[B, 3, H, W]``, the residual of the received symbols against the draft, as a picture.
            condition: ``[B, 64]``.
        """
        difference = (registered - draft) * confidence
        extra = [] if residual is None else [8 * residual]
        planes = torch.cat([4 * draft - 2, 4 * difference, confidence, roi, *extra], dim=1)
        tokens = self.enter(planes).permute(0, 2, 3, 1)
        tokens = tokens + self.place.repeat(1, tokens.shape[1] // SPAN, tokens.shape[2] // SPAN, 1)
        for block in self.blocks:
            tokens = block(tokens, condition)
        coarse = self.leave(self.norm(tokens).permute(0, 3, 1, 2))
        gate = torch.sigmoid(coarse[:, 3:].float() + confidence.float().clamp(3e-4, 1 - 3e-4).logit())
        change = coarse[:, :3] + self.fine(torch.cat([planes, coarse], dim=1))
        change = 0.3 * change
        if self.residual_gain is not None and residual is not None:
            change = change + self.residual_gain(condition)[:, :, None, None] * residual
        return draft + gate * (registered - draft) + (1 - gate) * change
