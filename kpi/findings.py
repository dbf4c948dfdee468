"""Which figures are not as they should be, and what the first screen says of each. By the rules that the catalogue has
for every KPI (kpi/entry.py:OnPage); a figure without a value says nothing, whatever status comes with it (rule R10).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite

from kpi.catalogue import entry_of, scope_in
from kpi.entry import Better, Kpi, OnPage, Part, Scope, Words, scope_of
from kpi.model import Role, State, Status
from kpi.seen import MAY_SLEEP, Read, Seen, Tone, parts_of, plain_name
from kpi.status import level

SOMEBODY = Words("a device", "un dispositivo")
SCOPES: Mapping[Scope | None, Words] = {
    Scope.WAN: Words("Internet", "Internet"),
    Scope.LAN: Words("the network", "la rete"),
    None: SOMEBODY,
}
"""What a figure of the site is of where no device stands out."""
_SEVERITY = {Status.WARN: 1, Status.BAD: 2}


@dataclass(frozen=True, slots=True)
class Finding:
    """A figure that is not as it should be. ``parts`` are the tiles that show it; ``device`` and ``port`` are "" where
    it is the site's."""

    kpi: str
    tone: Tone
    says: Words
    rank: int
    parts: frozenset[Part]
    word: Words | None = None
    device: str = ""
    port: str = ""


def findings(devices: Iterable[Seen], figures: Iterable[Read]) -> tuple[Finding, ...]:
    """The worst first. Of the site's figure and that of the device which makes it so, one is left."""
    seen = {d.id: d for d in devices}
    figures = _without_sleepers(list(figures), seen)
    worst: dict[tuple[str, str, str], Read] = {}
    for read in figures:
        device = read.device or read.worst
        if not _speaks(read, seen.get(device)):
            continue
        key = (read.kpi.partition("@")[0] if read.device else read.kpi, device if device in seen else "", read.port)
        before = worst.get(key)
        if before is None or (_SEVERITY[read.status], bool(read.device)) >= (
            _SEVERITY[before.status],
            bool(before.device),
        ):
            worst[key] = read
    named = {kpi for kpi, device, _ in worst if device}
    found = [
        _finding(read, seen.get(device), port)
        for (kpi, device, port), read in worst.items()
        if device or kpi not in named
    ]
    order = {device: place for place, device in enumerate(seen)}
    found.sort(key=lambda f: (f.tone is not Tone.PROBLEM, f.rank, not f.kpi.endswith("@wan"), order.get(f.device, -1)))
    return tuple(found)


def _without_sleepers(figures: Sequence[Read], seen: Mapping[str, Seen]) -> list[Read]:
    """A figure of this side of the router whose worst device may sleep is nobody's in particular where that of another
    device is not good either: something that is worse makes a site no better."""
    awake = {
        (read.kpi, scope_of(device.role))
        for read in figures
        if (device := seen.get(read.device)) is not None and _counts(read, device)
    }
    found = []
    for read in figures:
        device = seen.get(read.worst)
        sleeps = not read.device and device is not None and device.role in MAY_SLEEP
        others = (read.kpi.partition("@")[0], scope_in(read.kpi)) in awake
        found.append(replace(read, worst="") if sleeps and others else read)
    return found


def _counts(read: Read, device: Seen) -> bool:
    """Whether it is a device's own figure that is not good, of one that nobody switches off."""
    bad = read.value is not None and read.status in _SEVERITY and not read.port
    return bad and device.state is State.UP and device.role not in MAY_SLEEP


def _speaks(read: Read, device: Seen | None) -> bool:
    rule = entry_of(read.kpi).page
    if not isinstance(rule, OnPage) or read.value is None or read.status not in _SEVERITY:
        return False
    if read.device:
        least = rule.device_from
        if device is None or least is None or _SEVERITY[read.status] < _SEVERITY[least]:
            return False
    if device is None:
        return True
    awake = rule.endpoints or device.role not in MAY_SLEEP
    outside = device.role is Role.INTERNET and read.device != ""  # one address outside is no fault of the site's
    return awake and not outside and device.state is State.UP  # else its figures are older than its state


def _finding(read: Read, device: Seen | None, port: str) -> Finding:
    entry = entry_of(read.kpi)
    rule = entry.page
    assert isinstance(rule, OnPage)
    number, now = _present(read, entry)
    scope = scope_in(read.kpi)
    if scope is not None:  # it is of all on this side of the router, whoever is worst
        device = None
    problem = rule.problem is not None and now is Status.BAD
    says = rule.says
    if problem and rule.problem is not None:
        says = rule.problem
    elif rule.now is not None and number is not None and now in _SEVERITY:
        says = rule.now
    name = plain_name(device.name) if device is not None else ""
    who = Words(name, name) if device is not None else SCOPES[scope]
    n = str(round(number)) if number is not None else ""
    return Finding(
        kpi=read.kpi,
        tone=Tone.PROBLEM if problem else Tone.ATTENTION,
        says=Words(
            _filled(says.en, who.en, f" at {name}" if name else "", n, port),
            _filled(says.it, who.it, f" presso {name}" if name else "", n, port),
        ),
        rank=rule.rank,
        parts=_parts(rule, device, scope),
        word=rule.word if not problem else None,
        device=device.id if device is not None else "",
        port=port,
    )


def _filled(text: str, who: str, at: str, n: str, port: str) -> str:
    """A name that begins the sentence keeps its first letter as it is."""
    filled = text.format(who=who, at=at, n=n, port=plain_name(port))
    return filled if at and text.startswith("{who}") else filled[:1].upper() + filled[1:]


def _present(read: Read, entry: Kpi) -> tuple[float | None, Status]:
    """The value that thresholds are read on, as it is now, and which side of them it is on: the status may be that of
    an hour or a day that is over."""
    value = read.value if entry.status_on == "value" else read.parts.get(entry.status_on)
    if not set(entry.bad_flags).isdisjoint(read.flags):
        return (value if value is not None and isfinite(value) else None), Status.BAD
    threshold = entry.threshold(scope_in(read.kpi) or Scope.LAN)
    if value is None or not isfinite(value) or threshold is None:
        return None, Status.NONE
    return value, level(threshold, entry.better or Better.LOW, value)


def _parts(rule: OnPage, device: Seen | None, scope: Scope | None) -> frozenset[Part]:
    if rule.no_tile:
        return frozenset()
    if rule.tile is not None:
        return frozenset({rule.tile})
    if device is not None:
        return parts_of(device)
    return frozenset({Part.INTERNET if scope is Scope.WAN else Part.NETWORK})


def first_of(found: Sequence[Finding], part: Part) -> Finding | None:
    """The worst that shows in this tile."""
    return next((f for f in found if part in f.parts), None)
