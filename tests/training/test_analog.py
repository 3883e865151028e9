"""Bounds and the linear scheme: optimal against their definitions, and what is transmitted agrees with the theory."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from tests.support.shared import pictures
from training.baselines.analog import SCHEMES, baselines, measure_scheme
from training.baselines.linear import linear_scheme
from training.evaluation.row_cache import RowCache
from training.gaussian import Gaussian, Spectrum, allocate, capacity_bits, crop_values, reverse_water_filling
from wzroi.channel import sample_channel
from wzroi.data import Images
from wzroi.pairs import CropPair
from zoo.results import files


def small_pictures(count: int, seed: int = 0) -> torch.Tensor:
    return (pictures(count, 8, 8, seed) * 255).round().to(torch.uint8)


def images(count: int, seed: int = 0) -> Images:
    return Images(small_pictures(count, seed), torch.zeros(count, dtype=torch.long), torch.arange(count))


@pytest.fixture(scope="module")
def gaussian() -> Gaussian:
    return Gaussian(small_pictures(3000))


def test_reverse_water_filling_spends_the_bits() -> None:
    values = torch.tensor([8.0, 4.0, 1.0, 0.1], dtype=torch.double)
    distortion = reverse_water_filling(values, 3.0)
    assert 0.5 * (values / distortion).log2().sum().item() == pytest.approx(3.0, abs=1e-6)
    active = distortion < values - 1e-9
    assert distortion[active].max() - distortion[active].min() < 1e-9
    assert (distortion[~active] <= distortion.max()).all()


def test_reverse_water_filling_of_equal_variances_is_the_formula() -> None:
    distortion = reverse_water_filling(torch.full((6,), 2.0, dtype=torch.double), 12.0)
    assert torch.allclose(distortion, torch.full((6,), 2.0 * 2.0 ** (-2 * 12 / 6), dtype=torch.double))


def test_allocation_beats_any_other() -> None:
    """No random allocation of the same power leaves less error."""
    values, noise, power = torch.tensor([9.0, 4.0, 1.0, 0.01], dtype=torch.double), 0.2, 3.0
    best = allocate(values, power, noise)
    assert best.sum().item() == pytest.approx(power) and best.min() >= 0

    def error(powers: torch.Tensor) -> torch.Tensor:
        return (values * noise / (noise + powers)).sum(-1)

    generator = torch.Generator().manual_seed(0)
    others = -torch.rand(2000, 4, generator=generator, dtype=torch.double).log()
    others = power * others / others.sum(1, keepdim=True)
    assert (error(others) >= error(best) - 1e-12).all()


def test_capacity_of_ninety_six_uses() -> None:
    """PEERS: rho 1/32 carries 12.0 / 24.7 / 37.9 bytes an image at 0 / 5 / 9 dB."""
    assert [round(capacity_bits(96, snr) / 8, 1) for snr in (0, 5, 9)] == [12.0, 24.7, 37.9]


def test_crop_values_are_those_that_side_of_shows() -> None:
    image = torch.arange(3 * 32 * 32.0).reshape(1, 3, 32, 32)
    held = crop_values((3, 32, 32), CropPair())
    assert held.sum() == 1200
    assert torch.equal(image.flatten()[held].reshape(3, 20, 20), CropPair().side_of(image)[0, :, :20, :20])


def test_knowing_more_never_hurts(gaussian: Gaussian) -> None:
    for snr_db in (0.0, 10.0):
        found = gaussian.bounds(16, snr_db)
        assert found["none"] < found["paste"] and found["unsent"] <= found["conditional"] + 1e-9
    assert gaussian.bounds(16, 10.0)["none"] > gaussian.bounds(16, 0.0)["none"]
    assert gaussian.bounds(8, 5.0)["conditional"] > gaussian.bounds(16, 5.0)["conditional"]


@pytest.mark.parametrize("name", ["linear_average_power", "linear_wz_average_power"])
def test_transmission_agrees_with_the_closed_form(gaussian: Gaussian, name: str) -> None:
    row = measure_scheme(gaussian, name, 8, 5.0, images(2000, seed=1), draws=4)
    assert row["psnr_of_mean_mse"] == pytest.approx(row["closed_form_psnr_of_mean_mse"], abs=0.3)


def test_average_power_scheme_has_power_one_over_images(gaussian: Gaussian) -> None:
    scheme = linear_scheme(gaussian, 8, 5.0, side=True, per_image=False)
    sent = scheme.encode(small_pictures(3000).float() / 255)
    assert sent.abs().square().mean().item() == pytest.approx(1.0, abs=0.02)


def test_per_image_scheme_keeps_the_networks_constraint(gaussian: Gaussian) -> None:
    scheme = linear_scheme(gaussian, 8, 5.0, side=False, per_image=True)
    sent = scheme.encode(small_pictures(50, seed=2).float() / 255)
    assert torch.allclose(sent.abs().square().mean(1), torch.ones(50), atol=1e-4)


def test_a_pilot_gives_back_what_normalisation_takes(gaussian: Gaussian) -> None:
    """Under the networks' constraint the scheme stays near the textbook's; with a deaf pilot it would not."""
    free = measure_scheme(gaussian, "linear_average_power", 4, 10.0, images(2000, seed=1), draws=2)
    held = measure_scheme(gaussian, "linear", 4, 10.0, images(2000, seed=1), draws=2)
    assert free["psnr_of_mean_mse"] - 1.0 < held["psnr_of_mean_mse"] < free["psnr_of_mean_mse"] + 0.3
    scheme = linear_scheme(gaussian, 4, 10.0, side=False, per_image=True)
    assert scheme.pilot is not None and scheme.symbols == gaussian.symbols(4)
    quiet, loud = scheme.pilot.undo(torch.tensor([0.5, 4.0]))[:, 0].tolist()
    assert quiet > loud > 0  # a pilot that arrives strong belongs to an image that was scaled up: scale it down


def test_wyner_ziv_scheme_returns_the_known_crop_and_ignores_the_source_otherwise(gaussian: Gaussian) -> None:
    source = small_pictures(6, seed=3).float() / 255
    scheme = linear_scheme(gaussian, 8, 5.0, side=True, per_image=True)
    side = gaussian.source.side_of(source)
    channel = sample_channel("awgn", 5.0, 6, scheme.symbols, generator=torch.Generator().manual_seed(0))
    rebuilt = scheme.transmit(source, side, channel)
    assert torch.allclose(rebuilt[..., 3:, 3:], source[..., 3:, 3:], atol=1e-5)
    received = scheme.encode(source)
    assert torch.equal(scheme.decode(received, side), scheme.decode(received.clone(), side.clone()))


def test_linear_scheme_never_beats_the_bound(gaussian: Gaussian) -> None:
    """With Gaussian statistics the closed form stays below the rate-distortion bound at every SNR."""
    for snr_db in (-5.0, 5.0, 15.0):
        bound = gaussian.bounds(8, snr_db)
        linear = linear_scheme(gaussian, 8, snr_db, side=False, per_image=False)
        assert -10 * math.log10(linear.remaining) <= bound["none"] + 1e-6


def test_spectrum_falls_and_rebuilds() -> None:
    root = torch.randn(5, 5, dtype=torch.double, generator=torch.Generator().manual_seed(0))
    covariance = root @ root.T
    values, vectors = Spectrum.of(covariance)
    assert (values.diff() <= 0).all() and torch.allclose(vectors @ values.diag() @ vectors.T, covariance)


def test_rows_are_kept_until_all_are_measured(tmp_path: Path) -> None:
    row_cache = RowCache(tmp_path / "rows", {"images": 3})
    assert row_cache.row("a", lambda: {"x": 1.5}) == {"x": 1.5}
    with (tmp_path / "rows").open("a") as file:
        file.write('{"key": "b", "ro')  # killed here
    again = RowCache(tmp_path / "rows", {"images": 3})
    assert again.row("a", lambda: pytest.fail("measured twice")) == {"x": 1.5} and list(again.rows) == ["a"]
    assert RowCache(tmp_path / "rows", {"images": 4}).rows == {}
    again.close()
    assert not (tmp_path / "rows").exists()


def test_the_whole_file_in_miniature(tmp_path: Path) -> None:
    found = baselines(small_pictures(300), images(40, seed=1), tmp_path / "rows", rates=(16,), draws=2)
    assert {row["scheme"] for row in found["schemes"]} == set(SCHEMES) and not (tmp_path / "rows").exists()
    assert len(found["bounds"]) == len({row["snr_db"] for row in found["schemes"]}) == 14
    assert sum(row["scheme"] == "linear_wz_average_power" for row in found["schemes"]) == 3
    assert all(row["images"] == 40 and row["accuracy"] is None for row in found["schemes"])


def test_committed_bounds_are_those_measured_before() -> None:
    """Gaussian figures that an independent computation gave (mean-MSE PSNR at 5 dB, 1/32 and 1/16)."""
    found = files.read("bounds")
    assert found is not None
    before = {"none": (21.72, 24.05), "unsent": (25.51, 28.30), "conditional": (26.31, 29.02)}
    for kind, values in before.items():
        for rate, value in zip((32, 16), values, strict=True):
            assert dict(files.bounds(rate, kind))[5.0] == pytest.approx(value, abs=0.05)
    closed = {(r["scheme"], r["rate"]): r["closed_form_psnr_of_mean_mse"] for r in found["schemes"] if r["snr_db"] == 5}
    for name, values in {"linear_average_power": (20.39, 22.07), "linear_wz_average_power": (24.92, 26.74)}.items():
        assert (closed[name, 32], closed[name, 16]) == pytest.approx(values, abs=0.05)
