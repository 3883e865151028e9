"""Choosing an image of the CIFAR-10 test set: by index, by class, or at random; offers a download if it is missing."""

from __future__ import annotations

import random

import streamlit as st

from explorer.compute.cifar_download import ARCHIVE_BYTES, DOWNLOAD
from explorer.compute.pair_sources import cifar_test
from wzroi.config import CLASSES
from wzroi.data import DataError, Images

ANY = "any class"


def choose(present: str) -> str | None:
    """Draw the widgets; returns the key of the chosen image, ``None`` if the data set is missing."""
    try:
        images = cifar_test()
    except DataError as error:
        _offer_download(str(error))
        return None
    kind, _, index = present.partition(":")
    st.session_state.setdefault("cifar_number", int(index) if kind == "cifar" else 0)
    left, middle, right = st.columns([2, 2, 3], vertical_alignment="bottom")
    chosen = left.selectbox("Class", [ANY, *CLASSES], key="cifar_class", on_change=_restart)
    among = indices(images, chosen)
    last = len(among) - 1
    st.session_state.cifar_number = min(st.session_state.cifar_number, last)
    number = middle.number_input(f"Image, 0 to {last}", 0, last, step=1, key="cifar_number")
    right.button("Any image", icon=":material/shuffle:", on_click=_jump, args=(last,))
    return f"cifar:{among[int(number)]}"


def indices(images: Images, name: str) -> list[int]:
    """Indices into the test set of a class, or of all classes."""
    if name == ANY:
        return list(range(len(images.labels)))
    return (images.labels == CLASSES.index(name)).nonzero().flatten().tolist()


def _restart() -> None:
    st.session_state.cifar_number = 0


def _jump(last: int) -> None:
    st.session_state.cifar_number = random.randint(0, last)


def _offer_download(reason: str) -> None:
    if DOWNLOAD.running:
        _watch()
        return
    if DOWNLOAD.finish():
        st.rerun()
    st.info(DOWNLOAD.message or f"{reason[:1].upper()}{reason[1:]}.", icon=":material/database:")
    if st.button(f"Download CIFAR-10 ({ARCHIVE_BYTES / 1e6:.0f} MB)", icon=":material/download:"):
        DOWNLOAD.start()
        st.rerun()


@st.fragment(run_every=0.5)
def _watch() -> None:
    if not DOWNLOAD.running:
        st.rerun()
    share = DOWNLOAD.progress()
    st.progress(share, f"Downloading CIFAR-10 into {DOWNLOAD.root}: {100 * share:.0f} %")
    if st.button("Cancel", icon=":material/cancel:"):
        DOWNLOAD.cancel()
        st.rerun()
