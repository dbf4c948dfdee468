"""The collector against a correct switch: what it asks, when, and what it says."""

import dataclasses

import pytest

from kpi.model import Metric, Outcome, PortCounters, PortIdentity, PortStatus, SystemReading
from tests.collectors.snmp_device.conftest import MakePoller
from tests.collectors.snmp_device.scripted import (
    COUNTER32,
    COUNTER64,
    GAUGE,
    GET,
    GET_BULK,
    GET_NEXT,
    IF,
    IFX,
    INT,
    OCTETS,
    TICKS,
    UPTIME,
    arcs,
    port,
    serving,
    switch,
)


@pytest.mark.parametrize("version", ["1", "2c"])
async def test_first_poll_tells_everything(poller: MakePoller, version: str) -> None:
    async with serving(switch(3)) as agent:
        probe = poller(agent, version=version)
        samples = await probe.poll()
    assert samples[0].metric == Metric.SNMP and samples[0].outcome is Outcome.OK and samples[0].value == 0.0
    assert probe.of(Metric.SYSTEM)[""].value == SystemReading(
        uptime_cs=100_000,
        object_id="1.3.6.1.4.1.99999.1",
        descr="Scripted switch",
        name="sw1",
        location="rack 1",
        contact="noc@example.net",
    )
    assert probe.of(Metric.PORT_IDENTITY)["ge2"].value == PortIdentity(
        "ge2", 2, "ge2", "Port 2", "to desk 2", 6, 1500, 1_000_000_000, "02:00:00:00:00:02"
    )
    assert probe.of(Metric.PORT_STATUS)["ge2"].value == PortStatus("up", "up", 500, 100_000)
    assert probe.of(Metric.PORT_COUNTERS)["ge2"].value == PortCounters(
        100_000, 0, 64, 64, 2000, 4000, 20, 40, 3, 5, 4, 6, 1, 2, 0, 0
    )
    assert set(probe.of(Metric.PORT_COUNTERS)) == {"ge1", "ge2", "ge3"}


async def test_steady_state_asks_only_known_instances_in_few_packets(poller: MakePoller) -> None:
    async with serving(switch(4)) as agent:
        probe = poller(agent)
        await probe.poll()
        agent.log.clear()
        await probe.poll(60)
        assert {asked.pdu for asked in agent.log} == {GET}
        assert len(agent.log) == 2, "the scalars, and every port's status"
        assert Metric.PORT_COUNTERS not in {s.metric for s in probe.samples}
        assert Metric.PORT_IDENTITY not in {s.metric for s in probe.samples}
        agent.log.clear()
        for _ in range(4):
            await probe.poll(60)
        assert len(probe.of(Metric.PORT_COUNTERS)) == 4, "counters every 300 s"
        counters = [a for a in agent.log if (*arcs(IFX), 6, 1) in a.oids]
        assert len(counters) == 1


async def test_counters_keep_their_step_when_polls_come_early_late_or_not(poller: MakePoller) -> None:
    async with serving(switch(1)) as agent:
        probe = poller(agent)
        polled = []
        for gap in (0, 59.5, 60, 60.5, 59, 60, 61, 60, 60, 60, 58, 700, 60, 60):
            await probe.poll(gap)
            polled.append(bool(probe.of(Metric.PORT_COUNTERS)))
    due = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 1, 0, 0]
    assert polled == [bool(d) for d in due]


async def test_counters_travel_with_uptime_and_discontinuity_of_their_port(poller: MakePoller) -> None:
    async with serving(switch(20)) as agent:
        probe = poller(agent)
        await probe.poll()
        agent.log.clear()
        await probe.poll(300)
    with_counters = [a.oids for a in agent.log if any(o[: len(arcs(IFX))] == arcs(IFX) and o[-2] == 6 for o in a.oids)]
    assert len(with_counters) > 1
    for oids in with_counters:
        assert oids[0] == arcs(UPTIME)
        for index in {o[-1] for o in oids[1:]}:
            columns = {o[-2] for o in oids[1:] if o[-1] == index and o[: len(arcs(IFX))] == arcs(IFX)}
            assert columns == {6, 7, 8, 9, 10, 11, 12, 13, 19}, "a port's counters are never torn"


async def test_a_restart_is_seen_at_once_and_renumbered_ports_keep_their_names(poller: MakePoller) -> None:
    async with serving(switch(2)) as agent:
        probe = poller(agent)
        await probe.poll()
        for index in (1, 2):
            for oid in port(index):
                del agent.values[oid]
        agent.values.update(port(11, "ge1"))
        agent.values.update(port(12, "ge2"))
        agent.set(UPTIME, TICKS, 300)
        await probe.poll(60)
        identity = probe.of(Metric.PORT_IDENTITY)["ge1"].value
        assert isinstance(identity, PortIdentity) and identity.index == 11
        status = probe.of(Metric.PORT_STATUS)["ge1"].value
        assert isinstance(status, PortStatus) and status.uptime_cs == 300


async def test_a_moved_table_is_walked_again(poller: MakePoller) -> None:
    async with serving(switch(2)) as agent:
        probe = poller(agent)
        await probe.poll()
        agent.values.update(port(3))
        agent.set("1.3.6.1.2.1.31.1.5.0", TICKS, 99_000)
        await probe.poll(60)
        assert set(probe.of(Metric.PORT_IDENTITY)) == {"ge3"}
        assert set(probe.of(Metric.PORT_STATUS)) == {"ge1", "ge2", "ge3"}


async def test_without_table_change_a_moved_number_of_interfaces_tells(poller: MakePoller) -> None:
    agent = switch(2)
    del agent.values[arcs("1.3.6.1.2.1.31.1.5.0")]
    async with serving(agent):
        probe = poller(agent)
        await probe.poll()
        agent.values.update(port(3))
        agent.set("1.3.6.1.2.1.2.1.0", INT, 3)
        await probe.poll(60)
        assert "ge3" in probe.of(Metric.PORT_IDENTITY)


async def test_a_port_whose_last_change_moved_is_read_again_alone(poller: MakePoller) -> None:
    async with serving(switch(8)) as agent:
        probe = poller(agent)
        await probe.poll()
        agent.values[*arcs(IFX), 15, 3] = (GAUGE, 100)
        agent.values[*arcs(IF), 5, 3] = (GAUGE, 100_000_000)
        agent.values[*arcs(IF), 9, 3] = (TICKS, 90_000)
        agent.log.clear()
        await probe.poll(60)
        assert {key: s.value.speed_bps for key, s in probe.of(Metric.PORT_IDENTITY).items()} == {"ge3": 100_000_000}  # type: ignore[union-attr]
        assert not [a for a in agent.log if a.pdu in {GET_BULK, GET_NEXT}]
        assert {o[-1] for a in agent.log for o in a.oids if o[: len(arcs(IF))] == arcs(IF) and o[-2] == 4} == {3}


async def test_static_columns_are_read_hourly(poller: MakePoller) -> None:
    async with serving(switch(2)) as agent:
        probe = poller(agent)
        await probe.poll()
        agent.values[*arcs(IFX), 18, 2] = (OCTETS, b"moved desk")
        await probe.poll(3599)
        assert not probe.of(Metric.PORT_IDENTITY)
        await probe.poll(2)
        identity = probe.of(Metric.PORT_IDENTITY)["ge2"].value
        assert isinstance(identity, PortIdentity) and identity.alias == "moved desk"


async def test_a_port_that_went_is_said_and_soon_forgotten(poller: MakePoller) -> None:
    async with serving(switch(2)) as agent:
        probe = poller(agent)
        await probe.poll()
        for oid in port(2):
            del agent.values[oid]
        await probe.poll(60)
        gone = probe.of(Metric.PORT_STATUS)["ge2"]
        assert (gone.outcome, gone.reason, gone.value) == (Outcome.REFUSED, "no_such_instance", None)
        await probe.poll(300)
        assert probe.of(Metric.PORT_IDENTITY)["ge2"].outcome is Outcome.REFUSED
        await probe.poll(60)
        assert set(probe.of(Metric.PORT_STATUS)) == {"ge1"}


async def test_a_dead_device_costs_one_packet_a_poll_and_comes_back_whole(poller: MakePoller) -> None:
    async with serving(switch(2)) as agent:
        probe = poller(agent, timeout_s=0.15, retries=1)
        await probe.poll()
        agent.silent = True
        await probe.poll(60)
        assert (probe.snmp.outcome, probe.snmp.reason, probe.snmp.value) == (Outcome.NO_REPLY, "timeout", None)
        agent.log.clear()
        await probe.poll(60)
        assert [s.reason for s in probe.samples] == ["timeout"]
        assert len(agent.log) == 1
        agent.silent = False
        await probe.poll(180)
        assert probe.snmp.reason is None
        assert len(probe.of(Metric.PORT_COUNTERS)) == 2


async def test_nobody_listening_is_refused(poller: MakePoller) -> None:
    async with serving(switch(1)) as agent:
        port_number = agent.port
    probe = poller(port_number)
    await probe.poll()
    assert (probe.snmp.outcome, probe.snmp.reason) == (Outcome.REFUSED, "refused")
    assert len(probe.samples) == 1


async def test_a_device_without_interfaces_or_system_group_has_answered(poller: MakePoller) -> None:
    agent = switch(0)
    agent.values = {arcs("1.3.6.1.4.1.99999.2.0"): (INT, 1)}
    async with serving(agent):
        for version in ("1", "2c"):
            probe = poller(agent, version=version)
            await probe.poll()
            assert probe.snmp.outcome is Outcome.OK
            assert probe.of(Metric.SYSTEM)[""].value == SystemReading(None)


async def test_changed_settings_forget_a_device_and_same_ones_keep_it(poller: MakePoller) -> None:
    async with serving(switch(1)) as agent:
        probe = poller(agent)
        await probe.poll()
        settings = dict(probe.collector._settings)
        probe.collector.configure(settings)
        await probe.poll(60)
        assert not probe.of(Metric.PORT_IDENTITY)
        probe.collector.configure({name: dataclasses.replace(s, counters_s=60.0) for name, s in settings.items()})
        await probe.poll(60)
        assert probe.of(Metric.PORT_IDENTITY)
        probe.collector.configure({})
        await probe.poll()
        assert (probe.snmp.outcome, probe.snmp.reason) == (Outcome.AGENT_FAULT, "not_configured")


async def test_only_wanted_ports_are_polled(poller: MakePoller) -> None:
    async with serving(switch(3)) as agent:
        probe = poller(agent)
        settings = probe.collector._settings
        probe.collector.configure(
            {
                name: dataclasses.replace(s, wanted=lambda identity: identity.name != "ge2")
                for name, s in settings.items()
            }
        )
        await probe.poll()
        assert set(probe.of(Metric.PORT_COUNTERS)) == {"ge1", "ge3"}


async def test_a_stuck_long_counter_gives_way_to_the_short_one(poller: MakePoller) -> None:
    """In one direction only, as recorded devices have it; the narrower width is what is promised."""
    agent = switch(2)
    agent.values[*arcs(IFX), 6, 1] = (COUNTER64, 0)
    async with serving(agent):
        probe = poller(agent)
        await probe.poll()
        first = probe.of(Metric.PORT_COUNTERS)["ge1"].value
        other = probe.of(Metric.PORT_COUNTERS)["ge2"].value
        assert isinstance(first, PortCounters) and isinstance(other, PortCounters)
        assert (first.in_octets, first.out_octets, first.octet_bits) == (1000, 2000, 32)
        assert (other.octet_bits, other.packet_bits) == (64, 64)


async def test_an_idle_port_is_read_in_both_widths_until_one_moves(poller: MakePoller) -> None:
    agent = switch(1)
    for column in (6, 10):
        agent.values[*arcs(IFX), column, 1] = (COUNTER64, 0)
        agent.values[*arcs(IF), column if column == 10 else 16, 1] = (COUNTER32, 0)
    agent.values[*arcs(IF), 10, 1] = (COUNTER32, 0)
    async with serving(agent):
        probe = poller(agent)
        await probe.poll()
        idle = probe.of(Metric.PORT_COUNTERS)["ge1"].value
        assert isinstance(idle, PortCounters) and (idle.in_octets, idle.octet_bits) == (0, 64)
        agent.values[*arcs(IF), 10, 1] = (COUNTER32, 700)
        agent.values[*arcs(IFX), 10, 1] = (COUNTER64, 900)
        agent.values[*arcs(IF), 16, 1] = (COUNTER32, 900)
        await probe.poll(300)
        busy = probe.of(Metric.PORT_COUNTERS)["ge1"].value
        assert isinstance(busy, PortCounters)
        assert (busy.in_octets, busy.out_octets, busy.octet_bits) == (700, 900, 32)
        agent.log.clear()
        await probe.poll(300)
        asked = {o for a in agent.log for o in a.oids}
        assert (*arcs(IF), 10, 1) in asked and (*arcs(IFX), 6, 1) not in asked
        assert (*arcs(IFX), 10, 1) in asked and (*arcs(IF), 16, 1) not in asked


async def test_an_agent_with_the_old_table_alone(poller: MakePoller) -> None:
    agent = switch(1)
    agent.values = {o: v for o, v in agent.values.items() if o[: len(arcs(IFX))] != arcs(IFX)}
    agent.values[*arcs(IF), 12, 1] = (COUNTER32, 77)
    async with serving(agent):
        probe = poller(agent)
        await probe.poll()
        found = probe.of(Metric.PORT_COUNTERS)["Port 1"].value
        assert isinstance(found, PortCounters)
        assert found == PortCounters(100_000, None, 32, 32, 1000, 2000, 10, 20, 77, None, None, None, 1, 2, 0, 0)


async def test_numbers_in_text_and_wrong_types(poller: MakePoller) -> None:
    agent = switch(2)
    agent.values[*arcs(IFX), 6, 1] = (OCTETS, b"123456789012")
    agent.values[*arcs(IF), 14, 1] = (OCTETS, b"none")
    agent.values[*arcs(IF), 8, 1] = (OCTETS, b"down(2)")
    agent.values[*arcs(IF), 7, 1] = (OCTETS, b"up")
    async with serving(agent):
        probe = poller(agent)
        await probe.poll()
        found, status = (probe.of(m)["ge1"].value for m in (Metric.PORT_COUNTERS, Metric.PORT_STATUS))
        assert isinstance(found, PortCounters) and isinstance(status, PortStatus)
        assert (found.in_octets, found.in_errors) == (123_456_789_012, None)
        assert (status.admin, status.oper) == ("up", "down")
        assert probe.odd == {"wrong_type": 1}


async def test_a_frozen_or_absent_uptime_is_no_restart(poller: MakePoller) -> None:
    agent = switch(1)
    async with serving(agent):
        probe = poller(agent)
        await probe.poll()
        agent.log.clear()
        await probe.poll(60)
        assert GET_BULK not in {a.pdu for a in agent.log}
    bare = switch(1)
    del bare.values[arcs(UPTIME)]
    async with serving(bare):
        for version in ("1", "2c"):
            probe = poller(bare, version=version)
            await probe.poll()
            await probe.poll(60)
            status = probe.of(Metric.PORT_STATUS)["ge1"].value
            assert isinstance(status, PortStatus) and status == PortStatus("up", "up", 500, None)
            assert all(arcs(UPTIME) not in a.oids for a in bare.log[-2:])


async def test_a_credential_that_may_read_nothing_is_refused(poller: MakePoller) -> None:
    agent = switch(1)
    agent.denies = True
    async with serving(agent):
        probe = poller(agent)
        await probe.poll()
        assert (probe.snmp.outcome, probe.snmp.reason, probe.snmp.value) == (Outcome.REFUSED, "access_denied", None)
        agent.denies = False
        await probe.poll(60)
        assert probe.snmp.outcome is Outcome.OK
        agent.denies = True
        await probe.poll(60)
        assert (probe.snmp.outcome, probe.snmp.reason) == (Outcome.REFUSED, "access_denied")
