"""Block errors of a real digital link: 5G LDPC codes, QAM and our AWGN, one code block per image, into ``link.json``.

An image has ``96`` or ``192`` complex symbols, as for the networks. Each is one code block of 3GPP's LDPC code (TS
38.212) with Gray QAM, decoded by belief propagation; 16 bits of a block are its checksum (as in 5G for short blocks),
by which the receiver is assumed to detect every block error. Needs ``sionna-no-rt`` (``pip install 'wzroi[link]'``).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import torch
import typer
from torch import Tensor

from training.evaluation.plan import SNRS
from training.evaluation.results_file import provenance, write_json
from training.evaluation.row_cache import RowCache
from training.gaussian import capacity_bits
from wzroi.channel import apply_channel, sample_channel
from zoo.paths import OWN_RESULTS as RESULTS
from zoo.results.tables import PAPER_RATES

CHECK_BITS = 16
"""Bits of a block's checksum (TS 38.212, section 7.2.1: up to 3824 bits)."""

ITERATIONS = 20
CHUNK = 250
ENOUGH_ERRORS = 100
"""Number of errors after which a block error rate is accurate enough."""

VALUES = 3 * 32 * 32

MISSING = "the digital link needs sionna: install it with `pip install 'wzroi[link]'`"


class Scheme(NamedTuple):
    """Modulation and coding: ``2**order`` QAM, code rate in 1024ths."""

    order: int
    rate: int

    @property
    def text(self) -> str:
        """The title in tables."""
        name = "QPSK" if self.order == 2 else f"{2**self.order}-QAM"
        return f"{name}, {self.rate}/1024"

    def information(self, symbols: int) -> int:
        """Bits of a block before coding, including the checksum."""
        return round(symbols * self.order * self.rate / 1024)


SCHEMES = tuple(
    Scheme(order, rate) for order, rates in
    ((2, (251, 308, 449, 602)), (4, (378, 490, 616)), (6, (466, 567, 666, 772, 873))) for rate in rates
)
"""Rows of TS 38.214, table 5.1.3.1-1, evenly spread, above the lowest rate of the code's first base graph (1/5)."""

CountErrors = Callable[[int, float, torch.Generator], int]
"""(blocks, SNR in dB, generator) -> block errors."""


class LinkMissing(ImportError):
    """sionna is not installed; the message says how to get it."""


def ldpc_link(scheme: Scheme, symbols: int) -> CountErrors:
    """Code, map, send over AWGN, demap and decode random blocks of ``symbols`` complex uses.

    Raises:
        LinkMissing: without sionna.
    """
    try:
        from sionna.phy.fec.ldpc import LDPC5GDecoder, LDPC5GEncoder
        from sionna.phy.mapping import Demapper, Mapper
    except ImportError as error:
        raise LinkMissing(MISSING) from error
    size = scheme.information(symbols)
    encode = LDPC5GEncoder(size, symbols * scheme.order, num_bits_per_symbol=scheme.order)
    decode = LDPC5GDecoder(encode, num_iter=ITERATIONS, cn_update="boxplus")
    to_symbols, to_llr = Mapper("qam", scheme.order), Demapper("app", "qam", scheme.order)

    def count_errors(blocks: int, snr_db: float, generator: torch.Generator) -> int:
        bits = torch.randint(0, 2, (blocks, size), generator=generator).float()
        channel = sample_channel("awgn", snr_db, blocks, symbols, generator=generator)
        arrived = apply_channel(to_symbols(encode(bits)), channel)
        found: Tensor = decode(to_llr(arrived, channel.noise_power[0]))
        return int((found != bits).any(dim=1).sum())

    return count_errors


def error_row(count_errors: CountErrors, snr_db: float, blocks: int, seed: int) -> dict[str, int]:
    """Blocks sent and block errors at one SNR; stops early once ``ENOUGH_ERRORS`` were seen."""
    generator = torch.Generator().manual_seed(seed)
    sent = errors = 0
    while sent < blocks and errors < ENOUGH_ERRORS:
        count = min(CHUNK, blocks - sent)
        errors += count_errors(count, snr_db, generator)
        sent += count
    return {"blocks": sent, "errors": errors}


def worth_sending(scheme: Scheme, symbols: int, snr_db: float) -> bool:
    """Whether the block's bits are within the channel's capacity; above it, every block is counted as lost."""
    return scheme.information(symbols) <= capacity_bits(symbols, snr_db)


def error_rates(
    scheme: Scheme, rate: int, blocks: int, seed: int, row_cache: RowCache,
    link: Callable[[Scheme, int], CountErrors] = ldpc_link,
) -> list[dict[str, Any]]:
    """One row per SNR, ascending; after an SNR without errors, higher ones are not simulated but reuse its row."""
    symbols, count_errors = VALUES // rate, None
    rows: list[dict[str, Any]] = []
    size = scheme.information(symbols)
    common = {"rate": rate, "scheme": scheme.text, "order": scheme.order, "code_rate": scheme.rate,
              "information_bits": size, "payload_bits": size - CHECK_BITS}
    for snr_db in sorted(SNRS):
        if not worth_sending(scheme, symbols, snr_db):
            found = {"blocks": 0, "errors": 0}
        elif rows and rows[-1]["blocks"] and not rows[-1]["errors"]:
            found = {"blocks": rows[-1]["blocks"], "errors": 0}
        else:
            count_errors = count_errors or link(scheme, symbols)
            found = row_cache.row(
                f"{scheme.text} 1/{rate} {snr_db}", partial(error_row, count_errors, snr_db, blocks, seed)
            )
        rows.append({**common, "snr_db": snr_db, **found})
    return rows


def link_rows(
    blocks: int, seed: int, cache_path: Path, rates: tuple[int, ...] = PAPER_RATES,
    link: Callable[[Scheme, int], CountErrors] = ldpc_link,
) -> dict[str, Any]:
    """All schemes at all rates, in the format of ``link.json``."""
    about = {
        "model": "link",
        **provenance(torch.device("cpu")),
        "seeds": [seed],
        "channel": "awgn",
        "iterations": ITERATIONS,
        "check_bits": CHECK_BITS,
        "code": "5G LDPC (3GPP TS 38.212), sionna-no-rt",
    }
    del about["split"]  # no picture is sent
    row_cache = RowCache(cache_path, about | {"blocks": blocks})
    wanted = [(scheme, rate) for rate in rates for scheme in SCHEMES]
    rows = [row for scheme, rate in wanted for row in error_rates(scheme, rate, blocks, seed, row_cache, link)]
    row_cache.close()
    return about | {"blocks": blocks, "rows": rows}


def link_command(
    out: Annotated[Path, typer.Option(help="Folder of the results files.")] = RESULTS,
    blocks: Annotated[int, typer.Option(min=1, help="Blocks at each SNR, fewer after a hundred errors.")] = 2000,
    seed: Annotated[int, typer.Option(help="Seed of bits and noise.")] = 0,
    threads: Annotated[int, typer.Option(help="CPU threads; 0 leaves torch's default.")] = 0,
) -> None:
    """Measure block errors of 5G LDPC and QAM over AWGN into link.json, which `digital` reads (needs sionna)."""
    if threads:
        torch.set_num_threads(threads)
    try:
        found = link_rows(blocks, seed, out / ".link.rows")
    except LinkMissing as error:
        typer.secho(f"error: {error}", err=True, fg="red")
        raise typer.Exit(2) from error
    write_json(out / "link.json", found)
    sent = sum(row["blocks"] for row in found["rows"])
    typer.echo(f"{len(found['rows'])} rows from {sent} blocks, in {out / 'link.json'}")
