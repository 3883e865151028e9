"""Training of the flexible network ``wz_roi_flex``: every SNR, rate and pair source in one run."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.fit.loop import BEGUN
from training.fit.roi_cache import RoiCache
from training.fit.side_augmentation import blind_sides, importance_maps
from training.gaussian import Gaussian
from training.recipes import FlexTier
from wzroi.channel import ChannelState, apply_channel, sample_channel
from wzroi.data import Images, as_float
from wzroi.judge import Judge
from wzroi.metrics import psnr
from wzroi.networks.block_transform import RANK, STEP, WindowTransform
from wzroi.networks.flex import FlexJSCC, importance_weight
from wzroi.pairs import CropPair, Placement

KNOWN_CROP_SHARE = 0.55
"""Batches whose pair source (the paper's crop) both ends know; the others are blind."""

FEEDBACK_SHARE = 0.1
"""Blind batches with an importance map at the encoder."""

MAP_SHARE = 0.3
"""Batches with a known crop, in ``rec``, that have a map at the decoder: smooth random ones, as no judge takes part."""

LOWEST, HIGHEST = 32, 384
"""Complex symbols a window: rho from 1/96 to 1/8, drawn with equal share in each octave."""

SNRS = (-5.0, 20.0)
SOFTENING = 1e-5
"""Added to a squared error before its logarithm: errors below 50 dB do not pull."""


def start_transform(transform: WindowTransform, gaussian: Gaussian) -> None:
    """Set a transform to the Karhunen-Loeve transforms of training pictures' statistics, in place."""
    count = transform.no_crop_roots.numel()
    held = gaussian.held
    with torch.no_grad():
        transform.mean.copy_(gaussian.statistics.mean)
        transform.no_crop_basis.copy_(gaussian.whole.vectors[:, :count] / STEP)
        transform.no_crop_roots.copy_(gaussian.whole.values[:count].sqrt())
        residual = gaussian.unknown.vectors[:, :count]
        transform.known_crop_basis[~held] = (residual / STEP).float()
        transform.known_crop_basis[held] = (-(gaussian.given.regression.T @ residual) / STEP).float()
        transform.known_crop_roots.copy_(gaussian.unknown.values[:count].sqrt())
        into, out = reduced_regression(gaussian, RANK)
        transform.estimate_in.zero_()
        transform.estimate_out.zero_()
        transform.estimate_in[held] = (into / STEP).float()
        transform.estimate_out[:, ~held] = (out / STEP).float()


def reduced_regression(gaussian: Gaussian, rank: int) -> tuple[Tensor, Tensor]:
    """The linear estimate of the rest from the crop at a lower rank, as factors ``[n_v, r]`` and ``[r, n_u]``.

    The best of its rank in mean squared error (Izenman, 1975): the estimate projected on its principal components.
    """
    regression, covariance = gaussian.given.regression, gaussian.statistics.covariance
    known = covariance[gaussian.held][:, gaussian.held]
    vectors = torch.linalg.eigh(regression @ known @ regression.T).eigenvectors.flip(1)[:, :rank]
    return regression.T @ vectors, vectors.T


class BatchSetup(NamedTuple):
    """What a batch is trained on."""

    channel: ChannelState
    placement: Placement | None
    importance: Tensor | None


class FlexTask:
    """Mean logarithm of each picture's squared error (so that mean PSNR grows at every SNR and rate alike).

    ``task`` adds lambda times the cross entropy under the frozen judge. Where there is a map, at the decoder or fed
    back to the encoder, errors are weighted by it.
    """

    progress = BEGUN

    def __init__(
        self, tier: FlexTier, train: Images, validation: Images, judge: Judge | None, *, task: bool, store: Path,
        start: dict[str, Tensor] | None = None,
    ) -> None:  # fmt: skip
        self.tier, self.train, self.validation, self.task = tier, train, validation, task
        self.network = FlexJSCC(tier.config)
        if start is None:
            start_transform(self.network.transform, Gaussian(train.pixels))
        else:
            self.network.load_state_dict(start, strict=True)
        self.model: nn.Module = self.network
        self.examples = len(train.pixels)
        self.pair_source = CropPair()
        self.judge = judge.eval().requires_grad_(False) if judge is not None else None
        if task and judge is None:
            raise ValueError("a task network needs the tier's judge: train it first with `python -m training judge`")
        self.roi = RoiCache.kept(judge, train, oracle=False, store=store) if task and judge is not None else None

    def loss(self, forward: nn.Module, indices: Tensor, generator: torch.Generator, share: slice) -> Tensor:
        source = as_float(self.train.pixels[indices])
        flipped = torch.rand(len(source), 1, 1, 1, generator=generator, device=generator.device) < 0.5
        if self.roi is None:  # the stored maps are those of the pictures as they are
            source = torch.where(flipped.to(source.device), source.flip(3), source)
        setting = self._draw(len(source), generator, source.device)
        known = setting.placement is not None
        side = self.pair_source.side_of(source) if known else blind_sides(source, generator)
        roi = self._map(indices, generator, source.device) if known else None
        mine = [None if x is None else x[share] for x in (source, side, roi, setting.importance)]
        labels = self.train.labels[indices[share]]
        return self._loss(forward, mine, _share(setting.channel, share), setting.placement, labels)

    def _map(self, indices: Tensor, generator: torch.Generator, device: torch.device) -> Tensor | None:
        """The batch's map at the decoder, times a strength from 0 to 1; ``None``: it has none."""
        draws = torch.rand(2, generator=generator, device=generator.device).tolist()
        if self.roi is not None:
            return self.roi[indices] * draws[1]
        return importance_maps(len(indices), 32, generator, device) * draws[1] if draws[0] < MAP_SHARE else None

    def _loss(
        self, forward: nn.Module, mine: list[Tensor | None], channel: ChannelState, placement: Placement | None,
        labels: Tensor,
    ) -> Tensor:  # fmt: skip
        source, side, roi, importance = mine
        assert source is not None and side is not None  # the caller has them
        output = forward(source, side, channel, roi, placement, 1.0, importance)
        asked = roi if importance is None else importance  # errors count more there
        weight = 1.0 if asked is None else importance_weight(asked).square()
        errors = ((output - source).square() * weight).mean(dim=(1, 2, 3))
        loss = (errors + SOFTENING).log().mean()
        if self.judge is not None and self.task:
            loss = loss + self.tier.trade_off * F.cross_entropy(self.judge(output), labels)
        return loss

    def _draw(self, batch: int, generator: torch.Generator, device: torch.device) -> BatchSetup:
        draws = torch.rand(3, generator=generator, device=generator.device).tolist()
        each = min(HIGHEST, int(LOWEST * (HIGHEST / LOWEST) ** draws[0] * 1.02))
        low, high = SNRS
        snr = low + (high - low) * torch.rand(batch, generator=generator, device=generator.device)
        channel = sample_channel("awgn", snr, batch, each, generator=generator, device=device)
        if draws[1] < KNOWN_CROP_SHARE:
            return BatchSetup(channel, self.pair_source.placement(32, 32), None)
        fed_back = draws[2] < FEEDBACK_SHARE
        return BatchSetup(channel, None, importance_maps(batch, 32, generator, device) if fed_back else None)

    @torch.no_grad()
    def validate(self, model: nn.Module, images: int | None = None) -> dict[str, float]:
        """Mean PSNR at 5 dB on (the first ``images`` of) the validation set: crop known, blind, and no side image."""
        model.eval()
        known = self.pair_source.placement(32, 32)
        settings = {
            "psnr": (16, known, 1.0), "r32": (32, known, 1.0), "blind": (16, None, 1.0), "alone": (16, None, 0.0)
        }  # fmt: skip
        found = {name: self._measure(images, *setting) for name, setting in settings.items()}
        return found | ({"accuracy": self._accuracy(images)} if self.judge is not None and self.task else {})

    def _outputs(self, images: int | None, rate: int, placement: Placement | None, share: float) -> list[Tensor]:
        pixels, generator = self.validation.pixels[:images], torch.Generator().manual_seed(1)
        outputs = []
        for part in pixels.split(250):
            source = as_float(part)
            symbols = self.network.num_symbols(32, 32, 1 / rate)
            channel = sample_channel("awgn", 5.0, len(part), symbols, generator=generator, device=source.device)
            side = self.pair_source.side_of(source) * share
            sent = self.network.modulate(self.network.encode(source, placement), channel, placement)
            context = self.network.encode_side(side, None, placement)
            outputs.append(self.network.decode(apply_channel(sent, channel), context, channel))
        return outputs

    def _measure(self, images: int | None, rate: int, placement: Placement | None, share: float) -> float:
        outputs = torch.cat(self._outputs(images, rate, placement, share))
        return psnr(outputs, as_float(self.validation.pixels[:images])).mean().item()

    def _accuracy(self, images: int | None) -> float:
        assert self.judge is not None  # the caller asked
        outputs = self._outputs(images, 16, self.pair_source.placement(32, 32), 1.0)
        correct = torch.cat([self.judge(part).argmax(1) for part in outputs])
        return (correct == self.validation.labels[:images]).float().mean().item()


def _share(channel: ChannelState, share: slice) -> ChannelState:
    return ChannelState(channel.kind, channel.snr_db[share], channel.noise[share])
