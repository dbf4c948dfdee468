"""The catalogue: the one source of what every KPI is called, means, is made of and is good for.

API, page, contract, command line and kpi/README.md are generated from it.
"""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from kpi.entries_fabric import FABRIC_ENTRIES
from kpi.entries_gear import GEAR_ENTRIES
from kpi.entries_path import PATH_ENTRIES
from kpi.entries_ports import PORT_ENTRIES
from kpi.entries_wireless import WIRELESS_ENTRIES
from kpi.entry import Kpi, Scope
from kpi.planned import INCL_MAINT

_ENTRIES = (*PATH_ENTRIES, *PORT_ENTRIES, *WIRELESS_ENTRIES, *GEAR_ENTRIES, *FABRIC_ENTRIES)
_WITHOUT_PLANNED_WORK = frozenset({"monitoring_coverage_pct"})
"""What was planned is no part of them (kpi/README.md R3): they have no raw value beside."""


def _whole(entry: Kpi) -> Kpi:
    return entry if entry.id in _WITHOUT_PLANNED_WORK else replace(entry, parts=(*entry.parts, INCL_MAINT))


CATALOGUE: Mapping[str, Kpi] = MappingProxyType({entry.id: _whole(entry) for entry in _ENTRIES})
"""By id, in the order in which people read them."""


def entry_of(figure: str) -> Kpi:
    """The entry of a figure's name: ``rtt_ms``, or ``rtt_ms@wan`` in figures of a site that come by scope. KeyError
    for a name that is not in the catalogue."""
    return CATALOGUE[figure.partition("@")[0]]


def scope_in(figure: str) -> Scope | None:
    """The scope in a figure's name, None where it has none."""
    scope = figure.partition("@")[2]
    return Scope(scope) if scope else None
