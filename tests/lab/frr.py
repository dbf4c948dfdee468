"""A real FRRouting router: zebra, ospfd and bgpd, AgentX subagents of the snmpd of its namespace.

    with master(folder, place, "10.1.0.1"), Frr(folder, place, router_id="10.255.0.1", settings=LINES) as frr:
        frr.show("show bgp summary")

Debian's FRR 8.4 tells BGP4-MIB (peers of IPv4 alone) and OSPF-MIB; BGP4V2-MIB is of later versions.
"""

import re
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.lab.agentx import SOCKET
from tests.lab.daemon import Daemon
from tests.lab.network import Namespace
from tests.lab.private import with_own
from tests.programs import find

_AT = r"^(\d{4}/\d\d/\d\d \d\d:\d\d:\d\d\.\d{3}) "
_BGP = re.compile(_AT + r"BGP: .*%ADJCHANGE: neighbor ([0-9a-f.:]+)\S* .* (Up|Down)\b", re.MULTILINE)
_OSPF = re.compile(_AT + r"OSPF: .*AdjChg: Nbr \S+ NbrIP (\S+) .*: (\w+) -> (\w+)", re.MULTILINE)


class Frr:
    """Starts on entering. ``settings``: the lines of its configuration after the common ones, by daemon."""

    def __init__(self, folder: Path, place: Namespace, *, bgpd: Sequence[str] = (), ospfd: Sequence[str] = ()) -> None:
        self.place = place
        self._folder = folder / f"frr-{place.label}"
        self._folder.mkdir()
        (self._folder / "frr.conf").write_text(f"agentXSocket {SOCKET}\n")  # of net-snmp's library: its word for FRR
        self._settings = {"zebra": (), "bgpd": tuple(bgpd), "ospfd": tuple(ospfd)}
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            # sockets: a test's own folder may be longer than the name of a Unix socket
            self._run = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="frr-")))
            self.daemons = {name: self._daemon(name, lines) for name, lines in self._settings.items()}
            for name, daemon in self.daemons.items():  # zebra first: the others try again after 10 s
                stack.callback(daemon.stop)
                daemon.start()
                daemon.wait_ready(self._socket(name).exists, f"the socket of {name}")
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def show(self, command: str) -> str:
        """What vtysh prints."""
        return self.place.run("vtysh", "--vty_socket", str(self._run), "-c", command)

    def bgp_changes(self) -> list[tuple[float, str, bool]]:
        """What bgpd itself says of its peers: when (UTC), the peer's address, up or down."""
        return [(_utc(at), peer, word == "Up") for at, peer, word in _BGP.findall(self.daemons["bgpd"].log)]

    def ospf_changes(self) -> list[tuple[float, str, bool]]:
        """The same of OSPF neighbours: becoming full, and ceasing to be."""
        found = _OSPF.findall(self.daemons["ospfd"].log)
        return [(_utc(at), peer, now == "Full") for at, peer, was, now in found if "Full" in {was, now}]

    def _socket(self, daemon: str) -> Path:
        return self._run / ("zserv.api" if daemon == "zebra" else f"{daemon}.vty")

    def _daemon(self, name: str, lines: Sequence[str]) -> Daemon:
        settings = self._folder / f"{name}.conf"
        settings.write_text("\n".join([f"hostname {self.place.label}", "log stdout", *_COMMON, *lines]) + "\n")
        program = find(name)
        assert program is not None
        command = [program, "-f", str(settings), "-i", str(self._run / f"{name}.pid"), "-z", str(self._socket("zebra"))]
        # no TCP for vtysh; root, who is in FRR's own group then, so that it may write to the test's folder
        command += ["--vty_socket", str(self._run), "-P", "0", "-M", "snmp", "-u", "root", "-g", "frrvty"]
        env = {"SNMPCONFPATH": str(self._folder), "SNMP_PERSISTENT_DIR": str(self._folder), "MIBS": "", "TZ": "UTC"}
        log = self._folder / f"{name}.log"
        return Daemon(with_own(["/var/tmp"], command), log=log, place=self.place, env=env, sysfs=True)


_COMMON = ("log timestamp precision 3", "agentx")


def _utc(text: str) -> float:
    return datetime.strptime(text, "%Y/%m/%d %H:%M:%S.%f").replace(tzinfo=UTC).timestamp()
