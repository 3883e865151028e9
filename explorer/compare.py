"""The Compare page: one pair through any set of variants, live."""

from __future__ import annotations

import weakref
from dataclasses import replace
from typing import Any

import streamlit as st

from explorer import cifar, upload
from explorer.component import asset, base_path, bench_data
from explorer.engine import Variant, catalogue
from explorer.layout import header, no_networks
from explorer.state import View, read_component, read_query
from explorer.sweep import sweep
from explorer.takeaway import take_away

BENCH = st.components.v2.component(
    "wzroi_bench", html=asset("bench.html"), css=asset("bench.css", "help.css"),
    js=asset("live.js", "chain.js", "tour.js", "reveal.js", "bench.js"),
)

SOURCES = {"gallery": "Gallery", "cifar": "CIFAR-10 test set", "upload": "Your picture"}

INTRO = (
    "A camera sends **x** over a noisy channel with very few symbols; the receiver holds a correlated image **x_side** "
    "and rebuilds x with it. Drag the sliders."
)

class Visit:
    """What one visitor's session holds besides widgets: the view, and its version for the component.

    ``pictured``: the component has reported, as it does once its first picture stands.
    """

    def __init__(self, view: View) -> None:
        self.view = view
        self.version = 0
        self.gallery = view.pair if view.pair.startswith("gallery:") else View().pair
        self.uploads: list[str] = []
        self.pictured = False

    def show(self, pair: str) -> None:
        """Show another pair at the next drawing."""
        if pair != self.view.pair:
            self.view = replace(self.view, pair=pair)
            self.version += 1

    def adopt(self, report: dict[str, Any], variants: list[Variant]) -> None:
        """Take over what the component reports; its pair only if it has seen the latest choice made beside it."""
        view = read_component(report, self.view, variants)
        if report.get("version") == self.version and view.pair.startswith("gallery:"):
            self.view, self.gallery = view, view.pair
        else:
            self.view = replace(view, pair=self.view.pair)


def visit(variants: list[Variant]) -> Visit:
    """This session's visit, begun from the link it was opened with."""
    if "visit" not in st.session_state:
        view, notices = read_query(st.query_params.to_dict(), variants)
        st.session_state.visit = Visit(view)
        st.session_state.notices = notices
        weakref.finalize(st.session_state.visit, upload.forget, st.session_state.visit.uploads)
    return st.session_state.visit


def notices() -> None:
    """What was wrong with the link, once, until it is read."""
    told = st.session_state.get("notices", [])
    if told:
        st.warning("\n\n".join(told), icon=":material/link_off:")
        st.button("Understood", on_click=lambda: st.session_state.update(notices=[]))


def choose_pair(here: Visit) -> None:
    """The widgets that choose where the pair comes from."""
    # a widget's value is forgotten while another page is open: the pair on show says where it came from
    st.session_state.setdefault("source", here.view.pair.partition(":")[0])
    kind = st.segmented_control("Pair", list(SOURCES), format_func=SOURCES.get, key="source", required=True,
                                label_visibility="collapsed")
    if kind == "cifar":
        key = cifar.choose(here.view.pair)
    elif kind == "upload":
        key = upload.choose(here.uploads)
    else:
        key = here.gallery
    if key:
        here.show(key)


def page() -> None:
    """Draw the page."""
    header("WZ-ROI: side information at the receiver, live", INTRO)
    variants = catalogue()
    if not variants:
        no_networks()
        return
    here = arrive(variants)
    live(here, variants)


def arrive(variants: list[Variant]) -> Visit:
    """The visit, with what was wrong with its link and the choice of the pair drawn."""
    here = visit(variants)
    with st.container():  # a place of their own: what comes and goes there must not move the component below
        notices()
    with st.container():
        choose_pair(here)
    return here


@st.fragment
def live(here: Visit, variants: list[Variant]) -> None:
    """The component and the sweep below it; a settled control reruns this part alone."""
    showing = st.session_state.source == "gallery"
    data = bench_data(here.view, variants, here.version, base_path(), showing)
    told = BENCH(key="bench", data=data, on_view_change=lambda: None)
    if told.view:
        here.adopt(told.view, variants)
    query = here.view.to_query()
    if query != st.query_params.to_dict():
        st.query_params.from_dict(query)
    here.pictured = here.pictured or bool(told.view)
    if here.pictured:  # the plotting library holds a browser up for half a second: the first picture comes before it
        sweep(here.view, variants)
        take_away(here.view, variants)
