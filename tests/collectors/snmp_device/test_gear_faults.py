"""What a device's gear says where an agent fails in the middle of it: nothing old, no part for the whole, no number that
is none."""

import dataclasses
import re
import struct

import pytest

from collectors.snmp import oid
from collectors.snmp.ber import OPAQUE, VarBind
from collectors.snmp.gear.gear import Gear
from collectors.snmp.gear.model import Condition, Every, Form, Part, Reduce, Source, Table, ValueSpec
from collectors.snmp.gear.reading import readings_of, rows_of
from collectors.snmp.gear.tables import TableState
from collectors.snmp.gear.values import address_text, formed
from kpi.gear import BgpPeer, Kind, Neighbor, Readings
from kpi.model import Metric
from tests.collectors.snmp_device.access_point import (
    MARKER,
    NEIGHBOUR,
    OWN,
    POWERED,
    RADIO,
    RADIOS,
    STATIONS,
    OneProfile,
)
from tests.collectors.snmp_device.access_point import NEIGHBOURS as HEARD
from tests.collectors.snmp_device.access_point import access_point as made
from tests.collectors.snmp_device.conftest import MakePoller, Poller
from tests.collectors.snmp_device.scripted import GAUGE, GEN_ERR, INT, OCTETS, arcs, serving
from tests.collectors.snmp_device.test_gear import facts, readings

SUM = Table("sum", RADIO, values=(ValueSpec(Kind.CLIENTS, Source(column="3"), reduce=Reduce.SUM),))
COUNT = Table("count", RADIO, values=(ValueSpec(Kind.CLIENTS, Source(column="3"), reduce=Reduce.COUNT),))


def missed(probe: Poller) -> dict[str, str]:
    value = probe.of(Metric.READINGS)[""].value
    assert isinstance(value, Readings)
    return dict(value.missed)


async def test_a_sum_of_some_rows_is_none(poller: MakePoller) -> None:
    async with serving(made()) as agent:
        probe = poller(agent, library=OneProfile(SUM))
        await probe.poll()
        assert readings(probe)[Kind.CLIENTS].value == 185.0
        agent.fails_on[*arcs(RADIO), 3, 2] = GEN_ERR
        for _ in range(2):  # when it is found, and while it is left out
            await probe.poll(300)
            assert not readings(probe) and missed(probe) == {"sum": "gen_err"}


async def test_a_sum_needs_no_column_that_has_but_names(poller: MakePoller) -> None:
    named = dataclasses.replace(SUM, label=(Source(column="2"),))
    judged = dataclasses.replace(named, name="judged", where=(Condition(Source(column="5"), outside=frozenset({"2"})),))
    for cut, told in ((2, {"sum": 185.0, "judged": 95.0}), (5, {"sum": 185.0}), (3, {})):
        async with serving(made()) as agent:
            agent.silent_on.add((*arcs(RADIO), cut))
            probe = poller(agent, timeout_s=0.15, library=OneProfile(POWERED, named, judged))
            await probe.poll()
        said = probe.of(Metric.READINGS)[""].value
        assert isinstance(said, Readings)
        sums = {one.instance.partition(".")[0]: one.value for one in said.readings if one.kind is Kind.CLIENTS}
        assert sums == told, f"column {cut} could not be walked"
        assert set(said.missed) == ({"judged"} if cut == 5 else {"sum", "judged"})


@pytest.mark.parametrize("version", ["1", "2c"])
async def test_a_row_that_went_is_not_counted(poller: MakePoller, version: str) -> None:
    async with serving(made()) as agent:
        probe = poller(agent, version=version, library=OneProfile(COUNT, SUM))
        await probe.poll()
        for column in (2, 3, 4, 5):
            del agent.values[*arcs(RADIO), column, 2]
        await probe.poll(300)
        said = probe.of(Metric.READINGS)[""].value
    assert isinstance(said, Readings) and not said.missed
    assert {one.instance.partition(".")[0]: one.value for one in said.readings} == {"count": 1.0, "sum": 95.0}


async def test_what_spoils_answers_is_not_told_from_the_hourly_walk(poller: MakePoller) -> None:
    """GET of it fails, GETNEXT does not: what the walk found is not the value of the hour that follows."""
    async with serving(made()) as agent:
        agent.fails_on[*arcs(RADIO), 3, 1] = GEN_ERR
        probe = poller(agent, library=OneProfile(RADIOS))
        await probe.poll()
        assert Kind.NOISE_FLOOR in readings(probe)
        await probe.poll(300)
        assert Kind.NOISE_FLOOR not in readings(probe)
        await probe.poll(3300)
        assert Kind.NOISE_FLOOR in readings(probe), "walked"
        await probe.poll(60)
        await probe.poll(240)
        assert Kind.NOISE_FLOOR not in readings(probe) and missed(probe) == {"radios": "gen_err"}


async def test_a_walk_of_neighbours_that_broke_off_is_tried_again(poller: MakePoller) -> None:
    async with serving(made()) as agent:
        probe = poller(agent, timeout_s=0.15, library=OneProfile(RADIOS, HEARD))
        await probe.poll()
        agent.values[*arcs(NEIGHBOUR), 2, 1, 8] = (OCTETS, b"printer")
        agent.values[arcs(MARKER)] = (INT, 5)
        agent.silent_on.add((*arcs(NEIGHBOUR), 2))
        await probe.poll(300)
        assert not any(found.complete for found in facts(probe))
        agent.silent_on.clear()
        await probe.poll(300)
        (found,) = facts(probe)
    assert found.complete
    assert {row.remote_name for row in found.rows if isinstance(row, Neighbor)} == {"core", "printer"}


async def test_what_was_missed_in_one_poll_is_not_missed_in_the_next_first_contact(poller: MakePoller) -> None:
    async with serving(made()) as agent:
        probe = poller(agent, library=OneProfile(RADIOS, POWERED))
        await probe.poll()
        agent.fails_on[*arcs(RADIO), 3, 1] = GEN_ERR
        await probe.poll(300)
        assert "radios" in missed(probe)
        agent.fails_on.clear()
        await probe.poll(3600)
    assert missed(probe) == {}


async def test_first_contact_that_broke_off_long_ago_begins_anew(poller: MakePoller) -> None:
    agent = made()
    async with serving(agent):
        probe = poller(agent, library=OneProfile(RADIOS, POWERED, STATIONS))
        last = arcs(POWERED.entry)
        agent.answered = lambda a: setattr(a, "silent", last in {oid[: len(last)] for oid in a.log[-1].oids})
        await probe.poll()
        assert not readings(probe)
        agent.answered, agent.silent = lambda _: None, False
        agent.values[*arcs(RADIO), 3, 1] = (GAUGE, 70)
        await probe.poll(7200)
    assert readings(probe)[Kind.NOISE_FLOOR].value == -70.0, "not what it was two hours ago"


async def test_numbers_of_another_table_are_asked_with_each_walk(poller: MakePoller) -> None:
    """bgpPeerFsmEstablishedTime beside an enterprise's own table of peers: an old one would look like a reset."""
    peers, seconds = f"{OWN}.20.1", f"{OWN}.21.1.1"
    table = Table(
        "peers",
        peers,
        index=(Part.IPV4,),
        every=Every.STATUS,
        volatile=True,
        sort="bgp_peers",
        fields={
            "remote_address": (Source(index=1),),
            "remote_as": (Source(column="2"),),
            "state": (Source(text="established"),),
            "established_s": (Source(oid=seconds),),
        },
    )
    async with serving(made()) as agent:
        agent.values[*arcs(peers), 2, 10, 0, 0, 1] = (INT, 65001)
        agent.values[*arcs(seconds), 10, 0, 0, 1] = (GAUGE, 20)
        probe = poller(agent, library=OneProfile(table))
        await probe.poll()
        agent.values[*arcs(seconds), 10, 0, 0, 1] = (GAUGE, 80)
        await probe.poll(60)
        (found,) = facts(probe)
    assert [row.established_s for row in found.rows if isinstance(row, BgpPeer)] == [80]


async def test_one_table_that_gets_no_answer_takes_no_other_along(poller: MakePoller) -> None:
    """64 rows make several requests: those before the one that is not answered have told what they had to tell."""
    many = dataclasses.replace(RADIOS, name="many", where=())
    async with serving(made()) as agent:
        for row in range(3, 80):
            agent.values[*arcs(RADIO), 3, row] = (GAUGE, 90)
        probe = poller(agent, timeout_s=0.15, library=OneProfile(POWERED, many))
        await probe.poll()
        agent.answered = lambda a: setattr(a, "silent", (*arcs(RADIO), 3, 40) in a.log[-1].oids or a.silent)
        agent.silent_on.add((*arcs(RADIO), 3, 40))
        await probe.poll(300)
        said = probe.of(Metric.READINGS)[""].value
    assert isinstance(said, Readings) and said.missed == {"many": "timeout"}
    assert Kind.ON_BATTERY in readings(probe)


def test_a_table_that_was_not_reached_counts_nothing() -> None:
    """A poll document tells what first contact got before time ran out; stations that were not walked are not 0."""
    gear = Gear(OneProfile(), tables=[TableState(RADIOS, walked=True), TableState(STATIONS, witnessed=True)])
    said, _ = gear.so_far(None)
    assert (said.readings, said.missed) == ((), {"stations": "unread"})


TEXTS = [b"1e999", b"-1e400 C", b"9" * 2000, b"1e18446744073709551615", b"nan", b"inf", b"", b"\xff\xfe", b"- 1"]


@pytest.mark.parametrize("raw", TEXTS)
@pytest.mark.parametrize("spec", [ValueSpec(Kind.LOAD, Source(column="1"), scale=1e300, mask=255)])
def test_what_is_no_number_is_no_value(raw: bytes, spec: ValueSpec) -> None:
    for one in (spec, dataclasses.replace(spec, mask=None), dataclasses.replace(spec, mask=None, scale=1.0)):
        table = Table("t", "1.3.6.1.4.1.1", values=(one,))
        found = {b"\1": {"1": VarBind(b"", 4, raw)}}
        values = [
            reading.value for reading in readings_of(table, rows_of(table, found, {}, {}), witnessed=False, whole=True)
        ]
        assert all(abs(value) <= 1e18 for value in values)


def test_a_double_that_is_no_number_is_no_value() -> None:
    table = Table("t", "1.3.6.1.4.1.1", values=(ValueSpec(Kind.LOAD, Source(column="1"), scale=1000),))
    for number in (float("nan"), float("inf"), 1.7e308):
        found = {b"\1": {"1": VarBind(b"", OPAQUE, b"\x9f\x79\x08" + struct.pack(">d", number))}}
        assert readings_of(table, rows_of(table, found, {}, {}), witnessed=False, whole=True) == []


def test_an_address_brings_no_text_along() -> None:
    """The zone of an IPv6 address may be whatever the agent likes."""
    assert address_text(b"fe80::1%<script>\x1b[2J") == "fe80::1"
    assert formed(VarBind(b"", 4, b"fe80::1%" + b"x" * 60_000), Form.IP) == "fe80::1"
    for written in (b"10.0.0.1", b"10.0.0.1\0", b"2001:db8:0:1::55", b"2001:db8:11:22::5:66"):
        assert address_text(written) == written.decode().strip("\0")
    assert address_text(bytes((10, 0, 0, 1, 0, 0, 0, 2))) == "10.0.0.1"
    assert address_text(b"\xe9\xe9\xe9") is None


def test_a_pattern_sees_no_more_than_a_displaystring() -> None:
    spec = ValueSpec(Kind.LOAD, Source(column="1", pattern=re.compile(r"(\d+) ?RPM")))
    table = Table("t", "1.3.6.1.4.1.1", values=(spec,))
    for padding, values in ((200, [7.0]), (300, [])):
        found = {oid.from_arcs((1, 3, 1))[1:]: {"1": VarBind(b"", 4, b"x" * padding + b" 7 RPM")}}
        rows = rows_of(table, found, {}, {})
        assert [one.value for one in readings_of(table, rows, witnessed=False, whole=True)] == values
