"""What statuses remember: each entity its own, what is alike once, nothing of what is gone, all of it over a restart."""

import itertools
import json
from dataclasses import replace
from typing import Any

import pytest

from agent.statuses import Statuses
from kpi.model import Figure, NullReason, Status, Window
from kpi.status import Reading

HOUR_S, DAY_S = 3600, 86_400
START = 1_800_000_000
GOOD, WARN, BAD, NONE = Status.GOOD, Status.WARN, Status.BAD, Status.NONE


def hour(number: int = 0) -> Window:
    return Window(START + number * HOUR_S, HOUR_S)


def five(number: int = 0) -> Window:
    return Window(START + number * 300, 300)


def errors(share: float | None, status: Status, n: int = 5000) -> tuple[Figure, ...]:
    why = NullReason.NO_DATA if share is None else None
    return (Figure("if_error_pct", share, why, n=n, status=status),)


def battery(seconds: float | None, coverage: float | None = 1.0, flags: tuple[str, ...] = ()) -> tuple[Figure, ...]:
    why = NullReason.NO_DATA if seconds is None else None
    return (Figure("on_battery_s", seconds, why, n=5, coverage=coverage, flags=flags),)


def said(statuses: Statuses) -> list[tuple[str, str, str]]:
    return [(c.entity, c.was, c.status) for c in statuses.crossings()]


def status(statuses: Statuses, kpi: str = "on_battery_s") -> Status | None:
    standing = statuses.standing("a", "", kpi)
    return standing.status if standing is not None else None


def restarted(statuses: Statuses) -> Statuses:
    """A new run that goes on from what this one has written."""
    again = Statuses()
    for device, _, plain in statuses.changed():
        again.resume(device, json.loads(json.dumps(plain)))
    return again


def test_ports_that_say_the_same_share_what_is_remembered_and_part_when_one_differs() -> None:
    statuses = Statuses()
    for device, port in (("a", "ge0"), ("a", "ge1"), ("b", "ge0")):
        statuses.judged(device, port, hour(), errors(0.0, GOOD, n=5000 + len(device + port)))
    first = statuses.history("a", "ge0", hour(1))
    assert first == {"if_error_pct": (Reading(0.0, 1000, GOOD),)}
    assert first is statuses.history("a", "ge1", hour(1))
    assert first is statuses.history("b", "ge0", hour(1))
    statuses.judged("a", "ge1", hour(1), errors(5.0, BAD))
    assert statuses.history("a", "ge0", hour(1)) == first
    assert [reading.status for reading in statuses.history("a", "ge1", hour(2))["if_error_pct"]] == ["good", "bad"]
    assert statuses.in_force("a", "ge1", errors(0.0, NONE))[0].status is BAD
    assert statuses.in_force("b", "ge0", errors(0.0, NONE))[0].status is GOOD
    assert said(statuses) == [("a/ge1", "good", "bad")]


def test_two_windows_are_remembered_and_of_windows_of_another_length_others() -> None:
    statuses = Statuses()
    for number, share in enumerate((1.0, 2.0, 3.0)):
        statuses.judged("a", "", hour(number), errors(share, BAD))
    assert [reading.value for reading in statuses.history("a", "", hour(3))["if_error_pct"]] == [2.0, 3.0]
    assert statuses.history("a", "", Window(START, DAY_S)) == {}
    assert statuses.judged("a", "", five(), errors(0.0, NONE))[0].status is BAD
    assert statuses.history("a", "", five(1)) == {}, "no status is read on five minutes"


def test_a_window_that_is_judged_again_after_a_restart_counts_once() -> None:
    statuses = Statuses()
    statuses.judged("a", "", hour(), errors(1.0, BAD))
    statuses.judged("a", "", hour(), errors(0.0, GOOD))
    assert statuses.history("a", "", hour(1)) == {"if_error_pct": (Reading(1.0, 1000, BAD),)}
    assert said(statuses) == [("a", "good", "bad")]


def test_of_ports_that_went_and_of_devices_that_are_watched_no_more_nothing_is_kept() -> None:
    statuses = Statuses()
    for device in ("a", "b"):
        for port in ("", "ge0", "ge1"):
            flap = Figure("link_flap", 5.0, n=3600)
            statuses.judged(device, port, hour(), (*errors(5.0, BAD), flap))
    statuses.window_ended()
    statuses.keep_ports("a", {"ge1"})
    held = {(d, p) for d in "ab" for p in ("", "ge0", "ge1") if statuses.history(d, p, hour(1))}
    assert held == {("a", ""), ("a", "ge1"), ("b", ""), ("b", "ge0"), ("b", "ge1")}
    assert statuses.in_force("a", "ge0", errors(0.0, NONE))[0].status is NONE
    statuses.forget("b")
    assert not any(statuses.history("b", port, hour(1)) for port in ("", "ge0", "ge1"))
    assert statuses.in_force("b", "", errors(0.0, NONE))[0].status is NONE
    assert statuses.in_force("a", "", errors(0.0, NONE))[0].status is BAD
    assert {trouble.port for trouble in statuses.troubled_ports()} == {"ge1"}


# a status belongs to a value


def test_a_window_without_a_status_withdraws_the_one_that_stood() -> None:
    statuses = Statuses()
    statuses.judged("a", "", hour(), errors(5.0, BAD))
    assert statuses.in_force("a", "", errors(5.0, NONE))[0].status is BAD
    statuses.judged("a", "", hour(1), errors(None, NONE, n=0))
    assert statuses.in_force("a", "", errors(5.0, NONE))[0].status is NONE
    standing = statuses.standing("a", "", "if_error_pct")
    assert standing is not None
    assert standing.since_utc == hour(1).end_utc
    assert said(statuses) == [("a", "good", "bad"), ("a", "bad", "none")]
    statuses.judged("a", "", hour(2), errors(0.0, GOOD))
    assert said(statuses) == []
    statuses.judged("a", "", hour(3), errors(5.0, BAD))
    assert said(statuses) == [("a", "none", "bad")]


def test_a_figure_that_is_no_longer_there_has_no_status() -> None:
    statuses = Statuses()
    statuses.judged("a", "", hour(), (*errors(5.0, WARN), *battery(10.0)))
    statuses.judged("a", "", five(12), ())
    assert (status(statuses, "if_error_pct"), status(statuses)) == (WARN, WARN)
    statuses.judged("a", "", hour(1), ())
    assert (status(statuses, "if_error_pct"), status(statuses)) == (NONE, NONE)


@pytest.mark.parametrize(
    ("figure", "shown"),
    [
        (Figure("if_error_pct", 1.0), BAD),
        (Figure("if_error_pct", None, NullReason.NO_DATA), NONE),
        (Figure("if_error_pct", 1.0, coverage=0.49), NONE),
        (Figure("if_error_pct", 1.0, coverage=0.5), BAD),
        (Figure("if_error_pct", 1.0, coverage=None), BAD),
    ],
)
def test_a_status_is_shown_with_a_value_of_which_enough_is_known(figure: Figure, shown: Status) -> None:
    statuses = Statuses()
    statuses.judged("a", "", hour(), errors(5.0, BAD))
    assert statuses.in_force("a", "", (figure,))[0].status is shown


def test_good_is_not_said_of_too_few_measurements() -> None:
    """Ten echoes of which half were lost, after a good hour; and after a bad one."""
    for before, n, expected in ((GOOD, 10, NONE), (GOOD, 299, NONE), (GOOD, 300, GOOD), (BAD, 10, BAD)):
        statuses = Statuses()
        statuses.judged("a", "", hour(), (Figure("loss_ratio", 0.0, n=3600, status=before),))
        (figure,) = statuses.judged("a", "", five(12), (Figure("loss_ratio", 50.0, n=n),))
        assert figure.status is expected, (before, n)


def test_measured_time_shows_its_status_however_little_was_measured() -> None:
    statuses = Statuses()
    statuses.judged("a", "", hour(), (Figure("monitoring_coverage_pct", 10.0, n=600, status=BAD, coverage=0.1),))
    (figure,) = statuses.in_force("a", "", (Figure("monitoring_coverage_pct", 12.0, coverage=0.12),))
    assert figure.status is BAD


# events of the last 24 hours


def test_two_hours_on_battery_are_bad_at_once_and_good_again_a_day_later() -> None:
    """Two of three days would have called it good."""
    statuses = Statuses()
    for number in range(60):
        seconds = 3600.0 if number in {30, 31} else 0.0
        statuses.judged("a", "", hour(number), battery(seconds))
        expected = BAD if 30 <= number < 31 + 24 else GOOD if number >= 11 else None
        assert status(statuses) is expected, number
    assert said(statuses) == [("a", "good", "bad"), ("a", "bad", "good")]


def test_what_happens_is_said_with_the_five_minutes_in_which_it_happened() -> None:
    statuses = Statuses()
    statuses.judged("a", "", hour(), battery(0.0))
    for number in range(12, 18):
        statuses.judged("a", "", five(number), battery(60.0))
    assert status(statuses) is BAD
    standing = statuses.standing("a", "", "on_battery_s")
    assert standing is not None
    assert standing.since_utc == five(16).end_utc, "300 s are reached in the fifth"
    statuses.judged("a", "", hour(1), battery(360.0))  # the hour takes the place of its five minutes
    assert status(statuses) is BAD
    (last, *_) = [one for one in statuses._days["a"][""]["on_battery_s"] if one.start_utc == hour(1).start_utc]
    assert (len(statuses._days["a"][""]["on_battery_s"]), last.weight) == (2, 360.0)


def test_a_piece_of_five_minutes_that_is_said_again_whole_counts_once() -> None:
    statuses = Statuses()
    for seconds in (100.0, 200.0):
        statuses.judged("a", "", five(), battery(seconds))
    assert [one.weight for one in statuses._days["a"][""]["on_battery_s"]] == [200.0]


@pytest.mark.parametrize(("known", "expected"), [(11, None), (12, GOOD), (24, GOOD)])
def test_less_than_half_of_the_day_gives_no_status(known: int, expected: Status | None) -> None:
    statuses = Statuses()
    statuses.judged("a", "", hour(0), battery(None, 0.0))
    for number in range(1, 24):
        statuses.judged("a", "", hour(number), battery(*((0.0, 1.0) if number >= 24 - known else (None, 0.0))))
    assert status(statuses) is expected


def test_planned_work_is_not_due() -> None:
    statuses = Statuses()
    for number in range(23):
        statuses.judged("a", "", hour(number), battery(None, None))
    assert status(statuses) is None
    statuses.judged("a", "", hour(23), battery(0.0))
    assert status(statuses) is GOOD


def test_hours_that_no_window_tells_of_are_not_known() -> None:
    statuses = Statuses()
    statuses.judged("a", "", hour(0), battery(400.0))
    assert status(statuses) is BAD
    statuses.judged("a", "", hour(20), battery(0.0))
    assert status(statuses) is BAD, "what happened has happened"
    statuses.judged("a", "", hour(25), battery(0.0))
    assert status(statuses) is NONE


def test_five_minutes_are_no_day_in_which_nothing_happened() -> None:
    statuses = Statuses()
    for number in range(12):
        assert statuses.judged("a", "", five(number), battery(0.0))[0].status is NONE
    assert statuses.judged("a", "", five(12), battery(1.0))[0].status is WARN


def test_what_the_device_itself_calls_bad_is_bad_for_the_day() -> None:
    statuses = Statuses()
    statuses.judged("a", "", hour(0), battery(1.0, flags=("battery_low",)))
    statuses.judged("a", "", hour(1), battery(0.0))
    assert status(statuses) is BAD


def test_another_root_is_worth_attention_and_four_are_no_more() -> None:
    def stp(changes: float, roots: float) -> tuple[Figure, ...]:
        weight = max(changes, 3.0 if roots else 0.0)
        return (Figure("stp_changes", changes, n=60, parts={"root_changes": roots, "weight": weight}),)

    statuses = Statuses()
    for number in range(4):
        statuses.judged("a", "", hour(number), stp(0.0, 1.0))
        assert status(statuses, "stp_changes") is WARN
    statuses.judged("a", "", hour(4), stp(11.0, 0.0))
    assert status(statuses, "stp_changes") is BAD


def test_what_turns_out_to_be_planned_counts_no_longer() -> None:
    statuses = Statuses()
    for number in range(12):
        statuses.judged("a", "", hour(number), (*battery(400.0 if number == 1 else 0.0), *errors(5.0, BAD)))
    assert status(statuses) is BAD
    statuses.changed()
    statuses.corrected("a", "", hour(1), (*battery(0.0), *errors(0.0, GOOD)))
    assert status(statuses) is GOOD
    assert status(statuses, "if_error_pct") is BAD, "its own next hour decides"
    assert ("a", "bad", "good") in said(statuses)
    assert [(device, of_ports) for device, of_ports, _ in statuses.changed()] == [("a", False)]
    statuses.corrected("a", "", hour(1), battery(0.0))
    statuses.corrected("a", "", hour(-30), battery(400.0))
    assert (status(statuses), said(statuses), statuses.changed()) == (GOOD, [], [])


def test_the_last_window_of_its_length_is_judged_anew_without_what_it_said_before() -> None:
    statuses = Statuses()
    for number, share, what in ((0, 0.0, GOOD), (1, 5.0, BAD)):
        statuses.judged("a", "", hour(number), errors(share, what))
    assert [reading.status for reading in statuses.history("a", "", hour(1))["if_error_pct"]] == ["good"]
    assert len(statuses.history("a", "", hour(2))["if_error_pct"]) == 2
    said(statuses)
    statuses.corrected("a", "", hour(1), errors(0.0, GOOD))
    assert (status(statuses, "if_error_pct"), said(statuses)) == (GOOD, [("a", "bad", "good")])
    assert [reading.status for reading in statuses.history("a", "", hour(2))["if_error_pct"]] == ["good", "good"]
    assert [device for device, _, _ in statuses.changed()] == ["a"]
    statuses.corrected("a", "", hour(1), errors(None, NONE))
    assert status(statuses, "if_error_pct") is NONE
    assert len(statuses.history("a", "", hour(2))["if_error_pct"]) == 1
    statuses.changed()
    statuses.corrected("a", "", hour(1), errors(None, NONE))
    assert statuses.changed() == []
    statuses.corrected("a", "", hour(1), errors(5.0, BAD))
    assert (status(statuses, "if_error_pct"), said(statuses)) == (BAD, [("a", "good", "bad")])
    assert len(statuses.history("a", "", hour(2))["if_error_pct"]) == 2


# over a restart


def trouble() -> Statuses:
    statuses = Statuses()
    for number in range(3):
        for port in ("", "ge0", "ge1"):
            bad = BAD if port == "ge1" else GOOD
            flap = Figure("link_flap", 5.0 if port == "ge1" else 0.0, n=3600)
            statuses.judged("a", port, hour(number), (*errors(5.0 if bad is BAD else 0.0, bad), flap))
    statuses.judged(
        "a", "", Window(START - 27 * DAY_S, 30 * DAY_S), (Figure("availability_pct", 98.0, n=9, status=BAD),)
    )
    statuses.judged("a", "", five(36), battery(400.0))
    return statuses


def test_everything_survives_a_restart() -> None:
    statuses = trouble()
    statuses.crossings()
    again = restarted(statuses)
    for port in ("", "ge0", "ge1"):
        for kpi in ("if_error_pct", "link_flap", "availability_pct", "on_battery_s"):
            assert again.standing("a", port, kpi) == statuses.standing("a", port, kpi)
        for window in (hour(3), Window(START, 30 * DAY_S)):
            assert again.history("a", port, window) == statuses.history("a", port, window)
    assert again._days == statuses._days
    assert list(again.troubled_ports()) == list(statuses.troubled_ports())


def test_what_was_said_before_a_restart_is_not_said_again() -> None:
    statuses = trouble()
    assert len(said(statuses)) == 4
    again = restarted(statuses)
    for port in ("", "ge0", "ge1"):
        bad = BAD if port == "ge1" else GOOD
        figures = (*errors(5.0 if bad is BAD else 0.0, bad), Figure("link_flap", 0.0, n=3600))
        again.judged("a", port, hour(3), (*figures, *battery(400.0)) if port == "" else figures)
    assert said(again) == []
    again.judged("a", "ge1", hour(2), errors(0.0, GOOD))
    again.judged("a", "ge1", hour(4), errors(0.0, GOOD))
    assert ("a/ge1", "bad", "good") in said(again)


def test_only_what_changed_is_written() -> None:
    statuses = trouble()
    assert [(device, of_ports) for device, of_ports, _ in statuses.changed()] == [("a", False), ("a", True)]
    assert statuses.changed() == []
    statuses.judged("a", "", five(37), battery(0.0))
    assert statuses.changed() == [], "five minutes in which nothing happened are no news"
    statuses.judged("a", "", five(38), battery(1.0))
    assert [(device, of_ports) for device, of_ports, _ in statuses.changed()] == [("a", False)]
    statuses.judged("a", "ge0", hour(3), errors(0.0, GOOD))
    assert [(device, of_ports) for device, of_ports, _ in statuses.changed()] == [("a", True)]


def test_ports_that_are_alike_are_written_once() -> None:
    statuses = Statuses()
    for number in range(48):
        statuses.judged("a", f"ge{number}", hour(), (*errors(0.0, GOOD), Figure("link_flap", 0.0, n=3600)))
    ((_, _, plain),) = statuses.changed()
    assert [len(group[0]) for group in plain["alike"]] == [48]
    assert len(json.dumps(plain)) < 900


@pytest.mark.parametrize(
    "plain",
    [
        {},
        {"v": 9, "alike": []},
        {"v": 1},
        {"v": 1, "alike": 5},
        {"v": 1, "alike": [[["ge0"]]]},
        {"v": 1, "alike": [[["ge0"], {"if_error_pct": ["odd", 1, "good"]}, {}, {}]]},
        {"v": 1, "alike": [[["ge0"], {}, {"3600": [1]}, {}]]},
        {"v": 1, "alike": [[["ge0"], {}, {}, {"link_flap": [[1, 2]]}]]},
    ],
)
def test_statuses_that_cannot_be_read_are_refused_as_a_whole(plain: dict[str, Any]) -> None:
    statuses = Statuses()
    with pytest.raises(ValueError, match="status"):
        statuses.resume("a", plain)
    assert statuses.changed() == []


def test_a_figure_that_the_catalogue_has_no_more_is_left_out() -> None:
    old = {"gone_pct": ["bad", 1, "bad"]}
    plain = {"v": 1, "alike": [[[""], old, {"3600": [1, {"gone_pct": [[1, 2, "bad", 0]]}]}, {"gone_pct": []}]]}
    statuses = Statuses()
    statuses.resume("a", plain)
    assert statuses.standing("a", "", "gone_pct") is None
    assert statuses.judged("a", "", hour(), errors(0.0, GOOD))[0].status is GOOD


def test_the_site_and_a_device_of_its_name_are_apart() -> None:
    statuses = Statuses()
    statuses.judged("@site", "", hour(), errors(5.0, BAD))
    figure = replace(errors(0.0, NONE)[0])
    assert statuses.in_force("site", "", (figure,))[0].status is NONE


def test_statuses_of_a_device_of_many_ports_are_resumed_port_by_port() -> None:
    before, after, ports = Statuses(), Statuses(), 200
    for number in range(ports):
        before.judged("a", f"ge{number}", hour(number), errors(float(number % 7), BAD))
    ((device, _, plain),) = before.changed()
    pieces, known = 0, [0]
    for _ in after.resuming(device, json.loads(json.dumps(plain))):
        pieces += 1
        known.append(len(after.ports_of("a")))
    assert pieces == 2 * ports, "each is read by itself, and taken over by itself"
    assert known[ports] == 0 and max(b - a for a, b in itertools.pairwise(known)) == 1
    assert after.ports_of("a") == before.ports_of("a")
