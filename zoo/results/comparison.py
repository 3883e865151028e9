"""What a network is compared with in tables and on its card: its controls, the baselines and the bounds, at 5 dB."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from wzroi.config import ConfigError
from wzroi.names import ModelName
from zoo.results import claims
from zoo.results import files as data
from zoo.results.tables import BASELINES, BOUNDS, FLEX_CONTROLS, HEADLINE_DB, Tier, roi_titles

FLEXIBLE_RATE = 16
"""1/rho at which a flexible network is compared with the baselines."""

COLUMNS = ("psnr", "psnr_of_mean_mse", "ssim", "accuracy")
Cells = tuple[str, ...]
Read = Callable[[str], data.Value | None]


def _cells(title: str, read: Read) -> Cells | None:
    """A row of the table; ``None`` if nothing was measured."""
    found = {metric: read(metric) for metric in COLUMNS}
    if all(value is None for value in found.values()):
        return None
    return title, *("–" if value is None else value.to_text(metric) for metric, value in found.items())


def _rate(name: ModelName) -> int:
    """1/rho of a network's values: its own, or 16 for a flexible one."""
    return FLEXIBLE_RATE if name.rate is None else name.rate


def _network(name: str, control: str, folder: Path, rate: int | None = None) -> Read:
    def read(metric: str) -> data.Value | None:
        found = data.results(name, folder, rate)
        return found.at(metric, HEADLINE_DB, control) if found else None

    return read


def _scheme(rate: int, key: str, tier: Tier, folder: Path) -> Read:
    def read(metric: str) -> data.Value | None:
        return dict(data.scheme(rate, key, metric, tier, folder)).get(HEADLINE_DB)

    return read


def _alone(metric: str, value: data.Value | None) -> Read:
    """One metric's value."""
    return {metric: value}.get


def _controls(name: ModelName, tier: Tier, folder: Path) -> Iterator[tuple[str, Read]]:
    rate = _rate(name)
    yield f"**`{name}`**" + f", 1/{rate}" * name.flexible, _network(str(name), "", folder, rate)
    yield "control: its output with the known crop copied back (paste)", _network(str(name), "paste", folder, rate)
    for key, title in FLEX_CONTROLS.items():
        yield f"control: {title}", _network(str(name), key, folder, rate)
    if name.architecture != "deepjscc":
        plain = data.name_of("deepjscc", name.stage, rate, tier)
        yield f"control: `{plain}` + paste", _network(plain, "paste", folder)
    for origin, title in roi_titles().items():
        yield f"control: ROI map at the decoder, {title}", _network(str(name), f"roi:{origin}", folder, rate)
    yield "control: the judge on the side image, nothing sent", _alone("accuracy", data.judged("side", tier, folder))
    yield "control: the judge on clean images", _alone("accuracy", data.judged("clean", tier, folder))


def _baselines(name: ModelName, tier: Tier, folder: Path) -> Iterator[tuple[str, Read]]:
    """Baselines and bounds; those that use the side image only for a network that does."""
    sided = name.architecture != "deepjscc"
    for key, title in BASELINES.items():
        if sided or not claims.uses_side(key):
            yield title, _scheme(_rate(name), key, tier, folder)
    for kind, title in BOUNDS.items():
        value = dict(data.bounds(_rate(name), kind, folder)).get(HEADLINE_DB)
        if value is not None and (sided or kind == "none"):
            found = _alone("psnr_of_mean_mse", data.Value(value, None))
            yield f"bound: Gaussian source at capacity, {title}", found


def rows(name: ModelName, folder: Path) -> list[Cells]:
    """The network, its controls, the baselines and bounds: title, and a cell for each of ``COLUMNS``."""
    tier: Tier = "lite" if name.lite else "paper"
    lines = (*_controls(name, tier, folder), *_baselines(name, tier, folder))
    return [cells for title, read in lines if (cells := _cells(title, read)) is not None]


def section(text: str, folder: Path | None) -> str:
    """The section of a model card that compares the network with others; empty without its results.

    Args:
        text: the checkpoint's name. folder: of the results files.
    """
    try:
        name = ModelName.parse(text)
    except ConfigError:
        return ""
    if folder is None or data.results(text, folder) is None:
        return ""
    head = ["| at 5 dB, AWGN | PSNR (dB) | PSNR of mean MSE (dB) | SSIM | accuracy (%) |", "|---|---|---|---|---|"]
    lines = head + ["| " + " | ".join(cells) + " |" for cells in rows(name, folder)]
    return f"### Comparison\n\n{_summary(name, folder)}\n\n" + "\n".join(lines) + f"\n\n{READ}\n"


READ = (
    "`paste` copies the receiver's 20x20 pixels over an output. Ideal: as many bits as the channel's capacity, "
    "without a header. Bounds hold for a Gaussian source and the mean squared error. An oracle's map needs "
    "information that no receiver has. A baseline's accuracy is shown if this network's judge has classified it."
)


def _summary(name: ModelName, folder: Path) -> str:
    """One sentence per metric: what beats the network."""
    lines = []
    for metric, title in (("psnr", "PSNR"), ("accuracy", "accuracy")):
        beaten = ", ".join(claims.beaten_by(name, _rate(name), folder, metric))
        lines.append(
            f"**At 5 dB, better in {title}: {beaten}.**" if beaten
            else f"At 5 dB, no control or baseline with the same information is better in {title}."
        )
    return "\n\n".join(lines)
