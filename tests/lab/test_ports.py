"""Ports through the whole agent: known counters in, figures of the API out; restarts, wraps, resets, odd clocks and
hostile names, and never a spike (kpi/README.md R6, R7, R12)."""

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.lab import ber
from tests.lab.agent import SondaRun
from tests.lab.ber import Value
from tests.lab.daemon import wait_until
from tests.lab.mosquitto import Mosquitto, Recorder
from tests.lab.network import Network
from tests.lab.responder import HOSTILE_NAMES, SYS_UPTIME, Agent, Port, Responder, healthy
from tests.programs import need_lab

pytestmark = pytest.mark.lab

EVERY_S = 10
IN_ERRORS = ber.oid("1.3.6.1.2.1.2.2.1.14.1")
RATE = 125_000.0
"""Octets a second in, that is 1 Mbit/s."""


@dataclass
class Watched:
    """Agents by name, the daemon that watches them, and what reached the broker."""

    agents: dict[str, Agent]
    sonda: SondaRun
    recorder: Recorder

    def ports(self, name: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.sonda.json(f"/api/v1/devices/{name}")["ports"]
        return found


def counting(**more: Any) -> Agent:
    """Two ports, the first with RATE octets a second."""
    return healthy(2, given=(Port(1, in_octets_s=RATE, **more),))


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    need_lab("mosquitto", "mosquitto_sub")
    agents = {
        "steady": counting(),
        "frozen": counting(),
        "ageless": counting(),
        "restarting": counting(),
        "wrapping": counting(wide=False, first_octets=(1 << 32) - int(200 * RATE)),
        "hostile": healthy(
            len(HOSTILE_NAMES),
            name=HOSTILE_NAMES[0] + b"\x1b[2J\xff\xfe",
            given=tuple(Port(i, descr=text, alias=text) for i, text in enumerate(HOSTILE_NAMES, 1)),
        ),
    }
    agents["mistyped"] = counting()
    agents["mistyped"].values[IN_ERRORS] = ber.octets("none")
    agents["frozen"].values[SYS_UPTIME] = Value(ber.TIME_TICKS, 4711)
    del agents["ageless"].values[SYS_UPTIME]
    addresses = {name: f"127.60.0.{number}" for number, name in enumerate(agents, 1)}
    with ExitStack() as stack:
        place = stack.enter_context(Network()).namespace("ports")
        place.ping_group_range()
        broker = stack.enter_context(Mosquitto(tmp_path, place=place))
        recorder = stack.enter_context(broker.recorder("sonda/#"))
        responder = stack.enter_context(Responder(place, {addresses[n]: a for n, a in agents.items()}))
        text = (
            '[site]\ntenant = "lab"\nsite = "ports"\nprobe = "p"\n[network]\ngateway = "none"\n'
            f"[snmp]\nstatus_s = {EVERY_S}\ncounters_s = {EVERY_S}\n"
            '[[credential]]\nname = "c"\nversion = "2c"\ncommunity = { env = "C" }\n'
            f'[mqtt]\nhost = "127.0.0.1"\nport = {broker.port}\n'
        ) + "".join(
            f'[[device]]\nname = "{name}"\nrole = "switch"\naddress = "{addresses[name]}"\nsnmp = "c"\n'
            f"snmp_port = {responder.port}\n"
            for name in agents
        )
        sonda = stack.enter_context(SondaRun(tmp_path, text, place=place, env={"C": "public"}))
        yield Watched(agents, sonda, recorder)


def next_five(watched: Watched) -> str:
    """Waits until the five-minute window that is open now is closed; its start."""
    site = watched.sonda.json("/api/v1/site")
    before = site["window"]["start"] if site["window"] else None

    def closed() -> bool:
        window = watched.sonda.json("/api/v1/site")["window"]
        return window is not None and window["start"] != before

    wait_until(closed, "five minutes are closed", 320)
    start: str = watched.sonda.json("/api/v1/site")["window"]["start"]
    return start


def figures(port: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {f["kpi"]: f for f in port["figures"]}


@pytest.mark.long
@pytest.mark.timeout(900)
def test_rates_are_right_and_never_spike(watched: Watched) -> None:
    wait_until(lambda: all(watched.ports(n) for n in watched.agents), "all ports are known", 60)
    next_five(watched)
    time.sleep(100)
    watched.agents["restarting"].reboot()  # counters and sysUpTime begin at 0 again
    next_five(watched)
    for name in ("steady", "frozen", "ageless", "restarting", "wrapping"):
        first = next(p for p in watched.ports(name) if p["index"] == 1)
        rate = figures(first)["if_in_bps"]
        assert rate["value"] == pytest.approx(8 * RATE, rel=0.02), name
        assert rate["parts"]["max_bps"] <= 8 * RATE * 1.05, name
        assert ("uptime" in rate["flags"]) == (name in {"frozen", "ageless"}), (name, rate)
    reboots = {f["kpi"]: f for f in watched.sonda.json("/api/v1/devices/restarting")["figures"]}["reboots"]
    assert reboots["value"] == 1
    assert {f["kpi"]: f for f in watched.sonda.json("/api/v1/devices/steady")["figures"]}["reboots"]["value"] == 0
    events = [m.json() for m in watched.recorder.messages if m.topic.endswith("event/device.reboot")]
    assert [e["device"] for e in events] == ["restarting"]


@pytest.mark.timeout(120)
def test_what_a_device_answers_wrongly_is_counted_by_name(watched: Watched) -> None:
    def odd() -> dict[str, int]:
        found: dict[str, int] = watched.sonda.json("/api/v1/agent")["snmp"]["tally"]["odd"]
        return found

    wait_until(lambda: odd().get("wrong_type", 0) >= 2, "its errors came as text in two polls", 60)
    assert set(odd()) <= {"wrong_type"}


@pytest.mark.timeout(120)
def test_hostile_names_break_nothing(watched: Watched) -> None:
    wait_until(lambda: len(watched.ports("hostile")) == len(HOSTILE_NAMES), "the hostile device is known", 60)
    detail = watched.sonda.json("/api/v1/devices/hostile")
    shown = [detail["system"]["name"], *(p[key] for p in detail["ports"] for key in ("key", "name", "alias"))]
    assert not [text for text in shown if any(ord(c) < 32 or 0x7F <= ord(c) < 0xA0 for c in text)]
    assert max(map(len, shown)) <= 1024
    for path in ("/", "/api/v1/devices", "/metrics", "/api"):
        answer = watched.sonda.get(path)
        assert answer.status == 200
        assert b"<script>alert" not in answer.body, path
        answer.body.decode("utf-8")
    assert "\x1b" not in watched.sonda.log
    watched.sonda.stop()
    for message in watched.recorder.messages:
        assert "<" not in message.topic and "\x00" not in message.topic
        json.loads(message.payload)
