"""The broker: a real Mosquitto that is good, and every way in which one is not."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.doctor import broker, roundtrip
from agent.doctor.model import Finding
from tests.agent.doctor.lasting import lasting
from tests.agent.doctor.seeing import case, doctor, ids, secret, sees, site
from tests.lab.certificates import Authority, Issued
from tests.lab.daemon import free_port
from tests.lab.mosquitto import Mosquitto
from tests.lab.network import Network
from tests.lab.relay import Relay
from tests.programs import need, need_lab

pytestmark = [pytest.mark.lab, pytest.mark.may_block]  # tests start and ask brokers between their awaits

ACL = "user probe\ntopic readwrite sonda/v1/rossi/bologna/probe-1/#\n"


@pytest.fixture(autouse=True)
def _mosquitto() -> None:
    need("mosquitto", "mosquitto_sub")


def mqtt(folder: Path, port: int, more: str = "", *, host: str = "127.0.0.1", tls: str | None = None) -> Path:
    text = f'\n[mqtt]\nhost = "{host}"\nport = {port}\n{more}\n'
    if tls is not None:
        text += f"[mqtt.tls]\n{tls}\n"
    return site(folder, text)


async def ask(config: Path) -> list[Finding]:
    return await broker.check(case(config))


def user(folder: Path, password: str = "right") -> str:
    return f'username = "probe"\npassword = {secret(folder, "password", password)}'


async def test_a_message_comes_back_over_tls_with_an_acl_for_the_own_root_alone(tmp_path: Path) -> None:
    """And nothing of it stays: the broker keeps no retained message."""
    with Mosquitto(tmp_path, tls=True, users={"probe": "right", "watch": "all"}, acl=f"{ACL}user watch\ntopic read #\n",
                   receive_maximum=17) as running:  # fmt: skip
        assert running.authority is not None
        shows(running, lasting(running.authority, tmp_path, days=90))
        config = mqtt(tmp_path, running.tls_port, user(tmp_path), tls=f'ca = "{running.ca}"')
        with running.recorder("sonda/#", user="watch") as recorder:
            found = await ask(config)
            heard = recorder.wait(1)
        kept = running.retained("sonda/#", user="watch")
    sees(found, "broker.ok")
    assert sees(found, "broker.certificate")["facts"]["days_left"] == pytest.approx(90, abs=1)
    assert [message.topic.rsplit("/", 1)[0] for message in heard] == ["sonda/v1/rossi/bologna/probe-1/doctor"]
    assert [message.json() for message in heard] == [{"doctor": heard[0].topic.rsplit("/", 1)[1]}], "JSON, as all is"
    assert kept == {}


async def test_no_broker(tmp_path: Path) -> None:
    sees(await ask(site(tmp_path)), "broker.none")


async def test_a_name_that_does_not_resolve(tmp_path: Path) -> None:
    sees(await ask(mqtt(tmp_path, 1883, host="no-such-broker.invalid")), "broker.name")


async def test_a_closed_port(tmp_path: Path) -> None:
    sees(await ask(mqtt(tmp_path, free_port())), "broker.refused")


def test_no_way_there(tmp_path: Path) -> None:
    need_lab()
    with Network() as network:
        place = network.namespace("alone")
        sees(doctor(mqtt(tmp_path, 1883, host="203.0.113.1"), "broker", place=place), "broker.unreachable")


async def test_somebody_who_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roundtrip, "DIAL_S", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        sees(await ask(mqtt(tmp_path, silent.getsockname()[1])), "broker.timeout")


@pytest.fixture
def tls_broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path, tls=True) as running:
        yield running


def shows(running: Mosquitto, issued: Issued) -> None:
    """From now on the broker shows that certificate."""
    running.server = issued
    running._write(running._conf, "\n".join(running._settings()) + "\n")
    running.restart()


async def test_certificates_are_told_apart(tls_broker: Mosquitto, tmp_path: Path) -> None:
    authority, ca = tls_broker.authority, f'ca = "{tls_broker.ca}"'
    assert authority is not None
    config = mqtt(tmp_path, tls_broker.tls_port, tls=ca)
    sees(await ask(config), "broker.certificate_soon")
    shows(tls_broker, authority.expired_server())
    sees(await ask(config), "broker.tls_expired")
    shows(tls_broker, lasting(authority, tmp_path, days=9, begins_in_days=3))
    sees(await ask(config), "broker.tls_not_yet_valid")
    shows(tls_broker, authority.server("other", hosts=("broker.example",)))
    sees(await ask(config), "broker.tls_hostname")
    sees(await ask(mqtt(tmp_path, tls_broker.tls_port, tls=f"{ca}\nverify = false")), "broker.weak")
    other = Authority(tmp_path / "other")
    sees(await ask(mqtt(tmp_path, tls_broker.tls_port, tls=f'ca = "{other.certificate}"')), "broker.tls_unknown_ca")


async def test_tls_and_plain_ports_mistaken(tls_broker: Mosquitto, tmp_path: Path) -> None:
    sees(await ask(mqtt(tmp_path, tls_broker.port, tls=f'ca = "{tls_broker.ca}"')), "broker.tls")
    sees(await ask(mqtt(tmp_path, tls_broker.tls_port)), "broker.closed")
    sees(await ask(mqtt(tmp_path, tls_broker.port, 'transport = "websocket"')), "broker.websocket")
    broken = tmp_path / "broken.pem"
    broken.write_text("-----BEGIN CERTIFICATE-----\nbm8gY2VydGlmaWNhdGU=\n-----END CERTIFICATE-----\n")  # cut off
    sees(await ask(mqtt(tmp_path, tls_broker.tls_port, tls=f'ca = "{broken}"')), "broker.tls_files")


async def test_a_broker_that_wants_our_certificate(tmp_path: Path) -> None:
    with Mosquitto(tmp_path, tls=True, client_certificates=True) as running:
        sees(await ask(mqtt(tmp_path, running.tls_port, tls=f'ca = "{running.ca}"')), "broker.tls_client_certificate")


async def test_a_wrong_password_is_not_shown(tmp_path: Path) -> None:
    with Mosquitto(tmp_path, users={"probe": "right"}) as running:
        found = await ask(mqtt(tmp_path, running.port, user(tmp_path, "not-the-right-one")))
    assert "not-the-right-one" not in str(sees(found, "broker.login"))


async def test_a_password_that_only_the_service_can_read(tmp_path: Path) -> None:
    found = await ask(mqtt(tmp_path, free_port(), 'username = "probe"\npassword = { credential = "sonda_p" }'))
    sees(found, "broker.secret_unread")
    assert "broker.refused" not in ids(found)


async def test_what_an_acl_forbids(tmp_path: Path) -> None:
    with Mosquitto(tmp_path, users={"probe": "right"}, acl="user probe\ntopic read #\n") as running:
        config = mqtt(tmp_path, running.port, user(tmp_path))
        sees(await ask(config), "broker.publish_refused")
        running.reload(acl="user probe\ntopic write #\n")
        sees(await ask(config), "broker.not_read_back")


async def test_a_broker_that_keeps_nothing(tmp_path: Path) -> None:
    with Mosquitto(tmp_path, extra=["retain_available false"]) as running:
        sees(await ask(mqtt(tmp_path, running.port)), "broker.no_retain")


async def test_an_old_broker(tmp_path: Path) -> None:
    with Mosquitto(tmp_path) as running, Relay(running.address, running.port) as relay:
        relay.refuse_mqtt5 = True
        found = await ask(mqtt(tmp_path, relay.port))
        sees(found, "broker.version_old")
        assert "broker.ok" in ids(found)
        sees(await ask(mqtt(tmp_path, relay.port, 'protocol = "5"')), "broker.version")


async def test_a_broker_that_acknowledges_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roundtrip, "ANSWER_S", 1.0)
    with Mosquitto(tmp_path) as running, Relay(running.address, running.port) as relay:
        relay.swallow_pubacks = True
        sees(await ask(mqtt(tmp_path, relay.port)), "broker.not_acknowledged")


@contextlib.contextmanager
def scripted(*answers: bytes) -> Iterator[int]:
    """The least of a broker: one fixed answer to each packet it reads, then it closes. Its port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(10)

        def serve() -> None:
            with contextlib.suppress(OSError):
                client, _ = listening.accept()
                client.settimeout(10)
                with client:
                    for answer in answers:
                        asked = client.recv(65536)
                        packet_id = asked[2:4]  # of a SUBSCRIBE; its length takes one octet
                        client.sendall(answer.replace(b"ID", packet_id))

        thread = threading.Thread(target=serve, name="scripted broker")
        thread.start()
        yield listening.getsockname()[1]
        thread.join()


CONNACK = b"\x20\x03\x00\x00\x00"


async def test_brokers_that_mosquitto_cannot_play(tmp_path: Path) -> None:
    """MQTT 5, 3.2 and 3.9: CONNACK with "server busy"; SUBACK with "not authorised"; a close after the SUBACK."""
    with scripted(b"\x20\x03\x00\x89\x00") as port:
        sees(await ask(mqtt(tmp_path, port)), "broker.other")
    with scripted(CONNACK, b"\x90\x04ID\x00\x87", b"\x40\x02\x00\x02") as port:
        sees(await ask(mqtt(tmp_path, port)), "broker.subscribe_refused")
    with scripted(CONNACK, b"\x90\x04ID\x00\x01") as port:
        sees(await ask(mqtt(tmp_path, port)), "broker.lost")
