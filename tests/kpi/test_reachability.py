"""kpi/README.md R1 and R2, agent/README.md: confirmation, backdating, parents, own link."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kpi.model import State
from kpi.reachability import Reachability, StateChange
from kpi.states import VALID_PERIODS, state_seconds


class Site:
    """An Upstream with a link that can fail, the changes seen and the confirmations asked for."""

    def __init__(self) -> None:
        self.link = True
        self.devices: dict[str, Reachability] = {}
        self.behind: dict[str, list[str]] = {}
        self.changes: list[StateChange] = []
        self.confirms: list[str] = []

    def link_up(self, device: str) -> bool:
        return self.link

    def parents(self, device: str) -> Sequence[Reachability]:
        return [self.devices[p] for p in self.behind.get(device, [])]

    def add(self, name: str, *parents: str, period_s: float = 20.0) -> Reachability:
        self.behind[name] = list(parents)
        self.devices[name] = Reachability(
            name, at=0.0, period_s=period_s, upstream=self, changed=self.changes.append, confirm=self.confirms.append
        )
        return self.devices[name]

    def run(self, start: float, end: float, step: float = 0.05) -> None:
        t = start
        while t <= end + 1e-9:
            for d in self.devices.values():
                d.tick(t)
            t += step

    def of(self, name: str) -> list[tuple[float, State, str]]:
        return [(round(c.at, 3), c.state, c.reason) for c in self.changes if c.device == name]


@pytest.fixture
def site() -> Site:
    return Site()


def up(device: Reachability, at: float) -> None:
    device.answered(at, at + 0.001)


def test_one_answer_is_up_dated_to_it(site: Site) -> None:
    a = site.add("a")
    assert a.state is State.UNKNOWN
    a.answered(5.0, 5.01)
    assert site.of("a") == [(5.01, State.UP, "answered")]


def test_eight_unanswered_confirmations_are_down_backdated_to_the_first_loss(site: Site) -> None:
    a = site.add("a")
    up(a, 9.0)
    a.unanswered(10.0, 10.25)
    site.run(10.25, 12.95)
    assert a.state is State.UP
    assert site.confirms == ["a"] * 8
    site.run(13.0, 13.1)
    assert site.of("a")[-1] == (10.0, State.DOWN, "no_reply")


def test_down_is_known_within_5_5_s_of_vanishing(site: Site) -> None:
    a = site.add("a")
    up(a, 9.0)
    vanished = 9.01  # just after an answer: the worst case at one echo a second
    a.unanswered(10.0, 10.25)
    t = 10.25
    while a.state is not State.DOWN:
        t += 0.05
        a.tick(t)
    assert t - vanished < 4.2


@pytest.mark.parametrize("answer_at", [10.3, 11.9, 12.9])
def test_any_answer_however_late_clears_the_suspicion(site: Site, answer_at: float) -> None:
    a = site.add("a")
    up(a, 9.0)
    a.unanswered(10.0, 10.25)
    site.run(10.25, answer_at)
    a.answered(10.0, answer_at)
    site.run(answer_at, 20.0, step=0.5)
    assert State.DOWN not in [s for _, s, _ in site.of("a")]


def test_an_answer_after_down_is_up_dated_to_it(site: Site) -> None:
    a = site.add("a")
    up(a, 9.0)
    a.unanswered(10.0, 10.25)
    site.run(10.25, 14.0)
    a.answered(30.0, 30.002)
    assert site.of("a")[-2:] == [(10.0, State.DOWN, "no_reply"), (30.002, State.UP, "answered")]


def test_a_loss_sent_before_the_youngest_answer_starts_nothing(site: Site) -> None:
    a = site.add("a")
    up(a, 11.0)
    a.unanswered(10.0, 12.0)
    assert not a.suspect


def test_own_link_down_is_unknown_and_not_down(site: Site) -> None:
    a = site.add("a")
    up(a, 9.0)
    a.unanswered(10.0, 10.25)
    site.link = False
    site.run(10.25, 14.0)
    assert site.of("a")[-1] == (10.0, State.UNKNOWN, "own_link")


def test_behind_a_dead_gateway_is_unknown_and_the_gateway_is_down(site: Site) -> None:
    gw, a = site.add("gw"), site.add("a", "gw")
    up(gw, 9.0)
    up(a, 9.1)
    gw.unanswered(10.0, 10.25)
    a.unanswered(10.1, 10.35)
    site.run(10.35, 14.0)
    assert site.of("gw")[-1] == (10.0, State.DOWN, "no_reply")
    assert site.of("a")[-1] == (10.1, State.UNKNOWN, "parent")
    # later losses while the way is cut teach nothing
    a.unanswered(20.0, 20.25)
    site.run(20.25, 24.0)
    assert a.state is State.UNKNOWN
    # the gateway comes back, the device does not: its losses from then on count
    up(gw, 30.0)
    site.run(30.0, 30.2)
    assert a.state is State.UNKNOWN
    a.unanswered(31.0, 31.25)
    up(gw, 31.5)
    site.run(31.25, 35.0)
    assert site.of("a")[-1] == (31.0, State.DOWN, "no_reply")


def test_a_device_behind_a_living_gateway_is_down_and_the_gateway_is_asked_for_proof(site: Site) -> None:
    gw, a = site.add("gw"), site.add("a", "gw")
    up(gw, 9.0)
    up(a, 9.1)
    a.unanswered(10.1, 10.35)
    assert site.confirms == ["gw", "a"]
    gw.answered(10.35, 10.36)
    site.run(10.4, 14.0)
    assert site.of("a")[-1] == (10.1, State.DOWN, "no_reply")


def test_proof_that_comes_after_the_decision_still_counts_when_the_parent_never_fell(site: Site) -> None:
    gw, a = site.add("gw"), site.add("a", "gw")
    up(gw, 9.0)
    up(a, 9.1)
    a.unanswered(10.1, 10.35)
    site.run(10.4, 14.0)
    assert a.state is State.UNKNOWN
    up(gw, 19.0)
    site.run(19.1, 19.2)
    assert site.of("a")[-1] == (10.1, State.DOWN, "no_reply")


def test_one_living_parent_of_two_is_enough(site: Site) -> None:
    p, q, a = site.add("p"), site.add("q"), site.add("a", "p", "q")
    for d in (p, q, a):
        up(d, 9.0)
    p.unanswered(10.0, 10.25)
    a.unanswered(10.0, 10.25)
    up(q, 10.5)
    site.run(10.3, 14.0)
    assert a.state is State.DOWN


def test_a_fault_of_the_probe_is_unknown_and_does_not_raise_a_dead_device(site: Site) -> None:
    a = site.add("a")
    up(a, 9.0)
    a.not_measured(10.0, "icmp_permission")
    assert site.of("a")[-1] == (10.0, State.UNKNOWN, "icmp_permission")
    up(a, 11.0)
    a.unanswered(12.0, 12.25)
    site.run(12.25, 16.0)
    assert a.state is State.DOWN
    a.not_measured(17.0, "no_buffer_space")
    assert a.state is State.DOWN


def test_what_cuts_the_way_ends_a_known_down(site: Site) -> None:
    a = site.add("a")
    up(a, 9.0)
    a.unanswered(12.0, 12.25)
    site.run(12.25, 16.0)
    a.not_measured(17.0, "own_link")
    assert site.of("a")[-1] == (17.0, State.UNKNOWN, "own_link")


def test_unchecked_for_two_periods_is_unknown_backdated(site: Site) -> None:
    a = site.add("a", period_s=10.0)
    up(a, 9.0)
    site.run(9.1, 29.0, step=1.0)
    assert a.state is State.UP
    a.tick(29.1)
    assert site.of("a")[-1] == (29.001, State.UNKNOWN, "not_checked")


@pytest.mark.parametrize("ticked", [False, True])
def test_a_gap_between_checks_is_unknown_whoever_notices_it_first(site: Site, ticked: bool) -> None:
    a = site.add("a", period_s=1.0)
    up(a, 1.0)
    if ticked:
        a.tick(31.0)
    up(a, 31.0)
    assert site.of("a") == [
        (1.001, State.UP, "answered"), (3.001, State.UNKNOWN, "not_checked"), (31.001, State.UP, "answered"),
    ]  # fmt: skip


@pytest.mark.parametrize("ticked", [False, True])
def test_an_answer_that_waited_to_be_read_proves_two_periods_after_it_came(site: Site, ticked: bool) -> None:
    """It came before the agent was stopped at 2 s, and is read when it goes on at 32 s."""
    a = site.add("a", period_s=1.0)
    up(a, 1.0)
    if ticked:
        a.tick(32.0)
    up(a, 2.0)
    up(a, 32.0)
    known = state_seconds(site.changes, 0, 33)
    assert (known.up_ms, known.unknown_ms) == (3999, 29001)  # 1.001 to 4.001 and 32.001 to 33


def test_an_answer_read_after_the_next_state_began_long_since_raises_nobody(site: Site) -> None:
    a = site.add("a", period_s=1.0)
    up(a, 1.0)
    a.not_measured(32.0, "own_link")
    up(a, 2.0)
    assert a.state is State.UNKNOWN
    assert a.reason == "own_link"


@pytest.mark.parametrize("ticked", [False, True])
def test_down_begins_no_earlier_than_checks_go_on_after_a_gap(site: Site, ticked: bool) -> None:
    """The echo of 2 s was sent before the agent was stopped and is lost, and so are those sent from 32 s on."""
    a = site.add("a", period_s=1.0)
    up(a, 1.0)
    if ticked:
        a.tick(32.0)
    a.unanswered(2.0, 32.0)
    for n in range(6):
        site.run(32.0 + n, 32.95 + n)
        a.unanswered(32.0 + n, 33.0 + n)
    *_, gap, down = site.of("a")
    assert gap == (3.001 if ticked else 4.0, State.UNKNOWN, "not_checked")
    assert down == (32.0, State.DOWN, "no_reply")


def test_confirmations_whose_answers_were_not_read_for_a_gap_say_nothing(site: Site) -> None:
    a = site.add("a", period_s=1.0)
    up(a, 9.0)
    a.unanswered(10.0, 10.25)
    site.run(10.25, 12.2)
    assert len(site.confirms) == 8
    a.tick(42.0)
    assert State.DOWN not in [state for _, state, _ in site.of("a")]
    assert a.suspect
    up(a, 42.0)
    assert site.of("a")[-1] == (42.001, State.UP, "answered")
    assert not a.suspect


def test_two_failed_checks_around_a_gap_leave_it_unknown(site: Site) -> None:
    a = site.add("a", period_s=3.0)
    up(a, 1.0)
    a.checks_failed(20.0, 22.0, 22.5)
    assert site.of("a")[1:] == [(7.001, State.UNKNOWN, "not_checked"), (20.0, State.DOWN, "no_reply")]


def test_a_gap_in_front_is_none_of_those_behind_and_raises_nobody(site: Site) -> None:
    gw, a = site.add("gw", period_s=1.0), site.add("a", "gw", period_s=1.0)
    up(gw, 1.0)
    a.checks_failed(0.5, 1.0, 1.0)
    up(gw, 31.0)
    up(gw, 32.0)
    site.run(32.1, 32.2)
    a.tick(33.0)
    assert State.UP not in [state for _, state, _ in site.of("a")]
    assert a.state is State.UNKNOWN


def test_a_shorter_period_does_not_make_the_last_check_too_old(site: Site) -> None:
    a = site.add("a", period_s=60.0)
    up(a, 1.0)
    a.period_s = 1.0
    up(a, 50.0)
    up(a, 60.0)
    assert site.of("a")[1:] == [(52.001, State.UNKNOWN, "not_checked"), (60.001, State.UP, "answered")]


CHECKS = st.lists(
    st.tuples(
        st.sampled_from(("answered", "read late", "unanswered", "not_measured", "checks_failed")),
        st.one_of(st.floats(0.1, 2.0), st.floats(2.0, 60.0)),
        st.booleans(),
    ),
    min_size=1,
    max_size=40,
)


@given(CHECKS, st.sampled_from((1.0, 5.0, 20.0)))
def test_no_more_is_known_than_two_periods_after_each_check(
    checks: list[tuple[str, float, bool]], period_s: float
) -> None:
    """Whatever the checks say, whether anybody looks in between or not, and however long nobody does."""
    site = Site()
    a = site.add("a", period_s=period_s)
    now, at = 0.0, [0.0]
    for what, wait, looked_at in checks:
        before, now = now, now + wait
        if looked_at:
            a.tick(now)
            at += [now] if a.suspect else []  # a confirmation may have gone out
        if what == "answered":
            a.answered(now, now)
            at.append(now)
        elif what == "read late":
            a.answered(before, before + 0.001)
            at.append(before + 0.001)
        elif what == "unanswered":
            a.unanswered(now, now)
            at.append(now)
        elif what == "not_measured":
            a.not_measured(now, "icmp_permission")
            at.append(now)
        else:
            a.checks_failed(max(before, now - 5.0), now, now)
            at += [max(before, now - 5.0), now]
    end = now + 1000.0
    a.tick(end)
    at = sorted(at)
    gaps = [following - one for one, following in zip(at, [*at[1:], end], strict=True)]
    known = state_seconds(site.changes, 0, end).known_ms / 1000
    assert known <= sum(min(VALID_PERIODS * period_s, gap) for gap in gaps) + 0.001 * len(at)


def test_two_failed_checks_within_ten_seconds_are_down(site: Site) -> None:
    a = site.add("a", period_s=60.0)
    up(a, 9.0)
    assert not a.checks_failed(60.0, 71.0, 72.0)
    assert a.checks_failed(120.0, 125.0, 127.0)
    assert site.of("a")[-1] == (120.0, State.DOWN, "no_reply")


def test_down_is_dated_no_earlier_than_the_up_of_a_late_answer(site: Site) -> None:
    """An echo of 10 s is lost and says down; its answer comes at 100 s, after its waiting time, and says up; an echo of
    50 s, that nobody waits for any more, is called lost only then."""
    a = site.add("a", period_s=100.0)
    up(a, 5.0)
    a.unanswered(10.0, 10.25)
    site.run(10.25, 15.0)
    a.answered(float("-inf"), 100.0)
    a.unanswered(50.0, 100.5)
    site.run(100.5, 105.0)
    assert site.of("a")[1:] == [
        (10.0, State.DOWN, "no_reply"), (100.0, State.UP, "answered"), (100.0, State.DOWN, "no_reply"),
    ]  # fmt: skip


@given(
    st.lists(
        st.tuples(
            st.sampled_from(("answered", "late", "unanswered", "not_measured", "checks_failed", "tick", "link")),
            st.floats(0.0, 30.0),
            st.floats(0.0, 20.0),
        ),
        max_size=60,
    )
)
def test_states_never_go_back_in_time_and_are_whole_milliseconds(steps: list[tuple[str, float, float]]) -> None:
    """Whatever comes in whatever order: what is decided later begins no earlier, so that the order of decisions is the
    order of time, and a row sorted by either is read the same."""
    site = Site()
    gateway, a = site.add("gw"), site.add("a", "gw")
    now = 0.0
    for what, wait, ago in steps:
        now += wait
        for device in (a, gateway):
            if what == "answered":
                device.answered(now - ago, now)
            elif what == "late":
                device.answered(float("-inf"), now)
            elif what == "unanswered":
                device.unanswered(now - ago, now)
            elif what == "checks_failed":
                device.checks_failed(now - ago, now, now)
            elif what == "not_measured":
                device.not_measured(now, "own_link")
            elif what == "link":
                site.link = not site.link
        site.run(now, now + 5.0, 0.25)
        now += 5.0
    for name in ("gw", "a"):
        turns = [c for c in site.changes if c.device == name]
        assert [c.at for c in turns] == sorted(c.at for c in turns)
        assert all(round(c.at * 1000) / 1000 == c.at for c in turns)
        by_time = sorted(turns, key=lambda c: c.at)
        assert state_seconds(turns, 0, now) == state_seconds(by_time, 0, now)
