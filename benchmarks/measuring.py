"""What the explorer's long checks share: percentiles, memory, checking pixels, and the results file they write."""

from __future__ import annotations

import argparse
import functools
import json
import math
import os
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

import wzroi
import zoo
from explorer.compute.pair_sources import find_entry
from training.evaluation.results_file import provenance, write_json
from wzroi import images
from zoo.rates import parse_rate, symbols_at
from zoo.results.files import RESULTS
from zoo.serving.gallery import with_neighbour

TOUR_SEEN = "localStorage.setItem('wzroi-tour', 'seen')"
"""What a browser remembers after the first visit's tour; the tour would stand in the way of a measurement."""


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least ``share`` of the values do not exceed; NaN of none."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else math.nan


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median, 95th percentile and largest value, to a tenth."""
    found = {"median": statistics.median(values) if values else math.nan, "p95": quantile(values, 0.95),
             "most": max(values, default=math.nan)}
    return {name: round(value, 1) for name, value in found.items()}


def resident(pid: int) -> float:
    """MiB of memory that a process holds (Linux)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


@functools.cache
def expected(asked: str) -> list[np.ndarray]:
    """Reconstructions that ``run_link`` gives for a frame's ask (its JSON), uint8 ``[H, W, 3]`` each."""
    ask = json.loads(asked)
    entry, found = find_entry(ask["pair"]), []
    for name in ask["models"]:
        model, judge = zoo.load(name, "cpu"), zoo.load_judge(zoo.describe(name).judge, "cpu")
        pair = with_neighbour(entry) if ask["roi"] == "shuffled" else entry.pair
        noise = torch.Generator().manual_seed(ask["seed"])
        roi = wzroi.roi_map(judge, pair, ask["roi"], generator=noise)[:1]
        symbols, generator = symbols_at(model, *entry.size, parse_rate(ask["rate"])), torch.Generator()
        generator.manual_seed(ask["seed"])
        channel = wzroi.sample_channel(ask["channel"], ask["snr_db"], 1, symbols, generator=generator)
        report = wzroi.run_link(model, entry.pair, channel, roi, judge)
        found.append(images.to_pixels(report.reconstruction[0]))
    return found


def wrong_levels(asked: str, shown: Sequence[Sequence[int]]) -> int:
    """Largest difference, in grey levels, of RGBA pixels read from canvases to what the link gives."""
    pairs = zip(expected(asked), shown, strict=True)
    return max(int(np.abs(np.asarray(got).reshape(*want.shape[:2], 4)[..., :3].astype(int) - want).max())
               for want, got in pairs)


def options(description: str | None, **defaults: float) -> argparse.Namespace:
    """A command line of numbers, and ``--json FILE`` (``results``: the committed file)."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in defaults.items():
        parser.add_argument(f"--{name}", type=type(value), default=value)
    parser.add_argument("--json", metavar="FILE", help="write the figures there; 'results': to assets/results")
    asked = parser.parse_args()
    if asked.json and Path(asked.json).is_dir():
        parser.error(f"--json {asked.json} is a folder: name a file in it, or 'results'")
    return asked


def report(name: str, found: dict[str, Any], asked: argparse.Namespace) -> None:
    """Print figures as JSON, and write them where the command line says."""
    about = provenance(torch.device("cpu"))
    del about["split"]
    values = {"model": name, **about, "cores": os.cpu_count(), "load_before": round(os.getloadavg()[0], 2), **found}
    print(json.dumps(values, indent=1))
    if asked.json:
        write_json(RESULTS / f"{name}.json" if asked.json == "results" else Path(asked.json), values)
