"""Doubles for the publisher: an outbox in memory, a connection by script, a broker that never acknowledges."""

import asyncio
import contextlib
import json
import random
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agent.messages import Backlog, Message, Outbox
from agent.mqtt_connection import DialError, Events, Fault, Inbound, LostError, Version, Will
from agent.mqtt_settings import Pace
from agent.publisher import Publisher
from agent.publisher_state import Clash, RefusedTopic
from collectors.clock import Clock, SystemClock
from tests.doubles import ManualClock

ROOT = "sonda/v1/acme/hq/pi-1"
CLOCK = SystemClock()
REFUSED = DialError(Fault.REFUSED, "broker:1883: nothing listens there")


class MemoryOutbox:
    """An Outbox (agent/messages.py) in a dict. ``reads`` and ``commits`` count calls."""

    def __init__(self, stream: str = "stream-1") -> None:
        self.stream = stream
        self.messages: dict[int, Message] = {}
        self.acked: set[int] = set()
        self.last_seq = 0
        self.reads = 0
        self.commits = 0
        self.ack_error: Exception | None = None

    def add(self, count: int = 1, topic: str = "summary/site", size: int = 0, retain: bool = False) -> range:
        first = self.last_seq + 1
        for seq in range(first, first + count):
            body = json.dumps({"stream": self.stream, "seq": seq, "pad": "x" * size}).encode()
            self.messages[seq] = Message(seq, topic, body, retain)
        self.last_seq += count
        return range(first, first + count)

    def waits(self) -> list[int]:
        return sorted(seq for seq in self.messages if seq not in self.acked)

    def begin_stream(self, stream: str) -> None:
        """As the store does: what waits is said again under new numbers."""
        again = [self.messages[seq] for seq in self.waits()]
        self.stream, self.messages, self.acked, self.last_seq = stream, {}, set(), 0
        for message in again:
            self.add(1, message.topic)

    async def waiting(self, above_seq: int, limit: int, up_to_seq: int | None = None) -> Sequence[Message]:
        self.reads += 1
        await asyncio.sleep(0)
        up_to = self.last_seq if up_to_seq is None else up_to_seq
        found = [m for seq, m in sorted(self.messages.items()) if above_seq < seq <= up_to and seq not in self.acked]
        return found[:limit]

    async def acknowledge(self, seqs: Sequence[int]) -> None:
        self.commits += 1
        await asyncio.sleep(0)
        if self.ack_error is not None:
            raise self.ack_error
        assert set(seqs) <= self.messages.keys()
        self.acked.update(seqs)

    async def backlog(self) -> Backlog:
        waits = self.waits()
        ranges: list[tuple[int, int]] = []
        for seq in waits:
            if ranges and ranges[-1][1] == seq - 1:
                ranges[-1] = (ranges[-1][0], seq)
            else:
                ranges.append((seq, seq))
        if ranges and ranges[-1][1] == self.last_seq:
            ranges.pop()
        acked_to = waits[0] - 1 if waits else self.last_seq
        size = sum(len(self.messages[seq].payload) for seq in waits)
        return Backlog(len(waits), size, waits[0] if waits else None, self.last_seq, acked_to, tuple(ranges))

    async def replay_from(self) -> int:
        return min(self.messages, default=self.last_seq + 1)


@dataclass
class Said:
    """One publish over a scripted connection."""

    ticket: int
    topic: str
    payload: bytes
    retain: bool
    delivery: str | None

    def json(self) -> Any:
        return json.loads(self.payload)

    @property
    def seq(self) -> int | None:
        found = self.json().get("seq")
        return found if isinstance(found, int) else None


class ScriptedConnection:
    """A Connection whose broker is the test. ``hold`` is no topic's answer, ``refuse`` maps topics to a reason code."""

    def __init__(self, broker: "ScriptedBroker", events: Events, version: Version) -> None:
        self.broker = broker
        self.events = events
        self.version: Version = version
        self.receive_maximum = broker.receive_maximum
        self.maximum_packet = broker.maximum_packet
        self.retains = True
        self.tls: str | None = None
        self.said: list[Said] = []
        self.open: dict[int, Said] = {}
        self.most_open = 0
        self.alive = True
        self.goodbye = False
        self._ticket = 0

    def publish(self, topic: str, payload: bytes, *, retain: bool, delivery: str | None) -> int:
        if not self.alive:
            raise LostError(Fault.CLOSED, "gone")
        self._ticket += 1
        said = Said(self._ticket, topic.removeprefix(ROOT + "/"), payload, retain, delivery)
        self.said.append(said)
        self.open[said.ticket] = said
        self.most_open = max(self.most_open, len(self.open))
        assert len(self.open) <= self.receive_maximum, "more on the way than the broker takes"
        if self.broker.closes_above is not None and len(payload) > self.broker.closes_above:
            asyncio.get_running_loop().call_soon(self.drop)
        elif self.broker.answers:
            asyncio.get_running_loop().call_soon(self.answer, said.ticket)
        return said.ticket

    def answer(self, ticket: int | None = None, reason: int | None = None) -> None:
        """A PUBACK, for the oldest where no ticket is named."""
        if not self.alive or not self.open:
            return
        said = self.open.pop(ticket if ticket is not None else next(iter(self.open)), None)
        if said is None:
            return
        code = self.broker.refuse.get(said.topic, 0) if reason is None else reason
        if (
            reason is None
            and self.broker.refuses_above is not None
            and len(said.payload) > self.broker.refuses_above[0]
        ):
            code = self.broker.refuses_above[1]
        if code < 0x80 and said.retain:
            self.broker.retained[said.topic] = said.payload
        self.events.acknowledged(said.ticket, code, "refused" if code >= 0x80 else "ok")
        if code >= 0x80 and self.broker.closes_on_refusal:
            self.drop()

    def answer_all(self) -> None:
        while self.alive and self.open:
            self.answer()

    def drop(self, fault: Fault = Fault.CLOSED) -> None:
        if self.alive:
            self.alive = False
            self.events.lost(LostError(fault, f"dropped: {fault}"))

    def deliver(self, topic: str, body: Mapping[str, Any], *, retained: bool = False) -> None:
        self.events.received(Inbound(f"{ROOT}/{topic}", json.dumps(dict(body)).encode(), retained))

    async def subscribe(self, topics: tuple[str, ...]) -> tuple[int, ...]:
        await asyncio.sleep(0)
        for topic in topics:
            payload = self.broker.retained.get(topic.removeprefix(ROOT + "/"))
            if payload is not None:
                self.events.received(Inbound(topic, payload, retained=True))
        return tuple(1 for _ in topics)

    async def disconnect(self) -> None:
        self.goodbye = True
        self.alive = False

    def seqs(self) -> list[int]:
        return [said.seq for said in self.said if said.seq is not None]

    def of(self, topic: str) -> list[Said]:
        return [said for said in self.said if said.topic == topic]


@dataclass
class ScriptedBroker:
    """A Dialler. ``failures`` are raised by the next dials, in order; None lets one through."""

    place: str = "broker:1883"
    warnings: tuple[str, ...] = ()
    answers: bool = True
    receive_maximum: int = 65535
    maximum_packet: int | None = None
    refuse: dict[str, int] = field(default_factory=dict)
    closes_on_refusal: bool = False
    closes_above: int | None = None
    """Octets of a payload at which it closes the connection, without a word."""
    refuses_above: tuple[int, int] | None = None
    """Octets of a payload, and the reason with which it refuses what is larger."""
    retained: dict[str, bytes] = field(default_factory=dict)
    failures: list[DialError | None] = field(default_factory=list)
    refuses_five: bool = False
    dials: list[tuple[float, Version]] = field(default_factory=list)
    connections: list[ScriptedConnection] = field(default_factory=list)
    wills: list[Will] = field(default_factory=list)
    clock: Clock = CLOCK

    @contextlib.asynccontextmanager
    async def connect(self, version: Version, will: Will, events: Events) -> AsyncIterator[ScriptedConnection]:
        self.dials.append((self.clock.monotonic(), version))
        self.wills.append(will)
        await asyncio.sleep(0)
        if self.refuses_five and version == "5":
            raise DialError(Fault.VERSION, "the broker does not speak this version of MQTT")
        if self.failures and (failure := self.failures.pop(0)) is not None:
            raise failure
        connection = ScriptedConnection(self, events, version)
        self.connections.append(connection)
        try:
            yield connection
        finally:
            connection.alive = False

    @property
    def last(self) -> ScriptedConnection:
        return self.connections[-1]


class Told:
    """What the publisher called back."""

    def __init__(self) -> None:
        self.clashes: list[Clash] = []
        self.refused: list[RefusedTopic] = []
        self.rolled_back: list[int] = []


def publisher(
    outbox: Any,
    dialler: Any,
    *,
    clock: Clock = CLOCK,
    told: Told | None = None,
    pace: Pace | None = None,
    boot: str = "boot-a",
    seed: int = 1,
    on_rolled_back: Callable[[int], Awaitable[None]] | None = None,
    **more: Any,
) -> Publisher:
    told = told or Told()
    return Publisher(
        outbox=outbox,
        dialler=dialler,
        clock=clock,
        root=ROOT,
        boot=boot,
        info=lambda: {"version": "0.1.0"},
        pace=pace or Pace(),
        on_clash=told.clashes.append,
        on_refused=told.refused.append,
        on_rolled_back=on_rolled_back,
        rng=random.Random(seed),
        **more,
    )


@contextlib.asynccontextmanager
async def running(made: Publisher) -> AsyncIterator[asyncio.Task[None]]:
    """The publisher runs inside; on leaving it is stopped, or cancelled where it does not end."""
    task = asyncio.create_task(made.run(), name="publisher")
    passed = False
    try:
        yield task
        passed = True
    finally:
        await made.stop()
        if passed:
            await asyncio.wait({task}, timeout=8)
        if not task.done():
            task.cancel()
        while not task.done():
            if isinstance(made._clock, ManualClock):  # a farewell on a clock that stands still waits for ever
                await made._clock.advance(5)
            await asyncio.wait({task}, timeout=0.2)
        if not task.cancelled() and (error := task.exception()) is not None:
            raise error


async def settle(clock: ManualClock, seconds: float = 0.05) -> None:
    """Time enough for what is on its way."""
    await clock.advance(seconds)


async def stop(clock: ManualClock, made: Publisher) -> None:
    """Stop, with time for the farewell."""
    await made.stop()
    for _ in range(8):
        await clock.advance(1)


def known(body: Mapping[str, Any]) -> bytes:
    """What the broker has retained of ourselves."""
    return json.dumps(dict(body)).encode()


async def emptied(outbox: Outbox, seconds: float = 10.0) -> None:
    """Returns once nothing waits."""
    end = CLOCK.monotonic() + seconds
    while waits := (await outbox.backlog()).messages:
        assert CLOCK.monotonic() < end, f"{waits} messages wait after {seconds:g} s"
        await asyncio.sleep(0.02)


async def until(true: Callable[[], object], seconds: float = 10.0, what: str = "") -> None:
    """For tests with a real broker: returns once it is true, fails when the time is up."""
    end = CLOCK.monotonic() + seconds
    while not true():
        assert CLOCK.monotonic() < end, f"did not come about in {seconds:g} s: {what or true}"
        await asyncio.sleep(0.01)


class Plain:
    """A secret for tests (Concealed of agent/mqtt_settings.py)."""

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text


class Watching:
    """Events of a bare connection, kept."""

    def __init__(self) -> None:
        self.acks: list[tuple[int, int, str]] = []
        self.inbound: list[Inbound] = []
        self.ends: list[LostError] = []

    def acknowledged(self, ticket: int, reason: int, text: str) -> None:
        self.acks.append((ticket, reason, text))

    def received(self, message: Inbound) -> None:
        self.inbound.append(message)

    def lost(self, error: LostError) -> None:
        self.ends.append(error)


Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]


@contextlib.asynccontextmanager
async def listening(talk: Talk, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A TCP server by hand on a free port of 127.0.0.1; ``talk`` is cancelled when the block ends."""
    writers: list[asyncio.StreamWriter] = []
    tasks: list[asyncio.Task[None]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        task = asyncio.ensure_future(talk(reader, writer))
        tasks.append(task)
        await asyncio.wait({task})
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        for writer in writers:
            writer.transport.abort()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)
