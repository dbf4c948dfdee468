"""Readings of this moment: what is good, worth attention, bad, and what nobody can say."""

import pytest

from kpi.gear import Kind, Reading
from kpi.gear_status import statuses
from kpi.model import Status
from tests.kpi.gear_polls import reading

GOOD, WARN, BAD, NONE = Status.GOOD, Status.WARN, Status.BAD, Status.NONE


@pytest.mark.parametrize(
    ("found", "status"),
    [
        (reading(Kind.TEMPERATURE, 60, limit=80), GOOD),
        (reading(Kind.TEMPERATURE, 76, limit=80), WARN),
        (reading(Kind.TEMPERATURE, 81, limit=80), BAD),
        (reading(Kind.TEMPERATURE, 81), NONE),
        (reading(Kind.TEMPERATURE, 33, name="Air inlet"), BAD),
        (reading(Kind.CLIENTS, 26), WARN),
        (reading(Kind.CLIENTS, 51), BAD),
        (Reading(Kind.CLIENTS, "wlan.3", "all", 400), NONE),
        (reading(Kind.CLIENT_RSSI, -67), GOOD),
        (reading(Kind.CLIENT_RSSI, -76), BAD),
        (reading(Kind.RSSI, -90), NONE),
        (reading(Kind.CHANNEL_UTILIZATION, 45), WARN),
        (reading(Kind.BATTERY_RUNTIME, 4), BAD),
        (reading(Kind.BATTERY_RUNTIME, 2300), NONE),
        (reading(Kind.BATTERY_CHARGE, 49), WARN),
        (reading(Kind.LOAD, 101), BAD),
        (reading(Kind.ON_BATTERY, 1), WARN),
        (reading(Kind.BATTERY_LOW, 1), BAD),
        (reading(Kind.BATTERY_LOW, 0), GOOD),
        (reading(Kind.SELF_TEST_FAILED, 1), BAD),
        (reading(Kind.CPU_USED, 100), WARN),
        (reading(Kind.CPU_USED, 85), GOOD),
        (reading(Kind.STORAGE_USED, 91), BAD),
        (reading(Kind.SUPPLY_LEVEL, 0), BAD),
        (reading(Kind.SUPPLY_LEVEL, 12), WARN),
        (reading(Kind.FAN_SPEED, 0), WARN),
        (reading(Kind.FAN_SPEED, 4000), NONE),
        (reading(Kind.VOLTAGE, 230), NONE),
    ],
)
def test_one_by_one(found: Reading, status: Status) -> None:
    assert statuses([found]) == [status]


def test_power_over_ethernet_is_judged_by_the_budget_of_its_own_group() -> None:
    first, second = reading(Kind.POE_USED, 90, "1"), reading(Kind.POE_USED, 10, "2")
    budget = reading(Kind.POE_NOMINAL, 100, "1")
    assert statuses([first, budget, second]) == [WARN, NONE, NONE]
