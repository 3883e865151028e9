"""``LinkNetwork``: what ``wzroi.link``, evaluation, zoo and app ask of every network, and nothing more."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from wzroi.channel import ChannelState, apply_channel
from wzroi.config import LinkConfig
from wzroi.pairs import Placement


class LinkNetwork(nn.Module):
    """The protocol of a link network: one method per box of the paper's fig. 2.

    ::

        source --encode--> latent --modulate--> symbols --channel--> received --decode--> reconstruction
        side, ROI map M --encode_side--> context -------------------------------+

    Images are RGB in [0, 1], ``[B, 3, H, W]``, of any size; symbols are complex ``[B, K]`` of mean power one per image.
    Only ``encode`` sees the source, only ``encode_side`` the side image: that separation is what tests rely on.
    """

    config: LinkConfig

    def forward(
        self, source: Tensor, side: Tensor, channel: ChannelState, roi: Tensor | None = None,
        placement: Placement | None = None, strength: float = 1.0, importance: Tensor | None = None,
    ) -> Tensor:  # fmt: skip
        """Reconstruction ``[B, 3, H, W]`` in [0, 1] of ``source``; arguments as in the methods."""
        symbols = self.modulate(self.encode(source, placement, importance), channel, placement)
        received = apply_channel(symbols, channel)
        context = self.encode_side(side, roi, placement, strength, importance)
        return self.decode(received, context, channel)

    def num_symbols(self, height: int, width: int, rho: float | None = None) -> int:
        """k, complex channel symbols for an image of this size.

        Args:
            rho: bandwidth ratio (eq. 3); ``None``: the network's own, or its default if it supports several.

        Raises:
            ValueError: for a bandwidth ratio that the network does not support.
        """
        raise NotImplementedError

    def encode(self, source: Tensor, placement: Placement | None = None, importance: Tensor | None = None) -> Tensor:
        """What the sender computes from the source before the channel is known; the first dimension is B.

        Args:
            placement: where the receiver's side image belongs, if both ends know it.
            importance: ``[B, 1, H, W]`` in [0, 1], fed back by the receiver: where it is high, errors count more.

        Raises:
            ValueError: for an importance map, if the encoder takes none.
        """
        raise NotImplementedError

    def modulate(self, latent: Tensor, channel: ChannelState, placement: Placement | None = None) -> Tensor:
        """Symbols of a latent, complex ``[B, channel.symbols]``, of mean power one per image (eq. 2)."""
        raise NotImplementedError

    def encode_side(
        self, side: Tensor, roi: Tensor | None = None, placement: Placement | None = None, strength: float = 1.0,
        importance: Tensor | None = None,
    ) -> Any:  # fmt: skip
        """What the receiver computes before any symbol arrives: the context of ``decode``, nested tuples of tensors.

        Args:
            roi: M, ``[B, 1, H, W]``. strength: factor on it, from 0 (uniform) to 1.
            importance: the map that was fed back to the encoder.

        Raises:
            ValueError: for a required map that is missing, or a map of another size.
        """
        raise NotImplementedError

    def decode(self, received: Tensor, context: Any, channel: ChannelState) -> Tensor:
        """Received symbols, complex ``[B, K]``, to the reconstruction ``[B, 3, H, W]`` in [0, 1] (eq. 4)."""
        raise NotImplementedError

    def compile_for_batches(self) -> None:
        """Compile what pays off over many batches of one size; by default nothing."""


def check_strength(strength: float) -> None:
    """Raise ValueError unless the factor on an ROI map lies in [0, 1]."""
    if not 0 <= strength <= 1:
        raise ValueError(f"the strength of an ROI map must lie in [0, 1], not {strength}")
