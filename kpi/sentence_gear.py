"""What the sentence says of power and of Wi-Fi (kpi/sentence.py asks for it in its order)."""

from collections.abc import Callable, Iterable, Sequence

from kpi.catalogue import CATALOGUE
from kpi.entry import Scope, Words
from kpi.tiles import POWER_FIGURES, WIFI_FIGURES, Read, Seen, on_battery, troubled

Name = Callable[[str], str]
"""A name as it may stand within a sentence."""

_WIFI: dict[str, Words] = {
    "wifi_ap_up_pct": Words(
        "Some Wi-Fi access points are not connected to their controller: there may be no Wi-Fi in places.",
        "Alcuni access point Wi-Fi non sono collegati al loro controller: in certi punti il Wi-Fi può mancare.",
    ),
    "wifi_interference_pct": Words(
        "Wi-Fi may be slow{at}: its channel is busy most of the time.",
        "Il Wi-Fi può essere lento{at}: il suo canale è quasi sempre occupato.",
    ),
    "wifi_clients": Words(
        "Wi-Fi may be slow{at}: {n} devices share one radio.",
        "Il Wi-Fi può essere lento{at}: {n} dispositivi condividono una sola radio.",
    ),
    "wifi_signal_dbm": Words(
        "Wi-Fi reaches many devices only weakly{at}.", "Il Wi-Fi arriva debole a molti dispositivi{at}."
    ),
    "wifi_snr_db": Words(
        "Wi-Fi is disturbed by noise{at}: it may be slow.", "Il Wi-Fi è disturbato{at}: può essere lento."
    ),
    "wifi_retry_pct": Words(
        "Wi-Fi is unsteady{at}: much has to be sent more than once.",
        "Il Wi-Fi è instabile{at}: molte trasmissioni vanno ripetute.",
    ),
}
_MANY = Words("too many", "troppi")


def power_failed(devices: Iterable[Seen], name: Name) -> tuple[Words, bool] | None:
    """Something runs on its battery; and whether that is nearly empty. None where everything runs on mains."""
    running = on_battery(devices)
    if not running:
        return None
    first = running[0]
    who, since = name(first.name), first.gear.since or Words("", "")
    en = f"The mains power has failed: {who} has run on its battery{_then(since.en)}"
    it = f"Manca la corrente: {who} funziona a batteria{_then(since.it)}"
    if first.gear.battery_low:
        return Words(f"{en}, and that is nearly empty.", f"{it}, e la batteria è quasi scarica."), True
    if first.gear.runtime_min is not None:
        n = round(first.gear.runtime_min)
        return Words(f"{en}. It lasts about {n} min more.", f"{it}. Dura ancora circa {n} min."), False
    return Words(f"{en}.", f"{it}."), False


def battery_weak(devices: Sequence[Seen], figures: Iterable[Read], name: Name) -> Words | None:
    """On mains, but the battery would not last long."""
    found = troubled(figures, POWER_FIGURES)
    if found is None:
        return None
    worst = _worst(devices, found)
    n, who = round(found.value) if found.value is not None else None, name(worst.name) if worst is not None else ""
    if n is None or not who:
        return Words("The battery would not last long without mains.", "Senza corrente la batteria durerebbe poco.")
    return Words(
        f"Everything works, but without mains {who} would last only about {n} min.",
        f"Funziona tutto, ma senza corrente {who} durerebbe solo circa {n} min.",
    )


def wifi_troubled(devices: Sequence[Seen], figures: Iterable[Read], name: Name) -> Words | None:
    """Every access point answers, but those who use it notice something."""
    found = troubled(figures, WIFI_FIGURES)
    if found is None:
        return None
    worst, says = _worst(devices, found), _WIFI[found.kpi]
    en, it = (f" at {name(worst.name)}", f" presso {name(worst.name)}") if worst is not None else ("", "")
    many = _crowd(found)
    return Words(says.en.format(at=en, n=many or _MANY.en), says.it.format(at=it, n=many or _MANY.it))


def _crowd(figure: Read) -> int | None:
    """How many share the busiest radio now, where that still is too many."""
    busiest, limit = figure.parts.get("busiest"), CATALOGUE["wifi_clients"].threshold(Scope.ANY)
    return round(busiest) if busiest is not None and limit is not None and busiest > limit.good else None


def _worst(devices: Sequence[Seen], figure: Read) -> Seen | None:
    return next((d for d in devices if d.id == figure.worst), None)


def _then(phrase: str) -> str:
    return f" {phrase}" if phrase else ""
