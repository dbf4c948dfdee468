"""A real net-snmp snmpd with its own configuration, persistent state and port.

    with Snmpd(tmp_path, users=USERS) as agent:
        agent.get("1.3.6.1.2.1.1.5.0")

On loopback it shows this machine's interfaces, in a namespace those of the namespace.
"""

import contextlib
import itertools
import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.lab import ber
from tests.lab.ber import Oid, Value
from tests.lab.daemon import Daemon, NotReadyError, free_port
from tests.lab.network import Namespace

SYS_NAME = "1.3.6.1.2.1.1.5.0"
SYS_UPTIME = "1.3.6.1.2.1.1.3.0"
ENGINE_BOOTS = "1.3.6.1.6.3.10.2.1.2.0"
_CACHE_TIMEOUT = "1.3.6.1.4.1.8072.1.5.3.1.2"  # NET-SNMP-AGENT-MIB nsCacheTimeout, indexed by the table's OID
_IF_TABLE = "1.3.6.1.2.1.2.2"
_agents = itertools.count(1)


@dataclass(frozen=True, slots=True)
class User:
    """An SNMPv3 user. ``auth`` and ``priv`` as snmpd and snmpget spell them; None is without."""

    name: str
    auth: str | None = None
    auth_secret: str = ""
    priv: str | None = None
    priv_secret: str = ""

    @property
    def level(self) -> str:
        return "noAuthNoPriv" if self.auth is None else "authNoPriv" if self.priv is None else "authPriv"

    def arguments(self) -> list[str]:
        """For net-snmp's command line tools."""
        words = ["-v3", "-u", self.name, "-l", self.level]
        if self.auth:
            words += ["-a", self.auth, "-A", self.auth_secret]
        if self.priv:
            words += ["-x", self.priv, "-X", self.priv_secret]
        return words


AUTHENTICATIONS = ("MD5", "SHA", "SHA-224", "SHA-256", "SHA-384", "SHA-512")
PRIVACIES = ("DES", "AES", "AES-192", "AES-256")
"""AES-192 and AES-256 with the key extension of draft-blumenthal-aes-usm, the only one net-snmp 5.9 has."""


def user(auth: str | None = None, priv: str | None = None) -> User:
    """The user of the lab with these algorithms, "sha-256-aes"."""
    name = "-".join(word.lower() for word in (auth, priv) if word) or "nobody"
    return User(name, auth, f"auth of {name}" if auth else "", priv, f"priv of {name}" if priv else "")


USERS = (
    user(),
    *(user(auth) for auth in AUTHENTICATIONS),
    *(user(auth, priv) for auth in AUTHENTICATIONS for priv in PRIVACIES),
)
"""Every security level and algorithm: 31 users; snmpd takes some 0.3 s to make their keys."""


class Snmpd:
    """Starts on entering. ``community`` reads, ``write_community`` writes. ``cache_s`` is how long snmpd may serve
    interface figures from memory (its own default is 3 s; whole seconds)."""

    def __init__(
        self,
        folder: Path,
        *,
        place: Namespace | None = None,
        address: str = "127.0.0.1",
        port: int | None = None,
        community: str = "public",
        write_community: str = "private",
        name: str = "lab-agent",
        location: str = "lab",
        users: Sequence[User] = (),
        engine_id: bytes | None = None,
        cache_s: int | None = None,
        extra: Sequence[str] = (),
    ) -> None:
        self.folder = folder / f"snmpd-{next(_agents)}"
        (self.folder / "state").mkdir(parents=True)
        self.address = address
        self.place = place
        self.community = community
        self.write_community = write_community
        self.name = name
        self.location = location
        self.users = tuple(users)
        self.engine_id = engine_id
        self.extra = tuple(extra)
        self._cache_s = cache_s
        self._fixed_port = port
        self.port = 0
        self._number = itertools.count(1)
        self.daemon = self._daemon()

    def __enter__(self) -> Self:
        for last_try in (False, False, True):  # a port may be taken between choosing and binding
            self.port = self._fixed_port or free_port(socket.SOCK_DGRAM, address=self.address, place=self.place)
            self.daemon = self._daemon()
            try:
                self.start()
            except NotReadyError:
                if last_try or "Address already in use" not in self.daemon.log:
                    raise
            else:
                break
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.daemon.stop()

    @property
    def log(self) -> str:
        return self.daemon.log

    def start(self) -> None:
        """Starts with what the attributes say now, at the same port; returns once it answers."""
        path = self.folder / "snmpd.conf"
        path.write_text("\n".join(self._settings()) + "\n", encoding="utf-8")
        path.chmod(0o600)
        self.daemon.start()
        self.daemon.wait_ready(self._answers, "an answer")
        if self._cache_s is not None:
            self.set(f"{_CACHE_TIMEOUT}.{_IF_TABLE}", ber.integer(self._cache_s))

    def stop(self) -> None:
        self.daemon.stop()

    def kill(self) -> None:
        self.daemon.kill()

    def restart(self) -> None:
        """Stops and starts: sysUpTime begins anew, the engine's boots grow by one."""
        self.daemon.stop()
        self.start()

    def paused(self) -> contextlib.AbstractContextManager[None]:
        """Silent while in the block; requests wait in its socket and are answered at the end."""
        return self.daemon.paused()

    @property
    def engine_boots(self) -> int:
        """As kept for the next start. snmpd adds one at each start."""
        found = re.search(r"^engineBoots (\d+)$", self._state.read_text(), re.MULTILINE)
        assert found, "no engineBoots in the state of snmpd"
        return int(found[1])

    @engine_boots.setter
    def engine_boots(self, boots: int) -> None:
        assert not self.daemon.alive, "stop it first: a running snmpd writes its own"
        text = re.sub(r"^engineBoots \d+$", f"engineBoots {boots}", self._state.read_text(), flags=re.MULTILINE)
        self._state.write_text(text)

    def forget(self) -> None:
        """Loses the persistent state, as a device set back to its defaults: boots begin at 1, aliases are gone."""
        assert not self.daemon.alive, "stop it first"
        self._state.unlink(missing_ok=True)

    def get(self, *names: str, timeout_s: float = 2) -> list[Value]:
        """Values by SNMPv2c. TimeoutError without an answer."""
        reply = self._ask(
            ber.GET, [(ber.oid(name), Value(ber.NULL, None)) for name in names], self.community, timeout_s
        )
        return [value for _, value in reply.varbinds]

    def set(self, name: str, value: Value) -> None:
        """Writes one value. ValueError where the agent refused."""
        reply = self._ask(ber.SET, [(ber.oid(name), value)], self.write_community, 2)
        if reply.error_status:
            raise ValueError(f"{name}: refused with error status {reply.error_status}")

    def column(self, name: str) -> dict[int, Value]:
        """A column of a table with one index, by GETNEXT."""
        base = ber.oid(name)
        found: dict[int, Value] = {}
        at: Oid = base
        while True:
            (at, value), *_ = self._ask(ber.GET_NEXT, [(at, Value(ber.NULL, None))], self.community, 2).varbinds
            if at[: len(base)] != base or value.tag == ber.END_OF_MIB_VIEW:
                return found
            found[at[-1]] = value

    def set_alias(self, index: int, alias: str) -> None:
        """ifAlias of a port, up to 64 octets; snmpd keeps it in its state."""
        self.set(f"1.3.6.1.2.1.31.1.1.1.18.{index}", ber.octets(alias))

    @property
    def _state(self) -> Path:
        return self.folder / "state" / "snmpd.conf"

    def _daemon(self) -> Daemon:
        host = f"udp6:[{self.address}]" if ":" in self.address else f"udp:{self.address}"
        command = ["snmpd", "-f", "-Lo", f"{host}:{self.port}"]
        # Its own folder in place of /etc/snmp. Persistent state is read only where it is in the path of settings as
        # well, and not at all with `-C -c` (5.9.3).
        state = self.folder / "state"
        env = {"MIBS": "", "SNMPCONFPATH": f"{self.folder}:{state}", "SNMP_PERSISTENT_DIR": str(state)}
        return Daemon(command, log=self.folder / "snmpd.log", place=self.place, env=env, sysfs=self.place is not None)

    def _settings(self) -> list[str]:
        family = "6" if ":" in self.address else ""
        lines = [
            f"[snmp] persistentDir {self.folder / 'state'}",
            "[snmpd]",
            f"rocommunity{family} {self.community}",
            f"rwcommunity{family} {self.write_community}",
            f"sysName {self.name}",
            f"sysLocation {self.location}",
            "dontLogTCPWrappersConnects yes",
        ]
        if self.engine_id is not None:
            lines.append(f"exactEngineID 0x{self.engine_id.hex()}")
        for known in self.users:
            secrets = f'{known.auth} "{known.auth_secret}"' if known.auth else ""
            if known.priv:
                secrets += f' {known.priv} "{known.priv_secret}"'
            level = {"noAuthNoPriv": "noauth", "authNoPriv": "auth", "authPriv": "priv"}[known.level]
            lines += [f"createUser {known.name} {secrets}", f"rouser {known.name} {level}"]
        return [*lines, *self.extra]

    def _answers(self) -> bool:
        try:
            return bool(self.get(SYS_UPTIME, timeout_s=0.1))
        except (TimeoutError, ConnectionRefusedError):
            return False

    def _ask(self, pdu: int, varbinds: Sequence[tuple[Oid, Value]], community: str, timeout_s: float) -> ber.Message:
        number = next(self._number)
        asked = ber.Message(1, community.encode(), pdu, number, 0, 0, tuple(varbinds))
        family = socket.AF_INET6 if ":" in self.address else socket.AF_INET
        with self.place.inside() if self.place else contextlib.nullcontext():
            client = socket.socket(family, socket.SOCK_DGRAM)
        with client:
            client.settimeout(timeout_s)
            client.connect((self.address, self.port))
            client.send(ber.pack_message(asked))
            while (reply := ber.unpack_message(client.recv(65535))).request_id != number:
                pass
            return reply
