"""The engine on a scripted socket: waiting time, numbers, duplicates, late answers, its life."""

import asyncio
import errno

import pytest

from collectors.icmp import Mode
from collectors.icmp.sockets import Closed
from kpi.model import Metric
from tests.collectors.icmp.fakes import FAULT, NO_REPLY, OK, Bench, Sink, count_of


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


async def test_forgetting_a_target_leaves_nothing_but_the_echoes_on_their_way() -> None:
    with Bench() as b:
        b.send()
        b.engine.forget("t")
        b.engine.forget("never seen")
        ledger = b.engine._ledger
        assert not ledger._peers and not ledger._by_token and not ledger._by_host
        await b.pass_time(2)
        assert b.sink.ends() == [(NO_REPLY, "timeout")] and not ledger.waiting


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
