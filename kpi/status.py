"""Good, attention or bad: a figure against the thresholds of the catalogue (KPI.md R3, R10). Pure functions.

A ratio becomes worse only where chance is ruled out (Wilson's 95 % lower bound is beyond the threshold), and better
after two windows within it. Everything else is what two of the last three windows say.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import sqrt

from kpi.entry import DAY_S, THIRTY_DAYS_S, Better, Kpi, Rule, Scope, Threshold
from kpi.model import Status

Z_95 = 1.959963984540054
FEWEST = 30
"""A ratio of fewer measurements than this has no status, where its entry names no other number."""
PARTIAL_BELOW = 0.9
NO_STATUS_BELOW = 0.5
_RANK = {Status.GOOD: 0, Status.WARN: 1, Status.BAD: 2}
_BY_RANK = (Status.GOOD, Status.WARN, Status.BAD)


@dataclass(frozen=True, slots=True)
class Reading:
    """One window's figure as the status sees it: the value that thresholds are read on, and how it came out."""

    value: float | None
    n: int = 0
    status: Status = Status.NONE


def remembered(entry: Kpi, reading: Reading) -> Reading:
    """What later windows ask of it: whether there was enough, not how much. So most of what is remembered is alike."""
    return replace(reading, n=min(reading.n, fewest(entry)))


def fewest(entry: Kpi) -> int:
    """Of fewer measurements than this there is no status: what the entry says, else 30 for a ratio."""
    return entry.min_n or (FEWEST if entry.rule is Rule.RATIO else 0)


def wilson(bad: float, n: float) -> tuple[float, float]:
    """Bounds of the true share of ``bad`` in ``n``, 95 %, 0..1 (Wilson 1927). (0, 1) for n = 0. A share is between 0
    and 1, whatever was counted."""
    if not n > 0:
        return 0.0, 1.0
    p, z2 = min(max(bad / n, 0.0), 1.0), Z_95 * Z_95
    middle = p + z2 / (2 * n)
    half = Z_95 * sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    scale = 1 + z2 / n
    return max(0.0, (middle - half) / scale), min(1.0, (middle + half) / scale)


def read_on(entry: Kpi, length_s: int) -> bool:
    """Whether windows of this length have a status for this KPI; 30 days also stands for a calendar month."""
    due = entry.status_window_s
    if due == THIRTY_DAYS_S:
        return 28 * DAY_S - 3600 <= length_s <= 31 * DAY_S + 3600
    return due == length_s


def status_of(
    entry: Kpi,
    now: Reading,
    before: Sequence[Reading] = (),
    *,
    scope: Scope = Scope.ANY,
    coverage: float = 1.0,
) -> Status:
    """The status of a window of the length that the entry reads status on. ``before`` are the windows before it,
    oldest first; two are enough. NONE where there is no value, threshold, too few measurements or too little known."""
    threshold = entry.threshold(scope)
    if threshold is None or entry.better is None or now.value is None or coverage < NO_STATUS_BELOW:
        return Status.NONE
    if entry.rule is Rule.RATIO:
        return _ratio(entry, threshold, now, before)
    if now.n < entry.min_n:
        return Status.NONE
    levels = [level(threshold, entry.better, r.value) for r in (*before[-2:], now) if r.value is not None]
    ranks = sorted((_RANK[one] for one in levels), reverse=True)
    return _BY_RANK[ranks[min(1, len(ranks) - 1)]]


def level(threshold: Threshold, better: Better, value: float) -> Status:
    """Which side of the thresholds a value is on; each limit belongs to its better side."""
    if better is Better.HIGH:
        return Status.GOOD if value >= threshold.good else Status.WARN if value >= threshold.warn else Status.BAD
    return Status.GOOD if value <= threshold.good else Status.WARN if value <= threshold.warn else Status.BAD


def _ratio(entry: Kpi, threshold: Threshold, now: Reading, before: Sequence[Reading]) -> Status:
    if now.value is None or entry.better is None or now.n < fewest(entry):
        return Status.NONE
    high = entry.better is Better.HIGH
    share, good, warn = (
        (100 - v if high else v) / 100 for v in (now.value, threshold.good, threshold.warn)
    )  # the share of what is bad
    lowest, _ = wilson(share * now.n, now.n)
    proven = 2 if lowest > warn else 1 if lowest > good else 0
    past = [r for r in before if r.value is not None and r.n >= fewest(entry)]
    last = next((_RANK[r.status] for r in reversed(past) if r.status is not Status.NONE), None)
    if last is None or proven >= last:
        return _BY_RANK[proven]
    seen = [level(threshold, entry.better, value) for value in (past[-1].value, now.value) if value is not None]
    return _BY_RANK[min(last, max(proven, *[_RANK[one] for one in seen]))]
