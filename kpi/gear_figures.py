"""Figures of what a device tells beyond its ports (kpi/README.md): one function a KPI, null with a reason where too
little is known (R11). Which of them a device has at all is ``gear_figures``' to say.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from kpi.figures import share_pct
from kpi.gear_counts import GearCounts, Level, Mark, Topic
from kpi.model import Figure, NullReason, Role
from kpi.port_counts import PortCounts
from kpi.value_counts import ValueCounts

Parts = dict[str, float | None]

FEWEST_FRAMES = 100
_EXPECTED: Mapping[Role, frozenset[str]] = {
    Role.ACCESS_POINT: frozenset({"wifi_clients"}),
    Role.CONTROLLER: frozenset({"wifi_clients", "wifi_ap_up_pct"}),
    Role.UPS: frozenset({"on_battery_s", "ups_runtime_min"}),
    Role.SERVER: frozenset({"resource_used_pct"}),
}
"""What such a device should tell: where it does not, the figure is null and says why; others are left out."""


@dataclass(frozen=True, slots=True)
class _Row:
    kpi: str
    topics: Topic
    """Any of them makes it."""
    figure: Callable[[GearCounts], Figure]
    levels: tuple[str, ...]
    """The levels whose known time is the figure's, where not one of them decides its value (_deciding)."""


def gear_figures(
    gear: GearCounts | None,
    role: Role,
    unanswered: NullReason = NullReason.NO_DATA,
    *,
    answered: bool = False,
) -> tuple[Figure, ...]:
    """The figures of one device. ``gear`` is None where it tells of nothing; ``unanswered``: why SNMP gave nothing,
    where it gave nothing; ``answered``: it gave something, be it of other things."""
    counts = gear if gear is not None else GearCounts()
    expected = _EXPECTED.get(role, frozenset())
    found = []
    for row in _ROWS:
        if counts.have & row.topics:
            figure = row.figure(counts)
            silent = figure.null_reason is NullReason.NO_DATA and counts.polls == 0
            found.append(replace(figure, null_reason=unanswered) if silent else figure)
        elif row.kpi in expected:
            found.append(_null(row.kpi, NullReason.UNSUPPORTED if answered or counts.polls else unanswered))
    if role is Role.CONTROLLER or counts.have & Topic.APS:  # what it tells is of many radios together
        return tuple(_without(figure, "busiest") if figure.kpi == "wifi_clients" else figure for figure in found)
    return tuple(found)


def tells(counts: GearCounts, kpi: str) -> bool:
    """Whether the device tells of what this figure is made from."""
    return any(row.kpi == kpi and counts.have & row.topics for row in _ROWS)


def known_s(counts: GearCounts, kpi: str) -> float | None:
    """For how long the readings behind a figure are known (rule R3). Where nothing tells, they are known for no
    longer than what else the device tells; None where it tells of no time at all, and for figures of other things."""
    names = _deciding(counts, kpi)
    if names is None:
        return None
    own = [counts.levels[name] for name in names if name in counts.levels]
    return max((level.ms / 1000 for level in own or counts.levels.values()), default=None)


def _deciding(counts: GearCounts, kpi: str) -> tuple[str, ...] | None:
    """The levels that the figure's value comes from; None for figures of other things."""
    names = _LEVELS.get(kpi)
    if kpi == "resource_used_pct":
        held = {name: counts.levels[name].mean for name in names or () if name in counts.levels}
        return tuple(name for name, mean in held.items() if mean == max(held.values())) or names
    if kpi == "power_events":
        return ("told_line",) if counts.have & Topic.LINE_FAILURES else ("told_seconds", "on_battery")
    if kpi == "on_battery_s":
        return ("told_seconds",) if counts.have & Topic.BATTERY_SECONDS else ("on_battery",)
    return names


def wifi_clients(counts: GearCounts) -> Figure:
    """Clients on average over the time known, and at most."""
    level = counts.levels.get("clients")
    if level is None:
        return _null("wifi_clients", NullReason.NO_DATA)
    parts: Parts = {"peak": level.most, "known_s": level.ms / 1000}
    if "busiest" in counts.levels:
        parts["busiest"] = counts.levels["busiest"].most
    return Figure("wifi_clients", level.mean, n=level.n, parts=parts)


def wifi_signal_dbm(counts: GearCounts) -> Figure:
    """What access points hear of half of the clients at least, in dBm, and the share of those that are weak."""
    median = counts.signal.quantile(0.5, from_top=True)
    if median is None:
        return _null("wifi_signal_dbm", NullReason.NO_DATA)
    n = counts.signal.count
    return Figure("wifi_signal_dbm", median, n=n, parts={"weak_share_pct": share_pct(counts.weak, n)})


def wifi_snr_db(counts: GearCounts) -> Figure:
    """Signal above noise of half of the clients (or links) at least, in dB."""
    median = counts.snr.quantile(0.5)
    if median is None:
        return _null("wifi_snr_db", NullReason.NO_DATA)
    return Figure("wifi_snr_db", median, n=counts.snr.count)


def wifi_link_drop_db(counts: GearCounts) -> Figure:
    """How far the worst fixed link is below its own median of 14 days, in dB."""
    level = counts.levels.get("link")
    parts: Parts = {"signal_dbm": level.mean} if level is not None else {}
    falls = [fall / n / 100 for n, fall in counts.links.values() if n]
    if not falls:
        return _null("wifi_link_drop_db", NullReason.INSUFFICIENT if level is not None else NullReason.NO_DATA, parts)
    return Figure("wifi_link_drop_db", max(falls), n=sum(n for n, _ in counts.links.values()), parts=parts)


def wifi_interference_pct(counts: GearCounts) -> Figure:
    """Channel use that is not the access point's own, in percent of the time."""
    total, other = counts.levels.get("channel"), counts.levels.get("other")
    parts: Parts = {"total_pct": _share(total.mean)} if total is not None else {}
    if "channel_top" in counts.levels:
        parts["busiest_pct"] = _share(counts.levels["channel_top"].mean)
    if other is not None:
        return Figure("wifi_interference_pct", _share(other.mean), n=other.n, parts=parts)
    unsupported = total is not None or counts.silent_channel
    return _null("wifi_interference_pct", NullReason.UNSUPPORTED if unsupported else NullReason.NO_DATA, parts)


def wifi_noise_dbm(counts: GearCounts) -> Figure:
    """The noise floor over all radios, in dBm."""
    level = counts.levels.get("noise")
    if level is None:
        return _null("wifi_noise_dbm", NullReason.NO_DATA)
    worst = counts.levels.get("noise_top")
    return Figure("wifi_noise_dbm", level.mean, n=level.n, parts={"worst_dbm": worst.mean} if worst else {})


def wifi_retry_pct(counts: GearCounts) -> Figure:
    """Frames that had to be sent again, in percent of those sent; beside it those given up and those damaged."""
    parts: Parts = {}
    if counts.tried >= FEWEST_FRAMES:
        parts["fail_pct"] = share_pct(counts.failed, counts.tried)
    if counts.fragments >= FEWEST_FRAMES:
        parts["fcs_pct"] = share_pct(counts.damaged, counts.fragments)
    flags = _flags(counts, Mark.UPTIME)
    if counts.frames < FEWEST_FRAMES:
        none = counts.polls == 0
        reason = NullReason.NO_DATA if none else NullReason.INSUFFICIENT
        return _null("wifi_retry_pct", reason, parts, n=counts.frames, flags=flags)
    share = share_pct(counts.retried, counts.frames)
    return Figure("wifi_retry_pct", share, n=counts.frames, parts=parts, flags=flags)


def wifi_ap_up_pct(counts: GearCounts) -> Figure:
    """Access points connected, in percent of those the controller knows."""
    connected, known = counts.levels.get("aps"), counts.levels.get("aps_known")
    if connected is None or known is None:
        alone = counts.levels.get("aps_alone")
        if alone is None:
            return _null("wifi_ap_up_pct", NullReason.NO_DATA)
        return _null("wifi_ap_up_pct", NullReason.UNSUPPORTED, {"connected": alone.least})
    parts: Parts = {"connected": connected.least, "registered": known.most}
    if known.mean <= 0:
        return _null("wifi_ap_up_pct", NullReason.INSUFFICIENT, parts)
    return Figure("wifi_ap_up_pct", share_pct(connected.mean, known.mean), n=connected.n, parts=parts)


def power_events(counts: GearCounts) -> Figure:
    """Failures of the supply's input; where it does not count them, changes to battery that polls saw."""
    if counts.have & Topic.LINE_FAILURES:
        if counts.line_intervals == 0:
            reason = NullReason.INSUFFICIENT if counts.polls else NullReason.NO_DATA
            return _null("power_events", reason)
        flags, n = _flags(counts, Mark.UPTIME), counts.line_intervals
        return Figure("power_events", float(counts.line_failures), n=n, flags=flags)
    if counts.supply_reads == 0:
        return _null("power_events", NullReason.NO_DATA)
    return Figure("power_events", float(counts.battery_starts), n=counts.supply_reads)


def on_battery_s(counts: GearCounts) -> Figure:
    """Time the output came from the battery, in whole seconds."""
    level = counts.levels.get("on_battery")
    flags = _flags(counts, Mark.BATTERY_LOW)
    if counts.have & Topic.BATTERY_SECONDS:
        spent = counts.battery_ms / 1000 if counts.supply_reads else None
    else:
        spent = level.total / 100_000 if level is not None else None
    if spent is None:
        return _null("on_battery_s", NullReason.NO_DATA, flags=flags)
    return Figure("on_battery_s", float(round(spent)), n=counts.supply_reads, flags=flags)


def ups_runtime_min(counts: GearCounts) -> Figure:
    """The least that was left of the battery at the load of the time, in minutes."""
    parts: Parts = {}
    if "charge" in counts.levels:
        parts["charge_pct"] = _share(counts.levels["charge"].least)
    if "load" in counts.levels:
        parts["load_pct"] = max(counts.levels["load"].most, 0.0)  # a supply may be overloaded
    flags = _flags(counts, Mark.BATTERY_LOW | Mark.SELF_TEST | Mark.UNIT)
    level = counts.levels.get("runtime")
    if level is None:
        return _null("ups_runtime_min", NullReason.NO_DATA, parts, flags=flags)
    n = 0 if "unit" in flags else max(level.n, 1)  # of a doubtful unit nothing is good or bad
    return Figure("ups_runtime_min", level.least, n=n, parts=parts, flags=flags)


def poe_headroom_pct(counts: GearCounts) -> Figure:
    """Power over Ethernet that is still free, in percent of the budget."""
    nominal, used = counts.levels.get("poe_nominal"), counts.levels.get("poe_used")
    if used is None or nominal is None:
        return _null("poe_headroom_pct", NullReason.UNSUPPORTED if counts.polls else NullReason.NO_DATA)
    parts: Parts = {"used_w": used.mean, "nominal_w": nominal.mean}
    return Figure("poe_headroom_pct", share_pct(nominal.mean - used.mean, nominal.mean), n=used.n, parts=parts)


def cooling_margin_c(counts: GearCounts) -> Figure:
    """The least that a sensor was below its limit, in degrees."""
    margin, flags = counts.levels.get("margin"), _flags(counts, Mark.FAN_STOPPED)
    parts: Parts = {
        name: counts.levels[level].most
        for name, level in (("hottest_c", "hottest"), ("inlet_c", "inlet"))
        if level in counts.levels
    }
    if margin is None:
        reason = NullReason.UNSUPPORTED if counts.polls else NullReason.NO_DATA
        return _null("cooling_margin_c", reason, parts, flags=flags)
    return Figure("cooling_margin_c", margin.least, n=margin.n, parts=parts, flags=flags)


def resource_used_pct(counts: GearCounts) -> Figure:
    """The fullest of processors, memory and disks on average, in percent; beside it each of them, and the most."""
    levels: dict[str, Level] = {
        name: counts.levels[name] for name in ("cpu", "memory", "storage") if name in counts.levels
    }
    if not levels:
        return _null("resource_used_pct", NullReason.NO_DATA)
    parts: Parts = {f"{name}_pct": _share(level.mean) for name, level in levels.items()}
    parts["max_pct"] = _share(max(level.most for level in levels.values()))
    n = max(level.n for level in levels.values())
    return Figure("resource_used_pct", _share(max(level.mean for level in levels.values())), n=n, parts=parts)


def port_used_pct(ports: Iterable[PortCounts], unanswered: NullReason = NullReason.NO_DATA) -> Figure | None:
    """Physical ports that were up at some time in the window, in percent of all; None where there are none."""
    physical = [counts for counts in ports if counts.physical]
    if not physical:
        return None
    known = [counts for counts in physical if counts.up_ms + counts.down_ms + counts.off_ms]
    if not known:
        return _null("port_used_pct", unanswered)
    up = sum(counts.up_ms > 0 for counts in physical)
    return Figure("port_used_pct", share_pct(up, len(physical)), n=len(physical), parts={"up": up})


def signal_values(counts: GearCounts | None) -> dict[str, ValueCounts]:
    """The distributions that travel: ``wifi_signal_dbm``, ``wifi_snr_db``."""
    if counts is None:
        return {}
    found = {"wifi_signal_dbm": counts.signal, "wifi_snr_db": counts.snr}
    return {name: values for name, values in found.items() if values.counts}


_SUPPLY = ("told_line", "told_seconds", "on_battery")
_ROWS = (
    _Row("wifi_clients", Topic.CLIENTS, wifi_clients, ("clients",)),
    _Row("wifi_signal_dbm", Topic.SIGNAL, wifi_signal_dbm, ("told_signal",)),
    _Row("wifi_snr_db", Topic.SNR, wifi_snr_db, ("told_snr",)),
    _Row("wifi_link_drop_db", Topic.LINK, wifi_link_drop_db, ("link",)),
    _Row("wifi_interference_pct", Topic.CHANNEL, wifi_interference_pct, ("other",)),
    _Row("wifi_noise_dbm", Topic.NOISE, wifi_noise_dbm, ("noise",)),
    _Row("wifi_retry_pct", Topic.RETRY, wifi_retry_pct, ("told_retry",)),
    _Row("wifi_ap_up_pct", Topic.APS, wifi_ap_up_pct, ("aps",)),
    _Row("power_events", Topic.LINE_FAILURES | Topic.BATTERY | Topic.BATTERY_SECONDS, power_events, _SUPPLY),
    _Row("on_battery_s", Topic.BATTERY | Topic.BATTERY_SECONDS, on_battery_s, _SUPPLY),
    _Row("ups_runtime_min", Topic.RUNTIME, ups_runtime_min, ("runtime",)),
    _Row("poe_headroom_pct", Topic.POE, poe_headroom_pct, ("poe_used",)),
    _Row("cooling_margin_c", Topic.COOLING, cooling_margin_c, ("margin",)),
    _Row("resource_used_pct", Topic.RESOURCES, resource_used_pct, ("cpu", "memory", "storage")),
)
_LEVELS = {row.kpi: row.levels for row in _ROWS}
_FLAG_NAMES = (
    (Mark.BATTERY_LOW, "battery_low"),
    (Mark.SELF_TEST, "self_test_failed"),
    (Mark.UNIT, "unit"),
    (Mark.FAN_STOPPED, "fan_stopped"),
    (Mark.UPTIME, "uptime"),
)


def _flags(counts: GearCounts, marks: Mark) -> tuple[str, ...]:
    return tuple(name for mark, name in _FLAG_NAMES if counts.marks & marks & mark)


def _share(percent: float) -> float:
    """What a device tells in percent of a whole, at most all of it."""
    return min(max(percent, 0.0), 100.0)


def _without(figure: Figure, part: str) -> Figure:
    return replace(figure, parts={name: value for name, value in figure.parts.items() if name != part})


def _null(
    kpi: str, reason: NullReason, parts: Parts | None = None, *, n: int = 0, flags: tuple[str, ...] = ()
) -> Figure:
    return Figure(kpi, None, reason, n, parts=parts or {}, flags=flags)
