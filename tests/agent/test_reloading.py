"""What a reload starts ends with the agent."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

import agent.reloading
from agent.boundary import Boundary
from agent.reloading import Reloading
from agent.settings import Overrides, Settings
from agent.settings.reload import Difference, Reloaded
from tests.doubles import ManualClock

SETTINGS = Settings.model_validate({"site": {"tenant": "t", "site": "s", "probe": "p"}})


class Restating:
    """A recomputation that waits for a disk which nobody writes to any more."""

    def __init__(self) -> None:
        self.waits = asyncio.Event()

    async def follow(self, *_: Any) -> None:
        self.waits.set()
        await asyncio.Event().wait()


class Planning:
    """Plans other work at each reload."""

    settings = SETTINGS
    rejected: str | None = None
    planned = 0

    async def take(self, _settings: Settings) -> None:
        self.planned += 1


async def test_a_recomputation_after_a_reload_holds_up_no_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent.reloading, "reload", lambda *_: Reloaded(SETTINGS, Difference(), ()))
    monkeypatch.setattr(agent.reloading, "set_up", lambda _level: None)
    planning, restating, asked = Planning(), Restating(), asyncio.Event()
    reloading = Reloading(
        [],
        Overrides(),
        planning=planning,  # type: ignore[arg-type]
        plan=lambda: SimpleNamespace(maintenance=planning.planned),  # type: ignore[arg-type, return-value]
        publishing=SimpleNamespace(),  # type: ignore[arg-type]
        restating=restating,  # type: ignore[arg-type]
        timeline=SimpleNamespace(dated=True),  # type: ignore[arg-type]
        clock=ManualClock(),
        boot="b",
        boundary=Boundary(),
    )

    async def live() -> None:
        async with asyncio.TaskGroup() as group:
            running = group.create_task(reloading.run(asked, group))
            asked.set()
            await restating.waits.wait()
            running.cancel()

    await asyncio.wait_for(live(), 20)
    assert planning.rejected is None
