"""Many channel draws for one picture: for the Channel page's statistics and the points of the Sweep page."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from fractions import Fraction
from typing import Any, NamedTuple

import torch
from torch import Tensor

from explorer.compute.engine import ENGINE
from wzroi.channel import ChannelState, sample_channel
from wzroi.link import LinkReport, Transmission, finish
from zoo.rates import DEFAULT, symbols_at
from zoo.serving.gallery import PairEntry

DRAW_PIXELS = 64 * 1024
"""Pixels decoded in one batch, over all draws."""


class Draws(NamedTuple):
    """Many transmissions of one picture: ``pictures`` ``[n, 3, H, W]``, ``psnr`` dB ``[n]``, symbols of the first.

    ``power`` is the mean of |z|^2 over the symbols, ``snr_db`` the measured SNR over all draws.
    """

    pictures: Tensor
    psnr: Tensor
    sent: Tensor
    received: Tensor
    power: float
    snr_db: float


def repeated(ready: Transmission, count: int) -> Transmission:
    """A transmission of one image as a batch of ``count`` copies, without recomputing anything."""

    def expand(value: Any) -> Any:
        if isinstance(value, Tensor):
            return value.expand(count, *value.shape[1:])
        if isinstance(value, tuple) and hasattr(value, "_fields"):
            return type(value)(*(expand(part) for part in value))
        return value

    return expand(ready)


def batches(count: int, height: int, width: int) -> list[int]:
    """Batch sizes: the first draw alone, so that it equals the Compare page's bit for bit; then full batches."""
    most = max(1, min(count, DRAW_PIXELS // (height * width)))
    sizes = [1] + [most] * math.ceil((count - 1) / most)
    sizes[-1] = count - sum(sizes[:-1])
    return sizes


def believing(state: ChannelState, believed_db: float | None) -> ChannelState:
    """The same channel with a receiver that assumes an SNR of ``believed_db``; ``None``: it knows the true SNR.

    The equaliser of a fading channel uses the SNR, and so do both ends of a flexible network. The state gets the
    believed SNR, and its noise is rescaled accordingly, so that the noise that arrives is the true one.
    """
    if believed_db is None:
        return state
    factor = (10 ** ((believed_db - state.snr_db) / 20))[:, None]
    return dataclasses.replace(state, noise=state.noise * factor).at_snr(believed_db)


def reports(
    entry: PairEntry, model: str, channel: str, snr_db: float, seed: int, count: int, roi: str = "side",
    believed_db: float | None = None, rate: Fraction = DEFAULT,
) -> Iterator[tuple[LinkReport, ChannelState]]:
    """Send one pair ``count`` times with independent noise and gains, batch by batch, with the true channel state.

    ``rate`` is 1/rho for a flexible network. The caller must hold one of the engine's slots.
    """
    network, ready = ENGINE.model(model), ENGINE.transmission(entry, model, roi, seed)
    generator = torch.Generator().manual_seed(seed)
    symbols = symbols_at(network, *entry.size, rate)
    for size in batches(count, *entry.size):
        state = sample_channel(channel, snr_db, size, symbols, generator=generator, device=ENGINE.device)
        yield finish(network, repeated(ready, size), believing(state, believed_db)), state


def draw(
    entry: PairEntry, model: str, channel: str, snr_db: float, seed: int, count: int, roi: str = "side",
    believed_db: float | None = None, rate: Fraction = DEFAULT,
) -> Draws:
    """Pictures and symbols of many draws, the first as the Compare page shows it. Raises BusyError."""
    with ENGINE.slot():
        pairs = list(reports(entry, model, channel, snr_db, seed, count, roi, believed_db, rate))
    found = [report for report, _ in pairs]
    noise = sum(float((state.noise.abs().square().mean(dim=1) * state.noise_power).sum()) for _, state in pairs)
    sent = found[0].symbols[0]
    power = float(sent.abs().square().mean())
    return Draws(
        torch.cat([report.reconstruction for report in found]).cpu(), torch.cat([r.psnr for r in found]).cpu(),
        sent.cpu(), found[0].received[0].cpu(), power, 10 * math.log10(power / (noise / count)),
    )
