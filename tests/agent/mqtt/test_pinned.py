"""What agent/mqtt.py takes from the inside of aiomqtt and paho, or mends there. A release that changes it fails here.

The brokers are a few lines of bytes (MQTT 5.0 and 3.1.1, OASIS), so that each case is exact.
"""

import asyncio
import inspect
import os
import socket
import ssl
import struct
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import aiomqtt
import paho.mqtt.client
import pytest

from agent.mqtt import BrokerDialler, _Client
from agent.mqtt_connection import DialError, Fault, LostError, Version, Will
from agent.mqtt_dial import ReadFirstSocket
from agent.mqtt_settings import BrokerSettings, TlsSettings
from tests.agent.mqtt.parts import Talk, Watching, listening, until
from tests.lab.certificates import Authority

WILL = Will("r/status", b"off")
CONNACK = b"\x20\x03\x00\x00\x00"
CONNACK_3 = b"\x20\x02\x00\x00"


def dialler(port: int, **settings: Any) -> BrokerDialler:
    return BrokerDialler(BrokerSettings("127.0.0.1", port, **settings), "pinned")


def says(*answers: bytes, close: bool = False) -> Talk:
    """A broker that gives the next answer whenever it reads something."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            await reader.read(65536)
            writer.write(answer)
            await writer.drain()
        if close:
            if not answers:
                await reader.read(65536)
            return
        while await reader.read(65536):
            pass

    return talk


async def refused(port: int, version: Version = "5", **settings: Any) -> DialError:
    with pytest.raises(DialError) as caught:
        async with dialler(port, **settings).connect(version, WILL, Watching()):
            pass
    return caught.value


def test_the_names_that_are_relied_on_exist() -> None:
    client = aiomqtt.Client
    for name in ("_on_connect", "_on_disconnect", "_on_publish", "_on_message", "_on_socket_register_write"):
        assert callable(getattr(client, name)), name
    assert list(inspect.signature(client._on_publish).parameters)[3:5] == ["mid", "reason_code"]
    assert list(inspect.signature(client._on_connect).parameters)[4:6] == ["reason_code", "properties"]
    source = inspect.getsource(client.__init__)
    kept = inspect.getsource(paho.mqtt.client.Client.__init__)
    assert "self._out_packet" in kept and "self._in_packet" in kept
    for name in ("self._client", "self._connected", "self._disconnected", "self._misc_task", "self._loop"):
        assert f"{name}:" in source or f"{name} =" in source, name
    assert list(inspect.signature(paho.mqtt.client.Client._create_socket_connection).parameters) == ["self"]
    assert "self._create_socket_connection()" in inspect.getsource(paho.mqtt.client.Client._create_socket)


@pytest.mark.parametrize(
    ("puback", "reason"),
    [(b"\x40\x02\x00\x01", 0), (b"\x40\x03\x00\x01\x87", 0x87), (b"\x40\x04\x00\x01\x10\x00", 0x10)],
)
async def test_the_reason_of_a_puback_is_read(puback: bytes, reason: int) -> None:
    events = Watching()
    async with listening(says(CONNACK, puback)) as port, dialler(port).connect("5", WILL, events) as connection:
        ticket = connection.publish("r/a", b"1", retain=False, delivery="live")
        await until(lambda: events.acks)
    assert [(t, r) for t, r, _ in events.acks] == [(ticket, reason)]


async def test_the_properties_of_the_connack_are_read() -> None:
    properties = b"\x21\x00\x05" + b"\x27\x00\x00\x04\x00" + b"\x25\x00"  # receive maximum, maximum packet, no retain
    connack = bytes([0x20, 3 + len(properties), 0, 0, len(properties)]) + properties
    async with listening(says(connack)) as port, dialler(port).connect("5", WILL, Watching()) as connection:
        assert (connection.receive_maximum, connection.maximum_packet, connection.retains) == (5, 1024, False)
    async with listening(says(CONNACK_3)) as port, dialler(port).connect("3.1.1", WILL, Watching()) as connection:
        assert (connection.receive_maximum, connection.maximum_packet, connection.retains) == (65535, None, True)


@pytest.mark.parametrize(
    ("answer", "version", "fault"),
    [
        (b"\x20\x03\x00\x84\x00", "5", Fault.VERSION),
        (b"\x20\x02\x00\x01", "5", Fault.VERSION),  # a broker of 3.1.1 alone
        (b"\x20\x03\x00\x86\x00", "5", Fault.CREDENTIALS),
        (b"\x20\x03\x00\x87\x00", "5", Fault.NOT_AUTHORISED),
        (b"\x20\x03\x00\x88\x00", "5", Fault.BROKER),
        (b"\x20\x02\x00\x04", "3.1.1", Fault.CREDENTIALS),
        (b"\x20\x02\x00\x05", "3.1.1", Fault.NOT_AUTHORISED),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "5", Fault.CLOSED),
        (b"\x20\xff\xff\xff\xff\xff", "5", Fault.CLOSED),
    ],
)
async def test_refusals_at_the_connack(answer: bytes, version: Version, fault: Fault) -> None:
    async with listening(says(answer, close=True)) as port:
        error = await asyncio.wait_for(refused(port, version), 2)
    assert error.fault is fault
    assert f"127.0.0.1:{port}" in str(error)


async def test_a_close_before_the_connack_ends_the_dial_at_once() -> None:
    async with listening(says(close=True)) as port:
        error = await asyncio.wait_for(refused(port), 1)
    assert error.fault is Fault.CLOSED


@pytest.mark.parametrize("settings", [{}, {"tls": TlsSettings(insecure=True)}, {"transport": "websocket"}])
@pytest.mark.parametrize("cancel", [False, True])
async def test_a_dial_that_stalls_ends_by_its_limit_or_when_cancelled_and_leaves_nothing(
    settings: dict[str, Any], cancel: bool
) -> None:
    async with listening(says()) as port:
        before = len(os.listdir("/proc/self/fd"))
        dialling = asyncio.create_task(refused(port, dial_timeout_s=10 if cancel else 0.4, **settings))
        await asyncio.sleep(0.3)
        if cancel:
            dialling.cancel()
        done, _ = await asyncio.wait({dialling}, timeout=1)
        assert done, "the handshake did not end"
        if not cancel:
            assert dialling.result().fault is Fault.TIMEOUT
        await asyncio.sleep(0.05)
        ours = len(os.listdir("/proc/self/fd"))
        assert ours <= before + 1, "one at most: the server's side of it"


@pytest.mark.parametrize("reason", [0x80, 0x81, 0x82, 0x83, 0x95])
async def test_a_refusal_without_a_reason_says_what_to_look_at(reason: int) -> None:
    async with listening(says(bytes([0x20, 3, 0, reason, 0]))) as port:
        error = await refused(port)
    assert error.fault is Fault.BROKER
    assert "its log says why; check `username`, `password`, `protocol`" in str(error)


async def test_paho_never_queues() -> None:
    async with listening(says(CONNACK)) as port, dialler(port).connect("5", WILL, Watching()) as connection:
        for _ in range(1000):
            connection.publish("r/a", b"1", retain=False, delivery=None)
        with pytest.raises(RuntimeError, match="paho did not take"):
            connection.publish("r/a", b"1", retain=False, delivery=None)


async def test_a_connack_and_an_end_in_one_breath() -> None:
    """aiomqtt makes its future of the end anew once the CONNACK is read, and so forgets an end that came with it."""
    for answer, fault in ((CONNACK + b"\xe0\x02\x8e\x00", Fault.TAKEN_OVER), (CONNACK + b"\xf5\x00", Fault.PROTOCOL)):
        async with listening(says(answer)) as port:
            error = await asyncio.wait_for(refused(port), 2)
        assert error.fault is fault
    async with listening(says(CONNACK, close=True)) as port:
        error = await asyncio.wait_for(refused(port), 2)
    assert error.fault is Fault.CLOSED


async def test_a_publish_after_the_end_says_so() -> None:
    events = Watching()
    async with (
        listening(says(CONNACK, b"", close=True)) as port,
        dialler(port).connect("5", WILL, events) as connection,
    ):
        connection.publish("r/a", b"1", retain=False, delivery=None)
        await until(lambda: events.ends)
        with pytest.raises(LostError):
            connection.publish("r/a", b"1", retain=False, delivery=None)
        with pytest.raises(LostError):
            await connection.subscribe(("r/a",))
        await connection.disconnect()
    assert [end.fault for end in events.ends] == [Fault.CLOSED]


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (b"\xe0\x02\x8e\x00", Fault.TAKEN_OVER),
        (b"\xe0\x02\x87\x00", Fault.NOT_AUTHORISED),
        (b"\xe0\x02\x93\x00", Fault.BROKER),
        (b"\xe0\x00", Fault.BROKER),
        (b"\xf5\x00", Fault.PROTOCOL),
        (b"\x40\x01\x00", Fault.PROTOCOL),
        (b"\x40\x03\x00\x01\x55", Fault.PROTOCOL),  # a PUBACK with a reason that does not exist
    ],
)
async def test_why_a_connection_ended(answer: bytes, fault: Fault) -> None:
    events = Watching()
    async with listening(says(CONNACK, answer)) as port, dialler(port).connect("5", WILL, events) as connection:
        connection.publish("r/a", b"1", retain=False, delivery=None)
        await until(lambda: events.ends, 2)
    assert [end.fault for end in events.ends] == [fault]


async def test_a_publish_in_the_turn_in_which_the_socket_closes_registers_no_dead_descriptor() -> None:
    """aiomqtt registers writers by call_soon: paho may have closed the socket by then, and its number be used again."""
    faults: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))
    events = Watching()
    async with listening(says(CONNACK)) as port, dialler(port).connect("5", WILL, events) as connection:
        connection.publish("r/a", b"1", retain=False, delivery=None)
        connection._client.paho._sock_close()
        reader, writer = os.pipe()
        try:
            for _ in range(5):
                await asyncio.sleep(0)
            assert asyncio.get_running_loop().remove_writer(writer) is False
            assert asyncio.get_running_loop().remove_writer(reader) is False
        finally:
            os.close(reader)
            os.close(writer)
    assert faults == []


async def test_a_hundred_dials_leave_no_descriptor_and_no_task() -> None:
    async with listening(says(CONNACK)) as good, listening(says(close=True)) as bad:
        before, tasks = None, None
        for number in range(50):
            async with dialler(good).connect("5", WILL, Watching()):
                pass
            await refused(bad)
            if number == 5:
                await asyncio.sleep(0.05)
                before, tasks = len(os.listdir("/proc/self/fd")), len(asyncio.all_tasks())
        await asyncio.sleep(0.05)
        assert len(os.listdir("/proc/self/fd")) == before
        assert len(asyncio.all_tasks()) == tasks


async def test_tls_handshakes_that_fail_leave_no_socket(tmp_path: Path) -> None:
    """paho drops what it wrapped when the handshake fails, unclosed; TlsContext keeps it."""
    issued = Authority(tmp_path).server()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(issued.certificate, issued.key)
    async with listening(says(), context) as port:
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(5):
            assert (await refused(port, tls=TlsSettings())).fault is Fault.TLS_UNKNOWN_CA
        await asyncio.sleep(0.05)
        assert len(os.listdir("/proc/self/fd")) <= before


def test_what_a_broker_said_before_it_closed_is_read_before_the_end_is_noticed() -> None:
    """Debian's mosquitto 2.0.11 answers a denied publish with 0x87 and closes, with more of ours unread: a reset."""
    with socket.create_server(("127.0.0.1", 0)) as server, ReadFirstSocket() as ours:
        ours.connect(server.getsockname())
        broker, _ = server.accept()
        assert ours.send(b"denied, and more") == 16
        broker.sendall(b"\x40\x03\x00\x01\x87")
        broker.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        broker.close()
        for _ in range(3):
            with pytest.raises(BlockingIOError):
                ours.send(b"more")
        assert ours.recv(100) == b"\x40\x03\x00\x01\x87"
        assert ours.recv(100) == b""


async def test_an_end_after_a_dial_that_was_given_up_asks_nothing_of_it() -> None:
    """aiomqtt asks its cancelled future for an exception, which raises in the loop's callback."""
    client = object.__new__(_Client)
    client._why = None
    client._connected = asyncio.get_running_loop().create_future()
    client._disconnected = asyncio.get_running_loop().create_future()
    client._connected.cancel()
    client._on_disconnect(None, None, SimpleNamespace(is_disconnect_packet_from_server=False), cast("Any", 0))
    assert not client._disconnected.done()


def remaining(octets: int) -> bytes:
    """A remaining length (MQTT 5.0, 1.5.5)."""
    coded = bytearray()
    while True:
        octets, low = divmod(octets, 128)
        coded.append(low | (128 if octets else 0))
        if not octets:
            return bytes(coded)


@pytest.mark.parametrize(("version", "connack"), [("5", CONNACK), ("3.1.1", CONNACK_3)])
@pytest.mark.parametrize("octets", [262_145, 100_000_000, 268_435_455])
async def test_a_packet_that_is_too_large_is_refused_by_its_fixed_header(
    version: Version, connack: bytes, octets: int
) -> None:
    taken = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal taken
        await reader.read(65536)
        writer.write(connack)
        await reader.read(65536)
        writer.write(b"\x31" + remaining(octets) + b"\x00\x03r/a")
        try:
            while taken < octets:
                writer.write(bytes(65536))
                await writer.drain()
                taken += 65536
        except ConnectionError:
            pass

    events = Watching()
    async with listening(talk) as port, dialler(port).connect(version, WILL, events) as connection:
        connection.publish("r/a", b"1", retain=False, delivery=None)
        await until(lambda: events.ends)
    assert [end.fault for end in events.ends] == [Fault.TOO_LARGE]
    assert f"a packet of {octets} octets; more than 256 KiB are not read" in str(events.ends[0])
    assert taken < 16_000_000, "what the kernel's buffers hold"


async def test_a_packet_of_the_maximum_is_read() -> None:
    topic = b"\x00\x03r/a\x00"
    payload = bytes(262_144 - len(topic))
    events = Watching()
    answer = CONNACK + b"\x31" + remaining(262_144) + topic + payload
    async with listening(says(answer)) as port, dialler(port).connect("5", WILL, events):
        await until(lambda: events.inbound)
    assert events.inbound[0].payload == payload


@pytest.mark.parametrize(("version", "connack"), [("5", CONNACK), ("3.1.1", CONNACK_3)])
async def test_messages_of_qos_2_are_not_kept(version: Version, connack: bytes) -> None:
    """A broker that never sends a PUBREL would fill the memory: the first one ends the connection, unread."""
    body = b"\x00\x03r/a" + b"\x00\x01" + (b"\x00" if version == "5" else b"")
    packet = b"\x35" + remaining(len(body) + 50_000) + body + bytes(50_000)
    events = Watching()
    async with listening(says(connack, 3 * packet)) as port:
        made = dialler(port).connect(version, WILL, events)
        async with made as connection:
            connection.publish("r/a", b"1", retain=False, delivery=None)
            await until(lambda: events.ends, 3)
            assert not connection._client.paho._in_messages
    assert [end.fault for end in events.ends] == [Fault.UNASKED]
    assert "a message of QoS 2" in str(events.ends[0])
    assert not events.inbound


async def test_answers_that_the_broker_does_not_read_are_bounded() -> None:
    """It sends message after message of QoS 1, and never reads a PUBACK."""
    body = b"\x00\x03r/a" + b"\x00\x01" + b"\x00"
    packet = b"\x32" + remaining(len(body)) + body

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65536)
        writer.write(CONNACK)
        try:
            for _ in range(400):
                writer.write(packet * 50)
                await writer.drain()
        except ConnectionError:
            pass
        await asyncio.Event().wait()

    events = Watching()
    async with listening(talk) as port, dialler(port).connect("5", WILL, events) as connection:
        connection._client.paho._packet_write = lambda: paho.mqtt.client.MQTT_ERR_AGAIN  # type: ignore[method-assign]
        await until(lambda: events.ends, 20)
        most = len(events.inbound)
    assert most < 2100
    assert [end.fault for end in events.ends] == [Fault.UNASKED]
