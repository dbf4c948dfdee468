"""Devices by ICMP: in a network of namespaces where each is ill in its own way, all examined in one run."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.agent.doctor.seeing import NOBODY, Found, device, doctor, ids, secret, sees, site
from tests.lab.network import Namespace, Network
from tests.lab.responder import Responder, healthy
from tests.programs import need, need_lab

pytestmark = pytest.mark.lab

THERE = ("10.9.0.2", "10.9.0.3", "10.9.0.4", "10.9.0.5", "10.9.0.6")
FIREWALL = """
table ip t {
  chain i {
    type filter hook input priority 0;
    ip daddr 10.9.0.3 icmp type echo-request drop;
    ip daddr 10.9.0.4 icmp type echo-request drop;
    ip daddr 10.9.0.5 icmp type echo-request numgen inc mod 2 0 drop;
    ip daddr 10.9.0.6 udp dport 1024-65535 reject with icmp type admin-prohibited;
  };
}
"""


@pytest.fixture(scope="module")
def place() -> Iterator[Namespace]:
    need_lab("nft")
    with Network() as network:
        here, there = network.namespace("probe"), network.namespace("there")
        network.veth(here, there, addresses=(["10.9.0.1/24"], ["10.9.0.2/24"]))
        there.address("veth0", *(f"{address}/24" for address in THERE[1:]))
        there.nft(FIREWALL)
        agents = {address: healthy(1, name=b"core") for address in THERE if address not in {"10.9.0.3", "10.9.0.6"}}
        with Responder(there, agents) as responder:
            here.snmp_port = responder.port  # type: ignore[attr-defined]  # for the configuration below
            yield here


@pytest.fixture(scope="module")
def found(place: Namespace, tmp_path_factory: pytest.TempPathFactory) -> list[Found]:
    folder = tmp_path_factory.mktemp("devices")
    port = place.snmp_port  # type: ignore[attr-defined]  # set above
    snmp = f'snmp = "site"\nsnmp_port = {port}'
    text = (
        f'\n[[credential]]\nname = "site"\nversion = "2c"\ncommunity = {secret(folder, "community", "public")}\n'
        + device("Core", "10.9.0.2", snmp)
        + device("Silent", "10.9.0.3")
        + device("Blocked", "10.9.0.4", snmp)
        + device("Lossy", "10.9.0.5")
        + device("Guarded", "10.9.0.6", snmp)
        + device("Absent", "10.9.0.99")
        + device("Far", "203.0.113.1", snmp)
        + device("Nameless", "no-such-host.invalid")
    )
    return doctor(site(folder, text), "devices", place=place, code=1)


@pytest.mark.parametrize(
    ("identifier", "subject"),
    [
        ("device.ok", "Core"),
        ("device.second_opinion", "Core"),
        ("snmp.ok", "Core"),
        ("device.silent", "Silent"),
        ("device.echo_blocked", "Blocked"),
        ("device.loss", "Lossy"),
        ("snmp.unreachable", "Guarded"),
        ("device.unreachable", "Absent"),
        ("device.own_fault", "Far"),
        ("snmp.own_fault", "Far"),
        ("device.name", "Nameless"),
    ],
)
def test_told_apart(found: list[Found], identifier: str, subject: str) -> None:
    sees(found, identifier, subject)


def test_nothing_else_is_said(found: list[Found]) -> None:
    assert {f["subject"] for f in found if f["severity"] == "ok" and f["id"] != "device.watched"} <= {
        "Core",
        "Blocked",
        "Guarded",
        "Far",
    }
    assert len([f for f in found if f["subject"] == "Silent"]) == 1


def test_without_permission_they_are_asked_by_tcp(place: Namespace, open_folder: Path) -> None:
    need("setpriv")
    config = site(open_folder, device("Core", "10.9.0.2") + device("Silent", "10.9.0.99"))
    found = doctor(config, "devices", place=place, who=NOBODY)
    sees(found, "device.by_tcp", "Core")
    assert "device.silent" not in ids(found)


def test_no_devices(tmp_path: Path) -> None:
    sees(doctor(site(tmp_path), "devices", code=0), "device.none")


def test_internet_targets_are_asked_as_well(tmp_path: Path) -> None:
    found = doctor(
        site(tmp_path, '\n[network]\ngateway = "none"\ninternet = ["127.0.1.1", "127.0.1.2", "127.0.1.3"]\n'), "devices"
    )
    assert {f["subject"] for f in found if f["id"] == "device.ok"} == {f"Internet 127.0.1.{n}" for n in (1, 2, 3)}
    assert sees(found, "device.watched")["seen"].endswith("0 listed in the settings and 3 internet targets.")


def test_the_gateway_that_is_found_by_itself_is_asked_as_well(place: Namespace, tmp_path: Path) -> None:
    place.run("ip", "route", "add", "default", "via", "10.9.0.2")
    try:
        found = doctor(site(tmp_path, "\n[network]\n"), "devices", place=place)
        sees(found, "device.ok", "Gateway")
        declared = site(tmp_path, "\n[network]\n" + device("Router", "10.9.0.6", role="gateway"))
        assert "Gateway" not in {f["subject"] for f in doctor(declared, "devices", place=place)}
    finally:
        place.run("ip", "route", "del", "default")
