"""`sonda run` as a process of its own, on this machine or in a namespace, and its API asked from the same place.

with SondaRun(tmp_path, SITE, place=probe) as sonda:
    sonda.json("/api/v1/site")
"""

import contextlib
import http.client
import json
import signal
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from tests.lab.daemon import Daemon, free_port
from tests.lab.network import Namespace

SONDA = Path(sys.executable).with_name("sonda")
"""The installed command, beside the Python that runs the tests."""
_HOST = "127.0.0.1"


class Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class SondaRun:
    """The daemon with a written configuration. [http] and [store] are added where the text has none: the API at a
    free port of 127.0.0.1, the database in the folder. ``command`` may be another program, for the lab's own test."""

    def __init__(
        self,
        folder: Path,
        settings: str,
        *,
        place: Namespace | None = None,
        command: Sequence[str] | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.place = place
        self.config = folder / "sonda.toml"
        self.database = folder / "sonda.db"
        self.port = free_port(address=_HOST, place=place)
        self.write(settings)
        argv = [*command] if command else [str(SONDA), "run", "--config", str(self.config)]
        self.daemon = Daemon(argv, log=folder / "sonda.log", place=place, env=env, cwd=folder, sysfs=place is not None)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.daemon.stop(grace_s=15)

    @property
    def log(self) -> str:
        return self.daemon.log

    def write(self, settings: str) -> None:
        """Writes the configuration anew; the running agent does not know yet."""
        text = settings
        if "[http]" not in text:
            text += f'\n[http]\nhost = "{_HOST}"\nport = {self.port}\n'
        if "[store]" not in text:
            text += f'\n[store]\npath = "{self.database}"\nmax_bytes = "200 MB"\n'
        self.config.write_text(text, encoding="utf-8")
        self.config.chmod(0o600)

    def start(self) -> None:
        """Returns once /livez answers."""
        self.daemon.start()
        self.daemon.wait_ready(self._lives, "/livez", timeout_s=30)

    def stop(self) -> int | None:
        """SIGTERM; its exit code."""
        self.daemon.stop(grace_s=15)
        return self.daemon.exit_code

    def kill(self) -> None:
        self.daemon.kill()

    def reload(self, settings: str) -> None:
        """Writes new settings and sends SIGHUP."""
        self.write(settings)
        self.daemon.signal(signal.SIGHUP)

    def get(self, path: str, *, method: str = "GET", headers: Mapping[str, str] | None = None) -> Answer:
        """Asks its HTTP server from where it runs. OSError where nobody listens."""
        with self._connected() as opened:
            connection = http.client.HTTPConnection(_HOST, self.port)
            connection.sock = opened
            connection.request(method, path, headers=dict(headers or {}))
            with connection.getresponse() as response:
                return Answer(response.status, dict(response.getheaders()), response.read())

    def json(self, path: str) -> Any:
        """The JSON at a path; AssertionError unless it is a 200."""
        answer = self.get(path)
        assert answer.status == 200, f"{path}: {answer.status} {answer.body[:500]!r}"
        return answer.json()

    def events(self, seconds: float, path: str = "/events") -> list[tuple[str, Any]]:
        """Server-sent events of that many seconds: name and JSON of each."""
        deadline = time.monotonic() + seconds
        text = b""
        with self._connected() as opened:
            connection = http.client.HTTPConnection(_HOST, self.port)
            connection.sock = opened
            connection.request("GET", path)
            with connection.getresponse() as response, contextlib.suppress(TimeoutError):
                while (left := deadline - time.monotonic()) > 0:
                    opened.settimeout(left)
                    if not (part := response.read1(65536)):
                        break
                    text += part
        return _events(text.decode())

    def memory_bytes(self) -> int:
        """Resident set (VmRSS)."""
        status = Path(f"/proc/{self.daemon.pid}/status").read_text()
        return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmRSS:"))

    def written_bytes(self) -> int:
        """write_bytes of /proc/PID/io: what it caused to be sent to the disk."""
        said = Path(f"/proc/{self.daemon.pid}/io").read_text()
        return next(int(line.split()[1]) for line in said.splitlines() if line.startswith("write_bytes:"))

    def _connected(self) -> socket.socket:
        with self.place.inside() if self.place else contextlib.nullcontext():
            return socket.create_connection((_HOST, self.port), timeout=10)

    def _lives(self) -> bool:
        try:
            return self.get("/livez").status == 200
        except (OSError, http.client.HTTPException):
            return False


def _events(text: str) -> list[tuple[str, Any]]:
    """WHATWG HTML 9.2.6, the fields that we use; a block cut off at the end is left out."""
    found = []
    for block in text.replace("\r\n", "\n").split("\n\n")[:-1]:
        fields = [line.partition(":") for line in block.splitlines() if not line.startswith(":")]
        data = "\n".join(value.removeprefix(" ") for name, _, value in fields if name == "data")
        kind = next((value.strip() for name, _, value in fields if name == "event"), "message")
        if data:
            found.append((kind, json.loads(data)))
    return found
