"""Two values of a table that would tell different things under one kind and instance."""

import math
from collections.abc import Iterator, Mapping

from agent.profiles.broken import Broken
from agent.profiles.schema import SourceModel, TableModel, ValueModel
from agent.settings.lines import Key
from collectors.snmp.gear.sources import tag_of
from kpi.gear import Kind

_HINT = "Make two tables of it, or let a where on one column decide which of the two a row has."


def values_are_told_apart(key: Key, table: TableModel) -> Iterator[Broken]:
    """A reading is known by its kind, its table and its column or the last number of its oid; of two values that share
    them no row may have both."""
    for at, value in enumerate(table.value):
        for before, other in enumerate(table.value[:at]):
            shared = _kinds(value).keys() & _kinds(other).keys()
            if not shared or not _same_tag(_tag(value, at), _tag(other, before)):
                continue
            if value.reduce is other.reduce is None and all(_alternative(value, other, kind) for kind in shared):
                continue
            said = f'"{min(shared)}" of the same column is told by another value already, and one would hide the other'
            yield Broken((*key, "value", at), said, _HINT, other=(*key, "value", before))
            break


def _kinds(value: ValueModel) -> Mapping[str, frozenset[str] | None]:
    """The kinds the value may be of, each with what ``kind_by`` must say for it."""
    if value.kind is not None:
        return {value.kind: None}
    said = (value.kind_by.map or {}) if value.kind_by is not None else {}
    return {kind: frozenset(word for word in said if said[word] == kind) for kind in set(said.values()) & set(Kind)}


def _tag(value: ValueModel, position: int) -> str:
    return tag_of(value.column, value.oid, position)


def _same_tag(one: str, other: str) -> bool:
    """Also "1" and "1.2": row 2.3 of the one is row 3 of the other."""
    return one == other or one.startswith(other + ".") or other.startswith(one + ".")


def _alternative(one: ValueModel, other: ValueModel, kind: str) -> bool:
    """Whether no row has both."""
    if _ranges_part(one, other):
        return True
    return any(
        _parted(a, b)
        for a in _conditions(one, kind)
        for b in _conditions(other, kind)
        if _origin(a[0]) == _origin(b[0])
    )


Said = tuple[SourceModel, frozenset[str] | None, frozenset[str], str | None]
"""A source with what it must be within, what it must not be, and a pattern."""


def _conditions(value: ValueModel, kind: str) -> Iterator[Said]:
    for one in value.where:
        yield one, None if one.within is None else frozenset(one.within), frozenset(one.outside or ()), one.pattern
    yield value, None, frozenset(), value.pattern
    if value.kind_by is not None:
        yield value.kind_by, _kinds(value)[kind], frozenset(), None


def _origin(source: SourceModel) -> tuple[object, ...]:
    return (source.column, source.oid, source.at, source.index, source.system, source.join, source.text)


def _parted(one: Said, other: Said) -> bool:
    for (_, within, _, _), (_, also, outside, _) in ((one, other), (other, one)):
        if within is not None and ((also is not None and not within & also) or within <= outside):
            return True
    return one[3] is not None and other[3] is not None and one[3] != other[3]


def _ranges_part(one: ValueModel, other: ValueModel) -> bool:
    """Whether their bounds let through different numbers of the agent: volts, or tenths of them."""
    (low, high), (also_low, also_high) = _raw_range(one), _raw_range(other)
    return high < also_low or also_high < low


def _raw_range(value: ValueModel) -> tuple[float, float]:
    more = (value.plus, value.scale_by, value.divide_by, value.share_with, value.decimals_by, value.mask)
    if any(more) or value.negate or value.absolute or value.scale <= 0:
        return -math.inf, math.inf
    least = -math.inf if value.least is None else (value.least - value.offset) / value.scale
    return least, math.inf if value.most is None else (value.most - value.offset) / value.scale
