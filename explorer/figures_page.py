"""The Figures page: the paper's Figures 4, 5 and 6 from the committed measurements, and the verdict on each claim."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import streamlit as st

from explorer.layout import header
from wzroi.config import ModelName
from zoo import figures, results
from zoo.figures import Series
from zoo.results import TABLE_SNRS, Tier

FIGURES = {
    "fig4": "Fig. 4 · reconstruction over SNR",
    "fig5": "Fig. 5 · task networks over SNR",
    "fig5cd": "Fig. 5 · over bandwidth ratio",
    "fig6": "Fig. 6 · ablations",
}
METRIC_TITLES = {
    "psnr": "PSNR", "psnr_of_mean_mse": "PSNR of mean MSE", "ssim": "SSIM", "roi_psnr": "ROI-PSNR",
    "accuracy": "Accuracy",
}
DEFAULT_METRIC = {"fig4": "psnr", "fig5": "accuracy", "fig5cd": "accuracy", "fig6": "accuracy"}
MARKS = {
    "holds": "✅", "does not hold": "❌", "only with the oracle": "🔮", "holds in part": "🌗", "undecided": "➖",
    "not yet measured": "⏳",
}
EMPTY = (
    "Not yet measured: `assets/results` holds no results of trained networks. `python -m training evaluate NAME` "
    "writes them."
)


def page() -> None:
    """Draw the page."""
    header("Figures", "The paper's figures, drawn from this project's own measurements on the CIFAR-10 test set.")
    tiers = results.tiers()
    if not tiers:
        st.info(EMPTY, icon=":material/hourglass_empty:")
    tier: Tier = tiers[0] if tiers else "lite"
    if len(tiers) > 1:
        tier = st.segmented_control("Tier", tiers, default=tiers[0], key="tier", required=True) or tiers[0]
    chosen = st.segmented_control(
        "Figure", list(FIGURES), default="fig4", format_func=FIGURES.get, key="figure", required=True,
        label_visibility="collapsed",
    )
    _figure(chosen or "fig4", tier)
    _verdicts(tier)


def _figure(chosen: str, tier: Tier) -> None:
    left, middle, right = st.columns([3, 2, 2])
    with left:
        metrics = list(METRIC_TITLES)
        metric = st.selectbox(
            "Metric", metrics, index=metrics.index(DEFAULT_METRIC[chosen]), format_func=METRIC_TITLES.get,
            key=f"metric-{chosen}",
        )
    over_rate = chosen == "fig5cd"
    with middle:
        setting = _setting(chosen, over_rate)
    with right:
        controls = st.toggle("Controls", value=True, key="controls", disabled=chosen == "fig6")
        bounds = st.toggle("Bounds and baselines", key="bounds", disabled=over_rate)
    series = _series(chosen, metric, setting, tier, controls and chosen != "fig6", bounds and not over_rate)
    if not series:
        st.info("Not yet measured: there are no committed results for this figure.", icon=":material/hourglass_empty:")
        return
    _draw(series, metric, chosen, over_rate)


def _setting(chosen: str, over_rate: bool) -> float:
    if over_rate:
        return st.selectbox("SNR", TABLE_SNRS, index=1, format_func=lambda snr: f"{snr:g} dB", key="figure-snr")
    rates = results.PAPER_RATES
    return st.selectbox("Bandwidth ratio", rates, format_func=lambda rate: f"1/{rate}", key=f"rate-{chosen}")


def _series(chosen: str, metric: str, setting: float, tier: Tier, controls: bool, bounds: bool) -> list[Series]:
    if chosen == "fig5cd":
        series = figures.over_rate(metric, setting, "task", tier)
        xs = [point.x for one in series for point in one.points]
        return series + (figures.judge_levels(xs, tier) if controls and metric == "accuracy" else [])
    rate = int(setting)
    if chosen == "fig6":
        series = figures.ablation(metric, rate, tier)
    else:
        stage = "rec" if chosen == "fig4" else "task"
        series = figures.over_snr(metric, rate, stage, tier)
        if controls and series:
            xs = [point.x for one in series for point in one.points]
            series = series + figures.paste_over_snr(metric, rate, stage, tier)
            series += figures.judge_levels(xs, tier) if metric == "accuracy" else []
    return series + (figures.bounds_over_snr(metric, rate) if bounds else [])


def _draw(series: list[Series], metric: str, chosen: str, over_rate: bool) -> None:
    figure = figures.plot(series, metric, rates=over_rate)
    event = st.plotly_chart(figure, key=f"plot-{chosen}", on_select="rerun", selection_mode="points")
    x_name = "rho" if over_rate else "snr_db"
    left, right = st.columns([3, 1])
    with left:
        _link(event)
    right.download_button(
        "CSV", figures.to_csv(series, metric, x_name), f"{chosen}-{metric}.csv", "text/csv", icon=":material/download:",
    )
    note = "AWGN. Error bars are 95 % intervals over the test images. "
    if metric != "psnr_of_mean_mse":
        note += "The Gaussian bounds bound the mean squared error: they are drawn with “PSNR of mean MSE”. "
    st.caption(note + "Choose a point to open the explorer at its setting.")


def address(model: str, snr_db: float) -> str:
    """The Compare page at a network's rate and an SNR."""
    name = ModelName.parse(model)
    variant = f"{name.architecture}.{name.stage}" + "_oracle" * name.oracle + "_lite" * name.lite
    origin = "source+label" if name.oracle else "side"
    query = {"variants": variant, "rate": name.rate, "snr": f"{snr_db:g}", "roi": origin}
    return f"./?{urlencode(query)}"  # the default page lies at the root


def _link(event: Any) -> None:
    points = event.get("selection", {}).get("points", []) if event else []
    chosen = [point.get("customdata") for point in points if point.get("customdata")]
    if chosen and chosen[0][0]:
        model, snr_db = chosen[0][0], float(chosen[0][1])
        title = ModelName.parse(model).title
        st.markdown(f"[Open the explorer: {title} at {snr_db:g} dB]({address(model, snr_db)})")


def _verdicts(tier: Tier) -> None:
    st.subheader("What the paper claims, and what these measurements say", anchor=False)
    rows = [
        {
            "": MARKS[found.verdict], "Where": found.claim.figure, "Claim": found.claim.text,
            "Verdict": found.verdict, "Difference at 5 dB, 95 % interval": found.show(),
        }
        for found in results.findings(tier)
    ]
    st.dataframe(rows, hide_index=True, key="verdicts")
    st.caption(
        "Verdicts are computed: a claim holds where the interval of the difference lies on its side of zero at every "
        "rate; “about equal” claims name their tolerance. Differences are taken image by image."
    )
