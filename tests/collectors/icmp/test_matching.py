"""Whose answer it is: replies and errors are matched by what we sent, never by address alone."""

import os
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.icmp import EchoTarget, Mode
from collectors.icmp.errqueue import IP_RECVERR, MSG_ERRQUEUE
from collectors.icmp.packet import KEY
from tests.collectors.icmp.fakes import IDENTIFIER, NO_REPLY, OK, Bench, reply_to


def rekeyed(data: bytes, by: int) -> bytes:
    """The same for another echo, consistently."""
    _, token, count = KEY.unpack(data[6:24])
    return data[:6] + KEY.pack((count + by) & 0xFFFF, token, count + by) + data[24:]


FORGERIES: dict[str, Callable[[bytes], bytes]] = {
    "another token": lambda data: data[:8] + os.urandom(8) + data[16:],
    "another count": lambda data: data[:23] + bytes([data[23] ^ 1]) + data[24:],
    "another sequence": lambda data: data[:7] + bytes([data[7] ^ 1]) + data[8:],
    "an echo not sent yet": lambda data: rekeyed(data, +1),
    "an echo from before the first": lambda data: rekeyed(data, -1),
    "no payload": lambda data: data[:8],
}


@pytest.mark.parametrize("forgery", FORGERIES)
async def test_forged_replies_from_the_right_address_are_ignored(forgery: str) -> None:
    with Bench() as b:
        b.send()
        b.sock.put(FORGERIES[forgery](reply_to(b.sock.sent[0][0])), "192.0.2.1")
        b.engine.sweep()
        assert b.sink.samples == [] and b.sink.lates == []
        assert b.engine.counters.forged == 1
        b.sock.answer()
        b.engine.sweep()
        assert b.sink.ends() == [(OK, None)]


async def test_a_target_cannot_answer_for_another() -> None:
    with Bench() as b:
        b.send()
        b.engine.send(EchoTarget("u", "192.0.2.2"))
        b.sock.answer(0, source="192.0.2.2")
        b.engine.sweep()
        assert b.sink.samples == [] and b.engine.counters.forged == 1


@pytest.mark.parametrize("data", [b"", b"\0", b"\0" * 7, b"\x03\x01" + b"\0" * 40, b"\xff" * 64])
async def test_garbage_is_counted(data: bytes) -> None:
    with Bench() as b:
        b.send()
        b.sock.put(data, "192.0.2.1")
        b.engine.sweep()
        assert b.sink.samples == [] and b.engine.counters.malformed == 1


def in_ip(message: bytes, options: int = 0) -> bytes:
    return bytes([0x45 + options]) + bytes(19 + 4 * options) + message


async def test_raw_sockets_strip_the_ip_header_and_know_their_identifier() -> None:
    with Bench(Mode.RAW) as b:
        b.send()
        b.send()
        reply, source = reply_to(b.sock.sent[0][0]), b.sock.sent[0][1]
        assert reply[4:6] == IDENTIFIER.to_bytes(2, "big")
        stranger = reply[:4] + (IDENTIFIER ^ 1).to_bytes(2, "big") + bytes(8) + reply[16:]
        b.sock.put(in_ip(stranger), source)
        b.sock.put(in_ip(reply, options=3), source)
        quote = bytes([0x45]) + bytes(8) + b"\1" + bytes(6) + bytes([192, 0, 2, 1]) + b.sock.sent[1][0][:8]
        b.sock.put(in_ip(bytes([3, 13]) + bytes(6) + quote), "192.0.2.254")
        b.engine.sweep()
        assert b.sink.ends() == [(OK, None), (NO_REPLY, "admin_prohibited")]
        assert b.engine.counters.foreign == 1


async def test_the_sequence_wraps_the_number_does_not() -> None:
    with Bench() as b:
        b.send()
        b.engine._ledger._peers["t"].count |= 0xFFFE  # next: 0xFFFF, then 0
        b.engine._ledger._peers["t"].count &= ~1
        for _ in range(4):
            b.send()
        sequences = [int.from_bytes(data[6:8], "big") for data, _ in b.sock.sent[1:]]
        assert sequences == [0xFFFF, 0, 1, 2]
        for index in (4, 3, 2, 1):  # answered out of order
            b.sock.answer(index)
        b.engine.sweep()
        assert [s.number for s in b.sink.samples] == [4, 3, 2, 1]
        assert b.engine.counters.forged == 0


async def test_65536_echoes_later_the_same_sequence_is_another_echo() -> None:
    with Bench() as b:
        b.send()
        old = b.sock.sent[-1][0]
        b.sock.answer()
        b.engine.sweep()
        b.engine._ledger._peers["t"].count += 0xFFFF
        b.send()
        assert b.sock.sent[-1][0][6:8] == old[6:8]
        b.sock.put(reply_to(old), "192.0.2.1")  # the network kept one back for a day
        b.engine.sweep()
        assert len(b.sink.samples) == 1
        b.sock.answer()
        b.engine.sweep()
        assert b.sink.ends() == [(OK, None)] * 2


async def test_two_targets_at_one_address_are_told_apart() -> None:
    with Bench() as b:
        twin = EchoTarget("twin", "192.0.2.1")
        b.send()
        b.engine.send(twin)
        b.sock.answer(1)
        b.engine.sweep()
        assert [s.target for s in b.sink.samples] == ["twin"]


async def test_a_changed_address_is_the_same_target() -> None:
    with Bench() as b:
        b.send()
        b.target.address = "192.0.2.77"
        b.send()
        assert [to for _, to in b.sock.sent] == ["192.0.2.1", "192.0.2.77"]
        b.sock.answer(0)
        b.sock.answer(1)
        b.engine.sweep()
        assert [(s.target, s.number, s.outcome) for s in b.sink.samples] == [("t", 0, OK), ("t", 1, OK)]


@given(
    st.sampled_from([Mode.DATAGRAM, Mode.RAW]),
    st.lists(st.binary(max_size=120), max_size=8),
    st.lists(st.tuples(st.binary(max_size=80), st.binary(max_size=24)), max_size=4),
)
def test_hostile_packets_end_no_echo_and_raise_nothing(
    mode: Mode, packets: list[bytes], errors: list[tuple[bytes, bytes]]
) -> None:
    with Bench(mode) as b:
        b.send()
        for data in packets:
            b.sock.put(data, "192.0.2.1")
        for quote, extended in errors:
            b.sock.errors.append((quote, [(0, IP_RECVERR, extended)], MSG_ERRQUEUE, ("192.0.2.9", 0)))
        b.engine.sweep()
        assert b.sink.samples == [] and b.sink.lates == []
        counters = b.engine.counters
        read = len(errors) if mode is Mode.DATAGRAM else 0
        assert (
            counters.malformed + counters.forged + counters.foreign + counters.unmatched_errors == len(packets) + read
        )
        b.sock.put(in_ip(reply_to(b.sock.sent[0][0])) if mode is Mode.RAW else reply_to(b.sock.sent[0][0]), "192.0.2.1")
        b.engine.sweep()
        assert b.sink.ends() == [(OK, None)]
