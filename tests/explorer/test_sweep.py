"""Many draws, live sweeps and stereo pairs: their numbers against the link itself, and their pages."""

from __future__ import annotations

import csv
import io
import json
import math
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from streamlit.testing.v1 import AppTest

import zoo
from explorer.compute import draws, engine, pair_sources, stereo
from explorer.compute import sweep as sweeps
from explorer.pages import channel as channel_page
from explorer.pages import sweep as sweep_page
from explorer.ui import state, sweep_plot
from explorer.ui.channel_plots import peak_to_average_db, power_figure
from tests.support.shared import ROOT, pictures
from wzroi import Pair, make_pair
from wzroi.channel import apply_channel, sample_channel
from wzroi.link import run_link
from wzroi.metrics import psnr
from wzroi.pairs import CropPair
from wzroi.roi import roi_map
from zoo.errors import ZooError

SCRIPT = str(ROOT / "explorer" / "server" / "main.py")
FOUR = [f"{name}.rec_r16_lite" for name in ("deepjscc", "deepjscc_wz", "deepjscc_wz_sft", "deepjscc_wz_roi")]
CAT = "gallery:cifar-0"


@pytest.fixture(autouse=True)
def in_use(explorer_zoo: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The fixture zoo behind the explorer."""
    monkeypatch.setenv("WZROI_ZOO", str(explorer_zoo))
    engine.forget_zoo_index()
    yield
    engine.forget_zoo_index()


def plan(**changes: object) -> sweeps.Plan:
    steps = sweeps.snr_steps([FOUR[0], FOUR[3]], [0.0, 10.0])
    return sweeps.Plan(CAT, "snr", steps, "awgn", "side", 3, 4)._replace(**changes)


def ended(sweep: sweeps.Sweep, seconds: float = 60) -> sweeps.Sweep:
    sweep.join(seconds)
    assert not sweep.running
    return sweep


# ---- draws --------------------------------------------------------------------------------------------------------


def test_a_receiver_that_is_wrong_about_the_snr_gets_the_true_noise() -> None:
    generator = torch.Generator().manual_seed(0)
    channel = sample_channel("rayleigh_iid", 10.0, 1, 20_000, generator=generator)
    symbols = sample_channel("awgn", 0.0, 1, 20_000, generator=generator).noise
    wrong = draws.believing(channel, -5.0)
    assert draws.believing(channel, None) is channel
    gain, believed = wrong.gain, 10**0.5
    arrived = apply_channel(symbols, wrong) * (gain.abs().square() + believed) / gain.conj()
    noise = (arrived - gain * symbols).abs().square().mean()
    assert float(noise) == pytest.approx(0.1, rel=0.05), "10 dB, whatever the receiver believes"
    best = (apply_channel(symbols, channel) - symbols).abs().square().mean()
    assert (apply_channel(symbols, wrong) - symbols).abs().square().mean() > 1.2 * best


@pytest.mark.parametrize("count", [1, 2, 65, 200])
def test_the_first_draw_is_sent_alone_and_all_are_sent(count: int) -> None:
    sizes = draws.batches(count, 32, 32)
    assert (sizes[0], sum(sizes)) == (1, count)
    assert max(sizes) * 32 * 32 <= draws.DRAW_PIXELS
    assert draws.batches(3, 400, 400) == [1, 1, 1]


def test_power_figures_are_of_the_symbols() -> None:
    symbols = torch.tensor([1 + 1j, 0.5, -1j, 0])
    assert power_figure(symbols).data[0].y == pytest.approx([2, 0.25, 1, 0])
    assert peak_to_average_db(symbols) == pytest.approx(10 * math.log10(2 / 0.8125), abs=1e-3)


# ---- sweeps -------------------------------------------------------------------------------------------------------


def test_a_sweep_is_what_run_link_gives_and_its_paste_control() -> None:
    sweep = ended(sweeps.Sweep(plan(draws=1)).start())
    assert (sweep.done, sweep.message, sweep.cancelled) == (4, "", False)
    pair, judge = pair_sources.find_entry(CAT).pair, zoo.load_judge("resnet_lite.cifar10", "cpu")
    for model, snr in ((FOUR[0], 10.0), (FOUR[3], 0.0)):
        network = zoo.load(model, "cpu")
        channel = sample_channel("awgn", snr, 1, 192, generator=torch.Generator().manual_seed(3))
        report = run_link(network, pair, channel, roi_map(judge, pair), judge)
        own = [point for point in sweep.points if (point.model, point.x) == (model, snr)]
        assert own[0].psnr == own[0].psnr_of_mean_mse == pytest.approx(float(report.psnr), abs=1e-5)
        assert (own[0].ssim, own[0].roi_psnr) == pytest.approx((float(report.ssim), float(report.roi_psnr)), abs=1e-5)
        assert own[0].accuracy == float(report.logits.argmax() == 3)
        assert len(own) == (2 if model == FOUR[0] else 1)
        if model == FOUR[0]:
            copied = CropPair().paste(report.reconstruction, pair.side)
            assert own[1].title.endswith(sweeps.PASTE)
            assert own[1].psnr == pytest.approx(float(psnr(copied, pair.source)), abs=1e-5)


def test_draws_are_averaged() -> None:
    step = plan().steps[0]
    many = sweeps.points_of(plan(draws=40), pair_sources.find_entry(CAT), step)[0]
    sent = draws.draw(pair_sources.find_entry(CAT), step.model, "awgn", step.snr_db, 3, 40)
    assert many.psnr == pytest.approx(float(sent.psnr.double().mean()), abs=1e-4)
    assert many.psnr_std == pytest.approx(float(sent.psnr.double().std(unbiased=False)), abs=1e-4)
    assert many.psnr_std > 0 and many.psnr_of_mean_mse < many.psnr


def test_a_sweep_is_cancelled_between_points(monkeypatch: pytest.MonkeyPatch) -> None:
    real, sweep = sweeps.points_of, sweeps.Sweep(plan())

    def stop_after_one(*arguments: object) -> list[sweeps.Point]:
        sweep.cancel()
        return real(*arguments)

    monkeypatch.setattr(sweeps, "points_of", stop_after_one)
    ended(sweep.start())
    assert sweep.cancelled
    assert {point.model for point in sweep.points} == {FOUR[0]}, "what was computed stays"
    assert sweep.watch() < 1


def test_a_sweep_that_nobody_watches_ends_and_others_wait_their_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    turns = sweeps._TURNS
    for _ in range(sweeps.MAX_RUNNING):
        assert turns.acquire(timeout=10)
    waiting = sweeps.Sweep(plan()).start()
    time.sleep(0.3)
    assert waiting.running and not waiting.points
    monkeypatch.setattr(sweeps, "UNWATCHED_SECONDS", 0.0)
    ended(waiting)
    assert waiting.cancelled and not waiting.points
    monkeypatch.undo()
    for _ in range(sweeps.MAX_RUNNING):
        turns.release()


@pytest.mark.parametrize("pair, roi, reason", [("gallery:nowhere", "side", "no gallery pair"),
                                               ("gallery:motorcycle", "source+label", "true class")])
def test_a_sweep_that_cannot_be_done_says_why(pair: str, roi: str, reason: str) -> None:
    sweep = ended(sweeps.Sweep(plan(pair=pair, roi=roi)).start())
    assert reason in sweep.message


def test_a_network_that_is_gone_is_told_at_once() -> None:
    with pytest.raises(ZooError, match="r24"):
        sweeps.Sweep(plan(steps=sweeps.snr_steps(["deepjscc.rec_r24_lite"], [0.0]))).start()


@pytest.mark.parametrize("count", [0, 1, 2, 11, 26])
def test_coarse_points_come_first_and_none_is_left_out(count: int) -> None:
    values = [float(x) for x in range(count)]
    order = sweeps._coarse_first(values)
    assert sorted(order) == values
    if len(values) == 26:
        assert order.index(16.0) < order.index(8.0) < order.index(1.0)


def test_the_points_are_taken_away_whole() -> None:
    sweep = ended(sweeps.Sweep(plan()).start())
    rows = list(csv.DictReader(io.StringIO(sweeps.to_csv(sweep))))
    assert len(rows) == len(sweep.points) == 6
    assert [float(row["psnr"]) for row in rows] == [point.psnr for point in sweep.points]
    assert {(row["seed"], row["draws"], row["pair"]) for row in rows} == {("3", "4", CAT)}


def test_live_curves_lie_over_committed_ones_and_bounds(tmp_path: Path) -> None:
    rows = [{"snr_db": snr, "psnr_mean": 20.0 + snr, "psnr_ci95": 0.1, "psnr_of_mean_mse": 19.0} for snr in (0.0, 5.0)]
    for model in (FOUR[0], FOUR[0].replace("r16", "r32")):
        (tmp_path / f"{model}.json").write_text(json.dumps({"model": model, "rows": rows}))
    (tmp_path / f"{FOUR[3]}.json").write_text("{")  # damaged: the others are drawn
    limits = [{"rate": rate, "snr_db": snr, "none": 21.0, "paste": 22.0, "conditional": 23.0}
              for rate in (16, 32) for snr in (0.0, 5.0)]
    (tmp_path / "bounds.json").write_text(json.dumps({"bounds": limits}))
    sweep = ended(sweeps.Sweep(plan()).start())
    lines = sweep_plot.committed(sweep.plan, "psnr", tmp_path)
    assert [(line.title, len(line.points)) for line in lines] == [("DeepJSCC (rec), test set", 2)]
    assert sweep_plot.bounds(sweep.plan, "psnr", tmp_path) == []
    below = lines + sweep_plot.bounds(sweep.plan, "psnr_of_mean_mse", tmp_path)
    assert len(below) == 4
    figure = sweep_plot.draw(sweep, "psnr", below)
    live = [trace for trace in figure.data if trace.name.endswith("this picture")]
    assert len(figure.data) == 7 and len(live) == 3
    own = sorted((point.x, point.psnr) for point in sweep.points if point.title == "DeepJSCC (rec)")
    assert list(zip(live[0].x, live[0].y, strict=True)) == own
    rates = sweeps.rate_steps([{16: FOUR[0], 32: FOUR[0].replace("r16", "r32")}], 5.0)
    over_rate = plan(axis="rate", steps=rates)
    assert [point.x for point in sweep_plot.committed(over_rate, "psnr", tmp_path)[0].points] == [1 / 32, 1 / 16]
    bounded = sweep_plot.bounds(over_rate, "psnr_of_mean_mse", tmp_path)
    assert [[point.x for point in line.points] for line in bounded] == [[1 / 32, 1 / 16]] * 3
    elsewhere = plan(axis="rate", steps=sweeps.rate_steps([{16: FOUR[0]}], 2.5))
    assert sweep_plot.committed(elsewhere, "psnr", tmp_path) == [], "nothing was measured at 2.5 dB"


def opened(path: str, **values: str) -> AppTest:
    app = AppTest.from_string(f"import {path} as shown\nshown.render()", default_timeout=120)
    for key, value in values.items():
        app.query_params[key] = value
    return app.run()


def test_the_sweep_page_computes_and_goes_over_both_axes() -> None:
    app = opened("explorer.pages.sweep", seed="2", variants="deepjscc.rec_lite")
    first = ended(app.session_state.sweep)
    assert (first.plan.seed, len(first.plan.steps)) == (2, 11)
    app.run()
    assert not app.exception and not app.error
    assert any("11 points of 4 draws" in caption.value for caption in app.caption)
    app.segmented_control(key="sweep_axis").set_value("rate").run()
    second = ended(app.session_state.sweep)
    assert [step.x for step in second.plan.steps] == [1 / 32, 1 / 16]
    app.run()
    app.button(key="sweep_again").click().run()
    assert app.session_state.sweep is not second
    ended(app.session_state.sweep)


def test_a_large_picture_waits_for_the_button(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep_page, "LARGE", 100)
    app = opened("explorer.pages.sweep", variants="deepjscc.rec_lite")
    assert "sweep" not in app.session_state
    app.segmented_control(key="sweep_axis").set_value("rate").run()
    app.button(key="sweep_start").click().run()
    assert len(ended(app.session_state.sweep).points) == 4
    app.pills(key="sweep_networks").set_value([]).run()
    assert "at least one" in app.info[0].value


def test_the_channel_page_shows_a_mismatch() -> None:
    app = opened("explorer.pages.channel", channel="rayleigh", snr="7")
    app.toggle(key="mismatch").set_value(True).run()
    app.selectbox[2].set_value("assumes -5 dB").run()
    assert not app.exception and not app.error
    assert any("PSNR" in caption.value and "seed 0" in caption.value for caption in app.caption)
    entry, view = pair_sources.find_entry(CAT), state.default_view(engine.catalogue())
    setting = channel_page.ChannelSettings(FOUR[0], "rayleigh", 20.0, 16, view.seed, "side", None)
    right, wrong = (one.draws(entry).received for one in (setting, setting._replace(believed=-5.0)))
    sent = setting.draws(entry).sent
    assert (wrong - sent).abs().square().mean() > (right - sent).abs().square().mean()


# ---- stereo -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(32, 32), (33, 70), (96, 64)])
def test_tiles_make_the_picture_again(size: tuple[int, int]) -> None:
    image = pictures(1, *size)
    tiles = stereo.to_tiles(image)
    assert tiles.shape == (-(-size[0] // 32) * -(-size[1] // 32), 3, 32, 32)
    assert torch.equal(tiles[0], image[0, :, :32, :32])
    assert torch.equal(stereo.from_tiles(tiles, *size), image)


def test_each_tile_is_an_image_of_its_own() -> None:
    pair = make_pair(pictures(1, 64, 96), None, "stereo", pictures(1, 64, 96, seed=1))
    whole, tiled = (stereo.transmit_pair(pair, FOUR[3], "awgn", 100.0, 0, way) for way in (False, True))
    assert whole.symbols.shape == tiled.symbols.shape == (1, 192 * 6)
    powers = tiled.symbols.reshape(6, 192).abs().square().mean(dim=1)
    assert powers == pytest.approx(torch.ones(6), abs=1e-4)
    corner = Pair(pair.source[..., 32:, 64:], pair.side[..., 32:, 64:])
    alone = stereo.transmit_pair(corner, FOUR[3], "awgn", 100.0, 0)
    assert torch.allclose(tiled.reconstruction[..., 32:, 64:], alone.reconstruction, atol=1e-3)
    assert not torch.allclose(whole.reconstruction, tiled.reconstruction, atol=1e-3)
    assert float(tiled.psnr) == pytest.approx(float(psnr(tiled.reconstruction, pair.source)))


@pytest.mark.parametrize("width", [120, 800])
def test_the_disparity_of_a_moved_picture_is_the_movement(width: int) -> None:
    wide = pictures(1, 60, width + 10, seed=4)
    found = stereo.disparity(make_pair(wide[..., :width], None, "stereo", wide[..., 10:]))
    assert found.shape == (60, width)
    inner = found[:, width // 8 + 10 : -10]
    assert float(inner.nanmedian()) == pytest.approx(10, abs=1.1)
    assert float(inner.isnan().float().mean()) < 0.2
    picture, top = stereo.disparity_map(torch.tensor([[0.0, 8.0, torch.nan]]))
    assert top == pytest.approx(7.92)
    assert picture[0, 2].tolist() == [0, 0, 0] != picture[0, 1].tolist()


def test_the_near_motorcycle_is_moved_further_than_the_wall() -> None:
    entry = pair_sources.gallery_entry("motorcycle", full_size=True)
    found = stereo.disparity(entry.pair)
    assert float(found[200:350, 200:450].nanmedian()) > 1.3 * float(found[50:150, 550:700].nanmedian())


def test_the_stereo_page_tells_the_cost_and_sends_whole_and_tiled() -> None:
    app = AppTest.from_string("import explorer.pages.stereo as shown\nshown.render()", default_timeout=120).run()
    app.selectbox(key="stereo_size").set_value(160).run()
    assert any("MiB" in caption.value for caption in app.caption)
    for way in ("whole", "tiles"):
        app.segmented_control(key="stereo_way").set_value(way).run()
        app.button[0].click().run()
        assert not app.exception and not app.error
        sent = app.session_state.stereo
        assert (sent.way, sent.report.reconstruction.shape) == (way, (1, 3, 108, 160))
    config = zoo.describe(FOUR[0]).config
    assert stereo.needed_bytes(config, 500, 741, True) < stereo.needed_bytes(config, 500, 741, False) / 5
