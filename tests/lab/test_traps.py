"""A trap on port 162, the poll that follows, and what it leaves alone; the port from systemd."""

import os
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.lab.agent import SONDA, SondaRun
from tests.lab.daemon import free_port, wait_until
from tests.lab.mosquitto import Mosquitto, Recorder
from tests.lab.network import Namespace, Network
from tests.lab.responder import Agent, Port, Responder, healthy
from tests.programs import need, need_lab

pytestmark = pytest.mark.lab

ADDRESS = "127.62.0.1"
EVERY_S = 12
LINK_DOWN = ("1", "1.3.6.1.6.3.1.1.5.3", "1.3.6.1.2.1.2.2.1.1.2", "i", "2")


@dataclass
class Site:
    """One switch, polled every EVERY_S, and the agent that hears its traps."""

    place: Namespace
    agent: Agent
    sonda: SondaRun
    recorder: Recorder
    linked: list[bool] = field(default_factory=lambda: [True])
    """Whether the second port has a link, as the last entry."""

    def port(self) -> dict[str, Any]:
        ports: list[dict[str, Any]] = self.sonda.json("/api/v1/devices/sw")["ports"]
        return next(p for p in ports if p["index"] == 2)

    def trap(self, *told: str, program: str = "snmptrap", community: str = "public", source: str = ADDRESS) -> None:
        options = (f"--clientaddr={source}", "-r", "0", "-v2c", "-c", community)
        self.place.run("env", "MIBS=", program, *options, "127.0.0.1:162", *told, check=False)

    def traps(self) -> dict[str, Any]:
        told: dict[str, Any] = self.sonda.json("/api/v1/agent")["traps"]
        return told

    def after_a_poll(self) -> None:
        """Returns right after a regular poll, so that the next is EVERY_S away."""
        seen = len(self.agent.asked)
        wait_until(lambda: len(self.agent.asked) > seen, "a regular poll", 2 * EVERY_S)
        wait_until(lambda: time.monotonic() - self.agent.asked[-1].at > 1.0, "the end of that poll", 10)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    need_lab("snmptrap", "mosquitto", "mosquitto_sub")
    linked = [True]
    agent = healthy(3, given=(Port(2, up=lambda _seconds: linked[-1]),))
    with ExitStack() as stack:
        place = stack.enter_context(Network()).namespace("traps")
        place.ping_group_range()
        responder = stack.enter_context(Responder(place, {ADDRESS: agent}))
        broker = stack.enter_context(Mosquitto(tmp_path / "broker", place=place))
        text = (
            '[site]\ntenant = "lab"\nsite = "traps"\nprobe = "p"\n[network]\ngateway = "none"\n'
            f"[snmp]\nstatus_s = {EVERY_S}\ntimeout_s = 1\n[traps]\nenabled = true\n"
            f'[mqtt]\nhost = "127.0.0.1"\nport = {broker.port}\n'
            '[[credential]]\nname = "c"\nversion = "2c"\ncommunity = { env = "C" }\n'
            f'[[device]]\nname = "sw"\nrole = "switch"\naddress = "{ADDRESS}"\nsnmp = "c"\n'
            f"snmp_port = {responder.port}\n"
        )
        recorder = stack.enter_context(broker.recorder("#"))
        sonda = stack.enter_context(SondaRun(tmp_path, text, place=place, env={"C": "public"}))
        made = Site(place, agent, sonda, recorder, linked)
        wait_until(lambda: len(sonda.json("/api/v1/devices/sw")["ports"]) == 3, "the ports are known", 2 * EVERY_S)
        yield made


@pytest.mark.timeout(180)
def test_linkdown_is_a_poll_within_a_second_and_the_poll_tells_the_port(site: Site) -> None:
    assert site.port()["oper"] == "up"
    site.after_a_poll()
    asked = len(site.agent.asked)
    site.linked.append(False)
    began = time.monotonic()
    site.trap(*LINK_DOWN)
    wait_until(lambda: site.port()["oper"] == "down", "the port is down", 5)
    known = time.monotonic() - began
    first = site.agent.asked[asked].at - began
    print(f"first question {first * 1000:.0f} ms, on the page {known * 1000:.0f} ms after snmptrap was started")
    assert first < 1.0
    assert known < 2.0
    assert site.traps()["by_name"] == {"linkDown": 1}
    (said,) = site.recorder.wait_for(lambda all_: [m for m in all_ if m.topic.endswith("event/trap")], "event/trap")[
        -1:
    ]
    assert said.topic.startswith("sonda/v1/lab/traps/p/event/")


@pytest.mark.timeout(180)
def test_a_trap_that_is_not_true_changes_nothing_but_that_it_was_said(site: Site) -> None:
    """The trap says down, the device says up: the device is right (kpi/README.md R1, polls decide)."""
    site.after_a_poll()
    before, asked = site.port(), len(site.agent.asked)
    for _ in range(3):
        site.trap(*LINK_DOWN)
    site.trap(*LINK_DOWN, community="wrong")
    site.trap(*LINK_DOWN, source="127.62.0.9")
    wait_until(lambda: len(site.agent.asked) > asked, "the poll that follows", 5)
    wait_until(lambda: time.monotonic() - site.agent.asked[-1].at > 6.5, "the second poll is over", 20)
    after, traps = site.port(), site.traps()
    assert (after["oper"], after["flapping"], after["figures"]) == ("up", False, before["figures"])
    assert (traps["accepted"], traps["bad_community"], traps["unknown_source"]) == (3, 1, 1)
    site.sonda.stop()
    events = [m.json() for m in site.recorder.messages if "/event/" in m.topic]
    told = [e for e in events if e["type"] == "trap"]
    assert [(e["device"], e["trap"], e["ifindex"]) for e in told] == [("sw", "linkDown", 2)] * 3
    assert {e["type"] for e in events} <= {"trap", "stream"}
    assert "public" not in "".join(str(e) for e in events)


@pytest.mark.timeout(60)
def test_systemd_hands_over_its_socket_with_what_came_before_the_agent(tmp_path: Path) -> None:
    need("systemd-socket-activate")
    port = free_port(socket.SOCK_DGRAM)
    text = (
        '[site]\ntenant = "lab"\nsite = "traps"\nprobe = "p"\n[network]\ngateway = "none"\n'
        "[traps]\nenabled = true\nport = 162\n"
        '[[credential]]\nname = "c"\nversion = "2c"\ncommunity = { env = "C" }\n'
        '[[device]]\nname = "sw"\nrole = "switch"\naddress = "127.0.0.1"\n'
    )
    activate = ["systemd-socket-activate", "-d", "-l", f"127.0.0.1:{port}", "--fdname=traps", "-E", "C", "-E", "PATH"]
    run = SondaRun(tmp_path, text, command=[*activate, str(SONDA), "run", "--config", str(tmp_path / "sonda.toml")],
                   env={"C": "public", "PATH": os.environ["PATH"]})  # fmt: skip
    run.daemon.start()
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            wait_until(lambda: "Listening on" in run.log, "the port is open")
            out.sendto(b"the first word", ("127.0.0.1", port))  # it starts the agent, which reads it
        run.daemon.wait_ready(run._lives, "/livez", timeout_s=30)
        wait_until(lambda: run.json("/api/v1/agent")["traps"]["undecodable"] == 1, "the first word is read", 10)
        told = run.json("/api/v1/agent")["traps"]
        assert told["listening"] == {"host": "127.0.0.1", "port": port, "by_systemd": True}
        assert "opened by systemd" in run.log
    finally:
        assert run.stop() == 0
