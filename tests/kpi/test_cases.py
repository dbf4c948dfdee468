"""The cases of tests/kpi_cases: a directory each, with samples.jsonl (what was measured, a line each, in the order in
which it came) and expected.json (what is to come out, and why).

A line of samples.jsonl: ``at`` in seconds, ``metric`` (those of kpi.model.Metric, and ``state`` for a change of state;
the value of ``readings`` is ``{kind: {instance: number}}`` with ``uptime_cs`` and ``limits`` beside, that of
``facts`` has ``sort``, ``rows`` and where it matters ``complete`` and ``uptime_cs``; ``snmp`` is a poll that was answered),
``instance``, ``outcome`` (ok where it is left off), ``reason``, ``number``, ``value``. In expected.json, ``window`` is
[start, end) in seconds, ``figures`` what must stand in the device's summary, ``ports`` what each port must have; a
figure may name only what matters; ``network`` is the site's own state out of the changes of the instances ``link``,
``gateway`` and ``wan...``. ``{"about": 20, "within_pct": 1}`` allows for the sketch's accuracy.

Each case is run in one window, and in windows of a minute (five minutes for ports) folded: the same must come out.
"""

import json
from collections import defaultdict
from functools import reduce
from pathlib import Path
from typing import Any

import pytest

from kpi.counters import UptimeTracker
from kpi.echo import EchoAccumulator, EchoCounts, merge_echo
from kpi.fabric import FabricAccumulator
from kpi.fabric_counts import FabricCounts, merge_fabric
from kpi.figures import network_uptime_pct, port_figures
from kpi.gear import SORTS, Facts, Kind, Reading, Readings
from kpi.gear_accumulator import GearAccumulator
from kpi.gear_counts import GearCounts, merge_gear
from kpi.merge import DeviceWindow
from kpi.model import (
    Metric,
    Outcome,
    PortCounters,
    PortIdentity,
    PortStatus,
    Role,
    Sample,
    State,
    SystemReading,
    Window,
)
from kpi.planned import Halves, merge_halves
from kpi.port_counts import PortCounts, merge_ports
from kpi.ports import PortAccumulator
from kpi.reboots import RestartCounts, RestartTracker, dated_restarts, merge_restarts, split_restarts
from kpi.states import StateSeconds, Turn, merge_states, network_changes, state_seconds
from kpi.summary import device_summary, figure_to_plain, summary_to_plain

CASES = sorted((Path(__file__).parents[1] / "kpi_cases").iterdir())
Line = dict[str, Any]


def edges(expected: dict[str, Any], length_s: float) -> list[tuple[float, float]]:
    start, end = expected["window"]
    cuts = [start]
    while cuts[-1] + length_s < end:
        cuts.append(cuts[-1] + length_s)
    return list(zip(cuts, [*cuts[1:], end], strict=True))


def echo_of(lines: list[Line], spans: list[tuple[float, float]]) -> EchoCounts | None:
    lines = [line for line in lines if line["metric"] == Metric.ECHO]
    if not lines:
        return None
    whole, before = EchoCounts(), EchoCounts()
    for start, end in spans:
        accumulator = EchoAccumulator()
        for line in lines:
            if start <= line["at"] < end:
                outcome = Outcome(line.get("outcome", "ok"))
                sample = Sample(
                    "d", Metric.ECHO, "", line["at"], line.get("value"), outcome, line.get("reason"), line["number"]
                )
                accumulator.add(sample)
        before = accumulator.snapshot(before)
        whole = merge_echo(whole, before)
    return whole


def turns_of(lines: list[Line], instance: str) -> list[Turn]:
    changes = [line for line in lines if line["metric"] == "state" and line.get("instance", "") == instance]
    return [Turn(line["at"], State(line["value"])) for line in changes]


def network_of(lines: list[Line], spans: list[tuple[float, float]]) -> StateSeconds | None:
    wan = sorted({line["instance"] for line in lines if line.get("instance", "").startswith("wan")})
    turns = network_changes(turns_of(lines, "link"), turns_of(lines, "gateway"), [turns_of(lines, w) for w in wan])
    if turns is None:
        return None
    return reduce(merge_states, [state_seconds(turns, a, b, checks=round(b - a)) for a, b in spans])


def states_of(lines: list[Line], expected: dict[str, Any], spans: list[tuple[float, float]]) -> StateSeconds:
    turns = turns_of(lines, "")
    maintenance = [(a, b) for a, b in expected.get("maintenance", [])]
    parts = [state_seconds(turns, a, b, maintenance=maintenance, checks=round(b - a)) for a, b in spans]
    return reduce(merge_states, parts)


def ports_of(lines: list[Line], spans: list[tuple[float, float]]) -> dict[str, PortCounts]:
    uptime, found, counts = UptimeTracker(), dict[str, PortAccumulator](), defaultdict[str, PortCounts](PortCounts)
    waiting = list(spans)

    def close_until(at: float) -> None:
        while waiting and at >= waiting[0][1]:
            end = waiting.pop(0)[1]
            for key, accumulator in found.items():
                counts[key] = merge_ports(counts[key], accumulator.close(end))

    for line in lines:
        close_until(line["at"] - 2.5)  # windows are closed a little after their end
        at, key = line["at"], line.get("instance", "")
        value: Any = line.get("value")
        if line["metric"] == Metric.PORT_IDENTITY:
            columns = {"index": 1, "if_type": 6, "mtu": 1500, "speed_bps": None, "mac": None, **value}
            identity = PortIdentity(key=key, name=key, descr="", alias="", **columns)
            if key in found:
                found[key].take_identity(at, identity)
            else:
                found[key] = PortAccumulator(identity, uptime, *waiting[0])
        elif line["metric"] == Metric.PORT_STATUS:
            found[key].take_status(
                at, PortStatus(**{"admin": "up", "last_change_cs": None, "uptime_cs": None, **value})
            )
        elif line["metric"] == Metric.PORT_COUNTERS:
            columns = {**dict.fromkeys(PortCounters.__slots__), "octet_bits": 64, "packet_bits": 64, **value}
            found[key].take_counters(at, PortCounters(**columns))
    close_until(float("inf"))
    return dict(counts)


def gear_of(lines: list[Line], spans: list[tuple[float, float]]) -> GearCounts | None:
    lines = [line for line in lines if line["metric"] == Metric.READINGS]
    if not lines:
        return None
    gear, counts, waiting = GearAccumulator(UptimeTracker(), *spans[0]), GearCounts(), list(spans)

    def close() -> None:
        nonlocal counts
        end = waiting.pop(0)[1]
        counts = merge_gear(counts, gear.close(end, waiting[0][1] if waiting else None))

    for line in lines:
        while waiting and line["at"] - 2.5 >= waiting[0][1]:
            close()
        value = dict(line["value"])
        uptime_cs, limits = value.pop("uptime_cs", None), value.pop("limits", {})
        readings = tuple(
            Reading(Kind(kind), f"t.{kind}.{instance}", instance, number, limits.get(instance))
            for kind, numbers in value.items()
            for instance, number in numbers.items()
        )
        gear.take(line["at"], Readings(uptime_cs, readings, {}))
    while waiting:
        close()
    return counts


def fabric_of(lines: list[Line], spans: list[tuple[float, float]]) -> FabricCounts | None:
    lines = [line for line in lines if line["metric"] in {Metric.FACTS, Metric.SNMP}]
    if not lines:
        return None
    fabric, counts, waiting = FabricAccumulator(UptimeTracker(), *spans[0]), FabricCounts(), list(spans)
    for line in [*lines, {"at": float("inf")}]:
        while waiting and line["at"] - 2.5 >= waiting[0][1]:
            end = waiting.pop(0)[1]
            counts = merge_fabric(counts, fabric.close(end, waiting[0][1] if waiting else None))
        if line.get("metric") == Metric.SNMP:
            fabric.answered(line["at"])
        elif "value" in line:
            value = line["value"]
            rows = tuple(SORTS[value["sort"]](**row) for row in value["rows"])
            facts = Facts(value["sort"], rows, value.get("complete", True), value.get("uptime_cs"))
            fabric.take(line["at"], facts)
    return counts


def restarts_of(lines: list[Line], expected: dict[str, Any], spans: list[tuple[float, float]]) -> Halves[RestartCounts]:
    """Always by the minute: planned work takes readings out with their window."""
    lines = [line for line in lines if line["metric"] == Metric.SYSTEM]
    tracker = RestartTracker()
    events = [one for line in lines if (one := tracker.take(line["at"], SystemReading(**line["value"]))) is not None]
    planned = [(a, b) for a, b in expected.get("maintenance", [])]
    whole: Halves[RestartCounts] = Halves()
    for a, b in spans:
        dates = [(one.began - a, one.what) for one in events if a <= one.noticed < b]
        counts = dated_restarts(dates, sum(a <= line["at"] < b for line in lines))
        whole = merge_halves(merge_restarts, whole, split_restarts(counts, a, b - a, planned))
    return whole if lines else Halves()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.parametrize("folded", [False, True], ids=["whole", "folded"])
def test_case(case: Path, *, folded: bool) -> None:
    expected = json.loads((case / "expected.json").read_text(encoding="utf-8"))
    lines = [json.loads(line) for line in (case / "samples.jsonl").read_text(encoding="utf-8").splitlines()]
    start, end = expected["window"]
    minutes = edges(expected, 60 if folded else end - start)
    restarts = restarts_of(lines, expected, edges(expected, 60))
    role = Role(expected.get("role", "switch"))
    device = DeviceWindow(
        device=case.name,
        role=role,
        states=states_of(lines, expected, minutes),
        echo=echo_of(lines, minutes),
        restarts=restarts.counted,
        planned=DeviceWindow(case.name, role, restarts=restarts.planned) if restarts.planned is not None else None,
        gear=gear_of(lines, edges(expected, 300 if folded else end - start)),
        fabric=fabric_of(lines, edges(expected, 300 if folded else end - start)),
    )
    summary = summary_to_plain(device_summary(device, Window(0, round(end - start))))
    compare(expected.get("figures", {}), summary["figures"], case.name)
    network = figure_to_plain(network_uptime_pct(network_of(lines, minutes), None))
    compare({"network_uptime_pct": expected.get("network", {})}, {"network_uptime_pct": network}, case.name)
    ports = ports_of(lines, edges(expected, 300))
    assert set(expected.get("ports", {})) <= set(ports)
    for key, wanted in expected.get("ports", {}).items():
        found = {figure.kpi: figure_to_plain(figure) for figure in port_figures(ports[key])}
        compare(wanted, found, f"{case.name} {key}")


def compare(wanted: dict[str, Any], found: dict[str, Any], where: str) -> None:
    for name, parts in wanted.items():
        assert name in found, f"{where}: no {name}"
        for part, value in parts.items():
            got = found[name].get(part)
            if isinstance(value, dict):
                assert got == pytest.approx(value["about"], rel=value["within_pct"] / 100), f"{where}: {name} {part}"
            elif isinstance(value, float | int):
                assert got == pytest.approx(value, rel=1e-5), f"{where}: {name} {part}"
            else:
                assert got == value, f"{where}: {name} {part}"


def test_there_are_cases_and_each_is_whole() -> None:
    assert len(CASES) >= 12
    for case in CASES:
        assert {path.name for path in case.iterdir()} == {"samples.jsonl", "expected.json"}
        assert json.loads((case / "expected.json").read_text(encoding="utf-8"))["why"]
