"""Who made a device and which one it is, as far as the ENTITY-MIB (RFC 6933) tells: the row of its chassis."""

from dataclasses import dataclass

from collectors.snmp import oid
from collectors.snmp.batch import Asker, Group, batches
from collectors.snmp.ber import VarBind
from collectors.snmp.contact import Contact
from collectors.snmp.interfaces import is_present, number, text
from collectors.snmp.walk import instance, instance_of

CLASS = oid.parse("1.3.6.1.2.1.47.1.1.1.1.5")
CHASSIS = 3
STACK = 11
ROWS_LOOKED_AT = 96
"""The chassis stands among the first rows of every recorded device."""
A_REQUEST = 32

_COLUMNS = {
    name: oid.parse(f"1.3.6.1.2.1.47.1.1.1.1.{number}")
    for name, number in {
        "descr": 2, "name": 7, "hardware": 8, "firmware": 9, "software": 10, "serial": 11, "vendor": 12, "model": 13,
    }.items()
}  # fmt: skip
_NAMES = {column: name for name, column in _COLUMNS.items()}


@dataclass(frozen=True, slots=True)
class Identity:
    """entPhysicalDescr, Name, HardwareRev, FirmwareRev, SoftwareRev, SerialNum, MfgName and ModelName of the chassis;
    None is unknown."""

    descr: str | None = None
    name: str | None = None
    hardware: str | None = None
    firmware: str | None = None
    software: str | None = None
    serial: str | None = None
    vendor: str | None = None
    model: str | None = None


async def read(asker: Asker) -> Identity:
    """The chassis' row, or nothing where there is none or the agent does not bear the question. Raises Timeout and
    its kin, DeadlineReached."""
    row = await _chassis(asker.contact)
    if row is None:
        return Identity()
    groups = [Group(row, (instance(column, row),)) for column in _COLUMNS.values()]
    found: dict[str, str | None] = {}
    for batch in batches(asker.contact.version, groups, asker.size.limit, with_uptime=False):
        answer = await asker.ask_whole(batch)
        for name, tag, value in zip(batch.request.oids, answer.tags, answer.values, strict=True):
            found[_NAMES[name[: len(CLASS)]]] = text(VarBind(name, tag, value)) or None
    return Identity(**found)


async def _chassis(contact: Contact) -> int | None:
    """The entPhysicalIndex of the first chassis, else of the stack."""
    at, stack = CLASS, None
    for _ in range(0, ROWS_LOOKED_AT, 1 if contact.version == "1" else A_REQUEST):
        reply = await contact.following((at,), A_REQUEST)
        if reply.error_status:
            break
        before = at
        for bind in reply.varbinds:
            index = instance_of(bind.oid, CLASS) if bind.oid.startswith(CLASS) and is_present(bind) else None
            if index is None:
                return stack
            kind = number(bind)
            if kind == CHASSIS:
                return index
            stack = index if kind == STACK and stack is None else stack
            at = bind.oid
        if at == before:
            break
    return stack
