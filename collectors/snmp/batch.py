"""GETs of known instances in batches: as large as the agent bears, and with one bad instance found by halving.

A batch holds whole groups (one port's columns), and sysUpTime in front of them, so that a port's readings and the time
they were taken at travel in one PDU (kpi/README.md R6).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from collectors.snmp import ber
from collectors.snmp.ber import Value
from collectors.snmp.contact import SYS_UPTIME, Contact, DeadlineReached
from collectors.snmp.errors import DecodeError, SnmpError, Timeout, TooBig
from collectors.snmp.message import TOO_BIG, Reply, Request, prepare, status_name

FIRST_LIMIT = 48
"""Varbinds of a first GET: about 1,000 octets of answer."""
REPLY_OCTETS = 1452
"""An answer of this size still fits one Ethernet frame, by IPv6 too (1500 - 40 - 8); fragments are what firewalls and
small agents lose."""
LIMIT_MAX = 250
WATCHED_LEAST = 8
"""An agent that bears fewer varbinds is not asked for sysUpTime with the others."""
POISON_FIRST_S = 3600.0
POISON_MAX_S = 86_400.0
"""A bad instance is left out for an hour, and twice as long each time it is bad again, up to a day."""
POISONS_MOST = 16_384
"""Instances of a device that are left out at a time: of every third port of the most there are, all counters."""

OUT_OF_TIME = "deadline"


@dataclass(slots=True)
class Size:
    """How many varbinds a GET to this device may have; grows and shrinks by what its answers show."""

    limit: int = FIRST_LIMIT
    ceiling: int = LIMIT_MAX
    """What the agent itself called too big is never asked again."""
    octets_each: float = 0.0
    """Octets of answer a varbind takes, the most that was seen lately."""
    clean: int = 0
    """Answers since the last trouble."""

    def answered(self, varbinds: int, octets: int) -> None:
        """A full answer came: room for more, or already more than a frame. After silence it is tried again slowly."""
        self.clean += 1
        if varbinds < max(8, self.limit // 2):
            return  # what every message has would weigh too much
        self.octets_each = max(octets / varbinds, self.octets_each * 0.999)
        fits = max(8, int(REPLY_OCTETS / self.octets_each))
        room = fits > self.limit * 1.1 and (self.clean >= 10 or self.limit >= FIRST_LIMIT)
        if room or (octets > REPLY_OCTETS and fits < self.limit):
            self.limit = max(1, min(fits, self.limit * 2, self.ceiling))

    def too_big(self, varbinds: int) -> None:
        """The agent refused that many."""
        self.clean = 0
        self.ceiling = self.limit = max(1, min(self.ceiling, varbinds // 2))

    def silent(self, varbinds: int) -> None:
        """That many got no answer, though the agent answers: perhaps the size, perhaps the wire."""
        self.clean = 0
        self.limit = max(8, min(self.limit, varbinds // 2))

    def resume(self, other: "Size") -> None:
        """Be as ``other`` is."""
        self.limit, self.ceiling = other.limit, other.ceiling
        self.octets_each, self.clean = other.octets_each, other.clean


@dataclass(frozen=True, slots=True)
class Poison:
    """An instance that spoils an answer it is in."""

    reason: str
    until: float
    """Asked again from then on, in seconds of the monotonic clock."""
    held_s: float


@dataclass(slots=True)
class Poisons:
    """The instances of a device that are left out, with the reason."""

    by_oid: dict[bytes, Poison] = field(default_factory=dict)
    changes: int = 0
    """How often the list changed."""

    def add(self, name: bytes, reason: str, now: float) -> None:
        before = self.by_oid.get(name)
        held_s = POISON_FIRST_S if before is None else min(POISON_MAX_S, before.held_s * 2)
        self.by_oid[name] = Poison(reason, now + held_s, held_s)
        if len(self.by_oid) > POISONS_MOST:  # an agent that numbers its ports anew, again and again
            del self.by_oid[next(iter(self.by_oid))]
        self.changes += 1

    def clear(self) -> None:
        """A restarted agent may have mended its ways."""
        self.by_oid.clear()
        self.changes += 1

    def holds(self, name: bytes, now: float) -> bool:
        found = self.by_oid.get(name)
        return found is not None and now < found.until


@dataclass(frozen=True, slots=True)
class Group:
    """Instances that travel together."""

    key: int
    """The ifIndex."""
    oids: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Batch:
    """A prepared GET: sysUpTime where ``lead`` is 1, then the groups; group i begins at ``starts[i]``."""

    request: Request
    groups: tuple[Group, ...]
    starts: tuple[int, ...]
    lead: int


class Packing:
    """Puts groups into as few GETs of at most ``limit`` varbinds as their order allows; a larger group stands alone.
    Little by little, for encoding what a device of 2,000 ports is asked takes 100 ms."""

    def __init__(self, version: str, limit: int, *, with_uptime: bool) -> None:
        self._version = version
        self._lead = 1 if with_uptime else 0
        self._limit = limit - self._lead
        self._held: list[Group] = []
        self._room = self._limit

    def add(self, groups: Iterable[Group]) -> Iterator[Batch]:
        """The GETs that are full now; take them all before the next call."""
        for group in groups:
            if group.oids and self._held and len(group.oids) > self._room:
                yield from self.rest()
            if group.oids:
                self._held.append(group)
                self._room -= len(group.oids)

    def rest(self) -> Iterator[Batch]:
        """What is left over."""
        if self._held:
            held, self._held, self._room = self._held, [], self._limit
            yield _batch(self._version, held, self._lead)


def batches(version: str, groups: Iterable[Group], limit: int, *, with_uptime: bool) -> tuple[Batch, ...]:
    """The GETs that ``groups`` take, all at once."""
    packing = Packing(version, limit, with_uptime=with_uptime)
    return (*packing.add(groups), *packing.rest())


def _batch(version: str, groups: Sequence[Group], lead: int) -> Batch:
    starts, at = [], lead
    for group in groups:
        starts.append(at)
        at += len(group.oids)
    oids = [SYS_UPTIME] * lead + [name for group in groups for name in group.oids]
    return Batch(prepare(version, oids), tuple(groups), tuple(starts), lead)


@dataclass(slots=True)
class Answer:
    """What came of a batch: ``values`` and ``tags`` in the order of its request, MISSING where nothing came."""

    at: float
    """When it was asked, in seconds of the monotonic clock."""
    values: list[Value]
    tags: bytes | bytearray
    when: dict[int, tuple[float, Value]] = field(default_factory=dict)
    """Where the batch had to be asked in pieces: (at, sysUpTime) by position of a group's first varbind."""
    missing: dict[int, str] = field(default_factory=dict)
    """Positions that could not be had, with the reason."""


def spans(batch: Batch, answer: Answer) -> Iterator[tuple[Group, int, float, int | None]]:
    """Each group of an answer, where it begins, and when it was asked by our clock and by theirs (sysUpTime)."""
    uptime = answer.values[0] if batch.lead else None
    ticks = uptime if isinstance(uptime, int) else None
    for group, start in zip(batch.groups, batch.starts, strict=True):
        at = answer.at
        if answer.when:
            at, own = answer.when.get(start, (at, ticks))
            ticks = own if isinstance(own, int) else None
        yield group, start, at, ticks


@dataclass(slots=True)
class Asker:
    """Asks one device for batches and learns what it bears."""

    contact: Contact
    size: Size
    poisons: Poisons

    def packing(self) -> Packing:
        """Makes GETs as large as the device bears now. Where it is watched sysUpTime is in each, beside as many others
        as would be asked without it."""
        watched = self.contact.watch is not None and self.size.ceiling >= WATCHED_LEAST
        limit = min(self.size.limit + watched, self.size.ceiling)
        return Packing(self.contact.version, limit, with_uptime=watched)

    async def ask(self, batch: Batch) -> Answer:
        """The answer, in pieces where it must be. Raises Timeout and its kin where the agent fell silent, any other
        SnmpError that has nothing to do with what was asked, and DeadlineReached with nothing had."""
        asked = len(batch.request.oids)
        at = self.contact.clock.monotonic()
        whole = list(range(batch.lead, asked))
        trouble: Reply | str = "too_big"
        if asked <= self.size.ceiling or len(whole) == 1:
            trouble = await self._get(batch.request, asked, None)
            if isinstance(trouble, Reply) and not trouble.error_status:
                self.size.answered(asked, trouble.octets)
                return Answer(at, trouble.values, trouble.tags)
        answer = Answer(at, [None] * asked, bytearray(asked))
        await self._pieces(answer, batch, self._rest(answer, batch, whole, trouble))
        return answer

    async def ask_whole(self, batch: Batch) -> Answer:
        """As ``ask``; where time runs out among the pieces, DeadlineReached is raised all the same."""
        answer = await self.ask(batch)
        if OUT_OF_TIME in answer.missing.values():
            raise DeadlineReached
        return answer

    async def _pieces(self, answer: Answer, batch: Batch, queue: list[list[int]]) -> None:
        """Ask for positions of a batch piece by piece. Time running out keeps what was had."""
        names = batch.request.oids
        while queue:
            piece = queue.pop(0)
            asked_at = self.contact.clock.monotonic()
            try:
                reply = await self._get(
                    [*names[: batch.lead], *(names[p] for p in piece)], len(piece), 0 if len(piece) > 1 else None
                )
            except (DeadlineReached, SnmpError) as error:
                gone = OUT_OF_TIME if isinstance(error, DeadlineReached) else error.reason
                answer.missing |= dict.fromkeys((p for left in (piece, *queue) for p in left), gone)
                return
            if isinstance(reply, Reply) and not reply.error_status:
                _fill(answer, batch, piece, reply, asked_at=asked_at)
            else:
                queue[:0] = self._rest(answer, batch, piece, reply)

    async def _get(self, request: Request | Sequence[bytes], asked: int, retries: int | None) -> Reply | str:
        """A reply, or the reason why asking for less may help."""
        try:
            return await self.contact.get(request, retries=retries)
        except TooBig as error:
            self.size.too_big(asked)
            self._odd(error.reason)
            return error.reason
        except DecodeError as error:
            self._odd(error.reason)
            return error.reason
        except Timeout as error:
            if not await self.contact.alive():
                raise
            self.size.silent(asked)
            self._odd("unanswered")
            return error.reason

    def _rest(self, answer: Answer, batch: Batch, piece: list[int], trouble: Reply | str) -> list[list[int]]:
        """What to ask after ``piece`` failed: the rest of it where the error names its culprit, which becomes poison;
        else its halves, between two groups where it can be; nothing where the piece was a single instance."""
        reason = trouble if isinstance(trouble, str) else status_name(trouble.error_status)
        if isinstance(trouble, Reply):
            if reason != "no_such_name":
                self._odd(reason)
            if trouble.error_status == TOO_BIG:
                self.size.too_big(len(piece) + batch.lead)
            elif 1 <= trouble.error_index <= batch.lead:
                answer.missing |= dict.fromkeys(piece, reason)
                return []
            elif batch.lead < trouble.error_index <= batch.lead + len(piece):
                culprit = piece.pop(trouble.error_index - 1 - batch.lead)
                self._poison(answer, batch, culprit, reason)
                return [piece] if piece else []
        if len(piece) == 1:
            self._poison(answer, batch, piece[0], reason)
            return []
        middle = len(piece) // 2
        borders = [at for at, position in enumerate(piece) if at and position in batch.starts]
        if borders:
            middle = min(borders, key=lambda at: abs(at - middle))
        return [piece[:middle], piece[middle:]]

    def _poison(self, answer: Answer, batch: Batch, position: int, reason: str) -> None:
        self.poisons.add(batch.request.oids[position], reason, self.contact.clock.monotonic())
        if reason != "no_such_name":  # RFC 1157 has no other way to say that an instance is not there
            self._odd("poisoned")
        answer.missing[position] = reason

    def _odd(self, name: str) -> None:
        self.contact.tally.odd[name] += 1


def _fill(answer: Answer, batch: Batch, piece: Sequence[int], reply: Reply, *, asked_at: float) -> None:
    assert isinstance(answer.tags, bytearray)
    uptime = reply.values[0] if batch.lead else None
    if batch.lead and answer.tags[0] == ber.MISSING:
        answer.values[0], answer.tags[0] = uptime, reply.tags[0]
    for at, position in enumerate(piece, batch.lead):
        answer.values[position], answer.tags[position] = reply.values[at], reply.tags[at]
        if position in batch.starts:
            answer.when[position] = (asked_at, uptime)
