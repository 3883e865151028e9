"""Model cards: Markdown with the Hub's YAML front matter, generated from the registry and the results files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wzroi.architectures import ARCHITECTURES, PAPER_LIMITS
from wzroi.config import PAPER_ARCHITECTURES, LinkConfig
from wzroi.metrics import METRICS, per_image
from zoo.errors import ZooError
from zoo.rates import rates_of, rho_text
from zoo.results.comparison import section
from zoo.results.files import sending
from zoo.results.tables import column_of
from zoo.store.registry import Entry

LICENCE = "mit"
LIBRARY = "wzroi"

SAVED = "Saved with save_pretrained."
"""Origin of a network that is no part of the zoo: it is loaded from its folder, not by name."""

DATASET = "uoft-cs/cifar10"
PAPER = (
    "Tian, Dong, Cao: Joint ROI Guidance and Spatial Analysis for Task-Aware Distributed Deep Joint Source-Channel "
    "Coding"
)

SNR_DB = 5.0
"""The SNR of the paper's main tables and of a card's figures."""

RATE = 16
"""1/rho of a flexible network's figures."""


def figure_titles() -> dict[str, str]:
    """Metric -> title on cards, accuracy last; the PSNR of the mean error stands in the PSNR's column."""
    titles = {key: METRICS[key].title + f" ({METRICS[key].unit})" * bool(METRICS[key].unit) for key in per_image()}
    return titles | {"accuracy": "judge accuracy"}


def read_results(folder: Path | None, name: str) -> dict[str, Any] | None:
    """``<name>.json`` of a results folder, or ``None``; raises ZooError if it belongs to another model."""
    path = folder / f"{name}.json" if folder is not None else None
    if path is None or not path.is_file():
        return None
    try:
        values = json.loads(path.read_text())
        owner = values["model"]
    except (ValueError, KeyError, TypeError) as error:
        raise ZooError(f"{path} is not a results file: evaluate {name} again") from error
    if owner != name:
        raise ZooError(f"{path} contains the results of {owner}: evaluate {name} again")
    return values


def row_at(rows: Sequence[Mapping[str, Any]], snr_db: float = SNR_DB) -> Mapping[str, Any] | None:
    """The row of an SNR, of a flexible network at 1/16; or ``None``."""
    return next((row for row in rows if row["snr_db"] == snr_db and row.get("rate", RATE) == RATE), None)


def summary(results: Mapping[str, Any] | None) -> dict[str, float]:
    """The registry's figures: the 5 dB row of a link network (a flexible one's at 1/16), a judge's accuracies."""
    if results is None:
        return {}
    if "clean" in results:
        parts = {kind: results[kind] for kind in ("clean", "side") if kind in results}
        named = {kind: "accuracy" if kind == "clean" else f"{kind}_accuracy" for kind in parts}
        found = {named[kind]: part["accuracy"] for kind, part in parts.items()}
        return found | {f"{named[kind]}_ci95": part["accuracy_ci95"] for kind, part in parts.items()}
    row = row_at(results["rows"])
    if row is None:
        return {}
    figures = {key: column_of(key) for key in figure_titles()}
    found = {key: row[column] for key, column in figures.items() if row.get(column) is not None}
    ends = {f"{key}_ci95": row[f"{key}_ci95"] for key in found if row.get(f"{key}_ci95") is not None}
    return found | ends


def front_matter(entry: Entry) -> dict[str, Any]:
    """The Hub's metadata of one checkpoint."""
    values: dict[str, Any] = {
        "license": entry.licence, "library_name": LIBRARY, "datasets": [DATASET], "pipeline_tag": _pipeline(entry),
        "tags": _tags(entry), "metrics": ["accuracy"] if entry.network == "judge" else ["psnr", "ssim", "accuracy"],
    }
    if entry.metrics:
        values["model-index"] = [{"name": entry.name, "results": [model_index(entry)]}]
    return values


def _pipeline(entry: Entry) -> str:
    return "image-classification" if entry.network == "judge" else "image-to-image"


def _tags(entry: Entry) -> list[str]:
    common = ["semantic-communication", "safetensors"]
    if entry.link is None:
        return ["resnet", "grad-cam", *common]
    return ["joint-source-channel-coding", "deepjscc", "wyner-ziv", entry.link.architecture, *common]


def model_index(entry: Entry) -> dict[str, Any]:
    """One result of a ``model-index``: the registry's figures on the CIFAR-10 test set."""
    metrics = [
        {"type": key, "name": _metric_name(key, entry), "value": round(value, 4)}
        for key, value in entry.metrics.items()
        if not key.endswith("_ci95")
    ]
    return {
        "task": {"type": _pipeline(entry)},
        "dataset": {"type": DATASET, "name": "CIFAR-10", "split": "test"},
        "metrics": metrics,
    }


def _metric_name(key: str, entry: Entry) -> str:
    if entry.network == "judge":
        return {"accuracy": "accuracy, clean images", "side_accuracy": "accuracy, side views"}.get(key, key)
    return f"{figure_titles().get(key, key)} at {SNR_DB:g} dB, AWGN" + f", bandwidth ratio 1/{RATE}" * entry.flexible


def with_front_matter(values: Mapping[str, Any], body: str) -> str:
    """A card's text: YAML between dashes, then Markdown."""
    import yaml

    return f"---\n{yaml.safe_dump(dict(values), sort_keys=False, allow_unicode=True, width=110)}---\n\n{body}"


def card(entry: Entry, results: Mapping[str, Any] | None, folder: Path | None = None) -> str:
    """The model card of one checkpoint.

    Args:
        results: those of its own weights, or ``None``. folder: of all results files, for the comparison with others.
    """
    beside = section(entry.name, folder) if results is not None and entry.metrics else ""
    parts = [f"# {entry.title}\n", _what(entry), _how_to_load(entry)]
    parts += [_results_section(entry, results), *([beside] if beside else []), _training(entry)]
    parts.append(f"## Limits\n\n{_limits(entry)}\n")
    parts.append(f"## Source\n\n{'Beyond the paper: ' * _beyond(entry)}{PAPER}.\n")
    return with_front_matter(front_matter(entry), "\n".join(parts))


def _limits(entry: Entry) -> str:
    return PAPER_LIMITS if entry.link is None else ARCHITECTURES[entry.link.architecture].limits


def _beyond(entry: Entry) -> bool:
    return entry.link is not None and entry.link.architecture not in PAPER_ARCHITECTURES


def _what(entry: Entry) -> str:
    size = f"{entry.parameters:,} parameters, stored in half precision, loaded as fp32."
    if entry.link is None:
        return (
            f"The judge `{entry.name}`: classifies CIFAR-10 pictures, and its Grad-CAM is the ROI map. Trained on "
            f"clean images and on side views. {size}\n"
        )
    row = ARCHITECTURES[entry.link.architecture]
    return f"`{entry.name}` is {row.title} {row.card(entry.link)} {size}\n"


def _how_to_load(entry: Entry) -> str:
    if entry.origin == SAVED:
        return (
            "## Load\n\n```python\nimport zoo\n\n"
            'network = zoo.from_pretrained("path/to/this/folder")\n'
            f'network = zoo.from_pretrained("USER/NAME", "{entry.name}")  # from a Hub repository\n```\n'
        )
    if entry.network == "judge":
        lines = f'judge = zoo.load_judge("{entry.name}")\nlogits = judge(images)  # [B, 3, H, W] in [0, 1]'
    else:
        lines = (
            f'model = zoo.load("{entry.name}")\n'
            f"k = model.num_symbols(32, 32{', rho=1 / 16' * entry.flexible})  # complex channel symbols per image"
        )
    return f"## Load\n\n```python\nimport zoo\n{lines}\n```\n"


def _results_section(entry: Entry, results: Mapping[str, Any] | None) -> str:
    if results is None or not entry.metrics:
        return "## Results\n\nNot evaluated on the test set yet.\n"
    if entry.network == "judge":
        lines = [f"- {_metric_name(key, entry)}: {_figure(entry.metrics, key)}" for key in _plain(entry.metrics)]
        return "## Results\n\nCIFAR-10 test set, with 95 % intervals.\n\n" + "\n".join(lines) + "\n"
    head = (
        f"CIFAR-10 test set, {results['images']} images, {sending(results)}, "
        f"{results.get('channel', 'awgn')}, ROI origin `{results.get('roi_origin', 'side')}`, pair source "
        f"`{results.get('pair_source', '?')}`, judge `{results.get('judge', entry.judge)}`; ± is a 95 % interval. "
        "PSNR is the mean over images; the figure in brackets is 10 log10(1 / mean MSE), as the paper prints it.\n"
    )
    tables = [
        (f"\nBandwidth ratio 1/{rate}:\n\n" if rate else "\n") + curve_table(rows)
        for rate, rows in _by_rate(results["rows"])
    ]
    return f"## Results\n\n{head}{''.join(tables)}"


def _by_rate(rows: Sequence[Mapping[str, Any]]) -> list[tuple[int, list[Mapping[str, Any]]]]:
    """A flexible network's rows by 1/rho, fewest symbols first; another's rows as they are, under 0."""
    rates = sorted({row.get("rate", 0) for row in rows}, reverse=True)
    return [(rate, [row for row in rows if row.get("rate", 0) == rate]) for rate in rates]


def _plain(metrics: Mapping[str, float]) -> list[str]:
    return [key for key in metrics if not key.endswith("_ci95")]


def _figure(metrics: Mapping[str, float], key: str) -> str:
    digits = METRICS[key].digits if key in METRICS and METRICS[key].unit == "dB" else 4
    interval = metrics.get(f"{key}_ci95")
    return f"{metrics[key]:.{digits}f}" + (f" ± {interval:.{digits}f}" if interval is not None else "")


def curve_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """A Markdown table with a line per SNR."""
    titles = [title.removeprefix("judge ") for title in figure_titles().values()]
    lines = [f"| SNR (dB) | {' | '.join(titles)} |", "|---" * (len(titles) + 1) + "|"]
    for row in sorted(rows, key=lambda row: row["snr_db"]):
        figures = summary({"rows": [{**row, "snr_db": SNR_DB, "rate": RATE}]})
        cells = [_figure(figures, key) if key in figures else "-" for key in figure_titles()]
        cells[0] += f" ({row['psnr_of_mean_mse']:.2f})" if row.get("psnr_of_mean_mse") is not None else ""
        lines.append(f"| {row['snr_db']:g} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _training_line(key: str, value: Any) -> str:
    if key == "wall_s":
        return f"- wall time: {value / 60:.0f} minutes"
    if key == "core_s":
        return f"- processor time: {value / 3600:.2f} core hours"
    return f"- {key.replace('_', ' ')}: `{_short(value)}`"


def _training(entry: Entry) -> str:
    lines = [_training_line(key, value) for key, value in entry.training.items()]
    data = "45,000 pictures of CIFAR-10's training set, the other 5,000 for validation, none of the test set."
    known = f"Data: {data}\n\n" if "seed" in entry.training else ""
    return f"## Training\n\n{entry.origin}\n\n{known}" + "\n".join(lines) + "\n"


def _short(value: Any) -> str:
    return json.dumps(value) if isinstance(value, dict | list) else str(value)


REPOSITORY_TEXT = """A zoo of Wyner-Ziv deep joint source-channel coding networks: a camera sends a picture with very
few channel symbols, and the receiver, which already has a correlated picture, reconstructs and classifies it. Weights
are safetensors in half precision; `registry.json` holds every file's sha256; each folder has golden tensors to verify
that the network still gives its published output; `results/` has the points of every curve."""


def repository_card(repo: str, entries: Mapping[str, Entry]) -> str:
    """The card of a whole repository: how to load, a table of all checkpoints, and the Hub's model-index of them."""
    judged = [entry for entry in entries.values() if entry.metrics]
    values: dict[str, Any] = {
        "license": LICENCE, "library_name": LIBRARY, "datasets": [DATASET], "pipeline_tag": "image-to-image",
        "tags": ["joint-source-channel-coding", "deepjscc", "wyner-ziv", "semantic-communication", "safetensors"],
    }
    if judged:
        values["model-index"] = [{"name": "WZ-ROI", "results": [_named_index(entry) for entry in judged]}]
    parts = ["# WZ-ROI\n", REPOSITORY_TEXT + "\n", _how_to_pull(repo, entries), _table(entries)]
    parts += [f"## Limits\n\n{PAPER_LIMITS}\n", f"## Source\n\n{PAPER}.\n"]
    return with_front_matter(values, "\n".join(parts))


def repository_config(entries: Mapping[str, Entry]) -> str:
    """The repository's ``config.json``, by which the Hub knows the library and counts downloads."""
    networks = {name: entry.network for name, entry in entries.items()}
    values = {"library_name": LIBRARY, "model_type": "wyner-ziv-deepjscc-zoo", "checkpoints": networks}
    return json.dumps(values, indent=1) + "\n"


def _named_index(entry: Entry) -> dict[str, Any]:
    """A checkpoint's result in a repository's one model-index; the Hub's client knows no second model in it."""
    found = model_index(entry)
    return found | {"dataset": found["dataset"] | {"name": f"CIFAR-10, {entry.name}", "config": entry.name}}


def _how_to_pull(repo: str, entries: Mapping[str, Entry]) -> str:
    links = [name for name, entry in entries.items() if entry.network == "link"]
    name = links[-1] if links else next(iter(entries))
    return f'## Load\n\n```python\nimport zoo\nmodel = zoo.from_pretrained("{repo}", "{name}")\n```\n'


def _ratios(config: LinkConfig) -> str:
    """``1/16``, or a flexible network's two ends."""
    rates = rates_of(config)
    return " to ".join(dict.fromkeys((rho_text(rates[0]), rho_text(rates[-1]))))


def _table(entries: Mapping[str, Entry]) -> str:
    head = "CIFAR-10 test set; link networks at 5 dB on AWGN, judges on clean images; ± is a 95 % interval.\n"
    lines = ["| name | bandwidth ratio | parameters | PSNR (dB) | SSIM | accuracy |", "|---|---|---|---|---|---|"]
    for name, entry in entries.items():
        rho = "" if entry.link is None else _ratios(entry.link)
        cells = [_figure(entry.metrics, key) if key in entry.metrics else "" for key in ("psnr", "ssim", "accuracy")]
        lines.append(f"| `{name}` | {rho} | {entry.parameters:,} | {' | '.join(cells)} |")
    return f"## Checkpoints\n\n{head}\n" + "\n".join(lines) + "\n"
