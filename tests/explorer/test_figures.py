"""The Figures page: what its toggles draw, its verdicts and its CSV, from the committed results."""

from __future__ import annotations

import csv
import io

import pytest
from streamlit.testing.v1 import AppTest

from explorer.pages.figures import BESIDE, Choice, series_of
from explorer.ui import claims_table
from zoo.results import figures, files
from zoo.results.claims import findings

DIGITAL = {
    "capacity": {"AVIF at capacity, header-free", "AVIF at capacity + paste", "AVIF at capacity, crop never sent",
                 "WebP at capacity, header-free", "JPEG 2000 at capacity, header-free"},
    "link": {"best codec over 5G LDPC, scheme chosen at each SNR", "the same + paste",
             "AVIF over 5G LDPC, crop never sent", "best codec over 5G LDPC, scheme kept from 5 dB"},
}


def titles(figure: str, setting: float, metric: str, *beside: str) -> set[str]:
    return {one.title for one in series_of(Choice(figure, setting, beside, "lite"), metric)}


@pytest.mark.parametrize("group", list(DIGITAL))
@pytest.mark.parametrize(("figure", "setting"), [("fig4", 32.0), ("fig4", 16.0), ("fig5", 32.0), ("fig5cd", 5.0)])
def test_a_toggle_draws_its_digital_curves_and_nothing_else(figure: str, setting: float, group: str) -> None:
    plain, more = titles(figure, setting, "psnr"), titles(figure, setting, "psnr", group)
    assert more - plain == DIGITAL[group] and plain <= more


def test_every_digital_point_is_a_row_of_the_file_and_of_the_csv() -> None:
    drawn = series_of(Choice("fig4", 32.0, ("capacity", "link"), "lite"), "psnr")
    rows = {(row["scheme"], row["rate"], row["snr_db"]): row for row in (files.read("digital") or {})["rows"]}
    keys = {one.title: one.key for group in ("capacity", "link") for one in figures.REFERENCES[group]}
    text = list(csv.DictReader(io.StringIO(figures.to_csv(drawn, "psnr", "snr_db"))))
    points = [(one, point) for one in drawn if one.kind == "baseline" for point in one.points]
    assert len(points) > 80 and len([line for line in text if line["kind"] == "baseline"]) == len(points)
    for one, point in points:
        row = rows[keys[one.title], 32, point.x]
        assert point.value == (row["psnr_mean"], row["psnr_ci95"]) and point.operating_point is not None
        line = next(line for line in text if (line["series"], line["snr_db"]) == (one.title, f"{point.x:g}"))
        assert (float(line["psnr"]), float(line["ci95"])) == point.value


def test_the_kept_scheme_falls_off_its_cliff() -> None:
    """Chosen for 5 dB and kept, the link loses most blocks below it and gains nothing above."""
    rows = {row["snr_db"]: row for row in (files.read("digital") or {})["rows"]
            if row["scheme"] == "link_fixed" and row["rate"] == 32}
    assert rows[0.0]["block_error_rate"] > 0.9 and rows[9.0]["block_error_rate"] < 0.01
    assert rows[5.0]["psnr_mean"] - rows[0.0]["psnr_mean"] > 3
    assert abs(rows[20.0]["psnr_mean"] - rows[9.0]["psnr_mean"]) < 0.1


def test_claims_about_digital_links_have_badges_of_their_own_verdicts() -> None:
    found = [one for one in findings("lite") if "digital link" in one.claim.text or "separate coding" in one.claim.text]
    figures = [one.claim.figure for one in found]
    assert figures == ["control"] * 2 + ["flex"] * 2 and all(one.verdict != "not yet measured" for one in found)
    text = claims_table.table(found)
    for one in found:
        assert f"background: {claims_table.COLOURS[one.verdict]}" in text and one.to_text() in text


def _page() -> None:
    from explorer.pages.figures import render

    render()


def test_the_page_runs_with_everything_beside_the_networks() -> None:
    page = AppTest.from_function(_page, default_timeout=120)
    page.run()
    assert not page.exception
    page.session_state["beside"] = list(BESIDE)
    page.run()
    assert not page.exception
    page.session_state["beside"] = ["link"]
    page.run()
    assert not page.exception
    assert sum("5G LDPC" in option for option in page.selectbox(key="figure-point").options) == 14


def test_figure_6_is_of_either_network() -> None:
    """The receiver's own map, or the true class's as in the published code: a choice that only this figure has."""
    app = AppTest.from_string("import explorer.pages.figures as shown\nshown.render()", default_timeout=120)
    app.query_params["figure"] = "fig6"
    app.run()
    assert not app.exception
    (map_of,) = [one for one in app.segmented_control if one.key == "fig6-map"]
    own, other = map_of.options
    for label, oracle in ((own, False), (other, True)):
        assert ("published" in label) == oracle
        drawn = series_of(Choice("fig6", 32.0, (), "lite", oracle), "accuracy")
        assert all(("oracle ROI)" in one.title) == oracle for one in drawn if "WZ-ROI" in one.title)
        assert len(drawn) >= 6
    map_of.set_value(other).run()
    assert not app.exception
    app.segmented_control(key="figure").set_value("fig4").run()
    assert not [one for one in app.segmented_control if one.key == "fig6-map"]
