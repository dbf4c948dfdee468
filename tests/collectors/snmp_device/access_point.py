"""A made-up access point with a profile of its own, and a library that has just that."""

import re

from collectors.snmp.gear.library import Entry
from collectors.snmp.gear.model import (
    Condition,
    Every,
    IdentitySpec,
    Match,
    Part,
    Profile,
    Reduce,
    Source,
    System,
    Table,
    ValueSpec,
)
from kpi.gear import Kind
from tests.collectors.snmp_device.scripted import COUNTER32, GAUGE, INT, OCTETS, ScriptedAgent, arcs, switch

OWN = "1.3.6.1.4.1.99999.7"
RADIO, STATION, POWER, NEIGHBOUR = (f"{OWN}.{table}.1" for table in range(1, 5))
MARKER = f"{OWN}.9.0"

RADIOS = Table(
    "radios",
    RADIO,
    label=(Source(column="2"),),
    where=(Condition(Source(column="5"), outside=frozenset({"2"})),),
    values=(
        ValueSpec(Kind.NOISE_FLOOR, Source(column="3"), negate=True, least=-110, most=-30),
        ValueSpec(Kind.CHANNEL_UTILIZATION, Source(column="4"), scale=0.1, drop=frozenset({65535.0})),
    ),
)
STATIONS = Table(
    "stations",
    STATION,
    index=(Part.INT, Part.MAC),
    volatile=True,
    witness=RADIO,
    values=(ValueSpec(Kind.CLIENTS, Source(column="1"), reduce=Reduce.COUNT),),
)
POWERED = Table(
    "power",
    POWER,
    scalar=True,
    every=Every.STATUS,
    values=(ValueSpec(Kind.ON_BATTERY, Source(column="1", map={"5": "1", "*": "0"})),),
)
NEIGHBOURS = Table(
    "neighbours",
    NEIGHBOUR,
    index=(Part.INT, Part.INT),
    volatile=True,
    changed=MARKER,
    sort="neighbors",
    fields={
        "protocol": (Source(text="made-up"),),
        "local_port": (Source(oid="1.3.6.1.2.1.31.1.1.1.1", at=(Source(index=1),)),),
        "remote_name": (Source(column="2"),),
    },
)
IDENTITY = IdentitySpec(
    vendor=(Source(text="Acme"),),
    model=(Source(oid=f"{OWN}.8.1.0"), Source(system=System.DESCR, pattern=re.compile(r"Scripted (\w+)"))),
    firmware=(Source(first=f"{OWN}.8.2.1"),),
)
TABLES = (RADIOS, STATIONS, POWERED, NEIGHBOURS)


class OneProfile:
    """A library of one profile, for sysObjectIDs below ``root``, and of an empty standard set."""

    def __init__(self, *tables: Table, root: str = "1.3.6.1.4.1.99999", present: str | None = None) -> None:
        match = Match(object_ids=(root,), present=present)
        self.made = Profile("acme-ap", (match,), IDENTITY, tables or TABLES)

    def entries(self) -> tuple[Entry, ...]:
        return (Entry(self.made.name, 0, self.made.matches),)

    def profile(self, name: str | None) -> Profile:
        return self.made if name == self.made.name else Profile("standard", (), IdentitySpec(), ())


def access_point() -> ScriptedAgent:
    """Two radios, the second switched off; three stations; on mains; one neighbour at port 2."""
    agent = switch(2)
    agent.column(f"{RADIO}.2", {1: (OCTETS, b"5 GHz"), 2: (OCTETS, b"2.4 GHz")})
    agent.column(f"{RADIO}.3", {1: (GAUGE, 95), 2: (GAUGE, 90)})
    agent.column(f"{RADIO}.4", {1: (COUNTER32, 370), 2: (COUNTER32, 65535)})
    agent.column(f"{RADIO}.5", {1: (INT, 1), 2: (INT, 2)})
    for last in (1, 2, 3):
        agent.values[*arcs(STATION), 1, 1, 2, 0, 0, 0, 0, last] = (INT, 1)
    agent.values[*arcs(POWER), 1, 0] = (INT, 3)
    agent.values[*arcs(NEIGHBOUR), 2, 2, 7] = (OCTETS, b"core")
    agent.values[arcs(MARKER)] = (INT, 4)
    agent.values[*arcs(OWN), 8, 2, 1, 1] = (OCTETS, b"")
    agent.values[*arcs(OWN), 8, 2, 1, 2] = (OCTETS, b"7.1")
    return agent
