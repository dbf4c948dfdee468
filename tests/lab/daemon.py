"""One real program in the lab, started, watched and stopped: snmpd, mosquitto, the agent.

A Daemon runs on this machine's loopback, or in a namespace where one is given.
"""

import contextlib
import errno
import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from tests.programs import find


class Place(Protocol):
    """Where a program runs: tests/lab/network.py:Namespace. None in its stead is this machine."""

    def inside(self) -> contextlib.AbstractContextManager[None]: ...

    def popen(
        self,
        command: Sequence[str],
        *,
        sysfs: bool = ...,
        stdout: int | None = ...,
        stderr: int | None = ...,
        env: Mapping[str, str] | None = ...,
        cwd: Path | None = ...,
    ) -> subprocess.Popen[bytes]: ...


class NotReadyError(AssertionError):
    """A program did not become what the test waited for; the message ends with its log."""


class Daemon:
    """A process with its log in a file; restartable."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        log: Path,
        place: Place | None = None,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        sysfs: bool = False,
    ) -> None:
        self.command = [find(command[0]) or command[0], *command[1:]]
        self.log_path = log
        self._place = place
        self._env = {**os.environ, **env} if env else None
        self._cwd = cwd
        self._sysfs = sysfs
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        return self._started().pid

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative is the signal that ended it."""
        return self._started().poll()

    @property
    def log(self) -> str:
        """What it said so far, over all its lives."""
        return self.log_path.read_text(encoding="utf-8", errors="replace") if self.log_path.exists() else ""

    def start(self) -> None:
        assert not self.alive, "already running"
        descriptor = os.open(self.log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            if self._place is None:
                self._process = subprocess.Popen(
                    self.command,
                    stdin=subprocess.DEVNULL,
                    stdout=descriptor,
                    stderr=descriptor,
                    env=self._env,
                    cwd=self._cwd,
                )
            else:
                self._process = self._place.popen(
                    self.command, sysfs=self._sysfs, stdout=descriptor, stderr=descriptor, env=self._env, cwd=self._cwd
                )
        finally:
            os.close(descriptor)

    def wait_ready(self, ready: Callable[[], bool], what: str, timeout_s: float = 15) -> None:
        """Returns once ``ready()`` holds; NotReadyError with the log's end when it does not, or when it died."""

        def dead_or_ready() -> bool:
            return not self.alive or ready()

        with contextlib.suppress(NotReadyError):
            wait_until(dead_or_ready, what, timeout_s)
            if self.alive:
                return
        state = "still runs" if self.alive else f"ended with {self.exit_code}"
        raise NotReadyError(f"{self.command[0]}: {what} not seen in {timeout_s} s, it {state}:\n{self.log[-3000:]}")

    def stop(self, grace_s: float = 5) -> None:
        """SIGTERM, then SIGKILL after the grace."""
        if self._process is not None:
            end(self._process, grace_s)

    def kill(self) -> None:
        """SIGKILL, and waits until it is gone."""
        process = self._started()
        process.kill()
        process.wait()

    def signal(self, number: signal.Signals) -> None:
        self._started().send_signal(number)

    def pause(self) -> None:
        """SIGSTOP: it is silent, its sockets stay open and fill."""
        self.signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.signal(signal.SIGCONT)

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        self.pause()
        try:
            yield
        finally:
            self.resume()

    def _started(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "not started"
        return self._process


def end(process: subprocess.Popen[bytes], grace_s: float = 5) -> None:
    """Ends a process: SIGTERM, then SIGKILL; closes its pipes. Harmless on one that has ended."""
    if process.poll() is None:
        process.terminate()
        process.send_signal(signal.SIGCONT)
        try:
            process.wait(grace_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            with contextlib.suppress(BrokenPipeError):
                pipe.close()


def wait_until(condition: Callable[[], object], what: str, timeout_s: float = 10, every_s: float = 0.02) -> None:
    """Asks until it holds; NotReadyError names ``what``. Blocking: in `async def`, use asyncio.to_thread."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise NotReadyError(f"{what}: not within {timeout_s} s")
        time.sleep(every_s)


def free_port(kind: int = socket.SOCK_STREAM, *, address: str = "127.0.0.1", place: Place | None = None) -> int:
    """A port nobody holds now, of SOCK_STREAM or SOCK_DGRAM, on this address.

    Below the range that the kernel gives to clients (32768 on), so that it is still free a moment later. Each worker of
    pytest-xdist draws from 1,000 ports of its own.
    """
    first = 15000 + 1000 * (int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 17)
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    for _ in range(100):
        port = random.randrange(first, first + 1000)
        with place.inside() if place else contextlib.nullcontext(), socket.socket(family, kind) as probe:
            try:
                probe.bind((address, port))
            except OSError as fault:
                if fault.errno != errno.EADDRINUSE:
                    raise
                continue
            return port
    raise NotReadyError(f"no free port on {address}")


def accepts(address: str, port: int, *, place: Place | None = None) -> bool:
    """Whether somebody listens on that TCP port."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with place.inside() if place else contextlib.nullcontext(), socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        return probe.connect_ex((address, port)) == 0
