"""Connections to a real mosquitto: versions, transports, TLS, users; and each failure's sentence."""

import asyncio
import logging
import re
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent.mqtt import BrokerDialler, client_id
from agent.mqtt_connection import Fault
from agent.mqtt_settings import BrokerSettings, Pace, TlsSettings
from agent.publisher import BLIND, Publisher
from tests.agent.mqtt.parts import ROOT, MemoryOutbox, Plain, listening, publisher, running, until
from tests.lab.certificates import Authority
from tests.lab.mosquitto import Mosquitto
from tests.lab.relay import Relay

pytestmark = pytest.mark.lab

PACE = Pace(own_info_s=0.1, history_start_s=0.0, ack_linger_s=0.05, backoff_cap_s=0.3, slow_floor_s=0.1, slow_cap_s=0.3)
Start = Callable[..., Mosquitto]


def made_for(
    outbox: MemoryOutbox,
    port: int,
    *,
    pace: Pace = PACE,
    protocol: Any = "auto",
    host: str = "127.0.0.1",
    **settings: Any,
) -> Publisher:
    dialler = BrokerDialler(BrokerSettings(host, port, **settings), client_id("acme", "hq", "pi-1"))
    return publisher(outbox, dialler, pace=pace, protocol=protocol)


async def delivers(made: Publisher, outbox: MemoryOutbox) -> None:
    outbox.add(3)
    async with running(made):
        await until(lambda: made.state.connected, 5, "connected")
        outbox.add(3)
        made.wake()
        await until(lambda: not outbox.waits(), 5, "all acknowledged")


async def fails(made: Publisher, outbox: MemoryOutbox, fault: Fault, sentence: str) -> None:
    outbox.add(1)
    async with running(made):
        await until(lambda: made.state.fault is not None, 5, "a fault")
        state = made.state
        assert not state.connected
        assert state.fault is fault, state.last_error
        assert re.search(sentence, str(state.last_error)), state.last_error
    assert outbox.waits() == [1]


async def test_mqtt_5_tells_live_from_backlog(mosquitto: Start) -> None:
    broker, outbox = mosquitto(), MemoryOutbox()
    with broker.recorder(f"{ROOT}/#") as recorder:
        made = made_for(outbox, broker.port)
        await delivers(made, outbox)
        got = await asyncio.to_thread(recorder.wait, 9)
    summaries = [(m.json()["seq"], dict(m.properties)) for m in got if m.topic.endswith("summary/site")]
    assert summaries == [(n, {"delivery": "backlog" if n <= 3 else "live"}) for n in range(1, 7)]
    assert [m.json()["state"] for m in got if m.topic.endswith("status")] == ["online", "offline"]
    kept = await asyncio.to_thread(broker.retained, f"{ROOT}/#")
    assert set(kept) == {f"{ROOT}/status", f"{ROOT}/info"}
    assert b'"offline"' in kept[f"{ROOT}/status"]


async def test_older_version_when_set(mosquitto: Start) -> None:
    broker, outbox = mosquitto(), MemoryOutbox()
    with broker.recorder(f"{ROOT}/#") as recorder:
        made = made_for(outbox, broker.port, protocol="3.1.1")
        await delivers(made, outbox)
        got = await asyncio.to_thread(recorder.wait, 9)
    assert all(m.properties == () for m in got)
    assert BLIND in made.state.warnings


async def test_older_version_where_five_is_refused(mosquitto: Start) -> None:
    broker, outbox = mosquitto(), MemoryOutbox()
    with Relay(broker.address, broker.port) as relay:
        relay.refuse_mqtt5 = True
        made = made_for(outbox, relay.port)
        outbox.add(3)
        async with running(made):
            await until(lambda: not outbox.waits())
            assert made.state.version == "3.1.1"
            assert relay.connections == 2


async def test_tls(mosquitto: Start) -> None:
    broker, outbox = mosquitto(tls=True), MemoryOutbox()
    made = made_for(outbox, broker.tls_port, host="localhost", tls=TlsSettings(ca=broker.ca, minimum_version="1.3"))
    outbox.add(300, size=1000)
    async with running(made):
        await until(lambda: not outbox.waits())
        assert made.state.tls == "TLSv1.3"
        assert made.state.warnings == ()


async def test_websocket(mosquitto: Start) -> None:
    broker, outbox = mosquitto(websocket=True), MemoryOutbox()
    made = made_for(outbox, broker.websocket_port, transport="websocket")
    with broker.recorder(f"{ROOT}/summary/site") as recorder:
        outbox.add(6)
        async with running(made):
            await until(lambda: made.state.connected)
            outbox.add(100, size=100_000)
            made.wake()
            await until(lambda: not outbox.waits(), 20)
        got = await asyncio.to_thread(recorder.wait, 106)
    assert {m.json()["seq"] for m in got} == set(range(1, 107))


async def test_unknown_authority(mosquitto: Start, tmp_path: Path) -> None:
    broker, outbox = mosquitto(tls=True), MemoryOutbox()
    stranger = Authority(tmp_path / "stranger")
    made = made_for(outbox, broker.tls_port, tls=TlsSettings(ca=stranger.certificate))
    await fails(made, outbox, Fault.TLS_UNKNOWN_CA, "signed by an authority we do not know")


async def test_insecure_is_said_loudly(mosquitto: Start, caplog: pytest.LogCaptureFixture) -> None:
    broker, outbox = mosquitto(tls=True), MemoryOutbox()
    made = made_for(outbox, broker.tls_port, tls=TlsSettings(insecure=True))
    await delivers(made, outbox)
    warning = "the broker's certificate is not checked (insecure): anybody in between can read and forge"
    assert made.state.warnings == (warning,)
    assert any(warning in r.getMessage() and r.levelno == logging.WARNING for r in caplog.records)


@pytest.mark.parametrize(
    ("kind", "fault", "sentence"),
    [
        ("expired", Fault.TLS_EXPIRED, "certificate has expired"),
        ("other", Fault.TLS_HOSTNAME, "for another name"),
    ],
)
async def test_certificates_that_do_not_hold(tmp_path: Path, kind: str, fault: Fault, sentence: str) -> None:
    authority, outbox = Authority(tmp_path), MemoryOutbox()
    issued = authority.expired_server() if kind == "expired" else authority.server(hosts=("broker.example",))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(issued.certificate, issued.key)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with listening(talk, context) as port:
        made = made_for(outbox, port, tls=TlsSettings(ca=authority.certificate))
        await fails(made, outbox, fault, sentence)


async def test_client_certificate(mosquitto: Start, tmp_path: Path) -> None:
    broker = mosquitto(tls=True, client_certificates=True, acl=f"user pi-1\ntopic readwrite {ROOT}/#\n")
    issued, strange = broker.client_certificate("pi-1"), Authority(tmp_path / "stranger").client("pi-1")
    outbox = MemoryOutbox()
    tls = TlsSettings(ca=broker.ca, certificate=issued.certificate, key=issued.key)
    await delivers(made_for(outbox, broker.tls_port, tls=tls), outbox)

    outbox = MemoryOutbox()
    made = made_for(outbox, broker.tls_port, tls=TlsSettings(ca=broker.ca))
    await fails(made, outbox, Fault.TLS_CLIENT_CERTIFICATE, "demands a client certificate, and none is set")

    outbox = MemoryOutbox()
    tls = TlsSettings(ca=broker.ca, certificate=strange.certificate, key=strange.key)
    await fails(made_for(outbox, broker.tls_port, tls=tls), outbox, Fault.TLS_CLIENT_CERTIFICATE, "client certificate")

    outbox = MemoryOutbox()
    tls = TlsSettings(ca=broker.ca, certificate=issued.certificate, key=strange.key)
    await fails(made_for(outbox, broker.tls_port, tls=tls), outbox, Fault.TLS_FILES, "key values mismatch")

    outbox = MemoryOutbox()
    tls = TlsSettings(ca=tmp_path / "none.pem")
    await fails(made_for(outbox, broker.tls_port, tls=tls), outbox, Fault.TLS_FILES, "none.pem cannot be read: No such")


async def test_tls_at_a_plain_port_and_plain_at_a_tls_port(mosquitto: Start) -> None:
    broker, outbox = mosquitto(tls=True), MemoryOutbox()
    await fails(made_for(outbox, broker.port, tls=TlsSettings(ca=broker.ca)), outbox, Fault.TLS, "plain connections")
    outbox = MemoryOutbox()
    await fails(made_for(outbox, broker.tls_port), outbox, Fault.CLOSED, "does it want TLS")


async def test_websocket_where_there_is_none(mosquitto: Start) -> None:
    broker, outbox = mosquitto(), MemoryOutbox()
    made = made_for(outbox, broker.port, transport="websocket")
    await fails(made, outbox, Fault.WEBSOCKET, "does not speak MQTT over WebSocket")


async def test_passwords_and_that_none_is_ever_shown(mosquitto: Start, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    broker, outbox = mosquitto(users={"pi-1": "päss word", "server": "x"}), MemoryOutbox()
    with broker.recorder("#", user="server") as recorder:
        made = made_for(outbox, broker.port, username="pi-1", password=Plain("päss word"))
        await delivers(made, outbox)
        box = MemoryOutbox()
        wrong = made_for(box, broker.port, username="pi-1", password=Plain("s3cret-wrong"))
        await fails(wrong, box, Fault.NOT_AUTHORISED, "does not let this user in")
        said = b"".join(m.payload for m in recorder.messages)
    settings = BrokerSettings("h", username="pi-1", password=Plain("s3cret-wrong"))
    shown = caplog.text + repr(made.state) + repr(wrong.state) + repr(settings) + said.decode()
    assert "s3cret-wrong" not in shown
    assert "päss word" not in shown


async def test_a_mended_password_connects(mosquitto: Start) -> None:
    broker, outbox = mosquitto(users={"pi-1": "old", "server": "x"}), MemoryOutbox()
    made = made_for(outbox, broker.port, username="pi-1", password=Plain("new"))
    outbox.add(1)
    async with running(made):
        await until(lambda: made.state.fault is Fault.NOT_AUTHORISED)
        await asyncio.to_thread(broker.reload, users={"pi-1": "new", "server": "x"})
        await until(lambda: not outbox.waits())


async def test_names_and_ports_where_nothing_is() -> None:
    outbox = MemoryOutbox()
    await fails(made_for(outbox, 1883, host="broker.invalid"), outbox, Fault.NAME, "broker.invalid does not resolve")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    outbox = MemoryOutbox()
    await fails(made_for(outbox, port), outbox, Fault.REFUSED, f"127.0.0.1:{port}: nothing listens there")


async def test_no_broker_at_the_start(mosquitto: Start) -> None:
    broker, outbox = mosquitto(), MemoryOutbox()
    await asyncio.to_thread(broker.stop)
    made = made_for(outbox, broker.port)
    outbox.add(100)
    async with running(made):
        await until(lambda: made.state.fault is Fault.REFUSED)
        await asyncio.sleep(0.5)
        outbox.add(100)
        made.wake()
        await asyncio.to_thread(broker.start)
        await until(lambda: not outbox.waits())


async def test_a_broker_that_stands_still_is_noticed_by_its_pings(mosquitto: Start) -> None:
    broker, outbox = mosquitto(), MemoryOutbox()
    with Relay(broker.address, broker.port) as relay:
        made = made_for(outbox, relay.port, keepalive_s=1)
        async with running(made):
            await until(lambda: made.state.connected and made.state.in_flight == 0)
            relay.stalled = True
            await until(lambda: not made.state.connected, 6)
            assert made.state.fault is Fault.TIMEOUT
            relay.stalled = False
            await until(lambda: made.state.connected, 6)
