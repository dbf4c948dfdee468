"""A process of its own that sends echoes as whoever it runs as, and prints how they ended as one JSON object.

``python -m tests.collectors.icmp.probe_once [--tcp-port N | --no-tcp] [--echoes N] ADDRESS...``
"""

import argparse
import asyncio
import json

from collectors.clock import SystemClock
from collectors.icmp import EchoTarget, IcmpEngine
from tests.collectors.icmp.fakes import Sink


async def probe(addresses: list[str], tcp_port: int | None, echoes: int) -> dict[str, object]:
    sink = Sink()
    with IcmpEngine(SystemClock(), sink, tcp_port=tcp_port) as engine:
        modes = {str(version): mode for version, mode in engine.modes.items()}
        async with asyncio.TaskGroup() as group:
            running = group.create_task(engine.run())
            await asyncio.sleep(0)
            for _ in range(echoes):
                for address in addresses:
                    engine.send(EchoTarget(address, address))
                await asyncio.sleep(0.2)
            async with asyncio.timeout(5):
                while len(sink.samples) < echoes * len(addresses):  # noqa: ASYNC110 - real time, another process
                    await asyncio.sleep(0.05)
            running.cancel()
        return {
            "modes": modes,
            "ends": {a: [[s.outcome, s.reason] for s in sink.samples if s.target == a] for a in addresses},
            "rtts": [s.value for s in sink.samples],
            "overdues": len(sink.overdues),
            "mends": engine.mends(),
            "faults": engine.counters.faults,
        }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--tcp-port", type=int, default=80)
    parser.add_argument("--no-tcp", action="store_true")
    parser.add_argument("--echoes", type=int, default=1)
    parser.add_argument("addresses", nargs="+")
    given = parser.parse_args()
    found = asyncio.run(probe(given.addresses, None if given.no_tcp else given.tcp_port, given.echoes))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
