"""A TCP relay that stands between an MQTT client and a broker: refuses MQTT 5, swallows PUBACKs, stalls, cuts.

    with Mosquitto(tmp_path) as broker, Relay(broker.address, broker.port) as relay:
        ... client connects to relay.port ...
        relay.swallow_pubacks = True

Plain TCP only. It reads packet boundaries (MQTT 5.0, OASIS, section 2.1), and keeps what clients published.
"""

import contextlib
import selectors
import socket
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import NamedTuple, Self

from tests.lab.daemon import Place

CONNECT, PUBLISH, PUBACK = 1, 3, 4
"""MQTT control packet types."""
_UNACCEPTABLE_VERSION = b"\x20\x02\x00\x01"  # MQTT 3.1.1 section 3.2.2.3, return code 1
_LINGER_NOTHING = struct.pack("ii", 1, 0)  # close() resets


class Published(NamedTuple):
    """A PUBLISH from a client. ``rest`` is what follows the packet id: properties (MQTT 5) and payload."""

    topic: str
    packet_id: int
    qos: int
    duplicate: bool
    rest: bytes


class Acknowledged(NamedTuple):
    """A PUBACK of the broker; reason 0 where there is none (MQTT 3.1.1, or success)."""

    packet_id: int
    reason: int


@dataclass(slots=True, eq=False)
class _Pipe:
    """One direction of one connection."""

    source: socket.socket
    sink: socket.socket
    from_client: bool
    buffer: bytes = b""
    other: "_Pipe | None" = field(default=None, repr=False)


class Relay:
    """Listens at 127.0.0.1, or in ``place``, from entering to leaving the block. Switches may be set at any time."""

    def __init__(self, address: str, port: int, *, place: Place | None = None) -> None:
        self._broker = (address, port)
        self._place = place
        self._selector = selectors.DefaultSelector()
        self._thread = threading.Thread(target=self._run, name="relay")
        self._pipes: set[_Pipe] = set()
        self._lock = threading.Lock()
        self._ending = False
        self.address, self.port = "127.0.0.1", 0
        self.refuse_mqtt5 = False
        """As a broker of MQTT 3.1.1 alone: CONNACK with return code 1, and closes."""
        self.swallow_pubacks = False
        """The broker takes all and acknowledges nothing, as the client sees it."""
        self.stalled = False
        """Nothing is read any more, connections stay open."""
        self.connections = 0
        self.published: list[Published] = []
        self.acknowledged: list[Acknowledged] = []
        """What passed back to the client."""

    def __enter__(self) -> Self:
        with self._place.inside() if self._place else contextlib.nullcontext():
            self._listener = socket.create_server((self.address, 0))
        self.port = self._listener.getsockname()[1]
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending = True
        self._thread.join()
        self.cut()
        self._listener.close()
        self._selector.close()

    def cut(self) -> None:
        """Resets every connection."""
        with self._lock:
            for pipe in list(self._pipes):
                self._close(pipe)

    def _run(self) -> None:
        while not self._ending:
            if self.stalled:
                threading.Event().wait(0.02)
                continue
            for key, _ in self._selector.select(0.05):
                with self._lock:
                    if key.fileobj is self._listener:
                        self._accept()
                    elif key.data in self._pipes:
                        self._read(key.data)

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        self.connections += 1
        try:
            with self._place.inside() if self._place else contextlib.nullcontext():
                broker = socket.create_connection(self._broker, timeout=5)
        except OSError:
            client.close()
            return
        up, down = _Pipe(client, broker, from_client=True), _Pipe(broker, client, from_client=False)
        up.other, down.other = down, up
        for pipe in (up, down):
            pipe.source.settimeout(5)
            self._pipes.add(pipe)
            self._selector.register(pipe.source, selectors.EVENT_READ, pipe)

    def _read(self, pipe: _Pipe) -> None:
        try:
            data = pipe.source.recv(65536)
            pipe.buffer += data
            if not data:
                self._close(pipe)
            for packet in self._packets(pipe):
                if self._passes(pipe, packet):
                    pipe.sink.sendall(packet)
        except OSError:
            self._close(pipe)

    def _close(self, pipe: _Pipe) -> None:
        for one in (pipe, pipe.other):
            if one in self._pipes and one is not None:
                self._pipes.discard(one)
                self._selector.unregister(one.source)
                with contextlib.suppress(OSError):
                    one.source.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOTHING)
                one.source.close()

    @staticmethod
    def _packets(pipe: _Pipe) -> Iterator[bytes]:
        while (size := _size(pipe.buffer)) and len(pipe.buffer) >= size:
            packet, pipe.buffer = pipe.buffer[:size], pipe.buffer[size:]
            yield packet

    def _passes(self, pipe: _Pipe, packet: bytes) -> bool:
        kind, body = packet[0] >> 4, _body(packet)
        if pipe.from_client and kind == CONNECT:
            named = int.from_bytes(body[:2], "big")
            if self.refuse_mqtt5 and body[2 + named] >= 5:
                pipe.source.sendall(_UNACCEPTABLE_VERSION)
                self._forget_gently(pipe)
                return False
        elif pipe.from_client and kind == PUBLISH:
            self.published.append(_published(packet[0], body))
        elif not pipe.from_client and kind == PUBACK:
            if self.swallow_pubacks:
                return False
            self.acknowledged.append(Acknowledged(int.from_bytes(body[:2], "big"), body[2] if len(body) > 2 else 0))
        return True

    def _forget_gently(self, pipe: _Pipe) -> None:
        """Closes so that what was sent still arrives."""
        for one in (pipe, pipe.other):
            if one is not None:
                self._pipes.discard(one)
                self._selector.unregister(one.source)
        pipe.source.close()
        pipe.sink.close()


def _size(data: bytes) -> int:
    """Of the whole first packet, 0 while its length is not all there (variable byte integer, section 1.5.5)."""
    size = 0
    for at, octet in enumerate(data[1:5], 1):
        size |= (octet & 0x7F) << 7 * (at - 1)
        if not octet & 0x80:
            return at + 1 + size
    return 0


def _body(packet: bytes) -> bytes:
    at = 1
    while packet[at] & 0x80:
        at += 1
    return packet[at + 1 :]


def _published(first: int, body: bytes) -> Published:
    named = int.from_bytes(body[:2], "big")
    topic, at, qos = body[2 : 2 + named].decode(), 2 + named, first >> 1 & 3
    packet_id = int.from_bytes(body[at : at + 2], "big") if qos else 0
    return Published(topic, packet_id, qos, bool(first & 8), body[at + 2 if qos else at :])
