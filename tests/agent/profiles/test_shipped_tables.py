"""Every value and every fact that a shipped profile describes can be had: there is a row that gives it, a plausible number
within its bounds, and nothing else."""

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, fields, replace
from functools import partial

import pytest

from agent.profiles import SHIPPED, examine_library
from collectors.snmp.ber import VarBind
from collectors.snmp.gear.model import Condition, Reduce, Source, Table, ValueSpec
from collectors.snmp.gear.numbers import meant
from collectors.snmp.gear.reading import facts_of, readings_of, rows_of
from collectors.snmp.gear.values import Row, number_of, text_of
from kpi.gear import SORTS, Kind
from tests.agent.profiles.filled import Plan, cells_of, demand, number, octets
from tests.agent.profiles.samples import texts

LIBRARY = examine_library(SHIPPED, thorough=False)
NAMES = [*LIBRARY.heads, None]

USUAL: Mapping[Kind, tuple[float, ...]] = {
    Kind.CLIENTS: (12,), Kind.AP_COUNT: (12,), Kind.AP_REGISTERED: (12,),
    Kind.RSSI: (-60,), Kind.CLIENT_RSSI: (-60,), Kind.SNR: (25,), Kind.CLIENT_SNR: (25,), Kind.SINR: (12,),
    Kind.NOISE_FLOOR: (-95,), Kind.CHANNEL_UTILIZATION: (40,), Kind.CHANNEL_SELF_TX: (40,),
    Kind.CHANNEL_SELF_RX: (40,), Kind.CHANNEL_INTERFERENCE: (40,), Kind.FREQUENCY: (2437, 5180, 6135, 11_000, 60_480),
    Kind.CHANNEL: (6, 36), Kind.TX_POWER: (20, 3, -3), Kind.RX_POWER: (-40, -6), Kind.BITRATE: (1e8, 1e9),
    Kind.TX_BITRATE: (1e8, 1e9), Kind.RX_BITRATE: (1e8, 1e9), Kind.QUALITY: (80,), Kind.CCQ: (80,),
    Kind.DISTANCE: (2,), Kind.RSRP: (-90,), Kind.RSRQ: (-10,), Kind.DOT11_RETRIES: (1000,),
    Kind.DOT11_TRANSMITTED: (1000,), Kind.DOT11_FAILED: (1000,), Kind.DOT11_FCS_ERRORS: (1000,),
    Kind.DOT11_RECEIVED: (1000,), Kind.TEMPERATURE: (35,), Kind.VOLTAGE: (230, 48, 12, 3.3), Kind.CURRENT: (4, 0.4),
    Kind.POWER: (120, 4000, 2), Kind.FAN_SPEED: (3000,), Kind.HUMIDITY: (45,), Kind.BATTERY_CHARGE: (90,),
    Kind.BATTERY_RUNTIME: (60,), Kind.LOAD: (30,), Kind.ON_BATTERY: (1, 0), Kind.BATTERY_LOW: (1, 0),
    Kind.ON_BATTERY_SECONDS: (60,), Kind.LINE_BADS: (3,), Kind.SELF_TEST_FAILED: (1, 0), Kind.POE_NOMINAL: (120,),
    Kind.POE_USED: (60,), Kind.CPU_USED: (20,), Kind.MEMORY_USED: (60,), Kind.STORAGE_USED: (60,),
    Kind.SUPPLY_LEVEL: (70,),
}  # fmt: skip
"""Numbers one meets, in the unit of the kind."""


LANES = 4
"""Numbers that transceivers put into one text."""


def tables() -> Iterator[tuple[str, Table]]:
    """Each table once, by the first profile that has it."""
    seen: set[str] = set()
    for name in NAMES:
        for table in LIBRARY.profile(name).tables:
            if repr(table) not in seen:
                seen.add(repr(table))
                yield f"{name or 'standard'}: {table.name}", table


TABLES = dict(tables())


def sources_of(spec: ValueSpec) -> list[Source]:
    """All that a value looks at but its conditions."""
    single = (spec.source, spec.kind_by, spec.decimals_by, spec.group_by, spec.limit, spec.port)
    several = (*spec.plus, *spec.scale_by, *spec.divide_by, *spec.share_with, *spec.name)
    return [source for source in (*single, *several) if source is not None]


def variants(spec: ValueSpec) -> Iterator[tuple[Kind, ValueSpec]]:
    """The value itself, or one a word of its own map or its kind's."""
    if spec.kind is not None and spec.source.map is None:
        yield spec.kind, spec
    for word, said in (spec.source.map or {}).items():
        if spec.kind is not None and word != "*" and said:  # "" is how a map says no value
            yield spec.kind, replace(spec, source=replace(spec.source, map={word: said}))
    for word, kind in (spec.kind_by.map or {}).items() if spec.kind_by is not None else ():
        if spec.kind_by is not None and word != "*":
            yield Kind(kind), replace(spec, kind_by=replace(spec.kind_by, map={word: kind}))


def factor(spec: ValueSpec, row: Row) -> float:
    """What the number is multiplied with."""
    made = spec.scale * math.prod(number_of(source, row) or 0 for source in spec.scale_by)
    made /= math.prod(number_of(source, row) or math.inf for source in spec.divide_by)
    return made / 10 ** ((number_of(spec.decimals_by, row) if spec.decimals_by else None) or 0)


def expected(spec: ValueSpec, raw: float, row: Row) -> float:
    """The value of ``raw`` as ValueSpec says it in words."""
    said = float(int(raw) & spec.mask) if spec.mask is not None else raw
    said += sum(number_of(source, row) or 0 for source in spec.plus)
    if spec.share_with:
        said /= said + sum(number_of(source, row) or 0 for source in spec.share_with)
    value = said * factor(spec, row) + spec.offset
    value = -value if spec.negate else value
    return abs(value) if spec.absolute else value


def raw_for(spec: ValueSpec, value: float, row: Row) -> int:
    """The number an agent says for about ``value``."""
    said = ((-value if spec.negate else value) - spec.offset) / (factor(spec, row) or math.inf)
    if spec.share_with:
        others = sum(number_of(source, row) or 0 for source in spec.share_with)
        said = others * said / (1 - said) if said < 1 else 0
    return round(said - sum(number_of(source, row) or 0 for source in spec.plus))


def is_plausible(kind: Kind, value: float) -> bool:
    return any(abs(value - usual) <= abs(usual) / 2 for usual in USUAL[kind])


def judged(kind: Kind, spec: ValueSpec, row: Row) -> bool:
    """Whether the row's number is one to be met."""
    raw = number_of(spec.source, row)
    if raw is None or raw in spec.drop or meant(kind, raw) != raw:
        return False
    value = expected(spec, raw, row)
    inside = (spec.least is None or value >= spec.least) and (spec.most is None or value <= spec.most)
    return inside and (is_plausible(kind, value) or spec.reduce is Reduce.COUNT)


def values_for(kind: Kind, spec: ValueSpec, row: Row) -> list[VarBind]:
    """What may stand in the value's cell."""
    raws = [raw for usual in USUAL[kind] if abs(raw := raw_for(spec, usual, row)) < 2**63]
    source = spec.source.join[0] if spec.source.join else spec.source
    if source.pattern is not None and source.map is None:
        own = [one.pattern for one in spec.where if one.pattern is not None and one.source.column == source.column]
        before = "".join(next(texts(pattern)) for pattern in own)
        return [octets(f"{before}{text}".encode()) for raw in raws for text in naming(source.pattern, raw)]
    return [*map(number, raws), *(octets(f"{usual:g}".encode()) for usual in USUAL[kind])]


def naming(pattern: re.Pattern[str], raw: int) -> Iterator[str]:
    """Texts of the pattern with that number where it looks for one."""
    if pattern.search(lanes := ",".join([str(raw)] * LANES)):
        yield lanes
    for text in texts(pattern, 8):
        found = pattern.search(text)
        group = next((at for at, said in enumerate(found.groups(), 1) if said), 0) if found else 0
        if found:
            yield text[: found.start(group)] + str(raw) + text[found.end(group) :]


def is_a_factor(source: Source, row: Row) -> bool:
    return bool(number_of(source, row))


def is_a_precision(source: Source, row: Row) -> bool:
    """EntitySensorPrecision goes up to 9 decimals."""
    return abs(number_of(source, row) or 0) <= 9


def plan_of(table: Table, kind: Kind, spec: ValueSpec) -> Plan:
    first = [spec.kind_by] if spec.kind_by is not None else []
    needed = [*spec.scale_by, *spec.divide_by, *spec.share_with, *([spec.limit] if spec.limit else [])]
    needed += [spec.port] if spec.port else []
    demands = [demand([one], partial(is_a_factor, one)) for one in needed]
    demands += [demand([one], partial(says_something, [one])) for one in first]
    demands += [demand([one], partial(is_a_precision, one)) for one in (spec.decimals_by,) if one is not None]
    own = [source for source in sources_of(spec) if source not in spec.name]
    demands.append(demand(own, lambda row: judged(kind, spec, row)))
    *_, last = cells_of(spec.source)
    return Plan(
        table.index,
        table.scalar,
        [*own, *spec.name, *table.label],
        [*table.where, *spec.where],
        demands,
        last,
        lambda row: values_for(kind, spec, row),
    )


def wrong_values(table: Table) -> Iterator[str]:
    """What is wrong with the table's values."""
    for at, spec in enumerate(table.values, 1):
        for kind, one in variants(spec):
            row = plan_of(table, kind, one).filled()
            said = f"no row gives {kind}" if row is None else wrong_readings(table, spec, kind, row)
            if said:
                yield f"value {at} by {words(one)}: {said}"


def words(spec: ValueSpec) -> str:
    """The words of its maps."""
    return ", ".join(word for source in (spec.kind_by, spec.source) if source and source.map for word in source.map)


SILENT = ValueSpec(None, Source())
"""In the place of a value, so that the others keep theirs."""


def wrong_readings(table: Table, spec: ValueSpec, kind: Kind, row: Row) -> str:
    """What is wrong with the readings of that row; "" where nothing is."""
    rows = rows_of(table, {row.suffix: row.binds}, row.foreign, row.known)
    found = readings_of(replace(table, values=(spec,)), rows, witnessed=True, whole=True)
    raw = number_of(spec.source, row)
    assert raw is not None
    wanted = 1.0 if spec.reduce is Reduce.COUNT else expected(spec, raw, row)
    if [reading.kind for reading in found] != [kind] or not math.isclose(
        found[0].value, wanted, rel_tol=1e-6, abs_tol=1e-5
    ):
        return f"{wanted:g} is read as {found}"
    if not found[0].name or (spec.port is not None and spec.reduce is None and found[0].port is None):
        return f"has no name or no port: {found}"
    alone = (
        tuple(spec if at == told else SILENT for at, spec in enumerate(table.values))
        for told in range(len(table.values))
    )
    told = Counter(
        (one.kind, one.instance)
        for values in alone
        for one in readings_of(replace(table, values=values), rows, witnessed=True, whole=True)
    )
    twice = [one for one, times in told.items() if times > 1]
    return f"several values are one to the store: {twice}" if twice else ""


def wrong_facts(table: Table) -> Iterator[str]:
    """What is wrong with a table of facts: of each field every source must be able to say something."""
    assert table.sort is not None
    sort, given = SORTS[table.sort], table.fields or {}
    required = [given[one.name] for one in fields(sort) if one.default is MISSING]
    for name, sources in given.items():
        for at, source in enumerate(sources, 1):
            demands = [demand(some, partial(says_something, some)) for some in [*required, (source,)]]
            every = [one for some in given.values() for one in some]
            row = Plan(table.index, table.scalar, every, table.where, demands).filled()
            found = facts_of(table, [row] if row else [])
            if len(found) != 1 or getattr(found[0], name) in {None, ""}:
                yield f"{name} {at}: is read as {found}"


def says_something(sources: Sequence[Source], row: Row) -> bool:
    return any(text_of(source, row) is not None for source in sources)


def test_every_value_can_be_had() -> None:
    tables_of_values = {name: table for name, table in TABLES.items() if table.sort is None}
    assert tables_of_values
    assert [(name, wrong) for name, table in tables_of_values.items() for wrong in wrong_values(table)] == []


def test_every_fact_can_be_had() -> None:
    tables_of_facts = {name: table for name, table in TABLES.items() if table.sort is not None}
    assert tables_of_facts
    assert [(name, wrong) for name, table in tables_of_facts.items() for wrong in wrong_facts(table)] == []


STATES: Mapping[str, frozenset[str]] = {
    "bgp_peers": frozenset({"idle", "connect", "active", "opensent", "openconfirm", "established"}),
    "ospf_neighbors": frozenset({"down", "attempt", "init", "twoWay", "exchangeStart", "exchange", "loading", "full"}),
    "duplex": frozenset({"unknown", "half", "full"}),
}
"""The words of ``state`` and ``status`` (kpi/gear.py)."""


@pytest.mark.parametrize("name", [name for name, table in TABLES.items() if table.sort in STATES])
def test_states_are_told_in_the_words_there_are(name: str) -> None:
    table = TABLES[name]
    sources = [one for word in ("state", "status") for one in (table.fields or {}).get(word, ())]
    assert {said for source in sources for said in (source.map or {}).values()} <= STATES[table.sort or ""]
    assert all(source.map for source in sources)


def listed(table: Table) -> Iterator[Sequence[Source]]:
    """The lists of which the first source that says something counts."""
    yield table.label
    yield from (spec.name for spec in table.values)
    yield from (table.fields or {}).values()


def test_nothing_stands_behind_a_source_that_always_says_something() -> None:
    deaf = [
        name
        for name, table in TABLES.items()
        for sources in listed(table)
        if any(source.text is not None or source.index is not None for source in sources[:-1])
    ]
    assert deaf == []


def test_a_value_that_cannot_be_is_found() -> None:
    spec = ValueSpec(Kind.TEMPERATURE, Source(column="1"), least=0.0, most=100.0)
    only = Condition(Source(column="2"), within=frozenset({"8"}))
    assert list(wrong_values(Table("t", "1.3", values=(replace(spec, where=(only,)),)))) == []
    never = Condition(Source(column="2"), within=frozenset({"9"}))
    for wrong in (
        replace(spec, where=(only, never)),
        replace(spec, least=1000.0, most=2000.0),
        replace(spec, scale=1000.0),
        replace(spec, kind=None, kind_by=Source(column="2", map={"9": "temperature"}), where=(only,)),
    ):
        assert len(list(wrong_values(Table("t", "1.3", values=(wrong,))))) == 1
    assert len(list(wrong_values(Table("t", "1.3", values=(spec, spec))))) == 2
