"""ROI maps: Grad-CAM of the judge (eqs. 6 and 7), from an explicitly named origin."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from wzroi.judge import Judge
from wzroi.pairs import Pair
from wzroi.parameters import Parameter, find_row


def gradcam(judge: Judge, images: Tensor, classes: Tensor | None = None) -> Tensor:
    """Grad-CAM of the judge's last feature map for images ``[B, 3, H, W]``: ``[B, 1, h, w]`` in [0, 1].

    The judge ends in global average pooling and one linear layer, so the gradient of a score with respect to the last
    feature map is the class's weight over ``h * w`` everywhere: eq. 6 needs neither a backward pass nor hooks, and
    leaves nothing behind on the judge.

    Args:
        classes: int64 ``[B]``; ``None`` takes each image's top score, as the paper does.

    Returns:
        ReLU of the weighted sum (eq. 7), shifted and scaled to [0, 1]; a constant map gives all zeros.
    """
    with torch.no_grad():
        activation = judge.features(images)
        chosen = judge.classify(activation).argmax(dim=1) if classes is None else classes
        weights = judge.head.weight[chosen] / activation[0, 0].numel()
        cam = torch.einsum("bl,blhw->bhw", weights, activation).relu()[:, None]
        lowest, highest = cam.amin(dim=(2, 3), keepdim=True), cam.amax(dim=(2, 3), keepdim=True)
        span = highest - lowest
        return torch.where(span > 0, (cam - lowest) / span.clamp_min(1e-12), torch.zeros_like(cam))


def upscale(cam: Tensor, size: tuple[int, int]) -> Tensor:
    """A Grad-CAM map ``[B, 1, h, w]``, bilinear to ``[B, 1, H, W]``: the ROI map M."""
    return F.interpolate(cam, size=size, mode="bilinear", align_corners=False)


@dataclass(frozen=True)
class RoiOrigin:
    """A row of ``ROI_ORIGINS``; it has either ``cam`` or ``draw``.

    Attributes:
        description: what it is, a sentence. label: the same in a few words, on pages. title: in result tables.
        cam: the judge and a batch of pairs to the Grad-CAM ``[B, 1, h, w]`` in [0, 1].
        draw: ``(height, width, generator, **parameters)`` to the map ``[height, width]`` of one image.
        shift: the map of image ``i`` is made from image ``i - shift`` of the batch or test set, cyclically.
        frame: whose frame it is in, ``side`` or ``source``; ``None``: it has no place.
        oracle: whether it uses the source, which no receiver has. needs_label: whether it reads the true class.
        random: whether it depends on the seed. shown: whether pages offer it.
        parameters: name -> default and range.
    """

    description: str
    label: str
    title: str
    cam: Callable[[Judge, Pair], Tensor] | None = None
    draw: Callable[..., Tensor] | None = None
    shift: int = 0
    frame: Literal["side", "source"] | None = None
    oracle: bool = False
    needs_label: bool = False
    random: bool = False
    shown: bool = True
    parameters: Mapping[str, Parameter] = dataclasses.field(default_factory=dict)


def _side_cam(judge: Judge, pair: Pair) -> Tensor:
    return gradcam(judge, pair.side)


def _source_cam(judge: Judge, pair: Pair) -> Tensor:
    return gradcam(judge, pair.source)


def _label_cam(judge: Judge, pair: Pair) -> Tensor:
    if pair.label is None:
        raise ValueError("origin 'source+label' needs the true class: make_pair(images, labels)")
    return gradcam(judge, pair.source, pair.label)


def _zeros(height: int, width: int, generator: torch.Generator) -> Tensor:
    return torch.zeros(height, width, dtype=torch.float32)


def _normal(height: int, width: int, generator: torch.Generator, mean: float, deviation: float) -> Tensor:
    return mean + deviation * torch.randn(height, width, dtype=torch.float32, generator=generator)


def _normal_row(title: str, mean: float, deviation: float, *, shown: bool) -> RoiOrigin:
    return RoiOrigin(
        f"{title} (the paper's ablation, which names no parameters)", "random numbers", title, draw=_normal,
        random=True, shown=shown,
        parameters={"mean": Parameter(mean, -10, 10), "deviation": Parameter(deviation, 0, 10)},
    )


ROI_ORIGINS: dict[str, RoiOrigin] = {
    "side": RoiOrigin(
        "Grad-CAM on x_side, the judge's own top class: the only map a receiver can compute",
        "what a receiver can compute", "the receiver's own map", _side_cam, frame="side",
    ),
    "source": RoiOrigin(
        "Grad-CAM on x, top class: an oracle, because the receiver does not have x",
        "oracle, Grad-CAM of x", "oracle: map of x", _source_cam, frame="source", oracle=True,
    ),
    "source+label": RoiOrigin(
        "Grad-CAM on x, true class: the oracle of the published code",
        "oracle, true class", "oracle: map of x, true class", _label_cam, frame="source", oracle=True, needs_label=True,
    ),
    "zeros": RoiOrigin("all zeros (the paper's ablation)", "no region", "all zeros", draw=_zeros),
    "normal": _normal_row("normal numbers", 0.0, 1.0, shown=True),
    "normal(0,0.25)": _normal_row("normal numbers of deviation 0.25", 0.0, 0.25, shown=False),
    "normal(0.25,0.25)": _normal_row("normal numbers of mean 0.25 and deviation 0.25", 0.25, 0.25, shown=False),
    "shuffled": RoiOrigin(
        "another image's side map: a control", "another image's map", "another picture's map", _side_cam, shift=1,
        frame="side",
    ),
}
"""Origin -> row; ``side`` is the default everywhere. To add an origin, assign a row."""


def origin_of(origin: object) -> tuple[RoiOrigin, dict[str, float]]:
    """The row and the parameters that ``side`` or ``normal(mean=0.25,deviation=0.25)`` names; raises ValueError."""
    return find_row(ROI_ORIGINS, origin, "ROI origin")


def _generator(seed: int, index: int) -> torch.Generator:
    """The source of randomness of one image: the first one's is the seed itself."""
    mixed = int.from_bytes(hashlib.sha256(f"{seed}/roi/{index}".encode()).digest()[:7], "big")
    return torch.Generator().manual_seed(mixed if index else seed)


def field_maps(origin: str, size: tuple[int, int], indices: Sequence[int], seed: int) -> Tensor:
    """Maps ``[n, 1, H, W]``, on the CPU, of an origin that needs no judge: functions of (seed, image index) alone."""
    row, values = origin_of(origin)
    if row.draw is None:
        raise ValueError(f"the maps of origin {origin!r} come from a judge: call roi_map")
    return torch.stack([row.draw(*size, _generator(seed, index), **values) for index in indices])[:, None]


def roi_map(
    judge: Judge, pair: Pair, origin: str = "side", *, generator: torch.Generator | None = None,
    seed: int | None = None, indices: Sequence[int] | None = None,
) -> Tensor:  # fmt: skip
    """The ROI map M of a pair, ``[B, 1, H, W]``; in [0, 1] except for random numbers.

    Args:
        origin: a key of ``ROI_ORIGINS``; only ``source+label`` reads the label, only ``source*`` read the source.
        seed: required by a random origin; a map depends on it and on the image's index, not on the batch.
        indices: of the images in their data set, ``[B]``; by default 0, 1, ...
        generator: another way to give the seed: the one that it was set to.

    Raises:
        ValueError: unknown origin; ``source+label`` without labels; a random origin without a seed; ``shuffled`` with
            a single image.
    """
    row, _ = origin_of(origin)
    size = (pair.side.shape[-2], pair.side.shape[-1])
    if row.cam is not None:
        if row.shift and len(pair.side) < 2:
            raise ValueError(f"origin {origin!r} takes another image's map: pass at least two images")
        return upscale(row.cam(judge, pair).roll(row.shift, dims=0), size)
    if seed is None and generator is not None:
        seed = generator.initial_seed()
    if row.random and seed is None:
        raise ValueError(f"origin {origin!r} draws random numbers: pass seed=")
    places = range(len(pair.side)) if indices is None else indices
    return field_maps(origin, size, places, seed or 0).to(pair.side)
