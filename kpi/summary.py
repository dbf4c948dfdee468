"""Summaries: the figures of a device or of the site over one window, and their form as JSON.

A site's figures are sums over its devices plus the worst of them (kpi/README.md R9); what is measured on the site's own
network and what over the line come apart, as ``rtt_ms@lan`` and ``rtt_ms@wan``.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import reduce
from itertools import chain, repeat
from typing import Any

from kpi import figures
from kpi.catalogue import entry_of, scope_in
from kpi.coverage import device_coverage, site_coverage
from kpi.echo import EchoCounts, beside_echo
from kpi.entities import SITE
from kpi.entry import SITE_WEIGHTS, Scope, scope_of
from kpi.fabric_figures import fabric_figures, has_fabric, site_fabric
from kpi.gear_counts import GearCounts
from kpi.gear_figures import gear_figures, known_s, port_used_pct, signal_values, tells
from kpi.gear_site import gear_site_figures, site_ports_used, site_values
from kpi.merge import DeviceWindow, with_planned
from kpi.model import Figure, NullReason, Role, Status, Summary, Window
from kpi.planned import with_incl_maint
from kpi.port_counts import PortCounts
from kpi.reboots import RestartCounts, merge_restarts
from kpi.shortened import shortened
from kpi.states import StateSeconds, merge_states, weighted_availability_pct
from kpi.status import PARTIAL_BELOW, Happened, Reading, read_on, status_of
from kpi.value_counts import ValueCounts
from kpi.worst import beside_worst, worst_of

History = Mapping[str, Sequence[Reading]]
"""By figure name, the windows of the same length before this one, oldest first."""
COVERAGE = "monitoring_coverage_pct"
"""Its own coverage is its value: it has a status however little is known, or it could never be bad (rule R3)."""
ALARMED = 1e9
"""Beyond every threshold: what a day weighs in which the device itself said that something is wrong."""
DIGITS = 6
"""Significant digits that are published."""
COVERAGE_TOLD = 0.05
"""By how much a figure's coverage must differ from its summary's to be told beside it."""
PortsTogether = tuple[Mapping[str, Figure], Mapping[str, Figure]]
"""By device, link_flap_of and port_used_pct of its ports."""
OWN_PERIOD_S = 60.0
"""How often the probe reads its own radio."""
_ECHO_FIGURES: Sequence[tuple[Callable[[EchoCounts | None], Figure], str, str]] = (
    (figures.rtt_ms, "worst_p95_ms", "p95_ms"),
    (figures.loss_ratio, "worst_pct", "value"),
    (figures.jitter_ms, "worst_ms", "value"),
)


def device_summary(
    device: DeviceWindow,
    window: Window,
    *,
    revision: int = 0,
    final: bool = True,
    history: History | None = None,
    unanswered: NullReason = NullReason.NO_DATA,
) -> Summary:
    """One device, ports left out but for the sum of their flaps. ``unanswered``: why SNMP gave nothing, where it gave
    nothing. Figures of what the device was never asked for (no echo, no SNMP) are left out, not null."""
    found = _device_figures(device, unanswered)
    if device.planned is not None:
        found = with_incl_maint(found, _device_figures(with_planned(device), unanswered))
    coverage, scope = device.states.coverage, scope_of(device.role)
    return Summary(
        entity=device.device,
        window=window,
        revision=revision,
        final=final,
        coverage=coverage,
        figures=tuple(
            judged(figure, window, coverage=device_coverage(device, figure.kpi), scope=scope, history=history)
            for figure in found
        ),
        sketches=_sketches({"rtt_ms": device.echo}),
        values=_wire(signal_values(device.gear)),
    )


def _device_figures(device: DeviceWindow, unanswered: NullReason) -> list[Figure]:
    found = [figures.availability(device.states)]
    if device.echo is not None:
        found += [figure(device.echo) for figure, _, _ in _ECHO_FIGURES]
    if device.restarts is not None:
        found.append(_because(figures.reboots(device.restarts), unanswered))
    if device.ports:
        found.append(link_flap_of(device.ports.values(), unanswered))
    if device.fabric is not None:
        found += fabric_figures(device.fabric, unanswered)
    return found + _gear(device, unanswered)


def own_summary(entity: str, gear: GearCounts, window: Window, *, history: History | None = None) -> Summary:
    """The probe's own radio, which is no device: it has figures and no state."""
    coverage = min(1.0, gear.polls * OWN_PERIOD_S / window.length_s)
    found = []
    for figure in gear_figures(gear, Role.ENDPOINT):
        known = known_s(gear, figure.kpi)
        share = coverage if known is None else min(known / window.length_s, 1.0)
        found.append(judged(figure, window, coverage=share, history=history))
    return Summary(
        entity=entity,
        window=window,
        revision=0,
        final=True,
        coverage=coverage,
        figures=tuple(found),
        values=_wire(signal_values(gear)),
    )


def site_summary(
    devices: Iterable[DeviceWindow],
    network: StateSeconds | None,
    window: Window,
    *,
    revision: int = 0,
    final: bool = True,
    history: History | None = None,
    clients: GearCounts | None = None,
    flaps: Mapping[str, Figure] | None = None,
    used: Mapping[str, Figure] | None = None,
    incl_maint: PortsTogether | None = None,
) -> Summary:
    """The site over ``devices``, every expected one (one never seen is all unknown), internet targets among them.
    ``network``: the site's own state (network_changes), None where fewer than three internet targets are set up;
    ``clients``: the site's wireless clients (site_clients), folded over the window; ``flaps`` and ``used``:
    link_flap_of and port_used_pct of each device's ports, where the windows come without their ports; ``incl_maint``
    the same two with planned work, where there was any."""
    everything = list(devices)
    own = [d for d in everything if d.role is not Role.INTERNET]
    measured = figures.coverage_pct([d.states for d in own])
    found = _site_figures(everything, network, clients, (flaps or {}, used or {}))
    if any(d.planned is not None for d in everything):
        whole = [with_planned(d) for d in everything]
        found = with_incl_maint(found, _site_figures(whole, network, clients, incl_maint or (flaps or {}, used or {})))
    coverage = measured.value / 100 if measured.value is not None else 1.0
    having = _Having(everything, own, flaps or {}, used or {})
    sketches = {f"rtt_ms@{scope}": _echoes_of(asked) for scope, asked in _echoes_by_scope(everything).items()}
    return Summary(
        entity=SITE,
        window=window,
        revision=revision,
        final=final,
        coverage=coverage,
        figures=tuple(judged(f, window, coverage=having.coverage(f.kpi, network), history=history) for f in found),
        sketches=_sketches(sketches),
        values=_wire(site_values(own)),
    )


def _site_figures(
    everything: Sequence[DeviceWindow],
    network: StateSeconds | None,
    clients: GearCounts | None,
    ports_apart: PortsTogether,
) -> list[Figure]:
    own = [d for d in everything if d.role is not Role.INTERNET]
    weighted = weighted_availability_pct((SITE_WEIGHTS[d.role], d.states) for d in own)
    measured = figures.coverage_pct([d.states for d in own])
    found = [figures.network_uptime_pct(network, weighted), measured, _availability(own)]
    for scope, asked in _echoes_by_scope(everything).items():
        whole = _echoes_of(asked)
        for figure, part, on in _ECHO_FIGURES:
            worst = worst_of({device: figure(echo) for device, echo in asked.items()}, on)
            total = figure(whole)
            if total.kpi == "jitter_ms":  # the distance between two devices is no variation: worst-of alone
                total = replace(total, value=worst[1]) if worst else figure(None)
            found.append(beside_worst(replace(total, kpi=f"{total.kpi}@{scope}"), part, worst))
    restarts = {d.device: d.restarts for d in own if d.restarts is not None}
    if restarts:
        total = figures.reboots(reduce(merge_restarts, restarts.values(), RestartCounts()))
        found.append(
            beside_worst(total, "worst", worst_of({k: figures.reboots(r) for k, r in restarts.items()}, "value"))
        )
    flaps, used = ports_apart
    links = {d.device: link_flap_of(d.ports.values()) for d in own if d.ports} | dict(flaps)
    if links:
        found.append(beside_worst(_flaps_together(links.values()), "worst", worst_of(links, "value")))
    found += site_fabric({d.device: d.fabric for d in own if d.fabric is not None})
    ports = site_ports_used({**_ports_used(own), **used})
    return [*found, *gear_site_figures(own, clients), *([ports] if ports is not None else [])]


def _echoes_by_scope(devices: Iterable[DeviceWindow]) -> dict[Scope, dict[str, EchoCounts]]:
    """The echoes of each device, those on the site's own network and those over the line apart. What a site does not
    have is not shown."""
    asked: dict[Scope, dict[str, EchoCounts]] = {Scope.LAN: {}, Scope.WAN: {}}
    for device in devices:
        if device.echo is not None:
            asked[scope_of(device.role)][device.device] = device.echo
    return {scope: echoes for scope, echoes in asked.items() if echoes}


def _echoes_of(devices: Mapping[str, EchoCounts]) -> EchoCounts:
    return reduce(beside_echo, devices.values(), EchoCounts())


class _Having:
    """Which devices of a site a figure is made from, and how much of them is known."""

    def __init__(
        self,
        everything: Sequence[DeviceWindow],
        own: Sequence[DeviceWindow],
        flaps: Mapping[str, Figure],
        used: Mapping[str, Figure],
    ) -> None:
        self._everything, self._own = everything, own
        self._told: Mapping[str, Mapping[str, Figure]] = {"link_flap": flaps, "port_used_pct": used}

    def coverage(self, name: str, network: StateSeconds | None) -> float | None:
        """As device_coverage, of a figure of the site."""
        kpi, _, scope = name.partition("@")
        if kpi == "network_uptime_pct":
            return network.coverage if network is not None and network.expected_ms else None
        if scope:
            asked = [d for d in self._everything if d.echo is not None and scope_of(d.role) == scope]
            return site_coverage(asked, kpi, {})
        told = self._told.get(kpi, {})
        return site_coverage([d for d in self._own if d.device in told or _has(d, kpi)], kpi, told)


def _has(device: DeviceWindow, kpi: str) -> bool:
    if kpi in {"availability_pct", "monitoring_coverage_pct"}:
        return True
    if kpi == "reboots":
        return device.restarts is not None
    if kpi in {"link_flap", "port_used_pct"}:
        return bool(device.ports) and (kpi == "link_flap" or device.role is Role.SWITCH)
    if device.fabric is not None and has_fabric(device.fabric, kpi):
        return True
    return device.gear is not None and tells(device.gear, kpi)


def judged(
    figure: Figure,
    window: Window,
    *,
    coverage: float | None = 1.0,
    scope: Scope = Scope.ANY,
    history: History | None = None,
) -> Figure:
    """The figure with how much is known of it, and with its status where windows of this length have one. ``coverage``
    is None where nothing was due: such a window has no status."""
    entry = entry_of(figure.kpi)
    if coverage is None or not read_on(entry, window.length_s):
        return replace(figure, coverage=coverage)
    before = (history or {}).get(figure.kpi, ())
    scope = scope_in(figure.kpi) or scope
    enough = 1.0 if figure.kpi == COVERAGE else coverage
    status = status_of(entry, reading_of(figure), before, scope=scope, coverage=enough)
    return replace(figure, coverage=coverage, status=status)


def reading_of(figure: Figure) -> Reading:
    """What the next window's status has to know of this one."""
    entry = entry_of(figure.kpi)
    value = figure.value if entry.status_on == "value" or figure.value is None else figure.parts.get(entry.status_on)
    alarmed = figure.value is not None and not set(entry.bad_flags).isdisjoint(figure.flags)
    return Reading(figure.value if alarmed and value is None else value, figure.n, figure.status, alarmed)


def happened_in(figure: Figure, window: Window) -> Happened:
    """What a window adds to the events of its day (Rule.EVENTS)."""
    reading = reading_of(figure)
    coverage = 0.0 if figure.value is None and figure.coverage is not None else figure.coverage
    weight, least = reading.value or 0.0, 0.0
    if figure.kpi.startswith("stp_changes"):
        weight, least = figure.value or 0.0, reading.value or 0.0
    if reading.alarmed:
        least = ALARMED
    return Happened(window.start_utc, window.length_s, weight, least, coverage)


def link_flap_of(ports: Iterable[PortCounts], unanswered: NullReason = NullReason.NO_DATA) -> Figure:
    """The sum over ports that count: access ports do not. Figures of merit at the same time add. Of thousands of ports
    most are alike in what is asked for here."""
    alike: dict[tuple[object, ...], tuple[PortCounts, int]] = {}
    for counts in ports:
        known = counts.up_ms + counts.down_ms + counts.off_ms > 0
        key = (counts.transitions, counts.downs, counts.merit, counts.flapping, counts.flapped, counts.flags, known)
        alike[key] = counts, alike[key][1] + 1 if key in alike else 1
    flaps = (repeat(replace(figures.link_flap(counts, unanswered), n=1), n) for counts, n in alike.values())
    return _flaps_together(chain.from_iterable(flaps), unanswered)


def _flaps_together(flaps: Iterable[Figure], unanswered: NullReason = NullReason.NO_DATA) -> Figure:
    """``n`` is the number of ports, in those that are given as well."""
    each = list(flaps)
    known = [figure for figure in each if figure.value is not None]
    if not known:
        unsupported = each and all(figure.null_reason is NullReason.UNSUPPORTED for figure in each)
        return Figure("link_flap", None, NullReason.UNSUPPORTED if unsupported else unanswered)
    flags = {flag for figure in known for flag in figure.flags}
    return Figure(
        "link_flap",
        sum(figure.value for figure in known if figure.value is not None),
        n=sum(figure.n for figure in known),
        parts={name: sum(figure.parts[name] or 0 for figure in known) for name in ("downs", "merit")},
        flags=("flapping",) if "flapping" in flags else ("flapped",) if flags else (),
    )


def summary_to_plain(summary: Summary) -> dict[str, Any]:
    """JSON types for MQTT and the API, about 1 kB for a device over 5 minutes.

    ``{"entity", "window": {"start", "length_s"}, "revision", "final", "coverage", "figures": {name: {"v", "n",
    "status", companions...}}, "sketch": {name: [first, [counts]]}, "values": {name: [[value, count], ...]}}``;
    ``"v": null`` comes with ``"null": reason``; status ``none`` and empty flags are left off, and so is a figure's
    coverage where it is that of the whole.
    """
    plain: dict[str, Any] = {
        "entity": summary.entity,
        "window": {"start": summary.window.start_utc, "length_s": summary.window.length_s},
        "revision": summary.revision,
        "final": summary.final,
        "coverage": shortened(summary.coverage, DIGITS, 1),
        "figures": {figure.kpi: figure_to_plain(figure, summary.coverage) for figure in summary.figures},
    }
    if summary.coverage < PARTIAL_BELOW:
        plain["partial"] = True
    if summary.sketches:
        plain["sketch"] = {name: [first, list(counts)] for name, (first, counts) in summary.sketches.items()}
    if summary.values:
        plain["values"] = {name: [list(pair) for pair in counts] for name, counts in summary.values.items()}
    return plain


def figure_to_plain(figure: Figure, beside: float | None = None) -> dict[str, Any]:
    """One figure; companions stand beside the value, those that are not known are left off. ``beside``: the coverage of
    the summary it stands in; the figure's own is left off where it hardly differs. ``"partial": true`` where its
    own is below 0.9."""
    plain: dict[str, Any] = {"v": shortened(figure.value, DIGITS, _whole(entry_of(figure.kpi).unit)), "n": figure.n}
    if figure.null_reason is not None:
        plain["null"] = figure.null_reason.value
    if figure.status is not Status.NONE:
        plain["status"] = figure.status.value
    plain |= {name: shortened(value, DIGITS, _whole(name)) for name, value in figure.parts.items() if value is not None}
    if figure.flags:
        plain["flags"] = list(figure.flags)
    partial = figure.value is not None and figure.coverage is not None and figure.coverage < PARTIAL_BELOW
    if partial and figure.kpi != COVERAGE:
        plain["partial"] = True
    if figure.coverage is not None and beside is not None and abs(figure.coverage - beside) >= COVERAGE_TOLD:
        plain["coverage"] = shortened(figure.coverage, DIGITS, 1)
    return plain


def _availability(devices: Sequence[DeviceWindow]) -> Figure:
    """Of all devices whole. Their windows lie beside each other, so that only sums are merged."""
    whole = reduce(merge_states, (replace(d.states, open_ms=0) for d in devices), StateSeconds())
    worst = worst_of({d.device: figures.availability(d.states) for d in devices}, "value")
    return beside_worst(figures.availability(whole), "worst_pct", worst)


def _gear(device: DeviceWindow, unanswered: NullReason) -> list[Figure]:
    """What it tells beyond its ports; where it was never asked (no SNMP), nothing."""
    found: list[Figure] = []
    if device.gear is not None or device.restarts is not None:
        answered = device.restarts is not None and device.restarts.readings > 0
        found += gear_figures(device.gear, device.role, unanswered, answered=answered)
    used = port_used_pct(device.ports.values(), unanswered) if device.role is Role.SWITCH else None
    return found if used is None else [*found, used]


def _ports_used(devices: Iterable[DeviceWindow]) -> dict[str, Figure]:
    each = {d.device: port_used_pct(d.ports.values()) for d in devices if d.role is Role.SWITCH}
    return {device: figure for device, figure in each.items() if figure is not None}


def _because(figure: Figure, reason: NullReason) -> Figure:
    return replace(figure, null_reason=reason) if figure.null_reason is NullReason.NO_DATA else figure


def _sketches(echoes: Mapping[str, EchoCounts | None]) -> dict[str, tuple[int, tuple[int, ...]]]:
    return {name: echo.sketch.to_wire() for name, echo in echoes.items() if echo is not None and echo.sketch.counts}


def _wire(found: Mapping[str, ValueCounts]) -> dict[str, tuple[tuple[float, int], ...]]:
    return {name: values.to_wire() for name, values in found.items()}


def _whole(unit: str) -> float | None:
    """What shares are a share of: by a figure's unit, or by the name of a companion."""
    return 100 if unit == "%" or unit.endswith("_pct") else None
