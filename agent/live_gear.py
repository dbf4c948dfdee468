"""What a device tells beyond its ports, as the API and the page show it: documents as in agent/live.py."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ModelNow:
    """Which device it is, in two words."""

    vendor: str | None
    model: str | None


@dataclass(frozen=True, slots=True)
class GearNow:
    """The few of a device's readings that stand on the first screen; null: it does not tell, or does not answer now."""

    at: str
    """When it told anything beyond its ports last."""
    has_wifi: bool
    """It has told of wireless clients since the agent began."""
    has_battery: bool
    """The same of whether it runs on battery."""
    wifi_clients: int | None
    on_battery: bool | None
    on_battery_since: str | None
    battery_low: bool
    battery_runtime_min: float | None
    battery_charge_pct: float | None


@dataclass(frozen=True, slots=True)
class InventoryNow:
    """Who the device is, as far as its agent tells."""

    profile: str | None
    """The file below config/profiles it was recognised by; "standard" where only standard MIBs are read."""
    vendor: str | None
    model: str | None
    firmware: str | None
    serial: str | None


@dataclass(frozen=True, slots=True)
class ReadingNow:
    """One value of one kind (kpi/gear.py:Kind). ``unit``: a UCUM code, "1" for a count. ``limit``: what must not be
    exceeded by the device's word; for the air that goes in at most 32 °C. ``status``: "good", "warn", "bad" at this
    moment, "none" where nothing can be said (kpi/gear_status.py). ``port``: the index of the port it belongs to. What
    is read of single Wi-Fi clients (``client_rssi``, ``client_snr``) comes as the median of all of them, without a
    name."""

    kind: str
    name: str
    value: float
    unit: str
    limit: float | None
    port: int | None
    at: str
    status: str


@dataclass(frozen=True, slots=True)
class ClientNow:
    """One wireless client, as its access point hears it. ``id`` is a keyed hash of its MAC address: the same at every
    access point of the site, and of no use without the key, which stays on the box."""

    id: str
    rssi_dbm: float | None
    snr_db: float | None
    at: str


@dataclass(frozen=True, slots=True)
class NeighborNow:
    """Who is at the other end of a port's cable, as LLDP, CDP or a kin of it tells. ``device``: its id where it is one
    of those that are watched. Of telephones and computers, port, chassis and what is a MAC address in a name are keyed
    hashes."""

    protocol: str
    local_port: str
    remote_name: str
    remote_port: str
    remote_chassis: str
    remote_address: str
    remote_descr: str
    device: str | None


@dataclass(frozen=True, slots=True)
class BgpPeerNow:
    """A BGP peer; ``state`` as in RFC 4273, lower-case."""

    remote_address: str
    remote_as: int | None
    state: str
    admin_up: bool | None
    established_s: int | None


@dataclass(frozen=True, slots=True)
class OspfNeighborNow:
    """An OSPF neighbour; ``state`` as in RFC 4750: "full", "twoWay", ..."""

    router_id: str
    address: str
    state: str


@dataclass(frozen=True, slots=True)
class StpNow:
    """The spanning tree as this device sees it."""

    designated_root: str
    device: str | None
    """The root's id where it is one of those that are watched; it may be this device itself."""
    topology_changes: int | None
    since_change_s: float | None
