"""ROI maps by origin and by hand: the painted grid, what each map changes, and the Region of interest page."""

from __future__ import annotations

import base64
import csv
import io
import json
import subprocess
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from streamlit.testing.v1 import AppTest

import zoo
from explorer.compute import engine, pair_sources, roi_comparison
from explorer.export import roi as export
from explorer.pages import roi as page
from explorer.server import api
from tests.support.shared import ROOT, pictures
from wzroi import images
from wzroi.channel import sample_channel
from wzroi.link import run_link
from wzroi.roi import ROI_ORIGINS, roi_map
from zoo.serving import painted_roi

MODEL = "deepjscc_wz_roi.rec_r16_lite"
CAT = "gallery:cifar-0"
GRID = "0" * 32 + "3210" * 8
ASK = engine.Request(CAT, (MODEL,), 3.0, roi=painted_roi.PREFIX + GRID, seed=4)


@pytest.fixture(autouse=True)
def in_use(explorer_zoo: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The fixture zoo behind the explorer."""
    monkeypatch.setenv("WZROI_ZOO", str(explorer_zoo))
    engine.forget_zoo_index()
    yield
    engine.forget_zoo_index()


@pytest.fixture
def done() -> roi_comparison.Comparison:
    return roi_comparison.compare(ASK)


# ---- the painted map ----------------------------------------------------------------------------------------------


def test_a_painted_map_is_the_grid_drawn_large() -> None:
    cell = painted_roi.painted_map(painted_roi.PREFIX + "3" + "0" * 63, (32, 32))[0, 0]
    assert cell.shape == (32, 32)
    assert float(cell[:2, :2].min()) == 1 and float(cell[8:].max()) == 0
    full = painted_roi.painted_map(painted_roi.PREFIX + "3" * 64, (48, 80))
    assert torch.allclose(full, torch.ones(1, 1, 48, 80)) and float(full.max()) <= 1
    assert float(painted_roi.painted_map(painted_roi.PREFIX + "1" * 64, (32, 32)).mean()) == pytest.approx(1 / 3)


@given(st.text(alphabet="0123", min_size=64, max_size=64))
@settings(max_examples=30, deadline=None)
def test_a_map_of_the_grids_size_is_the_grid_again(digits: str) -> None:
    assert painted_roi.as_painted(painted_roi.painted_map(painted_roi.PREFIX + digits, (8, 8))[0]) == digits


@pytest.mark.parametrize("digits", ["", "0" * 63, "0" * 65, "4" * 64, "٣" * 64, "-" * 64])
def test_a_bad_grid_is_a_sentence(digits: str) -> None:
    with pytest.raises(engine.RequestError, match="64 digits"):
        ASK._replace(roi=painted_roi.PREFIX + digits).checked()
    with pytest.raises(engine.RequestError):
        ASK._replace(roi="paint").checked()


# ---- the comparison -----------------------------------------------------------------------------------------------


def test_every_origin_is_what_run_link_gives(done: roi_comparison.Comparison) -> None:
    assert [one.name for one in done.found] == ["painted", *(name for name, row in ROI_ORIGINS.items() if row.shown)]
    network, judge = zoo.load(MODEL, "cpu"), zoo.load_judge("resnet_lite.cifar10", "cpu")
    pair = pair_sources.find_entry(CAT).pair
    for one in done.found:
        if one.name in ("shuffled", "normal"):
            continue
        own = painted_roi.painted_map(ASK.roi, (32, 32)) if one.name == "painted" else roi_map(judge, pair, one.name)
        channel = sample_channel("awgn", 3.0, 1, 192, generator=torch.Generator().manual_seed(4))
        report = run_link(network, pair, channel, own, judge)
        assert torch.allclose(one.roi, own[0])
        assert torch.allclose(one.result.picture, report.reconstruction, atol=1e-5)
        assert one.result.psnr == pytest.approx(float(report.psnr), abs=1e-3)
        assert one.result.probabilities == pytest.approx(report.logits.softmax(1)[0].tolist(), abs=1e-4)


def test_the_change_says_where_the_error_goes_down() -> None:
    entry = pair_sources.find_entry(CAT)
    source = entry.pair.source
    blank = engine.VariantResult(MODEL, "", 192, source + 0.2, 10.0, 0.5, None, None)
    better = blank._replace(picture=source.clone(), psnr=12.0)
    better.picture[..., 16:, :] += 0.4
    upper = torch.zeros(1, 1, 32, 32)
    upper[..., :16, :] = 1
    change = roi_comparison.change_of(entry, better, blank, upper)
    assert change == pytest.approx((2.0, -1.0, 3.0), abs=1e-3)
    assert roi_comparison.change_of(entry, better, blank, 0 * upper).inside is None
    known = blank._replace(picture=torch.cat([source[..., :16, :] + 1e-3, source[..., 16:, :] + 0.2], dim=2))
    assert roi_comparison.change_of(entry, better, known, upper).inside is None, "no error there, so nothing to compare"
    shown = roi_comparison.change_map(entry, better, blank)
    blue, orange = shown[0, 0].astype(int), shown[31, 0].astype(int)
    assert blue[2] > blue[0] + 50 and orange[0] > orange[2] + 50


def test_a_painted_map_lies_where_the_receivers_own_does(done: roi_comparison.Comparison) -> None:
    found = {one.name: one for one in done.found}
    moved = found["painted"].roi_on_source[0]
    assert torch.equal(moved[12:, 12:], found["painted"].roi[0, :20, :20])
    assert float(moved[:12].max()) == 0
    assert torch.equal(found["source"].roi_on_source, found["source"].roi)


def test_without_a_true_class_there_is_no_oracle_of_it() -> None:
    done = roi_comparison.compare(ASK._replace(pair="gallery:motorcycle"))
    assert "source+label" not in [one.name for one in done.found]
    assert len(done.found) == 6


@pytest.mark.parametrize("changes, reason", [
    ({"models": ("deepjscc_wz.rec_r16_lite",)}, "takes no ROI map"), ({"models": ()}, "one network"),
    ({"models": (MODEL, "deepjscc_wz_roi.rec_r32_lite")}, "one network"), ({"snr_db": 99.0}, "snr_db"),
])
def test_what_cannot_be_compared_is_a_sentence(changes: dict[str, object], reason: str) -> None:
    with pytest.raises(engine.RequestError, match=reason):
        roi_comparison.compare(ASK._replace(**changes))


def test_the_route_sends_every_tile(done: roi_comparison.Comparison) -> None:
    query = {"pair": CAT, "models": MODEL, "snr": "3", "seed": "4", "roi": ASK.roi, "seq": "7"}
    status, body = api.answer(query, compute=api.roi_maps)
    assert (status, body["seq"], len(body["cards"])) == (200, 7, 7)
    sheet = np.asarray(Image.open(io.BytesIO(base64.b64decode(body["sheet"]))))
    assert sheet.shape == (32 * (2 + 4 * 7), 32, 4)
    one, card = done.found[2], body["cards"][2]
    tile = sheet[32 * card["picture"] : 32 * card["picture"] + 32, :, :3]
    assert np.array_equal(tile, images.to_pixels(one.result.picture[0]))
    zeros = next(card for card in body["cards"] if card["origin"] == "zeros")
    assert zeros["gain"] == 0 and zeros["inside"] is None
    flat = sheet[32 * zeros["change"] : 32 * zeros["change"] + 32, :, :3]
    assert len(np.unique(flat.reshape(-1, 3), axis=0)) == 1
    assert len(body["side_grid"]) == 64
    status, body = api.answer(query | {"roi": "painted:12"}, compute=api.roi_maps)
    assert status == 400 and "64 digits" in body["error"]


def test_the_signed_map_is_symmetric_about_near_white() -> None:
    shown = images.signed_map(torch.tensor([[-1.0, 0.0, 1.0, torch.nan]]), 0.5)
    assert shown[0, 1].min() > 235
    assert shown[0, 0].tolist() == [8, 48, 107] and shown[0, 2].tolist() == [127, 39, 4]
    assert shown[0, 3].tolist() == shown[0, 1].tolist()
    with pytest.raises(ValueError, match="scale"):
        images.signed_map(torch.zeros(2, 2), 0)
    with pytest.raises(ValueError, match=r"\[H, W\]"):
        images.signed_map(torch.zeros(3, 2, 2))


# ---- what is taken away, and the page -----------------------------------------------------------------------------


def test_the_numbers_are_taken_away_whole(done: roi_comparison.Comparison) -> None:
    told = json.loads(export.as_json(done))
    assert told["setting"]["roi"] == ASK.roi and told["versions"]["torch"] == torch.__version__
    rows = list(csv.DictReader(io.StringIO(export.as_csv(done))))
    assert [row["origin"] for row in rows] == [one.name for one in done.found]
    assert [float(row["psnr_db"]) for row in rows] == [one.result.psnr for one in done.found]
    assert [row["oracle"] for row in rows].count("True") == 2
    assert {(row["seed"], row["snr_db"]) for row in rows} == {("4", "3.0")}


def test_the_lines_print_the_numbers(done: roi_comparison.Comparison) -> None:
    lines = export.python_lines(done, "cpu")
    ran = subprocess.run([sys.executable, "-c", lines], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    printed = ran.stdout.splitlines()
    assert len(printed) == len(done.found)
    for one, line in zip(done.found, printed, strict=True):
        assert line.startswith(f"{one.name}: PSNR {one.result.psnr:.2f} dB, SSIM {one.result.ssim:.3f}, "
                               f"ROI-PSNR {one.result.roi_psnr:.2f} dB, ")


def test_a_flexible_network_is_compared_at_the_asked_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    """The zoo's own: its crop is known, so in the maps that lie there no error is left to compare."""
    monkeypatch.delenv("WZROI_ZOO")
    engine.forget_zoo_index()
    flexible = "wz_roi_flex.rec_lite"
    assert flexible in [one.id for one in page.guided(engine.catalogue())]
    done = roi_comparison.compare(ASK._replace(models=(flexible,), rate=Fraction(24)), engine.Engine("cpu"))
    found = {one.name: one for one in done.found}
    assert {one.result.symbols for one in done.found} == {128}
    assert found["painted"].change.inside is None and found["source"].change.inside is not None
    network, judge = zoo.load(flexible, "cpu"), zoo.load_judge(done.judge, "cpu")
    channel = sample_channel("awgn", 3.0, 1, 128, generator=torch.Generator().manual_seed(4))
    report = run_link(network, done.entry.pair, channel, roi_map(judge, done.entry.pair, "source"), judge)
    assert torch.allclose(found["source"].result.picture, report.reconstruction, atol=1e-5)
    assert "symbols_at(model, *entry.size, 24)" in export.python_lines(done, "cpu")


def test_an_upload_has_no_lines() -> None:
    pair, source = pair_sources.upload_pair(pictures(1), None, 32)
    key = pair_sources.UPLOADS.put(pair, "a picture", source)
    done = roi_comparison.compare(ASK._replace(pair=key))
    with pytest.raises(engine.RequestError, match="everyone has"):
        export.python_lines(done, "cpu")


def opened(**query: str) -> AppTest:
    app = AppTest.from_string("import explorer.pages.roi as shown\nshown.render()", default_timeout=120)
    for key, value in query.items():
        app.query_params[key] = value
    return app.run()


def test_the_page_keeps_its_link() -> None:
    app = opened(grid=GRID, network="deepjscc_wz_roi.task_lite", snr="7", rate="32")
    assert not app.exception and not app.error and not app.warning
    assert app.query_params["rate"] == "16", "the nearest rate that the network has"
    kept = {key: app.query_params[key] for key in ("grid", "network", "snr")}
    assert kept == {"grid": GRID, "network": "deepjscc_wz_roi.task_lite", "snr": "7"}
    assert "variants" not in app.query_params
    assert not app.code, "nobody asked for the lines"
    app.toggle(key="roi_take_away").set_value(True).run()
    assert len(app.code) == 1 and GRID in app.code[0].value and "task_r16_lite" in app.code[0].value


def test_a_bad_link_is_told() -> None:
    app = opened(grid="7", network="resnet")
    assert not app.exception and not app.error
    assert "64 digits" in app.warning[0].value and "resnet" in app.warning[0].value
    assert app.query_params["grid"] == page.START


def test_the_component_reports_only_what_can_be() -> None:
    networks = page.guided(engine.catalogue())
    assert [one.id for one in networks] == ["deepjscc_wz_roi.rec_lite", "deepjscc_wz_roi.task_lite"]
    choice = page.Choice(networks[0].id, GRID)
    choice.apply_report({"network": "deepjscc.rec_lite", "grid": "x"}, networks)
    assert (choice.network, choice.grid) == (networks[0].id, GRID)
    choice.apply_report({"network": networks[1].id, "grid": "1" * 64}, networks)
    assert (choice.network, choice.grid) == (networks[1].id, "1" * 64)
    assert json.dumps(page.roi_data(choice, networks))
