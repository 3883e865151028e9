"""Algorithm 1 (``rec``) and Algorithm 2 (``task``): train one link network."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.recipes import Tier, model_config
from wzroi.channel import apply_channel, sample_channel
from wzroi.config import ModelName
from wzroi.data import Images, as_float
from wzroi.judge import Judge
from wzroi.metrics import psnr
from wzroi.model import WynerZivJSCC
from wzroi.pairs import CropPair
from wzroi.roi import gradcam, upscale

VALIDATION_SEED = 1


class RoiCache:
    """The ROI map of every image of a split, at the judge's resolution; ``[n, 1, h, w]`` half precision."""

    def __init__(self, judge: Judge, images: Images, *, oracle: bool, batch: int = 500) -> None:
        maps = []
        for start in range(0, len(images.pixels), batch):
            source = as_float(images.pixels[start : start + batch])
            seen = source if oracle else CropPair().side_of(source)
            classes = images.labels[start : start + batch] if oracle else None
            maps.append(gradcam(judge, seen, classes).half())
        self.maps = torch.cat(maps)

    def __getitem__(self, indices: Tensor | slice) -> Tensor:
        return upscale(self.maps[indices].float(), (32, 32))


class LinkTask:
    """MSE (eq. 9), or MSE + lambda * CE under a frozen judge (eq. 10), at the tier's SNR on AWGN.

    The ROI map is the ``side`` one, as at the receiver; an oracle network's is ``source+label``.
    """

    def __init__(self, name: ModelName, tier: Tier, train: Images, validation: Images, judge: Judge | None) -> None:
        self.name, self.tier = name, tier
        self.network = WynerZivJSCC(model_config(name))
        self.model: nn.Module = self.network
        self.train, self.validation = train, validation
        self.examples = len(train.pixels)
        self.pair_source = CropPair()
        needs_judge = self.network.config.uses_roi or name.stage == "task"
        if needs_judge and judge is None:
            raise ValueError(f"{name} needs the judge {tier.judge}: train it first with `python -m training judge`")
        self.judge = judge.eval().requires_grad_(False) if judge is not None else None
        self.roi, self.validation_roi = None, None
        if self.network.config.uses_roi and judge is not None:
            self.roi = RoiCache(judge, train, oracle=name.oracle)
            self.validation_roi = RoiCache(judge, validation, oracle=name.oracle)

    def loss(self, forward: nn.Module, indices: Tensor, generator: torch.Generator, share: slice) -> Tensor:
        symbols = self.network.num_symbols(32, 32)
        channel = sample_channel("awgn", self.tier.snr_db, len(indices), symbols, generator=generator)
        channel = type(channel)(channel.kind, channel.snr_db[share], channel.noise[share])
        mine = indices[share]
        source = as_float(self.train.pixels[mine]).contiguous(memory_format=torch.channels_last)
        roi = self.roi[mine] if self.roi is not None else None
        output = forward(source, self.pair_source.side_of(source), channel, roi)
        loss = F.mse_loss(output.float(), source)
        if self.name.stage == "task":
            assert self.judge is not None  # __init__ raised otherwise
            loss = loss + self.tier.trade_off * F.cross_entropy(self.judge(output), self.train.labels[mine])
        return loss

    @torch.no_grad()
    def validate(self, model: nn.Module, images: int | None = None) -> dict[str, float]:
        """Mean PSNR, MSE, and accuracy where a judge is at hand, on (the first ``images`` of) the validation set."""
        model.eval()
        pixels = self.validation.pixels[:images]
        generator = torch.Generator().manual_seed(VALIDATION_SEED)
        values: list[Tensor] = []
        errors: list[Tensor] = []
        right = 0
        for start in range(0, len(pixels), 500):
            chosen = slice(start, min(start + 500, len(pixels)))
            source = as_float(pixels[chosen])
            channel = sample_channel(
                "awgn", self.tier.snr_db, len(source), self.network.num_symbols(32, 32),
                generator=generator, device=source.device,
            )
            roi = self.validation_roi[chosen] if self.validation_roi is not None else None
            output = self.network(source, self.pair_source.side_of(source), channel, roi)
            values.append(psnr(output, source))
            errors.append((output - source).square().mean(dim=(1, 2, 3)))
            if self.judge is not None:
                right += int((self.judge(output).argmax(1) == self.validation.labels[chosen]).sum())
        found = {"psnr": torch.cat(values).mean().item(), "mse": torch.cat(errors).mean().item()}
        return found | ({"accuracy": right / len(pixels)} if self.judge is not None else {})


def start_from(model: WynerZivJSCC, weights: dict[str, Tensor]) -> None:
    """Algorithm 2, step 4: a ``task`` network starts from its ``rec`` twin (apply_channel untouched, strict)."""
    model.load_state_dict(weights, strict=True)


__all__ = ["LinkTask", "RoiCache", "apply_channel", "start_from"]
