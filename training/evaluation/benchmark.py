"""Milliseconds and multiply-adds on this machine: the link's stages, and a step of the explorer's SNR slider."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from training.evaluation.results_file import provenance, write_json
from training.recipes import FLEX_TIERS, JUDGES, TIERS
from wzroi.architectures import ARCHITECTURES, build
from wzroi.channel import ChannelState, apply_channel, sample_channel
from wzroi.config import PAPER_ARCHITECTURES, LinkConfig, ModelConfig
from wzroi.judge import Judge
from wzroi.link import Transmission, finish, prepare, run_link
from wzroi.metrics import psnr, roi_psnr, ssim
from wzroi.networks.base import LinkNetwork
from wzroi.pairs import Pair, make_pair
from wzroi.roi import roi_map
from zoo.paths import OWN_RESULTS as RESULTS
from zoo.rates import symbols_at
from zoo.results.tables import PAPER_RATES

RATE = 16
SNR_DB = 5.0
STEP_BUDGET_MS = 60.0
"""What one step of the explorer's SNR slider may cost with four lite networks on two CPU cores."""


def milliseconds(work: Callable[[], object], device: torch.device, repeats: int) -> float:
    """Median wall-clock time of ``work``, after two warm-up calls."""
    times = []
    for index in range(repeats + 2):
        began = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        if index >= 2:
            times.append(1e3 * (time.perf_counter() - began))
    return statistics.median(times)


def multiply_adds(config: LinkConfig, size: int = 32) -> int:
    """Multiply-adds of one image through encoder, side context and decoder, counted on tensors without storage.

    For a network that searches these are those of the harder case: it has to find where the side image belongs.
    """
    if ARCHITECTURES[config.architecture].searches:  # how it searches depends on values: counted on real tensors
        return _searching_multiply_adds(build(config), size)
    with torch.device("meta"):
        model = build(config)
        image, roi = torch.empty(1, 3, size, size), torch.empty(1, 1, size, size)
        noise = torch.empty(1, model.num_symbols(size, size), dtype=torch.complex64)
        channel = ChannelState("awgn", torch.empty(1), noise)
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        model.encode(image)
        model.decode(noise, model.encode_side(image, roi), channel)
    return counter.get_total_flops() // 2


def _searching_multiply_adds(model: LinkNetwork, size: int) -> int:
    image, generator = torch.rand(1, 3, size, size), torch.Generator().manual_seed(0)
    channel = sample_channel("awgn", SNR_DB, 1, symbols_at(model, size, size), generator=generator)
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        model(image, image, channel)
    return counter.get_total_flops() // 2


def parameters(config: LinkConfig) -> int:
    """Trained values of a network."""
    with torch.device("meta"):
        return sum(p.numel() for p in build(config).parameters())


def gradcam_by_backward(judge: Judge, images: Tensor) -> Tensor:
    """The published way to a Grad-CAM map: forward, backward through the judge from its top score, ReLU, scale."""
    with torch.enable_grad():
        activation = judge.features(images.requires_grad_())
        activation.retain_grad()
        judge.classify(activation).amax(dim=1).sum().backward()
    assert activation.grad is not None  # retain_grad() above
    weights = activation.grad.mean(dim=(2, 3), keepdim=True)
    cam = (weights * activation).sum(dim=1, keepdim=True).relu().detach()
    low, high = cam.amin(dim=(2, 3), keepdim=True), cam.amax(dim=(2, 3), keepdim=True)
    scaled = (cam - low) / (high - low).clamp_min(1e-12)
    return F.interpolate(scaled, size=images.shape[-2:], mode="bilinear", align_corners=False)


class Benchmark:
    """Untrained networks of one tier: time does not depend on the weights."""

    def __init__(self, tier: str, device: torch.device, repeats: int) -> None:
        self.tier, self.device, self.repeats = tier, device, repeats
        self.width = TIERS[tier].width
        self.judge = Judge(JUDGES[TIERS[tier].judge].config).to(device).eval().requires_grad_(False)
        self.models = {name: self.network(name, RATE) for name in PAPER_ARCHITECTURES}

    def network(self, name: str, rate: int) -> LinkNetwork:
        """An architecture's network of this tier."""
        rated = ARCHITECTURES[name].rated
        config = ModelConfig.named(name, rate, self.width) if rated else FLEX_TIERS[self.tier].config
        return build(config).to(self.device).eval().requires_grad_(False)

    def pair(self, batch: int) -> Pair:
        """Random pictures: time does not depend on them."""
        images = torch.rand(batch, 3, 32, 32, generator=torch.Generator().manual_seed(0))
        return make_pair(images).to(self.device)

    def channel(self, model: LinkNetwork, batch: int, rate: int = RATE) -> ChannelState:
        """One AWGN draw."""
        generator = torch.Generator().manual_seed(1)
        symbols = symbols_at(model, 32, 32, rate)
        return sample_channel("awgn", SNR_DB, batch, symbols, generator=generator, device=self.device)

    def time(self, work: Callable[[], object]) -> float:
        with torch.no_grad():
            return milliseconds(work, self.device, self.repeats)

    def stages(self, name: str) -> dict[str, Any]:
        """One architecture: milliseconds of each stage at batch 1, images/s of the whole link at batch 64."""
        model, pair = self.models.get(name) or self.network(name, RATE), self.pair(1)
        channel, roi, place = self.channel(model, 1), roi_map(self.judge, pair), pair.placement
        latent, context = model.encode(pair.source, place), model.encode_side(pair.side, roi, place)
        symbols = model.modulate(latent, channel, place)
        received = apply_channel(symbols, channel)
        many, wide = self.pair(64), self.channel(model, 64)
        maps = roi_map(self.judge, many)
        whole = self.time(lambda: model(many.source, many.side, wide, maps, place))
        return {
            "tier": self.tier, "architecture": name, "parameters": parameters(model.config),
            "multiply_adds": multiply_adds(model.config),
            "encode_ms": self.time(lambda: model.modulate(model.encode(pair.source, place), channel, place)),
            "channel_ms": self.time(lambda: apply_channel(symbols, channel)),
            "roi_ms": self.time(lambda: roi_map(self.judge, pair)) if model.config.uses_roi else 0.0,
            "side_ms": self.time(lambda: model.encode_side(pair.side, roi, place)) if name != "deepjscc" else 0.0,
            "decode_ms": self.time(lambda: model.decode(received, context, channel)),
            "judge_ms": self.time(lambda: self.judge(pair.source)), "images_per_s": 64e3 / whole,
        }

    def size(self, name: str, rate: int) -> dict[str, Any]:
        """One network: parameters, multiply-adds, milliseconds of the whole link at batch 1, its ROI map included."""
        model = self.network(name, rate)
        config, pair, channel = model.config, self.pair(1), self.channel(model, 1, rate)

        def link() -> Tensor:
            roi = roi_map(self.judge, pair) if config.uses_roi else None
            return model(pair.source, pair.side, channel, roi, pair.placement)

        counted = {"parameters": parameters(config), "multiply_adds": multiply_adds(config)}
        return {"tier": self.tier, "architecture": name, "rate": rate, **counted, "link_ms": self.time(link)}

    def roi_ways(self) -> dict[str, float]:
        """Grad-CAM of one picture: closed form, and the published way by a full backward pass."""
        side = self.pair(1).side
        closed = self.time(lambda: roi_map(self.judge, Pair(side, side)))
        backward = milliseconds(lambda: gradcam_by_backward(self.judge, side.clone()), self.device, self.repeats)
        return {"closed_form_ms": closed, "backward_ms": backward}

    def step(self) -> dict[str, float]:
        """One step of the explorer's SNR slider with the four architectures, as in the explorer, and naively."""
        pair = self.pair(1)
        roi = roi_map(self.judge, pair)
        ready = [(m, prepare(m, pair, roi, self.judge), self.channel(m, 1)) for m in self.models.values()]
        return {
            "step_ms": self.time(lambda: self._explorer_step(ready)), "naive_ms": self._naive_step(pair),
            "prepare_ms": self.time(lambda: [prepare(m, pair, roi, self.judge) for m in self.models.values()]),
        }

    def _explorer_step(self, ready: list[tuple[LinkNetwork, Transmission, ChannelState]]) -> Tensor:
        """Send and decode four times from what is ready; the judge sees the four pictures as one batch."""
        reports = [finish(model, transmission, channel.at_snr(3.0)) for model, transmission, channel in ready]
        return self.judge(torch.cat([report.reconstruction for report in reports]))

    def _naive_step(self, pair: Pair) -> float:
        """The whole link again for each variant: Grad-CAM by backward, encoder, side features, one judge call each."""

        def work() -> None:
            for model in self.models.values():
                roi = gradcam_by_backward(self.judge, pair.side.clone())
                run_link(model, pair, self.channel(model, 1), roi, self.judge)

        return milliseconds(work, self.device, max(2, self.repeats // 3))


def metric_times(device: torch.device, repeats: int) -> dict[str, float]:
    """Milliseconds of each metric on four pictures."""
    images = torch.rand(4, 3, 32, 32, device=device)
    other, weight = images.flip(0), torch.rand(4, 1, 32, 32, device=device)
    works: dict[str, Callable[[], object]] = {
        "psnr_ms": lambda: psnr(images, other), "ssim_ms": lambda: ssim(images, other),
        "roi_psnr_ms": lambda: roi_psnr(images, other, weight),
    }
    return {name: milliseconds(work, device, repeats) for name, work in works.items()}


def file_stem(device: torch.device) -> str:
    """The results file of a kind of device: ``bench`` on a CPU, ``bench_cuda``, ..."""
    return "bench" if device.type == "cpu" else f"bench_{device.type}"


def benchmark(tiers: list[str], device: torch.device, repeats: int = 20) -> dict[str, Any]:
    """Everything, as the results file holds it."""
    found: dict[str, Any] = {
        "model": file_stem(device), **provenance(device), "threads": torch.get_num_threads(), "rate": RATE,
        "repeats": repeats, "sizes": [], "stages": [], "steps": {}, "roi": {}, "metrics": metric_times(device, repeats),
    }
    del found["split"]
    for tier in tiers:
        one = Benchmark(tier, device, repeats)
        found["sizes"] += [one.size(name, rate) for rate in PAPER_RATES for name in ARCHITECTURES]
        found["stages"] += [one.stages(name) for name in ARCHITECTURES]
        found["steps"][tier], found["roi"][tier] = one.step(), one.roi_ways()
    return _rounded(found)


def _rounded(values: Any) -> Any:
    if isinstance(values, dict):
        return {key: _rounded(value) for key, value in values.items()}
    if isinstance(values, list):
        return [_rounded(value) for value in values]
    return round(values, 3) if isinstance(values, float) else values


def print_tables(found: dict[str, Any], console: Console) -> None:
    """Print the tables."""
    columns = ("encode", "channel", "roi", "side", "decode", "judge")
    table = Table(title=f"{found['device']}, {found['threads']} threads, rho 1/{found['rate']}")
    headings = ("tier", "architecture", "parameters", "MMAC", *(f"{name} ms" for name in columns), "images/s at 64")
    for index, heading in enumerate(headings):
        table.add_column(heading, justify="left" if index < 2 else "right")
    for row in found["stages"]:
        times = (f"{row[f'{name}_ms']:.2f}" for name in columns)
        counted = (f"{row['parameters']:,}", f"{row['multiply_adds'] / 1e6:.1f}")
        title = ARCHITECTURES[row["architecture"]].title
        table.add_row(row["tier"], title, *counted, *times, f"{row['images_per_s']:.0f}")
    console.print(table)
    for tier, step in found["steps"].items():
        roi = found["roi"][tier]
        console.print(
            f"{tier}: one SNR step with four variants {step['step_ms']:.1f} ms (recomputing everything, as published: "
            f"{step['naive_ms']:.1f} ms, {step['naive_ms'] / step['step_ms']:.1f} times as long); Grad-CAM "
            f"{roi['closed_form_ms']:.1f} ms, by backward {roi['backward_ms']:.1f} ms"
        )


def benchmark_command(
    tiers: Annotated[list[str] | None, typer.Option("--tier", help="lite, paper (default: both).")] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda or mps.")] = "cuda" if torch.cuda.is_available() else "cpu",
    threads: Annotated[int, typer.Option(help="CPU threads; 0 leaves torch's default.")] = 0,
    repeats: Annotated[int, typer.Option(min=1, help="Timed calls of each stage; the median counts.")] = 20,
    out: Annotated[Path, typer.Option(help="Folder of the results files.")] = RESULTS,
) -> None:
    """Time the link's stages and one step of the explorer's SNR slider, into bench.json (bench_cuda.json on a GPU).

    Timings are only meaningful on an idle machine.
    """
    if threads:
        torch.set_num_threads(threads)
    chosen = tiers or list(TIERS)
    if unknown := sorted(set(chosen) - set(TIERS)):
        typer.secho(f"error: unknown tier {unknown[0]!r}; choose one of {', '.join(TIERS)}", err=True, fg="red")
        raise typer.Exit(2)
    found = benchmark(chosen, torch.device(device), repeats)
    print_tables(found, Console(width=160))
    write_json(out / f"{found['model']}.json", found)
