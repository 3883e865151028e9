"""Bandwidth ratios: a flexible network supports every whole number of real maps, the others have one rate each.

A rate is 1/rho, so that the paper's rates are whole numbers: 16, 32. Steps of one real map are ``rho = c/96``, exact as
fractions: 96/5 stands for rho = 5/96. ``Fraction(16)`` equals 16 and has the same hash, so whole rates may be ints.
"""

from __future__ import annotations

from fractions import Fraction

from wzroi.architectures import ARCHITECTURES
from wzroi.config import ConfigError, FlexConfig, LinkConfig
from wzroi.networks.base import LinkNetwork

Rate = Fraction | float

SERVED = tuple(1 / rho for rho in FlexConfig(width=32, depth=1).rhos)
"""1/rho of every step of a flexible network, fewest symbols first: 96, 48, 32, 24, 96/5, 16, ..., 8."""

MEASURED = (96, 48, 32, 24, 16, 12, 8)
"""1/rho at which flexible networks are measured on the test set."""

DEFAULT = Fraction(16)
"""Default 1/rho."""


def rho_text(rate: Rate) -> str:
    """The bandwidth ratio of a rate in whole maps: 16 -> ``1/16``, 96/5 -> ``5/96``."""
    return str(Fraction(round(96 / rate), 96))


def parse_rate(text: str) -> Fraction:
    """1/rho from text, ``16`` or ``96/5``; raises ValueError unless rho is a whole number of maps from 1/96 to 1."""
    numerator, slash, denominator = text.partition("/")
    parts = (numerator, denominator if slash else "1")
    if not all(part.isdecimal() and part.isascii() and len(part) <= 4 and int(part) for part in parts):
        raise ValueError(f"a rate is 1/rho, such as 16 or 96/5, not {text[:20]!r}")
    rate = Fraction(int(parts[0]), int(parts[1]))
    if rate < 1 or (96 / rate).denominator != 1:
        raise ValueError(f"rho must be a whole number of 96ths, at most 1, not 1/({text[:20]})")
    return rate


def parse_rho(text: str) -> float:
    """A bandwidth ratio from text, ``1/16`` or ``0.0625``; raises ValueError for anything but a number above 0."""
    over, _, under = str(text).partition("/")
    try:
        rho = float(over) / float(under or "1")
    except (ValueError, ZeroDivisionError) as error:
        raise ValueError(f"a bandwidth ratio is written 1/16 or 0.0625, not {text[:20]!r}") from error
    if not 0 < rho <= 1:
        raise ValueError(f"a bandwidth ratio must be above 0 and at most 1, not {text[:20]}")
    return rho


def symbols_at(model: LinkNetwork, height: int, width: int, rate: Rate = DEFAULT) -> int:
    """k for a picture: at this rate for a flexible network, at its own for any other."""
    if is_flexible(model.config):
        return model.num_symbols(height, width, rho=float(1 / rate))
    return model.num_symbols(height, width)


def is_flexible(config: LinkConfig) -> bool:
    """Whether one network supports every rate."""
    return not ARCHITECTURES[config.architecture].rated


def rates_of(config: LinkConfig) -> tuple[Fraction, ...]:
    """1/rho of every rate that a network supports."""
    return tuple(1 / rho for rho in config.rhos)


def check_rate(config: LinkConfig, rho: float | None) -> float:
    """The bandwidth ratio to use: ``rho``, or by default the network's own (1/16 for a flexible one).

    Raises:
        ConfigError: if another bandwidth ratio is asked of a network that has only one.
    """
    if is_flexible(config):
        return float(1 / DEFAULT) if rho is None else rho
    own = float(config.rhos[0])
    if rho is not None and abs(rho - own) > 1e-9:
        raise ConfigError(
            f"this network only has the bandwidth ratio {config.rhos[0]}, not {rho:.5g}: omit rho, or "
            "choose a network of that rate or a flexible one (wz_roi_flex)"
        )
    return own
