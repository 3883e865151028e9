"""The tables of what the flexible network's study found: its parts, ROI strength, a real stereo pair."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from training.evaluation.ablation import PARTS
from training.reports.markdown import Table
from zoo.results.files import read

SIDES = {
    "side": "the right picture", "none": "none", "other": "the right picture upside down (useless)",
    "pasted after matching": "the right picture, copied over the output where matching is confident",
}


def _plus_minus(value: list[float], digits: int = 2, scale: float = 1.0) -> str:
    return f"{scale * value[0]:.{digits}f} ± {scale * value[1]:.{digits}f}"


def _setting(row: dict[str, Any]) -> str:
    known = "crop known" if row["known"] else "blind"
    return f"1/{row['rate']}, {row['snr_db']:g} dB, {known}"


def parts_table(study: dict[str, Any]) -> Table:
    """What the trained network loses without each of its parts, one column per setting."""
    rows = study["parts"]
    settings = list(dict.fromkeys(_setting(row) for row in rows))
    costs = {(row["part"], _setting(row)): row["cost"] for row in rows}
    lines = [
        [title, *(_plus_minus(costs[part, setting]) for setting in settings)]
        for part, title in PARTS.items() if part != "none" and (part, settings[0]) in costs
    ]
    note = (
        f"The first {rows[0]['images']} test images, ± over images; the rest of the network is not trained again, so "
        "this is what it loses, not what another network would reach."
    )
    headings = ["PSNR lost without it, dB", *settings]
    return Table(f"What each part of `{study['of']}` contributes", headings, lines, note)


def roi_table(study: dict[str, Any]) -> Table:
    """ROI strength at either end."""
    lines = [
        [row["end"], f"{row['strength']:g}", _plus_minus(row["psnr"]), _plus_minus(row["roi_psnr"]),
         _plus_minus(row["accuracy"], 1, 100.0)]
        for row in study["roi"]
    ]  # fmt: skip
    note = (
        "Decoder: the receiver's own map, crop known; encoder: the map of x fed back, an oracle of what a receiver "
        "could know, no side image."
    )
    headings = ["ROI map at the", "strength", "PSNR, dB", "ROI-PSNR, dB", "accuracy, %"]
    return Table(f"ROI strength, `{study['of']}`, 1/16 at 5 dB", headings, lines, note)


def stereo_table(study: dict[str, Any]) -> Table:
    """The motorcycle pair, whole and as tiles."""
    def cell(model: str, side: str, cut: str, rate: int) -> str:
        found = [
            row for row in study["stereo"]
            if (_family(row["model"]), row["side"], row["cut"], row["rate"]) == (model, side, cut, rate)
        ]
        return _plus_minus(found[0]["psnr"]) if found else "–"

    columns = [(cut, rate) for rate in (32, 16) for cut in ("whole", "tiles")]
    kinds = dict.fromkeys((_family(row["model"]), row["side"]) for row in study["stereo"])
    lines = [
        [f"`{model}`", SIDES[side], *(cell(model, side, cut, rate) for cut, rate in columns)] for model, side in kinds
    ]
    headings = ["network", "side image", *(f"{cut}, 1/{rate}" for cut, rate in columns)]
    note = f"Motorcycle, 500 x 741, 5 dB, PSNR in dB, {study['stereo'][0]['draws']} draws."
    return Table(f"A real stereo pair that no training saw, beside `{study['of']}`", headings, lines, note)


def _family(name: str) -> str:
    """A network's name without its rate: ``deepjscc.rec_lite``."""
    return name.replace("_r16", "").replace("_r32", "")


def ablation_tables(folder: Path) -> list[Table]:
    """Every study of the folder; nothing where there is none."""
    studies = [read(path.stem, folder) for path in sorted(folder.glob("study_*.json"))]
    return [table(study) for study in studies if study for table in (parts_table, roi_table, stereo_table)]
