"""The stored measurements (``assets/results``) as typed data.

Nothing is measured here: every number on a page, in a table or behind a verdict comes from a file written by
``python -m training evaluate``, ``baselines``, ``digital`` or ``bench``.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, NamedTuple

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from wzroi.architectures import ARCHITECTURES
from wzroi.config import ConfigError
from wzroi.metrics import METRICS
from wzroi.names import ModelName
from zoo.errors import ZooError
from zoo.paths import RESULTS
from zoo.results.tables import HEADLINE_DB, Tier, column_of, interval_of

PER_IMAGE = "per_image"


class Value(NamedTuple):
    """A measured mean and the half width of its 95 % interval (``None`` if the file has none)."""

    mean: float
    ci95: float | None

    def to_text(self, metric: str) -> str:
        """As printed in tables: ``23.41 ± 0.07``."""
        kind = METRICS[metric]
        mean = f"{self.mean * kind.scale:.{kind.digits}f}"
        return mean if self.ci95 is None else f"{mean} ± {self.ci95 * kind.scale:.{kind.digits}f}"


Row = dict[str, Any]


@dataclass(frozen=True)
class Results:
    """One results file: ``rows`` over SNR, ``controls`` by name, ``about`` is everything else that it records.

    The rows of a flexible network also have a ``rate`` (1/rho); ``at_rate`` selects those of one.
    """

    model: str
    rows: list[Row]
    controls: dict[str, list[Row]]
    about: dict[str, Any]

    @property
    def recipe(self) -> str:
        """How the network was trained, ``short, 32 epochs``; empty where the file does not say."""
        training = self.about.get("training", {})
        epochs = training.get("schedule", {}).get("epochs")
        return "" if epochs is None else f"{training.get('recipe_name', 'standard')}, {epochs:g} epochs"

    @property
    def rates(self) -> list[int]:
        """1/rho of a flexible network's rows, fewest symbols first; empty for a network with a rate of its own."""
        return sorted({row["rate"] for row in self.rows if "rate" in row}, reverse=True)

    def at_rate(self, rate: Fraction | int) -> Results:
        """A flexible network's rows at one rate (none if it was not measured); any other network unchanged."""
        if not self.rates:
            return self
        controls = {name: [row for row in rows if row["rate"] == rate] for name, rows in self.controls.items()}
        kept = {name: rows for name, rows in controls.items() if rows}
        return replace(self, rows=[row for row in self.rows if row["rate"] == rate], controls=kept)

    def curve(self, metric: str, control: str = "") -> list[tuple[float, Value]]:
        """(SNR, value) where the metric was measured, in the order of SNR.

        Raises:
            ValueError: for a flexible network's rows at several rates.
        """
        if len(self.rates) > 1:
            raise ValueError(f"{self.model} was measured at several rates: select one with at_rate(rate)")
        column = column_of(metric)
        rows = self.rows if not control else self.controls.get(control, [])
        known = [row for row in rows if row.get(column) is not None]
        return [(row["snr_db"], _value(row, metric)) for row in sorted(known, key=lambda row: row["snr_db"])]

    def at(self, metric: str, snr_db: float = HEADLINE_DB, control: str = "") -> Value | None:
        """The value at one SNR, or ``None`` if it was not measured."""
        return dict(self.curve(metric, control)).get(snr_db)


def _value(row: Row, metric: str) -> Value:
    return Value(row[column_of(metric)], row.get(interval_of(metric)))


def sending(found: Mapping[str, Any]) -> str:
    """How often a results file's network was sent each image, in words."""
    images, draws = found["images"], found["draws"]
    often = {row["snr_db"]: row.get("transmissions", images * draws) / images for row in found["rows"]}
    every = [snr_db for snr_db, times in often.items() if times >= draws]
    if len(every) == len(often):
        return f"each image in all {draws} channel draws"
    rest = "one" if max(times for snr_db, times in often.items() if snr_db not in every) <= 1 else "some"
    if not every:
        return f"each image in {rest} of {draws} channel draws"
    where = ", ".join(f"{snr_db:g}" for snr_db in every)
    return f"each image in all {draws} channel draws at {where} dB, in {rest} of them at the other SNRs"


@functools.lru_cache(maxsize=512)
def _parsed(path: Path, modified: int) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ZooError(f"{path} is not a results file ({error}): evaluate again, or restore it from git") from error


def read(name: str, folder: Path = RESULTS) -> dict[str, Any] | None:
    """``<name>.json`` of the results folder as plain data, ``None`` if there is none.

    Raises:
        ZooError: if it is damaged.
    """
    path = folder / f"{name}.json"
    if not path.is_file():
        return None
    values = _parsed(path, path.stat().st_mtime_ns)
    if not isinstance(values, dict):
        raise ZooError(f"{path} must hold a JSON object: evaluate again, or restore it from git")
    return values


def results(name: str, folder: Path = RESULTS, rate: Fraction | int | None = None) -> Results | None:
    """The results of a link network, for a flexible one at ``rate``; ``None`` if it was not measured.

    Raises:
        ZooError: if the file is damaged or belongs to another model.
    """
    values = read(name, folder)
    if values is None:
        return None
    rows, controls = values.get("rows"), values.get("controls", {})
    if values.get("model") != name or not isinstance(rows, list) or not isinstance(controls, dict):
        raise ZooError(f"{folder / name}.json is not the results of {name}: evaluate it again")
    about = {key: value for key, value in values.items() if key not in ("rows", "controls")}
    found = Results(name, rows, controls, about)
    if rate is None:
        return found
    chosen = found.at_rate(rate)
    return chosen if chosen.rows or not found.rows else None


def measured(folder: Path = RESULTS) -> list[str]:
    """Names of the link networks with results, sorted."""
    names = sorted(path.stem for path in folder.glob("*.json")) if folder.is_dir() else []
    return [name for name in names if _is_model(name)]


def _is_model(name: str) -> bool:
    try:
        ModelName.parse(name)
    except ConfigError:
        return False
    return True


def tiers(folder: Path = RESULTS) -> list[Tier]:
    """The tiers that have results, the paper's first."""
    lite = {ModelName.parse(name).lite for name in measured(folder)}
    return [tier for tier, flag in (("paper", False), ("lite", True)) if flag in lite]  # type: ignore[misc]


def name_of(
    architecture: str, stage: str, rate: int, tier: Tier, *, oracle: bool = False, placed: bool = False
) -> str:
    """A network's name; a flexible architecture has one for all rates."""
    kind: Literal["rec", "task"] = "rec" if stage == "rec" else "task"
    own = rate if ARCHITECTURES[architecture].rated else None
    return str(ModelName(architecture, kind, own, oracle, tier == "lite", placed=placed))


def bounds(rate: int, kind: str, folder: Path = RESULTS) -> list[tuple[float, float]]:
    """(SNR, PSNR of the mean squared error) of a Gaussian bound: ``none``, ``paste``, ``unsent`` or ``conditional``."""
    rows = (read("bounds", folder) or {}).get("bounds", [])
    return sorted((row["snr_db"], row[kind]) for row in rows if row["rate"] == rate and kind in row)


JUDGES: dict[Tier, str] = {"lite": "resnet_lite.cifar10", "paper": "resnet50.cifar10"}
"""Tier -> its judge."""


def judged(view: str, tier: Tier, folder: Path = RESULTS) -> Value | None:
    """The accuracy of the tier's judge on ``clean`` images, or on the ``side`` image alone (nothing is sent)."""
    found = (read(JUDGES[tier], folder) or {}).get(view)
    return Value(found["accuracy"], found["accuracy_ci95"]) if found else None


BASELINE_FILES = {"bounds": "schemes", "digital": "rows"}
"""File of baselines -> key of its rows."""


def _same_judge(about: dict[str, Any], tier: Tier, folder: Path) -> bool:
    """Whether a file's accuracies come from the same judge, with the same weights, as those of the tier's networks."""
    judge = read(JUDGES[tier], folder) or {}
    mine = (about.get("judge"), about.get("judge_sha256"))
    return mine == (JUDGES[tier], judge.get("weights_sha256"))


def scheme(rate: int, name: str, metric: str, tier: Tier, folder: Path = RESULTS) -> list[tuple[float, Value]]:
    """(SNR, value) of a baseline: ``linear``, ``linear_wz``, ``avif_mosaic``, ``link``, ...

    Accuracies from another judge than that of the tier's networks are omitted.
    """
    column, rows = column_of(metric), []
    for file, where in BASELINE_FILES.items():
        about = read(file, folder) or {}
        if metric != "accuracy" or _same_judge(about, tier, folder):
            rows += about.get(where, [])
    chosen = [r for r in rows if r["scheme"] == name and r["rate"] == rate and r.get(column) is not None]
    return [(row["snr_db"], _value(row, metric)) for row in sorted(chosen, key=lambda row: row["snr_db"])]


@functools.lru_cache(maxsize=128)
def _tensors(path: Path, modified: int) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise ZooError(f"{path} is damaged: evaluate again, or restore it from git") from error


def per_image(
    name: str, metric: str, control: str = "", folder: Path = RESULTS, rate: int | None = None
) -> Tensor | None:
    """Each test image's mean over its draws at 5 dB, double ``[n]`` with NaN where not measured; ``None`` if absent.

    ``rate``: 1/rho, only used for a flexible network.
    """
    path = folder / PER_IMAGE / f"{name}.safetensors"
    if not path.is_file():
        return None
    where = f"r{rate}/" if ModelName.parse(name).flexible else ""
    values = _tensors(path, path.stat().st_mtime_ns).get(f"{where}{control or 'main'}/{metric}")
    return None if values is None else values.double()
