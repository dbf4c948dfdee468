"""A broker that is off, refuses, denies a topic, or never acknowledges: everything is kept, said, and arrives once it
can. And every way to it: TLS with a client certificate, WebSocket, MQTT 3.1.1."""

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.lab.agent import SondaRun
from tests.lab.daemon import wait_until
from tests.lab.hosts import ROOT, Hosts, bodies, numbers, settings, sonda_before_five_end, states
from tests.lab.mosquitto import Mosquitto, Recorder
from tests.lab.network import Network
from tests.lab.relay import Relay
from tests.programs import need_lab

pytestmark = pytest.mark.lab


@pytest.fixture
def hosts() -> Iterator[Hosts]:
    need_lab("mosquitto", "mosquitto_sub", "nft")
    with Network() as network:
        yield Hosts(network, 4)


def mqtt(port: int, more: str = "") -> str:
    return f'[mqtt]\nhost = "127.0.0.1"\nport = {port}\n{more}'


def broker_of(sonda: SondaRun) -> Mapping[str, Any]:
    """The broker's part of /api/v1/agent."""
    found: Mapping[str, Any] = sonda.json("/api/v1/agent")["broker"]
    return found


def state_of(sonda: SondaRun) -> Mapping[str, Any]:
    return broker_of(sonda)["state"] or {}


def all_arrive(sonda: SondaRun, recorder: Recorder, timeout_s: float = 20) -> None:
    """Nothing waits any more, and every number from 1 on reached the subscriber."""
    wait_until(lambda: broker_of(sonda)["backlog_messages"] == 0, f"all acknowledged: {broker_of(sonda)}", timeout_s)
    last = broker_of(sonda)["last_seq"]
    recorder.wait_for(lambda _: [n for of in numbers(recorder).values() for n in of][-1:] >= [last], "the last number")
    ((_, came),) = numbers(recorder).items()
    assert came == list(range(1, last + 1))


def flap(hosts: Hosts, sonda: SondaRun, number: int) -> None:
    """One host goes down and comes back: two messages."""
    hosts.silence(number)
    wait_until(lambda: states(sonda)[f"host-{number}"] == "down", "down", 8)
    hosts.silence()
    wait_until(lambda: states(sonda)[f"host-{number}"] == "up", "up", 5)


def test_a_broker_that_is_off_then_refuses_then_takes_all(tmp_path: Path, hosts: Hosts) -> None:
    secret = tmp_path / "password"
    secret.write_text("not the password")
    secret.chmod(0o600)
    with ExitStack() as stack:
        users = {"probe-1": "the password", "server": "s"}
        broker = stack.enter_context(Mosquitto(tmp_path, place=hosts.probe, users=users, persistent=True))
        recorder = stack.enter_context(broker.recorder(f"{ROOT}/#", user="server"))
        broker.stop()
        text = settings([0, 1], mqtt(broker.port, f'username = "probe-1"\npassword = {{ file = "{secret}" }}\n'))
        sonda = stack.enter_context(SondaRun(tmp_path, text, place=hosts.probe))
        wait_until(lambda: states(sonda) == {"host-0": "up", "host-1": "up"}, "it measures with no broker", 5)
        flap(hosts, sonda, 0)
        state = broker_of(sonda)
        assert state["connected"] is False and state["acked_to"] == 0
        assert state["backlog_messages"] == state["last_seq"] == 2
        assert f"127.0.0.1:{broker.port}" in state["state"]["last_error"], "which broker"
        assert "nothing listens there" in state["state"]["last_error"], "and why"
        assert state["state"]["last_error"] in sonda.log
        assert sonda.get("/readyz").status == 200, "a dead broker is no failure of the agent"

        broker.start()
        wait_until(lambda: state_of(sonda)["fault"] == "not_authorised", "the refusal is said", 20)
        sentence = state_of(sonda)["last_error"]
        assert "does not let this user in: check `username`, `password` and certificate in [mqtt]" in sentence
        assert sonda.log.count(sentence) == 1, "said once"
        assert broker_of(sonda)["backlog_messages"] == 2

        secret.write_text("the password")
        sonda.reload(text)
        wait_until(lambda: bool(state_of(sonda).get("connected")), "connected after the mend", 10)
        all_arrive(sonda, recorder)
        assert sonda.stop() == 0
    assert "not the password" not in sonda.log and "the password" not in sonda.log


@pytest.mark.parametrize(
    "by_itself", [pytest.param(False, id="reload"), pytest.param(True, id="by-itself", marks=pytest.mark.long)]
)
@pytest.mark.timeout(240)
def test_a_topic_that_is_denied_waits_alone(tmp_path: Path, hosts: Hosts, by_itself: bool) -> None:
    """The site's summary is refused; all else flows. After the mend it flows too: at the next try (a minute), or at
    once when the settings are read anew."""
    denied = f"{ROOT}/summary/site"
    with ExitStack() as stack:
        broker = stack.enter_context(Mosquitto(tmp_path, place=hosts.probe, persistent=True))
        recorder = stack.enter_context(broker.recorder(f"{ROOT}/#"))
        broker.deny(denied)
        config = tmp_path / "sonda.toml"
        command = sonda_before_five_end(4, config)
        sonda = stack.enter_context(
            SondaRun(tmp_path, settings([0, 1], mqtt(broker.port)), place=hosts.probe, command=command)
        )
        wait_until(lambda: len(state_of(sonda)["refused"]) > 0, "the refusal is seen", 20)
        (refused,) = state_of(sonda)["refused"]
        assert refused["topic"] == "summary/site" and refused["reason"] == 0x87
        assert f"the broker refuses {denied}" in sonda.log
        flap(hosts, sonda, 0)
        recorder.wait_for(lambda _: bodies(recorder, "event/device.up"), "others flow", 30)
        wait_until(lambda: broker_of(sonda)["backlog_messages"] == 1, f"one waits: {broker_of(sonda)}", 30)
        assert bodies(recorder, "summary/device/host-0"), "of the same five minutes"
        ((_, came),) = numbers(recorder).items()
        state = broker_of(sonda)
        (missing,) = set(range(1, state["last_seq"] + 1)) - set(came)
        assert state["acked_to"] == missing - 1, "not counted as sent"
        assert not bodies(recorder, "summary/site")

        broker.allow_all()
        if not by_itself:
            sonda.reload(settings([0, 1], mqtt(broker.port, "keepalive_s = 20\n")))
        recorder.wait_for(lambda _: bodies(recorder, "summary/site"), "it flows", 90 if by_itself else 30)
        all_arrive(sonda, recorder)
        (told,) = {body["seq"] for body in bodies(recorder, "summary/site")}
        assert told == missing
        wait_until(lambda: state_of(sonda)["refused"] == [], "no topic waits any more", 5)
        assert sonda.stop() == 0


@pytest.mark.parametrize(
    "swallowed_s", [pytest.param(4, id="briefly"), pytest.param(24, id="left-and-dialled", marks=pytest.mark.long)]
)
def test_a_broker_that_never_acknowledges(tmp_path: Path, hosts: Hosts, swallowed_s: float) -> None:
    """It is mended by a new connection: that of its own restart, or ours after 20 s."""
    with ExitStack() as stack:
        broker = stack.enter_context(Mosquitto(tmp_path, place=hosts.probe, persistent=True))
        recorder = stack.enter_context(broker.recorder(f"{ROOT}/#"))
        relay = stack.enter_context(Relay("127.0.0.1", broker.port, place=hosts.probe))
        relay.swallow_pubacks = True
        sonda = stack.enter_context(SondaRun(tmp_path, settings([0, 1], mqtt(relay.port)), place=hosts.probe))
        wait_until(lambda: bool(state_of(sonda).get("connected")), "connected", 5)
        began = time.monotonic()
        flap(hosts, sonda, 0)
        time.sleep(max(0, began + swallowed_s - time.monotonic()))
        wait_until(lambda: len(relay.published) >= 4, "status, info and two events went out")
        state = broker_of(sonda)
        assert state["acked_to"] == 0 and state["backlog_messages"] == state["last_seq"] >= 2
        assert state["state"]["acknowledged"] == 0 and state["state"]["last_puback_utc"] is None
        if swallowed_s > 20:
            assert "the broker acknowledged nothing for 20 s" in sonda.log
            assert relay.connections >= 2, "it was left and dialled anew"
        relay.swallow_pubacks = False
        if swallowed_s < 20:
            relay.cut()
        all_arrive(sonda, recorder, 30)
        assert sonda.stop() == 0


def test_another_box_that_speaks_as_this_probe_is_said_and_survived(tmp_path: Path, hosts: Hosts) -> None:
    with ExitStack() as stack:
        broker = stack.enter_context(Mosquitto(tmp_path, place=hosts.probe))
        recorder = stack.enter_context(broker.recorder(f"{ROOT}/#"))
        sonda = stack.enter_context(SondaRun(tmp_path, settings([0, 1], mqtt(broker.port)), place=hosts.probe))
        recorder.wait_for(lambda _: bodies(recorder, "info"), "its birth is told")
        broker.publish(f"{ROOT}/status", b'{"state": "online", "boot": "another"}', retain=True)
        recorder.wait_for(lambda _: bodies(recorder, "event/probe.fault"), "the clash is told")
        (fault,) = bodies(recorder, "event/probe.fault")
        assert (fault["cause"], fault["other_boot"]) == ("identity_clash", "another")
        assert fault["boot"] == sonda.json("/api/v1/agent")["boot"]
        assert "another box speaks as this probe (boot another)" in sonda.log
        assert sonda.stop() == 0


def test_every_way_to_the_broker(tmp_path: Path, hosts: Hosts) -> None:
    """TLS with a client certificate, WebSocket, and a broker that knows MQTT 3.1.1 alone, side by side."""
    hosts.silence(0)
    with ExitStack() as stack:

        def box(name: str) -> Path:
            (tmp_path / name).mkdir()
            return tmp_path / name

        acl = f"user probe-1\ntopic readwrite {ROOT}/#\nuser server\ntopic read #\n"
        tls = Mosquitto(
            box("tls"), place=hosts.probe, tls=True, client_certificates=True, acl=acl, users={"server": "s"}
        )
        web = Mosquitto(box("web"), place=hosts.probe, websocket=True)
        old = Mosquitto(box("old"), place=hosts.probe)
        recorders = [stack.enter_context(stack.enter_context(b).recorder(f"{ROOT}/#")) for b in (tls, web, old)]
        issued = tls.client_certificate("probe-1")
        files = f'ca = "{tls.ca}"\ncert = "{issued.certificate}"\nkey = "{issued.key}"\n'
        relay = stack.enter_context(Relay("127.0.0.1", old.port, place=hosts.probe))
        relay.refuse_mqtt5 = True
        sections = (
            mqtt(tls.tls_port, f"[mqtt.tls]\n{files}"),
            mqtt(web.websocket_port, 'transport = "websocket"\n'),
            mqtt(relay.port),
        )
        agents = [
            stack.enter_context(SondaRun(broker.folder, settings([0, 1], section), place=hosts.probe))
            for broker, section in zip((tls, web, old), sections, strict=True)
        ]
        for sonda in agents:
            wait_until(lambda: bool(state_of(sonda).get("connected")), "connected", 10)  # noqa: B023 - used at once
        found = [state_of(sonda) for sonda in agents]
        assert [state["version"] for state in found] == ["5", "5", "3.1.1"]
        assert [state["tls"] is not None for state in found] == [True, False, False]
        assert "refusals cannot be seen under MQTT 3.1.1" in " ".join(found[2]["warnings"]), "said, not hidden"
        for sonda, recorder in zip(agents, recorders, strict=True):
            recorder.wait_for(lambda _: bodies(recorder, "event/device.down"), "the event", 10)  # noqa: B023 - used at once
            all_arrive(sonda, recorder)
            assert sonda.stop() == 0
            recorder.wait_for(lambda _: bodies(recorder, "/status")[-1]["state"] == "offline", "goodbye")  # noqa: B023 - used at once
            assert "Traceback" not in sonda.log
