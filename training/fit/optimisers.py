"""The optimisers of a schedule: Adam, SGD, or Muon on the convolutions' weights with Adam on the rest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from training.recipes import Schedule

MUON_MOMENTUM = 0.95
CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d)


def as_matrix(weight: Tensor, transposed: bool) -> Tensor:
    """A convolution's weight as a matrix ``[outputs, inputs * k * k]``: a view of the same numbers.

    Args:
        weight: ``[outputs, inputs, k, k]``, or ``[inputs, outputs, k, k]`` of a transposed convolution, in
            channels-last order in memory (an own copy where it is in another).
    """
    laid_out = weight.permute(0, 2, 3, 1)
    if transposed:
        return laid_out.reshape(-1, weight.shape[1]).T
    return laid_out.reshape(weight.shape[0], -1)


class ConvolutionMuon(torch.optim.Muon):
    """Muon (Jordan et al., 2024) on the weights of convolutions, each seen as a matrix (``as_matrix``).

    The update is the momentum's orthogonal factor, found by five Newton-Schulz steps, times the learning rate.

    Args:
        layers: convolutions, their weights in channels-last order. lr: learning rate. weight_decay: decoupled.

    Raises:
        ValueError: for a weight that is not in channels-last order: the optimiser would change a copy.
    """

    def __init__(self, layers: list[nn.Conv2d | nn.ConvTranspose2d], lr: float, weight_decay: float = 0.0) -> None:
        self.layers = layers
        views = [as_matrix(layer.weight.detach(), layer.transposed) for layer in layers]
        for view, layer in zip(views, layers, strict=True):
            if view.data_ptr() != layer.weight.data_ptr():
                raise ValueError("Muon needs convolutions in channels-last order: model.to(memory_format=...) first")
        super().__init__(views, lr=lr, weight_decay=weight_decay, momentum=MUON_MOMENTUM, nesterov=True)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Take one step with the convolutions' gradients."""
        for view, layer in zip(self.param_groups[0]["params"], self.layers, strict=True):
            gradient = layer.weight.grad
            view.grad = None if gradient is None else as_matrix(gradient, layer.transposed)
        return super().step(closure)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the convolutions' gradients."""
        for view, layer in zip(self.param_groups[0]["params"], self.layers, strict=True):
            view.grad = layer.weight.grad = None


def optimisers_of(model: nn.Module, schedule: Schedule) -> list[torch.optim.Optimizer]:
    """The optimisers that train ``model`` together; each group's ``scale`` multiplies the schedule's learning rate."""
    if schedule.optimiser == "muon":
        layers = [module for module in model.modules() if isinstance(module, CONVOLUTIONS)]
        matrices = {id(layer.weight) for layer in layers}
        rest = [p for p in model.parameters() if id(p) not in matrices]
        others = torch.optim.Adam(rest, lr=schedule.adam_lr, fused=True)
        muon = ConvolutionMuon(layers, schedule.lr, schedule.weight_decay)
        return [_scaled(muon, 1.0), _scaled(others, schedule.adam_lr / schedule.lr)]
    matrices_ = [p for p in model.parameters() if p.ndim > 1]
    vectors = [p for p in model.parameters() if p.ndim <= 1]
    groups = [{"params": matrices_, "weight_decay": schedule.weight_decay}, {"params": vectors, "weight_decay": 0.0}]
    if schedule.optimiser == "adam":
        return [_scaled(torch.optim.Adam(groups, lr=schedule.lr, fused=True), 1.0)]
    return [_scaled(torch.optim.SGD(groups, lr=schedule.lr, momentum=0.9, nesterov=True), 1.0)]


def _scaled(optimiser: torch.optim.Optimizer, scale: float) -> torch.optim.Optimizer:
    for group in optimiser.param_groups:
        group["scale"] = scale
    return optimiser
