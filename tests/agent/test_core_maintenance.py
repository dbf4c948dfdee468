"""The measuring heart in planned work, and over a stop of the agent."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from agent.boundary import Boundary
from agent.monitor import snmp_id
from agent.privacy import Privacy
from agent.settings import load
from agent.settings.models import CredentialSettings
from agent.site import SitePlan, SnmpPlan
from agent.view import View
from agent.windows import STATE
from kpi.entities import UPLINK
from kpi.model import Metric, Outcome, Sample, SystemReading
from kpi.states import StateSeconds
from tests.agent.world import MIDNIGHT, World, running, watchable
from tests.doubles import ManualClock


async def test_what_a_device_does_in_its_maintenance_is_shown_as_that_and_degrades_nothing(
    clock: ManualClock, tmp_path: Path
) -> None:
    path = tmp_path / "sonda.toml"
    path.write_text('[site]\ntenant = "t"\nsite = "s"\nprobe = "p"\n')
    settings = load([path])
    planned = (frozenset({"a"}), MIDNIGHT + 60, MIDNIGHT + 200)
    async with running(clock) as world:
        world.core.apply(SitePlan((watchable("gw", ()), watchable("a", ())), "gw", (), (planned,)))
        view = View(
            clock=clock,
            timeline=world.timeline,
            monitor=world.core.monitor,
            incidents=world.core.incidents,
            figures=world.core.summaries,
            topology=world.core.topology,
            privacy=Privacy(bytes(32), lambda: settings.privacy.clients),
            history=cast("Any", None),
            settings=lambda: settings,
            plan=lambda: world.core.plan,
            agent=lambda: None,
            lacking=lambda: None,
            boundary=Boundary(),
            in_maintenance=world.core.in_maintenance,
        )
        await clock.advance(50.0)
        assert ([d.state for d in view.devices()], view.site().state) == (["up", "up"], "up")
        await clock.advance(50.0)
        world.silent.add("a")
        await clock.advance(30.0)
        assert ([d.state for d in view.devices()], view.site().state) == (["up", "maintenance"], "up")
        assert view.site().devices == {"up": 1, "down": 0, "unknown": 0, "maintenance": 1}
        await clock.advance(100.0)
        assert ([d.state for d in view.devices()], view.site().state) == (["up", "down"], "degraded")
    assert [m["maintenance"] for m in world.disk.messages("event/device.down")] == [True]


async def test_a_gateway_in_maintenance_leaves_the_networks_uptime(clock: ManualClock) -> None:
    internet = ("i1", "i2", "i3")
    planned = (frozenset({"gw"}), MIDNIGHT, MIDNIGHT + 150)
    async with running(clock) as world:
        devices = tuple(watchable(name, ()) for name in ("gw", *internet))
        world.core.apply(SitePlan(devices, "gw", internet, (planned,)))
        await clock.advance(30.0)
        world.silent |= {"gw", *internet}
        await clock.advance(90.0)
        world.silent.clear()
        await clock.advance(190.0)
    (network,) = world.disk.windows(STATE, 300, UPLINK)
    states = StateSeconds.from_plain(network.plain)
    assert (states.down_ms, states.maintenance_ms) == (0, 150_000)
    assert states.up_ms == pytest.approx(150_000, abs=2000)


async def test_a_device_that_restarts_while_the_agent_is_off_is_said_and_one_that_runs_on_is_not(
    clock: ManualClock,
) -> None:
    credential = CredentialSettings(name="c", version="3", user="monitor")
    polled = replace(watchable("gw", ()), snmp=SnmpPlan(credential, 161, 60.0, 300.0, 2.0, 1))
    plan = SitePlan((polled,), "gw", (), ())

    def read(world: World, uptime_s: float) -> None:
        reading = SystemReading(uptime_cs=round(100 * uptime_s))
        world.core.monitor.take(Sample(snmp_id("gw"), Metric.SYSTEM, "", clock.monotonic(), reading, Outcome.OK))

    async with running(clock) as world:
        world.core.apply(plan)
        await clock.advance(61.0)
        read(world, 5000.0)
        await clock.advance(10.0)
        await world.core.windows.finish()
        await clock.advance(0.1)
        kept = {row.entity: json.loads(json.dumps(row.plain)) for batch in world.disk.batches for row in batch.counters}
        rows = [replace(r, plain=kept[r.entity]) for b in world.disk.batches for r in b.counters]
    last = {row.entity: row for row in rows}
    for uptime_s, said in ((5000.0 + 710.0, 0), (100.0, 1)):
        after = ManualClock(monotonic=50.0, utc=clock.utc() + 640.0)
        async with running(after) as world:
            world.core.apply(plan)
            await world.core.resume((), list(last.values()))
            await after.advance(60.0)
            reading = SystemReading(uptime_cs=round(100 * uptime_s))
            world.core.monitor.take(Sample(snmp_id("gw"), Metric.SYSTEM, "", after.monotonic(), reading, Outcome.OK))
            await after.advance(1.0)
        assert len(world.disk.messages("event/device.reboot")) == said


async def test_planned_work_is_no_loss_of_the_device_and_of_the_site(clock: ManualClock) -> None:
    """The whole of five minutes is planned, and for a third of them the device is silent."""
    planned = (frozenset({"a"}), MIDNIGHT, MIDNIGHT + 300)
    async with running(clock) as world:
        world.core.apply(SitePlan((watchable("gw", ()), watchable("a", ())), "gw", (), (planned,)))
        await clock.advance(60.0)
        world.silent.add("a")
        await clock.advance(100.0)
        world.silent.clear()
        await clock.advance(150.0)
    loss = world.disk.messages("summary/device/a")[0]["figures"]["loss_ratio"]
    assert (loss["v"], loss["null"], loss["n"]) == (None, "no_data", 0)
    assert loss["incl_maint"] == pytest.approx(100 / 3, abs=1)
    site = world.disk.messages("summary/site")[0]["figures"]["loss_ratio@lan"]
    assert (site["v"], site["n"]) == (0, pytest.approx(300, abs=2))
    assert site["incl_maint"] == pytest.approx(100 / 6, abs=1)
    assert [event.get("maintenance") for event in world.disk.messages("event/device.down")] == [True]
