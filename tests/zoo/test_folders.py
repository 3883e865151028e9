"""Folders that stand for a zoo: checkouts, what ``save_pretrained`` wrote, and how a network is found in them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

import zoo
from tests.support.shared import ROOT, small_model
from zoo.store.folders import find_store
from zoo.store.registry import BUNDLED

OWN = "deepjscc_wz_roi.mine"
JUDGE = "resnet_lite.cifar10"


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """Two networks of a user's own, as ``save_pretrained`` writes them."""
    zoo.save_pretrained(small_model("deepjscc_wz_roi"), tmp_path / "mine" / OWN)
    zoo.save_pretrained(small_model("deepjscc"), tmp_path / "mine" / "deepjscc.rec_r16_lite")
    return tmp_path / "mine"


@pytest.mark.parametrize("part", ["", "zoo", "zoo/checkpoints"])
def test_a_checkout_is_a_zoo(part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WZROI_ZOO", str(ROOT / part))
    assert zoo.list_models() and find_store(ROOT / part) == BUNDLED
    assert zoo.load_judge(JUDGE, "cpu").config == BUNDLED.entry(JUDGE).config
    assert zoo.from_pretrained(ROOT / part, JUDGE.upper(), device="cpu").config == BUNDLED.entry(JUDGE).config


def test_another_checkout_is_a_zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is not this package's own; its files are read from there."""
    (tmp_path / "zoo").mkdir()
    for name in ("checkpoints", "registry.json"):
        (tmp_path / "zoo" / name).symlink_to(ROOT / "zoo" / name)
    monkeypatch.setenv("WZROI_ZOO", str(tmp_path))
    assert JUDGE in zoo.list_judges()


def test_what_save_pretrained_wrote_is_a_zoo(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WZROI_ZOO", str(saved))
    assert sorted(zoo.list_models()) == ["deepjscc.rec_r16_lite", OWN]
    assert JUDGE in zoo.list_judges(), "a network of one's own needs a judge, and the bundled one is there"
    assert zoo.verify(OWN).passed
    loaded, kept = zoo.load(OWN, "cpu"), small_model("deepjscc_wz_roi")
    for key, value in kept.state_dict().items():
        assert torch.equal(loaded.state_dict()[key], value.half().float())
    monkeypatch.setenv("WZROI_ZOO", str(saved / OWN))
    assert zoo.list_models() == [OWN] and zoo.load(OWN, "cpu").config == kept.config


def test_weights_of_another_network_are_refused(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = saved / "deepjscc.rec_r16_lite" / "model.safetensors"
    (saved / OWN / "model.safetensors").write_bytes(other.read_bytes())
    monkeypatch.setenv("WZROI_ZOO", str(saved))
    with pytest.raises(zoo.ZooError, match="weights are not those"):
        zoo.list_models()


def test_a_folder_that_is_no_zoo_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in (tmp_path, tmp_path / "none"):
        monkeypatch.setenv("WZROI_ZOO", str(folder))
        with pytest.raises(zoo.ZooError, match=r"has no registry\.json and no checkpoints: name a folder"):
            zoo.list_models()


def test_from_pretrained_needs_a_name_only_where_there_are_several(saved: Path) -> None:
    with pytest.raises(zoo.ZooError, match=rf"holds 2 networks, so one must be named: .*{re.escape(OWN)}"):
        zoo.from_pretrained(saved)
    assert zoo.from_pretrained(saved, OWN.upper(), device="cpu").config.uses_roi
    (saved / "deepjscc.rec_r16_lite").rename(saved.parent / "apart")
    assert zoo.from_pretrained(saved, device="cpu").config.uses_roi
    assert not zoo.from_pretrained(saved.parent / "apart", device="cpu").config.uses_roi


def test_from_pretrained_says_what_a_place_is(tmp_path: Path) -> None:
    with pytest.raises(zoo.ZooError, match="holds no checkpoint"):
        zoo.from_pretrained(tmp_path)
    with pytest.raises(zoo.ZooError, match="there is no folder"):
        zoo.from_pretrained(tmp_path / "none")
    with pytest.raises(zoo.ZooError, match="of a Hub repository one network must be named"):
        zoo.from_pretrained("user/zoo")


def test_the_card_of_a_saved_network_loads_it(saved: Path) -> None:
    text = (saved / OWN / "README.md").read_text()
    assert "zoo.load(" not in text and f'from_pretrained("USER/NAME", "{OWN}")' in text
    lines = re.findall(r"^network = .+$", text.split("## Load")[1], re.MULTILINE)
    space: dict[str, object] = {"zoo": zoo}
    exec(lines[0].replace("path/to/this/folder", str(saved / OWN)), space)
    assert space["network"].config.uses_roi  # type: ignore[attr-defined]


def test_an_entry_whose_files_are_not_here(saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a wheel: the registry lists a network that is not part of it."""
    store = tmp_path / "store"
    store.mkdir()
    (store / "registry.json").write_bytes(BUNDLED.registry.read_bytes())
    (store / JUDGE).symlink_to(BUNDLED.path(JUDGE))
    monkeypatch.setenv("WZROI_ZOO", str(store))
    monkeypatch.delenv("WZROI_REPO", raising=False)
    assert zoo.list_models() == [] and zoo.list_judges() == [JUDGE]
    name = "deepjscc.rec_r16_lite"
    assert zoo.describe(name) == BUNDLED.entry(name)
    for call in (zoo.load, zoo.verify):
        with pytest.raises(zoo.ZooError, match=rf"zoo pull {re.escape(name)} --repo USER/NAME"):
            call(name)


def test_torch_hub_finds_the_networks() -> None:
    loaded = torch.hub.load(str(ROOT), "deepjscc_wz_roi", "task_r32_lite", source="local", device="cpu")
    kept = zoo.load("deepjscc_wz_roi.task_r32_lite", "cpu")
    assert loaded.config == kept.config and not loaded.training
    assert all(torch.equal(a, b) for a, b in zip(loaded.parameters(), kept.parameters(), strict=True))
    assert torch.hub.load(str(ROOT), "wz_roi_flex", source="local", device="cpu").config.width > 0
    assert torch.hub.load(str(ROOT), "judge", source="local", device="cpu").config == zoo.describe(JUDGE).config
    with pytest.raises(zoo.ZooError, match="did you mean"):
        torch.hub.load(str(ROOT), "deepjscc", "rec_r17_lite", source="local")
