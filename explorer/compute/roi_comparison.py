"""One network with the ROI map of every origin: pictures, numbers, and where the error falls compared with no map."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

from torch import Tensor

from explorer.compute.engine import ENGINE, Engine, Request, RequestError, VariantResult, map_on_source, result_json
from explorer.compute.pair_sources import find_entry
from wzroi import images
from wzroi.roi import ROI_ORIGINS
from zoo.serving.gallery import PairEntry
from zoo.serving.painted_roi import NOTHING, PREFIX, as_painted, is_painted

PAINTED = "painted"

NO_ERROR = (0.5 / 255) ** 2
"""Mean squared error of half a grey level: errors below it, as in a crop that the receiver knows, are not compared."""


class Change(NamedTuple):
    """Change from the zeros map: PSNR in dB, and relative squared error inside and outside the map.

    Inside weighs by M moved into the frame of x, outside by 1 - M; ``None`` if the zeros map leaves no error there.
    """

    psnr: float
    inside: float | None
    outside: float | None


class Found(NamedTuple):
    """One origin: its map ``[1, H, W]`` as the network gets it, the same map in the frame of x, and the result."""

    name: str
    roi: Tensor
    roi_on_source: Tensor
    result: VariantResult
    change: Change


class Comparison(NamedTuple):
    """The answer: a ``Found`` for each origin that applies to the picture. ``ask.roi`` is the painted origin."""

    request: Request
    entry: PairEntry
    judge: str
    found: list[Found]
    clean: list[float]
    side_only: list[float]
    milliseconds: float


def origin_of(request: Request, name: str) -> str:
    """The ROI origin for a name of ``names_for``."""
    return request.roi if name == PAINTED else name


def names_for(entry: PairEntry) -> Iterator[str]:
    """The origins that apply to a pair, in the page's order: the label oracle needs a true class."""
    yield PAINTED
    for name, row in ROI_ORIGINS.items():
        if row.shown and (entry.label is not None or not row.needs_label):
            yield name


def compare(request: Request, engine: Engine = ENGINE) -> Comparison:
    """Send one pair with the map of every origin.

    Args:
        ask: one network with ROI guidance; ``roi`` is a painted origin; anything else counts as an empty grid.

    Raises:
        RequestError, SourceError, ZooError, DataError: with a message for the visitor. BusyError: try again.
    """
    request = (request if is_painted(request.roi) else request._replace(roi=PREFIX + NOTHING)).checked()
    if len(request.models) != 1:
        raise RequestError(f"compare the ROI maps of one network at a time, not of {len(request.models)}")
    (model,), entry = request.models, find_entry(request.pair)
    if not engine.model(model).config.uses_roi:
        raise RequestError(f"{model} takes no ROI map: choose a WZ-ROI network")
    judge = engine.judge_of(model)
    if judge is None:
        raise RequestError(f"{model} needs an ROI map, but the zoo has no judge to compute one: pull or train a judge")
    with engine.slot():
        start = time.perf_counter()
        names = list(names_for(entry))
        results = engine.classified(
            [engine.result(request._replace(roi=origin_of(request, n)), entry, model) for n in names]
        )
        zeros = results[names.index("zeros")]
        found = [_found(engine, request, entry, judge, *row, zeros) for row in zip(names, results, strict=True)]
        judge_view = engine.judge_view(entry, judge)
        spent = (time.perf_counter() - start) * 1000
    return Comparison(request, entry, judge, found, judge_view.clean.tolist(), judge_view.side.tolist(), spent)


def _found(
    engine: Engine,
    request: Request,
    entry: PairEntry,
    judge: str,
    name: str,
    result: VariantResult,
    zeros: VariantResult,
) -> Found:
    origin = origin_of(request, name)
    roi = engine.roi(entry, judge, origin, request.seed)
    moved = map_on_source(entry, roi, origin)
    return Found(name, roi[0], moved[0], result, change_of(entry, result, zeros, moved))


def squared(picture: Tensor, entry: PairEntry) -> Tensor:
    """Squared error of ``[1, 3, H, W]``, mean over RGB: ``[H, W]``."""
    return (picture.cpu() - entry.pair.source).square().mean(dim=1)[0]


def change_of(entry: PairEntry, result: VariantResult, zeros: VariantResult, roi: Tensor) -> Change:
    """The effect of a map ``[1, 1, H, W]``, in the frame of x, compared with the zeros map."""
    new, old, weight = squared(result.picture, entry), squared(zeros.picture, entry), roi[0, 0].cpu().clamp(0, 1)

    def part(inside: Tensor) -> float | None:
        base = float((inside * old).sum())
        return float((inside * (new - old)).sum()) / base if base > NO_ERROR * float(inside.sum()) else None

    return Change(result.psnr - zeros.psnr, part(weight), part(1 - weight))


def change_map(entry: PairEntry, result: VariantResult, zeros: VariantResult) -> images.Pixels:
    """Where the absolute error (mean over RGB) falls (blue) and rises (orange) compared with the zeros map."""
    source = entry.pair.source
    new, old = ((one.picture.cpu() - source).abs().mean(dim=1)[0] for one in (result, zeros))
    return images.signed_map(new - old)


def comparison_json(done: Comparison) -> dict[str, Any]:
    """A comparison as JSON for the page: numbers, and one PNG sheet with all tiles stacked vertically."""
    entry, source = done.entry, done.entry.pair.source[0]
    tiles = [images.to_pixels(source), images.to_pixels(entry.pair.side[0])]
    zeros = next(one.result for one in done.found if one.name == "zeros")
    results = []
    for one in done.found:
        picture, first = one.result.picture[0].cpu(), len(tiles)
        tiles += [images.roi_layer(one.roi_on_source), images.to_pixels(picture), images.error_map(picture, source),
                  change_map(entry, one.result, zeros)]
        results.append(result_json(one.result) | {
            "origin": one.name, "gain": one.change.psnr, "inside": one.change.inside, "outside": one.change.outside,
            "layer": first, "picture": first + 1, "error": first + 2, "change": first + 3,
        })
    sheet = base64.b64encode(images.png_bytes(images.stack_tiles(tiles))).decode()
    height, width = entry.size
    return {
        "ask": done.request.to_dict(), "height": height, "width": width, "sheet": sheet, "cards": results,
        "clean": done.clean, "side_only": done.side_only, "label": entry.label, "judge": done.judge,
        "title": entry.title, "pair_source": entry.source, "milliseconds": round(done.milliseconds, 2),
        "side_grid": as_painted(next(one.roi for one in done.found if one.name == "side")),
    }
