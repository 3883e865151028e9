"""The blocks against their formulas, written out a second time in numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from tests.support.shared import pictures
from wzroi.networks.layers import GDN, GDN_FLOOR, ConditionNetwork, Modulation, SpatialFeatureTransform


def randomised(module: nn.Module, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.5)
    return module


@pytest.mark.parametrize("inverse", [False, True])
def test_gdn_is_its_formula(inverse: bool) -> None:
    layer = randomised(GDN(5, inverse=inverse))
    x = torch.randn(2, 5, 3, 4, generator=torch.Generator().manual_seed(1))
    beta = layer.beta_root.detach().double().numpy() ** 2 + GDN_FLOOR
    gamma = layer.gamma_root.detach().double().numpy() ** 2
    values = x.double().numpy()
    expected = np.empty_like(values)
    for i in range(5):
        root = np.sqrt(beta[i] + sum(gamma[i, j] * values[:, j] ** 2 for j in range(5)))
        expected[:, i] = values[:, i] * root if inverse else values[:, i] / root
    np.testing.assert_allclose(layer(x).detach().numpy(), expected, rtol=1e-4)


def test_gdn_stays_finite_under_any_parameter_and_at_zero() -> None:
    layer = GDN(4)
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    x = torch.zeros(1, 4, 2, 2, requires_grad=True)
    layer(x).sum().backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()


@pytest.mark.parametrize("inverse", [False, True])
def test_gdn_starts_where_every_root_has_a_gradient(inverse: bool) -> None:
    layer = GDN(6, inverse=inverse)
    (layer(torch.randn(2, 6, 4, 4, generator=torch.Generator().manual_seed(0))) ** 2).sum().backward()
    for parameter in layer.parameters():
        assert (parameter.grad != 0).all()


@pytest.mark.parametrize(("scale", "inputs"), [(2, 3), (2, 4), (4, 3), (4, 4)])
def test_condition_network_brings_the_picture_to_scale(scale: int, inputs: int) -> None:
    maps = ConditionNetwork(inputs, 8, scale=scale)(torch.rand(2, inputs, 20, 28))
    assert maps.shape == (2, 8, 20 // scale, 28 // scale)


def test_sft_is_gamma_f_plus_beta() -> None:
    layer = SpatialFeatureTransform(3, 4, 8, 6, scale=4)
    f, gamma, beta = (torch.randn(2, 6, 8, 8, generator=torch.Generator().manual_seed(s)) for s in range(3))
    expected = gamma.numpy() * f.numpy() + beta.numpy()
    np.testing.assert_allclose(layer(f, Modulation(gamma, beta)).numpy(), expected, rtol=1e-5, atol=1e-6)


def test_sft_gamma_is_parametrised_around_one() -> None:
    layer = SpatialFeatureTransform(4, 4, 8, 6, scale=2)
    for head in (layer.to_gamma, layer.to_beta):
        nn.init.zeros_(head.weight)
        nn.init.zeros_(head.bias)
    gamma, beta = layer.modulation(torch.rand(2, 4, 16, 16))
    assert torch.equal(gamma, torch.ones(2, 6, 8, 8))
    assert torch.equal(beta, torch.zeros(2, 6, 8, 8))


def test_sft_modulation_follows_the_condition_at_its_place() -> None:
    layer = SpatialFeatureTransform(3, 4, 8, 6, scale=4)
    one, other = pictures(1), pictures(1)
    other[..., :4, :4] = 1 - other[..., :4, :4]
    with torch.no_grad():
        moved = (layer.modulation(one).gamma - layer.modulation(other).gamma).abs().amax(dim=(0, 1))
    assert moved[:2, :2].max() > 0
    assert moved[-3:, -3:].max() == 0
