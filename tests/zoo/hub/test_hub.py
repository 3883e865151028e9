"""Push and pull with the unmodified Hub client against a loopback Hub."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

import zoo
from tests.support.hub_fixtures import NAMES, REPO, ROI, empty_zoo, no_parts, push_zoo, retrain, write_results
from tests.support.hub_server import LoopbackHub
from tests.support.zoo_runs import JUDGE
from zoo import cli, hub
from zoo.store.checkpoint import FILES
from zoo.store.registry import REGISTRY


def test_round_trip_is_byte_identical(base: Path, server: LoopbackHub, elsewhere: Path) -> None:
    assert zoo.list_models() == []
    assert zoo.pull() == sorted([*NAMES, JUDGE])
    (store,) = hub.cached_stores()
    for name in [*NAMES, JUDGE]:
        for file in FILES:
            assert (store.path(name) / file).read_bytes() == (base / "store" / name / file).read_bytes()
        assert zoo.verify(name).passed
    assert isinstance(zoo.load(ROI, device="cpu"), torch.nn.Module)
    assert zoo.from_pretrained(REPO, ROI, device="cpu").config == zoo.describe(ROI).config
    no_parts(elsewhere)


def test_second_push_uploads_nothing(base: Path, server: LoopbackHub) -> None:
    first = push_zoo(base)
    assert first.commit == server.repos[REPO].commits[-1][0] and len(server.repos[REPO].commits) == 2
    server.log.clear()
    second = push_zoo(base)
    assert second.uploaded == [] and second.commit is None and set(second.unchanged) == set(first.uploaded)
    assert not server.requests("^(PUT|POST)") and len(server.repos[REPO].commits) == 2


def test_only_what_changed_is_pushed_in_one_commit(base: Path, server: LoopbackHub) -> None:
    push_zoo(base)
    retrain(base)
    server.log.clear()
    report = push_zoo(base)
    changed = {f"{ROI}/{file}" for file in FILES} | {REGISTRY, f"results/{ROI}.json"}
    assert set(report.uploaded) == changed
    assert len(server.requests("^PUT /lfs")) == 2 and len(server.repos[REPO].commits) == 3


def test_dry_run_sends_nothing(base: Path, server: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_TOKEN")
    report = push_zoo(base, dry_run=True)
    assert f"{ROI}/model.safetensors" in report.uploaded and report.commit is None
    assert not server.repos and not server.requests("^(PUT|POST)")


def test_repository_card_has_table_and_model_index(base: Path, server: LoopbackHub) -> None:
    from huggingface_hub import ModelCard

    push_zoo(base)
    files = server.repos[REPO].commits[-1][1]
    text = files["README.md"].decode()
    assert f"| `{ROI}` | 1/16 |" in text and "20.00 ± 0.10" in text
    indexed = ModelCard(text).data.eval_results
    assert {result.dataset_config for result in indexed} == {*NAMES, JUDGE}
    assert {result.metric_value for result in indexed if result.metric_type == "psnr"} == {20.0}
    assert set(files) >= {f"results/{name}.json" for name in NAMES}


def test_the_repository_names_its_library(base: Path, server: LoopbackHub) -> None:
    """``config.json`` in its root, by which the Hub counts downloads, and the card's metadata."""
    from huggingface_hub import ModelCard

    push_zoo(base)
    files = server.repos[REPO].commits[-1][1]
    config = json.loads(files["config.json"])
    assert config["library_name"] == "wzroi" == ModelCard(files["README.md"].decode()).data.library_name
    assert config["checkpoints"] == {NAMES[0]: "link", ROI: "link", JUDGE: "judge"}


def test_a_part_of_the_zoo_joins_what_is_there(base: Path, server: LoopbackHub) -> None:
    push_zoo(base, names=[NAMES[0], JUDGE])
    push_zoo(base, names=[ROI])
    registry = json.loads(server.repos[REPO].commits[-1][1][REGISTRY])
    assert set(registry["checkpoints"]) == {*NAMES, JUDGE}


@pytest.mark.parametrize("damage", ["results", "other results", "card", "golden", "missing"])
def test_push_refuses_what_is_not_whole(base: Path, server: LoopbackHub, damage: str) -> None:
    folder = base / "store" / ROI
    if damage == "results":
        (base / "results" / f"{ROI}.json").unlink()
    elif damage == "other results":
        write_results(base / "results", ROI, "0" * 64)
    elif damage == "missing":
        (folder / "config.json").unlink()
    else:
        file = "README.md" if damage == "card" else "golden.safetensors"
        if damage == "card":
            (folder / file).write_text("no metadata")
        else:
            (folder / file).write_bytes((base / "store" / NAMES[0] / file).read_bytes())
        values = json.loads((base / "store" / REGISTRY).read_text())
        blob = (folder / file).read_bytes()
        record = {"sha256": hashlib.sha256(blob).hexdigest(), "size": len(blob)}
        values["checkpoints"][ROI]["files"][file] = record
        (base / "store" / REGISTRY).write_text(json.dumps(values))
    unmeasured = "no results for its own"
    reasons = {"results": unmeasured, "other results": unmeasured, "card": "no Hub metadata",
               "golden": "golden tensors", "missing": r"config\.json is missing"}  # fmt: skip
    with pytest.raises(zoo.ZooError, match=reasons[damage]):
        push_zoo(base)
    assert not server.repos and not server.log


def test_own_networks_are_pushed_beside_the_zoo(base: Path, server: LoopbackHub) -> None:
    push_zoo(base)
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
    retrain(base)
    push_zoo(base)
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
    no_parts(elsewhere)
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
    paths = sorted((base / "store").rglob("*.safetensors"))
    for path, pointer in zip(paths, hf_xet.hash_files([str(path) for path in paths]), strict=True):
        blob = path.read_bytes()
        sha256 = hashlib.sha256(blob).hexdigest()
        server.xet[sha256], server.objects[sha256] = pointer.hash, blob  # the store itself is what serves the bytes
    push_zoo(base)
    assert not server.requests("PUT /lfs") and server.requests("xet-write-token")
    monkeypatch.setenv("WZROI_ZOO", str(empty_zoo(tmp_path)))
    zoo.pull("*")
    assert not server.requests("GET .*safetensors") and server.requests("xet-read-token")
    assert all(zoo.verify(name).passed for name in [*NAMES, JUDGE])
    no_parts(tmp_path / "cache")


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
    assert pulled.exit_code == 0 and "2 checkpoints of tester/zoo (main) are available" in pulled.stdout, pulled.output
    wrong = runner.invoke(cli.app, ["pull", "deepjscc.rec_r17_lite"])
    assert wrong.exit_code == 2 and "did you mean" in wrong.stderr
