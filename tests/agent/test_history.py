"""States in memory: as far back as an outage needs, and never without bound."""

from agent.history import MOST, StateHistory
from kpi.model import State
from kpi.states import Turn, state_seconds


def test_what_no_window_needs_is_dropped_and_an_outage_keeps_its_beginning() -> None:
    history = StateHistory()
    for at, state in ((0.0, State.UP), (10.0, State.DOWN), (20.0, State.UP), (30.0, State.DOWN), (500.0, State.UP)):
        history.add("a", at, state)
    history.forget_before(400.0)
    assert list(history.of("a")) == [Turn(20.0, State.UP), Turn(30.0, State.DOWN), Turn(500.0, State.UP)]
    assert state_seconds(history.of("a"), 400.0, 600.0).restored_ms == 470_000


def test_a_device_that_is_never_up_does_not_grow_without_bound() -> None:
    history = StateHistory()
    history.add("a", 0.0, State.UP)
    history.add("a", 1.0, State.DOWN)
    for i in range(3 * MOST):
        history.add("a", 10.0 + i, State.UNKNOWN if i % 2 else State.DOWN)
    history.forget_before(10.0 + 3 * MOST)
    turns = list(history.of("a"))
    assert len(turns) == MOST
    assert turns[:2] == [Turn(0.0, State.UP), Turn(1.0, State.DOWN)]
    assert turns[-1].at == 10.0 + 3 * MOST - 1
