"""What the rest of the house knows of the ICMP engine: whom to ask, who hears of it, what was counted.

``EchoEngine`` and ``EchoSink`` are the seam: a simulated wire can stand in the engine's place.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from kpi.model import Sample

WAIT_NS = 2_000_000_000
"""Fixed waiting time (kpi/README.md rtt_ms): a later answer is loss."""


class Mode(StrEnum):
    """How echoes of one address family leave the machine, best first."""

    DATAGRAM = "datagram"
    RAW = "raw"
    TCP = "tcp"
    """TCP connect, where no ICMP socket may be opened; its samples carry ``reason="tcp"``."""
    SIMULATED = "simulated"
    """A simulated wire (agent/demo/wire.py): nothing leaves."""
    NONE = "none"
    """Nothing may be opened: every echo is an AGENT_FAULT."""


@dataclass(slots=True)
class EchoTarget:
    """Whom to ask. ``address`` is numeric, IPv4 or IPv6 (``fe80::1%eth0`` with its zone); no names."""

    id: str
    address: str
    patience_ms: float = 250.0
    """An echo unanswered for so long is told to the sink as overdue. May be changed at any time."""


class EchoSink(Protocol):
    """Who hears of answers. Called from the event loop; may call ``EchoEngine.send`` in turn."""

    def take(self, sample: Sample) -> None:
        """One echo has ended: ``Metric.ECHO`` or ``Metric.CONFIRM``, ``at`` the monotonic second it was sent,
        ``value`` the round trip in ms. Exactly one a send."""

    def overdue(self, target: str, sent_at: float) -> None:
        """An echo (no confirmation) sent at ``sent_at`` is unanswered after the target's patience; once an echo.
        It may still be answered. Not called where the loss is known sooner (an ICMP error)."""

    def late(self, target: str, at: float) -> None:
        """An answer arrived at ``at`` to an echo already given as lost: still loss, yet proof of life."""


@dataclass(slots=True)
class EchoCounters:
    """What happened since the start, in packets; ``faults`` are AGENT_FAULT samples by reason."""

    sent: int = 0
    answered: int = 0
    late: int = 0
    duplicates: int = 0
    foreign: int = 0
    """Packets of others: another identifier (raw sockets only)."""
    forged: int = 0
    """Packets with our identifier but not our token, target or sequence."""
    malformed: int = 0
    """Packets too short or too garbled to be an ICMP message that we could own."""
    icmp_errors: int = 0
    """ICMP errors that ended one of our echoes."""
    unmatched_errors: int = 0
    """ICMP errors that quote no echo still waited for."""
    dropped: int = 0
    """Replies the kernel dropped because our receive buffer was full (SO_MEMINFO)."""
    resent: int = 0
    """Sends that failed with somebody else's pending error and went out at a further attempt."""
    clock: int = 0
    """Answers whose round trip is the monotonic difference because the two clocks disagreed by more than 1 ms."""
    unstamped: int = 0
    """Answers without a kernel timestamp; timed by the monotonic clock when read."""
    faults: dict[str, int] = field(default_factory=dict)


class EchoEngine(Protocol):
    """Sends echoes and tells a sink how each ended. Never raises for a target's trouble."""

    def send(self, target: EchoTarget, *, confirm: bool = False) -> None:
        """Send one echo now. Its end is told to the sink, at the latest shortly after the waiting time of 2 s."""

    async def run(self) -> None:
        """Read answers and let time run out for the others, until cancelled."""

    def forget(self, target: str) -> None:
        """Drop what is kept of a target that is no longer measured; its running numbers begin again."""

    @property
    def modes(self) -> Mapping[int, Mode]:
        """How echoes leave, by IP version (4, 6)."""

    @property
    def counters(self) -> EchoCounters:
        """What happened since the start."""
