"""The comparison as one PNG: what was sent and known, every reconstruction with its numbers, and the setting."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from typing import NamedTuple

from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

from explorer.compute.engine import Card, Frame
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
    """Pictures one below the other, and the lines of text above and below them."""

    title: str
    note: str
    pictures: list[images.Pixels]
    lines: list[str]


def _best(chances: Sequence[float] | None) -> str:
    if not chances:
        return "not classified"
    place = max(range(len(chances)), key=lambda index: chances[index])
    return f"{CLASSES[place]} {100 * chances[place]:.0f} %"


def _card(frame: Frame, view: View, card: Card, note: str) -> Panel:
    picture, source = card.picture[0].cpu(), frame.scene.pair.source[0]
    shown = images.to_pixels(picture)
    if view.overlay and frame.roi_on_source is not None:
        shown = images.roi_overlay(picture, frame.roi_on_source, view.opacity / 100)
    errors = [images.error_map(picture, source)] if view.errors else []
    weighted = [] if card.roi_psnr is None else [f"ROI-PSNR {card.roi_psnr:.2f} dB"]
    lines = [f"PSNR {card.psnr:.2f} dB", f"SSIM {figure_text(card.ssim, 3)}", *weighted, _best(card.probabilities)]
    title, _, stage = card.title.partition(" (")
    return Panel(title, note or stage.rstrip(")"), [shown, *errors], lines)


def panels(frame: Frame, view: View) -> list[Panel]:
    """x, x_side, a panel a variant, and the paste control, in the page's order."""
    source, side = frame.scene.pair.source[0], frame.scene.pair.side[0]
    known = images.to_pixels(side)
    if view.overlay and frame.roi is not None:
        known = images.roi_overlay(side, frame.roi.cpu(), view.opacity / 100)
    found = [Panel("Sent: x", "", [images.to_pixels(source)], [_best(frame.clean)]),
             Panel("Known: x_side", "", [known], [f"side only: {_best(frame.side_only)}"])]
    found += [_card(frame, view, card, "") for card in frame.cards]
    return found + ([_card(frame, view, frame.paste, "control")] if frame.paste else [])


def setting(frame: Frame) -> str:
    """All that decides the pictures, in a line of plain letters."""
    ask, (height, width) = frame.ask, frame.scene.size
    symbols = frame.cards[0].symbols if frame.cards else 0
    rate = f"k = {symbols} symbols, rho = 1/{3 * height * width / symbols:.3g}" if symbols else "nothing sent"
    return f"{ask.channel}, SNR {ask.snr_db:g} dB, {rate}, ROI: {ask.roi}, seed {ask.seed}"


def _height(panel: Panel, tile: int) -> int:
    return 2 * LINE + len(panel.pictures) * (tile + 4) + len(panel.lines) * LINE


def draw(frame: Frame, view: View) -> Image.Image:
    """The sheet; rows of at most ``COLUMNS`` panels."""
    shown = panels(frame, view)
    height, width = frame.scene.size
    tall = round(TILE * height / width)
    columns, row = min(COLUMNS, len(shown)), max(_height(panel, tall) for panel in shown) + GAP
    rows = -(-len(shown) // columns)
    sheet = Image.new("RGB", (GAP + columns * (TILE + GAP), 3 * LINE + GAP + rows * row + LINE), PAPER)
    pen = ImageDraw.Draw(sheet)
    pen.text((GAP, GAP), frame.scene.title, fill=INK, font=ImageFont.load_default(18))
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
    """The sheet as a PNG file that carries its setting as text, under the key ``wzroi``."""
    about = PngInfo()
    about.add_text("wzroi", json.dumps({"setting": frame.ask.told(), "title": frame.scene.title[:200]}))
    stream = io.BytesIO()
    draw(frame, view).save(stream, "PNG", pnginfo=about)
    return stream.getvalue()
