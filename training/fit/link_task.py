"""Algorithm 1 (``rec``) and Algorithm 2 (``task``): train one link network."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.fit.loop import BEGUN
from training.fit.roi_cache import RoiCache
from training.recipes import Tier, model_config
from wzroi.channel import sample_channel
from wzroi.data import Images, as_float
from wzroi.judge import Judge
from wzroi.metrics import psnr
from wzroi.names import ModelName
from wzroi.networks.deepjscc import WynerZivJSCC
from wzroi.pairs import pair_source

VALIDATION_SEED = 1


class LinkTask:
    """MSE (eq. 9), or MSE + lambda * CE under a frozen judge (eq. 10), at the tier's SNR on AWGN.

    The ROI map is the ``side`` one, as at the receiver; an oracle network's is ``source+label``. Maps are kept in the
    folder ``store``.
    """

    progress = BEGUN

    def __init__(
        self, name: ModelName, tier: Tier, train: Images, validation: Images, judge: Judge | None, store: Path
    ) -> None:
        self.name, self.tier = name, tier
        self.network = WynerZivJSCC(model_config(name))
        self.model: nn.Module = self.network
        self.train, self.validation = train, validation
        self.examples = len(train.pixels)
        self.pair_source = pair_source(name.pair_source)
        needs_judge = self.network.config.uses_roi or name.stage == "task"
        if needs_judge and judge is None:
            raise ValueError(f"{name} needs the judge {tier.judge}: train it first with `python -m training judge`")
        self.judge = judge.eval().requires_grad_(False) if judge is not None else None
        self.roi, self.validation_roi = None, None
        if self.network.config.uses_roi and judge is not None:
            self.roi = RoiCache.kept(judge, train, oracle=name.oracle, store=store, pairs=self.pair_source)
            self.validation_roi = RoiCache.kept(
                judge, validation, oracle=name.oracle, store=store, pairs=self.pair_source
            )

    def loss(self, forward: nn.Module, indices: Tensor, generator: torch.Generator, share: slice) -> Tensor:
        symbols = self.network.num_symbols(32, 32)
        channel = sample_channel("awgn", self.tier.snr_db, len(indices), symbols, generator=generator)
        channel = dataclasses.replace(channel, snr_db=channel.snr_db[share], noise=channel.noise[share])
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
        """Mean PSNR, MSE, and accuracy if a judge is available, on (the first ``images`` of) the validation set."""
        model.eval()
        pixels = self.validation.pixels[:images]
        generator = torch.Generator().manual_seed(VALIDATION_SEED)
        values: list[Tensor] = []
        errors: list[Tensor] = []
        correct = 0
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
                correct += int((self.judge(output).argmax(1) == self.validation.labels[chosen]).sum())
        found = {"psnr": torch.cat(values).mean().item(), "mse": torch.cat(errors).mean().item()}
        return found | ({"accuracy": correct / len(pixels)} if self.judge is not None else {})


def start_from(model: WynerZivJSCC, weights: dict[str, Tensor]) -> None:
    """Algorithm 2, step 4: a ``task`` network starts from its ``rec`` twin; every weight must be there."""
    model.load_state_dict(weights, strict=True)
