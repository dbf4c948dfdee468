"""`sonda demo` as a person starts it: a process of its own, on free ports, and what it leaves behind."""

import contextlib
import ipaddress
import json
import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from agent.demo.site import GARDEN, HALL, LOWER, NO_POWER, RECEPTION, SITE
from tests.lab.agent import SONDA
from tests.lab.daemon import free_port, wait_until
from tests.programs import find, need

ENDS_WITHIN_S = 5.0
UP_WITHIN_S = 30.0
"""On two busy cores; 2.3 s on idle ones."""

pytestmark = [pytest.mark.lab, pytest.mark.may_block]


class Demo:
    """The command with everything temporary in a folder of the test's."""

    def __init__(self, folder: Path, *more: str, http_port: int | None = None, mqtt_port: int | None = None) -> None:
        self.http_port, self.mqtt_port = http_port or free_port(), mqtt_port or free_port()
        self.folder = folder / "tmp"
        self.folder.mkdir()
        self._log = (folder / "demo.log").open("w+b")
        argv = [str(SONDA), "demo", "--http-port", str(self.http_port), "--mqtt-port", str(self.mqtt_port), *more]
        env = {**os.environ, "TMPDIR": str(self.folder), "COLUMNS": "200"}
        self.process = psutil.Popen(argv, stdout=self._log, stderr=self._log, env=env)

    def close(self) -> None:
        with contextlib.suppress(psutil.NoSuchProcess):
            self.process.kill()
        self.process.wait()
        self._log.close()

    @property
    def said(self) -> str:
        self._log.flush()
        return Path(self._log.name).read_text()

    def json(self, path: str) -> Any:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}{path}", timeout=5) as response:
            return json.load(response)

    def wait(self, what: str, so: Callable[[], bool], within_s: float) -> None:
        def quietly() -> bool:
            assert self.process.is_running() and self.process.status() != psutil.STATUS_ZOMBIE, self.said
            try:
                return so()
            except OSError:
                return False

        wait_until(quietly, what, within_s)

    def all_up(self) -> bool:
        return bool(self.json("/api/v1/site")["devices"]["up"] == len(SITE))

    def family(self) -> list[psutil.Process]:
        return [self.process, *self.process.children(recursive=True)]

    def left_behind(self) -> list[Path]:
        return list(self.folder.iterdir())


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Demo]]:
    started: list[Demo] = []

    def begin(*more: str, **ports: int) -> Demo:
        started.append(Demo(tmp_path, *more, **ports))
        return started[-1]

    yield begin
    for demo in started:
        demo.close()


def test_a_site_is_alive_and_nothing_is_left_of_it(start: Callable[..., Demo], tmp_path: Path) -> None:
    need("mosquitto_sub")
    demo = start("--json")
    demo.wait("all devices up", demo.all_up, UP_WITHIN_S)
    with listening(demo.mqtt_port) as heard:
        began = time.monotonic()
        cpu = [sum(p.cpu_times()[:2]) for p in demo.family()]
        polled = {device.id for device in SITE if device.snmp}

        def answered() -> bool:
            return {d["id"] for d in demo.json("/api/v1/devices") if d["snmp"] and d["snmp"]["state"] == "up"} == polled

        demo.wait("SNMP of all devices", answered, 25)
        devices = demo.json("/api/v1/devices")
        assert len(devices) >= 12
        assert {d["state"] for d in devices} == {"up"}
        assert all(d["rtt_ms"] > 0 for d in devices if d["rtt_ms"] is not None)
        assert sum(d["rtt_ms"] is not None for d in devices) >= len(devices) - 1
        assert {d["id"]: d["snmp"]["ports"] for d in devices if d["snmp"]} == {
            d.id: len(d.ports) for d in SITE if d.snmp
        }
        demo.wait("what the devices tell beyond their ports", lambda: told_of(demo), 15)
        site = demo.json("/api/v1/site")
        assert "simulated" in site["notice"]["en"]
        assert "simulat" in site["notice"]["it"]
        assert site["window"] is None or site["window"]["coverage"] < 0.5, "no history is made up"
        agent = demo.json("/api/v1/agent")
        assert agent["icmp"]["modes"] == {"ipv4": "simulated", "ipv6": "simulated"}
        assert agent["snmp"]["ports"]["measured"] == sum(len(d.ports) for d in SITE if d.snmp)
        with urllib.request.urlopen(f"http://127.0.0.1:{demo.http_port}/", timeout=5) as page:
            assert page.status == 200
            assert b"File server" in page.read()
        strangers = [
            (process.name(), connection.laddr)
            for process in demo.family()
            for connection in process.net_connections("inet")
            if connection.laddr and not ipaddress.ip_address(connection.laddr.ip).is_loopback
        ]
        assert not strangers
        down = "sonda/v1/demo/restaurant/probe-1/event/device.down"
        demo.wait("the garden's device.down", lambda: down in heard(), NO_POWER.first_s + 15)
        told = heard()
        assert told["sonda/v1/demo/restaurant/probe-1/status"]["state"] == "online"
        assert told["sonda/v1/demo/restaurant/probe-1/info"]["devices"] == len(SITE)
        assert told[down]["device"] == GARDEN.id
        assert retained(demo.mqtt_port, "+/+/+/+/+/status") == ["sonda/v1/demo/restaurant/probe-1/status"]

        def ports() -> dict[str, Any]:
            return {p["alias"]: p for p in demo.json("/api/v1/devices/switch-ground-floor")["ports"]}

        demo.wait("the switch's word for it", lambda: ports()[GARDEN.name]["oper"] == "down", 15)
        assert 1e6 < ports()["File server"]["in_bps"] < 1e8
        assert 1e6 < ports()["File server"]["out_bps"] < 1e8
        used = sum(sum(p.cpu_times()[:2]) - before for p, before in zip(demo.family(), cpu, strict=True))
        assert used / (time.monotonic() - began) < 0.25, "of one core"
        line = json.loads(demo.said)
        assert line["page"] == f"http://127.0.0.1:{demo.http_port}/"
        assert line["broker"] == f"127.0.0.1:{demo.mqtt_port}"
        assert "sonda/v1/demo/restaurant/probe-1/status" in told
        assert line["topics"] == "sonda/v1/demo/restaurant/probe-1/#"

        family = demo.family()
        stopped = time.monotonic()
        demo.process.send_signal(signal.SIGINT)
        assert demo.process.wait(ENDS_WITHIN_S) == 0, demo.said
        assert time.monotonic() - stopped < ENDS_WITHIN_S
        assert not [p for p in family if p.is_running()]
        assert heard()["sonda/v1/demo/restaurant/probe-1/status"]["state"] == "offline"
    assert demo.left_behind() == []


def retained(port: int, topics: str) -> list[str]:
    """What a subscriber of one second gets of the past, topic by topic; others have subscribed to more."""
    argv = [find("mosquitto_sub") or "", "-p", str(port), "-t", topics, "-W", "1", "-F", "%t"]
    return subprocess.run(argv, capture_output=True, text=True, check=False).stdout.split()


def told_of(demo: Demo) -> bool:
    """Each device has said who it is; the access points of their guests, the UPS of its battery, a switch of who is
    beside it."""
    devices = {d["id"]: d for d in demo.json("/api/v1/devices")}
    models = {d.id: d.model for d in SITE if d.snmp}
    switch = demo.json(f"/api/v1/devices/{LOWER.id}")
    return (
        {device: (devices[device]["inventory"] or {}).get("model") for device in models} == models
        and all((devices[ap.id]["gear"] or {}).get("wifi_clients") is not None for ap in (HALL, RECEPTION))
        and (devices["ups"]["gear"] or {}).get("on_battery") is False
        and {n["remote_name"] for n in switch["neighbors"]} >= {"gateway", HALL.id}
    )


@contextlib.contextmanager
def listening(port: int) -> Iterator[Callable[[], dict[str, Any]]]:
    """The last message of each topic that mosquitto_sub has seen, retained ones included."""
    program = find("mosquitto_sub")
    assert program is not None
    argv = [program, "-p", str(port), "-t", "sonda/v1/#", "-F", "%t %p"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        os.set_blocking(process.stdout.fileno(), False)
        text = b""

        def heard() -> dict[str, Any]:
            nonlocal text
            assert process.stdout is not None
            with contextlib.suppress(BlockingIOError):
                while part := os.read(process.stdout.fileno(), 65536):
                    text += part
            pairs = [line.partition(b" ") for line in text.split(b"\n")[:-1]]
            return {topic.decode(): json.loads(payload) for topic, _, payload in pairs}

        try:
            yield heard
        finally:
            process.kill()


def test_a_person_is_told_where_everything_is(start: Callable[..., Demo]) -> None:
    demo = start("--seconds", "12")
    assert demo.process.wait(40) == 0, demo.said
    for wanted in (
        "Starting a simulated site of 13 devices; nothing leaves this machine.",
        f"The broker listens on 127.0.0.1:{demo.mqtt_port}.",
        "All 13 devices are up after ",
        f"http://127.0.0.1:{demo.http_port}/",
        f"sonda status --url http://127.0.0.1:{demo.http_port}",
        f"sonda/v1/demo/restaurant/probe-1/#   on the broker 127.0.0.1:{demo.mqtt_port}",
        "Ctrl-C",
    ):
        assert wanted in demo.said
    assert "Traceback" not in demo.said
    assert demo.left_behind() == []


def test_children_end_with_a_parent_that_is_killed(start: Callable[..., Demo]) -> None:
    demo = start()
    demo.wait("three processes", lambda: len(demo.family()) == 3, UP_WITHIN_S)
    children = demo.family()[1:]
    demo.process.kill()
    demo.process.wait()
    gone, alive = psutil.wait_procs(children, timeout=ENDS_WITHIN_S)
    assert not alive
    assert len(gone) == 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_it_ends_while_it_is_still_starting(start: Callable[..., Demo], number: signal.Signals) -> None:
    demo = start()
    demo.wait("the folder", lambda: bool(demo.left_behind()), UP_WITHIN_S)
    family = demo.family()
    demo.process.send_signal(number)
    assert demo.process.wait(ENDS_WITHIN_S) in {0, 130}
    _, alive = psutil.wait_procs(family, timeout=1)
    assert not alive
    assert demo.left_behind() == []
    assert "Traceback" not in demo.said


@pytest.mark.parametrize(("which", "option"), [("http_port", "--http-port"), ("mqtt_port", "--mqtt-port")])
def test_a_busy_port_is_named_with_what_holds_it(start: Callable[..., Demo], which: str, option: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        demo = start(**{which: port})
        assert demo.process.wait(UP_WITHIN_S) == 5
    assert f"ort {port} on 127.0.0.1" in demo.said
    assert f"(pid {os.getpid()})" in demo.said
    assert option in demo.said
    assert "is in use by " in demo.said
    assert "Traceback" not in demo.said
    assert demo.left_behind() == []


def test_a_child_that_dies_is_said(start: Callable[..., Demo]) -> None:
    demo = start()
    demo.wait("all devices up", demo.all_up, UP_WITHIN_S)
    broker = next(p for p in demo.family()[1:] if "agent.demo.broker" in p.cmdline())
    broker.kill()
    demo.wait("the sentence", lambda: "simulated broker has ended unexpectedly" in demo.said, 5)
    assert demo.all_up()
    demo.process.send_signal(signal.SIGINT)
    assert demo.process.wait(ENDS_WITHIN_S) == 0, demo.said
