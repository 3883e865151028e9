"""Users of the demo and of the explorer, for ``load_space``: what each does, and what all of them waited for."""

from __future__ import annotations

import asyncio
import json
import random
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from gradio_client import Client

from tests.support.app_server import BROWSER_ARGUMENTS, CHROMIUM

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

SWEEPS = 0.03
"""Share of an API user's requests that ask for a sweep."""

PATIENCE_MS = 60_000
"""A picture that has not come by then is an error."""

FIGURES = "[...document.querySelectorAll('.wz .figures strong')].map(e => e.innerText).join()"
SETTLED = '.bench[data-current="true"]'
"""The explorer's component, once it shows the setting of its controls (it lies in a shadow root)."""


class Tally:
    """Waiting times in seconds by kind, and errors; filled by all users."""

    def __init__(self) -> None:
        self.times: dict[str, list[float]] = {}
        self.errors: Counter[str] = Counter()
        self._lock = threading.Lock()

    def add(self, kind: str, seconds: float) -> None:
        """Something came after ``seconds``."""
        with self._lock:
            self.times.setdefault(kind, []).append(seconds)

    def fail(self, kind: str, error: object) -> None:
        """Something did not come, or a page or server told of an error."""
        with self._lock:
            self.errors[f"{kind}: {str(error)[:160]}"] += 1


def request(client: Client, draw: random.Random, models: list[str]) -> str:
    """One request of an API user; returns its kind."""
    asked: dict[str, Any] = {
        "pair": f"cifar-{draw.randrange(20)}", "picture": None, "right": None, "size": 64, "channel": "awgn",
        "roi": "side", "seed": draw.randrange(1000),
    }  # fmt: skip
    if draw.random() < SWEEPS:
        client.predict(**asked, models=draw.sample(models, 2), snrs=[0, 5, 10], draws=4, api_name="/sweep")
        return "API: sweep"
    client.predict(**asked, model=draw.choice(models), snr_db=draw.uniform(-5, 20), api_name="/transmit")
    return "API: transmit"


def api_user(
    address: str, seed: int, start: threading.Barrier, seconds: float, models: list[str], tally: Tally
) -> None:
    """A ``gradio_client``: connects, waits for the others, then asks again and again."""
    draw = random.Random(seed)
    with tempfile.TemporaryDirectory() as answers:
        client = Client(address, verbose=False, download_files=answers)
        start.wait()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            began = time.monotonic()
            try:
                tally.add(request(client, draw, models), time.monotonic() - began)
            except Exception as error:  # whatever goes wrong is what is counted
                tally.fail("API", error)


async def move_space(page: Page, snr: float) -> None:
    """Set the demo's SNR by keys, and wait for other figures."""
    slider = page.locator("input[type=range][aria-label*='SNR']")
    before = await page.evaluate(FIGURES)
    await slider.press("ArrowRight" if float(await slider.input_value()) < snr else "ArrowLeft")
    await page.wait_for_function(f"old => {{ const now = {FIGURES}; return now && now !== old; }}", arg=before)


async def move_explorer(page: Page, snr: float) -> None:
    """Set the explorer's SNR by keys, and wait for the frame of that very setting."""
    slider = page.get_by_role("slider", name="SNR")
    await slider.press("ArrowRight" if float(await slider.input_value()) < snr else "ArrowLeft")
    wanted = float(await slider.input_value())
    told = json.loads(await page.locator(SETTLED).get_attribute("data-ask") or "{}")
    if told.get("snr_db") != wanted:
        raise RuntimeError(f"a frame of {told.get('snr_db')} dB is shown for {wanted} dB")


MOVES = {"demo page": (move_space, ".wz figure"), "explorer page": (move_explorer, SETTLED)}
"""How a session of each kind moves its SNR, and what must be there first."""


async def session(
    browser: Browser, kind: str, address: str, draw: random.Random, start: asyncio.Event, ready: Callable[[], None],
    seconds: float, tally: Tally,
) -> None:  # fmt: skip
    """A visitor: opens the page, waits for the others, then moves the SNR slider once a second or so."""
    move, first = MOVES[kind]
    page = await (await browser.new_context(viewport={"width": 1280, "height": 900})).new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.on("pageerror", lambda error: tally.fail(kind, error))
    page.on("response", lambda answer: answer.status >= 500 and tally.fail(kind, f"{answer.status} {answer.url}"))
    try:
        await page.goto(address)
        await page.wait_for_selector(first, timeout=5 * PATIENCE_MS)
    finally:
        ready()
    await start.wait()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        began = time.monotonic()
        try:
            await move(page, draw.uniform(-4, 19))
            tally.add(f"{kind}: slider moved", time.monotonic() - began)
        except Exception as error:  # whatever goes wrong is what is counted
            tally.fail(kind, error)
        await asyncio.sleep(draw.uniform(0.5, 1.5))
    await page.context.close()


async def sessions(places: list[tuple[str, str]], go: threading.Barrier, seconds: float, tally: Tally) -> None:
    """Every browser session at once; ``places`` holds each one's kind and address."""
    from playwright.async_api import async_playwright

    start, opened = asyncio.Event(), asyncio.Semaphore(0)
    async with async_playwright() as play:
        browser = await play.chromium.launch(executable_path=CHROMIUM, args=BROWSER_ARGUMENTS)
        jobs = [
            asyncio.create_task(session(browser, *place, random.Random(n), start, opened.release, seconds, tally))
            for n, place in enumerate(places)
        ]
        for _ in jobs:
            await opened.acquire()
        await asyncio.to_thread(go.wait)
        start.set()
        for result in await asyncio.gather(*jobs, return_exceptions=True):
            if isinstance(result, BaseException):
                tally.fail("browser", result)
        await browser.close()
