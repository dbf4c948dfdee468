"""Names are asked for again and again; one that was taken out of the settings is asked for no more; a dead name server
takes nothing from anybody else."""

import asyncio
import itertools
import logging
import math
import socket
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from agent.resolve import AGAIN_S, EVERY_S, NOT_ASKED, THREADS, UNANSWERED_THREADS, UNRESOLVED, Resolver
from tests.doubles import ManualClock


class Names:
    """A name server: the answers it has, and how often it was asked for each."""

    def __init__(self, **known: Sequence[str]) -> None:
        self.known: dict[str, Sequence[str]] = {name.replace("_", "."): answer for name, answer in known.items()}
        self.asked: list[str] = []

    def __call__(self, name: str) -> Sequence[str]:
        self.asked.append(name)
        if name not in self.known:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return self.known[name]


async def nothing() -> None:
    """Nobody wants to hear of it."""


async def pass_time(clock: ManualClock, seconds: float) -> None:
    """Time goes by, and the threads of look-ups have come back."""
    await clock.advance(seconds)
    for _ in range(200):
        await asyncio.sleep(0.001)
        if not [thread for thread in threading.enumerate() if thread.name.startswith("aside")]:
            break
    await clock.advance(0)


async def test_a_name_that_does_not_resolve_is_asked_for_soon_and_not_once_it_is_gone() -> None:
    clock, names, moved = ManualClock(), Names(a_example=["192.0.2.1"]), list[dict[str, str]]()

    async def changed() -> None:
        moved.append(dict(resolver.addresses))

    resolver = Resolver(clock, changed, look_up=names)
    await resolver.want(frozenset({"a.example", "b.example"}))
    assert resolver.addresses == {"a.example": "192.0.2.1"}
    task = asyncio.create_task(resolver.run())
    await pass_time(clock, AGAIN_S + 1)
    assert names.asked.count("b.example") == 2
    names.known["a.example"] = ["192.0.2.2"]
    await pass_time(clock, AGAIN_S)
    assert moved == [{"a.example": "192.0.2.2"}]
    await resolver.want(frozenset({"a.example"}))
    await pass_time(clock, AGAIN_S)
    names.asked.clear()
    await pass_time(clock, EVERY_S)
    await pass_time(clock, EVERY_S)
    assert names.asked == ["a.example"] * 2
    task.cancel()


async def test_a_name_with_several_addresses_keeps_the_one_it_has() -> None:
    clock, names, moved = ManualClock(), Names(pool_example=["192.0.2.1", "192.0.2.2"]), list[None]()

    async def changed() -> None:
        moved.append(None)

    resolver = Resolver(clock, changed, look_up=names)
    await resolver.want(frozenset({"pool.example"}))
    task = asyncio.create_task(resolver.run())
    names.known["pool.example"] = ["192.0.2.2", "192.0.2.1"]
    await pass_time(clock, EVERY_S + 1)
    assert resolver.addresses == {"pool.example": "192.0.2.1"} and not moved
    names.known["pool.example"] = ["192.0.2.3", "192.0.2.2"]
    await pass_time(clock, EVERY_S)
    assert resolver.addresses == {"pool.example": "192.0.2.3"} and len(moved) == 1
    task.cancel()


async def test_addresses_of_before_the_start_are_used_at_once_and_said_to_be_old() -> None:
    clock, names, kept = ManualClock(), Names(), list[Mapping[str, str]]()
    first = Resolver(clock, nothing, keep=kept.append, look_up=Names(a_example=["192.0.2.1"]))
    await first.want(frozenset({"a.example"}))
    resolver = Resolver(clock, nothing, keep=kept.append, look_up=names)
    resolver.resume(kept[-1])
    await resolver.want(frozenset({"a.example"}))
    assert not names.asked, "nobody waits for what is known"
    assert resolver.addresses == {"a.example": "192.0.2.1"}
    assert resolver.document()["old"] == ["a.example"]
    task = asyncio.create_task(resolver.run())
    await pass_time(clock, 0)
    assert names.asked == ["a.example"], "and it is looked up at once"
    assert resolver.document()["unresolved"] == {"a.example": "Name or service not known"}
    names.known["a.example"] = ["192.0.2.1"]
    await pass_time(clock, AGAIN_S + 1)
    assert resolver.document()["old"] == [] and resolver.document()["unresolved"] == {}
    task.cancel()


async def test_a_dead_name_server_holds_its_own_threads_and_nobody_elses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.resolve.LIMIT_S", 0.05)
    answered = threading.Event()

    def hanging(_name: str) -> Sequence[str]:
        answered.wait()
        return ["192.0.2.1"]

    resolver = Resolver(ManualClock(), nothing, look_up=hanging)
    try:
        await resolver.want(frozenset(f"{number}.example" for number in range(100)))
        held = [thread for thread in threading.enumerate() if thread.name.startswith("aside")]
        assert len(held) == THREADS and all(thread.daemon for thread in held)
        assert not resolver.addresses
        assert await asyncio.to_thread(Path("/proc/self/stat").exists), "TLS, topology and pages have theirs"
    finally:
        answered.set()


async def test_what_can_be_no_name_costs_nobody_else() -> None:
    def look_up(name: str) -> Sequence[str]:
        if name == "broken.example":
            raise UnicodeError("label empty or too long")
        return [] if name == "empty.example" else [socket.inet_ntoa(b"\xc0\x00\x02\x01")]

    resolver = Resolver(ManualClock(), nothing, look_up=look_up)
    await resolver.want(frozenset({"a.example", "broken.example", "empty.example"}))
    assert resolver.addresses == {"a.example": "192.0.2.1"}
    assert resolver.document()["unresolved"].keys() == {"broken.example", "empty.example"}


class Hanging:
    """A name server that answers for names that begin with "ok", and for the others not before ``give_up``."""

    def __init__(self) -> None:
        self.held: dict[str, threading.Event] = {}

    def __call__(self, name: str) -> Sequence[str]:
        if name.startswith("ok"):
            return ["192.0.2.1"]
        self.held[name] = released = threading.Event()
        released.wait()
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    async def give_up(self) -> None:
        """The system's resolver has waited long enough for all that are asked for now; others take their turn."""
        held, self.held = self.held, {}
        for released in held.values():
            released.set()
        for _ in range(20):
            await asyncio.sleep(0.002)


@pytest.fixture
def hanging(monkeypatch: pytest.MonkeyPatch) -> Hanging:
    monkeypatch.setattr("agent.resolve.LIMIT_S", 0.02)
    return Hanging()


NAMES_THAT_HANG = frozenset(f"n{number}.example" for number in range(60))
HEALTHY = frozenset(f"ok{number}.example" for number in range(10))


async def test_names_that_hang_starve_no_name_that_answers(hanging: Hanging) -> None:
    resolver = Resolver(ManualClock(), nothing, look_up=hanging)
    await resolver.want(NAMES_THAT_HANG | HEALTHY)
    for _ in range(math.ceil(len(NAMES_THAT_HANG) / THREADS)):
        await hanging.give_up()
    assert resolver.addresses.keys() == HEALTHY
    assert resolver.document()["unresolved"].keys() == NAMES_THAT_HANG, "and each was asked for"


async def test_a_name_that_only_waits_for_its_turn_is_said_to_wait(hanging: Hanging) -> None:
    resolver = Resolver(ManualClock(), nothing, look_up=hanging)
    await resolver.want(NAMES_THAT_HANG)
    document = resolver.document()
    assert len(document["unresolved"]) == THREADS and len(document["waiting"]) == len(NAMES_THAT_HANG) - THREADS
    assert {resolver.lacking(name) for name in document["unresolved"]} == {UNRESOLVED}
    assert {resolver.lacking(name) for name in document["waiting"]} == {NOT_ASKED}
    while hanging.held:
        await hanging.give_up()
    assert not resolver.document()["waiting"]


async def test_names_that_hang_hold_a_minority_of_the_threads_and_take_turns(hanging: Hanging) -> None:
    clock = ManualClock()
    resolver = Resolver(clock, nothing, look_up=hanging, jitter=lambda: 0.0)
    await resolver.want(NAMES_THAT_HANG)
    while hanging.held:
        await hanging.give_up()
    task = asyncio.create_task(resolver.run())
    await clock.advance(AGAIN_S)
    turns: list[str] = []
    for _ in range(math.ceil(len(NAMES_THAT_HANG) / UNANSWERED_THREADS)):
        await asyncio.sleep(0.01)
        assert 0 < len(hanging.held) <= UNANSWERED_THREADS
        turns += hanging.held
        await resolver.want(NAMES_THAT_HANG | {f"ok{len(turns)}.example"})
        assert f"ok{len(turns)}.example" in resolver.addresses, "and others are asked for beside them"
        await hanging.give_up()
    assert sorted(turns) == sorted(NAMES_THAT_HANG), "each once, before any is asked for again"
    task.cancel()
    while hanging.held:
        await hanging.give_up()


async def test_a_name_without_an_answer_is_asked_for_ever_more_rarely_but_within_five_minutes() -> None:
    clock, asked = ManualClock(), list[float]()

    def look_up(_name: str) -> Sequence[str]:
        asked.append(clock.monotonic())
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    resolver = Resolver(clock, nothing, look_up=look_up, jitter=lambda: 0.5)
    await resolver.want(frozenset({"a.example"}))
    task = asyncio.create_task(resolver.run())
    for _ in range(600):
        await pass_time(clock, 2.0)
    pauses = [after - before for before, after in itertools.pairwise(asked)]
    assert pauses[0] < AGAIN_S and pauses == sorted(pauses) and len(pauses) >= 6
    assert EVERY_S / 2 < pauses[-1] < EVERY_S
    task.cancel()


async def test_a_dead_name_server_is_one_line_of_the_log(hanging: Hanging, caplog: pytest.LogCaptureFixture) -> None:
    def lines() -> list[str]:
        return [record.getMessage() for record in caplog.records if record.name == "sonda.resolve"]

    clock, names = ManualClock(), frozenset(f"n{number:02}.example" for number in range(THREADS))
    caplog.set_level(logging.WARNING)
    resolver = Resolver(clock, nothing, look_up=hanging)
    await resolver.want(names)
    (line,) = lines()
    assert line.startswith(f"{THREADS} names do not resolve (the name server did not answer in time): n00.example, ")
    task = asyncio.create_task(resolver.run())
    for _ in range(10):
        await hanging.give_up()
        await pass_time(clock, AGAIN_S)
    assert len(lines()) == 1
    task.cancel()
    while hanging.held:
        await hanging.give_up()
