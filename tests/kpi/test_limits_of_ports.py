"""Limits of ports, of reachability, restarts and planned work: exactly at them, and just on either side."""

import json
import math
from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

import pytest

from kpi import figures, planned
from kpi.counters import UptimeTracker, line_rate, span
from kpi.coverage import port_coverage, sent_share, site_coverage
from kpi.duplex import DuplexReadings, PortDuplex, Verdict, verdict_of, verdicts
from kpi.echo import EchoCounts
from kpi.forwarding import MOST, ForwardingTable, number
from kpi.gear import Duplex, Facts, Forwarding
from kpi.merge import DeviceWindow
from kpi.model import (
    Figure,
    NullReason,
    PortCounters,
    PortIdentity,
    PortStatus,
    Role,
    State,
    Status,
    SystemReading,
    Window,
)
from kpi.physical import is_physical
from kpi.planned import Halves, covers, takes_out, touches, within, worth_keeping
from kpi.port_counts import (
    PortCounts,
    average_bps,
    billed_ports,
    bins_of,
    capacity_bits,
    own_bins,
    p95_across_links,
    p95_bps,
    ports_window_from_plain,
    ports_window_to_plain,
    with_bins,
)
from kpi.port_deltas import absent_objects, bps, packets_between
from kpi.port_summary import port_figures, ports_to_plain
from kpi.ports import LastReading, PortAccumulator
from kpi.reachability import Reachability, StateChange
from kpi.reboots import Restart, RestartCounts, RestartTracker, all_restarts, dated_restarts, split_restarts
from kpi.shortened import shortened
from kpi.states import StateSeconds
from kpi.summary import link_flap_of
from tests.kpi.port_readings import GE0, ZERO, port, reading, status


def counts_of(**named: Any) -> PortCounts:
    return PortCounts(**named)


def changed(counters: PortCounters, **named: Any) -> PortCounters:
    return replace(counters, **named)


def latest(accumulator: PortAccumulator) -> tuple[float | None, float | None] | None:
    return accumulator.latest_bps


# counters of a port


@pytest.mark.parametrize(("into", "out"), [(0, 0), (600, 600), (600, 0), (0, 600), (600, 1200)])
def test_the_latest_rates_are_those_of_the_last_interval(into: int, out: int) -> None:
    accumulator = port()
    assert latest(accumulator) is None
    accumulator.take_counters(0.0, reading(0))
    assert latest(accumulator) is None
    accumulator.take_counters(60.0, reading(60, in_octets=into, out_octets=out))
    assert latest(accumulator) == (into * 8 / 60, out * 8 / 60)
    accumulator.take_counters(120.0, reading(120, in_octets=None, out_octets=out))
    assert latest(accumulator) == (None, 0.0)
    accumulator.take_counters(121.0, reading(5))
    assert latest(accumulator) is None


@pytest.mark.parametrize(("seconds", "in_bins"), [(449.0, True), (450.0, True), (451.0, False)])
def test_an_interval_of_a_window_and_a_half_is_in_the_bins(seconds: float, in_bins: bool) -> None:
    accumulator = PortAccumulator(GE0, UptimeTracker(), 300.0, 600.0)
    accumulator.take_counters(10.0, reading(10))
    accumulator.take_counters(10.0 + seconds, reading(10 + seconds, in_octets=900, out_octets=90))
    counts = accumulator.close(600.0)
    ms = round(1000 * seconds)
    assert (counts.in_ms, counts.gap_ms) == ((ms, 0) if in_bins else (0, ms))
    assert (counts.in_octets, counts.gap_in_octets) == ((900, 0) if in_bins else (0, 900))
    assert (counts.out_octets, counts.gap_out_octets) == ((90, 0) if in_bins else (0, 90))
    assert counts.polls == len(counts.bins) == int(in_bins)


def test_a_gap_of_which_one_direction_is_known() -> None:
    for missing, kept in (("in_octets", "gap_out_octets"), ("out_octets", "gap_in_octets")):
        accumulator = port()
        accumulator.resume(LastReading(1, -110.0, reading(290, **{missing: None}), GE0.speed_bps))
        known = {"in_octets": 500, "out_octets": 500, missing: None}
        accumulator.take_counters(10.0, reading(410, **known))
        counts = accumulator.close(300.0)
        assert (getattr(counts, kept), counts.gap_ms) == (500, 120_000)
        assert counts.gap_in_octets + counts.gap_out_octets == 500


def test_octets_count_for_the_use_of_the_line_only_while_its_speed_stands() -> None:
    accumulator = port()
    accumulator.take_counters(0.0, reading(0))
    accumulator.take_counters(60.0, reading(60, in_octets=100, out_octets=50))
    accumulator.take_identity(70.0, replace(GE0, speed_bps=100_000_000))
    accumulator.take_counters(120.0, reading(120, in_octets=300, out_octets=60))
    accumulator.take_counters(180.0, reading(180, in_octets=700, out_octets=70))
    counts = accumulator.close(300.0)
    assert (counts.in_octets, counts.out_octets, counts.polls) == (700, 70, 3)
    assert (counts.in_capacity_octets, counts.out_capacity_octets) == (500, 60)
    assert counts.in_capacity_bits == counts.out_capacity_bits == 60 * 10**9 + 60 * 10**8
    assert counts.bins == ((31, 3, 0),)
    assert counts.speed_bps == 100_000_000


def test_a_new_index_is_refused_once_and_only_where_there_was_a_reading() -> None:
    accumulator = port()
    accumulator.take_identity(1.0, replace(GE0, index=2))
    accumulator.take_counters(2.0, reading(2))
    accumulator.take_identity(3.0, replace(GE0, index=3))
    accumulator.take_identity(4.0, replace(GE0, index=3, alias="other"))
    assert accumulator.close(300.0).refused == (("renumbered", 1),)


def test_why_counters_gave_nothing_is_counted_by_reason() -> None:
    accumulator = port()
    for at, changed in ((0, {}), (60, {"in_octets": 10**13}), (120, {"in_octets": 5}), (180, {"octet_bits": 32})):
        accumulator.take_counters(float(at), reading(at, **changed))
    accumulator.take_counters(240.0, reading(240, octet_bits=32))
    counts = accumulator.close(300.0)
    assert counts.refused == (("reset", 1), ("too_fast", 1), ("too_slow", 2), ("width", 2))
    assert counts.flags == ("too_fast",)
    assert counts.polls == 2  # out_octets were known where the width had not changed


def test_flags_say_what_is_assumed() -> None:
    unknown = replace(GE0, speed_bps=None)
    accumulator = PortAccumulator(unknown, UptimeTracker(), 0.0, 300.0, billed=True)
    accumulator.duplex = "half"
    for at in (0.0, 60.0):
        accumulator.take_counters(at, reading(at, octet_bits=32, uptime_cs=None))
    assert accumulator.close(300.0).flags == ("billed", "half_duplex", "speed_assumed", "uptime")
    accumulator.duplex = "full"
    assert accumulator.close(600.0).flags == ("billed", "full_duplex")
    wide = PortAccumulator(unknown, UptimeTracker(), 0.0, 300.0)
    for at in (0.0, 60.0):
        wide.take_counters(at, reading(at))
    assert wide.close(300.0).flags == ()


OBJECTS = (
    "in_octets",
    "out_octets",
    "in_unicast",
    "out_unicast",
    "in_errors",
    "out_errors",
    "in_discards",
    "out_discards",
)


def test_each_object_that_is_absent_has_its_bit() -> None:
    assert absent_objects(ZERO) == 0
    for place, name in enumerate(OBJECTS):
        assert absent_objects(changed(ZERO, **{name: None})) == 1 << place
    assert absent_objects(changed(ZERO, **dict.fromkeys(OBJECTS))) == 255
    accumulator = port()
    accumulator.take_counters(0.0, reading(0, in_errors=None))
    accumulator.take_counters(60.0, reading(60, out_errors=None))
    assert accumulator.close(300.0).absent == 0
    assert accumulator.close(600.0).absent == 255


PACKETS = ("in_unicast", "in_multicast", "in_broadcast", "in_errors", "in_discards")


def test_packets_of_one_direction_are_known_together() -> None:
    over, rate = span(0, 6000, 60.0), line_rate(10**9)
    rise = {name: 3**place for place, name in enumerate(PACKETS)}
    second = changed(ZERO, **rise)
    known = packets_between(ZERO, second, over, rate)
    assert known == {
        "in_packets": 1 + 3 + 9, "in_errors": 27, "in_discards": 81, "in_packet_ms": 60_000, "out_packet_ms": 60_000,
    }  # fmt: skip
    for name in PACKETS:
        half = packets_between(ZERO, changed(second, **{name: None}), over, rate)
        assert half == {"out_packet_ms": 60_000}, name  # there before and gone now: nothing is known of this direction
        never = packets_between(changed(ZERO, **{name: None}), changed(second, **{name: None}), over, rate)
        needed = name in {"in_unicast", "in_errors"}
        assert never == ({"out_packet_ms": 60_000} if needed else {**known, **_without(rise, name)}), name
    assert packets_between(ZERO, replace(ZERO, packet_bits=32), over, rate) == "width"
    slow = span(0, 30_000, 300.0)  # errors have 32 bits whatever the packets have: 288 s at 10 Gb/s
    assert packets_between(ZERO, second, slow, line_rate(10**10)) == {}
    assert packets_between(ZERO, ZERO, slow, line_rate(10**10)) == {}


def _without(rise: dict[str, int], name: str) -> dict[str, int]:
    left = {**rise, name: 0}
    total = left["in_unicast"] + left["in_multicast"] + left["in_broadcast"]
    return {"in_packets": total, "in_errors": left["in_errors"], "in_discards": left["in_discards"]}


def test_idle_packets_are_known_up_to_the_time_of_a_wrap() -> None:
    rate = line_rate(10**9)
    at_most = replace(rate, packets_wrap_s=60.0)
    assert packets_between(ZERO, ZERO, span(0, 6000, 60.0), at_most) == {
        "in_packet_ms": 60_000,
        "out_packet_ms": 60_000,
    }
    assert packets_between(ZERO, ZERO, span(0, 6001, 60.01), at_most) == {}
    assert packets_between(ZERO, ZERO, span(0, 10, 60.0), rate) == {}  # it restarted


def test_rates_of_nothing_and_of_something() -> None:
    assert bps(1000, 2000) == 4000
    assert average_bps(1000, 2000) == 4000
    assert average_bps(1, 1) == 8000
    assert average_bps(5, 0) == average_bps(5, -1) == -1
    assert capacity_bits(1001, 1500) == 1501


# windows of ports


def test_the_95th_percentile_by_counting() -> None:
    for n in range(1, 70):
        rates = [7 * i for i in range(n)]
        place = math.ceil(0.95 * n - 1e-9)
        assert p95_bps(reversed(rates)) == (rates[place - 1], n)
        assert p95_across_links([{i: (rate, -1, 0) for i, rate in enumerate(rates)}]) == (rates[place - 1], n)
        counts = PortCounts(polls=1, speed_bps=700, in_capacity_bits=1, bins=tuple((r, 0, 700) for r in rates))
        assert figures.if_util_pct(counts).parts["p95_pct"] == pytest.approx(rates[place - 1] / 7)


def test_a_rate_of_0_is_known_and_one_of_minus_1_is_not() -> None:
    assert p95_across_links([{1: (0, 5, 0)}, {1: (-1, 3, 0)}]) == (8, 1)
    assert p95_across_links([{1: (0, 0, 0)}]) == (0, 1)
    assert p95_across_links([{1: (-1, -1, 0)}]) is None
    counts = PortCounts(polls=2, speed_bps=1, absent=0, bins=((0, -1, 0), (5, -1, 0)))
    figure = figures.p95_rate_bps(counts)
    assert (figure.value, figure.n, dict(figure.parts)) == (5, 2, {"in_bps": 5, "out_bps": None})
    billed = figures.p95_rate_bps(replace(counts, flags=("billed",), bins=((3, 9, 0),)))
    assert (billed.value, dict(billed.parts), billed.flags) == (9, {"in_bps": 3, "out_bps": 9, "bins": 1}, ("billed",))
    assert figures.p95_rate_bps(replace(counts, bins=((0, -1, 0),))).value == 0


@pytest.mark.parametrize(("off", "speed"), [(0, 1000), (1, 1000), (3, 1000), (4, 0), (-3, 1000), (-4, 0)])
def test_a_bin_has_a_speed_where_every_interval_had_it(off: int, speed: int) -> None:
    """Each of three intervals is rounded down by less than a bit."""
    counts = PortCounts(
        polls=3, in_octets=9, in_ms=300_000, out_octets=6, out_ms=300_000, in_capacity_bits=300_000 + off,
        in_capacity_octets=9, out_capacity_bits=300_000, out_capacity_octets=6, speed_bps=1000,
    )  # fmt: skip
    assert own_bins(counts) == ((0, 0, speed),)
    assert own_bins(replace(counts, in_capacity_octets=8)) == ((0, 0, 0),)
    assert own_bins(replace(counts, out_capacity_octets=7)) == ((0, 0, 0),)
    assert own_bins(replace(counts, polls=0)) == ()
    assert own_bins(replace(counts, speed_bps=None)) == ((0, 0, 0),)


def test_a_window_of_ports_is_packed_by_columns_and_comes_back() -> None:
    base = PortCounts(polls=5, in_octets=10**6, in_ms=300_000, out_octets=77, out_ms=299_000, speed_bps=10**9)
    plain = PortCounts(
        **{f.name: getattr(base, f.name) for f in fields(base)}
        | {"in_max_bps": 26_667, "out_max_bps": 2, "in_capacity_bits": 3 * 10**11, "in_capacity_octets": 10**6}
    )
    odd = replace(
        plain, flags=("billed", "uptime"), refused=(("reset", 2),), flapped=True, flapping=True, physical=True,
        bins=((1, 2, 3), (4, 5, 6)), in_packet_ms=5, merit=7, absent=3, gap_ms=9,
    )  # fmt: skip
    for rows in ({"a": plain}, {"a": plain, "b": plain}, {"a": plain, "b": odd}, {"a": odd, "b": odd, "c": odd}):
        packed = json.loads(json.dumps(ports_window_to_plain(rows)))
        assert ports_window_from_plain(packed) == rows
        assert billed_ports(packed) == tuple(key for key, row in rows.items() if "billed" in row.flags)
        wanted = bins_of(packed, {"a", "c"})
        assert wanted == {key: rows[key].bins for key in ("a", "c") if key in rows}
        other = json.loads(json.dumps(with_bins(packed, {"a": [(7, 8, 9)]})))
        assert {key: row.bins for key, row in ports_window_from_plain(other).items()} == {
            key: ((7, 8, 9),) if key == "a" else () for key in rows
        }
    assert ports_window_to_plain({"a": plain, "b": plain})["polls"] == [5]
    assert "merit" not in ports_window_to_plain({"a": plain})


@pytest.mark.parametrize("kind", [6, 7, 26, 56, 62, 69, 117])
def test_sockets_in_a_case_by_their_type(kind: int) -> None:
    assert is_physical(replace(GE0, if_type=kind))
    for other in {kind - 1, kind + 1} - {6, 7, 26, 56, 62, 69, 117}:
        assert not is_physical(replace(GE0, if_type=other))
    assert not is_physical(replace(GE0, if_type=kind, name="", descr="br0"))
    assert is_physical(replace(GE0, if_type=kind, name="eth0", descr="br0"))


# what is known of a port, and its flaps


def test_ports_that_are_alike_are_counted_one_by_one() -> None:
    unread = PortCounts()
    up = PortCounts(up_ms=1, transitions=0)
    flapped = PortCounts(down_ms=1, transitions=2, downs=1, merit=900, flapped=True)
    off = PortCounts(off_ms=1)
    total = link_flap_of([up, unread, up, flapped, up, flapped, flapped, off])
    assert (total.value, total.n, total.flags) == (6, 7, ("flapped",))
    assert total.parts == {"downs": 3, "merit": 2700}
    assert link_flap_of([unread, up]).n == link_flap_of([up, unread]).n == 1
    assert link_flap_of([replace(flapped, flapping=True), flapped]).flags == ("flapping",)
    assert link_flap_of([up]).flags == ()
    assert link_flap_of([unread], NullReason.AUTH).null_reason is NullReason.AUTH
    access = PortCounts(up_ms=5, transitions=9, flags=("access",))
    assert link_flap_of([access]).null_reason is NullReason.UNSUPPORTED
    assert link_flap_of([access, unread]).null_reason is NullReason.NO_DATA
    assert link_flap_of([]).null_reason is NullReason.NO_DATA


@pytest.mark.parametrize("name", ["up_ms", "down_ms", "off_ms"])
def test_a_port_that_was_read_for_a_millisecond_has_flaps(name: str) -> None:
    figure = figures.link_flap(counts_of(**{name: 2500}))
    assert (figure.value, figure.n) == (0, 2)
    assert figures.link_flap(counts_of(**{name: 1})).value == 0
    assert figures.link_flap(PortCounts(transitions=1)).value == 1
    assert figures.link_flap(PortCounts(unknown_ms=9)).null_reason is NullReason.NO_DATA


@pytest.mark.parametrize("what", ["error", "discard"])
def test_shares_of_packets_are_of_a_thousand_at_least(what: str) -> None:
    def share(in_packets: int, out_packets: int, wrong: int = 10) -> Figure:
        counts = counts_of(
            absent=0, in_packets=in_packets, out_packets=out_packets, **{f"in_{what}s": wrong, f"out_{what}s": 1}
        )
        return figures.if_share_pct(counts, what)

    assert share(990, 0).value == pytest.approx(1.0)
    assert share(990, 0).n == 1000
    assert share(989, 999).null_reason is NullReason.INSUFFICIENT
    assert share(989, 999).n == 999
    assert share(0, 1000).value == pytest.approx(0.1)
    both = share(1990, 1000)
    assert (both.value, both.n) == (0.5, 2000)
    assert both.parts["out_pct"] == pytest.approx(0.1)
    assert figures.if_share_pct(PortCounts(absent=0, in_packets=1), what).null_reason is NullReason.INSUFFICIENT
    assert figures.if_share_pct(PortCounts(absent=0, out_packets=1), what).n == 1
    none = figures.if_share_pct(PortCounts(absent=0), what)
    assert (none.null_reason, none.n, dict(none.parts)) == (NullReason.INSUFFICIENT, 0, {})
    without = PortCounts(absent=0b11110000, in_packets=5000, out_packets=5000, polls=1)
    assert figures.if_share_pct(without, what).null_reason is NullReason.UNSUPPORTED


def test_a_device_that_counts_fewer_packets_than_went_wrong_says_so() -> None:
    for errors, discards, flags in ((1, 999, ()), (1, 1000, ("undercounted",)), (1000, 1, ("undercounted",))):
        counts = PortCounts(absent=0, out_packets=1000, out_errors=errors, out_discards=discards)
        assert figures.if_share_pct(counts, "error").flags == flags
    few = PortCounts(absent=0, in_packets=1000, out_packets=1, out_errors=2)
    assert figures.if_share_pct(few, "error").flags == ()  # of that direction nothing is said


def test_use_of_a_line_in_both_directions_and_in_turns() -> None:
    counts = PortCounts(
        polls=1, speed_bps=100, in_capacity_octets=5, in_capacity_bits=100, out_capacity_octets=2, out_capacity_bits=100,
        bins=((40, 20, 100), (90, 80, 0)),
    )  # fmt: skip
    full = figures.if_util_pct(replace(counts, flags=("full_duplex",)))
    assert (full.value, full.flags) == (40, ())
    assert dict(full.parts) == {"in_pct": 40, "out_pct": 16, "p95_pct": 40, "speed_bps": 100}
    half = figures.if_util_pct(replace(counts, flags=("half_duplex",)))
    assert (half.value, half.parts["p95_pct"], half.flags) == (56, 60, ("half_duplex",))
    for flags in ((), ("full_duplex", "half_duplex")):
        unsure = figures.if_util_pct(replace(counts, flags=flags))
        assert (unsure.value, unsure.parts["half_duplex_pct"], unsure.flags) == (40, 56, ())
    exactly = replace(counts, in_capacity_bits=40)
    assert (figures.if_util_pct(exactly).value, figures.if_util_pct(exactly).flags) == (100, ())
    over = replace(counts, in_capacity_bits=39, flags=("full_duplex",))
    assert (figures.if_util_pct(over).value, figures.if_util_pct(over).flags) == (100, ("over_speed",))
    one_way = replace(counts, out_capacity_bits=0)
    assert "out_pct" not in figures.if_util_pct(one_way).parts
    assert figures.if_util_pct(PortCounts(polls=1, speed_bps=0, absent=0)).null_reason is NullReason.UNSUPPORTED
    assert figures.if_util_pct(PortCounts(polls=1, speed_bps=5, absent=0)).null_reason is NullReason.INSUFFICIENT
    assert figures.if_util_pct(PortCounts(speed_bps=5, absent=1)).null_reason is NullReason.UNSUPPORTED
    assert figures.if_util_pct(PortCounts(), NullReason.AUTH).null_reason is NullReason.AUTH


@pytest.mark.parametrize(("way", "bit"), [("in", 1), ("out", 2)])
def test_the_rate_of_a_direction(way: str, bit: int) -> None:
    one = counts_of(**{f"{way}_octets": 15, f"{way}_ms": 7, f"{way}_max_bps": 5}, polls=3, flags=("access", "uptime"))
    found = figures.if_bps(one, way)
    assert (found.kpi, found.value, found.n, found.flags) == (f"if_{way}_bps", 17_143, 3, ("uptime",))
    assert dict(found.parts) == {"octets": 15, "seconds": 0.007, "max_bps": 5}
    gap = figures.if_bps(counts_of(**{f"gap_{way}_octets": 1}, gap_ms=1500, absent=bit), way)
    assert (gap.null_reason, gap.parts["gap_octets"], gap.parts["gap_s"]) == (NullReason.UNSUPPORTED, 1, 1.5)
    absent = figures.if_bps(PortCounts(absent=3 - bit), way)
    assert (absent.null_reason, dict(absent.parts)) == (NullReason.INSUFFICIENT, {})


def test_coverage_of_a_port_is_that_of_what_decides() -> None:
    counts = PortCounts(in_ms=250, out_ms=1000, up_ms=100, down_ms=200, off_ms=300, in_packet_ms=500, bins=((1, 1, 1),))
    cases = [
        (Figure("if_in_bps", 5.0), 0.25), (Figure("if_out_bps", 5.0), 1.0),
        (Figure("if_util_pct", 5.0, parts={"in_pct": 5.0, "out_pct": 4.0}), 0.25),
        (Figure("if_util_pct", 5.0, parts={"in_pct": 4.0, "out_pct": 5.0}), 1.0),
        (Figure("if_util_pct", 5.0, parts={"in_pct": 5.0, "out_pct": 5.0}), 1.0),
        (Figure("if_util_pct", None, NullReason.NO_DATA), 1.0),
        (Figure("if_error_pct", 5.0, parts={"in_pct": 5.0}), 0.5),
        (Figure("if_error_pct", 5.0, parts={"out_pct": 5.0}), 0.0),
        (Figure("link_flap", 5.0), 0.6),
    ]  # fmt: skip
    for figure, share in cases:
        assert port_coverage(counts, figure, 1000.0) == pytest.approx(share), figure
        assert port_coverage(counts, figure, 0.0) is None
    for bins, share in ((0, 0.0), (1, 0.5), (2, 1.0), (3, 1.0)):
        assert port_coverage(counts, Figure("p95_rate_bps", 5.0, n=bins), 600_000.0) == share
    turns = Figure("if_util_pct", 5.0, flags=("half_duplex",))
    assert (
        port_coverage(counts, turns, 1000.0),
        port_coverage(replace(counts, in_ms=800, out_ms=300), turns, 1000.0),
    ) == (
        0.25,
        0.3,
    )
    assert port_coverage(counts, Figure("link_flap", 1.0), 1.0) == 1.0
    older = PortCounts(in_packets=1)
    assert port_coverage(older, Figure("if_error_pct", 1.0, parts={"in_pct": 1.0}), 10.0) == 1.0
    assert port_coverage(older, Figure("if_error_pct", 1.0, parts={"out_pct": 1.0}), 10.0) == 0.0
    assert (
        port_coverage(replace(older, out_packet_ms=1), Figure("if_error_pct", 1.0, parts={"in_pct": 1.0}), 10.0) == 0.0
    )


def test_coverage_of_echoes_and_of_a_site() -> None:
    assert sent_share(EchoCounts(sent=6, faults_by=(("send", 1),), skipped=3)) == 0.6
    assert sent_share(EchoCounts(sent=1)) == sent_share(EchoCounts()) == sent_share(None) == 1.0
    assert sent_share(EchoCounts(skipped=1)) == 0.0
    a = DeviceWindow("a", Role.SWITCH, StateSeconds(up_ms=30, unknown_ms=70))
    b = DeviceWindow("b", Role.SWITCH, StateSeconds(up_ms=300))
    planned_alone = DeviceWindow("c", Role.SWITCH, StateSeconds(maintenance_ms=5))
    assert site_coverage([a, b, planned_alone], "availability_pct", {}) == pytest.approx(330 / 400)
    assert site_coverage(
        [a, b], "link_flap", {"a": Figure("link_flap", 1.0, coverage=0.5), "b": Figure("link_flap", 1.0)}
    ) == (pytest.approx((0.5 * 100 + 300) / 400))
    assert site_coverage([planned_alone], "availability_pct", {}) is None


@pytest.mark.parametrize(("bins", "partial"), [(10, False), (9, False), (8, True)])
def test_a_bill_of_fewer_than_nine_bins_of_ten_says_so(bins: int, partial: bool) -> None:
    counts = PortCounts(polls=1, speed_bps=1, absent=0, bins=((1, 1, 1),) * bins)
    each = {f.kpi: f for f in port_figures({"p": counts}, Window(0, 3000))["p"]}
    assert ("p95_partial" in each["p95_rate_bps"].flags) is partial
    assert "p95_partial" not in each["if_in_bps"].flags
    assert each["p95_rate_bps"].coverage == bins / 10
    due = {f.kpi: f for f in port_figures({"p": counts}, Window(0, 3000), due_ms=300_000.0 * bins)["p"]}
    assert "p95_partial" not in due["p95_rate_bps"].flags


def test_ports_as_columns() -> None:
    def row(value: float | None, coverage: float, n: int = 9, status: Status = Status.NONE) -> tuple[Figure, ...]:
        reason = None if value is not None else NullReason.AUTH
        return (
            Figure("if_in_bps", value, reason, n, parts={"octets": 0, "seconds": value}, coverage=coverage),
            Figure("if_util_pct", 99.99999, None, n, status, {"p95_pct": 3.0}, ("over_speed",), coverage),
        )

    plain = ports_to_plain({"a": row(5.0, 0.95), "b": row(7.0, 1.0, status=Status.BAD)})
    assert plain["port"] == ["a", "b"]
    assert (plain["if_in_bps"], plain["if_in_bps.n"], plain["if_in_bps.seconds"]) == ([5, 7], 9, [5, 7])
    assert "if_in_bps.octets" not in plain
    assert "if_in_bps.coverage" not in plain
    assert "if_util_pct.n" not in plain
    assert plain["if_util_pct"] == 99.99
    assert plain["status"] == {"if_util_pct": {"bad": [1]}}
    assert plain["flags"] == {"over_speed": [0, 1]}
    assert "partial" not in plain
    low = ports_to_plain({"a": row(5.0, 0.94), "b": row(None, 0.1), "c": row(6.0, 0.9), "d": row(6.0, 0.89, n=3)})
    assert low["if_in_bps.coverage"] == [0.94, None, 0.9, 0.89]
    assert low["partial"] == {"if_in_bps": [3], "if_util_pct": [1, 3]}
    assert low["null"] == {"if_in_bps": {"auth": [1]}}
    assert low["if_in_bps.n"] == [9, 9, 9, 3]
    assert ports_to_plain({"a": row(5.0, 1.0)})["if_in_bps"] == [5]
    assert "if_in_bps" not in ports_to_plain({"a": row(None, 1.0)})
    assert ports_to_plain({"a": row(0.0, 1.0)})["if_in_bps"] == [0]


@pytest.mark.parametrize(
    ("value", "digits", "whole", "short"),
    [
        (99.99996, 4, 100, 99.99), (99.99996, 6, 100, 99.9999), (100.0, 4, 100, 100), (99.94, 4, 100, 99.94),
        (100.0001, 4, 100, 100), (99.99996, 4, None, 100), (0.99996, 4, 1, 0.9999), (0.5, 4, 1, 0.5), (5.0, 2, None, 5),
        (123456.7, 4, None, 123500), (1234567.0, 4, None, 1234567), (0.000012345, 3, None, 1.23e-05), (0.0, 4, 100, 0),
        (-0.5, 4, 100, -0.5), (None, 4, 100, None), (math.inf, 4, 100, None), (math.nan, 4, None, None),
    ],
)  # fmt: skip
def test_figures_have_as_many_digits_as_they_are_worth(
    value: float | None, digits: int, whole: float | None, short: float | None
) -> None:
    found = shortened(value, digits, whole)
    assert found == short
    assert isinstance(found, int) is isinstance(short, int)


# duplex


@pytest.mark.parametrize("own", ["half", "full", None])
@pytest.mark.parametrize("peer", ["half", "full", None, "nobody"])
@pytest.mark.parametrize("late", [True, False, None])
@pytest.mark.parametrize("damaged", [True, False, None])
def test_a_verdict_on_one_end(own: str | None, peer: str | None, late: bool | None, damaged: bool | None) -> None:
    found = verdict_of(PortDuplex(own, late, damaged), PortDuplex(peer) if peer != "nobody" else None)
    sign = {"half": late, "full": damaged}.get(own or "")
    if own is None:
        assert found is None
    elif peer in {"half", "full"}:
        assert found is (Verdict.AGREED if own == peer else Verdict.CERTAIN)
    else:
        assert found == {None: None, True: 1, False: 0}[sign]
    assert (Verdict.AGREED, Verdict.SUSPECTED, Verdict.CERTAIN) == (0, 1, 2)


def test_three_ends_of_what_seems_one_cable_are_judged_alone() -> None:
    ends = {(d, "1"): PortDuplex("half" if d == "a" else "full", late=False, damaged=False) for d in "abc"}
    certain = verdicts(ends, [(("a", "1"), ("b", "1"))])
    assert certain == {("a", "1"): 2, ("b", "1"): 2, ("c", "1"): 0}
    assert verdicts(ends, [(("a", "1"), ("b", "1")), (("a", "1"), ("c", "1"))]) == dict.fromkeys(ends, 0)


def test_a_reading_of_duplex_holds_for_ten_minutes_or_two_intervals() -> None:
    def taken(*times: float) -> DuplexReadings:
        readings = DuplexReadings(UptimeTracker())
        assert not readings.known
        for at in times:
            rows = (Duplex(1, "half", 0, 0, 0), Duplex(2, "unknown", 5, round(at), 0))
            readings.take(at, Facts("duplex", rows, complete=True, uptime_cs=round(100 * at)))
        return readings

    for times, valid_s in (((0.0,), 600.0), ((0.0, 300.0), 600.0), ((0.0, 301.0), 602.0), ((0.0, 900.0), 1800.0)):
        readings = taken(*times)
        assert set(readings.now(times[-1] + valid_s)) == {1, 2}
        assert readings.now(times[-1] + valid_s + 0.1) == {}
        assert readings.known
    assert taken(0.0, 60.0).now(60.0) == {
        1: PortDuplex("half", late=False, damaged=False),
        2: PortDuplex(None, False, True),
    }
    assert taken(0.0).now(0.0) == {1: PortDuplex("half"), 2: PortDuplex(None)}


# forwarding


def test_addresses_of_devices_and_of_groups() -> None:
    assert number("00:00:5e:00:53:01") == 0x5E005301
    assert number("02:00:00:00:00:00") == 1 << 41
    assert number("01:00:00:00:00:00") is None
    assert number("fe:ff:ff:ff:ff:ff") == 0xFEFFFFFFFFFF
    for text in ("00:00:5e:00:53:0", "00:00:5e:00:53:011", "00:00:00:00:00:00"):
        assert number(text) is None


def test_a_table_keeps_ports_that_can_be_and_knows_its_size() -> None:
    rows = [Forwarding(f"02:00:00:00:00:0{n}", port) for n, port in enumerate((1, 2**32 - 1, 2**32, 0, -1), 1)]
    table = ForwardingTable(rows)
    assert dict(table) == {number(rows[0].mac): 1, number(rows[1].mac): 2**32 - 1}
    assert table.port_of(2**48) is None
    assert MOST == 100_000


# reachability


class Nothing:
    """The probe's own link, up or not, and no parents."""

    def __init__(self) -> None:
        self.link = True

    def link_up(self, _device: str) -> bool:
        return self.link

    def parents(self, _device: str) -> Sequence[Reachability]:
        return []


def reached(period_s: float = 20.0) -> tuple[Reachability, list[StateChange], list[str], Nothing]:
    changes: list[StateChange] = []
    confirms: list[str] = []
    upstream = Nothing()
    device = Reachability(
        "d", at=0.0, period_s=period_s, upstream=upstream, changed=changes.append, confirm=confirms.append
    )
    return device, changes, confirms, upstream


@pytest.mark.parametrize("reason", ["aaa", "own_link", "parent", "send_failed", "zzz", "starting"])
@pytest.mark.parametrize("before", ["aaa", "own_link", "parent", "send_failed", "zzz"])
def test_unknown_is_said_once_for_each_reason(before: str, reason: str) -> None:
    device, changes, _, _ = reached()
    device.answered(1.0, 1.0)
    device.not_measured(2.0, before)
    device.not_measured(3.0, reason)
    wanted = [(1.0, State.UP), (2.0, State.UNKNOWN), *([(3.0, State.UNKNOWN)] if reason != before else [])]
    assert [(c.at, c.state) for c in changes] == wanted
    assert changes[-1].reason == reason


@pytest.mark.parametrize("reason", ["answered", "own_link"])
def test_a_device_that_was_up_is_not_known_whatever_the_reason_is_called(reason: str) -> None:
    device, changes, _, _ = reached()
    device.answered(1.0, 1.0)
    device.not_measured(2.0, reason)
    assert (changes[-1].state, changes[-1].reason) == (State.UNKNOWN, reason)


@pytest.mark.parametrize("reason", ["aaa", "own_link", "parent", "send_failed", "zzz"])
def test_only_what_cuts_the_way_ends_a_known_down(reason: str) -> None:
    device, _, _, _ = reached()
    assert device.checks_failed(1.0, 2.0, 2.0)
    assert device.state is State.DOWN
    device.not_measured(3.0, reason)
    assert (device.state is State.DOWN) is (reason not in {"own_link", "parent"})


@pytest.mark.parametrize(("second", "decided"), [(10.0, True), (11.0, True), (11.01, False)])
def test_two_failures_of_a_check_within_ten_seconds_are_down(second: float, decided: bool) -> None:
    device, changes, _, _ = reached()
    assert device.checks_failed(1.0, second, second) is decided
    assert [(c.at, c.state, c.reason) for c in changes] == ([(1.0, State.DOWN, "no_reply")] if decided else [])
    assert not (decided and device.checks_failed(2.0, 3.0, second + 1))


@pytest.mark.parametrize("reason", ["aaa", "own_link", "zzz"])
def test_a_decision_without_a_link_of_ones_own_is_said_once(reason: str) -> None:
    device, changes, _, upstream = reached()
    upstream.link = False
    device.not_measured(0.5, reason)
    device.checks_failed(1.0, 2.0, 2.0)
    assert device.reason == "own_link"
    assert len(changes) == (1 if reason == "own_link" else 2)


def test_confirmations_are_sent_when_they_are_due_and_waited_for() -> None:
    device, changes, confirms, _ = reached()
    device.unanswered(10.0, 10.25)
    assert (device.suspect, len(confirms)) == (True, 1)
    device.tick(10.499)
    assert len(confirms) == 1
    device.tick(10.5)
    assert len(confirms) == 2
    device.tick(11.0)  # late by a quarter of a second: the next one is due an eighth after
    device.tick(11.124)
    assert len(confirms) == 3
    device.tick(11.125)
    assert len(confirms) == 4
    for n in range(4):
        device.tick(12.0 + 0.25 * n)
    assert len(confirms) == 8
    device.tick(13.749)
    assert device.suspect
    device.tick(13.75)
    assert (device.suspect, len(confirms)) == (False, 8)
    assert [(c.at, c.state) for c in changes] == [(10.0, State.DOWN)]


def test_who_is_not_checked_for_two_periods_is_not_known() -> None:
    device, changes, _, _ = reached(period_s=5.0)
    device.answered(1.0, 1.5)
    device.tick(11.5)
    assert device.state is State.UP
    device.tick(11.6)
    assert (changes[-1].at, changes[-1].state, changes[-1].reason) == (11.5, State.UNKNOWN, "not_checked")
    device.tick(30.0)
    assert len(changes) == 2


def test_a_loss_as_old_as_the_youngest_answer_starts_nothing() -> None:
    device, _, _, _ = reached()
    device.answered(5.0, 5.1)
    device.unanswered(5.0, 7.0)
    suspected = [device.suspect]
    device.unanswered(5.001, 7.0)
    suspected.append(device.suspect)
    device.answered(4.0, 7.1)  # late, but an answer
    assert [*suspected, device.suspect] == [False, True, False]
    assert device.answered_sent_at == 5.0


class Behind(Nothing):
    """Devices with one in front of them."""

    def __init__(self) -> None:
        super().__init__()
        self.front: Reachability | None = None

    def parents(self, device: str) -> Sequence[Reachability]:
        return [self.front] if self.front is not None and device == "d" else []


def behind() -> tuple[Reachability, Reachability, Behind, list[str]]:
    """The one in front, the one behind it, and what says who is in front."""
    upstream = Behind()
    confirms: list[str] = []

    def device(name: str) -> Reachability:
        return Reachability(
            name, at=0.0, period_s=1000.0, upstream=upstream, changed=lambda _change: None, confirm=confirms.append
        )

    upstream.front = device("p")
    return upstream.front, device("d"), upstream, confirms


@pytest.mark.parametrize(("sent_at", "state"), [(9.9, State.UNKNOWN), (10.0, State.UNKNOWN), (10.01, State.DOWN)])
def test_an_answer_of_the_one_in_front_that_is_younger_than_the_loss_proves_it(sent_at: float, state: State) -> None:
    front, device, _, _ = behind()
    front.answered(sent_at, sent_at)
    device.checks_failed(10.0, 11.0, 12.0)
    assert device.state is state
    device.tick(13.0)
    assert device.state is state
    front.answered(12.5, 12.6)
    device.tick(13.0)
    assert (device.state, device.since) == (State.DOWN, 10.0)


@pytest.mark.parametrize(("back_at", "state"), [(10.0, State.DOWN), (10.01, State.UNKNOWN)])
def test_one_in_front_that_fell_takes_the_proof_with_it(back_at: float, state: State) -> None:
    front, device, upstream, confirms = behind()
    device.checks_failed(10.0, 11.0, 12.0)
    assert (device.state, device.reason) == (State.UNKNOWN, "parent")
    front.answered(9.0, back_at)  # up from then on
    front.answered(12.5, 12.6)
    upstream.link = False
    device.tick(13.0)
    assert device.reason == "parent"
    upstream.link = True
    device.tick(13.0)
    assert device.state is state
    if state is State.UNKNOWN:
        confirms.clear()
        device.unanswered(14.0, 14.25)  # it is asked anew, and so is the one in front
        assert confirms == ["p", "d"]


def test_nothing_is_learnt_of_a_device_whose_way_is_cut_or_in_doubt() -> None:
    front, device, upstream, _ = behind()
    device.checks_failed(10.0, 11.0, 12.0)
    seen = []
    for cut in ("down", "link", "suspect", "well"):
        if cut != "down":
            front.answered(20.0, 20.1)
        upstream.link = cut != "link"
        if cut == "suspect":
            front.unanswered(21.0, 21.1)
        device.unanswered(22.0, 22.1)
        seen.append((cut, device.suspect))
    assert seen == [("down", False), ("link", False), ("suspect", False), ("well", True)]


# restarts


def test_a_restart_between_two_readings_is_dated_within_them() -> None:
    def restarted(*readings: tuple[float, SystemReading]) -> list[tuple[float, float, Restart]]:
        tracker = RestartTracker()
        said = [tracker.take(at, one) for at, one in readings]
        assert tracker.last == readings[-1]
        return [(one.noticed, one.began, one.what) for one in said if one is not None]

    before = (0.0, SystemReading(900_000, 4, 800_000))
    assert restarted(before, (60.0, SystemReading(2000, 5, 806_000))) == [(60.0, 40.0, Restart.AGENT)]
    assert restarted(before, (60.0, SystemReading(2000, 5, 300))) == [(60.0, 40.0, Restart.DEVICE)]
    assert restarted(before, (60.0, SystemReading(2000, 5, None))) == [(60.0, 40.0, Restart.DEVICE)]
    assert restarted(before, (60.0, SystemReading(906_000, 5, 806_000))) == [(60.0, 0.0, Restart.AGENT)]
    assert restarted(before, (60.0, SystemReading(906_000, 4, 806_000))) == []
    assert restarted(before, (60.0, SystemReading(906_000, 3, 806_000))) == []
    assert restarted(before, (60.0, SystemReading(906_000, None, 806_000))) == []
    assert restarted(before, (60.0, SystemReading(None, 5, 806_000))) == [(60.0, 60.0, Restart.AGENT)]
    assert restarted((0.0, SystemReading(900_000, None)), (60.0, SystemReading(906_000, 5))) == []
    assert restarted((0.0, SystemReading(100)), (600.0, SystemReading(3000)), (660.0, SystemReading(9000))) == [
        (660.0, 570.0, Restart.DEVICE)
    ]


PLANNED_AT = [(1000.0, 1100.0)]


def test_restarts_in_planned_work_are_taken_out_by_when_they_began() -> None:
    device, agent = Restart.DEVICE, Restart.AGENT
    dated = dated_restarts([(-1.0, device), (0.0, agent), (99.9, device), (100.0, device)], 5, 300_000)
    assert (dated.device, dated.agent, dated.readings, dated.known_ms) == (3, 1, 5, 300_000)
    halves = split_restarts(dated, 1000.0, 300.0, PLANNED_AT)
    assert halves.counted == dated_restarts([(-1.0, device), (100.0, device)])
    assert halves.planned == dated_restarts([(0.0, agent), (99.9, device)], 5, 300_000)
    assert all_restarts(halves) == dated
    outside = split_restarts(dated, 1100.0, 300.0, PLANNED_AT)
    assert outside.counted == dated_restarts([(0.0, agent), (99.9, device), (100.0, device)], 5, 300_000)
    assert outside.planned == dated_restarts([(-1.0, device)])
    assert split_restarts(dated, 5000.0, 300.0, PLANNED_AT) == Halves(dated)
    assert split_restarts(dated, 1000.0, 300.0, []) == Halves(dated)
    quiet = RestartCounts(readings=5, known_ms=7)
    assert split_restarts(quiet, 1000.0, 300.0, PLANNED_AT) == Halves(None, quiet)
    undated = RestartCounts(1, 1, 5, 7)
    assert split_restarts(undated, 1000.0, 300.0, PLANNED_AT) == Halves(None, undated)
    assert split_restarts(undated, 2000.0, 300.0, PLANNED_AT) == Halves(undated)
    assert all_restarts(Halves()) == RestartCounts()


def test_restarts_are_kept_with_their_dates() -> None:
    counts = RestartCounts(1, 2, 5, 7, ((-0.25, Restart.AGENT), (3.0, Restart.DEVICE), (8.0, Restart.AGENT)))
    assert counts.to_plain() == [1, 1, 2, 0, 5, 7, -0.2, 1, 3.0, 0, 8.0, 1]
    assert RestartCounts.from_plain(counts.to_plain()).dates[1:] == counts.dates[1:]
    assert RestartCounts.from_plain([1, 1, 2, 0, 5]) == RestartCounts(1, 2, 5)
    assert RestartCounts.from_plain([1, 1, 2, 0, 5, 9]) == RestartCounts(1, 2, 5, 9)


# planned work


@pytest.mark.parametrize("at", [99.9, 100.0, 150.0, 199.9, 200.0, 200.1])
def test_planned_work_is_half_open(at: float) -> None:
    assert within([(100.0, 200.0)], at) is (100.0 <= at < 200.0)


@pytest.mark.parametrize(
    ("start", "end", "touched", "covered"),
    [
        (0, 100, False, False), (0, 101, True, False), (100, 200, True, True), (150, 200, True, True),
        (99, 150, True, False), (199, 201, True, False), (200, 300, False, False),
    ],
)  # fmt: skip
def test_what_planned_work_touches_and_covers(start: float, end: float, touched: bool, covered: bool) -> None:
    for spans in ([(100.0, 200.0)], [(150.0, 200.0), (100.0, 150.0)], [(100.0, 200.0), (300.0, 300.0), (120.0, 110.0)]):
        assert touches(spans, start, end) is touched
        assert covers(spans, start, end) is covered
    assert not covers([], 0, 0)


def test_planned_work_reaches_to_the_polls_after_it() -> None:
    spans = [(100.0, 200.0)]
    assert takes_out(spans, 499, 800, 0)
    assert not takes_out(spans, 500, 800, 300)
    assert takes_out(spans, 500, 800, 301)
    assert (planned.REACH_S, worth_keeping(330), worth_keeping(330.1), worth_keeping(400)) == (300, 0, 330, 400)


def test_ports_switched_off_or_read_late() -> None:
    accumulator = port()
    accumulator.take_status(0.0, status(0))
    accumulator.take_status(60.0, PortStatus(None, "down", 5, 6000))
    accumulator.take_status(120.0, PortStatus("testing", "up", 5, 12_000))
    counts = accumulator.close(300.0)
    assert (counts.up_ms, counts.down_ms, counts.off_ms, counts.unknown_ms) == (60_000, 60_000, 120_000, 60_000)
    assert (counts.transitions, counts.downs, counts.merit > 0) == (1, 1, True)
    assert accumulator.state is None


def test_an_identity_of_no_speed() -> None:
    nameless = PortIdentity("1", 1, "", "", "", None, None, None, None)
    assert not is_physical(nameless)
    assert PortAccumulator(nameless, UptimeTracker(), 0.0, 300.0).close(300.0).speed_bps == 0
