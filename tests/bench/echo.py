"""CPU an echo, ours against fping: the same targets, rate and count, alternating on the same machine.

``python -m tests.bench.echo [--seconds 10] [--rounds 3] [--targets 500]``

Ours is the CPU of this process (user and system, all threads) from the first send to the last answer; fping's that of
its whole process. What the kernel does on the loopback for a send is charged to whoever sends, for both alike. As
root both run in a namespace of their own, so that no other program's echoes cost either of them anything.
"""

import argparse
import asyncio
import contextlib
import os
import resource
import statistics
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from collectors.clock import SystemClock
from collectors.icmp import EchoSink, EchoTarget, IcmpEngine
from kpi.model import Outcome, Sample
from tests.lab.network import Network

SLOT_S = 0.02
"""As agent/scheduler.py: sends share wake-ups of 20 ms."""
FPING_SPACING_MS = 1
"""fping -i: at its default of 10 ms it would not reach 500 targets a second."""

SinkMaker = Callable[["Count"], AbstractAsyncContextManager[EchoSink]]


class Count:
    """Counts ends and does nothing else with them."""

    def __init__(self) -> None:
        self.ended = 0
        self.answered = 0

    def take(self, sample: Sample) -> None:
        self.ended += 1
        if sample.outcome is Outcome.OK:
            self.answered += 1

    def overdue(self, target: str, sent_at: float) -> None:
        pass

    def late(self, target: str, at: float) -> None:
        pass


@contextlib.asynccontextmanager
async def no_op(count: Count) -> AsyncIterator[EchoSink]:
    """The sink that stores nothing: the engine alone."""
    yield count


@dataclass(frozen=True, slots=True)
class EchoCost:
    """Microseconds of CPU an echo, medians over the rounds, and ours over fping's."""

    ours_us: float
    fping_us: float
    ratio: float
    ours_rounds: tuple[float, ...]
    fping_rounds: tuple[float, ...]
    echoes: int
    """Sent by each in a round."""
    ours_lost: int
    fping_lost: int
    """Over all rounds; anything but 0 makes the figures worthless."""
    mode: str


async def drive(engine: IcmpEngine, targets: Sequence[EchoTarget], seconds: int) -> None:
    """One echo a second to each target, spread evenly over slots of 20 ms."""
    loop = asyncio.get_running_loop()
    slots = round(1 / SLOT_S)
    shares = [targets[slot::slots] for slot in range(slots)]
    start = (loop.time() // SLOT_S + 1) * SLOT_S
    for tick in range(seconds * slots):
        await asyncio.sleep(max(0.0, start + tick * SLOT_S - loop.time()))
        for target in shares[tick % slots]:
            engine.send(target)


def loopback_addresses(count: int) -> list[str]:
    return [f"127.1.{1 + i // 250}.{1 + i % 250}" for i in range(count)]


async def ours(addresses: Sequence[str], seconds: int, sink: SinkMaker = no_op) -> tuple[float, int, str]:
    """CPU seconds, answers and the socket's mode of one run. A sink of the caller's passes samples on to the count."""
    targets = [EchoTarget(f"target-{i}", address) for i, address in enumerate(addresses)]
    count = Count()
    async with sink(count) as taker:
        with IcmpEngine(SystemClock(), taker) as engine:
            running = asyncio.create_task(engine.run())
            await asyncio.sleep(0)
            before = time.process_time()
            await drive(engine, targets, seconds)
            async with asyncio.timeout(4):
                while count.ended < len(targets) * seconds:  # noqa: ASYNC110 - an Event would cost what is measured
                    await asyncio.sleep(0.01)
            spent = time.process_time() - before
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running
            return spent, count.answered, engine.modes[4]


def fping(addresses: Sequence[str], seconds: int) -> tuple[float, int]:
    """CPU seconds and answers of one run of fping."""
    command = ["fping", "-q", "-C", str(seconds), "-p", "1000", "-i", str(FPING_SPACING_MS), *addresses]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    trips = [word for line in done.stderr.splitlines() if " : " in line for word in line.split(" : ")[1].split()]
    return spent, sum(word != "-" for word in trips)


@contextlib.contextmanager
def quiet_place() -> Iterator[None]:
    """A namespace with nothing but a loopback, where we may make one."""
    if os.geteuid() != 0:
        yield
        return
    with Network() as network:
        place = network.namespace("bench")
        place.ping_group_range()
        with place.inside():
            yield


def bench(seconds: int = 10, *, rounds: int = 3, targets: int = 500, sink: SinkMaker = no_op) -> EchoCost:
    """Run both in turn, ``rounds`` times. Blocks; not for a running loop."""
    addresses = loopback_addresses(targets)
    echoes = targets * seconds
    ours_us, fping_us, ours_lost, fping_lost, mode = [], [], 0, 0, ""
    with quiet_place():
        for _ in range(rounds):
            spent, answered, mode = asyncio.run(ours(addresses, seconds, sink))
            ours_us.append(spent / echoes * 1e6)
            ours_lost += echoes - answered
            spent, answered = fping(addresses, seconds)
            fping_us.append(spent / echoes * 1e6)
            fping_lost += echoes - answered
    a, b = statistics.median(ours_us), statistics.median(fping_us)
    return EchoCost(a, b, a / b, tuple(ours_us), tuple(fping_us), echoes, ours_lost, fping_lost, mode)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--targets", type=int, default=500)
    given = parser.parse_args()
    found = bench(given.seconds, rounds=given.rounds, targets=given.targets)
    print(f"CPU an echo, {given.targets} loopback targets at 1 Hz, {given.seconds} s, median of {given.rounds} rounds")
    print(f"  ours ({found.mode} socket) {found.ours_us:6.1f} us   lost {found.ours_lost}")
    print(f"  fping                  {found.fping_us:6.1f} us   lost {found.fping_lost}")
    print(f"  ratio                  {found.ratio:6.2f}      budget <= 4, aim 2 (with KPI and storing)")


if __name__ == "__main__":
    main()
