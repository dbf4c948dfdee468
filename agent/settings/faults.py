"""What is wrong in a configuration, said so that a technician can mend it: file, line, found, expected, suggestion.

No fault ever holds the value of a secret: wording.py leaves those out before a Fault is made.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Severity(StrEnum):
    FAULT = "fault"
    """The settings cannot be used."""
    WARNING = "warning"
    """They can be used, and somebody should know."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a setting stands. ``line`` counts from 1; None is the file as a whole."""

    file: Path
    line: int | None = None

    def __str__(self) -> str:
        file = str(self.file).encode("utf-8", "backslashreplace").decode()  # a name of a file may be no UTF-8
        return file if self.line is None else f"{file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong. ``setting`` names it as it is written ("[mqtt] host"), "" for a whole file."""

    setting: str
    message: str
    hint: str = ""
    place: Place | None = None
    severity: Severity = Severity.FAULT
    overrides: Place | None = None
    """The place of the value that this one replaced, where it stands in a later file."""

    def __str__(self) -> str:
        where = f"{self.place}: " if self.place else ""
        kind = "warning: " if self.severity is Severity.WARNING else ""
        verb = self.message.startswith(("is ", "takes "))
        what = f"{self.setting}{' ' if verb else ': '}" if self.setting else ""
        over = f" (it overrides {self.overrides})" if self.overrides else ""
        hint = f" {self.hint}" if self.hint else ""
        return f"{where}{kind}{what}{self.message}{over}.{hint}"


@dataclass(frozen=True, slots=True)
class Override:
    """A value in a later file that replaced one in an earlier file."""

    setting: str
    place: Place
    replaced: Place


class SettingsError(Exception):
    """The configuration cannot be used. ``faults`` holds every reason, in the order of files and lines."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))


def in_order(faults: Iterable[Fault], files: Sequence[Path]) -> tuple[Fault, ...]:
    """Sorted by file as they were read, then by line; what has no place comes first."""
    rank = {file: number for number, file in enumerate(files, start=1)}

    def key(fault: Fault) -> tuple[int, int]:
        if fault.place is None:
            return (0, 0)
        return (rank.get(fault.place.file, len(rank) + 1), fault.place.line or 0)

    return tuple(sorted(faults, key=key))
