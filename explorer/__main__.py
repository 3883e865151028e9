"""Command line: ``wzroi-explorer [options of streamlit run]``, also ``python -m explorer``.

What it asks of the machine is asked here, without ``zoo`` or ``wzroi``: those import torch, which takes two seconds.
"""

from __future__ import annotations

import os
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).resolve().parent
NEEDED = ("streamlit", "plotly")


def script() -> Path:
    """The application's file: beside the packages in a checkout or a container, else inside this package.

    Its settings lie beside it, in ``.streamlit``.
    """
    beside, packaged = HERE.parent / "app.py", HERE / "script" / "app.py"
    return beside if beside.is_file() and (HERE.parent / ".streamlit").is_dir() else packaged


def home_or_temporary() -> str | None:
    """Give Streamlit, which ends in a traceback without a home folder, a temporary one; returns it, or ``None``."""
    try:
        Path.home()
    except RuntimeError:
        os.environ["HOME"] = tempfile.mkdtemp(prefix="wzroi-home-")
        return os.environ["HOME"]
    return None


def main() -> None:
    """Start the explorer with Streamlit; options such as ``--server.port 8502`` are Streamlit's own."""
    if missing := [package for package in NEEDED if find_spec(package) is None]:
        sys.exit(f"error: the explorer needs {' and '.join(missing)}: run `pip install 'wzroi[app]'`")
    if not (settings := script().with_name(".streamlit")).is_dir():
        sys.exit(f"error: {settings} is missing, so this installation is not whole: install it again")
    if home := home_or_temporary():
        print(f"note: this user has no home folder; {home} stands in for it (set HOME to choose one)", file=sys.stderr)
    from streamlit.web.cli import main_run  # reads HOME when it is imported

    main_run([str(script()), *sys.argv[1:]], prog_name="wzroi-explorer")


if __name__ == "__main__":
    main()
