"""The demo's broker answers every version of MQTT."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.demo.broker import Begun, read_head
from agent.mqtt import BrokerDialler
from agent.mqtt_connection import DialError, Fault, Will
from agent.mqtt_settings import BrokerSettings
from tests.lab.daemon import accepts, free_port
from tests.programs import need

pytestmark = [pytest.mark.lab, pytest.mark.may_block]


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """The broker's process; it ends with its standard input."""
    argv = [sys.executable, "-m", "agent.demo.broker", str(free_port())]
    with subprocess.Popen(
        argv, cwd=Path(__file__).parents[3], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None and process.stdin is not None
        yield json.loads(process.stdout.readline())["mqtt_port"]
        process.stdin.close()


class Ears:
    def acknowledged(self, ticket: int, reason: int, text: str) -> None: ...
    def received(self, message: object) -> None: ...
    def lost(self, error: object) -> None: ...


async def test_a_client_of_mqtt_5_is_refused_so_that_it_falls_back(port: int) -> None:
    dialler = BrokerDialler(BrokerSettings(host="127.0.0.1", port=port, dial_timeout_s=10), "probe")
    with pytest.raises(DialError) as refused:
        async with dialler.connect("5", Will("x", b""), Ears()):
            raise AssertionError
    assert refused.value.fault is Fault.VERSION
    async with dialler.connect("3.1.1", Will("x", b""), Ears()) as connection:
        assert connection.version == "3.1.1"
        await connection.disconnect()


@pytest.mark.parametrize(
    ("level", "answer"), [(5, b"\x20\x03\x00\x84\x00"), (3, b"\x20\x02\x00\x01"), (9, b"\x20\x02\x00\x01")]
)
async def test_every_version_is_answered_as_it_expects(port: int, level: int, answer: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    properties = b"\x05\x11\x00\x00\x00\x0a" if level == 5 else b""
    packet = b"\x00\x04MQTT" + bytes([level, 2]) + b"\x00\x1e" + properties + b"\x00\x05probe"
    writer.write(bytes([0x10, len(packet)]) + packet)
    async with asyncio.timeout(10):
        assert await reader.read() == answer
    writer.close()


def test_what_people_type_says_why_or_works(port: int) -> None:
    need("mosquitto_sub")  # of the same package
    options = ["mosquitto_pub", "-h", "127.0.0.1", "-p", str(port), "-t", "a", "-m", "b"]
    five = subprocess.run([*options, "-V", "5"], capture_output=True, text=True, timeout=20, check=False)
    assert "unsupported protocol version" in five.stderr.lower(), five.stderr
    assert subprocess.run(options, capture_output=True, timeout=20, check=False).returncode == 0


async def test_what_is_no_mqtt_costs_nothing(port: int) -> None:
    for octets in (b"GET / HTTP/1.1\r\n\r\n", b"\x10\xff\xff\xff\xff\x7f", b"\x10\x05\xff\xffMQTT\x05", b"\x10"):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(octets)
        writer.write_eof()
        writer.close()
    assert accepts("127.0.0.1", port)


async def test_the_head_is_read_once_and_given_back_whole() -> None:
    packet = b"\x10\x10\x00\x04MQTT\x04\x02\x00\x1e\x00\x04name"
    stream = asyncio.StreamReader()
    stream.feed_data(packet)
    stream.feed_eof()

    class Plain(Begun):
        def __init__(self) -> None: ...
        async def read(self, n: int = -1) -> bytes:
            return await (stream.read(n) if n < 0 else stream.readexactly(n))

    head, version = await read_head(Plain())
    assert (head, version) == (packet[:9], 4)
    begun = Begun(head, Plain())
    assert await begun.read(4) + await begun.read(7) + await begun.read() == packet
