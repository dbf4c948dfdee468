"""From directories of profiles to a Library; what has faults is left out and said."""

from dataclasses import dataclass, field
from pathlib import Path

from agent.profiles.library import Library
from agent.profiles.reading import Document, Head, examine, head_of, quick_head
from agent.profiles.relations import Relations
from agent.settings.faults import Fault, Place, SettingsError, Severity
from collectors.snmp.gear.model import Profile

SHIPPED = Path(__file__).resolve().parents[2] / "config" / "profiles"
OWN = Path("/etc/sonda/profiles")
"""Where users write their own; one of a shipped one's name takes its place."""


def load_library(*directories: Path, thorough: bool = False) -> Library:
    """The profiles of these directories (default: the shipped ones and the user's own); of two of a name the later
    one counts. Files with faults are left out and stand in ``Library.faults``, with warnings.

    Shipped files, which the tests have read, are read only as far as recognising a device needs, unless ``thorough``.
    """
    shelf = _Shelf()
    for directory in directories or (SHIPPED, OWN):
        try:
            files = sorted(file for file in directory.iterdir() if file.suffix == ".toml" and file.name[0] != ".")
        except FileNotFoundError:
            continue
        except OSError as error:
            shelf.faults.append(Fault("", f"cannot be read: {error.strerror or error}", place=Place(directory)))
            continue
        for file in files:
            shelf.put(file, thorough=thorough or directory != SHIPPED)
    shelf.relate()
    return Library(shelf.heads, shelf.faults)


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
