"""Optional parts: which packages each needs, and the sentence for one that is not installed."""

from __future__ import annotations

from importlib.util import find_spec

from zoo.errors import ZooError

EXTRAS = {
    "app": ("streamlit", "plotly"),
    "hub": ("huggingface_hub",),
    "space": ("gradio", "plotly"),
    "train": ("accelerate", "filelock"),
}
"""Extra of ``pyproject.toml`` -> the packages that its part imports."""


class MissingExtra(ZooError, ImportError):
    """A part of the project was asked for whose packages are not installed; the message names the command."""


def need_extra(extra: str, what: str, packages: tuple[str, ...] | None = None) -> None:
    """Raise MissingExtra unless an extra's packages (or these of them) are installed; ``what`` begins the sentence."""
    missing = [package for package in packages or EXTRAS[extra] if find_spec(package) is None]
    if missing:
        raise MissingExtra(f"{what} needs {' and '.join(missing)}: run `pip install 'wzroi[{extra}]'`")
