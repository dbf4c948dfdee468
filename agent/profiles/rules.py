"""What the parts of a profile must be to each other, and what must be there."""

from collections.abc import Iterator
from dataclasses import dataclass

from agent.profiles.schema import ProfileModel
from agent.settings.lines import Key


@dataclass(frozen=True, slots=True)
class Broken:
    """A rule that does not hold: at this key, with this message (after the key's name) and suggestion."""

    key: Key
    message: str
    hint: str = ""
    other: Key | None = None
    """What it clashes with, whose place is said."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What is valid by itself of a profile, and the keys that are not."""

    model: ProfileModel | None
    faulty: frozenset[Key] = frozenset()


def broken(draft: Draft) -> Iterator[Broken]:
    """Every rule that does not hold."""
    if draft.model is None:
        return
    for position, table in enumerate(draft.model.table):
        for name in ("name", "entry"):
            if getattr(table, name) is None:
                yield Broken(("table", position, name), "is missing")
