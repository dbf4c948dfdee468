"""The processes of the devices and of the broker, asked over real sockets by our own collectors."""

import asyncio
import contextlib
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from agent.demo.children import COMMUNITY, ChildError, child
from agent.demo.devices import bound
from agent.demo.site import CAMERA, GARDEN, LOWER, NO_POWER, SITE, UPPER, Simulated
from agent.profiles import load_library
from collectors.clock import SystemClock
from collectors.snmp import oid
from collectors.snmp.client import SnmpClient
from collectors.snmp.credentials import Community
from collectors.snmp.document import Document, PollTarget, poll_documents
from collectors.snmp.errors import Timeout
from collectors.snmp.peer import Peer
from tests.lab.daemon import free_port

LIBRARY = load_library()

SECRET = "made-up-for-this-test"
POLLED = [device for device in SITE if device.snmp]
UPTIME = oid.parse("1.3.6.1.2.1.1.3.0")


@dataclass(frozen=True, slots=True)
class Site:
    snmp_port: int
    http_port: int
    pid: int


@contextlib.asynccontextmanager
async def site(folder: Path, *, ago_s: float = 0.0) -> AsyncIterator[Site]:
    """The devices as they are ``ago_s`` after the demo's beginning."""
    began = repr(SystemClock().monotonic() - ago_s)
    async with child("agent.demo.devices", began, log=folder / "devices.log", env={COMMUNITY: SECRET}) as (
        process,
        said,
    ):
        yield Site(said["snmp_port"], said["http_port"], process.pid)


async def documents(at: Site, devices: list[Simulated]) -> dict[str, Document]:
    credential, clock = Community("2c", SECRET.encode()), SystemClock()
    targets = [PollTarget(d.id, d.address, at.snmp_port, credential) for d in devices]
    async with SnmpClient(clock) as client:
        return {d["target"]: d async for d in poll_documents(client, clock, targets, LIBRARY, timeout_s=5.0)}


async def fetch(address: str, port: int, request: bytes = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n") -> bytes:
    reader, writer = await asyncio.open_connection(address, port)
    writer.write(request)
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


async def test_every_device_gives_a_whole_poll_document(tmp_path: Path) -> None:
    async with site(tmp_path) as at:
        first = await documents(at, POLLED)
        again = await documents(at, POLLED)
    for device in POLLED:
        document, later = first[device.id], again[device.id]
        assert document["answered"], document
        assert document["errors"] == []
        assert document["system"]["sys_name"] == device.id
        assert document["system"]["uptime_seconds"] == pytest.approx(device.up_s, abs=30)
        assert document["identity"]["serial"] == device.serial
        assert document["identity"]["model"] == device.model
        assert [i["name"] for i in document["interfaces"]] == [p.name for p in device.ports]
        for port, before, after in zip(device.ports, document["interfaces"], later["interfaces"], strict=True):
            assert before["alias"] == (port.alias or None)
            assert before["speed_bps"] == port.speed_bps
            assert before["admin_status"] == ("up" if port.enabled else "down")
            assert before["oper_status"] == ("up" if port.linked and port.enabled else "down")
            moved = after["in_octets"] - before["in_octets"]
            assert moved > 0 if port.inward.mean_bps > 1e5 else moved >= 0
    assert len(first["switch-ground-floor"]["interfaces"]) == 48
    assert len(first["switch-first-floor"]["interfaces"]) == 24


async def test_a_wrong_community_is_met_with_silence(tmp_path: Path) -> None:
    async with site(tmp_path) as at, SnmpClient(SystemClock()) as client:
        wrong = Peer(UPPER.address, at.snmp_port, Community("2c", b"public"))
        with pytest.raises(Timeout):
            await client.get(wrong, [UPTIME], timeout_s=0.5, retries=0)


async def test_without_power_neither_snmp_nor_page_answers(tmp_path: Path) -> None:
    async with site(tmp_path, ago_s=NO_POWER.first_s + 5) as at:
        found = await documents_within(at, [GARDEN, LOWER])
        page = await fetch(GARDEN.address, at.http_port)
    assert not found[GARDEN.id]["answered"]
    port = next(p.name for p in LOWER.ports if p.alias == GARDEN.name)
    states = {i["name"]: i["oper_status"] for i in found[LOWER.id]["interfaces"]}
    assert states[port] == "down"
    assert page == b""


async def documents_within(at: Site, devices: list[Simulated]) -> dict[str, Document]:
    """With little patience: one of them is silent."""
    credential, clock = Community("2c", SECRET.encode()), SystemClock()
    targets = [PollTarget(d.id, d.address, at.snmp_port, credential) for d in devices]
    async with SnmpClient(clock) as client:
        return {d["target"]: d async for d in poll_documents(client, clock, targets, LIBRARY, timeout_s=1.0, retries=0)}


async def test_pages_are_real_http(tmp_path: Path) -> None:
    async with site(tmp_path) as at:
        for device in SITE:
            if device.page:
                answer = await fetch(device.address, at.http_port)
                assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
                assert device.name.encode() in answer
        missing = await fetch(CAMERA.address, at.http_port, b"GET /etc HTTP/1.1\r\n\r\n")
        posted = await fetch(CAMERA.address, at.http_port, b"POST / HTTP/1.1\r\n\r\n")
        head = await fetch(CAMERA.address, at.http_port, b"HEAD / HTTP/1.1\r\n\r\n")
    assert missing.startswith(b"HTTP/1.1 404 ")
    assert posted.startswith(b"HTTP/1.1 405 ")
    assert head.endswith(b"\r\n\r\n")


async def test_the_process_ends_with_the_pipe(tmp_path: Path) -> None:
    async with site(tmp_path) as at:
        assert psutil.pid_exists(at.pid)
    assert not psutil.pid_exists(at.pid)
    assert (tmp_path / "devices.log").read_text() == ""


async def test_a_process_that_cannot_start_says_why(tmp_path: Path) -> None:
    with pytest.raises(ChildError, match=r"agent\.demo\.broker did not start: ValueError.*no port"):
        async with child("agent.demo.broker", "no port", log=tmp_path / "log"):
            pass


async def test_a_python_that_cannot_be_run_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(ChildError, match="python cannot be run: No such file or directory"):
        async with child("agent.demo.broker", "1", log=tmp_path / "log"):
            pass


async def test_what_lies_in_the_working_directory_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "agent").mkdir()
    (tmp_path / "agent" / "__init__.py").write_text("raise SystemExit('a stranger')")
    monkeypatch.chdir(tmp_path)
    async with site(tmp_path) as at:
        assert psutil.pid_exists(at.pid)


def test_a_busy_port_at_one_address_moves_all(tmp_path: Path) -> None:
    with taken("127.20.0.2") as port, bound(["127.20.0.1", "127.20.0.2"], socket.SOCK_DGRAM, port) as sockets:
        ports = {one.getsockname()[1] for one in sockets}
        assert len(ports) == 1
        assert ports != {port}
    free = free_port(socket.SOCK_DGRAM)
    with bound(["127.20.0.1", "127.20.0.2"], socket.SOCK_DGRAM, free) as sockets:
        assert {one.getsockname()[1] for one in sockets} == {free}


def test_two_that_want_the_same_port_for_listening_get_two() -> None:
    addresses, port = ["127.20.0.1", "127.20.0.2"], free_port()
    with bound(addresses, socket.SOCK_STREAM, port) as one, bound(addresses, socket.SOCK_STREAM, port) as other:
        assert {here.getsockname()[1] for here in one} == {port}
        assert port not in {here.getsockname()[1] for here in other}
        for here in other:
            here.listen()


@contextlib.contextmanager
def taken(address: str) -> Iterator[int]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind((address, 0))
        yield other.getsockname()[1]
