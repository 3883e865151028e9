"""The committed measurements (``assets/results``) as typed data, and the paper's claims judged by them.

Nothing here computes a measurement: every figure on a page, in a table or in a verdict comes from a file that
``python -m training evaluate``, ``baselines``, ``digital`` or ``bench`` wrote.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from wzroi.config import ConfigError, ModelName
from wzroi.metrics import estimate
from zoo.errors import ZooError

RESULTS = Path(__file__).resolve().parent.parent / "assets" / "results"
PER_IMAGE = "per_image"
HEADLINE_DB = 5.0
"""The SNR of training, of the tables and of the verdicts."""

TABLE_SNRS = (0.0, 5.0, 9.0)
"""Where tables are read and controls are measured."""

PAPER_RATES = (32, 16)
Tier = Literal["lite", "paper"]


class Metric(NamedTuple):
    """``column`` and ``interval`` are a row's fields; ``text`` is the axis title, ``digits`` what tables print."""

    column: str
    interval: str
    text: str
    digits: int
    scale: float = 1.0


METRICS = {
    "psnr": Metric("psnr_mean", "psnr_ci95", "PSNR, dB (mean over images)", 2),
    "psnr_of_mean_mse": Metric("psnr_of_mean_mse", "", "PSNR of the mean squared error, dB", 2),
    "ssim": Metric("ssim_mean", "ssim_ci95", "SSIM", 3),
    "roi_psnr": Metric("roi_psnr_mean", "roi_psnr_ci95", "ROI-PSNR, dB", 2),
    "accuracy": Metric("accuracy", "accuracy_ci95", "Accuracy, %", 1, 100.0),
}
"""Metric -> where it stands in a row."""


class Value(NamedTuple):
    """A measured mean and the half width of its 95 % interval (``None``: the file gives none)."""

    mean: float
    ci95: float | None

    def show(self, metric: str) -> str:
        """As tables print it: ``23.41 ± 0.07``."""
        kind = METRICS[metric]
        mean = f"{self.mean * kind.scale:.{kind.digits}f}"
        return mean if self.ci95 is None else f"{mean} ± {self.ci95 * kind.scale:.{kind.digits}f}"


Row = dict[str, Any]


@dataclass(frozen=True)
class Results:
    """One results file: ``rows`` over SNR, ``controls`` by name, ``about`` everything else that it records."""

    model: str
    rows: list[Row]
    controls: dict[str, list[Row]]
    about: dict[str, Any]

    def curve(self, metric: str, control: str = "") -> list[tuple[float, Value]]:
        """(SNR, value) where the metric was measured, in the order of SNR."""
        kind = METRICS[metric]
        rows = self.rows if not control else self.controls.get(control, [])
        known = [row for row in rows if row.get(kind.column) is not None]
        return [(row["snr_db"], _value(row, kind)) for row in sorted(known, key=lambda row: row["snr_db"])]

    def at(self, metric: str, snr_db: float = HEADLINE_DB, control: str = "") -> Value | None:
        """The value at one SNR, or ``None`` where it was not measured."""
        return dict(self.curve(metric, control)).get(snr_db)


def _value(row: Row, kind: Metric) -> Value:
    return Value(row[kind.column], row.get(kind.interval))


@functools.lru_cache(maxsize=512)
def _parsed(path: Path, modified: int) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ZooError(f"{path} is not a results file ({error}): evaluate again, or restore it from git") from error


def read(name: str, folder: Path = RESULTS) -> dict[str, Any] | None:
    """``<name>.json`` of the results folder as plain data, ``None`` where there is none.

    Raises:
        ZooError: when it is damaged.
    """
    path = folder / f"{name}.json"
    if not path.is_file():
        return None
    values = _parsed(path, path.stat().st_mtime_ns)
    if not isinstance(values, dict):
        raise ZooError(f"{path} must hold a JSON object: evaluate again, or restore it from git")
    return values


def results(name: str, folder: Path = RESULTS) -> Results | None:
    """The results of a link network, ``None`` where it was not measured.

    Raises:
        ZooError: when the file is damaged or another model's.
    """
    values = read(name, folder)
    if values is None:
        return None
    rows, controls = values.get("rows"), values.get("controls", {})
    if values.get("model") != name or not isinstance(rows, list) or not isinstance(controls, dict):
        raise ZooError(f"{folder / name}.json is not the results of {name}: evaluate it again")
    about = {key: value for key, value in values.items() if key not in ("rows", "controls")}
    return Results(name, rows, controls, about)


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


def name_of(architecture: str, stage: str, rate: int, tier: Tier, *, oracle: bool = False) -> str:
    """A network's name."""
    kind: Literal["rec", "task"] = "rec" if stage == "rec" else "task"
    return str(ModelName(architecture, kind, rate, oracle, tier == "lite"))


def bounds(rate: int, kind: str, folder: Path = RESULTS) -> list[tuple[float, float]]:
    """(SNR, PSNR of the mean squared error) of a Gaussian bound: ``none``, ``paste``, ``unsent`` or ``conditional``."""
    rows = (read("bounds", folder) or {}).get("bounds", [])
    return sorted((row["snr_db"], row[kind]) for row in rows if row["rate"] == rate)


def scheme(rate: int, name: str, metric: str, folder: Path = RESULTS) -> list[tuple[float, Value]]:
    """(SNR, value) of a transmitted baseline: ``linear``, ``linear_wz``, or a codec of the digital baseline."""
    rows = (read("bounds", folder) or {}).get("schemes", []) + (read("digital", folder) or {}).get("rows", [])
    kind = METRICS[metric]
    chosen = [r for r in rows if r["scheme"] == name and r["rate"] == rate and r.get(kind.column) is not None]
    return [(row["snr_db"], _value(row, kind)) for row in sorted(chosen, key=lambda row: row["snr_db"])]


@functools.lru_cache(maxsize=128)
def _tensors(path: Path, modified: int) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise ZooError(f"{path} is damaged: evaluate again, or restore it from git") from error


def per_image(name: str, metric: str, control: str = "", folder: Path = RESULTS) -> Tensor | None:
    """Each test image's mean over its draws at 5 dB, double ``[n]`` with NaN where not measured; ``None`` if absent."""
    path = folder / PER_IMAGE / f"{name}.safetensors"
    if not path.is_file():
        return None
    values = _tensors(path, path.stat().st_mtime_ns).get(f"{control or 'main'}/{metric}")
    return None if values is None else values.double()


class Side(NamedTuple):
    """One side of a comparison: a network, or one of its controls."""

    name: str
    control: str = ""

    @property
    def text(self) -> str:
        return self.name + (f" [{self.control}]" if self.control else "")


class Difference(NamedTuple):
    """``first`` minus ``second`` at 5 dB with a 95 % interval; ``paired`` when taken image by image."""

    metric: str
    first: Side
    second: Side
    mean: float
    ci95: float
    paired: bool

    @property
    def sign(self) -> int:
        """1 or -1 where the interval excludes zero, else 0."""
        return 0 if abs(self.mean) <= self.ci95 else int(math.copysign(1, self.mean))

    def show(self) -> str:
        """``+0.31 ± 0.02 dB``."""
        kind = METRICS[self.metric]
        unit = {"accuracy": " points", "ssim": ""}.get(self.metric, " dB")
        digits = kind.digits + (self.metric == "accuracy")
        return f"{self.mean * kind.scale:+.{digits}f} ± {self.ci95 * kind.scale:.{digits}f}{unit}"


def difference(metric: str, first: Side, second: Side, folder: Path = RESULTS) -> Difference | None:
    """Compare two networks or controls at 5 dB; ``None`` where one was not measured.

    Both saw the same images, and the same noise at equal rates: where each image's values are at hand, the interval is
    that of the paired differences; else the two intervals are added in squares, which is too wide.
    """
    one, other = (per_image(side.name, metric, side.control, folder) for side in (first, second))
    if one is not None and other is not None and one.shape == other.shape and bool((~(one - other).isnan()).any()):
        found = estimate(one - other)
        return Difference(metric, first, second, found.mean, found.ci95, True)
    values = []
    for side in (first, second):
        network = results(side.name, folder)
        value = network.at(metric, control=side.control) if network else None
        if value is None or value.ci95 is None:
            return None
        values.append(value)
    (a, half_a), (b, half_b) = values
    return Difference(metric, first, second, a - b, math.hypot(half_a or 0, half_b or 0), False)


VERDICTS = ("holds", "does not hold", "only with the oracle", "holds in part", "undecided", "not yet measured")


class Claim(NamedTuple):
    """A statement of the paper as comparisons that ought to have a sign.

    Attributes:
        figure, text: where and what. metric: of ``METRICS``.
        first, second: (architecture, control) of the two sides. stage: ``rec`` or ``task``.
        rates: 1/rho. expected: sign of first minus second; 0 claims "about equal", within ``tolerance``.
        oracle: the first side has an ROI, so that an oracle's map may be asked when the receiver's does not do it.
    """

    figure: str
    text: str
    metric: str
    first: tuple[str, str]
    second: tuple[str, str]
    stage: str
    rates: tuple[int, ...] = PAPER_RATES
    expected: int = 1
    tolerance: float = 0.0
    oracle: bool = False


WZ, ROI, SFT = "deepjscc_wz", "deepjscc_wz_roi", "deepjscc_wz_sft"

CLAIMS = (
    Claim("Fig. 4a", "Side information raises PSNR: WZ above DeepJSCC", "psnr", (WZ, ""), ("deepjscc", ""), "rec"),
    Claim("Fig. 4a", "ROI guidance raises PSNR: WZ-ROI above WZ", "psnr", (ROI, ""), (WZ, ""), "rec", oracle=True),
    Claim("Fig. 4b", "ROI guidance raises SSIM: WZ-ROI above WZ", "ssim", (ROI, ""), (WZ, ""), "rec", oracle=True),
    Claim(
        "Fig. 5a", "Side information raises accuracy: WZ above DeepJSCC", "accuracy", (WZ, ""), ("deepjscc", ""), "task"
    ),
    Claim(
        "Fig. 5a", "ROI guidance raises accuracy: WZ-ROI above WZ", "accuracy", (ROI, ""), (WZ, ""), "task", oracle=True
    ),
    Claim(
        "Fig. 5b", "WZ-ROI keeps the higher PSNR in the task setting: above WZ", "psnr", (ROI, ""), (WZ, ""), "task",
        oracle=True,
    ),
    Claim("Fig. 6a", "An all-zero ROI costs accuracy", "accuracy", (ROI, ""), (ROI, "roi:zeros"), "task", (32,)),
    Claim(
        "Fig. 6a", "A random ROI falls to the level of WZ (within 1 point)", "accuracy", (ROI, "roi:normal"), (WZ, ""),
        "task", (32,), expected=0, tolerance=0.01,
    ),
    Claim(
        "Fig. 6a", "WZ-ROI is more accurate than WZ-SFT", "accuracy", (ROI, ""), (SFT, ""), "task", (32,), oracle=True
    ),
    Claim(
        "Fig. 6b", "An all-zero ROI costs little PSNR (within 0.1 dB)", "psnr", (ROI, "roi:zeros"), (ROI, ""), "task",
        (32,), expected=0, tolerance=0.1,
    ),
    Claim("Fig. 6b", "WZ-SFT has slightly more PSNR than WZ-ROI", "psnr", (SFT, ""), (ROI, ""), "task", (32,)),
    Claim(
        "control", "The ROI's content matters: the picture's own map above another picture's", "accuracy", (ROI, ""),
        (ROI, "roi:shuffled"), "task",
    ),
    Claim(
        "control", "Learned fusion beats pasting: WZ above DeepJSCC with the crop copied back", "psnr", (WZ, ""),
        ("deepjscc", "paste"), "rec",
    ),
)
"""The paper's claims that its figures carry, and two that its figures leave open."""


class Finding(NamedTuple):
    """A claim's verdict, one of ``VERDICTS``, and the differences behind it by rate."""

    claim: Claim
    verdict: str
    evidence: dict[int, Difference]

    def show(self) -> str:
        """The evidence in a line: ``1/32: +0.31 ± 0.02 dB · 1/16: ...``."""
        return " · ".join(f"1/{rate}: {found.show()}" for rate, found in self.evidence.items())


def _compare(claim: Claim, tier: Tier, folder: Path, first: Sequence[Side]) -> dict[int, Difference]:
    found = {}
    for rate, side in zip(claim.rates, first, strict=True):
        other = Side(name_of(claim.second[0], claim.stage, rate, tier), claim.second[1])
        if (one := difference(claim.metric, side, other, folder)) is not None:
            found[rate] = one
    return found


def _agrees(claim: Claim, found: Difference) -> bool | None:
    """Whether a difference bears the claim out; ``None`` where its interval leaves both open."""
    if claim.expected:
        return None if found.sign == 0 else found.sign == claim.expected
    if abs(found.mean) + found.ci95 <= claim.tolerance:
        return True
    return False if abs(found.mean) - found.ci95 > claim.tolerance else None


def judge_claim(claim: Claim, tier: Tier, folder: Path = RESULTS) -> Finding:
    """The verdict that the measurements give."""
    sides = [Side(name_of(claim.first[0], claim.stage, rate, tier), claim.first[1]) for rate in claim.rates]
    evidence = _compare(claim, tier, folder, sides)
    if len(evidence) < len(claim.rates):
        return Finding(claim, "not yet measured", evidence)
    votes = [_agrees(claim, found) for found in evidence.values()]
    if all(votes):
        return Finding(claim, "holds", evidence)
    if claim.oracle and _holds_with_oracle(claim, tier, folder):
        return Finding(claim, "only with the oracle", evidence)
    if any(votes):
        return Finding(claim, "holds in part", evidence)
    return Finding(claim, "undecided" if None in votes else "does not hold", evidence)


def _holds_with_oracle(claim: Claim, tier: Tier, folder: Path) -> bool:
    """With a network trained and tested on the oracle's map, or else with that map given to the usual network."""
    trained = [Side(name_of(claim.first[0], claim.stage, rate, tier, oracle=True)) for rate in claim.rates]
    given = [Side(name_of(claim.first[0], claim.stage, rate, tier), "roi:source+label") for rate in claim.rates]
    for sides in (trained, given):
        evidence = _compare(claim, tier, folder, sides)
        if len(evidence) == len(claim.rates) and all(_agrees(claim, found) for found in evidence.values()):
            return True
    return False


def findings(tier: Tier, folder: Path = RESULTS) -> list[Finding]:
    """Every claim with its verdict."""
    return [judge_claim(claim, tier, folder) for claim in CLAIMS]
