"""The explorer's sidebar: what a Hub repository offers, pulling it beside the pages, and what it says without one."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

import zoo
from explorer.compute import engine, hub_jobs
from explorer.ui import networks
from tests.support.hub_fixtures import NAMES, REPO
from tests.support.hub_server import WRITE, Fault, LoopbackHub, point_client, running
from tests.support.shared import ROOT
from tests.support.zoo_runs import JUDGE, write_judge_run, write_link_run
from training.fit.publish import publish
from zoo import hub
from zoo.store.registry import REGISTRY, CheckpointStore

WEIGHTS = "GET .*rec_r16_lite/model.safetensors"


@pytest.fixture
def server(hub_made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackHub]:
    """A loopback Hub that holds the store as ``tester/zoo``, and an explorer whose own zoo is empty."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / REGISTRY).write_text('{"format": 1, "checkpoints": {}}')
    with running(LoopbackHub()) as loopback:
        point_client(monkeypatch, loopback.url, tmp_path)
        monkeypatch.setenv("WZROI_ZOO", str(tmp_path / "empty"))
        monkeypatch.setenv("WZROI_REPO", "")
        hub.push(REPO, store=CheckpointStore.at(hub_made / "store"), results=None, token=WRITE, unevaluated=True)
        monkeypatch.setattr(hub_jobs, "HUB_CATALOGUE", hub_jobs.HubCatalogue())
        monkeypatch.setattr(networks, "HUB_CATALOGUE", hub_jobs.HUB_CATALOGUE)
        engine.forget_zoo_index()
        yield loopback
        engine.forget_zoo_index()
        engine.ENGINE.forget()


def eventually(true: Callable[[], object], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, hub_jobs.HUB_CATALOGUE.message or "nothing came"
        time.sleep(0.02)


def idle() -> bool:
    return hub_jobs.HUB_CATALOGUE.job is None


def shown() -> AppTest:
    return AppTest.from_file(str(ROOT / "explorer" / "server" / "main.py"), default_timeout=60).run()


def words(page: AppTest) -> str:
    return "\n".join(part.value for kind in ("caption", "warning", "error") for part in page.sidebar.get(kind))


def test_an_empty_explorer_is_filled_from_a_repository(server: LoopbackHub) -> None:
    page = shown()
    assert "Available: 0 link networks" in words(page)
    page.sidebar.text_input[0].set_value(REPO).run()
    eventually(idle)
    page.run()
    box = page.sidebar.selectbox[0]
    assert box.options == NAMES
    box.set_value(NAMES[1]).run()
    page.sidebar.button[0].click().run()
    eventually(idle)
    page.run()
    assert (zoo.list_models(), zoo.list_judges()) == ([NAMES[1]], [JUDGE])
    assert "Available: 1 link network, 1 of them pulled from tester/zoo." in words(page)
    assert engine.ENGINE.frame(engine.Request("gallery:cifar-0", (NAMES[1],))).results[0].psnr > 0
    assert page.sidebar.selectbox[0].options[0] == NAMES[0]
    assert not page.exception


def test_progress_counts_bytes_and_a_cancelled_pull_goes_on_later(server: LoopbackHub) -> None:
    catalogue = hub_jobs.HUB_CATALOGUE
    catalogue.use(REPO)
    eventually(idle)
    total = sum(catalogue.entries[name].size for name in (NAMES[1], JUDGE))  # type: ignore[index]
    server.faults = [Fault(WEIGHTS, delay=0.4)]
    catalogue.pull(NAMES[1])
    eventually(lambda: catalogue.job is not None and catalogue.job.progress.done > 0)
    assert catalogue.job is not None
    assert (catalogue.job.name, catalogue.job.progress.total) == (NAMES[1], total)
    assert 0 < catalogue.job.progress.share < 1
    catalogue.cancel()
    assert catalogue.job is None and "cancelled" in catalogue.message
    assert NAMES[1] not in zoo.list_models()
    catalogue.pull(NAMES[1])
    job = catalogue.job
    eventually(idle)
    assert catalogue.message == "" and NAMES[1] in zoo.list_models()
    assert job is not None and zoo.verify(NAMES[1]).passed


def test_without_network_it_says_so_and_goes_on(server: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> None:
    catalogue = hub_jobs.HUB_CATALOGUE
    catalogue.use(REPO)
    eventually(idle)
    catalogue.pull(NAMES[0])
    eventually(idle)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(networks, "HUB_CATALOGUE", hub_jobs.HubCatalogue())
    page = shown()
    eventually(lambda: networks.HUB_CATALOGUE.job is None)
    page.run()
    assert "No connection to the Hub for tester/zoo" in words(page) and "1 link network" in words(page)
    assert not page.exception and page.main.title


@pytest.mark.parametrize(("repo", "sentence"), [
    ("zoo", "not a repository"), ("../a/b", "not a repository"), ("tester/none", "tester/none does not exist"),
])  # fmt: skip
def test_a_wrong_repository_is_a_sentence(server: LoopbackHub, repo: str, sentence: str) -> None:
    page = shown()
    page.sidebar.text_input[0].set_value(repo).run()
    eventually(idle)
    page.run()
    assert sentence in words(page) and not page.exception


def test_a_damaged_pull_is_a_sentence(server: LoopbackHub) -> None:
    catalogue = hub_jobs.HUB_CATALOGUE
    catalogue.use(REPO)
    eventually(idle)
    server.faults = [Fault(WEIGHTS, change=lambda body: body[:-1] + bytes([body[-1] ^ 1]))]
    catalogue.pull(NAMES[0])
    eventually(idle)
    assert "altered" in catalogue.message and "pull it again" in catalogue.message
    assert zoo.list_models() == []


def test_another_repository_brings_other_networks_under_the_same_name(server: LoopbackHub, tmp_path: Path) -> None:
    for run in (write_judge_run(tmp_path / "runs"), write_link_run(tmp_path / "runs", NAMES[0], seed=3)):
        publish(run, tmp_path / "other")
    hub.push("tester/other", store=CheckpointStore.at(tmp_path / "other"), results=None, token=WRITE, unevaluated=True)
    figures = []
    for repo in (REPO, "tester/other", REPO):
        hub_jobs.HUB_CATALOGUE.use(repo)
        eventually(idle)
        if NAMES[0] not in zoo.list_models():
            hub_jobs.HUB_CATALOGUE.pull(NAMES[0])
            eventually(idle)
        figures.append(engine.ENGINE.frame(engine.Request("gallery:cifar-0", (NAMES[0],))).results[0].psnr)
    assert figures[0] == figures[2] != figures[1]


def test_strangers_do_not_choose_the_repository(server: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(hub_jobs.HOSTED, "1")
    monkeypatch.setenv("WZROI_REPO", REPO)
    page = shown()
    eventually(idle)
    assert not page.sidebar.text_input
    page.run()
    assert page.sidebar.selectbox[0].options[0] == NAMES[0]
    assert os.environ["WZROI_REPO"] == REPO
