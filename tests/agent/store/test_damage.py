"""Damaged, lost and foreign files; kill -9."""

import asyncio
import contextlib
import dataclasses
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from agent.store import DAY, Batch, Store, StoreClosed, StoreCorrupt, StoreTooNew
from agent.store.db import open_reader, open_writer, tools
from tests.agent.store.conftest import SMALL, Opener
from tests.agent.store.test_retention import START, drafts, windows
from tests.doubles import ManualClock


async def said(store: Store) -> list[dict[str, object]]:
    return [json.loads(message.payload) for message in await store.waiting(0, 1000)]


async def test_a_bad_header_is_set_aside_and_the_stream_names_its_predecessor(opener: Opener, tmp_path: Path) -> None:
    path = tmp_path / "sonda.db"
    async with opener() as store:
        await store.commit(Batch(windows=windows(START, 60, 10), drafts=drafts(5)))
        old = store.stream
    damaged = b"not a database at all" + path.read_bytes()[21:]
    path.write_bytes(damaged)
    async with opener(boot="boot-2") as store:
        found = store.opened
        assert found.fresh and found.predecessor == old and "damaged" in (found.reason or "")
        assert found.set_aside == tmp_path / "sonda.db.corrupt-20231114T221500Z"
        assert found.set_aside.read_bytes() == damaged, "kept as it was"
        assert store.stream != old
        first = (await said(store))[0]
        assert (first["schema"], first["seq"], first["predecessor"]) == ("sonda.stream.v1", 1, old)
        assert first["reason"] == "corrupt"
    async with opener() as store:
        assert not store.opened.fresh and store.opened.set_aside is None


async def test_torn_pages_after_an_unclean_shutdown_are_found_and_the_gap_names_what_was_unsent(
    opener: Opener, tmp_path: Path
) -> None:
    path = tmp_path / "sonda.db"
    async with opener() as store:
        for n in range(40):
            await store.commit(Batch(windows=windows(START + 60 * n, 60, 100, 300), drafts=drafts(5)))
        await store.acknowledge(range(1, 151))
        old = store.stream
    with path.open("r+b") as file:
        pages = path.stat().st_size // 4096
        for page in range(pages // 2, pages):
            file.seek(page * 4096)
            file.write(os.urandom(512))
    (tmp_path / "sonda.db-wal").write_bytes(b"")
    async with opener() as store:
        found = store.opened
        assert found.fresh and not found.clean and found.predecessor == old
        assert found.lost == (151, 200)
        gap = (await said(store))[1]
        assert (gap["schema"], gap["seq"], gap["of_stream"]) == ("sonda.gap.v1", 2, old)
        assert (gap["ranges"], gap["reason"]) == ([[151, 200]], "corrupt")


async def test_a_lost_file_is_known_by_the_stream_noted_beside_it(opener: Opener, tmp_path: Path) -> None:
    async with opener() as store:
        assert (store.opened.fresh, store.opened.predecessor) == (True, None)
        assert await said(store) == [], "a first stream has nothing to say"
        old = store.stream
    (tmp_path / "sonda.db").unlink()
    async with opener() as store:
        assert store.opened.predecessor == old
        assert (await said(store))[0]["reason"] == "lost"


async def test_only_the_last_damaged_file_is_kept(opener: Opener, tmp_path: Path, clock: ManualClock) -> None:
    for _ in range(3):
        async with opener():
            pass
        (tmp_path / "sonda.db").write_bytes(b"x" * 9000)
        await clock.advance(60)
    async with opener():
        assert sum(name.startswith("sonda.db.corrupt-") for name in os.listdir(tmp_path)) == 1


async def test_damage_met_while_running_ends_the_writer_and_the_next_start_begins_anew(
    opener: Opener, tmp_path: Path
) -> None:
    path = tmp_path / "sonda.db"
    async with opener() as store:
        for n in range(30):
            await store.commit(Batch(windows=windows(START + 60 * n, 60, 100, 300)))
        old = store.stream
    async with opener(settings=dataclasses.replace(SMALL, keep_minute_days=0.0001)) as store:
        watching = asyncio.ensure_future(store.watch())
        with path.open("r+b") as file:
            for page in range(3, path.stat().st_size // 4096):
                file.seek(page * 4096)
                file.write(os.urandom(4096))
        with contextlib.suppress(StoreCorrupt, StoreClosed):
            for _ in range(1000):
                await store.commit(Batch(windows=windows(START, 60, 100, 300), drafts=drafts(50)))
        with pytest.raises(StoreCorrupt, match="Restart Sonda"):
            await watching
    async with opener() as store:
        assert store.opened.fresh and store.opened.predecessor == old and store.opened.set_aside


async def test_the_check_after_an_unclean_shutdown_takes_no_longer_than_it_may(opener: Opener, tmp_path: Path) -> None:
    async with opener() as store:
        for n in range(60):
            await store.commit(Batch(windows=windows(START + 60 * n, 60, 100, 300)))
    (tmp_path / "sonda.db-wal").write_bytes(b"")
    async with opener(settings=dataclasses.replace(SMALL, check_s=-1.0)) as store:
        assert (store.opened.check, store.opened.clean, store.opened.fresh) == ("unfinished", False, False)
    (tmp_path / "sonda.db-wal").write_bytes(b"")
    async with opener() as store:
        assert store.opened.check == "ok"


async def test_a_database_of_a_later_version_is_left_alone(opener: Opener, tmp_path: Path) -> None:
    async with opener():
        pass
    con = open_writer(tmp_path / "sonda.db")
    tools(con)["_sqlite_migrations"].insert({"migration_set": "store", "name": "m999_later", "applied_at": ""})
    con.commit()
    con.close()
    before = (tmp_path / "sonda.db").read_bytes()
    with pytest.raises(StoreTooNew, match="m999_later"):
        async with opener():
            pass
    assert (tmp_path / "sonda.db").read_bytes() == before


async def test_migrations_are_named_and_applied_once(opener: Opener) -> None:
    async with opener() as store:
        assert store.opened.migrations == ("m001_windows", "m002_outbox", "m003_ledger")
    async with opener() as store:
        assert store.opened.migrations == ()


_CHILD = """
import asyncio, sys
from pathlib import Path
from agent.messages import MessageDraft
from agent.store import Batch, Store, StoreSettings, WindowRow
from collectors.clock import SystemClock

async def main():
    settings = StoreSettings(ballast_bytes=65536, wal_bytes=200_000, ack_linger_s=0.002)
    async with Store.open(Path(sys.argv[1]), settings, SystemClock(), probe_id="p", boot_id=sys.argv[2]) as store:
        n = 0
        while True:
            rows = [WindowRow(f"e{k}", "echo", 86400, "b", 0.0, 60 * (int(sys.argv[2]) * 100000 + n), n) for k in range(20)]
            done = await store.commit(Batch(windows=rows, drafts=[MessageDraft("t", "s", {"n": n})] * (1 + n % 3)))
            print("committed", done.last_seq, rows[0].start_utc, flush=True)
            if n % 2:
                await store.acknowledge([done.first_seq])
                print("acknowledged", done.first_seq, flush=True)
            n += 1

asyncio.run(main())
"""


def live_and_die(path: Path, life: int, after_s: float) -> list[list[str]]:
    """One child that is killed after a while; the words of the lines it had written whole."""
    command = [sys.executable, "-c", _CHILD, str(path), str(life)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        lines = [child.stdout.readline()]
        time.sleep(after_s)
        child.send_signal(signal.SIGKILL)
        lines += child.stdout.readlines()
    return [line.split() for line in lines if line.endswith("\n")]


async def test_nothing_that_was_committed_is_lost_to_kill_9(opener: Opener, tmp_path: Path) -> None:
    """20 times: a child commits and is killed at a random moment; what it had said was committed is there."""
    path = tmp_path / "killed.db"
    chance = random.Random(3)
    last_seq, starts, acknowledged = 0, set[int](), set[int]()
    for life in range(20):
        for words in await asyncio.to_thread(live_and_die, path, life, chance.uniform(0.0, 0.12)):
            if words[0] == "committed":
                last_seq = max(last_seq, int(words[1]))
                starts.add(int(words[2]))
            else:
                acknowledged.add(int(words[1]))
    con = open_reader(path)
    found = con.execute("PRAGMA integrity_check").fetchone()[0]
    con.close()
    assert found == "ok"
    async with opener(path=path) as store:
        assert not store.opened.fresh
        kept = await store.messages(1, 1 << 40)
        assert [message.seq for message in kept] == list(range(1, len(kept) + 1)), "gapless"
        assert last_seq <= len(kept)
        assert [json.loads(message.payload or b"{}")["seq"] for message in kept] == [message.seq for message in kept]
        waiting = {message.seq for message in await store.waiting(0, 1 << 40)}
        assert not waiting & acknowledged
        found = await store.windows("e19", "echo", DAY, 0, 1 << 32)
        assert starts <= {row.start_utc for row in found}
        assert len(starts) > 20 and len(acknowledged) > 5
