"""The recorder: nobody waits for the disk, a full one loses nothing that fits, a broken store ends the process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from agent.messages import MessageDraft
from agent.recorder import AGAIN_S, KEPT_BATCHES, Recorder
from agent.store.errors import DiskFault, DiskFull, StoreCorrupt, StoreRefused
from agent.store.model import Batch, Committed, StateRow, WindowRow
from tests.doubles import ManualClock


class Store:
    """Commits into a list, or raises what it is told to."""

    def __init__(self) -> None:
        self.committed: list[Batch] = []
        self.error: Exception | None = None
        self.room: int | None = None
        """So many commits fit, then it is full."""
        self.refused = 0

    async def commit(self, batch: Batch) -> Committed:
        await asyncio.sleep(0)
        if self.error is not None:
            raise self.error
        if self.room == 0:
            raise DiskFull("The disk is full: free 10 MB.")
        if self.room is not None:
            self.room -= 1
        self.committed.append(batch)
        return Committed(None, None, self.refused if batch.windows else 0)


def window(n: int) -> Batch:
    return Batch(windows=[WindowRow("a", "echo", 60, "boot", float(n), n, [n])])


def draft(n: int) -> MessageDraft:
    return MessageDraft("event/x", "s", {"n": n})


@asynccontextmanager
async def recording(store: Store, clock: ManualClock, wakes: list[int]) -> AsyncIterator[Recorder]:
    recorder = Recorder(store, clock, lambda: wakes.append(1))
    task = asyncio.create_task(recorder.run())
    yield recorder
    recorder.stop()
    await clock.advance(2 * AGAIN_S)
    await task


async def test_batches_are_committed_in_order_and_messages_wake_the_publisher() -> None:
    store, clock, wakes = Store(), ManualClock(), list[int]()
    async with recording(store, clock, wakes) as recorder:
        recorder.put(window(1))
        recorder.note(draft(1), StateRow("a", "icmp", "boot", 1.0, 1.0, "up"))
        recorder.note(draft(2))
        recorder.put(window(2))
        await clock.advance(0)
    assert [len(b.windows) for b in store.committed] == [1, 0, 1]
    assert [d.body["n"] for d in store.committed[1].drafts] == [1, 2]
    assert len(store.committed[1].states) == 1
    assert len(wakes) == 1


async def test_a_full_disk_is_waited_out_and_nothing_that_fits_is_lost(caplog: pytest.LogCaptureFixture) -> None:
    store, clock = Store(), ManualClock()
    async with recording(store, clock, []) as recorder:
        store.error = DiskFull("The disk is full: free 10 MB.")
        for n in range(10):
            recorder.put(window(n))
        await clock.advance(60)
        trouble = recorder.trouble
        assert trouble == "The disk is full: free 10 MB."
        assert caplog.text.count("free 10 MB") == 1
        store.error = None
        await clock.advance(AGAIN_S + 1)
        trouble = recorder.trouble
        assert trouble is None
    assert [b.windows[0].start_utc for b in store.committed] == list(range(10))


async def test_what_happens_on_a_full_disk_takes_few_places() -> None:
    store, clock = Store(), ManualClock()
    async with recording(store, clock, []) as recorder:
        store.error = DiskFull("full")
        recorder.put(window(0))
        for n in range(1, 400):
            recorder.note(draft(n))
            await clock.advance(AGAIN_S)
            if n == 200:
                recorder.put(window(1))
        assert recorder.waiting <= 5
        store.error = None
        await clock.advance(AGAIN_S + 1)
    assert [d.body["n"] for b in store.committed for d in b.drafts] == list(range(1, 400)), "in order, none missing"
    first = next(i for i, b in enumerate(store.committed) if b.windows and b.windows[0].start_utc == 1)
    assert [d.body["n"] for b in store.committed[:first] for d in b.drafts] == list(range(1, 201))


async def test_a_disk_that_takes_one_and_not_the_next_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    store, clock = Store(), ManualClock()
    async with recording(store, clock, []) as recorder:
        for n in range(20):
            store.error = DiskFull("The disk is full: free 10 MB.")
            recorder.put(window(2 * n))
            recorder.put(window(2 * n + 1))
            await clock.advance(AGAIN_S + 1)
            store.error = None
            store.room = 1
            await clock.advance(AGAIN_S + 1)
        assert caplog.text.count("free 10 MB") == 1
        trouble = recorder.trouble
        assert trouble is not None
        store.error, store.room = None, None
        await clock.advance(AGAIN_S + 1)
        trouble = recorder.trouble
        assert trouble is None
    assert caplog.text.count("can be written again") == 1


async def test_what_must_be_given_up_is_counted_and_said() -> None:
    store, clock = Store(), ManualClock()
    async with recording(store, clock, []) as recorder:
        store.error = DiskFull("full")
        for n in range(KEPT_BATCHES + 3):
            recorder.put(window(n))
        await clock.advance(1)
        store.error = None
        await clock.advance(AGAIN_S + 1)
    said = [d.body["entries_lost"] for b in store.committed for d in b.drafts]
    assert said == [3]
    assert sum(len(b.windows) for b in store.committed) == KEPT_BATCHES


async def test_a_disk_that_fails_is_waited_out_like_a_full_one_and_what_is_lost_says_why() -> None:
    store, clock = Store(), ManualClock()
    async with recording(store, clock, []) as recorder:
        store.error = DiskFault("read-only")
        for n in range(KEPT_BATCHES + 2):
            recorder.put(window(n))
        await clock.advance(1)
        store.error = None
        await clock.advance(AGAIN_S + 1)
    said = [(d.body["cause"], d.body["entries_lost"]) for b in store.committed for d in b.drafts]
    assert said == [("disk_fault", 2)]


async def test_nothing_is_settled_before_a_store_that_was_away_at_the_start_is_written() -> None:
    store, clock = Store(), ManualClock()
    store.error = DiskFault("read-only")
    recorder = Recorder(store, clock, lambda: None, "read-only")
    task, settled = asyncio.create_task(recorder.run()), asyncio.create_task(recorder.settled())
    await clock.advance(60)
    trouble = recorder.trouble
    assert not settled.done() and trouble == "read-only"
    store.error = None
    await clock.advance(AGAIN_S + 1)
    trouble = recorder.trouble
    assert settled.done() and trouble is None
    recorder.stop()
    await task


async def test_rows_that_the_store_refuses_are_said_and_the_rest_goes_on() -> None:
    store, clock = Store(), ManualClock()
    async with recording(store, clock, []) as recorder:
        store.refused = 3
        recorder.put(window(1))
        await clock.advance(0)
        store.refused = 0
        store.error = StoreRefused("as a whole")
        recorder.put(window(2))
        await clock.advance(0)
        store.error = None
        recorder.put(window(3))
        await clock.advance(0)
    assert [w.start_utc for b in store.committed for w in b.windows] == [1, 3]
    said = [(d.body["cause"], d.body["entries_lost"]) for b in store.committed for d in b.drafts]
    assert said == [("row_refused", 3), ("row_refused", 1)]


async def test_a_damaged_store_ends_the_recorder_with_its_error() -> None:
    store, clock = Store(), ManualClock()
    recorder = Recorder(store, clock, lambda: None)
    store.error = StoreCorrupt("damaged")
    recorder.put(window(1))
    with pytest.raises(StoreCorrupt):
        await recorder.run()
