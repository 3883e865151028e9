"""The SNR sweep below the pictures: stored test-set results, with the current picture's point."""

from __future__ import annotations

from fractions import Fraction

import streamlit as st

from explorer.compute.engine import ENGINE, BusyError, RequestError, Variant
from explorer.compute.pair_sources import SourceError
from explorer.ui.state import View
from wzroi.metrics import METRICS, per_image
from zoo.errors import ZooError
from zoo.rates import rho_text
from zoo.results import files, plots


def rows_of(model: str, rate: Fraction) -> list[files.Row]:
    """Rows of a model's stored results at 1/rho; empty if it was not evaluated or its file is damaged."""
    try:
        found = files.results(model, files.RESULTS, rate)
    except ZooError:
        return []
    return found.rows if found else []


def curves_of(view: View, variants: list[Variant]) -> tuple[list[plots.Curve], list[str]]:
    """Curves of the chosen variants at the chosen rate, and the titles of those without results."""
    curves, missing = [], []
    for variant in variants:
        if variant.id not in view.variants or view.rate not in variant.names:
            continue
        rows = rows_of(variant.names[view.rate], view.rate)
        curves += [plots.Curve(variant.title, rows)] if rows else []
        missing += [] if rows else [variant.title]
    return curves, missing


def present_of(view: View, variants: list[Variant], metric: str) -> dict[str, float]:
    """The metric of the current picture by variant title; empty if no frame can be computed."""
    if metric == "accuracy":
        return {}
    try:
        frame = ENGINE.frame(view.request(variants))
    except (RequestError, BusyError, SourceError, ZooError, OSError):
        return {}
    values = {result.title: result.metric(metric) for result in frame.results}
    return {title: value for title, value in values.items() if value is not None}


def sweep(view: View, variants: list[Variant]) -> None:
    """Draw the plot."""
    st.subheader(f"Over SNR, at ρ = {rho_text(view.rate)}", anchor=False)
    curves, missing = curves_of(view, variants)
    if not curves:
        st.caption("Not yet measured: there are no test-set results for the chosen variants at this rate.")
        return
    metric = st.segmented_control(
        "Metric", [*per_image(), "accuracy"], default="psnr", format_func=lambda key: METRICS[key].title, key="metric",
        required=True,
        label_visibility="collapsed",
    )
    figure = plots.sweep_figure(curves, metric or "psnr", present_of(view, variants, metric or "psnr"), view.snr)
    st.plotly_chart(figure, key="sweep", config={"displaylogo": False})
    note = "CIFAR-10 test set, AWGN, with 95 % bands. A ring marks the picture shown above at the current setting."
    st.caption(note + (f" Not yet measured: {', '.join(missing)}." if missing else ""))
