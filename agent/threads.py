"""Blocking calls that may hang for ever (a resolver, a dead network disk, another's library), each in a thread of its
own that nobody waits for: asyncio's executor has few threads, which TLS, topology and pages need too, and it would be
joined at the end."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import Any, TypeVar

R = TypeVar("R")


class ThreadFailed(Exception):  # noqa: N818 - it is what happened
    """The call raised something that nobody expects of it; the thread has said what, with its traceback."""


async def in_thread(call: Callable[..., R], *args: Any, **kwargs: Any) -> R:
    """The result of ``call``, or its OSError or ValueError; ThreadFailed for what else it raised. Cancelling leaves the
    thread behind, which the end of the process takes along."""
    return await _start(lambda: call(*args, **kwargs), getattr(call, "__name__", ""), lambda: None)


class Threads:
    """At most ``most`` such calls at a time, those that were left behind among them."""

    def __init__(self, most: int, limit_s: float, patience_s: float) -> None:
        """A call may take ``limit_s``, and wait ``patience_s`` for its turn."""
        self._room = asyncio.Semaphore(most)
        self._limit_s, self._patience_s = limit_s, patience_s

    async def run(self, call: Callable[..., R], *args: Any, **kwargs: Any) -> R:
        """As in_thread. TimeoutError where it takes too long; its thread is waited for before another has its place."""
        async with asyncio.timeout(self._patience_s):
            await self._room.acquire()
        running = _start(lambda: call(*args, **kwargs), getattr(call, "__name__", ""), self._room.release)
        async with asyncio.timeout(self._limit_s):
            return await running


def _start(call: Callable[[], R], name: str, ended: Callable[[], None]) -> "asyncio.Future[R]":
    """``ended()`` is called on the loop once the thread has ended, whoever waits or not."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[R] = loop.create_future()

    def settle(outcome: Callable[[], None]) -> None:
        ended()
        if not future.done():
            outcome()

    def work() -> None:
        outcome: Callable[[], None] = lambda: future.set_exception(ThreadFailed(name))  # noqa: E731 - replaced below
        try:
            result = call()
            outcome = lambda: future.set_result(result)  # noqa: E731 - as above
        except (OSError, ValueError) as error:
            expected = error
            outcome = lambda: future.set_exception(expected)  # noqa: E731 - as above
        finally:
            with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(settle, outcome)

    threading.Thread(target=work, name=f"aside {name}", daemon=True).start()
    return future
