"""What the hosted demo computes: one way from a request to numbers, for the page and for the API alike.

Everything goes through ``wzroi.link``; what does not depend on the channel is kept for the last few pairs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

import zoo
from wzroi.channel import sample_channel
from wzroi.config import CLASSES
from wzroi.judge import Judge
from wzroi.link import LinkReport, Transmission, finish, measure, prepare, source_weight
from wzroi.metrics import Estimate, estimate
from wzroi.names import ModelName
from wzroi.pairs import Pair, pair_source
from wzroi.roi import roi_map
from zoo.errors import ZooError
from zoo.rates import DEFAULT, LinkNetwork, Rate, symbols_at
from zoo.serving.cache import Recent
from zoo.serving.gallery import Scene, with_neighbour
from zoo.serving.request import AskError, check_controls, finite, is_number
from zoo.serving.variants import Variant, title_of, variants_of
from zoo.space.device import lent_device, on_gpu

SWEEP_SNRS = tuple(-5.0 + 2.5 * step for step in range(11))
MAX_MODELS = 8
MAX_DRAWS = 32
MAX_SWEEP = 4096
"""Most pictures (models x SNRs x draws, counted in 32x32 pictures) of one sweep on the API: some seconds on a CPU."""

_NETWORKS = Recent(64)
_PREPARED = Recent(40)


class Ask(NamedTuple):
    """How to send: SNR in dB per complex symbol, a key of ``CHANNELS``, a key of ``ORIGINS``, the noise's seed.

    ``rate`` is 1/rho of a flexible network; any other has its own.
    """

    snr_db: float = 5.0
    channel: str = "awgn"
    roi: str = "side"
    seed: int = 0
    rate: Rate = DEFAULT

    def checked(self) -> Ask:
        """Itself, or AskError naming the first value that is out of range and what would be right."""
        check_controls(self.snr_db, self.channel, self.roi, self.seed)
        return self._replace(snr_db=float(self.snr_db), seed=int(self.seed))

    def told(self) -> dict[str, Any]:
        """As JSON; the bandwidth ratio stands beside the symbols."""
        return {key: value for key, value in self._asdict().items() if key != "rate"}


def variants() -> list[Variant]:
    """Every variant at hand."""
    return variants_of(zoo.list_models())


def is_lite(model: str) -> bool:
    """Whether a model is small enough for live use on a CPU."""
    return ModelName.parse(model).lite


def known_model(model: object) -> str:
    """A link network's name, given in any case; raises AskError for any other, with the nearest."""
    try:
        if isinstance(model, str) and (entry := zoo.describe(model)).network == "link":
            return entry.name
    except ZooError as error:
        raise AskError(str(error)) from error
    raise AskError(f"{str(model)[:60]!r} is not the name of a link network: /variants lists them")


def network(name: str, device: str = "cpu") -> LinkNetwork:
    """A link network, loaded once a device."""
    return _NETWORKS.get((name, device), lambda: zoo.load(name, device))


def judge_name(model: str) -> str | None:
    """Name of the judge that a model belongs with, else of the zoo's first, else ``None``."""
    judges, named = zoo.list_judges(), zoo.describe(model).judge
    return named if named in judges else next(iter(judges), None)


def judge_of(model: str, device: str = "cpu") -> Judge | None:
    """The judge of ``judge_name``."""
    name = judge_name(model)
    return None if name is None else _NETWORKS.get((name, device), lambda: zoo.load_judge(name, device))


def roi_of(scene: Scene, judge: Judge, ask: Ask) -> Tensor:
    """The ROI map M ``[1, 1, H, W]`` of a pair, on the judge's device."""
    if ask.roi == "source+label" and scene.label is None:
        raise AskError("the oracle map needs the true class, which an upload does not have: choose another ROI origin")
    pair = with_neighbour(scene) if ask.roi == "shuffled" else scene.pair
    generator = torch.Generator().manual_seed(ask.seed)
    return roi_map(judge, pair.to(judge.head.weight.device), ask.roi, generator=generator)[:1]


def _prepared(scene: Scene, model: str, ask: Ask) -> tuple[Transmission, Tensor | None]:
    """What ``wzroi.link.prepare`` makes ready on the CPU, and the map M of its judge."""
    seed = ask.seed if ask.roi == "normal" else 0

    def make() -> tuple[Transmission, Tensor | None]:
        judge = judge_of(model)
        roi = None if judge is None else roi_of(scene, judge, ask)
        return _prepare(model, scene, roi, judge, "cpu"), roi

    return _PREPARED.get((scene, model, ask.roi, seed), make)


def _prepare(model: str, scene: Scene, roi: Tensor | None, judge: Judge | None, device: str) -> Transmission:
    linked = network(model, device)
    if linked.config.uses_roi and roi is None:
        raise AskError(f"{model} is guided by an ROI map, and the zoo has no judge to make one: choose another variant")
    return prepare(linked, scene.pair.to(device), roi, judge)


class Sent(NamedTuple):
    """A picture that arrived. ``roi`` is M as networks get it, ``[1, 1, H, W]``; all on the CPU."""

    model: str
    title: str
    symbols: int
    report: LinkReport
    roi: Tensor | None


def send(scene: Scene, model: str, ask: Ask) -> Sent:
    """Send a pair through a link on the CPU: the numbers of ``wzroi.run_link`` with the same seed."""
    ask, linked = ask.checked(), network(known_model(model))
    ready, roi = _prepared(scene, model, ask)
    generator = torch.Generator().manual_seed(ask.seed)
    symbols = symbols_at(linked, *scene.size, ask.rate)
    channel = sample_channel(ask.channel, ask.snr_db, 1, symbols, generator=generator)
    return Sent(model, title_of(model), channel.symbols, finish(linked, ready, channel, judge_of(model)), roi)


def _send_anywhere(scene: Scene, models: Sequence[str], ask: Ask, device: str) -> list[Sent]:
    """``send`` on a lent device; results come back to the CPU."""
    done = []
    for model in models:
        linked, judge = network(model, device), judge_of(model, device)
        roi = None if judge is None else roi_of(scene, judge, ask)
        ready = _prepare(model, scene, roi, judge, device)
        symbols, generator = symbols_at(linked, *scene.size, ask.rate), torch.Generator().manual_seed(ask.seed)
        channel = sample_channel(ask.channel, ask.snr_db, 1, symbols, generator=generator, device=device)
        report = finish(linked, ready, channel, judge)
        moved = report._replace(**{key: part.cpu() for key, part in report._asdict().items() if part is not None})
        done.append(Sent(model, title_of(model), symbols, moved, None if roi is None else roi.cpu()))
    return done


@on_gpu(15)
def send_on_gpu(scene: Scene, models: Sequence[str], ask: Ask) -> list[Sent]:
    """Send a pair through paper-size networks, on a GPU where the host lends one."""
    return _send_anywhere(scene, [known_model(model) for model in models], ask.checked(), lent_device())


def paste(scene: Scene, sent: Sent) -> Sent:
    """The control: what the receiver knows, copied over a reconstruction (for a stereo pair, the side image itself)."""
    judge = judge_of(sent.model)
    picture = pair_source(scene.source).paste(sent.report.reconstruction, scene.pair.side)
    weight = _PREPARED.get(("weight", scene, judge_name(sent.model)), lambda: source_weight(judge, scene.pair))
    values = measure(picture, scene.pair, weight)
    with torch.no_grad():
        logits = None if judge is None else judge(picture)
    report = LinkReport(picture, sent.report.symbols, sent.report.received, *values, logits)
    title = "Control: paste over DeepJSCC" if scene.source == "crop" else "Control: the side image as it is"
    return Sent(sent.model, title, sent.symbols, report, None)


def looks(scene: Scene, model: str) -> tuple[list[float], list[float]] | None:
    """The judge's class probabilities on x and on x_side, before anything is sent; ``None`` without a judge."""
    judge = judge_of(model)
    if judge is None:
        return None
    return _PREPARED.get(("looks", scene, judge_name(model)), lambda: _look(judge, scene.pair))


@torch.no_grad()
def _look(judge: Judge, pair: Pair) -> tuple[list[float], list[float]]:
    clean, side = judge(torch.cat([pair.source, pair.side])).softmax(dim=1).tolist()
    return clean, side


def numbers(sent: Sent) -> dict[str, Any]:
    """A transmission's figures as JSON; ``None`` where a figure does not exist."""
    report = sent.report
    chances = None if report.logits is None else report.logits.softmax(dim=1)[0].tolist()
    return {
        "model": sent.model, "symbols": sent.symbols,
        "bandwidth_ratio": sent.symbols / report.reconstruction.numel(),
        "psnr_db": finite(report.psnr), "ssim": finite(report.ssim),
        "roi_psnr_db": None if report.roi_psnr is None else finite(report.roi_psnr),
        "class": None if chances is None else CLASSES[chances.index(max(chances))],
        "probabilities": None if chances is None else dict(zip(CLASSES, chances, strict=True)),
    }


def check_sweep(scene: Scene, models: Sequence[str], snrs: Sequence[float], draws: int) -> None:
    """Raise AskError for a sweep that is empty, out of range or too much work."""
    if not models or len(models) > MAX_MODELS or len(set(map(str, models))) != len(models):
        raise AskError(f"a sweep takes 1 to {MAX_MODELS} models, each once, not {len(models)}")
    for model in models:
        known_model(model)
    if not snrs or len(snrs) > 51:
        raise AskError(f"a sweep takes 1 to 51 SNRs, not {len(snrs)}")
    for snr_db in snrs:
        Ask(snr_db=snr_db).checked()
    if not is_number(draws) or draws != int(draws) or not 1 <= draws <= MAX_DRAWS:
        raise AskError(f"draws must be a whole number from 1 to {MAX_DRAWS}, not {str(draws)[:20]}")
    height, width = scene.size
    work = len(models) * len(snrs) * draws * max(1.0, height * width / 1024)
    if work > MAX_SWEEP:
        raise AskError(f"this sweep is {work / MAX_SWEEP:.1f} times too much: take fewer models, SNRs or draws")


def _seconds(scene: Scene, models: Sequence[str], snrs: Sequence[float], draws: int, ask: Ask) -> int:
    """GPU seconds to reserve: loading, then 5,000 small pictures a second."""
    height, width = scene.size
    return math.ceil(10 + len(models) * len(snrs) * draws * max(1.0, height * width / 1024) / 500)


@on_gpu(_seconds)
def sweep(
    scene: Scene, models: Sequence[str], snrs: Sequence[float], draws: int, ask: Ask
) -> dict[str, list[dict[str, Any]]]:
    """Curves over SNR of one pair, on a GPU where the host lends one: model -> rows, with 95 % intervals over draws.

    All SNRs and models share the noise of ``ask.seed``. ``accuracy`` is the share of draws whose class is the true
    one; ``None`` where that is unknown.
    """
    check_sweep(scene, models, snrs, draws)
    device = lent_device()
    return {model: _sweep_one(scene, model, snrs, int(draws), ask.checked(), device) for model in models}


def _sweep_one(
    scene: Scene, model: str, snrs: Sequence[float], draws: int, ask: Ask, device: str
) -> list[dict[str, Any]]:
    linked, judge = network(model, device), judge_of(model, device)
    roi = None if judge is None else roi_of(scene, judge, ask).expand(draws, -1, -1, -1)
    source, held = (part.expand(draws, -1, -1, -1) for part in (scene.pair.source, scene.pair.side))
    copies = Pair(source, held, placement=scene.pair.placement)
    many = Scene(scene.key, scene.title, copies, scene.source)
    ready = _prepare(model, many, roi, judge, device)
    symbols, generator = symbols_at(linked, *scene.size, ask.rate), torch.Generator().manual_seed(ask.seed)
    state = sample_channel(ask.channel, float(snrs[0]), draws, symbols, generator=generator, device=device)
    return [_row(float(snr), finish(linked, ready, state.at_snr(float(snr)), judge), scene.label) for snr in snrs]


def _row(snr_db: float, report: LinkReport, label: int | None) -> dict[str, Any]:
    values: dict[str, Estimate] = {"psnr": estimate(report.psnr), "ssim": estimate(report.ssim)}
    if report.roi_psnr is not None:
        values["roi_psnr"] = estimate(report.roi_psnr)
    row: dict[str, Any] = {"snr_db": snr_db, "draws": len(report.psnr)}
    for key, value in values.items():
        row |= {f"{key}_mean": finite(value.mean), f"{key}_ci95": finite(value.ci95)}
    if report.logits is not None and label is not None:
        right = estimate((report.logits.argmax(dim=1) == label).float())
        row |= {"accuracy": finite(right.mean), "accuracy_ci95": finite(right.ci95)}
    return row
