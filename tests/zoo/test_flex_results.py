"""Results of flexible networks as data: read at a rate, drawn over SNR and over rate, judged, and in the tables."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from tests.zoo.test_results import COUNT, _row, folder, traceable, write_network  # noqa: F401 (a fixture)
from training.reports.tables import brief, results_page
from wzroi.names import ModelName
from zoo.results import claims, figures, files
from zoo.results.files import PER_IMAGE
from zoo.results.plots import plot

NAME = "wz_roi_flex.rec_lite"
TASK = "wz_roi_flex.task_lite"
RATES = (96, 32, 24, 16, 8)
CONTROLS = {"blind": -0.1, "no_side": -4.0, "random_side": -4.05}


def write_flexible(where: Path, name: str, psnr: float, accuracy: float = 0.8) -> None:
    """Results of a flexible network that gains 0.5 dB a rate, with its controls at the paper's."""
    snrs = (-5.0, 0.0, 5.0, 9.0)
    levels = {rate: psnr + 0.5 * place for place, rate in enumerate(RATES)}
    rows = [{"rate": rate, **_row(snr, level, accuracy)} for rate, level in levels.items() for snr in snrs]
    controls = {
        key: [{"rate": rate, **_row(5.0, levels[rate] + less, accuracy)} for rate in (32, 16)]
        for key, less in CONTROLS.items()
    }
    values = {"model": name, "images": COUNT, "draws": 10, "weights_sha256": "0" * 64, "rates": list(RATES)}
    (where / f"{name}.json").write_text(json.dumps(values | {"rows": rows, "controls": controls}))
    common = 4 * torch.randn(COUNT, generator=torch.Generator().manual_seed(1))
    own = 0.1 * torch.randn(COUNT, generator=torch.Generator().manual_seed(7))
    tensors = {}
    for rate, level in levels.items():
        for key, less in {"main": 0.0, **CONTROLS}.items():
            tensors[f"r{rate}/{key}/psnr"] = (level + less + 0.5 + common + own).half()
            tensors[f"r{rate}/{key}/accuracy"] = (torch.arange(COUNT) < accuracy * COUNT).half()
    (where / PER_IMAGE).mkdir(exist_ok=True)
    save_file(tensors, where / PER_IMAGE / f"{name}.safetensors")


@pytest.fixture
def with_flex(folder: Path) -> Path:  # noqa: F811 (the fixture of that name)
    write_flexible(folder, NAME, 27.0)
    write_flexible(folder, TASK, 26.5)
    return folder


def test_reading_takes_a_rate(with_flex: Path) -> None:
    whole = files.results(NAME, with_flex)
    assert whole is not None and whole.rates == list(RATES)
    with pytest.raises(ValueError, match="at several rates"):
        whole.curve("psnr")
    found = files.results(NAME, with_flex, 16)
    assert found is not None and found.rates == [16] and set(found.controls) == set(CONTROLS)
    assert [snr for snr, _ in found.curve("psnr")] == [-5.0, 0.0, 5.0, 9.0]
    assert found.at("psnr") == files.Value(29.0, 0.4) and found.at("psnr", control="blind") is not None
    assert files.results(NAME, with_flex, 48) is None
    assert files.results(NAME, with_flex, 8).controls == {}  # type: ignore[union-attr]
    paper = files.results("deepjscc.rec_r16_lite", with_flex)
    assert paper is not None and paper.rates == [] and paper.at_rate(32) == paper
    assert files.name_of("wz_roi_flex", "rec", 16, "lite") == NAME and NAME in files.measured(with_flex)


def test_it_is_drawn_over_snr_at_a_rate_and_over_all_its_rates(with_flex: Path) -> None:
    for rate, level in ((16, 29.0), (32, 28.0)):
        drawn = {one.title: one for one in figures.over_snr("psnr", rate, "rec", "lite", with_flex)}
        points = drawn["WZ-ROI-Flex"].points
        assert [point.x for point in points] == [-5.0, 0.0, 5.0, 9.0] and points[2].value.mean == level
        assert points[2].operating_point == figures.OperatingPoint(rate, 5.0, NAME) and len(drawn) == 5
        assert len({one.colour for one in drawn.values()}) == 5
    along = {one.title: one for one in figures.over_rate("psnr", 5.0, "rec", "lite", with_flex)}
    assert [round(1 / point.x) for point in along["WZ-ROI-Flex"].points] == list(RATES)
    assert [round(1 / point.x) for point in along["DeepJSCC"].points] == [32, 16]
    drawn = plot(list(along.values()), "psnr", rates=True)
    assert list(drawn.layout.xaxis.ticktext) == [f"1/{rate}" for rate in RATES]


def verdict_of(text: str, where: Path) -> str:
    return next(one.verdict for one in claims.findings("lite", where) if text in one.claim.text)


def test_its_claims_are_judged_once_it_is_measured(folder: Path) -> None:  # noqa: F811
    assert not [one for one in claims.findings("lite", folder) if one.claim.figure == "flex"]
    write_flexible(folder, NAME, 27.0)
    assert verdict_of("Flex above WZ-ROI", folder) == "holds"
    assert verdict_of("It beats pasting", folder) == "holds"
    assert verdict_of("blind above no side image", folder) == "holds"
    assert verdict_of("does no harm", folder) == "holds"
    found = next(one for one in claims.findings("lite", folder) if "does no harm" in one.claim.text)
    assert found.claim.part == "Beyond the paper: one network for every rate"
    assert [round(one.mean, 2) for one in found.evidence.values()] == pytest.approx([-0.05, -0.05], abs=0.02)
    assert all(one.paired for one in found.evidence.values())
    write_flexible(folder, NAME, 20.0)
    assert verdict_of("Flex above WZ-ROI", folder) == "does not hold"


def test_a_baseline_that_beats_it_is_named_at_the_rate(with_flex: Path) -> None:
    name = ModelName.parse(NAME)
    assert claims.beaten_by(name, 32, with_flex) == [] == claims.beaten_by(name, 16, with_flex)
    write_flexible(with_flex, NAME, 23.5)
    assert claims.beaten_by(name, 32, with_flex) == ["linear analog Wyner-Ziv"]  # 25.4 dB at 1/32; no row at 1/16


def test_the_tables_have_it_at_both_rates_and_over_rate(with_flex: Path) -> None:
    text = results_page(with_flex)
    lines = text.splitlines()
    own = [line for line in lines if line.startswith(f"| `{NAME}` |")]
    brief_over, *own = own  # the short table over rate stands first
    assert "| Network | 1/96 | 1/32 | 1/24 | 1/16 | 1/8 |" in lines
    assert brief_over.split(" | ")[1:4] == ["27.50 ± 0.40", "28.00 ± 0.40", "28.50 ± 0.40"]
    assert len(own) == 2 and "| 28.00 ± 0.40 |" in own[0] and "| 29.00 ± 0.40 |" in own[1]
    assert any(line.startswith(f"| control: `{NAME}`, another picture's side image |") for line in lines)
    over = [line for line in lines if line.startswith(f"| `{NAME}` at 1/")]
    assert [line.split(" at ")[1].split(" |")[0] for line in over] == [f"1/{rate}" for rate in RATES]
    assert over[0].endswith("| 26.50 ± 0.40 | 27.00 ± 0.40 | 27.50 ± 0.40 | 27.90 ± 0.40 | – | – | 80.0 ± 3.0 |")
    assert set(traceable(text, with_flex)) <= {"0.2"}  # the tolerance that a claim names


def test_the_readme_has_it_beside_the_others(with_flex: Path) -> None:
    lines = brief(with_flex).splitlines()
    row = next(line for line in lines if line.startswith("| `wz_roi_flex` |"))
    assert row.startswith("| `wz_roi_flex` | 28.00 ± 0.40 | 29.00 ± 0.40 |")
    assert any(line.startswith("| control: `wz_roi_flex`, crop placement unknown | 27.90 ±") for line in lines)
    assert set(traceable("\n".join(lines), with_flex)) <= {"0.2"}


def test_the_tables_without_it_are_as_they_were(folder: Path) -> None:  # noqa: F811
    assert "flex" not in results_page(folder).lower() + brief(folder).lower()


def test_write_network_still_writes_what_the_paper_has(tmp_path: Path) -> None:
    write_network(tmp_path, "deepjscc.rec_r16_lite", 20.0, 0.5)
    assert files.per_image("deepjscc.rec_r16_lite", "psnr", "", tmp_path, 32) is not None
