"""Fuzzing what a checkpoint is read from: config, registry, safetensors header and golden file; and the count.

Every case must end in the one error class or in a network that is exactly its configuration's; nothing else may be
raised, and nothing may be built that its file does not hold. A long run, whose count is kept in
``assets/results/fuzz_zoo.json``:

    WZROI_FUZZ=5000 python -m pytest -q tests/zoo/test_fuzz.py
"""

from __future__ import annotations

import datetime
import json
import os
import struct
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.shared import ROOT
from wzroi.config import JudgeConfig, ModelConfig
from wzroi.networks.deepjscc import WynerZivJSCC
from zoo.errors import ZooError
from zoo.store.checkpoint import CONFIG, GOLDEN, WEIGHTS, Description, network_from
from zoo.store.golden import check_golden
from zoo.store.registry import parse_registry, registry_text
from zoo.store.writing import assemble

NAME = "deepjscc_wz_roi.fuzz"
torch.manual_seed(0)
ENTRY, FILES = assemble(WynerZivJSCC(ModelConfig.named("deepjscc_wz_roi", 16, 4)), NAME, origin="a test")
MODEL = network_from(ENTRY.config, FILES[WEIGHTS], WEIGHTS)
WHOLE = MODEL.state_dict()
REGISTRY = registry_text({NAME: ENTRY}).encode()

HEALTH = [HealthCheck.too_slow, HealthCheck.data_too_large]
LONG = int(os.environ.get("WZROI_FUZZ", "0"))
"""Cases of each kind in a long run."""

QUICK = settings(max_examples=LONG or 400, deadline=None, suppress_health_check=HEALTH)
ODD = st.sampled_from([2**60, -1, 0, "1", "", "../x"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | ODD,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
seen = {"refused": 0, "taken": 0}
KINDS = ["config.json", "registry.json", "model.safetensors", "golden.safetensors"]


@pytest.fixture(scope="module", autouse=True)
def count(request: pytest.FixtureRequest) -> Any:
    """Print how many cases ran; fail when the fuzzing was idle."""
    seen.update(refused=0, taken=0)
    yield
    print(f"\nfuzz: {seen['refused']} refused, {seen['taken']} taken")
    assert seen["refused"] > 500
    if LONG and not request.session.testsfailed:
        kept = {"cases_of_a_kind": LONG, "kinds": KINDS, **seen, "date": datetime.date.today().isoformat()}
        (ROOT / "assets" / "results" / "fuzz_zoo.json").write_text(json.dumps(kept, indent=1) + "\n")


def _tried(work: Any) -> Any:
    try:
        found = work()
    except ZooError as error:
        assert 10 < len(str(error)) < 1000
        seen["refused"] += 1
        return None
    seen["taken"] += 1
    return found


def _edit(values: Any, data: st.DataObject) -> Any:
    """Replace, drop or add one thing somewhere in a JSON value."""
    if isinstance(values, dict) and values and data.draw(st.integers(0, 3)):
        key = data.draw(st.sampled_from(sorted(values)))
        deed = data.draw(st.sampled_from(["inside", "inside", "drop", "add"]))
        if deed == "drop":
            return {k: v for k, v in values.items() if k != key}
        if deed == "add":
            return values | {data.draw(st.text(max_size=8)): data.draw(JSON)}
        return values | {key: _edit(values[key], data)}
    if isinstance(values, list) and values and data.draw(st.booleans()):
        index = data.draw(st.integers(0, len(values) - 1))
        return [*values[:index], _edit(values[index], data), *values[index + 1 :]]
    return data.draw(JSON)


def _damage(blob: bytes, data: st.DataObject) -> bytes:
    start = data.draw(st.integers(0, len(blob) - 1))
    kind = data.draw(st.sampled_from(["flip", "cut", "insert", "head"]))
    if kind == "cut":
        return blob[:start]
    if kind == "insert":
        return blob[:start] + data.draw(st.binary(max_size=20)) + blob[start:]
    if kind == "head":
        return struct.pack("<Q", data.draw(st.integers(0, 2**64 - 1))) + blob[8:]
    return blob[:start] + data.draw(st.binary(min_size=1, max_size=4)) + blob[start + 1 :]


@QUICK
@given(st.data())
def test_config(data: st.DataObject) -> None:
    values = json.loads(FILES[CONFIG])
    blob = json.dumps(_edit(values, data)).encode() if data.draw(st.booleans()) else _damage(FILES[CONFIG], data)
    found = _tried(lambda: Description.from_json(blob, CONFIG))
    if found is not None:
        assert isinstance(found.config, ModelConfig | JudgeConfig) and found.config.width <= 1024
        assert Description.from_json(found.to_json().encode(), CONFIG) == found


@QUICK
@given(st.data())
def test_registry(data: st.DataObject) -> None:
    edited = data.draw(st.booleans())
    blob = json.dumps(_edit(json.loads(REGISTRY), data)).encode() if edited else _damage(REGISTRY, data)
    found = _tried(lambda: parse_registry(blob, "registry.json"))
    if found is not None:
        assert all("/" not in name and ".." not in name and entry.size < 2**30 for name, entry in found.items())


def _split(blob: bytes) -> tuple[dict[str, Any], bytes]:
    length = struct.unpack("<Q", blob[:8])[0]
    return json.loads(blob[8 : 8 + length]), blob[8 + length :]


def _join(header: Any, body: bytes) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


@QUICK
@given(st.data())
def test_safetensors_header(data: st.DataObject) -> None:
    """Shapes, types, offsets and names edited: taken only when every tensor is still the network's own."""
    header, body = _split(FILES[WEIGHTS])
    blob = _join(_edit(header, data), body) if data.draw(st.booleans()) else _damage(FILES[WEIGHTS], data)
    found = _tried(lambda: network_from(ENTRY.config, blob, WEIGHTS))
    if found is not None:
        state = found.state_dict()
        assert {key: value.shape for key, value in state.items()} == {key: value.shape for key, value in WHOLE.items()}
        assert all(bool(value.isfinite().all()) for value in state.values())


@settings(QUICK, max_examples=LONG or 150)
@given(st.data())
def test_golden(data: st.DataObject) -> None:
    header, body = _split(FILES[GOLDEN])
    blob = _join(_edit(header, data), body) if data.draw(st.booleans()) else _damage(FILES[GOLDEN], data)
    report = _tried(lambda: check_golden(MODEL, blob, GOLDEN))
    assert report is None or report.passed in (True, False)
