"""A walk of a device written down, so that a profile can be tested without it: the .snmprec format of SNMP simulators,
a line an instance, OID|TAG|VALUE, the value in hexadecimal where the tag ends in "x". Names are blanked out."""

import re
from collections.abc import AsyncIterator, Iterable, Sequence

from collectors.snmp import ber, oid
from collectors.snmp.ber import VarBind
from collectors.snmp.contact import Contact, DeadlineReached
from collectors.snmp.errors import DecodeError, SnmpError, Timeout, TooBig
from collectors.snmp.gear.model import Profile
from collectors.snmp.gear.sources import wanted as wanted_of
from collectors.snmp.interfaces import is_present, object_id
from collectors.snmp.message import NO_SUCH_NAME, status_name

ROOTS = (
    "1.3.6.1.2.1.1",  # SNMPv2-MIB system
    "1.3.6.1.2.1.2.2",  # IF-MIB ifTable
    "1.3.6.1.2.1.25.1",  # HOST-RESOURCES-MIB hrSystem
    "1.3.6.1.2.1.31.1.1",  # IF-MIB ifXTable
    "1.3.6.1.2.1.47.1.1.1",  # ENTITY-MIB entPhysicalTable
)
"""What is walked besides what profiles read."""
ENTERPRISES = "1.3.6.1.4.1"
NAMED = (
    "1.3.6.1.2.1.1.4",
    "1.3.6.1.2.1.1.5",
    "1.3.6.1.2.1.1.6",
    "1.3.6.1.2.1.31.1.1.1.18",
    "1.0.8802.1.1.2.1.3.3",
)
"""Columns that hold nothing but names people gave: sysContact, sysName, sysLocation, ifAlias, lldpLocSysName. What a
profile takes for a neighbour's name is one, too."""
BLANK = b"name"
SHORTEST = 3
"""Shorter names are not looked for in other values: they would be found in everything."""
ROWS_MAX = 50_000
REPETITIONS = 24
TRIES = 3
"""So often a single instance is asked for, and the device whether it is still there, before it is given up."""
GROWS_AFTER = 8
"""Answers without trouble after which more is asked for again."""


def roots_of(system_object_id: str | None, standard: Profile, more: Iterable[str] = ()) -> list[str]:
    """What is walked: ROOTS, what the ``standard`` set reads but for learnt addresses, which are people's, what the
    make keeps below its own enterprise, and ``more``; in order, none inside another. Raises ValueError where one of
    ``more`` is no OID."""
    own = re.match(rf"{re.escape(ENTERPRISES)}\.\d+", system_object_id or "")
    wanted = {*ROOTS, *([own[0]] if own else ()), *more}
    for table in standard.tables:
        if table.sort != "forwarding":
            wanted |= {table.entry, *(root for root in (table.changed, table.witness) if root is not None)}
            wanted |= {source.oid for source in wanted_of(table).foreign if source.oid is not None}
    kept: list[str] = []
    for root in sorted(wanted, key=lambda one: oid.arcs(oid.parse(one))):
        if not any(root == other or root.startswith(other + ".") for other in kept):
            kept.append(root)
    return kept


def names_of(profile: Profile) -> list[str]:
    """The columns that hold names: NAMED, and what the profile's tables take for a neighbour's name."""
    found = [
        f"{table.entry}.{source.column}"
        for table in profile.tables
        if table.sort == "neighbors"
        for source in (table.fields or {}).get("remote_name", ())
        if source.column is not None
    ]
    return [*NAMED, *found]


async def walk(contact: Contact, roots: Sequence[str], gaps: list[str]) -> AsyncIterator[VarBind]:
    """Every instance below the roots. What could not be had goes to ``gaps``: where, and why. Raises SnmpError where
    the device fell silent, DeadlineReached."""
    steps, rows = _Steps(contact), 0
    for root in roots:
        prefix = oid.parse(root)
        seen: set[bytes] = set()
        at: bytes | None = prefix
        while at is not None:
            try:
                found = await steps.after(at)
            except (SnmpError, DeadlineReached):
                gaps.append(f"all after {oid.text(at)}")
                raise
            if isinstance(found, str):
                behind = await steps.behind(at, prefix)
                to = f"the end of {root}" if behind is None else oid.text(behind)
                gaps.append(f"what lies between {oid.text(at)} and {to}: {found.replace('_', ' ')}")
                at = behind
                continue
            before, inside = at, bool(found)
            for bind in found:
                inside = bind.oid.startswith(prefix) and is_present(bind)
                if inside and (bind.oid in seen or not _is_oid(bind.oid)):
                    gaps.append(f"what lies between {oid.text(before)} and the end of {root}: its rows come again")
                    inside = False
                if not inside:
                    break
                if rows == ROWS_MAX:
                    gaps.append(f"all after {oid.text(before)}: {ROWS_MAX} values are enough")
                    return
                before, rows = bind.oid, rows + 1
                seen.add(bind.oid)
                yield bind
            at = before if inside else None


class _Steps:
    """Asks for what follows, as much at a time as the agent bears."""

    def __init__(self, contact: Contact) -> None:
        self._contact = contact
        self._most = 1 if contact.version == "1" else REPETITIONS
        self._repetitions = self._most
        self._clean = 0

    async def after(self, at: bytes) -> Sequence[VarBind] | str:
        """What follows ``at``, or why not even one instance could be had. Raises Timeout and its kin where the device
        fell silent, DeadlineReached."""
        tries = 0
        while True:
            found = await self._asked(at, self._repetitions)
            if not isinstance(found, str):
                break
            self._clean = 0
            tries += self._repetitions == 1
            if tries == TRIES:
                return found
            self._repetitions = max(1, self._repetitions // 2)
        self._clean += 1
        if self._clean == GROWS_AFTER:
            self._clean, self._repetitions = 0, min(self._most, 2 * self._repetitions)
        return found

    async def _asked(self, at: bytes, repetitions: int) -> Sequence[VarBind] | str:
        try:
            reply = await self._contact.following((at,), repetitions)
        except (TooBig, DecodeError) as error:
            return error.reason
        except Timeout as error:
            for _ in range(TRIES):
                if await self._contact.alive():
                    return error.reason
            raise
        if reply.error_status:  # noSuchName is how v1 says that nothing follows (RFC 1157 section 4.1.3)
            return () if reply.error_status == NO_SUCH_NAME else status_name(reply.error_status)
        return reply.varbinds

    async def behind(self, at: bytes, prefix: bytes) -> bytes | None:
        """The next place behind what spoils the answer after ``at``, one instance further, or a row, or a column; None
        where there is none below ``prefix``."""
        arcs = oid.arcs(at)
        for last in range(len(arcs) - 1, len(oid.arcs(prefix)) - 1, -1):
            if arcs[last] == oid.ARC_MAX:
                continue
            place = oid.from_arcs((*arcs[:last], arcs[last] + 1))
            if not isinstance(await self._asked(place, 1), str):
                return place
        return None


def _is_oid(name: bytes) -> bool:
    try:
        return bool(oid.subidentifiers(name))
    except DecodeError:
        return False


class Blanker:
    """Puts BLANK in the place of names: of whole values in ``columns``, and wherever else a value holds one of them or
    one of ``secrets``."""

    def __init__(self, columns: Iterable[str], secrets: Iterable[bytes] = ()) -> None:
        self._columns = tuple(oid.parse(column) for column in columns)
        self._words = {secret for secret in secrets if len(secret) >= SHORTEST}

    def learn(self, bind: VarBind) -> None:
        """Remember the name that the instance holds, if it is one."""
        if isinstance(bind.value, bytes) and bind.oid.startswith(self._columns) and len(bind.value) >= SHORTEST:
            self._words.add(bytes(bind.value).rstrip(b"\0"))

    def blank(self, bind: VarBind) -> VarBind:
        """The instance without names."""
        if bind.tag != ber.OCTET_STRING or not isinstance(bind.value, bytes) or not bind.value:
            return bind
        if bind.oid.startswith(self._columns):
            return VarBind(bind.oid, bind.tag, BLANK)
        value = bind.value
        for word in sorted(self._words, key=len, reverse=True):
            value = re.sub(re.escape(word), BLANK, value, flags=re.IGNORECASE)
        return VarBind(bind.oid, bind.tag, value)


def line(bind: VarBind) -> str:
    """The instance as a line of .snmprec."""
    value = bind.value
    if value is None:
        said, form = "", ""
    elif isinstance(value, int):
        said, form = str(value), ""
    elif bind.tag == ber.OBJECT_IDENTIFIER:
        said, form = object_id(bind) or "", ""
    elif bind.tag == ber.IP_ADDRESS and len(value) == 4:
        said, form = ".".join(map(str, value)), ""
    elif bind.tag == ber.OCTET_STRING and all(0x20 <= octet < 0x7F and octet != 0x7C for octet in value):
        said, form = value.decode("ascii"), ""
    else:
        said, form = value.hex().upper(), "x"
    return f"{oid.text(bind.oid)}|{bind.tag}{form}|{said}"
