"""A store in a directory of the test, on a clock the test moves."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from agent.store import Store, StoreSettings
from tests.doubles import ManualClock

SMALL = StoreSettings(max_bytes=40_000_000, ballast_bytes=1_000_000, wal_bytes=300_000, ack_linger_s=0.0)

Opener = Callable[..., AbstractAsyncContextManager[Store]]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def opener(tmp_path: Path, clock: ManualClock) -> Opener:
    def open_store(
        path: Path = tmp_path / "sonda.db", settings: StoreSettings = SMALL, boot: str = "boot-1", **more: object
    ) -> AbstractAsyncContextManager[Store]:
        return Store.open(path, settings, clock, probe_id="probe-1", boot_id=boot, **more)  # type: ignore[arg-type]

    return open_store


@pytest.fixture
async def store(opener: Opener) -> AsyncIterator[Store]:
    async with opener() as opened:
        yield opened
