"""Honest evaluation: the only command that opens the test set, and the one that writes ``assets/results``.

Every number comes through ``wzroi.link``. What does not depend on the channel is prepared once per image and used for
every SNR, draw and control. Channel draw ``d`` is a function of the seed and ``d`` alone, the same noise pattern at
every SNR and for every network of a rate: curves and networks are compared on common random numbers.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor

from training.evaluation.flex_sweep import merged, shards_of, take_shards
from training.evaluation.measurement import Measurement, up_to_date
from training.evaluation.networks import Network, Origin
from training.evaluation.plan import JUDGED_SNRS, SNRS, Plan
from training.evaluation.results_file import header, provenance, write_json
from training.evaluation.sweep import Sweep
from training.evaluation.tally import rounded
from training.evaluation.test_set import TestSet
from training.fit.runs import MissingRun
from training.recipes import JUDGES, tier_of
from wzroi.channel import CHANNELS, channel_of
from wzroi.config import ConfigError
from wzroi.data import DATASETS, DataError, Images, dataset_of
from wzroi.metrics import estimate
from wzroi.names import ModelName
from wzroi.pairs import pair_source
from zoo.errors import ZooError
from zoo.paths import OWN_RESULTS as RESULTS
from zoo.rates import MEASURED

STANDARD_SET = "cifar10"


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


def judge_results(name: str, test: TestSet, sha256: str) -> dict[str, Any]:
    """The judge on clean test images and on side views: what a receiver knows with nothing transmitted."""
    found = {view: estimate(correct.cpu().double()) for view, correct in test.correct.items()}
    accuracy = {view: {"accuracy": e.mean, "accuracy_ci95": rounded(e.ci95)} for view, e in found.items()}
    return {
        "model": name, "config": test.judge.config.to_dict(), **provenance(test.device), "weights_sha256": sha256,
        "images": len(test), "pair_source": test.pairs.name, **accuracy,
    }


def evaluate_whole(one: Measurement, path: Path, progress: Progress) -> bool:
    """Measure and write a network that has one rate."""
    network, test, judge, plan, channel, controls = one
    found, images = evaluate(network, test, judge, plan, channel=channel, controls=controls, progress=progress)
    one.write(path, found, images)
    return True


def evaluate_flexible(one: Measurement, path: Path, rates: Sequence[int], progress: Progress, force: bool) -> bool:
    """Measure a flexible network's parts and write its file; ``False`` while other commands still measure some."""
    shards = shards_of(path, one)
    there = take_shards(one, rates, shards, lambda: not force and one.done(path, rates), progress)
    if not there:
        return False
    with shards.merging():
        if not force and one.done(path, rates):
            return False  # another command was faster
        found, images = merged(one, rates, shards)
        one.write(path, found, images)
        shards.clear()
    return True


OWN = (
    "A network of your own is evaluated under a name that tells its stage, rate and judge: save it with "
    "model.save_pretrained('mine/deepjscc_wz_roi.rec_r16_lite'), then run `WZROI_ZOO=mine python -m training evaluate "
    "deepjscc_wz_roi.rec_r16_lite --out mine_results`"
)
"""The way for whoever brings a network."""


def evaluate_all(
    names: Sequence[str], runs: Path | None, root: Path | None, *, out: Path = RESULTS, plan: Plan = Plan(),
    device: str = "cpu", threads: int = 0, channel: str = "awgn", controls: bool = True, force: bool = False,
    compiled: bool = False, rates: Sequence[int] = MEASURED, dataset: str = STANDARD_SET,
) -> list[Path]:
    """Evaluate networks and judges by name and write ``out/<name>.json``; returns the files written.

    A file that is of the same weights and plan is left as it is, so an interrupted command goes on where it stopped.
    A flexible network's rates are measured part by part (``flex_sweep``): several commands share them.

    Args:
        names: model names; a judge's name writes the judge's own file.
        runs: folder of finished runs; ``None`` takes the zoo's checkpoints. root: folder of CIFAR-10.
        channel: another than AWGN writes into ``out/<channel>/``. controls: measure them as well.
        force: evaluate again what is up to date. compiled: compile judge and decoder (a minute, then a third faster).
        rates: 1/rho at which flexible networks are measured. dataset: another than CIFAR-10, with its own pair source,
            writes into ``out/<dataset>/``.

    Raises:
        ConfigError: for a name that is none. MissingRun, DataError: for what is not there.
    """
    if threads:
        torch.set_num_threads(threads)
    channel_of(channel)  # raises for an unknown one before anything is loaded
    judges, networks = _by_judge(names)
    row = dataset_of(dataset)
    out = out if dataset == STANDARD_SET else out / dataset
    chosen = row.load("test", root).to(device)
    chosen = Images(*(column[: plan.limit] for column in chosen))
    origin = Origin(runs, device, compiled)
    written = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        for judge_name in judges:
            judge, sha256 = origin.judge(judge_name)
            tests = {row.pairs: TestSet(chosen, judge, plan.batch, pair_source(row.pairs))}
            written += _judge_file(out / f"{judge_name}.json", judge_results(judge_name, tests[row.pairs], sha256))
            for name in networks.get(judge_name, []):
                network = origin.network(name)
                path = (out if channel == "awgn" else out / channel) / f"{name}.json"
                if not force and up_to_date(path, network, plan, rates):
                    continue
                pairs = name.pair_source if dataset == STANDARD_SET else row.pairs
                if pairs not in tests:
                    tests[pairs] = TestSet(chosen, judge, plan.batch, pair_source(pairs))
                one = Measurement(network, tests[pairs], judge_name, plan, channel, controls)
                done = (
                    evaluate_flexible(one, path, rates, progress, force) if name.flexible
                    else evaluate_whole(one, path, progress)
                )  # fmt: skip
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
            raise ConfigError(f"{error}; judges are {', '.join(JUDGES)}. {OWN}") from error
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
    channel: Annotated[str, typer.Option(help=f"One of {', '.join(CHANNELS)}.")] = "awgn",
    dataset: Annotated[str, typer.Option(help=f"One of {', '.join(DATASETS)}.")] = STANDARD_SET,
    controls: Annotated[bool, typer.Option(help="Measure paste and the other ROI origins.")] = True,
    device: Annotated[str, typer.Option(help="cpu, cuda or mps.")] = "cuda" if torch.cuda.is_available() else "cpu",
    threads: Annotated[int, typer.Option(help="CPU threads; 0 leaves torch's default.")] = 0,
    compiled: Annotated[bool, typer.Option(help="Compile judge and decoder first.")] = False,
    force: Annotated[bool, typer.Option(help="Re-evaluate what is up to date.")] = False,
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
            force=force, compiled=compiled, rates=chosen, dataset=dataset,
        )
    except (ConfigError, DataError, MissingRun, ZooError, ValueError) as error:
        typer.secho(f"error: {error}", err=True, fg="red")
        raise typer.Exit(2) from error
    for path in written:
        typer.echo(f"{path}: {_summary(json.loads(path.read_text()))}")
    typer.echo(
        f"{len(written)} files written; files that are up to date or being measured by another command were skipped"
    )


def _summary(found: dict[str, Any]) -> str:
    if "clean" in found:
        return ", ".join(f"{view} {found[view]['accuracy']:.4f}" for view in ("clean", "side"))
    row = min(found["rows"], key=lambda row: (abs(row["snr_db"] - 5), abs(row.get("rate", 16) - 16)))
    accuracy = "" if row["accuracy"] is None else f", accuracy {row['accuracy']:.4f} ± {row['accuracy_ci95']:.4f}"
    return f"{row['psnr_mean']:.2f} ± {row['psnr_ci95']:.2f} dB at {row['snr_db']:g} dB{accuracy}"
