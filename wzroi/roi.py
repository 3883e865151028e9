"""ROI maps: Grad-CAM of the judge (eqs. 6 and 7), from an explicitly named origin."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from wzroi.judge import Judge
from wzroi.pairs import Pair

ORIGINS = {
    "side": "Grad-CAM on x_side, the judge's own top class: the only map a receiver can compute",
    "source": "Grad-CAM on x, top class: an oracle, because the receiver does not have x",
    "source+label": "Grad-CAM on x, true class: the oracle of the published code",
    "zeros": "all zeros (the paper's ablation)",
    "normal": "standard normal numbers (the paper's ablation)",
    "shuffled": "another image's side map: a control",
}
"""Origin -> description. ``side`` is the default everywhere."""


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


def roi_map(
    judge: Judge, pair: Pair, origin: str = "side", *, generator: torch.Generator | None = None
) -> Tensor:
    """The ROI map M of a pair, ``[B, 1, H, W]``; in [0, 1] except for ``normal``.

    Args:
        origin: a key of ``ORIGINS``; only ``source+label`` reads the label, only ``source*`` read the source.
        generator: required by ``normal``.

    Raises:
        ValueError: unknown origin; ``source+label`` without labels; ``normal`` without a generator; ``shuffled`` with
            a single image.
    """
    size = (pair.side.shape[-2], pair.side.shape[-1])
    shape = (len(pair.side), 1, *size)
    if origin == "side":
        return upscale(gradcam(judge, pair.side), size)
    if origin == "source":
        return upscale(gradcam(judge, pair.source), size)
    if origin == "source+label":
        if pair.label is None:
            raise ValueError("origin 'source+label' needs the true class: make_pair(images, labels)")
        return upscale(gradcam(judge, pair.source, pair.label), size)
    if origin == "zeros":
        return pair.side.new_zeros(shape)
    if origin == "normal":
        if generator is None:
            raise ValueError("origin 'normal' draws random numbers: pass generator=")
        noise = torch.randn(shape, dtype=torch.float32, generator=generator, device=generator.device)
        return noise.to(pair.side.device)
    if origin == "shuffled":
        if len(pair.side) < 2:
            raise ValueError("origin 'shuffled' takes another image's map: pass at least two images")
        return upscale(gradcam(judge, pair.side), size).roll(1, dims=0)
    raise ValueError(f"unknown ROI origin {origin!r}; choose one of {', '.join(ORIGINS)}")
