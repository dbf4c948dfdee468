"""A full disk: the reserve is used, what matters least goes, nothing is half written, and a sentence says what to do."""

import contextlib
import dataclasses
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.store import Batch, DiskFull, Opened
from agent.store.model import GAP_SCHEMA, NOT_OPENED
from tests.agent.store.conftest import SMALL, Opener
from tests.agent.store.test_retention import START, drafts, dropped, rows, settle, windows
from tests.doubles import ManualClock

MB = 1_000_000


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 10 MB."""
    if os.geteuid() != 0:
        pytest.skip("needs root: mounts a small file system")
    at = tmp_path / "disk"
    at.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=10m", "tmpfs", str(at)], capture_output=True, text=True, check=False
    )
    if made.returncode != 0:
        pytest.skip(f"needs the right to mount: {made.stderr.strip()}")
    yield at
    subprocess.run(["umount", str(at)], check=True)


def fill(disk: Path, leave: int = 0) -> Path:
    """Somebody else's file takes what is free."""
    path = disk / "somebody-else"
    free = os.statvfs(disk)
    with path.open("ab") as file, contextlib.suppress(OSError):
        while free.f_bavail * free.f_frsize > leave:
            file.write(b"x" * min(4096, free.f_bavail * free.f_frsize - leave))
            file.flush()
            free = os.statvfs(disk)
    return path


@pytest.mark.lab
async def test_commits_go_on_on_a_full_disk_at_the_cost_of_the_oldest_fine_windows(
    small_disk: Path, opener: Opener
) -> None:
    async with opener(path=small_disk / "sonda.db") as store:
        assert (await store.report()).ballast_bytes == MB
        for n in range(20):
            await store.commit(Batch(windows=windows(START + 60 * n, 60, 100, 300), drafts=drafts(10)))
        fill(small_disk)
        for n in range(20, 300):
            await store.commit(Batch(windows=windows(START + 60 * n, 60, 100, 300), drafts=drafts(1)))
        await settle(store)
        report = await store.report()
        assert report.ballast_bytes == 0, "the reserve is in use"
        held = await rows(store)
        assert held["unsent"] == 480 and "unsent" not in await dropped(store)
        assert held["windows 60 s"] + (await dropped(store))["windows 60 s"][1] == 30_000
        newest = await store.windows(None, "echo", 60, START + 60 * 299, START + 60 * 300)
        assert len(newest) == 100, "the newest windows are there"


@pytest.mark.lab
async def test_unsent_messages_go_last_and_the_gap_is_written_on_the_full_disk(
    small_disk: Path, opener: Opener
) -> None:
    async with opener(path=small_disk / "sonda.db") as store:
        fill(small_disk, leave=2 * MB)
        for n in range(150):
            await store.commit(Batch(windows=windows(START + 60 * n, 60, 20, 300), drafts=drafts(60, 400)))
        waiting = [json.loads(message.payload) for message in await store.waiting(0, 100_000)]
        named = {
            n
            for body in waiting
            if body["schema"] == GAP_SCHEMA
            for low, high in body["ranges"]
            for n in range(low, high + 1)
        }
        assert named, "so much had to be given up"
        assert named | {body["seq"] for body in waiting} == set(range(1, (await store.backlog()).last_seq + 1))
        assert (await dropped(store))["windows 60 s"][1] > 2000


@pytest.mark.lab
async def test_the_reserve_comes_back_when_there_is_room_again(
    small_disk: Path, opener: Opener, clock: ManualClock
) -> None:
    async with opener(path=small_disk / "sonda.db") as store:
        other = fill(small_disk)
        for n in range(100):
            await store.commit(Batch(windows=windows(START + 60 * n, 60, 100, 300)))
        assert (await store.report()).ballast_bytes == 0
        other.unlink()
        await clock.advance(61)
        await store.commit(Batch())
        await settle(store)
        assert (await store.report()).ballast_bytes == MB


@pytest.mark.lab
async def test_where_nothing_is_left_to_give_up_a_sentence_says_what_to_do(small_disk: Path, opener: Opener) -> None:
    async with opener(path=small_disk / "sonda.db", settings=dataclasses.replace(SMALL, ballast_bytes=4096)) as store:
        await store.commit(Batch(drafts=drafts(1)))
        other = fill(small_disk)
        large = Batch(windows=windows(START, 60, 2000, 1000), drafts=drafts(3))
        with pytest.raises(DiskFull, match=r"(?s)No room.*Free some space"):
            await store.commit(large)
        assert await store.windows(None, "echo", 60, 0, START + 60) == [], "nothing half written"
        other.unlink()
        last = (await store.commit(large)).last_seq
        assert len(await store.windows(None, "echo", 60, 0, START + 60)) == 2000
        assert [message.seq for message in await store.messages(1, 999)] == list(range(1, (last or 0) + 1))


@pytest.mark.lab
async def test_opening_on_a_full_disk(small_disk: Path, opener: Opener) -> None:
    path = small_disk / "sonda.db"
    async with opener(path=path) as store:
        await store.commit(Batch(windows=windows(START, 60, 100, 300), drafts=drafts(5)))
    fill(small_disk)
    async with opener(path=path, boot="boot-2") as store:
        assert (await store.backlog()).messages == 5
        assert (await store.commit(Batch(drafts=drafts(1)))).first_seq == 6
    for name in os.listdir(small_disk):
        if name.startswith("sonda.db"):
            (small_disk / name).unlink()
    other = fill(small_disk)
    heard: list[Opened] = []
    async with opener(path=path, heard=heard.append) as store:
        assert "No room" in (store.trouble or "")
        assert (store.opened, store.stream, await store.all_counters(), heard) == (NOT_OPENED, "", [], [])
        with pytest.raises(DiskFull):
            await store.commit(Batch(drafts=drafts(1)))
        other.unlink()
        assert (await store.commit(Batch(drafts=drafts(1)))).first_seq == 1, "opened as soon as there is room"
        assert store.trouble is None and [found.fresh for found in heard] == [True]
        assert len(await store.waiting(0, 9)) == 1


async def test_what_a_full_disk_does_shown_without_one(
    opener: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = 0
    for module in ("write_side", "ballast", "db"):
        monkeypatch.setattr(f"agent.store.{module}.free_bytes", lambda path: free)
    async with opener() as store:
        assert not (tmp_path / "sonda.db.ballast").exists(), "no reserve where there is no room for it"
        free = 400_000
        await store.commit(Batch(windows=windows(START, 60, 100, 400), drafts=drafts(5)))
        free = 0
        (tmp_path / "sonda.db.corrupt-20200101T000000Z").write_bytes(b"set aside earlier")
        for n in range(1, 30):
            await store.commit(Batch(windows=windows(START + 60 * n, 60, 30, 400)))
        assert (await dropped(store))["windows 60 s"][1] > 500
        assert not (tmp_path / "sonda.db.corrupt-20200101T000000Z").exists(), "goes before any window"
        assert (await rows(store))["unsent"] == 5
        with pytest.raises(DiskFull):
            await store.commit(Batch(windows=windows(START, 86400, 5000, 400)))
        assert await store.windows(None, "echo", 86400, 0, START + 1) == []
        free = 1_000_000_000
        await settle(store)
        await store.commit(Batch(windows=windows(START, 86400, 5000, 400)))
