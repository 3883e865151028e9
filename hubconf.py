"""``torch.hub``: every architecture of the zoo as an entry, its networks by tag.

>>> model = torch.hub.load("/path/to/checkout", "deepjscc_wz_roi", "task_r32_lite", source="local", trust_repo=True)

``torch.hub.list`` names the entries; ``tags`` lists an architecture's networks. All go through ``zoo.load``: files are
checked against the registry, and nothing but safetensors is read.
"""

from __future__ import annotations

import functools as _functools

import torch as _torch

import zoo as _zoo
from wzroi.architectures import ARCHITECTURES as _ARCHITECTURES

dependencies = ["numpy", "pytorch_msssim", "safetensors", "torch", "torchvision", "yaml"]


def tags(architecture: str) -> list[str]:
    """The tags of an architecture's available networks, e.g. ``task_r32_lite``."""
    return [name.partition(".")[2] for name in _zoo.list_models(f"{architecture}.*")]


def judge(name: str = "resnet_lite.cifar10", device: _torch.device | str = "auto") -> _torch.nn.Module:
    """A judge by name; its Grad-CAM is the ROI map (``wzroi.roi_map``)."""
    return _zoo.load_judge(name, device)


def _link(architecture: str, tag: str | None = None, device: _torch.device | str = "auto") -> _torch.nn.Module:
    known = tags(architecture)
    if tag is None and known:
        tag = next((other for other in known if other in ("task_r16_lite", "task_lite")), known[0])
    return _zoo.load(f"{architecture}.{tag}", device)


for _name in _ARCHITECTURES:
    _entry = _functools.partial(_link, _name)
    _entry.__doc__ = f"A {_name} network: fp32, frozen, in eval mode; ``tag`` as ``tags({_name!r})`` lists them."
    globals()[_name] = _entry
