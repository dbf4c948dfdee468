"""Routing sessions poll by poll: BGP peers (BGP4-MIB, RFC 4273) and OSPF neighbours (OSPF-MIB, RFC 4750).

A session is stable while it is established (BGP), or full (OSPF). Between two routers of which neither is designated,
two-way is where an OSPF session ends: stable where the own interface is known to be DROther, apart where nobody tells
what it is, and not stable where it is something else. A reset is counted when the session is lost, not again when it is
back. Those that nobody saw lie between two polls that both found it stable: the count of transitions or events went on,
or it is established for less time than has passed.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from kpi.counters import TOLERANCE_CS, TOLERANCE_SHARE, Refusal, Span, UptimeTracker, delta, span
from kpi.fabric_counts import SessionCounts, added
from kpi.gear import BgpPeer, Facts, OspfInterface, OspfNeighbor
from kpi.levels import ms_of
from kpi.states import VALID_PERIODS
from kpi.stored import flag, number, optional, optional_number, sequence, text

TWO_WAY = "twoWay"
DROTHER = "otherDesignatedRouter"
GONE = "gone"
"""The state of a session that is no longer in the table."""
MOST = 1000
"""Sessions of one device that are followed, so that no agent can fill the memory; a route reflector has hundreds."""
FORGOTTEN_S = 86_400.0
"""An OSPF neighbour that was gone for so long is none any more [D]."""
FASTEST = 10.0
"""Transitions or events a second; more is no wrap of a counter but a new one."""


@dataclass(frozen=True, slots=True)
class Change:
    """Something to be said at once. ``kind`` is the event's type, ``about`` the rest of it."""

    kind: str
    about: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Seen:
    """One reading of one session. ``stable`` is None while it is switched off, or where nobody can tell (``state`` says
    "twoWay" then); ``count`` is the counter that tells of what was not seen, ``stable_s`` for how long it has been
    established."""

    at: float
    uptime_cs: int | None
    state: str
    stable: bool | None
    count: int | None = None
    stable_s: int | None = None
    remote_as: int | None = None
    gone_at: float | None = None

    @property
    def apart(self) -> bool:
        """In two-way, where nobody tells whether that is where it ends."""
        return self.stable is None and self.state == TWO_WAY

    @property
    def on(self) -> bool:
        """Not switched off."""
        return self.stable is not None or self.apart

    def moved(self, by_s: float) -> "Seen":
        """The same on another clock, ``by_s`` seconds ahead."""
        gone = self.gone_at + by_s if self.gone_at is not None else None
        return replace(self, at=self.at + by_s, gone_at=gone)

    def to_plain(self) -> list[Any]:
        """Compact JSON types."""
        values = [getattr(self, name) for name in Seen.__slots__]
        while values[-1] is None:
            values.pop()
        return [round(value, 3) if isinstance(value, float) else value for value in values]

    @staticmethod
    def from_plain(plain: Any) -> "Seen":
        """The reverse of to_plain. ValueError for everything else (kpi/stored.py)."""
        row = [*sequence(plain, 3, len(Seen.__slots__)), *[None] * len(Seen.__slots__)]
        return Seen(
            at=number(row[0]),
            uptime_cs=optional(row[1]),
            state=text(row[2]),
            stable=flag(row[3]) if row[3] is not None else None,
            count=optional(row[4]),
            stable_s=optional(row[5]),
            remote_as=optional(row[6]),
            gone_at=optional_number(row[7]),
        )


class Rules(Protocol):
    """What tells the two kinds of session apart."""

    name: str
    """What its events begin with."""
    other: str
    """What they call the other end."""

    def read(self, at: float, facts: Facts) -> dict[str, Seen]:
        """The sessions of one poll by key."""

    def lost(self, before: Seen, after: Seen, over: Span) -> tuple[int, int]:
        """How often it was lost between two readings, and how many of those nobody saw."""

    def gone(self, before: Seen, at: float) -> Seen:
        """What is known of a session that is no longer in the table."""


class Bgp:
    """Peers, by their address."""

    name = "bgp"
    other = "peer"

    def read(self, at: float, facts: Facts) -> dict[str, Seen]:
        """A peer that is switched off (bgpPeerAdminStatus stop) is neither stable nor lost."""
        found: dict[str, Seen] = {}
        for row in facts.rows:
            if isinstance(row, BgpPeer):
                stable = row.state == "established" if row.admin_up is not False else None
                seen = Seen(at, facts.uptime_cs, row.state, stable, row.transitions, row.established_s, row.remote_as)
                found.setdefault(row.remote_address, seen)
        return found

    def lost(self, before: Seen, after: Seen, over: Span) -> tuple[int, int]:
        """Of n transitions into established between two readings, every one but the last was lost again, and the
        last as well where it is not established now; one that was established before them was lost to begin with."""
        if before.stable is None or (after.stable is None and after.state != GONE):
            return 0, 0
        was, still = before.stable, bool(after.stable)
        seen = int(was and not still)
        lost = seen
        if after.state != GONE:
            rise = delta(before.count, after.count, 32, over, per_s=FASTEST)
            if isinstance(rise, int):
                lost = max(rise + was - still, seen)
        if not lost and was and still and _began_since(before, after):
            lost = 1
        return lost, lost - seen

    def gone(self, before: Seen, at: float) -> Seen:
        """Taken out of the configuration, or a dynamic neighbour: switched off, as far as anybody can tell."""
        return Seen(at, None, GONE, None, remote_as=before.remote_as, gone_at=_since(before, at))


class Ospf:
    """Neighbours, by their address; by router id as well where several have the same."""

    name = "ospf"
    other = "neighbour"

    def __init__(self) -> None:
        self._interfaces: tuple[OspfInterface, ...] = ()

    def take_interfaces(self, facts: Facts) -> None:
        """The own interfaces, as they were found last."""
        self._interfaces = tuple(row for row in facts.rows if isinstance(row, OspfInterface))

    def _is_stable(self, row: OspfNeighbor) -> bool | None:
        """None for a two-way where the own interface does not tell whether that is where it ends."""
        if row.state != TWO_WAY:
            return row.state == "full"
        own = _nearest(row.address, self._interfaces)
        return own == DROTHER if own is not None else None

    def read(self, at: float, facts: Facts) -> dict[str, Seen]:
        """On a link without addresses of its own several neighbours may show the same."""
        rows = [row for row in facts.rows if isinstance(row, OspfNeighbor)]
        times = Counter(row.address for row in rows)
        found: dict[str, Seen] = {}
        for row in rows:
            key = row.address if row.address and times[row.address] == 1 else f"{row.router_id} {row.address}".strip()
            found.setdefault(key, Seen(at, facts.uptime_cs, row.state, self._is_stable(row), row.events))
        return found

    def lost(self, before: Seen, after: Seen, over: Span) -> tuple[int, int]:
        """On the way up a neighbour has an event for each state: only between two readings of the same stable state
        do events tell of a loss, and so does a count that began anew while the agent ran on."""
        if before.stable and (after.stable is False or (before.state, after.state) == ("full", TWO_WAY)):
            return 1, 0
        if before.apart and after.state in _LOST:
            return 1, 0
        if not (before.stable or before.apart) or before.state != after.state:
            return 0, 0
        rise = delta(before.count, after.count, 32, over, per_s=FASTEST)
        unseen = int(rise > 0 if isinstance(rise, int) else rise in _BEGAN_ANEW)
        return unseen, unseen

    def gone(self, before: Seen, at: float) -> Seen:
        """ospfNbrTable drops a neighbour that is down."""
        return Seen(at, None, GONE, stable=False, gone_at=_since(before, at))


@dataclass(slots=True)
class OpenSessions:
    """One window of them as it is measured."""

    found: dict[str, SessionCounts] = field(default_factory=dict)
    on: frozenset[str] = frozenset()
    """Those that are switched on at its end."""

    def hold(self, key: str, start: int, end: int, *, stable: bool | None) -> None:
        """A state has held for [start, end) ms: stable or not, None for a two-way that nobody can judge."""
        held = end - start
        if stable is None:
            self.mark(key, SessionCounts(two_way_ms=held))
        else:
            self.mark(key, SessionCounts(known_ms=held, lost_ms=0 if stable else held))

    def mark(self, key: str, counts: SessionCounts) -> None:
        """What one reading said."""
        known = self.found.get(key)
        self.found[key] = counts if known is None else added(known, counts)

    def counts(self) -> dict[str, SessionCounts]:
        """By session."""
        return dict.fromkeys([*self.found, *sorted(self.on)], SessionCounts()) | self.found


class Sessions:
    """The sessions of one kind of one device, window after window."""

    __slots__ = ("_fresh_from", "_open", "_passed_ms", "_rules", "_seen", "_uptime", "status_s")

    def __init__(self, rules: Rules, uptime: UptimeTracker, start: float, status_s: float) -> None:
        """The first window begins at ``start`` (monotonic seconds); ``uptime`` is the device's one tracker."""
        self._rules = rules
        self._uptime = uptime
        self._passed_ms = ms_of(start)
        self._fresh_from = float("-inf")
        self._seen: dict[str, Seen] = {}
        self._open = OpenSessions()
        self.status_s = status_s

    def take(self, at: float, facts: Facts) -> list[Change]:
        """All sessions as one poll found them; of those that an incomplete walk lacks nothing is known."""
        self.settle(at)
        changes: list[Change] = []
        now = self._rules.read(at, facts)
        for key, seen in now.items():
            if key in self._seen or len(self._seen) < MOST:
                changes += self._step(key, seen)
        for key in [key for key in self._seen if facts.complete and key not in now]:
            seen = self._rules.gone(self._seen[key], at)
            if seen.gone_at is not None and at - seen.gone_at >= FORGOTTEN_S:
                del self._seen[key]
                continue
            changes += self._step(key, seen)
        return changes

    def _step(self, key: str, seen: Seen) -> list[Change]:
        before = self._seen.get(key)
        self._seen[key] = seen
        checks = int(seen.on)
        if before is None:
            self._open.mark(key, SessionCounts(checks))
            return []
        over = span(before.uptime_cs, seen.uptime_cs, seen.at - before.at, trusted=self._uptime.trusted)
        lost, unseen = self._rules.lost(before, seen, over)
        self._open.mark(key, SessionCounts(checks, resets=lost, unseen=unseen))
        about: dict[str, Any] = {self._rules.other: key, "was": before.state, "state": seen.state}
        if seen.remote_as is not None:
            about["remote_as"] = seen.remote_as
        changes: list[Change] = []
        if (before.stable and (lost or not seen.stable)) or (before.apart and lost):
            changes.append(Change(f"{self._rules.name}.down", {**about, "unseen": unseen}))
        if seen.stable and (not before.stable or lost):
            changes.append(Change(f"{self._rules.name}.up", about))
        return changes

    def settle(self, to: float) -> None:
        """Let the states hold up to ``to``, at most two periods after they were read (kpi/README.md R1)."""
        since, to_ms = self._passed_ms, ms_of(to)
        if to_ms <= since:
            return
        for key, seen in self._seen.items():
            start = max(since, ms_of(seen.at))
            end = min(ms_of(seen.at + VALID_PERIODS * self.status_s), to_ms)
            if end > start and seen.on and seen.at > self._fresh_from:
                self._open.hold(key, start, end, stable=seen.stable)
        self._passed_ms = to_ms

    def close(self, end: float) -> "OpenSessions":
        """The window that ends at ``end``; the next one begins there. Sessions that are switched on and of which
        nothing was known in it are there all the same, empty."""
        self.settle(end)
        self._open.on = frozenset(key for key, seen in self._seen.items() if seen.on)
        closed, self._open = self._open, OpenSessions()
        return closed

    def to_plain(self, at: float) -> dict[str, Any]:
        """What is to be persisted, with times before ``at``."""
        return {key: seen.moved(-at).to_plain() for key, seen in self._seen.items()}

    def resume(self, kept: Mapping[str, Seen], at: float) -> None:
        """The reverse of to_plain, ``at`` on the present clock. What was read then says nothing of the time since: it
        is not known (kpi/README.md R8)."""
        self._fresh_from = at
        self._seen = {key: seen.moved(at) for key, seen in kept.items()}


_FARTHEST = 17
"""Bits in which a neighbour's address may differ at most from that of the interface it is on, and one [D]."""
_LOST = frozenset({"down", "attempt", "init", GONE})
"""Where two-way goes to on the way up is no loss."""
_BEGAN_ANEW = frozenset({Refusal.IMPLAUSIBLE, Refusal.STUMBLED})
"""What a count of events that went back says, of an agent that ran on."""


def _nearest(address: str, interfaces: Iterable[OspfInterface]) -> str | None:
    """The state of the own interface on the neighbour's network: the one that shares the most leading bits with it.
    None where nobody can tell, or where several share as many and differ."""
    neighbour = _number(address)
    if neighbour is None:
        return None
    found = [(neighbour ^ own, row.state) for row in interfaces if (own := _number(row.address)) is not None]
    least = min((apart.bit_length() for apart, _ in found), default=_FARTHEST)
    states = {state for apart, state in found if apart.bit_length() == least}
    return states.pop() if least < _FARTHEST and len(states) == 1 else None


def _number(address: str) -> int | None:
    parts = address.split(".")
    if len(parts) != 4 or not all(part.isdecimal() and part.isascii() and int(part) < 256 for part in parts):
        return None
    return int.from_bytes(bytes(map(int, parts)))


def _began_since(before: Seen, after: Seen) -> bool:
    """It has been established for less time than has passed; where both readings tell since when, they must differ by
    more than the clocks may."""
    if after.stable_s is None:
        return False
    elapsed = after.at - before.at
    tolerance = max(TOLERANCE_CS / 100, TOLERANCE_SHARE * elapsed)
    began = after.at - after.stable_s
    if before.stable_s is None:
        return began > before.at + tolerance
    return began > before.at and began - (before.at - before.stable_s) > tolerance


def _since(before: Seen, at: float) -> float:
    return at if before.gone_at is None else before.gone_at
