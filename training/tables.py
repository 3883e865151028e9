"""The README's tables, generated from ``assets/results`` between two markers: no number in them is typed by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from training.digital_tables import digital_tables
from training.loop import write_atomically
from training.network_tables import TIER_TITLES, flex_tables, markdown, network_tables, shown
from training.study_tables import study_tables
from wzroi.config import TITLES, ModelName
from zoo import claims
from zoo import results as data
from zoo.beside import ROI_MAPS
from zoo.results import HEADLINE_DB, PAPER_RATES, RESULTS, Tier

BEGIN, END = "<!-- results:begin -->", "<!-- results:end -->"
README = Path(__file__).resolve().parent.parent / "README.md"


def ablation_table(tier: Tier, folder: Path) -> list[str]:
    """The WZ-ROI ``task`` networks with other ROI maps than their own."""
    rows = []
    for rate in PAPER_RATES:
        name = data.name_of("deepjscc_wz_roi", "task", rate, tier)
        found = data.results(name, folder)
        if found is None:
            continue
        controls = {"": "side: the receiver's own map"} | {f"roi:{key}": text for key, text in ROI_MAPS.items()}
        rows += [
            [f"`{name}`, {title}", shown(found, "psnr", HEADLINE_DB, control),
             shown(found, "ssim", HEADLINE_DB, control), shown(found, "accuracy", HEADLINE_DB, control)]
            for control, title in controls.items() if not control or control in found.controls
        ]
    headings = ["ROI map at the decoder, 5 dB", "PSNR, dB", "SSIM", "accuracy, %"]
    return [f"**ROI maps, {TIER_TITLES[tier].lower()}**\n\n{markdown(headings, rows)}"] if rows else []


def judge_table(folder: Path) -> list[str]:
    """The judges on clean images, and on the side image alone."""
    rows = []
    for name in ("resnet50.cifar10", "resnet_lite.cifar10"):
        if (found := data.read(name, folder)) is not None:
            values = [data.Value(found[view]["accuracy"], found[view]["accuracy_ci95"]) for view in ("clean", "side")]
            rows.append([f"`{name}`", *(value.show("accuracy") for value in values)])
    headings = ["Judge", "clean images, accuracy %", "side image only (nothing sent), accuracy %"]
    return [markdown(headings, rows)] if rows else []


def verdict_table(tier: Tier, folder: Path) -> list[str]:
    """The paper's claims and what the measurements say."""
    found = claims.findings(tier, folder)
    if all(one.verdict == "not yet measured" for one in found):
        return []
    rows = [[one.claim.text, one.claim.figure, f"**{one.verdict}**", one.show() or "–"] for one in found]
    headings = ["Claim", "Where", "Verdict", "Difference at 5 dB (95 % interval)"]
    return [f"**The paper's claims, {TIER_TITLES[tier].lower()}**\n\n{markdown(headings, rows)}"]


def cost_table(folder: Path) -> list[str]:
    """Parameters, multiply-adds and milliseconds of each architecture, from ``bench.json``."""
    parts = [data.read(name, folder) for name in ("bench", "bench_cuda")]
    return [_cost(found) for found in parts if found is not None]


def _cost(found: dict[str, Any]) -> str:
    rows = [_cost_row(row) for row in found["stages"]]
    headings = ["Network", "parameters", "multiply-adds, M"]
    headings += [f"{stage}, ms" for stage in ("encode", "ROI", "side", "decode", "judge")]
    about = f"{found['device']}, {found['threads']} threads, batch 1, ρ = 1/{found['rate']}"
    steps = ", ".join(f"{tier} {step['step_ms']:.0f} ms" for tier, step in found["steps"].items())
    table = markdown([*headings, "images/s at batch 64"], rows)
    return f"**Cost** ({about}; one SNR step of the explorer with four variants: {steps})\n\n{table}"


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
    sent = sorted({data.sending(one.about | {"rows": one.rows}) for one in found})
    seeds = sum(ModelName.parse(name).seed == 0 for name in names)
    return [
        f"CIFAR-10 test set, {' or '.join(images)} images, {'; or '.join(sent)}; {seeds} networks; ± is "
        "a 95 % interval over images. Every number comes from a file in `assets/results` (`python -m training tables`)."
    ]


def block(folder: Path = RESULTS) -> str:
    """Everything between the markers."""
    parts = provenance(folder)
    for tier in data.tiers(folder):
        parts += network_tables(tier, folder) + flex_tables(tier, folder)
        parts += ablation_table(tier, folder) + verdict_table(tier, folder)
    parts += judge_table(folder) + digital_tables(folder) + study_tables(folder)
    parts += cost_table(folder)
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
