"""The poll document (agent/README.md): one poll of one device as JSON types, for people and scripts.

It has no memory, so of a counter that exists in two widths it takes the better of one reading.
"""

import asyncio
import dataclasses
import ipaddress
import socket
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from collectors.clock import Clock
from collectors.snmp import ber, system
from collectors.snmp.batch import Asker, Poisons, Size, batches
from collectors.snmp.ber import VarBind
from collectors.snmp.contact import Client, Contact, DeadlineReached, Tally
from collectors.snmp.cost import cost_of
from collectors.snmp.credentials import Credential
from collectors.snmp.device import PORTS_AT_ONCE, DeviceSettings
from collectors.snmp.errors import AnsweredElsewhere, SnmpError
from collectors.snmp.gear.gear import Gear
from collectors.snmp.gear.library import Library
from collectors.snmp.interfaces import (
    ADMIN_STATES,
    OPER_STATES,
    Row,
    is_present,
    mac,
    reported_speed_bps,
    state,
    text,
    unsigned,
)
from collectors.snmp.message import prepare
from collectors.snmp.peer import Peer
from collectors.snmp.plan import WALKED
from collectors.snmp.slices import by_and_by, in_slices
from collectors.snmp.walk import walk_ports
from collectors.snmp.widths import PAIRS, best
from kpi.gear import SENSORS, UNITS, WIRELESS, Bridge, Facts, Inventory, Reading, Readings

Document = dict[str, Any]
Remarks = Callable[[Gear], Sequence[str]]
"""What is to be said of how a device was read, a sentence each."""

T = TypeVar("T")
_PLACED = frozenset({*WIRELESS, *SENSORS})
TOGETHER = 16
"""Devices polled at a time."""

_SAYINGS = {
    "timeout": "no answer: is the address right, SNMP enabled, the community or user right, and the way open?",
    "refused": "the device is there, but nothing listens on that UDP port",
    "host_unreachable": "the network says that the host cannot be reached",
    "net_unreachable": "there is no route to that network",
    "admin_prohibited": "a firewall on the way says no",
    "undecodable": "the answer was no readable SNMP message",
    "unknown_user": "the device does not know this SNMPv3 user",
    "wrong_digest": "the device rejects the authentication: its password or protocol differs",
    "decryption_error": "the device cannot decrypt: the privacy password or protocol differs",
    "not_in_time_window": "the device rejects our idea of its SNMPv3 clock",
    "unsupported_sec_level": "the device does not offer this user that authentication or privacy, or demands one",
    "access_denied": "the device knows this credential and lets it read nothing: it may want privacy (encryption) of "
    "this user, or its access group has no read view",
    "unknown_engine": "the device's SNMPv3 engine id cannot be learnt",
    "send_fault": "this machine could not send",
    "deadline": "time ran out before everything was read",
}


_ELSEWHERE = (
    "an answer came from {}, not from where it was asked for; it is not believed, for anybody could send it: let the "
    "device answer from the address it is asked at, or write the other as snmp_answers_from of the [[device]]"
)


@dataclass(frozen=True, slots=True)
class PollTarget:
    """What to poll: ``host`` is an address or a name."""

    label: str
    """How the user wrote it; "target" in the document."""
    host: str
    port: int
    credential: Credential
    answers_from: str | None = None
    """The address its answers come from, where that is another one."""


async def poll_documents(
    client: Client,
    clock: Clock,
    targets: Sequence[PollTarget],
    library: Library,
    *,
    timeout_s: float = 2.0,
    retries: int = 1,
    deadline_s: float = 60.0,
    together: int = TOGETHER,
    cost: bool = False,
    remarks: Remarks | None = None,
) -> AsyncIterator[Document]:
    """A document for each target as it is finished, at most ``together`` at a time; with ``cost`` also what watching
    it takes (collectors/snmp/cost.py), under "cost", with ``remarks`` what those say, under "remarks"."""
    gate = asyncio.Semaphore(together)

    async def one(target: PollTarget) -> Document:
        async with gate:
            found = await poll_document(
                client,
                clock,
                target,
                library,
                timeout_s=timeout_s,
                retries=retries,
                deadline_s=deadline_s,
                remarks=remarks,
            )
            if cost and found["answered"]:
                settings = DeviceSettings(
                    target.credential, target.port, timeout_s, retries, answers_from=target.answers_from
                )
                address = await resolve(target.host)
                spent = await cost_of(client, clock, address, settings, library, deadline_s=deadline_s)
                found["cost"] = dataclasses.asdict(spent)
            return found

    tasks = [asyncio.create_task(one(target), name=f"poll {target.label}") for target in targets]
    try:
        for finished in asyncio.as_completed(tasks):
            yield await finished
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def poll_document(
    client: Client,
    clock: Clock,
    target: PollTarget,
    library: Library,
    *,
    timeout_s: float = 2.0,
    retries: int = 1,
    deadline_s: float = 60.0,
    remarks: Remarks | None = None,
) -> Document:
    """One poll of one device. Expected failures stand in ``errors`` as sentences."""
    began = clock.monotonic()
    reader = _Reader(library, remarks)
    try:
        peer = Peer(await resolve(target.host), target.port, target.credential, answers_from=target.answers_from)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        reader.errors.append(f"{target.host}: {why}")
        return await reader.document(clock, target.label, answered=False, seconds=clock.monotonic() - began)
    contact = Contact(client, peer, clock, Tally(), ends_at=began + deadline_s, timeout_s=timeout_s, retries=retries)
    try:
        await reader.read(contact)
    except DeadlineReached:
        reader.errors.append(_SAYINGS["deadline"])
    except AnsweredElsewhere as error:
        reader.errors.append(_ELSEWHERE.format(error.elsewhere))
    except SnmpError as error:
        reader.errors.append(_SAYINGS.get(error.reason, str(error)))
    reader.errors += (f"{count} x {name.replace('_', ' ')}" for name, count in sorted(contact.tally.odd.items()))
    seconds = clock.monotonic() - began
    return await reader.document(clock, target.label, answered=contact.replies > 0, seconds=seconds)


async def resolve(host: str) -> str:
    """The address of ``host``, which may be one already. Raises OSError where the name has none."""
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_DGRAM)
        return str(found[0][4][0])


class _Reader:
    """Reads a device part by part, so that what was had stays when a later part fails."""

    def __init__(self, library: Library, remarks: Remarks | None) -> None:
        self.errors: list[str] = []
        self._remarks = remarks
        self._scalars: dict[str, VarBind] = {}
        self._rows: Mapping[int, Row] = {}
        self._gear = Gear(library)

    async def read(self, contact: Contact) -> None:
        asker = Asker(contact, Size(), Poisons())
        await contact.get(prepare(contact.version, [system.SCALARS[name] for name in system.HELLO]))
        for batch in batches(contact.version, system.groups(tuple(system.SCALARS)), Size().limit, with_uptime=False):
            answer = await asker.ask(batch)
            for name, tag, value in zip(batch.request.oids, answer.tags, answer.values, strict=True):
                bind = VarBind(name, tag, value)
                if tag != ber.MISSING and is_present(bind):
                    self._scalars[system.NAMES[name]] = bind
        walk = walk_ports(WALKED)
        self._rows = walk.rows
        try:
            await walk.run(contact)
        finally:
            self.errors += (f"{name}: {reason.replace('_', ' ')}" for name, reason in walk.cut.items())
        await self._gear.learn(asker, system.read_system(self._scalars))

    async def document(self, clock: Clock, label: str, *, answered: bool, seconds: float) -> Document:
        found = system.read_system(self._scalars)
        interfaces = await _each(clock, sorted(self._rows), lambda index: _interface(index, self._rows[index]))
        said = await by_and_by(self._gear.so_far_in_steps(found.uptime_cs), clock)
        return {
            "target": label,
            "answered": answered,
            "seconds": round(seconds, 3),
            "errors": self.errors,
            "system": {
                "sys_object_id": found.object_id,
                "sys_descr": found.descr,
                "sys_name": found.name,
                "sys_location": found.location,
                "uptime_seconds": None if found.uptime_cs is None else found.uptime_cs / 100,
            },
            "identity": dataclasses.asdict(self._gear.inventory or Inventory()),
            "interfaces": interfaces,
            **await _gear(clock, *said),
            **({} if self._remarks is None else {"remarks": list(self._remarks(self._gear))}),
        }


async def _each(clock: Clock, items: Sequence[T], make: Callable[[T], Document]) -> list[Document]:
    """What is made of each; the loop has its turn in between."""
    found: list[Document] = []
    async for some in in_slices(clock, items, PORTS_AT_ONCE):
        found += map(make, some)
    return found


async def _gear(clock: Clock, readings: Readings, facts: Sequence[Facts]) -> Document:
    """The sections that a profile fills; an empty list where the device has none of it."""
    rows = {found.sort: found.rows for found in facts}
    bridge = next((row for row in rows.get("bridge", ()) if isinstance(row, Bridge)), None)
    return {
        "wireless": await _each(clock, [one for one in readings.readings if one.kind in WIRELESS], _reading),
        "sensors": await _each(clock, [one for one in readings.readings if one.kind in SENSORS], _reading),
        "other": await _each(clock, [one for one in readings.readings if one.kind not in _PLACED], _reading),
        "neighbors": await _each(clock, rows.get("neighbors", ()), dataclasses.asdict),
        "bgp_peers": await _each(clock, rows.get("bgp_peers", ()), dataclasses.asdict),
        "ospf_neighbors": await _each(clock, rows.get("ospf_neighbors", ()), dataclasses.asdict),
        "stp": None if bridge is None else dataclasses.asdict(bridge),
    }


def _reading(reading: Reading) -> Document:
    return {
        "kind": reading.kind.value,
        "instance": reading.instance,
        "name": reading.name,
        "value": reading.value,
        "unit": UNITS[reading.kind],
    }


def _interface(index: int, row: Row) -> Document:
    """One interface as the agent gives it; a speed of 0 is its word for "no bandwidth" and stays."""
    descr = text(row.get("ifDescr"))
    return {
        "index": index,
        "name": text(row.get("ifName")) or descr or None,
        "descr": descr or None,
        "alias": text(row.get("ifAlias")) or None,
        "mtu": unsigned(row.get("ifMtu")),
        "speed_bps": reported_speed_bps(row),
        "mac": mac(row),
        "admin_status": state(row.get("ifAdminStatus"), ADMIN_STATES),
        "oper_status": state(row.get("ifOperStatus"), OPER_STATES),
        "in_octets": best(row, PAIRS["in_octets"]),
        "out_octets": best(row, PAIRS["out_octets"]),
        "in_unicast_packets": best(row, PAIRS["in_unicast"]),
        "out_unicast_packets": best(row, PAIRS["out_unicast"]),
        "in_errors": unsigned(row.get("ifInErrors")),
        "out_errors": unsigned(row.get("ifOutErrors")),
        "in_discards": unsigned(row.get("ifInDiscards")),
        "out_discards": unsigned(row.get("ifOutDiscards")),
    }
