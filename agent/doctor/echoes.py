"""A handful of echoes to many addresses at once, by the engine that measures."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from collectors.clock import Clock
from collectors.icmp import EchoEngine, EchoTarget
from kpi.model import Outcome, Sample

COUNT = 5
GAP_S = 0.2
LAST_S = 2.2
"""The engine's waiting time of 2 s, and a little."""
AGAIN_S = 0.8
"""Who is silent so long after the last echo is sent another one. The kernel gives up looking for a neighbour after 3 s;
only who is waited for then is told so, "host unreachable"."""


@dataclass(slots=True)
class Ends:
    """How the echoes to one address ended."""

    rtts_ms: list[float] = field(default_factory=list)
    lost: Counter[str] = field(default_factory=Counter)
    """By reason."""
    faults: Counter[str] = field(default_factory=Counter)
    """Our own, by reason."""
    tcp: bool = False
    """It was asked by TCP connect, for want of permission."""

    @property
    def answered(self) -> int:
        return len(self.rtts_ms)

    @property
    def total(self) -> int:
        return self.answered + self.lost.total() + self.faults.total()

    @property
    def best_ms(self) -> float:
        """Of an address that answered."""
        return min(self.rtts_ms)


class Ledger:
    """The engine's sink: keeps how each echo ended."""

    def __init__(self) -> None:
        self.ends: dict[str, Ends] = {}
        self._changed = asyncio.Event()

    def take(self, sample: Sample) -> None:
        ends = self.of(sample.target)
        ends.tcp |= (sample.reason or "").startswith("tcp")
        if sample.outcome is Outcome.OK and isinstance(sample.value, float):
            ends.rtts_ms.append(sample.value)
        elif sample.outcome is Outcome.NO_REPLY:
            ends.lost[sample.reason or "timeout"] += 1
        else:
            ends.faults[sample.reason or "unknown"] += 1
        self._changed.set()

    def overdue(self, target: str, sent_at: float) -> None:
        """Waited for to its end."""

    def late(self, target: str, at: float) -> None:
        """As lost as any."""

    async def complete(self, addresses: Mapping[str, str], each: int, limit_s: float) -> None:
        """Until so many echoes to each of them have ended, or the limit."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                while any(self.of(name).total < each for name in addresses):
                    self._changed.clear()
                    await self._changed.wait()

    def of(self, target: str) -> Ends:
        return self.ends.setdefault(target, Ends())


async def survey(
    engine: EchoEngine, ledger: Ledger, addresses: Mapping[str, str], clock: Clock, *, count: int = COUNT
) -> Mapping[str, Ends]:
    """How ``count`` echoes to each address (numeric, by target) ended. Takes 0.8 s where all answer, 4 s otherwise."""
    running = asyncio.create_task(engine.run(), name="doctor echoes")
    try:
        await clock.sleep(0)  # the engine watches its sockets from here on
        for number in range(count):
            if number:
                await clock.sleep(GAP_S)
            for name, address in addresses.items():
                engine.send(EchoTarget(name, address))
        await ledger.complete(addresses, count, AGAIN_S)
        silent = {name: address for name, address in addresses.items() if not ledger.of(name).total}
        for name, address in silent.items():
            engine.send(EchoTarget(name, address))
        await ledger.complete(silent, count + 1, LAST_S)
        await ledger.complete(addresses, count, LAST_S - AGAIN_S)
    finally:
        running.cancel()
        await asyncio.wait([running])
    return {name: ledger.of(name) for name in addresses}
