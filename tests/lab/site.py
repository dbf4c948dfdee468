"""A whole client's site in namespaces: probe, router, 48-port switch, two dead hosts, and a broker elsewhere.

    probe 10.20.0.2 --- 10.20.0.1 router 10.20.1.1 --- 10.20.1.2 switch (48 ports)
            |                      \\ 10.20.2.1 --- 10.20.2.2 central (mosquitto)
       10.20.0.99 (nobody)          10.20.1.99 (nobody)

The router answers SNMPv2c, the switch SNMPv3 (SHA-256, AES-128). Nobody answers ARP for the dead hosts: the one is the
probe's own neighbour, the other the router's, which says "host unreachable".
"""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.lab.agent import SondaRun
from tests.lab.mosquitto import Mosquitto, Recorder
from tests.lab.network import Network
from tests.lab.snmpd import Snmpd, user
from tests.lab.switch import Switch

ROOT = "sonda/v1/lab/site/probe-1"
_USER = user("SHA-256", "AES")
_SECRETS = {
    "LAB_COMMUNITY": "public",
    "LAB_AUTH": _USER.auth_secret,
    "LAB_PRIV": _USER.priv_secret,
    "LAB_MQTT": "broker's secret",
}


class Site:
    """Network, devices and broker; they run while in the block. ``sonda`` makes the agent that watches them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            network = self.network = stack.enter_context(Network())
            self.probe, self.router = network.namespace("probe"), network.namespace("router")
            self.central = network.namespace("central")
            self.probe.ping_group_range()
            self.router.forward()
            self.uplink, _ = network.veth(self.probe, self.router, addresses=(["10.20.0.2/24"], ["10.20.0.1/24"]))
            self.probe.route("default", via="10.20.0.1")
            network.veth(self.router, self.central, addresses=(["10.20.2.1/24"], ["10.20.2.2/24"]))
            self.central.route("default", via="10.20.2.1")
            self.switch = Switch(
                network,
                self.folder,
                uplink=self.router,
                addresses=("10.20.1.1/24", "10.20.1.2/24"),
                users=[_USER],
                name="Core switch",
                location="rack 1",
                aliases={1: "file server", 48: "uplink <to> provider"},
            )
            self.downlink = self.switch.uplink_device
            """The router's device towards the switch; ``uplink`` is the probe's towards the router."""
            self.switch.place.route("default", via="10.20.1.1")
            stack.enter_context(self.switch)
            self.router_snmpd = stack.enter_context(
                Snmpd(self.folder, place=self.router, address="10.20.0.1", port=161, name="Edge router")
            )
            self.broker = stack.enter_context(
                Mosquitto(
                    self.folder,
                    place=self.central,
                    address="10.20.2.2",
                    users={"probe-1": _SECRETS["LAB_MQTT"], "server": "s"},
                    persistent=True,
                )
            )
            self.recorder: Recorder = stack.enter_context(self.broker.recorder(f"{ROOT}/#", user="server"))
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def sonda(self, *, status_s: int = 10, counters_s: int = 10) -> SondaRun:
        """The agent in the probe's namespace; enter it to start."""
        text = "\n".join(self._settings(status_s, counters_s)) + "\n"
        return SondaRun(self.folder, text, place=self.probe, env=_SECRETS)

    def _settings(self, status_s: int, counters_s: int) -> Iterator[str]:
        yield from ("[site]", 'tenant = "lab"', 'site = "site"', 'probe = "probe-1"', 'name = "Lab"')
        yield from ("[network]", 'gateway = "10.20.0.1"')
        yield from ("[snmp]", f"status_s = {status_s}", f"counters_s = {counters_s}", "timeout_s = 1")
        yield from ("[[credential]]", 'name = "v2c"', 'version = "2c"', 'community = { env = "LAB_COMMUNITY" }')
        yield from ("[[credential]]", 'name = "v3"', 'version = "3"', f'user = "{_USER.name}"')
        yield from ('auth = "sha256"', 'auth_secret = { env = "LAB_AUTH" }')
        yield from ('priv = "aes128"', 'priv_secret = { env = "LAB_PRIV" }')
        yield from ("[[device]]", 'name = "Router"', 'role = "router"', 'address = "10.20.0.1"', 'snmp = "v2c"')
        yield from ("[[device]]", 'name = "Switch"', 'role = "switch"', 'address = "10.20.1.2"', 'snmp = "v3"')
        yield 'parents = ["Router"]'
        yield from ("[[device]]", 'name = "Dead neighbour"', 'role = "server"', 'address = "10.20.0.99"')
        yield from ("[[device]]", 'name = "Dead host"', 'role = "server"', 'address = "10.20.1.99"')
        yield 'parents = ["Router"]'
        yield from ("[mqtt]", 'host = "10.20.2.2"', f"port = {self.broker.port}", 'username = "probe-1"')
        yield 'password = { env = "LAB_MQTT" }'
