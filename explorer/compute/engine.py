"""The explorer's computations: one frame (pictures and numbers of several variants) per setting of the controls.

Everything goes through ``wzroi.link``: what does not depend on the channel (symbols, side context, ROI maps, the judge
on x and x_side) is prepared once per pair and cached; a new SNR only needs decoding, measuring and classifying.
"""

from __future__ import annotations

import functools
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from fractions import Fraction
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor

import zoo
from explorer.compute.pair_sources import find_entry
from wzroi import images
from wzroi.architectures import ARCHITECTURES
from wzroi.channel import sample_channel
from wzroi.config import CLASSES, ConfigError
from wzroi.judge import Judge
from wzroi.link import Transmission, finish, measure, prepare, source_weight
from wzroi.metrics import BUILT_IN, more_metrics
from wzroi.names import ModelName
from wzroi.networks.base import LinkNetwork
from wzroi.pairs import pair_source
from zoo.errors import ZooError
from zoo.rates import DEFAULT, symbols_at
from zoo.results.files import name_of
from zoo.serving.gallery import PairEntry, SourceError, on_source, with_neighbour
from zoo.serving.painted_roi import PREFIX, is_painted
from zoo.serving.painted_roi import check as check_grid
from zoo.serving.request import MAX_SEED, SNR_RANGE, RequestError, check_controls, finite
from zoo.serving.roi_maps import depends_on_seed, map_of, needs_label
from zoo.serving.variants import Variant, title_of, variants_of

__all__ = [
    "CLASS_NAMES",
    "ENGINE",
    "MAX_SEED",
    "MAX_VARIANTS",
    "SNR_RANGE",
    "BusyError",
    "Engine",
    "Frame",
    "Request",
    "RequestError",
    "Variant",
    "VariantResult",
    "catalogue",
    "forget_zoo_index",
    "frame_json",
    "map_on_source",
    "title_of",
    "with_neighbour",
    "zoo_index",
]  # fmt: skip

MAX_VARIANTS = 12
CACHE_BYTES = 192 * 2**20
"""Memory limit for prepared transmissions."""

WAIT_SECONDS = 8.0
"""How long a request waits for its turn before it fails because the explorer is busy."""

T = TypeVar("T")


class BusyError(RuntimeError):
    """Too many requests at once."""


class Request(NamedTuple):
    """One setting of the controls: everything that determines the pixels and numbers of a frame.

    ``pair`` is an entry's key, ``models`` names link networks, ``snr_db`` is in dB per complex symbol, ``channel`` is
    a row of
    ``CHANNELS``, ``roi`` a row of ``ROI_ORIGINS`` or a painted map, ``seed`` that of the noise, ``rate`` 1/rho of
    flexible networks (any other network has its own).
    """

    pair: str
    models: tuple[str, ...]
    snr_db: float = 5.0
    channel: str = "awgn"
    roi: str = "side"
    seed: int = 0
    rate: Fraction = DEFAULT

    def to_dict(self) -> dict[str, Any]:
        """As JSON; ``rate`` is written as in links: ``16``, ``96/5``."""
        return self._asdict() | {"rate": str(self.rate)}

    def checked(self) -> Request:
        """Return itself; raises RequestError naming the first value that is out of range and what would be valid."""
        painted = is_painted(self.roi)
        if painted:
            check_grid(self.roi.removeprefix(PREFIX))
        check_controls(self.snr_db, self.channel, "zeros" if painted else self.roi, self.seed)
        if len(self.models) > MAX_VARIANTS or len(set(self.models)) != len(self.models):
            raise RequestError(f"choose at most {MAX_VARIANTS} variants, each once")
        return self


def catalogue() -> list[Variant]:
    """Every variant of the zoo with its rates: lite before paper, rec before task, architectures by complexity."""
    return variants_of(zoo_index().models)


class ByteCache:
    """A thread-safe LRU cache, limited in bytes."""

    def __init__(self, limit: int) -> None:
        self._limit, self._held = limit, 0
        self._values: OrderedDict[Hashable, tuple[int, Any]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """The value of a key, computed if it is not cached."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key][1]
        value = make()
        size = tensor_bytes(value)
        with self._lock:
            self._held -= self._values.pop(key, (0, None))[0]
            self._values[key] = (size, value)
            self._held += size
            while self._held > self._limit and len(self._values) > 1:
                self._held -= self._values.popitem(last=False)[1][0]
        return value


def tensor_bytes(value: Any) -> int:
    """Bytes of all tensors in nested tuples."""
    if isinstance(value, Tensor):
        return value.numel() * value.element_size()
    return sum(tensor_bytes(part) for part in value) if isinstance(value, tuple) else 0


class JudgeView(NamedTuple):
    """What a judge sees before anything is sent: probabilities ``[classes]`` on x_side and x, ROI-PSNR weights."""

    side: Tensor
    clean: Tensor
    weight: Tensor | None


class VariantResult(NamedTuple):
    """One picture of a frame and its numbers; ``None`` without a judge or if there is no such number."""

    model: str
    title: str
    symbols: int
    picture: Tensor
    psnr: float
    ssim: float | None
    roi_psnr: float | None
    probabilities: list[float] | None
    more: Mapping[str, float | None] = MappingProxyType({})

    def metric(self, key: str) -> float | None:
        """A metric's value; ``None`` if there is none."""
        return getattr(self, key) if key in BUILT_IN else self.more.get(key)


class Frame(NamedTuple):
    """The answer to a ``Request``: the pair, one result per variant, the paste control, what the judge sees.

    ``roi`` is the map M as the networks get it, ``[1, H, W]``; ``roi_on_source`` the same map moved to its place in x.
    """

    request: Request
    entry: PairEntry
    results: list[VariantResult]
    paste: VariantResult | None
    roi: Tensor | None
    roi_on_source: Tensor | None
    side_only: list[float] | None
    clean: list[float] | None
    judge: str | None
    milliseconds: float


class ZooIndex(NamedTuple):
    """The zoo's content at one moment: link networks and judges by name, with their entries."""

    models: dict[str, zoo.Entry]
    judges: list[str]


ZOO_INDEX_SECONDS = 2.0
"""How long the zoo's list is cached: a frame must not read the registry a dozen times."""

_zoo_index: tuple[float, ZooIndex] | None = None


def zoo_index() -> ZooIndex:
    """The zoo's list, at most ``ZOO_INDEX_SECONDS`` old; raises ZooError."""
    global _zoo_index
    now = time.monotonic()
    if _zoo_index is None or now - _zoo_index[0] > ZOO_INDEX_SECONDS:
        _zoo_index = (now, ZooIndex({name: zoo.describe(name) for name in zoo.list_models()}, zoo.list_judges()))
    return _zoo_index[1]


def forget_zoo_index() -> None:
    """Read the zoo's list again at the next call."""
    global _zoo_index
    _zoo_index = None


class Engine:
    """Loads networks once, caches what does not depend on the channel, and computes frames; shared by all visitors."""

    def __init__(self, device: str = "auto", slots: int = 2) -> None:
        self.device_name = device
        self._cache = ByteCache(CACHE_BYTES)
        self._slots = threading.BoundedSemaphore(slots)
        self._loading = threading.Lock()
        self._models: dict[str, LinkNetwork] = {}
        self._judges: dict[str, Judge] = {}

    def forget(self) -> None:
        """Reload everything, because names may now refer to other networks."""
        with self._loading:
            self._cache, self._models, self._judges = ByteCache(CACHE_BYTES), {}, {}

    def model(self, name: str) -> LinkNetwork:
        """A link network; raises ZooError, whose message lists the available ones."""
        with self._loading:
            if name not in self._models:
                self._models[name] = zoo.load(name, device=self.device_name)
            return self._models[name]

    def judge(self, name: str) -> Judge:
        """A judge; raises ZooError."""
        with self._loading:
            if name not in self._judges:
                self._judges[name] = zoo.load_judge(name, device=self.device_name)
            return self._judges[name]

    def judge_of(self, model: str) -> str | None:
        """Name of a model's judge: its entry's, else any in the zoo, else ``None``."""
        index = zoo_index()
        named = index.models[model].judge if model in index.models else zoo.describe(model).judge
        if named in index.judges:
            return named
        return next(iter(index.judges), None)

    @functools.cached_property
    def device(self) -> torch.device:
        """Where networks run."""
        from zoo.store.verified import pick_device

        return pick_device(self.device_name)

    def hardware(self) -> str:
        """The device in words."""
        if self.device.type == "cuda":
            return f"GPU: {torch.cuda.get_device_name(self.device)}"
        if self.device.type == "mps":
            return "GPU: Apple (MPS)"
        threads = torch.get_num_threads()
        return f"CPU, {threads} thread" + "s" * (threads > 1)

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Reserve a computation slot; raises BusyError if none becomes free in time."""
        if not self._slots.acquire(timeout=WAIT_SECONDS):
            raise BusyError("the explorer is busy with other visitors and will try again automatically")
        try:
            yield
        finally:
            self._slots.release()

    @torch.no_grad()
    def judge_view(self, entry: PairEntry, judge: str) -> JudgeView:
        """The judge on x_side and on x, and the weights of ROI-PSNR."""

        def make() -> JudgeView:
            network, pair = self.judge(judge), entry.pair.to(self.device)
            side, clean = network(torch.cat([pair.side, pair.source])).softmax(dim=1).cpu()
            return JudgeView(side, clean, source_weight(network, pair))

        return self._cache.get(("judge_view", entry.key, judge), make)

    def roi(self, entry: PairEntry, judge: str, origin: str, seed: int = 0) -> Tensor:
        """The ROI map M ``[1, 1, H, W]`` of a pair; ``seed`` only matters for a random origin. Raises RequestError."""
        if entry.label is None and needs_label(origin):
            return map_of(entry, self.judge(judge), origin)  # which says why there is none
        seed = seed if depends_on_seed(origin) else 0
        make = functools.partial(map_of, entry, self.judge(judge), origin, seed)
        return self._cache.get(("roi", entry.key, judge, origin, seed), make)

    def transmission(self, entry: PairEntry, model: str, origin: str, seed: int = 0) -> Transmission:
        """The result of ``wzroi.link.prepare`` for a pair, a model and an ROI origin, for any rate and SNR."""
        network, judge = self.model(model), self.judge_of(model)
        guided = network.config.uses_roi
        if guided and judge is None:
            raise RequestError(
                f"{model} needs an ROI map, but the zoo has no judge to compute one: pull or train a judge"
            )
        roi = self.roi(entry, judge, origin, seed) if guided and judge else None
        key = ("sent", entry.key, model, origin if guided else "", seed if guided and depends_on_seed(origin) else 0)
        ready = self._cache.get(key, lambda: prepare(network, entry.pair.to(self.device), roi))
        return ready._replace(weight=self.judge_view(entry, judge).weight) if judge else ready

    def result(self, request: Request, entry: PairEntry, model: str) -> VariantResult:
        """One variant's reconstruction and its distortion, not yet classified."""
        network = self.model(model)
        ready = self.transmission(entry, model, request.roi, request.seed)
        symbols = symbols_at(network, *entry.size, request.rate)
        generator = torch.Generator().manual_seed(request.seed)
        channel = sample_channel(request.channel, request.snr_db, 1, symbols, generator=generator, device=self.device)
        report = finish(network, ready, channel)
        roi_psnr = None if report.roi_psnr is None else finite(report.roi_psnr)
        return VariantResult(
            model, title_of(model), symbols, report.reconstruction, float(report.psnr), finite(report.ssim), roi_psnr,
            None, {key: finite(values) for key, values in report.added().items()},
        )

    def paste(self, entry: PairEntry, result: VariantResult) -> VariantResult:
        """The paste control: the known pixels copied over a reconstruction."""
        pair = entry.pair.to(self.device)
        picture = pair_source(entry.source).paste(result.picture, pair.side)
        judge = self.judge_of(result.model)
        weight = self.judge_view(entry, judge).weight if judge else None
        psnr, ssim, regional = measure(picture, pair, weight)
        more = {key: finite(values) for key, values in more_metrics(picture, pair.source, weight).items()}
        title = "Paste over DeepJSCC" if entry.source == "crop" else "Side image unchanged"
        symbols = result.symbols if entry.source == "crop" else 0
        weighted = None if regional is None else finite(regional)
        return VariantResult(result.model, title, symbols, picture, float(psnr), finite(ssim), weighted, None, more)

    @torch.no_grad()
    def classified(self, results: list[VariantResult]) -> list[VariantResult]:
        """The results with class probabilities: each judge runs once, on the batch of its pictures."""
        judges = [self.judge_of(result.model) for result in results]
        rows: dict[int, list[float]] = {}
        for name in {judge for judge in judges if judge}:
            which = [index for index, judge in enumerate(judges) if judge == name]
            logits = self.judge(name)(torch.cat([results[index].picture for index in which]))
            rows |= dict(zip(which, logits.softmax(dim=1).cpu().tolist(), strict=True))
        return [result._replace(probabilities=rows.get(index)) for index, result in enumerate(results)]

    def frame(self, request: Request) -> Frame:
        """Everything that one setting of the controls shows.

        Raises:
            RequestError, SourceError, ZooError, DataError: with a message for the visitor. BusyError: try again.
        """
        request = request.checked()
        entry = find_entry(request.pair)
        with self.slot():
            start = time.perf_counter()
            results = [self.result(request, entry, model) for model in request.models]
            control = self._paste_control(request, entry, results)
            done = self.classified([*results, *control])
            frame = self._complete(request, entry, done[: len(results)], done[len(results) :])
            return frame._replace(milliseconds=(time.perf_counter() - start) * 1000)

    def _paste_control(self, request: Request, entry: PairEntry, results: list[VariantResult]) -> list[VariantResult]:
        if not results:
            return []
        base = next((result for result in results if result.model.startswith("deepjscc.")), None)
        twin = plain_twin(results[0].model, request.rate)
        if base is None and twin in zoo_index().models:
            base = self.result(request, entry, twin)
        return [] if base is None else [self.paste(entry, base)]

    def _complete(
        self, request: Request, entry: PairEntry, results: list[VariantResult], control: list[VariantResult]
    ) -> Frame:
        judge = self.judge_of(request.models[0]) if request.models else next(iter(zoo_index().judges), None)
        if judge is None:
            return Frame(request, entry, results, next(iter(control), None), None, None, None, None, None, 0.0)
        judge_view, roi = self.judge_view(entry, judge), self.roi(entry, judge, request.roi, request.seed)
        return Frame(
            request, entry, results, next(iter(control), None), roi[0], map_on_source(entry, roi, request.roi)[0],
            judge_view.side.tolist(), judge_view.clean.tolist(), judge, 0.0,
        )

    def warm_up(self, request: Request) -> None:
        """Load what the first page needs, so that its first frame appears at once."""
        try:
            self.frame(request)
            self.frame(request)
        except (RequestError, BusyError, SourceError, ZooError, OSError):
            return  # the page itself reports what is wrong


def map_on_source(entry: PairEntry, roi: Tensor, origin: str) -> Tensor:
    """The map M moved into the frame of x; a painted map refers to x_side, like the map that a receiver computes."""
    return on_source(entry, roi, "side" if is_painted(origin) else origin)


def plain_twin(model: str, rate: Fraction) -> str:
    """The DeepJSCC network of the same stage, rate and tier; ``rate``: a flexible network's. Empty if there is none."""
    try:
        name = ModelName.parse(model)
        own = int(rate) if name.flexible and rate.denominator == 1 else name.own_rate
    except ConfigError:
        return ""
    return name_of("deepjscc", name.stage, own, "lite" if name.lite else "paper")


def frame_json(frame: Frame) -> dict[str, Any]:
    """A frame as JSON for the page: numbers, and one PNG sheet with all tiles stacked vertically."""
    import base64

    source = frame.entry.pair.source[0]
    tiles = [images.to_pixels(source), images.to_pixels(frame.entry.pair.side[0])]
    empty = torch.zeros(1, *frame.entry.size)
    for roi in (frame.roi, frame.roi_on_source):
        tiles.append(images.roi_layer(empty if roi is None else roi))
    rows = []
    for result in [*frame.results, *([frame.paste] if frame.paste else [])]:
        picture = result.picture[0].cpu()
        rows.append(result_json(result) | {"picture": len(tiles), "error": len(tiles) + 1})
        tiles += [images.to_pixels(picture), images.error_map(picture, source)]
    sheet = base64.b64encode(images.png_bytes(images.stack_tiles(tiles))).decode()
    paste = rows.pop() if frame.paste else None
    height, width = frame.entry.size
    return {
        "ask": frame.request.to_dict(), "height": height, "width": width, "sheet": sheet, "cards": rows, "paste": paste,
        "side_only": frame.side_only, "clean": frame.clean, "label": frame.entry.label, "judge": frame.judge,
        "title": frame.entry.title, "pair_source": frame.entry.source, "milliseconds": round(frame.milliseconds, 2),
    }


def result_json(result: VariantResult) -> dict[str, Any]:
    """The numbers of one variant's result."""
    entry = zoo_index().models.get(result.model)
    row = None if entry is None or entry.link is None else ARCHITECTURES[entry.link.architecture]
    return {
        "model": result.model, "title": result.title, "symbols": result.symbols, "psnr": finite(result.psnr),
        "ssim": result.ssim, "roi_psnr": result.roi_psnr, "probabilities": result.probabilities,
        "side": row is not None and row.side, "guidance": "none" if row is None else row.guidance,
        "flexible": row is not None and not row.rated, **result.more,
    }


CLASS_NAMES = list(CLASSES)
ENGINE = Engine()
"""The process-wide engine."""
