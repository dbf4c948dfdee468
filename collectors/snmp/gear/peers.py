"""BGP peers that several tables of one device tell of: BGP4-MIB, its drafted successors, the makes' own."""

import dataclasses
from collections.abc import Iterable, Sequence

from kpi.gear import BgpPeer, Fact

Peers = dict[str, list[BgpPeer]]


def together(tables: Sequence[Sequence[Fact]]) -> list[Fact]:
    """The peers of all tables, each once: what the first table that has a peer does not say, such as an AS number of 32
    bits, a later one may. One table may have an address more than once, for there is a peer of it in each VRF: then the
    table that has it most often counts."""
    found: Peers = {}
    for rows in tables:
        for address, own in _by_address(rows).items():
            known = found.get(address, [])
            if len(own) > len(known):
                found[address] = own
            elif len(own) == len(known) == 1:
                found[address] = [_filled(known[0], own[0])]
    return [peer for peers in found.values() for peer in peers]


def _by_address(rows: Iterable[Fact]) -> Peers:
    found: Peers = {}
    for row in rows:
        if isinstance(row, BgpPeer):
            found.setdefault(row.remote_address, []).append(row)
    return found


def _filled(peer: BgpPeer, other: BgpPeer) -> BgpPeer:
    said = {name: getattr(other, name) for name in _MAY_LACK if getattr(peer, name) is None}
    return dataclasses.replace(peer, **said)


_MAY_LACK = ("remote_as", "admin_up", "transitions", "established_s")
