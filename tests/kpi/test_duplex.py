"""Two ends of a cable that disagree on duplex (kpi/README.md duplex_mismatch)."""

import pytest

from kpi.counters import UptimeTracker
from kpi.duplex import VALID_S, DuplexReadings, PortDuplex, Verdict, verdict_of, verdicts
from kpi.gear import Duplex, Facts

HALF, FULL, SILENT = PortDuplex("half"), PortDuplex("full"), PortDuplex(None)


@pytest.mark.parametrize(
    ("own", "peer", "verdict"),
    [
        (HALF, FULL, Verdict.CERTAIN),
        (FULL, HALF, Verdict.CERTAIN),
        (FULL, FULL, Verdict.AGREED),
        (HALF, HALF, Verdict.AGREED),
        (PortDuplex("full", damaged=True), FULL, Verdict.AGREED),  # a bad cable, not a disagreement
        (PortDuplex("half", late=True), HALF, Verdict.AGREED),
        (PortDuplex("half", late=True, damaged=False), None, Verdict.SUSPECTED),
        (PortDuplex("half", late=False, damaged=True), None, Verdict.AGREED),
        (PortDuplex("full", late=False, damaged=True), None, Verdict.SUSPECTED),
        (PortDuplex("full", late=True, damaged=False), None, Verdict.AGREED),
        (PortDuplex("full", damaged=True), SILENT, Verdict.SUSPECTED),
        (HALF, None, None),  # no two readings yet
        (FULL, SILENT, None),
        (SILENT, HALF, None),
        (SILENT, None, None),
    ],
)
def test_what_is_said_of_one_end(own: PortDuplex, peer: PortDuplex | None, verdict: Verdict | None) -> None:
    assert verdict_of(own, peer) is verdict


def test_both_ends_of_a_cable_are_marked_and_nobody_else() -> None:
    ends = {("a", "1"): HALF, ("b", "7"): FULL, ("b", "8"): PortDuplex("full", damaged=False)}
    pairs = [(("a", "1"), ("b", "7")), (("b", "8"), ("c", "1"))]
    assert verdicts(ends, pairs) == {
        ("a", "1"): Verdict.CERTAIN,
        ("b", "7"): Verdict.CERTAIN,
        ("b", "8"): Verdict.AGREED,
    }


def test_ports_that_several_others_hear_are_no_two_ends_of_a_cable() -> None:
    """LLDP passed an unmanaged switch: each of the three ends on that one, at a duplex of its own."""
    ends = {("a", "1"): PortDuplex("full", damaged=False), ("b", "1"): HALF, ("c", "1"): FULL}
    pairs = [(("a", "1"), ("b", "1")), (("a", "1"), ("c", "1"))]
    assert verdicts(ends, pairs) == {("a", "1"): Verdict.AGREED}
    assert verdicts(ends, pairs[::-1]) == {("a", "1"): Verdict.AGREED}
    assert verdicts(ends, [*pairs[:1], *pairs[:1]])["b", "1"] is Verdict.CERTAIN, "one cable, told twice"


def table(at: float, *rows: Duplex, uptime_s: float | None = None) -> tuple[float, Facts]:
    return at, Facts("duplex", rows, complete=True, uptime_cs=round(100 * (uptime_s or at + 5000)))


def readings(*tables: tuple[float, Facts]) -> DuplexReadings:
    uptime = UptimeTracker()
    found = DuplexReadings(uptime)
    for at, facts in tables:
        uptime.take(at, facts.uptime_cs)
        found.take(at, facts)
    return found


def test_differences_between_two_readings() -> None:
    found = readings(
        table(0.0, Duplex(1, "half", 5, 0, 0), Duplex(2, "full", 0, 8, 1), Duplex(3, "unknown", None, None, None)),
        table(300.0, Duplex(1, "half", 6, 0, 0), Duplex(2, "full", 0, 8, 1), Duplex(3, "unknown", None, None, None)),
    )
    assert found.now(310.0) == {
        1: PortDuplex("half", late=True, damaged=False),
        2: PortDuplex("full", late=False, damaged=False),
        3: PortDuplex(None, late=None, damaged=None),
    }


def test_an_object_that_the_agent_lacks_is_not_zero() -> None:
    rows = Duplex(1, "full", None, None, None)
    assert readings(table(0.0, rows), table(300.0, rows)).now(300.0) == {1: PortDuplex("full", None, None)}


def test_alignment_errors_alone_are_enough() -> None:
    found = readings(table(0.0, Duplex(1, "full", 0, None, 2)), table(300.0, Duplex(1, "full", 0, None, 3)))
    assert found.now(300.0)[1].damaged is True


def test_counters_over_a_restart_say_nothing() -> None:
    found = readings(table(0.0, Duplex(1, "half", 5, 5, 5)), table(300.0, Duplex(1, "half", 9, 9, 9), uptime_s=100))
    assert found.now(300.0) == {1: PortDuplex("half", None, None)}


def test_what_was_read_long_ago_holds_no_more() -> None:
    found = readings(table(0.0, Duplex(1, "full", 0, 0, 0)))
    assert found.now(VALID_S)
    assert not found.now(VALID_S + 1)
    assert found.known
