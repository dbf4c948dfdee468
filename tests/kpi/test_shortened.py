"""Published figures: as many digits as they are worth, and never rounded to perfect (rule R9)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kpi.figures import availability
from kpi.model import Figure, Summary, Window
from kpi.port_summary import ports_to_plain
from kpi.shortened import shortened
from kpi.states import StateSeconds
from kpi.summary import figure_to_plain, summary_to_plain


@pytest.mark.parametrize(
    ("value", "digits", "whole", "expected"),
    [
        (99.99996, 6, 100, 99.9999),
        (99.9999999999, 6, 100, 99.9999),
        (99.99994, 6, 100, 99.9999),
        (99.996, 4, 100, 99.99),
        (99.994, 4, 100, 99.99),
        (0.99999996, 6, 1, 0.999999),
        (100.0, 6, 100, 100),
        (100.00001, 6, 100, 100),
        (99.99996, 6, None, 100),
        (1 / 3, 6, 100, 0.333333),
        (1e-9, 6, 100, 1e-9),
        (0.0, 6, 100, 0),
        (123_456_789.0, 4, None, 123_456_789),
        (123_456.789, 4, None, 123_500),
        (None, 6, 100, None),
        (float("nan"), 6, 100, None),
        (float("inf"), 6, None, None),
    ],
)
def test_digits(value: float | None, digits: int, whole: float | None, expected: float | None) -> None:
    assert shortened(value, digits, whole) == expected


@given(st.floats(0, 100), st.sampled_from([4, 6]))
def test_what_is_not_perfect_is_not_published_as_perfect(value: float, digits: int) -> None:
    short = shortened(value, digits, 100)
    assert short is not None
    assert (short == 100) is (value == 100)
    assert (short == 0) is (value == 0)
    assert short == pytest.approx(value, rel=6 * 10.0**-digits)


def test_a_second_down_in_a_month_is_not_published_as_nothing() -> None:
    states = StateSeconds(up_ms=30 * 86_400_000 - 1000, down_ms=1000, unknown_ms=1, checks=30)
    plain = figure_to_plain(availability(states))
    assert (plain["v"], plain["lo_pct"], plain["hi_pct"]) == (99.9999, 99.9999, 99.9999)
    ports = {"ge0": (Figure("if_util_pct", 99.9996, parts={"p95_pct": 99.9996}),)}
    assert ports_to_plain(ports)["if_util_pct"] == [99.99]
    assert ports_to_plain(ports)["if_util_pct.p95_pct"] == [99.99]
    summary = Summary("d", Window(0, 300), 0, final=True, coverage=0.99999999, figures=())
    assert summary_to_plain(summary)["coverage"] == 0.999999
