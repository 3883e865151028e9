"""What a user's own torch settings must not change: the default type, and ``torch.compile``."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

import zoo
from tests.support.shared import pictures
from wzroi import LinkReport, make_pair, roi_map, run_link, sample_channel
from wzroi.channel import CHANNELS
from zoo.rates import LinkNetwork, symbols_at

JUDGE = "resnet_lite.cifar10"
NETWORKS = ["deepjscc.rec_r16_lite", "deepjscc_wz.rec_r16_lite", "deepjscc_wz_sft.rec_r16_lite",
            "deepjscc_wz_roi.rec_r16_lite", "wz_roi_flex.rec_lite"]  # fmt: skip


@pytest.fixture
def double() -> Iterator[None]:
    """``torch.set_default_dtype(torch.float64)``, undone afterwards."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def send(network: LinkNetwork, channel: str, origin: str = "side") -> LinkReport:
    pair, judge = make_pair(pictures_32()), zoo.load_judge(JUDGE, "cpu")
    generator = torch.Generator().manual_seed(0)
    state = sample_channel(channel, 5.0, 2, symbols_at(network, 32, 32), generator=generator)
    return run_link(network, pair, state, roi_map(judge, pair, origin, generator=generator), judge)


def pictures_32() -> torch.Tensor:
    """The same pictures whatever the default type."""
    kept = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    try:
        return pictures(2)
    finally:
        torch.set_default_dtype(kept)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_default_of_float64_changes_nothing(name: str, double: None) -> None:
    network = zoo.load(name, "cpu")
    assert {value.dtype for value in network.state_dict().values() if value.is_floating_point()} == {torch.float32}
    found = [send(network, channel) for channel in CHANNELS] + [send(network, "awgn", "normal")]
    assert zoo.verify(name, "cpu").passed
    torch.set_default_dtype(torch.float32)
    plain = zoo.load(name, "cpu")
    for report, wanted in zip(found, [send(plain, c) for c in CHANNELS] + [send(plain, "awgn", "normal")], strict=True):
        assert report.reconstruction.dtype == report.psnr.dtype == torch.float32
        assert torch.equal(report.reconstruction, wanted.reconstruction) and torch.equal(report.psnr, wanted.psnr)


@pytest.mark.parametrize("name", [NETWORKS[3], NETWORKS[4]])
def test_a_compiled_network_gives_the_same_picture(name: str) -> None:
    network = zoo.load(name, "cpu")
    compiled = torch.compile(network, backend="eager")
    assert symbols_at(compiled, 32, 32) == symbols_at(network, 32, 32) == 192
    assert torch.equal(send(compiled, "awgn").reconstruction, send(network, "awgn").reconstruction)


def test_the_flexible_network_can_be_traced() -> None:
    network = zoo.load(NETWORKS[4], "cpu")
    pair = make_pair(pictures(1))
    state = sample_channel("awgn", 5.0, 1, 192, generator=torch.Generator().manual_seed(0))
    given = (pair.source, pair.side, state, torch.zeros(1, 1, 32, 32), pair.placement)
    with torch.no_grad():
        traced = torch.compile(network, backend="eager")(*given)
        torch.testing.assert_close(traced, network(*given), atol=1e-5, rtol=0)
    torch.compiler.reset()


def test_a_compiled_network_is_saved_as_itself(tmp_path: object) -> None:
    network = zoo.load(NETWORKS[0], "cpu")
    folder = zoo.save_pretrained(torch.compile(network, backend="eager"), f"{tmp_path}/{NETWORKS[0]}")
    again = zoo.from_pretrained(folder, device="cpu")
    assert again.config == network.config and set(again.state_dict()) == set(network.state_dict())
