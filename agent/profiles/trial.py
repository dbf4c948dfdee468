"""A profile tried on whatever device: it fits every one."""

from collectors.snmp.gear.library import Entry, Library
from collectors.snmp.gear.model import Match, Profile


class OneProfile:
    """A library (collectors/snmp/gear/library.py) of one profile that fits every device; the rest is ``library``'s."""

    def __init__(self, profile: Profile, library: Library) -> None:
        self._profile = profile
        self._library = library

    def entries(self) -> tuple[Entry, ...]:
        return (Entry(self._profile.name, 0, (Match(),)),)

    def profile(self, name: str | None) -> Profile:
        return self._profile if name == self._profile.name else self._library.profile(name)
