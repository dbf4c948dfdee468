"""What holds the loop for longest: the largest site that settings allow, through everything that happens to an agent.

``python -m tests.bench.longest`` runs the real agent (parts, page, store) on made-up answers and a clock that moves by
hand, and by the CPU time that the loop uses, so that a slice ends where it would end on a machine with nothing else to
do. It goes over a start, window closes, a restart, midnight with the end of an hour and of a month, a clock jump of
40 minutes, work that is planned late, a reload that brings as many new devices and a stop, while a page is open and
every route is asked again and again. It prints the longest callbacks of the loop by CPU time, with where they were, the longest
collections of garbage, and the longest calls into C of other threads, which hold the interpreter as well.
"""

import argparse
import asyncio
import functools
import gc
import heapq
import http.client
import json
import os
import socket
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Self

import agent.parts
from agent.app import Agent
from agent.monitor import snmp_id
from agent.parts import Parts
from agent.settings import Overrides, load
from collectors.clock import ClockTrust
from collectors.icmp.echo import EchoCounters, EchoSink, EchoTarget, Mode
from collectors.snmp.collector import SnmpCollector
from kpi.gear import BgpPeer, Bridge, Facts, Inventory, Kind, Neighbor, Reading, Readings
from kpi.model import Metric, Outcome, PortCounters, PortIdentity, PortStatus, Sample, SystemReading, Target
from tests.doubles import ManualClock

BIG_PORTS = 6144
ENV = "SONDA_BENCH_COMMUNITY"
MIDNIGHT = datetime(2026, 12, 1, tzinfo=UTC).timestamp()
"""The end of an hour, a day and a month."""
BEGIN = MIDNIGHT - 16 * 60
SHOWN = 10
STAGE_S = 900.0
"""A stage that takes longer ends the run: what every task waits for is printed."""


@dataclass(frozen=True, slots=True)
class Site:
    """How many devices of each kind; ``big`` ones have 6,144 ports each."""

    big: int
    switches: int
    access_points: int
    supplies: int
    routers: int
    devices: int
    ports: int = 48


class CpuClock(ManualClock):
    """Time goes by as the bench moves it, and with the CPU time that the loop's thread uses."""

    def __init__(self, utc: float) -> None:
        super().__init__(monotonic=50_000.0, utc=utc)
        self._main = threading.get_ident()
        self._used = time.thread_time_ns()

    def monotonic_ns(self) -> int:
        if threading.get_ident() == self._main:
            now = time.thread_time_ns()
            self._mono_ns += now - self._used
            self._used = now
        return self._mono_ns

    def monotonic(self) -> float:
        return self.monotonic_ns() / 1e9

    def utc_ns(self) -> int:
        return self.monotonic_ns() + self._offset_ns

    def step_both(self, seconds: float) -> None:
        """Time goes by while nothing runs."""
        self._mono_ns += round(seconds * 1e9)

    async def advance(self, seconds: float) -> None:
        """By so much at least: CPU time that is used meanwhile counts, and the clock never goes back."""
        end = self._mono_ns + round(seconds * 1e9)
        await self._settle()
        while self._sleepers and self._sleepers[0][0] <= max(end, self._mono_ns):
            due, _, future = heapq.heappop(self._sleepers)
            self._mono_ns = max(self._mono_ns, due)
            if not future.done():
                future.set_result(None)
            await self._settle()
            if self._mono_ns > end + 10**9:
                break
        self._mono_ns = max(self._mono_ns, end)
        await self._settle()

    def utc(self) -> float:
        return self.utc_ns() / 1e9


class Wire:
    """An echo engine that sends nothing: every device answers at once, but for those that are silent."""

    silent: frozenset[str] = frozenset()

    def __init__(self, clock: CpuClock, sink: EchoSink) -> None:
        self._clock, self._sink = clock, sink
        self._numbers: Counter[str] = Counter()
        self.counters = EchoCounters()
        self.modes: Mapping[int, Mode] = {4: Mode.SIMULATED, 6: Mode.SIMULATED}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is open."""

    def forget(self, target: str) -> None:
        self._numbers.pop(target, None)

    def send(self, target: EchoTarget, *, confirm: bool = False) -> None:
        number = self._numbers[target.id]
        self._numbers[target.id] += not confirm
        metric, at = Metric.CONFIRM if confirm else Metric.ECHO, self._clock.monotonic()
        rtt_ms = 0.3 + number % 97 / 50
        self._sink.take(Sample(target.id, metric, "", at, rtt_ms, Outcome.OK, None, number))

    async def run(self) -> None:
        """Until cancelled."""
        await asyncio.Event().wait()


class MadeUp(SnmpCollector):
    """Polls nobody: every device has the counters that its name and the time give."""

    site: Site

    async def collect(self, target: Target) -> Sequence[Sample]:
        await self._clock.sleep(0.02)
        return await asyncio.to_thread(lambda: list(answers(self.site, target, self._clock.monotonic())))


def answers(site: Site, target: Target, at: float) -> Iterator[Sample]:
    """All samples of one poll."""
    kind, number = target.device.rstrip("0123456789").rstrip("-"), int(target.device.rpartition("-")[2])
    uptime_cs = int(at * 100)

    def sample(metric: str, instance: str, value: Any) -> Sample:
        return Sample(snmp_id(target.device), metric, instance, at, value, Outcome.OK)

    yield sample(Metric.SNMP, "", 0.02)
    yield sample(Metric.SYSTEM, "", SystemReading(uptime_cs, 3, uptime_cs, name=target.device))
    ports = {"big": BIG_PORTS, "switch": site.ports, "router": 8}.get(kind.removeprefix("new-"), 0)
    for index in range(1, ports + 1):
        yield from _port(sample, index, at, uptime_cs)
    if kind.endswith(("switch", "big")):
        other = f"switch-{(number + 1) % max(1, site.switches)}"
        rows = (Neighbor("lldp", "ge1", other, "ge2", f"02:00:00:00:00:{number % 200:02x}"),)
        yield sample(Metric.FACTS, "neighbors", Facts("neighbors", rows, complete=True, uptime_cs=uptime_cs))
        rows_ = (Bridge("02:00:00:00:00:01", 3, uptime_cs),)
        yield sample(Metric.FACTS, "bridge", Facts("bridge", rows_, complete=True, uptime_cs=uptime_cs))
    if kind.endswith("router"):
        peers = tuple(BgpPeer(f"192.0.2.{n}", 64512, "established", True, 3, uptime_cs // 100) for n in range(20))
        yield sample(Metric.FACTS, "bgp_peers", Facts("bgp_peers", peers, complete=True, uptime_cs=uptime_cs))
    yield sample(Metric.INVENTORY, "", Inventory("acme", "Acme", "X1", "1.0", f"S{number}"))
    readings = tuple(_readings(kind, number, at))
    if readings:
        yield sample(Metric.READINGS, "", Readings(uptime_cs, readings, {}))


def _port(sample: Callable[[str, str, Any], Sample], index: int, at: float, uptime_cs: int) -> Iterator[Sample]:
    key = f"ge{index}"
    yield sample(
        Metric.PORT_IDENTITY, key, PortIdentity(key, index, key, key, f"to desk {index}", 6, 1500, 10**9, None)
    )
    up = index % 500 != 0 or int(at) // 60 % 2
    yield sample(Metric.PORT_STATUS, key, PortStatus("up", "up" if up else "down", None, uptime_cs))
    octets = int(at) * 1000 * (index + 7)
    packets = octets // 700
    few = (packets // 90,) * 4
    yield sample(
        Metric.PORT_COUNTERS,
        key,
        PortCounters(uptime_cs, 0, 64, 64, octets, octets // 5, packets, packets // 5, *few, 3, 0, 1, 0),
    )


def _readings(kind: str, number: int, at: float) -> Iterator[Reading]:
    yield Reading(Kind.CPU_USED, "1", "cpu", 20 + (at / 7 + number) % 60)
    yield Reading(Kind.MEMORY_USED, "1", "memory", 40 + number % 20)
    if kind.endswith("ap"):
        for radio in range(3):
            yield Reading(Kind.CLIENTS, f"r{radio}", f"radio {radio}", float((int(at) // 60 + number) % 30))
            yield Reading(Kind.CHANNEL_UTILIZATION, f"r{radio}", f"radio {radio}", (at / 9 + radio) % 90)
        for client in range(30):
            mac = f"02:00:5e:{number % 256:02x}:00:{client:02x}"
            yield Reading(Kind.CLIENT_RSSI, f"c{client}", mac, -50.0 - (at / 11 + client) % 30, client=mac)
    elif kind.endswith("ups"):
        for row in range(12):
            yield Reading(Kind.TEMPERATURE, f"t{row}", f"sensor {row}", 20 + (at / 60 + row) % 10, 60.0)
        yield Reading(Kind.ON_BATTERY, "1", "1", 0.0)
        yield Reading(Kind.BATTERY_CHARGE, "1", "1", 100.0)
        yield Reading(Kind.BATTERY_RUNTIME, "1", "1", 55.0)
        yield Reading(Kind.LINE_BADS, "1", "1", 4.0)


def settings(site: Site, port: int, *, new: bool = False, planned: Sequence[tuple[float, float]] = ()) -> str:
    """A configuration of that many devices; ``new``: under other names, all but the gateway."""
    lines = [
        '[site]\ntenant = "bench"\nsite = "bench"\nprobe = "probe"\ntimezone = "UTC"\n\n[network]\ngateway = "none"\n',
        '[log]\nlevel = "warning"\n\n[radio]\nenabled = false\n',
        f'[http]\nhost = "127.0.0.1"\nport = {port}\n\n[store]\npath = "sonda.db"\nballast_bytes = 0\n',
        f'[[credential]]\nname = "v2c"\nversion = "2c"\ncommunity = {{ env = "{ENV}" }}\n',
    ]
    kinds = [
        ("big", "switch", site.big),
        ("switch", "switch", site.switches),
        ("ap", "access-point", site.access_points),
        ("ups", "ups", site.supplies),
        ("router", "router", site.routers),
    ]
    rest = site.devices - sum(count for *_, count in kinds) - 3
    prefix = "new-" if new else ""
    number = 0
    for kind, role, count in (*kinds, ("internet", "internet", 3), ("pc", "endpoint", rest)):
        for each in range(count):
            number += 1
            lines.append(
                f'[[device]]\nname = "{prefix}{kind}-{each}"\nrole = "{role}"\n'
                f'address = "127.{2 + new}.{number // 250}.{1 + number % 250}"\necho_s = 5'
            )
            if kind not in {"internet", "pc"}:
                lines.append('snmp = "v2c"')
            if kind == "pc" and number % 2:
                lines.append(f'parents = ["{prefix}switch-{each % site.switches}"]')
    for start, end in planned:
        a, b = (datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") for at in (start, end))
        lines.append(f"[[maintenance]]\nstart = {a}\nend = {b}")
    return "\n".join(lines) + "\n"


@dataclass
class Longest:
    """Measures what runs on the loop, and what else holds the interpreter."""

    phase: str = ""
    callbacks: dict[str, list[tuple[float, str, str]]] = field(default_factory=lambda: defaultdict(list))
    """By where: CPU seconds, in which phase, deepest frames."""
    collections: list[tuple[float, int, str]] = field(default_factory=list)
    aside: dict[str, tuple[float, str]] = field(default_factory=dict)
    """By what was called in another thread: CPU seconds, in which phase."""
    counted: int = 0
    spared_s: float = 0.0
    """In the garbage collector, by the callback that runs."""

    def __post_init__(self) -> None:
        self._main = threading.get_ident()
        self._running: float | None = None
        self._stacks: Counter[str] = Counter()
        self._over = threading.Event()

    def begin(self) -> None:
        run, self._began_gc = asyncio.events.Handle._run, 0.0

        def timed(handle: asyncio.events.Handle) -> None:
            task = getattr(handle._callback, "__self__", None)  # type: ignore[attr-defined]
            before = where(task)
            self.spared_s = 0.0
            self._stacks.clear()
            self._running = time.monotonic()
            began = time.thread_time()
            run(handle)
            cpu = time.thread_time() - began - self.spared_s
            self._running = None
            self.counted += 1
            if cpu > 0.004:
                name = task.get_name() if isinstance(task, asyncio.Task) else repr(handle._callback)[:90]  # type: ignore[attr-defined]
                deepest = " / ".join(f"{n}x {s}" for s, n in self._stacks.most_common(3))
                key = f"{name.split(' ')[0]}: {before} -> {where(task)}"
                kept = self.callbacks[key]
                kept.append((cpu, self.phase, deepest))
                kept.sort(reverse=True)
                del kept[3:]

        asyncio.events.Handle._run = timed  # type: ignore[method-assign, assignment]
        gc.callbacks.append(self._collected)
        threading.Thread(target=self._sample, daemon=True).start()
        for owner, name in ((json, "loads"), (json, "dumps")):
            setattr(owner, name, self._timed_aside(f"json.{name}", getattr(owner, name)))

    def end(self) -> None:
        self._over.set()

    def in_phase(self, phase: str) -> Iterator[list[tuple[float, str, str]]]:
        for kept in self.callbacks.values():
            if found := [one for one in kept if one[1] == phase]:
                yield found

    def _collected(self, phase: str, info: dict[str, int]) -> None:
        now = time.thread_time()
        if phase == "start":
            self._began_gc = now
        else:
            took = now - self._began_gc
            self.collections.append((took, info["generation"], self.phase))
            if threading.get_ident() == self._main:
                self.spared_s += took

    def _timed_aside(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(call)
        def timed(*args: Any, **named: Any) -> Any:
            if threading.get_ident() == self._main:
                return call(*args, **named)
            began = time.thread_time()
            found = call(*args, **named)
            took = time.thread_time() - began
            if took > 0.004:
                frame = sys._getframe(1)
                key = f"{name} in {_place(frame)} < {_place(frame.f_back)}"
                self.aside[key] = max(self.aside.get(key, (0.0, "")), (took, self.phase))
            return found

        return timed

    def _sample(self) -> None:
        """What the loop is at, where it is at it for long."""
        while not self._over.wait(0.003):
            since = self._running
            if since is not None and time.monotonic() - since > 0.004:
                frame = sys._current_frames().get(self._main)
                places: list[str] = []
                while frame is not None and len(places) < 4:
                    if "bench/longest" not in frame.f_code.co_filename:
                        places.append(_place(frame))
                    frame = frame.f_back
                self._stacks[" < ".join(places)] += 1

    def report(self) -> None:
        print(f"\n{self.counted:,} callbacks. The longest by CPU of the loop's thread, collections left out:")
        worst = sorted(((kept[0], key, kept) for key, kept in self.callbacks.items()), reverse=True)
        for (cpu, phase, deepest), key, _ in worst[: 3 * SHOWN]:
            print(f"  {1000 * cpu:6.1f} ms  [{phase}] {key}\n             {deepest[:400]}")
        print("Collections of garbage:")
        for took, generation, phase in sorted(self.collections, reverse=True)[:SHOWN]:
            print(f"  {1000 * took:6.1f} ms  generation {generation} [{phase}]")
        full = [took for took, generation, _ in self.collections if generation == 2]
        print(f"  {len(self.collections)} in all, {len(full)} full ones, {sum(t for t, *_ in self.collections):.2f} s")
        print("Calls into C of other threads:")
        for key, (took, phase) in sorted(self.aside.items(), key=lambda item: -item[1][0])[:SHOWN]:
            print(f"  {1000 * took:6.1f} ms  {key} [{phase}]")


def where(task: object) -> str:
    """Where a task stands: its innermost frames."""
    if not isinstance(task, asyncio.Task):
        return "-"
    places: list[str] = []
    coro: Any = task.get_coro()
    while coro is not None:
        frame = getattr(coro, "cr_frame", None) or getattr(coro, "gi_frame", None) or getattr(coro, "ag_frame", None)
        if frame is not None:
            places.append(_place(frame))
        coro = getattr(coro, "cr_await", None) or getattr(coro, "gi_yieldfrom", None) or getattr(coro, "ag_await", None)
    return " < ".join(list(reversed(places))[:4])


def _place(frame: FrameType | None) -> str:
    if frame is None:
        return "?"
    code = frame.f_code
    return f"{code.co_name}@{'/'.join(code.co_filename.split('/')[-2:])}:{frame.f_lineno}"


ROUTES = (
    "/", "/api/v1/site", "/api/v1/devices", "/api/v1/devices/{big}", "/api/v1/devices/{big}/history?hours=24",
    "/api/v1/devices/{big}/history?hours=3", "/api/v1/kpis", "/api/v1/incidents", "/api/v1/incidents?hours=17544",
    "/api/v1/agent", "/api/v1/topology", "/api/v1/now", "/api/v1/now?lang=it", "/metrics", "/device/{big}",
    "/device/{ap}", "/agent", "/api", "/api/v1/openapi.json", "/livez", "/readyz", "/nothing", "/?lang=it",
)  # fmt: skip


class Visitor:
    """Asks every route, from threads of its own; and holds event streams open."""

    def __init__(self, port: int, prefix: str = "") -> None:
        self._port, self.prefix = port, prefix
        self.took: dict[str, float] = {}
        self._over = False

    def once(self, path: str) -> int:
        path = path.format(big=f"{self.prefix}big-0", ap=f"{self.prefix}ap-0")
        began = time.monotonic()
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=120)
        connection.request("GET", path, headers={"Accept": "text/html"})
        answer = connection.getresponse()
        octets = len(answer.read())
        connection.close()
        self.took[path] = max(self.took.get(path, 0.0), time.monotonic() - began)
        if answer.status not in {200, 404}:
            print(f"{path}: {answer.status}")
        return octets

    def stay(self, path: str) -> None:
        """Read a stream until it ends."""

        def read() -> None:
            try:
                connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=None)
                connection.request("GET", path)
                answer = connection.getresponse()
                while not self._over and answer.read1(1 << 16):
                    pass
                connection.close()
            except OSError:
                pass

        threading.Thread(target=read, daemon=True).start()

    def leave(self) -> None:
        self._over = True


class Run:
    """One run of the agent."""

    def __init__(self, path: Path, clock: CpuClock, longest: Longest, port: int) -> None:
        self.path, self.clock, self.longest, self.port = path, clock, longest, port
        self.parts = Parts(engine=Wire)  # type: ignore[arg-type]
        self.parts.clock = clock
        self.agent = Agent(load([path], Overrides()), [path], Overrides(), self.parts)
        self.visitor = Visitor(port)

    async def start(self) -> None:
        self.task = asyncio.create_task(self.agent.run(), name="agent")
        while not (hasattr(self.parts, "core") and self.parts._resumed and self.parts.core.plan.devices):
            if self.task.done():
                self.task.result()
            await self.clock.advance(0.05)
            await asyncio.sleep(0.005)
        await self.advance(2)
        for path in ("/events?page=en", "/events?page=it", "/events"):
            self.visitor.stay(path)

    async def stop(self) -> None:
        self.visitor.leave()
        self.agent._stop.set()
        while not self.task.done():
            await self.clock.advance(0.1)
            await asyncio.sleep(0.005)
        self.task.result()

    async def advance(self, seconds: float) -> None:
        until = self.clock.monotonic() + seconds
        while (left := until - self.clock.monotonic()) > 0:
            await self.clock.advance(min(1.0, left))
            await self._quiet()

    async def to(self, utc: float) -> None:
        await self.advance(utc - self.clock.utc())

    async def restated(self) -> None:
        """The recomputation after a reload is over."""
        while any(task.get_name() == "restate" for task in asyncio.all_tasks()):
            await self.clock.advance(0.05)
            await asyncio.sleep(0.005)

    async def _quiet(self) -> None:
        """What waits for the disk or for a thread is done."""
        parts = self.parts
        await asyncio.sleep(0)
        waited = 0
        while parts.recorder.waiting or parts.folds.busy or parts.core.windows._busy.locked() or self._polling():
            await asyncio.sleep(0.002)
            waited += 1
            if waited % 20 == 0:
                await self.clock.advance(0.04)

    def _polling(self) -> bool:
        return len(self.parts.scheduler._running()) > 8

    async def ask(self) -> None:
        """Every route, one after the other, while the agent goes on."""
        for path in ROUTES:
            asking = asyncio.create_task(asyncio.to_thread(self.visitor.once, path), name="visitor")
            while not asking.done():
                await asyncio.sleep(0.002)
                await self.clock.advance(0.02)
            asking.result()


async def everything(site: Site, folder: Path, longest: Longest) -> None:
    """Everything that happens to an agent, in stages."""
    path, port = folder / "sonda.toml", free_port()
    path.write_text(settings(site, port))
    clock = CpuClock(BEGIN)
    run = Run(path, clock, longest, port)

    async def stage(name: str, *steps: Callable[[], Awaitable[object]]) -> None:
        longest.phase, began = name, time.monotonic()
        print(f"{datetime.fromtimestamp(clock.utc(), UTC):%H:%M:%S}  {name}", end="", flush=True)
        try:
            async with asyncio.timeout(STAGE_S):
                for step in steps:
                    await step()
        except TimeoutError:
            for task in asyncio.all_tasks():
                print(f"\n    {task.get_name()}: {where(task)}", end="")
            raise
        worst = max((kept[0][0] for kept in longest.in_phase(name)), default=0.0)
        print(f"  {time.monotonic() - began:.0f} s, {resident_mb():.0f} MB, at most {1000 * worst:.1f} ms", flush=True)

    async def again() -> None:
        nonlocal run
        run = Run(path, clock, longest, port)
        await run.start()

    async def jump() -> None:
        clock.step_wall(2400)
        await run.advance(330)

    async def planned() -> None:
        now = clock.utc()
        path.write_text(settings(site, port, planned=[(now - 3600, now - 3300)]))
        run.agent._reload.set()
        await run.advance(30)
        await run.restated()

    async def renewed() -> None:
        path.write_text(settings(site, port, new=True))
        run.agent._reload.set()
        while "new-switch-0" not in run.parts.core.monitor.tracks:
            await asyncio.sleep(0.01)
            await clock.advance(0.05)
        run.visitor.prefix = "new-"
        await run.advance(70)

    await stage("start", run.start)
    await stage("first polls", lambda: run.advance(70))
    await stage("page", run.ask)
    await stage("window close", lambda: run.to(MIDNIGHT - 590))
    await stage("page after a close", run.ask)
    await stage("stop", run.stop)
    clock.step_both(150)
    await stage("start after an absence", again)
    await stage("making up", lambda: run.to(MIDNIGHT - 290))
    await stage("up to midnight", lambda: run.to(MIDNIGHT - 2))
    await stage("hour, day and month end", lambda: run.to(MIDNIGHT + 90))
    await stage("page after midnight", run.ask)
    await stage("clock jump of 40 min", jump)
    await stage("late maintenance", planned)
    await stage("reload with new devices", renewed)
    await stage("page of new devices", run.ask)
    await stage("window close of new devices", lambda: run.advance(300))
    print("faults:", run.parts.boundary.document())
    await stage("last stop", run.stop)
    print("page, in seconds:", {path: round(took, 2) for path, took in run.visitor.took.items()})


def resident_mb() -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0


def free_port() -> int:
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        return int(made.getsockname()[1])


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    options.add_argument("--devices", type=int, default=1000)
    options.add_argument("--big", type=int, default=2)
    options.add_argument("--switches", type=int, default=60)
    given = options.parse_args()
    os.environ.setdefault(ENV, "public")
    site = Site(given.big, given.switches, given.devices // 5, given.devices // 20, given.devices // 50, given.devices)
    MadeUp.site = site
    vars(agent.parts).update(SnmpCollector=MadeUp, clock_trust=lambda _utc, _past: ClockTrust.SYNCHRONISED)
    longest = Longest()
    longest.begin()
    try:
        with tempfile.TemporaryDirectory() as folder:
            asyncio.run(everything(site, Path(folder), longest))
    finally:
        longest.end()
        longest.report()


if __name__ == "__main__":
    main()
