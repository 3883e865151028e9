"""The tables of the digital baseline: codecs at capacity, whole files, and a real link with its cliff."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from training.reports.markdown import Table
from zoo.results import files as data
from zoo.results.tables import PAPER_RATES, TABLE_SNRS

Row = dict[str, Any]
Found = dict[tuple[str, int, float], Row]
"""(scheme, 1/rho, SNR) -> row of ``digital.json``."""

CODECS = {"avif": "AVIF", "webp": "WebP", "jpeg2000": "JPEG 2000"}
MOSAICS = {
    f"{codec}_mosaic{ending}": title + suffix
    for codec, title in CODECS.items()
    for ending, suffix in {"": "", "_paste": " + paste", "_unsent": ", crop never sent"}.items()
}
"""Scheme -> heading; those that were not measured have no column."""


def digital_tables(folder: Path) -> list[Table]:
    """All of them; empty without ``digital.json``."""
    about = data.read("digital", folder)
    if about is None:
        return []
    rows = {(row["scheme"], row["rate"], row["snr_db"]): row for row in about["rows"]}
    return [*_capacity(rows), *_files(about.get("files", {}), rows), *_link(rows)]


def _psnr(row: Row | None) -> str:
    return "–" if row is None else data.Value(row["psnr_mean"], row["psnr_ci95"]).to_text("psnr")


def _capacity(rows: Found) -> list[Table]:
    """Mosaics with as many bits per image as the channel's capacity."""
    shown = {key: title for key, title in MOSAICS.items() if any(scheme == key for scheme, *_ in rows)}
    lines = []
    for rate, snr_db in ((rate, snr_db) for rate in PAPER_RATES for snr_db in TABLE_SNRS):
        found = [rows.get((key, rate, snr_db)) for key in shown]
        bits = next((f"{row['bits']:.0f}" for row in found if row is not None), None)
        if bits is not None:
            lines.append([f"1/{rate}, {snr_db:g} dB", bits, *map(_psnr, found)])
    title = "Codecs at capacity: PSNR of header-free mosaics, dB"
    headings = ["ρ, SNR", "bits per image", *shown.values()]
    return [Table(title, headings, lines, "–: no level of the codec is small enough.")] if lines else []


def _files(files: dict[str, Row], rows: Found) -> list[Table]:
    """Whole files: their least size, and the smallest capacity into which every picture fits."""
    lines = []
    for codec, found in files.items():
        fits = [row for (scheme, *_), row in rows.items() if scheme == f"{codec}_file"]
        first = min(fits, key=lambda row: row["bits"], default=None)
        where = "–" if first is None else f"1/{first['rate']}, {first['snr_db']:g} dB"
        size = f"{found['smallest_bytes_mean']:.1f} ± {found['smallest_bytes_ci95']:.1f}"
        lines.append([CODECS[codec], str(found["images"]), size, str(found["smallest_bytes_max"]), where, _psnr(first)])
    title = "Whole files: one per picture, at the codec's smallest level"
    headings = ["Codec", "pictures", "smallest file, bytes", "largest of these", "carried at capacity from",
                "PSNR there, dB"]
    return [Table(title, headings, lines)] if lines else []


CHOSEN: dict[str, Callable[[Row], str]] = {
    "scheme": lambda row: str(row["link"]),
    "codec, bits per image": lambda row: f"{row['codec']}, {row['bits']:.0f}",
    "blocks lost, %": lambda row: f"{100 * row['block_error_rate']:.1f}",
    "PSNR": _psnr,
}
BESIDE = {"link_paste": "PSNR + paste", "link_unsent": "PSNR, crop never sent"}


def _link(rows: Found) -> list[Table]:
    """The digital link over SNR: the scheme chosen at each SNR, and the one chosen at 5 dB kept."""
    places = sorted({(rate, snr_db) for scheme, rate, snr_db in rows if scheme.startswith("link")},
                    key=lambda at: (-at[0], at[1]))
    lines = []
    for rate, snr_db in places:
        cells = [f"1/{rate}, {snr_db:g} dB"]
        for key in ("link", "link_fixed"):
            row = rows.get((key, rate, snr_db))
            cells += ["–" if row is None else cell(row) for cell in CHOSEN.values()]
            if key == "link":
                cells += [_psnr(rows.get((other, rate, snr_db))) for other in BESIDE]
        lines.append(cells)
    headings = ["ρ, SNR", *(f"chosen at each SNR: {text}" for text in (*CHOSEN, *BESIDE.values())),
                *(f"kept from 5 dB: {text}" for text in CHOSEN)]
    title = "Digital link: codec, 5G LDPC, QAM, one block per image"
    return [Table(title, headings, lines, "A lost block shows the mean training picture.")] if lines else []
