"""BGP and OSPF sessions poll by poll: seconds by state, resets seen and unseen (kpi/README.md)."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from kpi.counters import UptimeTracker
from kpi.fabric_counts import SessionCounts
from kpi.gear import BgpPeer, Facts, OspfInterface, OspfNeighbor
from kpi.sessions import FORGOTTEN_S, MOST, Bgp, Change, Ospf, Seen, Sessions

PEER = BgpPeer("192.0.2.1", 64512, "established", admin_up=True, transitions=3, established_s=86_400)
NEIGHBOUR = OspfNeighbor("198.51.100.1", "192.0.2.9", "full", events=6)


class Router:
    """A device whose sysUpTime runs like the probe's clock, polled once a minute from 0 on."""

    def __init__(self, kind: Bgp | Ospf) -> None:
        self.uptime = UptimeTracker()
        self.sessions = Sessions(kind, self.uptime, 0.0, 60.0)
        self.sort = "bgp_peers" if isinstance(kind, Bgp) else "ospf_neighbors"
        self.started = -100_000.0

    def poll(self, at: float, *rows: BgpPeer | OspfNeighbor, complete: bool = True) -> list[str]:
        facts = Facts(self.sort, rows, complete, round((at - self.started) * 100))
        self.uptime.take(at, facts.uptime_cs)
        return [change.kind for change in self.sessions.take(at, facts)]


def peer(established_s: int = 86_400, **other: object) -> BgpPeer:
    return replace(PEER, established_s=established_s, **other)  # type: ignore[arg-type]


def one(router: Router, end: float) -> SessionCounts:
    (counts,) = router.sessions.close(end).counts().values()
    return counts


def test_a_session_that_stands_is_stable_for_all_the_time_that_is_known() -> None:
    router = Router(Bgp())
    for at in range(30, 300, 60):
        assert router.poll(at, peer(86_400 + at)) == []
    assert one(router, 300.0) == SessionCounts(checks=5, known_ms=270_000)


def test_a_state_holds_for_two_periods_at_most() -> None:
    router = Router(Bgp())
    router.poll(0.0, PEER)
    assert one(router, 300.0).known_ms == 120_000
    assert router.sessions.close(600.0).counts() == {"192.0.2.1": SessionCounts()}, (
        "nothing was known of it, yet it is there"
    )


def test_a_session_that_is_lost_counts_once_and_not_again_when_it_is_back() -> None:
    router = Router(Bgp())
    router.poll(0.0, PEER)
    assert router.poll(60.0, peer(5, state="idle")) == ["bgp.down"]
    assert router.poll(120.0, peer(65, state="active")) == []
    assert router.poll(180.0, peer(10, transitions=4)) == ["bgp.up"]
    assert one(router, 240.0) == SessionCounts(checks=4, known_ms=240_000, lost_ms=120_000, resets=1)


@pytest.mark.parametrize("rise", [1, 2, 7])
def test_every_transition_between_two_established_readings_is_a_reset_that_nobody_saw(rise: int) -> None:
    router = Router(Bgp())
    router.poll(0.0, PEER)
    assert router.poll(60.0, peer(20, transitions=3 + rise)) == ["bgp.down", "bgp.up"]
    counts = one(router, 60.0)
    assert (counts.resets, counts.unseen) == (rise, rise)


def test_established_for_less_time_than_passed_is_a_reset_where_no_transitions_are_told() -> None:
    router = Router(Bgp())
    router.poll(0.0, peer(500, transitions=None))
    router.poll(60.0, peer(560, transitions=None))
    router.poll(120.0, peer(30, transitions=None))
    assert (one(router, 120.0).resets, router.poll(180.0, peer(90, transitions=None))) == (1, [])


def test_a_session_that_began_just_before_the_poll_did_not_begin_again() -> None:
    """established_s is whole seconds, and the polls are not 60.00 s apart."""
    router = Router(Bgp())
    router.poll(0.0, peer(0))
    router.poll(60.3, peer(60))
    router.poll(120.0, peer(119))
    assert one(router, 120.0).resets == 0


def test_up_and_down_again_between_two_polls_that_found_it_down() -> None:
    router = Router(Bgp())
    for at, transitions in ((0.0, 3), (60.0, 4)):
        router.poll(at, peer(state="active", transitions=transitions))
    assert (one(router, 60.0).resets, router.poll(120.0, peer(4, transitions=5))) == (1, ["bgp.up"])


def test_a_restart_of_the_device_makes_the_counter_say_nothing() -> None:
    router = Router(Bgp())
    router.poll(0.0, PEER)
    router.started = 5.0
    router.poll(60.0, peer(40, transitions=1))
    counts = one(router, 60.0)
    assert counts.resets == 1, "that it is established for 40 s only is true all the same"


def test_a_peer_that_is_switched_off_counts_neither_way() -> None:
    router = Router(Bgp())
    router.poll(0.0, PEER)
    assert router.poll(60.0, peer(state="idle", admin_up=False)) == ["bgp.down"]
    router.poll(120.0, peer(state="idle", admin_up=False))
    counts = one(router, 180.0)
    assert counts == SessionCounts(checks=1, known_ms=60_000)
    assert router.sessions.close(240.0).counts() == {}, "what is off has no figure"
    assert router.poll(300.0, peer(10, transitions=4)) == ["bgp.up"]
    assert one(router, 300.0).resets == 0


def test_a_peer_that_is_taken_out_is_lost_once_and_then_no_more() -> None:
    router = Router(Bgp())
    router.poll(0.0, PEER)
    assert router.poll(60.0) == ["bgp.down"]
    assert router.poll(120.0) == []
    counts = one(router, 180.0)
    assert (counts.resets, counts.lost_ms, counts.known_ms) == (1, 0, 60_000)
    assert router.sessions.close(240.0).counts() == {}


def test_what_a_walk_that_broke_off_lacks_is_not_gone() -> None:
    router = Router(Ospf())
    router.poll(0.0, NEIGHBOUR)
    assert router.poll(60.0, complete=False) == []
    assert router.poll(120.0, NEIGHBOUR) == []
    assert one(router, 120.0) == SessionCounts(checks=2, known_ms=120_000)


def test_an_ospf_neighbour_that_is_gone_is_lost_until_it_is_back_or_forgotten() -> None:
    router = Router(Ospf())
    router.poll(0.0, NEIGHBOUR)
    assert router.poll(60.0) == ["ospf.down"]
    router.poll(120.0)
    assert one(router, 120.0) == SessionCounts(checks=3, known_ms=120_000, lost_ms=60_000, resets=1)
    assert router.poll(180.0, NEIGHBOUR) == ["ospf.up"]
    router.poll(240.0)
    router.poll(240.0 + FORGOTTEN_S - 60)
    assert router.sessions.close(240.0 + FORGOTTEN_S - 60).counts()
    router.poll(240.0 + FORGOTTEN_S)
    router.sessions.close(240.0 + FORGOTTEN_S).counts()
    assert router.sessions.close(300.0 + FORGOTTEN_S).counts() == {}


@pytest.mark.parametrize(
    ("states", "resets"),
    [
        (("full", "full"), 0),
        (("twoWay", "twoWay"), 0),
        (("twoWay", "full"), 0),
        (("init", "exchange", "full"), 0),
        (("full", "init"), 1),
        (("full", "twoWay"), 1),
        (("twoWay", "init", "twoWay"), 1),
        (("full", "down", "exchangeStart", "full", "loading"), 2),
    ],
)
def test_a_reset_is_leaving_full_or_two_way(states: Sequence[str], resets: int) -> None:
    router = Router(Ospf())
    for step, state in enumerate(states):
        router.poll(60.0 * step, replace(NEIGHBOUR, state=state, events=None))
    assert one(router, 60.0 * len(states)).resets == resets


def own(*interfaces: tuple[str, str]) -> Ospf:
    rules = Ospf()
    rules.take_interfaces(Facts("ospf_interfaces", tuple(OspfInterface(*row) for row in interfaces), complete=True))
    return rules


NETWORK = NEIGHBOUR.address.rpartition(".")[0]


@pytest.mark.parametrize(
    ("interfaces", "expected"),
    [
        ([(f"{NETWORK}.2", "otherDesignatedRouter")], SessionCounts(1, known_ms=60_000)),
        ([(f"{NETWORK}.2", "designatedRouter")], SessionCounts(1, known_ms=60_000, lost_ms=60_000)),
        (
            [("10.9.9.1", "designatedRouter"), (f"{NETWORK}.2", "otherDesignatedRouter")],
            SessionCounts(1, known_ms=60_000),
        ),
        ([("10.9.9.1", "otherDesignatedRouter")], SessionCounts(1, two_way_ms=60_000)),  # another network
        ([("?", "otherDesignatedRouter")], SessionCounts(1, two_way_ms=60_000)),
        ([], SessionCounts(1, two_way_ms=60_000)),
    ],
)
def test_two_way_is_stable_where_the_own_interface_is_drother_and_apart_where_nobody_tells(
    interfaces: list[tuple[str, str]], expected: SessionCounts
) -> None:
    router = Router(own(*interfaces))
    router.poll(0.0, replace(NEIGHBOUR, state="twoWay"))
    assert one(router, 60.0) == expected


def test_two_way_that_nobody_can_judge_goes_up_without_a_loss_and_down_with_one() -> None:
    for after, resets in (("exchangeStart", 0), ("loading", 0), ("full", 0), ("init", 1), ("down", 1), ("attempt", 1)):
        router = Router(Ospf())
        router.poll(0.0, replace(NEIGHBOUR, state="twoWay", events=None))
        router.poll(60.0, replace(NEIGHBOUR, state=after, events=None))
        assert one(router, 120.0).resets == resets, after


@pytest.mark.parametrize(
    ("before", "after", "unseen"),
    [
        (("full", 6), ("full", 6), 0),
        (("full", 6), ("full", 9), 1),
        (("twoWay", 2), ("twoWay", 4), 1),
        (("full", 40), ("full", 6), 1),  # it was dropped and made anew in between
        (("init", 2), ("init", 8), 0),
        (("init", 1), ("full", 6), 0),  # the way up
        (("full", 6), ("exchange", 9), 0),  # seen
    ],
)
def test_events_that_nobody_saw(before: tuple[str, int], after: tuple[str, int], unseen: int) -> None:
    router = Router(Ospf())
    for at, (state, events) in ((0.0, before), (60.0, after)):
        router.poll(at, replace(NEIGHBOUR, state=state, events=events))
    assert one(router, 60.0).unseen == unseen


def test_events_over_a_restart_of_the_device_say_nothing() -> None:
    router = Router(Ospf())
    router.poll(0.0, replace(NEIGHBOUR, events=40))
    router.started = 10.0
    router.poll(60.0, NEIGHBOUR)
    assert one(router, 60.0) == SessionCounts(checks=2, known_ms=60_000)


def test_neighbours_on_links_without_addresses_are_told_apart() -> None:
    router = Router(Ospf())
    router.poll(0.0, NEIGHBOUR, replace(NEIGHBOUR, router_id="198.51.100.2"))
    assert set(router.sessions.close(60.0).counts()) == {"198.51.100.1 192.0.2.9", "198.51.100.2 192.0.2.9"}


def test_what_changed_over_a_restart_of_the_probe_is_seen() -> None:
    before, after = Router(Bgp()), Router(Bgp())
    before.poll(0.0, PEER, replace(PEER, remote_address="192.0.2.2"))
    kept = before.sessions.to_plain(30.0)
    after.sessions.resume({key: Seen.from_plain(row) for key, row in kept.items()}, 1030.0)
    after.started += 1000.0
    assert after.poll(1180.0, peer(60, transitions=4), replace(PEER, remote_address="192.0.2.2", state="idle")) == [
        "bgp.down", "bgp.up", "bgp.down",
    ]  # fmt: skip
    found = after.sessions.close(1200.0).counts()
    assert {key: counts.resets for key, counts in found.items()} == {"192.0.2.1": 1, "192.0.2.2": 1}
    assert {counts.known_ms for counts in found.values()} == {20_000}


def test_an_event_says_who_and_what() -> None:
    router = Router(Bgp())
    router.poll(0.0, PEER)
    facts = Facts("bgp_peers", (peer(1, state="idle"),), complete=True, uptime_cs=None)
    (change,) = router.sessions.take(60.0, facts)
    about = {"peer": "192.0.2.1", "remote_as": 64512, "was": "established", "state": "idle", "unseen": 0}
    assert change == Change("bgp.down", about)


def test_no_agent_fills_the_memory() -> None:
    router = Router(Bgp())
    for at in (0.0, 60.0):
        router.poll(at, *[replace(PEER, remote_address=f"{at}:{n}") for n in range(MOST + 50)], complete=False)
    assert len(router.sessions.close(60.0).counts()) == MOST
