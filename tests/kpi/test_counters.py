"""Counters: vector 7, every way in which a delta is refused, and agents whose sysUpTime lies."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kpi.counters import WRAP, Delta, Refusal, Span, UptimeTracker, delta, line_rate, runs_on, span, uptime_drift_cs

M100 = line_rate(100_000_000)
UPTIME = st.integers(0, WRAP - 1)


def octets(before: int | None, after: int | None, bits: int, over: Span, speed: int | None = 100_000_000) -> Delta:
    rate = line_rate(speed)
    return delta(before, after, bits, over, per_s=rate.octets_per_s, wrap_s=rate.octets_wrap_s)


def test_vector_7_wrap_within_the_line_rate() -> None:
    over = span(500_000, 506_000, 60.0)
    assert over == Span(60.0, by_uptime=True)
    change = octets(4_294_967_000, 704, 32, over)
    assert change == 1000
    assert 8 * 1000 / over.seconds == pytest.approx(133.33, abs=5e-3)


def test_vector_7_wrap_beyond_the_line_rate() -> None:
    over = span(0, 1000, 10.0)
    assert octets(4_000_000_000, 100_000_000, 32, over) is Refusal.IMPLAUSIBLE
    assert octets(4_000_000_000, 100_000_000, 32, over, 1_000_000_000) == 394_967_296  # 315.97 Mb/s


def test_vector_7_uptime_wraps_after_497_days() -> None:
    assert (4_294_960_000 + 30_000) % WRAP == 22_704
    assert runs_on(4_294_960_000, 22_710, 300.0)
    assert uptime_drift_cs(4_294_960_000, 22_710, 300.0) == 6
    assert span(4_294_960_000, 22_710, 300.0) == Span(300.06, by_uptime=True)
    assert not runs_on(4_294_960_000, 12_000, 300.0)
    assert span(4_294_960_000, 12_000, 300.0).refused is Refusal.RESTARTED


def test_vector_7_counter64_resets() -> None:
    assert octets(4_294_967_000, 704, 64, span(500_000, 506_000, 60.0)) is Refusal.RESET


@pytest.mark.parametrize(("drift_cs", "seconds"), [(300, 60), (-300, 60), (300, 300), (601, 601)])
def test_tolerance_is_three_seconds_or_one_percent(drift_cs: int, seconds: int) -> None:
    assert runs_on(1000, 1000 + 100 * seconds + drift_cs, float(seconds))
    further = drift_cs + (1 if drift_cs > 0 else -1)
    assert not runs_on(1000, 1000 + 100 * seconds + further, float(seconds))


def test_a_moved_discontinuity_time_breaks_the_delta_whatever_sysuptime_says() -> None:
    assert span(0, 6000, 60.0, discontinuity=(0, 5000)).refused is Refusal.DISCONTINUITY
    assert span(None, None, 60.0, discontinuity=(0, 5000)).refused is Refusal.DISCONTINUITY
    assert span(0, 6000, 60.0, discontinuity=(7, 7)).refused is None
    assert span(0, 6000, 60.0, discontinuity=(None, 5000)).refused is None  # the object is absent: not tested


def test_rates_divide_by_the_agents_own_time() -> None:
    assert span(0, 6030, 60.0).seconds == 60.3
    assert span(100, 99, 0.0).seconds == 0.0


def test_without_sysuptime_the_probes_time_counts_and_back_is_a_reset() -> None:
    over = span(None, 5, 60.0)
    assert over == Span(60.0, by_uptime=False)
    assert octets(10, 20, 32, over) == 10
    assert octets(4_294_967_000, 704, 32, over) is Refusal.RESET
    assert span(5, 5, 60.0, trusted=False) == Span(60.0, by_uptime=False)


@pytest.mark.parametrize(
    ("speed_bps", "limit_s"), [(10_000_000, 57.3 * 60), (100_000_000, 5.7 * 60), (1_000_000_000, 34.4)]
)
def test_wrap_limits_of_32_bit_octets(speed_bps: int, limit_s: float) -> None:
    assert line_rate(speed_bps).octets_wrap_s == pytest.approx(limit_s, rel=0.01)


def test_a_poll_slower_than_the_wrap_limit_is_unknown_even_where_it_rose() -> None:
    over = span(0, 35_000, 350.0)
    assert octets(1, 2, 32, over) is Refusal.TOO_SLOW
    assert octets(1, 2, 64, over) == 1
    assert octets(1, 2, 32, span(0, 34_000, 340.0)) == 1


def test_packets_have_a_bound_of_their_own() -> None:
    over = span(0, 1000, 10.0)
    most = int(M100.packets_per_s * 10)
    assert most == 1_488_095
    near = WRAP - 1
    assert delta(near, most - 1, 32, over, per_s=M100.packets_per_s, wrap_s=M100.packets_wrap_s) == most
    beyond = delta(near, most, 32, over, per_s=M100.packets_per_s, wrap_s=M100.packets_wrap_s)
    assert beyond is Refusal.IMPLAUSIBLE


def test_unknown_speed_is_bounded_with_caution() -> None:
    rate = line_rate(None)
    assert rate.assumed
    assert line_rate(0) == rate
    over = span(0, 6000, 60.0)
    most = int(1.05 * 20e6 / 8 * 60)
    assert octets(WRAP - 1, most - 1, 32, over, None) == most
    assert octets(WRAP - 1, most, 32, over, None) is Refusal.IMPLAUSIBLE
    assert octets(1, 2, 32, span(0, 35_000, 350.0), None) is Refusal.TOO_SLOW


def test_an_absent_object_is_absent_even_over_a_restart() -> None:
    over = span(50_000, 12, 300.0)
    assert octets(None, 5, 64, over) is Refusal.ABSENT
    assert octets(5, None, 64, over) is Refusal.ABSENT
    assert octets(5, 6, 64, over) is Refusal.RESTARTED


def test_a_32_bit_counter_that_held_more_than_32_bits_is_no_wrap() -> None:
    assert octets(WRAP * 3, 5, 32, span(0, 6000, 60.0)) is Refusal.IMPLAUSIBLE


@pytest.mark.parametrize("bits", [32, 64])
def test_what_no_counter_shows_is_no_reading(bits: int) -> None:
    over = span(0, 6000, 60.0)
    for before, after in ((-1, 5), (5, -1), (0, 1 << bits), (1 << bits, 7)):
        assert octets(before, after, bits, over) is Refusal.IMPLAUSIBLE
    assert octets((1 << bits) - 7, (1 << bits) - 1, bits, over) == 6


@pytest.mark.parametrize("back", [1, 42_949_671, 42_949_672, 42_949_673])
def test_a_counter_that_goes_back_by_a_little_is_unknown_and_no_wrap(back: int) -> None:
    """kpi/README.md R6: less than 1 % of 2^32, which is 42,949,672.96. The line of 100 Gb/s could carry the rest in a minute."""
    found = delta(WRAP - 1, WRAP - 1 - back, 32, span(0, 6000, 60.0), per_s=1e12, wrap_s=600.0)
    assert found == (Refusal.STUMBLED if back <= 42_949_672 else WRAP - back)
    assert delta(WRAP - 1, WRAP - 1 - back, 64, span(0, 6000, 60.0), per_s=1e12) is Refusal.RESET


def test_a_counter_of_10_gb_s_that_goes_back_by_almost_1_percent_of_its_range_is_no_wrap() -> None:
    assert delta(1_432_193_796, 1_389_244_124, 32, span(0, 3000, 30.0), per_s=1e10, wrap_s=600.0) is Refusal.STUMBLED


def test_every_32_bit_counter_has_a_limit_by_what_it_can_rise_in_a_second() -> None:
    per_s = WRAP / 100
    assert delta(1, 2, 32, span(0, 10_000, 100.0), per_s=per_s) == 1
    assert delta(1, 2, 32, span(0, 10_001, 100.01), per_s=per_s) is Refusal.TOO_SLOW
    assert delta(1, 2, 64, span(0, 10_001, 100.01), per_s=per_s) == 1


def polled(readings: list[int | None], every_s: float = 60.0) -> UptimeTracker:
    tracker = UptimeTracker()
    for i, uptime_cs in enumerate(readings):
        tracker.take(i * every_s, uptime_cs)
    return tracker


def test_an_honest_agent_is_trusted() -> None:
    tracker = polled([WRAP - 3000, 3000, 9000, 15_000])
    assert tracker.usable
    assert tracker.restarts == 0


def test_frozen_and_mis_scaled_uptimes_lose_trust_after_two_intervals() -> None:
    assert polled([500, 500]).trusted
    assert not polled([500, 500, 500]).trusted
    assert not polled([0, 0, 0]).trusted
    assert not polled([60_000, 120_000, 180_000]).trusted  # milliseconds
    assert not polled([6_000_000, 6_000_060, 6_000_120]).trusted  # seconds
    assert polled([500, 500, 500]).restarts == 0


def test_trust_comes_back_after_three_good_intervals() -> None:
    assert not polled([500, 500, 500, 6500, 12_500]).trusted
    assert polled([500, 500, 500, 6500, 12_500, 18_500]).trusted


def test_restarts_are_told_from_odd_clocks() -> None:
    tracker = polled([900_000, 906_000, 2000, 8000, 1500])
    assert tracker.restarts == 2
    assert tracker.trusted
    hour_back = polled([9_000_000, 8_640_000 + 6000])
    assert hour_back.restarts == 0


def test_absent_uptime_is_not_usable_and_may_come_back() -> None:
    tracker = polled([None, None])
    assert (tracker.usable, tracker.trusted, tracker.absent) == (False, True, True)
    tracker.take(200.0, 5)
    assert tracker.usable


def test_many_pdus_of_one_poll_are_one_reading() -> None:
    tracker = UptimeTracker()
    for i in range(10):
        tracker.take(i * 0.2, 500)
    assert tracker.trusted
    tracker.take(1.9, 3)  # a restart between two PDUs
    assert tracker.restarts == 1


@settings(deadline=None)
@given(UPTIME, st.floats(1, 86_400), st.integers(0, WRAP - 1), st.integers(0, 10**12))
def test_an_agent_that_runs_on_never_loses_octets(uptime: int, probe_s: float, before: int, rise: int) -> None:
    after_uptime = (uptime + round(probe_s * 100)) % WRAP
    over = span(uptime, after_uptime, probe_s)
    assert over.refused is None
    assert over.seconds == pytest.approx(probe_s, abs=0.011)
    assert octets(before, before + rise, 64, over) == rise
    change = octets(before, (before + rise) % WRAP, 32, over)
    if rise <= M100.octets_per_s * over.seconds and over.seconds <= M100.octets_wrap_s:
        assert change == rise


@settings(deadline=None)
@given(UPTIME, UPTIME, st.floats(1, 86_400), UPTIME, UPTIME)
def test_a_32_bit_delta_never_exceeds_the_line(u1: int, u2: int, probe_s: float, before: int, after: int) -> None:
    change = octets(before, after, 32, span(u1, u2, probe_s))
    if isinstance(change, int) and after < before:
        assert change <= M100.octets_per_s * probe_s * 1.01 + 3 * M100.octets_per_s
