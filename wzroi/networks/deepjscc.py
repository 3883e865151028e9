"""One link network: encoder, channel input, side context and decoder as the paper's fig. 2 draws them."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from wzroi.channel import ChannelState, normalise_power
from wzroi.config import STRIDE, ModelConfig
from wzroi.networks.base import LinkNetwork, check_strength
from wzroi.networks.decoder import Decoder, SideContext
from wzroi.networks.encoder import Encoder, Features
from wzroi.pairs import Placement


def pad_to_stride(image: Tensor) -> Tensor:
    """Repeat the last row and column until height and width are multiples of 4; ``[B, C, H, W]``."""
    height, width = image.shape[-2:]
    return F.pad(image, (0, -width % STRIDE, 0, -height % STRIDE), mode="replicate")


class WynerZivJSCC(LinkNetwork):
    """Distributed deep joint source-channel coding with decoder-only side information (paper, fig. 2).

    ::

        source --encoder--> latent --power--> symbols --channel--> received --decoder--> reconstruction
                                                                                 ^
        side --same encoder--> features ------- joined at 1/4 and 1/2 -----------+
        side, ROI map M --condition networks, SFT--> gamma, beta ----------------+

    ``config.side`` and ``config.guidance`` choose among the four architectures. Images are RGB in [0, 1],
    ``[B, 3, H, W]``, of any size; the symbols are complex ``[B, K]`` of mean power one.
    """

    config: ModelConfig

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)

    def num_symbols(self, height: int, width: int, rho: float | None = None) -> int:
        """k, complex channel symbols for an image of this size: ``c * ceil(H/4) * ceil(W/4) / 2``, rounded up.

        Raises:
            ValueError: for a bandwidth ratio other than the network's own.
        """
        if rho is not None and abs(rho - float(self.config.rho)) > 1e-9:
            raise ValueError(f"this network was trained only for the bandwidth ratio {self.config.rho}, not {rho:.4g}")
        return math.ceil(self.config.maps * math.ceil(height / STRIDE) * math.ceil(width / STRIDE) / 2)

    def encode(self, source: Tensor, placement: Placement | None = None, importance: Tensor | None = None) -> Tensor:
        """Symbols to send, complex ``[B, K]``, of mean power one per image (eqs. 1 and 2).

        Args:
            placement: not used, because the paper's encoder knows nothing about the side image.

        Raises:
            ValueError: for an importance map, which the paper's encoder does not take.
        """
        if importance is not None:
            raise ValueError(f"{self.config.architecture} takes no importance map at the encoder: pass importance=None")
        latent = self.encoder(pad_to_stride(source)).latent
        return normalise_power(maps_to_symbols(latent))

    def modulate(self, symbols: Tensor, channel: ChannelState, placement: Placement | None = None) -> Tensor:
        """The symbols for a channel: unchanged, because the paper's encoder does not adapt to it."""
        return symbols

    def encode_side(
        self, side: Tensor, roi: Tensor | None = None, placement: Placement | None = None, strength: float = 1.0,
        importance: Tensor | None = None,
    ) -> SideContext:  # fmt: skip
        """What the receiver computes from ``x_side`` and the ROI map before any symbol arrives.

        Args:
            placement, importance: not used. strength: factor on the ROI map, from 0 to 1.

        Raises:
            ValueError: for an architecture with ROI guidance and no map, a map of another size, or a strength outside
                [0, 1].
        """
        check_strength(strength)
        if roi is not None and strength != 1:
            roi = roi * strength
        size = (side.shape[-2], side.shape[-1])
        side = pad_to_stride(side)
        condition = self._condition(side, roi)
        quarter = self.decoder.sft_quarter.modulation(condition)
        half = self.decoder.sft_half.modulation(condition)
        return SideContext(self._side_features(side), quarter, half, size)

    def decode(self, received: Tensor, context: SideContext, channel: ChannelState | None = None) -> Tensor:
        """Received symbols, complex ``[B, K]``, to ``[B, 3, H, W]`` (eq. 4), for any channel."""
        height, width = context.size
        shape = (self.config.maps, math.ceil(height / STRIDE), math.ceil(width / STRIDE))
        image = self.decoder(symbols_to_maps(received, shape), context)
        return image[..., :height, :width]

    def compile_for_batches(self) -> None:
        """Compile the decoder: it takes most of the time."""
        self.decoder.compile()

    def _side_features(self, side: Tensor) -> Features:
        if self.config.side:
            return self.encoder(side)
        batch, _, height, width = side.shape
        first = side.new_empty(batch, 0, height // 2, width // 2)
        return Features(first, side.new_empty(batch, 0, height // STRIDE, width // STRIDE))

    def _condition(self, side: Tensor, roi: Tensor | None) -> Tensor:
        if not self.config.uses_roi:
            return side
        if roi is None:
            raise ValueError(f"{self.config.architecture} is guided by an ROI map: pass roi=roi_map(judge, pair)")
        roi = pad_to_stride(roi)
        if roi.shape != (side.shape[0], 1, *side.shape[2:]):
            raise ValueError(f"roi must be [B, 1, H, W] as x_side {tuple(side.shape)}, not {tuple(roi.shape)}")
        return torch.cat([side, roi], dim=1)


def maps_to_symbols(maps: Tensor) -> Tensor:
    """Real maps ``[B, c, h, w]`` to complex symbols ``[B, ceil(c*h*w / 2)]``: pairs become real and imaginary part."""
    reals = maps.flatten(1)
    reals = F.pad(reals, (0, reals.shape[1] % 2))
    return torch.view_as_complex(reals.float().reshape(len(reals), -1, 2).contiguous())


def symbols_to_maps(symbols: Tensor, shape: tuple[int, int, int]) -> Tensor:
    """The inverse of ``maps_to_symbols`` for maps of ``shape`` (c, h, w)."""
    reals = torch.view_as_real(symbols).flatten(1)
    return reals[:, : math.prod(shape)].reshape(len(reals), *shape)
