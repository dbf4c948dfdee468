"""Names are asked for again and again; one that was taken out of the settings is asked for no more; a dead name server
takes nothing from anybody else."""

import asyncio
import socket
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from agent.resolve import AGAIN_S, EVERY_S, THREADS, Resolver
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
    resolver = Resolver(clock, lambda: moved.append(dict(resolver.addresses)), look_up=names)
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
    resolver = Resolver(clock, lambda: moved.append(None), look_up=names)
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
    first = Resolver(clock, lambda: None, keep=kept.append, look_up=Names(a_example=["192.0.2.1"]))
    await first.want(frozenset({"a.example"}))
    resolver = Resolver(clock, lambda: None, keep=kept.append, look_up=names)
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
    monkeypatch.setattr("agent.resolve.PATIENCE_S", 0.05)
    answered = threading.Event()

    def hanging(_name: str) -> Sequence[str]:
        answered.wait()
        return ["192.0.2.1"]

    resolver = Resolver(ManualClock(), lambda: None, look_up=hanging)
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

    resolver = Resolver(ManualClock(), lambda: None, look_up=look_up)
    await resolver.want(frozenset({"a.example", "broken.example", "empty.example"}))
    assert resolver.addresses == {"a.example": "192.0.2.1"}
    assert resolver.document()["unresolved"].keys() == {"broken.example", "empty.example"}
