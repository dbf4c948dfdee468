"""What goes wrong around the agent: a busy port, a store that cannot be had, a full disk, no permission, bad settings.
Each is a sentence that says what to do, and nothing is lost without a word."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.lab.agent import SONDA, SondaRun
from tests.lab.daemon import free_port, wait_until
from tests.lab.hosts import (
    HEAD,
    ROOT,
    UNPRIVILEGED,
    Hosts,
    bodies,
    host,
    listener,
    numbers,
    settings,
    small_disk,
    sonda_before_five_end,
    states,
)
from tests.lab.mosquitto import Mosquitto, Recorder
from tests.lab.network import Network
from tests.programs import need, need_lab, need_root

pytestmark = pytest.mark.lab

LOOPBACK = HEAD + '[network]\ngateway = "none"\n[[device]]\nname = "Self"\nrole = "server"\naddress = "127.0.0.1"\n'


class Ended(NamedTuple):
    code: int
    said: str


def run_to_end(folder: Path, text: str, *before: str) -> Ended:
    """`sonda run` that is expected to end by itself; ``before`` stands in front of the command."""
    config = folder / "once.toml"
    config.write_text(text)
    config.chmod(0o600)
    command = [*before, str(SONDA), "run", "--config", str(config)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30, cwd=folder)
    assert "Traceback" not in done.stderr
    return Ended(done.returncode, done.stderr)


@pytest.fixture
def hosts() -> Iterator[Hosts]:
    need_lab("nft")
    with Network() as network:
        yield Hosts(network, 60)


# The page's port


def test_a_busy_port_is_named_with_its_holder(tmp_path: Path) -> None:
    need_root()
    port = free_port()
    page = f'[http]\nport = {port}\n[store]\npath = "{tmp_path}/sonda.db"\n'
    with listener("127.0.0.1", port) as holder:
        ended = run_to_end(tmp_path, LOOPBACK + page)
        assert ended.code == 5
        assert f"Port {port} on 127.0.0.1 is in use by python" in ended.said
        assert f"(pid {holder})" in ended.said
        assert "--http-port" in ended.said, "what to do"
        assert not (tmp_path / "sonda.db").exists(), "the store is not touched for nothing"


def test_who_may_not_know_the_holder_names_the_port(tmp_path: Path) -> None:
    need_root()
    need("setpriv")
    port = free_port()
    page = f'[http]\nport = {port}\n[store]\npath = "{tmp_path}/sonda.db"\n'
    with listener("127.0.0.1", port):
        ended = run_to_end(tmp_path, LOOPBACK + page, *UNPRIVILEGED)
        assert ended.code == 5
        assert f"Port {port} on 127.0.0.1 is in use by another program. Stop that, or choose another" in ended.said


def test_an_address_that_is_not_ours(tmp_path: Path) -> None:
    page = '[http]\nhost = "192.0.2.1"\nplain_http = true\naccess_code = { env = "CODE" }\n'
    page += f'[store]\npath = "{tmp_path}/sonda.db"\n'
    ended = run_to_end(tmp_path, LOOPBACK + page, "env", "CODE=the code of the page")
    assert ended.code == 5
    assert "192.0.2.1 is no address of this machine. Set `host` in [http]" in ended.said


def test_a_port_that_needs_privileges(tmp_path: Path) -> None:
    need_root()
    need("setpriv")
    ended = run_to_end(
        tmp_path, LOOPBACK + f'[http]\nport = 80\n[store]\npath = "{tmp_path}/sonda.db"\n', *UNPRIVILEGED
    )
    assert ended.code == 5
    assert "Port 80 may not be opened without privileges. Choose one above 1023" in ended.said


# The store


def test_a_folder_that_cannot_be_made_or_written(tmp_path: Path) -> None:
    need_root()
    need("setpriv")
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    no_page = "[http]\nenabled = false\n"
    inside = run_to_end(tmp_path, LOOPBACK + no_page + f'[store]\npath = "{locked}/deep/sonda.db"\n', *UNPRIVILEGED)
    assert inside.code == 5
    assert f"The folder {locked}/deep cannot be made (Permission denied): make it, give it to" in inside.said
    written = run_to_end(tmp_path, LOOPBACK + no_page + f'[store]\npath = "{locked}/sonda.db"\n', *UNPRIVILEGED)
    assert written.code == 5
    assert f"{locked}/sonda.db.lock may not be written (Permission denied): give the folder {locked} to" in written.said
    assert list(locked.iterdir()) == []


def test_a_database_that_may_not_be_written(tmp_path: Path) -> None:
    need_root()
    need("setpriv")
    text = LOOPBACK + f'[http]\nenabled = false\n[store]\npath = "{tmp_path}/kept/sonda.db"\n'
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept/sonda.db").write_bytes(b"")
    (tmp_path / "kept/sonda.db").chmod(0o400)
    (tmp_path / "kept").chmod(0o500)
    ended = run_to_end(tmp_path, text, *UNPRIVILEGED)
    assert ended.code == 5
    assert "may not be written (Permission denied): give the folder" in ended.said


def test_a_second_agent_on_the_same_database(tmp_path: Path) -> None:
    with SondaRun(tmp_path, LOOPBACK) as sonda:
        text = LOOPBACK + f'[http]\nenabled = false\n[store]\npath = "{sonda.database}"\n'
        ended = run_to_end(tmp_path, text)
        assert ended.code == 5
        assert f"The database {sonda.database} is in use by process {sonda.daemon.pid}" in ended.said
        assert "another Sonda is running. Stop it, or give this one a [store] path of its own." in ended.said
        assert sonda.get("/readyz").status == 200, "the first one goes on"


def test_a_database_of_a_later_version(tmp_path: Path) -> None:
    with SondaRun(tmp_path, LOOPBACK) as sonda:
        sonda.stop()
        before = later(sonda.database)
        text = LOOPBACK + f'[http]\nenabled = false\n[store]\npath = "{sonda.database}"\n'
        ended = run_to_end(tmp_path, text)
        assert ended.code == 5
        assert "written by a later Sonda (m999_tomorrow)" in ended.said
        assert "Install that version, or move the file away" in ended.said
        assert sonda.database.read_bytes() == before, "it is not touched"


def later(path: Path) -> bytes:
    """As if a later version had been here; what the file holds then."""
    import sqlite3  # noqa: PLC0415 - this test alone

    with closing(sqlite3.connect(path, isolation_level=None)) as con:
        con.execute("INSERT INTO _sqlite_migrations VALUES (NULL, 'store', 'm999_tomorrow', '2099-01-01')")
    return path.read_bytes()


def test_a_damaged_database_is_set_aside_and_said(tmp_path: Path) -> None:
    need("mosquitto", "mosquitto_sub")
    with ExitStack() as stack:
        broker = stack.enter_context(Mosquitto(tmp_path))
        recorder = stack.enter_context(broker.recorder(f"{ROOT}/#"))
        text = LOOPBACK + f'[mqtt]\nhost = "127.0.0.1"\nport = {broker.port}\n'
        sonda = stack.enter_context(SondaRun(tmp_path, text))
        wait_until(lambda: states(sonda) == {"self": "up"}, "up")
        (before,) = {body["stream"] for body in bodies(recorder, "/info")} or {told_stream(sonda, recorder)}
        assert sonda.stop() == 0
        with sonda.database.open("r+b") as file:
            file.write(os.urandom(8192))
        sonda.start()
        told = recorder.wait_for(lambda _: bodies(recorder, "event/probe.fault"), "the fault is told", 10)
        assert "The database was damaged" in sonda.log
        (aside,) = tmp_path.glob("sonda.db.corrupt-*Z")
        assert f"It is kept as {aside}; a new one was begun" in sonda.log
        fault = bodies(recorder, "event/probe.fault")[0]
        assert fault["cause"] == "database_damaged"
        assert fault["stream"] != before
        begun = [m.json() for m in told if m.topic.endswith("/stream") or "predecessor" in m.json()]
        assert [(b["predecessor"], b["stream"], b["seq"]) for b in begun] == [(before, fault["stream"], 1)]
        wait_until(lambda: states(sonda) == {"self": "up"}, "up again")
        assert sonda.stop() == 0
    assert "Traceback" not in sonda.log


def told_stream(sonda: SondaRun, recorder: Recorder) -> str:
    recorder.wait_for(lambda _: bodies(recorder, "/info"), "the info")
    stream: str = bodies(recorder, "/info")[-1]["stream"]
    return stream


# A full disk


def fill(disk: Path) -> None:
    """Somebody else's file takes all that is free."""
    file = os.open(disk / "somebody-else", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        with suppress(OSError):
            while os.write(file, bytes(4096)):
                pass
    finally:
        os.close(file)


@pytest.mark.timeout(120)
def test_a_full_disk_is_waited_out(tmp_path: Path, hosts: Hosts) -> None:
    need("mosquitto", "mosquitto_sub")
    with ExitStack() as stack:
        disk = stack.enter_context(small_disk(tmp_path / "disk", "24m"))
        broker = stack.enter_context(Mosquitto(tmp_path, place=hosts.probe))
        recorder = stack.enter_context(broker.recorder(f"{ROOT}/#"))
        text = settings(
            range(60),
            f'[store]\npath = "{disk}/sonda.db"\nmax_bytes = "64 MB"\nballast_bytes = "1 MB"\n'
            f'[mqtt]\nhost = "127.0.0.1"\nport = {broker.port}\n',
        )
        sonda = stack.enter_context(SondaRun(tmp_path, text, place=hosts.probe))
        wait_until(lambda: set(states(sonda).values()) == {"up"}, "all up", 8)
        deadline = time.monotonic() + 40
        half = (range(30), range(30, 60))
        while sonda.get("/readyz").status == 200:
            fill(disk)
            hosts.silence(*half[0])
            half = half[1], half[0]
            time.sleep(4)
            assert time.monotonic() < deadline, "the disk never got full"
        ready = sonda.get("/readyz")
        assert ready.status == 503
        assert b"No room is left for" in ready.body and b"Free some space on that disk" in ready.body
        runs, since = sonda.json("/api/v1/agent")["scheduler"]["runs"], time.monotonic()
        for silent, state in ((range(0), "up"), (range(60), "down")):
            hosts.silence(*silent)
            fill(disk)
            wait_until(lambda: set(states(sonda).values()) == {state}, f"all {state}: states go on", 8)  # noqa: B023 - used at once
        assert sonda.json("/api/v1/agent")["scheduler"]["runs"] - runs > 0.9 * 60 * (time.monotonic() - since) - 60
        assert sonda.json("/api/v1/agent")["store"]["waiting_writes"] > 0
        assert sonda.log.count("No room is left for") <= 2, "said once (and once for the delivery marks)"
        (disk / "somebody-else").unlink()
        wait_until(lambda: sonda.get("/readyz").status == 200, "ready again", 12)
        assert "The store can be written again." in sonda.log
        hosts.silence()
        wait_until(lambda: set(states(sonda).values()) == {"up"}, "all up again", 8)
        wait_until(lambda: sonda.json("/api/v1/agent")["broker"]["backlog_messages"] == 0, "all sent", 45)
        about = sonda.json("/api/v1/agent")
        assert about["store"]["waiting_writes"] == 0
        ((stream, came),) = numbers(recorder).items()
        gaps = [b for b in bodies(recorder, "/gap") if b["of_stream"] == stream and b["reason"] == "space"]
        named = {n for gap in gaps for first, last in gap["ranges"] for n in range(first, last + 1)}
        assert {*came, *named} == set(range(1, about["broker"]["last_seq"] + 1)), "nothing is missing without a gap"
        lost = [b for b in bodies(recorder, "event/probe.fault") if b["cause"] == "disk_full"]
        assert not lost, "the agent's memory held it all"
        turns = [
            m.json() | {"topic": m.topic} for m in recorder.messages if m.topic.endswith(("device.down", "device.up"))
        ]
        for number in range(60):
            told = [turn["topic"].rpartition(".")[2] for turn in turns if turn["device"] == f"host-{number}"]
            assert told.count("down") > 0
            assert abs(told.count("down") - told.count("up")) <= len(named), told
        closed = [i for i in sonda.json("/api/v1/incidents") if i["closed"] is not None]
        assert 0 <= len(closed) - sum(turn["topic"].endswith("down") for turn in turns) <= len(named), "none is lost"
        assert sonda.stop() == 0
        print(f"{about['broker']['last_seq']} numbers, {len(named)} given up and named, {len(closed)} outages")
    assert "Traceback" not in sonda.log


# Permission


def test_without_permission_nobody_is_down(tmp_path: Path, hosts: Hosts) -> None:
    need("setpriv")
    hosts.probe.ping_group_range(1, 0)
    hosts.far.nft(
        "table ip connects {\n chain input {\n  type filter hook input priority 0;\n"
        "  ip daddr 10.40.0.11 tcp flags syn drop\n }\n}\n"
    )
    config = tmp_path / "sonda.toml"
    command = [*UNPRIVILEGED, *sonda_before_five_end(6, config)]
    with SondaRun(tmp_path, settings([0, 1]), place=hosts.probe, command=command) as sonda:
        assert 'sysctl -w net.ipv4.ping_group_range="0 0"' in sonda.log
        assert "AmbientCapabilities=CAP_NET_RAW" in sonda.log
        assert sonda.json("/api/v1/agent")["icmp"]["modes"]["ipv4"] == "tcp"
        seen = set()
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            seen |= {(name, state) for name, state in states(sonda).items()}
            time.sleep(0.1)
        assert ("host-1", "down") not in seen, "TCP that is dropped proves nothing"
        assert ("host-0", "up") in seen, "a refused connection is an answer"
        assert states(sonda)["host-1"] == "unknown"
        faults = [i for i in sonda.json("/api/v1/incidents") if i["kind"] == "probe.fault"]
        (fault,) = [i for i in faults if i["closed"] is None]
        assert "host-1" in fault["hides"]
        wait_until(lambda: sonda.json("/api/v1/site")["window"] is not None, "five minutes are closed", 20)
        figures = {f["kpi"]: f for f in sonda.json("/api/v1/devices/host-1")["figures"]}
        assert figures["availability_pct"]["value"] is None
        assert figures["availability_pct"]["parts"]["down_s"] == 0
        assert figures["loss_ratio"]["value"] is None
        assert sonda.stop() == 0
    assert sonda.log.count("ping_group_range") == 1, "said once"


# Reload


def test_reload(tmp_path: Path, hosts: Hosts) -> None:
    need("mosquitto", "mosquitto_sub")
    with ExitStack() as stack:
        broker = stack.enter_context(Mosquitto(tmp_path, place=hosts.probe))
        recorder = stack.enter_context(broker.recorder(f"{ROOT}/#"))
        mqtt = f'[mqtt]\nhost = "127.0.0.1"\nport = {broker.port}\n'
        hosts.silence(1)
        sonda = stack.enter_context(SondaRun(tmp_path, settings([0, 1], mqtt), place=hosts.probe))
        wait_until(lambda: states(sonda) == {"host-0": "up", "host-1": "down"}, "up and down", 10)
        stream = told_stream(sonda, recorder)
        inode = sonda.database.stat().st_ino

        # A new one comes, a removed one goes with its incident, an interval counts.
        sonda.reload(settings([], host(0, "echo_s = 0.2\n") + host(2) + mqtt))
        wait_until(lambda: states(sonda) == {"host-0": "up", "host-2": "up"}, "the new set", 8)
        assert "1 added (host-2), 1 removed (host-1), 1 changed (host-0)" in sonda.log
        assert sonda.get("/api/v1/devices/host-1").status == 404
        assert [i for i in sonda.json("/api/v1/incidents") if i["closed"] is None] == [], "of a device that is no more"
        before, at = sonda.json("/api/v1/agent")["scheduler"]["runs"], time.monotonic()
        time.sleep(2)
        rate = (sonda.json("/api/v1/agent")["scheduler"]["runs"] - before) / (time.monotonic() - at)
        assert rate == pytest.approx(6, abs=1.5), "5 echoes a second and 1"

        # A bad file keeps everything as it was.
        sonda.reload(settings([0, 3], mqtt + '[log]\nlevle = "debug"\n'))
        wait_until(lambda: "not taken over" in sonda.log, "the refusal")
        line = 1 + sonda.config.read_text().splitlines().index('levle = "debug"')
        faults = sonda.json("/api/v1/agent")["settings"]["reload_faults"]
        assert f"{sonda.config}:{line}:" in faults and "levle" in faults
        assert f"{sonda.config}:{line}:" in sonda.log
        time.sleep(1)
        assert states(sonda) == {"host-0": "up", "host-2": "up"}

        # The broker's section connects anew; the store goes on.
        connections = sonda.json("/api/v1/agent")["broker"]["state"]["since_utc"]
        sonda.reload(settings([0, 2], mqtt + "keepalive_s = 20\n"))
        wait_until(lambda: sonda.json("/api/v1/agent")["settings"]["reload_faults"] is None, "taken over")
        wait_until(lambda: (sonda.json("/api/v1/agent")["broker"]["state"] or {}).get("connected"), "connected")
        assert sonda.json("/api/v1/agent")["broker"]["state"]["since_utc"] > connections
        wait_until(lambda: [b["state"] for b in bodies(recorder, "/status")][-1] == "online", "online again")
        hosts.silence(2)
        told = recorder.wait_for(
            lambda _: [b for b in bodies(recorder, "device.down") if b["device"] == "host-2"], "host-2 down", 10
        )
        assert told and sonda.database.stat().st_ino == inode
        ((said, came),) = numbers(recorder).items()
        assert said == stream and came == list(range(1, len(came) + 1))
        assert sonda.stop() == 0
    assert "Traceback" not in sonda.log
