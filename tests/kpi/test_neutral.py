"""What counts begin with, and what they add up to: no field of a window is left out, doubled or begins above nothing."""

import importlib
import pkgutil
from dataclasses import MISSING, fields, is_dataclass, replace
from typing import Any

import pytest

import kpi
from kpi.echo import EchoCounts, beside_echo, merge_echo
from kpi.fabric_counts import (
    DuplexCounts,
    FabricCounts,
    NeighbourCounts,
    SessionCounts,
    StpCounts,
    added,
    merge_duplex,
    merge_fabric,
)
from kpi.gear_counts import GearCounts, Level, Mark, Topic, merge_gear, merge_level
from kpi.model import Figure, Sample, Window
from kpi.planned import Halves, halves_from_plain, halves_to_plain, merge_halves, reach_of, read_halves, together
from kpi.port_counts import Absent, PortCounts, merge_ports
from kpi.power import Said, Supply
from kpi.reboots import RestartCounts, merge_restarts
from kpi.sketch import Sketch
from kpi.states import StateSeconds, merge_states
from kpi.status import Happened, Reading
from kpi.topology import End, Link

COUNTS = (
    EchoCounts, StateSeconds, RestartCounts, PortCounts, StpCounts, NeighbourCounts, SessionCounts, DuplexCounts,
    FabricCounts, GearCounts, Level, Sketch, Supply,
)  # fmt: skip
NO_ZERO: dict[tuple[str, str], object] = {("PortCounts", "absent"): 255, ("PortCounts", "speed_bps"): None}
"""Of a port of which nothing is known, every object is absent, and so is the speed."""


@pytest.mark.parametrize("counts", COUNTS, ids=lambda kind: kind.__name__)
def test_a_window_of_nothing_has_nothing_in_any_of_its_fields(counts: type[Any]) -> None:
    empty = counts()
    for field in fields(counts):
        assert field.default is not MISSING or field.default_factory is not MISSING, field.name
        value = getattr(empty, field.name)
        wanted = NO_ZERO.get((counts.__name__, field.name), value if hasattr(value, "__slots__") and not value else 0)
        if value is not None and not isinstance(value, int | float):
            assert not value or value == type(value)(), field.name
        elif (counts.__name__, field.name) in NO_ZERO or value is not None:
            assert value == wanted, field.name


def test_what_a_single_measurement_says_by_default() -> None:
    assert (Sample("t", "echo", "", 0.0, 1.0, None).number) == 0  # type: ignore[arg-type]
    assert Figure("rtt_ms", 1.0).n == Reading(1.0).n == 0
    assert Figure("rtt_ms", 1.0).coverage == Happened(0, 300, 1.0).coverage == 1.0
    assert Happened(0, 300, 1.0).least == 0.0
    assert not Reading(1.0).alarmed
    assert Said() == Said(None, 0, 0, told=True, refused=None, by_uptime=True)


MODULES = [importlib.import_module(f"kpi.{found.name}") for found in pkgutil.iter_modules(kpi.__path__)]
OWN = {
    c for module in MODULES for c in vars(module).values() if isinstance(c, type) and c.__module__ == module.__name__
}
CHANGING = {"FigureOfMerit", "_Suspicion", "_Held", "_Link", "_Open", "OpenSessions"}
"""What is measured in them goes on; everything else is a value."""


@pytest.mark.parametrize("kind", sorted(filter(is_dataclass, OWN), key=str), ids=lambda kind: kind.__name__)
def test_what_is_passed_on_cannot_be_changed_and_takes_little_room(kind: type[Any]) -> None:
    assert "__dict__" not in dir(object.__new__(kind))
    assert kind.__dataclass_params__.frozen is (kind.__name__ not in CHANGING)


def test_windows_and_links_have_an_order() -> None:
    assert Window(1, 300) < Window(1, 600) < Window(2, 300)
    assert End("a", "z") < End("b", "a")
    assert Link(End("a", "1"), End("b", "1"), "cdp", confirmed=True) < Link(
        End("a", "2"), End("b", "1"), "cdp", confirmed=True
    )


A, B = 7, 9
"""Bits in common and bits of their own: their sum is no or, no difference and neither of the two."""
PLAIN_SUMS = [
    (StateSeconds, merge_states, {"open_ms"}),
    (RestartCounts, merge_restarts, set()),
    (PortCounts, merge_ports, {"in_max_bps", "out_max_bps", "merit", "absent", "speed_bps"}),
    (GearCounts, merge_gear, {"have", "marks"}),
    (StpCounts, added, set()),
    (NeighbourCounts, added, set()),
    (SessionCounts, added, set()),
    (EchoCounts, merge_echo, {"longest_run", "leading_run", "trailing_run"}),
    (EchoCounts, beside_echo, {"longest_run", "leading_run", "trailing_run"}),
]


@pytest.mark.parametrize(("counts", "merge", "others"), PLAIN_SUMS, ids=lambda one: getattr(one, "__name__", ""))
def test_every_number_of_two_windows_is_added(counts: type[Any], merge: Any, others: set[str]) -> None:
    names = [f.name for f in fields(counts) if type(getattr(counts(), f.name)) is int and f.name not in others]
    fixed = {"speed_bps": 1} if counts is PortCounts else {}
    for name in names:
        merged = merge(counts(**{name: A}, **fixed), counts(**{name: B}, **fixed))
        assert getattr(merged, name) == A + B, name
        rest = [other for other in names if other != name and getattr(merged, other) != 0]
        assert rest == [], f"{name} also fills {rest}"


def test_what_does_not_add_up_is_the_later_the_greater_or_either() -> None:
    a = PortCounts(in_max_bps=5, out_max_bps=3, merit=9, flapped=True, speed_bps=10, absent=0b110, flags=("uptime",))
    b = PortCounts(in_max_bps=2, out_max_bps=8, merit=4, flapping=True, speed_bps=20, absent=0b011, flags=("access",))
    for one, other in ((a, b), (b, a)):
        both = merge_ports(one, other)
        assert (both.in_max_bps, both.out_max_bps, both.flapped, both.absent) == (5, 8, True, 0b010)
        assert both.flags == ("access", "uptime")
        assert (both.merit, both.flapping, both.speed_bps) == (other.merit, other.flapping, other.speed_bps)
    assert merge_ports(a, replace(b, flags=("uptime",))).flags == ("uptime",)
    known = merge_ports(replace(a, physical=True), b)
    assert (known.physical, merge_ports(b, replace(a, physical=True)).physical) == (False, True)


def test_reasons_and_bins_of_both_windows_are_kept_in_order() -> None:
    a = PortCounts(speed_bps=1, refused=(("reset", 2), ("width", 1)), bins=((1, 2, 3),))
    b = PortCounts(speed_bps=1, refused=(("absent", 3), ("reset", 3)), bins=((4, 5, 6),))
    both = merge_ports(a, b)
    assert both.refused == (("absent", 3), ("reset", 5), ("width", 1))
    assert both.bins == ((1, 2, 3), (4, 5, 6))
    gear = merge_gear(GearCounts(refused=a.refused), GearCounts(refused=b.refused))
    assert gear.refused == both.refused
    echoes = merge_echo(EchoCounts(lost_by=a.refused, faults_by=b.refused), EchoCounts(lost_by=b.refused))
    assert (echoes.lost_by, echoes.faults_by, echoes.faults) == (both.refused, b.refused, 6)


def test_an_outage_that_is_open_is_that_of_the_later_window_which_has_any_time() -> None:
    early = StateSeconds(down_ms=5, open_ms=5)
    assert merge_states(early, StateSeconds(up_ms=5)).open_ms == 0
    assert merge_states(early, StateSeconds(maintenance_ms=5, open_ms=7)).open_ms == 7
    assert merge_states(early, StateSeconds(maintenance_ms=5)).open_ms == 0
    assert merge_states(early, StateSeconds()).open_ms == 5


def test_levels_keep_both_extremes_and_both_times() -> None:
    assert merge_level(Level(7, 9, -5, 20, 7), Level(9, 7, -6, 10, 9)) == Level(16, 16, -6, 20, 16)
    assert merge_level(Level(1, 1, 1, 2, 1), Level(1, 1, 5, 9, 1)) == Level(2, 2, 1, 9, 2)
    both = merge_gear(
        GearCounts(levels={"cpu": Level(7, 9, 1, 2, 7)}, links={"a": (7, 9)}, have=5, marks=9),
        GearCounts(
            levels={"cpu": Level(9, 7, 3, 4, 9), "noise": Level(1, 1)}, links={"a": (9, 7), "b": (1, 1)}, have=6
        ),
    )
    assert both.levels == {"cpu": Level(16, 16, 1, 4, 16), "noise": Level(1, 1)}
    assert both.links == {"a": (16, 16), "b": (1, 1)}
    assert (both.have, both.marks) == (7, 9)


def test_facts_of_two_windows() -> None:
    a = FabricCounts(
        StpCounts(A), None, DuplexCounts(A, B, {"1": 2, "2": 1}), {"n": SessionCounts(A)}, {}, {"stp": A}, A
    )
    b = FabricCounts(None, NeighbourCounts(B), DuplexCounts(B, A, {"1": 1, "3": 1}), {"n": SessionCounts(B)},
                     {"p": SessionCounts(1)}, {"stp": B, "neighbours": 1}, B)  # fmt: skip
    both = merge_fabric(a, b)
    assert (both.stp, both.neighbours) == (StpCounts(A), NeighbourCounts(B))
    assert both.duplex == DuplexCounts(A + B, A + B, {"1": 2, "2": 1, "3": 1})
    assert (both.ospf, both.bgp) == ({"n": SessionCounts(A + B)}, {"p": SessionCounts(1)})
    assert (both.known_ms, both.odd_clock) == ({"stp": A + B, "neighbours": 1}, A + B)
    assert merge_duplex(None, a.duplex) == merge_duplex(a.duplex, None) == a.duplex
    named = both.named("x")
    assert (named.ospf, named.bgp) == ({"x/n": SessionCounts(A + B)}, {"x/p": SessionCounts(1)})
    assert named.duplex == DuplexCounts(A + B, A + B, {"x/1": 2, "x/2": 1, "x/3": 1})


NOTHING: Halves[int] = Halves()
HALVES = [NOTHING, Halves(3), Halves(None, 5), Halves(3, 5)]


@pytest.mark.parametrize("halves", HALVES, ids=str)
def test_a_half_that_is_not_there_stays_so(halves: Halves[int]) -> None:
    doubled = halves.each(lambda n: 2 * n)
    assert (doubled.counted, doubled.planned) == tuple(
        None if n is None else 2 * n for n in (halves.counted, halves.planned)
    )
    for other in HALVES:
        both = merge_halves(lambda a, b: a - b, halves, other)
        for name in ("counted", "planned"):
            a, b = getattr(halves, name), getattr(other, name)
            assert getattr(both, name) == (a - b if a is not None and b is not None else b if a is None else a)
    counted, planned = halves.counted, halves.planned
    whole = counted - planned if counted and planned else counted or planned
    assert together(lambda a, b: a - b, halves) == whole
    for reach_s in (0, 400):
        plain = halves_to_plain(halves, reach_s)
        assert halves_from_plain(plain) == halves
        if halves == NOTHING:
            with pytest.raises(ValueError, match="holds nothing"):
                read_halves(lambda n: n + 1, plain)
        else:
            assert read_halves(lambda n: n + 1, plain) == halves.each(lambda n: n + 1)
        assert reach_of(plain) == (reach_s if halves != NOTHING else 0)
    assert reach_of(7) == reach_of({"reach_s": "far", "counted": 1}) == 0


def test_bits_that_are_stored_stay_what_they_are() -> None:
    """They stand in the database and in messages: a bit with another meaning would rewrite what was measured."""
    assert [f.name for f in Topic] == [
        "CLIENTS", "SIGNAL", "SNR", "LINK", "CHANNEL", "NOISE", "RETRY", "APS", "LINE_FAILURES", "BATTERY",
        "BATTERY_SECONDS", "RUNTIME", "POE", "COOLING", "RESOURCES",
    ]  # fmt: skip
    assert [f.name for f in Mark] == ["BATTERY_LOW", "SELF_TEST", "UNIT", "FAN_STOPPED", "UPTIME"]
    assert [f.name for f in Absent] == [
        "IN_OCTETS", "OUT_OCTETS", "IN_PACKETS", "OUT_PACKETS", "IN_ERRORS", "OUT_ERRORS", "IN_DISCARDS", "OUT_DISCARDS",
    ]  # fmt: skip
    for kind in (Topic, Mark, Absent):
        assert [int(flag) for flag in kind] == [1 << place for place in range(len(kind))]
    assert (Topic.NONE, Mark.NONE, Absent.NONE, Absent.ALL) == (0, 0, 0, 255)
