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
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from agent.store import (
    DAY,
    Batch,
    CountersRow,
    DeviceRow,
    Opened,
    StateRow,
    Store,
    StoreClosed,
    StoreCorrupt,
    StoreError,
    StoreTooNew,
    StoreUnwritable,
)
from agent.store.db import open_reader, open_writer, tools
from agent.store.keys import LENGTHS
from agent.store.noted import Known, Noted
from agent.store.schema import SEALED
from kpi.model import Incident
from tests.agent.store.conftest import SMALL, Opener
from tests.agent.store.test_retention import START, drafts, windows
from tests.doubles import ManualClock


def numbers(ranges: Iterable[Sequence[int]]) -> set[int]:
    return {n for low, high in ranges for n in range(low, high + 1)}


async def said(store: Store) -> list[dict[str, Any]]:
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
        bodies = await said(store)
        gaps = [body for body in bodies if body["schema"] == "sonda.gap.v1"]
        assert {gap["of_stream"] for gap in gaps} == {old}
        assert [body["seq"] for body in bodies] == list(range(1, len(bodies) + 1))
        named = {gap["reason"]: numbers(gap["ranges"]) for gap in gaps}
        assert named["corrupt"] == numbers(found.lost)
        assert named["corrupt"] | named["said_again"] == set(range(151, 201)), "each unsent number is named once"
        assert not named["corrupt"] & named["said_again"]
        assert len(bodies) == 3 + len(named["said_again"]), "what could be read is said again"


async def test_a_lost_file_is_known_by_the_stream_noted_beside_it(opener: Opener, tmp_path: Path) -> None:
    async with opener() as store:
        assert (store.opened.fresh, store.opened.predecessor) == (True, None)
        assert await said(store) == [], "a first stream has nothing to say"
        old = store.stream
    (tmp_path / "sonda.db").unlink()
    async with opener() as store:
        assert store.opened.predecessor == old
        assert (await said(store))[0]["reason"] == "lost"


@pytest.mark.parametrize("at", [18, 19])
async def test_a_flipped_bit_that_makes_sqlite_refuse_to_write_is_damage(
    opener: Opener, tmp_path: Path, at: int
) -> None:
    async with opener() as store:
        await store.commit(Batch(drafts=drafts(3)))
    raw = bytearray((tmp_path / "sonda.db").read_bytes())
    raw[at] ^= 0x40
    (tmp_path / "sonda.db").write_bytes(raw)
    async with opener() as store:
        assert (store.trouble, store.opened.fresh) == (None, True)
        await store.commit(Batch(drafts=drafts(1)))


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
        assert store.opened.migrations == ("m001_windows", "m002_outbox", "m003_ledger", "m004_seals")
    async with opener() as store:
        assert store.opened.migrations == ()


async def test_one_flipped_bit_in_a_window_costs_that_window_alone(opener: Opener, tmp_path: Path) -> None:
    path = tmp_path / "sonda.db"
    async with opener() as store:
        await store.commit(Batch(windows=windows(START, 60, 20, 300)))
    flip(path, "SELECT body FROM window ORDER BY key LIMIT 1 OFFSET 7")
    async with opener() as store:
        assert len(await store.windows(None, "echo", 60, START, START + 60)) == 19
        await store.windows(None, "echo", 60, START, START + 60)
        assert ((await store.report()).rows_damaged, store.rows_damaged) == (1, 1), "counted once"
        await store.commit(Batch(windows=windows(START, 60, 20, 300)))
        assert len(await store.windows(None, "echo", 60, START, START + 60)) == 20, "written again, it is whole"


@pytest.mark.parametrize(
    ("change", "left"),
    [
        ("UPDATE state SET state = 'uq' WHERE id = 3", "states"),
        ("UPDATE incident SET body = '[' WHERE id = 'i3'", "incidents"),
        ("UPDATE incident SET closed_utc = 1e300 WHERE id = 'i3'", "incidents"),
        ("UPDATE device SET keys = '{{' WHERE id = 'd3'", "devices"),
        ("UPDATE counters SET boot = 99 WHERE entity = (SELECT number FROM word WHERE text = 'k3')", "counters"),
        ("UPDATE word SET text = 'kx' WHERE text = 'k3' AND sort = 'entity'", "counters"),
        ("UPDATE window SET revision = 1 << 60 WHERE key = (SELECT max(key) FROM window)", "windows"),
        ("UPDATE window SET key = key + 256 WHERE key = (SELECT max(key) FROM window)", "windows"),
        ("UPDATE window SET dictionary = 7 WHERE key = (SELECT max(key) FROM window)", "windows"),
        ("UPDATE message SET topic = 7 WHERE id = 3", "messages"),
        ("UPDATE message SET retain = 1 WHERE id = 3", "messages"),
        ("UPDATE message SET body = zeroblob(length(body)) WHERE id = 3", "messages"),
        ("UPDATE digest SET sha256 = zeroblob(32) WHERE id = 3", "messages"),
        ("DELETE FROM digest WHERE id = 3", "messages"),
        ("DELETE FROM message WHERE id = 3", "messages"),
    ],
)
async def test_a_damaged_row_of_any_table_is_left_out(opener: Opener, tmp_path: Path, change: str, left: str) -> None:
    await filled(opener)
    con = open_writer(tmp_path / "sonda.db")
    con.execute(
        "INSERT INTO word (sort, number, text, seal) VALUES ('topic', 7, 'elsewhere', NULL)"
        if "topic = 7" in change
        else "SELECT 1"
    )
    con.execute(change)
    con.close()
    async with opener(boot="boot-2") as store:
        found = {
            "states": len(await store.state_changes(None, START, START + 100)),
            "incidents": len(await store.incidents(START - 1, START + 100)),
            "devices": len(await store.devices()),
            "counters": len(await store.all_counters()),
            "windows": len(await store.windows(None, "echo", 300, START, START + 300)),
            "messages": len([body for body in await said(store) if body["schema"] == "sonda.summary.v1"]),
        }
        assert found == {kind: 9 if kind == left else 10 for kind in found}
        assert not store.opened.fresh and store.rows_damaged >= 1
        if left == "messages":
            gap = (await said(store))[-1]
            assert (gap["of_stream"], gap["ranges"], gap["reason"]) == (store.stream, [[3, 3]], "damaged")
            assert (await store.backlog()).messages == 10


async def test_rows_that_were_written_before_there_were_checksums_are_believed(opener: Opener, tmp_path: Path) -> None:
    stream = await filled(opener)
    con = open_writer(tmp_path / "sonda.db")
    for table in SEALED:
        con.execute(f"ALTER TABLE {table} DROP COLUMN seal")
    con.execute("DELETE FROM _sqlite_migrations WHERE name = 'm004_seals'")
    con.close()
    async with opener(boot="boot-2") as store:
        assert (store.opened.migrations, store.opened.fresh, store.stream) == (("m004_seals",), False, stream)
        assert len(await said(store)) == 10 and store.rows_damaged == 0
        assert len(await store.windows(None, "echo", 300, START, START + 300)) == 10
        assert len(await store.state_changes(None, START, START + 100)) == len(await store.devices()) == 10
        await store.commit(Batch(windows=windows(START, 300, 10, 300), drafts=drafts(1)))
        assert (await store.backlog()).last_seq == 11


async def filled(opener: Opener) -> str:
    """A database with ten rows of each kind; its stream."""
    async with opener() as store:
        await store.commit(
            Batch(
                windows=windows(START, 300, 10, 300),
                states=[StateRow(f"c{n}", "device", "boot-1", 1.0 + n, START + n, "up") for n in range(10)],
                incidents=[Incident(f"i{n}", "device.down", f"c{n}", "no_reply", START + n, None) for n in range(10)],
                counters=[CountersRow(f"k{n}", "boot-1", 1.0, START, {"n": n}) for n in range(10)],
                devices=[DeviceRow(f"d{n}", f"d{n}", 1.0, {"serial": n}) for n in range(10)],
                drafts=drafts(10),
            )
        )
        return store.stream


def flip(path: Path, question: str) -> None:
    """One bit in the middle of the value that the question answers."""
    con = open_writer(path)
    value = con.execute(question).fetchone()[0]
    con.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    con.close()
    raw = bytearray(path.read_bytes())
    at = raw.index(value) + len(value) // 2
    raw[at] ^= 4
    path.write_bytes(raw)


async def test_what_is_readable_is_carried_into_the_new_database(opener: Opener, tmp_path: Path) -> None:
    old = await filled(opener)
    path = tmp_path / "sonda.db"
    async with opener() as store:
        for n in range(40):  # many pages of windows, to be damaged
            await store.commit(Batch(windows=windows(START - 86400 * (2 * n + 5), 60, 30, 300)))
        await store.commit(Batch(windows=windows(START, 3600, 10, 300)))
        payloads = [json.loads(message.payload) for message in await store.waiting(0, 100)]
    raw = bytearray(path.read_bytes())
    at = raw.index(bytes(windows_body(path, 60)))
    raw[at // 2048 * 2048 : at // 2048 * 2048 + 40] = b"\xff" * 40
    path.write_bytes(raw)
    async with opener(boot="boot-2") as store:
        found = store.opened
        assert (found.fresh, found.predecessor, found.lost, found.clean) == (True, old, (), True)
        assert found.set_aside is not None and found.set_aside.exists()
        assert {k: found.carried[k] for k in ("messages", "states", "incidents", "devices")} == dict.fromkeys(
            ("messages", "states", "incidents", "devices"), 10
        )
        assert len(await store.windows(None, "echo", 3600, START, START + 1)) == 10
        assert len(await store.windows(None, "echo", 300, START, START + 1)) == 10
        assert len(await store.all_counters()) == 10
        bodies = await said(store)
        assert [body["schema"] for body in bodies[:2]] == ["sonda.stream.v1", "sonda.gap.v1"]
        assert (bodies[1]["of_stream"], bodies[1]["ranges"], bodies[1]["reason"]) == (old, [[1, 10]], "said_again")
        assert [body["x"] for body in bodies[2:]] == [body["x"] for body in payloads]
        assert [body["made_first_at"] for body in bodies[2:]] == [body["made_at"] for body in payloads]
        held = {kind.kind: kind.rows for kind in (await store.report()).held}
        assert held["unsent"] == 12 and held["windows 3600 s"] == 10, "totals are right"
    async with opener(boot="boot-3") as store:
        assert not store.opened.fresh and store.opened.check == "ok"


def windows_body(path: Path, length_s: int) -> bytes:
    con = open_reader(path, alone=True)
    low = LENGTHS.index(length_s) << 59
    body = con.execute("SELECT body FROM window WHERE key >= ? ORDER BY key LIMIT 1 OFFSET 200", (low,)).fetchone()[0]
    con.close()
    return bytes(body)


async def test_damage_that_a_reader_meets_is_mended_by_the_next_start(opener: Opener, tmp_path: Path) -> None:
    await filled(opener)
    path = tmp_path / "sonda.db"
    async with opener() as store:
        for n in range(40):
            await store.commit(Batch(windows=windows(START - 60 * n, 60, 30, 300)))
    raw = path.read_bytes()
    with contextlib.suppress(StoreClosed):
        async with opener(settings=dataclasses.replace(SMALL, check_clean_s=-1.0)) as store:
            at = raw.index(windows_body(path, 60)) // 2048 * 2048
            with path.open("r+b") as file:
                file.seek(at)
                file.write(b"\xff" * 2048)
            with pytest.raises(StoreCorrupt):
                await store.windows(None, "echo", 60, START - 60 * 50, START + 60)
            with pytest.raises(StoreCorrupt):
                await store.watch()
    assert (tmp_path / "sonda.db.suspect").exists()
    async with opener() as store:
        assert store.opened.fresh and store.opened.carried["messages"] == 10
        assert not (tmp_path / "sonda.db.suspect").exists()
        assert len(await store.windows(None, "echo", 60, START - 60 * 50, START + 60)) > 600, (
            "fine windows of two days too"
        )


async def test_bytes_that_look_like_rows_end_no_start(opener: Opener, tmp_path: Path) -> None:
    """A page of random bytes in the place of what waits: rows without a checksum, of any type."""
    old = await filled(opener)
    con = open_writer(tmp_path / "sonda.db")
    con.execute("ALTER TABLE waiting RENAME TO was_waiting")
    con.execute("CREATE TABLE waiting (first, last, seal)")
    con.execute("INSERT INTO waiting VALUES (x'bf57', x'8d6a', NULL)")
    con.close()
    (tmp_path / "sonda.db.suspect").write_text("damage was met")
    async with opener(boot="boot-2") as store:
        bodies = await said(store)
        assert store.opened.predecessor == old and store.opened.carried["messages"] == 10
        assert [body["ranges"] for body in bodies if body["schema"] == "sonda.gap.v1"] == [[[1, 10]]]


async def test_killed_while_carrying_over_it_begins_anew(
    opener: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await filled(opener)
    (tmp_path / "sonda.db.suspect").write_text("damage was met")

    class Killed(BaseException):
        pass

    for place in ("carry_windows", "_sync"):
        with monkeypatch.context() as patch:

            def die(*_: object) -> None:
                raise Killed

            patch.setattr(f"agent.store.opening.{place}", die)
            with pytest.raises(Killed):
                async with opener():
                    pass
    async with opener() as store:
        assert store.opened.carried["messages"] == 10
        assert "states" not in store.opened.carried, "the third time nothing but messages is carried"
        assert (await store.backlog()).messages == 12


async def test_a_database_that_was_rolled_back_is_known_without_a_broker(opener: Opener, tmp_path: Path) -> None:
    path = tmp_path / "sonda.db"
    async with opener() as store:
        await store.commit(Batch(drafts=drafts(8)))
        await store.acknowledge(range(1, 5))
        old = store.stream
    before = path.read_bytes()
    async with opener(boot="boot-2") as store:
        await store.commit(Batch(drafts=drafts(12)))
        assert len(await store.waiting(0, 100)) == 16, "they are published"
        await store.acknowledge(range(5, 15))
    path.write_bytes(before)
    async with opener(boot="boot-3") as store:
        assert (store.opened.predecessor, store.opened.lost) == (old, ((15, 20),))
        bodies = await said(store)
        assert [body["seq"] for body in bodies] == [1, 2] and {body["stream"] for body in bodies} == {store.stream}
        assert (bodies[0]["predecessor"], bodies[0]["reason"]) == (old, "rolled_back")
        assert (bodies[1]["of_stream"], bodies[1]["ranges"]) == (old, [[15, 20]])
        assert store.stream != old


async def test_nothing_is_published_before_its_number_is_known_outside_the_database(
    opener: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opener() as store:
        await store.commit(Batch(drafts=drafts(3)))

        def fails(*_: object, **__: object) -> None:
            raise OSError(5, "Input/output error")

        with monkeypatch.context() as patch:
            patch.setattr("agent.store.noted.os.pwrite", fails)
            await store.commit(Batch(drafts=drafts(2)))
            assert [message.seq for message in await store.waiting(0, 100)] == [1, 2, 3]
        await store.commit(Batch())
        assert [message.seq for message in await store.waiting(0, 100)] == [1, 2, 3, 4, 5]


async def test_a_note_that_cannot_be_written_is_said_until_it_can_be(
    opener: Opener, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    note = tmp_path / "sonda.db.stream"
    async with opener() as store:
        await store.commit(Batch(drafts=drafts(3)))
        assert store.unnoted is None
        note.unlink()
        note.mkdir()
        for _ in range(3):
            await store.commit(Batch(drafts=drafts(1)))
        assert str(store.unnoted).startswith(
            f"Nothing new is published, because {note} cannot be written (Is a directory)"
        )
        assert len([r for r in caplog.records if r.getMessage() == store.unnoted]) == 1
        assert store.trouble is None, "it is stored"
        note.rmdir()
        await store.commit(Batch())
        assert store.unnoted is None
        assert [message.seq for message in await store.waiting(0, 100)] == [1, 2, 3, 4, 5, 6]


def test_of_a_torn_note_the_former_counts(tmp_path: Path) -> None:
    note = Noted(tmp_path / "sonda.db")
    for last in range(1, 6):
        note.write(Known("s", last, last - 1), last=True)
    raw = bytearray((tmp_path / "sonda.db.stream").read_bytes())
    for place in (0, 4096):
        torn = raw[:]
        torn[place + 20 : place + 60] = b"\0" * 40
        (tmp_path / "sonda.db.stream").write_bytes(torn)
        found = Noted(tmp_path / "sonda.db").read()
        assert found in {Known("s", 4, 3), Known("s", 5, 4)}
    (tmp_path / "sonda.db.stream").write_text('{"stream": "of an earlier version"}')
    assert Noted(tmp_path / "sonda.db").read() == Known("of an earlier version")
    (tmp_path / "sonda.db.stream").write_bytes(b"\xff" * 9000)
    assert Noted(tmp_path / "sonda.db").read() is None


async def test_a_disk_that_fails_is_waited_for(opener: Opener, tmp_path: Path) -> None:
    """The file's place is taken away and given back: what the writer had open is let go, and opened again."""
    folder, away = tmp_path / "disk", tmp_path / "away"
    heard: list[Opened] = []
    async with opener(path=folder / "sonda.db", heard=heard.append) as store:
        await store.commit(Batch(drafts=drafts(3)))
        stream = store.stream
        folder.rename(away)
        folder.write_text("no folder")
        taken: list[int] = []
        with pytest.raises(StoreUnwritable):
            await until_refused(store, taken)
        assert str(store.trouble).startswith(str(folder))
        with pytest.raises(StoreError):
            await store.commit(Batch(drafts=drafts(1)))
        assert await store.windows(None, "echo", 60, 0, START) == [] and (await store.report()).held == ()
        assert (store.stream, await store.waiting(0, 9)) == (stream, [])
        folder.unlink()
        away.rename(folder)
        await store.commit(Batch(drafts=drafts(1)))
        assert store.trouble is None
        assert (store.stream, (await store.backlog()).last_seq) == (stream, 4 + len(taken))
        assert len(heard) == 2


async def test_a_damaged_range_of_what_waits_holds_up_no_start(opener: Opener, tmp_path: Path) -> None:
    """Rows without a checksum are believed: one that says that 10**15 messages wait would be gone through one by one."""
    path = tmp_path / "sonda.db"
    async with opener() as store:
        await store.commit(Batch(drafts=drafts(3)))
        old = store.stream
    with contextlib.closing(open_writer(path)) as con:
        con.execute("UPDATE waiting SET last = last + ?, seal = NULL", (10**15,))
    (tmp_path / "sonda.db.suspect").write_text("damage was met")
    async with asyncio.timeout(60), opener(boot="boot-2") as store:
        assert store.opened.predecessor == old
        assert store.opened.carried["messages"] == 3


@pytest.mark.parametrize("what", ["another program's", "an older copy", "none"])
async def test_a_database_exchanged_while_running_is_a_lost_one(
    opener: Opener, tmp_path: Path, caplog: pytest.LogCaptureFixture, what: str
) -> None:
    """Its log still stands beside it, and would be read into whatever has taken its place."""
    path, other = tmp_path / "sonda.db", tmp_path / "other.db"
    heard: list[Opened] = []
    async with opener() as store:
        await store.commit(Batch(drafts=drafts(3)))
    if what == "an older copy":
        other.write_bytes(path.read_bytes())
    elif what != "none":
        with contextlib.closing(open_writer(other)) as con:
            con.execute("CREATE TABLE windows (a)")
            con.execute("PRAGMA journal_mode=DELETE")
    async with opener(boot="boot-2", heard=heard.append) as store:
        await store.commit(Batch(drafts=drafts(5), windows=windows(START, 60, 5)))
        assert len(await store.windows(None, "echo", 60, 0, START + 3600)) > 0, "a reader has it open"
        old = store.stream
        if what == "none":
            path.unlink()
        else:
            other.rename(path)
        await store.commit(Batch(drafts=drafts(1)))
        with contextlib.suppress(StoreUnwritable):
            await store.commit(Batch(drafts=drafts(1)))
        await store.commit(Batch(drafts=drafts(1)))
        assert store.trouble is None
        assert store.stream != old and store.opened.predecessor == old
        assert len(heard) == 2
        assert await store.windows(None, "echo", 60, 0, START + 3600) == [], "nothing of the former one's log"
        said_of_it = [r.getMessage() for r in caplog.records if "while Sonda ran" in r.getMessage()]
        assert len(said_of_it) == 1
        assert (await said(store))[0]["predecessor"] == old


async def until_refused(store: Store, taken: list[int]) -> None:
    for n in range(3):  # the first may be written into what is open still
        await store.commit(Batch(drafts=drafts(1)))
        taken.append(n)


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
