"""Limits of what is read from the store: exactly at them, and just beyond."""

import math
from collections.abc import Callable
from typing import Any

import pytest

from kpi import stored

MOST = 2**128
LONG = "x" * 41


def refused(read: Callable[..., Any], *arguments: Any) -> str:
    with pytest.raises(ValueError, match=r".") as found:
        read(*arguments)
    return str(found.value)


def test_whole_numbers_within_their_bounds() -> None:
    for value in (0, 1, MOST):
        assert stored.whole(value) == value
    odd: tuple[Any, ...] = (-1, MOST + 1, 1.0, True, None, "1")
    for one in odd:
        assert "is no whole number from 0 to" in refused(stored.whole, one)
    assert [stored.whole(value, 3, 5) for value in (3, 4, 5)] == [3, 4, 5]
    for value in (2, 6):
        assert refused(stored.whole, value, 3, 5) == f"{value} is no whole number from 3 to 5"
    for value in (-MOST, 0, MOST):
        assert stored.signed(value) == stored.optional(value) == value
    for value in (-MOST - 1, MOST + 1):
        assert refused(stored.signed, value).startswith("a number of more than 38 digits is no")
        refused(stored.optional, value)
    assert stored.signed(-5, 5) == -5
    refused(stored.signed, -6, 5)
    assert stored.optional(None) is None
    assert stored.optional(0, 0) == 0
    refused(stored.optional, -1, 0)


def test_whole_numbers_all_at_once() -> None:
    assert stored.wholes([]) == []
    assert stored.wholes([0, 5, MOST]) == [0, 5, MOST]
    assert stored.wholes([-1, 5], -1) == [-1, 5]
    for values, least in (([-1], 0), ([MOST + 1], 0), ([1, True], 0), ([1, 2.0], 0), ([0], 1)):
        refused(stored.wholes, values, least)


def test_numbers_are_finite() -> None:
    for value in (0, -1.5, MOST, -MOST, 1e-9):
        found = stored.number(value)
        assert (found, type(found)) == (value, float)
        assert stored.optional_number(value) == value
    for odd in (math.nan, math.inf, -math.inf, MOST * 1.01, -MOST * 1.01, True, "1", None):
        refused(stored.number, odd)
    assert stored.optional_number(None) is None


def test_flags_are_true_or_false() -> None:
    assert [stored.flag(value) for value in (True, False, 1, 0)] == [True, False, True, False]
    odd: tuple[Any, ...] = (2, -1, 1.0, None, "1", [])
    for value in odd:
        assert refused(stored.flag, value).endswith("is neither true nor false")


def test_lists_and_tables() -> None:
    assert stored.sequence([1, 2], 2, 2) == [1, 2]
    assert stored.sequence((), 0, 0) == ()
    assert stored.sequence([1] * 9) == [1] * 9
    assert refused(stored.sequence, [1], 2, 3) == "a list of 1 parts is no list of 2 to 3 parts"
    assert refused(stored.sequence, [1] * 4, 2, 3) == "a list of 4 parts is no list of 2 to 3 parts"
    assert refused(stored.sequence, {"a": 1}, 2) == "an object of 1 parts is no list of 2 to any number of parts"
    assert refused(stored.sequence, LONG) == f"'{'x' * 40}' is no list of 0 to any number of parts"
    assert stored.table({"a": 1}) == {"a": 1}
    refused(stored.table, [("a", 1)])
    refused(stored.table, {1: 1})


def test_versions() -> None:
    assert stored.versioned([3, 1], 3, "x") == [3, 1]
    assert stored.versioned({"v": 3}, 3, "x") == {"v": 3}
    other: list[tuple[Any, str]] = [
        ([4], "4"),
        ([2], "2"),
        ({"v": 4}, "4"),
        ({}, "None"),
        ([3.0], "3.0"),
        ([True], "True"),
    ]
    for value, said in other:
        assert refused(stored.versioned, value, 3, "x") == f"x of version {said}; this version of the agent reads 3"
    refused(stored.versioned, [], 3, "x")
    refused(stored.versioned, {"v": True}, 1, "x")


@pytest.mark.parametrize(("code", "whole"), [(0xD7FF, True), (0xD800, False), (0xDFFF, False), (0xE000, True)])
def test_text_that_can_be_written_again(code: int, whole: bool) -> None:
    for text in (chr(code), f"a{chr(code)}b"):
        if whole:
            assert stored.text(text) == stored.optional_text(text) == text
        else:
            assert refused(stored.text, text).endswith("has half of a character")
    assert stored.optional_text(None) is None
    assert refused(stored.text, 5) == "5 is no text"
