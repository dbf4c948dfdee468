"""State time: seconds up, down, unknown and in maintenance of one entity, outages, availability and coverage.

Times are monotonic seconds in, whole milliseconds inside, so that windows add up exactly. A change holds from its
``at`` on; before the first one nothing is known (rule R1). Sources: rule R1, R3, R4; IEC 60050-192 (A = MUT /
(MUT + MDT)).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from kpi.model import State
from kpi.stored import sequence, versioned, wholes

PLAIN_VERSION = 1
VALID_PERIODS = 2
"""A check holds until the next one, at most so many periods (kpi/README.md R1)."""


class Change(Protocol):
    """From ``at`` on the entity is in ``state``; kpi.reachability.StateChange is one."""

    @property
    def at(self) -> float:
        """Monotonic seconds; no earlier than the change before it."""

    @property
    def state(self) -> State:
        """What it is from then on."""


@dataclass(frozen=True, slots=True)
class Turn:
    """The plainest Change."""

    at: float
    state: State


@dataclass(frozen=True, slots=True)
class StateSeconds:
    """What one window knows of one entity's state. The four times sum up to the window's length."""

    up_ms: int = 0
    down_ms: int = 0
    unknown_ms: int = 0
    maintenance_ms: int = 0
    maintenance_up_ms: int = 0
    """The part of the maintenance that the entity was up all the same; for ``incl_maint`` (kpi/README.md R4)."""
    maintenance_down_ms: int = 0
    checks: int = 0
    outages_started: int = 0
    outages_restored: int = 0
    restored_ms: int = 0
    """Sum of the full durations of the outages restored in the window; they may have begun before it."""
    open_ms: int = 0
    """How long the outage that is open as the window ends had lasted; 0 where none is."""

    @property
    def up_s(self) -> float:
        """Seconds up outside maintenance."""
        return self.up_ms / 1000

    @property
    def down_s(self) -> float:
        """Seconds down outside maintenance."""
        return self.down_ms / 1000

    @property
    def unknown_s(self) -> float:
        """Seconds outside maintenance of which nothing is known."""
        return self.unknown_ms / 1000

    @property
    def maintenance_s(self) -> float:
        """Seconds in maintenance."""
        return self.maintenance_ms / 1000

    @property
    def known_ms(self) -> int:
        """Up or down, in ms."""
        return self.up_ms + self.down_ms

    @property
    def expected_ms(self) -> int:
        """W - maintenance, in ms: what should have been known."""
        return self.known_ms + self.unknown_ms

    @property
    def coverage(self) -> float:
        """known / (W - maintenance), 0..1 (kpi/README.md R3); 1 where the whole window was maintenance."""
        return self.known_ms / self.expected_ms if self.expected_ms else 1.0

    def whole(self, seconds: int) -> "StateSeconds":
        """The same over a window of this length: of what no finer window tells, nothing is known (rule R1, R3)."""
        missing_ms = 1000 * seconds - self.expected_ms - self.maintenance_ms
        return replace(self, unknown_ms=self.unknown_ms + missing_ms) if missing_ms > 0 else self

    def to_plain(self) -> list[int]:
        """Compact JSON types; trailing zeros are left off."""
        plain = [PLAIN_VERSION, *[getattr(self, name) for name in StateSeconds.__slots__]]
        while not plain[-1]:
            plain.pop()
        return plain

    @staticmethod
    def from_plain(plain: Any) -> "StateSeconds":
        """The reverse of to_plain. ValueError for everything else (kpi/stored.py)."""
        row = sequence(versioned(plain, PLAIN_VERSION, "a state window"), 1, 1 + len(StateSeconds.__slots__))
        return StateSeconds(*wholes(row[1:]))


def merge_states(a: StateSeconds, b: StateSeconds) -> StateSeconds:
    """Both windows as one; ``a`` is the earlier. Associative and exact; StateSeconds() is neutral before any other."""
    return StateSeconds(
        up_ms=a.up_ms + b.up_ms,
        down_ms=a.down_ms + b.down_ms,
        unknown_ms=a.unknown_ms + b.unknown_ms,
        maintenance_ms=a.maintenance_ms + b.maintenance_ms,
        maintenance_up_ms=a.maintenance_up_ms + b.maintenance_up_ms,
        maintenance_down_ms=a.maintenance_down_ms + b.maintenance_down_ms,
        checks=a.checks + b.checks,
        outages_started=a.outages_started + b.outages_started,
        outages_restored=a.outages_restored + b.outages_restored,
        restored_ms=a.restored_ms + b.restored_ms,
        open_ms=b.open_ms if b.expected_ms or b.maintenance_ms else a.open_ms,
    )


def state_seconds(
    changes: Iterable[Change],
    start: float,
    end: float,
    *,
    maintenance: Iterable[tuple[float, float]] = (),
    checks: int = 0,
) -> StateSeconds:
    """The window [start, end) of an entity with these changes, oldest decision first.

    ``changes`` must reach back to the last "up" before ``start``, for the full duration of an outage; what is older
    does no harm, and what is at or after ``end`` is not looked at. ``maintenance`` are [from, to) intervals; a change
    to State.MAINTENANCE counts as one in which nothing is known. An outage runs from the first down to the next up;
    unknown and maintenance within it neither end it nor lengthen it.
    """
    count = _Count(_ms(start), _ms(end), checks)
    for begin, finish, raw, maintained in _segments(changes, maintenance, _ms(start), _ms(end)):
        count.segment(begin, finish, raw, maintained)
    return count.result()


class _Count:
    __slots__ = ("_checks", "_end", "_outage_ms", "_parts", "_restored_ms", "_start", "_turns")

    def __init__(self, start: int, end: int, checks: int) -> None:
        self._start, self._end, self._checks = start, end, checks
        self._parts = dict.fromkeys([(s, m) for s in (State.UP, State.DOWN, State.UNKNOWN) for m in (False, True)], 0)
        self._turns = [0, 0]  # started, restored
        self._restored_ms = 0
        self._outage_ms: int | None = None

    def segment(self, begin: int, finish: int, raw: State, maintained: bool) -> None:
        inside = finish - max(begin, self._start)
        if inside > 0:
            self._parts[raw, maintained] += inside
        if maintained or raw is State.UNKNOWN:
            return
        if raw is State.DOWN:
            if self._outage_ms is None:
                self._outage_ms = 0
                self._turns[0] += begin >= self._start
            self._outage_ms += finish - begin
        elif self._outage_ms is not None:
            if begin >= self._start:
                self._turns[1] += 1
                self._restored_ms += self._outage_ms
            self._outage_ms = None

    def result(self) -> StateSeconds:
        parts = self._parts
        up, down = parts[State.UP, True], parts[State.DOWN, True]
        return StateSeconds(
            up_ms=parts[State.UP, False],
            down_ms=parts[State.DOWN, False],
            unknown_ms=parts[State.UNKNOWN, False],
            maintenance_ms=up + down + parts[State.UNKNOWN, True],
            maintenance_up_ms=up,
            maintenance_down_ms=down,
            checks=self._checks,
            outages_started=self._turns[0],
            outages_restored=self._turns[1],
            restored_ms=self._restored_ms,
            open_ms=self._outage_ms or 0,
        )


def _segments(
    changes: Iterable[Change], maintenance: Iterable[tuple[float, float]], start: int, end: int
) -> Iterable[tuple[int, int, State, bool]]:
    """[begin, finish) in ms with the raw state and whether it is maintenance, in order, up to ``end``."""
    turns = settled(changes)
    spans = sorted((_ms(a), _ms(b)) for a, b in maintenance if b > a)
    first = min([start, *[t for t, _ in turns[:1]]])
    edges = sorted({first, start, end, *[t for t, _ in turns], *[t for span in spans for t in span]})
    state, at = State.UNKNOWN, 0
    for i, begin in enumerate(edges):
        if begin >= end:
            return
        while at < len(turns) and turns[at][0] <= begin:
            state = turns[at][1]
            at += 1
        if begin < first:
            continue
        maintained = state is State.MAINTENANCE or any(a <= begin < b for a, b in spans)
        yield begin, edges[i + 1], State.UNKNOWN if state is State.MAINTENANCE else state, maintained


def settled(changes: Iterable[Change]) -> list[tuple[int, State]]:
    """Ascending (ms, state). A state begins no earlier than the one it replaces, whoever dates it and in whatever order
    it is read; of two that begin together the later decision counts."""
    turns: list[tuple[int, State]] = []
    begun: int | None = None  # the state that is replaced; the last turn is an earlier one where both states are alike
    for change in changes:
        if turns and turns[-1][1] is change.state:
            continue
        at = begun = _ms(change.at) if begun is None else max(_ms(change.at), begun)
        if turns and turns[-1][0] == at:
            turns.pop()
        if not turns or turns[-1][1] is not change.state:
            turns.append((at, change.state))
    return turns


def changes_from_checks(checks: Iterable[tuple[float, State]], period_s: float) -> list[Turn]:
    """Changes out of single checks in order of time: each holds until the next, at most two periods, then unknown."""
    turns: list[Turn] = []
    last: float | None = None
    for at, state in checks:
        if last is not None and at - last > VALID_PERIODS * period_s:
            turns.append(Turn(last + VALID_PERIODS * period_s, State.UNKNOWN))
        if not turns or turns[-1].state is not state:
            turns.append(Turn(at, state))
        last = at
    if last is not None:
        turns.append(Turn(last + VALID_PERIODS * period_s, State.UNKNOWN))
    return turns


WAN_TARGETS_NEEDED = 3
"""Fewer independent internet targets than this cannot tell a dead line from a dead target (network_uptime_pct)."""


def network_changes(
    link: Sequence[Change], gateway: Sequence[Change] | None, wan: Sequence[Sequence[Change]]
) -> list[Turn] | None:
    """The site's own state out of those of the probe's link, the gateway (None: there is none) and the WAN targets.

    Up: the gateway and at least one WAN target are. Down: the link is up, no WAN target is, and either each of them
    is known to be down or the gateway is (what lies behind a dead gateway is unknown, and unreachable all the same).
    Else unknown. A gateway in maintenance puts the site there. None where fewer than three WAN targets are set up.
    """
    if len(wan) < WAN_TARGETS_NEEDED:
        return None
    tracks = [settled(link), *([settled(gateway)] if gateway is not None else []), *[settled(w) for w in wan]]
    edges = sorted({at for track in tracks for at, _ in track})
    now = [State.UNKNOWN] * len(tracks)
    next_turn = [0] * len(tracks)
    turns: list[Turn] = []
    for edge in edges:
        for i, track in enumerate(tracks):
            while next_turn[i] < len(track) and track[next_turn[i]][0] <= edge:
                now[i] = track[next_turn[i]][1]
                next_turn[i] += 1
        at_gateway = now[1] if gateway is not None else None
        state = _network_state(now[0], at_gateway, now[1 if gateway is None else 2 :])
        if not turns or turns[-1].state is not state:
            turns.append(Turn(edge / 1000, state))
    return turns


def _network_state(link: State, gateway: State | None, wan: Sequence[State]) -> State:
    if gateway is State.MAINTENANCE:
        return State.MAINTENANCE
    if link is not State.UP:
        return State.UNKNOWN
    if State.UP in wan:
        return State.UP if gateway in (State.UP, None) else State.UNKNOWN
    if gateway is State.DOWN:
        return State.DOWN
    all_down = all(state is State.DOWN for state in wan)
    return State.DOWN if all_down and gateway in (State.UP, None) else State.UNKNOWN


def availability_pct(states: StateSeconds) -> float | None:
    """100 up / (up + down); None where neither is known."""
    return 100 * states.up_ms / states.known_ms if states.known_ms else None


def availability_bounds_pct(states: StateSeconds) -> tuple[float | None, float | None]:
    """Were all that is unknown down, and were it all up; in percent."""
    if not states.expected_ms:
        return None, None
    up, whole = states.up_ms, states.expected_ms
    return 100 * up / whole, 100 * (up + states.unknown_ms) / whole


def availability_incl_maint_pct(states: StateSeconds) -> float | None:
    """As availability_pct, with the maintenance counted like any other time."""
    up = states.up_ms + states.maintenance_up_ms
    known = up + states.down_ms + states.maintenance_down_ms
    return 100 * up / known if known else None


def monitoring_coverage_pct(expected: Sequence[StateSeconds]) -> float | None:
    """100 sum(known) / sum(W - maintenance) over the expected devices; one that was never seen comes as all unknown."""
    whole = sum(states.expected_ms for states in expected)
    return 100 * sum(states.known_ms for states in expected) / whole if whole else None


def weighted_availability_pct(parts: Iterable[tuple[float, StateSeconds]]) -> float | None:
    """100 sum(weight up) / sum(weight (up + down)): the companion of network_uptime_pct over the site's devices."""
    up = known = 0.0
    for weight, states in parts:
        up += weight * states.up_ms
        known += weight * states.known_ms
    return 100 * up / known if known else None


def whole_ms(at: float) -> float:
    """Seconds to the nearest millisecond, as state times are counted."""
    return _ms(at) / 1000


def _ms(at: float) -> int:
    return round(at * 1000)
