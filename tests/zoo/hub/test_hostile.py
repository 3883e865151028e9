"""Repositories whose owner means harm: they agree with themselves, every sha256 is right, and nothing comes of it."""

from __future__ import annotations

import hashlib
import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

import zoo
from tests.support.hub_fixtures import REPO, ROI
from tests.support.hub_server import LoopbackHub
from tests.support.zoo_runs import JUDGE
from tests.zoo.test_zoo import HOSTILE, Trap
from zoo import hub
from zoo.store.checkpoint import LIMITS
from zoo.store.registry import REGISTRY

WEIGHTS = f"{ROI}/model.safetensors"


def forge(server: LoopbackHub, blobs: dict[str, bytes], **entry: Any) -> None:
    """Put blobs into the newest commit, and fields into the registry's entry; the digests agree with the blobs."""
    sha, before = server.repos[REPO].commits[-1]
    values = json.loads(before[REGISTRY])
    found = values["checkpoints"][ROI]
    for key, change in entry.items():
        found[key] = found[key] | change
    for path, blob in blobs.items():
        record = {"sha256": hashlib.sha256(blob).hexdigest(), "size": len(blob)}
        found["files"][path.partition("/")[2]] = record
    server.repos[REPO].commits[-1] = (sha, before | blobs | {REGISTRY: json.dumps(values).encode()})


def refused(match: str) -> None:
    """Neither verb makes a network of it."""
    for load in (lambda: zoo.from_pretrained(REPO, ROI), lambda: (zoo.pull(ROI), zoo.load(ROI, device="cpu"))):
        with pytest.raises(zoo.ZooError, match=match):
            load()


@pytest.mark.parametrize("kind", [kind for kind in HOSTILE if HOSTILE[kind]])
def test_hostile_tensor_files(elsewhere: Path, server: LoopbackHub, kind: str) -> None:
    forge(server, {WEIGHTS: HOSTILE[kind]})
    refused(r"model\.safetensors is not a complete safetensors file")


def test_a_pickle_is_never_read(elsewhere: Path, server: LoopbackHub, tmp_path: Path) -> None:
    trap = tmp_path / "sprung"
    torch.save({"w": Trap(trap)}, tmp_path / "weights")
    for blob in (pickle.dumps(Trap(trap)), (tmp_path / "weights").read_bytes()):
        forge(server, {WEIGHTS: blob})
        shutil.rmtree(elsewhere, ignore_errors=True)
        refused("is a pickle, which could run code")
    assert not trap.exists()


@pytest.mark.parametrize(("width", "sentence"), [(2**40, "width must be a whole number"), (1024, "has shape")])
def test_an_enormous_width(elsewhere: Path, server: LoopbackHub, width: int, sentence: str) -> None:
    values = json.loads(server.repos[REPO].commits[-1][1][f"{ROI}/config.json"])
    values["config"]["width"] = width
    forge(server, {f"{ROI}/config.json": json.dumps(values).encode()}, config={"width": width})
    refused(sentence)


def test_files_larger_than_any_checkpoint_are_not_fetched(elsewhere: Path, server: LoopbackHub) -> None:
    for file, limit in LIMITS.items():
        record = {file: {"sha256": "0" * 64, "size": limit + 1}}
        forge(server, {}, files=record)
        server.log.clear()
        refused(f"{file} cannot have {limit + 1} bytes")
        assert not server.requests(f"GET .*{ROI}/")
        shutil.rmtree(elsewhere, ignore_errors=True)
        forge(server, {f"{ROI}/{file}": server.repos[REPO].commits[-1][1][f"{ROI}/{file}"]})
    assert zoo.pull(ROI) == [ROI, JUDGE]


def test_a_link_out_of_the_cache_is_not_followed(elsewhere: Path, server: LoopbackHub, tmp_path: Path) -> None:
    """The Hub's cache is made of links, which is why links are allowed there: but only within it."""
    zoo.pull(ROI)
    (store,) = hub.cached_stores()
    pointer = store.path(ROI) / "model.safetensors"
    outside = tmp_path / "outside"
    outside.write_bytes(pointer.read_bytes())
    pointer.unlink()
    pointer.symlink_to(outside)
    with pytest.raises(zoo.ZooError, match="link to outside its folder"):
        zoo.load(ROI, device="cpu")


def test_a_repository_that_lies_is_refused_before_the_transfer(elsewhere: Path, server: LoopbackHub) -> None:
    sha, files = server.repos[REPO].commits[-1]
    path = f"{ROI}/model.safetensors"
    for forged in (files[path][:-1], files[path][:-1] + b"x", b"\x80\x04pickle"):
        server.repos[REPO].commits[-1] = (sha, files | {path: forged})
        server.log.clear()
        with pytest.raises(zoo.ZooError, match="does not match its registry"):
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
