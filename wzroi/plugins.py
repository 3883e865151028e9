"""Plug-in modules: Python modules of one's own that add rows to the tables, imported with ``wzroi``."""

from __future__ import annotations

import importlib
import os

VARIABLE = "WZROI_PLUGINS"
"""Environment variable: names of modules, with commas. They run as part of the program, so name only your own."""


def load_plugins() -> list[str]:
    """Import the modules that ``$WZROI_PLUGINS`` names; returns their names.

    Raises:
        ImportError: for a module that cannot be imported; the message names it and the variable.
    """
    names = [name.strip() for name in os.environ.get(VARIABLE, "").split(",") if name.strip()]
    for name in names:
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise ImportError(f"{VARIABLE} names {name}, which cannot be imported ({error}): correct it") from error
    return names
