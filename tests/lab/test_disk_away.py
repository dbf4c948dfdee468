"""A disk that is full or read-only from the start, or goes while the agent runs: it measures, shows its page and says so,
and writes what it has kept once it can."""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from agent.storage_notice import LOST, UNWRITABLE
from tests.lab.agent import SondaRun
from tests.lab.daemon import wait_until
from tests.lab.hosts import ROOT, Hosts, bodies, numbers, settings, small_disk, states
from tests.lab.mosquitto import Mosquitto
from tests.lab.network import Network
from tests.programs import need, need_lab, need_root

pytestmark = pytest.mark.lab

SAID = UNWRITABLE["en"]


@pytest.fixture
def hosts() -> Iterator[Hosts]:
    need_lab("nft")
    with Network() as network:
        yield Hosts(network, 3)


def text(disk: Path, port: int) -> str:
    store = f'[store]\npath = "{disk}/sonda.db"\nmax_bytes = "64 MB"\nballast_bytes = "1 MB"\n'
    return settings(range(3), f'{store}[mqtt]\nhost = "127.0.0.1"\nport = {port}\n')


def remount(disk: Path, options: str, pid: int | None = None) -> None:
    """Here, and where a process sees it: its namespace has a flag of its own."""
    there = ["nsenter", "-t", str(pid), "-m"] if pid else []
    subprocess.run([*there, "mount", "-o", f"remount,{options}", str(disk)], check=True)


def fill(disk: Path) -> None:
    with (disk / "somebody-else").open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(4096)):
            pass


def make_read_only(disk: Path) -> None:
    remount(disk, "ro")


def make_writable(disk: Path, sonda: SondaRun) -> None:
    remount(disk, "rw")
    remount(disk, "rw", sonda.daemon.pid)


def make_room(disk: Path, _: SondaRun) -> None:
    (disk / "somebody-else").unlink()


@pytest.mark.timeout(150)
@pytest.mark.parametrize(
    ("spoil", "mend"), [(make_read_only, make_writable), (fill, make_room)], ids=["read-only", "full"]
)
@pytest.mark.parametrize("lived", [False, True], ids=["first start", "later start"])
def test_a_disk_that_cannot_be_written_at_the_start(
    tmp_path: Path, hosts: Hosts, spoil: Callable[[Path], None], mend: Callable[[Path, SondaRun], None], lived: bool
) -> None:
    need_root()
    need("mosquitto", "mosquitto_sub")
    with ExitStack() as stack:
        disk = stack.enter_context(small_disk(tmp_path / "disk", "24m"))
        stack.callback(lambda: remount(disk, "rw"))
        broker = stack.enter_context(Mosquitto(tmp_path, place=hosts.probe))
        recorder = stack.enter_context(broker.recorder(f"{ROOT}/#"))
        sonda = SondaRun(tmp_path, text(disk, broker.port), place=hosts.probe)
        if lived:
            with sonda:
                wait_until(lambda: set(states(sonda).values()) == {"up"}, "all up", 8)
            for name in os.listdir(disk):
                if name.endswith(".ballast"):
                    (disk / name).unlink()
        spoil(disk)
        stack.enter_context(sonda)
        wait_until(lambda: set(states(sonda).values()) == {"up"}, "all up, without a disk", 10)
        hosts.silence(1)
        wait_until(lambda: states(sonda)["host-1"] == "down", "states go on", 10)
        if lived and spoil is fill:
            return  # pages of the database that are free take what is written; nothing to wait for
        assert SAID in sonda.get("/").body.decode()
        assert sonda.get("/readyz").status == 503 and sonda.get("/livez").status == 200
        assert sonda.json("/api/v1/agent")["store"]["trouble"]
        assert sonda.log.count("what is measured is kept in memory") <= 2, "said once"
        mend(disk, sonda)
        wait_until(lambda: sonda.get("/readyz").status == 200, "written again", 15)
        assert SAID not in sonda.get("/").body.decode()
        wait_until(lambda: bodies(recorder, "device.down"), "what happened meanwhile is said", 15)
        wait_until(lambda: sonda.json("/api/v1/agent")["broker"]["backlog_messages"] == 0, "all sent", 20)
        last = sonda.json("/api/v1/agent")["broker"]["last_seq"]
        assert max(numbers(recorder).values(), key=len) == list(range(1, last + 1))
        assert sonda.stop() == 0
    assert "Traceback" not in sonda.log


@pytest.mark.timeout(150)
def test_a_database_that_is_taken_away_while_the_agent_runs(tmp_path: Path, hosts: Hosts) -> None:
    need_root()
    need("mosquitto", "mosquitto_sub")
    with ExitStack() as stack:
        disk = stack.enter_context(small_disk(tmp_path / "disk", "24m"))
        broker = stack.enter_context(Mosquitto(tmp_path, place=hosts.probe))
        recorder = stack.enter_context(broker.recorder(f"{ROOT}/#"))
        sonda = stack.enter_context(SondaRun(tmp_path, text(disk, broker.port), place=hosts.probe))
        wait_until(lambda: set(states(sonda).values()) == {"up"}, "all up", 8)
        (disk / "sonda.db").rename(disk / "gone")  # what is open is let go; no new one can be made
        subprocess.run(["chattr", "+i", str(disk)], check=False)
        stack.callback(lambda: subprocess.run(["chattr", "-i", str(disk)], check=False))
        hosts.silence(1)
        wait_until(lambda: states(sonda)["host-1"] == "down", "states go on", 10)
        assert sonda.get("/").status == 200
        subprocess.run(["chattr", "-i", str(disk)], check=False)
        hosts.silence()
        wait_until(lambda: states(sonda)["host-1"] == "up", "states go on", 10)
        wait_until(lambda: sonda.get("/readyz").status == 200, "written again", 20)
        wait_until(lambda: LOST["en"] in sonda.get("/").body.decode(), "the page says it", 20)
        wait_until(lambda: bodies(recorder, "event/stream"), "a new stream, which names the former", 20)
        assert sonda.stop() == 0
    assert "Traceback" not in sonda.log
