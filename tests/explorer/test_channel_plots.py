"""Figures of the Channel page."""

from __future__ import annotations

import torch

from explorer.ui import channel_plots


def test_constellation_is_thinned() -> None:
    symbols = torch.complex(torch.randn(10_000), torch.randn(10_000))
    figure = channel_plots.constellation_figure(symbols, symbols[:7])
    received, sent = figure.data
    assert len(received.x) == 7
    assert len(sent.x) <= channel_plots.MAX_POINTS
