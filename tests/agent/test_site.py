"""From settings to what is watched: parents by the routing table, gateway and internet targets as devices."""

import ipaddress
from pathlib import Path

import pytest

from agent.measuring import device_settings
from agent.settings import Settings, load
from agent.site import FastPorts, PortFilter, SitePlan, host_names, plan_site
from collectors.link import Route
from collectors.snmp.device import DeviceSettings
from kpi.model import PortIdentity, Role

ROUTES = [
    Route(ipaddress.ip_network("192.0.2.0/24"), "eth0", None, 0),
    Route(ipaddress.ip_network("0.0.0.0/0"), "eth0", ipaddress.ip_address("192.0.2.1"), 0),
]
SITE = '[site]\ntenant = "t"\nsite = "s"\nprobe = "p"\n'


def settings(tmp_path: Path, text: str) -> Settings:
    path = tmp_path / "sonda.toml"
    path.write_text(SITE + text)
    return load([path])


def parents(plan: SitePlan) -> dict[str, tuple[str, ...]]:
    return {w.device.id: w.device.parents for w in plan.devices}


def test_what_lies_beyond_a_gateway_has_it_as_parent_and_what_is_on_the_link_has_none(tmp_path: Path) -> None:
    plan = plan_site(
        settings(
            tmp_path,
            '[network]\ninternet = ["198.51.100.1", "198.51.100.2", "203.0.113.3"]\n'
            '[[device]]\nname = "Core switch"\nrole = "switch"\naddress = "192.0.2.5"\n'
            '[[device]]\nname = "Far server"\nrole = "server"\naddress = "198.51.100.77"\n'
            '[[device]]\nname = "AP"\nrole = "access-point"\naddress = "192.0.2.9"\nparents = ["Core switch"]\n',
        ),
        ROUTES,
        {},
    )
    assert plan.gateway == "gateway"
    found = parents(plan)
    assert found["core-switch"] == ()
    assert found["far-server"] == ("gateway",)
    assert found["ap"] == ("core-switch",)
    assert found["gateway"] == ()
    assert [found[i] for i in plan.internet] == [("gateway",)] * 3
    assert plan.by_id()["gateway"].address == "192.0.2.1"
    assert {w.interface for w in plan.devices} == {"eth0"}


def test_what_is_named_by_its_address_alone_has_an_id_of_its_own(tmp_path: Path) -> None:
    far = [f"2001:4860:4860:0000:0000:0000:0000:{last}" for last in ("8888", "8844")]
    plan = plan_site(
        settings(
            tmp_path,
            f'[network]\ninternet = ["{far[0]}", "{far[1]}", "9.9.9.9"]\ngateway = "2001:db8:1111:2222:3333:4444:5555:1"\n'
            '[[device]]\nname = "Gateway"\nrole = "router"\naddress = "192.0.2.5"\n'
            '[[device]]\nname = "Internet 9-9-9-9"\nrole = "server"\naddress = "192.0.2.6"\n',
        ),
        ROUTES,
        {},
    )
    assert len(plan.by_id()) == len(plan.devices) == 6
    assert {plan.by_id()[i].address for i in plan.internet} == {*far, "9.9.9.9"}
    assert plan.by_id()[plan.gateway or ""].device.role is Role.GATEWAY
    assert all(len(device) <= 40 for device in plan.by_id())


def test_a_gateway_written_as_a_device_is_not_doubled(tmp_path: Path) -> None:
    plan = plan_site(
        settings(tmp_path, '[[device]]\nname = "FRITZ"\nrole = "gateway"\naddress = "192.0.2.1"\n'), ROUTES, {}
    )
    assert (plan.gateway, len(plan.devices)) == ("fritz", 1)


def test_none_means_that_nothing_lies_behind_a_gateway(tmp_path: Path) -> None:
    text = '[network]\ngateway = "none"\n[[device]]\nname = "Far"\nrole = "server"\naddress = "198.51.100.77"\n'
    plan = plan_site(settings(tmp_path, text), ROUTES, {})
    assert plan.gateway is None
    assert parents(plan) == {"far": ()}


def test_a_changed_address_is_the_same_device(tmp_path: Path) -> None:
    text = '[[device]]\nname = "Printer"\nrole = "printer"\naddress = "192.0.2.{}"\n'
    first = plan_site(settings(tmp_path, text.format(20)), ROUTES, {})
    second = plan_site(settings(tmp_path, text.format(21)), ROUTES, {})
    assert "printer" in first.by_id() and "printer" in second.by_id()
    assert second.by_id()["printer"].address == "192.0.2.21"


def test_intervals_follow_the_role_unless_set(tmp_path: Path) -> None:
    text = "".join(
        f'[[device]]\nname = "{n}"\nrole = "{r}"\naddress = "192.0.2.{i}"\n{more}'
        for i, (n, r, more) in enumerate(
            [("a", "switch", ""), ("b", "printer", ""), ("c", "internet", ""), ("d", "server", "echo_s = 2\n"),
             ("e", "ups", "echo = false\n")], start=20
        )
    )  # fmt: skip
    plan = plan_site(settings(tmp_path, '[network]\ngateway = "none"\n' + text), ROUTES, {})
    assert {w.device.id: w.echo_s for w in plan.devices} == {"a": 1.0, "b": 10.0, "c": 5.0, "d": 2.0, "e": None}
    assert plan.internet == ("c",)
    assert plan.by_id()["c"].device.role is Role.INTERNET


def test_a_name_that_does_not_resolve_has_no_address_and_delays_nothing(tmp_path: Path) -> None:
    read = settings(tmp_path, '[[device]]\nname = "nas"\nrole = "server"\naddress = "nas.example"\n')
    assert host_names(read) == {"nas.example"}
    assert plan_site(read, ROUTES, {}).by_id()["nas"].address == ""
    assert plan_site(read, ROUTES, {"nas.example": "192.0.2.50"}).by_id()["nas"].address == "192.0.2.50"


def test_maintenance_names_devices_or_the_whole_site(tmp_path: Path) -> None:
    text = (
        '[[device]]\nname = "a"\nrole = "server"\naddress = "192.0.2.20"\n'
        '[[device]]\nname = "b"\nrole = "server"\naddress = "192.0.2.21"\n'
        '[[maintenance]]\ndevices = ["a"]\nstart = 2026-03-01T10:00:00Z\nend = 2026-03-01T11:00:00Z\n'
        "[[maintenance]]\nstart = 2026-03-02T10:00:00+01:00\nend = 2026-03-02T11:00:00+01:00\n"
    )
    first, second = plan_site(settings(tmp_path, text), ROUTES, {}).maintenance
    assert first == (frozenset({"a"}), 1772359200.0, 1772362800.0)
    assert second[0] >= {"a", "b", "gateway"}
    assert second[1] == 1772442000.0


def asked(tmp_path: Path, ports: str) -> DeviceSettings:
    """How the collector asks a switch with these ``[device.ports]``."""
    text = (
        '[[credential]]\nname = "c"\nversion = "2c"\ncommunity = { env = "C" }\n'
        f'[[device]]\nname = "sw"\nrole = "switch"\naddress = "192.0.2.5"\nsnmp = "c"\n{ports}'
    )
    watchable = plan_site(settings(tmp_path, text), ROUTES, {}).by_id()["sw"]
    assert watchable.snmp is not None
    return device_settings(watchable.snmp, watchable.ports)


def test_patterns_of_ports_reach_the_collector_and_equal_ones_are_equal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("C", "wald-und-wiese")
    plain = asked(tmp_path, "")
    assert (plain.wanted, plain.fast, plain.counters_s) == (None, FastPorts((), 60.0, 300.0), 300.0)
    uplinks = '[device.ports]\nexclude = ["vlan*"]\nfast = ["TenGig*", "*to core*"]\n'
    found = asked(tmp_path, uplinks)
    assert found.wanted == PortFilter((), ("vlan*",))
    assert found.fast == FastPorts(("TenGig*", "*to core*"), 60.0, 300.0)
    assert found == asked(tmp_path, uplinks)
    assert found != asked(tmp_path, uplinks.replace("TenGig", "TwentyFiveGig"))
    assert asked(tmp_path, '[device.ports]\nexclude = ["vlan*"]\n').fast == FastPorts((), 60.0, 300.0)


@pytest.mark.parametrize(
    ("speed_bps", "fast"),
    [
        (None, False),
        (0, False),
        (10**9, False),
        (9 * 10**9, False),
        (10**10, True),
        (4 * 10**10, True),
        (10**11, False),
    ],
)
def test_ports_whose_error_counters_could_go_round_between_readings_are_read_with_status(
    speed_bps: int | None, *, fast: bool
) -> None:
    """2^32 frames pass in 288.6 s at 10 Gb/s, in 28.9 s at 100: there even status is too slow."""
    port = PortIdentity("te0", 1, "te0", "", "", 6, 1500, speed_bps, None)
    assert FastPorts((), 60.0, 300.0)(port) is fast
    assert FastPorts(("te0",), 60.0, 300.0)(port)


def test_patterns_fit_any_name_of_a_port_in_any_case() -> None:
    pick = PortFilter(("tengig*", "*TO CORE*"), ("*/2",))
    ports = [
        ("Te1/1", "TenGigabitEthernet1/1", ""),
        ("ge7", "Port 7", "link to core 2"),
        ("TenGig1/2", "", ""),
        ("ge8", "", ""),
    ]
    assert [pick(PortIdentity(n, 1, n, d, a, 6, 1500, None, None)) for n, d, a in ports] == [True, True, False, False]


LAN = (
    '[[device]]\nname = "Core"\nrole = "switch"\naddress = "192.0.2.5"\n'
    '[[device]]\nname = "AP"\nrole = "access-point"\naddress = "192.0.2.9"\n'
    '[[device]]\nname = "Far"\nrole = "server"\naddress = "198.51.100.77"\n'
)


def test_parents_that_follow_from_links_count_on_the_link_where_none_are_declared(tmp_path: Path) -> None:
    read = settings(tmp_path, '[network]\ninternet = ["203.0.113.3"]\n' + LAN)
    derived = {"ap": "core", "far": "core", "gateway": "core", "core": "stranger", "internet-203-0-113-3": "core"}
    plan = plan_site(read, ROUTES, {}, derived)
    assert parents(plan) == {
        "core": (), "ap": ("core",), "far": ("gateway",), "gateway": ("core",), "internet-203-0-113-3": ("gateway",),
    }  # fmt: skip
    assert {w.device.id for w in plan.devices if w.derived} == {"ap", "gateway"}


def test_parents_that_follow_from_links_can_be_switched_off(tmp_path: Path) -> None:
    read = settings(tmp_path, LAN + '[topology]\nparents = "declared"\n')
    plan = plan_site(read, ROUTES, {}, {"ap": "core", "gateway": "core"})
    assert parents(plan) == {"core": (), "ap": (), "far": ("gateway",), "gateway": ()}
    assert not any(w.derived for w in plan.devices)


def test_declared_parents_win_and_nobody_is_behind_itself(tmp_path: Path) -> None:
    read = settings(tmp_path, LAN.replace('address = "192.0.2.5"', 'address = "192.0.2.5"\nparents = ["AP"]'))
    plan = plan_site(read, ROUTES, {}, {"ap": "core", "core": "gateway"})
    assert parents(plan)["core"] == ("ap",)
    assert parents(plan)["ap"] == ()
    assert not any(w.derived for w in plan.devices)
