"""What watching one device costs: first contact, then what an hour of polls takes, told from one poll of each sort."""

from dataclasses import dataclass

from collectors.clock import Clock
from collectors.snmp.collector import SnmpCollector
from collectors.snmp.contact import Client
from collectors.snmp.device import DeviceSettings
from collectors.snmp.gear.library import Library
from kpi.model import Target

HOUR_S = 3600.0
_TARGET = "cost"


@dataclass(frozen=True, slots=True)
class Spent:
    """Requests, and varbinds and octets of their answers. A request and its answer are two packets."""

    requests: int
    varbinds: int
    octets: int

    def minus(self, other: "Spent") -> "Spent":
        return Spent(self.requests - other.requests, self.varbinds - other.varbinds, self.octets - other.octets)


@dataclass(frozen=True, slots=True)
class Cost:
    """One device: its first contact, a poll of states, one with counters and sensors, the hourly one that looks for new
    rows, and an hour of them all."""

    first_contact: Spent
    status: Spent
    counters: Spent
    hourly: Spent
    packets_a_minute: float
    """Both ways together, averaged over an hour after first contact."""
    varbinds_a_minute: float


class _Ahead:
    """A clock that can be set ahead, so that a poll is due at once; sleeping is real."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.by_s = 0.0
        self.sleep = clock.sleep
        self.utc = clock.utc
        self.utc_ns = clock.utc_ns

    def monotonic(self) -> float:
        return self._clock.monotonic() + self.by_s

    def monotonic_ns(self) -> int:
        return self._clock.monotonic_ns() + round(self.by_s * 1e9)


async def cost_of(
    client: Client, clock: Clock, address: str, settings: DeviceSettings, library: Library, *, deadline_s: float
) -> Cost:
    """Polls the device eight times in a row, as if at their times; of each sort the last counts, when the size of the
    requests has settled."""
    ahead = _Ahead(clock)
    collector = SnmpCollector(client, ahead, {_TARGET: settings}, library)
    target = Target(_TARGET, _TARGET, "snmp", address, settings.status_s, deadline_s)
    found: dict[str, Spent] = {}
    for sort, at in _polls(settings):
        before = _spent(collector)
        ahead.by_s = at
        await collector.collect(target)
        found[sort] = _spent(collector).minus(before)
    status, counters, hourly = found["status"], found["counters"], found["hourly"]
    with_counters = HOUR_S / settings.counters_s - 1
    alone = HOUR_S / settings.status_s - with_counters - 1

    def a_minute(status_: int, counters_: int, hourly_: int) -> float:
        return round((alone * status_ + with_counters * counters_ + hourly_) / 60, 2)

    return Cost(
        found["first"],
        status,
        counters,
        hourly,
        packets_a_minute=2 * a_minute(status.requests, counters.requests, hourly.requests),
        varbinds_a_minute=a_minute(status.varbinds, counters.varbinds, hourly.varbinds),
    )


def _polls(settings: DeviceSettings) -> list[tuple[str, float]]:
    """Sorts of polls with their times."""
    step, long = settings.status_s, settings.counters_s
    return [
        ("first", 0.0),
        ("status", step),
        ("status", 2 * step),
        ("counters", long),
        ("status", long + step),
        ("counters", 2 * long),
        ("status", 2 * long + step),
        ("hourly", HOUR_S),
    ]


def _spent(collector: SnmpCollector) -> Spent:
    tally = collector.tally
    return Spent(tally.requests, tally.varbinds, tally.octets)
