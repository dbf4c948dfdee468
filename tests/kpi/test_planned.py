"""What planned work takes out of a window, and how that is kept (kpi/README.md R4)."""

from functools import reduce
from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kpi.echo import EchoAccumulator, EchoCounts, beside_echo, merge_echo, merge_echo_halves
from kpi.flap import FigureOfMerit
from kpi.merge import DeviceWindow, merge_device, with_planned
from kpi.model import Figure, Metric, NullReason, Outcome, Role, Sample, Window
from kpi.planned import (
    INCL_MAINT,
    REACH_S,
    Halves,
    covers,
    halves_from_plain,
    halves_to_plain,
    merge_halves,
    reach_of,
    takes_out,
    together,
    touches,
    with_incl_maint,
    within,
    worth_keeping,
)
from kpi.summary import device_summary, site_summary
from tests.kpi.port_readings import port, status

LOST, ANSWERED = True, False


def minute(first: int, results: list[bool]) -> EchoCounts:
    accumulator = EchoAccumulator()
    for number, lost in enumerate(results, first):
        outcome, value = (Outcome.NO_REPLY, None) if lost else (Outcome.OK, 1.0 + number % 7)
        accumulator.add(Sample("a/icmp", Metric.ECHO, "", float(number), value, outcome, None, number))
    return accumulator.snapshot()


def test_planned_work_touches_what_it_shares_a_moment_with() -> None:
    spans = [(100.0, 200.0)]
    assert touches(spans, 0.0, 100.1)
    assert not touches(spans, 0.0, 100.0)
    assert touches(spans, 199.9, 300.0)
    assert not touches(spans, 200.0, 300.0)
    assert not touches([(100.0, 100.0), (150.0, 120.0)], 0.0, 300.0)  # nothing lasts no time
    assert (within(spans, 100.0), within(spans, 199.9), within(spans, 200.0)) == (True, True, False)


def test_polls_after_the_work_may_tell_of_it() -> None:
    spans = [(0.0, 600.0)]
    assert takes_out(spans, 600.0, 900.0, 0.0)
    assert not takes_out(spans, 900.0, 1200.0, 0.0)
    assert takes_out(spans, 3000.0, 3300.0, 2500.0)  # the poll before lay in it
    assert not takes_out(spans, 3000.0, 3300.0, 2400.0)
    assert (worth_keeping(REACH_S + 20.0), worth_keeping(REACH_S + 31.4)) == (0, 331)


@pytest.mark.parametrize("plain", [[1, 300, 0], {"v": 1, "polls": 5}, []])
def test_a_window_without_planned_work_is_written_as_it_always_was(plain: object) -> None:
    assert halves_to_plain(Halves(plain)) is plain
    assert halves_from_plain(plain) == Halves(plain)


def test_halves_and_their_reach_come_back_the_same() -> None:
    for halves in (Halves([1], [2]), Halves(None, {"v": 1}), Halves({"v": 1}, None)):
        for reach_s in (0, 1350):
            plain = halves_to_plain(halves, reach_s)
            assert halves_from_plain(plain) == halves
            assert reach_of(plain) == reach_s
    assert halves_to_plain(Halves(), 400) is None


MINUTES = st.lists(st.tuples(st.booleans(), st.lists(st.booleans(), min_size=1, max_size=6)), min_size=1, max_size=9)


@given(MINUTES, st.data())
def test_echoes_are_the_same_in_any_grouping_and_no_run_goes_over_planned_work(
    minutes: list[tuple[bool, list[bool]]], data: st.DataObject
) -> None:
    """Each minute is planned or not; the longest run of losses is that of minutes which follow each other."""
    windows, first = [], 0
    for planned, results in minutes:
        windows.append(Halves.of(minute(first, results), planned=planned))
        first += len(results)
    whole = reduce(merge_echo_halves, windows)
    cut = data.draw(st.integers(0, len(windows)))
    none: Halves[EchoCounts] = Halves()
    left, right = (reduce(merge_echo_halves, some, none) for some in (windows[:cut], windows[cut:]))
    assert merge_echo_halves(left, right) == whole
    for is_planned, half in ((False, whole.counted), (True, whole.planned)):
        stretches = [
            [lost for _, results in stretch for lost in results]
            for planned, stretch in groupby(minutes, key=lambda one: one[0])
            if planned is is_planned
        ]
        if not stretches:
            assert half is None
            continue
        assert half is not None
        echoes = [lost for stretch in stretches for lost in stretch]
        assert (half.sent, half.lost) == (len(echoes), sum(echoes))
        runs = [len(list(run)) for stretch in stretches for lost, run in groupby(stretch) if lost]
        assert half.longest_run == max(runs, default=0)


@given(MINUTES)
def test_what_is_taken_out_and_put_back_is_what_it_was(minutes: list[tuple[bool, list[bool]]]) -> None:
    windows, first = [], 0
    for planned, results in minutes:
        windows.append((planned, minute(first, results)))
        first += len(results)
    whole = reduce(merge_echo, [counts for _, counts in windows])
    halves = reduce(merge_echo_halves, [Halves.of(counts, planned=planned) for planned, counts in windows])
    back = together(beside_echo, halves)
    assert back is not None
    assert (back.sent, back.lost, back.sum_ns, back.sketch, back.min_ns) == (
        whole.sent, whole.lost, whole.sum_ns, whole.sketch, whole.min_ns,
    )  # fmt: skip


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 9)), max_size=9), st.integers(0, 9))
def test_halves_add_up_apart(parts: list[tuple[bool, int]], cut: int) -> None:
    def add(a: int, b: int) -> int:
        return a + b

    windows = [Halves.of(n, planned=planned) for planned, n in parts]
    none: Halves[int] = Halves()
    whole = reduce(lambda a, b: merge_halves(add, a, b), windows, none)
    left = reduce(lambda a, b: merge_halves(add, a, b), windows[:cut], none)
    right = reduce(lambda a, b: merge_halves(add, a, b), windows[cut:], none)
    assert merge_halves(add, left, right) == whole
    assert (whole.counted or 0, whole.planned or 0) == (
        sum(n for planned, n in parts if not planned), sum(n for planned, n in parts if planned),
    )  # fmt: skip
    assert (together(add, whole) or 0) == sum(n for _, n in parts)


def test_figures_of_planned_work_alone_are_null_and_tell_what_they_would_be() -> None:
    known, raw = Figure("loss_ratio", 1.0, n=300), Figure("loss_ratio", 50.0, n=600)
    (figure,) = with_incl_maint([known], [raw])
    assert (figure.value, figure.n, figure.parts) == (1.0, 300, {INCL_MAINT: 50.0})
    (figure,) = with_incl_maint([], [raw])
    assert (figure.value, figure.null_reason, figure.parts) == (None, NullReason.NO_DATA, {INCL_MAINT: 50.0})
    (figure,) = with_incl_maint([], [Figure("monitoring_coverage_pct", 50.0)])
    assert figure.parts == {}


def test_a_device_and_its_site_leave_planned_work_out_of_every_figure() -> None:
    quiet, loud = minute(0, [ANSWERED] * 60), minute(60, [LOST] * 60)
    device = merge_device(
        DeviceWindow("a", Role.SERVER, echo=quiet),
        DeviceWindow("a", Role.SERVER, planned=DeviceWindow("a", Role.SERVER, echo=loud)),
    )
    assert with_planned(device).echo == beside_echo(quiet, loud)
    window = Window(0, 300)
    for summary, name in (
        (device_summary(device, window), "loss_ratio"),
        (site_summary([device], None, window), "loss_ratio@lan"),
    ):
        figure = next(figure for figure in summary.figures if figure.kpi == name)
        assert (figure.value, figure.n, figure.parts[INCL_MAINT]) == (0, 60, 50)


def test_flaps_of_planned_work_make_no_port_flapping_afterwards() -> None:
    made = port()

    def flap(at: float) -> None:
        made.take_status(at, status(at, "down"))
        made.take_status(at + 30.0, status(at + 30.0))

    made.take_status(1.0, status(1.0))
    for at in (10.0, 90.0, 170.0):
        flap(at)
    planned = made.close(300.0, planned=True)
    assert (planned.transitions, planned.flapping, planned.flapped) == (6, True, True)
    assert not made.flapping
    flap(310.0)
    after = made.close(600.0)
    assert (after.transitions, after.flapping, after.flapped) == (2, False, False)
    assert after.merit == pytest.approx(1000 * 2 ** (-290 / 900), abs=1)


def test_flaps_of_no_planned_work_stay() -> None:
    made = port()
    made.take_status(1.0, status(1.0))
    for at in (10.0, 90.0, 170.0):
        made.take_status(at, status(at, "down"))
        made.take_status(at + 30.0, status(at + 30.0))
    made.close(300.0)
    assert made.flapping


def test_a_figure_of_merit_without_what_is_taken_back_is_as_if_that_had_not_been() -> None:
    both, alone = FigureOfMerit(), FigureOfMerit()
    for merit in (both, alone):
        merit.went_down(100.0)
    before = FigureOfMerit(both.value, both.at, flapping=both.flapping)
    both.went_down(200.0)
    both.went_down(250.0)
    both.settle(300.0)
    raised = both.raised_since(before)
    for merit in (both, alone):
        merit.went_down(400.0)
        merit.settle(500.0)
    both.take_back(raised, 300.0, flapping=before.flapping)
    assert both.value == pytest.approx(alone.value)
    assert (both.flapping, alone.flapping) == (False, False)


def test_what_lies_in_planned_work_as_a_whole() -> None:
    spans = [(200.0, 300.0), (100.0, 200.0), (400.0, 500.0)]
    assert covers(spans, 100.0, 300.0) and covers(spans, 150.0, 150.0)
    assert not covers(spans, 99.0, 150.0), "it began before"
    assert not covers(spans, 250.0, 301.0), "it goes on after it"
    assert not covers(spans, 250.0, 450.0), "it was there between two of them"
    assert not covers([], 0.0, 0.0)
