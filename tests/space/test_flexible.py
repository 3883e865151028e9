"""The hosted demo with a flexible network: every rate on the slider, one row in the list, a ratio on the API."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest
import torch

from tests.support.zoo_runs import write_flex_run, write_judge_run, write_link_run

pytest.importorskip("gradio", reason="gradio is not installed: pip install -e .[space]")
import gradio as gr

from training.fit.publish import publish
from wzroi import roi_map, run_link, sample_channel
from zoo.rates import SERVED
from zoo.serving.gallery import gallery_entry
from zoo.space import api, engine, page
from zoo.space.engine import Request

FLEX, PAPER = "wz_roi_flex.rec_lite", "deepjscc.rec_r16_lite"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("space")
    for run in (write_judge_run(folder), write_flex_run(folder), write_link_run(folder, PAPER)):
        publish(run, folder / "zoo")
    return folder / "zoo"


@pytest.fixture(autouse=True)
def in_use(store: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("WZROI_ZOO", str(store))
    monkeypatch.delenv("WZROI_REPO", raising=False)
    for name in ("_NETWORKS", "_PREPARED"):
        monkeypatch.setattr(engine, name, type(engine._NETWORKS)(40))
    yield


def test_it_is_sent_at_the_rate_that_is_asked() -> None:
    entry, network, judge = gallery_entry("cifar-0"), engine.network(FLEX), engine.judge_of(FLEX)
    assert judge is not None
    for rate, symbols in ((Fraction(96), 32), (Fraction(96, 5), 160), (Fraction(8), 384)):
        sent = engine.transmit_pair(entry, FLEX, Request(7.0, seed=3, rate=rate))
        channel = sample_channel("awgn", 7.0, 1, symbols, generator=torch.Generator().manual_seed(3))
        report = run_link(network, entry.pair, channel, roi_map(judge, entry.pair), judge)
        assert sent.symbols == symbols and torch.equal(sent.report.reconstruction, report.reconstruction)
    rows = engine.sweep(entry, [FLEX], [0.0, 10.0], 2, Request(rate=Fraction(24)))[FLEX]
    assert [row["snr_db"] for row in rows] == [0.0, 10.0] and all(row["psnr_mean"] > 0 for row in rows)


def test_the_slider_has_every_rate() -> None:
    known = page.live_variants()
    assert page.rates(known) == list(SERVED)
    assert page.rate_at(5) == Fraction(96, 5) and page.rate_heading(5).startswith("Bandwidth ratio 5/96 (160 symbols")
    ids = [variant.id for variant in known]
    assert page.chosen_models(ids, Fraction(96, 5)) == [FLEX]
    assert page.chosen_models(ids, Fraction(16)) == [PAPER, FLEX]


def test_the_list_has_it_once() -> None:
    rows = {row["model"]: row for row in api.list_variants()}
    assert rows[FLEX]["bandwidth_ratio"] == "1/96 to 1/8" and rows[PAPER]["bandwidth_ratio"] == "1/16"
    assert len(rows) == 2


def test_the_endpoint_takes_a_ratio() -> None:
    asked = ("cifar-0", None, None, 64, FLEX, 5.0, "awgn", "side", 0)
    assert api.transmit(*asked)[1]["symbols"] == 192
    figures = api.transmit(*asked, "1/24")[1]
    assert figures["symbols"] == 128 and figures["bandwidth_ratio"] == pytest.approx(1 / 24)
    refused = {
        (PAPER, "1/24"): "only has the bandwidth ratio 1/16", (FLEX, "1/2"): "1/192 to 1/8",
        (FLEX, "x"): "ratio is written",
    }  # fmt: skip
    for (model, rho), sentence in refused.items():
        with pytest.raises(gr.Error, match=sentence):
            api.transmit("cifar-0", None, None, 64, model, 5.0, "awgn", "side", 0, rho)
    assert list(api.sweep("cifar-0", None, None, 64, [FLEX], [5.0], 1, "awgn", "side", 0, "1/24")) == [FLEX]
