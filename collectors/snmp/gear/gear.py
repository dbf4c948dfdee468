"""What one device has beyond its ports: found at first contact by its profile, then asked again poll by poll."""

import asyncio
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from collectors.clock import Clock
from collectors.snmp import ber, entity, oid
from collectors.snmp.batch import Answer, Asker, Batch, Group, Size
from collectors.snmp.ber import Value, VarBind
from collectors.snmp.contact import DeadlineReached, Memo
from collectors.snmp.errors import SnmpError
from collectors.snmp.gear.choose import choose, inventory, present
from collectors.snmp.gear.library import Library
from collectors.snmp.gear.model import Every, Profile, System
from collectors.snmp.gear.peers import together
from collectors.snmp.gear.placed import placed
from collectors.snmp.gear.tables import LEARNT, STALE_S, TableState, fetch, settled
from collectors.snmp.interfaces import is_present
from collectors.snmp.slices import at_once, by_and_by, in_slices
from collectors.snmp.walk import bounded
from kpi.gear import Fact, Facts, Inventory, Reading, Readings
from kpi.model import SystemReading

_GONE = "no_such_name"
"""In v1 the only way to say that an instance is not there (RFC 1157 section 4.1.2)."""
REST_S = 5.0
"""A forwarding table rests for so long after each request that its walk took: 24 packets a minute at most. At 24 rows a
request 1,440 rows are walked every 5 minutes, 8,000 every 28. Sessions, neighbours and clients are few, and judged by
the time for which they were there: those tables are walked whenever they are due."""
REST_MOST_S = 3300.0
"""Whatever it takes, the hourly look for new rows walks it."""
PEERS = "bgp_peers"
"""The sort of which several tables tell the same."""
SORTED_AT_ONCE = 1024
"""Facts compared before the loop gets its turn: about 1 ms (measured)."""
GROUPS_AT_ONCE = 64
"""Rows whose GETs are made before the loop gets its turn: some 2 ms."""
_MARKERS = -1
"""The key of the group with the scalars that tell whether a table changed."""
Said = tuple[Readings, list[Facts]]
"""What one poll says."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """The GETs of a poll, and the tables of which something is not asked because it spoils answers, with the reason."""

    batches: tuple[Batch, ...]
    spoilt: Mapping[int, str]


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
    _memo: Memo | None = None
    """What first contact was answered so far; None before it began, and afterwards."""
    _size: Size = field(default_factory=Size)
    """How much was asked at once when it began."""
    _paused_at: float = 0.0
    """When it was left, in seconds of the monotonic clock."""
    _plans: dict[frozenset[Every], _Plan] = field(default_factory=dict)
    _planned: tuple[int, int, bool] = (0, 0, False)
    _rest_until: dict[str, float] = field(default_factory=dict)
    """When tables that come and go may be walked again, by name, in seconds of the monotonic clock."""
    _markers: dict[bytes, Value] = field(default_factory=dict)
    """What the scalars of ``Table.changed`` said last."""

    def forget(self, *, anew: bool = False) -> None:
        """The device may have changed: everything is to be learnt again. Long tables only where they have rested, or
        where the device began ``anew``."""
        self.learnt, self._todo, self._memo = False, None, None
        if anew:
            self._rest_until.clear()

    async def learn(self, asker: Asker, system: SystemReading) -> None:
        """Find the profile and read all its tables once. Raises as Asker.ask and DeadlineReached; called again it
        goes on where it stopped, or begins anew where that is long ago."""
        contact = asker.contact
        if contact.clock.monotonic() - self._paused_at > STALE_S:
            self.forget()
        if self._memo is None:
            self._memo, self._size = Memo(), replace(asker.size)
        contact.memo = self._memo
        try:
            if self._todo is None:
                self._todo = await self._identify(asker, system)
            while self._todo:
                if not self._rests(self._todo[0], contact.clock.monotonic()):
                    await self._walk(self._todo[0], asker)
                self._todo.pop(0)
                self._memo.answers.clear()
        finally:
            contact.memo = None
            self._paused_at = contact.clock.monotonic()
        self.tables = await by_and_by(settled(self.tables, self.known), contact.clock)
        for state in self.tables:
            await by_and_by(state.plan(self.known), contact.clock)
            await contact.clock.sleep(0)
        self.learnt, self._plans, self._memo = True, {}, None

    async def _identify(self, asker: Asker, system: SystemReading) -> list[TableState]:
        """Who the device is, and its tables, which are still to be read. With the sizes of before the same questions
        come again, in the same order: those that were answered cost nothing."""
        asker.size.resume(self._size)
        self.known = await _known(asker, system)
        self.profile = await asyncio.to_thread(self._read_profile, await choose(asker, self.library, self.known))
        self.inventory = await inventory(asker, self.profile, self.known)
        self.tables = await self._those_present(asker, self.profile)
        await self._mark(asker, self.tables)
        assert self._memo is not None
        self._memo.answers.clear()
        return list(self.tables)

    def _read_profile(self, name: str | None) -> Profile:
        """The profile for this device. Reading the files of one takes 30 ms and more, which is not the loop's."""
        return placed(self.library.profile(name), self.known.get(System.OBJECT_ID, ""))

    def _rests(self, state: TableState, now: float) -> bool:
        """Whether the table may be long, and was walked so lately, for what that costs, that it waits. One of several
        alternatives does not: which of them counts is found out by all of them."""
        return state.table.volatile and state.table.sort == LEARNT and now < self._rest_until.get(state.table.name, now)

    async def _walk(self, state: TableState, asker: Asker) -> None:
        await state.learn(asker)
        if state.table.alternative is None:
            rest_s = min(REST_MOST_S, REST_S * state.requests)
            self._rest_until[state.table.name] = asker.contact.clock.monotonic() + rest_s

    @staticmethod
    async def _those_present(asker: Asker, profile: Profile) -> list[TableState]:
        """The tables that the agent has anything of."""
        roots = {table.witness for table in profile.tables} | {table.entry for table in profile.tables}
        there = await present(asker, sorted(root for root in roots if root is not None))
        found: list[TableState] = []
        for table in profile.tables:
            if table.entry in there or table.witness in there:
                found.append(TableState(table, witnessed=table.witness in there))
                await asker.contact.clock.sleep(0)
        return found

    async def _mark(self, asker: Asker, tables: Iterable[TableState]) -> None:
        """Read what tells that a table changed, before the table is."""
        names = {oid.parse(state.table.changed): "" for state in tables if state.table.changed is not None}
        found, _missing = await fetch(asker, names)
        self._markers = {name: bind.value for name, bind in found.items()}
        for state in tables:
            if state.table.changed is not None:
                state.marker = self._markers.get(oid.parse(state.table.changed))

    def torn(self, due: frozenset[Every], uptime_cs: int | None) -> Readings:
        """The device began anew in the midst of the poll: what was read is nothing, and all is to be learnt again."""
        self.forget(anew=True)
        self.missed = {state.table.name: "restarted" for state in self.tables if state.table.every in due}
        return Readings(uptime_cs, (), dict(self.missed))

    # -- the steady state ---------------------------------------------------------------------------------------

    async def read(self, asker: Asker, due: frozenset[Every], uptime_cs: int | None) -> Said:
        """Ask again for the tables that are ``due``. What could not be had is left out and named in ``missed``; where
        the device's time is used up or it fell silent, the rest is."""
        states = [state for state in self.tables if state.table.every in due or not state.walked]
        self.missed = {}
        read: set[str] = set()
        clock = asker.contact.clock
        try:
            await self._ask(asker, due, read)
            for state in states:
                if state.table.volatile and self._moved(state) and not self._rests(state, clock.monotonic()):
                    await self._walk(state, asker)
                    if not state.cut:
                        state.marker = self._marker_of(state)
                    read.add(state.table.name)
        except (DeadlineReached, SnmpError) as error:
            reason = _reason(error)
            self.missed |= {state.table.name: reason for state in states if state.table.name not in read}
            if not isinstance(error, DeadlineReached) and not asker.contact.replies:
                raise
        steps = self._said([state for state in states if state.table.name in read], uptime_cs)
        return await by_and_by(steps, clock)

    async def _ask(self, asker: Asker, due: frozenset[Every], read: set[str]) -> None:
        """GETs of the known instances, all tables together; ``read`` gets the names of those of which anything was
        had. Nothing old is left where nothing new came."""
        plan = await self._plan(asker, due)
        asked = {key: state for key, state in enumerate(self.tables) if state.table.every in due}
        for key, state in asked.items():
            if not state.table.volatile:
                state.lacking = plan.spoilt.get(key)
                await self._forget(asker.contact.clock, state, key)
        had: set[int] = set()
        try:
            for done, batch in enumerate(plan.batches):
                try:
                    answer = await asker.ask(batch)
                except (DeadlineReached, SnmpError) as error:
                    self._lack((group.key for left in plan.batches[done:] for group in left.groups), _reason(error))
                    raise
                for group, start in zip(batch.groups, batch.starts, strict=True):
                    for at, name in enumerate(group.oids, start):
                        self._take(group.key, name, answer, at)
                    if any(answer.tags[start : start + len(group.oids)]):
                        had.add(group.key)
        finally:
            read |= {
                state.table.name
                for key, state in asked.items()
                if not state.table.volatile and (state.lacking is None or key in had)
            }
            self.missed |= {s.table.name: s.lacking for s in asked.values() if s.lacking is not None}

    @staticmethod
    async def _forget(clock: Clock, state: TableState, key: int) -> None:
        """Drop what is about to be asked again."""
        async for some in in_slices(clock, list(state.groups(key)), GROUPS_AT_ONCE):
            for name in (name for group in some for name in group.oids):
                state.forget(name)

    async def _plan(self, asker: Asker, due: frozenset[Every]) -> _Plan:
        fits = (asker.size.limit, asker.poisons.changes, asker.contact.watch is not None)
        if self._planned != fits:
            self._plans, self._planned = {}, fits
        if due not in self._plans:
            spoilt: dict[int, str] = {}
            packing = asker.packing()
            made = list(packing.add(Group(_MARKERS, (name,)) for name in self._changed(due)))
            every = [
                group
                for key, state in enumerate(self.tables)
                if state.table.every in due and not state.table.volatile
                for group in state.groups(key)
            ]
            async for some in in_slices(asker.contact.clock, every, GROUPS_AT_ONCE):
                made += packing.add(self._unspoilt(asker, some, spoilt))
            self._plans[due] = _Plan((*made, *packing.rest()), spoilt)
        return self._plans[due]

    def _changed(self, due: frozenset[Every]) -> dict[bytes, None]:
        """The scalars that tell whether a volatile table changed."""
        return {
            oid.parse(state.table.changed): None
            for state in self.tables
            if state.table.every in due and state.table.volatile and state.table.changed is not None
        }

    @staticmethod
    def _unspoilt(asker: Asker, groups: Iterable[Group], spoilt: dict[int, str]) -> Iterator[Group]:
        """The groups without what spoils answers; ``spoilt`` gets the reason, by table."""
        now = asker.contact.clock.monotonic()
        for group in groups:
            kept = tuple(name for name in group.oids if not asker.poisons.holds(name, now))
            for name in group.oids if len(kept) < len(group.oids) else ():
                if name not in kept and (reason := asker.poisons.by_oid[name].reason) != _GONE:
                    spoilt[group.key] = reason
            if kept:
                yield Group(group.key, kept)

    def _take(self, key: int, name: bytes, answer: Answer, at: int) -> None:
        bind = VarBind(name, answer.tags[at], answer.values[at])
        if key == _MARKERS:
            self._markers[name] = bind.value if is_present(bind) else None
        elif bind.tag == ber.MISSING:
            reason = answer.missing.get(at, "missing")
            if reason != _GONE:
                self._lack((key,), reason)
        elif is_present(bind):
            self.tables[key].take(name, bounded(bind))

    def _lack(self, keys: Iterable[int], reason: str) -> None:
        for key in keys:
            if key != _MARKERS:
                self.tables[key].lacking = reason

    def _moved(self, state: TableState) -> bool:
        """Whether a volatile table is to be walked: always, or where its marker says so; an agent that has no marker is
        walked with the static tables."""
        marker = self._marker_of(state)
        return state.table.changed is None or not state.walked or marker not in {None, state.marker}

    def _marker_of(self, state: TableState) -> Value:
        return self._markers.get(oid.parse(state.table.changed)) if state.table.changed is not None else None

    async def first(self, uptime_cs: int | None, clock: Clock) -> Said:
        """What first contact found, as ``read`` gives it."""
        self.missed = {}
        return await by_and_by(self._said([state for state in self.tables if state.walked], uptime_cs), clock)

    def so_far(self, uptime_cs: int | None) -> Said:
        """As ``first``, also where first contact broke off, and all at once."""
        return at_once(self.so_far_in_steps(uptime_cs))

    def so_far_in_steps(self, uptime_cs: int | None) -> Generator[None, None, Said]:
        """As ``so_far``, step by step."""
        walked = [state for state in self.tables if state.walked]
        self.missed = {state.table.name: "unread" for state in self.tables if not state.walked}
        states = yield from settled(walked, self.known)
        return (yield from self._said(states, uptime_cs))

    def _said(self, states: Sequence[TableState], uptime_cs: int | None) -> Generator[None, None, Said]:
        readings: list[Reading] = []
        facts: dict[str, dict[Fact, None]] = {}
        peers: list[list[Fact]] = []
        broken: set[str] = set()
        read = {state.table.name for state in states}
        sorts = {state.table.sort for state in self.tables if state.table.name in read} - {None}
        for state in self.tables:
            if state.table.name not in read and state.table.sort not in sorts:
                continue  # a sort is said whole: also with the rows of tables that were not due, or did not change
            if state.cut:
                self.missed[state.table.name] = next(iter(state.cut.values()))
            if state.table.sort is None:
                readings += yield from state.readings(self.known)
            else:
                rows, every = facts.setdefault(state.table.sort, {}), (yield from state.facts(self.known))
                if state.table.sort == PEERS:
                    peers.append(every)
                    every = together(peers)
                    rows.clear()
                for start in range(0, len(every), SORTED_AT_ONCE):
                    rows.update(dict.fromkeys(every[start : start + SORTED_AT_ONCE]))
                    yield
                whole = state.walked and state.table.name not in self.missed
                broken |= set() if whole else {state.table.sort}
        return (
            Readings(uptime_cs, tuple(readings), dict(self.missed)),
            [Facts(sort, tuple(rows), sort not in broken, uptime_cs) for sort, rows in facts.items()],
        )


def _reason(error: DeadlineReached | SnmpError) -> str:
    return "deadline" if isinstance(error, DeadlineReached) else error.reason


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
