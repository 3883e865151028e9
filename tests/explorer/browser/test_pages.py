"""Side information, Region of interest and what Compare compares, in a real browser: by pointer and by keyboard."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.browser_fixtures import CURRENT, HARMLESS, close

pytest.importorskip("playwright", reason="playwright is not installed: pip install -e .[test]")
from playwright.sync_api import Locator, Page


def shown(page: Page) -> dict[str, Any]:
    """The setting of the frame on show, once it is the setting of the controls."""
    page.wait_for_selector(CURRENT)
    return json.loads(page.locator(".bench").get_attribute("data-ask"))


def pixels(canvas: Locator) -> list[int]:
    return canvas.evaluate("c => Array.from(c.getContext('2d').getImageData(0, 0, c.width, c.height).data)")


def card(page: Page, place: int) -> list[int]:
    return pixels(page.locator(".cards .card").nth(place).locator("canvas").first)


def drag(page: Page, target: Locator, start: float, end: float, height: float = 0.5, steps: int = 10) -> None:
    """Press on ``target`` at a part of its width, move to another, let go."""
    target.scroll_into_view_if_needed()
    box = target.bounding_box()
    y = box["y"] + height * box["height"]
    page.mouse.move(box["x"] + start * box["width"], y)
    page.mouse.down()
    for step in range(1, steps + 1):
        page.mouse.move(box["x"] + (start + (end - start) * step / steps) * box["width"], y)
        page.wait_for_timeout(30)
    page.mouse.up()


def test_a_dragged_crop_changes_what_leans_on_it(open_page: Callable[..., Page]) -> None:
    page = open_page("side")
    plain, leaning, paste = card(page, 0), card(page, 1), card(page, 4)
    frames = int(page.locator(".bench").get_attribute("data-frames"))
    drag(page, page.get_by_role("slider", name="Move right"), 0.5, 0.8)
    moved = page.get_by_role("slider", name="Move right").input_value()
    assert int(moved) > 8 and shown(page)["pair"] == f"gallery:cifar-0#dx={moved}"
    assert int(page.locator(".bench").get_attribute("data-frames")) > frames + 1, "pictures change while it is dragged"
    assert card(page, 0) == plain, "DeepJSCC holds no side image"
    assert card(page, 1) != leaning and card(page, 4) != paste
    page.wait_for_url(f"**dx={moved}**")
    slider = page.get_by_role("slider", name="Blur")
    slider.focus()
    slider.press("ArrowRight")
    page.get_by_label("Swap with").select_option("cifar-3")
    assert shown(page)["pair"] == f"gallery:cifar-0#dx={moved},blur=0.1,other=cifar-3"
    page.get_by_text("swapped with Airplane").first.wait_for()
    page.wait_for_url("**other=cifar-3**")
    told = card(page, 3)
    again = open_page(page.url.split("/", 3)[3])
    assert (shown(again)["pair"], card(again, 3)) == (shown(page)["pair"], told), "the link gives the same pixels"
    close(again, HARMLESS)
    page.get_by_role("checkbox", name="Remove").check()
    assert "removed=1" in shown(page)["pair"]
    assert page.get_by_role("slider", name="Noise").is_disabled()
    page.get_by_role("button", name="Original").click()
    assert shown(page)["pair"] == "gallery:cifar-0"
    assert card(page, 1) == leaning
    close(page, HARMLESS)


def test_a_map_is_painted_by_keyboard_and_pointer(open_page: Callable[..., Page]) -> None:
    page = open_page("roi")
    assert page.locator(".cards .card").count() == 7
    page.get_by_role("button", name="Clear").click()
    assert shown(page)["roi"] == "painted:" + "0" * 64
    zeros, hand = (page.get_by_role("img", name=f"Reconstruction with the map of origin {name}") for name in
                   ("zeros", "painted"))
    assert pixels(zeros) == pixels(hand), "an empty grid is the zeros map"
    first = page.get_by_role("gridcell").first
    first.focus()
    for key in ("Space", "ArrowRight", "2", "ArrowDown", "Enter"):
        page.keyboard.press(key)
    assert shown(page)["roi"].removeprefix("painted:") == "32" + "0" * 7 + "3" + "0" * 54
    assert pixels(zeros) != pixels(hand)
    drag(page, page.get_by_role("grid"), 0.05, 0.95, height=0.94)
    assert shown(page)["roi"].endswith("33333333")
    drag(page, page.get_by_role("grid"), 0.05, 0.3, height=0.94)
    grid = shown(page)["roi"].removeprefix("painted:")
    assert grid.endswith("00033333"), "a stroke that begins on paint takes it away"
    page.wait_for_url(f"**grid={grid}**")
    page.get_by_text("painted: by hand").first.wait_for()
    told = pixels(hand)
    again = open_page(page.url.split("/", 3)[3])
    assert pixels(again.get_by_role("img", name="Reconstruction with the map of origin painted")) == told
    close(again, HARMLESS)
    page.get_by_role("button", name="Start from the side map").click()
    assert shown(page)["roi"] != f"painted:{grid}"
    slider = page.get_by_role("slider", name="SNR")
    slider.focus()
    slider.press("ArrowRight")
    assert shown(page)["snr_db"] == 5.5
    close(page, HARMLESS)


def test_two_pictures_lie_under_an_edge_that_pointer_and_keys_move(open_page: Callable[..., Page]) -> None:
    page = open_page("")
    page.get_by_text("Compare two pictures with a slider").click()
    edge, frame = page.get_by_role("slider", name="Edge between the two pictures"), page.locator(".reveal .frame")
    cut = "node => node.style.getPropertyValue('--cut')"
    edge.focus()
    edge.press("ArrowRight")
    assert frame.evaluate(cut) == "51%"
    edge.press("Home")
    assert frame.evaluate(cut) == "0%"
    drag(page, frame, 0.3, 0.75)
    assert 72 < int(frame.evaluate(cut).rstrip("%")) < 78
    assert f"{frame.evaluate(cut)} DeepJSCC".replace("%", " %") in edge.get_attribute("aria-valuetext")
    page.get_by_label("Left picture").select_option("Sent: x")
    page.get_by_label("Right picture").select_option("DeepJSCC-WZ (rec)")
    under, over = frame.locator("canvas").first, frame.locator("canvas").nth(1)
    assert pixels(under) == pixels(page.locator(".given canvas").first)
    assert pixels(over) == card(page, 1)
    page.get_by_label("What is shown").select_option("error")
    assert pixels(over) == pixels(page.locator(".cards .card").nth(1).locator(".fault canvas"))
    assert set(pixels(under)) <= {0, 4, 255}, "x has no error"
    before = pixels(over)
    snr = page.get_by_role("slider", name="SNR")
    snr.focus()
    snr.press("ArrowLeft")
    shown(page)
    assert pixels(over) != before, "it follows the controls"
    close(page, HARMLESS)


def test_the_table_marks_the_best_and_hides_what_is_old(open_page: Callable[..., Page]) -> None:
    page = open_page("")
    numbers = page.locator(".numbers:not(.moving)")
    numbers.wait_for()
    rows = [row.locator("td").all_inner_texts() for row in numbers.locator("tbody tr").all()]
    networks = len(rows) - 1
    assert networks == len(shown(page)["models"]) >= 4, "a row a network, and the control"
    for place, row in enumerate(rows):
        told = page.locator(".cards .card").nth(place).locator("dd").all_inner_texts()
        assert [text.split()[-1] for text in row[:3]] == [text.removeprefix("★ ").split()[0] for text in told]
    for column in range(4):
        values = [float(row[column].split()[-1]) for row in rows]
        best = [row[column].startswith("★") for row in rows]
        assert best == [place < networks and value == max(values[:-1]) for place, value in enumerate(values)]
        assert rows[-1][column].startswith("▲") == (values[-1] > max(values[:-1]))
    hidden = page.locator(".bench").evaluate("""async (bench) => {
      const input = bench.querySelector('#wz-snr'), frames = bench.dataset.frames;
      input.value = 9;
      input.dispatchEvent(new Event('input', { bubbles: true }));
      while (bench.dataset.frames === frames) await new Promise(requestAnimationFrame);
      return getComputedStyle(bench.querySelector('.numbers td')).visibility;
    }""")
    assert hidden == "hidden"
    page.locator(".numbers caption", has_text="9.0 dB").wait_for()
    assert numbers.locator("td").first.is_visible()
    close(page, HARMLESS)
