"""Studies of the flexible network beyond its results file: contribution of its parts, ROI as a trade-off, real stereo.

All on the test set or on pictures not used in training; nothing is selected by them. ``parts`` switches off a part of
the trained network without retraining the rest, so it measures what the network loses, not what a network trained
without that part would reach.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Annotated, Any, NamedTuple
from unittest import mock

import torch
import typer
from rich.progress import track
from torch import Tensor

import zoo
from training.evaluation.results_file import provenance, write_json
from training.evaluation.row_cache import RowCache
from training.evaluation.test_set import TestSet, channel_draw
from wzroi.channel import ChannelState, sample_channel
from wzroi.data import DataError, load_split
from wzroi.judge import Judge
from wzroi.link import run_link
from wzroi.metrics import Estimate, estimate, psnr, roi_psnr
from wzroi.networks.alignment import Reach, valid_pixels
from wzroi.networks.base import LinkNetwork
from wzroi.networks.block_transform import WINDOW, from_windows, pad_to_windows, to_windows
from wzroi.networks.flex import FlexJSCC
from wzroi.pairs import CropPair, Pair
from wzroi.roi import roi_map
from zoo.errors import ZooError
from zoo.image_io import read_picture
from zoo.paths import OWN_RESULTS as RESULTS
from zoo.serving.gallery import GALLERY

CROP = CropPair()
STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
FINE_SYMBOLS = (16, 24, 32, 48, 64, 80, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384)
"""Complex symbols per picture in the fine sweep, from below the training range to its top."""

FINE_SNRS = (-10.0, -7.5, -5.0, -2.5, 0.0, 2.5, 5.0, 7.5, 10.0, 12.5, 15.0, 17.5, 20.0, 25.0, 30.0)
PARTS = {
    "none": "the whole network",
    "pull": "residual of the symbols against the first refiner's picture",
    "second": "second refiner",
    "refiners": "both refiners (copying by confidence stays)",
    "copy": "full-resolution path: copying the registered side image",
    "alignment": "alignment: the side image stays in place",
    "conditioning": "conditioning on SNR: both ends assume 5 dB",
}
"""Part -> what is switched off."""


class Condition(NamedTuple):
    """A condition under which the parts are measured."""

    rate: int
    snr_db: float
    known: bool


CONDITIONS = (Condition(16, 5.0, True), Condition(16, 5.0, False), Condition(32, 5.0, True), Condition(16, 15.0, True))


@contextlib.contextmanager
def switched_off(model: FlexJSCC, part: str) -> Iterator[None]:
    """Context manager: the network without a part of ``PARTS``."""
    with contextlib.ExitStack() as stack:

        def replace(owner: object, name: str, value: Callable[..., Any]) -> None:
            stack.enter_context(mock.patch.object(owner, name, value))

        if part == "pull":
            second = model.refiner2.forward
            replace(model.refiner2, "forward", lambda d, r, c, m, k, a: second(d, r, c, m, k, torch.zeros_like(a)))
        if part == "second":
            replace(model.refiner2, "forward", lambda draft, *_: draft)
        if part == "refiners":
            replace(model.refiner1, "forward", _copied)
            replace(model.refiner2, "forward", lambda draft, *_: draft)
        if part == "copy":
            for refiner in (model.refiner1, model.refiner2):
                replace(refiner, "forward", _without_copy(refiner.forward))
        if part == "alignment":
            replace(model.alignment, "forward", lambda _, side, __: (side, valid_pixels(side)))
        if part == "conditioning":
            replace(model, "_condition", _at_five(model._condition))
            replace(model, "_gains", _at_five(model._gains))
        yield


def _copied(draft: Tensor, registered: Tensor, confidence: Tensor, *_: Tensor) -> Tensor:
    return draft + confidence * (registered - draft)


def _without_copy(refine: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def refined(draft: Tensor, registered: Tensor, confidence: Tensor, *others: Tensor) -> Tensor:
        return refine(draft, draft, torch.zeros_like(confidence), *others)

    return refined


def _at_five(method: Callable[..., Any]) -> Callable[..., Any]:
    def blind(channel: ChannelState, *others: Any) -> Any:
        return method(channel.at_snr(5.0), *others)

    return blind


def _chosen(channel: ChannelState, indices: Tensor) -> ChannelState:
    return ChannelState(channel.kind, channel.snr_db[indices], channel.noise[indices])


Measure = Callable[[Pair, ChannelState, Tensor], list[Tensor]]
"""Per-image values of a pair sent over a channel; the third argument holds the images' indices in the test set."""


def _per_image(test: TestSet, count: int, symbols: int, snr_db: float, measure: Measure) -> list[Tensor]:
    """Columns of per-image values over the first ``count`` test images, each sent once."""
    channel = channel_draw("awgn", 0, 0, len(test), symbols, test.device).at_snr(snr_db)
    rows = [
        measure(test.pair(indices), _chosen(channel, indices), indices)
        for indices in torch.arange(count).split(100)
    ]
    return [torch.cat(column) for column in zip(*rows, strict=True)]


def _value(found: Estimate) -> list[float]:
    return [round(found.mean, 6), round(found.ci95, 6)]


def parts_row(model: FlexJSCC, test: TestSet, part: str, condition: Condition, count: int) -> dict[str, Any]:
    """Mean PSNR without a part, and what that costs, with 95 % intervals over images (paired)."""
    symbols = model.num_symbols(32, 32, 1 / condition.rate)

    def measure(pair: Pair, channel: ChannelState, _: Tensor) -> list[Tensor]:
        place = CROP.placement(32, 32) if condition.known else None
        pair = pair._replace(placement=place)
        whole = psnr(run_link(model, pair, channel).reconstruction, pair.source)
        with switched_off(model, part):
            return [whole, psnr(run_link(model, pair, channel).reconstruction, pair.source)]

    whole, without = _per_image(test, count, symbols, condition.snr_db, measure)
    return {
        "part": part, **condition._asdict(), "images": count, "psnr": _value(estimate(without)),
        "cost": _value(estimate(whole - without)),
    }


def roi_row(model: FlexJSCC, test: TestSet, end: str, strength: float, count: int) -> dict[str, Any]:
    """PSNR, ROI-PSNR and accuracy with the ROI map at a strength.

    ``decoder``: the receiver's own map (``side``) at the decoder, the pair source known. ``encoder``: the map of the
    source (top class; an oracle of what a receiver could feed back) at the encoder, no side image, so that symbols are
    all there is.
    """
    symbols = model.num_symbols(32, 32, 1 / 16)

    def measure(pair: Pair, channel: ChannelState, indices: Tensor) -> list[Tensor]:
        weight = test.roi("source", indices, 0)
        if end == "encoder":
            alone = Pair(pair.source, torch.zeros_like(pair.side))
            picture = run_link(
                model, alone, channel, strength=0.0, importance=weight * strength
            ).reconstruction
        else:
            picture = run_link(
                model, pair, channel, test.roi("side", indices, 0), strength=strength
            ).reconstruction
        assert pair.label is not None
        with torch.no_grad():
            correct = (test.judge(picture).argmax(1) == pair.label).float()
        return [psnr(picture, pair.source), roi_psnr(picture, pair.source, weight), correct]

    found = _per_image(test, count, symbols, 5.0, measure)
    names = ("psnr", "roi_psnr", "accuracy")
    values = {name: _value(estimate(column)) for name, column in zip(names, found, strict=True)}
    return {"end": end, "strength": strength, "rate": 16, "snr_db": 5.0, "images": count, **values}


def fine_row(model: FlexJSCC, test: TestSet, symbols: int, snr_db: float, known: bool, count: int) -> dict[str, Any]:
    """Mean PSNR at a point of the fine sweep over symbols or SNR."""

    def measure(pair: Pair, channel: ChannelState, _: Tensor) -> list[Tensor]:
        pair = pair if known else pair._replace(placement=None)
        return [psnr(run_link(model, pair, channel).reconstruction, pair.source)]

    (values,) = _per_image(test, count, symbols, snr_db, measure)
    return {"symbols": symbols, "snr_db": snr_db, "known": known, "images": count, "psnr": _value(estimate(values))}


class Stereo(NamedTuple):
    """A way to send the stereo pair: the network, how much of the pair it gets, and how the picture is cut."""

    model: str
    side: str
    cut: str


def motorcycle(folder: Path = GALLERY) -> Pair:
    """The bundled stereo pair, at full size, in [0, 1]."""
    left, right = (read_picture((folder / f"motorcycle_{which}.png").read_bytes()) for which in ("left", "right"))
    return Pair(left, right)


def tiles_of(image: Tensor) -> Tensor:
    """A picture ``[1, 3, H, W]``, edges repeated, as tiles ``[n, 3, 32, 32]``."""
    return to_windows(pad_to_windows(image))[0].unflatten(1, (3, WINDOW, WINDOW))


def joined(tiles: Tensor, height: int, width: int) -> Tensor:
    """The inverse of ``tiles_of``."""
    padded = height + -height % WINDOW, width + -width % WINDOW
    return from_windows(tiles.flatten(1)[None], *padded)[..., :height, :width]


@torch.no_grad()
def stereo_picture(
    model: LinkNetwork, judge: Judge, pair: Pair, rate: int, way: Stereo, generator: torch.Generator
) -> Tensor:
    """The stereo pair's source as it arrives at 5 dB."""
    height, width = pair.source.shape[-2:]
    side = {"side": pair.side, "none": torch.zeros_like(pair.side), "other": pair.side.flip(2, 3)}[way.side]
    sent = Pair(pair.source, side)
    if way.cut == "tiles":
        sent = Pair(tiles_of(pair.source), tiles_of(side))
    symbols = model.num_symbols(sent.source.shape[-2], sent.source.shape[-1], 1 / rate)
    channel = sample_channel("awgn", 5.0, len(sent.source), symbols, generator=generator)
    roi = roi_map(judge, sent) if model.config.uses_roi else None
    picture = run_link(model, sent, channel, roi).reconstruction
    return joined(picture, height, width) if way.cut == "tiles" else picture


def pasted(picture: Tensor, side: Tensor, aligned: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]) -> Tensor:
    """The control: the side image, registered by matching it to the received picture and copied over it."""
    registered, confidence = aligned(picture, side)
    return torch.where(confidence > 0.5, registered, picture)


def stereo_ways(flexible: str, rate: int) -> list[Stereo]:
    """Every way that is compared."""
    paper = [f"{name}.rec_r{rate}_lite" for name in ("deepjscc", "deepjscc_wz", "deepjscc_wz_sft", "deepjscc_wz_roi")]
    ways = [Stereo(flexible, side, cut) for cut in ("whole", "tiles") for side in ("side", "none", "other")]
    return ways + [Stereo(name, "side", cut) for cut in ("whole", "tiles") for name in paper]


def stereo_rows(flexible: str, judge: Judge, pair: Pair, rate: int, draws: int) -> list[dict[str, Any]]:
    """Mean PSNR over channel draws of every way, and of DeepJSCC with the matched side image copied over it."""
    matcher = zoo.load(flexible, device="cpu")
    assert isinstance(matcher, FlexJSCC)
    rows = []
    for way in stereo_ways(flexible, rate):
        model, control = zoo.load(way.model, device="cpu"), []
        values = []
        for draw in range(draws):
            picture = stereo_picture(model, judge, pair, rate, way, torch.Generator().manual_seed(draw))
            values.append(psnr(picture, pair.source))
            if way.model.startswith("deepjscc."):
                control.append(psnr(_paste_by_matching(matcher, picture, pair), pair.source))
        about = {"rate": rate, "snr_db": 5.0, "cut": way.cut, "draws": draws}
        rows.append({"model": way.model, "side": way.side, **about, "psnr": _value(estimate(torch.cat(values)))})
        if control:
            found = _value(estimate(torch.cat(control)))
            rows.append({"model": way.model, "side": "pasted after matching", **about, "psnr": found})
    return rows


@torch.no_grad()
def _paste_by_matching(matcher: FlexJSCC, picture: Tensor, pair: Pair) -> Tensor:
    """DeepJSCC's picture with the side image copied where the flexible network's own matching trusts it."""
    height, width = picture.shape[-2:]
    error = (picture - pair.source).square().mean().reshape(1)  # the control may know the error of its picture

    def aligned(draft: Tensor, side: Tensor) -> tuple[Tensor, Tensor]:
        found, confidence = matcher.alignment(pad_to_windows(draft), pad_to_windows(side), error)
        return found[..., :height, :width], confidence[..., :height, :width]

    return pasted(picture, pair.side, aligned)


def _stereo_part(name: str, judge: Judge, rate: int, draws: int) -> dict[str, Any]:
    return {"rows": stereo_rows(name, judge, motorcycle(), rate, draws)}


def run_ablation(
    name: str, judge_name: str, test: TestSet, row_cache: Path, *, count: int, draws: int
) -> dict[str, Any]:
    """Every study of the flexible network ``name``, in the format of its file; rows are cached until all are done."""
    model, judge = zoo.load(name, device="cpu"), zoo.load_judge(judge_name, device="cpu")
    if not isinstance(model, FlexJSCC):
        raise ZooError(f"{name} is not a flexible network: name one of wz_roi_flex.*")
    about = {
        "model": "study",
        "of": name,
        "sha256": zoo.describe(name).sha256,
        **provenance(torch.device("cpu")),
        "seeds": [0],
        "judge": judge_name,
        "judge_sha256": zoo.describe(judge_name).sha256,
        "channel": "awgn",
        "pair_source": CROP.name,
        "reach": Reach.of(32, 32)._asdict(),
    }
    kept = RowCache(row_cache, about)
    jobs: list[tuple[str, str, Callable[[], Any]]] = []
    for condition in CONDITIONS:
        for part in PARTS:
            key = f"{part} {condition}"
            jobs.append(("parts", key, partial(parts_row, model, test, part, condition, count)))
    for end in ("decoder", "encoder"):
        for strength in STRENGTHS:
            key = f"{end} {strength}"
            jobs.append(("roi", key, partial(roi_row, model, test, end, strength, count)))
    few = max(2, count // 5)
    for known in (True, False):
        for symbols in FINE_SYMBOLS:
            key = f"{known} {symbols}"
            jobs.append(("fine", key, partial(fine_row, model, test, symbols, 5.0, known, few)))
        for snr_db in FINE_SNRS:
            key = f"{known} {snr_db} dB"
            jobs.append(("fine", key, partial(fine_row, model, test, 192, snr_db, known, few)))
    found: dict[str, list[Any]] = {"parts": [], "roi": [], "fine": [], "stereo": []}
    for kind, key, job in track(jobs, name, transient=True):
        found[kind].append(kept.row(f"{kind} {key}", job))
    for rate in (16, 32):
        made = kept.row(f"stereo {rate}", partial(_stereo_part, name, judge, rate, draws))
        found["stereo"] += made["rows"]
    kept.close()
    return about | found


def ablation_command(
    name: Annotated[str, typer.Argument(help="A flexible network of the zoo.")] = "wz_roi_flex.rec_lite",
    root: Annotated[Path | None, typer.Option(help="Folder of CIFAR-10 (default: $WZROI_DATA).")] = None,
    out: Annotated[Path, typer.Option(help="Folder of the results files.")] = RESULTS,
    judge: Annotated[str, typer.Option(help="Judge of the zoo.")] = "resnet_lite.cifar10",
    images: Annotated[int, typer.Option(min=10, help="Test images; the fine sweep takes a fifth of them.")] = 2000,
    draws: Annotated[int, typer.Option(min=2, help="Channel draws of the stereo pair.")] = 5,
    threads: Annotated[int, typer.Option(help="CPU threads; 0 leaves torch's default.")] = 0,
) -> None:
    """Measure the contribution of a flexible network's parts, ROI strength, fine sweeps, and a real stereo pair."""
    if threads:
        torch.set_num_threads(threads)
    try:
        test = TestSet(load_split("test", root), zoo.load_judge(judge, device="cpu"))
        found = run_ablation(name, judge, test, out / f".study_{name}.rows", count=min(images, len(test)), draws=draws)
    except (DataError, ZooError) as error:
        typer.secho(f"error: {error}", err=True, fg="red")
        raise typer.Exit(2) from error
    write_json(out / f"study_{name}.json", found)
    for row in found["parts"]:
        typer.echo(f"{row['part']:>14} off at 1/{row['rate']}, {row['snr_db']:g} dB: {row['cost'][0]:+.2f} dB lost")
