"""What a device said last: how long it holds, what replaces it, and what is never shown."""

from dataclasses import replace

import pytest

from agent.latest import Client, Latest
from kpi.gear import Bridge, Facts, Forwarding, Inventory, Kind, Neighbor, Reading, Readings, Station

PHONE = Neighbor("lldp", "ge4", "SEP001122334455", "00:11:22:33:44:55", "00:11:22:33:44:55", remote_end="x")
SWITCH = Neighbor("lldp", "ge1", "switch", "ge24", "00:aa:bb:cc:dd:ee", remote_end="ge24 (00aabbccddee)")


def reading(kind: Kind, value: float, instance: str, name: str = "x") -> Reading:
    return Reading(kind, instance, name, value)


def readings(*found: Reading, **missed: str) -> Readings:
    return Readings(None, found, missed)


def values(latest: Latest, now: float) -> list[float]:
    return [seen.reading.value for seen in latest.readings(now)]


def test_tables_that_are_read_at_different_times_stand_beside_each_other() -> None:
    latest = Latest()
    latest.take(0.0, readings(reading(Kind.LOAD, 30.0, "ups.1.0"), reading(Kind.TEMPERATURE, 21.0, "sensors.4.1")))
    latest.take(60.0, readings(reading(Kind.LOAD, 34.0, "ups.1.0")))
    assert [(s.reading.value, s.at) for s in latest.readings(60.0)] == [(34.0, 60.0), (21.0, 0.0)]
    assert latest.at == 60.0


def test_a_row_that_is_gone_is_gone_and_one_that_could_not_be_read_stays() -> None:
    latest = Latest()
    both = reading(Kind.CLIENTS, 3, "radios.8.1"), reading(Kind.CLIENTS, 5, "radios.8.2")
    latest.take(0.0, readings(*both))
    latest.take(60.0, readings(replace(both[0], value=4.0), radios="deadline"))
    assert sorted(values(latest, 60.0)) == [4.0, 5.0]
    latest.take(120.0, readings(replace(both[0], value=6.0)))
    assert values(latest, 120.0) == [6.0]


@pytest.mark.parametrize(
    ("read_at", "holds_until"),
    [
        ((0.0,), 7200.0),  # nobody knows yet how often it is read
        ((0.0, 60.0, 120.0), 240.0),
        ((0.0, 300.0, 600.0), 1200.0),
        ((0.0, 300.0, 310.0), 910.0),  # an extra poll does not shorten it
        ((0.0, 3600.0, 90_000.0), 97_200.0),  # the device was silent for a day
    ],
)
def test_what_is_older_than_two_periods_is_not_shown(read_at: tuple[float, ...], holds_until: float) -> None:
    latest = Latest()
    for at in read_at:
        latest.take(at, readings(reading(Kind.CPU_USED, 10.0, "cpu.2")))
    assert values(latest, holds_until)
    assert not values(latest, holds_until + 1)


def test_of_single_clients_the_readings_show_the_median() -> None:
    latest = Latest()
    rows = [replace(reading(Kind.CLIENT_RSSI, dbm, f"stations.5.{n}"), client=f"00:11:22:33:44:0{n}")
            for n, dbm in enumerate((-50.0, -60.0, -80.0))]  # fmt: skip
    snr = replace(reading(Kind.CLIENT_SNR, 35.0, "stations.6.1"), client="00:11:22:33:44:01")
    latest.take(0.0, readings(*rows, snr, reading(Kind.DOT11_RETRIES, 9, "dot11.4.1")))
    assert [(s.reading.kind, s.reading.value, s.reading.name) for s in latest.readings(0.0)] == [
        (Kind.CLIENT_RSSI, -60.0, ""), (Kind.CLIENT_SNR, 35.0, ""),
    ]  # fmt: skip
    assert "00:11" not in repr(latest.readings(0.0))
    assert latest.clients(0.0) == [
        Client("00:11:22:33:44:00", -50.0, None, 0.0),
        Client("00:11:22:33:44:01", -60.0, 35.0, 0.0),
        Client("00:11:22:33:44:02", -80.0, None, 0.0),
    ]
    assert latest.clients(7201.0) == []


def test_neighbours_are_those_of_the_last_whole_walk() -> None:
    latest = Latest()
    latest.take(0.0, Facts("neighbors", (PHONE, SWITCH), complete=True))
    latest.take(9.0, Facts("neighbors", (), complete=False))
    assert latest.neighbors == [PHONE, SWITCH]
    latest.take(20.0, Facts("neighbors", (), complete=True))
    assert latest.neighbors == []


def test_facts_that_name_clients_are_not_kept() -> None:
    latest = Latest()
    latest.take(0.0, Facts("stations", (Station("00:11:22:33:44:55"),), complete=True))
    latest.take(0.0, Facts("forwarding", (Forwarding("00:11:22:33:44:55", 3),), complete=True))
    latest.take(0.0, Facts("bridge", (Bridge("00:aa:bb:cc:dd:ee", 4),), complete=True))
    latest.take(0.0, Inventory(model="XS-24"))
    assert "00:11" not in repr(latest._facts)
    assert latest.bridge == Bridge("00:aa:bb:cc:dd:ee", 4)
    assert latest.inventory == Inventory(model="XS-24")
