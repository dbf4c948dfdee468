"""A device with a profile, from first contact through the steady state: what is asked, and what is said."""

import dataclasses
import re

import pytest

from collectors.snmp.gear.library import Library
from collectors.snmp.gear.model import Condition, Source
from kpi.gear import Facts, Inventory, Kind, Neighbor, Reading, Readings
from kpi.model import Metric, Outcome
from tests.collectors.snmp_device.access_point import (
    MARKER,
    NEIGHBOUR,
    NEIGHBOURS,
    OWN,
    POWER,
    RADIO,
    RADIOS,
    STATION,
    OneProfile,
    access_point,
)
from tests.collectors.snmp_device.conftest import MakePoller, Poller
from tests.collectors.snmp_device.scripted import GAUGE, GET, GET_NEXT, INT, OCTETS, arcs, serving


def readings(probe: Poller) -> dict[Kind, Reading]:
    """What the last poll said, by kind."""
    said = probe.of(Metric.READINGS)
    value = said[""].value if said else None
    return {reading.kind: reading for reading in value.readings} if isinstance(value, Readings) else {}


def facts(probe: Poller) -> list[Facts]:
    return [sample.value for sample in probe.samples if isinstance(sample.value, Facts)]


@pytest.mark.parametrize("version", ["1", "2c"])
async def test_first_contact_tells_all(poller: MakePoller, version: str) -> None:
    async with serving(access_point()) as agent:
        probe = poller(agent, version=version, library=OneProfile())
        await probe.poll()
    assert probe.of(Metric.INVENTORY)[""].value == Inventory("acme-ap", "Acme", "switch", "7.1", None)
    assert readings(probe) == {
        Kind.NOISE_FLOOR: Reading(Kind.NOISE_FLOOR, "radios.3.1", "5 GHz", -95.0),
        Kind.CHANNEL_UTILIZATION: Reading(Kind.CHANNEL_UTILIZATION, "radios.4.1", "5 GHz", 37.0),
        Kind.CLIENTS: Reading(Kind.CLIENTS, "stations.1", "stations", 3.0),
        Kind.ON_BATTERY: Reading(Kind.ON_BATTERY, "power.1.0", "0", 0.0),
    }
    assert facts(probe) == [Facts("neighbors", (Neighbor("made-up", "ge2", "core"),), True, 100_000)]


async def test_without_a_library_only_ports_are_asked(poller: MakePoller) -> None:
    async with serving(access_point()) as agent:
        probe = poller(agent)
        await probe.poll()
    assert not any(oid[: len(arcs(OWN))] == arcs(OWN) for asked in agent.log for oid in asked.oids)
    assert Metric.READINGS not in {sample.metric for sample in probe.samples}


async def test_a_minute_asks_the_states_alone(poller: MakePoller) -> None:
    async with serving(access_point()) as agent:
        probe = poller(agent, library=OneProfile())
        await probe.poll()
        agent.values[*arcs(POWER), 1, 0] = (INT, 5)
        agent.log.clear()
        await probe.poll(60)
        own = [oid for asked in agent.log for oid in asked.oids if oid[: len(arcs(OWN))] == arcs(OWN)]
    assert own == [(*arcs(POWER), 1, 0)]
    assert {kind: one.value for kind, one in readings(probe).items()} == {Kind.ON_BATTERY: 1.0}
    assert facts(probe) == [] and Metric.INVENTORY not in {sample.metric for sample in probe.samples}


async def test_five_minutes_ask_known_instances_and_walk_what_comes_and_goes(poller: MakePoller) -> None:
    async with serving(access_point()) as agent:
        probe = poller(agent, library=OneProfile())
        await probe.poll()
        agent.values[*arcs(RADIO), 4, 1] = (GAUGE, 420)
        del agent.values[*arcs(STATION), 1, 1, 2, 0, 0, 0, 0, 2]
        agent.log.clear()
        await probe.poll(300)
        got = {oid for asked in agent.log if asked.pdu == GET for oid in asked.oids}
        walked = {oid[: len(arcs(STATION))] for asked in agent.log if asked.pdu != GET for oid in asked.oids[1:]}
    assert readings(probe)[Kind.CHANNEL_UTILIZATION].value == 42.0
    assert readings(probe)[Kind.CLIENTS].value == 2.0
    assert {(*arcs(RADIO), 3, 1), (*arcs(RADIO), 4, 1), (*arcs(RADIO), 5, 1), arcs(MARKER)} <= got
    assert (*arcs(RADIO), 2, 1) not in got, "a name is not asked again"
    assert walked == {arcs(STATION)}, "the marker of the neighbours has not moved"


async def test_neighbours_are_walked_when_their_marker_moves(poller: MakePoller) -> None:
    async with serving(access_point()) as agent:
        probe = poller(agent, library=OneProfile())
        await probe.poll()
        agent.values[*arcs(NEIGHBOUR), 2, 1, 8] = (OCTETS, b"printer")
        await probe.poll(300)
        assert facts(probe) == []
        agent.values[arcs(MARKER)] = (INT, 5)
        await probe.poll(300)
    (found,) = facts(probe)
    assert {row.remote_name for row in found.rows if isinstance(row, Neighbor)} == {"core", "printer"}


async def test_neighbours_of_one_protocol_are_not_gone_because_the_others_alone_were_walked(poller: MakePoller) -> None:
    other = f"{OWN}.6.1"
    second = dataclasses.replace(NEIGHBOURS, name="other", entry=other, changed=None)
    agent = access_point()
    agent.values[*arcs(other), 2, 1, 3] = (OCTETS, b"ups")
    async with serving(agent):
        probe = poller(agent, timeout_s=0.15, library=OneProfile(RADIOS, NEIGHBOURS, second))
        await probe.poll()
        agent.values[*arcs(other), 2, 2, 4] = (OCTETS, b"printer")
        await probe.poll(300)
        (found,) = facts(probe)
        assert found.complete
        assert {row.remote_name for row in found.rows if isinstance(row, Neighbor)} == {"core", "ups", "printer"}
        agent.silent_on.add((*arcs(other), 2))
        agent.values[arcs(MARKER)] = (INT, 5)
        await probe.poll(300)
        assert [found.complete for found in facts(probe)] == [False], "what could not be walked is not gone"


async def test_no_stations_are_none_where_the_radios_are_there(poller: MakePoller) -> None:
    agent = access_point()
    for last in (1, 2, 3):
        del agent.values[*arcs(STATION), 1, 1, 2, 0, 0, 0, 0, last]
    async with serving(agent):
        probe = poller(agent, library=OneProfile())
        await probe.poll()
        assert readings(probe)[Kind.CLIENTS].value == 0.0
        agent.values[*arcs(STATION), 1, 1, 2, 0, 0, 0, 0, 9] = (INT, 1)
        await probe.poll(300)
        assert readings(probe)[Kind.CLIENTS].value == 1.0


async def test_a_value_that_does_not_come_is_not_the_old_one(poller: MakePoller) -> None:
    async with serving(access_point()) as agent:
        probe = poller(agent, library=OneProfile(RADIOS))
        await probe.poll()
        del agent.values[*arcs(RADIO), 4, 1]
        await probe.poll(300)
    assert set(readings(probe)) == {Kind.NOISE_FLOOR}


async def test_one_bad_instance_costs_itself_alone(poller: MakePoller) -> None:
    async with serving(access_point()) as agent:
        probe = poller(agent, library=OneProfile(RADIOS))
        await probe.poll()
        agent.fails_on[*arcs(RADIO), 4, 1] = 5
        await probe.poll(300)
        assert set(readings(probe)) == {Kind.NOISE_FLOOR}
        agent.log.clear()
        await probe.poll(300)
        asked = {oid for request in agent.log for oid in request.oids}
    assert (*arcs(RADIO), 4, 1) not in asked and (*arcs(RADIO), 3, 1) in asked


async def test_rows_are_looked_for_anew_every_hour_and_after_a_restart(poller: MakePoller) -> None:
    async with serving(access_point()) as agent:
        probe = poller(agent, library=OneProfile(RADIOS))
        await probe.poll()
        agent.values[*arcs(RADIO), 3, 3] = (GAUGE, 80)
        agent.values[*arcs(RADIO), 5, 3] = (INT, 1)
        await probe.poll(300)
        assert readings(probe)[Kind.NOISE_FLOOR].instance == "radios.3.1"
        await probe.poll(3300)
        value = probe.of(Metric.READINGS)[""].value
        assert isinstance(value, Readings)
        assert {one.instance for one in value.readings if one.kind is Kind.NOISE_FLOOR} == {"radios.3.1", "radios.3.3"}
        agent.values[*arcs(RADIO), 3, 4] = (GAUGE, 85)
        agent.values[arcs("1.3.6.1.2.1.1.3.0")] = (0x43, 50)
        await probe.poll(60)
    value = probe.of(Metric.READINGS)[""].value
    assert isinstance(value, Readings) and "radios.3.4" in {one.instance for one in value.readings}


async def test_a_table_that_could_not_be_walked_is_named_and_no_zero(poller: MakePoller) -> None:
    agent = access_point()
    agent.silent_on.add((*arcs(STATION), 1))
    async with serving(agent):
        probe = poller(agent, timeout_s=0.15, library=OneProfile())
        await probe.poll()
        assert probe.snmp.outcome is Outcome.OK
        assert Kind.CLIENTS not in readings(probe) and Kind.NOISE_FLOOR in readings(probe)
        said = probe.of(Metric.READINGS)[""].value
        assert isinstance(said, Readings) and said.missed == {"stations": "timeout"}
        agent.silent_on.clear()
        await probe.poll(300)
    assert readings(probe)[Kind.CLIENTS].value == 3.0


async def test_first_contact_goes_on_where_the_agent_fell_silent(poller: MakePoller) -> None:
    agent = access_point()
    agent.answered = lambda a: setattr(
        a, "silent", any(arcs(RADIO) == oid[: len(arcs(RADIO))] for oid in a.log[-1].oids)
    )
    async with serving(agent):
        probe = poller(agent, library=OneProfile())
        await probe.poll()
        assert not readings(probe)
        agent.answered, agent.silent = lambda _: None, False
        await probe.poll(60)
    assert readings(probe)[Kind.CLIENTS].value == 3.0


async def test_another_profile_is_not_taken(poller: MakePoller) -> None:
    for library in (OneProfile(root="1.3.6.1.4.1.9999"), OneProfile(present="1.3.6.1.4.1.99999.70")):
        await _not_taken(poller, library)


async def _not_taken(poller: MakePoller, library: Library) -> None:
    async with serving(access_point()) as agent:
        probe = poller(agent, library=library)
        await probe.poll()
    assert probe.of(Metric.INVENTORY)[""].value == Inventory(profile="standard")
    assert not readings(probe)


async def test_of_alternatives_the_first_that_says_anything_counts(poller: MakePoller) -> None:
    empty = dataclasses.replace(RADIOS, name="missing", entry=f"{OWN}.70.1", alternative="radios")
    filled = dataclasses.replace(RADIOS, alternative="radios")
    later = dataclasses.replace(RADIOS, name="later", alternative="radios")
    async with serving(access_point()) as agent:
        probe = poller(agent, library=OneProfile(empty, filled, later))
        await probe.poll()
        assert {one.instance for one in readings(probe).values()} == {"radios.3.1", "radios.4.1"}
        await probe.poll(300)
    assert {one.instance for one in readings(probe).values()} == {"radios.3.1", "radios.4.1"}
    assert GET_NEXT not in {asked.pdu for asked in agent.log}


async def test_what_told_nothing_is_asked_again_only_with_the_rows(poller: MakePoller) -> None:
    agent = access_point()
    agent.values[*arcs(RADIO), 4, 1] = (GAUGE, 65535)
    async with serving(agent):
        probe = poller(agent, library=OneProfile(RADIOS))
        await probe.poll()
        agent.log.clear()
        await probe.poll(300)
        asked = {oid for request in agent.log for oid in request.oids if oid[: len(arcs(RADIO))] == arcs(RADIO)}
        assert asked == {(*arcs(RADIO), 3, 1), (*arcs(RADIO), 5, 1)}, "its noise, and whether it is switched on"
        agent.values[*arcs(RADIO), 4, 1] = (GAUGE, 120)
        await probe.poll(3300)
    assert readings(probe)[Kind.CHANNEL_UTILIZATION].value == 12.0


async def test_what_a_row_is_is_not_asked_again(poller: MakePoller) -> None:
    """A condition on text or an OID says what a row is, one on a number how it does: hrStorageType, and a state."""
    by_name = dataclasses.replace(RADIOS, where=(Condition(Source(column="2"), pattern=re.compile("GHz")),))
    async with serving(access_point()) as agent:
        probe = poller(agent, library=OneProfile(by_name))
        await probe.poll()
        agent.log.clear()
        await probe.poll(300)
        columns = {oid[len(arcs(RADIO))] for request in agent.log for oid in request.oids if oid[:9] == arcs(RADIO)[:9]}
    assert columns == {3, 4}


async def test_long_names_do_not_make_the_requests_for_numbers_small(poller: MakePoller) -> None:
    agent = access_point()
    for row in range(3, 60):
        agent.values[*arcs(RADIO), 2, row] = (OCTETS, b"x" * 200)
        agent.values[*arcs(RADIO), 3, row] = (GAUGE, 90)
        agent.values[*arcs(RADIO), 5, row] = (INT, 1)
    agent.most_octets = 1400
    async with serving(agent):
        probe = poller(agent, library=OneProfile(RADIOS))
        await probe.poll()
        agent.log.clear()
        await probe.poll(300)
        own = [request for request in agent.log if any(oid[:9] == arcs(RADIO)[:9] for oid in request.oids)]
    assert len(own) <= 3, "116 numbers"
