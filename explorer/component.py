"""The Compare page's live component: its data, and where its HTML, CSS and JavaScript lie."""

from __future__ import annotations

import base64
import functools
from pathlib import Path
from typing import Any

from explorer.engine import CLASS_NAMES, ENGINE, MAX_SEED, MAX_VARIANTS, SNR_RANGE, Variant
from explorer.sources import gallery, gallery_scene, shrink
from explorer.state import View
from wzroi import views
from wzroi.channel import CHANNELS
from wzroi.roi import ORIGINS

FOLDER = Path(__file__).resolve().parent / "bench"
THUMB = 32

CHANNEL_NAMES = {"awgn": "AWGN", "rayleigh": "Rayleigh block fading", "rayleigh_iid": "Rayleigh i.i.d. fading"}

ORIGIN_LABELS = {
    "side": "side: what a receiver can compute",
    "source": "source: oracle, Grad-CAM of x",
    "source+label": "source+label: oracle, true class",
    "zeros": "zeros: no region",
    "normal": "normal: random numbers",
    "shuffled": "shuffled: another image's map",
}

TIPS = {
    "snr": "Signal-to-noise ratio in dB per complex symbol: noise power is 10^(-SNR/10) (eq. 2, P_avg = 1).",
    "rate": "Bandwidth ratio rho = k / (3 H W): complex channel symbols per source value (eq. 3).",
    "opacity": "How strongly the ROI map M (Grad-CAM, eqs. 6 and 7) is laid over the pictures.",
    "channel": "AWGN adds noise; Rayleigh fading also multiplies by a random gain that the receiver knows.",
    "roi": "From what the ROI map M is computed (eqs. 6 and 7); only 'side' is possible at a receiver.",
    "seed": "Seed of the channel noise: the same seed gives the same pixels.",
    "errors": "Absolute error, mean over red, green and blue, on one scale for all variants.",
}


@functools.cache
def asset(name: str) -> str:
    """The text of one of the component's files."""
    return (FOLDER / name).read_text(encoding="utf-8")


def square(identifier: str) -> views.Pixels:
    """A gallery picture's middle square as a thumbnail."""
    source = gallery_scene(identifier).pair.source
    height, width = source.shape[-2:]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return views.to_pixels(shrink(source[..., top : top + side, left : left + side], THUMB, THUMB)[0])


@functools.cache
def gallery_data() -> dict[str, Any]:
    """Thumbnails of the gallery, one below the other, with their keys and titles."""
    sheet = views.png_bytes(views.stack_tiles([square(name) for name in gallery()]), compress_level=9)
    items = [{"key": f"gallery:{name}", "title": item.title} for name, item in gallery().items()]
    return {"sheet": base64.b64encode(sheet).decode(), "size": THUMB, "items": items}


def bench_data(view: View, variants: list[Variant], version: int, base: str, show_gallery: bool) -> dict[str, Any]:
    """All that the component is told."""
    return {
        "version": version, "base": base, "view": view.to_data(),
        "catalogue": [v._asdict() | {"names": {str(k): n for k, n in v.names.items()}} for v in variants],
        "gallery": gallery_data() if show_gallery else None,
        "channels": CHANNELS, "channel_names": CHANNEL_NAMES, "origins": {key: ORIGIN_LABELS[key] for key in ORIGINS},
        "classes": CLASS_NAMES, "tips": TIPS, "hardware": ENGINE.hardware(), "snr_range": list(SNR_RANGE),
        "max_seed": MAX_SEED, "max_variants": MAX_VARIANTS, "error_scale": views.ERROR_SCALE,
        "error_colours": list(views.INFERNO), "roi_colours": list(views.CIVIDIS),
    }
