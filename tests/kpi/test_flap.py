"""Flapping: vector 10 for the figure of merit and for Nagios' share."""

import pytest

from kpi.flap import FigureOfMerit, nagios_flapping, nagios_pct


def test_vector_10_figure_of_merit() -> None:
    merit = FigureOfMerit()
    seen = []
    for at in (0, 300, 600):
        merit.went_down(at)
        seen.append(merit.flapping)
    assert merit.value == pytest.approx(2423.66, abs=5e-3)
    assert seen == [False, False, True]
    assert merit.steady_in_s() == pytest.approx(1523.0, abs=0.05)
    merit.settle(600 + 1522.9)
    assert merit.flapping
    merit.settle(600 + 1523.1)
    assert not merit.flapping


def test_vector_10_published_decay() -> None:
    merit = FigureOfMerit(4000, 0.0, flapping=True)
    values = []
    for quarter in (1, 2, 3):
        merit.settle(quarter * 900)
        values.append(merit.value)
    assert values == [2000, 1000, 500]
    assert merit.steady_in_s() == 0


def test_exactly_2000_is_not_flapping() -> None:
    merit = FigureOfMerit()
    merit.went_down(10)
    merit.went_down(10)
    assert (merit.value, merit.flapping) == (2000, False)


def test_an_event_out_of_order_does_not_grow_what_was() -> None:
    merit = FigureOfMerit()
    merit.went_down(1000)
    merit.went_down(100)
    assert (merit.value, merit.at) == (2000, 1000)


def test_vector_10_nagios() -> None:
    assert nagios_pct([i % 2 for i in range(21)]) == pytest.approx(100)
    assert nagios_pct([0] * 20 + [1]) == pytest.approx(6.25)
    assert nagios_pct([1] + [0] * 20) == pytest.approx(3.75)
    assert nagios_pct([0] * 20) is None
    assert nagios_pct([1, *[0] * 21]) == 0


def test_nagios_hysteresis() -> None:
    assert nagios_flapping(30, before=False)
    assert not nagios_flapping(29.9, before=False)
    assert nagios_flapping(20.1, before=True)
    assert not nagios_flapping(20, before=True)
