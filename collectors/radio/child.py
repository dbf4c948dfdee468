"""`iw` as a child process: with a time limit, a limit on what it may say, and a plain reason where it fails."""

import asyncio
import os
import re
import shutil
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

LIMIT = 4_000_000
"""Octets of output: a thousand access points of 4 kB each."""
TIMEOUT_S = 5.0
SCAN_S = 20.0
"""A scan of all channels takes 3 to 8 s."""
_SYSTEM = ("/usr/sbin", "/sbin", "/usr/bin", "/bin")
"""Distributions put `iw` where ordinary users do not look."""
_ERRNO = re.compile(rb"\((-\d{1,3})\)")


class Trouble(StrEnum):
    """Why `iw` did not tell."""

    NOT_INSTALLED = "iw_not_installed"
    NOT_STARTED = "iw_not_started"
    TIMEOUT = "iw_timeout"
    TOO_MUCH = "iw_too_much"
    NO_NL80211 = "no_nl80211"
    """The kernel has no wireless of the kind that `iw` asks."""
    NOT_PERMITTED = "not_permitted"
    """A scan takes CAP_NET_ADMIN."""
    BUSY = "busy"
    NO_INTERFACE = "no_interface"
    UNSUPPORTED = "unsupported"
    """This driver does not tell."""
    SWITCHED_OFF = "switched_off"
    FAILED = "iw_failed"


_ERRORS = {
    -1: Trouble.NOT_PERMITTED,
    -16: Trouble.BUSY,
    -19: Trouble.NO_INTERFACE,
    -95: Trouble.UNSUPPORTED,
    -100: Trouble.SWITCHED_OFF,
}
"""By errno(3)."""


@dataclass(frozen=True, slots=True)
class Said:
    """What `iw` printed, as Latin-1 so that no octet is lost; ``reason`` says why it is not all."""

    text: str
    reason: Trouble | None = None


async def run_iw(arguments: Sequence[str], timeout_s: float = TIMEOUT_S) -> Said:
    """One call of `iw`. Expected failures are a reason."""
    path = shutil.which("iw", path=os.pathsep.join((os.environ.get("PATH", ""), *_SYSTEM)))
    if path is None:
        return Said("", Trouble.NOT_INSTALLED)
    try:
        child = await asyncio.create_subprocess_exec(
            path, *arguments, stdin=DEVNULL, stdout=PIPE, stderr=PIPE, env={"LC_ALL": "C"}
        )
    except OSError:
        return Said("", Trouble.NOT_STARTED)
    try:
        async with asyncio.timeout(timeout_s):
            return await _heard(child)
    except TimeoutError:
        return Said("", Trouble.TIMEOUT)
    finally:
        await _end(child)


async def _heard(child: Process) -> Said:
    assert child.stdout is not None
    assert child.stderr is not None
    chunks: list[bytes] = []
    size = 0
    while size < LIMIT and (chunk := await child.stdout.read(65_536)):
        chunks.append(chunk)
        size += len(chunk)
    text = b"".join(chunks)[:LIMIT].decode("latin-1")
    if size >= LIMIT:
        return Said(text, Trouble.TOO_MUCH)
    complaint = await child.stderr.read(1000)
    code = await child.wait()
    return Said(text, _reason(complaint) if code else None)


def _reason(complaint: bytes) -> Trouble:
    if b"nl80211 not found" in complaint:
        return Trouble.NO_NL80211
    number = _ERRNO.search(complaint)
    return _ERRORS.get(int(number[1]), Trouble.FAILED) if number else Trouble.FAILED


async def _end(child: Process) -> None:
    if child.returncode is None:
        child.kill()
        await child.wait()
