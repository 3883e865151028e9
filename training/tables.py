"""The README's tables, generated from ``assets/results`` between two markers: no number in them is typed by hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from training.loop import write_atomically
from wzroi.config import ARCHITECTURES, TITLES, ModelName
from zoo import results as data
from zoo.results import HEADLINE_DB, PAPER_RATES, RESULTS, TABLE_SNRS, Results, Tier

BEGIN, END = "<!-- results:begin -->", "<!-- results:end -->"
README = Path(__file__).resolve().parent.parent / "README.md"
TIER_TITLES = {"paper": "Paper size", "lite": "Lite tier"}


def _table(headings: list[str], rows: list[list[str]]) -> str:
    """Markdown; the first column is text, the others numbers."""
    rule = ["---", *["---:"] * (len(headings) - 1)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [headings, rule, *rows])


def _shown(found: Results, metric: str, snr_db: float, control: str = "") -> str:
    value = found.at(metric, snr_db, control)
    return "–" if value is None else value.show(metric)


def _row(found: Results, title: str, control: str = "") -> list[str]:
    psnr = [_shown(found, "psnr", snr_db, control) for snr_db in TABLE_SNRS]
    accuracy = [_shown(found, "accuracy", snr_db, control) for snr_db in TABLE_SNRS]
    others = [_shown(found, metric, HEADLINE_DB, control) for metric in ("psnr_of_mean_mse", "ssim")]
    return [title, *psnr, *others, *accuracy]


def _networks(tier: Tier, rate: int, folder: Path) -> Iterator[list[str]]:
    """A row for each network of a rate, then the controls that belong beside them."""
    for stage in ("rec", "task"):
        for arch in ARCHITECTURES:
            for oracle in (False, True):
                name = data.name_of(arch, stage, rate, tier, oracle=oracle)
                if (found := data.results(name, folder)) is not None:
                    yield _row(found, f"`{name}`")
        paste = data.results(data.name_of("deepjscc", stage, rate, tier), folder)
        if paste is not None and "paste" in paste.controls:
            yield _row(paste, f"control: DeepJSCC ({stage}) + paste", "paste")


def network_tables(tier: Tier, folder: Path) -> list[str]:
    """One table a rate: PSNR and accuracy at 0, 5 and 9 dB, PSNR of the mean squared error and SSIM at 5 dB."""
    headings = ["Network", *(f"PSNR at {snr:g} dB" for snr in TABLE_SNRS), "PSNR of mean MSE at 5 dB", "SSIM at 5 dB"]
    headings += [f"accuracy at {snr:g} dB, %" for snr in TABLE_SNRS]
    parts = []
    for rate in PAPER_RATES:
        if rows := list(_networks(tier, rate, folder)):
            parts.append(f"**{TIER_TITLES[tier]}, ρ = 1/{rate}, AWGN**\n\n{_table(headings, rows)}")
    return parts


def ablation_table(tier: Tier, folder: Path) -> list[str]:
    """The WZ-ROI ``task`` networks with other ROI maps than their own."""
    rows = []
    for rate in PAPER_RATES:
        name = data.name_of("deepjscc_wz_roi", "task", rate, tier)
        found = data.results(name, folder)
        if found is None:
            continue
        controls = {"": "side: the receiver's own map"} | {
            f"roi:{origin}": text for origin, text in (
                ("shuffled", "another picture's map"), ("zeros", "all zeros"), ("normal", "normal numbers"),
                ("source", "oracle: map of x"), ("source+label", "oracle: map of x, true class"),
            )
        }
        rows += [
            [f"`{name}`, {title}", _shown(found, "psnr", HEADLINE_DB, control),
             _shown(found, "ssim", HEADLINE_DB, control), _shown(found, "accuracy", HEADLINE_DB, control)]
            for control, title in controls.items() if not control or control in found.controls
        ]
    headings = ["ROI map at the decoder, 5 dB", "PSNR, dB", "SSIM", "accuracy, %"]
    return [f"**ROI maps, {TIER_TITLES[tier].lower()}**\n\n{_table(headings, rows)}"] if rows else []


def judge_table(folder: Path) -> list[str]:
    """The judges on clean images, and on the side image alone."""
    rows = []
    for name in ("resnet50.cifar10", "resnet_lite.cifar10"):
        if (found := data.read(name, folder)) is not None:
            values = [data.Value(found[view]["accuracy"], found[view]["accuracy_ci95"]) for view in ("clean", "side")]
            rows.append([f"`{name}`", *(value.show("accuracy") for value in values)])
    headings = ["Judge", "clean images, accuracy %", "side image only (nothing sent), accuracy %"]
    return [_table(headings, rows)] if rows else []


def bounds_table(folder: Path) -> list[str]:
    """Baselines that were sent or coded, and Gaussian bounds, at 5 dB."""
    rows = []
    titles = {
        "linear": "linear analog, no side information", "linear_wz": "linear analog, Wyner-Ziv",
        "avif_mosaic": "AVIF at capacity, header-free mosaic", "webp_mosaic": "WebP at capacity, header-free mosaic",
        "jpeg2000_mosaic": "JPEG 2000 at capacity, header-free mosaic",
    }
    for name, title in titles.items():
        cells = [title]
        for rate in PAPER_RATES:
            for metric in ("psnr", "psnr_of_mean_mse"):
                value = dict(data.scheme(rate, name, metric, folder)).get(HEADLINE_DB)
                cells.append("–" if value is None else value.show(metric))
        if set(cells[1:]) != {"–"}:
            rows.append(cells)
    kinds = {"none": "no side information", "paste": "+ paste", "conditional": "Wyner-Ziv (conditional statistics)"}
    for kind, title in kinds.items():
        values = [dict(data.bounds(rate, kind, folder)).get(HEADLINE_DB) for rate in PAPER_RATES]
        if all(value is not None for value in values):
            shown = [cell for value in values for cell in ("–", f"{value:.2f}")]
            rows.append([f"bound: ideal Gaussian code at capacity, {title}", *shown])
    headings = ["At 5 dB"]
    headings += [f"1/{rate}: {kind}" for rate in PAPER_RATES for kind in ("mean PSNR", "PSNR of mean MSE")]
    return [f"**Baselines and bounds**\n\n{_table(headings, rows)}"] if rows else []


def verdict_table(tier: Tier, folder: Path) -> list[str]:
    """The paper's claims and what the measurements say."""
    found = data.findings(tier, folder)
    if all(one.verdict == "not yet measured" for one in found):
        return []
    rows = [[one.claim.text, one.claim.figure, f"**{one.verdict}**", one.show() or "–"] for one in found]
    headings = ["Claim", "Where", "Verdict", "Difference at 5 dB (95 % interval)"]
    return [f"**The paper's claims, {TIER_TITLES[tier].lower()}**\n\n{_table(headings, rows)}"]


def cost_table(folder: Path) -> list[str]:
    """Parameters, multiply-adds and milliseconds of each architecture, from ``bench.json``."""
    found = data.read("bench", folder)
    if found is None:
        return []
    rows = [_cost_row(row) for row in found["stages"]]
    headings = ["Network", "parameters", "multiply-adds, M"]
    headings += [f"{stage}, ms" for stage in ("encode", "ROI", "side", "decode", "judge")]
    about = f"{found['device']}, {found['threads']} threads, batch 1, ρ = 1/{found['rate']}"
    steps = ", ".join(f"{tier} {step['step_ms']:.0f} ms" for tier, step in found["steps"].items())
    table = _table([*headings, "images/s at batch 64"], rows)
    return [f"**Cost** ({about}; one SNR step of the explorer with four variants: {steps})\n\n{table}"]


def _cost_row(row: dict[str, Any]) -> list[str]:
    times = [f"{row[f'{stage}_ms']:.1f}" for stage in ("encode", "roi", "side", "decode", "judge")]
    counted = [f"{row['parameters']:,}", f"{row['multiply_adds'] / 1e6:.1f}"]
    return [f"{TITLES[row['architecture']]} ({row['tier']})", *counted, *times, f"{row['images_per_s']:.0f}"]


def provenance(folder: Path) -> list[str]:
    """Which files, how many images and draws."""
    names = data.measured(folder)
    found = [one for name in names if (one := data.results(name, folder)) is not None]
    if not found:
        return []
    images = sorted({str(one.about["images"]) for one in found})
    draws = sorted({str(one.about["draws"]) for one in found})
    seeds = sum(ModelName.parse(name).seed == 0 for name in names)
    return [
        f"CIFAR-10 test set, {' or '.join(images)} images, {' or '.join(draws)} channel draws, {seeds} networks; ± is "
        "a 95 % interval over images. Every number comes from a file in `assets/results` (`python -m training tables`)."
    ]


def block(folder: Path = RESULTS) -> str:
    """Everything between the markers."""
    parts = provenance(folder)
    for tier in data.tiers(folder):
        parts += network_tables(tier, folder) + ablation_table(tier, folder) + verdict_table(tier, folder)
    parts += judge_table(folder) + bounds_table(folder) + cost_table(folder)
    return "\n\n".join(parts) or "Not yet measured."


def regenerate(text: str, folder: Path = RESULTS) -> str:
    """A README's text with its tables brought up to date.

    Raises:
        ValueError: when the markers are not there, once each and in order.
    """
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise ValueError(f"the tables go between {BEGIN} and {END}, each once, in this order: put them into the file")
    head, rest = text.split(BEGIN)
    return f"{head}{BEGIN}\n\n{block(folder)}\n\n{END}{rest.split(END)[1]}"


def tables_command(
    readme: Annotated[Path, typer.Option(help="The file with the markers.")] = README,
    folder: Annotated[Path, typer.Option("--results", help="Folder of the results files.")] = RESULTS,
    check: Annotated[bool, typer.Option(help="Write nothing; fail when the tables are out of date.")] = False,
) -> None:
    """Bring the README's tables up to date with the results files."""
    try:
        old = readme.read_text(encoding="utf-8")
        new = regenerate(old, folder)
    except (OSError, ValueError) as error:
        typer.secho(f"error: {error}", err=True, fg="red")
        raise typer.Exit(2) from error
    if check and new != old:
        typer.secho(f"error: {readme} is out of date: run `python -m training tables`", err=True, fg="red")
        raise typer.Exit(1)
    if new != old:
        write_atomically(readme, lambda part: _write(part, new))
    typer.echo(f"{readme} is up to date")


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
