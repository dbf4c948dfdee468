"""What profiles must be to each other: who extends whom, and which tables are there to do without."""

import difflib
from collections.abc import Collection, Iterator, Mapping

from agent.profiles.broken import Broken
from agent.profiles.reading import Document, Head, examine
from agent.profiles.wording import rule_fault
from agent.settings.faults import Fault, Severity


class Relations:
    """All profiles as they are now. ``left_out`` are names of files that have faults."""

    def __init__(self, heads: Mapping[str, Head], documents: Mapping[str, Document], left_out: Collection[str]) -> None:
        self._heads, self._documents, self._left_out = heads, dict(documents), left_out

    def faults(self, document: Document) -> tuple[Fault, ...]:
        """What is wrong between this profile and the others. A word in ``without`` that names nothing is a warning."""
        name = document.file.stem
        found = [rule_fault(rule, document.tree) for rule in (*self._parents(name), *self._tables(name))]
        if not found:
            found = [rule_fault(rule, document.tree, Severity.WARNING) for rule in self._without(name)]
        return tuple(found)

    def _parents(self, name: str) -> Iterator[Broken]:
        for position, parent in enumerate(self._heads[name].extends):
            key = ("extends", position)
            if parent in self._left_out and parent not in self._heads:
                yield Broken(key, f'the profile "{parent}" has faults of its own')
            elif parent not in self._heads:
                near = difflib.get_close_matches(parent, self._heads, n=1)
                hint = f'Did you mean "{near[0]}"?' if near else ""
                yield Broken(key, f'there is no profile named "{parent}"', hint)
            elif way := self._way(parent, name):
                shown = " -> ".join(f'"{one}"' for one in (name, *way))
                yield Broken(key, f"profiles extend each other in a circle: {shown}")

    def _way(self, start: str, goal: str) -> tuple[str, ...]:
        """From one profile up to another, both included; () where there is no way."""
        ways: list[tuple[str, ...]] = [(start,)]
        seen = {start}
        while ways:
            way = ways.pop()
            if way[-1] == goal:
                return way
            for parent in self._above(way[-1]):
                if parent not in seen:
                    seen.add(parent)
                    ways.append((*way, parent))
        return ()

    def _above(self, name: str) -> tuple[str, ...]:
        return self._heads[name].extends if name in self._heads else ()

    def _tables(self, name: str) -> Iterator[Broken]:
        """Two profiles that every device has cannot have a table of one name: which is meant would be chance."""
        if not self._heads[name].always:
            return
        others = {
            table: other
            for other, head in self._heads.items()
            if head.always and other != name and not self._way(name, other)
            for table in self._own_tables(other)
        }
        for table, position in self._own_tables(name).items():
            if table in others:
                yield Broken(("table", position, "name"), f'the profile "{others[table]}" has a table of that name')

    def _without(self, name: str) -> Iterator[Broken]:
        """Of the profile itself what it inherits, and the standard tables."""
        known = {
            table
            for other, head in self._heads.items()
            if other != name and (head.always or self._way(name, other))
            for table in self._own_tables(other)
        }
        for position, word in enumerate(self._heads[name].without):
            if word not in known:
                near = difflib.get_close_matches(word, known, n=1)
                hint = f'Did you mean "{near[0]}"?' if near else ""
                yield Broken(("without", position), f'no inherited or standard table is named "{word}"', hint)

    def _own_tables(self, name: str) -> dict[str, int]:
        """The names of its own tables with their positions."""
        if name not in self._documents:
            self._documents[name] = examine(self._heads[name].file)
        model = self._documents[name].model
        return {table.name: at for at, table in enumerate(model.table) if table.name} if model else {}
