"""The learning curve of a recipe: the same networks after half, once and twice its epochs, on validation."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from training.fit.loop import LOG, write_atomically
from training.fit.runs import RECORD, finished
from training.recipes import RECIPES, SHORT, TIERS, tier_of
from wzroi.names import ModelName

CURVED = ("deepjscc", "deepjscc_wz_roi")
"""Architectures whose curves are drawn: the simplest and the fullest."""

MOST_DB, MOST_POINTS = 0.1, 0.5
"""Converged: twice the epochs change validation PSNR by less than this, and accuracy by fewer points."""

FACTORS: dict[str, float] = {"half": 0.5, "once": 1.0, "twice": 2.0}


def recipe_of(point: str, recipe: str = SHORT) -> str:
    """The recipe's row whose runs are a point of the curve: ``short_half``, ``short``, ``short_twice``."""
    return recipe if point == "once" else f"{recipe}_{point}"


def curved(tier: str) -> list[ModelName]:
    """The networks of a tier whose curves are drawn, at the paper's two rates."""
    return [
        ModelName(name, stage, rate, lite=tier == "lite")
        for stage in ("rec", "task") for name in CURVED for rate in (16, 32)
    ]  # fmt: skip


def point_of(folder: Path, name: ModelName, recipe: str) -> dict[str, Any] | None:
    """What a finished run of ``recipe`` reached on validation, with its log; ``None`` where there is none.

    Raises:
        ValueError: when the run is of another recipe.
    """
    if not finished(folder):
        return None
    record = json.loads((folder / RECORD).read_text())
    if record.get("recipe_name") != recipe:
        raise ValueError(f"{folder} was trained by the recipe {record.get('recipe_name')!r}, not {recipe!r}")
    kept = {key: record[key] for key in ("commit", "seed", "wall_s", "core_s", "device", "threads") if key in record}
    schedule = record["schedule"]
    return {
        "name": str(name), "recipe": recipe, "epochs": schedule["epochs"], "batch": schedule["batch"],
        "validation": record["validation"], **kept, "log": _log(folder, schedule["batch"]),
    }  # fmt: skip


def _log(folder: Path, batch: int) -> list[dict[str, float]]:
    """Validation over the run: one line per entry of its log that has one, with the images seen so far."""
    lines = [json.loads(line) for line in (folder / LOG).read_text().splitlines() if line.endswith("}")]
    shown = ("psnr", "accuracy", "loss")
    return [
        {"images": line["step"] * batch} | {key: round(line[key], 5) for key in shown if key in line}
        for line in lines if "psnr" in line
    ]  # fmt: skip


def change(points: Mapping[str, dict[str, Any] | None]) -> dict[str, Any]:
    """What twice the epochs change against once, and whether that counts as converged; ``None`` where unknown."""
    once, twice = points.get("once"), points.get("twice")
    if once is None or twice is None:
        return {"psnr_db": None, "accuracy_points": None, "converged": None}
    before, after = once["validation"], twice["validation"]
    psnr = after["psnr"] - before["psnr"]
    judged = once["name"].split(".")[1].startswith("task")
    points_ = 100 * (after["accuracy"] - before["accuracy"]) if judged else None
    flat = abs(psnr) < MOST_DB and (points_ is None or abs(points_) < MOST_POINTS)
    return {"psnr_db": round(psnr, 4), "accuracy_points": None if points_ is None else round(points_, 3),
            "converged": flat}  # fmt: skip


def collect(tier: str, folders: Mapping[str, Path]) -> dict[str, Any]:
    """The results file of a tier's curves from one folder of runs per point."""
    rows = []
    for name in curved(tier):
        found = {point: point_of(folder / str(name), name, recipe_of(point)) for point, folder in folders.items()}
        if any(found.values()):
            rows.append({"name": str(name), "points": found, "change": change(found)})
    rule = {"most_db": MOST_DB, "most_points": MOST_POINTS}
    return {"tier": tier, "split": "validation", "snr_db": tier_of(curved(tier)[0]).snr_db, "rule": rule, "rows": rows}


def curve_table(found: dict[str, Any]) -> Table:
    """The curves as a table for the terminal."""
    shown = Table(title=f"Learning curves of the {found['tier']} tier, validation", title_justify="left")
    for heading in ("network", *FACTORS, "twice - once", "converged"):
        shown.add_column(heading)
    for row in found["rows"]:
        cells = [_cell(row["points"].get(point)) for point in FACTORS]
        delta = row["change"]
        if delta["converged"] is None:
            shown.add_row(row["name"], *cells, "", "not known yet")
            continue
        points = "" if delta["accuracy_points"] is None else f", {delta['accuracy_points']:+.2f} points"
        shown.add_row(row["name"], *cells, f"{delta['psnr_db']:+.3f} dB{points}", "yes" if delta["converged"] else "no")
    return shown


def _cell(point: dict[str, Any] | None) -> str:
    if point is None:
        return "–"
    values = point["validation"]
    judged = f", {values['accuracy']:.1%}" if "accuracy" in values else ""
    return f"{values['psnr']:.2f} dB{judged} ({point['epochs']:g} epochs)"


def curve_command(
    tier: Annotated[str, typer.Option(help=f"{' or '.join(TIERS)}")] = "lite",
    half: Annotated[Path, typer.Option(help=f"Runs of the recipe {SHORT}_half.")] = Path("runs/half"),
    once: Annotated[Path, typer.Option(help=f"Runs of the recipe {SHORT}.")] = Path("runs"),
    twice: Annotated[Path, typer.Option(help=f"Runs of the recipe {SHORT}_twice.")] = Path("runs/twice"),
    results: Annotated[Path, typer.Option(help="Folder of the results files.")] = Path("assets/results"),
) -> None:
    """Collect a tier's learning curves from finished runs, and say whether its recipe has converged."""
    if tier not in RECIPES[SHORT]:
        typer.secho(f"error: unknown tier {tier!r}; choose one of {', '.join(RECIPES[SHORT])}", err=True, fg="red")
        raise typer.Exit(2)
    try:
        found = collect(tier, {"half": half, "once": once, "twice": twice})
    except ValueError as error:
        typer.secho(f"error: {error}", err=True, fg="red")
        raise typer.Exit(2) from error
    if not found["rows"]:
        typer.secho(f"error: no finished runs of the recipe {SHORT} in {once}, {half} or {twice}", err=True, fg="red")
        raise typer.Exit(2)
    path = results / f"curve_{tier}.json"
    write_atomically(path, lambda part: part.write_text(json.dumps(found, indent=1) + "\n"))
    Console().print(curve_table(found))
    typer.echo(f"{path}: {len(found['rows'])} networks")
