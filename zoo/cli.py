"""The commands of ``python -m zoo``."""

from __future__ import annotations

import fnmatch
import json
import os
from pathlib import Path
from typing import Annotated, NamedTuple

import typer
from rich.table import Table
from torch import Tensor

from wzroi.architectures import ARCHITECTURES
from wzroi.channel import CHANNELS
from wzroi.images import png_bytes, to_pixels
from wzroi.roi import ROI_ORIGINS
from zoo.console import console, reporting
from zoo.errors import ZooError
from zoo.image_io import read_picture
from zoo.loading import describe, list_judges, list_models, load, load_judge, verify
from zoo.rates import check_rate, parse_rho, rates_of, rho_text, symbols_at
from zoo.space.deploy import space_command
from zoo.store.registry import Entry, default_store, unknown_name
from zoo.store.writing import write_file

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Trained networks by name.")

DEFAULT_MODELS = ("deepjscc_wz_roi.task_r16", "deepjscc_wz_roi.task_r16_lite")
Names = Annotated[list[str] | None, typer.Argument(help="Names or patterns, e.g. 'deepjscc_wz*' (default: all).")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")]


def _chosen(patterns: list[str] | None) -> list[str]:
    """Names that match any of the patterns, link networks first; raises ZooError for a pattern that matches none."""
    chosen: list[str] = []
    for pattern in patterns or ["*"]:
        found = list_models(pattern) + list_judges(pattern)
        if not found:
            describe(pattern)  # raises, with the nearest names
        chosen += [name for name in found if name not in chosen]
    return chosen


@app.command("list")
def list_command(pattern: Annotated[str, typer.Argument()] = "*", as_json: Json = False) -> None:
    """List the available networks."""
    with reporting():
        entries = [describe(name) for name in list_models(pattern) + list_judges(pattern)]
    if as_json:
        typer.echo(json.dumps({entry.name: entry.to_dict() for entry in entries}, indent=1))
        return
    table = Table("name", "rho", "k at 32x32", "parameters", "PSNR dB", "SSIM", "accuracy", "KiB", box=None)
    for entry in entries:
        table.add_row(entry.name, *_rate(entry), f"{entry.parameters:,}", *_figures(entry), f"{entry.size / 1024:.0f}")
    console().print(table)
    typer.echo("PSNR, SSIM, accuracy: CIFAR-10 test set; link networks at 5 dB on AWGN, judges on clean images.")
    if any(entry.flexible for entry in entries):
        typer.echo("A flexible network supports every rho in its range; its figures are those at 1/16.")


def _rate(entry: Entry) -> tuple[str, str]:
    if entry.link is None:
        return "", ""
    rates = rates_of(entry.link)
    ends = dict.fromkeys((rates[0], rates[-1]))  # one of a network with one rate
    return " to ".join(map(rho_text, ends)), " to ".join(f"{round(3072 / rate)}" for rate in ends)


def _figures(entry: Entry) -> list[str]:
    found = entry.metrics
    cells = [(f"{found['psnr']:.2f}" if "psnr" in found else ""), (f"{found['ssim']:.3f}" if "ssim" in found else "")]
    return [*cells, f"{100 * found['accuracy']:.1f} %" if "accuracy" in found else ""]


@app.command("describe")
def describe_command(name: str, as_json: Json = False) -> None:
    """Show a network's registry entry."""
    with reporting():
        entry = describe(name)
    if as_json:
        typer.echo(json.dumps(entry.to_dict(), indent=1))
        return
    table = Table("field", "value", box=None, show_header=False)
    for key, value in {"name": entry.name, "title": entry.title, **entry.to_dict(), "size": entry.size}.items():
        table.add_row(key, value if isinstance(value, str) else json.dumps(value))
    console().print(table)


@app.command("verify")
def verify_command(names: Names = None, device: Device = "cpu") -> None:
    """Check every file's sha256 and run the golden tensors."""
    failed = 0
    with reporting():
        chosen = _chosen(names)
    for name in chosen:
        try:
            report = verify(name, device)
            failed += not report.passed
            word = "ok" if report.passed else "FAILED: the output differs from the golden tensors"
            typer.echo(f"{name}: {word} (largest difference {report.error:.1e}, allowed {report.tolerance:.1e})")
        except ZooError as error:
            failed += 1
            typer.secho(f"{name}: FAILED: {error}", err=True, fg="red")
    typer.echo(f"{len(chosen) - failed} of {len(chosen)} checkpoints are unchanged since publication")
    if failed:
        raise typer.Exit(1)


class Sent(NamedTuple):
    """What ``transmit`` returns: the reconstruction and the lines to print."""

    reconstruction: Tensor
    lines: list[str]


@app.command("transmit")
def transmit_command(
    image: Annotated[Path, typer.Argument(help="The picture to send, any size.")],
    side: Annotated[
        Path | None, typer.Option(help="The receiver's picture, of the same size (default: a crop).")
    ] = None,
    model: Annotated[str | None, typer.Option(help="Name of a link network (default: ROI at 1/16).")] = None,
    snr: Annotated[float, typer.Option(help="dB per complex symbol.")] = 5.0,
    rho: Annotated[str | None, typer.Option(help="Bandwidth ratio of a flexible network, e.g. 1/24.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the channel noise: same seed, same pixels.")] = 0,
    channel: Annotated[str, typer.Option(help=f"One of {', '.join(CHANNELS)}.")] = "awgn",
    roi: Annotated[str, typer.Option(help=f"Origin of the ROI map: {', '.join(ROI_ORIGINS)}.")] = "side",
    out: Annotated[Path, typer.Option(help="Output file of the reconstruction (PNG).")] = Path("reconstruction.png"),
    max_side: Annotated[
        int, typer.Option(help="Shrink larger pictures until the longer side has this many pixels.")
    ] = 1024,
    device: Device = "auto",
) -> None:
    """Send one picture through a link and write the reconstruction."""
    with reporting():
        source = read_picture(image, max_side=max_side)
        other = None if side is None else read_picture(side, max_side=max_side)
        name = model or default_model()
        ratio = None if rho is None else parse_rho(rho)
        sent = transmit(source, other, name, snr=snr, rho=ratio, seed=seed, channel=channel, roi=roi, device=device)
        _write(out, png_bytes(to_pixels(sent.reconstruction[0])))
    typer.echo("\n".join([*sent.lines, f"written         {out}"]))


def default_model() -> str:
    """The ROI network at 1/16, else the first available link network; raises ZooError for an empty zoo."""
    known = list_models()
    if not known:
        raise ZooError("the zoo has no link network: pull one (`python -m zoo pull NAME`) or publish one")
    return next((name for name in DEFAULT_MODELS if name in known), known[0])


def transmit(
    source: Tensor, side: Tensor | None, model: str, *, snr: float, seed: int, channel: str, roi: str, device: str,
    rho: float | None = None,
) -> Sent:  # fmt: skip
    """Send a picture ``[1, 3, H, W]``; without ``side`` the receiver holds the crop pair's side image.

    ``rho``: the bandwidth ratio of a flexible network (default 1/16); any other network has its own.
    """
    import torch

    from wzroi.channel import sample_channel
    from wzroi.link import run_link
    from wzroi.roi import origin_of
    from zoo.serving.gallery import entry_of
    from zoo.serving.roi_maps import map_of

    network = load(model, device)
    ratio = check_rate(network.config, rho)
    where = next(network.parameters()).device
    origin_of(roi)  # raises for an unknown one, also where the network takes no map
    entry = entry_of("file:", model, [source] if side is None else [source, side])
    pair = entry.pair.to(where)
    judge_name = describe(model).judge
    judge = load_judge(judge_name, device) if judge_name in list_judges() else None
    generator = torch.Generator().manual_seed(seed)
    height, width = source.shape[-2:]
    symbols = symbols_at(network, height, width, 1 / ratio)
    state = sample_channel(channel, snr, 1, symbols, generator=generator, device=where)
    guide = None
    if network.config.uses_roi:
        if judge is None:
            raise ZooError(f"{model} needs the judge {judge_name} for its ROI map: pull it as well")
        guide = map_of(entry, judge, roi, seed)
    report = run_link(network, pair, state, guide, judge)
    lines = _report(model, source, state.symbols, report, snr, channel)
    row = ARCHITECTURES[network.config.architecture]
    if row.side and not row.searches and (side is not None or (height, width) != (32, 32)):
        lines.append(
            "note            it was trained with a crop of 32 x 32 pictures as side information; expect less here"
        )
    return Sent(report.reconstruction.cpu(), lines)


def _report(model: str, source: Tensor, symbols: int, report: object, snr: float, channel: str) -> list[str]:
    from wzroi.config import CLASSES
    from wzroi.link import LinkReport
    from wzroi.metrics import METRICS

    assert isinstance(report, LinkReport)
    height, width = source.shape[-2:]
    lines = [
        f"model           {model}",
        f"picture         {width} x {height}",
        f"channel         {channel}, {snr:g} dB",
        f"symbols k       {symbols}",
        f"bandwidth ratio {symbols / source.numel():.5f} = 1/{source.numel() / symbols:.4g}",
        f"PSNR            {report.psnr.item():.2f} dB",
        f"SSIM            {report.ssim.item():.4f}",
    ]
    if report.roi_psnr is not None:
        lines.append(f"ROI-PSNR        {report.roi_psnr.item():.2f} dB")
    lines += [f"{METRICS[key].title:<15} {METRICS[key].to_text(found.item())}" for key, found in report.added().items()]
    if report.logits is not None:
        chance, index = report.logits.softmax(dim=1)[0].max(dim=0)
        lines.append(f"class           {CLASSES[int(index)]} ({100 * chance.item():.0f} %)")
    return lines


def _write(path: Path, blob: bytes) -> None:
    """Write atomically; raises ZooError if the file cannot be written."""
    try:
        write_file(path, blob)
    except OSError as error:
        raise ZooError(f"{path} cannot be written ({error.strerror}): name another file with --out") from error


Repo = Annotated[str | None, typer.Option(help="USER/NAME or USER/NAME@revision on the Hub (default: $WZROI_REPO).")]


@app.command("pull")
def pull_command(
    names: Names = None,
    repo: Repo = None,
    revision: Annotated[str | None, typer.Option(help="Branch, tag or commit.")] = None,
) -> None:
    """Download networks from a Hub repository into the Hub cache and check every file against the registry."""
    from zoo import hub

    with reporting():
        pulled = hub.pull(names or ["*"], repo, revision)
        where = hub.repository(repo, revision)
    typer.echo("\n".join([*pulled, f"{len(pulled)} checkpoints of {where.id} ({where.revision}) are available"]))
    if not os.environ.get(hub.VARIABLE):
        typer.echo(f"set {hub.VARIABLE}={where.id} for zoo.load and the explorer to find them by name")


@app.command("push")
def push_command(
    names: Names = None,
    repo: Repo = None,
    results: Annotated[Path | None, typer.Option(help="Folder of the results files.")] = None,
    private: Annotated[bool, typer.Option("--private", help="Create the repository as private.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be sent without sending it.")] = False,
) -> None:
    """Publish networks to a Hub repository: one commit with only what changed."""
    from zoo import hub

    with reporting():
        target = hub.repository(repo).id
        folder = results or hub.RESULTS
        report = hub.push(target, _local(names), results=folder, private=private, dry_run=dry_run)
    for path in report.uploaded:
        typer.echo(f"{'would send' if dry_run else 'sent'} {path}")
    typer.echo(f"{len(report.uploaded)} files changed, {len(report.unchanged)} unchanged")
    if report.commit is not None:
        typer.echo(f"commit {report.commit} in {report.repo}")


def _local(patterns: list[str] | None) -> list[str] | None:
    """Matching names in the active store; what was pulled from elsewhere is not pushed again."""
    if patterns is None:
        return None
    entries = default_store().entries()
    for pattern in patterns:
        if not fnmatch.filter(entries, pattern):
            raise ZooError(unknown_name(pattern, list(entries), default_store().origin))
    return [name for name in entries if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)]


app.command("space")(space_command)
