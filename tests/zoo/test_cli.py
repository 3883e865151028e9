"""``python -m zoo`` as a stranger types it: list, describe, verify, transmit, and what it says to mistakes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner, Result

import zoo
from tests.support.zoo_runs import JUDGE, write_judge_run, write_link_run
from training.fit.publish import publish
from wzroi import make_pair, roi_map, run_link, sample_channel
from wzroi.images import png_bytes, to_pixels
from zoo import cli
from zoo.image_io import read_picture
from zoo.store.golden import colour_fields

NAMES = ["deepjscc.rec_r16_lite", "deepjscc_wz_roi.task_r16_lite"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("cli")
    publish(write_judge_run(base / "runs"), base / "store")
    for name in NAMES:
        publish(write_link_run(base / "runs", name), base / "store")
    return base / "store"


@pytest.fixture
def folder(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with two pictures of 42 x 30, the zoo named by the environment."""
    monkeypatch.setenv("WZROI_ZOO", str(made))
    monkeypatch.chdir(tmp_path)
    fields = colour_fields(2, 3, 42, torch.Generator().manual_seed(1))[..., :30, :]
    for name, picture in zip(("left", "right"), fields, strict=True):
        (tmp_path / f"{name}.png").write_bytes(png_bytes(to_pixels(picture)))
    return tmp_path


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(cli.app, list(arguments))


def test_list(folder: Path) -> None:
    shown = _run("list")
    assert shown.exit_code == 0 and all(name in shown.stdout for name in [*NAMES, JUDGE]) and "1/16" in shown.stdout
    values = json.loads(_run("list", "deepjscc.*", "--json").stdout)
    assert list(values) == NAMES[:1] and values[NAMES[0]]["files"]["model.safetensors"]["size"] > 0


def test_describe(folder: Path) -> None:
    shown = _run("describe", NAMES[1])
    assert shown.exit_code == 0 and "DeepJSCC-WZ-ROI (task, 1/16)" in shown.stdout
    values = json.loads(_run("describe", NAMES[1], "--json").stdout)
    assert values == zoo.describe(NAMES[1]).to_dict()
    wrong = _run("describe", "deepjscc.rec_r15_lite")
    assert wrong.exit_code == 2 and f"did you mean {NAMES[0]}" in wrong.stderr


def test_verify(folder: Path, made: Path) -> None:
    assert "3 of 3 checkpoints are unchanged since publication" in _run("verify").stdout
    card = made / NAMES[0] / "README.md"
    kept = card.read_bytes()
    card.write_bytes(kept + b"\n")
    try:
        failed = _run("verify")
        assert failed.exit_code == 1 and "2 of 3 checkpoints" in failed.stdout
        assert "README.md is not the published file" in failed.stderr
    finally:
        card.write_bytes(kept)


def test_transmit_prints_what_run_link_measures(folder: Path) -> None:
    shown = _run("transmit", "left.png", "--snr", "7", "--seed", "3", "--device", "cpu")
    assert shown.exit_code == 0, shown.output
    source = read_picture(folder / "left.png")
    model, judge = zoo.load(NAMES[1], device="cpu"), zoo.load_judge(JUDGE, device="cpu")
    pair = make_pair(source)
    generator = torch.Generator().manual_seed(3)
    channel = sample_channel("awgn", 7.0, 1, model.num_symbols(30, 42), generator=generator)
    report = run_link(model, pair, channel, roi_map(judge, pair), judge)
    assert f"PSNR            {report.psnr.item():.2f} dB" in shown.stdout
    assert f"symbols k       {6 * 8 * 11 // 2}" in shown.stdout
    assert "a crop of 32 x 32 pictures as side information; expect less here" in shown.stdout
    assert "note" not in _run("transmit", "left.png", "--model", NAMES[0], "--out", "out.png").stdout
    assert (folder / "reconstruction.png").read_bytes() == png_bytes(to_pixels(report.reconstruction[0]))
    again = _run("transmit", "left.png", "--snr", "7", "--seed", "3", "--device", "cpu", "--out", "again.png")
    assert again.exit_code == 0 and (folder / "again.png").read_bytes() == (folder / "reconstruction.png").read_bytes()


@pytest.mark.parametrize("channel", ["awgn", "rayleigh", "rayleigh_iid"])
def test_transmit_a_stereo_pair_over_each_channel(folder: Path, channel: str) -> None:
    shown = _run("transmit", "left.png", "--side", "right.png", "--channel", channel, "--out", "out.png")
    assert shown.exit_code == 0 and f"{channel}, 5 dB" in shown.stdout
    assert read_picture(folder / "out.png").shape == (1, 3, 30, 42)


def test_transmit_answers_mistakes(folder: Path) -> None:
    (folder / "text.png").write_text("no picture")
    (folder / "small.png").write_bytes(png_bytes(to_pixels(torch.zeros(3, 9, 9))))
    mistakes = {
        ("none.png",): "does not exist",
        ("text.png",): "is not a picture",
        ("left.png", "--side", "small.png"): "two pictures of the same size",
        ("left.png", "--snr", "nan"): "finite number of dB",
        ("left.png", "--channel", "fibre"): "unknown channel",
        ("left.png", "--model", "deepjscc.rec_r99"): "no checkpoint",
        ("left.png", "--model", JUDGE): "is a judge",
        ("left.png", "--roi", "mine"): "unknown ROI origin",
        ("left.png", "--out", "no/such/folder/x.png"): "cannot be written",
        ("left.png", "--out", "left.png"): "would be lost",
        ("left.png", "--out", "./../" + folder.name + "/left.png"): "would be lost",
        ("left.png", "--side", "right.png", "--out", "right.png"): "would be lost",
        ("left.png", "--out", "x.txt"): "must say the format", ("left.png", "--out", "x"): "must say the format",
    }
    for arguments, sentence in mistakes.items():
        shown = _run("transmit", *arguments)
        assert shown.exit_code == 2 and sentence in shown.stderr, (arguments, shown.output)
        assert shown.stderr.count("\n") == 1 and "Traceback" not in shown.output
    assert not (folder / "reconstruction.png").exists()
    assert Image.open(folder / "left.png").size == (42, 30), "what was sent is still there"


@pytest.mark.parametrize(("ending", "kind"), [("jpg", "JPEG"), ("JPEG", "JPEG"), ("webp", "WEBP"), ("bmp", "BMP"),
                                              ("tif", "TIFF"), ("PNG", "PNG")])  # fmt: skip
def test_out_is_written_in_the_format_of_its_ending(folder: Path, ending: str, kind: str) -> None:
    lossless, other = folder / "same.png", folder / f"out.{ending}"
    for out in (lossless, other):
        assert _run("transmit", "left.png", "--model", NAMES[0], "--out", str(out)).exit_code == 0
    written = Image.open(other)
    assert written.format == kind
    gap = torch.from_numpy(np.array(written.convert("RGB"), np.int16) - np.array(Image.open(lossless), np.int16))
    assert gap.abs().float().mean() < (5 if kind == "JPEG" else 1e-9)  # of what an untrained network sends: noise


def test_a_tilde_is_the_home_folder(folder: Path, made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(folder))
    (folder / "zoo").symlink_to(made)
    monkeypatch.setenv("WZROI_ZOO", "~/zoo")
    shown = _run("transmit", "~/left.png", "--model", NAMES[0], "--out", "~/out.png")
    assert shown.exit_code == 0, shown.output
    assert (folder / "out.png").is_file()


def test_names_are_matched_without_case(folder: Path) -> None:
    for given in ("DeepJSCC_WZ_ROI.task_r16_lite", "DeepJSCC-WZ-ROI.Task_R16_lite"):
        assert zoo.describe(given) == zoo.describe(NAMES[1]) and zoo.load(given, "cpu").config.uses_roi
        assert NAMES[1] in _run("verify", given).stdout and NAMES[1] in _run("list", given).stdout
    assert zoo.list_models("DeepJSCC_WZ*") == [NAMES[1]]
    shown = _run("transmit", "left.png", "--model", "DEEPJSCC.REC_R16_LITE")
    assert f"model           {NAMES[0]}" in shown.stdout


def test_a_name_without_a_tag_lists_the_tags(folder: Path) -> None:
    for arguments in (["describe", "deepjscc_wz_roi"], ["list", "DeepJSCC_WZ_ROI"], ["verify", "deepjscc_wz_roi."]):
        shown = _run(*arguments)
        assert shown.exit_code == 2
        assert "add a tag to the name; those of deepjscc_wz_roi are task_r16_lite" in shown.stderr
    with pytest.raises(zoo.ZooError, match="are rec_r16_lite"):
        zoo.load("deepjscc")


def test_nothing_to_list_or_verify_is_an_error(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for command in ("list", "verify"):
        shown = _run(command, "vgg*")
        assert shown.exit_code == 2 and "no checkpoint 'vgg*'" in shown.stderr and not shown.stdout
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "registry.json").write_text('{"format": 1, "checkpoints": {}}')
    monkeypatch.setenv("WZROI_ZOO", str(empty))
    for command in ("list", "verify"):
        shown = _run(command)
        assert shown.exit_code == 2 and "holds no networks" in shown.stderr and not shown.stdout


def test_pull_without_a_repository(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WZROI_REPO", raising=False)
    shown = _run("pull", NAMES[0])
    assert shown.exit_code == 2 and "set WZROI_REPO=USER/NAME" in shown.stderr


@pytest.mark.parametrize("origin", ["side", "normal", "shuffled", "normal(0.25,0.25)"])
def test_every_front_end_gives_a_pair_the_same_map(folder: Path, origin: str) -> None:
    """The command line, the explorer and the Space: the same seed gives the same pixels."""
    from explorer.compute import engine
    from zoo.serving.gallery import entry_of
    from zoo.space import engine as space

    engine.forget_zoo_index()
    source = read_picture(folder / "left.png")
    entry = entry_of("upload:x", "x", [source])
    sent = cli.transmit(source, None, NAMES[1], snr=5.0, seed=7, channel="awgn", roi=origin, device="cpu")
    asked = engine.Request("upload:x", (NAMES[1],), roi=origin, seed=7)
    assert torch.equal(engine.Engine("cpu").result(asked, entry, NAMES[1]).picture, sent.reconstruction)
    done = space.transmit_pair(entry, NAMES[1], space.Request(roi=origin, seed=7))
    assert torch.equal(done.report.reconstruction, sent.reconstruction)
    engine.forget_zoo_index()
