"""Where each key of a TOML text stands. tomllib gives values without places, tomlkit keeps none that can be asked.

The scanner relies on tomllib having accepted the text, or refused it only for saying a thing twice: it finds where keys
and values begin and end and judges nothing.
"""

import re
import tomllib
from bisect import bisect_right
from collections import defaultdict

Key = tuple[str | int, ...]
"""The way to a value: keys of tables and positions in arrays, ("device", 2, "address")."""

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_STRING = re.compile(
    r'"""(?:[^\\]|\\.)*?"""+'  # multi-line basic; one or two quotes may stand directly before the closing three
    r"|'''.*?'''+"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'",
    re.DOTALL,
)
_SCALAR = re.compile(r"[^,\]}#\n]+")


class LineIndex:
    """``lines[key]`` is every line (from 1) where the key is written, the first one first."""

    def __init__(self, text: str) -> None:
        self.lines: dict[Key, list[int]] = defaultdict(list)
        self._text = text
        self._starts = [0, *(match.end() for match in re.finditer("\n", text))]
        self._arrays: dict[Key, int] = {}
        self._implied: set[Key] = set()
        self._document()

    def line(self, key: Key) -> int | None:
        """The line of that key, or of the nearest thing around it that has one."""
        for length in range(len(key), 0, -1):
            if found := self.lines.get(key[:length]):
                return found[0]
        return None

    def _document(self) -> None:
        at = self._blank(0)
        table: Key = ()
        while at < len(self._text):
            table, at = self._header(at) if self._text[at] == "[" else (table, self._pair(at, table))
            at = self._blank(at)

    def _header(self, at: int) -> tuple[Key, int]:
        start, double = at, self._text.startswith("[[", at)
        parts, at = self._dotted(at + 1 + double)
        table: Key = ()
        for number, part in enumerate(parts, start=1):
            table = (*table, part)
            if table not in self.lines and number < len(parts):
                self._note(table, start)  # [a.b] makes a as well, until [a] is written
                self._implied.add(table)
            if table in self._arrays and not (double and number == len(parts)):
                table = (*table, self._arrays[table] - 1)
        if double:
            self._arrays[table] = position = self._arrays.get(table, 0) + 1
            self._note(table, start)
            table = (*table, position - 1)
        if table in self._implied:
            self._implied.remove(table)
            del self.lines[table]
        self._note(table, start)
        return table, at + 1 + double

    def _pair(self, at: int, table: Key) -> int:
        start = at
        parts, at = self._dotted(at)
        for length in range(1, len(parts) + 1):
            self._note((*table, *parts[:length]), start)
        return self._value(self._space(at + 1), (*table, *parts))

    def _dotted(self, at: int) -> tuple[list[str], int]:
        parts = []
        while True:
            at = self._space(at)
            quoted = self._text[at] in "\"'"
            match = (_STRING if quoted else _BARE_KEY).match(self._text, at)
            if match is None:
                raise ValueError(f"no key at line {self._line_of(at)}")
            parts.append(tomllib.loads(f"k = {match[0]}")["k"] if quoted else match[0])
            at = self._space(match.end())
            if self._text[at] != ".":
                return parts, at
            at += 1

    def _value(self, at: int, key: Key) -> int:
        first = self._text[at]
        if first == "[":
            return self._array(at + 1, key)
        if first == "{":
            return self._inline_table(at + 1, key)
        match = (_STRING if first in "\"'" else _SCALAR).match(self._text, at)
        if match is None:
            raise ValueError(f"no value at line {self._line_of(at)}")
        return match.end()

    def _array(self, at: int, key: Key) -> int:
        position = 0
        while (at := self._blank(at)) < len(self._text) and self._text[at] != "]":
            if self._text[at] == ",":
                at += 1
                continue
            self._note((*key, position), at)
            at = self._value(at, (*key, position))
            position += 1
        return at + 1

    def _inline_table(self, at: int, key: Key) -> int:
        while (at := self._blank(at)) < len(self._text) and self._text[at] != "}":
            at = at + 1 if self._text[at] == "," else self._pair(at, key)
        return at + 1

    def _note(self, key: Key, at: int) -> None:
        line = self._line_of(at)
        if line not in self.lines[key]:
            self.lines[key].append(line)

    def _line_of(self, at: int) -> int:
        return bisect_right(self._starts, at)

    def _blank(self, at: int) -> int:
        match = _BLANK.match(self._text, at)
        return match.end() if match else at

    def _space(self, at: int) -> int:
        match = _SPACE.match(self._text, at)
        return match.end() if match else at
