"""Generated pictures in place of CIFAR-10, to rehearse every command of training without any data.

A class is the direction and fineness of its stripes, so that there is something to learn. A network trained on them is
useless: a rehearsal's runs are marked as such, and never resumed or published as real ones.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch

from training.recipes import Schedule
from wzroi.config import CLASSES, ConfigError
from wzroi.data import Images, Split

SEEDS: dict[Split, int] = {"train": 1, "validation": 2}


def rehearsal_schedule(schedule: Schedule, examples: int, epochs: float) -> Schedule:
    """A schedule cut to ``epochs`` passes over ``examples`` pictures, its batch and warm-up to what is then there.

    No ``epochs`` leave it as it is.

    Raises:
        ConfigError: for epochs of no rehearsal.
    """
    if not epochs:
        return schedule
    if not examples:
        raise ConfigError("--rehearse-epochs shortens a rehearsal: name its pictures with --rehearse")
    batch = min(schedule.batch, examples)
    steps = max(1, round(epochs * (examples // batch)))
    return replace(schedule, batch=batch, epochs=epochs, warmup=min(schedule.warmup, steps // 10))


def rehearsal_split(split: Split, examples: int) -> Images:
    """``examples`` training pictures, or a ninth of that for validation, as ``wzroi.data.load_split`` returns them."""
    if split not in SEEDS:
        raise ValueError(f"a rehearsal has the splits {', '.join(SEEDS)}, not {split!r}")
    count = examples if split == "train" else max(examples // 9, 1)
    generator = torch.Generator().manual_seed(SEEDS[split])
    labels = torch.arange(count) % len(CLASSES)
    angle, fineness = labels % 5 * (math.pi / 5), torch.where(labels < 5, 0.5, 1.2)
    across = torch.arange(32.0)
    place = torch.cos(angle)[:, None, None] * across + torch.sin(angle)[:, None, None] * across[:, None]
    phase = 2 * math.pi * torch.rand(count, 1, 1, generator=generator)
    stripes = torch.sin(fineness[:, None, None] * place + phase)[:, None]
    colour = torch.rand(count, 3, 1, 1, generator=generator) - 0.5
    grain = 0.1 * torch.randn(count, 3, 32, 32, generator=generator)
    pixels = (255 * (0.5 + colour * stripes + grain)).clamp(0, 255).to(torch.uint8)
    return Images(pixels, labels, torch.arange(count))
