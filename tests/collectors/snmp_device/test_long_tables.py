"""Forwarding tables of thousands of rows: told whole up to a bound, walked rarely, and without holding the loop."""

import bisect
import time
from collections.abc import Generator
from dataclasses import dataclass, field

import pytest

from collectors.snmp.ber import INTEGER, VarBind
from collectors.snmp.gear.gear import Gear
from collectors.snmp.gear.model import Every, Part, Source, Table
from collectors.snmp.gear.tables import TableState
from collectors.snmp.oid import from_arcs
from collectors.snmp.walk import LEARNT_MAX
from kpi.gear import Facts, Forwarding
from tests.collectors.snmp_device.access_point import OWN, RADIOS, STATION, STATIONS, OneProfile, access_point
from tests.collectors.snmp_device.conftest import MakePoller, Poller
from tests.collectors.snmp_device.scripted import (
    END_OF_MIB,
    GET,
    INT,
    TICKS,
    UPTIME,
    Arcs,
    ScriptedAgent,
    Typed,
    arcs,
    encode,
    serving,
)
from tests.collectors.snmp_device.test_gear import facts, readings

LEARNT = f"{OWN}.60.1"
FDB = Table(
    "fdb",
    LEARNT,
    index=(Part.MAC,),
    every=Every.STATIC,
    volatile=True,
    sort="forwarding",
    fields={"mac": (Source(index=1),), "port": (Source(column="2"),)},
    label=(Source(column="3"),),
)
CHANGED = "1.3.6.1.2.1.31.1.5.0"


@dataclass
class Bridge(ScriptedAgent):
    """Serves long tables: its rows are sorted once for all answers while their number stays."""

    ordered: list[Arcs] = field(default_factory=list)

    def _next(self, oid: Arcs) -> tuple[Arcs, bytes]:
        if len(self.ordered) != len(self.values):
            self.ordered = sorted(self.values)
        at = bisect.bisect_right(self.ordered, oid)
        return (
            (self.ordered[at], encode(self.values[self.ordered[at]])) if at < len(self.ordered) else (oid, END_OF_MIB)
        )


def address(number: int) -> Arcs:
    return (2, 0, 0, *number.to_bytes(3, "big"))


def bridge(addresses: int) -> Bridge:
    """An access point that has learnt so many addresses, behind 40 ports."""
    values: dict[Arcs, Typed] = dict(access_point().values)
    ports, states = (*arcs(LEARNT), 2), (*arcs(LEARNT), 3)
    for number in range(addresses):
        values[*ports, *address(number)] = (INT, 1 + number % 40)
        values[*states, *address(number)] = (INT, 3)
    return Bridge(values, ordered=sorted(values))


def walked(agent: ScriptedAgent, root: str = LEARNT) -> int:
    """Requests for the table since the log was cleared."""
    own = arcs(root)
    count = sum(asked.pdu != GET and any(oid[: len(own)] == own for oid in asked.oids) for asked in agent.log)
    agent.log.clear()
    return count


def forwarding(probe: Poller) -> Facts | None:
    return next((found for found in facts(probe) if found.sort == "forwarding"), None)


@pytest.mark.parametrize(
    ("addresses", "told", "complete"),
    [(4_000, 4_000, True), (LEARNT_MAX - 1, LEARNT_MAX - 1, True), (LEARNT_MAX + 500, LEARNT_MAX, False)],
)
async def test_a_long_table_is_told_whole_up_to_a_bound(
    poller: MakePoller, addresses: int, told: int, complete: bool
) -> None:
    async with serving(bridge(addresses)) as agent:
        probe = poller(agent, library=OneProfile(RADIOS, FDB))
        await probe.poll()
    found = forwarding(probe)
    assert found is not None
    assert (len(found.rows), found.complete) == (told, complete)
    assert found.rows[5] == Forwarding("02:00:00:00:00:05", 6)


async def test_8_000_addresses_are_walked_once_an_hour(poller: MakePoller) -> None:
    """335 requests, 24 rows each: 670 packets an hour, as much as 11 a minute."""
    async with serving(bridge(8_000)) as agent:
        probe = poller(agent, library=OneProfile(RADIOS, FDB))
        await probe.poll()
        counts = [walked(agent)]
        for _ in range(60):
            await probe.poll(60)
            counts.append(walked(agent))
    assert counts == [335, *[0] * 59, 335]


async def test_a_device_whose_interfaces_come_and_go_is_not_walked_for_addresses_each_time(poller: MakePoller) -> None:
    async with serving(bridge(3_000)) as agent:
        probe = poller(agent, library=OneProfile(RADIOS, FDB))
        await probe.poll()
        assert walked(agent) == 126
        for minute in range(10):  # 126 requests are 630 s of rest
            agent.set(CHANGED, TICKS, 100 + minute)
            await probe.poll(60)
            assert (walked(agent), forwarding(probe)) == (0, None), minute
            assert readings(probe), "all else is learnt anew"
        await probe.poll(60)
        found = forwarding(probe)
        assert walked(agent) == 126
        assert found is not None and found.complete and len(found.rows) == 3_000
        agent.set(UPTIME, TICKS, 500)
        await probe.poll(60)
        assert walked(agent) == 126, "a device that began anew may have other ports"


async def test_many_stations_are_counted_each_time_whatever_that_costs(poller: MakePoller) -> None:
    """Their figures are means over time: a reading left out would be a gap."""
    async with serving(bridge(0)) as agent:
        for number in range(1_900):
            agent.values[*arcs(STATION), 1, 1, *address(number)] = (INT, 1)
            agent.values[*arcs(STATION), 2, 1, *address(number)] = (INT, 1)
            agent.values[*arcs(STATION), 3, 1, *address(number)] = (INT, 1)
        probe = poller(agent, library=OneProfile(RADIOS, wide()))
        await probe.poll()
        counts = [walked(agent, STATION)]
        for _ in range(4):
            await probe.poll(300)
            counts.append(walked(agent, STATION))
    assert counts == [120] * 5


def wide() -> Table:
    """Three columns of each station."""
    label = (Source(column="2"), Source(column="3"))
    return Table("stations", STATION, index=STATIONS.index, volatile=True, values=STATIONS.values, label=label)


def test_no_step_over_a_long_table_holds_the_loop() -> None:
    """CPU time of the longest step; the least of three runs, for the machine has other things to do."""
    state = TableState(FDB, walked=True)
    for number in range(LEARNT_MAX):
        row = {"2": VarBind(b"", INTEGER, 1 + number % 40), "3": VarBind(b"", INTEGER, 3)}
        state.rows[from_arcs((1, 3, *address(number)))[1:]] = row
    gear = Gear(OneProfile(), tables=[state], learnt=True)
    assert min(longest(gear._said(gear.tables, None)) for _ in range(3)) < 0.02


def longest(steps: Generator[None, None, object]) -> float:
    worst = 0.0
    while True:
        began = time.thread_time()
        try:
            next(steps)
        except StopIteration:
            return max(worst, time.thread_time() - began)
        worst = max(worst, time.thread_time() - began)
