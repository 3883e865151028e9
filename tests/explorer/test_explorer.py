"""The explorer without a browser: state, sources, frames, routes, and the wiring of its pages."""

from __future__ import annotations

import ast
import base64
import csv
import gc
import io
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from starlette.applications import Starlette
from starlette.testclient import TestClient
from streamlit.testing.v1 import AppTest

import zoo
from explorer.compute import cifar_download, engine, pair_sources
from explorer.compute.draws import draw
from explorer.export import frame as takeaway
from explorer.export import image as poster
from explorer.navigation import PAGES
from explorer.server import api, routes
from explorer.ui import cifar_picker, published_curves, state, upload_picker, visit
from explorer.ui.component import bench_data, origin_label
from tests.support.shared import ROOT, pictures
from wzroi import images as pixels
from wzroi.channel import sample_channel
from wzroi.config import CLASSES
from wzroi.data import DataError
from wzroi.link import run_link
from wzroi.pairs import CropPair
from wzroi.roi import ROI_ORIGINS, roi_map
from zoo.image_io import PictureError
from zoo.results import plots

SCRIPT = str(ROOT / "explorer" / "server" / "main.py")
FOUR = [f"{name}.rec_r16_lite" for name in ("deepjscc", "deepjscc_wz", "deepjscc_wz_sft", "deepjscc_wz_roi")]
CAT = "gallery:cifar-0"


@pytest.fixture
def store(explorer_zoo: Path) -> Path:
    return explorer_zoo


@pytest.fixture(autouse=True)
def in_use(store: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The fixture zoo, and an engine that remembers nothing of another one."""
    monkeypatch.setenv("WZROI_ZOO", str(store))
    monkeypatch.delenv("WZROI_REPO", raising=False)
    engine.forget_zoo_index()
    yield
    engine.forget_zoo_index()


@pytest.fixture(scope="module")
def fresh() -> engine.Engine:
    return engine.Engine("cpu")


@pytest.fixture(scope="module")
def client() -> TestClient:
    return TestClient(Starlette(routes=routes.routes("base")))


def make_request(**changes: object) -> engine.Request:
    return engine.Request(CAT, tuple(FOUR))._replace(**changes)


# ---- the state of a view ------------------------------------------------------------------------------------------


def test_a_link_reproduces_the_view() -> None:
    variants = engine.catalogue()
    two = ("deepjscc.rec_lite", "deepjscc_wz_roi.rec_lite")
    view = state.View("gallery:cifar-7", two, 32, -2.5, "rayleigh", "source", 17, 35, True, False)
    again, notices = state.read_query(view.to_query(), variants)
    assert (again, notices) == (view, [])


def test_a_link_does_not_carry_an_upload() -> None:
    assert "pair" not in state.View("upload:secret").to_query()


@pytest.mark.parametrize("key, value", [
    ("snr", "nan"), ("snr", "1e9"), ("snr", "five"), ("snr", "-inf"), ("rate", "0"), ("rate", "1.5"),
    ("channel", "rician"), ("roi", "truth"), ("seed", "-1"), ("seed", "9" * 30), ("opacity", "101"),
    ("overlay", "yes"), ("pair", "cifar:10000"),
    ("pair", "gallery:../../etc"), ("pair", "upload:x"), ("variants", "deepjscc.rec_r16,<script>"),
])  # fmt: skip
def test_bad_values_of_a_link_are_told_and_replaced(key: str, value: str) -> None:
    variants = engine.catalogue()
    view, notices = state.read_query({key: value}, variants)
    assert view == state.default_view(variants)
    assert len(notices) == 1
    assert value[:10] in notices[0] or key in notices[0]


def test_a_rate_that_no_variant_has_is_told() -> None:
    view, notices = state.read_query({"rate": "24", "variants": "deepjscc.rec_lite"}, engine.catalogue())
    assert view.rate in (16, 32)
    assert "1/24" in notices[0]


@given(st.dictionaries(st.sampled_from([*state.READERS, "variants", "other"]), st.text(max_size=60), max_size=8))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_link_gives_a_view_that_can_be_shown(query: dict[str, str]) -> None:
    variants = engine.catalogue()
    view, _ = state.read_query(query, variants)
    assert view.request(variants).checked()
    assert state.read_query(view.to_query(), variants) == (view, [])


SETTINGS = st.sampled_from([*state.READERS, "variants"])


@given(st.dictionaries(SETTINGS, st.none() | st.booleans() | st.floats() | st.text()))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_report_of_the_component_gives_a_view(values: dict[str, object]) -> None:
    variants = engine.catalogue()
    assert state.read_component(values, state.default_view(variants), variants).request(variants).checked()


def test_the_default_is_the_four_architectures() -> None:
    variants = engine.catalogue()
    assert state.default_view(variants).request(variants) == make_request()
    assert [v.id for v in variants][:4] == ["deepjscc.rec_lite", "deepjscc_wz.rec_lite", "deepjscc_wz_sft.rec_lite",
                                            "deepjscc_wz_roi.rec_lite"]
    assert variants[0].names == {16: "deepjscc.rec_r16_lite", 32: "deepjscc.rec_r32_lite"}


def test_the_component_reports_do_not_undo_a_choice_made_beside_it() -> None:
    variants = engine.catalogue()
    here = visit.Visit(state.default_view(variants))
    here.set_pair("cifar:5")
    old = here.view.to_data() | {"pair": "gallery:cifar-3", "snr": 7.0, "version": 0}
    here.apply_report(old, variants)
    assert (here.view.pair, here.view.snr) == ("cifar:5", 7.0)
    here.set_pair("gallery:cifar-1")
    here.apply_report(here.view.to_data() | {"pair": "gallery:cifar-4", "version": here.version}, variants)
    assert here.view.pair == here.gallery == "gallery:cifar-4"


# ---- where pairs come from ----------------------------------------------------------------------------------------


def test_the_gallery_is_whole() -> None:
    for name, item in pair_sources.gallery().items():
        entry = pair_sources.gallery_entry(name)
        height, width = entry.size
        assert height * width <= pair_sources.MAX_LIVE_PIXELS
        assert entry.source == ("stereo" if item.other else "crop")
        if item.label is not None:
            assert CLASSES[item.label] in item.picture
            assert torch.equal(entry.pair.side, CropPair().side_of(entry.pair.source))
    assert pair_sources.gallery_entry("motorcycle", full_size=True).size == (500, 741)
    notice = (pair_sources.GALLERY / "NOTICE.md").read_text()
    assert "foolbox" in notice and "scikit-image" in notice


def test_gallery_pictures_are_the_test_images(cifar10: Path) -> None:
    images = pair_sources._cifar(cifar10)
    for name, item in pair_sources.gallery().items():
        if name.startswith("cifar-"):
            index = int(name.removeprefix("cifar-"))
            assert np.array_equal(pixels.to_pixels(pair_sources.gallery_entry(name).pair.source[0]),
                                  images.pixels[index].permute(1, 2, 0).numpy())
            assert int(images.labels[index]) == item.label


def test_the_test_set_by_index_and_class(cifar10: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WZROI_DATA", str(cifar10))
    entry = pair_sources.find_entry("cifar:3")
    assert entry.label == 0
    assert torch.equal(entry.pair.source, pair_sources.gallery_entry("cifar-3").pair.source)
    assert len(cifar_picker.indices(pair_sources.cifar_test(), "bird")) == 1000
    with pytest.raises(pair_sources.SourceError, match="0 to 9999"):
        pair_sources.find_entry("cifar:10000")


def test_a_missing_test_set_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WZROI_DATA", str(tmp_path))
    monkeypatch.setattr(pair_sources, "own_folder", tmp_path.joinpath)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="WZROI_DATA"):
        pair_sources.find_entry("cifar:3")


@pytest.mark.parametrize("key", ["", "gallery:nope", "upload:guess", "cifar:x", "file:/etc/passwd", "gallery:../x"])
def test_unknown_pairs_are_sentences(key: str) -> None:
    with pytest.raises(pair_sources.SourceError):
        pair_sources.find_entry(key)


def uploaded(image: Image.Image, name: str = "a.png", kind: str = "PNG") -> SimpleNamespace:
    stream = io.BytesIO()
    image.save(stream, kind)
    return SimpleNamespace(name=name, getvalue=stream.getvalue)


def photograph(width: int, height: int) -> Image.Image:
    return Image.fromarray(pixels.to_pixels(pictures(1, height, width)[0]))


def test_one_picture_becomes_a_crop_pair() -> None:
    key = upload_picker.keep([uploaded(photograph(300, 200))], 64)
    entry = pair_sources.find_entry(key)
    assert (entry.size, entry.source, entry.label) == ((43, 64), "crop", None)
    upload_picker.forget([key])
    with pytest.raises(pair_sources.SourceError, match="no longer exists"):
        pair_sources.find_entry(key)


def test_two_pictures_become_a_stereo_pair() -> None:
    key = upload_picker.keep([uploaded(photograph(80, 60)), uploaded(photograph(80, 60).rotate(180), "b.png")], 32)
    entry = pair_sources.find_entry(key)
    assert entry.source == "stereo"
    assert not torch.equal(entry.pair.source, entry.pair.side)
    upload_picker.forget([key])


@pytest.mark.parametrize("sizes, reason", [
    ([(80, 60), (60, 80)], "two pictures of the same size"), ([(80, 60), (160, 120)], "two pictures of the same size"),
    ([(40, 40)] * 3, "left and a right"), ([(7, 50)], "at least 8"),
])  # fmt: skip
def test_unfit_uploads_are_sentences(sizes: list[tuple[int, int]], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        upload_picker.keep([uploaded(photograph(*size)) for size in sizes], 64)


def test_bytes_that_are_no_picture_are_sentences_within_a_second() -> None:
    whole = uploaded(photograph(64, 64)).getvalue()
    for blob in (b"", b"not a picture", whole[: len(whole) // 2], bytes(100_000)):
        start = time.process_time()  # of this process alone: others may keep the cores busy
        with pytest.raises(PictureError):
            upload_picker.keep([SimpleNamespace(name="x.png", getvalue=lambda blob=blob: blob)], 64)
        assert time.process_time() - start < 1


def test_uploads_are_bounded_and_end_with_the_visit() -> None:
    kept = pair_sources.UploadStore(limit=3, seconds=0.2)
    pair, _ = pair_sources.upload_pair(pictures(1), None, 32)
    keys = [kept.put(pair, "x", "crop") for _ in range(5)]
    assert len(kept) == 3
    assert len(set(keys)) == 5 and all(len(key) > 24 for key in keys)
    assert kept.get(keys[-1]).pair is pair
    time.sleep(0.25)
    with pytest.raises(pair_sources.SourceError, match="no longer exists"):
        kept.get(keys[-1])
    assert len(kept) == 0
    with pytest.raises(pair_sources.SourceError, match="too large"):
        kept.put(pair_sources.upload_pair(pictures(1, 200, 200), None, None)[0], "x", "crop")


def test_a_visit_that_ends_takes_its_uploads_along(monkeypatch: pytest.MonkeyPatch) -> None:
    key = upload_picker.keep([uploaded(photograph(40, 40))], 32)
    session = SessionState()
    monkeypatch.setattr(visit.st, "session_state", session)
    monkeypatch.setattr(visit.st, "query_params", SimpleNamespace(to_dict=dict))
    visit.visit(engine.catalogue()).uploads.append(key)
    gc.collect()
    assert pair_sources.find_entry(key)
    session.clear()
    gc.collect()
    with pytest.raises(pair_sources.SourceError, match="no longer exists"):
        pair_sources.find_entry(key)


class SessionState(dict):
    """What of Streamlit's session state is used outside of widgets."""

    def __getattr__(self, name: str) -> object:
        return self[name]

    def __setattr__(self, name: str, value: object) -> None:
        self[name] = value


# ---- frames -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channel", ["awgn", "rayleigh", "rayleigh_iid"])
def test_a_frame_is_what_run_link_gives(fresh: engine.Engine, channel: str) -> None:
    frame = fresh.frame(make_request(channel=channel, snr_db=3.5, seed=11))
    pair, judge = frame.entry.pair, zoo.load_judge("resnet_lite.cifar10", "cpu")
    roi = roi_map(judge, pair)
    for result in frame.results:
        model = zoo.load(result.model, "cpu")
        generator = torch.Generator().manual_seed(11)
        symbols = model.num_symbols(32, 32)
        state_ = sample_channel(channel, 3.5, 1, symbols, generator=generator)
        report = run_link(model, pair, state_, roi, judge)
        assert torch.equal(result.picture, report.reconstruction)
        assert result.psnr == float(report.psnr) and result.ssim == float(report.ssim)
        assert result.roi_psnr == float(report.roi_psnr)
        assert result.symbols == symbols == 192
        assert result.probabilities == pytest.approx(report.logits.softmax(1)[0].tolist(), abs=1e-5)


def test_controls_of_a_frame(fresh: engine.Engine) -> None:
    frame = fresh.frame(make_request(models=(FOUR[1],)))
    pair, judge = frame.entry.pair, zoo.load_judge("resnet_lite.cifar10", "cpu")
    box = CropPair().box(32, 32)
    row, column, rows_, columns = box
    inside = frame.paste.picture[..., row : row + rows_, column : column + columns]
    assert torch.equal(inside, pair.source[..., row : row + rows_, column : column + columns])
    assert frame.paste.model == FOUR[0]
    assert frame.side_only == pytest.approx(judge(pair.side).softmax(1)[0].tolist(), abs=1e-6)
    assert frame.clean == pytest.approx(judge(pair.source).softmax(1)[0].tolist(), abs=1e-6)


@pytest.mark.parametrize("origin", list(ROI_ORIGINS))
def test_every_roi_origin(fresh: engine.Engine, origin: str) -> None:
    frame = fresh.frame(make_request(roi=origin, models=(FOUR[3],)))
    again = engine.Engine("cpu").frame(make_request(roi=origin, models=(FOUR[3],)))
    assert torch.equal(frame.roi, again.roi)
    assert torch.equal(frame.results[0].picture, again.results[0].picture)
    assert frame.roi.shape == (1, 32, 32)
    assert origin_label(origin).startswith(origin)


def test_the_map_of_the_side_image_is_moved_to_its_place_in_x(fresh: engine.Engine) -> None:
    frame = fresh.frame(make_request())
    assert torch.equal(frame.roi_on_source[:, 12:, 12:], frame.roi[:, :20, :20])
    assert frame.roi_on_source[:, :12].sum() == 0 == frame.roi_on_source[:, :, :12].sum()
    of_x = fresh.frame(make_request(roi="source"))
    assert torch.equal(of_x.roi, of_x.roi_on_source)


def test_only_what_depends_on_the_channel_is_computed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    real = engine.prepare
    monkeypatch.setattr(engine, "prepare", lambda *args: made.append("prepared") or real(*args))
    one = engine.Engine("cpu")
    first = one.frame(make_request())
    second = one.frame(make_request(snr_db=-5.0, seed=3))
    assert len(made) == 4
    assert all(a.psnr != b.psnr for a, b in zip(first.results, second.results, strict=True))
    one.frame(make_request(roi="zeros"))
    assert len(made) == 5, "only the variant with an ROI map needs a new side context"


def test_the_seed_decides_the_pixels(fresh: engine.Engine) -> None:
    first, same, other = (fresh.frame(make_request(seed=seed)).results[0].picture for seed in (4, 4, 5))
    assert torch.equal(first, same)
    assert not torch.equal(first, other)


def test_prepared_transmissions_are_bounded() -> None:
    cache = engine.ByteCache(limit=1000)
    for index in range(50):
        cache.get(index, lambda: (torch.zeros(50),))
    assert len(cache._values) == 5
    assert cache._held == 1000
    assert engine.tensor_bytes((torch.zeros(3), (torch.zeros(2, dtype=torch.double), None))) == 28


def test_many_draws_are_the_first_one_and_others(fresh: engine.Engine) -> None:
    entry = pair_sources.find_entry(CAT)
    draws = draw(entry, FOUR[3], "awgn", 5.0, 7, 40)
    assert draws.pictures.shape == (40, 3, 32, 32)
    assert torch.equal(draws.pictures[0], fresh.frame(make_request(seed=7)).results[3].picture[0])
    assert draws.power == pytest.approx(1.0, abs=1e-4)
    assert draws.snr_db == pytest.approx(5.0, abs=0.3)
    assert len({round(float(value), 6) for value in draws.psnr}) == 40


def test_memory_is_told_before_a_large_pair_is_sent() -> None:
    config = zoo.describe(FOUR[3]).config
    assert config.feature_bytes(500, 741) > 100 * config.feature_bytes(32, 32)


def told(result: engine.VariantResult, name: str) -> str:
    """A card's numbers to the digits that the page shows."""
    best = max(range(10), key=lambda index: result.probabilities[index])
    return (f"{name}: PSNR {result.psnr:.2f} dB, SSIM {result.ssim:.3f}, ROI-PSNR {result.roi_psnr:.2f} dB, "
            f"{CLASSES[best]} {100 * result.probabilities[best]:.0f} %")


def test_the_python_lines_give_the_numbers_again_in_a_fresh_process(fresh: engine.Engine) -> None:
    requests = [make_request(roi=origin, seed=5, snr_db=-1.5, channel=channel) for origin, channel in (
        ("side", "awgn"), ("shuffled", "rayleigh"), ("normal", "awgn"), ("source+label", "rayleigh_iid"))]
    requests.append(make_request(pair="gallery:motorcycle", models=(FOUR[3],)))
    frames = [fresh.frame(one) for one in requests]
    scripts = [takeaway.python_lines(frame, takeaway.judges_of(frame.request), "cpu") for frame in frames]
    code = "import torch\ntorch.set_num_threads(1)\n" + "".join(scripts)
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    expected = [told(result, result.model) for frame in frames for result in frame.results]
    for place, frame in zip((4, 9, 14, 19, 21), frames, strict=True):
        expected.insert(place, told(frame.paste, "paste"))
    assert done.stdout.splitlines() == expected


def test_lines_of_an_upload_are_not_offered(fresh: engine.Engine) -> None:
    frame = fresh.frame(make_request())
    with pytest.raises(engine.RequestError, match="zoo transmit"):
        takeaway.python_lines(
            frame._replace(request=make_request(pair="upload:x")), takeaway.judges_of(make_request()), "cpu"
        )
    with pytest.raises(engine.RequestError, match="no judge"):
        takeaway.python_lines(frame, {}, "cpu")


def test_the_comparison_is_taken_away_as_a_picture(fresh: engine.Engine) -> None:
    frame, view = fresh.frame(make_request(seed=3)), state.View(overlay=True, errors=False, opacity=50)
    sheet = Image.open(io.BytesIO(poster.png(frame, view)))
    assert json.loads(sheet.text["wzroi"])["setting"]["seed"] == 3
    panels = poster.panels(frame, view)
    assert [panel.title for panel in panels[:3]] == ["Sent: x", "Known: x_side", "DeepJSCC"]
    assert (len(panels), panels[-1].note) == (7, "control")
    assert panels[2].lines[0] == f"PSNR {frame.results[0].psnr:.2f} dB"
    corner = np.asarray(sheet)[3 * 20 + 16 + 40 :, 16:][: poster.TILE, : poster.TILE]
    source = pixels.enlarge(pixels.to_pixels(frame.entry.pair.source[0]), poster.TILE // 32)
    assert np.array_equal(corner, source)
    with_errors = poster.draw(frame, state.View(errors=True))
    assert with_errors.height > sheet.height + poster.TILE, "a row of error maps"
    plain = poster.panels(frame, state.View())
    assert np.array_equal(plain[2].pictures[0], pixels.to_pixels(frame.results[0].picture[0]))
    assert not np.array_equal(panels[2].pictures[0], plain[2].pictures[0])


def test_the_numbers_are_taken_away_whole(fresh: engine.Engine) -> None:
    frame = fresh.frame(make_request())
    rows = list(csv.DictReader(io.StringIO(takeaway.as_csv(frame))))
    told = json.loads(takeaway.as_json(frame))
    assert [row["model"] for row in rows] == [*FOUR, FOUR[0]]
    assert [row["control"] for row in rows] == ["", "", "", "", "paste"]
    assert float(rows[2]["psnr_db"]) == told["rows"][2]["psnr_db"] == frame.results[2].psnr
    assert told["setting"]["seed"] == 0 and len(told["rows"][0]["weights_sha256"]) == 64


# ---- the route ----------------------------------------------------------------------------------------------------


def decoded(body: dict[str, object]) -> np.ndarray:
    sheet = np.asarray(Image.open(io.BytesIO(base64.b64decode(str(body["sheet"])))))
    return sheet.reshape(-1, body["height"], body["width"], 4)


def test_the_route_answers_with_the_frame(client: TestClient, fresh: engine.Engine) -> None:
    query = {"pair": CAT, "models": ",".join(FOUR), "snr": "2.5", "seed": "9", "seq": "41"}
    answer = client.get("/base/wzroi/frame", params=query)
    body, frame = answer.json(), fresh.frame(make_request(snr_db=2.5, seed=9))
    assert (answer.status_code, answer.headers["cache-control"], body["seq"]) == (200, "no-store", 41)
    wanted = {"pair": CAT, "models": FOUR, "snr_db": 2.5, "channel": "awgn", "roi": "side", "seed": 9, "rate": "16"}
    assert body["ask"] == wanted
    tiles = decoded(body)
    assert np.array_equal(tiles[0, ..., :3], pixels.to_pixels(frame.entry.pair.source[0]))
    for result, row in zip(frame.results, body["cards"], strict=True):
        assert np.array_equal(tiles[row["picture"], ..., :3], pixels.to_pixels(result.picture[0]))
        assert row["psnr"] == pytest.approx(result.psnr)
    assert len(tiles) == 4 + 2 * 5
    assert body["label"] == 3


@pytest.mark.parametrize("change, status, reason", [
    ({"snr": "nan"}, 400, "-5 to 20"), ({"snr": "21"}, 400, "-5 to 20"), ({"snr": "x"}, 400, "number of dB"),
    ({"models": "deepjscc.rec_r99"}, 400, "deepjscc"), ({"models": "../../etc/passwd"}, 400, "no checkpoint"),
    ({"channel": "wire"}, 400, "awgn"), ({"roi": "mine"}, 400, "side"), ({"seed": "1e3"}, 400, "whole number"),
    ({"pair": "gallery:none"}, 400, "cifar-0"), ({"pair": "upload:guess"}, 400, "upload"),
    ({"pair": "?"}, 400, "gallery:"), ({"rate": "7"}, 400, "96ths"), ({"rate": "x"}, 400, "a rate is"),
    ({"models": ",".join(["a"] * 13)}, 400, "at most"), ({"pair": "x" * 3000}, 414, "too long"),
])  # fmt: skip
def test_the_route_answers_nonsense_with_sentences(
    client: TestClient, change: dict[str, str], status: int, reason: str
) -> None:
    answer = client.get("/base/wzroi/frame", params={"pair": CAT, "models": FOUR[0]} | change)
    assert answer.status_code == status
    assert reason in answer.json()["error"]
    assert "Traceback" not in answer.text


def test_the_page_is_answered_quietly(client: TestClient) -> None:
    answer = client.get("/base/wzroi/frame", params={"snr": "nan", "quiet": "1", "seq": "3"})
    assert (answer.status_code, answer.json()["seq"]) == (200, 3)
    assert "-5 to 20" in answer.json()["error"]


def test_the_route_is_read_only(client: TestClient) -> None:
    assert client.post("/base/wzroi/frame").status_code == 405


def test_an_oracle_needs_a_label(client: TestClient) -> None:
    query = {"pair": "gallery:motorcycle", "models": FOUR[3], "roi": "source+label"}
    assert "true class" in client.get("/base/wzroi/frame", params=query).json()["error"]


def test_a_crowd_is_asked_to_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "WAIT_SECONDS", 0.01)
    one = engine.Engine("cpu", slots=1)
    with one.slot():
        status, body = api.answer({"models": FOUR[0]}, one)
    assert (status, body["retry"]) == (503, True)
    assert api.answer({"models": FOUR[0]}, one)[0] == 200


def test_a_fault_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    one = engine.Engine("cpu")
    monkeypatch.setattr(one, "frame", lambda _: 1 / 0)
    status, body = api.answer({}, one)
    assert status == 500
    assert "could not be computed" in str(body["error"])


def test_an_altered_checkpoint_is_a_sentence(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import shutil

    shutil.copytree(store, tmp_path / "zoo")
    weights = tmp_path / "zoo" / FOUR[0] / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x00\x01")
    monkeypatch.setenv("WZROI_ZOO", str(tmp_path / "zoo"))
    engine.forget_zoo_index()
    status, body = api.answer({"models": FOUR[0]}, engine.Engine("cpu"))
    assert status == 400
    assert "model.safetensors" in str(body["error"])


# ---- the download -------------------------------------------------------------------------------------------------


def finished(download_: cifar_download.Download, seconds: float = 20) -> bool:
    end = time.monotonic() + seconds
    while download_.running and time.monotonic() < end:
        time.sleep(0.02)
    return download_.finish()


def test_a_download_is_put_in_place_when_whole(tmp_path: Path) -> None:
    code = "import sys, pathlib; pathlib.Path(sys.argv[1], 'cifar-10-batches-py').mkdir()"
    one = cifar_download.Download(tmp_path / "data", code)
    one.start()
    assert finished(one)
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["cifar-10-batches-py"]


def test_a_failed_download_says_why(tmp_path: Path) -> None:
    one = cifar_download.Download(tmp_path, "raise SystemExit('no route to host')")
    one.start()
    assert not finished(one)
    assert "no route to host" in one.message
    assert list(tmp_path.iterdir()) == []


def test_a_download_is_cancelled_and_watched(tmp_path: Path) -> None:
    write = f"open(sys.argv[1] + '/{cifar_download.ARCHIVE}', 'wb').write(bytes(10**6))"
    code = f"import sys, time; {write}; time.sleep(60)"
    one = cifar_download.Download(tmp_path, code)
    one.start()
    end = time.monotonic() + 20
    while one.progress() == 0 and time.monotonic() < end:
        time.sleep(0.02)
    assert 0 < one.progress() < 0.01
    one.cancel()
    assert not one.running
    assert list(tmp_path.iterdir()) == []
    assert "cancelled" in one.message


# ---- pages --------------------------------------------------------------------------------------------------------


def opened(**query: str) -> AppTest:
    app = AppTest.from_file(SCRIPT, default_timeout=120)
    for key, value in query.items():
        app.query_params[key] = value
    return app.run()


def test_the_first_page_opens_and_writes_its_link() -> None:
    app = opened()
    assert not app.exception and not app.error and not app.warning
    assert "WZ-ROI" in app.title[0].value
    assert app.query_params["snr"] == "5"
    assert app.query_params["variants"].count(",") == 3


def test_a_bad_link_is_told_once_and_replaced() -> None:
    app = opened(snr="nan", variants="resnet")
    assert not app.exception
    assert "snr=nan" in app.warning[0].value and "resnet" in app.warning[0].value
    assert app.query_params["snr"] == "5"
    app.button[0].click().run()
    assert not app.warning


def test_the_test_set_is_chosen_by_class(cifar10: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WZROI_DATA", str(cifar10))
    app = opened(pair="cifar:12")
    assert app.number_input(key="cifar_number").value == 12
    app.selectbox(key="cifar_class").set_value("bird").run()
    assert not app.exception
    index = int(app.query_params["pair"].removeprefix("cifar:"))
    assert int(pair_sources.cifar_test().labels[index]) == CLASSES.index("bird")


def test_without_the_test_set_a_download_is_offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WZROI_DATA", str(tmp_path))
    monkeypatch.setattr(pair_sources, "own_folder", tmp_path.joinpath)
    monkeypatch.chdir(tmp_path)
    app = opened(pair="cifar:12")
    assert not app.exception
    assert any("WZROI_DATA" in info.value for info in app.info)
    assert any("Download CIFAR-10" in button.label for button in app.button)


def test_an_empty_zoo_is_a_sentence_on_every_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "registry.json").write_text('{"format": 1, "checkpoints": {}}')
    monkeypatch.setenv("WZROI_ZOO", str(tmp_path))
    engine.forget_zoo_index()
    app = opened()
    assert not app.exception
    assert "no networks yet" in app.info[0].value


def test_a_zoo_that_is_not_there_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WZROI_ZOO", str(tmp_path / "nowhere"))
    engine.forget_zoo_index()
    app = opened()
    assert not app.exception
    assert "registry.json" in app.error[0].value


def test_every_page_draws() -> None:
    for page in PAGES:
        code = f"from explorer.navigation import PAGES\nPAGES[{PAGES.index(page)}].load()()"
        app = AppTest.from_string(code, default_timeout=120).run()
        assert not app.exception and not app.error, page.title
        assert app.title


def test_the_sweep_shows_committed_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(published_curves.files, "RESULTS", tmp_path)
    variants = engine.catalogue()
    view = state.default_view(variants)
    assert published_curves.curves_of(view, variants)[0] == []
    rows = [{"snr_db": 5, "psnr_mean": 22.0, "psnr_ci95": 0.1}]
    (tmp_path / f"{FOUR[0]}.json").write_text(json.dumps({"model": FOUR[0], "rows": rows}))
    (tmp_path / f"{FOUR[1]}.json").write_text('{"rows": ')
    curves, missing = published_curves.curves_of(view, variants)
    assert [curve.title for curve in curves] == ["DeepJSCC (rec)"]
    assert len(missing) == 3
    present = published_curves.present_of(view, variants, "psnr")
    assert present["DeepJSCC (rec)"] == engine.ENGINE.frame(view.request(variants)).results[0].psnr
    assert len(plots.sweep_figure(curves, "psnr", present, view.snr).data) == 3


def test_what_the_component_is_told_can_be_sent() -> None:
    variants = engine.catalogue()
    data = json.loads(json.dumps(bench_data(state.default_view(variants), variants, 0, "", True)))
    assert len(data["gallery"]["items"]) == len(pair_sources.gallery())
    assert set(data["origins"]) == {name for name, row in ROI_ORIGINS.items() if row.shown}


def test_the_server_starts_without_networks_and_imports_what_it_needs() -> None:
    code = "import app, sys; assert app.app; sys.exit(bool({'torch', 'training'} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def test_the_explorer_trains_nothing_and_nothing_below_imports_it() -> None:
    def imported(path: Path) -> Iterator[str]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                yield from (alias.name.split(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                yield node.module.split(".")[0]

    upper = [ROOT / "app.py", *(ROOT / "explorer").rglob("*.py")]
    assert not {path.name for path in upper if "training" in imported(path)}
    lower = [path for name in ("wzroi", "zoo", "training") for path in (ROOT / name).rglob("*.py")]
    assert not {path.name for path in lower if {"app", "explorer"} & set(imported(path))}


def test_a_request_does_not_hold_the_others_up() -> None:
    """Two frames are computed at once, a third waits its turn and is not refused."""
    import threading

    one, statuses = engine.Engine("cpu"), []

    def request(seed: int) -> None:
        statuses.append(api.answer({"models": FOUR[0], "seed": str(seed)}, one))

    threads = [threading.Thread(target=request, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [status for status, _ in statuses] == [200] * 6
    assert len({str(body["cards"][0]["psnr"]) for _, body in statuses}) == 6


