"""Exports of the Region of interest page: all numbers as CSV or JSON, and Python code."""

from __future__ import annotations

import json
from typing import Any

import streamlit as st

from explorer.compute.engine import ENGINE, RequestError
from explorer.compute.roi_comparison import PAINTED, Comparison
from explorer.export.frame import csv_text, made_on, offer, row_of, wanted
from explorer.export.snippet import roi_line, symbols_lines

LINES = """import torch
import wzroi, zoo
from zoo.serving.painted_roi import painted_map
from explorer.compute.pair_sources import find_entry
from zoo.serving.gallery import with_neighbour
{imports}
device = {device!r}
entry = find_entry({pair!r})
pair = entry.pair.to(device)
model, judge = zoo.load({model!r}, device), zoo.load_judge({judge!r}, device)
maps = {{
{maps}
}}
for name, roi in maps.items():
    generator = torch.Generator().manual_seed({seed})
    symbols = {symbols}
    channel = wzroi.sample_channel({channel!r}, {snr}, 1, symbols, generator=generator, device=device)
    report = wzroi.run_link(model, pair, channel, roi, judge)
    chance, best = report.logits.softmax(1)[0].max(0)
    print(f"{{name}}: PSNR {{float(report.psnr):.2f}} dB, SSIM {{float(report.ssim):.3f}}, "
          f"ROI-PSNR {{float(report.roi_psnr):.2f}} dB, {{wzroi.CLASSES[int(best)]}} {{100 * float(chance):.0f}} %")
"""


def rows_of(done: Comparison) -> list[dict[str, Any]]:
    """One row per origin: the numbers of its picture, and the change from the zeros map."""
    return [
        {"origin": one.name, "oracle": one.name.startswith("source"), "psnr_change_db": one.change.psnr,
         "error_in_map": one.change.inside, "error_outside_map": one.change.outside} | row_of(one.result, "")
        for one in done.found
    ]


def as_json(done: Comparison) -> str:
    """The numbers with everything that determines them, including seeds and versions."""
    entry = done.entry
    return json.dumps({
        "setting": done.request.to_dict(), "title": entry.title, "size": entry.size, "label": entry.label,
        "pair_source": entry.source, "judge": done.judge, "rows": rows_of(done), "clean": done.clean,
        "side_only": done.side_only, **made_on(),
    }, indent=1)  # fmt: skip


def as_csv(done: Comparison) -> str:
    """The rows as CSV, each preceded by the setting."""
    setting = {key: value for key, value in done.request.to_dict().items() if key not in ("models", "roi")}
    painted = {"painted": done.request.roi}
    return csv_text([setting | painted | row for row in rows_of(done)], list(setting))


def python_lines(done: Comparison, device: str) -> str:
    """Python that prints the numbers in a fresh process at the project's root; raises RequestError for an upload."""
    request = done.request
    if request.pair.startswith("upload:"):
        raise RequestError(
            "code that reproduces these numbers needs a picture that everyone has: choose one from the "
            "gallery or from CIFAR-10"
        )
    maps = {one.name: f"painted_map({request.roi!r}, entry.size).to(device)" if one.name == PAINTED
            else roi_line(request._replace(roi=one.name)) for one in done.found}
    text = "\n".join(f"    {name!r}: {line}," for name, line in maps.items())
    imports, symbols = symbols_lines(request)
    return LINES.format(
        device=device,
        pair=request.pair,
        model=request.models[0],
        judge=done.judge,
        maps=text,
        seed=request.seed,
        symbols=symbols,
        imports=imports,
        channel=request.channel,
        snr=request.snr_db,
    )


def draw(done: Comparison) -> None:
    """The downloads and the code, if the visitor asks for them."""
    if not wanted("link, numbers", "roi_take_away"):
        return
    st.caption("This page's address is a link to this view, with the painted map. It does not include uploaded "
               "pictures.")
    offer([("Numbers as CSV", lambda: as_csv(done), "wzroi-roi.csv", "text/csv"),
           ("Numbers as JSON", lambda: as_json(done), "wzroi-roi.json", "application/json")])
    try:
        st.code(python_lines(done, str(ENGINE.device)), language="python", wrap_lines=True)
        st.caption("Run in the project's root folder, this code prints exactly the numbers shown above.")
    except RequestError as error:
        st.caption(f"{str(error)[:1].upper()}{str(error)[1:]}.")
