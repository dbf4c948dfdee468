"""BRIDGE-MIB (RFC 4188) of a Linux bridge, for snmpd's pass_persist: net-snmp has none.

Ports, spanning tree and forwarding table are the kernel's, read in /sys. It keeps no count of topology changes; but it
logs each, so they are counted in /dev/kmsg, by the bridge's name (which must be the only one on the machine).

`python -m tests.lab.bridge_mib NAME [frozen]`: "frozen" never counts, as many an agent does.
"""

import contextlib
import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from tests.lab.passing import Oid, Told, octets, serve, whole

BASE = "1.3.6.1.2.1.17"
_BASE: Oid = (1, 3, 6, 1, 2, 1, 17)
_FDB_ENTRY = 16
"""struct __fdb_entry of linux/if_bridge.h: address[6], port_no, is_local, ageing_timer_value[4], port_hi, ..."""
_LEARNT, _SELF = 3, 4


class Changes:
    """What the kernel logs of one bridge, from now on."""

    def __init__(self, name: str) -> None:
        self.count = 0
        self.last = time.monotonic()
        self._wanted = f";{name}: topology change detected".encode()
        self._log = os.open("/dev/kmsg", os.O_RDONLY | os.O_CLOEXEC)
        os.lseek(self._log, 0, os.SEEK_END)
        threading.Thread(target=self._follow, daemon=True).start()

    def _follow(self) -> None:
        while True:
            with contextlib.suppress(BrokenPipeError):  # records were overwritten before they were read
                if self._wanted in os.read(self._log, 8192):
                    self.count, self.last = self.count + 1, time.monotonic()


def values(name: str, changes: Changes, *, frozen: bool) -> dict[Oid, Told]:
    """All that is told now."""
    device = Path("/sys/class/net", name)
    bridge = device / "bridge"
    ports = dict(_ports(device))
    told: dict[Oid, Told] = {
        (1, 1, 0): octets(_mac(device)),
        (1, 2, 0): whole(len(ports)),
        (1, 3, 0): whole(2),  # transparent-only
        **{(1, 4, 1, 1, port): whole(port) for port in ports},
        **{(1, 4, 1, 2, port): whole(index) for port, index in ports.items()},
        (2, 1, 0): whole(3),  # ieee8021d
        (2, 3, 0): Told("timeticks", str(int(100 * (time.monotonic() - changes.last)))),
        (2, 4, 0): Told("counter", "0" if frozen else str(changes.count)),
        (2, 5, 0): octets(_bridge_id(bridge / "root_id")),
        (2, 6, 0): whole(int((bridge / "root_path_cost").read_text())),
        (2, 7, 0): whole(int((bridge / "root_port").read_text())),
    }
    for mac, port, status in _learnt(device):
        told |= {
            (4, 3, 1, 1, *mac): octets(mac),
            (4, 3, 1, 2, *mac): whole(port),
            (4, 3, 1, 3, *mac): whole(status),
        }
    return {_BASE + oid: value for oid, value in told.items()}


def _ports(device: Path) -> Iterator[tuple[int, int]]:
    """Port numbers with their ifIndex."""
    for port in (device / "brif").iterdir():
        yield int((port / "port_no").read_text(), 16), int((device.parent / port.name / "ifindex").read_text())


def _learnt(device: Path) -> Iterator[tuple[bytes, int, int]]:
    """(MAC address, port, status) of the forwarding table."""
    table = (device / "brforward").read_bytes()
    for at in range(0, len(table), _FDB_ENTRY):
        entry = table[at : at + _FDB_ENTRY]
        yield entry[:6], entry[6] | entry[12] << 8, _SELF if entry[7] else _LEARNT


def _mac(device: Path) -> bytes:
    return bytes.fromhex((device / "address").read_text().strip().replace(":", ""))


def _bridge_id(path: Path) -> bytes:
    """Priority and MAC address, written as 1000.0200c0ffee01."""
    return bytes.fromhex(path.read_text().strip().replace(".", ""))


if __name__ == "__main__":
    _name, *_how = sys.argv[1:]
    _changes = Changes(_name)
    serve(lambda: values(_name, _changes, frozen="frozen" in _how))
