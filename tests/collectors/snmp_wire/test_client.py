"""The client against a peer that says whatever a test wants, on loopback."""

import asyncio
import errno
import itertools
import socket
from collections.abc import AsyncIterator, Iterable

import pytest

from collectors.clock import SystemClock
from collectors.snmp import ber, client, message, oid
from collectors.snmp.client import SnmpClient
from collectors.snmp.credentials import Community, UsmUser
from collectors.snmp.errors import Busy, DecodeError, Refused, SendFault, SnmpError, Timeout, TooBig, Unreachable
from collectors.snmp.peer import Peer
from collectors.snmp.transport import IcmpError
from tests.collectors.snmp_wire.scripted import COMMUNITY, ScriptedPeer, answer, asked, varbinds

OIDS = [oid.parse(f"1.3.6.1.2.1.31.1.1.1.6.{index}") for index in range(1, 9)]
SOON_S = 0.05
"""A waiting time that is meant to pass."""
LONG_S = 5.0
"""A waiting time that is not."""


@pytest.fixture
async def snmp() -> AsyncIterator[SnmpClient]:
    async with SnmpClient(SystemClock()) as opened:
        yield opened
        assert opened.outstanding == 0
        assert not opened._pending


def right(data: bytes) -> Iterable[bytes]:
    return [answer(data)]


def silent(data: bytes) -> Iterable[bytes]:
    return []


async def counted(snmp: SnmpClient, name: str, number: int = 1) -> None:
    """Wait for a counter, a second at most."""
    for _ in range(200):
        if snmp.counters[name] >= number:
            break
        await asyncio.sleep(0.005)
    assert snmp.counters[name] == number, dict(snmp.counters)


def test_it_counts_from_nought_under_every_name() -> None:
    counters = SnmpClient(SystemClock()).counters
    assert set(counters.values()) == {0}
    assert {"late", "foreign", "wrong_id", "undecodable", "duplicate", "engine_rediscovered"} <= set(counters)


async def test_a_get_is_answered_in_the_order_asked(snmp: SnmpClient) -> None:
    async with ScriptedPeer(right) as device:
        reply = await snmp.get(device.peer(), OIDS, timeout_s=LONG_S)
        assert reply.values == list(range(8))
        assert reply.tags == bytes([ber.COUNTER32] * 8)
        assert [each.oid for each in reply.varbinds] == OIDS
        assert reply.octets == len(answer(device.seen[0]))
        assert 0 < reply.seconds < LONG_S
        assert snmp.counters["sent"] == snmp.counters["answered"] == 1


async def test_each_kind_of_request_goes_out_as_such(snmp: SnmpClient) -> None:
    async with ScriptedPeer(right) as device:
        await snmp.get(device.peer(), OIDS[:1])
        await snmp.get_next(device.peer(), OIDS[:1])
        await snmp.get_bulk(device.peer(), OIDS[:2], non_repeaters=1, max_repetitions=25)
        pdus = [asked(data) for data in device.seen]
        assert [pdu.kind for pdu in pdus] == [message.GET, message.GET_NEXT, message.GET_BULK]
        assert (pdus[2].error_status, pdus[2].error_index) == (1, 25)
        with pytest.raises(ValueError, match="no GETBULK"):
            await snmp.get_bulk(device.peer(Community("1", b"public")), OIDS)
        with pytest.raises(ValueError, match="out of range"):
            await snmp.get_bulk(device.peer(), OIDS, non_repeaters=9)


async def test_a_prepared_request_serves_many_peers_and_communities(snmp: SnmpClient) -> None:
    request = message.prepare("2c", OIDS)
    async with ScriptedPeer(right) as one, ScriptedPeer(right) as other:
        first, second = one.peer(), other.peer(Community("2c", b"another"))
        replies = await asyncio.gather(*(snmp.get(peer, request) for peer in (first, second) * 10))
    assert all(reply.values == list(range(8)) for reply in replies)
    assert len({asked(data).request_id for data in one.seen + other.seen}) == 20
    assert all(b"another" in data for data in other.seen)
    assert not any(b"another" in data for data in one.seen)


async def test_an_answer_in_another_order_is_put_right(snmp: SnmpClient) -> None:
    def backwards(data: bytes) -> Iterable[bytes]:
        pdu = asked(data)
        turned = message.encode_pdu(message.RESPONSE, pdu.request_id, 0, 0, varbinds(pdu)[::-1])
        return [message.encode_community("2c", b"public", turned)]

    async with ScriptedPeer(backwards) as device:
        assert (await snmp.get(device.peer(), OIDS)).values == list(range(8))


async def test_too_big_is_raised_and_other_errors_are_given(snmp: SnmpClient) -> None:
    async with ScriptedPeer(lambda data: [answer(data, status=1)]) as device:
        with pytest.raises(TooBig):
            await snmp.get(device.peer(), OIDS)
        device.script = lambda data: [answer(data, status=2, index=3, version="1")]
        reply = await snmp.get(device.peer(Community("1", b"public")), OIDS)
        assert (reply.error_status, reply.error_index) == (message.NO_SUCH_NAME, 3)


async def test_silence_is_a_timeout_after_every_retry_with_a_new_id(snmp: SnmpClient) -> None:
    async with ScriptedPeer(silent) as device:
        with pytest.raises(Timeout) as caught:
            await snmp.get(device.peer(), OIDS, timeout_s=SOON_S, retries=2)
        assert type(caught.value) is Timeout
        assert caught.value.reason == "timeout"
        assert len({asked(data).request_id for data in device.seen}) == 3
        assert snmp.counters["timeouts"] == 1
        assert snmp.counters["retries"] == 2


async def test_a_retry_is_answered(snmp: SnmpClient) -> None:
    tries = itertools.count()
    async with ScriptedPeer(lambda data: right(data) if next(tries) else []) as device:
        reply = await snmp.get(device.peer(), OIDS, timeout_s=SOON_S, retries=9)
        assert reply.values == list(range(8))
        assert snmp.counters["retries"] >= 1


async def test_an_answer_to_an_earlier_try_still_counts(snmp: SnmpClient) -> None:
    async with ScriptedPeer(silent) as device:
        device.script = lambda data: [answer(device.seen[0])] if len(device.seen) == 2 else []
        reply = await snmp.get(device.peer(), OIDS, timeout_s=SOON_S, retries=3)
        assert reply.values == list(range(8))
        assert reply.seconds >= SOON_S


async def test_late_and_double_answers_are_counted(snmp: SnmpClient) -> None:
    async with ScriptedPeer(silent) as device:
        with pytest.raises(Timeout):
            await snmp.get(device.peer(), OIDS, timeout_s=SOON_S, retries=0)
        device.send(answer(device.seen[0]))
        await counted(snmp, "late")
        device.script = lambda data: [answer(data)] * 3
        assert (await snmp.get(device.peer(), OIDS)).values == list(range(8))
        await counted(snmp, "duplicate", 2)


async def test_wrong_ids_versions_and_kinds_are_counted_and_the_right_answer_taken(snmp: SnmpClient) -> None:
    def strays(data: bytes) -> Iterable[bytes]:
        number = asked(data).request_id
        yield answer(data, number=number ^ 1)
        yield answer(data, version="1")
        yield message.encode_community("2c", b"public", message.encode_pdu(message.GET, number, 0, 0, []))
        yield b"\x30\x03\x02\x01\x01"
        yield b"not a message at all"
        yield answer(data) + b"\x00\x00"

    async with ScriptedPeer(strays) as device:
        assert (await snmp.get(device.peer(), OIDS, timeout_s=LONG_S)).values == list(range(8))
    names = ("wrong_id", "wrong_version", "wrong_pdu", "undecodable")
    assert [snmp.counters[name] for name in names] == [1, 1, 1, 2]


async def test_an_answer_from_another_port_is_foreign(snmp: SnmpClient) -> None:
    async with ScriptedPeer(silent) as device, ScriptedPeer(silent) as other:
        asking = asyncio.create_task(snmp.get(device.peer(), OIDS, timeout_s=LONG_S))
        await device.arrived()
        other.client = device.client
        other.send(answer(device.seen[0]))
        await counted(snmp, "foreign")
        assert not asking.done()
        device.send(answer(device.seen[0]))
        assert (await asking).values == list(range(8))


async def test_an_unreadable_body_fails_at_once_and_unreadable_datagrams_in_the_end(snmp: SnmpClient) -> None:
    def broken(data: bytes) -> Iterable[bytes]:
        octets = bytearray(answer(data))
        octets[octets.index(OIDS[3]) - 1] = 0x70  # the length of its identifier passes the varbind
        return [bytes(octets)]

    async with ScriptedPeer(broken) as device:
        with pytest.raises(DecodeError):
            await snmp.get(device.peer(), OIDS, timeout_s=LONG_S)
        device.script = lambda data: [b"\x30\x82"]
        with pytest.raises(DecodeError):
            await snmp.get(device.peer(), OIDS, timeout_s=SOON_S, retries=0)
        device.script = right
        assert (await snmp.get(device.peer(), OIDS)).values == list(range(8))


async def test_a_reply_of_64_kilobytes_is_read(snmp: SnmpClient) -> None:
    def huge(data: bytes) -> Iterable[bytes]:
        pdu = asked(data)
        value = ber.VarBind(OIDS[0], ber.OCTET_STRING, bytes(65400))
        return [
            message.encode_community("2c", b"", message.encode_pdu(message.RESPONSE, pdu.request_id, 0, 0, [value]))
        ]

    async with ScriptedPeer(huge) as device:
        reply = await snmp.get(device.peer(), OIDS[:1], timeout_s=LONG_S)
        assert reply.values == [bytes(65400)]
        assert reply.octets > 65400


async def test_an_agent_that_never_ends_is_asked_once_a_request(snmp: SnmpClient) -> None:
    """The guard against endless walks is the caller's; the client gives each answer once and goes on with nothing."""

    def endless(data: bytes) -> Iterable[bytes]:
        pdu = asked(data)
        same = [ber.VarBind(OIDS[0], ber.COUNTER32, 1)] * 1000
        return [message.encode_community("2c", b"", message.encode_pdu(message.RESPONSE, pdu.request_id, 0, 0, same))]

    async with ScriptedPeer(endless) as device:
        reply = await snmp.get_bulk(device.peer(), OIDS[:1], max_repetitions=10)
        assert len(reply.varbinds) == 1000
        assert (await snmp.get(device.peer(), OIDS[:1])).unasked == 999
        assert len(device.seen) == 2


async def test_many_devices_at_once_get_their_own_answers(snmp: SnmpClient) -> None:
    async with ScriptedPeer(right) as device:
        peer = device.peer()
        sizes = [number % 8 + 1 for number in range(150)]
        replies = await asyncio.gather(*(snmp.get(peer, OIDS[:size], timeout_s=LONG_S) for size in sizes))
        assert [len(reply.values) for reply in replies] == sizes


async def test_a_closed_port_is_refused_and_nobody_else_is_hurt(snmp: SnmpClient) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.2", 0))
        port = taken.getsockname()[1]
    closed = Peer("127.0.0.2", port, COMMUNITY)
    async with ScriptedPeer(right) as device:
        peer = device.peer()
        asks = [
            snmp.get(closed if number % 3 == 0 else peer, OIDS, timeout_s=LONG_S, retries=0) for number in range(90)
        ]
        results = await asyncio.gather(*asks, return_exceptions=True)
    for number, result in enumerate(results):
        if number % 3 == 0:
            assert isinstance(result, Refused), result
            assert result.reason == "refused"
        else:
            assert isinstance(result, message.Reply), result
    assert snmp.counters["send_fault"] == 0
    assert snmp.counters["refused"] == 30


async def test_an_icmp_error_that_quotes_another_datagram_hurts_nobody(snmp: SnmpClient) -> None:
    async with ScriptedPeer(silent) as device:
        asking = asyncio.create_task(snmp.get(device.peer(), OIDS, timeout_s=LONG_S))
        await device.arrived()
        source = device.peer().source()
        snmp._icmp(IcmpError(source, errno.ECONNREFUSED, b"what we never sent"))
        snmp._icmp(IcmpError(("127.0.0.9", 161), errno.ECONNREFUSED, device.seen[0]))
        await asyncio.sleep(0)
        assert not asking.done()
        assert snmp.counters["icmp_foreign"] == 2
        snmp._icmp(IcmpError(source, errno.ECONNREFUSED, device.seen[0][:28]))
        with pytest.raises(Refused):
            await asking


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (errno.EHOSTUNREACH, "host_unreachable"),
        (errno.ENETUNREACH, "net_unreachable"),
        (errno.EACCES, "admin_prohibited"),
    ],
)
async def test_other_icmp_errors_are_the_reason_of_the_timeout(snmp: SnmpClient, code: int, reason: str) -> None:
    async with ScriptedPeer(silent) as device:
        asking = asyncio.create_task(snmp.get(device.peer(), OIDS, timeout_s=SOON_S, retries=0))
        await device.arrived()
        snmp._icmp(IcmpError(device.peer().source(), code, b""))
        with pytest.raises(Unreachable) as caught:
            await asking
        assert caught.value.reason == reason
        asking = asyncio.create_task(snmp.get(device.peer(), OIDS, timeout_s=LONG_S, retries=0))
        await device.arrived(2)
        snmp._icmp(IcmpError(device.peer().source(), code, b""))
        device.send(answer(device.seen[1]))
        assert (await asking).values == list(range(8))


async def test_requests_outstanding_are_capped(snmp: SnmpClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "OUTSTANDING_MAX", 5)
    async with ScriptedPeer(silent) as device:
        asks = [snmp.get(device.peer(), OIDS, timeout_s=SOON_S, retries=0) for _ in range(8)]
        results = await asyncio.gather(*asks, return_exceptions=True)
    kinds = [type(result) for result in results]
    assert kinds.count(Busy) == 3
    assert kinds.count(Timeout) == 5


async def test_what_is_remembered_is_bounded(snmp: SnmpClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "RECENT_MAX", 20)
    async with ScriptedPeer(right) as device:
        for _ in range(60):
            await snmp.get(device.peer(), OIDS)
    assert len(snmp._recent) == 20


async def test_a_cancelled_request_leaves_nothing_behind(snmp: SnmpClient) -> None:
    async with ScriptedPeer(silent) as device:
        asking = asyncio.create_task(snmp.get(device.peer(), OIDS, timeout_s=LONG_S))
        await device.arrived()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert snmp.outstanding == 0
        device.send(answer(device.seen[0]))
        await counted(snmp, "late")


async def test_closing_ends_what_is_outstanding() -> None:
    async with ScriptedPeer(silent) as device:
        async with SnmpClient(SystemClock()) as snmp:
            asking = asyncio.create_task(snmp.get(device.peer(), OIDS, timeout_s=LONG_S))
            await device.arrived()
        with pytest.raises(SendFault, match="closed"):
            await asking
        with pytest.raises(SendFault):
            await snmp.get(device.peer(), OIDS)


async def test_ipv6_is_asked_on_a_socket_of_its_own(snmp: SnmpClient) -> None:
    async with ScriptedPeer(right, "::1") as device:
        peer = Peer("0:0:0:0:0:0:0:1", device.port, COMMUNITY)
        assert (await snmp.get(peer, OIDS, timeout_s=LONG_S)).values == list(range(8))
    with pytest.raises(Refused):
        await snmp.get(peer, OIDS, timeout_s=LONG_S)


async def test_a_full_send_buffer_is_waited_for(snmp: SnmpClient, monkeypatch: pytest.MonkeyPatch) -> None:
    async with ScriptedPeer(right) as device:
        udp = snmp._sockets[socket.AF_INET]
        blocked = itertools.count()
        monkeypatch.setattr(
            udp, "send", lambda octets, source: next(blocked) >= 2 and type(udp).send(udp, octets, source)
        )
        assert (await snmp.get(device.peer(), OIDS, timeout_s=LONG_S)).values == list(range(8))
        assert snmp.counters["send_blocked"] == 2
        monkeypatch.setattr(udp, "send", lambda octets, source: False)
        monkeypatch.setattr(client, "BLOCKED_MAX", 3)
        with pytest.raises(SendFault, match="stays full"):
            await snmp.get(device.peer(), OIDS, timeout_s=LONG_S)


async def test_a_send_that_fails_is_our_fault(snmp: SnmpClient) -> None:
    too_long = [oid.from_arcs((1, 3, *([2**32 - 1] * 100))) for _ in range(150)]
    with pytest.raises(SendFault, match=r"127\.0\.0\.1: "):
        await snmp.get(Peer("127.0.0.1", 9, COMMUNITY), too_long)
    with pytest.raises(SendFault):
        await snmp.get(Peer("fe80::1%no-such-if", 161, COMMUNITY), OIDS)
    assert snmp.counters["sent"] == 0


def test_every_error_has_a_reason_of_its_own() -> None:
    def below(kind: type[SnmpError]) -> Iterable[type[SnmpError]]:
        for each in kind.__subclasses__():
            yield each
            yield from below(each)

    kinds = [kind for kind in below(SnmpError) if kind is not Unreachable]
    assert len({kind.reason for kind in kinds}) == len(kinds) == 16


async def test_no_secret_in_what_is_said(snmp: SnmpClient) -> None:
    async with ScriptedPeer(silent) as device:
        for credential in (Community("2c", b"comm-hush"), UsmUser("operator")):
            with pytest.raises(SnmpError) as caught:
                await snmp.get(device.peer(credential), OIDS, timeout_s=SOON_S, retries=0)
            assert "hush" not in f"{caught.value!r} {snmp!r} {device.peer(credential)!r}"
