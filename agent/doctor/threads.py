"""Blocking calls that may hang for ever (a resolver, a dead network disk, another's library), each in a thread of its
own that nobody waits for: asyncio's executor would be joined at the end, and the doctor would hang with it."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


async def in_thread(call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """The result of ``call``. Cancelling leaves the thread behind, which the end of the process takes along."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[R] = loop.create_future()

    def settle(result: R | None, error: BaseException | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]  # it is R where there is no error

    def work() -> None:
        result, error = None, None
        try:
            result = call(*args, **kwargs)
        except (OSError, ValueError, ArithmeticError, LookupError, RuntimeError, TypeError, AttributeError) as failed:
            error = failed
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=work, name=f"doctor {getattr(call, '__name__', '')}", daemon=True).start()
    return await future
