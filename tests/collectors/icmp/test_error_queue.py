"""The error queue and sends that fail: whose fault it is, and what is sent again."""

import errno
import socket

import pytest

from collectors.icmp import EchoTarget, Mode
from collectors.icmp.engine import MAX_SPARES
from collectors.icmp.errqueue import MSG_ERRQUEUE, RECVERR
from collectors.icmp.sockets import Channel, open_channel, open_spare
from kpi.model import Metric, Sample
from tests.collectors.icmp.fakes import FAULT, NO_REPLY, OK, Bench, Sink, count_of
from tests.programs import need_lab


async def test_error_queue_ends_the_echo_it_quotes_and_a_late_answer_still_proves_life() -> None:
    with Bench() as b:
        b.send()
        b.send()
        b.sock.complain(0, 3, 1)
        b.engine.sweep()
        assert b.sink.ends() == [(NO_REPLY, "host_unreachable")] and b.sink.samples[0].number == 0
        b.sock.answer(0)
        b.sock.complain(0, 3, 1)
        b.engine.sweep()
        assert len(b.sink.lates) == 1 and b.engine.counters.unmatched_errors == 1
        await b.pass_time(2)
        assert b.sink.ends()[1:] == [(NO_REPLY, "timeout")] and len(b.sink.overdues) == 1


async def test_an_error_with_8_octets_quoted_is_enough() -> None:
    with Bench() as b:
        b.send()
        b.sock.complain(0, 11, 0, octets=8)
        b.engine.sweep()
        assert b.sink.ends() == [(NO_REPLY, "ttl_exceeded")]


async def test_pending_error_of_another_target_makes_a_send_fail_and_it_is_sent_again() -> None:
    with Bench() as b:
        b.send()
        b.sock.complain(0, 3, 1)
        b.sock.failures.append(errno.EHOSTUNREACH)
        other = EchoTarget("u", "192.0.2.2")
        b.engine.send(other)
        assert b.sink.ends("t") == [(NO_REPLY, "host_unreachable")]
        assert b.sock.sent[-1][1] == "192.0.2.2" and b.engine.counters.resent == 1
        b.sock.answer()
        b.engine.sweep()
        assert b.sink.ends("u") == [(OK, None)]


async def test_as_often_as_the_queue_held_something_the_failure_may_be_anothers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with Bench() as b:
        b.send()
        b.send()
        really, errors = b.sock.sendto, [0, 1]

        def unlucky(data: bytes, address: tuple[str, int]) -> int:
            if errors:  # one more arrives with each of the first two attempts
                b.sock.complain(errors.pop(0), 3, 1)
                raise OSError(errno.EHOSTUNREACH, "pending")
            return really(data, address)

        monkeypatch.setattr(b.sock, "sendto", unlucky)
        b.engine.send(EchoTarget("u", "192.0.2.2"))
        assert b.sink.ends("t") == [(NO_REPLY, "host_unreachable")] * 2
        assert b.sock.sent[-1][1] == "192.0.2.2" and b.engine.counters.faults == {}


@pytest.mark.parametrize("number", [errno.ENETUNREACH, errno.EPERM, errno.ENOBUFS, errno.ENETDOWN, errno.EHOSTUNREACH])
async def test_a_send_that_fails_again_after_the_drain_is_our_own_fault(number: int) -> None:
    with Bench() as b:
        b.sock.failures.extend([number, number, 0])
        b.send()
        assert b.sink.ends() == [(FAULT, f"send_{errno.errorcode[number].lower()}")]
        assert b.sock.sent == [] and b.engine.counters.sent == 0
        await b.pass_time(3)
        assert len(b.sink.samples) == 1 and b.sink.overdues == []


async def test_a_full_send_buffer_makes_room_in_a_spare_socket() -> None:
    with Bench() as b:
        b.spares_left = 2
        b.sock.failures.extend([errno.EAGAIN] * 3)
        b.send()
        b.send()
        assert [len(spare.sent) for spare in b.spares] == [2]
        b.spares[0].failures.append(errno.EAGAIN)
        b.send()
        assert [len(spare.sent) for spare in b.spares] == [2, 1]
        b.send()  # the first has room again
        assert len(b.sock.sent) == 1
        for sock in (*b.spares, b.sock):
            sock.answer()
        b.spares[0].drops = 3
        await b.pass_time(2.1)
        assert b.sink.ends() == [(OK, None)] * 3 + [(FAULT, "buffer_overflow")]
    assert all(spare.closed for spare in b.spares)


async def test_a_full_send_buffer_with_no_more_sockets_to_be_had_is_our_own_fault() -> None:
    with Bench() as b:
        b.sock.failures.append(errno.EAGAIN)
        b.send()
        assert b.sink.ends() == [(FAULT, "send_eagain")]
        b.spares_left = 100
        for _ in range(20):
            b.sock.failures.append(errno.EAGAIN)
            for spare in b.spares:
                spare.failures.append(errno.EAGAIN)
            b.send()
        assert len(b.spares) == MAX_SPARES
        assert b.sink.ends() == [(FAULT, "send_eagain")] * (1 + 20 - MAX_SPARES)


async def test_a_full_table_of_neighbours_is_our_own_fault_on_a_raw_socket_too() -> None:
    with Bench(Mode.RAW) as b:
        b.spares_left = 5
        for number in range(95):
            b.sock.failures.extend([errno.ENOBUFS] * 2)
            b.engine.send(EchoTarget(f"n{number}", f"192.0.2.{number + 1}"))
        assert b.sink.ends() == [(FAULT, "send_enobufs")] * 95
        assert b.spares == [], "a further socket would find the same table"
        b.sock.queued = 4 << 20
        b.sock.failures.append(errno.ENOBUFS)
        b.send()
        assert len(b.spares[0].sent) == 1, "its own buffer is full, and a further socket has another"


@pytest.mark.lab
@pytest.mark.parametrize("version", [4, 6])
def test_a_raw_socket_hears_why_its_sends_fail(version: int, monkeypatch: pytest.MonkeyPatch) -> None:
    need_lab()
    plain = socket.socket

    def raw_only(family: int, kind: int, protocol: int) -> socket.socket:
        if kind & 0xF == socket.SOCK_DGRAM:
            raise PermissionError(errno.EACCES, "ping_group_range")
        return plain(family, kind, protocol)

    monkeypatch.setattr("collectors.icmp.sockets.socket.socket", raw_only)
    channel = open_channel(version)
    assert isinstance(channel, Channel) and channel.mode is Mode.RAW
    spare = open_spare(channel)
    assert spare is not None
    for one in (channel, spare):
        assert isinstance(one.sock, plain)
        assert one.sock.getsockopt(*RECVERR[version]) == 1
        assert not one.send_buffer_full()
        one.sock.close()


async def test_what_the_error_queue_of_a_raw_socket_says_is_heard_once() -> None:
    with Bench(Mode.RAW) as b:
        b.send()
        b.sock.complain(0, 3, 1)
        b.sock.inbox.append(OSError(errno.EHOSTUNREACH, "pending"))
        b.engine.sweep()
        assert not b.sock.errors
        assert b.sink.ends() == [], "the error itself comes as a message"
        assert b.engine.counters.unmatched_errors == b.engine.counters.malformed == 0


async def test_a_pending_error_on_reading_does_not_hide_the_answers_behind_it() -> None:
    with Bench() as b:
        b.send()
        b.send()
        b.sock.complain(0, 3, 1)
        b.sock.inbox.append(OSError(errno.EHOSTUNREACH, "pending"))
        b.sock.answer(1)
        b.engine.sweep()
        assert b.sink.ends() == [(NO_REPLY, "host_unreachable"), (OK, None)]


async def test_an_error_about_an_echo_never_sent_ends_nothing() -> None:
    with Bench() as b:
        b.send()
        request = bytearray(b.sock.sent[0][0])
        b.sock.complain(0, 3, 1)
        for ahead in (1, 2, 0x8000, 0xFFFF):
            request[6:8] = ((count_of(bytes(request)) + ahead) & 0xFFFF).to_bytes(2, "big")
            b.sock.errors.appendleft((bytes(request), *b.sock.errors[-1][1:]))
        b.engine.sweep()
        assert b.engine.counters.unmatched_errors == 4
        assert b.sink.ends() == [(NO_REPLY, "host_unreachable")]


async def test_no_trouble_of_a_target_is_raised() -> None:
    with Bench() as b:
        b.engine.send(EchoTarget("named", "router.example"))
        b.engine.send(EchoTarget("six", "fd00::1"))
        assert b.sink.ends() == [(FAULT, "bad_address"), (FAULT, "icmp_eafnosupport")]
        assert b.engine.modes == {4: Mode.DATAGRAM, 6: Mode.NONE}
        assert b.engine.mends() == ()


async def test_a_zone_without_interface_is_a_fault_until_it_comes() -> None:
    with Bench() as b:
        b.engine._channels[6] = b._open(4)
        b.engine.send(EchoTarget("local", "fe80::1%nosuch0"))
        assert b.sink.ends() == [(FAULT, "send_enodev")]


async def test_a_sink_may_send_to_the_same_target_while_a_send_drains_the_error_queue() -> None:
    class Eager(Sink):
        bench: Bench | None = None

        def take(self, sample: Sample) -> None:
            super().take(sample)
            if self.bench is not None and sample.metric == Metric.ECHO and sample.number == 0:
                self.bench.send(confirm=True)

    sink = Eager()
    with Bench(sink=sink) as b:
        sink.bench = b
        b.send()
        b.sock.complain(0, 3, 1)
        b.sock.failures.append(errno.EHOSTUNREACH)
        b.send()  # fails with the pending error, whose end makes the sink send a confirmation first
        kinds = {echo.count: echo.confirm for echo in b.engine._ledger.waiting.values()}
        assert [kinds[count_of(data)] for data, _ in b.sock.sent[1:]] == [True, False]
        await b.pass_time(2.1)
        b.sock.answer(1)
        b.sock.answer(2)
        b.engine.sweep()
        assert len(sink.lates) == 2 and b.engine.counters.duplicates == 0


async def test_an_error_queue_message_without_an_address_is_counted() -> None:
    with Bench() as b:
        b.sock.errors.append((b"", [], MSG_ERRQUEUE, None))
        b.engine.sweep()
        assert b.engine.counters.malformed == 1
