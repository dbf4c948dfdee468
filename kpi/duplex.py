"""Do the two ends of a cable agree on duplex? (EtherLike-MIB dot3StatsTable, RFC 3635)

Certain where both ends are seen, one half and one full. From one end alone it is suspected: half duplex with late
collisions, which cannot rise in full duplex, or full duplex with damaged frames, whose other end says nothing. An end
that is "unknown" is not judged.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum

from kpi.counters import Delta, UptimeTracker, delta, span
from kpi.gear import Duplex, Facts

End = tuple[str, str]
"""A device and the key of one of its ports."""
VALID_INTERVALS = 2
VALID_S = 600.0
"""A reading holds for two intervals between readings, and for two of the usual 5 minutes at least."""
ERRORS_A_S = 1_500_000.0
"""The packets of a line of 1 Gb/s: more is no wrap."""


class Verdict(IntEnum):
    """On one port, the worse the higher."""

    AGREED = 0
    SUSPECTED = 1
    CERTAIN = 2


@dataclass(frozen=True, slots=True)
class PortDuplex:
    """One port: "half" or "full", None where it is not known; and whether frames were damaged, or came into collision
    late, between its last two readings (None: nobody knows)."""

    status: str | None
    late: bool | None = None
    damaged: bool | None = None


def verdict_of(own: PortDuplex, peer: PortDuplex | None) -> Verdict | None:
    """On ``own``, whose other end is ``peer`` where that is known. None where it cannot be judged."""
    if own.status is None:
        return None
    if peer is not None and peer.status is not None:
        return Verdict.AGREED if peer.status == own.status else Verdict.CERTAIN
    sign = own.late if own.status == "half" else own.damaged
    if sign is None:
        return None
    return Verdict.SUSPECTED if sign else Verdict.AGREED


def verdicts(ends: Mapping[End, PortDuplex], pairs: Iterable[tuple[End, End]]) -> dict[End, Verdict]:
    """On every port that can be judged; ``pairs`` are the two ends of one cable each. A port that is in several is
    connected to none of them: something that nobody sees stands between."""
    others: dict[End, set[End]] = defaultdict(set)
    for a, b in pairs:
        others[a].add(b)
        others[b].add(a)
    found: dict[End, Verdict] = {}
    for end, own in ends.items():
        peers = [ends.get(other) for other in others[end] if len(others[end]) == len(others[other]) == 1]
        verdict = verdict_of(own, peers[0] if peers else None)
        if verdict is not None:
            found[end] = verdict
    return found


class DuplexReadings:
    """What one device tells of its ports' duplex, by ifIndex."""

    __slots__ = ("_at", "_interval_s", "_last", "_ports", "_uptime", "_uptime_cs")

    def __init__(self, uptime: UptimeTracker) -> None:
        self._uptime = uptime
        self._at = float("-inf")
        self._interval_s = 0.0
        self._uptime_cs: int | None = None
        self._last: dict[int, Duplex] = {}
        self._ports: dict[int, PortDuplex] = {}

    def take(self, at: float, facts: Facts) -> None:
        """One reading of the table; ports that an incomplete one lacks are not known until the next."""
        over = span(self._uptime_cs, facts.uptime_cs, at - self._at, trusted=self._uptime.trusted)
        before, self._last = self._last, {row.port: row for row in facts.rows if isinstance(row, Duplex)}
        if before:
            self._interval_s = at - self._at
        self._at, self._uptime_cs = at, facts.uptime_cs

        def rose(a: int | None, b: int | None) -> Delta:
            return delta(a, b, 32, over, per_s=ERRORS_A_S)

        self._ports = {}
        for port, row in self._last.items():
            old = before.get(port)
            late = damaged = None
            if old is not None:
                late = _any(rose(old.late_collisions, row.late_collisions))
                damaged = _any(rose(old.fcs_errors, row.fcs_errors), rose(old.alignment_errors, row.alignment_errors))
            status = row.status if row.status in {"half", "full"} else None
            self._ports[port] = PortDuplex(status, late, damaged)

    def now(self, at: float) -> Mapping[int, PortDuplex]:
        """What holds at ``at``: the last reading, while it is valid (kpi/README.md R1)."""
        return self._ports if at - self._at <= max(VALID_S, VALID_INTERVALS * self._interval_s) else {}

    @property
    def known(self) -> bool:
        """Whether the device has the table at all."""
        return bool(self._last)


def _any(*rises: Delta) -> bool | None:
    """Whether any of the counters rose; None where none is known."""
    known = [rise for rise in rises if isinstance(rise, int)]
    return any(known) if known else None
