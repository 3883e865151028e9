"""The ranges of a request's controls, and the error for a value outside them."""

from __future__ import annotations

import math

from wzroi.channel import channel_of
from wzroi.roi import origin_of

SNR_RANGE = (-5.0, 20.0)
MAX_SEED = 2**31 - 1


class RequestError(ValueError):
    """A request that cannot be answered; the message says what would be valid."""


def check_controls(snr_db: object, channel: object, roi: object, seed: object) -> None:
    """Raise RequestError naming the first value that is out of range, and what would be valid."""
    low, high = SNR_RANGE
    if not is_number(snr_db) or not low <= snr_db <= high:  # type: ignore[operator]
        raise RequestError(f"snr_db must be a number from {low:g} to {high:g} dB, not {str(snr_db)[:20]}")
    try:
        channel_of(channel)
        origin_of(roi)
    except ValueError as error:
        raise RequestError(str(error)) from error
    if not is_number(seed) or seed != int(seed) or not 0 <= seed <= MAX_SEED:  # type: ignore[call-overload,operator]
        raise RequestError(f"seed must be a whole number from 0 to {MAX_SEED}, not {str(seed)[:20]}")


def is_number(value: object) -> bool:
    """Whether an untrusted value is a finite number and not a boolean."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def finite(value: object) -> float | None:
    """The number if JSON can represent it, else ``None``."""
    number = float(value)  # type: ignore[arg-type]
    return number if math.isfinite(number) else None
