"""Extending is cheap: what a user adds is one row (and its module), and everything else reads it.

Each test adds a row and nothing else, then asks command line, evaluation, result tables and app for it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from streamlit.testing.v1 import AppTest
from typer.testing import CliRunner

import zoo
from explorer import navigation
from explorer.compute import engine, pair_sources
from explorer.ui import state
from explorer.ui.component import bench_data, channel_titles
from tests.extension import plugin
from tests.support.shared import ROOT, pictures, random_judge, small_model
from tests.support.zoo_runs import JUDGE
from training.evaluation.evaluate import evaluate
from training.evaluation.networks import Network
from training.evaluation.plan import Plan
from training.evaluation.results_file import write_json
from training.evaluation.test_set import TestSet
from training.reports.networks import network_tables
from wzroi import make_pair, run_link, sample_channel
from wzroi.architectures import ARCHITECTURES
from wzroi.channel import CHANNELS
from wzroi.data import DATASETS, Images
from wzroi.metrics import METRICS
from wzroi.names import ModelName
from wzroi.pairs import PAIR_SOURCES
from zoo import cli
from zoo.results import figures
from zoo.results.files import results
from zoo.store import card
from zoo.store.registry import registry_text
from zoo.store.writing import assemble, write_folder

SCRIPT = str(ROOT / "explorer" / "server" / "main.py")
ROI_NET = "deepjscc_wz_roi.rec_r16_lite"
PLAN = Plan(snrs=(5.0,), draws=2, judged_draws=1, batch=8)


@pytest.fixture(autouse=True)
def store(explorer_zoo: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The small zoo of the explorer's tests, and an engine that remembers nothing of another one."""
    monkeypatch.setenv("WZROI_ZOO", str(explorer_zoo))
    monkeypatch.delenv("WZROI_REPO", raising=False)
    engine.forget_zoo_index()
    yield explorer_zoo
    engine.forget_zoo_index()


def images(count: int = 16) -> Images:
    return Images((pictures(count) * 255).round().to(torch.uint8), torch.arange(count) % 10, torch.arange(count))


def measured(name: str, folder: Path, channel: str = "awgn", pairs: str = "crop", data: Images | None = None) -> dict:
    """The results of an untrained network, written into a results folder."""
    parsed = ModelName.parse(name)
    row = ARCHITECTURES[parsed.architecture]
    model = small_model(parsed.architecture, parsed.rate) if row.network is not plugin.PoolNetwork else pooling()
    test = TestSet(images() if data is None else data, random_judge(), pairs=PAIR_SOURCES[pairs])
    found, _ = evaluate(Network(parsed, model, "0" * 64), test, JUDGE, PLAN, channel=channel)
    folder.mkdir(exist_ok=True)
    write_json(folder / f"{name}.json", found)
    return found


def pooling() -> plugin.PoolNetwork:
    return plugin.PoolNetwork(plugin.PoolConfig(3)).eval().requires_grad_(False)


# ---- a channel ----------------------------------------------------------------------------------------------------


def test_a_channel_is_a_row(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(CHANNELS, "rician", plugin.RICIAN)
    state_of = sample_channel("rician(k_factor=9)", 5.0, 20_000, 1, generator=torch.Generator().manual_seed(0))
    assert state_of.gain is not None and state_of.gain.abs().square().mean() == pytest.approx(1, abs=0.02)
    assert state_of.gain.mean().real == pytest.approx(0.9**0.5, abs=0.01)
    for wrong in ("rician(k_factor=-1)", "rician(k=2)", "rician(k_factor=x)", "ricean"):
        with pytest.raises(ValueError, match=r"k_factor|no parameter|unknown channel"):
            sample_channel(wrong, 5.0, 1, 1, generator=torch.Generator())
    assert measured(ROI_NET, tmp_path, "rician")["channel"] == "rician"
    frame = engine.Engine("cpu").frame(engine.Request("gallery:cifar-0", (ROI_NET,), channel="rician(k_factor=9)"))
    plain = engine.Engine("cpu").frame(engine.Request("gallery:cifar-0", (ROI_NET,)))
    assert frame.results[0].psnr != plain.results[0].psnr
    view, notices = state.read_query({"channel": "rician(k_factor=9)"}, engine.catalogue())
    data = bench_data(view, engine.catalogue(), 0, "", True)
    assert not notices and data["channels"]["rician"] == plugin.RICIAN.title
    assert data["channel_names"]["rician(k_factor=9)"] == "Rician(k_factor=9)"
    assert "rician" in channel_titles("awgn")


def test_a_channel_is_offered_by_the_app(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CHANNELS, "rician", plugin.RICIAN)
    app = AppTest.from_string("from explorer.pages.channel import render\nrender()", default_timeout=120).run()
    choice = next(box for box in app.selectbox if box.label == "Channel")
    assert "Rician" in choice.options and not app.exception


# ---- a metric -----------------------------------------------------------------------------------------------------


def test_a_metric_is_a_row(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(METRICS, "edges", plugin.EDGES)
    found = measured("deepjscc.rec_r16_lite", tmp_path)
    row = found["rows"][0]
    assert 0 < row["edges_mean"] <= 4 and row["edges_ci95"] > 0
    assert found["controls"]["paste"][0]["edges_mean"] != row["edges_mean"]
    (table,) = network_tables("lite", tmp_path)
    place = list(table.headings).index("Edge distance at 5 dB")
    assert table.rows[0][place].startswith(f"{row['edges_mean']:.3f}")
    assert "| Edge distance |" in card.curve_table(found["rows"]) and card.summary(found)["edges"] == row["edges_mean"]
    assert figures.over_snr("edges", 16, "rec", "lite", tmp_path)[0].points[0].value.mean == row["edges_mean"]
    report = run_link(small_model("deepjscc"), make_pair(pictures(2)), sample_channel(
        "awgn", 5.0, 2, 192, generator=torch.Generator().manual_seed(0)))  # fmt: skip
    assert torch.equal(report.added()["edges"], plugin.perceptual_distance(report.reconstruction, pictures(2)))


def test_a_metric_is_shown_by_the_app_and_the_command_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, store: Path
) -> None:
    monkeypatch.setitem(METRICS, "edges", plugin.EDGES)
    frame = engine.Engine("cpu").frame(engine.Request("gallery:cifar-0", ("deepjscc.rec_r16_lite",)))
    assert engine.frame_json(frame)["cards"][0]["edges"] == frame.results[0].metric("edges")
    assert frame.paste is not None and frame.paste.metric("edges") is not None
    rows = bench_data(state.default_view(engine.catalogue()), engine.catalogue(), 0, "", True)["metrics"]
    shown = {"title": "Edge distance", "key": "edges", "digits": 3, "unit": "", "scale": 1.0, "higher": False}
    assert rows[-1] == shown
    app = AppTest.from_string("from explorer.pages.figures import render\nrender()", default_timeout=120).run()
    panels = next(group for group in app.button_group if group.label == "Panels")
    assert "Edge distance" in panels.options and not app.exception
    picture = str(ROOT / "assets" / "gallery" / "motorcycle_left.png")
    sent = CliRunner().invoke(cli.app, ["transmit", picture, "--max-side", "64", "--out", str(tmp_path / "x.png")])
    assert sent.exit_code == 0 and "Edge distance" in sent.stdout


# ---- a data set and its pair source -------------------------------------------------------------------------------


def test_a_data_set_is_a_row(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(PAIR_SOURCES, "shift", plugin.ShiftPair())
    monkeypatch.setitem(DATASETS, "stripes", plugin.STRIPES)
    data = DATASETS["stripes"].load("test", None)
    found = measured(ROI_NET, tmp_path, pairs="shift", data=data)
    assert found["pair_source"] == "shift(columns=4)" and found["images"] == 12
    assert found["controls"]["paste"][0]["psnr_mean"] == 100  # the shift is undone exactly
    entry = pair_sources.find_entry("stripes:3")
    assert entry.source == "shift" and torch.equal(entry.pair.side, entry.pair.source.roll(-4, dims=3))
    view, notices = state.read_query({"pair": "stripes:3"}, engine.catalogue())
    frame = engine.Engine("cpu").frame(view.request(engine.catalogue()))
    assert not notices and frame.entry.title == "Stripes test image 3" and frame.paste is not None


# ---- an architecture ----------------------------------------------------------------------------------------------


def test_an_architecture_is_a_row(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, store: Path) -> None:
    monkeypatch.setitem(ARCHITECTURES, "pooling", plugin.POOLING)
    name = "pooling.rec_r32_lite"
    found = measured(name, tmp_path / "results")
    assert results(name, tmp_path / "results").model == name and found["config"] == {"channels": 3}
    (table,) = network_tables("lite", tmp_path / "results")
    assert table.rows[0][0] == f"`{name}`"
    assert figures.over_snr("psnr", 32, "rec", "lite", tmp_path / "results")[0].title == "Pooling"
    entry, files = assemble(pooling(), name, origin="a test", judge=JUDGE)
    assert json.loads(files["config.json"])["config"] == {"architecture": "pooling", "channels": 3}
    assert "is Pooling a network that sends 3 colours" in files["README.md"].decode()
    write_folder(tmp_path / "zoo" / name, files)
    (tmp_path / "zoo" / "registry.json").write_text(registry_text({name: entry}))
    monkeypatch.setenv("WZROI_ZOO", str(tmp_path / "zoo"))
    engine.forget_zoo_index()
    assert zoo.verify(name).passed and zoo.load(name).config == plugin.PoolConfig(3)
    listed = CliRunner().invoke(cli.app, ["list"])
    assert name in listed.stdout and "1/32" in listed.stdout
    assert [v.title for v in engine.catalogue()] == ["Pooling (rec)"]
    cards = engine.frame_json(engine.Engine("cpu").frame(engine.Request("gallery:cifar-0", (name,))))["cards"]
    assert cards[0]["title"] == "Pooling (rec)" and not cards[0]["side"]
    app = AppTest.from_string("from explorer.pages.about import render\nrender()", default_timeout=120).run()
    assert name in app.dataframe[0].value["network"].tolist() and not app.exception


# ---- a page, and all of it from a plug-in module ------------------------------------------------------------------


def test_a_page_is_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(navigation, "PAGES", [plugin.HELLO, *navigation.PAGES])  # the first is the app's default
    app = AppTest.from_file(SCRIPT, default_timeout=120).run()
    assert app.title[0].value == "Hello from a plug-in" and not app.exception


def plugged(*command: str, plugins: str = "tests.extension.loaded") -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"WZROI_PLUGINS": plugins, "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
    return subprocess.run([sys.executable, *command], cwd=ROOT, env=environment, capture_output=True, text=True,
                          timeout=300, check=False)  # fmt: skip


def test_a_plugin_module_appears_in_the_commands_help() -> None:
    sent, measuring = plugged("-m", "zoo", "transmit", "--help"), plugged("-m", "training", "evaluate", "--help")
    assert "rician" in sent.stdout and "rician" in measuring.stdout and "stripes" in measuring.stdout
    menu = plugged("-c", "import wzroi; from explorer.navigation import PAGES; print(*(one.path for one in PAGES))")
    assert menu.stdout.split()[-1] == "hello"


def test_a_plugin_that_is_not_there_is_named() -> None:
    done = plugged("-m", "zoo", "list", plugins="no_such_module")
    assert done.returncode != 0 and "WZROI_PLUGINS names no_such_module" in done.stderr
