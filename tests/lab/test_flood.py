"""Crowds at the page of a real `sonda run`: its memory, its log and its devices' states stay as they were.

The small crowd is in every run; the whole one, of some minutes, is marked long.
"""

import base64
import http.client
import json
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from agent.api.door import MOST_CONNECTIONS, MOST_OF_ONE_ADDRESS
from agent.api.events import MAX_PAGES
from tests.lab.agent import SondaRun
from tests.lab.certificates import Authority
from tests.lab.daemon import wait_until

pytestmark = [pytest.mark.lab, pytest.mark.may_block]

CODE = "correct horse battery"
DEVICES = 40
MOST_MEMORY = 40 << 20
MOST_LINES = 100
SMALL = {"idle": 200, "hello": 150, "streams": 100, "codes": 60, "seconds": 1}
WHOLE = {"idle": 4200, "hello": 1400, "streams": 1000, "codes": 3000, "seconds": 15}
"""``seconds`` is how long each crowd stays."""

SITE = """
[site]
tenant = "rossi"
site = "bologna"
probe = "probe-1"
[network]
gateway = "127.0.0.1"
internet = ["127.0.2.1", "127.0.2.2", "127.0.2.3"]
""" + "".join(
    f'[[device]]\nname = "Server {number}"\nrole = "server"\naddress = "127.0.3.{number}"\n'
    for number in range(1, DEVICES + 1)
)


@dataclass
class Seen:
    """What somebody who looks at the page all the while sees, while the crowd is there."""

    looks: int = 0
    failed: int = 0
    slowest_s: float = 0.0
    states: set[tuple[str, str]] = field(default_factory=set)
    """State and reason of every device at every look."""


class Looking:
    """Asks for the devices, from an address of its own."""

    def __init__(self, port: int, *, tls: bool) -> None:
        self._port, self._tls = port, tls
        self.seen = Seen()

    def once(self) -> list[dict[str, Any]]:
        given = base64.b64encode(f"x:{CODE}".encode()).decode()
        head = f"GET /api/v1/devices HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic {given}\r\n"
        with socket.create_connection(("127.0.0.1", self._port), 10, ("127.0.0.9", 0)) as plain:
            opened = plain
            if self._tls:
                context = ssl.create_default_context()
                context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
                opened = context.wrap_socket(plain)
            with opened:
                opened.sendall(f"{head}Connection: close\r\n\r\n".encode())
                answer = http.client.HTTPResponse(opened)
                answer.begin()
                text = answer.read()
        assert answer.status == 200, answer.status
        devices: list[dict[str, Any]] = json.loads(text)
        return devices

    @contextmanager
    def all_the_while(self) -> Iterator[Seen]:
        over = threading.Event()

        def look() -> None:
            while not over.wait(0.2):
                began = time.monotonic()
                self.seen.looks += 1
                try:
                    self.seen.states |= {(device["state"], device["reason"]) for device in self.once()}
                except (OSError, AssertionError, ValueError):
                    self.seen.failed += 1
                self.seen.slowest_s = max(self.seen.slowest_s, time.monotonic() - began)

        thread = threading.Thread(target=look)
        thread.start()
        try:
            yield self.seen
        finally:
            over.set()
            thread.join()


@contextmanager
def crowd(port: int, addresses: int, **kinds: int) -> Iterator[list[dict[str, Any]]]:
    """What became of each kind; the crowd stands until the end."""
    argv = [sys.executable, "-m", "tests.lab.flood", str(port), str(addresses)]
    argv += [f"{kind}:{count}" for kind, count in kinds.items()]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdin is not None
        yield [json.loads(process.stdout.readline()) for _ in kinds]
        process.stdin.close()


def peak_bytes(pid: int) -> int:
    """The largest resident set since ``forget_peak``."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


def forget_peak(pid: int) -> None:
    Path(f"/proc/{pid}/clear_refs").write_text("5")


@contextmanager
def agent(folder: Path, *, tls: bool) -> Iterator[tuple[SondaRun, Looking]]:
    """`sonda run` with forty devices that are up, looked at a few times, so that all it needs is loaded."""
    settings = SITE
    if tls:
        issued = Authority(folder / "ca").server()
        secret = folder / "code"
        secret.write_text(CODE + "\n")
        secret.chmod(0o600)
        settings += f'[http]\nhost = "127.0.0.1"\nport = @PORT@\naccess_code = {{ file = "{secret}" }}\n'
        settings += f'cert = "{issued.certificate}"\nkey = "{issued.key}"\n'
    running = SondaRun(folder, settings)
    running.write(settings.replace("@PORT@", str(running.port)))
    running.daemon.start()
    try:
        looking = Looking(running.port, tls=tls)
        running.daemon.wait_ready(lambda: _all_up(looking), "all devices up", timeout_s=60)
        for _ in range(5):
            looking.once()
        forget_peak(running.daemon.pid)
        yield running, looking
    finally:
        running.stop()


def _all_up(looking: Looking) -> bool:
    try:
        return {device["state"] for device in looking.once()} == {"up"}
    except (OSError, AssertionError):
        return False


class Before(NamedTuple):
    """The agent before the crowd comes."""

    peak_bytes: int
    lines: int

    @classmethod
    def of(cls, running: SondaRun) -> "Before":
        return cls(peak_bytes(running.daemon.pid), len(running.log.splitlines()))


def stands(running: SondaRun, looking: Looking, before: Before, capsys: Any, what: str) -> None:
    """The agent is as it was before the crowd came. Prints what was measured."""
    seen, grown = looking.seen, peak_bytes(running.daemon.pid) - before.peak_bytes
    said = running.log.splitlines()[before.lines :]
    with capsys.disabled():
        print(
            f"\n{what}: memory +{grown / 2**20:.1f} MiB at its peak, {len(said)} log lines ({sum(map(len, said))} octets), "
            f"{seen.looks} looks, {seen.failed} not answered, slowest {seen.slowest_s:.2f} s, states {sorted(seen.states)}"
        )
    assert grown < MOST_MEMORY
    assert len(said) < MOST_LINES
    assert {state for state, _ in seen.states} == {"up"}
    assert seen.looks > seen.failed * 4


def test_a_crowd_at_the_plain_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _plain(tmp_path, SMALL, capsys)


def test_a_crowd_at_the_page_by_tls(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _by_tls(tmp_path, SMALL, capsys)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_the_whole_crowd_at_the_plain_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _plain(tmp_path, WHOLE, capsys)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_the_whole_crowd_at_the_page_by_tls(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _by_tls(tmp_path, WHOLE, capsys)


def _plain(folder: Path, many: Mapping[str, int], capsys: Any) -> None:
    """Idle connections and event streams, of one address and then of two hundred."""
    with agent(folder, tls=False) as (running, looking):
        before = Before.of(running)
        descriptors = _descriptors(running)
        for addresses in (1, 200):
            most = min(MOST_OF_ONE_ADDRESS * addresses, MOST_CONNECTIONS)
            with looking.all_the_while(), crowd(running.port, addresses, idle=many["idle"]) as (idle,):
                assert idle["standing"] <= most
                time.sleep(many["seconds"])
            with looking.all_the_while(), crowd(running.port, addresses, streams=many["streams"]) as (streams,):
                assert 0 < streams.get("200", 0) <= min(most, MAX_PAGES)
                time.sleep(many["seconds"])
                assert _descriptors(running) <= descriptors + MOST_CONNECTIONS + 8
        stands(running, looking, before, capsys, f"plain, {dict(many)}")
        wait_until(lambda: _descriptors(running) <= descriptors + 4, "all connections closed", 60)


def _by_tls(folder: Path, many: Mapping[str, int], capsys: Any) -> None:
    """Handshakes that do not begin, that do not end, and wrong codes."""
    with agent(folder, tls=True) as (running, looking):
        before = Before.of(running)
        for addresses in (1, 200):
            for kind in ("idle", "hello"):
                count = many["hello"]
                with looking.all_the_while(), crowd(running.port, addresses, **{kind: count}) as (stood,):
                    assert stood["standing"] <= min(MOST_OF_ONE_ADDRESS * addresses, MOST_CONNECTIONS)
                    time.sleep(many["seconds"])
        with looking.all_the_while(), crowd(running.port, 1, codes=many["codes"]) as (codes,):
            assert codes["429"] > 0
            assert codes["401"] + codes["429"] + codes.get("closed", 0) == many["codes"]
        stands(running, looking, before, capsys, f"TLS, {dict(many)}, codes {codes}")
        assert running.log.count("wrong access codes") == 1


def _descriptors(running: SondaRun) -> int:
    return len(os.listdir(f"/proc/{running.daemon.pid}/fd"))
