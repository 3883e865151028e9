"""Honest evaluation: the only command that opens the test set, and the one that writes ``assets/results``.

Every number comes through ``wzroi.link``. What does not depend on the channel is prepared once per image and used for
every SNR, draw and control. Channel draw ``d`` is a function of the seed and ``d`` alone, the same noise pattern at
every SNR and for every network of a rate: curves and networks are compared on common random numbers.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import torch
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from safetensors.torch import load_file, save_file
from torch import Tensor

import zoo
from training.loop import write_atomically
from training.recipes import JUDGES, tier_of
from training.runs import RECORD, WEIGHTS, MissingRun, code_commit, finished
from wzroi.channel import ChannelState, sample_channel
from wzroi.config import ConfigError, ModelName
from wzroi.data import DataError, Images, as_float, load_split
from wzroi.judge import Judge
from wzroi.link import LinkReport, Transmission, finish, measure, prepare
from wzroi.metrics import estimate
from wzroi.model import WynerZivJSCC
from wzroi.pairs import CropPair, Pair, make_pair
from wzroi.roi import gradcam, upscale
from zoo.checkpoint import Network as StoredNetwork
from zoo.checkpoint import build, digest, half_weights, network_from, read_config
from zoo.errors import ZooError
from zoo.rates import DEFAULT, MEASURED, LinkNetwork, Rate, symbols_at
from zoo.results import PER_IMAGE, RESULTS, TABLE_SNRS

SNRS = (-5.0, *map(float, range(11)), 15.0, 20.0)
"""The sweep in dB: the paper's 0 to 9, and -5 to 20 in steps of five."""

JUDGED_SNRS = (-5.0, 0.0, 2.0, 5.0, 7.0, 9.0, 15.0)
"""Where the judge classifies what a ``task`` network rebuilds, unless everything is judged: on a CPU the judge is the
most costly part of an evaluation."""

ROI_CONTROLS = ("side", "zeros", "normal", "shuffled", "source", "source+label")

@dataclass(frozen=True)
class Plan:
    """How much is sent.

    Attributes:
        snrs: the sweep in dB. headline: the SNR at which every image is sent in every draw.
        draws: independent channel draws. At other SNRs than the headline the draws cover the test set together, each
            image once: draw ``d`` sends the images ``d, d + draws, ...``.
        full: every image in every draw, judged, at every SNR (1.4 million transmissions: for a GPU).
        judged_draws: how many of an image's headline transmissions the judge classifies.
        judged_snrs: where ``task`` networks are judged, every image once; ``rec`` networks are at ``TABLE_SNRS`` alone.
        once: the headline is no exception: the ten draws share the test set there too, and ROI controls are measured
            there alone (a quarter of the work: for a CPU that is busy).
        seed: of channel draws and of the ``normal`` ROI. batch: images at a time. limit: images (for tests).
    """

    snrs: tuple[float, ...] = SNRS
    headline: float = 5.0
    draws: int = 10
    full: bool = False
    judged_draws: int = 2
    judged_snrs: tuple[float, ...] = JUDGED_SNRS
    once: bool = False
    seed: int = 0
    batch: int = 100
    limit: int | None = None

    def __post_init__(self) -> None:
        if min(self.draws, self.judged_draws, len(self.snrs)) < 1:
            raise ValueError("a plan needs at least one SNR, one draw and one judged draw")

    def sent(self, snr_db: float, part: int) -> range:
        """The draws in which the images of ``part`` are sent at this SNR."""
        every = self.full or (snr_db == self.headline and not self.once)
        return range(self.draws) if every else range(part, part + 1)

    @property
    def control_snrs(self) -> tuple[float, ...]:
        """Where networks are misled by other ROI maps."""
        wanted = (self.headline,) if self.once else TABLE_SNRS
        return tuple(snr_db for snr_db in wanted if snr_db in self.snrs)

    def judged(self, snr_db: float, draw: int, part: int, task: bool) -> bool:
        """Whether the judge sees the images of ``part`` in this draw."""
        if self.full:
            return True
        if snr_db == self.headline:
            return (draw - part) % self.draws < self.judged_draws
        return snr_db in (self.judged_snrs if task else TABLE_SNRS)


COLUMNS = ("images", "psnr", "ssim", "roi_psnr", "accuracy")


class Tally:
    """Per-image values of the transmissions behind one row."""

    def __init__(self) -> None:
        self.values: list[tuple[Tensor, Tensor, Tensor, Tensor, Tensor]] = []

    def tensors(self) -> dict[str, Tensor]:
        """All values so far by column, on the CPU."""
        columns = [torch.cat(column).cpu().contiguous() for column in zip(*self.values, strict=True)]
        return dict(zip(COLUMNS, columns, strict=True))

    def take(self, values: Mapping[str, Tensor]) -> None:
        """Add what ``tensors`` gave."""
        indices, psnr, ssim, regional, right = (values[column] for column in COLUMNS)
        self.values.append((indices, psnr, ssim, regional, right))

    def add(self, indices: Tensor, psnr: Tensor, ssim: Tensor, roi_psnr: Tensor | None, right: Tensor | None) -> None:
        """Values ``[B]`` of the images ``indices``; ``right`` is 0 or 1, ``None`` where the judge did not look."""
        unknown = torch.full_like(psnr, torch.nan)
        regional = unknown if roi_psnr is None else roi_psnr
        self.values.append((indices, psnr, ssim, regional, unknown if right is None else right.to(psnr.dtype)))

    def row(self, snr_db: float, draws: int) -> dict[str, Any]:
        """The row of the results file; means over images, 95 % half widths, ``None`` where nothing was measured."""
        indices, psnr, ssim, regional, right = self.tensors().values()
        row: dict[str, Any] = {
            "snr_db": snr_db, "images": len(indices.unique()), "draws": draws, "transmissions": len(indices),
            "accuracy_transmissions": int((~right.isnan()).sum()),
        }
        columns = {"psnr": psnr, "ssim": ssim, "roi_psnr": regional, "accuracy": right}
        for name, values in columns.items():
            found = estimate(values, indices)
            row |= {name if name == "accuracy" else f"{name}_mean": found.mean, f"{name}_ci95": found.ci95}
        row["psnr_of_mean_mse"] = -10 * torch.pow(10, -psnr.double() / 10).mean().log10().item()
        return {key: _number(value) for key, value in row.items()}

    def per_image(self, images: int) -> dict[str, Tensor]:
        """Each image's mean over its draws, half precision ``[images]`` with NaN where nothing was measured."""
        indices, *columns = self.tensors().values()
        found = {}
        for name, values in zip(COLUMNS[1:], columns, strict=True):
            known = ~values.isnan()
            totals = torch.zeros(images, dtype=torch.double).index_add(0, indices[known], values[known].double())
            found[name] = (totals / torch.bincount(indices[known], minlength=images)).half()
        return found


def _number(value: float | int) -> float | int | None:
    if isinstance(value, int):
        return value
    return round(value, 6) if value == value else None


class TestSet:
    """The test images on a device, with what the judge makes of each: computed once for all networks of a tier.

    Attributes:
        cams: ROI origin -> Grad-CAM at the judge's resolution, ``[n, 1, h, w]``.
        right: ``clean`` and ``side`` -> whether the judge's top class is the true one, bool ``[n]``.
    """

    __test__ = False  # pytest would take the name for a test's

    def __init__(self, images: Images, judge: Judge, batch: int = 100) -> None:
        self.images, self.judge, self.pairs = images, judge, CropPair()
        cams: dict[str, list[Tensor]] = {"side": [], "source": [], "source+label": []}
        right: dict[str, list[Tensor]] = {"clean": [], "side": []}
        for start in range(0, len(images.pixels), batch):
            pair = self.pair(torch.arange(start, min(start + batch, len(images.pixels))))
            assert pair.label is not None  # pair() carries it
            cams["side"].append(gradcam(judge, pair.side))
            cams["source"].append(gradcam(judge, pair.source))
            cams["source+label"].append(gradcam(judge, pair.source, pair.label))
            with torch.no_grad():
                right["clean"].append(judge(pair.source).argmax(1) == pair.label)
                right["side"].append(judge(pair.side).argmax(1) == pair.label)
        self.cams = {origin: torch.cat(maps) for origin, maps in cams.items()}
        self.cams["shuffled"] = self.cams["side"].roll(1, dims=0)
        self.right = {view: torch.cat(flags) for view, flags in right.items()}

    def __len__(self) -> int:
        return len(self.images.pixels)

    @property
    def device(self) -> torch.device:
        return self.images.pixels.device

    def pair(self, indices: Tensor) -> Pair:
        """The images ``indices`` with their side images and labels."""
        chosen = indices.to(self.device)
        source = as_float(self.images.pixels[chosen]).contiguous(memory_format=torch.channels_last)
        return make_pair(source, self.images.labels[chosen], self.pairs)

    def roi(self, origin: str, indices: Tensor, seed: int) -> Tensor:
        """The ROI map of each image, ``[B, 1, 32, 32]``, as ``wzroi.roi_map`` makes it."""
        shape = (len(indices), 1, *self.images.pixels.shape[-2:])
        if origin == "zeros":
            return torch.zeros(shape, device=self.device)
        if origin == "normal":
            generator = torch.Generator().manual_seed(_mix(seed, int(indices[0]), 2))
            return torch.randn(shape, generator=generator).to(self.device)
        return upscale(self.cams[origin][indices.to(self.device)], (shape[2], shape[3]))


def _mix(seed: int, number: int, stream: int) -> int:
    """A generator's seed from the plan's seed, a draw or image number, and what it is for."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{stream}/{number}".encode()).digest()[:7], "big")


def channel_draw(
    kind: str, seed: int, draw: int, images: int, symbols: int, device: torch.device | str
) -> ChannelState:
    """Channel draw ``draw`` for the whole test set, a function of its arguments alone; its SNR is set per row."""
    generator = torch.Generator().manual_seed(_mix(seed, draw, 1))
    return sample_channel(kind, 0.0, images, symbols, generator=generator, device=device)


def _select(channel: ChannelState, indices: Tensor, snr_db: float) -> ChannelState:
    index = indices.to(channel.noise.device)
    gain = None if channel.gain is None else channel.gain[index]
    chosen = dataclasses.replace(channel, snr_db=channel.snr_db[index], noise=channel.noise[index], gain=gain)
    return chosen.at_snr(snr_db)


class Network(NamedTuple):
    """A network to evaluate: its name, its weights as stored, and their sha256."""

    name: ModelName
    model: LinkNetwork
    sha256: str

    @property
    def roi_origin(self) -> str | None:
        """The origin of the ROI map it is evaluated with; ``None`` for an architecture without one."""
        if not self.model.config.uses_roi:
            return None
        return "source+label" if self.name.oracle else "side"


class Sweep:
    """One network over the test set: fills a tally for each (control, SNR).

    ``rate`` is 1/rho for a flexible network; any other has its own.
    """

    def __init__(
        self, network: Network, test: TestSet, plan: Plan, channel: str = "awgn", controls: bool = True,
        rate: Rate = DEFAULT,
    ) -> None:  # fmt: skip
        self.network, self.test, self.plan, self.controls = network, test, plan, controls
        self.model, self.task = network.model, network.name.stage == "task"
        self.plain = isinstance(self.model, WynerZivJSCC) and not self.model.config.side
        height, width = test.images.pixels.shape[-2:]
        self.kind, self.symbols = channel, symbols_at(self.model, height, width, rate)
        self.tallies: dict[tuple[str, float], Tally] = {}

    @functools.cached_property
    def channels(self) -> list[ChannelState]:
        """Every draw of the channel, for the whole test set."""
        test, plan = self.test, self.plan
        return [
            channel_draw(self.kind, plan.seed, draw, len(test), self.symbols, test.device) for draw in range(plan.draws)
        ]

    def batches(self) -> Iterator[tuple[int, Tensor]]:
        """(part, images): the part says in which draw these images are sent away from the headline."""
        for part in range(self.plan.draws):
            indices = torch.arange(part, len(self.test), self.plan.draws)
            yield from ((part, chunk) for chunk in indices.split(self.plan.batch) if len(chunk))

    def run(self, progress: Progress | None = None) -> None:
        """Send everything the plan asks for."""
        batches = list(self.batches())
        bar = progress.add_task(str(self.network.name), total=len(self.test)) if progress else None
        for part, indices in batches:
            self.send(part, indices)
            if progress and bar is not None:
                progress.advance(bar, len(indices))

    def send(self, part: int, indices: Tensor) -> None:
        """Send the images ``indices``, and what misleads the network, at every SNR."""
        transmission = self._ready(self.test.pair(indices), self.network.roi_origin, indices)
        self._sweep(transmission, part, indices)
        if self.controls:
            for name, misled in self._misled(transmission, indices):
                self._control(name, misled, part, indices)

    def _ready(self, pair: Pair, origin: str | None, indices: Tensor) -> Transmission:
        """What does not depend on the channel, with the ROI map of ``origin`` and the weights of ROI-PSNR."""
        roi = self.test.roi(origin, indices, self.plan.seed) if origin else None
        weight = self.test.roi("source", indices, self.plan.seed)
        return prepare(self.model, pair, roi)._replace(weight=weight)

    def _tally(self, control: str, snr_db: float) -> Tally:
        return self.tallies.setdefault((control, snr_db), Tally())

    def _send(self, transmission: Transmission, indices: Tensor, draw: int, snr_db: float, judged: bool) -> LinkReport:
        channel = _select(self.channels[draw], indices, snr_db)
        return finish(self.model, transmission, channel, self.test.judge if judged else None)

    def _right(self, logits: Tensor | None, pair: Pair) -> Tensor | None:
        return None if logits is None or pair.label is None else logits.argmax(1) == pair.label

    def _sweep(self, transmission: Transmission, part: int, indices: Tensor) -> None:
        plan, pair = self.plan, transmission.pair
        for snr_db in plan.snrs:
            for draw in plan.sent(snr_db, part):
                judged = plan.judged(snr_db, draw, part, self.task)
                report = self._send(transmission, indices, draw, snr_db, judged)
                right = self._right(report.logits, pair)
                self._tally("", snr_db).add(indices, report.psnr, report.ssim, report.roi_psnr, right)
                if self.controls and draw == part and self._pastes(snr_db):
                    self._paste(report, transmission, indices, snr_db)

    def _pastes(self, snr_db: float) -> bool:
        """The trivial use of side information: for the network without any at every SNR, else at the table's."""
        return self.plain or snr_db in TABLE_SNRS or self.plan.full

    def _paste(self, report: LinkReport, transmission: Transmission, indices: Tensor, snr_db: float) -> None:
        pair = transmission.pair
        pasted = self.test.pairs.paste(report.reconstruction, pair.side)
        judged = self.plan.full or snr_db == self.plan.headline or (self.plain and snr_db in TABLE_SNRS)
        with torch.no_grad():
            logits = self.test.judge(pasted) if judged else None
        values = measure(pasted, pair, transmission.weight)
        self._tally("paste", snr_db).add(indices, *values, self._right(logits, pair))

    def _misled(self, transmission: Transmission, indices: Tensor) -> Iterator[tuple[str, Transmission]]:
        """Controls of a network with an ROI: the other origins of its map."""
        if self.model.config.uses_roi:
            for origin in ROI_CONTROLS:
                if origin != self.network.roi_origin:
                    yield f"roi:{origin}", self._ready(transmission.pair, origin, indices)

    def _control(self, name: str, misled: Transmission, part: int, indices: Tensor) -> None:
        for snr_db in self.plan.control_snrs:
            judged = self.task or snr_db == self.plan.headline
            report = self._send(misled, indices, part, snr_db, judged)
            right = self._right(report.logits, misled.pair)
            self._tally(name, snr_db).add(indices, report.psnr, report.ssim, report.roi_psnr, right)

    def rows(self, control: str = "") -> list[dict[str, Any]]:
        """The rows of one control, or of the network itself, in the order of SNR."""
        found = sorted(snr_db for name, snr_db in self.tallies if name == control)
        return [self.tallies[control, snr_db].row(snr_db, self.plan.draws) for snr_db in found]

    def per_image(self) -> dict[str, Tensor]:
        """``main/psnr``, ``paste/accuracy``, ... at the headline SNR: for paired comparisons of networks."""
        found: dict[str, Tensor] = {}
        for (control, snr_db), tally in self.tallies.items():
            if snr_db == self.plan.headline:
                values = tally.per_image(len(self.test))
                found |= {f"{control or 'main'}/{metric}": value for metric, value in values.items()}
        return found

    def control_rows(self) -> dict[str, list[dict[str, Any]]]:
        """Control -> its rows."""
        names = sorted({name for name, _ in self.tallies if name})
        return {name: self.rows(name) for name in names}


def stamp(device: torch.device) -> dict[str, Any]:
    """What every results file says about its making."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
    versions = {"python": platform.python_version(), "torch": torch.__version__}
    return {"commit": code_commit(), "split": "test", "device": f"{device.type} ({name})", "versions": versions}


def evaluate(
    network: Network, test: TestSet, judge_name: str, plan: Plan = Plan(), *, channel: str = "awgn",
    controls: bool = True, progress: Progress | None = None,
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The results of one network on the test set, as its results file holds them, and its values per image at 5 dB.

    Args:
        test: the test images with the tier's judge. judge_name: the judge's zoo name, for the record.
        controls: whether ``paste`` and, for an architecture with an ROI, the other ROI origins are measured as well.
    """
    sweep = Sweep(network, test, plan, channel, controls)
    sweep.run(progress)
    about = header(network, test, judge_name, plan, channel)
    return about | {"rows": sweep.rows(), "controls": sweep.control_rows()}, sweep.per_image()


def header(network: Network, test: TestSet, judge_name: str, plan: Plan, channel: str) -> dict[str, Any]:
    """What a network's results file says beside its rows."""
    return {
        "model": str(network.name), "config": network.model.config.to_dict(), **stamp(test.device),
        "weights_sha256": network.sha256, "images": len(test), "seeds": [plan.seed], "draws": plan.draws,
        "roi_origin": network.roi_origin, "pair_source": test.pairs.name, "channel": channel, "judge": judge_name,
    }


def judge_results(name: str, test: TestSet, sha256: str) -> dict[str, Any]:
    """The judge on clean test images and on side views: what a receiver knows with nothing transmitted."""
    found = {view: estimate(right.cpu().double()) for view, right in test.right.items()}
    accuracy = {view: {"accuracy": e.mean, "accuracy_ci95": _number(e.ci95)} for view, e in found.items()}
    return {
        "model": name, "config": test.judge.config.to_dict(), **stamp(test.device), "weights_sha256": sha256,
        "images": len(test), "pair_source": test.pairs.name, **accuracy,
    }


def network_of_run(runs: Path, name: str, device: torch.device | str = "cpu") -> tuple[StoredNetwork, str]:
    """A finished run's network as the zoo stores it (half precision), and the sha256 of that file.

    Raises:
        MissingRun: when the run is not finished. ZooError: when its files do not fit together.
    """
    folder = runs / name
    if not finished(folder):
        raise MissingRun(f"no finished run in {folder}: run `python -m training train {name} --runs {runs}` first")
    record = json.loads((folder / RECORD).read_text())
    is_judge = "recipe" in record
    config = read_config("judge" if is_judge else "link", (record["recipe"] if is_judge else record)["config"], name)
    trained = build(config)
    trained.load_state_dict(load_file(folder / WEIGHTS), strict=True)
    blob = half_weights(trained)
    return network_from(config, blob, str(folder), device), digest(blob)


class Origin:
    """Where networks come from: finished runs in a folder, or (``runs`` is ``None``) the zoo's checkpoints."""

    def __init__(self, runs: Path | None, device: torch.device | str, compiled: bool = False) -> None:
        self.runs, self.device, self.compiled = runs, device, compiled

    def network(self, name: ModelName) -> Network:
        """The link network ``name``."""
        model, sha256 = self._stored(str(name), zoo.load)
        if isinstance(model, Judge):
            raise MissingRun(f"{name} is no link network: train it with `python -m training train {name}`")
        if self.compiled and isinstance(model, WynerZivJSCC):
            model.decoder.compile()
        return Network(name, model.to(memory_format=torch.channels_last), sha256)

    def judge(self, name: str) -> tuple[Judge, str]:
        """The judge ``name`` and the sha256 of its weights."""
        judge, sha256 = self._stored(name, zoo.load_judge)
        if not isinstance(judge, Judge):
            raise MissingRun(f"{name} is no judge: train it with `python -m training judge {name}`")
        if self.compiled:
            judge.compile()
        return judge.to(memory_format=torch.channels_last), sha256

    def _stored(self, name: str, load: Callable[[str, str], StoredNetwork]) -> tuple[StoredNetwork, str]:
        if self.runs is not None:
            return network_of_run(self.runs, name, self.device)
        return load(name, str(self.device)), zoo.describe(name).sha256


def write_json(path: Path, values: dict[str, Any]) -> None:
    """Write a results file atomically, a row on a line."""
    text = json.dumps(values, indent=1, allow_nan=False) + "\n"

    def write(part: Path) -> None:
        part.write_text(text)

    write_atomically(path, write)


def write_tensors(path: Path, tensors: dict[str, Tensor]) -> None:
    """Write a safetensors file atomically."""
    write_atomically(path, lambda part: save_file(tensors, part))


def up_to_date(path: Path, network: Network, plan: Plan, rates: Sequence[int]) -> bool:
    """Whether a results file is of these weights and was made by this plan, at these rates if flexible."""
    if not path.is_file():
        return False
    kept = json.loads(path.read_text())
    wanted = {"weights_sha256": network.sha256, "plan": json.loads(json.dumps(dataclasses.asdict(plan)))}
    wanted |= {"rates": list(rates)} if network.name.flexible else {}
    return all(kept.get(key) == value for key, value in wanted.items())


class Measurement(NamedTuple):
    """A network's evaluation on the way into its results file; the fields are ``evaluate``'s arguments."""

    network: Network
    test: TestSet
    judge: str
    plan: Plan
    channel: str
    controls: bool

    def whole(self, path: Path, progress: Progress) -> bool:
        """Measure and write a network that has one rate."""
        network, test, judge, plan, channel, controls = self
        found, images = evaluate(network, test, judge, plan, channel=channel, controls=controls, progress=progress)
        self.write(path, found, images)
        return True

    def flexible(self, path: Path, rates: Sequence[int], progress: Progress, force: bool) -> bool:
        """Measure a flexible network's parts and write its file; ``False`` while other commands still measure some."""
        from training.flex_evaluate import merged, parts_of, take_parts  # it builds on this module

        parts = parts_of(path, self)
        there = take_parts(self, rates, parts, lambda: not force and self.done(path, rates), progress)
        if not there:
            return False
        with parts.merging():
            if not force and self.done(path, rates):
                return False  # another command was faster
            found, images = merged(self, rates, parts)
            self.write(path, found, images)
            parts.clear()
        return True

    def done(self, path: Path, rates: Sequence[int]) -> bool:
        """Whether the file is there and up to date."""
        return up_to_date(path, self.network, self.plan, rates)

    def write(self, path: Path, found: dict[str, Any], images: dict[str, Tensor]) -> None:
        """Write the results file after the values per image that belong to it."""
        write_tensors(path.parent / PER_IMAGE / f"{self.network.name}.safetensors", images)
        write_json(path, found | {"plan": dataclasses.asdict(self.plan)})


def evaluate_all(
    names: Sequence[str], runs: Path | None, root: Path | None, *, out: Path = RESULTS, plan: Plan = Plan(),
    device: str = "cpu", threads: int = 0, channel: str = "awgn", controls: bool = True, force: bool = False,
    compiled: bool = False, rates: Sequence[int] = MEASURED,
) -> list[Path]:
    """Evaluate networks and judges by name and write ``out/<name>.json``; returns the files written.

    A file that is of the same weights and plan is left as it is, so an interrupted command goes on where it stopped.
    A flexible network's rates are measured part by part (``training.flex_evaluate``): several commands share them.

    Args:
        names: model names; a judge's name writes the judge's own file.
        runs: folder of finished runs; ``None`` takes the zoo's checkpoints. root: folder of CIFAR-10.
        channel: another than AWGN writes into ``out/<channel>/``. controls: measure them as well.
        force: evaluate again what is up to date. compiled: compile judge and decoder (a minute, then a third faster).
        rates: 1/rho at which flexible networks are measured.

    Raises:
        ConfigError: for a name that is none. MissingRun, DataError: for what is not there.
    """
    if threads:
        torch.set_num_threads(threads)
    judges, networks = _by_judge(names)
    chosen = load_split("test", root).to(device)
    chosen = Images(*(column[: plan.limit] for column in chosen))
    origin = Origin(runs, device, compiled)
    written = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        for judge_name in judges:
            judge, sha256 = origin.judge(judge_name)
            test = TestSet(chosen, judge, plan.batch)
            written += _judge_file(out / f"{judge_name}.json", judge_results(judge_name, test, sha256))
            for name in networks.get(judge_name, []):
                network = origin.network(name)
                path = (out if channel == "awgn" else out / channel) / f"{name}.json"
                if not force and up_to_date(path, network, plan, rates):
                    continue
                one = Measurement(network, test, judge_name, plan, channel, controls)
                done = one.flexible(path, rates, progress, force) if name.flexible else one.whole(path, progress)
                written += [path] if done else []
    return written


def _by_judge(names: Sequence[str]) -> tuple[list[str], dict[str, list[ModelName]]]:
    networks: dict[str, list[ModelName]] = {}
    judges = [name for name in names if name in JUDGES]
    for text in names:
        if text in JUDGES:
            continue
        try:
            name = ModelName.parse(text)
        except ConfigError as error:
            raise ConfigError(f"{error}; judges are {', '.join(JUDGES)}") from error
        networks.setdefault(tier_of(name).judge, []).append(name)
    return list(dict.fromkeys([*judges, *networks])), networks


def _judge_file(path: Path, found: dict[str, Any]) -> list[Path]:
    if path.is_file() and json.loads(path.read_text()).get("weights_sha256") == found["weights_sha256"]:
        return []
    write_json(path, found)
    return [path]


def evaluate_command(
    names: Annotated[list[str], typer.Argument(help="Networks and judges by name; a network's judge comes with it.")],
    runs: Annotated[Path | None, typer.Option(help="Folder of finished runs (default: the zoo's checkpoints).")] = None,
    root: Annotated[Path | None, typer.Option(help="Folder of CIFAR-10 (default: $WZROI_DATA).")] = None,
    out: Annotated[Path, typer.Option(help="Folder of the results files.")] = RESULTS,
    full: Annotated[bool, typer.Option(help="Every image in every draw at every SNR (for a GPU).")] = False,
    judge_all: Annotated[bool, typer.Option(help="Classify task networks' output at every SNR.")] = False,
    once: Annotated[bool, typer.Option(help="Each image once at 5 dB too (for a busy CPU).")] = False,
    snrs: Annotated[str, typer.Option(help="SNRs in dB, with commas (default: the whole sweep).")] = "",
    rates: Annotated[str, typer.Option(help="1/rho of flexible networks, with commas (default: all seven).")] = "",
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first test images (a trial).")] = None,
    seed: Annotated[int, typer.Option(help="Of the channel draws.")] = 0,
    channel: Annotated[str, typer.Option(help="awgn, rayleigh or rayleigh_iid.")] = "awgn",
    controls: Annotated[bool, typer.Option(help="Measure paste and the other ROI origins.")] = True,
    device: Annotated[str, typer.Option(help="cpu, cuda or mps.")] = "cuda" if torch.cuda.is_available() else "cpu",
    threads: Annotated[int, typer.Option(help="CPU threads; 0 leaves torch's default.")] = 0,
    compiled: Annotated[bool, typer.Option(help="Compile judge and decoder first.")] = False,
    force: Annotated[bool, typer.Option(help="Evaluate again what is up to date.")] = False,
) -> None:
    """Measure networks on the test set, with intervals and controls, and write their results files."""
    judged = SNRS if judge_all or full else JUDGED_SNRS
    try:
        sweep = tuple(float(snr) for snr in snrs.split(",")) if snrs else SNRS
        chosen = tuple(int(rate) for rate in rates.split(",")) if rates else MEASURED
        batch = 100 if device == "cpu" else 1000
        plan = Plan(sweep, full=full, once=once, limit=limit, seed=seed, batch=batch, judged_snrs=judged)
        written = evaluate_all(
            names, runs, root, out=out, plan=plan, device=device, threads=threads, channel=channel, controls=controls,
            force=force, compiled=compiled, rates=chosen,
        )
    except (ConfigError, DataError, MissingRun, ZooError, ValueError) as error:
        typer.secho(f"error: {error}", err=True, fg="red")
        raise typer.Exit(2) from error
    for path in written:
        typer.echo(f"{path}: {_summary(json.loads(path.read_text()))}")
    typer.echo(f"{len(written)} files written; what was up to date, or is measured by another command, was left")


def _summary(found: dict[str, Any]) -> str:
    if "clean" in found:
        return ", ".join(f"{view} {found[view]['accuracy']:.4f}" for view in ("clean", "side"))
    row = min(found["rows"], key=lambda row: (abs(row["snr_db"] - 5), abs(row.get("rate", 16) - 16)))
    accuracy = "" if row["accuracy"] is None else f", accuracy {row['accuracy']:.4f} ± {row['accuracy_ci95']:.4f}"
    return f"{row['psnr_mean']:.2f} ± {row['psnr_ci95']:.2f} dB at {row['snr_db']:g} dB{accuracy}"
