"""DDSketch: a known vector, and the promises as properties."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kpi.sketch import ALPHA, EMPTY, Sketch, SketchBuilder
from tests.pace import turns

VALUES = st.lists(st.floats(min_value=0, max_value=1e6, allow_subnormal=False), max_size=60)


def test_vector_9() -> None:
    assert Sketch.of([100]) == Sketch(0, 231, (1,))
    assert Sketch.of([100]).quantile(0.5) == pytest.approx(100.4946, abs=5e-5)
    assert Sketch.of([1]) == Sketch(0, 0, (1,))
    assert Sketch.of([1]).quantile(0.5) == pytest.approx(0.99, abs=1e-12)
    hundred = Sketch.of(range(1, 101))
    assert hundred.quantile(0.5) == pytest.approx(49.903, abs=5e-4)
    assert hundred.quantile(0.95) == pytest.approx(94.642, abs=5e-4)
    assert Sketch.of(range(1, 51)).merge(Sketch.of(range(51, 101))) == hundred


def test_buckets_from_50_us_to_10_s() -> None:
    assert len(Sketch.of([0.05, 10_000]).counts) == 611


def test_empty_has_no_quantile() -> None:
    assert EMPTY.quantile(0.5) is None
    assert EMPTY.count == 0


def test_tiny_values_are_zero_and_counted() -> None:
    sketch = Sketch.of([0.0, -1.0, 1e-6, 1.1e-6, 5.0])
    assert (sketch.zero, sketch.count) == (3, 5)
    assert sketch.quantile(0.5) == 0.0
    assert sketch.quantile(1.0) == pytest.approx(5, rel=ALPHA)


@pytest.mark.parametrize("value", [math.nan, math.inf, 1e16])
def test_what_is_no_value_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="not a value for a sketch"):
        Sketch.of([value])


@pytest.mark.parametrize("q", [-0.1, 1.1])
def test_a_quantile_is_a_share(q: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        Sketch.of([1]).quantile(q)


def test_a_wire_form_that_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        Sketch.from_wire(0, [1, -1])
    with pytest.raises(ValueError, match="4096"):
        Sketch.from_wire(0, [1] * 5000)


def test_rank_survives_binary_fractions() -> None:
    assert Sketch.of(range(1, 102)).quantile(0.29) == pytest.approx(30, rel=ALPHA)  # 0.29 * 100 = 28.999999999999996


@settings(deadline=None)
@given(VALUES, st.floats(min_value=0, max_value=1))
def test_every_quantile_is_within_one_percent(values: list[float], q: float) -> None:
    value = Sketch.of(values).quantile(q)
    if not values:
        assert value is None
        return
    true = sorted(values)[math.floor(q * (len(values) - 1) + 1e-9)]
    assert value == pytest.approx(true, rel=ALPHA + 1e-9, abs=1e-6)


@settings(deadline=None)
@given(VALUES, VALUES, VALUES)
def test_merge_is_exact_in_any_order(a: list[float], b: list[float], c: list[float]) -> None:
    whole = Sketch.of([*c, *a, *b])
    assert Sketch.of(a).merge(Sketch.of(b)).merge(Sketch.of(c)) == whole
    assert Sketch.of(c).merge(Sketch.of(b).merge(Sketch.of(a))) == whole
    assert EMPTY.merge(whole) == whole == whole.merge(EMPTY)


@settings(deadline=None)
@given(VALUES)
def test_both_forms_come_back(values: list[float]) -> None:
    sketch = Sketch.of(values)
    first, counts = sketch.to_wire()
    assert Sketch.from_wire(first, counts, sketch.zero) == sketch
    assert Sketch.from_wire(first - 2, [0, 0, *counts, 0], sketch.zero) == sketch
    assert Sketch.from_plain(sketch.to_plain(), sketch.zero) == sketch


def test_plain_form_skips_what_is_empty() -> None:
    assert Sketch.of([1, 1, 10_000]).to_plain() == [0, 2, -460, 1]


@pytest.mark.may_block
def test_add_is_cheap() -> None:
    values = [0.2 + i * 1e-4 for i in range(5000)]

    def run() -> None:
        builder = SketchBuilder()
        for value in values:
            builder.add(value)

    assert turns(run) / len(values) < 6
