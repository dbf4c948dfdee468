"""The simulated wire: an echo engine that sends nothing. Each echo's fate is drawn when it is sent, and told when it
is due, on a grid of 40 ms like the real engine's; the round trip is the one drawn, to the nanosecond.

What is drawn depends on the seed, the target and the running number of the echo alone.
"""

import heapq
import itertools
import math
import random
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from agent.demo.site import Line, Simulated
from collectors.clock import Clock
from collectors.icmp.echo import WAIT_NS, EchoCounters, EchoSink, EchoTarget, Mode
from kpi.model import Metric, Outcome, Sample

SWEEP_S = 0.04
WAIT_S = WAIT_NS / 1e9
SPIKE = 5.0
"""A spike adds up to so many medians."""
HICCUP_LOSS = 0.2
HICCUP_MS = (20.0, 140.0)


def draw(line: Line, t: float, chance: random.Random) -> float | None:
    """The round trip in ms of one echo sent at ``t``, None where it is lost. Always takes five draws."""
    lost, spike, height, bump = (chance.random() for _ in range(4))
    bent = math.exp(line.spread * chance.gauss())
    hiccup = line.hiccup is not None and line.hiccup.active(t)
    if lost < (HICCUP_LOSS if hiccup else line.loss):
        return None
    delay = line.median_ms * (1.0 + sum(wave.at(t) for wave in line.waves)) * bent
    if spike < line.spike:
        delay += line.median_ms * SPIKE * height
    if hiccup:
        delay += HICCUP_MS[0] + (HICCUP_MS[1] - HICCUP_MS[0]) * bump
    return delay


class _Peer:
    """What is kept of one target."""

    __slots__ = ("chance", "confirms", "device", "echoes")

    def __init__(self, device: Simulated | None, seed: str) -> None:
        self.device = device
        self.chance = random.Random(seed)  # noqa: S311 - a simulation, not secrets
        self.echoes = self.confirms = 0


class SimulatedWire:
    """Implements collectors.icmp.echo.EchoEngine. ``began`` is the monotonic second of the demo's beginning."""

    def __init__(
        self, clock: Clock, sink: EchoSink, devices: Mapping[str, Simulated], *, seed: int, began: float
    ) -> None:
        """``devices`` by address; whoever is not among them never answers."""
        self._clock = clock
        self._sink = sink
        self._devices = devices
        self._seed = seed
        self._began = began
        self._peers: dict[str, _Peer] = {}
        self._due: list[tuple[float, int, str, Sample]] = []
        """(when to tell, order, what, the sample)."""
        self._order = itertools.count()
        self._counters = EchoCounters()
        self.heard: set[str] = set()
        """Addresses that have answered."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._due.clear()

    @property
    def modes(self) -> Mapping[int, Mode]:
        """Simulated in both families."""
        return {4: Mode.SIMULATED, 6: Mode.SIMULATED}

    @property
    def counters(self) -> EchoCounters:
        """What happened since the start."""
        return self._counters

    def forget(self, target: str) -> None:
        """Drop what is kept of a target."""
        self._peers.pop(target, None)

    def send(self, target: EchoTarget, *, confirm: bool = False) -> None:
        """Draw the fate of one echo."""
        peer = self._peers.get(target.id)
        if peer is None:
            peer = _Peer(self._devices.get(target.address), f"{self._seed}/{target.id}")
            self._peers[target.id] = peer
        number = peer.confirms if confirm else peer.echoes
        peer.confirms += confirm
        peer.echoes += not confirm
        at = self._clock.monotonic()
        t, device = at - self._began, peer.device
        rtt_ms = draw(device.line, t, peer.chance) if device is not None else None
        if device is None or not device.answers(t):
            rtt_ms = None
        metric = Metric.CONFIRM if confirm else Metric.ECHO
        arrives = math.inf if rtt_ms is None else at + rtt_ms / 1000.0
        self._counters.sent += 1
        if not confirm and arrives > at + target.patience_ms / 1000.0:
            overdue = Sample(target.id, metric, "", at, None, Outcome.NO_REPLY, None, number)
            self._tell(at + target.patience_ms / 1000.0, "overdue", overdue)
        if arrives <= at + WAIT_S:
            self._tell(arrives, target.address, Sample(target.id, metric, "", at, rtt_ms, Outcome.OK, None, number))
            return
        self._tell(at + WAIT_S, "lost", Sample(target.id, metric, "", at, None, Outcome.NO_REPLY, "timeout", number))
        if rtt_ms is not None:
            self._tell(arrives, "late", Sample(target.id, metric, "", arrives, None, Outcome.OK, None, number))

    def _tell(self, when: float, what: str, sample: Sample) -> None:
        heapq.heappush(self._due, (when, next(self._order), what, sample))

    async def run(self) -> None:
        """Tell what is due every 40 ms, until cancelled."""
        while True:
            await self._clock.sleep(SWEEP_S - self._clock.monotonic() % SWEEP_S)
            self.sweep()

    def sweep(self) -> None:
        """Tell what is due by now."""
        now, due, sink, counters = self._clock.monotonic(), self._due, self._sink, self._counters
        while due and due[0][0] <= now:
            _, _, what, sample = heapq.heappop(due)
            if what == "overdue":
                sink.overdue(sample.target, sample.at)
            elif what == "late":
                counters.late += 1
                sink.late(sample.target, sample.at)
            else:
                if sample.outcome is Outcome.OK:
                    counters.answered += 1
                    self.heard.add(what)
                sink.take(sample)
