"""What one device has beyond its ports: found at first contact by its profile, then asked again poll by poll."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from collectors.snmp import ber, entity, oid
from collectors.snmp.batch import Asker, Batch, Group, batches
from collectors.snmp.ber import Value, VarBind
from collectors.snmp.contact import DeadlineReached
from collectors.snmp.errors import SnmpError
from collectors.snmp.gear.choose import choose, inventory, present
from collectors.snmp.gear.library import Library
from collectors.snmp.gear.model import Every, Profile, System
from collectors.snmp.gear.placed import placed
from collectors.snmp.gear.tables import TableState, fetch, settled
from collectors.snmp.interfaces import is_present
from kpi.gear import Fact, Facts, Inventory, Reading, Readings
from kpi.model import SystemReading

_MARKERS = -1
"""The key of the group with the scalars that tell whether a table changed."""


@dataclass(slots=True)
class Gear:
    """Memory of one device's gear between polls."""

    library: Library
    profile: Profile | None = None
    inventory: Inventory | None = None
    known: dict[System, str] = field(default_factory=dict)
    tables: list[TableState] = field(default_factory=list)
    """Those the device has, in the order of the profile."""
    learnt: bool = False
    missed: dict[str, str] = field(default_factory=dict)
    """Tables of the last poll that could not be read to their end, with the reason."""
    _todo: list[TableState] | None = None
    """What first contact has still to read; None before it began."""
    _plans: dict[frozenset[Every], tuple[Batch, ...]] = field(default_factory=dict)
    _planned: tuple[int, int] = (0, 0)
    _markers: dict[bytes, Value] = field(default_factory=dict)
    """What the scalars of ``Table.changed`` said last."""

    def forget(self) -> None:
        """The device began anew, or may have changed: everything is to be learnt again."""
        self.learnt, self._todo = False, None

    async def learn(self, asker: Asker, system: SystemReading) -> None:
        """Find the profile and read all its tables once. Raises as Asker.ask and DeadlineReached; called again it
        goes on where it stopped."""
        if self._todo is None:
            self.known = await _known(asker, system)
            profile = self.library.profile(await choose(asker, self.library, self.known))
            self.profile = placed(profile, self.known.get(System.OBJECT_ID, ""))
            self.inventory = await inventory(asker, self.profile, self.known)
            tables = await self._those_present(asker, self.profile)
            await self._mark(asker, tables)
            self._todo, self.tables = list(tables), tables
        while self._todo:
            await self._todo[0].learn(asker)
            self._todo.pop(0)
        self.tables = settled(self.tables, self.known)
        for state in self.tables:
            state.plan(self.known)
        self.learnt, self._plans = True, {}

    @staticmethod
    async def _those_present(asker: Asker, profile: Profile) -> list[TableState]:
        """The tables that the agent has anything of."""
        roots = {table.witness for table in profile.tables} | {table.entry for table in profile.tables}
        there = await present(asker, sorted(root for root in roots if root is not None))
        return [
            TableState(table, witnessed=table.witness in there)
            for table in profile.tables
            if table.entry in there or table.witness in there
        ]

    async def _mark(self, asker: Asker, tables: Iterable[TableState]) -> None:
        """Read what tells that a table changed, before the table is."""
        names = {oid.parse(state.table.changed): "" for state in tables if state.table.changed is not None}
        found, _missing = await fetch(asker, names)
        self._markers = {name: bind.value for name, bind in found.items()}
        for state in tables:
            if state.table.changed is not None:
                state.marker = self._markers.get(oid.parse(state.table.changed))

    # -- the steady state ---------------------------------------------------------------------------------------

    async def read(self, asker: Asker, due: frozenset[Every], uptime_cs: int | None) -> tuple[Readings, list[Facts]]:
        """Ask again for the tables that are ``due``. What could not be had is left out and named in ``missed``; where
        the device's time is used up or it fell silent, the rest is."""
        states = [state for state in self.tables if state.table.every in due]
        self.missed = {}
        read: set[str] = set()
        try:
            await self._ask(asker, due)
            read = {state.table.name for state in states if not state.table.volatile}
            for state in states:
                if state.table.volatile and self._moved(state):
                    await state.learn(asker)
                    read.add(state.table.name)
        except (DeadlineReached, SnmpError) as error:
            reason = "deadline" if isinstance(error, DeadlineReached) else error.reason
            self.missed |= {state.table.name: reason for state in states if state.table.name not in read}
            if not isinstance(error, DeadlineReached) and not asker.contact.replies:
                raise
        return self._said([state for state in states if state.table.name in read], uptime_cs)

    async def _ask(self, asker: Asker, due: frozenset[Every]) -> None:
        """GETs of the known instances, all tables together."""
        fits = (asker.size.limit, asker.poisons.changes)
        if self._planned != fits:
            self._plans, self._planned = {}, fits
        if due not in self._plans:
            self._plans[due] = batches(
                asker.contact.version, self._groups(asker, due), asker.size.limit, with_uptime=False
            )
        for batch in self._plans[due]:
            for group in batch.groups:
                for name in group.oids if group.key != _MARKERS else ():
                    self.tables[group.key].forget(name)
        for batch in self._plans[due]:
            answer = await asker.ask(batch)
            for group, start in zip(batch.groups, batch.starts, strict=True):
                for at, name in enumerate(group.oids, start):
                    self._take(group.key, name, answer.tags[at], answer.values[at])

    def _groups(self, asker: Asker, due: frozenset[Every]) -> list[Group]:
        now = asker.contact.clock.monotonic()
        found: list[Group] = []
        markers: dict[bytes, None] = {}
        for key, state in enumerate(self.tables):
            if state.table.every not in due:
                continue
            if not state.table.volatile:
                found += (
                    Group(key, kept)
                    for group in state.groups(key)
                    if (kept := tuple(name for name in group.oids if not asker.poisons.holds(name, now)))
                )
            elif state.table.changed is not None:
                markers[oid.parse(state.table.changed)] = None
        return [*(Group(_MARKERS, (name,)) for name in markers), *found]

    def _take(self, key: int, name: bytes, tag: int, value: Value) -> None:
        bind = VarBind(name, tag, value)
        if key == _MARKERS:
            self._markers[name] = value if is_present(bind) else None
        elif tag != ber.MISSING and is_present(bind):
            self.tables[key].take(name, bind)

    def _moved(self, state: TableState) -> bool:
        """Whether a volatile table is to be walked: always, or where its marker says so."""
        if state.table.changed is None:
            return True
        marker = self._markers.get(oid.parse(state.table.changed))
        if state.walked and (marker is None or marker == state.marker):
            return False  # an agent that has no marker is walked with the static tables
        state.marker = marker
        return True

    def first(self, uptime_cs: int | None) -> tuple[Readings, list[Facts]]:
        """What first contact found, as ``read`` gives it."""
        return self._said(self.tables, uptime_cs)

    def _said(self, states: Iterable[TableState], uptime_cs: int | None) -> tuple[Readings, list[Facts]]:
        readings: list[Reading] = []
        facts: dict[str, list[Fact]] = {}
        broken: set[str] = set()
        read = {state.table.name for state in states}
        sorts = {state.table.sort for state in self.tables if state.table.name in read} - {None}
        for state in self.tables:
            if state.table.name not in read and state.table.sort not in sorts:
                continue  # a sort is said whole: also with the rows of tables that were not due, or did not change
            if state.cut:
                self.missed[state.table.name] = next(iter(state.cut.values()))
            if state.table.sort is None:
                readings += state.readings(self.known)
            else:
                facts.setdefault(state.table.sort, []).extend(state.facts(self.known))
                broken |= {state.table.sort} if state.table.name in self.missed else set()
        return (
            Readings(uptime_cs, tuple(readings), dict(self.missed)),
            [Facts(sort, tuple(dict.fromkeys(rows)), sort not in broken, uptime_cs) for sort, rows in facts.items()],
        )


async def _known(asker: Asker, system: SystemReading) -> dict[System, str]:
    """What is known of a device before its profile is."""
    chassis = await entity.read(asker)
    said: Mapping[System, str | None] = {
        System.DESCR: system.descr,
        System.OBJECT_ID: system.object_id,
        System.NAME: system.name,
        System.ENTITY_VENDOR: chassis.vendor,
        System.ENTITY_MODEL: chassis.model,
        System.ENTITY_FIRMWARE: chassis.firmware,
        System.ENTITY_HARDWARE: chassis.hardware,
        System.ENTITY_SOFTWARE: chassis.software,
        System.ENTITY_SERIAL: chassis.serial,
        System.ENTITY_DESCR: chassis.descr,
        System.ENTITY_NAME: chassis.name,
    }
    return {key: value for key, value in said.items() if value}
