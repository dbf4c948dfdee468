"""The relay before the broker lets pass, refuses, swallows, stalls and cuts."""

import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.mosquitto import Mosquitto
from tests.lab.relay import Relay
from tests.programs import need

pytestmark = pytest.mark.lab


@pytest.fixture
def relay(tmp_path: Path) -> Iterator[Relay]:
    need("mosquitto", "mosquitto_sub")
    with Mosquitto(tmp_path) as broker:
        broker.deny("secret/#")
        with Relay(broker.address, broker.port) as made:
            yield made


def publish(relay: Relay, topic: str, payload: str, version: str = "5") -> subprocess.CompletedProcess[str]:
    command = ["mosquitto_pub", "-h", relay.address, "-p", str(relay.port), "-V", version, "-q", "1", "-t", topic]
    return subprocess.run([*command, "-m", payload], capture_output=True, text=True, timeout=10, check=False)


def test_passes_and_keeps_what_was_published(relay: Relay) -> None:
    big = "x" * 100_000
    assert publish(relay, "a/b", big).returncode == 0
    publish(relay, "secret/c", "no")
    assert [(p.topic, p.qos) for p in relay.published] == [("a/b", 1), ("secret/c", 1)]
    assert relay.published[0].rest.endswith(big.encode())
    assert [a.reason for a in relay.acknowledged] == [0x10, 0x87]  # no subscribers; not authorised


def test_refuses_mqtt_5_alone(relay: Relay) -> None:
    relay.refuse_mqtt5 = True
    refused = publish(relay, "a", "1", "5")
    assert refused.returncode != 0
    assert "Unsupported Protocol Version" in refused.stderr
    assert publish(relay, "a", "1", "311").returncode == 0


def test_swallows_acknowledgements(relay: Relay) -> None:
    relay.swallow_pubacks = True
    with pytest.raises(subprocess.TimeoutExpired):
        subprocess.run(
            ["mosquitto_pub", "-h", relay.address, "-p", str(relay.port), "-V", "5", "-q", "1", "-t", "a", "-m", "1"],
            timeout=0.5,
            check=True,
        )
    assert [p.topic for p in relay.published] == ["a"]
    assert relay.acknowledged == []


def test_stalls_and_cuts(relay: Relay) -> None:
    connect = b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01a"
    with socket.create_connection((relay.address, relay.port), 2) as client:
        client.sendall(connect)
        assert client.recv(4) == b"\x20\x02\x00\x00"
        relay.stalled = True
        client.settimeout(0.2)
        client.sendall(b"\xc0\x00")
        with pytest.raises(TimeoutError):
            client.recv(2)
        relay.stalled = False
        client.settimeout(2)
        assert client.recv(2) == b"\xd0\x00"
        relay.cut()
        with pytest.raises(ConnectionResetError):
            client.recv(2)
