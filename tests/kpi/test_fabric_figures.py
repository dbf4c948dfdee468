"""Figures of routing and switching: values, companions, reasons for null, statuses (kpi/README.md)."""

import pytest

from kpi.catalogue import CATALOGUE
from kpi.fabric_counts import DuplexCounts, FabricCounts, NeighbourCounts, SessionCounts, StpCounts
from kpi.fabric_figures import (
    duplex_mismatch,
    fabric_figures,
    neighbour_churn,
    resets,
    site_fabric,
    stability,
    stp_changes,
)
from kpi.merge import DeviceWindow
from kpi.model import Figure, NullReason, Role, Status, Window
from kpi.states import StateSeconds
from kpi.summary import device_summary, judged, site_summary

HOUR, DAY, FIVE = Window(0, 3600), Window(0, 86_400), Window(0, 300)
UP = SessionCounts(checks=60, known_ms=3_600_000)


def by_name(figures: object) -> dict[str, Figure]:
    return {figure.kpi: figure for figure in figures}  # type: ignore[attr-defined]


def test_a_device_without_any_of_it_has_no_such_figure() -> None:
    assert fabric_figures(FabricCounts()) == ()
    window = DeviceWindow("a", Role.SWITCH)
    names = by_name(device_summary(window, FIVE).figures) | by_name(site_summary([window], None, FIVE).figures)
    assert not {name for name in names if name in {f.kpi for f in fabric_figures(EVERYTHING)}}


EVERYTHING = FabricCounts(StpCounts(), NeighbourCounts(), DuplexCounts(), {"n": UP}, {"p": SessionCounts()})


def test_every_figure_is_in_the_catalogue_with_its_companions_and_reasons() -> None:
    full = FabricCounts(
        StpCounts(5, 5, 4, 1, 1),
        NeighbourCounts(5, 0, 1, 1, 2, 3, 4),
        DuplexCounts(3, 3, {"1": 2}),
        {"n": SessionCounts(5, 300_000, 60_000, 1, 1)},
        {"p": UP},
    )
    whole = site_fabric({"a": full, "b": EVERYTHING})
    for figure in (*fabric_figures(full), *fabric_figures(EVERYTHING), *whole):
        entry = CATALOGUE[figure.kpi]
        assert set(figure.parts) <= set(entry.parts)
        assert (figure.null_reason is None) == (figure.value is not None)
        assert figure.null_reason is None or figure.null_reason in entry.nulls
    assert [figure.kpi for figure in whole] == [name for name in CATALOGUE if name in by_name(whole)]


@pytest.mark.parametrize(
    ("verdicts", "value", "status"),
    [({}, 0, Status.GOOD), ({"1": 1}, 1, Status.WARN), ({"1": 1, "2": 2}, 1, Status.BAD)],
)
def test_duplex_is_judged_by_what_is_certain(verdicts: dict[str, int], value: int, status: Status) -> None:
    figure = judged(duplex_mismatch(DuplexCounts(24, 24, verdicts)), FIVE)
    assert (figure.value, figure.status, figure.n) == (value, status, 24)


def test_the_ports_that_disagree_are_named_the_certain_ones_first() -> None:
    figure = duplex_mismatch(DuplexCounts(2, 2, {"Gi0/1": 1, "Gi0/2": 2}))
    assert figure.flags == ("port:Gi0/2", "port:Gi0/1")
    assert figure.parts == {"certain": 1, "suspected": 1, "grade": 2}


def test_duplex_that_nobody_can_judge_is_null() -> None:
    assert duplex_mismatch(DuplexCounts(0, 24)).null_reason is NullReason.INSUFFICIENT
    assert duplex_mismatch(DuplexCounts(), NullReason.AUTH).null_reason is NullReason.AUTH


@pytest.mark.parametrize(
    ("changes", "roots", "status"),
    [
        (2, 0, Status.GOOD),
        (3, 0, Status.WARN),
        (10, 0, Status.WARN),
        (11, 0, Status.BAD),
        (0, 1, Status.WARN),
        (11, 1, Status.BAD),
    ],
)
def test_another_root_is_worth_attention_by_itself(changes: int, roots: int, status: Status) -> None:
    figure = judged(stp_changes(StpCounts(1440, 1440, 1439, changes, roots)), DAY)
    assert (figure.value, figure.status, figure.parts["root_changes"]) == (changes, status, roots)


def test_why_topology_changes_are_null() -> None:
    assert stp_changes(StpCounts()).null_reason is NullReason.NO_DATA
    assert stp_changes(StpCounts(readings=5)).null_reason is NullReason.UNSUPPORTED
    assert stp_changes(StpCounts(readings=1, counted=1)).null_reason is NullReason.INSUFFICIENT


def test_churn_is_judged_on_infrastructure() -> None:
    walks = NeighbourCounts(polls=1440, added=9, removed=8, infrastructure=2, kept=30, either=47)
    figure = judged(neighbour_churn(walks), DAY)
    assert (figure.value, figure.status) == (17, Status.WARN)
    assert figure.parts["stability_pct"] == pytest.approx(100 * 30 / 47)


def test_a_walk_that_broke_off_gives_no_churn() -> None:
    assert neighbour_churn(NeighbourCounts(partial=2)).null_reason is NullReason.INSUFFICIENT
    assert neighbour_churn(NeighbourCounts()).null_reason is NullReason.NO_DATA
    assert neighbour_churn(NeighbourCounts(polls=5)).value == 0


@pytest.mark.parametrize(("lost_s", "status"), [(0, Status.GOOD), (1, Status.WARN), (300, Status.BAD)])
def test_stability_is_a_ratio_of_seconds(lost_s: int, status: Status) -> None:
    """Good is 100 % alone; that it was less than 99.9 % has to be proven (Wilson)."""
    sessions = {"192.0.2.1": SessionCounts(60, 3_600_000, lost_s * 1000, int(bool(lost_s)))}
    figure = judged(stability("bgp", sessions), HOUR)
    assert figure.value == pytest.approx(100 - lost_s / 36)
    assert figure.status is status


@pytest.mark.parametrize(("known_s", "status"), [(1700, Status.NONE), (1900, Status.BAD)])
def test_sessions_that_are_known_for_less_than_half_of_the_window_have_no_status(known_s: int, status: Status) -> None:
    """Ten of them are checked often enough for a ratio within minutes."""
    sessions = {f"192.0.2.{n}": SessionCounts(30, 1000 * known_s, 1000 * known_s) for n in range(10)}
    states = StateSeconds(up_ms=3_600_000, checks=3600)
    device = DeviceWindow("d", Role.ROUTER, states, fabric=FabricCounts(bgp=sessions, ospf=sessions))
    figures = by_name(device_summary(device, HOUR).figures)
    assert [figures[f"{name}_stability"].status for name in ("bgp", "ospf")] == [status, status]


def test_the_session_that_is_worst_is_named() -> None:
    sessions = {"a": UP, "b": SessionCounts(60, 3_600_000, 900_000, 2, 1), "c": SessionCounts()}
    figure = stability("ospf", sessions)
    assert figure.value == pytest.approx(87.5)
    assert (figure.flags, figure.parts["worst_session_pct"], figure.n) == (("session:b",), 75, 60)
    lost = resets("ospf", sessions)
    assert (lost.value, lost.flags, lost.parts) == (2, ("session:b",), {"unseen": 1})


@pytest.mark.parametrize(("n", "status"), [(0, Status.GOOD), (1, Status.WARN), (2, Status.BAD)])
def test_resets_by_the_day(n: int, status: Status) -> None:
    assert judged(resets("bgp", {"p": SessionCounts(1440, 86_400_000, 0, n)}), DAY).status is status


def test_sessions_of_which_nothing_is_known_give_null() -> None:
    for figure in (stability("bgp", {"p": SessionCounts()}), resets("bgp", {"p": SessionCounts()}, NullReason.AUTH)):
        assert figure.value is None
    assert figure.null_reason is NullReason.AUTH


def test_the_site_is_the_sum_of_its_devices_with_the_worst_beside_it() -> None:
    a = FabricCounts(stp=StpCounts(5, 5, 4, 1), bgp={"192.0.2.1": UP})
    b = FabricCounts(stp=StpCounts(5, 5, 4, 6), bgp={"192.0.2.1": SessionCounts(60, 3_600_000, 3_600_000, 1)})
    devices = [DeviceWindow(name, Role.ROUTER, fabric=counts) for name, counts in (("a", a), ("b", b), ("c", None))]
    found = by_name(site_summary(devices, None, HOUR).figures)
    assert (found["stp_changes"].value, found["stp_changes"].parts["worst"]) == (7, 6)
    assert found["stp_changes"].flags == ("worst:b",)
    assert found["bgp_stability"].value == 50
    assert found["bgp_stability"].parts["worst_pct"] == 0
    assert found["bgp_stability"].flags == ("session:b/192.0.2.1", "worst:b")
    assert found["bgp_stability"].parts["sessions"] == 2
