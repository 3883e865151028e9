"""One network with the ROI map of every origin: pictures, numbers, and where the error goes down against no map."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

from torch import Tensor

from explorer.compute.engine import ENGINE, Ask, AskError, Card, Engine, card_json, map_on_source
from explorer.compute.pair_sources import find_scene
from wzroi import images
from wzroi.roi import ORIGINS
from zoo.serving.gallery import Scene
from zoo.serving.painted_roi import NOTHING, PREFIX, as_painted, is_painted

PAINTED = "painted"
NAMES = (PAINTED, *ORIGINS)
"""The origins in the page's order."""


NO_ERROR = (0.5 / 255) ** 2
"""Mean squared error of half a grey level: what is below it, as in a crop that the receiver knows, is not compared."""


class Change(NamedTuple):
    """Against the zeros map: PSNR in dB, and squared error in parts of one, inside and outside the map (where it is).

    Inside weighs by M moved into the frame of x, outside by 1 - M; ``None`` where the zeros map leaves no error there.
    """

    psnr: float
    inside: float | None
    outside: float | None


class Found(NamedTuple):
    """What one origin gives: its map ``[1, H, W]`` as the network gets it, the same in the frame of x, and the card."""

    name: str
    roi: Tensor
    roi_on_source: Tensor
    card: Card
    change: Change


class Comparison(NamedTuple):
    """The answer: a ``Found`` for each origin that the picture allows. ``ask.roi`` is the painted origin."""

    ask: Ask
    scene: Scene
    judge: str
    found: list[Found]
    clean: list[float]
    side_only: list[float]
    milliseconds: float


def origin_of(ask: Ask, name: str) -> str:
    """The ROI origin that stands behind a name of ``NAMES``."""
    return ask.roi if name == PAINTED else name


def names_for(scene: Scene) -> Iterator[str]:
    """The origins that a pair has: without a true class there is no oracle of it."""
    yield from (name for name in NAMES if name != "source+label" or scene.label is not None)


def compare(ask: Ask, engine: Engine = ENGINE) -> Comparison:
    """Send one pair with the map of every origin.

    Args:
        ask: one network with ROI guidance; ``roi`` is a painted origin, anything else stands for an empty grid.

    Raises:
        AskError, SourceError, ZooError, DataError: with a sentence for the visitor. BusyError: try again.
    """
    ask = (ask if is_painted(ask.roi) else ask._replace(roi=PREFIX + NOTHING)).checked()
    if len(ask.models) != 1:
        raise AskError(f"compare the ROI maps of one network at a time, not of {len(ask.models)}")
    (model,), scene = ask.models, find_scene(ask.pair)
    if not engine.model(model).config.uses_roi:
        raise AskError(f"{model} takes no ROI map: choose a WZ-ROI network")
    judge = engine.judge_of(model)
    if judge is None:
        raise AskError(f"{model} needs an ROI map, and the zoo has no judge to make one: pull or train a judge")
    with engine.slot():
        start = time.perf_counter()
        names = list(names_for(scene))
        cards = engine.classified([engine.card(ask._replace(roi=origin_of(ask, n)), scene, model) for n in names])
        zeros = cards[names.index("zeros")]
        found = [_found(engine, ask, scene, judge, *row, zeros) for row in zip(names, cards, strict=True)]
        look = engine.look(scene, judge)
        spent = (time.perf_counter() - start) * 1000
    return Comparison(ask, scene, judge, found, look.clean.tolist(), look.side.tolist(), spent)


def _found(engine: Engine, ask: Ask, scene: Scene, judge: str, name: str, card: Card, zeros: Card) -> Found:
    origin = origin_of(ask, name)
    roi = engine.roi(scene, judge, origin, ask.seed)
    moved = map_on_source(scene, roi, origin)
    return Found(name, roi[0], moved[0], card, change_of(scene, card, zeros, moved))


def squared(picture: Tensor, scene: Scene) -> Tensor:
    """Squared error of ``[1, 3, H, W]``, mean over RGB: ``[H, W]``."""
    return (picture.cpu() - scene.pair.source).square().mean(dim=1)[0]


def change_of(scene: Scene, card: Card, zeros: Card, roi: Tensor) -> Change:
    """What a map ``[1, 1, H, W]``, in the frame of x, changes against the zeros map."""
    new, old, weight = squared(card.picture, scene), squared(zeros.picture, scene), roi[0, 0].cpu().clamp(0, 1)

    def part(inside: Tensor) -> float | None:
        base = float((inside * old).sum())
        return float((inside * (new - old)).sum()) / base if base > NO_ERROR * float(inside.sum()) else None

    return Change(card.psnr - zeros.psnr, part(weight), part(1 - weight))


def change_map(scene: Scene, card: Card, zeros: Card) -> images.Pixels:
    """Where the absolute error (mean over RGB) goes down (blue) and up (orange) against the zeros map."""
    source = scene.pair.source
    new, old = ((one.picture.cpu() - source).abs().mean(dim=1)[0] for one in (card, zeros))
    return images.signed_map(new - old)


def comparison_json(done: Comparison) -> dict[str, Any]:
    """A comparison as the page reads it: numbers, and one PNG sheet of all tiles, one below the other."""
    scene, source = done.scene, done.scene.pair.source[0]
    tiles = [images.to_pixels(source), images.to_pixels(scene.pair.side[0])]
    zeros = next(one.card for one in done.found if one.name == "zeros")
    cards = []
    for one in done.found:
        picture, first = one.card.picture[0].cpu(), len(tiles)
        tiles += [images.roi_layer(one.roi_on_source), images.to_pixels(picture), images.error_map(picture, source),
                  change_map(scene, one.card, zeros)]
        cards.append(card_json(one.card) | {
            "origin": one.name, "gain": one.change.psnr, "inside": one.change.inside, "outside": one.change.outside,
            "layer": first, "picture": first + 1, "error": first + 2, "change": first + 3,
        })
    sheet = base64.b64encode(images.png_bytes(images.stack_tiles(tiles))).decode()
    height, width = scene.size
    return {
        "ask": done.ask.told(), "height": height, "width": width, "sheet": sheet, "cards": cards,
        "clean": done.clean, "side_only": done.side_only, "label": scene.label, "judge": done.judge,
        "title": scene.title, "pair_source": scene.source, "milliseconds": round(done.milliseconds, 2),
        "side_grid": as_painted(next(one.roi for one in done.found if one.name == "side")),
    }
