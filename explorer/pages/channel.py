"""The Channel page: what is sent and received, many channel draws at once, and an SNR mismatch."""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

import streamlit as st
import torch
from torch import Tensor

from explorer.compute.draws import DRAW_PIXELS, Draws, draw
from explorer.compute.engine import SNR_RANGE, Variant, catalogue, zoo_index
from explorer.compute.pair_sources import PairEntry, find_entry
from explorer.ui import channel_plots
from explorer.ui.channel_plots import Level, mismatch_figure, peak_to_average_db, power_figure
from explorer.ui.component import TIPS, channel_titles
from explorer.ui.layout import choose_rate, header, no_networks, present_view, show_picture
from explorer.ui.state import View
from wzroi import images
from wzroi.channel import channel_of, channel_title
from zoo.rates import DEFAULT
from zoo.serving.variants import is_flexible

MAX_DRAWS = 200
MISMATCH_SNRS = tuple(range(-5, 21, 5))
MISMATCH_DRAWS = 16
PLAIN = {"displaylogo": False}

INTRO = ("Each image's symbols have mean power one (eq. 2); the SNR is per complex symbol. One picture is sent "
         "many times to show the variation caused by the noise.")


class ChannelSettings(NamedTuple):
    """The values of the page's controls.

    ``believed`` is the SNR that the receiver assumes (``None``: the true one). ``rate``: 1/rho of a flexible network.
    """

    model: str
    channel: str
    snr_db: float
    sendings: int
    seed: int
    roi: str
    believed: float | None
    rate: Fraction = DEFAULT

    def draws(self, entry: PairEntry) -> Draws:
        """Send the pair many times."""
        return draw(
            entry, self.model, self.channel, self.snr_db, self.seed, self.sendings, self.roi, self.believed, self.rate
        )


def render() -> None:
    """Draw the page."""
    header("The channel: symbols, noise and many draws", INTRO)
    variants = catalogue()
    if not variants:
        no_networks()
        return
    view = present_view(variants)
    entry = find_entry(view.pair)
    settings = controls(view, variants)
    render_draws(entry, settings, settings.draws(entry))
    unexpected(entry, settings)


def controls(view: View, variants: list[Variant]) -> ChannelSettings:
    """The widgets; picture, ROI origin and seed are those of the Compare page."""
    models = list(dict.fromkeys(name for variant in variants for name in variant.names.values()))
    first = view.request(variants).models
    kinds = channel_titles(view.channel)
    columns = st.columns(5, vertical_alignment="bottom")
    model = columns[0].selectbox("Network", models, index=models.index(first[0]) if first else 0, help=TIPS["variants"])
    kind = columns[1].selectbox("Channel", list(kinds), format_func=channel_title, help=TIPS["channel"],
                                index=list(kinds).index(view.channel))
    snr = columns[2].slider("SNR, dB", *SNR_RANGE, value=view.snr, step=0.5, help=TIPS["snr"])
    count = columns[3].select_slider("Draws", [1, 10, 50, 100, MAX_DRAWS], value=50, help=TIPS["draws"])
    knows = "knows the SNR"
    options = [knows, *(f"assumes {value} dB" for value in MISMATCH_SNRS)]
    unused = channel_of(kind)[0].gain is None and not is_flexible(model)
    assumed = columns[4].selectbox("The receiver", options, help=TIPS["believed"], disabled=unused)
    believed = None if unused or assumed == knows else float(MISMATCH_SNRS[options.index(assumed) - 1])
    return ChannelSettings(
        model, kind, snr, count, view.seed, view.roi, believed, choose_rate(model, view.rate, "channel")
    )


def spread_map(pictures: Tensor) -> images.Pixels:
    """Standard deviation of every pixel over the draws, on the error map's scale."""
    spread = pictures.std(dim=0, unbiased=False)
    return images.error_map(spread, torch.zeros_like(spread))


def render_draws(entry: PairEntry, settings: ChannelSettings, draws: Draws) -> None:
    """Pictures, numbers and plots of many draws."""
    st.caption(
        f"{entry.title} · k = {len(draws.sent):,} complex symbols · mean power {draws.power:.3f}, peak "
        f"{peak_to_average_db(draws.sent):.1f} dB above it · SNR measured over {settings.sendings} draws "
        f"{draws.snr_db:.2f} dB · PSNR {float(draws.psnr.mean()):.2f} ± "
        f"{float(draws.psnr.std(unbiased=False)):.2f} dB (standard deviation) · seed {settings.seed}"
    )
    plot, pictures = st.columns([3, 2])
    with plot:
        figure = channel_plots.constellation_figure(draws.sent, draws.received)
        st.plotly_chart(figure, key="constellation", config=PLAIN)
    with pictures:
        show_pictures(entry, draws)
    left, right = st.columns(2)
    left.plotly_chart(power_figure(draws.sent), key="power", config=PLAIN)
    if settings.sendings > 1:
        right.plotly_chart(channel_plots.histogram_figure(draws.psnr.tolist(), "PSNR, dB"), key="psnr", config=PLAIN)


def show_pictures(entry: PairEntry, draws: Draws) -> None:
    """The source, the first draw, the mean of all draws, and their standard deviation."""
    factor = max(1, 160 // entry.size[1])
    shown = {"Sent": images.to_pixels(entry.pair.source[0]), "First draw": images.to_pixels(draws.pictures[0]),
             "Mean of the draws": images.to_pixels(draws.pictures.mean(dim=0)),
             f"Standard deviation, 0 to {round(255 * images.ERROR_SCALE)} grey levels": spread_map(draws.pictures)}
    side_by_side = st.container(horizontal=True)
    for name, pixels in shown.items():
        show_picture(side_by_side, images.enlarge(pixels, factor), name, factor * entry.size[1])


def trained_at(model: str) -> float | None:
    """The training SNR of a network in dB, if its entry states it."""
    entry = zoo_index().models.get(model)
    value = (entry.training or {}).get("snr_db") if entry else None
    return float(value) if isinstance(value, int | float) else None


def levels(entry: PairEntry, settings: ChannelSettings) -> list[Level]:
    """PSNR over the channel's SNR for the chosen receiver."""
    height, width = entry.size
    few = max(1, min(MISMATCH_DRAWS, DRAW_PIXELS // (height * width)))
    found = []
    for snr in MISMATCH_SNRS:
        psnr = settings._replace(snr_db=float(snr), sendings=few).draws(entry).psnr
        found.append(Level(float(snr), float(psnr.mean()), float(psnr.std(unbiased=False))))
    return found


def unexpected(entry: PairEntry, settings: ChannelSettings) -> None:
    """SNR mismatch: a channel SNR other than in training, and a receiver that assumes a wrong SNR."""
    if not st.toggle("SNR mismatch", key="mismatch", help=TIPS["mismatch"]):
        return
    curves = {"receiver knows the SNR": levels(entry, settings._replace(believed=None))}
    if settings.believed is not None:
        curves[f"receiver assumes {settings.believed:g} dB"] = levels(entry, settings)
    trained = trained_at(settings.model)
    st.plotly_chart(mismatch_figure(curves, trained, settings.snr_db), key="mismatch_plot", config=PLAIN)
    st.caption(f"Mean over draws, bars ± one standard deviation. {of_the_snr(settings.model, trained)}")


def of_the_snr(model: str, trained: float | None) -> str:
    """How a network uses the SNR."""
    if is_flexible(model):
        return "Both ends of this network know the SNR: the sender allocates power, the receiver weighs the symbols."
    where = "" if trained is None else f" It was trained at {trained:g} dB and cannot tell when the SNR differs."
    fading = "On AWGN the receiver does not use the SNR; on a fading channel its equaliser does."
    return f"The network has no input for the SNR.{where} {fading}"
