"""From pydantic's errors and broken rules to faults in plain words, for profiles."""

import copy
import difflib
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from agent.profiles.broken import Broken
from agent.profiles.schema import MatchModel, ProfileModel, SourceModel, TableModel, ValueModel
from agent.settings.faults import Fault, Severity
from agent.settings.lines import Key
from agent.settings.sources import Tree
from agent.settings.types import quoted
from agent.settings.wording import expected, fields, found, is_list, model_of, nearest, words_of

_LISTS = {"match", "table"}
_NO_TABLE = {"model_type", "model_attributes_type", "tuple_type", "dict_type"}


def telling(errors: Sequence[ErrorDetails]) -> list[ErrorDetails]:
    """Without those that only say that a list is empty because its items were refused."""
    ways = [error["loc"] for error in errors]
    return [
        error
        for error, way in zip(errors, ways, strict=True)
        if not any(len(other) > len(way) and other[: len(way)] == way for other in ways)
    ]


def to_fault(error: ErrorDetails, tree: Tree) -> Fault:
    """One pydantic error as a fault with its place."""
    key = written(error["loc"], tree.data)
    message, hint = _say(error)
    return Fault(setting_name(key, tree.data), message, hint, tree.place(key))


def rule_fault(rule: Broken, tree: Tree, severity: Severity = Severity.FAULT) -> Fault:
    key = written(rule.key, tree.data)
    other = f" ({tree.place(written(rule.other, tree.data))})" if rule.other else ""
    return Fault(setting_name(key, tree.data), rule.message + other, rule.hint, tree.place(key), severity)


def hears(rule: Broken, faulty: Collection[Key], tree: Tree) -> bool:
    """Whether a rule's word counts: not where it follows from a key that was refused by itself."""
    key = written(rule.key, tree.data)
    return not any(key[: len(way)] == way or (rule.absent and way[: len(key)] == key) for way in faulty)


def written(key: Key, data: Any) -> Key:
    """The way as it is in the file: an item that was written without a list around it has no number."""
    way: list[str | int] = []
    for part in key:
        if isinstance(part, int) and not isinstance(data, list):
            continue
        way.append(part)
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            data = None
    return tuple(way)


def setting_name(key: Key, data: Mapping[str, Any]) -> str:
    """A key as its author wrote it: [identity] model · [[table]] "radios" value.kind · [[match]] descr · extends."""
    if not key:
        return ""
    rest = ".".join(part for part in key[1:] if isinstance(part, str))
    head = str(key[0])
    if head in _LISTS and isinstance(data.get(head), list):
        head = f"[[{head}]]" + _item(key, data[head])
    elif isinstance(data.get(head), dict):
        head = f"[{head}]"
    return f"{head} {rest}" if rest else head


def _item(key: Key, items: Sequence[Any]) -> str:
    """Which of several; a table has a name."""
    if len(key) < 2 or not isinstance(key[1], int):
        return ""
    item = items[key[1]]
    name = item.get("name") if isinstance(item, dict) else None
    if isinstance(name, str):
        return " " + quoted(name)
    return f" number {key[1] + 1}" if len(items) > 1 else ""


def _say(error: ErrorDetails) -> tuple[str, str]:
    """Message and hint."""
    kind, key = error["type"], error["loc"]
    if kind == "setting":
        context = error.get("ctx", {})
        return str(context["message"]), str(context["hint"])
    if kind == "extra_forbidden":
        return "is not a key of a profile", _suggest(key)
    model, info = _walk(key)
    if info is None or (key[-1] != "map" and "map" in key):
        return f"found {found(error['input'])}, expected text in quotes", ""
    if kind == "too_short":
        return "is empty", ""
    return _wrong(error, model, info)


def _wrong(error: ErrorDetails, model: type[BaseModel] | None, info: FieldInfo) -> tuple[str, str]:
    """Of a value that is not what its key takes."""
    kind, key = error["type"], error["loc"]
    if model is not None and kind in _NO_TABLE:
        return _wrong_table(key, info, error["input"])
    if kind in _NO_TABLE and not is_list(info):  # map, field
        return f"found {found(error['input'])}, expected a table such as {{ key = ... }}", ""
    words = words_of(info)
    value = error["input"]
    near = nearest(value, words) if words and isinstance(value, str) else ""
    wanted = expected(info)
    if isinstance(key[-1], int):
        wanted = wanted.removeprefix("a list, each ")
    return f"found {found(value)}, expected {wanted}", f'Did you mean "{near}"?' if near else ""


def _wrong_table(key: Key, info: FieldInfo, value: object) -> tuple[str, str]:
    name = ".".join(part for part in key if isinstance(part, str))
    if name in {"match", "table", "table.value"}:
        return f"found {found(value)}, expected [[{name}]] with two brackets", ""
    if name == "identity":
        return f"found {found(value)}, expected a section [identity]", ""
    example = '{ text = "..." }' if key[0] == "identity" else "{ column = 5 }"
    if key[-1] == "join":
        return f"found {found(value)}, expected a list of sources such as [{example}, {example}]", ""
    more = ", or a list of them" if is_list(info) else ""
    return f"found {found(value)}, expected a source such as {example}{more}", ""


def _walk(key: Key) -> tuple[type[BaseModel] | None, FieldInfo | None]:
    """What stands at the end of that way: the model, where it is a table, and the field it is the value of."""
    model: type[BaseModel] | None = ProfileModel
    info: FieldInfo | None = None
    names = iter([part for part in key if isinstance(part, str)])
    for name in names:
        if model is None or (info := fields(model).get(name)) is None:
            return None, info if model is None else None
        model = model_of(info)
        if name == "field" and next(names, None) is not None:  # the sort's field: its value is as that of a label
            model, info = SourceModel, fields(TableModel)["label"]
    return model, info


def _suggest(key: Key) -> str:
    """The key that was probably meant."""
    model, _ = _walk(key[:-1])
    if model is None:
        return ""
    name, here = str(key[-1]), list(fields(model))
    if near := difflib.get_close_matches(name.lower(), here, n=1, cutoff=0.75):
        return f'Did you mean "{near[0]}"?'
    if elsewhere := [where for where, other in _PLACES.items() if name in fields(other)]:
        return f"It belongs {' or '.join(elsewhere)}."
    return f"Known here: {', '.join(here)}."


_PLACES: Mapping[str, type[BaseModel]] = {
    "above the first [section]": ProfileModel,
    "below [[match]]": MatchModel,
    "below [[table]]": TableModel,
    "below [[table.value]]": ValueModel,
}


def pruned(data: dict[str, Any], wrong: Sequence[ErrorDetails]) -> tuple[ProfileModel | None, frozenset[Key]]:
    """What is left without the faulty keys, and those keys."""
    left = copy.deepcopy(data)
    faulty = frozenset(written(detail["loc"], data) for detail in wrong)
    for way in faulty:
        _remove(left, way)
    try:
        return ProfileModel.model_validate(left), faulty
    except ValidationError:
        return None, faulty


def _remove(data: Any, way: Key) -> None:
    """Takes away the innermost named thing on that way: an item of a list stands and falls with the list."""
    while way and isinstance(way[-1], int):
        way = way[:-1]
    for part in way[:-1]:
        if isinstance(data, dict) and part not in data:
            return
        data = data[part]
    if way and isinstance(data, dict):
        data.pop(way[-1], None)
