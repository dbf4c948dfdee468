"""The main job on real input, for ten minutes: API and Mosquitto subscriber show the same figures, and they are right.

Right means: as the packet capture, the counted traffic and the pulled cables say. One five-minute window lies wholly
inside the run; in it a port flaps and the switch is cut off for a minute.
"""

import math
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.lab.agent import SondaRun
from tests.lab.capture import Capture, CapturedTrip
from tests.lab.daemon import wait_until
from tests.lab.mosquitto import Message
from tests.lab.site import Site
from tests.programs import need_lab

pytestmark = [pytest.mark.lab, pytest.mark.long, pytest.mark.timeout(800)]
WINDOW_S = 300
TRAFFIC_BPS = 8e6
CUT_S = 60.0
DEVICES = ("router", "switch", "dead-neighbour", "dead-host")


@dataclass(frozen=True)
class Observed:
    """What was done, what happened, what the API showed and the subscriber got. Times are seconds of wall time."""

    start: float
    """Of the window."""
    cut: float
    mended: float
    shown: Mapping[str, Any]
    shown_site: Mapping[str, Any]
    incidents: Sequence[Mapping[str, Any]]
    messages: Sequence[Message]
    trips: Sequence[CapturedTrip]

    def figures(self, device: str) -> dict[str, Mapping[str, Any]]:
        return by_kpi(self.shown[device]["figures"])

    def ports(self) -> dict[str, dict[str, Mapping[str, Any]]]:
        """The switch's, by key."""
        return {port["key"]: by_kpi(port["figures"]) for port in self.shown["switch"]["ports"]}

    def published(self) -> dict[str, Any]:
        """The messages of the window by topic."""
        return {
            message.topic.partition("/probe-1/")[2]: message.json()
            for message in self.messages
            if message.json().get("window", {}).get("start") == self.start
        }


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    need_lab("snmpd", "mosquitto", "mosquitto_sub", "ping")
    with Site(tmp_path) as made:
        yield made


def test_ten_minutes_of_a_site(site: Site) -> None:
    observed = observe(site)
    api_and_subscriber_agree(observed)
    echoes_are_right(observed)
    the_outage_is_right(observed)
    ports_are_right(observed)
    nothing_is_missing(observed)


def observe(site: Site) -> Observed:
    began = time.time()
    with site.sonda() as sonda, Capture(site.probe, site.uplink) as capture:
        start = (time.time() // WINDOW_S + 1) * WINDOW_S
        sleep_until(start - 15)
        with site.switch.traffic([7], bps=TRAFFIC_BPS, size=1000):
            sleep_until(start + 60)
            site.switch.unplug(8)
            sleep_until(start + 90)
            site.switch.plug(8)
            sleep_until(start + 120)
            cut = time.time()
            site.router.down(site.downlink)
            sleep_until(start + 120 + CUT_S)
            mended = time.time()
            site.router.up(site.downlink)
            sleep_until(start + WINDOW_S)
            wait_until(lambda: window_closed(sonda, start), "the window is closed", 15)
        shown = {name: sonda.json(f"/api/v1/devices/{name}") for name in DEVICES}
        shown_site = sonda.json("/api/v1/site")
        incidents = sonda.json("/api/v1/incidents")
        sleep_until(began + 600)
        assert sonda.stop() == 0
    assert capture.dropped == 0
    assert "Traceback" not in sonda.log
    site.recorder.wait_for(lambda got: got[-1].json().get("state") == "offline", "goodbye")
    return Observed(start, cut, mended, shown, shown_site, incidents, site.recorder.messages, capture.trips())


def api_and_subscriber_agree(observed: Observed) -> None:
    published = observed.published()
    for name in DEVICES:
        told = published[f"summary/device/{name}"]
        agree(observed.shown[name]["figures"], told["figures"])
        assert math.isclose(observed.shown[name]["window"]["coverage"], told["coverage"], rel_tol=1e-5)
    agree(observed.shown_site["figures"], published["summary/site"]["figures"])
    ports, message = observed.ports(), published["summary/ports/switch"]
    assert sorted(message["port"]) == ["port8", "uplink"], "those that changed, at once; the others at the hour"
    for place, key in enumerate(message["port"]):
        for kpi, figure in ports[key].items():
            column = message.get(kpi)
            told = column[place] if isinstance(column, list) else column
            assert (figure["value"] is None) == (told is None)
            assert told is None or math.isclose(figure["value"], told, rel_tol=1e-3, abs_tol=1e-9)


def echoes_are_right(observed: Observed) -> None:
    sent = {
        trip.request.at_ns / 1e9 - observed.start: trip for trip in observed.trips if trip.request.target == "10.20.0.1"
    }
    # One a second; what lies between was sent for states alone, to see whether the way to the switch still stands.
    beat = statistics.median(at % 1 for at in sent)
    router = [trip for at, trip in sent.items() if 0 <= at < WINDOW_S and abs(at % 1 - beat) < 0.2]
    true = sorted(trip.rtt_ms for trip in router if trip.rtt_ms is not None)
    assert len(router) == len(true) == WINDOW_S
    figures = observed.figures("router")
    assert (figures["loss_ratio"]["n"], figures["loss_ratio"]["value"]) == (WINDOW_S, 0)
    assert figures["rtt_ms"]["value"] == pytest.approx(statistics.median(true), abs=0.05)
    assert figures["rtt_ms"]["parts"]["p95_ms"] == pytest.approx(true[round(0.95 * WINDOW_S)], abs=0.05)
    assert figures["availability_pct"]["value"] == 100
    for name in ("dead-neighbour", "dead-host"):
        figures = observed.figures(name)
        assert (figures["loss_ratio"]["value"], figures["loss_ratio"]["n"]) == (100, WINDOW_S)
        assert figures["availability_pct"]["value"] == 0
        assert (figures["rtt_ms"]["value"], figures["rtt_ms"]["null_reason"]) == (None, "no_data")


def the_outage_is_right(observed: Observed) -> None:
    away = observed.mended - observed.cut
    figures = observed.figures("switch")
    assert figures["loss_ratio"]["n"] == WINDOW_S
    assert figures["loss_ratio"]["parts"]["lost"] == pytest.approx(away, abs=2)
    assert figures["availability_pct"]["parts"]["down_s"] == pytest.approx(away, abs=2)
    assert figures["availability_pct"]["value"] == pytest.approx(100 * (1 - away / WINDOW_S), abs=1)
    gone = next(incident for incident in observed.incidents if incident["entity"] == "switch")
    assert seconds(gone["opened"]) == pytest.approx(observed.cut, abs=1.2)
    assert seconds(gone["closed"]) == pytest.approx(observed.mended, abs=2)


def ports_are_right(observed: Observed) -> None:
    ports = observed.ports()
    assert ports["port7"]["if_in_bps"]["value"] == pytest.approx(TRAFFIC_BPS, rel=0.02)  # snmpd's figures are 1 s old
    assert ports["port7"]["if_in_bps"]["parts"]["max_bps"] < TRAFFIC_BPS * 1.15
    assert ports["port7"]["if_out_bps"]["value"] == ports["port9"]["if_in_bps"]["value"] == 0
    assert ports["port7"]["if_discard_pct"]["value"] == ports["port7"]["if_error_pct"]["value"] == 0
    assert ports["port8"]["link_flap"]["parts"]["downs"] == 1
    assert ports["port7"]["link_flap"]["value"] == 0


def nothing_is_missing(observed: Observed) -> None:
    bodies = [message.json() for message in observed.messages]
    numbers = {body["seq"] for body in bodies if "seq" in body}
    assert numbers == set(range(1, max(numbers) + 1))
    downs = [m.json()["device"] for m in observed.messages if m.topic.endswith("event/device.down")]
    assert sorted(downs) == ["dead-host", "dead-neighbour", "switch"]


def agree(shown: Sequence[Mapping[str, Any]], published: Mapping[str, Mapping[str, Any]]) -> None:
    """The API's figures and a message's: the same KPIs, values, counts, reasons and parts (six digits travel)."""
    assert {figure["kpi"] for figure in shown} == set(published)
    for figure in shown:
        told = published[figure["kpi"]]
        assert (figure["value"] is None) == (told["v"] is None)
        assert figure["value"] is None or math.isclose(figure["value"], told["v"], rel_tol=1e-5)
        assert (figure["n"], figure["null_reason"]) == (told["n"], told.get("null"))
        for part in set(figure["parts"]) & set(told):
            assert math.isclose(figure["parts"][part], told[part], rel_tol=1e-5, abs_tol=1e-6)


def by_kpi(figures: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    return {figure["kpi"]: figure for figure in figures}


def sleep_until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.time()))


def seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


def window_closed(sonda: SondaRun, start: float) -> bool:
    window = sonda.json("/api/v1/site")["window"]
    return window is not None and seconds(window["start"]) == start
