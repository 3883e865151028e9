"""The explorer in a real browser: opens, drags, switches variants, toggles the overlay, uploads; no error anywhere."""

from __future__ import annotations

import io
import json
import random
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image

from benchmarks import load_app
from tests.support.browser_fixtures import CURRENT, close
from tests.support.shared import ROOT, pictures
from wzroi import images
from wzroi.config import PAPER_ARCHITECTURES
from zoo.rates import parse_rate

pytest.importorskip("playwright", reason="playwright is not installed: pip install -e .[test]")
from playwright.sync_api import Locator, Page


def shown(page: Page) -> dict[str, Any]:
    """The setting of the frame on show, once it is the setting of the controls."""
    page.wait_for_selector(CURRENT)
    return json.loads(page.locator(".bench").get_attribute("data-ask"))


def pixels(canvas: Locator) -> list[int]:
    return canvas.evaluate("c => Array.from(c.getContext('2d').getImageData(0, 0, c.width, c.height).data)")


def reconstruction(page: Page, card: int = 0) -> list[int]:
    return pixels(page.locator(".cards .card").nth(card).locator("canvas").first)


def numbers(page: Page) -> list[str]:
    return page.locator(".cards dd").all_inner_texts()


def test_dragging_both_sliders_changes_pictures_and_numbers(open_page: Callable[..., Page]) -> None:
    page = open_page()
    before, told = reconstruction(page), numbers(page)
    slider = page.get_by_role("slider", name="SNR")
    box = slider.bounding_box()
    page.mouse.move(box["x"] + 0.4 * box["width"], box["y"] + box["height"] / 2)
    page.mouse.down()
    frames = page.locator(".bench").get_attribute("data-frames")
    for step in range(12):
        page.mouse.move(box["x"] + (0.4 + 0.04 * step) * box["width"], box["y"] + box["height"] / 2)
        page.wait_for_timeout(60)
    page.locator(f'.bench:not([data-frames="{frames}"])').wait_for()  # pictures change before the slider is let go
    page.mouse.up()
    assert shown(page)["snr_db"] > 10
    assert reconstruction(page) != before
    assert numbers(page) != told
    rate = page.get_by_role("slider", name="Bandwidth ratio")
    rate.focus()
    rate.press("ArrowLeft")
    rate = parse_rate(told := shown(page)["rate"])
    assert rate > 16 and shown(page)["models"], "fewer symbols, and networks that have that rate"
    assert f"k = {3072 // rate} complex" in page.locator(".chain").inner_text()
    page.wait_for_url(f"**rate={told.replace('/', '%2F')}**")
    close(page)


def test_the_link_reproduces_the_pixels(open_page: Callable[..., Page]) -> None:
    page = open_page("?pair=gallery:cifar-4&snr=1.5&seed=7&channel=rayleigh&roi=zeros&rate=16")
    first, link = reconstruction(page, 1), numbers(page)
    assert shown(page) | {"models": 0} == {"pair": "gallery:cifar-4", "models": 0, "snr_db": 1.5, "channel": "rayleigh",
                                           "roi": "zeros", "seed": 7, "rate": "16"}
    page.wait_for_timeout(500)
    address = page.url
    again = open_page(address.split("/", 3)[3])
    assert (reconstruction(again, 1), numbers(again)) == (first, link)
    close(again)
    close(page)


def test_variants_overlay_errors_gallery_and_seed(open_page: Callable[..., Page]) -> None:
    page = open_page()
    before = shown(page)["models"]
    assert before[:4] == [f"{name}.rec_r16_lite" for name in PAPER_ARCHITECTURES]
    page.get_by_role("checkbox", name="DeepJSCC-WZ (rec)", exact=True).uncheck()
    assert shown(page)["models"] == [name for name in before if name != "deepjscc_wz.rec_r16_lite"]
    assert page.locator(".cards .card").count() == len(before)  # the control in the place of the one that left
    layer = page.locator(".cards .layer").first
    assert not layer.is_visible()
    page.get_by_role("checkbox", name="ROI overlay").check()
    assert layer.is_visible()
    opacity = page.get_by_role("slider", name="ROI opacity")
    opacity.focus()
    opacity.press("Home")
    assert layer.evaluate("node => node.style.opacity") == "0"
    page.get_by_role("checkbox", name="Error maps").uncheck()
    assert not page.locator(".fault").first.is_visible()
    before = reconstruction(page)
    page.get_by_role("button", name="New noise").click()
    assert shown(page)["seed"] == 1
    assert reconstruction(page) != before
    page.get_by_role("button", name="Ship, CIFAR-10 test image 1", exact=True).click()
    assert shown(page)["pair"] == "gallery:cifar-1"
    page.wait_for_url("**pair=gallery%3Acifar-1**")
    close(page)


def test_the_tour_goes_by_keyboard_and_is_remembered(open_page: Callable[..., Page]) -> None:
    page = open_page(tour=True)
    tour, titles = page.get_by_role("dialog"), []
    following = tour.get_by_role("button", name=re.compile("Next|Done"))
    while tour.is_visible():
        assert page.locator(".toured").count() == 1, "each step points at something"
        titles.append(tour.get_by_role("heading").inner_text())
        following.press("Enter")
        assert len(titles) < 20
    assert len(set(titles)) == len(titles) > 3
    assert page.locator(".toured").count() == 0
    page.reload()
    shown(page)
    assert not tour.is_visible(), "the second visit is left alone"
    again = page.get_by_role("button", name="Tour (half a minute)")
    again.click()
    page.keyboard.press("ArrowRight")
    assert tour.get_by_role("heading").inner_text() == titles[1]
    page.keyboard.press("Escape")
    assert not tour.is_visible()
    assert again.evaluate("node => node.getRootNode().activeElement === node"), "the focus goes back to the button"
    close(page)


def test_every_control_is_explained_with_an_equation(open_page: Callable[..., Page]) -> None:
    page = open_page(width=390)
    page.locator(".more > summary").click()
    page.get_by_label("Explain the controls").check()
    tips = page.locator(".bench").evaluate("""bench => {
      const controls = [...bench.querySelectorAll('.sliders input, .options select, .options input')];
      const named = (node) => node.closest('[aria-describedby]')?.getAttribute('aria-describedby');
      const told = (node) => bench.querySelector(`#${named(node)}`);
      return controls.map((node) => [told(node)?.textContent ?? '', told(node)?.checkVisibility() ?? false]);
    }""")
    assert len(tips) > 10
    assert all(visible and re.search(r"eqs?\. \d", text) for text, visible in tips), tips
    assert re.search(r"\d+×16×16 and 6×8×8 maps", page.locator(".held").inner_text())
    close(page)


def test_the_exported_lines_give_the_numbers_on_the_screen(open_page: Callable[..., Page]) -> None:
    page = open_page("?pair=gallery:cifar-2&snr=2.5&seed=11&roi=side")
    shown(page)
    page.get_by_text("Export").click()
    page.locator("[data-testid=stCode]").wait_for()
    lines = page.locator("[data-testid=stCode]").inner_text()
    done = subprocess.run([sys.executable, "-c", lines], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    cards = page.locator(".cards .card")
    printed = done.stdout.splitlines()
    assert len(printed) == cards.count() == len(shown(page)["models"]) + 1
    for place, line in enumerate(printed):
        values, best = cards.nth(place).locator("dd").all_inner_texts(), cards.nth(place).locator(".classes li").first
        psnr, ssim, roi_psnr = (value.removeprefix("★ ") for value in values)
        name, chance = best.locator("span").all_inner_texts()
        assert line.endswith(f": PSNR {psnr}, SSIM {ssim}, ROI-PSNR {roi_psnr}, {name} {chance}")
    close(page)


def picture_file(width: int, height: int, seed: int = 0) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(images.to_pixels(pictures(1, height, width, seed)[0])).save(stream, "PNG")
    return stream.getvalue()


def test_uploads_good_and_bad(open_page: Callable[..., Page]) -> None:
    page = open_page()
    page.get_by_role("radio", name="Your picture").click()
    chooser = page.locator("input[type=file]")
    chooser.wait_for(state="attached")
    chooser.set_input_files({"name": "notes.png", "mimeType": "image/png", "buffer": b"no picture"})
    page.get_by_text("is not a picture").wait_for()
    page.get_by_role("button", name="Remove notes.png").click()
    chooser.set_input_files([{"name": f"{side}.png", "mimeType": "image/png", "buffer": picture_file(90, 60, seed)}
                             for seed, side in enumerate(("left", "right"))])
    page.wait_for_function("() => !document.body.innerText.includes('is not a picture')")
    page.locator(".caption", has_text="left.png and right.png").wait_for()
    assert shown(page)["pair"].startswith("upload:")
    assert "43" in page.locator(".chain").inner_text()
    page.wait_for_url(lambda url: "pair=" not in url)
    close(page)


def test_the_other_pages_open(open_page: Callable[..., Page]) -> None:
    page = open_page()
    for name in ("Channel", "Stereo", "About"):
        page.get_by_role("link", name=name, exact=True).click()
        page.get_by_role("heading", level=1).wait_for()
        page.wait_for_selector("[data-testid=stStatusWidget]", state="detached")
        assert page.locator("[data-testid=stAlert]").count() == 0, name
    page.get_by_role("link", name="Compare", exact=True).click()
    shown(page)
    close(page)


def test_a_stopped_server_and_a_bad_setting_are_sentences(open_page: Callable[..., Page]) -> None:
    page = open_page("?snr=nan&variants=nothing")
    page.get_by_text("snr=nan").wait_for()
    page.get_by_role("button", name="Understood").click()
    page.route("**/wzroi/frame**", lambda route: route.abort())
    slider = page.get_by_role("slider", name="SNR")
    slider.focus()
    slider.press("ArrowRight")
    page.get_by_role("alert").filter(has_text="does not respond").wait_for()
    assert not page.locator(".cards dl").first.is_visible(), "numbers of another setting are hidden"
    page.unroute("**/wzroi/frame**")
    assert shown(page)["snr_db"] == 5.5
    assert page.locator(".cards dl").first.is_visible()
    page.faults = [fault for fault in page.faults if "ERR_FAILED" not in fault]
    close(page)


def test_random_movements_never_show_numbers_of_another_setting(open_page: Callable[..., Page]) -> None:
    page, chance = open_page(width=390), random.Random(5)
    bench = page.locator(".bench")
    page.locator(".more > summary").click()
    moves = [
        ("snr", lambda: str(chance.choice([-5, 0, 2.5, 5, 11, 20]))), ("rate", lambda: str(chance.randint(0, 1))),
        ("opacity", lambda: str(chance.randint(0, 100))), ("channel", lambda: chance.choice(["awgn", "rayleigh"])),
        ("roi", lambda: chance.choice(["side", "zeros", "shuffled", "normal"])),
        ("seed", lambda: str(chance.randint(0, 9))),
    ]
    script = """(bench, [name, value]) => {
      const node = bench.querySelector(`#wz-${name}`);
      node.value = value;
      node.dispatchEvent(new Event(node.type === 'range' ? 'input' : 'change', { bubbles: true }));
      const ask = JSON.parse(bench.dataset.ask), caption = bench.querySelector('.caption').innerText;
      return [caption.includes(`${ask.snr_db.toFixed(1)} dB`), caption.includes(`seed ${ask.seed} `),
              caption.includes(`ROI: ${ask.roi} `), bench.dataset.current === 'false' || bench.live.isCurrent(ask)];
    }"""
    for _ in range(60):
        name, value = chance.choice(moves)
        assert bench.evaluate(script, [name, value()]) == [True] * 4
        if chance.random() < 0.2:
            ask = shown(page)
            assert ask == bench.evaluate("b => b.live.frame.ask")
    shown(page)
    close(page)


def test_visitors_at_once_see_their_own_seed_and_picture(open_page: Callable[..., Page], address: str) -> None:
    """A short version of ``load_app``."""
    page = open_page()
    found = load_app.visit(page.context.browser, address, 3, 2.0, every=5)
    assert found["mixed"] == []
    assert found["frames"] >= 6 and found["frames_checked"] >= 3
    assert found["fewest_frames_of_a_visitor"] > 0
    close(page)
