"""From polls to what API and page show of a device beyond its ports, and what is not shown while it does not answer."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from agent.boundary import Boundary
from agent.monitor import snmp_id
from agent.privacy import Privacy
from agent.settings import load
from agent.settings.models import CredentialSettings, PortsSettings
from agent.site import SitePlan, SnmpPlan, Watchable
from agent.view import View
from kpi.gear import BgpPeer, Bridge, Facts, Forwarding, Inventory, Kind, Neighbor, OspfNeighbor, Station
from kpi.model import Device, Metric, Outcome, PortIdentity, Role, Sample, Value
from kpi.topology import End, Link
from tests.agent.world import MIDNIGHT, World, running
from tests.doubles import ManualClock
from tests.kpi.gear_polls import poll, reading, rows

SWITCH_MAC, CLIENT_MAC = "00:00:5e:00:53:01", "02:12:34:56:78:9a"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(monotonic=1000.0, utc=MIDNIGHT + 0.5)


def view_of(
    world: World, folder: Path, links: Sequence[Link] = (), history: Any = None, boundary: Boundary | None = None
) -> View:
    path = folder / "sonda.toml"
    path.write_text('[site]\ntenant = "t"\nsite = "s"\nprobe = "p"\n')
    settings = load([path])
    world.core.topology.links = tuple(links)
    return View(
        clock=world.clock,
        timeline=world.timeline,
        monitor=world.core.monitor,
        incidents=world.core.incidents,
        figures=world.core.summaries,
        topology=world.core.topology,
        privacy=Privacy(bytes(32), lambda: settings.privacy.clients),
        history=history,
        settings=lambda: settings,
        plan=lambda: world.core.plan,
        agent=lambda: None,
        lacking=lambda: None,
        boundary=boundary or Boundary(),
        in_maintenance=world.core.in_maintenance,
    )


def watch(world: World, **roles: Role) -> None:
    snmp = SnmpPlan(CredentialSettings(name="c", version="2c"), 161, 60.0, 300.0, 1.0, 1)
    devices = tuple(
        Watchable(Device(name, name, role, "192.0.2.1"), "192.0.2.1", "eth0", 1.0, snmp, PortsSettings())
        for name, role in roles.items()
    )
    world.core.apply(SitePlan(devices, None, (), ()))


def tell(world: World, device: str, *found: tuple[str, Value], answers: bool = True) -> None:
    """One poll: how it went first, then what it found."""
    at, target = world.clock.monotonic(), snmp_id(device)
    outcome = Outcome.OK if answers else Outcome.NO_REPLY
    world.core.monitor.take(Sample(target, Metric.SNMP, "", at, 0.1 if answers else None, outcome))
    for metric, value in found:
        instance = value.key if isinstance(value, PortIdentity) else ""
        world.core.monitor.take(Sample(target, metric, instance, at, value, Outcome.OK))


async def test_a_device_tells_who_it_is_what_it_reads_and_who_is_beside_it(clock: ManualClock, tmp_path: Path) -> None:
    async with running(clock) as world:
        watch(world, sw=Role.SWITCH, ap=Role.ACCESS_POINT)
        view = view_of(world, tmp_path, [Link(End("ap", "eth0"), End("sw", "ge7"), "lldp", confirmed=True)])
        await clock.advance(5)
        tell(
            world, "sw",
            (Metric.PORT_IDENTITY, PortIdentity("ge7", 7, "ge7", "Ethernet port 7", "", 6, 1500, 10**9, SWITCH_MAC)),
            (Metric.INVENTORY, Inventory("example", "Example", "XS-24", "9.1", "SN1")),
            (Metric.READINGS, poll(reading(Kind.TEMPERATURE, 41.5, name="CPU", limit=80.0, port=7))),
            (Metric.FACTS, Facts("neighbors", (Neighbor("lldp", "ge7", "ap-hall", "eth0", "00:00:5e:00:53:77"),
                                               Neighbor("lldp", "ge9", "phone", CLIENT_MAC, CLIENT_MAC)), complete=True)),
            (Metric.FACTS, Facts("bgp_peers", (BgpPeer("192.0.2.9", 64512, "idle", admin_up=True),), complete=True)),
            (Metric.FACTS, Facts("ospf_neighbors", (OspfNeighbor("192.0.2.2", "192.0.2.3", "full"),), complete=True)),
            (Metric.FACTS, Facts("bridge", (Bridge(SWITCH_MAC.upper(), 4, 1_500),), complete=True)),
            (Metric.FACTS, Facts("stations", (Station(CLIENT_MAC, -60.0),), complete=True)),
            (Metric.FACTS, Facts("forwarding", (Forwarding(CLIENT_MAC, 7),), complete=True)),
        )  # fmt: skip
        detail = view.device("sw")
        assert detail is not None
        assert detail.inventory is not None
        assert asdict(detail.inventory) == {
            "profile": "example", "vendor": "Example", "model": "XS-24", "firmware": "9.1", "serial": "SN1",
        }  # fmt: skip
        assert [asdict(r) for r in detail.readings] == [
            {"kind": "temperature", "name": "CPU", "value": 41.5, "unit": "Cel", "limit": 80.0, "port": 7,
             "at": view.site().time, "status": "good"},
        ]  # fmt: skip
        assert [(n.local_port, n.remote_name, n.device) for n in detail.neighbors] == [
            ("ge7", "ap-hall", "ap"), ("ge9", "phone", None),
        ]  # fmt: skip
        assert [(p.remote_as, p.state) for p in detail.bgp_peers] == [(64512, "idle")]
        assert [o.state for o in detail.ospf_neighbors] == ["full"]
        assert detail.stp is not None
        assert (detail.stp.device, detail.stp.topology_changes, detail.stp.since_change_s) == ("sw", 4, 15.0)
        assert CLIENT_MAC not in json.dumps(asdict(detail))
        assert [d.inventory and d.inventory.model for d in view.devices()] == ["XS-24", None]


async def test_the_first_screen_is_told_of_clients_and_of_the_battery(clock: ManualClock, tmp_path: Path) -> None:
    async with running(clock) as world:
        watch(world, ap=Role.ACCESS_POINT, ups=Role.UPS, quiet=Role.SERVER)
        view = view_of(world, tmp_path)
        await clock.advance(5)
        tell(world, "ap", (Metric.READINGS, poll(*rows(Kind.CLIENTS, 3, 9), *rows(Kind.CLIENT_RSSI, -50, -70))))
        supply = reading(Kind.BATTERY_RUNTIME, 38), reading(Kind.BATTERY_CHARGE, 96), reading(Kind.BATTERY_LOW, 0)
        tell(world, "ups", (Metric.READINGS, poll(reading(Kind.ON_BATTERY, 0), *supply)))
        tell(world, "quiet")
        ap, ups, quiet = view.devices()
        assert ap.gear is not None
        assert (ap.gear.wifi_clients, ap.gear.on_battery) == (12, None)
        assert ups.gear is not None
        assert (ups.gear.on_battery, ups.gear.battery_runtime_min, ups.gear.battery_charge_pct) == (False, 38, 96)
        assert quiet.gear is None
        await clock.advance(60)
        tell(world, "ups", (Metric.READINGS, poll(reading(Kind.ON_BATTERY, 1), reading(Kind.BATTERY_LOW, 1))))
        now = view.devices()[1].gear
        assert now is not None
        assert (now.on_battery, now.on_battery_since, now.battery_low) == (True, view.site().time, True)


async def test_while_a_device_does_not_answer_only_who_it_is_is_shown(clock: ManualClock, tmp_path: Path) -> None:
    async with running(clock) as world:
        watch(world, ap=Role.ACCESS_POINT)
        view = view_of(world, tmp_path)
        await clock.advance(5)
        told = (Metric.INVENTORY, Inventory(model="XA-2")), (Metric.READINGS, poll(*rows(Kind.CLIENTS, 4)))
        tell(world, "ap", *told)
        await clock.advance(60)
        tell(world, "ap", answers=False)
        detail = view.device("ap")
        assert detail is not None
        assert (detail.readings, detail.neighbors) == ((), ())
        assert detail.device.gear is not None
        assert (detail.device.gear.has_wifi, detail.device.gear.wifi_clients) == (True, None)
        assert detail.inventory is not None
        tell(world, "ap")
        again = view.device("ap")
        assert again is not None
        assert len(again.readings) == 1
        world.silent = {"ap"}
        await clock.advance(10)
        gone = view.device("ap")
        assert gone is not None
        assert (gone.device.state, gone.readings) == ("down", ())
