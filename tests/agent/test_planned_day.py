"""Planned work of every position over a day, entered before, meanwhile and afterwards, and taken back (kpi/README.md R4)."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.agent.planned_day import DAY_S, Events, Planned, Reckoned, Site, site

H, M = 3600, 60
EVERYBODY = frozenset({"gw", "i1", "i2", "i3", "sw", "srv"})
SW, SRV, GW = frozenset({"sw"}), frozenset({"srv"}), frozenset({"gw"})

WORK: tuple[Planned, ...] = (
    (EVERYBODY, 1 * H + 1 * M + 20, 1 * H + 3 * M + 10),  # inside five minutes
    (SW | GW, 2 * H + 3 * M + 30, 2 * H + 6 * M + 40),  # over the end of five minutes
    (SW | SRV, 3 * H + 50 * M, 4 * H + 20 * M),  # over the end of an hour
    (GW, 5 * H, 5 * H + 30 * M),  # whole windows
    (SW | GW, 7 * H, 7 * H + 30 * M),  # two that overlap
    (SW | SRV, 7 * H + 20 * M + 5, 8 * H + 10 * M),
    (EVERYBODY, 10 * H, 12 * H),  # whole hours
    (SRV, 13 * H + 15, 13 * H + 45),  # inside a minute
    (SW, 23 * H + 40 * M, 24 * H + 10 * M),  # over midnight
)
EVENTS = Events(
    down={
        "sw": [(H + 90, H + 150), (4 * H + 10 * M, 4 * H + 40 * M), (9 * H, 9 * H + 5 * M), (11 * H, 11 * H + 300)],
        "gw": [(2 * H + 3 * M, 2 * H + 8 * M), (5 * H + 600, 5 * H + 900), (9 * H, 9 * H + 120)],
        "i1": [(H + 90, H + 150), (14 * H, 14 * H + 600)],
        "i2": [(14 * H, 14 * H + 600)],
        "i3": [(14 * H + 60, 14 * H + 600)],
        "srv": [(7 * H + 25 * M, 7 * H + 35 * M)],
    },
    flaps=[30 * M, 31 * M + 30, 2 * H + 4 * M, 2 * H + 5 * M + 30, 7 * H + 600, 7 * H + 720, 15 * H, 15 * H + 180],
    errors=[(40 * M, 7), (2 * H + 4 * M, 90), (3 * H + 55 * M, 400), (12 * H + 30, 33), (16 * H, 5)],
    resets=[20 * M, 4 * H + 5 * M, 8 * H + 10 * M - 20, 8 * H + 20 * M + 30, 17 * H],
    topology=[25 * M, 2 * H + 6 * M, 11 * H, 18 * H, 18 * H + 10],
    failures=[35 * M, 7 * H + 25 * M, 10 * H + 10 * M, 19 * H],
    reboots=[50 * M, 4 * H + 19 * M + 50, 7 * H + 30 * M, 12 * H + 20, 20 * H],
)


def value(said: Mapping[Any, Any], topic: str, start: int, kpi: str, part: str = "v") -> Any:
    return said[topic, start, 300]["figures"][kpi].get(part)


def about(wanted: float | None) -> Any:
    return None if wanted is None else pytest.approx(wanted, rel=2e-4, abs=1e-3)


def compare(said: Mapping[Any, Any], planned: tuple[Planned, ...], last: int) -> None:
    """Every five minutes of devices and site, and every hour of ports, against what the events give."""
    for start in range(300, last, 300):
        reckoned = Reckoned(EVENTS, planned, start, start + 300)
        for device in EVERYBODY:
            topic, where = f"summary/device/{device}", f"{device} at {start // H}:{start % H // M:02}"
            loss, whole = reckoned.loss(device), reckoned.loss(device, incl_maint=True)
            assert value(said, topic, start, "loss_ratio") == about(loss.pct), where
            assert value(said, topic, start, "loss_ratio", "n") == loss.whole, where
            if loss.whole != whole.whole:
                assert value(said, topic, start, "loss_ratio", "incl_maint") == about(whole.pct), where
            up, down, maintained = reckoned.seconds(device)
            figure = said[topic, start, 300]["figures"]["availability_pct"]
            found = [figure[name] for name in ("up_s", "down_s")] + [figure.get("maintenance_s", 0)]
            assert found == pytest.approx([up, down, maintained], abs=1.1), where
        sw = "summary/device/sw"
        for kpi, times in (
            ("link_flap", EVENTS.flaps),
            ("bgp_resets", EVENTS.resets),
            ("stp_changes", EVENTS.topology),
            ("power_events", EVENTS.failures),
        ):
            where = f"{kpi} at {start // H}:{start % H // M:02}"
            counted, everything = reckoned.count(times), reckoned.count(times, incl_maint=True)
            if everything is not None:  # else no poll was answered, and what held before holds for a while
                assert value(said, sw, start, kpi) == counted, where
            if counted != everything:
                assert value(said, sw, start, kpi, "incl_maint") == everything, where
        counted, everything = reckoned.reboots(), reckoned.reboots(incl_maint=True)
        assert value(said, "summary/device/srv", start, "reboots") == counted, f"reboots at {start}"
        if counted != everything:
            assert value(said, "summary/device/srv", start, "reboots", "incl_maint") == everything, (
                f"reboots at {start}"
            )
        compare_site(said, reckoned)
    for start in range(0, last // H * H, H):
        compare_ports(said, Reckoned(EVENTS, planned, start, start + H))


def compare_site(said: Mapping[Any, Any], reckoned: Reckoned) -> None:
    start = reckoned.start
    where = f"site at {start // H}:{start % H // M:02}"
    for scope, devices in (("lan", ("gw", "sw", "srv")), ("wan", ("i1", "i2", "i3"))):
        each = [reckoned.loss(device) for device in devices]
        lost, sent = sum(share.part for share in each), sum(share.whole for share in each)
        assert value(said, "summary/site", start, f"loss_ratio@{scope}") == about(
            100 * lost / sent if sent else None
        ), where
    assert value(said, "summary/site", start, "reboots") == reckoned.reboots() or reckoned.reboots() is None, where
    up, down, maintained = reckoned.uplink()
    figure = said["summary/site", start, 300]["figures"]["network_uptime_pct"]
    found = [figure["up_s"], figure["down_s"], figure.get("maintenance_s", 0)]
    assert found == pytest.approx([up, down, maintained], abs=1.1), where


def compare_ports(said: Mapping[Any, Any], reckoned: Reckoned) -> None:
    body = said["summary/ports/sw", reckoned.start, H]
    where = f"ports at {reckoned.start // H}"
    errors, whole = reckoned.errors(), reckoned.errors(incl_maint=True)
    assert (body.get("if_error_pct") or [None])[0] == about(errors.pct), where
    if errors.whole != whole.whole and whole.part:
        assert body["if_error_pct.incl_maint"][0] == about(whole.pct), where
    assert (body.get("link_flap") or [None])[0] == reckoned.count(EVENTS.flaps), where


async def day(made: Site) -> Mapping[Any, Any]:
    await made.run_to(DAY_S + 20)
    await made.folded(23)
    return await made.said()


def differences(one: Mapping[Any, Any], other: Mapping[Any, Any]) -> list[str]:
    """Where two days differ, but for what goes on from window to window (the running J, the figure of merit, statuses)
    and for how often it was said."""
    running = {"j_ms", "merit", "status", "link_flap.merit", "revision", "flags", "seq", "made_at", "stream"}
    found: list[str] = []

    def look(a: Any, b: Any, where: str) -> None:
        if isinstance(a, dict) and isinstance(b, dict):
            for key in sorted({*a, *b} - running, key=str):
                look(a.get(key), b.get(key), f"{where} {key}")
        elif a != b:
            found.append(f"{where}: {a} and {b}")

    look(dict(one), dict(other), "")
    return found


@pytest.mark.timeout(300)
async def test_a_day_of_planned_work_entered_before_afterwards_and_taken_back(tmp_path: Path) -> None:
    async with site(tmp_path / "before.db", EVENTS, *WORK) as made:
        live = await day(made)
    await asyncio.to_thread(compare, live, WORK, DAY_S)
    async with site(tmp_path / "after.db", EVENTS) as made:
        without = await day(made)
        await asyncio.to_thread(compare, without, (), DAY_S)
        await made.replan(*WORK)
        late = await made.said()
        await made.replan()
        back = await made.said()
    assert not await asyncio.to_thread(differences, late, live)
    assert not await asyncio.to_thread(differences, back, without)


async def test_work_that_is_entered_while_it_goes_on_gives_the_same_figures(tmp_path: Path) -> None:
    async with site(tmp_path / "before.db", EVENTS, *WORK) as made:
        await made.run_to(9 * H + 20)
        await made.folded(8)
        live = await made.said()
    async with site(tmp_path / "during.db", EVENTS) as made:
        entered: list[Planned] = []
        for work in (work for work in WORK if work[1] < 9 * H):
            await made.run_to(round((work[1] + work[2]) / 2))
            entered.append(work)
            await made.replan(*entered)
        await made.run_to(9 * H + 20)
        await made.folded(8)
        assert not await asyncio.to_thread(differences, await made.said(), live)


HOUR_OFF = Events(down={"sw": [(H, 2 * H)]})
WHOLE_HOUR: Planned = (SW, H, 2 * H)


async def thresholds(made: Site) -> list[tuple[str, str, str]]:
    return [(e["kpi"], e["was"], e["status"]) for e in await made.events_said("threshold") if e["entity"] == "sw"]


def standing(made: Site, kpi: str) -> str | None:
    found = made.core.summaries.statuses.standing("sw", "", kpi)
    return found.status.value if found is not None else None


async def test_an_outage_in_planned_work_makes_no_status_and_crosses_no_threshold(tmp_path: Path) -> None:
    async with site(tmp_path / "s.db", HOUR_OFF, WHOLE_HOUR, echo_s=10) as made:
        await made.run_to(2 * H + 20)
        await made.folded(1)
        assert await thresholds(made) == []
        assert standing(made, "loss_ratio") == "none"
        said = await made.said()
        figures = said["summary/device/sw", H + 600, 300]["figures"]
        assert (figures["loss_ratio"]["v"], figures["loss_ratio"]["incl_maint"]) == (None, 100)
        assert all("status" not in figure for figure in figures.values())
        assert {event.get("maintenance") for event in await made.events_said("device.down")} == {True}


async def test_a_status_that_late_planned_work_has_made_wrong_is_withdrawn(tmp_path: Path) -> None:
    async with site(tmp_path / "s.db", HOUR_OFF, echo_s=10) as made:
        await made.run_to(2 * H + 20)
        await made.folded(1)
        assert ("loss_ratio", "good", "bad") in await thresholds(made)
        await made.replan(WHOLE_HOUR)
        assert (await thresholds(made))[-1] == ("loss_ratio", "bad", "none")
        assert standing(made, "loss_ratio") == "none"
        await made.replan()
        assert (await thresholds(made))[-1] == ("loss_ratio", "none", "bad")
        assert standing(made, "loss_ratio") == "bad"


async def test_figures_do_not_depend_on_how_often_the_work_was_entered_anew(tmp_path: Path) -> None:
    """Longer, shorter, somewhere else: what counts is what is planned in the end."""
    other: tuple[Planned, ...] = ((SW, H - 300, H + 65), (EVERYBODY, 2 * H + 10, 2 * H + 20), (GW, 0, 3 * H))
    wanted = WORK[:2]
    async with site(tmp_path / "once.db", EVENTS, *wanted) as made:
        await made.run_to(3 * H + 20)
        await made.folded(2)
        once = await made.said()
    async with site(tmp_path / "often.db", EVENTS, *other[:1]) as made:
        await made.run_to(3 * H + 20)
        await made.folded(2)
        for planned in (other, (), (*wanted, *other[1:]), other[2:], wanted):
            await made.replan(*planned)
        assert not await asyncio.to_thread(differences, await made.said(), once)
