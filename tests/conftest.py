"""Shared fixtures: small networks and pictures, the real CIFAR-10 where it is at hand, and a record of opened files."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from browser_fixtures import address, browser, open_page  # noqa: F401 (fixtures)
from hub_fixtures import base, elsewhere, hub_made, quick, server  # noqa: F401 (fixtures)
from torch import Tensor, nn

from wzroi import ARCHITECTURES, Judge, JudgeConfig, ModelConfig, Pair, WynerZivJSCC, make_pair
from wzroi.data import FOLDER, MD5

ROOT = Path(__file__).resolve().parent.parent


def pytest_configure(config: pytest.Config) -> None:
    """Markers of the tests: leave the long ones out with ``-m "not slow"``."""
    config.addinivalue_line("markers", "slow: starts several processes that train for seconds")
    config.addinivalue_line("markers", "cifar10: reads the real CIFAR-10 from $WZROI_DATA")


def require(name: str, present: bool, reason: str) -> None:
    """Skip where something is absent; fail instead where ``$WZROI_REQUIRE`` (a comma list) names it."""
    if present:
        return
    if name in os.environ.get("WZROI_REQUIRE", "").split(","):
        pytest.fail(f"WZROI_REQUIRE asks for {name}: {reason}")
    pytest.skip(reason)


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


def pictures(batch: int, height: int = 32, width: int = 32, seed: int = 0) -> Tensor:
    """Smooth random pictures with some grain, float ``[B, 3, H, W]`` in [0, 1]."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(batch, 3, 5, 5, generator=generator)
    smooth = nn.functional.interpolate(coarse, size=(height, width), mode="bilinear", align_corners=False)
    return (0.9 * smooth + 0.1 * torch.rand(batch, 3, height, width, generator=generator)).clamp(0, 1)


def small_model(architecture: str, rate: int = 16, width: int = 8, seed: int = 0) -> WynerZivJSCC:
    """An untrained network of few filters, in eval mode, its SFT layers pushed away from the identity."""
    torch.manual_seed(seed)
    return WynerZivJSCC(ModelConfig.named(architecture, rate, width)).eval().requires_grad_(False)


def random_judge(kind: str = "resnet_lite", seed: int = 0) -> Judge:
    """An untrained judge whose batch norms hold random statistics, so that no layer is the identity by chance."""
    torch.manual_seed(seed)
    judge = Judge(JudgeConfig("resnet50", 64) if kind == "resnet50" else JudgeConfig("resnet_lite", 8))
    for module in judge.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, std=0.2)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.2)
    return judge.eval().requires_grad_(False)


@pytest.fixture
def pair() -> Pair:
    """Four crop pairs with labels."""
    return make_pair(pictures(4), torch.tensor([0, 3, 5, 9]))


@pytest.fixture(params=list(ARCHITECTURES))
def architecture(request: pytest.FixtureRequest) -> str:
    """Each architecture of the registry in turn."""
    return request.param


@pytest.fixture(scope="session")
def judge() -> Judge:
    """One small untrained judge; frozen, so tests may share it."""
    return random_judge()


JUDGE_NAME = "resnet_lite.cifar10"
REC_NAME, TASK_NAME = "deepjscc_wz_roi.rec_r16_lite", "deepjscc_wz_roi.task_r16_lite"
REHEARSED = 128
"""Generated pictures behind the runs of ``rehearsed``."""


def training_command(*arguments: str) -> list[str]:
    """``python -m training ...`` on one CPU thread; run it in the repository's root."""
    return [sys.executable, "-m", "training", *arguments, "--cpu", "--threads", "1"]


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
    from app_server import fixture_zoo

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
