"""The Side information page: the side image moved, worn, swapped or removed, and what each variant makes of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import streamlit as st

from explorer.compute import perturbation, perturbation_curve
from explorer.compute.engine import ENGINE, AskError, BusyError, Card, Frame, Variant, catalogue
from explorer.compute.pair_sources import gallery
from explorer.compute.perturbation import KNOBS, OTHER_TIP, REMOVED_TIP, REST, Disturbance
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
    "The networks were trained with one kind of side image: the crop at its place, sharp and clean. Disturb it, "
    "and see which of them lean on it. **Paste** copies the same pixels to where the crop should belong, and learns "
    "nothing."
)
PRESETS = [
    {"name": "Undisturbed", "values": {}},
    {"name": "Where it belongs in x", "values": {"dx": 12, "dy": 12}},
]
HEADINGS = ("Variant", "PSNR undisturbed", "PSNR now", "change", "SSIM undisturbed", "SSIM now", "Judge, undisturbed",
            "Judge, now")
FAULTS = (AskError, BusyError, ZooError, OSError)


def crop_data(what: Disturbance) -> dict[str, Any]:
    """The controls of the side image, as the component draws them."""
    knobs = [{"key": key, **knob._asdict()} for key, knob in KNOBS.items()]
    others = {"": "no: x's own crop"} | {name: item.title for name, item in gallery().items()}
    return {"knobs": knobs, "others": others, "presets": PRESETS, "rest": REST._asdict(), "state": what._asdict(),
            "tips": {"other": OTHER_TIP, "removed": REMOVED_TIP}}


def present() -> Disturbance:
    """This visit's disturbance, begun from the link it was opened with."""
    if "disturbance" not in st.session_state:
        found, notices = perturbation.read_query(st.query_params.to_dict())
        st.session_state.disturbance = found
        st.session_state.notices = st.session_state.get("notices", []) + notices
    return st.session_state.disturbance


def page() -> None:
    """Draw the page."""
    header("Side information: what if it is not what was trained?", INTRO)
    variants = catalogue()
    if not variants:
        no_networks()
        return
    visit(variants)
    present()  # its notices are drawn with the visit's
    live(arrive(variants), variants)


@st.fragment
def live(here: Visit, variants: list[Variant]) -> None:
    """The component, and below it what has settled."""
    what = present()
    showing = st.session_state.source == "gallery"
    data = bench_data(here.view, variants, here.version, base_path(), showing, crop_data(what))
    told = BENCH(key="side_bench", data=data, on_view_change=lambda: None)
    if told.view:
        here.adopt(told.view, variants)
        what = st.session_state.disturbance = perturbation.read_report(told.view, what)
    query = here.view.to_query() | perturbation.to_query(what)
    if query != st.query_params.to_dict():
        st.query_params.from_dict(query)
    try:
        compare(here.view, variants, what)
        curve(here.view, variants, what)
    except FAULTS as error:
        st.caption(str(error))
    take_away(replace(here.view, pair=what.on(here.view.pair)), variants)


def cards_of(frame: Frame) -> list[Card]:
    """The variants, then paste."""
    return [*frame.cards, *([frame.paste] if frame.paste else [])]


def rows_of(rest: Frame, now: Frame) -> list[tuple[str, ...]]:
    """A row a variant: the same symbols over the same channel, with the side image as trained and as it is now."""
    return [
        (new.title, f"{old.psnr:.2f} dB", f"{new.psnr:.2f} dB", f"{new.psnr - old.psnr:+.2f} dB",
         figure_text(old.ssim, 3), figure_text(new.ssim, 3), verdict(old), verdict(new))
        for old, new in zip(cards_of(rest), cards_of(now), strict=True)
    ]


def compare(view: View, variants: list[Variant], what: Disturbance) -> None:
    """The table of what the disturbance costs."""
    ask = view.ask(variants)
    if not ask.models:
        return
    rest, now = ENGINE.frame(ask), ENGINE.frame(ask._replace(pair=what.on(ask.pair)))
    caption = f"{rest.scene.title}, {view.snr:g} dB, seed {view.seed}. The side image: {what.words()}."
    tables.draw(caption, HEADINGS, rows_of(rest, now), words=(6, 7))


def curve(view: View, variants: list[Variant], what: Disturbance) -> None:
    """PSNR or SSIM along one control, where it is asked for."""
    if not st.toggle("Curves along one control", key="side_curves", help="Each variant and paste (eq. 4), at the other "
                     "controls' present values."):
        return
    left, right = st.columns(2, vertical_alignment="bottom")
    knob = left.segmented_control("Control", list(KNOBS), default="dx", required=True, key="side_knob",
                                  format_func=lambda name: KNOBS[name].label) or "dx"
    metric = right.segmented_control("Metric", list(perturbation_curve.METRICS), default="psnr", required=True,
                                     key="side_metric", format_func=perturbation_curve.METRICS.get) or "psnr"
    xs, lines = perturbation_curve.along(view.ask(variants), what._replace(removed=0), knob)
    figure = perturbation_curve.draw(xs, lines, knob, getattr(what, knob), metric)
    st.plotly_chart(figure, key="side_curve", config={"displaylogo": False})
    st.caption(f"One picture, one draw of the channel, seed {view.seed}. Dashed: the paste control.")
