"""A line in half duplex carries both directions in turn; kpi/README.md if_util_pct."""

import pytest

from kpi.figures import if_util_pct
from kpi.port_counts import FULL_DUPLEX, HALF_DUPLEX, PortCounts, merge_ports, own_bins
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


def test_what_the_device_tells_is_in_the_window() -> None:
    port = PortAccumulator(GE0, RestartTracker().uptime, 0.0, 300.0)
    assert port.snapshot(10.0).flags == ()
    port.duplex = "half"
    assert port.snapshot(10.0).flags == (HALF_DUPLEX,)
    port.duplex = "unknown"
    assert port.snapshot(10.0).flags == ()
