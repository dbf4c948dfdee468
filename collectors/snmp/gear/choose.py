"""Which profile a device is of, and who it is."""

from collections.abc import Iterable, Mapping, Sequence

from collectors.snmp import ber, oid
from collectors.snmp.batch import Asker, Group, batches
from collectors.snmp.ber import VarBind
from collectors.snmp.gear.library import Library
from collectors.snmp.gear.model import Match, Profile, Source, System
from collectors.snmp.gear.patterns import seen
from collectors.snmp.gear.placed import placed
from collectors.snmp.gear.sources import within
from collectors.snmp.gear.values import Row, formed, shaped, text_of
from collectors.snmp.interfaces import Column, is_present
from collectors.snmp.message import NO_SUCH_NAME
from collectors.snmp.walk import Walk, row_of
from kpi.gear import Inventory

ENTRIES_AT_ONCE = 4
"""Profiles looked at before the loop gets its turn: below 2 ms, though their patterns may be slow in a bad sysDescr."""
SWEPT = 20
"""OIDs of one question for what lies below them."""


async def choose(asker: Asker, library: Library, known: Mapping[System, str]) -> str | None:
    """The name of the profile that fits best; None where only the standard MIBs are to be had. Raises as Asker.ask."""
    ranked: list[tuple[tuple[int, int, int, str], Match]] = []
    for at, entry in enumerate(library.entries()):
        if at % ENTRIES_AT_ONCE == 0:
            await asker.contact.clock.sleep(0)
        for match in entry.matches:
            arcs = fit(match, known)
            if arcs is not None:
                own = placed(match, known.get(System.OBJECT_ID, ""))
                ranked.append(((arcs, _conditions(match), entry.priority, entry.name), own))
    ranked.sort(key=lambda item: (item[0][0], item[0][1], item[0][2], item[0][3]), reverse=True)
    there = await present(asker, [match.present for _, match in ranked if match.present is not None])
    for (_, _, _, name), match in ranked:
        if match.present is not None and match.present not in there:
            continue
        if match.value is None or (await Asked(asker, known).first((match.value,))) is not None:
            return name
    return None


def fit(match: Match, known: Mapping[System, str]) -> int | None:
    """The arcs of the longest sysObjectID of the match that the device's begins with, 0 where it names none; None
    where it does not fit."""
    descr = known.get(System.DESCR, "")
    if match.descr is not None and not match.descr.search(seen(match.descr, descr, whole=True)):
        return None
    if match.not_descr is not None and match.not_descr.search(seen(match.not_descr, descr, whole=True)):
        return None
    if not match.object_ids:
        return 0
    own = known.get(System.OBJECT_ID, "") + "."
    fitting = [one.count(".") + 1 for one in match.object_ids if own.startswith(one.strip(".") + ".")]
    return max(fitting, default=None)


def _conditions(match: Match) -> int:
    return sum(what is not None for what in (match.descr, match.not_descr, match.present, match.value))


async def present(asker: Asker, roots: Iterable[str]) -> set[str]:
    """Those of ``roots`` at or below which the agent has something. Raises as Asker.ask."""
    prefixes = {root: oid.parse(root) for root in roots}
    found: set[str] = set()
    todo = list(prefixes)
    while todo:
        some, todo = todo[:SWEPT], todo[SWEPT:]
        while some:
            reply = await asker.contact.following([_before(prefixes[root]) for root in some], 1)
            if reply.error_status == NO_SUCH_NAME and 1 <= reply.error_index <= len(some):
                some.pop(reply.error_index - 1)  # v1: nothing comes after that one
                continue
            if not reply.error_status:
                found |= {
                    root
                    for root, bind in zip(some, reply.varbinds, strict=False)
                    if is_present(bind) and bind.oid.startswith(prefixes[root])
                }
            elif len(some) > 1:
                middle = len(some) // 2
                todo[:0] = [*some[middle:]]
                some = some[:middle]
                continue
            break
    return found


def _before(name: bytes) -> bytes:
    """An OID right before ``name``, so that GETNEXT finds ``name`` itself too."""
    arcs = oid.arcs(name)
    return oid.from_arcs((*arcs[:-1], arcs[-1] - 1, oid.ARC_MAX)) if arcs[-1] else oid.from_arcs(arcs[:-1])


class Asked:
    """Identity sources answered: instances by GET, all at once; columns walked when one is needed."""

    def __init__(self, asker: Asker, known: Mapping[System, str]) -> None:
        self._asker = asker
        self._known = known
        self._binds: dict[str, VarBind | None] = {}

    async def fetch(self, sources: Iterable[Source]) -> None:
        """Ask for every instance the sources name. Raises as Asker.ask."""
        names = {
            source.oid: oid.parse(source.oid)
            for source in within(sources)
            if source.oid is not None and source.oid not in self._binds
        }
        self._binds |= dict.fromkeys(names)
        dotted = {encoded: name for name, encoded in names.items()}
        groups = [Group(0, (encoded,)) for encoded in dotted]
        for batch in batches(self._asker.contact.version, groups, self._asker.size.limit, with_uptime=False):
            answer = await self._asker.ask_whole(batch)
            for name, tag, value in zip(batch.request.oids, answer.tags, answer.values, strict=True):
                if tag != ber.MISSING and is_present(VarBind(name, tag, value)):
                    self._binds[dotted[name]] = VarBind(name, tag, value)

    async def first(self, sources: Sequence[Source]) -> str | None:
        """What the first source that says anything says. Raises as Asker.ask."""
        await self.fetch(sources)
        for source in sources:
            said = await self._text(source)
            if said is not None:
                return said
        return None

    async def _text(self, source: Source) -> str | None:
        if source.join:
            parts = [await self._text(part) for part in source.join]
            if None in parts:
                return None
            words = tuple(Source(text=part) for part in parts)
            row = Row(b"", (), {}, {}, self._known)
            return text_of(Source(join=words, template=source.template, map=source.map), row)
        if source.first is not None:
            return await self._first_row(source)
        if source.oid is not None:
            bind = self._binds.get(source.oid)
            return None if bind is None else shaped(source, formed(bind, source.form))
        return text_of(source, Row(b"", (), {}, {}, self._known))

    async def _first_row(self, source: Source) -> str | None:
        assert source.first is not None
        walk = Walk((Column("", oid.parse(source.first)),), row_of)
        await walk.run(self._asker.contact)
        said = (shaped(source, formed(row[""], source.form)) for row in walk.rows.values() if "" in row)
        return next((text for text in said if text is not None), None)


async def inventory(asker: Asker, profile: Profile, known: Mapping[System, str]) -> Inventory:
    """Who the device is, by its profile. Raises as Asker.ask."""
    spec = profile.identity
    asked = Asked(asker, known)
    await asked.fetch((*spec.vendor, *spec.model, *spec.firmware, *spec.serial))
    return Inventory(
        profile=profile.name,
        vendor=await asked.first(spec.vendor),
        model=await asked.first(spec.model),
        firmware=await asked.first(spec.firmware),
        serial=await asked.first(spec.serial),
    )
