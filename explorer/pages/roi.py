"""The Region of interest page: maps of every origin or painted by hand, and where they reduce the error."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import streamlit as st

from explorer.compute.engine import BusyError, Request, RequestError, Variant, catalogue, zoo_index
from explorer.compute.roi_comparison import PAINTED, Comparison, compare
from explorer.export import roi
from explorer.ui import tables
from explorer.ui.component import asset, base_path, bench_data, origin_label
from explorer.ui.layout import header, no_networks
from explorer.ui.state import View
from explorer.ui.tables import verdict
from explorer.ui.visit import Visit, arrive, visit
from wzroi import images
from wzroi.metrics import figure_text
from wzroi.roi import ROI_ORIGINS
from zoo.errors import ZooError
from zoo.serving.painted_roi import PREFIX, check

BENCH = st.components.v2.component(
    "wzroi_roi", html=asset("roi.html"), css=asset("bench.css", "help.css", "roi.css"),
    js=asset("live.js", "painter.js", "roi.js"),
)

INTRO = (
    "A WZ-ROI decoder is guided by a map **M** of the region of interest. Compare one network with maps of every "
    "origin and one that you paint. **Blue**: the error is lower than with an empty map (zeros); **orange**: higher."
)
HINT = ("Press and drag, or use the arrow keys and Space; 0 to 3 set a strength. Like the receiver's own map, it "
        "refers to x_side; on x it is drawn where the crop came from.")
PAINTED_LABEL = "painted: by hand, over x_side"
START = "0" * 16 + "00333300" * 4 + "0" * 16
"""The initial painting: the centre."""

HEADINGS = ("ROI map", "PSNR", "vs zeros", "SSIM", "ROI-PSNR", "error in M", "error outside", "Judge says")
FAULTS = (RequestError, BusyError, ZooError, OSError)


class Choice:
    """This page's additions to the visit's view: the network's variant, and the painted grid."""

    def __init__(self, network: str, grid: str) -> None:
        self.network, self.grid = network, grid

    def apply_report(self, report: dict[str, Any], networks: list[Variant]) -> None:
        """Apply what the component reports; invalid values are ignored."""
        if report.get("network") in [one.id for one in networks]:
            self.network = report["network"]
        try:
            self.grid = check(str(report.get("grid", "")))
        except RequestError:
            return


def guided(variants: list[Variant]) -> list[Variant]:
    """The variants that take an ROI map."""
    models = zoo_index().models
    configs = {v.id: [models[name].link for name in v.names.values() if name in models] for v in variants}
    return [v for v in variants if any(c is not None and c.uses_roi for c in configs[v.id])]


def begun(networks: list[Variant]) -> Choice:
    """This visit's choice, initialised from the link it was opened with; adds a notice for every invalid value."""
    if "roi_choice" in st.session_state and st.session_state.roi_choice.network in [one.id for one in networks]:
        return st.session_state.roi_choice
    query, found = st.query_params.to_dict(), []
    network, grid = query.get("network", networks[0].id), query.get("grid", START)
    if network not in [one.id for one in networks]:
        found.append(f"The link has network={network[:40]}; choose one of {', '.join(one.id for one in networks)}.")
        network = networks[0].id
    try:
        check(grid)
    except RequestError as error:
        found.append(f"The link's grid is invalid: {error}.")
        grid = START
    st.session_state.notices = st.session_state.get("notices", []) + found
    st.session_state.roi_choice = Choice(network, grid)
    return st.session_state.roi_choice


def render() -> None:
    """Draw the page."""
    header("Region of interest: what the map does", INTRO)
    variants = catalogue()
    networks = guided(variants)
    if not variants:
        no_networks()
        return
    if not networks:
        st.info("The zoo has no network that uses an ROI map: pull or train a WZ-ROI network.")
        return
    visit(variants)
    begun(networks)  # its notices are drawn with the visit's
    live(arrive(variants), variants, networks)


def label_of(name: str) -> str:
    """The label of an origin, or of the painted map."""
    return PAINTED_LABEL if name == PAINTED else origin_label(name)


def controls() -> list[str]:
    """The origins whose maps say nothing about this picture."""
    return [name for name, row in ROI_ORIGINS.items() if row.cam is None or row.shift]


def labels() -> dict[str, str]:
    """Label of every origin on this page."""
    return {name: label_of(name) for name in (PAINTED, *ROI_ORIGINS)}


def roi_data(choice: Choice, networks: list[Variant]) -> dict[str, Any]:
    """The component's data that only this page needs."""
    return {
        "state": {"network": choice.network, "grid": choice.grid}, "origins": labels(), "hint": HINT,
        "controls": controls(),
        "networks": [one._asdict() | {"names": {str(k): n for k, n in one.names.items()}} for one in networks],
        "change_scale": images.CHANGE_SCALE, "change_colours": list(images.BLUE_ORANGE),
    }


def at_rate(view: View, variant: Variant) -> View:
    """The view at the variant's rate closest to the current one."""
    return replace(view, rate=min(variant.names, key=lambda rate: abs(1 / rate - 1 / view.rate)))


@st.fragment
def live(here: Visit, variants: list[Variant], networks: list[Variant]) -> None:
    """The component, and below it the results for the settled controls."""
    choice = begun(networks)
    network = next(one for one in networks if one.id == choice.network)
    view = at_rate(here.view, network)
    data = bench_data(view, variants, here.version, base_path(), st.session_state.source == "gallery")
    reported = BENCH(key="roi_bench", data=data | {"roi": roi_data(choice, networks)}, on_view_change=lambda: None)
    if reported.view:
        here.apply_report(reported.view, variants)
        choice.apply_report(reported.view, networks)
    network = next(one for one in networks if one.id == choice.network)
    view = at_rate(here.view, network)
    query = view.to_query() | {"network": choice.network, "grid": choice.grid}
    for name in ("variants", "roi", "overlay", "errors"):
        del query[name]
    if query != st.query_params.to_dict():
        st.query_params.from_dict(query)
    settled(view, network.names[view.rate], choice.grid)


def settled(view: View, model: str, grid: str) -> None:
    """The table of all numbers, and the exports."""
    try:
        done = compare(Request(view.pair, (model,), view.snr, view.channel, PREFIX + grid, view.seed, view.rate))
    except FAULTS as error:
        st.caption(str(error))
        return
    caption = f"{done.entry.title}, {done.found[0].result.title}, {view.snr:g} dB, seed {view.seed}"
    tables.draw(caption, HEADINGS, rows_of(done), words=(7,))
    st.caption("Error in M: squared error weighted by M (moved onto x), relative to that of the zeros map; outside: "
               "weighted by 1 - M; – where zeros leaves no error, as in a known crop. The oracles `source` and "
               "`source+label` use x, which no receiver has.")
    roi.draw(done)


def rows_of(done: Comparison) -> list[tuple[str, ...]]:
    """One row per origin."""

    def part(value: float | None) -> str:
        return "–" if value is None else f"{100 * value:+.1f} %"

    rows: list[tuple[str, ...]] = []
    for name, _, _, result, change in done.found:
        weighted = "–" if result.roi_psnr is None else f"{result.roi_psnr:.2f} dB"
        rows.append((label_of(name), f"{result.psnr:.2f} dB", f"{change.psnr:+.2f} dB", figure_text(result.ssim, 3),
                     weighted, part(change.inside), part(change.outside), verdict(result)))
    return rows
