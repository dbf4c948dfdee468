"""When a link or a check flaps: the figure of merit of RFC 2439, and Nagios' weighted share for check states."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import log2

HALF_LIFE_S = 900.0
PENALTY = 1000.0
"""For each time it goes down."""
FLAPPING_ABOVE = 2000.0
STEADY_BELOW = 750.0
NAGIOS_STATES = 21
NAGIOS_OFF_PCT = 20.0
NAGIOS_ON_PCT = 30.0


@dataclass(slots=True)
class FigureOfMerit:
    """One link's: +1000 a down, halved every 900 s. Flapping above 2000, until below 750."""

    value: float = 0.0
    at: float = 0.0
    """When ``value`` was true, monotonic seconds."""
    flapping: bool = False

    def went_down(self, at: float) -> None:
        """One down at ``at``; one that comes out of order counts as of now."""
        self.settle(at)
        self.value += PENALTY
        if self.value > FLAPPING_ABOVE:
            self.flapping = True

    def settle(self, at: float) -> None:
        """Let it decay up to ``at``."""
        if at > self.at:
            self.value *= 2.0 ** (-(at - self.at) / HALF_LIFE_S)
            self.at = at
        if self.value < STEADY_BELOW:
            self.flapping = False

    def raised_since(self, before: "FigureOfMerit") -> float:
        """How much of it came since ``before``, as of ``at``."""
        kept: float = 2.0 ** (-max(self.at - before.at, 0.0) / HALF_LIFE_S)
        return self.value - before.value * kept

    def take_back(self, raised: float, at: float, *, flapping: bool) -> None:
        """As if ``raised`` had not come by ``at``; before it, the link was ``flapping`` or not. What came later
        stands."""
        self.value = max(self.value - raised * 2.0 ** (-max(self.at - at, 0.0) / HALF_LIFE_S), 0.0)
        if self.value < STEADY_BELOW or (self.value <= FLAPPING_ABOVE and not flapping):
            self.flapping = False

    def steady_in_s(self) -> float:
        """Seconds from ``at`` until it is below 750, if it stays up."""
        return HALF_LIFE_S * log2(self.value / STEADY_BELOW) if self.value > STEADY_BELOW else 0.0


def nagios_pct(states: Sequence[Hashable]) -> float | None:
    """Nagios Core's state change in percent over the last 21 states, oldest first; None for fewer.

    Transition x = 1..20 weighs 0.75 + (x - 1) 0.5 / 19: the newest counts 1.25, the oldest 0.75.
    """
    if len(states) < NAGIOS_STATES:
        return None
    pairs = pairwise(states[-NAGIOS_STATES:])
    weights = sum(0.75 + (x - 1) * 0.5 / 19 for x, (a, b) in enumerate(pairs, 1) if a != b)
    return 100 * weights / (NAGIOS_STATES - 1)


def nagios_flapping(pct: float, *, before: bool) -> bool:
    """On from 30 %, off again at 20 % or less."""
    return pct > NAGIOS_OFF_PCT if before else pct >= NAGIOS_ON_PCT
