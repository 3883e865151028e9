"""The test images with what the judge makes of them, and the channel draws that all networks share."""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor

from wzroi.channel import ChannelState, sample_channel
from wzroi.data import Images, as_float
from wzroi.judge import Judge
from wzroi.pairs import PAIR_SOURCES, Pair, PairSource, make_pair
from wzroi.roi import ROI_ORIGINS, field_maps, upscale


class TestSet:
    """The test images on a device, with what the judge makes of each: computed once for all networks of a tier.

    Args:
        pairs: the pair source of the networks that are sent over it.

    Attributes:
        cams: ROI origin -> Grad-CAM at the judge's resolution, ``[n, 1, h, w]``.
        correct: ``clean`` and ``side`` -> whether the judge's top class is the true one, bool ``[n]``.
    """

    __test__ = False  # pytest would take the name for a test's

    def __init__(
        self, images: Images, judge: Judge, batch: int = 100, pairs: PairSource = PAIR_SOURCES["crop"]
    ) -> None:
        self.images, self.judge, self.pairs = images, judge, pairs
        rows = {name: row for name, row in ROI_ORIGINS.items() if row.cam is not None and not row.shift}
        cams: dict[str, list[Tensor]] = {name: [] for name in rows}
        correct: dict[str, list[Tensor]] = {"clean": [], "side": []}
        for start in range(0, len(images.pixels), batch):
            pair = self.pair(torch.arange(start, min(start + batch, len(images.pixels))))
            assert pair.label is not None  # pair() carries it
            for name, row in rows.items():
                assert row.cam is not None
                cams[name].append(row.cam(judge, pair))
            with torch.no_grad():
                correct["clean"].append(judge(pair.source).argmax(1) == pair.label)
                correct["side"].append(judge(pair.side).argmax(1) == pair.label)
        self.cams = {origin: torch.cat(maps) for origin, maps in cams.items()}
        for name, row in ROI_ORIGINS.items():
            if row.shift:
                own = next(other for other, one in rows.items() if one.cam is row.cam)
                self.cams[name] = self.cams[own].roll(row.shift, dims=0)
        self.correct = {view: torch.cat(flags) for view, flags in correct.items()}

    def __len__(self) -> int:
        return len(self.images.pixels)

    @property
    def device(self) -> torch.device:
        return self.images.pixels.device

    def pair(self, indices: Tensor) -> Pair:
        """The images ``indices`` with their side images and labels."""
        chosen = indices.to(self.device)
        source = as_float(self.images.pixels[chosen]).contiguous(memory_format=torch.channels_last)
        return make_pair(source, self.images.labels[chosen], self.pairs)

    def roi(self, origin: str, indices: Tensor, seed: int) -> Tensor:
        """The ROI map of each image, ``[B, 1, H, W]``, as ``wzroi.roi_map`` makes it of the whole test set."""
        height, width = self.images.pixels.shape[-2:]
        if origin not in self.cams:
            return field_maps(origin, (height, width), indices.tolist(), seed).to(self.device)
        return upscale(self.cams[origin][indices.to(self.device)], (height, width))


def _mix(seed: int, number: int, stream: int) -> int:
    """A generator's seed from the plan's seed, a draw or image number, and what it is for."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{stream}/{number}".encode()).digest()[:7], "big")


def channel_draw(
    kind: str, seed: int, draw: int, images: int, symbols: int, device: torch.device | str
) -> ChannelState:
    """Channel draw ``draw`` for the whole test set, a function of its arguments alone; its SNR is set per row."""
    generator = torch.Generator().manual_seed(_mix(seed, draw, 1))
    return sample_channel(kind, 0.0, images, symbols, generator=generator, device=device)
