"""A socket that a test scripts, and a sink that remembers: the engine without a network and without real time."""

import errno
import os
import socket
import struct
from collections import deque
from typing import Self

from collectors.icmp import EchoTarget, IcmpEngine, Mode
from collectors.icmp.echo import EchoSink
from collectors.icmp.errqueue import IP_RECVERR, MSG_ERRQUEUE
from collectors.icmp.packet import KEY, KEY_END, KEY_START
from collectors.icmp.sockets import Channel, Closed
from kpi.model import Metric, Outcome, Sample
from tests.doubles import ManualClock

STAMP_OPTION = 64
IDENTIFIER = 0x5044
Message = tuple[bytes, list[tuple[int, int, bytes]], int, tuple[str, int] | None]

OK, NO_REPLY, FAULT = Outcome.OK, Outcome.NO_REPLY, Outcome.AGENT_FAULT


class Sink:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.samples: list[Sample] = []
        self.overdues: list[tuple[str, float]] = []
        self.lates: list[tuple[str, float]] = []

    def take(self, sample: Sample) -> None:
        self.samples.append(sample)

    def overdue(self, target: str, sent_at: float) -> None:
        self.overdues.append((target, sent_at))

    def late(self, target: str, at: float) -> None:
        self.lates.append((target, at))

    def ends(self, target: str | None = None, metric: str = Metric.ECHO) -> list[tuple[Outcome, str | None]]:
        """How the echoes ended, in the order they did."""
        return [
            (s.outcome, s.reason) for s in self.samples if s.metric == metric and (target is None or s.target == target)
        ]


class FakeSocket:
    """What goes out stands in ``sent``; what a test puts in ``inbox`` and ``errors`` comes in."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.sent: list[tuple[bytes, str]] = []
        self.inbox: deque[Message | OSError] = deque()
        self.errors: deque[Message] = deque()
        self.failures: deque[int] = deque()
        """errno of the next sends; 0 is a success."""
        self.drops = 0
        self.queued = 0
        """Octets in the send buffer, of 4 MiB."""
        self.reads = 0
        self.closed = False
        self._watched = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)  # for the loop to watch; never readable

    def sendto(self, data: bytes, address: tuple[str, int] | tuple[str, int, int, int], /) -> int:
        if self.failures and (failure := self.failures.popleft()):
            raise OSError(failure, os.strerror(failure))
        self.sent.append((data, address[0]))
        return len(data)

    def recvmsg(self, octets: int, ancillary: int = 0, flags: int = 0, /) -> Message:
        self.reads += 1
        queue: deque[Message] | deque[Message | OSError] = self.errors if flags & MSG_ERRQUEUE else self.inbox
        if not queue:
            raise BlockingIOError(errno.EAGAIN, "nothing there")
        first = queue.popleft()
        if isinstance(first, OSError):
            raise first
        return first

    def getsockopt(self, level: int, option: int, octets: int, /) -> bytes:
        return struct.pack("=9I", 0, 0, self.queued, 4 << 20, 0, 0, 0, 0, self.drops)

    def fileno(self) -> int:
        return self._watched.fileno()

    def close(self) -> None:
        self.closed = True
        self._watched.close()

    # ---- what a far end does

    def put(self, data: bytes, source: str, *, after_ms: float = 0.0, stamped: bool = True) -> None:
        """A message arrives, stamped ``after_ms`` from now by the wall clock."""
        at = self.clock.utc_ns() + round(after_ms * 1e6)
        stamp = [(1, STAMP_OPTION, struct.pack("=qq", *divmod(at, 10**9)))] if stamped else []
        self.inbox.append((data, stamp, 0, (source, 0)))

    def answer(self, index: int = -1, *, source: str | None = None, stamped: bool = True) -> None:
        """The reply to the echo sent as number ``index`` arrives now."""
        request, destination = self.sent[index]
        self.put(reply_to(request), source or destination, stamped=stamped)

    def complain(self, index: int, kind: int, code: int, *, octets: int = 64) -> None:
        """An ICMP error that quotes so much of an echo stands in the error queue."""
        request, destination = self.sent[index]
        extended = struct.pack("=IBBBBII", errno.EHOSTUNREACH, 2, kind, code, 0, 0, 0)
        self.errors.append((request[:octets], [(0, IP_RECVERR, extended)], MSG_ERRQUEUE, (destination, 0)))


def reply_to(request: bytes) -> bytes:
    """The echo reply (IPv4) to a request as it arrives on a datagram socket."""
    return b"\0" + request[1:]


def count_of(request: bytes) -> int:
    count: int = KEY.unpack(request[KEY_START:KEY_END])[2]
    return count


class Bench:
    """An engine on a scripted socket with clock and sink: ``with Bench() as bench``."""

    def __init__(self, mode: Mode = Mode.DATAGRAM, sink: EchoSink | None = None) -> None:
        self.clock = ManualClock()
        self.sock = FakeSocket(self.clock)
        self.sink = Sink()
        self.mode = mode
        self.spares: list[FakeSocket] = []
        self.spares_left = 0
        self.engine = IcmpEngine(self.clock, sink or self.sink, opener=self._open, spare_opener=self._spare)
        self.target = EchoTarget("t", "192.0.2.1")

    def _open(self, version: int) -> Channel | Closed:
        if version == 6:
            return Closed(6, "icmp_eafnosupport")
        identifier = IDENTIFIER if self.mode is Mode.RAW else 0
        return Channel(4, self.mode, self.sock, identifier, STAMP_OPTION, 2 << 20)

    def _spare(self, full: Channel) -> Channel | None:
        if len(self.spares) == self.spares_left:
            return None
        self.spares.append(FakeSocket(self.clock))
        return Channel(4, full.mode, self.spares[-1], full.identifier, STAMP_OPTION, 2 << 20)

    def __enter__(self) -> Self:
        self.engine.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.engine.__exit__(None, None, None)

    def send(self, *, confirm: bool = False) -> None:
        self.engine.send(self.target, confirm=confirm)

    async def pass_time(self, seconds: float) -> None:
        """Let time pass with a sweep each 50 ms, as ``run`` does it on its grid."""
        for _ in range(round(seconds / 0.05)):
            await self.clock.advance(0.05)
            self.engine.sweep()
