"""Walking the columns of a table: several columns a request, bounded in rows, and able to go on in the next poll.

Agents give rows out of order, against RFC 3416 section 4.2.2 (orb-agent#590, node-net-snmp#61, puresnmp#94): a row
that was not seen before is a row and is kept, and the disorder is counted. A row that comes again ends its column, for
an agent that walks in circles never ends, and so does a column that has no end; rows that are no rows of the column are
passed over. Whatever was cut is in ``Walk.cut`` with its reason.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Generic, TypeVar

from collectors.snmp import oid
from collectors.snmp.ber import Value, VarBind
from collectors.snmp.contact import SYS_UPTIME, Contact
from collectors.snmp.errors import DecodeError, Timeout, TooBig
from collectors.snmp.interfaces import Column, is_present
from collectors.snmp.message import NO_SUCH_NAME, TOO_BIG, Reply, status_name

ROWS_MAX = 2048
"""Rows kept of a column; the largest recorded chassis has some hundred ports."""
LEARNT_MAX = 16_384
"""Rows kept of a forwarding table: what a switch of an office holds at most (8,192 or 16,384 addresses)."""
COLUMNS_A_REQUEST = 8
VARBINDS_A_REQUEST = 48
"""About 1,000 octets of answer: small agents have buffers of 1,500."""
VALUE_OCTETS_MAX = 2048
"""Octets kept of a value: more than the 255 characters of a name ever need, so that a cut still shows there."""
VALUES_SHARED = 256
INDEX_MAX = 2**31 - 1
"""InterfaceIndex, RFC 2863."""
INSTANCES_KEPT = 4096
"""Devices of one make have the same instances: 100 switches of 48 ports have 81,600, of which 816 differ."""


K = TypeVar("K")


@dataclass(slots=True)
class _Cursor:
    name: str
    prefix: bytes
    at: bytes
    """The row that came last; the next request asks for what follows it."""
    highest: tuple[int, ...] = ()
    """The arcs of the highest row so far: what comes after it was not seen before."""
    rows: int = 0
    passed_over: set[bytes] = field(default_factory=set)
    """What was no row of the column."""


@dataclass(slots=True)
class Walk(Generic[K]):
    """A walk over columns. ``run`` until it returns; after DeadlineReached it can be run again and goes on where it
    stopped."""

    columns: Iterable[Column]
    key: Callable[[bytes, bytes], K | None]
    """Of an instance and its column's OID, which row it is; None is no row of the column."""
    rows: dict[K, dict[str, VarBind]] = field(default_factory=dict)
    """What was found, by row and column name."""
    cut: dict[str, str] = field(default_factory=dict)
    """Columns that were not read to their end, with the reason."""
    most: int = ROWS_MAX
    """Rows kept of a column."""
    requests: int = 0
    """What it took so far."""
    _alike: dict[tuple[int, Value], VarBind] = field(default_factory=dict)
    """Values that many rows share, kept once."""
    _todo: deque[list[_Cursor]] = field(default_factory=deque)
    _room: int = VARBINDS_A_REQUEST
    _leads: bool = True
    """Whether sysUpTime can be asked for in front of the columns."""

    def __post_init__(self) -> None:
        cursors = [_Cursor(column.name, column.prefix, column.prefix) for column in self.columns]
        self._todo.extend(cursors[at : at + COLUMNS_A_REQUEST] for at in range(0, len(cursors), COLUMNS_A_REQUEST))

    @property
    def finished(self) -> bool:
        return not self._todo

    async def run(self, contact: Contact) -> None:
        """Walk to the end. Raises Timeout and its kin where the agent fell silent, DeadlineReached."""
        while self._todo:
            group = self._todo[0]
            repetitions = max(1, self._room // len(group))
            lead = [SYS_UPTIME[:-1]] if contact.watch is not None and self._leads else []
            self.requests += 1
            asked = [*lead, *(cursor.at for cursor in group)]
            try:
                reply = await contact.following(asked, repetitions, once=len(lead))
            except (TooBig, DecodeError) as error:
                self._narrow(contact, group, repetitions, error.reason)
                continue
            except Timeout as error:
                if not await contact.alive():
                    raise
                self._narrow(contact, group, repetitions, error.reason)
                continue
            if lead and reply.error_status and (reply.error_status != NO_SUCH_NAME or reply.error_index <= 1):
                self._leads = False  # perhaps it is sysUpTime beside a table that is not borne
            elif reply.error_status:
                self._refused(contact, group, repetitions, reply.error_status, reply.error_index - len(lead))
            else:
                binds = self._without_uptime(reply) if lead else reply.varbinds
                wanted = repetitions * len(group)
                if len(binds) > wanted:
                    contact.tally.odd["unasked"] += len(binds) - wanted
                self._take(contact, group, binds[:wanted])
            if not group:
                self._todo.popleft()

    def _without_uptime(self, reply: Reply) -> Sequence[VarBind]:
        """The answer behind the sysUpTime that was asked for in front of it. Where it is not there it is asked for no
        more."""
        binds = reply.varbinds
        self._leads = bool(binds) and binds[0].oid == SYS_UPTIME
        return binds[1:] if self._leads else binds

    def _narrow(self, contact: Contact, group: list[_Cursor], repetitions: int, reason: str) -> None:
        """Ask for less after a request that failed: fewer rows, then fewer columns, then without that column."""
        contact.tally.odd[reason] += 1
        self._leads = False
        if repetitions > 1 and contact.version != "1":
            self._room = max(1, len(group) * (repetitions // 2))
            return
        self._todo.popleft()
        if len(group) > 1:
            half = len(group) // 2
            self._todo.extendleft([group[half:], group[:half]])
        else:
            self.cut[group[0].name] = reason

    def _refused(self, contact: Contact, group: list[_Cursor], repetitions: int, status: int, index: int) -> None:
        """An error-status: noSuchName ends a column in v1 (RFC 1157 section 4.1.3); any other names the culprit."""
        if status == TOO_BIG:
            self._narrow(contact, group, repetitions, "too_big")
        elif 1 <= index <= len(group):
            cursor = group.pop(index - 1)
            if status != NO_SUCH_NAME:
                contact.tally.odd["error_status"] += 1
                self.cut[cursor.name] = status_name(status)
        elif len(group) == 1 and status == NO_SUCH_NAME:
            group.clear()
        else:
            self._narrow(contact, group, 1, status_name(status))

    def _take(self, contact: Contact, group: list[_Cursor], binds: Sequence[VarBind]) -> None:
        """Keep the rows of the columns asked; a column that got none is at its end.

        Varbind i answers column i modulo their number (RFC 3416 section 4.2.3). Past its end a column's answers run
        into the next one; and where an agent has its own idea of order, a column is served by what bears its prefix.
        """
        asked = list(group)
        advanced: set[str] = set()
        again: set[str] = set()
        others: list[VarBind] = []
        for position, bind in enumerate(binds):
            cursor = asked[position % len(asked)]
            if is_present(bind) and bind.oid.startswith(cursor.prefix):
                (advanced if self._keep(contact, cursor, bind) else again).add(cursor.name)
            elif is_present(bind):
                others.append(bind)
        for bind in others:
            for cursor in asked:
                if bind.oid.startswith(cursor.prefix) and self._keep(contact, cursor, bind, leads=False):
                    advanced.add(cursor.name)
        for cursor in asked:
            if cursor.name in again - advanced:
                self._cut(contact, cursor, "repeated")
            if cursor.name not in advanced or cursor.name in self.cut:
                group.remove(cursor)

    def _keep(self, contact: Contact, cursor: _Cursor, bind: VarBind, *, leads: bool = True) -> bool:
        """Keep a row of the column; False where it was seen before. ``leads`` tells that the walk goes on behind it,
        wherever it stands in order; a row in another column's place is followed where it is the highest."""
        arcs = _arcs(bind.oid)
        if cursor.name in self.cut:
            return True
        if not arcs:
            self._cut(contact, cursor, "undecodable")
            return True
        index = self.key(bind.oid, cursor.prefix)
        if arcs > cursor.highest:
            cursor.at, cursor.highest = bind.oid, arcs
        elif bind.oid in cursor.passed_over if index is None else cursor.name in self.rows.get(index, ()):
            return False
        else:
            contact.tally.odd["not_increasing"] += 1
            cursor.at = bind.oid if leads else cursor.at
        cursor.rows += 1
        if index is None:
            contact.tally.odd["odd_instance"] += 1
            cursor.passed_over.add(bind.oid)
        elif index in self.rows or len(self.rows) < self.most:
            self.rows.setdefault(index, {})[cursor.name] = self._shared(bounded(bind))
        else:
            cursor.rows = self.most  # there is no room for it, and nothing is left out without a word
        if cursor.rows >= self.most:
            self._cut(contact, cursor, "endless")
        return True

    def _cut(self, contact: Contact, cursor: _Cursor, reason: str) -> None:
        contact.tally.odd[reason] += 1
        self.cut[cursor.name] = reason

    def _shared(self, bind: VarBind) -> VarBind:
        """The value without its OID, which the row and the column say."""
        if len(self._alike) > VALUES_SHARED:
            self._alike.clear()
        return self._alike.setdefault((bind.tag, bind.value), VarBind(b"", bind.tag, bind.value))


def bounded(bind: VarBind) -> VarBind:
    """The instance with no more of its value than VALUE_OCTETS_MAX."""
    if isinstance(bind.value, bytes) and len(bind.value) > VALUE_OCTETS_MAX:
        return VarBind(bind.oid, bind.tag, bind.value[:VALUE_OCTETS_MAX])
    return bind


def walk_ports(columns: Iterable[Column]) -> Walk[int]:
    """A walk of ifTable and ifXTable, rows by ifIndex."""
    return Walk(columns, instance_of)


def row_of(name: bytes, prefix: bytes) -> bytes:
    """The row of any table: what stands behind the column's OID."""
    return name[len(prefix) :]


def instance_of(name: bytes, prefix: bytes) -> int | None:
    """The ifIndex of an instance of the column ``prefix``; None where it is not one arc up to 2^31-1 (RFC 2863
    begins at 1, some agents at 0)."""
    rest = name[len(prefix) :]
    if len(rest) == 1:
        return rest[0] if rest[0] < 0x80 else None
    try:
        arcs = oid.subidentifiers(rest)
    except DecodeError:
        return None
    return arcs[0] if len(arcs) == 1 and arcs[0] <= INDEX_MAX else None


@lru_cache(INSTANCES_KEPT)
def instance(prefix: bytes, index: int) -> bytes:
    """The OID of row ``index`` of a column."""
    out = [index & 0x7F]
    while index := index >> 7:
        out.append(0x80 | index & 0x7F)
    return prefix + bytes(reversed(out))


def _arcs(name: bytes) -> tuple[int, ...]:
    """The arcs of an OID, () where it is none."""
    try:
        return oid.subidentifiers(name)
    except DecodeError:
        return ()
