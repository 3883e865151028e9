"""The zoo: registry, strict loading, golden tensors, publishing and the verbs, on tiny untrained networks."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import zoo
from tests.support.shared import small_model
from tests.support.zoo_runs import JUDGE, write_judge_run, write_link_run
from training.fit.import_checkpoint import import_checkpoint
from training.fit.publish import publish, publishable
from training.fit.runs import RECORD, WEIGHTS, MissingRun, finished
from wzroi import make_pair, sample_channel
from wzroi.config import PAPER_ARCHITECTURES, JudgeConfig, ModelConfig
from wzroi.judge import Judge
from wzroi.networks.deepjscc import WynerZivJSCC
from zoo.pretrained import from_pretrained, save_pretrained
from zoo.store import verified, writing
from zoo.store.checkpoint import FILES, digest, half_weights, tensors_of
from zoo.store.golden import TOLERANCE, check_golden, make_golden
from zoo.store.registry import BUNDLED, REGISTRY, CheckpointStore, check_name, parse_registry

NAMES = [f"{architecture}.rec_r16_lite" for architecture in PAPER_ARCHITECTURES]
ROI = "deepjscc_wz_roi.rec_r16_lite"


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Runs, and a store published from them: the four architectures and a judge, N = 8."""
    runs, store = tmp_path_factory.mktemp("runs"), tmp_path_factory.mktemp("store")
    folders = [write_judge_run(runs), *(write_link_run(runs, name) for name in NAMES)]
    for folder in folders:
        publish(folder, store)
    return runs, store


@pytest.fixture
def store(made: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the store that a test may damage, in use through the environment."""
    folder = tmp_path / "store"
    shutil.copytree(made[1], folder)
    monkeypatch.setenv("WZROI_ZOO", str(folder))
    monkeypatch.delenv("WZROI_REPO", raising=False)
    return folder


def test_lists_and_describes(store: Path) -> None:
    assert zoo.list_models() == NAMES
    assert zoo.list_models("deepjscc_wz_*") == NAMES[2:]
    assert zoo.list_judges() == [JUDGE]
    entry = zoo.describe(ROI)
    assert entry.config == ModelConfig.named("deepjscc_wz_roi", 16, 8) and entry.judge == JUDGE
    blob = (store / ROI / "model.safetensors").read_bytes()
    assert entry.sha256 == digest(blob)
    assert entry.size == sum((store / ROI / name).stat().st_size for name in FILES)
    assert entry.parameters == sum(p.numel() for p in WynerZivJSCC(entry.config).parameters())
    with pytest.raises(zoo.ZooError, match=r"did you mean deepjscc_wz_roi\.rec_r16_lite"):
        zoo.describe("deepjscc_wz_roi.rec_r16")


def test_load_gives_the_run_in_half_precision(made: tuple[Path, Path], store: Path) -> None:
    model = zoo.load(ROI, device="cpu")
    trained = load_file(made[0] / ROI / WEIGHTS)
    assert not model.training and not any(p.requires_grad for p in model.parameters())
    for name, value in model.state_dict().items():
        assert value.dtype == torch.float32
        assert torch.equal(value, trained[name].half().float())
    assert isinstance(zoo.load_judge(JUDGE, device="cpu"), Judge)


@pytest.mark.parametrize("name", [ROI, JUDGE])
def test_an_adopted_checkpoint_is_a_finished_run(store: Path, tmp_path: Path, name: str) -> None:
    runs = tmp_path / "runs"
    assert import_checkpoint(name, runs) and finished(runs / name)
    assert not import_checkpoint(name, runs)  # a run that is there is left as it is
    weights = verified.load_from(CheckpointStore.at(store), name, "cpu").state_dict()
    assert all(torch.equal(value, weights[key]) for key, value in load_file(runs / name / WEIGHTS).items())
    before = {path.name: path.read_bytes() for path in (store / name).iterdir()}
    publish(runs / name, store)
    assert {path.name: path.read_bytes() for path in (store / name).iterdir()} == before
    with pytest.raises(zoo.ZooError, match="no checkpoint"):
        import_checkpoint("deepjscc.rec_r8_lite", runs)


def test_loading_leaves_the_random_state_alone(store: Path) -> None:
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    zoo.load(ROI, device="cpu")
    zoo.load_judge(JUDGE, device="cpu")
    assert torch.equal(torch.rand(4), expected)


def test_kinds_are_not_confused(store: Path) -> None:
    with pytest.raises(zoo.ZooError, match="load_judge"):
        zoo.load(JUDGE)
    with pytest.raises(zoo.ZooError, match=r"use zoo\.load\("):
        zoo.load_judge(ROI)
    with pytest.raises(zoo.ZooError, match="is not available"):
        zoo.load(ROI, device="cuda:99")


def _flip(path: Path) -> None:
    blob = bytearray(path.read_bytes())
    blob[-5] ^= 1
    path.write_bytes(blob)


@pytest.mark.parametrize("file", FILES)
def test_altered_or_missing_files_are_named(store: Path, file: str) -> None:
    assert zoo.verify(ROI).passed
    _flip(store / ROI / file)
    with pytest.raises(zoo.ZooError, match=f"{file} is not the published file.*restore"):
        zoo.verify(ROI)
    (store / ROI / file).unlink()
    with pytest.raises(zoo.ZooError, match=f"{file} is missing: restore"):
        zoo.verify(ROI)


def test_a_flipped_weight_is_not_loaded_though_it_was_hashed_before(store: Path) -> None:
    zoo.load(ROI, device="cpu")
    _flip(store / ROI / "model.safetensors")
    with pytest.raises(zoo.ZooError, match=r"model\.safetensors is not the published file"):
        zoo.load(ROI, device="cpu")


def test_files_are_hashed_once(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    zoo.load(ROI, device="cpu")

    def never(blob: bytes) -> str:
        raise AssertionError("hashed again")

    monkeypatch.setattr(verified, "digest", never)
    zoo.load(ROI, device="cpu")


def test_golden_tensors_catch_what_hashes_cannot(store: Path) -> None:
    """The same bytes, another computation: a changed GDN floor, a swapped padding, a transposed map."""
    blob = (store / ROI / "golden.safetensors").read_bytes()
    model = zoo.load(ROI, device="cpu")
    assert check_golden(model, blob, "golden").error <= 1e-5
    with torch.no_grad():
        model.decoder.block3[0].bias += 0.05
    report = check_golden(model, blob, "golden")
    assert report.error > TOLERANCE and not report.passed
    with pytest.raises(zoo.ZooError, match="golden tensors of a judge"):
        check_golden(zoo.load_judge(JUDGE, device="cpu"), blob, "golden")


def test_golden_uses_every_input(store: Path) -> None:
    from safetensors.torch import save

    model = zoo.load(ROI, device="cpu")
    tensors = tensors_of(make_golden(model), "golden")
    for key in ("source", "side", "roi", "noise"):
        changed = tensors | {key: (1 - tensors[key]).contiguous()}
        assert check_golden(model, save(changed), "golden").error > 1e-4, key


def test_golden_pictures_are_no_photographs(store: Path) -> None:
    source = tensors_of((store / ROI / "golden.safetensors").read_bytes(), "golden")["source"]
    rough = (source[..., 1:] - source[..., :-1]).abs().max().item()
    assert rough < 0.25 and source.std().item() > 0.1


def test_publishing_again_changes_nothing(made: tuple[Path, Path], store: Path) -> None:
    before = {path: path.read_bytes() for path in sorted(store.rglob("*")) if path.is_file()}
    publish(made[0] / ROI, store)
    assert {path: path.read_bytes() for path in sorted(store.rglob("*")) if path.is_file()} == before


def _results(name: str, weights_sha256: str) -> dict[str, object]:
    row = {"images": 10, "draws": 2, "transmissions": 20, "psnr_mean": 23.456, "psnr_ci95": 0.05, "ssim_mean": 0.8,
           "ssim_ci95": 0.01, "roi_psnr_mean": 24.0, "roi_psnr_ci95": 0.1, "accuracy": 0.61, "accuracy_ci95": 0.02,
           "psnr_of_mean_mse": 23.1}  # fmt: skip
    rows = [{"snr_db": snr} | row for snr in (0, 5, 10)]
    return {"model": name, "weights_sha256": weights_sha256, "images": 10, "draws": 2, "rows": rows, "controls": {}}


def test_results_enter_card_and_registry_only_with_their_own_weights(
    made: tuple[Path, Path], store: Path, tmp_path: Path
) -> None:
    results = tmp_path / "results"
    results.mkdir()
    path = results / f"{ROI}.json"
    path.write_text(json.dumps(_results(ROI, "0" * 64)))
    assert publish(made[0] / ROI, store, results).metrics == {}
    path.write_text(json.dumps(_results(ROI, zoo.describe(ROI).sha256)))
    entry = publish(made[0] / ROI, store, results)
    assert entry.metrics["psnr"] == 23.456 and entry.metrics["accuracy_ci95"] == 0.02
    assert zoo.describe(ROI).metrics == entry.metrics
    text = (store / ROI / "README.md").read_text()
    assert "| 5 | 23.46 ± 0.05 (23.10) | 0.8000 ± 0.0100 | 24.00 ± 0.10 | 0.6100 ± 0.0200 |" in text
    path.write_text(json.dumps(_results("deepjscc.rec_r16_lite", entry.sha256)))
    with pytest.raises(zoo.ZooError, match="results of deepjscc"):
        publish(made[0] / ROI, store, results)


def test_cards_are_read_by_the_hub_client(made: tuple[Path, Path], store: Path, tmp_path: Path) -> None:
    from huggingface_hub import ModelCard

    (tmp_path / f"{ROI}.json").write_text(json.dumps(_results(ROI, zoo.describe(ROI).sha256)))
    publish(made[0] / ROI, store, tmp_path)
    data = ModelCard.load(store / ROI / "README.md").data
    assert data.license == "mit" and data.library_name == "wzroi" and data.datasets == ["uoft-cs/cifar10"]
    found = {result.metric_type: result.metric_value for result in data.eval_results}
    assert found == {"psnr": 23.456, "ssim": 0.8, "roi_psnr": 24.0, "accuracy": 0.61}
    assert all(result.dataset_split == "test" for result in data.eval_results)


def test_only_finished_runs_are_published(tmp_path: Path) -> None:
    folder = write_link_run(tmp_path, "deepjscc.rec_r16_lite")
    write_link_run(tmp_path, "deepjscc.rec_r16_lite_s2")
    assert publishable(tmp_path) == ["deepjscc.rec_r16_lite"]
    (folder / RECORD).rename(folder / "later.json")
    with pytest.raises(MissingRun, match="finish the training first"):
        publish(folder, tmp_path / "store")
    (folder / "later.json").rename(folder / RECORD)
    weights = load_file(folder / WEIGHTS)
    weights["encoder.block1.0.weight"][0] = 1e6
    save_file(weights, folder / WEIGHTS)
    with pytest.raises(zoo.ZooError, match="exceeds half precision"):
        publish(folder, tmp_path / "store")
    assert not (tmp_path / "store" / REGISTRY).exists()


def test_publish_is_killed_without_a_mixture(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kill at any write leaves every checkpoint loadable as it was, or missing with a sentence that mends it."""
    retrained = write_link_run(store.parent / "runs", ROI, seed=1)
    before = zoo.load(ROI, device="cpu").state_dict()
    real, calls = writing.write_file, 0

    def dying(path: Path, blob: bytes) -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise KeyboardInterrupt
        real(path, blob)

    monkeypatch.setattr(writing, "write_file", dying)
    with pytest.raises(KeyboardInterrupt):
        publish(retrained, store)
    after = zoo.load(ROI, device="cpu").state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)
    monkeypatch.setattr(writing, "write_file", real)
    publish(retrained, store)
    assert zoo.verify(ROI).passed


class Trap:
    """Unpickled, it leaves a file behind."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return (os.makedirs, (str(self.path),))


def _relabel(store: Path, name: str) -> None:
    """Make the registry agree with whatever lies in the folder: an attacker would."""
    path = store / REGISTRY
    values = json.loads(path.read_text())
    for file, record in values["checkpoints"][name]["files"].items():
        blob = (store / name / file).read_bytes()
        record["sha256"], record["size"] = digest(blob), len(blob)
    path.write_text(json.dumps(values))


def _reconfigure(store: Path, **changes: object) -> None:
    for path in (store / ROI / "config.json", store / REGISTRY):
        values = json.loads(path.read_text())
        owner = values["checkpoints"][ROI] if path.name == REGISTRY else values
        owner["config"] |= changes
        path.write_text(json.dumps(values))
    _relabel(store, ROI)


def test_pickles_are_refused_unread(store: Path, tmp_path: Path) -> None:
    trap = tmp_path / "sprung"
    target = store / ROI / "model.safetensors"
    for write in (lambda: torch.save({"w": Trap(trap)}, target), lambda: target.write_bytes(pickle.dumps(Trap(trap)))):
        write()
        _relabel(store, ROI)
        with pytest.raises(zoo.ZooError, match=r"model\.safetensors is a pickle"):
            zoo.load(ROI, device="cpu")
    assert not trap.exists()


def _header(fields: dict[str, object], body: bytes = b"") -> bytes:
    text = json.dumps(fields).encode()
    return len(text).to_bytes(8, "little") + text + body


HOSTILE = {
    "empty": b"",
    "header of 2^60 bytes": (2**60).to_bytes(8, "little") + b"{}",
    "overlapping tensors": _header({key: {"dtype": "F16", "shape": [4], "data_offsets": [4 * i, 4 * i + 8]}
                                    for i, key in enumerate("ab")}, b"\0" * 12),
    "offsets past the end": _header({"a": {"dtype": "F16", "shape": [4], "data_offsets": [0, 8]}}, b"\0" * 4),
    "enormous shape": _header({"a": {"dtype": "F16", "shape": [2**40, 2**40], "data_offsets": [0, 8]}}, b"\0" * 8),
    "unknown type": _header({"a": {"dtype": "OBJECT", "shape": [4], "data_offsets": [0, 8]}}, b"\0" * 8),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_tensor_files_are_refused(store: Path, kind: str) -> None:
    (store / ROI / "model.safetensors").write_bytes(HOSTILE[kind])
    if HOSTILE[kind]:
        _relabel(store, ROI)
    with pytest.raises(zoo.ZooError, match=r"model\.safetensors"):
        zoo.load(ROI, device="cpu")


def test_an_enormous_width_allocates_nothing(store: Path) -> None:
    import resource

    _reconfigure(store, width=12)  # what is imported for a first refusal is not what is measured
    with pytest.raises(zoo.ZooError, match="has shape"):
        zoo.load(ROI, device="cpu")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for width, reason in ((2**40, "width must be a whole number"), (1024, r"has shape .* its config\.json requires")):
        _reconfigure(store, width=width)
        with pytest.raises(zoo.ZooError, match=reason):
            zoo.load(ROI, device="cpu")
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 50 * 1024, f"{grown} KiB more: a network of that width was built"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"guidance": "none"}, "the other fields are deepjscc_wz's"),
        ({"maps": 3}, "has shape"),
        ({"depth": 9}, "unknown field depth"),
        ({"width": "8"}, "width must be a whole number"),
        ({"side": 1}, "side must be true or false"),
        ({"guidance": ["roi"]}, "guidance|config"),
    ],
)
def test_foreign_configs_are_refused(store: Path, change: dict[str, object], reason: str) -> None:
    _reconfigure(store, **change)
    with pytest.raises(zoo.ZooError, match=reason):
        zoo.load(ROI, device="cpu")


@pytest.mark.parametrize("edit", ["missing", "extra", "integer", "nan", "complex"])
def test_foreign_tensors_are_refused(store: Path, edit: str) -> None:
    target = store / ROI / "model.safetensors"
    tensors = load_file(target)
    key = "decoder.block1.0.bias"
    if edit == "missing":
        del tensors[key]
    elif edit == "extra":
        tensors["evil"] = torch.zeros(1)
    else:
        change = {"integer": tensors[key].long(), "nan": tensors[key] * float("nan"), "complex": tensors[key].cfloat()}
        tensors[key] = change[edit]
    save_file(tensors, target)
    _relabel(store, ROI)
    with pytest.raises(zoo.ZooError, match=r"model\.safetensors"):
        zoo.load(ROI, device="cpu")


@pytest.mark.parametrize("name", ["../evil.rec", "a/b.rec", "/etc.passwd", "deepjscc", "", "a..b", "A.b", "a.b\n"])
def test_names_stay_in_their_folder(name: str | None, store: Path) -> None:
    with pytest.raises(zoo.ZooError, match="not a checkpoint name"):
        check_name(name)
    values = json.loads((store / REGISTRY).read_text())
    values["checkpoints"][str(name)] = values["checkpoints"].pop(ROI)
    with pytest.raises(zoo.ZooError):
        parse_registry(json.dumps(values).encode(), REGISTRY)


def test_links_that_leave_the_folder_are_refused(store: Path, tmp_path: Path) -> None:
    target = store / ROI / "model.safetensors"
    outside = tmp_path / "outside"
    target.rename(outside)
    target.symlink_to(outside)
    with pytest.raises(zoo.ZooError, match="link to outside its folder"):
        zoo.load(ROI, device="cpu")


def test_a_zoo_that_is_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WZROI_ZOO", str(tmp_path / "nowhere"))
    with pytest.raises(zoo.ZooError, match=r"has no registry\.json"):
        zoo.list_models()


def test_pretrained_round_trip(store: Path, tmp_path: Path) -> None:
    model = zoo.load(ROI, device="cpu")
    model.save_pretrained(tmp_path / ROI)  # type: ignore[operator]
    assert {path.name for path in (tmp_path / ROI).iterdir()} == set(FILES)
    for found in (from_pretrained(tmp_path / ROI, device="cpu"), WynerZivJSCC.from_pretrained(tmp_path, ROI)):  # type: ignore[attr-defined]
        assert isinstance(found, WynerZivJSCC) and not found.training
        assert all(torch.equal(a, b.cpu()) for a, b in zip(model.state_dict().values(), found.state_dict().values(),
                                                           strict=True))  # fmt: skip
    assert torch.equal(from_pretrained(store, ROI, device="cpu").state_dict()["encoder.block1.0.weight"],
                       model.state_dict()["encoder.block1.0.weight"])  # fmt: skip


def test_pretrained_refuses(store: Path, tmp_path: Path) -> None:
    model = zoo.load(ROI, device="cpu")
    (tmp_path / "notes.txt").write_text("keep me")
    with pytest.raises(zoo.ZooError, match=r"notes\.txt"):
        save_pretrained(model, tmp_path)
    folder = save_pretrained(model, tmp_path / "mine", "deepjscc_wz_roi.mine")
    assert (tmp_path / "notes.txt").read_text() == "keep me"
    with pytest.raises(zoo.ZooError, match=r"describes deepjscc_wz_roi\.mine, not deepjscc"):
        from_pretrained(folder, ROI)
    other = save_pretrained(WynerZivJSCC(model.config), tmp_path / "other", "deepjscc_wz_roi.mine")
    shutil.copy(other / "model.safetensors", folder)
    with pytest.raises(zoo.ZooError, match=r"does not belong to its config\.json"):
        from_pretrained(folder)
    with pytest.raises(zoo.ZooError, match="not a checkpoint name"):
        from_pretrained(tmp_path, "../mine")


def test_weights_are_stored_in_half_precision_and_whole_numbers_as_they_are() -> None:
    judge = tensors_of(half_weights(Judge(JudgeConfig("resnet_lite", 8))), "weights")
    counters = {name for name in judge if name.endswith("num_batches_tracked")}
    assert counters and {judge[name].dtype for name in counters} == {torch.int64}
    assert {value.dtype for name, value in judge.items() if name not in counters} == {torch.float16}


def test_import_and_load_are_light(store: Path) -> None:
    heavy = "'huggingface_hub', 'streamlit', 'gradio', 'plotly', 'training', 'yaml'"
    code = f"import sys, zoo, zoo.cli; zoo.load('{ROI}'); bad = {{{heavy}}} & set(sys.modules); assert not bad, bad"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(zoo.__file__).parent.parent)


BUNDLED_NAMES = sorted(BUNDLED.entries())


@pytest.mark.parametrize("name", BUNDLED_NAMES)
def test_bundled_checkpoints_are_as_published(name: str) -> None:
    report = zoo.verify(name, "cpu", BUNDLED)
    assert report.passed, report


def test_bundled_folder_and_registry_agree() -> None:
    folders = sorted(path.name for path in BUNDLED.folder.glob("*") if path.is_dir())
    assert folders == BUNDLED_NAMES
    sizes = [record.size for entry in BUNDLED.entries().values() for record in entry.files.values()]
    assert sum(sizes) < 220 * 2**20 and max(sizes, default=0) < 50 * 2**20


@pytest.mark.parametrize("name", BUNDLED_NAMES)
def test_bundled_networks_run_and_know_their_judge(name: str) -> None:
    entry = BUNDLED.entry(name)
    network = verified.load_from(BUNDLED, name, "cpu")
    pair = make_pair(torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0)))
    if not isinstance(network, Judge):
        assert entry.judge in BUNDLED.entries() and name.startswith(network.config.architecture + ".")
        generator = torch.Generator().manual_seed(0)
        channel = sample_channel("awgn", 5.0, 1, network.num_symbols(32, 32), generator=generator)
        output = network(pair.source, pair.side, channel, torch.zeros(1, 1, 32, 32))
        assert output.shape == (1, 3, 32, 32) and 0 <= output.min() <= output.max() <= 1
    else:
        assert network(pair.source).shape == (1, 10)


def test_store_at_knows_the_bundled_folder() -> None:
    assert CheckpointStore.at(BUNDLED.folder) == BUNDLED


def test_a_config_from_before_architectures_were_named_is_read_and_kept(tmp_path: Path) -> None:
    """So that publishing again changes no sha256 of a stored checkpoint."""
    network = small_model("deepjscc_wz_sft")
    entry, files = writing.assemble(network, "deepjscc_wz_sft.rec_r16_lite", origin="a test")
    values = json.loads(files["config.json"])
    assert values["config"].pop("architecture") == "deepjscc_wz_sft" and "architecture" not in entry.to_dict()["config"]
    (tmp_path / "config.json").write_text(json.dumps(values))
    _, again = writing.assemble(network, entry.name, origin="a test", old=tmp_path)
    assert again["config.json"] == (tmp_path / "config.json").read_bytes()
    other = small_model("deepjscc_wz_sft", seed=1)
    _, changed = writing.assemble(other, entry.name, origin="a test", old=tmp_path)
    assert json.loads(changed["config.json"])["config"]["architecture"] == "deepjscc_wz_sft"
