"""Processes that end with the one that started them, however that ends: each holds the reading end of a pipe whose
other end closes with the parent, and asks the kernel for SIGTERM at its death besides (prctl(2))."""

import asyncio
import contextlib
import ctypes
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

COMMUNITY = "SONDA_DEMO_COMMUNITY"
"""The environment variable with the SNMP community of the simulated devices."""
READY_S = 30.0
GRACE_S = 1.5
PR_SET_PDEATHSIG = 1


class ChildError(Exception):
    """A process did not come up; the text says what it said."""


def say(**facts: int) -> None:
    """In the child: it is ready, and these are its ports."""
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


def follow_parent() -> None:
    """In the child, first of all: end when the parent's process ends, even while this one is busy."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


async def parent_ended() -> None:
    """In the child: returns when the parent has gone or has closed the pipe."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    await reader.read()
    transport.close()


@contextlib.asynccontextmanager
async def child(
    module: str, *arguments: str, log: Path, env: Mapping[str, str] | None = None
) -> AsyncIterator[tuple[Process, dict[str, Any]]]:
    """Run a module of ours beside this process, its standard error in ``log``. Yields it and what it said when it was
    ready. Raises ChildError."""
    with log.open("wb") as errors:
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-P", "-m", module, *arguments),  # -P: not whatever lies in the working directory
                stdin=PIPE,
                stdout=PIPE,
                stderr=errors,
                env={**os.environ, **(env or {})},
                start_new_session=True,  # a Ctrl-C at the terminal is the parent's: the broker hears its farewell
            )
        except OSError as error:
            raise ChildError(f"{sys.executable} cannot be run: {error.strerror}") from error
    try:
        yield process, await _ready(process, module, log)
    finally:
        await _end(process)


async def _ready(process: Process, module: str, log: Path) -> dict[str, Any]:
    assert process.stdout is not None
    line = b""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(READY_S):
            line = await process.stdout.readline()
    if not line:
        raise ChildError(f"{module} did not start: {last_line(log) or 'it said nothing'}")
    facts: dict[str, Any] = json.loads(line)
    return facts


def last_line(log: Path) -> str:
    """The last thing a process said in its log, "" for nothing."""
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1] if lines else ""


async def _end(process: Process) -> None:
    if process.stdin is not None:
        process.stdin.close()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(GRACE_S):
            await process.wait()
            return
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    await process.wait()
