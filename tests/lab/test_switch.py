"""The switch shows its ports, states and exact counters by SNMP."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab import ber
from tests.lab.network import Network
from tests.lab.switch import Counted, Switch
from tests.programs import need_lab

pytestmark = pytest.mark.lab

IF_OPER, IF_ADMIN = "1.3.6.1.2.1.2.2.1.8", "1.3.6.1.2.1.2.2.1.7"
IF_NAME, IF_ALIAS = "1.3.6.1.2.1.31.1.1.1.1", "1.3.6.1.2.1.31.1.1.1.18"
IF_IN_DISCARDS = "1.3.6.1.2.1.2.2.1.13"
HC_IN, HC_IN_UNICAST, HC_OUT, HC_OUT_UNICAST = (f"1.3.6.1.2.1.31.1.1.1.{n}" for n in (6, 7, 10, 11))


@pytest.fixture
def switch(tmp_path: Path) -> Iterator[Switch]:
    need_lab("snmpd")
    with Network() as network:
        probe = network.namespace("probe")
        with Switch(
            network,
            tmp_path,
            uplink=probe,
            addresses=("10.1.0.1/24", "10.1.0.2/24"),
            aliases={3: "to the <roof> & back"},
        ) as made:
            yield made


def figures(switch: Switch, port: int) -> Counted:
    index = switch.index(port)
    values = switch.snmpd.get(*(f"{name}.{index}" for name in (HC_IN, HC_IN_UNICAST, HC_OUT, HC_OUT_UNICAST)))
    numbers = [value.content for value in values if isinstance(value.content, int)]
    return Counted(*numbers)


def test_ports_and_their_names(switch: Switch) -> None:
    names = switch.snmpd.column(IF_NAME)
    expected = {b"lo", b"uplink", *(f"port{n}".encode() for n in range(1, 49))}
    assert {value.content for value in names.values()} == expected
    assert names[switch.index(48)].content == b"port48"
    aliases = {index: value.content for index, value in switch.snmpd.column(IF_ALIAS).items() if value.content}
    assert aliases == {switch.index(3): b"to the <roof> & back"}
    assert set(switch.snmpd.column(IF_OPER).values()) == {ber.integer(1)}


def test_counters_are_what_was_sent(switch: Switch) -> None:
    assert switch.send(7, frames=1000, size=500) == 500_000
    assert switch.send(7, frames=10, size=1514, direction="out") == 15_140
    assert switch.send(8, frames=3, size=60) == 180
    time.sleep(1.2)  # snmpd's cache of interfaces
    assert set(switch.snmpd.column(IF_IN_DISCARDS).values()) == {ber.counter32(0)}
    for port, sent in ((7, Counted(500_000, 1000, 15_140, 10)), (8, Counted(180, 3, 0, 0)), (9, Counted(0, 0, 0, 0))):
        assert switch.counted(port) == sent
        assert figures(switch, port) == sent


def test_even_load(switch: Switch) -> None:
    began = time.monotonic()
    with switch.traffic([1, 2], bps=8e6, size=1000) as sent:
        time.sleep(0.5)
    took = time.monotonic() - began
    assert sent.octets == sent.frames * 1000 == switch.counted(1).in_octets == switch.counted(2).in_octets
    assert sent.octets == pytest.approx(1e6 * took, rel=0.1)


def test_ports_go_down_and_come_back(switch: Switch) -> None:
    switch.unplug(4)
    switch.disable(5, 6)
    time.sleep(1.2)
    oper, admin = switch.snmpd.column(IF_OPER), switch.snmpd.column(IF_ADMIN)
    four, five, six = (switch.index(n) for n in (4, 5, 6))
    assert [index for index, value in oper.items() if value != ber.integer(1)] == [four, five, six]
    assert [index for index, value in admin.items() if value != ber.integer(1)] == [five, six]
    switch.plug(4)
    switch.enable(5, 6)
    time.sleep(1.2)
    assert set(switch.snmpd.column(IF_OPER).values()) == {ber.integer(1)}


def test_restarted_agent_keeps_the_counters(switch: Switch) -> None:
    switch.send(1, frames=5, size=100)
    switch.snmpd.restart()
    assert figures(switch, 1).in_octets == 500
