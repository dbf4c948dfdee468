"""What a profile that is tried got nothing from, each with its line and where it ended: the table, its index, its
conditions or its value. A device need not have all of it; one that has it may be read wrongly."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from agent.profiles.broken import Broken
from agent.profiles.reading import examine, head_of
from agent.profiles.schema import ProfileModel, TableModel
from agent.profiles.wording import rule_fault
from agent.settings.lines import Key
from collectors.snmp.gear.choose import fit
from collectors.snmp.gear.gear import Gear
from collectors.snmp.gear.model import Source, System, Table, ValueSpec
from collectors.snmp.gear.reading import dotted, first_text, readings_of
from collectors.snmp.gear.sources import wanted
from collectors.snmp.gear.tables import TableState
from collectors.snmp.gear.values import Row, holds, parts_of, text_of


def unread(file: Path, gear: Gear) -> list[str]:
    """What the file itself, not what it extends, names and ``gear``, read by it, did not get. A sentence each."""
    document = examine(file)
    if document.model is None or not gear.learnt:
        return []
    rules = (*_matches(file, document.model, gear), *_identity(document.model, gear), *_tables(document.model, gear))
    return [str(rule_fault(rule, document.tree)) for rule in rules]


def _matches(file: Path, model: ProfileModel, gear: Gear) -> Iterator[Broken]:
    """What is asked by ``present`` and ``value`` is not looked at."""
    matches = head_of(file, model).matches
    if matches and all(fit(match, gear.known) is None for match in matches):
        own, descr = gear.known.get(System.OBJECT_ID, ""), gear.known.get(System.DESCR, "")
        said = f'its sysObjectID is {own or "none"}, its sysDescr "{descr}"'
        yield Broken(("match", 0), f"without --profile this device is not read by it: {said}")


def _identity(model: ProfileModel, gear: Gear) -> Iterator[Broken]:
    for name in type(model.identity).model_fields:
        if getattr(model.identity, name) and getattr(gear.inventory, name) is None:
            yield Broken(
                ("identity", name), "nothing was read: the device does not say it, or pattern or map does not fit"
            )


def _tables(model: ProfileModel, gear: Gear) -> Iterator[Broken]:
    states = {state.table.name: state for state in gear.tables}
    taken = {state.table.alternative for state in gear.tables} - {None}
    for position, written in enumerate(model.table):
        state = states.get(written.name or "")
        if state is not None:
            yield from _table(("table", position), state, gear.known)
        elif written.alternative not in taken:
            yield Broken(("table", position, "entry"), _absent(written, gear))


def _absent(written: TableModel, gear: Gear) -> str:
    if written.alternative is not None:
        return f'of the tables with alternative = "{written.alternative}" none was read'
    placed = (
        next((table.entry for table in gear.profile.tables if table.name == written.name), "") if gear.profile else ""
    )
    return f"the device has nothing below {placed}"


def _table(key: Key, state: TableState, known: Mapping[System, str]) -> Iterator[Broken]:
    """Where a table that the device has ended."""
    table, passing = state.table, state.passing(known)
    for column, reason in state.cut.items():
        yield Broken(key, f"column {column} was not read to its end: {reason.replace('_', ' ')}")
    if not state.rows:
        columns = ", ".join(column.name for column in wanted(table).columns)
        said = f"nothing answered in its columns ({columns}), though the device has something below {table.entry}"
        yield Broken((*key, "entry"), said, "Columns are counted from there.")
    elif all(parts_of(suffix, table.index) is None for suffix in state.rows):
        first = dotted(next(iter(state.rows)))
        yield Broken(
            (*key, "index"), f"none of {_rows(len(state.rows))} has an index made like that; the first is {first}"
        )
    elif not passing:
        yield Broken((*key, "where"), f"lets none of {_rows(len(state.rows))} through")
    else:
        yield from _row_parts(key, table, passing)
        for at, spec in enumerate(table.values):
            one = replace(table, values=(spec,))
            if not readings_of(one, passing, witnessed=state.witnessed, whole=not state.cut):
                yield _value((*key, "value", at), spec, passing)


def _row_parts(key: Key, table: Table, rows: list[Row]) -> Iterator[Broken]:
    """A label or a field that is empty in every row."""
    parts: dict[Key, tuple[Source, ...]] = {("label",): table.label} if table.label else {}
    parts |= {("field", name): sources for name, sources in (table.fields or {}).items()}
    for way, sources in parts.items():
        if all(first_text(sources, row) is None for row in rows):
            yield Broken((*key, *way), f"says nothing in any of {_rows(len(rows))}")


def _value(key: Key, spec: ValueSpec, rows: list[Row]) -> Broken:
    """Why a value gave no reading."""
    kind = spec.kind.value if spec.kind is not None else "reading"
    counted = [row for row in rows if all(holds(condition, row) for condition in spec.where)]
    if not counted:
        return Broken((*key, "where"), f"lets none of {_rows(len(rows))} through, so there is no {kind}")
    said = [words for row in counted if (words := text_of(spec.source, row)) is not None]
    if not said:
        column = f"column {spec.source.column}" if spec.source.column is not None else "its source"
        return Broken(key, f"no {kind}: {column} says nothing in any of {_rows(len(counted))}")
    return Broken(key, f'no {kind}: none of {_rows(len(said))} counts; the first says "{said[0]}"')


def _rows(number: int) -> str:
    return f"{number} row{'' if number == 1 else 's'}"
