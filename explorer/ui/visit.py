"""A visitor's session: the view, the source of its pair, and notices about the link it was opened with."""

from __future__ import annotations

import weakref
from dataclasses import replace
from typing import Any

import streamlit as st

from explorer.compute.engine import Variant
from explorer.ui import cifar_picker, upload_picker
from explorer.ui.state import View, read_component, read_query

SOURCES = {"gallery": "Gallery", "cifar": "CIFAR-10 test set", "upload": "Your picture"}


class Visit:
    """A visitor's session state besides widgets: the view, and its version for the component.

    ``pictured``: the component has reported, which it does once its first picture is drawn.
    """

    def __init__(self, view: View) -> None:
        self.view = view
        self.version = 0
        self.gallery = view.pair if view.pair.startswith("gallery:") else View().pair
        self.uploads: list[str] = []
        self.pictured = False

    def set_pair(self, pair: str) -> None:
        """Show another pair from the next rerun on."""
        if pair != self.view.pair:
            self.view = replace(self.view, pair=pair)
            self.version += 1

    def apply_report(self, report: dict[str, Any], variants: list[Variant]) -> None:
        """Apply what the component reports; its pair only if it has seen the latest choice made outside it."""
        view = read_component(report, self.view, variants)
        if report.get("version") == self.version and view.pair.startswith("gallery:"):
            self.view, self.gallery = view, view.pair
        else:
            self.view = replace(view, pair=self.view.pair)


def visit(variants: list[Variant]) -> Visit:
    """This session's visit, initialised from the link it was opened with."""
    if "visit" not in st.session_state:
        view, notices = read_query(st.query_params.to_dict(), variants)
        st.session_state.visit = Visit(view)
        st.session_state.notices = notices
        weakref.finalize(st.session_state.visit, upload_picker.forget, st.session_state.visit.uploads)
    return st.session_state.visit


def notices() -> None:
    """Notices about invalid values in the link, until they are dismissed."""
    present = st.session_state.get("notices", [])
    if present:
        st.warning("\n\n".join(present), icon=":material/link_off:")
        st.button("Understood", on_click=lambda: st.session_state.update(notices=[]))


def choose_pair(here: Visit) -> None:
    """The widgets that choose where the pair comes from."""
    # a widget's value is lost while another page is open; the current pair tells where it came from
    st.session_state.setdefault("source", here.view.pair.partition(":")[0])
    kind = st.segmented_control("Pair", list(SOURCES), format_func=SOURCES.__getitem__, key="source", required=True,
                                label_visibility="collapsed")
    if kind == "cifar":
        key = cifar_picker.choose(here.view.pair)
    elif kind == "upload":
        key = upload_picker.choose(here.uploads)
    else:
        key = here.gallery
    if key:
        here.set_pair(key)


def arrive(variants: list[Variant]) -> Visit:
    """The visit, after drawing its notices and the choice of the pair."""
    here = visit(variants)
    with st.container():  # in a container, so that a notice that disappears does not move the component below
        notices()
    with st.container():
        choose_pair(here)
    return here
