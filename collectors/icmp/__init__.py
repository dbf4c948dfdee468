"""ICMP echo: reachability, loss, round trip. See engine.py for how, echo.py for the seam."""

from collectors.icmp.echo import EchoCounters, EchoEngine, EchoSink, EchoTarget, Mode
from collectors.icmp.engine import IcmpEngine
from collectors.icmp.sockets import permission_help

__all__ = ["EchoCounters", "EchoEngine", "EchoSink", "EchoTarget", "IcmpEngine", "Mode", "permission_help"]
