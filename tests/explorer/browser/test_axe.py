"""Accessibility of every page in a real browser: axe-core finds nothing serious or critical, in light and in dark.

axe-core comes with ``axe-playwright-python`` (of the ``test`` extra). A finding that Streamlit's own widgets cause and
that cannot be mended here belongs into ``KNOWN``, by its rule and selector and with its reason.
"""

from __future__ import annotations

from typing import NamedTuple

import pytest

from explorer.navigation import PAGES
from tests.support.browser_fixtures import CURRENT, new_page

pytest.importorskip("playwright", reason="playwright is not installed: pip install -e .[test]")
pytest.importorskip("axe_playwright_python", reason="axe-playwright-python is not installed: pip install -e .[test]")
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

GRAVE = ("serious", "critical")
LIVE = ("compare", "side", "roi")
"""Pages whose component shows a frame."""


class Known(NamedTuple):
    """A finding that stays: axe's rule, a part of the node's selector, and why it cannot be mended here."""

    rule: str
    selector: str
    reason: str


KNOWN: tuple[Known, ...] = ()


def opened(browser: Browser, address: str, path: str, width: int, scheme: str) -> Page:
    """A page that has come to rest, all that folds out folded out."""
    page = new_page(browser, width, scheme)
    page.goto(f"{address}/{path if path != PAGES[0].path else ''}")
    page.get_by_role("heading", level=1).wait_for()
    if path in LIVE:
        page.wait_for_selector(CURRENT)
    rest(page)
    for summary in page.locator("[data-testid=stExpander] summary").all():
        summary.click()
    page.locator(".bench details").evaluate_all("all => all.forEach((one) => { one.open = true; })")
    rest(page)
    return page


def rest(page: Page) -> None:
    """Wait until nothing runs: twice, for a component's report begins another run."""
    for _ in range(2):
        page.wait_for_timeout(600)
        page.wait_for_function("() => !document.querySelector('[data-testid=stApp][data-test-script-state=running]')")


def findings(page: Page) -> list[str]:
    """What axe calls serious or critical and is not known, a line a node."""
    violations = Axe().run(page).response["violations"]
    nodes = [(found["id"], str(node["target"]), node["html"]) for found in violations if found["impact"] in GRAVE
             for node in found["nodes"]]
    return [f"{rule}: {target} {html[:200]}" for rule, target, html in nodes
            if not any(known.rule == rule and known.selector in target for known in KNOWN)]


@pytest.mark.parametrize("width, scheme", [(1280, "light"), (390, "dark")])
@pytest.mark.parametrize("path", [page.path for page in PAGES])
def test_axe_finds_nothing_serious(browser: Browser, address: str, path: str, width: int, scheme: str) -> None:
    page = opened(browser, address, path, width, scheme)
    assert findings(page) == []
    page.context.close()


def test_axe_would_find_it(browser: Browser, address: str) -> None:
    page = opened(browser, address, "about", 1280, "light")
    page.evaluate("document.querySelector('h1').insertAdjacentHTML('afterend', '<img src=\"x.png\"><button></button>')")
    found = findings(page)
    assert [line.split(":")[0] for line in found] == ["button-name", "image-alt"]
    page.context.close()


def test_the_tour_is_accessible(browser: Browser, address: str) -> None:
    page = opened(browser, address, "compare", 390, "light")
    page.get_by_role("button", name="Tour (half a minute)").click()
    page.get_by_role("dialog").wait_for()
    assert findings(page) == []
    page.context.close()
