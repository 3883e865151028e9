"""The explorer with a flexible network beside the paper's: every rate, encoded once, and the same numbers again."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest
import torch
from starlette.applications import Starlette
from starlette.testclient import TestClient
from streamlit.testing.v1 import AppTest

from explorer.compute import draws, engine, stereo, sweep
from explorer.compute.pair_sources import find_entry
from explorer.export import snippet
from explorer.server import routes
from explorer.ui import component, layout, state, sweep_plot
from tests.support.shared import ROOT
from tests.support.zoo_runs import write_flex_run, write_judge_run, write_link_run
from training.fit.publish import publish
from wzroi import roi_map, run_link, sample_channel
from wzroi.networks.flex import FlexJSCC
from wzroi.pairs import make_pair
from zoo.rates import SERVED
from zoo.serving.gallery import gallery_entry

FLEX = "wz_roi_flex.rec_lite"
PAPER = ["deepjscc.rec_r16_lite", "deepjscc.rec_r32_lite", "deepjscc_wz_roi.rec_r16_lite"]
CAT = "gallery:cifar-0"
ODD = Fraction(96, 5)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A flexible network, three of the paper's and a judge; not to be altered."""
    folder = tmp_path_factory.mktemp("flexible")
    runs = [write_judge_run(folder), write_flex_run(folder), *(write_link_run(folder, name) for name in PAPER)]
    for run in runs:
        publish(run, folder / "zoo")
    return folder / "zoo"


@pytest.fixture(autouse=True)
def in_use(store: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("WZROI_ZOO", str(store))
    monkeypatch.delenv("WZROI_REPO", raising=False)
    engine.forget_zoo_index()
    engine.ENGINE.forget()
    yield
    engine.forget_zoo_index()
    engine.ENGINE.forget()


def make_request(**changes: object) -> engine.Request:
    return engine.Request(CAT, (FLEX,))._replace(**changes)


def test_the_catalogue_offers_every_rate_and_the_first_view_has_it() -> None:
    variants = engine.catalogue()
    assert [v.id for v in variants] == ["deepjscc.rec_lite", "deepjscc_wz_roi.rec_lite", "wz_roi_flex.rec_lite"]
    view = state.default_view(variants)
    assert view.variants == tuple(v.id for v in variants) and view.rate == 16
    assert view.request(variants).models == (PAPER[0], PAPER[2], FLEX)
    told = component.bench_data(view, variants, 0, "", False)
    assert list(told["catalogue"][2]["names"]) == [str(rate) for rate in SERVED] and told["view"]["rate"] == "16"
    assert told["shapes"][FLEX] == {"window": 32, "values": 768}


@pytest.mark.parametrize("text", [str(rate) for rate in SERVED])
def test_a_link_carries_every_rate(text: str) -> None:
    variants = engine.catalogue()
    view, notices = state.read_query({"rate": text, "variants": "wz_roi_flex.rec_lite"}, variants)
    assert notices == [] and view.to_query()["rate"] == text
    assert state.read_query(view.to_query(), variants) == (view, [])
    assert view.request(variants) == make_request(rate=Fraction(text))
    assert state.read_component({"rate": text}, state.View(), variants).rate == Fraction(text)


def test_a_rate_that_the_chosen_networks_lack_is_told() -> None:
    variants = engine.catalogue()
    view, notices = state.read_query({"rate": "96/5", "variants": "deepjscc.rec_lite"}, variants)
    assert view.rate == 16 and notices == ["No chosen variant has the bandwidth ratio 5/96; using 1/16."]
    assert state.read_query({"rate": "7"}, variants)[1][0].startswith("The link has rate=7, which must be 1/rho")


@pytest.mark.parametrize("rate", [Fraction(96), ODD, Fraction(8)])
@pytest.mark.parametrize("channel", ["awgn", "rayleigh"])
def test_a_frame_is_what_run_link_gives(rate: Fraction, channel: str) -> None:
    frame = engine.ENGINE.frame(make_request(rate=rate, snr_db=3.5, seed=4, channel=channel))
    model, judge = engine.ENGINE.model(FLEX), engine.ENGINE.judge("resnet_lite.cifar10")
    assert isinstance(model, FlexJSCC)
    pair = find_entry(CAT).pair
    symbols = model.num_symbols(32, 32, rho=float(1 / rate))
    state_ = sample_channel(channel, 3.5, 1, symbols, generator=torch.Generator().manual_seed(4))
    report = run_link(model, pair, state_, roi_map(judge, pair), judge)
    card = frame.results[0]
    assert (card.symbols, card.title) == (round(3072 / rate), "WZ-ROI-Flex (rec)")
    assert torch.equal(card.picture, report.reconstruction) and card.psnr == pytest.approx(report.psnr.item())
    assert (frame.paste is not None) == (rate == 16)  # pasted over DeepJSCC, which has rates of its own


def test_the_paste_control_comes_from_the_deepjscc_of_the_rate() -> None:
    paste = engine.ENGINE.frame(make_request(rate=Fraction(32))).paste
    assert paste is not None and paste.model == "deepjscc.rec_r32_lite"


def test_it_is_encoded_once_for_all_rates_and_snrs(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    for name in ("encode", "encode_side", "modulate", "decode"):
        real = getattr(FlexJSCC, name)

        def counted(self: FlexJSCC, *args: object, name: str = name, real: object = real, **kwargs: object) -> object:
            calls.append(name)
            return real(self, *args, **kwargs)  # type: ignore[operator]

        monkeypatch.setattr(FlexJSCC, name, counted)
    fresh = engine.Engine("cpu")
    for rate, snr_db in ((96, 0.0), (ODD, 0.0), (8, 0.0), (8, 12.0)):
        fresh.frame(make_request(rate=Fraction(rate), snr_db=snr_db))
    assert [calls.count(name) for name in ("encode", "encode_side", "modulate", "decode")] == [1, 1, 4, 4]


def test_the_route_takes_a_rate() -> None:
    client = TestClient(Starlette(routes=routes.routes()))
    body = client.get("/wzroi/frame", params={"pair": CAT, "models": FLEX, "rate": "96/5"}).json()
    assert body["cards"][0]["symbols"] == 160 and body["ask"]["rate"] == "96/5"
    card = body["cards"][0]
    assert (card["flexible"], card["side"], card["guidance"]) == (True, True, "none")
    plain = client.get("/wzroi/frame", params={"pair": CAT, "models": PAPER[1]}).json()["cards"][0]
    assert plain["symbols"] == 96 and not plain["flexible"]


def test_a_moved_side_image_has_no_placement_and_a_crop_has_one() -> None:
    assert find_entry(CAT).pair.placement is not None
    assert gallery_entry("motorcycle").pair.placement is None
    images = gallery_entry("cifar-0").pair.source
    assert make_pair(images, None, "stereo", images.roll(3, 3)).placement is None


def test_draws_begin_with_the_frame_and_believe_what_they_are_told() -> None:
    entry = find_entry(CAT)
    first = engine.ENGINE.frame(make_request(rate=ODD, seed=3)).results[0]
    found = draws.draw(entry, FLEX, "awgn", 5.0, 3, 5, rate=ODD)
    assert len(found.sent) == 160 and found.psnr[0].item() == pytest.approx(first.psnr, abs=1e-4)
    assert found.power == pytest.approx(1.0, abs=1e-4)
    wrong = draws.draw(entry, FLEX, "awgn", 5.0, 3, 5, "side", 15.0, ODD)
    assert (wrong.pictures - found.pictures).abs().max() > 1e-4  # both ends took the channel for a better one
    assert draws.draw(entry, PAPER[0], "awgn", 5.0, 3, 2, rate=ODD).sent.shape == (192,)


def test_the_python_lines_give_its_numbers_again(store: Path) -> None:
    asked = engine.Request(CAT, (PAPER[0], FLEX), 4.0, rate=Fraction(16))
    for one in (asked, make_request(rate=ODD, roi="zeros", seed=2)):
        frame = engine.ENGINE.frame(one)
        text = snippet.python_lines(frame, {name: "resnet_lite.cifar10" for name in one.models}, "cpu")
        done = subprocess.run([sys.executable, "-c", text], cwd=ROOT, env=os.environ | {"WZROI_ZOO": str(store)},
                              capture_output=True, text=True, check=False)  # fmt: skip
        assert done.returncode == 0, done.stderr
        for card in frame.results:
            assert re.search(rf"^{re.escape(card.model)}: PSNR {card.psnr:.2f} dB", done.stdout, re.M), done.stdout


def test_a_sweep_over_rate_has_its_twelve_points_and_what_was_measured(tmp_path: Path) -> None:
    variants = engine.catalogue()
    steps = sweep.rate_steps([v.names for v in variants], 5.0)
    own = [step for step in steps if step.model == FLEX]
    assert [step.x for step in own] == pytest.approx([c / 96 for c in range(1, 13)])
    plan = sweep.Plan(CAT, "rate", steps, "awgn", "side", 0, 1)
    points = [point for step in own[3:6] for point in sweep.points_of(plan, find_entry(CAT), step)]
    frames = [engine.ENGINE.frame(make_request(rate=step.rate)).results[0].psnr for step in own[3:6]]
    assert [point.psnr for point in points] == pytest.approx(frames, abs=1e-4)
    write_results(tmp_path)
    curves = {one.title: one.points for one in sweep_plot.committed(plan, "psnr", tmp_path)}
    assert [(round(1 / point.x), point.value.mean) for point in curves["WZ-ROI-Flex (rec), test set"]] == [
        (32, 21.0), (16, 22.0),
    ]  # fmt: skip
    over_snr = sweep.Plan(CAT, "snr", sweep.snr_steps([FLEX], [0.0, 5.0], Fraction(32)), "awgn", "side", 0, 1)
    assert [p.value.mean for p in sweep_plot.committed(over_snr, "psnr", tmp_path)[0].points] == [20.0, 21.0]
    nowhere = sweep.Plan(CAT, "snr", sweep.snr_steps([FLEX], [0.0], ODD), "awgn", "side", 0, 1)
    assert sweep_plot.committed(nowhere, "psnr", tmp_path) == []
    assert sweep_plot.bounds(nowhere, "psnr_of_mean_mse", tmp_path) == []


def write_results(folder: Path) -> None:
    """Results of the flexible network at two rates and two SNRs."""
    rows = [{"rate": rate, "snr_db": snr, "psnr_mean": 20.0 + (rate == 16) + snr / 5, "psnr_ci95": 0.1}
            for rate in (32, 16) for snr in (0.0, 5.0)]  # fmt: skip
    (folder / f"{FLEX}.json").write_text(json.dumps({"model": FLEX, "rows": rows}))


@pytest.mark.parametrize("tiled", [False, True])
def test_a_stereo_pair_is_sent_at_any_rate(tiled: bool) -> None:
    entry = gallery_entry("motorcycle")
    report = stereo.transmit_pair(entry.pair, FLEX, "awgn", 5.0, 0, tiled, ODD)
    height, width = entry.size
    assert report.reconstruction.shape == (1, 3, height, width)
    assert report.symbols.shape[1] == 160 * -(-height // 32) * -(-width // 32)
    assert stereo.needed_bytes(engine.ENGINE.model(FLEX).config, height, width, tiled) > 2**20


def test_pages_show_a_rate_for_it_alone() -> None:
    def script() -> None:
        from explorer.pages import channel as channel_page

        channel_page.render()

    app = AppTest.from_function(script, default_timeout=120).run()
    assert not app.exception and not [one for one in app.select_slider if one.key == "channel_rate"]
    app.selectbox[0].set_value(FLEX).run()
    assert not app.exception
    slider = next(one for one in app.select_slider if one.key == "channel_rate")
    assert len(slider.options) == 12 and slider.options[3:6] == ["1/24", "5/96", "1/16"] and slider.value == 16
    slider.set_value(ODD).run()
    assert not app.exception and "k = 160 complex symbols" in app.caption[0].value
    assert layout.choose_rate("deepjscc.rec_r16_lite", ODD, "x") == ODD


def test_the_stereo_page_offers_it_first() -> None:
    def script() -> None:
        from explorer.pages import stereo as stereo_page

        stereo_page.render()

    app = AppTest.from_function(script, default_timeout=120).run()
    assert not app.exception and app.selectbox(key="stereo_model").value == FLEX
    app.selectbox(key="stereo_size").set_value(160).run()
    app.select_slider(key="stereo_rate").set_value(Fraction(96)).run()
    next(button for button in app.button if button.label == "Send").click().run()
    assert not app.exception and any("ρ = 1/" in text.value and FLEX in text.value for text in app.markdown)


def test_the_cost_of_a_wide_picture_is_told_from_a_strip_as_wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its search reaches further in a wider picture, so a corner would tell too little; the others' would do."""
    probed: list[tuple[int, int]] = []
    monkeypatch.setattr(stereo, "transmit_pair", lambda pair, *_: probed.append(tuple(pair.source.shape[-2:])))
    pair = gallery_entry("motorcycle", full_size=True).pair
    stereo.cost(pair, FLEX, False)
    stereo.cost(pair, PAPER[0], False)
    assert probed == [(32, 96), (32, 741), (96, 96), (96, 96)]
