"""`sonda run` with SNMP at full load, and with every echo's round trip written down.

``python -m tests.bench.loaded CONFIG POLL_S TRIPS``: the daemon itself (agent/app.py), its settings read from CONFIG, but
for two things. Polls come every POLL_S seconds, far below what settings allow, so that they fill a core; and each
echo sample passes a list on its way to the monitor, written to TRIPS at the end as JSON: [target, sent (seconds of the
monotonic clock), round trip in ms or null].
"""

import asyncio
import json
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from agent.app import Agent
from agent.logs import set_up
from agent.settings import Overrides, load
from collectors.icmp import EchoSink, IcmpEngine
from kpi.model import Metric, Sample


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


class LoadedAgent(Agent):
    """The daemon with a tap."""

    tap: Tap

    async def _open(self, stack: AsyncExitStack) -> None:
        await super()._open(stack)
        assert isinstance(self._engine, IcmpEngine)
        ledger = self._engine._ledger
        self.tap = ledger._sink = Tap(ledger._sink)


def main() -> None:
    config, poll_s, out = Path(sys.argv[1]), float(sys.argv[2]), Path(sys.argv[3])
    settings = load([config], Overrides())
    snmp = settings.snmp.model_copy(update={"status_s": poll_s, "counters_s": poll_s})
    set_up(settings.log.level)
    agent = LoadedAgent(settings.model_copy(update={"snmp": snmp}), [config], Overrides())
    asyncio.run(agent.run())
    out.write_text(json.dumps(agent.tap.trips))


if __name__ == "__main__":
    main()
