"""Push and pull through faults: whatever breaks, nothing is half-written, and a sentence says what to do."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

import zoo
from tests.support.hub_fixtures import NAMES, REPO, ROI, no_parts, push_zoo
from tests.support.hub_server import READ, Fault, LoopbackHub
from tests.support.shared import ROOT
from tests.support.zoo_runs import JUDGE
from zoo import hub
from zoo.store.checkpoint import FILES


def test_pull_is_cut_at_random_bytes_and_goes_on(elsewhere: Path, server: LoopbackHub, quick: None) -> None:
    """Twenty-five cuts anywhere in the file: the client asks for the rest, and the file is whole."""
    numbers = random.Random(5)
    size = len(server.repos[REPO].commits[-1][1][f"{ROI}/model.safetensors"])
    for _ in range(25):
        shutil.rmtree(elsewhere, ignore_errors=True)
        server.faults = [Fault("GET .*model.safetensors", cut_after=numbers.randrange(size))]
        assert zoo.pull(ROI) == [ROI, JUDGE]
        no_parts(elsewhere)
        assert zoo.verify(ROI).passed


def test_pull_that_breaks_for_good_leaves_nothing_and_resumes(
    elsewhere: Path, server: LoopbackHub, quick: None
) -> None:
    server.faults = [Fault(f"GET .*{ROI}/model.safetensors", times=50, cut_after=0)]
    with pytest.raises(hub.HubError, match=r"no connection to the Hub|was interrupted"):
        zoo.pull(ROI)
    no_parts(elsewhere)
    with pytest.raises(zoo.ZooError, match="available"):
        zoo.load(ROI)
    server.faults, server.log[:] = [], []
    zoo.pull(ROI)
    fetched = server.requests("GET .*resolve")
    assert zoo.verify(ROI).passed and len(fetched) < 8, "files that had arrived were fetched again"


def test_push_is_cut_at_random_bytes(base: Path, server: LoopbackHub, quick: None) -> None:
    """Cuts of uploads and of the commit: either the whole zoo is there, or nothing of it."""
    numbers = random.Random(6)
    for attempt in range(12):
        server.repos.clear()
        server.objects.clear()
        pattern = "PUT /lfs" if attempt % 3 else "POST .*/commit/"
        times = 30 if attempt % 2 else 1
        server.faults = [Fault(pattern, times=times, cut_after=numbers.randrange(20_000))]
        try:
            push_zoo(base)
        except hub.HubError as error:
            assert "run the command again" in str(error) or "no connection" in str(error)
        files = server.repos[REPO].commits[-1][1] if REPO in server.repos else {}
        assert len(files) in (0, 1) or f"{ROI}/golden.safetensors" in files
        server.faults = []
        push_zoo(base)
        zoo.pull("*")
        assert len(server.repos[REPO].commits) == 2


STATUSES = [
    (401, {"X-Error-Message": "Invalid credentials in Authorization header"}, "rejects this token.*hf auth login"),
    (401, {}, "tester/zoo does not exist or is private|rejects this token"),
    (403, {"X-Error-Message": "no"}, "does not permit"),
    (403, {"X-Error-Code": "GatedRepo"}, "gated: ask for access"),
    (404, {"X-Error-Code": "RepoNotFound"}, "tester/zoo does not exist"),
    (429, {"Retry-After": "37"}, "too many requests to the Hub: try again in 37 s"),
    (500, {}, "HTTP 500.*later"),
    (503, {}, "HTTP 503.*later"),
]


@pytest.mark.parametrize(("status", "headers", "sentence"), STATUSES)
def test_pull_answers_each_status(
    elsewhere: Path, server: LoopbackHub, status: int, headers: dict[str, str], sentence: str, quick: None
) -> None:
    for pattern in ("GET /api/models", f"HEAD .*{ROI}"):
        server.faults = [Fault(pattern, times=99, status=status, headers=headers)]
        with pytest.raises(hub.HubError, match=sentence):
            zoo.pull(ROI)
        no_parts(elsewhere)
    server.faults = []
    assert zoo.pull(ROI) == [ROI, JUDGE]


@pytest.mark.parametrize(("status", "headers", "sentence"), [s for s in STATUSES if s[0] != 404])
def test_push_answers_each_status(
    base: Path, server: LoopbackHub, status: int, headers: dict[str, str], sentence: str, quick: None
) -> None:
    for pattern in ("GET /api/models", "POST .*/preupload", "POST .*/commit/"):
        server.faults = [Fault(pattern, times=99, status=status, headers=headers)]
        with pytest.raises(hub.HubError, match=sentence):
            push_zoo(base)
        assert all(len(files) == 1 for repo in server.repos.values() for _, files in repo.commits)
    server.faults = []
    assert push_zoo(base).commit is not None


def test_short_troubles_are_waited_out(elsewhere: Path, server: LoopbackHub, quick: None) -> None:
    server.faults = [Fault(f"HEAD .*{ROI}", times=2, status=503), Fault(f"GET .*{ROI}", times=2, status=429)]
    assert zoo.pull(ROI) == [ROI, JUDGE]


def _flipped(numbers: random.Random) -> Callable[[bytes], bytes]:
    """One bit of a body turned, anywhere."""

    def flip(body: bytes) -> bytes:
        place = numbers.randrange(len(body))
        return body[:place] + bytes([body[place] ^ (1 << numbers.randrange(8))]) + body[place + 1 :]

    return flip


def _truncated(numbers: random.Random) -> Callable[[bytes], bytes]:
    """A body that ends early, and whose announced length says so, too."""
    return lambda body: body[: numbers.randrange(len(body))]


@pytest.mark.parametrize("damage", [_flipped, _truncated])
@pytest.mark.parametrize("file", FILES)
def test_an_altered_file_is_found_and_never_kept(
    elsewhere: Path, server: LoopbackHub, quick: None, file: str, damage: Callable[[random.Random], object]
) -> None:
    """Eight times each: a bit turned anywhere, or an end anywhere; then the file comes whole."""
    numbers = random.Random(file)
    for _ in range(8):
        server.faults = [Fault(f"GET .*{ROI}/{file}", times=99, change=damage(numbers))]  # type: ignore[arg-type]
        with pytest.raises(zoo.ZooError, match=f"{file} from .* altered.* removed: pull it again|was interrupted"):
            zoo.pull(ROI)
        no_parts(elsewhere)
        assert not list(elsewhere.rglob(f"{ROI}/{file}"))
    server.faults = []
    assert zoo.pull(ROI) == [ROI, JUDGE] and zoo.verify(ROI).passed


def test_somebody_else_pushed_meanwhile(base: Path, server: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> None:
    push_zoo(base)
    stale = hub.inspect(hub.repository())
    zoo.push_to_hub(zoo.load(ROI, device="cpu"), REPO, "deepjscc_wz_roi.mine")
    monkeypatch.setattr("zoo.hub.pushing.inspect", lambda *args: stale)
    with pytest.raises(hub.HubError, match="changed in the meantime: run the command again"):
        zoo.push_to_hub(zoo.load(ROI, device="cpu"), REPO, "deepjscc_wz_roi.other")


def test_tokens(base: Path, server: LoopbackHub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_TOKEN", READ)
    with pytest.raises(hub.HubError, match="does not permit"):
        push_zoo(base)
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    with pytest.raises(hub.HubError, match="rejects this token"):
        push_zoo(base)
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(hub.HubError, match="no token found: run `hf auth login`"):
        push_zoo(base)
    assert not server.repos


def test_without_network(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    zoo.pull(ROI)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert zoo.pull(ROI) == [ROI, JUDGE], "what is cached needs no network"
    assert zoo.load(ROI, device="cpu") is not None
    with pytest.raises(hub.HubError, match="no connection to the Hub"):
        zoo.pull(NAMES[0])
    with pytest.raises(zoo.ZooError, match=f"python -m zoo pull {NAMES[0]}"):
        zoo.load(NAMES[0])


def test_a_hub_that_does_not_answer_is_left_soon(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import socket
    import time

    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{deaf.getsockname()[1]}")
        monkeypatch.setattr("zoo.hub.remote.TIMEOUT_S", 0.5)
        began = time.monotonic()
        with pytest.raises(hub.HubError, match="no connection to the Hub"):
            zoo.pull(ROI)
        assert time.monotonic() - began < 5


def test_offline_is_respected(elsewhere: Path, server: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    zoo.pull(ROI)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    server.log.clear()
    assert zoo.pull(ROI) == [ROI, JUDGE]
    with pytest.raises(hub.HubError, match="HF_HUB_OFFLINE is set"):
        zoo.pull(NAMES[0])
    assert not server.log


def test_two_pulls_at_once(elsewhere: Path, server: LoopbackHub) -> None:
    found: list[object] = []

    def work() -> None:
        try:
            found.append(zoo.pull("*"))
        except BaseException as error:
            found.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [sorted([*NAMES, JUDGE])] * 4
    assert all(zoo.verify(name).passed for name in [*NAMES, JUDGE])
    no_parts(elsewhere)


def test_a_disk_that_is_full(elsewhere: Path) -> None:
    """A limit on file size stands for a full disk: the write itself fails, anywhere in a file. Twelve times."""
    import resource

    before, numbers = resource.getrlimit(resource.RLIMIT_FSIZE), random.Random(7)
    for _ in range(12):
        resource.setrlimit(resource.RLIMIT_FSIZE, (numbers.randrange(4_096, 40_000), before[1]))
        try:
            with pytest.raises(hub.HubError, match=r"no space left in .*: free some"):
                zoo.pull("*")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        no_parts(elsewhere)
        assert all(name not in zoo.list_models() or zoo.verify(name).passed for name in NAMES)
    assert zoo.pull("*") and zoo.verify(ROI).passed


def test_two_processes_pull_the_same_files_at_once(elsewhere: Path, server: LoopbackHub) -> None:
    server.faults = [Fault("GET .*model.safetensors", times=99, delay=0.2)]
    environment = os.environ | {"HF_HUB_DISABLE_XET": "1", "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "zoo", "pull", "*"]
    started = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
               for _ in range(2)]  # fmt: skip
    for process in started:
        told = process.communicate(timeout=120)[0]
        assert process.returncode == 0 and "3 checkpoints of tester/zoo" in told, told
    assert all(zoo.verify(name).passed for name in [*NAMES, JUDGE])
    no_parts(elsewhere)


def test_a_cache_that_cannot_be_written(elsewhere: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = tmp_path / "blocked"
    blocked.mkdir(mode=0o555)
    if os.geteuid() == 0:  # permissions do not stop root; the kernel's own folder does
        blocked = Path("/sys/kernel")
    if os.access(blocked, os.W_OK) and not blocked.is_relative_to("/sys"):
        pytest.skip("this system lets everybody write everywhere")
    monkeypatch.setenv("HF_HUB_CACHE", str(blocked / "cache"))
    with pytest.raises(hub.HubError, match=r"cannot be written: fix its permissions"):
        zoo.pull(ROI)


def test_a_pulled_zoo_may_become_read_only(elsewhere: Path) -> None:
    """A container often mounts its cache read-only: what is there loads, and pulling it again writes nothing."""
    zoo.pull("*")
    before = {path: path.lstat().st_mtime_ns for path in elsewhere.rglob("*") if path.is_file()}
    for path in [elsewhere, *elsewhere.rglob("*")]:
        if path.is_dir():
            path.chmod(0o555)
    try:
        assert zoo.pull(ROI) == [ROI, JUDGE]
        assert zoo.load(ROI, device="cpu") is not None
        changed = {p for p in elsewhere.rglob("*") if p.is_file() and before.get(p) != p.lstat().st_mtime_ns}
        assert {path.name for path in changed} <= {"main"}, "only the branch's name may be noted again"
    finally:
        for path in [elsewhere, *elsewhere.rglob("*")]:
            if path.is_dir():
                path.chmod(0o755)
