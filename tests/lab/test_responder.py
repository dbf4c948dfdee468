"""Scripted agents: exact by our BER and by net-snmp, and each fault does what its name says."""

import socket
import subprocess
import time
from collections.abc import Iterator

import pytest

from tests.lab import ber
from tests.lab.ber import Message, Oid, Value
from tests.lab.network import Network
from tests.lab.responder import HOSTILE_NAMES, SYS_UPTIME, Agent, Port, Responder, healthy
from tests.programs import need, need_lab

SYS_NAME = ber.oid("1.3.6.1.2.1.1.5.0")
IN_32, IN_64 = ber.oid("1.3.6.1.2.1.2.2.1.10.1"), ber.oid("1.3.6.1.2.1.31.1.1.1.6.1")
pytestmark = pytest.mark.lab


@pytest.fixture
def agent() -> Agent:
    return healthy(2)


@pytest.fixture
def responder(agent: Agent) -> Iterator[Responder]:
    with Responder(None, {"127.0.0.1": agent}) as made:
        yield made


def ask(responder: Responder, *names: Oid, address: str = "127.0.0.1", number: int = 77) -> Message:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(0.5)
        client.connect((address, responder.port))
        client.send(ber.request(ber.GET, names, community=b"public", number=number))
        return ber.unpack_message(client.recv(65535))


def test_answers_and_moves(responder: Responder) -> None:
    first = ask(responder, SYS_UPTIME, SYS_NAME, (1, 3, 9))
    time.sleep(0.05)
    second = ask(responder, SYS_UPTIME)
    assert first.request_id == 77
    assert first.varbinds[1:] == ((SYS_NAME, ber.octets("lab-device")), ((1, 3, 9), Value(ber.NO_SUCH_INSTANCE, None)))
    before, after = first.varbinds[0][1].content, second.varbinds[0][1].content
    assert isinstance(before, int)
    assert isinstance(after, int)
    assert 5 <= after - before < 50


def test_net_snmp_walks_it(responder: Responder) -> None:
    need("snmpget")
    for words in (["snmpwalk", "-v1"], ["snmpwalk", "-v2c"], ["snmpbulkwalk", "-v2c", "-Cr25"]):
        command = [*words, "-m", "", "-On", "-c", "public", f"127.0.0.1:{responder.port}", "1.3.6.1.2.1"]
        lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
        names = [line.split(" = ")[0] for line in lines if " = " in line and "No more variables" not in line]
        held = [f".{ber.dotted(name)}" for name in sorted(responder.agents["127.0.0.1"].values)]
        assert [name for name in names if name in held] == held
    assert responder.faults == []


def test_counters_wrap_at_their_width(agent: Agent, responder: Responder) -> None:
    agent.values.update(healthy(1, given=(Port(1, in_octets_s=1e6, first_octets=2**32 - 500_000),)).values)
    agent.started = time.monotonic() - 10
    narrow, wide = (value.content for _, value in ask(responder, IN_32, IN_64).varbinds)
    assert isinstance(narrow, int)
    assert isinstance(wide, int)
    assert narrow == wide - 2**32 == pytest.approx(9_500_000, abs=500_000)
    agent.reboot()
    assert ask(responder, IN_64).varbinds[0][1].content == pytest.approx(2**32 - 500_000, abs=400_000)


def test_states_follow_the_script(agent: Agent, responder: Responder) -> None:
    oper = ber.oid("1.3.6.1.2.1.2.2.1.8.1")
    agent.values.update(healthy(1, given=(Port(1, up=lambda seconds: seconds < 100),)).values)
    assert ask(responder, oper).varbinds[0][1] == ber.integer(1)
    agent.started -= 100
    assert ask(responder, oper).varbinds[0][1] == ber.integer(2)


def test_slow_answers_wait_side_by_side(agent: Agent, responder: Responder) -> None:
    agent.delay_s = 0.2
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(1)
        client.connect(("127.0.0.1", responder.port))
        began = time.monotonic()
        for number in (1, 2, 3):
            client.send(ber.request(ber.GET, [SYS_NAME], community=b"public", number=number))
        got = [ber.unpack_message(client.recv(9000)).request_id for _ in range(3)]
        took = time.monotonic() - began
    assert (got, 0.2 <= took < 1.0) == ([1, 2, 3], True)


def test_lies(agent: Agent, responder: Responder) -> None:
    agent.wrong_id = True
    assert ask(responder, SYS_NAME).request_id != 77
    agent.wrong_id, agent.shuffled = False, True
    assert [name for name, _ in ask(responder, SYS_UPTIME, SYS_NAME).varbinds] == [SYS_NAME, SYS_UPTIME]
    agent.shuffled, agent.most_varbinds = False, 1
    assert ask(responder, SYS_UPTIME, SYS_NAME).error_status == 1
    agent.silent = True
    with pytest.raises(TimeoutError):
        ask(responder, SYS_NAME)
    assert len(agent.asked) == 4


def test_absent_and_frozen_uptime(agent: Agent, responder: Responder) -> None:
    agent.values[SYS_UPTIME] = ber.ticks(4242)
    assert ask(responder, SYS_UPTIME).varbinds[0][1] == ber.ticks(4242)
    del agent.values[SYS_UPTIME]
    assert ask(responder, SYS_UPTIME).varbinds[0][1].tag == ber.NO_SUCH_INSTANCE


@pytest.mark.parametrize("name", HOSTILE_NAMES, ids=range(len(HOSTILE_NAMES)))
def test_hostile_names_arrive_whole(agent: Agent, responder: Responder, name: bytes) -> None:
    agent.values[SYS_NAME] = ber.octets(name)
    assert ask(responder, SYS_NAME).varbinds == ((SYS_NAME, ber.octets(name)),)


def test_many_addresses_in_a_namespace() -> None:
    need_lab()
    addresses = [f"10.9.0.{n}" for n in range(1, 51)]
    with Network() as network:
        place = network.namespace("devices")
        place.address("lo", *(f"{address}/32" for address in addresses))
        with Responder(place, {a: healthy(1, name=a) for a in addresses}, port=161) as responder, place.inside():
            names = [ask(responder, SYS_NAME, address=a).varbinds[0][1].content for a in addresses]
    assert names == [a.encode() for a in addresses]
