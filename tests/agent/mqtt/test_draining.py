"""Windows, lanes, pace and the marks of delivery, over a connection by script; time stands still."""

import asyncio
import itertools

import pytest

from agent.mqtt_connection import Fault
from agent.mqtt_settings import Pace
from agent.store.errors import DiskFull, StoreFault
from tests.agent.mqtt.parts import MemoryOutbox, ScriptedBroker, publisher, running, settle, stop
from tests.doubles import ManualClock

PACE = Pace(own_info_s=0.01, history_start_s=0.0)


async def test_a_message_that_the_broker_passed_over_is_sent_again(clock: ManualClock, outbox: MemoryOutbox) -> None:
    broker = ScriptedBroker(answers=False, clock=clock)
    made = publisher(outbox, broker, clock=clock, pace=PACE)
    async with running(made):
        await settle(clock)
        broker.last.answer_all()
        outbox.add(1)
        made.wake()
        await settle(clock, 1)
        first = broker.last
        (passed_over,) = first.open
        for _ in range(6):  # others go on, and are acknowledged
            outbox.add(1)
            made.wake()
            await settle(clock, 5)
            for ticket in [ticket for ticket in first.open if ticket != passed_over]:
                first.answer(ticket)
        broker.answers = True
        await settle(clock, 30)
        assert len(broker.connections) == 2, "left and dialled anew"
        assert "not one sent 20 s before it" in str(made.state.last_error)
        await stop(clock, made)
    assert outbox.waits() == []


async def test_live_messages_go_at_once_and_are_marked_by_their_puback(
    clock: ManualClock, outbox: MemoryOutbox
) -> None:
    broker = ScriptedBroker(answers=False, clock=clock)
    made = publisher(outbox, broker, clock=clock, pace=PACE)
    async with running(made):
        await settle(clock)
        broker.last.answer_all()
        outbox.add(3)
        made.wake()
        await settle(clock, 0)
        assert [(said.seq, said.delivery) for said in broker.last.of("summary/site")] == [
            (n, "live") for n in (1, 2, 3)
        ]
        await settle(clock, 5)
        assert outbox.waits() == [1, 2, 3], "nothing is marked before its PUBACK"
        broker.last.answer()
        await settle(clock, 2)
        assert outbox.waits() == [2, 3]
        broker.last.answer_all()
        await stop(clock, made)
    assert outbox.waits() == []


async def test_pubacks_of_one_second_share_a_commit(clock: ManualClock, outbox: MemoryOutbox) -> None:
    broker = ScriptedBroker(clock=clock)
    made = publisher(outbox, broker, clock=clock, pace=PACE)
    async with running(made):
        await settle(clock)
        outbox.add(200)
        made.wake()
        await settle(clock, 0)
        for _ in range(30):
            await settle(clock, 0)
        assert made.state.acknowledged == 202  # and status, info
        assert outbox.commits == 0
        await settle(clock, 1.1)
        assert (outbox.commits, outbox.waits()) == (1, [])
        assert outbox.reads < 12
        await stop(clock, made)


@pytest.mark.parametrize(("window", "receive_maximum", "most"), [(50, 65535, 50), (50, 5, 5), (7, 20, 7), (50, 1, 1)])
async def test_window(clock: ManualClock, outbox: MemoryOutbox, window: int, receive_maximum: int, most: int) -> None:
    broker = ScriptedBroker(answers=False, receive_maximum=receive_maximum, clock=clock)
    made = publisher(outbox, broker, clock=clock, pace=Pace(own_info_s=0.01, window=window))
    async with running(made):
        await settle(clock)
        outbox.add(200)
        made.wake()
        await settle(clock)
        assert len(broker.last.open) == most
        assert made.state.in_flight == made.state.window == most
        while broker.last.open:  # refilled as PUBACKs come, and never beyond
            broker.last.answer()
            await settle(clock, 0)
        assert broker.last.most_open == most
        assert sorted(broker.last.seqs()) == list(range(1, 201))
        broker.answers = True
        await stop(clock, made)


async def test_history_is_paced_behind_live_and_never_takes_more_than_half_the_window(
    clock: ManualClock, outbox: MemoryOutbox
) -> None:
    outbox.add(1000)
    broker = ScriptedBroker(clock=clock)
    made = publisher(outbox, broker, clock=clock, pace=Pace(own_info_s=0.01, history_per_s=100))
    async with running(made):
        await settle(clock, 0.0)
        await settle(clock, 5.0)  # the start is somewhere within these
        begun = len(broker.last.of("summary/site"))
        await settle(clock, 4.0)
        sent = len(broker.last.of("summary/site")) - begun
        assert 300 <= sent <= 500
        assert {said.delivery for said in broker.last.of("summary/site")} == {"backlog"}
        assert broker.last.seqs() == sorted(broker.last.seqs())

        broker.answers = False
        await settle(clock, 3.0)
        assert len(broker.last.open) == 25, "half of 50"
        (live,) = outbox.add(1, "event/device.down")
        made.wake()
        await settle(clock, 0)
        assert (broker.last.said[-1].seq, broker.last.said[-1].delivery) == (live, "live")
        broker.last.answer_all()
        broker.answers = True
        await settle(clock, 12.0)
        assert outbox.waits() == []
        assert sorted(broker.last.seqs()) == list(range(1, 1002)), "each exactly once"
        await stop(clock, made)


async def test_history_begins_at_another_time_at_each_probe_and_leaves_irregularly(outbox: MemoryOutbox) -> None:
    begins, gaps = set(), set()
    for seed in range(4):
        clock, box = ManualClock(), MemoryOutbox()
        box.add(300)
        broker = ScriptedBroker(clock=clock)
        made = publisher(box, broker, clock=clock, pace=Pace(own_info_s=0.01), seed=seed)
        times: list[float] = []
        async with running(made):
            for _ in range(800):
                before = len(broker.connections[-1].said) if broker.connections else 0
                await clock.advance(0.01)
                if broker.connections and len(broker.last.said) > max(before, 2):
                    times.append(clock.monotonic())
            await stop(clock, made)
        begins.add(round(times[0], 1))
        gaps |= {round(b - a, 2) for a, b in itertools.pairwise(times)}
    assert len(begins) == 4
    assert len(gaps) > 4


async def test_few_waiting_messages_are_not_paced(clock: ManualClock, outbox: MemoryOutbox) -> None:
    outbox.add(40)
    broker = ScriptedBroker(clock=clock)
    made = publisher(outbox, broker, clock=clock, pace=Pace(own_info_s=0.01))
    async with running(made):
        await settle(clock, 0.02)
        await settle(clock, 0.02)
        assert len(broker.last.of("summary/site")) == 40
        await stop(clock, made)


async def test_unacknowledged_messages_go_again_over_the_next_connection(
    clock: ManualClock, outbox: MemoryOutbox
) -> None:
    broker = ScriptedBroker(answers=False, clock=clock)
    made = publisher(outbox, broker, clock=clock, pace=PACE)
    async with running(made):
        await settle(clock)
        broker.last.answer_all()
        outbox.add(20)
        made.wake()
        await settle(clock)
        for _ in range(5):
            broker.last.answer()
        first = broker.last
        first.drop()
        broker.answers = True
        await settle(clock, 3)
        assert broker.last is not first
        assert sorted(broker.last.seqs()) == list(range(6, 21)), (
            "those five were acknowledged, PUBACKs are not forgotten"
        )
        assert {said.delivery for said in broker.last.of("summary/site")} == {"backlog"}
        await settle(clock, 2)
        assert outbox.waits() == []
        await stop(clock, made)


async def test_a_broker_that_never_acknowledges_is_left(clock: ManualClock, outbox: MemoryOutbox) -> None:
    broker = ScriptedBroker(answers=False, clock=clock)
    made = publisher(outbox, broker, clock=clock, pace=Pace(own_info_s=0.01, puback_timeout_s=20))
    async with running(made):
        await settle(clock)
        outbox.add(5)
        made.wake()
        await settle(clock, 19.5)
        assert made.state.connected
        await settle(clock, 1)
        assert made.state.fault is Fault.SILENT
        assert made.state.last_error == "the broker acknowledged nothing for 20 s"
        await settle(clock, 5)
        assert len(broker.connections) == 2
        assert outbox.waits() == [1, 2, 3, 4, 5]
        broker.answers = True
        broker.last.answer_all()
        await settle(clock, 3)
        assert outbox.waits() == []
        await stop(clock, made)


async def test_slow_pubacks_are_no_silence(clock: ManualClock, outbox: MemoryOutbox) -> None:
    broker = ScriptedBroker(answers=False, clock=clock)
    made = publisher(outbox, broker, clock=clock, pace=PACE)
    async with running(made):
        await settle(clock)
        outbox.add(4)
        made.wake()
        while broker.last.open:
            await settle(clock, 15)
            broker.last.answer()
        assert len(broker.connections) == 1
        broker.answers = True
        await stop(clock, made)


async def test_a_quiet_connection_is_kept(clock: ManualClock, outbox: MemoryOutbox) -> None:
    broker = ScriptedBroker(clock=clock)
    made = publisher(outbox, broker, clock=clock, pace=PACE)
    async with running(made):
        await settle(clock, 250)
        outbox.add(1)
        made.wake()
        await settle(clock, 250)
        assert len(broker.connections) == 1
        assert outbox.waits() == []
        await stop(clock, made)


async def test_a_message_larger_than_the_broker_takes_is_kept_and_the_others_go(
    clock: ManualClock, outbox: MemoryOutbox, caplog: pytest.LogCaptureFixture
) -> None:
    broker = ScriptedBroker(maximum_packet=2000, clock=clock)
    made = publisher(outbox, broker, clock=clock, pace=PACE)
    async with running(made):
        await settle(clock)
        (big,) = outbox.add(1, "a", size=3000)
        outbox.add(5, "a")
        made.wake()
        await settle(clock, 3)
        assert outbox.waits() == [big]
        assert made.state.oversize == 1
        assert [r.message for r in caplog.records if "octets" in r.message] == [
            f"a: {len(outbox.messages[big].payload)} octets are more than the broker takes (2000)"
        ]
        await stop(clock, made)


async def test_nobody_listening_is_counted(clock: ManualClock, outbox: MemoryOutbox) -> None:
    broker = ScriptedBroker(refuse={"a": 0x10}, clock=clock)
    made = publisher(outbox, broker, clock=clock, pace=PACE)
    async with running(made):
        await settle(clock)
        outbox.add(3, "a")
        made.wake()
        await settle(clock, 2)
        assert (made.state.unheard, outbox.waits()) == (3, [])
        await stop(clock, made)


async def test_a_new_stream_of_the_store_begins_anew_and_old_pubacks_do_not_count(
    clock: ManualClock, outbox: MemoryOutbox
) -> None:
    broker = ScriptedBroker(answers=False, clock=clock)
    made = publisher(outbox, broker, clock=clock, pace=PACE)
    async with running(made):
        await settle(clock)
        broker.last.answer_all()
        outbox.add(3, "a")
        made.wake()
        await settle(clock)
        outbox.begin_stream("stream-2")
        made.wake()
        await settle(clock)
        assert [said.json()["stream"] for said in broker.last.of("a")] == ["stream-1"] * 3 + ["stream-2"] * 3
        for _ in range(3):
            broker.last.answer()
        await settle(clock, 2)
        assert outbox.waits() == [1, 2, 3]
        broker.last.answer_all()
        await settle(clock, 2)
        assert outbox.waits() == []
        broker.answers = True
        await stop(clock, made)


async def test_numbers_of_an_old_stream_that_are_acknowledged_late_do_not_hide_new_ones(
    clock: ManualClock, outbox: MemoryOutbox
) -> None:
    broker = ScriptedBroker(answers=False, clock=clock)
    made = publisher(outbox, broker, clock=clock, pace=PACE)
    async with running(made):
        await settle(clock)
        broker.last.answer_all()
        outbox.add(3, "a")
        made.wake()
        await settle(clock)
        outbox.messages.clear()
        outbox.begin_stream("stream-2")
        made.wake()
        await settle(clock)
        broker.last.answer_all()
        outbox.add(2, "a")
        made.wake()
        await settle(clock)
        assert [said.json()["stream"] for said in broker.last.of("a")] == ["stream-1"] * 3 + ["stream-2"] * 2
        broker.answers = True
        broker.last.answer_all()
        await stop(clock, made)
    assert outbox.waits() == []


async def test_a_full_disk_keeps_the_marks_for_later(clock: ManualClock, outbox: MemoryOutbox) -> None:
    broker = ScriptedBroker(clock=clock)
    made = publisher(outbox, broker, clock=clock, pace=PACE)
    async with running(made):
        await settle(clock)
        outbox.ack_error = DiskFull("no room")
        outbox.add(3)
        made.wake()
        await settle(clock, 5)
        assert outbox.waits() == [1, 2, 3]
        outbox.ack_error = None
        await settle(clock, 35)
        assert outbox.waits() == []
        assert len(broker.last.of("summary/site")) == 3, "not sent again meanwhile"
        await stop(clock, made)


async def test_a_failing_store_ends_the_publisher(clock: ManualClock, outbox: MemoryOutbox) -> None:
    broker = ScriptedBroker(clock=clock)
    made = publisher(outbox, broker, clock=clock, pace=PACE)
    task = asyncio.create_task(made.run())
    await settle(clock)
    outbox.ack_error = StoreFault("input/output error")
    outbox.add(1)
    made.wake()
    for _ in range(10):
        await settle(clock, 1)
    with pytest.raises(ExceptionGroup) as caught:
        await task
    assert caught.group_contains(StoreFault)
