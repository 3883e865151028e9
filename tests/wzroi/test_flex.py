"""The flexible network: its linear skeleton, rates and SNRs, alignment, and what may depend on what."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

import zoo
from training.gaussian import allocate as reference_allocation
from wzroi.channel import apply_channel, sample_channel
from wzroi.config import ConfigError, FlexConfig
from wzroi.link import run_link
from wzroi.networks import alignment
from wzroi.networks.alignment import Alignment, valid_pixels
from wzroi.networks.block_transform import COEFFICIENTS, allocate, from_windows, to_windows
from wzroi.networks.flex import FlexJSCC, effective_snr_db
from wzroi.pairs import CropPair, Pair, Placement, make_pair
from zoo.serving.gallery import gallery_entry
from zoo.store.golden import colour_fields

SMALL = FlexConfig(width=32, depth=1)
CROP = CropPair().placement(32, 32)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def model() -> FlexJSCC:
    """Random weights everywhere, so that nothing is hidden by a start at zero."""
    torch.manual_seed(0)
    network = FlexJSCC(SMALL)
    with torch.no_grad():
        for parameter in network.parameters():
            if not parameter.any():
                parameter.normal_(std=0.02)
    return network.eval()


@pytest.fixture
def images() -> Tensor:
    return colour_fields(3, 3, 32, seeded(5))


def test_windows_return(images: Tensor) -> None:
    picture = torch.rand(2, 3, 64, 96, generator=seeded())
    assert to_windows(picture).shape == (2, 6, 3072)
    assert torch.equal(from_windows(to_windows(picture), 64, 96), picture)
    assert torch.equal(to_windows(images)[:, 0], images.flatten(1))


@pytest.mark.parametrize("snr", [-5.0, 5.0, 20.0])
def test_gains_are_the_textbook_allocation(snr: float) -> None:
    roots = torch.linspace(3, 0.05, COEFFICIENTS - 1)
    power, noise, uses = 190.0, 0.5 * 10 ** (-snr / 10), 383
    gains = allocate(roots, uses, torch.tensor([power]), torch.tensor([noise]))[0]
    wanted = reference_allocation(roots[:uses].double().square(), power, noise)
    assert torch.allclose((gains[:uses] * roots[:uses]).square().double(), wanted, atol=1e-4)
    assert not gains[uses:].any()
    assert math.isclose(float((gains * roots).square().sum()), power, rel_tol=1e-4)


@pytest.mark.parametrize("placement", [None, CROP])
@pytest.mark.parametrize("rho", [1 / 96, 1 / 37, 1 / 8])
def test_every_rate_has_power_one(model: FlexJSCC, images: Tensor, rho: float, placement: Placement | None) -> None:
    symbols = model.num_symbols(32, 32, rho)
    assert symbols == round(3072 * rho)
    channel = sample_channel("awgn", 3.0, 3, symbols, generator=seeded())
    sent = model.modulate(model.encode(images, placement), channel, placement)
    assert sent.shape == (3, symbols)
    assert torch.allclose(sent.abs().square().mean(1), torch.ones(3), atol=1e-5)
    assert model(images, images, channel, None, placement).shape == images.shape


def test_rates_out_of_range_are_refused(model: FlexJSCC, images: Tensor) -> None:
    for rho in (1 / 4, 1 / 500, 0.0, math.nan):
        with pytest.raises(ValueError, match="1/192 to 1/8"):
            model.num_symbols(32, 32, rho)
    wide = torch.rand(1, 3, 32, 64, generator=seeded())
    odd = sample_channel("awgn", 5.0, 1, 193, generator=seeded())
    with pytest.raises(ValueError, match="do not fit 2 windows"):
        model(wide, wide, odd)


def test_the_first_symbols_of_a_higher_rate_carry_the_same_coefficients(model: FlexJSCC, images: Tensor) -> None:
    """Nested: what a lower rate sends is, coefficient by coefficient, a scaled prefix of what a higher rate sends."""
    latent = model.encode(images)
    low, high = (
        torch.view_as_real(model.modulate(latent, sample_channel("awgn", 10.0, 3, k, generator=seeded()))).flatten(1)
        for k in (64, 384)
    )
    ratio = low[:, 1:] / high[:, 1:128]
    spread = ratio / ratio[:, :1]
    assert torch.allclose(spread, spread[:1].expand_as(spread), rtol=1e-2)  # the same gains for every picture


@pytest.mark.parametrize("size", [(33, 70), (64, 64), (4, 4)])
@pytest.mark.parametrize("kind", ["awgn", "rayleigh", "rayleigh_iid"])
def test_any_size_and_channel(model: FlexJSCC, size: tuple[int, int], kind: str) -> None:
    source = torch.rand(2, 3, *size, generator=seeded())
    channel = sample_channel(kind, 5.0, 2, model.num_symbols(*size, 1 / 24), generator=seeded())
    rebuilt = model(source, source.flip(0), channel)
    assert rebuilt.shape == source.shape
    assert bool(((rebuilt >= 0) & (rebuilt <= 1)).all())


def test_the_equalisers_bias_is_undone() -> None:
    """On a fading channel the decoder sees the symbols themselves and the noise that the gain leaves."""
    from wzroi.networks.flex import _observed

    symbols = torch.view_as_complex(torch.randn(1, 4000, 2, generator=seeded()) * 0.5**0.5)
    channel = sample_channel("rayleigh_iid", 10.0, 1, 4000, generator=seeded(1))
    values, noise = _observed(apply_channel(symbols, channel), channel, 1)
    error = values - torch.view_as_real(symbols).reshape(1, 1, -1)
    assert math.isclose(float((error.square() / noise).mean()), 1.0, rel_tol=0.05)
    assert effective_snr_db(channel)[0] < 10.0


@pytest.mark.parametrize("placement", [None, CROP])
def test_information_flow(
    model: FlexJSCC, images: Tensor, placement: Placement | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alignment, "OUTLIER", 1.0)  # an untrained network's draft fits nowhere: let everything count
    channel = sample_channel("awgn", 5.0, 3, 192, generator=seeded())
    side, other = CropPair().side_of(images), CropPair().side_of(images.flip(0))
    received = apply_channel(model.modulate(model.encode(images, placement), channel, placement), channel)
    first = model.decode(received, model.encode_side(side, None, placement), channel)
    again = model.decode(received, model.encode_side(side, None, placement), channel)
    assert torch.equal(first, again)  # nothing but these moves it: the source is not an argument
    moved = model.decode(received, model.encode_side(other, None, placement), channel)
    assert not torch.allclose(first, moved, atol=1e-3)
    roi = torch.rand(3, 1, 32, 32, generator=seeded())
    guided = model.decode(received, model.encode_side(side, roi, placement), channel)
    assert not torch.allclose(first, guided, atol=1e-5)
    zero = model.decode(received, model.encode_side(side, roi, placement, strength=0.0), channel)
    assert torch.allclose(first, zero, atol=1e-5)
    with pytest.raises(ValueError, match=r"must lie in \[0, 1\]"):
        model.encode_side(side, roi, placement, strength=1.5)
    with pytest.raises(ValueError, match="roi must be"):
        model.encode_side(side, roi[..., :16, :16], placement)


def test_what_is_known_is_copied(model: FlexJSCC, images: Tensor) -> None:
    """With the pair source known, the crop is in the picture exactly, whatever the weights."""
    pair = make_pair(images)
    channel = sample_channel("awgn", -5.0, 3, 32, generator=seeded())
    rebuilt = run_link(model, pair, channel).reconstruction
    inside = (slice(None), slice(None), slice(12, 32), slice(12, 32))
    assert (rebuilt[inside] - images[inside]).square().mean() < 2e-4
    blind = run_link(model, Pair(pair.source, pair.side), channel).reconstruction
    assert (blind[inside] - images[inside]).square().mean() > 1e-3


def test_feedback_spends_power_where_it_counts(model: FlexJSCC, images: Tensor) -> None:
    latent = model.encode(images)
    assert torch.allclose(latent, model.encode(images, None, torch.full((3, 1, 32, 32), 0.5)), atol=1e-4)
    corner = torch.zeros(3, 1, 32, 32)
    corner[..., :8, :8] = 1
    assert not torch.allclose(latent, model.encode(images, None, corner), atol=1e-2)


def test_feedback_and_a_known_crop_agree() -> None:
    """The crop is completed as the encoder weighed it: the trained network's error beside it stays small."""
    network = zoo.load("wz_roi_flex.rec_lite", "cpu")
    source = torch.cat([gallery_entry(f"cifar-{number}").pair.source for number in range(3)])
    pair, upper = make_pair(source), torch.zeros(3, 1, 32, 32)
    upper[..., :16, :] = 1
    channel = sample_channel("awgn", 20.0, 3, 384, generator=seeded())
    with torch.no_grad():
        plain, weighed = (
            network(source, pair.side, channel, placement=pair.placement, importance=importance)
            for importance in (None, upper)
        )
    errors = [(picture - source)[..., :12, :].square().mean() for picture in (plain, weighed)]
    assert errors[1] < 5 * errors[0]


@pytest.mark.parametrize("shift", [(0, 0), (12, 12), (-7, 5), (3, -14)])
def test_alignment_finds_a_shift(shift: tuple[int, int]) -> None:
    """Each token of the part that both pictures hold is found where it lies, in spite of the draft's noise."""
    whole = torch.rand(1, 3, 96, 96, generator=seeded())  # texture everywhere: no shift but one fits
    down, right = shift
    source = whole[..., 32:64, 32:64]
    side = whole[..., 32 + down : 64 + down, 32 + right : 64 + right]
    draft = source + 0.08 * torch.randn(source.shape, generator=seeded(1))
    with torch.no_grad():
        registered, confidence = Alignment()(draft, side.contiguous(), torch.tensor([0.0064]))
    shared = torch.zeros(32, 32, dtype=torch.bool)
    shared[max(down, 0) : 32 + min(down, 0), max(right, 0) : 32 + min(right, 0)] = True
    error = (registered - source).square().mean(1)[0]
    assert float(confidence[0, 0][shared].mean()) > 0.9
    assert float(error[shared].mean()) < 0.002


def test_alignment_trusts_no_other_picture() -> None:
    draft, side = (torch.rand(2, 3, 32, 32, generator=seeded(seed)) for seed in (0, 1))
    with torch.no_grad():
        _, confidence = Alignment()(draft, side, torch.full((2,), 0.005))
        _, nothing = Alignment()(draft, torch.zeros_like(side), torch.full((2,), 0.005))
    assert float(confidence.max()) < 0.1
    assert float(nothing.max()) == 0


def test_black_pixels_inside_a_picture_count() -> None:
    side = torch.zeros(1, 3, 32, 32)
    side[..., :20, :20] = 0.5
    side[..., 5, 5] = 0
    held = valid_pixels(side)
    assert held[0, 0, 5, 5] == 1
    assert held[0, 0, 25, 25] == 0
    assert int(held.sum()) == 20 * 20


@pytest.mark.parametrize("values", [{"width": 48}, {"width": 0}, {"depth": 17}, {"hidden": 8}, {"width": 64.0}])
def test_impossible_configurations_are_refused(values: dict[str, float]) -> None:
    fields = SMALL.to_dict() | values
    with pytest.raises(ConfigError, match=next(iter(values))):
        FlexConfig.from_dict(fields)


def test_checkpoints_keep_the_published_tensor_names(model: FlexJSCC) -> None:
    state = model.state_dict()
    assert {"first.norm.weight", "second.pull.weight", "transform.open_basis", "transform.held_roots"} <= set(state)
    assert not any("refiner" in key or "crop" in key or "residual" in key for key in state)
    other = FlexJSCC(model.config)
    other.load_state_dict(state, strict=True)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), other.parameters(), strict=True))
    with pytest.raises(RuntimeError, match="transform"):
        other.load_state_dict({key: value for key, value in state.items() if key != "transform.held_basis"})
