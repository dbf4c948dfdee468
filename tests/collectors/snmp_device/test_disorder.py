"""Agents that give rows out of order, twice, or in another column's place: what was not seen before is a row."""

from dataclasses import dataclass

import pytest

from collectors.snmp.gear.model import Source, Table
from kpi.gear import Facts, Neighbor
from kpi.model import Metric
from tests.collectors.snmp_device.access_point import OWN, RADIOS, OneProfile, access_point
from tests.collectors.snmp_device.conftest import MakePoller, Poller
from tests.collectors.snmp_device.scripted import (
    GET_BULK,
    IF,
    IFX,
    INT,
    OCTETS,
    Arcs,
    ScriptedAgent,
    Typed,
    arcs,
    encode,
    port,
    serving,
    switch,
)
from tests.collectors.snmp_device.test_recording import recorded

CDP = f"{OWN}.70.1"
SEEN = Table(
    "seen",
    CDP,
    index=(),
    volatile=True,
    sort="neighbors",
    fields={
        "protocol": (Source(text="made-up"),),
        "local_port": (Source(index=1),),
        "remote_name": (Source(column="2"),),
        "remote_port": (Source(column="3"),),
    },
)


@dataclass
class Unsorted(ScriptedAgent):
    """Serves its rows in the order in which they were put in; the last leads to the first where it is ``circular``."""

    circular: Arcs | None = None

    def _next(self, oid: Arcs) -> tuple[Arcs, bytes]:
        order = list(self.values)
        if self.circular is not None and oid[: len(self.circular)] == self.circular and oid in self.values:
            own = [one for one in order if one[: len(self.circular)] == self.circular]
            found = own[(own.index(oid) + 1) % len(own)]
            return found, encode(self.values[found])
        if oid not in self.values:
            return super()._next(oid)
        at = order.index(oid) + 1
        return (order[at], encode(self.values[order[at]])) if at < len(order) else super()._next((2, 999))


def by_column(values: dict[Arcs, Typed]) -> dict[Arcs, Typed]:
    """Columns in order, the rows of each as they were put in."""
    return dict(sorted(values.items(), key=lambda item: item[0][:-1]))


def unsorted_switch(*indices: int) -> Unsorted:
    values = switch(0).values
    for index in indices:
        values |= port(index)
    return Unsorted(by_column(values))


def neighbors(probe: Poller) -> Facts:
    return next(s.value for s in probe.samples if isinstance(s.value, Facts) and s.value.sort == "neighbors")


@pytest.mark.parametrize("version", ["1", "2c"])
async def test_ports_out_of_order_are_ports_and_the_disorder_is_counted(poller: MakePoller, version: str) -> None:
    async with serving(unsorted_switch(1, 2, 48, 19, 20)) as agent:
        probe = poller(agent, version=version)
        await probe.poll()
    assert set(probe.of(Metric.PORT_COUNTERS)) == {"ge1", "ge2", "ge48", "ge19", "ge20"}
    assert probe.odd["not_increasing"] >= 2, "19 and 20 come after 48, in every column"
    assert probe.collector.left_out("dev:snmp") == {}


@pytest.mark.parametrize("version", ["1", "2c"])
async def test_neighbours_out_of_order_are_a_complete_table(poller: MakePoller, version: str) -> None:
    """Else the KPI made of them would vanish."""
    agent = Unsorted(dict(access_point().values))
    for column, word in ((2, "switch"), (3, "p")):
        for row in (1, 48, 19):
            agent.values[*arcs(CDP), column, row, 7] = (OCTETS, f"{word}-{row}".encode())
    async with serving(agent):
        probe = poller(agent, version=version, library=OneProfile(RADIOS, SEEN))
        await probe.poll()
    found = neighbors(probe)
    assert found.rows == tuple(Neighbor("made-up", str(n), f"switch-{n}", f"p-{n}") for n in (1, 48, 19))
    assert found.complete
    assert probe.odd["not_increasing"] == 2


@pytest.mark.parametrize("version", ["1", "2c"])
async def test_a_walk_in_circles_ends_and_its_facts_are_not_called_complete(poller: MakePoller, version: str) -> None:
    agent = Unsorted(dict(access_point().values), circular=(*arcs(CDP), 2))
    for column, word in ((2, "switch"), (3, "p")):
        for row in (1, 48, 19):
            agent.values[*arcs(CDP), column, row, 7] = (OCTETS, f"{word}-{row}".encode())
    async with serving(agent):
        probe = poller(agent, version=version, library=OneProfile(RADIOS, SEEN))
        await probe.poll()
    found = neighbors(probe)
    assert [row.remote_name for row in found.rows if isinstance(row, Neighbor)] == [
        "switch-1",
        "switch-48",
        "switch-19",
    ]
    assert not found.complete
    assert probe.odd["repeated"] == 1
    assert len(agent.log) < 60


async def test_rows_in_the_place_of_another_column_are_not_lost(poller: MakePoller) -> None:
    """An agent that answers a GETBULK column by column."""
    agent = switch(5)

    def column_by_column(pdu: int, binds: list[bytes]) -> list[bytes]:
        return sorted(binds, key=lambda bind: bind[4:16]) if pdu == GET_BULK else binds

    agent.mangle = column_by_column
    async with serving(agent):
        probe = poller(agent)
        await probe.poll()
        assert set(probe.of(Metric.PORT_COUNTERS)) == {f"ge{n}" for n in range(1, 6)}
        identity = {key: sample.value for key, sample in probe.of(Metric.PORT_IDENTITY).items()}
        assert {one.speed_bps for one in identity.values()} == {1_000_000_000}  # type: ignore[union-attr]


async def test_odd_instances_out_of_order_do_not_end_the_table(poller: MakePoller) -> None:
    agent = unsorted_switch(1, 2)
    agent.values = by_column(
        agent.values
        | {(*arcs(IF), 2, 9, 9): (OCTETS, b"?"), (*arcs(IF), 2, 7, 7): (OCTETS, b"?")}
        | {(*arcs(IF), 2, 3): (OCTETS, b"Port 3"), (*arcs(IFX), 1, 3): (OCTETS, b"ge3"), (*arcs(IF), 8, 3): (INT, 1)}
    )
    async with serving(agent):
        probe = poller(agent)
        await probe.poll()
    assert probe.odd["odd_instance"] == 2
    assert set(probe.of(Metric.PORT_STATUS)) == {"ge1", "ge2", "ge3"}
    assert probe.collector.left_out("dev:snmp") == {}


async def test_a_recording_has_rows_out_of_order_too() -> None:
    gaps: list[str] = []
    agent = Unsorted(dict(access_point().values))
    for row in (1, 48, 19):
        agent.values[*arcs(CDP), 2, row, 7] = (OCTETS, b"p")
    rows = await recorded(agent, gaps)
    assert [row.split("|")[0] for row in rows if row.startswith(CDP)] == [f"{CDP}.2.{n}.7" for n in (1, 48, 19)]
    assert gaps == []
    agent.circular = (*arcs(CDP), 2)
    rows = await recorded(agent, gaps)
    assert [row.split("|")[0] for row in rows if row.startswith(CDP)] == [f"{CDP}.2.{n}.7" for n in (1, 48, 19)]
    assert len(gaps) == 1 and gaps[0].endswith("its rows come again")
