"""Exports of a frame: the pictures, all numbers as CSV or JSON, and Python code."""

from __future__ import annotations

import csv
import io
import json
import platform
from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st
import torch

import wzroi
from explorer.compute.engine import ENGINE, BusyError, Frame, Request, RequestError, Variant, VariantResult, zoo_index
from explorer.export.image import png
from explorer.export.snippet import python_lines
from explorer.ui.state import View
from wzroi.config import CLASSES
from zoo.errors import ZooError


def row_of(result: VariantResult, control: str) -> dict[str, Any]:
    """The numbers of one result as one row."""
    entry = zoo_index().models.get(result.model)
    chances = dict(zip(CLASSES, result.probabilities or [], strict=False))
    return {
        "model": result.model,
        "control": control,
        "symbols": result.symbols,
        "psnr_db": result.psnr,
        "ssim": result.ssim,
        "roi_psnr_db": result.roi_psnr,
        "weights_sha256": entry.sha256 if entry else None,
        **{f"p_{name}": chances.get(name) for name in CLASSES},
    }


def rows_of(frame: Frame) -> list[dict[str, Any]]:
    """All rows of a frame: variants, then the paste control."""
    return [row_of(result, "") for result in frame.results] + ([row_of(frame.paste, "paste")] if frame.paste else [])


def as_json(frame: Frame) -> str:
    """A frame's numbers with everything that determines them, including seeds and versions."""
    entry = frame.entry
    return json.dumps({
        "setting": frame.request.to_dict(), "title": entry.title, "size": entry.size, "label": entry.label,
        "pair_source": entry.source, "judge": frame.judge, "rows": rows_of(frame),
        "side_only": frame.side_only, "clean": frame.clean, **made_on(),
    }, indent=1)  # fmt: skip


def made_on() -> dict[str, Any]:
    """The device and the versions that the numbers were computed with."""
    versions = {"wzroi": wzroi.__version__, "torch": torch.__version__, "python": platform.python_version()}
    return {"device": ENGINE.hardware(), "versions": versions}


def as_csv(frame: Frame) -> str:
    """A frame's rows as CSV, each preceded by the setting."""
    setting = {key: value for key, value in frame.request.to_dict().items() if key != "models"}
    return csv_text([setting | row for row in rows_of(frame)], list(setting))


def csv_text(rows: list[dict[str, Any]], columns: list[str]) -> str:
    """Rows as CSV; ``columns`` is the header if there are no rows."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(rows[0]) if rows else columns)
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


def judges_of(request: Request) -> dict[str, str]:
    """The judge of each network, for those that have one."""
    found = {model: ENGINE.judge_of(model) for model in request.models}
    return {model: judge for model, judge in found.items() if judge}


def wanted(what: str, key: str) -> bool:
    """Whether the visitor wants to export something.

    A switch rather than an expander, so that nothing is computed or loaded unasked; Streamlit's expander would also
    keep a page that was left in the browser's memory.
    """
    return st.toggle(f"Export: {what}, and Python code", key=key)


def take_away(view: View, variants: list[Variant]) -> None:
    """Draw the downloads and the code, if the visitor asks for them."""
    if not wanted("link, picture, numbers", "take_away"):
        return
    try:
        frame = ENGINE.frame(view.request(variants))
    except (RequestError, BusyError, ZooError, OSError) as error:
        st.caption(str(error))
        return
    st.caption("This page's address is a link to this view. It does not include uploaded pictures.")
    downloads(frame, view)
    try:
        st.code(python_lines(frame, judges_of(frame.request), str(ENGINE.device)), language="python", wrap_lines=True)
        st.caption("Run in the project's root folder, this code prints exactly the numbers shown above.")
    except RequestError as error:
        st.caption(f"{str(error)[:1].upper()}{str(error)[1:]}.")


def downloads(frame: Frame, view: View) -> None:
    """Three files, each created on request."""
    offer([
        ("Comparison as PNG", lambda: png(frame, view), "wzroi.png", "image/png"),
        ("Numbers as CSV", lambda: as_csv(frame), "wzroi.csv", "text/csv"),
        ("Numbers as JSON", lambda: as_json(frame), "wzroi.json", "application/json"),
    ])


def offer(files: Sequence[tuple[str, Callable[[], str | bytes], str, str]]) -> None:
    """Download buttons side by side; each has a label, a function that creates the file, its name and its MIME type."""
    for column, (label, data, name, kind) in zip(st.columns(len(files)), files, strict=True):
        column.download_button(label, data, name, kind, on_click="ignore", icon=":material/download:")
