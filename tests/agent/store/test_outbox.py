"""Messages: final bytes, gapless numbers, delivery marks, gaps, streams."""

import asyncio
import dataclasses
import hashlib
import json
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.messages import Message, MessageDraft, Outbox
from agent.store import Batch, Store
from agent.store.db import in_memory
from agent.store.schema import migrate
from agent.store.waiting import Waiting, runs
from tests.agent.store.conftest import SMALL, Opener
from tests.doubles import ManualClock


def drafts(count: int, topic: str = "summary/site") -> Batch:
    body = {"window": {"start": "2023-11-14T22:15:00Z", "length_s": 300}}
    return Batch(drafts=[MessageDraft(topic, "sonda.summary.v1", body | {"n": n}) for n in range(count)])


async def seqs(store: Store, above: int = 0, limit: int = 1000, up_to: int | None = None) -> list[int]:
    return [message.seq for message in await store.waiting(above, limit, up_to)]


async def test_a_message_has_the_envelope_and_its_bytes_are_final(opener: Opener, clock: ManualClock) -> None:
    draft = MessageDraft("event/device.down", "sonda.event.v1", {"window": None, "name": "caffè \ud800"}, retain=True)
    async with opener() as store:
        outbox: Outbox = store
        done = await store.commit(Batch(drafts=[draft]))
        assert (done.first_seq, done.last_seq) == (1, 1)
        (message,) = await outbox.waiting(0, 10)
        assert message == Message(1, "event/device.down", message.payload, retain=True)
        text = message.payload.decode("utf-8")
        assert " " not in text.replace("caffè ", "")
        assert json.loads(text) == {
            "schema": "sonda.event.v1",
            "probe": "probe-1",
            "stream": store.stream,
            "seq": 1,
            "boot": "boot-1",
            "made_at": "2023-11-14T22:15:00.000Z",
            "window": None,
            "name": "caffè \ud800",
        }
        assert list(json.loads(text))[:6] == ["schema", "probe", "stream", "seq", "boot", "made_at"]
        stream = store.stream
    await clock.advance(500)
    async with opener(boot="boot-2") as store:
        assert store.stream == stream
        assert (await store.waiting(0, 10))[0].payload == message.payload
        kept = (await store.messages(1, 9))[0]
        assert kept.digest == hashlib.sha256(message.payload).digest() and kept.payload == message.payload
        assert (await store.commit(drafts(3))).first_seq == 2


async def test_an_unsynchronised_clock_is_said(opener: Opener) -> None:
    synchronised = False
    async with opener(synchronised=lambda: synchronised) as store:
        await store.commit(drafts(1))
        synchronised = True
        await store.commit(drafts(1))
        said = [json.loads(message.payload) for message in await store.waiting(0, 10)]
    assert said[0]["made_at_clock"] == "unsynchronised" and "made_at_clock" not in said[1]


async def test_a_body_may_not_speak_for_the_envelope(store: Store) -> None:
    assert (await store.commit(Batch(drafts=[MessageDraft("t", "s", {"seq": 7})]))).refused == 1
    assert (await store.commit(drafts(2))).first_seq == 1, "a refused message uses no number"


async def test_waiting_gives_what_is_unacknowledged_within_bounds(store: Store) -> None:
    await store.commit(drafts(20))
    assert await seqs(store) == list(range(1, 21))
    assert await seqs(store, above=5, limit=3) == [6, 7, 8]
    assert await seqs(store, above=5, up_to=7) == [6, 7]
    await store.acknowledge([2, 3, 7, 20, 9, 9])
    assert await seqs(store) == [1, 4, 5, 6, 8, *range(10, 20)]
    assert await seqs(store, above=2, limit=4, up_to=9) == [4, 5, 6, 8]
    assert await seqs(store, above=20) == []


async def test_the_backlog_names_ranges(store: Store) -> None:
    backlog = await store.backlog()
    assert (backlog.messages, backlog.first_seq, backlog.last_seq, backlog.acked_to) == (0, None, 0, 0)
    await store.commit(drafts(10))
    everything = sum(len(message.payload) for message in await store.waiting(0, 100))
    backlog = await store.backlog()
    assert (backlog.messages, backlog.bytes, backlog.first_seq) == (10, everything, 1)
    assert (backlog.last_seq, backlog.acked_to, backlog.unsent) == (10, 0, ())
    await store.acknowledge([10, 9])  # live first
    backlog = await store.backlog()
    assert (backlog.messages, backlog.acked_to, backlog.unsent) == (8, 0, ((1, 8),))
    await store.acknowledge([1, 2, 3, 5])
    backlog = await store.backlog()
    assert (backlog.acked_to, backlog.unsent, backlog.first_seq) == (3, ((4, 4), (6, 8)), 4)
    await store.commit(drafts(2))
    backlog = await store.backlog()
    assert (backlog.unsent, backlog.last_seq, backlog.messages) == (((4, 4), (6, 8)), 12, 6)
    await store.acknowledge(list(range(1, 13)))
    backlog = await store.backlog()
    assert (backlog.messages, backlog.bytes, backlog.acked_to, backlog.unsent) == (0, 0, 12, ())


async def test_marks_live_through_a_restart_and_saying_them_twice_is_harmless(opener: Opener) -> None:
    async with opener() as store:
        await store.commit(drafts(9))
        await store.acknowledge([1, 2, 5])
        before = await store.backlog()
    async with opener() as store:
        assert await store.backlog() == before
        await store.acknowledge([1, 2, 5, 1000, -4])
        assert await store.backlog() == before
        assert await seqs(store) == [3, 4, 6, 7, 8, 9]


async def test_marks_are_gathered_into_few_commits(opener: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opener(settings=dataclasses.replace(SMALL, ack_linger_s=0.05)) as store:
        await store.commit(drafts(60))
        commits: list[int] = []
        side = store._writer.side
        assert side is not None
        acknowledge = side.outbox.acknowledge

        def counting(seqs: Iterable[int]) -> None:
            commits.append(1)
            acknowledge(seqs)

        monkeypatch.setattr(side.outbox, "acknowledge", counting)
        await asyncio.gather(*(store.acknowledge([n]) for n in range(1, 61)))
        assert (await store.backlog()).messages == 0
        assert 1 <= len(commits) <= 3


async def test_a_new_stream_says_again_what_waits(store: Store) -> None:
    await store.commit(drafts(5))
    await store.acknowledge([1, 2, 4])
    old = store.stream
    payloads = [json.loads(message.payload) for message in await store.waiting(0, 10)]
    new = await store.new_stream(old, "rolled_back")
    assert new == store.stream != old
    first, gap, *again = [json.loads(message.payload) for message in await store.waiting(0, 10)]
    assert (first["seq"], first["schema"]) == (1, "sonda.stream.v1")
    assert (first["predecessor"], first["reason"]) == (old, "rolled_back")
    assert [(said["seq"], said["stream"], said["n"]) for said in again] == [(3, new, 2), (4, new, 4)]
    assert (gap["schema"], gap["of_stream"], gap["ranges"]) == ("sonda.gap.v1", old, [[3, 3], [5, 5]])
    assert gap["reason"] == "said_again"
    assert [said["made_first_at"] for said in again] == [said["made_at"] for said in payloads]
    backlog = await store.backlog()
    assert (backlog.last_seq, backlog.acked_to, backlog.messages, backlog.unsent) == (4, 0, 4, ())
    assert (await store.commit(drafts(1))).first_seq == 5
    assert [message.payload is None for message in await store.messages(1, 99, stream=old)] == [
        False,
        False,
        True,
        False,
        True,
    ]
    assert [message.seq for message in await store.messages(1, 99)] == [1, 2, 3, 4, 5]


async def test_a_new_stream_lives_through_a_restart(opener: Opener) -> None:
    async with opener() as store:
        await store.commit(drafts(3))
        await store.acknowledge([1, 2, 3])
        new = await store.new_stream("known-from-the-broker", "restored")
        await store.acknowledge([1])
    async with opener() as store:
        assert store.stream == new
        assert store.stream_began.predecessor == "known-from-the-broker"
        assert (await store.backlog()).last_seq == 1
        assert (await store.commit(drafts(1))).first_seq == 2


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 60), st.integers(0, 12)), max_size=40))
def test_waiting_ranges_equal_a_set(steps: list[tuple[bool, int, int]]) -> None:
    with in_memory() as con:
        migrate(con)
        waiting, expected, last = Waiting(con), set[int](), 0
        for adding, at, length in steps:
            if adding:
                waiting.add(last + 1, last + 1 + length)
                expected |= set(range(last + 1, last + 2 + length))
                last += 1 + length
            else:
                removed = {n for low, high in waiting.remove(at, at + length) for n in range(low, high + 1)}
                assert removed == expected & set(range(at, at + length + 1))
                expected -= removed
            assert waiting.ranges() == list(runs(expected))
            assert waiting.count() == len(expected)
            assert Waiting(con).ranges() == waiting.ranges(), "the table says the same"
