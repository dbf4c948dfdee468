"""Texts that a regular expression finds, made from its parse tree."""

import importlib
import random
import re
from collections.abc import Iterator
from typing import Any

_parser: Any = importlib.import_module("re._parser")
"""How ``re`` itself reads a pattern: it has no public name since Python 3.11."""
_PRINTABLE = [chr(code) for code in range(0x20, 0x7F)]
_CLASSES = {
    "CATEGORY_DIGIT": r"\d",
    "CATEGORY_NOT_DIGIT": r"\D",
    "CATEGORY_SPACE": r"\s",
    "CATEGORY_NOT_SPACE": r"\S",
    "CATEGORY_WORD": r"\w",
    "CATEGORY_NOT_WORD": r"\W",
}
_CASES = (str, str.upper, str.lower, str.title)
"""Where a pattern cares for case, the last three may not fit; then they are not given."""
_MORE = 3
"""Repeats beyond the fewest."""


def texts(pattern: re.Pattern[str], tries: int = 40) -> Iterator[str]:
    """Texts in which ``pattern`` is found, plain ones first; the same ones at each call."""
    chance = random.Random(pattern.pattern)
    tree = _parser.parse(pattern.pattern, pattern.flags & ~re.UNICODE)
    for at in range(tries):
        made = _CASES[at % len(_CASES)](_Maker(chance).sequence(tree))
        if pattern.search(made):
            yield made


class _Maker:
    """One text."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._groups: dict[int, str] = {}

    def sequence(self, tree: Any) -> str:
        return "".join(self._node(str(kind), argument) for kind, argument in tree)

    def _node(self, kind: str, argument: Any) -> str:
        match kind:
            case "LITERAL":
                made = chr(argument)
            case "NOT_LITERAL":
                made = self._chance.choice([one for one in "a0-" if one != chr(argument)])
            case "ANY":
                made = self._chance.choice("a0 ")
            case "IN":
                made = self._chance.choice(_members(argument))
            case "BRANCH":
                made = self.sequence(self._chance.choice(argument[1]))
            case "SUBPATTERN":
                made = self.sequence(argument[3])
                self._groups[argument[0]] = made
            case "GROUPREF":
                made = self._groups.get(argument, "")
            case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
                fewest, most, inner = argument
                times = self._chance.randint(fewest, min(int(most), fewest + _MORE))
                made = "".join(self.sequence(inner) for _ in range(times))
            case _:  # AT, and what looks ahead or behind: the whole is searched in the end
                made = ""
        return made


def _members(argument: Any) -> list[str]:
    """The printable characters of [...]; space where it has no other."""
    inside = [one for one in _PRINTABLE if _has(argument, one)]
    likely = [one for one in inside if one.isalnum()]
    return likely or inside or [" "]


def _has(argument: Any, char: str) -> bool:
    negated, found = False, False
    for kind, what in argument:
        match str(kind):
            case "NEGATE":
                negated = True
            case "LITERAL":
                found |= ord(char) == what
            case "RANGE":
                found |= what[0] <= ord(char) <= what[1]
            case _:
                found |= re.fullmatch(_CLASSES[str(what)], char) is not None
    return found != negated
