"""Train a judge on clean images and on side views, and measure it on both."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.fit.loop import BEGUN
from training.fit.reconstructions import Reconstructions
from training.recipes import JudgeRecipe
from wzroi.data import Images, as_float
from wzroi.judge import Judge
from wzroi.pairs import CropPair

PAD = 2
FLIP_SEED = 5


def augment(images: Tensor, generator: torch.Generator, flip: Tensor | None = None) -> Tensor:
    """Flip (bool ``[B]``; random where ``None``) and a shift by up to 2 pixels with reflected borders.

    Pictures and result ``[B, 3, 32, 32]`` in [0, 1].
    """
    device = images.device
    if flip is None:
        flip = torch.rand(len(images), generator=generator, device=device) < 0.5
    images = torch.where(flip[:, None, None, None], images.flip(3), images)
    padded = F.pad(images, (PAD,) * 4, mode="reflect")
    windows = padded.unfold(2, 32, 1).unfold(3, 32, 1)  # [B, 3, 5, 5, 32, 32], a view
    shift = torch.randint(0, 2 * PAD + 1, (2, len(images)), generator=generator, device=device)
    return windows[torch.arange(len(images), device=device), :, shift[0], shift[1]]


@torch.no_grad()
def whiten(judge: Judge, pixels: Tensor, images: int = 2000) -> None:
    """Start the stem as the whitening of its input patches (as in Jordan, 2024): each filter a principal direction.

    Before a rectifier (ResNet-50) each direction stands twice, with both signs. Filters beyond that keep their random
    start.
    """
    stem = judge.trunk[0]
    assert isinstance(stem, nn.Conv2d) and isinstance(stem.padding, tuple)  # the lite trunk's first layer
    seen = (as_float(pixels[:images]).cpu() - judge.mean) / judge.std
    patches = F.unfold(seen, stem.kernel_size, padding=stem.padding, stride=stem.stride).transpose(1, 2).flatten(0, 1)
    values, directions = torch.linalg.eigh(patches.T @ patches / len(patches))
    scaled = (directions / (values.clamp_min(0) + 1e-2).sqrt()).T.flip(0)
    if judge.config.kind == "resnet50":
        scaled = torch.cat([scaled, -scaled])
    kept = min(len(scaled), stem.out_channels)
    stem.weight[:kept] = scaled[:kept].reshape(kept, *stem.weight.shape[1:])


class JudgeTask:
    """Cross-entropy with label smoothing; a share of each batch is seen as side views.

    Args:
        received: rebuilds pictures, for a recipe that shows a share of them so.

    Raises:
        ValueError: when the recipe shows reconstructions and there is nothing to rebuild them.
    """

    progress = BEGUN

    def __init__(
        self, recipe: JudgeRecipe, train: Images, validation: Images, received: Reconstructions | None = None
    ) -> None:
        if recipe.received_share and received is None:
            raise ValueError("this judge is trained on reconstructions too: pass received=")
        self.recipe, self.received = recipe, received
        judge = Judge(recipe.config)
        whiten(judge, train.pixels)
        self.flipped_first = torch.rand(len(train.pixels), generator=torch.Generator().manual_seed(FLIP_SEED)) < 0.5
        self.model: nn.Module = judge
        self.train, self.validation = train, validation
        self.examples = len(train.pixels)
        self.pair_source = CropPair()

    def loss(self, forward: nn.Module, indices: Tensor, generator: torch.Generator, share: slice) -> Tensor:
        images = augment(self._shown(indices, generator), generator, self._flip(indices))
        as_side = torch.rand(len(images), generator=generator, device=images.device) < self.recipe.side_share
        seen = torch.where(as_side[:, None, None, None], self.pair_source.side_of(images), images)
        seen = _resized(seen[share], self.recipe.size_at(self.progress.share))
        logits = forward(seen.contiguous(memory_format=torch.channels_last))
        return F.cross_entropy(
            logits, self.train.labels[indices][share], label_smoothing=self.recipe.label_smoothing
        )

    def _shown(self, indices: Tensor, generator: torch.Generator) -> Tensor:
        """The pictures of a step, float: as they are, or for a share of them as a receiver rebuilds them."""
        images = as_float(self.train.pixels[indices])
        if self.received is None:
            return images
        sent = torch.rand(len(images), generator=generator, device=images.device) < self.recipe.received_share
        if sent.any():
            images[sent] = self.received(images[sent], indices[sent], generator)
        return images

    def _flip(self, indices: Tensor) -> Tensor | None:
        """Which pictures of a step are mirrored, where that is not random."""
        if not self.recipe.alternate_flips:
            return None
        return self.flipped_first.to(indices.device)[indices] ^ (self.progress.epoch % 2 == 1)

    def validate(self, model: nn.Module, images: int | None) -> dict[str, float]:
        measured = judge_accuracy(model, self.validation, self.pair_source, images)
        return {f"accuracy_{k}": v for k, v in measured.items()}


def _resized(images: Tensor, size: int) -> Tensor:
    if size == images.shape[-1]:
        return images
    return F.interpolate(images, size=(size, size), mode="bilinear", antialias=True)


@torch.no_grad()
def judge_accuracy(
    judge: nn.Module, images: Images, pair_source: CropPair, limit: int | None = None, batch: int = 500
) -> dict[str, Any]:
    """Share of right top classes on clean images and on side views."""
    judge.eval()
    pixels, labels = images.pixels[:limit], images.labels[:limit]
    correct = {"clean": 0, "side": 0}
    for start in range(0, len(pixels), batch):
        clean = as_float(pixels[start : start + batch])
        truth = labels[start : start + batch]
        correct["clean"] += int((judge(clean).argmax(1) == truth).sum())
        correct["side"] += int((judge(pair_source.side_of(clean)).argmax(1) == truth).sum())
    return {key: count / len(pixels) for key, count in correct.items()}
