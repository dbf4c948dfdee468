"""`iw` as a child process: with a time limit, a limit on what it may say, and a plain reason where it fails."""

import asyncio
import os
import re
import shutil
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Sequence
from dataclasses import dataclass

LIMIT = 4_000_000
"""Octets of output: a thousand access points of 4 kB each."""
TIMEOUT_S = 5.0
SCAN_S = 20.0
"""A scan of all channels takes 3 to 8 s."""
_SYSTEM = ("/usr/sbin", "/sbin", "/usr/bin", "/bin")
"""Distributions put `iw` where ordinary users do not look."""
_ERRNO = re.compile(rb"\((-\d{1,3})\)")
_ERRORS = {
    -1: "not permitted: a scan takes CAP_NET_ADMIN",
    -16: "the radio is busy",
    -19: "there is no such interface",
    -95: "this driver does not tell",
    -100: "the interface is switched off",
}


@dataclass(frozen=True, slots=True)
class Said:
    """What `iw` printed, as Latin-1 so that no octet is lost; ``reason`` says in words why it is not all."""

    text: str
    reason: str | None = None


async def run_iw(arguments: Sequence[str], timeout_s: float = TIMEOUT_S) -> Said:
    """One call of `iw`. Expected failures are a reason; it never raises but for cancellation."""
    path = shutil.which("iw", path=os.pathsep.join((os.environ.get("PATH", ""), *_SYSTEM)))
    if path is None:
        return Said("", "iw is not installed")
    try:
        child = await asyncio.create_subprocess_exec(
            path, *arguments, stdin=DEVNULL, stdout=PIPE, stderr=PIPE, env={"LC_ALL": "C"}
        )
    except OSError as error:
        return Said("", f"iw cannot be started ({error.strerror})")
    try:
        async with asyncio.timeout(timeout_s):
            return await _heard(child)
    except TimeoutError:
        return Said("", f"iw gave no answer within {timeout_s:g} s")
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
        return Said(text, "iw said too much")
    complaint = await child.stderr.read(1000)
    code = await child.wait()
    return Said(text, _reason(complaint, code) if code else None)


def _reason(complaint: bytes, code: int) -> str:
    """In our own words: what `iw` says may hold anything."""
    if b"nl80211 not found" in complaint:
        return "the kernel has no nl80211"
    number = _ERRNO.search(complaint)
    known = _ERRORS.get(int(number[1])) if number else None
    return known or f"iw failed ({int(number[1]) if number else code})"


async def _end(child: Process) -> None:
    if child.returncode is None:
        child.kill()
        await child.wait()
