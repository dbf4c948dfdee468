"""What the kernel permits decides how echoes leave: datagram, raw, TCP connect, none. Never "down" for want of it."""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from collectors.clock import SystemClock
from collectors.icmp import EchoTarget, IcmpEngine, Mode, permission_help
from collectors.icmp.sockets import Closed, buffer_help
from collectors.icmp.tcp import MAX_OPEN
from kpi.model import Outcome
from tests.collectors.icmp.fakes import Sink
from tests.lab.network import Namespace, Network
from tests.programs import need_lab

pytestmark = pytest.mark.lab

ROOT = Path(__file__).resolve().parents[3]
NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all"]
NOBODY_WITH_RAW = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
NOBODY_WITH_RAW += ["--inh-caps=+net_raw", "--ambient-caps=+net_raw"]


@pytest.fixture
def pair() -> Iterator[tuple[Namespace, Namespace]]:
    """The probe's namespace, ping_group_range as it is born, and its neighbour: 10.9.0.2, and 10.9.0.3 that drops TCP."""
    need_lab("nft")
    with Network() as network:
        here, there = network.namespace("probe"), network.namespace("there")
        network.veth(here, there, addresses=(["10.9.0.1/24", "fd00:9::1/64"], ["10.9.0.2/24", "fd00:9::2/64"]))
        there.address("veth0", "10.9.0.3/24")
        there.nft(
            "table ip t { chain i { type filter hook input priority 0; ip daddr 10.9.0.3 tcp dport 1-65535 drop; }; }"
        )
        yield here, there


@pytest.fixture
def probe(pair: tuple[Namespace, Namespace]) -> Namespace:
    return pair[0]


def run(place: Namespace, who: list[str], *arguments: str) -> dict[str, Any]:
    command = [*who, sys.executable, "-m", "tests.collectors.icmp.probe_once", *arguments]
    here = Path.cwd()
    os.chdir(ROOT)
    try:
        found: dict[str, Any] = json.loads(place.run(*command))
    finally:
        os.chdir(here)
    return found


def test_datagram_where_ping_group_range_permits(probe: Namespace) -> None:
    probe.ping_group_range(65534, 65534)
    found = run(probe, NOBODY, "10.9.0.2", "fd00:9::2")
    assert found["modes"] == {"4": "datagram", "6": "datagram"}
    assert found["ends"] == {"10.9.0.2": [["ok", None]], "fd00:9::2": [["ok", None]]}
    assert found["faults"] == {}


def test_raw_where_only_the_capability_permits(probe: Namespace) -> None:
    found = run(probe, NOBODY_WITH_RAW, "10.9.0.2", "fd00:9::2")
    assert found["modes"] == {"4": "raw", "6": "raw"}
    assert found["ends"] == {"10.9.0.2": [["ok", None]], "fd00:9::2": [["ok", None]]}


def test_root_in_a_new_namespace_goes_raw(probe: Namespace) -> None:
    assert run(probe, [], "10.9.0.2")["modes"] == {"4": "raw", "6": "raw"}


def test_tcp_connect_is_labelled_and_its_silence_is_no_loss(probe: Namespace) -> None:
    found = run(probe, NOBODY, "--echoes", "3", "10.9.0.2", "10.9.0.3", "fd00:9::2")
    assert found["modes"] == {"4": "tcp", "6": "tcp"}
    assert found["ends"]["10.9.0.2"] == found["ends"]["fd00:9::2"] == [["ok", "tcp"]] * 3
    assert found["ends"]["10.9.0.3"] == [["agent_fault", "icmp_permission"]] * 3
    assert found["overdues"] == 0
    assert all(rtt is None or 0 < rtt < 500 for rtt in found["rtts"])
    assert "net.ipv4.ping_group_range" in found["mends"][0]


async def test_a_target_that_answered_a_connect_once_can_be_lost(pair: tuple[Namespace, Namespace]) -> None:
    probe, there = pair
    sink = Sink()
    target = EchoTarget("t", "10.9.0.2")

    async def ended(count: int) -> None:
        async with asyncio.timeout(5):
            while len(sink.samples) < count:  # noqa: ASYNC110 - the sink of the engine, real time
                await asyncio.sleep(0.02)

    with probe.inside(), IcmpEngine(SystemClock(), sink, opener=lambda v: Closed(v, "icmp_permission")) as engine:
        assert engine.modes == {4: Mode.TCP, 6: Mode.TCP}
        running = asyncio.create_task(engine.run())
        await asyncio.sleep(0)
        engine.send(target)
        await ended(1)
        assert sink.ends() == [(Outcome.OK, "tcp")]

        there.nft("table ip u { chain i { type filter hook input priority 0; reject; }; }")  # by ICMP, as a firewall
        engine.send(target)
        await ended(2)
        assert sink.ends()[1] == (Outcome.NO_REPLY, "admin_prohibited")
        there.nft(
            "delete table ip u; table ip u { chain i { type filter hook input priority 0; tcp dport 80 drop; }; }"
        )
        engine.send(target)
        await ended(3)
        assert sink.ends()[2] == (Outcome.NO_REPLY, "tcp_timeout")
        assert sink.overdues == [("t", sink.samples[2].at)]

        for _ in range(MAX_OPEN + 5):
            engine.send(target)
        assert sink.ends()[3:] == [(Outcome.AGENT_FAULT, "tcp_limit")] * 5
        probe.down("veth0")
        await ended(MAX_OPEN + 8)
        engine.send(EchoTarget("far", "10.9.0.2"))
        await ended(MAX_OPEN + 9)
        assert sink.ends("far") == [(Outcome.AGENT_FAULT, "send_enetunreach")]
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


def test_without_any_way_every_echo_is_our_own_fault_with_its_mend(probe: Namespace) -> None:
    found = run(probe, NOBODY, "--no-tcp", "10.9.0.2", "fd00:9::2")
    assert found["modes"] == {"4": "none", "6": "none"}
    assert found["ends"] == {a: [["agent_fault", "icmp_permission"]] for a in ("10.9.0.2", "fd00:9::2")}
    assert found["faults"] == {"icmp_permission": 2}


def test_the_mend_it_prints_mends_it(probe: Namespace) -> None:
    """The command in the sentence, run as it stands, for the group it names."""
    sentence = run(probe, NOBODY, "--no-tcp", "10.9.0.2")["mends"][0]
    command = sentence.split("`")[1]
    assert command.startswith("sysctl -w net.ipv4.ping_group_range=")
    probe.run("sh", "-c", command)
    assert run(probe, NOBODY, "--no-tcp", "10.9.0.2")["modes"] == {"4": "datagram", "6": "datagram"}


def test_help_names_the_units_capability_and_none_for_everybodys_python() -> None:
    sentence = permission_help()
    assert "AmbientCapabilities=CAP_NET_RAW" in sentence
    assert "setcap" not in sentence
    assert "would open raw sockets to every user's programs" in sentence


def test_a_small_buffer_is_said() -> None:
    assert buffer_help(1 << 20) is None
    said = buffer_help(425984)
    assert said is not None and "net.core.rmem_max" in said and "425984" in said
