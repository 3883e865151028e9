"""Shared fixtures: small networks and pictures, the real CIFAR-10 where it is at hand, and a record of opened files."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from tests.support.browser_fixtures import address, browser, open_page  # noqa: F401 (fixtures)
from tests.support.hub_fixtures import base, elsewhere, hub_made, quick, server  # noqa: F401 (fixtures)
from tests.support.shared import (
    JUDGE_NAME,
    REC_NAME,
    REHEARSED,
    ROOT,
    TASK_NAME,
    pictures,
    random_judge,
    require,
    training_command,
)
from wzroi import PAPER_ARCHITECTURES, Judge, Pair, make_pair
from wzroi.data import FOLDER, MD5


def pytest_configure(config: pytest.Config) -> None:
    """Markers of the tests: leave the long ones out with ``-m "not slow"``."""
    os.environ.pop("COLUMNS", None)  # 80 in pytest-xdist's processes, where printed tables would lose their digits
    config.addinivalue_line("markers", "slow: starts several processes that train for seconds")
    config.addinivalue_line("markers", "cifar10: reads the real CIFAR-10 from $WZROI_DATA")


SERVERS = ("tests/explorer/browser", "tests/space")
"""Folders whose tests share running servers and browsers."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """For ``-n 2 --dist loadgroup``: a file's tests stay together, and so do all that share a running server."""
    if not config.pluginmanager.hasplugin("xdist"):
        return
    for item in items:
        place = Path(item.location[0]).as_posix()
        group = next((folder for folder in SERVERS if place.startswith(folder)), place)
        item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture(scope="session", name="require")
def _require() -> Callable[[str, bool, str], None]:
    """``require(name, present, reason)`` as a fixture."""
    return require


@pytest.fixture(scope="session")
def cifar10() -> Path:
    """The folder that holds the real ``cifar-10-batches-py``."""
    root = Path(os.environ.get("WZROI_DATA") or Path.home() / ".cache" / "wzroi")
    present = all((root / FOLDER / name).is_file() for name in MD5)
    require("cifar10", present, f"no CIFAR-10 in {root}: set WZROI_DATA")
    return root


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """Small tensors are fastest on one thread, and sums then come in one order."""
    torch.set_num_threads(1)


@pytest.fixture
def pair() -> Pair:
    """Four crop pairs with labels."""
    return make_pair(pictures(4), torch.tensor([0, 3, 5, 9]))


@pytest.fixture(params=list(PAPER_ARCHITECTURES))
def architecture(request: pytest.FixtureRequest) -> str:
    """Each architecture of the registry in turn."""
    return request.param


@pytest.fixture(scope="session")
def judge() -> Judge:
    """One small untrained judge; frozen, so tests may share it."""
    return random_judge()


@pytest.fixture(scope="session")
def rehearsed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of the lite judge and a guided rec and task network, trained without interruption on generated pictures."""
    runs = tmp_path_factory.mktemp("rehearsed")
    for names in (["judge", JUDGE_NAME], ["train", REC_NAME, TASK_NAME]):
        options = ["--runs", str(runs), "--rehearse", str(REHEARSED), "--log-every", "1"]
        done = subprocess.run(training_command(*names, *options), cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    return runs


@pytest.fixture(scope="session")
def explorer_zoo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A zoo of small untrained networks and a judge for tests of the explorer; made once, so not to be altered."""
    from tests.support.app_server import fixture_zoo

    return fixture_zoo(tmp_path_factory.mktemp("explorer"))


_opened: list[str] | None = None


def _record_open(event: str, arguments: tuple[object, ...]) -> None:
    if _opened is not None and event == "open":
        _opened.append(str(arguments[0]))


sys.addaudithook(_record_open)


@pytest.fixture
def opened_files() -> Iterator[list[str]]:
    """Every path that this process opens during the test, by whatever library (a CPython audit hook)."""
    global _opened
    _opened = []
    yield _opened
    _opened = None
