"""The WZ-ROI demo as a Gradio Space: ``python app.py`` in a folder that ``python -m zoo space`` assembled.

In a checkout of the repository: ``python -m zoo.space.app``.
"""

from __future__ import annotations

import importlib.util
import os
import sys

if importlib.util.find_spec("spaces"):
    import spaces  # noqa: F401  (ZeroGPU: before anything may use CUDA)

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"

from zoo.environment import check_certificates, exempt_loopback, gradio_folder
from zoo.errors import ZooError
from zoo.extras import need_extra

try:  # before Gradio is imported, which reads these variables
    need_extra("space", "the demo")
    exempt_loopback()
    check_certificates()
    gradio_folder()
except ZooError as error:
    sys.exit(f"error: {error}")

from zoo.space.device import bound_threads, more_checkpoints
from zoo.space.page import CSS, THEME, build
from zoo.space.uploads import MAX_BYTES

bound_threads()
more_checkpoints()
demo = build()

if __name__ == "__main__":
    # Only Gradio's own cache of this page's output is served: no allowed_paths. Gradio's check of its own address is
    # disabled: it gives up after three seconds, which a busy host may need for its first response.
    demo.launch(
        css=CSS, theme=THEME, max_file_size=MAX_BYTES, allowed_paths=[], ssr_mode=False, mcp_server=False,
        enable_monitoring=False, share=False, footer_links=["api"], _frontend=False,
    )  # fmt: skip
