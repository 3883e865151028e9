"""The extent of an evaluation: SNRs, channel draws, and what is judged."""

from __future__ import annotations

from dataclasses import dataclass

from zoo.results.tables import TABLE_SNRS

SNRS = (-5.0, *map(float, range(11)), 15.0, 20.0)
"""The sweep in dB: the paper's 0 to 9, and -5 to 20 in steps of five."""

JUDGED_SNRS = (-5.0, 0.0, 2.0, 5.0, 7.0, 9.0, 15.0)
"""Where the judge classifies what a ``task`` network rebuilds, unless everything is judged: on a CPU the judge is the
most costly part of an evaluation."""


@dataclass(frozen=True)
class Plan:
    """The extent of an evaluation.

    Attributes:
        snrs: the sweep in dB. headline: the SNR at which every image is sent in every draw.
        draws: independent channel draws. At other SNRs than the headline the draws cover the test set together, each
            image once: draw ``d`` sends the images ``d, d + draws, ...``.
        full: every image in every draw, judged, at every SNR (1.4 million transmissions: for a GPU).
        judged_draws: how many of an image's headline transmissions the judge classifies.
        judged_snrs: where ``task`` networks are judged, every image once; ``rec`` networks are at ``TABLE_SNRS`` alone.
        once: the headline is no exception: the ten draws share the test set there too, and ROI controls are measured
            there alone (a quarter of the work: for a CPU that is busy).
        seed: of channel draws and of the ``normal`` ROI. batch: images at a time. limit: images (for tests).
    """

    snrs: tuple[float, ...] = SNRS
    headline: float = 5.0
    draws: int = 10
    full: bool = False
    judged_draws: int = 2
    judged_snrs: tuple[float, ...] = JUDGED_SNRS
    once: bool = False
    seed: int = 0
    batch: int = 100
    limit: int | None = None

    def __post_init__(self) -> None:
        if min(self.draws, self.judged_draws, len(self.snrs)) < 1:
            raise ValueError("a plan needs at least one SNR, one draw and one judged draw")

    def sent(self, snr_db: float, part: int) -> range:
        """The draws in which the images of ``part`` are sent at this SNR."""
        every = self.full or (snr_db == self.headline and not self.once)
        return range(self.draws) if every else range(part, part + 1)

    @property
    def control_snrs(self) -> tuple[float, ...]:
        """SNRs at which other ROI maps are tried."""
        wanted = (self.headline,) if self.once else TABLE_SNRS
        return tuple(snr_db for snr_db in wanted if snr_db in self.snrs)

    def judged(self, snr_db: float, draw: int, part: int, task: bool) -> bool:
        """Whether the judge sees the images of ``part`` in this draw."""
        if self.full:
            return True
        if snr_db == self.headline:
            return (draw - part) % self.draws < self.judged_draws
        return snr_db in (self.judged_snrs if task else TABLE_SNRS)
