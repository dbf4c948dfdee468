"""Counters of the simulated ports: integrals of their traffic, since the device's last start."""

from agent.demo.behaviour import Traffic
from agent.demo.site import Port, Simulated
from agent.demo.values import Kind, Reading, Value

PACKET_OCTETS = 620
"""Mean size of a packet, by which octets become packets."""


class Meter:
    """The counters of one direction of one port: what passed while there was a link."""

    def __init__(self, device: Simulated, port: Port, traffic: Traffic) -> None:
        self._device, self._port, self._traffic = device, port, traffic

    def octets(self, t: float) -> int:
        """Until ``t``."""
        down, mean = self._port.down, self._traffic.mean_bps
        if not mean:
            return 0
        booted = self._device.booted_s(t)
        # A port without link carries nothing: its time stands still meanwhile.
        lived = t - (down.total_s(t) if down else 0.0)
        if booted < 0:
            return int(self._traffic.octets(lived) - booted * mean / 8)
        born = booted - (down.total_s(booted) if down else 0.0)
        return int(self._traffic.octets(lived) - self._traffic.octets(born))

    def packets(self, t: float, share: float = 1.0) -> int:
        """The given share of the packets."""
        return int(self.octets(t) * share / PACKET_OCTETS)

    def reading(self, kind: Kind, share: float | None = None) -> Reading:
        """Octets, or the given share of the packets."""
        count = self.octets if share is None else lambda t: self.packets(t, share)
        if kind is Kind.COUNTER64:
            return lambda t: Value(kind, count(t) % (1 << 64))
        return lambda t: Value(kind, count(t) % (1 << 32))
