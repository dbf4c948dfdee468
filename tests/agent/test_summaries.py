"""What is said when: statuses on the windows the catalogue names, crossings once, ports that changed at once."""

import asyncio
import gc
import json
import random
import time
from collections.abc import Mapping
from typing import Any

import pytest

from agent.pace import Pace
from agent.polled import Polled, PollOutcome, Room
from agent.settings.models import PortsSettings
from agent.site import SitePlan, Watchable
from agent.store.packing import compact
from agent.summaries import FoldedWindow, Summaries, why_unanswered
from agent.windows import ECHO, PORTS, STATE, Five
from collectors.clock import SystemClock
from kpi.echo import EchoCounts
from kpi.merge import DeviceWindow
from kpi.model import (
    Device,
    Metric,
    NullReason,
    Outcome,
    PortCounters,
    PortIdentity,
    PortStatus,
    Role,
    Sample,
    Status,
    SystemReading,
    Window,
)
from kpi.port_counts import PortCounts, ports_window_to_plain
from kpi.reboots import Restart, Restarted
from kpi.sessions import Change
from kpi.states import StateSeconds
from tests.doubles import ManualClock
from tests.kpi.port_readings import reading
from tests.kpi.port_readings import status as port_status

DEVICE = Device("core", "Core", Role.SWITCH, "192.0.2.1")
PLAN = SitePlan((Watchable(DEVICE, "192.0.2.1", "eth0", 1.0, None, PortsSettings()),), None, (), ())
HOUR = Window(1_800_000_000, 3600)


def hour(lost: int) -> dict[str, dict[str, object]]:
    echo = EchoCounts(sent=3600, lost=lost, longest_run=1 if lost else 0)
    return {"core": {STATE: StateSeconds(up_ms=3_600_000, checks=3600).to_plain(), ECHO: echo.to_plain()}}


def five(**ports: PortCounts) -> Five:
    states = StateSeconds(up_ms=300_000, checks=300)
    device = DeviceWindow("core", Role.SWITCH, states, EchoCounts(sent=300), ports)
    return Five(1_800_003_600, dated=True, start=0.0, end=300.0, devices={"core": device}, network=None, plan=PLAN)


def judge(summaries: Summaries, window: Window, plains: Mapping[str, Mapping[str, Any]], plan: SitePlan) -> None:
    """``plains`` by entity and kind, as the folds give them."""
    folded = FoldedWindow(summaries, window, plan, {}, judged=list)

    async def fold() -> None:
        pace = Pace(SystemClock())
        for entity, of in plains.items():
            await folded.take(entity, of, pace)
        await folded.end(pace)

    asyncio.run(fold())


def status(summaries: Summaries, kpi: str) -> Status:
    return next(f.status for f in summaries.latest["core"].figures if f.kpi == kpi)


def test_loss_is_judged_on_the_hour_and_stands_in_the_five_minutes_after_it() -> None:
    summaries = Summaries()
    summaries.closed(five(), {})
    assert status(summaries, "loss_ratio") is Status.NONE
    judge(summaries, HOUR, hour(lost=200), PLAN)
    summaries.closed(five(), {})
    assert status(summaries, "loss_ratio") is Status.BAD


def test_a_crossing_is_said_once_and_again_when_it_is_mended() -> None:
    summaries = Summaries()
    for number, lost in enumerate((0, 200, 200, 0, 0, 0)):
        judge(summaries, Window(HOUR.start_utc + 3600 * number, 3600), hour(lost), PLAN)
    said = [(c.entity, c.was, c.status) for c in summaries.statuses.crossings() if c.kpi == "loss_ratio"]
    assert said == [("core", "good", "bad"), ("core", "bad", "good")]
    assert summaries.statuses.crossings() == []


def test_a_port_that_changed_is_said_with_its_window_and_no_other_is() -> None:
    drafts = Summaries().closed(
        five(ge1=PortCounts(transitions=2, downs=1, up_ms=300_000, speed_bps=0), ge2=PortCounts(up_ms=300_000)), {}
    )
    (ports,) = [d for d in drafts if d.topic == "summary/ports/core"]
    assert ports.body["port"] == ["ge1"]
    assert ports.body["window"] == {"start": 1_800_003_600, "length_s": 300}
    assert [d.topic for d in drafts if d.topic.startswith("summary/")][-1] == "summary/site"


async def test_the_ports_of_now_are_those_of_the_last_five_minutes_also_where_they_came_in_pieces() -> None:
    def octets(summaries: Summaries) -> float | None:
        (figure,) = [f for f in summaries.ports("core")["ge1"] if f.kpi == "if_in_bps"]
        return figure.parts["octets"]

    def counts(octets: int) -> PortCounts:
        return PortCounts(polls=1, in_octets=octets, in_ms=150_000, up_ms=150_000, speed_bps=10**9)

    async def out_of_the_store(label: int, octets: int) -> None:
        plains = {STATE: StateSeconds(up_ms=300_000).to_plain(), PORTS: ports_window_to_plain({"ge1": counts(octets)})}
        folded = FoldedWindow(summaries, Window(label, 300), five().plan, {}, revision=1, judged=list)
        await folded.take("core", plains, Pace(ManualClock()))

    summaries = Summaries()
    assert summaries.ports("core") == {}
    whole = five(ge1=counts(300))
    summaries.closed(whole, {}, {"core": compact(ports_window_to_plain({"ge1": counts(300)}))})
    assert octets(summaries) == 300
    await out_of_the_store(whole.label, 700)
    assert octets(summaries) == 700
    assert summaries.latest["core"].revision == 1
    await out_of_the_store(whole.label - 300, 5)
    assert octets(summaries) == 700, "older ones are not those of now"


def hour_of_ports(devices: int, ports: int, prefix: str = "ge") -> tuple[dict[str, dict[str, object]], SitePlan]:
    names = [f"sw{i}" for i in range(devices)]
    counts = ports_window_to_plain({f"{prefix}{i}": PortCounts(up_ms=3_600_000) for i in range(ports)})
    states = StateSeconds(up_ms=3_600_000, checks=3600).to_plain()
    plan = SitePlan(
        tuple(
            Watchable(Device(n, n, Role.SWITCH, "192.0.2.1"), "192.0.2.1", "eth0", 1.0, None, PortsSettings())
            for n in names
        ),
        None,
        (),
        (),
    )
    return {name: {STATE: states, PORTS: counts} for name in names}, plan


def test_judging_an_hour_costs_a_port_the_same_however_many_there_are() -> None:
    """What an hour costs stands still for all echoes: 4,800 ports took 5 s when each looked through all readings."""

    def cost(devices: int) -> float:
        summaries, (plains, plan) = Summaries(), hour_of_ports(devices, 24)
        judge(summaries, HOUR, plains, plan)
        gc.disable()  # a collection looks through what every test before this one left
        try:
            began = time.process_time()
            judge(summaries, Window(HOUR.start_utc + 3600, 3600), plains, plan)
            return (time.process_time() - began) / devices
        finally:
            gc.enable()

    assert min(cost(100) for _ in range(3)) < 3 * min(cost(6) for _ in range(3))


def test_ports_that_are_gone_for_an_hour_are_forgotten() -> None:
    summaries = Summaries()
    for number in range(6):
        plains, plan = hour_of_ports(1, 3, prefix=f"veth{number}-")
        judge(summaries, Window(HOUR.start_utc + 3600 * number, 3600), plains, plan)
    statuses = summaries.statuses
    held = {port for ports in statuses._before.values() for port in ports}
    held |= {port for of in (statuses._standing, statuses._days) for ports in of.values() for port in ports}
    assert held - {""} == {f"veth5-{i}" for i in range(3)}


@pytest.mark.parametrize(
    ("outcome", "reason", "expected"),
    [
        (Outcome.REFUSED, "unknown_user", NullReason.AUTH),
        (Outcome.REFUSED, "port_unreachable", NullReason.NO_DATA),
        (Outcome.NO_REPLY, "timeout", NullReason.NO_DATA),
        (Outcome.OK, None, NullReason.NO_DATA),
    ],
)
def test_a_refused_credential_is_why_there_are_no_figures(
    outcome: Outcome, reason: str | None, expected: NullReason
) -> None:
    assert why_unanswered(PollOutcome(1.0, outcome, reason, None)) is expected
    assert why_unanswered(None) is NullReason.NO_DATA


class Heard:
    def __init__(self) -> None:
        self.flaps: list[tuple[str, str, bool]] = []
        self.restarts: list[Restart] = []

    def restarted(self, device: str, restarted: Restarted) -> None:
        self.restarts.append(restarted.what)

    def flapping(self, device: str, at: float, port: str, merit: float, *, on: bool) -> None:
        self.flaps.append((device, port, on))

    def changed(self, device: str, at: float, what: Change) -> None:
        raise AssertionError(what)

    def on_battery(self, device: str, at: float, seconds: float, *, on: bool) -> None:
        raise AssertionError(device)


def test_flapping_and_restarts_are_said_as_they_are_seen() -> None:
    heard = Heard()
    polled = Polled("core", 0.0, 300.0, status_s=60.0, ports=PortsSettings(), notices=heard)

    def give(metric: str, at: float, value: PortIdentity | PortStatus | SystemReading) -> None:
        instance = "" if isinstance(value, SystemReading) else "ge1"
        polled.take(Sample("core/snmp", metric, instance, at, value, Outcome.OK))

    give(Metric.PORT_IDENTITY, 0.0, PortIdentity("ge1", 1, "ge1", "", "", 6, 1500, 10**9, None))
    for i in range(7):
        oper = "down" if i % 2 else "up"
        give(Metric.PORT_STATUS, 10.0 * (i + 1), PortStatus("up", oper, None, 100_000 + 1000 * (i + 1)))
    assert heard.flaps == [("core", "ge1", True)]
    give(Metric.PORT_STATUS, 3600.0, PortStatus("up", "up", None, 100_000 + 360_000))
    assert heard.flaps[-1] == ("core", "ge1", False)
    give(Metric.SYSTEM, 3660.0, SystemReading(uptime_cs=466_000))
    give(Metric.SYSTEM, 3720.0, SystemReading(uptime_cs=500))
    assert heard.restarts == [Restart.DEVICE]


def closed(polled: Polled, end: float, next_end: float) -> dict[str, PortCounts]:
    return {key: port.close(end, next_end) for key, port in polled.turn(end, next_end)}


def test_new_settings_hold_for_ports_that_are_known() -> None:
    polled = Polled("core", 0.0, 300.0, status_s=10.0, ports=PortsSettings(), notices=Heard())
    identity = PortIdentity("ge1", 1, "ge1", "", "", 6, 1500, 10**9, None)
    polled.take(Sample("core/snmp", Metric.PORT_IDENTITY, "ge1", 0.0, identity, Outcome.OK))
    assert len(list(polled.configuring(60.0, PortsSettings(access=("ge*",))))) == len(polled.ports)
    for minute in range(5):
        oper = "down" if minute % 2 else "up"
        status = PortStatus("up", oper, None, 100_000 + 6000 * minute)
        polled.take(Sample("core/snmp", Metric.PORT_STATUS, "ge1", 60.0 * minute, status, Outcome.OK))
    counts = closed(polled, 300.0, 600.0)["ge1"]
    assert (counts.unknown_ms, counts.transitions) == (0, 0)


def test_ports_beyond_what_can_be_measured_are_left_out_and_said_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("agent.polled.MOST_PORTS", 2)
    polled = Polled("core", 0.0, 300.0, status_s=10.0, ports=PortsSettings(), notices=Heard())
    for number in range(4):
        identity = PortIdentity(f"ge{number}", number, f"ge{number}", "", "", 6, 1500, 10**9, None)
        polled.take(Sample("core/snmp", Metric.PORT_IDENTITY, identity.key, 0.0, identity, Outcome.OK))
    assert list(polled.ports) == ["ge0", "ge1"]
    [said] = caplog.records
    assert "core has more than 2 ports; the others are not measured." in said.getMessage()


def test_all_devices_share_the_room_for_ports(caplog: pytest.LogCaptureFixture) -> None:
    room = Room(3)
    one, other = (
        Polled(name, 0.0, 300.0, status_s=10.0, ports=PortsSettings(), notices=Heard(), room=room)
        for name in ("a", "b")
    )

    def tell(polled: Polled, number: int, *, there: bool = True) -> None:
        identity = PortIdentity(f"ge{number}", number, f"ge{number}", "", "", 6, 1500, 10**9, None) if there else None
        polled.take(Sample("x/snmp", Metric.PORT_IDENTITY, f"ge{number}", 0.0, identity, Outcome.OK))

    for number in range(2):
        tell(one, number)
        tell(other, number)
    assert (list(one.ports), list(other.ports), room.left) == (["ge0", "ge1"], ["ge0"], 0)
    [said] = caplog.records
    assert "All devices together have more than 3 ports; the others are not measured." in said.getMessage()
    tell(one, 1, there=False)
    tell(other, 1)
    tell(one, 1)  # its open window waits for the end, and there is no room for it to come back
    assert (list(one.ports), list(other.ports), room.left) == (["ge0"], ["ge0", "ge1"], 0)
    tell(other, 1, there=False)
    tell(one, 1)
    assert (list(one.ports), room.left) == (["ge0", "ge1"], 0)


def test_the_ports_of_a_large_chassis_come_in_messages_below_128_kb() -> None:
    chance = random.Random(3)

    def busy() -> PortCounts:
        octets, packets = chance.randrange(10**12), chance.randrange(10**9)
        return PortCounts(
            polls=1, in_octets=octets, in_ms=300_000, out_octets=octets // 3, out_ms=300_001, in_packets=packets,
            out_packets=packets // 3, in_errors=chance.randrange(10**5), in_discards=chance.randrange(10**5),
            transitions=1 + chance.randrange(9), downs=1, merit=chance.randrange(3000), up_ms=300_000,
            speed_bps=chance.choice([10**8, 10**9]), in_max_bps=chance.randrange(10**9), absent=0,
        )  # fmt: skip

    ports = {f"{number:03}{'x' * 250}": busy() for number in range(600)}
    drafts = [d for d in Summaries().closed(five(**ports), {}) if d.topic == "summary/ports/core"]
    assert [name for d in drafts for name in d.body["port"]] == list(ports)
    assert max(len(json.dumps(dict(d.body))) for d in drafts) < 128_000


def test_a_port_that_vanishes_keeps_what_it_had_of_the_open_window() -> None:
    """kpi/README.md R3: what was measured is in the window, also where the device tells of the port no more."""
    polled = Polled("core", 0.0, 300.0, status_s=60.0, ports=PortsSettings(), notices=Heard())

    def give(metric: str, at: float, value: PortIdentity | PortStatus | PortCounters | None) -> None:
        polled.take(Sample("core/snmp", metric, "ge1", at, value, Outcome.REFUSED if value is None else Outcome.OK))

    identity = PortIdentity("ge1", 1, "ge1", "", "", 6, 1500, 10**9, None)
    give(Metric.PORT_IDENTITY, 0.0, identity)
    give(Metric.PORT_STATUS, 10.0, port_status(10.0))
    give(Metric.PORT_COUNTERS, 10.0, reading(10.0))
    give(Metric.PORT_COUNTERS, 70.0, reading(70.0, in_octets=6_000))
    give(Metric.PORT_IDENTITY, 80.0, None)
    assert "ge1" not in polled.ports, "it is shown no more"
    counts = closed(polled, 300.0, 600.0)["ge1"]
    assert (counts.in_octets, counts.polls) == (6_000, 1)
    assert closed(polled, 600.0, 900.0) == {}


def test_a_port_that_vanishes_and_comes_back_in_a_window_is_one_port() -> None:
    polled = Polled("core", 0.0, 300.0, status_s=60.0, ports=PortsSettings(), notices=Heard())

    def give(metric: str, at: float, value: PortIdentity | PortCounters | None) -> None:
        polled.take(Sample("core/snmp", metric, "ge1", at, value, Outcome.REFUSED if value is None else Outcome.OK))

    identity = PortIdentity("ge1", 1, "ge1", "", "", 6, 1500, 10**9, None)
    give(Metric.PORT_IDENTITY, 0.0, identity)
    for at in (10.0, 70.0):
        give(Metric.PORT_COUNTERS, at, reading(at, in_octets=int(100 * at)))
    give(Metric.PORT_IDENTITY, 80.0, None)
    give(Metric.PORT_IDENTITY, 120.0, identity)
    for at in (130.0, 190.0):
        give(Metric.PORT_COUNTERS, at, reading(at, in_octets=int(100 * at)))
    assert list(polled.ports) == ["ge1"]
    counts = closed(polled, 300.0, 600.0)["ge1"]
    assert (counts.in_octets, counts.in_ms) == (18_000, 180_000)
