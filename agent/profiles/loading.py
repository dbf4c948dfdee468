"""From directories of profiles to a Library; what has faults is left out and said."""

import logging
import os
from dataclasses import dataclass, field
from pathlib import Path

from agent.profiles.library import Library
from agent.profiles.reading import Document, Head, examine, head_of, quick_head
from agent.profiles.relations import Relations
from agent.settings.faults import Fault, Place, SettingsError, Severity
from collectors.snmp.gear.model import Profile

log = logging.getLogger("sonda.profiles")

SHIPPED = Path(__file__).resolve().parents[2] / "config" / "profiles"
OWN = Path("/etc/sonda/profiles")
NAMED_BY = "SONDA_PROFILES"
"""The environment variable that names another directory instead of OWN."""


def own_directory() -> Path:
    """Where users write their own: what NAMED_BY names, else OWN. One of a shipped one's name takes its place."""
    return Path(os.environ.get(NAMED_BY) or OWN)


def load_library(*directories: Path) -> Library:
    """The profiles of these directories (default: the shipped ones and the user's own); of two of a name the later
    one counts. What has faults is left out, and the log says why.

    Shipped files, which the tests have read whole, are read here only as far as recognising a device needs.
    """
    library = examine_library(*directories or (SHIPPED, own_directory()), thorough=False)
    for fault in library.faults:
        left_out = "a profile is left out: " if fault.severity is Severity.FAULT else ""
        log.warning("%s%s", left_out, fault)
    library.profile(None)
    return library


def examine_library(*directories: Path, thorough: bool = True) -> Library:
    """As load_library, with the shipped files read whole, and no word in the log: ``Library.faults`` says all."""
    shelf = _Shelf()
    for directory in directories:
        for file in _files(directory, shelf.faults):
            shelf.put(file, thorough=thorough or directory != SHIPPED)
    shelf.relate()
    return Library(shelf.heads, shelf.faults)


@dataclass(frozen=True, slots=True)
class Checked:
    """The user's own profiles: where they lie, their files, and what is wrong with them."""

    directory: Path
    files: tuple[Path, ...]
    faults: tuple[Fault, ...]
    warnings: tuple[Fault, ...]


def check_own() -> Checked:
    """The user's own profiles, beside the shipped ones."""
    own = own_directory()
    files = _files(own, [])
    found = examine_library(SHIPPED, own, thorough=False)
    faults = tuple(fault for fault in found.faults if fault.severity is Severity.FAULT)
    warnings = tuple(fault for fault in found.faults if fault.severity is Severity.WARNING)
    return Checked(own, tuple(files), faults, warnings)


def load_profile(file: Path, library: Library) -> Profile:
    """The profile of that file, with what it inherits from the library. Raises SettingsError."""
    document = examine(file)
    if document.model is None:
        raise SettingsError(document.faults)
    heads = {**library.heads, file.stem: head_of(file, document.model)}
    relations = Relations(heads, {file.stem: document}, ())
    if serious := [fault for fault in relations.faults(document) if fault.severity is Severity.FAULT]:
        raise SettingsError(serious)
    return Library(heads).build(file.stem)


def _files(directory: Path, faults: list[Fault]) -> list[Path]:
    """The profiles in a directory, in the order of their names; none where it is not there."""
    try:
        return sorted(file for file in directory.iterdir() if file.suffix == ".toml" and file.name[0] != ".")
    except FileNotFoundError:
        if str(directory) == os.environ.get(NAMED_BY):
            said = f"there is no such directory, and {NAMED_BY} names it"
            faults.append(Fault("", said, place=Place(directory), severity=Severity.WARNING))
        return []
    except OSError as error:
        faults.append(Fault("", f"cannot be read: {error.strerror or error}", place=Place(directory)))
        return []


@dataclass(slots=True)
class _Shelf:
    """What was found so far."""

    heads: dict[str, Head] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    documents: dict[str, Document] = field(default_factory=dict)
    """Of those that were read whole."""
    replaced: dict[str, Head] = field(default_factory=dict)
    """The one of the same name before."""
    left_out: set[str] = field(default_factory=set)

    def put(self, file: Path, *, thorough: bool) -> None:
        head = None if thorough else quick_head(file)
        if head is None:
            document = examine(file)
            self.faults += document.faults
            if document.model is None:
                self.left_out.add(file.stem)
                return
            head = head_of(file, document.model)
            self.documents[head.name] = document
        if head.name in self.heads:
            self.replaced[head.name] = self.heads[head.name]
        self.heads[head.name] = head

    def relate(self) -> None:
        """Leaves out those that do not fit the others, which may make others not fit; then says the warnings."""
        while wrong := self._unrelated():
            for name in wrong:
                del self.documents[name], self.heads[name]
                self.left_out.add(name)
                if name in self.replaced:
                    self.heads[name] = self.replaced[name]
        relations = self._relations()
        for document in self.documents.values():
            self.faults += relations.faults(document)

    def _unrelated(self) -> list[str]:
        relations, wrong = self._relations(), []
        for name, document in self.documents.items():
            serious = [fault for fault in relations.faults(document) if fault.severity is Severity.FAULT]
            self.faults += serious
            if serious:
                wrong.append(name)
        return wrong

    def _relations(self) -> Relations:
        return Relations(self.heads, self.documents, self.left_out)
