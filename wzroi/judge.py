"""The judge ``F_eta`` (eq. 5): the task network that classifies pictures, and whose Grad-CAM is the ROI map."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wzroi.config import JudgeConfig

MEAN = (0.4914, 0.4822, 0.4465)
STD = (0.2470, 0.2435, 0.2616)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with batch norm and a shortcut (He et al., 2016, basic block)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        same = stride == 1 and inputs == outputs
        projection = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
        self.shortcut = nn.Identity() if same else projection

    def forward(self, x: Tensor) -> Tensor:
        hidden = F.relu(self.norm1(self.conv1(x)))
        return F.relu(self.norm2(self.conv2(hidden)) + self.shortcut(x))


def _lite_trunk(width: int) -> nn.Sequential:
    """A linear stem to 1/2 and three residual stages at 1/2, 1/4, 1/4: the last feature map is 8x8 at 32x32.

    The stem sees 4x4 patches and can keep their 48 dimensions; training initialises it as their whitening.
    """
    return nn.Sequential(
        nn.Conv2d(3, width, 4, 2, 1, bias=False),
        nn.BatchNorm2d(width),
        ResidualBlock(width, width, 1),
        ResidualBlock(width, 2 * width, 2),
        ResidualBlock(2 * width, 2 * width, 1),
    )


def _resnet50_trunk() -> nn.Sequential:
    """torchvision's ResNet-50 with the CIFAR stem: 3x3, stride 1, no max-pool; the last feature map is 4x4 at 32x32."""
    from torchvision.models import resnet50

    net = resnet50(weights=None)
    net.conv1 = nn.Conv2d(3, 64, 3, 1, 1, bias=False)
    return nn.Sequential(net.conv1, net.bn1, net.relu, net.layer1, net.layer2, net.layer3, net.layer4)


class Judge(nn.Module):
    """A residual trunk, global average pooling and one linear layer.

    This head gives Grad-CAM of the last feature map in closed form (``wzroi.roi``). Pictures of any size of at least
    8x8, RGB in [0, 1]; normalisation is included.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, config: JudgeConfig) -> None:
        super().__init__()
        self.config = config
        lite = config.kind == "resnet_lite"
        self.trunk = _lite_trunk(config.width) if lite else _resnet50_trunk()
        self.head = nn.Linear(2 * config.width if lite else 2048, config.classes)
        self.register_buffer("mean", torch.tensor(MEAN)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(STD)[:, None, None], persistent=False)

    def features(self, images: Tensor) -> Tensor:
        """The last feature map, non-negative, ``[B, channels, h, w]``."""
        return self.trunk((images - self.mean) / self.std)

    def classify(self, features: Tensor) -> Tensor:
        """Logits ``[B, classes]`` of a last feature map."""
        return self.head(features.mean(dim=(2, 3)))

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``[B, classes]`` of pictures ``[B, 3, H, W]`` in [0, 1]."""
        return self.classify(self.features(images))
