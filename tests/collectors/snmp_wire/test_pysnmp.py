"""Against pysnmp's command responder in this process: every algorithm it has, by v1, v2c and v3."""

import itertools
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pysnmp.carrier.asyncio.dgram import udp
from pysnmp.entity import config, engine
from pysnmp.entity.rfc3413 import cmdrsp, context

from collectors.clock import SystemClock
from collectors.snmp import ber, oid
from collectors.snmp.client import SnmpClient
from collectors.snmp.credentials import AuthProtocol, Community, Credential, PrivProtocol, UsmUser
from collectors.snmp.errors import AuthFailure, DecryptionError, UnknownUser, WrongDigest
from collectors.snmp.peer import Peer
from tests.collectors.snmp_wire.test_usm import PYSNMP_AUTH
from tests.lab.daemon import free_port

SYSTEM = oid.parse("1.3.6.1.2.1.1")
SYS_DESCR = oid.parse("1.3.6.1.2.1.1.1.0")
SYS_UPTIME = oid.parse("1.3.6.1.2.1.1.3.0")
LONG_S = 10.0
PYSNMP_PRIV = {
    PrivProtocol.DES: config.USM_PRIV_CBC56_DES,
    PrivProtocol.AES128: config.USM_PRIV_CFB128_AES,
    PrivProtocol.AES192: config.USM_PRIV_CFB192_AES_BLUMENTHAL,
    PrivProtocol.AES256: config.USM_PRIV_CFB256_AES_BLUMENTHAL,
    PrivProtocol.AES192C: config.USM_PRIV_CFB192_AES,
    PrivProtocol.AES256C: config.USM_PRIV_CFB256_AES,
}
USERS = [
    UsmUser("open"),
    *(UsmUser(f"{auth}", auth, f"auth of {auth}") for auth in AuthProtocol),
    *(
        UsmUser(f"{auth}-{priv}", auth, f"auth of {auth}", priv, f"priv of {priv}")
        for auth, priv in itertools.product(AuthProtocol, PrivProtocol)
    ),
]


def responder(port: int) -> Any:
    agent = engine.SnmpEngine()
    config.add_transport(agent, udp.DOMAIN_NAME, udp.UdpTransport().open_server_mode(("127.0.0.1", port)))
    config.add_v1_system(agent, "area", "public")
    for model in (1, 2):
        config.add_vacm_user(agent, model, "area", "noAuthNoPriv", (1, 3, 6), (), ())
    for user in USERS:
        arguments: list[Any] = []
        if user.auth and user.auth_secret:
            arguments += [PYSNMP_AUTH[user.auth], user.auth_secret.octets.decode()]
        if user.priv and user.priv_secret:
            arguments += [PYSNMP_PRIV[user.priv], user.priv_secret.octets.decode()]
        config.add_v3_user(agent, user.name, *arguments)
        config.add_vacm_user(agent, 3, user.name, user.level, (1, 3, 6), (), ())
    served = context.SnmpContext(agent)
    for kind in (cmdrsp.GetCommandResponder, cmdrsp.NextCommandResponder, cmdrsp.BulkCommandResponder):
        kind(agent, served)
    return agent


@pytest.fixture
async def port() -> AsyncIterator[int]:
    number = free_port(socket.SOCK_DGRAM)
    agent = responder(number)
    yield number
    agent.transport_dispatcher.close_dispatcher()


@pytest.fixture
async def snmp() -> AsyncIterator[SnmpClient]:
    async with SnmpClient(SystemClock()) as client:
        yield client


@pytest.mark.may_block
async def test_every_credential_is_answered(snmp: SnmpClient, port: int) -> None:
    credentials: list[Credential] = [Community("1", b"public"), Community("2c", b"public"), *USERS]
    for credential in credentials:
        device = Peer("127.0.0.1", port, credential)
        reply = await snmp.get(device, [SYS_DESCR, SYS_UPTIME], timeout_s=LONG_S, retries=0)
        assert reply.error_status == 0, credential
        assert bytes(reply.tags) == bytes((ber.OCTET_STRING, ber.TIME_TICKS)), credential
        assert isinstance(reply.values[0], bytes), credential
        assert reply.values[0].startswith(b"PySNMP engine"), credential
    assert snmp.counters["undecodable"] == snmp.counters["wrong_digest"] == 0
    device = Peer("127.0.0.1", port, USERS[-1])
    bulk = await snmp.get_bulk(device, [SYSTEM], max_repetitions=7, timeout_s=LONG_S)
    assert [oid.text(each.oid) for each in bulk.varbinds][:2] == ["1.3.6.1.2.1.1.1.0", "1.3.6.1.2.1.1.2.0"]


@pytest.mark.may_block
async def test_what_is_wrong_is_told_apart(snmp: SnmpClient, port: int) -> None:
    sha, secret = AuthProtocol.SHA256, "auth of sha256"
    wrong: list[tuple[UsmUser, type[AuthFailure]]] = [
        (UsmUser("stranger", sha, secret), UnknownUser),
        (UsmUser("sha256", sha, "wrong secret"), WrongDigest),
        (UsmUser("sha256-aes128", sha, secret, PrivProtocol.AES128, "wrong secret"), DecryptionError),
        (UsmUser("sha256", sha, secret, PrivProtocol.AES128, "wrong secret"), DecryptionError),  # silence
    ]
    for user, kind in wrong:
        with pytest.raises(kind):
            await snmp.get(Peer("127.0.0.1", port, user), [SYS_DESCR], timeout_s=1, retries=0)
