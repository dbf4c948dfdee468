"""Blocking calls that may hang for ever (a resolver, a dead network disk, another's library), each in a thread of its
own that nobody waits for: asyncio's executor would be joined at the end, and the doctor would hang with it."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class ThreadFailed(Exception):  # noqa: N818 - it is what happened
    """The call raised something that nobody expects of it; the thread has said what, with its traceback."""


async def in_thread(call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """The result of ``call``, or its OSError or ValueError; ThreadFailed for what else it raised. Cancelling leaves the
    thread behind, which the end of the process takes along."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[R] = loop.create_future()

    def settle(outcome: Callable[[], None]) -> None:
        if not future.done():
            outcome()

    def work() -> None:
        outcome: Callable[[], None] = lambda: future.set_exception(ThreadFailed(repr(call)))  # noqa: E731 - replaced below
        try:
            result = call(*args, **kwargs)
            outcome = lambda: future.set_result(result)  # noqa: E731 - as above
        except (OSError, ValueError) as error:
            expected = error
            outcome = lambda: future.set_exception(expected)  # noqa: E731 - as above
        finally:
            with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(settle, outcome)

    threading.Thread(target=work, name=f"doctor {getattr(call, '__name__', '')}", daemon=True).start()
    return await future
