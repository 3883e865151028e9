"""The digital baseline: mosaics are what they say, budgets are kept, and the bench measures something."""

from __future__ import annotations

import io
from collections.abc import Callable
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from PIL import Image

from tests.support.shared import pictures
from training.baselines.analog import JudgeRef
from training.baselines.codecs import CODECS, coded, decoded, from_mosaic, inside_out, outside, to_mosaic
from training.baselines.digital import digital, mosaic_rows, whole_files
from training.baselines.digital_link import DigitalLink, mean_picture, sent_rows
from training.baselines.ldpc import SCHEMES, LinkMissing, Scheme, error_row, ldpc_link, link_rows
from training.baselines.rate_distortion import VALUES, Level, RateDistortionCurve, pareto_front, quality_of
from training.evaluation.benchmark import Benchmark, gradcam_by_backward, multiply_adds, parameters
from training.gaussian import capacity_bits
from training.recipes import FLEX_TIERS
from wzroi.config import ModelConfig
from wzroi.data import Images, as_float
from wzroi.metrics import psnr
from wzroi.pairs import CropPair
from wzroi.roi import gradcam, upscale


def tiles(count: int = 16) -> torch.Tensor:
    return (pictures(count, seed=3) * 255).round().to(torch.uint8)


def test_mosaic_is_undone() -> None:
    pixels = tiles()
    mosaic = to_mosaic(pixels)
    assert mosaic.size == (128, 128) and torch.equal(from_mosaic(mosaic, 16), pixels)
    assert mosaic.getpixel((33, 2)) == tuple(pixels[1, :, 2, 1].tolist())
    with pytest.raises(ValueError, match="square number"):
        to_mosaic(pixels[:15])


def test_strips_hold_what_lies_outside_the_crop_and_nothing_of_it() -> None:
    pixels, crop = tiles(4), CropPair()
    strips = outside(pixels, crop)
    assert strips.shape == (4, 3, 12, 52) and 12 * 52 + 20 * 20 == 32 * 32
    assert torch.equal(strips[0, :, 3, 32 + 5], pixels[0, :, 12 + 5, 3])
    changed = pixels.clone()
    changed[:, :, 12:, 12:] = 0
    assert torch.equal(outside(changed, crop), strips) and torch.equal(inside_out(strips, pixels, crop), pixels)
    with pytest.raises(ValueError, match="lower right corner"):
        outside(pixels, CropPair(row=0, column=0))


def test_bits_that_spare_the_crop_buy_more_outside_of_it(curve: RateDistortionCurve) -> None:
    """At equal bits the pictures whose crop is never sent are better than those that are sent whole and pasted."""
    unsent = RateDistortionCurve("webp", images(), levels=(0, 20, 50, 80), unsent=True)
    bits = max(curve.levels[0].bits, unsent.levels[0].bits) + 100
    spared, pasted = unsent.at(bits, True), curve.at(bits, True)
    assert spared is not None and pasted is not None and spared.psnr.mean() > pasted.psnr.mean() + 0.3
    for level in unsent.levels:
        assert torch.equal(level.rebuilt[..., 12:, 12:], images().pixels[..., 12:, 12:])
    assert {row["scheme"] for row in mosaic_rows(unsent)} == {"webp_mosaic_unsent"}


def images(count: int = 16) -> Images:
    return Images(tiles(count), torch.arange(count) % 10, torch.arange(count))


@pytest.fixture(scope="module")
def curve() -> RateDistortionCurve:
    return RateDistortionCurve("webp", images(), levels=(0, 20, 50, 80))


@pytest.mark.parametrize("codec", list(CODECS))
def test_more_bits_less_error(codec: str) -> None:
    curve = RateDistortionCurve(codec, images(), levels=(0, 40, 80))
    assert len(curve.levels) >= 2
    quality = [curve.quality(index, False, False) for index in range(len(curve.levels))]
    assert all(a.error.mean() > b.error.mean() for a, b in pairwise(quality))
    assert all(a.bits < b.bits for a, b in pairwise(curve.levels))
    (blob,) = coded(codec, to_mosaic(tiles()), 40)
    level = next(level for level in curve.levels if level.bits == 8 * len(blob) / 16)
    assert torch.equal(level.rebuilt, decoded(blob, 16)) and Image.open(io.BytesIO(blob)).size == (128, 128)


def test_a_mosaic_is_coded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a killed run coded is read again; another picture, level or option is coded anew."""
    def kept(picture: Image.Image, level: int) -> list[bytes]:
        return list(coded("webp", picture, level, tmp_path))

    picture, other = to_mosaic(tiles()), to_mosaic(tiles().flip(0))
    first = kept(picture, 20)
    assert first == list(coded("webp", picture, 20)) and len(list(tmp_path.iterdir())) == 1
    next(tmp_path.iterdir()).write_bytes(b"kept")
    assert kept(picture, 20) == [b"kept"]
    assert kept(other, 20) == list(coded("webp", other, 20)) and kept(picture, 24) == list(coded("webp", picture, 24))
    monkeypatch.setitem(CODECS, "webp", lambda level: [{"format": "WEBP", "quality": level, "method": 0}])
    assert kept(picture, 20) == list(coded("webp", picture, 20)) != first


def test_halved_chroma_makes_the_smallest_files() -> None:
    full, halved, fast = coded("avif", to_mosaic(tiles()), 0)
    assert max(len(halved), len(fast)) < len(full) and len(list(coded("avif", to_mosaic(tiles()), 50))) == 1


def test_dominated_levels_are_left_out() -> None:
    one, two, three = (Level(bits, torch.empty(0)) for bits in (100.0, 200.0, 300.0))
    assert pareto_front([(three, 0.1), (two, 0.6), (one, 0.5)]) == [one, three]


def test_quality_is_that_of_the_pictures(judge: torch.nn.Module) -> None:
    chosen, judge_ref = images(), JudgeRef("small", "0" * 64, judge)
    rebuilt = (chosen.pixels.int() + 10).clamp(0, 255).to(torch.uint8)
    plain = quality_of(rebuilt, chosen, evaluated=True, judge_ref=judge_ref)
    pasted = quality_of(rebuilt, chosen, pasted=True)
    assert torch.allclose(plain.psnr, psnr(as_float(rebuilt), as_float(chosen.pixels)))
    right = judge(as_float(rebuilt)).argmax(1) == chosen.labels
    assert plain.correct.bool().equal(right) and 0 < plain.ssim.mean() < 1
    expected = CropPair().paste(as_float(rebuilt), CropPair().side_of(as_float(chosen.pixels)))
    assert torch.allclose(pasted.psnr, psnr(expected, as_float(chosen.pixels))) and pasted.correct.isnan().all()
    assert plain.row()["accuracy"] == pytest.approx(right.float().mean().item()) and pasted.row()["accuracy"] is None


def test_budget_is_kept_by_time_sharing(curve: RateDistortionCurve) -> None:
    low, high = curve.levels[:2]
    assert curve.at(low.bits - 1) is None
    one, other = (curve.quality(index, False, False) for index in (0, 1))
    assert torch.equal(curve.at(low.bits).psnr, one.psnr)
    shared = curve.at(0.25 * low.bits + 0.75 * high.bits)
    assert torch.allclose(shared.psnr, 0.25 * one.psnr + 0.75 * other.psnr)
    assert torch.allclose(shared.error, 0.25 * one.error + 0.75 * other.error)
    assert torch.equal(curve.at(1e6).psnr, curve.quality(len(curve.levels) - 1, False, False).psnr)


def test_rows_state_the_capacity_they_used(curve: RateDistortionCurve) -> None:
    rows = list(mosaic_rows(curve))
    assert rows and all(row["bits"] == round(capacity_bits(VALUES // row["rate"], row["snr_db"]), 3) for row in rows)
    for name in ("webp_mosaic", "webp_mosaic_paste"):
        by_snr = [row["psnr_mean"] for row in rows if row["rate"] == 8 and row["scheme"] == name]
        assert len(by_snr) > 3 and by_snr == sorted(by_snr)
    evaluated = {(row["rate"], row["snr_db"]) for row in rows if row["ssim_mean"] is not None}
    assert evaluated <= {(rate, snr_db) for rate in (16, 32) for snr_db in (0.0, 5.0, 9.0)}


def test_whole_files_fit_where_rows_say_so() -> None:
    found = whole_files("webp", tiles(4), levels=(0, 60))
    assert found["smallest_bytes_mean"] > 30
    for row in found["rows"]:
        assert row["bits"] >= 8 * found["smallest_bytes_mean"]


def error_rows(rate: int, lost: dict[str, dict[float, int]]) -> list[dict]:
    """Rows as of link.json for a sturdy and a fast scheme, with block errors in a hundred by SNR."""
    kinds = {"sturdy": (2, 600, 500), "fast": (4, 600, 1500)}
    return [
        {"rate": rate, "scheme": name, "order": order, "code_rate": code, "payload_bits": bits, "snr_db": snr_db,
         "blocks": 100, "errors": errors}
        for name, (order, code, bits) in kinds.items() for snr_db, errors in lost[name].items()
    ]


def test_link_falls_off_a_cliff_and_its_scheme_follows_the_snr(curve: RateDistortionCurve) -> None:
    """Kept at its 5 dB scheme the link is lost below it; chosen at each SNR it steps down instead."""
    digital_link = DigitalLink([curve], mean_picture(curve.images.pixels))
    lost = {"sturdy": {0.0: 0, 5.0: 0, 9.0: 0}, "fast": {0.0: 100, 5.0: 1, 9.0: 0}}
    rows = {(row["scheme"], row["snr_db"]): row for row in sent_rows(digital_link, error_rows(16, lost), 16)}
    assert rows["link", 0.0]["link"] == "sturdy" and rows["link", 5.0]["link"] == "fast"
    fallen = digital_link.lost(False).psnr.mean().item()
    assert rows["link_fixed", 0.0]["psnr_mean"] == pytest.approx(fallen, abs=1e-3)
    assert rows["link_fixed", 9.0]["psnr_mean"] - fallen > 3 and rows["link", 0.0]["psnr_mean"] - fallen > 1
    whole = curve.at(1500).psnr.mean().item()
    assert rows["link", 5.0]["psnr_mean"] == pytest.approx(0.99 * whole + 0.01 * fallen, abs=1e-3)
    assert {name for name, _ in rows} == {"link", "link_paste", "link_fixed", "link_fixed_paste"}
    assert all(rows[f"{name}_paste", snr_db]["psnr_mean"] > row["psnr_mean"] for (name, snr_db), row in rows.items()
               if not name.endswith("_paste"))


def test_what_no_codec_reaches_is_left_out(curve: RateDistortionCurve) -> None:
    digital_link = DigitalLink([curve], mean_picture(curve.images.pixels))
    assert (
        digital_link.best(10) is None
        and digital_link.row("link", error_rows(16, {"sturdy": {5.0: 0}, "fast": {}})[0] | {"payload_bits": 10}, False)
        is None
    )


def test_block_errors_are_counted_until_there_are_enough(tmp_path: Path) -> None:
    """A pretended link: lost below a threshold; the table rises with SNR and stops sending once nothing is lost."""
    sent: list[float] = []

    def link(scheme: Scheme, symbols: int):
        def count_errors(blocks: int, snr_db: float, generator: torch.Generator) -> int:
            sent.append(snr_db)
            return blocks if snr_db < 3 * scheme.order else 0
        return count_errors

    found = link_rows(500, 0, tmp_path / "rows", rates=(16,), link=link)
    mine = [row for row in found["rows"] if row["scheme"] == Scheme(2, 308).text]
    assert [row["snr_db"] for row in mine] == sorted(row["snr_db"] for row in mine) and len(mine) == 14
    assert mine[0]["blocks"] == 0  # above capacity: not sent
    assert {row["blocks"] for row in mine if row["snr_db"] in (2.0, 4.0)} == {250}  # a hundred errors were enough
    assert {row["blocks"] for row in mine if row["snr_db"] >= 6} == {500}
    assert sent.count(20.0) == 2 * sum(scheme.order == 6 for scheme in SCHEMES)  # others had lost nothing before
    assert all(row["payload_bits"] == row["information_bits"] - 16 for row in found["rows"])
    assert mine[0]["information_bits"] == round(192 * 2 * 308 / 1024) and not (tmp_path / "rows").exists()


def test_real_link_delivers_above_its_threshold_and_not_below(require: Callable[[str, bool, str], None]) -> None:
    """QPSK at rate 602/1024 needs 2.2 dB by Shannon's formula; 96 uses fall short of that by about two dB."""
    require("sionna", find_spec("sionna") is not None, "needs sionna: pip install 'wzroi[link]'")
    count_errors = ldpc_link(Scheme(2, 602), 96)
    assert error_row(count_errors, 6.0, 250, 0) == {"blocks": 250, "errors": 0}
    assert error_row(count_errors, 0.0, 250, 0)["errors"] > 240


def test_without_sionna_the_link_says_how_to_get_it() -> None:
    if find_spec("sionna") is not None:
        pytest.skip("sionna is here")
    with pytest.raises(LinkMissing, match=r"pip install 'wzroi\[link\]'"):
        ldpc_link(SCHEMES[0], 96)


def test_the_digital_file_in_miniature() -> None:
    found = digital(images(), mean_picture(tiles()), tiles=4, files=2, link=error_rows(
        16, {"sturdy": {5.0: 0}, "fast": {5.0: 0}}) + error_rows(32, {"sturdy": {5.0: 0}, "fast": {5.0: 0}}),
        levels=(0, 30, 60, 90))
    names = {row["scheme"] for row in found["rows"]}
    assert {f"avif_mosaic{ending}" for ending in ("", "_paste", "_unsent")} <= names
    assert {"link", "link_fixed_paste", "link_unsent"} <= names
    assert found["images"] == 16
    assert set(found["files"]) == set(CODECS) == set(found["levels"])


def test_counts_are_those_of_the_paper_size() -> None:
    """ECOSYSTEM's table: 266 / 407 / 783 / 783 million multiply-adds, 3.66 / 3.71 / 5.71 / 5.71 million parameters."""
    for name, macs, count in (("deepjscc", 266, 3.66), ("deepjscc_wz", 407, 3.71), ("deepjscc_wz_roi", 783, 5.71)):
        config = ModelConfig.named(name, 16)
        assert multiply_adds(config) / 1e6 == pytest.approx(macs, rel=0.02)
        assert parameters(config) / 1e6 == pytest.approx(count, rel=0.01)


def test_flexible_networks_keep_their_budget() -> None:
    """At most 12 million parameters and, at 32x32, the multiply-adds of the paper's WZ-ROI network."""
    most = multiply_adds(ModelConfig.named("deepjscc_wz_roi", 16))
    for tier in FLEX_TIERS.values():
        assert parameters(tier.config) <= 12e6
        assert 0 < multiply_adds(tier.config) <= most


def test_published_way_gives_the_same_map(judge: torch.nn.Module) -> None:
    images = pictures(3)
    expected = upscale(gradcam(judge, images), (32, 32))
    assert torch.allclose(gradcam_by_backward(judge, images.clone()), expected, atol=1e-4)


def test_bench_times_every_stage() -> None:
    bench = Benchmark("lite", torch.device("cpu"), repeats=1)
    row = bench.stages("deepjscc_wz_roi")
    assert all(row[f"{stage}_ms"] > 0 for stage in ("encode", "channel", "roi", "side", "decode", "judge"))
    assert bench.stages("deepjscc")["roi_ms"] == 0 and row["images_per_s"] > 0
    small, large = bench.size("deepjscc_wz_roi", 32), bench.size("deepjscc_wz_roi", 16)
    assert small["link_ms"] > 0 and small["parameters"] < large["parameters"] == row["parameters"]
    flexible = bench.stages("wz_roi_flex")
    assert flexible["decode_ms"] > 0 and flexible["parameters"] == bench.size("wz_roi_flex", 32)["parameters"]
    step = bench.step()
    assert step["step_ms"] > 0 and step["naive_ms"] > 0
