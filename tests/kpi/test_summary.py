"""Summaries of devices and sites, their JSON, and coarser windows as folds of finer ones."""

import itertools
import json
import random
from dataclasses import replace
from functools import reduce
from typing import Any

import pytest

from kpi.echo import EchoAccumulator, EchoCounts, merge_echo
from kpi.entities import SITE
from kpi.merge import DeviceWindow, fold, merge_device
from kpi.model import Figure, NullReason, Outcome, Role, Sample, Status, Summary, Window
from kpi.port_counts import PortCounts, merge_ports
from kpi.port_summary import port_figures, ports_to_plain
from kpi.reboots import RestartCounts
from kpi.sketch import Sketch
from kpi.states import StateSeconds
from kpi.status import Reading
from kpi.summary import device_summary, figure_to_plain, link_flap_of, reading_of, site_summary, summary_to_plain

FIVE = Window(1_700_000_100, 300)
HOUR = Window(1_699_999_200, 3600)
UP = StateSeconds(up_ms=300_000, checks=300)


def echoes(values: list[float], *, lost: int = 0, seed: int = 0) -> EchoCounts:
    rng, accumulator = random.Random(seed), EchoAccumulator()
    results: list[float | None] = [*values, *[None] * lost]
    rng.shuffle(results)
    for number, value in enumerate(results):
        outcome = Outcome.NO_REPLY if value is None else Outcome.OK
        accumulator.add(Sample("t", "echo", "", float(number), value, outcome, None, number))
    return accumulator.snapshot()


def lan(n: int = 300, *, lost: int = 0, seed: int = 0) -> EchoCounts:
    rng = random.Random(seed)
    return echoes([rng.lognormvariate(-1.0, 0.25) for _ in range(n)], lost=lost, seed=seed)


def figure(summary: Summary, name: str) -> Figure:
    return next(f for f in summary.figures if f.kpi == name)


def compact(plain: Any) -> str:
    return json.dumps(plain, separators=(",", ":"))


def test_a_device_over_five_minutes_is_about_a_kilobyte() -> None:
    states = StateSeconds(up_ms=250_000, down_ms=30_000, unknown_ms=20_000, checks=300, outages_started=1)
    device = DeviceWindow("d-7f3a", Role.SWITCH, states, lan(290, lost=10), restarts=RestartCounts(readings=5))
    text = compact(summary_to_plain(device_summary(device, FIVE)))
    assert len(text) < 1100, len(text)


def test_device_summary_as_json() -> None:
    device = DeviceWindow("d1", Role.SERVER, UP, echoes([1.0] * 299, lost=1), restarts=RestartCounts(readings=1))
    summary = device_summary(device, FIVE, revision=2, final=False)
    plain = json.loads(json.dumps(summary_to_plain(summary)))
    assert plain["entity"] == "d1"
    assert plain["window"] == {"start": 1_700_000_100, "length_s": 300}
    assert (plain["revision"], plain["final"], plain["coverage"]) == (2, False, 1)
    assert plain["figures"]["loss_ratio"] == {"v": 0.333333, "n": 300, "lost": 1, "longest_run": 1}
    assert plain["figures"]["availability_pct"] == {"v": 100, "n": 300, "up_s": 300, "down_s": 0, "unknown_s": 0}
    assert plain["figures"]["reboots"] == {"v": 0, "n": 1, "agent_restarts": 0}
    assert plain["sketch"] == {"rtt_ms": [0, [299]]}
    assert "partial" not in plain


def test_a_null_comes_with_its_reason() -> None:
    device = DeviceWindow("d1", Role.SERVER, StateSeconds(unknown_ms=300_000), EchoCounts(), restarts=RestartCounts())
    plain = summary_to_plain(device_summary(device, FIVE, unanswered=NullReason.AUTH))
    assert plain["figures"]["rtt_ms"] == {"v": None, "n": 0, "null": "no_data"}
    assert plain["figures"]["reboots"]["null"] == "auth"
    assert plain["coverage"] == 0
    assert plain["partial"] is True
    assert "sketch" not in plain


def test_what_a_device_is_not_asked_for_is_left_out() -> None:
    summary = device_summary(DeviceWindow("d1", Role.UPS, UP), FIVE)
    assert [f.kpi for f in summary.figures] == ["availability_pct"]


def test_status_is_read_on_its_own_length_and_scope() -> None:
    hour = StateSeconds(up_ms=3_600_000, checks=3600)
    slow = DeviceWindow("d1", Role.SERVER, hour, echoes([30.0] * 3540, lost=60))
    summary = device_summary(slow, HOUR)
    assert figure(summary, "rtt_ms").status is Status.BAD
    assert figure(summary, "loss_ratio").status is Status.BAD
    assert figure(summary, "availability_pct").status is Status.NONE  # read on 30 days
    assert all(f.status is Status.NONE for f in device_summary(slow, FIVE).figures)
    far = device_summary(replace(slow, role=Role.INTERNET), HOUR)
    assert figure(far, "rtt_ms").status is Status.GOOD
    assert figure_to_plain(figure(summary, "rtt_ms"))["status"] == "bad"


def test_history_makes_a_status_better_only_after_two_windows() -> None:
    hour = StateSeconds(up_ms=3_600_000, checks=3600)
    bad = device_summary(DeviceWindow("d", Role.SERVER, hour, echoes([1.0] * 3500, lost=100)), HOUR)
    good = DeviceWindow("d", Role.SERVER, hour, echoes([1.0] * 3600))
    past: dict[str, list[Reading]] = {"loss_ratio": [reading_of(figure(bad, "loss_ratio"))]}
    first = figure(device_summary(good, HOUR, history=past), "loss_ratio")
    past["loss_ratio"].append(reading_of(first))
    assert first.status is Status.BAD
    assert figure(device_summary(good, HOUR, history=past), "loss_ratio").status is Status.GOOD


def test_status_needs_half_the_time_known() -> None:
    little = StateSeconds(up_ms=1_700_000, unknown_ms=1_900_000, checks=1700)
    summary = device_summary(DeviceWindow("d", Role.SERVER, little, echoes([1.0] * 1700)), HOUR)
    assert figure(summary, "loss_ratio").value == 0
    assert figure(summary, "loss_ratio").status is Status.NONE


def test_reading_of_percentiles() -> None:
    summary = device_summary(DeviceWindow("d", Role.SERVER, UP, echoes([1.0] * 50 + [9.0] * 50)), FIVE)
    reading = reading_of(figure(summary, "rtt_ms"))
    assert reading.value == pytest.approx(9, rel=0.01)
    assert reading_of(Figure("rtt_ms", None, NullReason.NO_DATA)).value is None


def site() -> list[DeviceWindow]:
    half = StateSeconds(up_ms=150_000, down_ms=150_000, checks=300, outages_started=1, open_ms=150_000)
    return [
        DeviceWindow("gw", Role.GATEWAY, UP, lan(seed=1), restarts=RestartCounts(device=1, readings=5)),
        DeviceWindow("sw", Role.SWITCH, half, lan(250, lost=50, seed=2), {"ge0": PortCounts(transitions=2, up_ms=1)},
                     RestartCounts(readings=5)),
        DeviceWindow("pc", Role.ENDPOINT, StateSeconds(unknown_ms=300_000)),
        DeviceWindow("9.9.9.9", Role.INTERNET, UP, echoes([20.0] * 60)),
    ]  # fmt: skip


def test_site_summary_sums_and_names_the_worst() -> None:
    summary = site_summary(site(), StateSeconds(up_ms=270_000, down_ms=30_000, checks=300), FIVE)
    assert summary.entity == SITE
    assert figure(summary, "network_uptime_pct").value == 90
    assert figure(summary, "network_uptime_pct").parts["weighted_pct"] == 100 * 450 / 600
    assert figure(summary, "monitoring_coverage_pct").value == pytest.approx(200 / 3)
    assert summary.coverage == pytest.approx(2 / 3)
    available = figure(summary, "availability_pct")
    assert (available.value, available.parts["worst_pct"], available.flags) == (75, 50, ("worst:sw",))
    assert "open_s" not in available.parts
    loss = figure(summary, "loss_ratio@lan")
    assert (loss.n, loss.parts["lost"]) == (600, 50)
    assert loss.flags == ("worst:sw",)
    assert loss.parts["worst_pct"] == pytest.approx(100 / 6)
    assert figure(summary, "rtt_ms@wan").value == 20
    assert figure(summary, "rtt_ms@lan").n == 550
    assert summary.sketches["rtt_ms@lan"] == lan(seed=1).sketch.merge(lan(250, lost=50, seed=2).sketch).to_wire()
    assert (figure(summary, "reboots").value, figure(summary, "reboots").flags) == (1, ("worst:gw",))
    assert figure(summary, "link_flap").value == 2


def test_two_targets_have_no_seam() -> None:
    a, b = echoes([1.0] * 5, lost=0), echoes([], lost=3)
    devices = [
        DeviceWindow("a", Role.SERVER, UP, replace(a, trailing_run=2, longest_run=2)),
        DeviceWindow("b", Role.SERVER, UP, b),
        DeviceWindow("c", Role.SERVER, UP, echoes([50.0] * 5)),
    ]
    summary = site_summary(devices, None, FIVE)
    assert figure(summary, "loss_ratio@lan").parts["longest_run"] == 3
    jitter = figure(summary, "jitter_ms@lan")
    assert (jitter.value, jitter.parts["n_d"], "j_ms" in jitter.parts) == (0, 8, False)
    assert figure(summary, "network_uptime_pct").null_reason is NullReason.INSUFFICIENT


def test_a_site_of_nothing() -> None:
    summary = site_summary([], None, FIVE)
    assert [f.kpi for f in summary.figures] == ["network_uptime_pct", "monitoring_coverage_pct", "availability_pct"]
    assert all(f.value is None for f in summary.figures)


def test_site_status_by_scope() -> None:
    hour = StateSeconds(up_ms=3_600_000, checks=3600)
    devices = [
        DeviceWindow("sw", Role.SWITCH, hour, echoes([30.0] * 3600)),
        DeviceWindow("dns", Role.INTERNET, hour, echoes([30.0] * 720)),
    ]
    summary = site_summary(devices, None, HOUR)
    assert figure(summary, "rtt_ms@lan").status is Status.BAD
    assert figure(summary, "rtt_ms@wan").status is Status.GOOD


def test_link_flaps_of_a_device() -> None:
    ports = [
        PortCounts(transitions=3, downs=2, merit=900, up_ms=1, flapped=True),
        PortCounts(transitions=1, downs=1, merit=2100, up_ms=1, flapping=True, flapped=True),
        PortCounts(transitions=0, up_ms=1, flags=("access",)),
    ]
    total = link_flap_of(ports)
    assert (total.value, total.n, total.flags) == (4, 2, ("flapping",))
    assert total.parts == {"downs": 3, "merit": 3000}
    assert link_flap_of(ports[2:]).null_reason is NullReason.UNSUPPORTED
    assert link_flap_of([PortCounts()], NullReason.AUTH).null_reason is NullReason.AUTH


def test_the_sites_flaps_are_the_same_out_of_its_devices_flaps() -> None:
    access = PortCounts(up_ms=1, flags=("access",))
    quiet, busy = PortCounts(up_ms=1), PortCounts(transitions=3, downs=2, merit=900, up_ms=1, flapped=True)
    for ports in ([busy, quiet, access], [access], [PortCounts()]):
        devices = [
            DeviceWindow(f"sw{i}", Role.SWITCH, UP, ports={f"ge{n}": counts for n, counts in enumerate(some)})
            for i, some in enumerate((ports, [busy, access], [access]))
        ]
        devices.append(DeviceWindow("pc", Role.ENDPOINT, UP))
        flaps = {d.device: figure(device_summary(d, FIVE), "link_flap") for d in devices if d.ports}
        slim = [replace(d, ports={}) for d in devices]
        assert figure(site_summary(slim, None, FIVE, flaps=flaps), "link_flap") == figure(
            site_summary(devices, None, FIVE), "link_flap"
        )
    only_access = [DeviceWindow("sw", Role.SWITCH, UP, ports={"ge0": access})]
    assert figure(site_summary(only_access, None, FIVE), "link_flap").null_reason is NullReason.UNSUPPORTED
    assert "link_flap" not in [f.kpi for f in site_summary(slim, None, FIVE).figures]


def test_windows_of_a_device_fold() -> None:
    minutes = [
        DeviceWindow("d", Role.SERVER, StateSeconds(up_ms=60_000, checks=60), lan(60, seed=i) if i != 2 else None,
                     {"ge0": PortCounts(polls=1, in_octets=i, speed_bps=1)} if i else {}, RestartCounts(readings=1))
        for i in range(6)
    ]  # fmt: skip
    whole = fold(minutes, merge_device)
    assert whole is not None
    assert whole == merge_device(reduce(merge_device, minutes[:2]), reduce(merge_device, minutes[2:]))
    assert whole.states.up_ms == 360_000
    assert whole.echo is not None
    assert whole.echo.answered == 300
    assert whole.ports["ge0"].in_octets == 15
    assert whole.restarts == RestartCounts(readings=6)
    assert fold([], merge_device) is None
    with pytest.raises(ValueError, match="two devices"):
        merge_device(minutes[0], DeviceWindow("e", Role.SERVER))


def test_an_hour_is_the_same_by_minutes_or_by_five_minutes_and_through_the_store() -> None:
    rng = random.Random(11)
    results = [rng.choice([rng.uniform(0.1, 90.0), rng.uniform(0.1, 90.0), None]) for _ in range(3600)]
    minutes: list[EchoCounts] = []
    for minute in range(60):
        accumulator = EchoAccumulator()
        for number in range(60 * minute, 60 * minute + 60):
            outcome = Outcome.OK if results[number] is not None else Outcome.NO_REPLY
            accumulator.add(Sample("t", "echo", "", float(number), results[number], outcome, None, number))
        minutes.append(accumulator.snapshot(minutes[-1] if minutes else None))
    stored = [EchoCounts.from_plain(json.loads(json.dumps(m.to_plain()))) for m in minutes]
    fives = [reduce(merge_echo, stored[i : i + 5]) for i in range(0, 60, 5)]
    by_fives = reduce(merge_echo, [EchoCounts.from_plain(f.to_plain()) for f in fives])
    assert by_fives == reduce(merge_echo, minutes)
    assert by_fives.sent == 3600
    assert by_fives.lost == results.count(None)
    runs = "".join("x" if r is None else "." for r in results).split(".")
    assert by_fives.longest_run == max(map(len, runs))
    known = [(a, b) for a, b in itertools.pairwise(results) if a is not None and b is not None]
    assert by_fives.n_d == len(known)
    assert by_fives.abs_d_ns == pytest.approx(sum(abs(a - b) for a, b in known) * 1e6, rel=1e-9)
    true = sorted(r for r in results if r is not None)
    assert by_fives.rtt_ms(0.95) == pytest.approx(true[int(0.95 * (len(true) - 1))], rel=0.01)


def switch(hours: int = 12) -> dict[str, PortCounts]:
    rng = random.Random(5)
    ports = {}
    for i in range(48):
        windows = []
        for _ in range(hours):
            into, out, packets = rng.randrange(10**9), rng.randrange(10**8), rng.randrange(10**5)
            windows.append(
                PortCounts(
                    polls=1, in_octets=into, in_ms=300_000, out_octets=out, out_ms=300_000, in_capacity_octets=into,
                    out_capacity_octets=out, in_capacity_bits=3 * 10**11, out_capacity_bits=3 * 10**11,
                    in_max_bps=into * 8 // 300, out_max_bps=out * 8 // 300, in_packets=packets, in_errors=i % 3,
                    out_packets=packets, up_ms=300_000, speed_bps=10**9, absent=0,
                    bins=((into * 8 // 300, out * 8 // 300, 10**9),),
                )
            )  # fmt: skip
        ports[f"GigabitEthernet1/0/{i}"] = reduce(merge_ports, windows)
    return ports


def test_48_busy_ports_fit_into_six_and_a_half_kilobytes() -> None:
    plain = ports_to_plain(port_figures(switch(), HOUR))
    text = compact(plain)
    assert len(text) <= 6500, (len(text), {k: len(compact(v)) for k, v in plain.items()})


def test_ports_by_columns() -> None:
    ports = {
        "ge0": next(iter(switch(1).values())),
        "ge1": PortCounts(polls=1, in_ms=1000, out_ms=1000, speed_bps=0, absent=0, up_ms=9000, flags=("uptime",)),
        "ge2": PortCounts(),
    }
    plain = ports_to_plain(port_figures(ports, FIVE, unanswered=NullReason.AUTH))
    assert plain["port"] == ["ge0", "ge1", "ge2"]
    assert plain["if_in_bps"][1:] == [0, None]
    assert plain["if_in_bps.seconds"] == [300, 1, None]
    assert plain["null"]["if_util_pct"] == {"unsupported": [1], "auth": [2]}
    assert plain["null"]["if_in_bps"] == {"auth": [2]}
    assert plain["flags"] == {"uptime": [1]}
    assert "link_flap.merit" not in plain
    assert plain["link_flap"] == [0, 0, None]
    assert "status" not in plain
    assert ports_to_plain({}) == {"v": 1, "port": []}


def test_status_of_ports_by_place() -> None:
    ports = switch()
    full = replace(ports["GigabitEthernet1/0/7"], bins=((990_000_000, 0, 10**9),) * 12)
    plain = ports_to_plain(port_figures({**ports, "GigabitEthernet1/0/7": full}, HOUR))
    assert plain["status"]["if_util_pct"]["bad"] == [7]


def test_the_zero_bucket_travels_as_a_companion() -> None:
    summary = device_summary(DeviceWindow("d", Role.SERVER, UP, echoes([0.0, 5.0])), FIVE)
    assert figure(summary, "rtt_ms").parts["zero"] == 1
    first, counts = summary.sketches["rtt_ms"]
    assert Sketch.from_wire(first, counts, 1).count == 2
