"""What a site's devices tell beyond their ports, together: sums plus the worst of them (kpi/README.md R9)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import reduce

from kpi.figures import share_pct
from kpi.gear_counts import GearCounts, Level, Mark, Topic, merge_gear
from kpi.gear_figures import gear_figures
from kpi.merge import DeviceWindow
from kpi.model import Figure, Role
from kpi.value_counts import NOTHING, ValueCounts
from kpi.worst import beside_worst, worst_of

CLIENTS = "wifi_clients"
_SUMS = frozenset({"power_events", "on_battery_s"})
"""What devices count in different ways: figures are added, not counts."""
_WORST_PARTS: Mapping[str, str] = {
    "wifi_signal_dbm": "worst_dbm",
    "wifi_snr_db": "worst_db",
    "wifi_link_drop_db": "worst_db",
    "wifi_noise_dbm": "worst",
    "power_events": "worst",
    "on_battery_s": "worst_s",
    "ups_runtime_min": "worst_min",
    "cooling_margin_c": "worst_c",
}
"""The companion with the worst device's value; ``worst_pct`` where it is not here."""


def site_clients(devices: Iterable[DeviceWindow]) -> GearCounts | None:
    """The wireless clients of the whole site in one window: the mean of each device added, and as the most the same,
    so that folding finds the peak of the sum. None where nobody tells of clients.

    A controller's clients are those of its access points: of controllers and everything else the greater sum counts.
    """
    levels = {True: list[Level](), False: list[Level]()}
    for device in devices:
        level = device.gear.levels.get("clients") if device.gear is not None else None
        if level is not None:
            levels[_controls(device)].append(level)
    sums = [sum(round(level.mean * 100) for level in side) for side in levels.values() if side]
    if not sums:
        return None
    most, ms = max(sums), max(level.ms for side in levels.values() for level in side)
    return GearCounts(have=int(Topic.CLIENTS), levels={"clients": Level(1, ms, most, most, most * ms)})


def gear_site_figures(devices: Iterable[DeviceWindow], clients: GearCounts | None) -> list[Figure]:
    """The site's figures of those that some device has. ``clients``: what site_clients gave, folded over the window."""
    told = [(device, device.gear) for device in devices if device.gear is not None]
    each: dict[str, dict[str, Figure]] = {}
    for device, gear in told:
        for figure in gear_figures(gear, device.role):
            each.setdefault(figure.kpi, {})[device.device] = figure
    whole = reduce(merge_gear, (_for_sums(gear) for _, gear in told), GearCounts())
    if "runtime" not in whole.levels:  # of no supply is the unit beyond doubt
        whole = reduce(merge_gear, (replace(gear, links={}) for _, gear in told), GearCounts())
    found = []
    for total in gear_figures(whole, Role.INTERNET):
        if total.kpi == CLIENTS:
            found.append(_clients(each[CLIENTS], clients, [d for d, _ in told]))
        else:
            found.append(_beside(_added(total, each[total.kpi]), each[total.kpi]))
    return found


def site_ports_used(each: Mapping[str, Figure]) -> Figure | None:
    """All physical ports of the switches together (port_used_pct of each), and the switch with the fewest free."""
    known = [figure for figure in each.values() if figure.value is not None]
    if not each:
        return None
    if not known:
        return next(iter(each.values()))
    n, up = sum(figure.n for figure in known), sum(figure.parts["up"] or 0 for figure in known)
    total = Figure("port_used_pct", share_pct(up, n), n=n, parts={"up": up})
    return beside_worst(total, "worst_pct", worst_of(each, "value"))


def site_values(devices: Iterable[DeviceWindow]) -> dict[str, ValueCounts]:
    """Signal and signal-to-noise of all clients of the site; see kpi/gear_figures.py:signal_values."""
    counts = [device.gear for device in devices if device.gear is not None]
    found = {
        "wifi_signal_dbm": reduce(ValueCounts.merge, [c.signal for c in counts], NOTHING),
        "wifi_snr_db": reduce(ValueCounts.merge, [c.snr for c in counts], NOTHING),
    }
    return {name: values for name, values in found.items() if values.counts}


def _for_sums(gear: GearCounts) -> GearCounts:
    """Without what is its device's alone, and without a runtime in a doubtful unit: others may be nearly empty."""
    if not gear.marks & Mark.UNIT:
        return replace(gear, links={})
    levels = {name: level for name, level in gear.levels.items() if name != "runtime"}
    return replace(gear, links={}, levels=levels, marks=gear.marks & ~Mark.UNIT)


def _added(total: Figure, each: Mapping[str, Figure]) -> Figure:
    known = [figure for figure in each.values() if figure.value is not None]
    if total.kpi not in _SUMS or not known:
        return total
    names = {name for figure in each.values() for name in figure.parts}
    return replace(
        total,
        value=sum(figure.value or 0 for figure in known),
        null_reason=None,
        n=sum(figure.n for figure in known),
        parts={name: sum(figure.parts.get(name) or 0 for figure in each.values()) for name in sorted(names)},
    )


def _beside(total: Figure, each: Mapping[str, Figure]) -> Figure:
    worst = worst_of(each, "value")
    if total.kpi == "wifi_link_drop_db" and worst is not None:  # a link is its device's: worst-of alone
        n = sum(figure.n for figure in each.values())
        total = replace(total, value=worst[1], null_reason=None, n=n, parts={})
    return beside_worst(total, _WORST_PARTS.get(total.kpi, "worst_pct"), worst)


def _controls(device: DeviceWindow) -> bool:
    return device.role is Role.CONTROLLER or (
        device.gear is not None and bool({"aps", "aps_alone"} & device.gear.levels.keys())
    )


def _clients(each: Mapping[str, Figure], folded: GearCounts | None, devices: Sequence[DeviceWindow]) -> Figure:
    """The mean is the sum of the devices' means over the time each is known: a silent access point lowers
    ``known_s``, which is the mean over the devices."""
    known = {name: figure for name, figure in each.items() if figure.value is not None}
    if not known:
        return next(iter(each.values()))
    controllers = {device.device for device in devices if _controls(device)}
    sides = [
        [figure for name, figure in known.items() if (name in controllers) is controlling]
        for controlling in (True, False)
    ]
    counted = max(sides, key=lambda side: sum(figure.value or 0 for figure in side))
    value = sum(figure.value or 0 for figure in counted)
    peak = folded.levels["clients"].most if folded is not None and "clients" in folded.levels else value
    parts = {
        "peak": max(peak, value),
        "known_s": sum(figure.parts.get("known_s") or 0 for figure in each.values()) / len(each),
    }
    busiest = [figure.parts["busiest"] or 0 for figure in known.values() if "busiest" in figure.parts]
    if busiest:
        parts["busiest"] = max(busiest)
    total = Figure(CLIENTS, value, n=sum(figure.n for figure in counted), parts=parts)
    return beside_worst(total, "worst", worst_of(known, "value"))
