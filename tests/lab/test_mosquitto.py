"""The broker of the lab does what its settings say."""

import json
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.certificates import Authority
from tests.lab.daemon import NotReadyError
from tests.lab.mosquitto import Mosquitto
from tests.lab.network import Network
from tests.programs import need, need_lab

pytestmark = pytest.mark.lab


@pytest.fixture(autouse=True)
def _installed() -> None:
    need("mosquitto", "mosquitto_sub")


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path) as made:
        yield made


def test_recorder_gets_bytes_and_properties(broker: Mosquitto) -> None:
    with broker.recorder("a/#") as recorder:
        odd = bytes(range(256))
        broker.publish("a/b", odd)
        broker.publish("b/c", b"not asked for")
        command = ["mosquitto_pub", "-h", "127.0.0.1", "-p", str(broker.port), "-V", "5", "-t", "a/c", "-m", '{"à":1}']
        command += ["-q", "1", "-D", "publish", "user-property", "delivery", "backlog"]
        subprocess.run(command, check=True)
        first, second = recorder.wait(2)
    assert (first.topic, first.payload, first.qos, first.retained) == ("a/b", odd, 1, False)
    assert (second.json(), second.properties) == ({"à": 1}, (("delivery", "backlog"),))
    assert second.at >= first.at


def test_recorder_misses_what_never_came(broker: Mosquitto) -> None:
    with broker.recorder("a/#") as recorder, pytest.raises(NotReadyError, match="1 messages"):
        recorder.wait(1, timeout_s=0.2)


def test_users_and_passwords(tmp_path: Path) -> None:
    with Mosquitto(tmp_path, users={"probe": "pässword", "server": "x"}) as broker:
        with broker.recorder("a/#", user="server") as recorder:
            broker.publish("a/b", b"1", user="probe")
            recorder.wait(1)
        broker.reload(users={"server": "x"})
        with pytest.raises(subprocess.CalledProcessError):
            broker.publish("a/b", b"2", user="probe")


def test_denied_topic_and_back(broker: Mosquitto) -> None:
    with broker.recorder("#") as recorder:
        broker.deny("a/secret/#")
        broker.publish("a/secret/x", b"1")
        broker.publish("a/open", b"2")
        assert [m.topic for m in recorder.wait(1)] == ["a/open"]
        broker.allow_all()
        broker.publish("a/secret/x", b"3")
        assert [m.payload for m in recorder.wait(2)] == [b"2", b"3"]
    assert "Denied PUBLISH" in broker.log


def test_killed_and_back_on_the_same_port(tmp_path: Path) -> None:
    with Mosquitto(tmp_path, persistent=True) as broker, broker.recorder("a/#") as recorder:
        broker.publish("a/kept", b"1", retain=True)
        recorder.wait(1)
        port = broker.port
        broker.kill()
        with pytest.raises(subprocess.CalledProcessError):
            broker.publish("a/b", b"lost")
        broker.start()
        assert broker.port == port
        for _ in range(30):  # a session made just before the kill may be lost with it: until it is subscribed again
            broker.publish("a/b", b"2")
            if b"2" in {m.payload for m in recorder.messages}:
                break
            time.sleep(1)
        got = recorder.wait_for(lambda m: m[-1].payload == b"2", "the message after the kill", 15)
        assert b"lost" not in {m.payload for m in got}
        assert broker.retained("a/#") == {"a/kept": b"1"}


def test_restarted_without_persistence_forgets(broker: Mosquitto) -> None:
    broker.publish("a/kept", b"1", retain=True)
    assert broker.retained() == {"a/kept": b"1"}
    broker.restart()
    assert broker.retained() == {}


def test_tls_and_its_authority(tmp_path: Path) -> None:
    with Mosquitto(tmp_path, tls=True) as broker:
        assert _subject(broker, broker.ca) == "server"
        stranger = Authority(tmp_path / "stranger")
        with pytest.raises(ssl.SSLCertVerificationError):
            _subject(broker, stranger.certificate)


def test_client_certificate_is_demanded_and_names_the_user(tmp_path: Path) -> None:
    with Mosquitto(tmp_path, tls=True, client_certificates=True, acl="user probe-1\ntopic readwrite #\n") as broker:
        issued = broker.client_certificate("probe-1")
        base = ["mosquitto_pub", "-h", "127.0.0.1", "-p", str(broker.tls_port), "--cafile", str(broker.ca), "-V", "5"]
        base += ["-t", "a", "-m", "1", "-q", "1"]
        bare = subprocess.run(base, capture_output=True, check=False)
        assert bare.returncode != 0
        subprocess.run([*base, "--cert", str(issued.certificate), "--key", str(issued.key)], check=True)
        assert "u'probe-1'" in broker.log


def test_expired_certificate_is_refused_by_clients(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    issued = authority.expired_server()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(issued.certificate, issued.key)
    client = ssl.create_default_context(cafile=str(authority.certificate))
    here, there = ssl.MemoryBIO(), ssl.MemoryBIO()
    asks = client.wrap_bio(here, there, server_hostname="localhost")
    answers = server.wrap_bio(there, here, server_side=True)
    with pytest.raises(ssl.SSLWantReadError):
        asks.do_handshake()
    with pytest.raises(ssl.SSLWantReadError):
        answers.do_handshake()
    with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
        asks.do_handshake()


def test_websocket_upgrades(tmp_path: Path) -> None:
    with (
        Mosquitto(tmp_path, websocket=True) as broker,
        socket.create_connection(("127.0.0.1", broker.websocket_port), 5) as client,
    ):
        client.sendall(
            b"GET /mqtt HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Protocol: mqtt\r\n\r\n"
        )
        said = client.recv(4096)
    assert said.startswith(b"HTTP/1.1 101")
    assert b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in said  # RFC 6455 section 1.3


def test_inside_a_namespace(tmp_path: Path) -> None:
    need_lab()
    with Network() as network:
        probe, server = network.namespace("probe"), network.namespace("server")
        network.veth(probe, server, addresses=(["10.1.0.1/24"], ["10.1.0.2/24"]))
        with Mosquitto(tmp_path, place=server, address="10.1.0.2") as broker, broker.recorder("#") as recorder:
            probe.run("mosquitto_pub", "-h", "10.1.0.2", "-p", str(broker.port), "-t", "a", "-m", json.dumps([1]))
            assert recorder.wait(1)[0].json() == [1]


def test_a_broker_that_cannot_start_shows_its_log(tmp_path: Path) -> None:
    with (
        pytest.raises(NotReadyError, match="Unknown configuration variable"),
        Mosquitto(tmp_path, extra=["nonsense 1"]),
    ):
        pass


def _subject(broker: Mosquitto, ca: Path) -> str:
    context = ssl.create_default_context(cafile=str(ca))
    with (
        socket.create_connection(("127.0.0.1", broker.tls_port), 5) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as wrapped,
    ):
        shown = wrapped.getpeercert() or {}
    subject = shown["subject"]
    assert isinstance(subject, tuple)
    return str(subject[0][0][1])
