"""One incident for each cause; what it hides is unknown, not down (FIELD 18)."""

from agent.incidents import KIND_DOWN, KIND_FAULT, KIND_LINK, Incidents
from kpi.entities import PROBE
from kpi.model import Incident, State
from kpi.reachability import StateChange

BEHIND = {"a": {"gw"}, "b": {"gw", "sw"}, "sw": {"gw"}, "gw": set[str]()}


def incidents(written: list[Incident], *still_open: Incident) -> Incidents:
    return Incidents(still_open, utc=lambda at: at + 1e6, ancestors=lambda d: BEHIND[d], write=written.append)


def change(device: str, at: float, state: State, reason: str) -> StateChange:
    return StateChange(device, at, state, reason)


def test_a_dead_gateway_is_one_incident_whoever_was_decided_first() -> None:
    written: list[Incident] = []
    known = incidents(written)
    known.state_changed(change("a", 10.1, State.UNKNOWN, "parent"))
    known.state_changed(change("gw", 10.0, State.DOWN, "no_reply"))
    known.state_changed(change("b", 10.2, State.UNKNOWN, "parent"))
    (only,) = known
    assert (only.kind, only.entity, only.opened_utc, only.hides) == (KIND_DOWN, "gw", 1e6 + 10.0, ("a", "b"))
    assert only.cause == "no_reply"
    known.state_changed(change("gw", 50.0, State.UP, "answered"))
    assert list(known) == []
    assert (written[-1].closed_utc, written[-1].id) == (1e6 + 50.0, only.id)


def test_the_own_link_is_one_incident_that_hides_all() -> None:
    written: list[Incident] = []
    known = incidents(written)
    for device in ("gw", "a", "b"):
        known.state_changed(change(device, 20.0, State.UNKNOWN, "own_link"))
    (only,) = known
    assert (only.kind, only.entity, only.hides) == (KIND_LINK, PROBE, ("a", "b", "gw"))
    known.state_changed(change("sw", 25.0, State.UP, "answered"))
    assert list(known) == [only], "what another link reaches proves nothing of this one"
    known.state_changed(change("a", 30.0, State.UP, "answered"))
    assert list(known) == []


def test_a_fault_of_the_probe_is_its_own_incident_and_starting_is_none() -> None:
    known = incidents([])
    known.state_changed(change("a", 1.0, State.UNKNOWN, "starting"))
    known.state_changed(change("a", 1.0, State.UNKNOWN, "not_checked"))
    assert list(known) == []
    known.state_changed(change("a", 2.0, State.UNKNOWN, "icmp_permission"))
    (only,) = known
    assert (only.kind, only.cause) == (KIND_FAULT, "icmp_permission")


def test_an_incident_open_before_a_restart_goes_on() -> None:
    written: list[Incident] = []
    old = Incident("x", KIND_DOWN, "a", "no_reply", 5.0)
    known = incidents(written, old)
    known.state_changed(change("a", 100.0, State.DOWN, "no_reply"))
    assert written == []
    known.state_changed(change("a", 200.0, State.UP, "answered"))
    assert [(i.id, i.opened_utc, i.closed_utc) for i in written] == [("x", 5.0, 1e6 + 200.0)]


def test_a_fault_of_the_probe_lasts_as_long_as_it_hides_somebody() -> None:
    written: list[Incident] = []
    known = incidents(written)
    known.state_changed(change("a", 2.0, State.UNKNOWN, "name_not_resolved"))
    known.state_changed(change("b", 3.0, State.UP, "answered"))
    assert [i.kind for i in known] == [KIND_FAULT], "that another device answers proves nothing"
    again = incidents(written, *known)
    again.state_changed(change("b", 4.0, State.UP, "answered"))
    assert [i.id for i in again] == [i.id for i in known], "nor after a restart"
    again.state_changed(change("a", 5.0, State.UP, "answered"))
    assert list(again) == []
    assert written[-1].closed_utc == 1e6 + 5.0


def test_with_a_device_that_is_watched_no_more_its_incidents_end() -> None:
    written: list[Incident] = []
    known = incidents(written)
    known.state_changed(change("a", 2.0, State.DOWN, "no_reply"))
    known.state_changed(change("b", 2.0, State.UNKNOWN, "icmp_permission"))
    known.forget("a", 7.0)
    assert [(i.entity, i.closed_utc) for i in written if i.closed_utc is not None] == [("a", 1e6 + 7.0)]
    known.forget("b", 8.0)
    assert list(known) == []


def test_the_own_links_incident_ends_with_the_last_device_it_hides_also_after_a_restart() -> None:
    written: list[Incident] = []
    known = incidents(written)
    for device in ("a", "b"):
        known.state_changed(change(device, 20.0, State.UNKNOWN, "own_link"))
    again = incidents(written, *known)
    again.forget("a", 30.0)
    assert [i.kind for i in again] == [KIND_LINK]
    again.forget("b", 40.0)
    assert list(again) == []
    assert written[-1].closed_utc == 1e6 + 40.0


def test_what_was_open_before_a_start_without_a_clock_ends_at_its_own_time() -> None:
    """Until the clock is set the end cannot lie behind the beginning; then it is where it was."""
    written: list[Incident] = []
    known = incidents(written, Incident("x", KIND_DOWN, "a", "no_reply", 5e8))
    known.state_changed(change("b", 40.0, State.DOWN, "no_reply"))
    known.state_changed(change("a", 100.0, State.UP, "answered"))
    assert written[-1].closed_utc == 5e8
    moved = {i.entity: i for i in known.dated(6e8)}
    assert (moved["a"].opened_utc, moved["a"].closed_utc) == (5e8, 1e6 + 100.0 + 6e8)
    assert (moved["b"].opened_utc, moved["b"].closed_utc) == (1e6 + 40.0 + 6e8, None)
