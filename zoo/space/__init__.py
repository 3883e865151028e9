"""The hosted demo: a Gradio Space (ZeroGPU or CPU), and the container that serves the Streamlit explorer."""
