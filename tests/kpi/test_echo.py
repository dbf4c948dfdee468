"""Echo windows: by number whatever the order of arrival, exact over any seam."""

import itertools
import json
import random
from functools import reduce

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kpi.echo import EchoAccumulator, EchoCounts, merge_echo
from kpi.model import Outcome, Sample
from tests.pace import turns

MS = 1_000_000
OUTCOMES = st.one_of(
    st.floats(min_value=0, max_value=2000).map(lambda ms: (Outcome.OK, ms, None)),
    st.sampled_from(
        [
            (Outcome.NO_REPLY, None, "timeout"),
            (Outcome.NO_REPLY, None, "host_unreachable"),
            (Outcome.REFUSED, None, None),
            (Outcome.AGENT_FAULT, None, "icmp_permission"),
            (Outcome.SKIPPED, None, None),
            (Outcome.OK, 0.25, "clock"),
        ]
    ),
)
STEPS = st.sampled_from([1, 1, 1, 1, 2, 5, 11, 12])


def echo(number: int, ms: float | None, outcome: Outcome = Outcome.OK, reason: str | None = None) -> Sample:
    return Sample("t", "echo", "", float(number), ms, outcome, reason, number)


def _numbered(steps: list[tuple[int, tuple[Outcome, float | None, str | None]]]) -> list[Sample]:
    samples, number = [], 0
    for step, (outcome, value, reason) in steps:
        number += step
        samples.append(echo(number, value, outcome, reason))
    return samples


SERIES = st.lists(st.tuples(STEPS, OUTCOMES), max_size=60).map(_numbered)


def lost(number: int, reason: str = "timeout") -> Sample:
    return echo(number, None, Outcome.NO_REPLY, reason)


def counted(samples: list[Sample], before: EchoCounts | None = None) -> EchoCounts:
    accumulator = EchoAccumulator()
    for sample in samples:
        accumulator.add(sample)
    return accumulator.snapshot(before)


def test_vector_4_jitter() -> None:
    values = [20, 24, 22, 30, 25]
    j = [counted([echo(i, ms) for i, ms in enumerate(values[:n])]).j_ns for n in range(1, 6)]
    assert j[0] is None
    assert [n / MS for n in j[1:] if n is not None] == pytest.approx([0.25, 0.359375, 0.836914, 1.097107], abs=1e-6)
    whole = counted([echo(i, ms) for i, ms in enumerate(values)])
    assert (whole.abs_d_ns, whole.n_d) == (19 * MS, 4)
    assert (whole.min_ns, whole.max_ns, whole.sum_ns) == (20 * MS, 30 * MS, 121 * MS)


def test_a_loss_that_comes_after_later_answers_counts_in_its_place() -> None:
    by_number = [echo(1, 10), lost(2), lost(3), echo(4, 12), lost(5), echo(6, 13), echo(7, 15)]
    arrival = [by_number[i] for i in (0, 3, 5, 1, 2, 6, 4)]
    assert counted(arrival) == counted(by_number)
    whole = counted(arrival)
    assert (whole.sent, whole.lost, whole.longest_run) == (7, 3, 2)
    assert (whole.abs_d_ns, whole.n_d) == (2 * MS, 1)  # 6 and 7 alone are consecutive and answered


def test_answers_out_of_order_are_put_in_order() -> None:
    assert counted([echo(2, 30), echo(3, 31), echo(1, 900)]) == counted([echo(1, 900), echo(2, 30), echo(3, 31)])


def test_j_starts_again_after_ten_missing_and_holds_over_nine() -> None:
    start = [echo(1, 10), echo(2, 20)]
    held = counted([*start, *[lost(n) for n in range(3, 12)], echo(12, 10)])
    again = counted([*start, *[lost(n) for n in range(3, 13)], echo(13, 10)])
    assert held.j_ns == 10 * MS / 16
    assert again.j_ns is None


def test_j_goes_on_from_the_window_before_but_sums_do_not() -> None:
    series = [echo(n, 10 + n % 3) for n in range(20)]
    first = counted(series[:12])
    second = counted(series[12:], first)
    assert second.j_ns == pytest.approx(counted(series).j_ns, abs=1)
    assert second.n_d == 7
    assert second.abs_d_ns == counted(series[12:]).abs_d_ns


def test_faults_and_skipped_are_in_neither_numerator_nor_denominator() -> None:
    counts = counted(
        [
            lost(1),
            echo(2, None, Outcome.AGENT_FAULT, "enobufs"),
            lost(3),
            echo(4, None, Outcome.SKIPPED, "overrun"),
            echo(5, 7),
        ]
    )
    assert (counts.sent, counts.lost, counts.longest_run) == (3, 2, 2)  # what was not sent does not break the run
    assert counts.faults_by == (("enobufs", 1),)
    assert (counts.faults, counts.skipped) == (1, 1)


def test_a_refusal_is_an_answer_without_a_round_trip() -> None:
    counts = counted([lost(1), echo(2, None, Outcome.REFUSED), lost(3)])
    assert (counts.sent, counts.lost, counts.answered, counts.longest_run) == (3, 2, 0, 1)
    assert (counts.leading_run, counts.trailing_run) == (1, 1)


def test_losses_by_reason_and_flagged_clocks() -> None:
    counts = counted([lost(1, "host_unreachable"), lost(2), lost(3, "host_unreachable"), echo(4, 1.5, reason="clock")])
    assert counts.lost_by == (("host_unreachable", 2), ("timeout", 1))
    assert counts.clock_flagged == 1
    assert counts.answered == 1


def test_confirmation_echoes_are_not_counted() -> None:
    accumulator = EchoAccumulator()
    accumulator.add(Sample("t", "confirm", "", 1.0, 0.3, Outcome.OK, None, 1))
    assert accumulator.snapshot() == EchoCounts()
    assert len(accumulator) == 0


def test_a_number_counts_once() -> None:
    assert counted([echo(1, 5), echo(1, 9), lost(1), echo(2, 5)]).sent == 2


def test_a_negative_round_trip_is_zero_not_a_code() -> None:
    counts = counted([echo(1, -0.2), lost(2)])
    assert (counts.sent, counts.lost, counts.min_ns, counts.sketch.zero) == (2, 1, 0, 1)


def test_an_answer_without_a_figure_is_a_bug() -> None:
    with pytest.raises(TypeError, match="round trip in ms"):
        EchoAccumulator().add(echo(1, None))


def test_quantiles_stay_within_what_was_seen() -> None:
    counts = counted([echo(n, 10.0) for n in range(40)])
    assert counts.rtt_ms(0.5) == 10.0
    assert EchoCounts().rtt_ms(0.5) is None


def test_a_run_goes_across_the_seam() -> None:
    a = counted([echo(1, 5), lost(2), lost(3)])
    b = counted([lost(4), lost(5), lost(6)])
    c = counted([lost(7), echo(8, 5), lost(9)])
    assert merge_echo(merge_echo(a, b), c).longest_run == 6
    assert merge_echo(a, b).trailing_run == 5
    assert merge_echo(b, c).leading_run == 4


def test_a_hole_between_windows_gives_no_variation() -> None:
    a, b = counted([echo(1, 5)]), counted([echo(3, 50)])
    assert merge_echo(a, b).n_d == 0
    assert merge_echo(a, counted([echo(2, 50)])).abs_d_ns == 45 * MS


@settings(deadline=None)
@given(SERIES, st.lists(st.integers(0, 60), max_size=6), st.randoms(use_true_random=False))
def test_folding_windows_equals_one_window(series: list[Sample], cuts: list[int], rng: random.Random) -> None:
    edges = [0, *sorted(cuts), len(series)]
    parts, before = [], EchoCounts()
    for start, end in itertools.pairwise(edges):
        shuffled = series[start:end]
        rng.shuffle(shuffled)
        parts.append(counted(shuffled))
    whole = _without_j(counted(series))
    assert _without_j(reduce(merge_echo, parts, before)) == whole
    assert _without_j(_fold_right(parts)) == whole


def _fold_right(parts: list[EchoCounts]) -> EchoCounts:
    return reduce(lambda later, earlier: merge_echo(earlier, later), reversed(parts), EchoCounts())


def _without_j(counts: EchoCounts) -> EchoCounts:
    return EchoCounts(**{name: getattr(counts, name) for name in EchoCounts.__slots__ if name != "j_ns"})


@settings(deadline=None)
@given(SERIES)
def test_plain_form_comes_back(series: list[Sample]) -> None:
    counts = counted(series)
    assert EchoCounts.from_plain(json.loads(json.dumps(counts.to_plain()))) == counts


def test_plain_form_of_a_minute_is_small() -> None:
    rng = random.Random(1)
    minute = counted([echo(100_000 + n, rng.lognormvariate(-1.3, 0.15)) for n in range(60)])
    assert len(json.dumps(minute.to_plain(), separators=(",", ":"))) <= 150


def test_another_version_is_refused() -> None:
    with pytest.raises(ValueError, match="version 9"):
        EchoCounts.from_plain([9, 1])


@pytest.mark.may_block
def test_an_echo_is_cheap() -> None:
    rng = random.Random(2)
    minute = [echo(n, rng.lognormvariate(-1.3, 0.3)) for n in range(60)]

    def run() -> None:
        for _ in range(100):
            accumulator = EchoAccumulator()
            for sample in minute:
                accumulator.add(sample)
            accumulator.snapshot()

    assert turns(run) / 6000 < 40
