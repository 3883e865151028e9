"""A flexible network on the Compare page in a real browser: its slider of ninety-sixths, and a link that keeps one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.app_server import BROWSER_ARGUMENTS, CHROMIUM, running_app
from tests.support.zoo_runs import write_flex_run, write_judge_run, write_link_run
from training.fit.publish import publish

pytest.importorskip("playwright", reason="playwright is not installed: pip install -e .[test]")
from playwright.sync_api import Page, sync_playwright

CURRENT = '.bench[data-current="true"]'
PATIENCE = 300_000
ORACLE = "deepjscc_wz_roi.rec_r16_oracle_lite"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory, require: Callable[[str, bool, str], None]) -> Iterator[str]:
    """The explorer with a flexible network, DeepJSCC at 1/16, and WZ-ROI of the oracle's map."""
    require("chromium", Path(CHROMIUM).is_file(), f"no Chromium at {CHROMIUM}")
    folder = tmp_path_factory.mktemp("server")
    links = [write_link_run(folder, name) for name in ("deepjscc.rec_r16_lite", ORACLE)]
    for run in (write_judge_run(folder), write_flex_run(folder), *links):
        publish(run, folder / "zoo")
    with running_app(folder / "zoo", folder / "log") as found:
        yield found
    assert "Traceback" not in (folder / "log").read_text()


@pytest.fixture
def page(address: str) -> Iterator[Page]:
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=BROWSER_ARGUMENTS)
        shown = browser.new_page(viewport={"width": 1280, "height": 900})
        shown.set_default_timeout(PATIENCE)
        shown.add_init_script("localStorage.setItem('wzroi-tour', 'seen')")
        faults: list[str] = []
        shown.on("pageerror", lambda error: faults.append(str(error)))
        shown.goto(address)
        shown.wait_for_selector(CURRENT)
        yield shown
        assert faults == []
        browser.close()


def ask(page: Page) -> dict[str, object]:
    page.wait_for_selector(CURRENT)
    return json.loads(page.locator(".bench").get_attribute("data-ask") or "")


def test_the_slider_has_every_96th_and_each_variant_keeps_its_place(page: Page, address: str) -> None:
    rate = page.get_by_role("slider", name="Bandwidth ratio")
    assert (rate.get_attribute("max"), ask(page)["rate"]) == ("11", "16")
    assert page.locator(".cards .card h2").all_inner_texts()[0].startswith("DeepJSCC")
    rate.focus()
    rate.press("ArrowLeft")
    told = ask(page)
    assert (told["rate"], told["models"]) == ("96/5", ["wz_roi_flex.rec_lite"])
    assert page.locator("output[for=wz-rate]").inner_text() == "5/96"
    assert "k = 160 complex, ρ = k/n = 5/96" in page.locator(".chain").inner_text()
    assert "ρ 5/96" in page.locator(".caption").inner_text()
    cards = page.locator(".cards .card").all_inner_texts()
    assert "Not in the zoo at 5/96; available: 1/16." in cards[0] and cards[1].startswith("WZ-ROI-Flex")
    page.wait_for_url("**rate=96%2F5**")
    numbers = page.locator(".cards dd").all_inner_texts()
    page.goto(page.url)
    assert ask(page) == told and page.locator(".cards dd").all_inner_texts() == numbers
    rate.focus()
    rate.press("End")
    assert ask(page)["rate"] == "8" and "k = 384" in page.locator(".chain").inner_text()
    assert "x_side moved to its place, known to both ends" in page.locator(".held").inner_text()


def test_only_the_paper_networks_leave_their_own_rates(page: Page) -> None:
    page.get_by_role("checkbox", name="WZ-ROI-Flex (rec)", exact=True).uncheck()
    rate = page.get_by_role("slider", name="Bandwidth ratio")
    assert ask(page)["models"] == ["deepjscc.rec_r16_lite"] and rate.is_disabled()


def test_an_oracles_network_says_when_its_map_is_another(page: Page, address: str) -> None:
    note = page.locator(f'.card[data-model="{ORACLE}"] h2 small')
    for roi, text in (("side", "rec, oracle ROI: not trained on this map"), ("source+label", "rec, oracle ROI")):
        page.goto(f"{address}/?variants=deepjscc_wz_roi.rec_oracle_lite&rate=16&roi={roi.replace('+', '%2B')}")
        page.wait_for_selector(CURRENT)
        note.wait_for()
        assert (ask(page)["roi"], note.inner_text()) == (roi, text)
