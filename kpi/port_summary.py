"""The ports of a device over one window as JSON, by columns: 48 ports in less than 6.5 kB."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from kpi import figures
from kpi.coverage import port_coverage
from kpi.merge import merge_port_maps
from kpi.model import Figure, NullReason, Status, Window
from kpi.planned import INCL_MAINT, with_incl_maint
from kpi.port_counts import PortCounts
from kpi.shortened import shortened
from kpi.status import PARTIAL_BELOW
from kpi.summary import COVERAGE_TOLD, History, judged

PLAIN_VERSION = 1
P95_PARTIAL = "p95_partial"
"""The flag of a p95_rate_bps of fewer than 90 % of the bins."""
DIGITS = 4
"""Significant digits that are published."""
_COMPANIONS = {
    "if_in_bps": ("max_bps", "octets", "seconds", "gap_octets", "gap_s", INCL_MAINT),
    "if_out_bps": ("max_bps", "octets", "seconds", "gap_octets", "gap_s", INCL_MAINT),
    "if_util_pct": ("p95_pct", "speed_bps", INCL_MAINT),
    "p95_rate_bps": ("bins", INCL_MAINT),
    "if_error_pct": (INCL_MAINT,),
    "if_discard_pct": (INCL_MAINT,),
    "link_flap": ("downs", "merit", INCL_MAINT),
}
"""Which companions travel; the rest is to be had from the API."""


def port_figures(
    ports: Mapping[str, PortCounts],
    window: Window,
    *,
    due_ms: float | None = None,
    history: Mapping[str, History] | None = None,
    unanswered: NullReason = NullReason.NO_DATA,
    planned: Mapping[str, PortCounts] | None = None,
) -> dict[str, tuple[Figure, ...]]:
    """All figures of all ports, with their status where windows of this length have one; ``history`` by port,
    ``due_ms`` the part of the window that is no planned work (all of it by default), ``planned`` what fell into it."""
    past, due = history or {}, 1000 * window.length_s if due_ms is None else due_ms
    whole = merge_port_maps(ports, planned) if planned else {}
    found = {}
    for key in whole or ports:
        counts = ports.get(key, PortCounts())
        each: Sequence[Figure] = figures.port_figures(counts, unanswered)
        if whole:
            each = with_incl_maint(each, figures.port_figures(whole[key], unanswered))
        found[key] = tuple(
            _partial(judged(one, window, coverage=port_coverage(counts, one, due), history=past.get(key)))
            for one in each
        )
    return found


def _partial(figure: Figure) -> Figure:
    """A bill is no place for an estimate: a p95 of which more than a tenth of the bins are missing says so."""
    if figure.kpi != "p95_rate_bps" or figure.value is None or (figure.coverage or 0.0) >= PARTIAL_BELOW:
        return figure
    return replace(figure, flags=(*figure.flags, P95_PARTIAL))


def ports_to_plain(ports: Mapping[str, Sequence[Figure]]) -> dict[str, Any]:
    """Arrays a column, one place a port in the order of ``"port"``.

    A figure's column has its name, a companion's ``figure.companion``. ``figure.n`` is left off where it is that of the
    figure before, ``figure.coverage`` where no port with a value is below 0.95. A column that is null throughout is
    left off, and so is a companion's that is 0 or not known throughout; one that is the same throughout is a single
    value.
    ``"null"``: {figure: {reason: [places]}}, ``"status"``: {figure: {status: [places]}} (none is left off),
    ``"partial"``: {figure: [places]} with a coverage below 0.9, ``"flags"``: {flag: [places]}.
    """
    rows = [{figure.kpi: figure for figure in found} for found in ports.values()]
    plain: dict[str, Any] = {"v": PLAIN_VERSION, "port": list(ports)}
    told: list[float | None] = []
    for kpi, companions in _COMPANIONS.items():
        column = [row[kpi] for row in rows if kpi in row]
        if len(column) != len(rows):
            continue
        _put(plain, kpi, [figure.value for figure in column])
        for name in companions:
            _put(plain, f"{kpi}.{name}", [figure.parts.get(name) for figure in column])
        counted: list[float | None] = [figure.n for figure in column]
        if counted != told:
            _put(plain, f"{kpi}.n", counted)
        told = counted
        known = [figure.coverage if figure.value is not None else None for figure in column]
        if any(share is not None and share < 1 - COVERAGE_TOLD for share in known):
            _put(plain, f"{kpi}.coverage", known, 1)
        if partial := [i for i, share in enumerate(known) if share is not None and share < PARTIAL_BELOW]:
            plain.setdefault("partial", {})[kpi] = partial
        _mark(plain, "null", kpi, [f.null_reason.value if f.null_reason else None for f in column])
        _mark(plain, "status", kpi, [f.status.value if f.status is not Status.NONE else None for f in column])
    flags: dict[str, list[int]] = {}
    for place, row in enumerate(rows):
        for flag in sorted({flag for figure in row.values() for flag in figure.flags}):
            flags.setdefault(flag, []).append(place)
    return {**plain, "flags": flags} if flags else plain


def _put(plain: dict[str, Any], name: str, column: list[float | None], whole: float | None = None) -> None:
    whole = 100 if name.endswith("_pct") else whole
    short = [shortened(value, DIGITS, whole) for value in column]
    if not any(short) if "." in name else all(value is None for value in short):
        return
    plain[name] = short[0] if len(short) > 1 and short.count(short[0]) == len(short) else short


def _mark(plain: dict[str, Any], what: str, kpi: str, column: list[str | None]) -> None:
    places: dict[str, list[int]] = {}
    for place, mark in enumerate(column):
        if mark is not None:
            places.setdefault(mark, []).append(place)
    if places:
        plain.setdefault(what, {})[kpi] = places
