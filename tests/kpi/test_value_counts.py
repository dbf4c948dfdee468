"""Quantities of few values, counted per value: exact quantiles, exact merging, and thresholds that do not flip."""

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kpi.catalogue import CATALOGUE
from kpi.entry import Scope
from kpi.gear_counts import GearCounts, Topic
from kpi.gear_figures import wifi_signal_dbm, wifi_snr_db
from kpi.model import Status
from kpi.status import Reading, status_of
from kpi.value_counts import NOTHING, ValueCounts

TENTHS = st.integers(-1100, 1000)
COUNTS = st.lists(TENTHS, max_size=30).map(lambda steps: ValueCounts.of(step / 10 for step in steps))


@given(st.lists(TENTHS, min_size=1, max_size=60), st.floats(0, 1))
def test_a_quantile_is_the_value_of_its_rank(steps: list[int], q: float) -> None:
    counts, ordered = ValueCounts.of(step / 10 for step in steps), sorted(steps)
    rank = int(q * (len(steps) - 1) + 1e-9)
    assert counts.quantile(q) == ordered[rank] / 10
    assert counts.quantile(q, from_top=True) == ordered[-1 - rank] / 10
    assert counts.count == len(steps)


def test_the_ends_of_a_quantile() -> None:
    counts = ValueCounts.of([-70, -67, -67, -60])
    assert [counts.quantile(q) for q in (-1, 0, 0.5, 1, 2)] == [-70, -70, -67, -60, -60]
    assert NOTHING.quantile(0.5) is None


@given(COUNTS, COUNTS, COUNTS)
def test_merging_adds_and_does_not_depend_on_order(a: ValueCounts, b: ValueCounts, c: ValueCounts) -> None:
    assert a.merge(b) == b.merge(a)
    assert a.merge(b).merge(c) == a.merge(b.merge(c))
    assert a.merge(NOTHING) == a
    assert a.merge(b).count == a.count + b.count


@given(COUNTS)
def test_the_plain_form_comes_back_the_same(counts: ValueCounts) -> None:
    assert ValueCounts.from_plain(json.loads(json.dumps(counts.to_plain()))) == counts


@pytest.mark.parametrize("plain", [[1], [1, 0], [1, -2], [1, 2, 0, 3], ["1", 2], [1, 2.0], [True, 1]])
def test_what_is_no_such_counts_is_refused(plain: list[int]) -> None:
    with pytest.raises(ValueError, match=r"value|whole number"):
        ValueCounts.from_plain(plain)


def test_the_wire_has_values_and_counts_that_a_server_can_add() -> None:
    assert ValueCounts.of([-67, -70, -67]).to_wire() == ((-70, 1), (-67, 2))
    assert ValueCounts.of([24.5, 24]).to_wire() == ((24.0, 1), (24.5, 1))
    assert all(isinstance(value, int) for value, _ in ValueCounts.of([-67.0]).to_wire())


@pytest.mark.parametrize(
    ("kpi", "limit", "better"),
    [("wifi_signal_dbm", -67, 1), ("wifi_signal_dbm", -75, 1), ("wifi_snr_db", 25, 1), ("wifi_snr_db", 15, 1)],
)
def test_a_value_on_its_threshold_is_on_the_better_side(kpi: str, limit: int, better: int) -> None:
    """A sketch of 1 % moves -67 to -67.36: every access point at the edge of its cell would be called weak."""
    entry = CATALOGUE[kpi]

    def status(value: int) -> Status:
        counts = ValueCounts.of([value] * 9)
        signal = GearCounts(9, int(Topic.SIGNAL), signal=counts)
        figure = wifi_signal_dbm(signal) if kpi == "wifi_signal_dbm" else wifi_snr_db(GearCounts(9, snr=counts))
        assert figure.value == value
        return status_of(entry, Reading(figure.value, figure.n), scope=Scope.ANY)

    order = [Status.BAD, Status.WARN, Status.GOOD]
    assert order.index(status(limit)) == order.index(status(limit - better)) + 1


def test_the_median_of_a_site_is_that_of_all_its_clients() -> None:
    chance = random.Random(4)
    devices = [[chance.randrange(-95, -40) for _ in range(chance.randrange(1, 40))] for _ in range(20)]
    whole = NOTHING
    for values in devices:
        whole = whole.merge(ValueCounts.of(values))
    everything = sorted((value for values in devices for value in values), reverse=True)
    assert whole.quantile(0.5, from_top=True) == everything[(len(everything) - 1) // 2]
