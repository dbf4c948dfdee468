"""The table of `make bench` says of each row what its figures say."""

import pytest

from tests.bench.report import Row, markdown, missing, number, text


@pytest.mark.parametrize(
    ("figure", "verdict"),
    [(0.4, "pass, aim met"), (0.41, "pass"), (0.8, "pass"), (0.81, "OVER"), (None, "not measured")],
)
def test_a_figure_is_held_against_must_and_aim(figure: float | None, verdict: str) -> None:
    assert Row("CPU", figure, 0.8, 0.4, "x", "how").verdict == verdict


@pytest.mark.parametrize(("value", "shown"), [(0, "0"), (0.604, "0.60"), (12.34, "12.3"), (341.2, "341")])
def test_numbers_have_three_digits(value: float, shown: str) -> None:
    assert number(value) == shown


def test_both_tables_show_figure_budget_verdict_and_what_was_measured() -> None:
    rows = [
        Row("memory", 119.6, 130, 100, "MB", "VmRSS after 10 min", extrapolated=True),
        missing("CPU an echo", 4, 2, "x", "needs fping: apt-get install fping"),
    ]
    shown = text(rows)
    for part in ("~120 MB", "130 / 100 MB", "pass", "VmRSS after 10 min", "not measured", "apt-get install fping"):
        assert part in shown
    lines = markdown(rows, "`make bench`:").splitlines()
    assert lines[4] == "| memory | ~120 MB | 130 / 100 MB | pass | VmRSS after 10 min |"
    assert lines[5].startswith("| CPU an echo | - | 4.00 / 2.00 x | not measured |")
