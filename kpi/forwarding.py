"""A bridge's forwarding table, small: 12 octets an address, so that 100 switches of 1000 addresses take 1.2 MB."""

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from itertools import pairwise

from kpi.gear import Fact, Forwarding

MOST = 100_000
"""Addresses of one table that are kept: more than a switch learns, so that no agent can fill the memory."""


class ForwardingTable:
    """Which port an address was learnt on. One that is learnt on several is on none."""

    __slots__ = ("_macs", "_ports")

    def __init__(self, rows: Iterable[Fact] = ()) -> None:
        learnt = sorted({(mac, row.port) for row in rows if isinstance(row, Forwarding) and (mac := number(row.mac))})
        moving = {a for (a, _), (b, _) in pairwise(learnt) if a == b}
        kept = [(mac, port) for mac, port in learnt if mac not in moving and 0 < port < 1 << 32][:MOST]
        self._macs = array("Q", [mac for mac, _ in kept])
        self._ports = array("L", [port for _, port in kept])

    def __len__(self) -> int:
        return len(self._macs)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return zip(self._macs, self._ports, strict=True)

    def port_of(self, mac: int) -> int | None:
        """The ifIndex, None where the address is not there."""
        at = bisect_left(self._macs, mac)
        return self._ports[at] if at < len(self._macs) and self._macs[at] == mac else None


def number(mac: str) -> int | None:
    """ "00:11:22:33:44:55" as a number; None for anything else, for 0 and for a group address."""
    digits = mac.replace(":", "")
    try:
        value = int(digits, 16) if len(mac) == 17 and len(digits) == 12 else 0
    except ValueError:
        return None
    return value if value and not value >> 40 & 1 else None
