"""The tables of config/README.md, made from the models: `python -m agent.settings.reference config/README.md`.

A test fails while the file is older than the models.
"""

import sys
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from agent.settings.models import Settings
from agent.settings.secret import Secret
from agent.settings.wording import expected, fields, is_list, model_of, parts

BEGIN, END = "<!-- settings: begin -->", "<!-- settings: end -->"
_UNITS = {"_s": "s", "_bytes": "bytes", "_days": "days"}


def reference() -> str:
    """Every setting of every section, as Markdown."""
    return "\n\n".join(
        _section(name, info, model) for name, info in fields(Settings).items() if (model := model_of(info)) is not None
    )


def _section(name: str, info: FieldInfo, model: type[BaseModel]) -> str:
    many = is_list(info)
    title = f"[[{name}]]" if many else f"[{name}]"
    text = (model.__doc__ or "").replace("\n    ", "\n")
    head = f"### `{title}`\n\n{text}"
    rows = [f"| `{key}` | {kind} | {default} | {unit} | {what} |" for key, kind, default, unit, what in _rows(model)]
    table = "\n".join(["| setting | value | default | unit | meaning |", "|---|---|---|---|---|", *rows])
    nested = [
        _section(f"{name}.{key}", field, inner)
        for key, field in fields(model).items()
        if (inner := model_of(field)) is not None
    ]
    return "\n\n".join([head, table, *nested])


def _rows(model: type[BaseModel]) -> Iterator[tuple[str, str, str, str, str]]:
    for key, info in fields(model).items():
        if model_of(info) is None:
            unit = next((unit for suffix, unit in _UNITS.items() if key.endswith(suffix)), "")
            yield key, _cell(_value(info)), _cell(_default(info)), unit, _cell(info.description or "")


def _value(info: FieldInfo) -> str:
    if Secret in parts(info.annotation):
        return "[secret](#secrets)"
    return expected(info)


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "required"
    if info.default_factory is not None or info.default in (None, "", (), PydanticUndefined):
        return ""
    return f"`{_toml(info.default)}`"


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return f"{value:_}" if value >= 10_000 else f"{value:g}"
    return f'"{value.value if isinstance(value, Enum) else value}"'


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def renewed(page: str) -> str:
    """The page with its tables made anew. Raises ValueError where the marks are missing."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page has no {BEGIN} ... {END}")
    return f"{before}{BEGIN}\n\n{reference()}\n\n{END}{after}"


if __name__ == "__main__":
    page = Path(sys.argv[1])
    page.write_text(renewed(page.read_text(encoding="utf-8")), encoding="utf-8")
