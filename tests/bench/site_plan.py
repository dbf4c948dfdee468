"""The sites of agent/README.md, as settings and as plans, and how their devices behave."""

import os
from collections.abc import Sequence
from dataclasses import dataclass

from agent.settings.models import CredentialSettings, PortsSettings
from agent.settings.secret import Secret
from agent.site import SitePlan, SnmpPlan, Watchable
from kpi.model import Device, Role

PORTS = 48
ACTIVE = 30
"""Ports of a switch that carry traffic."""
COMMUNITY = "public"
COMMUNITY_ENV = "SONDA_BENCH_COMMUNITY"
os.environ.setdefault(COMMUNITY_ENV, COMMUNITY)


@dataclass(frozen=True, slots=True)
class Shape:
    """How many devices of which kind. Switches are polled by SNMP, everything gets echoes, at the default rates:
    switches and access points one a second, endpoints one in ten."""

    switches: int
    access_points: int
    endpoints: int
    ports: int = PORTS

    @property
    def devices(self) -> int:
        return self.switches + self.access_points + self.endpoints

    def roles(self) -> list[Role]:
        return (
            [Role.SWITCH] * self.switches + [Role.ACCESS_POINT] * self.access_points + [Role.ENDPOINT] * self.endpoints
        )

    def echoes_s(self) -> float:
        """Echoes a second."""
        return self.switches + self.access_points + self.endpoints / 10

    def __str__(self) -> str:
        return f"{self.devices} devices, {self.switches} of them with {self.ports} ports"


LARGE = Shape(100, 50, 50)
"""200 devices, 100 of them with 48 ports."""
MIDDLE = Shape(30, 30, 40)
"""100 devices, 30 of them with 48 ports."""


def address(number: int) -> str:
    """Of the n-th device, in 127.0.0.0/8."""
    return f"127.1.{1 + number // 250}.{1 + number % 250}"


def name(number: int) -> str:
    return f"d{number:04d}"


def settings(roles: Sequence[Role], *, snmp: Sequence[int] = (), snmp_port: int = 161, mqtt_port: int = 0) -> str:
    """A configuration with these devices; ``snmp`` are the numbers of those that are polled."""
    polled = set(snmp)
    lines = ['[site]\ntenant = "bench"\nsite = "bench"\nprobe = "probe"\n\n[network]\ngateway = "none"\n']
    lines.append('[log]\nlevel = "warning"\n')
    if mqtt_port:
        lines.append(f'[mqtt]\nhost = "127.0.0.1"\nport = {mqtt_port}\n')
    if polled:
        lines.append(f'[[credential]]\nname = "v2c"\nversion = "2c"\ncommunity = {{ env = "{COMMUNITY_ENV}" }}\n')
    for number, role in enumerate(roles):
        lines.append(f'[[device]]\nname = "{name(number)}"\nrole = "{role}"\naddress = "{address(number)}"')
        lines.append(f'snmp = "v2c"\nsnmp_port = {snmp_port}\n' if number in polled else "")
    return "\n".join(lines)


def plan(shape: Shape) -> SitePlan:
    """The same site without the way over TOML."""
    credential = CredentialSettings(name="v2c", version="2c", community=Secret(env=COMMUNITY_ENV))
    asked = SnmpPlan(credential, 161, 60.0, 300.0, 2.0, 2)
    watched = [
        Watchable(
            device=Device(name(number), name(number), role, address(number)),
            address=address(number),
            interface="",
            echo_s=10.0 if role is Role.ENDPOINT else 1.0,
            snmp=asked if role is Role.SWITCH else None,
            ports=PortsSettings(),
        )
        for number, role in enumerate(shape.roles())
    ]
    return SitePlan(tuple(watched), None, (), ())
