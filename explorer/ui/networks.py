"""The sidebar: available networks, a Hub repository with more, and pulling one with a progress bar."""

from __future__ import annotations

import os

import streamlit as st

from explorer.compute.engine import zoo_index
from explorer.compute.hub_jobs import HOSTED, HUB_CATALOGUE
from zoo import Entry
from zoo.store.folders import default_store

FIELD = "hub_repository"


def sidebar() -> None:
    """Draw it; a connection failure is reported here and does not stop any page."""
    with st.sidebar:
        st.subheader("Networks", anchor=False)
        st.caption(_available())
        _choose_repository()
        if HUB_CATALOGUE.repo and HUB_CATALOGUE.entries is None and not HUB_CATALOGUE.message:
            HUB_CATALOGUE.refresh()
        if HUB_CATALOGUE.job is not None:
            _watch()
        else:
            _offered()


def _available() -> str:
    """The number of available networks, and how many of them were pulled."""
    index, store = zoo_index(), default_store()
    own = store.entries()
    pulled = sum(name not in own or not store.holds(name) for name in index.models)
    count = f"{len(index.models)} link network{'s' * (len(index.models) != 1)}"
    return f"Available: {count}" + f", {pulled} of them pulled from {HUB_CATALOGUE.repo}." * bool(pulled)


def _choose_repository() -> None:
    if os.environ.get(HOSTED):
        if HUB_CATALOGUE.repo:
            st.caption(f"More from the Hub repository {HUB_CATALOGUE.repo}.")
        return
    st.session_state.setdefault(FIELD, HUB_CATALOGUE.repo)
    st.text_input("Hub repository with more networks", key=FIELD, placeholder="USER/NAME", on_change=_use,
                  help="USER/NAME or USER/NAME@revision; default: $WZROI_REPO.")  # fmt: skip


def _use() -> None:
    HUB_CATALOGUE.use(st.session_state[FIELD].strip())


def _offered() -> None:
    """The networks in the repository that are not on this machine."""
    if HUB_CATALOGUE.message:
        st.warning(HUB_CATALOGUE.message, icon=":material/cloud_off:")
    if HUB_CATALOGUE.repo and (HUB_CATALOGUE.message or HUB_CATALOGUE.entries is None):
        st.button("Ask the Hub again", icon=":material/refresh:", on_click=HUB_CATALOGUE.refresh)
    missing = {entry.name: entry for entry in HUB_CATALOGUE.missing()}
    if missing:
        name = st.selectbox("Not pulled yet", list(missing))
        st.caption(_line(missing[name]))
        st.button("Pull", icon=":material/download:", type="primary", on_click=HUB_CATALOGUE.pull, args=(name,))
    elif HUB_CATALOGUE.entries is not None:
        st.caption("All networks of the repository are available.")


def _line(entry: Entry) -> str:
    figures = entry.metrics
    psnr = f"; CIFAR-10 test set at 5 dB: PSNR {figures['psnr']:.2f} dB" if "psnr" in figures else ""
    return f"{entry.title}, {entry.size / 1e6:.1f} MB{psnr}"


@st.fragment(run_every=0.4)
def _watch() -> None:
    """The job's progress; the whole page is redrawn when it ends."""
    job = HUB_CATALOGUE.job
    if job is None:
        st.rerun()
    if not job.name:
        st.caption(f"Listing the networks of {HUB_CATALOGUE.repo} …")
        return
    progress = f"{job.progress.done / 1e6:.1f} of {job.progress.total / 1e6:.1f} MB"
    st.progress(job.progress.share, f"Pulling {job.name}: {progress}")
    st.button("Cancel", icon=":material/cancel:", on_click=HUB_CATALOGUE.cancel)
