"""`iw` as a child: a program of that name that a test writes."""

import asyncio
import os
from pathlib import Path

import pytest

from collectors.radio import child
from collectors.radio.child import Trouble, run_iw


@pytest.fixture
def iw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(child, "_SYSTEM", ())
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path / "iw"


def write(path: Path, body: str, by: str = "/bin/sh") -> None:
    path.write_text(f"#!{by}\nPATH=/usr/bin:/bin\n{body}\n")
    path.chmod(0o700)


def alive(pid: Path) -> bool:
    """Whether the process runs whose number stands there."""
    try:
        os.kill(int(pid.read_text()), 0)
    except ProcessLookupError:
        return False
    return True


async def test_what_it_says_comes_back_whole(iw: Path) -> None:
    write(iw, 'printf "%s|%s\\377" "$*" "$LC_ALL"')
    said = await run_iw(["dev", "wlan0", "link"])
    assert (said.text, said.reason) == ("dev wlan0 link|C\xff", None)


@pytest.mark.usefixtures("iw")
async def test_a_box_without_it_says_so() -> None:
    assert (await run_iw(["dev"])).reason == Trouble.NOT_INSTALLED


async def test_a_program_that_cannot_be_started_is_a_reason(iw: Path) -> None:
    write(iw, "", by="/nowhere/at/all")
    assert (await run_iw(["dev"])).reason == Trouble.NOT_STARTED


@pytest.mark.parametrize(
    ("complaint", "reason"),
    [
        ("command failed: Operation not supported (-95)", Trouble.UNSUPPORTED),
        ("command failed: No such device (-19)", Trouble.NO_INTERFACE),
        ("command failed: Operation not permitted (-1)", Trouble.NOT_PERMITTED),
        ("nl80211 not found.", Trouble.NO_NL80211),
        ("command failed: Unknown error (-529)", Trouble.FAILED),
        ("02:00:5e:aa:00:01 is odd", Trouble.FAILED),
    ],
)
async def test_its_complaints_are_read(iw: Path, complaint: str, reason: Trouble) -> None:
    write(iw, f'echo "{complaint}" >&2; exit 237')
    assert (await run_iw(["dev"])).reason == reason


async def test_one_that_hangs_is_ended(iw: Path) -> None:
    write(iw, f"echo $$ > {iw}.pid; exec sleep 60")
    said = await run_iw(["dev"], 0.5)
    assert (said.text, said.reason) == ("", Trouble.TIMEOUT)
    assert not alive(Path(f"{iw}.pid"))


async def test_one_that_talks_without_end_is_ended(iw: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "LIMIT", 100_000)
    write(iw, "exec yes")
    said = await run_iw(["dev"])
    assert (len(said.text), said.reason) == (100_000, Trouble.TOO_MUCH)


async def test_a_call_that_is_given_up_leaves_nothing_behind(iw: Path) -> None:
    fifo = iw.parent / "begun"
    os.mkfifo(fifo)
    write(iw, f"echo $$ > {fifo}; exec sleep 60")
    call = asyncio.create_task(run_iw(["dev"], 60))
    pid = int(await asyncio.to_thread(fifo.read_text))
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
