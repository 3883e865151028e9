"""PSNR and SSIM against scikit-image, intervals against numpy."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from tests.support.shared import pictures
from wzroi.metrics import PSNR_CAP_DB, decibels, estimate, psnr, roi_psnr, squared_error, ssim


def noisy(images: torch.Tensor, level: float) -> torch.Tensor:
    noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(1))
    return (images + level * noise).clamp(0, 1)


@pytest.mark.parametrize("size", [(32, 32), (37, 50)])
@pytest.mark.parametrize("level", [0.01, 0.1, 0.4])
def test_psnr_and_ssim_equal_scikit_image(size: tuple[int, int], level: float) -> None:
    source = pictures(4, *size)
    other = noisy(source, level)
    for i, (x, y) in enumerate(zip(source.double().numpy(), other.double().numpy(), strict=True)):
        assert psnr(other, source)[i].item() == pytest.approx(peak_signal_noise_ratio(x, y, data_range=1.0), abs=1e-3)
        expected = structural_similarity(
            x, y, channel_axis=0, data_range=1.0, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
        )
        assert ssim(other, source)[i].item() == pytest.approx(expected, abs=1e-4)


def test_psnr_is_per_image_and_not_of_the_mean_error() -> None:
    source = torch.full((2, 3, 16, 16), 0.5)
    other = source + torch.tensor([0.1, 0.01])[:, None, None, None]
    assert psnr(other, source).tolist() == pytest.approx([20, 40], abs=1e-3)
    of_mean = decibels(squared_error(other, source).mean()).item()
    assert of_mean == pytest.approx(10 * math.log10(1 / ((0.01 + 0.0001) / 2)), abs=1e-3)
    assert psnr(other, source).mean().item() - of_mean > 5


def test_an_exact_copy_is_capped_and_finite() -> None:
    source = pictures(2)
    assert psnr(source, source).tolist() == [PSNR_CAP_DB] * 2
    assert ssim(source, source).tolist() == pytest.approx([1, 1], abs=1e-5)


def test_ssim_has_no_window_in_tiny_pictures() -> None:
    assert ssim(pictures(2, 10, 40), pictures(2, 10, 40)).isnan().all()
    assert ssim(pictures(2, 11, 11), pictures(2, 11, 11)).isfinite().all()


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match="shapes differ"):
        psnr(pictures(2), pictures(2, 32, 36))


def test_roi_psnr_weighs_the_error_by_the_map() -> None:
    source = pictures(3)
    other, weight = noisy(source, 0.1), torch.rand(3, 1, 32, 32, generator=torch.Generator().manual_seed(2))
    x, y, w = (t.double().numpy() for t in (source, other, weight))
    error = ((x - y) ** 2).mean(axis=1, keepdims=True)
    expected = -10 * np.log10((w * error).sum(axis=(1, 2, 3)) / w.sum(axis=(1, 2, 3)))
    np.testing.assert_allclose(roi_psnr(other, source, weight).numpy(), expected, atol=1e-3)
    np.testing.assert_allclose(roi_psnr(other, source, 5 * weight).numpy(), expected, atol=1e-3)
    assert torch.allclose(roi_psnr(other, source, torch.ones(3, 1, 32, 32)), psnr(other, source), atol=1e-3)


def test_roi_psnr_sees_only_the_region() -> None:
    source = pictures(1)
    inside, outside = source.clone(), source.clone()
    inside[..., :8, :8] = 1 - inside[..., :8, :8]
    outside[..., 24:, 24:] = 1 - outside[..., 24:, 24:]
    weight = torch.zeros(1, 1, 32, 32)
    weight[..., :8, :8] = 1
    assert roi_psnr(outside, source, weight).item() == PSNR_CAP_DB
    assert roi_psnr(inside, source, weight).item() < psnr(inside, source).item() - 10
    assert roi_psnr(inside, source, torch.zeros_like(weight)).isnan().all()


def test_interval_is_the_normal_one() -> None:
    values = torch.randn(500, generator=torch.Generator().manual_seed(0)) * 3 + 20
    found, numbers = estimate(values), values.double().numpy()
    assert found.mean == pytest.approx(numbers.mean())
    assert found.ci95 == pytest.approx(1.96 * numbers.std(ddof=1) / math.sqrt(500))


def test_interval_covers_the_truth_as_often_as_it_says() -> None:
    draws = torch.randn(2_000, 100, generator=torch.Generator().manual_seed(1))
    found = [estimate(row) for row in draws]
    covered = sum(abs(one.mean) <= one.ci95 for one in found) / len(found)
    assert covered == pytest.approx(0.95, abs=0.02)


def test_draws_of_one_image_are_not_independent() -> None:
    images = torch.randn(50, generator=torch.Generator().manual_seed(2))
    values, groups = images.repeat(20), torch.arange(50).repeat(20) * 3 + 7
    grouped, alone = estimate(values, groups), estimate(images)
    assert grouped.mean == pytest.approx(alone.mean)
    assert grouped.ci95 == pytest.approx(alone.ci95)
    assert estimate(values).ci95 < grouped.ci95 / 4  # what treating draws as images would claim


def test_undefined_values_are_left_out() -> None:
    values = torch.tensor([1.0, math.nan, 3.0])
    assert estimate(values).mean == 2
    assert estimate(values, torch.tensor([0, 1, 2])) == estimate(torch.tensor([1.0, 3.0]))
    assert math.isnan(estimate(torch.tensor([math.nan])).mean)
    assert math.isnan(estimate(torch.tensor([math.nan]), torch.tensor([0])).mean)
    assert math.isnan(estimate(torch.tensor([1.0])).ci95)
