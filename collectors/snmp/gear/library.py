"""What the engine needs of whoever keeps the profiles (agent/profiles/)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from collectors.snmp.gear.model import Match, Profile


@dataclass(frozen=True, slots=True)
class Entry:
    """A profile by its name, and how a device of its kind is recognised."""

    name: str
    priority: int
    matches: tuple[Match, ...]


class Library(Protocol):
    """All profiles."""

    def entries(self) -> Sequence[Entry]:
        """Every profile that can be recognised."""

    def profile(self, name: str | None) -> Profile:
        """The profile with all it inherits; None is what every device has (the standard MIBs)."""
