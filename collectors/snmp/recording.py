"""A walk of a device written down, so that a profile can be tested without it: the .snmprec format of SNMP simulators,
a line an instance, OID|TAG|VALUE, the value in hexadecimal where the tag ends in "x". Names are blanked out."""

import re
from collections.abc import AsyncIterator, Iterable, Sequence

from collectors.snmp import ber, oid
from collectors.snmp.ber import VarBind
from collectors.snmp.contact import Contact
from collectors.snmp.errors import DecodeError
from collectors.snmp.gear.model import Profile
from collectors.snmp.gear.sources import wanted as wanted_of
from collectors.snmp.interfaces import is_present, object_id

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


async def walk(contact: Contact, roots: Sequence[str]) -> AsyncIterator[VarBind]:
    """Every instance below the roots. Raises SnmpError where the device fell silent, DeadlineReached; an agent whose
    OIDs do not increase is left at that root."""
    rows = 0
    for root in roots:
        prefix = at = oid.parse(root)
        inside = True
        while inside and rows < ROWS_MAX:
            reply = await contact.following((at,), REPETITIONS)
            inside = not reply.error_status
            for bind in reply.varbinds if inside else ():
                if not (bind.oid.startswith(prefix) and is_present(bind) and _after(bind.oid, at)):
                    inside = False
                    break
                at, rows = bind.oid, rows + 1
                yield bind


def _after(name: bytes, other: bytes) -> bool:
    try:
        return oid.after(name, other)
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
