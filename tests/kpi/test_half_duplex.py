"""A line in half duplex carries both directions in turn; kpi/README.md if_util_pct."""

from dataclasses import replace
from typing import Any

import pytest

from kpi.coverage import port_coverage
from kpi.figures import if_util_pct
from kpi.model import NullReason
from kpi.port_counts import FULL_DUPLEX, HALF_DUPLEX, Absent, PortCounts, merge_ports, own_bins
from kpi.ports import PortAccumulator
from kpi.reboots import RestartTracker
from tests.kpi.port_readings import GE0


def counts(*flags: str) -> PortCounts:
    """40 % in and 50 % out of a line of 10 Mb/s over five minutes."""
    octets_in, octets_out, bits = 150_000_000, 187_500_000, 3_000_000_000
    found = PortCounts(
        polls=5, in_octets=octets_in, in_ms=300_000, out_octets=octets_out, out_ms=300_000, in_capacity_bits=bits,
        in_capacity_octets=octets_in, out_capacity_bits=bits, out_capacity_octets=octets_out, speed_bps=10_000_000,
        absent=0, flags=flags, bins=((4_000_000, 5_000_000, 10_000_000),),
    )  # fmt: skip
    assert found.bins == own_bins(found)
    return found


@pytest.mark.parametrize(
    ("flags", "value", "p95", "beside"),
    [((HALF_DUPLEX,), 90, 90, None), ((FULL_DUPLEX,), 50, 50, None), ((), 50, 50, 90)],
)
def test_both_ways_share_a_half_duplex_line(
    flags: tuple[str, ...], value: float, p95: float, beside: float | None
) -> None:
    figure = if_util_pct(counts(*flags))
    assert (figure.value, figure.parts["p95_pct"], figure.parts.get("half_duplex_pct")) == (value, p95, beside)
    assert (HALF_DUPLEX in figure.flags) is (flags == (HALF_DUPLEX,))


def test_a_line_whose_duplex_changed_shows_both() -> None:
    figure = if_util_pct(merge_ports(counts(HALF_DUPLEX), counts(FULL_DUPLEX)))
    assert (figure.value, figure.parts["half_duplex_pct"]) == (50, 90)


def known_for_less(*flags: str) -> PortCounts:
    """10 % in over five minutes, 60 % out over three of them: its counter was reset once."""
    octets_in, octets_out = 37_500_000, 135_000_000
    return PortCounts(
        polls=5, in_octets=octets_in, in_ms=300_000, in_capacity_octets=octets_in, in_capacity_bits=3_000_000_000,
        out_octets=octets_out, out_ms=180_000, out_capacity_octets=octets_out, out_capacity_bits=1_800_000_000,
        speed_bps=10_000_000, absent=0, flags=flags, bins=((1_000_000, 6_000_000, 10_000_000),),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("flags", "value", "p95", "beside"),
    [((HALF_DUPLEX,), 70, 70, None), ((FULL_DUPLEX,), 60, 60, None), ((), 60, 60, 70)],
)
def test_each_way_is_used_over_the_time_in_which_it_is_known(
    flags: tuple[str, ...], value: float, p95: float, beside: float | None
) -> None:
    figure = if_util_pct(known_for_less(*flags))
    assert (figure.value, figure.parts["p95_pct"], figure.parts.get("half_duplex_pct")) == (value, p95, beside)


def test_a_line_that_takes_turns_is_over_its_speed_by_both_together() -> None:
    """90 % of five minutes and 20 % of three: more than the line can, though neither direction is."""
    fuller = replace(known_for_less(HALF_DUPLEX), in_capacity_octets=337_500_000, out_capacity_octets=45_000_000)
    figure = if_util_pct(fuller)
    assert (figure.value, set(figure.flags)) == (100, {HALF_DUPLEX, "over_speed"})
    assert if_util_pct(replace(fuller, in_capacity_octets=300_000_000)).flags == (HALF_DUPLEX,)  # 80 and 20


@pytest.mark.parametrize("known", ["in", "out"])
@pytest.mark.parametrize(("counted", "reason"), [(True, NullReason.INSUFFICIENT), (False, NullReason.UNSUPPORTED)])
def test_of_one_way_alone_nobody_knows_how_full_a_half_duplex_line_is(
    known: str, counted: bool, reason: NullReason
) -> None:
    whole, gone = counts(HALF_DUPLEX), "out" if known == "in" else "in"
    absent = {"in": Absent.IN_OCTETS, "out": Absent.OUT_OCTETS}[gone]
    nothing: dict[str, Any] = dict.fromkeys(
        (f"{gone}_octets", f"{gone}_ms", f"{gone}_capacity_octets", f"{gone}_capacity_bits"), 0
    )
    one_way = replace(whole, **nothing, absent=0 if counted else int(absent))
    one_way = replace(one_way, bins=own_bins(one_way))
    figure = if_util_pct(one_way)
    assert (figure.value, figure.null_reason, figure.flags) == (None, reason, (HALF_DUPLEX,))
    assert dict(figure.parts) == {f"{known}_pct": whole_share(known), "p95_pct": None, "speed_bps": 10_000_000}
    assert port_coverage(one_way, figure, 300_000) == 0
    unsure = if_util_pct(replace(one_way, flags=()))
    assert unsure.value == whole_share(known)
    assert "half_duplex_pct" not in unsure.parts


def whole_share(way: str) -> float:
    return {"in": 40.0, "out": 50.0}[way]


def test_an_average_of_one_way_alone_is_not_in_the_percentile_of_both() -> None:
    """An hour in which the way out, the busier one, was not known for five minutes."""
    hour = replace(counts(HALF_DUPLEX), bins=((9_900_000, -1, 10_000_000), *[(4_000_000, 1_000_000, 10_000_000)] * 11))
    assert if_util_pct(hour).parts["p95_pct"] == 50
    assert if_util_pct(replace(hour, flags=())).parts["p95_pct"] == 99


def test_what_the_device_tells_is_in_the_window() -> None:
    port = PortAccumulator(GE0, RestartTracker().uptime, 0.0, 300.0)
    assert port.snapshot(10.0).flags == ()
    port.duplex = "half"
    assert port.snapshot(10.0).flags == (HALF_DUPLEX,)
    port.duplex = "unknown"
    assert port.snapshot(10.0).flags == ()
