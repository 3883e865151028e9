"""The explorer's pages as data: a page is a row here and a function without arguments in a module of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from explorer import heavy


class Page(NamedTuple):
    """``module`` holds ``function()``, which draws the page; ``path`` is its part of the address."""

    title: str
    path: str
    module: str
    function: str = "page"

    def draw(self) -> Callable[[], None]:
        """The page's function, imported when the page is opened."""
        return getattr(heavy.load(self.module), self.function)


PAGES = [
    Page("Compare", "compare", "explorer.compare"),
    Page("Side information", "side", "explorer.side_page"),
    Page("Region of interest", "roi", "explorer.roi_page"),
    Page("Channel", "channel", "explorer.channel_page"),
    Page("Sweep", "sweep", "explorer.sweep_page"),
    Page("Stereo", "stereo", "explorer.stereo_page"),
    Page("Figures", "figures", "explorer.figures_page"),
    Page("About", "about", "explorer.about_page"),
]
"""Shown in this order; the first is the default. A new page needs a row here and nothing else."""
