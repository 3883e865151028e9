"""Measure the explorer in a real browser beside a bare Streamlit page, in one run.

    python -m benchmarks.bench_app --seconds 10 --json results

While a slider is dragged: new pictures a second, milliseconds from movement to changed picture (median, 95th
percentile), what of them is not compute; a sample of the pictures is compared with what ``run_link`` gives. Then single
key presses on the explorer and on a bare slider-and-image page, as shipped and without its garbage collection. And the
time to the first picture from the command and from opening the page. Needs Chromium and ``playwright``; run it on an
idle machine. ``--json results`` writes ``assets/results/bench_app.json``.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.measuring import TOUR_SEEN, options, report, spread, wrong_levels
from tests.support.app_server import BROWSER_ARGUMENTS, CHROMIUM, running_server, zoo_for
from tests.support.shared import ROOT
from wzroi.config import PAPER_ARCHITECTURES

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PATIENCE = 300_000
CURRENT = '.bench[data-current="true"]'
FOUR = ",".join(f"{name}.rec_lite" for name in PAPER_ARCHITECTURES)
"""The variants that are timed: the paper's four, of the lite tier."""

SAMPLE_EVERY = 7
"""Of so many frames, one frame's pixels are kept and checked afterwards."""

DRAG = """
async (bench, [name, seconds, every]) => {
  const live = bench.live, input = bench.querySelector(`#wz-${name}`), paint = live.show;
  const low = Number(input.min), high = Number(input.max), step = Number(input.step);
  const seen = { fresh: 0, samples: [], last: "" };
  live.show = (frame, sheet) => {
    paint.call(live, frame, sheet);
    const ask = JSON.stringify(frame.ask);
    if (ask !== seen.last) seen.fresh += 1;
    seen.last = ask;
    if (seen.fresh % every === 1) {
      const pixels = ({ box: { canvas: c } }) => [...c.getContext("2d").getImageData(0, 0, c.width, c.height).data];
      seen.samples.push([ask, live.views.slice(0, frame.cards.length).map(pixels)]);
    }
  };
  const start = performance.now();
  live.log.length = 0;
  let place = 0, way = 1, moves = 0, wrong = 0;
  const values = Math.round((high - low) / step);
  while (performance.now() - start < 1000 * seconds) {
    await new Promise(requestAnimationFrame);
    place += way;
    if (place >= values || place <= 0) way = -way;
    input.value = low + step * Math.min(Math.max(place, 0), values);
    input.dispatchEvent(new Event("input", { bubbles: true }));
    moves += 1;
    if (bench.dataset.current === "true" && !live.isCurrent(live.frame.ask)) wrong += 1;
  }
  const spent = (performance.now() - start) / 1000;
  delete live.show;
  return { spent, moves, wrong, log: live.log.slice(), fresh: seen.fresh, samples: seen.samples };
}
"""

AWAIT_CHANGE = """
(mark) => {
  const read = new Function(`return ${mark}`);
  window.changed = new Promise((done) => {
    let pressed = 0;
    document.addEventListener("keydown", () => { pressed = performance.now(); }, { capture: true, once: true });
    const before = read();
    const look = () => (pressed && read() !== before ? done(performance.now() - pressed) : requestAnimationFrame(look));
    look();
  });
}
"""
"""Milliseconds from the next key press to the animation frame in which ``mark`` reads otherwise."""

OWN_MARK = (
    "[...document.querySelectorAll('*')].map((n) => n.shadowRoot?.querySelector('.bench')).find(Boolean).dataset.frames"
)
BARE_MARK = "[...document.images].filter((i) => i.complete && i.naturalWidth > 100).map((i) => i.src).join()"


FIRST_PICTURE = """
{
  const bench = () =>
    [...document.querySelectorAll("*")].map((n) => n.shadowRoot?.querySelector(".bench")).find(Boolean);
  const look = () => {
    if (bench()?.dataset.current === "true") window.pictured = [performance.now(), Date.now()];
    else requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}
"""
"""Notes the animation frame with the first picture: milliseconds since the page was opened, and the time of day."""


def drag(page: Page, name: str, seconds: float) -> dict[str, Any]:
    """Drag one of the explorer's sliders up and down; figures of what was shown meanwhile."""
    result = page.locator(".bench").evaluate(DRAG, [name, seconds, SAMPLE_EVERY])
    log = result["log"]
    return {
        "new_pictures_per_second": round(result["fresh"] / result["spent"], 1),
        "movement_to_picture_ms": spread([row[0] for row in log]), "compute_ms": spread([row[1] for row in log]),
        "request_to_picture_ms": spread([row[3] for row in log]),
        "not_compute_ms": spread([row[3] - row[1] for row in log]),
        "frames": len(log), "movements": result["moves"], "frames_of_another_setting": result["wrong"],
        "frames_checked": len(result["samples"]),
        "wrong_by_grey_levels": max((wrong_levels(*sample) for sample in result["samples"]), default=None),
    }


def press(page: Page, mark: str, presses: int) -> dict[str, float]:
    """Milliseconds from an arrow key on the SNR slider to the changed picture."""
    slider, times = page.get_by_role("slider", name="SNR"), []
    slider.focus()
    for _ in range(presses):
        page.evaluate(AWAIT_CHANGE, mark)
        page.keyboard.press("ArrowRight")
        times.append(page.evaluate("() => window.changed"))
        page.wait_for_timeout(700)  # the page settles: its own rerun is no part of the next press
    return spread(times)


def opened(browser: Browser, address: str) -> tuple[Page, float, float]:
    """A visitor's page with its first picture, the seconds that took, and when it stood there (seconds since 1970)."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    for script in (TOUR_SEEN, FIRST_PICTURE):
        context.add_init_script(script)
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(address)
    page.wait_for_function("() => window.pictured")
    page.wait_for_selector(CURRENT)
    after, at = page.evaluate("() => window.pictured")
    return page, round(after / 1000, 2), at / 1000


def explorer(browser: Browser, folder: Path, seconds: float, presses: int) -> dict[str, Any]:
    """The explorer's figures, from the command on."""
    store, began = zoo_for(folder), time.time()
    with running_server(store, folder / "log") as (address, _):
        address = f"{address}/?variants={FOUR}"
        page, first, at = opened(browser, address)
        found: dict[str, Any] = {"first_picture_after_command_s": round(at - began, 2),
                                 "first_picture_of_the_first_visitor_s": first}
        page.wait_for_timeout(1500)
        bench = page.locator(".bench")
        found["hardware"] = bench.evaluate("b => b.live.data.hardware")
        found["variants"] = bench.evaluate("b => b.live.models()")
        found |= {f"drag_{name}": drag(page, name, seconds) for name in ("snr", "rate")}
        page.wait_for_timeout(1500)
        page.locator(".bench #wz-snr").evaluate("n => { n.value = 0; n.dispatchEvent(new Event('input')); }")
        page.wait_for_timeout(1500)
        found["key_press_ms"] = press(page, OWN_MARK, presses)
        page.context.close()
        page, found["first_picture_of_the_next_visitor_s"], _ = opened(browser, address)
        page.context.close()
    return found


def bare(browser: Browser, folder: Path, presses: int, *arguments: str) -> dict[str, float]:
    """A bare Streamlit page in an empty folder, so that no configuration file is read."""
    script = ROOT / "benchmarks" / "bare_page.py"
    with running_server(None, folder / "log", script, folder, arguments) as (address, _):
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(PATIENCE)
        page.goto(address)
        page.get_by_role("slider", name="SNR").wait_for()
        page.locator("[data-testid=stImage] img, [data-testid=stImageContainer] img").first.wait_for()
        page.wait_for_timeout(2000)
        found = press(page, BARE_MARK, presses)
        page.close()
    return found


def measure(seconds: float, presses: int) -> dict[str, Any]:
    """Everything, one server after the other."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=BROWSER_ARGUMENTS)
        folder = Path(scratch)
        found = {"explorer": explorer(browser, folder, seconds, presses)}
        found["bare_page_as_shipped_key_press_ms"] = bare(browser, folder, presses)
        found["bare_page_without_collection_key_press_ms"] = bare(
            browser, folder, presses, "--runner.postScriptGC", "false"
        )
        browser.close()
    return found


def main() -> None:
    """Command line."""
    asked = options(__doc__, seconds=10.0, presses=20)
    report("bench_app", measure(asked.seconds, asked.presses), asked)


if __name__ == "__main__":
    main()
