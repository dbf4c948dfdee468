"""What the retained words of ourselves mean: a database rolled back, another box with our identity."""

import asyncio
import logging

import pytest

from agent.mqtt_connection import Fault
from agent.mqtt_settings import Pace
from tests.agent.mqtt.parts import MemoryOutbox, ScriptedBroker, Told, known, publisher, running, stop
from tests.doubles import ManualClock

PACE = Pace(own_info_s=2.0)


async def test_nothing_is_said_before_the_retained_info_was_read(clock: ManualClock, outbox: MemoryOutbox) -> None:
    broker = ScriptedBroker(clock=clock)
    outbox.add(3)
    made = publisher(outbox, broker, clock=clock, pace=PACE)
    async with running(made):
        await clock.advance(1.9)
        assert broker.last.said == []
        await clock.advance(0.2)
        assert broker.last.said[0].topic == "status"
        broker.last.drop()
        await clock.advance(1.5)
        assert broker.last.said[0].topic == "status", "it is retained now, so nothing is waited for"
        await stop(clock, made)


async def test_a_rolled_back_database_begins_a_new_stream_first(clock: ManualClock, outbox: MemoryOutbox) -> None:
    outbox.add(10)
    outbox.acked.update(range(1, 8))
    rolled: list[int] = []

    async def roll(last_seq: int) -> None:
        assert broker.last.said == []
        rolled.append(last_seq)
        await asyncio.sleep(0)
        outbox.begin_stream("stream-2")

    broker = ScriptedBroker(clock=clock)
    broker.retained["info"] = known({"stream": "stream-1", "last_seq": 4711, "boot": "boot-0"})
    made = publisher(outbox, broker, clock=clock, pace=PACE, on_rolled_back=roll)
    async with running(made):
        await clock.advance(4)
        assert rolled == [4711]
        assert broker.last.of("info")[0].json()["stream"] == "stream-2"
        assert [said.json()["stream"] for said in broker.last.of("summary/site")] == ["stream-2"] * 3
        await clock.advance(2)
        assert outbox.waits() == []
        await stop(clock, made)


async def test_a_retained_info_begins_one_new_stream_in_an_hour(
    clock: ManualClock, outbox: MemoryOutbox, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever may publish on `info` says of each stream that more of it is known."""
    outbox.add(10)
    rolled: list[float] = []

    async def roll(_last_seq: int) -> None:
        rolled.append(clock.monotonic())
        await asyncio.sleep(0)
        outbox.begin_stream(f"stream-{len(rolled) + 1}")

    broker = ScriptedBroker(clock=clock)
    made = publisher(outbox, broker, clock=clock, pace=PACE, on_rolled_back=roll)
    async with running(made):
        for _ in range(120):
            await clock.advance(30)
            broker.retained["info"] = known({"stream": outbox.stream, "last_seq": 4711, "boot": "boot-0"})
            broker.last.drop()
        assert len(broker.connections) > 50
        assert len(rolled) == 1
        assert outbox.waits() == [], "what waits goes all the same"
        assert len([r for r in caplog.records if "it is not believed" in r.getMessage()]) == 1
        assert not made.state.refused, "no message is blamed"
        await clock.advance(120)
        broker.last.drop()
        await clock.advance(120)
        assert len(rolled) == 1
        await clock.advance(3600)
        broker.retained["info"] = known({"stream": outbox.stream, "last_seq": 4711, "boot": "boot-0"})
        broker.last.drop()
        await clock.advance(120)
        assert len(rolled) == 2, "a later one may be true"
        await stop(clock, made)


@pytest.mark.parametrize(
    "retained",
    [
        b'{"stream": "stream-1", "last_seq": 10, "boot": "boot-0"}',
        b'{"stream": "another", "last_seq": 4711, "boot": "boot-0"}',
        b'{"stream": "stream-1", "last_seq": "4711"}',
        b'{"stream": "stream-1", "last_seq": true}',
        b'{"stream": 5, "last_seq": 4711}',
        b"[1, 2]",
        b'{"stream": "stream-1", "last_seq": -5}',
        b'{"stream": "stream-1", "last_seq": 9223372036854775807}',
        b'{"stream": "stream-1", "last_seq": 1000000000000}',
        b'{"stream": "stream-1", "last_seq": 1e999}',
        b'{"stream": "stream-1\\ud800", "last_seq": 4711}',
        b"\xff\xfe",
        b"",
        b"[" * 100_000,
    ],
)
async def test_other_retained_infos_change_nothing(clock: ManualClock, outbox: MemoryOutbox, retained: bytes) -> None:
    outbox.add(10)

    async def roll(last_seq: int) -> None:
        pytest.fail(f"rolled back to {last_seq}")

    broker = ScriptedBroker(clock=clock)
    broker.retained["info"] = retained
    made = publisher(outbox, broker, clock=clock, pace=PACE, on_rolled_back=roll)
    async with running(made):
        await clock.advance(5)
        assert outbox.waits() == []
        await stop(clock, made)


async def test_another_box_with_our_identity_is_noticed_once(
    clock: ManualClock, outbox: MemoryOutbox, caplog: pytest.LogCaptureFixture
) -> None:
    told = Told()
    broker = ScriptedBroker(clock=clock)
    broker.retained["status"] = known({"state": "online", "boot": "boot-before"})
    made = publisher(outbox, broker, clock=clock, pace=PACE, told=told)
    async with running(made):
        await clock.advance(3)
        assert told.clashes == [], "retained from our last run: no clash"
        broker.last.deliver("status", {"state": "offline", "boot": "boot-before"})
        broker.last.deliver("status", {"state": "online", "boot": "boot-a"})
        broker.last.deliver("info", {"stream": "stream-1", "last_seq": 1, "boot": "boot-a"})
        broker.last.deliver("status", {"state": "online"})
        assert told.clashes == []
        broker.last.deliver("status", {"state": "online", "boot": "boot-b"})
        broker.last.deliver("info", {"stream": "stream-1", "last_seq": 1, "boot": "boot-b"})
        assert [(clash.boot, clash.how) for clash in told.clashes] == [("boot-b", "it says that it is online")]
        assert made.state.clash is not None
        assert made.state.clash.boot == "boot-b"
        assert len([r for r in caplog.records if r.levelno == logging.ERROR]) == 1
        await stop(clock, made)


async def test_whoever_is_retained_after_our_own_birth_is_another_box(clock: ManualClock, outbox: MemoryOutbox) -> None:
    """What MQTT 3.1.1 shows of a clone: it takes our session over, and is retained when we come back."""
    told = Told()
    broker = ScriptedBroker(clock=clock)
    made = publisher(outbox, broker, clock=clock, pace=PACE, told=told)
    async with running(made):
        await clock.advance(3)
        broker.retained["status"] = known({"state": "online", "boot": "boot-b"})
        broker.last.drop()
        await clock.advance(3)
        assert [clash.boot for clash in told.clashes] == ["boot-b"]
        await stop(clock, made)


async def test_a_session_taken_over_is_a_clash_and_does_not_make_us_hurry(
    clock: ManualClock, outbox: MemoryOutbox
) -> None:
    told = Told()
    broker = ScriptedBroker(clock=clock)
    made = publisher(outbox, broker, clock=clock, pace=PACE, told=told)
    async with running(made):
        for _ in range(600):
            await clock.advance(1)
            if broker.connections and broker.last.alive and broker.last.of("status"):
                broker.last.drop(Fault.TAKEN_OVER)
        assert [clash.boot for clash in told.clashes] == [None]
        assert 10 < len(broker.connections) < 60
        await stop(clock, made)


async def test_a_last_will_that_comes_late_is_corrected(clock: ManualClock, outbox: MemoryOutbox) -> None:
    broker = ScriptedBroker(clock=clock)
    made = publisher(outbox, broker, clock=clock, pace=PACE)
    async with running(made):
        await clock.advance(3)
        assert len(broker.last.of("status")) == 1
        broker.last.deliver("status", {"state": "offline", "boot": "boot-before"})
        await clock.advance(0)
        assert [said.json()["state"] for said in broker.last.of("status")] == ["online", "online"]
        await stop(clock, made)


async def test_whoever_says_offline_each_time_is_contradicted_more_and_more_rarely(
    clock: ManualClock, outbox: MemoryOutbox, caplog: pytest.LogCaptureFixture
) -> None:
    broker = ScriptedBroker(clock=clock)
    made = publisher(outbox, broker, clock=clock, pace=PACE)
    async with running(made):
        await clock.advance(3)
        answered = 0
        for _ in range(1200):
            connection = broker.last
            if answered < len(connection.of("status")):
                answered = len(connection.of("status"))
                connection.deliver("status", {"state": "offline", "boot": "boot-x"})
                await clock.advance(0)
            await clock.advance(1)
        assert len(broker.connections) == 1
        assert 5 <= len(broker.last.of("status")) <= 12
        assert len([r for r in caplog.records if "says `offline`" in r.getMessage()]) == 1
        assert outbox.waits() == []
        said = len(broker.last.of("status"))
        await clock.advance(1200)
        broker.last.deliver("status", {"state": "offline", "boot": "boot-x"})
        await clock.advance(0)
        assert broker.last.of("status")[said:][-1].json()["state"] == "online", "after a time without, at once"
        await stop(clock, made)


@pytest.mark.parametrize("boot", ["\ud800", "x" * 200_000, "", "a b", "a\nb", "<img src=x>"])
async def test_a_boot_id_that_none_of_ours_has_is_not_kept(clock: ManualClock, outbox: MemoryOutbox, boot: str) -> None:
    told = Told()
    broker = ScriptedBroker(clock=clock)
    made = publisher(outbox, broker, clock=clock, pace=PACE, told=told)
    async with running(made):
        await clock.advance(3)
        broker.last.deliver("status", {"state": "online", "boot": boot})
        broker.last.deliver("info", {"stream": boot, "last_seq": 1, "boot": boot})
        assert [clash.boot for clash in told.clashes] == [None], "somebody speaks as us; who, is not to be known"
        assert made.state.clash is not None and made.state.clash.boot is None
        await stop(clock, made)
