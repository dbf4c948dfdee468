"""SNMPv3 that fails, and an agent or somebody else that lies: reports told apart, forgeries and replays ignored."""

import pytest

from collectors.snmp import message, v3
from collectors.snmp.client import SnmpClient
from collectors.snmp.credentials import AuthProtocol, PrivProtocol, UsmUser
from collectors.snmp.errors import (
    AuthFailure,
    DecryptionError,
    NotInTimeWindow,
    Timeout,
    UnknownContext,
    UnknownEngine,
    UnknownUser,
    UnsupportedSecLevel,
    WrongDigest,
)
from tests.collectors.snmp_wire.scripted import LONG_S, OIDS, USER, ScriptedPeer, V3Agent

SOON_S = 0.15


@pytest.mark.parametrize(
    ("user", "kind", "counter"),
    [
        (UsmUser("nobody", AuthProtocol.SHA256, "authpassword"), UnknownUser, "report_unknown_user"),
        (UsmUser("operator", AuthProtocol.SHA256, "wrong-secret", PrivProtocol.AES128, "privpassword"), WrongDigest, "report_wrong_digest"),
        (UsmUser("operator", AuthProtocol.SHA1, "authpassword", PrivProtocol.AES128, "privpassword"), WrongDigest, "report_wrong_digest"),
        (UsmUser("operator", AuthProtocol.SHA256, "authpassword"), UnsupportedSecLevel, "report_unsupported_sec_level"),
    ],
)  # fmt: skip
async def test_what_is_wrong_with_a_credential_is_told_apart(
    snmp: SnmpClient, device: ScriptedPeer, user: UsmUser, kind: type[AuthFailure], counter: str
) -> None:
    with pytest.raises(kind) as caught:
        await snmp.get(device.peer(user), OIDS, timeout_s=LONG_S, retries=0)
    assert snmp.counters[counter] == 1
    assert f"report_{caught.value.reason}" == counter


@pytest.mark.parametrize("mute", [False, True])
@pytest.mark.parametrize("checks_level", [False, True])
async def test_a_wrong_privacy_secret_is_told_apart_even_from_silence(
    snmp: SnmpClient, agent: V3Agent, device: ScriptedPeer, mute: bool, checks_level: bool
) -> None:
    agent.mute_errors, agent.checks_level = mute, checks_level
    wrong = UsmUser("operator", AuthProtocol.SHA256, "authpassword", PrivProtocol.AES128, "wrong-secret")
    with pytest.raises(DecryptionError) as caught:
        await snmp.get(device.peer(wrong), OIDS, timeout_s=SOON_S, retries=0)
    assert caught.value.reason == "decryption_error"
    assert snmp.counters["probes"] == mute


async def test_silence_of_a_device_whose_privacy_was_right_is_a_timeout_until_it_lasts(
    snmp: SnmpClient, agent: V3Agent, device: ScriptedPeer
) -> None:
    peer = device.peer(USER)
    await snmp.get(peer, OIDS, timeout_s=LONG_S)
    agent.mute_errors = True
    agent.user = UsmUser("operator", AuthProtocol.SHA256, "authpassword", PrivProtocol.AES128, "changed-secret")
    for _ in range(3):
        with pytest.raises(Timeout):
            await snmp.get(peer, OIDS, timeout_s=SOON_S, retries=0)
    with pytest.raises(DecryptionError):
        await snmp.get(peer, OIDS, timeout_s=SOON_S, retries=0)
    agent.user = USER
    await snmp.get(peer, OIDS, timeout_s=LONG_S)
    assert peer.engine.failures == 0


async def test_a_silent_device_is_not_told_to_have_a_wrong_privacy_secret(
    snmp: SnmpClient, agent: V3Agent, device: ScriptedPeer
) -> None:
    def only_discovery(data: bytes) -> list[bytes]:
        return list(agent(data)) if not agent.reports else []

    device.script = only_discovery
    with pytest.raises(Timeout):
        await snmp.get(device.peer(USER), OIDS, timeout_s=SOON_S, retries=0)
    assert snmp.counters["probes"] == 1


@pytest.mark.parametrize(("kind", "error"), [("context", UnknownContext), ("unheard-of", AuthFailure)])
async def test_other_reports_are_failures_as_well(
    snmp: SnmpClient, agent: V3Agent, device: ScriptedPeer, kind: str, error: type[AuthFailure]
) -> None:
    peer = device.peer(USER)
    await snmp.get(peer, OIDS, timeout_s=LONG_S)
    device.script = lambda data: agent.report(kind, asked_id(data), authentic=True)
    with pytest.raises(error) as caught:
        await snmp.get(peer, OIDS, timeout_s=LONG_S, retries=0)
    assert type(caught.value) is error


async def test_a_report_of_decryption_is_told_apart(snmp: SnmpClient, agent: V3Agent, device: ScriptedPeer) -> None:
    peer = device.peer(USER)
    await snmp.get(peer, OIDS, timeout_s=LONG_S)
    device.script = lambda data: agent.report("decryption", asked_id(data))
    with pytest.raises(DecryptionError):
        await snmp.get(peer, OIDS, timeout_s=LONG_S, retries=0)


async def test_an_answer_that_does_not_decrypt_is_told_apart(
    snmp: SnmpClient, agent: V3Agent, device: ScriptedPeer
) -> None:
    peer = device.peer(USER)
    await snmp.get(peer, OIDS, timeout_s=LONG_S)
    agent.user = UsmUser("operator", AuthProtocol.SHA256, "authpassword", PrivProtocol.AES128, "another-one")
    device.script = lambda data: [agent.seal(asked_id(data), message.scoped_pdu(b"", b"", b""))]
    with pytest.raises(DecryptionError):
        await snmp.get(peer, OIDS, timeout_s=LONG_S, retries=0)


def asked_id(data: bytes) -> int:
    _, at, stop = message.read_version(data)
    return v3.read_header(data, at, stop).msg_id


async def test_a_credential_mended_in_place_is_used(snmp: SnmpClient, device: ScriptedPeer) -> None:
    peer = device.peer(UsmUser("operator", AuthProtocol.SHA256, "mistyped", PrivProtocol.AES128, "privpassword"))
    with pytest.raises(WrongDigest):
        await snmp.get(peer, OIDS, timeout_s=LONG_S)
    peer.credential = USER
    assert (await snmp.get(peer, OIDS, timeout_s=LONG_S)).values == [0, 1, 2]


async def test_an_unauthenticated_report_cannot_shift_time(
    snmp: SnmpClient, agent: V3Agent, device: ScriptedPeer
) -> None:
    peer = device.peer(USER)
    await snmp.get(peer, OIDS, timeout_s=LONG_S)
    before = (peer.engine.boots, peer.engine.engine_time, peer.engine.at)

    def lying(data: bytes) -> list[bytes]:
        agent.boots += 1000
        lie = list(agent.report("time", asked_id(data)))
        agent.boots -= 1000
        return [*lie, *agent(data)]

    device.script = lying
    assert (await snmp.get(peer, OIDS, timeout_s=LONG_S, retries=0)).values == [0, 1, 2]
    assert (peer.engine.boots, peer.engine.engine_time, peer.engine.at) == before
    assert snmp.counters["report_unauthentic"] == 1
    device.script = lambda data: agent.report("time", asked_id(data))
    with pytest.raises(NotInTimeWindow):
        await snmp.get(peer, OIDS, timeout_s=SOON_S, retries=0)


async def test_forged_digests_and_lower_levels_count_for_nothing(
    snmp: SnmpClient, agent: V3Agent, device: ScriptedPeer
) -> None:
    peer = device.peer(USER)
    await snmp.get(peer, OIDS, timeout_s=LONG_S)

    def lying(data: bytes) -> list[bytes]:
        (right,) = agent(data)
        _, at, stop = message.read_version(right)
        forged = bytearray(right)
        forged[v3.read_header(right, at, stop).auth_at] ^= 1
        agent.response_flags = 0
        (bare,) = agent(data)
        agent.response_flags = v3.AUTH
        (signed,) = agent(data)
        agent.response_flags = None
        (time_report,) = agent.report("time", asked_id(data), authentic=True)
        changed = time_report[:-1] + bytes((time_report[-1] ^ 1,))
        return [bytes(forged), bare, signed, changed, right]

    device.script = lying
    assert (await snmp.get(peer, OIDS, timeout_s=LONG_S, retries=0)).values == [0, 1, 2]
    assert snmp.counters["wrong_digest"] == 2
    assert snmp.counters["downgraded"] == 2


async def test_replays_and_wrong_request_ids_are_ignored(
    snmp: SnmpClient, agent: V3Agent, device: ScriptedPeer
) -> None:
    peer = device.peer(USER)
    old: list[bytes] = []

    def remembering(data: bytes) -> list[bytes]:
        answers = list(agent(data))
        pdu = message.encode_pdu(message.RESPONSE, 0x01020304, 0, 0, [])
        other = agent.seal(asked_id(data), message.scoped_pdu(b"", b"", pdu)) if agent.requests else b"\x30\x00"
        replayed, old[:] = list(old), answers
        return [*replayed, other, *answers]

    await snmp.get(peer, OIDS, timeout_s=LONG_S)
    device.script = remembering
    for _ in range(3):
        assert (await snmp.get(peer, OIDS, timeout_s=LONG_S, retries=0)).values == [0, 1, 2]
    assert snmp.counters["duplicate"] == 2
    assert snmp.counters["wrong_id"] == 3


@pytest.mark.parametrize(("boots", "behind_s"), [(4, 0), (5, 151)])
async def test_an_authentic_answer_outside_the_window_is_not_taken(
    snmp: SnmpClient, agent: V3Agent, device: ScriptedPeer, boots: int, behind_s: int
) -> None:
    peer = device.peer(USER)
    await snmp.get(peer, OIDS, timeout_s=LONG_S)
    agent.response_boots, agent.response_time = boots, agent.engine_time - behind_s
    seen = len(device.seen)
    reply = await snmp.get(peer, OIDS, timeout_s=LONG_S, retries=0)
    assert reply.values == [0, 1, 2]  # by then the engine had been found again
    assert len(device.seen) == seen + 3
    assert snmp.counters["not_in_time_window"] == 1
    assert snmp.counters["engine_rediscovered"] == 1


async def test_an_agent_that_never_agrees_on_its_time_is_given_up(
    snmp: SnmpClient, agent: V3Agent, device: ScriptedPeer
) -> None:
    peer = device.peer(USER)
    await snmp.get(peer, OIDS, timeout_s=LONG_S)
    seen = len(device.seen)
    device.script = lambda data: agent.report("time", asked_id(data), authentic=True)
    with pytest.raises(NotInTimeWindow):
        await snmp.get(peer, OIDS, timeout_s=LONG_S, retries=0)
    assert len(device.seen) < seen + 10


async def test_an_agent_whose_engine_changes_with_every_report_is_given_up(
    snmp: SnmpClient, agent: V3Agent, device: ScriptedPeer
) -> None:
    def changing(data: bytes) -> list[bytes]:
        agent.engine_id = b"\x80\x00\x1f\x88\x80" + len(device.seen).to_bytes(8, "big")
        return list(agent.report("engine", asked_id(data)))

    device.script = changing
    with pytest.raises(UnknownEngine):
        await snmp.get(device.peer(USER), OIDS, timeout_s=LONG_S, retries=0)
    assert len(device.seen) < 10


async def test_a_discovery_answered_without_an_engine_id_is_given_up(
    snmp: SnmpClient, agent: V3Agent, device: ScriptedPeer
) -> None:
    agent.engine_id = b""
    with pytest.raises(UnknownEngine):
        await snmp.get(device.peer(USER), OIDS, timeout_s=LONG_S, retries=0)


async def test_a_lie_at_discovery_is_corrected_by_the_first_authentic_message(
    snmp: SnmpClient, agent: V3Agent, device: ScriptedPeer
) -> None:
    def lying(data: bytes) -> list[bytes]:
        agent.boots += 1000
        lie = list(agent.report("engine", asked_id(data)))
        agent.boots -= 1000
        device.script = agent
        return lie

    peer = device.peer(USER)
    device.script = lying
    assert (await snmp.get(peer, OIDS, timeout_s=LONG_S, retries=0)).values == [0, 1, 2]
    assert peer.engine.boots == agent.boots


async def test_the_last_boot_count_is_never_trusted(snmp: SnmpClient, agent: V3Agent, device: ScriptedPeer) -> None:
    agent.boots = v3.INT31_MAX  # RFC 3414 section 2.2.3: such an engine needs to be set up anew
    with pytest.raises(NotInTimeWindow):
        await snmp.get(device.peer(USER), OIDS, timeout_s=LONG_S, retries=0)


async def test_another_context_and_engine_are_asked_for(snmp: SnmpClient, agent: V3Agent, device: ScriptedPeer) -> None:
    user = UsmUser("operator", context="vlan-10", context_engine=b"\x80\x00\x00\x00\x01behind")
    agent.user = user
    await snmp.get(device.peer(user), OIDS, timeout_s=LONG_S)
    data = device.seen[-1]
    _, at, stop = message.read_version(data)
    engine, context, pdu = v3.read_scoped(data, v3.read_header(data, at, stop).body_at, stop)
    assert (engine, context, pdu.kind) == (b"\x80\x00\x00\x00\x01behind", b"vlan-10", message.GET)
