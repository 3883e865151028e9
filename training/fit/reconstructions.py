"""Pictures as a receiver rebuilds them, for a judge that is trained on such pictures too."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from training.fit.roi_cache import RoiCache
from training.recipes import RECEIVED_RATES, RECEIVED_SNRS
from wzroi.channel import sample_channel
from wzroi.config import PAPER_ARCHITECTURES
from wzroi.names import ModelName
from wzroi.networks.deepjscc import WynerZivJSCC
from wzroi.pairs import CropPair


class Reconstructions:
    """Rebuilds training pictures with one of several networks at a random SNR for each picture.

    Args:
        networks: frozen, in evaluation mode; each call takes one of them.
        roi: the receiver's ROI map of every training picture.
    """

    def __init__(self, networks: Sequence[WynerZivJSCC], roi: RoiCache) -> None:
        self.networks, self.roi, self.pairs = list(networks), roi, CropPair()

    @torch.no_grad()
    def __call__(self, source: Tensor, indices: Tensor, generator: torch.Generator) -> Tensor:
        """What a receiver shows of ``source`` ``[B, 3, 32, 32]``, the training pictures ``indices``; in [0, 1]."""
        chosen = int(torch.randint(len(self.networks), (), generator=generator, device=generator.device))
        network = self.networks[chosen]
        low, high = RECEIVED_SNRS
        snr_db = low + (high - low) * torch.rand(len(source), generator=generator, device=generator.device)
        symbols = network.num_symbols(*source.shape[-2:])
        channel = sample_channel("awgn", snr_db, len(source), symbols, generator=generator, device=source.device)
        roi = self.roi[indices] if network.config.uses_roi else None
        return network(source, self.pairs.side_of(source), channel, roi).to(source.dtype)


def sender_names(*, lite: bool) -> list[ModelName]:
    """The networks whose reconstructions are shown: every architecture, both algorithms, the paper's two rates."""
    return [
        ModelName(architecture, stage, rate, lite=lite)
        for stage in ("rec", "task") for architecture in PAPER_ARCHITECTURES for rate in RECEIVED_RATES
    ]  # fmt: skip
