"""OIDs of a profile that are written by the device's own sysObjectID.

Some makes keep the same groups below each product's number. "{sysObjectID:10}.1.1.9.1" is the first ten arcs of the
device's sysObjectID and then 1.1.9.1; "{sysObjectID}" is all of it.
"""

import dataclasses
import re
from collections.abc import Mapping
from typing import TypeVar

WRITTEN = re.compile(r"\{sysObjectID(?::([1-9][0-9]?))?\}((?:\.[0-9]{1,10})+)")
"""How such an OID is written: how many arcs count, and what follows."""
NOWHERE = "0.0.0"
"""Below zeroDotZero, where nothing is: what a sysObjectID that is too short names."""

T = TypeVar("T")


def placed(thing: T, object_id: str) -> T:
    """A profile, or a part of one, for the device with that sysObjectID ("" where it has none)."""
    return _placed(thing, object_id.strip("."))


def _placed(thing: T, object_id: str) -> T:
    made: object = thing
    if isinstance(thing, str):
        made = _digits(thing, object_id) if thing.startswith("{") else thing
    elif isinstance(thing, tuple):
        made = tuple(_placed(one, object_id) for one in thing)
    elif isinstance(thing, Mapping):
        made = {key: _placed(one, object_id) for key, one in thing.items()}
    elif dataclasses.is_dataclass(thing) and not isinstance(thing, type):
        fields = {one.name: getattr(thing, one.name) for one in dataclasses.fields(thing)}
        changed = {name: after for name, before in fields.items() if (after := _placed(before, object_id)) != before}
        made = dataclasses.replace(thing, **changed) if changed else thing
    return made  # type: ignore[return-value]  # of the type that came in


def _digits(written: str, object_id: str) -> str:
    found = WRITTEN.fullmatch(written)
    if found is None:
        return written
    arcs = object_id.split(".") if object_id else []
    wanted = int(found[1]) if found[1] else len(arcs)
    return ".".join(arcs[:wanted]) + found[2] if 0 < wanted <= len(arcs) else NOWHERE
