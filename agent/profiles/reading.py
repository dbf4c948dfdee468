"""One profile's file: read whole with every fault, or only as far as it says how to recognise a device."""

import difflib
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from agent.profiles import build
from agent.profiles.rules import broken
from agent.profiles.schema import ProfileModel, is_name
from agent.profiles.wording import hears, pruned, rule_fault, telling, to_fault
from agent.settings.faults import Fault, Place, in_order
from agent.settings.lines import Key
from agent.settings.sources import Tree, read_one
from collectors.snmp.gear.model import Match

_BODY = re.compile(r"^[ \t]*\[\[?[ \t]*[\"']?(?:table|identity)\b", re.MULTILINE)
_HEAD = re.compile(r"^[ \t]*\[\[?[ \t]*[\"']?match\b", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Head:
    """What is kept of every profile."""

    file: Path
    extends: tuple[str, ...]
    always: bool
    without: tuple[str, ...]
    priority: int
    matches: tuple[Match, ...]

    @property
    def name(self) -> str:
        return self.file.stem


@dataclass(frozen=True, slots=True)
class Document:
    """A file as it was read. ``model`` is None exactly where there are faults."""

    file: Path
    model: ProfileModel | None
    tree: Tree
    faults: tuple[Fault, ...]


def examine(file: Path) -> Document:
    """The file, judged by itself: what it extends is not looked at."""
    try:
        return _examine(file)
    except RecursionError:
        fault = Fault("", "nested too deeply to be a profile", place=Place(file))
        return Document(file, None, Tree(files=[file]), (fault,))


def _examine(file: Path) -> Document:
    if not file.exists():
        return Document(file, None, Tree(files=[file]), (_not_there(file),))
    tree, faults = read_one(file)
    if faults and not file.is_file():
        return Document(file, None, tree, tuple(faults))
    if not is_name(file.stem):
        what = "a profile's name is its file's: expected small letters, digits and hyphens"
        faults.append(Fault("", what, place=Place(file)))
    if not tree.places and faults:
        return Document(file, None, tree, tuple(faults))
    faulty: frozenset[Key] = frozenset()
    try:
        model: ProfileModel | None = ProfileModel.model_validate(tree.data)
    except ValidationError as error:
        wrong = telling(error.errors(include_url=False))
        faults += [to_fault(detail, tree) for detail in wrong]
        model, faulty = pruned(tree.data, wrong)
    if model is not None:
        faults += [rule_fault(rule, tree) for rule in broken(model) if hears(rule, faulty, tree)]
    ordered = in_order(faults, [file])
    return Document(file, None if ordered else model, tree, ordered)


def _not_there(file: Path) -> Fault:
    """The shipped ones are not looked through: what is meant lies beside it, or the name is wrong."""
    stems = [other.stem for other in file.parent.glob("*.toml")]  # that all end alike makes none of them alike
    near = difflib.get_close_matches(file.stem, stems, n=1)
    return Fault(
        "", "there is no such file", f"Did you mean {file.parent / near[0]}.toml?" if near else "", Place(file)
    )


def quick_head(file: Path) -> Head | None:
    """The head of a file that is known to be sound, without reading its tables; None where that cannot be done.

    tomllib reads some 0.5 MB a second on a Raspberry Pi; what matches stand before the tables.
    """
    try:
        text = file.read_text(encoding="utf-8")
        body = _BODY.search(text)
        if body is not None and not _HEAD.search(text, body.start()):
            text = text[: body.start()]
        return head_of(file, ProfileModel.model_validate(tomllib.loads(text)))
    except (OSError, ValueError, RecursionError):  # ValueError: not UTF-8, not TOML, not a profile
        return None


def head_of(file: Path, model: ProfileModel) -> Head:
    return Head(
        file=file,
        extends=model.extends,
        always=model.always,
        without=model.without,
        priority=model.priority,
        matches=tuple(build.match(match) for match in model.match),
    )
