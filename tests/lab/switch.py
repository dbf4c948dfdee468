"""A 48-port switch to measure: a namespace whose ports are veth ends, with a real snmpd, and traffic counted exactly.

    with Network() as network:
        probe = network.namespace("probe")
        with Switch(network, tmp_path, uplink=probe, addresses=("10.1.0.1/24", "10.1.0.2/24")) as switch:
            switch.send(7, frames=1000, size=500)   # into port 7, from the host plugged in there
            switch.unplug(8)

Nothing else speaks on the ports (no addresses, IPv6 off), so that counters move by what was sent and nothing more.
An octet count is of whole Ethernet frames without checksum, as Linux counts them.
"""

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, NamedTuple, Self

from tests.lab.network import Namespace, Network
from tests.lab.snmpd import Snmpd

Direction = Literal["in", "out"]
"""As the switch sees it: "in" is sent by the host at that port."""
_ETHERTYPE = 0x0800
"""IPv4 to a MAC address that nobody has: the kernel counts such a frame as received and drops it without a word. One
of an unknown type counts as ifInDiscards besides (measured on 6.18)."""
_HEADER = 14
_TICK_S = 0.01


class Counted(NamedTuple):
    """What a device of Linux has counted; octets of whole frames."""

    in_octets: int
    in_packets: int
    out_octets: int
    out_packets: int


@dataclass(slots=True)
class Traffic:
    """What a running generator has sent so far."""

    frames: int = 0
    octets: int = 0


class Switch:
    """Ports "port1" and on, 10 Gbit/s each to SNMP (as veth says). ``settings`` go to Snmpd (users, name, ...)."""

    def __init__(
        self,
        network: Network,
        folder: Path,
        *,
        uplink: Namespace,
        addresses: tuple[str, str],
        ports: int = 48,
        aliases: Mapping[int, str] | None = None,
        label: str = "switch",
        **settings: Any,
    ) -> None:
        self.ports = range(1, ports + 1)
        self.place = network.namespace(label)
        self.hosts = network.namespace(f"{label}-hosts")
        for place in (self.place, self.hosts):
            place.sysctl("net.ipv6.conf.default.disable_ipv6", 1)
        names = [(self.device(n), self.host(n)) for n in self.ports]
        self.place.ip_batch(
            [
                *(f"link add {port} type veth peer name {host} netns {self.hosts.name}" for port, host in names),
                *(f"link set {port} up" for port, _ in names),
            ]
        )
        self.hosts.ip_batch([f"link set {host} up" for _, host in names])
        self.uplink_device, _ = network.veth(
            uplink, self.place, names=(None, "uplink"), addresses=([addresses[0]], [addresses[1]])
        )
        self._aliases = dict(aliases or {})
        self._sockets: dict[tuple[int, Direction], socket.socket] = {}
        self.snmpd = Snmpd(
            folder,
            place=self.place,
            address=addresses[1].partition("/")[0],
            **{"port": 161, "name": label, "cache_s": 1, **settings},
        )

    def __enter__(self) -> Self:
        self.snmpd.__enter__()
        for number, alias in self._aliases.items():
            self.snmpd.set_alias(self.index(number), alias)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for opened in self._sockets.values():
            opened.close()
        self._sockets.clear()
        self.snmpd.stop()

    @property
    def address(self) -> str:
        return self.snmpd.address

    @staticmethod
    def device(port: int) -> str:
        return f"port{port}"

    @staticmethod
    def host(port: int) -> str:
        return f"host{port}"

    def index(self, port: int) -> int:
        """ifIndex of a port."""
        with self.place.inside():
            return socket.if_nametoindex(self.device(port))

    def unplug(self, *ports: int) -> None:
        """The host's end goes down: ifOperStatus down, ifAdminStatus stays up."""
        self.hosts.down(*map(self.host, ports))

    def plug(self, *ports: int) -> None:
        self.hosts.up(*map(self.host, ports))

    def disable(self, *ports: int) -> None:
        """ifAdminStatus down."""
        self.place.down(*map(self.device, ports))

    def enable(self, *ports: int) -> None:
        self.place.up(*map(self.device, ports))

    def counted(self, port: int) -> Counted:
        """What the kernel has counted at a port, in /proc/net/dev."""
        with self.place.inside():
            lines = Path("/proc/thread-self/net/dev").read_text().splitlines()
        figures = next(line.split() for line in lines if line.strip().startswith(f"{self.device(port)}:"))
        return Counted(int(figures[1]), int(figures[2]), int(figures[9]), int(figures[10]))

    def send(self, port: int, *, frames: int, size: int = 500, direction: Direction = "in") -> int:
        """Sends frames of that many octets (14 to 1514) through a port as fast as it goes. Gives the octets sent."""
        frame = self._frame(size)
        out = self._socket(port, direction)
        for _ in range(frames):
            out.send(frame)
        return frames * size

    @contextlib.contextmanager
    def traffic(
        self, ports: Sequence[int], *, bps: float, size: int = 1000, direction: Direction = "in"
    ) -> Iterator[Traffic]:
        """An even load of so many bit/s on each port while in the block, paced every 10 ms."""
        sent = Traffic()
        frame = self._frame(size)
        outs = [self._socket(port, direction) for port in ports]
        ending = threading.Event()

        def run() -> None:
            began = time.monotonic()
            while not ending.wait(_TICK_S):
                due = int((time.monotonic() - began) * bps / 8 / size)
                while sent.frames < due:
                    for out in outs:
                        out.send(frame)
                    sent.frames += 1
                    sent.octets += size

        thread = threading.Thread(target=run, name="traffic")
        thread.start()
        try:
            yield sent
        finally:
            ending.set()
            thread.join()

    def _socket(self, port: int, direction: Direction) -> socket.socket:
        known = self._sockets.get((port, direction))
        if known is None:
            place, device = (self.hosts, self.host(port)) if direction == "in" else (self.place, self.device(port))
            known = place.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            known.bind((device, _ETHERTYPE))
            self._sockets[port, direction] = known
        return known

    @staticmethod
    def _frame(size: int) -> bytes:
        assert _HEADER <= size <= 1514, "an Ethernet frame"
        return struct.pack("!6s6sH", b"\x02" * 6, b"\x04" * 6, _ETHERTYPE).ljust(size, b"\0")
