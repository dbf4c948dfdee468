"""Fixed radio links: how far each is below what is usual for it, the median of its last 14 days (kpi/README.md)."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import median, median_grouped
from typing import Any

from kpi.gear import Kind
from kpi.gear_counts import HUNDREDTHS
from kpi.stored import number, sequence, signed, table, whole
from kpi.wireless import ByKind, is_signal

DAY_S = 86_400.0
DAYS = 14
FEWEST_DAYS = 3
"""Days that must be known before anything is called usual."""
READINGS_A_DAY = 86_400
LINKS_MOST = 64
"""Links of one device that are followed; what has more is an access point in all but name."""


@dataclass(slots=True)
class _Link:
    since: float
    """When the present day of 24 hours began."""
    today: dict[int, int] = field(default_factory=dict)
    """Readings by whole -dBm."""
    days: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=DAYS))
    """When each day ended, and its median in -dBm."""


class Links:
    """The fixed links of one device by the instance of their reading."""

    __slots__ = ("_links",)

    def __init__(self) -> None:
        self._links: dict[str, _Link] = {}

    def take(self, at: float, kinds: ByKind) -> dict[str, int]:
        """How far each link is below its usual signal, in hundredths of a dB, where that is known. Negative: above."""
        falls = {}
        for reading in kinds.get(Kind.RSSI, ()):
            if not is_signal(reading.value):
                continue
            link = self._links.get(reading.instance)
            if link is None:
                if len(self._links) >= LINKS_MOST and not self._forget(at):
                    continue
                link = self._links[reading.instance] = _Link(at)
            usual = _usual(link, at)
            if usual is not None:
                falls[reading.instance] = round((-reading.value - usual) * HUNDREDTHS)
            heard = round(-reading.value)
            link.today[heard] = link.today.get(heard, 0) + 1
        return falls

    def _forget(self, at: float) -> bool:
        """Links of which nothing usual is known any more make room for others; says whether there is any."""
        self._links = {name: link for name, link in self._links.items() if at - link.since < DAYS * DAY_S}
        return len(self._links) < LINKS_MOST

    def __bool__(self) -> bool:
        return bool(self._links)

    def moved(self, by_s: float) -> "Links":
        """The same on another clock, ``by_s`` seconds ahead."""
        links = Links()
        links._links = {
            name: _Link(
                link.since + by_s, dict(link.today), deque(((at + by_s, dbm) for at, dbm in link.days), maxlen=DAYS)
            )
            for name, link in self._links.items()
        }
        return links

    def to_plain(self) -> dict[str, Any]:
        """Compact JSON types; about 150 octets a link after two weeks."""
        return {name: [round(link.since), _today(link), [[round(at), dbm] for at, dbm in link.days]]
                for name, link in self._links.items()}  # fmt: skip

    @staticmethod
    def from_plain(plain: Any) -> "Links":
        """The reverse of to_plain. ValueError for everything else (kpi/stored.py)."""
        links = Links()
        for name, link in table(plain).items():
            since, today, days = sequence(link, 3, 3)
            counts = [whole(n, 0, READINGS_A_DAY) for n in sequence(today)[1:]]
            heard = {signed(today[0]) + i: n for i, n in enumerate(counts) if n} if today else {}
            ended = [sequence(day, 2, 2) for day in sequence(days, 0, DAYS)]
            medians = deque(((number(at), number(dbm)) for at, dbm in ended), maxlen=DAYS)
            links._links[name] = _Link(number(since), heard, medians)
        return links


def _usual(link: _Link, at: float) -> float | None:
    """The median of the days before this one, in -dBm; None where too few are known."""
    if at >= link.since + DAY_S:
        ended = link.since + DAY_S
        if link.today:
            link.days.append((ended, round(median_grouped(_readings(link.today)), 1)))
        link.today = {}
        link.since = ended + (at - ended) // DAY_S * DAY_S
    days = [dbm for ended, dbm in link.days if ended > at - DAYS * DAY_S]
    return median(days) if len(days) >= FEWEST_DAYS else None


def _readings(today: Mapping[int, int]) -> list[int]:
    return [dbm for dbm, n in today.items() for _ in range(n)]


def _today(link: _Link) -> list[int]:
    if not link.today:
        return []
    first, last = min(link.today), max(link.today)
    return [first, *(link.today.get(dbm, 0) for dbm in range(first, last + 1))]
