"""The ICMP engine against what really happened: the wire's log, and a packet capture."""

import asyncio
import contextlib
import statistics
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from functools import reduce
from pathlib import Path

import pytest

from collectors.clock import SystemClock
from collectors.icmp import EchoTarget, IcmpEngine, Mode
from kpi.echo import EchoAccumulator, EchoCounts, merge_echo
from kpi.model import Outcome, Sample
from tests.lab.capture import Capture
from tests.lab.network import Namespace, Network
from tests.lab.wire import Wire
from tests.programs import need_lab

pytestmark = pytest.mark.lab


class Kept:
    """Every sample, by target in the order of sending."""

    def __init__(self) -> None:
        self.samples: dict[str, list[Sample]] = defaultdict(list)
        self.lates = 0

    def take(self, sample: Sample) -> None:
        self.samples[sample.target].append(sample)

    def overdue(self, target: str, sent_at: float) -> None:
        pass

    def late(self, target: str, at: float) -> None:
        self.lates += 1

    def all(self) -> list[Sample]:
        return [sample for samples in self.samples.values() for sample in sorted(samples, key=lambda s: s.number)]


@contextlib.asynccontextmanager
async def engine_in(place: Namespace, sink: Kept) -> AsyncIterator[IcmpEngine]:
    place.ping_group_range()
    with contextlib.ExitStack() as stack:
        with place.inside():
            engine = stack.enter_context(IcmpEngine(SystemClock(), sink))
        assert engine.modes == {4: Mode.DATAGRAM, 6: Mode.DATAGRAM}
        running = asyncio.create_task(engine.run())
        yield engine
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


async def echo(engine: IcmpEngine, addresses: Sequence[str], *, rounds: int, every_s: float) -> None:
    """One echo a round to each, spread over the round, then the waiting time."""
    targets = [EchoTarget(address, address) for address in addresses]
    loop = asyncio.get_running_loop()
    began = loop.time()
    for number in range(rounds):
        for index, target in enumerate(targets):
            due = began + every_s * (number + index / len(targets))
            if due > loop.time():
                await asyncio.sleep(due - loop.time())
            engine.send(target)
    await asyncio.sleep(2.2)


def quantile(values: Sequence[float], q: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * q))]


def counted(samples: Sequence[Sample]) -> EchoCounts:
    counts = EchoAccumulator()
    for sample in samples:
        counts.add(sample)
    return counts.snapshot()


async def wire_truth(folder: Path, *, hosts: int, rounds: int, every_s: float) -> None:
    """20 ms one way, 4 ms of jitter, 7 % loss, both families: the engine's samples are the wire's log."""
    with Network() as network:
        probe, far = network.namespace("probe"), network.namespace("far")
        with Wire(network, probe, far, folder, delay_ms=20, jitter_ms=4, hosts=hosts) as wire:
            wire.set(["ab"], loss_percent=7)
            sink = Kept()
            addresses = [*wire.hosts, *wire.hosts6]
            async with engine_in(probe, sink) as engine:
                await echo(engine, addresses, rounds=rounds, every_s=every_s)
            trips = await asyncio.to_thread(wire.trips)
    by_target = defaultdict(list)
    for trip in trips:
        by_target[trip.request.target].append(trip)
    assert set(by_target) == set(sink.samples) == set(addresses)
    apart: list[float] = []
    for address in addresses:
        samples = sorted(sink.samples[address], key=lambda sample: sample.number)
        assert len(samples) == len(by_target[address]) == rounds
        for sample, trip in zip(samples, by_target[address], strict=True):
            assert (sample.outcome is Outcome.NO_REPLY) == trip.lost
            assert sample.outcome in (Outcome.OK, Outcome.NO_REPLY)
            if isinstance(sample.value, float) and trip.rtt_ms is not None:
                apart.append(sample.value - trip.rtt_ms)
    truth = [trip.rtt_ms for trip in trips if trip.rtt_ms is not None]
    summary = reduce(merge_echo, map(counted, sink.samples.values()))
    assert (summary.sent, summary.lost) == (len(trips), len(trips) - len(truth))
    assert 0.02 < summary.lost / summary.sent < 0.14
    for q in (0.5, 0.95):
        true, measured = quantile(truth, q), summary.rtt_ms(q)
        assert measured is not None
        assert abs(measured - true) <= 0.01 * true + 0.3
    print(
        f"{len(trips)} echoes, {summary.lost} lost; engine minus wire: median {statistics.median(apart) * 1e3:.0f} us, "
        f"99th percentile {quantile(apart, 0.99) * 1e3:.0f} us"
    )
    assert statistics.median(apart) < 0.3


async def test_every_echo_over_a_lossy_wire_is_told_as_it_was(tmp_path: Path) -> None:
    need_lab()
    await wire_truth(tmp_path, hosts=5, rounds=30, every_s=0.15)


@pytest.mark.long
@pytest.mark.timeout(200)
async def test_the_same_for_two_minutes(tmp_path: Path) -> None:
    need_lab()
    await wire_truth(tmp_path, hosts=10, rounds=120, every_s=1)


async def test_round_trips_are_those_of_a_capture() -> None:
    need_lab()
    with Network() as network:
        place = network.namespace("self")
        addresses = [f"127.0.{1 + n // 250}.{1 + n % 250}" for n in range(250)]
        sink = Kept()
        with Capture(place, "lo", quiet=True) as capture:
            async with engine_in(place, sink) as engine:
                await echo(engine, addresses, rounds=4, every_s=0.5)
    assert capture.dropped == 0
    assert [s.outcome for s in sink.all()] == [Outcome.OK] * 1000
    captured: dict[str, list[float]] = defaultdict(list)
    for trip in capture.trips():
        assert trip.rtt_ms is not None
        captured[trip.request.target].append(trip.rtt_ms)
    apart = []
    for address in addresses:
        samples = sorted(sink.samples[address], key=lambda sample: sample.number)
        for sample, seen in zip(samples, captured[address], strict=True):
            assert isinstance(sample.value, float)
            apart.append(sample.value - seen)
    median, tail = statistics.median(apart), quantile(apart, 0.99)
    print(f"engine minus capture on loopback: median {median * 1e3:.0f} us, 99th percentile {tail * 1e3:.0f} us")
    assert 0 <= median < 0.03
    assert tail < 0.3
