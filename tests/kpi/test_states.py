"""State time: vectors 5 and 6, half-open windows, outages over seams, the site's own state."""

import itertools
import json
from dataclasses import replace
from functools import reduce

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kpi.model import State
from kpi.reachability import StateChange
from kpi.states import (
    StateSeconds,
    Turn,
    availability_bounds_pct,
    availability_incl_maint_pct,
    availability_pct,
    changes_from_checks,
    merge_states,
    monitoring_coverage_pct,
    network_changes,
    settled,
    state_seconds,
    weighted_availability_pct,
)

UP, DOWN, UNKNOWN, MAINTENANCE = State.UP, State.DOWN, State.UNKNOWN, State.MAINTENANCE
H = 3600.0


def test_vector_5_availability() -> None:
    changes = [Turn(0, UP), Turn(79200, DOWN), Turn(81000, UNKNOWN)]
    states = state_seconds(changes, 0, 86400, maintenance=[(84600, 86400)], checks=1440)
    assert (states.up_s, states.down_s, states.unknown_s, states.maintenance_s) == (79200, 1800, 3600, 1800)
    assert availability_pct(states) == pytest.approx(97.7778, abs=5e-5)
    assert 100 * states.coverage == pytest.approx(95.7447, abs=5e-5)
    assert availability_bounds_pct(states) == pytest.approx((93.6170, 97.8723), abs=5e-5)
    assert states.checks == 1440


def test_vector_6_outages() -> None:
    down = [(-4 * H, 2 * H), (100 * H, 101 * H), (200 * H, 203 * H), (715 * H, 900 * H)]
    changes = [Turn(-10 * H, UP), *[t for a, b in down for t in (Turn(a, DOWN), Turn(b, UP))]]
    month = state_seconds(changes, 0, 720 * H)
    assert month.down_s == 11 * H
    assert availability_pct(month) == pytest.approx(98.4722, abs=5e-5)
    assert (month.outages_started, month.outages_restored, month.restored_ms) == (3, 3, 10 * H * 1000)
    assert month.open_ms == 5 * H * 1000
    assert month.up_s / H / month.outages_started == pytest.approx(236.333, abs=5e-4)
    assert month.restored_ms / 3.6e6 / month.outages_restored == pytest.approx(3.333, abs=5e-4)
    assert (month.restored_ms + month.open_ms) / 3.6e6 / 4 == 3.75


def test_before_the_first_change_nothing_is_known() -> None:
    states = state_seconds([Turn(40, UP)], 0, 60)
    assert (states.unknown_ms, states.up_ms) == (40_000, 20_000)
    assert states.coverage == pytest.approx(1 / 3)
    assert availability_pct(state_seconds([], 0, 60)) is None


def test_windows_are_half_open() -> None:
    changes = [Turn(0, UP), Turn(60, DOWN), Turn(120, UP)]
    first, second, third = (state_seconds(changes, a, a + 60) for a in (0, 60, 120))
    assert (first.down_ms, first.outages_started) == (0, 0)
    assert (second.down_ms, second.outages_started, second.outages_restored, second.open_ms) == (60_000, 1, 0, 60_000)
    assert (third.outages_restored, third.restored_ms, third.open_ms) == (1, 60_000, 0)


def test_a_state_begins_no_earlier_than_the_one_it_replaces() -> None:
    changes = [StateChange("d", 0, UP, "answered"), StateChange("d", 57.0, DOWN, "no_reply")]
    assert state_seconds(changes, 0, 60).down_ms == 3000
    assert settled([Turn(0, UP), Turn(10, UNKNOWN), Turn(8, DOWN)]) == [(0, UP), (10_000, DOWN)]
    assert settled([Turn(0, UP), Turn(10, UNKNOWN), Turn(0, UP)]) == [(0, UP)]
    assert settled([Turn(0, DOWN), Turn(10, UP), Turn(10, DOWN)]) == [(0, DOWN)]

    assert settled([Turn(111, UNKNOWN), Turn(116, UP), Turn(116, UNKNOWN), Turn(90, DOWN)]) == [
        (111_000, UNKNOWN),
        (116_000, DOWN),
    ]


@given(st.lists(st.tuples(st.integers(0, 12), st.sampled_from((UP, DOWN, UNKNOWN))), max_size=12))
def test_settled_states_are_those_of_the_decisions_one_over_the_other(decisions: list[tuple[int, State]]) -> None:
    """Each other state paints over what follows its beginning, which is no earlier than that of the one before."""
    painted: list[State | None] = [None] * 13
    begun, state = 0, None
    for at, decided in decisions:
        if decided is not state:
            begun, state = max(at, begun), decided
            painted[begun:] = [decided] * (13 - begun)
    turns = settled([Turn(at, decided) for at, decided in decisions])
    assert turns == [
        (1000 * at, now)
        for at, now in enumerate(painted)
        if now is not None and (at == 0 or painted[at - 1] is not now)
    ]


def test_unknown_neither_ends_an_outage_nor_lengthens_it() -> None:
    changes = [Turn(0, UP), Turn(10, DOWN), Turn(20, UNKNOWN), Turn(50, DOWN), Turn(55, UP)]
    states = state_seconds(changes, 0, 60)
    assert (states.outages_started, states.outages_restored, states.restored_ms) == (1, 1, 15_000)


def test_maintenance_leaves_numerator_and_denominator_and_stays_as_raw() -> None:
    changes = [Turn(0, UP), Turn(20, DOWN), Turn(40, UP)]
    states = state_seconds(changes, 0, 60, maintenance=[(15, 45), (30, 50)])
    assert (states.up_ms, states.down_ms, states.maintenance_ms) == (25_000, 0, 35_000)
    assert (states.outages_started, states.outages_restored) == (0, 0)
    assert availability_pct(states) == 100
    assert availability_incl_maint_pct(states) == pytest.approx(100 * 40 / 60)


def test_an_outage_that_outlasts_maintenance_starts_as_it_ends() -> None:
    states = state_seconds([Turn(0, UP), Turn(20, DOWN)], 0, 60, maintenance=[(10, 30)])
    assert (states.outages_started, states.down_ms, states.open_ms) == (1, 30_000, 30_000)


def test_a_change_to_maintenance_knows_nothing_of_the_raw_state() -> None:
    states = state_seconds([Turn(0, UP), Turn(30, MAINTENANCE)], 0, 60)
    assert (states.maintenance_ms, states.maintenance_up_ms) == (30_000, 0)
    assert state_seconds([Turn(0, MAINTENANCE)], 0, 60).coverage == 1.0
    assert availability_bounds_pct(state_seconds([Turn(0, MAINTENANCE)], 0, 60)) == (None, None)


def test_a_check_holds_two_periods_at_most() -> None:
    turns = changes_from_checks([(0, UP), (60, UP), (300, DOWN), (360, DOWN)], 60)
    assert turns == [Turn(0, UP), Turn(180, UNKNOWN), Turn(300, DOWN), Turn(480, UNKNOWN)]
    assert changes_from_checks([], 60) == []


def test_expected_devices_never_seen_lower_coverage() -> None:
    seen = StateSeconds(up_ms=270_000, down_ms=30_000)
    assert monitoring_coverage_pct([seen, StateSeconds(unknown_ms=300_000)]) == 50
    assert monitoring_coverage_pct([seen, StateSeconds(maintenance_ms=300_000)]) == 100
    assert monitoring_coverage_pct([]) is None


def test_weighted_availability() -> None:
    assert weighted_availability_pct(
        [(5, StateSeconds(up_ms=100)), (1, StateSeconds(down_ms=100))],
    ) == pytest.approx(100 * 5 / 6)
    assert weighted_availability_pct([]) is None


ALL = [UP, DOWN, UNKNOWN]


@pytest.mark.parametrize(
    ("link", "gateway", "wan", "expected"),
    [
        (UP, UP, [UP, DOWN, DOWN], UP),
        (UP, UP, [DOWN, DOWN, DOWN], DOWN),
        (UP, DOWN, [DOWN, DOWN, DOWN], DOWN),
        (UP, DOWN, [UNKNOWN, UNKNOWN, DOWN], DOWN),  # behind a dead gateway
        (UP, UP, [DOWN, DOWN, UNKNOWN], UNKNOWN),
        (UP, UNKNOWN, [DOWN, DOWN, DOWN], UNKNOWN),
        (UP, DOWN, [UP, UP, UP], UNKNOWN),
        (DOWN, DOWN, [DOWN, DOWN, DOWN], UNKNOWN),
        (UNKNOWN, UP, [UP, UP, UP], UNKNOWN),
        (UP, None, [UP, DOWN, DOWN], UP),
        (UP, None, [DOWN, DOWN, DOWN], DOWN),
        (UP, MAINTENANCE, [DOWN, DOWN, DOWN], MAINTENANCE),
    ],
)
def test_site_state(link: State, gateway: State | None, wan: list[State], expected: State) -> None:
    at_gateway = None if gateway is None else [Turn(5, gateway)]
    changes = network_changes([Turn(0, link)], at_gateway, [[Turn(9, state)] for state in wan])
    assert changes is not None
    assert changes[-1].state is expected


def test_fewer_than_three_wan_targets_are_too_few() -> None:
    assert network_changes([Turn(0, UP)], [Turn(0, UP)], [[Turn(0, UP)], [Turn(0, UP)]]) is None


def test_site_state_over_time() -> None:
    wan = [[Turn(0, UP), Turn(10 + i, DOWN), Turn(30, UP)] for i in range(3)]
    assert network_changes([Turn(0, UP)], [Turn(0, UP)], wan) == [Turn(0, UP), Turn(12, DOWN), Turn(30, UP)]


CHANGES = st.lists(
    st.builds(Turn, st.integers(-50, 400).map(lambda t: t / 2), st.sampled_from([*ALL, MAINTENANCE])), max_size=14
)
SPANS = st.lists(st.tuples(st.integers(-20, 220), st.integers(0, 60)).map(lambda s: (s[0], s[0] + s[1])), max_size=3)


@settings(deadline=None)
@given(CHANGES, SPANS, st.lists(st.integers(1, 199), max_size=6, unique=True))
def test_folding_windows_equals_one_window(
    changes: list[Turn], spans: list[tuple[float, float]], cuts: list[int]
) -> None:
    edges = [0, *sorted(cuts), 200]
    parts = [state_seconds(changes, a, b, maintenance=spans, checks=b - a) for a, b in itertools.pairwise(edges)]
    whole = state_seconds(changes, 0, 200, maintenance=spans, checks=200)
    assert reduce(merge_states, parts) == whole
    assert reduce(lambda later, earlier: merge_states(earlier, later), reversed(parts)) == whole
    assert whole.expected_ms + whole.maintenance_ms == 200_000
    assert StateSeconds.from_plain(json.loads(json.dumps(whole.to_plain()))) == whole


def test_another_version_is_refused() -> None:
    with pytest.raises(ValueError, match="version 9"):
        StateSeconds.from_plain([9])


def test_a_window_made_whole_knows_nothing_of_what_no_part_of_it_tells() -> None:
    part = StateSeconds(up_ms=100_000, maintenance_ms=50_000, checks=100)
    assert part.whole(300) == replace(part, unknown_ms=150_000)
    assert part.whole(300).coverage == 100 / 250
    assert part.whole(150) is part.whole(100) is part
