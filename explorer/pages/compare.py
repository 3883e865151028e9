"""The Compare page: one pair through any set of variants, live."""

from __future__ import annotations

import streamlit as st

from explorer.compute.engine import Variant, catalogue
from explorer.export.frame import take_away
from explorer.ui.component import BENCH, base_path, bench_data
from explorer.ui.layout import header, no_networks
from explorer.ui.published_curves import sweep
from explorer.ui.visit import Visit, arrive

INTRO = (
    "A camera sends **x** over a noisy channel with very few symbols; the receiver has a correlated image **x_side** "
    "and uses it to reconstruct x. Drag the sliders."
)


def render() -> None:
    """Draw the page."""
    header("WZ-ROI: side information at the receiver, live", INTRO)
    variants = catalogue()
    if not variants:
        no_networks()
        return
    here = arrive(variants)
    live(here, variants)


@st.fragment
def live(here: Visit, variants: list[Variant]) -> None:
    """The component and the sweep below it; when a control settles, only this part is rerun."""
    showing = st.session_state.source == "gallery"
    data = bench_data(here.view, variants, here.version, base_path(), showing)
    reported = BENCH(key="bench", data=data, on_view_change=lambda: None)
    if reported.view:
        here.apply_report(reported.view, variants)
    query = here.view.to_query()
    if query != st.query_params.to_dict():
        st.query_params.from_dict(query)
    here.pictured = here.pictured or bool(reported.view)
    if here.pictured:  # the plotting library blocks a browser for half a second, so the first picture comes first
        sweep(here.view, variants)
        take_away(here.view, variants)
