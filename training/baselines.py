"""What needs no network: a linear analog scheme, really transmitted, and Gaussian bounds at channel capacity.

All statistics (mean and covariance of the 3072 source values) come from the training split; the schemes are measured on
the test split through the same channel and metrics as the networks. The bounds are those of a Gaussian source with that
covariance: real pictures are not Gaussian, so a good code may pass them.

An image ``x`` is split into ``v``, the crop that the receiver holds, and ``u``, the rest (``CropPair``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import torch
import typer
from torch import Tensor

from training.evaluate import SNRS, Tally, channel_draw, stamp, write_json
from wzroi.channel import ChannelState, apply_channel, normalise_power
from wzroi.config import RATES
from wzroi.data import as_float, load_split
from wzroi.metrics import psnr, ssim
from wzroi.pairs import CropPair
from zoo.results import HEADLINE_DB as HEADLINE
from zoo.results import PAPER_RATES, RESULTS, TABLE_SNRS


class Statistics(NamedTuple):
    """``mean`` ``[n]`` and ``covariance`` ``[n, n]`` of flattened images, double; ``shape`` is (3, H, W)."""

    mean: Tensor
    covariance: Tensor
    shape: tuple[int, int, int]


def statistics_of(pixels: Tensor, chunk: int = 5000) -> Statistics:
    """Mean and covariance of uint8 images ``[m, 3, H, W]`` on [0, 1]."""
    size = pixels[0].numel()
    total, products = torch.zeros(size, dtype=torch.double), torch.zeros(size, size, dtype=torch.double)
    for part in pixels.split(chunk):
        values = as_float(part).flatten(1) - 0.5  # centred roughly, so that single precision is enough
        total += values.sum(0, dtype=torch.double)
        products += (values.T @ values).double()
    mean = total / len(pixels)
    covariance = products / len(pixels) - mean[:, None] * mean
    channels, height, width = pixels.shape[1:]
    return Statistics(mean + 0.5, covariance, (channels, height, width))


def crop_values(shape: tuple[int, int, int], source: CropPair) -> Tensor:
    """Which of the flattened values the receiver holds, bool ``[n]``."""
    row, column, rows, columns = source.box(shape[1], shape[2])
    held = torch.zeros(shape, dtype=torch.bool)
    held[:, row : row + rows, column : column + columns] = True
    return held.flatten()


class Conditional(NamedTuple):
    """``u`` given ``v``, Gaussian: ``E[u|v] = mean_u + regression (v - mean_v)``, and the covariance of the rest."""

    regression: Tensor
    covariance: Tensor


def conditional(statistics: Statistics, held: Tensor, ridge: float = 1e-6) -> Conditional:
    """Linear regression of the values not held on those held; ``ridge`` is a share of the mean variance."""
    covariance = statistics.covariance
    known = covariance[held][:, held]
    known = known + ridge * known.diagonal().mean() * torch.eye(len(known), dtype=torch.double)
    cross = covariance[~held][:, held]
    regression = torch.linalg.solve(known, cross.T).T
    return Conditional(regression, covariance[~held][:, ~held] - regression @ cross.T)


def reverse_water_filling(eigenvalues: Tensor, bits: float) -> Tensor:
    """Distortion of each component of a Gaussian source coded with ``bits`` in all (Cover and Thomas, theorem 10.3.3).

    Args:
        eigenvalues: variances ``[n]``, not negative. Returns ``min(eigenvalue, level)``, ``[n]``.
    """
    low, high = 0.0, eigenvalues.max().item()
    for _ in range(200):
        level = (low + high) / 2
        needed = 0.5 * (eigenvalues / max(level, 1e-300)).log2().clamp_min(0).sum().item()
        low, high = (level, high) if needed > bits else (low, level)
    return eigenvalues.clamp_max(high)


def capacity_bits(symbols: int, snr_db: float) -> float:
    """Bits that ``symbols`` complex uses of an AWGN channel carry at capacity."""
    return symbols * math.log2(1 + 10 ** (snr_db / 10))


def allocate(eigenvalues: Tensor, power: float, noise: float) -> Tensor:
    """Power of each coefficient, ``[n]``, that minimises the linear scheme's squared error (Lee and Petersen, 1976).

    Each coefficient is sent alone over a real use with noise variance ``noise``; what remains is
    ``eigenvalue * noise / (noise + power_i)``. The powers sum to ``power``; weak coefficients get none.
    """
    roots = eigenvalues.clamp_min(0).sqrt()
    order = roots.argsort(descending=True)
    sorted_roots = roots[order]
    counts = torch.arange(1, len(roots) + 1, dtype=torch.double)
    levels = (power + counts * noise) / sorted_roots.cumsum(0).clamp_min(1e-300)
    active = int((levels * sorted_roots > noise).sum())
    powers = torch.zeros_like(roots)
    powers[order[:active]] = levels[active - 1] * sorted_roots[:active] - noise
    return powers


@dataclass(frozen=True)
class LinearScheme:
    """KLT, power allocation, one coefficient a real channel use, linear estimate; ``symbols`` complex uses an image.

    Attributes:
        basis: ``[n_u, 2 * symbols]``, directions that are sent. gains: ``[2 * symbols]``, amplitude of each.
        weights: ``[2 * symbols]``, the receiver's estimate of each coefficient from what arrives.
        residual: what of the image is sent: all of it, or (with side information) ``u - E[u|v]``.
        per_image: whether each image's power is normalised as the networks' is (DESIGN, section 2); else only the
            average over images is one, which is the easier constraint of the textbook scheme.
        remaining: mean squared error per source value by the closed form (average power, nothing clipped).
    """

    basis: Tensor
    gains: Tensor
    weights: Tensor
    residual: Residual
    per_image: bool
    remaining: float

    @property
    def symbols(self) -> int:
        """Complex channel uses an image."""
        return len(self.gains) // 2

    def encode(self, images: Tensor) -> Tensor:
        """Symbols, complex ``[B, K]``, of images ``[B, 3, H, W]``."""
        return self.modulate(self.residual.of(images) @ self.basis)

    def modulate(self, coefficients: Tensor) -> Tensor:
        """Symbols, complex ``[B, K]``, of coefficients ``[B, 2 * symbols]``."""
        symbols = torch.view_as_complex((coefficients * self.gains).unflatten(1, (-1, 2)))
        return normalise_power(symbols) if self.per_image else symbols

    def decode(self, received: Tensor, side: Tensor) -> Tensor:
        """Received symbols and ``x_side`` ``[B, 3, H, W]`` to images in [0, 1]."""
        estimate = torch.view_as_real(received).flatten(1) * self.weights
        return self.residual.complete(estimate @ self.basis.T, side).clamp(0, 1)

    def transmit(self, images: Tensor, side: Tensor, channel: ChannelState) -> Tensor:
        """Encode, send and decode."""
        return self.decode(apply_channel(self.encode(images), channel), side)


class Residual:
    """The part of an image that a linear scheme sends, and how the receiver completes it.

    Without side information that is ``x - mean``; with it ``u - E[u|v]``, and the receiver adds what it knows.
    """

    def __init__(self, statistics: Statistics, source: CropPair | None, given: Conditional | None = None) -> None:
        self.shape, self.mean = statistics.shape, statistics.mean.float()
        self.source, self.held, self.regression = source, None, None
        if source is not None and given is not None:
            self.held, self.regression = crop_values(statistics.shape, source), given.regression.float()

    def of(self, images: Tensor) -> Tensor:
        """``[B, n_u]``."""
        centred = images.flatten(1) - self.mean
        if self.held is None or self.regression is None:
            return centred
        return centred[:, ~self.held] - centred[:, self.held] @ self.regression.T

    def complete(self, residual: Tensor, side: Tensor) -> Tensor:
        """Images ``[B, 3, H, W]``, not clipped."""
        if self.held is None or self.regression is None or self.source is None:
            return (residual + self.mean).reshape(-1, *self.shape)
        values = self.source.paste(torch.zeros_like(side), side).flatten(1) - self.mean
        values[:, ~self.held] = residual + values[:, self.held] @ self.regression.T
        return (values + self.mean).reshape(-1, *self.shape)


class Gaussian:
    """Statistics of a training split with their eigenvectors: makes bounds and schemes for any rate and SNR."""

    def __init__(self, pixels: Tensor, source: CropPair | None = None) -> None:
        self.source = source or CropPair()
        self.statistics = statistics_of(pixels)
        self.held = crop_values(self.statistics.shape, self.source)
        self.given = conditional(self.statistics, self.held)
        covariance = self.statistics.covariance
        self.whole = Spectrum.of(covariance)
        self.unheld = torch.linalg.eigvalsh(covariance[~self.held][:, ~self.held]).clamp_min(0)
        self.unknown = Spectrum.of(self.given.covariance)
        self.training = pixels[:5000]

    @property
    def size(self) -> int:
        """Source values an image."""
        return len(self.held)

    def symbols(self, rate: int) -> int:
        """Complex channel uses an image at ``rho = 1/rate``."""
        return self.size // rate

    def bounds(self, rate: int, snr_db: float) -> dict[str, float]:
        """PSNR of the mean squared error, dB, of an ideal code for a Gaussian source at channel capacity.

        ``none`` knows no side information; ``paste`` is that with the crop copied back; ``unsent`` codes the rest
        without looking at the crop; ``conditional`` codes the rest given the crop, which Wyner and Ziv (1976) showed
        costs nothing more when only the receiver has it.
        """
        bits = capacity_bits(self.symbols(rate), snr_db)
        whole = reverse_water_filling(self.whole.values, bits)
        outside = (self.whole.vectors[~self.held].square() @ whole).sum()
        errors = {
            "none": whole.sum(), "paste": outside, "unsent": reverse_water_filling(self.unheld, bits).sum(),
            "conditional": reverse_water_filling(self.unknown.values, bits).sum(),
        }
        return {name: -10 * math.log10(error.item() / self.size) for name, error in errors.items()}

    def scheme(self, rate: int, snr_db: float, *, side: bool, per_image: bool) -> LinearScheme:
        """The linear analog scheme for a rate and an SNR, which both ends know."""
        spectrum = self.unknown if side else self.whole
        residual = Residual(self.statistics, self.source if side else None, self.given)
        uses = 2 * self.symbols(rate)
        noise = 10 ** (-snr_db / 10) / 2
        values = spectrum.values[:uses]
        powers = allocate(values, self.symbols(rate), noise)
        gains = (powers / values.clamp_min(1e-300)).sqrt()
        unsent = spectrum.values[uses:].sum()
        remaining = (unsent + (values * noise / (noise + powers)).sum()).item() / self.size
        weights = gains * values / (noise + powers)
        basis = spectrum.vectors[:, :uses].float()
        scheme = LinearScheme(basis, gains.float(), weights.float(), residual, per_image, remaining)
        return scheme if not per_image else self._fit(scheme, noise)

    def _fit(self, scheme: LinearScheme, noise: float) -> LinearScheme:
        """The receiver's weights when each image's power is normalised: regressions measured on training images."""
        images = as_float(self.training)
        known = scheme.residual.of(images) @ scheme.basis
        seen = torch.view_as_real(scheme.modulate(known)).flatten(1)
        weights = (known * seen).mean(0) / (seen.square().mean(0) + noise)
        return LinearScheme(scheme.basis, scheme.gains, weights, scheme.residual, True, scheme.remaining)


class Spectrum(NamedTuple):
    """Eigenvalues, falling, ``[n]`` and eigenvectors in columns ``[n, n]`` of a covariance."""

    values: Tensor
    vectors: Tensor

    @classmethod
    def of(cls, covariance: Tensor) -> Spectrum:
        """Decompose a symmetric matrix; rounding below zero is cut off."""
        values, vectors = torch.linalg.eigh(covariance)
        return cls(values.flip(0).clamp_min(0), vectors.flip(1))


SCHEMES = {
    "linear": (False, True),
    "linear_wz": (True, True),
    "linear_average_power": (False, False),
    "linear_wz_average_power": (True, False),
}
"""Scheme -> (side information, power normalised per image)."""


def measure_scheme(
    gaussian: Gaussian, name: str, rate: int, snr_db: float, pixels: Tensor, *, draws: int = 10, seed: int = 0
) -> dict[str, Any]:
    """Transmit test images ``[m, 3, H, W]`` (uint8) through AWGN and measure: a row of ``bounds.json``.

    At the headline SNR of the paper's rates every image is sent in every draw, else once: draw ``d`` sends the images
    ``d, d + draws, ...``. SSIM is taken of each image's own draw at ``TABLE_SNRS``.
    """
    side, per_image = SCHEMES[name]
    scheme = gaussian.scheme(rate, snr_db, side=side, per_image=per_image)
    everywhere = snr_db == HEADLINE and rate in PAPER_RATES
    channels = [
        channel_draw("awgn", seed, draw, len(pixels), scheme.symbols, "cpu").at_snr(snr_db) for draw in range(draws)
    ]
    tally = Tally()
    for part in range(draws):
        for chosen in torch.arange(part, len(pixels), draws).split(500):
            images = as_float(pixels[chosen])
            symbols, known = scheme.encode(images), gaussian.source.side_of(images)
            for draw in range(draws) if everywhere else [part]:
                state = ChannelState("awgn", channels[draw].snr_db[chosen], channels[draw].noise[chosen])
                rebuilt = scheme.decode(apply_channel(symbols, state), known)
                looked = draw == part and snr_db in TABLE_SNRS
                similar = ssim(rebuilt, images) if looked else torch.full((len(chosen),), torch.nan)
                tally.add(chosen, psnr(rebuilt, images), similar, None, None)
    theory = {"closed_form_psnr_of_mean_mse": round(-10 * math.log10(scheme.remaining), 6)}
    return {"scheme": name, "rate": rate, **tally.row(snr_db, draws), **theory}


def baselines(train: Tensor, test: Tensor, *, rates: tuple[int, ...] = RATES, draws: int = 10) -> dict[str, Any]:
    """All bounds, and the linear schemes: over SNR at the paper's rates, at 5 dB at the others."""
    gaussian = Gaussian(train)
    points = [(rate, snr_db) for rate in rates for snr_db in sorted(SNRS)]
    rows = [
        {"rate": rate, "snr_db": snr_db, **{k: round(v, 6) for k, v in gaussian.bounds(rate, snr_db).items()}}
        for rate, snr_db in points
    ]
    sent = [point for point in points if point[0] in PAPER_RATES or point[1] == HEADLINE]
    schemes = [
        measure_scheme(gaussian, name, rate, snr_db, test, draws=draws)
        for name in SCHEMES for rate, snr_db in sent if name in ("linear", "linear_wz") or snr_db in TABLE_SNRS
    ]
    return {
        "model": "bounds", **stamp(torch.device("cpu")), "statistics": f"train, {len(train)} images",
        "images": len(test), "seeds": [0], "draws": draws, "pair_source": gaussian.source.name, "channel": "awgn",
        "bounds": rows, "schemes": schemes,
    }


def baselines_command(
    root: Annotated[Path | None, typer.Option(help="Folder of CIFAR-10 (default: $WZROI_DATA).")] = None,
    out: Annotated[Path, typer.Option(help="Folder of the results files.")] = RESULTS,
    limit: Annotated[int | None, typer.Option(min=2, help="Only the first images of each split (a trial).")] = None,
    threads: Annotated[int, typer.Option(help="CPU threads; 0 leaves torch's default.")] = 0,
) -> None:
    """Measure the linear analog scheme and compute the Gaussian bounds into bounds.json."""
    if threads:
        torch.set_num_threads(threads)
    train, test = (load_split(split, root).pixels[:limit] for split in ("train", "test"))
    found = baselines(train, test)
    write_json(out / "bounds.json", found)
    at = {(r["scheme"], r["rate"]): r["psnr_of_mean_mse"] for r in found["schemes"] if r["snr_db"] == HEADLINE}
    for (name, rate), value in at.items():
        typer.echo(f"{name} 1/{rate}: {value:.2f} dB of mean MSE at 5 dB")
