"""A rule of profiles that does not hold."""

from dataclasses import dataclass

from agent.settings.lines import Key


@dataclass(frozen=True, slots=True)
class Broken:
    """At this key, with this message (after the key's name) and suggestion."""

    key: Key
    message: str
    hint: str = ""
    other: Key | None = None
    """What it clashes with, whose place is said."""
    absent: bool = False
    """It misses something in the table at ``key``: not heard where something in there is faulty by itself."""
