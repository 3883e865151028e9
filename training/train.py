"""Algorithm 1 (``rec``) and Algorithm 2 (``task``): train one link network."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

import torch
from filelock import FileLock
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from training.loop import BEGUN, write_atomically
from training.recipes import Tier, model_config
from wzroi.channel import sample_channel
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

    def __init__(self, maps: Tensor) -> None:
        self.maps = maps

    def __getitem__(self, indices: Tensor | slice) -> Tensor:
        return upscale(self.maps[indices].float(), (32, 32))

    @classmethod
    def of(cls, judge: Judge, images: Images, *, oracle: bool, batch: int = 500) -> RoiCache:
        """Compute the maps: ``side``, or ``source+label`` for an oracle network."""
        maps = []
        for start in range(0, len(images.pixels), batch):
            source = as_float(images.pixels[start : start + batch])
            seen = source if oracle else CropPair().side_of(source)
            classes = images.labels[start : start + batch] if oracle else None
            maps.append(gradcam(judge, seen, classes).half())
        return cls(torch.cat(maps))

    @classmethod
    def kept(cls, judge: Judge, images: Images, *, oracle: bool, store: Path) -> RoiCache:
        """The maps from a file in ``store`` named after judge, images and origin; computed and written where absent.

        Networks that train side by side wait for the first of them to write it.
        """
        path = store / f"{'source+label' if oracle else 'side'}_{_fingerprint(judge, images)}.safetensors"
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")):
            if not path.exists():
                maps = cls.of(judge, images, oracle=oracle).maps.cpu().contiguous()
                write_atomically(path, lambda part: save_file({"maps": maps}, part))
        return cls(load_file(path)["maps"].to(images.pixels.device))


def _fingerprint(judge: Judge, images: Images) -> str:
    """Hash of the judge's weights, of every label and of each hundredth picture."""
    digest = hashlib.sha256()
    for tensor in (*judge.state_dict().values(), images.labels, images.indices, images.pixels[::100]):
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


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
        self.pair_source = CropPair()
        needs_judge = self.network.config.uses_roi or name.stage == "task"
        if needs_judge and judge is None:
            raise ValueError(f"{name} needs the judge {tier.judge}: train it first with `python -m training judge`")
        self.judge = judge.eval().requires_grad_(False) if judge is not None else None
        self.roi, self.validation_roi = None, None
        if self.network.config.uses_roi and judge is not None:
            self.roi = RoiCache.kept(judge, train, oracle=name.oracle, store=store)
            self.validation_roi = RoiCache.kept(judge, validation, oracle=name.oracle, store=store)

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
    """Algorithm 2, step 4: a ``task`` network starts from its ``rec`` twin; every weight must be there."""
    model.load_state_dict(weights, strict=True)
