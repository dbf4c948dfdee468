"""A whole day of a site in minutes: made-up samples through the real Core, accumulators, summaries and Store.

``python -m tests.bench.simulated --switches 100 --access-points 50 --endpoints 50 --hours 24`` prints one JSON object.

The clock stands still between the seconds, everything else is the agent's: windows close and are committed to a
database file, hours are folded, messages are numbered and acknowledged; the garbage collector is set as the agent sets
it. Bytes written are ``write_bytes`` of /proc/self/io; bytes published are topic and payload of every durable message.
Not in it: sockets, MQTT, the page.
"""

import argparse
import asyncio
import json
import math
import random
import resource
import tempfile
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from agent.boundary import Boundary
from agent.core import Core
from agent.folds import Folds
from agent.memory import settle
from agent.monitor import Track, snmp_id
from agent.recorder import Recorder
from agent.store import Store, StoreSettings
from agent.timeline import Timeline
from collectors.clock import ClockTrust
from collectors.icmp.echo import EchoTarget
from kpi.model import Metric, Outcome, PortCounters, PortIdentity, PortStatus, Role, Sample, SystemReading
from tests.bench.site_plan import ACTIVE, Shape, plan
from tests.doubles import ManualClock

MIDNIGHT = 1_700_006_400
ROOT = "sonda/v1/bench/bench/probe/"
LOSS = 0.0005
ROUND_TRIPS = 997
"""Round trips a device has before they repeat; a prime, so that no window sees the same ones again."""
BUSY_OF_DAY = 0.6
"""How far traffic swings around its mean over the day."""


@dataclass(slots=True)
class Port:
    """One interface with counters that move as a busy office's do."""

    identity: PortIdentity
    mean_bps: float
    octets_in: int
    octets_out: int
    errors: int = 0

    def move(self, seconds: float, of_day: float, chance: random.Random) -> None:
        if self.mean_bps:
            swing = 1 + BUSY_OF_DAY * math.sin(of_day * math.tau)
            self.octets_in += int(self.mean_bps / 8 * seconds * swing * chance.lognormvariate(0, 0.6))
            self.octets_out += int(self.mean_bps / 40 * seconds * swing * chance.lognormvariate(0, 0.6))
            self.errors += chance.random() < 0.01


@dataclass(slots=True)
class Simulated:
    """One device."""

    track: Track
    every_s: int
    phase: int
    rtts_ms: list[float]
    ports: list[Port] = field(default_factory=list)
    sent: int = 0


class Day:
    """A site that is sent through the agent's heart second by second."""

    def __init__(self, shape: Shape, store: Store, clock: ManualClock, boot: str) -> None:
        self.shape, self.store, self.clock = shape, store, clock
        self.chance = random.Random(7)
        timeline = Timeline(clock, not_before_utc=0.0, trust=lambda _utc, _past: ClockTrust.SYNCHRONISED)
        self.recorder = Recorder(store, clock, lambda: None)
        self.hours: deque[int] = deque()
        self.core = Core(
            clock=clock,
            timeline=timeline,
            recorder=self.recorder,
            boot=boot,
            still_open=(),
            running=lambda _interface: True,
            send_confirm=self._confirm,
            ask_again=lambda _device: None,
            changed=lambda: None,
            five_closed=self._five_closed,
            in_pieces=lambda _label, _following, _flags: None,
            late=lambda _label: None,
            dated=lambda: None,
            boundary=Boundary(),
        )
        self.folds = Folds(store, self.recorder, zone=lambda: ZoneInfo("Europe/Rome"), folded=self.core.window_folded)
        self.core.apply(plan(shape))
        self.devices = [self._device(number, track) for number, track in enumerate(self.core.monitor)]
        self.by_second = [[d for d in self.devices if d.phase == s % d.every_s] for s in range(10)]
        self.polled = [d for d in self.devices if d.ports]
        self.lost: deque[Sample] = deque()
        self.seq = 0
        self.published = self.messages = self.echoes = 0
        self.by_kind: dict[str, int] = {}
        self.peak_batch_s = 0.0

    def _device(self, number: int, track: Track) -> Simulated:
        chance, role = self.chance, track.watchable.device.role
        base = chance.choice((0.3, 0.6, 1.0, 4.0))
        rtts = [round(base * chance.lognormvariate(0, 0.2), 6) for _ in range(ROUND_TRIPS)]
        made = Simulated(track, 10 if role is Role.ENDPOINT else 1, number % 10 if role is Role.ENDPOINT else 0, rtts)
        if role is Role.SWITCH:
            made.ports = [self._port(index) for index in range(self.shape.ports)]
        return made

    def _port(self, index: int) -> Port:
        label = f"GigabitEthernet1/0/{index + 1}"
        identity = PortIdentity(label, index + 1, label, label, "", 6, 1500, 10**9, f"00:11:22:33:44:{index:02x}")
        busy = self.chance.lognormvariate(15, 2) if index < ACTIVE * self.shape.ports / 48 else 0.0
        return Port(identity, min(busy, 9e8), self.chance.randrange(10**13), self.chance.randrange(10**13))

    def _confirm(self, target: EchoTarget) -> None:
        at = self.clock.monotonic()
        asyncio.get_running_loop().call_soon(
            self.core.monitor.take, Sample(target.id, Metric.CONFIRM, "", at, 1.0, Outcome.OK)
        )

    def _five_closed(self, label: int, _following: int) -> None:
        if (label + 300) % 3600 == 0:
            self.hours.append(label + 300 - 3600)

    async def run(self, seconds: int) -> None:
        """That much simulated time, and the closing of its last window."""
        recording = asyncio.create_task(self.recorder.run())
        try:
            for device in self.polled:
                self._identify(device)
            for second in range(seconds + 6):
                await self._second(second, measuring=second < seconds)
                if second % 60 in {5, 6}:  # minutes close five seconds after their end
                    await self._settle()
        finally:
            self.recorder.stop()
            await recording

    async def _second(self, second: int, *, measuring: bool) -> None:
        clock, core = self.clock, self.core
        clock._mono_ns += 1_000_000_000
        await core.windows.tick()
        await core.watch.tick()
        at = clock.monotonic()
        while self.lost and self.lost[0].at <= at - 2:
            core.monitor.take(self.lost.popleft())
        if not measuring:
            return
        self._echo(second, at)
        for device in self.polled[second % 60 :: 60]:
            self._poll(device, at, counters=second // 60 % 5 == device.phase % 5)

    def _echo(self, second: int, at: float) -> None:
        take, chance, ok = self.core.monitor.take, self.chance.random, Outcome.OK
        for device in self.by_second[second % 10]:
            number = device.sent
            device.sent = number + 1
            target = device.track.echo_target.id
            if chance() < LOSS:
                self.core.monitor.overdue(target, at)
                self.lost.append(Sample(target, Metric.ECHO, "", at, None, Outcome.NO_REPLY, "timeout", number))
            else:
                take(Sample(target, Metric.ECHO, "", at, device.rtts_ms[number % ROUND_TRIPS], ok, None, number))
        self.echoes += len(self.by_second[second % 10])

    def _identify(self, device: Simulated) -> None:
        at, target = self.clock.monotonic(), snmp_id(device.track.id)
        for port in device.ports:
            sample = Sample(target, Metric.PORT_IDENTITY, port.identity.key, at, port.identity, Outcome.OK)
            self.core.monitor.take(sample)

    def _poll(self, device: Simulated, at: float, *, counters: bool) -> None:
        take, target, ok, chance = self.core.monitor.take, snmp_id(device.track.id), Outcome.OK, self.chance
        uptime_cs = int(at * 100)
        of_day = at % 86400 / 86400
        take(Sample(target, Metric.SNMP, "", at, 0.02, ok))
        take(Sample(target, Metric.SYSTEM, "", at, SystemReading(uptime_cs, 3, uptime_cs), ok))
        for port in device.ports:
            key = port.identity.key
            oper = "up" if port.mean_bps else "down"
            take(Sample(target, Metric.PORT_STATUS, key, at, PortStatus("up", oper, 100, uptime_cs), ok))
            if counters:
                port.move(300.0, of_day, chance)
                take(Sample(target, Metric.PORT_COUNTERS, key, at, _counters(port, uptime_cs), ok))

    async def _settle(self) -> None:
        await self.recorder.settled()
        while self.hours:
            await self.folds.hour(self.hours.popleft())
            await self.recorder.settled()
        while waiting := await self.store.waiting(self.seq, 50):
            for message in waiting:
                octets = len(message.payload) + len(ROOT) + len(message.topic)
                kind = "/".join(message.topic.split("/")[:2])
                self.by_kind[kind] = self.by_kind.get(kind, 0) + octets
                self.published += octets
            self.messages += len(waiting)
            self.seq = waiting[-1].seq
            await self.store.acknowledge([m.seq for m in waiting])


def _counters(port: Port, uptime_cs: int) -> PortCounters:
    packets_in, packets_out = port.octets_in // 811, port.octets_out // 433
    return PortCounters(
        uptime_cs=uptime_cs,
        discontinuity_cs=0,
        octet_bits=64,
        packet_bits=64,
        in_octets=port.octets_in,
        out_octets=port.octets_out,
        in_unicast=packets_in,
        out_unicast=packets_out,
        in_multicast=packets_in // 97,
        out_multicast=packets_out // 53,
        in_broadcast=packets_in // 301,
        out_broadcast=packets_out // 199,
        in_errors=port.errors,
        out_errors=0,
        in_discards=0,
        out_discards=port.errors // 2,
    )


def written() -> int:
    """write_bytes of this process so far."""
    return next(int(v) for k, v in _pairs(Path("/proc/self/io")) if k == "write_bytes")


def resident() -> int:
    return next(int(v.split()[0]) * 1024 for k, v in _pairs(Path("/proc/self/status")) if k == "VmRSS")


def _pairs(path: Path) -> Iterator[tuple[str, str]]:
    for line in path.read_text().splitlines():
        key, _, value = line.partition(":")
        yield key, value.strip()


async def simulate(shape: Shape, seconds: int, folder: Path) -> dict[str, Any]:
    """Run it; figures as they were measured, and scaled to a day. ``seconds`` are whole hours for a fair scale."""
    clock = ManualClock(monotonic=50_000.0, utc=float(MIDNIGHT))
    limits = StoreSettings(ack_linger_s=0.0)
    async with Store.open(folder / "sonda.db", limits, clock, probe_id="bench", boot_id="boot-1") as store:
        day = Day(shape, store, clock, "boot-1")
        settle()
        before, used = written(), resource.getrusage(resource.RUSAGE_SELF)
        await day.run(seconds)
        after = resource.getrusage(resource.RUSAGE_SELF)
        cpu = after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime
        report = await store.report()
    octets = written() - before  # after closing: what the log still held is in the database now
    scale = 86_400 / seconds
    return {
        "shape": str(shape),
        "hours": seconds / 3600,
        "written_mb_day": octets * scale / 1e6,
        "published_mb_day": day.published * scale / 1e6,
        "messages": day.messages,
        "kinds_mb_day": {kind: round(n * scale / 1e6, 2) for kind, n in sorted(day.by_kind.items())},
        "echoes": day.echoes,
        "cpu_s": cpu,
        "rss_mb": resident() / 1e6,
        "file_mb": report.bytes_file / 1e6,
        "held_mb": {h.kind: round(h.bytes / 1e6, 2) for h in report.held if h.rows},
    }


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    options.add_argument("--switches", type=int, default=30)
    options.add_argument("--access-points", type=int, default=30)
    options.add_argument("--endpoints", type=int, default=40)
    options.add_argument("--ports", type=int, default=48)
    options.add_argument("--hours", type=float, default=1.0)
    options.add_argument("--folder", default=None, help="on the disk to write to")
    given = options.parse_args()
    shape = Shape(given.switches, given.access_points, given.endpoints, given.ports)
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        print(json.dumps(asyncio.run(simulate(shape, round(given.hours * 3600), Path(folder)))))


if __name__ == "__main__":
    main()
