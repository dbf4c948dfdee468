"""The writer thread: one thread, a bounded queue, futures on the loop's side.

The error of a write goes to whoever waits for it. What ends the thread itself (a corrupt file, a fault of ours) also
reaches ``watch()``, which the application's task group holds: a dead writer ends the process. A disk that is full,
read-only or gone does not: the database is left, and opened again when somebody next wants to write.
"""

import asyncio
import queue
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from agent.store.db import DatabaseError
from agent.store.errors import DiskFault, DiskFull, StoreClosed, StoreCorrupt, StoreError, StoreFault, StoreUnwritable
from agent.store.model import Opened
from agent.store.opening import Opening
from agent.store.write_side import WriteSide

R = TypeVar("R")

_ACKS_AT_MOST = 2000


@dataclass(frozen=True, slots=True)
class _Job(Generic[R]):
    run: Callable[[WriteSide], R]
    answer: "asyncio.Future[R]"


@dataclass(frozen=True, slots=True)
class _Mark:
    seqs: tuple[int, ...]
    answer: "asyncio.Future[None]"


class Writer:
    """``start()``, then ``do()`` and ``mark()`` from the loop's thread, then ``close()``."""

    def __init__(
        self, opening: Opening, places: int, ack_linger_s: float, opened: Callable[[Opened], None] | None = None
    ) -> None:
        """``opened`` hears, on the loop, of each opening that worked."""
        self._opening = opening
        self._tell = opened
        self.side: WriteSide | None = None
        """The database as it was opened last, for what may be read from anywhere; None before the first time."""
        self.trouble: StoreUnwritable | None = None
        """Why it is not open now."""
        self._linger_s = ack_linger_s
        self._jobs: queue.SimpleQueue[_Job[Any] | _Mark | None] = queue.SimpleQueue()
        self._places = asyncio.Semaphore(places)
        self._loop = asyncio.get_running_loop()
        self._started: asyncio.Future[None] = self._loop.create_future()
        self._ended: asyncio.Future[BaseException | None] = self._loop.create_future()
        self._thread = threading.Thread(target=self._work, name="store-writer")
        self._closing = False

    async def start(self) -> None:
        """Opens the database on the thread. Raises StoreError, but for a disk that cannot be written now: that is
        ``trouble``, and tried again with each write."""
        self._thread.start()
        try:
            await asyncio.shield(self._started)
        except BaseException:
            await self.close()
            raise

    async def do(self, run: Callable[[WriteSide], R]) -> R:
        """Runs on the thread, in turn. Cancelling the caller does not undo it."""
        async with self._places:
            answer: asyncio.Future[R] = self._loop.create_future()
            self._put(_Job(run, answer))
            return await answer

    async def mark(self, seqs: tuple[int, ...]) -> None:
        """Delivery marks, gathered into one commit with what comes within the linger time."""
        async with self._places:
            answer: asyncio.Future[None] = self._loop.create_future()
            self._put(_Mark(seqs, answer))
            await answer

    async def suspect(self, error: StoreCorrupt) -> None:
        """A reader has met damage: the file is marked, and the writer ends with this error."""

        def end(_: WriteSide) -> None:
            raise error

        with suppress(StoreError):
            await self.do(end)

    def _put(self, job: "_Job[Any] | _Mark") -> None:
        if self._closing or self._ended.done():
            raise StoreClosed("The store is closed.") from (self._ended.result() if self._ended.done() else None)
        self._jobs.put(job)

    async def watch(self) -> None:
        """Returns when the writer was closed; raises what ended it otherwise."""
        error = await asyncio.shield(self._ended)
        if error is not None:
            raise error

    async def close(self) -> None:
        """Finishes what is queued, closes the database, joins the thread."""
        if not self._closing:
            self._closing = True
            self._jobs.put(None)
        await asyncio.shield(self._ended)
        self._thread.join()

    # On the thread

    def _work(self) -> None:
        fault: BaseException | None = None
        try:
            with ExitStack() as stack:
                self._enter(stack)
                self._loop.call_soon_threadsafe(_set_result, self._started, None)
                self._serve(stack)
        except BaseException as error:  # noqa: BLE001 - carried to start() or watch(): nothing is swallowed
            fault = error
        self._loop.call_soon_threadsafe(self._end, fault)

    def _end(self, fault: BaseException | None) -> None:
        if not self._started.done() and fault is not None:
            self._started.set_exception(fault)
            fault = None
        self._ended.set_result(fault)
        while not self._jobs.empty():
            job = self._jobs.get_nowait()
            if job is not None and not job.answer.done():
                error = StoreClosed("The store's writer has ended.")
                error.__cause__ = fault
                job.answer.set_exception(error)

    def _enter(self, stack: ExitStack) -> None:
        """Opens the database, or says in ``trouble`` why it cannot be opened now."""
        try:
            self.side = stack.enter_context(self._opening)
        except StoreUnwritable as error:
            self.trouble = error
            return
        except StoreFault as error:
            if self.side is None:  # a path that was never right is for the technician
                raise
            self.trouble = DiskFault(str(error))
            return
        self.trouble = None
        if self._tell is not None:
            self._loop.call_soon_threadsafe(self._tell, self._opening.opened)

    def _leave(self, stack: ExitStack, why: StoreUnwritable) -> None:
        """The disk is not there: what is open of it is let go."""
        self.trouble = why
        with suppress(StoreError, DatabaseError):
            stack.close()

    def _serve(self, stack: ExitStack) -> None:
        job = self._jobs.get()
        while job is not None:
            following: Sequence[_Job[Any] | _Mark | None] = ()
            if isinstance(job, _Mark):
                marks, following = self._gather(job)
                seqs = [seq for mark in marks for seq in mark.seqs]
                run: Callable[[WriteSide], Any] = partial(WriteSide.acknowledge, seqs=seqs)
                answers = [mark.answer for mark in marks]
            else:
                run, answers = job.run, [job.answer]
            job = None  # what is written is let go while nothing is to do: an hour of 4,800 ports is 3 MB
            if self.trouble is not None:
                self._enter(stack)
            if self.trouble is not None:
                self._fail(answers, self.trouble)
            else:
                self._write(stack, run, answers)
            del run, answers
            job = following[0] if following else self._jobs.get()

    def _write(self, stack: ExitStack, run: Callable[[WriteSide], R], answers: "list[asyncio.Future[R]]") -> None:
        assert self.side is not None
        try:
            self._attempt(self.side, run, answers)
            self.side.keep_house()
        except StoreUnwritable as error:
            self._leave(stack, error)
        except StoreFault as error:
            self._leave(stack, DiskFault(str(error)))

    def _gather(self, first: _Mark) -> "tuple[list[_Mark], Sequence[_Job[Any] | _Mark | None]]":
        """Marks until another job comes (given back as the only item) or the linger time passes without one."""
        marks = [first]
        while sum(len(mark.seqs) for mark in marks) < _ACKS_AT_MOST:
            try:
                job = self._jobs.get(timeout=self._linger_s) if self._linger_s > 0 else self._jobs.get_nowait()
            except queue.Empty:
                break
            if not isinstance(job, _Mark):
                return marks, (job,)
            marks.append(job)
        return marks, ()

    def _attempt(self, side: WriteSide, run: Callable[[WriteSide], R], answers: "list[asyncio.Future[R]]") -> None:
        """Raises what concerns the database as a whole, and not this write alone."""
        try:
            result = run(side)
        except DiskFull as error:  # the connection is good
            self._fail(answers, error)
            return
        except (StoreCorrupt, StoreUnwritable) as error:
            self._fail(answers, error)
            raise
        except StoreFault as error:
            fault = DiskFault(str(error))
            self._fail(answers, fault)
            raise fault from error
        except (StoreError, ValueError, TypeError) as error:
            self._fail(answers, error)
            return
        except BaseException as error:
            self._fail(answers, error)
            raise
        for answer in answers:
            self._say(answer, result)

    def _say(self, answer: "asyncio.Future[R]", result: R) -> None:
        self._loop.call_soon_threadsafe(_set_result, answer, result)

    def _fail(self, answers: "list[asyncio.Future[R]]", error: BaseException) -> None:
        for answer in answers:
            self._loop.call_soon_threadsafe(_set_exception, answer, error)


def _set_result(answer: "asyncio.Future[R]", result: R) -> None:
    if not answer.done():  # its caller may have been cancelled
        answer.set_result(result)


def _set_exception(answer: "asyncio.Future[R]", error: BaseException) -> None:
    if not answer.done():
        answer.set_exception(error)
