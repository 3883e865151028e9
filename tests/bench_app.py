"""Measure the explorer in a real browser while a slider is dragged: ``python tests/bench_app.py [--seconds 6]``.

Prints, for the SNR slider and the rate slider: new pictures a second, milliseconds from movement to changed picture
(median, 95th percentile), how many of them were computing, and the time from the command and from opening the page to
the first picture. Needs Chromium and ``playwright``; ``--json`` prints the numbers alone.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from app_server import BROWSER_ARGUMENTS, CHROMIUM, running_app, zoo_for

DRAG = """
async (bench, [name, seconds]) => {
  const live = bench.live, input = bench.querySelector(`#wz-${name}`);
  const low = Number(input.min), high = Number(input.max), step = Number(input.step);
  const start = performance.now(), from = live.frames;
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
  return { frames: live.frames - from, spent, moves, wrong, log: live.log.slice() };
}
"""


def summary(result: dict[str, Any]) -> dict[str, float]:
    """Frames a second and percentiles of what ``DRAG`` recorded."""
    latency = sorted(row[0] for row in result["log"])
    compute = [row[1] for row in result["log"]]
    rest = sorted(row[0] - row[1] for row in result["log"])
    return {
        "frames_per_second": round(result["frames"] / result["spent"], 1),
        "latency_median_ms": round(statistics.median(latency), 1),
        "latency_p95_ms": round(latency[int(0.95 * (len(latency) - 1))], 1),
        "compute_median_ms": round(statistics.median(compute), 1),
        "rest_median_ms": round(statistics.median(rest), 1),
        "frames": result["frames"], "movements": result["moves"], "frames_of_another_setting": result["wrong"],
    }


def measure(seconds: float) -> dict[str, Any]:
    """Start the explorer, open it, drag."""
    from playwright.sync_api import sync_playwright

    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as play:
        shelf, browser = zoo_for(Path(folder)), play.chromium.launch(executable_path=CHROMIUM, args=BROWSER_ARGUMENTS)
        began = time.monotonic()
        with running_app(shelf, Path(folder) / "log") as address:
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            opened = time.monotonic()
            page.goto(address)
            page.wait_for_selector('.bench[data-current="true"]', timeout=300_000)
            found["first_picture_after_command_s"] = round(time.monotonic() - began, 2)
            found["first_picture_after_opening_s"] = round(time.monotonic() - opened, 2)
            page.wait_for_timeout(1500)
            bench = page.locator(".bench")
            for name in ("snr", "rate"):
                found[name] = summary(bench.evaluate(DRAG, [name, seconds]))
            found["hardware"] = bench.evaluate("bench => bench.live.data.hardware")
            found["variants"] = bench.evaluate("bench => bench.live.models()")
        browser.close()
    return found


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=6.0, help="how long each slider is dragged")
    parser.add_argument("--json", action="store_true", help="print JSON alone")
    options = parser.parse_args()
    found = measure(options.seconds)
    if options.json:
        print(json.dumps(found, indent=1))
        return
    print(f"{found['hardware']}; {', '.join(found['variants'])}")
    print(f"first picture {found['first_picture_after_command_s']} s after the command, "
          f"{found['first_picture_after_opening_s']} s after opening the page")
    for name in ("snr", "rate"):
        row = found[name]
        print(f"{name:>5}: {row['frames_per_second']} pictures/s; movement to picture {row['latency_median_ms']} ms "
              f"median, {row['latency_p95_ms']} ms p95; computing {row['compute_median_ms']} ms, rest "
              f"{row['rest_median_ms']} ms; {row['frames_of_another_setting']} of another setting")


if __name__ == "__main__":
    main()
