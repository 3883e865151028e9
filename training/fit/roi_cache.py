"""The ROI maps of a split's images, computed once and kept in a file."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from filelock import FileLock
from safetensors.torch import load_file, save_file
from torch import Tensor

from training.fit.loop import write_atomically
from wzroi.data import Images, as_float
from wzroi.judge import Judge
from wzroi.pairs import CropPair, PairSource
from wzroi.roi import gradcam, upscale

CROP = CropPair()
"""The paper's pair source."""


class RoiCache:
    """The ROI map of every image of a split, at the judge's resolution; ``[n, 1, h, w]`` half precision."""

    def __init__(self, maps: Tensor) -> None:
        self.maps = maps

    def __getitem__(self, indices: Tensor | slice) -> Tensor:
        return upscale(self.maps[indices].float(), (32, 32))

    @classmethod
    def of(
        cls, judge: Judge, images: Images, *, oracle: bool, pairs: PairSource = CROP, batch: int = 500
    ) -> RoiCache:
        """Compute the maps: ``side`` of a pair source, or ``source+label`` for an oracle network."""
        maps = []
        for start in range(0, len(images.pixels), batch):
            source = as_float(images.pixels[start : start + batch])
            seen = source if oracle else pairs.side_of(source)
            classes = images.labels[start : start + batch] if oracle else None
            maps.append(gradcam(judge, seen, classes).half())
        return cls(torch.cat(maps))

    @classmethod
    def kept(
        cls, judge: Judge, images: Images, *, oracle: bool, store: Path, pairs: PairSource = CROP
    ) -> RoiCache:
        """The maps from a file in ``store`` named after judge, images, origin and pair source.

        They are computed and written where absent. Networks that train side by side wait for the first of them to
        write it.
        """
        origin = "source+label" if oracle else "side" if pairs == CROP else f"side_{pairs.name}"
        path = store / f"{origin}_{_fingerprint(judge, images)}.safetensors"
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")):
            if not path.exists():
                maps = cls.of(judge, images, oracle=oracle, pairs=pairs).maps.cpu().contiguous()
                write_atomically(path, lambda part: save_file({"maps": maps}, part))
        return cls(load_file(path)["maps"].to(images.pixels.device))


def _fingerprint(judge: Judge, images: Images) -> str:
    """Hash of the judge's weights, of every label and of each hundredth picture."""
    digest = hashlib.sha256()
    for tensor in (*judge.state_dict().values(), images.labels, images.indices, images.pixels[::100]):
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]
