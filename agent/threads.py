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
    return await start_thread(lambda: call(*args, **kwargs), getattr(call, "__name__", ""), lambda: None)


def start_thread(call: Callable[[], R], name: str, ended: Callable[[], None]) -> "asyncio.Future[R]":
    """As in_thread, to be awaited or not: ``ended()`` is called on the loop once the thread has ended."""
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

    try:
        threading.Thread(target=work, name=f"aside {name}", daemon=True).start()
    except RuntimeError:  # the system has no thread left
        loop.call_soon(settle, lambda: future.set_exception(ThreadFailed(name)))
    return future
