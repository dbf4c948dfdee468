"""Bytes written to disk a day, and bytes held, for the site of agent/README.md: 200 devices, 100 with 48 ports.

``python -m tests.bench.store [--days 1] [--active 30] [--directory DIR]``

A day's commits, one after the other, on a clock that stands still in between: each minute the echo windows of 200
devices (half of them at one echo a second, the rest one in ten); every five minutes the merged echo, state and restart
windows, 100 port windows, the last counter readings, a summary message a device and one of the site, with delivery
marks for groups of 50; every hour the folded windows and the ports' messages. Payloads come from the accumulators
and serialisers of ``kpi``, fed with made-up samples; ``--active`` of the 48 ports of a switch carry traffic. Bytes are
``write_bytes`` of /proc/self/io: what reached the block layer, the write-ahead log and its copying included.
"""

import argparse
import asyncio
import json
import random
import resource
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.messages import MessageDraft
from agent.store import Batch, CountersRow, Store, StoreSettings, WindowRow
from kpi.counters import UptimeTracker
from kpi.echo import EchoAccumulator, EchoCounts, merge_echo
from kpi.model import Metric, Outcome, PortCounters, PortIdentity, PortStatus, Sample
from kpi.port_counts import PortCounts, merge_ports, ports_window_to_plain
from kpi.ports import PortAccumulator
from kpi.states import StateSeconds
from tests.doubles import ManualClock

DEVICES, SWITCHES, PORTS = 200, 100, 48
ROUNDS = 24
"""Different values a device has before they repeat: two hours of five-minute windows, far beyond what the packing looks
back to."""
DAY_MINUTES = 1440
START = 1_700_006_400  # midnight UTC


@dataclass(slots=True)
class Payloads:
    """What one device says, by round; made once, so that the day's run shows the store alone."""

    echo: list[list[Any]]
    merged: list[list[Any]]
    ports: list[dict[str, Any]]
    hour: dict[str, Any] | None
    readings: list[dict[str, Any]]
    summary: list[dict[str, Any]]
    port_summary: dict[str, Any] | None


def payloads(number: int, active: int, chance: random.Random) -> Payloads:
    made = Payloads([], [], [], None, [], [], None)
    counts = list(_echo(chance.choice((0.3, 1.0, 8.0, 25.0)), 60 if number % 2 else 6, 5 * ROUNDS, chance))
    made.echo = [count.to_plain() for count in counts]
    for n in range(0, len(counts), 5):
        whole = counts[n]
        for count in counts[n + 1 : n + 5]:
            whole = merge_echo(whole, count)
        made.merged.append(whole.to_plain())
        made.summary.append(_summary(whole, chance))
    if number < SWITCHES:
        _ports(made, active, chance)
    return made


def _echo(base_ms: float, echoes: int, windows: int, chance: random.Random) -> Iterator[EchoCounts]:
    accumulator, before, number = EchoAccumulator(), None, 0
    for window in range(windows):
        for n in range(echoes):
            number += 1
            lost = chance.random() < 0.0005
            rtt_ms = round(base_ms * chance.lognormvariate(0, 0.15), 6)
            at = 60.0 * window + n
            value, outcome = (None, Outcome.NO_REPLY) if lost else (rtt_ms, Outcome.OK)
            accumulator.add(Sample("d", Metric.ECHO, "", at, value, outcome, "timeout" if lost else None, number))
        before = accumulator.snapshot(before)
        accumulator = EchoAccumulator()
        yield before


def _summary(counts: EchoCounts, chance: random.Random) -> dict[str, Any]:
    """A device's summary as agent/README.md has it, about 1.2 kB."""
    rtt = {f"p{q}_ms": counts.rtt_ms(q / 100) for q in (50, 95)}
    figure: dict[str, Any] = {"null_reason": None, "n": counts.sent, "status": "good", "flags": []}
    figures = [
        {"kpi": "rtt_ms", "value": rtt["p95_ms"], **figure, "parts": {"min_ms": counts.rtt_ms(0.0), **rtt}},
        {"kpi": "loss_ratio", "value": 100 * counts.lost / counts.sent, **figure, "parts": {"lost": counts.lost}},
        {
            "kpi": "jitter_ms",
            "value": round(chance.random(), 3),
            **figure,
            "parts": {"pdv_ms": round(chance.random(), 3)},
        },
        {"kpi": "availability_pct", "value": 100.0, **figure, "parts": {"low_pct": 100.0, "high_pct": 100.0}},
        {"kpi": "monitoring_coverage_pct", "value": 100.0, **figure, "parts": {}},
        {"kpi": "reboots", "value": 0, **figure, "parts": {}},
    ]
    return {
        "window": {"start": "2023-11-15T00:00:00Z", "length_s": 300},
        "revision": 0,
        "final": True,
        "coverage": 1.0,
        "figures": figures,
        "sketches": {"rtt_ms": list(counts.sketch.to_plain())},
    }


def _ports(made: Payloads, active: int, chance: random.Random) -> None:
    uptime = UptimeTracker()
    ports = []
    for index in range(PORTS):
        name = f"GigabitEthernet1/0/{index + 1}"
        identity = PortIdentity(name, index + 1, name, name, "", 6, 1500, 10**9, f"00:11:22:33:44:{index:02x}")
        ports.append(PortAccumulator(identity, uptime, 0.0, 300.0))
    octets = [[chance.randrange(10**13) if index < active else 0 for index in range(PORTS)] for _ in range(2)]
    busy = [chance.lognormvariate(16, 2) for _ in range(PORTS)]
    total: dict[str, PortCounts] = {}
    for poll in range(ROUNDS + 1):
        for index, port in enumerate(ports):
            for way in octets:
                way[index] += int(busy[index] * chance.lognormvariate(0, 0.7)) if index < active else 0
            at = 300.0 * poll + 150.0 + index / 1000
            port.take_status(at, PortStatus("up", "up" if index < active else "down", 4000, int(at * 100)))
            port.take_counters(at, _counters(octets[0][index], octets[1][index], at))
        made.readings.append({"ports": {port.identity.key: _reading(port) for port in ports}})
        closed = {port.identity.key: port.close(300.0 * (poll + 1)) for port in ports}
        made.ports.append(ports_window_to_plain(closed))
        if poll < 12:
            total = {key: merge_ports(total[key], count) for key, count in closed.items()} if total else closed
    del made.ports[0], made.readings[0]
    made.hour = ports_window_to_plain(total)
    made.port_summary = {
        "window": {"start": "2023-11-15T00:00:00Z", "length_s": 3600},
        "ports": [
            {"port": key, "if_in_bps": c.in_octets * 8 // 3600, "if_out_bps": c.out_octets * 8 // 3600,
             "if_util_pct": round(c.in_max_bps / 1e7, 3), "p95_rate_bps": c.in_max_bps, "if_error_pct": 0.0,
             "if_discard_pct": 0.0, "link_flap": c.transitions, "status": "good"}
            for key, c in total.items()
        ],
    }  # fmt: skip


def _counters(octets_in: int, octets_out: int, at: float) -> PortCounters:
    return PortCounters(
        uptime_cs=int(at * 100),
        discontinuity_cs=0,
        octet_bits=64,
        packet_bits=64,
        in_octets=octets_in,
        out_octets=octets_out,
        in_unicast=octets_in // 711,
        out_unicast=octets_out // 843,
        in_multicast=octets_in // 90_001,
        out_multicast=octets_out // 70_003,
        in_broadcast=octets_in // 300_007,
        out_broadcast=octets_out // 500_009,
        in_errors=0,
        out_errors=0,
        in_discards=0,
        out_discards=0,
    )


def _reading(port: PortAccumulator) -> list[Any]:
    reading = port.last_reading()
    assert reading is not None
    return reading.to_plain()


class Site:
    """Commits what the agent would commit, minute by minute."""

    def __init__(self, active: int) -> None:
        chance = random.Random(1)
        self.devices = [(f"d{n:05x}", payloads(n, active, chance)) for n in range(DEVICES)]
        self.states = StateSeconds(up_ms=300_000, checks=300).to_plain()

    async def minute(self, store: Store, number: int) -> None:
        start = START + 60 * number
        mono = 1000.0 + 60 * number
        rows = [
            WindowRow(name, "echo", 60, "boot-1", mono, start, said.echo[number % len(said.echo)])
            for name, said in self.devices
        ]
        await store.commit(Batch(windows=rows, counters=[CountersRow("alive", "boot-1", mono, float(start), {})]))
        if number % 5 == 4:
            await self.five(store, number // 5, mono)
        if number % 60 == 59:
            await self.hour(store, number // 60)

    async def five(self, store: Store, number: int, mono: float) -> None:
        start, turn = START + 300 * number, number % ROUNDS
        rows, counters, drafts = [], [], []
        for name, said in self.devices:
            rows.append(WindowRow(name, "state", 300, "boot-1", mono, start, self.states))
            rows.append(WindowRow(name, "echo", 300, "boot-1", mono, start, said.merged[turn]))
            drafts.append(MessageDraft(f"summary/device/{name}", "sonda.summary.device.v1", said.summary[turn]))
            if said.ports:
                rows.append(WindowRow(name, "ports", 300, "boot-1", mono, start, said.ports[turn]))
                rows.append(WindowRow(name, "restarts", 300, "boot-1", mono, start, [1, 0, 1]))
                counters.append(CountersRow(name, "boot-1", mono, float(start), said.readings[turn]))
        drafts.append(MessageDraft("summary/site", "sonda.summary.site.v1", self.devices[0][1].summary[turn]))
        await self.sent(store, Batch(windows=rows, counters=counters, drafts=drafts))

    async def hour(self, store: Store, number: int) -> None:
        start = START + 3600 * number
        rows, drafts = [], []
        for name, said in self.devices:
            rows.append(WindowRow(name, "state", 3600, "", 0.0, start, self.states))
            rows.append(WindowRow(name, "echo", 3600, "", 0.0, start, said.merged[0]))
            if said.hour and said.port_summary:
                rows.append(WindowRow(name, "ports", 3600, "", 0.0, start, said.hour))
                drafts.append(MessageDraft(f"summary/ports/{name}", "sonda.summary.ports.v1", said.port_summary))
        await self.sent(store, Batch(windows=rows, drafts=drafts))

    @staticmethod
    async def sent(store: Store, batch: Batch) -> None:
        done = await store.commit(batch)
        assert done.first_seq is not None and done.last_seq is not None
        numbers: Sequence[int] = range(done.first_seq, done.last_seq + 1)
        for n in range(0, len(numbers), 50):
            await store.acknowledge(numbers[n : n + 50])


def written() -> int:
    """write_bytes of this process so far."""
    lines = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(lines["write_bytes"])


async def run(directory: Path, days: int, minutes: int, active: int) -> list[dict[str, float]]:
    """A row of figures a day."""
    site = Site(active)
    clock = ManualClock(utc=float(START))
    settings = StoreSettings(ack_linger_s=0.0)
    table = []
    async with Store.open(directory / "sonda.db", settings, clock, probe_id="bench", boot_id="boot-1") as store:
        for day in range(days):
            before, cpu = written(), resource.getrusage(resource.RUSAGE_SELF)
            for number in range(day * DAY_MINUTES, day * DAY_MINUTES + minutes):
                await clock.advance(60)
                await site.minute(store, number)
            await store._writer.do(lambda side: side._checkpoint())  # what the log still holds is written twice, too
            after = resource.getrusage(resource.RUSAGE_SELF)
            report = await store.report()
            scale = DAY_MINUTES / minutes
            table.append({
                "day": day + 1,
                "written_mb_a_day": round((written() - before) * scale / 1e6, 1),
                "file_mb": round(report.bytes_file / 1e6, 1),
                "cpu_s_a_day": round(
                    (after.ru_utime + after.ru_stime - cpu.ru_utime - cpu.ru_stime) * scale, 1
                ),
            })  # fmt: skip
            held = {kind.kind: round(kind.bytes / 1e6, 1) for kind in report.held if kind.rows}
            table[-1] |= {f"{kind} MB": mb for kind, mb in held.items()}
    return table


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    options.add_argument("--days", type=int, default=1)
    options.add_argument("--minutes", type=int, default=DAY_MINUTES, help="of each day that are run")
    options.add_argument("--active", type=int, default=30, help="of the 48 ports of each switch")
    options.add_argument("--directory", type=Path, default=None, help="on the disk to write to")
    given = options.parse_args()
    with tempfile.TemporaryDirectory(dir=given.directory) as directory:
        for row in asyncio.run(run(Path(directory), given.days, given.minutes, given.active)):
            print(json.dumps(row))
    print("must: 400 MB written a day, aim: 200 MB")


if __name__ == "__main__":
    main()
