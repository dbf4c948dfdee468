"""A profile as it is written: one frozen model a TOML table, unknown keys refused.

What one value may be stands here; what values must be to each other, and what must be there, stands in rules.py.
Descriptions go into the JSON schema that editors read (reference.py).
"""

import dataclasses
import difflib
import re
import warnings
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    Strict,
)
from pydantic_core import CoreSchema, core_schema

from agent.settings.types import Expects, Flag, quoted, refuse
from collectors.snmp import oid
from collectors.snmp.gear.model import Every, Form, Part, Reduce, System
from collectors.snmp.gear.placed import WRITTEN
from kpi.gear import SORTS, UNITS, Kind


class OneOrMore:
    """A list that may be written as its only item; the mark on a field's type."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(_listed, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        many = handler(schema)
        return {"anyOf": [many["items"], many]}


def _listed(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


def _own_oid(text: str) -> str:
    """The same, or "{sysObjectID:10}.1.2"."""
    return text if WRITTEN.fullmatch(text) else _oid(text)


def _oid(text: str) -> str:
    """Dotted digits, two arcs at least; without the leading dot that some write."""
    try:
        whole = len(oid.parse(text)) > 0 and "." in text.removeprefix(".")
    except ValueError:
        whole = False
    if not whole:
        refuse(f"found {quoted(text)}, expected an object identifier in digits", _OID_HINT if _has_name(text) else "")
    return text.removeprefix(".")


_OID_HINT = "Names of a MIB are not known here: write the digits."


def _has_name(text: str) -> bool:
    return re.search("[A-Za-z]", text) is not None


def _regex(text: str) -> str:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", FutureWarning)  # "[[a]": what it means will change
            re.compile(text)
    except (re.error, FutureWarning) as error:
        refuse(f"found {quoted(text)}, which is no regular expression: {error}", "Write it in 'single quotes'.")
    return text


_COLUMN = re.compile(r"[0-9]{1,10}(\.[0-9]{1,10}){0,15}")


_INTERNET = "1.3.6.1."


def _column(value: Any) -> Any:
    """Text; a whole number is taken as its digits."""
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if isinstance(text, str) and not _COLUMN.fullmatch(text):
        refuse(f'found {quoted(text)}, expected the number of a column, such as 5 or "1.5"')
    if isinstance(text, str) and text.startswith(_INTERNET):
        refuse(f"found {quoted(text)}, which is a whole OID", "Write what comes after entry, or oid instead of column.")
    return text


def _word(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _sort(text: str) -> str:
    if text not in SORTS:
        near = difflib.get_close_matches(text, SORTS, n=1)
        words = ", ".join(f'"{sort}"' for sort in SORTS)
        refuse(f"found {quoted(text)}, expected one of {words}", f'Did you mean "{near[0]}"?' if near else "")
    return text


_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


def is_name(text: str) -> bool:
    """Whether a profile or a table may be called that."""
    return _NAME.fullmatch(text) is not None


def _name(text: str) -> str:
    if not is_name(text):
        refuse(f"found {quoted(text)}, expected small letters, digits and hyphens")
    return text


Oid = Annotated[str, AfterValidator(_oid), Expects('an object identifier in quotes, such as "1.3.6.1.2.1.1.1.0"')]
OwnOid = Annotated[
    str, AfterValidator(_own_oid), Expects('an object identifier in quotes, such as "1.3.6.1.2.1.1.1.0"')
]
Regex = Annotated[str, Field(min_length=1), AfterValidator(_regex), Expects("a regular expression")]
Column = Annotated[
    str,
    BeforeValidator(_column, json_schema_input_type=int | str),
    Expects('the number of a column, such as 5 or "1.5"'),
]
Word = Annotated[str, BeforeValidator(_word, json_schema_input_type=int | str), Expects("text or a whole number")]
TableName = Annotated[str, AfterValidator(_name), Expects("small letters, digits and hyphens")]
ProfileName = Annotated[str, AfterValidator(_name), Expects("the name of a profile")]
Sort = Annotated[
    str, AfterValidator(_sort), Field(json_schema_extra={"enum": list(SORTS)}), Expects(" or ".join(SORTS))
]
KindName = Annotated[Kind, Expects("the name of a kind (`sonda help profiles` lists them with their units)")]
Text = Annotated[str, Field(min_length=1), Expects("text in quotes, not empty")]
Number = Annotated[float, Strict(), Field(allow_inf_nan=False)]
Whole = Annotated[int, Strict()]


_UNITS_SAID = "; ".join(
    f"{unit}: {', '.join(kind for kind in UNITS if UNITS[kind] == unit)}" for unit in dict.fromkeys(UNITS.values())
)
_FIELDS_SAID = "; ".join(
    f"{sort}: {', '.join(one.name for one in dataclasses.fields(kind))}" for sort, kind in SORTS.items()
)


class _Table(BaseModel):
    """What all tables share."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class SourceModel(_Table):
    """Where one value comes from: one of column, oid, first, system, index, text, join; and how it is read."""

    column: Column | None = Field(None, description="A column of the table's entry, in this row.")
    oid: OwnOid | None = Field(
        None, description="One instance; in a table the whole column of another table, at the row that `at` names."
    )
    first: OwnOid | None = Field(None, description="A whole column: its first row that has text. Not in a table.")
    system: System | None = Field(None, description="What is known of a device before its profile is.")
    index: Annotated[Whole, Field(ge=1, le=128)] | None = Field(None, description="Part of the row's index, from 1.")
    text: Text | None = Field(None, description="These words.")
    join: Annotated[tuple["SourceModel", ...], Field(min_length=1)] | None = Field(
        None, description="Several sources, put together by `template`."
    )
    at: Annotated[tuple["SourceModel", ...], OneOrMore()] = Field(
        (), description="For `oid`: the index there. Default: this row's own."
    )
    form: Form | None = Field(None, description="What the octets are read as.")
    pattern: Regex | None = Field(
        None, description="A regular expression, searched for; group 1, or the whole match, is the value."
    )
    template: Text | None = Field(None, description="{1} {2}: the groups of `pattern`, or the parts of `join`.")
    map: dict[str, str] | None = Field(
        None, description='By the value\'s text; others are no value, unless "*" is listed.'
    )


Sources = Annotated[tuple[SourceModel, ...], OneOrMore()]
Words = Annotated[tuple[Word, ...], Field(min_length=1), OneOrMore()]


class ConditionModel(SourceModel):
    """A row or a value counts only where this source is within, outside, or has the pattern."""

    within: Words | None = Field(None, description="One of these.")
    outside: Words | None = Field(None, description="None of these; no value passes.")


Conditions = Annotated[tuple[ConditionModel, ...], OneOrMore()]


class ValueModel(SourceModel):
    """One reading a row: (number + plus) x scale x scale_by / divide_by / 10^decimals_by + offset, in its unit."""

    kind: KindName | None = Field(None, description=f"What it measures, in the unit of the kind. {_UNITS_SAID}")
    kind_by: SourceModel | None = Field(None, description="Instead of `kind`: a source whose text is the kind.")
    scale: Number = Field(1.0, description="The number is multiplied by it.")
    plus: Sources = Field((), description="The numbers of these are added before scaling, of those that have one.")
    scale_by: Sources = Field((), description="And by the numbers of these.")
    divide_by: Sources = Field((), description="And divided by the numbers of these; by 0 there is no value.")
    share_with: Sources = Field((), description="The number's share of itself and the numbers of these.")
    decimals_by: SourceModel | None = Field(None, description="Its number p divides by 10^p.")
    offset: Number = Field(0.0, description="Added after scaling.")
    negate: Flag = Field(False, description="Sign inverted.")
    absolute: Flag = Field(False, description="Without its sign.")
    mask: Annotated[Whole, Field(ge=1)] | None = Field(None, description="Only these bits count.")
    drop: Annotated[tuple[Number, ...], OneOrMore()] = Field(
        (), description="Numbers as the agent says them that are no value."
    )
    least: Number | None = Field(None, description="What is below it after scaling is no value.")
    most: Number | None = Field(None, description="What is above it after scaling is no value.")
    where: Conditions = Field((), description="It counts only where these hold.")
    name: Sources = Field((), description="What people call it; the first source that says something.")
    reduce: Reduce | None = Field(None, description="All rows become one reading.")
    group_by: SourceModel | None = Field(None, description="With `reduce`: one reading a group.")
    limit: SourceModel | None = Field(None, description="What must not be exceeded; scaled as the value.")
    port: SourceModel | None = Field(None, description="Its number is an ifIndex.")


class TableModel(_Table):
    """Rows below one entry, read into readings (`value`) or into facts of one sort (`sort`, `field`)."""

    name: TableName | None = Field(None, description="Unique in the profile; replaces an inherited one of that name.")
    entry: OwnOid | None = Field(
        None, description="OID of the entry; columns are below it. {sysObjectID:10}.1: its first ten arcs, then 1."
    )
    scalar: Flag = Field(False, description="Columns have the instance 0; the table is one row.")
    index: Annotated[tuple[Part, ...], OneOrMore()] = Field(
        (),
        description="The index, part by part; a row whose index is not made like that is left out. Default: numbers.",
    )
    every: Every = Field(Every.COUNTERS, description="status: 60 s, counters: 300 s, static: 1 h.")
    volatile: Flag = Field(False, description="Rows come and go: walked at each reading.")
    changed: OwnOid | None = Field(None, description="With `volatile`: a scalar that moves when rows changed.")
    where: Conditions = Field((), description="Rows count only where these hold.")
    label: Sources = Field((), description="The row's name. Default: the index.")
    alternative: TableName | None = Field(
        None, description="Of the tables with this word, the first that yields a reading counts."
    )
    witness: OwnOid | None = Field(None, description="A count of 0 is believed when something lies below it.")
    value: tuple[ValueModel, ...] = Field((), description="One reading a row.")
    sort: Sort | None = Field(None, description="What each row becomes, instead of readings.")
    field: dict[str, Sources] | None = Field(None, description=f"By the names of the sort's fields. {_FIELDS_SAID}")


class MatchModel(_Table):
    """One way to recognise a device; all that is written must hold."""

    object_id: Annotated[tuple[Oid, ...], OneOrMore()] = Field((), description="sysObjectID is one of these or below.")
    descr: Regex | None = Field(None, description="Found in sysDescr.")
    not_descr: Regex | None = Field(None, description="Not found in sysDescr.")
    present: OwnOid | None = Field(None, description="The agent has something at or below this OID.")
    value: SourceModel | None = Field(None, description="It has a value; with `pattern`, that is found in it.")


class IdentityModel(_Table):
    """Who the device is: each a source, or a list of which the first that says something wins."""

    vendor: Sources = Field((), description="Who made it.")
    model: Sources = Field((), description="What it is called.")
    firmware: Sources = Field((), description="What runs on it.")
    serial: Sources = Field((), description="Its serial number.")


class ProfileModel(_Table):
    """A device profile. The file's name, without .toml, is the profile's."""

    extends: Annotated[tuple[ProfileName, ...], OneOrMore()] = Field(
        (), description="Profiles it inherits identity and tables from. Matches are not inherited."
    )
    base: Flag = Field(False, description="It is there for others to extend, and has no match.")
    always: Flag = Field(False, description="It is part of every device; it has no match.")
    without: Annotated[tuple[TableName, ...], OneOrMore()] = Field(
        (), description="Inherited or standard tables that it does not want."
    )
    priority: Whole = Field(0, description="Of profiles that match equally well the higher one counts.")
    match: tuple[MatchModel, ...] = Field((), description="Ways to recognise a device.")
    identity: IdentityModel = Field(IdentityModel(), description="Who the device is.")
    table: tuple[TableModel, ...] = Field((), description="What is read.")
