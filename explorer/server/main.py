"""The script that Streamlit runs for each visitor and each rerun; what is heavy comes through ``lazy_import``, once.

It lies apart from ``explorer/pages``: Streamlit takes a folder of that name beside its script for pages of its own.
"""

from __future__ import annotations

import sys
from functools import partial
from importlib.util import find_spec
from pathlib import Path

ROOT = str(Path(__file__).resolve().parents[2])
if ROOT not in sys.path:  # run by another command than `streamlit run app.py`
    sys.path.insert(0, ROOT)

import streamlit as st  # noqa: E402

from explorer import lazy_import  # noqa: E402
from explorer.navigation import PAGES, Page  # noqa: E402

ZooError = lazy_import.load("zoo").ZooError
ICON = str(lazy_import.load("zoo.paths").ASSETS / "icon.png")

SIDEBAR = Page("Networks", "", "explorer.ui.networks", "sidebar")


def guarded(page: Page) -> None:
    """Draw a page; an error of the zoo or of the data becomes a sentence."""
    try:
        page.load()()
    except (ZooError, FileNotFoundError, ValueError) as error:
        st.error(str(error))


def main() -> None:
    """Page settings and navigation."""
    st.set_page_config(
        page_title="WZ-ROI explorer", page_icon=ICON, layout="wide", initial_sidebar_state="collapsed"
    )  # fmt: skip
    there = [page for page in PAGES if find_spec(page.module)]
    entries = [
        st.Page(partial(guarded, page), title=page.title, url_path=page.path, default=page is there[0])
        for page in there
    ]
    shown = st.navigation(entries, position="top")
    guarded(SIDEBAR)
    shown.run()


main()
