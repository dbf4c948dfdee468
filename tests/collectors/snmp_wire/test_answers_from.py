"""Devices that answer from another address than the one they are asked at: named, and believed where that is written."""

import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from collectors.clock import SystemClock
from collectors.snmp.client import SnmpClient
from collectors.snmp.errors import AnsweredElsewhere, Refused, Timeout
from collectors.snmp.peer import Peer
from tests.collectors.snmp_wire.scripted import COMMUNITY, LONG_S, OIDS, answer, asked

ASKED, OTHER = "127.0.0.1", "127.0.0.2"
SOON_S = 0.3


@dataclass
class TwoFaces:
    """Is asked at ASKED, and answers from OTHER, at one port. ``wrong_id`` makes the id of its answers another."""

    heard: socket.socket
    says: socket.socket
    wrong_id: bool = False

    @property
    def port(self) -> int:
        return int(self.heard.getsockname()[1])

    def take(self) -> None:
        data, sender = self.heard.recvfrom(65535)
        number = asked(data).request_id ^ 1 if self.wrong_id else None
        self.says.sendto(answer(data, number=number), sender)


@pytest.fixture
async def device() -> AsyncIterator[TwoFaces]:
    loop = asyncio.get_running_loop()
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as heard,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as says,
    ):
        heard.bind((ASKED, 0))
        says.bind((OTHER, heard.getsockname()[1]))
        heard.setblocking(False)
        found = TwoFaces(heard, says)
        loop.add_reader(heard, found.take)
        yield found
        loop.remove_reader(heard)


@pytest.fixture
async def snmp() -> AsyncIterator[SnmpClient]:
    async with SnmpClient(SystemClock()) as opened:
        yield opened
        assert not opened._pending and not opened._by_number


async def test_the_other_address_is_named_and_not_believed(snmp: SnmpClient, device: TwoFaces) -> None:
    with pytest.raises(AnsweredElsewhere, match=rf"an answer came from {OTHER} port {device.port}") as raised:
        await snmp.get(Peer(ASKED, device.port, COMMUNITY), OIDS, timeout_s=SOON_S, retries=0)
    assert (raised.value.address, raised.value.reason) == (OTHER, "other_source")
    assert isinstance(raised.value, Timeout), "whoever knows silence alone takes it for that"
    assert (snmp.counters["other_source"], snmp.counters["answered"]) == (1, 0)


async def test_an_address_that_is_written_is_believed(snmp: SnmpClient, device: TwoFaces) -> None:
    peer = Peer(ASKED, device.port, COMMUNITY, answers_from=OTHER)
    reply = await snmp.get(peer, OIDS, timeout_s=LONG_S)
    assert reply.values == [0, 1, 2]
    assert snmp.counters["other_source"] == 0


async def test_what_guesses_no_id_is_only_counted(snmp: SnmpClient, device: TwoFaces) -> None:
    device.wrong_id = True
    with pytest.raises(Timeout) as raised:
        await snmp.get(Peer(ASKED, device.port, COMMUNITY), OIDS, timeout_s=SOON_S, retries=0)
    assert not isinstance(raised.value, AnsweredElsewhere)
    assert (snmp.counters["other_source"], snmp.counters["foreign"]) == (0, 1)


async def test_a_closed_port_is_told_wherever_answers_would_come_from(snmp: SnmpClient) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind((ASKED, 0))
        port = int(free.getsockname()[1])
    with pytest.raises(Refused):
        await snmp.get(Peer(ASKED, port, COMMUNITY, answers_from=OTHER), OIDS, timeout_s=LONG_S, retries=0)


@pytest.mark.parametrize("address", ["router", "10.0.0"])
def test_only_an_address_is_one(address: str) -> None:
    with pytest.raises(ValueError, match="does not appear to be"):
        Peer(ASKED, 161, COMMUNITY, answers_from=address)
