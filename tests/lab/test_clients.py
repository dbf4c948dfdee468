"""No MAC address of a client in an API answer, a page, an event, a topic, a payload, a metric or the log, in any way it
can be written; and what stands there instead (agent/README.md)."""

import hashlib
import hmac
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.agent.macs import notations
from tests.lab import ber
from tests.lab.agent import SondaRun
from tests.lab.ber import Oid
from tests.lab.daemon import wait_until
from tests.lab.hosts import sonda_before_five_end
from tests.lab.mosquitto import Mosquitto, Recorder
from tests.lab.network import Namespace, Network
from tests.lab.responder import Agent, Moving, Responder, healthy
from tests.programs import need_lab

pytestmark = pytest.mark.lab

ADDRESS, BESIDE = "127.63.0.1", "127.63.0.2"
WIFI, PHONE, CDP_PHONE, TRAPPED, CPE = (
    "d8:3a:dd:11:22:33", "00:1b:54:aa:bb:01", "00:1b:54:aa:bb:02", "3c:52:82:0a:0b:0c", "58:c1:7a:99:88:77",
)  # fmt: skip
CLIENTS = (WIFI, PHONE, CDP_PHONE, TRAPPED, CPE)
SWITCH = "00:00:5e:00:53:01"
PAGES = ("/", "/?lang=it", "/device/ap", "/device/ap?lang=it", "/device/beside", "/agent", "/agent?lang=it", "/api")
PATHS = (
    *PAGES, "/api/v1/site", "/api/v1/devices", "/api/v1/devices/ap", "/api/v1/devices/beside", "/api/v1/topology",
    "/api/v1/devices/ap/history", "/api/v1/kpis", "/api/v1/incidents", "/api/v1/agent", "/api/v1/openapi.json", "/metrics",
    "/readyz",
)  # fmt: skip
LLDP, CDP = "1.0.8802.1.1.2.1.4.1.1", "1.3.6.1.4.1.9.9.23.1.2.1.1"
REGISTRATION = "1.3.6.1.4.1.14988.1.1.1.2.1"
STATIONS = "1.3.6.1.4.1.17713.21.1.2.30.1"


def found_in(text: str) -> list[str]:
    low = text.lower()
    return [mac for mac in CLIENTS if any(written.lower() in low for written in notations(mac))]


def octets(mac: str) -> bytes:
    return bytes.fromhex(mac.replace(":", ""))


def access_point() -> Agent:
    """One Wi-Fi client in a table whose index is its address; a telephone each by LLDP and CDP, and a switch."""
    agent = healthy(3)
    index = ".".join(map(str, octets(WIFI)))
    rows: dict[str, Moving] = {
        f"{REGISTRATION}.3.{index}.2": ber.integer(-71),
        f"{REGISTRATION}.12.{index}.2": ber.integer(24),
        f"{LLDP}.4.0.1.1": ber.integer(4),
        f"{LLDP}.5.0.1.1": ber.octets(octets(PHONE)),
        f"{LLDP}.6.0.1.1": ber.integer(3),
        f"{LLDP}.7.0.1.1": ber.octets(octets(PHONE)),
        f"{LLDP}.8.0.1.1": ber.octets(f"Port of {PHONE}"),
        f"{LLDP}.9.0.1.1": ber.octets("SEP" + octets(PHONE).hex().upper()),
        f"{LLDP}.10.0.1.1": ber.octets("telephone"),
        f"{LLDP}.4.0.3.2": ber.integer(4),
        f"{LLDP}.5.0.3.2": ber.octets(octets(SWITCH)),
        f"{LLDP}.6.0.3.2": ber.integer(5),
        f"{LLDP}.7.0.3.2": ber.octets("ge24"),
        f"{LLDP}.8.0.3.2": ber.octets("uplink"),
        f"{LLDP}.9.0.3.2": ber.octets("core"),
        f"{LLDP}.10.0.3.2": ber.octets("a switch"),
    }
    for row, name, port in (("3.1", "another", "Gi0/1"), ("2.1", f"SEP{octets(CDP_PHONE).hex().upper()}", "Port 1")):
        rows |= {f"{CDP}.6.{row}": ber.octets(name), f"{CDP}.7.{row}": ber.octets(port)}
    agent.values |= {ber.oid(name): value for name, value in rows.items()}
    agent.values[ber.oid("1.3.6.1.2.1.1.2.0")] = ber.Value(ber.OBJECT_IDENTIFIER, ber.oid("1.3.6.1.4.1.14988.1"))
    return agent


def radio_link() -> Agent:
    """A base station that calls its subscribers by their addresses."""
    agent = healthy(1, name="base")
    rows: Mapping[Oid, Moving] = {
        ber.oid(f"{STATIONS}.1.1"): ber.octets(CPE.upper()),
        ber.oid(f"{STATIONS}.4.1"): ber.integer(-60),
    }
    agent.values |= rows
    agent.values[ber.oid("1.3.6.1.2.1.1.2.0")] = ber.Value(ber.OBJECT_IDENTIFIER, ber.oid("1.3.6.1.4.1.17713.21"))
    return agent


@dataclass
class Site:
    place: Namespace
    sonda: SondaRun
    recorder: Recorder
    settings: str

    def outputs(self) -> Iterator[tuple[str, str]]:
        """Everything that can be asked for now."""
        for path in PATHS:
            answer = self.sonda.get(path)
            assert answer.status == 200, path
            yield path, answer.body.decode() + repr(answer.headers)
        yield "/events", repr(self.sonda.events(1.0))
        yield "/events?page=it", repr(self.sonda.events(1.0, "/events?page=it"))

    def detail(self, device: str) -> dict[str, Any]:
        told: dict[str, Any] = self.sonda.json(f"/api/v1/devices/{device}")
        return told

    def hash(self, mac: str) -> str:
        return hmac.new((self.sonda.folder / "privacy.key").read_bytes(), octets(mac), hashlib.sha256).hexdigest()[:12]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    need_lab("snmptrap", "mosquitto", "mosquitto_sub")
    with ExitStack() as stack:
        place = stack.enter_context(Network()).namespace("clients")
        place.ping_group_range()
        responder = stack.enter_context(Responder(place, {ADDRESS: access_point(), BESIDE: radio_link()}))
        broker = stack.enter_context(Mosquitto(tmp_path / "broker", place=place))
        recorder = stack.enter_context(broker.recorder("#"))
        text = (
            '[site]\ntenant = "lab"\nsite = "clients"\nprobe = "p"\n[network]\ngateway = "none"\n'
            '[snmp]\nstatus_s = 10\ncounters_s = 10\ntimeout_s = 1\n[traps]\nenabled = true\n[log]\nlevel = "debug"\n'
            f'[mqtt]\nhost = "127.0.0.1"\nport = {broker.port}\n'
            '[[credential]]\nname = "c"\nversion = "2c"\ncommunity = { env = "C" }\n'
        ) + "".join(
            f'[[device]]\nname = "{name}"\nrole = "access-point"\naddress = "{address}"\nsnmp = "c"\n'
            f"snmp_port = {responder.port}\n"
            for name, address in (("ap", ADDRESS), ("beside", BESIDE))
        )
        folder = tmp_path / "agent"
        folder.mkdir()
        command = sonda_before_five_end(20, folder / "sonda.toml")
        sonda = stack.enter_context(SondaRun(folder, text, place=place, command=command, env={"C": "public"}))
        yield Site(place, sonda, recorder, text)


@pytest.mark.timeout(180)
def test_no_address_of_a_client_leaves(site: Site) -> None:
    assert found_in(f"x {CPE.replace(':', '-').upper()}") == [CPE], "the search itself can find"
    place, sonda = site.place, site.sonda
    wait_until(lambda: len(site.detail("ap")["neighbors"]) == 4, "all neighbours are known", 40)
    varbind = f"1.3.6.1.2.1.17.4.3.1.1.{'.'.join(map(str, octets(TRAPPED)))}"
    words = (varbind, "x", octets(TRAPPED).hex(), "1.3.6.1.4.1.99999.1.0", "s", f"client {TRAPPED.upper()} left")
    trap = ("snmptrap", f"--clientaddr={ADDRESS}", "-r", "0", "-v2c", "-c", "public", "127.0.0.1:162")
    place.run("env", "MIBS=", *trap, "1", "1.3.6.1.6.3.1.1.5.3", *words)
    site.recorder.wait_for(lambda told: [m for m in told if m.topic.endswith("event/trap")], "event/trap")
    site.recorder.wait_for(lambda told: [m for m in told if m.topic.endswith("summary/device/ap")], "a summary", 60)
    for name, text in site.outputs():
        assert not found_in(text), name

    detail = site.detail("ap")
    assert [(c["id"], c["rssi_dbm"], c["snr_db"]) for c in detail["clients"]] == [(site.hash(WIFI), -71, 24)]
    assert {n["remote_name"]: n["remote_chassis"] for n in detail["neighbors"]} == {
        f"SEP{site.hash(PHONE)}": site.hash(PHONE),
        f"SEP{site.hash(CDP_PHONE)}": f"SEP{site.hash(CDP_PHONE)}",
        "core": SWITCH,
        "another": "another",
    }
    assert [(r["kind"], r["name"]) for r in site.detail("beside")["readings"]] == [("rssi", site.hash(CPE))]
    (told,) = [m.json() for m in site.recorder.messages if m.topic.endswith("event/trap")]
    assert [v["value"] for v in told["varbinds"]] == [site.hash(TRAPPED), f"client {site.hash(TRAPPED)} left"]
    assert told["varbinds"][0]["oid"].startswith("1.3.6.1.2.1.17.4.3.1.")

    assert sonda.json("/api/v1/agent")["radio"] is None, "this box has none"
    sonda.reload(sonda.config.read_text() + '\n[privacy]\nclients = "none"\n')
    wait_until(lambda: site.detail("ap")["clients"] == [], "clients are left out")
    assert [n["remote_name"] for n in site.detail("ap")["neighbors"]] == ["core", "another"]
    for name, text in site.outputs():
        assert not found_in(text), name
        assert not any(site.hash(mac) in text for mac in CLIENTS), name
    time.sleep(0.5)
    assert sonda.stop() == 0
    assert len(site.recorder.messages) >= 5
    for message in site.recorder.messages:
        assert not found_in(message.topic + message.payload.decode()), message.topic
    assert not found_in(sonda.log)
    assert stat.S_IMODE((sonda.folder / "privacy.key").stat().st_mode) == 0o600
