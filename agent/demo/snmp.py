"""Real SNMP (version 2c) over UDP in front of the simulated devices: one pysnmp engine, a socket for each device's
address. Owner of pysnmp."""

import socket
from collections.abc import Callable, Sequence
from typing import Any, Self

from pysnmp.carrier.asyncio.dgram import udp
from pysnmp.entity import config, engine
from pysnmp.entity.rfc3413 import cmdrsp, context
from pysnmp.proto import rfc1902, rfc1905

from agent.demo.mib import View, view_of
from agent.demo.site import Simulated
from agent.demo.values import Kind, Value

TYPES: dict[Kind, Any] = {
    Kind.INTEGER: rfc1902.Integer32,
    Kind.OCTETS: rfc1902.OctetString,
    Kind.OID: rfc1902.ObjectIdentifier,
    Kind.COUNTER32: rfc1902.Counter32,
    Kind.COUNTER64: rfc1902.Counter64,
    Kind.GAUGE: rfc1902.Gauge32,
    Kind.TICKS: rfc1902.TimeTicks,
}
REQUEST = "rfc3412.receiveMessage:request"
"""pysnmp's name of the point at which it tells on which transport a request came."""


class _Transport(udp.UdpTransport):  # type: ignore[misc]  # pysnmp's hints are not followed, see pyproject.toml
    """One device's socket. Without power nothing is heard."""

    def __init__(self, powered: Callable[[], bool]) -> None:
        super().__init__()
        self._powered = powered

    def datagram_received(self, datagram: bytes, transportAddress: Any) -> None:  # noqa: N803 - pysnmp's name
        if self._powered():
            super().datagram_received(datagram, transportAddress)


class _Instrumentation:
    """What pysnmp asks for values: whichever device the request came to."""

    def __init__(self, views: dict[tuple[int, ...], View], seconds: Callable[[], float]) -> None:
        self._views = views
        self._seconds = seconds

    def read_variables(self, *binds: Any, **about: Any) -> list[tuple[Any, Any]]:
        """GET: a value, or noSuchInstance."""
        view, t = self._view(about), self._seconds()
        found = []
        for name, _ in binds:
            value = view.get(tuple(name), t)
            found.append((name, rfc1905.noSuchInstance if value is None else _coded(value)))
        return found

    def read_next_variables(self, *binds: Any, **about: Any) -> list[tuple[Any, Any]]:
        """GETNEXT and each step of GETBULK: the following instance, or endOfMibView."""
        view, t = self._view(about), self._seconds()
        found = []
        for name, _ in binds:
            following = view.following(tuple(name), t)
            if following is None:
                found.append((name, rfc1905.endOfMibView))
            else:
                found.append((rfc1902.ObjectName(following[0]), _coded(following[1])))
        return found

    def _view(self, about: dict[str, Any]) -> View:
        request = about["snmpEngine"].observer.get_execution_context(REQUEST)
        return self._views[tuple(request["transportDomain"])]


def _coded(value: Value) -> Any:
    return TYPES[value.kind](value.value)


class Responder:
    """Answers for all devices until closed. ``seconds()`` are those since the demo began. Needs a running loop."""

    def __init__(
        self,
        devices: Sequence[tuple[Simulated, socket.socket]],
        community: str,
        seconds: Callable[[], float],
    ) -> None:
        self._engine = engine.SnmpEngine()
        views = {}
        for number, (device, bound) in enumerate(devices):
            domain = (*udp.DOMAIN_NAME, number)
            views[domain] = view_of(device)
            transport = _Transport(lambda device=device: device.answers(seconds()))  # type: ignore[misc]
            config.add_transport(self._engine, domain, transport.open_server_mode(sock=bound))
        config.add_v1_system(self._engine, "site", community)
        served = context.SnmpContext(self._engine)
        served.unregister_context_name(b"")
        served.register_context_name(b"", _Instrumentation(views, seconds))
        for kind in (cmdrsp.GetCommandResponder, cmdrsp.NextCommandResponder, cmdrsp.BulkCommandResponder):
            kind(self._engine, served)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._engine.transport_dispatcher.close_dispatcher()
