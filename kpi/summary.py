"""Summaries: the figures of a device or of the site over one window, and their form as JSON.

A site's figures are sums over its devices plus the worst of them (KPI.md R9); what is measured on the site's own
network and what over the line come apart, as ``rtt_ms@lan`` and ``rtt_ms@wan``.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import reduce
from typing import Any

from kpi import figures
from kpi.catalogue import entry_of, scope_in
from kpi.echo import EchoCounts, merge_echo
from kpi.entities import SITE
from kpi.entry import SITE_WEIGHTS, Scope, scope_of
from kpi.fabric_figures import fabric_figures, sessions_known_s, site_fabric
from kpi.gear_counts import GearCounts
from kpi.gear_figures import gear_figures, known_s, port_used_pct, signal_sketches
from kpi.gear_site import gear_site_figures, site_ports_used, site_sketches
from kpi.merge import DeviceWindow
from kpi.model import Figure, NullReason, Role, Status, Summary, Window
from kpi.port_counts import PortCounts
from kpi.reboots import RestartCounts, merge_restarts
from kpi.sketch import Sketch
from kpi.states import StateSeconds, merge_states, weighted_availability_pct
from kpi.status import NO_STATUS_BELOW, PARTIAL_BELOW, Reading, read_on, status_of
from kpi.worst import beside_worst, worst_of

History = Mapping[str, Sequence[Reading]]
"""By figure name, the windows of the same length before this one, oldest first."""
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
    found = [figures.availability(device.states)]
    if device.echo is not None:
        found += [figure(device.echo) for figure, _, _ in _ECHO_FIGURES]
    if device.restarts is not None:
        found.append(_because(figures.reboots(device.restarts), unanswered))
    if device.ports:
        found.append(link_flap_of(device.ports.values(), unanswered))
    if device.fabric is not None:
        found += fabric_figures(device.fabric, unanswered)
    found += _gear(device, unanswered)
    coverage, scope = device.states.coverage, scope_of(device.role)
    return Summary(
        entity=device.device,
        window=window,
        revision=revision,
        final=final,
        coverage=coverage,
        figures=tuple(
            judged(figure, window, coverage=_known(device, figure.kpi), scope=scope, history=history)
            for figure in found
        ),
        sketches=_sketches({"rtt_ms": device.echo}) | _wire(signal_sketches(device.gear)),
    )


def own_summary(entity: str, gear: GearCounts, window: Window, *, history: History | None = None) -> Summary:
    """The probe's own radio, which is no device: it has figures and no state."""
    coverage = min(1.0, gear.polls * OWN_PERIOD_S / window.length_s)
    found = []
    for figure in gear_figures(gear, Role.ENDPOINT):
        known = known_s(gear, figure.kpi)
        share = coverage if known is None else min(coverage, known / window.length_s)
        found.append(judged(figure, window, coverage=share, history=history))
    return Summary(
        entity=entity,
        window=window,
        revision=0,
        final=True,
        coverage=coverage,
        figures=tuple(found),
        sketches=_wire(signal_sketches(gear)),
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
) -> Summary:
    """The site over ``devices``, every expected one (one never seen is all unknown), internet targets among them.
    ``network``: the site's own state (network_changes), None where fewer than three internet targets are set up;
    ``clients``: the site's wireless clients (site_clients), folded over the window; ``flaps`` and ``used``:
    link_flap_of and port_used_pct of each device's ports, where the windows come without their ports."""
    everything = list(devices)
    own = [d for d in everything if d.role is not Role.INTERNET]
    weighted = weighted_availability_pct((SITE_WEIGHTS[d.role], d.states) for d in own)
    measured = figures.coverage_pct([d.states for d in own])
    found = [figures.network_uptime_pct(network, weighted), measured, _availability(own)]
    sketches: dict[str, EchoCounts | None] = {}
    for scope in (Scope.LAN, Scope.WAN):
        asked = {d.device: d.echo for d in everything if d.echo is not None and scope_of(d.role) is scope}
        if not asked:
            continue  # what a site does not have is not shown
        whole = reduce(_beside, asked.values(), EchoCounts())
        sketches[f"rtt_ms@{scope}"] = whole
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
    links = {d.device: link_flap_of(d.ports.values()) for d in own if d.ports} | dict(flaps or {})
    if links:
        found.append(beside_worst(_flaps_together(links.values()), "worst", worst_of(links, "value")))
    found += site_fabric({d.device: d.fabric for d in own if d.fabric is not None})
    ports = site_ports_used({**_ports_used(own), **(used or {})})
    found += [*gear_site_figures(own, clients), *([ports] if ports is not None else [])]
    coverage = measured.value / 100 if measured.value is not None else 1.0
    return Summary(
        entity=SITE,
        window=window,
        revision=revision,
        final=final,
        coverage=coverage,
        figures=tuple(judged(figure, window, coverage=coverage, history=history) for figure in found),
        sketches=_sketches(sketches) | _wire(site_sketches(own)),
    )


def judged(
    figure: Figure,
    window: Window,
    *,
    coverage: float = 1.0,
    scope: Scope = Scope.ANY,
    history: History | None = None,
) -> Figure:
    """The figure with its status, where windows of this length have one."""
    entry = entry_of(figure.kpi)
    if not read_on(entry, window.length_s):
        return figure
    before = (history or {}).get(figure.kpi, ())
    scope = scope_in(figure.kpi) or scope
    if coverage >= NO_STATUS_BELOW and not set(entry.bad_flags).isdisjoint(figure.flags):
        return replace(figure, status=Status.BAD)
    return replace(figure, status=status_of(entry, reading_of(figure), before, scope=scope, coverage=coverage))


def reading_of(figure: Figure) -> Reading:
    """What the next window's status has to know of this one."""
    on = entry_of(figure.kpi).status_on
    value = figure.value if on == "value" or figure.value is None else figure.parts.get(on)
    return Reading(value, figure.n, figure.status)


def link_flap_of(ports: Iterable[PortCounts], unanswered: NullReason = NullReason.NO_DATA) -> Figure:
    """The sum over ports that count: access ports do not. Figures of merit at the same time add."""
    return _flaps_together((replace(figures.link_flap(counts, unanswered), n=1) for counts in ports), unanswered)


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
    "status", companions...}}, "sketch": {name: [first, [counts]]}}``; ``"v": null`` comes with ``"null": reason``;
    status ``none`` and empty flags are left off.
    """
    plain: dict[str, Any] = {
        "entity": summary.entity,
        "window": {"start": summary.window.start_utc, "length_s": summary.window.length_s},
        "revision": summary.revision,
        "final": summary.final,
        "coverage": _short(summary.coverage),
        "figures": {figure.kpi: figure_to_plain(figure) for figure in summary.figures},
    }
    if summary.coverage < PARTIAL_BELOW:
        plain["partial"] = True
    if summary.sketches:
        plain["sketch"] = {name: [first, list(counts)] for name, (first, counts) in summary.sketches.items()}
    return plain


def figure_to_plain(figure: Figure) -> dict[str, Any]:
    """One figure; companions stand beside the value, those that are not known are left off."""
    plain: dict[str, Any] = {"v": _short(figure.value), "n": figure.n}
    if figure.null_reason is not None:
        plain["null"] = figure.null_reason.value
    if figure.status is not Status.NONE:
        plain["status"] = figure.status.value
    plain |= {name: _short(value) for name, value in figure.parts.items() if value is not None}
    if figure.flags:
        plain["flags"] = list(figure.flags)
    return plain


def _availability(devices: Sequence[DeviceWindow]) -> Figure:
    """Of all devices whole. Their windows lie beside each other, so that only sums are merged."""
    whole = reduce(merge_states, (replace(d.states, open_ms=0) for d in devices), StateSeconds())
    worst = worst_of({d.device: figures.availability(d.states) for d in devices}, "value")
    return beside_worst(figures.availability(whole), "worst_pct", worst)


def _beside(a: EchoCounts, b: EchoCounts) -> EchoCounts:
    """Echoes of two targets: nothing goes on from the one to the other, neither runs of losses nor D nor J."""
    merged = merge_echo(replace(a, last_answered=None), replace(b, first_answered=None))
    return replace(
        merged,
        longest_run=max(a.longest_run, b.longest_run),
        leading_run=0,
        trailing_run=0,
        j_ns=None,
        first_answered=None,
        last_answered=None,
    )


def _gear(device: DeviceWindow, unanswered: NullReason) -> list[Figure]:
    """What it tells beyond its ports; where it was never asked (no SNMP), nothing."""
    found: list[Figure] = []
    if device.gear is not None or device.restarts is not None:
        answered = device.restarts is not None and device.restarts.readings > 0
        found += gear_figures(device.gear, device.role, unanswered, answered=answered)
    used = port_used_pct(device.ports.values(), unanswered) if device.role is Role.SWITCH else None
    return found if used is None else [*found, used]


def _known(device: DeviceWindow, kpi: str) -> float:
    """How much of the window a figure is known for, 0..1: the device's share, or less where its level was not read."""
    coverage, expected_ms = device.states.coverage, device.states.expected_ms
    known = known_s(device.gear, kpi) if device.gear is not None else None
    if device.fabric is not None and known is None:
        known = sessions_known_s(device.fabric, kpi)
    return coverage if known is None or not expected_ms else min(coverage, 1000 * known / expected_ms)


def _ports_used(devices: Iterable[DeviceWindow]) -> dict[str, Figure]:
    each = {d.device: port_used_pct(d.ports.values()) for d in devices if d.role is Role.SWITCH}
    return {device: figure for device, figure in each.items() if figure is not None}


def _because(figure: Figure, reason: NullReason) -> Figure:
    return replace(figure, null_reason=reason) if figure.null_reason is NullReason.NO_DATA else figure


def _sketches(echoes: Mapping[str, EchoCounts | None]) -> dict[str, tuple[int, tuple[int, ...]]]:
    return {name: echo.sketch.to_wire() for name, echo in echoes.items() if echo is not None and echo.sketch.counts}


def _wire(sketches: Mapping[str, Sketch]) -> dict[str, tuple[int, tuple[int, ...]]]:
    return {name: sketch.to_wire() for name, sketch in sketches.items()}


def _short(value: float | None) -> float | int | None:
    """Six significant digits, whole numbers in full."""
    if value is None:
        return None
    if value == int(value):
        return int(value)
    return float(f"{value:.6g}")
