"""The ROI map of one pair to send: the same pixels in explorer, Space and command line for the same seed."""

from __future__ import annotations

from torch import Tensor

from wzroi.judge import Judge
from wzroi.roi import origin_of, roi_map
from zoo.serving.gallery import PairEntry, with_neighbour
from zoo.serving.painted_roi import is_painted, painted_map
from zoo.serving.request import RequestError


def depends_on_seed(origin: str) -> bool:
    """Whether another seed gives another map."""
    return not is_painted(origin) and origin_of(origin)[0].random


def needs_label(origin: str) -> bool:
    """Whether the map needs the true class."""
    return not is_painted(origin) and origin_of(origin)[0].needs_label


def map_of(entry: PairEntry, judge: Judge, origin: str, seed: int = 0) -> Tensor:
    """The ROI map M ``[1, 1, H, W]`` of a pair, on the judge's device.

    Another image's map (``shuffled``) is that of the next gallery picture, of the first for a pair from elsewhere.

    Raises:
        RequestError: for a map of the true class where it is unknown.
    """
    device = judge.head.weight.device
    if is_painted(origin):
        return painted_map(origin, entry.size).to(device)
    row, _ = origin_of(origin)
    if row.needs_label and entry.label is None:
        raise RequestError(
            "the oracle ROI needs the true class, which is unknown for an upload: choose another ROI origin"
        )
    pair = with_neighbour(entry) if row.shift else entry.pair
    return roi_map(judge, pair.to(device), origin, seed=seed)[:1]
