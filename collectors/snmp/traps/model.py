"""What becomes of a datagram, and what one says that was believed."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from collectors.snmp.credentials import Community, Credential, UsmUser


class Fate(StrEnum):
    """How a datagram ended."""

    ACCEPTED = "accepted"
    """A trap of a known kind (kinds.py)."""
    UNKNOWN_TRAP = "unknown_trap"
    """Authentic, of a kind that is not known: nothing is done."""
    HANDSHAKE = "handshake"
    """SNMPv3: an inform's sender asked for our engine id or our time, and was told."""
    UNKNOWN_SOURCE = "unknown_source"
    """From an address that is no device's; not decoded."""
    DROPPED_RATE = "dropped_rate"
    """More than a source may send; not decoded."""
    DROPPED_BUSY = "dropped_busy"
    """More than can be read, all sources together; not decoded."""
    UNDECODABLE = "undecodable"
    """No SNMP, no trap, or longer than any trap."""
    BAD_COMMUNITY = "bad_community"
    UNKNOWN_USER = "unknown_user"
    WRONG_LEVEL = "wrong_level"
    """SNMPv3: another security level than the user's."""
    WRONG_DIGEST = "wrong_digest"
    NOT_IN_TIME_WINDOW = "not_in_time_window"
    """SNMPv3: authentic and too old, as one that was recorded and said again would be (RFC 3414 section 3.2)."""
    UNDECRYPTABLE = "undecryptable"


@dataclass(frozen=True, slots=True)
class Trap:
    """An authentic notification. ``oid`` is snmpTrapOID, of a v1 trap as RFC 3584 section 3.1 makes it."""

    version: str
    """"1", "2c" or "3"."""
    confirmed: bool
    """An inform, which was answered."""
    oid: str
    varbinds: Sequence[tuple[str, int | str]]
    """(OID, value) without those that every notification has, and without the community; text is clean and bounded."""
    left_out: int
    """How many varbinds more there were."""
    ifindex: int | None
    """The port it tells of, where it names one."""


@dataclass(frozen=True, slots=True)
class Trusted:
    """Whose traps are believed."""

    communities: tuple[bytes, ...] = ()
    users: tuple[UsmUser, ...] = ()

    @classmethod
    def of(cls, credentials: Sequence[Credential]) -> "Trusted":
        return cls(
            tuple(dict.fromkeys(c.community for c in credentials if isinstance(c, Community))),
            tuple(dict.fromkeys(c for c in credentials if isinstance(c, UsmUser))),
        )


@dataclass(slots=True)
class TrapCounters:
    """Since the start."""

    received: int = 0
    answered: int = 0
    """Answers sent to informs, those of the SNMPv3 handshake included."""
    fates: Counter[Fate] = field(default_factory=Counter)
    """What became of those that are dealt with; their sum is ``received`` less what still waits."""
    kinds: Counter[str] = field(default_factory=Counter)
    """The accepted ones by name."""
