"""Every key of a TOML text has its line, whatever way it is written."""

import tomllib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from agent.settings.lines import Key, LineIndex

TEXT = '''# comment = "no key"
title = """two
lines, [not] = a table"""

[site]          # [comment]
"quoted key" = 'literal # no comment'
a.b.c = 1

[[device]]
name = "first"
list = [
  1,            # one
  { x = "}" , y = [2,
    3] },
]

[device.ports]
include = []

[[device]]
name = "second"
[[device.port]]
number = 1
[[device.port]]
number = 2
[device.port.more]
deep = 2026-03-01 10:00:00
'''


def test_each_way_of_writing_a_key_has_its_line() -> None:
    index = LineIndex(TEXT)
    wanted: dict[Key, int] = {
        ("title",): 2,
        ("site",): 5,
        ("site", "quoted key"): 6,
        ("site", "a", "b", "c"): 7,
        ("device", 0): 9,
        ("device", 0, "list", 0): 12,
        ("device", 0, "list", 1): 13,
        ("device", 0, "list", 1, "x"): 13,
        ("device", 0, "list", 1, "y", 1): 14,
        ("device", 0, "ports", "include"): 18,
        ("device", 1): 20,
        ("device", 1, "name"): 21,
        ("device", 1, "port", 1, "number"): 25,
        ("device", 1, "port", 1, "more", "deep"): 27,
    }
    assert {key: index.line(key) for key in wanted} == wanted


def test_a_key_that_is_not_there_has_the_line_of_what_is_around_it() -> None:
    index = LineIndex(TEXT)
    assert index.line(("device", 1, "address")) == 20
    assert index.line(("elsewhere",)) is None


def test_a_header_makes_what_is_around_it() -> None:
    index = LineIndex("[mqtt.tls]\n[[device.port]]\n[mqtt]\n")
    assert {key: index.lines[key] for key in [("mqtt",), ("device",), ("device", "port", 0)]} == {
        ("mqtt",): [3],
        ("device",): [2],
        ("device", "port", 0): [2],
    }


WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=6)
SCALARS = st.one_of(
    st.booleans(), st.integers(-99, 99), st.floats(allow_nan=False, allow_infinity=False), WORDS, st.datetimes()
)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3))
TABLES = st.dictionaries(WORDS, VALUES, max_size=4)


def _string(text: str, style: int) -> str:
    body = "".join(c if c.isalnum() and c.isascii() else f"\\U{ord(c):08X}" for c in text)
    if style == 1 and "'" not in text and text.isprintable():
        return f"'{text}'"
    if style == 2:
        return f'"""\n{body}\\\n  """'
    if style == 3 and text.isprintable() and "'" not in text:
        return f"'''\n{text}'''"
    return f'"{body}"'


class Writer:
    """Writes data as TOML in styles drawn by hypothesis, and keeps the line of every key."""

    def __init__(self, draw: Any) -> None:
        self._draw = draw
        self.text = ""
        self.lines: dict[Key, int] = {}

    def _style(self, count: int) -> int:
        drawn: int = self._draw(st.integers(0, count - 1))
        return drawn

    def _note(self, key: Key) -> None:
        self.lines.setdefault(key, self.text.count("\n") + 1)

    def _gap(self) -> None:
        self.text += ["", "\n", "# a = 1 [b]\n", "  # 'x\n\n"][self._style(4)]

    def table(self, table: dict[str, Any], key: Key = (), header: str = "") -> None:
        late: list[tuple[str, Any, bool]] = []
        for name, value in table.items():
            here = (*key, name)
            if isinstance(value, dict) and self._style(2):
                late.append((name, value, False))
            elif isinstance(value, list) and value and all(isinstance(item, dict) for item in value) and self._style(2):
                late.append((name, value, True))
            else:
                self._gap()
                self._note(here)
                self.text += f"{_string(name, self._style(2))} = "
                self.value(value, here)
                self.text += "\n"
        for name, value, many in late:
            title = f"{header}.{_string(name, 0)}" if header else _string(name, self._style(2))
            self._gap()
            if many:
                for number, item in enumerate(value):
                    self._note((*key, name))
                    self._note((*key, name, number))
                    self.text += f"[[ {title} ]]\n"
                    self.table(item, (*key, name, number), title)
            else:
                self._note((*key, name))
                self.text += f"[{title}]\n"
                self.table(value, (*key, name), title)

    def value(self, value: Any, key: Key) -> None:
        match value:
            case dict():
                self.text += "{ "
                for number, (name, inner) in enumerate(value.items()):
                    self.text += ", " if number else ""
                    self._note((*key, name))
                    self.text += f"{_string(name, 0)}="
                    self.value(inner, (*key, name))
                self.text += "}"
            case list():
                self.text += "["
                for number, inner in enumerate(value):
                    self._gap()
                    self._note((*key, number))
                    self.value(inner, (*key, number))
                    self.text += ", "
                self.text += "]"
            case str():
                self.text += _string(value, self._style(4))
            case bool():
                self.text += str(value).lower()
            case int() | float():
                self.text += repr(value)
            case _:
                self.text += value.isoformat()


@given(data=st.data())
def test_any_document_is_indexed_as_it_was_written(data: st.DataObject) -> None:
    writer = Writer(data.draw)
    wanted = data.draw(TABLES)
    writer.table(wanted)
    assert tomllib.loads(writer.text) == wanted
    index = LineIndex(writer.text)
    assert {key: lines[0] for key, lines in index.lines.items()} == writer.lines
