"""Figures: formulas, companions, and a reason for each null."""

from dataclasses import replace
from typing import Any

import pytest

from kpi import figures
from kpi.catalogue import CATALOGUE
from kpi.echo import EchoAccumulator, EchoCounts
from kpi.entries_path import PATH_ENTRIES
from kpi.entries_ports import PORT_ENTRIES
from kpi.model import Figure, NullReason, Outcome, Sample
from kpi.port_counts import Absent, PortCounts
from kpi.reboots import RestartCounts
from kpi.sketch import Sketch
from kpi.states import StateSeconds

MS = 1_000_000
PORT = PortCounts(polls=1, speed_bps=10**9, absent=0, up_ms=300_000)


def answered(values: list[float], *, lost: int = 0, reason: str | None = None) -> EchoCounts:
    accumulator = EchoAccumulator()
    for number, value in enumerate(values):
        accumulator.add(Sample("t", "echo", "", 0.0, value, Outcome.OK, reason, number))
    for number in range(len(values), len(values) + lost):
        accumulator.add(Sample("t", "echo", "", 0.0, None, Outcome.NO_REPLY, "timeout", number))
    return accumulator.snapshot()


def port(**changed: Any) -> PortCounts:
    return replace(PORT, **changed)


def null(figure: Figure) -> NullReason | None:
    assert (figure.value is None) == (figure.null_reason is not None)
    return figure.null_reason


def test_round_trip() -> None:
    figure = figures.rtt_ms(answered([10.0] * 90 + [40.0] * 10, lost=7))
    assert figure.value == pytest.approx(10, rel=0.01)
    assert figure.n == 100  # lost has no round trip
    assert figure.parts["min_ms"] == 10
    assert figure.parts["p95_ms"] == pytest.approx(40, rel=0.01)
    assert figure.parts["max_ms"] == 40
    assert null(figures.rtt_ms(answered([], lost=5))) is NullReason.NO_DATA
    assert null(figures.rtt_ms(None)) is NullReason.NO_DATA


def test_flagged_clocks_are_said() -> None:
    figure = figures.rtt_ms(answered([1.0, 2.0], reason="clock"))
    assert figure.flags == ("clock",)
    assert figure.parts["clock_flagged"] == 2


def test_loss_leaves_faults_out_and_shows_them() -> None:
    counts = replace(answered([1.0] * 97, lost=3), faults_by=(("enobufs", 4),), skipped=2)
    figure = figures.loss_ratio(counts)
    assert (figure.value, figure.n) == (3.0, 100)
    assert figure.parts == {"lost": 3, "longest_run": 3, "faults": 4, "skipped": 2}
    nothing = figures.loss_ratio(EchoCounts(faults_by=(("icmp_permission", 60),)))
    assert null(nothing) is NullReason.NO_DATA
    assert nothing.parts == {"faults": 60}
    assert null(figures.loss_ratio(None)) is NullReason.NO_DATA


def test_vector_4_variation() -> None:
    figure = figures.jitter_ms(answered([20, 24, 22, 30, 25]))
    assert figure.parts["j_ms"] == pytest.approx(1.097107, abs=1e-6)
    assert figure.parts["mean_abs_d_ms"] == 19 / 4
    assert figure.value == pytest.approx(5, abs=0.25)  # rank floor(0.99 * 4) is 25 ms, which the sketch knows to 1 %


def test_pdv_goes_by_the_99th_percentile_below_1000_answers() -> None:
    few = figures.jitter_ms(answered([10.0] * 988 + [100.0] * 11))
    many = figures.jitter_ms(answered([10.0] * 994 + [100.0] * 6))
    assert few.value == pytest.approx(90, rel=0.02)
    assert many.value == pytest.approx(90, rel=0.02)
    assert figures.jitter_ms(answered([10.0] * 993 + [100.0] * 6)).value == pytest.approx(0, abs=0.1)


def test_variation_needs_two_answers() -> None:
    assert null(figures.jitter_ms(answered([5.0]))) is NullReason.INSUFFICIENT
    assert null(figures.jitter_ms(answered([], lost=9))) is NullReason.NO_DATA
    assert null(figures.jitter_ms(None)) is NullReason.NO_DATA


def test_availability() -> None:
    states = StateSeconds(up_ms=79_200_000, down_ms=1_800_000, unknown_ms=3_600_000, maintenance_ms=1_800_000, checks=9)
    figure = figures.availability(states)
    assert figure.value == pytest.approx(97.7778, abs=5e-5)
    assert figure.parts["lo_pct"] == pytest.approx(93.6170, abs=5e-5)
    assert figure.parts["hi_pct"] == pytest.approx(97.8723, abs=5e-5)
    assert (figure.n, figure.parts["maintenance_s"]) == (9, 1800)
    assert null(figures.availability(StateSeconds(unknown_ms=5))) is NullReason.NO_DATA
    assert null(figures.availability(StateSeconds(maintenance_ms=5))) is NullReason.NO_DATA


def test_site_uptime_without_three_targets_is_null() -> None:
    figure = figures.network_uptime_pct(None, 99.0)
    assert null(figure) is NullReason.INSUFFICIENT
    assert figure.parts == {"weighted_pct": 99.0}
    assert figures.network_uptime_pct(StateSeconds(up_ms=9, down_ms=1), None).value == 90


def test_coverage() -> None:
    figure = figures.coverage_pct([StateSeconds(up_ms=3000), StateSeconds(unknown_ms=1000)])
    assert (figure.value, figure.parts["devices"], figure.parts["known_s"]) == (75, 2, 3)
    assert null(figures.coverage_pct([])) is NullReason.NO_DATA


def test_reboots() -> None:
    figure = figures.reboots(RestartCounts(device=2, agent=1, readings=60))
    assert (figure.value, figure.n) == (2, 60)
    assert figure.parts == {"agent_restarts": 1}
    assert null(figures.reboots(RestartCounts())) is NullReason.NO_DATA
    assert figures.reboots(RestartCounts(readings=1)).value == 0


def test_rates_and_totals() -> None:
    counts = port(in_octets=3_750_000, in_ms=300_000, in_max_bps=200_000, gap_in_octets=77, gap_ms=60_000)
    figure = figures.if_bps(counts, "in")
    assert figure.value == 100_000
    assert figure.parts == {"max_bps": 200_000, "octets": 3_750_000, "seconds": 300, "gap_octets": 77, "gap_s": 60}
    assert null(figures.if_bps(counts, "out")) is NullReason.INSUFFICIENT
    assert null(figures.if_bps(port(absent=int(Absent.OUT_OCTETS)), "out")) is NullReason.UNSUPPORTED
    assert null(figures.if_bps(PortCounts(), "in", NullReason.AUTH)) is NullReason.AUTH


def test_use_of_the_line() -> None:
    bins = tuple((i * 10_000_000, 0, 10**9) for i in range(1, 21))
    counts = port(
        in_capacity_octets=25_000, in_capacity_bits=10**6, out_capacity_octets=1, out_capacity_bits=10**6, bins=bins
    )
    figure = figures.if_util_pct(counts)
    assert figure.value == 20
    assert figure.parts["in_pct"] == 20
    assert figure.parts["p95_pct"] == 19
    assert null(figures.if_util_pct(port(speed_bps=0))) is NullReason.UNSUPPORTED
    assert null(figures.if_util_pct(port())) is NullReason.INSUFFICIENT  # the speed changed in each interval
    assert null(figures.if_util_pct(PortCounts())) is NullReason.NO_DATA


def test_vector_8_busy_rate_takes_the_greater_way() -> None:
    bins = tuple((i, 100 - i, 0) for i in range(1, 21))
    figure = figures.p95_rate_bps(port(bins=bins))
    assert (figure.value, figure.n, figure.parts) == (98, 20, {"in_bps": 19, "out_bps": 98})
    assert figures.p95_rate_bps(port(bins=((5, -1, 0),))).parts == {"in_bps": 5, "out_bps": None}
    assert null(figures.p95_rate_bps(port())) is NullReason.INSUFFICIENT


def test_errors_and_discards() -> None:
    counts = port(in_packets=980, in_errors=15, in_discards=5, out_packets=2000, out_errors=1, out_discards=40)
    errors, discards = figures.if_share_pct(counts, "error"), figures.if_share_pct(counts, "discard")
    assert (errors.value, errors.n) == (1.5, 1000)
    assert errors.parts["out_pct"] == 0.05
    assert (discards.value, discards.n) == (2.0, 2000)  # outbound packets count the discarded ones already
    assert discards.parts["in_pct"] == 0.5


@pytest.mark.parametrize(
    ("errors", "discards", "packets", "shares"),
    [
        (0, 3000, 1000, (0, 100)),
        (1000, 3000, 1000, (100, 100)),
        (900, 900, 1000, (90, 90)),
        (1000, 1000, 2000, (50, 50)),
        (2000, 0, 0, (100, None)),
    ],
)
def test_a_port_that_counts_more_errors_than_packets_has_a_share_of_at_most_100(
    errors: int, discards: int, packets: int, shares: tuple[float, float | None]
) -> None:
    """RFC 2863: what is sent is counted as it is requested, so that each share is of that and not of both together."""
    counts = port(out_packets=packets, out_errors=errors, out_discards=discards)
    found = [figures.if_share_pct(counts, what) for what in ("error", "discard")]
    assert tuple(figure.value for figure in found) == shares
    flagged = ("undercounted",) if errors + discards > packets else ()
    assert all(figure.flags == flagged for figure in found if figure.value is not None)
    assert [figure.n for figure in found] == [max(packets, errors), max(packets, discards)]


def test_a_port_that_carries_more_than_its_speed_is_full_and_says_so() -> None:
    counts = port(
        in_capacity_octets=130_000, in_capacity_bits=10**6, out_capacity_octets=1, out_capacity_bits=10**6,
        bins=((1_040_000, 0, 10**6),), polls=1,
    )  # fmt: skip
    figure = figures.if_util_pct(counts)
    assert (figure.value, figure.parts["in_pct"], figure.parts["p95_pct"]) == (100, 100, 100)
    assert figure.flags == ("over_speed",)
    assert figures.if_util_pct(replace(counts, in_capacity_octets=125_000)).flags == ()


def test_figures_of_a_device_whose_clock_is_not_trusted_say_so() -> None:
    counts = port(in_packets=5000, out_packets=5000, flags=("uptime",))
    assert figures.if_share_pct(counts, "error").flags == ("uptime",)


@pytest.mark.parametrize(("part", "whole", "pct"), [(1, 4, 25), (5, 4, 100), (-1, 4, 0), (1, 0, 0), (1, -4, 0)])
def test_a_share_is_a_share(part: int, whole: int, pct: float) -> None:
    assert figures.share_pct(part, whole) == pct


def test_fewer_than_1000_packets_give_no_share() -> None:
    figure = figures.if_share_pct(port(in_packets=989, in_errors=10), "error")
    assert null(figure) is NullReason.INSUFFICIENT
    assert figure.parts["in_errors"] == 10
    one_way = figures.if_share_pct(port(in_packets=10, out_packets=1000, out_errors=1), "error")
    assert one_way.value == 0.1
    assert "in_pct" not in one_way.parts
    absent = port(absent=int(Absent.IN_DISCARDS | Absent.OUT_DISCARDS), in_packets=5000, out_packets=5000)
    assert null(figures.if_share_pct(absent, "discard")) is NullReason.UNSUPPORTED
    assert figures.if_share_pct(absent, "error").value == 0
    assert null(figures.if_share_pct(PortCounts(), "error")) is NullReason.NO_DATA


def test_link_changes() -> None:
    figure = figures.link_flap(port(transitions=4, downs=2, merit=2100, flapping=True, flapped=True))
    assert (figure.value, figure.parts, figure.flags) == (4, {"downs": 2, "merit": 2100}, ("flapping",))
    assert figures.link_flap(port(flapped=True)).flags == ("flapped",)
    assert null(figures.link_flap(port(flags=("access",)))) is NullReason.UNSUPPORTED
    assert null(figures.link_flap(PortCounts())) is NullReason.NO_DATA


def test_every_companion_is_in_the_catalogue() -> None:
    full = port(
        in_octets=1, in_ms=1, out_octets=1, out_ms=1, in_capacity_bits=1, out_capacity_bits=1, in_packets=5000, out_packets=5000,
        gap_in_octets=1, gap_out_octets=1, gap_ms=1, bins=((1, 1, 1),),
    )  # fmt: skip
    echo = replace(
        answered([1.0, 2.0], lost=1), faults_by=(("x", 1),), skipped=1, clock_flagged=1, sketch=Sketch(1, 0, (1,))
    )
    states = StateSeconds(*[7] * 11)
    found = [
        *figures.port_figures(full),
        figures.rtt_ms(echo),
        figures.loss_ratio(echo),
        figures.jitter_ms(echo),
        figures.availability(states),
        figures.network_uptime_pct(states, 5.0),
        figures.coverage_pct([states]),
        figures.reboots(RestartCounts(1, 1, 1)),
    ]
    assert {figure.kpi for figure in found} == {entry.id for entry in (*PATH_ENTRIES, *PORT_ENTRIES)}
    for figure in found:
        assert figure.value is not None
        assert set(figure.parts) <= set(CATALOGUE[figure.kpi].parts), figure.kpi


def test_every_null_reason_of_a_figure_has_words() -> None:
    nothing = [
        *figures.port_figures(PortCounts()),
        *figures.port_figures(PortCounts(), NullReason.AUTH),
        *figures.port_figures(port()),
        *figures.port_figures(port(absent=int(Absent.ALL) - 1, speed_bps=0, flags=("access",))),
        figures.rtt_ms(None),
        figures.loss_ratio(None),
        figures.jitter_ms(None),
        figures.jitter_ms(answered([1.0])),
        figures.availability(StateSeconds()),
        figures.network_uptime_pct(None, None),
        figures.network_uptime_pct(StateSeconds(), None),
        figures.coverage_pct([]),
        figures.reboots(None),
    ]
    for figure in nothing:
        if figure.null_reason is not None:
            assert figure.null_reason in CATALOGUE[figure.kpi].nulls, (figure.kpi, figure.null_reason)
