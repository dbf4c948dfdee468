"""Where the store lies and what it holds: real file systems, full, read-only and of others; real databases."""

import contextlib
import http.server
import json
import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.doctor import disk, stored
from agent.doctor.model import Finding
from agent.messages import MessageDraft
from agent.store import Batch, CountersRow, Store, StoreSettings
from collectors.clock import SystemClock
from kpi.entities import AGENT
from tests.agent.doctor.seeing import NOBODY, case, doctor, ids, sees, site
from tests.doubles import ManualClock
from tests.lab.network import Network
from tests.programs import need, need_lab, need_root

pytestmark = pytest.mark.lab


@contextlib.contextmanager
def tmpfs(at: Path, size: str) -> Iterator[Path]:
    need_root()
    at.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(at)], check=True)
    try:
        yield at
    finally:
        subprocess.run(["umount", str(at)], check=True)


def remount_read_only(at: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(at)], check=True)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("sonda.db*")}


async def test_this_disk(tmp_path: Path) -> None:
    found = await disk.check(case(site(tmp_path)))
    sees(found, "disk.ok")
    assert {f.severity for f in found} == {"ok"}


async def test_a_full_disk(tmp_path: Path) -> None:
    with tmpfs(tmp_path / "small", "4m") as small:
        (small / "filler").write_bytes(bytes(4_100_000))
        found = await disk.check(case(site(tmp_path, store="small/sonda.db")))
    sees(found, "disk.full")
    sees(found, "disk.volatile")
    assert "disk.wear_unknown" not in ids(found)


async def test_a_disk_smaller_than_the_limit(tmp_path: Path) -> None:
    with tmpfs(tmp_path / "small", "200m"):
        config = site(tmp_path, '\n[store]\npath = "small/sonda.db"\nmax_bytes = "40 GB"\n')
        sees(await disk.check(case(config)), "disk.small")


async def test_a_read_only_disk(tmp_path: Path) -> None:
    with tmpfs(tmp_path / "small", "200m") as small:
        remount_read_only(small)
        found = await disk.check(case(site(tmp_path, store="small/sonda.db")))
    sees(found, "disk.read_only")
    assert not {"disk.not_writable", "disk.no_folder"} & ids(found)


async def test_a_folder_of_somebody_else(open_folder: Path) -> None:
    """For root all is writable: what counts is the service's user, here `nobody`."""
    need_root()
    tmp_path = open_folder
    (tmp_path / "var").mkdir(mode=0o755)
    found = await disk.check(case(site(tmp_path, store="var/sonda.db"), service_user="nobody"))
    sees(found, "disk.not_writable")
    found = await disk.check(case(site(tmp_path, store="var/deeper/sonda.db"), service_user="nobody"))
    sees(found, "disk.no_folder")
    (tmp_path / "var").chmod(0o777)
    found = await disk.check(case(site(tmp_path, store="var/sonda.db"), service_user="nobody"))
    assert "disk.not_writable" not in ids(found)
    (tmp_path / "closed/var").mkdir(parents=True)
    (tmp_path / "closed/var").chmod(0o777)
    (tmp_path / "closed").chmod(0o700)
    found = await disk.check(case(site(tmp_path, store="closed/var/sonda.db"), service_user="nobody"))
    [said] = [f for f in found if f.id == "disk.not_writable"]
    assert f"the folder {tmp_path / 'closed'} does not let it pass" in said.seen
    assert said.commands == (f"chmod o+x {tmp_path / 'closed'}",)


@contextlib.contextmanager
def agent_that_says(about: dict[str, Any]) -> Iterator[int]:
    """Something that answers /api/v1/agent; its port."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(about).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Not on the terminal."""

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="an agent")
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(("identifier", "a_day"), [("disk.writes", 100e6), ("disk.writes_much", 2400e6)])
async def test_what_the_running_agent_writes(tmp_path: Path, identifier: str, a_day: float) -> None:
    uptime = 7200.0
    about = {
        "version": "1",
        "boot": "b",
        "uptime_s": uptime,
        "vitals": {"written_bytes": round(a_day * uptime / 86400)},
    }
    with agent_that_says(about) as port:
        found = await disk.check(case(site(tmp_path, http=f"port = {port}")))
    sees(found, identifier)


async def test_no_store_yet(tmp_path: Path) -> None:
    sees(await stored.check(case(site(tmp_path))), "store.none")


async def filled(path: Path, clock: ManualClock | SystemClock) -> None:
    """A store with an unsent message and a sign of life."""
    limits = StoreSettings(ballast_bytes=0)
    async with Store.open(path, limits, clock, probe_id="probe-1", boot_id="boot-1") as store:
        alive = CountersRow(AGENT, "boot-1", 1.0, clock.utc(), {})
        await store.commit(Batch(counters=[alive], drafts=[MessageDraft("summary/site", "s", {})]))


async def test_a_store_is_looked_at_and_left_as_it_was(tmp_path: Path) -> None:
    await filled(tmp_path / "sonda.db", SystemClock())
    before = contents(tmp_path)
    found = await stored.check(case(site(tmp_path)))
    good = sees(found, "store.ok")
    assert good["facts"]["unsent"] == 1
    assert good["facts"]["days"] < 0.01, "it was made a moment ago, whatever the time of day is"
    assert ids(found) == {"store.ok"}
    assert contents(tmp_path) == before


async def test_a_store_in_use_is_read_beside_its_writer(tmp_path: Path) -> None:
    clock = SystemClock()
    async with Store.open(tmp_path / "sonda.db", StoreSettings(), clock, probe_id="p", boot_id="b") as store:
        await store.commit(Batch(drafts=[MessageDraft("summary/site", "s", {})] * 3))
        found = await stored.check(case(site(tmp_path)))
    assert sees(found, "store.ok")["facts"]["unsent"] == 3


async def test_messages_that_wait_and_entries_of_the_future(tmp_path: Path) -> None:
    now = SystemClock().utc()
    await filled(tmp_path / "sonda.db", ManualClock(utc=now))
    later = case(site(tmp_path), clock=ManualClock(utc=now + 3 * 86400))
    sees(await stored.check(later), "store.waiting")
    soon = case(site(tmp_path), clock=ManualClock(utc=now + 3600))
    assert "store.waiting" not in ids(await stored.check(soon)), "an hour, whatever the hour of the day"
    earlier = case(site(tmp_path), clock=ManualClock(utc=now - 5 * 86400))
    sees(await stored.check(earlier), "store.ahead")


async def look(folder: Path) -> list[Finding]:
    return await stored.check(case(site(folder)))


async def test_files_that_are_no_store(tmp_path: Path) -> None:
    path = tmp_path / "sonda.db"
    await filled(path, SystemClock())
    whole = path.read_bytes()
    path.write_bytes(whole[:1000] + b"\xff" * (len(whole) - 1000))
    sees(await look(tmp_path), "store.damaged")
    path.unlink()
    with contextlib.closing(sqlite3.connect(path)) as con:
        con.execute("CREATE TABLE somebody_elses (x)")
    sees(await look(tmp_path), "store.strange")


@pytest.mark.may_block
async def test_a_store_that_this_user_may_not_read(open_folder: Path) -> None:
    need_lab()
    need("setpriv")
    await filled(open_folder / "sonda.db", SystemClock())
    (open_folder / "sonda.db").chmod(0o600)
    with Network() as network:
        found = doctor(site(open_folder), "store", place=network.namespace("here"), who=NOBODY)
    sees(found, "store.unreadable")
