"""A thousand random movements of the explorer's controls in a real browser: no error, nothing stale, memory flat.

    python -m benchmarks.wander_app --movements 1000 --warm 2000 --seed 5 --json results

Every kind of control of the Compare page is moved, and now and then another page is opened. After each movement the
numbers shown must be those of the setting that the page says they are of; now and then the page is left to settle and
what it then shows must be the setting of its controls, with the pixels that ``run_link`` gives. Memory of the server
and of the page's script heap is read along the way; its growth counts from after ``--warm`` movements more, in which
networks are loaded and the bounded caches fill. ``--json results`` writes ``assets/results/wander_app.json``. Needs
Chromium and ``playwright``.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.measuring import TOUR_SEEN, options, report, resident, wrong_levels
from tests.support.app_server import BROWSER_ARGUMENTS, CHROMIUM, running_server, zoo_for

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PATIENCE = 120_000
CURRENT = '.bench[data-current="true"]'
SETTLE_SHARE, PAGE_SHARE = 0.1, 0.01
"""How often the page is left to settle, and how often another page is opened."""

READ_EVERY = 200
"""Movements between two readings of memory."""

CONTROLS = ("snr", "rate", "opacity", "channel", "roi", "seed", "overlay", "errors", "variant", "pair", "draw")
PAGES = ("Channel", "Figures", "Stereo", "About")

MOVE = """
(bench, [name, share]) => {
  const live = bench.live, pick = (list) => list[Math.floor(share * list.length) % list.length];
  const tell = (node, type) => node.dispatchEvent(new Event(type, { bubbles: true }));
  if (["snr", "rate", "opacity"].includes(name)) {
    const node = bench.querySelector(`#wz-${name}`), steps = Math.round((node.max - node.min) / (node.step || 1));
    node.value = Number(node.min) + Math.floor(share * (steps + 1)) * (node.step || 1);
    tell(node, "input");
  } else if (["channel", "roi"].includes(name)) {
    const node = bench.querySelector(`#wz-${name}`);
    node.value = pick([...node.options].map((option) => option.value));
    tell(node, "change");
  } else if (name === "seed") {
    const node = bench.querySelector("#wz-seed");
    node.value = Math.floor(share * 1000);
    tell(node, "change");
  } else if (["overlay", "errors"].includes(name)) live[name].click();
  else if (name === "variant") pick(live.chips).click();
  else if (name === "pair") pick([...bench.querySelectorAll(".gallery button")]).click();
  else pick([...bench.querySelectorAll("button")].filter((button) => button.textContent === "New noise")).click();
  const ask = live.frame.ask, caption = bench.querySelector(".caption").innerText;
  const told = caption.includes(`${ask.snr_db.toFixed(1)} dB`) && caption.includes(`seed ${ask.seed} `)
    && caption.includes(`ROI: ${ask.roi} `) && JSON.stringify(ask) === bench.dataset.ask;
  const claimed = bench.dataset.current === "true" && bench.querySelector(".message").hidden;
  return told && (!claimed || live.isCurrent(ask));
}
"""

SHOWN = """
(bench) => {
  const live = bench.live, cards = live.frame.cards;
  const pixels = ({ box: { canvas: c } }) => [...c.getContext("2d").getImageData(0, 0, c.width, c.height).data];
  const text = live.views.slice(0, cards.length).map((view) => view.values.psnr.textContent);
  return {
    ask: JSON.stringify(live.frame.ask), current: live.isCurrent(live.frame.ask),
    error: live.part("message").textContent,
    told: live.part("message").hidden, models: live.models(), pixels: live.views.slice(0, cards.length).map(pixels),
    numbers: cards.every((card, place) => text[place].includes(card.psnr.toFixed(2))),
  };
}
"""


def settle(page: Page) -> dict[str, Any]:
    """What the page shows once it has come to rest: a frame of its controls' setting, or a sentence why not."""
    page.wait_for_function(
        "() => { const b = document.querySelector('.bench') ?? [...document.querySelectorAll('*')]"
        ".map((n) => n.shadowRoot?.querySelector('.bench')).find(Boolean);"
        "return b && !b.live.busy && !b.live.dirty"
        " && (b.live.isCurrent(b.live.frame.ask) || !b.live.part('message').hidden); }"
    )
    found: dict[str, Any] = page.locator(".bench").evaluate(SHOWN)
    return found


def stale(found: dict[str, Any]) -> str | None:
    """What is wrong with a page at rest."""
    if not found["told"]:
        return None if found["error"] else "a message without a text"
    if not found["current"] or not found["numbers"]:
        return f"shown {found['ask']}, which the controls are not at"
    if found["pixels"] and wrong_levels(found["ask"], found["pixels"]) > 1:
        return f"other pixels than those of {found['ask']}"
    return None


def heap(page: Page) -> float:
    """MiB of the page's script heap: the least after three collections, for one leaves what finalizers still hold."""
    session, used = page.context.new_cdp_session(page), []
    for _ in range(3):
        session.send("HeapProfiler.collectGarbage")
        used.append(float(session.send("Runtime.getHeapUsage")["usedSize"]) / 2**20)
        page.wait_for_timeout(200)
    session.detach()
    return min(used)


def wander(browser: Browser, address: str, pid: int, movements: int, warm: int, seed: int) -> dict[str, Any]:
    """Move controls at random; what was wrong, as sentences, and memory along the way.

    ``warm`` movements come first: in them what a visitor can choose is loaded, and the caches, which are bounded, fill.
    """
    chance, faults, wrong = random.Random(seed), [], []
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.add_init_script(TOUR_SEEN)
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.on("console", lambda message: message.type == "error" and faults.append(message.text[:300]))
    page.on("pageerror", lambda error: faults.append(str(error)[:300]))
    page.goto(address)
    page.locator(CURRENT).wait_for()  # not wait_for_selector: its handle would keep a page that was left in memory
    counts: Counter[str] = Counter()
    memory, began = [], time.monotonic()
    marks = {*range(READ_EVERY, warm + movements, READ_EVERY), warm, warm + movements}
    for number in range(1, warm + movements + 1):
        if chance.random() < PAGE_SHARE:
            counts["page"] += 1
            _visit_another(page, chance.choice(PAGES))
        else:
            name = chance.choice(CONTROLS)
            counts[name] += 1
            if not page.locator(".bench").evaluate(MOVE, [name, chance.random()]):
                wrong.append(f"movement {number}, {name}: numbers of another setting")
        if chance.random() < SETTLE_SHARE or number in marks:
            counts["settled"] += 1
            if told := stale(settle(page)):
                wrong.append(f"movement {number}: {told}")
        else:
            page.wait_for_timeout(30 * chance.random())
        if number in marks:
            memory.append({"movement": number, "server_mib": round(resident(pid), 1), "page_mib": round(heap(page), 2)})
    context.close()
    first, last = next(row for row in memory if row["movement"] >= warm), memory[-1]
    growth = {key: round(100 * (last[key] / first[key] - 1), 2) for key in ("server_mib", "page_mib")}
    return {
        "movements": movements, "warm": warm, "seed": seed, "seconds": round(time.monotonic() - began, 1),
        "kinds": dict(counts), "wrong": wrong, "console_errors": faults, "memory": memory, "growth_percent": growth,
    }


def _visit_another(page: Page, name: str) -> None:
    page.get_by_role("link", name=name, exact=True).first.click()
    page.get_by_role("heading", level=1).first.wait_for()
    page.wait_for_timeout(300)
    page.get_by_role("link", name="Compare", exact=True).first.click()
    page.locator(CURRENT).wait_for()


def measure(movements: int, warm: int, seed: int) -> dict[str, Any]:
    """Start the explorer and wander through it."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=BROWSER_ARGUMENTS)
        log = Path(scratch) / "log"
        with running_server(zoo_for(Path(scratch)), log) as (address, pid):
            found = wander(browser, address, pid, movements, warm, seed)
        browser.close()
        return found | {"server_tracebacks": log.read_text().count("Traceback")}


def main() -> None:
    """Command line; fails when anything was wrong."""
    asked = options(__doc__, movements=1000, warm=2000, seed=5)
    found = measure(asked.movements, asked.warm, asked.seed)
    report("wander_app", found, asked)
    raise SystemExit(bool(found["wrong"] or found["console_errors"] or found["server_tracebacks"]))


if __name__ == "__main__":
    main()
