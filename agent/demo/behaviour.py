"""How things move in the simulated site: pure functions of the seconds since it began, closed formulas without state,
so that every process sees the same and no counter ever goes back."""

import math
from dataclasses import dataclass

OCTET_BITS = 8


@dataclass(frozen=True, slots=True)
class Cycle:
    """Something that begins at ``first_s``, lasts ``lasts_s``, and comes again every ``every_s``, for ever."""

    first_s: float
    every_s: float
    lasts_s: float

    def active(self, t: float) -> bool:
        """Whether it is on at ``t``."""
        return t >= self.first_s and (t - self.first_s) % self.every_s < self.lasts_s

    def total_s(self, t: float) -> float:
        """Seconds it was on until ``t``."""
        if t < self.first_s:
            return 0.0
        whole, part = divmod(t - self.first_s, self.every_s)
        return whole * self.lasts_s + min(part, self.lasts_s)

    def times(self, t: float) -> int:
        """How often it has begun until ``t``."""
        return 0 if t < self.first_s else 1 + int((t - self.first_s) // self.every_s)

    def edge_s(self, t: float) -> float | None:
        """When it last began or ended; None before the first time."""
        if t < self.first_s:
            return None
        whole, part = divmod(t - self.first_s, self.every_s)
        return self.first_s + whole * self.every_s + (self.lasts_s if part >= self.lasts_s else 0.0)

    def ended_s(self, t: float) -> float | None:
        """When it last ended; None where it never did."""
        edge = self.edge_s(t)
        if edge is None or not self.active(t):
            return edge
        before = edge - self.every_s + self.lasts_s
        return before if edge > self.first_s else None


@dataclass(frozen=True, slots=True)
class Wave:
    """``share`` of the mean, up and down once every ``period_s``; it begins at ``phase`` (1 is a whole turn)."""

    share: float
    period_s: float
    phase: float = 0.0

    def at(self, t: float) -> float:
        return self.share * math.sin(math.tau * (t / self.period_s + self.phase))

    def integral(self, t: float) -> float:
        """From 0 to ``t``."""
        turn = self.period_s / math.tau
        return (
            self.share
            * turn
            * (math.cos(math.tau * self.phase) - math.cos(math.tau * (t / self.period_s + self.phase)))
        )


@dataclass(frozen=True, slots=True)
class Traffic:
    """A rate that breathes around its mean. The waves' shares sum to less than 1, so that it never is negative."""

    mean_bps: float
    waves: tuple[Wave, ...] = ()

    def bps(self, t: float) -> float:
        return self.mean_bps * (1.0 + sum(wave.at(t) for wave in self.waves))

    def octets(self, t: float) -> float:
        """Passed from 0 to ``t``."""
        return self.mean_bps / OCTET_BITS * (t + sum(wave.integral(t) for wave in self.waves))


def day(phase: float) -> tuple[Wave, ...]:
    """A working day that passes in twenty minutes, a breath of ninety seconds, and what is uneven in it."""
    return (Wave(0.35, 1200.0, phase), Wave(0.4, 90.0, 2 * phase), Wave(0.15, 23.0, 5 * phase))


def filling(most: int, period_s: float, t: float) -> int:
    """People who come and go: nobody at 0, ``most`` half a period later, nobody again."""
    return round(most * (0.5 - 0.5 * math.cos(math.tau * t / period_s)))
