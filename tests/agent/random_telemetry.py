"""Devices that answer anything: counters that run backwards, past each other, negative, enormous, absent, and of another
type than before. Made up from a seed, so that a failure can be had again."""

import math
from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Any

from agent.monitor import echo_id, snmp_id
from kpi.gear import (
    SORTS,
    BgpPeer,
    Bridge,
    Duplex,
    Fact,
    Facts,
    Forwarding,
    Inventory,
    Kind,
    Neighbor,
    OspfInterface,
    OspfNeighbor,
    Reading,
    Readings,
    Station,
)
from kpi.model import Metric, Outcome, PortCounters, PortIdentity, PortStatus, Role, Sample, SystemReading

ROLES = {
    "gw": Role.GATEWAY, "rt": Role.ROUTER, "sw": Role.SWITCH, "ap": Role.ACCESS_POINT, "wlc": Role.CONTROLLER,
    "srv": Role.SERVER, "ups": Role.UPS, "prn": Role.PRINTER, "cam": Role.CAMERA, "end": Role.ENDPOINT,
}  # fmt: skip
PORTS = ("ge0", "ge1", "lo0", "veth7", "x" * 200, "\u202e.1")
EXTREMES = (0, 1, -1, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**63 - 1, 2**63, 2**64 - 1, 2**64, -(2**63), 10**30)
ODD_NUMBERS = (0.0, -0.0, -1.0, 65535.0, 4294967294.0, 1e15, 1e300, -1e300, math.inf, -math.inf, math.nan)
WORDS = ("", "up", "down", "testing", "dormant", "notPresent", "lowerLayerDown", "unknown", "\x00", "sì")


class Counter:
    """One counter: it mostly rises, and does everything else that counters do."""

    def __init__(self, chance: Random) -> None:
        self._chance = chance
        self._value = chance.randrange(2**33)

    def read(self) -> int | None:
        chance, what = self._chance, self._chance.random()
        if what < 0.70:
            self._value += chance.randrange(10 ** chance.randrange(1, 12))
        elif what < 0.80:
            self._value -= chance.randrange(10 ** chance.randrange(1, 10))
        elif what < 0.86:
            self._value = chance.randrange(1000)
        elif what < 0.90:
            self._value %= 2**32
        elif what < 0.94:
            self._value = chance.choice(EXTREMES)
        elif what < 0.97:
            return None
        return self._value


class Device:
    """One device that answers anything. ``polls`` are whole answers."""

    def __init__(self, name: str, seed: str) -> None:
        self.name = name
        self._chance = Random(f"{seed} {name}")
        self._counters: dict[str, Counter] = {}
        self._booted = -self._chance.randrange(10**6)
        self._number = 0

    def echoes(self, at: float) -> Iterator[Sample]:
        """A few of those that belong between two polls."""
        for step in range(6):
            self._number += 1
            lost = self._chance.random() < 0.1
            value = None if lost else self._chance.expovariate(0.5)
            outcome = Outcome.NO_REPLY if lost else Outcome.OK
            yield Sample(echo_id(self.name), Metric.ECHO, "", at + step / 10, value, outcome, None, self._number)

    def poll(self, at: float) -> Iterator[Sample]:
        """All samples of one poll."""
        chance, what = self._chance, self._chance.random()
        outcome = Outcome.OK if what < 0.85 else chance.choice(list(Outcome))
        reason = chance.choice((None, "timeout", "unknown_user", "port_unreachable"))
        yield self._sample(Metric.SNMP, "", at, chance.random(), outcome=outcome, reason=reason)
        if outcome is not Outcome.OK:
            return
        if chance.random() < 0.02:
            self._booted = round(at)
        parts: Sequence[Callable[[float], Iterator[Sample]]] = (
            self._system, self._ports, self._inventory, self._readings, self._facts,
        )  # fmt: skip
        for part in chance.sample(parts, len(parts)):
            if chance.random() < 0.9:
                yield from part(at + chance.random())

    def _sample(  # noqa: PLR0917 - as a Sample has them
        self,
        metric: str,
        instance: str,
        at: float,
        value: Any,
        outcome: Outcome = Outcome.OK,
        reason: str | None = None,
    ) -> Sample:
        kept = value if outcome is Outcome.OK else None
        return Sample(snmp_id(self.name), metric, instance, at, kept, outcome, reason)

    def _count(self, name: str) -> int | None:
        counter = self._counters.get(name)
        if counter is None:
            counter = self._counters[name] = Counter(self._chance)
        return counter.read()

    def _uptime(self, at: float) -> int | None:
        what = self._chance.random()
        if what < 0.9:
            return round(100 * (at - self._booted)) % 2**32
        return None if what < 0.93 else self._chance.choice(EXTREMES) if what < 0.96 else 77

    def _word(self) -> str:
        return self._chance.choice(WORDS)

    def _system(self, at: float) -> Iterator[Sample]:
        boots = self._chance.choice((None, 1, 2, self._chance.choice(EXTREMES)))
        reading = SystemReading(
            self._uptime(at), boots, self._chance.choice((None, self._uptime(at))), name=self._word()
        )
        yield self._sample(Metric.SYSTEM, "", at, reading)

    def _ports(self, at: float) -> Iterator[Sample]:
        chance = self._chance
        for number, port in enumerate(PORTS, 1):
            if chance.random() < 0.2:
                identity = PortIdentity(
                    port,
                    number if chance.random() < 0.9 else chance.choice(EXTREMES),
                    port,
                    self._word(),
                    self._word(),
                    chance.choice((None, 6, 24, -5)),
                    chance.choice((None, 1500, 0)),
                    chance.choice((None, 0, 1, 10**7, 10**9, 10**10, 10**12, -1)),
                    None,
                )
                yield self._sample(Metric.PORT_IDENTITY, port, at, identity if chance.random() < 0.97 else None)
            change = chance.choice((None, 5, self._uptime(at), chance.choice(EXTREMES)))
            yield self._sample(
                Metric.PORT_STATUS, port, at, PortStatus(self._word(), self._word(), change, self._uptime(at))
            )
            values: list[Any] = [self._count(f"{port} {n}") for n in range(12)]
            counters = PortCounters(
                self._uptime(at),
                chance.choice((None, 0, 0, 0, 5)),
                chance.choice((32, 64, 64, 64)),
                chance.choice((32, 64, 64)),
                *values,
            )
            yield self._sample(Metric.PORT_COUNTERS, port, at, counters)

    def _inventory(self, at: float) -> Iterator[Sample]:
        yield self._sample(Metric.INVENTORY, "", at, Inventory(None, self._word(), self._word(), None, self._word()))

    def _readings(self, at: float) -> Iterator[Sample]:
        chance = self._chance
        found = []
        for kind in chance.sample(list(Kind), 15):
            for row in range(chance.randrange(1, 4)):
                found.append(
                    Reading(
                        kind,
                        chance.choice((f"t{row}.{kind}.{row}", f"t.{kind}", "", f"{row}")),
                        chance.choice(("inlet", "ambient", "x")),
                        self._number_of(kind),
                        chance.choice((None, 60.0, *ODD_NUMBERS)),
                        chance.choice((None, row)),
                    )
                )
        missed = {f"t{chance.randrange(4)}": "timeout"} if chance.random() < 0.1 else {}
        yield self._sample(Metric.READINGS, "", at, Readings(self._uptime(at), tuple(found), missed))

    def _number_of(self, kind: Kind) -> float:
        chance, what = self._chance, self._chance.random()
        if what < 0.1:
            return chance.choice(ODD_NUMBERS)
        if what < 0.2:
            return float(self._count(f"reading {kind}") or 0)
        return float(chance.randrange(-120, 130)) if what < 0.8 else chance.uniform(-200, 2000)

    def _facts(self, at: float) -> Iterator[Sample]:
        chance = self._chance
        for sort in chance.sample(list(SORTS), 4):
            rows = tuple(self._row(sort) for _ in range(chance.randrange(4)))
            facts = Facts(sort, rows, chance.random() < 0.9, self._uptime(at))
            yield self._sample(Metric.FACTS, sort, at, facts)

    def _row(self, sort: str) -> Fact:
        chance, n = self._chance, self._chance.randrange(4)
        address = chance.choice((f"192.0.2.{n}", "", "?", "::1", "300.1.2.3"))
        mac = f"02:00:5e:00:53:0{n}"
        made: dict[str, Callable[[], Fact]] = {
            "neighbors": lambda: Neighbor("lldp", f"ge{n}", self._word(), self._word(), mac),
            "bgp_peers": lambda: BgpPeer(
                address, chance.choice((64512, 23456, -1)), chance.choice(("established", "idle", "")),
                chance.choice((None, True, False)), self._count(f"bgp {n}"), self._count(f"since {n}"),
            ),
            "ospf_neighbors": lambda: OspfNeighbor(
                address, address, chance.choice(("full", "twoWay", "init", "")), self._count(f"ospf {n}")
            ),
            "ospf_interfaces": lambda: OspfInterface(address, chance.choice(("otherDesignatedRouter", "down", ""))),
            "bridge": lambda: Bridge(
                chance.choice((mac, "", "00:00:00:00:00:00")), self._count("stp"), self._count("since change")
            ),
            "duplex": lambda: Duplex(
                n, chance.choice(("half", "full", "unknown", None)), self._count(f"late {n}"), self._count(f"fcs {n}"),
                self._count(f"align {n}"),
            ),
            "forwarding": lambda: Forwarding(mac, n),
            "stations": lambda: Station(mac, chance.choice(ODD_NUMBERS), chance.choice(ODD_NUMBERS)),
        }  # fmt: skip
        return made[sort]()
