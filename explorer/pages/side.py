"""The Side information page: the side image moved, degraded, swapped or removed, and its effect on each variant."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import streamlit as st

from explorer.compute import perturbation, perturbation_curve
from explorer.compute.engine import ENGINE, BusyError, Frame, RequestError, Variant, VariantResult, catalogue
from explorer.compute.pair_sources import gallery
from explorer.compute.perturbation import OTHER_TIP, PARAMETERS, REMOVED_TIP, REST, Perturbation
from explorer.export.frame import take_away
from explorer.ui import tables
from explorer.ui.component import BENCH, base_path, bench_data
from explorer.ui.layout import header, no_networks
from explorer.ui.state import View
from explorer.ui.tables import verdict
from explorer.ui.visit import Visit, arrive, visit
from wzroi.metrics import figure_text
from zoo.errors import ZooError

INTRO = (
    "The networks were trained with one kind of side image: the crop in its place, sharp and clean. Perturb it "
    "and see which networks depend on it. **Paste** copies the same pixels to where the crop should belong; it learns "
    "nothing."
)
PRESETS = [
    {"name": "Original", "values": {}},
    {"name": "Where it belongs in x", "values": {"dx": 12, "dy": 12}},
]
HEADINGS = ("Variant", "PSNR original", "PSNR now", "change", "SSIM original", "SSIM now", "Judge, original",
            "Judge, now")
FAULTS = (RequestError, BusyError, ZooError, OSError)


def crop_data(what: Perturbation) -> dict[str, Any]:
    """The controls of the side image, as data for the component."""
    parameters = [{"key": key, **parameter._asdict()} for key, parameter in PARAMETERS.items()]
    others = {"": "none: x's own crop"} | {name: item.title for name, item in gallery().items()}
    return {
        "parameters": parameters,
        "others": others,
        "presets": PRESETS,
        "rest": REST._asdict(),
        "state": what._asdict(),
        "tips": {"other": OTHER_TIP, "removed": REMOVED_TIP},
    }


def present() -> Perturbation:
    """This visit's perturbation, initialised from the link it was opened with."""
    if "perturbation" not in st.session_state:
        found, notices = perturbation.read_query(st.query_params.to_dict())
        st.session_state.perturbation = found
        st.session_state.notices = st.session_state.get("notices", []) + notices
    return st.session_state.perturbation


def render() -> None:
    """Draw the page."""
    header("Side information: what if it differs from training?", INTRO)
    variants = catalogue()
    if not variants:
        no_networks()
        return
    visit(variants)
    present()  # its notices are drawn with the visit's
    live(arrive(variants), variants)


@st.fragment
def live(here: Visit, variants: list[Variant]) -> None:
    """The component, and below it the results for the settled controls."""
    what = present()
    showing = st.session_state.source == "gallery"
    data = bench_data(here.view, variants, here.version, base_path(), showing, crop_data(what))
    reported = BENCH(key="side_bench", data=data, on_view_change=lambda: None)
    if reported.view:
        here.apply_report(reported.view, variants)
        what = st.session_state.perturbation = perturbation.read_report(reported.view, what)
    query = here.view.to_query() | perturbation.to_query(what)
    if query != st.query_params.to_dict():
        st.query_params.from_dict(query)
    try:
        compare(here.view, variants, what)
        curve(here.view, variants, what)
    except FAULTS as error:
        st.caption(str(error))
    take_away(replace(here.view, pair=what.on(here.view.pair)), variants)


def results_of(frame: Frame) -> list[VariantResult]:
    """The variants, then paste."""
    return [*frame.results, *([frame.paste] if frame.paste else [])]


def rows_of(rest: Frame, now: Frame) -> list[tuple[str, ...]]:
    """One row per variant: the same symbols over the same channel, with the original and the perturbed side image."""
    return [
        (new.title, f"{old.psnr:.2f} dB", f"{new.psnr:.2f} dB", f"{new.psnr - old.psnr:+.2f} dB",
         figure_text(old.ssim, 3), figure_text(new.ssim, 3), verdict(old), verdict(new))
        for old, new in zip(results_of(rest), results_of(now), strict=True)
    ]


def compare(view: View, variants: list[Variant], what: Perturbation) -> None:
    """The table of the perturbation's effect."""
    request = view.request(variants)
    if not request.models:
        return
    rest, now = ENGINE.frame(request), ENGINE.frame(request._replace(pair=what.on(request.pair)))
    caption = f"{rest.entry.title}, {view.snr:g} dB, seed {view.seed}. The side image: {what.words()}."
    tables.draw(caption, HEADINGS, rows_of(rest, now), words=(6, 7))


def curve(view: View, variants: list[Variant], what: Perturbation) -> None:
    """PSNR or SSIM along one parameter, if the visitor asks for it."""
    if not st.toggle("Curves along one parameter", key="side_curves", help="Each variant and paste (eq. 4), at the "
                     "current values of the other parameters."):
        return
    left, right = st.columns(2, vertical_alignment="bottom")
    parameter = left.segmented_control("Parameter", list(PARAMETERS), default="dx", required=True, key="side_parameter",
                                  format_func=lambda name: PARAMETERS[name].label) or "dx"
    titles = perturbation_curve.curve_metrics()
    metric = right.segmented_control("Metric", list(titles), default="psnr", required=True, key="side_metric",
                                     format_func=titles.__getitem__) or "psnr"
    xs, lines = perturbation_curve.along(view.request(variants), what._replace(removed=0), parameter)
    figure = perturbation_curve.draw(xs, lines, parameter, getattr(what, parameter), metric)
    st.plotly_chart(figure, key="side_curve", config={"displaylogo": False})
    st.caption(f"One picture, one channel draw, seed {view.seed}. Dashed: the paste control.")
