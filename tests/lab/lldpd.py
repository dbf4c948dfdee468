"""A real lldpd, an AgentX subagent of the snmpd of its namespace.

with master(folder, switch, "10.1.0.2"), Lldpd(folder, switch):
    ...   # its neighbours are in LLDP-MIB
"""

from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from tests.lab.agentx import SOCKET
from tests.lab.daemon import Daemon
from tests.lab.network import Namespace
from tests.lab.private import with_own


class Lldpd:
    """Starts on entering. It says what it is every second; what it said holds for ``hold`` seconds (TTL). ``port_id``:
    how it names its ports; lldpd's own default is the MAC address. ``snmp``: whether there is an snmpd to join."""

    def __init__(
        self,
        folder: Path,
        place: Namespace,
        *,
        name: str | None = None,
        hold: int = 3,
        port_id: Literal["ifname", "macaddress"] = "ifname",
        snmp: bool = True,
    ) -> None:
        own = folder / f"lldpd-{place.label}"
        own.mkdir()
        settings = own / "lldpd.conf"
        settings.write_text(
            f"configure system hostname {name or place.label}\n"
            f"configure lldp tx-interval 1\nconfigure lldp tx-hold {hold}\n"
            f"configure lldp portidsubtype {port_id}\n"
        )
        # lldpcli, which reads the settings, has given up root by then: a test's folder is closed to it
        prepare = 'mkdir /run/lldpd && install -m 644 "$0" /run/lab.conf && exec "$@"'
        command = ["sh", "-c", prepare, str(settings), "lldpd", "-d", "-O", "/run/lab.conf"]
        command += ["-x", "-X", SOCKET] if snmp else []
        self._joins = snmp
        self.daemon = Daemon(with_own(["/run"], command), log=own / "lldpd.log", place=place, sysfs=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.daemon.stop()

    def start(self) -> None:
        """Returns once it sends, and has joined snmpd."""
        before = len(self.daemon.log)

        def ready() -> bool:
            said = self.daemon.log[before:]
            return "should resume operations" in said and ("subagent connected" in said or not self._joins)

        self.daemon.start()
        self.daemon.wait_ready(ready, "that it sends")
