"""What API, page and /metrics get to see: a status only where there is a value, what is not good of devices and ports,
a site that is not "up" while something is not known, and a device that fails alone."""

from dataclasses import replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from agent.api.metrics import exposition
from agent.boundary import Boundary
from agent.history_view import Overview
from agent.live import AgentNow
from agent.page.now import SiteSeen, ended, page_now
from agent.page.say import Say
from agent.store.errors import StoreCorrupt
from agent.view import View
from kpi.entities import SITE
from kpi.entry import HOUR_S
from kpi.gear import BgpPeer, Facts
from kpi.model import Figure, Metric, NullReason, PortIdentity, Role, Status, Summary, Window
from tests.agent.test_gear_view import tell, view_of, watch
from tests.agent.world import MIDNIGHT, running
from tests.doubles import ManualClock

SAY = Say("en", ZoneInfo("UTC"))
HOUR = Window(int(MIDNIGHT), HOUR_S)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(monotonic=1000.0, utc=MIDNIGHT + 0.5)


def summary(entity: str, *figures: Figure) -> Summary:
    return Summary(entity, HOUR, 0, final=True, coverage=1.0, figures=figures)


def lost(value: float | None, status: Status) -> Figure:
    return Figure("loss_ratio", value, None if value is not None else NullReason.NO_DATA, 3600, status)


async def test_no_status_is_shown_where_there_is_no_value(clock: ManualClock, tmp_path: Path) -> None:
    """kpi/README.md R10: also where the summary comes with one."""
    async with running(clock) as world:
        watch(world, sw=Role.SWITCH)
        await clock.advance(5.0)
        view = view_of(world, tmp_path)
        world.core.summaries.latest |= {
            "sw": summary("sw", lost(None, Status.BAD)), SITE: summary(SITE, lost(None, Status.GOOD)),
        }  # fmt: skip
        detail = view.device("sw")
        assert detail is not None
        assert [(f.value, f.status) for f in detail.figures] == [(None, "none")]
        assert [f.status for f in view.site().figures] == ["none"]
        values = next(k for k in view.kpis() if k.id == "loss_ratio").values
        assert {v.status for v in values.values()} == {"none"}
        assert view.troubled() == []
        text = exposition(view.site(), view.devices(), view.kpis(), agent_now())
        assert "sonda_device_kpi" not in text
        world.core.summaries.latest["sw"] = summary("sw", lost(3.0, Status.BAD))
        assert [(t.device, t.port, t.figure.status) for t in view.troubled()] == [("sw", "", "bad")]
        assert 'sonda_device_kpi{device="sw",kpi="loss_ratio"} 3' in exposition(
            view.site(), view.devices(), view.kpis(), agent_now()
        )


async def test_what_is_not_good_of_a_port_has_the_value_it_was_judged_on(clock: ManualClock, tmp_path: Path) -> None:
    async with running(clock) as world:
        watch(world, sw=Role.SWITCH)
        await clock.advance(5.0)
        view, statuses = view_of(world, tmp_path), world.core.summaries.statuses
        bad = Figure("if_util_pct", 60.0, n=12, status=Status.BAD, parts={"p95_pct": 97.0})
        good = Figure("if_util_pct", 1.0, n=12, status=Status.GOOD, parts={"p95_pct": 2.0})
        statuses.judged("sw", "ge1", HOUR, [bad])
        for n in range(2, 50):
            statuses.judged("sw", f"ge{n}", HOUR, [good])
        statuses.judged("gone", "ge1", HOUR, [bad])
        found = list(statuses.troubled_ports())
        assert [(t.device, t.port, t.kpi, t.status) for t in found] == [
            ("sw", "ge1", "if_util_pct", Status.BAD), ("gone", "ge1", "if_util_pct", Status.BAD),
        ]  # fmt: skip
        assert found[0].reading is not None and found[0].reading.value == 97.0
        assert view.troubled() == [], "a port that nobody has told of has no name"
        tell(world, "sw", (Metric.PORT_IDENTITY, PortIdentity("ge1", 1, "Gi1/0/1", "", "", 6, 1500, 10**9, None)))
        assert [(t.device, t.port, t.figure.status, t.figure.parts) for t in view.troubled()] == [
            ("sw", "Gi1/0/1", "bad", {"p95_pct": 97.0}),
        ]  # fmt: skip


async def test_a_site_is_not_up_while_something_is_not_known(clock: ManualClock, tmp_path: Path) -> None:
    """Six seconds after the start: what was not asked yet does not answer."""
    async with running(clock) as world:
        watch(world, sw=Role.SWITCH)
        await clock.advance(5.0)
        view = view_of(world, tmp_path)
        assert view.site().state == "up"
        watch(world, sw=Role.SWITCH, late=Role.SERVER)
        assert view.site().devices["unknown"] == 1
        assert view.site().state == "unknown"


async def test_a_device_that_cannot_be_shown_costs_nobody_else_theirs(
    clock: ManualClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(clock) as world:
        watch(world, sw=Role.SWITCH, ap=Role.ACCESS_POINT, srv=Role.SERVER)
        await clock.advance(5.0)
        view = view_of(world, tmp_path)
        whole = view.devices()
        device = View._device

        def odd(self: View, track: Any) -> Any:
            if track.id == "ap":
                raise ZeroDivisionError
            return device(self, track)

        monkeypatch.setattr(View, "_device", odd)
        monkeypatch.setattr("agent.view.beyond_ports", lambda *_, **__: 1 / 0)
        shown = {d.id: d for d in view.devices()}
        assert [d.id for d in view.devices()] == [d.id for d in whole]
        assert (shown["ap"].state, shown["ap"].reason, shown["ap"].rtt_ms) == ("unknown", "unshown", None)
        assert shown["sw"] == whole[0]
        detail = view.device("ap")
        assert detail is not None
        assert detail.device.reason == "unshown"


async def test_an_incident_tells_whether_it_is_planned(clock: ManualClock, tmp_path: Path) -> None:
    async with running(clock) as world:
        watch(world, sw=Role.SWITCH, ap=Role.ACCESS_POINT)
        await clock.advance(5.0)
        now = clock.utc()
        world.core.plan = replace(world.core.plan, maintenance=((frozenset({"sw"}), now - 100, now + 100),))
        incidents, view = world.core.incidents, view_of(world, tmp_path)
        incidents.begin("device.down", "ap", "no_reply", now - 50)
        incidents.begin("device.down", "sw", "no_reply", now - 50)
        assert {i.entity: i.maintenance for i in view.site().incidents} == {"ap": False, "sw": True}
        seen = SiteSeen(view.site(), view.devices(), ())
        assert [item["device"] for item in page_now(seen, Overview(), SAY, Boundary())["wrong"]] == ["ap"]
        incidents.end("device.down", "sw", now - 10)
        incidents.end("device.down", "ap", now - 10)
        found = [i for i in await view.incidents(now - 60) if i.kind == "device.down"]
        over = {item["device"]: item for item in ended(found, {"ap": "AP", "sw": "Switch"}, now, SAY, Boundary())}
        assert (over["sw"]["tone"], over["ap"]["tone"]) == ("maintenance", "problem")
        assert over["sw"]["when"].startswith("planned: ") and over["sw"]["when"].endswith("for 40\u00a0s")
        assert "planned" not in over["ap"]["when"]


def agent_now() -> AgentNow:
    return AgentNow(
        version="1", boot="b", started="", uptime_s=1.0, clock={}, icmp={}, snmp={},
        scheduler={"runs": 0, "overlaps": 0, "deadlines": 0, "missed": 0}, store={}, broker={}, vitals={}, settings={},
        traps={}, faults={"by_place": {}},
    )  # fmt: skip


class Gone:
    """A store of which nothing can be read."""

    async def incidents(self, from_utc: float, to_utc: float) -> Any:
        raise StoreCorrupt(f"{from_utc} to {to_utc}")

    async def windows(self, *_: Any) -> Any:
        raise StoreCorrupt

    async def state_changes(self, *_: Any) -> Any:
        raise OSError

    async def report(self) -> Any:
        raise OSError

    async def state_changes_after(self, last_id: int) -> Any:
        raise OSError(last_id)

    epoch = 0


async def test_a_store_that_fails_leaves_the_present_on_the_page(clock: ManualClock, tmp_path: Path) -> None:
    async with running(clock) as world:
        watch(world, sw=Role.SWITCH)
        await clock.advance(5.0)
        world.silent.add("sw")
        await clock.advance(30.0)
        view = view_of(world, tmp_path, history=Gone())
        assert [i.entity for i in await view.incidents(0.0)] == ["sw"]
        history = await view.history("sw", 24)
        assert history is not None
        assert (history.response, history.coverage) == ((), 0.0)
        assert (await view.overview()).end_utc == 0.0
        assert [d.state for d in view.devices()] == ["down"]


async def test_a_routing_session_that_is_down_is_told_at_once(clock: ManualClock, tmp_path: Path) -> None:
    """Nobody waits for the hour to be over; a session that is switched off is none."""
    async with running(clock) as world:
        watch(world, gw=Role.GATEWAY)
        await clock.advance(5.0)
        view = view_of(world, tmp_path)
        up = BgpPeer("192.0.2.9", 64512, "established", admin_up=True)
        off = BgpPeer("192.0.2.8", 64513, "idle", admin_up=False)
        tell(world, "gw", (Metric.FACTS, Facts("bgp_peers", (up, off), complete=True)))
        assert view.troubled() == []
        lost = BgpPeer("192.0.2.7", 64514, "active", admin_up=True)
        tell(world, "gw", (Metric.FACTS, Facts("bgp_peers", (up, off, lost), complete=True)))
        (found,) = view.troubled()
        assert (found.device, found.figure.kpi, found.figure.value, found.figure.status) == (
            "gw", "bgp_stability", 50.0, "bad",
        )  # fmt: skip
        shown = page_now(
            SiteSeen(view.site(), view.devices(), view.flapping(), view.troubled()),
            Overview(), Say("en", ZoneInfo("UTC")), Boundary(),
        )  # fmt: skip
        assert shown["sentence"] == "gw has lost touch with another router: connections through it may fail."
        assert [(t["id"], t["tone"]) for t in shown["tiles"]] == [("internet", "problem")]
        tell(world, "gw", answers=False)
        assert view.troubled() == []
