"""What the README itself shows: networks and baselines at 5 dB, and the flexible networks over rates."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from training.reports.markdown import Table
from training.reports.networks import TIER_TITLES, flexible, kinds, shown
from wzroi.names import ModelName
from zoo.results import files as data
from zoo.results.files import Value
from zoo.results.tables import BASELINES, BOUNDS, FLEX_CONTROLS, HEADLINE_DB, PAPER_RATES, Tier

COLUMNS = {"psnr": ("PSNR in dB", "rec"), "ssim": ("SSIM", "rec"), "accuracy": ("accuracy in %", "task")}
"""Metric -> its heading, and the stage of training whose network it is read from."""

SCHEMES = ("linear_wz", "link_paste", "link_unsent", "avif_mosaic_paste", "avif_mosaic_unsent")
"""Of ``zoo.results.tables.BASELINES``: those that use the side image, the strongest of each kind."""

BOUND = "conditional"
BRIEF_COLUMNS = ("psnr", "accuracy")
BRIEF_SCHEMES = ("linear_wz", "link_unsent", "avif_mosaic_unsent")
"""What the README shows of the columns and of the baselines."""

NOTE = (
    "PSNR and SSIM are those of the `rec` networks, accuracy that of the `task` networks. The bound is one of the mean "
    "squared error: the PSNR of a network's mean squared error lies below its mean PSNR."
)

Read = Callable[[str, int], Value | None]
"""(metric, 1/rho) -> what was measured at 5 dB."""


def _network(architecture: str, tier: Tier, folder: Path, control: str = "", *, oracle: bool = False) -> Read:
    def read(metric: str, rate: int) -> Value | None:
        name = data.name_of(architecture, COLUMNS[metric][1], rate, tier, oracle=oracle)
        found = data.results(name, folder, rate)
        return found.at(metric, HEADLINE_DB, control) if found else None

    return read


def _scheme(key: str, tier: Tier, folder: Path) -> Read:
    return lambda metric, rate: dict(data.scheme(rate, key, metric, tier, folder)).get(HEADLINE_DB)


def _side_alone(tier: Tier, folder: Path) -> Read:
    return lambda metric, rate: data.judged("side", tier, folder) if metric == "accuracy" else None


def _bound(folder: Path) -> Read:
    def read(metric: str, rate: int) -> Value | None:
        found = dict(data.bounds(rate, BOUND, folder)).get(HEADLINE_DB) if metric == "psnr" else None
        return None if found is None else Value(found, None)

    return read


def _networks(tier: Tier, folder: Path, *, brief: bool) -> Iterator[tuple[str, Read]]:
    """The zoo's architectures; in brief without an oracle's map."""
    for architecture, oracle in kinds():
        if brief and oracle:
            continue
        title = f"`{architecture}`" + ", an oracle's ROI map" * oracle
        yield title, _network(architecture, tier, folder, oracle=oracle)


def _beside(tier: Tier, folder: Path, *, brief: bool) -> Iterator[tuple[str, Read]]:
    """What a network is held against; in brief the strongest alone."""
    for architecture in flexible():
        yield f"control: `{architecture}`, {FLEX_CONTROLS['blind']}", _network(architecture, tier, folder, "blind")
    yield "control: DeepJSCC + paste", _network("deepjscc", tier, folder, "paste")
    yield "control: the side image alone, nothing sent", _side_alone(tier, folder)
    for key in BRIEF_SCHEMES if brief else SCHEMES:
        yield BASELINES[key], _scheme(key, tier, folder)
    if not brief:
        yield f"bound: Gaussian source at capacity, {BOUNDS[BOUND]}", _bound(folder)


def trained_by(tier: Tier, folder: Path) -> dict[str, list[str]]:
    """Recipe -> the networks of the table that it trained, by name; empty where nothing says."""
    trained: dict[str, list[str]] = {}
    for (architecture, oracle), rate, stage in itertools.product(kinds(), PAPER_RATES, ("rec", "task")):
        name = data.name_of(architecture, stage, rate, tier, oracle=oracle)
        if (found := data.results(name, folder, rate)) is not None and (recipe_text := found.recipe):
            trained.setdefault(f"{stage}: {recipe_text}", []).append(name)
    return {recipe_text: list(dict.fromkeys(trained[recipe_text])) for recipe_text in sorted(trained)}


def _rows(lines: Iterator[tuple[str, Read]], columns: Sequence[str]) -> list[list[str]]:
    """One row per line with any measurement."""
    rows = []
    for title, read in lines:
        found = [(metric, read(metric, rate)) for metric in columns for rate in PAPER_RATES]
        if any(value is not None for _, value in found):
            rows.append([title, *("–" if value is None else value.to_text(metric) for metric, value in found)])
    return rows


def overview_tables(tier: Tier, folder: Path, *, brief: bool = False) -> list[Table]:
    """The networks at 5 dB and both of the paper's rates, with what stands beside them; ``brief``: as the README."""
    columns = BRIEF_COLUMNS if brief else tuple(COLUMNS)
    rows = _rows(_networks(tier, folder, brief=brief), columns)
    headings = ["Network", *(f"{COLUMNS[key][0]}, 1/{rate}" for key in columns for rate in PAPER_RATES)]
    title = f"{TIER_TITLES[tier]}, AWGN at {HEADLINE_DB:g} dB"
    note = _mixed(tier, folder) if brief else " ".join(filter(None, [NOTE, _recipes(tier, folder)]))
    return [Table(title, headings, rows + _rows(_beside(tier, folder, brief=brief), columns), note)] if rows else []


def _recipes(tier: Tier, folder: Path) -> str:
    parts = [
        f"{recipe_text} ({', '.join(f'`{name}`' for name in names)})"
        for recipe_text, names in trained_by(tier, folder).items()
    ]
    return f"Trained by: {'; '.join(parts)}." if parts else ""


def _mixed(tier: Tier, folder: Path) -> str:
    """Which of the paper's architectures in one column were trained by different recipes; empty where all are alike."""
    stages: dict[str, list[str]] = {}
    for recipe_text, names in trained_by(tier, folder).items():
        stage, told = recipe_text.split(": ")
        own = [name for name in map(ModelName.parse, names) if not name.flexible and not name.oracle]
        if own:
            architectures = dict.fromkeys(f"`{name.architecture}`" for name in own)
            stages.setdefault(stage, []).append(f"{told} ({', '.join(architectures)})")
    parts = [f"`{stage}`: {'; '.join(told)}" for stage, told in stages.items() if len(told) > 1]
    return f"Trained by different recipes, so not to be compared yet: {'. '.join(parts)}." if parts else ""


def rates_tables(tier: Tier, folder: Path) -> list[Table]:
    """The flexible ``rec`` networks' PSNR at 5 dB over the bandwidth ratio."""
    names = [data.name_of(architecture, "rec", PAPER_RATES[0], tier) for architecture in flexible()]
    known = {name: found for name in names if (found := data.results(name, folder)) is not None}
    rates = sorted({rate for found in known.values() for rate in found.rates}, reverse=True)
    rows = [[f"`{name}`", *(shown(found.at_rate(rate), "psnr", HEADLINE_DB) for rate in rates)]
            for name, found in known.items()]
    title = f"One network for every rate: PSNR in dB over the bandwidth ratio, AWGN at {HEADLINE_DB:g} dB"
    return [Table(title, ["Network", *(f"1/{rate}" for rate in rates)], rows)] if rows else []
