"""The kernel's stamp against both clocks, and answers that the kernel dropped."""

import pytest

from tests.collectors.icmp.fakes import FAULT, NO_REPLY, OK, Bench


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
