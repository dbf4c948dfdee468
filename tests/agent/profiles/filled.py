"""A row of a profile's table with something in every column that is read, so that what is asked of it holds.

A cell is what an agent fills: a column, an instance of another table, a part of the index, sysDescr. What may stand in it
is gathered from the sources and conditions that look at it; cells are filled one after another, and a filling that breaks
a demand is taken back.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from collectors.snmp import ber, oid
from collectors.snmp.ber import VarBind
from collectors.snmp.gear.model import Condition, Form, Part, Source, System
from collectors.snmp.gear.values import Row, holds, parts_of, text_of
from tests.agent.profiles.samples import texts

TRIES = 4000
"""Fillings looked at before a row counts as impossible."""
SAMPLES = 40
"""Texts tried of a pattern."""
_MAC = b"\x02\x00\x5e\x00\x53\x01"
_ADDRESS = b"\xc0\x00\x02\x01"  # 192.0.2.1, RFC 5737
_FORMS: Mapping[Form, tuple[bytes, ...]] = {
    Form.MAC: (_MAC,),
    Form.CHASSIS: (_MAC, b"chassis"),
    Form.IP: (_ADDRESS,),
    Form.FAMILY_ADDRESS: (b"\1" + _ADDRESS,),
    Form.BRIDGE_ID: (b"\x80\x00" + _MAC,),
    Form.HEX: (b"\x01",),
    Form.OCTETS: (b"\x80\x01",),
}
_USUAL = (1, 2, 3, 36, 100, 0, 1000, 2437, 5180)


@dataclass(frozen=True)
class Cell:
    """``kind`` is "column", "oid", "index" or "system"; ``name`` which of them; ``source`` finds an oid's row."""

    kind: str
    name: str
    source: Source | None = None


@dataclass(frozen=True)
class Demand:
    """What must hold of a row, once these cells are filled."""

    cells: frozenset[Cell]
    holds: Callable[[Row], bool]


def cells_of(source: Source) -> Iterator[Cell]:
    """The cells a source looks at."""
    if source.column is not None:
        yield Cell("column", source.column)
    elif source.oid is not None:
        for at in source.at:
            yield from cells_of(at)
        yield Cell("oid", source.oid, Source(oid=source.oid, at=source.at))
    elif source.index is not None:
        yield Cell("index", str(source.index))
    elif source.system is not None:
        yield Cell("system", source.system)
    for part in source.join:
        yield from cells_of(part)


def demand(sources: Iterable[Source], test: Callable[[Row], bool]) -> Demand:
    return Demand(frozenset(cell for source in sources for cell in cells_of(source)), test)


def condition(one: Condition) -> Demand:
    return demand([one.source], lambda row: holds(one, row))


@dataclass
class Filling:
    """What stands in the cells so far."""

    index: Sequence[Part]
    scalar: bool = False
    said: dict[Cell, VarBind] = field(default_factory=dict)

    def row(self) -> Row | None:
        """None where the index is not one."""
        suffix = b"\0" if self.scalar else self._suffix()
        parts = parts_of(suffix, self.index) if suffix is not None else None
        if suffix is None or parts is None:
            return None
        own = {cell.name: bind for cell, bind in self.said.items() if cell.kind == "column"}
        known = {System(cell.name): _text(bind) for cell, bind in self.said.items() if cell.kind == "system"}
        foreign: dict[bytes, VarBind] = {}
        row = Row(suffix, parts, own, foreign, known)
        for cell, bind in self.said.items():
            if cell.source is not None and (name := _instance(cell.source, row)) is not None:
                foreign[name] = bind
        return row

    def _suffix(self) -> bytes | None:
        asked = {int(cell.name): bind for cell, bind in self.said.items() if cell.kind == "index"}
        parts = self.index or (Part.INT,) * max(asked, default=1)
        arcs: list[int] = []
        for at, part in enumerate(parts, 1):
            made = _arcs(part, _text(asked[at]) if at in asked else None)
            if made is None:
                return None
            arcs += made
        return oid.from_arcs((1, 3, *arcs))[1:]


def _arcs(part: Part, said: str | None) -> list[int] | None:
    """A part of an index as it is written; None where ``said`` cannot stand there."""
    match part:
        case Part.IPV4:
            return list(_ADDRESS)
        case Part.MAC:
            return list(_MAC)
        case Part.INET:
            return [1, 4, *_ADDRESS]
        case Part.STRING:
            return [len(said or "a"), *(said or "a").encode()]
        case Part.IMPLIED:
            return list((said or "a").encode())
    arcs = (said or "1").split(".")
    return [int(arc) for arc in arcs] if all(arc.isdigit() for arc in arcs) else None


def _instance(source: Source, row: Row) -> bytes | None:
    """Where a source looks in another table; None where the row does not tell yet."""
    said = [text_of(at, row) for at in source.at]
    if not source.at:
        return oid.parse(source.oid or "") + row.suffix
    if any(one is None or not one.replace(".", "").isdigit() for one in said):
        return None
    return oid.parse(".".join([source.oid or "", *(str(one) for one in said)]))


def _text(bind: VarBind) -> str:
    return bind.value.decode() if isinstance(bind.value, bytes) else str(bind.value)


def number(value: float) -> VarBind:
    """An Integer32, or what is larger."""
    whole = int(value)
    return VarBind(b"", ber.INTEGER if -(2**31) <= whole < 2**31 else ber.COUNTER64, whole)


def octets(value: bytes) -> VarBind:
    return VarBind(b"", ber.OCTET_STRING, value)


def written(word: str, form: Form | None = None) -> Iterator[VarBind]:
    """What an agent may send where ``word`` is to be read."""
    if form in {Form.HEX, Form.OCTETS}:
        with contextlib.suppress(ValueError):
            yield octets(bytes.fromhex(word))
    arcs = word.split(".")
    if word.removeprefix("-").isdigit() and -(2**31) <= int(word) < 2**64:
        yield number(int(word))
    elif len(arcs) > 2 and all(arc.isdigit() for arc in arcs) and arcs[0] in {"0", "1", "2"}:
        yield VarBind(b"", ber.OBJECT_IDENTIFIER, oid.parse(word))
    yield octets(word.encode())


def fitting(source: Source) -> Iterator[VarBind]:
    """What a source reads something from."""
    for key in source.map or ():
        if key != "*":
            yield from written(key, source.form)
    if source.pattern is not None:
        for text in islice(texts(source.pattern), SAMPLES):
            yield from written(text)
    for raw in _FORMS.get(source.form, ()) if source.form is not None else ():
        yield octets(raw)


def deciding(one: Condition) -> Iterator[VarBind]:
    """What a condition may like."""
    for word in sorted(one.within or ()):
        yield from written(word, one.source.form)
    if one.pattern is not None:
        for text in islice(texts(one.pattern), SAMPLES):
            yield from written(text)


@dataclass
class Plan:
    """All that looks at a row."""

    index: Sequence[Part]
    scalar: bool
    sources: Sequence[Source]
    conditions: Sequence[Condition]
    demands: Sequence[Demand]
    last: Cell | None = None
    """The cell of the value, filled when all others are."""
    values: Callable[[Row], Iterable[VarBind]] = lambda _row: ()
    """What may stand in it."""

    def filled(self) -> Row | None:
        """The first row that meets every demand; None where there is none."""
        demands = [*self.demands, *map(condition, self.conditions)]
        cells = list(dict.fromkeys(cell for source in self._read() for cell in cells_of(source)))
        judged = frozenset().union(*(one.cells for one in demands))
        cells.sort(key=lambda cell: (cell == self.last, cell in judged))  # what nobody judges needs no second try
        budget = [TRIES]
        filling = Filling(self.index, self.scalar)
        return self._fill(filling, cells, demands, budget)

    def _read(self) -> Iterator[Source]:
        yield from (one.source for one in self.conditions)
        yield from self.sources

    def _fill(self, filling: Filling, cells: list[Cell], demands: list[Demand], budget: list[int]) -> Row | None:
        row = filling.row()
        if not cells or row is None:
            return row
        cell, *rest = cells
        due = [one for one in demands if cell in one.cells and not one.cells.intersection(rest)]
        for bind in [*(self.values(row) if cell == self.last else ()), *self._candidates(cell)]:
            budget[0] -= 1
            if budget[0] < 0:
                return None
            filling.said[cell] = bind
            now = filling.row()
            if now is not None and all(one.holds(now) for one in due):
                found = self._fill(filling, rest, demands, budget)
                if found is not None:
                    return found
        filling.said.pop(cell, None)
        return None

    def _candidates(self, cell: Cell) -> list[VarBind]:
        own = [one for one in self.conditions if cell in cells_of(one.source)]
        looking = [one for source in self._read() for one in _parts(source) if cell in cells_of(one)]
        found = [bind for one in own for bind in deciding(one)]
        together = [next(texts(one.pattern)) for one in own if one.pattern is not None]
        ways = (together, together[::-1]) if len(together) > 1 else ()
        found += [octets(between.join(words).encode()) for words in ways for between in ("", " ", ".")]
        found += [bind for source in looking for bind in fitting(source)]
        usual = [number(value) for value in _USUAL]
        return list(dict.fromkeys([*found, *usual, octets(b"name 1")]))


def _parts(source: Source) -> Iterator[Source]:
    yield source
    for inner in (*source.join, *source.at):
        yield from _parts(inner)
