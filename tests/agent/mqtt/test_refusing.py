"""Topics that the broker refuses, in each of the ways in which brokers do; time stands still."""

import asyncio
import itertools
import json
from dataclasses import replace
from typing import Any

import pytest

from agent.mqtt_connection import DialError, Fault, LostError
from agent.mqtt_settings import Pace
from agent.publisher_suspicion import Flight, Lane, Suspicion
from tests.agent.mqtt.parts import MemoryOutbox, ScriptedBroker, Told, publisher, running, settle, stop
from tests.doubles import ManualClock

PACE = Pace(own_info_s=0.01, history_start_s=0.0)


async def test_a_refused_topic_pauses_and_the_others_go_on(clock: ManualClock, outbox: MemoryOutbox) -> None:
    told = Told()
    broker = ScriptedBroker(refuse={"event/link.flap": 0x87}, clock=clock)
    made = publisher(outbox, broker, clock=clock, pace=PACE, told=told)
    async with running(made):
        await settle(clock)
        flaps = [outbox.add(1, "event/link.flap")[0], *outbox.add(30, "event/link.flap")]
        others = list(outbox.add(30, "summary/site"))
        made.wake()
        await settle(clock, 2)
        assert outbox.waits() == flaps
        assert [(t.topic, t.reason, t.text, t.times) for t in told.refused] == [("event/link.flap", 0x87, "refused", 1)]
        assert made.state.refused[0].topic == "event/link.flap"
        assert len(broker.last.of("event/link.flap")) <= 50, "what was in the window by then, and no more"
        sent = len(broker.last.of("event/link.flap"))
        outbox.add(10, "event/link.flap")
        made.wake()
        await settle(clock, 50)
        assert len(broker.last.of("event/link.flap")) == sent
        await settle(clock, 15)  # one try after a minute, then after two
        assert len(broker.last.of("event/link.flap")) == sent + 1
        assert broker.last.of("event/link.flap")[-1].seq == flaps[0]
        await settle(clock, 110)
        assert len(broker.last.of("event/link.flap")) == sent + 1
        await settle(clock, 20)
        assert len(broker.last.of("event/link.flap")) == sent + 2
        assert made.state.refused[0].times == 3

        broker.refuse.clear()
        await settle(clock, 260)
        assert outbox.waits() == []
        assert made.state.refused == ()
        assert set(others) <= outbox.acked
        info = json.loads(broker.last.of("info")[-1].payload)
        assert info["mqtt"]["refused"] == []
        assert len(told.refused) == 1, "said once"
        await stop(clock, made)


async def test_the_wait_of_a_refused_topic_grows_to_an_hour(clock: ManualClock, outbox: MemoryOutbox) -> None:
    broker = ScriptedBroker(refuse={"a": 0x97}, clock=clock)
    made = publisher(outbox, broker, clock=clock, pace=PACE)
    async with running(made):
        await settle(clock)
        outbox.add(1, "a")
        made.wake()
        tries: list[float] = []
        for _ in range(5 * 720):
            before = len(broker.last.of("a"))
            await clock.advance(5)
            if len(broker.last.of("a")) > before:
                tries.append(clock.monotonic())
        waits = [round(b - a, -1) for a, b in itertools.pairwise(tries)]
        assert waits[:6] == [60, 120, 240, 480, 960, 1920]
        assert set(waits[6:]) == {3600}
        await stop(clock, made)


async def test_a_new_connection_tries_a_refused_topic_at_once(clock: ManualClock, outbox: MemoryOutbox) -> None:
    broker = ScriptedBroker(refuse={"a": 0x87}, clock=clock)
    made = publisher(outbox, broker, clock=clock, pace=PACE)
    async with running(made):
        await settle(clock)
        seqs = list(outbox.add(3, "a"))
        made.wake()
        await settle(clock, 10)
        broker.refuse.clear()
        broker.last.drop()
        await settle(clock, 8)
        assert len(broker.connections) == 2
        assert broker.last.seqs() == seqs
        assert outbox.waits() == []
        await stop(clock, made)


async def test_a_broker_that_closes_on_a_refusal_is_not_provoked_again_at_each_connection(
    clock: ManualClock, outbox: MemoryOutbox
) -> None:
    """mosquitto from 2.0.16 on."""
    broker = ScriptedBroker(refuse={"a": 0x87}, closes_on_refusal=True, clock=clock)
    made = publisher(outbox, broker, clock=clock, pace=PACE)
    async with running(made):
        await settle(clock)
        outbox.add(1, "a")
        others = list(outbox.add(100, "b"))
        made.wake()
        await settle(clock, 5)
        assert len(broker.connections) == 2
        assert set(others) <= outbox.acked
        await settle(clock, 50)
        assert len(broker.connections) == 2
        broker.refuse.clear()
        await settle(clock, 20)
        assert outbox.waits() == []
        await stop(clock, made)


async def test_three_refused_topics_of_a_family_pause_it_as_one(clock: ManualClock, outbox: MemoryOutbox) -> None:
    devices = [f"summary/device/d{n}" for n in range(40)]
    broker = ScriptedBroker(refuse=dict.fromkeys(devices, 0x87), closes_on_refusal=True, clock=clock)
    told = Told()
    made = publisher(outbox, broker, clock=clock, pace=PACE, told=told)
    async with running(made):
        await settle(clock)
        for device in devices:
            outbox.add(1, device)
        outbox.add(1, "summary/site")
        made.wake()
        await settle(clock, 10)
        assert [refused.topic for refused in made.state.refused] == ["summary/device/+"]
        assert [refused.topic for refused in told.refused] == [*devices[:2], "summary/device/+"]
        assert len(broker.connections) == 4
        assert outbox.waits() == list(range(1, 41))
        broker.refuse.clear()
        await settle(clock, 70)
        assert outbox.waits() == []
        await stop(clock, made)


async def test_a_family_of_which_one_is_accepted_is_not_paused_as_one(clock: ManualClock, outbox: MemoryOutbox) -> None:
    denied = [f"summary/device/d{n}" for n in range(5)]
    broker = ScriptedBroker(refuse=dict.fromkeys(denied, 0x87), clock=clock)
    made = publisher(outbox, broker, clock=clock, pace=PACE)
    async with running(made):
        await settle(clock)
        for device in denied:
            outbox.add(1, device)
            outbox.add(1, "summary/device/allowed")
        made.wake()
        await settle(clock, 5)
        assert {refused.topic for refused in made.state.refused} == set(denied)
        await stop(clock, made)


async def test_a_broker_that_closes_without_a_word_shows_which_message_it_does_not_want(
    clock: ManualClock, outbox: MemoryOutbox
) -> None:
    """HiveMQ and AWS IoT under MQTT 3.1.1."""
    broker = ScriptedBroker(answers=False, clock=clock)
    made = publisher(outbox, broker, clock=clock, pace=PACE)

    def play() -> None:
        """Acknowledges in order, and closes at the topic."""
        connection = broker.last
        while connection.alive and connection.open:
            if next(iter(connection.open.values())).topic == "poison":
                connection.drop()
            else:
                connection.answer()

    async with running(made):
        await settle(clock)
        outbox.add(5)
        (poison,) = outbox.add(1, "poison")
        outbox.add(20)
        made.wake()
        for _ in range(600):
            await clock.advance(0.05)
            play()
        assert outbox.waits() == [poison]
        assert [(r.topic, r.reason) for r in made.state.refused] == [("poison", None)]
        assert "closes the connection" in made.state.refused[0].text
        await stop(clock, made)


CLOSED = LostError(Fault.CLOSED, "closed")


def flight(topic: str, seq: int | None = 1) -> Flight:
    return Flight(seq, "s", topic, Lane.LIVE)


def test_one_end_with_a_message_alone_on_the_way_is_no_proof() -> None:
    suspicion = Suspicion()
    careful = []
    for _ in range(2):
        assert suspicion.ended(CLOSED, [flight("a"), flight("b")], None, explained=False) is None
        careful.append(suspicion.careful)
    assert careful == [False, True]
    assert suspicion.ended(CLOSED, [flight("a", 7)], None, explained=False) is None
    assert suspicion.ended(CLOSED, [flight("a", 8)], None, explained=False) is None, "a broker that comes and goes"
    assert suspicion.ended(CLOSED, [flight("a", 8)], None, explained=False) == flight("a", 8)


def test_what_was_just_acknowledged_is_suspect_too_and_announcements_are_not() -> None:
    suspicion = Suspicion()
    for seq in (1, 2, 3):
        assert suspicion.ended(CLOSED, [flight("b", seq)], flight("a", seq), explained=False) is None
    assert suspicion.careful
    assert suspicion.ended(CLOSED, [], flight("a", 4), explained=False) is None
    assert suspicion.ended(CLOSED, [], flight("a", 5), explained=False) == flight("a", 5)
    for _ in range(5):
        assert suspicion.ended(CLOSED, [], flight("info", None), explained=False) is None
    assert not suspicion.careful


def test_topics_that_are_accepted_or_not_always_there_are_cleared() -> None:
    suspicion = Suspicion()
    for topics in ("abc", "bcd"):
        suspicion.ended(CLOSED, [flight(topic) for topic in topics], None, explained=False)
    careful = [suspicion.careful]
    for topic in "ab":
        suspicion.clear(topic)
        careful.append(suspicion.careful)
    suspicion.clear("c")
    careful.append(suspicion.careful)
    for topics in ("ab", "cd", "ef"):
        suspicion.ended(CLOSED, [flight(topic) for topic in topics], None, explained=False)
        careful.append(suspicion.careful)
    assert careful == [True, True, True, False, False, False, False]


@pytest.mark.parametrize(
    ("error", "explained"),
    [(LostError(Fault.SILENT, "x"), False), (LostError(Fault.TAKEN_OVER, "x"), False), (CLOSED, True)],
)
def test_ends_that_are_explained_end_the_search(error: LostError, explained: bool) -> None:
    suspicion = Suspicion()
    for _ in range(2):
        suspicion.ended(CLOSED, [flight("a"), flight("b")], None, explained=False)
    suspicion.ended(DialError(Fault.REFUSED, "x"), [], None, explained=False)
    assert suspicion.careful, "a failed dial says nothing"
    suspicion.ended(error, [flight("a")], None, explained=explained)
    assert suspicion.careful is False


async def test_what_is_mended_during_a_read_of_history_is_not_passed_over(
    clock: ManualClock, outbox: MemoryOutbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The held messages lie before the place that is being read."""
    broker = ScriptedBroker(answers=False, refuse={"a": 0x87}, clock=clock)
    made = publisher(outbox, broker, clock=clock, pace=replace(PACE, refused_first_s=1.0))
    held = list(outbox.add(2, "a"))
    outbox.add(2000, "b")
    read, gate, standing = outbox.waiting, asyncio.Event(), asyncio.Event()
    gate.set()

    async def waiting(above_seq: int, limit: int, up_to_seq: int | None = None) -> Any:
        found = await read(above_seq, limit, up_to_seq)
        if found and found[0].topic == "b" and not gate.is_set():
            standing.set()
            await gate.wait()
        return found

    monkeypatch.setattr(outbox, "waiting", waiting)

    async def play(seconds: float, *, but: str = "") -> None:
        for _ in range(round(seconds / 0.05)):
            await clock.advance(0.05)
            for said in list(broker.last.open.values()):
                if said.topic != but:
                    broker.last.answer(said.ticket)

    async with running(made):
        await play(0.8)
        assert [refused.topic for refused in made.state.refused] == ["a"]
        broker.refuse.clear()
        await play(6.0, but="a")
        (tried,) = [said for said in broker.last.open.values() if said.topic == "a"]
        gate.clear()
        await play(1.0, but="a")
        assert standing.is_set()
        broker.last.answer(tried.ticket)
        assert made.state.refused == ()
        gate.set()
        await play(30)
        assert outbox.waits() == []
        assert held[1] in broker.last.seqs()
        broker.answers = True
        await stop(clock, made)
