"""What a device says beyond its ports by the shipped profiles, told from the instances its agent has."""

from collections.abc import Mapping
from dataclasses import dataclass

from agent.profiles import load_library
from collectors.snmp import ber, oid
from collectors.snmp.ber import VarBind
from collectors.snmp.gear.gear import Gear
from kpi.gear import Fact, Kind, Readings
from kpi.model import SystemReading
from tests.agent.profiles.agent import AgentAtHand

LIBRARY = load_library()
Said = int | str | bytes | VarBind


@dataclass(frozen=True)
class Told:
    """``facts`` by sort."""

    profile: str | None
    readings: Readings
    facts: Mapping[str, tuple[Fact, ...]]
    complete: Mapping[str, bool]

    def values(self, kind: Kind) -> dict[str, float]:
        """By name."""
        return {one.name: one.value for one in self.readings.readings if one.kind is kind}


async def told(instances: Mapping[str, Said], object_id: str = "1.3.6.1.4.1.99999.7", descr: str = "Acme") -> Told:
    """Of instances by dotted OID: an int is an INTEGER, text and octets an OCTET STRING."""
    agent = AgentAtHand([bind(name, said) for name, said in instances.items()])
    gear = Gear(LIBRARY)
    system = SystemReading(8_640_000, None, None, object_id, descr, "dev", None, None)
    await gear.learn(agent.asker(), system)
    readings, facts = gear.so_far(8_640_000)
    return Told(
        gear.inventory.profile if gear.inventory else None,
        readings,
        {one.sort: one.rows for one in facts},
        {one.sort: one.complete for one in facts},
    )


def bind(name: str, said: Said) -> VarBind:
    if isinstance(said, VarBind):
        return VarBind(oid.parse(name), said.tag, said.value)
    if isinstance(said, int):
        return VarBind(oid.parse(name), ber.INTEGER, said)
    return VarBind(oid.parse(name), ber.OCTET_STRING, said.encode() if isinstance(said, str) else said)


def gauge(number: int) -> VarBind:
    return VarBind(b"", ber.GAUGE32, number)
