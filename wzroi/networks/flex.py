"""``wz_roi_flex``: one network for every SNR and rate, which finds where its side information belongs.

Beyond the paper. It builds on the linear analog Wyner-Ziv code and trains its parts further: a window transform whose
coefficients are sorted by importance (any prefix is a valid transmission), a power allocation for the given rate and
SNR, and a linear estimate. Attention on the pictures then refines the result::

    source --transform--> latent --gains for (k, SNR), pilot, power--> symbols --channel--> received
    received --unscale, linear estimate--> coefficients --transform back--> draft
    side --placement known, or found by correlation with the draft--> registered side, confidence
    draft, registered, confidence, ROI map M --refiner 1--> picture --same transform--> residual of the symbols
    picture, registered, confidence, ROI map M, residual --refiner 2--> reconstruction
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wzroi.channel import ChannelState, normalise_power
from wzroi.config import FlexConfig
from wzroi.networks.alignment import Alignment
from wzroi.networks.base import LinkNetwork, check_strength
from wzroi.networks.block_transform import (
    COEFFICIENTS,
    VALUES,
    WINDOW,
    WindowTransform,
    allocate,
    box_mask,
    from_windows,
    pad_to_windows,
    to_windows,
)
from wzroi.networks.layers import start_as_zero
from wzroi.networks.refiner import Refiner
from wzroi.networks.stored_names import keep_stored_names
from wzroi.pairs import Placement

LOWEST_RHO, HIGHEST_RHO = 1 / 192, 1 / 8
"""Bandwidth ratios that the network supports; it is trained from 1/96 upwards."""

CONDITION = 64
BANDS = 16
MODES = 16


class FlexContext(NamedTuple):
    """What the receiver has before any symbol arrives: side image, ROI map (times its strength), shared knowledge.

    ``side`` and ``roi`` are padded to windows; ``weight`` is the encoder's importance weight, ``None`` without
    feedback; ``known_crop``: both ends know that the side image is the paper's crop; ``size``: height and width before
    padding.
    """

    side: Tensor
    roi: Tensor
    weight: Tensor | None
    known_crop: bool
    size: tuple[int, int]


class FlexJSCC(LinkNetwork):
    """The flexible network. Images are RGB in [0, 1], ``[B, 3, H, W]``, of any size; symbols complex ``[B, K]``."""

    config: FlexConfig

    def __init__(self, config: FlexConfig) -> None:
        super().__init__()
        self.config = config
        self.transform = WindowTransform()
        self.condition = nn.Sequential(nn.Linear(4, CONDITION), nn.SiLU(), nn.Linear(CONDITION, CONDITION), nn.SiLU())
        self.tilt = nn.Linear(CONDITION, 2 * MODES)
        self.tilt_modes = nn.Parameter(torch.zeros(2, MODES, COEFFICIENTS - 1))
        self.pilot = nn.Parameter(torch.tensor([-3.0, 0.0, 0.0]))
        self.scale = nn.Sequential(nn.Linear(CONDITION + BANDS + 1, 64), nn.SiLU(), nn.Linear(64, 1))
        start_as_zero(self.scale[2])
        self.alignment = Alignment()
        self.refiner1 = Refiner(config.width, config.depth, CONDITION, with_residual=False)
        self.refiner2 = Refiner(config.width, config.depth, CONDITION, with_residual=True)
        keep_stored_names(self, {"refiner1": "first", "refiner2": "second"})

    def num_symbols(self, height: int, width: int, rho: float | None = None) -> int:
        """k for an image of this size: ``3072 rho`` complex symbols per 32x32 window, rounded; by default at 1/16.

        Raises:
            ValueError: for a bandwidth ratio that the network does not support.
        """
        rho = 1 / 16 if rho is None else rho
        if not LOWEST_RHO - 1e-9 <= rho <= HIGHEST_RHO + 1e-9:
            raise ValueError(f"this network supports bandwidth ratios from 1/192 to 1/8, not {rho:.4g}")
        return round(VALUES * rho) * windows_of(height, width)

    def encode(self, source: Tensor, placement: Placement | None = None, importance: Tensor | None = None) -> Tensor:
        """Latent of a source, real ``[B, windows, 767]``, of about unit variance: the same for every rate and SNR.

        Args:
            placement: where the receiver's side image belongs, if both ends know it; the source is then coded given
                the crop.
            importance: ``[B, 1, H, W]`` in [0, 1], fed back by the receiver: where it is high, errors count more.
        """
        known_crop = _is_known_crop(placement, source.shape)
        padded = pad_to_windows(source)
        if importance is not None:
            padded = 0.5 + (padded - 0.5) * pad_to_windows(importance_weight(importance))
        return self.transform.analyse(to_windows(padded), known_crop)

    def modulate(self, latent: Tensor, channel: ChannelState, placement: Placement | None = None) -> Tensor:
        """Symbols of a latent, complex ``[B, channel.symbols]``, for the rate and SNR of the channel (eq. 2)."""
        known_crop = placement is not None and _is_crop(placement) and latent.shape[1] == 1
        each = _each(channel.symbols, latent.shape[1])
        condition = self._condition(channel, each, known_crop)
        amplitude, gains = self._gains(channel, each, known_crop, condition)
        values = latent * gains[:, None]
        pilot = amplitude[:, None, None].expand(-1, latent.shape[1], 1).to(values.dtype)
        reals = torch.cat([pilot, values], dim=2)[..., : 2 * each].float()
        pairs = reals.unflatten(2, (each, 2)).transpose(1, 2).reshape(len(latent), -1, 2)
        return normalise_power(torch.view_as_complex(pairs.contiguous()))

    def encode_side(
        self, side: Tensor, roi: Tensor | None = None, placement: Placement | None = None, strength: float = 1.0,
        importance: Tensor | None = None,
    ) -> FlexContext:  # fmt: skip
        """What the receiver computes before anything arrives.

        Args:
            roi: M, ``[B, 1, H, W]``; ``None`` counts as all zeros. strength: factor on the map, from 0 (uniform) to 1.
            importance: the map that was fed back to the encoder.

        Raises:
            ValueError: for a map of another size, or a strength outside [0, 1].
        """
        if roi is None:
            roi = torch.zeros_like(side[:, :1])
        if roi.shape != (len(side), 1, *side.shape[2:]):
            raise ValueError(f"roi must be [B, 1, H, W] as x_side {tuple(side.shape)}, not {tuple(roi.shape)}")
        check_strength(strength)
        known_crop = _is_known_crop(placement, side.shape)
        roi, padded = pad_to_windows(roi * strength), _pad_zeros(side)
        if known_crop:
            padded, roi = _placed(padded), _placed(roi)
        weight = None if importance is None else pad_to_windows(importance_weight(importance))
        return FlexContext(padded, roi, weight, known_crop, (side.shape[-2], side.shape[-1]))

    def decode(self, received: Tensor, context: FlexContext, channel: ChannelState) -> Tensor:
        """Received symbols, complex ``[B, K]``, to the reconstruction ``[B, 3, H, W]``."""
        height, width = context.side.shape[-2:]
        windows = windows_of(height, width)
        each = _each(received.shape[1], windows)
        condition = self._condition(channel, each, context.known_crop)
        amplitude, gains = self._gains(channel, each, context.known_crop, condition)
        values, noise = _observed(received, channel, windows)
        inverse = self._inverse_scale(values, noise, amplitude, condition)
        unscaled = _padded(values[..., 1:] * inverse[:, None, None])
        spread = _padded(noise[..., 1:], 1e6) * inverse.detach()[:, None, None].square()
        gains = gains[:, None]
        trust = gains / (gains.square() + spread)
        trust = trust * (1 + self._tilts(condition, 1)[:, None])
        coefficients = trust * unscaled
        roots = self.transform.roots(context.known_crop)
        left = ((spread / (gains.square() + spread)) * roots.square()).sum(2).mean(1) / VALUES
        draft, registered, confidence = self._draft(coefficients, context, left, height, width)
        picture = self.refiner1(draft, registered, confidence, context.roi, condition)
        weighted = picture if context.weight is None else 0.5 + (picture - 0.5) * context.weight
        residual = trust * (unscaled - gains * self.transform.analyse(to_windows(weighted), context.known_crop))
        residual_image = from_windows(self.transform.synthesise(residual, context.known_crop), height, width)
        picture = self.refiner2(picture, registered, confidence, context.roi, condition, residual_image)
        return picture[..., : context.size[0], : context.size[1]].float().clamp(0, 1)

    def _draft(
        self, coefficients: Tensor, context: FlexContext, left: Tensor, height: int, width: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Draft, registered side image and confidence; ``left``: the draft's expected squared error, ``[B]``."""
        values = self.transform.synthesise(coefficients, context.known_crop)
        if context.known_crop:
            side = context.side if context.weight is None else 0.5 + (context.side - 0.5) * context.weight
            known = to_windows(side) - self.transform.mean
            values = values + self.transform.complete(known) + known * self.transform.crop_mask
        draft = from_windows(values + self.transform.mean, height, width)
        if context.weight is not None:
            draft = 0.5 + (draft - 0.5) / context.weight
        if context.known_crop:
            return draft, context.side, box_mask(draft.device).to(draft).expand(len(draft), 1, -1, -1)
        registered, confidence = self.alignment(draft.detach().float(), context.side, left.detach().float())
        return draft, registered, confidence

    def _condition(self, channel: ChannelState, each: int, known_crop: bool) -> Tensor:
        """The condition vector ``[B, 64]``: channel quality and rate."""
        snr = effective_snr_db(channel).clamp(-20, 40) / 10
        rate = torch.full_like(snr, math.log2(each / 192))
        flag = torch.full_like(snr, float(known_crop))
        return self.condition(torch.stack([snr, rate, flag, snr * rate], dim=1))

    def _tilts(self, condition: Tensor, end: int) -> Tensor:
        """Learned relative correction of each coefficient, ``[B, 767]``: the sender's (0) or the receiver's (1)."""
        parts = self.tilt(condition).unflatten(1, (2, MODES))[:, end]
        return parts @ self.tilt_modes[end]

    def _gains(self, channel: ChannelState, each: int, known_crop: bool, condition: Tensor) -> tuple[Tensor, Tensor]:
        """The pilot's amplitude ``[B]`` and the gain of each coefficient of unit variance, ``[B, 767]``."""
        snr = channel.snr_db.clamp(-20, 40)
        share = torch.sigmoid(self.pilot[0] + self.pilot[1] * snr / 10 + self.pilot[2] * math.log2(each / 192)).float()
        noise = 0.5 * torch.pow(10.0, -snr / 10)
        roots = self.transform.roots(known_crop).float()
        gains = allocate(roots, 2 * each - 1, each * (1 - share.detach()), noise) * roots
        return (share * each).sqrt(), gains * (1 + self._tilts(condition, 0))

    def _inverse_scale(self, values: Tensor, noise: Tensor, amplitude: Tensor, condition: Tensor) -> Tensor:
        """One over the factor that the power constraint applied to each image, ``[B]``, from pilots and statistics."""
        ratio = values[..., 0].mean(1) / amplitude
        doubt = noise[..., 0].mean(1) / amplitude.square() / values.shape[1]
        guess = 1 + (ratio - 1) * 0.15 / (0.15 + doubt)
        bands = F.adaptive_avg_pool1d(values.square().mean(1, keepdim=True), BANDS)[:, 0].clamp_min(1e-4).log()
        learned = self.scale(torch.cat([condition, bands, guess[:, None]], dim=1))[:, 0].float()
        return 1 / guess.clamp_min(0.25) * learned.clamp(-2, 2).exp()


def windows_of(height: int, width: int) -> int:
    """Number of 32x32 windows in a picture."""
    return math.ceil(height / WINDOW) * math.ceil(width / WINDOW)


def effective_snr_db(channel: ChannelState) -> Tensor:
    """Average SNR after equalisation, dB ``[B]``: a harmonic mean over the symbols, like the error of the estimate."""
    if channel.gain is None:
        return channel.snr_db
    return channel.snr_db - 10 * channel.gain.abs().square().clamp_min(1e-3).reciprocal().mean(1).log10()


def _observed(received: Tensor, channel: ChannelState, windows: int) -> tuple[Tensor, Tensor]:
    """Real values of each window ``[B, windows, n]`` without the equaliser's bias, and the variance of their noise."""
    noise = channel.noise_power[:, None].expand(-1, received.shape[1])
    if channel.gain is not None:
        power = channel.gain.abs().square().clamp_min(1e-6)
        received = received * ((power + channel.noise_power[:, None]) / power)
        noise = channel.noise_power[:, None] / power.expand(-1, received.shape[1])
    pairs = torch.view_as_real(received).reshape(len(received), -1, windows, 2)
    values = pairs.transpose(1, 2).flatten(2)
    spread = (noise / 2).reshape(len(received), -1, windows, 1).expand(-1, -1, -1, 2).transpose(1, 2).flatten(2)
    return values, spread


def _padded(values: Tensor, fill: float = 0.0) -> Tensor:
    return F.pad(values, (0, COEFFICIENTS - 1 - values.shape[2]), value=fill)


def _each(symbols: int, windows: int) -> int:
    """Complex symbols per window; raises ValueError if that is not a whole number or out of range."""
    if symbols % windows or not 1 <= symbols // windows <= COEFFICIENTS // 2:
        raise ValueError(
            f"{symbols} symbols do not fit {windows} windows: "
            "draw the channel with model.num_symbols(height, width, rho)"
        )
    return symbols // windows


def _is_crop(placement: Placement) -> bool:
    row, column, size = FlexConfig.CROP
    return tuple(placement) == (row, column, size, size)


def _is_known_crop(placement: Placement | None, shape: torch.Size) -> bool:
    """Whether the side image is known to be the paper's crop of a single window."""
    return placement is not None and tuple(shape[-2:]) == (WINDOW, WINDOW) and _is_crop(placement)


def _pad_zeros(image: Tensor) -> Tensor:
    height, width = image.shape[-2:]
    return F.pad(image, (0, -width % WINDOW, 0, -height % WINDOW))


def _placed(side: Tensor) -> Tensor:
    """The crop where it belongs in the source's frame, zero elsewhere."""
    row, column, size = FlexConfig.CROP
    after = WINDOW - size
    return F.pad(side[..., :size, :size], (column, after - column, row, after - row))


def importance_weight(importance: Tensor) -> Tensor:
    """The encoder's weight of each pixel, ``[B, 1, H, W]``: from 1 to 3 over the map, then of unit mean square."""
    weight = 1 + 2 * importance
    return weight * weight.square().mean(dim=(1, 2, 3), keepdim=True).rsqrt()
