"""Gear windows: levels over time, exact over any seam, compact, and the neutral element is one."""

import json
from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kpi.counters import UptimeTracker
from kpi.gear import Kind, Readings
from kpi.gear_accumulator import GearAccumulator, GearMemory
from kpi.gear_counts import GearCounts, Level, Topic, merge_gear
from kpi.value_counts import ValueCounts
from tests.kpi.gear_polls import poll, reading, rows

NUMBER = st.integers(0, 10**6)


@st.composite
def levels(draw: st.DrawFn) -> Level:
    low, spread, ms = draw(st.integers(-(10**6), 10**6)), draw(NUMBER), draw(NUMBER)
    return Level(draw(NUMBER), ms, low, low + spread, low * ms + draw(NUMBER))


COUNTS = st.builds(
    GearCounts,
    polls=NUMBER,
    have=st.integers(0, 2**15 - 1),
    marks=st.integers(0, 31),
    levels=st.dictionaries(st.sampled_from(["clients", "cpu", "noise", "margin"]), levels()),
    signal=st.lists(st.floats(-110, -20), max_size=5).map(ValueCounts.of),
    weak=NUMBER,
    snr=st.lists(st.floats(-20, 60), max_size=5).map(ValueCounts.of),
    links=st.dictionaries(st.sampled_from(["a", "b"]), st.tuples(NUMBER, st.integers(-(10**6), 10**6))),
    frames=NUMBER,
    retried=NUMBER,
    line_intervals=NUMBER,
    line_failures=NUMBER,
    battery_ms=NUMBER,
    refused=st.dictionaries(st.sampled_from(["reset", "restarted"]), st.integers(1, 9)).map(
        lambda counts: tuple(sorted(counts.items()))
    ),
)


@given(COUNTS, COUNTS, COUNTS)
def test_merging_is_associative_and_the_empty_window_is_neutral(a: GearCounts, b: GearCounts, c: GearCounts) -> None:
    assert merge_gear(merge_gear(a, b), c) == merge_gear(a, merge_gear(b, c))
    assert merge_gear(a, GearCounts()) == merge_gear(GearCounts(), a) == a


@given(COUNTS)
def test_the_plain_form_comes_back_the_same(counts: GearCounts) -> None:
    assert GearCounts.from_plain(json.loads(json.dumps(counts.to_plain()))) == counts


def test_a_version_that_is_not_known_is_refused() -> None:
    with pytest.raises(ValueError, match="version 9"):
        GearCounts.from_plain({"v": 9})
    with pytest.raises(ValueError, match="version 9"):
        GearMemory.from_plain({"v": 9, "topics": []})


def windows(polls: list[tuple[float, Readings]], edges: list[float]) -> list[GearCounts]:
    """The windows between the edges; each poll is taken after those before it were closed."""
    gear, closed = GearAccumulator(UptimeTracker(), edges[0], edges[1]), []
    ends = list(zip(edges[1:], [*edges[2:], edges[-1] + edges[1] - edges[0]], strict=True))
    for at, readings in polls:
        while ends and at >= ends[0][0]:
            closed.append(gear.close(*ends.pop(0)))
        gear.take(at, readings)
    return closed + [gear.close(*span) for span in ends]


def test_a_level_holds_from_reading_to_reading() -> None:
    polls = [(0.0, poll(*rows(Kind.CLIENTS, 4, 6))), (100.0, poll(*rows(Kind.CLIENTS, 20, 10)))]
    (counts,) = windows(polls, [0.0, 300.0])
    assert counts.levels["clients"] == Level(2, 300_000, 1000, 3000, 1000 * 100_000 + 3000 * 200_000)
    assert counts.levels["clients"].mean == pytest.approx(70 / 3)
    assert counts.levels["busiest"].most == 20


def test_a_level_holds_on_in_the_next_window_and_no_longer_than_two_periods() -> None:
    found = windows([(0.0, poll(*rows(Kind.CLIENTS, 8)))], [0.0, 300.0, 600.0, 900.0])
    assert [c.levels["clients"].ms for c in found[:2]] == [300_000, 300_000]
    assert found[1].levels["clients"].n == 0
    assert "clients" not in found[2].levels
    assert found[2].have == Topic.CLIENTS  # silent now, and still a device that has clients


def test_the_period_is_what_the_readings_show() -> None:
    each_minute = [(60.0 * i, poll(*rows(Kind.CLIENTS, 8))) for i in range(6)]
    found = windows(each_minute, [0.0, 300.0, 600.0])
    assert found[1].levels["clients"].ms == 120_000  # the last at 300 s; two periods of 60 s
    hourly = [(3600.0 * i, poll(reading(Kind.MEMORY_USED, 50))) for i in range(3)]
    often = [(300.0 * i, poll(reading(Kind.CPU_USED, 5))) for i in range(30)]
    polls = sorted([*hourly, *often], key=lambda entry: entry[0])
    found = windows(polls, [0.0, 3600.0, 7200.0, 9000.0])
    assert [c.levels["memory"].ms for c in found] == [600_000, 3_600_000, 1_800_000]


def test_an_extra_poll_does_not_shorten_the_period_at_once() -> None:
    at = [0.0, 300.0, 600.0, 601.0, 900.0]
    found = windows([(t, poll(*rows(Kind.CLIENTS, 8))) for t in at], [0.0, 300.0, 600.0, 900.0, 1200.0])
    assert [c.levels["clients"].ms for c in found] == [300_000] * 4


def test_silence_of_the_device_is_no_period() -> None:
    polls = [(t, poll(*rows(Kind.CLIENTS, 8))) for t in (0.0, 300.0, 9000.0)]
    found = windows(polls, [300.0 * i for i in range(35)])
    assert [c.levels["clients"].ms for c in found if "clients" in c.levels] == [300_000] * 5


def test_a_sum_of_which_a_part_could_not_be_read_is_no_sum() -> None:
    polls = [
        (0.0, poll(*rows(Kind.CLIENTS, 10, 10))),
        (100.0, poll(*rows(Kind.CLIENTS, 10), missed={"t": "timeout"})),
        (200.0, poll(*rows(Kind.CLIENTS, 10))),
    ]
    (counts,) = windows(polls, [0.0, 300.0])
    assert counts.levels["clients"] == Level(2, 300_000, 1000, 2000, 2000 * 200_000 + 1000 * 100_000)


def test_an_access_point_that_is_gone_lowers_the_sum_though_another_table_is_never_read() -> None:
    never = {"sensors": "timeout"}
    polls = [
        (0.0, poll(*rows(Kind.CLIENTS, 10, 10), missed=never)),
        (100.0, poll(*rows(Kind.CLIENTS, 10), missed=never)),
    ]
    (counts,) = windows(polls, [0.0, 300.0])
    assert counts.levels["clients"] == Level(2, 300_000, 1000, 2000, 2000 * 100_000 + 1000 * 200_000)


def test_a_poll_of_the_next_window_is_set_aside_until_this_one_is_closed() -> None:
    gear = GearAccumulator(UptimeTracker(), 0.0, 300.0)
    gear.take(10.0, poll(*rows(Kind.CLIENTS, 1)))
    gear.take(301.0, poll(*rows(Kind.CLIENTS, 9)))
    first, second = gear.close(300.0, 600.0), gear.close(600.0, 900.0)
    assert (first.polls, first.levels["clients"].high) == (1, 100)
    assert (second.polls, second.levels["clients"].high) == (1, 900)


POLLS = st.lists(
    st.tuples(
        st.integers(1, 400),
        st.lists(st.integers(0, 40), min_size=1, max_size=2),
        st.lists(st.integers(-109, -20), max_size=3),
        st.integers(0, 100),
    ),
    max_size=20,
)


@given(POLLS, st.sets(st.integers(1, 5999), max_size=12))
def test_windows_folded_are_the_window_whole(
    steps: list[tuple[int, list[int], list[int], int]], cuts: set[int]
) -> None:
    polls, at = [], 0.0
    for step, clients, signals, cpu in steps:
        at += step
        readings = [*rows(Kind.CLIENTS, *clients), *rows(Kind.CLIENT_RSSI, *signals), reading(Kind.CPU_USED, cpu)]
        polls.append((at, poll(*readings)))
    polls = [(at, readings) for at, readings in polls if at < 6000]
    edges = [0.0, *sorted(float(cut) for cut in cuts), 6000.0]
    (whole,) = windows(polls, [0.0, 6000.0])
    folded = reduce(merge_gear, windows(polls, edges), GearCounts())
    assert folded.levels == whole.levels
    assert (folded.signal, folded.weak, folded.polls) == (whole.signal, whole.weak, whole.polls)


def test_what_is_remembered_survives_as_json() -> None:
    gear = GearAccumulator(UptimeTracker(), 0.0, 300.0)
    gear.take(
        10.0,
        poll(
            reading(Kind.LINE_BADS, 7), reading(Kind.ON_BATTERY, 1), reading(Kind.ON_BATTERY_SECONDS, 4),
            *rows(Kind.RSSI, -55.4), uptime_cs=500,
        ),
    )  # fmt: skip
    memory = gear.memory().moved(-100.0)
    back = GearMemory.from_plain(json.loads(json.dumps(memory.to_plain())))
    assert back.to_plain() == memory.to_plain()
    assert back.moved(100.0).supply == gear.memory().supply
    again = GearAccumulator(UptimeTracker(), 300.0, 600.0, back.moved(100.0))
    assert again.close(600.0).have == sum(
        {Topic.LINE_FAILURES, Topic.BATTERY, Topic.BATTERY_SECONDS, Topic.LINK}
    )  # what it has is known before it answers again
    assert again.on_battery_since == 6.0


def test_what_a_device_that_answers_has_not_told_of_for_a_day_is_forgotten() -> None:
    gear = GearAccumulator(UptimeTracker(), 0.0, 300.0)
    gear.take(0.0, poll(*rows(Kind.CLIENTS, 1), reading(Kind.CPU_USED, 1)))
    gear.close(89_900.0, 90_300.0)
    gear.take(90_000.0, poll(reading(Kind.CPU_USED, 1)))
    assert gear.close(90_300.0).have == Topic.RESOURCES


def test_an_access_point_takes_little_room() -> None:
    readings = poll(
        *rows(Kind.CLIENTS, 12, 9), *rows(Kind.CLIENT_RSSI, *[-45 - i for i in range(21)]),
        *rows(Kind.CHANNEL_UTILIZATION, 31, 22), *rows(Kind.CHANNEL_SELF_TX, 9, 8), *rows(Kind.CHANNEL_SELF_RX, 4, 2),
        *rows(Kind.NOISE_FLOOR, -95, -97), reading(Kind.CPU_USED, 12), reading(Kind.MEMORY_USED, 44),
    )  # fmt: skip
    (counts,) = windows([(150.0, readings)], [0.0, 300.0])
    text = json.dumps(counts.to_plain(), separators=(",", ":"))
    assert len(text) < 700, len(text)


@pytest.mark.parametrize("odd", [float("nan"), float("inf"), float("-inf"), 1e16, -1e300])
def test_what_is_no_number_is_no_reading_and_is_counted(odd: float) -> None:
    readings = poll(*rows(Kind.CLIENTS, 4, odd), *rows(Kind.CLIENT_RSSI, odd), reading(Kind.LINE_BADS, odd))
    (counts,) = windows([(0.0, readings)], [0.0, 300.0])
    assert counts.levels["clients"].most == 4
    assert counts.refused == (("no_number", 3),)
    assert [one.value for one in readings.numbers().readings] == [4]
    plain = poll(*rows(Kind.CLIENTS, 4, 1e15))
    assert plain.numbers() is plain
