"""How English and Italian write numbers, units, times and durations. Both write 24-hour clocks; a figure and its unit
are held together by a no-break space (SI brochure 5.4.3)."""

from dataclasses import dataclass
from datetime import datetime
from math import floor
from zoneinfo import ZoneInfo

from agent.page.words import MONTHS, TEXT
from kpi.entry import Words

LANGUAGES = ("en", "it")
NB = "\u00a0"
MINUTE, HOUR, DAY = 60, 3600, 86_400
DASH = "–"


@dataclass(frozen=True, slots=True)
class Say:
    """One language at one site."""

    language: str
    zone: ZoneInfo

    def __call__(self, key: str, **fields: object) -> str:
        """The text of that key (agent/page/words.py), filled in."""
        text = self.of(TEXT[key])
        return text.format(**fields) if fields else text

    def of(self, words: Words) -> str:
        """The words in this language."""
        return words.it if self.language == "it" else words.en

    def number(self, value: float, digits: int = 0) -> str:
        """With its decimal and thousands separators, and a minus that is as wide as a plus."""
        text = f"{value:,.{digits}f}".replace("-", "−")
        return text.translate(str.maketrans(",.", ".,")) if self.language == "it" else text

    def ms(self, value: float | None) -> str:
        """Milliseconds with two or three figures that matter."""
        if value is None:
            return DASH
        if value == 0:
            return f"0{NB}ms"
        return f"{self.number(value, 0 if value >= 9.95 else 1 if value >= 0.995 else 2)}{NB}ms"

    def scale(self, value: float) -> str:
        """Milliseconds on an axis: no decimals that say nothing."""
        digits = next(n for n in (0, 1, 2, 3) if n == 3 or abs(value - round(value, n)) < 1e-9)
        return f"{self.number(value, digits)}{NB}ms"

    def pct(self, value: float | None) -> str:
        """Percent; what is not quite 100 or not quite 0 does not become it by rounding."""
        if value is None:
            return DASH
        if value in {0, 100}:
            return f"{value:.0f}{NB}%"
        if value > 99:
            floored = (
                min(floor(value * 1e4 + 1e-6) / 1e4, 99.9999) if value >= 99.99 else floor(value * 100 + 1e-9) / 100
            )
            digits = next((n for n in (2, 3) if abs(floored - round(floored, n)) < 1e-9), 4)
            return f"{self.number(floored, 1 if floored == 99 else digits)}{NB}%"
        return f"{self.number(max(value, 0.01), 2 if value < 0.995 else 1)}{NB}%"

    def share(self, part_s: float, whole_s: float, *, least: float = HOUR) -> str:
        """One time as a share of another; none of less than ``least`` seconds: "100 %" is not said of minutes."""
        return self.pct(min(100.0, 100 * part_s / whole_s)) if whole_s > 0 and whole_s >= least else DASH

    def bps(self, value: float | None) -> str:
        """A rate or a speed."""
        if value is None:
            return DASH
        for unit, size in (("Gbit/s", 1e9), ("Mbit/s", 1e6), ("kbit/s", 1e3)):
            if value >= size:
                scaled = value / size
                return f"{self.number(scaled, 0 if scaled >= 9.95 or scaled == int(scaled) else 1)}{NB}{unit}"
        return f"{self.number(value)}{NB}bit/s"

    def size(self, value: float | None) -> str:
        """Bytes, in decimal units as disks are sold."""
        if value is None:
            return DASH
        for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
            if value >= size:
                return f"{self.number(value / size, 1 if value < 9.95 * size else 0)}{NB}{unit}"
        return f"{self.number(value)}{NB}B"

    def lasting(self, seconds: float) -> str:
        """A duration in its two largest units: "14 min", "3 h 20 min", "2 d 4 h"."""
        whole = int(seconds)
        day = "g" if self.language == "it" else "d"
        if whole < MINUTE:
            return f"{whole}{NB}s"
        if whole < HOUR:
            return f"{whole // MINUTE}{NB}min"
        big, small, (one, two) = (HOUR, MINUTE, ("h", "min")) if whole < DAY else (DAY, HOUR, (day, "h"))
        first, rest = whole // big, whole % big // small
        return f"{first}{NB}{one}" + (f" {rest}{NB}{two}" if rest else "")

    def clock(self, utc: float, *, seconds: bool = False) -> str:
        """Time of day at the site."""
        return datetime.fromtimestamp(utc, self.zone).strftime("%H:%M:%S" if seconds else "%H:%M")

    def day(self, utc: float) -> str:
        """Day and month."""
        local = datetime.fromtimestamp(utc, self.zone)
        return f"{local.day}{NB}{self.of(MONTHS[local.month - 1])}"

    def moment(self, utc: float, now: float) -> str:
        """Time of day, with the day where it is not today's."""
        days = self._days_ago(utc, now)
        if days == 0:
            return self.clock(utc)
        if days == 1:
            return self("yesterday", clock=self.clock(utc))
        return f"{self.day(utc)}, {self.clock(utc)}"

    def since(self, utc: float, now: float) -> str:
        """ "since 10:42 (14 min)", "dalle 10:42 (14 min)". Below a minute without seconds, to stand still."""
        days = self._days_ago(utc, now)
        key = "since_today" if days == 0 else "since_yesterday" if days == 1 else "since_day"
        lasting = self.lasting(now - utc) if now - utc >= MINUTE else self("moments")
        return self(key, clock=self.clock(utc), day=self.day(utc), lasting=lasting)

    def _days_ago(self, utc: float, now: float) -> int:
        then, today = (datetime.fromtimestamp(t, self.zone).date() for t in (utc, now))
        return (today - then).days


def since_words(utc: float, now: float, zone: ZoneInfo) -> Words:
    """The phrase in both languages."""
    en, it = (Say(language, zone).since(utc, now) for language in LANGUAGES)
    return Words(en, it)
