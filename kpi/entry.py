"""What the catalogue says of one KPI. The entries themselves: kpi/entries_*.py."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from kpi.model import NullReason, Role, Status

FIVE_MINUTES_S = 300
HOUR_S = 3600
DAY_S = 86_400
THIRTY_DAYS_S = 30 * DAY_S


@dataclass(frozen=True, slots=True)
class Words:
    """One text in the two languages of the page; both written, neither translated word by word."""

    en: str
    it: str


class Better(StrEnum):
    """Which way a figure is better."""

    LOW = "low"
    HIGH = "high"


class Scope(StrEnum):
    """What a threshold is for."""

    ANY = "any"
    LAN = "lan"
    WAN = "wan"


class Rule(StrEnum):
    """How a status is reached (kpi/README.md R10)."""

    RATIO = "ratio"
    """Worse when the Wilson 95 % bound is beyond the threshold, better after two windows within it."""
    TWO_OF_THREE = "two_of_three"
    """What two of the last three windows say."""
    EVENTS = "events"
    """What was counted in the last 24 hours decides at once, both ways."""
    SAFETY = "safety"
    """Worse at once, better after two windows."""


class Mark(StrEnum):
    """What stands behind a threshold."""

    VERIFIED = "V"
    """Read in the MIB, recording, source or page itself."""
    KNOWN = "K"
    """Known value of a standard whose text was not open to us."""
    DEFAULT = "D"
    """Product default, no standard behind it."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """Good up to ``good``, attention up to ``warn``, beyond it bad; the other way round where high is better. Both
    limits belong to the better side, or with ``strict`` to the worse one."""

    good: float
    warn: float
    mark: Mark
    scope: Scope = Scope.ANY
    strict: bool = False


class Part(StrEnum):
    """The few parts of a site that a person thinks in: the tiles of the first screen, in their order."""

    INTERNET = "internet"
    WIFI = "wifi"
    NETWORK = "network"
    SERVERS = "servers"
    POWER = "power"


@dataclass(frozen=True, slots=True)
class OnPage:
    """What the first screen does with a figure whose status is not good (kpi/findings.py)."""

    says: Words
    """The sentence. ``{who}`` is the device, or what the figure is of ("Internet", "The network"); ``{at}`` is
    " at NAME", "" where no device stands out; ``{port}`` the port."""
    rank: int
    """Of several figures the one with the lowest rank speaks."""
    tile: Part | None = None
    """Where it shows; None: in the tile of the device whose figure it is."""
    no_tile: str = ""
    """Why it shows in no tile."""
    now: Words | None = None
    """Said in place of ``says`` where the present value itself is beyond its limit; ``{n}`` is that value."""
    problem: Words | None = None
    """Said in place of ``says`` where the present value is bad: that is a problem, and not only worth attention. None:
    it is never more than worth attention."""
    word: Words | None = None
    """The tile's word, where "Attention" can be put better."""
    device_from: Status | None = Status.WARN
    """From which status on the figure of one device speaks; None: the site's figure alone does."""
    endpoints: bool = True
    """Whether the figure of something that people switch off (a printer, a camera) speaks as well."""


@dataclass(frozen=True, slots=True)
class NotOnPage:
    """The first screen says nothing of the figure, whatever it is."""

    because: str


@dataclass(frozen=True, slots=True)
class Kpi:
    """One row of the catalogue."""

    id: str
    title: Words
    unit: str
    """``ms``, ``%``, ``bit/s``; ``1`` is a count."""
    formula: str
    says: Words
    """What it means, for whoever has never heard of it."""
    do: Words
    """What to do when it is not good."""
    merge: str
    source: str
    page: OnPage | NotOnPage
    """What the sentence and the tiles make of it."""
    better: Better | None = None
    """None where there is no good or bad in it."""
    thresholds: tuple[Threshold, ...] = ()
    rule: Rule = Rule.TWO_OF_THREE
    status_on: str = "value"
    """The value, or the companion that thresholds are read on."""
    status_window_s: int | None = None
    """The window that status is read on (kpi/README.md R3); 30 days also stands for a calendar month."""
    min_n: int = 0
    """Fewer measurements than this give no status."""
    parts: tuple[str, ...] = ()
    """Companions a figure may carry, unit in the name."""
    nulls: Mapping[NullReason, Words] = field(default_factory=dict)
    """Why there may be no figure."""
    bad_flags: tuple[str, ...] = ()
    """Flags of a figure that make it bad whatever the value: the device itself says that something is wrong."""

    def threshold(self, scope: Scope) -> Threshold | None:
        """The one for this scope, else the one for any."""
        by_scope = {threshold.scope: threshold for threshold in self.thresholds}
        return by_scope.get(scope) or by_scope.get(Scope.ANY)


def scope_of(role: Role) -> Scope:
    """Internet targets are measured over the line, everything else on the site's own network."""
    return Scope.WAN if role is Role.INTERNET else Scope.LAN


SITE_WEIGHTS: Mapping[Role, int] = {
    Role.GATEWAY: 5, Role.ROUTER: 5, Role.SWITCH: 5, Role.CONTROLLER: 5, Role.ACCESS_POINT: 2, Role.SERVER: 2,
    Role.UPS: 2, Role.PRINTER: 1, Role.CAMERA: 1, Role.ENDPOINT: 1, Role.INTERNET: 0,
}  # fmt: skip
"""What a device weighs in figures of the site (kpi/README.md health_score: core 5, access 2, endpoint 1) [D]."""

NO_DATA = Words("Nothing was measured in this period.", "In questo periodo non è stato misurato nulla.")
NO_SNMP = Words(
    "The device did not answer when it was asked for its figures (SNMP).",
    "Il dispositivo non ha risposto alla richiesta dei suoi dati (SNMP).",
)
AUTH = Words(
    "The device refused the SNMP credentials. Check user name and secrets in the configuration.",
    "Il dispositivo ha rifiutato le credenziali SNMP. Controllare nome utente e segreti nella configurazione.",
)
