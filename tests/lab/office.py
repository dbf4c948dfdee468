"""A small office: two switches, a router, two hosts, and nothing but what the devices tell to know them by.

    probe --- switch-1 --- switch-2 --- host-2
                 |  \\
              router  host-1

Switches are Linux bridges with lldpd, and snmpd that tells LLDP-MIB and BRIDGE-MIB (bridge_mib.py); the router has
lldpd and snmpd, the probe lldpd alone; the hosts answer echoes, and that is all.
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.lab import bridge_mib, passing
from tests.lab.agent import SondaRun
from tests.lab.agentx import master
from tests.lab.lldpd import Lldpd
from tests.lab.network import Network

ADDRESSES = {
    "router": "10.30.0.1",
    "switch-1": "10.30.0.11",
    "switch-2": "10.30.0.12",
    "host-1": "10.30.0.21",
    "host-2": "10.30.0.22",
}
_PROBE = "10.30.0.2"
_CABLES = (("probe", "switch-1"), ("router", "switch-1"), ("host-1", "switch-1"), ("switch-2", "switch-1"),
           ("host-2", "switch-2"))  # fmt: skip
_SWITCHES = ("switch-1", "switch-2")
_ROLES = {"router": "router", "switch-1": "switch", "switch-2": "switch", "host-1": "server", "host-2": "server"}


class Office:
    """Starts on entering. Ports of a switch are called "to-" and who is plugged in."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            network = stack.enter_context(Network())
            self.places = {name: network.namespace(name) for name in ("probe", *ADDRESSES)}
            self.probe = self.places["probe"]
            self.probe.ping_group_range()
            self._cable(network)
            for name, address in ADDRESSES.items():
                # what is not forwarded yet is asked for by name: a switch knows nobody who has said nothing
                self.probe.run("ping", "-n", "-c1", "-W2", address)
                if name not in {"host-1", "host-2"}:
                    stack.enter_context(master(self._folder, self.places[name], address, *self._bridge_line(name)))
                    stack.enter_context(Lldpd(self._folder, self.places[name]))
            stack.enter_context(Lldpd(self._folder, self.probe, snmp=False))
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def sonda(self) -> SondaRun:
        """The agent beside the probe's cable; no device of its settings has parents."""
        text = "\n".join(self._settings()) + "\n"
        return SondaRun(self._folder, text, place=self.probe, env={"C": "public"})

    def cut(self, switch: str, port: str) -> None:
        """Nothing passes this port any more, though both its ends have carrier."""
        self.places[switch].ip("link", "set", f"to-{port}", "nomaster")

    def mend(self, switch: str, port: str) -> None:
        self.places[switch].ip("link", "set", f"to-{port}", "master", self._bridge(switch))

    @staticmethod
    def _bridge(switch: str) -> str:
        """The kernel's log, which bridge_mib.py reads, knows bridges by their device alone."""
        return f"br{switch[-1]}-{os.getpid()}"

    def _bridge_line(self, name: str) -> list[str]:
        if name not in _SWITCHES:
            return []
        return [passing.line(bridge_mib.BASE, "tests.lab.bridge_mib", self._bridge(name))]

    def _cable(self, network: Network) -> None:
        for near, switch in _CABLES:
            device = f"to-{switch}" if near in _SWITCHES else "uplink"
            network.veth(self.places[near], self.places[switch], names=(device, f"to-{near}"))
        for switch in _SWITCHES:
            place = self.places[switch]
            ports = [f"to-{near}" for near, other in _CABLES if other == switch]
            ports += [f"to-{other}" for near, other in _CABLES if near == switch]
            place.address(place.bridge(self._bridge(switch), *ports), f"{ADDRESSES[switch]}/24")
        for name in ("router", "host-1", "host-2"):
            self.places[name].address("uplink", f"{ADDRESSES[name]}/24")
        self.probe.address("uplink", f"{_PROBE}/24")
        self.probe.route("default", via=ADDRESSES["router"])

    def _settings(self) -> Iterator[str]:
        yield from ("[site]", 'tenant = "lab"', 'site = "office"', 'probe = "probe-1"')
        yield from ("[snmp]", "status_s = 10", "counters_s = 10", "timeout_s = 1")
        yield from ("[[credential]]", 'name = "c"', 'version = "2c"', 'community = { env = "C" }')
        for name, address in ADDRESSES.items():
            yield from ("[[device]]", f'name = "{name}"', f'role = "{_ROLES[name]}"', f'address = "{address}"')
            if not name.startswith("host"):
                yield 'snmp = "c"'
