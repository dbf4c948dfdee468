"""The tables of one device between polls: which rows they have, and how those are asked again."""

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

from collectors.snmp import ber, oid
from collectors.snmp.batch import Asker, Group
from collectors.snmp.ber import VarBind
from collectors.snmp.gear.model import Source, System, Table
from collectors.snmp.gear.reading import (
    facts_by_and_by,
    readings_by_and_by,
    rows_of,
    tells,
)
from collectors.snmp.gear.sources import changing, wanted, within
from collectors.snmp.gear.values import Row, instance_of, parts_of
from collectors.snmp.interfaces import Column, is_present
from collectors.snmp.slices import STEPS_AT_ONCE, at_once
from collectors.snmp.walk import LEARNT_MAX, ROWS_MAX, Walk, bounded, row_of
from kpi.gear import Fact, Reading

SCALAR_ROW = b"\0"
"""The one row of a scalar group: the instance 0."""
_NOTHING = VarBind(b"", ber.MISSING, None)
STALE_S = 900.0
"""What was left half read for so long is begun anew: nothing so old is told beside what is new."""
LEARNT = "forwarding"
"""The sort of the tables that may be long."""
_NESTED = 3
"""So often may the index of one lookup come from another."""


@dataclass(slots=True)
class TableState:
    """One table of one device."""

    table: Table
    rows: dict[bytes, dict[str, VarBind]] = field(default_factory=dict)
    """Its own columns, by row and column name."""
    foreign: dict[bytes, VarBind] = field(default_factory=dict)
    """What its lookups found, by instance."""
    cut: dict[str, str] = field(default_factory=dict)
    """Columns that were not read to their end, with the reason."""
    lacking: str | None = None
    """Why some of what was asked again in the last poll could not be had: sums of the rest are none."""
    walked: bool = False
    paused_at: float = 0.0
    """When ``walk`` was left, in seconds of the monotonic clock."""
    walk: Walk[bytes] | None = None
    requests: int = 0
    """What its last whole walk took."""
    marker: int | bytes | None = None
    """What ``Table.changed`` said when the rows were walked."""
    witnessed: bool = False

    _columns: tuple[Column, ...] = ()
    _prefixes: dict[str, bytes] = field(default_factory=dict)
    """OIDs of its own columns, by name."""
    _foreign: tuple[Source, ...] = ()
    _asked: tuple[tuple[bytes, ...], ...] = ()
    """Instances that are asked again, by row."""

    def __post_init__(self) -> None:
        plan = wanted(self.table)
        self._columns, self._foreign = plan.columns, plan.foreign
        self._prefixes = {column.name: column.prefix for column in plan.columns}

    async def learn(self, asker: Asker) -> None:
        """Read the whole table. Raises as Asker.ask; after DeadlineReached it goes on where it stopped."""
        if self.table.scalar:
            names = {oid.parse(f"{self.table.entry}.{c.name}.0"): c.name for c in self._columns}
            found, missing = await fetch(asker, names)
            own = {names[name]: bind for name, bind in found.items()}
            self.rows, self.cut = ({SCALAR_ROW: own} if own else {}), missing
        else:
            if self.walk is None or asker.contact.clock.monotonic() - self.paused_at > STALE_S:
                self.walk = Walk(self._columns, row_of, most=LEARNT_MAX if self.table.sort == LEARNT else ROWS_MAX)
            try:
                await self.walk.run(asker.contact)
            finally:
                self.paused_at = asker.contact.clock.monotonic()
            self.rows, self.cut, self.requests = self.walk.rows, dict(self.walk.cut), self.walk.requests
            self.walk = None
        await self._look_up(asker)
        self.walked = True

    async def _look_up(self, asker: Asker) -> None:
        """Ask for what the rows point to in other tables, and for what that points to. What is known is not asked
        again, but for numbers, which may move; what no row points to any more is forgotten."""
        if not self._foreign:
            return
        known = self.foreign
        self.foreign = {}
        asked: set[bytes] = set()
        for _ in range(_NESTED):
            names: dict[bytes, str] = {}
            pointed = False
            for at, row in enumerate(self._all_rows({})):
                for name in self._pointed(row, self._foreign):
                    if name in asked:
                        continue
                    pointed = True
                    asked.add(name)
                    if name in known and not isinstance(known[name].value, int):
                        self.foreign[name] = known[name]
                    else:
                        names[name] = ""
                if at % STEPS_AT_ONCE == 0:
                    await asker.contact.clock.sleep(0)
            if not pointed:
                return
            found, _missing = await fetch(asker, names)
            self.foreign |= found

    def _all_rows(self, known: Mapping[System, str]) -> Iterator[Row]:
        for suffix, binds in self.rows.items():
            parts = parts_of(suffix, self.table.index)
            if parts is not None:
                yield Row(suffix, parts, binds, self.foreign, known)

    @staticmethod
    def _pointed(row: Row, sources: Iterable[Source]) -> Iterator[bytes]:
        for source in sources:
            name = instance_of(source, row)
            if name is not None:
                yield name

    def plan(self, known: Mapping[System, str]) -> Generator[None, None, None]:
        """Decide step by step what is asked again, of each row that says anything: of its values those that told
        something, and the states that its conditions look at. What told nothing is looked at when rows are looked for
        anew."""
        if self.table.volatile:
            return
        found: list[tuple[bytes, ...]] = []
        rows = yield from self._passing(known)
        for row in rows:
            if asked := self._asked_of(row):
                found.append(asked)
            yield
        self._asked = tuple(found)

    def _asked_of(self, row: Row) -> tuple[bytes, ...]:
        told = [spec for spec in self.table.values if tells(spec, row)]
        moving = list(within(source for spec in told for source in changing(spec)))
        moving += within(source for some in (self.table.fields or {}).values() for source in some)
        if moving:
            judging = [condition.source for spec in told for condition in spec.where]
            judging += (condition.source for condition in self.table.where)
            moving += (source for source in within(judging) if self._is_state(source, row))
        own = (source.column for source in moving if source.column is not None and source.column in row.binds)
        oids = [self._prefixes[column] + row.suffix for column in own]
        oids += self._pointed(row, [source for source in moving if source.oid is not None])
        return tuple(dict.fromkeys(oids))

    def groups(self, key: int) -> Iterator[Group]:
        """What is asked again, a group of that key for each row."""
        return (Group(key, asked) for asked in self._asked)

    @staticmethod
    def _is_state(source: Source, row: Row) -> bool:
        """Numbers may move; what is text or an OID says what the row is."""
        return source.column is not None and isinstance(row.binds.get(source.column, _NOTHING).value, int)

    def forget(self, name: bytes) -> None:
        """Nothing old is to be taken for new: what is asked again is dropped before."""
        self.take(name, _NOTHING)

    def take(self, name: bytes, bind: VarBind) -> None:
        """One instance that was asked again."""
        for column, prefix in self._prefixes.items():
            if name.startswith(prefix) and (row := self.rows.get(name[len(prefix) :])) is not None:
                row[column] = bind
                return
        self.foreign[name] = bind

    def passing(self, known: Mapping[System, str]) -> list[Row]:
        """The rows that the table's conditions let through."""
        return at_once(self._passing(known))

    def _passing(self, known: Mapping[System, str]) -> Generator[None, None, list[Row]]:
        found: list[Row] = []
        for suffix, binds in list(self.rows.items()):
            found += rows_of(self.table, {suffix: binds}, self.foreign, known)
            yield
        return found

    def readings(self, known: Mapping[System, str]) -> Generator[None, None, list[Reading]]:
        """What the rows say now, step by step."""
        rows = yield from self._passing(known)
        whole = self.lacking is None
        return (yield from readings_by_and_by(self.table, rows, witnessed=self.witnessed, whole=whole, cut=self.cut))

    def facts(self, known: Mapping[System, str]) -> Generator[None, None, list[Fact]]:
        """The same for a table of facts."""
        rows = yield from self._passing(known)
        return (yield from facts_by_and_by(self.table, rows))

    def tells_something(self, known: Mapping[System, str]) -> Generator[None, None, bool]:
        """Whether there is a reading or a fact, step by step."""
        return bool((yield from self.readings(known) if self.table.sort is None else self.facts(known)))


async def fetch(asker: Asker, names: Mapping[bytes, str]) -> tuple[dict[bytes, VarBind], dict[str, str]]:
    """GETs of instances: those that have a value, and of the others that could not be asked the reason by the name
    given for them. Raises as Asker.ask."""
    found: dict[bytes, VarBind] = {}
    missing: dict[str, str] = {}
    packing = asker.packing()
    made = packing.add(Group(0, (name,)) for name in names)
    for batch in chain(made, packing.rest()):  # each is made right before it is asked
        answer = await asker.ask_whole(batch)
        for at, name in enumerate(batch.request.oids[batch.lead :], batch.lead):
            tag = answer.tags[at]
            bind = VarBind(name, tag, answer.values[at])
            if tag != ber.MISSING and is_present(bind):
                found[name] = bounded(bind)
            elif (reason := answer.missing.get(at)) is not None and reason != "no_such_name":
                missing[names[name]] = reason
    return found, missing


def settled(states: Sequence[TableState], known: Mapping[System, str]) -> Generator[None, None, list[TableState]]:
    """The tables that are to be asked, found step by step: of alternatives the first that says anything."""
    taken: set[str] = set()
    kept = []
    for state in states:
        word = state.table.alternative
        if word is not None:
            if word in taken:
                continue
            if (yield from state.tells_something(known)):
                taken.add(word)
            else:
                continue
        kept.append(state)
    return kept
