"""Names are asked for again and again; one that was taken out of the settings is asked for no more."""

import asyncio
import socket
from typing import Any

import pytest

from agent.resolve import AGAIN_S, EVERY_S, Resolver
from tests.doubles import ManualClock


class Names:
    """A name server: those it knows, and how often it was asked for each."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.known = {"a.example": "192.0.2.1"}
        self.asked: list[str] = []
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", self._look_up)

    async def _look_up(self, name: str, _port: None, **_: Any) -> list[Any]:
        self.asked.append(name)
        if name not in self.known:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_DGRAM, 0, "", (self.known[name], 0))]


async def test_a_name_that_does_not_resolve_is_asked_for_soon_and_not_once_it_is_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock, names, moved = ManualClock(), Names(monkeypatch), []
    resolver = Resolver(clock, lambda: moved.append(dict(resolver.addresses)))
    await resolver.want(frozenset({"a.example", "b.example"}))
    assert resolver.addresses == {"a.example": "192.0.2.1"}
    task = asyncio.create_task(resolver.run())
    await clock.advance(AGAIN_S + 1)
    assert names.asked.count("b.example") == 2
    names.known["a.example"] = "192.0.2.2"
    await clock.advance(AGAIN_S)
    assert moved == [{"a.example": "192.0.2.2"}]
    await resolver.want(frozenset({"a.example"}))
    await clock.advance(AGAIN_S)
    names.asked.clear()
    await clock.advance(2 * EVERY_S)
    assert names.asked == ["a.example"] * 2
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
