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
from kpi.entry import SITE_WEIGHTS, Better, Scope, scope_of
from kpi.merge import DeviceWindow
from kpi.model import Figure, NullReason, Role, Status, Summary, Window
from kpi.port_counts import PortCounts
from kpi.reboots import RestartCounts, merge_restarts
from kpi.states import StateSeconds, merge_states, weighted_availability_pct
from kpi.status import PARTIAL_BELOW, Reading, read_on, status_of

History = Mapping[str, Sequence[Reading]]
"""By figure name, the windows of the same length before this one, oldest first."""
SITE = "site"
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
    coverage, scope = device.states.coverage, scope_of(device.role)
    return Summary(
        entity=device.device,
        window=window,
        revision=revision,
        final=final,
        coverage=coverage,
        figures=tuple(judged(figure, window, coverage=coverage, scope=scope, history=history) for figure in found),
        sketches=_sketches({"rtt_ms": device.echo}),
    )


def site_summary(
    devices: Iterable[DeviceWindow],
    network: StateSeconds | None,
    window: Window,
    *,
    revision: int = 0,
    final: bool = True,
    history: History | None = None,
    flaps: Mapping[str, Figure] | None = None,
) -> Summary:
    """The site over ``devices``, every expected one (one never seen is all unknown), internet targets among them.
    ``network``: the site's own state (network_changes), None where fewer than three internet targets are set up.
    ``flaps``: link_flap_of each device's ports, where the windows come without their ports."""
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
            worst = _worst({device: figure(echo) for device, echo in asked.items()}, on)
            total = figure(whole)
            if total.kpi == "jitter_ms":  # the distance between two devices is no variation: worst-of alone
                total = replace(total, value=worst[1]) if worst else figure(None)
            found.append(_worse(replace(total, kpi=f"{total.kpi}@{scope}"), part, worst))
    restarts = {d.device: d.restarts for d in own if d.restarts is not None}
    if restarts:
        total = figures.reboots(reduce(merge_restarts, restarts.values(), RestartCounts()))
        found.append(_worse(total, "worst", _worst({k: figures.reboots(r) for k, r in restarts.items()}, "value")))
    links = {d.device: link_flap_of(d.ports.values()) for d in own if d.ports}
    links |= {d.device: flaps[d.device] for d in own if flaps and d.device in flaps}
    if links:
        found.append(_worse(_flaps_together(links.values()), "worst", _worst(links, "value")))
    coverage = measured.value / 100 if measured.value is not None else 1.0
    return Summary(
        entity=SITE,
        window=window,
        revision=revision,
        final=final,
        coverage=coverage,
        figures=tuple(judged(figure, window, coverage=coverage, history=history) for figure in found),
        sketches=_sketches(sketches),
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
    """Of all devices together. Their windows lie beside each other, so that only sums are merged."""
    whole = reduce(merge_states, (replace(d.states, open_ms=0) for d in devices), StateSeconds())
    worst = _worst({d.device: figures.availability(d.states) for d in devices}, "value")
    return _worse(figures.availability(whole), "worst_pct", worst)


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


def _worst(each: Mapping[str, Figure], on: str) -> tuple[str, float] | None:
    """The device whose figure is worst, and how bad; None where none has a value."""
    values = {device: f.value if on == "value" else f.parts.get(on) for device, f in each.items()}
    known = [(value, device) for device, value in values.items() if value is not None]
    if not known:
        return None
    high = entry_of(next(iter(each.values())).kpi).better is Better.HIGH
    value, device = min(known) if high else max(known)
    return device, value


def _worse(figure: Figure, part: str, worst: tuple[str, float] | None) -> Figure:
    if worst is None:
        return figure
    device, value = worst
    return replace(figure, parts={**figure.parts, part: value}, flags=(*figure.flags, f"worst:{device}"))


def _because(figure: Figure, reason: NullReason) -> Figure:
    return replace(figure, null_reason=reason) if figure.null_reason is NullReason.NO_DATA else figure


def _sketches(echoes: Mapping[str, EchoCounts | None]) -> dict[str, tuple[int, tuple[int, ...]]]:
    return {name: echo.sketch.to_wire() for name, echo in echoes.items() if echo is not None and echo.sketch.counts}


def _short(value: float | None) -> float | int | None:
    """Six significant digits, whole numbers in full."""
    if value is None:
        return None
    if value == int(value):
        return int(value)
    return float(f"{value:.6g}")
