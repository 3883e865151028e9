"""From a point of a figure to the explorer at its setting: by a click, or from a list."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from wzroi.config import ARCHITECTURES
from wzroi.names import ModelName
from zoo.results.figures import Series, Setting
from zoo.results.files import name_of
from zoo.results.tables import Tier

KEY = "figure-point"
CLICKED = "figure-clicked"


def _variant(model: str) -> str:
    """A network as the explorer's links name it: without its rate."""
    name = ModelName.parse(model)
    return f"{name.architecture}.{name.stage}" + "_oracle" * name.oracle + "_lite" * name.lite


def address(setting: Setting, tier: Tier) -> str:
    """The Compare page at a setting; a baseline's point opens the four architectures there."""
    names = [setting.model] if setting.model else [name_of(arch, "rec", setting.rate, tier) for arch in ARCHITECTURES]
    query = {
        "variants": ",".join(_variant(name) for name in names), "rate": setting.rate, "snr": f"{setting.snr_db:g}",
        "roi": setting.roi,
    }
    return f"./?{urlencode(query)}"  # the default page lies at the root


def listed(series: Iterable[Series]) -> dict[Setting, str]:
    """Every point's setting once, with how the list names it."""
    found: dict[Setting, str] = {}
    for one in series:
        for point in one.points:
            if point.setting is not None:
                place = f"{point.setting.snr_db:g} dB, ρ = 1/{point.setting.rate}"
                found.setdefault(point.setting, f"{one.title} · {place}")
    return found


def picked(points: list[list[Any]]) -> None:
    """Remember the setting of a clicked point for the list."""
    if points:
        rate, snr_db, model, roi = points[0]
        st.session_state[CLICKED] = Setting(int(rate), float(snr_db), str(model), str(roi))


def choose(series: list[Series], tier: Tier) -> None:
    """The list of points and the link to the explorer."""
    names = listed(series)
    clicked = st.session_state.pop(CLICKED, None)
    if clicked in names:
        st.session_state[KEY] = clicked
    left, right = st.columns([3, 2], vertical_alignment="bottom")
    with left:
        point = st.selectbox("A point", list(names), index=None, format_func=names.get, key=KEY,
                             placeholder="Click a point, or choose one here")
    if point is not None:
        right.markdown(f"[:material/open_in_new: Open the explorer at this setting]({address(point, tier)})")
