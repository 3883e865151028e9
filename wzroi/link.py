"""``run_link``: the one path from a pair to pictures and numbers, used by app, evaluation and tests alike.

``prepare`` computes what does not depend on the channel (symbols, side context, the judge's weights for ROI-PSNR),
``finish`` sends and decodes; ``run_link`` does both. A sweep over SNR prepares once and finishes once per SNR.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from wzroi.channel import ChannelState, apply_channel
from wzroi.judge import Judge
from wzroi.metrics import BUILT_IN, more_metrics, psnr, roi_psnr, ssim
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
        more: values ``[B]`` of the metrics that have been added to ``METRICS``; ``None`` where none were.
    """

    reconstruction: Tensor
    symbols: Tensor
    received: Tensor
    psnr: Tensor
    ssim: Tensor
    roi_psnr: Tensor | None
    logits: Tensor | None
    more: Mapping[str, Tensor] | None = None

    def to(self, device: torch.device | str) -> LinkReport:
        """The same report on another device."""
        moved = {key: part.to(device) for key, part in self._asdict().items() if isinstance(part, Tensor)}
        return self._replace(**moved, more={key: part.to(device) for key, part in self.added().items()} or None)

    def added(self) -> Mapping[str, Tensor]:
        """``more``, empty where there are none."""
        return self.more or {}

    def metric(self, key: str) -> Tensor | None:
        """The values ``[B]`` of a metric with a function; ``None`` if it was not measured."""
        return getattr(self, key) if key in BUILT_IN else self.added().get(key)


def source_weight(judge: Judge | None, pair: Pair) -> Tensor | None:
    """The ROI map of x that weighs ROI-PSNR, ``[B, 1, H, W]``; ``None`` without a judge."""
    if judge is None:
        return None
    return upscale(gradcam(judge, pair.source), (pair.source.shape[-2], pair.source.shape[-1]))


@torch.no_grad()
def prepare(
    model: LinkNetwork, pair: Pair, roi: Tensor | None = None, judge: Judge | None = None, strength: float = 1.0,
    importance: Tensor | None = None,
) -> Transmission:  # fmt: skip
    """Everything that does not depend on the channel; arguments and errors as in ``run_link``."""
    context = model.encode_side(pair.side, roi, pair.placement, strength, importance)
    latent = model.encode(pair.source, pair.placement, importance)
    return Transmission(pair, latent, context, source_weight(judge, pair))


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
    more = more_metrics(reconstruction, transmission.pair.source, transmission.weight)
    return LinkReport(reconstruction, symbols, received, *measured, logits, more or None)


def measure(reconstruction: Tensor, pair: Pair, weight: Tensor | None) -> tuple[Tensor, Tensor, Tensor | None]:
    """PSNR, SSIM and (with a weight) ROI-PSNR per image of any reconstruction, from a network or a control."""
    regional = roi_psnr(reconstruction, pair.source, weight) if weight is not None else None
    return psnr(reconstruction, pair.source), ssim(reconstruction, pair.source), regional


def run_link(
    model: LinkNetwork, pair: Pair, channel: ChannelState, roi: Tensor | None = None,
    judge: Judge | None = None, strength: float = 1.0, importance: Tensor | None = None,
) -> LinkReport:  # fmt: skip
    """Transmit ``pair.source``, decode it with ``pair.side``, measure and classify the result.

    Args:
        channel: drawn with ``sample_channel(..., symbols=model.num_symbols(height, width))``.
        roi: the map M ``[B, 1, H, W]``; ignored by an architecture without ROI guidance.
        judge: classifies the reconstruction, and weighs ROI-PSNR by its Grad-CAM on x.
        strength: factor on the map at the decoder, from 0 (uniform) to 1.
        importance: ``[B, 1, H, W]`` in [0, 1], fed back to the encoder: where it is high, errors count more.

    Raises:
        ValueError: if an architecture with ROI guidance gets no map, the channel does not fit, the strength is outside
            [0, 1], or the encoder takes no importance map.
    """
    return finish(model, prepare(model, pair, roi, judge, strength, importance), channel, judge)
