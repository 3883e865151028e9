"""Shared by all pages: the page header and width."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Literal

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from explorer.compute.engine import Variant
from explorer.ui.state import View, read_query
from wzroi.images import Pixels
from zoo.rates import DEFAULT, SERVED, rho_text
from zoo.serving.variants import is_flexible

STYLE = """<style>
.stMainBlockContainer { padding: 4.2rem 2rem 3rem; max-width: 1500px; }
.stMainBlockContainer .stVerticalBlock { gap: 0.7rem; }
.stMainBlockContainer [data-testid="stCaptionContainer"], .stMainBlockContainer [data-testid="stCaptionContainer"] p {
  color: inherit; opacity: .9;
}
.stMainBlockContainer [data-testid="stWidgetLabel"], .stMainBlockContainer [data-testid="stWidgetLabel"] p {
  color: inherit;
}
.stMainBlockContainer h1 { font-size: 1.7rem; padding: 0 0 0.1rem; }
.stMainBlockContainer h2 { font-size: 1.35rem; }
@media (max-width: 640px) {
  .stMainBlockContainer { padding: 4rem 0.8rem 2rem; }
  .stMainBlockContainer [data-testid="stCaptionContainer"], .stMainBlockContainer [data-testid="stCaptionContainer"] p {
  color: inherit; opacity: .9;
}
.stMainBlockContainer [data-testid="stWidgetLabel"], .stMainBlockContainer [data-testid="stWidgetLabel"] p {
  color: inherit;
}
.stMainBlockContainer h1 { font-size: 1.35rem; }
}
</style>"""


def header(title: str, sentence: str) -> None:
    """A page's title and introduction."""
    st.html(STYLE)
    st.title(title, anchor=False)
    st.markdown(sentence)


def show_picture(
    place: DeltaGenerator, pixels: Pixels, caption: str, width: int | Literal["stretch"] = "stretch"
) -> None:
    """Draw a picture with its caption as alternative text."""
    place.image(pixels, caption=caption, alt=caption, output_format="PNG", width=width)


EMPTY = (
    "The zoo has no networks yet. Restore the bundled checkpoints (`git checkout zoo`), train them "
    "(`python -m training train deepjscc.rec_r16_lite`), pull some from a Hub repository (in the sidebar), or set "
    "`WZROI_ZOO` to another folder of checkpoints."
)


def no_networks() -> None:
    """The message on a page if the zoo is empty."""
    st.info(EMPTY, icon=":material/inventory_2:")


def choose_rate(model: str, rate: Fraction, key: str) -> Fraction:
    """1/rho to use: from a slider for a flexible network, else the network's own."""
    if not is_flexible(model):
        return rate
    start = rate if rate in SERVED else DEFAULT
    return st.columns(3)[0].select_slider(
        "Bandwidth ratio ρ",
        SERVED,
        start,
        format_func=rho_text,
        key=f"{key}_rate",
        help="Symbols per source value (eq. 3): one network supports every multiple of 1/96.",
    )


def present_view(variants: Sequence[Variant]) -> View:
    """The view that the visitor left on the Compare page, or the one in the link."""
    if "visit" in st.session_state:
        return st.session_state.visit.view
    return read_query(st.query_params.to_dict(), variants)[0]
