"""Ports that are paid for by their 95th percentile: of 30 days and of the month, out of the hours in the store."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from agent.folds import Folds
from agent.polled import Polled
from agent.recorder import Recorder
from agent.settings.models import PortsSettings
from agent.site import SitePlan, Watchable
from agent.store import Batch, Store, StoreSettings, WindowRow
from agent.store.model import DAY, HOUR, MONTH
from agent.summaries import FoldedWindow, Summaries
from agent.windows import PORTS, STATE
from kpi.figures import if_bps, p95_rate_bps
from kpi.model import Device, Metric, NullReason, Outcome, PortIdentity, Role, Sample, Window
from kpi.port_counts import BILLED, PortCounts, ports_window_from_plain, ports_window_to_plain
from kpi.states import StateSeconds
from tests.doubles import ManualClock

END = 20_834 * DAY
START = END - 30 * DAY
DEVICE = Device("gw", "Gateway", Role.GATEWAY, "192.0.2.1")
PLAN = SitePlan((Watchable(DEVICE, "192.0.2.1", "eth0", 1.0, None, PortsSettings()),), None, (), ())


def counts(bins: Sequence[int], flags: tuple[str, ...]) -> PortCounts:
    return PortCounts(
        polls=12, in_octets=10**6, in_max_bps=max(bins), in_ms=300_000 * len(bins), out_ms=300_000 * len(bins), speed_bps=10**9, absent=0,
        flags=flags, bins=tuple((rate, 1, 10**9) for rate in bins), up_ms=3_600_000,
    )  # fmt: skip


def rows(missing_days: int) -> list[WindowRow]:
    """8,640 bins of 1 to 8,640 bit/s, the greatest first; of the last days there is nothing."""
    found = []
    for at in range(START, END - missing_days * DAY, HOUR):
        first = 8640 - (at - START) // 300
        bins = range(first, first - 12, -1)
        plain = ports_window_to_plain({"wan": counts(bins, (BILLED,)), "lan": counts(bins, ())})
        states = StateSeconds(up_ms=3_600_000, checks=3600).to_plain()
        found += [WindowRow("gw", STATE, HOUR, "", 0.0, at, states), WindowRow("gw", PORTS, HOUR, "", 0.0, at, plain)]
    return found


@asynccontextmanager
async def folding(path: Path, some: Sequence[WindowRow]) -> AsyncIterator[tuple[Folds, Store, Recorder, Summaries]]:
    clock, summaries = ManualClock(utc=END + 60.0), Summaries()
    settings = StoreSettings(ballast_bytes=0, keep_hour_days=32)
    async with Store.open(path, settings, clock, probe_id="p", boot_id="boot") as store:
        recorder = Recorder(store, clock, lambda: None)
        writing = asyncio.create_task(recorder.run())
        recorder.put(Batch(windows=some))
        await recorder.settled()

        def folded(window: Window, revision: int) -> FoldedWindow:
            return FoldedWindow(summaries, window, PLAN, {}, revision=revision, judged=lambda: ())

        yield Folds(store, recorder, zone=lambda: ZoneInfo("UTC"), folded=folded), store, recorder, summaries
        recorder.stop()
        await writing


def latest_p95(summaries: Summaries) -> Any:
    return summaries.billed.get("gw", {}).get("wan")


@pytest.mark.may_block
async def test_of_30_days_element_8208_of_8640_for_the_billed_port_alone(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    async with folding(path, rows(0)) as (folds, store, recorder, summaries):
        for day in range(START, END, DAY):
            await folds._fold(HOUR, DAY, day, day + DAY)
        await folds._fold(DAY, MONTH, START, END, keep=False)
        await recorder.settled()
        figure = latest_p95(summaries)
        assert (figure.value, figure.n, figure.flags) == (8208, 8640, (BILLED,))
        assert (figure.parts["bins"], figure.parts["window_s"], figure.coverage) == (8640, 30 * DAY, 1.0)
        assert set(summaries.billed["gw"]) == {"wan"}
        (day_row,) = await store.windows("gw", PORTS, DAY, START, START + DAY)
        assert not any(port.bins for port in ports_window_from_plain(day_row.plain).values())
        said = [m for m in await store.waiting(0, 100_000) if b'"length_s":2592000' in m.payload]
        assert [m.topic.rsplit("summary/", 1)[-1] for m in said] == ["ports/gw"]
        assert b'"p95_rate_bps":[8208]' in said[0].payload
        assert b'"port":["wan"]' in said[0].payload
        waiting = len(await store.waiting(0, 100_000))
    async with folding(path, ()) as (folds, store, recorder, summaries):  # the agent starts anew
        assert latest_p95(summaries) is None
        await folds.billed_again(END + 60)
        await recorder.settled()
        assert latest_p95(summaries).value == 8208
        assert len(await store.waiting(0, 100_000)) == waiting, "it is not said again"


@pytest.mark.may_block
@pytest.mark.parametrize(("missing_days", "partial"), [(3, False), (4, True)])
async def test_missing_bins_are_left_out_and_more_than_a_tenth_of_them_makes_it_partial(
    tmp_path: Path, missing_days: int, *, partial: bool
) -> None:
    async with folding(tmp_path / "s.db", rows(missing_days)) as (folds, store, recorder, summaries):
        await folds._fold(HOUR, MONTH, START, END)
        await recorder.settled()
        figure = latest_p95(summaries)
        n = 288 * (30 - missing_days)
        assert (figure.n, figure.value) == (n, 8640 - n + -(-95 * n // 100))
        assert ("p95_partial" in figure.flags) is partial
        (month,) = await store.windows("gw", PORTS, MONTH, START, START + 1)
        assert not any(port.bins for port in ports_window_from_plain(month.plain).values())


@pytest.mark.may_block
async def test_bins_are_there_for_32_days_and_an_unbilled_port_has_its_greatest_average(tmp_path: Path) -> None:
    async with folding(tmp_path / "s.db", rows(0)) as (folds, _store, _recorder, _summaries):
        found = [plains async for _, plains in folds._entities(HOUR, MONTH, START, END)]
        ports = ports_window_from_plain(found[0][PORTS])
    assert StoreSettings().keep_hour_days >= 32
    assert (len(ports["wan"].bins), ports["lan"].bins) == (8640, ())
    lan = p95_rate_bps(ports["lan"])
    assert (lan.value, lan.null_reason) == (None, NullReason.INSUFFICIENT)
    assert if_bps(ports["lan"], "in").parts["max_bps"] == 8640


def test_the_setting_flags_the_ports_that_its_patterns_fit_also_ones_that_are_known() -> None:
    polled = Polled("gw", 0.0, 300.0, status_s=60.0, ports=PortsSettings(billed=("*fibre*",)), notices=None)  # type: ignore[arg-type]
    for index, alias in enumerate(("To the Fibre", "desk")):
        identity = PortIdentity(f"ge{index}", index, f"ge{index}", "", alias, 6, 1500, 10**9, None)
        polled.take(Sample("t", Metric.PORT_IDENTITY, identity.key, 1.0, identity, Outcome.OK, None))
    assert [port.snapshot(10.0).flags for port in polled.ports.values()] == [(BILLED,), ()]
    assert len(list(polled.configuring(60.0, PortsSettings(billed=("desk",))))) == len(polled.ports)
    assert [port.snapshot(10.0).flags for port in polled.ports.values()] == [(), (BILLED,)]
