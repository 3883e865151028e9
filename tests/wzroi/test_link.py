"""``run_link``, the one path from pair to numbers: it says what its parts say, and what is missing is told."""

from __future__ import annotations

import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio

from tests.support.shared import pictures, random_judge, small_model
from wzroi import CHANNELS, ChannelState, Judge, Pair, WynerZivJSCC, apply_channel, make_pair, roi_map, run_link
from wzroi.channel import sample_channel
from wzroi.link import finish, measure, prepare, source_weight
from wzroi.metrics import psnr, roi_psnr, ssim


def channel_for(model: WynerZivJSCC, pair: Pair, kind: str = "awgn", seed: int = 0) -> ChannelState:
    generator = torch.Generator().manual_seed(seed)
    return sample_channel(kind, 5.0, len(pair.source), model.num_symbols(*pair.source.shape[-2:]), generator=generator)


@pytest.mark.parametrize("kind", CHANNELS)
def test_report_is_what_its_parts_say(architecture: str, kind: str, judge: Judge, pair: Pair) -> None:
    model = small_model(architecture)
    channel, roi = channel_for(model, pair, kind), roi_map(judge, pair)
    report = run_link(model, pair, channel, roi, judge)
    assert torch.equal(report.symbols, model.encode(pair.source))
    assert torch.equal(report.received, apply_channel(report.symbols, channel))
    assert torch.equal(report.reconstruction, model(pair.source, pair.side, channel, roi))
    assert torch.equal(report.psnr, psnr(report.reconstruction, pair.source))
    assert torch.equal(report.ssim, ssim(report.reconstruction, pair.source))
    assert torch.equal(report.roi_psnr, roi_psnr(report.reconstruction, pair.source, roi_map(judge, pair, "source")))
    assert torch.equal(report.logits, judge(report.reconstruction))
    assert not any(value.requires_grad for value in report if isinstance(value, torch.Tensor))


def test_accuracy_is_of_the_reconstruction_and_not_of_the_clean_picture(judge: Judge, pair: Pair) -> None:
    model = small_model("deepjscc_wz")
    logits = run_link(model, pair, channel_for(model, pair), judge=judge).logits
    assert not torch.allclose(logits, judge(pair.source))
    assert not torch.allclose(logits, judge(pair.side))


def test_psnr_is_against_the_source_and_not_the_side(pair: Pair) -> None:
    model = small_model("deepjscc_wz")
    report = run_link(model, pair, channel_for(model, pair))
    x, y = pair.source[1].double().numpy(), report.reconstruction[1].double().numpy()
    assert report.psnr[1].item() == pytest.approx(peak_signal_noise_ratio(x, y, data_range=1.0), abs=1e-3)


def test_without_a_judge_there_is_nothing_that_it_would_say(pair: Pair) -> None:
    model = small_model("deepjscc")
    report = run_link(model, pair, channel_for(model, pair))
    assert report.logits is None
    assert report.roi_psnr is None


def test_preparing_once_and_finishing_often_is_the_same(architecture: str, judge: Judge, pair: Pair) -> None:
    model, roi = small_model(architecture), roi_map(judge, pair)
    ready = prepare(model, pair, roi, judge)
    channel = channel_for(model, pair)
    for snr_db in (-5.0, 5.0, 15.0):
        whole, swept = run_link(model, pair, channel.at_snr(snr_db), roi, judge), finish(
            model, ready, channel.at_snr(snr_db), judge
        )
        assert all(torch.equal(a, b) for a, b in zip(whole, swept, strict=True) if a is not None)


def test_same_seed_same_numbers(architecture: str, judge: Judge, pair: Pair) -> None:
    reports = []
    for seed in (3, 3, 4):
        model = small_model(architecture)
        channel = channel_for(model, pair, "rayleigh_iid", seed)
        reports.append(run_link(model, pair, channel, roi_map(judge, pair), judge))
    assert all(torch.equal(a, b) for a, b in zip(reports[0], reports[1], strict=True) if a is not None)
    assert not torch.equal(reports[0].psnr, reports[2].psnr)


def test_a_needed_map_is_asked_for_and_another_is_not_used(judge: Judge, pair: Pair) -> None:
    guided, plain = small_model("deepjscc_wz_roi"), small_model("deepjscc_wz")
    with pytest.raises(ValueError, match="roi_map"):
        run_link(guided, pair, channel_for(guided, pair))
    channel = channel_for(plain, pair)
    with_map = run_link(plain, pair, channel, roi_map(judge, pair)).reconstruction
    assert torch.equal(with_map, run_link(plain, pair, channel).reconstruction)


def test_labels_change_nothing_on_the_way(judge: Judge, pair: Pair) -> None:
    model = small_model("deepjscc_wz_roi")
    reports = [
        run_link(model, one, channel_for(model, one), roi_map(judge, one), judge)
        for one in (pair, pair._replace(label=None), pair._replace(label=(pair.label + 3) % 10))
    ]
    for report in reports[1:]:
        assert all(torch.equal(a, b) for a, b in zip(reports[0], report, strict=True) if a is not None)


def test_shared_judge_and_model_are_left_as_they_were(pair: Pair) -> None:
    model, judge = small_model("deepjscc_wz_roi").requires_grad_(True), random_judge().requires_grad_(True)
    before = [value.clone() for net in (model, judge) for value in net.state_dict().values()]
    run_link(model, pair, channel_for(model, pair), roi_map(judge, pair), judge)
    after = [value for net in (model, judge) for value in net.state_dict().values()]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert all(p.grad is None for net in (model, judge) for p in net.parameters())


def test_controls_are_measured_as_networks_are(judge: Judge, pair: Pair) -> None:
    weight = source_weight(judge, pair)
    measured = measure(pair.side, pair, weight)
    assert torch.equal(measured[0], psnr(pair.side, pair.source))
    assert measured[2] is not None
    assert measure(pair.side, pair, None)[2] is None


@pytest.mark.parametrize("size", [(8, 8), (33, 50), (64, 48)])
def test_photographs_of_any_size(architecture: str, size: tuple[int, int], judge: Judge) -> None:
    left, right = pictures(1, *size), pictures(1, *size, seed=1)
    pair, model = make_pair(left, source="stereo", side=right), small_model(architecture)
    report = run_link(model, pair, channel_for(model, pair), roi_map(judge, pair), judge)
    assert report.reconstruction.shape == left.shape
    assert report.psnr.isfinite().all()


def test_a_channel_for_another_size_names_the_mend(pair: Pair) -> None:
    model = small_model("deepjscc")
    other = make_pair(pictures(4, 40, 40))
    with pytest.raises(ValueError, match="num_symbols"):
        run_link(model, pair, channel_for(model, other))


def test_strength_and_importance_go_through_the_one_path(judge: Judge, pair: Pair) -> None:
    model, roi = small_model("deepjscc_wz_roi"), roi_map(judge, pair)
    channel = channel_for(model, pair)
    none = run_link(model, pair, channel, torch.zeros_like(roi)).reconstruction
    assert torch.equal(run_link(model, pair, channel, roi, strength=0.0).reconstruction, none)
    assert not torch.equal(run_link(model, pair, channel, roi).reconstruction, none)
    with pytest.raises(ValueError, match="must lie in"):
        run_link(model, pair, channel, roi, strength=1.5)
    with pytest.raises(ValueError, match="takes no importance map"):
        run_link(model, pair, channel, roi, importance=roi)
