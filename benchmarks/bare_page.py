"""What the explorer is measured against: a slider and a picture, as Streamlit's tutorial has them, torch loaded."""

import numpy as np
import streamlit as st
import torch  # noqa: F401 -- what a page about neural networks has in memory

snr = st.slider("SNR", -5.0, 20.0, 5.0, 0.5)
noise = np.random.default_rng(0).normal(0, 10 ** (-snr / 20), (192, 192, 3))
st.image((np.clip(0.5 + 0.25 * noise, 0, 1) * 255).astype(np.uint8), output_format="PNG")
