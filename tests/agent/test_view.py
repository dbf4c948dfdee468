"""The view of what is known now: planned work is said as what it is."""

from types import SimpleNamespace
from typing import Any, cast

from agent.monitor import Monitor
from agent.settings.models import PortsSettings, Settings
from agent.site import SitePlan, Watchable
from agent.timeline import Timeline
from agent.view import View
from collectors.clock import ClockTrust
from kpi.echo import EchoCounts
from kpi.model import Device, Role, State
from tests.doubles import ManualClock


class Deaf:
    """A watch and whatever else the monitor talks to."""

    def __getattr__(self, name: str) -> Any:
        return lambda *_a, **_k: None


async def test_a_device_in_planned_work_is_in_maintenance_for_as_long_as_planned() -> None:
    clock = ManualClock()
    watchables = tuple(
        Watchable(Device(name, name, Role.SERVER, "192.0.2.1"), "192.0.2.1", "", 1.0, None, PortsSettings())
        for name in ("a", "b")
    )
    plan = SitePlan(watchables, None, (), ((frozenset({"a"}), clock.utc() + 10, clock.utc() + 20),))
    other = cast("Any", Deaf())
    monitor = Monitor(clock, other, confirm=lambda _t: None, ask_again=lambda _d: None, notices=other)
    for watchable in watchables:
        monitor._tracks[watchable.device.id] = cast("Any", _track(watchable))
    view = View(
        clock=clock,
        timeline=Timeline(clock, not_before_utc=0.0, trust=lambda _u, _p: ClockTrust.SYNCHRONISED),
        monitor=monitor,
        incidents=cast("Any", []),
        figures=cast("Any", SimpleNamespace(latest={}, ports={})),
        history=other,
        settings=lambda: Settings.model_validate({"site": {"tenant": "t", "site": "s", "probe": "p"}}),
        plan=lambda: plan,
        agent=lambda: None,
        lacking=lambda: None,
    )
    assert [d.state for d in view.devices()] == ["up", "up"]
    await clock.advance(11)
    assert [d.state for d in view.devices()] == ["maintenance", "up"]
    assert view.site().devices["maintenance"] == 1
    await clock.advance(10)
    assert [d.state for d in view.devices()] == ["up", "up"]


def _track(watchable: Watchable) -> SimpleNamespace:
    reach = SimpleNamespace(state=State.UP, reason="answered", since=1000.0)
    return SimpleNamespace(
        id=watchable.device.id, watchable=watchable, reach=reach, minute=EchoCounts(), last_rtt_ms=1.0, polled=None
    )
