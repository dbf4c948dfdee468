"""The probe's own way: routing tables as the kernel prints them, and carrier as it says."""

from pathlib import Path

from collectors.link import Links, Surroundings, default_gateway, read_routes, read_surroundings, remembering, route_to

ROUTE4 = """Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t010200C0\t0003\t0\t0\t100\t00000000\t0\t0\t0
eth0\t000200C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0
wlan0\t00000000\t016433C6\t0003\t0\t0\t600\t00000000\t0\t0\t0
eth0\t0071A8CB\t00000000\t0201\t0\t0\t0\t00FFFFFF\t0\t0\t0
"""
ROUTE6 = (
    "20010db8000000000000000000000000 40 00000000000000000000000000000000 00 "
    "00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth0\n"
    "00000000000000000000000000000000 00 00000000000000000000000000000000 00 "
    "fe800000000000000000000000000001 00000400 00000001 00000000 00000003     eth0\n"
    "00000000000000000000000000000000 00 00000000000000000000000000000000 00 "
    "00000000000000000000000000000000 ffffffff 00000001 00000000 00200200       lo\n"
)


def tables(tmp_path: Path, four: str = ROUTE4, six: str = ROUTE6) -> Path:
    (tmp_path / "route").write_text(four)
    (tmp_path / "ipv6_route").write_text(six)
    return tmp_path


def test_the_longest_prefix_then_the_lowest_metric_wins(tmp_path: Path) -> None:
    routes = read_routes(tables(tmp_path))
    near, far = route_to(routes, "192.0.2.77"), route_to(routes, "203.0.113.9")
    assert near is not None and (near.interface, near.gateway) == ("eth0", None)
    assert far is not None and (far.interface, str(far.gateway)) == ("eth0", "192.0.2.1")
    assert default_gateway(routes) == "192.0.2.1"


def test_a_rejecting_route_is_none(tmp_path: Path) -> None:
    only_reject = "".join(ROUTE4.splitlines(keepends=True)[i] for i in (0, 4))
    assert read_routes(tables(tmp_path, only_reject, "")) == []


def test_ipv6_on_link_by_gateway_and_by_scope(tmp_path: Path) -> None:
    routes = read_routes(tables(tmp_path, ROUTE4.splitlines()[0]))
    near, far = route_to(routes, "2001:db8::5"), route_to(routes, "2001:db8:1::5")
    scoped = route_to(routes, "fe80::9%wlan0")
    assert near is not None and near.gateway is None
    assert far is not None and str(far.gateway) == "fe80::1"
    assert scoped is not None and scoped.interface == "wlan0"
    assert default_gateway(routes) == "fe80::1%eth0"


def test_loopback_needs_no_table(tmp_path: Path) -> None:
    route = route_to(read_routes(tmp_path / "nothing"), "127.0.0.9")
    assert route is not None and route.interface == "lo"
    assert route_to([], "192.0.2.1") is None


def test_the_kernel_says_what_runs() -> None:
    with Links() as links:
        assert links.running("lo")
        assert not links.running("no-such-if")


def test_what_lay_behind_a_cable_lies_there_while_it_is_out(tmp_path: Path) -> None:
    before = read_routes(tables(tmp_path))
    eth0_out = "".join(line for line in ROUTE4.splitlines(keepends=True) if not line.startswith("eth0"))
    now = remembering(before, read_routes(tables(tmp_path, eth0_out, "")))
    near, far = route_to(now, "192.0.2.77"), route_to(now, "203.0.113.9")
    assert near is not None and near.interface == "eth0", "its own link is down, it is not somewhere else"
    assert far is not None and (far.interface, str(far.gateway)) == ("wlan0", "198.51.100.1"), (
        "the other way out counts"
    )
    assert default_gateway(now) == "198.51.100.1"
    assert remembering(now, before) == before, "as soon as it is in again"


def test_the_gateway_stays_while_there_is_no_other(tmp_path: Path) -> None:
    before = read_routes(tables(tmp_path, "".join(ROUTE4.splitlines(keepends=True)[i] for i in (0, 1, 2)), ""))
    no_default = "".join(ROUTE4.splitlines(keepends=True)[i] for i in (0, 2))
    now = remembering(before, read_routes(tables(tmp_path, no_default, "")))
    assert default_gateway(now) == "192.0.2.1"
    assert remembering([], []) == []


ARP = """IP address       HW type     Flags       HW address            Mask     Device
192.0.2.5        0x1         0x2         00:00:5E:00:53:05     *        eth0
192.0.2.6        0x1         0x0         00:00:00:00:00:00     *        eth0
192.0.2.7        0x1         0x6         00:00:5e:00:53:07     *        eth0
"""


def test_who_is_on_the_link(tmp_path: Path) -> None:
    (tmp_path / "arp").write_text(ARP)
    found = read_surroundings(tmp_path)
    assert found == Surroundings({"192.0.2.5": "00:00:5e:00:53:05", "192.0.2.7": "00:00:5e:00:53:07"}, frozenset())
    assert read_surroundings(tmp_path / "nothing") == Surroundings({}, frozenset())


def test_the_probes_own_addresses_are_those_of_its_ethernet_interfaces() -> None:
    own = read_surroundings().own
    there = {path.read_text().strip() for path in Path("/sys/class/net").glob("*/address")}
    assert own <= there
    assert "00:00:00:00:00:00" not in own
