"""Open a point of a figure in the explorer at its operating point: by a click, or from a list."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from wzroi.config import PAPER_ARCHITECTURES
from wzroi.names import ModelName
from zoo.results.figures import OperatingPoint, Series
from zoo.results.files import name_of
from zoo.results.tables import Tier

KEY = "figure-point"
CLICKED = "figure-clicked"


def _variant(model: str) -> str:
    """A network's name in the explorer's links: without its rate."""
    name = ModelName.parse(model)
    return f"{name.architecture}.{name.stage}" + "_oracle" * name.oracle + "_lite" * name.lite


def address(operating_point: OperatingPoint, tier: Tier) -> str:
    """The URL of the Compare page at an operating point; a baseline's point opens the four architectures."""
    names = (
        [operating_point.model]
        if operating_point.model
        else [name_of(arch, "rec", operating_point.rate, tier) for arch in PAPER_ARCHITECTURES]
    )
    query = {
        "variants": ",".join(_variant(name) for name in names),
        "rate": operating_point.rate,
        "snr": f"{operating_point.snr_db:g}",
        "roi": operating_point.roi,
    }
    return f"./?{urlencode(query)}"  # the default page lies at the root


def listed(series: Iterable[Series]) -> dict[OperatingPoint, str]:
    """Every point's operating point once, with its label in the list."""
    found: dict[OperatingPoint, str] = {}
    for one in series:
        for point in one.points:
            if point.operating_point is not None:
                place = f"{point.operating_point.snr_db:g} dB, ρ = 1/{point.operating_point.rate}"
                found.setdefault(point.operating_point, f"{one.title} · {place}")
    return found


def picked(points: list[list[Any]]) -> None:
    """Remember the operating point of a clicked point for the list."""
    if points:
        rate, snr_db, model, roi = points[0]
        st.session_state[CLICKED] = OperatingPoint(int(rate), float(snr_db), str(model), str(roi))


def choose(series: list[Series], tier: Tier) -> None:
    """The list of points and the link into the explorer."""
    names = listed(series)
    clicked = st.session_state.pop(CLICKED, None)
    if clicked in names:
        st.session_state[KEY] = clicked
    left, right = st.columns([3, 2], vertical_alignment="bottom")
    with left:
        point = st.selectbox("A point", list(names), index=None, format_func=names.__getitem__, key=KEY,
                             placeholder="Click a point, or choose one here")
    if point is not None:
        right.markdown(f"[:material/open_in_new: Open the explorer at this setting]({address(point, tier)})")
