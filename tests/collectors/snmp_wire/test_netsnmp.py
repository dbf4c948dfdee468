"""Against a real net-snmp agent on loopback: every security level and algorithm it has, and its restarts."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from collectors.clock import SystemClock
from collectors.snmp import ber, message, oid, usm
from collectors.snmp.client import SnmpClient
from collectors.snmp.credentials import AuthProtocol, Community, Credential, PrivProtocol, Secret, SecretKind, UsmUser
from collectors.snmp.errors import (
    AuthFailure,
    DecryptionError,
    Refused,
    Timeout,
    UnknownUser,
    UnsupportedSecLevel,
    WrongDigest,
)
from collectors.snmp.peer import Peer
from tests.lab.snmpd import USERS, Snmpd, User
from tests.programs import need

pytestmark = pytest.mark.lab

SYSTEM = oid.parse("1.3.6.1.2.1.1")
SYS_NAME = oid.parse("1.3.6.1.2.1.1.5.0")
SYS_UPTIME = oid.parse("1.3.6.1.2.1.1.3.0")
LONG_S = 5.0
SOON_S = 0.8
"""Long enough for an answer on two noisy cores, short enough to wait for silence."""

AUTH = {
    "MD5": AuthProtocol.MD5,
    "SHA": AuthProtocol.SHA1,
    "SHA-224": AuthProtocol.SHA224,
    "SHA-256": AuthProtocol.SHA256,
    "SHA-384": AuthProtocol.SHA384,
    "SHA-512": AuthProtocol.SHA512,
}
PRIV = {
    "DES": PrivProtocol.DES,
    "AES": PrivProtocol.AES128,
    "AES-192": PrivProtocol.AES192,
    "AES-256": PrivProtocol.AES256,
    "AES-192-C": PrivProtocol.AES192C,
    "AES-256-C": PrivProtocol.AES256C,
}
CISCO = tuple(
    User(f"cisco{number}{priv[4:7]}", auth, "auth of cisco", priv, "priv of cisco")
    for number, auth in enumerate(AUTH)
    for priv in ("AES-192-C", "AES-256-C")
)
"""net-snmp 5.9 knows the other key extension as well, by names that its help leaves out."""


def credential(user: User) -> UsmUser:
    return UsmUser(
        user.name,
        AUTH[user.auth] if user.auth else None,
        user.auth_secret or None,
        PRIV[user.priv] if user.priv else None,
        user.priv_secret or None,
    )


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Snmpd]:
    need("snmpd")
    with Snmpd(tmp_path_factory.mktemp("snmpd"), users=(*USERS, *CISCO), extra=["maxGetbulkResponses 2000"]) as running:
        yield running


@pytest.fixture
async def snmp() -> AsyncIterator[SnmpClient]:
    async with SnmpClient(SystemClock()) as client:
        yield client


def peer(agent: Snmpd, with_: Credential) -> Peer:
    return Peer(agent.address, agent.port, with_)


@pytest.mark.parametrize("user", [*USERS, *CISCO], ids=lambda user: user.name)
async def test_every_user_is_answered(snmp: SnmpClient, agent: Snmpd, user: User) -> None:
    device = peer(agent, credential(user))
    reply = await snmp.get(device, [SYS_NAME, SYS_UPTIME], timeout_s=LONG_S, retries=0)
    assert reply.values[0] == agent.name.encode()
    assert bytes(reply.tags) == bytes((ber.OCTET_STRING, ber.TIME_TICKS))
    bulk = await snmp.get_bulk(device, [SYSTEM], max_repetitions=40, timeout_s=LONG_S, retries=0)
    assert len(bulk.varbinds) == 40
    assert [each.oid for each in bulk.varbinds] == sorted((each.oid for each in bulk.varbinds), key=oid.subidentifiers)
    assert snmp.counters["undecodable"] == snmp.counters["wrong_digest"] == 0


@pytest.mark.parametrize("version", ["1", "2c"])
async def test_communities_are_answered(snmp: SnmpClient, agent: Snmpd, version: str) -> None:
    device = peer(agent, Community(version, b"public"))
    assert (await snmp.get(device, [SYS_NAME], timeout_s=LONG_S)).values == [agent.name.encode()]
    following = await snmp.get_next(device, [SYSTEM, SYS_UPTIME], timeout_s=LONG_S)
    assert [oid.text(each.oid) for each in following.varbinds] == ["1.3.6.1.2.1.1.1.0", "1.3.6.1.2.1.1.4.0"]
    absent = await snmp.get(device, [SYS_NAME, oid.parse("1.3.6.1.2.1.1.5.9")], timeout_s=LONG_S)
    if version == "1":
        assert (absent.error_status, absent.error_index) == (message.NO_SUCH_NAME, 2)
    else:
        assert bytes(absent.tags) == bytes((ber.OCTET_STRING, ber.NO_SUCH_INSTANCE))


async def test_a_wrong_community_is_silence(snmp: SnmpClient, agent: Snmpd) -> None:
    with pytest.raises(Timeout):
        await snmp.get(peer(agent, Community("2c", b"wrong")), [SYS_NAME], timeout_s=SOON_S, retries=0)


SHA = ("sha-256-aes", AuthProtocol.SHA256, "auth of sha-256-aes")


@pytest.mark.parametrize(
    ("user", "kind"),
    [
        (UsmUser("nobody-here", AuthProtocol.SHA256, "password"), UnknownUser),
        (UsmUser("nobody-here"), UnknownUser),
        (UsmUser(SHA[0], SHA[1], "a wrong secret", PrivProtocol.AES128, "priv of sha-256-aes"), WrongDigest),
        (UsmUser(SHA[0], AuthProtocol.SHA1, SHA[2], PrivProtocol.AES128, "priv of sha-256-aes"), WrongDigest),
        (UsmUser(*SHA, PrivProtocol.AES128, "a wrong secret"), DecryptionError),
        (UsmUser(*SHA, PrivProtocol.AES256, "priv of sha-256-aes"), DecryptionError),
        (UsmUser(*SHA, PrivProtocol.DES, "priv of sha-256-aes"), DecryptionError),
        (UsmUser("sha-256", AuthProtocol.SHA256, "auth of sha-256", PrivProtocol.AES128, "password"), UnsupportedSecLevel),
    ],
)  # fmt: skip
async def test_what_is_wrong_is_told_apart(
    snmp: SnmpClient, agent: Snmpd, user: UsmUser, kind: type[AuthFailure]
) -> None:
    with pytest.raises(kind):
        await snmp.get(peer(agent, user), [SYS_NAME], timeout_s=SOON_S, retries=0)


async def test_keys_do_as_well_as_passwords(snmp: SnmpClient, agent: Snmpd) -> None:
    device = peer(agent, UsmUser(*SHA, PrivProtocol.AES128, "priv of sha-256-aes"))
    await snmp.get(device, [SYS_NAME], timeout_s=LONG_S)
    masters = [usm.master_key(SHA[1], secret.encode()) for secret in (SHA[2], "priv of sha-256-aes")]
    for kind in (SecretKind.MASTER, SecretKind.LOCALISED):
        auth, priv = (
            Secret(
                usm.localised_key(SHA[1], key, device.engine.engine_id) if kind == SecretKind.LOCALISED else key, kind
            )
            for key in masters
        )
        user = UsmUser(SHA[0], SHA[1], auth, PrivProtocol.AES128, priv)
        assert (await snmp.get(peer(agent, user), [SYS_NAME], timeout_s=LONG_S)).values == [agent.name.encode()]


async def test_a_large_reply_by_v3_is_read(snmp: SnmpClient, agent: Snmpd) -> None:
    device = peer(agent, UsmUser(*SHA, PrivProtocol.AES128, "priv of sha-256-aes"))
    reply = await snmp.get_bulk(device, [oid.parse("1.3.6.1.2.1")] * 20, max_repetitions=40, timeout_s=LONG_S)
    assert len(reply.varbinds) >= 500
    assert reply.octets > 15000


async def asked_off_the_loop(work: object) -> None:
    """A daemon's start and stop block; the loop has to live."""
    assert callable(work)
    await asyncio.to_thread(work)


async def test_restarts_new_engines_and_lost_state_are_healed(
    snmp: SnmpClient, tmp_path_factory: pytest.TempPathFactory
) -> None:
    need("snmpd")
    users = tuple(user for user in USERS if user.name in ("sha-256-aes", "sha", "nobody"))
    daemon = Snmpd(tmp_path_factory.mktemp("healing"), users=users, engine_id=bytes.fromhex("80001f8880aabbccdd01"))
    await asked_off_the_loop(daemon.__enter__)
    try:
        devices = [peer(daemon, credential(user)) for user in users]
        signed = next(device for device in devices if device.credential != credential(USERS[0]))

        async def all_answer() -> None:
            replies = await asyncio.gather(
                *(snmp.get(device, [SYS_NAME], timeout_s=LONG_S, retries=0) for device in devices)
            )
            assert [reply.values for reply in replies] == [[b"lab-agent"]] * 3

        await all_answer()
        boots = signed.engine.boots
        engines = [device.engine.engine_id for device in devices]

        await asked_off_the_loop(daemon.restart)
        await all_answer()
        assert signed.engine.boots == boots + 1
        assert snmp.counters["report_not_in_time_window"] == 2  # two authenticated users, one without

        await asked_off_the_loop(daemon.stop)
        results = await asyncio.gather(
            *(snmp.get(device, [SYS_NAME], timeout_s=LONG_S) for device in devices), return_exceptions=True
        )
        assert [type(result) for result in results] == [Refused] * 3
        daemon.forget()
        daemon.engine_id = bytes.fromhex("80001f8880aabbccdd02")
        await asked_off_the_loop(daemon.start)
        await all_answer()
        assert all(device.engine.engine_id != before for device, before in zip(devices, engines, strict=True))
        assert snmp.counters["engine_rediscovered"] == 3

        daemon.engine_id = bytes.fromhex("80001f8880aabbccdd03")
        await asked_off_the_loop(daemon.stop)
        daemon.forget()
        await asked_off_the_loop(daemon.start)
        await all_answer()
        assert snmp.counters["engine_rediscovered"] == 6

        await asked_off_the_loop(daemon.stop)
        daemon.engine_boots = 1000
        await asked_off_the_loop(daemon.start)
        await all_answer()
        assert signed.engine.boots == 1001
        await asked_off_the_loop(daemon.stop)
        daemon.engine_boots = 7  # back: no RFC has a way for that
        await asked_off_the_loop(daemon.start)
        await all_answer()
        assert signed.engine.boots == 8
    finally:
        await asked_off_the_loop(daemon.stop)
