"""Flexible networks in the zoo: one checkpoint for every rate, read as strictly as the others, sent at a rate."""

from __future__ import annotations

import dataclasses
import json
import resource
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load, save
from typer.testing import CliRunner

import zoo
from tests.support.shared import pictures
from tests.support.zoo_runs import SMALL_FLEX, small_flex, write_flex_run, write_judge_run, write_link_run
from training.fit.publish import publish
from wzroi.channel import sample_channel
from wzroi.config import ConfigError, FlexConfig, ModelConfig
from wzroi.networks.flex import FlexJSCC
from wzroi.pairs import CropPair, make_pair
from zoo.cli import app
from zoo.errors import ZooError
from zoo.pretrained import from_pretrained, save_pretrained
from zoo.rates import SERVED, check_rate, parse_rate, parse_rho, rho_text, symbols_at
from zoo.serving.variants import variants_of
from zoo.store.card import card, summary
from zoo.store.checkpoint import build, digest, read_config
from zoo.store.golden import check_golden, make_golden
from zoo.store.registry import CheckpointStore

FLEX, PAPER = "wz_roi_flex.rec_lite", "deepjscc_wz.rec_r32_lite"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A published flexible network beside one of the paper's and a judge; not to be altered."""
    folder = tmp_path_factory.mktemp("flexible")
    for run in (write_judge_run(folder), write_flex_run(folder), write_link_run(folder, PAPER)):
        publish(run, folder / "zoo")
    return folder / "zoo"


@pytest.fixture(autouse=True)
def in_use(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WZROI_ZOO", str(store))
    monkeypatch.delenv("WZROI_REPO", raising=False)


def test_it_is_listed_last_described_and_loaded(store: Path) -> None:
    assert zoo.list_models() == [PAPER, FLEX]
    entry = zoo.describe(FLEX)
    assert entry.flexible and entry.network == "link" and entry.config == SMALL_FLEX
    assert entry.title == "WZ-ROI-Flex (rec)" and not zoo.describe(PAPER).flexible
    state = torch.get_rng_state()
    network = zoo.load(FLEX, "cpu")
    assert isinstance(network, FlexJSCC) and not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())
    assert torch.equal(torch.get_rng_state(), state)
    trained = small_flex().state_dict()
    assert all(torch.equal(value, trained[name].half().float()) for name, value in network.state_dict().items())
    assert [entry.files[name].sha256 for name in sorted(entry.files)]


def test_it_is_verified_by_golden_tensors_at_a_known_placement(store: Path) -> None:
    report = zoo.verify(FLEX)
    assert report.passed
    blob = (store / FLEX / "golden.safetensors").read_bytes()
    tensors = load(blob)
    assert tensors["placement"].tolist() == list(CropPair().placement(32, 32))
    assert tensors["noise"].shape == (2, 192, 2) and tensors["snr_db"].tolist() == [5.0, 5.0]
    network = zoo.load(FLEX, "cpu")
    moved = tensors | {"placement": torch.tensor([0, 0, 20, 20])}  # it would have to search now
    assert not check_golden(network, save(moved), "moved").passed
    changed = tensors | {"side": tensors["side"].flip(0)}
    assert not check_golden(network, save(changed), "changed").passed


@pytest.mark.parametrize("placement", [
    torch.tensor([12, 12, 20]), torch.tensor([12.0, 12, 20, 20]), torch.tensor([-1, 0, 20, 20]),
    torch.tensor([0, 0, 0, 20]), torch.tensor([13, 12, 20, 20]), torch.tensor([2**62, 0, 2**62, 1]),
])  # fmt: skip
def test_a_golden_placement_outside_the_pictures_is_refused(store: Path, placement: torch.Tensor) -> None:
    tensors = load((store / FLEX / "golden.safetensors").read_bytes()) | {"placement": placement}
    with pytest.raises(ZooError, match="does not fit its network"):
        check_golden(zoo.load(FLEX, "cpu"), save(tensors), "hostile")


def test_golden_files_of_another_kind_are_refused() -> None:
    network = small_flex()
    tensors = load(make_golden(network))
    del tensors["placement"]
    with pytest.raises(ZooError, match="does not contain the golden tensors"):
        check_golden(network, save(tensors), "without")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"width": 1 << 30}, "width must be"), ({"width": 33}, "multiple"), ({"depth": 0}, "depth must be"),
        ({"depth": 10**9}, "depth must be"), ({"width": 10**12}, "width must be"), ({"depth": True}, "depth must be"),
        ({"depth": 2.0}, "depth must be"), ({"maps": 6}, "unknown field depth"),
        ({"side": True}, "unknown field depth"),
        ({"width": None}, "missing field width"), ({"depth": "2"}, "depth must be"),
    ],
)
def test_foreign_configurations_are_refused(change: dict[str, object], reason: str) -> None:
    values: dict[str, object] = {**SMALL_FLEX.to_dict(), **change}
    values = {key: value for key, value in values.items() if value is not None}
    with pytest.raises(ZooError, match=reason):
        read_config("link", values, "config.json")


def test_configurations_are_told_apart_by_their_fields() -> None:
    paper = ModelConfig.named("deepjscc_wz", 16, 8)
    for config in (SMALL_FLEX, paper):
        assert read_config("link", json.loads(json.dumps(config.to_dict())), "config.json") == config


def test_the_largest_network_that_a_configuration_can_name_touches_little_memory() -> None:
    """Weights that do not come cost no memory: two billion parameters are only addresses."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    network = build(FlexConfig(width=1024, depth=16))
    assert sum(parameter.numel() for parameter in network.parameters()) > 3e8
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 256 * 1024


@pytest.mark.parametrize("edit", ["extra", "missing", "shape", "nan"])
def test_foreign_tensors_are_refused(store: Path, tmp_path: Path, edit: str) -> None:
    folder = tmp_path / FLEX
    save_pretrained(small_flex(), folder)
    tensors = load((folder / "model.safetensors").read_bytes())
    wide = [key for key, value in tensors.items() if value.ndim == 2 and len(value) > 1]
    name = min(wide)  # the file gives its tensors in no fixed order
    if edit == "extra":
        tensors["more"] = torch.zeros(1)
    elif edit == "missing":
        del tensors[name]
    elif edit == "shape":
        tensors[name] = tensors[name][:1]
    else:
        tensors[name] = torch.full_like(tensors[name], torch.nan)
    blob = save(tensors)
    (folder / "model.safetensors").write_bytes(blob)
    described = json.loads((folder / "config.json").read_text())
    described["sha256"] = digest(blob)
    (folder / "config.json").write_text(json.dumps(described))
    with pytest.raises(ZooError, match=r"tensor|shape|finite"):
        from_pretrained(folder)


def test_pretrained_round_trip(tmp_path: Path) -> None:
    network = small_flex()
    target = network.save_pretrained(tmp_path / "mine")  # type: ignore[operator]
    again = from_pretrained(target, device="cpu")
    assert isinstance(again, FlexJSCC) and again.config == SMALL_FLEX
    assert json.loads((target / "config.json").read_text())["name"] == "wz_roi_flex.custom"


def test_publishing_again_changes_nothing(store: Path, tmp_path: Path) -> None:
    run = write_flex_run(tmp_path / "runs")
    first = publish(run, tmp_path / "zoo")
    assert publish(run, tmp_path / "zoo") == first
    assert first.files["model.safetensors"].size < 24 * 2**20


def _results(rate: int, snr_db: float, psnr: float) -> dict[str, object]:
    return {"rate": rate, "snr_db": snr_db, "psnr_mean": psnr, "psnr_ci95": 0.1, "psnr_of_mean_mse": psnr - 0.5,
            "ssim_mean": 0.8, "ssim_ci95": 0.01, "roi_psnr_mean": psnr, "roi_psnr_ci95": 0.1, "accuracy": 0.5,
            "accuracy_ci95": 0.01}  # fmt: skip


def test_the_card_has_a_table_for_each_rate_and_the_headline_of_one_sixteenth() -> None:
    rows = [_results(rate, snr_db, 20 + 32 / rate) for rate in (32, 16, 8) for snr_db in (0.0, 5.0)]
    results = {"model": FLEX, "rows": rows, "images": 10, "draws": 2, "channel": "awgn"}
    assert summary(results)["psnr"] == 22.0
    entry = dataclasses.replace(zoo.describe(FLEX), metrics=summary(results))
    text = card(entry, results)
    assert all(f"Bandwidth ratio 1/{rate}:" in text for rate in (32, 16, 8))
    assert "| 5 | 24.00 ± 0.10 (23.50) |" in text and "every bandwidth ratio from 1/96 to 1/8" in text
    assert "num_symbols(32, 32, rho=1 / 16)" in text and "AWGN, bandwidth ratio 1/16" in text


def test_rates_are_exact() -> None:
    assert [rho_text(rate) for rate in SERVED] == [
        "1/96", "1/48", "1/32", "1/24", "5/96", "1/16", "7/96", "1/12", "3/32", "5/48", "11/96", "1/8",
    ]  # fmt: skip
    network = small_flex()
    assert [symbols_at(network, 32, 32, rate) for rate in SERVED] == [32 * maps for maps in range(1, 13)]
    assert all(parse_rate(str(rate)) == rate for rate in SERVED)
    assert parse_rho("1/24") == pytest.approx(1 / 24) and parse_rho("0.0625") == 0.0625
    for text in ("0", "1.5", "7", "96/0", "-16", "16/", "x", "1e9", "٣٢", "1/200", "97"):
        with pytest.raises(ValueError, match=r"rate|rho"):
            parse_rate(text)
    for text in ("", "1/0", "nan", "-1/16", "2", "1e999", "x/2", "inf"):
        with pytest.raises(ValueError, match="bandwidth ratio"):
            parse_rho(text)


def test_only_a_flexible_network_takes_another_rate() -> None:
    paper = ModelConfig.named("deepjscc_wz", 32, 8)
    assert check_rate(paper, None) == check_rate(paper, 1 / 32) == 1 / 32
    with pytest.raises(ConfigError, match=r"only has the bandwidth ratio 1/32, not 0\.0625"):
        check_rate(paper, 1 / 16)
    assert check_rate(SMALL_FLEX, None) == 1 / 16 and check_rate(SMALL_FLEX, 0.05) == 0.05


def test_the_catalogue_has_one_network_at_every_rate() -> None:
    variants = variants_of([PAPER, FLEX, "wz_roi_flex.task"])
    assert [v.id for v in variants] == ["deepjscc_wz.rec_lite", "wz_roi_flex.rec_lite", "wz_roi_flex.task"]
    assert [v.flexible for v in variants] == [False, True, True] and variants[0].names == {32: PAPER}
    assert list(variants[1].names) == list(SERVED) and set(variants[1].names.values()) == {FLEX}
    assert variants[1].title == "WZ-ROI-Flex (rec)" and variants[1].served() == [(FLEX, list(SERVED))]


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "x.png"
    Image.fromarray((pictures(1)[0].permute(1, 2, 0) * 255).byte().numpy()).save(path)
    return path


def run(*arguments: object) -> tuple[int, str]:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return done.exit_code, done.output


def test_transmit_takes_a_rate(picture: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.png"
    code, text = run("transmit", picture, "--model", FLEX, "--rho", "5/96", "--out", out, "--device", "cpu")
    assert code == 0 and "symbols k       160" in text and "= 1/19.2" in text and out.is_file()
    code, text = run("transmit", picture, "--model", FLEX, "--out", out, "--device", "cpu")
    assert code == 0 and "symbols k       192" in text
    code, text = run("transmit", picture, "--model", PAPER, "--rho", "1/32", "--out", out, "--device", "cpu")
    assert code == 0 and "symbols k       96" in text


@pytest.mark.parametrize(
    ("model", "rho", "sentence"),
    [
        (PAPER, "1/16", "only has the bandwidth ratio 1/32, not"), (FLEX, "1/4", "from 1/192 to 1/8"),
        (FLEX, "many", "a bandwidth ratio is written 1/16"), (FLEX, "0", "must be above 0"),
    ],
)
def test_transmit_refuses_another_rate(picture: Path, tmp_path: Path, model: str, rho: str, sentence: str) -> None:
    asked = ["--model", model, "--rho", rho, "--out", tmp_path / "o.png", "--device", "cpu"]
    code, text = run("transmit", picture, *asked)
    assert code == 2 and sentence in " ".join(text.split())


def test_list_describe_and_verify_know_it() -> None:
    code, text = run("list")
    line = next(line for line in text.splitlines() if line.strip().startswith(FLEX))
    assert code == 0 and "1/96 to 1/8" in line and "32 to 384" in line and "figures are those at 1/16" in text
    assert "figures are those at 1/16" not in run("list", "deepjscc*")[1]
    assert json.loads(run("describe", FLEX, "--json")[1])["config"] == SMALL_FLEX.to_dict()
    code, text = run("verify", FLEX)
    assert code == 0 and f"{FLEX}: ok" in text


def test_a_registry_entry_survives_its_text(store: Path) -> None:
    entry = CheckpointStore.at(store).entry(FLEX)
    assert type(entry).from_dict(FLEX, json.loads(json.dumps(entry.to_dict())), "here") == entry


def test_the_crop_is_sent_placed_and_a_stereo_pair_is_not() -> None:
    network, images = small_flex(), pictures(2)
    crop, stereo = make_pair(images), make_pair(images, source="stereo", side=images.flip(3))
    assert crop.placement == CropPair().placement(32, 32) and stereo.placement is None
    channel = sample_channel("awgn", 5.0, 2, 192, generator=torch.Generator().manual_seed(0))
    told = network(crop.source, crop.side, channel, None, crop.placement)
    blind = network(crop.source, crop.side, channel)
    assert (told - blind).abs().max() > 1e-3
