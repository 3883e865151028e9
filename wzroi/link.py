"""``run_link``: the one path from a pair to pictures and numbers, used by app, evaluation and tests alike.

``prepare`` computes what does not depend on the channel (symbols, side context, the judge's weights for ROI-PSNR),
``finish`` sends and decodes; ``run_link`` does both. A sweep over SNR prepares once and finishes once per SNR.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from wzroi.channel import ChannelState, apply_channel
from wzroi.judge import Judge
from wzroi.metrics import psnr, roi_psnr, ssim
from wzroi.networks.base import LinkNetwork
from wzroi.pairs import Pair
from wzroi.roi import gradcam, upscale


class Transmission(NamedTuple):
    """Everything that can be computed before the channel is known.

    ``sent``: what the network's ``encode`` returned; ``context``: its ``encode_side``; ROI-PSNR weights.
    """

    pair: Pair
    sent: Tensor
    context: Any
    weight: Tensor | None


class LinkReport(NamedTuple):
    """The result of one pass through the link.

    Attributes:
        reconstruction: ``[B, 3, H, W]`` in [0, 1].
        symbols, received: complex ``[B, K]``, sent (mean power one) and received (equalised).
        psnr: dB ``[B]``. ssim: ``[B]``.
        roi_psnr: dB ``[B]``, error weighted by the Grad-CAM of x (top class); ``None`` without a judge.
        logits: ``[B, 10]``, the judge's on the reconstruction; ``None`` without a judge.
    """

    reconstruction: Tensor
    symbols: Tensor
    received: Tensor
    psnr: Tensor
    ssim: Tensor
    roi_psnr: Tensor | None
    logits: Tensor | None


def source_weight(judge: Judge | None, pair: Pair) -> Tensor | None:
    """The ROI map of x that weighs ROI-PSNR, ``[B, 1, H, W]``; ``None`` without a judge."""
    if judge is None:
        return None
    return upscale(gradcam(judge, pair.source), (pair.source.shape[-2], pair.source.shape[-1]))


@torch.no_grad()
def prepare(
    model: LinkNetwork, pair: Pair, roi: Tensor | None = None, judge: Judge | None = None
) -> Transmission:
    """Everything that does not depend on the channel; raises ValueError if a required ROI map is missing."""
    context = model.encode_side(pair.side, roi, pair.placement)
    return Transmission(pair, model.encode(pair.source, pair.placement), context, source_weight(judge, pair))


@torch.no_grad()
def finish(
    model: LinkNetwork, transmission: Transmission, channel: ChannelState, judge: Judge | None = None
) -> LinkReport:
    """Send, decode, measure and classify what ``prepare`` returned."""
    symbols = model.modulate(transmission.sent, channel, transmission.pair.placement)
    received = apply_channel(symbols, channel)
    reconstruction = model.decode(received, transmission.context, channel)
    measured = measure(reconstruction, transmission.pair, transmission.weight)
    logits = judge(reconstruction) if judge is not None else None
    return LinkReport(reconstruction, symbols, received, *measured, logits)


def measure(reconstruction: Tensor, pair: Pair, weight: Tensor | None) -> tuple[Tensor, Tensor, Tensor | None]:
    """PSNR, SSIM and (with a weight) ROI-PSNR per image of any reconstruction, from a network or a control."""
    regional = roi_psnr(reconstruction, pair.source, weight) if weight is not None else None
    return psnr(reconstruction, pair.source), ssim(reconstruction, pair.source), regional


def run_link(
    model: LinkNetwork, pair: Pair, channel: ChannelState, roi: Tensor | None = None,
    judge: Judge | None = None,
) -> LinkReport:  # fmt: skip
    """Transmit ``pair.source``, decode it with ``pair.side``, measure and classify the result.

    Args:
        channel: drawn with ``sample_channel(..., symbols=model.num_symbols(height, width))``.
        roi: the map M ``[B, 1, H, W]``; ignored by an architecture without ROI guidance.
        judge: classifies the reconstruction, and weighs ROI-PSNR by its Grad-CAM on x.

    Raises:
        ValueError: if an architecture with ROI guidance gets no map, or the channel does not fit.
    """
    return finish(model, prepare(model, pair, roi, judge), channel, judge)
