"""The one sentence in large type: is it all right; if not, what, since when, and what it touches. By rules, from
states, incidents and figures, in the two languages of the page; never a code.

The rules stand in the order of what a person would want to hear first. What a problem is comes before what is only
worth attention; figures speak by the rules that stand in the catalogue.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kpi.entry import Words
from kpi.findings import findings
from kpi.model import Role, State
from kpi.seen import MAY_SLEEP, Read, Seen, Tone, plain_name, values_unknown
from kpi.sentence_gear import power_failed

DEVICE_DOWN, OWN_LINK, OWN_FAULT = "device.down", "probe.link", "probe.fault"
"""Kinds of incidents that have a sentence of their own."""
MEASURED = "monitoring_coverage_pct"
STARTING = "starting"
"""The reason of a device that was not measured yet."""
_OTHER_PORT = "un'altra"
_INFRASTRUCTURE = frozenset({Role.ROUTER, Role.SWITCH, Role.CONTROLLER, Role.ACCESS_POINT})


@dataclass(frozen=True, slots=True)
class Trouble:
    """An open incident. ``since`` is the whole phrase: "since 10:42 (14 min)", "dalle 10:42 (14 min)"."""

    kind: str
    entity: str
    since: Words
    hides: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Flapping:
    """A port that goes on and off."""

    device: str
    port: str


@dataclass(frozen=True, slots=True)
class Known:
    """All that the sentence is made of. ``troubles`` begin with the oldest."""

    devices: Sequence[Seen]
    troubles: Sequence[Trouble] = ()
    figures: Sequence[Read] = ()
    flapping: Sequence[Flapping] = ()
    own_trouble: Words | None = None
    """What keeps the probe itself from its work, such as a disk that takes nothing, as a sentence."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """What is said, with the tone of the whole site."""

    tone: Tone
    says: Words


def sentence(known: Known) -> Sentence:
    """The sentence for what is known now: the first that is a problem, else the first that there is."""
    found = [said for said in (rule(known) for rule in _RULES) if said is not None]
    problem = next((said for said in found if said.tone is Tone.PROBLEM), None)
    return problem or next(iter(found), Sentence(Tone.GOOD, Words("Everything works.", "Funziona tutto.")))


def _nothing_yet(known: Known) -> Sentence | None:
    if not known.devices:
        return Sentence(
            Tone.NONE,
            Words("Nothing is watched yet: no device is set up.", "Non è ancora configurato nessun dispositivo."),
        )
    if all(d.state is State.UNKNOWN and d.reason == STARTING for d in known.devices):
        return Sentence(
            Tone.NONE,
            Words(
                "No information yet: measuring has just begun.",
                "Ancora nessun dato: le misurazioni sono appena iniziate.",
            ),
        )
    return None


def _own_link(known: Known) -> Sentence | None:
    trouble = _first(known, OWN_LINK)
    if trouble is None:
        return None
    return Sentence(
        Tone.PROBLEM,
        Words(
            f"The probe itself has had no network {trouble.since.en}: check its cable.",
            f"La sonda è senza rete {trouble.since.it}: controllare il suo cavo.",
        ),
    )


def _power_failed(known: Known) -> Sentence | None:
    """Before everything that is down: what has no battery of its own is down because of it."""
    found = power_failed(known.devices)
    if found is None:
        return None
    says, empty = found
    others = len(_down(known, lambda d: d.role is not Role.INTERNET))
    return Sentence(Tone.PROBLEM if empty or others else Tone.ATTENTION, _also(says, others))


def _own_fault(known: Known) -> Sentence | None:
    trouble = _first(known, OWN_FAULT)
    if trouble is None:
        return None
    return Sentence(
        Tone.NONE,
        Words(
            f"The probe has not been able to measure {_devices(trouble.hides).en} {trouble.since.en}.",
            f"La sonda non riesce a misurare {_devices(trouble.hides).it} {trouble.since.it}.",
        ),
    )


def _gateway_down(known: Known) -> Sentence | None:
    down = _down(known, lambda d: d.role is Role.GATEWAY)
    if not down:
        return None
    gateway, trouble = down[0]
    name = plain_name(gateway.name)
    inside = _behind(known, gateway, trouble)
    en = (
        f" Internet and {_devices(inside).en} behind it are affected." if inside else " Nothing outside can be reached."
    )
    it = f" Ne risentono Internet e {_devices(inside).it}." if inside else " Non si raggiunge nulla all'esterno."
    since = trouble.since if trouble else Words("now", "in questo momento")
    return Sentence(
        Tone.PROBLEM,
        Words(
            f"The internet router ({name}) has not been reachable {since.en}.{en}",
            f"Il router Internet ({name}) non è raggiungibile {since.it}.{it}",
        ),
    )


def _internet_down(known: Known) -> Sentence | None:
    outside = [d for d in known.devices if d.role is Role.INTERNET]
    if not outside or any(d.state is not State.DOWN for d in outside):
        return None
    since = _since(known, {d.id for d in outside})
    others = len(_down(known, lambda d: d.role is not Role.INTERNET))
    return Sentence(
        Tone.PROBLEM,
        _also(
            Words(
                f"Internet has been down{_then(since.en)}. Whatever needs it, such as card payments and calls, is "
                "affected.",
                f"Internet non funziona{_then(since.it)}. Ne risente tutto ciò che ne ha bisogno, come pagamenti con "
                "carta e telefonate.",
            ),
            others,
        ),
    )


def _devices_down(known: Known) -> Sentence | None:
    down = _down(known, lambda d: d.role is not Role.INTERNET)
    if not down:
        return None
    worst = [p for p in down if p[0].role in _INFRASTRUCTURE] or [p for p in down if p[0].role not in MAY_SLEEP] or down
    tone = Tone.ATTENTION if all(d.role in MAY_SLEEP for d, _ in down) else Tone.PROBLEM
    first = next((t for _, t in worst if t is not None), None)
    since = first.since if first else Words("", "")
    hidden = sorted({h for _, t in worst if t is not None for h in t.hides})
    names = [plain_name(d.name) for d, _ in worst]
    if len(names) == 1:
        en = f"{names[0]} has not been reachable{_then(since.en)}."
        it = f"{names[0]} non è raggiungibile{_then(since.it)}."
    elif len(names) == 2:
        en = f"{names[0]} and {names[1]} are not reachable{_the_first(since).en}."
        it = f"{names[0]} e {names[1]} non sono raggiungibili{_the_first(since).it}."
    else:
        en = f"{len(names)} devices are not reachable{_the_first(since).en}."
        it = f"{len(names)} dispositivi non sono raggiungibili{_the_first(since).it}."
    if hidden:
        en += f" {_devices(hidden).en} behind {'it' if len(names) == 1 else 'them'} cannot be seen."
        it += f" Non si sa nulla di {_devices(hidden).it} a valle."
    return Sentence(tone, _also(Words(en, it), len(down) - len(worst)))


def _flaps(known: Known) -> Sentence | None:
    if not known.flapping:
        return None
    port, more = known.flapping[0], len(known.flapping) - 1
    device, name = plain_name(port.device), plain_name(port.port)
    says = Words(
        f"Port {name} of {device} keeps going on and off: check its cable.",
        f"La porta {name} di {device} si scollega e si ricollega di continuo: controllare il cavo.",
    )
    if more:
        says = Words(
            f"{says.en} {more} more {'does' if more == 1 else 'do'} the same.",
            f"{says.it} Lo stesso vale per {_OTHER_PORT if more == 1 else f'altre {more}'}.",
        )
    return Sentence(Tone.ATTENTION, says)


def _figures(known: Known) -> Sentence | None:
    """The worst of the figures that are not as they should be (kpi/findings.py)."""
    found = [f for f in findings(known.devices, known.figures) if f.kpi != MEASURED]
    return Sentence(found[0].tone, found[0].says) if found else None


def _little_measured(known: Known) -> Sentence | None:
    """After whatever is not known now: that is said by its devices."""
    found = [f for f in findings(known.devices, known.figures) if f.kpi == MEASURED]
    return Sentence(found[0].tone, found[0].says) if found else None


def _one_outside_down(known: Known) -> Sentence | None:
    outside = [d for d in known.devices if d.role is Role.INTERNET]
    gone = sum(d.state is State.DOWN for d in outside)
    if not gone:
        return None
    return Sentence(
        Tone.ATTENTION,
        Words(
            f"Internet works, but {gone} of the {len(outside)} addresses it is tested with "
            f"{'does' if gone == 1 else 'do'} not answer.",
            f"Internet funziona, ma {gone} dei {len(outside)} indirizzi con cui viene provato non "
            f"{'risponde' if gone == 1 else 'rispondono'}.",
        ),
    )


def _not_known(known: Known) -> Sentence | None:
    unknown = [d.id for d in known.devices if d.state is State.UNKNOWN]
    if not unknown:
        return None
    planned = [d.id for d in known.devices if d.state is State.MAINTENANCE]
    n, of, who = len(unknown), len(known.devices), _named(known, unknown)
    if n == of:
        return Sentence(
            Tone.NONE,
            Words("There is no information about any device.", "Non ci sono informazioni su nessun dispositivo."),
        )
    if all(d.reason == STARTING for d in known.devices if d.state is State.UNKNOWN):
        has, is_ = ("has", "è ancora stato misurato") if n == 1 else ("have", "sono ancora stati misurati")
        return Sentence(
            Tone.NONE,
            Words(
                f"Measuring has just begun: {n} of {of} devices {has} not been measured yet.",
                f"Le misurazioni sono appena iniziate: {n} dispositivi su {of} non {is_}."
                if n > 1
                else f"Le misurazioni sono appena iniziate: 1 dispositivo su {of} non {is_}.",
            ),
        )
    if planned:
        return Sentence(
            Tone.NONE,
            Words(
                f"There is no information about {who.en}; planned work is going on with {_named(known, planned).en}.",
                f"Non ci sono informazioni su {who.it}; sono in corso lavori programmati su "
                f"{_named(known, planned).it}.",
            ),
        )
    if any(values_unknown(d) for d in known.devices):
        return Sentence(
            Tone.NONE,
            Words(
                f"There is no information about {who.en}, and not all is known of the others.",
                f"Non ci sono informazioni su {who.it}, e degli altri non si sa tutto.",
            ),
        )
    return Sentence(
        Tone.NONE,
        Words(
            f"There is no information about {who.en}; the others work.",
            f"Non ci sono informazioni su {who.it}; gli altri funzionano.",
        ),
    )


def _values_unknown(known: Known) -> Sentence | None:
    """What answers echoes alone is not said to work."""
    silent = [d.id for d in known.devices if values_unknown(d)]
    if not silent:
        return None
    planned = [d.id for d in known.devices if d.state is State.MAINTENANCE]
    who = _named(known, silent)
    if len(silent) == 1:
        says = Words(f"{who.en} answers, but its values are not known", f"{who.it} risponde, ma non dà i suoi valori")
    else:
        says = Words(f"{who.en} answer, but their values are not known", f"{who.it} rispondono, ma non danno i valori")
    rest = Words("", "")
    if planned:
        at = _named(known, planned)
        rest = Words(f"; planned work is going on with {at.en}", f"; sono in corso lavori programmati su {at.it}")
    elif len(silent) < len(known.devices):
        rest = Words("; everything else works", "; tutto il resto funziona")
    return Sentence(Tone.NONE, Words(f"{says.en}{rest.en}.", f"{says.it}{rest.it}."))


def _maintained(known: Known) -> Sentence | None:
    planned = [d.id for d in known.devices if d.state is State.MAINTENANCE]
    if not planned:
        return None
    who, alone = _named(known, planned), len(planned) == len(known.devices)
    return Sentence(
        Tone.MAINTENANCE,
        Words(
            f"Planned work is going on with {who.en}{'' if alone else '; everything else works'}.",
            f"Sono in corso lavori programmati su {who.it}{'' if alone else '; tutto il resto funziona'}.",
        ),
    )


def _own_trouble(known: Known) -> Sentence | None:
    """Last: the site works, and the probe does not keep what it measures."""
    if known.own_trouble is None:
        return None
    return Sentence(
        Tone.ATTENTION, Words(f"Everything works. {known.own_trouble.en}", f"Funziona tutto. {known.own_trouble.it}")
    )


_RULES: tuple[Callable[[Known], Sentence | None], ...] = (
    _nothing_yet,
    _own_link,
    _power_failed,
    _gateway_down,
    _internet_down,
    _devices_down,
    _own_fault,
    _flaps,
    _figures,
    _one_outside_down,
    _not_known,
    _values_unknown,
    _little_measured,
    _maintained,
    _own_trouble,
)


def _first(known: Known, kind: str) -> Trouble | None:
    return next((t for t in known.troubles if t.kind == kind), None)


def _down(known: Known, of: Callable[[Seen], bool]) -> list[tuple[Seen, Trouble | None]]:
    """Devices that are down, the one that is down longest first."""
    order = {t.entity: i for i, t in enumerate(known.troubles) if t.kind == DEVICE_DOWN}
    down = [d for d in known.devices if d.state is State.DOWN and of(d)]
    down.sort(key=lambda d: order.get(d.id, len(order)))
    return [(d, known.troubles[order[d.id]] if d.id in order else None) for d in down]


def _since(known: Known, entities: set[str]) -> Words:
    return next((t.since for t in known.troubles if t.entity in entities and t.kind == DEVICE_DOWN), Words("", ""))


def _behind(known: Known, gateway: Seen, trouble: Trouble | None) -> list[str]:
    outside = {d.id for d in known.devices if d.role is Role.INTERNET}
    return [d for d in (trouble.hides if trouble else ()) if d not in outside and d != gateway.id]


def _named(known: Known, ids: Sequence[str]) -> Words:
    """One device by its name, several by their number."""
    if len(ids) != 1:
        return _devices(ids)
    name = next(plain_name(d.name) for d in known.devices if d.id == ids[0])
    return Words(name, name)


def _devices(ids: Sequence[str]) -> Words:
    return (
        Words("1 device", "1 dispositivo") if len(ids) == 1 else Words(f"{len(ids)} devices", f"{len(ids)} dispositivi")
    )


def _also(says: Words, others: int) -> Words:
    if not others:
        return says
    if others == 1:
        return Words(
            f"{says.en} 1 other device is not reachable either.",
            f"{says.it} Un altro dispositivo non è raggiungibile.",
        )
    return Words(
        f"{says.en} {others} other devices are not reachable either.",
        f"{says.it} Altri {others} dispositivi non sono raggiungibili.",
    )


def _then(phrase: str) -> str:
    return f" {phrase}" if phrase else ""


def _the_first(since: Words) -> Words:
    return Words(f", the first {since.en}", f", il primo {since.it}") if since.en else Words("", "")
