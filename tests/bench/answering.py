"""Simulated SNMP agents for a load: hundreds of addresses behind one socket, in a process of their own.

``python -m tests.bench.answering PORT PORTS KEEP_S``, until SIGTERM. Every address of 127.0.0.0/8 at that UDP port is
a device with PORTS interfaces. tests/lab/responder.py makes the answers; they are kept for half to all of KEEP_S seconds
and given again with another request id, so that a tenth of a core of answering keeps one core of asking busy. Counters
move.
"""

import math
import random
import signal
import socket
import struct
import sys
import time

from tests.bench.site_plan import ACTIVE, PORTS
from tests.lab import ber
from tests.lab.ber import Value
from tests.lab.responder import Agent, Moving, healthy

_IP_PKTINFO = 8  # linux/in.h
_BUFFER = 4 << 20
KEPT = 50_000
"""Answers, at most."""


def device(ports: int) -> Agent:
    """A switch whose traffic goes up and down, port by port."""
    agent = healthy(ports)
    for index in range(1, ports + 1):
        rate = 10.0 ** (3 + index % 5) if index <= max(1, ports * ACTIVE // PORTS) else 0.0
        for column, share in (("6", 1.0), ("10", 0.2), ("7", 1 / 811), ("11", 1 / 433)):
            agent.values[ber.oid(f"1.3.6.1.2.1.31.1.1.1.{column}.{index}")] = _moving(rate * share, index)
    return agent


def _moving(rate: float, index: int) -> Moving:
    return lambda s: Value(ber.COUNTER64, int(rate * (s + 40 * math.sin(s / 90 + index)) + 40 * rate) & (2**64 - 1))


def _request_id_at(data: bytes) -> int:
    """Where the request id's tag stands in a v1 or v2c message: behind version, community and the PDU's head."""
    at = 2 + (data[1] & 0x7F if data[1] & 0x80 else 0)
    at += 2 + data[at + 1]
    at += 2 + data[at + 1]
    return at + 2 + (data[at + 1] & 0x7F if data[at + 1] & 0x80 else 0)


class Kept:
    """Answers by address and question: all but the request id, which is as long in the answer as it was asked.

    An answer takes 1 us to give again and up to 3 ms to make. Each is kept for a time of its own, half to all of
    ``keep_s``: made together, they would else all be due again together, and nobody be answered for seconds.
    """

    def __init__(self, agent: Agent, keep_s: float) -> None:
        self._agent, self._keep_s = agent, keep_s
        self._answers: dict[tuple[bytes, bytes, bytes], tuple[float, bytes, bytes]] = {}

    def answer(self, data: bytes, address: bytes) -> bytes | None:
        """The whole answer to a v1 or v2c request, None where there is none."""
        start = _request_id_at(data)
        end = start + 2 + data[start + 1]
        key = (address, data[:start], data[end:])
        now = time.monotonic()
        known = self._answers.get(key)
        if known is None or known[0] < now:
            fresh = self._agent.answer(ber.unpack_message(data))
            self._agent.asked.clear()
            if fresh is None:
                return None
            packed = ber.pack_message(fresh)
            if len(self._answers) >= KEPT:
                self._answers.clear()
            at = _request_id_at(packed)
            known = self._answers[key] = (
                now + self._keep_s * random.uniform(0.5, 1.0),
                packed[:at],
                packed[at + 2 + packed[at + 1] :],
            )
        return known[1] + data[start:end] + known[2]


def serve(port: int, ports: int, keep_s: float) -> None:
    """Until the process is ended."""
    kept = Kept(device(ports), keep_s)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        taken.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
        taken.bind(("0.0.0.0", port))
        while True:
            data, notes, _, peer = taken.recvmsg(65535, 64)
            asked = struct.unpack_from("i4s4s", notes[0][2])[2]  # struct in_pktinfo: index, local, destination
            answer = kept.answer(data, asked)
            if answer is not None:
                source = struct.pack("i4s4s", 0, asked, bytes(4))
                taken.sendmsg([answer], [(socket.IPPROTO_IP, _IP_PKTINFO, source)], 0, peer)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    serve(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
