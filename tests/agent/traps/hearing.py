"""The agent's traps on a real socket of loopback, with who would be asked and what would be said kept in lists."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from agent.boundary import Boundary
from agent.settings import Settings, Surroundings, examine
from agent.site import plan_site
from agent.traps import Traps
from collectors.clock import Clock, SystemClock
from collectors.snmp.traps.model import Fate
from tests.lab import ber
from tests.lab.daemon import free_port, wait_until
from tests.lab.snmpd import User

COMMUNITY = "community-zwieback"
SOURCE, OTHER, STRANGER = "127.0.0.11", "127.0.0.12", "127.0.0.13"
"""Two known devices, "one" and "two", and an address that is nobody's."""
LINK_DOWN, LINK_UP = "1.3.6.1.6.3.1.1.5.3", "1.3.6.1.6.3.1.1.5.4"
AUTH = {"MD5": "md5", "SHA": "sha1", "SHA-224": "sha224", "SHA-256": "sha256", "SHA-384": "sha384", "SHA-512": "sha512"}
PRIV = {
    "DES": "des",
    "AES": "aes128",
    "AES-192": "aes192",
    "AES-256": "aes256",
    "AES-192-C": "aes192c",
    "AES-256-C": "aes256c",
}
"""The settings' words for net-snmp's."""


class Hearing:
    """Traps that are heard on 127.0.0.1, ``port``."""

    def __init__(self, traps: Traps, settings: Settings, asked: list[str], said: list[dict[str, Any]]) -> None:
        self.traps, self.settings, self.asked, self.said = traps, settings, asked, said
        self.port = int(traps.now()["listening"]["port"])
        self.address = ("127.0.0.1", self.port)

    def fates(self) -> dict[str, int]:
        """What became of all datagrams so far, without the zeros."""
        return {fate.value: count for fate in Fate if (count := self.traps.counters.fates[fate])}

    async def dealt_with(self, count: int, timeout_s: float = 20) -> dict[str, int]:
        """The fates, once so many datagrams have one."""
        done = lambda: sum(self.traps.counters.fates.values()) >= count  # noqa: E731 - read in the line below
        await asyncio.to_thread(wait_until, done, f"{count} datagrams are dealt with", timeout_s, 0.005)
        return self.fates()


def settings_text(port: int, users: Sequence[User] = ()) -> str:
    text = '[site]\ntenant = "t"\nsite = "s"\nprobe = "p"\n[network]\ngateway = "none"\n'
    text += f'[traps]\nenabled = true\nhost = "127.0.0.1"\nport = {port}\n'
    for name, address in (("one", SOURCE), ("two", OTHER)):
        text += f'[[device]]\nname = "{name}"\nrole = "switch"\naddress = "{address}"\nsnmp = "c"\n'
    text += '[[credential]]\nname = "c"\nversion = "2c"\ncommunity = { env = "C" }\n'
    for user in users:
        text += f'[[credential]]\nname = "{user.name}"\nversion = "3"\nuser = "{user.name}"\n'
        if user.auth:
            text += f'auth = "{AUTH[user.auth]}"\nauth_secret = {{ env = "A_{user.name}" }}\n'
        if user.priv:
            text += f'priv = "{PRIV[user.priv]}"\npriv_secret = {{ env = "P_{user.name}" }}\n'
    return text


@asynccontextmanager
async def hearing(folder: Path, users: Sequence[User] = (), clock: Clock | None = None) -> AsyncIterator[Hearing]:
    """With the devices "one" and "two", a community, and these users."""
    (folder / "s.toml").write_text(settings_text(free_port(socket.SOCK_DGRAM), users))
    environ = {"C": COMMUNITY}
    for user in users:
        environ |= {f"A_{user.name}": user.auth_secret, f"P_{user.name}": user.priv_secret}
    settings = examine([folder / "s.toml"], surroundings=Surroundings(environ=environ)).settings
    assert settings is not None
    boundary, asked = Boundary(), list[str]()
    said = list[dict[str, Any]]()

    def event(kind: str, **body: Any) -> None:
        assert kind == "trap"
        said.append(body)

    traps = Traps(
        settings.traps,
        settings.site,
        clock=clock or SystemClock(),
        boundary=boundary,
        ask_again=asked.append,
        event=event,
        environ={},
    )
    with traps:
        traps.apply(plan_site(settings, [], {}), settings.credentials)
        running = asyncio.create_task(traps.run())
        try:
            yield Hearing(traps, settings, asked, said)
        finally:
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running
    assert not boundary.faults, boundary.faults


def trap(*varbinds: tuple[str, ber.Value], oid: str = LINK_DOWN, community: str = COMMUNITY, pdu: int = 0xA7) -> bytes:
    """A v2c notification."""
    head = [
        (ber.oid("1.3.6.1.2.1.1.3.0"), ber.ticks(1234)),
        (ber.oid("1.3.6.1.6.3.1.1.4.1.0"), ber.Value(ber.OBJECT_IDENTIFIER, ber.oid(oid))),
    ]
    told = (*head, *((ber.oid(name), value) for name, value in varbinds))
    return ber.pack_message(ber.Message(1, community.encode(), pdu, 7, 0, 0, told))


def sender(source: str = SOURCE) -> socket.socket:
    """A socket that sends from this address."""
    out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    out.bind((source, 0))
    return out
