"""What was: a device's last hours and the site's past, out of windows and changes as the store gives them."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from agent import history_view
from agent.boundary import Boundary
from agent.history_view import MOST_TURNS, STALE_S, OverviewKeeper, StatesPast, device_history, step_of
from agent.settings.models import PortsSettings
from agent.site import SitePlan, Watchable
from agent.store.model import Dropped, Report, StateRow, WindowRow
from agent.windows import ECHO, GEAR
from kpi.echo import EchoAccumulator
from kpi.entry import Part
from kpi.model import Device, Metric, Outcome, Role, Sample, State
from kpi.seen import Tone
from tests.doubles import ManualClock

T = 1_700_000_400  # a whole five minutes, 23:20:00 in Rome


def echoes(rtt_ms: float | None, n: int = 10, lost: int = 0) -> list[object]:
    counts = EchoAccumulator()
    for i in range(n):
        gone = i < lost or rtt_ms is None
        outcome = Outcome.NO_REPLY if gone else Outcome.OK
        counts.add(Sample("t", Metric.ECHO, "", float(i), None if gone else rtt_ms, outcome, None, i))
    return counts.snapshot().to_plain()


@dataclass
class Kept:
    """A store that is a list; counts what is asked of its echoes."""

    rows: list[WindowRow] = field(default_factory=list)
    changes: list[StateRow] = field(default_factory=list)
    asked: list[tuple[int, int, int]] = field(default_factory=list)
    states_read: list[int] = field(default_factory=list)
    """How many changes each question was answered with."""
    epoch: int = 0
    dropped: int = 0

    async def report(self) -> Report:
        return Report(
            0, 0, 0, 0, 0, (), (Dropped("unsent", 3, self.dropped, int(T)), Dropped("windows 60 s", 0, 9)), None, 0, 0
        )

    def put(
        self, entity: str, length_s: int, start: int, rtt_ms: float | None, *, lost: int = 0, mono: float = 0
    ) -> None:
        self.rows.append(WindowRow(entity, ECHO, length_s, "b", mono, start, echoes(rtt_ms, lost=lost)))

    def turn(self, entity: str, at: float, state: str, reason: str = "answered") -> None:
        self.changes.append(StateRow(entity, "device", "b", at, at, state, reason))

    async def windows(
        self, entity: str | None, kind: str, length_s: int, from_utc: int, to_utc: int
    ) -> Sequence[WindowRow]:
        if kind == ECHO:
            self.asked.append((length_s, from_utc, to_utc))
        return [
            r
            for r in sorted(self.rows, key=lambda r: r.start_utc or 0)
            if r.kind == kind and r.length_s == length_s and entity in {None, r.entity}
            and from_utc <= (r.start_utc or 0) < to_utc
        ]  # fmt: skip

    async def state_changes(self, entity: str | None, from_utc: float, to_utc: float) -> Sequence[StateRow]:
        self.states_read.append(len(self.changes))
        return [r for r in self.changes if entity in {None, r.entity}]

    async def state_changes_after(self, last_id: int) -> tuple[Sequence[StateRow], int]:
        found = self.changes[last_id:]
        self.states_read.append(len(found))
        return found, len(self.changes)


def watchable(device_id: str, role: Role) -> Watchable:
    return Watchable(Device(device_id, device_id, role, "192.0.2.1"), "192.0.2.1", "", 1.0, None, PortsSettings())


def keeper(store: Kept, clock: ManualClock, *roles: Role) -> OverviewKeeper:
    plan = SitePlan(tuple(watchable(str(role), role) for role in roles), None, (), ())
    return OverviewKeeper(store, clock, lambda: plan, lambda: ZoneInfo("Europe/Rome"), Boundary())


@pytest.mark.parametrize(("hours", "step"), [(1, 60), (3, 60), (24, 300), (48, 300), (168, 3600)])
def test_the_longer_the_time_the_longer_the_windows(hours: float, step: int) -> None:
    assert step_of(hours) == step


async def test_a_gap_is_a_gap_and_pieces_of_a_window_are_one() -> None:
    store = Kept()
    store.put("d", 300, T, 1.0)
    store.put("d", 300, T + 300, 2.0, lost=2)
    store.put("d", 300, T + 300, 4.0, mono=7)
    store.put("d", 300, T + 1200, None)
    store.turn("d", T, "up")
    history = await device_history(store, "d", 24, T + 1500, [])
    assert [(p.start, p.sent, p.lost) for p in history.response] == [
        (T, 10, 0), (T + 300, 20, 2), (T + 1200, 10, 10),
    ]  # fmt: skip
    assert history.response[0].median_ms == pytest.approx(1.0, rel=0.01)
    assert history.response[1].p95_ms == pytest.approx(4.0, rel=0.01)
    assert history.response[2].median_ms is None


async def test_what_is_not_folded_yet_comes_from_finer_windows() -> None:
    store = Kept()
    hour = T // 3600 * 3600
    store.put("d", 3600, hour - 3600, 1.0)
    store.put("d", 300, hour - 300, 9.0)  # lies in the hour that is folded
    store.put("d", 300, hour, 2.0)
    store.put("d", 60, hour + 300, 3.0)
    history = await device_history(store, "d", 168, hour + 400, [])
    assert [(p.start, p.sent) for p in history.response] == [(hour - 3600, 10), (hour, 20)]


async def test_states_with_reasons_maintenance_and_what_is_known_of_them() -> None:
    store = Kept()
    store.turn("d", T, "up")
    store.turn("d", T + 300, "down", "no_reply")
    store.turn("d", T + 600, "up")
    store.turn("d", T + 900, "unknown", "agent_stopped")
    store.put("d", 60, T + 840, 1.0)
    store.put("d", 60, T + 900, 1.0)
    history = await device_history(store, "d", 1, T + 1200, [(T + 700, T + 800)])
    assert [(s.start - T, s.end - T, s.state, s.reason) for s in history.states] == [
        (0, 300, "up", "answered"),
        (300, 600, "down", "no_reply"),
        (600, 700, "up", "answered"),
        (700, 800, "maintenance", None),
        (800, 900, "up", None),
        (900, 1200, "unknown", "agent_stopped"),
    ]
    assert [p.coverage for p in history.response] == [1.0, 0.0]
    assert history.coverage == pytest.approx(800 / 3500, abs=1e-4), "of the whole hour, less the maintenance"
    assert history.available_pct == pytest.approx(62.5)


async def test_the_overview_has_lines_losses_of_today_and_availability() -> None:
    store, clock = Kept(), ManualClock(utc=T + 3000.0)
    midnight = T + 2400
    for at in range(T, T + 2700, 300):
        store.put("switch", 300, at, 1.0, lost=1)
        store.put("router", 300, at, 3.0)
    store.put("switch", 60, T + 2700, 2.0, lost=5)
    store.turn("switch", T, "up")
    store.turn("switch", T + 1500, "down")
    past = await keeper(store, clock, Role.SWITCH, Role.ROUTER).fresh()
    line = past.lines[Part.NETWORK]
    assert [p.start_utc for p in line] == [*range(T, T + 2700, 300), T + 2700]
    assert (line[0].sent, line[0].lost) == (20, 1)
    assert [p.start_utc for p in past.minutes[Part.NETWORK]] == [T + 2700], "known for less than an hour"
    assert past.since_utc == T
    device = past.devices["switch"]
    assert (device.sent_today, device.lost_today) == (20, 6), f"since {midnight}"
    assert device.available_pct == pytest.approx(50.0)
    assert (device.known_s, device.last_up_utc) == (3000.0, T + 1500)
    assert past.devices["router"].available_pct is None
    assert past.coverage == pytest.approx(0.5 * 3000 / 86_400), (
        "of the whole day: what was before it began was not measured"
    )


async def test_the_overview_reads_only_what_came_since() -> None:
    store, clock = Kept(), ManualClock(utc=T + 40.0)
    store.turn("switch", T - 900, "up")
    store.put("switch", 300, T - 300, 1.0)
    overview = keeper(store, clock, Role.SWITCH)
    assert [p.start_utc for p in (await overview.fresh()).lines[Part.NETWORK]] == [T - 300]
    first = len(store.asked)
    await overview.fresh()
    assert len(store.asked) == first
    await clock.advance(300)
    store.put("switch", 300, T, 2.0)
    again = await overview.fresh()
    assert [p.start_utc for p in again.lines[Part.NETWORK]] == [T - 300, T]
    assert [a for a in store.asked[first:] if a[0] == 300] == [(300, T, T + 300)]


async def test_minutes_of_five_that_are_not_over_are_one_point() -> None:
    store, clock = Kept(), ManualClock(utc=T + 200.0)
    store.turn("switch", T - 4000, "up")
    for at in (T, T + 60):
        store.put("switch", 60, at, 1.0)
    past = await keeper(store, clock, Role.SWITCH).fresh()
    assert [(p.start_utc, p.sent) for p in past.lines[Part.NETWORK]] == [(T, 20)]
    assert past.minutes == {}


async def test_the_gateway_is_the_internet_only_where_nothing_outside_is_measured() -> None:
    store, clock = Kept(), ManualClock(utc=T + 40.0)
    store.put("gateway", 300, T - 300, 1.0)
    store.put("internet", 300, T - 300, 20.0)
    both = await keeper(store, clock, Role.GATEWAY, Role.INTERNET).fresh()
    assert both.lines[Part.INTERNET][0].median_ms == pytest.approx(20.0, rel=0.01)
    alone = await keeper(store, clock, Role.GATEWAY).fresh()
    assert alone.lines[Part.INTERNET][0].median_ms == pytest.approx(1.0, rel=0.01)


async def test_a_ribbon_follows_the_rules_of_its_tile() -> None:
    store, clock = Kept(), ManualClock(utc=T + 1000.0)
    for role in ("switch", "router"):
        store.turn(role, T, "up")
    store.turn("switch", T + 300, "down")
    store.turn("switch", T + 400, "up")
    store.turn("router", T + 600, "unknown", "parent")
    past = await keeper(store, clock, Role.SWITCH, Role.ROUTER).fresh()
    assert [(s.start_utc - T, s.end_utc - T, s.tone) for s in past.ribbons[Part.NETWORK]] == [
        (0, 300, Tone.GOOD), (300, 400, Tone.PROBLEM), (400, 600, Tone.GOOD),
    ]  # fmt: skip


async def test_messages_that_had_to_go_for_lack_of_space_are_told_of() -> None:
    store = Kept(dropped=12)
    past = await keeper(store, ManualClock(utc=T + 3000.0), Role.SWITCH).fresh()
    assert (past.dropped_messages, past.dropped_first_utc) == (12, int(T))


async def test_a_row_that_cannot_be_read_costs_itself_alone() -> None:
    store, clock, boundary = Kept(), ManualClock(utc=T + 3000.0), Boundary()
    store.put("switch", 300, T, 1.0)
    store.put("router", 300, T, 3.0)
    store.rows.append(replace(store.rows[0], start_utc=T + 300, plain=["odd"]))
    for device in ("switch", "router"):
        store.turn(device, T, "up")
    plan = SitePlan(tuple(watchable(str(role), role) for role in (Role.SWITCH, Role.ROUTER)), None, (), ())
    past = await OverviewKeeper(store, clock, lambda: plan, lambda: ZoneInfo("Europe/Rome"), boundary).fresh()
    assert past.devices["router"].known_s == 3000.0
    assert past.devices["switch"].known_s == 3000.0
    assert next(p.start_utc for p in past.lines[Part.NETWORK]) == T
    assert (boundary.unread_rows, boundary.faults) == ({"echo": 1}, {})


async def test_a_device_whose_past_cannot_be_told_costs_no_other_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    store, clock, boundary = Kept(), ManualClock(utc=T + 3000.0), Boundary()
    store.turn("switch", T, "up")
    store.turn("router", T, "down")
    whole = history_view._device_past

    def odd(turns: Any, *more: Any) -> Any:
        if turns[0].state is State.DOWN:
            raise ZeroDivisionError
        return whole(turns, *more)

    monkeypatch.setattr(history_view, "_device_past", odd)
    plan = SitePlan(tuple(watchable(str(role), role) for role in (Role.SWITCH, Role.ROUTER)), None, (), ())
    past = await OverviewKeeper(store, clock, lambda: plan, lambda: ZoneInfo("Europe/Rome"), boundary).fresh()
    assert list(past.devices) == ["switch"]
    assert past.end_utc == T + 3000.0
    assert boundary.faults["history"] >= 1


async def test_of_the_states_only_what_came_since_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.history_view.PATIENCE_S", 60.0)
    clock = ManualClock(utc=float(T))
    store = Kept()
    for n in range(500):
        store.turn("gateway", T - 86_400 * 20 + 3000 * n, "up" if n % 2 else "down")
    kept = keeper(store, clock, Role.GATEWAY)
    first = await kept.fresh()
    assert store.states_read == [0, 500]
    for n in range(10):
        await clock.advance(STALE_S + 1)
        store.turn("gateway", clock.utc() - 5, "down" if n % 2 else "up")
        await kept.fresh()
    assert store.states_read[2:] == [1] * 10
    whole = await keeper(store, clock, Role.GATEWAY).fresh()
    assert (await kept.fresh()).devices == whole.devices, "as if all had been read"
    assert whole.devices != first.devices


async def test_of_what_got_its_dates_later_everything_is_read_again() -> None:
    clock = ManualClock(utc=float(T))
    store = Kept()
    store.turn("gateway", T - 500, "up")
    kept = keeper(store, clock, Role.GATEWAY)
    await kept.fresh()
    store.changes.insert(0, StateRow("gateway", "device", "b", T - 1000, T - 1000, "up", "answered"))
    store.epoch += 1
    await clock.advance(STALE_S + 1)
    assert (await kept.fresh()).devices["gateway"].known_s == pytest.approx(1000 + STALE_S + 1, abs=1)


async def test_states_older_than_what_is_shown_are_let_go_and_a_flapping_device_is_bounded() -> None:
    store = Kept()
    for n in range(MOST_TURNS + 5000):
        store.turn("gateway", T - 86_400 * 20 + 40 * n, "up" if n % 2 else "down")
    states = StatesPast(store)
    assert len((await states.read(float(T)))["gateway"]) == MOST_TURNS
    later = T + 86_400 * 40.0
    assert len((await states.read(later))["gateway"]) == 1, "what is in force"


async def test_a_window_that_another_version_wrote_is_left_out() -> None:
    store = Kept()
    store.put("gateway", 300, T - 600, 1.0)
    store.put("gateway", 300, T - 300, 1.0)
    for plain in ([99], "", None, {"x": 1}):
        store.rows.append(WindowRow("gateway", ECHO, 300, "b", 0.0, T - 900, plain))
        store.rows.append(WindowRow("network", GEAR, 300, "b", 0.0, T - 900, plain))
    store.turn("gateway", T - 900, "another word")
    clock = ManualClock(utc=T + 60.0)
    overview = await keeper(store, clock, Role.GATEWAY).fresh()
    assert overview.devices["gateway"].sent_today == 20
    assert (await device_history(store, "gateway", 24, T + 60, [])).response


async def test_one_second_of_thirty_days_is_not_rounded_away() -> None:
    """Rule R9: 99.99996 % is 99.9999, never 100."""
    begin = T // 3600 * 3600
    store, end = Kept(), begin + 30 * 86_400
    store.turn("d", begin, "up")
    store.turn("d", begin + 60, "down", "no_reply")
    store.turn("d", begin + 61, "up")
    history = await device_history(store, "d", 720, end, [])
    assert history.available_pct == 99.9999
    store = Kept()
    store.turn("d", begin + 1, "up")
    history = await device_history(store, "d", 720, end, [])
    assert history.coverage == 0.9999
    assert history.available_pct == 100.0
