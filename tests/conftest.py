"""Guards that every test runs under: a blocked loop, a leaked thread, a leaked descriptor fail the test."""

import asyncio
import gc
import os
import resource
import signal
import threading
import time
from collections.abc import Iterator
from typing import NamedTuple

import hypothesis
import pytest

signal.signal(signal.SIGINT, signal.default_int_handler)
"""A test run in the background of a script inherits an ignored Ctrl-C; the programs that tests start must not."""

hypothesis.settings.register_profile(
    "sonda",
    deadline=None,
    derandomize=os.environ.get("SONDA_CI") == "1",
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("sonda")
"""How long an example takes is the machine's doing: a stall of 0.8 s was seen. Tests that judge time do it themselves.

The gate draws the same examples for the same code, so that it judges the change; every other run draws new ones."""

BLOCKED_S = 0.5
"""One callback may hold the loop this long, by its own doing: reckoning, or waiting for a disk, a lock, a sleep."""
ASLEEP_S = 1.5
"""Waiting alone: a disk that others write to holds one up for most of a second (seen beside three more processes)."""
BEAT_S = 0.05
MARK_S = 0.01
"""What a thread has used up is read this often, not at each callback (20 us, two thirds of a simulated day); what was
used between that and a callback's beginning is taken off in full."""


@pytest.fixture(autouse=True, scope="module")
def _little_to_collect() -> None:
    """What lives until now lives to the end: the garbage collector need not look through it in each test (0.5 s)."""
    gc.collect()
    gc.freeze()


class _Collector:
    """The time this thread spent in the garbage collector, which is the whole suite's heap, not the tested code's."""

    def __init__(self) -> None:
        self.wall = self.cpu = 0.0
        self._since = (0.0, 0.0)

    def __call__(self, phase: str, _info: dict[str, int]) -> None:
        now = time.monotonic(), time.thread_time()
        if phase == "start":
            self._since = now
        else:
            self.wall += now[0] - self._since[0]
            self.cpu += now[1] - self._since[1]


_collector = _Collector()
gc.callbacks.append(_collector)


class _Heart:
    """Beats each BEAT_S in a thread of its own, as long as the machine runs and the interpreter is free: who sleeps on
    the loop lets it beat, a machine that stands still or a busy one does not."""

    def __init__(self) -> None:
        self.beats = 0
        threading.Thread(target=self._beat, name="heart", daemon=True).start()

    def _beat(self) -> None:
        while True:
            time.sleep(BEAT_S)
            self.beats += 1


_heart = _Heart()


@pytest.fixture(autouse=True)
def _loop_not_blocked(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    if request.node.get_closest_marker("may_block"):
        yield
        return
    slow: list[str] = []
    run = asyncio.events.Handle._run
    mark = _Spent.now()

    def timed(handle: asyncio.events.Handle) -> None:
        nonlocal mark
        began = time.monotonic()
        if began - mark.taken > MARK_S:
            mark = _Spent.now()
        run(handle)
        if time.monotonic() - began < BLOCKED_S:
            return
        spent, before = _Spent.now(), began - mark.taken
        wall, cpu = spent.wall - mark.wall - before, spent.cpu - mark.cpu - before
        asleep = wall - cpu - (spent.queued - mark.queued) if spent.waits > mark.waits else 0.0
        asleep = min(asleep, (spent.beats - mark.beats) * BEAT_S)
        if cpu > BLOCKED_S or asleep > ASLEEP_S:
            slow.append(f"{handle!r} held the loop {wall:.2f} s ({cpu:.2f} s of CPU, {asleep:.2f} s of waiting)")

    monkeypatch.setattr(asyncio.events.Handle, "_run", timed)
    yield
    assert not slow, "the event loop was blocked: " + "; ".join(slow)


_SCHEDULER = os.open("/proc/thread-self/schedstat", os.O_RDONLY)
"""Of the thread that runs the tests: nanoseconds on a core, nanoseconds of waiting for one, turns."""


class _Spent(NamedTuple):
    """What a thread has used up, the garbage collector left out. A machine that stands still for a second (seen often)
    costs wall time alone, and a busy one time in the queue for a core: only a thread that waits by itself gives its core
    away of its own will."""

    taken: float
    """When it was read, by the monotonic clock."""
    wall: float
    """That, without the time in the garbage collector."""
    cpu: float
    queued: float
    waits: int
    beats: int

    @classmethod
    def now(cls) -> "_Spent":
        taken = time.monotonic()
        wall, cpu = taken - _collector.wall, time.thread_time() - _collector.cpu
        queued = int(os.pread(_SCHEDULER, 64, 0).split()[1]) / 1e9
        return cls(taken, wall, cpu, queued, resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw, _heart.beats)


@pytest.fixture(autouse=True)
def _no_leaks() -> Iterator[None]:
    threads = set(threading.enumerate())
    before = _descriptors()
    yield
    deadline = time.monotonic() + 2
    while (left := [t for t in threading.enumerate() if t not in threads and t.is_alive() and _ours(t)]) and (
        time.monotonic() < deadline
    ):
        time.sleep(0.02)
    assert not left, f"threads left running: {left}"
    if _descriptors() > before:
        gc.collect()
    after = _descriptors()
    assert after <= before, f"descriptors leaked: {before} before, {after} after: {_open_files()}"


def _ours(thread: threading.Thread) -> bool:
    return not thread.name.startswith(("asyncio_", "pytest_timeout"))


def _descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def _open_files() -> list[str]:
    found = []
    for fd in os.listdir("/proc/self/fd"):
        try:
            found.append(f"{fd} -> {os.readlink(f'/proc/self/fd/{fd}')}")
        except OSError:
            continue
    return found
