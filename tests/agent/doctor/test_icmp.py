"""ICMP permission and its second opinion, in namespaces with what a kernel may refuse."""

import os
import resource
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from agent.doctor import devices, icmp
from agent.doctor.echoes import Ends
from agent.settings.models import DeviceSettings
from collectors.icmp.packet import PADDING
from collectors.icmp.sockets import Channel, Closed, open_channel
from kpi.model import Role
from tests.agent.doctor.seeing import NOBODY, ROOT, case, doctor, ids, sees, site
from tests.lab.network import Namespace, Network
from tests.programs import need, need_lab

pytestmark = pytest.mark.lab


@pytest.fixture
def place() -> Iterator[Namespace]:
    need_lab()
    with Network() as network:
        yield network.namespace("probe")


def test_permitted_echoes_and_a_second_opinion(place: Namespace, tmp_path: Path) -> None:
    place.ping_group_range()
    found = doctor(site(tmp_path), "icmp", place=place)
    assert sees(found, "icmp.ok")["facts"]["modes"] == {"ipv4": "datagram", "ipv6": "datagram"}
    sees(found, "icmp.second_opinion")
    assert ids(found) == {"icmp.ok", "icmp.second_opinion"}


def test_without_permission(place: Namespace, open_folder: Path) -> None:
    need("setpriv")
    found = doctor(site(open_folder), "icmp", place=place, who=NOBODY)
    said = sees(found, "icmp.permission")
    assert said["facts"] == {"modes": {"ipv4": "tcp", "ipv6": "tcp"}, "ping_group_range": "1 0"}
    assert said["commands"][0] == 'sysctl -w net.ipv4.ping_group_range="65534 65534"'
    assert ids(found) == {"icmp.permission"}


def test_a_small_buffer_of_an_ordinary_user(place: Namespace, open_folder: Path) -> None:
    need("setpriv")
    if int(Path("/proc/sys/net/core/rmem_max").read_text()) >= 512 * 1024:
        pytest.skip("needs a machine with the kernel's own net.core.rmem_max")
    place.ping_group_range()
    sees(doctor(site(open_folder), "icmp", place=place, who=NOBODY), "icmp.buffer")


async def test_a_small_buffer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same where this machine's own limit is larger: the socket's buffer is made as small as Debian has it."""

    def small(version: int) -> Channel | Closed:
        opened = open_channel(version)
        if isinstance(opened, Channel):
            opened.buffer_octets = 425_984
        return opened

    monkeypatch.setattr(icmp, "open_channel", small)
    sees(await icmp.check(case(site(tmp_path))), "icmp.buffer")


NEIGHBOURS = """entries  allocs   destroys hash_grows table_fulls
00000400 00000433 0000029f 00000005 00000053
00000400 00000266 000003f1 00000001 0000000a
"""


async def test_a_table_of_neighbours_that_was_full(tmp_path: Path) -> None:
    root = tmp_path / "root"
    for name, text in {
        "proc/sys/net/ipv4/neigh/default/gc_thresh3": "1024\n",
        "proc/net/stat/arp_cache": NEIGHBOURS,
        "proc/net/stat/ndisc_cache": NEIGHBOURS.replace("00000053", "00000000").replace("0000000a", "00000000"),
    }.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    found = await icmp.check(replace(case(site(tmp_path)), root=root))
    said = sees(found, "icmp.neighbours_full")
    assert said["facts"] == {"gc_thresh3": 1024, "entries": 1024, "table_fulls": 0x53 + 0xA}
    (root / "proc/net/stat/arp_cache").write_text("garbage\nmore garbage\n")
    assert "icmp.neighbours_full" not in ids(await icmp.check(replace(case(site(tmp_path)), root=root)))


async def test_a_device_that_finds_no_place_in_the_table_of_neighbours(tmp_path: Path) -> None:
    device = DeviceSettings(name="Camera", id="camera", role=Role.CAMERA, address="198.51.100.9")
    end = Ends(faults=Counter({"send_enobufs": 5}))
    said = devices._of_echoes(case(site(tmp_path)), device, "198.51.100.9", end, snmp_alive=False)
    assert said.id == "device.own_fault"
    assert "net.ipv4.neigh.default.gc_thresh3" in said.mend
    assert any("net.ipv4.neigh.default.gc_thresh3=" in line for line in said.commands)


def test_a_machine_that_ignores_echoes(place: Namespace, tmp_path: Path) -> None:
    place.sysctl("net.ipv4.icmp_echo_ignore_all", 1)
    sees(doctor(site(tmp_path), "icmp", place=place), "icmp.self_silent")


def test_a_machine_without_ipv6(place: Namespace, tmp_path: Path) -> None:
    place.sysctl("net.ipv6.conf.all.disable_ipv6", 1)
    found = doctor(site(tmp_path), "icmp", place=place)
    sees(found, "icmp.ipv6_off")
    assert "IPv6" not in sees(found, "icmp.ok")["seen"]


def test_a_firewall_that_knows_our_packets_from_others(place: Namespace, tmp_path: Path) -> None:
    need_lab("nft")
    pattern = int.from_bytes(PADDING[:8], "big")
    place.nft(
        "table ip t { chain o { type filter hook output priority 0; "
        f"meta l4proto icmp @th,192,64 {pattern:#x} drop; }}; }}"
    )
    sees(doctor(site(tmp_path), "icmp", place=place), "icmp.second_differs")


async def test_no_descriptor_is_left(tmp_path: Path) -> None:
    given = case(site(tmp_path))
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(name) for name in os.listdir("/proc/self/fd"))
    taken = [os.open("/dev/null", os.O_RDONLY) for _ in range(highest + 1)]  # so that no number below is free
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(taken) + 1, before[1]))
    try:
        found = await icmp.check(given)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
        for descriptor in taken:
            os.close(descriptor)
    sees(found, "icmp.no_socket")


async def test_what_this_user_may_is_no_word_on_the_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(icmp, "open_channel", lambda version: Closed(version, "icmp_permission"))
    said = sees(await icmp.check(case(site(tmp_path), service_user="sonda")), "icmp.permission")
    assert any("systemd-run" in command and "-p User=sonda" in command for command in said["commands"])
    said = sees(await icmp.check(case(site(tmp_path))), "icmp.permission")
    assert not any("systemd-run" in command for command in said["commands"])
    assert said["commands"][0].startswith("sysctl -w net.ipv4.ping_group_range=")


async def test_what_root_may_is_no_word_on_a_unit_without_permission(tmp_path: Path) -> None:
    """The unit as installed gives it; a drop-in may take it away, or the kernel allows the user's group."""
    root = tmp_path / "root"
    unit = root / "etc/systemd/system/sonda.service"
    allowed = root / "proc/sys/net/ipv4/ping_group_range"
    for folder in (unit.parent / "sonda.service.d", allowed.parent):
        folder.mkdir(parents=True)
    allowed.write_text("1\t0\n")
    given = replace(case(site(tmp_path), service_user="nobody"), root=root)
    assert "icmp.service" not in ids(await icmp.check(given))  # no unit: a container
    unit.write_text((ROOT / "systemd/sonda.service").read_text())
    assert "icmp.service" not in ids(await icmp.check(given))
    (unit.parent / "sonda.service.d/own.conf").write_text("[Service]\nAmbientCapabilities=\n")
    sees(await icmp.check(given), "icmp.service")
    allowed.write_text("0\t2147483647\n")
    assert "icmp.service" not in ids(await icmp.check(given))
