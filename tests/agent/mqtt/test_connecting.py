"""Dialling, versions, backoff, birth, info and farewell; time stands still."""

import asyncio
import itertools
import json
import logging
import random
from typing import Any

import pytest

from agent.mqtt_connection import DialError, Fault, LostError
from agent.mqtt_settings import Pace
from agent.publisher import BLIND
from agent.publisher_dialling import Backoff, VersionChoice
from tests.agent.mqtt.parts import REFUSED, MemoryOutbox, ScriptedBroker, ScriptedConnection, publisher, running, stop
from tests.doubles import ManualClock

PACE = Pace(own_info_s=2.0)


async def test_birth_info_and_will(clock: ManualClock, outbox: MemoryOutbox) -> None:
    outbox.add(7)
    outbox.acked.update({1, 2, 5})
    broker = ScriptedBroker(answers=False, clock=clock)
    made = publisher(outbox, broker, clock=clock, pace=PACE)
    async with running(made):
        await clock.advance(2.1)
        status, info = broker.last.said[0], broker.last.said[1]
        assert (status.topic, status.retain, status.delivery, info.topic, info.retain) == (
            "status",
            True,
            None,
            "info",
            True,
        )
        assert status.json() == {
            "schema": "sonda.status.v1",
            "probe": "pi-1",
            "boot": "boot-a",
            "made_at": "2023-11-14T22:15:02.000Z",
            "state": "online",
            "since": "2023-11-14T22:15:02.000Z",
        }
        assert {k: v for k, v in info.json().items() if k not in {"schema", "probe", "made_at", "mqtt"}} == {
            "stream": "stream-1",
            "last_seq": 7,
            "acked_to": 2,
            "unsent": [[3, 4]],
            "replay_from": 1,
            "contract": 1,
            "version": "0.1.0",
            "boot": "boot-a",
        }
        will = json.loads(broker.wills[0].payload)
        assert broker.wills[0].topic == "sonda/v1/acme/hq/pi-1/status"
        assert (will["state"], will["boot"], will["since"], will["reason"]) == (
            "offline",
            "boot-a",
            None,
            "connection_lost",
        )
        broker.answers = True
        broker.last.answer_all()
        await stop(clock, made)


async def test_info_comes_every_five_minutes_and_soon_after_a_change(clock: ManualClock, outbox: MemoryOutbox) -> None:
    broker = ScriptedBroker(clock=clock)
    made = publisher(outbox, broker, clock=clock, pace=PACE)
    async with running(made):
        await clock.advance(3)
        assert len(broker.last.of("info")) == 1
        await clock.advance(295)
        assert len(broker.last.of("info")) == 1
        await clock.advance(10)
        assert len(broker.last.of("info")) == 2
        for _ in range(10):  # however much changes
            made.info_changed()
            await clock.advance(0.5)
        assert len(broker.last.of("info")) == 4, "at once, and once more after five seconds"
        await clock.advance(20)
        assert len(broker.last.of("info")) == 4
        await stop(clock, made)


@pytest.mark.parametrize("odd", [float("nan"), {1, 2}, object()])
async def test_an_info_that_is_no_json_costs_its_own_words_alone(
    clock: ManualClock, outbox: MemoryOutbox, odd: object
) -> None:
    broker = ScriptedBroker(clock=clock)
    made = publisher(outbox, broker, clock=clock, pace=PACE)
    made._provide = lambda: {"version": "0.1.0", "odd": odd}
    async with running(made):
        await clock.advance(3)
        info = broker.last.of("info")[0].json()
        assert (info["last_seq"], info["stream"], "version" in info) == (0, "stream-1", False)
        outbox.add(1)
        made.wake()
        await clock.advance(2)
        assert outbox.waits() == []
        await stop(clock, made)


async def test_many_unsent_ranges_are_merged_so_that_none_that_waits_is_left_out(
    clock: ManualClock, outbox: MemoryOutbox
) -> None:
    outbox.add(2001)
    outbox.acked.update(range(2, 2002, 2))
    broker = ScriptedBroker(answers=False, clock=clock)
    made = publisher(outbox, broker, clock=clock, pace=PACE)
    async with running(made):
        await clock.advance(2.1)
        info = broker.last.of("info")[0]
        assert len(info.payload) < 4000
        unsent = [tuple(pair) for pair in info.json()["unsent"]]
        waits = [seq for seq in outbox.waits() if seq != 2001]  # the last run up to last_seq is named by nobody
        assert all(any(a <= seq <= b for a, b in unsent) for seq in waits)
        broker.answers = True
        broker.last.answer_all()
        await stop(clock, made)


async def test_backoff_is_full_jitter_without_end_and_reset_by_a_connection_that_held(
    clock: ManualClock, outbox: MemoryOutbox
) -> None:
    broker = ScriptedBroker(failures=[REFUSED] * 400, clock=clock)
    made = publisher(outbox, broker, clock=clock, pace=PACE)
    async with running(made):
        await clock.advance(3 * 3600)
        times = [at for at, _ in broker.dials]
        waits = [b - a for a, b in itertools.pairwise(times)]
        assert waits[0] <= 1.0
        assert all(wait <= min(60, 2**n) for n, wait in enumerate(waits))
        assert max(waits) > 45
        assert min(waits[8:]) < 15, "full jitter, not a fixed minute"
        assert 300 < len(waits) <= 400
        broker.failures.clear()
        await clock.advance(61)
        assert made.state.connected
        await clock.advance(31)
        broker.failures = [REFUSED, REFUSED]
        broker.last.drop()
        before = len(broker.dials)
        await clock.advance(3.5)
        assert len(broker.dials) >= before + 2
        await stop(clock, made)


def test_a_connection_that_did_not_hold_does_not_reset_the_backoff() -> None:
    backoff = Backoff(Pace(), random.Random(3))
    waits = [backoff.next_s(LostError(Fault.CLOSED, "x")) for _ in range(200)]
    assert max(waits) > 50
    backoff.reset()
    assert backoff.next_s(REFUSED) <= 1


async def test_refused_credentials_are_tried_slowly_and_said_once(
    clock: ManualClock, outbox: MemoryOutbox, caplog: pytest.LogCaptureFixture
) -> None:
    wrong = DialError(Fault.CREDENTIALS, "the broker at broker:1883 refuses the user name or password")
    broker = ScriptedBroker(failures=[wrong] * 100, clock=clock)
    made = publisher(outbox, broker, clock=clock, pace=PACE)
    async with running(made):
        await clock.advance(3600)
        assert 12 <= len(broker.dials) <= 60
        assert (made.state.fault, made.state.last_error) == (Fault.CREDENTIALS, str(wrong))
        said = [record for record in caplog.records if record.levelno >= logging.WARNING]
        assert [record.getMessage() for record in said] == [f"MQTT: {wrong}; everything is kept and sent later"]
        broker.failures[:] = [REFUSED, REFUSED, REFUSED]
        await clock.advance(700)
        assert len([record for record in caplog.records if record.levelno >= logging.WARNING]) == 2
        await stop(clock, made)


async def test_redial_cuts_a_wait_short(clock: ManualClock, outbox: MemoryOutbox) -> None:
    broker = ScriptedBroker(failures=[DialError(Fault.CREDENTIALS, "no")], clock=clock)
    made = publisher(outbox, broker, clock=clock, pace=PACE)
    async with running(made):
        await clock.advance(1)
        assert len(broker.dials) == 1
        made.redial()
        await clock.advance(0)
        assert len(broker.dials) == 2
        await clock.advance(3)
        await stop(clock, made)


async def test_older_version_where_the_broker_refuses_the_newer(clock: ManualClock, outbox: MemoryOutbox) -> None:
    broker = ScriptedBroker(refuses_five=True, clock=clock)
    made = publisher(outbox, broker, clock=clock, pace=Pace(own_info_s=0.1, five_again_s=3600))
    async with running(made):
        await clock.advance(1)
        assert [version for _, version in broker.dials] == ["5", "3.1.1"]
        assert made.state.version == "3.1.1"
        assert BLIND in made.state.warnings
        assert BLIND in json.loads(broker.last.of("info")[0].payload)["mqtt"]["warnings"]
        broker.last.drop()
        await clock.advance(3)
        assert [version for _, version in broker.dials][2:] == ["3.1.1"], "remembered"
        await clock.advance(3600)
        broker.refuses_five = False
        broker.last.drop()
        await clock.advance(3)
        assert [version for _, version in broker.dials][3:] == ["5"], "asked again now and then"
        assert BLIND not in made.state.warnings
        await stop(clock, made)


def test_a_broker_that_merely_closes_is_taken_for_an_old_one_after_two_times_and_for_ten_minutes() -> None:
    clock = ManualClock()
    choice = VersionChoice("auto", clock, 6 * 3600)
    closed = DialError(Fault.CLOSED, "closed")
    assert choice.next() == "5"
    assert not choice.failed("5", closed)
    assert choice.failed("5", closed)
    assert choice.next() == "3.1.1"
    assert not choice.failed("3.1.1", closed)
    assert choice.next() == "5", "neither works: the version is not the reason"
    assert choice.failed("5", closed)
    choice.connected("3.1.1")
    assert choice.next() == "3.1.1"
    clock._mono_ns += 601 * 10**9
    assert choice.next() == "5"


def test_a_set_version_is_kept() -> None:
    choice = VersionChoice("5", ManualClock(), 1)
    assert not choice.failed("5", DialError(Fault.VERSION, "no"))
    assert choice.next() == "5"
    assert VersionChoice("3.1.1", ManualClock(), 1).next() == "3.1.1"


def test_a_broker_that_was_raised_to_five_alone_is_found() -> None:
    choice = VersionChoice("auto", ManualClock(), 3600)
    assert choice.failed("5", DialError(Fault.VERSION, "no"))
    choice.connected("3.1.1")
    assert choice.next() == "3.1.1"
    assert choice.failed("3.1.1", DialError(Fault.VERSION, "no"))
    assert choice.next() == "5"


async def test_stop_sends_what_is_live_then_offline_then_goodbye(clock: ManualClock, outbox: MemoryOutbox) -> None:
    broker = ScriptedBroker(clock=clock)
    outbox.add(1000)
    made = publisher(outbox, broker, clock=clock, pace=PACE)
    task = asyncio.create_task(made.run())
    await clock.advance(2.05)
    live = outbox.add(120, "event/x")
    made.wake()
    await made.stop()
    await clock.advance(0.5)
    await task
    assert set(live) <= outbox.acked
    assert len(outbox.waits()) > 800, "history is left for the next start"
    last = broker.last.said[-1]
    assert (last.topic, last.json()["state"], last.json()["reason"]) == ("status", "offline", "stopped")
    assert broker.last.goodbye
    assert not made.state.connected


@pytest.mark.parametrize("receive_maximum", [5, 65535])
async def test_a_farewell_that_nobody_acknowledges_is_bounded_and_leaves_the_word_to_the_last_will(
    clock: ManualClock, outbox: MemoryOutbox, receive_maximum: int
) -> None:
    broker = ScriptedBroker(answers=False, receive_maximum=receive_maximum, clock=clock)
    made = publisher(outbox, broker, clock=clock, pace=PACE)
    task = asyncio.create_task(made.run())
    await clock.advance(3)
    outbox.add(10)
    made.wake()
    await clock.advance(0)
    await made.stop()
    began = clock.monotonic()
    while not task.done():
        await clock.advance(0.25)
    assert clock.monotonic() - began <= 2 * PACE.finish_s + 0.25
    assert not broker.last.goodbye
    assert outbox.waits() == list(range(1, 11))


async def test_cancelled_it_still_says_offline(clock: ManualClock, outbox: MemoryOutbox) -> None:
    broker = ScriptedBroker(clock=clock)
    made = publisher(outbox, broker, clock=clock, pace=PACE)
    task = asyncio.create_task(made.run())
    await clock.advance(3)
    outbox.add(1)
    made.wake()
    await clock.advance(0)
    task.cancel()
    await clock.advance(1)
    assert task.cancelled()
    assert broker.last.said[-1].json()["state"] == "offline"
    assert broker.last.goodbye
    assert outbox.waits() == [], "the PUBACK that had come was marked"


@pytest.mark.parametrize("failures", [[], [REFUSED] * 50])
async def test_stop_while_not_connected(clock: ManualClock, outbox: MemoryOutbox, failures: list[DialError]) -> None:
    broker = ScriptedBroker(failures=list(failures), clock=clock)
    made = publisher(outbox, broker, clock=clock, pace=PACE)
    task = asyncio.create_task(made.run())
    await clock.advance(1)
    await made.stop()
    await clock.advance(0)
    assert task.done()
    assert task.exception() is None


async def test_no_broker_for_a_day_costs_nothing_but_dials(clock: ManualClock, outbox: MemoryOutbox) -> None:
    broker = ScriptedBroker(failures=[REFUSED] * 10_000, clock=clock)
    made = publisher(outbox, broker, clock=clock, pace=PACE)
    async with running(made):
        for _ in range(24):
            outbox.add(100)
            made.wake()
            await clock.advance(3600)
        assert outbox.reads == 0
        assert outbox.waits() == list(range(1, 2401))
        await stop(clock, made)


async def test_a_broker_that_closes_at_the_subscription_gets_messages_without_one_and_is_asked_again_later(
    clock: ManualClock, outbox: MemoryOutbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    async def subscribe(self: Any, topics: tuple[str, ...]) -> tuple[int, ...]:
        asked.append(topics)
        self.drop()
        await asyncio.sleep(0)
        raise LostError(Fault.CLOSED, "closed")

    monkeypatch.setattr("tests.agent.mqtt.parts.ScriptedConnection.subscribe", subscribe)
    broker = ScriptedBroker(clock=clock)
    outbox.add(3)
    rolled_back: list[int] = []

    async def roll(last_seq: int) -> None:
        rolled_back.append(last_seq)
        await asyncio.sleep(0)
        outbox.begin_stream("stream-2")

    made = publisher(outbox, broker, clock=clock, pace=PACE, on_rolled_back=roll)
    async with running(made):
        await clock.advance(10)
        assert len(asked) == 2
        assert outbox.waits() == []
        outbox.add(3)
        broker.last.drop()
        await clock.advance(10)
        assert len(asked) == 3, "the next connection asks; the one after it delivers"
        assert outbox.waits() == []
        monkeypatch.undo()
        broker.last.drop()
        broker.retained["info"] = b'{"stream": "stream-1", "last_seq": 4711, "boot": "boot-0"}'
        await clock.advance(70)
        assert rolled_back == [4711], "its own info is read as soon as it can be"
        await stop(clock, made)


async def test_what_is_too_large_on_our_own_topics_holds_nothing_back(
    clock: ManualClock, outbox: MemoryOutbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = ScriptedBroker(clock=clock)
    subscribe = ScriptedConnection.subscribe

    async def flooded(self: ScriptedConnection, topics: tuple[str, ...]) -> tuple[int, ...]:
        codes = await subscribe(self, topics)
        asyncio.get_running_loop().call_soon(self.drop, Fault.TOO_LARGE)
        return codes

    monkeypatch.setattr(ScriptedConnection, "subscribe", flooded)
    outbox.add(30)
    made = publisher(outbox, broker, clock=clock, pace=PACE)
    async with running(made):
        await clock.advance(20)
        assert outbox.waits() == []
        assert len(broker.connections) == 2
        await stop(clock, made)
