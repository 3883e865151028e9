"""The hosted demo as it is served: its API by gradio_client, what it refuses, and its page in headless Chromium."""

from __future__ import annotations

import importlib.util
import io
import json
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np
import pytest
import torch
from PIL import Image

from tests.support.app_server import BROWSER_ARGUMENTS, CHROMIUM
from tests.support.shared import require
from tests.support.space_server import LITE, PAPER, clean_environment, running_space, small_zoo
from tests.support.zoo_runs import JUDGE
from wzroi import images, make_pair, roi_map, run_link, sample_channel
from zoo.image_io import read_picture
from zoo.serving.gallery import gallery, gallery_entry
from zoo.space.deploy import assemble
from zoo.store.registry import REGISTRY, CheckpointStore
from zoo.store.verified import load_from

if TYPE_CHECKING:
    from gradio_client import Client
    from playwright.sync_api import Page

ROI = "deepjscc_wz_roi.rec_r16_lite"
ASK = {"pair": "cifar-7", "picture": None, "right": None, "size": 64, "channel": "awgn", "roi": "side", "seed": 4}


class Served:
    """The address of a running demo, its process, the folder that it runs from, and its log."""

    def __init__(self, address: str, process: int, folder: Path, log: Path) -> None:
        self.address, self.process, self.folder, self.log = address, process, folder, log

    def store(self) -> CheckpointStore:
        """The zoo inside the folder."""
        return CheckpointStore(self.folder / "zoo" / "checkpoints", self.folder / "zoo" / REGISTRY)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    require("gradio", importlib.util.find_spec("gradio") is not None, "gradio is absent: pip install '.[space]'")
    root = tmp_path_factory.mktemp("space")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WZROI_ZOO", str(small_zoo(root)))
        folder = assemble(root / "demo", "gradio", "me/demo", ["*_lite", PAPER]).folder
    with running_space(folder, root / "log") as (address, process):
        yield Served(address, process.pid, folder, root / "log")


@pytest.fixture(scope="module")
def client(served: Served, tmp_path_factory: pytest.TempPathFactory) -> Client:
    from gradio_client import Client

    return Client(served.address, verbose=False, download_files=str(tmp_path_factory.mktemp("answers")))


def pixels(path: str) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB"))


def noise_png(folder: Path, width: int, height: int, name: str = "photo.png") -> Path:
    generator = torch.Generator().manual_seed(width * height)
    picture = torch.randint(0, 256, (height, width, 3), generator=generator, dtype=torch.uint8)
    Image.fromarray(picture.numpy()).save(folder / name)
    return folder / name


# The API


def test_the_endpoints_are_the_four_named_ones(client: Client) -> None:
    named = client.view_api(return_format="dict", print_info=False)["named_endpoints"]  # type: ignore[index]
    assert sorted(named) == ["/pairs", "/sweep", "/transmit", "/variants"]


def test_the_folder_serves_its_own_zoo_and_gallery(client: Client, served: Served) -> None:
    rows = client.predict(api_name="/variants")
    assert sorted(row["model"] for row in rows) == sorted([*LITE, PAPER])
    entries = served.store().entries()
    assert {row["model"]: row["sha256"] for row in rows} == {name: entries[name].sha256 for name in [*LITE, PAPER]}
    assert [row["pair"] for row in client.predict(api_name="/pairs")] == list(gallery())


@pytest.mark.parametrize(("model", "channel", "roi"), [
    (LITE[0], "awgn", "side"), (ROI, "rayleigh", "source+label"), (PAPER, "awgn", "side"),
])  # fmt: skip
def test_transmit_gives_the_pixels_and_numbers_of_run_link(
    client: Client, served: Served, model: str, channel: str, roi: str
) -> None:
    path, told = client.predict(**ASK | {"channel": channel, "roi": roi}, model=model, snr_db=3, api_name="/transmit")
    network, judge = load_from(served.store(), model, "cpu"), load_from(served.store(), JUDGE, "cpu")
    pair = gallery_entry("cifar-7").pair
    generator = torch.Generator().manual_seed(4)
    state = sample_channel(channel, 3.0, 1, network.num_symbols(32, 32), generator=generator)  # type: ignore[union-attr]
    report = run_link(network, pair, state, roi_map(judge, pair, roi), judge)  # type: ignore[arg-type]
    assert np.abs(pixels(path).astype(int) - images.to_pixels(report.reconstruction[0])).max() <= 1
    assert told["psnr_db"] == pytest.approx(report.psnr.item(), abs=1e-3)
    assert told["ssim"] == pytest.approx(report.ssim.item(), abs=1e-5)
    assert told["roi_psnr_db"] == pytest.approx(report.roi_psnr.item(), abs=1e-3)  # type: ignore[union-attr]
    chances = report.logits.softmax(1)[0].tolist()  # type: ignore[union-attr]
    assert list(told["probabilities"].values()) == pytest.approx(chances, abs=1e-4)
    assert (told["symbols"], told["bandwidth_ratio"]) == (192, pytest.approx(1 / 16))


def test_uploads_are_sent_alone_and_as_a_stereo_pair(client: Client, served: Served, tmp_path: Path) -> None:
    from gradio_client import handle_file

    left, right = noise_png(tmp_path, 96, 64, "l.png"), noise_png(tmp_path, 64, 96, "r.png")
    Image.open(right).transpose(Image.Transpose.ROTATE_90).save(right)
    network, judge = load_from(served.store(), ROI, "cpu"), load_from(served.store(), JUDGE, "cpu")
    for other, source in ((None, "crop"), (right, "stereo")):
        given = {"picture": handle_file(left), "right": None if other is None else handle_file(other), "size": 64}
        _, told = client.predict(**ASK | given, model=ROI, snr_db=5, api_name="/transmit")
        side = None if other is None else read_picture(other, max_side=64)
        pair = make_pair(read_picture(left, max_side=64), None, source, side)
        generator = torch.Generator().manual_seed(4)
        height, width = pair.source.shape[-2:]
        state = sample_channel("awgn", 5.0, 1, network.num_symbols(height, width), generator=generator)  # type: ignore
        report = run_link(network, pair, state, roi_map(judge, pair), judge)  # type: ignore[arg-type]
        assert told["psnr_db"] == pytest.approx(report.psnr.item(), abs=1e-3)
        assert (told["pair_source"], told["label"]) == (source, None)


def test_it_starts_behind_an_outgoing_proxy(served: Served, tmp_path: Path) -> None:
    """Nobody listens at the proxy: what reaches this machine does not go through it."""
    proxies = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("no_proxy", "NO_PROXY"):
            patch.delenv(name, raising=False)
        with running_space(served.folder, tmp_path / "log", **proxies) as (address, _):
            assert address.startswith("http://127.0.0.1")
    assert "Traceback" not in (tmp_path / "log").read_text()


@pytest.mark.parametrize(("name", "value", "sentence"), [
    ("SSL_CERT_FILE", "gone.pem", "does not exist"), ("GRADIO_TEMP_DIR", "log", "cannot be written"),
])  # fmt: skip
def test_what_it_cannot_start_with_is_a_sentence(
    served: Served, tmp_path: Path, name: str, value: str, sentence: str
) -> None:
    (tmp_path / "log").write_text("a file where a folder should be")
    environment = clean_environment(**{name: str(tmp_path / value)})
    done = subprocess.run([sys.executable, "app.py"], cwd=served.folder, env=environment, capture_output=True,
                          text=True, timeout=200, check=False)  # fmt: skip
    assert done.returncode == 1 and name in done.stderr and sentence in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, "a sentence, no traceback"


def test_transmit_and_sweep_need_no_arguments(client: Client) -> None:
    path, told = client.predict(api_name="/transmit")
    assert pixels(path).shape == (32, 32, 3) and told["pair"] == "gallery:cifar-0" and told["snr_db"] == 5
    curves = client.predict(api_name="/sweep")
    assert list(curves) == [told["model"]] and len(curves[told["model"]]) > 3


def test_sweep_rows_agree_with_transmit(client: Client) -> None:
    asked = {"models": [LITE[0], ROI], "snrs": [0, 12.5], "draws": 1}
    curves = client.predict(**ASK, **asked, api_name="/sweep")
    assert list(curves) == asked["models"]
    for snr_db, row in zip(asked["snrs"], curves[ROI], strict=True):  # type: ignore[arg-type, call-overload]
        _, told = client.predict(**ASK, model=ROI, snr_db=snr_db, api_name="/transmit")
        assert row["psnr_mean"] == pytest.approx(told["psnr_db"], abs=1e-3)
        assert row["snr_db"] == snr_db


@pytest.mark.parametrize(("change", "fix"), [
    ({"model": "deepjscc.rec_r17"}, "no checkpoint"), ({"model": JUDGE}, "link network"),
    ({"snr_db": 99}, "from -5 to 20"), ({"snr_db": None}, "must be a number"),
    ({"channel": "wire"}, "awgn"), ({"roi": "mine"}, "source\\+label"),
    ({"seed": -1}, "whole number"), ({"seed": 0.5}, "whole number"), ({"pair": "dog"}, "cifar-0"),
    ({"pair": "../../LICENSE"}, "cifar-0"), ({"size": 5000}, "32, 64, 96, 128"),
])  # fmt: skip
def test_bad_values_are_answered_with_a_sentence(
    client: Client, change: dict[str, Any], fix: str, tmp_path: Path
) -> None:
    from gradio_client import handle_file
    from gradio_client.exceptions import AppError

    asked = ASK | {"model": LITE[0], "snr_db": 5} | change
    if "size" in change:
        asked["picture"] = handle_file(noise_png(tmp_path, 40, 40))
    with pytest.raises(AppError, match=fix):
        client.predict(**asked, api_name="/transmit")


def test_a_file_that_is_no_picture_is_answered_with_a_sentence(client: Client, tmp_path: Path) -> None:
    from gradio_client import handle_file
    from gradio_client.exceptions import AppError

    (tmp_path / "note.png").write_text("no picture")
    for blob, fix in ((b"no picture", "not a picture"), (noise_png(tmp_path, 64, 64).read_bytes()[:900], "damaged")):
        (tmp_path / "note.png").write_bytes(blob)
        asked = ASK | {"picture": handle_file(tmp_path / "note.png"), "model": LITE[0], "snr_db": 5}
        with pytest.raises(AppError, match=fix):
            client.predict(**asked, api_name="/transmit")


@pytest.mark.parametrize(("change", "fix"), [
    ({"models": "deepjscc"}, "must be a list"), ({"snrs": {"a": 1}}, "must be a list"),
    ({"models": [[1]]}, "not the name"), ({"snrs": ["x"]}, "must be a number"),
    ({"snrs": [0] * 60}, "1 to 51 SNRs"), ({"draws": 10_000}, "from 1 to 32"),
])  # fmt: skip
def test_bad_sweeps_are_answered_with_a_sentence(client: Client, change: dict[str, Any], fix: str) -> None:
    from gradio_client.exceptions import AppError

    with pytest.raises(AppError, match=fix):
        client.predict(**ASK | {"models": [LITE[0]], "snrs": [5], "draws": 2} | change, api_name="/sweep")


def test_many_users_are_counted_and_none_is_turned_away(served: Served) -> None:
    """The load test itself, for two seconds and without browsers; ``python -m benchmarks.load_space`` is the whole."""
    import psutil

    from benchmarks.load_space import Servers, run, table

    found = run(Servers(served.address, None, {"demo": psutil.Process(served.process)}), 4, 0, 2.0)
    assert (found["errors"], found["users"]) == (0, 4), found["error_texts"]
    waited = found["waiting"]["API: transmit"]
    assert waited["answers"] >= 4 and 0 < waited["median_s"] <= waited["p90_s"] <= waited["most_s"]
    assert found["memory_mib"]["demo"][0] > 100
    assert f"| API: transmit | {waited['answers']} | {waited['median_s']:.2f} |" in table(found)


# What it does not give away


def fetch(address: str, body: dict[str, Any] | None = None) -> tuple[int, bytes]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(address, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def test_no_file_of_the_host_is_served(served: Served) -> None:
    inside = [served.folder / name for name in ("app.py", "zoo/registry.json", "assets/gallery/gallery.json")]
    for path in ["/etc/passwd", str(served.log), *map(str, inside), "app.py", "zoo/registry.json", "../log"]:
        for route in ("file=", "file/"):
            code, body = fetch(f"{served.address}/gradio_api/{route}{quote(path)}")
            assert code in (403, 404), (path, code)
            assert b"root:" not in body
            assert b"checkpoints" not in body


def test_a_path_of_the_host_is_not_read_as_an_upload(served: Served) -> None:
    """A client may claim that any path is its upload: a picture of the host must not come back as a reconstruction."""
    for path in (served.folder / "assets" / "gallery" / "motorcycle_left.png", Path("/etc/passwd")):
        claimed = {"path": str(path), "meta": {"_type": "gradio.FileData"}}
        data = ["cifar-0", claimed, None, 64, LITE[0], 5, "awgn", "side", 0, ""]
        code, body = fetch(f"{served.address}/gradio_api/call/transmit", {"data": data})
        if code == 200:
            _, body = fetch(f"{served.address}/gradio_api/call/transmit/{json.loads(body)['event_id']}")
            assert b"event: error" in body
        assert b"psnr_db" not in body


def test_large_files_are_refused_before_they_are_read(served: Served, tmp_path: Path) -> None:
    mark = b"--edge"
    head = b'\r\nContent-Disposition: form-data; name="files"; filename="big.png"\r\n\r\n'
    body = mark + head + bytes(17 * 2**20) + b"\r\n" + mark + b"--\r\n"
    kind = {"Content-Type": "multipart/form-data; boundary=edge"}
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(urllib.request.Request(f"{served.address}/gradio_api/upload", body, kind), timeout=60)
    assert caught.value.code in (400, 413)


# The page


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    require("chromium", Path(CHROMIUM).is_file(), f"no {CHROMIUM}: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        yield play.chromium.launch(executable_path=CHROMIUM, args=BROWSER_ARGUMENTS)


@pytest.fixture
def visit(browser: Any, served: Served) -> Iterator[Callable[[int], Page]]:
    """Open the page at a width; afterwards, nothing may have been wrong in the console."""
    errors: list[str] = []
    pages = []

    def told(message: Any) -> None:
        if message.type == "error" and message.location.get("url", "").startswith(served.address):
            errors.append(f"{message.text} {message.location}")

    def opened(width: int) -> Page:
        page = browser.new_page(viewport={"width": width, "height": 900})
        page.set_default_timeout(45_000)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", told)
        page.goto(served.address)
        page.wait_for_selector(".wz figure")
        pages.append(page)
        return page

    yield opened
    for page in pages:
        page.close()
    assert not errors


def figures(page: Page) -> list[str]:
    return [text.split(" dB")[0] for text in page.locator(".wz .figures strong").all_inner_texts()]


def moved(page: Page, before: list[str]) -> list[str]:
    """Wait until the figures are others; the new ones."""
    page.wait_for_function(
        """old => {
          const now = [...document.querySelectorAll('.wz .figures strong')].map(e => e.innerText.split(' dB')[0]);
          return now.length && now.join() !== old.join();
        }""", arg=before,
    )  # fmt: skip
    return figures(page)


def pictures(page: Page, place: str) -> list[str]:
    return page.locator(f"{place} img").evaluate_all("all => all.map(image => image.src)")


def test_sliders_move_the_pictures_and_the_figures(visit: Callable[[int], Page], client: Client) -> None:
    page = visit(1280)
    assert page.locator(".wz figure").count() == 7
    first, compared = figures(page), pictures(page, ".wz-slider")
    snr = page.locator("input[type=range][aria-label*='SNR']")
    snr.focus()
    for _ in range(4):
        snr.press("ArrowRight")
    page.wait_for_timeout(300)
    second = moved(page, first)
    _, told = client.predict(**ASK | {"pair": "cifar-0", "seed": 0}, model=LITE[0], snr_db=7, api_name="/transmit")
    wanted = f"{told['psnr_db']:.2f} dB"
    page.wait_for_function("text => document.querySelector('.wz .figures strong').innerText === text", arg=wanted)
    page.wait_for_function("old => [...document.querySelectorAll('.wz-slider img')].map(i => i.src)[0] !== old[0]",
                           arg=compared)  # fmt: skip
    rate = page.locator("input[type=range][aria-label*='Bandwidth']")
    rate.focus()
    rate.press("ArrowLeft")
    moved(page, second)
    page.get_by_text("Bandwidth ratio 1/32").wait_for()
    assert page.locator(".wz figure").count() == 5  # at 1/32 this zoo has two of the four variants


def test_the_image_slider_shows_two_whole_pictures(visit: Callable[[int], Page]) -> None:
    page = visit(1280)
    page.wait_for_function("document.querySelectorAll('.wz-slider img').length === 2")
    sizes = page.locator(".wz-slider img").evaluate_all(
        "async all => { for (const i of all) await i.decode(); return all.map(i => [i.naturalWidth, i.clientWidth]); }"
    )
    assert [natural for natural, _ in sizes] == [512, 512]
    assert all(shown > 200 for _, shown in sizes)


def test_the_overlay_answers_without_the_server(visit: Callable[[int], Page]) -> None:
    page = visit(1280)
    layer = page.locator(".wz img.roi").first
    assert layer.evaluate("e => getComputedStyle(e).opacity") == "0.5"
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    opacity = page.locator("input[type=range][aria-label*='Opacity']")
    opacity.focus()
    opacity.press("ArrowRight")
    page.wait_for_function("getComputedStyle(document.querySelector('.wz img.roi')).opacity === '0.55'")
    over = page.locator(".wz img.roi.over").first
    assert over.evaluate("e => getComputedStyle(e).visibility") == "hidden"
    page.get_by_label("Also over the reconstructions").check()
    page.wait_for_function("getComputedStyle(document.querySelector('.wz img.roi.over')).visibility === 'visible'")
    assert not [url for url in asked if "queue" in url or "/run" in url]


def test_gallery_and_upload_choose_the_pair(visit: Callable[[int], Page], tmp_path: Path) -> None:
    page = visit(1280)
    first = figures(page)
    page.locator(".wz-thumbs button").nth(1).click()
    second = moved(page, first)
    page.get_by_role("tab", name="Your pictures").click()
    page.locator("input[type=file]").first.set_input_files(noise_png(tmp_path, 90, 60))
    moved(page, second)
    page.get_by_text("sent: 64 x 43").wait_for()


def test_a_bad_upload_is_a_sentence_and_the_page_goes_on(visit: Callable[[int], Page], tmp_path: Path) -> None:
    page = visit(1280)
    first = figures(page)
    page.get_by_role("tab", name="Your pictures").click()
    (tmp_path / "note.png").write_text("no picture")
    page.locator("input[type=file]").first.set_input_files(tmp_path / "note.png")
    page.get_by_text("is not a picture that can be read").first.wait_for()
    page.get_by_role("tab", name="Gallery").click()
    page.locator(".wz-thumbs button").nth(2).click()
    moved(page, first)


def test_a_sweep_draws_curves(visit: Callable[[int], Page]) -> None:
    page = visit(1280)
    page.get_by_text("Curves over SNR").click()
    page.get_by_role("button", name="Sweep this picture").click()
    page.wait_for_selector(".js-plotly-plot .scatterlayer .trace")
    assert page.locator(".js-plotly-plot .legend .traces").count() == 4


def test_a_phone_needs_no_sideways_scrolling(visit: Callable[[int], Page]) -> None:
    page = visit(390)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.wait_for_function("document.querySelector('.wz-slider img')?.clientHeight > 200")  # without coming into view
    boxes = page.locator(".wz figure").evaluate_all("all => all.map(e => e.getBoundingClientRect().right)")
    assert max(boxes) <= 390
    first = figures(page)
    page.locator("input[type=range][aria-label*='SNR']").focus()
    page.keyboard.press("ArrowRight")
    moved(page, first)


def test_nothing_went_wrong_unseen(served: Served) -> None:
    """Last: the server's log holds no traceback but Gradio's own, when it refuses the host files asked for above."""
    log = served.log.read_text()
    refused = re.findall(r"gradio\.exceptions\.InvalidPathError: Cannot move (\S+)", log)
    assert log.count("Traceback") == len(refused)
    assert {Path(path).name for path in refused} <= {"passwd", "motorcycle_left.png"}
    assert io.StringIO(served.log.read_text()).readline().startswith("* Running")
