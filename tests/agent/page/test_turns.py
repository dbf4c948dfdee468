"""What the page shows of many devices is made in several turns of the loop, and the long part of it in a thread."""

import asyncio
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

import agent.api.pages
from agent.api.pages import VALUES_A_ROW, _Pages
from agent.boundary import Boundary
from agent.pace import LARGE, SLICE_S
from agent.page.now import page_now
from tests.agent.page.served import Site
from tests.doubles import ManualClock

MANY = LARGE // VALUES_A_ROW


class CostlyClock(ManualClock):
    """What is done between two looks at it takes a slice."""

    def monotonic(self) -> float:
        self._mono_ns += round(1.01 * SLICE_S * 1e9)
        return super().monotonic()


@pytest.mark.parametrize("count", [MANY, 3])
async def test_an_event_of_many_devices_is_made_in_turns_and_aside(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    turn, turns, aside = 0, dict[str, int](), list[bool]()

    async def watch() -> None:
        nonlocal turn
        while True:
            turn += 1
            await asyncio.sleep(0)

    def counted(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def made(*args: Any) -> Any:
            turns[name] = turn
            return call(*args)

        return made

    def shown(*args: Any) -> Any:
        aside.append(threading.current_thread() is not threading.main_thread())
        return page_now(*args)

    for name in ("troubled", "site", "devices"):
        monkeypatch.setattr(Site, name, counted(name, getattr(Site, name)))
    monkeypatch.setattr(agent.api.pages, "page_now", shown)
    site = Site()
    site.known = [replace(site.known[0], id=f"d{number}") for number in range(count)]
    document = _Pages(site, CostlyClock(), Boundary()).document("en")
    watching = asyncio.create_task(watch())
    made = document()
    assert not isinstance(made, dict)
    assert len((await made)["devices"]) == count
    watching.cancel()
    assert aside == [count == MANY]
    assert turns["troubled"] < turns["site"] < turns["devices"]
