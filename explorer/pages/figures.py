"""The Figures page: the paper's Figures 4, 5 and 6 from the committed measurements, and the verdict on each claim."""

from __future__ import annotations

from typing import Any, NamedTuple

import streamlit as st

from explorer.ui import claims_table
from explorer.ui.figure_points import choose, picked
from explorer.ui.layout import header
from wzroi.metrics import METRICS
from zoo.results import figures, files
from zoo.results.figures import Series
from zoo.results.plots import plot
from zoo.results.tables import PAPER_RATES, TABLE_SNRS, Tier


class Kind(NamedTuple):
    """One of the paper's figures: its title, what its panels show, and whether x is the bandwidth ratio."""

    title: str
    metrics: tuple[str, ...]
    rates: bool = False


FIGURES = {
    "fig4": Kind("Fig. 4 · reconstruction", ("psnr", "ssim")),
    "fig5": Kind("Fig. 5 · task, over SNR", ("accuracy", "psnr")),
    "fig5cd": Kind("Fig. 5 · task, over bandwidth", ("accuracy", "psnr"), rates=True),
    "fig6": Kind("Fig. 6 · ablations", ("accuracy", "psnr")),
}
BESIDE = {
    "controls": "Controls", "linear": "Linear analog", "capacity": "Codecs at capacity", "link": "Codecs over 5G LDPC",
    "bounds": "Gaussian bounds",
}
EMPTY = (
    "Not yet measured: `assets/results` has no results of trained networks. `python -m training evaluate NAME` "
    "writes them."
)


class Choice(NamedTuple):
    """The values of the controls: a figure, 1/rho or an SNR in dB, what the networks are compared with, and the tier.

    ``oracle``: Figure 6 shows the network trained on the true class's map.
    """

    figure: str
    setting: float
    beside: tuple[str, ...]
    tier: Tier
    oracle: bool = False

    @property
    def kind(self) -> Kind:
        return FIGURES[self.figure]

    @property
    def stage(self) -> str:
        return "rec" if self.figure == "fig4" else "task"


def render() -> None:
    """Draw the page."""
    header("Figures", "The paper's figures, drawn from this project's own measurements on the CIFAR-10 test set.")
    tiers = files.tiers()
    if not tiers:
        st.info(EMPTY, icon=":material/hourglass_empty:")
    asked = st.query_params.get("figure", "")
    chosen = st.segmented_control(
        "Figure", list(FIGURES), default=asked if asked in FIGURES else "fig4", key="figure", required=True,
        format_func=lambda name: FIGURES[name].title, label_visibility="collapsed",
    )
    st.query_params["figure"] = chosen or "fig4"
    choice = _controls(chosen or "fig4", tiers)
    _panels(choice, _metrics(choice))
    claims_table.render(choice.tier)


def _controls(chosen: str, tiers: list[Tier]) -> Choice:
    """The row of controls above the panels."""
    tier: Tier = tiers[0] if tiers else "lite"
    with st.container(horizontal=True, gap="large"):
        setting = _setting(chosen)
        if len(tiers) > 1:
            tier = st.segmented_control("Tier", tiers, default=tier, key="tier", required=True) or tier
    if chosen == "fig6":
        return Choice(chosen, setting, (), tier, _oracle(int(setting), tier))
    beside = st.pills("Compare with", list(BESIDE), selection_mode="multi", default=["controls"],
                      format_func=BESIDE.__getitem__, key="beside")
    return Choice(chosen, setting, tuple(beside), tier)


def _oracle(rate: int, tier: Tier) -> bool:
    """Which network the ablations show, if both were measured."""
    name = files.name_of("deepjscc_wz_roi", "task", rate, tier, oracle=True)
    if files.results(name) is None:
        return False
    own, other = "the receiver's own ROI map", "the true class's (as published)"
    return st.segmented_control("WZ-ROI trained on", [own, other], default=own, key="fig6-map", required=True) == other


def _setting(chosen: str) -> float:
    if FIGURES[chosen].rates:
        found = st.segmented_control("SNR", TABLE_SNRS, default=5.0, format_func=lambda snr: f"{snr:g} dB",
                                     key="figure-snr", required=True)
        return 5.0 if found is None else float(found)
    rate = st.segmented_control("Bandwidth ratio ρ", PAPER_RATES, default=32, format_func=lambda rate: f"1/{rate}",
                                key="figure-rate", required=True)
    return float(rate or 32)


def _metrics(choice: Choice) -> list[str]:
    """The metrics to draw; with bounds, PSNR is computed from the mean squared error, which they bound."""
    chosen = st.pills("Panels", list(METRICS), selection_mode="multi", default=list(choice.kind.metrics),
                      format_func=lambda key: METRICS[key].title, key=f"metrics-{choice.figure}")
    swap = {"psnr": "psnr_of_mean_mse"} if "bounds" in choice.beside else {}
    return list(dict.fromkeys(swap.get(metric, metric) for metric in chosen))


def series_of(choice: Choice, metric: str) -> list[Series]:
    """The lines of one panel."""
    if choice.figure == "fig6":
        return figures.ablation(metric, int(choice.setting), choice.tier, oracle=choice.oracle)
    drawn = _along_rate(choice, metric) if choice.kind.rates else _along_snr(choice, metric)
    xs = [point.x for one in drawn for point in one.points]
    levels = "controls" in choice.beside and metric == "accuracy"
    return drawn + (figures.judge_levels(xs, choice.tier) if levels else [])


def _along_snr(choice: Choice, metric: str) -> list[Series]:
    rate, tier = int(choice.setting), choice.tier
    drawn = figures.over_snr(metric, rate, choice.stage, tier)
    if "controls" in choice.beside:
        drawn += figures.paste_over_snr(metric, rate, choice.stage, tier)
    for group in figures.REFERENCES:
        drawn += figures.baselines_over_snr(group, metric, rate, tier) if group in choice.beside else []
    bounded = "bounds" in choice.beside and metric == "psnr_of_mean_mse"
    return drawn + (figures.bounds_over_snr(rate) if bounded else [])


def _along_rate(choice: Choice, metric: str) -> list[Series]:
    snr_db, tier = choice.setting, choice.tier
    drawn = figures.over_rate(metric, snr_db, choice.stage, tier)
    if "controls" in choice.beside:
        drawn += figures.paste_over_rate(metric, snr_db, choice.stage, tier)
    for group in figures.REFERENCES:
        drawn += figures.baselines_over_rate(group, metric, snr_db, tier) if group in choice.beside else []
    bounded = "bounds" in choice.beside and metric == "psnr_of_mean_mse"
    return drawn + (figures.bounds_over_rate(snr_db) if bounded else [])


def _panels(choice: Choice, metrics: list[str]) -> None:
    drawn = {metric: found for metric in metrics if (found := series_of(choice, metric))}
    if not drawn:
        st.info("Not yet measured: there are no committed results for this choice.", icon=":material/hourglass_empty:")
        return
    names = list(drawn)
    for start in range(0, len(names), 2):
        for column, metric in zip(st.columns(2), names[start : start + 2], strict=False):
            with column:
                _panel(choice, metric, drawn[metric])
    choose([one for found in drawn.values() for one in found], choice.tier)
    st.caption(_note(choice, set(drawn)))


def _panel(choice: Choice, metric: str, series: list[Series]) -> None:
    rates = choice.kind.rates
    key = f"plot-{choice.figure}-{metric}"
    text = figures.to_csv(series, metric, "rho" if rates else "snr_db")
    name = f"{choice.figure}-{metric}.csv"
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.markdown(f"**{METRICS[metric].title}**", width="content")
        st.download_button("CSV", text, name, "text/csv", icon=":material/download:", key=f"csv-{metric}")

    def clicked() -> None:
        picked(_points(st.session_state.get(key)))

    st.plotly_chart(plot(series, metric, rates=rates), key=key, on_select=clicked, selection_mode="points",
                    config={"displayModeBar": False})


def _points(event: Any) -> list[list[Any]]:
    """The operating points attached to the clicked points."""
    points = event.get("selection", {}).get("points", []) if event else []
    return [found for point in points if (found := point.get("customdata"))]


def _note(choice: Choice, metrics: set[str]) -> str:
    found = (
        "AWGN. Error bars are 95 % intervals over the test images. Click a point, or choose one in the list, to open "
    )
    found += "it in the explorer; click a name in a legend to hide its line. "
    if "bounds" in choice.beside:
        found += "Bounds are for a Gaussian source with the training images' covariance and for the mean squared "
        found += "error, so PSNR is computed from the mean squared error. Real pictures are not Gaussian. "
    if "accuracy" in metrics and {"linear", "capacity", "link"} & set(choice.beside):
        found += "A baseline's accuracy is shown if this tier's judge has classified it. "
    return found
