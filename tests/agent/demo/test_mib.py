"""What the devices would say by SNMP, without a wire; and config/demo.toml names the devices that there are."""

import itertools

import pytest

from agent.demo.mib import View, view_of
from agent.demo.mib_gear import charge_pct, clients
from agent.demo.mib_lldp import chassis
from agent.demo.run import CONFIG
from agent.demo.site import GARDEN, HALL, LOWER, MAINS_AWAY, NO_POWER, PRINTER, SITE, UPPER, UPS, Simulated
from agent.demo.values import Kind
from agent.settings import Surroundings, examine

POLLED = [device for device in SITE if device.snmp]
UPTIME = (1, 3, 6, 1, 2, 1, 1, 3, 0)
IF = (1, 3, 6, 1, 2, 1, 2, 2, 1)
IF_X = (1, 3, 6, 1, 2, 1, 31, 1, 1, 1)
LLDP_REMOTE = (1, 0, 8802, 1, 1, 2, 1, 4, 1, 1)
FDB_PORT = (1, 3, 6, 1, 2, 1, 17, 4, 3, 1, 2)
OPER, LAST_CHANGE, IN_OCTETS = 8, 9, 10
MOMENTS = [0.0, 1.0, 7.0, 9.0, 18.0, 20.0, 29.0, 31.0, 69.0, 71.0, 130.0, 300.0, 629.0, 631.0, 675.0, 1200.0]


def whole(view: View, t: float) -> list[tuple[tuple[int, ...], Kind, int | bytes | str]]:
    found: list[tuple[tuple[int, ...], Kind, int | bytes | str]] = []
    at: tuple[int, ...] = (1,)
    while (following := view.following(at, t)) is not None:
        at, value = following
        found.append((at, value.kind, value.value))
    return found


def number(view: View, name: tuple[int, ...], t: float) -> int:
    value = view.get(name, t)
    assert value is not None
    assert isinstance(value.value, int)
    return value.value


@pytest.mark.parametrize("device", POLLED, ids=lambda d: d.id)
def test_a_walk_goes_up_and_agrees_with_gets(device: Simulated) -> None:
    view = view_of(device)
    for t in (0.0, 90.0):
        walked = whole(view, t)
        names = [name for name, _, _ in walked]
        assert names == sorted(set(names))
        for name, kind, value in walked:
            again = view.get(name, t)
            assert again is not None
            assert (again.kind, again.value) == (kind, value)


@pytest.mark.parametrize("device", POLLED, ids=lambda d: d.id)
def test_values_fit_their_types(device: Simulated) -> None:
    view = view_of(device)
    limits = {Kind.COUNTER32: 32, Kind.GAUGE: 32, Kind.TICKS: 32, Kind.COUNTER64: 64}
    for t in MOMENTS:
        for name, kind, value in whole(view, t):
            if kind in limits:
                assert isinstance(value, int), name
                assert 0 <= value < 1 << limits[kind], name
            elif kind is Kind.INTEGER:
                assert isinstance(value, int), name
                assert -(1 << 31) <= value < 1 << 31, name


@pytest.mark.parametrize("device", POLLED, ids=lambda d: d.id)
def test_counters_and_uptime_go_back_at_a_restart_alone(device: Simulated) -> None:
    view = view_of(device)
    for before, after in itertools.pairwise(MOMENTS):
        again = device.booted_s(before) != device.booted_s(after)
        ticks = number(view, UPTIME, after) - number(view, UPTIME, before)
        assert (ticks < 0) == again
        if not again:
            assert ticks == pytest.approx((after - before) * 100, abs=1)
        for port in device.ports:
            for column in range(2, 14):
                name = (*IF_X, column, port.index)
                if column >= 6 and not again:
                    assert number(view, name, after) >= number(view, name, before)
                if again:
                    assert number(view, name, after) <= number(view, name, before)


def test_the_loose_cable_flaps_and_its_last_change_says_so() -> None:
    view, uptime_before = view_of(UPPER), round(UPPER.up_s * 100)
    states = [number(view, (*IF, OPER, 14), t) for t in (5, 10, 25, 40, 50)]
    assert states == [1, 2, 1, 2, 1]
    assert number(view, (*IF, LAST_CHANGE, 14), 5) == 0
    assert number(view, (*IF, LAST_CHANGE, 14), 10) == uptime_before + 800
    assert number(view, (*IF, LAST_CHANGE, 14), 25) == uptime_before + 1900
    during = [number(view, (*IF_X, 6, 14), t) for t in (9, 18)]
    assert during[0] == during[1]
    assert number(view, (*IF_X, 6, 14), 25) > during[0]


def test_the_port_of_a_device_without_power_has_no_link() -> None:
    view = view_of(LOWER)
    port = next(p.index for p in LOWER.ports if p.alias == GARDEN.name)
    middle = NO_POWER.first_s + NO_POWER.lasts_s / 2
    assert [number(view, (*IF, OPER, port), t) for t in (0.0, middle, 100.0)] == [1, 2, 1]
    assert not GARDEN.answers(middle)
    assert number(view_of(GARDEN), UPTIME, 100.0) == 3000


def test_wifi_fills_up() -> None:
    view = view_of(HALL)
    stations = [sum(name[: len(FDB_PORT)] == FDB_PORT for name, _, _ in whole(view, t)) for t in (1, 30, 60, 120)]
    assert stations == [sum(clients(radio, t) for radio in HALL.radios) for t in (1, 30, 60, 120)]
    assert stations[0] == 0
    assert stations == sorted(stations)
    assert stations[-1] == 42


def test_both_ends_of_a_cable_count_the_same() -> None:
    port = next(p.index for p in LOWER.ports if p.alias == HALL.name)
    out_of_switch = number(view_of(LOWER), (*IF_X, 10, port), 100) - number(view_of(LOWER), (*IF_X, 10, port), 0)
    into_hall = number(view_of(HALL), (*IF_X, 6, 1), 100) - number(view_of(HALL), (*IF_X, 6, 1), 0)
    assert out_of_switch == pytest.approx(into_hall, abs=2)


def test_every_chassis_says_who_it_is() -> None:
    serials = [view_of(d).get((1, 3, 6, 1, 2, 1, 47, 1, 1, 1, 1, 11, 1), 0.0) for d in POLLED]
    assert len({s.value for s in serials if s is not None and s.value}) == len(POLLED)


def test_the_battery_is_used_while_the_mains_is_away_and_charged_again() -> None:
    began, ended = MAINS_AWAY.first_s, MAINS_AWAY.first_s + MAINS_AWAY.lasts_s
    view = view_of(UPS)
    ups = (1, 3, 6, 1, 2, 1, 33, 1)
    source, seconds, bads, charge = (*ups, 4, 1, 0), (*ups, 2, 2, 0), (*ups, 3, 1, 0), (*ups, 2, 4, 0)
    assert [number(view, source, t) for t in (0, began + 1, ended + 1)] == [3, 5, 3]
    assert [number(view, seconds, t) for t in (0, began + 20, ended + 1)] == [0, 20, 0]
    assert number(view, bads, ended) - number(view, bads, 0) == 1
    assert 97 <= number(view, charge, began - 1) <= 100
    low = number(view, charge, ended - 1)
    assert 80 < low < 93
    assert low < number(view, charge, ended + 120) < number(view, charge, MAINS_AWAY.every_s)
    for t in range(0, 4000, 7):
        assert 0 < charge_pct(float(t)) <= 100


def test_power_over_ethernet_is_given_to_what_has_a_link() -> None:
    used = (1, 3, 6, 1, 2, 1, 105, 1, 3, 1, 1, 4, 1)
    before, without = number(view_of(LOWER), used, NO_POWER.first_s - 1), number(view_of(LOWER), used, NO_POWER.first_s)
    assert 9 <= before - without <= 13
    assert before < LOWER.poe_w


def test_both_ends_of_a_cable_name_each_other_and_a_dead_end_is_forgotten() -> None:
    def names(device: Simulated, t: float) -> set[str]:
        found = whole(view_of(device), t)
        return {v.decode() for name, _, v in found if name[:11] == (*LLDP_REMOTE, 9) and isinstance(v, bytes)}

    assert names(LOWER, 0) == {"gateway", UPPER.id, "file-server", "access-point-reception", HALL.id, GARDEN.id}
    assert names(UPPER, 0) == names(HALL, 0) == {LOWER.id}
    assert names(LOWER, NO_POWER.first_s + 1) == names(LOWER, 0) - {GARDEN.id}
    moved = (1, 0, 8802, 1, 1, 2, 1, 2, 1, 0)
    assert number(view_of(LOWER), moved, 0) < number(view_of(LOWER), moved, NO_POWER.first_s + 1)


def test_the_upper_switch_has_learnt_the_printer_at_its_port_and_the_rest_behind_the_lower_one() -> None:
    prefix = FDB_PORT
    at = {n[len(prefix) :]: v for n, _, v in whole(view_of(UPPER), 0) if n[: len(prefix)] == prefix}
    ports = {d.id: at.pop(tuple(chassis(d))) for d in SITE if d.ports and d is not UPPER}
    assert not at
    assert ports.pop(PRINTER.id) == next(p.index for p in UPPER.ports if p.alias == PRINTER.name)
    assert set(ports.values()) == {1}


def test_the_configuration_names_the_devices_that_there_are() -> None:
    examined = examine([CONFIG], surroundings=Surroundings({"SONDA_DEMO_COMMUNITY": "made up"}))
    assert examined.settings is not None, examined.faults
    assert not examined.warnings
    devices = examined.settings.devices
    assert {(d.id, d.name, d.role, d.address, d.snmp is not None) for d in devices} == {
        (d.id, d.name, d.role, d.address, d.snmp) for d in SITE
    }
    assert {d.address for d in SITE if d.role == "internet"} == set(examined.settings.network.internet)
    assert len({d.address for d in SITE}) == len(SITE)
