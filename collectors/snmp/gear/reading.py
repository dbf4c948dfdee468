"""From a table's rows to readings and facts: pure, and without memory."""

import dataclasses
import statistics
import types
import typing
from collections.abc import Collection, Generator, Iterable, Mapping, Sequence

from collectors.snmp import ber, oid
from collectors.snmp.ber import VarBind
from collectors.snmp.errors import DecodeError
from collectors.snmp.gear.model import Part, Reduce, Source, System, Table, ValueSpec
from collectors.snmp.gear.numbers import meant, possible
from collectors.snmp.gear.sources import counted, tag_of
from collectors.snmp.gear.values import NUMBER_MOST, Row, holds, number_of, parts_of, text_of
from collectors.snmp.slices import at_once
from collectors.snmp.text import shortened
from kpi.gear import AS_TRANS, PER_CLIENT, SORTS, Fact, Kind, Reading

Binds = Mapping[str, VarBind]
T = typing.TypeVar("T")
NAME_LIMIT = 80
"""Characters kept of a reading's name."""
_DECIMALS_MOST = 18
_WORD = 1 << 32
_KINDS = {kind.value: kind for kind in Kind}


def rows_of(
    table: Table, found: Mapping[bytes, Binds], foreign: Mapping[bytes, VarBind], known: Mapping[System, str]
) -> list[Row]:
    """The rows that the table's conditions let through, in the order they were found."""
    rows = []
    for suffix, binds in found.items():
        parts = parts_of(suffix, table.index)
        if parts is None:
            continue
        row = Row(suffix, parts, binds, foreign, known)
        if all(holds(condition, row) for condition in table.where):
            rows.append(row)
    return rows


def first_text(sources: Sequence[Source], row: Row) -> str | None:
    """What the first source that says anything says."""
    return next((said for source in sources if (said := text_of(source, row)) is not None), None)


def readings_of(
    table: Table, rows: Sequence[Row], *, witnessed: bool, whole: bool, cut: Collection[str] = ()
) -> list[Reading]:
    """The table's readings. ``witnessed`` tells that a count of no rows is to be believed, ``whole`` that no row is
    missing: sums and counts of some rows alone are none, nor are those that need one of the columns ``cut``, which were
    not read to their end."""
    return at_once(readings_by_and_by(table, rows, witnessed=witnessed, whole=whole, cut=cut))


def readings_by_and_by(
    table: Table, rows: Sequence[Row], *, witnessed: bool, whole: bool, cut: Collection[str] = ()
) -> Generator[None, None, list[Reading]]:
    """As readings_of, a step for each row. No two have one kind and instance: the first value that says something
    counts."""
    found: dict[tuple[Kind, str], Reading] = {}

    def keep(some: Iterable[Reading]) -> None:
        for reading in some:
            found.setdefault((reading.kind, reading.instance), reading)

    for at, spec in enumerate(table.values):
        tag = tag_of(spec.source.column, spec.source.oid, at)
        if spec.reduce is not None:
            if whole and not (cut and any(source.column in cut for source in counted(table, spec))):
                keep((yield from _reduced(table, spec, rows, f"{table.name}.{tag}", witnessed=witnessed)))
            yield
            continue
        for row in rows:
            if reading := _reading(table, spec, row, f"{table.name}.{tag}.{dotted(row.suffix)}"):
                keep((reading,))
            yield
    return list(found.values())


def dotted(suffix: bytes) -> str:
    """A row's index as dotted decimal."""
    try:
        return ".".join(map(str, oid.subidentifiers(suffix)))
    except DecodeError:
        return suffix.hex()


def _reading(table: Table, spec: ValueSpec, row: Row, instance: str) -> Reading | None:
    kind = _kind(spec, row)
    value = _value(spec, row, kind) if kind is not None else None
    if kind is None or value is None:
        return None
    port = number_of(spec.port, row) if spec.port is not None else None
    return Reading(
        kind=kind,
        instance=instance,
        name=_name(table, spec, row),
        value=value,
        limit=_limit(spec, row, kind),
        port=None if port is None else int(port),
        client=_client(table, row) if kind in PER_CLIENT else "",
    )


def _client(table: Table, row: Row) -> str:
    """Whose row it is: the MAC address in its index, else the index."""
    told = next((part for kind, part in zip(table.index, row.parts, strict=False) if kind is Part.MAC), None)
    return str(told) if told is not None else dotted(row.suffix)


def tells(spec: ValueSpec, row: Row) -> bool:
    """Whether the row has a value by this, or is one of the rows that are made one."""
    kind = _kind(spec, row)
    return kind is not None and (spec.reduce is not None or _value(spec, row, kind) is not None)


def _kind(spec: ValueSpec, row: Row) -> Kind | None:
    """The row's kind, and None where the row is not counted."""
    if not all(holds(condition, row) for condition in spec.where):
        return None
    if spec.kind_by is None:
        return spec.kind
    said = text_of(spec.kind_by, row)
    return _KINDS.get(said) if said is not None else None


def _name(table: Table, spec: ValueSpec, row: Row) -> str:
    own, label = first_text(spec.name, row), first_text(table.label, row)
    words = own or label or dotted(row.suffix)
    return words[:NAME_LIMIT]


def _value(spec: ValueSpec, row: Row, kind: Kind) -> float | None:
    """The row's value in the unit of its kind; None where there is none."""
    said = number_of(spec.source, row)
    if said is None or said in spec.drop:
        return None
    raw = meant(kind, said if spec.mask is None else float(int(said) & spec.mask))
    if raw is None or raw in spec.drop:
        return None
    raw += sum(_number_for(kind, source, row) or 0.0 for source in spec.plus)
    value = _scaled(spec, row, kind, raw)
    if value is None or not possible(kind, value) or (spec.least is not None and value < spec.least):
        return None
    return None if spec.most is not None and value > spec.most else value


def _limit(spec: ValueSpec, row: Row, kind: Kind) -> float | None:
    """What the device says must not be exceeded, read as the value is."""
    raw = _number_for(kind, spec.limit, row) if spec.limit is not None else None
    limit = _scaled(spec, row, kind, raw) if raw is not None else None
    return limit if limit is not None and possible(kind, limit) else None


def _number_for(kind: Kind, source: Source, row: Row) -> float | None:
    """A number of the kind that the source says."""
    said = number_of(source, row)
    return None if said is None else meant(kind, said)


def _scaled(spec: ValueSpec, row: Row, kind: Kind, raw: float) -> float | None:
    share = _share(spec, row, kind, raw)
    if share is None:
        return None
    value = share * spec.scale
    for source in spec.scale_by:
        factor = number_of(source, row)
        if factor is None:
            return None
        value *= factor
    for source in spec.divide_by:
        divisor = _number_for(kind, source, row)
        if not divisor:
            return None
        value /= divisor
    if spec.decimals_by is not None:
        decimals = _signed_32(number_of(spec.decimals_by, row) or 0)
        if abs(decimals) > _DECIMALS_MOST:
            return None
        value /= 10.0**decimals
    value += spec.offset
    if spec.negate:
        value = -value
    return round(abs(value) if spec.absolute else value, 6) if abs(value) <= NUMBER_MOST else None


def _signed_32(number: float) -> float:
    """A number of decimals, which may be below 0 (RFC 3433, EntitySensorPrecision), also where it came as Gauge32."""
    return number - _WORD if _WORD / 2 <= number < _WORD else number


def _share(spec: ValueSpec, row: Row, kind: Kind, raw: float) -> float | None:
    """``raw`` itself, or what it is of itself and what it shares with."""
    if not spec.share_with:
        return raw
    others = [_number_for(kind, source, row) for source in spec.share_with]
    if None in others:
        return None
    whole = raw + sum(other for other in others if other is not None)
    return raw / whole if whole > 0 else None


def _reduced(
    table: Table, spec: ValueSpec, rows: Sequence[Row], instance: str, *, witnessed: bool
) -> Generator[None, None, list[Reading]]:
    """Rows made one reading, or one a group, step by step."""
    groups: dict[str, list[Row]] = {}
    found: list[Reading] = []
    for row in rows:
        yield
        if _kind(spec, row) is None:
            continue
        group = text_of(spec.group_by, row) if spec.group_by is not None else ""
        if group is not None:
            groups.setdefault(group, []).append(row)
    if not groups and spec.group_by is None and spec.reduce is Reduce.COUNT and witnessed:
        groups = {"": []}
    for group, members in groups.items():
        value = yield from _together(spec, members)
        if value is not None and spec.kind is not None:
            name = first_text(spec.name, members[0]) if members else None
            found.append(
                Reading(
                    kind=spec.kind,
                    instance=f"{instance}.{group}" if group else instance,
                    name=(name or group or table.name)[:NAME_LIMIT],
                    value=value,
                )
            )
    return found


def _is_gone(source: Source, row: Row) -> bool:
    """Whether the row was there, and its instance is not any more."""
    bind = row.binds.get(source.column) if source.column is not None else None
    return bind is not None and bind.tag == ber.MISSING


def _together(spec: ValueSpec, rows: Sequence[Row]) -> Generator[None, None, float | None]:
    if spec.reduce is Reduce.COUNT:
        return float(sum(not _is_gone(spec.source, row) for row in rows))
    values: list[float] = []
    for row in rows:
        value = _value(spec, row, spec.kind) if spec.kind is not None else None
        values += () if value is None else (value,)
        yield
    if not values:
        return None
    match spec.reduce:
        case Reduce.SUM:
            return round(sum(values), 6)
        case Reduce.MEAN:
            return round(statistics.fmean(values), 6)
        case Reduce.MAX:
            return max(values)
        case _:
            return min(values)


@dataclasses.dataclass(frozen=True, slots=True)
class _Field:
    name: str
    kind: type
    required: bool
    default: object


def _fields(sort: type[Fact]) -> tuple[_Field, ...]:
    hints = typing.get_type_hints(sort)
    found = []
    for field in dataclasses.fields(sort):
        hint = hints[field.name]
        optional = isinstance(hint, types.UnionType)
        kind = next(arg for arg in typing.get_args(hint) if arg is not type(None)) if optional else hint
        bare = field.default is dataclasses.MISSING
        found.append(_Field(field.name, kind, bare and not optional, None if bare else field.default))
    return tuple(found)


_FIELDS = {name: _fields(sort) for name, sort in SORTS.items()}
_STATION = {"rssi_dbm": Kind.CLIENT_RSSI, "snr_db": Kind.CLIENT_SNR}
"""The kinds of the fields that are no whole numbers."""
_YES = frozenset({"true", "1", "up", "yes"})


def facts_by_and_by(table: Table, rows: Sequence[Row]) -> Generator[None, None, list[Fact]]:
    """As facts_of, a step for each row."""
    found: list[Fact] = []
    for row in rows:
        found += facts_of(table, (row,))
        yield
    return found


def facts_of(table: Table, rows: Sequence[Row]) -> list[Fact]:
    """Each row as one fact of the table's sort; a row without a required field is none."""
    assert table.sort is not None
    sources = table.fields or {}
    found: list[Fact] = []
    for row in rows:
        said: dict[str, typing.Any] = {}
        for field in _FIELDS[table.sort]:
            value = _field(field, sources.get(field.name, ()), row)
            if value is None and field.required:
                break
            said[field.name] = field.default if value is None else value
        else:
            found.append(SORTS[table.sort](**said))
    return found


def _field(field: _Field, sources: Sequence[Source], row: Row) -> str | float | bool | None:
    if field.kind in {str, bool}:
        said = first_text(sources, row)
        if said is None or field.kind is bool:
            return None if said is None else said.lower() in _YES
        return shortened(said)
    numbers = (found for source in sources if (found := number_of(source, row)) is not None)
    number = next((one for one in numbers if field.name != "remote_as" or one != AS_TRANS), None)
    if number is None:
        return None
    if field.kind is float:
        kind = _STATION[field.name]
        level = meant(kind, number)
        return level if level is not None and possible(kind, level) else None
    if number < -_WORD // 2:
        return None
    return int(number) if number >= 0 else int(number) + _WORD  # what is counted or numbered: 32 bits read as signed
