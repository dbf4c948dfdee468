"""The simulated site: a small restaurant with rooms upstairs. config/demo.toml tells the agent of the same devices.

Within the first two minutes: from 8 s on a cable at port 14 of the upper switch comes loose again and again; from 30 s
to 70 s the access point in the garden has no power (and its port no link), then it has restarted; Wi-Fi fills up; from
95 s to 135 s the printer is off for a service that is planned from 90 s to 150 s, so that it is under maintenance and
nothing of it counts; at 150 s, and every quarter of an hour, the gateway has a hiccup. From 210 s to 255 s, and every
twenty minutes, the mains is away and the UPS runs on its battery.
"""

from dataclasses import dataclass

from agent.demo.behaviour import Cycle, Traffic, Wave, day
from kpi.model import Role

DAY_S = 86400.0
ETHERNET, RADIO, LOOPBACK, OTHER = 6, 71, 24, 1
"""ifType (IANAifType-MIB)."""
WITH_MAC = frozenset({ETHERNET, RADIO})

QUIET = Traffic(0.0)
LOOSE_CABLE = Cycle(first_s=8.0, every_s=24.0, lasts_s=11.0)
NO_POWER = Cycle(first_s=30.0, every_s=600.0, lasts_s=40.0)
MAINS_AWAY = Cycle(first_s=210.0, every_s=1200.0, lasts_s=45.0)
HICCUP = Cycle(first_s=150.0, every_s=900.0, lasts_s=5.0)
SERVICED = Cycle(first_s=95.0, every_s=DAY_S, lasts_s=40.0)
PLANNED_WORK = (90.0, 150.0)
"""Seconds from the demo's beginning; of the printer."""
WIFI_S = 240.0
"""Guests come and go."""


@dataclass(frozen=True, slots=True)
class Line:
    """How a device's echoes fare: a lognormal delay around ``median_ms``, now and then a spike, now and then a loss."""

    median_ms: float
    spread: float = 0.2
    """Standard deviation of the delay's logarithm."""
    loss: float = 0.0002
    spike: float = 0.005
    """Share of echoes that take up to six times as long."""
    waves: tuple[Wave, ...] = ()
    """How the median moves."""
    hiccup: Cycle | None = None


@dataclass(frozen=True, slots=True)
class Port:
    """One interface. ``down`` is when it has no link though it is switched on."""

    index: int
    name: str
    descr: str
    alias: str = ""
    kind: int = ETHERNET
    speed_bps: int = 1_000_000_000
    inward: Traffic = QUIET
    outward: Traffic = QUIET
    linked: bool = True
    enabled: bool = True
    down: Cycle | None = None
    error_share: float = 0.0
    """Of the packets that come in."""
    far: tuple[str, int] | None = None
    """Device and port at the other end of its cable; told at one end."""
    poe_w: float = 0.0
    """Power that it gives while it has a link."""

    @property
    def has_mac(self) -> bool:
        return self.kind in WITH_MAC

    def has_link(self, t: float) -> bool:
        """Whether it is up at ``t``."""
        return self.linked and self.enabled and not (self.down is not None and self.down.active(t))


@dataclass(frozen=True, slots=True)
class Radio:
    """One Wi-Fi radio: the port it is, and its guests."""

    port: int
    ssid: str
    channel: int
    most_clients: int


@dataclass(frozen=True, slots=True)
class Sensor:
    """A thermometer ("celsius") or a fan ("rpm"), and how it breathes."""

    name: str
    unit: str
    mean: float
    share: float = 0.03
    period_s: float = 240.0


@dataclass(frozen=True, slots=True)
class Disk:
    """Something that fills: a disk, or "Physical memory"."""

    name: str
    size_gib: float
    used: float
    """Share, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Supply:
    """Toner."""

    name: str
    left_pct: float


@dataclass(frozen=True, slots=True)
class Simulated:
    """One device."""

    id: str
    name: str
    role: Role
    address: str
    line: Line
    model: str = ""
    descr: str = ""
    firmware: str = ""
    serial: str = ""
    location: str = ""
    up_s: float = 12 * DAY_S
    """How long it had run when the demo began."""
    ports: tuple[Port, ...] = ()
    radios: tuple[Radio, ...] = ()
    away: Cycle | None = None
    """Without power; it begins anew when it is back."""
    snmp: bool = False
    page: bool = False
    number: int = 0
    """Makes MAC addresses and the like differ."""
    sensors: tuple[Sensor, ...] = ()
    disks: tuple[Disk, ...] = ()
    poe_w: int = 0
    """What it can give over Ethernet at most; 0: it gives none."""
    supplies: tuple[Supply, ...] = ()

    def booted_s(self, t: float) -> float:
        """When it last started."""
        back = self.away.ended_s(t) if self.away else None
        return -self.up_s if back is None else back

    def answers(self, t: float) -> bool:
        """Whether it has power at ``t``."""
        return self.away is None or not self.away.active(t)


def _switch_port(index: int, number: int, uses: dict[int, Port]) -> Port:
    if index in uses:
        return uses[index]
    name, descr = f"ge{index}", f"Ethernet port {index}"
    used = (index * 7 + number) % 10 < 6
    if not used:
        return Port(index, name, descr, linked=False, enabled=index % 11 != 0)
    share = 40_000.0 * 1.3 ** ((index * 5 + number) % 17)
    inward, outward = Traffic(share, day(index / 17)), Traffic(share * 4, day(index / 17 + 0.05))
    phone_w = 2.6 if index % 2 else 0.0
    return Port(index, name, descr, f"Desk {index}", ETHERNET, 1_000_000_000, inward, outward, poe_w=phone_w)


def _towards(index: int, other: Simulated, port: int, *, down: Cycle | None = None, poe_w: float = 0.0) -> Port:
    """A port whose cable ends at that port of ``other``: what goes out here comes in there."""
    there = next(p for p in other.ports if p.index == port)
    name, descr = f"ge{index}", f"Ethernet port {index}"
    far = other.id, port
    return Port(
        index, name, descr, other.name, ETHERNET, there.speed_bps, there.outward, there.inward, down=down, far=far,
        poe_w=poe_w,
    )  # fmt: skip


def _switch(number: int, ports: int, uses: list[Port]) -> tuple[Port, ...]:
    by_index = {port.index: port for port in uses}
    return tuple(_switch_port(index, number, by_index) for index in range(1, ports + 1))


def _access_point(number: int, name: str, where: str, most: int, away: Cycle | None = None) -> Simulated:
    crowd = (Wave(0.85, WIFI_S, -0.25),)
    ports = (
        Port(1, "eth0", "Ethernet uplink", "Uplink", ETHERNET, 10**9, Traffic(9e6, crowd), Traffic(2e6, crowd)),
        Port(2, "wlan0", "2.4 GHz radio", "Guests", RADIO, 300_000_000, Traffic(6e5, crowd), Traffic(3e6, crowd)),
        Port(3, "wlan1", "5 GHz radio", "Guests", RADIO, 1_200_000_000, Traffic(14e5, crowd), Traffic(6e6, crowd)),
    )
    return Simulated(
        id=slug_of(name), name=name, role=Role.ACCESS_POINT, address=f"127.20.0.{number}", number=number,
        location=where,
        line=Line(1.1, 0.35, loss=0.0005, spike=0.02, waves=crowd),
        model="XA-2", descr="Example Networks XA-2 access point, 2 radios", firmware="23.05.3",
        serial=f"XA2{number:05d}", up_s=31 * DAY_S, ports=ports, away=away, snmp=True, page=True,
        radios=(Radio(2, "guests", 6, most // 3), Radio(3, "guests", 44, most - most // 3)),
    )  # fmt: skip


def slug_of(name: str) -> str:
    """The id that the agent makes of a name (agent/settings/types.py:slug)."""
    return name.lower().replace(" ", "-")


def _internet(number: int, median_ms: float) -> Simulated:
    name = f"Internet {number}"
    busy = (Wave(0.25, 1200.0, 0.1), Wave(0.2, 90.0, 0.2))
    line = Line(median_ms, 0.12, loss=0.0005, spike=0.005, waves=busy, hiccup=HICCUP)
    return Simulated(slug_of(name), name, Role.INTERNET, f"127.20.9.{number}", line)


GATEWAY = Simulated(
    id="gateway", name="Gateway", role=Role.GATEWAY, address="127.20.0.1", number=1, location="Cellar, rack",
    line=Line(0.7, 0.25, hiccup=HICCUP), model="XR-1", descr="Example Networks XR-1 router", firmware="22.3.4",
    serial="XR100017", up_s=48 * DAY_S, snmp=True, page=True, sensors=(Sensor("Processor", "celsius", 58.0),),
    disks=(Disk("Physical memory", 1.0, 0.46), Disk("Flash", 4.0, 0.21)),
    ports=(
        Port(1, "wan", "Fibre to the provider", "Internet 300/100", ETHERNET, 10**9,
             Traffic(38e6, day(0.1)), Traffic(7e6, day(0.1))),
        Port(2, "lan", "House network", "To the switch", ETHERNET, 10**9,
             Traffic(7e6, day(0.1)), Traffic(38e6, day(0.1))),
        Port(3, "lan2", "Free", "", ETHERNET, 10**9, linked=False),
        Port(4, "lo", "Loopback", "", LOOPBACK, 0),
    ),
)  # fmt: skip

SERVER = Simulated(
    id="file-server", name="File server", role=Role.SERVER, address="127.20.0.20", number=20, location="Cellar, rack",
    line=Line(0.4, 0.35), model="XT-4", descr="Example file server, 4 disks", firmware="12.7", serial="XT400003",
    up_s=19 * DAY_S, snmp=True, page=True,
    sensors=(Sensor("Air inlet", "celsius", 24.0), Sensor("Processor", "celsius", 47.0, 0.08, 110.0),
             Sensor("Disk 1", "celsius", 36.0), Sensor("Disk 2", "celsius", 37.5), Sensor("Fan", "rpm", 1450.0)),
    disks=(Disk("Physical memory", 16.0, 0.61), Disk("/", 64.0, 0.34), Disk("/data", 3600.0, 0.81)),
    ports=(
        Port(1, "lo", "Loopback", "", LOOPBACK, 0),
        Port(2, "eth0", "Ethernet", "", ETHERNET, 10**9, Traffic(21e6, day(0.33)), Traffic(5e6, day(0.33))),
    ),
)  # fmt: skip

UPS = Simulated(
    id="ups", name="UPS", role=Role.UPS, address="127.20.0.30", number=30, location="Cellar, rack",
    line=Line(2.2, 0.3), model="XU-1500", descr="Example Power XU-1500, network card", firmware="3.0",
    serial="XU150011", up_s=203 * DAY_S, snmp=True, page=True,
    ports=(Port(1, "eth0", "Network card", "", ETHERNET, 10**8, Traffic(4e3), Traffic(1e3)),),
)  # fmt: skip

PRINTER = Simulated(
    id="printer", name="Printer", role=Role.PRINTER, address="127.20.0.40", number=40, location="First floor, office",
    line=Line(1.7, 0.4, loss=0.0005, spike=0.02), model="XP-7", descr="Example Printing XP-7", firmware="1.18",
    serial="XP700123", up_s=3 * DAY_S, snmp=True, page=True, away=SERVICED,
    supplies=(Supply("Black toner", 62.0), Supply("Cyan toner", 12.0), Supply("Magenta toner", 47.0),
              Supply("Yellow toner", 71.0)),
    ports=(Port(1, "eth0", "Ethernet", "", ETHERNET, 10**8, Traffic(3e4, day(0.7)), Traffic(8e3, day(0.7))),),
)  # fmt: skip

CAMERA = Simulated(
    id="camera-entrance", name="Camera entrance", role=Role.CAMERA, address="127.20.0.50", number=50,
    line=Line(1.3, 0.4, loss=0.0005), model="XC-2", page=True,
)  # fmt: skip

RECEPTION = _access_point(11, "Access point reception", "Reception", 18)
HALL = _access_point(12, "Access point hall", "Hall", 42)
GARDEN = _access_point(13, "Access point garden", "Garden", 30, NO_POWER)

BETWEEN = Traffic(9e6, day(0.3)), Traffic(12e6, day(0.3))
"""Between the two switches, towards the lower one and away from it."""

UPPER = Simulated(
    id="switch-first-floor", name="Switch first floor", role=Role.SWITCH, address="127.20.0.3", number=3,
    location="First floor, corridor", line=Line(0.6, 0.3), model="XS-24", firmware="9.1.0", serial="XS240007",
    descr="Example Networks XS-24 switch, 24 ports", up_s=203 * DAY_S, snmp=True, page=True, poe_w=190,
    sensors=(Sensor("Air inlet", "celsius", 26.0), Sensor("Processor", "celsius", 55.0)),
    ports=_switch(3, 24, [
        Port(1, "ge1", "Ethernet port 1", "Switch ground floor", ETHERNET, 10**9, BETWEEN[1], BETWEEN[0]),
        _towards(4, PRINTER, 1),
        Port(14, "ge14", "Ethernet port 14", "Office, loose cable", ETHERNET, 10**9, Traffic(8e5, day(0.3)),
             Traffic(3e6, day(0.3)), down=LOOSE_CABLE, error_share=0.004),
    ]),
)  # fmt: skip

LOWER = Simulated(
    id="switch-ground-floor", name="Switch ground floor", role=Role.SWITCH, address="127.20.0.2", number=2,
    location="Cellar, rack", line=Line(0.5, 0.3), model="XS-48", descr="Example Networks XS-48 switch, 48 ports",
    firmware="9.1.0", serial="XS480042", up_s=203 * DAY_S, snmp=True, page=True, poe_w=370,
    sensors=(Sensor("Air inlet", "celsius", 23.0), Sensor("Processor", "celsius", 51.0), Sensor("Fan 1", "rpm", 4200.0),
             Sensor("Fan 2", "rpm", 4150.0)),
    ports=_switch(2, 48, [
        _towards(1, GATEWAY, 2), _towards(2, UPPER, 1), _towards(3, SERVER, 2), _towards(5, RECEPTION, 1, poe_w=9.5),
        _towards(6, HALL, 1, poe_w=13.0), _towards(7, GARDEN, 1, down=NO_POWER, poe_w=11.0), _towards(8, UPS, 1),
        Port(9, "ge9", "Ethernet port 9", "Camera entrance", ETHERNET, 10**8, Traffic(4e6, day(0.6)), Traffic(2e4),
             poe_w=6.2),
    ]),
)  # fmt: skip

SITE: tuple[Simulated, ...] = (
    GATEWAY,
    LOWER,
    UPPER,
    RECEPTION,
    HALL,
    GARDEN,
    SERVER,
    UPS,
    PRINTER,
    CAMERA,
    _internet(1, 9.0),
    _internet(2, 14.0),
    _internet(3, 21.0),
)
