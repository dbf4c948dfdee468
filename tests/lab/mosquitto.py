"""A real mosquitto with its own configuration, ports, certificates and users, and a recorder of what it delivers.

    with Mosquitto(tmp_path, users={"probe": "secret"}) as broker, broker.recorder("#") as recorder:
        broker.publish("a/b", b"1")
        recorder.wait(1)

It cannot be told to refuse MQTT 5 (2.0 has no such setting): tests/lab/relay.py stands before it for that.
"""

import base64
import contextlib
import hashlib
import itertools
import json
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.lab.certificates import Authority, Issued
from tests.lab.daemon import Daemon, NotReadyError, accepts, free_port, wait_until
from tests.lab.network import Namespace

_recorders = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Message:
    """One delivery to a recorder. ``at`` is wall time in seconds; ``properties`` are MQTT 5 user properties."""

    at: float
    topic: str
    payload: bytes
    qos: int
    retained: bool
    properties: tuple[tuple[str, str], ...]

    def json(self) -> Any:
        return json.loads(self.payload)


class Mosquitto:
    """A broker; starts on entering. ``port`` is plain TCP, ``tls_port`` and ``websocket_port`` where asked for.

    ``users`` None lets anybody in. ``acl`` is the text of mosquitto's ACL file; the default lets everybody do all.
    ``receive_maximum`` is what it grants an MQTT 5 client (max_inflight_messages). ``persistent`` keeps sessions and
    retained messages over a restart, written at each change; SIGKILL may still lose the last moments.
    """

    def __init__(
        self,
        folder: Path,
        *,
        place: Namespace | None = None,
        address: str = "127.0.0.1",
        tls: bool = False,
        client_certificates: bool = False,
        websocket: bool = False,
        users: Mapping[str, str] | None = None,
        acl: str | None = None,
        persistent: bool = False,
        receive_maximum: int | None = None,
        extra: Sequence[str] = (),
    ) -> None:
        self.folder = folder / f"mosquitto-{next(_recorders)}"
        self.folder.mkdir(parents=True)
        self.address = address
        self.place = place
        self._users = dict(users) if users is not None else None
        self._persistent = persistent
        self._client_certificates = client_certificates
        self._receive_maximum = receive_maximum
        self._extra = tuple(extra)
        self.authority = Authority(self.folder / "certificates") if tls else None
        self.server: Issued | None = None
        if self.authority is not None:
            self.server = self.authority.server(hosts=(address, "127.0.0.1", "::1", "localhost"))
        self._websocket = websocket
        self.port = self.tls_port = self.websocket_port = 0
        self.daemon = Daemon(
            ["mosquitto", "-c", str(self._conf)], log=self.folder / "mosquitto.log", place=place, cwd=self.folder
        )
        self._acl = self.folder / "acl"
        self._write(self._acl, acl or "topic readwrite #\npattern readwrite #\ntopic read $SYS/#\n")
        self._passwords = self.folder / "passwords"
        self._write(self._passwords, "".join(_password_line(*user) for user in (self._users or {}).items()))

    def __enter__(self) -> Self:
        for last_try in (False, False, True):  # a port may be taken between choosing and binding
            self._choose_ports()
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

    @property
    def ca(self) -> Path:
        assert self.authority is not None, "made without tls=True"
        return self.authority.certificate

    def start(self) -> None:
        """Starts, and waits until every listener accepts. The ports stay the same over its lives."""
        self.daemon.start()
        ports = [port for port in (self.port, self.tls_port, self.websocket_port) if port]
        self.daemon.wait_ready(
            lambda: all(accepts(self.address, port, place=self.place) for port in ports), "listening"
        )

    def stop(self) -> None:
        self.daemon.stop()

    def kill(self) -> None:
        self.daemon.kill()

    def restart(self) -> None:
        self.daemon.stop()
        self.start()

    def reload(self, *, acl: str | None = None, users: Mapping[str, str] | None = None) -> None:
        """Writes new rules and sends SIGHUP; returns when it said that it read them. Settled rules of connected
        clients change as well."""
        if acl is not None:
            self._write(self._acl, acl)
        if users is not None:
            self._write(self._passwords, "".join(_password_line(*user) for user in users.items()))
        seen = self.log.count("Reloading config")
        self.daemon.signal(signal.SIGHUP)
        wait_until(lambda: self.log.count("Reloading config") > seen, "mosquitto reloads", 5)

    def deny(self, *topics: str) -> None:
        """Everybody may do everything but publish to or read these; reloads."""
        self.reload(acl="".join(f"topic deny {topic}\n" for topic in topics) + "topic readwrite #\n")

    def allow_all(self) -> None:
        self.reload(acl="topic readwrite #\n")

    def client_certificate(self, name: str) -> Issued:
        assert self.authority is not None, "made without tls=True"
        return self.authority.client(name)

    def publish(
        self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False, user: str | None = None
    ) -> None:
        """By mosquitto_pub, MQTT 5. CalledProcessError where it was refused."""
        command = ["mosquitto_pub", *self._client(user), "-t", topic, "-q", str(qos), "-s", *(["-r"] if retain else [])]
        with self.place.inside() if self.place else contextlib.nullcontext():
            subprocess.run(command, input=payload, check=True, capture_output=True, timeout=20)

    def retained(self, topic: str = "#", *, user: str | None = None, wait_s: int = 1) -> dict[str, bytes]:
        """What the broker keeps below a topic filter now."""
        command = ["mosquitto_sub", *self._client(user), "-t", topic, "-W", str(wait_s), "-F", "%x %t"]
        command += ["--retained-only"]
        with self.place.inside() if self.place else contextlib.nullcontext():
            done = subprocess.run(command, capture_output=True, check=False, timeout=wait_s + 20)
        lines = (line.partition(" ") for line in done.stdout.decode().splitlines())
        return {name: bytes.fromhex(payload) for payload, _, name in lines}

    @contextlib.contextmanager
    def recorder(self, *topics: str, user: str | None = None, port: int | None = None) -> Iterator["Recorder"]:
        """Records everything below the topic filters from now on, with a session that outlives disconnections."""
        recorder = Recorder(self, topics or ("#",), self._client(user, port))
        try:
            recorder.start()
            yield recorder
        finally:
            recorder.stop()

    def _client(self, user: str | None, port: int | None = None) -> list[str]:
        options = ["-h", self.address, "-p", str(port or self.port), "-V", "mqttv5"]
        if self._users is not None:
            name = user or next(iter(self._users))
            options += ["-u", name, "-P", self._users[name]]
        return options

    def _choose_ports(self) -> None:
        chosen: set[int] = set()
        while len(chosen) < 3:
            chosen.add(free_port(socket.SOCK_STREAM, address=self.address, place=self.place))
        self.port, tls_port, websocket_port = chosen
        self.tls_port = tls_port if self.authority else 0
        self.websocket_port = websocket_port if self._websocket else 0
        self._write(self._conf, "\n".join(self._settings()) + "\n")

    @property
    def _conf(self) -> Path:
        return self.folder / "mosquitto.conf"

    def _settings(self) -> Iterator[str]:
        yield from ("user root", "log_dest stderr", "log_type all", "sys_interval 1", "max_queued_messages 0")
        yield from (
            "connection_messages true",
            f"acl_file {self._acl}",
            f"allow_anonymous {_flag(self._users is None)}",
        )
        if self._users is not None:
            yield f"password_file {self._passwords}"
        if self._receive_maximum is not None:
            yield f"max_inflight_messages {self._receive_maximum}"
        yield f"persistence {_flag(self._persistent)}"
        if self._persistent:
            yield from (f"persistence_location {self.folder}/", "autosave_on_changes true", "autosave_interval 1")
        yield from self._extra
        yield from (f"listener {self.port} {self.address}", "protocol mqtt")
        if self._websocket:
            yield from (f"listener {self.websocket_port} {self.address}", "protocol websockets")
        if self.server is not None:
            yield from (f"listener {self.tls_port} {self.address}", "protocol mqtt", f"cafile {self.ca}")
            yield from (f"certfile {self.server.certificate}", f"keyfile {self.server.key}")
            if self._client_certificates:
                yield from ("require_certificate true", "use_identity_as_username true")

    @staticmethod
    def _write(path: Path, text: str) -> None:
        path.write_text(text, encoding="utf-8")
        path.chmod(0o600)


class Recorder:
    """What a subscriber got, in order, with repetitions, kept in a file by mosquitto_sub. QoS 1, MQTT 5, a persistent
    session; it comes back by itself a second after the broker does."""

    def __init__(self, broker: Mosquitto, topics: Sequence[str], client: Sequence[str]) -> None:
        number = next(_recorders)
        self.path = broker.folder / f"recorder-{number}"
        self._notes = broker.folder / f"recorder-{number}.log"
        self._broker = broker
        self._name = f"recorder-{os.getpid()}-{number}"
        filters = [word for topic in topics for word in ("-t", topic)]
        self._command = ["mosquitto_sub", *client, *filters, "-q", "1", "-c", "-i", self._name]
        self._command += ["-k", "5", "-F", "%U %q %r %x %j"]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def messages(self) -> list[Message]:
        """All so far. A line being written is left for the next time."""
        if not self.path.exists():
            return []
        whole = self.path.read_bytes().rpartition(b"\n")[0]
        return [_message(line) for line in whole.split(b"\n") if line]

    def of(self, topic_end: str) -> list[Message]:
        """Messages whose topic ends so."""
        return [message for message in self.messages if message.topic.endswith(topic_end)]

    def wait(self, count: int, timeout_s: float = 10) -> list[Message]:
        """Returns once so many came. NotReadyError when they do not."""
        self.wait_for(lambda got: len(got) >= count, f"{count} messages", timeout_s)
        return self.messages

    def wait_for(self, enough: Callable[[list[Message]], object], what: str, timeout_s: float = 10) -> list[Message]:
        wait_until(lambda: bool(enough(self.messages)), f"recorder: {what}", timeout_s, every_s=0.05)
        return self.messages

    def start(self) -> None:
        """Subscribes; returns once the broker has acknowledged that."""
        seen = self._broker.log.count(f"Sending SUBACK to {self._name}")
        place = self._broker.place.inside() if self._broker.place else contextlib.nullcontext()
        with self.path.open("ab") as out, self._notes.open("ab") as notes, place:
            self._process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=out, stderr=notes)
        wait_until(lambda: self._broker.log.count(f"Sending SUBACK to {self._name}") > seen, "recorder subscribed", 10)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()


def _message(line: bytes) -> Message:
    at, qos, retained, payload, rest = line.split(b" ", 4)
    said = json.loads(rest)
    properties = said.get("properties", {}).get("user-properties", {})
    return Message(
        at=float(at),
        topic=said["topic"],
        payload=bytes.fromhex(payload.decode()),
        qos=int(qos),
        retained=retained == b"1",
        properties=tuple(properties.items()),
    )


def _flag(value: bool) -> str:
    return "true" if value else "false"


def _password_line(name: str, password: str) -> str:
    """A line of mosquitto's password file: PBKDF2 with SHA-512, version 7 (mosquitto_passwd of 2.0)."""
    salt = hashlib.sha256(name.encode()).digest()[:12]
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, 101, 64)
    return f"{name}:$7$101${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}\n"
