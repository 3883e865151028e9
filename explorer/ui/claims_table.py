"""The paper's claims, each with the verdict of the stored measurements."""

from __future__ import annotations

import html
from itertools import groupby

import streamlit as st

from zoo.results.claims import Finding, findings
from zoo.results.tables import Tier

COLOURS = {
    "holds": "#15803d", "does not hold": "#b91c1c", "only with the oracle": "#7e22ce", "holds in part": "#a16207",
    "undecided": "#52525b", "different recipes": "#52525b", "not yet measured": "",
}
"""Verdict -> badge colour (with white text); none: an outline."""

STYLE = """<style>
.wz-claims { border-collapse: collapse; width: 100%; font-size: .95rem; }
.wz-claims th, .wz-claims td {
  text-align: left; vertical-align: top; padding: .45rem .7rem; border-bottom: 1px solid rgba(128, 128, 128, .3);
}
.wz-claims th { font-weight: 600; }
.wz-claims .badge {
  display: inline-block; white-space: nowrap; font-weight: 600; font-size: .85rem; line-height: 1.5;
  padding: 0 .6rem; border-radius: 1rem; border: 1px solid rgba(128, 128, 128, .6);
}
.wz-claims .part { padding-top: 1rem; opacity: .75; font-size: .85rem; font-weight: 600; }
.wz-claims .evidence { font-variant-numeric: tabular-nums; }
@media (max-width: 640px) {
  .wz-claims thead { display: none; }
  .wz-claims tr { display: block; padding: .5rem 0; border-bottom: 1px solid rgba(128, 128, 128, .3); }
  .wz-claims td { display: block; border: 0; padding: .1rem 0; }
}
</style>"""
HEADINGS = ("Claim", "Verdict", "Difference at 5 dB, 95 % interval")


def _claim(found: Finding) -> str:
    """A claim's text, with the letter of its panel."""
    figure = found.claim.figure
    return f"({figure[-1]}) {found.claim.text}" if figure[-1] in "abcd" else found.claim.text


def _badge(verdict: str) -> str:
    colour = COLOURS[verdict]
    style = f' style="background: {colour}; border-color: {colour}; color: #fff"' if colour else ""
    return f'<span class="badge"{style}>{html.escape(verdict)}</span>'


def _row(found: Finding) -> str:
    evidence = html.escape(found.to_text() or "–")
    text = html.escape(_claim(found))
    return f'<tr><td>{text}</td><td>{_badge(found.verdict)}</td><td class="evidence">{evidence}</td></tr>'


def table(found: list[Finding]) -> str:
    """HTML: the claims by figure, in their order."""
    head = "".join(f"<th>{text}</th>" for text in HEADINGS)
    body = ""
    for part, claims in groupby(found, key=lambda one: one.claim.part):
        body += f'<tr><td class="part" colspan="3">{html.escape(part)}</td></tr>' + "".join(_row(one) for one in claims)
    return f'<table class="wz-claims"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def render(tier: Tier) -> None:
    """Draw the table with the rule behind the verdicts."""
    st.header("What the paper claims, and what these measurements say", anchor=False)
    st.html(STYLE + table(findings(tier)))
    st.caption(
        "Verdicts are computed: a claim holds if the interval of the difference lies on the claimed side of zero at "
        "every rate; “about equal” claims state their tolerance. Differences between networks are paired by image."
    )
