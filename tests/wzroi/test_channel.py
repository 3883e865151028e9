"""Power and SNR as measured, not as named: another convention (3 dB per real dimension, 6 dB in public code) fails."""

from __future__ import annotations

import inspect
import math

import pytest
import torch
from torch import Tensor

from tests.support.shared import pictures, small_model
from wzroi import CHANNELS, ChannelState, apply_channel, sample_channel
from wzroi.channel import normalise_power

IMAGES, SYMBOLS = 400, 500
CLOSE_DB = 0.1
"""200,000 symbols pin a power to 0.02 dB; the conventions in use differ by 3 dB."""


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def power_db(symbols: Tensor) -> float:
    return 10 * math.log10((symbols.real.double() ** 2 + symbols.imag.double() ** 2).mean().item())


def sent(batch: int = IMAGES, symbols: int = SYMBOLS) -> Tensor:
    """Symbols of unequal raw power, normalised as the encoder does."""
    raw = torch.view_as_complex(torch.randn(batch, symbols, 2, generator=seeded(9)))
    return normalise_power(raw * torch.logspace(-3, 3, batch)[:, None])


def arrived(received: Tensor, state: ChannelState) -> Tensor:
    """The signal at the antenna: the linear equaliser undone."""
    if state.gain is None:
        return received
    return received * (state.gain.abs() ** 2 + state.noise_power[:, None]) / state.gain.conj()


def faded(symbols: Tensor, state: ChannelState) -> Tensor:
    return symbols if state.gain is None else symbols * state.gain


def test_each_image_is_sent_at_power_one_per_complex_symbol(architecture: str) -> None:
    symbols = small_model(architecture).encode(pictures(6) * torch.logspace(-2, 0, 6)[:, None, None, None])
    assert symbols.is_complex()
    power = (symbols.real**2 + symbols.imag**2).mean(dim=1)
    torch.testing.assert_close(power, torch.ones(6), atol=1e-4, rtol=0)


def test_power_of_an_odd_number_of_reals_counts_the_padding_symbol() -> None:
    model = small_model("deepjscc", rate=32)
    symbols = model.encode(pictures(3, 12, 20))
    assert symbols.shape == (3, model.num_symbols(12, 20)) == (3, 23)  # 3 maps of 3x5: 45 reals
    torch.testing.assert_close(symbols.abs().square().mean(dim=1), torch.ones(3), atol=1e-4, rtol=0)


@pytest.mark.parametrize("kind", CHANNELS)
@pytest.mark.parametrize("snr_db", [-5.0, 0.0, 5.0, 20.0])
def test_measured_snr_is_the_named_snr(kind: str, snr_db: float) -> None:
    symbols = sent(20 * IMAGES, SYMBOLS // 20)
    state = sample_channel(kind, snr_db, *symbols.shape, generator=seeded())
    signal = faded(symbols, state)
    noise = arrived(apply_channel(symbols, state), state) - signal
    assert power_db(symbols) == pytest.approx(0, abs=0.01)
    assert power_db(noise) == pytest.approx(-snr_db, abs=CLOSE_DB)
    assert power_db(signal) - power_db(noise) == pytest.approx(snr_db, abs=2 * CLOSE_DB)


def test_noise_is_circular() -> None:
    symbols = sent()
    noise = apply_channel(symbols, sample_channel("awgn", 0.0, *symbols.shape, generator=seeded())) - symbols
    real, imaginary = noise.real.flatten(), noise.imag.flatten()
    assert real.var().item() == pytest.approx(0.5, rel=0.02)
    assert imaginary.var().item() == pytest.approx(0.5, rel=0.02)
    assert (real * imaginary).mean().item() == pytest.approx(0, abs=0.01)
    assert real.mean().item() == pytest.approx(0, abs=0.01)


def test_every_image_has_its_own_snr() -> None:
    wanted = torch.linspace(-5, 20, 6)
    symbols = sent(6, 50_000)
    state = sample_channel("awgn", wanted, 6, 50_000, generator=seeded())
    noise = apply_channel(symbols, state) - symbols
    measured = [-power_db(one) for one in noise]
    assert measured == pytest.approx(wanted.tolist(), abs=CLOSE_DB)


@pytest.mark.parametrize(("kind", "gains"), [("rayleigh", 1), ("rayleigh_iid", 50)])
def test_rayleigh_gain_is_exponential_in_power(kind: str, gains: int) -> None:
    state = sample_channel(kind, 5.0, 20_000, 50, generator=seeded())
    assert state.gain is not None
    assert state.gain.shape == (20_000, gains)
    power = state.gain.abs() ** 2
    assert power.mean().item() == pytest.approx(1, rel=0.03)
    assert (power < 0.1).float().mean().item() == pytest.approx(1 - math.exp(-0.1), abs=0.01)
    assert (power > 2).float().mean().item() == pytest.approx(math.exp(-2), abs=0.01)


def test_awgn_has_no_gain() -> None:
    assert sample_channel("awgn", 5.0, 2, 10, generator=seeded()).gain is None


@pytest.mark.parametrize("kind", ["rayleigh", "rayleigh_iid"])
def test_equaliser_is_the_best_linear_one(kind: str) -> None:
    symbols = sent(4000, 40)
    state = sample_channel(kind, 0.0, *symbols.shape, generator=seeded())
    received = apply_channel(symbols, state)
    error = (received - symbols).abs().square().mean().item()
    inverted = arrived(received, state) / state.gain
    assert error < 0.7 * (inverted - symbols).abs().square().mean().item()
    for scale in (0.9, 1.1):
        assert error < (scale * received - symbols).abs().square().mean().item()


@pytest.mark.parametrize("kind", CHANNELS)
def test_a_clean_channel_returns_what_was_sent(kind: str) -> None:
    symbols = sent(8, 64)
    received = apply_channel(symbols, sample_channel(kind, 100.0, 8, 64, generator=seeded()))
    torch.testing.assert_close(received, symbols, atol=5e-3, rtol=0)


@pytest.mark.parametrize("kind", CHANNELS)
def test_same_seed_same_draw_and_no_other_randomness(kind: str) -> None:
    before = torch.random.get_rng_state()
    first, again, other = (sample_channel(kind, 5.0, 3, 20, generator=seeded(s)) for s in (4, 4, 5))
    symbols = sent(3, 20)
    kept = symbols.clone()
    assert torch.equal(apply_channel(symbols, first), apply_channel(symbols, again))
    assert not torch.equal(first.noise, other.noise)
    assert torch.equal(symbols, kept)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_at_snr_keeps_the_pattern_and_moves_the_level() -> None:
    state = sample_channel("rayleigh", 0.0, 3, 20, generator=seeded())
    moved = state.at_snr(10.0)
    assert torch.equal(moved.noise, state.noise)
    assert moved.gain is state.gain
    assert moved.noise_power.tolist() == pytest.approx([0.1] * 3)
    assert state.noise_power.tolist() == pytest.approx([1.0] * 3)
    assert state.symbols == 20


def test_snr_reaches_the_network_through_the_channel_state_alone(architecture: str) -> None:
    model = small_model(architecture)
    ends = (model.encoder.forward, model.decoder.forward)
    for method in (model.forward, model.encode, model.encode_side, model.decode, *ends):
        assert not [name for name in inspect.signature(method).parameters if "snr" in name or "noise" in name]
    for name in dict(model.named_buffers()) | dict(model.named_parameters()):
        assert "snr" not in name


@pytest.mark.parametrize(
    ("kind", "snr_db", "batch", "symbols", "message"),
    [
        ("awng", 5.0, 2, 8, "unknown channel 'awng'; choose one of awgn"),
        ("awgn", math.nan, 2, 8, "finite"),
        ("awgn", math.inf, 2, 8, "finite"),
        ("awgn", 1000.0, 2, 8, "between -100 and 100"),
        ("awgn", torch.zeros(3), 2, 8, r"shape \[2\]"),
        ("awgn", torch.tensor([0.0, math.nan]), 2, 8, "finite"),
        ("awgn", 5.0, 0, 8, "at least one image"),
        ("awgn", 5.0, 2, 0, "at least one image"),
    ],
)
def test_bad_channels_are_refused(kind: str, snr_db: float | Tensor, batch: int, symbols: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        sample_channel(kind, snr_db, batch, symbols, generator=seeded())


@pytest.mark.parametrize("shape", [(2, 9), (3, 8)])
def test_a_channel_drawn_for_other_symbols_names_the_mend(shape: tuple[int, int]) -> None:
    state = sample_channel("awgn", 5.0, *shape, generator=seeded())
    with pytest.raises(ValueError, match="num_symbols"):
        apply_channel(sent(2, 8), state)


def test_at_snr_refuses_what_is_no_snr() -> None:
    with pytest.raises(ValueError, match="finite"):
        sample_channel("awgn", 5.0, 1, 4, generator=seeded()).at_snr(math.nan)
