"""The hosted demo without a browser: what it computes, and the folders that serve it."""

from __future__ import annotations

import ast
import io
import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from PIL import Image
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response
from typer.testing import CliRunner

import zoo
from tests.support.app_server import free_port
from tests.support.hub_server import READ, WRITE, LoopbackHub, blob_id, point_client, running
from tests.support.shared import ROOT
from tests.support.space_server import LITE, PAPER, clean_environment, serving, small_zoo
from tests.support.zoo_runs import JUDGE
from wzroi import make_pair, roi_map, run_link, sample_channel
from wzroi.channel import CHANNELS
from wzroi.metrics import estimate
from wzroi.pairs import CropPair
from wzroi.roi import ROI_ORIGINS
from zoo.errors import ZooError
from zoo.hub import HubError
from zoo.image_io import PictureError
from zoo.serving.cache import Recent
from zoo.serving.gallery import gallery, gallery_entry, on_source
from zoo.serving.request import RequestError
from zoo.space import cards, deploy, engine
from zoo.space.deploy import assemble
from zoo.space.engine import Request
from zoo.space.uploads import upload_entry
from zoo.store.registry import parse_registry


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_zoo(tmp_path_factory.mktemp("zoo"))


@pytest.fixture(autouse=True)
def in_use(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The small zoo in use, and no network kept from another zoo."""
    monkeypatch.setenv("WZROI_ZOO", str(store))
    monkeypatch.delenv("WZROI_REPO", raising=False)
    monkeypatch.setattr(engine, "_NETWORKS", Recent(64))
    monkeypatch.setattr(engine, "_PREPARED", Recent(32))


def png(width: int, height: int, seed: int = 0) -> bytes:
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randint(0, 256, (height, width, 3), generator=generator, dtype=torch.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels.numpy()).save(stream, "PNG")
    return stream.getvalue()


# What it computes


@pytest.mark.parametrize("model", [LITE[0], LITE[3]])
@pytest.mark.parametrize("channel", list(CHANNELS))
def test_send_gives_the_numbers_of_run_link(model: str, channel: str) -> None:
    entry, asked = gallery_entry("cifar-3"), Request(7.5, channel, "side", 11)
    network, judge = zoo.load(model, "cpu"), zoo.load_judge(JUDGE, "cpu")
    generator = torch.Generator().manual_seed(11)
    state = sample_channel(channel, 7.5, 1, network.num_symbols(32, 32), generator=generator)
    wanted = run_link(network, entry.pair, state, roi_map(judge, entry.pair), judge)
    given = engine.transmit_pair(entry, model, asked).report
    for key in ("reconstruction", "received", "psnr", "ssim", "roi_psnr", "logits"):
        torch.testing.assert_close(getattr(given, key), getattr(wanted, key), rtol=0, atol=0)


def test_a_second_snr_is_not_the_first_ones_answer() -> None:
    """What is kept between calls must not hold anything of the channel."""
    entry = gallery_entry("cifar-0")
    first, second = (
        engine.transmit_pair(entry, LITE[3], Request(snr_db=snr)).report.reconstruction for snr in (-5.0, 20.0)
    )
    again = engine.transmit_pair(entry, LITE[3], Request(snr_db=-5.0)).report.reconstruction
    assert torch.equal(first, again)
    assert not torch.equal(first, second)


def test_what_is_kept_is_apart_for_each_pair_origin_and_upload() -> None:
    entries = [gallery_entry("cifar-0"), gallery_entry("cifar-1"), upload_entry(png(40, 40), None, 32),
              upload_entry(png(40, 40, seed=1), None, 32), upload_entry(png(40, 40), None, 64)]  # fmt: skip
    assert len({entry.key for entry in entries}) == 5
    pictures = [engine.transmit_pair(entry, LITE[3], Request(roi=origin)).report.reconstruction.sum().item()
                for entry in entries[:4] for origin in ("side", "zeros")]  # fmt: skip
    assert len(set(pictures)) == len(pictures)


def test_every_roi_origin(store: Path) -> None:
    entry, judge = gallery_entry("cifar-4"), zoo.load_judge(JUDGE, "cpu")
    maps = {origin: engine.roi_of(entry, judge, Request(roi=origin, seed=5)) for origin in ROI_ORIGINS}
    for origin in ("side", "source", "source+label", "zeros"):
        torch.testing.assert_close(maps[origin], roi_map(judge, entry.pair, origin))
    torch.testing.assert_close(maps["normal"], roi_map(judge, entry.pair, "normal", generator=_seeded(5)))
    torch.testing.assert_close(maps["shuffled"], roi_map(judge, gallery_entry("cifar-5").pair, "side"))


def _seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_an_upload_has_no_oracle() -> None:
    with pytest.raises(RequestError, match="choose another ROI origin"):
        engine.transmit_pair(upload_entry(png(32, 32), None, 32), LITE[3], Request(roi="source+label"))


def test_the_roi_is_laid_where_paste_lays_pixels() -> None:
    entry, roi = gallery_entry("cifar-2"), torch.rand(1, 1, 32, 32)
    moved = on_source(entry, roi, "side")
    row, column, rows, columns = CropPair().box(32, 32)
    assert torch.equal(moved[..., row : row + rows, column : column + columns], roi[..., :rows, :columns])
    assert moved.sum() == pytest.approx(roi[..., :rows, :columns].sum().item(), rel=1e-5)
    assert torch.equal(on_source(entry, roi, "source"), roi)


def test_the_control_pastes_what_is_known() -> None:
    entry = gallery_entry("cifar-6")
    sent = engine.transmit_pair(entry, LITE[0], Request())
    pasted = engine.paste(entry, sent).report
    row, column, rows, columns = CropPair().box(32, 32)
    known = slice(row, row + rows), slice(column, column + columns)
    assert torch.equal(pasted.reconstruction[..., *known], entry.pair.source[..., *known])
    assert pasted.psnr > sent.report.psnr


def test_a_sweep_gives_the_numbers_of_run_link() -> None:
    entry, model, snrs, draws = gallery_entry("cifar-1"), LITE[2], [0.0, 10.0], 4
    rows = engine.sweep(entry, [model], snrs, draws, Request(seed=3))[model]
    network, judge = zoo.load(model, "cpu"), zoo.load_judge(JUDGE, "cpu")
    many = make_pair(entry.pair.source.repeat(draws, 1, 1, 1))
    state = sample_channel("awgn", 0.0, draws, network.num_symbols(32, 32), generator=_seeded(3))
    for row, snr in zip(rows, snrs, strict=True):
        report = run_link(network, many, state.at_snr(snr), None, judge)
        assert row["psnr_mean"] == pytest.approx(estimate(report.psnr).mean, abs=1e-4)
        assert row["psnr_ci95"] == pytest.approx(estimate(report.psnr).ci95, abs=1e-4)
        assert row["accuracy"] == pytest.approx((report.logits.argmax(1) == 8).float().mean().item())  # type: ignore
        assert (row["snr_db"], row["draws"]) == (snr, draws)
    json.dumps(rows, allow_nan=False)


def test_one_draw_has_no_interval_and_stays_json() -> None:
    row = engine.sweep(gallery_entry("cifar-1"), [LITE[0]], [5.0], 1, Request())[LITE[0]][0]
    assert row["psnr_ci95"] is None
    json.dumps(row, allow_nan=False)


@pytest.mark.parametrize(("change", "fix"), [
    ({"models": []}, "1 to 8 models"), ({"models": [LITE[0], LITE[0]]}, "each once"),
    ({"models": [JUDGE]}, "link network"), ({"models": ["deepjscc.rec_r17"]}, "no checkpoint"),
    ({"snrs": []}, "1 to 51 SNRs"), ({"snrs": [0.0, 99.0]}, "from -5 to 20"),
    ({"snrs": [float("nan")]}, "from -5 to 20"), ({"draws": 0}, "from 1 to 32"), ({"draws": 2.5}, "from 1 to 32"),
    ({"models": LITE, "snrs": [0.0] * 40, "draws": 32}, "too large"),
])  # fmt: skip
def test_a_sweep_that_cannot_be_made_says_why(change: dict[str, object], fix: str) -> None:
    asked = {"models": [LITE[0]], "snrs": [5.0], "draws": 2} | change
    with pytest.raises(RequestError, match=fix):
        engine.sweep(gallery_entry("cifar-0"), asked["models"], asked["snrs"], asked["draws"], Request())  # type: ignore


@pytest.mark.parametrize("asked", [
    Request(snr_db=float("nan")), Request(snr_db=21), Request(snr_db=True), Request(snr_db="5"),  # type: ignore
    Request(channel="wire"), Request(roi="x"),
    Request(seed=-1), Request(seed=1.5), Request(seed=2**31), Request(seed=None),  # type: ignore[arg-type]
])  # fmt: skip
def test_values_out_of_range_are_refused(asked: Request) -> None:
    with pytest.raises(RequestError, match=r"must be|choose one of"):
        asked.checked()


def test_variants_are_named_once_with_all_their_rates() -> None:
    found = {variant.id: variant for variant in engine.variants()}
    assert sorted(name for variant in found.values() for name in variant.names.values()) == sorted([*LITE, PAPER])
    assert found["deepjscc.rec_lite"].names == {16: LITE[0], 32: LITE[4]}
    assert [variant.lite for variant in engine.variants()] == [True] * 5 + [False]


def test_uploads_are_brought_to_their_working_size() -> None:
    entry = upload_entry(png(300, 150), None, 64)
    assert (entry.size, entry.source, entry.label) == ((32, 64), "crop", None)
    stereo = upload_entry(png(90, 60), png(90, 60, seed=1), 64)
    assert stereo.source == "stereo"
    assert not torch.equal(stereo.pair.source, stereo.pair.side)
    assert upload_entry(png(300, 150), None, 64) is entry


@pytest.mark.parametrize(("left", "right", "size", "fix"), [
    (b"", None, 64, "empty"), (b"no picture", None, 64, "not a picture"), (png(40, 40)[:200], None, 64, "damaged"),
    (png(4, 4), None, 64, "at least 8"), (png(40, 40), png(40, 41), 64, "two pictures of the same size"),
    (png(400, 200), png(200, 100), 64, "two pictures of the same size"), (png(40, 40), None, 4096, "must be one of"),
])  # fmt: skip
def test_bad_uploads_say_what_to_do(left: bytes, right: bytes | None, size: int, fix: str) -> None:
    with pytest.raises((PictureError, RequestError), match=fix):
        upload_entry(left, right, size)


def test_the_cache_forgets_the_oldest() -> None:
    recent, made = Recent(2), []
    for key in (1, 2, 1, 3, 2):
        recent.get(key, lambda key=key: made.append(key))  # type: ignore[misc]
    assert made == [1, 2, 3, 2]


def test_cards_hold_every_picture_and_escape_titles() -> None:
    entry = gallery_entry("motorcycle")
    sents = [engine.transmit_pair(entry, model, Request()) for model in LITE[:4]]
    strip = cards.strip(entry, sents, engine.paste(entry, sents[0]), "side")
    assert strip.count("<figure>") == 7
    assert f"{sents[2].report.psnr.item():.2f} dB" in strip
    assert "<script" not in cards.figure("<script>", entry.pair.source[0], "")


def test_every_gallery_pair_can_be_sent() -> None:
    for key in gallery():
        assert engine.transmit_pair(gallery_entry(key), LITE[0], Request()).report.psnr.isfinite()
    with pytest.raises(RequestError, match="choose one of cifar-0"):
        gallery_entry("../../LICENSE")


# The folders


@pytest.fixture(scope="module")
def gradio_folder(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WZROI_ZOO", str(store))
        return assemble(tmp_path_factory.mktemp("space") / "demo", "gradio", "me/demo").folder


@pytest.fixture(scope="module")
def docker_folder(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WZROI_ZOO", str(store))
        return assemble(tmp_path_factory.mktemp("docker") / "demo", "docker", "me/demo").folder


def front_matter(folder: Path) -> dict[str, object]:
    return yaml.safe_load((folder / "README.md").read_text(encoding="utf-8").split("---\n")[1])


def test_front_matter_is_what_the_hub_takes(gradio_folder: Path, docker_folder: Path) -> None:
    values = front_matter(gradio_folder)
    assert (values["sdk"], values["app_file"], values["suggested_hardware"]) == ("gradio", "app.py", "zero-a10g")
    assert values["python_version"] == "3.12"
    assert re.fullmatch(r"\d+\.\d+\.\d+", str(values["sdk_version"]))
    assert len(str(values["short_description"])) <= 60
    assert {"models", "preload_from_hub"}.isdisjoint(values)
    colours = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}
    assert {values["colorFrom"], values["colorTo"]} <= colours
    assert (front_matter(docker_folder)["sdk"], front_matter(docker_folder)["app_port"]) == ("docker", 7860)


def test_only_the_lite_tier_travels_and_its_registry_says_so(gradio_folder: Path) -> None:
    registry = parse_registry((gradio_folder / "zoo" / "registry.json").read_bytes(), "registry")
    assert sorted(registry) == sorted([*LITE, JUDGE])
    assert sorted(path.name for path in (gradio_folder / "zoo" / "checkpoints").iterdir()) == sorted(registry)


def test_a_folder_holds_nothing_foreign(gradio_folder: Path, docker_folder: Path) -> None:
    tops = {"LICENSE", "README.md", "app.py", "assets", "requirements.txt", "wzroi", "zoo"}
    assert {path.name for path in gradio_folder.iterdir()} == tops
    more = {".dockerignore", ".streamlit", "Dockerfile", "explorer"}
    assert {path.name for path in docker_folder.iterdir()} == tops | more
    for folder in (gradio_folder, docker_folder):
        assert not [path for path in folder.rglob("*") if path.name == "__pycache__" or path.is_symlink()]


def test_every_import_of_the_space_is_in_it_or_required(gradio_folder: Path) -> None:
    needed = (gradio_folder / "requirements.txt").read_text().split("\n")
    names = {re.split(r"[=<>]", need)[0].replace("-", "_") for need in needed if need}
    known = names | set(sys.stdlib_module_names) | {"wzroi", "zoo", "gradio", "PIL", "huggingface_hub", "spaces"}
    known |= {"httpx2", "yaml", "typing_extensions"}  # of huggingface_hub; the last for type checkers alone
    known |= {"pillow_heif"}  # HEIC is read where it is there
    commands = {"zoo/cli.py", "zoo/__main__.py", "zoo/console.py", "zoo/space/deploy.py"}  # typer, rich
    for path in gradio_folder.rglob("*.py"):
        if path.relative_to(gradio_folder).as_posix() in commands:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            modules += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            assert {module.split(".")[0] for module in modules} <= known, path


def test_assembling_again_replaces_and_foreign_folders_are_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    assemble(folder, "gradio", "me/demo")
    (folder / "stale.txt").write_text("old")
    done = assemble(folder, "gradio", "me/demo", [PAPER])
    assert done.names == sorted([PAPER, JUDGE])
    assert not (folder / "stale.txt").exists()
    assert done.size == sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    other = tmp_path / "mine"
    other.mkdir()
    (other / "thesis.tex").write_text("years of work")
    with pytest.raises(ZooError, match="name a new folder"):
        assemble(other, "gradio", "me/demo")
    assert [path.name for path in other.iterdir()] == ["thesis.tex"]


def test_an_altered_checkpoint_does_not_travel(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(store, tmp_path / "zoo")
    weights = tmp_path / "zoo" / LITE[0] / "model.safetensors"
    blob = bytearray(weights.read_bytes())
    blob[-1] ^= 1
    weights.write_bytes(blob)
    monkeypatch.setenv("WZROI_ZOO", str(tmp_path / "zoo"))
    with pytest.raises(ZooError, match="sha256"):
        assemble(tmp_path / "demo", "gradio", "me/demo")
    assert [path.name for path in tmp_path.iterdir()] == ["zoo"]


def test_more_checkpoints_are_named_for_the_hub(tmp_path: Path) -> None:
    folder = assemble(tmp_path / "demo", "gradio", "me/demo", checkpoints="me/zoo").folder
    assert front_matter(folder)["models"] == front_matter(folder)["preload_from_hub"] == ["me/zoo"]
    assert (folder / "zoo" / "space" / "repository.txt").read_text().strip() == "me/zoo"
    container = assemble(tmp_path / "container", "docker", "me/demo", checkpoints="me/zoo").folder
    assert "WZROI_REPO=me/zoo" in arguments(container, "ENV")
    assert "WZROI_HOSTED=1" in " ".join(arguments(container, "ENV"))


class SpaceHub(LoopbackHub):
    """A loopback Hub whose repositories are Spaces, with the two requests more that a Space's upload makes."""

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        path = scope.get("path", "").replace("/api/spaces/", "/api/models/")
        path = path.removeprefix("/spaces") if path.startswith("/spaces/") else path
        if "/tree/" in path:
            self.log.append(f"GET {path}")
            owner, name = path.split("/")[3:5]
            files = self.repos[f"{owner}/{name}"].commits[-1][1]
            rows = [{"type": "file", "path": key, "size": len(blob), "oid": blob_id(blob)}
                    for key, blob in files.items()]  # fmt: skip
            await JSONResponse(rows)(scope, receive, send)
        else:
            await super().__call__(scope | {"path": path, "raw_path": path.encode()}, receive, send)

    async def commit(self, request: HttpRequest) -> Response:
        lines = [json.loads(line) for line in (await request.body()).splitlines() if line.strip()]
        answer = await super().commit(request)
        for line in lines:
            if line["key"] == "deletedFile":
                self.repos["tester/demo"].commits[-1][1].pop(line["value"]["path"])
        return answer


def test_a_push_makes_the_space_what_the_folder_is(
    gradio_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {path.relative_to(gradio_folder).as_posix(): path.read_bytes()
             for path in gradio_folder.rglob("*") if path.is_file()}  # fmt: skip
    with running(SpaceHub()) as hub:
        point_client(monkeypatch, hub.url, tmp_path)
        address = deploy.push(gradio_folder, "gradio", "tester/demo", token=WRITE)
        commits = hub.repos["tester/demo"].commits
        assert address.endswith(commits[-1][0])
        assert len(commits) == 2  # the Hub's own first one, and ours
        assert {key: blob for key, blob in commits[-1][1].items() if key != ".gitattributes"} == files
        commits[-1][1]["stale.py"] = b"old"
        deploy.push(gradio_folder, "gradio", "tester/demo", token=WRITE)
        assert set(commits[-1][1]) == {*files, ".gitattributes"}
        with pytest.raises(HubError, match="write access"):
            deploy.push(gradio_folder, "gradio", "tester/demo", token=READ)


def test_the_command_writes_a_folder_or_one_sentence(tmp_path: Path) -> None:
    from zoo.cli import app

    def run(*words: str) -> tuple[int, str]:
        done = CliRunner().invoke(app, ["space", *words])
        return done.exit_code, done.output

    code, text = run("--repo", "me/demo", "--dry-run", str(tmp_path / "demo"))
    assert (code, f"{len(LITE) + 1} checkpoints" in text) == (0, True)
    assert (tmp_path / "demo" / "app.py").is_file()
    for words, fix in [
        (("--repo", "demo"), "USER/NAME"), (("--repo", "me/demo", "--kind", "static"), "gradio or docker"),
        (("--repo", "me/demo", "--models", "vgg*"), "no checkpoint matches"),
    ]:  # fmt: skip
        code, text = run(*words, "--dry-run", str(tmp_path / "other"))
        assert code == 2
        assert fix in text
    assert not (tmp_path / "other").exists()


# The container


def dockerfile(folder: Path) -> list[tuple[str, str]]:
    """Instructions and their arguments, continued lines joined."""
    text = re.sub(r"\\\n", " ", re.sub(r"(?m)^#.*\n", "", (folder / "Dockerfile").read_text(encoding="utf-8")))
    pairs = [line.strip().split(maxsplit=1) for line in text.splitlines() if line.strip()]
    return [(word.upper(), rest) for word, rest in pairs]


def arguments(folder: Path, word: str) -> list[str]:
    return [rest for instruction, rest in dockerfile(folder) if instruction == word]


def test_the_container_runs_as_user_1000_and_tells_its_health(docker_folder: Path) -> None:
    steps = dockerfile(docker_folder)
    assert steps[0] == ("FROM", "python:3.12-slim")
    words = [word for word, _ in steps]
    assert arguments(docker_folder, "USER")[-1] == "1000"
    assert words.index("USER") < words.index("CMD")
    assert "RUN" not in words[words.index("USER") :]
    assert arguments(docker_folder, "EXPOSE") == ["7860"]
    assert "/_stcore/health" in arguments(docker_folder, "HEALTHCHECK")[0]
    assert "--server.port=7860" in json.loads(arguments(docker_folder, "CMD")[0])


def test_everything_that_is_copied_is_there_and_all_code_is_copied(docker_folder: Path) -> None:
    sources = []
    for rest in arguments(docker_folder, "COPY"):
        sources += [word for word in shlex.split(rest) if not word.startswith("--")][:-1]
    assert all((docker_folder / source).exists() for source in sources)
    left_out = {path.name for path in docker_folder.iterdir()} - {Path(source).name for source in sources}
    assert left_out == {"Dockerfile", ".dockerignore"}


@pytest.fixture
def container(docker_folder: Path, tmp_path: Path) -> Iterator[tuple[Path, dict[str, str], int]]:
    """A copy of the folder as the image lays it out, its environment, and a port in place of 7860."""
    app = tmp_path / "home" / "app"
    shutil.copytree(docker_folder, app)
    values = dict(re.findall(r"(\w+)=(\S+)", " ".join(arguments(docker_folder, "ENV"))))
    moved = {key: value.replace("/home/user", str(tmp_path / "home")) for key, value in values.items()}
    yield app, clean_environment(**moved), free_port()


def test_the_containers_own_command_serves_and_its_health_check_passes(
    container: tuple[Path, dict[str, str], int], tmp_path: Path, require: Callable[[str, bool, str], None]
) -> None:
    require("streamlit", shutil.which("streamlit", path=clean_environment()["PATH"]) is not None, "streamlit is absent")
    app, environment, port = container
    command = [word.replace("7860", str(port)) for word in json.loads(arguments(app, "CMD")[0])]
    health = json.loads(arguments(app, "HEALTHCHECK")[0].partition("CMD ")[2])
    check = [word.replace("7860", str(port)) for word in health]
    with serving(command, app, f"http://127.0.0.1:{port}/_stcore/health", environment, tmp_path / "log"):
        done = subprocess.run(check, env=environment, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
    assert "Traceback" not in (tmp_path / "log").read_text()
    done = subprocess.run(check, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0


def test_requirements_follow_the_project(gradio_folder: Path, docker_folder: Path) -> None:
    ours = (gradio_folder / "requirements.txt").read_text().split()
    assert {"torch==2.11.*", "torchvision==0.26.*"} <= set(ours)
    assert not [need for need in ours if need.startswith(("streamlit", "gradio", "accelerate"))]
    theirs = (docker_folder / "requirements.txt").read_text()
    assert "streamlit" in theirs
    assert "accelerate" not in theirs
    assert deploy.GRADIO.split(".")[0] == "6"
    assert (ROOT / "pyproject.toml").is_file()
