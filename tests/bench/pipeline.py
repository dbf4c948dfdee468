"""CPU a polled interface, the whole way: collected, KPI'd, summed up, stored in a database file.

Our side polls DEVICES devices, all of them the one snmpd of tests/bench/snmp.py, through SnmpCollector, Core and
Store, every poll with all ten metrics. A clock that is moved a minute after each round of polls makes the windows
close as they do in an agent whose counters are read once a minute: five minute commits, then one of five minutes with
its port windows, summaries and messages. The peers are those of tests/bench/snmp.py: collectd's snmp plugin writing
csv, and snmp_exporter, which keeps nothing.
"""

import asyncio
import resource
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from agent.boundary import Boundary
from agent.core import Core
from agent.monitor import snmp_id
from agent.recorder import Recorder
from agent.settings.models import PortsSettings
from agent.site import SitePlan, Watchable
from agent.store import Store, StoreSettings
from agent.timeline import Timeline
from collectors.clock import ClockTrust, SystemClock
from collectors.snmp.client import SnmpClient
from collectors.snmp.collector import SnmpCollector
from collectors.snmp.credentials import Credential
from collectors.snmp.device import DeviceSettings
from kpi.model import Device, Metric, Outcome, Role, Target
from tests.bench import snmp
from tests.bench.report import Effort, Row, Say, missing
from tests.bench.site_plan import Shape, plan
from tests.lab.network import Namespace
from tests.programs import PACKAGES, find

DEVICES = 10
MINUTES_A_WINDOW = 5
BUDGETS = (
    ("CPU a polled interface, SNMPv2c, against collectd (snmp, csv)", (0.8, 0.4)),
    ("the same against Prometheus snmp_exporter", (0.4, 0.15)),
    ("the same by SNMPv3 (SHA-256, AES-128) against SNMPv2c", (2.0, 1.3)),
)
"""Must and aim, as ratios."""


class MovedClock:
    """The machine's clocks, moved forward by hand: sleeping and waiting for answers take real time."""

    def __init__(self) -> None:
        self._real = SystemClock()
        self.ahead_ns = 0
        self.sleep = self._real.sleep

    def monotonic(self) -> float:
        return self.monotonic_ns() / 1e9

    def monotonic_ns(self) -> int:
        return self._real.monotonic_ns() + self.ahead_ns

    def utc(self) -> float:
        return self.utc_ns() / 1e9

    def utc_ns(self) -> int:
        return self._real.utc_ns() + self.ahead_ns

    def move_to_minute(self) -> None:
        """To ten seconds after the next minute of the calendar: the last one is closed then."""
        into = self.utc_ns() % 60_000_000_000
        self.ahead_ns += 60_000_000_000 - into + 10_000_000_000


@dataclass(slots=True)
class Costs:
    """Microseconds of CPU an interface and poll, round by round."""

    v2c: list[float] = field(default_factory=list)
    v3: list[float] = field(default_factory=list)
    collecting: list[float] = field(default_factory=list)
    """Of v2c, without anything behind the collector."""
    collectd: list[float] = field(default_factory=list)
    exporter: list[float] = field(default_factory=list)
    interfaces: int = 0
    polls: int = 0


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _plan() -> SitePlan:
    asked = plan(Shape(1, 0, 0)).devices[0].snmp
    names = [f"switch-{number}" for number in range(DEVICES)]
    return SitePlan(
        tuple(
            Watchable(Device(n, n, Role.SWITCH, snmp.ADDRESS), snmp.ADDRESS, "", None, asked, PortsSettings())
            for n in names
        ),
        None,
        (),
        (),
    )


async def whole(probe: Namespace, credential: Credential, windows: int, folder: Path) -> tuple[float, int]:
    """(microseconds an interface and poll, polls): windows of five minutes, five polls of all devices in each."""
    clock = MovedClock()
    client = SnmpClient(clock)
    with probe.inside():
        await client.__aenter__()
    site = _plan()
    settings = DeviceSettings(credential, status_s=50.0, counters_s=50.0)
    collector = SnmpCollector(client, clock, {snmp_id(w.device.id): settings for w in site.devices})
    targets = [Target(snmp_id(w.device.id), w.device.id, "snmp", snmp.ADDRESS, 60.0, 20.0) for w in site.devices]
    try:
        async with Store.open(folder / "s.db", StoreSettings(), clock, probe_id="bench", boot_id="boot") as store:
            recorder = Recorder(store, clock, lambda: None)
            core = _core(clock, recorder)
            core.apply(site)
            recording = asyncio.create_task(recorder.run())

            async def window() -> int:
                ports = 0
                for _ in range(MINUTES_A_WINDOW):
                    for target in targets:
                        for sample in await collector.collect(target):
                            core.monitor.take(sample)
                            ports += sample.metric == Metric.PORT_COUNTERS and sample.outcome is Outcome.OK
                    clock.move_to_minute()
                    await core.windows.tick()  # the minute is over
                    await core.windows.tick()  # and its waiting time
                    await recorder.settled()
                return ports

            await window()  # contact, and sizes that fit
            before = _cpu_s()
            ports = sum([await window() for _ in range(windows)])
            spent = _cpu_s() - before
            assert len(core.summaries.latest) == DEVICES + 1
            recorder.stop()
            await recording
    finally:
        await client.__aexit__(None, None, None)
    return spent / ports * 1e6, windows * MINUTES_A_WINDOW * DEVICES


def _core(clock: MovedClock, recorder: Recorder) -> Core:
    return Core(
        clock=clock,
        timeline=Timeline(clock, not_before_utc=0.0, trust=lambda _utc, _past: ClockTrust.SYNCHRONISED),
        recorder=recorder,
        boot="boot",
        still_open=(),
        running=lambda _interface: True,
        send_confirm=lambda _target: None,
        ask_again=lambda _device: None,
        changed=lambda: None,
        five_closed=lambda _label, _following: None,
        in_pieces=lambda _label, _following, _flags: None,
        late=lambda _label: None,
        dated=lambda: None,
        boundary=Boundary(),
    )


def measure(effort: Effort, say: Say) -> Costs:
    """Rounds of all four in turn, each of the same number of polls."""
    rounds, windows = (2, 2) if effort.quick else (3, 4)
    costs = Costs(polls=windows * MINUTES_A_WINDOW * DEVICES)
    peers = min(costs.polls, 60 if effort.quick else 100)
    with tempfile.TemporaryDirectory(dir=effort.folder) as name, snmp.agent(48, Path(name)) as (probe, interfaces):
        costs.interfaces = interfaces
        for number in range(rounds):
            say(f"SNMP, round {number + 1} of {rounds}")
            folder = Path(name, str(number))
            for version, credential, into in (("v2c", snmp.V2C, costs.v2c), ("v3", snmp.V3, costs.v3)):
                (folder / version).mkdir(parents=True)
                into.append(asyncio.run(whole(probe, credential, windows, folder / version))[0])
            costs.collecting.append(asyncio.run(snmp.ours(probe, snmp.V2C, peers))[0])
            if find("collectd"):
                costs.collectd.append(snmp.collectd(probe, folder / "collectd", peers))
            if find("prometheus-snmp-exporter"):
                costs.exporter.append(snmp.exporter(probe, folder / "exporter", peers, interfaces))
    return costs


def rows(effort: Effort, say: Say) -> list[Row]:
    """The first three rows of the table."""
    if find("snmpd") is None:
        reason = f"needs snmpd: apt-get install {PACKAGES['snmpd']}"
        return [missing(what, *budget, "x", reason) for what, budget in BUDGETS]
    costs = measure(effort, say)
    ours, collecting = statistics.median(costs.v2c), statistics.median(costs.collecting)
    polls = f"{costs.polls} polls of {costs.interfaces} ports of one snmpd, median of {len(costs.v2c)} rounds"
    return [
        _against(
            *BUDGETS[0], costs.v2c, costs.collectd,
            program="collectd", how=f"{polls}: collected, KPI'd, summed up, stored {ours:.1f} us (collecting alone {collecting:.1f})",
        ),
        _against(
            *BUDGETS[1], costs.v2c, costs.exporter,
            program="prometheus-snmp-exporter", how=f"ours as above {ours:.1f} us; ifTable and ifXTable walked and rendered",
        ),
        _against(
            *BUDGETS[2], costs.v3, costs.v2c,
            how=f"both ways of our own, whole: {statistics.median(costs.v3):.1f} us by v3",
        ),
    ]  # fmt: skip


def _against(
    what: str,
    budget: tuple[float, float],
    ours: Sequence[float],
    theirs: Sequence[float],
    *,
    program: str = "",
    how: str,
) -> Row:
    if not theirs:
        return missing(what, *budget, "x", f"needs {program}: apt-get install {PACKAGES[program]}")
    ratio = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
    return Row(what, ratio, *budget, "x", f"{how}, against {statistics.median(theirs):.1f} us")
