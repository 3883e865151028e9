"""The tables of claims: what the paper says, what its figures leave open, and what the measurements say to it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from training.reports.markdown import Table
from training.reports.networks import TIER_TITLES
from zoo.results import claims
from zoo.results.tables import Tier


def _note(found: list[claims.Finding]) -> str:
    """How often each verdict was given, and what the marks of those that are not the figures' mean."""
    count = Counter(one.verdict for one in found)
    verdicts = ", ".join(f"{verdict} {count[verdict]}" for verdict in claims.VERDICTS if count[verdict])
    marks = dict.fromkeys(one.claim.figure for one in found if one.claim.figure in claims.PARTS)
    return " ".join([f"Of {len(found)}: {verdicts}.", *(f"`{mark}`: {claims.PARTS[mark]}." for mark in marks)])


def claims_count(tier: Tier, folder: Path) -> str:
    """How many of the paper's own claims hold, controls left out: one sentence; empty where nothing was measured."""
    own = [one for one in claims.findings(tier, folder)
           if one.claim in claims.CLAIMS and one.claim.figure not in claims.PARTS]  # fmt: skip
    count = Counter(one.verdict for one in own)
    if set(count) <= {"not yet measured"}:
        return ""
    verdicts = ", ".join(f"{verdict} {count[verdict]}" for verdict in claims.VERDICTS if count[verdict])
    return f"Of {len(own)} claims of the paper, {TIER_TITLES[tier].lower()}: {verdicts}."


def claims_tables(tier: Tier, folder: Path, *, beyond: bool = True) -> list[Table]:
    """Verdict and difference of each claim; ``beyond``: those that go beyond the paper's networks too."""
    found = [one for one in claims.findings(tier, folder) if beyond or one.claim in claims.CLAIMS]
    if all(one.verdict == "not yet measured" for one in found):
        return []
    rows = [[one.claim.text, one.claim.figure, f"**{one.verdict}**", one.to_text() or "–"] for one in found]
    headings = ["Claim", "Where", "Verdict", "Difference at 5 dB (95 % interval)"]
    return [Table(f"The paper's claims, {TIER_TITLES[tier].lower()}", headings, rows, _note(found))]
