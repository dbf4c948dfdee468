"""The probe's own figures: windows, summary and statuses like a device's, and no device."""

import asyncio
import json
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from agent.folds import Folds
from agent.pace import Pace
from agent.recorder import Recorder
from agent.site import SitePlan
from agent.store import Store, StoreSettings
from agent.store.model import HOUR, Batch
from agent.windows import GEAR
from collectors.radio.radio import readings_of
from kpi.entities import PROBE
from kpi.model import Window
from tests.agent.radios import seen
from tests.agent.world import MIDNIGHT, World, running, watchable
from tests.doubles import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(monotonic=1000.0, utc=MIDNIGHT + 0.5)


async def read(world: World, minutes: int, *, signal: float = -52.0) -> None:
    """The radio, once a minute."""
    for minute in range(minutes):
        at = world.clock.monotonic()
        world.core.monitor.own.take(at, readings_of(seen(at, signal=signal, wide=minute % 5 == 0).radios))
        await world.clock.advance(60)


async def test_five_minutes_give_a_window_and_a_summary(clock: ManualClock) -> None:
    async with running(clock) as world:
        world.watch(gw=())
        await read(world, 5)
        await clock.advance(10)
    (row,) = world.disk.windows(GEAR, 300, PROBE)
    assert row.start_utc == MIDNIGHT
    (told,) = world.disk.messages("summary/probe")
    assert told["entity"] == PROBE
    assert {name: figure["v"] for name, figure in told["figures"].items()} == {
        "wifi_signal_dbm": -52, "wifi_snr_db": 43,
        "wifi_link_drop_db": None, "wifi_interference_pct": 20, "wifi_noise_dbm": -95,
    }  # fmt: skip
    assert told["coverage"] == 1
    assert told["figures"]["wifi_interference_pct"]["total_pct"] == 50
    assert told["values"].keys() == {"wifi_signal_dbm", "wifi_snr_db"}


async def test_it_is_no_device_and_changes_nothing_of_the_site(clock: ManualClock) -> None:
    async with running(clock) as world:
        world.watch(gw=())
        await read(world, 5)
        await clock.advance(10)
        assert set(world.core.monitor.tracks) == {"gw"}
        assert PROBE in world.core.summaries.latest
    (site,) = world.disk.messages("summary/site")
    assert not {name for name in site["figures"] if name.startswith("wifi")}
    assert not world.disk.windows("state", 300, PROBE)


async def test_a_box_without_a_radio_says_nothing(clock: ManualClock) -> None:
    async with running(clock) as world:
        world.watch(gw=())
        await clock.advance(310)
    assert not world.disk.windows(GEAR, 300, PROBE)
    assert not world.disk.messages("summary/probe")
    assert not [c for b in world.disk.batches for c in b.counters if c.entity == PROBE]


async def test_a_device_called_probe_and_the_probe_have_figures_of_their_own(clock: ManualClock) -> None:
    async with running(clock) as world:
        world.core.apply(SitePlan((watchable("probe", ()),), None, (), ()))
        await read(world, 5)
        await clock.advance(10)
    assert world.disk.windows(GEAR, 300, PROBE) and not world.disk.windows(GEAR, 300, "probe")
    (radio,) = world.disk.messages("summary/probe")
    (device,) = world.disk.messages("summary/device/probe")
    assert (radio["entity"], device["entity"]) == (PROBE, "probe")
    assert "wifi_signal_dbm" in radio["figures"] and "wifi_signal_dbm" not in device["figures"]


async def test_what_a_jump_cuts_is_written_in_pieces_and_left_to_be_closed_as_a_whole(clock: ManualClock) -> None:
    async with running(clock) as world:
        world.watch(gw=())
        await read(world, 2)
        clock.step_wall(20.0)
        await read(world, 3)
        await clock.advance(10)
    rows = world.disk.windows(GEAR, 300, PROBE)
    assert [row.start_utc for row in rows] == [int(MIDNIGHT)] * 2
    assert sum(row.plain["polls"] for row in rows) == 5
    assert world.pieces == [(int(MIDNIGHT), int(MIDNIGHT) + 300, ("clock_jump",))]
    assert world.disk.messages("summary/probe") == []


async def test_what_is_usual_survives_a_restart(clock: ManualClock) -> None:
    async with running(clock) as world:
        world.watch(gw=())
        await read(world, 5)
        await clock.advance(10)
        kept = [c for b in world.disk.batches for c in b.counters if c.entity == PROBE][-1]
    async with running(clock) as again:
        again.watch(gw=())
        await again.core.resume([], [kept])
        memory = again.core.monitor.own.memory()
        assert memory is not None
        assert memory.links.to_plain().keys() == {"radio.rssi.wlan0"}


async def test_hours_are_folded_and_judged(clock: ManualClock, tmp_path: Path) -> None:
    async with running(clock) as world:
        world.watch(gw=())
        await read(world, 60, signal=-80.0)
        await clock.advance(10)
        rows = [row for row in world.disk.windows(GEAR, 300, PROBE) if (row.start_utc or 0) < MIDNIGHT + HOUR]
        assert len(rows) == 12
        async with Store.open(
            tmp_path / "sonda.db", StoreSettings(), clock, probe_id="p", boot_id="b", synchronised=lambda: True
        ) as store:
            recorder = Recorder(store, clock, lambda: None)
            task = asyncio.create_task(recorder.run())
            states = [row for row in world.disk.windows("state", 300, "gw") if (row.start_utc or 0) < MIDNIGHT + HOUR]
            recorder.put(Batch(windows=[*rows, *states]))
            folds = Folds(store, recorder, zone=lambda: ZoneInfo("UTC"), folded=world.core.window_folded)
            await folds.hour(int(MIDNIGHT))
            await recorder.settled()
            (hour,) = await store.windows(PROBE, GEAR, HOUR, int(MIDNIGHT), int(MIDNIGHT) + HOUR)
            said = [json.loads(m.payload) for m in await store.waiting(0, 100) if m.topic == "event/threshold"]
            recorder.stop()
            await task
    assert hour.plain["polls"] == 60
    figures = world.core.summaries.latest[PROBE].figures
    in_force = world.core.summaries.statuses.in_force(PROBE, "", figures)
    assert {f.kpi: f.status.value for f in in_force}["wifi_signal_dbm"] == "bad"
    (crossed,) = [m for m in said if m["kpi"] == "wifi_signal_dbm"]
    assert (crossed["entity"], crossed["status"]) == (PROBE, "bad")
    folded = world.core.window_folded(Window(int(MIDNIGHT), 300), 3)
    again = await folded.take(PROBE, {GEAR: rows[0].plain}, Pace(world.clock))
    assert [(d.topic, d.body["revision"]) for d in again] == [("summary/probe", 3)]
