"""`sonda run` with SNMP at full load, and with every echo's round trip written down.

``python -m tests.bench.loaded CONFIG TRIPS``: the daemon itself (agent/app.py), its settings read from CONFIG, but for
two things. No device waits between its polls: the end of one begins the next, and every poll reads everything, so that
there is work of SNMP in every turn of the loop whatever a poll costs. And each echo sample passes a list on its way to
the monitor, written to TRIPS at the end as JSON: [target, sent (seconds of the monotonic clock), round trip in ms or
null].
"""

import asyncio
import json
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from agent.app import Agent
from agent.logs import set_up
from agent.parts import Parts
from agent.settings import Overrides, Settings, load
from collectors.icmp import EchoSink, IcmpEngine
from kpi.model import Metric, Sample

COUNTERS_S = 0.001
"""Far below what settings allow: counters are due in every poll."""


class Tap:
    """Stands between engine and monitor."""

    def __init__(self, sink: EchoSink) -> None:
        self._sink = sink
        self.trips: list[tuple[str, float, Any]] = []

    def take(self, sample: Sample) -> None:
        if sample.metric == Metric.ECHO:
            self.trips.append((sample.target, sample.at, sample.value))
        self._sink.take(sample)

    def overdue(self, target: str, sent_at: float) -> None:
        self._sink.overdue(target, sent_at)

    def late(self, target: str, at: float) -> None:
        self._sink.late(target, at)


class LoadedParts(Parts):
    """The daemon's with a tap, and with polls that follow each other without a pause."""

    tap: Tap

    async def open(self, settings: Settings, stack: AsyncExitStack) -> None:
        await super().open(settings, stack)
        assert isinstance(self.engine, IcmpEngine)
        ledger = self.engine._ledger
        self.tap = ledger._sink = Tap(ledger._sink)

    async def resume(self) -> None:
        await super().resume()
        take, scheduler = self.measuring._take, self.scheduler

        def take_and_go_on(sample: Sample) -> None:
            take(sample)
            if sample.metric == Metric.SNMP:  # the first sample of each poll: it runs again as soon as it has ended
                scheduler.run_soon(sample.target)

        self.measuring._take = take_and_go_on
        for watchable in self.core.plan.devices:
            self.measuring.ask_again(watchable.device.id)


def main() -> None:
    config, out = Path(sys.argv[1]), Path(sys.argv[2])
    settings = load([config], Overrides())
    snmp = settings.snmp.model_copy(update={"counters_s": COUNTERS_S})
    set_up(settings.log.level)
    parts = LoadedParts()
    asyncio.run(Agent(settings.model_copy(update={"snmp": snmp}), [config], Overrides(), parts).run())
    out.write_text(json.dumps(parts.tap.trips))


if __name__ == "__main__":
    main()
