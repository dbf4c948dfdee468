"""Devices by SNMP: a real snmpd with SNMPv3 users, and agents that are silent, lie or refuse."""

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from agent.doctor import devices, snmp
from agent.doctor.model import Finding
from collectors.clock import SystemClock
from collectors.snmp.credentials import AuthProtocol, UsmUser
from collectors.snmp.v3 import Header
from tests.agent.doctor.seeing import case, device, ids, secret, sees, site
from tests.collectors.snmp_wire.scripted import ScriptedPeer, V3Agent
from tests.lab.ber import Message
from tests.lab.daemon import free_port
from tests.lab.responder import HOSTILE_NAMES, Agent, Responder, healthy
from tests.lab.snmpd import Snmpd, User, user
from tests.programs import need

pytestmark = [pytest.mark.lab, pytest.mark.may_block]  # pysnmp loads in a thread, and holds the interpreter meanwhile

COMMUNITY = "only-for-this-test"
PRIV, AUTH = user("SHA-256", "AES"), user("SHA-256")


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Snmpd]:
    need("snmpd")
    extra = ("view narrow included .1.3.6.1.4.1.99999", "rocommunity keyhole default -V narrow")
    with Snmpd(
        tmp_path_factory.mktemp("snmpd"), community=COMMUNITY, users=[PRIV, AUTH], name="core", extra=extra
    ) as running:
        yield running


def v2c(folder: Path, community: str = COMMUNITY) -> str:
    return f'version = "2c"\ncommunity = {secret(folder, "community", community)}'


def v3(folder: Path, who: User, **other: str) -> str:
    """The user's credential; ``other`` replaces parts of it."""
    parts = {"user": who.name, "auth_secret": who.auth_secret, "priv_secret": who.priv_secret, "context": ""} | other
    text = f'version = "3"\nuser = "{parts["user"]}"\ncontext = "{parts["context"]}"\n'
    text += f'auth = "sha256"\nauth_secret = {secret(folder, "auth", parts["auth_secret"])}\n'
    if parts["priv_secret"]:
        text += f'priv = "aes128"\npriv_secret = {secret(folder, "priv", parts["priv_secret"])}\n'
    return text


async def ask(folder: Path, port: int, credential: str) -> list[Finding]:
    """The section of one device at that port of 127.0.0.1."""
    text = f'\n[snmp]\ntimeout_s = 0.5\n[[credential]]\nname = "site"\n{credential}\n'
    text += device("Core", "127.0.0.1", f'snmp = "site"\nsnmp_port = {port}')
    return await devices.check(case(site(folder, text)))


async def test_good_ones(agent: Snmpd, tmp_path: Path) -> None:
    sees(await ask(tmp_path, agent.port, v2c(tmp_path)), "snmp.ok", "Core")
    found = await ask(tmp_path, agent.port, v3(tmp_path, PRIV))
    assert "SNMP 3 answers" in next(f.seen for f in found if f.id == "snmp.ok")


@pytest.mark.parametrize(
    ("identifier", "who", "other"),
    [
        ("snmp.unknown_user", PRIV, {"user": "stranger"}),
        ("snmp.wrong_digest", PRIV, {"auth_secret": "another secret"}),
        ("snmp.wrong_privacy", PRIV, {"priv_secret": "another secret"}),
        ("snmp.unsupported_level", AUTH, {"priv_secret": "any secret"}),
        ("snmp.v3_mute", PRIV, {"context": "cellar"}),
        ("snmp.access_denied", PRIV, {"priv_secret": ""}),
    ],
)
async def test_what_is_wrong_with_a_user_is_told_apart(
    agent: Snmpd, tmp_path: Path, identifier: str, who: User, other: dict[str, str]
) -> None:
    found = await ask(tmp_path, agent.port, v3(tmp_path, who, **other))
    said = sees(found, identifier, "Core")
    assert not any(word in str(said) for word in ("another secret", "any secret", who.auth_secret))


async def test_a_wrong_community_of_an_agent_that_lives(agent: Snmpd, tmp_path: Path) -> None:
    said = sees(await ask(tmp_path, agent.port, v2c(tmp_path, "not-that-one")), "snmp.community", "Core")
    assert "not-that-one" not in str(said)


async def test_a_view_without_anything(agent: Snmpd, tmp_path: Path) -> None:
    sees(await ask(tmp_path, agent.port, v2c(tmp_path, "keyhole")), "snmp.no_view", "Core")


async def test_a_closed_port(tmp_path: Path) -> None:
    sees(await ask(tmp_path, free_port(socket.SOCK_DGRAM), v2c(tmp_path)), "snmp.closed", "Core")


async def test_silence(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        port = silent.getsockname()[1]
        sees(await ask(tmp_path, port, v2c(tmp_path)), "snmp.silent", "Core")
        sees(await ask(tmp_path, port, v3(tmp_path, PRIV)), "snmp.v3_silent", "Core")


async def test_a_secret_that_only_the_service_can_read(tmp_path: Path) -> None:
    found = await ask(tmp_path, free_port(socket.SOCK_DGRAM), 'version = "2c"\ncommunity = { credential = "c" }')
    sees(found, "snmp.secret_unread", "site")
    assert "snmp.closed" not in ids(found)


@dataclass
class Sleepy(Agent):
    """Answers the third question, not before."""

    def answer(self, request: Message) -> Message | None:
        told = super().answer(request)
        return told if len(self.asked) > 2 else None


async def test_agents_that_lie(tmp_path: Path) -> None:
    garbage, elsewhere = healthy(1), healthy(1)
    garbage.garbage = elsewhere.wrong_source = True
    sleepy = Sleepy(healthy(1).values)
    for agent, identifier in ((garbage, "garbage"), (elsewhere, "elsewhere"), (sleepy, "sleepy")):
        with Responder(None, {"127.0.0.1": agent}) as responder:
            found = await ask(tmp_path, responder.port, v2c(tmp_path, "public"))
        if identifier == "garbage":
            sees(found, "snmp.unreadable", "Core")
        elif identifier == "elsewhere":
            sees(found, "snmp.other_source", "Core")
        else:
            sees(found, "snmp.second_differs", "Core")


async def test_names_that_devices_give_themselves_stay_on_their_line(tmp_path: Path) -> None:
    agents = {f"127.0.3.{n}": healthy(1, name=name) for n, name in enumerate(HOSTILE_NAMES, 1)}
    with Responder(None, agents) as responder:
        text = f'\n[[credential]]\nname = "site"\n{v2c(tmp_path, "public")}\n'
        port = f'snmp = "site"\nsnmp_port = {responder.port}'
        text += "".join(device(f"D{n}", address, port) for n, address in enumerate(agents))
        found = await devices.check(case(site(tmp_path, text)))
    said = [f.seen for f in found if f.id == "snmp.ok"]
    assert len(said) == len(HOSTILE_NAMES)
    for sentence in said:
        assert len(sentence) < 300
        assert not set("\x1b\r\n\x00\x7f\u202e") & set(sentence)


class Stubborn(V3Agent):
    """Refuses everything for one reason, once its engine is known."""

    refusal = "time"

    def _refused(self, data: bytes, header: Header) -> str | None:
        if self.refusal != "engine" and header.engine_id != self.engine_id:
            return "engine"
        return self.refusal


@pytest.fixture
def stubborn() -> Stubborn:
    return Stubborn(SystemClock(), UsmUser(PRIV.name, AuthProtocol.SHA256, PRIV.auth_secret))


@pytest.mark.parametrize(
    ("identifier", "refusal"),
    [("snmp.not_in_time_window", "time"), ("snmp.unknown_context", "context"), ("snmp.refuses", "unheard-of")],
)
async def test_agents_whose_security_is_broken(
    stubborn: Stubborn, tmp_path: Path, identifier: str, refusal: str
) -> None:
    stubborn.refusal = refusal
    async with ScriptedPeer(stubborn) as peer:
        other = {"user": PRIV.name, "auth_secret": PRIV.auth_secret, "priv_secret": "", "context": "cellar"}
        found = await ask(tmp_path, peer.port, v3(tmp_path, AUTH, **other))
    sees(found, identifier, "Core")
    assert "device.ok" in ids(found)


async def test_a_device_whose_check_fails_leaves_the_others(
    agent: Snmpd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object, **__: object) -> str:
        raise ArithmeticError

    monkeypatch.setattr(snmp, "_silent", broken)
    text = f'\n[snmp]\ntimeout_s = 0.3\n[[credential]]\nname = "good"\n{v2c(tmp_path)}\n'
    text += f'[[credential]]\nname = "bad"\nversion = "2c"\ncommunity = {secret(tmp_path, "other", "not-that-one")}\n'
    for name in ("good", "bad"):
        text += device(name, "127.0.0.1", f'snmp = "{name}"\nsnmp_port = {agent.port}')
    found = await devices.check(case(site(tmp_path, text)))
    sees(found, "snmp.ok", "good")
    assert ("doctor.failed", "bad") in {(f.id, f.subject) for f in found}
    assert "ArithmeticError" in caplog.text
