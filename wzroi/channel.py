"""The channel: power constraint, AWGN and Rayleigh fading, with the units in one place.

Symbols are complex, ``[B, K]``, with mean power one per symbol and per image (eq. 2, P_avg = 1). SNR is in dB per
complex symbol: the noise is circular, ``n ~ CN(0, sigma^2)`` with ``sigma^2 = 10^(-SNR/10)``, i.e. ``sigma^2 / 2`` in
each real dimension. Drawing the randomness (``sample_channel``) is separate from applying it (``apply_channel``, pure).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from wzroi.parameters import Parameter, find_row


@dataclass(frozen=True)
class Channel:
    """A row of ``CHANNELS``.

    Attributes:
        title: in lists. short: in captions.
        gain: draws the complex gain of mean power one, ``[batch, 1]`` (block fading) or ``[batch, symbols]``, from
            ``(batch, symbols, generator, **parameters)``; ``None``: there is no gain.
        parameters: name -> default and range.
    """

    title: str
    short: str
    gain: Callable[..., Tensor] | None = None
    parameters: Mapping[str, Parameter] = field(default_factory=dict)


def circular(shape: tuple[int, int], generator: torch.Generator) -> Tensor:
    """CN(0, 1) of a shape: variance one half in each real dimension; drawn on the generator's device.

    In fp32 whatever torch's default, so that a seed is a draw.
    """
    pairs = torch.randn(*shape, 2, dtype=torch.float32, generator=generator, device=generator.device)
    return torch.view_as_complex(pairs * math.sqrt(0.5))


def _block_gain(batch: int, symbols: int, generator: torch.Generator) -> Tensor:
    return circular((batch, 1), generator)


def _fast_gain(batch: int, symbols: int, generator: torch.Generator) -> Tensor:
    return circular((batch, symbols), generator)


CHANNELS: dict[str, Channel] = {
    "awgn": Channel("AWGN", "AWGN"),
    "rayleigh": Channel("Rayleigh, one gain per image (block fading)", "Rayleigh block fading", _block_gain),
    "rayleigh_iid": Channel("Rayleigh, one gain per symbol (fast fading)", "Rayleigh i.i.d. fading", _fast_gain),
}
"""Channel kind -> row, which command line, pages and evaluation read. To add a channel, assign a row."""


def channel_of(kind: object) -> tuple[Channel, dict[str, float]]:
    """The row and the parameters that ``rayleigh`` or ``rician(k_factor=8)`` names; raises ValueError."""
    return find_row(CHANNELS, kind, "channel")


def channel_title(kind: str) -> str:
    """A kind's short title with the parameters that it states."""
    return channel_of(kind)[0].short + kind[len(kind.partition("(")[0]) :]

POWER = 1.0
"""P_avg of eq. 2, per complex symbol and per image."""


@dataclass(frozen=True)
class ChannelState:
    """One draw of a channel for a batch of images.

    Attributes:
        kind: a key of ``CHANNELS``.
        snr_db: ``[B]``, average SNR in dB per complex symbol.
        noise: complex ``[B, K]``, unit-variance CN(0, 1); ``apply_channel`` scales it by sigma.
        gain: complex fading gain CN(0, 1), ``[B, 1]`` (block) or ``[B, K]`` (i.i.d.); ``None`` on AWGN. The receiver
            knows it.
    """

    kind: str
    snr_db: Tensor
    noise: Tensor
    gain: Tensor | None = None

    @property
    def symbols(self) -> int:
        """K, complex channel symbols per image."""
        return self.noise.shape[1]

    @property
    def noise_power(self) -> Tensor:
        """sigma^2, ``[B]``, per complex symbol."""
        return POWER * torch.pow(10.0, -self.snr_db / 10)

    def at_snr(self, snr_db: float) -> ChannelState:
        """The same noise pattern and gains at another SNR."""
        _check_snr(snr_db)
        return dataclasses.replace(self, snr_db=torch.full_like(self.snr_db, snr_db))

    def to(self, device: torch.device | str) -> ChannelState:
        """The same draw on another device."""
        gain = None if self.gain is None else self.gain.to(device)
        return ChannelState(self.kind, self.snr_db.to(device), self.noise.to(device), gain)


def _check_snr(snr_db: float) -> None:
    if not math.isfinite(snr_db) or abs(snr_db) > 100:
        raise ValueError(f"snr_db must be a finite number of dB between -100 and 100, not {snr_db}")


def sample_channel(
    kind: str,
    snr_db: float | Tensor,
    batch: int,
    symbols: int,
    *,
    generator: torch.Generator,
    device: torch.device | str | None = None,
) -> ChannelState:
    """Draw a channel for ``batch`` images of ``symbols`` complex symbols each.

    Args:
        kind: a key of ``CHANNELS``, with parameters of its own in brackets if it takes any.
        snr_db: dB per complex symbol, one number or a tensor ``[B]``.
        generator: the only source of randomness; numbers are drawn on its device and then moved to ``device``, so that
            a CPU generator gives the same pixels on every device.

    Raises:
        ValueError: for an unknown kind, a value that is not an SNR, or an empty batch.
    """
    row, parameters = channel_of(kind)
    if batch < 1 or symbols < 1:
        raise ValueError(f"a channel needs at least one image and one symbol, not {batch} and {symbols}")
    if isinstance(snr_db, Tensor):
        if snr_db.shape != (batch,) or not bool(snr_db.isfinite().all()):
            raise ValueError(f"snr_db must be finite and of shape [{batch}], not {tuple(snr_db.shape)}")
        snr = snr_db.float()
    else:
        _check_snr(snr_db)
        snr = torch.full((batch,), float(snr_db), dtype=torch.float32)
    noise = circular((batch, symbols), generator)
    gain = None if row.gain is None else row.gain(batch, symbols, generator, **parameters)
    if gain is not None and gain.shape not in ((batch, 1), (batch, symbols)):
        raise ValueError(f"the gain of {kind} must be [{batch}, 1] or [{batch}, {symbols}], not {list(gain.shape)}")
    return ChannelState(kind, snr, noise, gain).to(device if device is not None else generator.device)


def normalise_power(symbols: Tensor) -> Tensor:
    """Scale each image's symbols, complex ``[B, K]``, to mean power one (eq. 2 with equality)."""
    pairs = torch.view_as_real(symbols)
    mean_power = pairs.square().sum(dim=(1, 2), keepdim=True) / symbols.shape[1]
    return torch.view_as_complex(pairs * torch.rsqrt(mean_power.clamp_min(1e-12) / POWER))


def apply_channel(symbols: Tensor, channel: ChannelState) -> Tensor:
    """Send symbols, complex ``[B, K]``, and equalise what arrives; pure.

    AWGN: ``z + n``. Rayleigh: ``h z + n``, then the linear MMSE equaliser ``conj(h) / (|h|^2 + sigma^2)`` with the
    known gain, which does not amplify noise in a deep fade.

    Raises:
        ValueError: when the state was drawn for another batch or number of symbols.
    """
    if symbols.shape != channel.noise.shape:
        raise ValueError(
            f"the channel was drawn for {tuple(channel.noise.shape)} (images, symbols), the encoder sends "
            f"{tuple(symbols.shape)}: draw it with model.num_symbols(height, width)"
        )
    sigma = channel.noise_power.sqrt()[:, None, None]
    noise = torch.view_as_real(channel.noise) * sigma
    if channel.gain is None:
        return torch.view_as_complex(torch.view_as_real(symbols) + noise)
    arrived = channel.gain * symbols + torch.view_as_complex(noise)
    return arrived * channel.gain.conj() / (channel.gain.abs().square() + channel.noise_power[:, None])
