"""What statuses remember: each entity its own, what is alike once, and nothing of what is gone."""

from agent.statuses import Statuses
from kpi.model import Figure, Status, Window
from kpi.status import Reading

HOUR = Window(1_800_000_000, 3600)


def errors(share: float, status: Status, n: int = 5000) -> tuple[Figure, ...]:
    return (Figure("if_error_pct", share, n=n, status=status),)


def test_ports_that_say_the_same_share_what_is_remembered_and_part_when_one_differs() -> None:
    statuses = Statuses()
    for device, port in (("a", "ge0"), ("a", "ge1"), ("b", "ge0")):
        statuses.judged(device, port, HOUR, errors(0.0, Status.GOOD, n=5000 + len(device + port)))
    first = statuses.history("a", "ge0", HOUR)
    assert first == {"if_error_pct": (Reading(0.0, 1000, Status.GOOD),)}
    assert first is statuses.history("a", "ge1", HOUR)
    assert first is statuses.history("b", "ge0", HOUR)
    statuses.judged("a", "ge1", HOUR, errors(5.0, Status.BAD))
    assert statuses.history("a", "ge0", HOUR) == first
    assert [reading.status for reading in statuses.history("a", "ge1", HOUR)["if_error_pct"]] == ["good", "bad"]
    assert statuses.in_force("a", "ge1", errors(0.0, Status.NONE))[0].status is Status.BAD
    assert statuses.in_force("b", "ge0", errors(0.0, Status.NONE))[0].status is Status.GOOD
    assert [(c.entity, c.was, c.status) for c in statuses.crossings()] == [("a/ge1", "good", "bad")]


def test_two_windows_are_remembered_and_of_windows_of_another_length_others() -> None:
    statuses = Statuses()
    for share in (1.0, 2.0, 3.0):
        statuses.judged("a", "", HOUR, errors(share, Status.BAD))
    assert [reading.value for reading in statuses.history("a", "", HOUR)["if_error_pct"]] == [2.0, 3.0]
    assert statuses.history("a", "", Window(HOUR.start_utc, 86_400)) == {}
    assert statuses.judged("a", "", Window(HOUR.start_utc, 300), errors(0.0, Status.NONE))[0].status is Status.BAD
    assert statuses.history("a", "", Window(HOUR.start_utc, 300)) == {}, "no status is read on five minutes"


def test_of_ports_that_went_and_of_devices_that_are_watched_no_more_nothing_is_kept() -> None:
    statuses = Statuses()
    for device in ("a", "b"):
        for port in ("", "ge0", "ge1"):
            statuses.judged(device, port, HOUR, errors(5.0, Status.BAD))
    statuses.window_ended()
    statuses.keep_ports("a", {"ge1"})
    held = {(d, p) for d in "ab" for p in ("", "ge0", "ge1") if statuses.history(d, p, HOUR)}
    assert held == {("a", ""), ("a", "ge1"), ("b", ""), ("b", "ge0"), ("b", "ge1")}
    assert statuses.in_force("a", "ge0", errors(0.0, Status.NONE))[0].status is Status.NONE
    statuses.forget("b")
    assert not any(statuses.history("b", port, HOUR) for port in ("", "ge0", "ge1"))
    assert statuses.in_force("b", "", errors(0.0, Status.NONE))[0].status is Status.NONE
    assert statuses.in_force("a", "", errors(0.0, Status.NONE))[0].status is Status.BAD
