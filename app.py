"""The WZ-ROI explorer: ``streamlit run app.py``. See ``explorer/server/application.py``."""

import streamlit as st

from explorer.server.application import SCRIPT, options

app = st.App(SCRIPT, **options())
