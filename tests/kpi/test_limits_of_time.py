"""Limits of clocks, counters and echoes: exactly at them, and just on either side."""

import itertools
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kpi import counters
from kpi.counters import WRAP, Refusal, Span, UptimeTracker, delta, line_rate, runs_on, span, stepped_back
from kpi.echo import EchoAccumulator, EchoCounts, beside_echo, merge_echo, merge_echo_halves
from kpi.entry import SITE_WEIGHTS
from kpi.figures import availability, coverage_pct, jitter_ms, loss_ratio, reboots, rtt_ms, share_pct
from kpi.flap import FigureOfMerit, nagios_pct
from kpi.model import NullReason, Outcome, Sample, State
from kpi.planned import Halves
from kpi.reboots import RestartCounts
from kpi.sketch import GAMMA, LARGEST, WIDEST, Sketch, SketchBuilder, estimate
from kpi.states import (
    StateSeconds,
    Turn,
    availability_bounds_pct,
    availability_incl_maint_pct,
    changes_from_checks,
    network_changes,
    settled,
    state_seconds,
    weighted_availability_pct,
    whole_ms,
)
from kpi.value_counts import ValueCounts, step_of

# counters


@pytest.mark.parametrize(
    ("speed_bps", "octets", "packets", "assumed"),
    [
        (None, 1e12, 1e12, True),
        (0, 1e12, 1e12, True),
        (1, 1e12, 1e12, False),
        (99_999_999, 1e12, 1e12, False),  # tunnels tell 10 Mb/s and carry what the line below them does
        (100_000_000, 1e9, 1e9, False),
        (10_000_000_000, 1e11, 1e11, False),
    ],
)
def test_what_a_line_of_this_speed_can_rise_by(
    speed_bps: int | None, octets: float, packets: float, assumed: bool
) -> None:
    rate = line_rate(speed_bps)
    assert rate.octets_most_per_s == pytest.approx(octets / 8)
    assert rate.packets_most_per_s == pytest.approx(packets / 672)
    bound, wrap = (speed_bps, speed_bps) if speed_bps else (20_000_000, 100_000_000)
    assert rate.octets_per_s == pytest.approx(1.05 * bound / 8)
    assert rate.packets_per_s == pytest.approx(bound / 672)
    assert rate.octets_wrap_s == pytest.approx(2**32 * 8 / wrap)
    assert rate.packets_wrap_s == pytest.approx(2**32 * 672 / wrap)
    assert rate.assumed is assumed


@pytest.mark.parametrize("seconds", [0.0, 1.0, 59.0, 60.0, 61.0, 300.0])
def test_a_64_bit_counter_rises_by_what_its_line_carries_at_most(seconds: float) -> None:
    """Agents hold their counters back for up to a minute: a shorter interval may carry as much."""
    most = 1000 * max(60.0, seconds)
    over = Span(seconds, by_uptime=True)
    assert delta(5, 5 + int(most), 64, over, per_s=1.0, most_per_s=1000.0) == int(most)
    assert delta(5, 6 + int(most), 64, over, per_s=1.0, most_per_s=1000.0) is Refusal.TOO_FAST
    assert delta(5, 6 + int(most), 64, over, per_s=1.0) == int(most) + 1


def test_a_wrap_is_as_much_as_the_line_carries_at_most() -> None:
    over = Span(100.0, by_uptime=True)
    assert delta(WRAP - 10, 90, 32, over, per_s=1.0) == 100
    assert delta(WRAP - 10, 91, 32, over, per_s=1.0) is Refusal.IMPLAUSIBLE
    assert delta(7, 7, 32, over, per_s=1.0) == 0
    assert delta(0, 0, 64, over, per_s=1.0) == 0


@pytest.mark.parametrize(("before", "after", "seconds"), [(0, 0, 0.0), (5, 4, 0.0), (0, 1, 0.01), (WRAP - 1, 0, 0.01)])
def test_two_readings_at_once_are_no_time_apart_or_a_tick(before: int, after: int, seconds: float) -> None:
    assert span(before, after, 0.0).seconds == seconds
    assert span(before, after, 0.0).refused is None


def test_a_span_over_half_of_what_sysuptime_can_count() -> None:
    """497 days: what is asked for once in 300 days is still told from a step back."""
    days = 300 * 86_400.0
    assert span(0, round(days * 100), days).seconds == days
    assert counters.uptime_drift_cs(0, WRAP // 2, 0.0) == -(WRAP // 2)
    assert counters.uptime_drift_cs(0, WRAP // 2 - 1, 0.0) == WRAP // 2 - 1


@pytest.mark.parametrize("probe_s", [0.0, 10.0, 60.0, 299.0, 301.0, 1000.0, -5.0])
def test_a_step_back_to_what_can_have_passed_is_a_restart(probe_s: float) -> None:
    before, passed = 10_000_000, 100 * max(probe_s, 0.0)
    most = int(passed + max(300, 0.01 * passed))
    assert stepped_back(before, most, probe_s)
    assert stepped_back(before, 0, probe_s)
    assert not stepped_back(before, most + 1, probe_s)
    assert not stepped_back(most, most, probe_s)


def test_a_wrap_is_no_step_back() -> None:
    assert not stepped_back(WRAP - 100, 5900, 60.0)
    assert runs_on(WRAP - 100, 5900, 60.0)


def tracked(*readings: tuple[float, int]) -> UptimeTracker:
    tracker = UptimeTracker()
    for at, uptime_cs in readings:
        tracker.take(at, uptime_cs)
    return tracker


def test_an_interval_of_ten_seconds_is_judged_and_a_shorter_one_is_not() -> None:
    """Stopped for 10 s, twice in a row, is a clock that is not to be trusted."""
    assert not tracked((0, 500), (10, 500), (20, 500)).trusted
    assert tracked((0, 500), (9.99, 500), (19.98, 500)).trusted


def test_a_restart_is_dated_by_its_own_uptime() -> None:
    tracker = tracked((0, 900_000), (60, 906_000), (120, 2000))
    assert (tracker.restarts, tracker.began, tracker.late) == (1, 100.0, False)
    assert (UptimeTracker().began, UptimeTracker().restarts, UptimeTracker().late) == (0.0, 0, False)


def test_less_than_has_passed_is_a_restart_of_a_clock_that_was_good() -> None:
    tracker = tracked((0, 100), (60, 6100), (1000, 50_000))  # more than before, and less than the 940 s in between
    assert (tracker.restarts, tracker.began) == (1, 500.0)
    ran_on = tracked((0, 100), (60, 6100), (1000, 100_100))
    assert ran_on.restarts == 0
    faster = tracked((0, 100), (60, 6100), (1000, 100_100 + 2000))  # 20 s too much: odd, and no restart
    assert (faster.restarts, faster.trusted) == (0, True)


def test_of_a_clock_that_was_never_good_the_next_interval_decides() -> None:
    restarted = tracked((0, 100), (600, 3000), (660, 9000))
    assert (restarted.restarts, restarted.began, restarted.late) == (1, 570.0, True)
    wrong_unit = tracked((0, 100), (600, 160), (1200, 220))
    assert (wrong_unit.restarts, wrong_unit.trusted) == (0, False)
    other_rate = tracked((0, 100), (600, 3000), (1200, 3500))
    assert (other_rate.restarts, other_rate.began, other_rate.late, other_rate.trusted) == (1, 570.0, True, True)


@pytest.mark.parametrize(("rise_cs", "alike"), [(6000, True), (6310, True), (5690, True), (6311, False), (5689, False)])
def test_a_wrong_unit_goes_on_at_its_own_rate(rise_cs: int, alike: bool) -> None:
    """Within 5 % and a tenth of a second, as polls are not asked to the second."""
    tracker = tracked((0, 1), (600, 6001), (1200, 6001 + rise_cs))
    assert tracker.restarts == (not alike)


def test_a_probe_that_restarted_goes_on_from_what_it_knew() -> None:
    for trusted in (True, False):
        tracker = UptimeTracker()
        tracker.resume(0.0, 100_000, trusted=trusted)
        assert tracker.trusted is trusted
        tracker.take(5000.0, 300_000)  # 3000 s of uptime in a gap of 5000 s
        assert tracker.restarts == int(trusted)
    doubted = UptimeTracker()
    doubted.resume(0.0, 100, trusted=False)
    for n in range(1, 4):
        doubted.take(60.0 * n, 100 + 6000 * n)
        assert doubted.trusted is (n >= 3)


def test_one_good_interval_ends_the_doubt() -> None:
    tracker = tracked((0, 500), (60, 500), (120, 6500), (180, 6500), (240, 12_500))
    assert tracker.trusted


# flap


def test_the_limits_of_flapping_are_not_crossed_by_reaching_them() -> None:
    for value, flapping in ((749.9, False), (750.0, True), (750.1, True)):
        merit = FigureOfMerit(value, 0.0, flapping=True)
        merit.settle(0.0)
        assert merit.flapping is flapping
        assert merit.steady_in_s() == pytest.approx(max(900 * math.log2(value / 750), 0))
    for value, flapping in ((1000.0, False), (1000.1, True)):
        merit = FigureOfMerit(value, 5.0)
        merit.went_down(5.0)
        assert merit.flapping is flapping


@pytest.mark.parametrize(
    ("value", "raised", "was", "flapping"),
    [
        (2500.0, 1000.0, True, True),
        (2500.0, 1000.0, False, False),
        (3500.0, 1000.0, False, True),  # more than 2000 is left: it flaps all the same
        (3000.0, 1000.0, False, False),
        (3000.1, 1000.0, False, True),
        (1700.0, 1000.0, True, False),
        (1750.0, 1000.0, True, True),
        (900.0, 1000.0, True, False),
    ],
)
def test_what_planned_work_raised_is_taken_back(value: float, raised: float, was: bool, flapping: bool) -> None:
    merit = FigureOfMerit(value, 100.0, flapping=True)
    merit.take_back(raised, 100.0, flapping=was)
    assert merit.value == pytest.approx(max(value - raised, 0.0))
    assert merit.flapping is flapping


def test_what_is_taken_back_has_decayed_since() -> None:
    before, merit = FigureOfMerit(400.0, 0.0), FigureOfMerit(400.0, 0.0)
    merit.went_down(900.0)
    assert merit.value == 1200
    assert merit.raised_since(before) == 1000
    assert before.raised_since(merit) == -800
    merit.settle(1800.0)
    merit.take_back(1000.0, 900.0, flapping=False)
    assert (merit.value, merit.flapping) == (100, False)
    merit.take_back(10.0, 5000.0, flapping=False)  # later than all that is known: nothing to decay
    assert merit.value == 90


@pytest.mark.parametrize("changed", range(1, 21))
def test_nagios_weighs_the_newest_change_most(changed: int) -> None:
    states = [0] * changed + [1] * (21 - changed)
    assert nagios_pct(states) == pytest.approx(100 * (0.75 + (changed - 1) * 0.5 / 19) / 20)
    assert nagios_pct([9, *states]) == nagios_pct(states)


# sketches and counted values


def test_a_sketch_takes_what_it_can_hold_and_refuses_the_rest() -> None:
    builder = SketchBuilder()
    for value in (-1.0, 0.0, 1e-6, 1.001e-6, 1e15):
        builder.add(value)
    sketch = builder.snapshot()
    assert (sketch.zero, sketch.count) == (3, 5)
    for value in (1.001e15, math.inf, math.nan):
        with pytest.raises(ValueError, match="not a value"):
            builder.add(value)
    assert LARGEST == 1e15
    assert pytest.approx(1.01 / 0.99) == GAMMA


@given(st.floats(1.1e-6, 1e15))
def test_an_estimate_is_within_a_hundredth_of_the_value(value: float) -> None:
    sketch = Sketch.of([value])
    assert len(sketch.counts) == 1
    assert GAMMA ** (sketch.first - 1) <= value * (1 + 1e-9)
    assert value <= GAMMA**sketch.first * (1 + 1e-9)
    assert abs(estimate(sketch.first) - value) <= 0.01 * value * (1 + 1e-9)


@pytest.mark.parametrize("n", [1, 2, 5, 101])
def test_quantiles_are_those_of_the_sorted_values(n: int) -> None:
    values = [0.0, *[1.2**i for i in range(n - 1)]]
    for q in (0.0, 0.29, 0.5, 0.95, 1.0):
        exact = values[math.floor(q * (n - 1) + 1e-9)]
        assert Sketch.of(values).quantile(q) == pytest.approx(exact, rel=0.0101)
    counted = ValueCounts.of(values[:20])
    few = sorted(round(value, 1) for value in values[:20])
    for q in (-1.0, 0.0, 0.3, 0.5, 1.0, 2.0):
        rank = math.floor(min(max(q, 0), 1) * (len(few) - 1) + 1e-9)
        assert counted.quantile(q) == pytest.approx(few[rank], abs=0.051)
        assert counted.quantile(q, from_top=True) == pytest.approx(few[::-1][rank], abs=0.051)


def test_quantiles_outside_0_and_1_are_refused() -> None:
    for q in (-0.001, 1.001):
        with pytest.raises(ValueError, match="between 0 and 1"):
            Sketch.of([1.0]).quantile(q)
    assert Sketch(zero=3).quantile(1.0) == 0.0
    assert Sketch().quantile(0.5) is None
    assert Sketch(zero=1, first=5, counts=(1,)).quantile(0.0) == 0.0
    assert Sketch(zero=1, first=5, counts=(1,)).quantile(1.0) == estimate(5)


def test_what_travels_as_a_sketch_is_checked() -> None:
    assert Sketch.from_wire(7, (0, 0, 2, 0, 3, 0), 4) == Sketch(4, 9, (2, 0, 3))
    assert WIDEST == 4096
    assert Sketch.from_wire(1, (1,) * 4096).count == 4096
    for first, counts, zero in ((1, (1,) * 4097, 0), (1, (1, -1), 0), (1, (1,), -1)):
        with pytest.raises(ValueError, match="no negative counts"):
            Sketch.from_wire(first, counts, zero)
    assert Sketch.from_wire(1, (), 0) == Sketch()


def test_sketches_far_apart_and_overlapping_merge_bucket_by_bucket() -> None:
    a, b = Sketch(1, -3, (1, 2, 3)), Sketch(2, -2, (10, 20, 30))
    assert a.merge(b) == b.merge(a) == Sketch(3, -3, (1, 12, 23, 30))
    far = Sketch(0, 2, (5,))
    assert a.merge(far) == far.merge(a) == Sketch(1, -3, (1, 2, 3, 0, 0, 5))
    assert a.merge(Sketch(4)) == Sketch(4).merge(a) == Sketch(5, -3, (1, 2, 3))


@pytest.mark.parametrize("counts", [(1,), (1, 0, 2), (3, 0, 0, 0, 1, 1), (1, 1)])
def test_a_sketch_comes_back_from_its_plain_form(counts: tuple[int, ...]) -> None:
    sketch = Sketch(2, -7, counts)
    assert Sketch.from_plain(sketch.to_plain(), 2) == sketch
    gaps = [n for n in sketch.to_plain()[1:] if n < 0]
    assert sum(gaps) == -counts.count(0)


def test_values_are_counted_in_tenths() -> None:
    assert [step_of(value) for value in (-67, -67.04, 0.06, 3.25)] == [-670, -670, 1, 32]
    counted = ValueCounts.of([1, 1, 2.5])
    assert counted.counts == ((10, 2), (25, 1))
    assert counted.to_wire() == ((1.0, 2), (2.5, 1))
    whole = ValueCounts.of([-67, -70, -67]).to_wire()
    assert json.dumps(whole) == "[[-70, 1], [-67, 2]]"
    assert counted.to_plain() == [10, 2, 15, 1]
    assert ValueCounts.from_steps({5: 0, 6: -1, 7: 1}).counts == ((7, 1),)
    assert counted.merge(ValueCounts.of([2.5, 3])).counts == ((10, 2), (25, 2), (30, 1))


@pytest.mark.parametrize("plain", [[1], [1, 2, 3], [1, 0], [1, -1], [1, 1, 0, 1], [1.0, 1], [1, True]])
def test_what_is_no_list_of_values_is_refused(plain: list[int]) -> None:
    with pytest.raises(ValueError, match=r"whole number|come with their counts|comes once"):
        ValueCounts.from_plain(plain)


# states


def test_checks_hold_for_two_periods_and_a_check_in_time_goes_on() -> None:
    up, down, unknown = State.UP, State.DOWN, State.UNKNOWN
    assert changes_from_checks([(0, up), (120, up)], 60) == [Turn(0, up), Turn(240, unknown)]
    assert changes_from_checks([(0, up), (121, up)], 60) == [
        Turn(0, up), Turn(120, unknown), Turn(121, up), Turn(241, unknown),
    ]  # fmt: skip
    assert changes_from_checks([(5, down)], 1) == [Turn(5, down), Turn(7, unknown)]


def test_times_are_whole_milliseconds() -> None:
    assert whole_ms(1.2344) == 1.234
    assert settled([Turn(0.0004, State.UP), Turn(0.0016, State.DOWN)]) == [(0, State.UP), (2, State.DOWN)]


def test_an_outage_that_begins_or_ends_with_the_window() -> None:
    changes = [Turn(0, State.UP), Turn(100, State.DOWN), Turn(200, State.UP)]
    within = state_seconds(changes, 100, 200)
    assert (within.outages_started, within.outages_restored, within.down_ms, within.open_ms) == (1, 0, 100_000, 100_000)
    after = state_seconds(changes, 200, 300)
    assert (after.outages_started, after.outages_restored, after.restored_ms) == (0, 1, 100_000)
    later = state_seconds(changes, 201, 300)
    assert (later.outages_started, later.outages_restored, later.restored_ms, later.open_ms) == (0, 0, 0, 0)
    assert state_seconds(changes, 100, 100) == StateSeconds()


def test_planned_work_within_the_window_is_half_open() -> None:
    changes = [Turn(0, State.DOWN)]
    inside = state_seconds(changes, 0, 100, maintenance=[(10, 20), (40, 40), (60, 50)])
    assert (inside.maintenance_ms, inside.maintenance_down_ms, inside.maintenance_up_ms) == (10_000, 10_000, 0)
    assert inside.down_ms == 90_000
    assert availability_incl_maint_pct(inside) == 0
    mixed = StateSeconds(up_ms=10, down_ms=20, maintenance_up_ms=30, maintenance_down_ms=40)
    assert availability_incl_maint_pct(mixed) == 40
    assert availability_incl_maint_pct(StateSeconds(unknown_ms=5)) is None


def test_bounds_and_weights_of_availability() -> None:
    states = StateSeconds(up_ms=60, down_ms=20, unknown_ms=20)
    assert availability_bounds_pct(states) == (60, 80)
    assert (states.known_ms, states.expected_ms, states.coverage) == (80, 100, 0.8)
    assert (states.up_s, states.down_s, states.unknown_s) == (0.06, 0.02, 0.02)
    assert StateSeconds().coverage == 1.0
    assert weighted_availability_pct([(2, states), (3, StateSeconds(up_ms=10))]) == pytest.approx(100 * 150 / 190)
    assert weighted_availability_pct([(0, states)]) is None
    assert states.whole(1).unknown_ms == 920


def test_the_site_turns_when_one_of_its_parts_does_and_says_each_turn_once() -> None:
    up, down = State.UP, State.DOWN
    link = [Turn(0, up), Turn(50, down), Turn(60, up)]
    gateway = [Turn(0, up), Turn(20, down), Turn(30, up)]
    wan = [[Turn(0, up), Turn(10 + n, down), Turn(40, up)] for n in range(3)]
    assert network_changes(link, gateway, wan) == [
        Turn(0, up), Turn(12, down), Turn(40, up), Turn(50, State.UNKNOWN), Turn(60, up),
    ]  # fmt: skip
    early = [[Turn(5, up), Turn(6, down), Turn(7, up), Turn(8, down)]] * 3
    assert network_changes([Turn(9, up)], None, early) == [Turn(5, State.UNKNOWN), Turn(9, down)]


# echoes


def echoes(*results: float | None, first: int = 0, before: EchoCounts | None = None) -> EchoCounts:
    accumulator = EchoAccumulator()
    for number, value in enumerate(results, first):
        outcome = Outcome.NO_REPLY if value is None else Outcome.OK
        accumulator.add(Sample("t", "echo", "", 0.0, value, outcome, None, number))
    assert len(accumulator) == len(results)
    return accumulator.snapshot(before)


RUNS = st.lists(st.lists(st.sampled_from([None, 1.0, 2.0, 4.0]), max_size=6), min_size=1, max_size=4)


@given(RUNS)
def test_echo_windows_by_a_plain_reckoning(parts: list[list[float | None]]) -> None:
    results = [value for part in parts for value in part]
    windows, at = [], 0
    for part in parts:
        windows.append(echoes(*part, first=at))
        at += len(part)
    merged = EchoCounts()
    for window in windows:
        merged = merge_echo(merged, window)
    answered = [value for value in results if value is not None]
    text = "".join("L" if value is None else "A" for value in results)
    runs = [len(run) for run in text.split("A")]
    for whole in (merged, echoes(*results)):
        assert (whole.sent, whole.lost, whole.answered) == (len(results), text.count("L"), len(answered))
        assert (whole.longest_run, whole.leading_run, whole.trailing_run) == (max(runs), runs[0], runs[-1])
        assert whole.sum_ns == sum(answered) * 1_000_000
        assert whole.min_ns == (min(answered) * 1_000_000 if answered else None)
        assert whole.max_ns == (max(answered) * 1_000_000 if answered else None)
        steps = [abs(a - b) for a, b in itertools.pairwise(results) if a is not None and b is not None]
        assert (whole.n_d, whole.abs_d_ns) == (len(steps), sum(steps) * 1_000_000)
        assert EchoCounts.from_plain(whole.to_plain()) == whole


@pytest.mark.parametrize(("missing", "goes_on"), [(0, True), (1, True), (9, True), (10, False), (11, False)])
def test_j_begins_anew_after_ten_that_are_missing(missing: int, goes_on: bool) -> None:
    """1 ms, 3 ms, then a gap and two more: RFC 3550 6.4.1, with a sixteenth of each difference."""
    found = echoes(1.0, 3.0, *[None] * missing, 3.0, 3.0)
    first = 2_000_000 / 16
    steps = 1 if missing else 2
    assert found.j_ns == (round(first * (15 / 16) ** steps) if goes_on else 0)


@pytest.mark.parametrize("first", range(-70, 71))
def test_the_first_answer_of_all_makes_no_difference(first: int) -> None:
    one = echoes(5.0, first=first)
    assert (one.j_ns, one.n_d, one.abs_d_ns) == (None, 0, 0)
    assert one.first_answered == one.last_answered == (first, 5_000_000)


def test_j_goes_on_from_the_window_before() -> None:
    before = echoes(1.0, 3.0)
    assert before.j_ns == 125_000
    assert echoes(3.0, first=2, before=before).j_ns == round(125_000 * 15 / 16)
    assert echoes(3.0, first=20, before=before).j_ns is None
    assert echoes(None, first=2, before=before).j_ns is None
    assert merge_echo(before, echoes(None, first=2)).j_ns == 125_000
    assert echoes(1.0).j_ns is None


def test_round_trips_stay_within_what_was_seen() -> None:
    found = echoes(1.0, 1.0, 1.0)
    assert [found.rtt_ms(q) for q in (0.0, 0.5, 1.0)] == [1.0, 1.0, 1.0]
    assert echoes(None).rtt_ms(0.5) is None
    assert EchoCounts(sketch=Sketch.of([1.0]), min_ns=1_000_000).rtt_ms(0.5) is None
    assert EchoCounts(sketch=Sketch.of([1.0]), max_ns=1_000_000).rtt_ms(0.5) is None


def test_an_answer_in_no_time_and_one_before_its_question_are_0() -> None:
    found = echoes(0.0, -0.5, 1e-6, 2e-6)
    assert (found.min_ns, found.max_ns, found.sketch.zero, found.answered) == (0, 2, 3, 4)


def test_refused_faults_and_skipped_echoes() -> None:
    accumulator = EchoAccumulator()
    outcomes = [
        (Outcome.NO_REPLY, "timeout"), (Outcome.NO_REPLY, None), (Outcome.REFUSED, "x"), (Outcome.NO_REPLY, "timeout"),
        (Outcome.AGENT_FAULT, "send"), (Outcome.SKIPPED, ""), (Outcome.NO_REPLY, "timeout"), (Outcome.AGENT_FAULT, "send"),
    ]  # fmt: skip
    for number, (outcome, reason) in enumerate(outcomes):
        accumulator.add(Sample("t", "echo", "", 0.0, None, outcome, reason, number))
    found = accumulator.snapshot()
    assert (found.sent, found.lost, found.skipped, found.faults, found.answered) == (5, 4, 1, 2, 0)
    assert (found.longest_run, found.leading_run, found.trailing_run) == (2, 2, 2)
    assert found.lost_by == (("", 1), ("timeout", 3))
    assert found.faults_by == (("send", 2),)


def test_one_result_a_number_the_first_counts_and_confirmations_do_not() -> None:
    accumulator = EchoAccumulator()
    for value, number in ((1.0, 1), (9.0, 1), (2.0, 2)):
        accumulator.add(Sample("t", "echo", "", 0.0, value, Outcome.OK, "clock" if number == 2 else "other", number))
    accumulator.add(Sample("t", "confirm", "", 0.0, 5.0, Outcome.OK, None, 3))
    found = accumulator.snapshot()
    assert (found.sent, found.max_ns, found.clock_flagged) == (2, 2_000_000, 1)
    with pytest.raises(TypeError, match="round trip in ms"):
        accumulator.add(Sample("t", "echo", "", 0.0, "soon", Outcome.OK, None, 4))


def test_windows_beside_each_other_have_no_seam() -> None:
    a, b = echoes(1.0, None, None), echoes(None, 3.0, first=3)
    beside = beside_echo(a, b)
    assert (beside.longest_run, beside.leading_run, beside.trailing_run, beside.n_d) == (2, 0, 0, 0)
    assert (beside.j_ns, beside.first_answered, beside.last_answered) == (None, None, None)
    assert beside_echo(b, a).longest_run == 2
    assert beside_echo(echoes(1.0), echoes(9.0, first=1)).abs_d_ns == 0


@pytest.mark.parametrize("order", [1, -1])
def test_a_run_of_losses_does_not_go_on_over_the_other_half(order: int) -> None:
    lost = echoes(None, None)
    halves = [Halves[EchoCounts].of(lost, planned=False), Halves[EchoCounts].of(lost, planned=True)][::order]
    both = merge_echo_halves(*halves)
    for half in (both.counted, both.planned):
        assert half is not None
        first = (half is both.counted) == (order == 1)
        assert (half.leading_run, half.trailing_run) == ((2, 0) if first else (0, 2))
    none = Halves[EchoCounts].of(None, planned=False)
    assert merge_echo_halves(Halves(lost), none) == merge_echo_halves(none, Halves(lost)) == Halves(lost)
    assert merge_echo_halves(Halves(lost), Halves(lost)).counted == merge_echo(lost, lost)


@pytest.mark.parametrize(("slow", "value"), [(9, 0.0), (10, 49.0)])
def test_from_a_thousand_answers_on_the_slowest_of_a_thousand_count(slow: int, value: float) -> None:
    figure = jitter_ms(echoes(*[1.0] * 990, *[50.0] * slow))
    assert figure.value == pytest.approx(value, abs=0.5)
    assert (figure.n, figure.parts["n_d"]) == (990 + slow, 989 + slow)


def test_one_answer_does_not_vary_and_two_do() -> None:
    one = jitter_ms(echoes(1.0))
    assert (one.value, one.null_reason, one.n) == (None, NullReason.INSUFFICIENT, 1)
    two = jitter_ms(echoes(1.0, 3.0))
    assert two.value == 0.0  # the 99th percentile of two is the smaller one
    assert dict(two.parts) == {"n_d": 1, "mean_abs_d_ms": 2, "j_ms": 0.125}
    apart = jitter_ms(echoes(1.0, None, 3.0))
    assert dict(apart.parts) == {"n_d": 0}
    assert jitter_ms(None).null_reason is jitter_ms(echoes(None)).null_reason is NullReason.NO_DATA


def test_figures_of_echoes_and_of_none() -> None:
    found = rtt_ms(echoes(1.0, 2.0, 0.0))
    assert found.value == pytest.approx(1.0, rel=0.01)
    assert found.n == 3
    assert (found.parts["min_ms"], found.parts["max_ms"], found.parts["zero"]) == (0, 2, 1)
    assert rtt_ms(None).null_reason is rtt_ms(echoes(None)).null_reason is NullReason.NO_DATA
    lost = loss_ratio(echoes(None, 1.0, None, None))
    assert (lost.value, lost.n, dict(lost.parts)) == (75, 4, {"lost": 3, "longest_run": 2})
    unsent = loss_ratio(EchoCounts(skipped=2, faults_by=(("send", 3),)))
    assert (unsent.value, unsent.n, dict(unsent.parts)) == (None, 0, {"faults": 3, "skipped": 2})
    assert share_pct(-1, 5) == share_pct(5, 0) == share_pct(5, -1) == 0
    assert (share_pct(6, 5), share_pct(1, 4)) == (100, 25)


def test_figures_of_states() -> None:
    states = StateSeconds(up_ms=600, down_ms=200, unknown_ms=200, maintenance_ms=100, maintenance_down_ms=50, checks=7)
    found = availability(states)
    assert (found.value, found.n) == (75, 7)
    assert dict(found.parts) == {
        "up_s": 0.6, "down_s": 0.2, "unknown_s": 0.2, "lo_pct": 60, "hi_pct": 80, "maintenance_s": 0.1,
        "incl_maint": pytest.approx(100 * 600 / 850),
    }  # fmt: skip
    outages = availability(StateSeconds(up_ms=1, outages_restored=1, restored_ms=1500, open_ms=2500))
    assert outages.parts["outages_started"] == 0
    assert (outages.parts["outages_restored"], outages.parts["restored_s"], outages.parts["open_s"]) == (1, 1.5, 2.5)
    assert set(availability(StateSeconds(up_ms=5)).parts) == {"up_s", "down_s", "unknown_s"}
    nothing = availability(StateSeconds(unknown_ms=5, checks=3))
    assert (nothing.value, nothing.n, nothing.parts["hi_pct"]) == (None, 3, 100)
    both = coverage_pct([states, StateSeconds(unknown_ms=1000, checks=2)])
    assert (both.value, both.n, dict(both.parts)) == (40, 9, {"devices": 2, "known_s": 0.8, "expected_s": 2})
    assert coverage_pct([]).null_reason is NullReason.NO_DATA
    again = reboots(RestartCounts(2, 3, 1))
    assert (again.value, again.n, dict(again.parts)) == (2, 1, {"agent_restarts": 3})
    assert reboots(RestartCounts(2, 3, 0)).null_reason is reboots(None).null_reason is NullReason.NO_DATA


WEIGHTS = {
    "gateway": 5, "router": 5, "switch": 5, "controller": 5, "access-point": 2, "server": 2, "ups": 2, "printer": 1,
    "camera": 1, "endpoint": 1, "internet": 0,
}  # fmt: skip


def test_what_a_device_weighs_at_its_site() -> None:
    assert dict(SITE_WEIGHTS) == WEIGHTS
