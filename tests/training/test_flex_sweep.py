"""Evaluation of flexible networks: rows over rate and SNR, controls, and parts that are kept as they are measured."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from filelock import FileLock

from tests.support.shared import pictures, random_judge
from tests.support.zoo_runs import JUDGE, small_flex, write_flex_run, write_judge_run
from training.evaluation.evaluate import evaluate_all
from training.evaluation.flex_sweep import FEW_SNRS, FlexSweep, merged, plan_at, shards_of, take_shards
from training.evaluation.measurement import Measurement
from training.evaluation.networks import Network
from training.evaluation.plan import Plan
from training.evaluation.shard_cache import ShardCache
from training.evaluation.test_set import TestSet, channel_draw
from wzroi import ModelName, Pair, make_pair, roi_map, run_link
from wzroi.data import Images
from wzroi.roi import ROI_ORIGINS
from zoo.rates import symbols_at
from zoo.results import files

NAME = "wz_roi_flex.rec_lite"
COUNT = 12
RATES = (32, 8)
PLAN = Plan(snrs=(0.0, 5.0, 7.0), draws=3, judged_draws=2, batch=5)


def few_images() -> Images:
    pixels = (pictures(COUNT) * 255).round().to(torch.uint8)
    return Images(pixels, torch.arange(COUNT) % 10, torch.arange(COUNT))


@pytest.fixture(scope="module")
def one() -> Measurement:
    network = Network(ModelName.parse(NAME), small_flex(), "0" * 64)
    return Measurement(network, TestSet(few_images(), random_judge(), batch=7), JUDGE, PLAN, "awgn", True)


@pytest.fixture(scope="module")
def found(one: Measurement, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict, dict[str, torch.Tensor]]:
    shards = shards_of(tmp_path_factory.mktemp("parts") / f"{NAME}.json", one)
    assert take_shards(one, RATES, shards, lambda: False)
    return merged(one, RATES, shards)


def rows(found: dict, rate: int, control: str = "") -> dict[float, dict]:
    kept = found["controls"][control] if control else found["rows"]
    return {row["snr_db"]: row for row in kept if row["rate"] == rate}


def test_the_paper_rates_are_measured_whole_and_the_others_once(found: tuple[dict, dict]) -> None:
    values = found[0]
    assert values["rates"] == [32, 8] and values["roi_origin"] == "side"
    counts = {snr: (row["transmissions"], row["accuracy_transmissions"]) for snr, row in rows(values, 32).items()}
    assert counts == {0.0: (12, 12), 5.0: (36, 24), 7.0: (12, 0)}
    counts = {snr: (row["transmissions"], row["accuracy_transmissions"]) for snr, row in rows(values, 8).items()}
    assert counts == {0.0: (12, 12), 5.0: (12, 12)}  # 7 dB is measured at the paper's rates alone
    maps = {f"roi:{origin}" for origin in ROI_ORIGINS if origin != "side"}
    assert set(values["controls"]) == maps | {"blind", "no_side", "random_side"}
    assert {row["rate"] for name in maps for row in values["controls"][name]} == {32}
    assert {(row["rate"], row["snr_db"]) for row in values["controls"]["blind"]} == {(32, 0.0), (32, 5.0), (8, 5.0)}


def test_the_default_plan_has_the_rates_of_the_design() -> None:
    assert plan_at(Plan(), 16) == plan_at(Plan(), 32) == Plan()
    few = plan_at(Plan(full=True), 96)
    assert (few.snrs, few.once, few.full) == (FEW_SNRS, True, False) and few.sent(5.0, 2) == range(2, 3)
    assert plan_at(Plan(snrs=(1.0,)), 8).snrs == (1.0,)


def sent(one: Measurement, rate: int, snr_db: float, pair: Pair, roi: torch.Tensor, draw: int) -> torch.Tensor:
    model = one.network.model
    symbols = symbols_at(model, 32, 32, rate)
    channel = channel_draw("awgn", 0, draw, COUNT, symbols, "cpu").at_snr(snr_db)
    return run_link(model, pair, channel, roi).psnr


def whole_pair() -> Pair:
    return make_pair(few_images().pixels.float() / 255, few_images().labels)


@pytest.mark.parametrize("rate", RATES)
def test_rows_are_the_mean_of_run_link(one: Measurement, found: tuple[dict, dict], rate: int) -> None:
    pair = whole_pair()
    roi = roi_map(one.test.judge, pair)
    by_draw = torch.stack([sent(one, rate, 5.0, pair, roi, draw) for draw in range(3)])
    once = by_draw[torch.arange(COUNT) % 3, torch.arange(COUNT)]
    wanted = by_draw.mean() if rate == 32 else once.mean()
    assert rows(found[0], rate)[5.0]["psnr_mean"] == pytest.approx(wanted.item(), abs=1e-4)
    stored = found[1][f"r{rate}/main/psnr"].double()
    assert stored.mean().item() == pytest.approx(wanted.item(), abs=0.01) and stored.shape == (COUNT,)


@pytest.mark.parametrize("control", ["blind", "no_side", "random_side", "roi:zeros", "roi:shuffled"])
def test_controls_are_what_they_say(one: Measurement, found: tuple[dict, dict], control: str) -> None:
    pair, judge = whole_pair(), one.test.judge
    own, zeros = roi_map(judge, pair), torch.zeros(COUNT, 1, 32, 32)
    blind = pair._replace(placement=None)
    misled = {
        "blind": (blind, own), "no_side": (blind._replace(side=torch.zeros_like(pair.side)), zeros),
        "random_side": (blind._replace(side=pair.side.roll(1, 0)), own.roll(1, 0)),
        "roi:zeros": (pair, zeros), "roi:shuffled": (pair, own.roll(1, 0)),
    }  # fmt: skip
    by_draw = torch.stack([sent(one, 32, 5.0, *misled[control], draw) for draw in range(3)])
    wanted = by_draw[torch.arange(COUNT) % 3, torch.arange(COUNT)].mean().item()
    row = rows(found[0], 32, control)[5.0]
    assert row["psnr_mean"] == pytest.approx(wanted, abs=1e-4) and row["transmissions"] == COUNT
    plain = torch.stack([sent(one, 32, 5.0, pair, own, draw) for draw in range(3)])
    assert abs(wanted - plain[torch.arange(COUNT) % 3, torch.arange(COUNT)].mean().item()) > 1e-4


class Killed(RuntimeError):
    """Stands for a kill."""


def test_a_stopped_measurement_goes_on_and_gives_the_same(
    one: Measurement, found: tuple[dict, dict], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shards = shards_of(tmp_path / f"{NAME}.json", one)
    taken: list[tuple[int, int]] = []
    real = FlexSweep.part

    def counted(self: FlexSweep, part: int) -> dict[str, torch.Tensor]:
        if len(taken) == 2:
            taken.clear()
            raise Killed
        taken.append((self.rate, part))
        return real(self, part)

    monkeypatch.setattr(FlexSweep, "part", counted)
    with pytest.raises(Killed):
        take_shards(one, RATES, shards, lambda: False)
    assert [shards.there(f"r32_{part}") for part in range(3)] == [True, True, False]
    with pytest.raises(Killed):
        take_shards(one, RATES, shards, lambda: False)
    assert take_shards(one, RATES, shards, lambda: False) and taken == [(8, 1), (8, 2)]
    again = merged(one, RATES, shards)
    assert json.dumps(again[0]) == json.dumps(found[0])
    assert all(torch.equal(again[1][key], value) or value.isnan().any() for key, value in found[1].items())


def test_two_commands_share_the_parts(one: Measurement, tmp_path: Path) -> None:
    """What another command holds is left to it; without it not everything is there."""
    shards = shards_of(tmp_path / f"{NAME}.json", one)
    shards.folder.mkdir(parents=True)
    with FileLock(shards.folder / "r8_1.lock"):
        assert not take_shards(one, (8,), shards, lambda: False)
    assert [shards.there(f"r8_{part}") for part in range(3)] == [True, False, True]
    assert take_shards(one, (8,), shards, lambda: False)
    assert not take_shards(one, (8,), shards, lambda: True)  # merged meanwhile


def test_parts_of_other_weights_or_plans_are_not_taken_over(tmp_path: Path) -> None:
    first = ShardCache(tmp_path / "p", {"weights": "a"})
    assert first.take("x", lambda: {"v": torch.ones(2)}) and first.there("x")
    other = ShardCache(tmp_path / "p", {"weights": "b"})
    assert not other.there("x") and other.take("x", lambda: {"v": torch.zeros(2)})
    assert other.read("x")["v"].tolist() == [0, 0] and not first.there("x")
    (tmp_path / "p" / "x.safetensors").write_bytes(b"cut")
    assert not other.there("x")
    other.clear()
    assert not (tmp_path / "p").exists()


@pytest.fixture
def command(tmp_path: Path, cifar10: Path) -> Iterator[tuple[Path, Path]]:
    write_judge_run(tmp_path)
    write_flex_run(tmp_path)
    yield tmp_path, cifar10


def test_the_command_writes_one_file_for_all_rates(
    command: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    runs, cifar10 = command
    out, plan = runs / "out", Plan(snrs=(5.0,), draws=2, limit=6)
    written = evaluate_all([NAME], runs, cifar10, out=out, plan=plan, rates=(16, 12))
    assert [path.name for path in written] == [f"{JUDGE}.json", f"{NAME}.json"]
    values = json.loads(written[1].read_text())
    assert values["split"] == "test" and [(row["rate"], row["snr_db"]) for row in values["rows"]] == [(16, 5), (12, 5)]
    assert values["rates"] == [16, 12] and values["plan"]["draws"] == 2 and not list(out.glob(".*"))
    read = files.results(NAME, out, 12)
    assert read is not None and read.at("psnr") is not None and files.results(NAME, out, 48) is None
    stored = files.per_image(NAME, "psnr", "no_side", out, 16)
    assert stored is not None and stored.shape == (6,) and files.per_image(NAME, "psnr", "", out, 48) is None

    def never(*_: object) -> bool:
        raise AssertionError("measured again")

    monkeypatch.setattr("training.evaluation.evaluate.take_shards", never)
    assert evaluate_all([NAME], runs, cifar10, out=out, plan=plan, rates=(16, 12)) == []
    with pytest.raises(AssertionError, match="measured again"):
        evaluate_all([NAME], runs, cifar10, out=out, plan=plan, rates=(16,))
