"""The quickstart notebook: its cells run in order on the zoo at hand, and do what they say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from tests.support.zoo_runs import write_judge_run, write_link_run
from training.fit.publish import publish
from wzroi.config import PAPER_ARCHITECTURES
from zoo.store.registry import BUNDLED

NOTEBOOK = Path(__file__).resolve().parents[2] / "notebooks" / "quickstart.ipynb"


def _run(capsys: pytest.CaptureFixture[str]) -> tuple[dict[str, object], str]:
    cells = json.loads(NOTEBOOK.read_text())["cells"]
    space: dict[str, object] = {}
    for number, cell in enumerate(cells):
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), f"cell {number}", "exec"), space)
    return space, capsys.readouterr().out


def _check(space: dict[str, object], printed: str) -> None:
    assert space["same"] is True and "the very same picture: True" in printed
    assert "192 complex symbols a block, bandwidth ratio 0.0625" in printed
    curves = space["curves"]
    assert isinstance(curves, list) and len(curves) == len(space["shown"])  # type: ignore[arg-type]
    assert all([row["snr_db"] for row in curve.rows] == [-5, 0, 5, 10, 15, 20] for curve in curves)


def test_quickstart_on_untrained_networks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [f"{architecture}.task_r16_lite" for architecture in PAPER_ARCHITECTURES]
    for folder in [write_judge_run(tmp_path / "runs"), *(write_link_run(tmp_path / "runs", name) for name in names)]:
        publish(folder, tmp_path / "store")
    monkeypatch.setenv("WZROI_ZOO", str(tmp_path / "store"))
    space, printed = _run(capsys)
    _check(space, printed)
    assert len(space["curves"]) == 4  # type: ignore[arg-type]


@pytest.mark.skipif("deepjscc_wz_roi.task_r16_lite" not in BUNDLED.entries(), reason="the lite zoo is not complete yet")
def test_quickstart_on_the_bundled_zoo(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("WZROI_ZOO", raising=False)
    space, printed = _run(capsys)
    _check(space, printed)
    for curve in space["curves"]:  # type: ignore[attr-defined]
        fading = torch.tensor([row["psnr_mean"] for row in curve.rows])
        assert bool((fading.diff() > -0.1).all()), f"{curve.title} does not get better with SNR: {fading}"


def test_notebook_is_committed_without_outputs() -> None:
    cells = json.loads(NOTEBOOK.read_text())["cells"]
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in cells if cell["cell_type"] == "code")
