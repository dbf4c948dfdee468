"""Links between known devices, and what each is reached through."""

from collections.abc import Iterable, Sequence
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kpi.forwarding import ForwardingTable, number
from kpi.gear import Forwarding, Neighbor
from kpi.model import PortIdentity, Role
from kpi.parents import parents_of
from kpi.topology import FORWARDING, PROBE, End, Link, Node, Uplink, links, uplinks


def mac(device: str, port: int = 0) -> str:
    """Each device has a block of 16 addresses of its own, far from the others'."""
    return f"00:00:5e:{ord(device[0]):02x}:{ord(device[-1]):02x}:{16 * port:02x}"


def mac_number(device: str, port: int = 0) -> int:
    value = number(mac(device, port))
    assert value is not None
    return value


def port(device: str, index: int, **names: str) -> PortIdentity:
    name = names.get("name", f"ge{index}")
    descr, alias = names.get("descr", f"GigabitEthernet{index}"), names.get("alias", "")
    return PortIdentity(name, index, name, descr, alias, 6, 1500, 10**9, mac(device, index))


def node(
    device: str,
    *heard: Neighbor,
    ports: int = 8,
    addresses: Sequence[str] = (),
    learnt: Iterable[tuple[str, int]] = (),
    name: str | None = None,
) -> Node:
    own = tuple(port(device, index) for index in range(1, ports + 1))
    return Node(
        device,
        name if name is not None else f"{device}.example.net",
        frozenset(addresses),
        frozenset(mac_number(device, index) for index in range(1, ports + 1)),
        own,
        heard,
        {mac_number(other, 1): index for other, index in learnt},
    )


def hears(local: int, device: str, remote: int, **other: str) -> Neighbor:
    said = {"remote_name": f"{device}.example.net", "remote_chassis": mac(device, 1), "remote_port": f"ge{remote}"}
    return Neighbor(**({"protocol": "lldp", "local_port": f"ge{local}"} | said | other))


def ends(found: Iterable[Link]) -> list[tuple[str, str, str, str, bool]]:
    return [(x.a.device, x.a.port, x.b.device, x.b.port, x.confirmed) for x in found]


def test_a_link_that_both_ends_tell_of_is_confirmed() -> None:
    found = links([node("b", hears(2, "a", 7)), node("a", hears(7, "b", 2))])
    assert found == (Link(End("a", "ge7"), End("b", "ge2"), "lldp", confirmed=True),)


def test_a_link_that_one_end_tells_of_is_there_too() -> None:
    assert ends(links([node("a", hears(7, "b", 2)), node("b")])) == [("a", "ge7", "b", "ge2", False)]


def test_parallel_links_are_put_together_port_by_port() -> None:
    one = node("a", hears(1, "b", 5), hears(2, "b", 6))
    two = node("b", hears(6, "a", 2), hears(5, "a", 1))
    assert ends(links([one, two])) == [("a", "ge1", "b", "ge5", True), ("a", "ge2", "b", "ge6", True)]


@pytest.mark.parametrize("called", ["GigabitEthernet2", "gigabitethernet2", "2", mac("b", 2), "0/2 uplink"])
def test_a_port_goes_by_many_names(called: str) -> None:
    """What is no name of a port is still the other end of the only cable."""
    one = node("a", hears(7, "b", 2, remote_port=called) if called != "0/2 uplink" else hears(7, "b", 99))
    assert ends(links([one, node("b", hears(2, "a", 7))])) == [("a", "ge7", "b", "ge2", True)]


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ({}, True),
        ({"remote_name": "somebody else"}, True),  # the chassis decides
        ({"remote_chassis": mac("b", 9), "remote_name": "B.example.net"}, True),  # an address of the same block
        ({"remote_chassis": "b", "remote_name": "b"}, True),  # without its domain
        ({"remote_chassis": "", "remote_name": "b.example.net(FOC1)", "protocol": "cdp"}, True),
        ({"remote_chassis": "", "remote_name": "?", "remote_address": "192.0.2.2"}, True),
        ({"remote_chassis": "192.0.2.2", "remote_name": "", "remote_port": "aa:bb"}, True),
        ({"remote_chassis": "x", "remote_name": "", "remote_port": mac("b", 3)}, True),
        ({"remote_chassis": mac("x", 1)}, False),  # another one of the same name
        (
            {"remote_chassis": mac("x", 1), "remote_name": "?", "remote_address": "192.0.2.2"},
            False,
        ),  # a factory default
        ({"remote_chassis": "", "remote_name": "b.example.org", "protocol": "cdp"}, False),  # another domain
        ({"remote_chassis": "x", "remote_name": "stranger"}, False),
        ({"remote_chassis": "", "remote_name": ""}, False),
    ],
)
def test_who_a_neighbour_is(said: dict[str, str], found: bool) -> None:
    fields = {"protocol": "lldp", "remote_name": "b.example.net", "remote_chassis": mac("b", 1), "remote_port": "ge2"}
    one = node("a", Neighbor(local_port="ge7", **(fields | said)))
    assert bool(links([one, node("b", addresses=["192.0.2.2"])])) is found


def test_a_name_that_two_devices_have_tells_neither() -> None:
    heard = hears(7, "b", 2, remote_chassis="", remote_name="switch")
    assert links([node("a", heard), node("b", name="switch"), node("c", name="switch")]) == ()


def test_a_name_that_is_an_address_has_no_short_form() -> None:
    heard = hears(7, "b", 2, remote_chassis="", remote_name="192.0.2.77")
    assert links([node("a", heard), node("b", name="192.0.2.10")]) == ()


def test_a_name_that_neighbours_with_several_chassis_have_tells_none_of_them() -> None:
    """Two switches of one delivery, with the name of the factory and addresses close together; one is not watched."""
    ours = hears(2, "b", 1, remote_name="SG108", remote_chassis=mac("b", 1))
    stranger = hears(5, "b", 1, remote_name="SG108", remote_chassis=mac("b", 15))
    found = links([node("a", ours), node("c", stranger), node("b", name="SG108")])
    assert ends(found) == [("a", "ge2", "b", "ge1", False)]


def test_nobody_is_a_neighbour_of_itself() -> None:
    assert links([node("a", hears(7, "a", 3))]) == ()


def test_one_cable_that_two_protocols_tell_of_is_one_link() -> None:
    twice = hears(7, "b", 2), hears(7, "b", 2, protocol="cdp", remote_chassis="b.example.net")
    for heard in permutations(twice):
        (found,) = links([node("a", *heard), node("b")])
        assert found.by == "lldp"


# -- forwarding tables


def chain(*, silent: bool = True) -> list[Node]:
    """probe - a - b - c, printers p at b and q at c. Port 1 leads towards the probe, 2 away from it."""
    told = () if silent else (hears(2, "b", 1),)
    return [
        node("a", *told, learnt=[("b", 2), ("c", 2), ("p", 2), ("q", 2), (PROBE_MAC, 5)]),
        node("b", learnt=[("a", 1), ("c", 2), ("p", 3), ("q", 2), (PROBE_MAC, 1)]),
        node("c", learnt=[("a", 1), ("b", 1), ("p", 1), ("q", 4), (PROBE_MAC, 1)]),
        node("p", ports=1),
        node("q", ports=1),
        Node(PROBE, macs=frozenset({mac_number(PROBE_MAC, 1)})),
    ]


PROBE_MAC = "z"
CHAIN = [
    ("", "", "a", "ge5", False),
    ("a", "ge2", "b", "ge1", True),
    ("b", "ge2", "c", "ge1", True),
    ("b", "ge3", "p", "", False),
    ("c", "ge4", "q", "", False),
]


@pytest.mark.parametrize("order", [1, -1])
def test_forwarding_tables_tell_the_chain(order: int) -> None:
    found = links(chain()[::order])
    assert ends(found) == CHAIN
    assert {link.by for link in found} == {FORWARDING}


def test_neighbours_and_forwarding_tables_together() -> None:
    found = links(chain(silent=False))
    assert [(*one[:4],) for one in ends(found)] == [(*one[:4],) for one in CHAIN]
    assert [link.by for link in found] == [FORWARDING, "lldp", FORWARDING, FORWARDING, FORWARDING]


def test_an_address_on_several_ports_tells_nothing() -> None:
    rows = [Forwarding(mac("p", 1), 3), Forwarding(mac("p", 1), 4), Forwarding(mac("q", 1), 4)]
    table = ForwardingTable(rows)
    assert [table.port_of(mac_number(d, 1)) for d in "pq"] == [None, 4]
    several = node("p", ports=2)
    a = Node("a", learnt={mac_number("p", 1): 3, mac_number("p", 2): 4})
    assert links([a, several]) == ()


def test_two_bridges_that_both_see_it_on_the_way_to_each_other_leave_a_doubt() -> None:
    """An unmanaged switch between them, and the printer on it."""
    a, b = node("a", learnt=[("b", 2), ("p", 2)]), node("b", learnt=[("a", 1), ("p", 1)])
    assert ends(links([a, b, node("p", ports=1)])) == [("a", "ge2", "b", "ge1", True)]


def test_three_bridges_on_an_unmanaged_switch_leave_a_doubt() -> None:
    star = [node(d, learnt=[(other, 1) for other in "abc" if other != d]) for d in "abc"]
    assert links(star) == ()


def test_what_lies_behind_a_neighbour_that_shows_no_table_is_not_known() -> None:
    a = node("a", hears(2, "b", 1), learnt=[("b", 2), ("p", 2)])
    assert ends(links([a, node("b"), node("p", ports=1)])) == [("a", "ge2", "b", "ge1", False)]


def test_a_forwarding_table_is_small_and_knows_its_addresses() -> None:
    rows = [Forwarding(f"02:00:00:00:{n >> 8:02x}:{n & 255:02x}", n % 48 + 1) for n in range(2000)]
    table = ForwardingTable([*rows, Forwarding("01:00:5e:00:00:01", 3), Forwarding("?", 3), *rows[:5]])
    assert len(table) == 2000
    assert dict(table) == {number(row.mac): row.port for row in rows}
    assert table.port_of(1) is None
    assert table.port_of(1 << 47) is None


@pytest.mark.parametrize("text", ["", "00:00:00:00:00:00", "zz:00:00:00:00:01", "00:00:5e:00:53", "ff:ff:ff:ff:ff:ff"])
def test_what_is_no_address_of_a_device(text: str) -> None:
    assert number(text) is None


# -- parents


def wired(*pairs: str) -> list[Link]:
    """ "ab" is a cable between a and b, "-a" one between the probe and a."""
    both = [sorted(End(device.strip("-"), "") for device in pair) for pair in pairs]
    return [Link(a, b, "lldp", confirmed=True) for a, b in both]


def roles(**named: Role) -> dict[str, Role]:
    return {device: named.get(device, Role.SWITCH) for device in "abcdefgh"}


def parents(found: Iterable[Link], asked: str = "abcdefgh", **named: Role) -> dict[str, str]:
    return parents_of(roles(**named), found, frozenset(asked))


def test_the_tree_from_the_probe_downwards() -> None:
    found = wired("-b", "ab", "bc", "cd")
    assert parents(found, a=Role.GATEWAY) == {"a": "b", "c": "b", "d": "c"}
    assert parents(wired("-d", "ab", "bc", "cd")) == {"c": "d", "b": "c", "a": "b"}


def test_a_loop_gives_no_parent_but_what_hangs_on_it_has_one() -> None:
    assert parents(wired("-a", "ab", "bc", "cd", "db", "ce")) == {"b": "a", "e": "c"}
    assert parents(wired("-a", "ab", "ac", "bc", "bd")) == {"d": "b"}


def test_a_server_with_two_cables_has_no_parent_and_nothing_behind_it() -> None:
    assert parents(wired("-a", "ab", "bh", "hc"), h=Role.SERVER) == {"b": "a"}


def test_where_nobody_knows_the_place_of_the_probe_only_ends_have_a_parent() -> None:
    found = wired("ab", "bc", "ch", "bg")
    assert parents(found, a=Role.GATEWAY, h=Role.PRINTER, g=Role.ACCESS_POINT) == {"h": "c", "g": "b"}
    assert parents(wired("gh"), g=Role.ACCESS_POINT, h=Role.ACCESS_POINT) == {}
    assert parents(wired("gh"), g=Role.SERVER, h=Role.PRINTER) == {}


def test_what_is_not_connected_with_the_probe_is_judged_as_if_its_place_were_not_known() -> None:
    assert parents(wired("-a", "ab", "cd", "dh"), h=Role.CAMERA) == {"b": "a", "h": "d"}


def test_a_device_that_is_never_asked_proves_nothing() -> None:
    found = wired("-a", "ab", "bc", "cd")
    assert parents(found, asked="acd") == {"b": "a", "c": "a", "d": "c"}
    assert parents(found, asked="bcd") == {"c": "b", "d": "c"}


def test_what_is_on_the_same_port_as_the_probe_is_behind_nothing() -> None:
    """The probe, the router and a switch that shows nothing, all on a's port 1: an unmanaged switch, or m itself."""
    a = node("a", learnt=[(PROBE_MAC, 1), ("g", 1), ("m", 1), ("p", 3)])
    others = [node(device, ports=1) for device in "gmp"]
    found = links([a, *others, Node(PROBE, macs=frozenset({mac_number(PROBE_MAC, 1)}))])
    named = {"a": Role.SWITCH, "g": Role.GATEWAY, "m": Role.SWITCH, "p": Role.PRINTER}
    assert parents_of(named, found, frozenset("agmp")) == {"p": "a"}


def test_what_shares_a_port_is_behind_that_port_and_not_behind_each_other() -> None:
    """LLDP passes an unmanaged switch: a, b and c hear each other on one port each."""
    star = [node(d, *[hears(1, other, 1) for other in "abc" if other != d]) for d in "abc"]
    star[0] = node("a", *star[0].neighbours, learnt=[(PROBE_MAC, 5)])
    star[1] = node("b", *star[1].neighbours, hears(4, "d", 1))
    found = links([*star, node("d"), Node(PROBE, macs=frozenset({mac_number(PROBE_MAC, 1)}))])
    assert parents(found) == {"b": "a", "c": "a", "d": "b"}


def behind(*nodes: Node, **named: Role) -> dict[str, str]:
    """Parents, with the probe among the devices."""
    everybody = [*nodes, Node(PROBE, macs=frozenset({mac_number(PROBE_MAC, 1)}))]
    ways = {bridge: way for bridge, way in uplinks(everybody).items() if way is not None}
    return parents_of(roles(**named), links(everybody), frozenset("abcdefgh"), ways)


def test_what_a_bridge_has_learnt_on_its_way_to_the_probe_is_not_behind_it() -> None:
    """probe - a - b - c, a printer at a; c alone shows its table, in which all of it is on one port."""
    c = node("c", learnt=[(PROBE_MAC, 1), ("a", 1), ("h", 1), ("d", 2)])
    told = node("a", hears(2, "b", 1), hears(3, "h", 1))
    assert behind(c, told, node("b"), node("h", ports=1), node("d"), h=Role.PRINTER) == {"h": "a", "d": "c"}


def test_what_is_heard_on_the_way_to_the_probe_is_not_behind_either() -> None:
    """Two things on one unmanaged switch that LLDP passes; the probe is further on."""
    a = node("a", learnt=[(PROBE_MAC, 1), ("c", 2), ("h", 2)])
    c = node("c", hears(1, "h", 1), learnt=[(PROBE_MAC, 1)])
    found = behind(a, c, node("h", ports=1), h=Role.PRINTER)
    assert found.get("h") != "c"
    assert found["c"] == "a"


def test_bridges_that_never_met_are_told_apart_by_the_place_of_the_probe() -> None:
    """probe - a - b - c: nothing of a has ever reached b and c but what was meant for the probe."""
    a = node("a", learnt=[(PROBE_MAC, 5), ("b", 2), ("c", 2)])
    b = node("b", learnt=[(PROBE_MAC, 1), ("c", 2)])
    c = node("c", learnt=[(PROBE_MAC, 1), ("a", 1)])
    assert behind(a, b, c) == {"b": "a", "c": "b"}
    assert uplinks([a, node("b", learnt=[("c", 2)]), node("d")]) == {"a": None, "b": None}


def test_a_cable_that_the_spanning_tree_has_blocked_is_not_the_way() -> None:
    """b and c hear each other, and a has them behind two ports: nothing goes from b to c."""
    a = node("a", learnt=[(PROBE_MAC, 1), ("b", 2), ("c", 3)])
    b = node("b", hears(4, "c", 4), learnt=[(PROBE_MAC, 1), ("a", 1)])
    assert behind(a, b, node("c", hears(4, "b", 4))) == {"b": "a"}


def test_the_parent_of_a_bridge_is_on_its_own_way_to_the_probe() -> None:
    """a, b and c in a ring, blocked between b and c; only c shows its table, and it has the probe behind a."""
    c = node("c", hears(1, "a", 3), hears(2, "b", 2), learnt=[(PROBE_MAC, 1), ("a", 1), ("b", 1)])
    assert "c" not in behind(c, node("a"), node("b", hears(2, "c", 2)))
    wired_to_b = [*wired("-b", "cb"), Link(End("a", "ge3"), End("c", "ge1"), "lldp", confirmed=True)]
    assert parents_of(roles(), wired_to_b, frozenset("abc"), {"c": Uplink(End("c", "ge1"))}) == {}


def test_an_access_point_is_not_in_front_of_the_switch_that_it_hangs_on() -> None:
    """probe - a - c - g, and c shows no table: which of c and g is nearer a cannot see."""
    a = node("a", learnt=[(PROBE_MAC, 1), ("g", 2)])
    assert behind(a, node("c", hears(3, "g", 1)), node("g", ports=1), g=Role.ACCESS_POINT) == {}


def test_two_cables_between_the_same_devices_are_no_loop() -> None:
    both = [Link(End("a", f"ge{n}"), End("b", f"ge{n}"), "lldp", confirmed=True) for n in (1, 2)]
    assert parents([*wired("-a", "bc"), *both]) == {"b": "a", "c": "b"}


def test_where_the_place_of_the_probe_is_not_known_a_shared_port_has_no_front() -> None:
    shared = [Link(End("a", "ge1"), End(device, ""), FORWARDING, confirmed=False) for device in "gh"]
    assert parents(shared, g=Role.GATEWAY, h=Role.PRINTER) == {}
    assert parents(shared, g=Role.ENDPOINT, h=Role.PRINTER) == {"g": "a", "h": "a"}


def test_an_access_point_that_no_cable_connects_with_the_probe_may_be_a_bridge() -> None:
    """The far end of a radio link, with one cable to the switch behind it."""
    found = wired("-a", "ab", "gc", "ch")
    assert parents(found, g=Role.ACCESS_POINT, h=Role.PRINTER) == {"b": "a", "h": "c"}


def test_devices_that_are_not_of_the_site_are_no_way() -> None:
    assert parents_of({"a": Role.SWITCH, "c": Role.SWITCH}, wired("-a", "ab", "bc"), frozenset("ac")) == {}


@given(st.lists(st.tuples(st.sampled_from("-abcdefgh"), st.sampled_from("abcdefgh")), max_size=14))
def test_parents_never_make_a_circle_and_are_always_in_the_way(pairs: list[tuple[str, str]]) -> None:
    cables = wired(*{f"{a}{b}" for a, b in pairs if a != b})
    found = parents(cables)
    for device, parent in found.items():
        seen = [device]
        while seen[-1] in found:
            seen.append(found[seen[-1]])
            assert len(seen) < 20
        reached = {""}
        while more := {b for a, b in both_ways(cables) if a in reached and b not in reached and b != parent}:
            reached |= more
        assert device not in reached, "there is a way around its parent"


def both_ways(cables: Iterable[Link]) -> list[tuple[str, str]]:
    return [pair for cable in cables for pair in (cable.devices, cable.devices[::-1])]
