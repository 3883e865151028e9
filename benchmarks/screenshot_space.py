"""Renew the hosted demo's screenshots: ``python -m benchmarks.screenshot_space [FOLDER]``.

Assembles the demo from the zoo at hand, runs it as a Space would, and writes ``space_1280.png`` and ``space_390.png``
(the whole page at each width; default folder ``assets``). Needs Chromium and ``playwright``.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from tests.support.app_server import BROWSER_ARGUMENTS, CHROMIUM
from tests.support.shared import ROOT
from tests.support.space_server import running_space
from zoo.space.deploy import assemble
from zoo.store.writing import write_file

WIDTHS = (1280, 390)
PATIENCE_MS = 300_000
LOADED = "[...document.querySelectorAll('.wz-slider img')].filter(i => i.complete && i.clientHeight > 200).length === 2"


def screenshots(folder: Path) -> list[Path]:
    """Write the PNGs; an existing one is replaced only by a whole one."""
    from playwright.sync_api import sync_playwright

    written = []
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as play:
        demo = assemble(Path(scratch) / "demo", "gradio", "me/demo").folder
        with running_space(demo, Path(scratch) / "log") as (address, _):
            browser = play.chromium.launch(executable_path=CHROMIUM, args=BROWSER_ARGUMENTS)
            for width in WIDTHS:
                page = browser.new_page(viewport={"width": width, "height": 900})
                page.goto(address, timeout=PATIENCE_MS)
                page.wait_for_function(LOADED, timeout=PATIENCE_MS)
                page.wait_for_timeout(1000)
                written.append(folder / f"space_{width}.png")
                write_file(written[-1], page.screenshot(full_page=True))
            browser.close()
    return written


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "assets")
    for path in screenshots(parser.parse_args().folder):
        print(path.name)


if __name__ == "__main__":
    main()
