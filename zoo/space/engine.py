"""The hosted demo's computations: one path from a request to numbers, for both the page and the API.

Everything goes through ``wzroi.link``; what does not depend on the channel is cached for the last few pairs.
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
from wzroi.metrics import estimate, more_metrics, per_image
from wzroi.names import ModelName
from wzroi.pairs import Pair, pair_source
from zoo.errors import ZooError
from zoo.rates import DEFAULT, LinkNetwork, Rate, symbols_at
from zoo.serving.cache import Recent
from zoo.serving.gallery import PairEntry
from zoo.serving.request import RequestError, check_controls, finite, is_number
from zoo.serving.roi_maps import depends_on_seed, map_of
from zoo.serving.variants import Variant, title_of, variants_of
from zoo.space.device import lent_device, on_gpu

SWEEP_SNRS = tuple(-5.0 + 2.5 * step for step in range(11))
MAX_MODELS = 8
MAX_DRAWS = 32
MAX_SWEEP = 4096
"""Most pictures (models x SNRs x draws, in units of 32x32 pictures) per API sweep: a few seconds on a CPU."""

_NETWORKS = Recent(64)
_PREPARED = Recent(40)


class Request(NamedTuple):
    """How to send: SNR in dB per complex symbol, a key of ``CHANNELS``, a key of ``ROI_ORIGINS``, the noise's seed.

    ``rate`` is 1/rho for a flexible network; any other has its own.
    """

    snr_db: float = 5.0
    channel: str = "awgn"
    roi: str = "side"
    seed: int = 0
    rate: Rate = DEFAULT

    def checked(self) -> Request:
        """Return itself; raises RequestError naming the first value that is out of range and what would be valid."""
        check_controls(self.snr_db, self.channel, self.roi, self.seed)
        return self._replace(snr_db=float(self.snr_db), seed=int(self.seed))

    def to_dict(self) -> dict[str, Any]:
        """As JSON, without the rate: the bandwidth ratio is reported with the symbols."""
        return {key: value for key, value in self._asdict().items() if key != "rate"}


def variants() -> list[Variant]:
    """All available variants."""
    return variants_of(zoo.list_models())


def is_lite(model: str) -> bool:
    """Whether a model is small enough for live use on a CPU."""
    return ModelName.parse(model).lite


def known_model(model: object) -> str:
    """A link network's name, given in any case; raises RequestError for any other, suggesting similar names."""
    try:
        if isinstance(model, str) and (entry := zoo.describe(model)).network == "link":
            return entry.name
    except ZooError as error:
        raise RequestError(str(error)) from error
    raise RequestError(f"{str(model)[:60]!r} is not the name of a link network: /variants lists them")


def network(name: str, device: str = "cpu") -> LinkNetwork:
    """A link network, loaded once per device."""
    return _NETWORKS.get((name, device), lambda: zoo.load(name, device))


def judge_name(model: str) -> str | None:
    """Name of the model's judge, else of the zoo's first judge, else ``None``."""
    judges, named = zoo.list_judges(), zoo.describe(model).judge
    return named if named in judges else next(iter(judges), None)


def judge_of(model: str, device: str = "cpu") -> Judge | None:
    """The judge of ``judge_name``."""
    name = judge_name(model)
    return None if name is None else _NETWORKS.get((name, device), lambda: zoo.load_judge(name, device))


def roi_of(entry: PairEntry, judge: Judge, request: Request) -> Tensor:
    """The ROI map M ``[1, 1, H, W]`` of a pair, on the judge's device."""
    return map_of(entry, judge, request.roi, request.seed)


def _prepared(entry: PairEntry, model: str, request: Request) -> tuple[Transmission, Tensor | None]:
    """The result of ``wzroi.link.prepare`` on the CPU, and the map M of its judge."""
    seed = request.seed if depends_on_seed(request.roi) else 0

    def make() -> tuple[Transmission, Tensor | None]:
        judge = judge_of(model)
        roi = None if judge is None else roi_of(entry, judge, request)
        return _prepare(model, entry, roi, judge, "cpu"), roi

    return _PREPARED.get((entry, model, request.roi, seed), make)


def _prepare(model: str, entry: PairEntry, roi: Tensor | None, judge: Judge | None, device: str) -> Transmission:
    linked = network(model, device)
    if linked.config.uses_roi and roi is None:
        raise RequestError(
            f"{model} is guided by an ROI map, but the zoo has no judge to compute one: choose another variant"
        )
    return prepare(linked, entry.pair.to(device), roi, judge)


class Sent(NamedTuple):
    """A received picture. ``roi`` is M as the networks get it, ``[1, 1, H, W]``; all on the CPU."""

    model: str
    title: str
    symbols: int
    report: LinkReport
    roi: Tensor | None


def transmit_pair(entry: PairEntry, model: str, request: Request) -> Sent:
    """Send a pair through a link on the CPU: the numbers of ``wzroi.run_link`` with the same seed."""
    request, linked = request.checked(), network(known_model(model))
    ready, roi = _prepared(entry, model, request)
    generator = torch.Generator().manual_seed(request.seed)
    symbols = symbols_at(linked, *entry.size, request.rate)
    channel = sample_channel(request.channel, request.snr_db, 1, symbols, generator=generator)
    return Sent(model, title_of(model), channel.symbols, finish(linked, ready, channel, judge_of(model)), roi)


def _transmit_on(entry: PairEntry, models: Sequence[str], request: Request, device: str) -> list[Sent]:
    """``transmit_pair`` on a lent device; results are moved back to the CPU."""
    done = []
    for model in models:
        linked, judge = network(model, device), judge_of(model, device)
        roi = None if judge is None else roi_of(entry, judge, request)
        ready = _prepare(model, entry, roi, judge, device)
        symbols, generator = symbols_at(linked, *entry.size, request.rate), torch.Generator().manual_seed(request.seed)
        channel = sample_channel(request.channel, request.snr_db, 1, symbols, generator=generator, device=device)
        report = finish(linked, ready, channel, judge)
        done.append(Sent(model, title_of(model), symbols, report.to("cpu"), None if roi is None else roi.cpu()))
    return done


@on_gpu(15)
def transmit_on_gpu(entry: PairEntry, models: Sequence[str], request: Request) -> list[Sent]:
    """Send a pair through paper-size networks, on a GPU if the host lends one."""
    return _transmit_on(entry, [known_model(model) for model in models], request.checked(), lent_device())


def paste(entry: PairEntry, sent: Sent) -> Sent:
    """The paste control: the known pixels copied over a reconstruction (for a stereo pair, the side image itself)."""
    judge = judge_of(sent.model)
    picture = pair_source(entry.source).paste(sent.report.reconstruction, entry.pair.side)
    weight = _PREPARED.get(("weight", entry, judge_name(sent.model)), lambda: source_weight(judge, entry.pair))
    values = measure(picture, entry.pair, weight)
    with torch.no_grad():
        logits = None if judge is None else judge(picture)
    more = more_metrics(picture, entry.pair.source, weight)
    report = LinkReport(picture, sent.report.symbols, sent.report.received, *values, logits, more or None)
    title = "Control: paste over DeepJSCC" if entry.source == "crop" else "Control: the side image unchanged"
    return Sent(sent.model, title, sent.symbols, report, None)


def judge_views(entry: PairEntry, model: str) -> tuple[list[float], list[float]] | None:
    """The judge's class probabilities on x and on x_side, before anything is sent; ``None`` without a judge."""
    judge = judge_of(model)
    if judge is None:
        return None
    return _PREPARED.get(("judge_views", entry, judge_name(model)), lambda: _judge_views(judge, entry.pair))


@torch.no_grad()
def _judge_views(judge: Judge, pair: Pair) -> tuple[list[float], list[float]]:
    clean, side = judge(torch.cat([pair.source, pair.side])).softmax(dim=1).tolist()
    return clean, side


def numbers(sent: Sent) -> dict[str, Any]:
    """A transmission's metrics as JSON; ``None`` for a metric that does not exist."""
    report = sent.report
    chances = None if report.logits is None else report.logits.softmax(dim=1)[0].tolist()
    return {
        "model": sent.model, "symbols": sent.symbols,
        "bandwidth_ratio": sent.symbols / report.reconstruction.numel(),
        "psnr_db": finite(report.psnr), "ssim": finite(report.ssim),
        "roi_psnr_db": None if report.roi_psnr is None else finite(report.roi_psnr),
        **{key: finite(values) for key, values in report.added().items()},
        "class": None if chances is None else CLASSES[chances.index(max(chances))],
        "probabilities": None if chances is None else dict(zip(CLASSES, chances, strict=True)),
    }


def check_sweep(entry: PairEntry, models: Sequence[str], snrs: Sequence[float], draws: int) -> None:
    """Raise RequestError for a sweep that is empty, out of range or too much work."""
    if not models or len(models) > MAX_MODELS or len(set(map(str, models))) != len(models):
        raise RequestError(f"a sweep takes 1 to {MAX_MODELS} models, each once, not {len(models)}")
    for model in models:
        known_model(model)
    if not snrs or len(snrs) > 51:
        raise RequestError(f"a sweep takes 1 to 51 SNRs, not {len(snrs)}")
    for snr_db in snrs:
        Request(snr_db=snr_db).checked()
    if not is_number(draws) or draws != int(draws) or not 1 <= draws <= MAX_DRAWS:
        raise RequestError(f"draws must be a whole number from 1 to {MAX_DRAWS}, not {str(draws)[:20]}")
    height, width = entry.size
    work = len(models) * len(snrs) * draws * max(1.0, height * width / 1024)
    if work > MAX_SWEEP:
        raise RequestError(f"this sweep is {work / MAX_SWEEP:.1f} times too large: use fewer models, SNRs or draws")


def _seconds(entry: PairEntry, models: Sequence[str], snrs: Sequence[float], draws: int, request: Request) -> int:
    """GPU seconds to reserve: for loading, then 5,000 small pictures a second."""
    height, width = entry.size
    return math.ceil(10 + len(models) * len(snrs) * draws * max(1.0, height * width / 1024) / 500)


@on_gpu(_seconds)
def sweep(
    entry: PairEntry, models: Sequence[str], snrs: Sequence[float], draws: int, request: Request
) -> dict[str, list[dict[str, Any]]]:
    """Curves over SNR of one pair, on a GPU if the host lends one: model -> rows, with 95 % intervals over draws.

    All SNRs and models share the noise of ``ask.seed``. ``accuracy`` is the share of draws classified
    correctly; it is missing if the true class is unknown.
    """
    check_sweep(entry, models, snrs, draws)
    device = lent_device()
    return {model: _sweep_one(entry, model, snrs, int(draws), request.checked(), device) for model in models}


def _sweep_one(
    entry: PairEntry, model: str, snrs: Sequence[float], draws: int, request: Request, device: str
) -> list[dict[str, Any]]:
    linked, judge = network(model, device), judge_of(model, device)
    roi = None if judge is None else roi_of(entry, judge, request).expand(draws, -1, -1, -1)
    source, held = (part.expand(draws, -1, -1, -1) for part in (entry.pair.source, entry.pair.side))
    copies = Pair(source, held, placement=entry.pair.placement)
    many = PairEntry(entry.key, entry.title, copies, entry.source)
    ready = _prepare(model, many, roi, judge, device)
    symbols, generator = symbols_at(linked, *entry.size, request.rate), torch.Generator().manual_seed(request.seed)
    state = sample_channel(request.channel, float(snrs[0]), draws, symbols, generator=generator, device=device)
    return [_row(float(snr), finish(linked, ready, state.at_snr(float(snr)), judge), entry.label) for snr in snrs]


def _row(snr_db: float, report: LinkReport, label: int | None) -> dict[str, Any]:
    measured = {key: report.metric(key) for key in per_image()}
    values = {key: estimate(found) for key, found in measured.items() if found is not None}
    row: dict[str, Any] = {"snr_db": snr_db, "draws": len(report.psnr)}
    for key, value in values.items():
        row |= {f"{key}_mean": finite(value.mean), f"{key}_ci95": finite(value.ci95)}
    if report.logits is not None and label is not None:
        correct = estimate((report.logits.argmax(dim=1) == label).float())
        row |= {"accuracy": finite(correct.mean), "accuracy_ci95": finite(correct.ci95)}
    return row
