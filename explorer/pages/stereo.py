"""The Stereo page: a real left and right photograph at full size, with time and memory estimated in advance."""

from __future__ import annotations

import time
from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

import streamlit as st
from torch import Tensor

from explorer.compute.engine import ENGINE, SNR_RANGE, BusyError, catalogue, zoo_index
from explorer.compute.pair_sources import gallery_entry, shrink, upload_pair, working_size
from explorer.compute.stereo import TILE, Cost, cost, disparity, disparity_map, needed_bytes, transmit_pair
from explorer.ui.component import TIPS
from explorer.ui.layout import choose_rate, header, no_networks, show_picture
from explorer.ui.upload_picker import File, read_files
from wzroi import images
from wzroi.channel import CHANNELS, channel_title
from wzroi.link import LinkReport
from wzroi.metrics import figure_text
from wzroi.pairs import Pair, make_pair
from zoo.image_io import Picture, load_views, notes_of
from zoo.rates import DEFAULT
from zoo.serving.variants import is_flexible

SIZES = (160, 320, 512, 741, 1024)
MAX_BYTES = 3 * 2**30
"""Memory limit of one transmission."""

WAYS = {"whole": "Whole", "tiles": f"{TILE}x{TILE} tiles"}

INTRO = ("The left camera's picture is sent; the receiver has the right camera's. The networks were trained on 32x32 "
         "pictures and their crops: this shows how they generalise, not what they were made for. WZ-ROI-Flex was "
         "also trained on synthetic disparity, and finds where the right picture's pixels belong.")


class Chosen(NamedTuple):
    """A stereo pair, its title, and a mark that identifies the choice."""

    pair: Pair
    title: str
    mark: tuple[object, ...]


class Sent(NamedTuple):
    """A completed transmission, with everything that determined it."""

    model: str
    channel: str
    snr_db: float
    way: str
    rate: Fraction
    title: str
    source: Tensor
    report: LinkReport
    seconds: float


def choose() -> Chosen | None:
    """The widgets that choose a stereo pair; ``None`` until there is one."""
    left, right = st.columns([3, 1])
    kinds = ["Motorcycle", "Your pair"]
    kind = left.segmented_control("Pair", kinds, default=kinds[0], required=True, key="stereo_kind", help=TIPS["pair"])
    longer = right.selectbox("Longer side, pixels", SIZES, index=SIZES.index(741), key="stereo_size",
                             help="H and W of eq. 3: the number of symbols grows with the area.")
    return bundled(longer) if kind == kinds[0] else uploaded(longer)


def bundled(longer: int) -> Chosen:
    """The motorcycle of scikit-image."""
    entry = gallery_entry("motorcycle", full_size=True)
    size = working_size(*entry.size, longer)
    small = shrink(entry.pair.source, *size), shrink(entry.pair.side, *size)
    return Chosen(make_pair(small[0], None, "stereo", small[1]), entry.title, ("motorcycle", longer))


def uploaded(longer: int) -> Chosen | None:
    """Two pictures uploaded by the visitor, or one file with both; errors are displayed."""
    label = "A left and a right picture of the same size, or a stereo camera's MPO file"
    files = st.file_uploader(label, accept_multiple_files=True, key="stereo_files")
    if not files:
        return None
    mark = (tuple(file.file_id for file in files), longer)
    try:
        if st.session_state.get("stereo_upload", (None,))[0] != mark:
            st.session_state.stereo_upload = (mark, *read_both(files, longer))
    except ValueError as error:
        st.error(str(error), icon=":material/broken_image:")
        return None
    _, pictures, title = st.session_state.stereo_upload
    if notes := notes_of(pictures):
        st.caption("Read with assumptions: " + "; ".join(notes) + ".")
    return Chosen(upload_pair(pictures[0].pixels, pictures[1].pixels, None)[0], title, mark)


def read_both(files: Sequence[File], longer: int) -> tuple[Sequence[Picture], str]:
    """The left and the right picture of one MPO file or two files, and a title; raises PictureError."""
    if len(files) == 1:
        title = files[0].name[:60]
        return load_views(files[0].getvalue(), max_side=longer, name=title), title
    return read_files(files, longer)


def render() -> None:
    """Draw the page."""
    header("Stereo: two photographs at full size", INTRO)
    if not catalogue():
        no_networks()
        return
    chosen = choose()
    if chosen is None:
        return
    columns = st.columns(4, vertical_alignment="bottom")
    models = sorted(zoo_index().models, key=lambda name: not is_flexible(name))
    model = columns[0].selectbox("Network", models, key="stereo_model", help=TIPS["variants"])
    channel = columns[1].selectbox("Channel", list(CHANNELS), format_func=channel_title,
                                   help=TIPS["channel"])
    snr = columns[2].slider("SNR, dB", *SNR_RANGE, value=5.0, step=0.5, help=TIPS["snr"], key="stereo_snr")
    way = columns[3].segmented_control("Sent", list(WAYS), default="whole", format_func=WAYS.__getitem__, required=True,
                                       key="stereo_way", help=TIPS["tiles"]) or "whole"
    rate = choose_rate(model, DEFAULT, "stereo")
    show_pair(chosen)
    transmit(chosen, model, channel, snr, way, rate)


def show_pair(chosen: Chosen) -> None:
    """Both pictures and the disparity between them."""
    left, right, apart = st.columns(3)
    show_picture(left, images.to_pixels(chosen.pair.source[0]), "Left: sent")
    show_picture(right, images.to_pixels(chosen.pair.side[0]), "Right: known")
    if st.session_state.get("stereo_apart", (None,))[0] != chosen.mark:
        st.session_state.stereo_apart = (chosen.mark, *disparity_map(disparity(chosen.pair)))
    _, pixels, top = st.session_state.stereo_apart
    show_picture(apart, pixels, f"Disparity, 0 to {top:.0f} pixels (bright is near); black: no match")


def cost_of(pair: Pair, model: str, tiled: bool, rate: Fraction) -> Cost:
    """The cost of sending, measured once per visit for each network, size and way."""
    costs: dict[tuple[object, ...], Cost] = st.session_state.setdefault("stereo_costs", {})
    key = (model, pair.source.shape, tiled)
    if key not in costs:
        with ENGINE.slot():
            costs[key] = cost(pair, model, tiled, rate)
    return costs[key]


def transmit(chosen: Chosen, model: str, channel: str, snr: float, way: str, rate: Fraction) -> None:
    """Show the expected cost, and send on request."""
    pair, tiled = chosen.pair, way == "tiles"
    height, width = pair.source.shape[-2:]
    needed = needed_bytes(ENGINE.model(model).config, height, width, tiled)
    if needed > MAX_BYTES:
        st.error(f"{width}x{height} pixels would need {needed / 2**30:.1f} GiB with {model}: choose a smaller size or "
                 "send it as tiles.")
        return
    try:
        expected = cost_of(pair, model, tiled, rate)
        st.caption(
            f"{chosen.title}, {width}x{height}: about {expected.seconds:.1f} s and {expected.size / 2**20:.0f} MiB of "
            f"feature maps, {ENGINE.hardware()}."
        )
        if st.button("Send", type="primary", icon=":material/send:"):
            with ENGINE.slot(), st.spinner("Sending"):
                start = time.perf_counter()
                report = transmit_pair(pair, model, channel, snr, 0, tiled, rate)
                spent = time.perf_counter() - start
            st.session_state.stereo = Sent(model, channel, snr, way, rate, chosen.title, pair.source, report, spent)
    except BusyError as error:
        st.warning(str(error))
    if "stereo" in st.session_state:
        render_result(st.session_state.stereo)


def render_result(sent: Sent) -> None:
    """The last transmission and its setting."""
    report, (height, width) = sent.report, sent.source.shape[-2:]
    symbols = report.symbols.shape[1]
    st.markdown(
        f"**{sent.model}**, {sent.title}, {WAYS[sent.way].lower()}, {channel_title(sent.channel)}, {sent.snr_db:.1f} "
        f"dB, seed 0: PSNR **{float(report.psnr):.2f} dB**, SSIM **{figure_text(report.ssim, 3)}**, k = {symbols:,} "
        f"complex symbols (ρ = 1/{3 * height * width / symbols:.3g}), {sent.seconds:.1f} s"
    )
    picture = report.reconstruction[0].cpu()
    left, right = st.columns(2)
    show_picture(left, images.to_pixels(picture), "Reconstruction")
    scale = f"Error, 0 to {round(255 * images.ERROR_SCALE)} grey levels"
    show_picture(right, images.error_map(picture, sent.source[0]), scale)
