"""The probe's own way out: which interface and which gateway a target is reached by, whether that link is up, and who
is on it.

Linux only: the tables in /proc/net (of the process's own network namespace), interface flags and addresses by ioctl
(netdevice(7)), which follow the namespace of the socket where /sys does not.
"""

import fcntl
import ipaddress
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

SIOCGIFFLAGS, SIOCGIFHWADDR = 0x8913, 0x8927
IFF_UP, IFF_LOOPBACK, IFF_RUNNING = 0x1, 0x8, 0x40
RTF_UP, RTF_GATEWAY, RTF_REJECT = 0x1, 0x2, 0x200
ATF_COM = 0x2
"""An entry of the ARP table that is complete (arp(7))."""
ARPHRD_ETHER = 1

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Net = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Route:
    """One line of a routing table. ``gateway`` is None where the destination is on the link."""

    net: Net
    interface: str
    gateway: Address | None
    metric: int


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Who is on the probe's own links. ``macs``: MAC addresses by IPv4 address (the kernel's ARP table); ``own``: those
    of the probe's own Ethernet interfaces."""

    macs: Mapping[str, str]
    own: frozenset[str]


def read_surroundings(proc_net: Path = Path("/proc/self/net")) -> Surroundings:
    """As the kernel knows it now. What cannot be read counts as empty."""
    macs = {row[0]: row[3].lower() for row in _rows(proc_net / "arp", skip=1) if int(row[2], 16) & ATF_COM}
    names = [row[0].partition(":")[0] for row in _rows(proc_net / "dev", skip=2)]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        own = {_hardware_address(asking, name) for name in names}
    return Surroundings(macs, frozenset(own - {""}))


def _hardware_address(asking: socket.socket, interface: str) -> str:
    try:
        answer = fcntl.ioctl(asking, SIOCGIFHWADDR, struct.pack("16s24x", interface.encode()[:15]))
    except OSError:
        return ""
    kind, octets = struct.unpack_from("16xH6s", answer)
    return octets.hex(":") if kind == ARPHRD_ETHER and any(octets) else ""


def read_routes(proc_net: Path = Path("/proc/self/net")) -> list[Route]:
    """The main tables of both families, best match first. An unreadable table counts as empty."""
    routes = [*_routes4(proc_net / "route"), *_routes6(proc_net / "ipv6_route")]
    return sorted(routes, key=lambda r: (-r.net.prefixlen, r.metric))


def route_to(routes: list[Route], address: str) -> Route | None:
    """The route the kernel would take, or None; a scope ("%eth0") names the interface itself."""
    bare, _, scope = address.partition("%")
    wanted = ipaddress.ip_address(bare)
    if scope:
        return Route(ipaddress.ip_network(bare), scope, None, 0)
    if wanted.is_loopback:
        return Route(ipaddress.ip_network(bare), "lo", None, 0)
    for route in routes:
        if route.net.version == wanted.version and wanted in route.net:
            return route
    return None


def default_gateway(routes: list[Route]) -> str | None:
    """The address of the gateway of the default route, IPv4 before IPv6."""
    for version in (4, 6):
        for route in routes:
            if route.net.version == version and route.net.prefixlen == 0 and route.gateway is not None:
                scope = f"%{route.interface}" if route.gateway.is_link_local and version == 6 else ""
                return f"{route.gateway}{scope}"
    return None


def remembering(before: list[Route], now: list[Route]) -> list[Route]:
    """The routes of now, and behind them those that went with their interface, or with the last default route: a cable
    that was pulled does not move what lies behind it."""
    left = {(r.interface, r.net.version) for r in now}
    kept = [r for r in before if r not in now and (r.interface, r.net.version) not in left]
    if default_gateway(now + kept) is None:
        kept += [r for r in before if r.net.prefixlen == 0 and r.gateway is not None and r not in kept]
    return sorted(now + kept, key=lambda r: (-r.net.prefixlen, r in kept, r.metric))


class Links:
    """Asks the kernel whether an interface is up and running (has carrier). Holds one descriptor; a context manager."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def running(self, interface: str) -> bool:
        """True where the interface is administratively up and has carrier; False also where there is none of it."""
        request = struct.pack("16sH14x", interface.encode()[:15], 0)
        try:
            answer = fcntl.ioctl(self._socket, SIOCGIFFLAGS, request)
        except OSError:
            return False
        flags = int(struct.unpack_from("16xH", answer)[0])
        return bool(flags & IFF_UP) and bool(flags & (IFF_RUNNING | IFF_LOOPBACK))


def _routes4(path: Path) -> list[Route]:
    routes = []
    for fields in _rows(path, skip=1):
        flags = int(fields[3], 16)
        if not flags & RTF_UP or flags & RTF_REJECT:
            continue
        destination, gateway, mask = (struct.pack("<I", int(fields[i], 16)) for i in (1, 2, 7))
        bits = int.from_bytes(mask, "big").bit_count()
        net = ipaddress.ip_network((destination, bits), strict=False)
        via = ipaddress.IPv4Address(gateway) if flags & RTF_GATEWAY else None
        routes.append(Route(net, fields[0], via, int(fields[6])))
    return routes


def _routes6(path: Path) -> list[Route]:
    routes = []
    for fields in _rows(path, skip=0):
        flags = int(fields[8], 16)
        if not flags & RTF_UP or flags & RTF_REJECT or fields[9] == "lo":
            continue
        net = ipaddress.ip_network((bytes.fromhex(fields[0]), int(fields[1], 16)), strict=False)
        via = ipaddress.IPv6Address(bytes.fromhex(fields[4])) if flags & RTF_GATEWAY else None
        routes.append(Route(net, fields[9], via, int(fields[5], 16)))
    return routes


def _rows(path: Path, skip: int) -> list[list[str]]:
    try:
        lines = path.read_text().splitlines()[skip:]
    except OSError:
        return []
    return [line.split() for line in lines if line.strip()]
