"""The sidebar: networks at hand, a Hub repository that has more, and pulling one with a progress bar."""

from __future__ import annotations

import os

import streamlit as st

from explorer.compute.engine import holdings
from explorer.compute.hub_jobs import HOSTED, OFFER
from zoo import Entry
from zoo.store.folders import default_shelf

FIELD = "hub_repository"


def sidebar() -> None:
    """Draw it; what cannot be reached is said here and stops no page."""
    with st.sidebar:
        st.subheader("Networks", anchor=False)
        st.caption(_at_hand())
        _choose_repository()
        if OFFER.repo and OFFER.entries is None and not OFFER.message:
            OFFER.look()
        if OFFER.job is not None:
            _watch()
        else:
            _offered()


def _at_hand() -> str:
    """How many networks are here, and how many of them were pulled."""
    held, shelf = holdings(), default_shelf()
    own = shelf.entries()
    pulled = sum(name not in own or not shelf.holds(name) for name in held.models)
    count = f"{len(held.models)} link network{'s' * (len(held.models) != 1)}"
    return f"At hand: {count}" + f", {pulled} of them pulled from {OFFER.repo}." * bool(pulled)


def _choose_repository() -> None:
    if os.environ.get(HOSTED):
        if OFFER.repo:
            st.caption(f"More from the Hub repository {OFFER.repo}.")
        return
    st.session_state.setdefault(FIELD, OFFER.repo)
    st.text_input("Hub repository with more networks", key=FIELD, placeholder="USER/NAME", on_change=_use,
                  help="USER/NAME or USER/NAME@revision; at the start it is $WZROI_REPO.")  # fmt: skip


def _use() -> None:
    OFFER.use(st.session_state[FIELD].strip())


def _offered() -> None:
    """What the repository has and this machine has not."""
    if OFFER.message:
        st.warning(OFFER.message, icon=":material/cloud_off:")
    if OFFER.repo and (OFFER.message or OFFER.entries is None):
        st.button("Ask the Hub again", icon=":material/refresh:", on_click=OFFER.look)
    missing = {entry.name: entry for entry in OFFER.missing()}
    if missing:
        name = st.selectbox("Not here yet", list(missing))
        st.caption(_line(missing[name]))
        st.button("Pull it", icon=":material/download:", type="primary", on_click=OFFER.pull, args=(name,))
    elif OFFER.entries is not None:
        st.caption("Every network of the repository is at hand.")


def _line(entry: Entry) -> str:
    figures = entry.metrics
    psnr = f"; CIFAR-10 test set at 5 dB: PSNR {figures['psnr']:.2f} dB" if "psnr" in figures else ""
    return f"{entry.title}, {entry.size / 1e6:.1f} MB{psnr}"


@st.fragment(run_every=0.4)
def _watch() -> None:
    """How far the job is; the whole page is drawn anew when it ends."""
    job = OFFER.job
    if job is None:
        st.rerun()
    if not job.name:
        st.caption(f"Asking {OFFER.repo} what it holds …")
        return
    told = f"{job.progress.done / 1e6:.1f} of {job.progress.total / 1e6:.1f} MB"
    st.progress(job.progress.share, f"Pulling {job.name}: {told}")
    st.button("Cancel", icon=":material/cancel:", on_click=OFFER.cancel)
