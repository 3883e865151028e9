"""A running explorer and pages of it in headless Chromium, for the browser tests; imported by ``conftest``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.app_server import BROWSER_ARGUMENTS, CHROMIUM, running_app, zoo_for

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PATIENCE = 300_000
"""Milliseconds; generous, because a busy machine shares its cores with a browser."""

SEEN = "localStorage.setItem('wzroi-tour', 'seen')"
"""What a browser remembers after the first visit's tour."""

CURRENT = '.bench[data-current="true"]'

HARMLESS = "404"
"""What Streamlit asks for below a page's own address before it finds the right one."""


@pytest.fixture(scope="session")
def address(tmp_path_factory: pytest.TempPathFactory, require: Callable[[str, bool, str], None]) -> Iterator[str]:
    """The explorer's address; one server for every browser test."""
    require("chromium", Path(CHROMIUM).is_file(), f"no Chromium at {CHROMIUM}")
    folder = tmp_path_factory.mktemp("server")
    with running_app(zoo_for(folder), folder / "log") as found:
        yield found
    log = (folder / "log").read_text()
    assert "Traceback" not in log, log


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Headless Chromium. A module's own: Playwright allows one of its loops at a time."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        found = play.chromium.launch(executable_path=CHROMIUM, args=BROWSER_ARGUMENTS)
        yield found
        found.close()


def new_page(browser: Browser, width: int = 1280, scheme: str = "light", tour: bool = False) -> Page:
    """A visitor's page, not opened yet; what goes wrong on it is kept in ``faults``."""
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    if not tour:
        context.add_init_script(SEEN)
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.faults = []
    page.on("console", lambda message: message.type == "error" and page.faults.append(message.text))
    page.on("pageerror", lambda error: page.faults.append(str(error)))
    return page


@pytest.fixture(scope="module")
def open_page(browser: Browser, address: str) -> Callable[..., Page]:
    """``open_page(path, width, tour)``: a page with the component's first frame."""

    def open_(path: str = "", width: int = 1280, tour: bool = False) -> Page:
        page = new_page(browser, width, tour=tour)
        page.goto(f"{address}/{path}")
        page.wait_for_selector(CURRENT)
        return page

    return open_


def close(page: Page, harmless: str | None = None) -> None:
    """End a visit; fails when anything went wrong on the page, but for console errors that hold ``harmless``."""
    assert page.locator("[data-testid=stException]").count() == 0
    assert [fault for fault in page.faults if harmless is None or harmless not in fault] == []
    page.context.close()
