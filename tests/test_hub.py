"""Push and pull with the unmodified Hub client against a loopback Hub, through faults and hostile repositories."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hub_server import READ, WRITE, Fault, LoopbackHub, point_client, running
from typer.testing import CliRunner
from zoo_runs import JUDGE, write_judge_run, write_link_run

import zoo
from training.publish import publish
from zoo import cli, hub
from zoo.checkpoint import FILES
from zoo.registry import REGISTRY, Shelf

REPO = "tester/zoo"
NAMES = ["deepjscc.rec_r16_lite", "deepjscc_wz_roi.rec_r16_lite"]
ROI = NAMES[1]
ROW = {"images": 4, "draws": 1, "transmissions": 4, "psnr_mean": 20.0, "psnr_ci95": 0.1, "ssim_mean": 0.7,
       "ssim_ci95": 0.01, "roi_psnr_mean": 20.5, "roi_psnr_ci95": 0.1, "accuracy": 0.5, "accuracy_ci95": 0.1,
       "psnr_of_mean_mse": 19.9}  # fmt: skip


def _write_results(folder: Path, name: str, sha256: str) -> None:
    values: dict[str, object] = {"model": name, "weights_sha256": sha256, "images": 4, "draws": 1}
    if name == JUDGE:
        part = {"accuracy": 0.1, "accuracy_ci95": 0.05}
        values |= {"clean": part, "side": part}
    else:
        values |= {"rows": [{"snr_db": 5, **ROW}], "controls": {}}
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(values))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``runs``, ``shelf`` and ``results`` of two networks and their judge, N = 8."""
    base = tmp_path_factory.mktemp("hub")
    for folder in (write_judge_run(base / "runs"), *(write_link_run(base / "runs", name) for name in NAMES)):
        entry = publish(folder, base / "shelf")
        _write_results(base / "results", entry.name, entry.sha256)
        publish(folder, base / "shelf", base / "results")
    return base


@pytest.fixture
def server() -> Iterator[LoopbackHub]:
    with running(LoopbackHub()) as loopback:
        yield loopback


@pytest.fixture
def base(made: Path, tmp_path: Path, server: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of what was made, an empty cache, and the client pointed at the loopback Hub over LFS, with a token."""
    folder = tmp_path / "base"
    shutil.copytree(made, folder)
    point_client(monkeypatch, server.url, tmp_path)
    for key, value in {"HF_TOKEN": WRITE, "WZROI_REPO": REPO, "WZROI_ZOO": str(folder / "shelf")}.items():
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
    _push(base)
    monkeypatch.setenv("WZROI_ZOO", str(_empty_zoo(tmp_path)))
    return tmp_path / "cache"


def _empty_zoo(tmp_path: Path) -> Path:
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / REGISTRY).write_text('{"format": 1, "checkpoints": {}}')
    return empty


def _push(base: Path, **options: object) -> hub.PushReport:
    return hub.push(REPO, shelf=Shelf.at(base / "shelf"), results=base / "results", **options)  # type: ignore[arg-type]


def _no_parts(cache: Path) -> None:
    assert not list(cache.rglob("*.incomplete")), "half a file was left behind"


def test_round_trip_is_byte_identical(base: Path, server: LoopbackHub, elsewhere: Path) -> None:
    assert zoo.list_models() == []
    assert zoo.pull() == sorted([*NAMES, JUDGE])
    (shelf,) = hub.cached_shelves()
    for name in [*NAMES, JUDGE]:
        for file in FILES:
            assert (shelf.path(name) / file).read_bytes() == (base / "shelf" / name / file).read_bytes()
        assert zoo.verify(name).passed
    assert isinstance(zoo.load(ROI, device="cpu"), torch.nn.Module)
    assert zoo.from_pretrained(REPO, ROI, device="cpu").config == zoo.describe(ROI).config
    _no_parts(elsewhere)


def test_second_push_uploads_nothing(base: Path, server: LoopbackHub) -> None:
    first = _push(base)
    assert first.commit == server.repos[REPO].commits[-1][0] and len(server.repos[REPO].commits) == 2
    server.log.clear()
    second = _push(base)
    assert second.uploaded == [] and second.commit is None and set(second.unchanged) == set(first.uploaded)
    assert not server.requests("^(PUT|POST)") and len(server.repos[REPO].commits) == 2


def test_only_what_changed_is_pushed_in_one_commit(base: Path, server: LoopbackHub) -> None:
    _push(base)
    folder = write_link_run(base / "runs", ROI, seed=1)
    entry = publish(folder, base / "shelf")
    _write_results(base / "results", ROI, entry.sha256)
    publish(folder, base / "shelf", base / "results")
    server.log.clear()
    report = _push(base)
    changed = {f"{ROI}/{file}" for file in FILES} | {REGISTRY, f"results/{ROI}.json"}
    assert set(report.uploaded) == changed
    assert len(server.requests("^PUT /lfs")) == 2 and len(server.repos[REPO].commits) == 3


def test_dry_run_sends_nothing(base: Path, server: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_TOKEN")
    report = _push(base, dry_run=True)
    assert f"{ROI}/model.safetensors" in report.uploaded and report.commit is None
    assert not server.repos and not server.requests("^(PUT|POST)")


def test_repository_card_has_table_and_model_index(base: Path, server: LoopbackHub) -> None:
    from huggingface_hub import ModelCard

    _push(base)
    files = server.repos[REPO].commits[-1][1]
    text = files["README.md"].decode()
    assert f"| `{ROI}` | 1/16 |" in text and "20.00 ± 0.10" in text
    indexed = ModelCard(text).data.eval_results
    assert {result.dataset_config for result in indexed} == {*NAMES, JUDGE}
    assert {result.metric_value for result in indexed if result.metric_type == "psnr"} == {20.0}
    assert set(files) >= {f"results/{name}.json" for name in NAMES}


def test_a_part_of_the_zoo_joins_what_is_there(base: Path, server: LoopbackHub) -> None:
    _push(base, names=[NAMES[0], JUDGE])
    _push(base, names=[ROI])
    registry = json.loads(server.repos[REPO].commits[-1][1][REGISTRY])
    assert set(registry["checkpoints"]) == {*NAMES, JUDGE}


@pytest.mark.parametrize("damage", ["results", "other results", "card", "golden", "missing"])
def test_push_refuses_what_is_not_whole(base: Path, server: LoopbackHub, damage: str) -> None:
    folder = base / "shelf" / ROI
    if damage == "results":
        (base / "results" / f"{ROI}.json").unlink()
    elif damage == "other results":
        _write_results(base / "results", ROI, "0" * 64)
    elif damage == "missing":
        (folder / "config.json").unlink()
    else:
        file = "README.md" if damage == "card" else "golden.safetensors"
        if damage == "card":
            (folder / file).write_text("no metadata")
        else:
            (folder / file).write_bytes((base / "shelf" / NAMES[0] / file).read_bytes())
        values = json.loads((base / "shelf" / REGISTRY).read_text())
        blob = (folder / file).read_bytes()
        record = {"sha256": hashlib.sha256(blob).hexdigest(), "size": len(blob)}
        values["checkpoints"][ROI]["files"][file] = record
        (base / "shelf" / REGISTRY).write_text(json.dumps(values))
    reasons = {"results": "no results of its own", "other results": "no results of its own", "card": "no Hub metadata",
               "golden": "golden tensors", "missing": r"config\.json is missing"}  # fmt: skip
    with pytest.raises(zoo.ZooError, match=reasons[damage]):
        _push(base)
    assert not server.repos and not server.log


def test_own_networks_are_pushed_beside_the_zoo(base: Path, server: LoopbackHub) -> None:
    _push(base)
    model = zoo.load(ROI, device="cpu")
    report = zoo.push_to_hub(model, REPO, "deepjscc_wz_roi.mine", judge=JUDGE)
    assert f"{REGISTRY}" in report.uploaded and "deepjscc_wz_roi.mine/model.safetensors" in report.uploaded
    found = zoo.from_pretrained(REPO, "deepjscc_wz_roi.mine", device="cpu")
    assert torch.equal(found.state_dict()["encoder.block1.0.weight"], model.state_dict()["encoder.block1.0.weight"])
    assert set(hub.hub_entries()) == {*NAMES, JUDGE, "deepjscc_wz_roi.mine"}


def test_a_pull_brings_the_judge_and_nothing_else(elsewhere: Path, server: LoopbackHub) -> None:
    assert zoo.pull(ROI) == [ROI, JUDGE]
    assert not server.requests(f"GET .*{NAMES[0]}/")
    server.log.clear()
    zoo.pull(ROI)
    assert not server.requests("GET .*(safetensors|config)"), "what is cached was fetched again"


def test_pinned_revisions(base: Path, elsewhere: Path, server: LoopbackHub) -> None:
    first = server.repos[REPO].commits[-1][0]
    server.repos[REPO].tags["v1"] = first
    folder = write_link_run(base / "runs", ROI, seed=1)
    entry = publish(folder, base / "shelf")
    _write_results(base / "results", ROI, entry.sha256)
    publish(folder, base / "shelf", base / "results")
    _push(base)
    new = zoo.from_pretrained(REPO, ROI, device="cpu").state_dict()["encoder.block1.0.weight"]
    for revision in ("v1", first):
        old = zoo.from_pretrained(REPO, ROI, revision=revision, device="cpu").state_dict()["encoder.block1.0.weight"]
        assert not torch.equal(old, new)
    with pytest.raises(hub.HubError, match="no such revision"):
        zoo.pull(ROI, revision="v9")


def test_progress_counts_to_the_end_and_can_cancel(elsewhere: Path, server: LoopbackHub) -> None:
    last: dict[str, tuple[int, int]] = {}

    def note(path: str, done: int, total: int) -> None:
        last[path] = (done, total)

    class Cancelled(Exception):
        pass

    def cancel(path: str, done: int, total: int) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        zoo.pull(ROI, progress=cancel)
    _no_parts(elsewhere)
    zoo.pull(ROI, progress=note)
    wanted = f"{ROI}/model.safetensors"
    assert last[wanted] == (hub.hub_entries()[ROI].files["model.safetensors"].size,) * 2


def test_the_xet_path_round_trips(
    base: Path, server: LoopbackHub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The client's default path: every weight goes through a xet store, none through LFS, and comes back the same."""
    hf_xet = pytest.importorskip("hf_xet")
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", False)
    server.cas = f"local://{tmp_path / 'cas'}"
    (tmp_path / "cas").mkdir()
    paths = sorted((base / "shelf").rglob("*.safetensors"))
    for path, pointer in zip(paths, hf_xet.hash_files([str(path) for path in paths]), strict=True):
        blob = path.read_bytes()
        sha256 = hashlib.sha256(blob).hexdigest()
        server.xet[sha256], server.objects[sha256] = pointer.hash, blob  # the store itself is what serves the bytes
    _push(base)
    assert not server.requests("PUT /lfs") and server.requests("xet-write-token")
    monkeypatch.setenv("WZROI_ZOO", str(_empty_zoo(tmp_path)))
    zoo.pull("*")
    assert not server.requests("GET .*safetensors") and server.requests("xet-read-token")
    assert all(zoo.verify(name).passed for name in [*NAMES, JUDGE])
    _no_parts(tmp_path / "cache")


# --- faults ---------------------------------------------------------------------------------------------------------


def test_pull_is_cut_at_random_bytes_and_goes_on(elsewhere: Path, server: LoopbackHub, quick: None) -> None:
    """Twenty-five cuts anywhere in the file: the client asks for the rest, and the file is whole."""
    numbers = random.Random(5)
    size = len(server.repos[REPO].commits[-1][1][f"{ROI}/model.safetensors"])
    for _ in range(25):
        shutil.rmtree(elsewhere, ignore_errors=True)
        server.faults = [Fault("GET .*model.safetensors", cut_after=numbers.randrange(size))]
        assert zoo.pull(ROI) == [ROI, JUDGE]
        _no_parts(elsewhere)
        assert zoo.verify(ROI).passed


def test_pull_that_breaks_for_good_leaves_nothing_and_resumes(
    elsewhere: Path, server: LoopbackHub, quick: None
) -> None:
    server.faults = [Fault(f"GET .*{ROI}/model.safetensors", times=50, cut_after=0)]
    with pytest.raises(hub.HubError, match=r"no connection to the Hub|broke off"):
        zoo.pull(ROI)
    _no_parts(elsewhere)
    with pytest.raises(zoo.ZooError, match="at hand"):
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
            _push(base)
        except hub.HubError as error:
            assert "run the command again" in str(error) or "no connection" in str(error)
        files = server.repos[REPO].commits[-1][1] if REPO in server.repos else {}
        assert len(files) in (0, 1) or f"{ROI}/golden.safetensors" in files
        server.faults = []
        _push(base)
        zoo.pull("*")
        assert len(server.repos[REPO].commits) == 2


STATUSES = [
    (401, {"X-Error-Message": "Invalid credentials in Authorization header"}, "not take this token.*hf auth login"),
    (401, {}, "no repository tester/zoo, or it is private|not take this token"),
    (403, {"X-Error-Message": "no"}, "no right"),
    (403, {"X-Error-Code": "GatedRepo"}, "gated: ask for access"),
    (404, {"X-Error-Code": "RepoNotFound"}, "no repository tester/zoo"),
    (429, {"Retry-After": "37"}, "slow down: try again in 37 s"),
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
        _no_parts(elsewhere)
    server.faults = []
    assert zoo.pull(ROI) == [ROI, JUDGE]


@pytest.mark.parametrize(("status", "headers", "sentence"), [s for s in STATUSES if s[0] != 404])
def test_push_answers_each_status(
    base: Path, server: LoopbackHub, status: int, headers: dict[str, str], sentence: str, quick: None
) -> None:
    for pattern in ("GET /api/models", "POST .*/preupload", "POST .*/commit/"):
        server.faults = [Fault(pattern, times=99, status=status, headers=headers)]
        with pytest.raises(hub.HubError, match=sentence):
            _push(base)
        assert all(len(files) == 1 for repo in server.repos.values() for _, files in repo.commits)
    server.faults = []
    assert _push(base).commit is not None


def test_short_troubles_are_waited_out(elsewhere: Path, server: LoopbackHub, quick: None) -> None:
    server.faults = [Fault(f"HEAD .*{ROI}", times=2, status=503), Fault(f"GET .*{ROI}", times=2, status=429)]
    assert zoo.pull(ROI) == [ROI, JUDGE]


@pytest.mark.parametrize("file", FILES)
def test_a_flipped_bit_is_found_and_removed(elsewhere: Path, server: LoopbackHub, file: str) -> None:
    server.faults = [Fault(f"GET .*{ROI}/{file}", flip=True)]
    with pytest.raises(zoo.ZooError, match=f"{file} arrived .* altered.* removed: pull it again"):
        zoo.pull(ROI)
    assert zoo.pull(ROI) == [ROI, JUDGE] and zoo.verify(ROI).passed


def test_a_repository_that_lies_is_refused_before_the_transfer(elsewhere: Path, server: LoopbackHub) -> None:
    sha, files = server.repos[REPO].commits[-1]
    path = f"{ROI}/model.safetensors"
    for forged in (files[path][:-1], files[path][:-1] + b"x", b"\x80\x04pickle"):
        server.repos[REPO].commits[-1] = (sha, files | {path: forged})
        server.log.clear()
        with pytest.raises(zoo.ZooError, match="is not what its registry says"):
            zoo.pull(ROI)
        assert not server.requests(f"GET .*{ROI}/")
    server.repos[REPO].commits[-1] = (sha, {key: value for key, value in files.items() if key != path})
    with pytest.raises(zoo.ZooError, match=r"lacks .*model\.safetensors"):
        zoo.pull(ROI)


@pytest.mark.parametrize("name", ["../../evil.rec", "/tmp/evil.rec", "a\\..\\evil.rec"])
def test_hostile_names_write_nowhere(elsewhere: Path, server: LoopbackHub, name: str, tmp_path: Path) -> None:
    sha, files = server.repos[REPO].commits[-1]
    values = json.loads(files[REGISTRY])
    values["checkpoints"][name] = values["checkpoints"][ROI]
    forged = {REGISTRY: json.dumps(values).encode(), f"{name}/config.json": b"{}"}
    server.repos[REPO].commits[-1] = (sha, files | forged)
    with pytest.raises(zoo.ZooError, match="not a checkpoint name"):
        zoo.pull("*")
    assert not list(tmp_path.rglob("evil*"))


def test_a_repository_that_is_no_zoo(elsewhere: Path, server: LoopbackHub) -> None:
    sha, files = server.repos[REPO].commits[-1]
    server.repos[REPO].commits[-1] = (sha, {"README.md": b"hello"})
    with pytest.raises(hub.HubError, match="not a WZ-ROI zoo"):
        zoo.pull("*")
    for text in (b"", b"[]", b"{", b"\xff", b"[" * 100_000, b'{"format": 2, "checkpoints": {}}'):
        server.repos[REPO].commits[-1] = (sha, files | {REGISTRY: text})
        shutil.rmtree(elsewhere, ignore_errors=True)
        with pytest.raises(zoo.ZooError, match="registry"):
            zoo.pull("*")


def test_somebody_else_pushed_meanwhile(base: Path, server: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> None:
    _push(base)
    stale = hub.look(hub.repository())
    zoo.push_to_hub(zoo.load(ROI, device="cpu"), REPO, "deepjscc_wz_roi.mine")
    monkeypatch.setattr(hub, "look", lambda *args: stale)
    with pytest.raises(hub.HubError, match="changed meanwhile: run the command again"):
        zoo.push_to_hub(zoo.load(ROI, device="cpu"), REPO, "deepjscc_wz_roi.other")


def test_tokens(base: Path, server: LoopbackHub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_TOKEN", READ)
    with pytest.raises(hub.HubError, match="no right"):
        _push(base)
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    with pytest.raises(hub.HubError, match="does not take this token"):
        _push(base)
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(hub.HubError, match="there is no token: run `hf auth login`"):
        _push(base)
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
        monkeypatch.setattr(hub, "TIMEOUT_S", 0.5)
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
    _no_parts(elsewhere)


def test_a_disk_that_is_full(elsewhere: Path) -> None:
    """A limit on file size stands for a full disk: the write itself fails, in the middle of a file."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (16_384, before[1]))
    try:
        with pytest.raises(hub.HubError, match=r"no room left in .*: free some"):
            zoo.pull("*")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    _no_parts(elsewhere)
    assert zoo.pull("*") and zoo.verify(ROI).passed


def test_a_cache_that_cannot_be_written(elsewhere: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = tmp_path / "blocked"
    blocked.mkdir(mode=0o555)
    if os.geteuid() == 0:  # permissions do not stop root; the kernel's own folder does
        blocked = Path("/sys/kernel")
    if os.access(blocked, os.W_OK) and not blocked.is_relative_to("/sys"):
        pytest.skip("this system lets everybody write everywhere")
    monkeypatch.setenv("HF_HUB_CACHE", str(blocked / "cache"))
    with pytest.raises(hub.HubError, match=r"cannot be written: mend its permissions"):
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


# --- names, commands ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["zoo", "a/b/c", "../a/b", "a/..", "a b/c", "a/b@../main", "http://x/y", "-a/b"])
def test_repository_names(text: str) -> None:
    with pytest.raises(hub.HubError, match="is not a re"):
        hub.repository(text)


def test_repository_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WZROI_REPO", raising=False)
    with pytest.raises(hub.HubError, match="set WZROI_REPO"):
        hub.repository()
    monkeypatch.setenv("WZROI_REPO", "me/zoo@v1")
    assert hub.repository() == hub.Repository("me/zoo", "v1")
    assert hub.repository(revision="v2") == hub.Repository("me/zoo", "v2")


def test_commands(base: Path, server: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> None:
    runner = CliRunner()
    dry = runner.invoke(cli.app, ["push", "--repo", REPO, "--dry-run"])
    assert dry.exit_code == 0 and f"would send {ROI}/model.safetensors" in dry.stdout and not server.repos
    pushed = runner.invoke(cli.app, ["push", "--repo", REPO])
    assert pushed.exit_code == 0 and "commit" in pushed.stdout, pushed.output
    again = runner.invoke(cli.app, ["push", "--repo", REPO])
    assert "0 files changed" in again.stdout
    pulled = runner.invoke(cli.app, ["pull", ROI])
    assert pulled.exit_code == 0 and "2 checkpoints of tester/zoo (main) are at hand" in pulled.stdout, pulled.output
    wrong = runner.invoke(cli.app, ["pull", "deepjscc.rec_r17_lite"])
    assert wrong.exit_code == 2 and "did you mean" in wrong.stderr
