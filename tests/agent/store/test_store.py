"""What goes in comes out: windows, states, incidents, readings, devices."""

import asyncio
import json
import os
import threading
import weakref
from pathlib import Path
from typing import Any

import pytest

from agent.messages import MessageDraft
from agent.store import (
    DAY,
    MONTH,
    Batch,
    CountersRow,
    DeviceRow,
    StateRow,
    Store,
    StoreClosed,
    StoreFault,
    StoreInUse,
    WindowRow,
)
from agent.store.packing import compact
from kpi.model import Incident
from tests.agent.store.conftest import Opener
from tests.doubles import ManualClock

START = 1_700_000_100 // 300 * 300


def window(start: int | None = START, plain: object = None, **other: object) -> WindowRow:
    given: dict[str, object] = {
        "entity": "sw-1",
        "kind": "echo",
        "length_s": 60,
        "boot": "boot-1",
        "mono_start": 1000.0,
        "plain": plain if plain is not None else {"sent": 60},
    }
    return WindowRow(start_utc=start, **(given | other))  # type: ignore[arg-type]


async def test_windows_come_back_by_start_for_one_entity_or_all(store: Store) -> None:
    rows = [
        window(START + 60 * n, {"n": n, "of": e}, entity=e, mono_start=1000.0 + 60 * n)
        for n in range(5)
        for e in ("b", "a")
    ]
    rows += [window(START, {"ports": []}, kind="ports", length_s=300), window(START, {"x": 1}, kind="state")]
    await store.commit(Batch(windows=rows))
    found = await store.windows("a", "echo", 60, START + 60, START + 240)
    assert [(row.start_utc, row.plain) for row in found] == [(START + 60 * n, {"n": n, "of": "a"}) for n in (1, 2, 3)]
    both = await store.windows(None, "echo", 60, START, START + 60)
    assert {row.entity for row in both} == {"a", "b"} and len(both) == 2
    assert (await store.windows("sw-1", "ports", 300, START, START + 1))[0].plain == {"ports": []}
    assert await store.windows("sw-1", "ports", 60, START, START + 1000) == []
    assert await store.windows("nobody", "echo", 60, 0, START + 1000) == []
    assert await store.windows("a", "nothing", 60, 0, START + 1000) == []


async def test_the_same_window_is_replaced_unless_its_revision_is_lower(store: Store) -> None:
    folded = {"boot": "", "mono_start": 0.0, "length_s": 300}
    for revision, value in ((0, "first"), (2, "third"), (1, "late second")):
        await store.commit(Batch(windows=[window(START, value, revision=revision, **folded)]))
    found = await store.windows("sw-1", "echo", 300, START, START + 300)
    assert [(row.plain, row.revision) for row in found] == [("third", 2)]
    held = {kind.kind: kind for kind in (await store.report()).held}
    assert held["windows 300 s"].rows == 1


async def test_how_long_the_runs_before_have_lived_at_least(store: Store) -> None:
    """By the newest dated state, the newest minute, and the end of the newest five minutes that are closed."""
    assert await store.newest_utc("state") is None
    undated = StateRow("sw-1", "device", "boot-1", 9e9, None, "up", "")
    await store.commit(Batch(states=[undated], windows=[window(None), window(START + 7200, kind="day", length_s=DAY)]))
    assert await store.newest_utc("state") is None
    states = [StateRow(e, "device", "boot-1", 1.0, START + at, "up", "") for e, at in (("a", 7.5), ("b", 3.0))]
    await store.commit(Batch(states=states))
    assert await store.newest_utc("state") == START + 7.5
    pieces = window(START, kind="ports", length_s=300)
    await store.commit(Batch(windows=[window(START + 60 * n) for n in range(5)] + [pieces]))
    assert await store.newest_utc("state") == START + 240
    await store.commit(Batch(windows=[window(START, kind="state", length_s=300)]))
    assert await store.newest_utc("state") == START + 300
    await store.commit(Batch(windows=[window(START + 360)]))
    assert await store.newest_utc("state") == START + 360


async def test_what_is_json_already_is_written_as_it_is(store: Store) -> None:
    plain = {"name": "caffè", "counts": [[0, 1.5], None]}
    await store.commit(Batch(windows=[window(START, compact(plain)), window(START + 60, plain)]))
    assert [row.plain for row in await store.windows("sw-1", "echo", 60, START, START + 120)] == [plain, plain]


async def test_what_is_written_is_let_go_before_there_is_more_to_write(store: Store) -> None:
    class Plain(dict[str, int]):
        """A dict that can be watched."""

    plain = Plain(sent=60)
    held = weakref.ref(plain)
    await store.commit(Batch(windows=[window(START, plain)]))
    del plain
    async with asyncio.timeout(10):
        while held() is not None:  # noqa: ASYNC110 - the writer thread keeps house first, and has no event for it
            await asyncio.sleep(0.01)


async def test_pieces_of_one_window_stand_side_by_side(store: Store) -> None:
    await store.commit(Batch(windows=[window(START, 1), window(START, 2, mono_start=1030.0)]))
    await store.commit(Batch(windows=[window(START, 3, boot="boot-2", mono_start=5.0), window(START, "1 again")]))
    found = await store.windows("sw-1", "echo", 60, START, START + 60)
    assert [(row.boot, row.mono_start, row.plain) for row in found] == [
        ("boot-1", 1000.0, "1 again"),
        ("boot-1", 1030.0, 2),
        ("boot-2", 5.0, 3),
    ]


async def test_days_and_months_need_not_be_aligned_to_utc(store: Store) -> None:
    starts = [START // 86400 * 86400 - 3600 + n * 82800 for n in range(4)]  # days of a site with summer time
    await store.commit(Batch(windows=[window(s, s, length_s=length) for s in starts for length in (DAY, MONTH)]))
    for length in (DAY, MONTH):
        found = await store.windows("sw-1", "echo", length, starts[1], starts[3])
        assert [row.plain for row in found] == starts[1:3]


async def test_undated_windows_get_their_dates_at_the_first_sync(store: Store) -> None:
    await store.commit(
        Batch(
            windows=[window(None, n, mono_start=20.0 + 60 * n) for n in range(3)]
            + [window(None, "other boot", boot="boot-0", mono_start=20.0)],
            states=[StateRow("sw-1", "icmp", "boot-1", 25.5, None, "down")],
            counters=[CountersRow("sw-1", "boot-1", 30.0, None, {"p": 1})],
        )
    )
    assert [row.plain for row in await store.undated("boot-1")] == [0, 1, 2]
    assert await store.windows("sw-1", "echo", 60, 0, START + 10_000) == []
    assert await store.relabel("boot-1", START - 20.0 + 7.0) == 3  # starts 7 s after the minute
    found = await store.windows("sw-1", "echo", 60, 0, START + 10_000)
    assert [(row.start_utc, row.plain) for row in found] == [(START + 60 * n, n) for n in range(3)]
    assert await store.undated("boot-1") == []
    assert [row.plain for row in await store.undated("boot-0")] == ["other boot"]
    assert (await store.state_changes("sw-1", START, START + 60))[0].utc_at == START - 13 + 25.5
    last = await store.last_counters("sw-1")
    assert last is not None and last.utc_at == START - 13 + 30.0


async def test_state_changes_begin_with_the_last_up_before_them(store: Store) -> None:
    changes = [("icmp", 10, "up"), ("snmp", 20, "up"), ("icmp", 30, "down"), ("icmp", 50, "up"), ("icmp", 90, "down")]
    await store.commit(
        Batch(states=[StateRow("sw-1", aspect, "b", float(at), START + at, state) for aspect, at, state in changes])
    )
    found = await store.state_changes("sw-1", START + 40, START + 90)
    assert [(row.aspect, row.utc_at, row.state) for row in found] == [
        ("icmp", START + 10, "up"),
        ("snmp", START + 20, "up"),
        ("icmp", START + 30, "down"),
        ("icmp", START + 50, "up"),
    ]
    assert len(await store.state_changes(None, START, START + 1000)) == 5
    assert [row.state for row in await store.state_changes("sw-1", START + 60, START + 61)] == ["up", "up"], "no older"
    assert await store.state_changes("nobody", START, START + 1000) == []


async def test_an_incident_is_replaced_by_its_present_form(store: Store) -> None:
    opened = Incident("i1", "down", "sw-1", "no answer", START, None, ("ap-1", "ap-2"))
    closed = Incident("i1", "down", "sw-1", "no answer", START, START + 50.0, ("ap-1", "ap-2"))
    other = Incident("i2", "link", "gw", "own link", START + 100)
    await store.commit(Batch(incidents=[opened]))
    assert await store.incidents(START, START + 10) == [opened]
    await store.commit(Batch(incidents=[closed, other]))
    assert await store.incidents(START, START + 10) == [closed]
    assert await store.incidents(START + 51, START + 60) == []
    assert await store.incidents(0, START + 200, open_only=True) == [other]


async def test_last_readings_hold_64_bit_counters(store: Store) -> None:
    values = [0, 1, 2**32 - 1, 2**63 - 1, 2**63, 2**64 - 1]
    row = CountersRow("sw-1", "boot-1", 1000.0, START + 0.5, {"ge0": values})
    await store.commit(Batch(counters=[CountersRow("sw-1", "boot-0", 1.0, None, {}), row]))
    assert await store.last_counters("sw-1") == row
    assert await store.all_counters() == [row]
    assert await store.last_counters("sw-2") is None


async def test_the_registry_keeps_when_a_device_was_first_seen(store: Store) -> None:
    hostile = "<b>\x00\ud800\U0001f4a9" + "x" * 65536
    await store.commit(Batch(devices=[DeviceRow("d1", "switch", 5.0, {"serial": "S1"})]))
    await store.commit(Batch(devices=[DeviceRow("d1", hostile, 9.0, {"serial": "S1"}, {"role": "switch"})]))
    assert await store.devices() == [DeviceRow("d1", hostile, 5.0, {"serial": "S1"}, {"role": "switch"})]


BAD: list[WindowRow | StateRow | CountersRow | MessageDraft] = [
    window(START + 60, float("nan")),
    window(START + 60, object()),
    window(START + 60, {"x": {1, 2}}),
    window(START + 1, 2),
    window(START, 1, length_s=61),
    window(START + 60, 1, revision=1 << 70),
    window(START + 60, 1, entity="\ud800"),
    StateRow("sw-1", "icmp", "boot-1", 1.0, 2.0, {"no": "text"}),  # type: ignore[arg-type]
    StateRow("sw-1", "icmp", "boot-1", "no number", 2.0, "up"),  # type: ignore[arg-type]
    CountersRow("sw-1", "boot-1", 1.0, 2.0, float("inf")),
    MessageDraft("t", "s", {"seq": 1}),
    MessageDraft("t", "s", {"x": float("nan")}),
]


@pytest.mark.parametrize("bad", BAD, ids=range(len(BAD)))
async def test_a_bad_row_stands_alone_and_the_rest_is_written_in_one_transaction(
    store: Store, bad: object, caplog: pytest.LogCaptureFixture
) -> None:
    place = {WindowRow: "windows", StateRow: "states", CountersRow: "counters", MessageDraft: "drafts"}[type(bad)]
    good: dict[str, list[Any]] = {
        "windows": [window(START + 60 * n, n) for n in range(50)],
        "states": [StateRow("sw-2", "icmp", "boot-1", 1.0 + n, START + n, "up") for n in range(20)],
        "counters": [CountersRow("sw-2", "boot-1", 1.0, 2.0, {"p": 1})],
        "drafts": [MessageDraft("t", "s", {"n": n}) for n in range(5)],
    }
    good[place].insert(len(good[place]) // 2, bad)
    done = await store.commit(Batch(**good))
    assert (done.first_seq, done.last_seq, done.refused) == (1, 5, 1)
    assert len(await store.windows("sw-1", "echo", 60, 0, START + 10_000)) == 50
    assert len(await store.state_changes("sw-2", START, START + 100)) == 20
    assert [json.loads(m.payload)["n"] for m in await store.waiting(0, 10)] == list(range(5))
    assert (await store.report()).rows_refused == 1
    assert caplog.text.count("The store refuses a row") == 1
    assert (await store.commit(Batch(windows=[window(START, 1, entity="new")]))).refused == 0, "the store still works"


async def test_a_batch_of_bad_rows_alone_is_left_out(store: Store) -> None:
    done = await store.commit(Batch(windows=[window(START + 60, object()) for _ in range(7)]))
    assert (done.first_seq, done.refused) == (None, 7)
    assert await store.windows(None, "echo", 60, 0, START + 1000) == []


async def test_payloads_come_back_after_dictionaries_were_made_and_after_a_restart(opener: Opener) -> None:
    plains = [{"sent": 60, "lost": n % 7, "name": f"port-{n}", "sketch": list(range(n % 50))} for n in range(600)]
    async with opener() as store:
        for n in range(0, 600, 100):
            rows = [window(START + 60 * k, plains[k], mono_start=60.0 * k) for k in range(n, n + 100)]
            await store.commit(Batch(windows=rows))
    async with opener(boot="boot-2") as store:
        found = await store.windows("sw-1", "echo", 60, 0, START + 60 * 600)
        assert [row.plain for row in found] == plains
        packed = {kind.kind: kind.bytes for kind in (await store.report()).held}["windows 60 s"]
        assert packed < 600 * 60, "the dictionary saves most of it"


async def test_one_process_at_a_time(opener: Opener) -> None:
    async with opener():
        with pytest.raises(StoreInUse, match="another Sonda is running"):
            async with opener():
                pass
    async with opener() as store:
        assert store.opened.clean and not store.opened.fresh


async def test_a_closed_store_says_so(opener: Opener) -> None:
    async with opener() as store:
        pass
    with pytest.raises(StoreClosed):
        await store.commit(Batch())
    with pytest.raises(StoreClosed):
        await store.devices()
    await store.watch()  # closed on purpose: returns


async def test_threads_are_named_and_end_with_the_store(opener: Opener) -> None:
    async with opener() as store:
        await store.devices()
        names = {thread.name for thread in threading.enumerate()}
        assert "store-writer" in names and "store-reader_0" in names
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("store-")]


async def test_readers_do_not_wait_for_the_writer(store: Store) -> None:
    await store.commit(Batch(windows=[window(START, 0)]))
    go, entered = threading.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def hold(_: object) -> None:
        loop.call_soon_threadsafe(entered.set)
        go.wait(10)

    busy = asyncio.ensure_future(store._writer.do(hold))
    await entered.wait()
    assert len(await store.windows("sw-1", "echo", 60, START, START + 60)) == 1
    assert not busy.done()
    go.set()
    await busy


async def test_the_queue_is_bounded(store: Store) -> None:
    go = threading.Event()
    first = asyncio.ensure_future(store._writer.do(lambda _: go.wait(10)))
    rest = [asyncio.ensure_future(store.commit(Batch(windows=[window(START, n)]))) for n in range(500)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert store._writer._jobs.qsize() <= 64
    go.set()
    await asyncio.gather(first, *rest)


async def test_a_fault_of_the_writer_reaches_the_waiter_and_the_watcher(opener: Opener) -> None:
    def fail(_: object) -> None:
        raise KeyError("a fault of ours")

    async with opener() as store:
        watching = asyncio.ensure_future(store.watch())
        with pytest.raises(KeyError):
            await store._writer.do(fail)
        with pytest.raises(KeyError):
            await watching
        with pytest.raises(StoreClosed):
            await store.commit(Batch())


async def test_a_cancelled_caller_does_not_stop_the_writer(store: Store) -> None:
    task = asyncio.ensure_future(store.commit(Batch(windows=[window(START, 1)])))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await store.commit(Batch(windows=[window(START + 60, 2)]))


async def test_a_directory_that_cannot_be_written_is_said(tmp_path: Path, opener: Opener) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreFault):
        async with opener(path=tmp_path / "file" / "sonda.db"):
            pass


async def test_the_report_says_what_is_held(store: Store, clock: ManualClock) -> None:
    now = int(clock.utc()) // 60 * 60
    rows = [window(now - 60 * n, n, mono_start=5000.0 - 60 * n) for n in range(720)]
    await store.commit(Batch(windows=rows))
    report = await store.report()
    held = {kind.kind: kind for kind in report.held}
    assert held["windows 60 s"].rows == 720 and held["windows 60 s"].oldest_utc == now - 60 * 719
    assert held["windows 60 s"].days == pytest.approx(0.5, abs=0.01)
    assert report.bytes_limit == 40_000_000 and 0 < report.bytes_used <= 40_000_000
    assert report.ballast_bytes == 1_000_000 and report.bytes_free_on_disk > 0
    assert report.dropped == ()


async def test_the_database_and_what_stands_beside_it_are_readable_for_nobody_else(
    opener: Opener, tmp_path: Path
) -> None:
    (tmp_path / "sonda.db.ballast").write_bytes(b"x")
    (tmp_path / "sonda.db.corrupt-20250101T000000Z").write_bytes(b"x")
    (tmp_path / "other").write_bytes(b"x")
    before = os.umask(0o022)
    try:
        async with opener():
            modes = {name: (tmp_path / name).stat().st_mode & 0o777 for name in os.listdir(tmp_path)}
        (tmp_path / "sonda.db").chmod(0o644)  # as an earlier version left it
        async with opener():
            assert (tmp_path / "sonda.db").stat().st_mode & 0o777 == 0o600
            assert (tmp_path / "sonda.db-wal").stat().st_mode & 0o777 == 0o600
    finally:
        os.umask(before)
    assert modes.pop("other") & 0o044
    assert {"sonda.db", "sonda.db-wal", "sonda.db-shm", "sonda.db.lock", "sonda.db.stream"} <= modes.keys()
    assert set(modes.values()) == {0o600}, modes
