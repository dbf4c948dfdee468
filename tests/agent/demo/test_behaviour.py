"""Cycles and traffic: closed formulas, held against counting."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.demo.behaviour import Cycle, Traffic, Wave, day, filling

times = st.floats(1, 100_000)
cycles = st.builds(
    lambda first, lasts, rest: Cycle(first, lasts + rest, lasts),
    st.floats(0, 500),
    st.floats(1, 300),
    st.floats(1, 300),
)


def test_a_cycle_by_hand() -> None:
    cycle = Cycle(first_s=45, every_s=100, lasts_s=40)
    assert [cycle.active(t) for t in (0, 44.9, 45, 84.9, 85, 144, 145)] == [
        False, False, True, True, False, False, True,
    ]  # fmt: skip
    assert [cycle.total_s(t) for t in (0, 45, 55, 85, 100, 150)] == [0, 0, 10, 40, 40, 45]
    assert [cycle.edge_s(t) for t in (10, 50, 90, 150, 190)] == [None, 45, 85, 145, 185]
    assert [cycle.ended_s(t) for t in (10, 50, 90, 150, 190)] == [None, None, 85, 85, 185]


@given(cycles, times)
def test_total_is_what_counting_gives(cycle: Cycle, t: float) -> None:
    step = t / 400
    counted = sum(step for i in range(400) if cycle.active(i * step))
    changes = 2 * (t / cycle.every_s + 1)
    assert abs(cycle.total_s(t) - counted) <= step * (changes + 1)


@given(cycles, times, st.floats(0, 1000))
def test_total_never_goes_back_and_never_runs_ahead(cycle: Cycle, t: float, later: float) -> None:
    more = cycle.total_s(t + later) - cycle.total_s(t)
    assert -1e-6 <= more <= later + 1e-6


@given(cycles, times)
def test_the_last_edge_lies_behind_and_nothing_changed_since(cycle: Cycle, t: float) -> None:
    edge = cycle.edge_s(t)
    if edge is None:
        assert t < cycle.first_s
        return
    assert edge <= t + 1e-6
    middle = (edge + t) / 2
    if t - edge > 1e-3:
        assert cycle.active(middle) == cycle.active(edge + (t - edge) * 0.9)


@given(st.floats(0, 1), times, st.floats(0, 600))
def test_octets_never_go_back(phase: float, t: float, later: float) -> None:
    traffic = Traffic(5e6, day(phase))
    assert int(traffic.octets(t + later)) >= int(traffic.octets(t))
    assert traffic.bps(t) > 0


def test_octets_are_the_integral_of_the_rate() -> None:
    traffic = Traffic(8e6, (Wave(0.5, 90.0, 0.3), Wave(0.3, 1200.0)))
    step = 0.01
    counted = sum(traffic.bps(i * step + step / 2) * step / 8 for i in range(30_000))
    assert traffic.octets(300.0) == pytest.approx(counted, rel=1e-6)


def test_traffic_breathes_visibly_within_two_minutes() -> None:
    traffic = Traffic(1e6, day(0.0))
    rates = [traffic.bps(t) for t in range(120)]
    assert max(rates) > 2.5 * min(rates)


def test_guests_come_and_go() -> None:
    assert [filling(40, 240.0, t) for t in (0, 60, 120, 180, 240)] == [0, 20, 40, 20, 0]
    first_half = [filling(40, 240.0, t) for t in range(121)]
    assert all(a <= b for a, b in itertools.pairwise(first_half))
