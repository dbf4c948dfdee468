"""All profiles at hand: how each is recognised is kept, the rest is read when a device needs it."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from agent.profiles import build
from agent.profiles.reading import Head, examine
from agent.settings.faults import Fault, SettingsError
from collectors.snmp.gear.library import Entry
from collectors.snmp.gear.model import IdentitySpec, Profile, Table

log = logging.getLogger("sonda.profiles")

STANDARD = "standard"
"""What the standard set alone is called."""


@dataclass(frozen=True, slots=True)
class _Own:
    """What one file says itself."""

    identity: IdentitySpec
    tables: tuple[Table, ...]


class Library:
    """See collectors/snmp/gear/library.py:Library. ``faults`` says which files were left out, and why."""

    def __init__(self, heads: Mapping[str, Head], faults: Sequence[Fault] = ()) -> None:
        self.heads = dict(sorted(heads.items()))
        self.faults = tuple(faults)
        self._own: dict[Path, _Own] = {}
        self._profiles: dict[str | None, Profile] = {}
        self._entries = tuple(
            Entry(name, head.priority, head.matches) for name, head in self.heads.items() if head.matches
        )

    def entries(self) -> tuple[Entry, ...]:
        """Every profile that can be recognised."""
        return self._entries

    def profile(self, name: str | None) -> Profile:
        """The profile with all it inherits and the standard set; None is that set alone. Raises KeyError for an unknown
        name. Where a file cannot be used any more it is the standard set, and the log says why."""
        if name not in self._profiles:
            try:
                self._profiles[name] = self.build(name)
            except SettingsError as error:
                log.warning("profile %s cannot be used: %s", name or STANDARD, error)
                standard = Profile(STANDARD, (), IdentitySpec(), ()) if name is None else self.profile(None)
                self._profiles[name] = replace(standard, name=name or STANDARD)
        return self._profiles[name]

    def build(self, name: str | None) -> Profile:
        """As ``profile``, made anew. Raises SettingsError where a file cannot be used, KeyError for an unknown name."""
        line = () if name is None else tuple(self._line(name))
        standard = sorted((head for head in self.heads.values() if head.always), key=lambda head: -head.priority)
        unwanted = frozenset(word for one in line for word in self.heads[one].without)
        tables: dict[str, Table] = {}
        if name is not None:
            self._collect(self.heads[name], frozenset(), tables)
        for head in standard:
            self._collect(head, unwanted, tables)
        whole = dict.fromkeys([*line, *(head.name for head in standard)])
        return Profile(
            name=STANDARD if name is None else name,
            matches=() if name is None else self.heads[name].matches,
            identity=_joined([self._read(self.heads[one]).identity for one in whole]),
            tables=tuple(tables.values()),
            priority=0 if name is None else self.heads[name].priority,
        )

    def _line(self, name: str) -> Iterator[str]:
        """The profile and all it extends, child first."""
        yield name
        for parent in self.heads[name].extends:
            yield from self._line(parent)

    def _collect(self, head: Head, unwanted: frozenset[str], tables: dict[str, Table]) -> None:
        """Its tables, then those it inherits, without those that are there already or not wanted."""
        for table in self._read(head).tables:
            if table.name not in unwanted:
                tables.setdefault(table.name, table)
        for parent in head.extends:
            self._collect(self.heads[parent], unwanted.union(head.without), tables)

    def _read(self, head: Head) -> _Own:
        if head.file not in self._own:
            model = examine(head.file)
            if model.model is None:
                raise SettingsError(model.faults)
            self._own[head.file] = _Own(
                build.identity(model.model.identity), tuple(build.table(table) for table in model.model.table)
            )
        return self._own[head.file]


def _joined(specs: Sequence[IdentitySpec]) -> IdentitySpec:
    return IdentitySpec(
        vendor=tuple(source for spec in specs for source in spec.vendor),
        model=tuple(source for spec in specs for source in spec.model),
        firmware=tuple(source for spec in specs for source in spec.firmware),
        serial=tuple(source for spec in specs for source in spec.serial),
    )
