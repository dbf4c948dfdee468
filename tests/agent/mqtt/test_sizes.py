"""A message that the broker does not take for its size holds nothing back but itself; time stands still."""

import random

import pytest

from agent.mqtt_settings import Pace
from agent.publisher_sizes import Sizes
from tests.agent.mqtt.parts import MemoryOutbox, ScriptedBroker, publisher, running, settle, stop
from tests.doubles import ManualClock

PACE = Pace(own_info_s=0.01, history_start_s=0.0)


@pytest.mark.parametrize("reason", [0x95, 0x99, 0x80, 0x83, 0x97])
async def test_a_refused_size_holds_back_no_other_message_of_its_topic(
    clock: ManualClock, outbox: MemoryOutbox, reason: int
) -> None:
    broker = ScriptedBroker(refuses_above=(5000, reason), clock=clock)
    made = publisher(outbox, broker, clock=clock, pace=PACE)
    async with running(made):
        await settle(clock)
        outbox.add(3, "summary/site", 300)
        (large,) = outbox.add(1, "summary/site", 6000)
        outbox.add(20, "summary/site", 300)
        made.wake()
        await settle(clock, 5)
        for _ in range(10):
            outbox.add(1, "summary/site", 300)
            made.wake()
            await settle(clock, 60)
        assert outbox.waits() == [large]
        assert made.state.refused == ()
        assert len(broker.connections) == 1
        broker.refuses_above = None
        await settle(clock, 4000)
        assert outbox.waits() == [], "tried again, now and then"
        await stop(clock, made)


async def test_a_topic_whose_first_message_is_too_large_is_tried_past_it(
    clock: ManualClock, outbox: MemoryOutbox
) -> None:
    broker = ScriptedBroker(refuses_above=(5000, 0x83), clock=clock)
    made = publisher(outbox, broker, clock=clock, pace=PACE)
    async with running(made):
        await settle(clock)
        (large,) = outbox.add(1, "summary/site", 6000)
        made.wake()
        await settle(clock, 3)
        outbox.add(5, "summary/site", 300)
        made.wake()
        await settle(clock, 250)
        assert outbox.waits() == [large]
        await stop(clock, made)


@pytest.mark.parametrize("version", ["5", "3.1.1"])
async def test_a_broker_that_closes_at_a_size_is_left_by_few_connections(
    clock: ManualClock, outbox: MemoryOutbox, version: str
) -> None:
    """Two hours of five minutes, each with two that are too large."""
    broker = ScriptedBroker(closes_above=20_000, refuses_five=version == "3.1.1", clock=clock)
    made = publisher(outbox, broker, clock=clock, pace=PACE)
    chance, large, small = random.Random(3), set[int](), set[int]()
    async with running(made):
        await settle(clock, 5)
        for _ in range(24):
            for topic in ("summary/device/a", "summary/device/b"):
                for size in (300, chance.randrange(20_001, 90_000), chance.randrange(1000, 19_000)):
                    (seq,) = outbox.add(1, topic, size)
                    (large if size > 20_000 else small).add(seq)
            made.wake()
            await settle(clock, 300)
        await settle(clock, 600)
        assert large == set(outbox.waits()), "whatever is small enough has gone"
        assert len(broker.connections) <= 30, "48 of them are too large, and no disconnect was paid for most"
        broker.closes_above = None
        await settle(clock, 2 * 3600)
        assert outbox.waits() == []
        await stop(clock, made)


def test_the_limit_is_found_by_halving() -> None:
    sizes = Sizes(ManualClock(), 60.0, 3600.0)
    sizes.accept("t", 1, 1000)
    assert sizes.explains("t", 9000) and not sizes.explains("other", 9000) and not sizes.explains("t", 900)
    sizes.too_large(2, 9000, certain=False)
    assert (sizes.limit, sizes.holds(3, 9000), sizes.holds(4, 8999)) == (9000, True, False)
    sizes.too_large(4, 8999, certain=False)
    assert sizes.limit == 5000
    assert sizes.accept("t", 5, 4000) is None and sizes.limit == 5000
    assert sizes.accept("t", 2, 9000) == 3, "the others are tried again from here"
    assert not sizes.holds(3, 8999)
    assert sizes.held == {}
