"""The demo's row of pictures as HTML: each with its ROI overlay, its metrics and its most likely classes.

The opacity of the ROI overlay is a CSS variable, so that its slider needs no response from the server.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence

from torch import Tensor

from wzroi import images
from wzroi.config import CLASSES
from wzroi.metrics import METRICS, figure_text
from zoo.serving.gallery import PairEntry, gallery, gallery_entry, on_source, shrink
from zoo.space.engine import Sent, judge_views

CSS = """
.wz { display: grid; grid-template-columns: repeat(auto-fill, minmax(148px, 1fr)); gap: 12px; }
.wz figure { margin: 0; min-width: 0; border: 1px solid var(--border-color-primary); border-radius: 8px;
  overflow: hidden; background: var(--block-background-fill); color: var(--body-text-color); }
.wz .view { position: relative; background: #0003; }
.wz img { display: block; width: 100%; margin: 0; image-rendering: pixelated; }
.wz img.roi { position: absolute; inset: 0; height: 100%; opacity: var(--roi, 0.5); }
.wz img.roi.over { visibility: var(--roi-over, hidden); }
.wz figcaption { padding: 8px 10px 10px; font-size: 13px; line-height: 1.35; }
.wz b { display: block; font-weight: 600; min-height: 2.7em; }
.wz .figures { margin: 2px 0 6px; font-variant-numeric: tabular-nums; opacity: 0.8; }
.wz .figures strong { font-size: 15px; }
.wz .class { display: grid; grid-template-columns: 1fr auto; column-gap: 6px; font-variant-numeric: tabular-nums; }
.wz .class i { grid-column: 1 / -1; height: 4px; border-radius: 2px; margin-bottom: 3px;
  background: linear-gradient(to right, #0072b2 var(--p), var(--border-color-primary) var(--p)); }
.wz .true { font-weight: 600; }
.wz .true i { background: linear-gradient(to right, #009e73 var(--p), var(--border-color-primary) var(--p)); }
.wz-thumbs .pairs { display: flex; flex-wrap: wrap; gap: 6px; }
.wz-thumbs button { padding: 0; line-height: 0; border: 2px solid transparent; border-radius: 6px; overflow: hidden;
  cursor: pointer; background: none; }
.wz-thumbs button[aria-pressed=true] { border-color: var(--color-accent); }
.wz-thumbs img { width: 48px; height: 48px; object-fit: cover; image-rendering: pixelated; margin: 0; }
@media (max-width: 480px) {
  .wz { grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 8px; }
  .wz figcaption { padding: 8px 8px 10px; font-size: 12px; }
  .wz-thumbs .pairs { flex-wrap: nowrap; overflow-x: auto; padding-bottom: 6px; }
  .wz-thumbs button { flex: none; }
}
"""

TOP = 3


def data_uri(pixels: images.Pixels) -> str:
    """Pixels as a PNG in a data URI."""
    return "data:image/png;base64," + base64.b64encode(images.png_bytes(pixels)).decode()


def classes(chances: Sequence[float], label: int | None) -> str:
    """The most likely classes as bars, the true one in green."""
    order = sorted(range(len(chances)), key=lambda index: -chances[index])[:TOP]
    rows = [
        f'<div class="class{" true" if index == label else ""}" style="--p:{100 * chances[index]:.1f}%">'
        f"<span>{CLASSES[index]}</span><span>{100 * chances[index]:.0f} %</span><i></i></div>"
        for index in order
    ]
    return "".join(rows)


def figure(title: str, picture: Tensor, figures: str, bars: str = "", roi: Tensor | None = None, over: str = "") -> str:
    """One card: a picture ``[3, H, W]``, its map M ``[1, H, W]`` as a layer, and text (already HTML)."""
    name = html.escape(title)
    layer = ""
    if roi is not None:
        layer = f'<img class="roi {over}" alt="ROI map" src="{data_uri(images.roi_layer(roi))}">'
    return (
        f'<figure><div class="view"><img alt="{name}" src="{data_uri(images.to_pixels(picture))}">{layer}</div>'
        f'<figcaption><b>{name}</b><div class="figures">{figures}</div>{bars}</figcaption></figure>'
    )


def sent_card(entry: PairEntry, sent: Sent, origin: str) -> str:
    """A reconstruction's card."""
    report = sent.report
    figures = [f"<strong>{report.psnr.item():.2f} dB</strong> PSNR", f"SSIM {figure_text(report.ssim, 3)}"]
    if report.roi_psnr is not None and bool(report.roi_psnr.isfinite()):
        figures.append(f"ROI-PSNR {report.roi_psnr.item():.2f} dB")
    figures += [f"{METRICS[key].title} {METRICS[key].to_text(values.item())}" for key, values in report.added().items()]
    bars = "" if report.logits is None else classes(report.logits.softmax(dim=1)[0].tolist(), entry.label)
    roi = None if sent.roi is None else on_source(entry, sent.roi, origin)[0]
    return figure(sent.title, report.reconstruction[0], "<br>".join(figures), bars, roi, "over")


def pair_cards(entry: PairEntry, sent: Sent, origin: str) -> list[str]:
    """Cards of x and of x_side with the map M, each with the judge's classes."""
    seen = judge_views(entry, sent.model)
    clean, side = ("", "") if seen is None else (classes(chances, entry.label) for chances in seen)
    height, width = entry.size
    on_x = origin.startswith("source")
    sized = "<br>".join([f"sent: {width} x {height}, {sent.symbols} symbols", *map(html.escape, entry.notes)])
    held = "known to the receiver, with the map M" if not on_x else "known to the receiver"
    roi = None if sent.roi is None else sent.roi[0]
    return [
        figure("x, at the camera", entry.pair.source[0], sized, clean, roi if on_x else None),
        figure("x_side, at the receiver", entry.pair.side[0], held, side, None if on_x else roi),
    ]


def strip(entry: PairEntry, sents: Sequence[Sent], control: Sent | None, origin: str) -> str:
    """The whole row: the pair, all variants, the control."""
    if not sents:
        return '<div class="wz">Choose at least one variant.</div>'
    cards = pair_cards(entry, sents[0], origin) + [sent_card(entry, sent, origin) for sent in sents]
    if control is not None:
        cards.append(sent_card(entry, control, origin))
    return f'<div class="wz">{"".join(cards)}</div>'


def enlarged(image: Tensor, longest: int = 512) -> images.Pixels:
    """A picture ``[3, H, W]`` enlarged by repeating pixels, its longer side at most ``longest``."""
    pixels = images.to_pixels(image)
    return images.enlarge(pixels, max(1, longest // max(pixels.shape[:2])))


def thumbnails(chosen: str) -> str:
    """The gallery as buttons that carry the pairs' identifiers."""
    buttons = []
    for key, item in gallery().items():
        picture, name = data_uri(small(gallery_entry(key).pair.source[0])), html.escape(item.title)
        pressed = str(key == chosen).lower()
        buttons.append(
            f'<button type="button" data-pair="{html.escape(key)}" title="{name}" aria-pressed="{pressed}">'
            f'<img alt="{name}" src="{picture}"></button>'
        )
    return f'<div class="pairs">{"".join(buttons)}</div>'


def small(image: Tensor, side: int = 48) -> images.Pixels:
    """The central square of a picture ``[3, H, W]``, reduced to ``side`` pixels if it is larger."""
    edge = min(image.shape[-2:])
    top, left = (image.shape[-2] - edge) // 2, (image.shape[-1] - edge) // 2
    square = image[None, :, top : top + edge, left : left + edge]
    return images.to_pixels((shrink(square, side, side) if edge > side else square)[0])
