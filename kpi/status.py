"""Good, attention or bad: a figure against the thresholds of the catalogue (kpi/README.md R3, R10). Pure functions.

A ratio becomes worse only where chance is ruled out (Wilson's 95 % lower bound is beyond the threshold), and better
after two windows within it. Events of the last 24 hours decide at once, both ways; a safety limit makes worse at once
and better after two windows. Everything else is what two of the last three windows say. A status belongs to a value,
and windows of which too little is known, or too few measurements, do not vote.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import sqrt

from kpi.entry import DAY_S, HOUR_S, THIRTY_DAYS_S, Better, Kpi, Rule, Scope, Threshold
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
    alarmed: bool = False
    """The device itself says that something is wrong (Kpi.bad_flags)."""


@dataclass(frozen=True, slots=True)
class Happened:
    """What one window adds to the events of a day."""

    start_utc: int
    length_s: int
    weight: float
    least: float = 0.0
    """The day weighs at least so much, however little its windows add up to."""
    coverage: float | None = 1.0
    """None where nothing was due."""

    @property
    def end_utc(self) -> int:
        return self.start_utc + self.length_s


def votes(entry: Kpi, reading: Reading, coverage: float | None) -> bool:
    """Whether a window says enough for later ones to be judged beside it."""
    enough = coverage is not None and coverage >= NO_STATUS_BELOW
    return enough and reading.value is not None and reading.n >= fewest(entry)


def remembered(entry: Kpi, reading: Reading) -> Reading:
    """What later windows ask of it: whether there was enough, not how much. So most of what is remembered is alike."""
    return replace(reading, n=min(reading.n, fewest(entry)))


def fewest(entry: Kpi) -> int:
    """Of fewer measurements than this there is no status: what the entry says, else 30 for a ratio."""
    return entry.min_n or (FEWEST if entry.rule is Rule.RATIO else 0)


def wilson(bad: float, n: float) -> tuple[float, float]:
    """Bounds of the true share of ``bad`` in ``n``, 95 %, 0..1 (Wilson 1927). (0, 1) for n = 0. A share is between 0
    and 1, whatever was counted; of none, and of all, the bound on that side is exact: a session that never fell is
    not a little below 100 %."""
    if not n > 0:
        return 0.0, 1.0
    p, z2 = min(max(bad / n, 0.0), 1.0), Z_95 * Z_95
    middle = p + z2 / (2 * n)
    half = Z_95 * sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    scale = 1 + z2 / n
    low, high = max(0.0, (middle - half) / scale), min(1.0, (middle + half) / scale)
    return low if p > 0 else 0.0, high if p < 1 else 1.0


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
    oldest first; two that vote are enough. NONE where there is no value, threshold, too few measurements or too little
    known. For events, the window is the day itself."""
    threshold = entry.threshold(scope)
    if threshold is None or entry.better is None or now.value is None or not votes(entry, now, coverage):
        return Status.NONE
    if entry.rule is Rule.RATIO:
        return _ratio(entry, threshold, now, before)
    past = [r for r in before if r.value is not None and r.n >= fewest(entry)][-2:]
    ranks = [_rank(threshold, entry.better, reading) for reading in (*past, now)]
    if entry.rule is Rule.EVENTS:
        return _BY_RANK[ranks[-1]]
    if entry.rule is Rule.SAFETY:
        return _BY_RANK[max(ranks[-2:])]
    return _BY_RANK[sorted(ranks, reverse=True)[min(1, len(ranks) - 1)]]


def status_of_day(
    entry: Kpi, happened: Sequence[Happened], at_utc: int, *, scope: Scope = Scope.ANY
) -> tuple[Status, float | None]:
    """The status of the 24 hours that end at ``at_utc``, out of hours and of five minutes of the hour that runs, and
    what it was read on. What happened has happened, however little else is known; that nothing did takes half of the
    24 hours. What no window tells of is not known; but of the hour that runs, windows in which nothing happened need
    not be there."""
    threshold = entry.threshold(scope)
    last = [one for one in happened if one.end_utc > at_utc - DAY_S and one.start_utc < at_utc]
    share = _covered(last, at_utc)
    if threshold is None or entry.better is None or share is None:
        return Status.NONE, None
    total = max(sum(one.weight for one in last), *(one.least for one in last))
    status = level(threshold, entry.better, total)
    if status is Status.GOOD and share < NO_STATUS_BELOW:
        return Status.NONE, None
    return status, total


def _covered(last: Sequence[Happened], at_utc: int) -> float | None:
    """How much of the 24 hours is known, planned work and what is not told of the hour that runs left out; None where
    nothing was due."""
    begin, running = at_utc - DAY_S, at_utc // HOUR_S * HOUR_S
    known, due = 0.0, DAY_S - float(at_utc - running)
    for one in last:
        inside = min(one.end_utc, at_utc) - max(one.start_utc, begin)
        if one.start_utc >= running:
            due += inside
        if one.coverage is None:
            due -= inside
        else:
            known += one.coverage * inside
    return known / due if last and due > 0 else None


def _rank(threshold: Threshold, better: Better, reading: Reading) -> int:
    if reading.alarmed or reading.value is None:
        return _RANK[Status.BAD]
    return _RANK[level(threshold, better, reading.value)]


def level(threshold: Threshold, better: Better, value: float) -> Status:
    """Which side of the thresholds a value is on."""
    return next((side for side, limit in _limits(threshold) if _within(value, limit, threshold, better)), Status.BAD)


def _limits(threshold: Threshold) -> tuple[tuple[Status, float], ...]:
    return (Status.GOOD, threshold.good), (Status.WARN, threshold.warn)


def _within(value: float, limit: float, threshold: Threshold, better: Better) -> bool:
    if value == limit:
        return not threshold.strict
    return value > limit if better is Better.HIGH else value < limit


def _ratio(entry: Kpi, threshold: Threshold, now: Reading, before: Sequence[Reading]) -> Status:
    if now.value is None or entry.better is None:
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
