"""The tester of tests: which of its faults are none, and that what explains the others still stands in the code."""

import pytest

from tests.mutation import Explanation, Fault, explanations, no_fault

COMPARE = "core/ReplaceComparisonOperator_"


@pytest.mark.parametrize(
    ("made_by", "after", "none"),
    [
        (f"{COMPARE}Is_Eq", " State.DOWN:", True), (f"{COMPARE}IsNot_NotEq", " Role.SERVER", True),
        (f"{COMPARE}Is_LtE", " State.DOWN", True), (f"{COMPARE}Is_LtE", " State.UP", False),
        (f"{COMPARE}Is_GtE", " State.UP", True), (f"{COMPARE}IsNot_Lt", " State.UP", True),
        (f"{COMPARE}Is_Lt", " State.DOWN", False), (f"{COMPARE}Is_IsNot", " State.DOWN", False),
        (f"{COMPARE}Is_NotEq", " State.DOWN", False), (f"{COMPARE}Is_Eq", " side", False),
        (f"{COMPARE}Is_Eq", " known.devices", False), (f"{COMPARE}Eq_Is", " State.DOWN", False),
        ("core/ReplaceBinaryOperator_Mul_Div", ", gap: bool", True), ("core/ReplaceBinaryOperator_Mul_Div", " 8", False),
    ],
)  # fmt: skip
def test_a_fault_that_changes_nothing_is_none(made_by: str, after: str, none: bool) -> None:
    assert no_fault("kpi/sentence.py", made_by, after) is none


def test_a_survivor_is_explained_by_its_line_and_by_what_became_of_it() -> None:
    known = [Explanation("kpi/a.py", "x = 1", ("x = 2", "x = 3"), "Nobody reads it.")]

    def diff(module: str, was: str, now: str) -> Fault:
        return Fault(
            "SURVIVED", f"--- mutation diff ---\n--- a/{module}\n+++ b/{module}\n@@ -1 +1 @@\n-    {was}\n+    {now}"
        )

    assert diff("kpi/a.py", "x = 1", "x = 2").because(known) == "Nobody reads it."
    assert diff("kpi/a.py", "x = 1", "x = 3").because(known) == "Nobody reads it."
    for other in (("kpi/b.py", "x = 1", "x = 2"), ("kpi/a.py", "y = 1", "x = 2"), ("kpi/a.py", "x = 1", "x = 4")):
        assert diff(*other).because(known) == ""


def test_what_is_explained_stands_in_the_code_and_has_a_reason() -> None:
    for one in explanations():
        assert not one.is_stale(), one
        assert one.becomes
        assert one.line not in one.becomes
        assert one.because.endswith("."), one
    assert Explanation("kpi/echo.py", "no such line", ("x",), "").is_stale()
