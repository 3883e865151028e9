"""The Sweep page: live curves of the current picture over SNR and rate, drawn over the stored test-set curves."""

from __future__ import annotations

import streamlit as st

from explorer.compute.engine import SNR_RANGE, Variant, catalogue
from explorer.compute.pair_sources import find_entry
from explorer.compute.sweep import Plan, Sweep, rate_steps, snr_steps, to_csv
from explorer.ui import sweep_plot
from explorer.ui.component import TIPS, channel_titles, origin_label
from explorer.ui.layout import header, no_networks, present_view
from explorer.ui.state import View
from wzroi.channel import channel_title
from wzroi.metrics import METRICS
from zoo.rates import rho_text
from zoo.serving.gallery import PairEntry

AXES = {"snr": "Over SNR", "rate": "Over bandwidth ratio"}
DRAWS = (1, 4, 16, 64)
STEPS_DB = (5.0, 2.5, 1.0)
MOST = 8
"""Networks in one sweep."""

LARGE = 64 * 64
"""Pixels above which a sweep waits for the button, because it may take long."""

INTRO = ("The picture of the Compare page, sent many times: **thick** lines are the mean over the draws for this "
         "picture, **dotted** lines the mean over the CIFAR-10 test set. They show how far a single picture can be "
         "from the average.")


def snrs(step: float) -> list[float]:
    """SNRs from one end of the range to the other."""
    low, high = SNR_RANGE
    return [low + step * place for place in range(round((high - low) / step) + 1)]


def plan_of(view: View, chosen: list[Variant], axis: str, channel: str, draws: int, step: float) -> Plan:
    """The plan for the controls; it has no steps if no chosen network has the rate."""
    if axis == "snr":
        steps = snr_steps([v.names[view.rate] for v in chosen if view.rate in v.names], snrs(step), view.rate)
    else:
        steps = rate_steps([v.names for v in chosen], view.snr)
    return Plan(view.pair, axis, steps, channel, view.roi, view.seed, draws)


def render() -> None:
    """Draw the page."""
    header("Sweep: this picture over SNR and over rate", INTRO)
    variants = catalogue()
    if not variants:
        no_networks()
        return
    view = present_view(variants)
    entry = find_entry(view.pair)
    plan = controls(view, variants)
    if not plan.steps:
        st.info(f"Choose at least one network; none of the chosen ones is available at ρ = {rho_text(view.rate)}.")
        return
    metric = (
        st.segmented_control(
            "Metric",
            list(METRICS),
            default="psnr",
            format_func=lambda key: METRICS[key].title,
            required=True,
            key="sweep_metric",
            label_visibility="collapsed",
        )
        or "psnr"
    )
    sweep = sweep_of(plan, entry)
    if sweep and sweep.running:
        watch(metric)
    else:
        finished(sweep, plan, metric)


def controls(view: View, variants: list[Variant]) -> Plan:
    """The widgets; everything else is taken from the Compare page."""
    left, right = st.columns([2, 3], vertical_alignment="bottom")
    axis = left.segmented_control("Axis", list(AXES), default="snr", format_func=AXES.__getitem__, required=True,
                                  key="sweep_axis", help=f"{TIPS['snr']} {TIPS['rate']}") or "snr"
    ids = [variant.id for variant in variants]
    names = {variant.id: variant.title for variant in variants}
    chosen = right.pills("Networks", ids, selection_mode="multi", default=[i for i in ids if i in view.variants],
                         key="sweep_networks", format_func=lambda name: names.get(name, name), wrap=True,
                         help=TIPS["variants"])
    columns = st.columns(3, vertical_alignment="bottom")
    kinds = channel_titles(view.channel)
    channel = columns[0].selectbox("Channel", list(kinds), list(kinds).index(view.channel), key="sweep_channel",
                                   format_func=channel_title, help=TIPS["channel"])
    draws = columns[1].select_slider("Channel draws per point", DRAWS, 4, key="sweep_draws", help=TIPS["draws"])
    step = columns[2].select_slider("Step, dB", STEPS_DB, 2.5, key="sweep_step", disabled=axis == "rate",
                                    help="Distance between the computed SNRs (noise power of eq. 3).")
    return plan_of(view, [v for v in variants if v.id in chosen][:MOST], axis, channel, draws, step)


def sweep_of(plan: Plan, entry: PairEntry) -> Sweep | None:
    """The visit's sweep of this plan, started if there is none; ``None`` for a large picture before the button."""
    present: Sweep | None = st.session_state.get("sweep")
    if present and present.plan == plan:
        return present
    if present:
        present.cancel()
    height, width = entry.size
    if height * width > LARGE and st.session_state.get("sweep_asked") != plan:
        return None
    return begin(plan)


def begin(plan: Plan) -> Sweep:
    """Start a sweep, which ends with the visit."""
    sweep = Sweep(plan).start()
    st.session_state.sweep = sweep
    return sweep


def again(plan: Plan) -> None:
    """The button: compute, or compute again."""
    st.session_state.pop("sweep", None)
    st.session_state.sweep_asked = plan


@st.fragment(run_every=0.4)
def watch(metric: str) -> None:
    """Progress, the cancel button, and the curves so far."""
    sweep: Sweep = st.session_state.sweep
    if not sweep.running:
        st.rerun()
    share = sweep.watch()
    left, right = st.columns([5, 1], vertical_alignment="center")
    left.progress(share, f"{sweep.done} of {len(sweep.plan.steps)} points")
    right.button("Cancel", icon=":material/cancel:", on_click=sweep.cancel, key="sweep_cancel")
    render_curves(sweep, metric)


def finished(sweep: Sweep | None, plan: Plan, metric: str) -> None:
    """The curves of a finished sweep, and the button for another."""
    left, right = st.columns([5, 1], vertical_alignment="center")
    if sweep is None:
        left.info(f"{len(plan.steps)} points of {plan.draws} draws each on a large picture: this may take a while.")
        right.button("Compute", type="primary", on_click=again, args=(plan,), key="sweep_start")
        return
    if sweep.message:
        left.error(sweep.message)
    elif sweep.cancelled:
        left.warning(f"Stopped after {sweep.done} of {len(plan.steps)} points.", icon=":material/cancel:")
    else:
        left.caption(f"{sweep.done} points of {plan.draws} draws in {sweep.seconds:.1f} s.")
    right.button("Compute again", on_click=again, args=(plan,), key="sweep_again")
    render_curves(sweep, metric)
    if sweep.points:
        st.download_button("Live points as CSV", to_csv(sweep), "wzroi-sweep.csv", "text/csv",
                           icon=":material/download:")


def render_curves(sweep: Sweep, metric: str) -> None:
    """The figure and its caption."""
    plan = sweep.plan
    curves, limits = sweep_plot.committed(plan, metric), sweep_plot.bounds(plan, metric)
    figure = sweep_plot.draw(sweep, metric, curves + limits)
    st.plotly_chart(figure, key="sweep_live", config={"displaylogo": False})
    st.caption(note(plan, metric, bool(curves), bool(limits)))
    if metric == "accuracy" and find_entry(plan.pair).label is None:
        st.caption("This picture's true class is not known, so it has no accuracy.")


def note(plan: Plan, metric: str, curves: bool, limits: bool) -> str:
    """The caption: what the figure shows, at which setting, and what is missing."""
    where = "" if plan.axis == "snr" else f" at {plan.steps[0].snr_db:g} dB"
    parts = [f"{find_entry(plan.pair).title}{where}, {channel_title(plan.channel)}, ROI {origin_label(plan.roi)}, "
             f"seed {plan.seed}, {plan.draws} draws per point" + ("; bars are ± one standard deviation over the draws."
                                                               if metric == "psnr" and plan.draws > 1 else ".")]
    parts.append("Test-set curves: 10,000 images, AWGN, 95 % bars." if curves else
                 "There are no test-set curves for these networks at this setting.")
    if plan.channel != "awgn" and curves:
        parts.append("They are for another channel than the live curves.")
    if limits:
        parts.append("Bounds and baselines are for the test set at channel capacity; see the About page.")
    elif metric != "psnr_of_mean_mse":
        parts.append("Gaussian bounds apply to the mean squared error: choose “PSNR of mean MSE” to see them.")
    return " ".join(parts)


