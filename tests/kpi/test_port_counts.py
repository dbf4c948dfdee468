"""Closed windows of ports: percentiles, the plain form, and merging."""

import itertools
import json
import random
from dataclasses import replace

import pytest

from kpi.counters import UptimeTracker
from kpi.port_counts import (
    PortCounts,
    merge_ports,
    p95_across_links,
    p95_bps,
    plain_without_bins,
    ports_window_from_plain,
    ports_window_to_plain,
)
from kpi.ports import LastReading, PortAccumulator
from tests.kpi.port_readings import GE0, reading, status


def test_vector_8_p95() -> None:
    assert p95_bps(range(1, 21)) == (19, 20)
    assert p95_bps(range(1, 8641)) == (8208, 8640)
    assert p95_bps([]) is None


def test_p95_across_links_sums_before_ranking_and_leaves_out_missing_bins() -> None:
    one = {at: (at, 0, 0) for at in range(1, 21)}
    other = {at: (100 - at, 5, 0) for at in range(1, 21)}
    assert p95_across_links([one, other]) == (100, 20)
    assert p95_across_links([one, {1: (1, 1, 0), 2: (-1, 3, 0)}]) == (3, 2)
    assert p95_across_links([]) is None
    assert p95_across_links([one, {}]) is None


def test_plain_form_of_a_device() -> None:
    assert ports_window_from_plain(ports_window_to_plain({})) == {}
    with pytest.raises(ValueError, match="version 9"):
        ports_window_from_plain({"v": 9, "port": []})
    with pytest.raises(ValueError, match="version 9"):
        LastReading.from_plain([9])


def busy_switch(ports: int = 48) -> dict[str, PortCounts]:
    rng = random.Random(3)
    counts = {}
    uptime = UptimeTracker()
    for i in range(ports):
        accumulator = PortAccumulator(replace(GE0, key=f"GigabitEthernet1/0/{i}"), uptime, 0.0, 300.0)
        for minute in range(5):
            accumulator.take_status(60.0 * minute, status(60 * minute))
        for at in (0.0, 299.0):
            big = {name: rng.randrange(10**9) if at else 0 for name in ("in_octets", "out_octets")}
            small = {name: rng.randrange(10**5) if at else 0 for name in ("in_unicast", "out_unicast")}
            accumulator.take_counters(at, reading(at, **big, **small))
        counts[f"GigabitEthernet1/0/{i}"] = accumulator.close(300.0)
    return counts


def test_plain_form_of_48_busy_ports_is_small() -> None:
    assert len(json.dumps(ports_window_to_plain(busy_switch()), separators=(",", ":"))) < 6000


def test_without_bins_everything_else_stays() -> None:
    ports = busy_switch(3)
    hour = {key: merge_ports(counts, counts) for key, counts in ports.items()}
    assert all(len(counts.bins) == 2 for counts in hour.values())
    kept = ports_window_from_plain(plain_without_bins(ports_window_to_plain(hour)))
    assert kept == {key: replace(counts, bins=()) for key, counts in hour.items()}


def test_merging_is_associative_over_missing_windows() -> None:
    rows = list(busy_switch(3).values())
    for a, b, c in itertools.permutations([rows[0], PortCounts(), rows[1]]):
        assert merge_ports(merge_ports(a, b), c) == merge_ports(a, merge_ports(b, c))
