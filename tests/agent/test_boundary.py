"""The boundary: what fails costs one entity one figure, is logged once a streak, counted and shown; memory is bounded."""

import asyncio
import logging

import pytest

from agent.boundary import MOST_STREAKS, SHOWN, TRACEBACKS, Boundary
from agent.store.errors import ENDED, StoreCorrupt


def fail(boundary: Boundary, place: str, entity: str) -> bool:
    with boundary.around(place, entity) as attempt:
        raise KeyError("not to be shown")
    return attempt.failed


def test_a_streak_is_logged_once_with_its_traceback_and_ends_with_a_word(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    boundary = Boundary()
    for _ in range(3):
        assert fail(boundary, "fold", "sw1")
    with boundary.around("fold", "sw1") as attempt:
        pass
    assert not attempt.failed
    first, last = caplog.records
    assert first.getMessage().startswith("fold of sw1 failed unexpectedly") and first.exc_info is not None
    assert last.getMessage() == "fold of sw1 works again after 3 failures in a row"
    assert boundary.document() == {
        "total": 3,
        "by_place": {"fold": 3},
        "unread_rows": {},
        "failing": 0,
        "now": [],
    }


def test_a_streak_is_that_of_one_entity_in_one_place(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    boundary = Boundary()
    fail(boundary, "fold", "sw1")
    fail(boundary, "fold", "sw2")
    fail(boundary, "summary", "sw1")
    with boundary.around("fold", "sw1"):
        pass
    assert [(one["place"], one["entity"]) for one in boundary.document()["now"]] == [
        ("fold", "sw2"),
        ("summary", "sw1"),
    ]
    assert len(caplog.records) == 3
    assert "not to be shown" not in str(boundary.document())


def test_cancellation_and_what_ends_the_process_pass_through() -> None:
    boundary = Boundary()
    for passing in (asyncio.CancelledError, KeyboardInterrupt, SystemExit):
        with pytest.raises(passing), boundary.around("poll", "sw1"):
            raise passing
    assert not boundary.faults


async def test_a_cancellation_that_meets_an_error_is_not_lost() -> None:
    """A TaskGroup whose parent is cancelled while a task of it fails gives the errors alone (Python 3.11)."""
    boundary, rounds = Boundary(), 0
    closing = asyncio.Event()

    async def fails() -> None:
        raise KeyError("a fault of ours")

    async def says_goodbye() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            closing.set()
            await asyncio.sleep(0)

    async def for_ever() -> None:
        nonlocal rounds
        while True:
            rounds += 1
            with boundary.around("task", "odd"):
                async with asyncio.TaskGroup() as group:
                    group.create_task(says_goodbye())
                    await asyncio.sleep(0)
                    group.create_task(fails())
            await asyncio.Event().wait()

    task = asyncio.create_task(for_ever())
    await closing.wait()
    task.cancel()
    await asyncio.wait({task}, timeout=5)
    ended = task.done() and task.cancelled()
    task.cancel()
    assert ended and rounds == 1 and boundary.faults["task"] == 1


def test_what_passes_does_so_in_a_group_as_well() -> None:
    boundary = Boundary()
    with pytest.raises(ExceptionGroup), boundary.around("task", passing=ENDED):
        raise ExceptionGroup("tasks", [ExceptionGroup("more", [StoreCorrupt("damaged")])])
    with boundary.around("task", passing=ENDED) as attempt:
        raise ExceptionGroup("tasks", [KeyError("x")])
    assert attempt.failed and boundary.faults["task"] == 1


def test_the_memory_is_bounded_and_the_log_is_not_flooded(caplog: pytest.LogCaptureFixture) -> None:
    boundary = Boundary()
    for number in range(2 * MOST_STREAKS):
        fail(boundary, "page", f"port {number}")
    document = boundary.document()
    assert document["total"] == 2 * MOST_STREAKS and document["failing"] == MOST_STREAKS
    assert len(document["now"]) == SHOWN
    assert len(caplog.records) == MOST_STREAKS
    assert sum(1 for record in caplog.records if record.exc_info) == TRACEBACKS
    boundary.forget("port 7")
    assert boundary.document()["failing"] == MOST_STREAKS - 1
