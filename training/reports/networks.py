"""The tables of networks: what each reaches, what beats it, what it costs, and the baselines beside it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

from training.reports.markdown import Table
from wzroi.architectures import ARCHITECTURES
from wzroi.metrics import METRICS
from wzroi.names import ModelName
from zoo.results import claims
from zoo.results import files as data
from zoo.results.files import Results
from zoo.results.tables import (
    BASELINES,
    BOUNDS,
    FLEX_CONTROLS,
    HEADLINE_DB,
    PAPER_RATES,
    TABLE_SNRS,
    Tier,
    added_metrics,
    roi_titles,
)

TIER_TITLES = {"paper": "Paper size", "lite": "Lite tier"}
NO_COSTS = ["–"] * 6
PLACED = ("deepjscc_wz", "deepjscc_wz_roi")
"""Architectures that are also trained with the side image where it belongs, as a control."""

FLEX_SNRS = (-5.0, 0.0, 5.0, 9.0, 15.0, 20.0)
"""Where the table over rate is read."""


def shown(found: Results, metric: str, snr_db: float, control: str = "") -> str:
    value = found.at(metric, snr_db, control)
    return "–" if value is None else value.to_text(metric)


def kinds() -> list[tuple[str, bool]]:
    """Architecture, and whether its ROI is an oracle's, in the order of the tables."""
    rows = [(name, row, oracle) for name, row in ARCHITECTURES.items() for oracle in (False, True)]
    return [(name, oracle) for name, row, oracle in rows if row.rated or not oracle]


def flexible() -> list[str]:
    """The architectures of one network for every rate."""
    return [name for name, row in ARCHITECTURES.items() if not row.rated]


Read = Callable[[str, float], str]
"""(metric, SNR) -> the cell of a table."""


def _cells(title: str, read: Read) -> list[str]:
    """A line of the networks' table, costs left out."""
    psnr = [read("psnr", snr_db) for snr_db in TABLE_SNRS]
    accuracy = [read("accuracy", snr_db) for snr_db in TABLE_SNRS]
    others = [read(metric, HEADLINE_DB) for metric in ("psnr_of_mean_mse", "ssim", *added_metrics())]
    return [title, *psnr, *others, *accuracy]


def _row(found: Results, title: str, control: str = "") -> list[str]:
    return _cells(title, lambda metric, snr_db: shown(found, metric, snr_db, control))


def costs(folder: Path) -> dict[tuple[str, str, int], list[str]]:
    """(tier, architecture, 1/rho) -> parameters, multiply-adds and milliseconds, from ``bench.json``."""
    sizes = (data.read("bench", folder) or {}).get("sizes", [])
    return {
        (row["tier"], row["architecture"], row["rate"]): [
            f"{row['parameters']:,}", f"{row['multiply_adds'] / 1e6:.1f}", f"{row['link_ms']:.1f}"
        ]
        for row in sizes
    }


def _networks(tier: Tier, rate: int, folder: Path) -> Iterator[list[str]]:
    """A row for each network of a rate with what beats it and what it costs, and DeepJSCC's control ``paste``."""
    known = costs(folder)
    for stage in ("rec", "task"):
        for arch, oracle in kinds():
            name = data.name_of(arch, stage, rate, tier, oracle=oracle)
            if (found := data.results(name, folder, rate)) is not None:
                beaten = [
                    ", ".join(claims.beaten_by(ModelName.parse(name), rate, folder, metric)) or "–"
                    for metric in ("psnr", "accuracy")
                ]
                cells = _row(found, f"`{name}`")
                yield [*cells, found.recipe or "–", *beaten, *known.get((tier, arch, rate), ["–"] * 3)]
                controls = {} if ARCHITECTURES[arch].rated else FLEX_CONTROLS
                shown_controls = [(key, text) for key, text in controls.items() if key in found.controls]
                yield from (
                    [*_row(found, f"control: `{name}`, {text}", key), *NO_COSTS] for key, text in shown_controls
                )
        yield from _placed(tier, stage, rate, folder)
        paste = data.results(data.name_of("deepjscc", stage, rate, tier), folder)
        if paste is not None and "paste" in paste.controls:
            yield [*_row(paste, f"control: DeepJSCC ({stage}) + paste", "paste"), *NO_COSTS]


def _placed(tier: Tier, stage: str, rate: int, folder: Path) -> Iterator[list[str]]:
    """The controls that are given the side image where it belongs."""
    for architecture in PLACED:
        name = data.name_of(architecture, stage, rate, tier, placed=True)
        if (found := data.results(name, folder)) is not None:
            title = f"control: `{name}`, the side image where it belongs"
            yield [*_row(found, title), found.recipe or "–", *NO_COSTS[1:]]


def _baselines(tier: Tier, rate: int, folder: Path) -> Iterator[list[str]]:
    """Baselines that were sent or coded, and Gaussian bounds (of the mean squared error alone)."""
    for name, title in BASELINES.items():

        def read(metric: str, snr_db: float, name: str = name) -> str:
            value = dict(data.scheme(rate, name, metric, tier, folder)).get(snr_db)
            return "–" if value is None else value.to_text(metric)

        if set((cells := _cells(title, read))[1:]) != {"–"}:
            yield [*cells, *NO_COSTS]
    for kind, title in BOUNDS.items():
        value = dict(data.bounds(rate, kind, folder)).get(HEADLINE_DB)
        if value is not None:
            found = {("psnr_of_mean_mse", HEADLINE_DB): f"{value:.2f}"}
            cells = _cells(f"bound: Gaussian source at capacity, {title}", lambda *at, found=found: found.get(at, "–"))
            yield [*cells, *NO_COSTS]


def flex_tables(tier: Tier, folder: Path) -> list[Table]:
    """The flexible networks over rate: a line for each rate that was measured, PSNR over SNR and accuracy at 5 dB."""
    rows = []
    for name in (data.name_of(arch, stage, 16, tier) for arch in flexible() for stage in ("rec", "task")):
        whole = data.results(name, folder)
        for rate in whole.rates if whole else []:
            if (found := data.results(name, folder, rate)) is not None:
                psnr = [shown(found, "psnr", snr_db) for snr_db in FLEX_SNRS]
                rows.append([f"`{name}` at 1/{rate}", *psnr, shown(found, "accuracy", HEADLINE_DB)])
    headings = ["One network for every rate", *(f"PSNR at {snr:g} dB" for snr in FLEX_SNRS), "accuracy at 5 dB, %"]
    title = f"Flexible networks over the bandwidth ratio, {TIER_TITLES[tier].lower()}, AWGN"
    return [Table(title, headings, rows)] if rows else []


def network_tables(tier: Tier, folder: Path) -> list[Table]:
    """One table a rate: PSNR and accuracy at 0, 5 and 9 dB, PSNR of the mean squared error and SSIM at 5 dB, costs."""
    headings = ["Network", *(f"PSNR at {snr:g} dB" for snr in TABLE_SNRS), "PSNR of mean MSE at 5 dB", "SSIM at 5 dB"]
    headings += [f"{METRICS[metric].heading} at 5 dB" for metric in added_metrics()]
    headings += [f"accuracy at {snr:g} dB, %" for snr in TABLE_SNRS]
    headings += ["trained by"]
    headings += ["in PSNR beaten by", "in accuracy beaten by", "parameters", "multiply-adds, M", "ms per image"]
    parts = []
    for rate in PAPER_RATES:
        if rows := list(_networks(tier, rate, folder)):
            rows += _baselines(tier, rate, folder)
            parts.append(Table(f"{TIER_TITLES[tier]}, ρ = 1/{rate}, AWGN", headings, rows))
    return parts


def roi_tables(tier: Tier, folder: Path) -> list[Table]:
    """The WZ-ROI ``task`` networks with other ROI maps than their own."""
    rows = []
    for rate, oracle in itertools.product(PAPER_RATES, (False, True)):
        name = data.name_of("deepjscc_wz_roi", "task", rate, tier, oracle=oracle)
        found = data.results(name, folder)
        if found is None:
            continue
        own = "its own: the oracle's, map of x, true class" if oracle else "side: the receiver's own map"
        controls = {"": own} | {f"roi:{key}": text for key, text in roi_titles().items()}
        rows += [
            [f"`{name}`, {title}", shown(found, "psnr", HEADLINE_DB, control),
             shown(found, "ssim", HEADLINE_DB, control), shown(found, "accuracy", HEADLINE_DB, control)]
            for control, title in controls.items() if not control or control in found.controls
        ]
    headings = ["ROI map at the decoder, 5 dB", "PSNR, dB", "SSIM", "accuracy, %"]
    return [Table(f"ROI maps, {TIER_TITLES[tier].lower()}", headings, rows)] if rows else []
