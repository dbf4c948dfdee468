"""The vocabulary: what every room of the house calls a thing.

All times inside are seconds of the monotonic clock (``at``), except where a name says ``utc`` (seconds since the
epoch). Units stand in names. Everything here is immutable.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from kpi.gear import Facts, Inventory, Readings


class Outcome(StrEnum):
    """How a measurement ended. Only NO_REPLY counts against the target."""

    OK = "ok"
    NO_REPLY = "no_reply"
    """Loss: nothing in time, or an ICMP error that quotes our own echo (``reason`` says which)."""
    REFUSED = "refused"
    """The target itself answered no."""
    AGENT_FAULT = "agent_fault"
    """The probe could not measure: send failed twice, permission missing, buffer overflow. Lowers coverage only."""
    SKIPPED = "skipped"
    """Not measured: the previous run was still going, or the deadline had passed. Lowers coverage only."""


class State(StrEnum):
    """What is known of an entity at a time (kpi/README.md R1). UNKNOWN is neither up nor down."""

    UP = "up"
    DOWN = "down"
    UNKNOWN = "unknown"
    MAINTENANCE = "maintenance"


class Role(StrEnum):
    """What a device does at the site; sets the default echo interval and the weight in site scores."""

    GATEWAY = "gateway"
    ROUTER = "router"
    SWITCH = "switch"
    ACCESS_POINT = "access-point"
    CONTROLLER = "controller"
    SERVER = "server"
    UPS = "ups"
    PRINTER = "printer"
    CAMERA = "camera"
    ENDPOINT = "endpoint"
    INTERNET = "internet"


class NullReason(StrEnum):
    """Why a figure is null (kpi/README.md R11). A figure is never 0 for want of knowledge."""

    NO_DATA = "no_data"
    UNSUPPORTED = "unsupported"
    AUTH = "auth"
    INSUFFICIENT = "insufficient"


class Status(StrEnum):
    """A figure against its thresholds (kpi/README.md R10); NONE where too little is known to say."""

    GOOD = "good"
    WARN = "warn"
    BAD = "bad"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Device:
    """A thing at the site. ``id`` is minted once and never changes; addresses do."""

    id: str
    name: str
    role: Role
    address: str
    parents: tuple[str, ...] = ()
    """Ids of the devices the probe reaches this one through; any one of them being up is enough."""


@dataclass(frozen=True, slots=True)
class Target:
    """One thing to measure on a schedule: a device by one collector."""

    id: str
    device: str
    collector: str
    address: str
    interval_s: float
    deadline_s: float


@dataclass(frozen=True, slots=True)
class PortIdentity:
    """The static columns of one interface (IF-MIB ifTable, ifXTable). ``key`` is what survives a renumbered ifIndex:
    ifName, else ifDescr, made unique with the MAC address or the index (kpi/README.md R12)."""

    key: str
    index: int
    name: str
    descr: str
    alias: str
    if_type: int | None
    mtu: int | None
    speed_bps: int | None
    mac: str | None


@dataclass(frozen=True, slots=True)
class PortStatus:
    """ifAdminStatus and ifOperStatus as RFC 2863 names them ("up", "down", "testing", "unknown", "dormant",
    "notPresent", "lowerLayerDown"), and ifLastChange in hundredths of a second of sysUpTime."""

    admin: str | None
    oper: str | None
    last_change_cs: int | None
    uptime_cs: int | None
    """sysUpTime of the same PDU, None where the agent has none."""


@dataclass(frozen=True, slots=True)
class PortCounters:
    """Counter readings of one interface in one PDU. ``bits`` tells the width (32 or 64) of octets and of packets.
    None is "this agent does not have it"; 0 is a reading."""

    uptime_cs: int | None
    discontinuity_cs: int | None
    """ifCounterDiscontinuityTime, None where absent."""
    octet_bits: int
    packet_bits: int
    in_octets: int | None
    out_octets: int | None
    in_unicast: int | None
    out_unicast: int | None
    in_multicast: int | None
    out_multicast: int | None
    in_broadcast: int | None
    out_broadcast: int | None
    in_errors: int | None
    out_errors: int | None
    in_discards: int | None
    out_discards: int | None


@dataclass(frozen=True, slots=True)
class SystemReading:
    """The system group (SNMPv2-MIB) with what tells a reboot from a restarted agent (kpi/README.md R7)."""

    uptime_cs: int | None
    engine_boots: int | None = None
    host_uptime_cs: int | None = None
    object_id: str | None = None
    descr: str | None = None
    name: str | None = None
    location: str | None = None
    contact: str | None = None


Value = float | int | str | PortIdentity | PortStatus | PortCounters | SystemReading | Inventory | Readings | Facts


@dataclass(frozen=True, slots=True)
class Sample:
    """One measurement.

    ``metric`` is one of the names in ``Metric``; ``instance`` the port key, or "" where the target has only one.
    ``at`` is when the question was sent, in seconds of the monotonic clock. ``value`` is None unless ``outcome`` is
    OK. ``number`` is the running number within target and metric (for an echo: consecutive, never wraps).
    """

    target: str
    metric: str
    instance: str
    at: float
    value: Value | None
    outcome: Outcome
    reason: str | None = None
    number: int = 0


class Metric:
    """The metric names a Sample may carry, with the type of its value."""

    ECHO = "echo"  # float, round trip in ms
    CONFIRM = "confirm"  # float, round trip in ms; counts for state alone
    SNMP = "snmp"  # float, seconds the poll took; OK, NO_REPLY, REFUSED: did the SNMP agent answer
    SYSTEM = "system"  # SystemReading
    PORT_IDENTITY = "port_identity"  # PortIdentity
    PORT_STATUS = "port_status"  # PortStatus
    PORT_COUNTERS = "port_counters"  # PortCounters
    INVENTORY = "inventory"  # kpi.gear.Inventory, where new or changed
    READINGS = "readings"  # kpi.gear.Readings: those tables of the device that were read in this poll
    FACTS = "facts"  # kpi.gear.Facts, one sample a sort
    LINK = "link"  # int, 1 where the probe's own link has carrier


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """[start_utc, start_utc + length_s), aligned to its length in UTC (kpi/README.md R3)."""

    start_utc: int
    length_s: int

    @property
    def end_utc(self) -> int:
        return self.start_utc + self.length_s


@dataclass(frozen=True, slots=True)
class Figure:
    """One KPI value over one window: ``value`` is None exactly where ``null_reason`` is set."""

    kpi: str
    value: float | None
    null_reason: NullReason | None = None
    n: int = 0
    """How many measurements (or checks) stand behind it."""
    status: Status = Status.NONE
    parts: Mapping[str, float | None] = field(default_factory=dict)
    """Companions by name with their unit in the name: min_ms, p95_ms, longest_run, ..."""
    flags: tuple[str, ...] = ()
    coverage: float | None = 1.0
    """The share of the window that is known of what this figure is made from, 0..1 (rule R3); None where nothing
    was due."""


@dataclass(frozen=True, slots=True)
class Summary:
    """The figures of one entity over one window. ``coverage`` = known seconds / (W - maintenance), 0..1."""

    entity: str
    """A device id, or one of kpi.entities."""
    window: Window
    revision: int
    final: bool
    coverage: float
    figures: tuple[Figure, ...]
    sketches: Mapping[str, tuple[int, tuple[int, ...]]] = field(default_factory=dict)
    values: Mapping[str, tuple[tuple[float, int], ...]] = field(default_factory=dict)
    """By figure name, how often each value was seen, of quantities that have few values (kpi/README.md R9)."""


@dataclass(frozen=True, slots=True)
class Incident:
    """Something wrong with a beginning, perhaps an end, a cause, and the devices it hides."""

    id: str
    kind: str
    entity: str
    cause: str
    opened_utc: float
    closed_utc: float | None = None
    hides: tuple[str, ...] = ()
