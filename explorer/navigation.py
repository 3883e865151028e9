"""The explorer's pages as data: each page is a row here, and a function without arguments in its own module."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from explorer import lazy_import


class Page(NamedTuple):
    """``module`` holds ``function()``, which draws the page; ``path`` is its path in the URL."""

    title: str
    path: str
    module: str
    function: str = "render"

    def load(self) -> Callable[[], None]:
        """The page's function; its module is imported when the page is opened."""
        return getattr(lazy_import.load(self.module), self.function)


PAGES = [
    Page("Compare", "compare", "explorer.pages.compare"),
    Page("Side information", "side", "explorer.pages.side"),
    Page("Region of interest", "roi", "explorer.pages.roi"),
    Page("Channel", "channel", "explorer.pages.channel"),
    Page("Sweep", "sweep", "explorer.pages.sweep"),
    Page("Stereo", "stereo", "explorer.pages.stereo"),
    Page("Figures", "figures", "explorer.pages.figures"),
    Page("About", "about", "explorer.pages.about"),
]
"""In the order of the menu; the first is the default. A new page only needs a row here."""

