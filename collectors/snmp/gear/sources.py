"""Which sources a table has, and which of them must be read each time."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from collectors.snmp import oid
from collectors.snmp.gear.model import Source, Table, ValueSpec
from collectors.snmp.interfaces import Column


def within(sources: Iterable[Source | None]) -> Iterator[Source]:
    """The sources and those inside them."""
    for source in sources:
        if source is not None:
            yield source
            yield from within(source.join)
            yield from within(source.at)


def changing(spec: ValueSpec) -> Iterator[Source]:
    """What a value needs anew in each poll."""
    yield spec.source
    yield from spec.plus
    yield from spec.divide_by
    yield from spec.share_with


def _lasting(spec: ValueSpec) -> Iterator[Source | None]:
    """What a value needs once: its names, scales and limits."""
    yield from (spec.kind_by, spec.decimals_by, spec.group_by, spec.limit, spec.port)
    yield from spec.scale_by
    yield from spec.name


def counted(table: Table, spec: ValueSpec) -> Iterator[Source]:
    """What decides which rows are made one reading, and which number that is: all but names, limits and ports."""
    conditions = (condition.source for condition in (*table.where, *spec.where))
    yield from within((*changing(spec), *conditions, spec.kind_by, spec.decimals_by, spec.group_by, *spec.scale_by))


def tag_of(column: str | None, own: str | None, position: int) -> str:
    """What stands for a value from that column, or from that OID of another table, in the instance of its readings,
    behind the table's name and before the row's index."""
    return column or (own or "").rpartition(".")[2] or str(position)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for one table."""

    columns: tuple[Column, ...]
    """All its own columns."""
    foreign: tuple[Source, ...]
    """Sources in other tables."""


def wanted(table: Table) -> Wanted:
    """What is asked for ``table``. Raises ValueError for an OID that is none (the loader lets none pass)."""
    sources: list[Source | None] = [*table.label, *(condition.source for condition in table.where)]
    for spec in table.values:
        sources += (*changing(spec), *(condition.source for condition in spec.where), *_lasting(spec))
    for some in (table.fields or {}).values():
        sources += some
    every = list(within(sources))
    return Wanted(columns=_columns(table, every), foreign=tuple(source for source in every if source.oid is not None))


def _columns(table: Table, sources: Iterable[Source]) -> tuple[Column, ...]:
    names = dict.fromkeys(source.column for source in sources if source.column is not None)
    return tuple(Column(name, oid.parse(f"{table.entry}.{name}")) for name in names)
