"""SNMP agents that are slow, dead, lying or exact: many addresses, one thread, time-driven values. v1 and v2c.

    with Responder(namespace, {"10.1.0.2": healthy(48), "10.1.0.3": slow}) as responder: ...

Values may be functions of the seconds since the agent's start, so counters move at a known rate and wrap, reset or
stand still at a known moment. tests/collectors/snmp_device/scripted.py serves a test's own event loop; this one serves
whole programs, in namespaces.
"""

import bisect
import contextlib
import heapq
import itertools
import os
import random
import selectors
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from tests.lab import ber
from tests.lab.ber import Message, Oid, Value
from tests.lab.daemon import Place

Moving = Value | Callable[[float], Value | None]
"""A value, or one by seconds since the start; None is "not there now"."""
_TOO_BIG, _NO_SUCH_NAME = 1, 2
SYS_UPTIME = ber.oid("1.3.6.1.2.1.1.3.0")
_V1 = 0


@dataclass(frozen=True, slots=True)
class Asked:
    """One request. ``at`` is monotonic seconds."""

    at: float
    pdu: int
    names: tuple[Oid, ...]


@dataclass
class Agent:
    """What one address serves, and how it misbehaves. Fields may be changed while it serves."""

    values: dict[Oid, Moving]
    community: bytes = b"public"
    delay_s: float = 0.0
    """Each answer is that late; answers to several requests wait side by side."""
    silent: bool = False
    wrong_id: bool = False
    """Answers carry another request id."""
    shuffled: bool = False
    """Varbinds come in another order."""
    garbage: bool = False
    """Answers are random octets."""
    wrong_source: bool = False
    """Answers come from another port."""
    twice: bool = False
    """Every answer is sent two times."""
    most_varbinds: int = 1000
    """A request for more gets tooBig."""
    most_octets: int = 1400
    """A GETBULK answer ends before it grows beyond."""
    started: float = field(default_factory=time.monotonic)
    asked: list[Asked] = field(default_factory=list)

    def seconds(self) -> float:
        """Since its start."""
        return time.monotonic() - self.started

    def reboot(self) -> None:
        """Time begins at 0 again: sysUpTime, and every counter that moves."""
        self.started = time.monotonic()

    def read(self, name: Oid, seconds: float) -> Value | None:
        value = self.values.get(name)
        return value(seconds) if callable(value) else value

    def answer(self, request: Message) -> Message | None:
        """None is silence."""
        self.asked.append(Asked(time.monotonic(), request.pdu, tuple(name for name, _ in request.varbinds)))
        if self.silent or request.community != self.community:
            return None
        if len(request.varbinds) > self.most_varbinds:
            return request._replace(pdu=ber.RESPONSE, error_status=_TOO_BIG, error_index=0)
        seconds = self.seconds()
        names = [name for name, _ in request.varbinds]
        if request.pdu == ber.GET:
            got = [(name, self.read(name, seconds) or Value(ber.NO_SUCH_INSTANCE, None)) for name in names]
        elif request.pdu == ber.GET_NEXT:
            ordered = sorted(self.values)
            got = [self._next(name, seconds, ordered) for name in names]
        elif request.pdu == ber.GET_BULK:
            got = self._bulk(request, seconds)
        else:
            return None
        if request.version == _V1:
            for number, (_, value) in enumerate(got, 1):
                if value.tag & 0x80:
                    return request._replace(pdu=ber.RESPONSE, error_status=_NO_SUCH_NAME, error_index=number)
        if self.shuffled:
            got.reverse()
        number = request.request_id ^ 1 if self.wrong_id else request.request_id
        return Message(request.version, request.community, ber.RESPONSE, number, 0, 0, tuple(got))

    def _next(self, name: Oid, seconds: float, ordered: list[Oid]) -> tuple[Oid, Value]:
        for at in range(bisect.bisect_right(ordered, name), len(ordered)):
            value = self.read(ordered[at], seconds)
            if value is not None:
                return ordered[at], value
        return name, Value(ber.END_OF_MIB_VIEW, None)

    def _bulk(self, request: Message, seconds: float) -> list[tuple[Oid, Value]]:
        names = [name for name, _ in request.varbinds]
        ordered = sorted(self.values)
        got = [self._next(name, seconds, ordered) for name in names[: request.error_status]]
        cursors, octets = names[request.error_status :], 60
        for _ in range(request.error_index):
            row = [self._next(name, seconds, ordered) for name in cursors]
            octets += sum(len(ber.pack_oid(name)) + len(ber.pack_value(value)) + 4 for name, value in row)
            if got and octets > self.most_octets:
                break
            got += row
            cursors = [name for name, _ in row]
            if all(value.tag == ber.END_OF_MIB_VIEW for _, value in row):
                break
        return got


class Responder:
    """Serves agents by address at one port, from entering to leaving the block. Port 0 is any free one, the same at
    every address."""

    def __init__(self, place: Place | None, agents: Mapping[str, Agent], *, port: int = 0) -> None:
        self.agents = dict(agents)
        self.port = port
        self._place = place
        self._selector = selectors.DefaultSelector()
        self._wake_read, self._wake_write = -1, -1
        self._late: list[tuple[float, int, socket.socket, bytes, tuple[str, int]]] = []
        self._serial = itertools.count()
        self._thread = threading.Thread(target=self._run, name="responder")
        self.faults: list[str] = []
        """Requests it could not read."""

    def __enter__(self) -> Self:
        with self._place.inside() if self._place else contextlib.nullcontext():
            for address, agent in self.agents.items():
                opened = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
                self._selector.register(opened, selectors.EVENT_READ, agent)
                opened.bind((address, self.port))
                opened.setblocking(False)
                self.port = self.port or opened.getsockname()[1]
            self._other = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._wake_read, self._wake_write = os.pipe()
        self._selector.register(self._wake_read, selectors.EVENT_READ)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._wake_write)
        self._thread.join()
        for key in list(self._selector.get_map().values()):
            if isinstance(key.fileobj, socket.socket):
                key.fileobj.close()
        self._selector.close()
        self._other.close()
        os.close(self._wake_read)

    def _run(self) -> None:
        while True:
            wait = max(0.0, self._late[0][0] - time.monotonic()) if self._late else None
            for key, _ in self._selector.select(wait):
                if not isinstance(key.fileobj, socket.socket):
                    return
                self._serve(key.fileobj, key.data)
            while self._late and self._late[0][0] <= time.monotonic():
                _, _, out, data, peer = heapq.heappop(self._late)
                with contextlib.suppress(OSError):
                    out.sendto(data, peer)

    def _serve(self, taken: socket.socket, agent: Agent) -> None:
        try:
            data, peer = taken.recvfrom(65535)
        except OSError:  # an ICMP error for an earlier answer
            return
        try:
            request = ber.unpack_message(data)
        except (ValueError, IndexError) as fault:
            self.faults.append(f"{peer}: {fault}: {data.hex()}")
            return
        answer = agent.answer(request)
        if answer is None:
            return
        packed = random.randbytes(80) if agent.garbage else ber.pack_message(answer)
        out = self._other if agent.wrong_source else taken
        for _ in range(2 if agent.twice else 1):
            if agent.delay_s:
                due = time.monotonic() + agent.delay_s
                heapq.heappush(self._late, (due, next(self._serial), out, packed, peer))
            else:
                with contextlib.suppress(OSError):
                    out.sendto(packed, peer)


@dataclass(frozen=True, slots=True)
class Port:
    """One interface of `healthy`. Rates per second; ``wide`` False leaves the 64-bit columns out."""

    index: int
    name: str = ""
    descr: str | bytes = ""
    alias: str | bytes = ""
    speed_bps: int = 1_000_000_000
    in_octets_s: float = 0.0
    out_octets_s: float = 0.0
    in_packets_s: float = 0.0
    out_packets_s: float = 0.0
    in_errors_s: float = 0.0
    out_discards_s: float = 0.0
    first_octets: int = 0
    """Both octet counters at start; near 2^32 or 2^64 for a wrap."""
    wide: bool = True
    up: Callable[[float], bool] = lambda _: True


def healthy(ports: int = 4, *, name: str | bytes = "lab-device", given: tuple[Port, ...] = ()) -> Agent:
    """A plain device: system group with moving sysUpTime, and interfaces 1 to ``ports``; ``given`` replace some."""
    values: dict[Oid, Moving] = {
        ber.oid("1.3.6.1.2.1.1.1.0"): ber.octets("Lab device"),
        ber.oid("1.3.6.1.2.1.1.2.0"): Value(ber.OBJECT_IDENTIFIER, ber.oid("1.3.6.1.4.1.99999.7")),
        SYS_UPTIME: lambda seconds: ber.ticks(int(seconds * 100)),
        ber.oid("1.3.6.1.2.1.1.4.0"): ber.octets(""),
        ber.oid("1.3.6.1.2.1.1.5.0"): ber.octets(name),
        ber.oid("1.3.6.1.2.1.1.6.0"): ber.octets("lab"),
        ber.oid("1.3.6.1.2.1.2.1.0"): ber.integer(ports),
        ber.oid("1.3.6.1.2.1.31.1.5.0"): ber.ticks(0),
    }
    table = {port.index: port for port in (*map(Port, range(1, ports + 1)), *given)}
    for port in table.values():
        values.update(columns(port))
    return Agent(values)


def columns(port: Port) -> dict[Oid, Moving]:
    """ifTable and ifXTable columns of one port."""
    name = port.name or f"ge{port.index}"
    entry: dict[str, Moving] = {
        "2.2.1.1": ber.integer(port.index),
        "2.2.1.2": ber.octets(port.descr or f"Port {port.index}"),
        "2.2.1.3": ber.integer(6),
        "2.2.1.4": ber.integer(1500),
        "2.2.1.5": ber.gauge32(min(port.speed_bps, 2**32 - 1)),
        "2.2.1.6": ber.octets(bytes((2, 0, 0, 0, port.index >> 8 & 255, port.index & 255))),
        "2.2.1.7": ber.integer(1),
        "2.2.1.8": lambda seconds: ber.integer(1 if port.up(seconds) else 2),
        "2.2.1.9": ber.ticks(0),
        "2.2.1.10": counter(port.in_octets_s, port.first_octets, 32),
        "2.2.1.11": counter(port.in_packets_s, 0, 32),
        "2.2.1.13": counter(0, 0, 32),
        "2.2.1.14": counter(port.in_errors_s, 0, 32),
        "2.2.1.16": counter(port.out_octets_s, port.first_octets, 32),
        "2.2.1.17": counter(port.out_packets_s, 0, 32),
        "2.2.1.19": counter(port.out_discards_s, 0, 32),
        "2.2.1.20": counter(0, 0, 32),
        "31.1.1.1.1": ber.octets(name),
        "31.1.1.1.15": ber.gauge32(port.speed_bps // 1_000_000),
        "31.1.1.1.18": ber.octets(port.alias),
        "31.1.1.1.19": ber.ticks(0),
    }
    if port.wide:
        entry |= {
            "31.1.1.1.6": counter(port.in_octets_s, port.first_octets, 64),
            "31.1.1.1.7": counter(port.in_packets_s, 0, 64),
            "31.1.1.1.8": counter(0, 0, 64),
            "31.1.1.1.9": counter(0, 0, 64),
            "31.1.1.1.10": counter(port.out_octets_s, port.first_octets, 64),
            "31.1.1.1.11": counter(port.out_packets_s, 0, 64),
            "31.1.1.1.12": counter(0, 0, 64),
            "31.1.1.1.13": counter(0, 0, 64),
        }
    return {ber.oid(f"1.3.6.1.2.1.{column}.{port.index}"): value for column, value in entry.items()}


def counter(per_second: float, first: int, bits: int) -> Callable[[float], Value]:
    """A counter that moves evenly and wraps at its width."""
    tag = ber.COUNTER64 if bits == 64 else ber.COUNTER32
    return lambda seconds: Value(tag, (first + int(per_second * seconds)) % (1 << bits))


HOSTILE_NAMES: tuple[bytes, ...] = (
    b"<script>alert(1)</script>",
    b"a/b/+/#",
    b"\x00\x01\x1b[31mred\x7f\r\nSet-Cookie: x=1",
    b"\xff\xfe\xfa not UTF-8 \xc3",
    "\u202eright-to-left\u200bzero-width".encode(),
    b"'; DROP TABLE windows; --",
    b"{{ 7*7 }} ${7*7} %s %n",
    b"x" * 65_000,
    b"",
)
"""Names that devices have given themselves, or could."""
