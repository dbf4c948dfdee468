"""Whatever counts say, a figure is a value or null with a reason."""

import math
from dataclasses import fields

from hypothesis import given
from hypothesis import strategies as st

from kpi import figures
from kpi.port_counts import PortCounts
from kpi.reboots import RestartCounts
from kpi.states import StateSeconds

NUMBER = st.integers(-(2**70), 2**70) | st.sampled_from([0, 1, -1, 2**64])
BIN = st.tuples(NUMBER, NUMBER, NUMBER)
PORT_NUMBERS = [field.name for field in fields(PortCounts) if type(getattr(PortCounts(), field.name)) is int]
FLAGS = st.sets(st.sampled_from(["access", "billed", "half_duplex", "full_duplex", "uptime"]))
PORTS = st.builds(
    PortCounts,
    **dict.fromkeys(PORT_NUMBERS, NUMBER) | {"absent": st.integers(0, 255)},
    speed_bps=st.none() | NUMBER,
    flags=FLAGS.map(lambda some: tuple(sorted(some))),
    bins=st.lists(BIN, max_size=3).map(tuple),
)
STATES = st.builds(
    StateSeconds,
    **{f.name: NUMBER for f in fields(StateSeconds) if type(getattr(StateSeconds(), f.name)) is int},
)


@given(PORTS)
def test_of_any_port(counts: PortCounts) -> None:
    for figure in figures.port_figures(counts):
        assert (figure.value is None) is (figure.null_reason is not None), figure
        assert figure.value is None or math.isfinite(figure.value)
        shares = [figure.value] if figure.kpi.endswith("_pct") else []
        shares += [value for name, value in figure.parts.items() if name.endswith("_pct")]
        assert all(share is None or 0 <= share <= 100 for share in shares), figure


@given(STATES, st.builds(RestartCounts, device=NUMBER, agent=NUMBER, readings=NUMBER))
def test_of_any_states_and_restarts(states: StateSeconds, restarts: RestartCounts) -> None:
    for figure in (figures.availability(states), figures.coverage_pct([states, states]), figures.reboots(restarts)):
        assert (figure.value is None) is (figure.null_reason is not None), figure
