"""Planned work leaves numerator and denominator of every figure (rule R4): what it takes out, and how that is kept.

A window has two halves of the same kind with the same merge: what counts, and what fell into planned work. Figures are
made of the first; ``incl_maint`` is what both give together. States and restarts have times of their own and are split
there. Everything else moves as a whole: an echo with its minute, what comes by SNMP with its five minutes, where
planned work touches them at all. The stored window holds no finer times, and so it makes no difference when the work
was entered: before, meanwhile or afterwards, the figures are the same.

What SNMP tells of is the difference between two polls. One that was read after the work may have happened in it, so
that planned work takes out the five minutes after it as well, or more where the poll before lies further back.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from kpi.model import Figure, NullReason
from kpi.stored import MOST

Counts = TypeVar("Counts")
Spans = Sequence[tuple[float, float]]
"""[start, end) of planned work, in UTC seconds where windows are."""

REACH_S = 300
"""How far a window of SNMP polls reaches back before its start: two polls of counters are so far apart."""
REACH_SLACK_S = 30
"""Polls are not on time to the second: what reaches back further by less is not worth its place in the store."""
INCL_MAINT = "incl_maint"
"""The companion with a figure's value, planned work included."""


@dataclass(frozen=True, slots=True)
class Halves(Generic[Counts]):
    """What one window knows of one thing. None: nothing was measured in that half."""

    counted: Counts | None = None
    planned: Counts | None = None

    @staticmethod
    def of(counts: Counts | None, *, planned: bool) -> "Halves[Counts]":
        """A whole window, which is planned work or is not."""
        return Halves(None, counts) if planned else Halves(counts)

    def each(self, change: Callable[[Counts], Any]) -> "Halves[Any]":
        """Both halves changed alike; one that is not there stays so."""
        counted, planned = self.counted, self.planned
        return Halves(
            change(counted) if counted is not None else None, change(planned) if planned is not None else None
        )


def touches(spans: Spans, start: float, end: float) -> bool:
    """Whether planned work lies, be it in part, in [start, end)."""
    return any(begin < end and finish > start for begin, finish in spans if finish > begin)


def within(spans: Spans, at: float) -> bool:
    """Whether a moment lies in planned work."""
    return any(begin <= at < finish for begin, finish in spans)


def covers(spans: Spans, start: float, end: float) -> bool:
    """Whether all of [start, end] lies in planned work; spans that meet count as one."""
    reached = start
    for begin, finish in sorted(spans):
        if begin <= reached < finish:
            reached = finish
    return reached > start and reached >= end


def takes_out(spans: Spans, start: float, end: float, reach_s: float) -> bool:
    """Whether planned work takes out a window of SNMP polls whose oldest difference begins ``reach_s`` before it."""
    return touches(spans, start - max(reach_s, REACH_S), end)


def worth_keeping(reach_s: float) -> int:
    """``reach_s`` as it is kept with its window: 0 where it is what every window reaches back."""
    return round(reach_s) if reach_s > REACH_S + REACH_SLACK_S else 0


def merge_halves(merge: Callable[[Counts, Counts], Counts], a: Halves[Counts], b: Halves[Counts]) -> Halves[Counts]:
    """Both windows as one, half by half; ``a`` is the earlier."""
    return Halves(_merged(merge, a.counted, b.counted), _merged(merge, a.planned, b.planned))


def together(merge: Callable[[Counts, Counts], Counts], halves: Halves[Counts]) -> Counts | None:
    """All that was measured, whatever half it is in."""
    return _merged(merge, halves.counted, halves.planned)


def _merged(merge: Callable[[Counts, Counts], Counts], a: Counts | None, b: Counts | None) -> Counts | None:
    if a is None or b is None:
        return b if a is None else a
    return merge(a, b)


def halves_to_plain(halves: Halves[Any], reach_s: int = 0) -> Any:
    """JSON types, out of two halves in JSON types. Where nothing is planned it is the counted half as it is, so that
    such a window takes no more room. None for none."""
    if halves.planned is None and not reach_s:
        return halves.counted
    plain: dict[str, Any] = {}
    if halves.counted is not None:
        plain["counted"] = halves.counted
    if halves.planned is not None:
        plain["planned"] = halves.planned
    if plain and reach_s:
        plain["reach_s"] = reach_s
    return plain or None


def halves_from_plain(plain: Any) -> Halves[Any]:
    """The reverse of halves_to_plain, the halves still in JSON types."""
    if isinstance(plain, Mapping) and _IS_HALVES.intersection(plain):
        return Halves(plain.get("counted"), plain.get("planned"))
    return Halves(plain)


def read_halves(read: Callable[[Any], Counts], plain: Any) -> Halves[Counts]:
    """A stored window: ``read`` makes counts of JSON types, or raises ValueError, as this does where neither half is
    there."""
    halves = halves_from_plain(plain)
    if halves.counted is None and halves.planned is None:
        raise ValueError("a stored window holds nothing")
    return halves.each(read)


def reach_of(plain: Any) -> int:
    """The ``reach_s`` of a stored window."""
    reach = plain.get("reach_s", 0) if isinstance(plain, Mapping) else 0
    return reach if type(reach) is int and 0 <= reach <= MOST else 0


_IS_HALVES = frozenset({"counted", "planned"})


def with_incl_maint(counted: Sequence[Figure], whole: Sequence[Figure]) -> list[Figure]:
    """The figures of what counts, with the value that ``whole`` gives beside each. What planned work has left nothing
    of is null."""
    by_kpi = {figure.kpi: figure for figure in counted}
    found = []
    for everything in whole:
        figure = by_kpi.pop(everything.kpi, None) or Figure(everything.kpi, None, NullReason.NO_DATA)
        if INCL_MAINT not in figure.parts and everything.kpi not in _OF_STATES:
            figure = replace(figure, parts={**figure.parts, INCL_MAINT: everything.value})
        found.append(figure)
    return [*found, *by_kpi.values()]


_OF_STATES = frozenset({"availability_pct", "network_uptime_pct", "monitoring_coverage_pct"})
"""States are split at their own times, and bring their own; of coverage planned work is no part (R3)."""
