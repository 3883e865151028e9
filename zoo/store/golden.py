"""Golden tensors: an input stored with the weights, and the output that it must give on every machine.

The pictures are smooth random colour fields, not photographs. The inputs themselves are stored, so that a check depends
only on the network, not on a random number generator or an interpolation.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from safetensors.torch import save
from torch import Tensor
from torch.nn import functional as F

from wzroi.architectures import ARCHITECTURES
from wzroi.channel import ChannelState, sample_channel
from wzroi.pairs import CropPair, Placement
from zoo.errors import ZooError
from zoo.rates import symbols_at
from zoo.store.checkpoint import Network, is_judge, tensors_of

SEED = 20_261_122
SNR_DB = 5.0
PICTURES = 2
SIZE = 32

TOLERANCE = 2e-3
"""Largest difference of a pixel on [0, 1]: half a grey level of 255. CPU fp32 differs from itself (threads, kernels) by
1e-6; CUDA with TF32 convolutions by up to 1e-3."""

LOGIT_TOLERANCE = 1e-2
"""The same for a judge, as a share of its largest absolute logit."""

LINK_TENSORS = {"source", "side", "roi", "snr_db", "noise", "output"}
JUDGE_TENSORS = {"images", "logits"}
SEARCH_TENSORS = LINK_TENSORS | {"placement"}
"""``placement`` is int64 ``[4]``: row, column, rows and columns, as ``wzroi.pairs.Placement`` has them."""


class GoldenReport(NamedTuple):
    """``error``: the largest difference (pixels; logits over the largest logit); ``tolerance``: what is allowed."""

    error: float
    tolerance: float

    @property
    def passed(self) -> bool:
        """Whether the network still gives its published output."""
        return self.error <= self.tolerance


def colour_fields(count: int, channels: int, size: int, generator: torch.Generator) -> Tensor:
    """Smooth random fields in [0, 1], ``[count, channels, size, size]``: a 5x5 grid of random colours, bicubic."""
    grid = torch.rand(count, channels, 5, 5, generator=generator)
    return F.interpolate(grid, size=(size, size), mode="bicubic", align_corners=True).clamp(0, 1)


def _channel(tensors: dict[str, Tensor], device: torch.device) -> ChannelState:
    return ChannelState("awgn", tensors["snr_db"], torch.view_as_complex(tensors["noise"].contiguous())).to(device)


def _placement(values: Tensor) -> Placement:
    """A placement inside the golden pictures; raises ValueError for any other tensor."""
    if values.shape != (4,) or values.dtype != torch.int64:
        raise ValueError(f"placement must be int64 [4], not {values.dtype} {list(values.shape)}")
    found = Placement(*values.tolist())
    ends = (found.row + found.rows, found.column + found.columns)
    if min(found.row, found.column) < 0 or min(found.rows, found.columns) < 1 or max(ends) > SIZE:
        raise ValueError(f"placement {tuple(found)} leaves the pictures")
    return found


@torch.no_grad()
def _output(network: Network, tensors: dict[str, Tensor]) -> Tensor:
    device = next(network.parameters()).device
    if is_judge(network):
        return network(tensors["images"].to(device)).cpu()
    source, side, roi = (tensors[key].to(device) for key in ("source", "side", "roi"))
    channel = _channel(tensors, device)
    placement = _placement(tensors["placement"]) if _searches(network) else None
    return network(source, side, channel, roi, placement).cpu()


def _searches(network: Network) -> bool:
    return not is_judge(network) and ARCHITECTURES[network.config.architecture].searches


def _expected(network: Network) -> set[str]:
    if is_judge(network):
        return JUDGE_TENSORS
    return SEARCH_TENSORS if _searches(network) else LINK_TENSORS


def make_golden(network: Network) -> bytes:
    """``golden.safetensors`` of a network in eval mode: inputs from ``SEED``, and its output on the CPU.

    A link network sends crop pairs at 5 dB; a flexible one at 1/16, and both ends know where the crop belongs.
    """
    generator = torch.Generator().manual_seed(SEED)
    pictures = colour_fields(PICTURES, 3, SIZE, generator)
    if not is_judge(network):
        symbols = symbols_at(network, SIZE, SIZE)
        roi = colour_fields(PICTURES, 1, SIZE, generator)
        channel = sample_channel("awgn", SNR_DB, PICTURES, symbols, generator=generator)
        tensors = {"source": pictures, "side": CropPair().side_of(pictures), "roi": roi}
        tensors |= {"snr_db": channel.snr_db, "noise": torch.view_as_real(channel.noise).contiguous()}
        if _searches(network):
            tensors["placement"] = torch.tensor(CropPair().placement(SIZE, SIZE))
        tensors["output"] = _output(network, tensors).contiguous()
    else:
        tensors = {"images": pictures}
        tensors["logits"] = _output(network, tensors).contiguous()
    return save(tensors)


def check_golden(network: Network, blob: bytes, where: str) -> GoldenReport:
    """Run a network on its golden input, on the network's device.

    Raises:
        ZooError: if the file is not a golden file for this kind of network.
    """
    tensors = tensors_of(blob, where)
    link = not is_judge(network)
    if set(tensors) != _expected(network):
        raise ZooError(
            f"{where} does not contain the golden tensors of a {'link' if link else 'judge'}: publish it again"
        )
    wanted = tensors["output" if link else "logits"]
    try:
        given = _output(network, tensors)
    except (ValueError, RuntimeError, IndexError) as error:
        raise ZooError(f"{where} does not fit its network ({str(error)[:120]}): publish it again") from error
    if given.shape != wanted.shape:
        shapes = f"{list(wanted.shape)}, not {list(given.shape)}"
        raise ZooError(f"{where} contains an output of shape {shapes}: publish it again")
    largest = (given - wanted).abs().max().item() if bool(given.isfinite().all()) else float("inf")
    if link:
        return GoldenReport(largest, TOLERANCE)
    return GoldenReport(largest / max(1.0, wanted.abs().max().item()), LOGIT_TOLERANCE)
