"""The whole: `sonda run` watches a site of namespaces; API and broker show the same figures, and they are right."""

import socket
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.lab.agent import SondaRun
from tests.lab.daemon import wait_until
from tests.lab.mosquitto import Message
from tests.lab.site import ROOT, Site
from tests.programs import need_lab

pytestmark = pytest.mark.lab


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    need_lab("snmpd", "mosquitto", "mosquitto_sub", "ping")
    with Site(tmp_path) as made:
        yield made


def test_the_site_is_as_drawn(site: Site) -> None:
    answered = {
        address: "1 received" in site.probe.run("ping", "-n", "-c1", "-W0.3", address, check=False)
        for address in ("10.20.0.1", "10.20.1.2", "10.20.2.2", "10.20.0.99", "10.20.1.99")
    }
    assert list(answered.values()) == [True, True, True, False, False]
    with site.probe.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP):
        pass
    broker = ["mosquitto_pub", "-h", "10.20.2.2", "-p", str(site.broker.port), "-u", "probe-1", "-P", "broker's secret"]
    site.probe.run(*broker, "-t", f"{ROOT}/status", "-m", "online")
    site.probe.run(*broker, "-t", "somewhere/else", "-m", "not recorded")
    assert [message.topic for message in site.recorder.wait(1)] == [f"{ROOT}/status"]


DOWN_S = 5.5
"""agent/README.md: a host that vanishes is down within this."""
UP_S = 3.0


def states(sonda: SondaRun) -> dict[str, str]:
    return {device["id"]: device["state"] for device in sonda.json("/api/v1/devices")}


def device(sonda: SondaRun, name: str) -> dict[str, Any]:
    found: dict[str, Any] = sonda.json(f"/api/v1/devices/{name}")
    return found


def port(sonda: SondaRun, key: str) -> dict[str, Any]:
    return next(p for p in device(sonda, "switch")["ports"] if p["key"] == key)


def seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


def bodies(messages: list[Message], topic_end: str) -> list[Any]:
    return [message.json() for message in messages if message.topic.endswith(topic_end)]


def numbers(messages: list[Message]) -> list[int]:
    """Sequence numbers of the durable messages."""
    return [body["seq"] for body in (message.json() for message in messages) if "seq" in body]


@pytest.mark.timeout(180)
def test_a_minute_of_a_site(site: Site) -> None:
    with site.sonda() as sonda:
        expected = {"router": "up", "switch": "up", "dead-neighbour": "down", "dead-host": "down"}
        wait_until(lambda: states(sonda) == expected, f"states {expected}", DOWN_S + 3)
        began = seconds(sonda.json("/api/v1/agent")["started"])
        told = site.recorder.wait_for(lambda got: len(bodies(got, "event/device.down")) == 2, "both are down")
        down = {body["device"]: body for body in bodies(told, "event/device.down")}
        assert set(down) == {"dead-neighbour", "dead-host"}
        for name, body in down.items():
            assert seconds(body["at"]) - seconds(body["since"]) < DOWN_S
            assert began - 1 < seconds(body["since"]) < began + 5
            assert device(sonda, name)["device"]["since"] == body["since"]
        assert {i["entity"] for i in sonda.json("/api/v1/incidents")} == set(down)

        wait_until(lambda: device(sonda, "switch")["system"].get("name") == "Core switch", "SNMP has answered", 15)
        assert {f"port{n}" for n in range(1, 49)} <= {p["key"] for p in device(sonda, "switch")["ports"]}
        assert port(sonda, "port48")["alias"] == "uplink <to> provider"
        assert port(sonda, "port8")["oper"] == "up"
        site.switch.unplug(8)
        wait_until(lambda: port(sonda, "port8")["oper"] == "down", "port8 is seen down", 15)
        assert port(sonda, "port8")["admin"] == "up"
        site.switch.plug(8)

        site.broker.kill()
        cut = time.time()
        site.router.down(site.downlink)
        wait_until(lambda: states(sonda)["switch"] == "down", "the switch is down", DOWN_S)
        assert cut - 0.1 < seconds(device(sonda, "switch")["device"]["since"]) < cut + 1.2, (
            "backdated to the first loss"
        )
        site.broker.start()
        mended = time.time()
        site.router.up(site.downlink)
        wait_until(lambda: states(sonda)["switch"] == "up", "the switch is up again", UP_S)
        gone = next(i for i in sonda.json("/api/v1/incidents") if i["entity"] == "switch")
        assert cut - 0.1 < seconds(gone["opened"]) < cut + 1.2
        assert mended - 0.1 < seconds(gone["closed"]) < mended + UP_S
        told = site.recorder.wait_for(lambda got: bodies(got, "event/device.up"), "the switch is up again", 20)
        assert [body["device"] for body in bodies(told, "event/device.down")].count("switch") == 1
        assert {body["device"] for body in bodies(told, "event/device.up")} == {"switch"}

        wait_until(lambda: device(sonda, "router")["device"]["loss_pct"] is not None, "a minute is closed", 65)
        assert device(sonda, "router")["device"]["loss_pct"] == 0
        assert device(sonda, "dead-host")["device"]["loss_pct"] == 100
        assert sonda.stop() == 0
    assert "Traceback" not in sonda.log
    told = site.recorder.wait_for(lambda got: bodies(got, "status")[-1]["state"] == "offline", "goodbye")
    assert sorted(set(numbers(told))) == list(range(1, max(numbers(told)) + 1))


def test_own_link_down_hides_everything(site: Site) -> None:
    with site.sonda() as sonda:
        before = {"router": "up", "switch": "up", "dead-neighbour": "down", "dead-host": "down"}
        wait_until(lambda: states(sonda) == before, f"states {before}", DOWN_S + 3)
        site.probe.down(site.uplink)
        wait_until(lambda: set(states(sonda).values()) == {"unknown"}, "all unknown", DOWN_S)
        assert [i["kind"] for i in sonda.json("/api/v1/incidents") if i["closed"] is None].count("probe.link") == 1
        site.probe.up(site.uplink)
        site.probe.route("default", via="10.20.0.1")
        wait_until(lambda: states(sonda) == before, f"states {before} again", DOWN_S + 15)
        told = site.recorder.wait_for(lambda got: bodies(got, "event/probe.fault"), "the fault is told", 20)
        assert {b["device"] for b in bodies(told, "event/device.down")} == {"dead-neighbour", "dead-host"}
