"""What a visitor takes away: every number on show as CSV or JSON, and the Python lines that give them again."""

from __future__ import annotations

import csv
import io
import json
import platform
from typing import Any

import streamlit as st
import torch

import wzroi
from explorer.engine import ENGINE, Ask, AskError, BusyError, Card, Frame, Variant, holdings
from explorer.sources import SourceError
from explorer.state import View
from wzroi.config import CLASSES
from zoo.errors import ZooError

SIMPLE = """import torch
import wzroi, zoo
from explorer.sources import find_scene

device = {device!r}
pair = find_scene({pair!r}).pair.to(device)
judge = zoo.load_judge({judge!r}, device)
roi = {roi}
for name in {models}:
    model = zoo.load(name, device)
    symbols = model.num_symbols(*pair.source.shape[-2:])
    generator = torch.Generator().manual_seed({seed})
    channel = wzroi.sample_channel({channel!r}, {snr}, 1, symbols, generator=generator, device=device)
    report = wzroi.run_link(model, pair, channel, roi, judge)
    best = wzroi.CLASSES[int(report.logits.argmax())]
    print(f"{{name}}: PSNR {{float(report.psnr):.2f}} dB, SSIM {{float(report.ssim):.3f}}, {{best}}")
"""

ROI_LINES = {
    "shuffled": "wzroi.roi_map(judge, with_neighbour(find_scene({pair!r})).to(device), 'shuffled')[:1]",
    "normal": "wzroi.roi_map(judge, pair, 'normal', generator=torch.Generator().manual_seed({seed}))",
}


def python_lines(ask: Ask, judge: str, device: str) -> str:
    """Python that prints a frame's numbers, in a fresh process at the project's root."""
    line = ROI_LINES.get(ask.roi, "wzroi.roi_map(judge, pair, {roi!r})")
    roi = line.format(pair=ask.pair, seed=ask.seed, roi=ask.roi)
    text = SIMPLE.format(device=device, pair=ask.pair, judge=judge, roi=roi, models=list(ask.models), seed=ask.seed,
                         channel=ask.channel, snr=ask.snr_db)
    if ask.roi != "shuffled":
        return text
    first = "from explorer.sources import find_scene\n"
    return text.replace(first, f"{first}from zoo.scenes import with_neighbour\n")


def row_of(card: Card, control: str) -> dict[str, Any]:
    """A card's numbers as one row."""
    entry = holdings().models.get(card.model)
    chances = dict(zip(CLASSES, card.probabilities or [], strict=False))
    return {
        "model": card.model, "control": control, "symbols": card.symbols, "psnr_db": card.psnr, "ssim": card.ssim,
        "roi_psnr_db": card.roi_psnr, "weights_sha256": entry.sha256 if entry else None,
        **{f"p_{name}": chances.get(name) for name in CLASSES},
    }


def rows_of(frame: Frame) -> list[dict[str, Any]]:
    """All rows of a frame: variants, then the paste control."""
    return [row_of(card, "") for card in frame.cards] + ([row_of(frame.paste, "paste")] if frame.paste else [])


def as_json(frame: Frame) -> str:
    """A frame's numbers with all that decides them, seeds and versions."""
    scene = frame.scene
    return json.dumps({
        "setting": frame.ask._asdict(), "title": scene.title, "size": scene.size, "label": scene.label,
        "pair_source": scene.source, "judge": frame.judge, "rows": rows_of(frame),
        "side_only": frame.side_only, "clean": frame.clean, "device": ENGINE.hardware(),
        "versions": {"wzroi": wzroi.__version__, "torch": torch.__version__, "python": platform.python_version()},
    }, indent=1)  # fmt: skip


def as_csv(frame: Frame) -> str:
    """A frame's rows as CSV, the setting in front of each."""
    setting = {key: value for key, value in frame.ask._asdict().items() if key != "models"}
    rows = [setting | row for row in rows_of(frame)]
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(rows[0]) if rows else list(setting))
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


def take_away(view: View, variants: list[Variant]) -> None:
    """Draw the downloads and the lines."""
    ask = view.ask(variants)
    with st.expander("Take away: numbers, and the Python lines that give them again", icon=":material/download:"):
        try:
            frame = ENGINE.frame(ask)
        except (AskError, BusyError, SourceError, ZooError, OSError) as error:
            st.caption(str(error))
            return
        st.caption("The address of this page is a link to this view. Uploaded pictures are not part of it.")
        left, right, _ = st.columns([1, 1, 3])
        left.download_button("Numbers as CSV", as_csv(frame), "wzroi.csv", "text/csv")
        right.download_button("Numbers as JSON", as_json(frame), "wzroi.json", "application/json")
        if frame.judge and not ask.pair.startswith("upload:"):
            st.code(python_lines(ask, frame.judge, str(ENGINE.device)), language="python")
