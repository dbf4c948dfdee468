"""Reading the files: which they are, their text, their syntax, and one tree out of many with every value's place."""

import difflib
import errno
import os
import pwd
import re
import stat
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent.settings.faults import Fault, Place
from agent.settings.lines import Key, LineIndex

DEFAULT_FILE = Path("/etc/sonda/sonda.toml")
FRAGMENTS = "conf.d"
MAX_FILE_BYTES = 1_000_000
"""A configuration of 500 devices takes 100 kB; a file far beyond that is not a configuration."""
MAX_FILES = 500
MAX_DEPTH = 32
"""Tables and arrays within each other, and parts of a dotted key; settings need 4, profiles 6."""
MAX_PARTS = 200
"""Parts of a dotted key that tomllib is given at all: its time grows with their square."""
INT_64 = range(-(2**63), 2**63)
"""What TOML promises of whole numbers; tomllib takes longer ones, which nothing can be made of."""


class PlacedText(str):
    """A string of a file that knows which file: relative paths are meant from there (types.py:ConfigPath)."""

    __slots__ = ("folder",)
    folder: Path

    @classmethod
    def of(cls, text: str, folder: Path) -> "PlacedText":
        placed = cls(text)
        placed.folder = folder
        return placed


@dataclass(slots=True)
class Tree:
    """All files in one: ``data`` as tomllib gives it, and the place of each key in it."""

    data: dict[str, Any] = field(default_factory=dict)
    places: dict[Key, Place] = field(default_factory=dict)
    replaced: dict[Key, Place] = field(default_factory=dict)
    files: list[Path] = field(default_factory=list)

    def place(self, key: Key) -> Place | None:
        """Where that key stands, or the nearest table around it."""
        for length in range(len(key), 0, -1):
            if found := self.places.get(key[:length]):
                return found
        return Place(self.files[0]) if self.files else None


def read_all(paths: Sequence[Path]) -> tuple[Tree, list[Fault]]:
    """Each path with the conf.d/*.toml beside it, in name order. Files that cannot be read are faults and left out."""
    tree, faults = Tree(), list[Fault]()
    seen: set[Path] = set()
    for path in paths:
        for file in _with_fragments(path, faults):
            if (real := Path(os.path.realpath(file))) in seen:  # Path.resolve raises for a loop of links
                continue
            seen.add(real)
            _read(file, tree, faults)
    return tree, faults


def read_one(file: Path) -> tuple[Tree, list[Fault]]:
    """That file alone."""
    tree, faults = Tree(), list[Fault]()
    _read(file, tree, faults)
    return tree, faults


def _read(file: Path, tree: Tree, faults: list[Fault]) -> None:
    text = _text(file, faults)
    tree.files.append(file)
    if text is not None and (document := _parse(text, file, faults)) is not None:
        places = _places(text, file)
        if beyond := list(_beyond(document, places)):
            faults += beyond
        else:
            _merge(tree, document, places)


def _with_fragments(path: Path, faults: list[Fault]) -> Iterator[Path]:
    yield path
    folder = path.parent / FRAGMENTS
    try:
        names = sorted(os.listdir(folder)) if folder.is_dir() else []
    except OSError as error:
        faults.append(unreadable(folder, error))
        return
    wanted = [name for name in names if name.endswith(".toml") and not name.startswith(".")]
    if len(wanted) > MAX_FILES:
        message = f"holds {len(wanted)} files, and at most {MAX_FILES} are read"
        faults.append(Fault("", message, place=Place(folder)))
    yield from (folder / name for name in wanted[:MAX_FILES])


def _text(file: Path, faults: list[Fault]) -> str | None:
    try:
        raw = read_bounded(file, MAX_FILE_BYTES)
    except OSError as error:
        faults.append(unreadable(file, error))
        return None
    if raw is None:
        faults.append(Fault("", "is no ordinary file, expected a TOML file", place=Place(file)))
        return None
    if len(raw) > MAX_FILE_BYTES:
        faults.append(Fault("", f"larger than {MAX_FILE_BYTES:,} bytes, which no configuration is", place=Place(file)))
        return None
    try:
        return raw.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        message = f"not UTF-8: byte 0x{raw[error.start]:02x} on this line"
        faults.append(Fault("", message, 'Save the file as "UTF-8" in the editor.', Place(file, line)))
        return None


def without_waiting(path: str, flags: int) -> int:
    """An opener for open(): a pipe that nobody writes into is empty, not waited for."""
    descriptor = os.open(path, flags | os.O_NONBLOCK)
    os.set_blocking(descriptor, True)
    return descriptor


def read_bounded(file: Path, most: int) -> bytes | None:
    """At most one byte more than ``most``; None of what is no ordinary file, which might never end, or never answer.
    Raises OSError."""
    descriptor = without_waiting(str(file), os.O_RDONLY | os.O_CLOEXEC)
    try:
        found = os.fstat(descriptor)
        if stat.S_ISDIR(found.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(file))
        if not stat.S_ISREG(found.st_mode) and found.st_rdev != os.makedev(1, 3):  # /dev/null masks a file
            return None
        raw = b""
        while len(raw) <= most and (piece := os.read(descriptor, most + 1 - len(raw))):
            raw += piece
        return raw
    finally:
        os.close(descriptor)


def unreadable(file: Path, error: OSError) -> Fault:
    """Why the file could not be read, with the mend."""
    place = Place(file)
    match error:
        case FileNotFoundError():
            near = _similar(file)
            write = "Write it there (`sonda help config` explains every setting), or name another file with --config."
            hint = f"Did you mean {near}?" if near else write
            return Fault("", "there is no such file", hint, place)
        case IsADirectoryError():
            inside = file / "sonda.toml"
            hint = f"Did you mean {inside}?" if inside.is_file() else "Name the file itself."
            return Fault("", "a directory, expected a TOML file", hint, place)
        case PermissionError():
            user = user_name()
            hint = f"Run this with sudo, or let the group read it: sudo chgrp sonda {file} && sudo chmod g+r {file}"
            return Fault("", f'the user "{user}" may not read it', hint + ".", place)
        case _:
            return Fault("", f"cannot be read: {error.strerror or error}", place=place)


def user_name() -> str:
    """Who this process is, for sentences about permission."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def _similar(file: Path) -> str:
    try:
        names = [name for name in os.listdir(file.parent) if name.endswith(".toml")]
    except OSError:
        return ""
    stems = {name.removesuffix(".toml"): name for name in names}  # that all end alike makes none of them alike
    near = difflib.get_close_matches(file.name.removesuffix(".toml"), stems, n=1)
    return str(file.parent / stems[near[0]]) if near else ""


_AT = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
_UNQUOTED_ADDRESS = re.compile(r"=\s*[0-9a-fA-F]*[.:][0-9a-fA-F]*[.:]")
_UNQUOTED_TEXT = re.compile(r"\s*(?P<key>[a-z_]+)\s*=\s*(?P<value>[^\s\"'\[{#][^#\x00-\x1f\x7f]{0,80}?)\s*(?:#.*)?$")
_NO_SECRET = {
    "address",
    "host",
    "id",
    "interface",
    "gateway",
    "language",
    "name",
    "probe",
    "role",
    "site",
    "tenant",
    "timezone",
}
"""Settings whose value is no secret, so that the advice shows the line as it should be."""
_UNQUOTED_WORD = re.compile(r"=\s*[^\s\"'\[{0-9+\-#]")


_MANY_DIGITS = re.compile(r"[0-9][0-9_]{1000}")


def _parse(text: str, file: Path, faults: list[Fault]) -> dict[str, Any] | None:
    try:
        document = None if _dotted_line(text, MAX_PARTS) else tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        faults.append(_not_toml(text, file, str(error)))
    except RecursionError:
        faults.append(_nested(text, file))
    except ValueError:  # Python converts no text of more than 4,300 digits to a number
        digits = _MANY_DIGITS.search(text)
        at = text.count("\n", 0, digits.start()) + 1 if digits is not None else None
        faults.append(Fault("", "a number of more digits than any setting has", place=Place(file, at)))
    else:
        if document is not None and _depth(document) <= MAX_DEPTH:
            return document
        faults.append(_nested(text, file))
    return None


def _not_toml(text: str, file: Path, said: str) -> Fault:
    at = _AT.search(said)
    lines = text.split("\n")
    number = int(at[1]) if at and at[1] else len(lines)
    reason = _AT.sub("", said)
    if reason.startswith(("Cannot overwrite", "Cannot declare", "Cannot mutate", "Duplicate inline")):
        return _twice(text, file, number)
    line = lines[number - 1] if 0 < number <= len(lines) else ""
    column = f", column {at[2]}" if at and at[2] else ""
    return Fault("", f"not TOML{column}: {_lower_first(reason)}", _syntax_hint(line), Place(file, number))


def _nested(text: str, file: Path) -> Fault:
    line = _bracketed_line(text) or _dotted_line(text, MAX_DEPTH)
    return Fault("", "nested too deeply to be a configuration", place=Place(file, line))


def _bracketed_line(text: str) -> int | None:
    """About where brackets lie too deep within each other: those in texts are counted as well."""
    depth = 0
    for found in re.finditer(r"[\[{\]}]", text):
        depth = depth + 1 if found[0] in "[{" else max(0, depth - 1)
        if depth > MAX_DEPTH:
            return text.count("\n", 0, found.start()) + 1
    return None


def _dotted_line(text: str, most: int) -> int | None:
    """The first line with a key of more parts than ``most``."""
    lines = enumerate(text.split("\n"), start=1)
    return next((number for number, line in lines if line.partition("=")[0].count(".") >= most), None)


def _depth(document: Mapping[str, Any]) -> int:
    """How many tables and arrays lie within each other; without recursion."""
    depth, layer = 0, list[Any](document.values())
    while layer and depth <= MAX_DEPTH:
        depth += 1
        layer = [
            item
            for value in layer
            if isinstance(value, dict | list)
            for item in (value.values() if isinstance(value, dict) else value)
        ]
    return depth


def _syntax_hint(line: str) -> str:
    """What is probably meant, from the shape of the line. Only of settings that hold no secret is the content shown."""
    if (text := _UNQUOTED_TEXT.match(line)) and text["key"] in _NO_SECRET and '"' not in text["value"]:
        value = text["value"].replace("\\", "\\\\")
        return f'Text needs quotes: write {text["key"]} = "{value}".'
    if _UNQUOTED_ADDRESS.search(line):
        return 'An address is text and needs quotes: address = "10.0.0.2".'
    if line.count('"') % 2:
        return "A text on this line is not closed with a quote."
    if _UNQUOTED_WORD.search(line):
        return 'Text needs quotes: name = "core switch"; true and false are written small and without.'
    if line.strip() and "=" not in line and not line.lstrip().startswith(("[", "#")):
        return "Each line is a [section], a setting (name = value) or a # comment."
    return ""


def _twice(text: str, file: Path, number: int) -> Fault:
    """Which key stands twice, and where the first one is. tomllib stops on the second one's line."""
    lines = text.split("\n")
    try:
        index = LineIndex(text).lines
    except (ValueError, IndexError, RecursionError):  # what comes after it is no TOML either
        index = {}
    doubles = [
        (key, at) for key, at in index.items() if number in at[1:] and not lines[at[0] - 1].lstrip().startswith("[[")
    ]
    place, hint = Place(file, number), "Keep one of the two."
    if not doubles:
        return Fault("", "sets the same thing twice, or as two different kinds", hint, place)
    key, at = max(doubles, key=lambda double: len(double[0]))
    return Fault("", f'"{key[-1]}" is set twice, first on line {at[0]}', hint, place)


def _lower_first(text: str) -> str:
    return text[:1].lower() + text[1:]


def _places(text: str, file: Path) -> dict[Key, Place]:
    return {key: Place(file, at[0]) for key, at in LineIndex(text).lines.items()}


def _beyond(value: object, places: Mapping[Key, Place], key: Key = ()) -> Iterator[Fault]:
    """Whole numbers that no setting can be, however they are written."""
    if isinstance(value, dict | list):
        for part, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _beyond(inner, places, (*key, part))
    elif isinstance(value, int) and value not in INT_64:
        named = next(part for part in reversed(key) if isinstance(part, str))
        yield Fault(f'"{named}"', "holds a number of more digits than any setting has", place=places.get(key))


def _merge(tree: Tree, document: Mapping[str, Any], places: Mapping[Key, Place]) -> None:
    """Tables are joined, arrays of tables appended, everything else replaced by the later file."""
    if places:
        _Merge(tree, places, next(iter(places.values())).file.parent).table(tree.data, document, (), ())


@dataclass(frozen=True, slots=True)
class _Merge:
    """One document going into the tree. ``here`` is a way in the tree, ``there`` the same in the document: they part
    in arrays that were appended."""

    tree: Tree
    places: Mapping[Key, Place]
    folder: Path

    def table(self, into: dict[str, Any], table: Mapping[str, Any], here: Key, there: Key) -> None:
        known = self.tree.places
        for name, value in table.items():
            key, source = (*here, name), (*there, name)
            old = into.get(name)
            if isinstance(value, dict) and isinstance(old, dict | None):
                known.setdefault(key, self.places[source])
                self.table(into.setdefault(name, {}), value, key, source)
            elif _tables(value) and (old is None or _tables(old)):
                known.setdefault(key, self.places[source])
                items = into.setdefault(name, [])
                for number, item in enumerate(value):
                    position = len(items)
                    items.append({})
                    known[*key, position] = self.places[*source, number]
                    self.table(items[position], item, (*key, position), (*source, number))
            else:
                self._replace(into, name, value, key, source)

    def _replace(self, into: dict[str, Any], name: str, value: object, key: Key, source: Key) -> None:
        if name in into:
            self.tree.replaced[key] = self.tree.places[key]
        into[name] = _placed(value, self.folder)
        self._note(value, key, source)

    def _note(self, value: object, key: Key, source: Key) -> None:
        """The places of a value and of all that is in it."""
        self.tree.places[key] = self.places[source]
        items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for part, inner in items:
            self._note(inner, (*key, part), (*source, part))


def _tables(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)


def _placed(value: Any, folder: Path) -> Any:
    match value:
        case str():
            return PlacedText.of(value, folder)
        case list():
            return [_placed(item, folder) for item in value]
        case dict():
            return {name: _placed(item, folder) for name, item in value.items()}
        case _:
            return value
