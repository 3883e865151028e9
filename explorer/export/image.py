"""The comparison as one PNG: source and side image, every reconstruction with its numbers, and the setting."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from typing import NamedTuple

from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

from explorer.compute.engine import Frame, VariantResult
from explorer.ui.state import View
from wzroi import images
from wzroi.config import CLASSES
from wzroi.metrics import figure_text

TILE = 192
"""Width of a picture on the sheet in pixels."""

GAP = 16
LINE = 20
COLUMNS = 7
INK, QUIET, PAPER = "#1a1a1a", "#555555", "#ffffff"


class Panel(NamedTuple):
    """Pictures stacked vertically, with lines of text above and below them."""

    title: str
    note: str
    pictures: list[images.Pixels]
    lines: list[str]


def _best(chances: Sequence[float] | None) -> str:
    if not chances:
        return "not classified"
    place = max(range(len(chances)), key=lambda index: chances[index])
    return f"{CLASSES[place]} {100 * chances[place]:.0f} %"


def _result_panel(frame: Frame, view: View, result: VariantResult, note: str) -> Panel:
    picture, source = result.picture[0].cpu(), frame.entry.pair.source[0]
    shown = images.to_pixels(picture)
    if view.overlay and frame.roi_on_source is not None:
        shown = images.roi_overlay(picture, frame.roi_on_source, view.opacity / 100)
    errors = [images.error_map(picture, source)] if view.errors else []
    weighted = [] if result.roi_psnr is None else [f"ROI-PSNR {result.roi_psnr:.2f} dB"]
    similar = f"SSIM {figure_text(result.ssim, 3)}"
    lines = [f"PSNR {result.psnr:.2f} dB", similar, *weighted, _best(result.probabilities)]
    title, _, stage = result.title.partition(" (")
    return Panel(title, note or stage.rstrip(")"), [shown, *errors], lines)


def panels(frame: Frame, view: View) -> list[Panel]:
    """x, x_side, one panel per variant, and the paste control, in the page's order."""
    source, side = frame.entry.pair.source[0], frame.entry.pair.side[0]
    known = images.to_pixels(side)
    if view.overlay and frame.roi is not None:
        known = images.roi_overlay(side, frame.roi.cpu(), view.opacity / 100)
    found = [Panel("Sent: x", "", [images.to_pixels(source)], [_best(frame.clean)]),
             Panel("Known: x_side", "", [known], [f"side only: {_best(frame.side_only)}"])]
    found += [_result_panel(frame, view, result, "") for result in frame.results]
    return found + ([_result_panel(frame, view, frame.paste, "control")] if frame.paste else [])


def setting(frame: Frame) -> str:
    """Everything that determines the pictures, in one line of text."""
    request, (height, width) = frame.request, frame.entry.size
    symbols = frame.results[0].symbols if frame.results else 0
    rate = f"k = {symbols} symbols, rho = 1/{3 * height * width / symbols:.3g}" if symbols else "nothing sent"
    return f"{request.channel}, SNR {request.snr_db:g} dB, {rate}, ROI: {request.roi}, seed {request.seed}"


def _height(panel: Panel, tile: int) -> int:
    return 2 * LINE + len(panel.pictures) * (tile + 4) + len(panel.lines) * LINE


def draw(frame: Frame, view: View) -> Image.Image:
    """The sheet; rows of at most ``COLUMNS`` panels."""
    shown = panels(frame, view)
    height, width = frame.entry.size
    tall = round(TILE * height / width)
    columns, row = min(COLUMNS, len(shown)), max(_height(panel, tall) for panel in shown) + GAP
    rows = -(-len(shown) // columns)
    sheet = Image.new("RGB", (GAP + columns * (TILE + GAP), 3 * LINE + GAP + rows * row + LINE), PAPER)
    pen = ImageDraw.Draw(sheet)
    pen.text((GAP, GAP), frame.entry.title, fill=INK, font=ImageFont.load_default(18))
    pen.text((GAP, GAP + 24), setting(frame), fill=QUIET, font=ImageFont.load_default(13))
    for place, panel in enumerate(shown):
        left, top = GAP + place % columns * (TILE + GAP), 3 * LINE + GAP + place // columns * row
        _panel(sheet, pen, panel, (left, top), tall)
    scale = f"Error maps: 0 to {round(255 * images.ERROR_SCALE)} grey levels. " if view.errors else ""
    pen.text((GAP, sheet.height - LINE), f"{scale}WZ-ROI explorer", fill=QUIET, font=ImageFont.load_default(12))
    return sheet


def _panel(sheet: Image.Image, pen: ImageDraw.ImageDraw, panel: Panel, at: tuple[int, int], tall: int) -> None:
    left, top = at
    pen.text((left, top), panel.title, fill=INK, font=ImageFont.load_default(15))
    pen.text((left, top + LINE), panel.note, fill=QUIET, font=ImageFont.load_default(12))
    top += 2 * LINE
    for pixels in panel.pictures:
        sheet.paste(Image.fromarray(pixels).resize((TILE, tall), Image.Resampling.NEAREST), (left, top))
        top += tall + 4
    for line in panel.lines:
        pen.text((left, top), line, fill=INK, font=ImageFont.load_default(14))
        top += LINE


def png(frame: Frame, view: View) -> bytes:
    """The sheet as a PNG file with the setting as metadata under the key ``wzroi``."""
    about = PngInfo()
    about.add_text("wzroi", json.dumps({"setting": frame.request.to_dict(), "title": frame.entry.title[:200]}))
    stream = io.BytesIO()
    draw(frame, view).save(stream, "PNG", pnginfo=about)
    return stream.getvalue()
