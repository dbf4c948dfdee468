"""What neighbours call themselves and their ports, by the subtypes of LLDP and by what CDP really has in its ids."""

import pytest

from kpi.gear import Neighbor
from tests.agent.profiles.told import Said, told

LOCAL, REMOTE, CDP = "1.0.8802.1.1.2.1.3.7.1", "1.0.8802.1.1.2.1.4.1.1", "1.3.6.1.4.1.9.9.23.1.2.1.1"
IF_NAME, BASE_PORT = "1.3.6.1.2.1.31.1.1.1.1", "1.3.6.1.2.1.17.1.4.1.2"
NAMES = {f"{IF_NAME}.{index}": name for index, name in ((1, "vlan1"), (101, "g1"), (21, "vlan21"), (1021, "xe5"))}
MAC = b"\x02\x00\x00\xaa\x00\x01"


async def neighbour(
    number: int = 1,
    *,
    local: tuple[int, Said] = (5, "ge1"),
    chassis: tuple[int, Said] = (4, MAC),
    port: tuple[int, Said] = (5, "p1"),
) -> Neighbor:
    """The one of the local port with that number; ids with their subtypes."""
    cells: dict[str, Said] = {**NAMES, f"{BASE_PORT}.1": 101}
    cells |= {f"{LOCAL}.{2 + at}.{number}": said for at, said in enumerate(local)}
    for column, said in ((4, chassis[0]), (5, chassis[1]), (6, port[0]), (7, port[1]), (9, "far")):
        cells[f"{REMOTE}.{column}.0.{number}.1"] = said
    (found,) = (await told(cells)).facts["neighbors"]
    assert isinstance(found, Neighbor)
    return found


@pytest.mark.parametrize(
    ("subtype", "octets", "said"),
    [
        (4, MAC, "02:00:00:aa:00:01"),
        (4, b"46;ABC", "34:36:3b:41:42:43"),
        (4, b"02:00:00:AA:00:01", "02:00:00:aa:00:01"),
        (4, b"not an address", "not an address"),
        (5, b"\x01\x0a\x00\x00\x05", "10.0.0.5"),
        (5, b"\x02" + bytes.fromhex("20010db8000000000000000000000005"), "2001:db8::5"),
        (5, b"\x0a\x00\x00\x05", "10.0.0.5"),
        (5, b"10.0.0.5", "10.0.0.5"),
        (7, b"switch", "switch"),
        (7, b"\x00\x00\x00\x07", "00:00:00:07"),
        (6, "端口".encode("gbk"), "端口"),
    ],
)
async def test_the_subtype_tells_what_a_chassis_id_is(subtype: int, octets: bytes, said: str) -> None:
    assert (await neighbour(chassis=(subtype, octets))).remote_chassis == said


@pytest.mark.parametrize(
    ("subtype", "octets", "said"),
    [
        (3, MAC, "02:00:00:aa:00:01"),
        (3, b"46;ABD", "34:36:3b:41:42:44"),
        (4, b"\x01\x0a\x00\x00\x06", "10.0.0.6"),
        (5, b"ge-0/1", "ge-0/1"),
        (7, b"48", "48"),
    ],
)
async def test_the_subtype_tells_what_a_port_id_is(subtype: int, octets: bytes, said: str) -> None:
    assert (await neighbour(port=(subtype, octets))).remote_port == said


@pytest.mark.parametrize(
    ("number", "local", "said"),
    [
        (1, (5, "ge1"), "ge1"),
        (1, (5, "21"), "21"),
        (21, (7, "1021"), "xe5"),
        (21, (7, "9"), "vlan21"),
        (21, (7, "uplink"), "uplink"),
        (1, (3, MAC), "g1"),
        (1, (7, "9"), "g1"),
        (101, (3, MAC), "g1"),
        (77, (3, MAC), "77"),
    ],
)
async def test_a_local_port_is_named_by_subtype_by_base_port_or_by_ifindex(
    number: int, local: tuple[int, Said], said: str
) -> None:
    assert (await neighbour(number, local=local)).local_port == said


async def test_a_device_id_of_cdp_may_be_a_mac_address() -> None:
    cells: dict[str, Said] = dict(NAMES)
    for row, device in (("101.1", b"\x02\xaa\x00\xbb\x00\xcc"), ("101.2", b"edge-7.example.net")):
        cells |= {f"{CDP}.3.{row}": 1, f"{CDP}.4.{row}": b"\x0a\x00\x00\x05", f"{CDP}.6.{row}": device}
        cells |= {f"{CDP}.7.{row}": "Port 1"}
    found = (await told(cells)).facts["neighbors"]
    ids = [(one.remote_chassis, one.remote_name) for one in found if isinstance(one, Neighbor)]
    assert ids == [("02:aa:00:bb:00:cc", "02:aa:00:bb:00:cc"), ("edge-7.example.net", "edge-7.example.net")]
