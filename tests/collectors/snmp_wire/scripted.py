"""A UDP peer that answers as a test's script says, and an SNMPv3 agent with levers for what goes wrong in the field."""

import asyncio
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Self

from collectors.clock import Clock
from collectors.snmp import ber, message, oid, v3
from collectors.snmp.ber import VarBind
from collectors.snmp.credentials import AuthProtocol, Community, Credential, PrivProtocol, UsmUser
from collectors.snmp.errors import DecodeError
from collectors.snmp.keys import KeyRing
from collectors.snmp.message import Pdu
from collectors.snmp.peer import Peer

Source = tuple[str, int]
Script = Callable[[bytes], Iterable[bytes]]
COMMUNITY = Community("2c", b"public")

OIDS = [oid.parse(f"1.3.6.1.2.1.31.1.1.1.6.{index}") for index in range(1, 4)]
LONG_S = 5.0
"""A waiting time that is not meant to pass."""
USER = UsmUser("operator", AuthProtocol.SHA256, "authpassword", PrivProtocol.AES128, "privpassword")
AUTH_ONLY = UsmUser("operator", AuthProtocol.SHA256, "authpassword")
OPEN = UsmUser("operator")


def asked(data: bytes) -> Pdu:
    """The PDU of a v1 or v2c request."""
    _, at, stop = message.read_version(data)
    return message.read_community(data, at, stop)[1]


def varbinds(pdu: Pdu) -> list[VarBind]:
    """Each instance asked, with its place in the list as its value."""
    return [VarBind(name, ber.COUNTER32, number) for number, name in enumerate(pdu.read()[0])]


def answer(data: bytes, *, number: int | None = None, status: int = 0, index: int = 0, version: str = "2c") -> bytes:
    """The right answer to a request, or one with another id or an error."""
    pdu = asked(data)
    return message.encode_community(
        version,
        b"public",
        message.encode_pdu(
            message.RESPONSE, pdu.request_id if number is None else number, status, index, varbinds(pdu)
        ),
    )


class ScriptedPeer(asyncio.DatagramProtocol):
    """Gives every datagram to its script and sends what comes back. ``seen`` keeps what arrived."""

    def __init__(self, script: Script, host: str = "127.0.0.1") -> None:
        self.script = script
        self.host = host
        self.seen: list[bytes] = []
        self.client: Source | None = None
        self._arrival = asyncio.Event()
        self._transport: asyncio.DatagramTransport | None = None

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=(self.host, 0))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._transport:
            self._transport.close()
        await asyncio.sleep(0)

    @property
    def port(self) -> int:
        assert self._transport
        return int(self._transport.get_extra_info("sockname")[1])

    def peer(self, credential: Credential = COMMUNITY) -> Peer:
        return Peer(self.host, self.port, credential)

    async def arrived(self, number: int = 1) -> None:
        """Returns once that many datagrams have come in all."""
        while len(self.seen) < number:
            self._arrival.clear()
            await self._arrival.wait()

    def datagram_received(self, data: bytes, addr: Source) -> None:
        self.seen.append(data)
        self._arrival.set()
        self.client = addr
        for octets in self.script(data):
            self.send(octets)

    def send(self, octets: bytes) -> None:
        """To whoever asked last."""
        assert self._transport
        self._transport.sendto(octets, self.client)


_STATS = {
    name: oid.parse(f"1.3.6.1.6.3.15.1.1.{number}.0")
    for number, name in enumerate(("level", "time", "user", "engine", "digest", "decryption"), start=1)
}


_STATS["context"] = oid.parse("1.3.6.1.6.3.12.1.5.0")
_STATS["unheard-of"] = oid.parse("1.3.6.1.6.3.11.2.1.3.0")


class V3Agent:
    """The authoritative side of RFC 3414 for one user: a Script. Its time runs by ``clock``."""

    def __init__(self, clock: Clock, user: UsmUser, engine_id: bytes = b"\x80\x00\x1f\x88\x80first---") -> None:
        self.clock = clock
        self.user = user
        self.engine_id = engine_id
        self.boots = 5
        self.booted_at = clock.monotonic() - 100_000
        self.silent = False
        self.mute_errors = False
        """net-snmp says nothing to what it cannot decrypt."""
        self.mute_reports = False
        """Some agents, and firewalls before them, let no report out."""
        self.checks_time = True
        self.signs_reports = True
        """Some agents do not, although RFC 3414 section 3.2 (7 a) has them do it."""
        self.checks_level = True
        self.reports: list[str] = []
        self.requests = 0
        self.response_boots: int | None = None
        """Boots that a response carries, where it is not ours."""
        self.response_time: int | None = None
        self.response_flags: int | None = None
        self._ring = KeyRing()

    @property
    def engine_time(self) -> int:
        return int(self.clock.monotonic() - self.booted_at)

    def reboot(self, boots: int | None = None) -> None:
        """Time begins anew; boots grow by one, unless said otherwise."""
        self.boots = self.boots + 1 if boots is None else boots
        self.booted_at = self.clock.monotonic()

    def __call__(self, data: bytes) -> Iterable[bytes]:
        if self.silent:
            return
        _, at, stop = message.read_version(data)
        header = v3.read_header(data, at, stop)
        refused = self._refused(data, header)
        if refused:
            yield from self.report(refused, header.msg_id, authentic=refused == "time" and self.signs_reports)
            return
        keys = self._ring.keys(self.user, self.engine_id)
        start, end = header.body_at, header.stop
        if keys.cipher and header.flags & v3.PRIV:
            start, end = ber.enter(data, header.body_at, header.stop, ber.OCTET_STRING)
            data = keys.cipher.decrypt(data[start:end], header.salt, header.boots, header.engine_time)
            start, end = 0, len(data)
        try:
            engine, context, pdu = v3.read_scoped(data, start, end)
        except DecodeError:
            if not self.mute_errors:
                yield from self.report("decryption", header.msg_id)
            return
        self.requests += 1
        response = message.encode_pdu(message.RESPONSE, pdu.request_id, 0, 0, varbinds(pdu))
        yield self.seal(header.msg_id, message.scoped_pdu(engine, context, response), header.flags & 3)

    def _refused(self, data: bytes, header: v3.Header) -> str | None:
        """RFC 3414 section 3.2: the report to send, in the order of its checks."""
        if not header.engine_id or header.engine_id != self.engine_id:
            return "engine"
        if header.user != self.user.name.encode():
            return "user"
        keys = self._ring.keys(self.user, self.engine_id)
        if self.checks_level and header.flags & 3 != (1 if keys.signer else 0) | (2 if keys.cipher else 0):
            return "level"
        if keys.signer is None:
            return None
        size = keys.signer.octets
        blank = data[: header.auth_at] + bytes(size) + data[header.auth_at + size :]
        if not keys.signer.right(blank, header.auth):
            return "digest"
        late = abs(header.engine_time - self.engine_time) > 150
        return "time" if self.checks_time and (header.boots != self.boots or late) else None

    def seal(self, msg_id: int, scoped: bytes, flags: int | None = None) -> bytes:
        """A message of the user's level, unless said otherwise."""
        keys = self._ring.keys(self.user, self.engine_id)
        if flags is None:
            flags = (v3.AUTH if keys.signer else 0) | (v3.PRIV if keys.cipher else 0)
        if self.response_flags is not None:
            flags = self.response_flags
        boots = self.boots if self.response_boots is None else self.response_boots
        engine_time = self.engine_time if self.response_time is None else self.response_time
        return self._message(msg_id, flags, scoped, boots, engine_time)

    def report(self, kind: str, msg_id: int, *, authentic: bool = False, value: int = 1) -> Iterable[bytes]:
        """A report as RFC 3414 wants it: authentic only for the time."""
        self.reports.append(kind)
        if self.mute_reports:
            return
        pdu = message.encode_pdu(message.REPORT, 0, 0, 0, [VarBind(_STATS[kind], ber.COUNTER32, value)])
        scoped = message.scoped_pdu(self.engine_id, b"", pdu)
        yield self._message(msg_id, v3.AUTH if authentic else 0, scoped, self.boots, self.engine_time)

    def _message(self, msg_id: int, flags: int, scoped: bytes, boots: int, engine_time: int) -> bytes:
        keys = self._ring.keys(self.user, self.engine_id)
        security = v3.security_head(self.engine_id, boots, engine_time, self.user.name.encode())
        salt = b""
        if flags & v3.PRIV:
            assert keys.cipher
            octets, salt = keys.cipher.encrypt(scoped, boots, engine_time)
            scoped = ber.element(ber.OCTET_STRING, octets)
        signer = keys.signer if flags & v3.AUTH else None
        size = signer.octets if signer else 0
        data, at = v3.encode(msg_id, flags, security=security, auth_octets=size, salt=salt, body=scoped)
        return data[:at] + signer.sign(data) + data[at + size :] if signer else data
