"""The gear engine against agents that lie: made-up profiles, tables of wrong types, huge texts, holes, endless and broken
walks, errors in the middle. Seeded: a failure names its seed."""

import dataclasses
import json
import math
import random
import re
import struct

import pytest

from collectors.snmp.gear.model import Condition, Every, Form, Part, Reduce, Source, Table, ValueSpec
from collectors.snmp.gear.reading import NAME_LIMIT
from collectors.snmp.walk import ROWS_MAX, VALUE_OCTETS_MAX
from kpi.gear import SORTS, Facts, Kind, Readings
from kpi.model import Metric, Outcome
from tests.collectors.snmp_device.access_point import OWN, POWERED, OneProfile, access_point
from tests.collectors.snmp_device.conftest import TARGET, MakePoller, Poller
from tests.collectors.snmp_device.scripted import (
    COUNTER32,
    COUNTER64,
    GAUGE,
    GEN_ERR,
    INT,
    NO_SUCH_NAME,
    OCTETS,
    OID,
    OPAQUE,
    TICKS,
    ScriptedAgent,
    Typed,
    arcs,
    serving,
)

SEEDS = range(20)
LIES = f"{OWN}.30"
COLUMNS = ("1", "2", "3", "1.2")
PATTERNS = (None, None, re.compile(r"(\d+) ?C"), re.compile(r"([^;]+?)(?: x)?;"), re.compile(r"v(\d)|(\w+)"))
TEXTS = (
    b"1e999", b"-9" * 600, b"\xff\x00\xfe", b"", b"nan", b"36.5 C", b"<script>\x1b[2J\r\n", b"\xe2\x80\xae",
    b"fe80::1%\n", b"up(1)", b"{1}{2}", b"a" * 5000, b"1.3.6.1", b"-1.-2", b"10.0.0.1", b"999999999999.1",
)  # fmt: skip


def value(rng: random.Random) -> Typed:
    double = rng.choice((float("nan"), float("inf"), -1.7e308, 36.6))
    return rng.choice(
        (
            (INT, rng.choice((0, 1, -1, 2**31 - 1, -(2**63), rng.randrange(200)))),
            (GAUGE, 2**32 - 1),
            (COUNTER32, rng.randrange(2**32)),
            (COUNTER64, 2**64 - 1),
            (TICKS, rng.randrange(2**31)),
            (OCTETS, rng.choice(TEXTS)),
            (OCTETS, rng.randbytes(rng.randrange(40))),
            (OID, (1, 3, 6, 1, rng.randrange(2**31))),
            (OPAQUE, b"\x9f\x79\x08" + struct.pack(">d", double)),
            (OPAQUE, rng.randbytes(rng.randrange(12))),
        )
    )


def source(rng: random.Random, depth: int = 0) -> Source:
    common = {
        "form": rng.choice((None, None, *Form)),
        "pattern": rng.choice(PATTERNS),
        "map": rng.choice((None, None, {"1": "2", "*": "{}"}, {"36.5": "7"})),
    }
    made = rng.randrange(7 if depth < 2 else 4)
    if made < 3:
        return Source(column=rng.choice(COLUMNS), **common)
    if made == 3:
        return Source(index=rng.randint(1, 3), **common)
    if made == 4:
        parts = (source(rng, depth + 1), source(rng, depth + 1))
        return Source(join=parts, template=rng.choice((None, "{1} ({2})", "{2}{2}{1}")))
    at = () if rng.random() < 0.5 else (source(rng, depth + 1),)
    return Source(oid=f"{LIES}.{rng.randint(1, 3)}.1.{rng.choice(COLUMNS)}", at=at)


def value_spec(rng: random.Random) -> ValueSpec:
    def maybe(share: float = 0.2) -> tuple[Source, ...]:
        return (source(rng),) if rng.random() < share else ()

    def one() -> Source | None:
        return next(iter(maybe(0.15)), None)

    return ValueSpec(
        rng.choice(list(Kind)),
        source(rng),
        scale=rng.choice((1.0, 0.1, 1e300, -1.0)),
        plus=maybe(),
        scale_by=maybe(),
        divide_by=maybe(),
        share_with=maybe(0.1),
        decimals_by=one(),
        negate=rng.random() < 0.2,
        mask=rng.choice((None, None, 255)),
        name=maybe(0.5),
        reduce=rng.choice((None, None, *Reduce)),
        group_by=one(),
        limit=one(),
        port=one(),
        where=tuple(condition(rng) for _ in range(rng.randrange(2))),
    )


def condition(rng: random.Random) -> Condition:
    return Condition(source(rng), outside=frozenset({"1"}), pattern=rng.choice(PATTERNS))


def table(rng: random.Random, number: int) -> Table:
    made = Table(
        f"lies-{number}",
        f"{LIES}.{number}.1",
        scalar=rng.random() < 0.2,
        index=rng.choice(((), (), (Part.INT,), (Part.MAC,), (Part.STRING,), (Part.INT, Part.REST), (Part.INET,))),
        every=rng.choice(list(Every)),
        volatile=rng.random() < 0.4,
        label=(source(rng),),
        where=tuple(condition(rng) for _ in range(rng.randrange(2))),
        witness=rng.choice((None, f"{LIES}.1")),
        alternative=rng.choice((None, None, "one")),
    )
    if rng.random() < 0.7:
        return dataclasses.replace(made, values=tuple(value_spec(rng) for _ in range(rng.randint(1, 4))))
    sort = rng.choice(list(SORTS))
    fields = {field.name: (source(rng), source(rng)) for field in dataclasses.fields(SORTS[sort])}
    return dataclasses.replace(made, sort=sort, fields=fields)


def fill(rng: random.Random, agent: ScriptedAgent) -> None:
    """Tables with holes, some of them longer than what a walk keeps."""
    for number in (1, 2, 3):
        for row in range(rng.choice((0, 1, 5, 30))):
            index = rng.choice(
                ((row,), (row, 2**32 - 1), (1, 4, 10, 0, 0, row), (3, 97, 98, row), (2, 0, 0, 0, 0, row))
            )
            for column in COLUMNS:
                if rng.random() < 0.8:
                    agent.values[*arcs(f"{LIES}.{number}.1.{column}"), *index] = value(rng)


def misbehave(rng: random.Random, agent: ScriptedAgent) -> None:
    """Other faults than before."""
    own = [name for name in agent.values if name[: len(arcs(LIES))] == arcs(LIES)]
    some = rng.sample(own, min(len(own), 3))
    agent.fails_on = dict.fromkeys(some[:1], rng.choice((GEN_ERR, NO_SUCH_NAME, 77)))
    agent.garbage_on = set(some[1:2])
    agent.silent_on = set(some[2:]) if rng.random() < 0.3 else set()
    agent.blames_nobody = rng.random() < 0.3
    agent.most_varbinds = rng.choice((1000, 1000, 20))
    agent.endless = arcs(f"{LIES}.2.1.2") if rng.random() < 0.1 else None
    shuffled, dropped = rng.random() < 0.15, rng.random() < 0.1

    def mangle(_pdu: int, binds: list[bytes]) -> list[bytes]:
        kept = rng.sample(binds, len(binds)) if shuffled else binds
        return kept[:-1] if dropped and len(kept) > 20 else kept

    agent.mangle = mangle
    for name in own:
        if rng.random() < 0.2:
            agent.values[name] = value(rng)


def check(probe: Poller) -> None:
    """What a poll says can be kept, sent and shown, whatever the agent said."""
    assert probe.snmp.outcome is Outcome.OK, probe.snmp
    for sample in probe.samples:
        said = sample.value
        if isinstance(said, Readings):
            assert len(said.readings) <= 30 * ROWS_MAX
            for one in said.readings:
                assert abs(one.value) <= 1e18 and (one.limit is None or math.isfinite(one.limit))
                assert len(one.name) <= NAME_LIMIT and one.name.isprintable(), one
        if isinstance(said, Readings | Facts):
            text = json.dumps(dataclasses.asdict(said), allow_nan=False, default=dict)
            assert "\x1b" not in text and "\\u202e" not in text
    states = probe.collector._devices[TARGET].rounds
    assert states is not None
    for state in states.gear.tables:
        assert len(state.rows) <= ROWS_MAX
        assert len(state.foreign) <= 8 * ROWS_MAX
        octets = [*(b for row in state.rows.values() for b in row.values()), *state.foreign.values()]
        assert all(not isinstance(b.value, bytes) or len(b.value) <= VALUE_OCTETS_MAX for b in octets)


@pytest.mark.parametrize("seed", SEEDS)
async def test_an_agent_that_lies(poller: MakePoller, seed: int) -> None:
    rng = random.Random(seed)
    agent = access_point()
    fill(rng, agent)
    tables = [table(rng, number) for number in (1, 2, 3)]
    async with serving(agent):
        version = rng.choice(("1", "2c"))
        probe = poller(agent, version=version, timeout_s=0.02, library=OneProfile(POWERED, *tables))
        for number in range(5):
            if number:
                misbehave(rng, agent)
            await probe.poll(rng.choice((60, 300, 3600)) if number else 0)
            check(probe)
        agent.silent_on, agent.garbage_on, agent.fails_on, agent.endless = set(), set(), {}, None
        agent.mangle, agent.most_varbinds = (lambda _, binds: binds), 1000
        agent.values[*arcs(POWERED.entry), 1, 0] = (INT, 5)
        await probe.poll(3600)
        await probe.poll(60)
        check(probe)
    said = probe.of(Metric.READINGS)[""].value
    assert isinstance(said, Readings)
    own = [one.value for one in said.readings if one.instance.startswith("power.")]
    assert own == [1.0], "a table that tells the truth is heard beside those that lie"
