"""The commands of ``python -m zoo``."""

from __future__ import annotations

import fnmatch
import io
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer
from PIL import Image
from rich.table import Column, Table
from torch import Tensor

from wzroi.architectures import ARCHITECTURES
from wzroi.channel import CHANNELS
from wzroi.images import Pixels, png_bytes, to_pixels
from wzroi.roi import ROI_ORIGINS
from zoo.console import console, reporting
from zoo.environment import expanded
from zoo.errors import ZooError
from zoo.image_io import OWN, Picture, PictureError, check_same_size, load_picture, load_views, notes_of
from zoo.loading import describe, list_absent, list_judges, list_models, load, load_judge, verify
from zoo.pictures.decode import Layout
from zoo.rates import check_rate, parse_rho, rates_of, rho_text, symbols_at
from zoo.space.deploy import space_command
from zoo.store.folders import default_store
from zoo.store.registry import Entry, canonical, unknown_name
from zoo.store.verified import absent as not_here
from zoo.store.writing import write_file

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Trained networks by name.")

SUFFIXES = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".bmp": "BMP", ".tif": "TIFF",
            ".tiff": "TIFF"}  # fmt: skip
"""Ending of a written picture -> Pillow's name of its format."""

SAVED_AS: dict[str, dict[str, Any]] = {"JPEG": {"quality": 95, "subsampling": 0}, "WEBP": {"lossless": True}}
"""Pillow's options by format: only a JPEG loses something."""

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
            absent = list_absent(pattern)
            raise ZooError(not_here(absent[0]) if absent else _nothing(pattern))
        chosen += [name for name in found if name not in chosen]
    return chosen


def _nothing(pattern: str) -> str:
    """The sentence for a pattern without a match, or for an empty zoo."""
    store = default_store()
    known = [*store.entries(), *list_models(), *list_judges()]
    if not known:
        return f"the zoo ({store.origin}) holds no networks: pull some (`python -m zoo pull`), or unset WZROI_ZOO"
    return unknown_name(pattern, list(dict.fromkeys(known)), store.origin)


@app.command("list")
def list_command(pattern: Annotated[str, typer.Argument()] = "*", as_json: Json = False) -> None:
    """List the available networks, and those that are in the registry but whose files are not here."""
    with reporting():
        absent = list_absent(pattern)
        entries = [describe(name) for name in list_models(pattern) + list_judges(pattern) + absent]
        if not entries:
            raise ZooError(_nothing(pattern))
    if as_json:
        typer.echo(json.dumps({entry.name: entry.to_dict() for entry in entries}, indent=1))
        return
    name = Column("name", no_wrap=True)
    table = Table(name, "rho", "k at 32x32", "parameters", "PSNR dB", "SSIM", "accuracy", "KiB", box=None)
    for entry in entries:
        size = "not here" if entry.name in absent else f"{entry.size / 1024:.0f}"
        table.add_row(entry.name, *_rate(entry), f"{entry.parameters:,}", *_figures(entry), size)
    console().print(table)
    typer.echo("PSNR, SSIM, accuracy: CIFAR-10 test set; link networks at 5 dB on AWGN, judges on clean images.")
    if any(entry.flexible for entry in entries):
        typer.echo("A flexible network supports every rho in its range; its figures are those at 1/16.")
    if absent:
        typer.echo("not here: fetch it with `python -m zoo pull NAME --repo USER/NAME`, or use a checkout.")


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
    out: Annotated[
        Path, typer.Option(help="Output file of the reconstruction: .png, .jpg, .webp, ...")
    ] = Path("reconstruction.png"),
    max_side: Annotated[
        int, typer.Option(help="Shrink larger pictures until the longer side has this many pixels.")
    ] = 1024,
    layout: Annotated[
        Layout,
        typer.Option(help="What IMAGE holds: one picture, or the sent and the receiver's, as views (a stereo camera's "
                     "MPO file), side-by-side or top-bottom."),
    ] = "single",
    device: Device = "auto",
) -> None:
    """Send one picture through a link and write the reconstruction."""
    with reporting():
        image, side, out = expanded(image), None if side is None else expanded(side), expanded(out)
        check_out(out, [image] if side is None else [image, side])
        pictures = _read(image, side, max_side, layout)
        source, other = pictures[0].pixels, pictures[1].pixels if len(pictures) > 1 else None
        name = describe(model or default_model()).name
        ratio = None if rho is None else parse_rho(rho)
        sent = transmit(source, other, name, snr=snr, rho=ratio, seed=seed, channel=channel, roi=roi, device=device)
        _write(out, encoded(to_pixels(sent.reconstruction[0]), out.suffix))
    notes = [f"note            {note}" for note in notes_of(pictures)]
    typer.echo("\n".join([*sent.lines, *notes, f"written         {out}"]))


def _read(image: Path, side: Path | None, max_side: int, layout: Layout) -> list[Picture]:
    """The picture to send, and the receiver's where one is given; raises PictureError."""
    if layout != "single":
        if side is not None:
            raise PictureError(f"--layout {layout} takes both pictures from {image.name}: leave --side out")
        return list(load_views(image, layout, max_side=max_side, budget=OWN))
    paths = [image] if side is None else [image, side]
    pictures = [load_picture(path, max_side=max_side, budget=OWN) for path in paths]
    check_same_size(pictures, [path.name for path in paths])
    return pictures


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
    from wzroi.metrics import METRICS, figure_text

    assert isinstance(report, LinkReport)
    height, width = source.shape[-2:]
    lines = [
        f"model           {model}",
        f"picture         {width} x {height}",
        f"channel         {channel}, {snr:g} dB",
        f"symbols k       {symbols}",
        f"bandwidth ratio {symbols / source.numel():.5f} = 1/{source.numel() / symbols:.4g}",
        f"PSNR            {report.psnr.item():.2f} dB",
        f"SSIM            {figure_text(report.ssim, 4)}",
    ]
    if report.roi_psnr is not None:
        lines.append(f"ROI-PSNR        {report.roi_psnr.item():.2f} dB")
    lines += [f"{METRICS[key].title:<15} {METRICS[key].to_text(found.item())}" for key, found in report.added().items()]
    if report.logits is not None:
        chance, index = report.logits.softmax(dim=1)[0].max(dim=0)
        lines.append(f"class           {CLASSES[int(index)]} ({100 * chance.item():.0f} %)")
    return lines


def check_out(out: Path, inputs: Sequence[Path]) -> None:
    """Raise ZooError for a file that no picture can be written to, or that would replace what is sent."""
    if out.suffix.lower() not in SUFFIXES:
        raise ZooError(f"--out {out}: its ending must say the format, one of {', '.join(SUFFIXES)}")
    for given in inputs:
        if out.resolve() == given.resolve() or (out.exists() and given.exists() and out.samefile(given)):
            raise ZooError(f"--out {out} is the picture that is sent, which would be lost: name another file")


def encoded(pixels: Pixels, suffix: str) -> bytes:
    """A picture's bytes in the format of a file's ending."""
    kind = SUFFIXES[suffix.lower()]
    if kind == "PNG":
        return png_bytes(pixels)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **SAVED_AS.get(kind, {}))
    return buffer.getvalue()


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
    with reporting():
        from zoo import hub

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
    with reporting():
        from zoo import hub

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
        if not fnmatch.filter(entries, canonical(pattern)):
            raise ZooError(unknown_name(pattern, list(entries), default_store().origin))
    return [name for name in entries if any(fnmatch.fnmatchcase(name, canonical(p)) for p in patterns)]


app.command("space")(space_command)
