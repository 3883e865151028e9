"""The tables, generated from ``assets/results``: no number in them is typed by hand.

Every table goes into ``README.md`` of the results folder, which a browser of the repository shows below the files; what
a visitor needs of them goes between two markers of the project's README.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from training.fit.loop import write_atomically
from training.recipes import JUDGES
from training.reports.ablation import ablation_tables
from training.reports.claims import claims_count, claims_tables
from training.reports.digital import digital_tables
from training.reports.markdown import Table, contents
from training.reports.networks import flex_tables, network_tables, roi_tables
from training.reports.overview import overview_tables, rates_tables
from wzroi.architectures import ARCHITECTURES
from wzroi.names import ModelName
from zoo.paths import OWN_RESULTS as RESULTS
from zoo.paths import own_folder
from zoo.results import files as data

BEGIN, END = "<!-- results:begin -->", "<!-- results:end -->"
README = own_folder("README.md")
PAGE = "README.md"
"""The file of every table, in the folder of the results."""

COMMAND = "python -m training tables"
UNMEASURED = "Not yet measured."
HEAD = f"""# Every table

Written by `{COMMAND}` from the JSON files of this folder: do not edit it, run the command.
[Results](../../docs/results/index.md) says what was measured and how; see also the
[definitions](../../docs/concepts.md#definitions) and the [limits](../../docs/limits.md).
"""
SOURCE = (
    f"Every number comes from a file in `assets/results` (`{COMMAND}`); ±: 95 % interval."
)
MORE = (
    "[**Every table**](assets/results/README.md): claims, other SNRs and rates, controls, recipes, costs."
)


def judge_tables(folder: Path) -> list[Table]:
    """The judges on clean images, and on the side image alone."""
    rows = []
    for name in JUDGES:
        if (found := data.read(name, folder)) is not None:
            values = [data.Value(found[view]["accuracy"], found[view]["accuracy_ci95"]) for view in ("clean", "side")]
            rows.append([f"`{name}`", *(value.to_text("accuracy") for value in values)])
    headings = ["Judge", "clean images, accuracy %", "side image only (nothing sent), accuracy %"]
    return [Table("Judges", headings, rows)] if rows else []


def cost_tables(folder: Path) -> list[Table]:
    """Parameters, multiply-adds and milliseconds of each architecture, from ``bench.json``."""
    parts = [data.read(name, folder) for name in ("bench", "bench_cuda")]
    return [_cost(found) for found in parts if found is not None]


def _cost(found: dict[str, Any]) -> Table:
    rows = [_cost_row(row) for row in found["stages"]]
    headings = ["Network", "parameters", "multiply-adds, M"]
    headings += [f"{stage}, ms" for stage in ("encode", "ROI", "side", "decode", "judge")]
    steps = ", ".join(f"{tier} {step['step_ms']:.0f} ms" for tier, step in found["steps"].items())
    note = (
        f"{found['threads']} threads, batch 1, ρ = 1/{found['rate']}; one SNR step of the explorer with four variants: "
        f"{steps}."
    )
    return Table(f"Cost, {found['device']}", [*headings, "images/s at batch 64"], rows, note)


def _cost_row(row: dict[str, Any]) -> list[str]:
    times = [f"{row[f'{stage}_ms']:.1f}" for stage in ("encode", "roi", "side", "decode", "judge")]
    counted = [f"{row['parameters']:,}", f"{row['multiply_adds'] / 1e6:.1f}"]
    title = ARCHITECTURES[row["architecture"]].title
    return [f"{title} ({row['tier']})", *counted, *times, f"{row['images_per_s']:.0f}"]


def provenance_sentence(folder: Path) -> str:
    """How many images and draws, and where every number comes from; empty where no network was measured."""
    names = data.measured(folder)
    found = [one for name in names if (one := data.results(name, folder)) is not None]
    if not found:
        return ""
    images = sorted({str(one.about["images"]) for one in found})
    sent = sorted({data.sending(one.about | {"rows": one.rows}) for one in found})
    seeds = sum(ModelName.parse(name).seed == 0 for name in names)
    return (
        f"CIFAR-10 test set, {' or '.join(images)} images, {'; or '.join(sent)}; {seeds} networks; ± is "
        f"a 95 % interval over images. Every number comes from a file in `assets/results` (`{COMMAND}`)."
    )


def every_table(folder: Path) -> list[Table]:
    """All tables of the results files."""
    tables: list[Table] = []
    for tier in data.tiers(folder):
        tables += overview_tables(tier, folder) + rates_tables(tier, folder)
        tables += network_tables(tier, folder) + flex_tables(tier, folder)
        tables += roi_tables(tier, folder) + claims_tables(tier, folder)
    return [*tables, *judge_tables(folder), *digital_tables(folder), *ablation_tables(folder), *cost_tables(folder)]


def results_page(folder: Path = RESULTS) -> str:
    """The file of every table: introduction, contents, and one section per table."""
    tables = every_table(folder)
    parts = [HEAD.rstrip(), provenance_sentence(folder), contents(tables), *(table.section() for table in tables)]
    return "\n\n".join(part for part in parts if part) + "\n" if tables else f"{HEAD}\n{UNMEASURED}\n"


def brief(folder: Path = RESULTS) -> str:
    """Everything between the README's markers."""
    tables, counts = [], []
    for tier in data.tiers(folder):
        tables += overview_tables(tier, folder, brief=True)
        counts.append(claims_count(tier, folder))
    parts = [*(table.paragraph() for table in tables), *filter(None, counts), SOURCE, MORE]
    return "\n\n".join(parts) if tables else UNMEASURED


def regenerate(text: str, folder: Path = RESULTS) -> str:
    """A README's text with its tables brought up to date.

    Raises:
        ValueError: when the markers are not there, once each and in order.
    """
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise ValueError(f"the tables go between {BEGIN} and {END}, each once, in this order: put them into the file")
    head, rest = text.split(BEGIN)
    return f"{head}{BEGIN}\n\n{brief(folder)}\n\n{END}{rest.split(END)[1]}"


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def _replace(path: Path, text: str) -> None:
    write_atomically(path, lambda part: part.write_text(text, encoding="utf-8"))


def tables_command(
    readme: Annotated[Path, typer.Option(help="The file with the markers.")] = README,
    folder: Annotated[Path, typer.Option("--results", help="Folder of results, and of all tables' page.")] = RESULTS,
    check: Annotated[bool, typer.Option(help="Write nothing; fail when the tables are out of date.")] = False,
) -> None:
    """Bring the README's tables, and the page of every table, up to date with the results files."""
    try:
        texts = {readme: regenerate(readme.read_text(encoding="utf-8"), folder), folder / PAGE: results_page(folder)}
        stale = [path for path, text in texts.items() if _read(path) != text]
    except (OSError, ValueError) as error:
        typer.secho(f"error: {error}", err=True, fg="red")
        raise typer.Exit(2) from error
    for path in stale:
        if check:
            typer.secho(f"error: {path} is out of date: run `{COMMAND}`", err=True, fg="red")
        else:
            _replace(path, texts[path])
    if check and stale:
        raise typer.Exit(1)
    typer.echo(f"{' and '.join(map(str, texts))} are up to date")
