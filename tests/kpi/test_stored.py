"""Of everything that is read back from the store: any JSON value gives the object or ValueError, and of whatever was
read, merging, figures, statuses, rounding and writing give values and never throw."""

import contextlib
import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.statuses import Statuses
from kpi import figures
from kpi.coverage import port_coverage
from kpi.echo import EchoCounts, beside_echo, merge_echo, merge_echo_halves
from kpi.fabric import FabricMemory
from kpi.fabric_counts import DuplexCounts, FabricCounts, NeighbourCounts, SessionCounts, StpCounts, merge_fabric
from kpi.gear_accumulator import GearMemory
from kpi.gear_counts import GearCounts, Level, merge_gear
from kpi.links import Links
from kpi.merge import DeviceWindow, merge_device, merge_port_maps
from kpi.model import Figure, PortCounters, Role, Summary, Window
from kpi.planned import Halves, halves_from_plain, halves_to_plain, merge_halves, reach_of, read_halves
from kpi.port_counts import (
    PortCounts,
    billed_ports,
    bins_of,
    merge_ports,
    plain_without_bins,
    ports_window_from_plain,
    ports_window_to_plain,
    with_bins,
)
from kpi.port_summary import port_figures, ports_to_plain
from kpi.ports import LastReading
from kpi.power import Supply
from kpi.reboots import Restart, RestartCounts, all_restarts, merge_restarts, split_restarts
from kpi.sessions import Seen
from kpi.sketch import Sketch
from kpi.states import StateSeconds, merge_states
from kpi.stored import MOST
from kpi.summary import device_summary, own_summary, site_summary, summary_to_plain
from kpi.value_counts import ValueCounts
from tests.kpi.test_totality import PORTS

ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.sampled_from([math.nan, math.inf, -math.inf, 1e308, -1e-308, 0.5, MOST, MOST + 1, -MOST, 10**400, -(10**400)]),
    st.integers(),
    st.floats(),
    st.text(max_size=3),
    st.sampled_from(["", "v", "good", "\ud800", "300"]),
)
JSON = st.recursive(
    ODD,
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=12,
)
FEW = st.integers(0, 300)
NAME = st.sampled_from(["a", "b", "ge0"])
REASONS = st.dictionaries(NAME, st.integers(1, 9), max_size=2).map(lambda some: tuple(sorted(some.items())))


@st.composite
def echoes(draw: st.DrawFn) -> EchoCounts:
    rtts = draw(st.lists(st.floats(0.0, 2000.0), max_size=5))
    ns = [round(rtt * 1e6) for rtt in rtts]
    lost = draw(st.integers(0, 5))
    return EchoCounts(
        sent=len(rtts) + lost, lost=lost, longest_run=lost, trailing_run=lost, lost_by=draw(REASONS), skipped=draw(FEW),
        faults_by=draw(REASONS), sum_ns=sum(ns), min_ns=min(ns, default=None), max_ns=max(ns, default=None),
        n_d=max(len(ns) - 1, 0), abs_d_ns=draw(FEW), j_ns=7 if ns else None, first_answered=(1, ns[0]) if ns else None,
        last_answered=(len(ns), ns[-1]) if ns else None, sketch=Sketch.of(rtts),
    )  # fmt: skip


@st.composite
def gear(draw: st.DrawFn) -> GearCounts:
    levels = {}
    for name in draw(st.sets(st.sampled_from(
        ["clients", "busiest", "channel", "other", "channel_top", "noise", "noise_top", "aps", "aps_known", "aps_alone",
         "runtime", "charge", "load", "on_battery", "poe_nominal", "poe_used", "margin", "hottest", "inlet", "cpu",
         "memory", "storage", "link", "told_signal", "told_line"]
    ))):  # fmt: skip
        low, spread, ms = draw(st.integers(-9000, 9000)), draw(FEW), draw(FEW)
        levels[name] = Level(draw(FEW), ms, low, low + spread, low * ms + draw(st.integers(0, spread * ms)))
    numbers = {name: draw(FEW) for name in ("polls", "weak", "frames", "retried", "tried", "failed", "supply_reads")}
    values = st.lists(st.integers(-110, -1), max_size=4).map(ValueCounts.of)
    return GearCounts(
        **numbers, have=draw(st.integers(0, 2**15 - 1)), marks=draw(st.integers(0, 31)), levels=levels,
        signal=draw(values), snr=draw(values), links=draw(st.dictionaries(NAME, st.tuples(FEW, st.integers(-9, 9)))),
        refused=draw(REASONS),
    )  # fmt: skip


SESSIONS = st.dictionaries(NAME, st.builds(SessionCounts, FEW, FEW, FEW, FEW, FEW, FEW), max_size=2)
FABRIC = st.builds(
    FabricCounts,
    stp=st.none() | st.builds(StpCounts, FEW, FEW, FEW, FEW, FEW),
    neighbours=st.none() | st.builds(NeighbourCounts, *[FEW] * 7),
    duplex=st.none() | st.builds(DuplexCounts, FEW, FEW, st.dictionaries(NAME, st.integers(1, 2))),
    ospf=SESSIONS,
    bgp=SESSIONS,
    known_ms=st.dictionaries(st.sampled_from(["stp", "neighbours"]), FEW),
    odd_clock=FEW,
)
STATES = st.builds(StateSeconds, *[FEW] * 11)
RESTARTS = st.builds(
    RestartCounts,
    FEW,
    FEW,
    FEW,
    FEW,
    st.lists(st.tuples(st.floats(-9, 300), st.sampled_from(list(Restart))), max_size=3).map(tuple),
)
SAFE_PORTS = st.builds(
    PortCounts, polls=FEW, in_octets=FEW, in_ms=FEW, out_octets=FEW, out_ms=FEW, in_packets=FEW, out_packets=FEW,
    in_errors=FEW, out_discards=FEW, transitions=FEW, up_ms=FEW, merit=FEW, speed_bps=st.sampled_from([0, 10**9]),
    absent=st.integers(0, 255), refused=REASONS, flags=st.sets(st.sampled_from(["billed", "access"])).map(tuple),
    bins=st.lists(st.tuples(st.integers(-1, 9), FEW, FEW), max_size=2).map(tuple), flapping=st.booleans(),
)  # fmt: skip
WINDOWS_OF_PORTS = st.dictionaries(NAME, SAFE_PORTS, max_size=3).map(ports_window_to_plain)
SEEN = [12.5, None, "full", True, 3, None, None, None]
FABRIC_MEMORY = {
    "v": 1, "stp": [-3.0, 9, "00:00:5e:00:53:01", 4, None], "neighbours": [["lldp", "1", "sw", "2", "c", "", "", "", ""]],
    "bgp": {"192.0.2.1": SEEN}, "ospf": {"a": SEEN[:3]},
}  # fmt: skip
GEAR_MEMORY = {
    "v": 1, "topics": [[1, -3], [2, 5]], "supply": [[1.5, None, 4], [2.0, 7], None, 1, 0.5],
    "links": {"1.1": [5, [60, 1, 0, 3], [[86400, 61.5], [172800, 60]]]}, "pending": [[1.5, 1, 0, 300]],
}  # fmt: skip
COUNTERS = [64 if name.endswith("bits") else 5 for name in PortCounters.__slots__]
STATUSES = {
    "v": 1,
    "alike": [
        [["", "ge0"], {"loss_ratio": ["warn", 3600, "warn"]}, {"3600": [0, {"loss_ratio": [[0.5, 300, "warn", 0]]}]},
         {"link_flap": [[0, 300, 2.0, 0.0, 1.0], [300, 300, 0.0, 0.0, None]]}],
    ],
}  # fmt: skip


def statuses_from_plain(plain: Any) -> Statuses:
    statuses = Statuses()
    statuses.resume("a", plain)
    return statuses


@dataclass(frozen=True)
class Stored:
    """A kind of what is stored: how it is read, and what its writers write."""

    read: Callable[[Any], Any]
    written: st.SearchStrategy[Any]


KINDS = {
    "echo": Stored(EchoCounts.from_plain, echoes().map(EchoCounts.to_plain)),
    "ports": Stored(ports_window_from_plain, WINDOWS_OF_PORTS),
    "billed ports": Stored(billed_ports, WINDOWS_OF_PORTS),
    "bins": Stored(lambda plain: bins_of(plain, {"a"}), WINDOWS_OF_PORTS),
    "without bins": Stored(plain_without_bins, WINDOWS_OF_PORTS),
    "gear": Stored(GearCounts.from_plain, gear().map(GearCounts.to_plain)),
    "fabric": Stored(FabricCounts.from_plain, FABRIC.map(FabricCounts.to_plain)),
    "states": Stored(StateSeconds.from_plain, STATES.map(StateSeconds.to_plain)),
    "restarts": Stored(RestartCounts.from_plain, RESTARTS.map(RestartCounts.to_plain)),
    "values": Stored(ValueCounts.from_plain, st.just([-670, 3, 10, 1])),
    "sketch": Stored(Sketch.from_plain, st.just([231, 3, -2, 1])),
    "port reading": Stored(LastReading.from_plain, st.just([1, 3, -1.5, 10**9, 1000.0, 0, *COUNTERS])),
    "gear memory": Stored(GearMemory.from_plain, st.just(GEAR_MEMORY)),
    "supply": Stored(Supply.from_plain, st.just(GEAR_MEMORY["supply"])),
    "links": Stored(Links.from_plain, st.just(GEAR_MEMORY["links"])),
    "fabric memory": Stored(FabricMemory.from_plain, st.just(FABRIC_MEMORY)),
    "session": Stored(Seen.from_plain, st.just(SEEN)),
    "statuses": Stored(statuses_from_plain, st.just(STATUSES)),
}


@st.composite
def mutated(draw: st.DrawFn, plain: Any) -> Any:
    """The same with one value, anywhere in it, replaced, dropped, doubled or of another type."""
    if isinstance(plain, Mapping) and plain and draw(st.integers(0, 4)):
        key = draw(st.sampled_from(sorted(plain)))
        if not draw(st.integers(0, 4)):
            return {other: value for other, value in plain.items() if other != key}
        return {**plain, key: draw(mutated(plain[key]))}
    if isinstance(plain, list | tuple) and plain and draw(st.integers(0, 4)):
        place = draw(st.integers(0, len(plain) - 1))
        how = draw(st.integers(0, 5))
        middle = [] if how == 0 else [plain[place]] * 2 if how == 1 else [draw(mutated(plain[place]))]
        return [*plain[:place], *middle, *plain[place + 1 :]]
    retyped: list[Any] = [str(plain)[:20], [plain], {"v": plain}]
    if type(plain) is int:
        retyped += [-plain, float(plain), plain + 1, plain << 70, bool(plain % 2)]
    return draw(st.sampled_from(retyped) | ODD | JSON)


def read_or_refused(kind: str, plain: Any) -> Any | None:
    try:
        return KINDS[kind].read(plain)
    except ValueError:
        return None


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_any_json_is_read_or_is_a_value_error(kind: str, data: st.DataObject) -> None:
    read_or_refused(kind, data.draw(JSON))
    inner = data.draw(st.lists(ODD | JSON, max_size=12))
    read_or_refused(kind, [1, *inner])
    read_or_refused(kind, {"v": 1, **data.draw(st.dictionaries(st.text(max_size=3), JSON, max_size=3))})


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_what_is_written_is_read_and_a_mutation_is_read_or_refused(kind: str, data: st.DataObject) -> None:
    plain = data.draw(KINDS[kind].written)
    again = json.loads(json.dumps(plain))
    KINDS[kind].read(again)
    KINDS[kind].read(plain)
    read_or_refused(kind, data.draw(mutated(again)))


def mutations(kind: str) -> st.SearchStrategy[Any]:
    """What is still read of mutations of what is written."""
    forms = KINDS[kind].written.map(lambda plain: json.loads(json.dumps(plain)))
    return forms.flatmap(lambda plain: st.just(plain) | mutated(plain)).map(lambda plain: read_or_refused(kind, plain))


def check_figures(found: Iterable[Figure]) -> None:
    for figure in found:
        assert (figure.value is None) is (figure.null_reason is not None), figure
        numbers = {figure.kpi: figure.value, **figure.parts}
        assert all(value is None or math.isfinite(value) for value in numbers.values()), figure
        numbers.pop("load_pct", None)  # a supply may be overloaded
        shares = [v for name, v in numbers.items() if name.partition("@")[0].endswith(("_pct", "_ratio", "_stability"))]
        assert all(share is None or 0 <= share <= 100 for share in shares), figure
        assert figure.coverage is None or 0 <= figure.coverage <= 1, figure


def check_summary(summary: Summary) -> None:
    check_figures(summary.figures)
    assert 0 <= summary.coverage <= 1
    json.dumps(summary_to_plain(summary), allow_nan=False).encode()
    statuses = Statuses()
    for length_s in (300, 3600, 86_400, 30 * 86_400):
        statuses.judged(summary.entity, "", Window(0, length_s), summary.figures)
    check_figures(statuses.in_force(summary.entity, "", summary.figures))
    for _, _, plain in statuses.changed():
        statuses_from_plain(json.loads(json.dumps(plain, allow_nan=False)))


LENGTHS = st.sampled_from([300, 3600, 86_400, 30 * 86_400])


@settings(max_examples=40)
@given(st.data())
def test_figures_of_whatever_was_read_are_values_or_null(data: st.DataObject) -> None:
    window = Window(0, data.draw(LENGTHS))

    def device(name: str, role: Role) -> DeviceWindow:
        found = {kind: data.draw(mutations(kind)) for kind in ("states", "echo", "restarts", "fabric", "gear", "ports")}
        return DeviceWindow(
            name, role, found["states"] or StateSeconds(), found["echo"], found["ports"] or {}, found["restarts"],
            found["fabric"], found["gear"],
        )  # fmt: skip

    a, b = device("a", Role.SWITCH), device("a", Role.UPS)
    planned = device("a", Role.SWITCH)
    both = replace(merge_device(a, b), planned=planned)
    other = device("b", data.draw(st.sampled_from(list(Role))))
    for one in (a, both, other):
        check_summary(device_summary(one, window))
    check_summary(site_summary([both, other], both.states, window, clients=both.gear))
    if both.gear is not None:
        check_summary(own_summary("@probe", both.gear, window))
    found = port_figures(both.ports, window, due_ms=both.states.expected_ms, planned=planned.ports)
    for figures_of_port in found.values():
        check_figures(figures_of_port)
    json.dumps(ports_to_plain(found), allow_nan=False).encode()


@given(PORTS, PORTS, st.integers(-5, 2**70))
def test_ports_of_any_counts_are_judged_and_written(a: PortCounts, b: PortCounts, due_ms: int) -> None:
    merged = merge_ports(a, b)
    found = port_figures({"a": merged}, Window(0, 3600), due_ms=due_ms, planned={"a": a})
    check_figures(found["a"])
    json.dumps(ports_to_plain(found), allow_nan=False).encode()
    for figure in figures.port_figures(merged):
        share = port_coverage(merged, figure, due_ms)
        assert share is None or 0 <= share <= 1


@pytest.mark.parametrize("kind", ["echo", "ports", "gear", "fabric", "states", "restarts"])
@given(data=st.data())
def test_what_was_read_merges_and_is_written_and_read_again(kind: str, data: st.DataObject) -> None:
    merging: Mapping[str, tuple[Callable[[Any, Any], Any], Callable[[Any], Any]]] = {
        "echo": (merge_echo, EchoCounts.to_plain),
        "ports": (merge_port_maps, ports_window_to_plain),
        "gear": (merge_gear, GearCounts.to_plain),
        "fabric": (merge_fabric, FabricCounts.to_plain),
        "states": (merge_states, StateSeconds.to_plain),
        "restarts": (merge_restarts, RestartCounts.to_plain),
    }
    merge, write = merging[kind]
    sound = [KINDS[kind].read(data.draw(KINDS[kind].written)) for _ in range(2)]
    for one in [*sound, merge(*sound)]:
        assert KINDS[kind].read(json.loads(json.dumps(write(one), allow_nan=False))) == KINDS[kind].read(write(one))
    odd = data.draw(mutations(kind))
    if odd is not None:
        merged = merge(sound[0], odd)
        read_or_refused(kind, json.loads(json.dumps(write(merged), allow_nan=False)))


@given(JSON, JSON)
def test_halves_of_any_json_are_read_or_refused(plain: Any, other: Any) -> None:
    for one in (plain, {"counted": plain, "planned": other}, {"planned": other, "reach_s": plain}):
        halves = halves_from_plain(one)
        halves_to_plain(halves, reach_of(one))
        for kind in ("echo", "states", "restarts"):
            with contextlib.suppress(ValueError):
                read_halves(KINDS[kind].read, one)


@given(
    mutations("restarts"),
    mutations("restarts"),
    st.lists(st.tuples(st.floats(-9, 900), st.floats(-9, 900)), max_size=2),
)
def test_restarts_are_split_by_planned_work_whatever_was_read(
    a: RestartCounts | None, b: RestartCounts | None, planned: list[tuple[float, float]]
) -> None:
    whole = all_restarts(Halves(a, b))
    halves = split_restarts(whole, 0.0, 300.0, planned)
    merged = merge_halves(merge_restarts, halves, Halves(b, a))
    check_figures([figures.reboots(merged.counted), figures.reboots(merged.planned)])


@given(echoes(), echoes())
def test_echoes_beside_each_other_are_read_as_they_were_written(a: EchoCounts, b: EchoCounts) -> None:
    """Planned work entered late leaves such windows: they have answers, and no first or last one."""
    beside = beside_echo(a, b)
    assert EchoCounts.from_plain(json.loads(json.dumps(beside.to_plain()))) == beside
    halves = merge_echo_halves(Halves(a, b), Halves(beside, None))
    assert read_halves(EchoCounts.from_plain, halves_to_plain(halves.each(EchoCounts.to_plain))) == halves


def test_with_bins_gives_a_window_that_is_read() -> None:
    plain = ports_window_to_plain({"a": PortCounts(speed_bps=1), "b": PortCounts(speed_bps=1)})
    assert ports_window_from_plain(with_bins(plain, {"a": [(1, 2, 3)]}))["a"].bins == ((1, 2, 3),)


def test_the_largest_reading_over_a_month_is_read_as_it_was_written() -> None:
    hundredths, ms = 100 * 10**15, 31 * 86_400_000
    counts = GearCounts(levels={"load": Level(1, ms, hundredths, hundredths, hundredths * ms)})
    assert GearCounts.from_plain(json.loads(json.dumps(counts.to_plain()))) == counts
    ports = {"a": PortCounts(speed_bps=1, in_octets=10**34, in_ms=ms)}
    assert ports_window_from_plain(json.loads(json.dumps(ports_window_to_plain(ports)))) == ports
    assert StateSeconds.from_plain([1, MOST]).up_ms == MOST
    with pytest.raises(ValueError, match="38 digits"):
        StateSeconds.from_plain([1, MOST + 1])
