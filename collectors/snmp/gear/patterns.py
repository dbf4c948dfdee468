"""How long a regular expression may hold the agent: a bound on the steps of the backtracking matcher, told from the
expression alone, for the worst text there can be.

What cannot be judged is refused: a repetition, a choice or a reference that something repeated looks at without taking
it (lookahead), and conditional groups.

Where each repetition ends is a choice where what follows may be made of the same characters, else it is not. A choice
has as many ways as the text has places, nested ones multiply; a repetition within a repetition without that order has
2^n ways and is refused whatever its size.
"""

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from re import _constants as words  # type: ignore[attr-defined]  # no stubs; re has no other way to its syntax tree
from re import _parser as syntax  # type: ignore[attr-defined]  # as above
from typing import Any

from collectors.snmp.text import DESCR_LIMIT

PATTERN_LIMIT = 256
"""Characters that a pattern sees of a text at most, for DisplayString has 255; of sysDescr it may see DESCR_LIMIT."""
REACHES = (DESCR_LIMIT, 512, PATTERN_LIMIT, 160)
"""How much it does see: as much as it is quick enough for."""
STEPS_MOST = 800_000
"""At most 40 ms (measured with made-up patterns: 4 to 30 ns a step)."""
SHORT_MOST = 16
"""So often may a lookahead within a repetition repeat one thing."""
NESTED = "a repetition within a repetition, which some text would keep busy for ever"
SLOW = "several repetitions of the same characters one after another, which some text would keep busy for too long"

Node = tuple[Any, Any]
Chars = frozenset[int]
_ALL: Chars = frozenset((*range(0x180), 0x3A9, 0x660, 0x2026, 0x3000, 0xFF11, 0x1F4A1))
"""Characters that stand for all others of their kind."""
_FAR: Chars = frozenset(code for code in _ALL if code >= 0x180)
"""Those that stand for more than themselves."""
_CATEGORIES: dict[Any, Callable[[str], bool]] = {
    words.CATEGORY_DIGIT: str.isdecimal,
    words.CATEGORY_SPACE: str.isspace,
    words.CATEGORY_WORD: lambda char: char.isalnum() or char == "_",
    words.CATEGORY_NOT_DIGIT: lambda char: not char.isdecimal(),
    words.CATEGORY_NOT_SPACE: lambda char: not char.isspace(),
    words.CATEGORY_NOT_WORD: lambda char: not (char.isalnum() or char == "_"),
}
_REPEATS = (words.MAX_REPEAT, words.MIN_REPEAT, words.POSSESSIVE_REPEAT)
_BEGINNINGS = (words.AT_BEGINNING, words.AT_BEGINNING_STRING)
_ONE_PLACE = (words.LITERAL, words.NOT_LITERAL, words.ANY, words.IN, words.AT, words.FAILURE)
_NO_WIDTH = (words.AT, words.ASSERT, words.ASSERT_NOT)


class _Endless(Exception):  # noqa: N818 -- what the walk over the tree ends with
    """A repetition within a repetition in which the same text can be divided in several ways."""


@lru_cache(4096)
def reach(pattern: str) -> int:
    """How many characters of a text the pattern may see; 0 where even the fewest of REACHES are too many."""
    try:
        return next((places for places in REACHES if steps(pattern, places) <= STEPS_MOST), 0)
    except _Endless:
        return 0


def fault(pattern: str) -> str | None:
    """What is wrong with a pattern that is too slow; None where it is not."""
    try:
        return SLOW if steps(pattern, REACHES[-1]) > STEPS_MOST else None
    except _Endless:
        return NESTED


def seen(pattern: re.Pattern[str], text: str, *, whole: bool) -> str:
    """What the pattern sees of a text; ``whole`` is sysDescr and its like, which may be longer than a DisplayString."""
    if len(text) <= REACHES[-1]:
        return text
    return text[: min(reach(pattern.pattern), DESCR_LIMIT if whole else PATTERN_LIMIT)]


def steps(pattern: str, places: int) -> float:
    """Steps for the worst text of so many characters. Raises _Endless where there is no bound."""
    count, items = _Count(places), _needed(_plain(syntax.parse(pattern)))
    start = 1.0 if _anchored(items) else places / _period(items)
    count.sequence(items, frozenset(), (start,) if start > 1 else ())
    return count.worst


@dataclass(slots=True)
class _Count:
    """Walks over a tree and keeps the most steps that a part of it can take."""

    places: int
    worst: float = 1.0

    def sequence(self, items: Sequence[Node], follow: Chars, ways: tuple[float, ...]) -> tuple[float, ...]:
        """The choices in front of ``items``, one factor each, become those behind them."""
        for at, item in enumerate(items):
            rest = items[at + 1 :]
            behind = _first(rest) | (follow if _may_be_empty(rest) else frozenset())
            ways = self._item(item, behind, ways, _period(rest) if rest else 1)
        return ways

    def _item(self, item: Node, behind: Chars, ways: tuple[float, ...], period: int) -> tuple[float, ...]:
        op, value = item
        if op in {words.ASSERT, words.ASSERT_NOT}:
            self.sequence(_plain(value[1]), frozenset(), ways)  # once found it is left: its choices end with it
            return ways
        if op is words.ATOMIC_GROUP:
            return self.sequence(_plain(value), behind, ways)
        if op is words.BRANCH:
            found = [self.sequence(_plain(branch), behind, ways) for branch in value[1]]
            most = max(found, key=math.prod)
            return most if _apart([_first(_plain(branch)) for branch in value[1]]) else (*most, float(len(found)))
        if op in _REPEATS:
            return self._repeat(value, behind, ways, period)
        if op not in _ONE_PLACE and op is not words.GROUPREF:
            raise _Endless  # a conditional group, or what a later Python adds: nobody judged it
        return ways

    def _repeat(
        self, value: tuple[int, Any, Any], behind: Chars, ways: tuple[float, ...], period: int
    ) -> tuple[float, ...]:
        least, most, tree = value
        body = _plain(tree)
        loops, fixed = min(most, self.places), _is_fixed(body)
        if loops > 1 and not fixed:
            _check(body, _first(body) | behind, nullable=False)
        if loops == 1:
            ways = self.sequence(body, behind, ways)
        reach = max(1.0, (loops if fixed or loops == 1 else self.places) / max(1, _least(body)))
        self._reached(*ways, reach)
        if least == most or not behind & _first(body):
            return ways
        return (*ways, max(2.0, reach / period))

    def _reached(self, *factors: float) -> None:
        many = sum(factor > self.places / 4 for factor in factors)
        self.worst = max(self.worst, math.prod(factors) / math.factorial(many))


def _check(items: Sequence[Node], follow: Chars, *, nullable: bool) -> None:
    """Raises _Endless unless there is one way only to read any text as ``items`` and then ``follow``."""
    if _may_be_empty(items) and not nullable:
        raise _Endless
    for at, (op, value) in enumerate(items):
        rest = items[at + 1 :]
        behind = _first(rest) | (follow if _may_be_empty(rest) else frozenset())
        if op in {words.ASSERT, words.ASSERT_NOT, words.GROUPREF, words.GROUPREF_EXISTS}:
            raise _Endless
        if op is words.ATOMIC_GROUP:
            _check(_plain(value), behind, nullable=True)
        elif op is words.BRANCH:
            branches = [_plain(branch) for branch in value[1]]
            if not _apart([_first(branch) for branch in branches]) or any(map(_may_be_empty, branches)):
                raise _Endless
            for branch in branches:
                _check(branch, behind, nullable=False)
        elif op in _REPEATS:
            least, most, tree = value
            body = _plain(tree)
            if least != most and _first(body) & behind:
                raise _Endless
            _check(body, (_first(body) if most > 1 else frozenset()) | behind, nullable=False)


def _plain(tree: Any) -> list[Node]:
    """The items of a tree, groups opened."""
    return list(_opened(tree))


def _opened(tree: Any) -> Iterator[Node]:
    if isinstance(tree, list):
        yield from tree
        return
    for op, value in tree:
        if op is words.SUBPATTERN:
            yield from _opened(value[3])
        else:
            yield op, value


def _needed(items: list[Node]) -> list[Node]:
    """The items without repetitions of one thing at the end, which cannot fail: nothing is tried again for them."""
    while items and items[-1][0] in _REPEATS and _is_fixed(_plain(items[-1][1][2])):
        least, _, body = items[-1][1]
        if least:
            return [*items[:-1], (items[-1][0], (least, least, body))]
        items = items[:-1]
    if items and items[-1][0] is words.BRANCH:
        op, (what, branches) = items[-1]
        return [*items[:-1], (op, (what, [_needed(_plain(branch)) for branch in branches]))]
    return items


def _anchored(items: Sequence[Node]) -> bool:
    return bool(items) and items[0][0] is words.AT and items[0][1] in _BEGINNINGS


def _period(items: Sequence[Node]) -> int:
    """The shortest distance at which the words that the items begin with can follow each other in a text."""
    text = ""
    for op, value in items:
        if op is words.LITERAL:
            text += chr(value).lower()
        elif op not in _NO_WIDTH:
            break
    return next((step for step in range(1, len(text)) if text.startswith(text[step:])), max(1, len(text)))


def _is_fixed(items: Sequence[Node]) -> bool:
    """Whether they match texts of one length, in one way, and so do the ones that they look at without taking them."""
    return all(_is_fixed_item(op, value) for op, value in items)


def _is_fixed_item(op: Any, value: Any) -> bool:
    if op in {words.ASSERT, words.ASSERT_NOT}:
        return all(map(_is_short, _plain(value[1])))
    if op is words.ATOMIC_GROUP:
        return _is_fixed(_plain(value))
    return op in _ONE_PLACE


def _is_short(item: Node) -> bool:
    """Whether a lookahead that stands in a repetition may have it: looking costs as much at each place."""
    op, value = item
    if op in _REPEATS:
        least, most, tree = value
        return bool(least == most <= SHORT_MOST) and _is_fixed(_plain(tree))
    return _is_fixed_item(op, value)


def _may_be_empty(items: Sequence[Node]) -> bool:
    return _least(items) == 0


def _least(items: Sequence[Node]) -> int:
    """Characters they match at least."""
    return sum(map(_least_of, items))


def _least_of(item: Node) -> int:
    op, value = item
    if op in _REPEATS:
        return int(value[0]) * _least(_plain(value[2]))
    if op is words.BRANCH:
        return min(_least(_plain(branch)) for branch in value[1])
    if op is words.ATOMIC_GROUP:
        return _least(_plain(value))
    return 0 if op in {*_NO_WIDTH, words.GROUPREF, words.GROUPREF_EXISTS} else 1


def _first(items: Sequence[Node]) -> Chars:
    """The characters that a text of them may begin with."""
    found: Chars = frozenset()
    for item in items:
        found |= _first_of(item)
        if _least_of(item):
            break
    return found


def _first_of(item: Node) -> Chars:
    op, value = item
    if op in _REPEATS:
        return _first(_plain(value[2]))
    if op is words.BRANCH:
        return frozenset().union(*(_first(_plain(branch)) for branch in value[1]))
    if op is words.ATOMIC_GROUP:
        return _first(_plain(value))
    if op in _NO_WIDTH:
        return frozenset()
    return _chars(op, value)


def _chars(op: Any, value: Any) -> Chars:
    """The characters that one place may match, in any case; rather more than less."""
    if op is words.LITERAL:
        return _cases(value)
    if op is words.NOT_LITERAL:
        return (_ALL - {value}) | _FAR
    if op is not words.IN:
        return _ALL  # any character; what a group held
    found: set[int] = set()
    for kind, what in value:
        if kind is words.LITERAL:
            found |= _cases(what)
        elif kind is words.RANGE:
            found |= {code for code in _ALL if any(what[0] <= one <= what[1] for one in _cases(code))}
            found |= _FAR if what[1] >= min(_FAR) else frozenset()
        elif kind is words.CATEGORY:
            found |= {code for code in _ALL if _CATEGORIES[what](chr(code))}
    if value[0][0] is not words.NEGATE:
        return frozenset(found)
    listed = any(kind in {words.LITERAL, words.RANGE} and found & _FAR for kind, _ in value)
    return (_ALL - found) | (_FAR if listed else frozenset())


def _cases(code: int) -> Chars:
    """The character in any case; of those that are not among _ALL, all that stand for others."""
    char = chr(code)
    found = frozenset(ord(one) for one in (char, char.lower(), char.upper()) if len(one) == 1)
    return found if found <= _ALL else (found & _ALL) | _FAR


def _apart(sets: Sequence[Chars]) -> bool:
    """Whether no two have a character in common."""
    return sum(map(len, sets)) == len(frozenset().union(*sets))
