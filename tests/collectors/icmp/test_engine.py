"""The engine on a scripted socket: matching, waiting time, clocks, drops, failing sends."""

import asyncio
import errno
import os
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.icmp import EchoTarget, Mode
from collectors.icmp.engine import MAX_SPARES
from collectors.icmp.errqueue import IP_RECVERR, MSG_ERRQUEUE
from collectors.icmp.packet import KEY
from collectors.icmp.sockets import Closed
from kpi.model import Metric, Outcome, Sample
from tests.collectors.icmp.fakes import IDENTIFIER, Bench, Sink, count_of, reply_to

OK, NO_REPLY, FAULT = Outcome.OK, Outcome.NO_REPLY, Outcome.AGENT_FAULT


async def test_answer_gives_the_round_trip_by_the_kernels_stamp() -> None:
    with Bench() as b:
        sent_at = b.clock.monotonic()
        b.send()
        await b.clock.advance(0.0125)
        b.sock.answer()
        await b.clock.advance(0.0305)  # read late, which must not count
        b.engine.sweep()
        (sample,) = b.sink.samples
        assert (sample.target, sample.metric, sample.instance) == ("t", Metric.ECHO, "")
        assert (sample.outcome, sample.reason, sample.number, sample.at) == (OK, None, 0, sent_at)
        assert sample.value == pytest.approx(12.5)
        assert b.engine.counters.answered == b.engine.counters.sent == 1


async def test_silence_is_overdue_once_and_lost_at_two_seconds() -> None:
    with Bench() as b:
        sent_at = b.clock.monotonic()
        b.send()
        await b.pass_time(0.2)
        assert b.sink.overdues == []
        await b.pass_time(0.05)
        assert b.sink.overdues == [("t", sent_at)]
        await b.pass_time(1.7)
        assert b.sink.samples == [] and len(b.sink.overdues) == 1
        await b.pass_time(0.05)
        assert b.sink.ends() == [(NO_REPLY, "timeout")]
        assert b.sink.samples[0].at == sent_at and b.sink.samples[0].value is None
        await b.pass_time(3)
        assert len(b.sink.samples) == 1


async def test_patience_is_the_targets_and_may_change() -> None:
    with Bench() as b:
        b.target.patience_ms = 700.0
        b.send()
        await b.pass_time(0.65)
        assert b.sink.overdues == []
        b.target.patience_ms = 600.0
        await b.pass_time(0.05)
        assert len(b.sink.overdues) == 1


async def test_confirmations_are_never_overdue_and_have_numbers_of_their_own() -> None:
    with Bench() as b:
        for confirm in (False, True, False, True, True):
            b.send(confirm=confirm)
        await b.pass_time(2)
        assert len(b.sink.overdues) == 2
        by_metric = {m: [s.number for s in b.sink.samples if s.metric == m] for m in (Metric.ECHO, Metric.CONFIRM)}
        assert by_metric == {Metric.ECHO: [0, 1], Metric.CONFIRM: [0, 1, 2]}


async def test_duplicates_count_once() -> None:
    with Bench() as b:
        b.send()
        for _ in range(3):
            b.sock.answer()
        b.engine.sweep()
        assert b.sink.ends() == [(OK, None)]
        assert b.engine.counters.duplicates == 2 and b.sink.lates == []


async def test_answer_after_the_waiting_time_is_loss_and_proof_of_life() -> None:
    with Bench() as b:
        b.send()
        await b.pass_time(2.5)
        b.sock.answer()
        b.sock.answer()
        b.engine.sweep()
        assert b.sink.ends() == [(NO_REPLY, "timeout")]
        assert b.sink.lates == [("t", b.clock.monotonic())]
        assert (b.engine.counters.late, b.engine.counters.duplicates) == (1, 1)


async def test_answer_stamped_after_the_waiting_time_is_late_even_if_read_before_the_sweep() -> None:
    with Bench() as b:
        b.send()
        await b.clock.advance(2.01)
        b.sock.answer()
        b.engine.sweep()
        assert b.sink.ends() == [(NO_REPLY, "timeout")] and len(b.sink.lates) == 1


async def test_a_stalled_process_loses_nothing_that_came_in_time() -> None:
    with Bench() as b:
        b.send()
        await b.clock.advance(0.010)
        b.sock.answer()
        await b.clock.advance(7)
        b.engine.sweep()
        assert b.sink.ends() == [(OK, None)] and b.sink.samples[0].value == pytest.approx(10)


async def test_an_answer_is_late_however_late() -> None:
    with Bench() as b:
        for _ in range(200):
            b.send()
            await b.clock.advance(1)
            b.engine.sweep()
        b.sock.answer(0)
        b.engine.sweep()
        assert len(b.sink.lates) == 1


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


async def test_reads_at_the_latest_after_100_sends() -> None:
    with Bench() as b:
        for _ in range(100):
            b.send()
            b.sock.answer()
        assert b.sink.samples == []
        b.send()
        assert len(b.sink.samples) == 100


async def test_dropped_answers_are_our_own_fault_not_loss() -> None:
    with Bench() as b:
        b.send()
        await b.pass_time(0.5)
        b.send()
        b.sock.drops = 7
        await b.pass_time(1)
        b.sock.answer(1)
        b.send()
        await b.pass_time(2.2)
        assert b.sink.ends() == [(OK, None), (FAULT, "buffer_overflow"), (NO_REPLY, "timeout")]
        assert b.engine.counters.dropped == 7 and b.engine.counters.faults == {"buffer_overflow": 1}


async def test_drops_are_seen_before_a_loss_is_given() -> None:
    """The reply of an echo that expires between two readings of the drop counter."""
    with Bench() as b:
        await b.pass_time(1.3)
        b.send()
        await b.pass_time(1.9)
        b.sock.drops = 1
        await b.pass_time(0.15)
        assert b.sink.ends() == [(FAULT, "buffer_overflow")]


@pytest.mark.parametrize("step", [-3600.0, -0.5, -0.002, 0.002, 0.5, 3600.0])
async def test_stepped_wall_clock_the_monotonic_difference_counts_flagged(step: float) -> None:
    with Bench() as b:
        b.send()
        await b.clock.advance(0.004)
        b.clock.step_wall(step)
        await b.clock.advance(0.004)
        b.sock.answer()
        b.engine.sweep()
        assert b.sink.ends() == [(OK, "clock")]
        assert b.sink.samples[0].value == pytest.approx(8.0)
        assert b.engine.counters.clock == 1
        b.send()
        await b.clock.advance(0.003)
        b.sock.answer()
        b.engine.sweep()
        assert b.sink.ends()[1:] == [(OK, None)] and b.sink.samples[1].value == pytest.approx(3.0)


async def test_a_slewing_clock_is_no_step() -> None:
    with Bench() as b:
        for _ in range(20):
            b.send()
            await b.clock.advance(0.5)
            b.clock.step_wall(0.0005 * 0.5)  # 500 ppm, the kernel's limit
            b.sock.answer()
            b.engine.sweep()
        assert b.sink.ends() == [(OK, None)] * 20 and b.engine.counters.clock == 0


async def test_a_thread_that_loses_the_processor_between_two_readings_is_no_step(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with Bench() as b:
        read, held = b.clock.monotonic_ns, [0]

        def preempted() -> int:
            if held and not held.pop():
                b.clock._mono_ns += 5_000_000
            return read()

        monkeypatch.setattr(b.engine, "_monotonic_ns", preempted)
        b.send()
        monkeypatch.undo()
        await b.clock.advance(0.002)
        b.sock.answer()
        b.engine.sweep()
        assert b.sink.ends() == [(OK, None)] and b.sink.samples[0].value == pytest.approx(2.0)


async def test_without_a_kernel_stamp_the_monotonic_clock_counts() -> None:
    with Bench() as b:
        b.send()
        await b.clock.advance(0.006)
        b.sock.answer(stamped=False)
        b.engine.sweep()
        assert b.sink.samples[0].value == pytest.approx(6.0) and b.engine.counters.unstamped == 1


async def test_a_pending_error_on_reading_does_not_hide_the_answers_behind_it() -> None:
    with Bench() as b:
        b.send()
        b.send()
        b.sock.complain(0, 3, 1)
        b.sock.inbox.append(OSError(errno.EHOSTUNREACH, "pending"))
        b.sock.answer(1)
        b.engine.sweep()
        assert b.sink.ends() == [(NO_REPLY, "host_unreachable"), (OK, None)]


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


async def test_two_targets_at_one_address_are_told_apart() -> None:
    with Bench() as b:
        twin = EchoTarget("twin", "192.0.2.1")
        b.send()
        b.engine.send(twin)
        b.sock.answer(1)
        b.engine.sweep()
        assert [s.target for s in b.sink.samples] == ["twin"]


async def test_forgetting_a_target_leaves_nothing_but_the_echoes_on_their_way() -> None:
    with Bench() as b:
        b.send()
        b.engine.forget("t")
        b.engine.forget("never seen")
        ledger = b.engine._ledger
        assert not ledger._peers and not ledger._by_token and not ledger._by_host
        await b.pass_time(2)
        assert b.sink.ends() == [(NO_REPLY, "timeout")] and not ledger.waiting


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


async def test_a_sink_may_send_while_it_is_told() -> None:
    class Eager(Sink):
        bench: Bench | None = None

        def overdue(self, target: str, sent_at: float) -> None:
            super().overdue(target, sent_at)
            assert self.bench is not None
            self.bench.send(confirm=True)

    sink = Eager()
    with Bench(sink=sink) as b:
        sink.bench = b
        for _ in range(3):
            b.send()
        await b.pass_time(4.5)
        assert len(sink.overdues) == 3
        assert sink.ends(metric=Metric.ECHO) == sink.ends(metric=Metric.CONFIRM) == [(NO_REPLY, "timeout")] * 3


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


async def test_each_send_ends_exactly_once() -> None:
    with Bench() as b:
        for n in range(300):
            b.send()
            if n % 3 == 0:
                b.sock.answer()
            if n % 7 == 0:
                b.sock.complain(-1, 3, 1)
            if n % 11 == 0:
                b.sock.failures.extend([errno.ENOBUFS] * 2)
            await b.clock.advance(0.02)
            b.engine.sweep()
        await b.pass_time(2.1)
        assert sorted(s.number for s in b.sink.samples) == list(range(300))
        counts = [count_of(data) for data, _ in b.sock.sent]
        assert counts == sorted(set(counts))


async def test_run_sweeps_until_cancelled_and_cancellation_passes() -> None:
    with Bench() as b:
        running = asyncio.create_task(b.engine.run())
        await b.clock.advance(0.013)
        sent_at = b.clock.monotonic()
        b.send()
        await b.clock.advance(0.25)
        assert b.sink.overdues == []
        await b.clock.advance(0.04)
        assert b.sink.overdues == [("t", sent_at)]
        await b.clock.advance(1.75)
        assert b.sink.ends() == [(NO_REPLY, "timeout")]
        reads = b.sock.reads
        await b.clock.advance(1)
        assert b.sock.reads == reads + 25 * 2  # 25 sweeps, the socket and its error queue, and none besides
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert not asyncio.get_running_loop().remove_reader(b.sock.fileno())
    assert b.sock.closed


async def test_a_mended_permission_is_noticed_within_a_minute() -> None:
    with Bench() as b:
        b.engine._channels[4] = Closed(4, "icmp_permission")
        assert b.engine.modes == {4: Mode.TCP, 6: Mode.NONE}
        assert "ping_group_range" in b.engine.mends()[0]
        b.send()
        assert b.sink.ends() == [(FAULT, "icmp_permission")]  # nobody runs the loop a connect needs
        await b.pass_time(61)
        assert b.engine.modes == {4: Mode.DATAGRAM, 6: Mode.NONE}
        assert b.engine.mends() == ()
        b.send()
        b.sock.answer()
        b.engine.sweep()
        assert b.sink.ends()[1:] == [(OK, None)]


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


async def test_an_error_queue_message_without_an_address_is_counted() -> None:
    with Bench() as b:
        b.sock.errors.append((b"", [], MSG_ERRQUEUE, None))
        b.engine.sweep()
        assert b.engine.counters.malformed == 1
