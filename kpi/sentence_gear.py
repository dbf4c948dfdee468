"""What the sentence says of a power failure that goes on (kpi/sentence.py asks for it in its order)."""

from collections.abc import Iterable
from math import isfinite

from kpi.entry import Words
from kpi.seen import Seen, on_battery, plain_name


def power_failed(devices: Iterable[Seen]) -> tuple[Words, bool] | None:
    """Something runs on its battery; and whether that is nearly empty. None where everything runs on mains."""
    running = on_battery(devices)
    if not running:
        return None
    first = running[0]
    who, since = plain_name(first.name), first.gear.since or Words("", "")
    en = f"The mains power has failed: {who} has run on its battery{_then(since.en)}"
    it = f"Manca la corrente: {who} funziona a batteria{_then(since.it)}"
    if first.gear.battery_low:
        return Words(f"{en}, and that is nearly empty.", f"{it}, e la batteria è quasi scarica."), True
    if first.gear.runtime_min is not None and isfinite(first.gear.runtime_min):
        n = round(first.gear.runtime_min)
        return Words(f"{en}. It lasts about {n} min more.", f"{it}. Dura ancora circa {n} min."), False
    return Words(f"{en}.", f"{it}."), False


def _then(phrase: str) -> str:
    return f" {phrase}" if phrase else ""
