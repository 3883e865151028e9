"""The quickstart notebook: its cells run in order, do what they say, and what they gave is stored with them."""

from __future__ import annotations

import base64
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from tests.support.zoo_runs import write_judge_run, write_link_run
from training.fit.publish import publish
from wzroi.config import PAPER_ARCHITECTURES
from wzroi.names import ModelName

NOTEBOOK = Path(__file__).resolve().parents[2] / "notebooks" / "quickstart.ipynb"
FIGURE = re.compile(r"\d+\.\d+")


@pytest.fixture(autouse=True)
def no_window(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures are drawn, and not shown in a window."""
    monkeypatch.setenv("MPLBACKEND", "Agg")


def _cells() -> list[dict[str, Any]]:
    return [cell for cell in json.loads(NOTEBOOK.read_text())["cells"] if cell["cell_type"] == "code"]


def _run(capsys: pytest.CaptureFixture[str]) -> tuple[dict[str, Any], list[str]]:
    """The names that the cells leave behind, and what each printed."""
    space: dict[str, Any] = {}
    printed = []
    for number, cell in enumerate(_cells()):
        exec(compile("".join(cell["source"]), f"cell {number}", "exec"), space)
        printed.append(capsys.readouterr().out)
    return space, printed


def _check(space: dict[str, Any], printed: list[str]) -> None:
    text = "".join(printed)
    assert space["same"] is True and "the very same picture: True" in text
    assert "192 complex symbols a block, bandwidth ratio 0.0625" in text
    assert [list(curve) for curve in space["curves"].values()] == [[-5, 0, 5, 10, 15, 20]] * 4


def test_the_network_is_one_that_a_receiver_can_guide(capsys: pytest.CaptureFixture[str]) -> None:
    """The map of the side image goes to the network that was trained with it, not to an oracle's."""
    space: dict[str, Any] = {}
    for cell in _cells()[:2]:
        exec("".join(cell["source"]), space)
    assert space["model"].config.uses_roi and not ModelName.parse(space["entry"].name).oracle


def test_quickstart_on_untrained_networks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [f"{architecture}.task_r16_lite" for architecture in PAPER_ARCHITECTURES]
    for folder in [write_judge_run(tmp_path / "runs"), *(write_link_run(tmp_path / "runs", name) for name in names)]:
        publish(folder, tmp_path / "store")
    monkeypatch.setenv("WZROI_ZOO", str(tmp_path / "store"))
    _check(*_run(capsys))


def test_quickstart_on_the_bundled_zoo(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """What is printed now is what the notebook stores, to the digits that it prints."""
    monkeypatch.delenv("WZROI_ZOO", raising=False)
    space, printed = _run(capsys)
    _check(space, printed)
    for title, curve in space["curves"].items():
        fading = torch.tensor(list(curve.values()))
        assert bool((fading.diff() > -0.1).all()), f"{title} does not get better with SNR: {fading}"
    stored = ["".join("".join(o["text"]) for o in cell["outputs"] if o["output_type"] == "stream") for cell in _cells()]
    for now, kept in zip(printed, stored, strict=True):
        assert FIGURE.sub("#", now) == FIGURE.sub("#", kept)
        numbers, expected = ([*map(float, FIGURE.findall(text))] for text in (now, kept))
        assert numbers == pytest.approx(expected, abs=0.02)


def test_the_notebook_shows_its_pictures_where_it_is_read() -> None:
    assert NOTEBOOK.stat().st_size < 2**20
    cells = _cells()
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1)), "not run from top to bottom"
    shown = [o["data"]["image/png"] for cell in cells for o in cell["outputs"] if "image/png" in o.get("data", {})]
    assert len(shown) == 2
    for blob in shown:
        picture = Image.open(io.BytesIO(base64.b64decode("".join(blob)))).convert("L")
        assert min(picture.size) > 100 and len(picture.getcolors(256) or range(256)) > 20
