"""What the parts of a profile must be to each other, and what must be there. Each rule yields what breaks it."""

import difflib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import MISSING, fields

from agent.profiles.broken import Broken
from agent.profiles.schema import ConditionModel, MatchModel, ProfileModel, SourceModel, TableModel, ValueModel
from agent.profiles.source_rules import Place, identity_source, is_quick, match_source, table_source
from agent.profiles.twins import values_are_told_apart
from agent.settings.lines import Key
from collectors.snmp.gear.model import Part, Reduce
from kpi.gear import SORTS, Kind


def broken(profile: ProfileModel) -> Iterator[Broken]:
    """Every rule that does not hold."""
    yield from _recognised(profile)
    for position, match in enumerate(profile.match):
        yield from _match(("match", position), match)
    for name in type(profile.identity).model_fields:
        for position, source in enumerate(getattr(profile.identity, name)):
            yield from identity_source(("identity", name, position), source)
    yield from _names_are_unique(profile)
    for position, table in enumerate(profile.table):
        for rule in TABLE_RULES:
            yield from rule(("table", position), table)


def _recognised(profile: ProfileModel) -> Iterator[Broken]:
    if profile.base and profile.always:
        yield Broken(("base",), "a profile that every device has can be extended as it is", "Leave base out.")
    elif profile.match and (profile.base or profile.always):
        word = "base" if profile.base else "always"
        what = "there for others to extend" if profile.base else "part of every device"
        yield Broken((word,), f"a profile that is {what} has no [[match]]", f"Leave out one of {word} and [[match]].")
    elif not profile.match and not profile.base and not profile.always:
        hint = "Write [[match]], or base = true where it is there for others to extend."
        yield Broken(("match",), "is missing: no device is recognised by it", hint, absent=True)


def _match(key: Key, match: MatchModel) -> Iterator[Broken]:
    if not match.object_id and match.descr is None and match.present is None and match.value is None:
        hint = "Write object_id, descr, present or value."
        yield Broken(key, "says of no device that it is one", hint, absent=True)
    for name in ("descr", "not_descr"):
        yield from is_quick((*key, name), getattr(match, name))
    if match.value is not None:
        yield from match_source((*key, "value"), match.value)


def _names_are_unique(profile: ProfileModel) -> Iterator[Broken]:
    first: dict[str, int] = {}
    for position, table in enumerate(profile.table):
        before = first.setdefault(table.name, position) if table.name else position
        if before != position:
            yield Broken(("table", position, "name"), "another table has that name", other=("table", before, "name"))


def _is_whole(key: Key, table: TableModel) -> Iterator[Broken]:
    if table.name is None:
        yield Broken((*key, "name"), "is missing", 'Write name = "...", small letters, digits and hyphens.')
    if table.entry is None:
        yield Broken((*key, "entry"), "is missing", "Write the OID of the entry; columns are below it.")
    if table.sort is not None and table.value:
        hint = "Make two tables of it."
        yield Broken((*key, "sort"), "a table is read into readings (value) or into facts (sort), not both", hint)
    if table.sort is None and table.field is not None:
        yield Broken((*key, "sort"), f"is missing: it says what field is read into, one of {', '.join(SORTS)}")
    if table.sort is None and table.field is None and not table.value:
        yield Broken(key, "reads nothing", "Write [[table.value]], or sort with [table.field].", absent=True)
    if table.sort is not None and table.field is None:
        yield Broken((*key, "field"), "is missing: sort needs it", "Write [table.field].")


def _fields_are_the_sorts(key: Key, table: TableModel) -> Iterator[Broken]:
    if table.sort is None or table.field is None:
        return
    sort = fields(SORTS[table.sort])
    names = [one.name for one in sort]
    for name in table.field:
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            hint = f'Did you mean "{near[0]}"?' if near else f"Known here: {', '.join(names)}."
            yield Broken((*key, "field", name), f"is not a field of {table.sort}", hint)
    for one in sort:
        if one.default is MISSING and one.name not in table.field:
            yield Broken((*key, "field", one.name), f"is missing: {table.sort} needs it")


def _columns_are_named(key: Key, table: TableModel) -> Iterator[Broken]:
    """A table is its columns: without one there is nothing to walk and no row."""
    if (table.value or table.field) and all(source.column is None for _, source in _sources(key, table)):
        hint = "Name a column, if only in where or label."
        yield Broken(key, "no column of its own is read, so it has no rows", hint, absent=True)


def _index_is_sound(key: Key, table: TableModel) -> Iterator[Broken]:
    for position, part in enumerate(table.index[:-1]):
        if part in {Part.IMPLIED, Part.REST}:
            yield Broken((*key, "index", position), f'"{part}" takes the rest of the index and stands last')
    if table.scalar and table.index:
        yield Broken((*key, "index"), "a scalar table has one row and no index")


def _rows_come_and_go(key: Key, table: TableModel) -> Iterator[Broken]:
    if table.scalar and table.volatile:
        yield Broken((*key, "volatile"), "a scalar table has one row, which does not come and go")
    if table.changed is not None and not table.volatile:
        yield Broken((*key, "changed"), "is for a table with volatile = true alone")
    if table.changed is not None and not table.changed.endswith(".0"):
        yield Broken((*key, "changed"), f'found "{table.changed}", expected a scalar, which ends in .0')
    if table.witness is not None and all(value.reduce is not Reduce.COUNT for value in table.value):
        yield Broken((*key, "witness"), 'is for a value with reduce = "count" alone')


def _sources_are_sound(key: Key, table: TableModel) -> Iterator[Broken]:
    parts = 0 if table.scalar else len(table.index) or None
    for way, source in _sources(key, table):
        yield from table_source(way, source, parts)


def _conditions_ask(key: Key, table: TableModel) -> Iterator[Broken]:
    listed: list[tuple[Key, tuple[ConditionModel, ...]]] = [((*key, "where"), table.where)]
    listed += [((*key, "value", at, "where"), value.where) for at, value in enumerate(table.value)]
    for way, conditions in listed:
        for position, condition in enumerate(conditions):
            if condition.within is None and condition.outside is None and condition.pattern is None:
                hint = "Write within = [...], outside = [...] or pattern."
                yield Broken((*way, position), "asks for nothing", hint, absent=True)


def _values_are_sound(key: Key, table: TableModel) -> Iterator[Broken]:
    for position, value in enumerate(table.value):
        way = (*key, "value", position)
        yield from _has_a_kind(way, value)
        if value.least is not None and value.most is not None and value.least > value.most:
            yield Broken((*way, "least"), f"{value.least:g} is more than most ({value.most:g}): all would be no value")
        if value.group_by is not None and value.reduce is None:
            yield Broken((*way, "group_by"), "is for a value with reduce alone")
        for at, source in enumerate(value.scale_by):
            for word, number in (source.map or {}).items():
                if not _is_number(number):
                    yield Broken((*way, "scale_by", at, "map", word), f'found "{number}", expected a number in quotes')


def _has_a_kind(way: Key, value: ValueModel) -> Iterator[Broken]:
    if value.kind is not None and value.kind_by is not None:
        yield Broken((*way, "kind_by"), "kind is said already", "Keep one of the two.")
    elif value.kind is None and value.kind_by is None:
        yield Broken((*way, "kind"), "is missing: it says what the value measures")
    elif value.kind_by is not None:
        if value.kind_by.map is None:
            hint = 'Write map = { "8" = "temperature" }.'
            yield Broken((*way, "kind_by"), "needs a map from what the device says to kinds", hint, absent=True)
        for word, kind in (value.kind_by.map or {}).items():
            if kind not in set(Kind):
                near = difflib.get_close_matches(kind, list(Kind), n=1)
                hint = f'Did you mean "{near[0]}"?' if near else "`sonda help profiles` lists them with their units."
                yield Broken((*way, "kind_by", "map", word), f'there is no kind "{kind}"', hint)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _sources(key: Key, table: TableModel) -> Iterator[Place]:
    """Every source of a table but those within sources."""
    yield from _listed((*key, "where"), table.where)
    yield from _listed((*key, "label"), table.label)
    for name, sources in (table.field or {}).items():
        yield from _listed((*key, "field", name), sources)
    for position, value in enumerate(table.value):
        way = (*key, "value", position)
        yield way, value
        for name in ("where", "plus", "scale_by", "divide_by", "share_with", "name"):
            yield from _listed((*way, name), getattr(value, name))
        for name in ("kind_by", "decimals_by", "group_by", "limit", "port"):
            if (source := getattr(value, name)) is not None:
                yield (*way, name), source


def _listed(key: Key, sources: Sequence[SourceModel]) -> Iterator[Place]:
    for position, source in enumerate(sources):
        yield (*key, position), source


TABLE_RULES: tuple[Callable[[Key, TableModel], Iterator[Broken]], ...] = (
    _is_whole,
    _fields_are_the_sorts,
    _columns_are_named,
    _index_is_sound,
    _rows_come_and_go,
    _sources_are_sound,
    _conditions_ask,
    _values_are_sound,
    values_are_told_apart,
)
