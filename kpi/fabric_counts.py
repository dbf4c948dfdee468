"""What one window knows of a device's routing and switching: additive counts, their merging, their compact form.

Everything merges by sums, so that any coarser window is a sum of finer ones (rule R9); of two verdicts on one port's
duplex the worse one stands.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from kpi.stored import sequence, table, versioned, whole, wholes

PLAIN_VERSION = 1
Part = TypeVar("Part")


@dataclass(frozen=True, slots=True)
class StpCounts:
    """The spanning tree as one bridge sees it (BRIDGE-MIB dot1dStp)."""

    readings: int = 0
    counted: int = 0
    """Readings that had dot1dStpTopChanges."""
    intervals: int = 0
    """Pairs of readings that gave a difference."""
    changes: int = 0
    roots: int = 0
    """How often another bridge was the root than in the reading before."""


@dataclass(frozen=True, slots=True)
class NeighbourCounts:
    """Who is connected to whom, by LLDP and its kin. The keys are (local port, chassis, remote port)."""

    polls: int = 0
    """Answered polls in which the neighbours were known: walked, or said to be unchanged since."""
    partial: int = 0
    """Walks that broke off: they compare with nothing."""
    added: int = 0
    removed: int = 0
    infrastructure: int = 0
    """Of both, those that are no end stations."""
    kept: int = 0
    """Sum over the walks of |N0 and N1|; ``either`` is that of |N0 or N1|."""
    either: int = 0


@dataclass(frozen=True, slots=True)
class SessionCounts:
    """One BGP peer or one OSPF neighbour."""

    checks: int = 0
    known_ms: int = 0
    """Time of which the state is known, while the session is switched on."""
    lost_ms: int = 0
    """The part of it in which the session was not established, or the neighbour not full (or two-way)."""
    resets: int = 0
    unseen: int = 0
    """Those of ``resets`` that lay between two polls."""
    two_way_ms: int = 0
    """Time in two-way of an OSPF neighbour where nobody tells whether that is where it ends; not in ``known_ms``."""


@dataclass(frozen=True, slots=True)
class DuplexCounts:
    """Ports whose two ends may disagree on duplex. ``verdicts`` by port: 1 suspected, 2 certain."""

    judged: int = 0
    """Ports that could be judged, added up over the windows."""
    seen: int = 0
    """Ports of which the agent told anything, added up over the windows."""
    verdicts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FabricCounts:
    """One device in one window. What the device does not have is None, or empty for sessions."""

    stp: StpCounts | None = None
    neighbours: NeighbourCounts | None = None
    duplex: DuplexCounts | None = None
    ospf: Mapping[str, SessionCounts] = field(default_factory=dict)
    bgp: Mapping[str, SessionCounts] = field(default_factory=dict)
    known_ms: Mapping[str, int] = field(default_factory=dict)
    """Of ``stp`` and ``neighbours``: time outside maintenance in which a reading holds."""
    odd_clock: int = 0
    """Intervals that go by the probe's own time: sysUpTime is absent or not to be trusted (kpi/README.md R6)."""

    def named(self, device: str) -> "FabricCounts":
        """The same with the device before the names of ports and sessions, for sums over several devices."""
        duplex = self.duplex
        if duplex is not None:
            verdicts = {f"{device}/{port}": verdict for port, verdict in duplex.verdicts.items()}
            duplex = DuplexCounts(duplex.judged, duplex.seen, verdicts)
        return FabricCounts(
            self.stp,
            self.neighbours,
            duplex,
            {f"{device}/{key}": session for key, session in self.ospf.items()},
            {f"{device}/{key}": session for key, session in self.bgp.items()},
            self.known_ms,
            self.odd_clock,
        )

    def to_plain(self) -> dict[str, Any]:
        """Compact JSON types; what is not there is left off, and so are trailing zeros."""
        plain: dict[str, Any] = {"v": PLAIN_VERSION}
        if self.stp is not None:
            plain["stp"] = _row(self.stp)
        if self.neighbours is not None:
            plain["neighbours"] = _row(self.neighbours)
        if self.duplex is not None:
            plain["duplex"] = [self.duplex.judged, self.duplex.seen, dict(self.duplex.verdicts)]
        if self.ospf:
            plain["ospf"] = {key: _row(session) for key, session in self.ospf.items()}
        if self.bgp:
            plain["bgp"] = {key: _row(session) for key, session in self.bgp.items()}
        if self.known_ms:
            plain["known"] = dict(self.known_ms)
        if self.odd_clock:
            plain["odd"] = self.odd_clock
        return plain

    @staticmethod
    def from_plain(plain: Any) -> "FabricCounts":
        """The reverse of to_plain. ValueError for everything else (kpi/stored.py)."""
        row = table(versioned(plain, PLAIN_VERSION, "a fabric window"))
        return FabricCounts(
            stp=_counts(StpCounts, row["stp"]) if "stp" in row else None,
            neighbours=_counts(NeighbourCounts, row["neighbours"]) if "neighbours" in row else None,
            duplex=_duplex_from_plain(row["duplex"]) if "duplex" in row else None,
            ospf={key: _counts(SessionCounts, session) for key, session in table(row.get("ospf", {})).items()},
            bgp={key: _counts(SessionCounts, session) for key, session in table(row.get("bgp", {})).items()},
            known_ms={part: whole(ms) for part, ms in table(row.get("known", {})).items()},
            odd_clock=whole(row.get("odd", 0)),
        )


def merge_fabric(a: FabricCounts, b: FabricCounts) -> FabricCounts:
    """Both windows as one. Associative; FabricCounts() is neutral."""
    return FabricCounts(
        stp=_either(a.stp, b.stp),
        neighbours=_either(a.neighbours, b.neighbours),
        duplex=merge_duplex(a.duplex, b.duplex),
        ospf=_sessions(a.ospf, b.ospf),
        bgp=_sessions(a.bgp, b.bgp),
        known_ms=_times(a.known_ms, b.known_ms),
        odd_clock=a.odd_clock + b.odd_clock,
    )


def merge_duplex(a: DuplexCounts | None, b: DuplexCounts | None) -> DuplexCounts | None:
    """Both windows as one, where there are two."""
    if a is None or b is None:
        return b if a is None else a
    verdicts = dict(a.verdicts)
    for port, verdict in b.verdicts.items():
        verdicts[port] = max(verdict, verdicts.get(port, 0))
    return DuplexCounts(a.judged + b.judged, a.seen + b.seen, verdicts)


def _sessions(a: Mapping[str, SessionCounts], b: Mapping[str, SessionCounts]) -> dict[str, SessionCounts]:
    both = dict(a)
    for key, session in b.items():
        both[key] = added(both[key], session) if key in both else session
    return both


def _times(a: Mapping[str, int], b: Mapping[str, int]) -> dict[str, int]:
    return {part: a.get(part, 0) + b.get(part, 0) for part in {**a, **b}}


def _either(a: Part | None, b: Part | None) -> Part | None:
    if a is None or b is None:
        return b if a is None else a
    return added(a, b)


def added(a: Part, b: Part) -> Part:
    """Two counts of one sort as one."""
    return type(a)(*map(sum, zip(_values(a), _values(b), strict=True)))


def _values(counts: object) -> list[int]:
    names: Sequence[str] = type(counts).__slots__  # type: ignore[attr-defined]  # they are dataclasses with slots
    return [getattr(counts, name) for name in names]


def _counts(of: type[Part], plain: Any) -> Part:
    names: Sequence[str] = of.__slots__  # type: ignore[attr-defined]  # as above
    return of(*wholes(sequence(plain, 0, len(names))))


def _duplex_from_plain(plain: Any) -> DuplexCounts:
    judged, seen, verdicts = sequence(plain, 3, 3)
    return DuplexCounts(whole(judged), whole(seen), {port: whole(v, 1, 2) for port, v in table(verdicts).items()})


def _row(counts: object) -> list[int]:
    row = _values(counts)
    while row and not row[-1]:
        row.pop()
    return row
