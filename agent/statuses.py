"""What statuses came out of past windows: the readings that a next one is judged beside, and the ones that stand.

A status is read on the window that the catalogue names for its figure (an hour, a day, 30 days), and stands until the
next such window; one of events is read anew at the end of each hour, and of each five minutes in which something
happened, on the 24 hours before. A window that has none withdraws the one that stood (rule R10). All of it is kept in
the store, in the commit of the window that made it, so that a restart says nothing twice and forgets nothing.

4,800 ports are normal and most of them say the same, so that equal memories are one object.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from kpi.catalogue import entry_of
from kpi.entry import DAY_S, FIVE_MINUTES_S, HOUR_S, Kpi, Rule
from kpi.model import Figure, Status, Window
from kpi.status import NO_STATUS_BELOW, Happened, Reading, fewest, read_on, remembered, status_of_day
from kpi.stored import (
    flag,
    number,
    optional_number,
    sequence,
    signed,
    table,
    text,
    versioned,
    whole,
)
from kpi.summary import COVERAGE, History, happened_in, reading_of

BEFORE = 2
"""Windows before the present one that a status looks at (kpi/README.md R10)."""
PLAIN_VERSION = 1

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Crossing:
    """A figure's status has changed. ``entity`` is a device, "device/port" or one of kpi.entities."""

    entity: str
    kpi: str
    was: str
    status: str
    value: float | None
    window_s: int


@dataclass(frozen=True, slots=True)
class Standing:
    """The status of one figure. NONE: the one that stood is withdrawn."""

    status: Status
    since_utc: int
    """The end of the window that made it so."""
    said: Status
    """What the central servers were told last; good, where they were never told anything."""


@dataclass(frozen=True, slots=True)
class TroubledPort:
    """A port's figure whose status in force is not good. ``reading``: the last that was judged; None where it is not
    remembered."""

    device: str
    port: str
    kpi: str
    status: Status
    reading: Reading | None


TROUBLED = frozenset({Status.WARN, Status.BAD})


@dataclass(frozen=True, slots=True)
class _Past:
    """The windows of one length that were judged, of one port."""

    start_utc: int = 0
    """Of the last of them."""
    readings: History = field(default_factory=dict)


_NO_PAST = _Past()
_Days = Mapping[str, tuple[Happened, ...]]
"""By figure, what happened in the last 24 hours."""


class Statuses:
    """Of devices, of their ports, and of the site; ``port`` is "" for what is no port."""

    def __init__(self) -> None:
        self._before: dict[tuple[str, int], dict[str, _Past]] = {}
        """By device and length of the window, then by port."""
        self._days: dict[str, dict[str, _Days]] = {}
        """By device and port."""
        self._standing: dict[str, dict[str, Mapping[str, Standing]]] = {}
        """By device, port and figure."""
        self._crossings: list[Crossing] = []
        self._changed: set[tuple[str, bool]] = set()
        """What is to be written: devices, and whether their ports."""
        self._alike: dict[Any, Any] = {}

    def history(self, device: str, port: str, window: Window) -> History:
        """The windows of this length before this one that say enough, by figure."""
        past = self._past(device, port, window.length_s)
        if past.start_utc != window.start_utc:
            return past.readings
        standing = self._standing.get(device, {}).get(port, {})
        return {kpi: _without_last(readings, standing.get(kpi)) for kpi, readings in past.readings.items()}

    def _past(self, device: str, port: str, length_s: int) -> _Past:
        return self._before.get((device, length_s), {}).get(port, _NO_PAST)

    def judged(self, device: str, port: str, window: Window, figures: Sequence[Figure]) -> tuple[Figure, ...]:
        """Remember what this window said; a figure that has no status of its own shows the one in force. The last
        window once more (its statuses were kept and it was not) changes nothing."""
        past = self._past(device, port, window.length_s)
        if past.start_utc == window.start_utc and window.length_s != FIVE_MINUTES_S:
            return self.in_force(device, port, figures)
        turn = _Turn(
            window,
            dict(self._standing.get(device, {}).get(port, {})),
            dict(past.readings),
            dict(self._days.get(device, {}).get(port, {})),
        )
        for figure in figures:
            turn.take(figure)
        turn.withdraw({figure.kpi for figure in figures})
        entity = f"{device}/{port}" if port else device
        self._crossings += [replace(crossing, entity=entity) for crossing in turn.crossings]
        self._keep(device, self._one(port), turn)
        return self.in_force(device, port, figures)

    def corrected(self, device: str, port: str, window: Window, figures: Sequence[Figure]) -> tuple[Figure, ...]:
        """A window that was judged before is told anew (planned work that was entered late): what happened in it counts
        as it is said now, and where it is the last of its length, the statuses that it made are those it makes now. Of
        an earlier one the statuses have passed."""
        standing, days = dict(self._standing.get(device, {}).get(port, {})), self._days.get(device, {}).get(port, {})
        past = self._past(device, port, window.length_s)
        is_last = past.start_utc == window.start_utc
        turn = _Turn(window, standing, dict(past.readings) if is_last else {}, dict(days))
        for figure in figures:
            turn.correct(figure, is_last=is_last)
        entity = f"{device}/{port}" if port else device
        self._crossings += [replace(crossing, entity=entity) for crossing in turn.crossings]
        if turn.is_news:
            self._keep(device, self._one(port), turn)
        return self.in_force(device, port, figures)

    def _keep(self, device: str, port: str, turn: "_Turn") -> None:
        length_s = turn.window.length_s
        if turn.before:
            ports = self._before.setdefault((device, length_s), {})
            readings = self._one_mapping({kpi: self._one(tuple(some)) for kpi, some in turn.before.items()})
            turn.is_news |= length_s != FIVE_MINUTES_S or ports.get(port, _NO_PAST).readings != readings
            key = ("past", turn.window.start_utc, id(readings))
            ports[port] = self._alike.setdefault(key, _Past(turn.window.start_utc, readings))
        if turn.days:
            days = {kpi: self._one(some) for kpi, some in turn.days.items()}
            self._days.setdefault(device, {})[port] = self._one_mapping(days)
        if turn.standing:
            ports_standing = self._standing.setdefault(device, {})
            turn.is_news |= ports_standing.get(port) != turn.standing
            ports_standing[port] = self._one_mapping(turn.standing)
        if turn.is_news:
            self._changed.add((device, port != ""))

    def in_force(self, device: str, port: str, figures: Sequence[Figure]) -> tuple[Figure, ...]:
        """The figures with the statuses that stand now. A status belongs to a value: where there is none, or less than
        half of the window is known, the figure shows none; nor does it show "good" of fewer measurements than a status
        takes. What was not good before them stays until as many say better."""
        known = self._standing.get(device, {}).get(port, {})
        return tuple(_shown(figure, known.get(figure.kpi)) for figure in figures)

    def standing(self, device: str, port: str, kpi: str) -> Standing | None:
        """The status of one figure, and since when; None where it was never judged."""
        return self._standing.get(device, {}).get(port, {}).get(kpi)

    def troubled_ports(self) -> Iterator[TroubledPort]:
        """Of all devices. 4,800 ports that are well are looked at once for all that are alike."""
        well: set[int] = set()
        for device, ports in self._standing.items():
            for port, standing in ports.items():
                if not port or id(standing) in well:
                    continue
                troubled = {kpi: one.status for kpi, one in standing.items() if one.status in TROUBLED}
                if not troubled:
                    well.add(id(standing))
                for kpi, status in troubled.items():
                    yield TroubledPort(device, port, kpi, status, self._last_reading(device, port, kpi))

    def _last_reading(self, device: str, port: str, kpi: str) -> Reading | None:
        entry = entry_of(kpi)
        if entry.rule is Rule.EVENTS:
            happened = self._days.get(device, {}).get(port, {}).get(kpi, ())
            return Reading(sum(one.weight for one in happened)) if happened else None
        before = self._past(device, port, entry.status_window_s or 0).readings.get(kpi, ())
        return before[-1] if before else None

    def crossings(self) -> list[Crossing]:
        """The changes of status since this was asked last. What was never judged counts as good before; a status that
        is withdrawn is said where it was not good."""
        crossings, self._crossings = self._crossings, []
        return crossings

    def changed(self) -> list[tuple[str, bool, dict[str, Any]]]:
        """What is to be written since this was asked last: the device, whether it is of its ports, and the whole of
        it."""
        changed, self._changed = self._changed, set()
        return [(device, of_ports, self._to_plain(device, of_ports=of_ports)) for device, of_ports in sorted(changed)]

    def _to_plain(self, device: str, *, of_ports: bool) -> dict[str, Any]:
        """JSON types; ports that are alike stand together."""
        standing, days = self._standing.get(device, {}), self._days.get(device, {})
        before = {length_s: ports for (name, length_s), ports in self._before.items() if name == device}
        known = {*standing, *days}.union(*before.values())
        alike: dict[tuple[int, ...], list[str]] = {}
        for port in sorted(port for port in known if (port != "") is of_ports):
            parts = (standing.get(port), days.get(port), *[ports.get(port) for ports in before.values()])
            alike.setdefault(tuple(map(id, parts)), []).append(port)
        groups = []
        for ports in alike.values():
            first = ports[0]
            stand = {kpi: [s.status, s.since_utc, s.said] for kpi, s in standing.get(first, {}).items()}
            past = {str(length_s): _past_to_plain(of[first]) for length_s, of in before.items() if first in of}
            day = {kpi: [_happened_to_plain(one) for one in some] for kpi, some in days.get(first, {}).items()}
            groups.append([ports, stand, past, day])
        return {"v": PLAIN_VERSION, "alike": groups}

    def resume(self, device: str, plain: Any) -> None:
        """As ``resuming``, at once."""
        for _ in self.resuming(device, plain):
            pass

    def resuming(self, device: str, plain: Any) -> Iterator[None]:
        """The reverse of ``changed``, port by port: go on from what the run before has stored. ValueError for what
        cannot be read (kpi/stored.py); then nothing is taken over."""
        groups = []
        try:
            for group in sequence(table(versioned(plain, PLAIN_VERSION, "statuses")).get("alike")):
                groups.append(_Group.from_plain(group))
                yield
        except ValueError as error:
            raise ValueError(f"statuses that cannot be read: {error}") from error
        for group in groups:
            for port in group.ports:
                if group.standing:
                    self._standing.setdefault(device, {})[port] = group.standing
                if group.days:
                    self._days.setdefault(device, {})[port] = group.days
                for length_s, past in group.before.items():
                    self._before.setdefault((device, length_s), {})[port] = past
                yield

    def forget(self, device: str) -> None:
        """It is watched no more."""
        self._standing.pop(device, None)
        self._days.pop(device, None)
        self._before = {key: ports for key, ports in self._before.items() if key[0] != device}

    def ports_of(self, device: str) -> Collection[str]:
        """The ports of which anything is remembered."""
        held = [ports for (name, _), ports in self._before.items() if name == device]
        return {*self._standing.get(device, {}), *self._days.get(device, {})}.union(*held)

    def keep_ports(self, device: str, ports: Collection[str]) -> None:
        """Of this device's, forget the others: virtual interfaces come and go by the day."""
        wanted = {*ports, ""}
        held: list[dict[str, Any]] = [of for key, of in self._before.items() if key[0] == device]
        for of_port in (*held, self._standing.get(device, {}), self._days.get(device, {})):
            for port in of_port.keys() - wanted:
                del of_port[port]

    def window_ended(self) -> None:
        """All of a window is judged. What the next one says is alike among itself again."""
        self._alike.clear()

    def _one(self, found: T) -> T:
        """Of what is equal, one and the same."""
        same: T = self._alike.setdefault(found, found)
        return same

    def _one_mapping(self, found: Mapping[str, T]) -> Mapping[str, T]:
        """As ``_one``; what it gives must not be changed."""
        same: Mapping[str, T] = self._alike.setdefault(tuple(found.items()), found)
        return same


class _Turn:
    """One window of one port while it is judged."""

    def __init__(
        self,
        window: Window,
        standing: dict[str, Standing],
        before: dict[str, Sequence[Reading]],
        days: dict[str, tuple[Happened, ...]],
    ) -> None:
        self.window, self.standing, self.before, self.days = window, standing, before, days
        self.crossings: list[Crossing] = []
        self.is_news = False

    def take(self, figure: Figure) -> None:
        entry = entry_of(figure.kpi)
        if not entry.thresholds:
            return
        if entry.rule is Rule.EVENTS:
            if self.window.length_s in {FIVE_MINUTES_S, HOUR_S}:
                self._take_events(figure)
        elif read_on(entry, self.window.length_s):
            self._stand(figure.kpi, figure.status, figure.value)
            if figure.status is not Status.NONE:
                reading = remembered(entry, reading_of(figure))
                self.before[figure.kpi] = (*self.before.get(figure.kpi, ()), reading)[-BEFORE:]

    def _take_events(self, figure: Figure) -> None:
        now = happened_in(figure, self.window)
        at = self.window.end_utc
        kept = [
            one
            for one in self.days.get(figure.kpi, ())
            if at - DAY_S < one.end_utc and one.start_utc < at and not (now.start_utc <= one.start_utc < now.end_utc)
        ]
        self.days[figure.kpi] = happened = tuple(sorted((*kept, now), key=_start))
        status, value = status_of_day(entry_of(figure.kpi), happened, at)
        self._stand(figure.kpi, status, value)
        self.is_news |= now.length_s == HOUR_S or now.weight != 0 or now.least != 0

    def correct(self, figure: Figure, *, is_last: bool) -> None:
        entry = entry_of(figure.kpi)
        if is_last and entry.thresholds and entry.rule is not Rule.EVENTS and read_on(entry, self.window.length_s):
            self._correct_last(entry, figure)
        happened = self.days.get(figure.kpi, ())
        now = happened_in(figure, self.window)
        anew = tuple(now if (one.start_utc, one.length_s) == (now.start_utc, now.length_s) else one for one in happened)
        if anew != happened:
            self.days[figure.kpi] = anew
            status, value = status_of_day(entry_of(figure.kpi), anew, max(one.end_utc for one in anew))
            self._stand(figure.kpi, status, value)
            self.is_news = True

    def _correct_last(self, entry: Kpi, figure: Figure) -> None:
        known, was = self.before.get(figure.kpi, ()), self.standing.get(figure.kpi)
        reading = [remembered(entry, reading_of(figure))] if figure.status is not Status.NONE else []
        before = [*_without_last(known, was), *reading]
        self._stand(figure.kpi, figure.status, figure.value)
        if before != list(known) or self.standing.get(figure.kpi) != was:
            self.before[figure.kpi] = before
            self.is_news = True

    def withdraw(self, told: Collection[str]) -> None:
        """A figure that is no longer there has no status either."""
        for kpi in self.standing.keys() - told:
            entry, length_s = entry_of(kpi), self.window.length_s
            if length_s == HOUR_S if entry.rule is Rule.EVENTS else read_on(entry, length_s):
                self._stand(kpi, Status.NONE, None)

    def _stand(self, kpi: str, status: Status, value: float | None) -> None:
        was = self.standing.get(kpi)
        if was is None and status is Status.NONE:
            return
        said = was.said if was is not None else Status.GOOD
        if status is not said and (status in TROUBLED or said in TROUBLED):
            self.crossings.append(Crossing("", kpi, said.value, status.value, value, self.window.length_s))
            said = status
        same = was is not None and was.status is status
        since = was.since_utc if was is not None and same else self.window.end_utc
        self.standing[kpi] = Standing(status, since, said)


@dataclass(frozen=True, slots=True)
class _Group:
    """Ports that are alike, as they were stored."""

    ports: Sequence[str]
    standing: Mapping[str, Standing]
    before: Mapping[int, _Past]
    days: _Days

    @staticmethod
    def from_plain(plain: Any) -> "_Group":
        """Of figures that the catalogue has no more, nothing is taken over. ValueError for what cannot be read."""
        ports, standing, before, days = sequence(plain, 4, 4)
        lengths = {length_s: int(length_s) for length_s in table(before) if length_s.isdecimal()}
        return _Group(
            [text(port) for port in sequence(ports)],
            {kpi: _standing_from_plain(one) for kpi, one in _known(standing)},
            {lengths[length_s]: _past_from_plain(past) for length_s, past in before.items() if length_s in lengths},
            {kpi: tuple(_happened_from_plain(one) for one in sequence(some)) for kpi, some in _known(days)},
        )


def _without_last(readings: Sequence[Reading], standing: Standing | None) -> Sequence[Reading]:
    """Without what the last window said, which is remembered where it made a status."""
    return readings[:-1] if standing is not None and standing.status is not Status.NONE else readings


def _known(of: Any) -> Iterator[tuple[str, Any]]:
    for kpi, value in table(of).items():
        try:
            entry_of(kpi)
        except KeyError:
            continue
        yield kpi, value


def _past_to_plain(past: _Past) -> list[Any]:
    readings = {kpi: [[r.value, r.n, r.status, int(r.alarmed)] for r in some] for kpi, some in past.readings.items()}
    return [past.start_utc, readings]


def _standing_from_plain(plain: Any) -> Standing:
    status, since_utc, said = sequence(plain, 3, 3)
    return Standing(Status(text(status)), signed(since_utc), Status(text(said)))


def _past_from_plain(plain: Any) -> _Past:
    start_utc, readings = sequence(plain, 2, 2)
    past = {kpi: tuple(_reading_from_plain(one) for one in sequence(some)) for kpi, some in _known(readings)}
    return _Past(signed(start_utc), past)


def _reading_from_plain(plain: Any) -> Reading:
    value, n, status, alarmed = sequence(plain, 4, 4)
    return Reading(optional_number(value), whole(n), Status(text(status)), flag(alarmed))


def _happened_to_plain(one: Happened) -> list[Any]:
    coverage = round(one.coverage, 3) if one.coverage is not None else None
    return [one.start_utc, one.length_s, one.weight, one.least, coverage]


def _happened_from_plain(plain: Any) -> Happened:
    start_utc, length_s, weight, least, coverage = sequence(plain, 5, 5)
    known = optional_number(coverage)
    if known is not None and not 0 <= known <= 1:
        raise ValueError("a coverage is a share of 1")
    return Happened(signed(start_utc), whole(length_s), number(weight), number(least), known)


def _start(one: Happened) -> int:
    return one.start_utc


def _shown(figure: Figure, standing: Standing | None) -> Figure:
    status = standing.status if standing is not None else figure.status
    little = figure.coverage is not None and figure.coverage < NO_STATUS_BELOW and figure.kpi != COVERAGE
    few = status is Status.GOOD and figure.n < fewest(entry_of(figure.kpi))
    if figure.value is None or little or few:
        status = Status.NONE
    return figure if status is figure.status else replace(figure, status=status)
