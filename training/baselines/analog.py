"""Baselines without a network: a linear analog scheme, actually transmitted, and Gaussian bounds at channel capacity.

All statistics (mean and covariance of the 3072 source values) come from the training split; the schemes are measured on
the test split through the same channel and metrics as the networks, and classified by the same judge.
"""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import torch
import typer
from rich.progress import track
from torch import Tensor

import zoo
from training.baselines.linear import LinearScheme, linear_scheme
from training.evaluation.plan import SNRS
from training.evaluation.results_file import provenance, write_json
from training.evaluation.row_cache import RowCache
from training.evaluation.tally import Tally
from training.evaluation.test_set import channel_draw
from training.gaussian import Gaussian
from wzroi.channel import ChannelState, apply_channel
from wzroi.config import RATES
from wzroi.data import DataError, Images, as_float, load_split
from wzroi.judge import Judge
from wzroi.metrics import psnr, ssim
from zoo.errors import ZooError
from zoo.paths import OWN_RESULTS as RESULTS
from zoo.results.tables import HEADLINE_DB as HEADLINE
from zoo.results.tables import PAPER_RATES, TABLE_SNRS

SCHEMES = {
    "linear": (False, True),
    "linear_wz": (True, True),
    "linear_average_power": (False, False),
    "linear_wz_average_power": (True, False),
}
"""Scheme -> (side information, each image has power one, as for the networks; else only on average over images)."""


class JudgeRef(NamedTuple):
    """The judge behind accuracies: its zoo name, the sha256 of its weights, and the network."""

    name: str
    sha256: str
    judge: Judge

    @classmethod
    def named(cls, name: str) -> JudgeRef | None:
        """A judge of the zoo, ``None`` for ``none``. Raises ZooError, ConfigError for an unknown one."""
        if name == "none":
            return None
        judge = zoo.load_judge(name, device="cpu")
        return cls(name, zoo.describe(name).sha256, judge.to(memory_format=torch.channels_last))

    @torch.no_grad()
    def correct(self, images: Tensor, labels: Tensor) -> Tensor:
        """Whether the top class of each image ``[B, 3, H, W]`` is its label, bool ``[B]``."""
        seen = images.contiguous(memory_format=torch.channels_last)
        return torch.cat([self.judge(part).argmax(1) for part in seen.split(100)]) == labels


def judged_by(judge_ref: JudgeRef | None) -> dict[str, str | None]:
    """The judge as recorded in a results file."""
    return {"judge": judge_ref.name if judge_ref else None, "judge_sha256": judge_ref.sha256 if judge_ref else None}


def measure_scheme(
    gaussian: Gaussian, name: str, rate: int, snr_db: float, images: Images, *, draws: int = 10, seed: int = 0,
    judge_ref: JudgeRef | None = None,
) -> dict[str, Any]:
    """Transmit test images through AWGN and measure: a row of ``bounds.json``.

    At the headline SNR of the paper's rates, under the networks' power constraint, every image is sent in every draw;
    otherwise once: draw ``d`` sends the images ``d, d + draws, ...``. SSIM and accuracy are measured on each image's
    own draw at ``TABLE_SNRS``.
    """
    side, per_image = SCHEMES[name]
    scheme = linear_scheme(gaussian, rate, snr_db, side=side, per_image=per_image)
    everywhere = per_image and snr_db == HEADLINE and rate in PAPER_RATES
    count = len(images.pixels)
    tally, own = Tally(), torch.arange(count) % draws
    for draw in range(draws):
        channel = channel_draw("awgn", seed, draw, count, scheme.symbols, "cpu").at_snr(snr_db)
        for mine, chosen in ((True, own == draw), (False, own != draw)):
            if mine or everywhere:
                evaluated = mine and snr_db in TABLE_SNRS
                _measure_part(
                    scheme,
                    gaussian,
                    images,
                    chosen.nonzero()[:, 0],
                    channel,
                    tally,
                    judge_ref if evaluated else None,
                    evaluated,
                )
    theory = {"closed_form_psnr_of_mean_mse": round(-10 * math.log10(scheme.remaining), 6)}
    return {"scheme": name, "rate": rate, **tally.row(snr_db, draws), **theory}


def _measure_part(
    scheme: LinearScheme, gaussian: Gaussian, images: Images, indices: Tensor, channel: ChannelState, tally: Tally,
    judge_ref: JudgeRef | None, evaluated: bool,
) -> None:
    """Send the images ``indices`` through their part of a draw; ``look``: measure SSIM, and ask the judge if any."""
    for chosen in indices.split(500):
        source = as_float(images.pixels[chosen])
        state = ChannelState("awgn", channel.snr_db[chosen], channel.noise[chosen])
        rebuilt = scheme.decode(apply_channel(scheme.encode(source), state), gaussian.source.side_of(source))
        similar = ssim(rebuilt, source) if evaluated else torch.full((len(chosen),), torch.nan)
        correct = judge_ref.correct(rebuilt, images.labels[chosen]) if judge_ref else None
        tally.add(chosen, {"psnr": psnr(rebuilt, source), "ssim": similar}, correct)


def bound_rows(gaussian: Gaussian, rates: tuple[int, ...] = RATES) -> list[dict[str, float]]:
    """The bounds at every rate and SNR."""
    return [
        {"rate": rate, "snr_db": snr_db, **{key: round(value, 6) for key, value in found.items()}}
        for rate in rates for snr_db in sorted(SNRS) if (found := gaussian.bounds(rate, snr_db))
    ]


def _points(name: str, rates: tuple[int, ...]) -> list[tuple[int, float]]:
    """The (rate, SNR) points of a scheme: all SNRs at the paper's rates, the table's SNRs at the other rates.

    Textbook schemes, whose power constraint differs from the networks', only at the table's SNRs of the paper's rates.
    """
    points = [(rate, snr_db) for rate in rates for snr_db in sorted(SNRS)]
    if not SCHEMES[name][1]:
        return [(rate, snr_db) for rate, snr_db in points if rate in PAPER_RATES and snr_db in TABLE_SNRS]
    return [(rate, snr_db) for rate, snr_db in points if rate in PAPER_RATES or snr_db in TABLE_SNRS]


def scheme_rows(
    gaussian: Gaussian,
    test: Images,
    rates: tuple[int, ...],
    draws: int,
    judge_ref: JudgeRef | None,
    row_cache: RowCache,
) -> list[dict[str, Any]]:
    """The linear schemes; judged at the paper's rates under the networks' power constraint."""
    wanted = [(name, *at) for name in SCHEMES for at in _points(name, rates)]
    rows = []
    for name, rate, snr_db in track(wanted, "linear schemes", transient=True):
        judge = judge_ref if rate in PAPER_RATES and SCHEMES[name][1] else None
        measure = partial(measure_scheme, gaussian, name, rate, snr_db, test, draws=draws, judge_ref=judge)
        rows.append(row_cache.row(f"{name} 1/{rate} {snr_db}", measure))
    return rows


def baselines(
    train: Tensor, test: Images, row_cache: Path, *, rates: tuple[int, ...] = RATES, draws: int = 10,
    judge_ref: JudgeRef | None = None,
) -> dict[str, Any]:
    """All bounds and linear schemes, as ``bounds.json`` holds them; rows are kept in ``ledger`` until all are there."""
    gaussian = Gaussian(train)
    about = {
        "model": "bounds", **provenance(torch.device("cpu")), "statistics": f"train, {len(train)} images",
        "images": len(test.pixels), "seeds": [0], "draws": draws, "pair_source": gaussian.source.name,
        "channel": "awgn", **judged_by(judge_ref),
    }
    kept = RowCache(row_cache, about)
    found = about | {
        "bounds": bound_rows(gaussian, rates), "schemes": scheme_rows(gaussian, test, rates, draws, judge_ref, kept)
    }
    kept.close()
    return found


JudgeName = Annotated[str, typer.Option(help="Judge of the zoo that classifies reconstructions, or none.")]


def baselines_command(
    root: Annotated[Path | None, typer.Option(help="Folder of CIFAR-10 (default: $WZROI_DATA).")] = None,
    out: Annotated[Path, typer.Option(help="Folder of the results files.")] = RESULTS,
    judge: JudgeName = "resnet_lite.cifar10",
    limit: Annotated[int | None, typer.Option(min=2, help="Only the first images of each split (a trial).")] = None,
    threads: Annotated[int, typer.Option(help="CPU threads; 0 leaves torch's default.")] = 0,
) -> None:
    """Measure the linear analog scheme and compute the Gaussian bounds into bounds.json."""
    if threads:
        torch.set_num_threads(threads)
    try:
        judge_ref = JudgeRef.named(judge)
        train, test = (Images(*(c[:limit] for c in load_split(split, root))) for split in ("train", "test"))
    except (DataError, ZooError) as error:
        typer.secho(f"error: {error}", err=True, fg="red")
        raise typer.Exit(2) from error
    found = baselines(train.pixels, test, out / ".bounds.rows", judge_ref=judge_ref)
    write_json(out / "bounds.json", found)
    at = {(r["scheme"], r["rate"]): r["psnr_of_mean_mse"] for r in found["schemes"] if r["snr_db"] == HEADLINE}
    for (name, rate), value in at.items():
        typer.echo(f"{name} 1/{rate}: {value:.2f} dB of mean MSE at 5 dB")
