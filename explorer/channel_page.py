"""The Channel page: what is sent and received, and many draws of the channel at once."""

from __future__ import annotations

import math
from typing import NamedTuple

import streamlit as st
import torch
from torch import Tensor

from explorer.component import CHANNEL_NAMES, TIPS
from explorer.engine import ENGINE, SNR_RANGE, catalogue
from explorer.layout import header, no_networks, present_view
from explorer.sources import Scene, find_scene
from wzroi import views
from wzroi.channel import CHANNELS, sample_channel
from wzroi.link import Transmission, finish
from wzroi.pairs import Pair

MAX_DRAWS = 200
DRAW_PIXELS = 64 * 1024
"""Pixels decoded in one batch, over all draws."""


class Draws(NamedTuple):
    """Many transmissions of one picture: ``pictures`` ``[n, 3, H, W]``, ``psnr`` dB ``[n]``, symbols of the first.

    ``power`` is the mean of |z|^2 over the symbols, ``snr_db`` the measured SNR over all draws.
    """

    pictures: Tensor
    psnr: Tensor
    sent: Tensor
    received: Tensor
    power: float
    snr_db: float


def repeated(ready: Transmission, count: int) -> Transmission:
    """A transmission of one image as a batch of ``count`` equal ones, without computing anything again."""

    def expand(value: object) -> object:
        if isinstance(value, Tensor):
            return value.expand(count, *value.shape[1:])
        if isinstance(value, tuple) and hasattr(value, "_fields"):
            return type(value)(*(expand(part) for part in value))
        return value

    return ready._replace(pair=Pair(*(expand(part) for part in ready.pair)), symbols=expand(ready.symbols),
                          context=expand(ready.context), weight=expand(ready.weight))


def draw(scene: Scene, model: str, channel: str, snr_db: float, seed: int, count: int) -> Draws:
    """Send one pair ``count`` times with independent noise and gains, the first as the Compare page does."""
    network, ready = ENGINE.model(model), ENGINE.transmission(scene, model, "side")
    symbols, device = network.num_symbols(*scene.size), ENGINE.device
    generator = torch.Generator().manual_seed(seed)
    height, width = scene.size
    batch = max(1, min(count, DRAW_PIXELS // (height * width)))
    reports, noise, sizes = [], 0.0, [1] + [batch] * math.ceil((count - 1) / batch)
    sizes[-1] = count - sum(sizes[:-1])
    with ENGINE.slot():
        for size in sizes:
            state = sample_channel(channel, snr_db, size, symbols, generator=generator, device=device)
            reports.append(finish(network, repeated(ready, size), state))
            noise += float((state.noise.abs().square().mean(dim=1) * state.noise_power).sum())
    sent = reports[0].symbols[0]
    power = float(sent.abs().square().mean())
    return Draws(
        torch.cat([r.reconstruction for r in reports]).cpu(), torch.cat([r.psnr for r in reports]).cpu(), sent.cpu(),
        reports[0].received[0].cpu(), power, 10 * math.log10(power / (noise / count)),
    )


def spread_map(pictures: Tensor) -> views.Pixels:
    """Standard deviation of every pixel over the draws, on the error map's scale."""
    spread = pictures.std(dim=0, unbiased=False)
    return views.error_map(spread, torch.zeros_like(spread))


def page() -> None:
    """Draw the page."""
    header("The channel: symbols, noise and many draws",
           "Each image's symbols have mean power one; the SNR counts per complex symbol. One picture is sent many "
           "times: what the noise changes is the spread.")
    variants = catalogue()
    if not variants:
        no_networks()
        return
    view = present_view(variants)
    scene = find_scene(view.pair)
    models = [name for v in variants for name in v.names.values()]
    first = view.ask(variants).models
    left, middle, right, last = st.columns(4, vertical_alignment="bottom")
    model = left.selectbox("Network", models, index=models.index(first[0]) if first else 0)
    kind = middle.selectbox("Channel", list(CHANNELS), format_func=CHANNEL_NAMES.get, help=TIPS["channel"],
                            index=list(CHANNELS).index(view.channel))
    snr = right.slider("SNR, dB", *SNR_RANGE, value=view.snr, step=0.5, help=TIPS["snr"])
    count = last.select_slider("Draws", [1, 10, 50, 100, MAX_DRAWS], value=50)
    show(scene, draw(scene, model, kind, snr, view.seed, count), count)


def show(scene: Scene, draws: Draws, count: int) -> None:
    """Pictures, numbers and plots of many draws."""
    st.caption(f"{scene.title} · k = {len(draws.sent):,} complex symbols · mean power {draws.power:.3f} · "
               f"SNR measured over {count} draws {draws.snr_db:.2f} dB")
    plot, pictures = st.columns([3, 2])
    with plot:
        st.plotly_chart(views.constellation_figure(draws.sent, draws.received), key="constellation",
                        config={"displaylogo": False})
    with pictures:
        factor = max(1, 160 // scene.size[1])
        shown = {"Sent": views.to_pixels(scene.pair.source[0]), "First draw": views.to_pixels(draws.pictures[0]),
                 "Mean of the draws": views.to_pixels(draws.pictures.mean(dim=0)), "Spread": spread_map(draws.pictures)}
        columns = st.columns(2)
        for index, (name, pixels) in enumerate(shown.items()):
            columns[index % 2].image(views.enlarge(pixels, factor), caption=name, output_format="PNG")
    if count > 1:
        figure = views.histogram_figure(draws.psnr.tolist(), "PSNR, dB")
        st.plotly_chart(figure, key="psnr", config={"displaylogo": False})
