"""The live component of the Compare page: its data, and the location of its HTML, CSS and JavaScript."""

from __future__ import annotations

import base64
import functools
from pathlib import Path
from typing import Any

import streamlit as st

from explorer.compute.engine import CLASS_NAMES, ENGINE, MAX_SEED, MAX_VARIANTS, SNR_RANGE, Variant, zoo_index
from explorer.compute.pair_sources import gallery, gallery_entry, shrink
from explorer.ui.state import View
from wzroi import images
from wzroi.channel import CHANNELS, channel_of, channel_title
from wzroi.metrics import METRICS
from wzroi.roi import ROI_ORIGINS, origin_of

FOLDER = Path(__file__).resolve().parent / "web"
THUMB = 32


def channel_titles(present: str) -> dict[str, str]:
    """Kind -> title of every channel, and of the present one if it states parameters of its own."""
    return {kind: row.title for kind, row in CHANNELS.items()} | {present: channel_of(present)[0].title}


def origin_label(origin: str) -> str:
    """``side: what a receiver can compute``."""
    return f"{origin}: {origin_of(origin)[0].label}"


def origin_labels(present: str) -> dict[str, str]:
    """Origin -> label of every ROI origin that pages offer, and of the present one."""
    names = [name for name, row in ROI_ORIGINS.items() if row.shown]
    return {name: origin_label(name) for name in dict.fromkeys([*names, present])}


TIPS = {
    "pair": "The image x that the camera sends (eq. 1); x_side is made from it, or is the other camera's (eq. 4).",
    "snr": "Signal-to-noise ratio in dB per complex symbol: noise power is 10^(-SNR/10) (eq. 2, P_avg = 1).",
    "rate": "Bandwidth ratio rho = k / (3 H W): complex channel symbols per source value (eq. 3). A flexible network "
            "supports every step of 1/96, the others only the rates they were trained for.",
    "opacity": "Opacity of the ROI map M (Grad-CAM, eqs. 6 and 7) over the pictures.",
    "channel": "AWGN adds noise n before the decoder (eq. 4); Rayleigh fading also has a random gain, known there.",
    "roi": "What the ROI map M is computed from (eqs. 6 and 7); a receiver can compute only 'side'.",
    "seed": "Seed of the channel noise n at the decoder's input (eq. 4): the same seed gives the same pixels.",
    "errors": "Absolute error of the estimate of x (eq. 4), mean over red, green and blue; one scale for all pictures.",
    "variants": "What the decoder uses besides the symbols (eq. 4): nothing, x_side, SFT layers (eq. 8), M.",
    "rec": "Trained with Algorithm 1 on the squared error only (eq. 9).",
    "task": "Trained with Algorithm 2 on the squared error and the judge's cross-entropy (eqs. 5 and 10).",
    "tiles": "Whole: one image of k symbols (eqs. 2 and 3). Tiles: each is an image of the training size.",
    "draws": "Number of times the same symbols are sent, each time with new noise n (eq. 4).",
    "believed": "The SNR assumed by the equaliser before the decoder (eq. 4); on AWGN only a flexible network uses it.",
    "mismatch": "Performance when the channel noise differs from training (5 dB, eq. 9).",
}


@functools.cache
def asset(*names: str) -> str:
    """The text of the component's files, concatenated: a component takes one script and one style sheet."""
    return "\n".join((FOLDER / name).read_text(encoding="utf-8") for name in names)


def shapes() -> dict[str, dict[str, int]]:
    """Sizes for the signal chain: c maps and N filters of each network; window and coefficients of a flexible one."""
    return {name: entry.link.sizes for name, entry in zoo_index().models.items() if entry.link is not None}


def metric_data() -> list[dict[str, Any]]:
    """The metrics of a card: title, key, digits, unit after a number, and which way is better."""
    return [
        {"title": row.title, "key": key, "digits": row.digits, "unit": f" {row.unit}" * bool(row.unit),
         "scale": row.scale, "higher": row.higher_is_better}
        for key, row in METRICS.items() if row.function is not None
    ]


def square(identifier: str) -> images.Pixels:
    """A gallery picture's central square as a thumbnail."""
    source = gallery_entry(identifier).pair.source
    height, width = source.shape[-2:]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return images.to_pixels(shrink(source[..., top : top + side, left : left + side], THUMB, THUMB)[0])


@functools.cache
def gallery_data() -> dict[str, Any]:
    """Thumbnails of the gallery, stacked vertically, with their keys and titles."""
    sheet = images.png_bytes(images.stack_tiles([square(name) for name in gallery()]), compress_level=9)
    items = [{"key": f"gallery:{name}", "title": item.title} for name, item in gallery().items()]
    return {"sheet": base64.b64encode(sheet).decode(), "size": THUMB, "items": items}


def base_path() -> str:
    """The base path of the explorer's routes: empty, or ``/name``."""
    base = str(st.config.get_option("server.baseUrlPath")).strip("/")
    return f"/{base}" if base else ""


def bench_data(
    view: View, variants: list[Variant], version: int, base: str, show_gallery: bool,
    crop: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """The component's data; ``crop``: the parameters of the side image's perturbation."""
    titles = channel_titles(view.channel)
    return {
        "version": version, "base": base, "view": view.to_data(),
        "catalogue": [v._asdict() | {"names": {str(k): n for k, n in v.names.items()}} for v in variants],
        "crop": crop, "gallery": gallery_data() if show_gallery else None,
        "channels": titles, "channel_names": {kind: channel_title(kind) for kind in titles},
        "origins": origin_labels(view.roi), "origin_frames": {key: row.frame for key, row in ROI_ORIGINS.items()},
        "random_origins": [key for key, row in ROI_ORIGINS.items() if row.random],
        "metrics": metric_data(),
        "shapes": shapes(), "classes": CLASS_NAMES, "tips": TIPS, "hardware": ENGINE.hardware(),
        "snr_range": list(SNR_RANGE), "max_seed": MAX_SEED, "max_variants": MAX_VARIANTS,
        "error_scale": images.ERROR_SCALE, "error_colours": list(images.INFERNO), "roi_colours": list(images.CIVIDIS),
    }


BENCH = st.components.v2.component(
    "wzroi_bench", html=asset("bench.html"), css=asset("bench.css", "help.css"),
    js=asset("live.js", "chain.js", "tour.js", "reveal.js", "bench.js"),
)
