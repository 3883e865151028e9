"""The Stereo page: a real left and right photograph at full size, with time and memory told before it starts."""

from __future__ import annotations

import time
from typing import NamedTuple

import streamlit as st
import torch
from torch import Tensor

from explorer.component import CHANNEL_NAMES, TIPS
from explorer.engine import ENGINE, SNR_RANGE, BusyError, catalogue, holdings
from explorer.layout import header, no_networks
from explorer.sources import Scene, gallery_scene, shrink, upload_pair, working_size
from explorer.upload import read_files
from wzroi import views
from wzroi.channel import CHANNELS, sample_channel
from wzroi.config import ModelConfig
from wzroi.link import LinkReport, finish, prepare
from wzroi.pairs import Pair, make_pair
from wzroi.roi import roi_map

SIZES = (160, 320, 512, 741, 1024)
MAX_BYTES = 3 * 2**30
"""Most memory that one transmission may take."""

PROBE = 96
"""Side in pixels of the corner that is sent first, to tell how long the whole will take."""


class Cost(NamedTuple):
    """What a transmission will take: seconds (measured on a corner, scaled by area) and bytes (of feature maps)."""

    seconds: float
    size: int


def feature_bytes(config: ModelConfig, height: int, width: int) -> int:
    """Bytes of the feature maps that live at once: encoder and decoder at half resolution, and the SFT modulations."""
    copies = 2 if config.side else 1
    halves = 3 * config.width + copies * config.width * (4 if config.guidance != "none" else 2)
    return 4 * halves * (height // 2) * (width // 2)


def crop(pair: Pair, side: int) -> Pair:
    """The top-left corner of a pair."""
    return Pair(pair.source[..., :side, :side], pair.side[..., :side, :side])


def cost(pair: Pair, model: str) -> Cost:
    """Time and memory of sending a pair, before it is sent."""
    height, width = pair.source.shape[-2:]
    corner = crop(pair, PROBE)
    send(corner, model, "awgn", 5.0, 0)
    start = time.perf_counter()
    send(corner, model, "awgn", 5.0, 0)
    spent = time.perf_counter() - start
    area = height * width / (corner.source.shape[-1] * corner.source.shape[-2])
    return Cost(spent * area, feature_bytes(ENGINE.model(model).config, height, width))


def send(pair: Pair, model: str, channel: str, snr_db: float, seed: int) -> LinkReport:
    """Send a pair of any size; the ROI map is the side image's."""
    network, pair = ENGINE.model(model), pair.to(ENGINE.device)
    judge = ENGINE.judge_of(model)
    roi = roi_map(ENGINE.judge(judge), pair) if judge and network.config.uses_roi else None
    height, width = pair.source.shape[-2:]
    generator = torch.Generator().manual_seed(seed)
    symbols = network.num_symbols(height, width)
    state = sample_channel(channel, snr_db, 1, symbols, generator=generator, device=ENGINE.device)
    return finish(network, prepare(network, pair, roi), state)


def choose() -> tuple[Pair, str] | None:
    """The widgets that choose a stereo pair; ``None`` before there is one."""
    left, right = st.columns([3, 1])
    kinds = ["Motorcycle", "Your pair"]
    kind = left.segmented_control("Pair", kinds, default=kinds[0], required=True, key="stereo_kind")
    longer = right.selectbox("Longer side, pixels", SIZES, index=SIZES.index(741), key="stereo_size")
    if kind == "Motorcycle":
        scene: Scene = gallery_scene("motorcycle", full_size=True)
        size = working_size(*scene.size, longer)
        small = shrink(scene.pair.source, *size), shrink(scene.pair.side, *size)
        return make_pair(small[0], None, "stereo", small[1]), scene.title
    label = "A left and a right picture of the same size"
    files = st.file_uploader(label, accept_multiple_files=True, key="stereo_files")
    if not files:
        return None
    if len(files) != 2:
        st.error("A stereo pair is two files: choose a left and a right picture.")
        return None
    try:
        pictures, title = read_files(files, longer)
        return upload_pair(pictures[0], pictures[1], None)[0], title
    except ValueError as error:
        st.error(str(error), icon=":material/broken_image:")
        return None


def page() -> None:
    """Draw the page."""
    header("Stereo: two photographs at full size",
           "The left camera's picture is sent; the receiver holds the right camera's. The networks were trained on "
           "32x32 pictures and their crops: this shows how they carry over, not what they were made for.")
    variants = catalogue()
    if not variants:
        no_networks()
        return
    chosen = choose()
    if chosen is None:
        return
    pair, title = chosen
    names = list(holdings().models)
    columns = st.columns(3, vertical_alignment="bottom")
    model = columns[0].selectbox("Network", names, key="stereo_model")
    channel = columns[1].selectbox("Channel", list(CHANNELS), format_func=CHANNEL_NAMES.get, help=TIPS["channel"])
    snr = columns[2].slider("SNR, dB", *SNR_RANGE, value=5.0, step=0.5, help=TIPS["snr"], key="stereo_snr")
    left, right = st.columns(2)
    left.image(views.to_pixels(pair.source[0]), caption="Left: sent", output_format="PNG", width="stretch")
    right.image(views.to_pixels(pair.side[0]), caption="Right: known", output_format="PNG", width="stretch")
    transmit(pair, title, model, channel, snr)


def transmit(pair: Pair, title: str, model: str, channel: str, snr: float) -> None:
    """Tell the cost, and send when asked to."""
    height, width = pair.source.shape[-2:]
    needed = feature_bytes(ENGINE.model(model).config, height, width)
    if needed > MAX_BYTES:
        st.error(f"{width}x{height} pixels would take {needed / 2**30:.1f} GiB with {model}: choose a smaller size.")
        return
    try:
        with ENGINE.slot():
            told = cost(pair, model)
        st.caption(f"{title}, {width}x{height}: about {told.seconds:.1f} s and {told.size / 2**20:.0f} MiB, "
                   f"{ENGINE.hardware()}.")
        if st.button("Send", type="primary", icon=":material/send:"):
            with ENGINE.slot(), st.spinner("Sending"):
                start = time.perf_counter()
                report = send(pair, model, channel, snr, 0)
                st.session_state.stereo = (model, channel, snr, report, pair.source, time.perf_counter() - start)
    except BusyError as error:
        st.warning(str(error))
    if "stereo" in st.session_state:
        show(*st.session_state.stereo)


def show(model: str, channel: str, snr: float, report: LinkReport, source: Tensor, seconds: float) -> None:
    """The last transmission; its setting is told beside it."""
    height, width = source.shape[-2:]
    symbols = report.symbols.shape[1]
    rho = f"ρ = 1/{3 * height * width / symbols:.0f}"
    st.markdown(
        f"**{model}**, {CHANNEL_NAMES[channel]}, {snr:.1f} dB: PSNR **{float(report.psnr):.2f} dB**, SSIM "
        f"**{float(report.ssim):.3f}**, k = {symbols:,} complex symbols ({rho}), {seconds:.1f} s"
    )
    picture = report.reconstruction[0].cpu()
    left, right = st.columns(2)
    left.image(views.to_pixels(picture), caption="Reconstruction", output_format="PNG", width="stretch")
    scale = f"Error, 0 to {round(255 * views.ERROR_SCALE)} grey levels"
    right.image(views.error_map(picture, source[0]), caption=scale, output_format="PNG", width="stretch")
