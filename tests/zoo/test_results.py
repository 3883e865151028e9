"""Results as data: typed reading, paired verdicts, figures, and tables whose every number stands in a file."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from typer.testing import CliRunner

from training.cli import app
from training.reports.markdown import anchor
from training.reports.tables import BEGIN, END, PAGE, README, brief, regenerate, results_page
from wzroi.config import PAPER_ARCHITECTURES
from wzroi.names import ModelName
from zoo.errors import ZooError
from zoo.results import comparison, figures
from zoo.results import files as results
from zoo.results.claims import (
    BASELINE,
    CLAIMS,
    ORACLE,
    VERDICTS,
    Claim,
    Finding,
    Side,
    beaten_by,
    difference,
    findings,
    judge_claim,
)
from zoo.results.files import PER_IMAGE, RESULTS
from zoo.results.plots import plot
from zoo.store.card import card, read_results
from zoo.store.checkpoint import CARD
from zoo.store.registry import BUNDLED
from zoo.store.writing import measures

LEVEL = dict(zip(PAPER_ARCHITECTURES, (20.0, 23.0, 23.5, 24.0), strict=True))
COUNT = 400


def _row(snr_db: float, psnr: float, accuracy: float) -> dict:
    return {
        "snr_db": snr_db, "images": COUNT, "draws": 10, "transmissions": COUNT, "accuracy_transmissions": COUNT,
        "psnr_mean": psnr + snr_db / 10, "psnr_ci95": 0.4, "psnr_of_mean_mse": psnr + snr_db / 10 - 0.4,
        "ssim_mean": psnr / 30, "ssim_ci95": 0.01, "roi_psnr_mean": psnr - 0.3, "roi_psnr_ci95": 0.45,
        "accuracy": accuracy, "accuracy_ci95": 0.03,
    }


def write_network(
    folder: Path, name: str, psnr: float, accuracy: float, controls: dict[str, float] | None = None
) -> None:
    """A results file, and per-image values with little paired and much common spread."""
    snrs = (0.0, 5.0, 9.0)
    values = {
        "model": name, "images": COUNT, "draws": 10, "weights_sha256": "0" * 64,
        "rows": [_row(snr_db, psnr, accuracy) for snr_db in snrs],
        "controls": {
            key: [_row(snr_db, level, accuracy) for snr_db in snrs] for key, level in (controls or {}).items()
        },
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(values))
    common = 4 * torch.randn(COUNT, generator=torch.Generator().manual_seed(1))
    own = 0.1 * torch.randn(COUNT, generator=torch.Generator().manual_seed(len(name)))
    tensors = {}
    for key, level in {"main": psnr, **(controls or {})}.items():
        tensors[f"{key}/psnr"] = (level + 0.5 + common + own).half()
        tensors[f"{key}/ssim"] = (level / 30 + 0.01 * common + 0.001 * own).half()
        tensors[f"{key}/accuracy"] = (torch.arange(COUNT) < accuracy * COUNT).half()
    (folder / PER_IMAGE).mkdir(exist_ok=True)
    save_file(tensors, folder / PER_IMAGE / f"{name}.safetensors")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A results folder of a lite tier in which the paper is right about PSNR and wrong about accuracy."""
    for rate in (16, 32):
        for arch, psnr in LEVEL.items():
            controls = {"paste": psnr + 2.0}
            if arch == "deepjscc_wz_roi":
                controls |= {f"roi:{origin}": psnr - 0.02 for origin in ("zeros", "normal", "shuffled", "source+label")}
            for stage in ("rec", "task"):
                accuracy = 0.6 + 0.1 * (arch != "deepjscc") + 0.02 * (arch == "deepjscc_wz_sft")
                write_network(tmp_path, f"{arch}.{stage}_r{rate}_lite", psnr, accuracy, controls)
    judge = {"model": "resnet_lite.cifar10", "clean": {"accuracy": 0.9, "accuracy_ci95": 0.01}}
    judge |= {"side": {"accuracy": 0.7, "accuracy_ci95": 0.02}, "weights_sha256": "a" * 64}
    (tmp_path / "resnet_lite.cifar10.json").write_text(json.dumps(judge))
    kinds = {"none": 21.7, "paste": 23.9, "conditional": 26.3}
    rows = [{"rate": rate, "snr_db": snr_db, **kinds} for rate in (16, 32) for snr_db in (0.0, 5.0)]
    scheme = {"scheme": "linear_wz", "rate": 32, **_row(5.0, 24.9, 0.5)}
    about = {"model": "bounds", "judge": "resnet_lite.cifar10", "judge_sha256": "a" * 64}
    (tmp_path / "bounds.json").write_text(json.dumps(about | {"bounds": rows, "schemes": [scheme]}))
    return tmp_path


def verdict_of(text: str, folder: Path) -> Finding:
    return next(found for found in findings("lite", folder) if text in found.claim.text)


def test_reading_is_typed(folder: Path) -> None:
    found = results.results("deepjscc.rec_r16_lite", folder)
    assert found is not None and found.at("psnr", 5.0) == (20.5, 0.4)
    assert found.at("psnr", 5.0, "paste") == (22.5, 0.4) and found.at("psnr", 3.0) is None
    assert [snr_db for snr_db, _ in found.curve("accuracy")] == [0.0, 5.0, 9.0]
    assert results.results("deepjscc.rec_r16", folder) is None
    assert results.tiers(folder) == ["lite"]


@pytest.mark.parametrize(
    ("times", "text"),
    [
        ((10, 10, 10), "each image in all 10 channel draws"),
        ((1, 10, 1), "each image in all 10 channel draws at 5 dB, in one of them at the other SNRs"),
        ((1, 1, 1), "each image in one of 10 channel draws"),
        ((2, 10, 1), "each image in all 10 channel draws at 5 dB, in some of them at the other SNRs"),
    ],
)
def test_how_often_each_image_was_sent_is_said_as_it_was(times: tuple[int, ...], text: str) -> None:
    rows = [{"snr_db": snr, "transmissions": n * COUNT} for snr, n in zip((0.0, 5.0, 9.0), times, strict=True)]
    assert results.sending({"images": COUNT, "draws": 10, "rows": rows}) == text


def test_damaged_and_foreign_files_are_refused(folder: Path) -> None:
    path = folder / "deepjscc.rec_r16_lite.json"
    (folder / "deepjscc.rec_r8_lite.json").write_bytes(path.read_bytes())
    with pytest.raises(ZooError, match=r"not the results of deepjscc\.rec_r8_lite"):
        results.results("deepjscc.rec_r8_lite", folder)
    path.write_text("{")
    with pytest.raises(ZooError, match="evaluate again"):
        results.results("deepjscc.rec_r16_lite", folder)


def test_paired_difference_is_narrower_than_either_interval(folder: Path) -> None:
    first, second = Side("deepjscc_wz_roi.rec_r16_lite"), Side("deepjscc_wz.rec_r16_lite")
    found = difference("psnr", first, second, folder)
    assert found is not None and found.paired and found.sign == 1
    assert found.mean == pytest.approx(1.0, abs=0.05) and found.ci95 < 0.05
    (folder / PER_IMAGE / f"{first.name}.safetensors").unlink()
    unpaired = difference("psnr", first, second, folder)
    assert unpaired is not None and not unpaired.paired
    assert unpaired.ci95 == pytest.approx(0.4 * 2**0.5) and unpaired.mean == pytest.approx(1.0)


def test_verdicts_follow_the_measurements(folder: Path) -> None:
    assert verdict_of("Side information raises PSNR", folder).verdict == "holds"
    assert verdict_of("ROI guidance raises PSNR", folder).verdict == "holds"
    assert verdict_of("ROI guidance raises accuracy", folder).verdict == "undecided"
    assert verdict_of("WZ-SFT has slightly more PSNR", folder).verdict == "does not hold"
    assert verdict_of("all-zero ROI costs little PSNR", folder).verdict == "holds"
    assert verdict_of("beats pasting", folder).verdict == "holds"
    assert all(found.verdict in VERDICTS for found in findings("lite", folder))


def test_a_verdict_turns_with_its_data(folder: Path) -> None:
    write_network(folder, "deepjscc_wz.rec_r16_lite", 25.0, 0.7)
    assert verdict_of("ROI guidance raises PSNR", folder).verdict == "holds in part"
    write_network(folder, "deepjscc_wz.rec_r32_lite", 25.0, 0.7)
    assert verdict_of("ROI guidance raises PSNR", folder).verdict == "does not hold"
    for rate in (16, 32):
        write_network(folder, f"deepjscc_wz_roi.rec_r{rate}_oracle_lite", 26.0, 0.7)
    assert verdict_of("ROI guidance raises PSNR", folder).verdict == "only with the oracle"


def test_without_files_everything_is_not_yet_measured(tmp_path: Path) -> None:
    assert {found.verdict for found in findings("paper", tmp_path)} == {"not yet measured"}
    assert results.measured(tmp_path / "absent") == [] and brief(tmp_path) == "Not yet measured."
    assert results_page(tmp_path).endswith("\n\nNot yet measured.\n")


def test_one_missing_rate_is_not_a_verdict(folder: Path) -> None:
    (folder / "deepjscc_wz.rec_r32_lite.json").unlink()
    (folder / PER_IMAGE / "deepjscc_wz.rec_r32_lite.safetensors").unlink()
    found = verdict_of("Side information raises PSNR", folder)
    assert found.verdict == "not yet measured" and list(found.evidence) == [16]


def test_every_claim_names_what_exists() -> None:
    for claim in CLAIMS:
        assert claim.first[0] in {*PAPER_ARCHITECTURES, ORACLE}
        assert claim.second[0] in {*PAPER_ARCHITECTURES, ORACLE, BASELINE}
        assert claim.metric in results.METRICS and claim.stage in ("rec", "task")
        assert judge_claim(claim, "paper", Path("/nowhere")).verdict == "not yet measured"


@pytest.mark.parametrize("metric", list(results.METRICS))
def test_figures_carry_the_files_values(folder: Path, metric: str) -> None:
    series = figures.over_snr(metric, 16, "rec", "lite", folder)
    assert [one.title for one in series] == ["DeepJSCC", "DeepJSCC-WZ", "DeepJSCC-WZ-SFT", "DeepJSCC-WZ-ROI"]
    found = results.results("deepjscc_wz_roi.rec_r16_lite", folder)
    assert found is not None
    assert [(p.x, p.value) for p in series[3].points] == found.curve(metric)
    figure = plot(series, metric)
    scale = results.METRICS[metric].scale
    assert list(figure.data[3].y) == [value.mean * scale for _, value in found.curve(metric)]
    assert tuple(figure.data[3].customdata[0]) == (16, 0.0, "deepjscc_wz_roi.rec_r16_lite", "side")


def test_baselines_and_bounds_stand_where_they_were_measured(folder: Path) -> None:
    drawn = figures.baselines_over_snr("linear", "psnr", 32, "lite", folder)
    assert [(one.title, one.kind) for one in drawn] == [("linear analog, Wyner-Ziv", "baseline")]
    assert [(p.x, p.value.mean, p.operating_point) for p in drawn[0].points] == [(5.0, 25.4, (32, 5.0, "", "side"))]
    assert figures.baselines_over_snr("linear", "psnr", 16, "lite", folder) == []
    bounds = figures.bounds_over_snr(16, folder)
    assert [one.points[-1].value for one in bounds] == [(21.7, None), (23.9, None), (26.3, None)]
    along = figures.bounds_over_rate(5.0, folder)
    assert [point.x for point in along[0].points] == [1 / 32, 1 / 16]
    assert [p.x for p in figures.baselines_over_rate("linear", "psnr", 5.0, "lite", folder)[0].points] == [1 / 32]


def test_accuracy_of_another_judge_is_not_shown(folder: Path) -> None:
    """A baseline's accuracy stands beside a network's only where the same weights judged both."""
    assert results.scheme(32, "linear_wz", "accuracy", "lite", folder)[0][1].mean == 0.5
    assert results.scheme(32, "linear_wz", "accuracy", "paper", folder) == []
    path = folder / "resnet_lite.cifar10.json"
    path.write_text(path.read_text().replace("a" * 64, "b" * 64))
    assert results.scheme(32, "linear_wz", "accuracy", "lite", folder) == []
    assert results.scheme(32, "linear_wz", "psnr", "lite", folder) != []


def test_a_network_that_a_baseline_beats_is_said_to_be_beaten(folder: Path) -> None:
    found = verdict_of("beats a linear scheme", folder)
    assert found.verdict == "not yet measured" and list(found.evidence) == [32]
    path = folder / "bounds.json"
    values = json.loads(path.read_text())
    values["schemes"].append(values["schemes"][0] | {"rate": 16})
    path.write_text(json.dumps(values))
    found = verdict_of("beats a linear scheme", folder)
    assert found.verdict == "does not hold" and not found.evidence[16].paired
    assert found.evidence[16].mean == pytest.approx(24.5 - 25.4)
    assert found.evidence[16].ci95 == pytest.approx(0.4 * 2**0.5)


def test_ablation_rate_and_control_figures(folder: Path) -> None:
    shown = {one.title: one for one in figures.ablation("accuracy", 32, "lite", folder)}
    assert shown["WZ-ROI, all-zero ROI"].points[0].operating_point == (
        32,
        0.0,
        "deepjscc_wz_roi.task_r32_lite",
        "zeros",
    )
    assert "WZ-ROI, another picture's ROI" in shown
    assert figures.ablation("psnr", 16, "lite", folder, oracle=True)[0].title != "DeepJSCC-WZ-ROI (oracle ROI)"
    write_network(folder, "deepjscc_wz_roi.task_r16_oracle_lite", 23.0, 0.8, {"roi:zeros": 22.0})
    titles = [one.title for one in figures.ablation("psnr", 16, "lite", folder, oracle=True)]
    assert titles[0] == "DeepJSCC-WZ-ROI (oracle ROI)" and titles[-1] == "WZ-ROI (oracle ROI), all-zero ROI"
    over = figures.over_rate("psnr", 5.0, "task", "lite", folder)
    assert [point.x for point in over[0].points] == [1 / 32, 1 / 16]
    assert figures.paste_over_snr("psnr", 16, "rec", "lite", folder)[0].points[1].value.mean == 22.5
    assert [p.value.mean for p in figures.paste_over_rate("psnr", 5.0, "rec", "lite", folder)[0].points] == [22.5, 22.5]
    levels = figures.judge_levels([0.0, 9.0], "lite", folder)
    assert [one.points[0].value.mean for one in levels] == [0.9, 0.7]


def test_csv_has_every_point(folder: Path) -> None:
    series = figures.over_snr("psnr", 32, "task", "lite", folder)
    rows = list(csv.DictReader(io.StringIO(figures.to_csv(series, "psnr", "snr_db"))))
    assert len(rows) == 12 and rows[4] == {
        "series": "DeepJSCC-WZ", "kind": "network", "model": "deepjscc_wz.task_r32_lite", "snr_db": "5",
        "psnr": "23.5", "ci95": "0.4",
    }


def test_networks_stand_beside_what_beats_them_and_what_they_cost(folder: Path) -> None:
    """The control and the baselines have rows of their own; a network below one says so; costs come from the bench."""
    size = {"tier": "lite", "architecture": "deepjscc_wz", "rate": 32, "parameters": 123456, "multiply_adds": 7.89e6}
    (folder / "bench.json").write_text(json.dumps({
        "model": "bench", "device": "cpu (x)", "threads": 1, "rate": 16, "sizes": [size | {"link_ms": 3.25}],
        "stages": [], "steps": {}}))
    text = results_page(folder)
    line = next(line for line in text.splitlines() if line.startswith("| `deepjscc_wz.rec_r32_lite`"))
    # 23.5 dB against 25.4 (paste has 22.5); 70 % against 60 % with paste and 70 % on the side image alone
    assert line.endswith("| linear analog Wyner-Ziv | – | 123,456 | 7.9 | 3.2 |")
    plain = next(line for line in text.splitlines() if line.startswith("| `deepjscc.rec_r32_lite`"))
    assert plain.endswith("| – | – | – | – | – |")
    assert "| baseline: linear analog, Wyner-Ziv | – | 25.40 ± 0.40 |" in text
    assert "| bound: Gaussian source at capacity, Wyner-Ziv | – | – | – | 26.30 |" in text
    assert traceable(text, folder) == []


def write_digital(folder: Path, avif: float, link: float, judge: str = "a" * 64) -> None:
    """A digital.json in which AVIF at capacity and the link reach these PSNRs at 5 dB, with paste 2 dB more."""
    sent = {"codec": "avif", "link": "QPSK, 602/1024", "bits": 97.0, "block_error_rate": 0.125}
    rows = []
    for rate in (16, 32):
        for name, psnr in {"avif_mosaic": avif, "avif_mosaic_paste": avif + 2, "avif_mosaic_unsent": avif + 3}.items():
            rows.append({"scheme": name, "rate": rate, "bits": 197.5, **_row(5.0, psnr, 0.3)})
        for name, psnr in {"link": link, "link_paste": link + 2, "link_fixed": link}.items():
            rows += [{"scheme": name, "rate": rate, **sent, **_row(5.0, psnr, 0.3)}]
        lost = sent | {"block_error_rate": 1.0}
        rows.append({"scheme": "link_fixed", "rate": rate, **lost, **_row(0.0, 14.25, 0.1)})
    rows.append({"scheme": "webp_file", "rate": 8, "bits": 900.0, **_row(9.0, 24.0, 0.3)})
    size = {"images": 100, "smallest_bytes_mean": 91.25, "smallest_bytes_ci95": 1.75, "smallest_bytes_max": 104}
    values = {"model": "digital", "judge": "resnet_lite.cifar10", "judge_sha256": judge, "rows": rows,
              "files": {"webp": size, "avif": size | {"smallest_bytes_mean": 310.5}}}
    (folder / "digital.json").write_text(json.dumps(values))


def test_digital_claims_get_their_verdicts_from_the_file(folder: Path) -> None:
    claims = ("beats a digital link", "beats ideal separate coding")
    assert {verdict_of(text, folder).verdict for text in claims} == {"not yet measured"}
    write_digital(folder, avif=23.0, link=20.0)  # with paste 25.5 and 22.5 at 5 dB; the network has 24.5
    assert [verdict_of(text, folder).verdict for text in claims] == ["holds", "does not hold"]
    found = verdict_of("beats ideal separate coding", folder)
    assert found.evidence[32].mean == pytest.approx(24.5 - 25.5) and not found.evidence[32].paired
    write_digital(folder, avif=21.0, link=23.0)
    assert [verdict_of(text, folder).verdict for text in claims] == ["does not hold", "holds"]


def test_what_beats_a_network_names_the_digital_baselines(folder: Path) -> None:
    write_digital(folder, avif=21.0, link=20.6)
    plain, sided = ModelName.parse("deepjscc.rec_r16_lite"), ModelName.parse("deepjscc_wz.rec_r16_lite")
    assert beaten_by(plain, 16, folder) == ["digital link", "AVIF at capacity"]
    assert beaten_by(sided, 16, folder) == ["AVIF at capacity (crop never sent)"]  # 24.5 against 23.5; with paste 23.5
    assert f"| `{plain}` |" in results_page(folder) and "| digital link, AVIF at capacity |" in results_page(folder)


def test_a_network_worse_than_the_side_image_alone_says_so(folder: Path) -> None:
    """The judge is right on 70 % of the side images with nothing sent."""
    write_network(folder, "deepjscc_wz.task_r16_lite", 23.0, 0.55)
    name = ModelName.parse("deepjscc_wz.task_r16_lite")
    assert beaten_by(name, 16, folder, "accuracy") == ["paste", "the side image alone"]
    assert beaten_by(ModelName.parse("deepjscc.task_r16_lite"), 16, folder, "accuracy") == []
    write_network(folder, "deepjscc_wz_roi.task_r16_lite", 23.0, 0.95)
    assert verdict_of("Sending helps the task", folder).verdict == "holds in part"
    write_network(folder, "deepjscc_wz_roi.task_r32_lite", 23.0, 0.55)
    write_network(folder, "deepjscc_wz_roi.task_r16_lite", 23.0, 0.55)
    assert verdict_of("Sending helps the task", folder).verdict == "does not hold"


def test_what_the_oracles_map_is_worth_is_a_claim(folder: Path) -> None:
    """The network of the true class's map against the receiver's own, of the same rate."""
    for rate in (16, 32):
        write_network(folder, f"deepjscc_wz_roi.task_r{rate}_lite", 23.0, 0.55)
    assert verdict_of("An oracle's map pays", folder).verdict == "not yet measured"
    for rate in (16, 32):
        write_network(folder, f"deepjscc_wz_roi.task_r{rate}_oracle_lite", 23.0, 0.95)
    found = verdict_of("An oracle's map pays", folder)
    assert found.verdict == "holds" and found.evidence[16].first.name == "deepjscc_wz_roi.task_r16_oracle_lite"
    write_network(folder, "deepjscc_wz_roi.task_r32_oracle_lite", 23.0, 0.25)
    assert verdict_of("An oracle's map pays", folder).verdict == "holds in part"


def test_a_claim_on_one_networks_maps_is_asked_of_the_oracles_network(folder: Path) -> None:
    """The receiver's map changes nothing, the true class's does: its own network's difference is shown beside."""
    own, oracles = "deepjscc_wz_roi.task_r32_lite", "deepjscc_wz_roi.task_r32_oracle_lite"
    claim = Claim("", "", "psnr", ("deepjscc_wz_roi", ""), ("deepjscc_wz_roi", "roi:zeros"), "task", (32,), oracle=True)
    write_network(folder, own, 23.0, 0.5, {"roi:zeros": 23.0})
    write_network(folder, oracles, 23.0, 0.5, {"roi:zeros": 22.0})
    found = judge_claim(claim, "lite", folder)
    assert found.verdict == "only with the oracle" and found.oracle[32].second.name == oracles
    assert found.to_text().startswith("1/32: +0.00 ") and "; with the oracle 1/32: +1.00 ± " in found.to_text()
    write_network(folder, oracles, 23.0, 0.5, {"roi:zeros": 23.0})
    found = judge_claim(claim, "lite", folder)
    assert found.verdict == "undecided" and "oracle" not in found.to_text()


def test_digital_tables_show_capacity_files_and_the_cliff(folder: Path) -> None:
    assert "Digital link" not in results_page(folder)
    write_digital(folder, avif=21.0, link=20.0)
    text = results_page(folder)
    assert "| ρ, SNR | bits per image | AVIF | AVIF + paste | AVIF, crop never sent |\n" in text
    assert "| 1/32, 5 dB | 198 | 21.50 ± 0.40 | 23.50 ± 0.40 | 24.50 ± 0.40 |" in text
    assert "| WebP | 100 | 91.2 ± 1.8 | 104 | 1/8, 9 dB | 24.90 ± 0.40 |" in text
    assert "| AVIF | 100 | 310.5 ± 1.8 | 104 | – | – |" in text
    link = "QPSK, 602/1024 | avif, 97 | 12.5 | 20.50 ± 0.40"
    assert f"| 1/32, 5 dB | {link} | 22.50 ± 0.40 | – | {link} |" in text
    fallen = "| – | – | – | – | – | – | QPSK, 602/1024 | avif, 97 | 100.0 | 14.25 ± 0.40 |"
    assert f"| 1/16, 0 dB {fallen}" in text
    assert traceable(text, folder) == []


def test_accuracy_of_a_codec_is_hidden_when_another_judge_gave_it(folder: Path) -> None:
    write_digital(folder, avif=21.0, link=20.0)
    name, line = ModelName.parse("deepjscc_wz.rec_r16_lite"), "ideal: AVIF at capacity + paste"
    assert next(row for row in comparison.rows(name, folder) if row[0] == line)[4] == "30.0 ± 3.0"
    assert re.search(r"AVIF at capacity \+ paste .*30\.0 ± 3\.0", results_page(folder))
    write_digital(folder, avif=21.0, link=20.0, judge="b" * 64)
    assert next(row for row in comparison.rows(name, folder) if row[0] == line)[1:] == (
        "23.50 ± 0.40", "23.10", "0.767 ± 0.010", "–")
    assert not re.search(r"AVIF at capacity \+ paste .*30\.0 ± 3\.0", results_page(folder))


def test_a_card_shows_what_stands_beside_its_network(folder: Path) -> None:
    write_digital(folder, avif=23.0, link=20.0)
    text = comparison.section("deepjscc_wz_roi.rec_r16_lite", folder)
    said = "linear analog Wyner-Ziv"  # measured at 1/32 alone
    assert "**At 5 dB, better in PSNR: AVIF at capacity + paste, AVIF at capacity (crop never sent).**" in text
    assert said not in text and said in comparison.section("deepjscc_wz_roi.rec_r32_lite", folder)
    assert "| control: `deepjscc.rec_r16_lite` + paste | 22.50 ± 0.40 |" in text
    assert "| control: the judge on the side image, nothing sent | – | – | – | 70.0 ± 2.0 |" in text
    assert "| control: ROI map at the decoder, all zeros | 24.48 ± 0.40 |" in text
    assert "| bound: Gaussian source at capacity, Wyner-Ziv | – | 26.30 | – | – |" in text
    assert traceable(text, folder) == []
    plain = comparison.section("deepjscc.rec_r16_lite", folder)
    assert "**At 5 dB, better in PSNR: AVIF at capacity.**" in plain and "crop never sent" not in plain
    assert comparison.section("resnet_lite.cifar10", folder) == "" == comparison.section("deepjscc.rec_r8_lite", folder)


def test_tables_are_between_the_markers_and_stable(folder: Path) -> None:
    text = f"# Title\n{BEGIN}\nstale text\n{END}\nafter\n"
    new = regenerate(text, folder)
    assert new.startswith("# Title\n") and new.endswith("\nafter\n") and "stale text" not in new
    assert regenerate(new, folder) == new and "| `deepjscc_wz_roi` |" in new
    with pytest.raises(ValueError, match="each once"):
        regenerate("no markers", folder)


def _leaves(value: object) -> Iterator[float]:
    if isinstance(value, dict):
        for part in value.values():
            yield from _leaves(part)
    elif isinstance(value, list):
        for part in value:
            yield from _leaves(part)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield float(value)


def traceable(text: str, folder: Path) -> list[str]:
    """The decimal numbers in generated tables that are no rounding of any value in the results files."""
    known: set[str] = set()
    files = [json.loads(path.read_text()) for path in folder.glob("*.json")]
    values = [value for file in files for value in _leaves(file)]
    found = [one for tier in results.tiers(folder) for one in findings(tier, folder)]
    differences = [e for one in found for e in (*one.evidence.values(), *one.oracle.values())]
    values += [part for e in differences for part in (e.mean, e.ci95)]
    for value in values:
        for scaled in (value, 100 * value, value / 1e6):
            known |= {f"{abs(scaled):.{digits}f}" for digits in (1, 2, 3, 4)}
    return [number for number in re.findall(r"\d+\.\d+", text) if number not in known]


def decimals(text: str) -> list[str]:
    return re.findall(r"\d+\.\d+", text)


@pytest.mark.parametrize(("written", "least"), [(results_page, 60), (brief, 30)])
def test_every_number_in_generated_tables_is_in_a_file(
    folder: Path, written: Callable[[Path], str], least: int
) -> None:
    text = written(folder)
    assert len(decimals(text)) > least and traceable(text, folder) == []
    assert traceable(text.replace("20.50", "20.57", 1), folder) == ["20.57"]


def test_the_readme_has_a_line_a_network_and_what_it_is_held_against(folder: Path) -> None:
    """PSNR of the rec network, accuracy of the task network; SSIM, claims and weaker baselines on the page alone."""
    write_digital(folder, avif=21.0, link=20.0)
    write_network(folder, "deepjscc_wz.task_r32_lite", 21.0, 0.65)
    lines, every = brief(folder).splitlines(), results_page(folder).splitlines()
    shown, rows = (
        {line.split(" | ")[0].removeprefix("| "): line for line in reversed(text) if line.startswith("| ")}
        for text in (lines, every)
    )
    assert shown["`deepjscc_wz`"] == "| `deepjscc_wz` | 23.50 ± 0.40 | 23.50 ± 0.40 | 65.0 ± 3.0 | 70.0 ± 3.0 |"
    assert shown["control: the side image alone, nothing sent"].endswith("| – | – | 70.0 ± 2.0 | 70.0 ± 2.0 |")
    assert set(shown) < set(rows) and "baseline: best codec over 5G LDPC + paste" not in shown
    assert any(line.startswith("Of ") for line in lines)
    assert rows["`deepjscc_wz`"] == (
        "| `deepjscc_wz` | 23.50 ± 0.40 | 23.50 ± 0.40 | 0.767 ± 0.010 | 0.767 ± 0.010 | 65.0 ± 3.0 | 70.0 ± 3.0 |")
    assert rows["control: DeepJSCC + paste"].startswith("| control: DeepJSCC + paste | 22.50 ± 0.40 | 22.50 ± 0.40 |")
    assert rows["control: the side image alone, nothing sent"].endswith("| – | – | – | – | 70.0 ± 2.0 | 70.0 ± 2.0 |")
    assert rows["baseline: linear analog, Wyner-Ziv"].split(" | ")[1:3] == ["25.40 ± 0.40", "–"]
    assert rows["baseline: best codec over 5G LDPC + paste"].split(" | ")[1] == "22.50 ± 0.40"
    assert rows["ideal: AVIF at capacity + paste"].split(" | ")[1] == "23.50 ± 0.40"
    assert rows["bound: Gaussian source at capacity, Wyner-Ziv"].split(" | ")[1:4] == ["26.30", "26.30", "–"]
    assert {claim.text for claim in CLAIMS} <= set(rows) and len(lines) < 30 < len(every)
    assert set(decimals(brief(folder))) <= set(decimals(results_page(folder)))


def test_the_page_of_every_table_leads_to_each(folder: Path) -> None:
    write_digital(folder, avif=21.0, link=20.0)
    text = results_page(folder)
    sections = [line.removeprefix("## ") for line in text.splitlines() if line.startswith("## ")]
    leads = re.findall(r"^- \[(.+)\]\(#(.+)\)$", text, re.MULTILINE)
    assert leads == [(title, anchor(title)) for title in sections]
    assert len(sections) == len(dict(leads)) == len({name for _, name in leads}) > 6
    assert anchor("Lite tier, ρ = 1/16: `a_b.c`") == "lite-tier-ρ--116-a_bc"  # as GitHub has it


def test_one_command_writes_both_and_notices_when_either_is_old(folder: Path, tmp_path: Path) -> None:
    readme, other = tmp_path / "front.md", folder / PAGE
    readme.write_text(f"# Title\n{BEGIN}\n{END}\n")
    asked = ["tables", "--readme", str(readme), "--results", str(folder)]
    told = CliRunner().invoke(app, [*asked, "--check"])
    assert told.exit_code == 1 and not other.exists() and readme.read_text() == f"# Title\n{BEGIN}\n{END}\n"
    assert CliRunner().invoke(app, asked).exit_code == 0
    assert other.read_text() == results_page(folder) and brief(folder) in readme.read_text()
    assert CliRunner().invoke(app, [*asked, "--check"]).exit_code == 0
    for path in (readme, other):
        good = path.read_text()
        path.write_text(good.replace("24.50 ± 0.40", "24.60 ± 0.40"))
        assert CliRunner().invoke(app, [*asked, "--check"]).exit_code == 1
        assert CliRunner().invoke(app, asked).exit_code == 0 and path.read_text() == good


def test_the_committed_tables_are_those_of_the_committed_results() -> None:
    text = README.read_text(encoding="utf-8")
    assert regenerate(text) == text, "run `python -m training tables`"
    front, every = text.split(BEGIN)[1].split(END)[0], (RESULTS / PAGE).read_text(encoding="utf-8")
    assert every == results_page(), "run `python -m training tables`"
    for part, least in ((front, 60), (every, 1000)):
        assert len(decimals(part)) > least and traceable(part, RESULTS) == []
    assert set(decimals(front)) <= set(decimals(every))


@pytest.mark.parametrize("name", list(BUNDLED.entries()))
def test_cards_are_those_of_the_committed_results(name: str) -> None:
    """Each card is what the results give, and each number in its results stands in a results file."""
    entry = BUNDLED.entry(name)
    text = (BUNDLED.path(name) / CARD).read_text(encoding="utf-8")
    found = read_results(RESULTS, name)
    again = card(entry, found if measures(found, entry) else None, RESULTS)
    assert again == text, f"run `python -m training adopt {name}`, then `python -m training publish {name}`"
    measured = text.split("## Results")[1].split("## Training")[0]
    assert traceable(measured, RESULTS) == []




def test_tables_say_when_networks_were_trained_by_different_recipes(folder: Path) -> None:
    assert "different recipes" not in brief(folder)
    for name, recipe, epochs in (("deepjscc.rec_r16_lite", "short", 32), ("deepjscc_wz.rec_r16_lite", "standard", 3)):
        path = folder / f"{name}.json"
        training = {"recipe_name": recipe, "schedule": {"epochs": epochs}}
        path.write_text(json.dumps(json.loads(path.read_text()) | {"training": training}))
    mixed = "not to be compared yet: `rec`: short, 32 epochs (`deepjscc`); standard, 3 epochs (`deepjscc_wz`)."
    assert mixed in brief(folder)
    every = "Trained by: rec: short, 32 epochs (`deepjscc.rec_r16_lite`); rec: standard, 3 epochs"
    assert every in results_page(folder)
    row = next(line for line in results_page(folder).splitlines() if line.startswith("| `deepjscc.rec_r16_lite` |"))
    assert "| short, 32 epochs |" in row


def test_networks_of_different_recipes_give_no_verdict(folder: Path) -> None:
    claim = next(claim for claim in CLAIMS if claim.text.startswith("Side information raises PSNR"))
    before = judge_claim(claim, "lite", folder)
    assert before.verdict in ("holds", "does not hold", "holds in part", "undecided")
    for architecture, epochs in (("deepjscc", 32), ("deepjscc_wz", 3)):
        for rate in (16, 32):
            path = folder / f"{architecture}.rec_r{rate}_lite.json"
            training = {"recipe_name": "short", "schedule": {"epochs": epochs}}
            path.write_text(json.dumps(json.loads(path.read_text()) | {"training": training}))
    mixed = judge_claim(claim, "lite", folder)
    assert mixed.verdict == "different recipes" and mixed.evidence == before.evidence
    pasted = next(claim for claim in CLAIMS if claim.text.startswith("The network beats a linear scheme"))
    assert judge_claim(pasted, "lite", folder).verdict != "different recipes"
