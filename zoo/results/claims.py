"""The paper's claims, judged by the committed measurements: paired differences and the resulting verdict."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from torch import Tensor

from wzroi.metrics import METRICS, estimate
from wzroi.names import ModelName
from zoo.results.files import RESULTS, Value, judged, name_of, per_image, results, scheme
from zoo.results.tables import HEADLINE_DB, PAPER_RATES, Tier

BASELINE = "baseline"
"""Used instead of an architecture: the control's name is then a scheme of ``files.scheme``, or ``SIDE_ONLY``."""

ORACLE = "oracle"
"""Used instead of an architecture: WZ-ROI trained and used with the true class's map of x, as in the published code."""

SIDE_ONLY = "side_only"
"""The judge on the side image only, with nothing sent."""


class Side(NamedTuple):
    """One side of a comparison: a network, one of its controls, or (no name) a baseline at a bandwidth ratio.

    ``rate`` is 1/rho of a baseline or a flexible network.
    """

    name: str
    control: str = ""
    rate: int = 0
    tier: Tier = "lite"

    def value(self, metric: str, folder: Path) -> Value | None:
        """The measured value at 5 dB."""
        if self.control == SIDE_ONLY:
            return judged("side", self.tier, folder) if metric == "accuracy" else None
        if not self.name:
            return dict(scheme(self.rate, self.control, metric, self.tier, folder)).get(HEADLINE_DB)
        network = results(self.name, folder, self.rate or None)
        return network.at(metric, control=self.control) if network else None

    def recipe(self, folder: Path) -> str:
        """How the network was trained; empty for a baseline, a flexible network, or where nothing says."""
        if not self.name or ModelName.parse(self.name).flexible:
            return ""
        network = results(self.name, folder)
        return network.recipe if network else ""

    def images(self, metric: str, folder: Path) -> Tensor | None:
        """Each image's value at 5 dB; ``None`` if they are not stored."""
        return per_image(self.name, metric, self.control, folder, self.rate) if self.name else None


class Difference(NamedTuple):
    """``first`` minus ``second`` at 5 dB with a 95 % interval; ``paired`` if computed image by image."""

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

    def to_text(self) -> str:
        """``+0.31 ± 0.02 dB``."""
        kind = METRICS[self.metric]
        unit = " points" if kind.unit == "%" else f" {kind.unit}" * bool(kind.unit)
        digits = kind.digits + (self.metric == "accuracy")
        return f"{self.mean * kind.scale:+.{digits}f} ± {self.ci95 * kind.scale:.{digits}f}{unit}"


def difference(metric: str, first: Side, second: Side, folder: Path = RESULTS) -> Difference | None:
    """Compare two networks or controls at 5 dB; ``None`` if one was not measured.

    Both saw the same images, and the same noise at equal rates. If values per image are available, the interval is that
    of the paired differences; otherwise the two intervals are added in quadrature, which is too wide.
    """
    one, other = (side.images(metric, folder) for side in (first, second))
    if one is not None and other is not None and one.shape == other.shape and bool((~(one - other).isnan()).any()):
        found = estimate(one - other)
        return Difference(metric, first, second, found.mean, found.ci95, True)
    a, b = (side.value(metric, folder) for side in (first, second))
    if a is None or b is None or a.ci95 is None or b.ci95 is None:
        return None
    return Difference(metric, first, second, a.mean - b.mean, math.hypot(a.ci95, b.ci95), False)


MIXED = "different recipes"
"""The verdict where one side was trained longer, or otherwise, than the other: the difference says nothing then."""

VERDICTS = ("holds", "does not hold", "only with the oracle", "holds in part", "undecided", MIXED, "not yet measured")


class Claim(NamedTuple):
    """A statement of the paper, as comparisons with an expected sign.

    Attributes:
        figure, text: where and what. metric: of ``METRICS``.
        first, second: (architecture, ``ORACLE`` or ``BASELINE``; control) of the two sides. stage: ``rec`` or ``task``.
        rates: 1/rho. expected: sign of first minus second; 0 claims "about equal", within ``tolerance``.
        oracle: the first side is WZ-ROI, so an oracle's map can be tried if the receiver's own map does not suffice.
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

    @property
    def part(self) -> str:
        """The figure without its letter."""
        return PARTS.get(self.figure, self.figure.rstrip("abcd"))

    def side(self, which: tuple[str, str], rate: int, tier: Tier) -> Side:
        """One of the two sides at a bandwidth ratio."""
        architecture, control = which
        if architecture == BASELINE:
            return Side("", control, rate, tier)
        if architecture == ORACLE:
            return Side(name_of(ROI, self.stage, rate, tier, oracle=True), control, rate)
        return Side(name_of(architecture, self.stage, rate, tier), control, rate)


WZ, ROI, SFT, FLEX = "deepjscc_wz", "deepjscc_wz_roi", "deepjscc_wz_sft", "wz_roi_flex"
PARTS = {"control": "Controls that the figures leave out", "flex": "Beyond the paper: one network for every rate"}

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
    Claim(
        "Fig. 6a", "An all-zero ROI costs accuracy", "accuracy", (ROI, ""), (ROI, "roi:zeros"), "task", (32,),
        oracle=True,
    ),
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
        (ROI, "roi:shuffled"), "task", oracle=True,
    ),
    Claim(
        "control", "An oracle's map pays: WZ-ROI with the map of x for its true class above WZ-ROI with the receiver's",
        "accuracy", (ORACLE, ""), (ROI, ""), "task",
    ),
    Claim(
        "control", "Trained on the oracle's map, WZ-ROI does as well with the receiver's own (within 1 point)",
        "accuracy", (ORACLE, "roi:side"), (ORACLE, ""), "task", expected=0, tolerance=0.01,
    ),
    Claim(
        "control", "Sending helps the task: WZ-ROI above the judge on the side image alone", "accuracy", (ROI, ""),
        (BASELINE, SIDE_ONLY), "task",
    ),
    Claim(
        "control", "Learned fusion beats pasting: WZ above DeepJSCC with the crop copied back", "psnr", (WZ, ""),
        ("deepjscc", "paste"), "rec",
    ),
    Claim(
        "control", "The network beats a linear scheme: WZ-ROI above linear analog Wyner-Ziv", "psnr", (ROI, ""),
        (BASELINE, "linear_wz"), "rec",
    ),
    Claim(
        "control", "The network beats a digital link: WZ-ROI above codec and 5G LDPC with the crop copied back", "psnr",
        (ROI, ""), (BASELINE, "link_paste"), "rec",
    ),
    Claim(
        "control", "The network beats ideal separate coding: WZ-ROI above AVIF at capacity with the crop copied back",
        "psnr", (ROI, ""), (BASELINE, "avif_mosaic_paste"), "rec",
    ),
)
"""The claims of the paper's figures, and further claims that its figures leave open."""

FLEX_CLAIMS = (
    Claim("flex", "The flexible network beats the paper's: Flex above WZ-ROI", "psnr", (FLEX, ""), (ROI, ""), "rec"),
    Claim(
        "flex", "It beats pasting: Flex above DeepJSCC with the crop copied back", "psnr", (FLEX, ""),
        ("deepjscc", "paste"), "rec",
    ),
    Claim(
        "flex", "It beats a linear scheme: Flex above linear analog Wyner-Ziv", "psnr", (FLEX, ""),
        (BASELINE, "linear_wz"), "rec",
    ),
    Claim(
        "flex", "It beats a digital link: Flex above codec and 5G LDPC with the crop copied back", "psnr", (FLEX, ""),
        (BASELINE, "link_paste"), "rec",
    ),
    Claim(
        "flex", "It beats ideal separate coding: Flex above AVIF at capacity with the crop copied back", "psnr",
        (FLEX, ""), (BASELINE, "avif_mosaic_paste"), "rec",
    ),
    Claim("flex", "Where the crop belongs is found: blind above no side image", "psnr", (FLEX, "blind"),
          (FLEX, "no_side"), "rec"),
    Claim(
        "flex", "Another picture's side image does no harm: as good as none (within 0.2 dB)", "psnr",
        (FLEX, "random_side"), (FLEX, "no_side"), "rec", expected=0, tolerance=0.2,
    ),
    Claim(
        "flex", "Its task network is more accurate than the paper's: Flex above WZ-ROI", "accuracy", (FLEX, ""),
        (ROI, ""), "task",
    ),
)  # fmt: skip
"""The aims of the flexible network; judged once it is measured."""


class Finding(NamedTuple):
    """A claim's verdict, one of ``VERDICTS``, and the differences behind it by rate.

    ``oracle``: those that support it if only the oracle's map does.
    """

    claim: Claim
    verdict: str
    evidence: dict[int, Difference]
    oracle: Mapping[int, Difference] = MappingProxyType({})

    def to_text(self) -> str:
        """The evidence in a line: ``1/32: +0.31 ± 0.02 dB · 1/16: ...``."""
        text = _line(self.evidence)
        return f"{text}; with the oracle {_line(self.oracle)}" if self.oracle else text


def _line(evidence: Mapping[int, Difference]) -> str:
    return " · ".join(f"1/{rate}: {found.to_text()}" for rate, found in evidence.items())


def _compare(claim: Claim, tier: Tier, folder: Path, first: Sequence[Side]) -> dict[int, Difference]:
    found = {}
    for rate, side in zip(claim.rates, first, strict=True):
        other = claim.side(claim.second, rate, tier)
        if (one := difference(claim.metric, side, other, folder)) is not None:
            found[rate] = one
    return found


def _mixed(evidence: Mapping[int, Difference], folder: Path) -> bool:
    """Whether a difference is one between networks that were trained by different recipes."""
    pairs = [(one.first.recipe(folder), one.second.recipe(folder)) for one in evidence.values()]
    return any(first and second and first != second for first, second in pairs)


def _agrees(claim: Claim, found: Difference) -> bool | None:
    """Whether a difference supports the claim; ``None`` if its interval is inconclusive."""
    if claim.expected:
        return None if found.sign == 0 else found.sign == claim.expected
    if abs(found.mean) + found.ci95 <= claim.tolerance:
        return True
    return False if abs(found.mean) - found.ci95 > claim.tolerance else None


def judge_claim(claim: Claim, tier: Tier, folder: Path = RESULTS) -> Finding:
    """The verdict according to the measurements."""
    sides = [claim.side(claim.first, rate, tier) for rate in claim.rates]
    evidence = _compare(claim, tier, folder, sides)
    if len(evidence) < len(claim.rates):
        return Finding(claim, "not yet measured", evidence)
    if _mixed(evidence, folder):
        return Finding(claim, MIXED, evidence)
    votes = [_agrees(claim, found) for found in evidence.values()]
    if all(votes):
        return Finding(claim, "holds", evidence)
    if claim.oracle and (oracle := _with_oracle(claim, tier, folder)):
        return Finding(claim, "only with the oracle", evidence, oracle)
    if any(votes):
        return Finding(claim, "holds in part", evidence)
    return Finding(claim, "undecided" if None in votes else "does not hold", evidence)


def _with_oracle(claim: Claim, tier: Tier, folder: Path) -> dict[int, Difference]:
    """The evidence for a claim from the oracle: a network trained on its map, else that map given to the usual network.

    Empty if neither supports it. A claim about one network's maps is then tested on those networks with another map.
    """
    first, second = claim.first, claim.second
    trained = claim._replace(first=(ORACLE, ""), second=(ORACLE, second[1]) if second[0] == first[0] else second)
    for one in (trained, claim._replace(first=(first[0], "roi:source+label"))):
        evidence = _compare(one, tier, folder, [one.side(one.first, rate, tier) for rate in one.rates])
        complete = len(evidence) == len(one.rates) and not _mixed(evidence, folder)
        if complete and all(_agrees(one, found) for found in evidence.values()):
            return evidence
    return {}


def findings(tier: Tier, folder: Path = RESULTS) -> list[Finding]:
    """Every claim of the paper with its verdict, and those of the flexible network if it was measured."""
    found = [judge_claim(claim, tier, folder) for claim in (*CLAIMS, *FLEX_CLAIMS)]
    return [one for one in found if one.claim.figure != "flex" or one.evidence]


RIVALS = {
    "deepjscc_paste": "paste", "linear_wz": "linear analog Wyner-Ziv", "linear": "linear analog",
    "link_paste": "digital link + paste", "link_unsent": "digital link (crop never sent)", "link": "digital link",
    "avif_mosaic_paste": "AVIF at capacity + paste", "avif_mosaic_unsent": "AVIF at capacity (crop never sent)",
    "avif_mosaic": "AVIF at capacity", SIDE_ONLY: "the side image alone",
}
"""What a network is compared with at 5 dB; those that use the side image only if the network does."""


def uses_side(key: str) -> bool:
    """Whether a control or a scheme of ``zoo.results.files.scheme`` uses the receiver's side image."""
    return key.endswith(("_paste", "_unsent")) or "_wz" in key or key == SIDE_ONLY



def _rival(key: str, name: ModelName, rate: int) -> Side:
    tier: Tier = "lite" if name.lite else "paper"
    if key == "deepjscc_paste":
        return Side(name_of("deepjscc", name.stage, rate, tier), "paste")
    return Side("", key, rate, tier)


def beaten_by(name: ModelName, rate: int, folder: Path = RESULTS, metric: str = "psnr") -> list[str]:
    """The controls and baselines whose value at 5 dB and 1/rate is above the network's by more than the interval."""
    sided = name.architecture != "deepjscc"
    rivals = [key for key in RIVALS if sided == uses_side(key)]
    found = {key: difference(metric, Side(str(name), rate=rate), _rival(key, name, rate), folder) for key in rivals}
    return [RIVALS[key] for key, one in found.items() if one is not None and one.sign < 0]
