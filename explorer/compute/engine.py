"""What the explorer computes: one frame (pictures and numbers of several variants) for one setting of the controls.

All of it goes through ``wzroi.link``: what does not depend on the channel (symbols, side context, ROI maps, the judge
on x and x_side) is prepared once a pair and kept; a new SNR decodes, measures and classifies.
"""

from __future__ import annotations

import functools
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor

import zoo
from explorer.compute.pair_sources import find_scene
from wzroi import images
from wzroi.channel import sample_channel
from wzroi.config import CLASSES, ConfigError, FlexConfig, JudgeConfig
from wzroi.judge import Judge
from wzroi.link import Transmission, finish, measure, prepare, source_weight
from wzroi.names import ModelName
from wzroi.pairs import pair_source
from wzroi.roi import roi_map
from zoo.errors import ZooError
from zoo.rates import DEFAULT, LinkNetwork, symbols_at
from zoo.results.files import name_of
from zoo.serving.gallery import Scene, SourceError, on_source, with_neighbour
from zoo.serving.painted_roi import PREFIX, is_painted, painted_map
from zoo.serving.painted_roi import check as check_grid
from zoo.serving.request import MAX_SEED, SNR_RANGE, AskError, check_controls, finite
from zoo.serving.variants import Variant, title_of, variants_of

__all__ = [
    "CLASS_NAMES", "ENGINE", "MAX_SEED", "MAX_VARIANTS", "SNR_RANGE", "Ask", "AskError", "BusyError", "Card", "Engine",
    "Frame", "Variant", "catalogue", "forget_holdings", "frame_json", "holdings", "map_on_source", "title_of",
    "with_neighbour",
]  # fmt: skip

MAX_VARIANTS = 12
CACHE_BYTES = 192 * 2**20
"""Most memory that prepared transmissions may take."""

WAIT_SECONDS = 8.0
"""How long a request waits for its turn before it is told that the explorer is busy."""

T = TypeVar("T")


class BusyError(RuntimeError):
    """Too many requests at once."""


class Ask(NamedTuple):
    """One setting of the controls: all that decides the pixels and numbers of a frame.

    ``pair`` is a scene's key, ``models`` names of link networks, ``snr_db`` in dB per complex symbol, ``channel`` a key
    of ``CHANNELS``, ``roi`` a key of ``ORIGINS`` or a painted map, ``seed`` of the noise, ``rate`` 1/rho of flexible
    networks: any other has its own.
    """

    pair: str
    models: tuple[str, ...]
    snr_db: float = 5.0
    channel: str = "awgn"
    roi: str = "side"
    seed: int = 0
    rate: Fraction = DEFAULT

    def told(self) -> dict[str, Any]:
        """As JSON takes it; ``rate`` as links have it: ``16``, ``96/5``."""
        return self._asdict() | {"rate": str(self.rate)}

    def checked(self) -> Ask:
        """Itself, or AskError naming the first value that is out of range and what would be right."""
        painted = is_painted(self.roi)
        if painted:
            check_grid(self.roi.removeprefix(PREFIX))
        check_controls(self.snr_db, self.channel, "zeros" if painted else self.roi, self.seed)
        if len(self.models) > MAX_VARIANTS or len(set(self.models)) != len(self.models):
            raise AskError(f"choose at most {MAX_VARIANTS} variants, each once")
        return self


def catalogue() -> list[Variant]:
    """Every variant of the zoo with its rates, in the order lite before paper, rec before task, architectures grow."""
    return variants_of(holdings().models)


class ByteCache:
    """Least-recently-used values up to a number of bytes; safe for threads."""

    def __init__(self, limit: int) -> None:
        self._limit, self._held = limit, 0
        self._values: OrderedDict[Hashable, tuple[int, Any]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """The value of a key, made when it is not held."""
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


class Look(NamedTuple):
    """What a judge sees before anything is sent: probabilities ``[classes]`` on x_side and x, ROI-PSNR weights."""

    side: Tensor
    clean: Tensor
    weight: Tensor | None


class Card(NamedTuple):
    """One picture of a frame and its numbers; ``None`` where there is no judge or no such number."""

    model: str
    title: str
    symbols: int
    picture: Tensor
    psnr: float
    ssim: float | None
    roi_psnr: float | None
    probabilities: list[float] | None


class Frame(NamedTuple):
    """The answer to an ``Ask``: pictures of the pair, a card per variant, the paste control, what the judge sees.

    ``roi`` is the map M as the networks get it, ``[1, H, W]``; ``roi_on_source`` the same moved to its place in x.
    """

    ask: Ask
    scene: Scene
    cards: list[Card]
    paste: Card | None
    roi: Tensor | None
    roi_on_source: Tensor | None
    side_only: list[float] | None
    clean: list[float] | None
    judge: str | None
    milliseconds: float


class Holdings(NamedTuple):
    """What the zoo holds at a moment: link networks and judges by name, with their entries."""

    models: dict[str, zoo.Entry]
    judges: list[str]


HOLDINGS_SECONDS = 2.0
"""How long the zoo's list is taken as it was: a frame must not read the registry a dozen times."""

_holdings: tuple[float, Holdings] | None = None


def holdings() -> Holdings:
    """The zoo's list, at most ``HOLDINGS_SECONDS`` old; raises ZooError."""
    global _holdings
    now = time.monotonic()
    if _holdings is None or now - _holdings[0] > HOLDINGS_SECONDS:
        _holdings = (now, Holdings({name: zoo.describe(name) for name in zoo.list_models()}, zoo.list_judges()))
    return _holdings[1]


def forget_holdings() -> None:
    """Read the zoo's list anew at the next call."""
    global _holdings
    _holdings = None


class Engine:
    """Loads networks once, keeps what does not depend on the channel, and computes frames; shared by all visitors."""

    def __init__(self, device: str = "auto", slots: int = 2) -> None:
        self.device_name = device
        self._cache = ByteCache(CACHE_BYTES)
        self._slots = threading.BoundedSemaphore(slots)
        self._loading = threading.Lock()
        self._models: dict[str, LinkNetwork] = {}
        self._judges: dict[str, Judge] = {}

    def forget(self) -> None:
        """Load everything anew: names may stand for other networks now."""
        with self._loading:
            self._cache, self._models, self._judges = ByteCache(CACHE_BYTES), {}, {}

    def model(self, name: str) -> LinkNetwork:
        """A link network; raises ZooError, whose message says what there is."""
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
        """Name of the judge a model belongs with: its entry's, else any the zoo has, else ``None``."""
        held = holdings()
        named = held.models[model].judge if model in held.models else zoo.describe(model).judge
        if named in held.judges:
            return named
        return next(iter(held.judges), None)

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
        """A turn to compute; raises BusyError when none comes free in time."""
        if not self._slots.acquire(timeout=WAIT_SECONDS):
            raise BusyError("the explorer is busy with other visitors: it tries again by itself")
        try:
            yield
        finally:
            self._slots.release()

    @torch.no_grad()
    def look(self, scene: Scene, judge: str) -> Look:
        """The judge on x_side and on x, and the weights of ROI-PSNR."""

        def make() -> Look:
            network, pair = self.judge(judge), scene.pair.to(self.device)
            side, clean = network(torch.cat([pair.side, pair.source])).softmax(dim=1).cpu()
            return Look(side, clean, source_weight(network, pair))

        return self._cache.get(("look", scene.key, judge), make)

    def roi(self, scene: Scene, judge: str, origin: str, seed: int = 0) -> Tensor:
        """The ROI map M ``[1, 1, H, W]`` of a pair; ``seed`` counts for ``normal`` only. Raises AskError."""
        if origin == "source+label" and scene.label is None:
            raise AskError("the oracle ROI needs the true class, which an upload does not have: choose another origin")
        seed = seed if origin == "normal" else 0

        def make() -> Tensor:
            if is_painted(origin):
                return painted_map(origin, scene.size).to(self.device)
            pair = with_neighbour(scene) if origin == "shuffled" else scene.pair
            generator = torch.Generator().manual_seed(seed)
            return roi_map(self.judge(judge), pair.to(self.device), origin, generator=generator)[:1]

        return self._cache.get(("roi", scene.key, judge, origin, seed), make)

    def transmission(self, scene: Scene, model: str, origin: str, seed: int = 0) -> Transmission:
        """What ``wzroi.link.prepare`` makes ready for a pair, a model and an ROI origin, whatever rate and SNR."""
        network, judge = self.model(model), self.judge_of(model)
        guided = network.config.uses_roi
        if guided and judge is None:
            raise AskError(f"{model} needs an ROI map, and the zoo has no judge to make one: pull or train a judge")
        roi = self.roi(scene, judge, origin, seed) if guided and judge else None
        key = ("sent", scene.key, model, origin if guided else "", seed if guided and origin == "normal" else 0)
        ready = self._cache.get(key, lambda: prepare(network, scene.pair.to(self.device), roi))
        return ready._replace(weight=self.look(scene, judge).weight) if judge else ready

    def card(self, ask: Ask, scene: Scene, model: str) -> Card:
        """One variant's reconstruction and its distortion; not classified yet."""
        network = self.model(model)
        ready = self.transmission(scene, model, ask.roi, ask.seed)
        symbols = symbols_at(network, *scene.size, ask.rate)
        generator = torch.Generator().manual_seed(ask.seed)
        channel = sample_channel(ask.channel, ask.snr_db, 1, symbols, generator=generator, device=self.device)
        report = finish(network, ready, channel)
        roi_psnr = None if report.roi_psnr is None else finite(report.roi_psnr)
        return Card(model, title_of(model), symbols, report.reconstruction, float(report.psnr), finite(report.ssim),
                    roi_psnr, None)

    def paste(self, scene: Scene, card: Card) -> Card:
        """The paste control: what is known copied over a reconstruction."""
        pair = scene.pair.to(self.device)
        picture = pair_source(scene.source).paste(card.picture, pair.side)
        judge = self.judge_of(card.model)
        values = measure(picture, pair, self.look(scene, judge).weight if judge else None)
        psnr, ssim, regional = values
        title = "Paste over DeepJSCC" if scene.source == "crop" else "Side image as it is"
        symbols = card.symbols if scene.source == "crop" else 0
        weighted = None if regional is None else finite(regional)
        return Card(card.model, title, symbols, picture, float(psnr), finite(ssim), weighted, None)

    @torch.no_grad()
    def classified(self, cards: list[Card]) -> list[Card]:
        """The cards with class probabilities: each judge runs once, on the batch of its cards."""
        judges = [self.judge_of(card.model) for card in cards]
        rows: dict[int, list[float]] = {}
        for name in {judge for judge in judges if judge}:
            which = [index for index, judge in enumerate(judges) if judge == name]
            logits = self.judge(name)(torch.cat([cards[index].picture for index in which]))
            rows |= dict(zip(which, logits.softmax(dim=1).cpu().tolist(), strict=True))
        return [card._replace(probabilities=rows.get(index)) for index, card in enumerate(cards)]

    def frame(self, ask: Ask) -> Frame:
        """Everything a setting of the controls shows.

        Raises:
            AskError, SourceError, ZooError, DataError: with a sentence for the visitor. BusyError: try again.
        """
        ask = ask.checked()
        scene = find_scene(ask.pair)
        with self.slot():
            start = time.perf_counter()
            cards = [self.card(ask, scene, model) for model in ask.models]
            control = self._paste_control(ask, scene, cards)
            done = self.classified([*cards, *control])
            frame = self._complete(ask, scene, done[: len(cards)], done[len(cards) :])
            return frame._replace(milliseconds=(time.perf_counter() - start) * 1000)

    def _paste_control(self, ask: Ask, scene: Scene, cards: list[Card]) -> list[Card]:
        if not cards:
            return []
        base = next((card for card in cards if card.model.startswith("deepjscc.")), None)
        twin = plain_twin(cards[0].model, ask.rate)
        if base is None and twin in holdings().models:
            base = self.card(ask, scene, twin)
        return [] if base is None else [self.paste(scene, base)]

    def _complete(self, ask: Ask, scene: Scene, cards: list[Card], control: list[Card]) -> Frame:
        judge = self.judge_of(ask.models[0]) if ask.models else next(iter(holdings().judges), None)
        if judge is None:
            return Frame(ask, scene, cards, next(iter(control), None), None, None, None, None, None, 0.0)
        look, roi = self.look(scene, judge), self.roi(scene, judge, ask.roi, ask.seed)
        return Frame(
            ask, scene, cards, next(iter(control), None), roi[0], map_on_source(scene, roi, ask.roi)[0],
            look.side.tolist(), look.clean.tolist(), judge, 0.0,
        )

    def warm_up(self, ask: Ask) -> None:
        """Load what the first page needs, so that its first frame comes at once."""
        try:
            self.frame(ask)
            self.frame(ask)
        except (AskError, BusyError, SourceError, ZooError, OSError):
            return  # the page itself says what is wrong


def map_on_source(scene: Scene, roi: Tensor, origin: str) -> Tensor:
    """The map M moved into the frame of x; a painted one lies over x_side, as the map that a receiver computes."""
    return on_source(scene, roi, "side" if is_painted(origin) else origin)


def plain_twin(model: str, rate: Fraction) -> str:
    """The DeepJSCC network of the same stage, rate and tier; ``rate`` is a flexible network's. Empty: there is none."""
    try:
        name = ModelName.parse(model)
        own = int(rate) if name.flexible and rate.denominator == 1 else name.own_rate
    except ConfigError:
        return ""
    return name_of("deepjscc", name.stage, own, "lite" if name.lite else "paper")


def frame_json(frame: Frame) -> dict[str, Any]:
    """A frame as the page reads it: numbers, and one PNG sheet of all tiles, one below the other."""
    import base64

    source = frame.scene.pair.source[0]
    tiles = [images.to_pixels(source), images.to_pixels(frame.scene.pair.side[0])]
    empty = torch.zeros(1, *frame.scene.size)
    for roi in (frame.roi, frame.roi_on_source):
        tiles.append(images.roi_layer(empty if roi is None else roi))
    rows = []
    for card in [*frame.cards, *([frame.paste] if frame.paste else [])]:
        picture = card.picture[0].cpu()
        rows.append(card_json(card) | {"picture": len(tiles), "error": len(tiles) + 1})
        tiles += [images.to_pixels(picture), images.error_map(picture, source)]
    sheet = base64.b64encode(images.png_bytes(images.stack_tiles(tiles))).decode()
    paste = rows.pop() if frame.paste else None
    height, width = frame.scene.size
    return {
        "ask": frame.ask.told(), "height": height, "width": width, "sheet": sheet, "cards": rows, "paste": paste,
        "side_only": frame.side_only, "clean": frame.clean, "label": frame.scene.label, "judge": frame.judge,
        "title": frame.scene.title, "pair_source": frame.scene.source, "milliseconds": round(frame.milliseconds, 2),
    }


def card_json(card: Card) -> dict[str, Any]:
    """A card's numbers."""
    config = holdings().models[card.model].config if card.model in holdings().models else None
    flexible = isinstance(config, FlexConfig)
    plain = None if config is None or isinstance(config, FlexConfig | JudgeConfig) else config
    return {
        "model": card.model, "title": card.title, "symbols": card.symbols, "psnr": finite(card.psnr),
        "ssim": card.ssim, "roi_psnr": card.roi_psnr, "probabilities": card.probabilities,
        "side": flexible or bool(plain and plain.side), "guidance": plain.guidance if plain else "none",
        "flexible": flexible,
    }


CLASS_NAMES = list(CLASSES)
ENGINE = Engine()
"""The one engine of the process."""
