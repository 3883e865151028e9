"""The link network: every architecture of the registry, its sizes, its gradients and where information may flow."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from tests.support.shared import pictures, random_judge, small_model
from wzroi import (
    PAPER_ARCHITECTURES,
    ChannelState,
    ModelConfig,
    Pair,
    WynerZivJSCC,
    apply_channel,
    make_pair,
    sample_channel,
)
from wzroi.config import RATES
from wzroi.networks.deepjscc import maps_to_symbols, symbols_to_maps
from wzroi.networks.layers import GDN

MILLIONS = {"deepjscc": 3.66, "deepjscc_wz": 3.71, "deepjscc_wz_sft": 5.71, "deepjscc_wz_roi": 5.71}
SMALL = {name: small_model(name, rate=32, width=4) for name in PAPER_ARCHITECTURES}


def channel_for(model: WynerZivJSCC, images: torch.Tensor, snr_db: float = 5.0, seed: int = 0) -> ChannelState:
    generator = torch.Generator().manual_seed(seed)
    return sample_channel("awgn", snr_db, len(images), model.num_symbols(*images.shape[-2:]), generator=generator)


def roi_for(images: torch.Tensor, seed: int = 0) -> torch.Tensor:
    return torch.rand(len(images), 1, *images.shape[-2:], generator=torch.Generator().manual_seed(seed))


def test_the_registry_has_the_papers_architectures() -> None:
    assert set(PAPER_ARCHITECTURES) == set(MILLIONS)


def test_parameter_counts_at_paper_size(architecture: str) -> None:
    with torch.device("meta"):
        model = WynerZivJSCC(ModelConfig.named(architecture, 16))
    assert round(sum(p.numel() for p in model.parameters()) / 1e6, 2) == MILLIONS[architecture]


def test_every_parameter_has_a_gradient(architecture: str) -> None:
    model = small_model(architecture).train().requires_grad_(True)
    images = pictures(4)
    output = model(images, make_pair(images).side, channel_for(model, images), roi_for(images))
    nn.functional.mse_loss(output, images).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, f"{name} has no gradient"
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().max() > 0, f"{name} has a gradient of zeros"


def test_every_variant_ends_in_the_same_bounded_head(architecture: str) -> None:
    model = small_model(architecture)
    assert [type(module) for module in model.decoder.block3] == [nn.ConvTranspose2d, GDN, nn.Sigmoid]
    heads = {str(small_model(name).decoder.block3[1:]) for name in PAPER_ARCHITECTURES}
    assert len(heads) == 1
    assert model.decoder.block3[0].out_channels == 3


def test_output_stays_in_range_whatever_arrives(architecture: str) -> None:
    model, images = small_model(architecture), pictures(3)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(5)
    context = model.encode_side(make_pair(images).side, roi_for(images))
    received = 50 * torch.randn(3, model.num_symbols(32, 32), dtype=torch.complex64)
    output = model.decode(received, context)
    assert 0 <= output.min() <= output.max() <= 1


@pytest.mark.parametrize("rate", RATES)
def test_bandwidth_ratio_is_symbols_per_source_value(rate: int) -> None:
    model = small_model("deepjscc", rate)
    assert Fraction(model.num_symbols(32, 32), 3 * 32 * 32) == Fraction(1, rate) == model.config.rho
    assert model.encode(pictures(1)).shape == (1, 3 * 32 * 32 // rate)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(sorted(PAPER_ARCHITECTURES)), st.integers(8, 70), st.integers(8, 70))
def test_any_picture_size(architecture: str, height: int, width: int) -> None:
    model, images = SMALL[architecture], pictures(1, height, width)
    channel = channel_for(model, images)
    assert channel.symbols == math.ceil(3 * math.ceil(height / 4) * math.ceil(width / 4) / 2)
    assert model.encode(images).shape == (1, channel.symbols)
    output = model(images, make_pair(images).side, channel, roi_for(images))
    assert output.shape == images.shape
    assert output.isfinite().all()


def test_padding_does_not_reach_the_middle_of_a_picture() -> None:
    """Padded by repetition: a picture of 30x30 decodes in its corner as the 32x32 picture that it was cut from."""
    model = SMALL["deepjscc"]
    whole = pictures(1)
    whole[..., 30:, :] = whole[..., 29:30, :]
    whole[..., 30:] = whole[..., 29:30]
    cut = whole[..., :30, :30]
    channel = channel_for(model, whole)
    outputs = [model(image, torch.zeros_like(image), channel) for image in (whole, cut)]
    torch.testing.assert_close(outputs[0][..., :30, :30], outputs[1])


@pytest.mark.parametrize("shape", [(3, 3, 3), (3, 1, 1), (6, 2, 5), (1, 7, 9)])
def test_maps_and_symbols_are_the_same_numbers(shape: tuple[int, int, int]) -> None:
    maps = torch.randn(2, *shape)
    symbols = maps_to_symbols(maps)
    assert symbols.shape == (2, math.ceil(math.prod(shape) / 2))
    assert torch.equal(symbols_to_maps(symbols, shape), maps)
    assert symbols.abs().square().sum().item() == pytest.approx(maps.square().sum().item(), rel=1e-5)


def test_forward_is_encode_send_look_decode(architecture: str, pair: Pair) -> None:
    model, roi = small_model(architecture), roi_for(pair.source)
    channel = channel_for(model, pair.source)
    received = apply_channel(model.encode(pair.source), channel)
    context = model.encode_side(pair.side, roi)
    assert torch.equal(model(pair.source, pair.side, channel, roi), model.decode(received, context))


def test_source_reaches_the_output_only_through_the_symbols(architecture: str, pair: Pair) -> None:
    """Received, side and ROI held fixed, nothing else of the source can move the output."""
    model, roi = small_model(architecture), roi_for(pair.source)
    other = pictures(4, seed=7)
    channel = channel_for(model, pair.source)
    symbols = model.encode(pair.source)
    assert not torch.equal(symbols, model.encode(other))
    # the noise that turns the other picture's symbols into what arrived from the first
    received = apply_channel(symbols, channel)
    sigma = channel.noise_power.sqrt()[:, None]
    forged = ChannelState("awgn", channel.snr_db, (received - model.encode(other)) / sigma)
    outputs = [model(pair.source, pair.side, channel, roi), model(other, pair.side, forged, roi)]
    torch.testing.assert_close(outputs[0], outputs[1], atol=1e-5, rtol=0)


def test_side_never_moves_the_transmitted_symbols(architecture: str, pair: Pair) -> None:
    model, roi = small_model(architecture), roi_for(pair.source)
    symbols: list[torch.Tensor] = []
    original = model.encode
    model.encode = lambda source, *_: symbols.append(original(source)) or symbols[-1]  # type: ignore[method-assign]
    channel = channel_for(model, pair.source)
    outputs = [model(pair.source, side, channel, roi) for side in (pair.side, pictures(4, seed=3), 1 - pair.side)]
    assert torch.equal(symbols[0], symbols[1])
    assert torch.equal(symbols[0], symbols[2])
    assert torch.equal(outputs[0], outputs[1]) is (not model.config.side)


def test_only_guided_variants_look_at_the_map(architecture: str, pair: Pair) -> None:
    model, channel = small_model(architecture), channel_for(small_model(architecture), pair.source)
    outputs = [model(pair.source, pair.side, channel, roi_for(pair.source, seed)) for seed in (0, 1)]
    assert torch.equal(outputs[0], outputs[1]) is (not model.config.uses_roi)


def test_noise_and_symbols_move_every_variant(architecture: str, pair: Pair) -> None:
    model, roi = small_model(architecture), roi_for(pair.source)
    first, second = (model(pair.source, pair.side, channel_for(model, pair.source, seed=s), roi) for s in (0, 1))
    assert not torch.equal(first, second)


def test_pictures_of_a_batch_do_not_mix(architecture: str, pair: Pair) -> None:
    model, roi = small_model(architecture), roi_for(pair.source)
    channel = channel_for(model, pair.source)
    together = model(pair.source, pair.side, channel, roi)
    one = slice(2, 3)
    alone = ChannelState("awgn", channel.snr_db[one], channel.noise[one])
    torch.testing.assert_close(
        together[one], model(pair.source[one], pair.side[one], alone, roi[one]), atol=1e-5, rtol=0
    )


def test_same_seed_same_pixels(architecture: str, pair: Pair) -> None:
    outputs = []
    for _ in range(2):
        model = small_model(architecture)
        outputs.append(model(pair.source, pair.side, channel_for(model, pair.source), roi_for(pair.source)))
    assert torch.equal(*outputs)


def test_the_encoder_is_shared_and_registered_once() -> None:
    model = small_model("deepjscc_wz_roi")
    names = list(model.state_dict())
    assert len({name.split(".")[0] for name in names}) == 2
    assert len({p.data_ptr() for p in model.parameters()}) == len(list(model.parameters()))
    side = pictures(2)
    torch.testing.assert_close(model.encode_side(side, roi_for(side)).features.latent, model.encoder(side).latent)


def test_a_guided_variant_without_its_map_is_refused(pair: Pair) -> None:
    model = small_model("deepjscc_wz_roi")
    with pytest.raises(ValueError, match=r"deepjscc_wz_roi is guided by an ROI map: pass roi=roi_map"):
        model.encode_side(pair.side)
    with pytest.raises(ValueError, match=r"roi must be \[B, 1, H, W\].*\(4, 1, 16, 16\)"):
        model.encode_side(pair.side, torch.zeros(4, 1, 16, 16))
    with pytest.raises(ValueError, match=r"roi must be"):
        model.encode_side(pair.side, torch.zeros(1, 1, 32, 32))


def test_a_channel_of_another_rate_is_refused(architecture: str, pair: Pair) -> None:
    model, other = small_model(architecture, 16), small_model(architecture, 32)
    with pytest.raises(ValueError, match="num_symbols"):
        model(pair.source, pair.side, channel_for(other, pair.source), roi_for(pair.source))


@pytest.mark.parametrize("stage", ["rec", "task"])
def test_twenty_steps_learn(architecture: str, stage: str) -> None:
    """A short training on eight pictures: error falls by a factor, with or without the judge's term."""
    torch.manual_seed(0)
    model = small_model(architecture, rate=8, width=16).train().requires_grad_(True)
    optimiser = torch.optim.Adam(model.parameters(), lr=5e-3)
    images, judge = pictures(8), random_judge()
    labels = torch.arange(8)
    side, roi, losses = make_pair(images).side, roi_for(images), []
    for step in range(20):
        output = model(images, side, channel_for(model, images, 10.0, step), roi)
        error = nn.functional.mse_loss(output, images)
        loss = error + 1e-3 * nn.functional.cross_entropy(judge(output), labels) * (stage == "task")
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(error.item())
    assert losses[-1] < 0.6 * losses[0], losses
    assert all(p.grad is None for p in judge.parameters())
