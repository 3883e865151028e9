"""A zoo published to a loopback Hub, for the tests of push and pull; ``conftest`` hands the fixtures to them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.hub_server import WRITE, LoopbackHub, point_client, running
from tests.support.zoo_runs import JUDGE, write_judge_run, write_link_run
from training.fit.publish import publish
from zoo import hub
from zoo.store.registry import REGISTRY, CheckpointStore

REPO = "tester/zoo"
NAMES = ["deepjscc.rec_r16_lite", "deepjscc_wz_roi.rec_r16_lite"]
ROI = NAMES[1]
ROW = {"images": 4, "draws": 1, "transmissions": 4, "psnr_mean": 20.0, "psnr_ci95": 0.1, "ssim_mean": 0.7,
       "ssim_ci95": 0.01, "roi_psnr_mean": 20.5, "roi_psnr_ci95": 0.1, "accuracy": 0.5, "accuracy_ci95": 0.1,
       "psnr_of_mean_mse": 19.9}  # fmt: skip


def write_results(folder: Path, name: str, sha256: str) -> None:
    """Made-up results of the weights with that sha256."""
    values: dict[str, object] = {"model": name, "weights_sha256": sha256, "images": 4, "draws": 1}
    if name == JUDGE:
        part = {"accuracy": 0.1, "accuracy_ci95": 0.05}
        values |= {"clean": part, "side": part}
    else:
        values |= {"rows": [{"snr_db": 5, **ROW}], "controls": {}}
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(values))


@pytest.fixture(scope="session")
def hub_made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``runs``, ``store`` and ``results`` of two networks and their judge, N = 8."""
    base = tmp_path_factory.mktemp("hub")
    for folder in (write_judge_run(base / "runs"), *(write_link_run(base / "runs", name) for name in NAMES)):
        entry = publish(folder, base / "store")
        write_results(base / "results", entry.name, entry.sha256)
        publish(folder, base / "store", base / "results")
    return base


@pytest.fixture
def server() -> Iterator[LoopbackHub]:
    """An empty loopback Hub."""
    with running(LoopbackHub()) as loopback:
        yield loopback


@pytest.fixture
def base(hub_made: Path, tmp_path: Path, server: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of what was made, an empty cache, and the client pointed at the loopback Hub over LFS, with a token."""
    folder = tmp_path / "base"
    shutil.copytree(hub_made, folder)
    point_client(monkeypatch, server.url, tmp_path)
    for key, value in {"HF_TOKEN": WRITE, "WZROI_REPO": REPO, "WZROI_ZOO": str(folder / "store")}.items():
        monkeypatch.setenv(key, value)
    monkeypatch.setattr(hub, "RESULTS", folder / "results")
    return folder


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client's waits between its own retries, without the waiting."""
    monkeypatch.setattr("time.sleep", lambda seconds: None)


@pytest.fixture
def elsewhere(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with an empty zoo: what it has, it pulled."""
    push_zoo(base)
    monkeypatch.setenv("WZROI_ZOO", str(empty_zoo(tmp_path)))
    return tmp_path / "cache"


def empty_zoo(tmp_path: Path) -> Path:
    """A zoo without networks."""
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / REGISTRY).write_text('{"format": 1, "checkpoints": {}}')
    return empty


def push_zoo(base: Path, **options: object) -> hub.PushReport:
    """Push the base's store with its results."""
    return hub.push(REPO, store=CheckpointStore.at(base / "store"), results=base / "results", **options)  # type: ignore[arg-type]


def no_parts(cache: Path) -> None:
    """No half of a file may be left in a cache."""
    assert not list(cache.rglob("*.incomplete")), "half a file was left behind"


def retrain(base: Path, name: str = ROI) -> None:
    """Other weights under the same name, published into the base's store with results of their own."""
    folder = write_link_run(base / "runs", name, seed=1)
    write_results(base / "results", name, publish(folder, base / "store").sha256)
    publish(folder, base / "store", base / "results")
