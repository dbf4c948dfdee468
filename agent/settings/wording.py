"""From pydantic's errors to faults in plain words, and from a model's fields to what they expect."""

import datetime as dt
import difflib
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Le, MinLen
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from agent.settings.faults import Fault
from agent.settings.lines import Key
from agent.settings.models import ROLE_OF, Settings
from agent.settings.secret import EXPECTED, Secret
from agent.settings.sources import Tree
from agent.settings.types import Expects, quoted
from kpi.model import Role


def fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """The fields of a model by the names they have in TOML."""
    return {info.alias or name: info for name, info in model.model_fields.items()}


def parts(annotation: Any) -> Iterator[Any]:
    """The types of an annotation without None, Annotated, tuple[...] around them."""
    if get_origin(annotation) in (Union, UnionType):
        for member in get_args(annotation):
            yield from parts(member)
    elif get_origin(annotation) is tuple or hasattr(annotation, "__metadata__"):
        yield from parts(get_args(annotation)[0])
    elif annotation is not type(None):
        yield annotation


def model_of(info: FieldInfo) -> type[BaseModel] | None:
    """The model behind a field that is a table or an array of tables; secrets are values, not tables."""
    for part in parts(info.annotation):
        if isinstance(part, type) and issubclass(part, BaseModel) and part is not Secret:
            return part
    return None


def is_list(info: FieldInfo) -> bool:
    return any(get_origin(kind) is tuple for kind in (info.annotation, *get_args(info.annotation)))


def _metadata(annotation: Any, outer: Sequence[Any] = ()) -> Iterator[Any]:
    """Constraints on the way to the innermost type, the outermost first."""
    yield from reversed(outer)
    if hasattr(annotation, "__metadata__"):
        yield from reversed(annotation.__metadata__)
        yield from _metadata(get_args(annotation)[0])
    elif get_origin(annotation) in (Union, UnionType, tuple):
        for member in get_args(annotation):
            if member is not type(None) and member is not Ellipsis:
                yield from _metadata(member)


def expected(info: FieldInfo) -> str:
    """What a value of this field must be: "a number from 0.2 to 60"."""
    kind = next(iter(parts(info.annotation)))
    found = _flat(_metadata(info.annotation, info.metadata))
    words = next((item.text for item in found if isinstance(item, Expects)), "")
    if not words:
        words = _expected_of(kind, found)
    return f"a list, each {words}" if is_list(info) else words


def _flat(items: Iterator[Any]) -> list[Any]:
    """Annotated metadata may itself be a FieldInfo that carries more."""
    flat: list[Any] = []
    for item in items:
        flat.extend(item.metadata if isinstance(item, FieldInfo) else [item])
    return flat


def _expected_of(kind: Any, found: Sequence[Any]) -> str:
    if kind is Secret:
        return EXPECTED
    if words := _words(kind):
        return _one_of(words)
    if kind in (int, float):
        return _expected_number("a whole number" if kind is int else "a number", found)
    if kind is dt.datetime:
        return "a date and time without quotes: 2026-03-01T22:00:00, or 2026-03-01T22:00:00+01:00"
    return "text, not empty" if any(isinstance(item, MinLen) for item in found) else "text"


def _expected_number(noun: str, found: Sequence[Any]) -> str:
    low = next((item.ge for item in found if isinstance(item, Ge)), None)
    high = next((item.le for item in found if isinstance(item, Le)), None)
    if high is None:
        return noun if low is None else f"{noun}, {low:,} or more"
    return f"{noun} from {low} to {high}"


def _words(kind: Any) -> list[str]:
    """The words a value may be, where it is one of a few."""
    if get_origin(kind) is Literal:
        return [str(word) for word in get_args(kind)]
    if isinstance(kind, type) and issubclass(kind, Enum):
        return [str(member.value) for member in kind]
    return []


def words_of(info: FieldInfo) -> list[str]:
    """The words a value of this field may be; [] where it is not one of a few."""
    return _words(next(iter(parts(info.annotation))))


def _one_of(words: Sequence[str]) -> str:
    shown = [f'"{word}"' for word in words]
    return " or ".join([", ".join(shown[:-1]), shown[-1]]) if len(shown) > 1 else shown[0]


def setting_name(key: Key, data: Mapping[str, Any]) -> str:
    """A key as the technician wrote it: [mqtt.tls] ca · [[device]] "core" address · [[device]] number 3."""
    while isinstance(key[-1], int) and len(key) != 2:
        key = key[:-1]
    lists = [position for position, part in enumerate(key) if isinstance(part, int)]
    if lists and lists[0] == 1 and isinstance(data.get(str(key[0])), list):
        item = data[str(key[0])][key[1]]
        name = item.get("name") if isinstance(item, dict) else None
        head = f"[[{key[0]}]] " + (quoted(name) if isinstance(name, str) else f"number {int(key[1]) + 1}")
        rest = key[2:]
        return head + (" " + _dotted(rest) if rest else "")
    if len(key) == 1:
        info = fields(Settings).get(str(key[0]))
        if info is not None and is_list(info):
            return f"[[{key[0]}]]"
        return f"[{key[0]}]" if isinstance(data.get(str(key[0])), dict | None) else str(key[0])
    whole = _dotted(key)
    table = [part for part in key[:-1] if isinstance(part, str)]
    return f"[{'.'.join(table)}] {whole.removeprefix('.'.join(table) + '.')}"


def _dotted(key: Key) -> str:
    """Items of a list go by the name of the list; the message names their value."""
    text = ""
    for part in key:
        if isinstance(part, str):
            text += f".{part}" if text else part
    return text


def to_fault(error: ErrorDetails, tree: Tree) -> Fault:
    """One pydantic error as a fault with its place."""
    key: Key = error["loc"]
    info = _field(key)
    message, hint = _say(error, key, info)
    place = tree.place(key)
    return Fault(setting_name(key, tree.data), message, hint, place, overrides=tree.replaced.get(key))


def _field(key: Key) -> FieldInfo | None:
    model: type[BaseModel] | None = Settings
    info = None
    for part in key:
        if isinstance(part, int):
            continue
        if model is None:
            return info
        info = fields(model).get(part)
        if info is None:
            return None
        model = model_of(info)
    return info


def _say(error: ErrorDetails, key: Key, info: FieldInfo | None) -> tuple[str, str]:
    """Message and hint."""
    kind = error["type"]
    if kind == "setting":
        context = error.get("ctx", {})
        return str(context["message"]), str(context["hint"])
    if kind == "extra_forbidden":
        return "is not a setting", _suggest_key(key)
    if info is None:
        return error["msg"], ""
    model = model_of(info)
    if kind == "missing":
        return (f"is missing: expected {expected(info)}", "") if model is None else _missing_section(key, model)
    return _wrong_table(key, info, error["input"]) if model is not None else _wrong_value(info, error["input"])


def _wrong_table(key: Key, info: FieldInfo, value: object) -> tuple[str, str]:
    name = ".".join(part for part in key if isinstance(part, str))
    if is_list(info):
        return f"expected [[{name}]] with two brackets, once for each {name}", ""
    return f"found {found(value)}, expected a section [{name}]", ""


def _wrong_value(info: FieldInfo, value: object) -> tuple[str, str]:
    kind = next(iter(parts(info.annotation)))
    if kind is Secret:
        return f"expected {EXPECTED}", ""
    if kind is Role and isinstance(value, str) and (role := ROLE_OF.get(value.strip().lower().replace(" ", "-"))):
        return f"found {found(value)}, expected {expected(info)}", f'Write "{role}", which stands for it.'
    near = nearest(value, _words(kind)) if isinstance(value, str) else ""
    return f"found {found(value)}, expected {expected(info)}", f'Did you mean "{near}"?' if near else ""


def nearest(text: str, words: Sequence[str]) -> str:
    """The word that was probably meant: "aes" is aes128 and not des, "italian" is it."""
    lower = text.lower()
    begun = [word for word in words if lower and (word.startswith(lower) or lower.startswith(word))]
    return next(iter(begun or difflib.get_close_matches(lower, words, n=1)), "")


def _missing_section(key: Key, model: type[BaseModel]) -> tuple[str, str]:
    needed = [name for name, info in fields(model).items() if info.is_required()]
    return "is missing", f"Write [{key[0]}] with {', '.join(needed)}."


def _suggest_key(key: Key) -> str:
    """The setting that was probably meant: here, else elsewhere under the same name."""
    model: type[BaseModel] = Settings
    for part in key[:-1]:
        info = fields(model).get(part) if isinstance(part, str) else None
        model = (model_of(info) or Secret) if info is not None else model
    name, here = str(key[-1]), list(fields(model))
    if near := difflib.get_close_matches(name.lower(), here, n=1, cutoff=0.75):
        return f'Did you mean "{near[0]}"?'
    elsewhere = [
        f"[[{section}]]" if is_list(info) else f"[{section}]"
        for section, info in fields(Settings).items()
        if (other := model_of(info)) and name in fields(other)
    ]
    if elsewhere:
        return f"It belongs below {' or '.join(elsewhere)}."
    near = difflib.get_close_matches(name.lower(), here, n=1)
    return f'Did you mean "{near[0]}"?' if near else f"Known here: {', '.join(here)}."


def found(value: object) -> str:
    """A value as a fault shows it. Never called with a secret."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "a table"
    return str(value)
