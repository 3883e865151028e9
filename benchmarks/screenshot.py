"""Renew the README's screenshot.

    python -m benchmarks.screenshot [FILE] [--width 1280] [--dark] [--path "?pair=..."]


Starts the explorer on the zoo at hand, waits for the first frame, and writes a PNG (default ``assets/screenshot.png``).
Needs Chromium and ``playwright``.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

from tests.support.app_server import BROWSER_ARGUMENTS, CHROMIUM, running_app, zoo_for
from tests.support.shared import ROOT

PATIENCE = 300_000
"""Milliseconds to wait for the first frame."""


def screenshot(target: Path, width: int = 1280, height: int = 1000, dark: bool = False, path: str = "") -> None:
    """Write a PNG of the explorer; an existing file is replaced only by a whole one."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=BROWSER_ARGUMENTS)
        with running_app(zoo_for(Path(folder)), Path(folder) / "log") as address:
            scheme = "dark" if dark else "light"
            page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
            page.add_init_script("localStorage.setItem('wzroi-tour', 'seen')")
            page.goto(f"{address}/{path}", timeout=PATIENCE)
            page.wait_for_selector('.bench[data-current="true"]', timeout=PATIENCE)
            page.wait_for_timeout(3000)
            page.screenshot(path=f"{folder}/shot.png")
        browser.close()
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_suffix(".partial")
        partial.write_bytes((Path(folder) / "shot.png").read_bytes())
        os.replace(partial, target)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", nargs="?", type=Path, default=ROOT / "assets" / "screenshot.png")
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--height", type=int, default=1000)
    parser.add_argument("--dark", action="store_true")
    parser.add_argument("--path", default="", help='page and parameters, e.g. "?pair=gallery:cifar-1&snr=0"')
    options = parser.parse_args()
    screenshot(options.file, options.width, options.height, options.dark, options.path)
    print(options.file)


if __name__ == "__main__":
    main()
