"""A device's routing and switching, poll by poll turned into windows (kpi/README.md)."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kpi.counters import UptimeTracker
from kpi.duplex import Verdict
from kpi.fabric import FabricAccumulator, FabricMemory, is_end_station
from kpi.fabric_counts import (
    DuplexCounts,
    FabricCounts,
    NeighbourCounts,
    SessionCounts,
    StpCounts,
    merge_fabric,
)
from kpi.fabric_figures import fabric_figures
from kpi.gear import BgpPeer, Bridge, Duplex, Fact, Facts, Forwarding, Neighbor

ROOT, OTHER_ROOT = "00:00:5e:00:53:01", "00:00:5e:00:53:02"


class Switch:
    """A device whose sysUpTime runs like the probe's clock; windows of 300 s."""

    def __init__(self, began: float = 0.0, started: float = -100_000.0) -> None:
        self.uptime = UptimeTracker()
        self.fabric = FabricAccumulator(self.uptime, began, began + 300.0)
        self.started = started

    def take(self, at: float, sort: str, *rows: Fact, complete: bool = True) -> list[str]:
        facts = Facts(sort, rows, complete, round((at - self.started) * 100))
        return [change.kind for change in self.fabric.take(at, facts)]

    def bridge(self, at: float, changes: int | None, since_s: float | None, root: str = ROOT) -> list[str]:
        since_cs = round(100 * since_s) if since_s is not None else None
        return self.take(at, "bridge", Bridge(root, changes, since_cs))

    def stp(self, end: float = 300.0) -> StpCounts:
        counts = self.fabric.close(end).stp
        assert counts is not None
        return counts

    def walks(self, end: float = 300.0) -> NeighbourCounts:
        counts = self.fabric.close(end).neighbours
        assert counts is not None
        return counts


def neighbour(port: str, name: str = "core", **other: str) -> Neighbor:
    return replace(Neighbor("lldp", port, name, "Gi0/1", f"chassis of {name}"), **other)


def test_topology_changes_are_the_difference_of_the_counter() -> None:
    switch = Switch()
    for at, changes in ((10.0, 3), (70.0, 3), (130.0, 5), (190.0, 6)):
        switch.bridge(at, changes, 9000.0)
    assert switch.stp() == StpCounts(readings=4, counted=4, intervals=3, changes=3)


@pytest.mark.parametrize(("since", "changes"), [(59.0, 1), (0.0, 1), (60.0, 0), (9060.0, 0)])
def test_a_change_since_the_poll_before_counts_where_the_counter_stood_still(since: float, changes: int) -> None:
    switch = Switch()
    switch.bridge(0.0, 3, 9000.0)
    switch.bridge(60.0, 3, since)
    assert switch.stp().changes == changes


def test_a_change_that_was_counted_is_not_counted_by_its_age_again() -> None:
    switch = Switch()
    switch.bridge(0.0, 3, 9000.0)
    switch.bridge(60.0, 4, 0.0)
    switch.bridge(120.3, 4, 60.0)  # by the device's hundredths a little less than what has passed
    assert switch.stp().changes == 1


def test_a_counter_that_goes_round_and_one_that_begins_anew() -> None:
    switch = Switch()
    switch.bridge(0.0, 2**32 - 1, None)
    switch.bridge(60.0, 1, None)
    switch.bridge(120.0, 0, None)
    assert switch.stp() == StpCounts(readings=3, counted=3, intervals=1, changes=2)


def test_over_a_restart_nothing_is_inferred_but_another_root_is_seen() -> None:
    switch = Switch()
    switch.bridge(0.0, 9, 9000.0)
    switch.started = 20.0
    assert switch.bridge(60.0, 12, 5.0, OTHER_ROOT) == ["stp.root_changed"]
    assert switch.stp() == StpCounts(readings=2, counted=2, roots=1)


def test_no_root_is_not_another_root() -> None:
    switch = Switch()
    switch.bridge(0.0, 1, 1.0)
    assert switch.bridge(60.0, 1, 61.0, "00:00:00:00:00:00") == []
    assert switch.stp().roots == 0


def test_a_bridge_without_the_counter() -> None:
    switch = Switch()
    switch.bridge(0.0, None, 5.0)
    switch.bridge(60.0, None, 5.0)
    assert switch.stp() == StpCounts(readings=2)


def test_neighbours_that_come_and_go() -> None:
    switch = Switch()
    a, b, c = (neighbour(f"Gi0/{n}", f"switch {n}") for n in range(3))
    assert switch.take(10.0, "neighbors", a, b) == []
    assert switch.take(70.0, "neighbors", a, c) == ["neighbour.new", "neighbour.lost"]
    assert switch.take(130.0, "neighbors", a, c) == []
    assert switch.walks() == NeighbourCounts(added=1, removed=1, infrastructure=2, kept=1 + 2, either=3 + 2)


@pytest.mark.parametrize("other", [{"local_port": "Gi0/9"}, {"remote_chassis": "x"}, {"remote_port": "Gi0/9"}])
def test_another_port_or_chassis_is_another_neighbour(other: dict[str, str]) -> None:
    switch = Switch()
    switch.take(10.0, "neighbors", neighbour("Gi0/1"))
    switch.take(70.0, "neighbors", neighbour("Gi0/1", **other))
    assert (switch.walks().added, switch.fabric.neighbours) == (1, (neighbour("Gi0/1", **other),))


def test_another_description_is_the_same_neighbour() -> None:
    switch = Switch()
    switch.take(10.0, "neighbors", neighbour("Gi0/1"))
    switch.take(70.0, "neighbors", neighbour("Gi0/1", remote_descr="newer firmware"))
    assert switch.walks() == NeighbourCounts(kept=1, either=1)


def test_a_walk_that_broke_off_compares_with_nothing() -> None:
    switch = Switch()
    both = neighbour("Gi0/1"), neighbour("Gi0/2", "access")
    switch.take(10.0, "neighbors", *both)
    assert switch.take(70.0, "neighbors", both[0], complete=False) == []
    switch.fabric.answered(130.0)  # whether they are the same, nobody knows
    assert switch.walks() == NeighbourCounts(partial=1)
    assert switch.take(370.0, "neighbors", *both) == []
    switch.fabric.answered(430.0)
    assert switch.walks(600.0) == NeighbourCounts(polls=1, kept=2, either=2)


def test_polls_in_which_nothing_was_walked_anew_say_that_nothing_changed() -> None:
    switch = Switch()
    switch.take(10.0, "neighbors", neighbour("Gi0/1"))
    for at in (60.0, 120.0, 180.0):
        switch.fabric.answered(at)
    assert switch.walks() == NeighbourCounts(polls=3)


def test_telephones_count_but_are_no_infrastructure() -> None:
    switch = Switch()
    phone = Neighbor("lldp", "Gi0/5", "phone", "00:00:5e:00:53:99", "192.0.2.9")
    assert is_end_station(phone)
    assert is_end_station(Neighbor("cdp", "Gi0/6", "SEP00005E005399", "SEP00005E005399", "Port 1"))
    assert not is_end_station(Neighbor("cdp", "Gi0/7", "AP0000.5E00.5399", "AP0000.5E00.5399", "GigabitEthernet0"))
    assert not is_end_station(neighbour("Gi0/1", remote_port="aa:bb"))
    switch.take(10.0, "neighbors", neighbour("Gi0/1"))
    assert switch.take(70.0, "neighbors", neighbour("Gi0/1"), phone) == [], "its MAC address is nobody's business"
    assert switch.walks() == NeighbourCounts(added=1, kept=1, either=2)


def test_one_neighbour_heard_by_two_protocols_is_one() -> None:
    switch = Switch()
    twice = neighbour("Gi0/1", "core"), Neighbor("cdp", "Gi0/1", "core.example.net(FOC1)", "Gi0/1", "core.example.net")
    switch.take(10.0, "neighbors", neighbour("Gi0/2", "other"))
    switch.take(70.0, "neighbors", *twice, neighbour("Gi0/2", "other"))
    assert switch.walks() == NeighbourCounts(added=1, infrastructure=1, kept=1, either=2)


def test_a_device_that_has_none_of_it_has_no_such_window() -> None:
    switch = Switch()
    for sort in ("neighbors", "bgp_peers", "ospf_neighbors", "bridge", "duplex", "forwarding", "stations"):
        assert switch.take(10.0, sort) == []
    assert switch.fabric.close(300.0) == FabricCounts()
    assert switch.fabric.to_plain(300.0) is None


def test_a_device_that_fell_silent_keeps_its_figures_empty() -> None:
    switch = Switch()
    switch.bridge(10.0, 3, 5.0)
    switch.take(10.0, "neighbors", neighbour("Gi0/1"))
    switch.fabric.close(300.0)
    counts = switch.fabric.close(600.0)
    assert (counts.stp, counts.neighbours) == (StpCounts(), NeighbourCounts())


def test_what_was_read_holds_for_two_periods() -> None:
    """kpi/README.md R3: how much is known of what comes by SNMP is a matter of its own polls."""
    switch = Switch()
    for at in (0.0, 60.0, 120.0):
        switch.bridge(at, 3, 9000.0)
        switch.take(at, "neighbors", neighbour("Gi0/1"))
    first = switch.fabric.close(300.0)
    assert first.known_ms == {"stp": 270_000, "neighbours": 270_000}
    switch.fabric.answered(310.0)
    assert switch.fabric.close(600.0).known_ms == {"neighbours": 150_000}  # the silence was no period


def test_counters_of_a_device_whose_clock_is_not_trusted_are_counted_as_such() -> None:
    switch = Switch()
    for at in (0.0, 60.0):
        switch.fabric.take(at, Facts("bridge", (Bridge(ROOT, 3, None),), complete=True, uptime_cs=None))
        switch.fabric.take(at, Facts("duplex", (), complete=True, uptime_cs=None))
    counts = switch.fabric.close(300.0)
    assert counts.odd_clock == 2
    assert fabric_figures(counts)[0].flags == ("uptime",)
    assert FabricCounts.from_plain(counts.to_plain()) == counts
    assert merge_fabric(counts, counts).odd_clock == 4
    assert merge_fabric(counts, counts).known_ms == {"stp": 2 * counts.known_ms["stp"]}


def test_a_reading_of_the_next_window_is_set_aside() -> None:
    switch = Switch()
    switch.bridge(290.0, 3, 9000.0)
    switch.bridge(301.0, 5, 9000.0)
    assert switch.stp(300.0).changes == 0
    assert switch.stp(600.0).changes == 2


def test_a_window_that_was_set_aside_holds_what_lies_in_it() -> None:
    uptime = UptimeTracker()
    fabric = FabricAccumulator(uptime, 0.0, 300.0)
    for at, changes in ((0.0, 5), (60.0, 9), (120.0, 10), (301.0, 30)):
        fabric.take(at, Facts("bridge", (Bridge("", changes),), complete=True, uptime_cs=round(100 * at) + 5000))
        heard = (neighbour("1"),) if at != 60.0 else ()
        fabric.take(at, Facts("neighbors", heard, complete=True, uptime_cs=round(100 * at) + 5000))
    counts = fabric.close(300.0)
    assert counts.stp == StpCounts(readings=3, counted=3, intervals=2, changes=5)
    assert counts.neighbours == NeighbourCounts(added=1, removed=1, infrastructure=2, either=2)


def test_a_forwarding_table_that_was_not_read_to_its_end_replaces_none() -> None:
    switch = Switch()
    one, two = Forwarding("00:00:5e:00:53:01", 1), Forwarding("00:00:5e:00:53:02", 2)
    switch.take(10.0, "forwarding", one, complete=False)
    assert len(switch.fabric.forwarding) == 1
    switch.take(70.0, "forwarding", one, two)
    switch.take(130.0, "forwarding", one, complete=False)
    assert [port for _, port in switch.fabric.forwarding] == [1, 2]


def test_a_forwarding_table_without_an_end_is_the_last_one_that_came_as_far() -> None:
    switch = Switch()
    for port in (1, 2):
        switch.take(10.0 * port, "forwarding", Forwarding("00:00:5e:00:53:01", port), complete=False)
        assert [found for _, found in switch.fabric.forwarding] == [port]


def test_verdicts_on_duplex_go_into_the_window() -> None:
    switch = Switch()
    switch.take(10.0, "duplex", Duplex(1, "half"), Duplex(2, "full"), Duplex(3, None))
    found = {"1": Verdict.CERTAIN, "2": Verdict.AGREED}
    assert switch.fabric.close(300.0, verdicts=found).duplex == DuplexCounts(judged=2, seen=3, verdicts={"1": 2})


def test_what_changed_over_a_restart_of_the_probe_is_seen() -> None:
    before = Switch()
    before.bridge(200.0, 3, 9000.0)
    before.take(200.0, "neighbors", neighbour("Gi0/1"), neighbour("Gi0/2", "access"))
    before.take(200.0, "bgp_peers", BgpPeer("192.0.2.1", 64512, "established", admin_up=True, transitions=1))
    plain = before.fabric.to_plain(300.0)
    assert plain is not None
    after = Switch(began=10_000.0, started=-100_000.0 + 9_800.0)
    after.fabric.resume(FabricMemory.from_plain(plain), 10_100.0)  # 300.0 on the new clock
    assert after.fabric.neighbours == before.fabric.neighbours
    assert after.bridge(10_200.0, 4, 20.0, OTHER_ROOT) == ["stp.root_changed"]
    assert after.take(10_200.0, "neighbors", neighbour("Gi0/1")) == ["neighbour.lost"]
    assert after.take(10_200.0, "bgp_peers", BgpPeer("192.0.2.1", 64512, "idle", transitions=1)) == ["bgp.down"]
    counts = after.fabric.close(10_300.0)
    assert counts.stp == StpCounts(readings=1, counted=1, intervals=1, changes=1, roots=1)
    assert counts.bgp["192.0.2.1"].resets == 1
    with pytest.raises(ValueError, match="version 99"):
        FabricMemory.from_plain({"v": 99})


small = st.integers(0, 1000)
keys = st.sampled_from(["a", "b", "c"])
sessions = st.dictionaries(keys, st.builds(SessionCounts, small, small, small, small, small), max_size=3)
windows = st.builds(
    FabricCounts,
    stp=st.none() | st.builds(StpCounts, small, small, small, small, small),
    neighbours=st.none() | st.builds(NeighbourCounts, *[small] * 7),
    duplex=st.none() | st.builds(DuplexCounts, small, small, st.dictionaries(keys, st.integers(1, 2))),
    ospf=sessions,
    bgp=sessions,
)


@given(windows, windows, windows)
def test_windows_merge_whatever_the_order_of_merging(a: FabricCounts, b: FabricCounts, c: FabricCounts) -> None:
    assert merge_fabric(merge_fabric(a, b), c) == merge_fabric(a, merge_fabric(b, c))
    assert merge_fabric(a, b) == merge_fabric(b, a)
    assert merge_fabric(a, FabricCounts()) == merge_fabric(FabricCounts(), a) == a


@given(windows)
def test_a_window_comes_back_from_its_plain_form(window: FabricCounts) -> None:
    assert FabricCounts.from_plain(window.to_plain()) == window


def test_a_window_of_a_later_version_is_refused() -> None:
    with pytest.raises(ValueError, match="version 2"):
        FabricCounts.from_plain({"v": 2})


def test_two_devices_side_by_side_keep_their_names_apart() -> None:
    one = FabricCounts(duplex=DuplexCounts(1, 1, {"1": 2}), bgp={"192.0.2.1": SessionCounts(resets=1)})
    both = merge_fabric(one.named("a"), one.named("b"))
    assert both.duplex == DuplexCounts(2, 2, {"a/1": 2, "b/1": 2})
    assert set(both.bgp) == {"a/192.0.2.1", "b/192.0.2.1"}
