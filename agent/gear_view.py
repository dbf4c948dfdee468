"""What a device tells beyond its ports, put into the documents of agent/live.py."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypedDict

from agent.latest import Client, Seen
from agent.live import FigureNow
from agent.live_gear import (
    BgpPeerNow,
    ClientNow,
    GearNow,
    InventoryNow,
    ModelNow,
    NeighborNow,
    OspfNeighborNow,
    ReadingNow,
    StpNow,
)
from agent.monitor import Track
from agent.polled import Polled
from agent.privacy import Privacy
from kpi.climate import limit_of
from kpi.gear import UNITS, Bridge, Kind, Reading
from kpi.gear_status import statuses
from kpi.model import Outcome, State, Status
from kpi.power import battery_levels_of
from kpi.topology import Link
from kpi.wireless import ByKind, clients_of

ESTABLISHED = "established"
_SUPPLY = frozenset({Kind.ON_BATTERY, Kind.ON_BATTERY_SECONDS})
Stamp = Callable[[float], str]
"""RFC 3339 of a monotonic time."""


class Beyond(TypedDict, total=False):
    """The fields of DeviceDetail that are filled here."""

    inventory: InventoryNow | None
    readings: Sequence[ReadingNow]
    clients: Sequence[ClientNow]
    neighbors: Sequence[NeighborNow]
    bgp_peers: Sequence[BgpPeerNow]
    ospf_neighbors: Sequence[OspfNeighborNow]
    stp: StpNow | None


def model_of(polled: Polled | None) -> ModelNow | None:
    """Vendor and model, as soon as they are known."""
    found = polled.latest.inventory if polled is not None else None
    return ModelNow(found.vendor, found.model) if found is not None else None


def gear_now(track: Track, now: float, stamp: Stamp) -> GearNow | None:
    """What the first screen shows of a device; None where it never told anything beyond its ports."""
    polled = track.polled
    if polled is None or polled.latest.at is None:
        return None
    told = polled.latest.told
    kinds = _by_kind(polled.latest.first_screen(now)) if answers(track) else {}
    battery, clients = battery_levels_of(kinds), clients_of(kinds).get("clients")
    supply = bool(kinds.keys() & _SUPPLY)
    since = polled.gear.on_battery_since if supply and polled.gear is not None else None
    return GearNow(
        at=stamp(polled.latest.at),
        has_wifi=Kind.CLIENTS in told,
        has_battery=bool(told & _SUPPLY),
        wifi_clients=round(clients) if clients is not None else None,
        on_battery=since is not None if supply else None,
        on_battery_since=stamp(since) if since is not None else None,
        battery_low=any(r.value > 0 for r in kinds.get(Kind.BATTERY_LOW, ())),
        battery_runtime_min=battery.get("runtime"),
        battery_charge_pct=battery.get("charge"),
    )


def sessions_now(track: Track) -> FigureNow | None:
    """How many of the BGP sessions that are switched on are established at this moment, where some are not: a session
    that is down is said at once, while the status of bgp_stability is that of an hour."""
    if track.polled is None or not answers(track):
        return None
    wanted = [peer.state == ESTABLISHED for peer in track.polled.latest.bgp_peers if peer.admin_up is not False]
    if all(wanted):
        return None
    share = 100 * sum(wanted) / len(wanted)
    return FigureNow("bgp_stability", "%", share, None, len(wanted), Status.BAD.value, {}, ("now",))


def beyond_ports(
    track: Track, everybody: Iterable[Track], now: float, *, stamp: Stamp, links: Iterable[Link], privacy: Privacy
) -> Beyond:
    """All that a device tells, for its own document, with names for clients instead of their addresses."""
    polled = track.polled
    if polled is None:
        return {}
    latest, known = polled.latest, polled.latest.inventory
    inventory = (
        InventoryNow(known.profile, known.vendor, known.model, known.firmware, known.serial)
        if known is not None
        else None
    )
    if not answers(track):
        return {"inventory": inventory}
    devices = _at_ports(track, links)
    return {
        "inventory": inventory,
        "readings": _readings(latest.readings(now), stamp, privacy),
        "clients": _clients(latest.clients(now), stamp, privacy),
        "neighbors": [
            NeighborNow(
                protocol=n.protocol,
                local_port=n.local_port,
                remote_name=n.remote_name,
                remote_port=n.remote_port,
                remote_chassis=n.remote_chassis,
                remote_address=n.remote_address,
                remote_descr=n.remote_descr,
                device=devices.get(n.local_port),
            )
            for n in map(privacy.neighbor, latest.neighbors)
            if n is not None
        ],
        "bgp_peers": [
            BgpPeerNow(p.remote_address, p.remote_as, p.state, p.admin_up, p.established_s) for p in latest.bgp_peers
        ],
        "ospf_neighbors": [OspfNeighborNow(n.router_id, n.address, n.state) for n in latest.ospf_neighbors],
        "stp": _stp(latest.bridge, everybody),
    }


def answers(track: Track) -> bool:
    """Whether what it told last still describes it: it is not gone, and its SNMP agent answered the last poll."""
    last = track.polled.last if track.polled is not None else None
    return last is not None and last.outcome is Outcome.OK and track.reach.state is not State.DOWN


def _by_kind(readings: Iterable[Reading]) -> ByKind:
    kinds: dict[Kind, list[Reading]] = {}
    for reading in readings:
        kinds.setdefault(reading.kind, []).append(reading)
    return kinds


def _clients(found: Iterable[Client], stamp: Stamp, privacy: Privacy) -> list[ClientNow]:
    if not privacy.tells:
        return []
    return [ClientNow(privacy.client(c.identity), c.rssi_dbm, c.snr_db, stamp(c.at)) for c in found]


def _readings(found: Sequence[Seen], stamp: Stamp, privacy: Privacy) -> list[ReadingNow]:
    judged = statuses([seen.reading for seen in found])
    return [
        ReadingNow(
            kind=seen.reading.kind.value,
            name=privacy.text(seen.reading.name),
            value=seen.reading.value,
            unit=UNITS[seen.reading.kind],
            limit=limit_of(seen.reading) if seen.reading.kind is Kind.TEMPERATURE else seen.reading.limit,
            port=seen.reading.port,
            at=stamp(seen.at),
            status=status.value,
        )
        for seen, status in zip(found, judged, strict=True)
    ]


def _at_ports(track: Track, links: Iterable[Link]) -> Mapping[str, str]:
    """By the name of a port, the only watched device that is linked there."""
    polled, found = track.polled, dict[str, set[str]]()
    ports = polled.ports if polled is not None else {}
    for link in links:
        for near, far in ((link.a, link.b), (link.b, link.a)):
            if near.device != track.id or not far.device:
                continue
            port = ports.get(near.port)
            names = {near.port} | ({port.identity.name, port.identity.descr} if port is not None else set())
            for name in names - {""}:
                found.setdefault(name, set()).add(far.device)
    return {name: next(iter(devices)) for name, devices in found.items() if len(devices) == 1}


def _stp(bridge: Bridge | None, everybody: Iterable[Track]) -> StpNow | None:
    if bridge is None:
        return None
    since = bridge.since_change_cs
    return StpNow(
        designated_root=bridge.designated_root,
        device=_owner(bridge.designated_root, everybody),
        topology_changes=bridge.topology_changes,
        since_change_s=since / 100 if since is not None else None,
    )


def _owner(mac: str, everybody: Iterable[Track]) -> str | None:
    """The only device that has a port with this address."""
    wanted = mac.casefold()
    found = {
        track.id
        for track in everybody
        if track.polled is not None
        and any((port.identity.mac or "").casefold() == wanted for port in track.polled.ports.values())
    }
    return found.pop() if wanted and len(found) == 1 else None
