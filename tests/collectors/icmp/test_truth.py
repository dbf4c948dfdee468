"""The engine against a packet capture taken in the same run, and against an independent implementation."""

import asyncio
import contextlib
import statistics
from collections.abc import Iterator
from pathlib import Path

import icmplib
import pytest

from collectors.clock import SystemClock
from collectors.icmp import EchoTarget, IcmpEngine, Mode
from kpi.model import Outcome
from tests.bench.echo import drive, loopback_addresses
from tests.collectors.icmp.fakes import Sink
from tests.lab.capture import Capture
from tests.lab.network import Namespace, Network
from tests.lab.wire import Wire
from tests.programs import need_lab

pytestmark = pytest.mark.lab


@pytest.fixture
def network() -> Iterator[Network]:
    need_lab()
    with Network() as made:
        yield made


async def measured(place: Namespace, addresses: list[str], seconds: int, mode: Mode) -> tuple[Sink, IcmpEngine]:
    """One echo a second to each address, from a socket of that namespace."""
    sink = Sink()
    with place.inside():
        opened = IcmpEngine(SystemClock(), sink).__enter__()
    with contextlib.closing(_Leave(opened)):
        assert opened.modes == {4: mode, 6: mode}
        running = asyncio.create_task(opened.run())
        await asyncio.sleep(0)
        await drive(opened, [EchoTarget(address, address) for address in addresses], seconds)
        await asyncio.sleep(2.1)
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
    return sink, opened


class _Leave:
    def __init__(self, engine: IcmpEngine) -> None:
        self.close = lambda: engine.__exit__(None, None, None)


@pytest.mark.parametrize(("mode", "seconds"), [(Mode.DATAGRAM, 10), (Mode.RAW, 4)])
async def test_500_loopback_targets_lose_nothing_and_agree_with_the_capture(
    network: Network, mode: Mode, seconds: int
) -> None:
    place = network.namespace("lo")
    if mode is Mode.DATAGRAM:
        place.ping_group_range()
    addresses = loopback_addresses(500)
    with Capture(place, "lo") as capture:
        sink, engine = await measured(place, addresses, seconds, mode)
    assert capture.dropped == 0
    assert len(sink.samples) == 500 * seconds
    assert {(s.outcome, s.reason) for s in sink.samples} == {(Outcome.OK, None)}
    counters = engine.counters
    assert counters.sent == counters.answered == 500 * seconds
    assert (counters.dropped, counters.duplicates, counters.forged, counters.unstamped) == (0, 0, 0, 0)

    truth: dict[str, list[float]] = {}
    for trip in capture.trips():
        assert trip.rtt_ms is not None
        truth.setdefault(trip.request.target, []).append(trip.rtt_ms)
    off_us = []
    for sample in sink.samples:
        assert isinstance(sample.value, float)
        off_us.append((sample.value - truth[sample.target][sample.number]) * 1e3)
    assert sum(len(trips) for trips in truth.values()) == len(sink.samples)
    off_us.sort()
    median, p99 = statistics.median(off_us), off_us[len(off_us) * 99 // 100]
    print(f"{mode}: engine - capture: median {median:.1f} us, p99 {p99:.1f} us, most {off_us[-1]:.1f} us")
    assert 0 <= median <= 30
    assert p99 <= 300


async def test_a_wire_of_known_loss_and_delay(network: Network, tmp_path: Path) -> None:
    """Every echo's end is the one that the wire's log has: lost there is lost here, and its delay is the round trip."""
    probe, far = network.namespace("probe"), network.namespace("far")
    probe.ping_group_range()
    with Wire(network, probe, far, tmp_path, delay_ms=12, jitter_ms=3, loss_percent=8, hosts=40) as wire:
        sink, engine = await measured(probe, [*wire.hosts, *wire.hosts6], 6, Mode.DATAGRAM)
        trips = wire.trips()
    assert len(trips) == len(sink.samples) == 80 * 6
    told = {(s.target, s.number): s for s in sink.samples}
    numbers: dict[str, int] = {}
    lost, off_us = 0, []
    for trip in trips:
        target = trip.request.target
        number = numbers[target] = numbers.get(target, -1) + 1
        sample = told[target, number]
        assert (sample.outcome is Outcome.NO_REPLY) == trip.lost
        lost += trip.lost
        if isinstance(sample.value, float):
            assert trip.rtt_ms is not None
            off_us.append((sample.value - trip.rtt_ms) * 1e3)
    assert lost > 20
    assert engine.counters.faults == {}
    off_us.sort()
    print(f"engine - wire: median {statistics.median(off_us):.0f} us, {lost} of {len(trips)} lost by both")
    assert abs(statistics.median(off_us)) < 300  # the relay's own user-space stamps lie within the path


async def test_icmplib_agrees(network: Network, tmp_path: Path) -> None:
    """A second opinion: the same far end, the same delay, both see the same round trip and who is dead."""
    probe, far = network.namespace("probe"), network.namespace("far")
    probe.ping_group_range()
    with Wire(network, probe, far, tmp_path, delay_ms=15, hosts=1) as wire:
        dead = wire.far.rsplit(".", 1)[0] + ".99"
        sink, _ = await measured(probe, [wire.far, wire.far6, dead], 3, Mode.DATAGRAM)

        def ask(address: str) -> icmplib.Host:
            with probe.inside():
                return icmplib.ping(address, count=3, interval=0.1, timeout=0.5, privileged=False)

        for address in (wire.far, wire.far6, dead):
            theirs = await asyncio.to_thread(ask, address)
            ours = [s.value for s in sink.samples if s.target == address and isinstance(s.value, float)]
            assert theirs.packets_received == len(ours) == (0 if address == dead else 3)
            if ours:
                assert min(ours) == pytest.approx(theirs.min_rtt, abs=2)
                assert min(ours) >= 30
