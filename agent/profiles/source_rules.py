"""What a source must be, by where it stands: in a table, in [identity], in [[match]] value."""

import re
from collections.abc import Iterator, Sequence

from agent.profiles.broken import Broken
from agent.profiles.schema import SourceModel
from agent.settings.lines import Key
from agent.settings.types import quoted
from collectors.snmp.gear.patterns import fault

Place = tuple[Key, SourceModel]

ORIGINS = ("column", "oid", "first", "system", "index", "text", "join")
_IN_TABLE = ("column", "oid", "index", "text", "join", "system")
_IN_IDENTITY = ("oid", "first", "system", "text", "join")
_IN_MATCH = ("oid", "first", "system")


def table_source(key: Key, source: SourceModel, parts: int | None) -> Iterator[Broken]:
    """``parts`` is how many the table's index has; None where any."""
    for way, one in _within(key, source):
        yield from _one_origin(way, one, _IN_TABLE)
        yield from _shape(way, one)
        if one.at and one.oid is None:
            yield Broken((*way, "at"), "is for oid alone")
        if one.index is not None and parts is not None and one.index > parts:
            has = (
                f"the table's index has {parts} part{'s' if parts != 1 else ''}"
                if parts
                else "a scalar table has no index"
            )
            yield Broken((*way, "index"), f"found {one.index}, and {has}")


def identity_source(key: Key, source: SourceModel) -> Iterator[Broken]:
    yield from _outside(key, source, _IN_IDENTITY)


def match_source(key: Key, source: SourceModel) -> Iterator[Broken]:
    yield from _outside(key, source, _IN_MATCH)


def _outside(key: Key, source: SourceModel, allowed: Sequence[str]) -> Iterator[Broken]:
    """Outside of tables there are no rows: ``oid`` is one instance."""
    yield from _one_origin(key, source, allowed)
    yield from _shape(key, source)
    for position, part in enumerate(source.join or ()):
        yield from _outside((*key, "join", position), part, _IN_IDENTITY)
    if source.oid is not None and not source.at and not source.oid.endswith(".0"):
        hint = 'A scalar ends in .0. Of a column write first = "..."; of one row of it add at = { text = "1" }.'
        yield Broken((*key, "oid"), f'"{source.oid}" names no instance', hint)
    if source.at and (source.oid is None or any(not _ARCS.fullmatch(at.text or "") for at in source.at)):
        yield Broken((*key, "at"), 'outside of a table it ends an oid: at = { text = "1" }')


_ARCS = re.compile(r"[0-9]+(\.[0-9]+)*")


def _within(key: Key, source: SourceModel) -> Iterator[Place]:
    """The source and all that are in it."""
    yield key, source
    for name in ("join", "at"):
        for position, part in enumerate(getattr(source, name) or ()):
            yield from _within((*key, name, position), part)


def _one_origin(key: Key, source: SourceModel, allowed: Sequence[str]) -> Iterator[Broken]:
    said = [name for name in ORIGINS if getattr(source, name) is not None]
    if not said:
        yield Broken(key, "does not say where the value comes from", f"Write one of {', '.join(allowed)}.", absent=True)
    elif len(said) > 1:
        yield Broken((*key, said[1]), f"{said[0]} says already where the value comes from", "Keep one of the two.")
    elif said[0] not in allowed:
        yield Broken((*key, said[0]), "cannot be used here", f"Write one of {', '.join(allowed)}.")


_NUMBERED = re.compile(r"\{([^{}]*)\}")


def is_quick(key: Key, pattern: str | None) -> Iterator[Broken]:
    """The text is the device's, and nothing else goes on while it is searched."""
    if pattern is not None and (wrong := fault(pattern)) is not None:
        yield Broken(key, f"found {quoted(pattern)}: {wrong}", _QUICK_HINT)


_QUICK_HINT = "Let what follows a repetition be a character that it cannot match itself: [^,]+, instead of .+,"


def _shape(key: Key, source: SourceModel) -> Iterator[Broken]:
    """Pattern and template."""
    yield from is_quick((*key, "pattern"), source.pattern)
    if source.join is not None:
        for name in ("form", "pattern"):
            if getattr(source, name) is not None:
                yield Broken((*key, name), "stands in the parts of join, not beside it")
    if source.template is None:
        return
    if source.join is None and source.pattern is None:
        yield Broken((*key, "template"), "has nothing to fill it", "It takes the groups of pattern or parts of join.")
        return
    last = len(source.join) if source.join is not None else re.compile(source.pattern or "").groups
    whose, what = ("join has", "part") if source.join is not None else ("the pattern has", "group")
    numbers = _NUMBERED.findall(source.template)
    if not numbers:
        yield Broken((*key, "template"), f'"{source.template}" has no {{1}}: it would always say the same')
    for number in numbers:
        if not number.isdecimal() or not 1 <= int(number) <= last:
            yield Broken((*key, "template"), f"found {{{number}}}, and {whose} {last} {what}{'s' if last != 1 else ''}")
