"""What is asked of one port in each poll, and what the answer says of it."""

from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from collectors.snmp import ber
from collectors.snmp.batch import Answer, Group
from collectors.snmp.ber import Value, VarBind
from collectors.snmp.interfaces import (
    ADMIN_STATES,
    COLUMNS,
    OPER_STATES,
    STATIC,
    STATUS,
    Row,
    state,
    unsigned,
    without_sign,
)
from collectors.snmp.walk import instance
from collectors.snmp.widths import (
    COUNTER_COLUMNS,
    PAIRS,
    SINGLES,
    Reading,
    Width,
    choose,
    columns_of,
    pack,
    reading,
    unpack,
)
from kpi.model import Outcome, PortCounters, PortIdentity, PortStatus

WALKED = tuple(COLUMNS[name] for name in (*STATUS, *STATIC, *COUNTER_COLUMNS))
"""Every column that first contact walks."""

FIGURES = (*PAIRS, *SINGLES)
"""The figures of PortCounters in its order."""

_UNSIGNED_TAGS = bytes((ber.COUNTER32, ber.GAUGE32, ber.TIME_TICKS, ber.COUNTER64, ber.UINTEGER32))
_STATUS_TAGS = bytes((ber.INTEGER, ber.TIME_TICKS))
_ABSENT = frozenset(ber.EMPTY)
_OCTETS = ("in_octets", "out_octets")
_PACKETS = tuple(figure for figure in PAIRS if figure not in _OCTETS)

_OUTCOMES = {
    "timeout": Outcome.NO_REPLY,
    "host_unreachable": Outcome.NO_REPLY,
    "net_unreachable": Outcome.NO_REPLY,
    "admin_prohibited": Outcome.NO_REPLY,
    "other_source": Outcome.NO_REPLY,
    "deadline": Outcome.SKIPPED,
    "restarted": Outcome.SKIPPED,
    "send_fault": Outcome.AGENT_FAULT,
    "busy": Outcome.AGENT_FAULT,
}

NO_SHORTS: dict[str, int] = {}
"""``Port.short_at`` of a port whose widths are decided."""

CountOdd = Callable[[str], None]
Shared = dict[Any, Any]
"""Equal values kept once: the ports of a device are much alike, and 4,800 of them are many."""


def outcome_of(reason: str) -> Outcome:
    """Whose doing it is that an instance has no value; what is not listed is the agent's own refusal."""
    return _OUTCOMES.get(reason, Outcome.REFUSED)


@dataclass(frozen=True, slots=True)
class Lost:
    """Why a port has no reading in this poll."""

    reason: str


@dataclass(slots=True)
class Port:
    """One port as it is polled."""

    identity: PortIdentity
    columns: frozenset[str]
    """The columns the agent has for it."""
    widths: Mapping[str, Width]
    evidence: "array[int]"
    """The last reading of both widths of each of PAIRS (widths.pack)."""
    last_change_cs: int | None = None
    status_at: tuple[int, ...] = ()
    """Offsets of STATUS in its group, -1 where absent."""
    counters_at: tuple[int, ...] = ()
    """Offsets of ifCounterDiscontinuityTime and FIGURES, -1 where absent."""
    short_at: dict[str, int] = field(default_factory=dict)
    """Offsets of the 32-bit counters that are read beside the 64-bit ones."""
    octet_bits: int = 64
    packet_bits: int = 64

    @property
    def index(self) -> int:
        return self.identity.index


def learn(identity: PortIdentity, row: Row, before: Port | None = None, shared: Shared | None = None) -> Port:
    """The port of a walked row; ``before`` is what was known of the port of that name, ``shared`` what ports have in
    common. Only octets are read in both widths while nothing has moved: packet counters follow those of their
    direction."""
    readings = [reading(row, pair) for pair in PAIRS.values()]
    widths = {}
    for at, (figure, now) in enumerate(zip(PAIRS, readings, strict=True)):
        past = None if before is None else unpack(before.evidence, at)
        widths[figure] = choose(now, past, None if before is None else before.widths[figure])
    for figure in _PACKETS:
        if widths[figure] is Width.BOTH:
            widths[figure] = Width.SHORT if widths[_octets_beside(figure)] is Width.SHORT else Width.LONG
    columns = frozenset(row)
    if shared is not None:
        columns = shared.setdefault(columns, columns)
        widths = shared.setdefault(tuple(widths.items()), widths)
    return Port(
        identity=identity,
        columns=columns,
        widths=widths,
        evidence=pack(readings),
        last_change_cs=unsigned(row.get("ifLastChange")),
    )


def _octets_beside(figure: str) -> str:
    """The octets of a packet figure's direction."""
    return "in_octets" if figure.startswith("in_") else "out_octets"


def status_group(port: Port, skip: Callable[[bytes], bool], shared: Shared) -> Group:
    """The port's status columns as one group; ``skip`` names instances to leave out."""
    oids: list[bytes] = []
    places = tuple(_place(oids, port, name, skip) for name in STATUS)
    port.status_at = shared.setdefault(places, places)
    return Group(port.index, tuple(oids))


def static_group(port: Port, skip: Callable[[bytes], bool]) -> Group:
    """The port's static columns as one group, in the order of STATIC, without those it lacks."""
    oids: list[bytes] = []
    for name in STATIC:
        _place(oids, port, name, skip)
    return Group(port.index, tuple(oids))


def counter_group(port: Port, skip: Callable[[bytes], bool], shared: Shared) -> Group:
    """The port's counters and its discontinuity time as one group."""
    oids: list[bytes] = []
    places = [_place(oids, port, "ifCounterDiscontinuityTime", skip)]
    port.short_at = {}
    for figure in PAIRS:
        width = port.widths[figure]
        columns = columns_of(figure, width, port.columns)
        places.append(_place(oids, port, columns[0], skip) if columns else -1)
        if len(columns) > 1 and (short := _place(oids, port, columns[1], skip)) >= 0:
            port.short_at[figure] = short
    places += [_place(oids, port, name, skip) for name in SINGLES.values()]
    offsets = tuple(places)
    port.counters_at = shared.setdefault(offsets, offsets)
    port.short_at = port.short_at or NO_SHORTS
    port.octet_bits, port.packet_bits = _bits(port, _OCTETS), _bits(port, _PACKETS)
    return Group(port.index, tuple(oids))


def _place(oids: list[bytes], port: Port, column: str, skip: Callable[[bytes], bool]) -> int:
    if column not in port.columns:
        return -1
    name = instance(COLUMNS[column].prefix, port.index)
    if skip(name):
        return -1
    oids.append(name)
    return len(oids) - 1


def _bits(port: Port, figures: Sequence[str]) -> int:
    """64 only where every figure is: the narrowest width is the one a reader may rely on."""
    columns = [name for figure in figures for name in columns_of(figure, port.widths[figure], port.columns)[:1]]
    return 64 if columns and all(name.startswith("ifHC") for name in columns) else 32


def read_status(port: Port, answer: Answer, start: int, size: int, uptime: int | None) -> PortStatus | Lost:
    """The port's status from the ``size`` varbinds at ``start``."""
    lost = _lost(answer, start, size)
    if lost is not None:
        return lost
    admin, oper, changed = port.status_at
    return PortStatus(
        admin=state(_bind(answer, start, admin), ADMIN_STATES),
        oper=state(_bind(answer, start, oper), OPER_STATES),
        last_change_cs=unsigned(_bind(answer, start, changed)),
        uptime_cs=uptime,
    )


def read_statuses_plain(answer: Answer, lead: int) -> bool:
    """Whether every status varbind of the answer has the type it should have."""
    return not answer.missing and not answer.tags[lead:].translate(None, _STATUS_TAGS)


def read_plain_status(port: Port, values: list[Value], start: int, uptime: int | None) -> PortStatus:
    """As ``read_status`` for an answer in which everything has its right type."""
    admin, oper, changed = port.status_at
    ticks = values[start + changed] if changed >= 0 else None
    return PortStatus(
        ADMIN_STATES.get(values[start + admin]) if admin >= 0 else None,  # type: ignore[arg-type]
        OPER_STATES.get(values[start + oper]) if oper >= 0 else None,  # type: ignore[arg-type]
        without_sign(ticks) if isinstance(ticks, int) else None,
        uptime,
    )


def read_counters_plain(answer: Answer, lead: int) -> bool:
    """Whether every varbind of the answer is of an unsigned type, so that no value needs a look of its own."""
    return not answer.missing and not answer.tags[lead:].translate(None, _UNSIGNED_TAGS)


def read_counters(
    port: Port, answer: Answer, start: int, size: int, uptime: int | None, *, odd: CountOdd, plain: bool
) -> PortCounters | Lost:
    """The port's counters from the ``size`` varbinds at ``start``. Undecided widths are decided where this reading
    decides them (``port.widths`` changes, and its group must be made anew)."""
    values = answer.values
    if plain:
        found = [values[start + at] if at >= 0 else None for at in port.counters_at]
    else:
        lost = _lost(answer, start, size)
        if lost is not None:
            return lost
        found = [_number(answer, start, at, odd) for at in port.counters_at]
    if port.short_at:
        _decide(port, found, {figure: _number(answer, start, at, odd) for figure, at in port.short_at.items()})
    discontinuity, *figures = found
    return PortCounters(uptime, discontinuity, port.octet_bits, port.packet_bits, *figures)  # type: ignore[arg-type]


def _decide(port: Port, found: list[Value], shorts: dict[str, int | None]) -> None:
    """Choose between two readings of a pair; ``found`` holds the long ones and takes the short where that is right."""
    for at, figure in enumerate(PAIRS, 1):
        if figure not in shorts:
            continue
        long = found[at]
        now = Reading(long if isinstance(long, int) else None, shorts[figure])
        width = choose(now, unpack(port.evidence, at - 1), port.widths[figure])
        port.evidence[2 * at - 2 : 2 * at] = pack((now,))
        if width is not Width.NEITHER:
            port.widths = {**port.widths, figure: width}
        if width is Width.SHORT:
            found[at] = now.short
            for place, packets in enumerate(PAIRS):
                beside = unpack(port.evidence, place)
                if (
                    packets in _PACKETS
                    and _octets_beside(packets) == figure
                    and beside.long == 0
                    and beside.short is not None
                ):
                    port.widths = {**port.widths, packets: Width.SHORT}
    port.octet_bits, port.packet_bits = _bits(port, _OCTETS), _bits(port, _PACKETS)


def undecided(port: Port) -> bool:
    """Whether ``short_at`` still says what is to be read beside the long counters."""
    return all(port.widths[figure] is Width.BOTH for figure in port.short_at)


def _bind(answer: Answer, start: int, at: int) -> VarBind | None:
    """The varbind at an offset, None where nothing came or the agent has no such thing."""
    if at < 0:
        return None
    tag = answer.tags[start + at]
    if tag == ber.MISSING or tag in _ABSENT:
        return None
    return VarBind(b"", tag, answer.values[start + at])


def _number(answer: Answer, start: int, at: int, odd: CountOdd) -> int | None:
    bind = _bind(answer, start, at)
    found = unsigned(bind)
    if bind is not None and found is None:
        odd("wrong_type")
    return found


def _lost(answer: Answer, start: int, size: int) -> Lost | None:
    """The reason where none of the port's varbinds came."""
    tags = answer.tags[start : start + size]
    if all(tag in _ABSENT for tag in tags):
        return Lost("no_such_instance")
    if any(tag != ber.MISSING and tag not in _ABSENT for tag in tags):
        return None
    reasons = [answer.missing.get(position) for position in range(start, start + size)]
    return Lost(next((reason for reason in reasons if reason is not None), "missing"))
