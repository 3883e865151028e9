"""Many visitors of the explorer at once, each with a seed and a picture of its own: nothing mixed, and what they wait.

    python -m benchmarks.load_app --visitors 20 --seconds 30 --json results

Each visitor is a browser context that moves its SNR a few times a second. Every frame that a page shows must carry its
visitor's own seed and picture; a sample of the shown pixels is compared with what ``run_link`` gives for them; and the
address that the visitor's session has written must hold its seed at the end. Needs Chromium and ``playwright``.
``--json results`` writes ``assets/results/load_app.json``.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlparse

from benchmarks.measuring import TOUR_SEEN, options, report, resident, spread, wrong_levels
from explorer.compute.pair_sources import gallery
from tests.support.app_server import BROWSER_ARGUMENTS, CHROMIUM, running_server, zoo_for

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PATIENCE = 300_000
CURRENT = '.bench[data-current="true"]'
PAUSE_MS = 250
"""Between two movements of a visitor, as a hand makes them."""

VISIT = """
(bench, [seconds, pause, every]) => {
  const live = bench.live, paint = live.show, input = bench.querySelector("#wz-snr");
  const told = { settings: {}, samples: [], busy: 0, frames: 0 }, fail = live.fail;
  live.fail = (text) => { told.busy += 1; fail.call(live, text); };
  live.show = (frame, sheet) => {
    paint.call(live, frame, sheet);
    const { seed, pair } = frame.ask, key = `${seed} ${pair}`;
    told.settings[key] = (told.settings[key] ?? 0) + 1;
    told.frames += 1;
    if (told.frames % every !== 1) return;
    const pixels = ({ box: { canvas: c } }) => [...c.getContext("2d").getImageData(0, 0, c.width, c.height).data];
    told.samples.push([JSON.stringify(frame.ask), live.views.slice(0, frame.cards.length).map(pixels)]);
  };
  live.log.length = 0;
  const values = Math.round((input.max - input.min) / input.step), end = performance.now() + 1000 * seconds;
  window.visit = new Promise((done) => {
    const move = () => {
      if (performance.now() > end) { setTimeout(() => done({ ...told, log: live.log.slice() }), 1500); return; }
      input.value = Number(input.min) + input.step * Math.floor(Math.random() * values);
      input.dispatchEvent(new Event("input", { bubbles: true }));
      setTimeout(move, pause * (0.5 + Math.random()));
    };
    move();
  });
}
"""


def wanted(place: int) -> tuple[int, str]:
    """A visitor's own seed and picture."""
    names = [name for name in gallery() if name.startswith("cifar")]
    return 1000 + place, f"gallery:{names[place % len(names)]}"


def arrive(browser: Browser, address: str, place: int) -> Page:
    """A visitor's page with its first frame."""
    seed, pair = wanted(place)
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.add_init_script(TOUR_SEEN)
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(f"{address}/?seed={seed}&pair={pair}")
    page.wait_for_selector(CURRENT)
    return page


def mixed(page: Page, place: int, told: dict[str, Any]) -> list[str]:
    """What a visitor saw that was not its own, as sentences."""
    seed, pair = wanted(place)
    foreign = [key for key in told["settings"] if key != f"{seed} {pair}"]
    query = parse_qs(urlparse(page.url).query)
    found = [f"visitor {place} was shown {key}" for key in foreign]
    if query.get("seed") != [str(seed)] or query.get("pair") != [pair]:
        found.append(f"visitor {place} has the address {page.url}")
    for asked, pixels in told["samples"]:
        if wrong_levels(asked, pixels) > 1:
            found.append(f"visitor {place} was shown other pixels than those of {json.loads(asked)}")
    return found


def visit(browser: Browser, address: str, visitors: int, seconds: float, every: int = 25) -> dict[str, Any]:
    """Let visitors in one after the other, then move all of them at once."""
    pages = [arrive(browser, address, place) for place in range(visitors)]
    for page in pages:
        page.locator(".bench").evaluate(VISIT, [seconds, PAUSE_MS, every])
    told = [page.evaluate("() => window.visit") for page in pages]
    wrong = [text for place, page in enumerate(pages) for text in mixed(page, place, told[place])]
    for page in pages:
        page.context.close()
    log = [row for one in told for row in one["log"]]
    return {
        "visitors": visitors, "seconds": seconds, "mixed": wrong, "frames": len(log),
        "frames_per_second": round(len(log) / seconds, 1),
        "fewest_frames_of_a_visitor": min(len(one["log"]) for one in told),
        "told_to_wait": sum(one["busy"] for one in told), "frames_checked": sum(len(one["samples"]) for one in told),
        "movement_to_picture_ms": spread([row[0] for row in log]), "compute_ms": spread([row[1] for row in log]),
    }


def measure(visitors: int, seconds: float) -> dict[str, Any]:
    """The table: one visitor, a few, and all of them, on one server; and the server's memory before and after."""
    from playwright.sync_api import sync_playwright

    crowds = sorted({1, max(1, visitors // 4), visitors})
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=BROWSER_ARGUMENTS)
        with running_server(zoo_for(Path(scratch)), Path(scratch) / "log") as (address, pid):
            arrive(browser, address, 0).context.close()
            before = resident(pid)
            rows = [visit(browser, address, crowd, seconds) for crowd in crowds]
            after = resident(pid)
        browser.close()
    return {"rows": rows, "server_mib": {"before": round(before), "after": round(after)}}


def main() -> None:
    """Command line; fails when anything was mixed."""
    asked = options(__doc__, visitors=20, seconds=30.0)
    found = measure(asked.visitors, asked.seconds)
    report("load_app", found, asked)
    raise SystemExit(any(row["mixed"] for row in found["rows"]))


if __name__ == "__main__":
    main()
