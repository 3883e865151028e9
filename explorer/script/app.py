"""The WZ-ROI explorer: ``wzroi-explorer``. See ``explorer/server/application.py``."""

import streamlit as st

from explorer.server.application import SCRIPT, options

app = st.App(SCRIPT, **options())
