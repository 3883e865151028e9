"""Train a judge on clean images and on side views, and measure it on both."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.recipes import JudgeRecipe
from wzroi.data import Images, as_float
from wzroi.judge import Judge
from wzroi.pairs import CropPair

PAD = 2


def augment(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """Random flip and a shift by up to 2 pixels with reflected borders, float ``[B, 3, 32, 32]`` in [0, 1]."""
    images = as_float(pixels)
    device = images.device
    flip = torch.rand(len(images), generator=generator, device=device) < 0.5
    images = torch.where(flip[:, None, None, None], images.flip(3), images)
    padded = F.pad(images, (PAD,) * 4, mode="reflect")
    windows = padded.unfold(2, 32, 1).unfold(3, 32, 1)  # [B, 3, 5, 5, 32, 32], a view
    shift = torch.randint(0, 2 * PAD + 1, (2, len(images)), generator=generator, device=device)
    return windows[torch.arange(len(images), device=device), :, shift[0], shift[1]]


@torch.no_grad()
def whiten(judge: Judge, pixels: Tensor, images: int = 2000) -> None:
    """Start the stem as the whitening of its input patches (as in Jordan, 2024): each filter a principal direction.

    Filters beyond the patches' dimensions keep their random start.
    """
    stem = judge.trunk[0]
    assert isinstance(stem, nn.Conv2d) and isinstance(stem.padding, tuple)  # the lite trunk's first layer
    seen = (as_float(pixels[:images]).cpu() - judge.mean) / judge.std
    patches = F.unfold(seen, stem.kernel_size, padding=stem.padding, stride=stem.stride).transpose(1, 2).flatten(0, 1)
    values, directions = torch.linalg.eigh(patches.T @ patches / len(patches))
    scaled = (directions / (values.clamp_min(0) + 1e-2).sqrt()).T.flip(0)
    kept = min(len(scaled), stem.out_channels)
    stem.weight[:kept] = scaled[:kept].reshape(kept, *stem.weight.shape[1:])


class JudgeTask:
    """Cross-entropy with label smoothing; a share of each batch is seen as side views."""

    def __init__(self, recipe: JudgeRecipe, train: Images, validation: Images) -> None:
        self.recipe = recipe
        judge = Judge(recipe.config)
        if recipe.config.kind == "resnet_lite":
            whiten(judge, train.pixels)
        self.model: nn.Module = judge
        self.train, self.validation = train, validation
        self.examples = len(train.pixels)
        self.pair_source = CropPair()

    def loss(self, forward: nn.Module, indices: Tensor, generator: torch.Generator, share: slice) -> Tensor:
        images = augment(self.train.pixels[indices], generator)
        as_side = torch.rand(len(images), generator=generator, device=images.device) < self.recipe.side_share
        seen = torch.where(as_side[:, None, None, None], self.pair_source.side_of(images), images)
        logits = forward(seen[share].contiguous(memory_format=torch.channels_last))
        return F.cross_entropy(
            logits, self.train.labels[indices][share], label_smoothing=self.recipe.label_smoothing
        )

    def validate(self, model: nn.Module, images: int | None) -> dict[str, float]:
        measured = judge_accuracy(model, self.validation, self.pair_source, images)
        return {f"accuracy_{k}": v for k, v in measured.items()}


@torch.no_grad()
def judge_accuracy(
    judge: nn.Module, images: Images, pair_source: CropPair, limit: int | None = None, batch: int = 500
) -> dict[str, Any]:
    """Share of right top classes on clean images and on side views."""
    judge.eval()
    pixels, labels = images.pixels[:limit], images.labels[:limit]
    right = {"clean": 0, "side": 0}
    for start in range(0, len(pixels), batch):
        clean = as_float(pixels[start : start + batch])
        truth = labels[start : start + batch]
        right["clean"] += int((judge(clean).argmax(1) == truth).sum())
        right["side"] += int((judge(pair_source.side_of(clean)).argmax(1) == truth).sum())
    return {key: count / len(pixels) for key, count in right.items()}
