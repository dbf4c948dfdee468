"""What a device's own agent tells beyond its ports: readings of named kinds, neighbours, routing and bridge states.

Values carry the unit of their kind (``UNITS``). Everything here is immutable; None is "this agent does not say".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What a ``Reading`` measures."""

    # wireless
    CLIENTS = "clients"
    AP_COUNT = "ap_count"
    """Access points that are connected to a controller."""
    AP_REGISTERED = "ap_registered"
    """Access points that a controller knows, connected or not."""
    RSSI = "rssi"
    """What an end of a fixed link, or a station of a bridge, receives."""
    CLIENT_RSSI = "client_rssi"
    """What the access point hears of one client."""
    SNR = "snr"
    CLIENT_SNR = "client_snr"
    SINR = "sinr"
    NOISE_FLOOR = "noise_floor"
    CHANNEL_UTILIZATION = "channel_utilization"
    CHANNEL_SELF_TX = "channel_self_tx"
    CHANNEL_SELF_RX = "channel_self_rx"
    CHANNEL_INTERFERENCE = "channel_interference"
    FREQUENCY = "frequency"
    CHANNEL = "channel"
    TX_POWER = "tx_power"
    RX_POWER = "rx_power"
    BITRATE = "bitrate"
    TX_BITRATE = "tx_bitrate"
    RX_BITRATE = "rx_bitrate"
    QUALITY = "quality"
    CCQ = "ccq"
    DISTANCE = "distance"
    RSRP = "rsrp"
    RSRQ = "rsrq"
    DOT11_RETRIES = "dot11_retries"
    DOT11_TRANSMITTED = "dot11_transmitted"
    DOT11_FAILED = "dot11_failed"
    DOT11_FCS_ERRORS = "dot11_fcs_errors"
    DOT11_RECEIVED = "dot11_received"
    # sensors
    TEMPERATURE = "temperature"
    VOLTAGE = "voltage"
    CURRENT = "current"
    POWER = "power"
    FAN_SPEED = "fan_speed"
    HUMIDITY = "humidity"
    BATTERY_CHARGE = "battery_charge"
    BATTERY_RUNTIME = "battery_runtime"
    LOAD = "load"
    # power
    ON_BATTERY = "on_battery"
    """1 while the output comes from the battery, else 0."""
    BATTERY_LOW = "battery_low"
    """1 while the battery is low or depleted, else 0."""
    ON_BATTERY_SECONDS = "on_battery_seconds"
    LINE_BADS = "line_bads"
    """Counter of input failures (upsInputLineBads)."""
    SELF_TEST_FAILED = "self_test_failed"
    POE_NOMINAL = "poe_nominal"
    POE_USED = "poe_used"
    # resources
    CPU_USED = "cpu_used"
    MEMORY_USED = "memory_used"
    STORAGE_USED = "storage_used"
    SUPPLY_LEVEL = "supply_level"


UNITS: Mapping[Kind, str] = {
    Kind.CLIENTS: "1", Kind.AP_COUNT: "1", Kind.AP_REGISTERED: "1",
    Kind.RSSI: "dBm", Kind.CLIENT_RSSI: "dBm", Kind.SNR: "dB", Kind.CLIENT_SNR: "dB", Kind.SINR: "dB",
    Kind.NOISE_FLOOR: "dBm", Kind.CHANNEL_UTILIZATION: "%", Kind.CHANNEL_SELF_TX: "%", Kind.CHANNEL_SELF_RX: "%",
    Kind.CHANNEL_INTERFERENCE: "%", Kind.FREQUENCY: "MHz", Kind.CHANNEL: "1", Kind.TX_POWER: "dBm",
    Kind.RX_POWER: "dBm", Kind.BITRATE: "bit/s", Kind.TX_BITRATE: "bit/s", Kind.RX_BITRATE: "bit/s",
    Kind.QUALITY: "%", Kind.CCQ: "%", Kind.DISTANCE: "km", Kind.RSRP: "dBm", Kind.RSRQ: "dB",
    Kind.DOT11_RETRIES: "1", Kind.DOT11_TRANSMITTED: "1", Kind.DOT11_FAILED: "1", Kind.DOT11_FCS_ERRORS: "1",
    Kind.DOT11_RECEIVED: "1",
    Kind.TEMPERATURE: "Cel", Kind.VOLTAGE: "V", Kind.CURRENT: "A", Kind.POWER: "W", Kind.FAN_SPEED: "rpm",
    Kind.HUMIDITY: "%", Kind.BATTERY_CHARGE: "%", Kind.BATTERY_RUNTIME: "min", Kind.LOAD: "%",
    Kind.ON_BATTERY: "1", Kind.BATTERY_LOW: "1", Kind.ON_BATTERY_SECONDS: "s", Kind.LINE_BADS: "1",
    Kind.SELF_TEST_FAILED: "1", Kind.POE_NOMINAL: "W", Kind.POE_USED: "W",
    Kind.CPU_USED: "%", Kind.MEMORY_USED: "%", Kind.STORAGE_USED: "%", Kind.SUPPLY_LEVEL: "%",
}  # fmt: skip
"""The unit of each kind: UCUM codes, "1" for a count."""

_COUNT = (0.0, 2.0**64)
_SHARE = (0.0, 100.0)
_FLAG = (0.0, 1.0)
_DBM = (-127.0, 60.0)
"""Received and sent power; -128 is what eight bits have for "nothing"."""
_DB = (-60.0, 120.0)
_BIT_S = (0.0, 1e13)

RANGES: Mapping[Kind, tuple[float, float]] = {
    Kind.CLIENTS: (0.0, 100_000.0), Kind.AP_COUNT: (0.0, 100_000.0), Kind.AP_REGISTERED: (0.0, 100_000.0),
    Kind.RSSI: _DBM, Kind.CLIENT_RSSI: _DBM, Kind.SNR: _DB, Kind.CLIENT_SNR: _DB, Kind.SINR: _DB,
    Kind.NOISE_FLOOR: _DBM, Kind.CHANNEL_UTILIZATION: _SHARE, Kind.CHANNEL_SELF_TX: _SHARE,
    Kind.CHANNEL_SELF_RX: _SHARE, Kind.CHANNEL_INTERFERENCE: _SHARE,
    Kind.FREQUENCY: (0.0, 350_000.0), Kind.CHANNEL: (0.0, 3_300_000.0),
    Kind.TX_POWER: _DBM, Kind.RX_POWER: _DBM, Kind.BITRATE: _BIT_S, Kind.TX_BITRATE: _BIT_S, Kind.RX_BITRATE: _BIT_S,
    Kind.QUALITY: _SHARE, Kind.CCQ: _SHARE, Kind.DISTANCE: (0.0, 50_000.0), Kind.RSRP: (-160.0, 0.0),
    Kind.RSRQ: (-60.0, 30.0),
    Kind.DOT11_RETRIES: _COUNT, Kind.DOT11_TRANSMITTED: _COUNT, Kind.DOT11_FAILED: _COUNT,
    Kind.DOT11_FCS_ERRORS: _COUNT, Kind.DOT11_RECEIVED: _COUNT,
    Kind.TEMPERATURE: (-120.0, 1_000.0), Kind.VOLTAGE: (-50_000.0, 50_000.0), Kind.CURRENT: (-50_000.0, 50_000.0),
    Kind.POWER: (-1e7, 1e7), Kind.FAN_SPEED: (0.0, 60_000.0), Kind.HUMIDITY: _SHARE, Kind.BATTERY_CHARGE: _SHARE,
    Kind.BATTERY_RUNTIME: (0.0, 43_200.0), Kind.LOAD: (0.0, 500.0),
    Kind.ON_BATTERY: _FLAG, Kind.BATTERY_LOW: _FLAG, Kind.ON_BATTERY_SECONDS: _COUNT, Kind.LINE_BADS: _COUNT,
    Kind.SELF_TEST_FAILED: _FLAG, Kind.POE_NOMINAL: (0.0, 1e6), Kind.POE_USED: (0.0, 1e6),
    Kind.CPU_USED: _SHARE, Kind.MEMORY_USED: _SHARE, Kind.STORAGE_USED: _SHARE, Kind.SUPPLY_LEVEL: _SHARE,
}  # fmt: skip
"""The least and the most that a reading of each kind can be, in its unit; generous, for it tells readings from
nonsense, not good from bad. NR-ARFCN ends at 3,279,165 (3GPP TS 38.104), a UPS that runs for 30 days does not exist."""

WIRELESS = (
    Kind.CLIENTS, Kind.AP_COUNT, Kind.RSSI, Kind.SNR, Kind.SINR, Kind.NOISE_FLOOR, Kind.CHANNEL_UTILIZATION,
    Kind.FREQUENCY, Kind.CHANNEL, Kind.TX_POWER, Kind.RX_POWER, Kind.BITRATE, Kind.TX_BITRATE, Kind.RX_BITRATE,
    Kind.QUALITY, Kind.CCQ, Kind.DISTANCE, Kind.RSRP, Kind.RSRQ,
)  # fmt: skip
"""The kinds of the poll document's ``wireless``."""

LARGEST = 1e15
"""What is larger is no reading of any kind."""
PER_CLIENT = (Kind.CLIENT_RSSI, Kind.CLIENT_SNR)
"""Each reading is of one client."""

SENSORS = (
    Kind.TEMPERATURE, Kind.VOLTAGE, Kind.CURRENT, Kind.POWER, Kind.FAN_SPEED, Kind.HUMIDITY, Kind.BATTERY_CHARGE,
    Kind.BATTERY_RUNTIME, Kind.LOAD,
)  # fmt: skip
"""The kinds of the poll document's ``sensors``."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One value of one kind. ``instance`` tells the readings of a kind apart and stays the same between polls;
    ``name`` is for people."""

    kind: Kind
    instance: str
    name: str
    value: float
    limit: float | None = None
    """What the device itself says must not be exceeded, in the unit of the kind."""
    port: int | None = None
    """ifIndex of the interface it belongs to."""
    client: str = ""
    """Of one client's signal: the client's MAC address, or what else tells its clients apart. It does not leave the
    box."""


@dataclass(frozen=True, slots=True)
class Readings:
    """Everything a device said of itself in one poll."""

    uptime_cs: int | None
    """sysUpTime in the same poll, for counters among the readings (kpi/README.md R6)."""
    readings: tuple[Reading, ...]
    missed: Mapping[str, str]
    """Tables that should have been read and could not be, with the reason."""

    def numbers(self) -> "Readings":
        """The same without what is no reading of any kind: no number, or one that is larger than LARGEST."""
        if all(abs(reading.value) <= LARGEST for reading in self.readings):
            return self
        kept = tuple(reading for reading in self.readings if abs(reading.value) <= LARGEST)
        return Readings(self.uptime_cs, kept, self.missed)


@dataclass(frozen=True, slots=True)
class Inventory:
    """Who the device is, as far as its agent tells."""

    profile: str | None = None
    vendor: str | None = None
    model: str | None = None
    firmware: str | None = None
    serial: str | None = None


@dataclass(frozen=True, slots=True)
class Neighbor:
    """One neighbour of one port, by LLDP (802.1AB), CDP or a kin of it."""

    protocol: str
    local_port: str
    """ifName of the local port where the agent lets it be known, else what it calls the port itself."""
    remote_name: str = ""
    remote_port: str = ""
    remote_chassis: str = ""
    """The chassis id: a MAC address as "00:11:22:33:44:55", else text."""
    remote_address: str = ""
    remote_descr: str = ""
    remote_port_descr: str = ""
    remote_end: str = ""
    """Port and chassis in one, as other tools write it: "port12 (e8123456789a)"."""


AS_TRANS = 23456
"""RFC 6793 section 9."""


@dataclass(frozen=True, slots=True)
class BgpPeer:
    """A BGP peer (BGP4-MIB bgpPeerEntry, RFC 4273). ``state`` is "idle", "connect", "active", "opensent",
    "openconfirm" or "established"."""

    remote_address: str
    remote_as: int | None
    """None where the agent has AS_TRANS, which stands for a number of 32 bits that does not fit."""
    state: str
    admin_up: bool | None = None
    transitions: int | None = None
    """bgpPeerFsmEstablishedTransitions, Counter32."""
    established_s: int | None = None
    """bgpPeerFsmEstablishedTime."""


@dataclass(frozen=True, slots=True)
class OspfNeighbor:
    """An OSPF neighbour (OSPF-MIB ospfNbrEntry, RFC 4750). ``state`` is "down", "attempt", "init", "twoWay",
    "exchangeStart", "exchange", "loading" or "full"."""

    router_id: str
    address: str
    state: str
    events: int | None = None
    """ospfNbrEvents, Counter32."""


@dataclass(frozen=True, slots=True)
class OspfInterface:
    """An own interface that runs OSPF (OSPF-MIB ospfIfEntry, RFC 4750). ``state`` is "down", "loopback", "waiting",
    "pointToPoint", "designatedRouter", "backupDesignatedRouter" or "otherDesignatedRouter"."""

    address: str
    state: str


@dataclass(frozen=True, slots=True)
class Bridge:
    """The spanning tree (BRIDGE-MIB dot1dStp, RFC 4188)."""

    designated_root: str = ""
    """MAC address of the root bridge; "" where the agent does not say."""
    topology_changes: int | None = None
    since_change_cs: int | None = None


@dataclass(frozen=True, slots=True)
class Duplex:
    """dot3StatsTable of one port (EtherLike-MIB, RFC 3635). ``status`` is "unknown", "half" or "full"."""

    port: int
    """ifIndex."""
    status: str | None
    late_collisions: int | None = None
    fcs_errors: int | None = None
    alignment_errors: int | None = None


@dataclass(frozen=True, slots=True)
class Forwarding:
    """One learnt address of the forwarding table (dot1dTpFdbTable, dot1qTpFdbTable)."""

    mac: str
    port: int
    """ifIndex."""


@dataclass(frozen=True, slots=True)
class Station:
    """One wireless client of a station table. Its MAC address leaves the box as a keyed hash only."""

    mac: str
    rssi_dbm: float | None = None
    snr_db: float | None = None


Fact = Neighbor | BgpPeer | OspfNeighbor | OspfInterface | Bridge | Duplex | Forwarding | Station


@dataclass(frozen=True, slots=True)
class Facts:
    """The rows of one sort (``Neighbor``, ``BgpPeer``, ...) that one poll found, all of them or, where ``complete`` is
    False, those that were had before the walk broke off."""

    sort: str
    """One of SORTS."""
    rows: tuple[Fact, ...]
    complete: bool
    uptime_cs: int | None = None


SORTS: Mapping[str, type[Fact]] = {
    "neighbors": Neighbor,
    "bgp_peers": BgpPeer,
    "ospf_neighbors": OspfNeighbor,
    "ospf_interfaces": OspfInterface,
    "bridge": Bridge,
    "duplex": Duplex,
    "forwarding": Forwarding,
    "stations": Station,
}
"""What a profile's table may be read into besides readings."""
